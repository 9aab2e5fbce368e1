//! Looks at a run before its end: may it end now, because leak or clean is proven?
//!
//! To look often is to err often, unless each look is stricter than the one verdict at the end. A run of planned length
//! spends its error probability by the share of the plan that is done, next to nothing early (Lan & DeMets 1983); a watch
//! without an end spends a convergent series of it (Darling & Robbins 1967), so that its bounds hold at all looks
//! together. Each look takes what it may spend as its own error probability: by Bonferroni, the sum holds however
//! the looks depend on each other, as far as the bound of one look holds.
//!
//! Always: nothing is proven early while the best model's transient has had less than three of its constants, nor a leak
//! while growth may be slowing down.

use super::assess::{ALPHA_CLEAN, ALPHA_LEAK, Demands};
use super::explain::rate_with_bounds;
use super::finding::find_among;
use super::judge::findings;
use super::{Finding, Outcome};
use crate::model::{Axis, Resource, RunRecord, Series};
use crate::stats::{endless, spent};

/// Shares of the planned length at which it is looked.
const SHARES: [f64; 4] = [0.45, 0.6, 0.75, 0.9];
/// The share before which a run isn't clean: a promise about the length asked for can't rest on much less of it.
const CLEAN_FROM: f64 = 0.75;
/// Seconds before the first look of a watch without an end, and by how much longer it has lasted at each next one.
const FIRST: f64 = 300.0;
const LONGER: f64 = 1.25;
/// Nobody has said how long transients may last in a watch without an end: an answer has to hold until the watch has lasted
/// this many times as long as when it was first proven.
const CONFIRMED: f64 = 2.0;

/// When it is looked, and what has been spent.
#[derive(Debug, Clone)]
pub struct Looks {
    planned: bool,
    /// The share of the plan before which the run isn't clean.
    clean_from: f64,
    taken: usize,
    spent: (f64, f64),
    /// What is proven, and since when; of a watch without an end.
    since: Option<(Outcome, f64)>,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The share of the plan that was done, or the seconds that had passed.
    pub progress: f64,
    /// The error probability of "leak" at this look.
    pub alpha: f64,
    /// What is proven, if anything is; never [`Outcome::Inconclusive`].
    pub proven: Option<Outcome>,
    /// What was found, in a few words.
    pub found: String,
}

impl Looks {
    /// Looks at a run with a planned end; progress is the share of the plan that is done.
    pub fn planned() -> Self {
        Looks { planned: true, clean_from: CLEAN_FROM, taken: 0, spent: (0.0, 0.0), since: None }
    }

    /// Looks at a run that goes on beyond its planned end, to `factor` times its length at most; progress is the share of
    /// that. What the shares before the planned end may spend is left out: the planned end had an error probability of
    /// its own, and has been looked at.
    pub fn extended(factor: f64) -> Self {
        let done = 1.0 / factor.max(1.0);
        Looks {
            clean_from: done,
            taken: SHARES.iter().filter(|share| **share <= done).count(),
            spent: (spent(ALPHA_LEAK, done), spent(ALPHA_CLEAN, done)),
            ..Looks::planned()
        }
    }

    /// Looks at a run without an end; progress is seconds.
    pub fn open_ended() -> Self {
        Looks { planned: false, clean_from: 0.0, taken: 0, spent: (0.0, 0.0), since: None }
    }

    /// Whether the next look is due.
    pub fn are_due(&self, progress: f64) -> bool {
        let next = if self.planned {
            SHARES.get(self.taken).copied().unwrap_or(f64::INFINITY)
        } else {
            FIRST * LONGER.powi(self.taken as i32)
        };
        progress >= next
    }

    /// Looks at what is recorded so far.
    pub fn look(&mut self, record: &RunRecord, progress: f64) -> Look {
        let demands = self.demands(progress);
        let findings = findings(record, demands);
        let proven = self.proven(&findings, progress);
        let telling = findings.iter().find(|f| proven == Some(f.outcome)).or(findings.first());
        let found = telling.map_or_else(|| "nothing was judged".into(), words);
        Look { progress, alpha: demands.leak, proven, found }
    }

    /// Looks at one resource by its series, as [`super::find`] judges them at the end; what is proven, if anything is.
    pub fn find(
        &mut self,
        (resource, axis): (Resource, Axis),
        series: &[Series],
        (budget, quantum): (f64, f64),
        progress: f64,
    ) -> Option<Outcome> {
        let demands = self.demands(progress);
        self.proven(&[find_among(1, resource, axis, series, budget, quantum, demands)], progress)
    }

    /// How sure this look must be; what it spends is gone.
    fn demands(&mut self, progress: f64) -> Demands {
        let all = if self.planned {
            (spent(ALPHA_LEAK, progress), spent(ALPHA_CLEAN, progress))
        } else {
            let both = |alpha| endless(self.taken, alpha);
            (self.spent.0 + both(ALPHA_LEAK), self.spent.1 + both(ALPHA_CLEAN))
        };
        let now = Demands { leak: all.0 - self.spent.0, clean: all.1 - self.spent.1, early: true };
        self.spent = all;
        self.taken = if self.planned { SHARES.iter().filter(|s| **s <= progress).count() } else { self.taken + 1 };
        now
    }

    /// What the findings prove together.
    fn proven(&mut self, findings: &[Finding], progress: f64) -> Option<Outcome> {
        let all_clean = !findings.is_empty() && findings.iter().all(|f| f.outcome == Outcome::Clean);
        let answer = if findings.iter().any(|f| f.outcome == Outcome::Leak) {
            Some(Outcome::Leak)
        } else {
            (all_clean && progress >= self.clean_from).then_some(Outcome::Clean)
        };
        if self.planned {
            return answer;
        }
        self.since = answer.map(|answer| match self.since {
            Some((before, since)) if before == answer => (answer, since),
            _ => (answer, progress),
        });
        self.since.filter(|(_, since)| progress >= CONFIRMED * since).map(|(answer, _)| answer)
    }
}

/// Whether a run that came to its planned end has neither a leak nor all its resources clean.
pub fn is_open(record: &RunRecord) -> bool {
    let findings = findings(record, Demands::FINAL);
    !findings.iter().any(|f| f.outcome == Outcome::Leak) && findings.iter().any(|f| f.outcome == Outcome::Inconclusive)
}

fn words(finding: &Finding) -> String {
    let Finding { resource, axis, outcome, .. } = finding;
    let growth = finding.growth.map_or("nothing fitted".into(), |g| rate_with_bounds(*resource, *axis, &g));
    format!("{resource}: {outcome}, {growth}")
}

#[cfg(test)]
mod tests {
    use super::super::test_record::{clean, leaking};
    use super::*;

    #[test]
    fn looks_spend_what_there_is_and_no_more() {
        let mut planned = Looks::planned();
        let sum: f64 = SHARES.iter().map(|share| planned.demands(*share).leak).sum();
        assert!((sum - spent(ALPHA_LEAK, 0.9)).abs() < 1e-12 && sum < ALPHA_LEAK, "{sum}");
        assert!(!planned.are_due(0.99), "no look is left");
        let mut endless = Looks::open_ended();
        let sum: f64 = (0..200).map(|k| endless.demands(f64::from(k)).clean).sum();
        assert!(sum < ALPHA_CLEAN && sum > 0.99 * ALPHA_CLEAN, "{sum}");
    }

    #[test]
    fn a_late_look_stands_for_those_it_missed() {
        let mut looks = Looks::planned();
        assert!(!looks.are_due(0.4) && looks.are_due(0.7));
        let missed = looks.demands(0.7);
        assert!((missed.leak - spent(ALPHA_LEAK, 0.7)).abs() < 1e-12 && missed.early);
        assert!(!looks.are_due(0.74) && looks.are_due(0.75));
    }

    #[test]
    fn looks_after_the_planned_end_spend_less_than_one_verdict() {
        let mut extended = Looks::extended(2.0);
        assert!(!extended.are_due(0.5) && extended.are_due(0.6));
        let sum: f64 = SHARES[1..].iter().map(|share| extended.demands(*share).leak).sum();
        assert!((sum - (spent(ALPHA_LEAK, 0.9) - spent(ALPHA_LEAK, 0.5))).abs() < 1e-12 && sum < ALPHA_LEAK, "{sum}");
        assert_eq!(Looks::extended(2.0).look(&clean(), 0.6).proven, Some(Outcome::Clean));
    }

    #[test]
    fn a_run_is_open_until_something_is_proven() {
        assert!(!is_open(&leaking()) && !is_open(&clean()));
        let mut short = clean();
        short.samples.retain(|sample| sample.t < 13.0);
        assert!(is_open(&short));
    }

    #[test]
    fn a_leak_is_proven_early_and_clean_late() {
        let look = Looks::planned().look(&leaking(), 0.5);
        assert_eq!(look.proven, Some(Outcome::Leak), "{look:?}");
        assert!(look.found.starts_with("memory: leak, 4 KiB/request"), "{}", look.found);
        assert_eq!(Looks::planned().look(&clean(), 0.7).proven, None);
        assert_eq!(Looks::planned().look(&clean(), 0.75).proven, Some(Outcome::Clean));
    }

    #[test]
    fn without_an_end_an_answer_has_to_hold() {
        let mut looks = Looks::open_ended();
        assert!(!looks.are_due(299.0) && looks.are_due(300.0));
        assert_eq!(looks.look(&clean(), 300.0).proven, None);
        assert_eq!(looks.look(&leaking(), 500.0).proven, None);
        assert_eq!(looks.look(&leaking(), 900.0).proven, None);
        assert_eq!(looks.look(&leaking(), 1000.0).proven, Some(Outcome::Leak));
    }
}
