//! A target that runs already: watched for a while, read-only; if that is asked for, with samples of its page faults.
//!
//! Always: the target is never signalled, traced, stopped or sent anything; all that happens to it is that files below
//! `/proc` are read, and the log or the status page that the user named.

use super::end::{Cut, Finished, RunError};
use super::head::{self, uncounted};
use super::heap::{FaultSampling, HeapLooks, Tracing};
use super::interrupt::Interrupt;
use super::monitor::{Followed, LookAt, Monitor, ShowProgress, Soaked, Stand, Stretch};
use super::pulse::Pulse;
use super::recorder::Recorder;
use super::sampler::{Sampled, Sampler};
use crate::config::{PhaseConfig, RequestsConfig, SampleConfig, Span, Workers, redacted_words, without_secrets};
use crate::model::{
    Budgets, EventKind, Per, PhaseKind, Resource, RunMeta, RunRecord, Share, Target, format_seconds, shown_command,
};
use crate::probe::{Counter, FaultProbe, MemoryGroup, proc_shows_us};
use crate::store::RunDirectory;
use crate::supervise::{Attached, RootWatch, Wanted};
use regex::RegexSet;
use serde_json::json;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// A pool without a process for this long has ended; shorter, it may be restarting.
const EMPTY: Duration = Duration::from_secs(2);

/// Readings of a worker that are enough for any length of time, and the longest interval between two.
const READINGS: u32 = 6000;
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);
/// A watch without an end is read as often as one of this length.
const OPEN_ENDED: Duration = Duration::from_secs(3600);

/// Faults of pages take as much beside the readings, as a part of what these may.
const FAULTS: f64 = 0.5;

/// What is to be watched.
pub struct AttachRequest<'a> {
    /// The target.
    pub wanted: &'a Wanted,
    /// Which of its processes are workers.
    pub workers: &'a Workers,
    /// For how long; without an end, until leak or clean is proven.
    pub duration: Option<Duration>,
    /// Who counts the requests of its workers, if anyone does.
    pub requests: &'a RequestsConfig,
    /// What budgets are for: without a counter, an hour.
    pub per: Per,
    /// Budgets that the user has given; others have their defaults.
    pub budgets: &'a [(Resource, f64)],
    /// Size in bytes that no worker should outgrow, for the advice on recycling.
    pub max_worker_size: Option<u64>,
    /// How long a process warms up after its start, if the user knows; what is read of it before isn't judged.
    pub warm_up: Option<Duration>,
    /// Whether it is found who touches fresh pages first.
    pub sites: bool,
    /// The largest share of one core that watching may take.
    pub overhead: Share,
    /// Where run directories go.
    pub reports: &'a Path,
    /// What ends the run before its time.
    pub interrupt: Interrupt,
}

/// A target that was found, and is about to be watched.
pub struct Attachment<'a> {
    request: &'a AttachRequest<'a>,
    attached: Attached,
    group: Option<MemoryGroup>,
    counter: Option<Counter>,
    faults: Option<FaultProbe>,
    budgets: Budgets,
}

impl<'a> Attachment<'a> {
    /// Finds the target and checks that it can be watched. Nothing is written yet.
    ///
    /// # Errors
    /// If it isn't there, isn't clear, can't be read, or its requests can't be counted as asked.
    pub fn prepare(request: &'a AttachRequest<'a>) -> Result<Self, RunError> {
        proc_shows_us().map_err(RunError::Setup)?;
        let mut attached = Attached::find(request.wanted, request.workers)?;
        let counting =
            |error: String| RunError::Setup(format!("the requests of the workers can't be counted: {error}"));
        let mut counter = Counter::new(request.requests).map_err(|error| counting(error.to_string()))?;
        if let Some(counter) = &mut counter {
            counter.skip_the_past().map_err(counting)?;
        }
        let group = MemoryGroup::of(attached.example.id().pid);
        let is_group = matches!(request.wanted, Wanted::Group(_) | Wanted::Unit(_) | Wanted::Container(_));
        let counts_shared = is_group && group.as_ref().is_some_and(|group| group.read().shmem.is_some());
        let mut budgets = budgets(request.per, request.budgets, counts_shared);
        let given = |resource: Resource| request.budgets.iter().any(|(given, _)| *given == resource);
        let reading = attached.example.read(0.0, None).map(|(sample, _)| sample);
        if reading.is_some_and(|sample| sample.fds.is_none()) && !given(Resource::Descriptors) {
            budgets.descriptors = None;
            attached.notes.push(
                "this user may not see the target's descriptors, which are not judged; root or CAP_SYS_PTRACE may"
                    .into(),
            );
        }
        let (example, age) = (&attached.example, attached.example.age_of_service());
        attached.notes.push(format!(
            "PID {} ({}) began {} before the watch",
            example.id().pid,
            shown_command(example.command()),
            in_words(age)
        ));
        let mut faults = None;
        if request.sites {
            match FaultProbe::open() {
                Ok(probe) => faults = Some(probe),
                Err(error) => attached.notes.push(format!("--sites: {error}; the watch goes on without")),
            }
        }
        Ok(Attachment { request, attached, group, counter, faults, budgets })
    }

    /// The name of the run.
    pub fn name(&self) -> String {
        name(self.attached.example.command())
    }

    /// What the user should know before it begins, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.attached.notes
    }

    /// Watches the target until the time is up, it ends, or a signal comes; if no time was given, until a `look`, which is
    /// given the seconds that have passed, finds an answer proven. What was recorded is returned in any case.
    ///
    /// # Errors
    /// If the run directory can't be made.
    pub fn watch(self, watch: &mut ShowProgress<'_>, look: &mut LookAt<'_>) -> Result<Finished, RunError> {
        let pulse = Pulse::begin();
        let meta = self.head();
        let directory = RunDirectory::create(self.request.reports, &meta.id)?;
        let Attachment { request, attached, group, counter, faults, .. } = self;
        let interrupt = request.interrupt.clone();
        interrupt.recording(directory.path(), None, Duration::ZERO);
        let (sink, entries) = channel();
        // Nothing is driven, so nothing comes from here.
        let (_, loads) = channel();
        let recorder = Recorder::new(meta, directory, pulse.clone(), entries, loads);
        let mut monitor = Monitor { recorder, pulse: pulse.clone(), interrupt, watch, look };
        monitor.recorder.write_head();
        attached.notes.into_iter().for_each(|text| monitor.note(text));
        monitor.recorder.event(EventKind::Phase { phase: PhaseKind::Soak, index: 0 });
        let mut soak = OpenSoak::new(request.duration, pulse.origin());
        let config = sampling(request.duration.unwrap_or(OPEN_ENDED), request.overhead);
        let faults = faults.map(|probe| -> Result<_, Cut> {
            let looks = HeapLooks::start(None, pulse.origin(), sink.clone(), monitor.interrupt.clone())?;
            FaultSampling::start(probe, looks, pulse.origin(), FAULTS * config.overhead.0).map(Tracing::Faults)
        });
        let plan = |heap| Sampled {
            roster: attached.roster,
            counter,
            leave_out: RegexSet::empty(),
            group,
            config,
            heap,
            is_of_run: true,
            works: true,
            driven: None,
            pulse,
        };
        let sampler = faults.transpose().and_then(|heap| Sampler::start(plan(heap), sink));
        let mut following = Following { root: attached.root.map(RootWatch::new), seen: false, empty: None };
        let end = sampler.and_then(|sampler| {
            let end = monitor.follow(&mut soak, &mut following);
            let followed = monitor.recorder.end_sampling(None, sampler.finish());
            end.and(followed)
        });
        Ok(monitor.finish(end))
    }

    /// The head of the run.
    fn head(&self) -> RunMeta {
        let (request, attached) = (self.request, &self.attached);
        let name = name(attached.example.command());
        let stamp = head::stamp(&name);
        let counting = self.counter.as_ref().map_or_else(uncounted, Counter::counting);
        let limited = self.group.as_ref().and_then(|group| Some((group.effective_limit()?, group.kind())));
        let target = Target {
            command: redacted_words(&attached.example.command_line()),
            executable: attached.example.executable().map(|path| path.display().to_string()),
            root: attached.root.as_ref().map(|probe| probe.id()),
            workers: attached.chosen.clone(),
            chosen: None,
            memory_limit: limited.map(|(limit, _)| limit),
            limited_by: limited.map(|(_, kind)| kind.into()),
            worker_limits: None,
            max_worker_size: request.max_worker_size,
            warm_up: request.warm_up.map(|age| age.as_secs_f64()),
        };
        let config = json!({ "attach": {
            "target": match request.wanted {
                Wanted::Pids(pids) => json!({ "pids": pids }),
                Wanted::Match(pattern) => json!({ "match": without_secrets(pattern) }),
                Wanted::Group(path) => json!({ "cgroup": path.display().to_string() }),
                Wanted::Unit(name) => json!({ "unit": name }),
                Wanted::Container(name) => json!({ "container": name }),
            },
            "workers": without_secrets(&attached.chosen),
            "seconds": request.duration.map(|d| d.as_secs_f64()),
            "requests": counting.worth,
        }});
        RunMeta { budgets: self.budgets.clone(), ..head::begun(name, stamp, target, counting, config) }
    }
}

/// The only phase of a watch: it ends after its time, or, if it has none, when the answer is proven.
struct OpenSoak {
    phase: PhaseConfig,
    begun: Instant,
    halted: bool,
}

impl OpenSoak {
    fn new(duration: Option<Duration>, begun: Instant) -> Self {
        OpenSoak { phase: PhaseConfig::lasting(PhaseKind::Soak, duration.map(Span)), begun, halted: false }
    }
}

impl Stretch for OpenSoak {
    fn end(&mut self) -> Option<Result<(), Cut>> {
        let over = self.phase.duration.is_some_and(|planned| self.begun.elapsed() >= planned.0);
        (over || self.halted).then_some(Ok(()))
    }

    fn halt(&mut self) {
        self.halted = true;
    }

    fn conclude(&mut self) {
        self.halted = true;
    }

    fn stand(&self, record: &RunRecord, _alive: usize) -> Stand<'_> {
        let ends = [record.host.first(), record.host.last()];
        let counts: Vec<u64> = ends.into_iter().filter_map(|host| host?.requests).collect();
        let requests = counts.first().zip(counts.last()).map(|(first, last)| last.saturating_sub(*first));
        let open = self.phase.duration.is_none();
        Stand {
            phase: (&self.phase, 0, 1),
            begun: self.begun,
            requests,
            phase_requests: requests.unwrap_or(0),
            failures: 0,
            soaked: open.then(|| Soaked::Seconds(self.begun.elapsed().as_secs_f64())),
        }
    }
}

/// Whether the target still lives.
struct Following {
    root: Option<RootWatch>,
    seen: bool,
    empty: Option<Instant>,
}

impl Following {
    /// The event and the reason once it has ended; `alive` is the number of its workers.
    fn look(&mut self, alive: usize) -> Option<(EventKind, String)> {
        if let Some(root) = &mut self.root {
            let cause = root.end()?;
            let how = cause.map_or_else(String::new, |cause| format!(", with {cause}"));
            return Some((EventKind::TargetDied { cause }, format!("the target ended by itself{how}")));
        }
        self.seen |= alive > 0;
        if alive > 0 || !self.seen {
            self.empty = None;
            return None;
        }
        let since = *self.empty.get_or_insert_with(Instant::now);
        let gone = since.elapsed() > EMPTY;
        gone.then(|| (EventKind::TargetDied { cause: None }, "no process of the target is left".to_owned()))
    }
}

impl Followed for Following {
    fn check(&mut self, recorder: &mut Recorder, alive: usize) -> Result<(), Cut> {
        let Some((event, reason)) = self.look(alive) else { return Ok(()) };
        recorder.event(event);
        Err(Cut::target(reason))
    }
}

/// A name for the run that is fit for a directory.
fn name(command: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    format!("attach-{}", command.chars().map(fit).collect::<String>())
}

/// Readings at the usual interval, or fewer if it takes long.
fn sampling(duration: Duration, overhead: Share) -> SampleConfig {
    let usual = SampleConfig::default();
    let every = (duration / READINGS).clamp(usual.every.0, LONGEST_INTERVAL);
    SampleConfig { every: Span(every), overhead, ..usual }
}

/// What is allowed: what the user has `given`, and what is usual for the rest. What lies on tmpfs is judged if it is asked for, or if it is
/// counted for the `whole` target: else it may be anybody's.
fn budgets(per: Per, given: &[(Resource, f64)], whole: bool) -> Budgets {
    let mut budgets = Budgets { tmpfs: None, ..Budgets::usual(per) };
    for (resource, most) in given {
        budgets.allow(*resource, Some(*most));
    }
    let as_of_memory = [Resource::Shared, Resource::Rest].into_iter().chain(whole.then_some(Resource::Tmpfs));
    for as_of_memory in as_of_memory {
        if given.iter().all(|(resource, _)| *resource != as_of_memory) {
            budgets.allow(as_of_memory, budgets.memory);
        }
    }
    budgets
}

/// An age in seconds, no more exact than the kernel's clock ticks make it.
fn in_words(age: f64) -> String {
    if age < 1.0 { "less than a second".into() } else { format_seconds(age.round()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_watch_reads_less_often() {
        let every = |seconds| sampling(Duration::from_secs(seconds), Share(0.02)).every.0;
        assert_eq!(every(60), SampleConfig::default().every.0);
        assert_eq!(every(3600), Duration::from_millis(600));
        assert_eq!(every(86_400), LONGEST_INTERVAL);
    }

    #[test]
    fn files_on_tmpfs_are_judged_where_they_are_the_targets_or_asked_for() {
        let tmpfs = |given: &[(Resource, f64)], whole| budgets(Per::Hour, given, whole).of(Resource::Tmpfs, false);
        let memory = budgets(Per::Hour, &[], false).memory;
        assert_eq!((tmpfs(&[], false), tmpfs(&[], true)), (None, memory));
        let given = [(Resource::Tmpfs, 7.0), (Resource::Memory, 9.0)];
        assert_eq!((tmpfs(&given, false), tmpfs(&given, true)), (Some(7.0), Some(7.0)));
        assert_eq!(tmpfs(&given[1..], true), Some(9.0));
    }

    #[test]
    fn a_pool_may_be_empty_for_a_moment() {
        let mut following = Following { root: None, seen: false, empty: None };
        assert!(following.look(0).is_none(), "it wasn't seen yet");
        assert!(following.look(3).is_none() && following.look(0).is_none());
        following.empty = Some(Instant::now() - 2 * EMPTY);
        let (event, _) = following.look(0).unwrap();
        assert_eq!(event, EventKind::TargetDied { cause: None });
        following.look(1);
        assert!(following.look(0).is_none(), "it had come back");
    }

    #[test]
    fn an_age_is_told_in_whole_seconds_or_as_less_than_one() {
        assert_eq!([0.0, 0.3, 0.99].map(in_words), ["less than a second"; 3]);
        assert_eq!([1.0, 61.4, 7300.0].map(in_words), ["1 s", "61 s", "2 h 2 min"]);
    }

    #[test]
    fn names_are_fit_for_directories() {
        assert_eq!(name("php-fpm: pool/../x"), "attach-php-fpm--pool-..-x");
    }
}
