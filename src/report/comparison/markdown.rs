//! A comparison in GitHub-flavoured Markdown, fit for the summary of a CI job.

use super::Report;
use super::table::{pair_rows, rows};
use crate::compare::{Answer, Measure, answer_word};
use crate::model::Resource;
use crate::report::markdown::escape;
use std::fmt::Write;

/// Renders the sentence, the measures, and memory growth pair by pair.
pub fn render(report: &Report<'_>) -> String {
    let mut out = String::new();
    // Writing to a string doesn't fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report<'_>) -> std::fmt::Result {
    let comparison = report.comparison;
    let word = answer_word(comparison.answer);
    let rest = &comparison.sentence;
    writeln!(out, "## {} **{word}** {}\n", icon(comparison.answer), escape(rest))?;
    let (a, b) = (escape(&comparison.sides.a.name), escape(&comparison.sides.b.name));
    writeln!(out, "| | Measure | {a} | {b} | Difference | Allowed | p |\n|---|---|--:|--:|---|--:|--:|")?;
    for row in rows(report) {
        let cells = [&row.name, &row.a, &row.b, &row.words, &row.margin, &row.p].map(|c| escape(c));
        writeln!(out, "| {} {} | {} |", icon(row.difference.answer), row.difference.answer, cells.join(" | "))?;
    }
    writeln!(out)?;
    for note in comparison.notes.iter().chain(report.notes) {
        writeln!(out, "- {}", escape(note))?;
    }
    if let Some(memory) = comparison.difference(Measure::Growth(Resource::Memory)) {
        writeln!(out, "\n<details><summary>Memory growth pair by pair</summary>\n")?;
        writeln!(out, "| Pair | First | {a} | {b} | Difference |\n|--:|---|--:|--:|--:|")?;
        for row in pair_rows(report, memory) {
            writeln!(out, "| {} |", row.map(|c| escape(&c)).join(" | "))?;
        }
        writeln!(out, "\n</details>")?;
    }
    let seed = report.seed.map_or_else(String::new, |s| format!(" · order by seed {s}"));
    writeln!(
        out,
        "\n<sub>{} · {}{seed} · seepage {}</sub>",
        escape(report.name),
        escape(report.started),
        env!("CARGO_PKG_VERSION")
    )
}

fn icon(answer: Answer) -> &'static str {
    match answer {
        Answer::Regression => "🔴",
        Answer::Improvement | Answer::Equivalent => "🟢",
        Answer::Inconclusive => "🟡",
    }
}
