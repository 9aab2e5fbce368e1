//! The target from its preparation to the moment it is ready.

use super::interrupt::Interrupt;
use super::setup::Setup;
use crate::supervise::{LaunchRequest, Launched, Ready, ReadyError, tail, wait_until_ready};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long one command of the preparation may take.
const PREPARATION: Duration = Duration::from_secs(300);

/// How often it is looked whether the target still lives while it starts.
const LOOK: Duration = Duration::from_millis(10);

/// How much of the target's last output an error shows.
const SHOWN: u64 = 2048;

/// The files with the target's output.
pub struct Outputs {
    pub stdout: PathBuf,
    pub stderr: PathBuf,
    prepare: PathBuf,
}

impl Outputs {
    pub fn of(directory: &Path) -> Self {
        let path = |name: &str| directory.join(name);
        Outputs { stdout: path("target.stdout"), stderr: path("target.stderr"), prepare: path("prepare.log") }
    }

    /// All of them.
    pub fn files(&self) -> Vec<PathBuf> {
        vec![self.stdout.clone(), self.stderr.clone(), self.prepare.clone()]
    }

    /// `reason`, with the last of the target's output below it.
    pub fn explain(&self, reason: &str) -> String {
        let mut text = reason.to_owned();
        for (name, path) in [("standard output", &self.stdout), ("standard error", &self.stderr)] {
            text.push_str(&last_output(name, path));
        }
        text
    }
}

fn last_output(name: &str, path: &Path) -> String {
    let shown = tail(path, SHOWN);
    if shown.trim().is_empty() { String::new() } else { format!("\nlast {name}:\n{}", shown.trim_end()) }
}

/// What the commands of a harness file run with, beside the target: its environment, its directory, one log.
pub struct Preparation {
    environment: BTreeMap<String, String>,
    cwd: PathBuf,
    log: PathBuf,
}

impl Preparation {
    pub fn new(setup: &Setup, outputs: &Outputs) -> Self {
        Preparation { environment: setup.environment(), cwd: setup.cwd(), log: outputs.prepare.clone() }
    }

    /// Runs a command to its end, which must be a success; `what` names it in errors.
    pub fn run(&self, what: &str, command: &[String], limit: Duration, stop: &AtomicBool) -> Result<(), String> {
        let Some((program, arguments)) = command.split_first() else { return Ok(()) };
        let failed = |how: String| format!("{what} `{}` {how}{}", command.join(" "), last_output("output", &self.log));
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.map_err(|e| failed(format!("has no log: {e}")))?;
        let errors = log.try_clone().map_err(|e| failed(format!("has no log: {e}")))?;
        let mut prepared = Command::new(program);
        prepared.args(arguments).env_clear().envs(&self.environment).current_dir(&self.cwd);
        prepared.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        // SAFETY: between fork and exec only one system call is made.
        unsafe {
            prepared.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?));
        }
        let mut child = prepared.spawn().map_err(|e| failed(format!("could not be started: {e}")))?;
        let deadline = Instant::now() + limit;
        let ended = loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => break Ok(()),
                Ok(Some(status)) => break Err(failed(format!("failed with {status}"))),
                Ok(None) if stop.load(Ordering::Relaxed) => break Err(format!("interrupted during {what}")),
                Ok(None) if Instant::now() > deadline => {
                    break Err(failed(format!("took longer than {limit:?}")));
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Err(error) => break Err(failed(format!("could not be waited for: {error}"))),
            }
        };
        if ended.is_err() {
            // Its group is its own; we haven't waited for it, so the number is too.
            let group = nix::unistd::Pid::from_raw(child.id() as i32);
            let _ = nix::sys::signal::killpg(group, Signal::SIGKILL);
            let _ = child.wait();
        }
        ended
    }
}

/// Runs the commands that come before the launch.
pub fn prepare(setup: &Setup, outputs: &Outputs, stop: &AtomicBool) -> Result<(), String> {
    let preparation = Preparation::new(setup, outputs);
    let commands = &setup.harness.target.prepare;
    commands.iter().try_for_each(|command| preparation.run("the preparation", command, PREPARATION, stop))
}

/// Launches the target, held before its `exec`.
pub fn launch(setup: &Setup, outputs: &Outputs) -> Result<Launched, String> {
    let request = LaunchRequest {
        command: setup.harness.target.command.clone(),
        env: setup.launch_environment(),
        cwd: setup.cwd(),
        stdout: outputs.stdout.clone(),
        stderr: outputs.stderr.clone(),
        group: setup.group.as_ref().ok().map(|group| group.entrance()),
        data_limit: setup.group.is_err().then_some(setup.harness.target.memory_limit.0),
        scratch: setup.scratch.path().to_owned(),
    };
    let launched = Launched::suspended(request).map_err(|error| error.to_string());
    raise_file_limit();
    launched
}

/// Raises our soft limit of open files to the hard one: each worker is held open by several descriptors. This comes
/// after the launch, so that the target has the limit that it would have without us.
fn raise_file_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // What still can't be opened is told when it is met.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Waits until the target is ready. A look may hang, as in the resolution of a name: it is taken on a thread that is left
/// to itself when the run is to end.
pub fn wait(
    setup: &Setup,
    outputs: &Outputs,
    interrupt: &Interrupt,
    mut alive: impl FnMut() -> bool,
) -> Result<(), String> {
    let (config, files) = (setup.harness.target.ready.clone(), [outputs.stdout.clone(), outputs.stderr.clone()]);
    let (stop, wanted) = (interrupt.clone(), Arc::new(AtomicBool::new(true)));
    let still = Arc::clone(&wanted);
    let (done, result) = channel();
    std::thread::spawn(move || {
        let ready = Ready { config: &config, outputs: [&files[0], &files[1]], stop: stop.flag() };
        let _ = done.send(wait_until_ready(&ready, || still.load(Ordering::Relaxed)));
    });
    loop {
        let ended = match result.recv_timeout(LOOK) {
            Ok(ended) => ended,
            Err(_) if interrupt.flag().load(Ordering::Relaxed) => Err(ReadyError::Interrupted),
            Err(_) if !alive() => Err(ReadyError::Died),
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => {
                return Err("the thread that waits for it panicked; please report this".into());
            }
        };
        wanted.store(false, Ordering::Relaxed);
        return ended.map_err(|error| outputs.explain(&error.to_string()));
    }
}
