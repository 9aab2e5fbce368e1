//! What was done to the target, and on which machine.

use crate::model::{LoadSample, RunRecord, format_bytes, format_count, format_seconds};
use crate::report::chart::thousands;
use crate::report::text::{command, plain};
use crate::report::understood;
use crate::words;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// One step's totals over the whole run.
#[derive(Default)]
struct Step {
    sent: u64,
    ok: u64,
    aborted: u64,
    failed: u64,
    statuses: BTreeMap<u16, u64>,
    errors: BTreeMap<String, u64>,
}

fn add(total: &mut u64, more: u64) {
    *total = total.saturating_add(more);
}

fn steps(load: &[LoadSample]) -> BTreeMap<&str, Step> {
    let mut steps: BTreeMap<&str, Step> = BTreeMap::new();
    for sample in load {
        let step = steps.entry(&sample.step).or_default();
        add(&mut step.sent, sample.sent);
        add(&mut step.ok, sample.ok);
        add(&mut step.aborted, sample.aborted);
        add(&mut step.failed, sample.failed);
        for (status, count) in &sample.statuses {
            add(step.statuses.entry(*status).or_default(), *count);
        }
        for (kind, count) in &sample.errors {
            add(step.errors.entry(plain(kind)).or_default(), *count);
        }
    }
    steps
}

/// As what a table was read.
pub fn read_as(record: &RunRecord) -> Markup {
    let rows = understood::rows(record);
    html! {
        @if !rows.is_empty() {
            section {
                h2 { (understood::heading(record)) }
                div.scroll {
                    table {
                        tbody {
                            @for [what, column, how] in &rows { tr { th scope="row" { (what) } td { (column) } td { (how) } } }
                        }
                    }
                }
            }
        }
    }
}

/// Step by step: counts over the whole run, latency in the soak.
pub fn workload(record: &RunRecord) -> Markup {
    let steps = steps(&record.load);
    let summary = record.meta.workload.as_ref();
    let latency = |step: &str| summary.and_then(|s| s.latency.get(step)).filter(|l| l.count > 0);
    html! {
        @if !steps.is_empty() || summary.is_some() {
            section {
                h2 { "Workload" }
                @if let Some(summary) = summary {
                    p {
                        "Model: " (plain(&summary.model)) ". In " (format_seconds(summary.seconds)) " of soak, "
                        @if let Some(goodput) = summary.goodput() { (format_count(goodput)) " requests/s were answered as expected" }
                        @else { "nothing was answered" }
                        @if let Some(rate) = summary.error_rate() { "; " (format_count(rate * 100.0)) " % failed" }
                        "."
                    }
                }
                div.scroll.many {
                    table {
                        thead {
                            tr {
                                th { "Step" } th.number { "Sent" } th.number { "As expected" } th.number { "Failed" }
                                th.number { "Aborted" } th.number { "p50" } th.number { "p95" } th.number { "p99" }
                                th.number { "Slowest" } th { "Statuses" } th { "Failures" }
                            }
                        }
                        tbody {
                            @for (name, step) in &steps {
                                tr {
                                    th scope="row" { (plain(name)) }
                                    @for count in [step.sent, step.ok, step.failed, step.aborted] {
                                        td.number { (thousands(&count.to_string())) }
                                    }
                                    (quantiles(latency(name)))
                                    td { (counts(&step.statuses)) }
                                    td { (counts(&step.errors)) }
                                }
                            }
                            @if let Some(summary) = summary {
                                tr.total {
                                    th scope="row" { "soak, all steps" }
                                    @for count in [summary.sent, summary.ok, summary.failed, summary.aborted] {
                                        td.number { (thousands(&count.to_string())) }
                                    }
                                    (quantiles(latency("all")))
                                    td { (counts(&summary.statuses)) }
                                    td { (counts(&summary.errors)) }
                                }
                            }
                        }
                    }
                }
                p.quiet { "Counts of steps are over the whole run; latencies are of successes in the soak." }
            }
        }
    }
}

fn quantiles(latency: Option<&crate::model::LatencySummary>) -> Markup {
    html! {
        @match latency {
            Some(l) => @for value in [l.p50, l.p95, l.p99, l.max] { td.number { (format_seconds(value)) } },
            None => @for _ in 0..4 { td.number { "–" } },
        }
    }
}

fn counts<K: std::fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let parts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(key, count)| format!("{}:\u{a0}{}", plain(&key.to_string()), thousands(&count.to_string())))
        .collect();
    parts.join(", ")
}

/// Target, machine, counting, cost of observing, and the configuration.
pub fn details(record: &RunRecord) -> Markup {
    let meta = &record.meta;
    let config = serde_json::to_string_pretty(&meta.config).unwrap_or_default();
    let config: Vec<String> = config.lines().map(plain).collect();
    html! {
        section {
            h2 { "This run" }
            pre.command { (command(&meta.target.command)) }
            div.columns {
                table.facts {
                    tbody {
                        tr {
                            th scope="row" { "Workers" }
                            td {
                                (plain(&meta.target.workers))
                                @if let Some(chosen) = &meta.target.chosen { ": " (plain(&words::chosen(chosen))) }
                            }
                        }
                        @if let Some(limit) = meta.target.memory_limit {
                            tr {
                                th scope="row" { "Memory limit" }
                                td {
                                    (format_bytes(limit as f64))
                                    @if let Some(by) = &meta.target.limited_by { ", held by " (plain(by)) }
                                }
                            }
                        }
                        tr { th scope="row" { "Counting" } td { (plain(&meta.counting.worth)) } }
                        tr { th scope="row" { "Seed" } td { (meta.seed) } }
                    }
                }
                table.facts {
                    tbody {
                        tr { th scope="row" { "Kernel" } td { (plain(&meta.host.kernel)) } }
                        tr {
                            th scope="row" { "Machine" }
                            td { (meta.host.cpus) " CPUs, " (format_bytes(meta.host.memory as f64)) " of memory" }
                        }
                        @if let Some(cost) = &meta.observing {
                            tr {
                                th scope="row" { "Observing" }
                                td {
                                    (format_count(cost.cpu_share * 100.0)) " % of one core for "
                                    (thousands(&cost.readings.to_string())) " readings, every " (format_seconds(cost.interval))
                                }
                            }
                            tr {
                                th scope="row" { "One reading" }
                                td {
                                    (format_seconds(cost.fast_reading))
                                    @if let Some(slow) = cost.slow_reading { "; with the slow part " (format_seconds(slow)) }
                                }
                            }
                            @if let Some(share) = cost.live_share {
                                tr { th scope="row" { "Looking at it live" } td { (format_count(share * 100.0)) " % of one core" } }
                            }
                            @if cost.missed_ticks > 0 {
                                tr { th scope="row" { "Missed" } td { (cost.missed_ticks) " deadlines" } }
                            }
                            @for missing in &cost.missing {
                                tr { th scope="row" { "Not read" } td { (plain(missing)) } }
                            }
                        }
                    }
                }
            }
            details {
                summary { "Configuration as it was resolved" }
                pre { (config.join("\n")) }
            }
        }
    }
}
