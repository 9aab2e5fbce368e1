//! What simpler rules, which people write by hand, say of the same levels.

use crate::rule::levels::level::Levels;
use crate::stats::{Line, student_t};

/// A rule that people write by hand, with what it found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NaiveRule {
    /// Least squares: p < .05, noise taken for independent.
    Significant {
        /// The slope.
        slope: f64,
        /// Its t statistic.
        t: f64,
        /// What t must exceed.
        bound: f64,
    },
    /// Least squares: a slope over the budget.
    OverBudget {
        /// The slope.
        slope: f64,
        /// The budget.
        budget: f64,
    },
    /// A straight line explains most of the variance.
    Straight {
        /// The slope.
        slope: f64,
        /// The part that it explains, 0 to 1.
        r2: f64,
    },
    /// The last quarter is above the first.
    Higher {
        /// Mean level of the first quarter.
        first: f64,
        /// Mean level of the last.
        last: f64,
    },
}

impl NaiveRule {
    /// Whether it would call a leak.
    pub fn calls_a_leak(&self) -> bool {
        match *self {
            NaiveRule::Significant { t, bound, .. } => t > bound,
            NaiveRule::OverBudget { slope, budget } => slope > budget,
            NaiveRule::Straight { slope, r2 } => slope > 0.0 && r2 >= 0.8,
            NaiveRule::Higher { first, last } => last > 1.02 * first,
        }
    }
}

/// What simpler rules say of the same levels; not those for which there is nothing to compute, as where all levels are alike.
pub(super) fn naive(levels: &Levels, budget: f64) -> Vec<NaiveRule> {
    let Levels { x, y, .. } = levels;
    let Some(line) = Line::through(x, y).filter(|_| x.len() >= 8) else { return Vec::new() };
    let (slope, t) = (line.slope, line.slope / line.slope_se);
    let part = x.len() / 4;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (first, last) = (mean(&y[..part]), mean(&y[y.len() - part..]));
    let significant = NaiveRule::Significant { slope, t, bound: student_t(0.95, line.df) };
    let straight = NaiveRule::Straight { slope, r2: line.r2 };
    let others = [NaiveRule::OverBudget { slope, budget }, straight, NaiveRule::Higher { first, last }];
    t.is_finite().then_some(significant).into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_levels_that_are_all_alike_no_t_is_told() {
        let levels = |y: fn(f64) -> f64| {
            let x: Vec<f64> = (0..12).map(f64::from).collect();
            Levels { y: x.iter().copied().map(y).collect(), x, ..Levels::default() }
        };
        let tested = |levels: &Levels| naive(levels, 64.0).iter().any(|r| matches!(r, NaiveRule::Significant { .. }));
        assert!(!tested(&levels(|_| 4096.0)));
        assert!(tested(&levels(|x| 4096.0 * (x + x % 2.0))));
    }
}
