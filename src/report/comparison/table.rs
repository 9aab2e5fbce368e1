//! The rows that every format shows: a measure each.

use super::Report;
use crate::compare::{Difference, can_tell};
use crate::model::format_count;
use crate::report::text::{capital, plain};
use crate::words::comparison::{DifferenceWords, difference, signed, value};

/// One measure in words.
pub struct Row<'a> {
    pub difference: &'a Difference,
    pub words: DifferenceWords,
    /// The exact test's probability.
    pub p: String,
}

/// Whether a test of any measure could tell the sides apart; of fewer pairs a note says so.
pub fn is_tested(report: &Report<'_>) -> bool {
    let mut all = report.comparison.differences.iter();
    report.seed.is_some() && all.any(|d| d.p.is_some() && can_tell(d.pairs.len()))
}

/// All measures, in order.
pub fn rows<'a>(report: &Report<'a>) -> Vec<Row<'a>> {
    report.comparison.differences.iter().map(row).collect()
}

fn row(d: &Difference) -> Row<'_> {
    let p = match d.p {
        // What can't be small whatever was found would only be taken for doubt.
        Some(_) if !can_tell(d.pairs.len()) => "too few pairs".to_owned(),
        p => p.map_or_else(|| "–".to_owned(), format_count),
    };
    Row { difference: d, words: difference(d), p }
}

/// What the reader should know beside, a sentence each without its full stop.
pub fn notes(report: &Report<'_>) -> Vec<String> {
    let comparison = report.comparison;
    let all = comparison.notes.iter().chain(report.notes);
    all.map(|note| capital(&crate::words::comparison::note(note, &comparison.sides))).collect()
}

/// One pair in words, in one measure: its number, which side was first, both values and their difference.
pub fn pair_rows(report: &Report<'_>, difference: &Difference) -> Vec<[String; 5]> {
    let sides = &report.comparison.sides;
    let rows = report.pairs.iter().zip(&difference.pairs).enumerate();
    rows.map(|(index, (pair, values))| {
        let first = if pair.b_first { &sides.b.name } else { &sides.a.name };
        let told = |v: Option<f64>| v.map_or_else(|| "–".to_owned(), |v| value(difference.measure, v));
        let by = values.map_or_else(|| "–".to_owned(), |(a, b)| signed(difference.measure, b - a));
        [(index + 1).to_string(), plain(first), told(values.map(|v| v.0)), told(values.map(|v| v.1)), by]
    })
    .collect()
}
