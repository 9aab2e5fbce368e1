//! The working behind a finding, for those who want to check it: what was cut, which models are plausible, what they leave, and the
//! conditions of the rule one by one.
//!
//! It is made from the run record again and decides nothing.

use super::assess::{ALPHA_CLEAN, ALPHA_LEAK, Assessment, Demands, LATE, NEAR, NEAR_BUDGET, Terms};
use super::explain::{model_name, pattern_name};
use super::finding::{Whole, least_jump};
use super::level::{Levels, longest};
use super::mix::Mix;
use super::plausible::Plausible;
use super::pool::Pool;
use super::series::{ReadingNote, Readings, readings};
use super::{Finding, Outcome};
use crate::model::{Axis, EventKind, EvidenceClass, PhaseKind, Resource, RunRecord, allowed_rate, amount, rate};
use crate::stats::{Estimate, student_t};

/// Lags of the autocorrelation that are shown.
const LAGS: usize = 20;

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
    /// What was left out or put together before anything was fitted, a sentence each without its full stop.
    pub cuts: Vec<String>,
    /// What the reader should know of the readings.
    pub notes: Vec<ReadingNote>,
    /// The plausible models, the best first.
    pub models: Vec<WorkedModel>,
    /// The conditions of "leak", all of which must hold.
    pub leak: Vec<Condition>,
    /// The conditions of "clean", all of which must hold; or see `clean_otherwise`.
    pub clean: Vec<Condition>,
    /// The other way to "clean" that was open: settling transients, or swings between bounds that don't rise.
    pub clean_otherwise: bool,
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
    /// In words.
    pub name: String,
    /// Growth that persists: estimate, lower bound at the error probability of "leak", upper bound.
    pub persistent: [f64; 3],
    /// Growth at the end of the run, in the same way.
    pub end: [f64; 3],
    /// Distance of its information criterion from the best model's.
    pub distance: f64,
    /// Whether it is near enough to have a say on "clean"; all have one on "leak".
    pub near: bool,
    /// Autocorrelation of its errors from one stretch to the next.
    pub rho: f64,
    /// Standard deviation of their innovations.
    pub sigma: f64,
}

/// One condition of the rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What has to hold.
    pub wanted: String,
    /// What was found.
    pub found: String,
    /// Whether it holds.
    pub holds: bool,
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

/// A rule that people write by hand.
#[derive(Debug, Clone, PartialEq)]
pub struct NaiveRule {
    /// Its name.
    pub name: &'static str,
    /// What it found.
    pub found: String,
    /// Whether it would call a leak.
    pub leak: bool,
}

/// Works a finding of this run out again; `None` if there was too little to fit.
pub fn working(record: &RunRecord, finding: &Finding) -> Option<Working> {
    let resource = finding.resource;
    let Readings { axis, series, notes } = readings(record, resource, Mix::new(record).as_ref());
    let quantum = if resource.in_bytes() { super::page(record) } else { 1.0 };
    let least_jump = least_jump(resource, quantum);
    let terms = Terms { budget: finding.budget, quantum, tests: tests(record, resource), demands: Demands::FINAL };
    let Whole { pool, assessment, .. } = Whole::new(&series, terms, least_jump);
    let a = assessment?;
    let alpha = ALPHA_LEAK / terms.tests as f64;
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
        leak: leak_conditions(&a, resource, axis, finding.budget),
        clean: clean_conditions(&a, resource, axis, finding.budget),
        clean_otherwise: a.clean,
        leaking_alone: finding.workers.iter().filter(|w| w.worker.is_some() && w.leaks).count(),
        residuals: Residuals::of(best, &a.fitted),
        naive: pool.raw.first().map_or_else(Vec::new, |l| naive(l, resource, axis, finding.budget)),
    })
}

/// Resources that share an error probability with this one at first.
fn tests(record: &RunRecord, resource: Resource) -> usize {
    let secondary = |resource: Resource| resource.evidence() == EvidenceClass::Secondary;
    let judged = Resource::ALL.into_iter().filter(|one| secondary(*one) && record.budget(*one).is_some());
    if secondary(resource) { judged.count().max(1) } else { 1 }
}

impl WorkedModel {
    fn new(model: &Plausible, alpha: f64) -> Self {
        let bounds = |e: Estimate| [e.value, e.lower(alpha), e.upper(ALPHA_CLEAN)];
        WorkedModel {
            name: model_name(model),
            persistent: bounds(model.persistent),
            end: bounds(model.end),
            distance: model.distance,
            near: model.distance <= NEAR,
            rho: model.rho,
            sigma: model.sigma,
        }
    }
}

/// What was left out, and why.
fn cuts(record: &RunRecord, finding: &Finding, pool: &Pool) -> Vec<String> {
    let mut cuts = Vec::new();
    let phase = |kind| record.events.iter().find(|e| matches!(e.kind, EventKind::Phase { phase, .. } if phase == kind));
    let began = |e: &crate::model::Event| crate::model::format_seconds(e.t);
    match (phase(PhaseKind::WarmUp), phase(PhaseKind::Soak)) {
        (Some(_), Some(soak)) => {
            cuts.push(format!("readings of the configured warm-up, up to {}, are not judged", began(soak)));
        }
        (None, Some(soak)) if soak.t > 1.0 => {
            cuts.push(format!("readings before the load began, up to {}, are not judged", began(soak)));
        }
        _ => {}
    }
    if let Some(settle) = phase(PhaseKind::Settle) {
        cuts.push(format!("readings of pauses of the load, from {} on, are not judged", began(settle)));
    }
    let used: u64 = finding.workers.iter().filter(|w| w.set_aside.is_none()).map(|w| w.readings).sum();
    let stretches: usize = pool.raw.iter().map(|l| l.x.len()).sum();
    let how = match (pool.sawtooth, pool.recycled, pool.members.len()) {
        (true, ..) => "the floors right after each collection".to_owned(),
        (_, true, n) => format!("stretches of {n} incarnations, each with its own level"),
        (.., 1) => "stretches of equal time, each with the median of its readings".to_owned(),
        (.., n) => format!("stretches of equal time, each with the mean over {n} workers of their medians"),
    };
    cuts.push(format!("{used} readings became {stretches} levels: {how}"));
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for (_, why) in &pool.set_aside {
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, count)) => *count += 1,
            None => reasons.push((why, 1)),
        }
    }
    cuts.extend(reasons.iter().map(|(why, count)| format!("{count} series set aside: {why}")));
    if !pool.jumps.is_empty() {
        cuts.push(format!(
            "{} abrupt jump{}, together {}: the levels were read both with and without them",
            pool.jumps.len(),
            if pool.jumps.len() == 1 { "" } else { "s" },
            amount(finding.resource, pool.jumps.iter().map(|j| j.size).sum())
        ));
    }
    cuts
}

fn leak_conditions(a: &Assessment, resource: Resource, axis: Axis, budget: f64) -> Vec<Condition> {
    let rate = |value: f64| rate(resource, axis, value);
    let rho = a.models.first().map_or(1.0, |m| m.rho);
    let going_on = a.jumps == super::jumping::JumpPattern::GoingOn;
    let mut out = vec![
        Condition {
            wanted: "persistent growth is above zero in every plausible model, or it climbs like a ratchet".into(),
            found: format!(
                "its least lower bound is {}{}",
                rate(a.persistent.lower),
                if a.climbs { ", and it climbs at an even pace to the end" } else { "" }
            ),
            holds: a.persistent.lower > 0.0 || a.climbs,
        },
        Condition {
            wanted: format!("its least estimate reaches {}", rate(a.enough)),
            found: rate(a.least),
            holds: a.least >= a.enough,
        },
    ];
    if going_on {
        let found = format!("{}, together {}", pattern_name(a.jumps), rate(a.by_jumps.0));
        out.push(Condition { wanted: "growth goes on late, in jumps that go on".into(), found, holds: true });
    } else {
        out.push(Condition {
            wanted: format!(
                "growth goes on late: the slope of the last 40 % reaches {LATE} of the budget, {}",
                rate(LATE * budget)
            ),
            found: a.late.map_or("too few levels".into(), |late| format!("{} (Theil-Sen)", rate(late))),
            holds: a.late.is_some_and(|late| late >= LATE * budget),
        });
        let found = if a.spread { "many rises" } else { "a few rises that may be the last" };
        out.push(Condition { wanted: "it is made of many rises".into(), found: found.into(), holds: a.spread });
    }
    out.push(Condition {
        wanted: "the level doesn't wander like a random walk, or it climbs as none does".into(),
        found: format!("autocorrelation {rho:.3}"),
        holds: !a.wanders,
    });
    out.push(Condition {
        wanted: "growth was seen for long enough".into(),
        found: if a.lately { "it may have set in at the very end" } else { "it didn't set in at the very end" }.into(),
        holds: !a.lately,
    });
    out.push(Condition {
        wanted: "abrupt falls don't take it back".into(),
        found: if a.taken_back { "they take back much of it" } else { "no sign of that" }.into(),
        holds: !a.taken_back,
    });
    if a.models.first().is_some_and(|m| !m.transients.is_empty()) {
        out.push(Condition {
            wanted: "after what ends by itself the last quarter keeps the pace of what persists".into(),
            found: if a.falls_behind { "it falls behind" } else { "it does" }.into(),
            holds: !a.falls_behind,
        });
    }
    if a.load_is_lost {
        let found = "it goes along with the requests, and is known too roughly".into();
        out.push(Condition { wanted: "load is told apart from growth".into(), found, holds: false });
    }
    out.push(Condition {
        wanted: "growth hasn't stopped just before the end".into(),
        found: if a.stopped { "it has all but stopped" } else { "no sign of that" }.into(),
        holds: !a.stopped,
    });
    out
}

fn clean_conditions(a: &Assessment, resource: Resource, axis: Axis, budget: f64) -> Vec<Condition> {
    let rate = |value: f64| rate(resource, axis, value);
    let estimate = a.models.first().map_or(f64::NAN, |m| m.end.value);
    let quiet = !matches!(a.jumps, super::jumping::JumpPattern::GoingOn | super::jumping::JumpPattern::Unclear);
    vec![
        Condition {
            wanted: format!(
                "growth at the end is under the budget of {} in every near model",
                allowed_rate(resource, axis, budget)
            ),
            found: format!("its highest upper bound is {}", rate(a.end.upper)),
            holds: a.end.upper < budget,
        },
        Condition {
            wanted: format!("its estimate is at most {NEAR_BUDGET} of the budget, {}", rate(NEAR_BUDGET * budget)),
            found: rate(estimate),
            holds: estimate <= NEAR_BUDGET * budget,
        },
        Condition {
            wanted: "no abrupt jumps that may go on".into(),
            found: pattern_name(a.jumps).into(),
            holds: quiet,
        },
    ]
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

/// What simpler rules say of the same levels.
fn naive(levels: &Levels, resource: Resource, axis: Axis, budget: f64) -> Vec<NaiveRule> {
    let Levels { x, y, .. } = levels;
    let n = x.len() as f64;
    if x.len() < 8 {
        return Vec::new();
    }
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let sxx: f64 = x.iter().map(|x| (x - mx).powi(2)).sum();
    let syy: f64 = y.iter().map(|y| (y - my).powi(2)).sum();
    let sxy: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum();
    let slope = sxy / sxx;
    let rest = (syy - slope * sxy).max(0.0);
    let t = slope / (rest / (n - 2.0) / sxx).sqrt();
    let r2 = if syy > 0.0 { 1.0 - rest / syy } else { 0.0 };
    let part = x.len() / 4;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (first, last) = (mean(&y[..part]), mean(&y[y.len() - part..]));
    vec![
        NaiveRule {
            name: "least squares, p < .05, noise taken for independent",
            found: format!("{}, t = {t:.1}", rate(resource, axis, slope)),
            leak: t > student_t(0.95, n - 2.0),
        },
        NaiveRule {
            name: "least squares, slope over the budget",
            found: rate(resource, axis, slope),
            leak: slope > budget,
        },
        NaiveRule {
            name: "R² of a straight line at least .8",
            found: format!("{r2:.2}"),
            leak: slope > 0.0 && r2 >= 0.8,
        },
        NaiveRule {
            name: "last quarter 2 % above the first",
            found: format!("{} against {}", amount(resource, last), amount(resource, first)),
            leak: last > 1.02 * first,
        },
    ]
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
        assert!(found.leak.iter().all(|c| c.holds), "{:#?}", found.leak);
        assert!(!found.clean.iter().all(|c| c.holds), "{:#?}", found.clean);
        assert!(found.naive.iter().all(|r| r.leak), "{:#?}", found.naive);
        assert_eq!(found.leaking_alone, 2);
        assert!(found.cuts.iter().any(|c| c.contains("configured warm-up, up to 10 s")), "{:?}", found.cuts);
    }

    #[test]
    fn every_condition_of_clean_holds() {
        let found = memory(&clean());
        assert!(found.clean.iter().all(|c| c.holds), "{:#?}", found.clean);
        assert!(!found.leak.iter().all(|c| c.holds), "{:#?}", found.leak);
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
