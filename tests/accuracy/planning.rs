//! Does a planned length prove what it promises? Rehearsals and runs of noise that the plan knows nothing of.

use crate::families::PAGE;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seepage::answer::Outcome;
use seepage::model::{Axis, Resource, Series, WorkerId};
use seepage::plan::{Noise, plan};
use seepage::rule::find;

const BUDGET: f64 = 256.0;
const WORKERS: u32 = 3;
/// Requests between two readings.
const STEP: f64 = 5.0;
const PLAYED: u64 = 20;

/// Workers with AR(1) noise of this spread and autocorrelation from reading to reading, a third of its variance in common.
fn workers(length: f64, slope: f64, spread: f64, rho: f64, seed: u64) -> Vec<Series> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let readings = (length / STEP) as usize;
    let mut path = |spread: f64| -> Vec<f64> {
        let mut normal = || {
            let u: f64 = 1.0 - rng.random::<f64>();
            (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * rng.random::<f64>()).cos()
        };
        let mut level = spread * normal();
        let mut next = || {
            level = rho * level + spread * (1.0 - rho * rho).sqrt() * normal();
            level
        };
        (0..readings).map(|_| next()).collect()
    };
    let common = path(spread * (1.0f64 / 3.0).sqrt());
    (1..=WORKERS)
        .map(|pid| {
            let own = path(spread * (2.0f64 / 3.0).sqrt());
            let x: Vec<f64> = (0..readings).map(|i| STEP * i as f64).collect();
            let level = |i: usize| 3e7 + slope * x[i] + common[i] + own[i];
            let y = (0..readings).map(|i| (level(i) / PAGE).round() * PAGE).collect();
            let t = x.iter().map(|x| x / 50.0).collect();
            Series { worker: Some(WorkerId::new(pid, 1)), t, x, y, ..Series::default() }
        })
        .collect()
}

#[test]
fn a_planned_length_proves_leak_and_clean_as_often_as_it_says() {
    for (spread, rho) in [(150e3, 0.2), (100e3, 0.9)] {
        let rehearsal = workers(2000.0, 0.0, spread, rho, 7);
        let noise = Noise::measure(Axis::WorkerRequests, &rehearsal, PAGE).unwrap();
        let planned = plan(&noise, &[BUDGET], None, 0.9)[0];
        for (length, slope, wanted) in
            [(planned.leak, 2.0 * BUDGET, Outcome::Leak), (planned.clean, 0.5 * BUDGET, Outcome::Clean)]
        {
            let length = length.expect("a length");
            let right = (0..PLAYED).filter(|seed| {
                let series = workers(length, slope, spread, rho, 1000 + seed);
                find(Resource::Memory, Axis::WorkerRequests, &series, BUDGET, PAGE).outcome == wanted
            });
            let right = right.count();
            // 15 of 20 are two standard deviations below 90 %: a rehearsal knows the noise only so well.
            let told = format!("{right} of {PLAYED} {wanted} at {length}, noise {spread} at {rho}: {noise:?}");
            assert!(right >= 15, "{told}");
        }
    }
}
