//! Leaks that are known and accepted, in `verdict.json`.

use super::finite;
use crate::model::{Acceptability, Accepted, Resource};
use schemars::JsonSchema;
use serde::Serialize;

/// How the leaks of the run stand to those of a baseline that are accepted.
#[derive(Serialize, JsonSchema)]
pub(super) struct AcceptedPart {
    /// Name of the baseline's run directory.
    baseline: String,
    /// The last day on which its leaks are accepted, in UTC.
    until: String,
    /// Why they are.
    reason: String,
    /// Whether that day was over.
    over: bool,
    /// Leak by leak.
    leaks: Vec<AcceptedLeakPart>,
}

/// A leak beside what is accepted of it.
#[derive(Serialize, JsonSchema)]
struct AcceptedLeakPart {
    resource: Resource,
    state: Acceptability,
    /// Growth in the baseline, in the unit of the finding; null if no such leak is known there.
    known: Option<f64>,
    /// The least by which it is more than in the baseline, at 99 %.
    more_at_least: Option<f64>,
    /// The most.
    more_at_most: Option<f64>,
}

impl From<&Accepted> for AcceptedPart {
    fn from(accepted: &Accepted) -> Self {
        let leaks = accepted.leaks.iter().map(|leak| AcceptedLeakPart {
            resource: leak.resource,
            state: leak.state,
            known: leak.known.and_then(finite),
            more_at_least: leak.more.and_then(|more| finite(more.0)),
            more_at_most: leak.more.and_then(|more| finite(more.1)),
        });
        AcceptedPart {
            baseline: accepted.baseline.clone(),
            until: accepted.until.clone(),
            reason: accepted.reason.clone(),
            over: accepted.over,
            leaks: leaks.collect(),
        }
    }
}
