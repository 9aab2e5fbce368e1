//! The sampler: a thread of its own that reads every worker at absolute deadlines.

use super::accounting::Accounting;
use super::beside::not_of_the_target;
use super::choosing::ChoosingWorkers;
use super::cost::Account;
use super::end::Cut;
use super::heap::Tracing;
use super::mapping::Mapping;
use super::pulse::Pulse;
use crate::config::SampleConfig;
use crate::model::{Chosen, Counting, Event, EventKind, Observing, WorkerId, WorkerLimits, shown_command};
use crate::probe::{Connections, Counter, HostProbe, LinesRead, LookUps, MemoryGroup, NeighbourProbe};
use crate::store::Entry;
use crate::supervise::{Arrival, Departure, Roster, Rule};
use crate::thread;
use crate::workload::Counters;
use regex::RegexSet;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Interval of the readings of the host.
const HOST_EVERY: Duration = Duration::from_millis(250);

/// Interval of the looks at who else uses the CPU, which go through all processes of the host.
const NEIGHBOURS_EVERY: Duration = Duration::from_secs(1);

/// What is sampled.
pub struct Sampled {
    /// The workers.
    pub roster: Roster,
    /// Who counts their requests, if anyone can.
    pub counter: Option<Counter>,
    /// Whom the account of the whole target leaves out, by the command line.
    pub leave_out: RegexSet,
    /// The target's control group, if it has one.
    pub group: Option<MemoryGroup>,
    /// Cadences and budget.
    pub config: SampleConfig,
    /// Whether the target works already when sampling begins; else it is told.
    pub works: bool,
    /// Who takes memory, if that is asked for.
    pub heap: Option<Tracing>,
    /// What the driver has done so far. `None` if nothing is driven.
    pub driven: Option<Arc<Counters>>,
    /// Whether it is the target of the run, with which the host is looked at; not a service.
    pub is_of_run: bool,
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
    /// To find out now who the workers are, if that is still to be found out: the target works.
    Choose,
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
    /// That slow readings were far fewer than wanted, if so.
    pub thinned: Option<String>,
    /// That memory maps were read too seldom to say where memory grows, if so.
    pub unmapped: Option<String>,
    /// That processes of the target's control group were not looked at, if so.
    pub beside: Option<String>,
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

    /// The target begins to work: now it shows who the workers are, if nobody said it.
    pub fn choose_workers(&self) {
        let _ = self.asks.send(Ask::Choose);
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
            "requests are those the driver sent, shared out evenly over the workers that use the CPU; one that serves more \
                than its share seems to grow faster than it does"
                .into(),
    }
}

struct Sampling {
    plan: Sampled,
    sink: Sender<Entry>,
    host: HostProbe,
    account: Account,
    /// Who the workers are, while that is to be found out.
    choosing: Option<ChoosingWorkers>,
    next_slow: HashMap<WorkerId, Instant>,
    next_host: Instant,
    /// Who else uses the CPU, and when that is looked at next.
    neighbours: NeighbourProbe,
    next_neighbours: Instant,
    /// The account of the whole target.
    accounting: Accounting,
    /// Where the workers' memory lies.
    mapping: Mapping,
    connections: Connections,
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
    /// Whether the user knows that a process became another program.
    told_renewed: bool,
}

impl Sampling {
    fn new(plan: Sampled, sink: Sender<Entry>) -> Self {
        let account = Account::new(plan.config.overhead.0);
        let choosing = plan.roster.is_undecided().then(|| ChoosingWorkers::new(plan.works));
        plan.pulse.is_choosing(choosing.is_some());
        let kills = plan.group.as_ref().and_then(|group| group.read().kills).unwrap_or(0);
        let accounting = Accounting::new(plan.leave_out.clone());
        Sampling {
            plan,
            sink,
            host: HostProbe::new(),
            neighbours: NeighbourProbe::default(),
            next_neighbours: Instant::now(),
            account,
            choosing,
            next_slow: HashMap::new(),
            next_host: Instant::now(),
            accounting,
            mapping: Mapping::default(),
            connections: Connections::default(),
            known: HashSet::new(),
            last_read: 0,
            in_turns: false,
            kills_before: kills,
            kills,
            worker_limits: None,
            counting_error: None,
            told_renewed: false,
        }
    }

    fn run(mut self, asked: &Receiver<Ask>) -> SamplerEnd {
        let begun = Instant::now();
        let (mut ticks, mut missed) = (0, 0);
        let mut deadline = begun;
        let mut last = begun;
        'ticks: loop {
            let before = thread::cpu_time();
            self.read(false);
            let computed = thread::cpu_time().saturating_sub(before);
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
                let own = if computed > interval { count } else { 0 };
                self.event(EventKind::MissedTicks { count, own });
            }
            loop {
                match asked.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(Ask::Read(done)) => {
                        self.read(true);
                        let _ = done.send(());
                    }
                    Ok(Ask::Choose) => self.choosing.iter_mut().for_each(ChoosingWorkers::begin),
                    Ok(Ask::Counted(answer)) => {
                        let _ = answer.send(self.counted());
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                    Ok(Ask::End) | Err(RecvTimeoutError::Disconnected) => break 'ticks,
                }
            }
        }
        self.read(true);
        if let Some(choice) = self.choosing.as_mut().and_then(ChoosingWorkers::latest) {
            self.decide(choice);
        }
        self.tell_counting();
        let elapsed = begun.elapsed();
        SamplerEnd {
            untraced: self.plan.heap.and_then(Tracing::finish),
            thinned: self.account.thinned(elapsed, ticks + 1, self.plan.config.slow_every.0),
            beside: not_of_the_target(&self.plan.roster, self.plan.group.as_ref()),
            unmapped: self.mapping.untold(),
            unopened: self.plan.roster.unopened().map(ToString::to_string),
            observing: self.account.close(thread::cpu_time(), elapsed, ticks + 1, missed),
            classes: self.plan.counter.map_or_else(Vec::new, |c| c.classes().to_vec()),
            worker_limits: self.worker_limits,
            counting_error: self.counting_error,
        }
    }

    /// One round of readings, of all workers and the host if it is `whole`, else of those whose turn it is; enters what
    /// it cost.
    fn read(&mut self, whole: bool) {
        let before = thread::cpu_time();
        if whole {
            self.next_host = Instant::now();
            self.accounting.due_at(self.next_host);
            self.plan.roster.look_soon();
        }
        let (readings, slow) = self.round(whole);
        self.account.tick(thread::cpu_time().saturating_sub(before + slow), readings);
    }

    /// The readings of a round; returns how many workers were read, and how long the slow parts took.
    fn round(&mut self, whole: bool) -> (usize, Duration) {
        if let Some(counter) = &mut self.plan.counter {
            let polled = counter.poll();
            // Whoever is asked may be stopped before its workers are.
            let goes_on = !self.plan.pulse.is_stopping();
            if goes_on && (polled.is_err() || counter.is_fresh()) {
                self.counting_error = polled.err();
            }
        }
        self.roll_call();
        let (mut gone, mut changed) = (Vec::new(), Vec::new());
        let mut entries = Vec::new();
        let mut slow_parts = Duration::ZERO;
        self.connections.begin_round();
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
            let Some((mut sample, cost)) = probe.read(t, slow.then_some(&mut self.connections)) else {
                gone.push(probe.id());
                continue;
            };
            if probe.has_changed() {
                changed.push(probe.id());
                continue;
            }
            if let Some(took) = cost.slow {
                slow_parts += took + cost.tables.0;
                self.account.pay(took + cost.tables.0);
                self.account.pay_elsewhere(cost.tables.1);
                self.mapping.walked(probe.id(), cost.walk);
                self.worker_limits = self.worker_limits.or_else(|| probe.limits(&sample));
                let pause = self.account.slow_pause(self.plan.config.slow_every.0, took, workers);
                self.next_slow.insert(probe.id(), now + pause);
            }
            if let Some(counter) = self.plan.counter.as_ref().filter(|counter| counter.is_fresh()) {
                let served = counter.served_by(probe);
                sample.requests = counter.can_tell(probe).then(|| served.map_or(0, |s| s.total));
                sample.by_class = served.map_or_else(Vec::new, |s| s.by_class.clone());
            }
            if let Some(heap) = self.plan.heap.as_mut().filter(|_| is_worker(&self.choosing, probe.id())) {
                let account = &self.account;
                slow_parts += heap.read(probe, &mut sample, |wanted, took| account.slow_pause(wanted, took, workers));
            }
            self.account.enter(&sample, cost);
            self.accounting.enter(sample.worker, sample.anon_and_swap());
            entries.push(Entry::Sample(sample));
        }
        let elapsed = self.plan.pulse.origin().elapsed();
        let (maps, took) = self.mapping.read(&self.plan.roster, &entries, &self.account, elapsed, whole);
        entries.extend(maps);
        slow_parts += took;
        // As long as it isn't known who is a worker, everybody is read.
        if readings < workers && !self.in_turns && self.choosing.is_none() {
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
        changed.into_iter().for_each(|worker| self.renew(worker));
        for entry in entries {
            self.put(entry);
        }
        slow_parts += self.look_for_workers();
        if self.next_host <= Instant::now() {
            self.next_host = Instant::now() + HOST_EVERY;
            self.read_host();
        }
        if self.accounting.is_due() && !self.plan.pulse.is_stopping() {
            slow_parts += self.take_census();
        }
        (readings, slow_parts)
    }

    /// Looks who the workers are, if that is to be found out, and keeps everybody up to date with how many live; returns the CPU
    /// time that took, which comes once in a run.
    fn look_for_workers(&mut self) -> Duration {
        let before = thread::cpu_time();
        if self.choosing.is_none() && !self.plan.pulse.is_stopping() && self.plan.roster.reconsider() {
            self.choosing = Some(ChoosingWorkers::again());
            self.plan.pulse.is_choosing(true);
        }
        let choosing = self.choosing.as_mut().filter(|_| !self.plan.pulse.is_stopping());
        if let Some(choice) = choosing.and_then(|choosing| choosing.look(&self.plan.roster, self.plan.counter.as_ref()))
        {
            self.decide(choice);
        }
        let likely = self.choosing.as_ref().map(|choosing| choosing.likely().len()).filter(|likely| *likely > 0);
        self.plan.pulse.has_alive(likely.unwrap_or(self.plan.roster.len()));
        thread::cpu_time().saturating_sub(before)
    }

    /// Lets what was found be the workers, and records what was read of them meanwhile.
    fn decide(&mut self, (rule, chosen): (Rule, Chosen)) {
        let Some(choosing) = self.choosing.take() else { return };
        self.plan.roster.decide(rule, |worker| choosing.likely().contains(&worker));
        self.event(EventKind::Chosen(chosen));
        self.plan.pulse.is_choosing(false);
        for entry in choosing.release() {
            self.put(entry);
        }
        self.accounting.due_at(Instant::now());
    }

    /// Who has come, who has gone.
    fn roll_call(&mut self) {
        let stopping = self.plan.pulse.is_stopping();
        let (arrivals, departures) = self.plan.roster.refresh(!stopping);
        departures.into_iter().for_each(|departure| self.depart(departure, stopping));
        arrivals.into_iter().for_each(|arrival| self.arrive(arrival));
    }

    fn depart(&mut self, departure: Departure, stopping: bool) {
        self.event(EventKind::Exited { worker: departure.worker, cause: departure.cause, stopping });
        self.next_slow.remove(&departure.worker);
        self.accounting.forget(departure.worker);
        self.mapping.forget(departure.worker);
        if let Some(heap) = &mut self.plan.heap {
            heap.forget(departure.worker);
        }
        if let Some(counter) = &mut self.plan.counter {
            counter.forget(departure.own_pid);
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let (worker, parent, command) = (arrival.worker, arrival.parent, arrival.command);
        self.known.extend([worker.pid, arrival.own_pid]);
        self.choosing.iter_mut().for_each(|choosing| choosing.meet(worker));
        if let Some(counter) = &mut self.plan.counter
            && !counter.meet(arrival.own_pid)
        {
            let text = format!(
                "several workers know themselves by PID {}, in namespaces of their own: their requests can't be told apart",
                arrival.own_pid
            );
            self.event(EventKind::Note { text });
        }
        self.event(EventKind::Spawned { worker, parent, command, age: arrival.age });
    }

    /// Takes in that a process has become another program: what it was has ended.
    fn renew(&mut self, worker: WorkerId) {
        let Some((departure, arrival)) = self.plan.roster.renew(worker) else { return };
        self.depart(departure, self.plan.pulse.is_stopping());
        let untold = !self.told_renewed && self.choosing.is_none();
        if let Some(arrival) = arrival.as_ref().filter(|_| untold) {
            self.told_renewed = true;
            let (pid, command) = (worker.pid, shown_command(&arrival.command));
            let text = format!(
                "PID {pid} began another program in mid-run (`exec`), {command}: from then on it is judged as another worker"
            );
            self.event(EventKind::Note { text });
        }
        arrival.into_iter().for_each(|arrival| self.arrive(arrival));
    }

    fn counted(&self) -> Counted {
        let Some(counter) = &self.plan.counter else { return Counted::default() };
        let (strangers, stranger) = counter.strangers(&self.known);
        let error = self.counting_error.clone().filter(|_| counter.total() == 0);
        Counted { lines: counter.lines().cloned(), strangers, stranger, error }
    }

    /// Says how what requests are counted by was understood.
    fn tell_counting(&mut self) {
        let Some(counter) = &self.plan.counter else { return };
        let Counted { lines, strangers, stranger, .. } = self.counted();
        let lines = lines.map(|LinesRead { lines, matched, unmatched }| EventKind::LogRead {
            lines,
            matched,
            strangers,
            unmatched,
            stranger,
        });
        let page =
            counter.look_ups().map(|LookUps { made, left_out }| EventKind::PageRead { look_ups: made, left_out });
        for event in lines.into_iter().chain(page) {
            self.event(event);
        }
    }

    /// Takes account of the whole target; returns the CPU time that took.
    fn take_census(&mut self) -> Duration {
        let before = thread::cpu_time();
        let likely = self.choosing.as_ref().map(ChoosingWorkers::likely);
        let taken = self.accounting.take(self.now(), &self.plan.roster, likely, &self.account);
        let files_took = taken.files_took;
        if let Some(pid) = taken.left_out {
            let text =
                format!("`leave-out` leaves processes out of the account of the whole target, the first PID {pid}");
            self.event(EventKind::Note { text });
        }
        match &mut self.choosing {
            Some(choosing) => choosing.keep(taken.snapshot),
            None => self.put(Entry::Census(taken.census())),
        }
        let took = thread::cpu_time().saturating_sub(before);
        let pause = self.account.census_pause(took.saturating_sub(files_took), self.plan.pulse.origin().elapsed());
        self.accounting.due_at(Instant::now() + pause);
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
        if self.plan.is_of_run && self.next_neighbours <= Instant::now() {
            self.next_neighbours = Instant::now() + NEIGHBOURS_EVERY;
            sample.neighbours = Some(self.neighbours.read());
        }
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

    fn event(&mut self, kind: EventKind) {
        self.put(Entry::Event(Event { t: self.now(), kind }));
    }

    /// The recorder may have given up, as on a full disk; the run is then being stopped.
    fn put(&mut self, entry: Entry) {
        let ready = match &mut self.choosing {
            Some(choosing) => choosing.hold(entry),
            None => Some(entry),
        };
        if let Some(entry) = ready {
            let _ = self.sink.send(entry);
        }
    }
}

/// Whether a member of the roster is a worker, as far as that is known.
fn is_worker(choosing: &Option<ChoosingWorkers>, id: WorkerId) -> bool {
    choosing.as_ref().is_none_or(|choosing| choosing.likely().contains(&id))
}
