//! Growth that stops for a while, or comes in uneven steps, in one of many workers or in all of them.

use super::{MIB, Source, leak};
use seepage::model::Series;

/// A leak that grows and pauses twice alike, so that the second half shows a rise that has ended.
pub fn twice(s: &mut Source, times: f64) -> Vec<Series> {
    let (grows, first) = (s.uniform(0.15, 0.6), s.uniform(0.0, 0.3));
    let passed = |u: f64| {
        let cycles = 2.0 * u + first;
        cycles.floor() + (cycles.fract() / grows).min(1.0)
    };
    let whole = passed(1.0) - passed(0.0);
    s.worker(|u| leak(times, 1.0) * (passed(u) - passed(0.0)) / whole)
}

/// A pool of eight, of which one leaks in 6 to 16 steps of very different sizes, one somewhere in each equal part of the run.
pub fn one_of_eight(s: &mut Source, times: f64) -> Vec<Series> {
    let count = s.uniform(6.0, 17.0) as usize;
    let steps: Vec<(f64, f64)> =
        (0..count).map(|k| ((k as f64 + s.uniform(0.0, 1.0)) / count as f64, s.log_uniform(0.2, 3.0))).collect();
    let sum: f64 = steps.iter().map(|step| step.1).sum();
    let kept = |u: f64| steps.iter().filter(|step| step.0 <= u).map(|step| step.1).sum::<f64>() / sum;
    s.pool(8, |worker, u| if worker == 3 { leak(times, kept(u)) } else { 0.0 })
}

/// A pool of eight that keeps the largest request so far: the steps of each get ever rarer.
pub fn ever_rarer(s: &mut Source) -> Vec<Series> {
    let first = s.log_uniform(0.002, 0.02);
    let height = s.log_uniform(0.1 * MIB, MIB);
    let count = (-first.ln() / 0.7).ceil() as usize;
    let places: Vec<Vec<f64>> = (0..8).map(|_| (0..count).map(|_| s.log_uniform(first, 1.0)).collect()).collect();
    s.pool(8, |worker, u| height * places[worker as usize].iter().filter(|at| **at <= u).count() as f64)
}
