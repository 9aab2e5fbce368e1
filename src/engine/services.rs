//! The services beside the target: started in the order of their needs, each ready before the next; watched while the run goes on;
//! stopped in reverse, after the target.

use super::end::{Cut, RunError};
use super::heap::Tracing;
use super::metrics::{Looks, Plan};
use super::monitor::{Followed, Monitor};
use super::pulse::Pulse;
use super::recorder::Recorder;
use super::sampler::{Sampled, Sampler};
use super::setup::Setup;
use super::target::{self, LaunchedTarget, Outputs, Part, Preparation};
use crate::config::{MetricSource, SampleConfig, metric_sources};
use crate::model::{EventKind, RunMeta, RunRecord, SERVICES, Share, format_count, format_seconds};
use crate::probe::{Counter, WorkerProbe};
use crate::store::{Entry, Folder, RunDirectory};
use crate::supervise::{Launched, Roster, Scope};
use crate::workload::Counters;
use regex::RegexSet;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How long the run goes on after a service has ended by itself: what fails for it is told with it.
const AFTERMATH: Duration = Duration::from_secs(2);

/// A service before its launch.
pub struct Planned {
    name: String,
    head: RunMeta,
    counter: Option<Counter>,
    sources: Vec<MetricSource>,
    part: Part,
}

/// All services of a run, in the order in which they start.
///
/// # Errors
/// If the requests of one can't be counted as the harness file says.
pub fn plan(setup: &Setup, run: &RunMeta) -> Result<Vec<Planned>, RunError> {
    let services = setup.harness.services_in_order().into_iter().enumerate();
    let planned = services.map(|(place, (name, service))| {
        let mut head = setup.head_of(name, service, run);
        let counter = Counter::new(&service.requests)?;
        if let Some(counter) = &counter {
            head.counting = counter.counting();
        }
        let config = service.as_target(setup.harness.target.memory_limit);
        let part = Part { service: Some((name.to_owned(), place)), config };
        let sources = metric_sources(&service.metrics);
        Ok(Planned { name: name.to_owned(), head, counter, sources, part })
    });
    planned.collect()
}

/// How each of several samplers samples, so that together they keep to what one may take.
pub fn shared(config: &SampleConfig, samplers: usize) -> SampleConfig {
    SampleConfig { overhead: Share(config.overhead.0 / samplers.max(1) as f64), ..config.clone() }
}

/// The services of a run.
pub struct Services {
    planned: Vec<Placed>,
    running: Vec<Running>,
    /// Who has ended by itself.
    fallen: Option<Fallen>,
}

/// A service with its directory.
struct Placed {
    planned: Planned,
    folder: Folder,
    outputs: Outputs,
    sink: Sender<Entry>,
    pulse: Pulse,
}

/// A service that runs.
struct Running {
    target: LaunchedTarget,
    /// `None` once it has ended.
    sampler: Option<Sampler>,
    /// Looks at series of the user's own.
    looks: Looks,
    pulse: Pulse,
    /// What its preparation left in the background.
    _prepared: Vec<Launched>,
}

/// Services that ended by themselves.
struct Fallen {
    at: Instant,
    /// Seconds since the start of the run.
    t: f64,
    /// Who, how, and what each said last.
    reasons: Vec<String>,
}

impl Services {
    /// Gives each a directory below that of the run, and a place in its record.
    ///
    /// # Errors
    /// If a directory can't be made.
    pub fn place(
        planned: Vec<Planned>,
        setup: &Setup,
        recorder: &mut Recorder,
        pulse: &Pulse,
    ) -> Result<Self, RunError> {
        let place = |planned: Planned| -> Result<Placed, RunError> {
            let directory = RunDirectory::create(&recorder.path().join(SERVICES), &planned.name)?;
            let (sink, entries): (_, Receiver<Entry>) = channel();
            let folder = directory.folder().clone();
            let outputs = Outputs::make(&folder, setup.scratch.work())?;
            recorder.add_service(planned.head.clone(), directory, entries);
            Ok(Placed { planned, folder, outputs, sink, pulse: pulse.beside() })
        };
        let planned = planned.into_iter().map(place).collect::<Result<_, _>>()?;
        Ok(Services { planned, running: Vec::new(), fallen: None })
    }

    /// Where their output goes.
    pub fn folders(&self) -> Vec<Folder> {
        self.planned.iter().map(|placed| placed.folder.clone()).collect()
    }

    /// Launches them one after the other, each once those before it are ready, and begins to sample each.
    ///
    /// # Errors
    /// If one can't be launched, ends or isn't ready in time.
    pub fn launch(&mut self, setup: &Setup, monitor: &mut Monitor<'_>, driven: &Arc<Counters>) -> Result<(), Cut> {
        let planned = std::mem::take(&mut self.planned);
        let sample = shared(&setup.harness.sample, planned.len() + 1);
        for Placed { planned: Planned { counter, sources, part, .. }, folder, outputs, sink, pulse } in planned {
            let prepared = target::prepare(setup, &part, &folder, monitor.interrupt.flag());
            let prepared = prepared.map_err(|cut| monitor.cut(cut))?;
            let place = part.place();
            let counted = counter.is_some();
            let (workers, leave_out) = (part.config.workers.clone(), RegexSet::new(&part.config.leave_out));
            let leave_out = leave_out.map_err(|error| Cut::target(format!("{part}: leave-out: {error}")))?;
            let preparation = Preparation::of(setup, &part.config, &folder);
            let mut target = LaunchedTarget::suspended(setup, part, outputs)?;
            let roster = Roster::new(Scope::LaunchedBy(target.launched().keeper()), &workers)
                .map_err(|error| Cut::target(format!("{}: workers: {error}", target.part())))?;
            let root = WorkerProbe::open(target.launched().first()).ok();
            monitor.recorder.record_of(place).meta.target.root = root.map(|probe| probe.id());
            target.resume()?;
            let sampled = Sampled {
                roster,
                counter,
                leave_out,
                group: None,
                config: sample.clone(),
                works: false,
                is_of_run: false,
                heap: Tracing::by_library(setup, &pulse, &sink, &monitor.interrupt)?,
                driven: setup.harness.workload.as_ref().map(|_| Arc::clone(driven)),
                pulse: pulse.clone(),
            };
            self.running.push(Running { target, sampler: None, looks: Looks::default(), pulse, _prepared: prepared });
            // From here on it is stopped as it wants to be, whatever fails.
            let Some((running, earlier)) = self.running.split_last_mut() else { continue };
            running.sampler = Some(Sampler::start(sampled, sink.clone())?);
            running.target.wait_until_ready(setup, monitor, |recorder| are_well(earlier, recorder))?;
            let plan = Plan {
                sources,
                preparation,
                first: running.target.launched().first(),
                sink,
                pulse: running.pulse.clone(),
                driven: setup.harness.workload.as_ref().map(|_| (Arc::clone(driven), !counted)),
                interrupt: &monitor.interrupt,
            };
            let looks = Looks::begin(plan);
            let of = |cut: Cut| Cut { reason: format!("{}: {}", running.target.part(), cut.reason), ..cut };
            running.looks = looks.map_err(|cut| monitor.cut(of(cut)))?;
        }
        monitor.recorder.write_head();
        Ok(())
    }

    /// Looks whether all are well, while the target isn't ready yet.
    ///
    /// # Errors
    /// If one has ended.
    pub fn are_well(&mut self, recorder: &mut Recorder) -> Result<(), Cut> {
        are_well(&mut self.running, recorder)
    }

    /// The target begins to work, and they with it: who their workers are shows from now on.
    pub fn choose_workers(&self) {
        self.samplers().for_each(Sampler::choose_workers);
    }

    /// Reads all of them now.
    pub fn read(&self) {
        self.samplers().for_each(Sampler::read);
    }

    /// What was launched.
    pub fn launched(&self) -> impl Iterator<Item = &Launched> {
        self.running.iter().map(|running| running.target.launched())
    }

    /// The run begins to end: whoever ends from now on does so as it should.
    pub fn begin_to_stop(&mut self) {
        for running in &mut self.running {
            running.pulse.stop();
            running.looks = Looks::default();
        }
    }

    /// Stops them, the last that was started first.
    ///
    /// # Errors
    /// If not every worker could be followed.
    pub fn stop(&mut self, monitor: &mut Monitor<'_>) -> Result<(), Cut> {
        self.begin_to_stop();
        let mut end = Ok(());
        for mut running in std::mem::take(&mut self.running).into_iter().rev() {
            let place = running.target.part().place();
            for text in running.target.stop(&monitor.interrupt) {
                monitor.recorder.event_of(place, EventKind::Note { text });
            }
            if let Some(sampler) = running.sampler.take() {
                end = end.and(monitor.recorder.end_sampling(place, sampler.finish()));
            }
        }
        end
    }

    fn samplers(&self) -> impl Iterator<Item = &Sampler> {
        self.running.iter().filter_map(|running| running.sampler.as_ref())
    }

    /// Takes in what happened to them, and to the target beside. When one has ended, the run goes on for a moment, unless the target
    /// has ended too: what fails for it is told with it.
    fn check(&mut self, target: &mut LaunchedTarget, recorder: &mut Recorder) -> Result<(), Cut> {
        self.look(recorder);
        let of_target = target.look(recorder);
        if of_target.is_err() {
            // It may have ended for one that ended just now.
            self.look(recorder);
        }
        if self.running.iter().any(|running| running.pulse.is_unsampled()) {
            return Err(Cut::unsampled());
        }
        match (&mut self.fallen, of_target) {
            (None, of_target) => of_target.map_err(Cut::target),
            (Some(fallen), Err(reason)) => {
                fallen.reasons.push(reason);
                Err(fallen.told(&recorder.record))
            }
            (Some(fallen), Ok(())) if fallen.at.elapsed() < AFTERMATH => Ok(()),
            (Some(fallen), Ok(())) => Err(fallen.told(&recorder.record)),
        }
    }

    fn look(&mut self, recorder: &mut Recorder) {
        for running in &mut self.running {
            if let Err(reason) = running.target.look(recorder) {
                let now = || Fallen { at: Instant::now(), t: running.pulse.seconds(), reasons: Vec::new() };
                self.fallen.get_or_insert_with(now).reasons.push(reason);
            }
        }
    }
}

/// Looks whether these are well.
fn are_well(services: &mut [Running], recorder: &mut Recorder) -> Result<(), Cut> {
    services.iter_mut().try_for_each(|running| running.target.look(recorder).map_err(Cut::target))
}

impl Fallen {
    /// Who ended, what it said, and what failed after it.
    fn told(&self, record: &RunRecord) -> Cut {
        let failed = failed_since(record, self.t);
        let took = format_seconds(self.at.elapsed().as_secs_f64());
        let after = failed.map(|failed| format!("\nin the {took} after it, {failed}")).unwrap_or_default();
        let mut reasons = self.reasons.iter();
        let first = reasons.next().map_or("", String::as_str);
        let others: String = reasons.map(|reason| format!("\nafter it, {reason}")).collect();
        // The first line says who; what failed stands before what it printed.
        let (head, rest) =
            first.split_once('\n').map_or((first, String::new()), |(head, rest)| (head, format!("\n{rest}")));
        Cut::target(format!("{head}{after}{rest}{others}"))
    }
}

/// What failed of the requests since then, if any did.
fn failed_since(record: &RunRecord, t: f64) -> Option<String> {
    let seconds = || record.load.iter().filter(|second| second.t > t);
    let (mut sent, mut failed) = (0, 0);
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for second in seconds() {
        sent += second.sent;
        failed += second.failed;
        let errors = second.errors.iter().filter(|(kind, _)| kind != "status");
        errors.for_each(|(kind, count)| *kinds.entry(kind.clone()).or_default() += count);
        let statuses = second.statuses.iter().filter(|(status, _)| *status >= 400);
        statuses.for_each(|(status, count)| *kinds.entry(format!("status {status}")).or_default() += count);
    }
    let how: Vec<String> =
        kinds.iter().map(|(kind, count)| format!("{kind}: {}", format_count(*count as f64))).collect();
    let how = if how.is_empty() { String::new() } else { format!(" ({})", how.join(", ")) };
    let count = |n: u64| format_count(n as f64);
    (failed > 0).then(|| format!("{} of {} requests failed{how}", count(failed), count(sent.max(failed))))
}

/// The target and its services, as they are watched together.
pub struct Stack<'a> {
    /// The target.
    pub target: &'a mut LaunchedTarget,
    /// Its services.
    pub services: &'a mut Services,
}

impl Followed for Stack<'_> {
    fn check(&mut self, recorder: &mut Recorder, _alive: usize) -> Result<(), Cut> {
        self.services.check(self.target, recorder)
    }

    fn knows_workers(&self) -> bool {
        self.services.running.iter().all(|running| running.pulse.knows_workers())
    }

    fn falling(&self, recorder: &Recorder) -> Option<Cut> {
        Some(self.services.fallen.as_ref()?.told(&recorder.record))
    }
}
