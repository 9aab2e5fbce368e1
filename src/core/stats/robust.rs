//! Order statistics and slopes that outliers don't move.

/// The median of the finite values; `None` if there are none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    median_of(&mut finite)
}

/// The median of finite values, reordering them.
fn median_of(finite: &mut [f64]) -> Option<f64> {
    let n = finite.len();
    if n == 0 {
        return None;
    }
    let (below, middle, _) = finite.select_nth_unstable_by(n / 2, f64::total_cmp);
    let upper = *middle;
    if n % 2 == 1 {
        return Some(upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp).unwrap_or(upper);
    Some(lower + (upper - lower) / 2.0)
}

/// What a normal sample's standard deviation is in median absolute deviations.
const NORMAL: f64 = 1.482_602_218_505_602;

/// The median absolute deviation from the median, scaled to agree with the standard deviation of a normal sample
/// (Hampel 1974); `None` without finite values.
pub fn mad(values: &[f64]) -> Option<f64> {
    let centre = median(values)?;
    let deviations: Vec<f64> = values.iter().map(|v| (v - centre).abs()).collect();
    median(&deviations).map(|d| d * NORMAL)
}

/// The spread of changes of which many may be nothing, as in readings that are repeated or rounded coarsely: the median
/// absolute deviation, or, where more than half are tied and it is zero, that of those which are apart from the median,
/// unless they are `rare`: no more than this share of all. `None` without finite values.
pub fn spread(changes: &[f64], rare: f64) -> Option<f64> {
    let mad = mad(changes)?;
    let centre = median(changes)?;
    let apart: Vec<f64> = changes.iter().map(|c| (c - centre).abs()).filter(|d| *d > 0.0).collect();
    let rare = apart.len() as f64 <= rare * changes.len() as f64;
    if mad > 0.0 || rare { Some(mad) } else { median(&apart).map(|d| d * NORMAL) }
}

/// The median of the slopes between all pairs of points (Theil 1950, Sen 1968).
///
/// Pairs with equal `x` have no slope and don't count; `None` if no pair has one. Quadratic in the number of points:
/// meant for up to some hundred.
pub fn theil_sen(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len().min(y.len());
    let mut slopes = Vec::with_capacity(n * n.saturating_sub(1) / 2);
    for i in 0..n {
        for j in i + 1..n {
            let slope = (y[j] - y[i]) / (x[j] - x[i]);
            if slope.is_finite() {
                slopes.push(slope);
            }
        }
    }
    median_of(&mut slopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, f64::NAN, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(mad(&[1.0, 1.0, 1.0]), Some(0.0));
        assert_eq!((spread(&[], 0.1), spread(&[1.0; 9], 0.1)), (None, Some(0.0)));
    }

    #[test]
    fn ties_do_not_hide_how_far_the_others_are_apart() {
        let tied = |apart: usize| (0..12).map(|k| if k < apart { 100.0 } else { 0.0 }).collect::<Vec<_>>();
        assert_eq!(spread(&tied(1), 0.1), Some(0.0));
        assert_eq!(spread(&tied(5), 0.1), Some(100.0 * NORMAL));
        assert_eq!(spread(&tied(6), 0.1), mad(&tied(6)));
    }

    #[test]
    fn theil_sen_and_mad_agree_with_scipy() {
        // scipy 1.17.1: `theilslopes(y, x)[0]` and `median_abs_deviation(y, scale="normal")`.
        let x: Vec<f64> = (0..30).map(|i| f64::from(i) / 29.0).collect();
        let (mut s, mut e) = (0.3f64, 0.0);
        let y: Vec<f64> = x
            .iter()
            .map(|x| {
                s = (s * 997.0 + 0.123) % 1.0;
                e = 0.6 * e + (s - 0.5);
                5.0 + 2.0 * x + e
            })
            .collect();
        assert!((theil_sen(&x, &y).unwrap() - 1.7633299745235491).abs() < 1e-9);
        assert!((mad(&y).unwrap() - 0.6141654322209571).abs() < 1e-9);
        assert!((median(&y).unwrap() - 6.113590944279537).abs() < 1e-9);
    }

    #[test]
    fn one_wild_point_does_not_move_the_slope() {
        let x: Vec<f64> = (0..20).map(f64::from).collect();
        let mut y: Vec<f64> = x.iter().map(|x| 3.0 * x + 1.0).collect();
        y[7] = 1e9;
        assert!((theil_sen(&x, &y).unwrap() - 3.0).abs() < 1e-12);
        assert_eq!(theil_sen(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(v in prop::collection::vec(prop::num::f64::ANY, 0..40), w in prop::collection::vec(prop::num::f64::ANY, 0..40)) {
            let _ = (median(&v), mad(&v), theil_sen(&v, &w));
        }
    }
}
