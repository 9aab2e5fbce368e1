//! Families under a workload of several steps whose mix varies over the run, as the driver varies it.
//!
//! Each case is one worker with 300 readings over 30,000 requests unless the family says otherwise. Its series carry the
//! counts by step; without them they are the series that a rule sees which knows nothing of steps.

use crate::families::{BUDGET, Family, KIB, MIB, Noise, REQUESTS, Source, Truth, plateau};
use rand::RngExt;
use seepage::model::Series;

/// Blocks of the mix over a run.
const BLOCKS: usize = 24;
/// By how much of its weight a step goes up and down.
const DEPTH: f64 = 0.75;
/// Shares of all requests: the usual three steps, and eight.
const THREE: &[f64] = &[0.6, 0.3, 0.1];
const EIGHT: &[f64] = &[0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05];

/// What the steps of a case do.
struct Steps {
    weights: &'static [f64],
    /// What each request of a step keeps, as a multiple of the budget; negative if it frees.
    keeps: fn(usize) -> f64,
    /// Whether the mix varies.
    varies: bool,
}

const QUIET: Steps = Steps { weights: THREE, keeps: |_| 0.0, varies: true };

/// A worker whose level is what its steps kept, and `shape` of the requests of each step so far, with noise.
fn worker(s: &mut Source, steps: &Steps, shape: impl Fn(&[f64]) -> f64) -> Vec<Series> {
    let (n, count) = (s.readings, steps.weights.len());
    let blocks = mixes(s, steps);
    let each = REQUESTS / (n - 1) as f64;
    let mut served = vec![0.0; count];
    let mut by_step = vec![Vec::with_capacity(n); count];
    let mut levels = s.noise(n);
    for (i, level) in levels.iter_mut().enumerate() {
        if i > 0 {
            let mix = &blocks[(i * blocks.len() / n).min(blocks.len() - 1)];
            // Requests between two readings, drawn one by one: the last one's fraction counts as drawn by chance.
            for _ in 0..(each * i as f64).floor() as u64 - (each * (i - 1) as f64).floor() as u64 {
                let mut draw = s.uniform(0.0, 1.0);
                let step = mix.iter().position(|w| {
                    draw -= w;
                    draw < 0.0
                });
                served[step.unwrap_or(0)] += 1.0;
            }
        }
        let kept: f64 = served.iter().enumerate().map(|(k, n)| (steps.keeps)(k) * BUDGET * n).sum();
        *level += kept + shape(&served);
        by_step.iter_mut().zip(&served).for_each(|(row, n)| row.push(*n));
    }
    let mut one = s.series(1, levels);
    one.x = (0..n).map(|i| by_step.iter().map(|row| row[i]).sum()).collect();
    one.by_step = by_step;
    vec![one]
}

/// The weights of each block: drawn by chance, and mirrored in the next one, so that the totals stay as configured.
fn mixes(s: &mut Source, steps: &Steps) -> Vec<Vec<f64>> {
    let weights = steps.weights;
    if !steps.varies {
        return vec![weights.to_vec()];
    }
    let mut out = Vec::new();
    for _ in 0..BLOCKS / 2 {
        let draws: Vec<f64> = weights.iter().map(|_| s.uniform(-1.0, 1.0)).collect();
        let mean: f64 = draws.iter().zip(weights).map(|(d, w)| d * w).sum();
        let most = draws.iter().map(|d| (d - mean).abs()).fold(f64::MIN_POSITIVE, f64::max);
        for sign in [1.0, -1.0] {
            let mixed = |(w, d): (&f64, &f64)| w * (1.0 + sign * DEPTH * (d - mean) / most);
            out.push(weights.iter().zip(&draws).map(mixed).collect());
        }
    }
    out
}

fn all(served: &[f64]) -> f64 {
    served.iter().sum::<f64>() / REQUESTS
}

fn short(s: &mut Source) {
    s.readings = s.rng.random_range(60..=120);
}

/// A warm-up under all requests.
fn warming(s: &mut Source, steps: &Steps) -> Vec<Series> {
    let height = s.log_uniform(4.0 * MIB, 32.0 * MIB);
    worker(s, steps, |served| height * plateau(0.1, all(served)))
}

/// A cache that fills under one step alone.
fn cached(s: &mut Source, steps: &Steps) -> Vec<Series> {
    let height = s.log_uniform(2.0 * MIB, 8.0 * MIB);
    worker(s, steps, |served| height * plateau(0.1, served[1] / (steps.weights[1] * REQUESTS)))
}

fn autocorrelated(s: &mut Source, rho: f64, steps: &Steps) -> Vec<Series> {
    let sd = if rho < 1.0 { s.log_uniform(32.0 * KIB, 160.0 * KIB) } else { 64.0 * KIB };
    s.noise = Noise { rho, sd: Some(sd), tails: None };
    worker(s, steps, |_| 0.0)
}

/// The rarest of three leaks so much that growth is this multiple of the budget over all requests.
macro_rules! rarest {
    ($times:expr) => {
        Steps { keeps: |k| if k == 2 { $times / THREE[2] } else { 0.0 }, ..QUIET }
    };
}

/// All families with steps.
pub const MIXES: &[Family] = &[
    Family { name: "steps: flat", truth: Truth::Clean, make: |s| worker(s, &QUIET, |_| 0.0) },
    Family {
        name: "steps: flat, mix fixed",
        truth: Truth::Clean,
        make: |s| worker(s, &Steps { varies: false, ..QUIET }, |_| 0.0),
    },
    Family { name: "steps: flat, AR .95", truth: Truth::Clean, make: |s| autocorrelated(s, 0.95, &QUIET) },
    Family { name: "steps: unit root", truth: Truth::Hard, make: |s| autocorrelated(s, 1.0, &QUIET) },
    Family {
        name: "steps: eight, short, flat",
        truth: Truth::Clean,
        make: |s| {
            short(s);
            worker(s, &Steps { weights: EIGHT, ..QUIET }, |_| 0.0)
        },
    },
    Family { name: "steps: plateau T .1", truth: Truth::Clean, make: |s| warming(s, &QUIET) },
    Family { name: "steps: cache under one of them", truth: Truth::Clean, make: |s| cached(s, &QUIET) },
    Family {
        name: "steps: one keeps what another frees",
        truth: Truth::Clean,
        make: |s| {
            let keeps = |k: usize| [0.0, -4.0 / THREE[1], 4.0 / THREE[2]][k];
            // Whether the last was kept or freed is no growth, but on average both even out: the pool is never negative.
            worker(s, &Steps { keeps, ..QUIET }, |_| 16.0 * MIB)
        },
    },
    Family {
        name: "steps: one leaks, .5 x budget",
        truth: Truth::Tolerated,
        make: |s| worker(s, &rarest!(0.5), |_| 0.0),
    },
    Family { name: "steps: one leaks, 1 x", truth: Truth::Edge, make: |s| worker(s, &rarest!(1.0), |_| 0.0) },
    Family { name: "steps: one leaks, 2 x", truth: Truth::Leak, make: |s| worker(s, &rarest!(2.0), |_| 0.0) },
    Family { name: "steps: one leaks, 10 x", truth: Truth::Leak, make: |s| worker(s, &rarest!(10.0), |_| 0.0) },
    Family {
        name: "steps: one leaks, 2 x, mix fixed",
        truth: Truth::Leak,
        make: |s| worker(s, &Steps { varies: false, ..rarest!(2.0) }, |_| 0.0),
    },
    Family { name: "steps: one leaks, 2 x, plateau T .1", truth: Truth::Leak, make: |s| warming(s, &rarest!(2.0)) },
    Family {
        name: "steps: one leaks, 2 x, another has a cache",
        truth: Truth::Leak,
        make: |s| cached(s, &rarest!(2.0)),
    },
    Family {
        name: "steps: one of eight leaks, short, 4 x",
        truth: Truth::Leak,
        make: |s| {
            short(s);
            let keeps = |k: usize| if k == 4 { 4.0 / EIGHT[4] } else { 0.0 };
            worker(s, &Steps { weights: EIGHT, keeps, ..QUIET }, |_| 0.0)
        },
    },
    Family {
        name: "steps: all leak, 2 x",
        truth: Truth::Leak,
        make: |s| worker(s, &Steps { keeps: |_| 2.0, ..QUIET }, |_| 0.0),
    },
];
