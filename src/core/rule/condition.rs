//! The conditions of the rule: what has to hold for "leak", and what for "clean", with the numbers that decide it.
//!
//! `assess.rs` decides by these lists alone, and `explain` tells them: a new condition is a variant here, one line there that
//! finds its numbers, and a sentence in `words`.

use crate::answer::JumpPattern;

/// One condition of the rule, with what was found; growth in units of the resource per step of the axis. What is known only as
/// yes or no says whether it holds.
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
        /// Whether that is so.
        holds: bool,
    },
    /// Late growth is made of many rises.
    ManyRises(bool),
    /// Growth didn't set in at the very end.
    SeenForLong(bool),
    /// Abrupt falls don't take it back.
    NotTakenBack(bool),
    /// Load is told apart from growth.
    LoadApart(bool),
    /// Growth hasn't stopped just before the end.
    GoesOnToTheEnd(bool),
    /// Before the end of a run: enough of the transient has passed.
    WarmedUp(bool),
    /// Before the end of a run: growth doesn't slow down.
    DoesNotSlow(bool),
    /// An incarnation of a recycled pool grows beyond what is usual at its age.
    BeyondUsual(bool),
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
    JumpsAreOver(JumpPattern),
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
            Condition::LittleToCome { most, allowed } => most < allowed,
            Condition::EndsUnder { upper, rounding, budget } | Condition::LastsUnder { upper, rounding, budget } => {
                upper < budget - rounding
            }
            Condition::JumpsAreOver(pattern) => pattern.are_over(),
            Condition::StillWhileIdle { upper, left } => upper < left,
            Condition::ShapeKnown { holds, .. }
            | Condition::ManyRises(holds)
            | Condition::SeenForLong(holds)
            | Condition::NotTakenBack(holds)
            | Condition::LoadApart(holds)
            | Condition::GoesOnToTheEnd(holds)
            | Condition::WarmedUp(holds)
            | Condition::DoesNotSlow(holds)
            | Condition::BeyondUsual(holds)
            | Condition::NoLeak(holds) => holds,
        }
    }
}

/// Whether all of these hold.
pub fn hold(conditions: &[Condition]) -> bool {
    conditions.iter().all(Condition::holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_does_not_hold() {
        assert!(!Condition::LittleToCome { most: f64::NAN, allowed: 64.0 }.holds());
        assert!(!Condition::EndsUnder { upper: f64::NAN, rounding: 0.0, budget: 64.0 }.holds());
        assert!(!Condition::Lasts { lower: f64::NAN, bound: 0.0 }.holds());
    }

    #[test]
    fn rounding_counts_against_clean() {
        let ends = |rounding| Condition::EndsUnder { upper: 60.0, rounding, budget: 64.0 };
        assert!(ends(3.0).holds() && !ends(4.0).holds());
    }
}
