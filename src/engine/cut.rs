//! What a run comes to: its planned end, or a reason why it was cut short.

use crate::model::Failure;

/// Why a run was cut short.
#[derive(Debug)]
pub struct Cut {
    /// What failed.
    pub failure: Failure,
    /// Why, for the user.
    pub reason: String,
}

impl Cut {
    /// The target failed.
    pub fn target(reason: impl Into<String>) -> Self {
        Cut { failure: Failure::Target, reason: reason.into() }
    }

    /// This signal interrupted the harness.
    pub fn interrupted(signal: i32) -> Self {
        Cut { failure: Failure::Interrupted(signal), reason: format!("interrupted by signal {signal}") }
    }
}
