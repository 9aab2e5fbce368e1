//! Growth from build to build: in which of them it changed.
//!
//! Pure: from the rate and the bounds of each build to the changes between them. Changes are found by E-divisive means (Matteson &
//! James 2014), in which each build counts by how narrow its bounds are: with bounds that are all alike it is theirs, as Apache
//! Otava has it. Permutations of a fixed seed say whether a change is one; how well a place is known follows from the likelihood.

mod divisive;
mod place;
mod read;
#[cfg(test)]
mod tests;

use crate::answer::{Interval, Outcome};
use crate::model::Resource;
use crate::stats::{median, normal_quantile};
use std::cmp::Ordering;

pub use divisive::{LEAST_SEGMENT, PERMUTATIONS, fewest_builds};
pub use read::Entry;

/// Error probability of calling a history changed that isn't, and of the interval of each change.
pub const ALPHA: f64 = 0.01;

/// The most builds that are looked at: what takes longer is no answer any more.
pub const MOST_BUILDS: usize = 1000;

/// Confidence of bounds that don't say it, which is that of a verdict; how narrow they are beside one another is all that counts.
const USUAL_CONFIDENCE: f64 = 0.98;

/// Growth in one build.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// What it is called.
    pub name: String,
    /// When its run began, RFC 3339; missing where that isn't known.
    pub started: Option<String>,
    /// The verdict's answer.
    pub outcome: Outcome,
    /// Growth; missing if it wasn't measured.
    pub growth: Option<Growth>,
    /// Version of the rule that judged; missing where that isn't known.
    pub rule: Option<u32>,
}

/// A rate with its bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// The rate.
    pub estimate: f64,
    /// Lower bound; missing if there is none.
    pub lower: Option<f64>,
    /// Upper bound; missing if there is none.
    pub upper: Option<f64>,
    /// Confidence of both together; missing where that isn't known.
    pub confidence: Option<f64>,
}

/// Growth of one resource from build to build.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Name of the scenario; empty where that isn't known.
    pub name: String,
    /// The resource.
    pub resource: Resource,
    /// What growth is for, such as `request`.
    pub per: String,
    /// Growth that is allowed in the last build; missing where that isn't known.
    pub budget: Option<f64>,
    /// The builds, in order.
    pub builds: Vec<Build>,
}

/// That growth is another from one build on.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Place of the first build with it.
    pub build: usize,
    /// Places of the first and the last build that may be the first with it, at 99 %.
    pub between: (usize, usize),
    /// Mean growth before it, since the change before.
    pub before: f64,
    /// Mean growth since, up to the next change.
    pub after: f64,
    /// The difference of both with its interval.
    pub difference: Interval,
    /// How probable such a change would be where there is none, found by permutations.
    pub p: f64,
}

/// That growth crept to another level, though no change from one build on is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Creep {
    /// Builds at the begin, and as many at the end, that are compared.
    pub builds: usize,
    /// Mean growth in the first of them.
    pub before: f64,
    /// Mean growth in the last of them.
    pub after: f64,
    /// The difference of both with its interval.
    pub difference: Interval,
}

impl Change {
    /// Whether it grows faster since.
    pub fn is_worse(&self) -> bool {
        self.after > self.before
    }
}

impl History {
    /// The changes, in the order of the builds. Those within what is allowed aren't told, as between two runs.
    pub fn changes(&self) -> Vec<Change> {
        let measured = self.measured();
        let points = points(&measured.iter().map(|(_, growth)| *growth).collect::<Vec<_>>());
        let places = |at: usize| measured[at].0;
        let found = divisive::changes(&points);
        let mut ends: Vec<usize> = found.iter().map(|(at, _)| *at).collect();
        ends.insert(0, 0);
        ends.push(points.len());
        let mut changes = Vec::new();
        for (split, (at, p)) in ends.windows(3).zip(&found) {
            let [from, _, to] = *split else { continue };
            let Some(place) = place::place(&points, (from, *at, to)) else { continue };
            if self.budget.is_some_and(|budget| place.difference.estimate.abs() <= budget) {
                continue;
            }
            let between = (places(place.first), places(place.last));
            changes.push(Change {
                build: places(*at),
                between,
                before: place.before,
                after: place.after,
                difference: place.difference,
                p: *p,
            });
        }
        changes
    }

    /// Whether growth crept: a trend goes through all builds, and the last quarter of them differs from the first by more than is
    /// allowed. Steps that are each within that add up to it, and none of them is a change to be told.
    pub fn creep(&self) -> Option<Creep> {
        let growth: Vec<Growth> = self.measured().into_iter().map(|(_, growth)| growth).collect();
        let builds = growth.len() / 4;
        if growth.len() < fewest_builds() || !has_trend(&growth) {
            return None;
        }
        let points = points(&growth);
        let ends = [&points[..builds], &points[points.len() - builds..]].concat();
        let place = place::place(&ends, (0, builds, 2 * builds))?;
        let difference = place.difference;
        let proven = difference.lower > 0.0 || difference.upper < 0.0;
        let is_more = self.budget.is_none_or(|budget| difference.estimate.abs() > budget);
        (proven && is_more).then_some(Creep { builds, before: place.before, after: place.after, difference })
    }

    /// The builds whose growth is known, each with its place.
    fn measured(&self) -> Vec<(usize, Growth)> {
        self.builds.iter().enumerate().filter_map(|(place, build)| Some((place, build.growth?))).collect()
    }
}

/// The test of Mann (1945) and Kendall: whether later rates are more often above the earlier ones than below, or less often. Ties
/// make it stricter.
fn has_trend(builds: &[Growth]) -> bool {
    let n = builds.len() as f64;
    let above = |(place, later): (usize, &Growth)| -> f64 {
        let sign = |earlier: &Growth| match later.estimate.total_cmp(&earlier.estimate) {
            Ordering::Less => -1.0,
            Ordering::Equal => 0.0,
            Ordering::Greater => 1.0,
        };
        builds[..place].iter().map(sign).sum()
    };
    let sum: f64 = builds.iter().enumerate().map(above).sum();
    let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    // It moves by two, so that half of a step is taken off.
    sum.abs() - 1.0 > normal_quantile(1.0 - ALPHA / 2.0) * deviation
}

/// A rate with its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    value: f64,
    weight: f64,
}

/// Rates with their weights: one over the variance of the rate within its run and that from run to run. The latter is taken from the
/// steps between neighbours, of which a change is but one.
fn points(builds: &[Growth]) -> Vec<Point> {
    let spread: Vec<Option<f64>> = builds.iter().map(spread).collect();
    let steps: Vec<f64> = builds.windows(2).map(|pair| (pair[1].estimate - pair[0].estimate).abs()).collect();
    // The median of the steps of a normal walk around one level is 0.954 standard deviations.
    const OF_STEPS: f64 = 0.954;
    let between = median(&steps).unwrap_or(0.0) / OF_STEPS;
    let known: Vec<f64> = spread.iter().flatten().copied().collect();
    // A rate without bounds counts as one of the widest.
    let widest = known.iter().copied().fold(0.0, f64::max);
    let variance = |own: &Option<f64>| own.unwrap_or(widest).powi(2).max(between.powi(2));
    let weights: Vec<f64> = spread.iter().map(|own| 1.0 / variance(own)).collect();
    let most = weights.iter().copied().filter(|w| w.is_finite()).fold(0.0, f64::max);
    builds
        .iter()
        .zip(weights)
        .map(|(build, weight)| {
            let weight = if most > 0.0 && weight.is_finite() { weight / most } else { 1.0 };
            Point { value: build.estimate, weight }
        })
        .collect()
}

/// The standard error of a rate, from its bounds.
fn spread(growth: &Growth) -> Option<f64> {
    let z = normal_quantile(0.5 + growth.confidence.unwrap_or(USUAL_CONFIDENCE) / 2.0);
    let width = growth.upper? - growth.lower?;
    Some(width / (2.0 * z)).filter(|error| error.is_finite() && *error >= 0.0)
}
