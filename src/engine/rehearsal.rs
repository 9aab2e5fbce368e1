//! A target that is prepared as for a run and not launched: to ask its program what it thinks of a configuration.

use super::end::RunError;
use super::interrupt::Interrupt;
use super::outputs::OutputKeeper;
use super::setup::Setup;
use super::target::{self, PREPARE, Part, Preparation};
use crate::config::Harness;
use crate::model::ExitCause;
use crate::store::Folder;
use crate::supervise::{Launched, tail};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// File of the last answer, in the scratch directory.
const LOG: &str = "rehearsal.log";

/// How often it is looked whether the answer is still wanted.
const LOOK: Duration = Duration::from_millis(5);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest answer that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// A prepared target; its scratch directory goes with it.
#[derive(Debug)]
pub struct Rehearsal {
    /// What the preparation left in the background.
    _prepared: Vec<Launched>,
    setup: Setup,
    folder: Folder,
    interrupt: Interrupt,
}

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Whether it exited with 0.
    pub success: bool,
    /// Its standard output and standard error, as they came.
    pub text: String,
}

impl Rehearsal {
    /// Resolves the harness file's variables and runs the commands of its preparation.
    ///
    /// # Errors
    /// If a variable can't be resolved, or the preparation fails.
    pub fn prepare(harness: &Harness, harness_dir: &Path, interrupt: &Interrupt) -> Result<Self, RunError> {
        let setup = Setup::unlaunched(harness, harness_dir)?;
        let folder = Folder::open(setup.scratch.path())?;
        let keeper = OutputKeeper::start(&folder, vec![PREPARE]);
        let _keeper = keeper.map_err(|error| RunError::Setup(error.to_string()))?;
        let prepared = target::prepare(&setup, &Part::target(&setup), &folder, interrupt.flag());
        let prepared = prepared.map_err(|cut| RunError::Setup(cut.reason))?;
        Ok(Rehearsal { _prepared: prepared, setup, folder, interrupt: interrupt.clone() })
    }

    /// The target's command, with its variables replaced.
    pub fn command(&self) -> &[String] {
        &self.setup.harness.target.command
    }

    /// The scratch directory.
    pub fn scratch(&self) -> &Path {
        self.setup.scratch.path()
    }

    /// The target's environment.
    pub fn environment(&self) -> BTreeMap<String, String> {
        self.setup.environment()
    }

    /// Runs the target's program with these arguments, in the target's environment and working directory.
    ///
    /// # Errors
    /// If it can't be started or takes longer than a minute, or the user interrupted; in a sentence.
    pub fn ask(&self, arguments: &[&str]) -> Result<Reply, String> {
        let Some(program) = self.command().first() else { return Err("the command is empty".into()) };
        let failed = |what: String| format!("`{program} {}` {what}", arguments.join(" "));
        let no_log = |e: &dyn std::fmt::Display| failed(format!("has no log: {e}"));
        let log = self.folder.append(LOG).map_err(|e| no_log(&e))?;
        log.set_len(0).map_err(|e| no_log(&e))?;
        let _keeper = OutputKeeper::start(&self.folder, vec![LOG]).map_err(|error| error.to_string())?;
        let command: Vec<String> =
            [program].into_iter().cloned().chain(arguments.iter().map(ToString::to_string)).collect();
        let asked = Preparation::new(&self.setup, &self.folder).launch(&command, &log);
        let mut asked = asked.map_err(|e| failed(format!("could not be started: {e}")))?;
        let deadline = Instant::now() + PATIENCE;
        let cause = loop {
            match asked.end(LOOK) {
                Ok(Some(cause)) => break cause,
                Ok(None) if Instant::now() > deadline => return Err(failed(format!("took longer than {PATIENCE:?}"))),
                Ok(None) => self.interrupt.cause().map_or(Ok(()), |by| Err(failed(format!("was {by}"))))?,
                Err(error) => return Err(failed(format!("could not be waited for: {error}"))),
            }
        };
        let text = self.folder.read(LOG).map(|log| tail(&log, LONGEST)).map_err(|e| no_log(&e))?;
        Ok(Reply { success: cause == ExitCause::Code(0), text })
    }
}
