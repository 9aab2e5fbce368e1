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

/// So many equal steps at places of chance, which may all lie in the first half.
pub fn steps(s: &mut Source, count: usize, times: f64) -> Vec<Series> {
    let places: Vec<f64> = (0..count).map(|_| s.uniform(0.0, 1.0)).collect();
    let each = leak(times, 1.0) / count as f64;
    s.worker(|u| each * places.iter().filter(|at| **at <= u).count() as f64)
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

/// Load rises from half to 1.6 times the usual, and memory follows it.
pub fn load_ramp(s: &mut Source, times: f64) -> Vec<Series> {
    let per_load = s.log_uniform(4.0 * MIB, 16.0 * MIB);
    let n = s.readings;
    let noise = s.noise(n);
    let load: Vec<f64> = (0..n).map(|i| 0.5 + 1.1 * i as f64 / (n - 1) as f64).collect();
    let sum: f64 = load.iter().sum();
    let mut served = 0.0;
    let x: Vec<f64> = load
        .iter()
        .map(|l| {
            let before = served;
            served += REQUESTS * l / sum;
            before
        })
        .collect();
    let levels = (0..n).map(|i| per_load * load[i] + noise[i] + times * BUDGET * x[i]).collect();
    let mut one = s.series(1, levels);
    one.x = x;
    one.load = load.iter().map(|l| l * 1000.0).collect();
    vec![one]
}

/// Memory that follows a load that doubles or triples, or comes down from there; it is measured with an error of 2 %.
pub fn measured_ramp(s: &mut Source, up: bool, times: f64) -> Vec<Series> {
    let mut out = load_ramp(s, 0.0);
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

/// Workers that are recycled after 40 to 90 readings, with warm-ups that differ in height and in length.
pub fn uneven_warm_ups(s: &mut Source, times: f64) -> Vec<Series> {
    let (life, height) = (s.uniform(45.0, 80.0), s.log_uniform(1.5 * MIB, 7.0 * MIB));
    let constant = s.uniform(0.005, 0.03);
    let mut out = Vec::new();
    for slot in 0..6 {
        let first = s.uniform(0.3, 1.0);
        out.extend(lives(s, slot, (life, first), (height, constant), times));
    }
    out.sort_by(|a, b| a.t[0].total_cmp(&b.t[0]));
    out
}

/// Five workers of which each has its own length of life, 25 to 140 readings, and its own warm-up.
pub fn lives_of_all_lengths(s: &mut Source, times: f64) -> Vec<Series> {
    let mut out = Vec::new();
    for slot in 0..5 {
        let (life, height) = (s.log_uniform(25.0, 140.0), s.log_uniform(1.5 * MIB, 7.0 * MIB));
        let constant = s.uniform(0.005, 0.03);
        out.extend(lives(s, slot, (life, 1.0), (height, constant), times));
    }
    out.sort_by(|a, b| a.t[0].total_cmp(&b.t[0]));
    out
}

/// A pool of uneven warm-ups without a leak, but for one worker that leaks ten times the budget and is replaced after 30 readings each time.
pub fn one_dies_young(s: &mut Source) -> Vec<Series> {
    let mut out = uneven_warm_ups(s, 0.0);
    for k in 0..s.readings / 30 {
        out.push(warmed_up(s, (9000 + k as u32, 30 * k), 30, (3.0 * MIB, 0.015), 10.0));
    }
    out.sort_by(|a, b| a.t[0].total_cmp(&b.t[0]));
    out
}

/// The lives of one worker after the other, the first of them only this part of a life.
fn lives(s: &mut Source, slot: u32, (life, first): (f64, f64), warm_up: (f64, f64), times: f64) -> Vec<Series> {
    let (mut out, mut born, mut part) = (Vec::new(), 0, first);
    while born + 2 < s.readings {
        let lives = ((life * s.uniform(0.9, 1.1) * part) as usize).clamp(2, s.readings - born);
        out.push(warmed_up(s, (1000 * slot + born as u32, born), lives, warm_up, times));
        (born, part) = (born + lives, 1.0);
    }
    out
}

/// One life from reading `born` on: its warm-up is within a fifth of this height and constant.
fn warmed_up(
    s: &mut Source,
    (pid, born): (u32, usize),
    lives: usize,
    (height, constant): (f64, f64),
    times: f64,
) -> Series {
    let (height, constant) = (height * s.uniform(0.8, 1.2), constant * s.uniform(0.8, 1.25));
    let noise = s.noise(lives);
    let age = |i: usize| i as f64 / s.readings as f64;
    let levels =
        (0..lives).map(|i| height * plateau(constant, age(i)) + leak(times, age(i)) + 0.5 * noise[i]).collect();
    let mut one = s.series(pid, levels);
    one.t.iter_mut().for_each(|t| *t += born as f64 * 0.1);
    one
}

/// A load that doubles or triples and flutters meanwhile, known exactly; memory follows this part of each of its turns.
pub fn turning_ramp(s: &mut Source, part: f64, times: f64) -> Vec<Series> {
    let per_load = s.log_uniform(3.0 * MIB, 9.0 * MIB);
    let mut out = s.worker(|_| 0.0);
    let one = &mut out[0];
    one.load.clear();
    let (mut turn, mut served, last) = (0.0, 0.0, (one.y.len() - 1) as f64);
    for i in 0..one.y.len() {
        let ramp = 0.5 + 1.1 * i as f64 / last;
        turn = 0.5 * turn + 0.07 * s.normal();
        one.x[i] = served;
        one.y[i] += per_load * ramp * (1.0 + part * turn) + times * BUDGET * served;
        one.load.push(1000.0 * ramp * (1.0 + turn));
        served += REQUESTS / 1.05 / last * ramp * (1.0 + turn);
    }
    out
}

/// A staircase of a MiB after a warm-up.
pub fn warm_staircase(s: &mut Source, times: f64) -> Vec<Series> {
    let phase = s.uniform(0.0, 1.0);
    let height = s.log_uniform(2.0 * MIB, 15.0 * MIB);
    s.noise.sd = Some(40.0 * KIB);
    s.worker(|u| (leak(times, u) / MIB + phase).floor() * MIB + height * plateau(0.02, u))
}
