//! Who touches fresh pages first, in a target that runs: a thread of its own samples faults, looks at what becomes of the pages, and keeps
//! what that costs below a budget.

use super::super::end::Cut;
use super::HeapLooks;
use crate::model::WorkerId;
use crate::probe::{FaultProbe, FaultRefusal, WorkerProbe};
use crate::thread;
use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A stretch in which faults are told, at most and at least; half as long where a ring was a quarter full. The least is also how long
/// faults are left to gather once some were looked at.
const STRETCH: Duration = Duration::from_millis(50);
const SHORTEST: Duration = Duration::from_millis(1);
const A_QUARTER: f64 = 0.25;

/// The shortest interval between two looks at the pages of a process, and how many there are while a run grows by its length.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOKS_EACH_LENGTH: u32 = 256;

/// Pages that are followed, of all processes together.
const MOST_PAGES: usize = 16 << 10;

/// What may be spent in advance, as so many seconds of the budget.
const SAVED: Duration = Duration::from_secs(5);

/// By how much fewer faults are told at a time, at least and at most.
const FEWER: (f64, f64) = (2.0, 64.0);

/// How long the thread is waited for at the end.
const AT_END: Duration = Duration::from_secs(12);

/// Samples the faults of the workers that it meets.
#[derive(Debug)]
pub struct FaultSampling {
    /// Returns what is to be said.
    thread: JoinHandle<Option<String>>,
    messages: Sender<Message>,
    met: HashSet<WorkerId>,
}

enum Message {
    Meet(WorkerId, OwnedFd),
    Forget(WorkerId),
}

impl FaultSampling {
    /// Starts sampling with `probe`, for as long as that takes no more than a `share` of a core; what is seen goes to `looks`. `origin` is
    /// time zero of the run.
    ///
    /// # Errors
    /// If its thread can't be started.
    pub fn start(probe: FaultProbe, looks: HeapLooks, origin: Instant, share: f64) -> Result<Self, Cut> {
        let (messages, received) = channel();
        let started = thread::start("faults", move || Sampling::new(probe, looks, origin, share).run(&received));
        let thread = started.map_err(|error| Cut::recording(error.to_string()))?;
        Ok(FaultSampling { thread, messages, met: HashSet::new() })
    }

    /// Sees that the faults of a worker are sampled.
    pub fn meet(&mut self, worker: &WorkerProbe) {
        if self.met.insert(worker.id())
            && let Ok(directory) = worker.directory()
        {
            let _ = self.messages.send(Message::Meet(worker.id(), directory));
        }
    }

    /// A worker has ended.
    pub fn forget(&mut self, worker: WorkerId) {
        if self.met.remove(&worker) {
            let _ = self.messages.send(Message::Forget(worker));
        }
    }

    /// Ends sampling and says what is to be said of it, if anything.
    pub fn finish(self) -> Option<String> {
        drop(self.messages);
        let begun = Instant::now();
        // Tables of the target may lead its walks in a circle.
        while !self.thread.is_finished() {
            if begun.elapsed() > AT_END {
                return Some("call sites are known in part only: walking a stack came to no end".into());
            }
            std::thread::sleep(SHORTEST);
        }
        let panicked = || Some("call sites are known in part only: the thread that samples faults panicked".to_owned());
        self.thread.join().unwrap_or_else(|_| panicked())
    }
}

struct Sampling {
    probe: FaultProbe,
    looks: HeapLooks,
    origin: Instant,
    begun: Instant,
    purse: Purse,
    duty: Duty,
    /// By PID: who it is, and when its pages are looked at next.
    workers: HashMap<u32, (WorkerId, Instant)>,
    /// Workers that can't be watched, and why the first of them can't.
    refused: usize,
    refusal: Option<FaultRefusal>,
}

/// What may be spent, since the last time that it was too much.
struct Purse {
    /// Share of a core.
    share: f64,
    since: Instant,
    spent: Duration,
    /// Samples until then, and records that found no room.
    told: (u64, u64),
}

/// When faults are told: for a part of the time, in stretches that begin at random.
struct Duty {
    /// They are told for one part of the time in so many.
    one_in: u64,
    since: Instant,
    /// How long they were told since then.
    on: Duration,
    /// How long a stretch is to be.
    length: Duration,
    /// When the stretch began that isn't over.
    begun: Option<Instant>,
    /// How full the fullest ring was in it, 0 to 1.
    full: f64,
    /// When the next one begins.
    next: Instant,
}

impl Duty {
    fn new(one_in: u64) -> Self {
        let now = Instant::now();
        Duty { one_in, since: now, on: Duration::ZERO, length: STRETCH, begun: None, full: 0.0, next: now }
    }

    /// How long it is until the stretch ends, or the next one begins.
    fn left(&self) -> Duration {
        let until = self.begun.map_or(self.next, |begun| begun + self.length);
        until.saturating_duration_since(Instant::now())
    }

    fn begin(&mut self) {
        self.begun = Some(Instant::now());
    }

    /// Ends the stretch, however long it was: the next one comes when this one was its part of the time, give or take what is random.
    fn end(&mut self) {
        let now = Instant::now();
        self.on += self.begun.take().map_or(Duration::ZERO, |begun| now - begun);
        if self.one_in == 1 {
            self.begin();
            return;
        }
        let most = u32::try_from(self.one_in).unwrap_or(u32::MAX);
        let pause = (self.since + self.on.saturating_mul(most)).saturating_duration_since(now);
        self.next = now + pause.mul_f64(2.0 * rand::random::<f64>());
    }
}

impl Sampling {
    fn new(probe: FaultProbe, looks: HeapLooks, origin: Instant, share: f64) -> Self {
        let begun = Instant::now();
        let (purse, duty) = (Purse::new(share, &probe), Duty::new(1));
        Sampling { probe, looks, origin, begun, purse, duty, workers: HashMap::new(), refused: 0, refusal: None }
    }

    fn run(mut self, received: &Receiver<Message>) -> Option<String> {
        loop {
            let mut most = self.duty.left();
            if self.duty.begun.is_some() && self.probe.wait(most) {
                // What is there is looked at before it is given back and used by others; where much comes, together.
                self.duty.full = self.duty.full.max(self.probe.take());
                most = SHORTEST;
            }
            match received.recv_timeout(most.min(self.duty.left())) {
                Ok(Message::Meet(worker, directory)) => self.meet(worker, directory),
                Ok(Message::Forget(worker)) => self.forget(worker),
                Err(RecvTimeoutError::Timeout) if !self.duty.left().is_zero() => {}
                Err(RecvTimeoutError::Timeout) if self.duty.begun.is_some() => {
                    // Where only some are told, what came after the last of them isn't to be taken for what it wrote.
                    self.probe.tell(self.duty.one_in == 1);
                    self.duty.end();
                    let full = std::mem::take(&mut self.duty.full).max(self.probe.take());
                    self.duty.length =
                        if full > A_QUARTER { self.duty.length / 2 } else { STRETCH.min(self.duty.length * 2) };
                    self.duty.length = self.duty.length.max(SHORTEST);
                    self.look();
                    self.keep_to_budget();
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.duty.begin();
                    self.probe.tell(true);
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.told()
    }

    /// Has fewer faults told from now on, if they cost too much.
    fn keep_to_budget(&mut self) {
        let Some(fewer) = self.purse.overspent(&self.probe) else { return };
        // Once they don't wake us any more, each costs less: how many fewer they have to be is seen then.
        let fewer = if self.duty.one_in == 1 { FEWER.0 } else { fewer };
        let one_in = (self.duty.one_in as f64 * fewer) as u64;
        self.probe.thin(one_in);
        self.duty = Duty { length: self.duty.length, ..Duty::new(one_in) };
        self.purse = Purse::new(self.purse.share, &self.probe);
    }

    fn meet(&mut self, worker: WorkerId, directory: OwnedFd) {
        match self.probe.watch(worker.pid, directory) {
            Ok(()) => {
                self.workers.insert(worker.pid, (worker, Instant::now() + LOOK_EVERY));
            }
            Err(error) => {
                self.refused += 1;
                self.refusal.get_or_insert(error);
            }
        }
    }

    fn forget(&mut self, worker: WorkerId) {
        if self.workers.get(&worker.pid).is_some_and(|(known, _)| *known == worker) {
            self.workers.remove(&worker.pid);
            self.probe.forget(worker.pid);
        }
    }

    /// Looks at the pages of the workers that are due.
    fn look(&mut self) {
        let now = Instant::now();
        let among = self.workers.len().max(1) as f64;
        for (worker, due) in self.workers.values_mut().filter(|(_, due)| *due <= now) {
            let before = thread::cpu_time();
            let t = self.origin.elapsed().as_secs_f64();
            if let Some((snapshot, maps)) = self.probe.look(worker.pid) {
                self.looks.put(t, *worker, snapshot, maps);
            }
            let took = thread::cpu_time().saturating_sub(before).as_secs_f64();
            // Half of the budget is for looks.
            let needs = Duration::try_from_secs_f64(took * among / (0.5 * self.purse.share)).unwrap_or(LOOK_EVERY);
            *due = now + LOOK_EVERY.max(needs).max(self.begun.elapsed() / LOOKS_EACH_LENGTH);
        }
    }

    /// Waits until all looks are taken in, and says what isn't known.
    fn told(self) -> Option<String> {
        let named = self.looks.finish();
        let refused = self.refusal.map(|error| match self.refused {
            1 => error.to_string(),
            several => format!("{error}; so it is with {several} workers"),
        });
        let unwalkable = self.probe.unwalkable().map(|(name, why, count)| match count {
            1 => format!("stacks can't be walked through {name}: {why}"),
            several => format!("stacks can't be walked through {name} ({why}) and {} more", several - 1),
        });
        let unknown = self.probe.unknown_interpreter().map(|name| super::unknown_scripts(name));
        let told: Vec<String> = refused.into_iter().chain(unwalkable).chain(unknown).chain(named).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

impl Purse {
    fn new(share: f64, probe: &FaultProbe) -> Self {
        Purse { share, since: Instant::now(), spent: spent(probe), told: probe.told() }
    }

    /// By how many times fewer faults are to be told, if they cost more than they may, or are too many to be followed.
    fn overspent(&self, probe: &FaultProbe) -> Option<f64> {
        let (elapsed, spent) = (self.since.elapsed(), spent(probe).saturating_sub(self.spent));
        let allowed = (elapsed + SAVED).mul_f64(self.share);
        if spent <= allowed && probe.followed() <= MOST_PAGES {
            return None;
        }
        let (samples, lost) = probe.told();
        let (samples, lost) = (samples - self.told.0, lost - self.told.1);
        // What found no room would have cost as much as the rest.
        let unseen = (samples + lost) as f64 / samples.max(1) as f64;
        let rate = spent.as_secs_f64() * unseen / elapsed.max(STRETCH).as_secs_f64();
        Some((rate / self.share).clamp(FEWER.0, FEWER.1))
    }
}

/// CPU time that was spent, the target's too.
fn spent(probe: &FaultProbe) -> Duration {
    let (samples, _) = probe.told();
    thread::cpu_time() + probe.each().saturating_mul(u32::try_from(samples).unwrap_or(u32::MAX))
}
