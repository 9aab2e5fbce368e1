//! How well the place of a change is known, and how large it is.

use super::divisive::LEAST_SEGMENT;
use super::{ALPHA, Point};
use crate::answer::Interval;
use crate::stats::student_t;

/// A change with what is known of it; places among the points.
pub(super) struct Place {
    pub first: usize,
    pub last: usize,
    pub before: f64,
    pub after: f64,
    pub difference: Interval,
}

/// What is known of the change at `at` in the stretch `from..to` around it.
///
/// A place may be that of the change if its likelihood is within a bound of the best. With two levels and normal noise, the logarithm
/// of the likelihood at the best place is over that at the true one by the larger of two maxima of random walks that drift away,
/// each exponential (Siegmund 1988): so the bound x of which (1 - exp(-x))^2 is the confidence holds.
pub(super) fn place(points: &[Point], (from, at, to): (usize, usize, usize)) -> Option<Place> {
    let cost = |at: usize| Side::of(&points[from..at]).squares + Side::of(&points[at..to]).squares;
    let (a, b) = (Side::of(&points[from..at]), Side::of(&points[at..to]));
    let free = (to - from).checked_sub(2).filter(|free| *free > 0)? as f64;
    let variance = (a.squares + b.squares) / free;
    let places = from + LEAST_SEGMENT..=to.checked_sub(LEAST_SEGMENT)?;
    let least = places.clone().map(cost).fold(f64::INFINITY, f64::min);
    let bound = -2.0 * (1.0 - (1.0 - ALPHA).sqrt()).ln();
    let may_be = |place: usize| place == at || cost(place) - least <= bound * variance;
    let (first, last) = (places.clone().find(|p| may_be(*p))?, places.rev().find(|p| may_be(*p))?);
    let half = student_t(1.0 - ALPHA / 2.0, free) * (variance / a.weight + variance / b.weight).sqrt();
    let estimate = b.mean - a.mean;
    let difference = Interval { estimate, lower: estimate - half, upper: estimate + half, confidence: 1.0 - ALPHA };
    Some(Place { first, last, before: a.mean, after: b.mean, difference })
}

/// One side of a change.
struct Side {
    weight: f64,
    mean: f64,
    squares: f64,
}

impl Side {
    fn of(points: &[Point]) -> Self {
        let weight: f64 = points.iter().map(|p| p.weight).sum();
        let mean = points.iter().map(|p| p.weight * p.value).sum::<f64>() / weight;
        let squares = points.iter().map(|p| p.weight * (p.value - mean).powi(2)).sum();
        Side { weight, mean, squares }
    }
}
