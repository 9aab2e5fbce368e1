//! Workers that were seen too briefly, or too seldom, to be judged: what they grew by must not hide behind a pass of the others.

use crate::answer::{Doubt, Finding, Grown, SetAside};
use crate::model::{Axis, RunRecord, Series, WorkerId};
use crate::rule::finding::least_jump;
use crate::rule::step_down::Candidate;
use crate::stats::median;
use crate::verdict::target::unjudged::{command_of, of};

/// The worker that grew by more than the budget allows one in the whole run, and by more than is usual where workers begin.
pub fn doubt(record: &RunRecord, finding: &Finding, judged: &Candidate) -> Option<Doubt> {
    if finding.resource.of_whole_target() || finding.axis == Axis::Seconds {
        return None;
    }
    let all = || finding.workers.iter().zip(&judged.series);
    let others: Vec<&Series> = all().filter(|(worker, _)| worker.set_aside.is_none()).map(|(_, one)| one).collect();
    let whole = others.iter().filter_map(|one| span(&one.x[one.judged_from()..])).fold(0.0, f64::max);
    let least = least_jump(finding.resource, record.page());
    let brief = all().filter(|(worker, one)| {
        let seldom = matches!(worker.set_aside, Some(SetAside::PartOnly | SetAside::Few(_)));
        // Of one that ended before it counts, nothing is asked.
        seldom && one.x.len() >= one.judged_from() + 2
    });
    let grew = brief.filter_map(|(_, one)| Some((one.worker?, one, rise(&one.y)?, span(&one.x)?)));
    let over = grew.filter(|(_, one, rise, _)| {
        // It may warm up as others did.
        let usual = others.iter().filter_map(|other| early(other, span(&one.x)?)).fold(0.0, f64::max);
        *rise > finding.budget * whole + least && *rise > 2.0 * usual + least
    });
    let most = over.filter(|_| whole > 0.0).max_by(|a, b| a.2.total_cmp(&b.2).then(b.0.cmp(&a.0)))?;
    Some(told(record, finding, most))
}

fn told(record: &RunRecord, finding: &Finding, (worker, one, rise, span): (WorkerId, &Series, f64, f64)) -> Doubt {
    let (from, to) = one.y.first().copied().zip(one.y.last().copied()).unwrap_or_default();
    let rate = if span > 0.0 { rise / span } else { f64::INFINITY };
    let grown = Grown { from, to, rate, allowed: finding.budget, axis: finding.axis };
    let readings = one.y.len();
    Doubt::BriefGrew { who: command_of(record, worker), kind: of(record, finding.resource), readings, grown }
}

/// From the first to the last.
fn span(x: &[f64]) -> Option<f64> {
    Some(x.last()? - x.first()?)
}

/// What levels rise by, from the middles of their halves: one reading alone may be an outlier.
fn rise(y: &[f64]) -> Option<f64> {
    let half = y.len() / 2;
    // The middles are half of the way apart.
    Some(2.0 * (median(&y[y.len() - half..])? - median(&y[..half])?))
}

/// What a series rose by in its first `steps`, its warm-up with it.
fn early(one: &Series, steps: f64) -> Option<f64> {
    let until = one.x.partition_point(|x| *x <= one.x[0] + steps);
    rise(&one.y[..until])
}

#[cfg(test)]
mod tests {
    use crate::answer::Outcome;
    use crate::fixture::run::{END, clean, worker};
    use crate::model::{RunRecord, Sample};
    use crate::verdict::judge;

    /// A worker beside those of a clean run, seen at these seconds, that rises by so much with each.
    fn beside(seconds: impl Iterator<Item = u64>, rises: u64) -> RunRecord {
        let mut run = clean();
        for (nth, second) in seconds.enumerate() {
            let mut sample = Sample::new(second as f64 + 0.5, worker(3));
            (sample.anon, sample.swap) = (Some((8 << 20) + nth as u64 * rises), Some(0));
            sample.requests = Some(20 * (second + 1));
            run.samples.push(sample);
        }
        run.samples.sort_by(|a, b| a.t.total_cmp(&b.t));
        run
    }

    fn outcome(run: &RunRecord) -> Outcome {
        judge(run).outcome
    }

    #[test]
    fn who_was_seen_briefly_and_grew_beyond_the_budget_keeps_the_others_from_passing() {
        let late = END as u64 - 12;
        assert_eq!(outcome(&beside(late..END as u64, 0)), Outcome::Clean);
        assert_eq!(outcome(&beside(late..END as u64, 1000)), Outcome::Clean, "less than the budget allows in the run");
        assert_eq!(outcome(&beside(late..END as u64, 1 << 20)), Outcome::Inconclusive);
        let told = crate::fixture::run::told(&beside(late..END as u64, 1 << 20));
        assert!(told.contains("in 12 readings, too few to judge it"), "{told}");
    }

    #[test]
    fn who_was_seen_seldom_and_grew_does_so_too() {
        let seldom = || (11..END as u64).step_by(12);
        assert_eq!(outcome(&beside(seldom(), 0)), Outcome::Clean);
        assert_eq!(outcome(&beside(seldom(), 1 << 20)), Outcome::Inconclusive);
    }

    #[test]
    fn who_begins_as_the_others_did_is_no_cause_for_doubt() {
        let late = END as u64 - 8;
        let mut run = beside(late..END as u64, 1 << 20);
        for sample in run.samples.iter_mut().filter(|sample| sample.worker != worker(3)) {
            let warm = 8.0f64.min(sample.t) as u64;
            sample.anon = sample.anon.map(|anon| anon + (warm << 20));
        }
        assert_eq!(outcome(&run), Outcome::Clean);
    }
}
