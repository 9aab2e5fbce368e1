//! The conditions of the rule: what has to hold for "leak", and what for "clean", with the numbers that decide it.
//!
//! `rule/assess.rs` decides by these lists alone, and reports tell them: a new condition is a variant here, one line there that
//! finds its numbers, and a sentence in `words`.

use super::jump_pattern::JumpPattern;

/// One condition of the rule: what was found, and the bound that it was held against. Growth is in units of the resource per step of
/// the axis; a share of the run is 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Condition {
    /// Of a leak: growth that lasts is over the budget in every plausible model, or in the mean of twelve parts of the run.
    Lasts {
        /// Its least lower bound in a model, or that of the mean if it is higher.
        lower: f64,
        /// What it must exceed: the budget, and before the end of a plan what the plan allows.
        bound: f64,
    },
    /// A model has the shape of the growth, or the parts of the run tell that it goes on.
    ShapeKnown {
        /// Autocorrelation of what the best model leaves from one level to the next.
        rho: f64,
        /// From which on no model is taken to have the shape.
        wanders: f64,
        /// Probability of parts so far over the budget, if growth were just that; one where they can't tell.
        chance: f64,
        /// What it may be at most.
        alpha: f64,
    },
    /// Growth doesn't fade, whatever shape a model gives it.
    DoesNotFade {
        /// Its pace after half a run more, by a straight line through that of the second half, where that falls beyond doubt.
        soon: Option<f64>,
        /// What that has to reach.
        budget: f64,
    },
    /// Late growth is made of many rises.
    ManyRises {
        /// How many there are in effect: rises of one size would be as many.
        rises: f64,
        /// How many there have to be.
        least: f64,
    },
    /// Growth didn't set in at the very end.
    SeenForLong {
        /// The share of the run at which it set in, or at which the cache became full that it is the small rest of; zero of others.
        since: f64,
        /// The latest that counts as long enough.
        latest: f64,
    },
    /// Abrupt falls don't take it back.
    NotTakenBack {
        /// What jumps take back, in sum.
        taken: f64,
        /// What they may take back at most.
        most: f64,
    },
    /// The readings themselves keep it.
    ReadingsKeepIt {
        /// What the last quarter of the readings lies above one before by.
        kept: f64,
        /// What that has to reach.
        least: f64,
    },
    /// Load, where it rises or falls along with the requests, is told apart from growth.
    LoadApart {
        /// The share of errors in what load does beside the requests.
        errors: f64,
        /// What it may be at most.
        most: f64,
    },
    /// Growth hasn't stopped just before the end.
    GoesOnToTheEnd {
        /// Where its pace comes to if it slows down once and once more as it did in the end; missing where it didn't beyond doubt.
        soon: Option<f64>,
        /// What that has to reach.
        budget: f64,
        /// Probability of so long a silence after the last rise, if rises go on; one where that isn't asked.
        silence: f64,
        /// What it must be at least.
        alpha: f64,
    },
    /// Before the end of a run: enough of the transient has passed.
    WarmedUp {
        /// The share of the run, or of one like it, after which it is over.
        over: f64,
        /// The share by which it has to be.
        by: f64,
    },
    /// Before the end of a run: growth doesn't slow down.
    DoesNotSlow {
        /// Its pace at the end less four fifths of its mean, at least.
        left: f64,
    },
    /// An incarnation of a recycled pool grows beyond what is usual at its age.
    BeyondUsual {
        /// What it grows by beyond that, at least; missing where it doesn't in its second half, or has too few levels.
        lower: Option<f64>,
        /// What that must exceed.
        budget: f64,
    },
    /// Of clean: it is no leak.
    NoLeak(bool),
    /// Growth at the end is under the budget in every near model.
    EndsUnder {
        /// Its highest upper bound.
        upper: f64,
        /// By how much rounding of levels may hide growth.
        rounding: f64,
        /// The budget.
        budget: f64,
    },
    /// What persists once growth has ended is under the budget in every plausible model.
    LastsUnder {
        /// Its highest upper bound.
        upper: f64,
        /// By how much rounding of levels may hide growth.
        rounding: f64,
        /// The budget.
        budget: f64,
    },
    /// What is still to come until growth has ended is less than the budget allows for another such run.
    LittleToCome {
        /// What is to come at most.
        most: f64,
        /// What the budget allows for.
        allowed: f64,
    },
    /// No abrupt jumps that may go on.
    JumpsAreOver {
        /// How they are spread.
        pattern: JumpPattern,
        /// How many go up.
        up: usize,
        /// Probability of so long a silence after the last, if they came at a constant rate; one without any.
        silence: f64,
    },
    /// Nothing grows while no requests come, or so little that the budget allows for it beside what requests leave.
    StillWhileIdle {
        /// Growth in all idle time, per step of the axis: its upper bound.
        upper: f64,
        /// What the budget leaves for it.
        left: f64,
    },
}

impl Condition {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        #[cfg(feature = "ablation")]
        if crate::thresholds::is_without(self) {
            return true;
        }
        match *self {
            Condition::Lasts { lower, bound } => lower > bound,
            Condition::ShapeKnown { rho, wanders, chance, alpha } => rho < wanders || chance <= alpha,
            Condition::DoesNotFade { soon, budget } => soon.is_none_or(|soon| soon >= budget),
            Condition::ManyRises { rises, least } => rises >= least,
            Condition::SeenForLong { since, latest } => since <= latest,
            Condition::NotTakenBack { taken, most } => taken <= most,
            Condition::ReadingsKeepIt { kept, least } => kept >= least,
            Condition::LoadApart { errors, most } => errors <= most,
            Condition::GoesOnToTheEnd { soon, budget, silence, alpha } => {
                soon.is_none_or(|soon| soon >= budget) && silence >= alpha
            }
            Condition::WarmedUp { over, by } => over <= by,
            Condition::DoesNotSlow { left } => left > 0.0,
            Condition::BeyondUsual { lower, budget } => lower.is_some_and(|lower| lower > budget),
            Condition::NoLeak(holds) => holds,
            Condition::EndsUnder { upper, rounding, budget } | Condition::LastsUnder { upper, rounding, budget } => {
                upper < budget - rounding
            }
            Condition::LittleToCome { most, allowed } => most < allowed,
            Condition::JumpsAreOver { pattern, .. } => pattern.are_over(),
            Condition::StillWhileIdle { upper, left } => upper < left,
        }
    }
}

/// What had to hold for one answer and what for the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conditions {
    /// All of these for a leak.
    pub leak: Vec<Condition>,
    /// All of these for clean.
    pub clean: Vec<Condition>,
}

/// Whether all of these hold.
pub fn hold(conditions: &[Condition]) -> bool {
    conditions.iter().all(Condition::holds)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use Condition::*;

    /// Each kind just on the side where it holds, and just on the other.
    pub(crate) const EDGES: [(Condition, Condition); 21] = [
        (Lasts { lower: 64.1, bound: 64.0 }, Lasts { lower: 64.0, bound: 64.0 }),
        (
            ShapeKnown { rho: 0.94, wanders: 0.95, chance: 1.0, alpha: 0.01 },
            ShapeKnown { rho: 0.95, wanders: 0.95, chance: 0.02, alpha: 0.01 },
        ),
        (
            ShapeKnown { rho: 0.99, wanders: 0.95, chance: 0.01, alpha: 0.01 },
            ShapeKnown { rho: f64::NAN, wanders: 0.95, chance: f64::NAN, alpha: 0.01 },
        ),
        (DoesNotFade { soon: None, budget: 64.0 }, DoesNotFade { soon: Some(63.0), budget: 64.0 }),
        (DoesNotFade { soon: Some(64.0), budget: 64.0 }, DoesNotFade { soon: Some(f64::NAN), budget: 64.0 }),
        (ManyRises { rises: 4.0, least: 4.0 }, ManyRises { rises: 3.9, least: 4.0 }),
        (SeenForLong { since: 0.6, latest: 0.6 }, SeenForLong { since: 0.61, latest: 0.6 }),
        (NotTakenBack { taken: 30.0, most: 30.0 }, NotTakenBack { taken: 31.0, most: 30.0 }),
        (ReadingsKeepIt { kept: 30.0, least: 30.0 }, ReadingsKeepIt { kept: 29.0, least: 30.0 }),
        (LoadApart { errors: 0.1, most: 0.1 }, LoadApart { errors: 0.2, most: 0.1 }),
        (
            GoesOnToTheEnd { soon: None, budget: 64.0, silence: 0.05, alpha: 0.05 },
            GoesOnToTheEnd { soon: None, budget: 64.0, silence: 0.04, alpha: 0.05 },
        ),
        (
            GoesOnToTheEnd { soon: Some(64.0), budget: 64.0, silence: 1.0, alpha: 0.05 },
            GoesOnToTheEnd { soon: Some(-3.0), budget: 64.0, silence: 1.0, alpha: 0.05 },
        ),
        (WarmedUp { over: 0.5, by: 0.5 }, WarmedUp { over: 0.6, by: 0.5 }),
        (DoesNotSlow { left: 0.1 }, DoesNotSlow { left: f64::NAN }),
        (BeyondUsual { lower: Some(65.0), budget: 64.0 }, BeyondUsual { lower: None, budget: 64.0 }),
        (NoLeak(true), NoLeak(false)),
        (
            EndsUnder { upper: 60.0, rounding: 3.9, budget: 64.0 },
            EndsUnder { upper: 60.0, rounding: 4.0, budget: 64.0 },
        ),
        (
            LastsUnder { upper: 60.0, rounding: 3.9, budget: 64.0 },
            LastsUnder { upper: f64::NAN, rounding: 0.0, budget: 64.0 },
        ),
        (LittleToCome { most: 63.0, allowed: 64.0 }, LittleToCome { most: f64::NAN, allowed: 64.0 }),
        (
            JumpsAreOver { pattern: JumpPattern::Single, up: 1, silence: 0.5 },
            JumpsAreOver { pattern: JumpPattern::Unclear, up: 2, silence: 0.25 },
        ),
        (StillWhileIdle { upper: 2.9, left: 3.0 }, StillWhileIdle { upper: 3.0, left: 3.0 }),
    ];

    #[test]
    fn each_holds_on_one_side_of_its_bound_and_not_on_the_other_nor_where_nothing_is_known() {
        for (holds, fails) in EDGES {
            assert!(holds.holds() && !fails.holds(), "{holds:?} and {fails:?}");
        }
    }
}
