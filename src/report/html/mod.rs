//! The report as one HTML file: works off-line, without scripts, in light and dark, and on paper.
//!
//! Nothing is fetched: a content security policy forbids it, and allows no script but ours. Static charts are inlined
//! as SVG; the script replaces them by charts that can be zoomed and asked, and if it can't run, nothing is missing.

mod account;
mod data;
mod findings;
mod glue;
mod run;
mod sites;
mod working;

use super::chart::{self, Chart, ChartError, GrowthChart, Timeline, palette};
use super::text::{self, Mood, capital, plain};
use crate::answer::{GateState, Outcome, Verdict};
use crate::model::{RunRecord, SERVICES, format_seconds};
use crate::words::understanding::explain;
use crate::words::{self, Headline, forecast};
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(super) const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// That on the account of the whole target.
#[cfg(test)]
pub use account::section as account;
/// The section on call sites alone, for its own test.
#[cfg(test)]
pub use sites::section as call_sites;

/// Digest of the script, by which the policy knows it; a test compares the two.
pub const SCRIPT_SHA256: &str = "sha256-uYD8O6LZux2uqegY3Xmwmua7zciiOBAjwwnjWxZSvcA=";

/// Renders the report; fails only if a chart can't be drawn.
pub fn render(record: &RunRecord, verdict: &Verdict) -> Result<String, ChartError> {
    let memory = GrowthChart::memory(record, verdict);
    let others: Vec<GrowthChart> = super::charted(verdict).map(|f| GrowthChart::new(record, f)).collect();
    let timeline = Timeline::new(record, verdict);

    let mut figures = vec![(title(&memory), figure("memory", &memory)?)];
    let mut figure_data = vec![data::growth("memory", &memory)];
    for other in &others {
        let name = other.resource.to_string();
        figures.push((title(other), figure(&name, other)?));
        figure_data.push(data::growth(&name, other));
    }
    let timeline_figure = figure("timeline", &timeline)?;
    figure_data.push(data::timeline("timeline", &timeline));
    let mut services = Vec::new();
    for (place, (service, verdict)) in record.services.iter().zip(&verdict.services).enumerate() {
        let memory = GrowthChart::memory(service, verdict);
        // No name of a resource has a point in it.
        let name = format!("memory.{place}");
        figure_data.push(data::growth(&name, &memory));
        services.push((service, verdict, figure(&name, &memory)?));
    }

    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(&policy(), text::headline(record, verdict).word, &record.meta.name, &dark_charts()))
            body {
                (header(record))
                main {
                    (run::read_as(record))
                    (verdict_section(record, verdict))
                    @for (title, figure) in &figures {
                        section { h2 { (title) } (figure) }
                    }
                    @for (service, verdict, memory) in &services {
                        (verdict_section(service, verdict))
                        section {
                            h2 { "Memory of the service " (plain(&service.meta.name)) }
                            (memory)
                            p { a href=(format!("{SERVICES}/{}/report.html", plain(&service.meta.name))) { "Its own report" } }
                        }
                    }
                    (sites::section(verdict))
                    (account::section(verdict))
                    (account::cpu_time(verdict))
                    (understanding(record, verdict))
                    section { h2 { "Over time" } (timeline_figure) }
                    (findings::section(record, verdict)?)
                    (run::workload(record))
                    (run::details(record))
                }
                footer { "seepage " (plain(&record.meta.seepage)) " · run " (plain(&record.meta.id)) " · seed " (record.meta.seed) }
                script type="application/json" id="figures" { (PreEscaped(data::json(&figure_data))) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(finished(page))
}

/// What a page without scripts may do: nothing but have a style.
pub const NO_SCRIPTS: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The head of a page that may do what `policy` says: titled by its answer in a `word` and the `name` of what was run, with
/// `more` rules after those of every page.
pub fn head(policy: &str, word: &str, name: &str, more: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (word) " · " (plain(name)) " · seepage" }
            style { (PreEscaped(STYLE)) (PreEscaped(more)) }
        }
    }
}

fn policy() -> String {
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src '{SCRIPT_SHA256}'; base-uri 'none'; form-action 'none'"
    )
}

/// Charts are drawn for white; these rules turn their colours where the reader wants dark, but not on paper.
pub(super) fn dark_charts() -> String {
    format!("@media screen and (prefers-color-scheme: dark) {{\n{}}}\n", palette::dark_rules("figure svg"))
}

/// What a chart is about, as a heading.
fn title(chart: &GrowthChart) -> String {
    format!("{} against {}", capital(chart.full), text::axis_name(chart.axis))
}

/// A static chart, in the place where the script puts a live one.
fn figure(name: &str, chart: &dyn Chart) -> Result<Markup, ChartError> {
    let svg = chart::svg(chart)?;
    Ok(html! { figure data-figure=(name) { (PreEscaped(svg)) } })
}

/// The text of a page as it is written: what every page goes through, so that no number is parted from its unit.
pub(super) fn finished(page: Markup) -> String {
    glue::page(&page.into_string())
}

/// What a page says first.
pub(super) fn said(first: &Headline) -> Markup {
    html! {
        h1 { (plain(&first.name)) " " span.word { (first.word) } (plain(&first.rest)) }
        @for sentence in &first.more { p.more { (plain(sentence)) } }
    }
}

fn header(record: &RunRecord) -> Markup {
    let meta = &record.meta;
    html! {
        header {
            span.brand { "seepage" }
            span { (plain(&meta.name)) }
            span { (plain(&meta.started)) }
            @if let Some(elapsed) = meta.elapsed { span { (format_seconds(elapsed)) } }
        }
    }
}

fn verdict_section(record: &RunRecord, verdict: &Verdict) -> Markup {
    let first = text::headline(record, verdict);
    // The first lines of what is open have the reason.
    let is_open = verdict.outcome == Outcome::Inconclusive;
    let deciding = verdict.deciding().filter(|_| !is_open);
    html! {
        section.verdict.(tone(Mood::of_verdict(verdict))) {
            (said(&first))
            @if let Some(why) = &record.meta.aborted {
                @if !first.says_why_it_ended {
                    p.aborted { "The run ended early: " (plain(why.lines().next().unwrap_or_default())) }
                }
                @if why.lines().nth(1).is_some() {
                    pre { (why.lines().skip(1).map(plain).collect::<Vec<_>>().join("\n")) }
                }
            }
            @if let Some(finding) = deciding {
                p { "Because " (plain(&words::reason(finding))) "." }
            }
            @if !record.failed_before_soak() { (gates(verdict)) }
            @let told = forecast::sentences(record, verdict);
            @if !told.is_empty() {
                h2 { "If it goes on like this" }
                ul { @for sentence in &told { li { (capital(&plain(sentence))) "." } } }
            }
            @let notes = words::notes(verdict);
            @if !notes.is_empty() {
                ul.notes { @for note in &notes { li { (capital(&plain(note))) "." } } }
            }
        }
    }
}

fn gates(verdict: &Verdict) -> Markup {
    html! {
        @let interval = text::interval(verdict);
        @if verdict.gates.is_empty() {
            p { "Nothing was gated." }
        } @else {
            div.scroll {
                table.gates {
                    thead { tr { th { "Gate" } th { "" } th { "Measured" } th { (interval) } th { "Allowed" } } }
                    tbody {
                        @for (gate, line) in verdict.gates.iter().map(|gate| (gate, words::gate(gate))) {
                            tr {
                                th scope="row" { (plain(&line.name)) }
                                td { (state(gate.state)) }
                                td { (plain(&line.measured.to_string())) }
                                td data-head=(words::glued(&interval)) { (plain(&line.interval)) }
                                td data-head="allowed" { (plain(&line.allowed.to_string())) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn state(state: GateState) -> Markup {
    let word = match state {
        GateState::Pass => "pass",
        GateState::Fail => "fail",
        GateState::Unknown => "not decided",
    };
    html! { span.state.(tone(Mood::of_gate(state))) { (word) } }
}

fn understanding(record: &RunRecord, verdict: &Verdict) -> Markup {
    html! {
        section {
            h2 { "Understanding this report" }
            dl.understanding {
                @for paragraph in explain(record, verdict) {
                    dt { (paragraph.title) }
                    dd { (paragraph.text) }
                }
            }
        }
    }
}

/// The class by which the style sheet colours things.
pub(super) fn tone(mood: Mood) -> &'static str {
    match mood {
        Mood::Bad => "bad",
        Mood::Good => "good",
        Mood::Unsure => "unsure",
    }
}
