//! Load as a regressor: it is known with errors, and those weaken what it explains.
//!
//! A rate that is counted in a short time errs by chance. Where load grows along with the requests, its coefficient comes out
//! too small then, and growth takes what is missing (attenuation: Fuller 1987).

use super::level::Levels;
use crate::stats::{Cholesky, median, spread};

/// The share of errors in what load does beside its trend up to which it counts as known.
const KNOWN: f64 = 0.01;
/// Neighbours on either side over which it is averaged at most.
const WIDEST: usize = 8;
/// The share of errors beyond which next to nothing is known.
const UNKNOWN: f64 = 0.9;

/// Averages the loads over as many neighbours as it takes to know them beside a straight line over the `ages` (0 to 1). The
/// variance of the errors that are left.
pub(super) fn calm_load(series: &mut [Levels], ages: &[Vec<f64>]) -> f64 {
    let errors: Vec<f64> = series.iter().filter_map(|s| error(&s.load)).collect();
    let Some(error) = median(&errors) else { return 0.0 };
    let exact = series.to_vec();
    for beside in 0..=WIDEST {
        let left = error / (2 * beside + 1) as f64;
        series.iter_mut().zip(&exact).for_each(|(calm, exact)| calm.load = averages(&exact.load, beside));
        let loads: Vec<&[f64]> = series.iter().map(|s| &s.load[..]).collect();
        let line: Vec<Vec<Vec<f64>>> = ages.iter().map(|age| vec![age.clone()]).collect();
        if beside == WIDEST || Confounded::new(&loads, &line, left).is_none_or(|c| c.errors <= KNOWN) {
            return left;
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

/// How far load is told apart from other regressors.
pub(super) struct Confounded {
    /// The share of errors in what load does beside them.
    errors: f64,
    /// What each of them says of load.
    along: Vec<f64>,
}

impl Confounded {
    /// From loads and from the other regressors, unit by unit, and the variance of the errors of load; `None` if the regressors
    /// can't be told apart themselves.
    pub fn new(loads: &[&[f64]], others: &[Vec<Vec<f64>>], error: f64) -> Option<Self> {
        let count = others.first()?.len();
        let (mut products, mut total, mut values) = (vec![vec![0.0; count + 1]; count], 0.0, 0.0);
        for (load, others) in loads.iter().zip(others) {
            let load = centred(load);
            let others: Vec<Vec<f64>> = others.iter().map(|c| centred(c)).collect();
            for i in 0..count {
                (0..count).for_each(|j| products[i][j] += dot(&others[i], &others[j]));
                products[i][count] += dot(&others[i], &load);
            }
            total += dot(&load, &load);
            values += load.len() as f64;
        }
        let right: Vec<f64> = products.iter().map(|row| row[count]).collect();
        let mut along = right.clone();
        Cholesky::new(count, |i, j| products[i][j])?.solve(&mut along);
        let rest = (total - dot(&right, &along)) / values;
        let errors = if error <= 0.0 { 0.0 } else { (error / rest.max(f64::MIN_POSITIVE)).min(UNKNOWN) };
        Some(Confounded { errors, along })
    }

    /// What errors of load add to the combination of the other coefficients by `direction`, where load has this coefficient.
    pub fn mistaken(&self, coefficient: f64, direction: &[f64]) -> f64 {
        coefficient * self.errors / (1.0 - self.errors) * dot(&self.along, direction)
    }
}

fn centred(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|v| v - mean).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
