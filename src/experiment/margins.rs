//! What difference a harness file allows.

use crate::answer::Quantile;
use crate::baseline::{Baseline, Known};
use crate::compare::{Margin, Margins, Measure, ServiceMargins};
use crate::config::{CompareConfig, Harness, HeapMode, ServiceConfig};
use crate::model::{Budgets, Per, Resource, RunRecord, Share};

/// Differences below these are of the clock and of the allocator: a page cache's, a timer's, one context switch's.
const LEAST_LEVEL: f64 = 1024.0 * 1024.0;
const LEAST_CPU: f64 = 1e-4;
const LEAST_CHURN: f64 = 1024.0;
const LEAST_LATENCY: f64 = 2e-3;

/// The allowed difference in each measure of a harness file's runs.
pub fn margins(harness: &Harness) -> Margins {
    within(&harness.budgets(), harness)
}

/// The same of each of its services.
pub fn margins_of_services(harness: &Harness) -> ServiceMargins {
    let of_service = |(name, service): (&String, &ServiceConfig)| {
        (name.clone(), its_own(within(&harness.budgets_of(service), harness)))
    };
    harness.services.iter().map(of_service).collect()
}

/// The differences that a harness file allows where these are the budgets.
fn within(budgets: &Budgets, harness: &Harness) -> Margins {
    let traced = harness.heap.mode != HeapMode::Off;
    let by_request = budgets.per == Per::Request;
    allowed(|resource| budgets.of(resource, traced).filter(|_| by_request), &harness.compare)
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
        latency: share("latency", usual.latency),
        errors: share("errors", usual.errors),
    };
    let by_request = record.meta.budgets.per == Per::Request;
    allowed(|resource| record.budget(resource).filter(|_| by_request), &compare)
}

/// The same of a run of which only the verdict is there: its own budgets, and what is usual for the rest.
pub fn margins_of_baseline(baseline: &Baseline) -> Margins {
    let by_request = |known: &&Known| known.unit.ends_with("/request");
    let budget = |resource| baseline.known(resource).filter(by_request).and_then(|known| known.budget);
    allowed(budget, &CompareConfig::default())
}

/// For growth by the request the budget of each resource, for the rest what `[compare]` says.
fn allowed(budget: impl Fn(Resource) -> Option<f64>, compare: &CompareConfig) -> Margins {
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
    for resource in Resource::ALL {
        margins.extend(budget(resource).map(|least| (Measure::Growth(resource), Margin { share: 0.0, least })));
    }
    margins
}
