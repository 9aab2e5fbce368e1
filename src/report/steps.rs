//! Growth by step of the workload, in words.

use super::text::plain;
use crate::verdict::{BySteps, StepGrowth};

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
