//! The floor of a sawtooth: levels just after a garbage collection.
//!
//! A straight line through a sawtooth follows where in its last tooth the run happened to end. A leak pushes up the
//! floor.

use super::level::Levels;
use crate::limits::POINTS;
use crate::stats::{median, spread};
use crate::thresholds::floor::STEEP;
use crate::thresholds::jumping::CLEAR;
use crate::thresholds::scale::{FEW, LITTLE, MANY, MOST, SEVERAL};
use std::ops::Range;

/// The floor of readings at `x` with levels `y`, if they are a sawtooth; `least` is the least change of level that
/// counts as a drop. Where minor collections leave what a major one takes, it is each one's level less what its kind
/// usually leaves.
pub fn floor(readings: &Levels, least: f64) -> Option<Levels> {
    let drops = drops(&readings.y, least);
    if drops.places.len() < SEVERAL.get() || !drops.are_gradual() {
        return None;
    }
    let floor = Levels { floor: true, ..readings.pick(&drops.places) };
    let major = self::drops(&floor.y, least);
    let floor = if major.places.len() >= FEW.get() { without_minor(&floor, &major.places) } else { floor };
    let busy = without_idle(&floor);
    if busy.x.len() >= MANY.get() || busy.x.len() == floor.x.len() {
        return Some(in_stretches(&busy));
    }
    // Nearly all collections come while nothing is done: teeth that are small beside what grows in between hide less of it.
    let risen = floor.y.last().zip(floor.y.first()).map_or(0.0, |(last, first)| last - first);
    let is_small = median(&drops.heights).is_some_and(|height| risen > FEW.get() as f64 * height);
    (!is_small).then(|| in_stretches(&floor))
}

/// The floor with one level for each time in which next to nothing was done: however many collections come then, they tell no more of growth
/// than one.
fn without_idle(floor: &Levels) -> Levels {
    let least = LITTLE.get() * floor.span() / (floor.x.len() as f64 - 1.0);
    let mut begins: Vec<usize> = (1..floor.x.len()).filter(|i| floor.x[*i] - floor.x[i - 1] >= least).collect();
    begins.insert(0, 0);
    let ends = begins.iter().skip(1).copied().chain([floor.x.len()]);
    merged(floor, begins.iter().zip(ends).map(|(from, to)| *from..to))
}

/// The floor after all collections, each less what its kind, counted from the major one before it, usually leaves.
fn without_minor(floor: &Levels, major: &[usize]) -> Levels {
    // The places of each kind, and the cycle that each is in; before the first major one there are no kinds.
    let mut kinds: Vec<Vec<(usize, usize)>> = Vec::new();
    for (cycle, &first) in major.iter().enumerate() {
        let next = major.get(cycle + 1).copied().unwrap_or(floor.y.len());
        kinds.resize(kinds.len().max(next - first), Vec::new());
        kinds.iter_mut().zip(first..next).for_each(|(kind, place)| kind.push((place, cycle)));
    }
    // One of a kind tells nothing but what its kind leaves.
    kinds.retain(|kind| kind.len() > 1);
    // Growth from each to the next of its kind (Sen 1968), so that what a kind leaves isn't taken for growth.
    let growth = |w: &[(usize, usize)]| (floor.y[w[1].0] - floor.y[w[0].0]) / (floor.x[w[1].0] - floor.x[w[0].0]);
    let slope = median(&kinds.iter().flat_map(|kind| kind.windows(2).map(growth)).collect::<Vec<_>>()).unwrap_or(0.0);
    // What is left of each level once its kind is taken off, as it differs from a straight line.
    let line = |place: usize| floor.y[major[0]] + slope * (floor.x[place] - floor.x[major[0]]);
    let mut places = Vec::new();
    let mut cycles: Vec<Vec<f64>> = vec![Vec::new(); major.len()];
    for kind in &kinds {
        let above = |&(place, cycle): &(usize, usize)| {
            let first = major[cycle];
            floor.y[place] - floor.y[first] - slope * (floor.x[place] - floor.x[first])
        };
        let left = median(&kind.iter().map(above).collect::<Vec<_>>()).unwrap_or(0.0);
        for &(place, cycle) in kind {
            let error = floor.y[place] - left - line(place);
            places.push((place, error));
            cycles[cycle].push(error);
        }
    }
    places.sort_by_key(|p| p.0);
    let louder = lost_to_kinds(major.len()) * shared(&cycles);
    let mut out = floor.pick(&places.iter().map(|p| p.0).collect::<Vec<_>>());
    out.y = places.iter().map(|&(place, error)| line(place) + louder * error).collect();
    out
}

/// By how much the errors of cycles stand out from those within them, 1 at least: what a major collection has left more than
/// usual, all have that come before the next. The root of the ratio of an analysis of variance (Fisher 1925).
fn shared(cycles: &[Vec<f64>]) -> f64 {
    let count: usize = cycles.iter().map(Vec::len).sum();
    let means: Vec<f64> = cycles.iter().map(|c| c.iter().sum::<f64>() / c.len().max(1) as f64).collect();
    let whole = cycles.iter().flatten().sum::<f64>() / count.max(1) as f64;
    let between: f64 = cycles.iter().zip(&means).map(|(c, mean)| c.len() as f64 * (mean - whole).powi(2)).sum();
    let within: f64 = cycles.iter().zip(&means).flat_map(|(c, mean)| c.iter().map(move |v| (v - mean).powi(2))).sum();
    // A straight line has taken one more from between them.
    let (few, many) = (cycles.len() as f64 - 2.0, count as f64 - cycles.len() as f64);
    let ratio = (between / few) / (within / many);
    if ratio.is_finite() { ratio.max(1.0).sqrt() } else { 1.0 }
}

/// By how much the errors of levels less those of their kinds look smaller in a straight line than what they do to its slope:
/// with an effect for each kind, as many as there are in a cycle, only differences between the `cycles` tell of growth.
fn lost_to_kinds(cycles: usize) -> f64 {
    let n = cycles as f64;
    (1.0 / ((1.0 - 1.0 / n) * (1.0 - 1.0 / (n * n)))).sqrt()
}

/// A floor of thousands of teeth, reduced to the medians of stretches of as many teeth each.
fn in_stretches(floor: &Levels) -> Levels {
    let each = floor.x.len().div_ceil(POINTS).max(1);
    if each == 1 {
        return floor.clone();
    }
    merged(floor, (0..floor.x.len()).step_by(each).map(|from| from..(from + each).min(floor.x.len())))
}

/// The medians of parts of a floor.
fn merged(floor: &Levels, parts: impl Iterator<Item = Range<usize>>) -> Levels {
    let parts: Vec<Range<usize>> = parts.collect();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let means = |v: &[f64]| parts.iter().filter_map(|part| v.get(part.clone())).map(mean).collect::<Vec<f64>>();
    Levels {
        x: means(&floor.x),
        y: parts.iter().filter_map(|part| median(&floor.y[part.clone()])).collect(),
        load: means(&floor.load),
        by_step: floor.by_step.iter().map(|row| means(row)).collect(),
        served: floor.served.clone(),
        floor: floor.floor,
    }
}

/// Sharp drops of the level.
#[derive(Default)]
struct Drops {
    /// Places right after each.
    places: Vec<usize>,
    /// How deep each is.
    heights: Vec<f64>,
    /// How many come after a gradual climb.
    gradual: usize,
}

impl Drops {
    fn are_gradual(&self) -> bool {
        self.gradual as f64 >= MOST.get() * self.places.len() as f64
    }
}

fn drops(y: &[f64], least: f64) -> Drops {
    let steps: Vec<f64> = y.windows(2).map(|w| w[1] - w[0]).collect();
    let mut drops = Drops::default();
    // Half of the steps at most are collections.
    let Some(spread) = spread(&steps, 0.5) else { return drops };
    let threshold = (CLEAR.get() * spread).max(least);
    // Since the last drop: the largest single rise.
    let mut steepest = 0.0f64;
    let mut i = 0;
    while i < steps.len() {
        #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is no drop")]
        if !(steps[i] < -threshold) {
            steepest = steepest.max(steps[i]);
            i += 1;
            continue;
        }
        let top = y[i];
        // A collection may take more than one reading.
        while i < steps.len() && steps[i] < 0.0 {
            i += 1;
        }
        drops.gradual += usize::from(steepest < STEEP.get() * (top - y[i]));
        drops.places.push(i);
        drops.heights.push(top - y[i]);
        steepest = 0.0;
    }
    drops
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_regular_places(y: Vec<f64>) -> Levels {
        Levels { x: (0..y.len()).map(|i| i as f64).collect(), y, ..Levels::default() }
    }

    #[test]
    fn the_floor_of_a_rising_sawtooth_rises_by_the_leak() {
        let y = (0..100).map(|i| f64::from(i % 10) * 1000.0 + f64::from(i) * 5.0).collect();
        let floor = floor(&at_regular_places(y), 100.0).expect("a sawtooth");
        assert_eq!(floor.x, (1..10).map(|k| f64::from(k) * 10.0).collect::<Vec<_>>());
        assert!(floor.x.iter().zip(&floor.y).all(|(x, y)| *y == 5.0 * x));
    }

    #[test]
    fn of_thousands_of_teeth_some_stretches_stand_for_all() {
        let y = (0..100_000).map(|i| f64::from(i % 10) * 1000.0 + f64::from(i) * 5.0).collect();
        let floor = floor(&at_regular_places(y), 100.0).expect("a sawtooth");
        assert!((POINTS / 2..=POINTS).contains(&floor.x.len()) && floor.y.len() == floor.x.len(), "{}", floor.x.len());
        assert!(floor.x.iter().zip(&floor.y).all(|(x, y)| (*y - 5.0 * x).abs() < 1e-6));
    }

    #[test]
    fn teeth_of_idle_time_count_once() {
        // Ten readings of work after fifty of none, and a tooth every ten.
        let x: Vec<f64> = (0..600).map(|i| f64::from(i / 60 * 10 + (i % 60 - 50).max(0))).collect();
        let y = x.iter().zip(0..).map(|(x, i)| 500.0 * x + f64::from(i % 10) * 1000.0).collect();
        let floor = floor(&Levels { x, y, ..Levels::default() }, 100.0).expect("a sawtooth");
        assert!((10..=20).contains(&floor.x.len()), "{floor:?}");
        assert!(floor.x.iter().zip(&floor.y).all(|(x, y)| (y - 500.0 * x).abs() < 1e-6), "{floor:?}");
    }

    #[test]
    fn minor_collections_are_seen_through() {
        let y = (0..400).map(|i| f64::from(i % 10) * 1000.0 + f64::from(i / 10 % 4) * 2000.0).collect();
        let floor = floor(&at_regular_places(y), 100.0).expect("a sawtooth");
        assert!(floor.y.iter().all(|y| *y == 0.0), "{floor:?}");
    }

    #[test]
    fn two_major_collections_do_not_tell_what_minor_ones_leave() {
        // Levels after minor collections are noise: fitted to themselves they would lie on a straight line.
        let minor = [3.1, 2.2, 4.8, 3.6, 2.9, 4.1];
        let y = |i: usize| {
            (i % 10) as f64 * 1000.0 + if i / 60 == 0 || i % 60 < 10 { 0.0 } else { 1000.0 * minor[i / 10 % 6] }
        };
        let readings = at_regular_places((0..150).map(y).collect());
        let floor = floor(&readings, 100.0).expect("a sawtooth");
        let steps: Vec<f64> = floor.y.windows(2).map(|w| w[1] - w[0]).collect();
        assert!(steps.iter().any(|step| step.abs() > 500.0), "{floor:?}");
    }

    #[test]
    fn errors_less_those_of_kinds_look_smaller_than_they_are() {
        // Two cycles: half of the variance is gone, and a quarter of that of the places tells nothing.
        assert!((lost_to_kinds(2) - (8.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!(lost_to_kinds(50) < 1.02);
    }

    #[test]
    fn what_all_after_a_major_collection_share_counts_as_one_error() {
        let alone = [vec![1.0, -1.0, 0.5], vec![-0.5, 1.0, -1.0], vec![0.5, -1.0, 1.0]];
        assert_eq!(shared(&alone), 1.0);
        let apart = [vec![5.0, 4.0, 4.5], vec![-4.0, -5.0, -4.5], vec![4.5, 5.0, 4.0]];
        assert!(shared(&apart) > 5.0, "{}", shared(&apart));
        assert_eq!(shared(&[vec![1.0], vec![2.0]]), 1.0, "too few to tell");
        assert_eq!(shared(&[]), 1.0);
    }

    #[test]
    fn spikes_and_steps_are_no_sawtooth() {
        let spikes = (0..100).map(|i| if i % 10 == 5 { 9000.0 } else { 0.0 }).collect();
        assert_eq!(floor(&at_regular_places(spikes), 100.0), None);
        let steps = (0..100).map(|i| f64::from(i / 10 % 2) * 9000.0).collect();
        assert_eq!(floor(&at_regular_places(steps), 100.0), None);
        assert_eq!(floor(&Levels::default(), 100.0), None);
    }
}
