//! The end of a comparison on a terminal: the first lines, a measure a line, the notes.

use super::Report;
use super::table::{Row, notes, rows};
use crate::compare::Answer;
use crate::report::fold::{self, TABLE};
use crate::report::text::{Mood, plain};
use crate::words::comparison::{answer_state, headline};
use console::{Style, measure_text_width};

/// The widest word of an answer.
const STATE: usize = 6;

/// Renders the comparison, with colours if `colour`; ends in a line break. Sentences have a line each; where the table is too
/// wide for `width` columns, it goes without the sides, and is stacked if that isn't enough.
pub fn render(report: &Report<'_>, colour: bool, width: usize) -> String {
    let paint = |style: Style, text: &str| style.force_styling(colour).apply_to(text).to_string();
    let comparison = report.comparison;
    let first = headline(report.name, comparison);
    let word = paint(style(comparison.answer).bold(), first.word);
    let mut out = format!("{} {word}{}\n", plain(&first.name), plain(&first.rest));
    out.extend(first.more.iter().map(|sentence| format!("{}\n", plain(sentence))));
    let lines = table(report, width);
    if !lines.is_empty() {
        out.push('\n');
    }
    for (answer, line) in lines {
        let state = answer.map_or_else(
            || " ".repeat(STATE),
            |answer| paint(style(answer), &format!("{:STATE$}", answer_state(answer))),
        );
        out.push_str(&fold::row(&format!("  {state}  "), &line, width));
    }
    let notes = notes(report);
    if !notes.is_empty() {
        out.push('\n');
    }
    out.extend(notes.iter().map(|note| format!("  - {}\n", plain(note))));
    out
}

type Line = (Option<Answer>, String);

fn table(report: &Report<'_>, width: usize) -> Vec<Line> {
    let rows = rows(report);
    if rows.is_empty() {
        return Vec::new();
    }
    let sides = &report.comparison.sides;
    let (a, b) = (plain(&sides.a.name), plain(&sides.b.name));
    let head = [String::new(), "difference".into(), "99 % interval".into(), "allowed".into(), a.clone(), b.clone()];
    let cells = |row: &Row<'_>| {
        let words = &row.words;
        [&words.name, &words.difference, &words.interval, &words.allowed, &words.a, &words.b].map(|cell| plain(cell))
    };
    let cells: Vec<[String; 6]> = rows.iter().map(cells).collect();
    let all = || cells.iter().chain([&head]);
    let widths: Vec<usize> =
        (0..6).map(|column| all().map(|row| measure_text_width(&row[column])).max().unwrap_or(0)).collect();
    let fits = |columns: usize| {
        let needed = STATE + 2 + widths.iter().take(columns).map(|width| width + 2).sum::<usize>();
        width >= TABLE && needed <= width
    };
    let Some(columns) = [6, 4].into_iter().find(|columns| fits(*columns)) else {
        return rows.iter().flat_map(|row| stacked(row, &a, &b)).collect();
    };
    let line = |row: &[String; 6]| {
        let padded = row.iter().zip(&widths).take(columns).map(|(cell, width)| {
            let gap = width.saturating_sub(measure_text_width(cell));
            format!("{cell}{}", " ".repeat(gap))
        });
        padded.collect::<Vec<_>>().join("  ")
    };
    let answers = rows.iter().map(|row| Some(row.difference.answer));
    [(None, line(&head))].into_iter().chain(answers.zip(cells.iter().map(line))).collect()
}

fn stacked(row: &Row<'_>, a: &str, b: &str) -> Vec<Line> {
    let words = &row.words;
    let interval = (!words.interval.is_empty()).then(|| format!("99 %: {}", words.interval));
    let below = [words.difference.clone()].into_iter().chain(interval).chain([
        format!("allowed: {}", words.allowed),
        format!("{a}: {}", words.a),
        format!("{b}: {}", words.b),
    ]);
    let below = below.map(|text| (None, plain(&text)));
    [(Some(row.difference.answer), plain(&words.name))].into_iter().chain(below).collect()
}

fn style(answer: Answer) -> Style {
    match Mood::of_answer(answer) {
        Mood::Good => Style::new().green(),
        Mood::Bad => Style::new().red(),
        Mood::Unsure => Style::new().yellow(),
    }
}
