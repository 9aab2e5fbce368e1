//! When account is taken of the whole target, and what is remembered from one census to the next.

use super::census::{Dead, Snapshot};
use crate::model::{Census, WorkerId};
use crate::probe::WorkerProbe;
use crate::supervise::{Roster, command_line};
use regex::RegexSet;
use std::collections::{HashMap, HashSet};
use std::time::Instant;

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
}

impl Accounting {
    /// An account that leaves out those whose command lines match.
    pub fn new(leave_out: RegexSet) -> Self {
        let (dead, memory) = (Dead::default(), HashMap::new());
        Accounting { leave_out, next: Instant::now(), dead, told_left_out: false, memory }
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
    /// `likely` to be count as such, and all are looked at closely.
    pub fn take(&mut self, t: f64, roster: &Roster, likely: Option<&HashSet<WorkerId>>) -> Taken {
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
        Taken { snapshot, left_out, workers, memory }
    }
}

impl Taken {
    /// The account of it, where it is known who is a worker.
    pub fn census(&self) -> Census {
        self.snapshot.census(&self.workers, self.memory)
    }
}
