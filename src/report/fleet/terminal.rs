//! A fleet on a terminal: what was asked, the answer, and a line a series.

use super::{FleetReport, FleetSeries};
use crate::fleet::written;
use crate::report::terminal::style;
use crate::report::text::{Mood, plain};
use crate::verdict::Outcome;
use console::measure_text_width;

/// Renders the report; ends in a line break.
pub fn render(report: &FleetReport, colour: bool) -> String {
    let paint = |mood: Mood, text: &str| style(mood).force_styling(colour).apply_to(text).to_string();
    let mut out = format!("{} was asked for\n", plain(&report.server));
    let asked: Vec<[String; 3]> = report.asked.iter().map(|row| row.each_ref().map(|cell| plain(cell))).collect();
    aligned(&asked).into_iter().for_each(|line| out.push_str(&format!("  {line}\n")));
    let first = report.headline();
    let mood = report.series.first().map_or(Mood::Unsure, FleetSeries::mood);
    out.push_str(&format!("\n{} {}{}\n", first.name, paint(mood, first.word), plain(&first.rest)));
    let common = report.common();
    if !common.is_empty() {
        out.push_str(&format!("All have {}.\n", plain(&written(&common))));
    }
    out.extend(
        report.warnings.iter().map(|warning| format!("The server warns: {}.\n", plain(warning.trim_end_matches('.')))),
    );
    if !report.series.is_empty() {
        out.push('\n');
    }
    let rows: Vec<[String; 3]> = report
        .series
        .iter()
        .map(|series| {
            let growth = [series.growth.measured.to_string(), series.growth.interval.clone()];
            let growth = growth.map(|text| plain(&text));
            let growth = growth.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join("  ");
            // Of what is proven, the numbers say enough.
            let why = match series.outcome {
                Some(Outcome::Leak | Outcome::Clean) => String::new(),
                Some(Outcome::Inconclusive) | None => format!("  {}", plain(&series.why)),
            };
            [series.word().to_owned(), growth, format!("{}{why}", plain(&series.short(&common)))]
        })
        .collect();
    for (line, series) in aligned(&rows).into_iter().zip(&report.series) {
        let rest = line.strip_prefix(series.word()).unwrap_or_default();
        out.push_str(&format!("  {}{rest}\n", paint(series.mood(), series.word())));
    }
    out
}

/// Cells side by side, each column as wide as it has to be.
fn aligned(rows: &[[String; 3]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| measure_text_width(&row[column])).max().unwrap_or(0);
    let widths = [width(0), width(1)];
    let line = |row: &[String; 3]| {
        let pad = |column: usize| " ".repeat(widths[column].saturating_sub(measure_text_width(&row[column])));
        format!("{}{}  {}{}  {}", row[0], pad(0), row[1], pad(1), row[2]).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
