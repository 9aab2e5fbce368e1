//! Growth by step of the workload, as the reports put it.

use super::json::{Estimate, finite};
use super::text::plain;
use crate::verdict::{BySteps, StepGrowth};
use schemars::JsonSchema;
use serde::Serialize;

/// The steps of a row: a name, or the names of those that can't be told apart.
pub fn names(row: &StepGrowth) -> String {
    let names: Vec<String> = row.steps.iter().map(|name| plain(name)).collect();
    names.join(" and ")
}

/// What growth by step rests on.
pub fn worth(steps: &BySteps) -> &'static str {
    if steps.exact {
        "Each worker's requests were counted by step. The intervals of all rows hold together (Bonferroni)."
    } else {
        "Each worker's requests are split as the pool's were at the time. The intervals of all rows hold together \
         (Bonferroni)."
    }
}

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
