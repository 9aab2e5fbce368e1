//! How often a comparison says that two sides differ which don't, on a host that drifts by more than the effect.
//!
//! `docs/ab.md` has the table that `SEEPAGE_SIMULATIONS=4000 cargo test --release --lib false_alarms -- --nocapture` prints.

use super::paired::{ALPHA, interval};
use super::{Answer, Margin, Margins, ServiceMargins, compare, is_look};
use crate::fixture::pairs::{MEMORY, pairs, sides};
use crate::stats::student_t;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StudentT};

const PAIRS: usize = 8;

/// What moves the measure of both sides alike, from one run to the next; noise of a run has a standard deviation of 1.
#[derive(Debug, Clone, Copy)]
enum Drift {
    /// Nothing.
    None,
    /// A straight line: the host gets slower by this much with each run.
    Line(f64),
    /// A walk with steps of this standard deviation.
    Walk(f64),
    /// One step of this size at a random run, as when another job begins.
    Step(f64),
}

#[derive(Debug, Clone, Copy)]
enum Noise {
    Normal,
    /// Student's t with three degrees of freedom: now and then a run is far off.
    HeavyTailed,
}

/// The measure of `2 * PAIRS` runs, one after the other, of variants that don't differ.
fn runs(rng: &mut ChaCha8Rng, drift: Drift, noise: Noise) -> Vec<f64> {
    let step_at = rng.random_range(0..2 * PAIRS);
    let mut walk = 0.0;
    (0..2 * PAIRS)
        .map(|i| {
            let normal: f64 = StandardNormal.sample(rng);
            let level = match drift {
                Drift::None => 0.0,
                Drift::Line(slope) => slope * i as f64,
                Drift::Walk(sd) => {
                    walk += sd * normal;
                    walk
                }
                Drift::Step(size) => {
                    if i >= step_at {
                        size
                    } else {
                        0.0
                    }
                }
            };
            let own: f64 = match noise {
                Noise::Normal => StandardNormal.sample(rng),
                Noise::HeavyTailed => StudentT::new(3.0).expect("three is positive").sample(rng),
            };
            level + own
        })
        .collect()
}

/// Ours: a coin for each pair, looked at as it goes on.
fn by_pairs(rng: &mut ChaCha8Rng, runs: &[f64]) -> bool {
    // No margin: what is tested is the statistics, not the generosity.
    let margins = Margins::from([(MEMORY, Margin { share: 0.0, least: 0.0 })]);
    let values: Vec<(f64, f64)> =
        runs.as_chunks().0.iter().map(|[a, b]| if rng.random::<bool>() { (*a, *b) } else { (*b, *a) }).collect();
    (1..=PAIRS).filter(|n| is_look(*n, PAIRS)).any(|n| {
        let answer = compare(&sides(), &pairs(MEMORY, &values[..n]), PAIRS, &margins, &ServiceMargins::new()).answer;
        matches!(answer, Answer::Regression | Answer::Improvement)
    })
}

/// What people do: all runs of one variant, then all of the other, and a t test (Welch 1947).
fn by_blocks(runs: &[f64]) -> bool {
    let half = |v: &[f64]| {
        let i = interval(v, ALPHA).expect("there are several runs");
        let n = v.len() as f64;
        let deviations: f64 = v.iter().map(|x| (x - i.estimate).powi(2)).sum();
        (i.estimate, deviations / (n - 1.0) / n)
    };
    let (a, b) = runs.split_at(runs.len() / 2);
    let ((a, va), (b, vb)) = (half(a), half(b));
    let df = (va + vb).powi(2) / ((va * va + vb * vb) / (runs.len() as f64 / 2.0 - 1.0));
    ((a - b) / (va + vb).sqrt()).abs() > student_t(1.0 - ALPHA / 2.0, df)
}

#[test]
fn false_alarms_are_at_the_nominal_level_on_a_drifting_host() {
    let wanted = std::env::var("SEEPAGE_SIMULATIONS").ok().and_then(|n| n.parse().ok());
    let count: usize = wanted.unwrap_or(300);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let drifts = [Drift::None, Drift::Line(0.5), Drift::Walk(1.0), Drift::Walk(2.0), Drift::Step(5.0)];
    println!("| drift | noise | pairs | blocks |\n|---|---|--:|--:|");
    for noise in [Noise::Normal, Noise::HeavyTailed] {
        for drift in drifts {
            let (mut ours, mut theirs) = (0, 0);
            for _ in 0..count {
                let runs = runs(&mut rng, drift, noise);
                ours += usize::from(by_pairs(&mut rng, &runs));
                theirs += usize::from(by_blocks(&runs));
            }
            let percent = |n: usize| 100.0 * n as f64 / count as f64;
            println!("| {drift:?} | {noise:?} | {:.2} % | {:.1} % |", percent(ours), percent(theirs));
            // One measure has half of the error probability of 1 %; three standard deviations above are still chance.
            let nominal = ALPHA / 2.0;
            let most = count as f64 * nominal + 3.0 * (count as f64 * nominal).sqrt();
            assert!(ours as f64 <= most, "{drift:?} {noise:?}: {} %", percent(ours));
            if !matches!(drift, Drift::None) {
                assert!(percent(theirs) > 15.0, "{drift:?} {noise:?}: {} %, so nothing was shown", percent(theirs));
            }
        }
    }
}

#[test]
fn what_is_four_standard_deviations_beyond_the_margin_is_found() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let margins = Margins::from([(MEMORY, Margin { share: 0.0, least: 1.0 })]);
    let mut found = 0;
    for _ in 0..200 {
        let values: Vec<(f64, f64)> =
            runs(&mut rng, Drift::None, Noise::Normal).as_chunks().0.iter().map(|[a, b]| (*a, b + 5.0)).collect();
        found += usize::from(
            compare(&sides(), &pairs(MEMORY, &values), PAIRS, &margins, &ServiceMargins::new()).answer
                == Answer::Regression,
        );
    }
    assert!(found > 190, "{found} of 200");
}
