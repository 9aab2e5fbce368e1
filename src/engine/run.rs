//! One run of a harness file, from its first process to its last.

use super::collect::Collection;
use super::driving::{DrivenPhase, Driving};
use super::end::{Cut, Finished, RunError};
use super::heap::{HeapLooks, HeapSampling};
use super::interrupt::Interrupt;
use super::monitor::{LookAt, Monitor, ShowProgress};
use super::outputs::OutputKeeper;
use super::pulse::Pulse;
use super::recorder::Recorder;
use super::sampler::{Sampled, Sampler};
use super::setup::Setup;
use super::soaking::Soaking;
use super::target::{self, LaunchedTarget, Outputs};
use crate::config::Harness;
use crate::model::{EventKind, PhaseKind, RunRecord};
use crate::probe::{Counter, WorkerProbe};
use crate::store::{Entry, Folder, RunDirectory};
use crate::supervise::{Launched, Roster, Scope};
use regex::RegexSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

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
    // The last thing that may fail: what can't even begin leaves no directory.
    let directory = RunDirectory::create(request.reports, request.label.unwrap_or(&meta.id))?;
    let interrupt = request.interrupt.clone();
    interrupt.recording(directory.path(), setup.harness.target.stop.grace.0);
    let outputs = Outputs::make(directory.folder(), setup.scratch.work())?;
    let folder = directory.folder().clone();
    let conductor = Conductor {
        prepared: Vec::new(),
        keeper: None,
        monitor: Monitor {
            recorder: Recorder::new(meta, directory, pulse.clone(), entries, loads),
            pulse,
            interrupt,
            watch,
            look,
        },
        setup,
        folder,
        driving,
        extend: request.extend,
    };
    Ok(conductor.conduct(outputs, counter, sink))
}

/// Holds a run together.
struct Conductor<'a> {
    /// What the preparation left in the background.
    prepared: Vec<Launched>,
    setup: Setup,
    monitor: Monitor<'a>,
    folder: Folder,
    keeper: Option<OutputKeeper>,
    driving: Driving,
    extend: Option<Extend<'a>>,
}

impl Conductor<'_> {
    fn conduct(mut self, outputs: Outputs, counter: Option<Counter>, sink: Sender<Entry>) -> Finished {
        self.monitor.recorder.write_head();
        let launched = self.keep_outputs_small().and_then(|()| self.launch(outputs));
        let end = launched.and_then(|(mut target, roster)| {
            let sampler = self.sample(roster, counter, sink)?;
            let driven = self.drive(&mut target, &sampler);
            let followed = self.stop(&mut target, sampler);
            driven.and(followed)
        });
        self.finish(end)
    }

    fn keep_outputs_small(&mut self) -> Result<(), Cut> {
        let started = OutputKeeper::start(&self.folder, Outputs::names());
        self.keeper = Some(started.map_err(|error| Cut::recording(error.to_string()))?);
        Ok(())
    }

    /// Prepares and launches the target; returns it with the roster of its workers.
    fn launch(&mut self, outputs: Outputs) -> Result<(LaunchedTarget, Roster), Cut> {
        let Conductor { setup, monitor, .. } = self;
        setup.stays.iter().for_each(|text| monitor.note(format!("of an earlier run {text}")));
        if let Err(reason) = &setup.group {
            monitor.note(format!("each process is limited by rlimit, not all together: no control group ({reason})"));
        }
        self.prepared =
            target::prepare(setup, &self.folder, monitor.interrupt.flag()).map_err(|cut| monitor.cut(cut))?;
        let mut target = LaunchedTarget::suspended(setup, outputs)?;
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
        let heap = self.setup.library.clone().map(|library| -> Result<_, Cut> {
            let looks = HeapLooks::start(&library, pulse.origin(), sink.clone(), interrupt.clone())?;
            Ok(HeapSampling::new(library, looks))
        });
        let plan = Sampled {
            roster,
            counter,
            leave_out: RegexSet::new(&self.setup.harness.target.leave_out)
                .map_err(|error| Cut::target(format!("target.leave-out: {error}")))?,
            group: self.setup.group.clone().ok(),
            config: self.setup.harness.sample.clone(),
            heap: heap.transpose()?,
            works: false,
            driven: Some(Arc::clone(self.driving.counters())),
            pulse: pulse.clone(),
        };
        Sampler::start(plan, sink)
    }

    /// Waits until the target is ready, and goes through the phases.
    fn drive(&mut self, target: &mut LaunchedTarget, sampler: &Sampler) -> Result<(), Cut> {
        target.wait_until_ready(&self.setup, &mut self.monitor)?;
        sampler.choose_workers();
        let mut soaking = Soaking::new(&self.setup.harness);
        while let Some(phase) = soaking.phase().cloned() {
            let (index, _) = soaking.place();
            self.monitor.recorder.event(EventKind::Phase { phase: phase.kind, index });
            let settles = phase.kind == PhaseKind::Settle;
            if settles {
                self.collect(target)?;
            }
            let mut driven = DrivenPhase::begin(&self.driving, &mut soaking, &phase);
            self.monitor.follow(&mut driven, target)?;
            if settles {
                // What is at rest is what may be judged: no pause is too short to have a reading of it.
                sampler.read();
            }
            soaking.next();
            self.extend(&mut soaking);
        }
        // A target that broke down under the last requests must not count as having come through.
        self.monitor.go_on(target)
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
    fn collect(&mut self, target: &mut LaunchedTarget) -> Result<(), Cut> {
        if self.setup.harness.settle.collect.is_none() {
            return Ok(());
        }
        self.driving.disconnect();
        let (record, interrupt) = (&self.monitor.recorder.record, self.monitor.interrupt.clone());
        let Some(collection) = Collection::begin(&self.setup, &self.folder, record, interrupt)? else {
            return Ok(());
        };
        while !collection.is_over() {
            self.monitor.wait(target)?;
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
        for text in target.stop(&self.setup, &self.monitor.interrupt) {
            self.monitor.recorder.note_once(&text);
        }
        self.monitor.recorder.end_sampling(sampler.finish())
    }

    fn finish(self, end: Result<(), Cut>) -> Finished {
        let mut monitor = self.monitor;
        let reconnects = self.driving.counters().reconnects();
        let totals = self.driving.finish();
        if !totals.histograms.is_empty() {
            monitor.recorder.write_latency(totals.summary.seconds, &totals.histograms);
        }
        totals.notes().into_iter().for_each(|text| monitor.note(text));
        self.keeper.into_iter().flat_map(OutputKeeper::finish).for_each(|text| monitor.note(text));
        match reconnects {
            0 => {}
            1 => monitor.note("the server closed a kept connection; its request was sent again".into()),
            n => monitor.note(format!("the server closed {n} kept connections; their requests were sent again")),
        }
        monitor.recorder.record.meta.workload = Some(totals.summary);
        self.setup.guard.end(monitor.interrupt.ending()).into_iter().for_each(|text| monitor.note(text));
        monitor.finish(end)
    }
}
