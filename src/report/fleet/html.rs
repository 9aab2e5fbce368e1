//! A fleet as one HTML file: works off-line, in light and dark; a script of ours searches its table, and nothing else is missing
//! without it.

use super::{FleetReport, FleetSeries};
use crate::fleet::written;
use crate::report::html::{finished, head, tone};
use crate::report::text::{Mood, capital, plain};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::fmt::Write;

const SCRIPT: &str = include_str!("search.js");

/// Digest of the script, by which the policy knows it; a test compares the two.
pub const SCRIPT_SHA256: &str = "sha256-g3v3hfjuufd7sglK3C+N91+bGNMiLudqhxd3fNYd+O4=";

const STYLE: &str = "
#search { font: inherit; width: min(28em, 100%); padding: 4px 8px; border: 1px solid var(--axis); border-radius: 6px;
  background: var(--surface); color: var(--ink); }
[hidden] { display: none; }
.series svg { display: block; }
.series polyline { fill: none; stroke: var(--muted); stroke-width: 1.2; }
.series .bad polyline { stroke: var(--bad); }
.series td:last-child { overflow-wrap: anywhere; }
";

/// Width and height of the line of a series, in pixels.
const SIZE: (f64, f64) = (120.0, 26.0);

/// Renders the page.
pub fn render(report: &FleetReport) -> String {
    let first = report.headline();
    let mood = report.series.first().map_or(Mood::Unsure, FleetSeries::mood);
    let common = report.common();
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src '{SCRIPT_SHA256}'; base-uri 'none'; form-action 'none'"
    );
    finished(html! {
        (DOCTYPE)
        html lang="en" {
            (head(&policy, first.word, &report.server, STYLE))
            body {
                header { span.brand { "seepage" } span { (plain(&report.server)) } }
                main {
                    section.verdict.(tone(mood)) {
                        h1 { (capital(&first.name)) " " span.word { (first.word) } (plain(&first.rest)) }
                        @if !report.warnings.is_empty() {
                            ul.notes { @for warning in &report.warnings { li { "The server warns: " (plain(warning)) } } }
                        }
                        div.scroll {
                            table {
                                thead { tr { th { "Asked for" } th { "Query" } th { "Which is" } } }
                                tbody {
                                    @for [what, query, how] in &report.asked {
                                        tr { th scope="row" { (plain(what)) } td { code { (plain(query)) } } td { (plain(how)) } }
                                    }
                                }
                            }
                        }
                    }
                    section {
                        h2 { "Series" }
                        @if !common.is_empty() { p.quiet { "All have " (plain(&written(&common))) "." } }
                        p hidden { input id="search" type="search" placeholder="Words of labels, verdicts, reasons" aria-label="Search"; " " span.quiet id="shown" {} }
                        @let notes = report.notes();
                        @if !notes.is_empty() { ul.notes { @for note in &notes { li { (plain(note)) } } } }
                        div.scroll.many {
                            table.series {
                                thead {
                                    tr { th { "" } th { "Memory" } th.number { "Growth" } th { "Interval" } th { "Series" } }
                                }
                                tbody id="series" { @for series in &report.series { (row(series, &series.short(&common))) } }
                            }
                        }
                    }
                }
                footer { "seepage " (env!("CARGO_PKG_VERSION")) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    })
}

fn row(series: &FleetSeries, name: &str) -> Markup {
    html! {
        tr.(tone(series.mood())) {
            td { span.state.(tone(series.mood())) { (series.word()) } }
            td { (drawn(&series.trace)) }
            td.number { (plain(&series.growth.measured.to_string())) }
            td { (plain(&series.growth.interval)) }
            td { (plain(name)) @if !series.why.is_empty() { br; span.quiet { (plain(&series.why)) } } }
        }
    }
}

/// Memory over time, from nothing to the most: what grows is seen beside how much there is.
fn drawn(trace: &[Vec<(f64, f64)>]) -> Markup {
    let ends = |of: fn(&(f64, f64)) -> f64| {
        let all = trace.iter().flatten().map(of);
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)))
    };
    let ((from, to), (_, most)) = (ends(|point| point.0), ends(|point| point.1));
    let lines = trace.iter().map(|points| {
        points.iter().fold(String::new(), |mut out, (t, level)| {
            let x = SIZE.0 * (t - from) / (to - from).max(f64::MIN_POSITIVE);
            let y = SIZE.1 - 1.0 - (SIZE.1 - 2.0) * level / most.max(f64::MIN_POSITIVE);
            // Writing to a string doesn't fail.
            let _ = write!(out, "{x:.0},{y:.1} ");
            out
        })
    });
    html! {
        @if to > from {
            svg width=(SIZE.0) height=(SIZE.1) role="img" aria-label="memory over time" {
                @for points in lines { polyline points=(points.trim_end()) {} }
            }
        }
    }
}
