//! Series of the user's own that stopped answering: what nobody saw isn't clean.

use super::account::window;
use crate::answer::{Doubt, Finding, LeakClass, Outcome, Reason};
use crate::model::{Metric, Resource, RunRecord};
use crate::readings::metrics::levels;
use crate::thresholds::scale::TENTH;

/// Each metric that was missing for a notable part of the judged time.
pub fn doubts(record: &RunRecord) -> Vec<Doubt> {
    record.meta.metrics.iter().filter_map(|one| silent(record, one.metric)).collect()
}

/// A gauge that was missing has shown no growth, which isn't that there is none.
pub fn judge(record: &RunRecord, finding: &mut Finding) {
    if let Resource::Metric(metric) = finding.resource
        && finding.outcome == Outcome::Clean
        && silent(record, metric).is_some()
    {
        finding.outcome = Outcome::Inconclusive;
        finding.class = LeakClass::Unknown;
        finding.reason = Reason::NotRead;
    }
}

fn silent(record: &RunRecord, metric: Metric) -> Option<Doubt> {
    let (from, to) = window(record);
    let (mut looks, mut missing, mut since) = (0, 0, None);
    // A look stands for the time since the one before.
    let (mut seen, mut unseen, mut before) = (0.0, 0.0, from);
    for (t, level) in levels(record, metric).into_iter().filter(|(t, _)| (from..to).contains(t)) {
        let time = if level.is_some() { &mut seen } else { &mut unseen };
        *time += (t - before).max(0.0);
        before = t;
        looks += 1;
        if level.is_none() {
            missing += 1;
            since.get_or_insert(t);
        }
    }
    // Where the end of the judged time is known, it must have been seen until then.
    let silent = missing == looks || unseen > TENTH.get() * (seen + unseen);
    silent.then_some(Doubt::Silent { metric, looks, missing, since })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{clean, event, with_metric};
    use crate::model::{EventKind, MetricKind, PhaseKind};
    use crate::verdict::judge;

    /// Verdict and the answer for the gauge.
    fn judged(kind: MetricKind, level: impl Fn(f64) -> Option<f64>) -> (Outcome, Option<Outcome>) {
        let run = with_metric(clean(), kind, level);
        let verdict = judge(&run);
        let gauge = verdict.findings.iter().find(|finding| matches!(finding.resource, Resource::Metric(_)));
        (verdict.outcome, gauge.map(|finding| finding.outcome))
    }

    #[test]
    fn what_stops_answering_is_open_and_one_missing_look_is_nothing() {
        use MetricKind::{Counter, Gauge};
        use Outcome::{Clean, Inconclusive, Leak};
        assert_eq!(judged(Gauge, |_| Some(3.0)), (Clean, Some(Clean)));
        assert_eq!(judged(Gauge, |t| Some(3.0).filter(|_| t != 50.0)), (Clean, Some(Clean)));
        assert_eq!(judged(Gauge, |t| Some(3.0).filter(|_| t < 80.0)), (Inconclusive, Some(Inconclusive)));
        assert_eq!(judged(Gauge, |_| None), (Inconclusive, Some(Inconclusive)));
        assert_eq!(judged(Gauge, |t| Some(t).filter(|_| t < 80.0)), (Leak, Some(Leak)));
        assert_eq!(judged(Counter, |t| Some(200.0 * t)), (Clean, None));
        assert_eq!(judged(Counter, |t| Some(200.0 * t).filter(|_| t < 80.0)), (Inconclusive, None));
        assert_eq!(judged(Counter, |_| None), (Inconclusive, None));
    }

    #[test]
    fn what_was_never_looked_at_is_told_so() {
        let mut run = with_metric(clean(), MetricKind::Counter, |_| Some(1.0));
        run.metrics.clear();
        let [Doubt::Silent { looks: 0, .. }] = doubts(&run)[..] else { panic!("{:?}", doubts(&run)) };
        // Before the soak nobody has to answer.
        let mut late = with_metric(clean(), MetricKind::Gauge, |t| Some(1.0).filter(|_| t >= 60.0));
        assert_eq!(doubts(&late).len(), 1);
        late.events[1] = event(60.0, EventKind::Phase { phase: PhaseKind::Soak, index: 1 });
        assert_eq!(doubts(&late), []);
    }
}
