//! Quantiles of reference distributions.

use statrs::distribution::{ContinuousCDF, Gamma, Normal, StudentsT};

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

/// Lower and upper bound of the mean of a Poisson distribution of which `count` was seen, each missed with probability `alpha`
/// (Garwood 1936). An effective count need not be whole.
pub fn poisson_bounds(count: f64, alpha: f64) -> (f64, f64) {
    let quantile = |p: f64, shape: f64| Gamma::new(shape, 1.0).map(|gamma| gamma.inverse_cdf(p));
    let lower = quantile(alpha, count).unwrap_or(0.0);
    (lower, quantile(1.0 - alpha, count + 1.0).unwrap_or(f64::INFINITY))
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

    /// Made with scipy 1.17.1: `scipy.stats.gamma.ppf(alpha, count)` and `gamma.ppf(1 - alpha, count + 1)`.
    const POISSON: [(f64, f64, f64, f64); 4] = [
        (7.0, 0.01, 2.3302125313288844, 15.999963454407588),
        (1.0, 0.01, 0.010050335853501437, 6.638352067993811),
        (5.5, 0.005, 1.3016109452575566, 14.909735611826608),
        (40.0, 0.05, 30.195739194344732, 52.069369115136936),
    ];

    #[test]
    fn bounds_of_a_count_agree_with_a_table() {
        for (count, alpha, lower, upper) in POISSON {
            let found = poisson_bounds(count, alpha);
            let near = |found: f64, expected: f64| (found - expected).abs() < 1e-6 * expected;
            assert!(near(found.0, lower) && near(found.1, upper), "{count}, {alpha}: {found:?}");
        }
        assert_eq!(poisson_bounds(0.0, 0.01).0, 0.0, "nothing was seen");
        assert_eq!(poisson_bounds(f64::NAN, 0.01), (0.0, f64::INFINITY));
    }

    #[test]
    fn senseless_probabilities_have_infinite_quantiles() {
        assert_eq!(student_t(1.0, 5.0), f64::INFINITY);
        assert_eq!(student_t(0.0, 5.0), f64::NEG_INFINITY);
        assert_eq!(student_t(f64::NAN, 5.0), f64::INFINITY);
        assert!((student_t(0.975, f64::INFINITY) - 1.959963984540054).abs() < 1e-8);
    }
}
