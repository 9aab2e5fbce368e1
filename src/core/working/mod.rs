//! The working behind a finding, for those who want to check it: what was cut, which models are plausible, what they leave, and the
//! conditions of the rule one by one.
//!
//! It is the assessment that decided, made from the run record once more.

mod naive;
mod residuals;

pub use naive::NaiveRule;
pub use residuals::Residuals;

use crate::answer::{Finding, ModelShape, Outcome, ReadingNote, SetAside};
use crate::model::{Axis, EventKind, PhaseKind, Resource, RunRecord};
use crate::readings::kinds::Readings;
use crate::readings::mix::Mix;
use crate::readings::series::readings;
use crate::rule::assess::{Demands, Terms};
use crate::rule::finding::{Whole, least_jump};
use crate::rule::levels::pool::Pool;
use crate::rule::models::plausible::Plausible;
use crate::stats::Estimate;
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
        naive: pool.raw.first().map_or_else(Vec::new, |levels| naive::naive(levels, finding.budget)),
        by_second_half: a.by_second_half,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::hold;
    use crate::fixture::run::{clean, leaking};
    use crate::verdict::judge;

    fn memory(run: &RunRecord) -> (Finding, Working) {
        let finding = judge(run).findings.swap_remove(0);
        let working = working(run, &finding).expect("a working");
        (finding, working)
    }

    #[test]
    fn every_condition_of_a_leak_holds() {
        let (finding, found) = memory(&leaking());
        let conditions = finding.evidence.conditions;
        assert!(hold(&conditions.leak) && !hold(&conditions.clean), "{conditions:#?}");
        assert!(found.naive.iter().all(NaiveRule::calls_a_leak), "{:#?}", found.naive);
        assert_eq!(found.leaking_alone, 2);
        assert!(found.cuts.contains(&Cut::WarmUp(10.0)), "{:?}", found.cuts);
    }

    #[test]
    fn every_condition_of_clean_holds() {
        let (finding, found) = memory(&clean());
        let conditions = finding.evidence.conditions;
        assert!(hold(&conditions.clean) && !hold(&conditions.leak), "{conditions:#?}");
        assert_eq!(found.models[0].distance, 0.0);
    }

    #[test]
    fn without_readings_there_is_no_working() {
        let mut run = clean();
        run.samples.clear();
        assert_eq!(working(&run, &judge(&run).findings[0]), None);
    }
}
