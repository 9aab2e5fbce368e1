//! One quantity of one worker as a function of the requests it served.

use super::WorkerId;
use serde::{Deserialize, Serialize};

/// What growth is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// Requests that this very worker served.
    WorkerRequests,
    /// Requests that the pool served, shared out evenly over its workers.
    SharedRequests,
    /// Requests that the whole pool served, for what belongs to the pool as a whole.
    PoolRequests,
    /// Seconds, when no requests are known.
    Seconds,
    /// Hours, when the budget is for an hour.
    Hours,
}

impl Axis {
    /// What a budget is for where growth is measured against this: over seconds it is still one per request.
    pub fn of_budget(self) -> Axis {
        if self == Axis::Seconds { Axis::WorkerRequests } else { self }
    }

    /// The unit of one step along the axis: "request", "s" or "hour".
    pub fn unit(self) -> &'static str {
        match self {
            Axis::WorkerRequests | Axis::SharedRequests | Axis::PoolRequests => "request",
            Axis::Seconds => "s",
            Axis::Hours => "hour",
        }
    }
}

/// One resource of one worker incarnation (or of the whole pool, when `worker` is `None`).
///
/// All vectors have the same length and are in the order of time. `x` never falls.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// The worker; `None` for a series of the pool as a whole.
    pub worker: Option<WorkerId>,
    /// Seconds since the start of the run.
    pub t: Vec<f64>,
    /// Position on the axis.
    pub x: Vec<f64>,
    /// Level: bytes, or a count.
    pub y: Vec<f64>,
    /// Where the judged part begins on `x`: readings before it belong to a configured warm-up phase.
    pub soak_from: f64,
    /// Requests per second that the pool served around each reading; empty if unknown or constant.
    pub load: Vec<f64>,
    /// Requests of each step of the workload that it had served at each reading, a row for each step; empty if that is
    /// unknown or there is one step only.
    pub by_step: Vec<Vec<f64>>,
}

impl Series {
    /// Index of the first judged reading; how many there are, if none is.
    pub fn judged_from(&self) -> usize {
        self.x.partition_point(|x| *x < self.soak_from)
    }
}
