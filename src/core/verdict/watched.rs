//! A window of a series that is watched without an end: what its readings prove by themselves.

use super::judge::{findings, judge};
use crate::answer::Outcome;
use crate::model::RunRecord;
use crate::rule::assess::{Ahead, Demands};

/// The place of the last of these error probabilities, which go down, at which the record is a leak; `None` if it isn't at the first. As of a
/// watch without an end, growth that may still end by itself is none.
pub fn leaks_at(record: &RunRecord, levels: &[f64]) -> Option<usize> {
    let leaks = |level: &f64| {
        let demands = Demands { leak: *level, clean: *level, ahead: Ahead::Unknown };
        findings(record, demands).iter().any(|finding| finding.outcome == Outcome::Leak)
    };
    levels.iter().take_while(|level| leaks(level)).count().checked_sub(1)
}

/// Whether the record is proven to be clean, by all that a verdict rests on.
pub fn is_proven_clean(record: &RunRecord) -> bool {
    judge(record).outcome == Outcome::Clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{clean, leaking};
    use crate::stats::LEVELS;

    #[test]
    fn a_steep_leak_is_one_at_every_level_and_what_is_clean_at_none() {
        assert_eq!(leaks_at(&leaking(), &LEVELS), Some(2));
        assert_eq!(leaks_at(&leaking(), &[]), None);
        assert_eq!(leaks_at(&clean(), &LEVELS), None);
        assert!(is_proven_clean(&clean()) && !is_proven_clean(&leaking()));
    }
}
