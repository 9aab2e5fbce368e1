//! Whether readings themselves keep what a model says they grow by.
//!
//! Levels and jumps are taken from stretches of readings. Where something moves faster than is read, such as a collector between two readings,
//! falls are missed there that take all of it back.

use crate::model::Series;
use crate::thresholds::scale::QUARTER;

/// By how much per step of the axis the last quarter of the readings lies above one of those before, in the middle or the lower part; `None`
/// where that isn't asked: what follows a load is left to the models.
pub fn kept<'a>(series: impl Iterator<Item = &'a Series>) -> Option<f64> {
    // What is kept from each of the quarters to the last, in either part, and the steps between.
    let mut kept: Vec<[f64; 3]> = Vec::new();
    for one in series {
        if !one.load.is_empty() {
            return None;
        }
        let from = one.judged_from();
        let (x, y) = (&one.x[from..], &one.y[from..]);
        let quarters = (1.0 / QUARTER.get()) as usize;
        let part = |values: &[f64], place: usize, at: f64| {
            let edge = |place: usize| place * values.len() / quarters;
            let mut part = values[edge(place)..edge(place + 1)].to_vec();
            part.sort_by(f64::total_cmp);
            part.get((at * part.len() as f64) as usize).copied()
        };
        let last = quarters - 1;
        kept.resize(last, [0.0; 3]);
        for (place, kept) in kept.iter_mut().enumerate() {
            let risen = |values: &[f64], at: f64| Some(part(values, last, at)? - part(values, place, at)?);
            for (sum, more) in kept.iter_mut().zip([risen(y, 0.5), risen(y, QUARTER.get()), risen(x, 0.5)]) {
                *sum += more.unwrap_or(0.0);
            }
        }
    }
    // Where nothing was done from one quarter to the last, nothing had to be kept.
    if kept.iter().any(|[middle, low, steps]| *steps <= 0.0 && middle.max(*low) >= 0.0) {
        return None;
    }
    let pace =
        |[middle, low, steps]: &[f64; 3]| if *steps > 0.0 { middle.max(*low) / steps } else { f64::NEG_INFINITY };
    Some(kept.iter().map(pace).fold(f64::NEG_INFINITY, f64::max))
}

/// The steepest that any of these falls and rises for a quarter of its readings, per step of the axis: all steps in that direction together, with a
/// `quantum` to which readings are rounded. No growth that is told is beyond; `None` of readings too few to say.
pub fn steepest(series: &[Series], quantum: f64) -> Option<(f64, f64)> {
    let quarters = (1.0 / QUARTER.get()) as usize;
    let paces = series.iter().flat_map(|one| {
        let from = one.judged_from();
        let steps: Vec<(f64, f64)> =
            (from + 1..one.x.len()).map(|i| (one.x[i] - one.x[i - 1], one.y[i] - one.y[i - 1])).collect();
        let part = steps.len().div_ceil(quarters).max(1);
        steps.chunks(part).map(<[_]>::to_vec).collect::<Vec<_>>()
    });
    let bounds = paces.filter_map(|steps| {
        let span: f64 = steps.iter().map(|(x, _)| x).sum();
        let all = |way: f64| steps.iter().map(|(_, y)| (way * y).max(0.0)).sum::<f64>() + quantum;
        (span > 0.0).then(|| (-all(-1.0) / span, all(1.0) / span))
    });
    bounds.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Outcome;
    use crate::model::{Axis, Resource};
    use crate::rule::finding::find;

    fn series(level: impl Fn(f64) -> f64) -> Series {
        let along: Vec<f64> = (0..240).map(f64::from).collect();
        let y = along.iter().map(|x| level(*x) + 5.0 * (x * 997.0).sin()).collect();
        Series { t: along.clone(), x: along, y, ..Series::default() }
    }

    #[test]
    fn what_lasts_is_kept_and_what_is_given_back_between_two_readings_is_not() {
        let kept = |level: &dyn Fn(f64) -> f64| kept([series(level)].iter()).unwrap();
        let saw = |x: f64| 1000.0 * (x / 2.13).fract();
        assert!((kept(&|x| 10.0 * x) - 10.0).abs() < 0.5 && kept(&|x| 10.0 * x + saw(x)) > 5.0);
        assert!(kept(&|x| 10.0 * (x - 140.0).max(0.0)) > 5.0, "it sets in late");
        assert!(kept(&|x| x * x / 24.0) > 10.0, "it becomes faster");
        assert!(kept(&saw) < 30.0 && kept(&|_| 0.0) < 0.5);
        assert_eq!(super::kept([].iter()), Some(f64::NEG_INFINITY));
        let loaded = Series { load: vec![1.0; 240], ..series(|x| 10.0 * x) };
        assert_eq!(super::kept([loaded].iter()), None, "the models know of it");
    }

    #[test]
    fn a_collector_that_runs_between_readings_is_no_leak_and_no_growth_is_told_that_they_do_not_allow() {
        const MIB: f64 = 1_048_576.0;
        for period in [2.03, 2.07, 2.11, 2.15, 2.19, 3.21, 5.93, 9.54, 10.4, 22.6] {
            for count in [120u32, 240, 720] {
                let x: Vec<f64> = (0..count).map(|i| f64::from(i) / 60.0).collect();
                let y = (0..count).map(|i| (100.0 + 100.0 * (f64::from(i) / period).fract()) * MIB).collect();
                let one = [Series { t: x.iter().map(|x| 3600.0 * x).collect(), x, y, ..Series::default() }];
                let found = find(Resource::Memory, Axis::Hours, &one, MIB, 4096.0);
                assert_ne!(found.outcome, Outcome::Leak, "{period} {count}: {found:?}");
                let (fall, rise) = steepest(&one, 4096.0).unwrap();
                let growth = found.growth.unwrap();
                assert!((fall..=rise).contains(&growth.estimate), "{period} {count}: {growth:?}");
            }
        }
    }

    #[test]
    fn no_growth_is_steeper_than_readings_rise() {
        let (fall, rise) = steepest(&[series(|x| 10.0 * x)], 0.0).unwrap();
        assert!((10.0..18.0).contains(&rise) && (-8.0..=0.0).contains(&fall), "{fall} {rise}");
        let (_, late) = steepest(&[series(|x| 10.0 * (x - 180.0).max(0.0))], 0.0).unwrap();
        assert!(late >= 9.9, "{late}");
        assert_eq!(steepest(&[], 0.0), None);
    }
}
