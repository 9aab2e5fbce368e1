//! One run from its first process to its last.

use super::collect::Collection;
use super::cut::Cut;
use super::driving::Driving;
use super::heap::{HeapLooks, HeapSampling};
use super::interrupt::{Interrupt, Interruption};
use super::outputs::OutputKeeper;
use super::recorder::Recorder;
use super::sampler::{Driven, Plan, Sampler, driver_counting};
use super::setup::Setup;
use super::soaking::Soaking;
use super::target::{self, Outputs};
use crate::config::{ConfigError, Harness, PhaseConfig};
use crate::model::{EventKind, ExitCause, PhaseKind, RunRecord, format_seconds};
use crate::probe::{Counter, WorkerProbe};
use crate::store::{Entry, Folder, RunDirectory, WriteError};
use crate::supervise::{AttachError, Launched, Roster, Scope, TargetEvent};
use crate::workload::{Counters, PhaseEnd};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How often the recorder looks at signals and at the target.
const LOOK: Duration = Duration::from_millis(50);

/// What is to be run.
pub struct RunRequest<'a> {
    /// The harness file, checked.
    pub harness: &'a Harness,
    /// Where the file is.
    pub harness_dir: &'a Path,
    /// Where run directories go.
    pub reports: &'a Path,
    /// The name of the run's directory; by default it is made of the time and the harness file's name.
    pub label: Option<&'a str>,
    /// How far the soak may go on beyond its planned end, if it may.
    pub extend: Option<Extend<'a>>,
    /// What ends the run before its time.
    pub interrupt: Interrupt,
}

/// A soak that goes on beyond its planned end while nothing is proven.
#[derive(Clone, Copy)]
pub struct Extend<'a> {
    /// The most that the soak may last, as a multiple of its planned length; above 1.
    pub factor: f64,
    /// Whether the answer is still open.
    pub is_open: &'a dyn Fn(&RunRecord) -> bool,
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

/// A look at a run while it goes on.
pub struct Progress<'a> {
    /// What is known so far.
    pub record: &'a RunRecord,
    /// Seconds since the start of the run.
    pub elapsed: f64,
    /// The phase that goes on, its place from 0, and how many there are; `None` before the first.
    pub phase: Option<(&'a PhaseConfig, usize, usize)>,
    /// Seconds since the phase began.
    pub phase_elapsed: f64,
    /// Workers alive.
    pub alive: usize,
    /// Requests since the start of the run, if anything counts them.
    pub requests: Option<u64>,
    /// Of those, the ones in the phase.
    pub phase_requests: u64,
    /// Requests that failed since the start of the run.
    pub failures: u64,
}

/// Called some twenty times a second while a run goes on.
pub type Watch<'a> = dyn FnMut(&Progress<'_>) + 'a;

/// A look at the record of a soak that goes on, at this share of its plan, or after so many seconds if it has no plan.
pub type Look<'a> = dyn FnMut(&RunRecord, f64) -> Option<Looked> + 'a;

/// What a look found.
pub struct Looked {
    /// The error probability of this look.
    pub alpha: f64,
    /// In a few words.
    pub found: String,
    /// Whether the soak may end now.
    pub proven: bool,
}

/// Runs a harness file to its end: launch, drive, sample, stop. Whatever happens after the run directory was made, what
/// was recorded is returned, with the reason if the run was cut short. `look` is asked time and again while a soak phase
/// goes on, whether the soak may end; never where its length as a whole can't be told.
///
/// # Errors
/// If the run can't even begin; nothing was launched then.
pub fn run(request: &RunRequest<'_>, watch: &mut Watch<'_>, look: &mut Look<'_>) -> Result<Finished, RunError> {
    let origin = Instant::now();
    let (setup, mut meta) = Setup::new(request.harness, request.harness_dir)?;
    let (sink, entries) = channel();
    let (seconds, loads) = channel();
    let counters = Arc::new(Counters::new(&setup.harness.workload));
    let alive = Arc::new(AtomicUsize::new(0));
    let workload = &setup.harness.workload;
    let parts = setup.harness.settle.pauses;
    let driving =
        Driving::start(&setup.guard, workload, parts, origin, Arc::clone(&counters), seconds, Arc::clone(&alive))
            .map_err(|e| RunError::Workload(e.to_string()))?;
    let counter = Counter::new(&setup.harness.requests).map_err(|e| RunError::Workload(format!("requests: {e}")))?;
    meta.counting = counter.as_ref().map_or_else(driver_counting, Counter::counting);
    // The last thing that may fail: what can't even begin leaves no directory.
    let directory = RunDirectory::create(request.reports, request.label.unwrap_or(&meta.id))?;
    request.interrupt.recording(directory.path(), setup.harness.target.stop.grace.0);
    let outputs = Outputs::make(directory.folder(), setup.scratch.work())?;
    let folder = directory.folder().clone();
    let mut conductor = Conductor {
        keeper: OutputKeeper::start(&folder, Outputs::names()),
        recorder: Recorder::new(meta, directory, origin, entries, loads),
        prepared: Vec::new(),
        setup,
        folder,
        outputs,
        origin,
        interrupt: request.interrupt.clone(),
        counters,
        alive,
        stopping: Arc::new(AtomicBool::new(false)),
    };
    let end = conductor.conduct(&driving, counter, sink, watch, look, request.extend);
    Ok(conductor.finish(end, driving))
}

/// Holds a run together.
struct Conductor {
    /// What the preparation left in the background.
    prepared: Vec<Launched>,
    setup: Setup,
    recorder: Recorder,
    folder: Folder,
    outputs: Outputs,
    keeper: OutputKeeper,
    origin: Instant,
    interrupt: Interrupt,
    counters: Arc<Counters>,
    alive: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
}

impl Conductor {
    fn conduct(
        &mut self,
        driving: &Driving,
        counter: Option<Counter>,
        sink: Sender<Entry>,
        watch: &mut Watch<'_>,
        look: &mut Look<'_>,
        extend: Option<Extend<'_>>,
    ) -> Result<(), Cut> {
        self.recorder.write_head();
        if let Err(reason) = &self.setup.group {
            let text = format!("each process is limited by rlimit, not all together: no control group ({reason})");
            self.recorder.event(EventKind::Note { text });
        }
        self.prepared =
            target::prepare(&self.setup, &self.folder, self.interrupt.flag()).map_err(|reason| self.cut(reason))?;
        let mut launched = target::launch(&self.setup, &self.outputs).map_err(Cut::target)?;
        let roster = Roster::new(Scope::LaunchedBy(launched.keeper()), &self.setup.harness.target.workers)
            .map_err(|error| Cut::target(format!("target.workers: {error}")))?;
        self.recorder.record.meta.target.root = WorkerProbe::open(launched.first()).ok().map(|probe| probe.id());
        launched.resume().map_err(|error| Cut::target(self.outputs.explain(&error.to_string())))?;
        let library = self.setup.library.clone();
        let heap = library.map(|library| {
            let looks = HeapLooks::start(&library, self.origin, sink.clone(), self.interrupt.clone());
            HeapSampling::new(library, looks)
        });
        let driven = Arc::clone(&self.counters);
        let sampler = Sampler::start(
            Plan {
                roster,
                counter,
                group: self.setup.group.clone().ok(),
                config: self.setup.harness.sample.clone(),
                heap,
                origin: self.origin,
                alive: Arc::clone(&self.alive),
                driven: Some(Box::new(move || Driven {
                    by_step: driven.sent_by_step(),
                    failed: driven.totals().failed,
                })),
                stopping: Arc::clone(&self.stopping),
            },
            sink,
        );
        let driven = self.drive(driving, &mut launched, &sampler, watch, look, extend);
        let followed = self.stop(launched, sampler);
        driven.and(followed)
    }

    /// Waits until the target is ready, and goes through the phases.
    fn drive(
        &mut self,
        driving: &Driving,
        launched: &mut Launched,
        sampler: &Sampler,
        watch: &mut Watch<'_>,
        look: &mut Look<'_>,
        extend: Option<Extend<'_>>,
    ) -> Result<(), Cut> {
        let mut died = None;
        let waited = target::wait(&self.setup, &self.outputs, &self.interrupt, || {
            died = check_target(launched, &mut self.recorder).err();
            died.is_none()
        });
        waited.map_err(|reason| match &died {
            Some(cause) => Cut::target(self.outputs.explain(cause)),
            None => self.cut(reason),
        })?;
        let mut soaking = Soaking::new(&self.setup.harness);
        while let Some(phase) = soaking.phase().cloned() {
            let (index, count) = soaking.place();
            self.recorder.event(EventKind::Phase { phase: phase.kind, index });
            if phase.kind == PhaseKind::Settle {
                self.collect(driving, launched)?;
            }
            let (begun, sent_before) = (Instant::now(), self.counters.totals().sent);
            let mut cut = None;
            driving.begin(&phase);
            let end = loop {
                if let Some(end) = driving.end() {
                    break end;
                }
                self.recorder.take(LOOK);
                if cut.is_none() {
                    cut = self.reason_to_halt(launched);
                    if cut.is_some() {
                        driving.halt();
                    }
                }
                let totals = self.counters.totals();
                let sent = totals.sent.saturating_sub(sent_before);
                let done = soaking.share(begun.elapsed(), sent, self.alive()).filter(|_| cut.is_none());
                if done.is_some_and(|done| self.is_proven(done, look)) {
                    soaking.end();
                    driving.halt();
                }
                let (elapsed, alive) = (self.origin.elapsed().as_secs_f64(), self.alive());
                self.recorder.live(|record| {
                    watch(&Progress {
                        record,
                        elapsed,
                        phase: Some((&phase, index, count)),
                        phase_elapsed: begun.elapsed().as_secs_f64(),
                        alive,
                        requests: Some(totals.sent),
                        phase_requests: sent,
                        failures: totals.failed,
                    });
                });
            };
            match (cut, end) {
                (Some(cut), _) => return Err(cut),
                (None, PhaseEnd::Failed(reason)) => return Err(Cut::workload(reason)),
                (None, PhaseEnd::Complete | PhaseEnd::Stopped) => {}
            }
            if phase.kind == PhaseKind::Settle {
                // What is at rest is what may be judged: no pause is too short to have a reading of it.
                sampler.read();
            }
            soaking.next();
            if let Some(Extend { factor, is_open }) = extend.filter(|_| soaking.is_over()) {
                self.recorder.take(Duration::ZERO);
                if self.recorder.live(is_open) {
                    let text = format!(
                        "nothing was proven at the planned end: the soak went on, to {factor} times its length at most"
                    );
                    self.recorder.event(EventKind::Note { text });
                    soaking.extend(self.setup.harness.extension(factor));
                }
            }
        }
        // A target that broke down under the last requests must not count as having come through.
        self.reason_to_halt(launched).map_or(Ok(()), Err)
    }

    fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    /// Lets it be looked whether the answer is proven.
    fn is_proven(&mut self, share: f64, look: &mut Look<'_>) -> bool {
        let looked = self.recorder.live(|record| look(record, share));
        let Some(Looked { alpha, found, proven }) = looked else { return false };
        self.recorder.event(EventKind::Look { share: Some(share), alpha, found, proven });
        proven
    }

    /// Makes the target collect its garbage, if the harness file says how. Later failures are told, and that pause doesn't
    /// count; if the first fails, so would all.
    fn collect(&mut self, driving: &Driving, launched: &mut Launched) -> Result<(), Cut> {
        if self.setup.harness.settle.collect.is_none() {
            return Ok(());
        }
        driving.disconnect();
        let (record, interrupt) = (&self.recorder.record, self.interrupt.clone());
        let Some(collection) = Collection::begin(&self.setup, &self.folder, record, interrupt) else {
            return Ok(());
        };
        while !collection.is_over() {
            self.recorder.take(LOOK);
            if let Some(cut) = self.reason_to_halt(launched) {
                return Err(cut);
            }
        }
        let reason = match collection.end() {
            Ok(()) => {
                self.recorder.event(EventKind::Collected);
                return Ok(());
            }
            Err(error) => format!("the target could not be made to collect its garbage: {error}"),
        };
        if self.recorder.record.events.iter().any(|event| event.kind == EventKind::Collected) {
            self.recorder.event(EventKind::Note { text: reason });
            return Ok(());
        }
        Err(self.interrupt.cause().map_or_else(|| Cut::workload(reason), Cut::interrupted))
    }

    /// Whether the run has to end now.
    fn reason_to_halt(&mut self, launched: &mut Launched) -> Option<Cut> {
        if let Some(by) = self.interrupt.cause() {
            return Some(Cut::interrupted(by));
        }
        if let Err(reason) = check_target(launched, &mut self.recorder) {
            return Some(Cut::target(self.outputs.explain(&reason)));
        }
        let error = self.recorder.failure()?;
        Some(Cut::recording(error.to_string()))
    }

    /// A failure of the target, unless it was interrupted.
    fn cut(&self, reason: String) -> Cut {
        self.interrupt.cause().map_or_else(|| Cut::target(reason), Cut::interrupted)
    }

    /// Stops the target and the sampler; an error if not all workers could be followed.
    fn stop(&mut self, mut launched: Launched, sampler: Sampler) -> Result<(), Cut> {
        self.recorder.event(EventKind::Stopping);
        self.stopping.store(true, Ordering::Relaxed);
        let stop = &self.setup.harness.target.stop;
        // The signal's name was checked with the harness file.
        let signal = Signal::from_str(&format!("SIG{}", stop.signal)).unwrap_or(Signal::SIGTERM);
        let begun = Instant::now();
        let killed = launched.stop(signal as i32, || self.interrupt.allows_stop(begun, stop.grace.0));
        if killed.count > 0 {
            let grace = stop.grace.0.min(begun.elapsed());
            let within =
                if grace < stop.grace.0 { format_seconds(grace.as_secs_f64()) } else { stop.grace.to_string() };
            let text = format!("{killed} did not end within {within} of {signal}: killed");
            self.recorder.event(EventKind::Note { text });
        }
        self.recorder.end_sampling(sampler.finish())
    }

    fn finish(mut self, end: Result<(), Cut>, driving: Driving) -> Finished {
        let totals = driving.finish();
        if !totals.histograms.is_empty() {
            self.recorder.write_latency(totals.summary.seconds, &totals.histograms);
        }
        if let Some(text) = totals.last_failure {
            self.recorder.event(EventKind::Note { text: format!("the last request that failed: {text}") });
        }
        if !totals.stalled.is_zero() {
            let text = format!(
                "the harness itself did not run for {}: stopped by a signal, or without a CPU; no request was due \
                 then, and latencies across it are left out",
                format_seconds(totals.stalled.as_secs_f64())
            );
            self.recorder.event(EventKind::Note { text });
        }
        for text in self.keeper.finish() {
            self.recorder.event(EventKind::Note { text });
        }
        let reconnects = self.counters.reconnects();
        if reconnects > 0 {
            let text = format!("the server closed {reconnects} kept connections; their requests were sent again");
            self.recorder.event(EventKind::Note { text });
        }
        self.recorder.record.meta.workload = Some(totals.summary);
        self.recorder.finish(end)
    }
}

/// Takes in what happened to the target; an error if it is no more.
fn check_target(launched: &mut Launched, recorder: &mut Recorder) -> Result<(), String> {
    while let Some(event) = launched.poll() {
        match event {
            TargetEvent::GuardLost => return Err("the guard process was killed, and with it the target".into()),
            TargetEvent::Exited(pid, cause) => {
                let first = pid == launched.first();
                let lives = launched.is_alive();
                if first && lives && cause == ExitCause::Code(0) {
                    let text = "the launched process went into the background; what it left running is followed".into();
                    recorder.event(EventKind::Note { text });
                } else if first || !lives {
                    recorder.event(EventKind::TargetDied { cause: Some(cause) });
                    return Err(format!("the target ended by itself, with {cause}"));
                }
            }
        }
    }
    Ok(())
}
