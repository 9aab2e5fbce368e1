//! How much of an error probability may be spent when a test is looked at before its end.

use super::quantile::normal_cdf;

/// The part of the error probability `alpha` that may be spent by the time a `share` of the planned observations
/// is in: the spending function of Lan & DeMets (1983) after O'Brien & Fleming (1979), which spends next to nothing early.
///
/// Nothing at a share of zero, all of it from one on.
pub fn spent(alpha: f64, share: f64) -> f64 {
    if share.is_nan() || share <= 0.0 || alpha.is_nan() || alpha <= 0.0 {
        return 0.0;
    }
    if share >= 1.0 {
        return alpha;
    }
    2.0 * normal_cdf(-super::normal_quantile(1.0 - alpha / 2.0) / share.sqrt())
}

/// The error probability of the look number `k`, from 0, of a sequence without end: `alpha / ((k+1) (k+2))`. Together they
/// are `alpha`, so that a bound at each holds at all of them (Darling & Robbins 1967).
pub fn endless(k: usize, alpha: f64) -> f64 {
    let k = k as f64;
    alpha / ((k + 1.0) * (k + 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with scipy 1.17.1: `2 * norm.sf(norm.isf(alpha / 2) / sqrt(share))`.
    const TABLE: [(f64, f64, f64); 4] = [
        (0.01, 0.5, 0.000269716956631483),
        (0.01, 0.75, 0.002936468274443483),
        (0.05, 0.5, 0.005574596680784402),
        (0.005, 0.625, 0.0003842839006710374),
    ];

    #[test]
    fn what_may_be_spent_agrees_with_scipy() {
        for (alpha, share, expected) in TABLE {
            let found = spent(alpha, share);
            assert!((found - expected).abs() < 1e-8 * expected, "{alpha} {share}: {found}, not {expected}");
        }
    }

    #[test]
    fn looks_without_end_spend_no_more_than_there_is() {
        let all: f64 = (0..100_000).map(|k| endless(k, 0.01)).sum();
        assert!(all < 0.01 && all > 0.009_99, "{all}");
    }

    #[test]
    fn nothing_at_the_beginning_and_all_at_the_end() {
        assert_eq!((spent(0.01, 0.0), spent(0.01, 1.0), spent(0.01, 7.0)), (0.0, 0.01, 0.01));
        assert_eq!((spent(0.01, f64::NAN), spent(0.0, 0.5)), (0.0, 0.0));
    }
}
