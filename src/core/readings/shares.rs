//! Requests of a pool that nobody counts by worker: shared out evenly over the workers that do its work.
//!
//! One that uses next to no CPU time beside the others, as a helper that was forked from them, serves next to none, and has no
//! share in theirs.

use super::pool_count::PoolCount;
use crate::model::{RunRecord, Sample, WorkerId};
use crate::stats::interpolate;
use crate::thresholds::counts::TICK;
use crate::thresholds::scale::{ENOUGH, LITTLE};
use std::collections::HashMap;

/// Requests by worker, as a function of time.
pub struct Shares {
    t: Vec<f64>,
    /// Requests that a worker alive all the time would have served.
    share: Vec<f64>,
    idle: HashMap<WorkerId, f64>,
}

impl Shares {
    /// Shares the pool's requests out; `None` if they aren't known.
    pub fn new(record: &RunRecord, by_worker: &[(WorkerId, Vec<&Sample>)]) -> Option<Self> {
        let pool = PoolCount::new(record)?;
        let idle = idle(by_worker);
        let part = |worker: &WorkerId| idle.get(worker).copied().unwrap_or(1.0);
        // Who came and went: when, and how much of an even share it has.
        let mut turns: Vec<(f64, f64, i64)> = Vec::new();
        for (worker, samples) in by_worker {
            let ends = samples.first().zip(samples.last());
            turns.extend(
                ends.into_iter().flat_map(|(first, last)| [(first.t, part(worker), 1), (last.t, -part(worker), -1)]),
            );
        }
        turns.retain(|(t, ..)| t.is_finite());
        turns.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut edges: Vec<f64> = turns.iter().map(|turn| turn.0).chain(pool.t.iter().copied()).collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        let (mut share, mut sum) = (Vec::new(), 0.0);
        let (mut turned, mut parts, mut alive) = (0, 0.0, 0);
        for (i, &edge) in edges.iter().enumerate() {
            if i > 0 {
                sum += (pool.at(edge) - pool.at(edges[i - 1])) / if alive > 0 { parts } else { 1.0 };
            }
            while let Some((_, part, one)) = turns.get(turned).filter(|turn| turn.0 <= edge) {
                (turned, parts, alive) = (turned + 1, parts + part, alive + one);
            }
            share.push(sum);
        }
        Some(Shares { t: edges, share, idle })
    }

    /// Requests that a worker served between two moments, in seconds since the start of the run.
    pub fn between(&self, worker: WorkerId, from: f64, to: f64) -> f64 {
        let at = |t: f64| interpolate(&self.t, &self.share, t);
        (at(to) - at(from)) * self.idle.get(&worker).copied().unwrap_or(1.0)
    }
}

/// Workers that did next to nothing, each with the part of the busiest one's work that it did, by their CPU time.
fn idle(by_worker: &[(WorkerId, Vec<&Sample>)]) -> HashMap<WorkerId, f64> {
    let rate = |samples: &[&Sample]| {
        let mut levels = samples.iter().filter_map(|sample| Some((sample.t, sample.cpu()?)));
        let (first, last) = (levels.next()?, levels.next_back()?);
        // CPU time is told in ticks: one that used none may have used almost one.
        let rate = (last.1 - first.1).max(TICK.get()) / (last.0 - first.0);
        (samples.len() >= ENOUGH.get() && rate.is_finite() && rate > 0.0).then_some(rate)
    };
    let rates: Vec<(WorkerId, f64)> =
        by_worker.iter().filter_map(|(worker, samples)| Some((*worker, rate(samples)?))).collect();
    let busiest = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let parts = rates.into_iter().map(|(worker, rate)| (worker, rate / busiest));
    parts.filter(|(_, part)| *part < LITTLE.get()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{clean, worker};

    /// The requests of three workers at 101 s, with so much CPU time a second each.
    fn served(cpu: [Option<f64>; 3]) -> Vec<f64> {
        let mut run = clean();
        run.meta.counting.per_worker = false;
        let mut third: Vec<Sample> = run.samples.iter().filter(|sample| sample.worker == worker(1)).cloned().collect();
        third.iter_mut().for_each(|sample| sample.worker = worker(3));
        run.samples.extend(third);
        let mut by_worker: Vec<(WorkerId, Vec<&Sample>)> = Vec::new();
        for (place, cpu) in cpu.into_iter().enumerate() {
            let id = worker(place as u32 + 1);
            for sample in run.samples.iter_mut().filter(|sample| sample.worker == id) {
                (sample.cpu_user, sample.cpu_system) = (cpu.map(|cpu| cpu * sample.t), cpu.map(|_| 0.0));
            }
        }
        for place in 1..=3 {
            let of = run.samples.iter().filter(|sample| sample.worker == worker(place));
            by_worker.push((worker(place), of.collect()));
        }
        let shares = Shares::new(&run, &by_worker).unwrap();
        (1..=3).map(|place| shares.between(worker(place), 1.0, 101.0)).collect()
    }

    #[test]
    fn who_works_has_an_even_share_and_who_does_nothing_has_none() {
        let even = served([Some(0.2), Some(0.2), Some(0.2)]);
        assert!(even.iter().all(|share| (share - even[0]).abs() < 1e-6), "{even:?}");
        assert_eq!(served([None; 3]), even, "CPU time isn't known");
        assert_eq!(served([Some(0.2), Some(0.1), Some(0.02)]), even, "the one had dearer requests, perhaps");
        let helper = served([Some(0.2), Some(0.1), Some(0.001)]);
        let sum = |shares: &[f64]| shares.iter().sum::<f64>();
        assert!((sum(&helper) - sum(&even)).abs() < 1e-6 && helper[0] == helper[1], "{helper:?} {even:?}");
        assert!((helper[2] / helper[0] - 0.005).abs() < 1e-6, "{helper:?}");
        // All of them serve by turns, and none for long.
        assert_eq!(served([Some(0.0); 3]), even);
    }
}
