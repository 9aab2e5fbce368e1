//! What readings, pools and runtimes do that smooth curves don't: found by judging the rule on families that somebody made who
//! didn't know it.

use super::{BUDGET, Source, leak, plateau};
use super::{KIB, MIB, REQUESTS};
use seepage::model::Series;

/// An exporter that reads memory anew only every few readings.
pub fn repeated(s: &mut Source, times: f64) -> Vec<Series> {
    let mut out = s.worker(|u| leak(times, u));
    let mut from = 0;
    while from < out[0].y.len() {
        let to = (from + s.uniform(3.0, 8.0) as usize).min(out[0].y.len());
        let held = out[0].y[from];
        out[0].y[from..to].fill(held);
        from = to;
    }
    out
}

/// Memory in steps of `unit`, with noise of less than one.
pub fn rounded(s: &mut Source, unit: f64, times: f64) -> Vec<Series> {
    s.noise.sd = Some(s.uniform(0.2, 0.4) * unit);
    let mut out = s.worker(|u| leak(times, u));
    out[0].y.iter_mut().for_each(|y| *y = (*y / unit).round() * unit);
    out
}

/// A pool of six that are recycled and warm up, of which one leaks in each of its lives.
pub fn one_of_six(s: &mut Source, times: f64) -> Vec<Series> {
    let mut out = super::recycled(s, 0.0);
    for one in out.iter_mut().filter(|one| one.worker.is_some_and(|w| (200..300).contains(&w.pid))) {
        let first = one.x[0];
        one.y.iter_mut().zip(&one.x).for_each(|(y, x)| *y += times * BUDGET * (x - first));
    }
    out
}

/// Start-up memory that is given back in the first third of the run.
pub fn given_back(s: &mut Source, times: f64) -> Vec<Series> {
    let (height, constant) = (s.log_uniform(2.0 * MIB, 16.0 * MIB), s.uniform(0.02, 0.1));
    s.worker(|u| height * (1.0 - plateau(constant, u)) + leak(times, u))
}

/// Memory that follows a load that doubles or triples, or comes down from there; it is measured with an error of 2 %.
pub fn measured_ramp(s: &mut Source, up: bool, times: f64) -> Vec<Series> {
    let mut out = super::load_ramp(s, 0.0);
    let one = &mut out[0];
    if !up {
        let (x, y, last) = (one.x.clone(), one.y.clone(), one.x[one.x.len() - 1]);
        one.x = x.iter().rev().map(|x| last - x).collect();
        one.y = y.into_iter().rev().collect();
        one.load.reverse();
    }
    one.y.iter_mut().zip(&one.x).for_each(|(y, x)| *y += times * BUDGET * x);
    for load in &mut one.load {
        *load *= 1.0 + 0.02 * s.normal();
    }
    out
}

/// A heap that is collected whenever it is twice what is live, in the middle of whatever happens, as Go's is.
pub fn doubling_heap(s: &mut Source, times: f64) -> Vec<Series> {
    let live = s.uniform(4.0, 16.0) * MIB;
    let climb = live / s.uniform(8.0, 20.0);
    let (height, constant) = (s.log_uniform(0.5 * MIB, 4.0 * MIB), s.uniform(0.02, 0.1));
    let mut heap = live * s.uniform(1.0, 2.0);
    let n = s.readings;
    let levels: Vec<f64> = (0..n)
        .map(|i| {
            let u = i as f64 / (n - 1) as f64;
            let live = live + height * plateau(constant, u) + leak(times, u);
            heap += climb * s.uniform(0.8, 1.2);
            if heap >= 2.0 * live {
                heap = live + climb * s.uniform(0.0, 1.0);
            }
            heap
        })
        .collect();
    s.noise.sd = Some(s.log_uniform(8.0 * KIB, 64.0 * KIB));
    s.worker(|u| levels[(u * (n - 1) as f64).round() as usize])
}

/// Two or three climbs, each undone by a collection: less than a run has to show.
pub fn few_collections(s: &mut Source) -> Vec<Series> {
    let (height, period, phase) = (s.log_uniform(4.0 * MIB, 32.0 * MIB), s.uniform(0.3, 0.45), s.uniform(0.0, 1.0));
    s.worker(|u| height * (u / period + phase).fract())
}

/// Minor collections that leave more each time, and three to six major ones that each leave another level.
pub fn few_majors(s: &mut Source, times: f64) -> Vec<Series> {
    let (height, each) = (s.log_uniform(2.0 * MIB, 8.0 * MIB), s.uniform(0.1, 0.2));
    let (minors, majors) = (s.uniform(5.0, 9.0).floor(), s.uniform(3.3, 6.0));
    let n = s.readings;
    let climb = height * minors * majors / n as f64;
    let (mut heap, mut kept, mut minor) = (0.0, 0.0, 0.0);
    let levels: Vec<f64> = (0..n)
        .map(|i| {
            heap += climb * s.uniform(0.7, 1.3);
            if heap >= height {
                heap = climb * s.uniform(0.0, 1.0);
                minor += 1.0;
                kept += each * height * s.uniform(0.9, 1.1);
            }
            if minor == minors {
                (minor, kept) = (0.0, s.uniform(0.0, 128.0 * KIB));
            }
            heap + kept + leak(times, i as f64 / (n - 1) as f64)
        })
        .collect();
    s.noise.sd = Some(s.log_uniform(8.0 * KIB, 64.0 * KIB));
    s.worker(|u| levels[(u * (n - 1) as f64).round() as usize])
}

/// Requests that come in bursts, so that hardly any two readings have as many between them.
pub fn in_bursts(s: &mut Source, times: f64) -> Vec<Series> {
    let mut out = s.worker(|_| 0.0);
    let rates: Vec<f64> = (0..s.readings).map(|_| s.exponential().powi(2)).collect();
    let sum: f64 = rates.iter().sum();
    let mut served = 0.0;
    for (i, rate) in rates.iter().enumerate() {
        served += REQUESTS * rate / sum;
        out[0].x[i] = served.floor();
        out[0].y[i] += (times * BUDGET * served / super::PAGE).round() * super::PAGE;
    }
    out
}
