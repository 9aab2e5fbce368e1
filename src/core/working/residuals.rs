//! What a model leaves unexplained, for a chart and for the noise that a plan plays on.

use crate::limits::LAGS;
use crate::rule::levels::level::{Levels, longest};
use crate::rule::models::plausible::Plausible;
use crate::stats::student_t;

/// What the best model leaves, series after series in the order of the pool.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Residuals {
    /// Position on the axis and level less the model's, for each series.
    pub points: Vec<Vec<(f64, f64)>>,
    /// Autocorrelation at lags 1, 2, ...; empty with too few levels.
    pub autocorrelation: Vec<f64>,
    /// The bound that 95 % of them would keep if there were none.
    pub bound: f64,
    /// The first-order autocorrelation of the best model.
    pub rho: f64,
    /// Innovations in standard deviations against the quantiles of a normal distribution.
    pub quantiles: Vec<(f64, f64)>,
}

impl Residuals {
    pub(crate) fn of(model: &Plausible, levels: &[Levels]) -> Self {
        let span = longest(levels);
        if span <= 0.0 {
            return Residuals::default();
        }
        let points: Vec<Vec<(f64, f64)>> = levels
            .iter()
            .filter(|l| l.x.len() >= 2)
            .map(|l| {
                let left: Vec<f64> = l.x.iter().zip(&l.y).map(|(x, y)| y - model.fitted((x - l.x[0]) / span)).collect();
                let mean = left.iter().sum::<f64>() / left.len() as f64;
                l.x.iter().copied().zip(left.iter().map(|v| v - mean)).collect()
            })
            .collect();
        let count: usize = points.iter().map(Vec::len).sum();
        let values = |series: &[(f64, f64)]| series.iter().map(|p| p.1).collect::<Vec<f64>>();
        let series: Vec<Vec<f64>> = points.iter().map(|p| values(p)).collect();
        Residuals {
            autocorrelation: autocorrelation(&series),
            bound: student_t(0.975, f64::INFINITY) / (count.max(1) as f64).sqrt(),
            rho: model.rho,
            quantiles: quantiles(&series, model.rho),
            points,
        }
    }
}

/// Autocorrelation over all series at lags 1 to at most [`LAGS`], a quarter of the longest.
fn autocorrelation(series: &[Vec<f64>]) -> Vec<f64> {
    let longest = series.iter().map(Vec::len).max().unwrap_or(0);
    let variance: f64 = series.iter().flatten().map(|v| v * v).sum();
    if variance <= 0.0 {
        return Vec::new();
    }
    let at = |lag: usize| series.iter().flat_map(|s| s.iter().zip(s.iter().skip(lag))).map(|(a, b)| a * b).sum::<f64>();
    (1..=LAGS.min(longest / 4)).map(|lag| at(lag) / variance).collect()
}

/// Sorted innovations in standard deviations, each with the normal quantile of its place (Blom 1958).
fn quantiles(series: &[Vec<f64>], rho: f64) -> Vec<(f64, f64)> {
    let mut found: Vec<f64> = series.iter().flat_map(|s| s.windows(2).map(move |w| w[1] - rho * w[0])).collect();
    let n = found.len() as f64;
    let mean = found.iter().sum::<f64>() / n.max(1.0);
    let spread = (found.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
    if spread.is_nan() || spread <= 0.0 {
        return Vec::new();
    }
    found.sort_by(f64::total_cmp);
    let quantile = |i: usize| student_t((i as f64 + 1.0 - 0.375) / (n + 0.25), f64::INFINITY);
    found.iter().enumerate().map(|(i, v)| (quantile(i), (v - mean) / spread)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by hand: of 1, -1, 1, -1, the products of neighbours are -3 and of next but one 2, the squares 4.
    #[test]
    fn autocorrelation_is_over_all_squares() {
        let found = autocorrelation(&[vec![1.0, -1.0, 1.0, -1.0, 0.0, 0.0, 0.0, 0.0]]);
        assert_eq!(found, [-0.75, 0.5]);
        assert!(autocorrelation(&[vec![0.0; 9]]).is_empty());
    }

    #[test]
    fn quantiles_are_symmetric_and_rise() {
        let found = quantiles(&[vec![0.0, 1.0, 0.0, -1.0, 0.0, 2.0, 0.0]], 0.0);
        assert_eq!(found.len(), 6);
        assert!(found.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1), "{found:?}");
        assert!((found[0].0 + found[5].0).abs() < 1e-9);
    }
}
