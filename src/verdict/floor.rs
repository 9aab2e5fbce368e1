//! The floor of a sawtooth: levels just after a garbage collection.
//!
//! A straight line through a sawtooth follows where in its last tooth the run happened to end. A leak pushes up the
//! floor.

use super::level::Levels;
use crate::stats::{median, spread};

/// Drops that make a sawtooth.
const DROPS: usize = 5;
/// The part of them that must come after a gradual climb; else they end spikes.
const GRADUAL: f64 = 0.6;

/// The share of steps that collections may be, at the most: between readings, and between floors.
const OFTEN: f64 = 0.2;
const OFTEN_FLOOR: f64 = 0.5;

/// The part of a drop that the steepest step of a gradual climb may reach: of readings, and of floors, which climb in the few
/// steps of the collections between two major ones.
const STEEP: f64 = 0.5;
const STEEP_FLOOR: f64 = 0.75;

/// Levels on the floor of the floor from which it can do without the collections between; and those without which nothing
/// tells what a minor collection usually leaves.
const PLENTY: usize = 12;
const MAJOR: usize = 3;

/// Points of a floor: the medians of as many stretches stand for those of a long run.
const MOST: usize = 300;

/// The floor of readings at `x` with levels `y`, if they are a sawtooth; `least` is the least change of level that
/// counts as a drop. Where minor collections leave what a major one takes, it is the floor of the floor; if there are
/// few major ones, each minor one's level less what it usually leaves.
pub(super) fn floor(readings: &Levels, least: f64) -> Option<Levels> {
    let drops = drops(&readings.y, least, STEEP, OFTEN);
    if drops.places.len() < DROPS || !drops.are_gradual() {
        return None;
    }
    let floor = Levels { floor: true, ..readings.pick(&drops.places) };
    let major = self::drops(&floor.y, least, STEEP_FLOOR, OFTEN_FLOOR);
    let floor = if major.places.len() >= PLENTY && major.are_gradual() {
        floor.pick(&major.places)
    } else if major.places.len() >= MAJOR && major.are_gradual() {
        without_minor(&floor, &major.places)
    } else {
        floor
    };
    Some(in_stretches(&floor))
}

/// The floor after all collections, each less what its kind, counted from the major one before it, usually leaves.
fn without_minor(floor: &Levels, major: &[usize]) -> Levels {
    let kinds: Vec<Option<(usize, usize)>> = (0..floor.y.len())
        .map(|i| major.partition_point(|m| *m <= i).checked_sub(1).map(|k| (major[k], i - major[k])))
        .collect();
    // Growth from each to the next of its kind (Sen 1968), so that what a kind leaves isn't taken for growth.
    let slopes: Vec<f64> = kinds
        .iter()
        .enumerate()
        .filter_map(|(i, kind)| {
            let (_, kind) = (*kind)?;
            let next = (i + 1..kinds.len()).find(|j| kinds[*j].is_some_and(|other| other.1 == kind))?;
            Some((floor.y[next] - floor.y[i]) / (floor.x[next] - floor.x[i]))
        })
        .collect();
    let slope = median(&slopes).unwrap_or(0.0);
    let of_kind =
        |kind: usize| kinds.iter().enumerate().filter_map(move |(i, k)| k.filter(|k| k.1 == kind).map(|k| (i, k.0)));
    let left = |kind: usize| {
        let above = |(i, first): (usize, usize)| floor.y[i] - floor.y[first] - slope * (floor.x[i] - floor.x[first]);
        median(&of_kind(kind).map(above).collect::<Vec<_>>())
    };
    // One of a kind tells nothing but what its kind leaves.
    let repeats = |place: &usize| kinds[*place].is_some_and(|(_, kind)| of_kind(kind).count() > 1);
    let places: Vec<usize> = (0..floor.y.len()).filter(repeats).collect();
    let mut out = floor.pick(&places);
    let (Some(start), Some(base)) = (out.x.first().copied(), out.y.first().copied()) else { return out };
    let line = |x: f64| base + slope * (x - start);
    // What each differs from a straight line by, cycle by cycle.
    let mut cycles: Vec<Vec<f64>> = vec![Vec::new(); major.len()];
    for (k, &(first, kind)) in places.iter().filter_map(|i| kinds[*i].as_ref()).enumerate() {
        let cycle = major.partition_point(|m| *m < first);
        cycles[cycle].push(out.y[k] - left(kind).unwrap_or(0.0) - line(out.x[k]));
    }
    let louder = lost_to_kinds(major.len()) * shared(&cycles);
    let errors = cycles.into_iter().flatten();
    out.y = out.x.iter().zip(errors).map(|(x, error)| line(*x) + louder * error).collect();
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
    let each = floor.x.len().div_ceil(MOST).max(1);
    if each == 1 {
        return floor.clone();
    }
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    Levels {
        x: floor.x.chunks(each).map(mean).collect(),
        y: floor.y.chunks(each).filter_map(median).collect(),
        load: floor.load.chunks(each).map(mean).collect(),
        by_step: floor.by_step.iter().map(|row| row.chunks(each).map(mean).collect()).collect(),
        floor: floor.floor,
    }
}

/// Sharp drops of the level.
#[derive(Default)]
struct Drops {
    /// Places right after each.
    places: Vec<usize>,
    /// How many come after a gradual climb.
    gradual: usize,
}

impl Drops {
    fn are_gradual(&self) -> bool {
        self.gradual as f64 >= GRADUAL * self.places.len() as f64
    }
}

fn drops(y: &[f64], least: f64, steep: f64, often: f64) -> Drops {
    let steps: Vec<f64> = y.windows(2).map(|w| w[1] - w[0]).collect();
    let mut drops = Drops::default();
    let Some(spread) = spread(&steps, often) else { return drops };
    let threshold = (6.0 * spread).max(least);
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
        drops.gradual += usize::from(steepest < steep * (top - y[i]));
        drops.places.push(i);
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
        assert!((MOST / 2..=MOST).contains(&floor.x.len()) && floor.y.len() == floor.x.len(), "{}", floor.x.len());
        assert!(floor.x.iter().zip(&floor.y).all(|(x, y)| (*y - 5.0 * x).abs() < 1e-6));
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
