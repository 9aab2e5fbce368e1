//! Levels that switch up and down by the same amount: a buffer that is taken and freed in turns, an arena that is given back.
//!
//! A rise that is taken back by an equal fall says nothing of growth, however large it is: it is a switch of state. Growth
//! is what the states themselves do, so each such swing is taken out, at its measured height, before anything is fitted.

use super::level::usual_change;
use crate::limits::POINTS;
use crate::model::Series;
use crate::stats::median;
use crate::thresholds::jumping::CLEAR;
use crate::thresholds::scale::{FEW, MANY, MOST};
use crate::thresholds::swing::{BLURRED, DRIFTING, HABIT};

/// An abrupt change that lasts.
#[derive(Debug, Clone, Copy)]
struct Switch {
    at: usize,
    size: f64,
}

/// A rise or fall, and when it was taken back.
#[derive(Debug, Clone, Copy)]
struct Swing {
    from: usize,
    to: usize,
    height: f64,
}

/// The series without its swings, and how many there were; `None` if there are fewer than two. `least` is the least
/// change of level that counts.
pub fn without_swings(series: &Series, least: f64) -> Option<(Series, usize)> {
    let start = series.judged_from();
    let y = series.y.get(start..)?;
    let together = y.len().div_ceil(POINTS).max(1);
    let levels: Vec<f64> = y.chunks(together).filter_map(median).collect();
    let usual = usual_change(&levels.windows(2).map(|w| w[1] - w[0]).collect::<Vec<_>>())?;
    let alike = |a: f64, b: f64| {
        (a.abs() - b.abs()).abs() <= ((1.0 - MOST.get()) * a.abs().max(b.abs())).max(BLURRED.get() * usual)
    };
    let switches = switches(&levels, (CLEAR.get() * usual).max(least));
    let (mut swings, open) = paired(&switches, alike);
    if swings.len() < HABIT.get() || !are_flat(&levels, &switches, &swings) {
        return None;
    }
    let count = swings.len();
    // Heights that differ by no more than their noise are one height, known the better for it.
    let same = |a: f64, b: f64| (a - b).abs() <= BLURRED.get() * usual;
    let heights: Vec<f64> = swings.iter().map(|s| s.height).collect();
    let typical = |height: f64| {
        let near: Vec<f64> = heights.iter().map(|h| h.abs()).filter(|h| same(*h, height.abs())).collect();
        if near.is_empty() { height } else { near.iter().sum::<f64>() / near.len() as f64 * height.signum() }
    };
    swings.iter_mut().for_each(|s| s.height = typical(s.height));
    // One that began late, and of a kind that has been taken back time and again, goes on at the end of the run.
    for switch in open {
        let known: Vec<f64> =
            swings[..count].iter().map(|s| s.height.abs()).filter(|h| alike(*h, switch.size)).collect();
        if known.len() >= HABIT.get() && switch.at > levels.len() / 2 {
            // One end of it has been seen, whose size holds what has grown around it: those with two ends tell its height.
            let height = known.iter().sum::<f64>() / known.len() as f64 * switch.size.signum();
            swings.push(Swing { from: switch.at, to: levels.len(), height });
        }
    }
    let mut calm = series.clone();
    for swing in swings {
        let part = start + swing.from * together..(start + swing.to * together).min(calm.y.len());
        calm.y[part].iter_mut().for_each(|y| *y -= swing.height);
    }
    Some((calm, count))
}

fn switches(levels: &[f64], threshold: f64) -> Vec<Switch> {
    let n = levels.len();
    let places: Vec<usize> = (2..n.saturating_sub(1))
        .filter(|&i| {
            let step = levels[i] - levels[i - 1];
            let held = shift(levels, i.saturating_sub(FEW.get()), i, (i + FEW.get()).min(n));
            step.abs() > threshold && held.is_some_and(|held| held * step.signum() > 0.5 * step.abs())
        })
        .collect();
    let edge = |k: Option<usize>, otherwise: usize| k.and_then(|k| places.get(k)).copied().unwrap_or(otherwise);
    let measured = |(k, &at): (usize, &usize)| {
        let from = edge(k.checked_sub(1), 0).max(at.saturating_sub(MANY.get()));
        let to = edge(Some(k + 1), n).min(at + MANY.get());
        Some(Switch { at, size: shift(levels, from, at, to)? })
    };
    places.iter().enumerate().filter_map(measured).collect()
}

/// By how much the median from `at` to `to` lies over that from `from` to `at`.
fn shift(levels: &[f64], from: usize, at: usize, to: usize) -> Option<f64> {
    Some(median(levels.get(at..to)?)? - median(levels.get(from..at)?)?)
}

/// Each switch with the latest one before it that it takes back; and those that nothing took back.
fn paired(switches: &[Switch], alike: impl Fn(f64, f64) -> bool) -> (Vec<Swing>, Vec<Switch>) {
    let (mut swings, mut open) = (Vec::new(), Vec::<Switch>::new());
    for &switch in switches {
        let taken_back = |o: &Switch| o.size * switch.size < 0.0 && alike(o.size, switch.size);
        if let Some(place) = open.iter().rposition(taken_back) {
            let begun = open.remove(place);
            swings.push(Swing { from: begun.at, to: switch.at, height: (begun.size - switch.size) / 2.0 });
        } else {
            open.push(switch);
        }
    }
    (swings, open)
}

/// Whether the level stays about where it is between switches. Where it climbs back what a switch took, as in a pool
/// whose members are replaced, the switches are no states.
fn are_flat(levels: &[f64], switches: &[Switch], swings: &[Swing]) -> bool {
    let edges: Vec<usize> = [0].into_iter().chain(switches.iter().map(|s| s.at)).chain([levels.len()]).collect();
    let drift = |w: &[usize]| {
        let part = ((w[1] - w[0]) / FEW.get()).min(MANY.get());
        Some((median(&levels[w[1] - part..w[1]])? - median(&levels[w[0]..w[0] + part])?).abs())
    };
    let drifts: Vec<f64> = edges.windows(2).filter_map(drift).collect();
    let heights: Vec<f64> = swings.iter().map(|s| s.height.abs()).collect();
    median(&drifts).zip(median(&heights)).is_some_and(|(drift, height)| drift <= DRIFTING.get() * height)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(level: impl Fn(usize) -> f64) -> Series {
        let along: Vec<f64> = (0..200).map(|i| i as f64).collect();
        Series { t: along.clone(), x: along, y: (0..200).map(level).collect(), ..Series::default() }
    }

    #[test]
    fn what_comes_and_goes_is_taken_out_and_growth_is_left() {
        let switching = series(|i| 10.0 * i as f64 + if i / 30 % 2 == 1 { 5e6 } else { 0.0 });
        let (calm, swings) = without_swings(&switching, 1000.0).expect("swings");
        assert_eq!(swings, 3);
        let apart = calm.y.iter().enumerate().map(|(i, y)| (y - 10.0 * i as f64).abs()).fold(0.0, f64::max);
        assert!(apart < 100.0, "{apart}");
    }

    #[test]
    fn a_staircase_spikes_and_a_sawtooth_are_left_alone() {
        for level in [
            |i: usize| (i / 30) as f64 * 1e6,
            |i: usize| if i % 20 == 7 { 1e6 } else { 0.0 },
            |i: usize| (i % 25) as f64 * 1e5,
        ] {
            assert!(without_swings(&series(level), 1000.0).is_none());
        }
        assert!(without_swings(&Series::default(), 1000.0).is_none());
    }
}
