//! An exact test of paired differences that assumes nothing of their distribution but symmetry.

pub use crate::limits::MOST_FLIPPED;

/// The two-sided probability that differences whose signs are the toss of a coin have a sum as far from zero as these
/// (Fisher 1935, Pitman 1937): exact, over all 2^n assignments of signs.
///
/// That is the case when a coin decided which side of each pair came first and the sides don't differ. The least it can be
/// is 2 / 2^n. `None` without differences, with more than [`MOST_FLIPPED`], or with one that isn't finite.
pub fn sign_flip(differences: &[f64]) -> Option<f64> {
    let n = differences.len();
    if n == 0 || n > MOST_FLIPPED || differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    let observed: f64 = differences.iter().sum::<f64>().abs();
    // Sums of the same numbers in another order differ by rounding only.
    let tolerance = 1e-9 * differences.iter().map(|d| d.abs()).sum::<f64>();
    // The sign of the last difference stays: the other half of the assignments mirrors this one. Gray's code turns one
    // sign at a time.
    let mut signs = vec![1.0; n];
    let mut sum: f64 = differences.iter().sum();
    let half = 1u64 << (n - 1);
    let mut as_far = 0u64;
    for step in 1..=half {
        as_far += u64::from(sum.abs() >= observed - tolerance);
        if step < half {
            let turned = step.trailing_zeros() as usize;
            signs[turned] = -signs[turned];
            sum += 2.0 * signs[turned] * differences[turned];
        }
    }
    Some(as_far as f64 / half as f64)
}

/// The least value that [`sign_flip`] can have with `n` differences.
pub fn least_sign_flip(n: usize) -> f64 {
    2.0 * 0.5f64.powi(n.min(1000) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Made with scipy 1.17.1: `scipy.stats.permutation_test((d,), sum, permutation_type="samples", n_resamples=inf,
    /// alternative="two-sided").pvalue` (see `scripts/reference-values.py`).
    const TABLE: [(&[f64], f64); 5] = [
        (&[1.2, 0.4, -0.3, 2.2, 0.9, 1.1, -0.1, 0.7], 0.0390625),
        (&[5.0, 4.0, 6.0, 5.5, 4.5, 5.2, 4.8, 5.1], 0.0078125),
        (&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 0.015625),
        (&[0.5, -1.5, 2.5, -0.2, 0.3, -0.9, 1.1, 0.0, -0.4, 0.8], 0.5859375),
        (&[3.0, -1.0, 2.0], 0.5),
    ];

    #[test]
    fn probabilities_agree_with_scipy() {
        for (differences, expected) in TABLE {
            assert_eq!(sign_flip(differences), Some(expected), "{differences:?}");
        }
    }

    #[test]
    fn seven_pairs_cannot_prove_anything_two_sided_at_one_percent_and_eight_can() {
        for (n, enough) in [(7, false), (8, true)] {
            let same = sign_flip(&vec![1.0; n]).unwrap();
            assert_eq!(same, least_sign_flip(n));
            assert_eq!(same <= 0.01, enough, "{n}");
        }
    }

    #[test]
    fn what_cannot_be_tested_is_none() {
        assert_eq!(sign_flip(&[]), None);
        assert_eq!(sign_flip(&[1.0, f64::NAN]), None);
        assert_eq!(sign_flip(&[1.0; MOST_FLIPPED + 1]), None);
        assert_eq!(sign_flip(&[0.0; 4]), Some(1.0));
    }

    proptest! {
        #[test]
        fn it_is_a_probability_that_signs_and_scale_do_not_change(d in prop::collection::vec(-1e6..1e6, 1..10usize), scale in 1e-3..1e3) {
            let p = sign_flip(&d).unwrap();
            prop_assert!(least_sign_flip(d.len()) <= p && p <= 1.0);
            let turned: Vec<f64> = d.iter().map(|v| -v * scale).collect();
            prop_assert_eq!(sign_flip(&turned).unwrap(), p);
        }
    }
}
