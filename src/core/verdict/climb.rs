//! How a level climbs, told without a model: by many rises or a few, like a ratchet or like a walk, roughly or smoothly.

use super::assess::STEADY;
use super::level::Levels;
use crate::stats::{median, theil_sen};

/// Roughness early in the run beside that late in it from which growth faded roughly: beyond what readings that err reach by
/// chance.
const ROUGHER: f64 = 6.0;
/// The part of its estimate that growth after a transient must reach in the last quarter of the run; and where it was so
/// much rougher early.
const KEPT: f64 = 0.85;
const ROUGH: f64 = 2.0;
const KEPT_BY_ROUGH: f64 = 0.95;
/// Levels that tell how rough they are.
const ENOUGH: usize = 30;
/// The part of its mean pace that growth at an even pace has in the last 40 %.
const EVEN: f64 = 0.8;
/// The part of its rise by which a ratchet falls in all, step by step.
const FALLS: f64 = 0.3;
/// Effective number of rises that late growth must be made of to be a leak.
const SPREAD: f64 = 5.0;

/// Whether growth in the last 60 % is made of many rises of the high-water mark, not of a few that may be the last: the
/// effective number of rises (Kish 1965), the square of their sum over the sum of their squares.
pub(super) fn is_spread(levels: &Levels) -> bool {
    let late = &levels.y[2 * levels.y.len() / 5..];
    let mut mark = late.first().copied().unwrap_or(0.0);
    let (mut sum, mut squares) = (0.0, 0.0);
    for y in late {
        let rise = (y - mark).max(0.0);
        sum += rise;
        squares += rise * rise;
        mark = mark.max(*y);
    }
    sum * sum >= squares * SPREAD.min(0.4 * (late.len() as f64 - 1.0)) && sum > 0.0
}

/// The deepest fall of the level from an earlier height, as a part of its rise from first to last; infinite if it
/// didn't rise. A leak under noise climbs like a ratchet, a walk strolls.
pub(super) fn falls(levels: &Levels) -> f64 {
    match (levels.y.first(), levels.y.last()) {
        (Some(first), Some(last)) if last > first => deepest_fall(&levels.y) / (last - first),
        _ => f64::INFINITY,
    }
}

/// The deepest fall from an earlier height.
pub(super) fn deepest_fall(levels: &[f64]) -> f64 {
    let (mut top, mut deepest) = (f64::NEG_INFINITY, 0.0f64);
    for y in levels {
        top = top.max(*y);
        deepest = deepest.max(top - y);
    }
    deepest
}

/// How much rougher the level is early than late, as where a transient made it grow. What fills by chance, object by object,
/// does so; readings that err do not. Roughness is that of third differences, of which smooth curves have next to none.
fn fading(levels: &Levels) -> f64 {
    let squares: Vec<f64> = levels.y.windows(4).map(|w| (w[3] - 3.0 * (w[2] - w[1]) - w[0]).powi(2)).collect();
    let sum = |from: f64, to: f64| {
        let place = |share: f64| (share * squares.len() as f64) as usize;
        squares[place(from)..place(to)].iter().sum::<f64>()
    };
    if squares.len() < ENOUGH { 0.0 } else { sum(0.1, 0.4) / sum(0.7, 1.0) }
}

/// Whether the level is so much rougher early that its growth must have faded; less is enough where it took several
/// `shapes` to describe it.
pub(super) fn fades_roughly(levels: &Levels, shapes: usize) -> bool {
    fading(levels) > if shapes > 1 { ROUGH } else { ROUGHER }
}

/// Whether growth after a transient has become slower than the estimate of what persists says: a transient that no model has
/// the shape of lends its growth to the straight line. The rougher it was, the less its shape is known.
pub(super) fn falls_behind(levels: &Levels, estimate: f64) -> bool {
    let kept = if fading(levels) > ROUGH { KEPT_BY_ROUGH } else { KEPT };
    last_quarter(std::slice::from_ref(levels)) < kept * estimate
}

/// Whether the level climbs like a ratchet and at an even pace to the end: noise falls as often as it rises, and what ends
/// by itself slows down. Rises of very different sizes have a mean that no bound for symmetric errors knows well, but
/// they are rises.
pub(super) fn climbs_evenly(levels: &Levels) -> bool {
    let Levels { x, y, .. } = levels;
    let (Some(first), Some(last)) = (y.first(), y.last()) else { return false };
    let rise = last - first;
    let falls: f64 = y.windows(2).map(|w| (w[0] - w[1]).max(0.0)).sum();
    let pace = |part: f64| {
        let from = ((1.0 - part) * (y.len() - 1) as f64) as usize;
        Some((last - y[from]) / (x[x.len() - 1] - x[from]) * levels.span()).filter(|pace| pace.is_finite())
    };
    let keeps = |part: f64, pace_kept: f64| pace(part).is_some_and(|pace| pace >= pace_kept * rise);
    rise > 0.0 && falls <= FALLS * rise && keeps(0.4, EVEN) && keeps(0.2, STEADY)
}

/// Growth from first to last level of the last quarter, the least of all series; nothing without one.
pub(super) fn last_quarter(series: &[Levels]) -> f64 {
    let growth = |s: &Levels| {
        let (to, from) = (s.x.len().checked_sub(1)?, 3 * s.x.len() / 4);
        Some((s.y.get(to)? - s.y.get(from.checked_sub(1)?)?) / (s.x[to] - s.x[from - 1]))
    };
    series.iter().map(|s| growth(s).filter(|g| g.is_finite()).unwrap_or(0.0)).fold(f64::INFINITY, f64::min)
}

/// The median over the series of the Theil-Sen slope of their last 40 %.
pub(super) fn late_slope(series: &[Levels]) -> Option<f64> {
    let slopes: Vec<f64> = series
        .iter()
        .filter_map(|s| {
            let from = s.x.first()? + 0.6 * s.span();
            let i = s.x.partition_point(|x| *x < from);
            theil_sen(&s.x[i..], &s.y[i..])
        })
        .collect();
    median(&slopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(y: impl Fn(f64) -> f64) -> Levels {
        let x: Vec<f64> = (0..60).map(f64::from).collect();
        Levels { y: x.iter().map(|x| y(*x)).collect(), x, ..Levels::default() }
    }

    /// A number between 0 and 1 for each place, seemingly at random.
    fn chance(x: f64) -> f64 {
        (x * 997.0 + 0.123).sin().abs()
    }

    #[test]
    fn a_ratchet_climbs_evenly_and_a_warm_up_or_noise_does_not() {
        assert!(climbs_evenly(&levels(|x| x.floor() + 2.0 * chance(x))));
        assert!(!climbs_evenly(&levels(|x| 60.0 * (1.0 - (-x / 30.0).exp()))), "it slows down");
        assert!(!climbs_evenly(&levels(|x| x.min(48.0))), "it has ended");
        assert!(!climbs_evenly(&levels(|x| x + 40.0 * chance(x))), "it falls as often as it rises");
        assert!(!climbs_evenly(&levels(|_| 1.0)) && !climbs_evenly(&Levels::default()));
    }

    #[test]
    fn what_fills_by_chance_is_rough_while_it_fills() {
        let filled = |x: f64| (0..=x as u32).map(|k| chance(f64::from(k)) * (-f64::from(k) / 12.0).exp()).sum::<f64>();
        assert!(fades_roughly(&levels(filled), 1));
        assert!(!fades_roughly(&levels(|x| 100.0 * (1.0 - (-x / 12.0).exp()) + chance(x)), 1));
        assert!(!fades_roughly(&levels(|_| 1.0), 1) && !fades_roughly(&Levels::default(), 1));
    }

    #[test]
    fn what_has_slowed_falls_behind_what_seems_to_persist() {
        let kept = levels(|x| 40.0 * (1.0 - (-x / 6.0).exp()) + x);
        assert!(!falls_behind(&kept, 1.0) && falls_behind(&kept, 1.3));
        assert!(!falls_behind(&levels(|x| x), 1.0));
    }

    #[test]
    fn a_few_steps_are_not_many_rises() {
        assert!(is_spread(&levels(|x| x)));
        assert!(!is_spread(&levels(|x| (x / 15.0).floor())));
    }
}
