//! Growth by kind of event: a level regressed on how often each kind has happened so far.
//!
//! It knows nothing of steps, workers or memory: a kind may be a step of a workload or a class of request, and the level
//! may be a worker's memory or the live bytes of one call site.
//!
//! The regressors are the count of all events, and of each kind but one how far its count is ahead of its share of all.
//! That is the same model as the counts themselves, but the two questions (how much is there, whose is it) are apart in
//! it, so that it stays well conditioned when a million events hide a deviation of a hundred.

use super::{Estimate, ModelFit, Panel, Unit};
use crate::thresholds::attribution::TOGETHER;

/// One series: a level, and how often each kind of event had happened at each observation.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// Observations, equally spaced in time.
    pub y: Vec<f64>,
    /// Cumulative counts, a row for each kind; the same kinds in every series.
    pub counts: Vec<Vec<f64>>,
    /// How often each kind happened in all, also where there is no observation; empty: as `counts` have it.
    pub totals: Vec<f64>,
    /// Further regressors, the same in every series: load, a warm-up's shape.
    pub covariates: Vec<Vec<f64>>,
}

/// A fitted model of growth by kind.
#[derive(Debug, Clone)]
pub struct Attribution {
    fit: ModelFit,
    shares: Vec<f64>,
    /// The kind without a column of its own.
    base: usize,
    covariates: usize,
    /// Factor on standard errors for what the series have in common.
    inflation: f64,
}

impl Attribution {
    /// Fits the model, with an intercept for each series and AR(1) errors as in [`Panel`]; `quantum` is the step to which
    /// levels are rounded.
    ///
    /// `None` if there is too little to fit, a number isn't finite, or kinds move together: see [`moving_together`].
    pub fn fit(series: &[Counted], quantum: f64) -> Option<Self> {
        let design = Design::new(series)?;
        let panel = Panel::new(&design.units, quantum)?;
        design.fitted(panel)
    }

    /// Growth per event of these kinds together, as they are mixed; beside it, each covariate's coefficient times
    /// `covariates` (none counts if it is empty).
    pub fn growth(&self, kinds: &[usize], covariates: &[f64]) -> Estimate {
        let sum: f64 = kinds.iter().map(|&k| self.shares[k]).sum();
        let mut direction = vec![0.0; self.shares.len() + self.covariates];
        direction[0] = 1.0;
        for (k, share) in self.shares.iter().enumerate().filter(|(k, _)| *k != self.base) {
            let own = if kinds.contains(&k) { share / sum } else { 0.0 };
            direction[self.place(k)] = own - share;
        }
        for (slot, weight) in direction[self.shares.len()..].iter_mut().zip(covariates) {
            *slot = *weight;
        }
        let plain = self.fit.combination(&direction);
        Estimate { se: plain.se * self.inflation, ..plain }
    }

    /// The coefficient of a covariate.
    pub fn covariate(&self, index: usize) -> Estimate {
        let plain = self.fit.coefficient(self.shares.len() + index);
        Estimate { se: plain.se * self.inflation, ..plain }
    }

    /// Each kind's share of all events.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// The information criterion.
    pub fn criterion(&self) -> f64 {
        self.fit.bic(self.shares.len() + self.covariates)
    }

    fn place(&self, kind: usize) -> usize {
        if kind < self.base { kind + 1 } else { kind }
    }
}

/// The regressors of a model.
struct Design {
    units: Vec<Unit>,
    shares: Vec<f64>,
    base: usize,
    covariates: usize,
}

impl Design {
    fn new(series: &[Counted]) -> Option<Self> {
        let kinds = series.first()?.counts.len();
        let covariates = series[0].covariates.len();
        let sound = |s: &Counted| {
            s.counts.len() == kinds
                && s.covariates.len() == covariates
                && s.counts.iter().chain(&s.covariates).all(|c| c.len() == s.y.len())
        };
        let series: Vec<&Counted> = series.iter().filter(|s| s.y.len() >= 2 && sound(s)).collect();
        let totals = totals(&series, kinds);
        let all: f64 = totals.iter().sum();
        if !(all > 0.0 && totals.iter().all(|t| *t > 0.0)) {
            return None;
        }
        let shares: Vec<f64> = totals.iter().map(|t| t / all).collect();
        let base = (0..kinds).max_by(|a, b| shares[*a].total_cmp(&shares[*b]))?;
        let unit = |s: &&Counted| {
            let events: Vec<f64> = (0..s.y.len()).map(|i| s.counts.iter().map(|c| c[i]).sum()).collect();
            let ahead = |k: usize| s.counts[k].iter().zip(&events).map(|(n, x)| n - shares[k] * x).collect();
            let mut columns = vec![events.clone()];
            columns.extend((0..kinds).filter(|k| *k != base).map(ahead));
            columns.extend(s.covariates.iter().cloned());
            Unit { y: s.y.clone(), columns }
        };
        let units = series.iter().map(unit).collect();
        Some(Design { units, shares, base, covariates })
    }

    fn fitted(self, mut panel: Panel) -> Option<Attribution> {
        let columns: Vec<usize> = (0..self.shares.len() + self.covariates).collect();
        let fit = panel.fit(&columns)?;
        let inflation = design_effect(&self.units, &fit).sqrt();
        Some(Attribution { fit, shares: self.shares, base: self.base, covariates: self.covariates, inflation })
    }
}

/// How far the count of each kind is ahead of its share of all events, series by series: a regressor for each kind that
/// can be told from the others but the most frequent one, empty if there are fewer than two.
///
/// Beside them the coefficient of the count of all events is growth per event as kinds are mixed over all series, however
/// uneven the mix was from one observation to the next.
pub fn ahead_of_share(series: &[Counted]) -> Vec<Vec<Vec<f64>>> {
    let groups = moving_together(series);
    let grouped = |s: &Counted| {
        let (counts, totals) = (joined(&groups, &s.counts), summed(&groups, &s.totals));
        Counted { y: s.y.clone(), counts, totals, covariates: Vec::new() }
    };
    let Some(design) = Design::new(&series.iter().map(grouped).collect::<Vec<_>>()) else { return Vec::new() };
    if design.units.len() < series.len() {
        return Vec::new();
    }
    (1..groups.len()).map(|c| design.units.iter().map(|u| u.columns[c].clone()).collect()).collect()
}

/// Counts of groups of kinds, from those of the kinds: a row for each.
pub fn joined(groups: &[Vec<usize>], counts: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let length = |group: &[usize]| group.first().map_or(0, |k| counts[*k].len());
    let sum = |group: &Vec<usize>| (0..length(group)).map(|i| group.iter().map(|k| counts[*k][i]).sum()).collect();
    groups.iter().map(sum).collect()
}

/// Totals of groups of kinds, from those of the kinds.
pub fn summed(groups: &[Vec<usize>], totals: &[f64]) -> Vec<f64> {
    groups.iter().filter_map(|group| group.iter().map(|k| totals.get(*k)).sum()).collect()
}

/// How often each kind happened in all series.
fn totals(series: &[&Counted], kinds: usize) -> Vec<f64> {
    let grown = |c: &Vec<f64>| c.last().zip(c.first()).map_or(0.0, |(last, first)| last - first);
    let total = |s: &&Counted, k: usize| s.totals.get(k).copied().unwrap_or_else(|| grown(&s.counts[k]));
    (0..kinds).map(|k| series.iter().map(|s| total(s, k)).sum()).collect()
}

/// By how much the variance of a common slope exceeds what independent series would give: `1 + (m - 1) r` for `m` series
/// whose innovations correlate by `r` on average (Kish 1965). Right for what all series have in common, cautious for
/// what is each one's own.
fn design_effect(units: &[Unit], fit: &ModelFit) -> f64 {
    let innovations: Vec<Vec<f64>> = units.iter().map(|u| innovations(u, fit)).collect();
    let shortest = innovations.iter().map(Vec::len).min().unwrap_or(0);
    let m = innovations.len() as f64;
    // The sum over all pairs is the square of the sum less the squares: no need to go through the pairs.
    let (mut pairs, mut own) = (0.0, 0.0);
    for i in 0..shortest {
        let sum: f64 = innovations.iter().map(|e| e[i]).sum();
        let squares: f64 = innovations.iter().map(|e| e[i] * e[i]).sum();
        pairs += sum * sum - squares;
        own += squares;
    }
    if units.len() < 2 || own <= 0.0 { 1.0 } else { 1.0 + (pairs / ((m - 1.0) * own)).max(0.0) * (m - 1.0) }
}

/// What the model leaves of a series, free of its autocorrelation and its mean.
fn innovations(unit: &Unit, fit: &ModelFit) -> Vec<f64> {
    let coefficients: Vec<f64> = (0..unit.columns.len()).map(|c| fit.coefficient(c).value).collect();
    let rest = |i: usize| unit.y[i] - coefficients.iter().zip(&unit.columns).map(|(b, c)| b * c[i]).sum::<f64>();
    let rest: Vec<f64> = (0..unit.y.len()).map(rest).collect();
    let mean = rest.iter().sum::<f64>() / rest.len().max(1) as f64;
    rest.windows(2).map(|w| (w[1] - mean) - fit.rho * (w[0] - mean)).collect()
}

/// Groups of kinds that can't be told apart by any level, because their counts rise side by side: each kind is in one
/// group, alone as a rule. Kinds that never happen are in none.
pub fn moving_together(series: &[Counted]) -> Vec<Vec<usize>> {
    let kinds = series.first().map_or(0, |s| s.counts.len());
    let series: Vec<&Counted> = series.iter().filter(|s| s.counts.len() == kinds).collect();
    let totals = totals(&series, kinds);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for kind in (0..kinds).filter(|k| totals[*k] > 0.0) {
        let with = |g: &&mut Vec<usize>| g.iter().any(|&other| apart(&series, &totals, kind, other) < TOGETHER.get());
        match groups.iter_mut().find(with) {
            Some(group) => group.push(kind),
            None => groups.push(vec![kind]),
        }
    }
    groups
}

/// Root mean square by which the counts of two kinds get apart, each divided by its total, in events of the rarer one.
fn apart(series: &[&Counted], totals: &[f64], a: usize, b: usize) -> f64 {
    let least = totals[a].min(totals[b]);
    let (mut squares, mut observations) = (0.0, 0.0);
    for s in series {
        let gap: Vec<f64> =
            s.counts[a].iter().zip(&s.counts[b]).map(|(x, y)| least * (x / totals[a] - y / totals[b])).collect();
        let mean = gap.iter().sum::<f64>() / gap.len().max(1) as f64;
        squares += gap.iter().map(|g| (g - mean).powi(2)).sum::<f64>();
        observations += gap.len() as f64;
    }
    (squares / f64::max(observations, 1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two series with three kinds of events, the same numbers as in the script that made the reference values.
    fn example() -> Vec<Counted> {
        let mut state = 0.3f64;
        let mut next = || {
            state = (state * 997.0 + 0.123) % 1.0;
            state
        };
        (0..2)
            .map(|_| {
                let mut one = Counted { counts: vec![Vec::new(); 3], ..Counted::default() };
                let (mut n, mut error) = ([0.0f64; 3], 0.0);
                for _ in 0..40 {
                    for (count, most) in n.iter_mut().zip([40.0, 20.0, 5.0]) {
                        *count += (most * next()).floor();
                    }
                    error = 0.5 * error + 100.0 * (next() - 0.5);
                    one.y.push(1000.0 + 3.0 * n[0] + 40.0 * n[2] + error);
                    one.counts.iter_mut().zip(n).for_each(|(c, count)| c.push(count));
                }
                one
            })
            .collect()
    }

    /// Made with statsmodels 0.15.0: `GLS(y, X, sigma=V).fit()`, where `X` has a constant for each series and the three
    /// counts, and `V` is block diagonal of `toeplitz(0.5**k) / (1 - 0.25)`: parameters and standard errors of the counts.
    const GLS: [(f64, f64); 3] = [
        (3.2545712478262114, 0.14943040492326987),
        (0.3147936345536486, 0.3725630396312962),
        (36.83263499276798, 1.542965644990758),
    ];

    #[test]
    fn growth_by_kind_is_that_of_generalised_least_squares() {
        let design = Design::new(&example()).unwrap();
        let panel = Panel::with_autocorrelations(&design.units, 0.0, &[(0.5, 1.0)]).unwrap();
        let mut fitted = design.fitted(panel).unwrap();
        fitted.inflation = 1.0;
        for (k, (value, se)) in GLS.into_iter().enumerate() {
            let found = fitted.growth(&[k], &[]);
            assert!((found.value - value).abs() < 1e-6 * value.abs().max(1.0), "{k}: {found:?}");
            // The panel's variance is raised for averaged walks: by 1/32 at 0.5.
            assert!((found.se / (1.0 + 0.5f64.powi(5)).sqrt() / se - 1.0).abs() < 1e-6, "{k}: {found:?}");
        }
    }

    #[test]
    fn kinds_in_fixed_order_move_together() {
        let mut series = example();
        for one in &mut series {
            one.counts[1] = one.counts[0].iter().map(|n| n - 1.0).collect();
        }
        assert_eq!(moving_together(&series), [vec![0, 1], vec![2]]);
        assert_eq!(moving_together(&example()), [[0], [1], [2]]);
        series.iter_mut().for_each(|s| s.counts[2] = vec![7.0; 40]);
        assert_eq!(moving_together(&series), [[0, 1]], "what never happens is in no group");
        assert!(Attribution::fit(&series, 0.0).is_none());
    }

    #[test]
    fn growth_is_that_at_the_totals_though_observations_end_before() {
        let mut series = example();
        let own: Vec<f64> = (0..3).map(|k| Attribution::fit(&series, 0.0).unwrap().growth(&[k], &[]).value).collect();
        series.iter_mut().for_each(|one| one.totals = vec![500.0, 300.0, 200.0]);
        let fitted = Attribution::fit(&series, 0.0).unwrap();
        assert_eq!(fitted.shares(), [0.5, 0.3, 0.2]);
        let told = fitted.growth(&[0, 1, 2], &[]).value;
        let sum: f64 = own.iter().zip(fitted.shares()).map(|(growth, share)| growth * share).sum();
        assert!((told / sum - 1.0).abs() < 1e-6, "{told} {sum}");
    }

    #[test]
    fn being_ahead_of_its_share_adds_up_to_nothing() {
        let series = example();
        let columns = ahead_of_share(&series);
        assert_eq!((columns.len(), columns[0].len(), columns[0][0].len()), (2, 2, 40));
        for column in &columns {
            let gained: f64 = column.iter().map(|c| c[39] - c[0]).sum();
            assert!(gained.abs() < 1e-9, "{gained}");
        }
        let mut alike = example();
        alike.iter_mut().for_each(|s| s.counts = vec![s.counts[0].clone(), s.counts[0].clone()]);
        assert!(ahead_of_share(&alike).is_empty());
        assert!(ahead_of_share(&[]).is_empty());
    }

    #[test]
    fn what_series_have_in_common_counts_once() {
        let mut series = example();
        let alone = Attribution::fit(&series[..1], 0.0).unwrap().growth(&[2], &[]).se;
        series[1] = series[0].clone();
        let copied = Attribution::fit(&series, 0.0).unwrap().growth(&[2], &[]).se;
        assert!((0.9..1.1).contains(&(copied / alone)), "{copied} {alone}");
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6 * (1.0 + a.abs() + b.abs())
    }

    proptest! {
        #[test]
        fn the_order_of_kinds_says_nothing(order in Just([0usize, 1, 2]).prop_shuffle()) {
            let plain = Attribution::fit(&example(), 1.0).unwrap();
            let mut turned = example();
            for (one, original) in turned.iter_mut().zip(example()) {
                one.counts = order.iter().map(|&k| original.counts[k].clone()).collect();
            }
            let turned = Attribution::fit(&turned, 1.0).unwrap();
            for (place, &k) in order.iter().enumerate() {
                let (a, b) = (plain.growth(&[k], &[]), turned.growth(&[place], &[]));
                prop_assert!(close(a.value, b.value) && close(a.se, b.se), "{a:?} {b:?}");
            }
        }

        #[test]
        fn shares_times_growth_make_up_the_whole(extra in -50.0..50.0f64) {
            let mut series = example();
            for one in &mut series {
                one.y.iter_mut().zip(&one.counts[1]).for_each(|(y, n)| *y += extra * n);
            }
            let (plain, moved) = (Attribution::fit(&example(), 1.0).unwrap(), Attribution::fit(&series, 1.0).unwrap());
            let of = |a: &Attribution, k: usize| a.growth(&[k], &[]).value;
            // The autocorrelation is weighed anew, so that this holds to its rounding only.
            prop_assert!(close(of(&moved, 1), of(&plain, 1) + extra));
            prop_assert!(close(of(&moved, 0), of(&plain, 0)) && close(of(&moved, 2), of(&plain, 2)));
            let sum: f64 = (0..3).map(|k| moved.shares()[k] * of(&moved, k)).sum();
            prop_assert!(close(sum, moved.growth(&[0, 1, 2], &[]).value));
            let pair = moved.shares()[0] * of(&moved, 0) + moved.shares()[2] * of(&moved, 2);
            let joint = moved.growth(&[2, 0], &[]).value;
            prop_assert!(close(pair, joint * (moved.shares()[0] + moved.shares()[2])));
        }
    }
}
