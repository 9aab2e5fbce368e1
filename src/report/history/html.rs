//! A history as one HTML file, without scripts, in light and dark, and on paper.

use super::HistoryReport;
use super::chart::HistoryChart;
use crate::report::chart::{self, ChartError};
use crate::report::html::{NO_SCRIPTS, dark_charts, finished, head, said, tone};
use crate::report::text::{Mood, plain};
use crate::words::history::{growth, headline, notes};
use maud::{DOCTYPE, PreEscaped, html};

pub fn render(report: &HistoryReport) -> Result<String, ChartError> {
    let HistoryReport { history, changes } = report;
    let first = headline(history, changes);
    let svg = chart::svg(&HistoryChart::new(report))?;
    let mood = match first.word {
        "WORSE" => Mood::Bad,
        "BETTER" => Mood::Good,
        _ => Mood::Unsure,
    };
    let notes = notes(history);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(NO_SCRIPTS, first.word, &history.name, &dark_charts()))
            body {
                header { span.brand { "seepage" } span { (plain(&history.name)) } }
                main {
                    section.verdict.(tone(mood)) {
                        (said(&first))
                        @if !notes.is_empty() { ul.notes { @for note in &notes { li { (plain(note)) "." } } } }
                    }
                    section { h2 { "Growth from build to build" } figure { (PreEscaped(svg)) } }
                    section {
                        h2 { "Builds" }
                        div.scroll {
                            table {
                                thead {
                                    tr {
                                        th { "Build" } th { "Began" } th { "Verdict" }
                                        th.number { "Growth per " (history.per) } th { "Bounds" } th { "" }
                                    }
                                }
                                tbody {
                                    @for (place, build) in history.builds.iter().enumerate() {
                                        @let (rate, bounds) = growth(history, build.growth.as_ref());
                                        tr {
                                            th scope="row" { (plain(&build.name)) }
                                            td { (plain(build.started.as_deref().unwrap_or_default())) }
                                            td { span.state.(tone(Mood::of_outcome(build.outcome))) { (build.outcome) } }
                                            td.number { (rate) }
                                            td { (bounds) }
                                            td {
                                                @if let Some(change) = changes.iter().find(|c| c.build == place) {
                                                    @if change.is_worse() { "worse from here on" } @else { "better from here on" }
                                                }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                footer { "seepage " (env!("CARGO_PKG_VERSION")) }
            }
        }
    };
    Ok(finished(page))
}
