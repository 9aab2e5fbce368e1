//! What must hold of a finding whatever the series.

use proptest::prelude::*;
use seepage::answer::{Finding, Outcome};
use seepage::model::{Axis, Resource, Series, WorkerId};
use seepage::rule::find;
use seepage::words;

const PAGE: f64 = 4096.0;
const BUDGET: f64 = 64.0;

fn judged(series: &[Series], budget: f64, quantum: f64) -> Finding {
    find(Resource::Memory, Axis::WorkerRequests, series, budget, quantum)
}

fn series(pid: u32, x: Vec<f64>, y: Vec<f64>) -> Series {
    let t = (0..x.len()).map(|i| i as f64).collect();
    let soak_from = x.first().copied().unwrap_or(0.0);
    Series { worker: Some(WorkerId::new(pid, 1)), t, x, y, soak_from, ..Series::default() }
}

/// A worker with pages of noise on a line.
fn noisy(pid: u32, pages: &[u8], slope: f64) -> Series {
    let x: Vec<f64> = (0..pages.len()).map(|i| 100.0 * i as f64).collect();
    let y = x.iter().zip(pages).map(|(x, p)| 1e7 + slope * x + PAGE * f64::from(*p)).collect();
    series(pid, x, y)
}

fn estimate(finding: &Finding) -> f64 {
    finding.growth.expect("an estimate").estimate
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scaling_the_levels_scales_the_growth(pages in prop::collection::vec(0u8..16, 30..60)) {
        let one = noisy(1, &pages, 300.0);
        let mut scaled = one.clone();
        scaled.y.iter_mut().for_each(|y| *y *= 8.0);
        let (a, b) = (judged(&[one], BUDGET, PAGE), judged(&[scaled], 8.0 * BUDGET, 8.0 * PAGE));
        prop_assert_eq!(a.outcome, b.outcome);
        prop_assert!((8.0 * estimate(&a) - estimate(&b)).abs() < 1e-6 * estimate(&b).abs().max(1.0));
    }

    #[test]
    fn shifting_the_levels_changes_nothing(pages in prop::collection::vec(0u8..16, 30..60), by in 0u32..1 << 20) {
        let one = noisy(1, &pages, 300.0);
        let mut shifted = one.clone();
        shifted.y.iter_mut().for_each(|y| *y += f64::from(by) * PAGE);
        let (a, b) = (judged(&[one], BUDGET, PAGE), judged(&[shifted], BUDGET, PAGE));
        prop_assert_eq!(a.outcome, b.outcome);
        prop_assert!((estimate(&a) - estimate(&b)).abs() < 1e-3);
    }

    #[test]
    fn the_order_of_workers_does_not_matter(a in prop::collection::vec(0u8..16, 40), b in prop::collection::vec(0u8..16, 40)) {
        let (a, b) = (noisy(1, &a, 300.0), noisy(2, &b, 300.0));
        let (ab, ba) = (judged(&[a.clone(), b.clone()], BUDGET, PAGE), judged(&[b, a], BUDGET, PAGE));
        prop_assert_eq!(ab.outcome, ba.outcome);
        prop_assert!((estimate(&ab) - estimate(&ba)).abs() < 1e-6 * estimate(&ab).abs());
    }

    #[test]
    fn a_constant_leak_moves_the_estimate_by_itself(pages in prop::collection::vec(0u8..16, 50..60), leak in 1000f64..1e5) {
        let (without, with) = (noisy(1, &pages, 0.0), noisy(1, &pages, leak));
        let (a, b) = (judged(&[without], BUDGET, PAGE), judged(&[with], BUDGET, PAGE));
        prop_assert_eq!(b.outcome, Outcome::Leak);
        // The best model may be another one, so that the two agree up to the noise.
        prop_assert!((estimate(&b) - estimate(&a) - leak).abs() < 60.0, "{} {} {leak}", estimate(&a), estimate(&b));
    }

    #[test]
    fn no_series_makes_it_panic(
        points in prop::collection::vec((prop::num::f64::ANY, prop::num::f64::ANY, prop::num::f64::ANY), 0..70),
        soak_from in prop::num::f64::ANY,
    ) {
        let mut wild = series(1, points.iter().map(|p| p.0).collect(), points.iter().map(|p| p.1).collect());
        wild.load = points.iter().map(|p| p.2).collect();
        wild.soak_from = soak_from;
        let _ = judged(std::slice::from_ref(&wild), BUDGET, PAGE);
        // The same in good order, so that it isn't set aside at once.
        let keep: Vec<usize> = (0..points.len()).filter(|i| wild.x[*i].is_finite() && wild.y[*i].is_finite()).collect();
        let mut x: Vec<f64> = keep.iter().map(|i| wild.x[*i]).collect();
        x.sort_by(f64::total_cmp);
        let _ = judged(&[series(1, x, keep.iter().map(|i| wild.y[*i]).collect())], BUDGET, PAGE);
    }
}

#[test]
fn degenerate_series_are_inconclusive_or_clean_and_never_a_leak() {
    let n = 60;
    let line: Vec<f64> = (0..n).map(f64::from).collect();
    let cases = [
        ("nothing", vec![], vec![]),
        ("one point", vec![1.0], vec![1e6]),
        ("two points", vec![1.0, 1000.0], vec![1e6, 2e6]),
        ("all x equal", vec![5.0; 60], line.iter().map(|x| 1e6 * x).collect()),
        ("constant", line.clone(), vec![1e6; 60]),
        ("zero", line.clone(), vec![0.0; 60]),
        ("falling", line.clone(), line.iter().map(|x| 1e9 - 1e6 * x).collect()),
        ("not a number", line.clone(), vec![f64::NAN; 60]),
        ("infinite", line.clone(), vec![f64::INFINITY; 60]),
    ];
    for (name, x, y) in cases {
        let finding = judged(&[series(1, x, y)], BUDGET, PAGE);
        assert_ne!(finding.outcome, Outcome::Leak, "{name}: {:?}", finding.reason);
        if name != "constant" && name != "zero" {
            assert_eq!(finding.outcome, Outcome::Inconclusive, "{name}: {:?}", finding.reason);
            assert!(finding.settle.is_some(), "{name}");
        }
        assert!(!words::reason(&finding).is_empty());
    }
    assert_eq!(judged(&[], BUDGET, PAGE).outcome, Outcome::Inconclusive);
}
