//! What a run comes to: its planned end, or a reason why it was cut short.

use super::interrupt::Interruption;
use crate::model::Failure;

/// Why a run was cut short.
#[derive(Debug)]
pub struct Cut {
    /// What failed; nothing did at a deadline.
    pub failure: Option<Failure>,
    /// Why, for the user.
    pub reason: String,
    /// What interrupted it, if anything did.
    pub by: Option<Interruption>,
}

impl Cut {
    /// The target failed.
    pub fn target(reason: impl Into<String>) -> Self {
        Cut::failed(Failure::Target, reason)
    }

    /// The workload couldn't be driven.
    pub fn workload(reason: impl Into<String>) -> Self {
        Cut::failed(Failure::Workload, reason)
    }

    /// The run can't be recorded.
    pub fn recording(reason: impl Into<String>) -> Self {
        Cut::failed(Failure::Recording, reason)
    }

    /// A signal or the deadline ended it.
    pub fn interrupted(by: Interruption) -> Self {
        let failure = match by {
            Interruption::Signal(signal) => Some(Failure::Interrupted(signal)),
            Interruption::Deadline(_) => None,
        };
        Cut { failure, reason: by.to_string(), by: Some(by) }
    }

    fn failed(failure: Failure, reason: impl Into<String>) -> Self {
        Cut { failure: Some(failure), reason: reason.into(), by: None }
    }
}
