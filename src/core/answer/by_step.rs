//! Which step of the workload growth comes from.

use super::outcome::Interval;

/// Growth by step of the workload.
#[derive(Debug, Clone, PartialEq)]
pub struct BySteps {
    /// Whether each worker's requests were counted by step; else its requests are split as the pool's were.
    pub exact: bool,
    /// Step by step, in the order of the harness file.
    pub rows: Vec<StepGrowth>,
    /// The row without which growth would be proven to be within the budget, if there is one.
    pub alone: Option<usize>,
}

/// Growth under one step, or under several that can't be told apart.
#[derive(Debug, Clone, PartialEq)]
pub struct StepGrowth {
    /// Its name; several names if they move together, and the growth is then theirs jointly.
    pub steps: Vec<String>,
    /// Its share of all requests, 0 to 1.
    pub share: f64,
    /// Growth per request of this step; the intervals of all rows hold together (Bonferroni).
    pub growth: Interval,
    /// Whether it grows under this step beyond doubt, and by about the budget at least.
    pub grows: bool,
}
