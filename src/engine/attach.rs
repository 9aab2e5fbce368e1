//! A target that runs already: watched for a while, read-only.
//!
//! Always: the target is never signalled, traced, stopped or sent anything; all that happens to it is that files below
//! `/proc` are read, and the log or the status page that the user named.

use super::cut::Cut;
use super::interrupt::Interrupt;
use super::recorder::Recorder;
use super::run::{Finished, Look, Looked, Progress, RunError, Watch};
use super::sampler::{Plan, Sampler};
use super::setup::stamp;
use crate::config::{PhaseConfig, RequestsConfig, SampleConfig, Span, Workers, redacted_words, without_secrets};
use crate::model::{
    Budgets, Counting, CountingSource, EventKind, Gates, Per, PhaseKind, Resource, RunMeta, RunStatus, Target,
    format_seconds, shown_command,
};
use crate::probe::{Counter, HostProbe, MemoryGroup};
use crate::store::{FORMAT, RunDirectory};
use crate::supervise::{Attached, Wanted, Watch as TargetWatch};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// How often the recorder looks at signals and at the target.
const LOOK: Duration = Duration::from_millis(50);

/// A pool without a process for this long has ended; shorter, it may be restarting.
const EMPTY: Duration = Duration::from_secs(2);

/// Readings of a worker that are enough for any length of time, and the longest interval between two.
const READINGS: u32 = 6000;
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);
/// A watch without an end is read as often as one of this length.
const OPEN_ENDED: Duration = Duration::from_secs(3600);

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
    /// Where run directories go.
    pub reports: &'a Path,
    /// What ends the run before its time.
    pub interrupt: Interrupt,
}

/// A target that was found, and is about to be watched.
pub struct Attachment<'a> {
    request: &'a AttachRequest<'a>,
    attached: Attached,
    counter: Option<Counter>,
    budgets: Budgets,
}

impl<'a> Attachment<'a> {
    /// Finds the target and checks that it can be watched. Nothing is written yet.
    ///
    /// # Errors
    /// If it isn't there, isn't clear, can't be read, or its requests can't be counted as asked.
    pub fn prepare(request: &'a AttachRequest<'a>) -> Result<Self, RunError> {
        let mut attached = Attached::find(request.wanted, request.workers)?;
        let counting =
            |error: String| RunError::Setup(format!("the requests of the workers can't be counted: {error}"));
        let mut counter = Counter::new(request.requests).map_err(|e| counting(e.to_string()))?;
        if let Some(counter) = &mut counter {
            counter.skip_the_past().map_err(counting)?;
        }
        let mut budgets = budgets(request);
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
            format_seconds(age.round())
        ));
        Ok(Attachment { request, attached, counter, budgets })
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
    pub fn watch(self, watch: &mut Watch<'_>, look: &mut Look<'_>) -> Result<Finished, RunError> {
        let origin = Instant::now();
        let mut meta = self.meta();
        let directory = RunDirectory::create(self.request.reports, &meta.id)?;
        self.request.interrupt.recording(directory.path(), Duration::ZERO);
        let Attachment { request, attached, counter, .. } = self;
        let group = MemoryGroup::of(attached.example.id().pid);
        if let Some((group, limit)) = group.as_ref().and_then(|g| Some((g, g.effective_limit()?))) {
            (meta.target.memory_limit, meta.target.limited_by) = (Some(limit), Some(group.kind().into()));
        }
        let (sink, entries) = channel();
        // Nothing is driven, so nothing comes from here.
        let (_, loads) = channel();
        let mut recorder = Recorder::new(meta, directory, origin, entries, loads);
        recorder.write_head();
        for text in attached.notes {
            recorder.event(EventKind::Note { text });
        }
        let soak = PhaseConfig {
            kind: PhaseKind::Soak,
            duration: request.duration.map(Span),
            requests: None,
            requests_per_worker: None,
            rate: None,
            concurrency: None,
        };
        recorder.event(EventKind::Phase { phase: soak.kind, index: 0 });
        let alive = Arc::new(AtomicUsize::new(0));
        let plan = Plan {
            roster: attached.roster,
            counter,
            group,
            config: sampling(request.duration.unwrap_or(OPEN_ENDED)),
            heap: None,
            origin,
            alive: Arc::clone(&alive),
            driven: None,
            stopping: Arc::new(AtomicBool::new(false)),
        };
        let sampler = Sampler::start(plan, sink);
        let mut following = Following { root: attached.root.map(TargetWatch::new), seen: false, empty: None };
        let end = loop {
            recorder.take(LOOK);
            if let Some(by) = request.interrupt.cause() {
                break Err(Cut::interrupted(by));
            }
            if let Some(error) = recorder.failure() {
                break Err(Cut::recording(error.to_string()));
            }
            if let Some((event, reason)) = following.look(alive.load(Ordering::Relaxed)) {
                recorder.event(event);
                break Err(Cut::target(reason));
            }
            if request.duration.is_some_and(|planned| origin.elapsed() >= planned) {
                break Ok(());
            }
            if request.duration.is_none()
                && let Some(Looked { alpha, found, proven }) =
                    recorder.live(|record| look(record, origin.elapsed().as_secs_f64()))
            {
                recorder.event(EventKind::Look { share: None, alpha, found, proven });
                if proven {
                    break Ok(());
                }
            }
            let counts: Vec<u64> = [recorder.record.host.first(), recorder.record.host.last()]
                .into_iter()
                .filter_map(|h| h?.requests)
                .collect();
            let requests = counts.first().zip(counts.last()).map(|(first, last)| last.saturating_sub(*first));
            recorder.live(|record| {
                watch(&Progress {
                    record,
                    elapsed: origin.elapsed().as_secs_f64(),
                    phase: Some((&soak, 0, 1)),
                    phase_elapsed: origin.elapsed().as_secs_f64(),
                    alive: alive.load(Ordering::Relaxed),
                    requests,
                    phase_requests: requests.unwrap_or(0),
                    failures: 0,
                });
            });
        };
        let followed = recorder.end_sampling(sampler.finish());
        Ok(recorder.finish(end.and(followed)))
    }

    fn meta(&self) -> RunMeta {
        let (request, attached) = (self.request, &self.attached);
        let name = name(attached.example.command());
        let (started, id) = stamp(&name);
        let counting = self.counter.as_ref().map_or_else(uncounted, Counter::counting);
        let worth = counting.worth.clone();
        let seconds = request.duration.map(|d| d.as_secs_f64());
        RunMeta {
            format: FORMAT.into(),
            seepage: env!("CARGO_PKG_VERSION").into(),
            id,
            name,
            started,
            elapsed: None,
            status: RunStatus::Running,
            aborted: None,
            failure: None,
            seed: 0,
            host: HostProbe::describe(),
            target: Target {
                command: redacted_words(&attached.example.command_line()),
                executable: attached.example.executable().map(|path| path.display().to_string()),
                root: attached.root.as_ref().map(|probe| probe.id()),
                workers: attached.chosen.clone(),
                memory_limit: None,
                limited_by: None,
                worker_limits: None,
                max_worker_size: request.max_worker_size,
                warm_up: request.warm_up.map(|age| age.as_secs_f64()),
            },
            counting,
            classes: Vec::new(),
            steps: Vec::new(),
            budgets: self.budgets.clone(),
            gates: Gates::default(),
            workload: None,
            observing: None,
            config: json!({ "attach": {
                "target": match request.wanted {
                    Wanted::Pid(pid) => json!({ "pid": pid }),
                    Wanted::Match(pattern) => json!({ "match": without_secrets(pattern) }),
                    Wanted::Group(path) => json!({ "cgroup": path.display().to_string() }),
                },
                "workers": attached.chosen,
                "seconds": seconds,
                "requests": worth,
            }}),
        }
    }
}

/// Whether the target still lives.
struct Following {
    root: Option<TargetWatch>,
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

/// A name for the run that is fit for a directory.
fn name(command: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    format!("attach-{}", command.chars().map(fit).collect::<String>())
}

/// Readings at the usual interval, or fewer if it takes long.
fn sampling(duration: Duration) -> SampleConfig {
    let usual = SampleConfig::default();
    let every = (duration / READINGS).clamp(usual.every.0, LONGEST_INTERVAL);
    SampleConfig { every: Span(every), ..usual }
}

/// What is allowed: what the user has given, and what is usual for the rest. What lies on tmpfs is judged only if asked for:
/// without a control group of the target's own, it may be anybody's.
fn budgets(request: &AttachRequest<'_>) -> Budgets {
    let mut budgets = Budgets { tmpfs: None, ..Budgets::usual(request.per) };
    for (resource, most) in request.budgets {
        budgets.allow(*resource, Some(*most));
    }
    budgets
}

fn uncounted() -> Counting {
    Counting {
        source: CountingSource::None,
        per_worker: false,
        worth: "nothing counts them, so growth is measured against time: it is that of the load of this time".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_watch_reads_less_often() {
        let every = |seconds| sampling(Duration::from_secs(seconds)).every.0;
        assert_eq!(every(60), SampleConfig::default().every.0);
        assert_eq!(every(3600), Duration::from_millis(600));
        assert_eq!(every(86_400), LONGEST_INTERVAL);
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
    fn names_are_fit_for_directories() {
        assert_eq!(name("php-fpm: pool/../x"), "attach-php-fpm--pool-..-x");
    }
}
