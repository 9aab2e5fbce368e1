//! A fleet on a terminal: what was asked, the answer, and a line a series.

use super::{FleetReport, FleetSeries};
use crate::answer::Outcome;
use crate::fleet::written;
use crate::report::terminal::style;
use crate::report::text::{Mood, plain};
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
    if report.series.is_empty() {
        return out;
    }
    let cells = |series: &FleetSeries| {
        let [growth, interval] = [series.growth.measured.to_string(), series.growth.interval.clone()];
        // Of what is proven, the numbers say enough.
        let why = match series.outcome {
            Some(Outcome::Leak | Outcome::Clean) => String::new(),
            Some(Outcome::Inconclusive) | None => format!("  {}", plain(&series.why)),
        };
        let name = format!("{}{why}", plain(&series.short(&common)));
        [series.word().to_owned(), plain(&growth), plain(&interval), name]
    };
    let head = ["", "growth", "interval", "series"].map(str::to_owned);
    let rows: Vec<[String; 4]> = [head].into_iter().chain(report.series.iter().map(cells)).collect();
    let mut lines = aligned(&rows).into_iter();
    out.push_str(&format!("\n  {}\n", lines.next().unwrap_or_default()));
    for (line, series) in lines.zip(&report.series) {
        let rest = line.strip_prefix(series.word()).unwrap_or_default();
        out.push_str(&format!("  {}{rest}\n", paint(series.mood(), series.word())));
    }
    let notes = report.notes();
    if !notes.is_empty() {
        out.push('\n');
        notes.iter().for_each(|note| out.push_str(&format!("  {}\n", plain(note))));
    }
    out
}

/// Cells side by side, each column but the last as wide as it has to be.
fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| measure_text_width(&row[column])).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let padded = |(cell, width): (&String, usize)| format!("{cell}{}", " ".repeat(width - measure_text_width(cell)));
    let line =
        |row: &[String; N]| row.iter().zip(widths).map(padded).collect::<Vec<_>>().join("  ").trim_end().to_owned();
    rows.iter().map(line).collect()
}
