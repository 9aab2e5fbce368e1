//! What difference a harness file allows.

use crate::compare::{Margin, Margins, Measure, Quantile};
use crate::config::{CompareConfig, Harness};
use crate::model::{Resource, RunRecord};

/// Differences below these are of the clock and of the allocator: a page cache's, a timer's, one context switch's.
const LEAST_LEVEL: f64 = 1024.0 * 1024.0;
const LEAST_CPU: f64 = 1e-4;
const LEAST_LATENCY: f64 = 2e-3;

/// The allowed difference in each measure of a harness file's runs.
pub fn margins(harness: &Harness) -> Margins {
    let budget = &harness.budget;
    let given = [budget.memory, budget.descriptors, budget.threads, budget.tmpfs].map(Some);
    let growth = given.into_iter().chain([budget.kernel]).map(|budget| budget.map(|b| b.amount));
    allowed(growth, &harness.compare)
}

/// The same of a run that was made: its own budgets, and what its harness file said of comparisons.
pub fn margins_of_run(record: &RunRecord) -> Margins {
    let budgets = &record.meta.budgets;
    let growth = [budgets.memory, budgets.descriptors, budgets.threads, budgets.tmpfs, budgets.kernel];
    let compare = record.meta.config.get("compare").cloned();
    let compare = compare.and_then(|c| serde_json::from_value(c).ok()).unwrap_or_default();
    allowed(growth.into_iter(), &compare)
}

/// For growth (in the order of [`Resource::ALL`]) the budget, for the rest what `[compare]` says.
fn allowed(growth: impl Iterator<Item = Option<f64>>, compare: &CompareConfig) -> Margins {
    let latency = |quantile| (Measure::Latency(quantile), Margin { share: compare.latency.0, least: LEAST_LATENCY });
    let mut margins = Margins::from([
        (Measure::Level, Margin { share: compare.level.0, least: LEAST_LEVEL }),
        (Measure::Cpu, Margin { share: compare.cpu.0, least: LEAST_CPU }),
        latency(Quantile::P50),
        latency(Quantile::P95),
        latency(Quantile::P99),
        (Measure::ErrorRate, Margin { share: 0.0, least: compare.errors.0 }),
    ]);
    for (resource, budget) in Resource::ALL.into_iter().zip(growth) {
        margins.extend(budget.map(|least| (Measure::Growth(resource), Margin { share: 0.0, least })));
    }
    margins
}
