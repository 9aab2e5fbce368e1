//! What censuses have of the whole target over time: memory of the processes that are not workers, and how many processes there
//! are.
//!
//! Who is there for a moment only, such as a helper that serves one request, is in neither: what it holds is gone with it. If
//! such processes stop ending, they are no longer there for a moment.

use crate::model::{Census, OtherProcess, RunRecord, WorkerId};
use crate::thresholds::scale::TENTH;
use std::collections::BTreeMap;

/// Memory of the rest at each census, in bytes: anonymous, swapped and in huge pages, and the largest shared memory of one of
/// them, since several may have touched the same. Missing where some of it could not be read.
pub fn rest_levels(record: &RunRecord) -> Vec<(f64, Option<f64>)> {
    let stays = Stays::new(record.census.iter());
    let level = |census: &Census| {
        let there = || census.others.iter().filter(|other| stays.at(other.id, census.t));
        let own = there().try_fold(census.unlisted_memory as f64, |sum, other| Some(sum + own_memory(other)?));
        let shared = there().filter_map(|other| other.shared).max().unwrap_or(0) as f64;
        own.filter(|_| census.unreadable == 0).map(|own| own + shared)
    };
    record.census.iter().map(|census| (census.t, level(census))).collect()
}

/// Memory of all processes at each census where it is known, in bytes: of workers, and of the rest, those too that are there for a
/// moment.
pub fn whole_levels(record: &RunRecord) -> impl Iterator<Item = (f64, f64)> {
    let level = |census: &Census| Some(census.workers_memory?.saturating_add(census.rest_memory()?) as f64);
    record.census.iter().filter_map(move |census| Some((census.t, level(census)?)))
}

/// Processes of the target at each census.
pub fn process_levels(record: &RunRecord) -> Vec<(f64, Option<f64>)> {
    let stays = Stays::new(record.census.iter());
    let count = |census: &Census| {
        let for_a_moment = census.others.iter().filter(|other| !stays.at(other.id, census.t)).count();
        census.processes.saturating_sub(for_a_moment as u64) as f64
    };
    record.census.iter().map(|census| (census.t, Some(count(census)))).collect()
}

fn own_memory(process: &OtherProcess) -> Option<f64> {
    Some(process.memory?.saturating_add(process.huge.unwrap_or(0)) as f64)
}

/// All memory of a process, shared memory included.
pub fn whole_memory(process: &OtherProcess) -> Option<f64> {
    Some(own_memory(process)? + process.shared.unwrap_or(0) as f64)
}

/// Since when each process that is not a worker is there, and how long a moment is, in seconds.
pub struct Stays {
    seen: BTreeMap<WorkerId, (f64, f64)>,
    begin: f64,
    moment: f64,
}

impl Stays {
    pub fn new<'a>(censuses: impl Iterator<Item = &'a Census> + Clone) -> Self {
        let mut seen: BTreeMap<WorkerId, (f64, f64)> = BTreeMap::new();
        for census in censuses.clone() {
            for process in &census.others {
                seen.entry(process.id).or_insert((census.t, census.t)).1 = census.t;
            }
        }
        let (begin, end) = censuses.clone().next().zip(censuses.last()).map_or((0.0, 0.0), |(a, b)| (a.t, b.t));
        Stays { seen, begin, moment: TENTH.get() * (end - begin) }
    }

    /// Whether a process has been there for longer than a moment at `t`. Nobody knows when one began that was there at first:
    /// whether it stays tells.
    pub fn at(&self, id: WorkerId, t: f64) -> bool {
        let Some((first, last)) = self.seen.get(&id) else { return false };
        let until = if *first <= self.begin { *last } else { t };
        until - first >= self.moment
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::account::{MIB, other, with};
    use crate::model::Kin;

    #[test]
    fn several_that_touch_the_same_shared_memory_hold_it_once() {
        let shares =
            |pid: u32| move |_: f64| OtherProcess { shared: Some(8 << 20), ..other(pid, Kin::Beside, MIB, 0.0) };
        let run = with(&[&shares(8), &shares(9)]);
        assert_eq!(rest_levels(&run)[50].1, Some(10.0 * MIB));
    }

    #[test]
    fn whoever_begins_late_counts_once_it_stays() {
        let run = with(&[]);
        let mut late = run.clone();
        for census in late.census.iter_mut().filter(|c| c.t >= 100.0) {
            census.others.push(other(9, Kin::Below, MIB, 0.0));
            census.processes += 1;
        }
        assert_eq!(process_levels(&late), process_levels(&run), "for a moment, as far as one can see");
        let mut early = run.clone();
        for census in early.census.iter_mut().filter(|c| c.t >= 50.0) {
            census.others.push(other(9, Kin::Below, MIB, 0.0));
            census.processes += 1;
        }
        let levels = process_levels(&early);
        assert_eq!((levels[60].1, levels[70].1, levels[109].1), (Some(2.0), Some(3.0), Some(3.0)));
    }
}
