//! One run of a harness file, from its first process to its last.

use super::collect::{Collection, alive};
use super::driving::{Bounds, DrivenPhase, Driving};
use super::end::{Cut, Finished, RunError};
use super::first_look::{FirstLook, Seen};
use super::heap::Tracing;
use super::interrupt::Interrupt;
use super::lasting::{Hourly, hourly};
use super::metrics::{Looks, Plan};
use super::monitor::{Followed, LookAt, Monitor, ShowProgress};
use super::outputs::OutputKeeper;
use super::pulse::Pulse;
use super::recorder::Recorder;
use super::sampler::{Sampled, Sampler};
use super::services::{self, Services, Stack};
use super::setup::Setup;
use super::soaking::Soaking;
use super::target::{self, LaunchedTarget, Outputs, Part, Preparation};
use super::written;
use crate::config::{Harness, Life, PhaseConfig, RequestsConfig, Workers, metric_sources};
use crate::model::{EventKind, Failure, PhaseKind, Resource, RunRecord};
use crate::probe::{Counter, Listening, WorkerProbe, parse_status};
use crate::store::{Entry, Folder, RunDirectory};
use crate::supervise::{Launched, Roster, Scope};
use regex::RegexSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant, SystemTime};

/// How long a choice of the workers is waited for where a life hangs on it: longer than it takes.
const CHOICE: Duration = Duration::from_secs(15);

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
    /// Whether the files that the target writes are kept although nothing failed.
    pub keep: bool,
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

/// Runs a harness file to its end: launch, drive, sample, stop. Whatever happens after the run directory was made, what
/// was recorded is returned, with the reason if the run was cut short. `look` is asked time and again while a soak phase
/// goes on, whether the soak may end; never where its length as a whole can't be told.
///
/// # Errors
/// If the run can't even begin; nothing was launched then.
pub fn run(
    request: &RunRequest<'_>,
    watch: &mut ShowProgress<'_>,
    look: &mut LookAt<'_>,
) -> Result<Finished, RunError> {
    let pulse = Pulse::begin();
    let (setup, mut meta) = Setup::new(request.harness, request.harness_dir)?;
    let (sink, entries) = channel();
    let (seconds, loads) = channel();
    let driving = Driving::start(&setup, &pulse, seconds)?;
    let counter = Counter::new(&setup.harness.requests)?;
    if let Some(counter) = &counter {
        meta.counting = counter.counting();
    }
    let planned = services::plan(&setup, &meta)?;
    // The last thing that may fail: what can't even begin leaves no directory.
    let directory = RunDirectory::create(request.reports, request.label.unwrap_or(&meta.id))?;
    let interrupt = request.interrupt.clone();
    let services = setup.harness.services.values().map(|service| service.stop.grace.0);
    let grace = services.sum::<Duration>() + setup.harness.target.stop.grace.0;
    interrupt.recording(directory.path(), Some(setup.guard.leash()), grace);
    let outputs = Outputs::make(directory.folder(), setup.scratch.work())?;
    let folder = directory.folder().clone();
    let mut recorder = Recorder::new(meta, directory, pulse.clone(), entries, loads);
    let services = Services::place(planned, &setup, &mut recorder, &pulse)?;
    let conductor = Conductor {
        prepared: Vec::new(),
        keepers: Vec::new(),
        monitor: Monitor { recorder, pulse, interrupt, watch, look },
        lives: setup.harness.lives(),
        soak_begun: None,
        keep: request.keep,
        begun: SystemTime::now(),
        setup,
        folder,
        driving,
        looks: Looks::default(),
        extend: request.extend,
    };
    Ok(conductor.conduct(services, outputs, counter, sink))
}

/// How many workers live, if each of them has one thread; else none.
fn single_threaded(record: &RunRecord) -> usize {
    let workers = alive(record);
    let threads = |worker| record.samples.iter().rev().find(|sample| sample.worker == worker)?.threads;
    if workers.iter().all(|worker| threads(*worker) == Some(1)) { workers.len() } else { 0 }
}

/// How many processes below the launched one accept connections, if each of them has one thread; else none. As long as it isn't
/// known who the workers are, they are taken for them.
fn serving_children(target: &LaunchedTarget) -> usize {
    let mut listening = Listening::default();
    let below = target.launched().kindred().into_iter().filter(|process| process.depth > 0).map(|process| process.pid);
    let serving: Vec<u32> = below.filter(|pid| listening.of(*pid).is_some_and(|serves| serves.listens)).collect();
    let has_one_thread = |pid: &u32| {
        let status = std::fs::read(format!("/proc/{pid}/status"));
        status.is_ok_and(|status| parse_status(&status).threads == Some(1))
    };
    if serving.iter().all(has_one_thread) { serving.len() } else { 0 }
}

/// A target that is driven: watched over, and looked at while the first load goes on.
struct Watched<'a, 'b> {
    stack: &'a mut Stack<'b>,
    harness: &'a Harness,
    sampler: &'a Sampler,
    first_look: &'a mut FirstLook,
}

impl Followed for Watched<'_, '_> {
    fn check(&mut self, recorder: &mut Recorder, alive: usize) -> Result<(), Cut> {
        self.stack.check(recorder, alive)?;
        let looked = self.first_look.look(&seen(self.harness, recorder, self.stack), self.sampler);
        // What fails for a service that has ended isn't the cause.
        looked.map_err(|cut| self.falling(recorder).unwrap_or(cut))
    }

    fn knows_workers(&self) -> bool {
        self.stack.knows_workers()
    }

    fn falling(&self, recorder: &Recorder) -> Option<Cut> {
        self.stack.falling(recorder)
    }
}

/// What the first look is at.
fn seen<'a>(harness: &'a Harness, recorder: &'a Recorder, stack: &'a Stack<'_>) -> Seen<'a> {
    let services = stack.services.launched().collect();
    Seen { harness, record: &recorder.record, launched: stack.target.launched(), services }
}

/// Holds a run together.
struct Conductor<'a> {
    /// What the preparation left in the background.
    prepared: Vec<Launched>,
    setup: Setup,
    monitor: Monitor<'a>,
    folder: Folder,
    /// Who keeps the output small, of the target and of each service.
    keepers: Vec<OutputKeeper>,
    driving: Driving,
    /// Looks at series of the user's own.
    looks: Looks,
    extend: Option<Extend<'a>>,
    /// What has to last, until it is known what that allows.
    lives: Vec<(Resource, Life)>,
    /// When the first soak began, in seconds since the start of the run, if a life hangs on that.
    soak_begun: Option<f64>,
    /// Whether the files that the target writes are kept although nothing failed.
    keep: bool,
    begun: SystemTime,
}

impl Conductor<'_> {
    fn conduct(
        mut self,
        mut services: Services,
        outputs: Outputs,
        counter: Option<Counter>,
        sink: Sender<Entry>,
    ) -> Finished {
        self.monitor.recorder.write_head();
        let driven = Arc::clone(self.driving.counters());
        let ready =
            self.keep_outputs_small(&services).and_then(|()| services.launch(&self.setup, &mut self.monitor, &driven));
        let launched = ready.and_then(|()| self.launch(outputs));
        let end = launched.and_then(|(mut target, roster)| {
            let sampler = self.sample(roster, counter, sink.clone())?;
            let driven = self.drive(&mut Stack { target: &mut target, services: &mut services }, &sampler, sink);
            services.begin_to_stop();
            self.looks = Looks::default();
            let followed = self.stop(&mut target, sampler);
            driven.and(followed)
        });
        let stopped = services.stop(&mut self.monitor);
        self.finish(end.and(stopped))
    }

    fn keep_outputs_small(&mut self, services: &Services) -> Result<(), Cut> {
        for folder in [self.folder.clone()].into_iter().chain(services.folders()) {
            let started = OutputKeeper::start(&folder, Outputs::names());
            self.keepers.push(started.map_err(|error| Cut::recording(error.to_string()))?);
        }
        Ok(())
    }

    /// Prepares and launches the target; returns it with the roster of its workers.
    fn launch(&mut self, outputs: Outputs) -> Result<(LaunchedTarget, Roster), Cut> {
        let Conductor { setup, monitor, .. } = self;
        setup.stays.iter().for_each(|text| monitor.note(format!("of an earlier run {text}")));
        if let Err(reason) = &setup.group {
            monitor.note(format!("each process is limited by rlimit, not all together: no control group ({reason})"));
        }
        let part = Part::target(setup);
        self.prepared =
            target::prepare(setup, &part, &self.folder, monitor.interrupt.flag()).map_err(|cut| monitor.cut(cut))?;
        let mut target = LaunchedTarget::suspended(setup, part, outputs)?;
        let roster = Roster::new(Scope::LaunchedBy(target.launched().keeper()), &setup.harness.target.workers)
            .map_err(|error| Cut::target(format!("target.workers: {error}")))?;
        let root = WorkerProbe::open(target.launched().first()).ok();
        monitor.recorder.record.meta.target.root = root.map(|probe| probe.id());
        target.resume()?;
        Ok((target, roster))
    }

    /// Begins to sample.
    fn sample(&self, roster: Roster, counter: Option<Counter>, sink: Sender<Entry>) -> Result<Sampler, Cut> {
        let Monitor { pulse, interrupt, .. } = &self.monitor;
        let plan = Sampled {
            roster,
            counter,
            leave_out: RegexSet::new(&self.setup.harness.target.leave_out)
                .map_err(|error| Cut::target(format!("target.leave-out: {error}")))?,
            group: self.setup.group.clone().ok(),
            config: services::shared(&self.setup.harness.sample, self.setup.harness.services.len() + 1),
            heap: Tracing::by_library(&self.setup, pulse, &sink, interrupt)?,
            works: false,
            is_of_run: true,
            driven: self.setup.harness.workload.as_ref().map(|_| Arc::clone(self.driving.counters())),
            pulse: pulse.clone(),
        };
        Sampler::start(plan, sink)
    }

    /// Waits until the target is ready, and goes through the phases.
    fn drive(&mut self, stack: &mut Stack<'_>, sampler: &Sampler, sink: Sender<Entry>) -> Result<(), Cut> {
        let counted = self.setup.harness.requests != RequestsConfig::default();
        let Stack { target, services } = stack;
        target.wait_until_ready(&self.setup, &mut self.monitor, |recorder| services.are_well(recorder))?;
        self.looks = Looks::begin(Plan {
            sources: metric_sources(&self.setup.harness.metrics),
            preparation: Preparation::new(&self.setup, &self.folder),
            first: target.launched().first(),
            sink,
            pulse: self.monitor.pulse.clone(),
            driven: self.setup.harness.workload.as_ref().map(|_| (Arc::clone(self.driving.counters()), !counted)),
            interrupt: &self.monitor.interrupt,
        })
        .map_err(|cut| self.monitor.cut(cut))?;
        sampler.choose_workers();
        services.choose_workers();
        let mut soaking = Soaking::new(&self.setup.harness);
        let mut first_look = FirstLook::default();
        while let Some(mut phase) = soaking.phase().cloned() {
            let (index, _) = soaking.place();
            if phase.kind == PhaseKind::Soak {
                self.allow_lives(stack, sampler, false)?;
            }
            self.monitor.recorder.event(EventKind::Phase { phase: phase.kind, index });
            let settles = phase.kind == PhaseKind::Settle;
            if settles {
                self.collect(stack)?;
            }
            phase.concurrency = phase.concurrency.or_else(|| self.in_flight(&phase, stack.target));
            let harness = &self.setup.harness;
            let bounds = Bounds {
                most_failed: harness.error_rate().filter(|_| harness.gates.abort_on_fail),
                longest: self.extend.map_or(1.0, |extend| extend.factor),
                pulse: self.monitor.pulse.clone(),
            };
            let mut driven = DrivenPhase::begin(&self.driving, &mut soaking, &phase, bounds);
            let mut watched = Watched { stack, harness, sampler, first_look: &mut first_look };
            if !settles {
                watched.first_look.begin();
            }
            let followed = self.monitor.follow(&mut driven, &mut watched);
            if followed.as_ref().err().is_none_or(|cut| cut.failure == Some(Failure::Workload)) {
                // What the load was not answered for comes before what came of it.
                self.monitor.recorder.take(Duration::ZERO);
                let looked = first_look.look_now(&seen(harness, &self.monitor.recorder, stack), sampler);
                looked.map_err(|cut| stack.falling(&self.monitor.recorder).unwrap_or(cut))?;
            }
            followed?;
            if settles {
                // What is at rest is what may be judged: no pause is too short to have a reading of it.
                sampler.read();
                stack.services.read();
            }
            soaking.next();
            if self.soak_begun.is_some() {
                // Of workers that were still being found out when the soak began.
                self.allow_lives(stack, sampler, soaking.is_past())?;
            }
            self.extend(&mut soaking);
        }
        // A target that broke down under the last requests must not count as having come through.
        self.monitor.go_on(stack)?;
        stack.falling(&self.monitor.recorder).map_or(Ok(()), Err)
    }

    /// How many requests may be in flight in the open model where nothing says it: one for each worker, if there are several
    /// with one thread each. A kept connection holds such a worker, so that with more of them some would never be served.
    fn in_flight(&mut self, phase: &PhaseConfig, target: &LaunchedTarget) -> Option<u32> {
        let workload = self.setup.harness.workload.as_ref()?;
        let open = workload.rate.is_some() && workload.concurrency.is_none() && phase.kind != PhaseKind::Settle;
        let workers = match open {
            true if self.monitor.pulse.knows_workers() => single_threaded(&self.monitor.recorder.record),
            true => serving_children(target),
            false => 0,
        };
        if workers < 2 {
            return None;
        }
        self.monitor.recorder.note_once(&format!(
            "at most {workers} requests were in flight, one for each worker, as each has a single thread, which a kept connection \
             holds; `concurrency` in [workload] says it otherwise"
        ));
        u32::try_from(workers).ok()
    }

    /// Allows what each life does from the level that the workers have when the first soak begins: then, or, if it isn't known yet
    /// who they are, as soon as it is. When the soak `ends`, that is waited for.
    fn allow_lives(&mut self, stack: &mut Stack<'_>, sampler: &Sampler, ends: bool) -> Result<(), Cut> {
        if self.lives.is_empty() {
            return Ok(());
        }
        let at = *self.soak_begun.get_or_insert_with(|| self.monitor.pulse.origin().elapsed().as_secs_f64());
        sampler.read();
        self.monitor.recorder.take(Duration::ZERO);
        let known = |record: &RunRecord| record.events.iter().any(|e| matches!(e.kind, EventKind::Spawned { .. }));
        if self.setup.harness.target.workers == Workers::Auto {
            let begun = Instant::now();
            while ends && !known(&self.monitor.recorder.record) && begun.elapsed() < CHOICE {
                self.monitor.go_on(stack)?;
                self.monitor.recorder.take(Duration::from_millis(100));
            }
            if !ends && !known(&self.monitor.recorder.record) {
                return Ok(());
            }
        }
        for life in std::mem::take(&mut self.lives) {
            let record = &self.monitor.recorder.record;
            let Hourly { resource, amount, told } = hourly(life, record, at).map_err(Cut::target)?;
            self.monitor.recorder.record.meta.budgets.allow(resource, Some(amount));
            self.monitor.note(told);
        }
        self.monitor.recorder.write_head();
        Ok(())
    }

    /// Lets the soak go on beyond its planned end, if it may and nothing is proven.
    fn extend(&mut self, soaking: &mut Soaking) {
        let Some(Extend { factor, is_open }) = self.extend.filter(|_| soaking.is_over()) else { return };
        self.monitor.recorder.take(Duration::ZERO);
        if self.monitor.recorder.live(is_open) {
            self.monitor.note(format!(
                "nothing was proven at the planned end: the soak went on, to {factor} times its length at most"
            ));
            soaking.extend(self.setup.harness.extension(factor));
        }
    }

    /// Makes the target collect its garbage, if the harness file says how. Later failures are told, and that pause doesn't
    /// count; if the first fails, so would all.
    fn collect(&mut self, stack: &mut Stack<'_>) -> Result<(), Cut> {
        if self.setup.harness.settle.collect.is_none() {
            return Ok(());
        }
        self.driving.disconnect();
        let (record, interrupt) = (&self.monitor.recorder.record, self.monitor.interrupt.clone());
        let Some(collection) = Collection::begin(&self.setup, &self.folder, record, interrupt)? else {
            return Ok(());
        };
        while !collection.is_over() {
            self.monitor.wait(stack)?;
        }
        let reason = match collection.end() {
            Ok(()) => {
                self.monitor.recorder.event(EventKind::Collected);
                return Ok(());
            }
            Err(error) => format!("the target could not be made to collect its garbage: {error}"),
        };
        if self.monitor.recorder.record.events.iter().any(|event| event.kind == EventKind::Collected) {
            self.monitor.note(reason);
            return Ok(());
        }
        Err(self.monitor.cut(Cut::workload(reason)))
    }

    /// Stops the target and the sampler; an error if not all workers could be followed.
    fn stop(&mut self, target: &mut LaunchedTarget, sampler: Sampler) -> Result<(), Cut> {
        self.monitor.recorder.event(EventKind::Stopping);
        self.monitor.pulse.stop();
        for text in target.stop(&self.monitor.interrupt) {
            self.monitor.recorder.note_once(&text);
        }
        self.monitor.recorder.end_sampling(None, sampler.finish())
    }

    fn finish(self, end: Result<(), Cut>) -> Finished {
        let mut monitor = self.monitor;
        let reconnects = self.driving.counters().reconnects();
        let totals = self.driving.finish();
        if !totals.histograms.is_empty() {
            let seconds = totals.summary.as_ref().map_or(0.0, |summary| summary.seconds);
            monitor.recorder.write_latency(seconds, &totals.histograms);
        }
        totals.notes().into_iter().for_each(|text| monitor.note(text));
        self.keepers.into_iter().flat_map(OutputKeeper::finish).for_each(|text| monitor.note(text));
        match reconnects {
            0 => {}
            1 => monitor.note("the server closed a kept connection; its request was sent again".into()),
            n => monitor.note(format!("the server closed {n} kept connections; their requests were sent again")),
        }
        monitor.recorder.record.meta.workload = totals.summary;
        let failed = end.as_ref().is_err_and(Cut::is_failure) || monitor.recorder.record.has_crashed();
        if self.keep || failed {
            let kept = written::keep(self.setup.scratch.work(), self.begun, &self.folder);
            kept.into_iter().for_each(|text| monitor.note(text));
        }
        self.setup.guard.end(monitor.interrupt.ending()).into_iter().for_each(|text| monitor.note(text));
        monitor.finish(end)
    }
}
