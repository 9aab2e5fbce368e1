//! Quantiles of reference distributions.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The quantile of Student's t distribution: the `t` that is not exceeded with probability `p`.
///
/// Below one degree of freedom, one is used; `p` outside of (0, 1) gives an infinite quantile of its side.
pub fn student_t(p: f64, df: f64) -> f64 {
    if p.is_nan() || p <= 0.0 || p >= 1.0 {
        return if p <= 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let df = if df.is_finite() { df.max(1.0) } else { f64::INFINITY };
    if df > 1e5 {
        return Normal::standard().inverse_cdf(p);
    }
    match StudentsT::new(0.0, 1.0, df) {
        // By symmetry only the upper half is asked for, where the inversion is well conditioned.
        Ok(t) if p >= 0.5 => t.inverse_cdf(p),
        Ok(t) => -t.inverse_cdf(1.0 - p),
        Err(_) => f64::INFINITY,
    }
}

/// The probability that Student's t is `t` or more, at `df` degrees of freedom (one at least).
pub fn student_t_tail(t: f64, df: f64) -> f64 {
    let df = if df.is_finite() { df.max(1.0) } else { f64::INFINITY };
    if t.is_nan() {
        return 1.0;
    }
    if df > 1e5 {
        return Normal::standard().sf(t);
    }
    StudentsT::new(0.0, 1.0, df).map_or(1.0, |distribution| distribution.sf(t))
}

/// The quantile of the standard normal distribution; `p` outside of (0, 1) gives an infinite quantile of its side.
pub fn normal_quantile(p: f64) -> f64 {
    student_t(p, f64::INFINITY)
}

/// The probability that a standard normal variable is at most `x`.
pub(super) fn normal_cdf(x: f64) -> f64 {
    Normal::standard().cdf(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with scipy 1.17.1: `scipy.stats.t.ppf(p, df)`.
    const TABLE: [(f64, f64, f64); 9] = [
        (0.95, 1.0, 6.313751514675037),
        (0.99, 1.0, 31.820515953773935),
        (0.95, 3.0, 2.3533634348018233),
        (0.99, 3.0, 4.540702858568132),
        (0.995, 7.0, 3.4994832973504924),
        (0.99, 30.0, 2.457261542400591),
        (0.95, 58.0, 1.6715527624548587),
        (0.9995, 58.0, 3.4663287949310466),
        (0.01, 10.0, -2.763769458112696),
    ];

    #[test]
    fn quantiles_of_t_agree_with_a_table() {
        for (p, df, expected) in TABLE {
            let found = student_t(p, df);
            assert!((found - expected).abs() < 1e-6 * expected.abs(), "t({p}, {df}) = {found}, not {expected}");
        }
    }

    #[test]
    fn tails_are_the_inverse_of_quantiles() {
        for (p, df, t) in TABLE {
            assert!((student_t_tail(t, df) - (1.0 - p)).abs() < 1e-9, "t({p}, {df})");
        }
        assert!((student_t_tail(1.959963984540054, f64::INFINITY) - 0.025).abs() < 1e-9);
        assert_eq!(student_t_tail(f64::INFINITY, 7.0), 0.0);
    }

    #[test]
    fn senseless_probabilities_have_infinite_quantiles() {
        assert_eq!(student_t(1.0, 5.0), f64::INFINITY);
        assert_eq!(student_t(0.0, 5.0), f64::NEG_INFINITY);
        assert_eq!(student_t(f64::NAN, 5.0), f64::INFINITY);
        assert!((student_t(0.975, f64::INFINITY) - 1.959963984540054).abs() < 1e-8);
    }
}
