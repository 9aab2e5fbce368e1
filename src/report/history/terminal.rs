//! A history on a terminal: the sentence, a build a line, a line where growth changed.

use super::HistoryReport;
use crate::report::terminal;
use crate::report::text::plain;
use crate::words::history::{growth, headline, notes};
use console::{Style, measure_text_width};

/// Columns of the bar that shows how large growth is beside that of other builds.
const BAR: usize = 30;

pub fn render(report: &HistoryReport, colour: bool) -> String {
    let HistoryReport { history, changes } = report;
    let first = headline(history, changes);
    let style = match first.word {
        "WORSE" => Style::new().red(),
        "BETTER" => Style::new().green(),
        _ => Style::new().yellow(),
    };
    let mut out = terminal::said(&first, style, colour);
    out.push('\n');
    let rows: Vec<[String; 5]> = history
        .builds
        .iter()
        .map(|build| {
            let (rate, bounds) = growth(history, build.growth.as_ref());
            let day = build.started.as_ref().map_or("", |time| time.get(..10).unwrap_or_default());
            [plain(&build.name), plain(day), build.outcome.to_string(), rate, bounds]
        })
        .collect();
    let per = if history.per.is_empty() { String::new() } else { format!("per {}", history.per) };
    let head = ["build".to_owned(), String::new(), String::new(), per, "bounds".to_owned()];
    let widths: Vec<usize> = (0..5)
        .map(|column| rows.iter().chain([&head]).map(|row| measure_text_width(&row[column])).max().unwrap_or(0))
        .collect();
    let largest = history.builds.iter().filter_map(|b| b.growth).map(|g| g.estimate).fold(0.0, f64::max);
    let line = |cells: &[String; 5], bar: usize| {
        let cells = cells.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell}{}  ", " ".repeat(width - measure_text_width(cell))));
        format!("  {}{}", cells.collect::<String>(), "█".repeat(bar)).trim_end().to_owned() + "\n"
    };
    out.push_str(&line(&head, 0));
    for (place, (build, row)) in history.builds.iter().zip(&rows).enumerate() {
        if let Some(change) = changes.iter().find(|change| change.build == place) {
            let word = if change.is_worse() { "worse" } else { "better" };
            out.push_str(&format!("  ---- {word} from here on ----\n"));
        }
        let share = build.growth.map_or(0.0, |growth| growth.estimate / largest);
        let bar = if largest > 0.0 { (share.clamp(0.0, 1.0) * BAR as f64).round() as usize } else { 0 };
        out.push_str(&line(row, bar));
    }
    let notes = notes(history);
    if !notes.is_empty() {
        out.push('\n');
    }
    out.extend(notes.iter().map(|note| format!("  - {}\n", crate::report::text::capital(&plain(note)))));
    out
}
