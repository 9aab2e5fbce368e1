//! One run of an experiment, in a directory of its own below the experiment's.

use super::Observer;
use crate::answer::{ExitCode, Verdict};
use crate::config::Harness;
use crate::engine::{self, Finished, Interrupt, RunError, RunRequest};
use crate::verdict;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a run of an experiment says nothing.
#[derive(Debug, Error)]
pub enum OneRunError {
    /// It could not begin.
    #[error("{what}: {source}")]
    Begin {
        /// Which one.
        what: String,
        /// Why.
        source: RunError,
    },
    /// It failed: its target or its workload did.
    #[error("{what}: {why}; its directory is {}", .directory.display())]
    Failed {
        /// Which one.
        what: String,
        /// What it says.
        why: String,
        /// Where it is.
        directory: PathBuf,
        /// What to exit with.
        exit: ExitCode,
    },
}

/// Where the runs of an experiment are made, and what ends them before their time.
pub(super) struct Runs<'a> {
    /// Where the harness file is.
    pub harness_dir: &'a Path,
    /// The experiment's directory.
    pub directory: &'a Path,
    /// A signal or the deadline.
    pub interrupt: &'a Interrupt,
}

impl Runs<'_> {
    /// Runs a harness file under this label, and judges what was recorded, also if it was interrupted.
    ///
    /// # Errors
    /// If it can't begin.
    pub fn one(
        &self,
        harness: &Harness,
        label: &str,
        observer: &mut dyn Observer,
    ) -> Result<(Finished, Verdict), RunError> {
        let request = RunRequest {
            harness,
            harness_dir: self.harness_dir,
            reports: self.directory,
            label: Some(label),
            extend: None,
            keep: false,
            interrupt: self.interrupt.clone(),
        };
        let finished = engine::run(&request, &mut |progress| observer.look(progress), &mut |_, _| None)?;
        let verdict = verdict::judge(&finished.record);
        Ok((finished, verdict))
    }
}
