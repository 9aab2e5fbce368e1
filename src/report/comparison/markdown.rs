//! A comparison in GitHub-flavoured Markdown, fit for the summary of a CI job.

use super::Report;
use super::table::{is_tested, notes, pair_rows, rows};
use crate::compare::{Answer, Measure};
use crate::model::Resource;
use crate::report::markdown::escape;
use crate::words::comparison::{answer_state, headline};
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
    let first = headline(report.name, comparison);
    let (icon_of_all, name, rest) = (icon(comparison.answer), escape(&first.name), escape(&first.rest));
    writeln!(out, "## {icon_of_all} {name} **{}**{rest}\n", first.word)?;
    if !first.more.is_empty() {
        writeln!(out, "{}\n", first.more.iter().map(|sentence| escape(sentence)).collect::<Vec<_>>().join(" "))?;
    }
    let (a, b) = (escape(&comparison.sides.a.name), escape(&comparison.sides.b.name));
    let tested = is_tested(report);
    let p = if tested { [" p |", "--:|"] } else { [""; 2] };
    writeln!(out, "| | Measure | Difference | 99 % interval | Allowed | {a} | {b} |{}", p[0])?;
    writeln!(out, "|---|---|--:|---|--:|--:|--:|{}", p[1])?;
    for row in rows(report) {
        let words = &row.words;
        let cells = [&words.name, &words.difference, &words.interval, &words.allowed, &words.a, &words.b];
        let cells = cells.into_iter().chain(tested.then_some(&row.p)).map(|cell| escape(cell));
        let answer = row.difference.answer;
        writeln!(out, "| {} {} | {} |", icon(answer), answer_state(answer), cells.collect::<Vec<_>>().join(" | "))?;
    }
    writeln!(out)?;
    for note in notes(report) {
        writeln!(out, "- {}", escape(&note))?;
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
