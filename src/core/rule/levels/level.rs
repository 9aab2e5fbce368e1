//! From readings to levels: some sixty blocks a series, and the abrupt jumps between them.

use super::idle::works;
use crate::model::Series;
use crate::stats::{interpolate, median, spread};
use crate::thresholds::jumping::CLEAR;
use crate::thresholds::scale::{FEW, MANY, PARTS};

/// The judged part of a series, reduced: positions, levels and load of equally long stretches of time in which something was done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Levels {
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    /// Empty if load is unknown or constant.
    pub load: Vec<f64>,
    /// Requests of each step served so far, a row for each; empty if unknown.
    pub by_step: Vec<Vec<f64>>,
    /// Requests of each step in the whole judged part, to whose ends levels needn't reach; empty if unknown.
    pub served: Vec<f64>,
    /// Whether they are the floor of a sawtooth: levels after collections, each read at a moment of its own.
    pub floor: bool,
}

/// One stretch of time: mean position, median level, mean load, median of the requests of each step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stretch {
    pub x: f64,
    pub y: f64,
    pub load: f64,
    pub by_step: Vec<f64>,
}

/// An abrupt change of level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jump {
    /// Where, as a share of the judged part, 0 to 1.
    pub at: f64,
    /// By how much.
    pub size: f64,
}

/// The longest span of these series, in steps of the axis.
pub fn longest(series: &[Levels]) -> f64 {
    series.iter().map(Levels::span).fold(0.0, f64::max)
}

impl Levels {
    pub fn span(&self) -> f64 {
        match (self.x.first(), self.x.last()) {
            (Some(a), Some(b)) => b - a,
            _ => 0.0,
        }
    }

    /// The levels over the first.
    pub fn risen(&self) -> Levels {
        let first = self.y.first().copied().unwrap_or(0.0);
        Levels { y: self.y.iter().map(|y| y - first).collect(), ..self.clone() }
    }

    /// The level at a position between the first and the last, by a straight line between neighbours.
    pub fn at(&self, x: f64) -> Option<f64> {
        let after = self.x.partition_point(|v| *v < x);
        let (next, y) = (*self.x.get(after)?, self.y[after]);
        if next == x {
            return Some(y);
        }
        let before = after.checked_sub(1)?;
        Some(self.y[before] + (y - self.y[before]) * (x - self.x[before]) / (next - self.x[before]))
    }

    /// The levels at these places.
    pub fn pick(&self, places: &[usize]) -> Levels {
        let pick = |v: &[f64]| places.iter().filter_map(|i| v.get(*i).copied()).collect();
        let by_step = self.by_step.iter().map(|row| pick(row)).collect();
        Levels { x: pick(&self.x), y: pick(&self.y), load: pick(&self.load), by_step, ..self.clone() }
    }
}

/// The times, in seconds, that cut what these series did between `from` and `to` into `count` stretches of equal length, both included.
/// Time in which next to nothing was done counts for nothing.
pub fn cuts(series: &[&Series], from: f64, to: f64, count: usize) -> Vec<f64> {
    let finest = series.iter().max_by_key(|one| one.t.len());
    let inner = finest.into_iter().flat_map(|one| &one.t).copied().filter(|t| *t > from && *t < to);
    let times: Vec<f64> = [from].into_iter().chain(inner).chain([to]).collect();
    let done: Vec<f64> = times.iter().map(|t| series.iter().map(|one| interpolate(&one.t, &one.x, *t)).sum()).collect();
    let mut busy = vec![0.0];
    for (t, works) in times.windows(2).zip(works(&times, &done)) {
        busy.push(busy[busy.len() - 1] + if works { t[1] - t[0] } else { 0.0 });
    }
    let inner = (1..count).map(|k| interpolate(&busy, &times, busy[busy.len() - 1] * k as f64 / count as f64));
    [from].into_iter().chain(inner).chain([to]).collect()
}

/// Reduces the readings to one stretch between each two neighbours of these `cuts` (in seconds): the mean of `x` and of load, the
/// median of `y` and of the counts by step. A stretch without readings is `None`.
pub fn stretches(series: &Series, cuts: &[f64]) -> Vec<Option<Stretch>> {
    let start = series.judged_from();
    let mut at = start + series.t[start..].partition_point(|t| cuts.first().is_none_or(|from| t < from));
    (1..cuts.len())
        .map(|k| {
            let edge = cuts[k];
            let rest = &series.t[at..];
            let taken = rest.partition_point(|t| if k + 1 == cuts.len() { *t <= edge } else { *t < edge });
            let range = at..at + taken;
            at = range.end;
            let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
            let y = median(&series.y[range.clone()])?;
            let load = if series.load.is_empty() { 0.0 } else { mean(&series.load[range.clone()]) };
            // As levels rise with counts, their medians are of the same reading.
            let by_step = series.by_step.iter().filter_map(|row| median(&row[range.clone()])).collect();
            Some(Stretch { x: mean(&series.x[range]), y, load, by_step })
        })
        .collect()
}

/// Levels of one series over its own judged part.
pub fn levels(series: &Series, most: usize) -> Levels {
    let start = series.judged_from();
    let (Some(&from), Some(&to)) = (series.t.get(start), series.t.last()) else { return Levels::default() };
    let readings = series.t.len() - start;
    if readings <= most {
        let load = if series.load.is_empty() { Vec::new() } else { series.load[start..].to_vec() };
        let by_step = series.by_step.iter().map(|row| row[start..].to_vec()).collect();
        let (x, y) = (series.x[start..].to_vec(), series.y[start..].to_vec());
        return Levels { x, y, load, by_step, served: served(series), floor: false };
    }
    let cuts = cuts(&[series], from, to, most);
    let points = stretches(series, &cuts).into_iter().flatten();
    Levels { served: served(series), ..collect(points, !series.load.is_empty()) }
}

/// Requests of each step that were served in the judged part of a series.
pub fn served(series: &Series) -> Vec<f64> {
    let grown = |row: &Vec<f64>| Some(row.last()? - row.get(series.judged_from())?);
    series.by_step.iter().filter_map(grown).collect()
}

/// The mean over workers of their levels in common stretches of time; stretches that some worker lacks are left out.
pub fn mean_levels(parts: &[Vec<Option<Stretch>>], loaded: bool) -> Levels {
    let count = parts.iter().map(Vec::len).min().unwrap_or(0);
    let n = parts.len() as f64;
    let mean = |k: usize| {
        let mut sum = Stretch::default();
        for part in parts {
            let one = part[k].as_ref()?;
            sum.x += one.x / n;
            sum.y += one.y / n;
            sum.load += one.load / n;
            sum.by_step.resize(one.by_step.len(), 0.0);
            sum.by_step.iter_mut().zip(&one.by_step).for_each(|(sum, count)| *sum += count / n);
        }
        Some(sum)
    };
    collect((0..count).filter_map(mean), loaded)
}

fn collect(points: impl Iterator<Item = Stretch>, loaded: bool) -> Levels {
    let mut out = Levels::default();
    for point in points {
        out.x.push(point.x);
        out.y.push(point.y);
        if loaded {
            out.load.push(point.load);
        }
        out.by_step.resize(point.by_step.len(), Vec::new());
        out.by_step.iter_mut().zip(point.by_step).for_each(|(row, count)| row.push(count));
    }
    out
}

/// The spread of changes between neighbours, of which some are nothing and few are abrupt.
pub fn usual_change(changes: &[f64]) -> Option<f64> {
    spread(changes, 1.0 / PARTS.get() as f64)
}

/// Abrupt jumps: changes between neighbours that stand out 6-fold from the usual ones, 3-fold from the changes right
/// before and after (the steep beginning of a curve is no jump), and are at least `least`; two in a row, where they stand out so from what
/// is around both. More than one in six is no longer abrupt, and none is returned.
pub fn jumps(y: &[f64], least: f64) -> Vec<(usize, f64)> {
    let steps: Vec<f64> = y.windows(2).map(|w| w[1] - w[0]).collect();
    let (Some(usual), Some(spread)) = (median(&steps), usual_change(&steps)) else {
        return Vec::new();
    };
    let threshold = (CLEAR.get() * spread).max(least);
    let sizes: Vec<f64> = steps.iter().map(|step| (step - usual).abs()).collect();
    // The changes from `from` to `to` stand out, the least of them too.
    let stand_out = |from: usize, to: usize| {
        let size = sizes[from..=to].iter().copied().fold(f64::INFINITY, f64::min);
        let around = [from.checked_sub(1), Some(to + 1)].into_iter().flatten().filter_map(|k| sizes.get(k));
        size > threshold && around.copied().all(|other| size > FEW.get() as f64 * other)
    };
    let is_one_of_two = |i: usize| {
        let with_next = i + 1 < sizes.len() && stand_out(i, i + 1);
        with_next || i.checked_sub(1).is_some_and(|before| stand_out(before, i))
    };
    let found: Vec<(usize, f64)> =
        (0..sizes.len()).filter(|&i| stand_out(i, i) || is_one_of_two(i)).map(|i| (i + 1, steps[i] - usual)).collect();
    if found.len() * MANY.get() > steps.len() { Vec::new() } else { found }
}

/// Takes the jumps out of the levels.
pub fn without_jumps(y: &[f64], jumps: &[(usize, f64)]) -> Vec<f64> {
    let mut out = y.to_vec();
    for &(at, size) in jumps {
        out[at..].iter_mut().for_each(|v| *v -= size);
    }
    out
}

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub raw: &'a [Levels],
    /// The same less the jumps.
    pub smooth: &'a [Levels],
    pub jumps: &'a [Jump],
    /// Rises of the high-water mark.
    pub rises: &'a [Jump],
    pub workers: usize,
    /// Workers that were averaged into each series.
    pub averaged: f64,
    /// Steps of the axis that all workers span together.
    pub total_span: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Levels that flutter by a little and take steps of a size before these places.
    fn stepped(size: f64, places: &[usize]) -> Vec<f64> {
        let level = |i: usize| size * places.iter().filter(|at| **at <= i).count() as f64;
        (0..60).map(|i| level(i) + ((i * 7919) % 13) as f64).collect()
    }

    #[test]
    fn two_jumps_in_a_row_are_two() {
        let found = |places: &[usize]| jumps(&stepped(1000.0, places), 100.0).iter().map(|j| j.0).collect::<Vec<_>>();
        assert_eq!(found(&[20]), [20]);
        assert_eq!(found(&[20, 33, 34]), [20, 33, 34]);
        assert_eq!(found(&[1, 2, 58, 59]), [1, 2, 58, 59]);
    }

    #[test]
    fn the_steep_beginning_of_a_curve_is_no_jump() {
        let curve: Vec<f64> = (0..60).map(|i| 1e6 * (1.0 - (-f64::from(i) / 3.0).exp())).collect();
        assert!(jumps(&curve, 100.0).is_empty(), "{:?}", jumps(&curve, 100.0));
    }
}
