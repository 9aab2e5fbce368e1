//! Growth that has stopped, as the readings themselves have it.

use crate::model::{Resource, WorkerId};

/// That nearly all of a rise came in the first part of the time, in the series that rose most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached {
    /// The worker; `None` for a series of the pool as a whole.
    pub worker: Option<WorkerId>,
    /// What it grew by in the first part.
    pub grown: f64,
    /// How long that is, in seconds.
    pub seconds: f64,
    /// What it has grown by since.
    pub since: f64,
    /// How long that is, in seconds.
    pub rest: f64,
    /// Threads or descriptors of it that became more in the same time and have stayed as many since, at first and at last.
    pub beside: Option<(Resource, u64, u64)>,
}
