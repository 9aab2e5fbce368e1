//! Resource by resource: the answer, the numbers behind it, the workers.

use super::{tone, working};
use crate::answer::{BySteps, Finding, Held, Outcome, Places, StepGrowth, Verdict, WorkerFinding};
use crate::model::{Axis, Resource, RunRecord, format_bytes, format_count, format_seconds};
use crate::report::chart::ChartError;
use crate::report::text::{self, Mood, capital};
use crate::words;
use crate::words::steps::{names, worth};
use maud::{Markup, html};

/// Workers in a table; of more, those that grow most.
const ROWS: usize = 250;

/// Every finding; what is clean is folded.
pub fn section(record: &RunRecord, verdict: &Verdict) -> Result<Markup, ChartError> {
    let workings = verdict.findings.iter().map(|f| working::section(record, f)).collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        @if !verdict.findings.is_empty() {
            section {
                h2 { "Evidence" }
                @for (finding, working) in verdict.findings.iter().zip(&workings) { (one(record, finding, working)) }
            }
        }
    })
}

fn one(record: &RunRecord, finding: &Finding, working: &Markup) -> Markup {
    let resource = finding.resource;
    let open = resource == Resource::Memory || finding.outcome != Outcome::Clean;
    html! {
        details open[open] {
            summary {
                span.state.(tone(Mood::of_outcome(finding.outcome))) { (finding.outcome) }
                " " b { (capital(record.meta.full(resource))) }
                @if let Some(growth) = &finding.growth { ": " (text::growth(resource, finding.axis, growth)) }
            }
            div.evidence {
                table.facts {
                    tbody {
                        tr { th scope="row" { "Kind" } td { (text::class_name(finding.class)) } }
                        tr { th scope="row" { "Reason" } td { (words::reason(finding)) } }
                        @if let Some(because) = words::because(finding) {
                            tr { th scope="row" { "Shown by" } td { (because) } }
                        }
                        tr { th scope="row" { "Budget" } td { (text::budget(finding)) } }
                        @for (label, value) in words::facts(finding) {
                            tr { th scope="row" { (capital(&label)) } td { (value) } }
                        }
                    }
                }
                div {
                    @if !finding.evidence.quarters.is_empty() { (quarters(finding)) }
                    @if !finding.parts.is_empty() { (parts(finding)) }
                    @if let Some(found) = finding.places.as_ref().filter(|found| found.workers > 0) { (places(found)) }
                    @if let Some(found) = &finding.held { (held(found)) }
                }
            }
            @if let Some(by_steps) = &finding.steps { (steps(finding, by_steps)) }
            @if !finding.workers.is_empty() { (workers(record, finding)) }
            (working)
        }
    }
}

fn quarters(finding: &Finding) -> Markup {
    html! {
        table {
            thead { tr { th { "Part of the judged run" } th.number { "Growth per " (finding.axis.unit()) } } }
            tbody {
                @for (i, value) in finding.evidence.quarters.iter().enumerate() {
                    tr {
                        th scope="row" { "quarter " (i + 1) }
                        td.number { (text::amount(finding.resource, *value)) }
                    }
                }
            }
        }
    }
}

fn parts(finding: &Finding) -> Markup {
    html! {
        table {
            thead { tr { th { "Made of" } th.number { "Growth per " (finding.axis.unit()) } } }
            tbody {
                @for part in &finding.parts {
                    tr {
                        th scope="row" { (words::part_name(part.kind)) }
                        td.number title=(text::bounds(finding.resource, &part.growth)) {
                            (text::amount(finding.resource, part.growth.estimate))
                        }
                    }
                }
            }
        }
    }
}

fn places(found: &Places) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th { "Grew in, over " (format_seconds(found.seconds.round())) }
                        th.number { "By" } th.number { "Share" } th.number { "More mappings" }
                    }
                }
                tbody {
                    @for place in &found.places {
                        tr {
                            th scope="row" { (text::plain(&words::places::name(place))) }
                            td.number { (format_bytes(place.grown)) }
                            td.number { (words::places::share(found, place)) }
                            td.number { (format_count(place.mappings)) }
                        }
                    }
                    @if found.rest != 0.0 {
                        tr { th scope="row" { "in none of them" } td.number { (format_bytes(found.rest)) } td {} td {} }
                    }
                }
            }
        }
    }
}

fn held(found: &Held) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { th { "Grew in" } th.number { "By" } th.number { "At last" } th.number { "In CLOSE_WAIT" } } }
                tbody {
                    @for group in &found.groups {
                        tr {
                            th scope="row" { (text::plain(&words::places::held_name(group))) }
                            @for count in [group.grown, group.last, group.close_wait] { td.number { (format_count(count)) } }
                        }
                    }
                }
            }
        }
    }
}

fn steps(finding: &Finding, by_steps: &BySteps) -> Markup {
    let resource = finding.resource;
    html! {
        div.scroll {
            table {
                thead {
                    tr { th { "Step" } th.number { "Share" } th { "Growth per request of it" } th.number { "Share of growth" } }
                }
                tbody {
                    @for row in &by_steps.rows {
                        tr.leaks[row.grows && finding.outcome == Outcome::Leak] {
                            th scope="row" { (names(row)) }
                            td.number { (percent(row.share)) }
                            td {
                                (text::amount(resource, row.growth.estimate))
                                " " span.quiet { "(" (text::bounds(resource, &row.growth)) ")" }
                            }
                            td.number { (share_of_growth(row, by_steps)) }
                        }
                    }
                }
            }
            p.quiet { (worth(by_steps)) }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{} %", format_count((1000.0 * share).round() / 10.0))
}

/// What a step adds to all growth; a dash if growth as a whole is none.
fn share_of_growth(row: &StepGrowth, by_steps: &BySteps) -> String {
    let whole: f64 = by_steps.rows.iter().map(|r| r.share * r.growth.estimate).sum();
    if row.grows && whole > 0.0 { percent(row.share * row.growth.estimate / whole) } else { "–".to_owned() }
}

fn workers(record: &RunRecord, finding: &Finding) -> Markup {
    let endings = text::endings(record);
    let mut workers: Vec<&WorkerFinding> = finding.workers.iter().collect();
    if workers.len() > ROWS {
        let key = |w: &WorkerFinding| w.growth.map_or(f64::NEG_INFINITY, |g| g.estimate);
        workers.sort_by(|a, b| key(b).total_cmp(&key(a)));
    }
    let resource = finding.resource;
    let span = match finding.axis {
        Axis::Seconds => "Seconds",
        Axis::Hours => "Hours",
        Axis::WorkerRequests | Axis::SharedRequests | Axis::PoolRequests => "Requests",
    };
    html! {
        div.scroll.many.tall {
            table {
                thead {
                    tr {
                        th { "Worker" } th.number { "First" } th.number { "Last" } th.number { "Growth" }
                        th.number { (span) } th.number { "Readings" } th { "Per " (finding.axis.unit()) } th { "End" }
                    }
                }
                tbody {
                    @for worker in workers.iter().take(ROWS) {
                        tr.leaks[worker.leaks] {
                            th scope="row" { (text::worker_name(worker.worker)) }
                            td.number { (text::amount(resource, worker.first)) }
                            td.number { (text::amount(resource, worker.last)) }
                            td.number { (text::amount(resource, worker.last - worker.first)) }
                            td.number { (format_count(worker.span)) }
                            td.number { (worker.readings) }
                            td {
                                @match (&worker.growth, worker.set_aside) {
                                    (Some(growth), _) => {
                                        (text::amount(resource, growth.estimate))
                                        " " span.quiet { "(" (text::bounds(resource, growth)) ")" }
                                    }
                                    (None, Some(why)) => span.quiet { "set aside: " (words::set_aside(why)) },
                                    (None, None) => "–",
                                }
                            }
                            td { @if let Some(end) = worker.worker.and_then(|w| endings.get(&w)) { (end.words()) } }
                        }
                    }
                }
            }
        }
        @if workers.len() > ROWS {
            p.quiet { "The " (ROWS) " that grow most, of " (workers.len()) "; verdict.json has all." }
        }
    }
}
