//! The end of a comparison on a terminal: the sentence, a measure a line, the notes.

use super::Report;
use super::table::rows;
use crate::compare::{Answer, answer_word};
use crate::report::text::{Mood, plain};
use console::Style;

/// Renders the comparison, with colours if `colour`; ends in a line break.
pub fn render(report: &Report<'_>, colour: bool) -> String {
    let paint = |style: Style, text: &str| style.force_styling(colour).apply_to(text).to_string();
    let comparison = report.comparison;
    let word = answer_word(comparison.answer);
    let rest = &comparison.sentence;
    let mut out = format!("{}  {}\n\n", paint(style(comparison.answer).bold(), word), plain(rest));
    let (a, b) = (plain(&comparison.sides.a.name), plain(&comparison.sides.b.name));
    let head = [String::new(), a, b, "difference".to_owned(), "allowed".to_owned()];
    let mut lines = vec![("     ".to_owned(), head)];
    lines.extend(rows(report).into_iter().map(|row| {
        let answer = row.difference.answer;
        (paint(style(answer), state(answer)), [row.name, row.a, row.b, row.words, row.margin])
    }));
    let widths: [usize; 5] = std::array::from_fn(|column| {
        lines.iter().map(|(_, cells)| console::measure_text_width(&cells[column])).max().unwrap_or(0).min(64)
    });
    for (state, cells) in &lines {
        let cells: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(&format!("  {state}  {}\n", cells.join("  ").trim_end()));
    }
    let notes: Vec<&String> = comparison.notes.iter().chain(report.notes).collect();
    if !notes.is_empty() {
        out.push('\n');
    }
    for note in notes {
        out.push_str(&format!("  - {}\n", plain(note)));
    }
    out
}

/// The word of an answer, always five letters wide.
fn state(answer: Answer) -> &'static str {
    match answer {
        Answer::Regression => "WORSE",
        Answer::Improvement => "less ",
        Answer::Equivalent => "same ",
        Answer::Inconclusive => "open ",
    }
}

fn style(answer: Answer) -> Style {
    match Mood::of_answer(answer) {
        Mood::Good => Style::new().green(),
        Mood::Bad => Style::new().red(),
        Mood::Unsure => Style::new().yellow(),
    }
}
