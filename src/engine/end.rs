//! How a run ends: what interrupted it, why it was cut short, what is left of it, and why it could not even begin.

use crate::config::{ConfigError, Span};
use crate::model::{Failure, RunRecord, ended_by};
use crate::probe::CounterError;
use crate::store::WriteError;
use crate::supervise::{AttachError, LaunchError};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why a command ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// A signal with this number came.
    Signal(i32),
    /// The deadline, so long after the start, is near.
    Deadline(Duration),
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interruption::Signal(signal) => write!(f, "ended early by {}", ended_by(*signal)),
            // As it may be given again.
            Interruption::Deadline(after) => {
                write!(f, "stopped by --deadline {}", Span(*after).to_string().replace(' ', ""))
            }
        }
    }
}

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

    /// Something of the target couldn't be launched, for this reason.
    pub fn launch(error: &LaunchError, reason: impl Into<String>) -> Self {
        match error {
            LaunchError::Thread(_) => Cut::recording(reason),
            LaunchError::Guard(_) | LaunchError::Target { .. } => Cut::target(reason),
        }
    }

    /// The workload couldn't be driven.
    pub fn workload(reason: impl Into<String>) -> Self {
        Cut::failed(Failure::Workload, reason)
    }

    /// The harness file doesn't fit the target.
    pub fn setup(reason: impl Into<String>) -> Self {
        Cut::failed(Failure::Setup, reason)
    }

    /// The run can't be recorded, or the harness itself can't go on.
    pub fn recording(reason: impl Into<String>) -> Self {
        Cut::failed(Failure::Recording, reason)
    }

    /// Nothing is read any more.
    pub fn unsampled() -> Self {
        Cut::recording("the thread that samples panicked, so that nothing was read any more; please report this")
    }

    /// A signal or the deadline ended it.
    pub fn interrupted(by: Interruption) -> Self {
        let failure = match by {
            Interruption::Signal(signal) => Some(Failure::Interrupted(signal)),
            Interruption::Deadline(_) => None,
        };
        Cut { failure, reason: by.to_string(), by: Some(by) }
    }

    /// Whether target, workload or set-up failed.
    pub fn is_failure(&self) -> bool {
        matches!(self.failure, Some(Failure::Target | Failure::Workload | Failure::Setup))
    }

    fn failed(failure: Failure, reason: impl Into<String>) -> Self {
        Cut { failure: Some(failure), reason: reason.into(), by: None }
    }
}

/// A run that has ended, one way or another.
#[derive(Debug)]
pub struct Finished {
    /// All that is known of it.
    pub record: RunRecord,
    /// Its directory.
    pub directory: PathBuf,
    /// What ended it before its time, if a signal or the deadline did.
    pub interrupted: Option<Interruption>,
}

impl From<CounterError> for RunError {
    fn from(error: CounterError) -> Self {
        match error {
            CounterError::Pattern(error) => RunError::Workload(format!("requests: {error}")),
            CounterError::Thread(error) => RunError::Setup(error.to_string()),
        }
    }
}

/// Why a run could not begin.
#[derive(Debug, Error)]
pub enum RunError {
    /// The harness file can't be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// What the harness file asks for can't be driven or counted, such as a body from a file that isn't there.
    #[error("{0}")]
    Workload(String),
    /// The run directory can't be written.
    #[error("{0}; choose another place with --reports")]
    Write(#[from] WriteError),
    /// The running target can't be attached to.
    #[error("{0}")]
    Attach(#[from] AttachError),
    /// Something else was missing before the start.
    #[error("{0}")]
    Setup(String),
}
