//! `--accept`: leaks that are known and accepted for a time.

use super::baseline::{self, today};
use super::output::complain;
use super::problem::Problem;
use crate::answer::ExitCode;
use crate::baseline::Baseline;
use crate::engine::Finished;
use crate::model::RunRecord;
use crate::store;
use crate::verdict;
use std::path::{Path, PathBuf};

/// A baseline whose leaks are accepted.
pub struct Accept {
    path: PathBuf,
    baseline: Baseline,
}

impl Accept {
    /// Reads it before anything is launched, so that a wrong file costs no run.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let refused = |problem: Problem| Problem::new(ExitCode::Usage, format!("--accept {}", problem.text));
        let accept = Accept { path: path.to_owned(), baseline: baseline::read(path).map_err(refused)? };
        if let Some((_, what)) = accept.baseline.failure() {
            return Err(accept.wrong(&format!("its run failed, so that nothing is known of leaks: {what}")));
        }
        accept.baseline.check_acceptance().map_err(|what| accept.wrong(&what))?;
        Ok(accept)
    }

    /// Checks that a run of this name can be held against it.
    pub fn check(&self, name: &str) -> Result<(), Problem> {
        self.baseline.check_accepts(name).map_err(|what| self.wrong(&what))
    }

    /// Holds what was recorded against it, and notes that in the record, for every verdict on it from now on.
    pub fn hold(&self, record: &mut RunRecord) -> Result<(), String> {
        record.meta.accepted = None;
        let verdict = verdict::judge(record);
        let accepted = self.baseline.accepts(record, &verdict, today());
        record.meta.accepted = Some(accepted.map_err(|what| format!("{}: {what}", self.path.display()))?);
        Ok(())
    }

    /// The same of a run that has ended, in its directory, too.
    pub fn hold_run(&self, run: &mut Finished) {
        let held = self.hold(&mut run.record);
        let noted =
            held.and_then(|()| store::write_head(&run.directory, &run.record.meta).map_err(|error| error.to_string()));
        if let Err(what) = noted {
            // A pass that can't be made again from the directory is none.
            run.record.meta.accepted = None;
            complain(&what);
        }
    }

    fn wrong(&self, what: &str) -> Problem {
        Problem::new(ExitCode::Usage, format!("--accept {}: {what}", self.path.display()))
    }
}
