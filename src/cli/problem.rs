//! A failure on its way to the user: what it says, and what it exits with.

use crate::answer::ExitCode;
use crate::apache::OffError;
use crate::config::ConfigError;
use crate::engine::{Interrupt, Interruption, RunError};
use crate::experiment::{AbError, BisectError, KneeError, ModulesError, OneRunError, SidesError};
use crate::report::ReportError;
use crate::supervise::AttachError;
use std::io;

/// A failure on its way to the user.
pub struct Problem {
    /// What to exit with.
    pub code: ExitCode,
    /// What went wrong, and what to do.
    pub text: String,
}

/// What a command exits with, or why it has no answer.
pub type Done = Result<ExitCode, Problem>;

impl Problem {
    /// A failure that exits with `code`.
    pub fn new(code: ExitCode, error: impl ToString) -> Self {
        Problem { code, text: error.to_string() }
    }

    /// A failure while a command went on, which is none of its own if it was to end.
    pub fn while_listening(interrupt: &Interrupt, error: impl Into<Problem>) -> Self {
        let problem = error.into();
        match interrupt.cause() {
            Some(by) => Problem { code: interruption_code(by), ..problem },
            None => problem,
        }
    }
}

/// What a command exits with that was ended before it had an answer.
pub fn interruption_code(by: Interruption) -> ExitCode {
    match by {
        Interruption::Signal(signal) => ExitCode::Interrupted(signal),
        Interruption::Deadline(_) => ExitCode::Inconclusive,
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Problem::new(ExitCode::Failure, error)
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        Problem::new(ExitCode::Config, error)
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        Problem::new(ExitCode::Failure, error)
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        let code = match error {
            RunError::Config(_) | RunError::Workload(_) => ExitCode::Config,
            RunError::Attach(
                AttachError::Several { .. }
                | AttachError::SeveralGroups { .. }
                | AttachError::Wrapper { .. }
                | AttachError::Thread { .. }
                | AttachError::NotOfGroup
                | AttachError::Pattern(_),
            ) => ExitCode::Usage,
            RunError::Attach(_) => ExitCode::Target,
            RunError::Write(_) | RunError::Setup(_) => ExitCode::Failure,
        };
        Problem::new(code, error)
    }
}

impl From<SidesError> for Problem {
    fn from(error: SidesError) -> Self {
        match error {
            SidesError::Modules(error) => Problem::from(error),
            error => Problem::new(ExitCode::Config, error),
        }
    }
}

impl From<AbError> for Problem {
    fn from(error: AbError) -> Self {
        let text = error.to_string();
        match error {
            AbError::Run(error) => Problem::from(error),
            AbError::Store(_) => Problem::new(ExitCode::Failure, text),
        }
    }
}

impl From<BisectError> for Problem {
    fn from(error: BisectError) -> Self {
        let text = error.to_string();
        match error {
            BisectError::Modules(error) => Problem { text, ..Problem::from(error) },
            BisectError::Run(error) => Problem::from(error),
            BisectError::Interrupted(by) => Problem::new(interruption_code(by), text),
        }
    }
}

impl From<KneeError> for Problem {
    fn from(error: KneeError) -> Self {
        match error {
            KneeError::NoLoad(text) => Problem::new(ExitCode::Config, text),
            KneeError::Run(error) => Problem::from(error),
        }
    }
}

impl From<OneRunError> for Problem {
    fn from(error: OneRunError) -> Self {
        let text = error.to_string();
        match error {
            OneRunError::Begin { source, .. } => Problem { text, ..Problem::from(source) },
            OneRunError::Failed { exit, .. } => Problem::new(exit, text),
        }
    }
}

impl From<ModulesError> for Problem {
    fn from(error: ModulesError) -> Self {
        let text = error.to_string();
        match error {
            // The preparation of the target failed, as it would have for a run.
            ModulesError::Apache(OffError::Setup(RunError::Setup(_))) => Problem::new(ExitCode::Target, text),
            ModulesError::Apache(OffError::Setup(source)) => Problem { text, ..Problem::from(source) },
            _ => Problem::new(ExitCode::Config, text),
        }
    }
}
