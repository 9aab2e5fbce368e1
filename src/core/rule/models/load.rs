//! Load as a regressor: it is known with errors, and those weaken what it explains.
//!
//! A rate that is counted in a short time errs by chance. Where load grows along with the requests, its coefficient comes out
//! too small then, and growth takes what is missing (attenuation: Fuller 1987).

use crate::rule::levels::level::{Levels, usual_change};
use crate::stats::{Cholesky, Panel, Unit, median};
use crate::thresholds::assess::ALPHA;
use crate::thresholds::load::KNOWN;
use crate::thresholds::scale::PARTS;

/// Smooths the loads over as many neighbours as it takes to know them beside a straight line over the `ages` (0 to 1), but no
/// more than leaves their own course. The variance of the errors that are left, and whether load is a ramp. Loads whose every
/// turn the levels follow have next to no errors, and are left as they are.
pub fn calm_load(series: &mut [Levels], ages: &[Vec<f64>]) -> (f64, bool) {
    let errors: Vec<f64> = series.iter().filter_map(|s| error(&s.load)).collect();
    let Some(error) = median(&errors) else { return (0.0, false) };
    let exact: Vec<Vec<f64>> = series.iter().map(|s| s.load.clone()).collect();
    let line: Vec<Vec<Vec<f64>>> = ages.iter().map(|age| vec![age.clone()]).collect();
    let values = exact.iter().map(Vec::len).sum::<usize>() as f64;
    let loads: Vec<&[f64]> = exact.iter().map(|load| &load[..]).collect();
    let ramp = Confounded::new(&loads, &line, 0.0).is_some_and(|c| c.explained > 0.5);
    let (mut left, mut lost_in_line) = (error, false);
    for beside in 0..=PARTS.get() {
        let calm: Vec<Vec<f64>> = exact.iter().map(|load| smoothed(load, beside)).collect();
        let lost: f64 = calm.iter().flatten().zip(exact.iter().flatten()).map(|(c, e)| (c - e).powi(2)).sum();
        if lost > 2.0 * error * values {
            break;
        }
        left = error / (2 * beside + 1) as f64;
        let loads: Vec<&[f64]> = calm.iter().map(|load| &load[..]).collect();
        let beside_line = Confounded::new(&loads, &line, left);
        let known = beside_line.as_ref().is_none_or(|c| c.errors <= KNOWN.get());
        lost_in_line = beside_line.is_some_and(|c| c.errors >= 0.5);
        series.iter_mut().zip(calm).for_each(|(one, calm)| one.load = calm);
        if known {
            break;
        }
    }
    // What does next to nothing beside a straight line can't tell growth from load that is followed in part.
    if !lost_in_line && are_followed(series, &exact, ages) {
        series.iter_mut().zip(exact).for_each(|(one, exact)| one.load = exact);
        return (0.0, ramp);
    }
    (left, ramp)
}

/// Whether the levels follow what smoothing took away as they follow the rest: load that is true moves them as much as its smooth
/// course does, and errors don't move them.
fn are_followed(series: &[Levels], exact: &[Vec<f64>], ages: &[Vec<f64>]) -> bool {
    let unit = |((one, exact), age): ((&Levels, &Vec<f64>), &Vec<f64>)| {
        let taken = exact.iter().zip(&one.load).map(|(exact, calm)| exact - calm).collect();
        Unit { y: one.y.clone(), columns: vec![age.clone(), one.load.clone(), taken] }
    };
    let units: Vec<Unit> = series.iter().zip(exact).zip(ages).map(unit).collect();
    let Some(fit) = Panel::new(&units, 0.0).and_then(|mut panel| panel.fit(&[0, 1, 2])) else { return false };
    let alpha = ALPHA.get();
    let apart = fit.combination(&[0.0, -1.0, 1.0]);
    let alike = apart.lower(alpha) <= 0.0 && apart.upper(alpha) >= 0.0;
    // Beyond doubt more than half of it is followed.
    alike && fit.combination(&[0.0, -0.5, 1.0]).lower(alpha) > 0.0
}

/// The variance of errors that neighbours don't share: second differences of a smooth course have next to nothing else.
fn error(load: &[f64]) -> Option<f64> {
    let second: Vec<f64> = load.windows(3).map(|w| w[2] - 2.0 * w[1] + w[0]).collect();
    usual_change(&second).map(|s| s * s / 6.0)
}

/// Each value by a straight line through it and so many neighbours on either side, fewer at the ends (Cleveland 1979, without
/// his weights): a ramp stays one.
fn smoothed(load: &[f64], beside: usize) -> Vec<f64> {
    let line = |i: usize| {
        let near = i.saturating_sub(beside)..(i + beside + 1).min(load.len());
        let n = near.len() as f64;
        let centre = near.clone().map(|k| k as f64).sum::<f64>() / n;
        let mean = load[near.clone()].iter().sum::<f64>() / n;
        let squares: f64 = near.clone().map(|k| (k as f64 - centre).powi(2)).sum();
        let products: f64 = near.map(|k| (k as f64 - centre) * load[k]).sum();
        if squares > 0.0 { mean + products / squares * (i as f64 - centre) } else { mean }
    };
    (0..load.len()).map(line).collect()
}

/// How far load is told apart from other regressors.
pub struct Confounded {
    /// The share of errors in what load does beside them.
    pub errors: f64,
    /// The share of load that goes along with them.
    explained: f64,
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
        let explained = dot(&right, &along) / total;
        let rest = (total - dot(&right, &along)) / values;
        let errors = if error <= 0.0 { 0.0 } else { (error / rest.max(f64::MIN_POSITIVE)).min(0.5) };
        Some(Confounded { errors, explained, along })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A number between -1/2 and 1/2 for each place, seemingly at random.
    fn chance(i: usize) -> f64 {
        (i as f64 * 997.0 + 0.123).sin().abs().fract() - 0.5
    }

    fn calmed(load: impl Fn(usize) -> f64) -> (Vec<f64>, f64, bool) {
        let mut series = [Levels { load: (0..60).map(load).collect(), ..Levels::default() }];
        let ages = [(0..60).map(|i| i as f64 / 59.0).collect()];
        let (left, ramp) = calm_load(&mut series, &ages);
        (series[0].load.clone(), left, ramp)
    }

    #[test]
    fn what_is_known_is_left_as_it_is() {
        let steps = |i: usize| if (i / 20).is_multiple_of(2) { 100.0 } else { 300.0 };
        let (calm, left, ramp) = calmed(steps);
        assert_eq!((calm, left, ramp), ((0..60).map(steps).collect(), 0.0, false));
    }

    #[test]
    fn a_ramp_that_is_measured_with_errors_is_smoothed() {
        let truth = |i: usize| 100.0 + 5.0 * i as f64;
        let (calm, left, ramp) = calmed(|i| truth(i) + 40.0 * chance(i));
        let apart = |load: &dyn Fn(usize) -> f64| (0..60).map(|i| (load(i) - truth(i)).powi(2)).sum::<f64>();
        assert!(apart(&|i| calm[i]) < 0.2 * apart(&|i| truth(i) + 40.0 * chance(i)));
        assert!(left > 0.0 && ramp);
    }

    #[test]
    fn turns_of_the_load_that_the_levels_follow_are_no_errors() {
        let told = |truth: &dyn Fn(usize) -> f64, part: f64| {
            let read = |i: usize| truth(i) + 40.0 * chance(i);
            let level = |i: usize| 5e7 + 1000.0 * (truth(i) + part * (read(i) - truth(i))) + 300.0 * chance(i + 60);
            let mut series =
                [Levels { load: (0..60).map(read).collect(), y: (0..60).map(level).collect(), ..Levels::default() }];
            let (left, _) = calm_load(&mut series, &[(0..60).map(|i| i as f64 / 59.0).collect()]);
            (series[0].load == (0..60).map(read).collect::<Vec<_>>(), left == 0.0)
        };
        let bent = |i: usize| 100.0 + 20.0 * i.min(30) as f64;
        assert_eq!(told(&bent, 1.0), (true, true));
        assert_eq!(told(&bent, 0.4), (false, false), "less than half is followed");
        assert_eq!(told(&bent, 0.0), (false, false), "errors");
        let straight = |i: usize| 100.0 + 5.0 * i as f64;
        assert_eq!(told(&straight, 1.0), (false, false), "growth would be as straight");
    }

    #[test]
    fn errors_of_load_are_taken_for_growth_where_it_rises_with_the_requests() {
        let load: Vec<f64> = (0..60).map(|i| i as f64 + 10.0 * chance(i)).collect();
        let age: Vec<f64> = (0..60).map(|i| i as f64 / 59.0).collect();
        let told = |error: f64| Confounded::new(&[&load], &[vec![age.clone()]], error).expect("a fit");
        assert_eq!(told(0.0).mistaken(2.0, &[1.0]), 0.0);
        // Half of what load does beside its trend of 59 is errors: as much as is left of the coefficient is missing.
        let rest = told(0.0).mistaken(1.0, &[1.0]) + 59.0;
        let half = told(10.0 * 10.0 / 12.0 / 2.0);
        assert!(half.errors > 0.1 && half.mistaken(2.0, &[1.0]) > rest, "{}", half.mistaken(2.0, &[1.0]));
        assert!(Confounded::new(&[&load], &[vec![vec![1.0; 60]]], 1.0).is_none(), "nothing to tell apart");
    }
}
