//! What difference a harness file allows.

use crate::answer::Quantile;
use crate::baseline::{Baseline, Known};
use crate::compare::{Margin, Margins, Measure, ServiceMargins};
use crate::config::{CompareConfig, Harness, HeapMode, MetricConfig, ServiceConfig, metric_sources};
use crate::model::{Budgets, Metric, MetricKind, Per, Resource, RunRecord, Share};
use std::collections::BTreeMap;

/// Differences below these are of the clock and of the allocator: a page cache's, a timer's, one context switch's.
const LEAST_LEVEL: f64 = 1024.0 * 1024.0;
const LEAST_CPU: f64 = 1e-4;
const LEAST_CHURN: f64 = 1024.0;
const LEAST_LATENCY: f64 = 2e-3;
const LEAST_COUNTED: f64 = 0.01;

/// The allowed difference in each measure of a harness file's runs.
pub fn margins(harness: &Harness) -> Margins {
    within(&harness.budgets(), &harness.metrics, harness)
}

/// The same of each of its services.
pub fn margins_of_services(harness: &Harness) -> ServiceMargins {
    let of_service = |(name, service): (&String, &ServiceConfig)| {
        (name.clone(), its_own(within(&harness.budgets_of(service), &service.metrics, harness)))
    };
    harness.services.iter().map(of_service).collect()
}

/// The differences that a harness file allows where these are the budgets.
fn within(budgets: &Budgets, metrics: &BTreeMap<String, MetricConfig>, harness: &Harness) -> Margins {
    let traced = harness.heap.mode != HeapMode::Off;
    let by_request = budgets.per == Per::Request;
    let counters = metric_sources(metrics).into_iter().flat_map(|source| source.wanted);
    let counters = counters.filter(|one| one.kind == MetricKind::Counter).map(|one| one.metric);
    let budgets = budgets.resources().map(|one| (one, budgets.of(one, traced).filter(|_| by_request)));
    allowed(budgets, counters, &harness.compare)
}

/// The same of the services of a run that was made.
pub fn margins_of_services_of_run(record: &RunRecord) -> ServiceMargins {
    let of_service = |service: &RunRecord| (service.meta.name.clone(), its_own(margins_of_run(service)));
    record.services.iter().map(of_service).collect()
}

/// Without what is measured of the run as a whole.
fn its_own(mut margins: Margins) -> Margins {
    margins.retain(|measure, _| !matches!(measure, Measure::Latency(_) | Measure::ErrorRate | Measure::Status(_)));
    margins
}

/// The same of a run that was made: its own budgets, and what its harness file said of comparisons.
pub fn margins_of_run(record: &RunRecord) -> Margins {
    let usual = CompareConfig::default();
    let share = |key: &str, usual: Share| {
        let stored = record.meta.config.get("compare").and_then(|compare| compare.get(key)?.as_str()?.parse().ok());
        stored.unwrap_or(usual)
    };
    let compare = CompareConfig {
        level: share("level", usual.level),
        cpu: share("cpu", usual.cpu),
        churn: share("churn", usual.churn),
        counters: share("counters", usual.counters),
        latency: share("latency", usual.latency),
        errors: share("errors", usual.errors),
    };
    let by_request = record.meta.budgets.per == Per::Request;
    let counters = record.meta.metrics.iter().filter(|one| one.kind == MetricKind::Counter).map(|one| one.metric);
    let budgets = record.meta.budgets.resources().map(|one| (one, record.budget(one).filter(|_| by_request)));
    allowed(budgets, counters, &compare)
}

/// The same of a run of which only the verdict is there: its own budgets, and what is usual for the rest.
pub fn margins_of_baseline(baseline: &Baseline) -> Margins {
    let by_request = |known: &&Known| known.unit.ends_with("/request");
    let budgets = baseline.findings.iter().filter(by_request).map(|known| (known.resource, known.budget));
    allowed(budgets, std::iter::empty(), &CompareConfig::default())
}

/// For growth by the request the budget of each resource, for the rest what `[compare]` says.
fn allowed(
    budgets: impl Iterator<Item = (Resource, Option<f64>)>,
    counters: impl Iterator<Item = Metric>,
    compare: &CompareConfig,
) -> Margins {
    let latency = |quantile| (Measure::Latency(quantile), Margin { share: compare.latency.0, least: LEAST_LATENCY });
    let mut margins = Margins::from([
        (Measure::Level, Margin { share: compare.level.0, least: LEAST_LEVEL }),
        (Measure::Cpu, Margin { share: compare.cpu.0, least: LEAST_CPU }),
        (Measure::Churn, Margin { share: compare.churn.0, least: LEAST_CHURN }),
        latency(Quantile::P50),
        latency(Quantile::P95),
        latency(Quantile::P99),
        (Measure::ErrorRate, Margin { share: 0.0, least: compare.errors.0 }),
    ]);
    let growth = |(resource, budget): (Resource, Option<f64>)| {
        budget.map(|least| (Measure::Growth(resource), Margin { share: 0.0, least }))
    };
    margins.extend(budgets.filter_map(growth));
    let counted = |metric| (Measure::Counted(metric), Margin { share: compare.counters.0, least: LEAST_COUNTED });
    margins.extend(counters.map(counted));
    margins
}
