//! How much of an error probability may be spent by when, if one looks more than once.

use statrs::distribution::{ContinuousCDF, Normal};

/// The part of the one-sided error probability `alpha` that is spent when `share` of the information is in (Lan & DeMets
/// 1983, in the form of O'Brien & Fleming 1979): next to nothing early, all of it at the end.
pub fn spent(share: f64, alpha: f64) -> f64 {
    if share.is_nan() || share <= 0.0 {
        return 0.0;
    }
    let normal = Normal::standard();
    let bound = normal.inverse_cdf(1.0 - alpha / 2.0) / share.min(1.0).sqrt();
    2.0 * (1.0 - normal.cdf(bound))
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

    #[test]
    fn spending_agrees_with_reference_values() {
        // Python 3.11 `statistics.NormalDist`: `2 - 2 * cdf(inv_cdf(1 - 0.01 / 2) / sqrt(share))`.
        for (share, expected) in [(0.5, 0.000_269_716_957), (0.75, 0.002_936_468_274), (1.0, 0.01)] {
            assert!((spent(share, 0.01) - expected).abs() < 1e-9, "{share}: {}", spent(share, 0.01));
        }
        assert_eq!((spent(0.0, 0.01), spent(f64::NAN, 0.01)), (0.0, 0.0));
        assert!((spent(2.0, 0.01) - 0.01).abs() < 1e-12);
    }

    #[test]
    fn looks_without_end_spend_no_more_than_there_is() {
        let all: f64 = (0..100_000).map(|k| endless(k, 0.01)).sum();
        assert!(all < 0.01 && all > 0.009_99, "{all}");
    }
}
