//! The last look at a run before its end, as it was recorded.

use crate::model::{EventKind, RunRecord};

/// The last look at a run before its end.
#[derive(Debug, Clone, PartialEq)]
pub struct LastLook {
    /// When it was, in seconds since the start of the run.
    pub t: f64,
    /// The share of the plan that was done then; missing for a watch without an end.
    pub share: Option<f64>,
    /// Its error probability of "leak".
    pub alpha: f64,
    /// Whether it proved the answer, and so ended the run.
    pub proven: bool,
}

/// The last look before the end, if there was one.
pub fn last_look(record: &RunRecord) -> Option<LastLook> {
    record.events.iter().rev().find_map(|event| match &event.kind {
        EventKind::Look { share, alpha, proven, .. } => {
            Some(LastLook { t: event.t, share: *share, alpha: *alpha, proven: *proven })
        }
        _ => None,
    })
}
