//! Finds out who the workers of a target are, while everybody is read; what was read of the others is left out then.
//!
//! Who is a worker shows under load: a log names them, they use the CPU, they hold a socket. So it is looked for some seconds
//! once the target works, and until then all readings are held back, so that none of a worker is lost.

use super::census::Snapshot;
use crate::model::{Choosing, Chosen, Event, EventKind, ExitCause, WorkerId};
use crate::probe::{Counter, Listening};
use crate::store::Entry;
use crate::supervise::{Candidate, MEASURABLE, Roster, Rule, choose};
use crate::thread;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

/// How long the target is looked at while it works, and how long at most until somebody has.
const LOOK: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(6);

/// How long everybody is looked at in turn at most, and how often: what somebody uses is what was used between two looks.
const LONGEST_TURNS: Duration = Duration::from_secs(30);
const TURNS: u32 = 2;

/// How long a service may take to start again.
const STARTS: Duration = Duration::from_secs(60);

/// How often it is looked who does what.
const OFTEN: Duration = Duration::from_millis(400);

/// Time between two looks, in times of the CPU time that the last one took.
const IN_TURN: u32 = 20;

/// CPU time that one look may take: to wait for a processor, as on a busy machine, costs nobody anything.
const AT_ONCE: Duration = Duration::from_millis(50);

/// Lines that are held back at most; the oldest are given up for newer ones.
const MOST_HELD: usize = 1 << 17;
const MOST_SNAPSHOTS: usize = 64;

/// A choice that isn't made yet.
pub struct ChoosingWorkers {
    /// When the target began to work, as far as it is known.
    begun: Option<Instant>,
    next: Instant,
    /// Whether nothing was looked at yet, since the target began to work.
    anew: bool,
    /// The process that was looked at last.
    last: u32,
    /// How often everybody was looked at since the target began to work.
    turns: u32,
    /// Of a choice that is made again: until when the service starts, at most.
    starts_until: Option<Instant>,
    seen: BTreeMap<WorkerId, Seen>,
    held: VecDeque<Entry>,
    /// The whole target at moments at which it wasn't known yet who is a worker.
    snapshots: VecDeque<Snapshot>,
    /// Whom the last look would choose.
    likely: HashSet<WorkerId>,
    latest: Option<(Rule, Chosen)>,
}

/// What is known of a process.
struct Seen {
    candidate: Candidate,
    /// CPU time that it had used when it was looked at first.
    before: Option<f64>,
    /// When it was read first, in seconds since the start of the run.
    first_read: Option<f64>,
}

impl ChoosingWorkers {
    /// A choice that begins now; the target works already if it `works`.
    pub fn new(works: bool) -> Self {
        let now = Instant::now();
        let begun = works.then_some(now);
        let (seen, held, likely) = (BTreeMap::new(), VecDeque::new(), HashSet::new());
        ChoosingWorkers {
            begun,
            next: now,
            anew: true,
            last: 0,
            turns: 0,
            starts_until: None,
            seen,
            held,
            snapshots: VecDeque::new(),
            likely,
            latest: None,
        }
    }

    /// A choice that is made again, for the service is being started again: what a process does while others come is to start.
    pub fn again() -> Self {
        ChoosingWorkers { starts_until: Some(Instant::now() + STARTS), ..ChoosingWorkers::new(true) }
    }

    /// The target begins to work now: what it did before says nothing.
    pub fn begin(&mut self) {
        self.begun = Some(Instant::now());
        self.next = Instant::now();
        self.anew = true;
        (self.last, self.turns) = (0, 0);
        for seen in self.seen.values_mut() {
            seen.before = None;
            seen.candidate.cpu = 0.0;
        }
    }

    /// Takes a process in that has just come: it may end before it is looked at.
    pub fn meet(&mut self, worker: WorkerId) {
        if self.starts_until.is_some_and(|until| Instant::now() < until) {
            self.begin();
        }
        if let Some(read) = Candidate::read(worker.pid).filter(|read| read.id.is_same_process(worker)) {
            let candidate = Candidate { id: worker, ..read };
            // One that comes while the target works has used all of its time since.
            let before = (!self.anew).then_some(0.0);
            self.seen.entry(candidate.id).or_insert(Seen { candidate, before, first_read: None });
        }
    }

    /// Holds a line back that is about a process, which may be no worker; hands any other back.
    pub fn hold(&mut self, entry: Entry) -> Option<Entry> {
        let Some(worker) = about(&entry) else { return Some(entry) };
        if let (Entry::Sample(sample), Some(seen)) = (&entry, self.seen.get_mut(&worker)) {
            let first = *seen.first_read.get_or_insert(sample.t);
            seen.candidate.read_for = sample.t - first;
        }
        if let (Some(cause), Some(seen)) = (cause(&entry), self.seen.get_mut(&worker)) {
            seen.candidate.crashed |= cause.is_abnormal();
        }
        if self.held.len() == MOST_HELD {
            self.held.pop_front();
        }
        self.held.push_back(entry);
        None
    }

    /// Looks who does what, if it is time to; the choice if it can be made.
    pub fn look(&mut self, roster: &Roster, counter: Option<&Counter>) -> Option<(Rule, Chosen)> {
        if self.next > Instant::now() {
            return None;
        }
        let before = thread::cpu_time();
        self.take_in(roster, counter);
        self.next = Instant::now() + OFTEN.max(thread::cpu_time().saturating_sub(before) * IN_TURN);
        let candidates: Vec<Candidate> = self.seen.values().map(|seen| seen.candidate.clone()).collect();
        let (rule, chosen) = choose(&candidates, &roster.roots())?;
        self.likely = candidates.iter().filter(|candidate| rule.covers(candidate)).map(|c| c.id).collect();
        let by_work = chosen.groups.iter().all(|group| group.because != Choosing::Listening);
        self.latest = Some((rule, chosen));
        let named = counter.is_none() || candidates.iter().any(|candidate| candidate.named);
        let worked = by_work && candidates.iter().map(|candidate| candidate.cpu).sum::<f64>() >= MEASURABLE;
        // A log that names nobody isn't waited for as long as somebody who works.
        let needed = match (named, worked) {
            (true, true) => LOOK,
            (false, true) => 2 * LOOK,
            (_, false) if self.starts_until.is_some() => return None,
            (_, false) => LONGEST,
        };
        let worked_for = self.begun?.elapsed();
        let by_all = self.turns >= TURNS || worked_for >= LONGEST_TURNS;
        if by_all && worked_for >= needed { self.latest.take() } else { None }
    }

    /// The choice of the last look: at the end of a run, nobody may be left to look at.
    pub fn latest(&mut self) -> Option<(Rule, Chosen)> {
        self.latest.take()
    }

    /// Keeps a look at the whole target, to be accounted for when it is known who is a worker.
    pub fn keep(&mut self, snapshot: Snapshot) {
        if self.snapshots.len() == MOST_SNAPSHOTS {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back(snapshot);
    }

    /// What was held back of the workers, and the accounts of the whole target.
    pub fn release(self) -> impl Iterator<Item = Entry> {
        let workers = self.likely;
        let pids: HashSet<u32> = workers.iter().map(|worker| worker.pid).collect();
        let account = move |snapshot: Snapshot| Entry::Census(snapshot.census(&pids, snapshot.memory_of(&pids)));
        let accounts = self.snapshots.into_iter().map(account);
        let of_worker = move |entry: &Entry| about(entry).is_none_or(|worker| workers.contains(&worker));
        self.held.into_iter().filter(of_worker).chain(accounts)
    }

    /// Who would be chosen now.
    pub fn likely(&self) -> &HashSet<WorkerId> {
        &self.likely
    }

    /// Looks at the processes in turn, for a while: a target of thousands must not keep the readings.
    fn take_in(&mut self, roster: &Roster, counter: Option<&Counter>) {
        self.anew = false;
        self.seen.values_mut().for_each(|seen| seen.candidate.lives = false);
        for probe in roster.members_after(0) {
            self.seen.entry(probe.id()).and_modify(|seen| seen.candidate.lives = true);
        }
        let (before, mut listening) = (thread::cpu_time(), Listening::default());
        for probe in roster.members_after(self.last) {
            if thread::cpu_time().saturating_sub(before) > AT_ONCE {
                break;
            }
            self.turns += u32::from(probe.id().pid <= self.last);
            self.last = probe.id().pid;
            let Some(mut candidate) = Candidate::of(probe, &mut listening) else { continue };
            let known = self.seen.get(&probe.id());
            let cpu = probe.cpu_of_threads().or_else(|| probe.read(0.0, None)?.0.cpu()).unwrap_or(0.0);
            let before = known.and_then(|known| known.before).unwrap_or(cpu);
            // Threads that have ended took their time with them.
            candidate.cpu = (cpu - before).max(known.map_or(0.0, |known| known.candidate.cpu));
            let named = || counter.and_then(|counter| counter.served_by(probe)).is_some_and(|served| served.total > 0);
            candidate.accepted |= known.is_some_and(|known| known.candidate.accepted);
            candidate.named = known.is_some_and(|known| known.candidate.named) || named();
            candidate.crashed = known.is_some_and(|known| known.candidate.crashed);
            candidate.read_for = known.map_or(0.0, |known| known.candidate.read_for);
            let first_read = known.and_then(|known| known.first_read);
            self.seen.insert(probe.id(), Seen { candidate, before: Some(before), first_read });
        }
    }
}

/// How the process ended whose end a line tells.
fn cause(entry: &Entry) -> Option<ExitCause> {
    match entry {
        Entry::Event(Event { kind: EventKind::Exited { cause, .. }, .. }) => *cause,
        _ => None,
    }
}

/// The process that a line is about.
fn about(entry: &Entry) -> Option<WorkerId> {
    match entry {
        Entry::Sample(sample) => Some(sample.worker),
        Entry::Map(map) => Some(map.worker),
        Entry::Event(Event { kind: EventKind::Spawned { worker, .. } | EventKind::Exited { worker, .. }, .. }) => {
            Some(*worker)
        }
        _ => None,
    }
}
