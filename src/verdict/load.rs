//! Load as a regressor: it is known with errors, and those weaken what it explains.
//!
//! A rate that is counted in a short time errs by chance. Where load grows along with the requests, its coefficient comes out
//! too small then, and growth takes what is missing (attenuation: Fuller 1987).

use super::level::Levels;
use crate::stats::{median, spread};

/// The share of errors in what load does beside its trend up to which it counts as known.
const KNOWN: f64 = 0.01;
/// Neighbours on either side over which it is averaged at most.
const WIDEST: usize = 8;
/// The share of errors beyond which next to nothing is known.
const UNKNOWN: f64 = 0.9;

/// Averages the loads over as many neighbours as it takes to know them. By how much growth over the whole of the `ages` (0 to 1)
/// is mistaken, for each unit of the coefficient of load, by the errors that are left.
pub(super) fn calm_load(series: &mut [Levels], ages: &[Vec<f64>]) -> f64 {
    let shares = |series: &[Levels], averaged: f64| -> Vec<Share> {
        series.iter().zip(ages).filter_map(|(s, ages)| Share::new(&s.load, ages, averaged)).collect()
    };
    let errors: Vec<f64> = series.iter().filter_map(|s| error(&s.load)).collect();
    let Some(error) = median(&errors) else { return 0.0 };
    let exact = series.to_vec();
    for beside in 0..=WIDEST {
        let averaged = error / (2 * beside + 1) as f64;
        for (calm, exact) in series.iter_mut().zip(&exact) {
            calm.load = averages(&exact.load, beside);
        }
        let known = shares(series, averaged);
        let share = median(&known.iter().map(|k| k.errors).collect::<Vec<_>>()).unwrap_or(0.0);
        if share <= KNOWN || beside == WIDEST {
            let trend = median(&known.iter().map(|k| k.trend).collect::<Vec<_>>()).unwrap_or(0.0);
            let share = share.min(UNKNOWN);
            return trend * share / (1.0 - share);
        }
    }
    0.0
}

/// The variance of errors that neighbours don't share: second differences of a smooth course have next to nothing else.
fn error(load: &[f64]) -> Option<f64> {
    let second: Vec<f64> = load.windows(3).map(|w| w[2] - 2.0 * w[1] + w[0]).collect();
    spread(&second).map(|s| s * s / 6.0)
}

/// The mean of each value and of so many neighbours on either side, fewer at the ends.
fn averages(load: &[f64], beside: usize) -> Vec<f64> {
    let near = |i: usize| beside.min(i).min(load.len() - 1 - i);
    let mean = |i: usize| load[i - near(i)..=i + near(i)].iter().sum::<f64>() / (2 * near(i) + 1) as f64;
    (0..load.len()).map(mean).collect()
}

/// What is known of the load of a series.
struct Share {
    /// The share of errors in the variance of load beside its trend.
    errors: f64,
    /// Its trend over the whole of the ages.
    trend: f64,
}

impl Share {
    fn new(load: &[f64], ages: &[f64], error: f64) -> Option<Self> {
        let n = load.len() as f64;
        let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
        let (centre, level) = (mean(ages), mean(load));
        let squares: f64 = ages.iter().map(|a| (a - centre).powi(2)).sum();
        let trend = ages.iter().zip(load).map(|(a, l)| (a - centre) * (l - level)).sum::<f64>() / squares;
        let rest = ages.iter().zip(load).map(|(a, l)| (l - level - trend * (a - centre)).powi(2)).sum::<f64>() / n;
        let errors = if rest > 0.0 { error / rest } else { 0.0 };
        (trend.is_finite() && errors.is_finite()).then_some(Share { errors, trend })
    }
}
