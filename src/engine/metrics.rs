//! Looks at series of the user's own: each source on a thread of its own, so that one that hangs keeps nobody else waiting.

use super::end::Cut;
use super::interrupt::Interrupt;
use super::printed::Output;
use super::pulse::Pulse;
use super::target::{Preparation, one_line};
use crate::config::{Asked, MetricSource, Wanted, without_secrets};
use crate::http;
use crate::model::{Event, EventKind, HostSample, MetricKind, MetricMeta, MetricReading};
use crate::probe::Selector;
use crate::store::Entry;
use crate::thread;
use crate::workload::Counters;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How long a source may take to have all its values at first.
const PATIENCE: Duration = Duration::from_secs(3);

/// Pauses between looks until then.
const LOOK: Duration = Duration::from_millis(100);

/// A look takes at most one part of so many of the time.
const PARTS: u32 = 5;

/// Looks that go on until this is dropped.
#[derive(Debug, Default)]
pub struct Looks {
    ended: Arc<AtomicBool>,
    threads: Vec<Thread>,
}

/// What the looks at a part of the run need.
pub struct Plan<'a> {
    /// Who is asked, and for what.
    pub sources: Vec<MetricSource>,
    /// How commands are run.
    pub preparation: Preparation,
    /// The PID of its first process.
    pub first: u32,
    /// Where readings go.
    pub sink: Sender<Entry>,
    /// The clock of the run.
    pub pulse: Pulse,
    /// What the driver has done so far, and whether that is how requests are counted; `None` if nothing is driven.
    pub driven: Option<(Arc<Counters>, bool)>,
    /// What ends the run before its time.
    pub interrupt: &'a Interrupt,
}

/// What a run has of metrics, for its head.
pub fn described(sources: &[MetricSource]) -> Vec<MetricMeta> {
    let of_source = |source: &MetricSource| {
        let from = from(&source.asked);
        let meta = move |wanted: &Wanted| MetricMeta { metric: wanted.metric, kind: wanted.kind, from: from.clone() };
        source.wanted.iter().map(meta).collect::<Vec<_>>()
    };
    sources.iter().flat_map(of_source).collect()
}

/// Where values come from, as a sentence says it.
fn from(asked: &Asked) -> String {
    match asked {
        Asked::Command(command) => format!("`{}`", one_line(command)),
        Asked::Page(url) => url.clone(),
    }
}

impl Looks {
    /// Looks at each source once, and goes on with it.
    ///
    /// # Errors
    /// If a value isn't there: the harness file doesn't fit.
    pub fn begin(plan: Plan<'_>) -> Result<Self, Cut> {
        let mut looks = Looks::default();
        for source in plan.sources {
            let from = without_secrets(&from(&source.asked));
            let wrong = |why: String| Cut::setup(without_secrets(&why));
            let selectors: Result<Vec<Selector>, String> =
                source.wanted.iter().map(|wanted| Selector::new(&wanted.select)).collect();
            let mut looking = Looking {
                selectors: selectors.map_err(wrong)?,
                source,
                preparation: plan.preparation.with("SEEPAGE_PID", plan.first),
                sink: plan.sink.clone(),
                pulse: plan.pulse.clone(),
                driven: plan.driven.clone(),
                looks: 0,
                ended: Arc::clone(&looks.ended),
                has_failed: false,
            };
            let begun = Instant::now();
            while let Err(why) = looking.all() {
                if plan.interrupt.flag().load(Ordering::Relaxed) || begun.elapsed() > PATIENCE {
                    return Err(wrong(format!("{from} doesn't tell what `[metric]` asks for: {why}")));
                }
                std::thread::sleep(LOOK);
            }
            let started = thread::start("metrics", move || looking.go_on());
            looks.threads.push(started.map_err(|error| Cut::recording(error.to_string()))?.thread().clone());
        }
        Ok(looks)
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.threads.iter().for_each(Thread::unpark);
    }
}

/// The looks at one source.
struct Looking {
    source: MetricSource,
    selectors: Vec<Selector>,
    preparation: Preparation,
    sink: Sender<Entry>,
    pulse: Pulse,
    driven: Option<(Arc<Counters>, bool)>,
    /// How many there were.
    looks: u64,
    ended: Arc<AtomicBool>,
    /// Whether it was told that one failed.
    has_failed: bool,
}

impl Looking {
    /// Looks until it is to end.
    fn go_on(&mut self) {
        while !self.ended.load(Ordering::Relaxed) {
            let begun = Instant::now();
            self.look();
            let took = begun.elapsed();
            let pause = self.source.every.saturating_sub(took).max(took * (PARTS - 1));
            let until = Instant::now() + pause;
            while !self.ended.load(Ordering::Relaxed) {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                std::thread::park_timeout(left);
            }
        }
    }

    /// One look, whose values are recorded, and those that are missing too.
    fn look(&mut self) {
        let answer = self.ask();
        // The value is that of the moment in which it was told.
        let t = self.pulse.seconds();
        if self.ended.load(Ordering::Relaxed) {
            // Who is being stopped doesn't have to answer.
            return;
        }
        self.looks += 1;
        if let Some((driven, counts)) = &self.driven {
            // What was sent until this very moment: between two readings of the host it is known too roughly.
            let by_step = driven.sent_by_step();
            let failed = driven.totals().failed;
            let requests = counts.then(|| by_step.iter().sum::<u64>().saturating_sub(failed));
            let by_step = Some(by_step).filter(|by_step| by_step.len() > 1).unwrap_or_default();
            let _ = self.sink.send(Entry::Host(HostSample { t, requests, by_step, ..HostSample::default() }));
        }
        let mut failed = None;
        for (wanted, selector) in self.source.wanted.iter().zip(&self.selectors) {
            let read = answer.as_ref().map_err(String::clone).and_then(|answer| selector.read(answer));
            let own = if wanted.kind == MetricKind::Counter { wanted.own * self.looks as f64 } else { 0.0 };
            let value = read.as_ref().ok().map(|value| (value - own) * wanted.one);
            failed = failed.or(read.err().map(|why| format!("{}: {why}", wanted.metric.name())));
            let _ = self.sink.send(Entry::Metric(MetricReading { t, metric: wanted.metric, value }));
        }
        if let Some(why) = failed.filter(|_| !std::mem::replace(&mut self.has_failed, true)) {
            let text = format!("a look at {} failed: {why}", from(&self.source.asked));
            let _ = self.sink.send(Entry::Event(Event { t, kind: EventKind::Note { text } }));
        }
    }

    /// Whether all values are there; nothing is recorded.
    fn all(&mut self) -> Result<(), String> {
        let answer = self.ask()?;
        self.looks += 1;
        let each = self.source.wanted.iter().zip(&self.selectors);
        let wrong = each.filter_map(|(wanted, selector)| {
            let why = selector.read(&answer).err()?;
            Some(format!("{}: {why}", wanted.metric.name()))
        });
        let wrong: Vec<String> = wrong.collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    fn ask(&self) -> Result<Vec<u8>, String> {
        match &self.source.asked {
            Asked::Command(command) => {
                let Output { printed, complaint } =
                    self.preparation.output(command, self.source.timeout, &self.ended)?;
                complaint.map_or(Ok(printed), Err)
            }
            Asked::Page(url) => match http::get(url, self.source.timeout) {
                Ok((200, page)) => Ok(page),
                Ok((status, _)) => Err(format!("it answered with status {status}")),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}
