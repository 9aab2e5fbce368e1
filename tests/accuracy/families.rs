//! Labelled families of series: what real services do, and whether it is a leak.
//!
//! Each family makes one case from a seed. Unless a family says otherwise a case is one worker with 300 readings over
//! 30,000 requests, noise with autocorrelation 0.5 and a standard deviation of 16 to 128 KiB, rounded to pages.

#[path = "labelled.rs"]
mod labelled;
#[path = "loud.rs"]
mod loud;
#[path = "pauses.rs"]
mod pauses;
#[path = "services.rs"]
mod services;
#[path = "truth.rs"]
mod truth;

pub use labelled::FAMILIES;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seepage::model::{Series, WorkerId};
pub use truth::Truth;

/// Growth that is allowed, in bytes per request.
pub const BUDGET: f64 = 64.0;
/// Bytes to which levels are rounded.
pub const PAGE: f64 = 4096.0;
pub const REQUESTS: f64 = 30_000.0;
pub const KIB: f64 = 1024.0;
pub const MIB: f64 = 1024.0 * 1024.0;

/// A family and how to make one case of it.
#[derive(Clone, Copy)]
pub struct Family {
    pub name: &'static str,
    pub truth: Truth,
    pub make: fn(&mut Source) -> Vec<Series>,
}

/// Randomness for one case.
pub struct Source {
    pub rng: ChaCha8Rng,
    pub readings: usize,
    pub noise: Noise,
}

#[derive(Clone, Copy)]
pub struct Noise {
    pub rho: f64,
    /// Standard deviation; drawn for each case if `None`.
    pub sd: Option<f64>,
    /// Student-like tails: every value is divided by the root of a chi-square share with this many degrees of freedom.
    pub tails: Option<u32>,
}

const USUAL: Noise = Noise { rho: 0.5, sd: None, tails: None };

impl Source {
    /// The randomness of case `case` of family `name` under `seed`.
    pub fn new(seed: u64, name: &str, case: u64) -> Self {
        // FNV-1a over the name, so that families added later don't change the cases of the others.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        let rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hash ^ (case << 20));
        Source { rng, readings: 300, noise: USUAL }
    }

    pub fn uniform(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.rng.random::<f64>()
    }

    pub fn log_uniform(&mut self, from: f64, to: f64) -> f64 {
        from * (to / from).powf(self.rng.random::<f64>())
    }

    /// A standard normal deviate (Box & Muller 1958).
    fn normal(&mut self) -> f64 {
        let u: f64 = 1.0 - self.rng.random::<f64>();
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * self.rng.random::<f64>()).cos()
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - self.rng.random::<f64>()).ln()
    }

    pub fn noise(&mut self, n: usize) -> Vec<f64> {
        let Noise { rho, sd, tails } = self.noise;
        let sd = sd.unwrap_or_else(|| self.log_uniform(16.0 * KIB, 128.0 * KIB));
        let mut level = self.normal() * sd;
        let innovation = if rho < 1.0 { sd * (1.0 - rho * rho).sqrt() } else { sd };
        (0..n)
            .map(|_| {
                let scale = tails.map_or(1.0, |df| {
                    let chi: f64 = (0..df).map(|_| self.normal().powi(2)).sum();
                    (chi / f64::from(df)).sqrt().max(0.05)
                });
                level = rho * level + self.normal() * innovation / scale;
                level
            })
            .collect()
    }

    /// One worker whose level is `shape(u)` over the run as 0 to 1, with noise.
    fn worker(&mut self, shape: impl Fn(f64) -> f64) -> Vec<Series> {
        let n = self.readings;
        let noise = self.noise(n);
        let levels = (0..n).map(|i| shape(i as f64 / (n - 1) as f64) + noise[i]).collect();
        vec![self.series(1, levels)]
    }

    /// One worker with these levels over a base, at regular positions.
    pub fn series(&mut self, pid: u32, levels: Vec<f64>) -> Series {
        let n = levels.len();
        let base = self.uniform(20.0, 80.0) * MIB;
        let step = REQUESTS / (self.readings - 1) as f64;
        Series {
            worker: Some(WorkerId::new(pid, u64::from(pid))),
            t: (0..n).map(|i| i as f64 * 0.1).collect(),
            x: (0..n).map(|i| i as f64 * step).collect(),
            y: levels.into_iter().map(|y| ((base + y) / PAGE).round().max(0.0) * PAGE).collect(),
            soak_from: 0.0,
            ..Series::default()
        }
    }

    /// A pool of `workers`: `shape(worker, u)` for each, half of the noise's variance common to all.
    fn pool(&mut self, workers: u32, shape: impl Fn(u32, f64) -> f64) -> Vec<Series> {
        let n = self.readings;
        let common = self.noise(n);
        (0..workers)
            .map(|w| {
                let own = self.noise(n);
                let at = |i: usize| shape(w, i as f64 / (n - 1) as f64) + (own[i] + common[i]) * 0.5f64.sqrt();
                let levels = (0..n).map(at).collect();
                self.series(w + 1, levels)
            })
            .collect()
    }

    /// A garbage collector: climbs by `height` in about `period` readings, then drops to the floor.
    fn sawtooth(&mut self, period: f64, height: f64, every_nth: u32) -> Vec<f64> {
        let jittered = |s: &mut Self| (period * s.uniform(0.8, 1.2)).max(3.0).round() as usize;
        let (mut left, mut length) = (0, 0);
        let mut out = Vec::new();
        let (mut cycle, mut kept) = (0u32, 0.0);
        left += (jittered(self) as f64 * self.uniform(0.1, 1.0)) as usize;
        for _ in 0..self.readings {
            if left == 0 {
                // A minor collection leaves a part, which the next major one takes.
                cycle += 1;
                kept = if cycle.is_multiple_of(every_nth) { 0.0 } else { kept + 0.25 * height };
                left = jittered(self);
                length = left;
            }
            length = length.max(left);
            out.push(kept + height * (length - left) as f64 / period);
            left -= 1;
        }
        out
    }
}

fn leak(times: f64, u: f64) -> f64 {
    times * BUDGET * REQUESTS * u
}

pub fn plateau(t: f64, u: f64) -> f64 {
    1.0 - (-u / t).exp()
}

fn flat(s: &mut Source, rho: f64) -> Vec<Series> {
    let sd = s.log_uniform(32.0 * KIB, 256.0 * KIB);
    s.noise = Noise { rho, sd: Some(sd), tails: None };
    s.worker(|_| 0.0)
}

fn settled(s: &mut Source, t: f64, times: f64) -> Vec<Series> {
    let height = s.log_uniform(4.0 * MIB, 32.0 * MIB);
    s.worker(|u| height * plateau(t, u) + leak(times, u))
}

fn sawtooth(s: &mut Source, from: f64, to: f64, every_nth: u32, times: f64) -> Vec<Series> {
    let (period, height) = (s.uniform(from, to), s.log_uniform(MIB, 8.0 * MIB));
    let teeth = s.sawtooth(period, height, every_nth);
    let noise = s.noise(s.readings);
    let n = s.readings as f64;
    let levels = (0..s.readings).map(|i| teeth[i] + 0.3 * noise[i] + leak(times, i as f64 / n)).collect();
    vec![s.series(1, levels)]
}

fn up_and_down(s: &mut Source, size: f64, times: f64) -> Vec<Series> {
    let (mut level, mut left) = (0i32, 0.0);
    let mut steps = Vec::new();
    for _ in 0..s.readings {
        left -= 1.0;
        if left <= 0.0 {
            left = 25.0 * s.exponential() + 3.0;
            level = if level == 0 || (level < 2 && s.rng.random_bool(0.5)) { level + 1 } else { level - 1 };
        }
        steps.push(f64::from(level) * size);
    }
    let n = s.readings - 1;
    s.worker(|u| steps[(u * n as f64).round() as usize] + leak(times, u))
}

fn one_step(s: &mut Source) -> Vec<Series> {
    let (at, size) = (s.uniform(0.15, 0.85), s.uniform(2.0, 12.0) * MIB);
    s.worker(|u| if u > at { size } else { 0.0 })
}

fn logarithm(s: &mut Source, times: f64) -> Vec<Series> {
    let (t, height) = (s.log_uniform(0.01, 0.1), s.log_uniform(2.0 * MIB, 8.0 * MIB));
    s.worker(|u| height * (1.0 + u / t).ln() / (1.0 + 1.0 / t).ln() + leak(times, u))
}

fn cache(s: &mut Source, full: f64) -> Vec<Series> {
    let height = s.log_uniform(4.0 * MIB, 16.0 * MIB);
    s.worker(|u| height * (u / full).min(1.0))
}

fn second_cache(s: &mut Source) -> Vec<Series> {
    let (first, second) = (s.log_uniform(2.0 * MIB, 16.0 * MIB), s.log_uniform(2.0 * MIB, 16.0 * MIB));
    let (opens, t) = (s.uniform(0.3, 0.6), s.uniform(0.03, 0.1));
    s.worker(|u| first * plateau(0.05, u) + second * plateau(t, (u - opens).max(0.0)))
}

fn high_water(s: &mut Source) -> Vec<Series> {
    let scale = s.log_uniform(0.5 * MIB, 4.0 * MIB);
    let sigma = s.uniform(0.4, 0.9);
    s.noise.sd = Some(s.log_uniform(8.0 * KIB, 32.0 * KIB));
    let mut most = 0.0f64;
    let marks: Vec<f64> = (0..s.readings)
        .map(|_| {
            most = most.max(scale * (sigma * s.normal()).exp());
            most
        })
        .collect();
    let n = s.readings - 1;
    s.worker(|u| marks[(u * n as f64).round() as usize])
}

fn unsharing(s: &mut Source) -> Vec<Series> {
    let (fast, slow) = (s.log_uniform(2.0 * MIB, 16.0 * MIB), s.log_uniform(2.0 * MIB, 16.0 * MIB));
    s.worker(|u| fast * plateau(0.04, u) + slow * plateau(0.15, u))
}

/// Six workers that are replaced every 30 to 60 readings, each of which warms up.
fn recycled(s: &mut Source, times: f64) -> Vec<Series> {
    let n = s.readings;
    let common = s.noise(n);
    let height = s.log_uniform(0.25 * MIB, 2.0 * MIB);
    let mut out = Vec::new();
    for slot in 0..6 {
        let mut born = 0;
        let mut first = s.uniform(0.2, 1.0);
        while born < n {
            let life = ((s.uniform(30.0, 60.0) * first) as usize).clamp(3, n - born + 2).min(n - born);
            first = 1.0;
            let own = s.noise(life);
            let levels = (0..life)
                .map(|i| {
                    let age = i as f64 / n as f64;
                    let noise = 0.3 * (own[i] + common[born + i]);
                    height * plateau(0.015, age) + leak(times, age) + noise
                })
                .collect();
            let mut one = s.series(100 * slot + born as u32, levels);
            one.t.iter_mut().for_each(|t| *t += born as f64 * 0.1);
            born += life;
            out.push(one);
        }
    }
    out.sort_by(|a, b| a.t[0].total_cmp(&b.t[0]));
    out
}

fn staircase(s: &mut Source, step: f64, times: f64) -> Vec<Series> {
    let phase = s.uniform(0.0, 1.0);
    s.noise.sd = Some(s.log_uniform(8.0 * KIB, 64.0 * KIB));
    s.worker(|u| (leak(times, u) / step + phase).floor() * step)
}

/// Few requests leak, with log-normal sizes.
fn rare(s: &mut Source, times: f64) -> Vec<Series> {
    const EVENTS: f64 = 150.0;
    kept_at_random(s, EVENTS, 1.2, times * BUDGET * REQUESTS / EVENTS, |u| u)
}

/// A cache of objects of very different sizes, which fills as `filled` says.
fn mixed_cache(s: &mut Source, filled: impl Fn(f64) -> f64) -> Vec<Series> {
    let height = s.log_uniform(4.0 * MIB, 32.0 * MIB);
    kept_at_random(s, 150.0, 1.2, height / 150.0, filled)
}

/// So many events over the run, each of which keeps a log-normal amount; by `u` the part `passed(u)` of them has come.
fn kept_at_random(s: &mut Source, events: f64, sigma: f64, mean: f64, passed: impl Fn(f64) -> f64) -> Vec<Series> {
    let n = s.readings;
    let mut kept = 0.0;
    let mut next = s.exponential() / events;
    let mut levels = Vec::new();
    for i in 0..n {
        while next < passed(i as f64 / n as f64) {
            kept += mean * (sigma * s.normal() - sigma * sigma / 2.0).exp();
            next += s.exponential() / events;
        }
        levels.push(kept);
    }
    s.worker(|u| levels[(u * (n - 1) as f64).round() as usize])
}

fn persistent_noise(s: &mut Source, times: f64) -> Vec<Series> {
    let sd = s.log_uniform(32.0 * KIB, 160.0 * KIB);
    under_noise(s, 0.95, sd, times)
}

/// Growth of so many times the budget, under errors of this autocorrelation and this standard deviation.
fn under_noise(s: &mut Source, rho: f64, sd: f64, times: f64) -> Vec<Series> {
    s.noise = Noise { rho, sd: Some(sd), tails: None };
    s.worker(|u| leak(times, u))
}

fn short(s: &mut Source, shape: impl Fn(f64) -> f64) -> Vec<Series> {
    s.readings = s.rng.random_range(60..=120);
    s.worker(shape)
}

/// So many workers, of which the first few leak so many times the budget, under noise of which half is common; short.
#[allow(dead_code, reason = "the example's alone")]
pub fn some_leak(s: &mut Source, workers: u32, leaking: u32, times: f64) -> Vec<Series> {
    s.readings = s.rng.random_range(60..=120);
    s.pool(workers, |worker, u| if worker < leaking { leak(times, u) } else { 0.0 })
}

/// All six workers are replaced at once, under common noise.
fn reloaded(s: &mut Source) -> Vec<Series> {
    let (at, height) = (s.uniform(0.3, 0.6), s.log_uniform(2.0 * MIB, 16.0 * MIB));
    let pool = s.pool(6, |_, u| height * plateau(0.05, if u < at { u } else { u - at }));
    let born = (at * (s.readings - 1) as f64).ceil() as usize;
    let mut out = Vec::new();
    for one in pool {
        let part = |range: std::ops::Range<usize>, pid: u32| {
            let first = one.x[range.start];
            Series {
                worker: Some(WorkerId::new(pid, u64::from(pid))),
                t: one.t[range.clone()].to_vec(),
                x: one.x[range.clone()].iter().map(|x| x - first).collect(),
                y: one.y[range].to_vec(),
                ..Series::default()
            }
        };
        let pid = one.worker.map_or(0, |w| w.pid);
        out.push(part(0..born, pid));
        out.push(part(born..one.x.len(), pid + 100));
    }
    out.sort_by(|a, b| a.t[0].total_cmp(&b.t[0]));
    out
}

fn spikes(s: &mut Source) -> Vec<Series> {
    let mut out = s.worker(|_| 0.0);
    for _ in 0..6 {
        let at = s.rng.random_range(0..s.readings);
        out[0].y[at] += (s.log_uniform(2.0 * MIB, 64.0 * MIB) / PAGE).round() * PAGE;
    }
    out
}

fn wave(s: &mut Source, times: f64) -> Vec<Series> {
    let (cycles, height, phase) = (s.uniform(3.0, 8.0), s.log_uniform(0.5 * MIB, 4.0 * MIB), s.uniform(0.0, 6.3));
    s.worker(|u| height * (cycles * std::f64::consts::TAU * u + phase).sin() + leak(times, u))
}

/// A short series, with errors of this autocorrelation.
fn short_noisy(s: &mut Source, rho: f64, shape: impl Fn(f64) -> f64) -> Vec<Series> {
    s.noise.rho = rho;
    short(s, shape)
}

fn short_sawtooth(s: &mut Source, times: f64) -> Vec<Series> {
    s.readings = s.rng.random_range(60..=120);
    sawtooth(s, 4.0, 10.0, 1, times)
}

/// Arenas of an allocator, each taken by the first thread that needs it: most of them early.
fn arenas(s: &mut Source) -> Vec<Series> {
    let count = s.rng.random_range(4..=10);
    let taken: Vec<(f64, f64)> =
        (0..count).map(|_| (0.6 * s.uniform(0.0, 1.0).powi(3), s.log_uniform(0.5 * MIB, 4.0 * MIB))).collect();
    s.worker(|u| taken.iter().filter(|a| a.0 <= u).map(|a| a.1).sum())
}

/// No requests in two stretches of the run, in which nothing moves but the noise.
fn idle(s: &mut Source, times: f64) -> Vec<Series> {
    let (first, second, rest) = (s.uniform(0.1, 0.3), s.uniform(0.5, 0.7), s.uniform(0.1, 0.2));
    let busy = move |u: f64| u - (u - first).clamp(0.0, rest) - (u - second).clamp(0.0, rest);
    let height = s.log_uniform(MIB, 8.0 * MIB);
    let mut out = s.worker(|u| height * plateau(0.04, busy(u)) + leak(times, busy(u)));
    let n = (s.readings - 1) as f64;
    out[0].x = (0..s.readings).map(|i| (REQUESTS * busy(i as f64 / n)).round()).collect();
    out
}

/// Memory that each connection keeps for the next one: it follows the largest number of connections so far.
fn peak_connections(s: &mut Source) -> Vec<Series> {
    let each = s.log_uniform(32.0 * KIB, 256.0 * KIB);
    let (mut load, mut most) = (0.0, 0.0f64);
    let marks: Vec<f64> = (0..s.readings)
        .map(|_| {
            load = 0.7 * load + 0.714 * s.normal();
            most = most.max((20.0 + 6.0 * load).round());
            each * most
        })
        .collect();
    let n = s.readings - 1;
    s.worker(|u| marks[(u * n as f64).round() as usize])
}

/// The sum over six workers that are replaced every 30 to 60 readings.
fn summed(s: &mut Source) -> Vec<Series> {
    let n = s.readings;
    let mut sum = vec![0.0; n];
    for one in recycled(s, 0.0) {
        for (t, y) in one.t.iter().zip(&one.y) {
            sum[((t / 0.1).round() as usize).min(n - 1)] += y;
        }
    }
    vec![s.series(1, sum)]
}
