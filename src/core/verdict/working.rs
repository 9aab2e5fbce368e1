//! The working behind a finding, for those who want to check it: what was cut, which models are plausible, what they leave, and the
//! conditions of the rule one by one.
//!
//! It is the assessment that decided, made from the run record once more.

use crate::answer::{Finding, ModelShape, Outcome, ReadingNote, SetAside};
use crate::limits::LAGS;
use crate::model::{Axis, EventKind, PhaseKind, Resource, RunRecord};
use crate::readings::kinds::Readings;
use crate::readings::mix::Mix;
use crate::readings::series::readings;
use crate::rule::assess::{Demands, Terms};
use crate::rule::condition::Condition;
use crate::rule::finding::{Whole, least_jump};
use crate::rule::levels::level::{Levels, longest};
use crate::rule::levels::pool::Pool;
use crate::rule::models::plausible::Plausible;
use crate::stats::{Estimate, Line, student_t};
use crate::thresholds::assess::ALPHA;

/// The working behind one finding; growth in units of the resource per step of the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Working {
    /// The resource.
    pub resource: Resource,
    /// What growth is measured against.
    pub axis: Axis,
    /// Allowed growth.
    pub budget: f64,
    /// The answer.
    pub outcome: Outcome,
    /// What was left out or put together before anything was fitted.
    pub cuts: Vec<Cut>,
    /// What the reader should know of the readings.
    pub notes: Vec<ReadingNote>,
    /// The plausible models, the best first.
    pub models: Vec<WorkedModel>,
    /// The conditions of "leak", all of which must hold.
    pub leak: Vec<Condition>,
    /// The conditions of "clean", all of which must hold.
    pub clean: Vec<Condition>,
    /// Whether the second half alone proves it; the conditions that hold are that half's then.
    pub by_second_half: bool,
    /// Workers that leak beyond doubt when tested one by one.
    pub leaking_alone: usize,
    /// What the best model leaves unexplained.
    pub residuals: Residuals,
    /// What simpler rules would say of the same levels.
    pub naive: Vec<NaiveRule>,
}

/// One plausible model.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkedModel {
    /// What it is made of.
    pub shape: ModelShape,
    /// Growth that persists: estimate, lower bound at the error probability of "leak", upper bound.
    pub persistent: [f64; 3],
    /// Growth at the end of the run, in the same way.
    pub end: [f64; 3],
    /// Distance of its information criterion from the best model's.
    pub distance: f64,
    /// Autocorrelation of its errors from one stretch to the next.
    pub rho: f64,
    /// Standard deviation of their innovations.
    pub sigma: f64,
}

/// Something that was left out, or put together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cut {
    /// The configured warm-up, up to so many seconds since the start of the run.
    WarmUp(f64),
    /// What came before the load began, at so many seconds.
    BeforeLoad(f64),
    /// Pauses of the load, from so many seconds on.
    Pauses(f64),
    /// Readings that became levels.
    Levels {
        /// How many readings.
        readings: u64,
        /// How many levels.
        levels: usize,
        /// What a level is.
        of: LevelOf,
    },
    /// Series that are set aside for the same reason.
    SetAside {
        /// The reason.
        why: SetAside,
        /// How many.
        count: usize,
    },
    /// Abrupt jumps; the levels were read both with and without them.
    Jumps {
        /// How many.
        count: usize,
        /// Their sum.
        sum: f64,
    },
}

/// What a level is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelOf {
    /// The floor right after a collection.
    Floor,
    /// A stretch of one of so many incarnations.
    Incarnations(usize),
    /// The median of a stretch.
    Median,
    /// The mean over so many workers of their medians in a stretch.
    Mean(usize),
}

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

/// A rule that people write by hand, with what it found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NaiveRule {
    /// Least squares: p < .05, noise taken for independent.
    Significant {
        /// The slope.
        slope: f64,
        /// Its t statistic.
        t: f64,
        /// What t must exceed.
        bound: f64,
    },
    /// Least squares: a slope over the budget.
    OverBudget {
        /// The slope.
        slope: f64,
        /// The budget.
        budget: f64,
    },
    /// A straight line explains most of the variance.
    Straight {
        /// The slope.
        slope: f64,
        /// The part that it explains, 0 to 1.
        r2: f64,
    },
    /// The last quarter is above the first.
    Higher {
        /// Mean level of the first quarter.
        first: f64,
        /// Mean level of the last.
        last: f64,
    },
}

impl NaiveRule {
    /// Whether it would call a leak.
    pub fn calls_a_leak(&self) -> bool {
        match *self {
            NaiveRule::Significant { t, bound, .. } => t > bound,
            NaiveRule::OverBudget { slope, budget } => slope > budget,
            NaiveRule::Straight { slope, r2 } => slope > 0.0 && r2 >= 0.8,
            NaiveRule::Higher { first, last } => last > 1.02 * first,
        }
    }
}

/// Works a finding of this run out again; `None` if there was too little to fit.
pub fn working(record: &RunRecord, finding: &Finding) -> Option<Working> {
    let resource = finding.resource;
    let Readings { axis, series, notes } = readings(record, resource, Mix::new(record).as_ref());
    let quantum = resource.quantum(record.page());
    let least_jump = least_jump(resource, quantum);
    let terms =
        Terms { budget: finding.budget, quantum, tests: finding.evidence.tests, demands: Demands::at_the_end() };
    let Whole { pool, assessment, .. } = Whole::new(&series, terms, least_jump);
    let a = assessment?;
    let alpha = ALPHA.get() / terms.tests.max(1) as f64;
    let best = a.models.first()?;
    let cuts = cuts(record, finding, &pool);
    let axis = axis.unwrap_or(Axis::Seconds);
    Some(Working {
        resource,
        axis,
        budget: finding.budget,
        outcome: finding.outcome,
        cuts,
        notes,
        models: a.models.iter().map(|m| WorkedModel::new(m, alpha)).collect(),
        leaking_alone: finding.workers.iter().filter(|w| w.worker.is_some() && w.leaks).count(),
        residuals: Residuals::of(best, &a.fitted),
        naive: pool.raw.first().map_or_else(Vec::new, |levels| naive(levels, finding.budget)),
        by_second_half: a.by_second_half,
        leak: a.leak,
        clean: a.clean,
    })
}

impl WorkedModel {
    fn new(model: &Plausible, alpha: f64) -> Self {
        let bounds = |e: Estimate| [e.value, e.lower(alpha), e.upper(ALPHA.get())];
        WorkedModel {
            shape: ModelShape::of(model),
            persistent: bounds(model.persistent),
            end: bounds(model.end),
            distance: model.distance,
            rho: model.rho,
            sigma: model.sigma,
        }
    }
}

/// What was left out, and why.
fn cuts(record: &RunRecord, finding: &Finding, pool: &Pool) -> Vec<Cut> {
    let phase = |kind| {
        let begins = record.events.iter().find(|e| matches!(e.kind, EventKind::Phase { phase, .. } if phase == kind));
        begins.map(|event| event.t)
    };
    let mut cuts = Vec::new();
    cuts.extend(match (phase(PhaseKind::WarmUp), phase(PhaseKind::Soak)) {
        (Some(_), Some(soak)) => Some(Cut::WarmUp(soak)),
        (None, Some(soak)) if soak > 1.0 => Some(Cut::BeforeLoad(soak)),
        _ => None,
    });
    cuts.extend(phase(PhaseKind::Settle).map(Cut::Pauses));
    let readings = finding.workers.iter().filter(|w| w.set_aside.is_none()).map(|w| w.readings).sum();
    let levels = pool.raw.iter().map(|l| l.x.len()).sum();
    let of = match (pool.sawtooth, pool.recycled, pool.members.len()) {
        (true, ..) => LevelOf::Floor,
        (_, true, count) => LevelOf::Incarnations(count),
        (.., 1) => LevelOf::Median,
        (.., count) => LevelOf::Mean(count),
    };
    cuts.push(Cut::Levels { readings, levels, of });
    let mut reasons: Vec<(SetAside, usize)> = Vec::new();
    for (_, why) in &pool.set_aside {
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, count)) => *count += 1,
            None => reasons.push((*why, 1)),
        }
    }
    cuts.extend(reasons.into_iter().map(|(why, count)| Cut::SetAside { why, count }));
    if !pool.jumps.is_empty() {
        cuts.push(Cut::Jumps { count: pool.jumps.len(), sum: pool.jumps.iter().map(|j| j.size).sum() });
    }
    cuts
}

impl Residuals {
    pub(super) fn of(model: &Plausible, levels: &[Levels]) -> Self {
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

/// What simpler rules say of the same levels; not those for which there is nothing to compute, as where all levels are alike.
fn naive(levels: &Levels, budget: f64) -> Vec<NaiveRule> {
    let Levels { x, y, .. } = levels;
    let Some(line) = Line::through(x, y).filter(|_| x.len() >= 8) else { return Vec::new() };
    let (slope, t) = (line.slope, line.slope / line.slope_se);
    let part = x.len() / 4;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (first, last) = (mean(&y[..part]), mean(&y[y.len() - part..]));
    let significant = NaiveRule::Significant { slope, t, bound: student_t(0.95, line.df) };
    let straight = NaiveRule::Straight { slope, r2: line.r2 };
    let others = [NaiveRule::OverBudget { slope, budget }, straight, NaiveRule::Higher { first, last }];
    t.is_finite().then_some(significant).into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::*;
    use crate::fixture::run::{clean, leaking};

    fn memory(run: &RunRecord) -> Working {
        working(run, &judge(run).findings[0]).expect("a working")
    }

    #[test]
    fn every_condition_of_a_leak_holds() {
        let found = memory(&leaking());
        assert!(found.leak.iter().all(Condition::holds), "{:#?}", found.leak);
        assert!(!found.clean.iter().all(Condition::holds), "{:#?}", found.clean);
        assert!(found.naive.iter().all(NaiveRule::calls_a_leak), "{:#?}", found.naive);
        assert_eq!(found.leaking_alone, 2);
        assert!(found.cuts.contains(&Cut::WarmUp(10.0)), "{:?}", found.cuts);
    }

    #[test]
    fn of_levels_that_are_all_alike_no_t_is_told() {
        let levels = |y: fn(f64) -> f64| {
            let x: Vec<f64> = (0..12).map(f64::from).collect();
            Levels { y: x.iter().copied().map(y).collect(), x, ..Levels::default() }
        };
        let tested = |levels: &Levels| naive(levels, 64.0).iter().any(|r| matches!(r, NaiveRule::Significant { .. }));
        assert!(!tested(&levels(|_| 4096.0)));
        assert!(tested(&levels(|x| 4096.0 * (x + x % 2.0))));
    }

    #[test]
    fn every_condition_of_clean_holds() {
        let found = memory(&clean());
        assert!(found.clean.iter().all(Condition::holds), "{:#?}", found.clean);
        assert!(!found.leak.iter().all(Condition::holds), "{:#?}", found.leak);
        assert_eq!(found.models[0].distance, 0.0);
    }

    #[test]
    fn without_readings_there_is_no_working() {
        let mut run = clean();
        run.samples.clear();
        assert_eq!(working(&run, &judge(&run).findings[0]), None);
    }

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
