//! What counters of the user's own counted, in `verdict.json`.

use super::finite;
use super::steps::StepsPart;
use crate::answer::Counted;
use schemars::JsonSchema;
use serde::Serialize;

/// What came to a counter of the user's own in the judged time, in bytes or items.
#[derive(Serialize, JsonSchema)]
pub(super) struct CountedPart {
    /// Its name.
    name: String,
    /// What came to it.
    total: Option<f64>,
    /// In so many seconds.
    watched: Option<f64>,
    /// Requests served in them; null where nobody counted them.
    requests: Option<f64>,
    /// What came to it for each request; null where nobody counted them.
    per_request: Option<f64>,
    /// What each step of the workload adds for a request of it; null if there is one step only, or too little to tell.
    steps: Option<StepsPart>,
    /// What came to it for a request in the first and in the last quarter, where it is proven to grow; null elsewhere.
    grows: Option<[f64; 2]>,
}

impl From<&Counted> for CountedPart {
    fn from(counted: &Counted) -> Self {
        CountedPart {
            name: counted.metric.name().to_owned(),
            total: finite(counted.total),
            watched: finite(counted.watched),
            requests: counted.requests.and_then(finite),
            per_request: counted.per_request().and_then(finite),
            steps: counted.steps.as_ref().map(StepsPart::from),
            grows: counted.grows.map(|(first, last)| [first, last]),
        }
    }
}
