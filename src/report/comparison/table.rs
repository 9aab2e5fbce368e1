//! The rows that every format shows: a measure each.

use super::Report;
use crate::compare::{Difference, SideEstimate, value, value_with_bounds};
use crate::model::format_count;

/// One measure in words.
pub struct Row<'a> {
    pub difference: &'a Difference,
    pub name: String,
    pub a: String,
    pub b: String,
    /// The difference with its interval.
    pub words: String,
    /// What is allowed.
    pub margin: String,
    /// The exact test's probability.
    pub p: String,
}

/// All measures, in order.
pub fn rows<'a>(report: &Report<'a>) -> Vec<Row<'a>> {
    report.comparison.differences.iter().map(row).collect()
}

fn row(d: &Difference) -> Row<'_> {
    let side = |s: Option<SideEstimate>| s.map_or_else(|| "–".to_owned(), |s| value(d.measure, s.mean));
    let words = match d.difference {
        Some(interval) => value_with_bounds(d.measure, &interval),
        None => d.a.zip(d.b).map_or_else(|| "–".to_owned(), |(a, b)| value(d.measure, b.mean - a.mean)),
    };
    Row {
        difference: d,
        name: d.measure.to_string(),
        a: side(d.a),
        b: side(d.b),
        words,
        margin: value(d.measure, d.margin),
        p: d.p.map_or_else(|| "–".to_owned(), format_count),
    }
}

/// One pair in words, in one measure: its number, which side was first, both values and their difference.
pub fn pair_rows(report: &Report<'_>, difference: &Difference) -> Vec<[String; 5]> {
    let sides = &report.comparison.sides;
    let rows = report.pairs.iter().zip(&difference.pairs).enumerate();
    rows.map(|(index, (pair, values))| {
        let first = if pair.b_first { &sides.b.name } else { &sides.a.name };
        let told = |v: Option<f64>| v.map_or_else(|| "–".to_owned(), |v| value(difference.measure, v));
        [
            (index + 1).to_string(),
            super::super::text::plain(first),
            told(values.map(|v| v.0)),
            told(values.map(|v| v.1)),
            told(values.map(|v| v.1 - v.0)),
        ]
    })
    .collect()
}
