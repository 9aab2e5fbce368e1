//! E-divisive means: where the rates before and after differ most, and whether shuffled ones ever differ as much.

use super::{ALPHA, Point};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The fewest builds on either side of a change: of two, one may be chance.
pub const LEAST_SEGMENT: usize = 3;

/// Permutations of a test: 999 make a p of .001 possible.
pub const PERMUTATIONS: usize = 999;

/// The same builds give the same answer.
const SEED: u64 = 20_140_301;

/// The best split of a stretch: the place from which on it is another, and by how much both differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    pub at: usize,
    pub q: f64,
}

/// The places from which on rates are others, each with its p, in order. One after the other is looked for: the best split of all
/// stretches between those that are known stands if so few permutations within the stretches reach it.
pub(super) fn changes(points: &[Point]) -> Vec<(usize, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut found: Vec<(usize, f64)> = Vec::new();
    loop {
        let mut ends: Vec<usize> = found.iter().map(|(at, _)| *at).chain([0, points.len()]).collect();
        ends.sort_unstable();
        let stretches: Vec<(usize, usize)> = ends.windows(2).map(|pair| (pair[0], pair[1])).collect();
        let splits = stretches.iter().filter_map(|(from, to)| {
            best_split(&points[*from..*to]).map(|split| Split { at: from + split.at, ..split })
        });
        let Some(best) = splits.max_by(|a, b| a.q.total_cmp(&b.q)).filter(|best| best.q > 0.0) else { break };
        let Some(p) = significance(points, &stretches, best.q, &mut rng) else { break };
        found.push((best.at, p));
    }
    found.sort_unstable_by_key(|(at, _)| *at);
    found
}

/// The fewest builds in which a change can be told as soon as it is `LEAST_SEGMENT` builds old. In fewer than these the same builds
/// come together by chance too often: of all n! / (3! (n - 3)!) arrangements of n builds, two have those three at an end.
pub fn fewest_builds() -> usize {
    let told = |n: usize| {
        let arrangements = (0..LEAST_SEGMENT).map(|i| (n - i) as f64 / (i + 1) as f64).product::<f64>();
        2.0 / arrangements <= ALPHA
    };
    (2 * LEAST_SEGMENT..).find(|n| told(*n)).unwrap_or(usize::MAX)
}

/// How often the best split of shuffled stretches is as good; `None` as soon as that is more often than the error probability.
fn significance(points: &[Point], stretches: &[(usize, usize)], q: f64, rng: &mut ChaCha8Rng) -> Option<f64> {
    let p = |reached: usize| (reached + 1) as f64 / (PERMUTATIONS + 1) as f64;
    let mut shuffled = points.to_vec();
    let mut reached = 0;
    // Sums of the same numbers in another order differ by rounding.
    let bound = q * (1.0 - 1e-9);
    for _ in 0..PERMUTATIONS {
        let reaches = stretches.iter().fold(false, |reaches, (from, to)| {
            shuffled[*from..*to].shuffle(rng);
            reaches || best_split(&shuffled[*from..*to]).is_some_and(|split| split.q >= bound)
        });
        reached += usize::from(reaches);
        if p(reached) > ALPHA {
            return None;
        }
    }
    Some(p(reached))
}

/// The split of a stretch at which both sides differ most; the second may end before the stretch does, so that a change back doesn't
/// hide one. `None` if it is too short for two sides.
pub(super) fn best_split(points: &[Point]) -> Option<Split> {
    let n = points.len();
    if n < 2 * LEAST_SEGMENT {
        return None;
    }
    let distance = |a: &Point, b: &Point| {
        let weight = a.weight * b.weight;
        [weight, weight * (a.value - b.value).abs()]
    };
    // Sums over all pairs before a place: of weights, and of weighted distances; and the sum of weights.
    let mut before = vec![[0.0; 2]; n + 1];
    let mut total = vec![0.0; n + 1];
    for (place, point) in points.iter().enumerate() {
        let pairs = points[..place].iter().map(|other| distance(other, point)).fold(before[place], plus);
        before[place + 1] = pairs;
        total[place + 1] = total[place] + point.weight;
    }
    let mut best: Option<Split> = None;
    // The same over the pairs of the second side, by its end: each point that it begins with adds its pairs.
    let mut second = vec![[0.0; 2]; n + 1];
    for at in (LEAST_SEGMENT..n).rev() {
        let mut pairs = [0.0; 2];
        for end in at + 1..=n {
            if end > at + 1 {
                pairs = plus(pairs, distance(&points[at], &points[end - 1]));
            }
            second[end] = plus(second[end], pairs);
            if end - at < LEAST_SEGMENT {
                continue;
            }
            let across = [0, 1].map(|sum| before[end][sum] - before[at][sum] - second[end][sum]);
            let (a, b) = (total[at], total[end] - total[at]);
            let q = (2.0 * mean(across) - mean(before[at]) - mean(second[end])) * a * b / (a + b);
            if best.is_none_or(|best| q >= best.q) {
                best = Some(Split { at, q });
            }
        }
    }
    best
}

fn plus(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] + b[0], a[1] + b[1]]
}

/// A weighted mean of distances.
fn mean([weight, distance]: [f64; 2]) -> f64 {
    if weight > 0.0 { distance / weight } else { 0.0 }
}
