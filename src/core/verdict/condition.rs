//! The conditions of the rule: what has to hold for "leak", and what for "clean", with the numbers that decide it.
//!
//! `assess.rs` decides by these lists alone, and `explain` tells them: a new condition is a variant here, one line there that
//! finds its numbers, and a sentence in `words`.

use super::jumping::JumpPattern;

/// One condition of the rule, with what was found; growth in units of the resource per step of the axis. What is known only as
/// yes or no says whether it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Condition {
    /// Of a leak: persistent growth is over a bound in every plausible model, or the level climbs like a ratchet.
    Persists {
        /// Its least lower bound.
        lower: f64,
        /// What it must exceed: nothing at the end of a run.
        bound: f64,
        /// Whether the level climbs at an even pace to the end.
        ratchet: bool,
    },
    /// The least estimate of persistent growth is enough.
    Reaches {
        /// The least estimate in a plausible model.
        least: f64,
        /// What it must reach.
        enough: f64,
    },
    /// Growth goes on late, in jumps that go on.
    JumpsGoOn {
        /// Growth by jumps.
        added: f64,
    },
    /// Growth goes on late, by the slope of the last 40 %.
    GoesOnLate {
        /// The slope; missing with too few levels.
        slope: Option<f64>,
        /// The part of the budget that it must reach.
        part: f64,
        /// The budget.
        budget: f64,
    },
    /// Late growth is made of many rises.
    ManyRises(bool),
    /// The level doesn't wander as a random walk does, or it climbs as none does.
    NoWalk {
        /// Autocorrelation from one level to the next.
        rho: f64,
        /// Whether it may only wander.
        wanders: bool,
    },
    /// Growth didn't set in at the very end.
    SeenForLong(bool),
    /// Abrupt falls don't take it back.
    NotTakenBack(bool),
    /// After a transient the last quarter keeps the pace of what persists.
    KeepsPace(bool),
    /// Load is told apart from growth.
    LoadApart(bool),
    /// Growth hasn't stopped just before the end.
    GoesOnToTheEnd(bool),
    /// Before the end of a run: enough of the transient has passed.
    WarmedUp(bool),
    /// Before the end of a run: growth doesn't slow down.
    DoesNotSlow(bool),
    /// Growth was rough while it was fast, so that the second half alone has to prove it.
    ProvenByHalf(bool),
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
    /// The best model's growth at the end is at most a part of the budget.
    EndsNear {
        /// Its estimate.
        estimate: f64,
        /// The part of the budget.
        part: f64,
        /// The budget.
        budget: f64,
    },
    /// Growth ends by itself in every plausible model.
    EndsByItself(bool),
    /// Growth has slowed down in every plausible model.
    HasSlowed(bool),
    /// What persists once growth has ended isn't a fall that would have to make up for it.
    NoSteepFall {
        /// The least estimate of what persists.
        least: f64,
        /// How low it may be.
        bound: f64,
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
    /// What persists once growth has ended is at most a part of the budget in every plausible model.
    LastsNear {
        /// Its highest estimate.
        estimate: f64,
        /// The part of the budget.
        part: f64,
        /// The budget.
        budget: f64,
    },
    /// No abrupt jumps that may go on.
    JumpsAreOver(JumpPattern),
    /// Where the second half proves it: the last 40 % of the whole grow by less than a leak does.
    Rests {
        /// Their slope; missing with too few levels.
        slope: Option<f64>,
        /// The part of the budget that it may reach.
        part: f64,
        /// The budget.
        budget: f64,
        /// Whether growth has stopped just before the end, whatever that slope.
        stopped: bool,
    },
    /// Where the second half proves it: its jumps are none, or were the only ones.
    NoJumpsBefore(bool),
}

impl Condition {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        match *self {
            Condition::Persists { lower, bound, ratchet } => lower > bound || ratchet,
            Condition::Reaches { least, enough } => least >= enough,
            Condition::GoesOnLate { slope, part, budget } => slope.is_some_and(|slope| slope >= part * budget),
            Condition::NoWalk { wanders, .. } => !wanders,
            Condition::EndsUnder { upper, rounding, budget } | Condition::LastsUnder { upper, rounding, budget } => {
                upper < budget - rounding
            }
            Condition::EndsNear { estimate, part, budget } | Condition::LastsNear { estimate, part, budget } => {
                estimate <= part * budget
            }
            Condition::NoSteepFall { least, bound } => least >= bound,
            Condition::JumpsAreOver(pattern) => pattern.are_over(),
            Condition::Rests { slope, part, budget, stopped } => {
                stopped || slope.is_some_and(|slope| slope <= part * budget)
            }
            Condition::JumpsGoOn { .. } => true,
            Condition::ManyRises(holds)
            | Condition::SeenForLong(holds)
            | Condition::NotTakenBack(holds)
            | Condition::KeepsPace(holds)
            | Condition::LoadApart(holds)
            | Condition::GoesOnToTheEnd(holds)
            | Condition::WarmedUp(holds)
            | Condition::DoesNotSlow(holds)
            | Condition::ProvenByHalf(holds)
            | Condition::BeyondUsual(holds)
            | Condition::NoLeak(holds)
            | Condition::EndsByItself(holds)
            | Condition::HasSlowed(holds)
            | Condition::NoJumpsBefore(holds) => holds,
        }
    }
}

/// Whether all of these hold.
pub(super) fn hold(conditions: &[Condition]) -> bool {
    conditions.iter().all(Condition::holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_does_not_hold() {
        assert!(!Condition::GoesOnLate { slope: None, part: 0.4, budget: 64.0 }.holds());
        assert!(!Condition::Rests { slope: None, part: 0.75, budget: 64.0, stopped: false }.holds());
        assert!(!Condition::EndsUnder { upper: f64::NAN, rounding: 0.0, budget: 64.0 }.holds());
        assert!(!Condition::Persists { lower: f64::NAN, bound: 0.0, ratchet: false }.holds());
    }

    #[test]
    fn rounding_counts_against_clean() {
        let ends = |rounding| Condition::EndsUnder { upper: 60.0, rounding, budget: 64.0 };
        assert!(ends(3.0).holds() && !ends(4.0).holds());
    }
}
