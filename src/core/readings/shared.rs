//! Shared memory, as far as there came to be more of it on the host: who touches or opens what was there already makes none.

use crate::model::{RunRecord, Sample, WorkerId};
use std::collections::HashMap;

/// How much more shared memory there came to be on the host since the start of the run, by time; empty where that isn't known. What
/// others free meanwhile doesn't count against it.
struct CameToBe(Vec<(f64, u64)>);

impl CameToBe {
    fn new(record: &RunRecord) -> Self {
        let (mut more, mut before) = (Vec::new(), None);
        for (t, level) in record.host.iter().filter_map(|host| Some((host.t, host.shmem?))) {
            let sum: u64 = more.last().map_or(0, |(_, sum)| *sum);
            // Whoever freed as much as the level fell may have hidden that others made as much.
            more.push((t, sum.saturating_add(level.abs_diff(before.unwrap_or(level)))));
            before = Some(level);
        }
        CameToBe(more)
    }

    /// What is held at `t` by who held as much at `first`, as far as it came to be meanwhile.
    fn bound(&self, t: f64, first: u64, held: u64) -> u64 {
        // The next reading of the host: what this one has seen may be younger than the last.
        let next = self.0.partition_point(|(at, _)| *at < t);
        let more = self.0.get(next).or(self.0.last());
        more.map_or(held, |(_, more)| held.min(first.saturating_add(*more)))
    }
}

/// What workers have touched.
pub struct Touched {
    /// What each worker had touched at first.
    first: HashMap<WorkerId, u64>,
    host: CameToBe,
}

impl Touched {
    pub fn new(record: &RunRecord) -> Self {
        let mut first = HashMap::new();
        for sample in &record.samples {
            if let Some(shared) = sample.shmem {
                first.entry(sample.worker).or_insert(shared);
            }
        }
        Touched { first, host: CameToBe::new(record) }
    }

    pub fn level(&self, sample: &Sample) -> Option<u64> {
        let (shared, first) = (sample.shmem?, *self.first.get(&sample.worker)?);
        Some(self.host.bound(sample.t, first, shared))
    }
}

/// Files in memory that the target holds, mapped or not, in bytes, at each census that looked for them.
pub fn memory_files(record: &RunRecord) -> Vec<(f64, f64)> {
    let held = || record.census.iter().filter_map(|census| Some((census.t, census.memory_files?)));
    let Some((_, first)) = held().next() else { return Vec::new() };
    let host = CameToBe::new(record);
    held().map(|(t, files)| (t, host.bound(t, first, files) as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::clean;

    const MIB: f64 = 1_048_576.0;

    #[test]
    fn what_others_free_does_not_hide_what_workers_touch_anew() {
        // What the worker has touched, and what the target holds open, at last, where the host has so much more each second.
        let levels = |more: f64| {
            let mut run = clean();
            run.samples.iter_mut().for_each(|s| s.shmem = Some((MIB + s.t * 0.1 * MIB) as u64));
            run.host.iter_mut().for_each(|host| host.shmem = Some((4096.0 * MIB + host.t * more * MIB) as u64));
            run.census = crate::fixture::account::with(&[]).census;
            run.census.iter_mut().for_each(|c| c.memory_files = Some((MIB + c.t * 0.1 * MIB) as u64));
            let (touched, last) = (Touched::new(&run), run.samples.last().unwrap());
            [touched.level(last).unwrap() as f64 / MIB, memory_files(&run).last().unwrap().1 / MIB]
        };
        let all = levels(1.0);
        assert!(all.iter().all(|level| *level > 10.0), "{all:?}");
        assert_eq!(levels(-3.0), all, "a file shrinks, of somebody else's");
        assert!(levels(0.0).iter().all(|level| *level < 2.0), "they touch and open what was there");
    }
}
