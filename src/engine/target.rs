//! A target that is launched, from its preparation to its end.

use super::end::Cut;
use super::interrupt::Interrupt;
use super::monitor::{Followed, Monitor};
use super::recorder::Recorder;
use super::setup::Setup;
use super::written;
use crate::config::TargetConfig;
use crate::model::{EventKind, ExitCause, format_seconds};
use crate::probe::raise_file_limit;
use crate::store::{Folder, WriteError};
use crate::supervise::{
    Guard, LaunchError, LaunchRequest, Launched, Ready, ReadyError, TargetEvent, tail, wait_until_ready,
};
use crate::thread;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

/// How long one command of the preparation may take.
const PREPARATION: Duration = Duration::from_secs(300);

/// How often it is looked whether the target still lives while it starts, and whether a command has to be ended.
const LOOK: Duration = Duration::from_millis(10);

/// How much of the target's last output an error shows.
const SHOWN: u64 = 2048;

/// File of what the commands beside the target print.
pub(super) const PREPARE: &str = "prepare.log";

/// What is said of a target that stops the process which keeps it.
const WOKEN: &str =
    "the process that keeps the target was stopped, by the target or somebody else, and was made to go on";

/// What to do about a target that ends in order.
const IN_ORDER: &str = "A target has to stay: a command that only has a service started, as `systemctl start` and `docker run -d`, isn't \
                        the service. Write the command that serves in the foreground (`-DFOREGROUND` of Apache, `daemon off;` of \
                        nginx, `--nodaemonize` of PHP-FPM), or watch what runs by `seepage attach`; give one that ends when \
                        its work is done more of it";

/// Files of what the target prints.
const STDOUT: &str = "target.stdout";
const STDERR: &str = "target.stderr";

/// What is launched: the target, or a service beside it.
#[derive(Debug, Clone)]
pub struct Part {
    /// The name of the service, and its place in the record; `None` for the target.
    pub service: Option<(String, usize)>,
    /// How it is launched, with its variables replaced.
    pub config: TargetConfig,
}

impl Part {
    /// The target of a run.
    pub fn target(setup: &Setup) -> Self {
        Part { service: None, config: setup.harness.target.clone() }
    }

    /// The place of its service in the record.
    pub fn place(&self) -> Option<usize> {
        self.service.as_ref().map(|(_, place)| *place)
    }

    /// What went wrong with it: of a service, which one that is.
    fn told(&self, what: &str) -> String {
        match &self.service {
            Some(_) => format!("{self} failed: {what}"),
            None => what.to_owned(),
        }
    }

    fn told_cut(&self, cut: Cut) -> Cut {
        Cut { reason: self.told(&cut.reason), ..cut }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Some((name, _)) => write!(f, "the service `{name}`"),
            None => f.write_str("the target"),
        }
    }
}

/// The files with the target's output.
pub struct Outputs {
    /// Standard output and standard error, to write and to read.
    files: [(File, File); 2],
    folder: Folder,
    /// The target's scratch directory, and when the run began.
    work: PathBuf,
    begun: SystemTime,
}

impl Outputs {
    /// Makes the files in `folder`; the target writes others into `work`.
    pub fn make(folder: &Folder, work: &Path) -> Result<Self, WriteError> {
        let file = |name| Ok((folder.create(name)?, folder.read(name)?));
        let files = [file(STDOUT)?, file(STDERR)?];
        Ok(Outputs { files, folder: folder.clone(), work: work.to_owned(), begun: SystemTime::now() })
    }

    /// Names of all files that take output, that of the commands beside the target too.
    pub fn names() -> Vec<&'static str> {
        vec![STDOUT, STDERR, PREPARE]
    }

    /// `reason`, with the last of the target's output below it, and of the files that it wrote.
    pub fn explain(&self, reason: &str) -> String {
        let [stdout, stderr] = self.read();
        let shown =
            [("standard output", stdout), ("standard error", stderr)].map(|(name, file)| last_output(name, file));
        format!("{reason}{}{}", shown.concat(), written::ends(&self.work, self.begun))
    }

    fn read(&self) -> [&File; 2] {
        [&self.files[0].1, &self.files[1].1]
    }
}

fn last_output(name: &str, file: &File) -> String {
    let shown = tail(file, SHOWN);
    if shown.trim().is_empty() { String::new() } else { format!("\nlast {name}:\n{}", shown.trim_end()) }
}

/// A command as a sentence has it: a script of many lines by its first.
pub(super) fn one_line(command: &[String]) -> String {
    const LONGEST: usize = 100;
    let whole = command.join(" ");
    let line = whole.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let shown: String = line.chars().take(LONGEST).collect();
    if shown == whole { shown } else { format!("{shown} ...") }
}

/// What the commands of a harness file run with, beside the target: its environment, its directory, one log. They are
/// below the run's guard.
#[derive(Debug, Clone)]
pub struct Preparation {
    pub(super) guard: Arc<Guard>,
    pub(super) environment: BTreeMap<String, String>,
    cwd: PathBuf,
    folder: Folder,
}

impl Preparation {
    /// Those of the target; the log is in `folder`.
    pub fn new(setup: &Setup, folder: &Folder) -> Self {
        Self::of(setup, &setup.harness.target, folder)
    }

    /// Those of a target, or of a service as one.
    pub fn of(setup: &Setup, target: &TargetConfig, folder: &Folder) -> Self {
        let (guard, folder) = (Arc::clone(&setup.guard), folder.clone());
        Preparation { guard, environment: setup.environment_of(target), cwd: setup.cwd_of(target), folder }
    }

    /// Runs a command to its end, which must be a success; `what` names it in errors. What it leaves in the background
    /// lives until what is returned is dropped.
    pub fn run(
        &self,
        what: &str,
        command: &[String],
        limit: Duration,
        stop: &AtomicBool,
    ) -> Result<Option<Launched>, Cut> {
        if command.is_empty() {
            return Ok(None);
        }
        let named = format!("{what} `{}`", one_line(command));
        let log = self.folder.append(PREPARE).map_err(|e| Cut::recording(format!("{named} has no log: {e}")))?;
        let failed = |how: String| {
            let shown = self.folder.read(PREPARE).map(|log| last_output("output", &log));
            format!("{named} {how}{}", shown.unwrap_or_default())
        };
        let mut launched = self
            .launch(command, &log)
            .map_err(|error| Cut::launch(&error, failed(format!("could not be started: {error}"))))?;
        let begun = Instant::now();
        loop {
            match launched.end(LOOK) {
                Ok(Some(ExitCause::Code(0))) => return Ok(Some(launched)),
                Ok(Some(cause)) => {
                    let took = format_seconds(begun.elapsed().as_secs_f64());
                    return Err(Cut::target(failed(format!("failed with {cause} after {took}"))));
                }
                Ok(None) if stop.load(Ordering::Relaxed) => {
                    return Err(Cut::target(format!("interrupted during {what}")));
                }
                Ok(None) if begun.elapsed() > limit => {
                    return Err(Cut::target(failed(format!("took longer than {limit:?}"))));
                }
                Ok(None) => {}
                Err(error) => return Err(Cut::target(failed(format!("could not be waited for: {error}")))),
            }
        }
    }

    /// What is to be launched for a command.
    pub(super) fn request(&self, command: &[String]) -> LaunchRequest {
        LaunchRequest {
            command: command.to_vec(),
            env: self.environment.clone(),
            cwd: self.cwd.clone(),
            group: None,
            data_limit: None,
        }
    }

    /// Starts a command.
    pub fn launch(&self, command: &[String], output: &File) -> Result<Launched, LaunchError> {
        Launched::start(&self.guard, self.request(command), [output.as_fd(); 2])
    }
}

/// Runs the commands that come before the launch of `part`. What they leave in the background, such as a server that the target
/// needs, lives until what is returned is dropped.
///
/// # Errors
/// If one of them fails, or can't be run.
pub fn prepare(setup: &Setup, part: &Part, folder: &Folder, stop: &AtomicBool) -> Result<Vec<Launched>, Cut> {
    let preparation = Preparation::of(setup, &part.config, folder);
    let begun = SystemTime::now();
    let commands = part.config.prepare.iter();
    let ran = commands.map(|command| preparation.run("the preparation", command, PREPARATION, stop));
    let ran: Result<Vec<_>, Cut> = ran.collect();
    let explained = |cut: Cut| {
        let ends = if cut.is_failure() { written::ends(setup.scratch.work(), begun) } else { String::new() };
        Cut { reason: cut.reason + &ends, ..cut }
    };
    Ok(ran.map_err(explained).map_err(|cut| part.told_cut(cut))?.into_iter().flatten().collect())
}

/// The target, or a service beside it, once it is launched.
pub struct LaunchedTarget {
    part: Part,
    launched: Launched,
    outputs: Outputs,
    /// When it was launched.
    since: Instant,
}

impl LaunchedTarget {
    /// Launches `part`, held before its `exec`.
    ///
    /// # Errors
    /// If it can't be launched.
    pub fn suspended(setup: &Setup, part: Part, outputs: Outputs) -> Result<Self, Cut> {
        let request = LaunchRequest {
            command: part.config.command.clone(),
            env: setup.launch_environment(&part.config),
            cwd: setup.cwd_of(&part.config),
            group: setup.group.as_ref().ok().map(|group| group.entrance()),
            data_limit: setup.group.is_err().then_some(part.config.memory_limit.0),
        };
        let [stdout, stderr] = &outputs.files;
        let launched = Launched::suspended(&setup.guard, request, [stdout.0.as_fd(), stderr.0.as_fd()]);
        // Each worker is held open by several descriptors.
        raise_file_limit();
        let launched = launched.map_err(|error| Cut::launch(&error, part.told(&error.to_string())))?;
        Ok(LaunchedTarget { part, launched, outputs, since: Instant::now() })
    }

    /// What was launched.
    pub fn launched(&self) -> &Launched {
        &self.launched
    }

    /// Who it is.
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// Lets it begin.
    ///
    /// # Errors
    /// If its program can't be executed.
    pub fn resume(&mut self) -> Result<(), Cut> {
        self.launched.resume().map_err(|error| Cut::target(self.explain(&self.part.told(&error.to_string()))))
    }

    /// Waits until it is ready; `beside` looks whether what runs already is well.
    ///
    /// # Errors
    /// If it ends or isn't ready in time, or the run has to end.
    pub fn wait_until_ready(
        &mut self,
        setup: &Setup,
        monitor: &mut Monitor<'_>,
        mut beside: impl FnMut(&mut Recorder) -> Result<(), Cut>,
    ) -> Result<(), Cut> {
        let (mut died, mut failed) = (None, None);
        let below = self.launched.keeper();
        let waited = wait(setup, &self.part.config, &self.outputs, below, &monitor.interrupt, || {
            monitor.recorder.take(Duration::ZERO);
            failed = beside(&mut monitor.recorder).err();
            died = check(&self.part, &mut self.launched, self.since, &mut monitor.recorder).err();
            failed.is_none() && died.is_none()
        });
        waited.map_err(|cut| match (failed, &died) {
            (Some(failed), _) => failed,
            (None, Some(cause)) => Cut::target(self.explain(cause)),
            (None, None) => monitor.cut(self.part.told_cut(cut)),
        })
    }

    /// Takes in what happened to it; why it is no more, in its own words, if it isn't.
    pub fn look(&mut self, recorder: &mut Recorder) -> Result<(), String> {
        check(&self.part, &mut self.launched, self.since, recorder).map_err(|reason| self.explain(&reason))
    }

    /// Stops it in the way that the harness file says; returns what the user should know of that.
    pub fn stop(&mut self, interrupt: &Interrupt) -> Vec<String> {
        let stop = &self.part.config.stop;
        // The signal's name was checked with the harness file.
        let signal = Signal::from_str(&format!("SIG{}", stop.signal)).unwrap_or(Signal::SIGTERM);
        let begun = Instant::now();
        self.launched.stop(signal as i32, || interrupt.allows_stop(begun, stop.grace.0));
        let waited = begun.elapsed();
        let killed = self.launched.kill(interrupt.ending());
        let grace = stop.grace.0.min(waited);
        let within = if grace < stop.grace.0 { format_seconds(grace.as_secs_f64()) } else { stop.grace.to_string() };
        let killed = (killed.count > 0).then(|| format!("{killed} did not end within {within} of {signal}: killed"));
        killed.into_iter().chain(self.launched.was_woken().then(|| WOKEN.into())).collect()
    }

    fn explain(&self, reason: &str) -> String {
        self.outputs.explain(reason)
    }
}

impl Followed for LaunchedTarget {
    fn check(&mut self, recorder: &mut Recorder, _alive: usize) -> Result<(), Cut> {
        self.look(recorder).map_err(Cut::target)
    }
}

/// Takes in what happened to a part, which was launched then; an error if it is no more.
fn check(part: &Part, launched: &mut Launched, since: Instant, recorder: &mut Recorder) -> Result<(), String> {
    if launched.was_woken() {
        recorder.note_once(WOKEN);
    }
    while let Some(event) = launched.poll() {
        match event {
            TargetEvent::GuardLost => return Err(format!("the guard process was killed, and with it {part}")),
            TargetEvent::Exited(pid, cause) => {
                let first = pid == launched.first();
                let lives = launched.is_alive();
                if first && lives && cause == ExitCause::Code(0) {
                    let text = "the launched process went into the background; what it left running is followed".into();
                    recorder.event_of(part.place(), EventKind::Note { text });
                } else if first || !lives {
                    recorder.event_of(part.place(), EventKind::TargetDied { cause: Some(cause) });
                    let lived = format_seconds(since.elapsed().as_secs_f64());
                    let how = format!("{part} ended by itself, with {cause}, {lived} after its launch");
                    return Err(if cause == ExitCause::Code(0) { format!("{how}\n{IN_ORDER}") } else { how });
                }
            }
        }
    }
    Ok(())
}

/// Waits until the target is ready. A look may hang, as in the resolution of a name: it is taken on a thread that is left
/// to itself when the run is to end.
fn wait(
    setup: &Setup,
    part: &TargetConfig,
    outputs: &Outputs,
    below: u32,
    interrupt: &Interrupt,
    mut alive: impl FnMut() -> bool,
) -> Result<(), Cut> {
    let config = part.ready.clone();
    let look = Preparation { cwd: PathBuf::from("."), ..Preparation::of(setup, part, &outputs.folder) };
    let files = outputs.read().map(File::try_clone);
    let [Ok(stdout), Ok(stderr)] = files else {
        return Err(Cut::recording("the target's output can't be read"));
    };
    let (stop, wanted) = (interrupt.clone(), Arc::new(AtomicBool::new(true)));
    let still = Arc::clone(&wanted);
    let (done, result) = channel();
    let started = thread::start("readiness", move || {
        let command = |command: &[String]| look.launch(command, &File::options().write(true).open("/dev/null")?);
        let outputs = [&stdout, &stderr];
        let ready = Ready { config: &config, outputs, below: Some(below), command: &command, stop: stop.flag() };
        let _ = done.send(wait_until_ready(&ready, || still.load(Ordering::Relaxed)));
    });
    started.map_err(|error| Cut::recording(error.to_string()))?;
    loop {
        let ended = match result.recv_timeout(LOOK) {
            Ok(ended) => ended,
            Err(_) if interrupt.flag().load(Ordering::Relaxed) => Err(ReadyError::Interrupted),
            Err(_) if !alive() => Err(ReadyError::Died),
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Cut::recording("the thread that waits for it panicked; please report this"));
            }
        };
        wanted.store(false, Ordering::Relaxed);
        return ended.map_err(|error| match error {
            ReadyError::Misplaced(told) => Cut::setup(outputs.explain(&told)),
            error => Cut::target(outputs.explain(&error.to_string())),
        });
    }
}
