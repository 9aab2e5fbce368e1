//! What difference a harness file allows.

use crate::compare::{Margin, Margins, Measure, Quantile};
use crate::config::Harness;
use crate::model::{PerRequest, Resource};

/// Differences below these are of the clock and of the allocator: a page cache's, a timer's, one context switch's.
const LEAST_LEVEL: f64 = 1024.0 * 1024.0;
const LEAST_CPU: f64 = 1e-4;
const LEAST_LATENCY: f64 = 2e-3;

/// The allowed difference in each measure: for growth the budget, for the rest what `[compare]` says.
pub fn margins(harness: &Harness) -> Margins {
    let budget = &harness.budget;
    let growth =
        |resource, budget: PerRequest| (Measure::Growth(resource), Margin { share: 0.0, least: budget.amount });
    let compare = &harness.compare;
    let latency = |quantile| (Measure::Latency(quantile), Margin { share: compare.latency.0, least: LEAST_LATENCY });
    Margins::from([
        growth(Resource::Memory, budget.memory),
        growth(Resource::Descriptors, budget.descriptors),
        growth(Resource::Threads, budget.threads),
        growth(Resource::Tmpfs, budget.tmpfs),
        (Measure::Level, Margin { share: compare.level.0, least: LEAST_LEVEL }),
        (Measure::Cpu, Margin { share: compare.cpu.0, least: LEAST_CPU }),
        latency(Quantile::P50),
        latency(Quantile::P95),
        latency(Quantile::P99),
        (Measure::ErrorRate, Margin { share: 0.0, least: compare.errors.0 }),
    ])
}
