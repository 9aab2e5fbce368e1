//! The end of a run on a terminal: the first lines, a gate a line, the notes.

use super::fold::{self, TABLE};
use super::text::{self, Mood, plain};
use super::understood;
use crate::answer::{GateState, Verdict};
use crate::model::RunRecord;
use crate::words::{self, GateWords, Headline, Quantity};
use console::{Style, measure_text_width};
use std::collections::BTreeSet;

/// Renders the verdict, with colours if `colour`; ends in a line break. Sentences have a line each; a table that is too wide
/// for `width` columns is stacked. Each service follows, as if it were a run of its own.
pub fn render(record: &RunRecord, verdict: &Verdict, colour: bool, width: usize) -> String {
    let services = record.services.iter().zip(&verdict.services);
    let services = services.map(|(record, verdict)| format!("\n{}", one(record, verdict, colour, width)));
    one(record, verdict, colour, width) + &services.collect::<String>()
}

fn one(record: &RunRecord, verdict: &Verdict, colour: bool, width: usize) -> String {
    let paint = |style: Style, text: &str| style.force_styling(colour).apply_to(text).to_string();
    let mut out = understood::lines(record);

    let first = text::headline(record, verdict);
    let word = paint(style(Mood::of_verdict(verdict)).bold(), first.word);
    out.push_str(&format!("{} {word}{}\n", plain(&first.name), plain(&first.rest)));
    out.extend(first.more.iter().map(|sentence| format!("{}\n", plain(sentence))));
    let mut lines = record.meta.aborted.iter().flat_map(|why| why.lines());
    if let Some(why) = lines.next().filter(|_| !first.says_why_it_ended) {
        out.push_str(&format!("The run ended early: {}\n", plain(why)));
    }
    lines.for_each(|line| out.push_str(&format!("    {}\n", plain(line))));

    let rows = if record.failed_before_soak() { Vec::new() } else { table(verdict, width) };
    if !rows.is_empty() {
        out.push('\n');
    }
    for (state, row) in rows {
        let state = state.map(|state| (text::gate_word(state), style(Mood::of_gate(state))));
        let state = state.map_or_else(|| "    ".to_owned(), |(word, style)| paint(style, word));
        out.push_str(&fold::row(&format!("  {state}  "), &row, width));
    }

    let notes = text::beside(record, verdict);
    if !notes.is_empty() {
        out.push('\n');
    }
    for note in notes {
        out.push_str(&format!("  - {}\n", plain(&note)));
    }
    out
}

type Row = (Option<GateState>, String);

/// The rows of the table: side by side, or, where there is no room for that, one below the other.
fn table(verdict: &Verdict, width: usize) -> Vec<Row> {
    let lines: Vec<_> = verdict.gates.iter().map(|gate| (gate.state, words::gate(gate))).collect();
    let units: BTreeSet<&str> = lines.iter().map(|(_, line)| line.measured.per).filter(|per| !per.is_empty()).collect();
    // What all growth is for is said once, above it.
    let head = [
        String::new(),
        if let [per] = units.iter().collect::<Vec<_>>()[..] { format!("per {per}") } else { String::new() },
        text::interval(verdict),
        "allowed".to_owned(),
    ];
    let one_unit = units.len() == 1;
    let cell = |quantity: &Quantity| plain(&if one_unit { quantity.amount.clone() } else { quantity.to_string() });
    let cells =
        |line: &GateWords| [plain(&line.name), cell(&line.measured), plain(&line.interval), cell(&line.allowed)];
    let rows: Vec<[String; 4]> = lines.iter().map(|(_, line)| cells(line)).collect();
    // A table without a growth that is open or broken has no intervals.
    let bare = rows.iter().all(|row| row[2].is_empty());
    let shown: Vec<usize> = (0..4).filter(|column| *column != 2 || !bare).collect();
    let all = || rows.iter().chain([&head]);
    let widths: Vec<usize> =
        (0..4).map(|column| all().map(|row| measure_text_width(&row[column])).max().unwrap_or(0)).collect();
    let columns = 6 + shown.iter().map(|column| widths[*column] + 2).sum::<usize>();
    if columns > width.max(TABLE) || width < TABLE {
        let sure = text::confidence(verdict).unwrap_or_default();
        return lines.iter().flat_map(|(state, line)| stacked(*state, line, &sure)).collect();
    }
    let row = |cells: &[String; 4]| {
        let padded = shown.iter().map(|column| {
            let gap = widths[*column].saturating_sub(measure_text_width(&cells[*column]));
            format!("{}{}", cells[*column], " ".repeat(gap))
        });
        padded.collect::<Vec<_>>().join("  ")
    };
    let head = (!rows.is_empty()).then(|| (None, row(&head)));
    head.into_iter().chain(lines.iter().zip(&rows).map(|((state, _), cells)| (Some(*state), row(cells)))).collect()
}

fn stacked(state: GateState, line: &GateWords, sure: &str) -> Vec<Row> {
    let interval = (!line.interval.is_empty()).then(|| format!("{sure}: {}", line.interval));
    let below = [line.measured.to_string()].into_iter().chain(interval).chain([format!("allowed: {}", line.allowed)]);
    let below = below.map(|text| (None, plain(&text)));
    [(Some(state), plain(&line.name))].into_iter().chain(below).collect()
}

/// What is said first, its word in this style.
pub(super) fn said(first: &Headline, style: Style, colour: bool) -> String {
    let word = style.bold().force_styling(colour).apply_to(first.word);
    let mut out = format!("{} {word}{}\n", plain(&first.name), plain(&first.rest));
    out.extend(first.more.iter().map(|sentence| format!("{}\n", plain(sentence))));
    out
}

/// The colour of a mood.
pub(super) fn style(mood: Mood) -> Style {
    match mood {
        Mood::Good => Style::new().green(),
        Mood::Bad => Style::new().red(),
        Mood::Unsure => Style::new().yellow(),
    }
}
