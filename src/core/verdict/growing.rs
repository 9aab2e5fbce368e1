//! Whether a quantity that isn't judged by the rule grew by more than is allowed: its floor and its ceiling both, from part to
//! part of the judged span.
//!
//! What is given back moves neither for long, what grew at first and stopped lies before all parts, and what warms up later
//! rises in some of them only.

use super::doubt::Grown;
use crate::model::{Axis, Series};
use crate::thresholds::growing::{BEGIN, PARTS, STEADY};

/// How much `series` grew, if that is `least` at least and more than `allowed` for a step of its axis.
pub(super) fn grown(series: &Series, axis: Axis, allowed: f64, least: f64) -> Option<Grown> {
    let begin = series.x.partition_point(|x| *x < series.soak_from);
    let (from, to) = (*series.x.get(begin)?, *series.x.last()?);
    let at = |share: f64| from + share * (to - from);
    let cut = |count: usize, begin_at: f64| -> Option<Vec<Course>> {
        let edge = |part: usize| at(begin_at + (1.0 - begin_at) * part as f64 / count as f64);
        let end = |part: usize| if part + 1 == count { f64::INFINITY } else { edge(part + 1) };
        (0..count).map(|part| Course::of(series, begin, edge(part)..end(part))).collect()
    };
    // Of few readings, fewer parts: what is seldom looked at must not pass for that.
    let parts = (2..=PARTS.get()).rev().find_map(|count| cut(count, BEGIN.get())).or_else(|| cut(2, 0.0))?;
    let (first, last) = (parts.first()?, parts.last()?);
    let growth = last.over(first);
    let rate = growth / (last.middle - first.middle);
    let steady = parts
        .windows(2)
        .all(|pair| pair[1].over(&pair[0]) > STEADY.get() * allowed.max(rate) * (pair[1].middle - pair[0].middle));
    let more = growth >= least && growth > 0.0 && rate > allowed && steady;
    more.then(|| Grown { from: series.y[begin], to: series.y[series.y.len() - 1], rate, allowed, axis })
}

/// A part of a series.
struct Course {
    floor: f64,
    ceiling: f64,
    /// Mean position on the axis.
    middle: f64,
}

impl Course {
    /// How much higher this part is than an earlier one.
    fn over(&self, earlier: &Course) -> f64 {
        (self.floor - earlier.floor).min(self.ceiling - earlier.ceiling)
    }

    fn of(series: &Series, begin: usize, span: std::ops::Range<f64>) -> Option<Self> {
        let inside = (begin..series.x.len()).filter(|i| span.contains(&series.x[*i]));
        let (mut floor, mut ceiling, mut sum, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0);
        for i in inside {
            floor = floor.min(series.y[i]);
            ceiling = ceiling.max(series.y[i]);
            sum += series.x[i];
            count += 1.0;
        }
        (count > 0.0).then(|| Course { floor, ceiling, middle: sum / count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(level: impl Fn(f64) -> f64) -> Series {
        let x: Vec<f64> = (0..200).map(|i| 10.0 * f64::from(i)).collect();
        Series { t: x.clone(), y: x.iter().map(|x| level(*x)).collect(), x, ..Series::default() }
    }

    fn rate(level: impl Fn(f64) -> f64) -> Option<f64> {
        grown(&series(level), Axis::PoolRequests, 1.0, 8.0).map(|grown| grown.rate)
    }

    #[test]
    fn steady_growth_has_its_rate_and_growth_within_what_is_allowed_is_none() {
        assert!((rate(|x| 5.0 * x).unwrap() - 5.0).abs() < 0.1);
        assert_eq!(rate(|x| 0.9 * x), None);
        assert_eq!(rate(|_| 50.0), None);
        assert_eq!(rate(|x| 4000.0 - x), None);
        assert_eq!(grown(&series(|x| 5.0 * x), Axis::PoolRequests, 1.0, 1e9), None);
        assert_eq!(grown(&Series::default(), Axis::PoolRequests, 1.0, 0.0), None);
        // However few readings there are.
        for count in 2..12_u32 {
            let x: Vec<f64> = (0..count).map(|i| 900.0 * f64::from(i).sqrt()).collect();
            let few = Series { t: x.clone(), y: x.iter().map(|x| 5.0 * x).collect(), x, ..Series::default() };
            let found = grown(&few, Axis::PoolRequests, 1.0, 8.0).unwrap_or_else(|| panic!("{count} readings"));
            // Of two in a part, the lower one is its floor.
            assert!((2.5..5.1).contains(&found.rate), "{count}: {}", found.rate);
        }
    }

    #[test]
    fn what_grows_at_first_and_what_comes_and_goes_does_not_grow() {
        assert_eq!(rate(|x| 50.0 * x.min(600.0)), None);
        assert_eq!(rate(|x| if ((x / 100.0) as u64).is_multiple_of(3) { 1e6 } else { 0.0 }), None);
        // A step up here and there is none either, such as a warm-up of several processes.
        assert_eq!(rate(|x| 1e5 * (x / 800.0).floor()), None);
        // A sawtooth whose low points rise as its high points do is growth all the same.
        assert!(rate(|x| 5.0 * x + if ((x / 50.0) as u64).is_multiple_of(3) { 1e6 } else { 0.0 }).unwrap() > 4.0);
    }

    #[test]
    fn a_warm_up_phase_is_left_out() {
        let late = Series { soak_from: 1000.0, ..series(|x| if x < 1000.0 { 50.0 * x } else { 50_000.0 }) };
        assert_eq!(grown(&late, Axis::PoolRequests, 1.0, 8.0), None);
    }
}
