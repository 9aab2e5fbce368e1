//! A straight line through points with independent errors.

/// A line by least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Its slope, and the standard error of that.
    pub slope: f64,
    /// See `slope`.
    pub slope_se: f64,
    /// Degrees of freedom of the errors: points less two.
    pub df: f64,
    /// The part of the values' variance that it explains, 0 to 1; nothing of values that are all alike.
    pub r2: f64,
    centre: (f64, f64),
}

impl Line {
    /// The line through points at `x` with values `y`; `None` with fewer than three, or if all are at one place.
    pub fn through(x: &[f64], y: &[f64]) -> Option<Self> {
        let n = x.len().min(y.len()) as f64;
        let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
        let centre = (mean(x), mean(y));
        let squares: f64 = x.iter().map(|x| (x - centre.0).powi(2)).sum();
        let products: f64 = x.iter().zip(y).map(|(x, y)| (x - centre.0) * (y - centre.1)).sum();
        let (slope, df) = (products / squares, n - 2.0);
        let rest = |(x, y): (&f64, &f64)| (y - centre.1 - slope * (x - centre.0)).powi(2);
        let rest: f64 = x.iter().zip(y).map(rest).sum();
        let total: f64 = y.iter().map(|y| (y - centre.1).powi(2)).sum();
        let slope_se = (rest / df / squares).sqrt();
        let r2 = if total > 0.0 { 1.0 - rest / total } else { 0.0 };
        (df >= 1.0 && slope.is_finite() && slope_se.is_finite()).then_some(Line { slope, slope_se, df, r2, centre })
    }

    /// Its value at a place.
    pub fn at(&self, x: f64) -> f64 {
        self.centre.1 + self.slope * (x - self.centre.0)
    }
}

/// The value at a place, by straight lines between points, whose places never fall; constant outside, 0 without a point.
pub fn interpolate(x: &[f64], y: &[f64], at: f64) -> f64 {
    let after = x.partition_point(|v| *v <= at);
    match (after.checked_sub(1), x.get(after)) {
        (None, _) => y.first().copied().unwrap_or(0.0),
        (Some(i), None) => y[i],
        (Some(i), Some(next)) => y[i] + (y[after] - y[i]) * (at - x[i]) / (next - x[i]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with scipy 1.17.1: `scipy.stats.linregress(x, y)`.
    #[test]
    fn slope_and_error_agree_with_scipy() {
        let x = [0.0, 1.0, 2.0, 4.0, 7.0];
        let line = Line::through(&x, &[1.0, 2.5, 2.0, 6.0, 7.5]).unwrap();
        assert!((line.slope - 0.967_532_467_532_467_7).abs() < 1e-12, "{line:?}");
        assert!((line.slope_se - 0.163_416_329_767_765).abs() < 1e-9, "{line:?}");
        assert!((line.at(7.0) - 7.863_636_363_636_363).abs() < 1e-9, "{line:?}");
        assert!((line.r2 - 0.9211650968839469).abs() < 1e-9, "{line:?}");
    }

    #[test]
    fn no_line_goes_through_too_little() {
        assert_eq!(Line::through(&[0.0, 1.0], &[0.0, 1.0]), None);
        assert_eq!(Line::through(&[1.0; 5], &[0.0, 1.0, 2.0, 3.0, 4.0]), None);
        assert_eq!(Line::through(&[], &[]), None);
        assert_eq!(Line::through(&[0.0, 1.0, f64::NAN], &[0.0, 1.0, 2.0]), None);
    }
}
