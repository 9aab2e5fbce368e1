//! Regression on a panel: several series with common coefficients, an intercept each, and AR(1) errors.
//!
//! Cross products are formed once for each autocorrelation on a grid; any number of models (subsets of the columns) is
//! then fitted at the cost of a small linear system each.
//!
//! Autocorrelation is not estimated by one number: each value on the grid has a weight by its restricted likelihood
//! (Harville 1974), and an estimate's variance is the mixture's (Zellner 1971, ch. IV). That keeps intervals honest
//! where a short series can't tell a persistent error from a unit root, and it has no downward bias of rho to correct.

use super::Cholesky;
use crate::limits::NEGLIGIBLE;
use crate::limits::search::{AUTOCORRELATIONS, UNIT_ROOT};
use crate::thresholds::assess::WANDERS;
use std::f64::consts::FRAC_PI_2;

/// Autocorrelations considered, each with its prior weight: equal steps of the arcsine with equal weights, which is Jeffreys' prior
/// of an AR(1) process. The unit root weighs as much as all others together: to take a wandering level for a steady one is the
/// worse error, for which Perron & Yabu (2009) truncate to it.
fn wandering() -> Vec<(f64, f64)> {
    let mut grid: Vec<(f64, f64)> = steps().map(|angle| (angle.sin(), 1.0)).collect();
    grid.push((UNIT_ROOT, grid.len() as f64));
    grid
}

/// The same where each observation has an error of its own, which tells little of its neighbours': an even prior, so that a
/// wandering level must show.
fn own() -> Vec<(f64, f64)> {
    let even = steps().map(|angle| (angle.sin(), angle.cos()));
    even.chain([(UNIT_ROOT, UNIT_ROOT.asin().cos())]).collect()
}

/// Angles from a slight negative autocorrelation up to the last before a unit root.
fn steps() -> impl Iterator<Item = f64> {
    (-1..AUTOCORRELATIONS).map(|step| f64::from(step) * FRAC_PI_2 / f64::from(AUTOCORRELATIONS))
}

/// One series of a panel: an observation for each entry of `y`, and as many entries in each column.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    /// Observations, equally spaced in time.
    pub y: Vec<f64>,
    /// Regressors; every unit of a panel has the same ones in the same order.
    pub columns: Vec<Vec<f64>>,
}

/// Cross products of a panel, ready for fitting.
#[derive(Debug, Clone)]
pub struct Panel {
    /// Observations of each unit.
    lengths: Vec<usize>,
    /// One for each autocorrelation of the grid.
    grams: Vec<Gram>,
    /// Columns without `y`.
    columns: usize,
    /// Observations less one intercept a unit.
    contrasts: f64,
    /// Smallest variance an observation can have, because of rounding.
    floor: f64,
}

#[derive(Debug, Clone)]
struct Gram {
    rho: f64,
    /// `-2 log` of the prior weight.
    prior: f64,
    /// Whitened `y` and columns, one after the other, each of all units end to end, free of the intercepts.
    white: Vec<f64>,
    /// Their products, a lower triangle row by row, `y` first; NaN until asked for.
    products: Vec<f64>,
    /// Observations of all units.
    length: usize,
    /// `-2 log` of the part of the likelihood that depends on the autocorrelation alone.
    log_volume: f64,
}

/// A unit's part of a column less its first value, and the sum of that. Any shift is free, as the intercept is projected out;
/// this one keeps the numbers small.
struct Shifted {
    values: Vec<f64>,
    sum: f64,
}

impl Shifted {
    fn new(column: &[f64]) -> Self {
        let first = column.first().copied().unwrap_or(0.0);
        let values: Vec<f64> = column.iter().map(|v| v - first).collect();
        let sum = values.iter().sum();
        Shifted { values, sum }
    }
}

/// A linear combination of coefficients with its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Point estimate.
    pub value: f64,
    /// Standard error.
    pub se: f64,
    /// Degrees of freedom.
    pub df: f64,
}

/// A fitted model.
#[derive(Debug, Clone)]
pub struct ModelFit {
    /// `-2 log` likelihood at the best autocorrelation.
    pub deviance: f64,
    /// Observations less intercepts: the sample size for an information criterion.
    pub contrasts: f64,
    /// Mean autocorrelation under the weights.
    pub rho: f64,
    /// Residual standard deviation (of innovations) under the weights.
    pub sigma: f64,
    df: f64,
    /// Weight, coefficients, residual variance and factor for each autocorrelation that matters.
    parts: Vec<Fitted>,
}

#[derive(Debug, Clone)]
struct Fitted {
    rho: f64,
    weight: f64,
    coefficients: Vec<f64>,
    variance: f64,
    factor: Cholesky,
}

impl Panel {
    /// Forms the cross products; units with fewer than two observations or unequal columns are left out.
    ///
    /// `quantum` is the step to which observations are rounded: its variance `quantum^2 / 12` is the least a residual
    /// can have. `None` if no unit is left or a number isn't finite.
    pub fn new(units: &[Unit], quantum: f64) -> Option<Self> {
        Self::with_autocorrelations(units, quantum, &wandering())
    }

    /// The same for observations each of which has an error of its own, beside what wanders.
    pub fn with_own_errors(units: &[Unit], quantum: f64) -> Option<Self> {
        Self::with_autocorrelations(units, quantum, &own())
    }

    /// The same for a grid of autocorrelations, each with its prior weight.
    pub(super) fn with_autocorrelations(units: &[Unit], quantum: f64, grid: &[(f64, f64)]) -> Option<Self> {
        let columns = units.first()?.columns.len();
        let fits =
            |u: &&Unit| u.y.len() >= 2 && u.columns.len() == columns && u.columns.iter().all(|c| c.len() == u.y.len());
        let units: Vec<&Unit> = units.iter().filter(fits).collect();
        let observations: usize = units.iter().map(|u| u.y.len()).sum();
        let finite = units.iter().all(|u| u.columns.iter().chain([&u.y]).flatten().all(|v| v.is_finite()));
        if units.is_empty() || !finite {
            return None;
        }
        let lengths: Vec<usize> = units.iter().map(|u| u.y.len()).collect();
        let contrasts = (observations - units.len()) as f64;
        let grams = grid.iter().map(|&(rho, prior)| Gram::new(rho, prior, &lengths)).collect();
        let mut panel = Panel { lengths, grams, columns: 0, contrasts, floor: quantum * quantum / 12.0 };
        let y: Vec<Shifted> = units.iter().map(|u| Shifted::new(&u.y)).collect();
        panel.grams.iter_mut().for_each(|g| g.push(&y));
        for c in 0..columns {
            let column: Vec<Shifted> = units.iter().map(|u| Shifted::new(&u.columns[c])).collect();
            panel.grams.iter_mut().for_each(|g| g.push(&column));
        }
        panel.columns = columns;
        Some(panel)
    }

    /// Adds a regressor, given unit by unit, and returns its place; `None` if it doesn't match the observations.
    pub fn push(&mut self, column: &[Vec<f64>]) -> Option<usize> {
        let matches = column.len() == self.lengths.len()
            && column.iter().zip(&self.lengths).all(|(c, n)| c.len() == *n && c.iter().all(|v| v.is_finite()));
        if !matches {
            return None;
        }
        let column: Vec<Shifted> = column.iter().map(|c| Shifted::new(c)).collect();
        self.grams.iter_mut().for_each(|g| g.push(&column));
        self.columns += 1;
        Some(self.columns - 1)
    }

    /// How many regressors there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Takes back all regressors from this place on.
    pub fn truncate(&mut self, columns: usize) {
        if columns < self.columns {
            self.columns = columns;
            self.grams.iter_mut().for_each(|g| g.truncate(columns + 1));
        }
    }

    /// Fits `y` on the given columns; `None` if they are collinear or leave no degree of freedom.
    pub fn fit(&mut self, chosen: &[usize]) -> Option<ModelFit> {
        let df = self.contrasts - chosen.len() as f64;
        if df < 1.0 || chosen.iter().any(|&c| c >= self.columns) {
            return None;
        }
        let mean_length = self.contrasts / self.lengths.len() as f64 + 1.0;
        let mut deviance = f64::INFINITY;
        let mut parts = Vec::with_capacity(self.grams.len());
        for gram in &mut self.grams {
            let factor = Cholesky::new(chosen.len(), |i, j| gram.at(chosen[i] + 1, chosen[j] + 1))?;
            let right: Vec<f64> = chosen.iter().map(|&c| gram.at(c + 1, 0)).collect();
            let mut coefficients = right.clone();
            factor.solve(&mut coefficients);
            let explained: f64 = right.iter().zip(&coefficients).map(|(r, c)| r * c).sum();
            let total = gram.at(0, 0);
            let rounding = self.floor * self.contrasts * share_of_rounding(gram.rho, mean_length);
            let rest = (total - explained).max(rounding).max(f64::MIN_POSITIVE);
            deviance = deviance.min(self.contrasts * (rest / self.contrasts).ln() + gram.log_volume);
            let restricted = df * (rest / df).ln() + gram.log_volume + factor.log_determinant() + gram.prior;
            let variance = rest / df * averaging(gram.rho);
            parts.push((restricted, Fitted { rho: gram.rho, weight: 0.0, coefficients, variance, factor }));
        }
        let best = parts.iter().map(|p| p.0).fold(f64::INFINITY, f64::min);
        for (restricted, part) in &mut parts {
            part.weight = (0.5 * (best - *restricted)).exp();
        }
        let sum: f64 = parts.iter().map(|p| p.1.weight).sum();
        let (mut rho, mut variance) = (0.0, 0.0);
        for (_, part) in &mut parts {
            part.weight /= sum;
            rho += part.weight * part.rho;
            variance += part.weight * part.variance;
        }
        let parts = parts.into_iter().map(|p| p.1).filter(|p| p.weight > NEGLIGIBLE).collect();
        Some(ModelFit { deviance, contrasts: self.contrasts, rho, sigma: variance.sqrt(), df, parts })
    }
}

impl Gram {
    fn new(rho: f64, prior: f64, lengths: &[usize]) -> Self {
        let log_volume = lengths.iter().map(|&n| intercept(rho, n).ln() - (1.0 - rho * rho).ln()).sum();
        let length = lengths.iter().sum();
        Gram { rho, prior: -2.0 * prior.ln(), white: Vec::new(), products: Vec::new(), length, log_volume }
    }

    /// Whitens a column (Prais & Winsten 1954), less its projection on each unit's whitened intercept.
    fn push(&mut self, column: &[Shifted]) {
        let rho = self.rho;
        for Shifted { values, sum } in column {
            let last = values.last().copied().unwrap_or(0.0);
            let along = (sum - rho * (sum - last)) * (1.0 - rho) / intercept(rho, values.len());
            let each = along * (1.0 - rho);
            self.white.push(-along * (1.0 - rho * rho).sqrt());
            self.white.extend(values.windows(2).map(|w| w[1] - rho * w[0] - each));
        }
        let count = self.white.len() / self.length;
        self.products.resize(count * (count + 1) / 2, f64::NAN);
    }

    fn truncate(&mut self, count: usize) {
        self.white.truncate(count * self.length);
        self.products.truncate(count * (count + 1) / 2);
    }

    fn at(&mut self, i: usize, j: usize) -> f64 {
        let (i, j) = (i.max(j), i.min(j));
        let place = i * (i + 1) / 2 + j;
        if self.products[place].is_nan() {
            let column = |i: usize| &self.white[i * self.length..][..self.length];
            self.products[place] = dot(column(i), column(j));
        }
        self.products[place]
    }
}

/// The inner product, summed in eight lanes, as many as the compiler can add to without waiting for the sum before.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// By how much the long-run variance of observations that are averages over a stretch of a wandering level exceeds what
/// an AR(1) fit implies: half for a random walk (Working 1960), nothing without autocorrelation.
fn averaging(rho: f64) -> f64 {
    1.0 + 0.5 * rho.powi(4)
}

/// The part of the variance of rounding errors that their innovations have at least, over `n` observations. The errors of a
/// level that hardly moves wander with it instead of being drawn anew each time, which hides slow growth; over the whole
/// series they add up to no less than two independent ones, those at its ends.
fn share_of_rounding(rho: f64, n: f64) -> f64 {
    (1.0 - rho * rho).max(2.0 / n)
}

/// Squared length of the whitened intercept of a unit with `n` observations.
fn intercept(rho: f64, n: usize) -> f64 {
    (1.0 - rho * rho) + (n as f64 - 1.0) * (1.0 - rho) * (1.0 - rho)
}

impl ModelFit {
    /// Estimates the sum of the coefficients times `direction`, in the order of the fitted columns.
    pub fn combination(&self, direction: &[f64]) -> Estimate {
        self.mixture(direction, f64::INFINITY)
    }

    /// The same for errors that are known to come back, so that no autocorrelation near a unit root has a say; `None` if the
    /// data allow of no other.
    pub fn combination_coming_back(&self, direction: &[f64]) -> Option<Estimate> {
        Some(self.mixture(direction, WANDERS.get())).filter(|estimate| estimate.se.is_finite())
    }

    /// The mixture over autocorrelations up to `most`.
    fn mixture(&self, direction: &[f64], most: f64) -> Estimate {
        let parts = || self.parts.iter().filter(|p| p.rho <= most);
        let weights: f64 = parts().map(|p| p.weight).sum();
        let value_of = |p: &Fitted| -> f64 { p.coefficients.iter().zip(direction).map(|(c, d)| c * d).sum() };
        let value = parts().map(|p| p.weight * value_of(p)).sum::<f64>() / weights;
        let spread = |p: &Fitted| p.variance * p.factor.inverse_form(direction) + (value_of(p) - value).powi(2);
        let variance = parts().map(|p| p.weight * spread(p)).sum::<f64>() / weights;
        Estimate { value, se: variance.sqrt(), df: self.df }
    }

    /// Estimates the coefficient of the fitted column `index`.
    pub fn coefficient(&self, index: usize) -> Estimate {
        let size = self.parts.first().map_or(0, |p| p.coefficients.len());
        let direction: Vec<f64> = (0..size).map(|i| f64::from(i == index)).collect();
        self.combination(&direction)
    }

    /// The Bayesian information criterion (Schwarz 1978) for a model with this many free parameters in its mean, with
    /// the correction for small samples of McQuarrie (1999); infinite if the sample is too small for them.
    pub fn bic(&self, parameters: usize) -> f64 {
        let (n, k) = (self.contrasts, parameters as f64);
        // The variance and the autocorrelation are parameters too, but common to all models.
        let room = n - k - 2.0;
        if room > 0.0 { self.deviance + k * n.ln() * n / room } else { f64::INFINITY }
    }
}

impl Estimate {
    /// The lower bound that the truth exceeds with confidence `1 - alpha`.
    pub fn lower(&self, alpha: f64) -> f64 {
        self.value - super::student_t(1.0 - alpha, self.df) * self.se
    }

    /// The upper bound under which the truth is with confidence `1 - alpha`.
    pub fn upper(&self, alpha: f64) -> f64 {
        self.value + super::student_t(1.0 - alpha, self.df) * self.se
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A line of slope 2 with wandering errors, the same as in the script that made the reference values.
    fn wandering_line() -> Unit {
        let n = 30;
        let x: Vec<f64> = (0..n).map(|i| f64::from(i) / f64::from(n - 1)).collect();
        let (mut s, mut e) = (0.3f64, 0.0);
        let y = x
            .iter()
            .map(|x| {
                s = (s * 997.0 + 0.123) % 1.0;
                e = 0.6 * e + (s - 0.5);
                5.0 + 2.0 * x + e
            })
            .collect();
        Unit { y, columns: vec![x] }
    }

    /// Made with statsmodels 0.15.0: `GLS(y, add_constant(x), sigma=V).fit()` with `V = toeplitz(rho**k) / (1-rho**2)`:
    /// slope, its standard error, and `-2 log` likelihood free of the intercept,
    /// `(n-1) log(rss/(n-1)) + log|V| + log|1' V^-1 1|`.
    const GLS: [(f64, f64, f64, f64); 3] = [
        (0.0, 1.758666174510462, 0.14151616476178805, -82.51976693786601),
        (0.5, 1.8377787947116393, 0.260403820343055, -82.78934998319535),
        (0.8, 1.98474187608506, 0.5580249525552256, -78.0579312520274),
    ];

    #[test]
    fn one_autocorrelation_gives_generalised_least_squares() {
        for (rho, slope, se, deviance) in GLS {
            let mut panel = Panel::with_autocorrelations(&[wandering_line()], 0.0, &[(rho, 1.0)]).unwrap();
            let fit = panel.fit(&[0]).unwrap();
            let found = fit.coefficient(0);
            assert!((found.value - slope).abs() < 1e-9, "{found:?}");
            assert!((found.se - se * averaging(rho).sqrt()).abs() < 1e-9, "{found:?}");
            assert!((fit.deviance - deviance).abs() < 1e-8, "{}", fit.deviance);
            assert_eq!(found.df, 28.0);
        }
    }

    #[test]
    fn several_autocorrelations_are_mixed_by_their_restricted_likelihood() {
        // From the three fits above with numpy 2.4.6: weights exp(-reml/2), mean, and root of the mixture's variance.
        let grid = GLS.map(|g| (g.0, 1.0));
        let mut panel = Panel::with_autocorrelations(&[wandering_line()], 0.0, &grid).unwrap();
        let found = panel.fit(&[0]).unwrap().coefficient(0);
        assert!((found.value - 1.8330024891462289).abs() < 1e-9, "{found:?}");
        assert!((found.se - 0.3110789446415676).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn units_share_the_slope_but_not_the_level() {
        let low = wandering_line();
        let high = Unit { y: low.y.iter().map(|y| y + 1e9).collect(), columns: low.columns.clone() };
        let one = Panel::new(std::slice::from_ref(&low), 0.0).unwrap().fit(&[0]).unwrap().coefficient(0);
        let both = Panel::new(&[low, high], 0.0).unwrap().fit(&[0]).unwrap().coefficient(0);
        assert!((one.value - both.value).abs() < 0.2, "{one:?} {both:?}");
        assert!(both.se < 0.8 * one.se, "{one:?} {both:?}");
    }

    #[test]
    fn bounds_hold_their_level_under_autocorrelated_noise() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let runs = 400;
        let mut above = 0;
        for _ in 0..runs {
            let mut level = 0.0;
            // The sum of twelve uniform deviates is near enough to normal.
            let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
            for _ in 0..20 {
                level = 0.6 * level + normal();
            }
            let y = (0..60)
                .map(|_| {
                    level = 0.6 * level + normal();
                    level
                })
                .collect();
            let x = (0..60).map(f64::from).collect();
            let mut panel = Panel::new(&[Unit { y, columns: vec![x] }], 0.0).unwrap();
            above += u32::from(panel.fit(&[0]).unwrap().coefficient(0).lower(0.05) > 0.0);
        }
        // 5 % of 400 are 20; ordinary least squares gives about 80. The weight near the unit root makes it cautious.
        assert!((1..=34).contains(&above), "{above} of {runs} lower bounds are above the truth");
    }

    #[test]
    fn rounding_hides_no_growth_from_the_bounds() {
        // Between none and three steps in all, from any place between two of them, without noise.
        for case in 0..300 {
            let (slope, from) = (0.01 * f64::from(case), 0.37 * f64::from(case));
            let x: Vec<f64> = (0..60).map(|i| f64::from(i) / 59.0).collect();
            let y = x.iter().map(|x| (from + slope * x).floor()).collect();
            let found = Panel::new(&[Unit { y, columns: vec![x] }], 1.0).unwrap().fit(&[0]).unwrap().coefficient(0);
            let (lower, upper) = (found.lower(0.01), found.upper(0.01));
            assert!((lower..=upper).contains(&slope) && upper - lower < 9.0, "{slope}: {lower} to {upper}");
        }
    }

    #[test]
    fn columns_that_were_taken_back_leave_nothing() {
        let mut panel = Panel::new(&[wandering_line()], 0.0).unwrap();
        let alone = panel.fit(&[0]).unwrap().coefficient(0);
        let wave = |turn: f64| vec![(0..30).map(|i| (turn * f64::from(i)).sin()).collect::<Vec<f64>>()];
        let (first, second) = (wave(0.3), wave(0.7));
        assert_eq!(panel.push(&first), Some(1));
        panel.fit(&[0, 1]).unwrap();
        panel.truncate(1);
        assert!(panel.fit(&[0, 1]).is_none() && panel.columns() == 1);
        assert_eq!((panel.fit(&[0]).unwrap().coefficient(0), panel.push(&second)), (alone, Some(1)));
        let mut fresh = Panel::new(&[wandering_line()], 0.0).unwrap();
        fresh.push(&second);
        assert_eq!(panel.fit(&[0, 1]).unwrap().coefficient(1), fresh.fit(&[0, 1]).unwrap().coefficient(1));
    }

    #[test]
    fn what_cannot_be_fitted_is_none() {
        let constant = Unit { y: vec![1.0; 5], columns: vec![vec![2.0; 5]] };
        assert!(Panel::new(&[], 1.0).is_none());
        assert!(Panel::new(&[constant], 1.0).unwrap().fit(&[0]).is_none());
        let nan = Unit { y: vec![1.0, f64::NAN], columns: vec![vec![0.0, 1.0]] };
        assert!(Panel::new(&[nan], 1.0).is_none());
        let short = Unit { y: vec![1.0, 2.0], columns: vec![vec![0.0, 1.0]] };
        assert!(Panel::new(std::slice::from_ref(&short), 1.0).unwrap().fit(&[0]).is_none());
        assert!(Panel::new(&[short], 1.0).unwrap().push(&[vec![1.0]]).is_none());
    }
}
