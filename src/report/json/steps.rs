//! Growth by step of the workload, in `verdict.json`.

use super::{Estimate, finite};
use crate::answer::{BySteps, StepGrowth};
use schemars::JsonSchema;
use serde::Serialize;

/// Growth by step of the workload.
#[derive(Serialize, JsonSchema)]
pub(super) struct StepsPart {
    /// Whether each worker's requests were counted by step; else its requests are split as the pool's were.
    exact: bool,
    /// Place in `rows` of the step without which growth would be proven to be within the budget.
    alone: Option<u64>,
    /// Step by step.
    rows: Vec<StepPart>,
}

/// Growth under one step, or jointly under several that can't be told apart.
#[derive(Serialize, JsonSchema)]
struct StepPart {
    steps: Vec<String>,
    /// Share of all requests, 0 to 1.
    share: Option<f64>,
    /// Growth per request of these steps, in the finding's unit.
    growth: Estimate,
    /// Whether it grows under these steps beyond doubt, and by about the budget at least.
    grows: bool,
}

impl From<&BySteps> for StepsPart {
    fn from(steps: &BySteps) -> Self {
        let row = |row: &StepGrowth| StepPart {
            steps: row.steps.clone(),
            share: finite(row.share),
            growth: Estimate::from(&row.growth),
            grows: row.grows,
        };
        StepsPart {
            exact: steps.exact,
            alone: steps.alone.map(|row| row as u64),
            rows: steps.rows.iter().map(row).collect(),
        }
    }
}
