//! When account is taken of the whole target, and what is remembered from one census to the next.

use super::census::{Dead, Snapshot};
use super::cost::Account;
use crate::model::{Census, WorkerId};
use crate::probe::{MemoryFiles, WorkerProbe};
use crate::supervise::{Roster, command_line};
use crate::thread;
use regex::RegexSet;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// The account of one target.
pub struct Accounting {
    leave_out: RegexSet,
    next: Instant,
    /// What the last census saw of the dead.
    dead: Dead,
    /// Whether it was told that somebody is left out.
    told_left_out: bool,
    /// Memory of each worker at its last reading; `None` if it could not be read.
    memory: HashMap<WorkerId, Option<u64>>,
    /// When files in memory are looked for next.
    next_files: Instant,
    /// Who has ever been seen: what they made may outlast them.
    known: HashSet<u32>,
}

/// The whole target at one moment.
pub struct Taken {
    /// Who was seen.
    pub snapshot: Snapshot,
    /// The first process that is left out, if that wasn't told yet.
    pub left_out: Option<u32>,
    workers: HashSet<u32>,
    /// Bytes that the workers held at their last readings.
    memory: Option<u64>,
    /// Bytes of files in memory that they all hold, if they were looked for now and could be seen.
    files: Option<u64>,
    /// CPU time that it took to look for them.
    pub files_took: Duration,
}

impl Accounting {
    /// An account that leaves out those whose command lines match.
    pub fn new(leave_out: RegexSet) -> Self {
        let (dead, memory, known, now) = (Dead::default(), HashMap::new(), HashSet::new(), Instant::now());
        Accounting { leave_out, next: now, dead, told_left_out: false, memory, next_files: now, known }
    }

    /// A worker held so many bytes when it was read last.
    pub fn enter(&mut self, worker: WorkerId, memory: Option<u64>) {
        self.memory.insert(worker, memory);
    }

    /// A worker has ended.
    pub fn forget(&mut self, worker: WorkerId) {
        self.memory.remove(&worker);
    }

    /// Whether it is time for a census.
    pub fn is_due(&self) -> bool {
        self.next <= Instant::now()
    }

    /// When the next census is due.
    pub fn due_at(&mut self, next: Instant) {
        self.next = next;
    }

    /// Looks at the whole target `t` seconds after the start of the run. As long as it isn't known who is a worker, those who are
    /// `likely` to be count as such, and all are looked at closely. Files in memory are looked for as rarely as `account` wants it.
    pub fn take(&mut self, t: f64, roster: &Roster, likely: Option<&HashSet<WorkerId>>, account: &Account) -> Taken {
        let mut pids = roster.whole_target(|pid| self.dead.has(pid));
        let members: Vec<WorkerId> = roster.members_after(0).map(WorkerProbe::id).collect();
        let workers = members.iter().filter(|id| likely.is_none_or(|likely| likely.contains(id)));
        let workers: HashSet<u32> = workers.map(|id| id.pid).collect();
        let mut left_out = None;
        if !self.leave_out.is_empty() {
            let is_left_out =
                |pid: &u32| !workers.contains(pid) && self.leave_out.is_match(&command_line(*pid).join(" "));
            left_out = pids.iter().copied().find(is_left_out);
            pids.retain(|pid| !is_left_out(pid));
        }
        let left_out = left_out.filter(|_| !std::mem::replace(&mut self.told_left_out, true));
        let read = if likely.is_some() { HashSet::new() } else { workers.clone() };
        let snapshot = Snapshot::take(t, &pids, &read, &self.dead);
        self.dead = snapshot.dead();
        let memory = members.iter().filter_map(|id| self.memory.get(id)).copied().sum();
        let (files, files_took) = if likely.is_none() { self.files(&pids, t, account) } else { Default::default() };
        Taken { snapshot, left_out, workers, memory, files, files_took }
    }

    /// Bytes of files in memory that these processes hold, and the CPU time that it took to look for them.
    fn files(&mut self, pids: &[u32], t: f64, account: &Account) -> (Option<u64>, Duration) {
        self.known.extend(pids);
        let now = Instant::now();
        if self.next_files > now {
            return Default::default();
        }
        let before = thread::cpu_time();
        let mut files = MemoryFiles::new();
        let living = pids.iter().filter(|pid| !self.dead.has(**pid));
        let seen: Vec<Option<()>> = living.map(|pid| files.add(*pid)).collect();
        files.add_segments(|maker| self.known.contains(&maker));
        let took = thread::cpu_time().saturating_sub(before);
        self.next_files = now + account.files_pause(took, Duration::from_secs_f64(t.max(0.0)));
        let is_whole = seen.iter().all(Option::is_some);
        (is_whole.then(|| files.bytes()), took)
    }
}

impl Taken {
    /// The account of it, where it is known who is a worker.
    pub fn census(&self) -> Census {
        Census { memory_files: self.files, ..self.snapshot.census(&self.workers, self.memory) }
    }
}
