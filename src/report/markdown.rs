//! GitHub-flavoured Markdown, fit for the summary of a CI job and for a comment on a pull request.

use super::mermaid;
use super::text::{self, Mood, plain};
use super::understood;
use crate::answer::{BySteps, Finding, GateState, Outcome, Verdict};
use crate::model::{Resource, RunRecord, format_bytes, format_count, format_seconds};
use crate::words::steps::{names, worth};
use crate::words::understanding::explain;
use crate::words::{self, Headline};
use std::fmt::Write;

/// Workers in a table; of more, those that grow most.
const ROWS: usize = 12;

/// Renders the verdict, its gates and workers.
pub fn render(record: &RunRecord, verdict: &Verdict) -> String {
    let mut out = String::new();
    // Writing to a string doesn't fail.
    let _ = writeln!(out, "{}", marker(&record.meta.name));
    let _ = write(&mut out, record, verdict);
    for (service, verdict) in record.services.iter().zip(&verdict.services) {
        let _ = writeln!(out).and_then(|()| write(&mut out, service, verdict));
    }
    out
}

fn write(out: &mut String, record: &RunRecord, verdict: &Verdict) -> std::fmt::Result {
    let first = text::headline(record, verdict);
    let (icon, name, rest) = (icon(Mood::of_verdict(verdict)), escape(&first.name), escape(&first.rest));
    writeln!(out, "## {icon} {name} **{}**{rest}\n", first.word)?;
    let read_as = understood::rows(record);
    if !read_as.is_empty() {
        writeln!(out, "| {} | Column | |\n|---|---|---|", escape(&understood::heading(record)))?;
        for row in &read_as {
            writeln!(out, "| {} |", row.each_ref().map(|cell| escape(cell)).join(" | "))?;
        }
        writeln!(out)?;
    }
    if !first.more.is_empty() {
        writeln!(out, "{}\n", first.more.iter().map(|sentence| escape(sentence)).collect::<Vec<_>>().join(" "))?;
    }
    if let Some(why) = &record.meta.aborted {
        // Line breaks stay, with two spaces before them, which Markdown asks for.
        let lines = why.lines().skip(usize::from(first.says_why_it_ended)).map(escape).collect::<Vec<_>>().join("  \n");
        let begin = if first.says_why_it_ended { "" } else { "The run ended early: " };
        if !lines.is_empty() {
            writeln!(out, "{begin}{lines}\n")?;
        }
    }
    if !verdict.gates.is_empty() && !record.failed_before_soak() {
        writeln!(out, "| | Gate | Measured | {} | Allowed |\n|---|---|---|---|---|", text::interval(verdict))?;
        for gate in &verdict.gates {
            let words::GateWords { name, measured, interval, allowed } = words::gate(gate);
            let cells =
                [name, measured.to_string(), interval, allowed.to_string()].map(|cell| escape(&cell)).join(" | ");
            writeln!(out, "| {} | {cells} |", state(gate.state))?;
        }
        writeln!(out)?;
    }
    for told in text::beside(record, verdict) {
        writeln!(out, "- {}", escape(&told))?;
    }
    if let Some(chart) = mermaid::memory(record, verdict).filter(|_| !record.failed_before_soak()) {
        write!(out, "\n{chart}")?;
    }
    for finding in &verdict.findings {
        if let Some(steps) = finding.steps.as_ref().filter(|_| finding.outcome != Outcome::Clean) {
            write_steps(out, finding, steps, record.meta.full(finding.resource))?;
        }
    }
    for finding in verdict.findings.iter().filter(|f| !f.workers.is_empty()).filter(|f| f.outcome != Outcome::Clean) {
        write_workers(out, finding, record.meta.full(finding.resource))?;
    }
    let account = |finding: &&Finding| matches!(finding.resource, Resource::Rest | Resource::Processes);
    if verdict.findings.iter().filter(account).any(|f| f.outcome != Outcome::Clean) {
        write_rest(out, verdict)?;
    }
    writeln!(out, "\n<details><summary>Understanding this report</summary>\n")?;
    for paragraph in explain(record, verdict) {
        writeln!(out, "**{}.** {}\n", paragraph.title, escape(&paragraph.text))?;
    }
    writeln!(out, "</details>\n")?;
    let meta = &record.meta;
    let elapsed = meta.elapsed.map_or_else(String::new, |e| format!(" · {}", format_seconds(e)));
    writeln!(
        out,
        "<sub>{} · {}{elapsed} · seed {} · seepage {}</sub>",
        escape(&meta.name),
        escape(&meta.started),
        meta.seed,
        escape(&meta.seepage)
    )
}

/// The first line, which nobody sees: by it the comment on an earlier run of the same name is found again.
fn marker(name: &str) -> String {
    let harmless = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    format!("<!-- seepage: {} -->", name.chars().map(harmless).collect::<String>())
}

fn write_steps(out: &mut String, finding: &Finding, steps: &BySteps, full: &str) -> std::fmt::Result {
    let resource = finding.resource;
    writeln!(out, "\n| Step | Share | {} per request of it |\n|---|--:|---|", text::capital(full))?;
    for row in &steps.rows {
        let share = format_count((1000.0 * row.share).round() / 10.0);
        let growth =
            format!("{} ({})", text::amount(resource, row.growth.estimate), text::bounds(resource, &row.growth));
        writeln!(out, "| {} | {share} % | {growth} |", escape(&names(row)))?;
    }
    writeln!(out, "\n{}", worth(steps))
}

fn write_workers(out: &mut String, finding: &Finding, full: &str) -> std::fmt::Result {
    let resource = finding.resource;
    let mut workers: Vec<_> = finding.workers.iter().collect();
    let key = |w: &crate::answer::WorkerFinding| w.growth.map_or(f64::NEG_INFINITY, |g| g.estimate);
    workers.sort_by(|a, b| key(b).total_cmp(&key(a)));
    writeln!(out, "\n<details><summary>{} by worker</summary>\n", text::capital(full))?;
    writeln!(out, "| Worker | First | Last | Growth |\n|---|--:|--:|---|")?;
    for worker in workers.iter().take(ROWS) {
        let growth = match (&worker.growth, worker.set_aside) {
            (Some(growth), _) => text::growth(resource, finding.axis, growth),
            (None, Some(why)) => format!("set aside: {}", escape(&words::set_aside(why))),
            (None, None) => "–".to_owned(),
        };
        let (first, last) = (text::amount(resource, worker.first), text::amount(resource, worker.last));
        writeln!(out, "| {} | {first} | {last} | {growth} |", text::worker_name(worker.worker))?;
    }
    if workers.len() > ROWS {
        writeln!(out, "\nand {} more", workers.len() - ROWS)?;
    }
    writeln!(out, "\n</details>")
}

fn write_rest(out: &mut String, verdict: &Verdict) -> std::fmt::Result {
    let Some(whole) = verdict.whole_target.as_ref().filter(|whole| !whole.rest.is_empty()) else { return Ok(()) };
    writeln!(out, "\n| Process that is not a worker | First | Last |\n|---|--:|--:|")?;
    for process in &whole.rest {
        let (first, last) = (format_bytes(process.size.0), format_bytes(process.size.1));
        writeln!(out, "| {} | {first} | {last} |", escape(&text::process_name(&process.who)))?;
    }
    if whole.more > 0 {
        writeln!(out, "\nand {} more", whole.more)?;
    }
    Ok(())
}

fn icon(mood: Mood) -> &'static str {
    match mood {
        Mood::Bad => "🔴",
        Mood::Good => "🟢",
        Mood::Unsure => "🟡",
    }
}

fn state(state: GateState) -> &'static str {
    match state {
        GateState::Pass => "✅",
        GateState::Fail => "❌",
        GateState::Unknown => "❔",
    }
}

/// What is said first of a search.
pub(super) fn said(first: &Headline) -> String {
    let more: Vec<String> = first.more.iter().map(|sentence| escape(sentence)).collect();
    format!("## {} **{}**{}\n\n{}\n\n", escape(&first.name), first.word, escape(&first.rest), more.join(" "))
}

/// Text in which nothing means anything to Markdown or HTML, on one line.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in plain(text).replace("://", ":\u{2060}//").chars() {
        match c {
            // A word joiner set above, so that an address doesn't become a link; shown as an entity.
            '\u{2060}' => out.push_str("&#8288;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A mention or a reference to an issue would notify people.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_means_anything_to_markdown() {
        assert_eq!(escape("a|b `c` <img> @me #1\n# x"), "a\\|b \\`c\\` &lt;img&gt; &#64;me &#35;1 &#35; x");
    }

    proptest! {
        #[test]
        fn no_name_ends_the_marker(name in any::<String>()) {
            let marker = marker(&name);
            prop_assert_eq!(marker.matches(['<', '>', '\n']).count(), 2);
        }

        #[test]
        fn no_text_opens_a_tag_a_cell_or_a_line(text in any::<String>()) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '\n', '@']));
            prop_assert!(!escaped.contains("://"));
            let bare = escaped.replace("\\\\", "").replace("\\|", "").replace("\\`", "");
            prop_assert!(!bare.contains(['|', '`']));
        }
    }
}
