//! Made-up comparisons with known truth.

use crate::answer::Quantile;
use crate::compare::{Comparison, Measure, Pair, compare};
use seepage_core::fixture::pairs::{MEMORY, margins, run, sides};

/// Eight pairs in which the candidate leaks and is slow.
pub fn leak() -> (Comparison, Vec<Pair>) {
    let wobble = |i: usize, seed: usize| ((i * 37 + seed * 11) % 17) as f64 - 8.0;
    let pairs: Vec<Pair> = (0..8)
        .map(|i| {
            let side = |growth: f64, level: f64, p95: f64, seed: usize| {
                let growth = growth + wobble(i, seed);
                let mut run = run(&[
                    (MEMORY, growth),
                    (Measure::Level, level + 3e4 * wobble(i, seed + 3)),
                    (Measure::Cpu, 2.4e-4 + 2e-6 * wobble(i, seed + 5)),
                    (Measure::Latency(Quantile::P50), 1.2e-3),
                    (Measure::Latency(Quantile::P95), p95 * (1.0 + 0.01 * wobble(i, seed + 7))),
                    (Measure::ErrorRate, 0.0),
                ]);
                run.id = format!("pair-{:02}-{}", i + 1, if seed == 0 { 'a' } else { 'b' });
                run.sentence = "CLEAN  at most 12 B/request".into();
                run.curve = (0..=50).map(|k| 60.0 * f64::from(k)).map(|x| (x, 6.2e6 + growth * x)).collect();
                run
            };
            Pair { a: side(3.0, 6.3e6, 2.1e-3, 0), b: side(4180.0, 1.8e7, 5.4e-2, 1), b_first: i % 3 == 0 }
        })
        .collect();
    (compare(&sides(), &pairs, 8, &margins(), &Default::default()), pairs)
}
