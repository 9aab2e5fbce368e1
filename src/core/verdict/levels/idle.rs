//! Time in which next to nothing is done: it says nothing of growth by request, and growth in it is none that a request made.

use crate::model::Series;
use crate::stats::{Estimate, Panel, Unit};
use crate::thresholds::level::BLOCKS;
use crate::thresholds::scale::{LITTLE, SEVERAL};
use std::ops::Range;

/// Whether something was done between each two neighbours of these times, by what was `done` until each: at least a little of the
/// usual pace.
pub fn works(t: &[f64], done: &[f64]) -> Vec<bool> {
    let (Some(first), Some(last)) = (t.first().zip(done.first()), t.last().zip(done.last())) else { return Vec::new() };
    let pace = (last.1 - first.1) / (last.0 - first.0);
    let least = |t: &[f64]| LITTLE.get() * pace * (t[1] - t[0]);
    t.windows(2).zip(done.windows(2)).map(|(t, done)| done[1] - done[0] >= least(t)).collect()
}

/// What the judged part of a series grows by in all its idle time, by the later half of it, per step of the axis: in units of the
/// resource. `None` without idle stretches that are as long as a level and have several readings.
pub fn growth(series: &Series, quantum: f64) -> Option<Estimate> {
    let start = series.judged_from();
    let (t, x, y) = (&series.t[start..], &series.x[start..], &series.y[start..]);
    let (span, length) = (x.last()? - x.first()?, t.last()? - t.first()?);
    let seconds = |of: &Range<usize>| t[of.end - 1] - t[of.start];
    let long = |of: &Range<usize>| of.len() >= SEVERAL.get() && seconds(of) * BLOCKS.get() as f64 >= length;
    let idle: Vec<Range<usize>> = stretches(&works(t, x)).into_iter().filter(long).collect();
    let all: f64 = idle.iter().map(seconds).sum();
    let mut before = 0.0;
    let mut units = Vec::new();
    for mut stretch in idle {
        let (from, lasts) = (t[stretch.start], seconds(&stretch));
        // Caches that fill when a process begins have filled by then.
        stretch.start += t[stretch.clone()].partition_point(|at| before + at - from < 0.5 * all);
        before += lasts;
        units.push(Unit { y: y[stretch.clone()].to_vec(), columns: vec![t[stretch].to_vec()] });
    }
    let pace = Panel::new(&units, quantum)?.fit(&[0])?.coefficient(0);
    Some(Estimate { value: pace.value * all / span, se: pace.se * all / span, ..pace })
}

/// The readings of each stretch in which nothing works.
fn stretches(works: &[bool]) -> Vec<Range<usize>> {
    let mut at = 0;
    let parts = works.chunk_by(|a, b| a == b).map(|part| {
        at += part.len();
        (part[0], at - part.len()..at + 1)
    });
    parts.filter(|(works, _)| !works).map(|(_, readings)| readings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number between -1/2 and 1/2 for each place, seemingly at random.
    fn chance(i: usize) -> f64 {
        (i as f64 * 997.0 + 0.123).sin().abs().fract() - 0.5
    }

    /// Readings a second apart, requests in the middle fifth, and a level by time.
    fn burst(level: impl Fn(f64) -> f64) -> Series {
        let x = |i: usize| 10.0 * (i.clamp(120, 180) - 120) as f64;
        Series {
            t: (0..300).map(|i| i as f64).collect(),
            x: (0..300).map(x).collect(),
            y: (0..300).map(|i| level(i as f64) + chance(i)).collect(),
            ..Series::default()
        }
    }

    #[test]
    fn what_grows_by_time_grows_in_idle_time() {
        let found = growth(&burst(|t| 6.0 * t), 0.0).unwrap();
        // 239 s without requests, over 600 of them.
        assert!((found.value - 6.0 * 239.0 / 600.0).abs() < 0.1 && found.lower(0.01) > 2.0, "{found:?}");
        let still = growth(&burst(|t| 60.0 * t.clamp(120.0, 180.0)), 0.0).unwrap();
        assert!(still.lower(0.05) <= 0.0 && still.upper(0.05) < 0.1, "{still:?}");
        let filled_at_first = growth(&burst(|t| 60.0 * t.min(60.0)), 0.0).unwrap();
        assert!(filled_at_first.upper(0.05) < 0.1, "{filled_at_first:?}");
    }

    #[test]
    fn work_without_a_pause_has_no_idle_time() {
        let always = Series { x: (0..300).map(f64::from).collect(), ..burst(|t| t) };
        assert!(growth(&always, 0.0).is_none());
        // Counted every third reading.
        let coarse = Series { x: (0..300).map(|i| f64::from(i / 3)).collect(), ..burst(|t| t) };
        assert!(growth(&coarse, 0.0).is_none());
        assert!(growth(&Series::default(), 0.0).is_none());
    }
}
