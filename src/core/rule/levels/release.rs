//! Memory that is given back at first: start-up buffers, a heap that is trimmed.
//!
//! What falls smoothly to a low point says nothing of what comes after it, and no model of growth fits it: warm-ups only add
//! memory. The judged part begins at the low point then. What falls at once may be a collection, and what comes after it the next climb, until
//! that is above where it fell from.

use super::level::{Levels, levels, usual_change};
use crate::model::Series;
use crate::thresholds::jumping::CLEAR;
use crate::thresholds::level::BLOCKS;
use crate::thresholds::scale::MOST;

/// The series, judged from its low point on; `None` if nothing was given back at first. `least` is the least change of level
/// that counts.
pub fn after_release(series: &Series, least: f64) -> Option<Series> {
    let Levels { x, y, .. } = levels(series, BLOCKS.get());
    let low = (0..y.len() / 2).min_by(|a, b| y[*a].total_cmp(&y[*b]))?;
    let (head, rest) = (&y[..=low], &y[low..]);
    let steps = |levels: &[f64]| levels.windows(2).map(|w| w[1] - w[0]).collect::<Vec<_>>();
    let fall = head[0] - y[low];
    let risen: f64 = steps(head).iter().map(|step| step.max(0.0)).sum();
    let highest = |levels: &[f64]| levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let is_collected = steps(head).iter().any(|step| -step > 0.5 * fall) && highest(rest) <= highest(head);
    let clear = fall > (CLEAR.get() * usual_change(&steps(rest))?).max(least) && risen <= (1.0 - MOST.get()) * fall;
    (clear && !is_collected && deepest_fall(rest) <= 0.5 * fall).then(|| Series { soak_from: x[low], ..series.clone() })
}

/// The deepest fall from an earlier height.
fn deepest_fall(levels: &[f64]) -> f64 {
    let (mut top, mut deepest) = (f64::NEG_INFINITY, 0.0f64);
    for y in levels {
        top = top.max(*y);
        deepest = deepest.max(top - y);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(level: impl Fn(f64) -> f64) -> Series {
        let along: Vec<f64> = (0..300).map(f64::from).collect();
        let y = along.iter().map(|x| level(*x) + 1000.0 * (x * 997.0).sin()).collect();
        Series { t: along.clone(), x: along, y, ..Series::default() }
    }

    #[test]
    fn the_judged_part_begins_at_the_low_point() {
        for release in [|x: f64| 4e6 * (-x / 20.0).exp(), |x: f64| if x < 15.0 { 1e6 } else { 0.0 }] {
            let judged = after_release(&series(|x| release(x) + 5000.0 * x), 32768.0).expect("a release");
            assert!((10.0..90.0).contains(&judged.soak_from), "{}", judged.soak_from);
        }
    }

    #[test]
    fn what_comes_and_goes_or_only_grows_is_no_release() {
        let saw = |x: f64| -1e5 * (x % 50.0);
        let tooth = |x: f64| 5000.0 * x - if x < 60.0 { 0.0 } else { 4e6 };
        let growth = |x: f64| 5000.0 * x;
        let late = |x: f64| if x < 200.0 { 4e6 } else { 0.0 };
        let flat = |_: f64| 0.0;
        for level in [saw, tooth, growth, late, flat] {
            assert!(after_release(&series(level), 32768.0).is_none());
        }
        assert!(after_release(&Series::default(), 32768.0).is_none());
    }
}
