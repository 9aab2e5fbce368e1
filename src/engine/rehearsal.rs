//! A target that is prepared as for a run and not launched: to ask its program what it thinks of a configuration.

use super::interrupt::Interrupt;
use super::outputs::OutputKeeper;
use super::run::RunError;
use super::setup::Setup;
use super::target::{self, Outputs};
use crate::config::Harness;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest answer that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// A prepared target; its scratch directory goes with it.
#[derive(Debug)]
pub struct Rehearsal {
    setup: Setup,
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
        let outputs = Outputs::of(setup.scratch.path());
        let _keeper = OutputKeeper::start(outputs.files());
        target::prepare(&setup, &outputs, interrupt.flag()).map_err(RunError::Setup)?;
        Ok(Rehearsal { setup, interrupt: interrupt.clone() })
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
        let path = self.scratch().join("rehearsal.log");
        let log = File::create(&path).and_then(|_| OpenOptions::new().append(true).open(&path));
        let log = log.map_err(|e| failed(format!("has no log: {e}")))?;
        let _keeper = OutputKeeper::start(vec![path.clone()]);
        let errors = log.try_clone().map_err(|e| failed(format!("has no log: {e}")))?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(self.setup.environment()).current_dir(self.setup.cwd());
        command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        // SAFETY: between fork and exec only one system call is made.
        unsafe {
            command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?));
        }
        let mut child = command.spawn().map_err(|e| failed(format!("could not be started: {e}")))?;
        let deadline = Instant::now() + PATIENCE;
        let ended = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Ok(status),
                Ok(None) if self.interrupt.cause().is_some() => break Err("interrupted".into()),
                Ok(None) if Instant::now() > deadline => break Err(failed(format!("took longer than {PATIENCE:?}"))),
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => break Err(failed(format!("could not be waited for: {error}"))),
            }
        };
        if ended.is_err() {
            // Its group is its own; we haven't waited for it, so the number is too.
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(child.id() as i32), Signal::SIGKILL);
            let _ = child.wait();
        }
        let status = ended?;
        Ok(Reply { success: status.success(), text: crate::supervise::tail(&path, LONGEST) })
    }
}
