//! The sampler: a thread of its own that reads every worker at absolute deadlines.

use super::census::census;
use super::cost::{Account, thread_cpu};
use super::end::Cut;
use super::heap::HeapSampling;
use super::pulse::Pulse;
use crate::config::SampleConfig;
use crate::model::{Counting, Event, EventKind, Observing, WorkerId, WorkerLimits};
use crate::probe::{Connections, Counter, HostProbe, LinesRead, LookUps, MemoryGroup};
use crate::store::Entry;
use crate::supervise::Roster;
use crate::thread;
use crate::workload::Counters;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Interval of the readings of the host.
const HOST_EVERY: Duration = Duration::from_millis(250);

/// What is sampled.
pub struct Sampled {
    /// The workers.
    pub roster: Roster,
    /// Who counts their requests, if anyone can.
    pub counter: Option<Counter>,
    /// The target's control group, if it has one.
    pub group: Option<MemoryGroup>,
    /// Cadences and budget.
    pub config: SampleConfig,
    /// Reads what the preload library knows, if the target was launched with it.
    pub heap: Option<HeapSampling>,
    /// What the driver has done so far. `None` if nothing is driven.
    pub driven: Option<Arc<Counters>>,
    /// What all threads know of the run; kept up to date with the number of workers that live.
    pub pulse: Pulse,
}

/// How long a reading that was asked for is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A sampler that runs.
pub struct Sampler {
    thread: JoinHandle<SamplerEnd>,
    asks: SyncSender<Ask>,
}

/// What a sampler is asked for.
enum Ask {
    /// To read everything out of turn, and to say when it is done.
    Read(SyncSender<()>),
    /// To say how requests have been counted so far.
    Counted(SyncSender<Counted>),
    /// To take a last reading and end.
    End,
}

/// How requests have been counted so far.
#[derive(Debug, Default)]
pub struct Counted {
    /// How the lines of the log were understood, if there is one.
    pub lines: Option<LinesRead>,
    /// Requests of PIDs that were never those of workers.
    pub strangers: u64,
    /// The first such PID.
    pub stranger: Option<u32>,
    /// Why nothing could be counted, if that is so.
    pub error: Option<String>,
}

/// What a sampler leaves at its end.
#[derive(Debug)]
pub struct SamplerEnd {
    /// What observing cost.
    pub observing: Observing,
    /// Classes of request, in the order of `Sample::by_class`.
    pub classes: Vec<String>,
    /// Limits that each worker stands under by itself, as the first has them.
    pub worker_limits: Option<WorkerLimits>,
    /// Why requests could not be counted, if at the end they couldn't.
    pub counting_error: Option<String>,
    /// Why not every worker could be followed, if some couldn't.
    pub unopened: Option<String>,
    /// Which workers' allocations could not be traced, if that was asked for and some couldn't.
    pub untraced: Option<String>,
}

impl Sampler {
    /// Starts sampling into `sink`.
    ///
    /// # Errors
    /// If its thread can't be started.
    pub fn start(plan: Sampled, sink: Sender<Entry>) -> Result<Self, Cut> {
        let (asks, asked) = sync_channel(1);
        let started = thread::start("sampler", move || {
            let _sampled = plan.pulse.sampled();
            Sampling::new(plan, sink).run(&asked)
        });
        let thread = started.map_err(|error| Cut::recording(error.to_string()))?;
        Ok(Sampler { thread, asks })
    }

    /// Reads everything now, whatever the cadence, and returns once that is recorded, or after two seconds.
    pub fn read(&self) {
        let (done, is_done) = sync_channel(1);
        if self.asks.try_send(Ask::Read(done)).is_ok() {
            let _ = is_done.recv_timeout(PATIENCE);
        }
    }

    /// How requests have been counted so far; `None` if it can't say now.
    pub fn counted(&self) -> Option<Counted> {
        let (answer, answered) = sync_channel(1);
        self.asks.try_send(Ask::Counted(answer)).ok()?;
        answered.recv_timeout(PATIENCE).ok()
    }

    /// Takes a last reading and ends; `None` if the thread panicked.
    pub fn finish(self) -> Option<SamplerEnd> {
        let _ = self.asks.send(Ask::End);
        self.thread.join().ok()
    }
}

/// How requests are counted when nothing but the driver counts them.
pub fn driver_counting() -> Counting {
    Counting {
        source: crate::model::CountingSource::Driver,
        per_worker: false,
        worth:
            "requests are those the driver sent, shared out evenly over the workers; a worker that serves more than \
                its share seems to grow faster than it does"
                .into(),
    }
}

struct Sampling {
    plan: Sampled,
    sink: Sender<Entry>,
    host: HostProbe,
    account: Account,
    next_slow: HashMap<WorkerId, Instant>,
    next_host: Instant,
    next_census: Instant,
    /// Memory of each worker at its last reading; `None` if it could not be read.
    memory: HashMap<WorkerId, Option<u64>>,
    /// PIDs of all workers there ever were.
    known: HashSet<u32>,
    /// The worker that was read last, and whether the user knows that they are read in turns.
    last_read: u32,
    in_turns: bool,
    /// Processes that the kernel had killed in the group before the run, and until now.
    kills_before: u64,
    kills: u64,
    worker_limits: Option<WorkerLimits>,
    counting_error: Option<String>,
}

impl Sampling {
    fn new(plan: Sampled, sink: Sender<Entry>) -> Self {
        let account = Account::new(plan.config.overhead.0);
        let kills = plan.group.as_ref().and_then(|group| group.read().kills).unwrap_or(0);
        Sampling {
            plan,
            sink,
            host: HostProbe::new(),
            account,
            next_slow: HashMap::new(),
            next_host: Instant::now(),
            next_census: Instant::now(),
            memory: HashMap::new(),
            known: HashSet::new(),
            last_read: 0,
            in_turns: false,
            kills_before: kills,
            kills,
            worker_limits: None,
            counting_error: None,
        }
    }

    fn run(mut self, asked: &Receiver<Ask>) -> SamplerEnd {
        let begun = Instant::now();
        let (mut ticks, mut missed) = (0, 0);
        let mut deadline = begun;
        let mut last = begun;
        'ticks: loop {
            self.read(false);
            ticks += 1;
            let now = Instant::now();
            self.account.earn(now - last);
            last = now;
            let interval = self.account.interval(self.plan.config.every.0);
            deadline += interval;
            let late = Instant::now().saturating_duration_since(deadline);
            if !late.is_zero() {
                let count = (late.as_nanos() / interval.as_nanos().max(1)) as u64 + 1;
                missed += count;
                deadline += interval.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
                self.event(EventKind::MissedTicks { count });
            }
            loop {
                match asked.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(Ask::Read(done)) => {
                        self.read(true);
                        let _ = done.send(());
                    }
                    Ok(Ask::Counted(answer)) => {
                        let _ = answer.send(self.counted());
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                    Ok(Ask::End) | Err(RecvTimeoutError::Disconnected) => break 'ticks,
                }
            }
        }
        self.read(true);
        self.tell_counting();
        let elapsed = begun.elapsed();
        SamplerEnd {
            untraced: self.plan.heap.and_then(HeapSampling::finish),
            unopened: self.plan.roster.unopened().map(ToString::to_string),
            observing: self.account.close(thread_cpu(), elapsed, ticks + 1, missed),
            classes: self.plan.counter.map_or_else(Vec::new, |c| c.classes().to_vec()),
            worker_limits: self.worker_limits,
            counting_error: self.counting_error,
        }
    }

    /// One round of readings, of all workers and the host if it is `whole`, else of those whose turn it is; enters what
    /// it cost.
    fn read(&mut self, whole: bool) {
        let before = thread_cpu();
        if whole {
            self.next_host = Instant::now();
            self.next_census = self.next_host;
        }
        let (readings, slow) = self.round(whole);
        self.account.tick(thread_cpu().saturating_sub(before + slow), readings);
    }

    /// The readings of a round; returns how many workers were read, and how long the slow parts took.
    fn round(&mut self, whole: bool) -> (usize, Duration) {
        if let Some(counter) = &mut self.plan.counter {
            let polled = counter.poll();
            if polled.is_err() || counter.is_fresh() {
                self.counting_error = polled.err();
            }
        }
        self.roll_call();
        let mut gone = Vec::new();
        let mut entries = Vec::new();
        let mut slow_parts = Duration::ZERO;
        let mut connections = Connections::default();
        let workers = self.plan.roster.len();
        let quota = if whole { workers } else { self.account.quota(workers) };
        let mut readings = 0;
        for probe in self.plan.roster.members_after(self.last_read).take(quota) {
            readings += 1;
            self.last_read = probe.id().pid;
            let now = Instant::now();
            let due = self.next_slow.get(&probe.id()).is_none_or(|due| *due <= now);
            let slow = due && self.account.allows_slow();
            let t = now.duration_since(self.plan.pulse.origin()).as_secs_f64();
            let Some((mut sample, cost)) = probe.read(t, slow.then_some(&mut connections)) else {
                gone.push(probe.id());
                continue;
            };
            if let Some(took) = cost.slow {
                slow_parts += took;
                self.account.pay(took);
                self.worker_limits = self.worker_limits.or_else(|| probe.limits(&sample));
                let pause = self.account.slow_pause(self.plan.config.slow_every.0, took, workers);
                self.next_slow.insert(probe.id(), now + pause);
            }
            if let Some(counter) = self.plan.counter.as_ref().filter(|counter| counter.is_fresh()) {
                let served = counter.served(probe.id().pid);
                sample.requests = Some(served.map_or(0, |s| s.total));
                sample.by_class = served.map_or_else(Vec::new, |s| s.by_class.clone());
            }
            if let Some(heap) = &mut self.plan.heap {
                let account = &self.account;
                slow_parts += heap.read(probe, &mut sample, |wanted, took| account.slow_pause(wanted, took, workers));
            }
            self.account.enter(&sample, cost);
            self.memory.insert(sample.worker, sample.anon_and_swap());
            entries.push(Entry::Sample(sample));
        }
        if readings < workers && !self.in_turns {
            self.in_turns = true;
            let text = format!(
                "{workers} workers were too many to read each of them every time within `sample.overhead`: they were \
                 read in turns"
            );
            entries.push(Entry::Event(Event { t: self.now(), kind: EventKind::Note { text } }));
        }
        for worker in gone {
            self.plan.roster.retire(worker);
        }
        for entry in entries {
            self.put(entry);
        }
        self.plan.pulse.has_alive(self.plan.roster.len());
        if self.next_host <= Instant::now() {
            self.next_host = Instant::now() + HOST_EVERY;
            self.read_host();
        }
        if self.next_census <= Instant::now() && !self.plan.pulse.is_stopping() {
            slow_parts += self.take_census();
        }
        (readings, slow_parts)
    }

    /// Who has come, who has gone.
    fn roll_call(&mut self) {
        let stopping = self.plan.pulse.is_stopping();
        let (arrivals, departures) = self.plan.roster.refresh(!stopping);
        for departure in departures {
            self.event(EventKind::Exited { worker: departure.worker, cause: departure.cause, stopping });
            self.next_slow.remove(&departure.worker);
            self.memory.remove(&departure.worker);
            if let Some(heap) = &mut self.plan.heap {
                heap.forget(departure.worker);
            }
            if let Some(counter) = &mut self.plan.counter {
                counter.forget(departure.worker.pid);
            }
        }
        for arrival in arrivals {
            self.known.insert(arrival.worker.pid);
            let (worker, parent, command) = (arrival.worker, arrival.parent, arrival.command);
            if let Some(counter) = &mut self.plan.counter {
                counter.meet(worker.pid);
            }
            self.event(EventKind::Spawned { worker, parent, command, age: arrival.age });
        }
    }

    fn counted(&self) -> Counted {
        let Some(counter) = &self.plan.counter else { return Counted::default() };
        let (strangers, stranger) = counter.strangers(&self.known);
        let error = self.counting_error.clone().filter(|_| counter.total() == 0);
        Counted { lines: counter.lines().cloned(), strangers, stranger, error }
    }

    /// Says how what requests are counted by was understood.
    fn tell_counting(&self) {
        let Some(counter) = &self.plan.counter else { return };
        let Counted { lines, strangers, stranger, .. } = self.counted();
        if let Some(LinesRead { lines, matched, unmatched }) = lines {
            self.event(EventKind::LogRead { lines, matched, strangers, unmatched, stranger });
        }
        if let Some(LookUps { made, left_out }) = counter.look_ups() {
            self.event(EventKind::PageRead { look_ups: made, left_out });
        }
    }

    /// Takes account of the whole target; returns the CPU time that took.
    fn take_census(&mut self) -> Duration {
        let before = thread_cpu();
        let pids = self.plan.roster.whole_target();
        let workers: HashSet<u32> = self.plan.roster.members_after(0).map(|probe| probe.id().pid).collect();
        let members = self.plan.roster.members_after(0).filter_map(|probe| self.memory.get(&probe.id()));
        let memory = members.copied().sum();
        self.put(Entry::Census(census(self.now(), &pids, &workers, memory)));
        let took = thread_cpu().saturating_sub(before);
        self.next_census = Instant::now() + self.account.census_pause(took, self.plan.pulse.origin().elapsed());
        took
    }

    fn read_host(&mut self) {
        let mut sample = self.host.read(self.now());
        let driven = self.plan.driven.as_ref().map(|driven| (driven.sent_by_step(), driven.totals().failed));
        sample.requests = match &self.plan.counter {
            Some(counter) => Some(counter.total()),
            // One that failed may never have reached a worker.
            None => driven.as_ref().map(|(by_step, failed)| by_step.iter().sum::<u64>().saturating_sub(*failed)),
        };
        sample.by_step = driven.map(|(by_step, _)| by_step).filter(|by_step| by_step.len() > 1).unwrap_or_default();
        if let Some(group) = &self.plan.group {
            let reading = group.read();
            sample.cgroup_memory = reading.memory;
            sample.cgroup_shmem = reading.shmem;
            sample.cgroup_kernel = reading.kernel;
            sample.cgroup_sock = reading.sock;
            if let Some(kills) = reading.kills.filter(|kills| *kills > self.kills) {
                let since = kills - self.kills_before;
                self.kills = kills;
                self.event(match group.limit() {
                    Some(limit) => EventKind::MemoryLimit { limit, kills: since },
                    None => EventKind::Note {
                        text: format!(
                            "the kernel killed {since} processes of the target's control group for want of memory"
                        ),
                    },
                });
            }
        }
        self.put(Entry::Host(sample));
    }

    fn now(&self) -> f64 {
        self.plan.pulse.seconds()
    }

    fn event(&self, kind: EventKind) {
        self.put(Entry::Event(Event { t: self.now(), kind }));
    }

    /// The recorder may have given up, as on a full disk; the run is then being stopped.
    fn put(&self, entry: Entry) {
        let _ = self.sink.send(entry);
    }
}
