//! Labelled families of series: what real services do, and whether it is a leak.
//!
//! Each family makes one case from a seed. Unless a family says otherwise a case is one worker with 300 readings over
//! 30,000 requests, noise with autocorrelation 0.5 and a standard deviation of 16 to 128 KiB, rounded to pages.

#[path = "loud.rs"]
mod loud;
#[path = "services.rs"]
mod services;
#[path = "truth.rs"]
mod truth;

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
    s.noise = Noise { rho: 0.95, sd: Some(sd), tails: None };
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

/// All families.
pub const FAMILIES: &[Family] = &[
    Family { name: "flat, white noise", truth: Truth::Clean, make: |s| flat(s, 0.0) },
    Family { name: "flat, AR .5", truth: Truth::Clean, make: |s| flat(s, 0.5) },
    Family { name: "flat, AR .8", truth: Truth::Clean, make: |s| flat(s, 0.8) },
    Family { name: "flat, AR .95", truth: Truth::Clean, make: |s| flat(s, 0.95) },
    Family { name: "plateau, T .03", truth: Truth::Clean, make: |s| settled(s, 0.03, 0.0) },
    Family { name: "plateau, T .1", truth: Truth::Clean, make: |s| settled(s, 0.1, 0.0) },
    Family { name: "plateau, T .25", truth: Truth::Clean, make: |s| settled(s, 0.25, 0.0) },
    Family { name: "plateau, T .5", truth: Truth::Clean, make: |s| settled(s, 0.5, 0.0) },
    Family { name: "sawtooth, period 6-28", truth: Truth::Clean, make: |s| sawtooth(s, 6.0, 28.0, 1, 0.0) },
    Family { name: "sawtooth, period 45", truth: Truth::Clean, make: |s| sawtooth(s, 45.0, 45.0, 1, 0.0) },
    Family { name: "sawtooth, two sizes", truth: Truth::Clean, make: |s| sawtooth(s, 8.0, 20.0, 4, 0.0) },
    Family { name: "up and down 256 KiB", truth: Truth::Clean, make: |s| up_and_down(s, 256.0 * KIB, 0.0) },
    Family { name: "up and down 2 MiB", truth: Truth::Clean, make: |s| up_and_down(s, 2.0 * MIB, 0.0) },
    Family { name: "one step 2-12 MiB", truth: Truth::Clean, make: one_step },
    Family { name: "logarithmic cache", truth: Truth::Clean, make: |s| logarithm(s, 0.0) },
    Family { name: "cache full at .3", truth: Truth::Clean, make: |s| cache(s, 0.3) },
    Family { name: "cache full at .4", truth: Truth::Clean, make: |s| cache(s, 0.4) },
    Family { name: "cache full at .5", truth: Truth::Clean, make: |s| cache(s, 0.5) },
    Family { name: "cache full at .7", truth: Truth::Clean, make: |s| cache(s, 0.7) },
    Family { name: "cache of all sizes, T .25", truth: Truth::Clean, make: |s| mixed_cache(s, |u| plateau(0.25, u)) },
    Family {
        name: "cache of all sizes, full at .7",
        truth: Truth::Clean,
        make: |s| mixed_cache(s, |u| (u / 0.7).min(1.0)),
    },
    Family { name: "cache full at .9", truth: Truth::Clean, make: |s| cache(s, 0.9) },
    Family { name: "second cache mid-run", truth: Truth::Clean, make: second_cache },
    Family { name: "high-water mark", truth: Truth::Clean, make: high_water },
    Family { name: "un-sharing", truth: Truth::Clean, make: unsharing },
    Family { name: "load ramp", truth: Truth::Clean, make: |s| services::load_ramp(s, 0.0) },
    Family { name: "recycled pool", truth: Truth::Clean, make: |s| recycled(s, 0.0) },
    Family { name: "pool of 8", truth: Truth::Clean, make: |s| s.pool(8, |_, u| MIB * plateau(0.05, u)) },
    Family { name: "pool reloaded at once", truth: Truth::Clean, make: reloaded },
    Family { name: "spikes", truth: Truth::Clean, make: spikes },
    Family { name: "wave, 3-8 cycles", truth: Truth::Clean, make: |s| wave(s, 0.0) },
    Family {
        name: "heavy tails",
        truth: Truth::Clean,
        make: |s| {
            s.noise = Noise { rho: 0.3, sd: Some(64.0 * KIB), tails: Some(2) };
            s.worker(|_| 0.0)
        },
    },
    Family { name: "short, flat", truth: Truth::Clean, make: |s| short(s, |_| 0.0) },
    Family { name: "short, plateau T .1", truth: Truth::Clean, make: |s| short(s, |u| 6.0 * MIB * plateau(0.1, u)) },
    Family {
        name: "unit root",
        truth: Truth::Hard,
        make: |s| {
            s.noise = Noise { rho: 1.0, sd: Some(64.0 * KIB), tails: None };
            s.worker(|_| 0.0)
        },
    },
    Family {
        name: "noise far above",
        truth: Truth::Hard,
        make: |s| {
            s.noise = Noise { rho: 0.8, sd: Some(8.0 * MIB), tails: None };
            s.worker(|_| 0.0)
        },
    },
    Family {
        name: "noise far above, and 1 x",
        truth: Truth::Buried,
        make: |s| {
            s.noise = Noise { rho: 0.8, sd: Some(8.0 * MIB), tails: None };
            s.worker(|u| leak(1.0, u))
        },
    },
    Family {
        name: "unit root and 1 x",
        truth: Truth::Buried,
        make: |s| {
            s.noise = Noise { rho: 1.0, sd: Some(64.0 * KIB), tails: None };
            s.worker(|u| leak(1.0, u))
        },
    },
    Family { name: "short, flat, AR .8", truth: Truth::Clean, make: |s| short_noisy(s, 0.8, |_| 0.0) },
    Family { name: "short, plateau T .2", truth: Truth::Clean, make: |s| short(s, |u| 6.0 * MIB * plateau(0.2, u)) },
    Family { name: "short, sawtooth", truth: Truth::Clean, make: |s| short_sawtooth(s, 0.0) },
    Family { name: "arenas", truth: Truth::Clean, make: arenas },
    Family { name: "idle by night", truth: Truth::Clean, make: |s| idle(s, 0.0) },
    Family { name: "peak of connections", truth: Truth::Clean, make: peak_connections },
    Family { name: "recycled pool, summed", truth: Truth::Hard, make: summed },
    Family { name: "linear, .25 x budget", truth: Truth::Tolerated, make: |s| s.worker(|u| leak(0.25, u)) },
    Family { name: "linear, .5 x budget", truth: Truth::Tolerated, make: |s| s.worker(|u| leak(0.5, u)) },
    Family { name: "linear, 1 x budget", truth: Truth::Edge, make: |s| s.worker(|u| leak(1.0, u)) },
    Family { name: "linear, 2 x", truth: Truth::Leak, make: |s| s.worker(|u| leak(2.0, u)) },
    Family { name: "linear, 4 x", truth: Truth::Leak, make: |s| s.worker(|u| leak(4.0, u)) },
    Family { name: "linear, 10 x", truth: Truth::Leak, make: |s| s.worker(|u| leak(10.0, u)) },
    Family { name: "AR .95 and 2 x", truth: Truth::Leak, make: |s| persistent_noise(s, 2.0) },
    Family { name: "AR .95 and 4 x", truth: Truth::Leak, make: |s| persistent_noise(s, 4.0) },
    Family { name: "staircase 4 KiB, 1 x", truth: Truth::Edge, make: |s| staircase(s, 4.0 * KIB, 1.0) },
    Family { name: "staircase 1 MiB, 4 x", truth: Truth::Leak, make: |s| staircase(s, MIB, 4.0) },
    Family { name: "staircase 1 MiB, 10 x", truth: Truth::Leak, make: |s| staircase(s, MIB, 10.0) },
    Family { name: "rare, heavy-tailed, 4 x", truth: Truth::Leak, make: |s| rare(s, 4.0) },
    Family {
        name: "jumps at random, 1 MiB, 10 x",
        truth: Truth::Leak,
        make: |s| kept_at_random(s, 10.0 * BUDGET * REQUESTS / MIB, 0.0, MIB, |u| u),
    },
    Family { name: "plateau T .1 and 2 x", truth: Truth::Leak, make: |s| settled(s, 0.1, 2.0) },
    Family { name: "plateau T .03 and 2 x", truth: Truth::Leak, make: |s| settled(s, 0.03, 2.0) },
    Family { name: "plateau T .25 and 1 x", truth: Truth::Edge, make: |s| settled(s, 0.25, 1.0) },
    Family { name: "plateau T .5 and 2 x", truth: Truth::Leak, make: |s| settled(s, 0.5, 2.0) },
    Family { name: "logarithmic and 1 x", truth: Truth::Edge, make: |s| logarithm(s, 1.0) },
    Family { name: "up and down 2 MiB and 1 x", truth: Truth::Edge, make: |s| up_and_down(s, 2.0 * MIB, 1.0) },
    Family { name: "up and down 2 MiB and 4 x", truth: Truth::Leak, make: |s| up_and_down(s, 2.0 * MIB, 4.0) },
    Family { name: "wave and 2 x", truth: Truth::Leak, make: |s| wave(s, 2.0) },
    Family { name: "sawtooth and 2 x", truth: Truth::Leak, make: |s| sawtooth(s, 6.0, 28.0, 1, 2.0) },
    Family { name: "sawtooth, two sizes, and 4 x", truth: Truth::Leak, make: |s| sawtooth(s, 8.0, 20.0, 4, 4.0) },
    Family { name: "starts mid-run, 4 x", truth: Truth::Leak, make: |s| s.worker(|u| leak(4.0, (u - 0.5).max(0.0))) },
    Family { name: "logarithmic and 4 x", truth: Truth::Leak, make: |s| logarithm(s, 4.0) },
    Family { name: "load ramp and 2 x", truth: Truth::Leak, make: |s| services::load_ramp(s, 2.0) },
    Family { name: "recycled pool and 4 x", truth: Truth::Leak, make: |s| recycled(s, 4.0) },
    Family { name: "pool of 8 and 2 x", truth: Truth::Leak, make: |s| s.pool(8, |_, u| leak(2.0, u)) },
    Family {
        name: "one of 8 leaks, 4 x",
        truth: Truth::Leak,
        make: |s| s.pool(8, |w, u| if w == 3 { leak(4.0, u) } else { 0.0 }),
    },
    Family { name: "short, 4 x", truth: Truth::Leak, make: |s| short(s, |u| leak(4.0, u)) },
    Family { name: "short, AR .8 and 4 x", truth: Truth::Leak, make: |s| short_noisy(s, 0.8, |u| leak(4.0, u)) },
    Family {
        name: "short, plateau T .1 and 4 x",
        truth: Truth::Leak,
        make: |s| short(s, |u| 6.0 * MIB * plateau(0.1, u) + leak(4.0, u)),
    },
    Family { name: "short, sawtooth and 4 x", truth: Truth::Leak, make: |s| short_sawtooth(s, 4.0) },
    Family { name: "huge pages, 10 x", truth: Truth::Leak, make: |s| staircase(s, 2.0 * MIB, 10.0) },
    Family { name: "idle by night and 4 x", truth: Truth::Leak, make: |s| idle(s, 4.0) },
    Family { name: "readings repeated, 1 x", truth: Truth::Edge, make: |s| services::repeated(s, 1.0) },
    Family { name: "readings repeated", truth: Truth::Clean, make: |s| services::repeated(s, 0.0) },
    Family { name: "rounded to 100 KiB, 2 x", truth: Truth::Leak, make: |s| services::rounded(s, 100.0 * KIB, 2.0) },
    Family { name: "rounded to 256 KiB, 4 x", truth: Truth::Leak, make: |s| services::rounded(s, 256.0 * KIB, 4.0) },
    Family { name: "rounded to 256 KiB", truth: Truth::Clean, make: |s| services::rounded(s, 256.0 * KIB, 0.0) },
    Family { name: "one of 6 recycled, 2 x", truth: Truth::Leak, make: |s| services::one_of_six(s, 2.0) },
    Family { name: "one of 6 recycled, 10 x", truth: Truth::Leak, make: |s| services::one_of_six(s, 10.0) },
    Family { name: "uneven warm-ups", truth: Truth::Clean, make: |s| services::uneven_warm_ups(s, 0.0) },
    Family { name: "uneven warm-ups, 1 x", truth: Truth::Edge, make: |s| services::uneven_warm_ups(s, 1.0) },
    Family { name: "uneven warm-ups, 4 x", truth: Truth::Leak, make: |s| services::uneven_warm_ups(s, 4.0) },
    Family { name: "lives of all lengths", truth: Truth::Hard, make: |s| services::lives_of_all_lengths(s, 0.0) },
    Family { name: "lives of all lengths, 4 x", truth: Truth::Leak, make: |s| services::lives_of_all_lengths(s, 4.0) },
    Family {
        name: "lives of all lengths, 10 x",
        truth: Truth::Leak,
        make: |s| services::lives_of_all_lengths(s, 10.0),
    },
    Family { name: "one dies young, 10 x", truth: Truth::Leak, make: services::one_dies_young },
    Family { name: "turning ramp", truth: Truth::Clean, make: |s| services::turning_ramp(s, 1.0, 0.0) },
    Family { name: "turning ramp, half followed", truth: Truth::Hard, make: |s| services::turning_ramp(s, 0.5, 0.0) },
    Family { name: "half followed and 4 x", truth: Truth::Leak, make: |s| services::turning_ramp(s, 0.5, 4.0) },
    Family { name: "turning ramp and 4 x", truth: Truth::Leak, make: |s| services::turning_ramp(s, 1.0, 4.0) },
    Family { name: "warm-up and 1 MiB, 4 x", truth: Truth::Leak, make: |s| services::warm_staircase(s, 4.0) },
    Family { name: "given back", truth: Truth::Clean, make: |s| services::given_back(s, 0.0) },
    Family { name: "given back and 2 x", truth: Truth::Leak, make: |s| services::given_back(s, 2.0) },
    Family { name: "measured ramp", truth: Truth::Clean, make: |s| services::measured_ramp(s, true, 0.0) },
    Family { name: "measured ramp down and 2 x", truth: Truth::Leak, make: |s| services::measured_ramp(s, false, 2.0) },
    Family { name: "heap that doubles", truth: Truth::Clean, make: |s| services::doubling_heap(s, 0.0) },
    Family { name: "heap that doubles, 4 x", truth: Truth::Leak, make: |s| services::doubling_heap(s, 4.0) },
    Family { name: "few collections", truth: Truth::Hard, make: services::few_collections },
    Family { name: "few major collections", truth: Truth::Clean, make: |s| services::few_majors(s, 0.0) },
    Family { name: "few major collections, 1 x", truth: Truth::Buried, make: |s| services::few_majors(s, 1.0) },
    Family { name: "few major collections, 4 x", truth: Truth::Leak, make: |s| services::few_majors(s, 4.0) },
    Family { name: "six steps at random, 2 x", truth: Truth::Buried, make: |s| services::steps(s, 6, 2.0) },
    Family { name: "20 steps at random, 2 x", truth: Truth::Buried, make: |s| services::steps(s, 20, 2.0) },
    Family { name: "in bursts", truth: Truth::Clean, make: |s| services::in_bursts(s, 0.0) },
    Family { name: "in bursts, 1 x", truth: Truth::Edge, make: |s| services::in_bursts(s, 1.0) },
    Family { name: "loud plateau, T .03-.12", truth: Truth::Clean, make: |s| loud::plateau(s, 0.03, 0.12) },
    Family { name: "loud plateau, far from over", truth: Truth::Growing, make: loud::far_from_over },
    Family { name: "loud, stretched", truth: Truth::Hard, make: loud::stretched },
    Family { name: "loud, of many constants", truth: Truth::Hard, make: loud::many_constants },
    Family { name: "loud, sigmoid", truth: Truth::Hard, make: loud::sigmoid },
    Family { name: "loud, late and slow", truth: Truth::Hard, make: loud::late },
    Family { name: "loud, two caches", truth: Truth::Hard, make: loud::two_caches },
    Family { name: "loud, cache full at .75-.96", truth: Truth::Hard, make: loud::full_late },
    Family { name: "loud, few collections", truth: Truth::Hard, make: loud::few_collections },
    Family { name: "slow wave", truth: Truth::Hard, make: loud::slow_wave },
    Family { name: "heavy-tailed unit root", truth: Truth::Hard, make: loud::heavy_walk },
];
