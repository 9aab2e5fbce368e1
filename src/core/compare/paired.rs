//! Paired differences: when they may be looked at, and how sure one is of them at each look.
//!
//! Always: over all looks together, the error probability of a difference that isn't there is at most the one it was
//! given. Each look spends a part of it, and its interval has the confidence of that part (Bonferroni's bound over
//! the looks, so that nothing hangs on how they depend on one another).

use crate::answer::Interval;
use crate::stats::{MOST_FLIPPED, spent, student_t};

/// Error probability of a whole comparison.
pub const ALPHA: f64 = 0.01;

/// The fewest pairs that are looked at: with two, an interval hangs on a single degree of freedom.
pub const LEAST_PAIRS: usize = 3;

/// The most pairs of a comparison: those of which the exact test can enumerate the signs.
pub const MOST_PAIRS: usize = MOST_FLIPPED;

/// The numbers of pairs at which a comparison of so many planned pairs is looked at: half, three quarters, all.
pub fn looks(planned: usize) -> Vec<usize> {
    let mut looks: Vec<usize> = [planned.div_ceil(2), (3 * planned).div_ceil(4), planned].to_vec();
    looks.retain(|n| *n >= LEAST_PAIRS || *n == planned);
    looks.dedup();
    looks
}

/// Whether a comparison of so many planned pairs is looked at after so many of them.
pub fn is_look(pairs: usize, planned: usize) -> bool {
    looks(planned).contains(&pairs)
}

/// The error probability that a look after so many pairs may spend, of `alpha` in all. Looks before it have spent theirs; a
/// comparison that was interrupted is judged at what may be spent by then.
pub(super) fn alpha_at(pairs: usize, planned: usize, alpha: f64) -> f64 {
    let by = |n: usize| spent(alpha, n as f64 / planned.max(1) as f64);
    let before = looks(planned).into_iter().filter(|n| *n < pairs).max().map_or(0.0, by);
    // More pairs than were planned are no further look.
    if pairs > planned {
        by(planned) - looks(planned).iter().rev().nth(1).map_or(0.0, |n| by(*n))
    } else {
        by(pairs) - before
    }
}

/// Mean and standard deviation; `None` with fewer than two values.
pub(super) fn moments(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Some((mean, (squares / (n - 1.0)).sqrt()))
}

/// The t interval of a mean (Student 1908), of two-sided error probability `alpha`; `None` with fewer than two values.
pub(super) fn interval(values: &[f64], alpha: f64) -> Option<Interval> {
    let (mean, deviation) = moments(values)?;
    let half = half_width(deviation, values.len(), alpha);
    Some(Interval { estimate: mean, lower: mean - half, upper: mean + half, confidence: 1.0 - alpha })
}

/// Half of the width of a t interval over `n` values with this standard deviation.
pub(super) fn half_width(deviation: f64, n: usize, alpha: f64) -> f64 {
    // Without any spread the interval is a point, however wide the quantile.
    if deviation == 0.0 {
        return 0.0;
    }
    student_t(1.0 - alpha / 2.0, n as f64 - 1.0) * deviation / (n as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn intervals_agree_with_scipy() {
        // scipy 1.17.1: `ttest_rel(d, 0).confidence_interval(0.99)`, see `scripts/reference-values.py`.
        let d = [120.0, 40.0, -30.0, 220.0, 90.0, 110.0, -10.0, 70.0];
        let found = interval(&d, 0.01).unwrap();
        assert_eq!(found.estimate, 76.25);
        assert!((found.lower - -21.82866627094438).abs() < 1e-4, "{found:?}");
        assert!((found.upper - 174.32866627094438).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn looks_are_at_half_three_quarters_and_all() {
        assert_eq!(looks(8), [4, 6, 8]);
        assert_eq!(looks(12), [6, 9, 12]);
        assert_eq!(looks(5), [3, 4, 5]);
        assert_eq!(looks(3), [3]);
        assert_eq!(looks(1), [1]);
    }

    proptest! {
        #[test]
        fn all_looks_together_spend_what_there_is(planned in 1usize..=MOST_PAIRS, alpha in 1e-4..0.1) {
            let each: Vec<f64> = looks(planned).into_iter().map(|n| alpha_at(n, planned, alpha)).collect();
            prop_assert!(each.iter().all(|a| *a > 0.0), "{:?}", each);
            prop_assert!((each.iter().sum::<f64>() - alpha).abs() < 1e-12);
            // Interrupted anywhere, less is spent.
            for pairs in 1..=planned {
                let before: f64 = looks(planned).into_iter().filter(|n| *n < pairs).map(|n| alpha_at(n, planned, alpha)).sum();
                prop_assert!(before + alpha_at(pairs, planned, alpha) <= alpha + 1e-12);
            }
        }
    }
}
