//! Two finished runs, one of each side, compared as they are.
//!
//! Weaker than pairs: whatever changed on the host between the two runs is taken for a difference of the variants. Only
//! growth has an interval of its own in a single run; of everything else the numbers are told and nothing is concluded.

use super::judge::{Part, answer, parts, with_statuses};
use super::paired::ALPHA;
use super::{
    Answer, Comparison, ComparisonNote, Difference, Margins, Measure, RunSummary, ServiceMargins, SideEstimate, Sides,
};
use crate::answer::Interval;
use crate::stats::normal_quantile;

/// Compares two runs, and the `services` that have margins, by the intervals of their growth, each with its own variance (Welch 1947).
pub fn compare_runs(
    sides: &Sides,
    a: &RunSummary,
    b: &RunSummary,
    margins: &Margins,
    services: &ServiceMargins,
) -> Comparison {
    let known = |part: &Part<'_>| part.measure.is_gated() || part.is_in(a) || part.is_in(b);
    let margins = with_statuses(margins, [a, b].into_iter());
    let differences: Vec<Difference> =
        parts(&margins, services).filter(known).map(|part| difference(&part, a, b)).collect();
    let answer = answer(&differences);
    let notes = vec![ComparisonNote::SingleRuns, ComparisonNote::GrowthOnly];
    Comparison { answer, sides: sides.clone(), differences, pairs: 1, planned: 0, notes }
}

fn difference(part: &Part<'_>, a: &RunSummary, b: &RunSummary) -> Difference {
    let Part { measure, service, margin } = *part;
    let side = |run: &RunSummary| {
        let run = run.part(service)?;
        let interval = match measure {
            Measure::Growth(resource) => run.growth.get(&resource).copied(),
            _ => None,
        };
        run.measures.get(&measure).map(|mean| SideEstimate { mean: *mean, interval })
    };
    let (a, b) = (side(a), side(b));
    let margin = margin.over(a.map_or(0.0, |a| a.mean));
    let difference = a.and_then(|a| a.interval).zip(b.and_then(|b| b.interval)).and_then(|(a, b)| welch(&a, &b));
    let answer = difference.map_or(Answer::Inconclusive, |d| decide(&d, margin));
    let pairs = vec![a.zip(b).map(|(a, b)| (a.mean, b.mean))];
    let service = service.map(str::to_owned);
    Difference { measure, service, answer, a, b, difference, p: None, margin, pairs, more_pairs: None }
}

/// The same rule as for pairs, without the exact test, which two runs can't have.
fn decide(interval: &Interval, margin: f64) -> Answer {
    super::judge::decide(interval, 0.0, usize::MAX, margin)
}

/// The difference of two independent estimates, B less A. Each bound lies as many standard errors from its estimate as its
/// confidence says, on its own side: intervals over several models aren't symmetric.
fn welch(a: &Interval, b: &Interval) -> Option<Interval> {
    let errors = |i: &Interval| {
        let z = normal_quantile(0.5 + i.confidence / 2.0);
        ((i.estimate - i.lower).max(0.0) / z, (i.upper - i.estimate).max(0.0) / z)
    };
    let ((a_down, a_up), (b_down, b_up)) = (errors(a), errors(b));
    let z = normal_quantile(1.0 - ALPHA / 2.0);
    let estimate = b.estimate - a.estimate;
    let interval = Interval {
        estimate,
        lower: estimate - z * b_down.hypot(a_up),
        upper: estimate + z * b_up.hypot(a_down),
        confidence: 1.0 - ALPHA,
    };
    (interval.lower.is_finite() && interval.upper.is_finite()).then_some(interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::pairs::{MEMORY, margins, run, sides};
    use crate::model::Resource;
    use crate::words;

    fn with(estimate: f64, half: f64) -> RunSummary {
        let mut run = run(&[(MEMORY, estimate), (Measure::Level, 1e7)]);
        let growth = Interval { estimate, lower: estimate - half, upper: estimate + half, confidence: 0.98 };
        run.growth.insert(Resource::Memory, growth);
        run
    }

    fn judged(a: &RunSummary, b: &RunSummary) -> Comparison {
        let only = margins().into_iter().filter(|(m, _)| matches!(m, Measure::Level) || *m == MEMORY).collect();
        compare_runs(&sides(), a, b, &only, &ServiceMargins::new())
    }

    #[test]
    fn growth_is_compared_by_both_intervals() {
        assert_eq!(judged(&with(4.0, 10.0), &with(4100.0, 50.0)).answer, Answer::Regression);
        assert_eq!(judged(&with(4100.0, 50.0), &with(4.0, 10.0)).answer, Answer::Improvement);
        assert_eq!(judged(&with(4.0, 10.0), &with(6.0, 12.0)).answer, Answer::Equivalent);
        assert_eq!(judged(&with(4.0, 100.0), &with(80.0, 120.0)).answer, Answer::Inconclusive);
        // Standard errors of 100 and 50 make one of 111.8; 2.5758 of these on either side.
        let z98 = normal_quantile(0.99);
        let found =
            welch(&with(0.0, 100.0 * z98).growth[&Resource::Memory], &with(9.0, 50.0 * z98).growth[&Resource::Memory]);
        let found = found.unwrap();
        assert!((found.upper - 9.0 - 2.5758 * 111.803).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn what_has_no_interval_is_told_and_not_judged() {
        let (a, mut b) = (with(4.0, 10.0), with(4.0, 10.0));
        b.measures.insert(Measure::Level, 1e9);
        let found = judged(&a, &b);
        assert_eq!(found.difference(Measure::Level).unwrap().answer, Answer::Inconclusive);
        assert_eq!(found.answer, Answer::Equivalent);
        let first = words::comparison::headline("shop", &found);
        assert_eq!(first.more, ["Open: memory level."]);
        assert_eq!(found.notes[0], ComparisonNote::SingleRuns);
    }
}
