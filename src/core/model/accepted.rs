//! Leaks that are known and accepted for a time, as a run was held against them.

use super::Resource;
use serde::{Deserialize, Serialize};

/// What was found when the leaks of a run were held against a baseline whose leaks are accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// Version of the rule that judged both runs.
    pub rule: u32,
    /// The name of the baseline's run directory.
    pub baseline: String,
    /// The last day on which its leaks are accepted, such as 2027-03-01.
    pub until: String,
    /// Why they are.
    pub reason: String,
    /// Whether that day was over when the run was held against it.
    pub over: bool,
    /// Each leak of the run.
    pub leaks: Vec<AcceptedLeak>,
}

/// A leak of a run beside what is accepted of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AcceptedLeak {
    /// What leaks.
    pub resource: Resource,
    /// What was found.
    pub state: Acceptability,
    /// Growth in the baseline, in the same unit as the run's; missing if no leak of it was known there.
    pub known: Option<f64>,
    /// How much more it is than in the baseline, at least and at most, at 99 %; missing if that couldn't be told.
    pub more: Option<(f64, f64)>,
}

/// Whether a leak is one that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Acceptability {
    /// It is not worse than the one that is accepted, as far as can be told, and surely not twice as large.
    NoWorse,
    /// It is worse beyond doubt, by more than the budget.
    Worse,
    /// It may be twice as large: too little is known of it.
    Open,
    /// The baseline knows no leak of this.
    Unknown,
}
