//! What counters of the user's own counted: for each request, by step, and whether that grows.

use super::account::window;
use crate::answer::Counted;
use crate::model::{Metric, MetricKind, Resource, RunRecord};
use crate::readings::metrics::levels;
use crate::readings::mix::Mix;
use crate::readings::per_request::grows;
use crate::readings::pool_count::PoolCount;
use crate::readings::series::pool_series;
use crate::rule::step_down::Candidate;
use crate::rule::steps;

/// What came to each counter that was read twice in the judged time.
pub fn counted(record: &RunRecord) -> Vec<Counted> {
    let mix = Mix::of_pool(record);
    let counters = record.meta.metrics.iter().filter(|one| one.kind == MetricKind::Counter);
    counters.filter_map(|one| of(record, one.metric, mix.as_ref())).collect()
}

fn of(record: &RunRecord, metric: Metric, mix: Option<&Mix>) -> Option<Counted> {
    let (from, to) = window(record);
    let (mut t, mut sums, mut sum, mut before) = (Vec::new(), Vec::new(), 0.0, None);
    for (at, level) in levels(record, metric).into_iter().filter(|(at, _)| (from..to).contains(at)) {
        let Some(level) = level else { continue };
        // One that falls began anew.
        sum += (level - before.replace(level).unwrap_or(level)).max(0.0);
        t.push(at);
        sums.push(sum);
    }
    let (first, last) = (*t.first()?, *t.last()?);
    let count = PoolCount::new(record);
    let requests = count.as_ref().map(|count| count.at(last) - count.at(first)).filter(|requests| *requests >= 1.0);
    let steps = mix.and_then(|mix| {
        let (axis, mut one) = pool_series(record, t.iter().copied().zip(sums.iter().copied()))?;
        one.by_step = mix.counts(&one)?;
        let judged = Candidate { resource: Resource::Metric(metric), axis, series: vec![one], budget: 0.0 };
        steps::by_steps(mix, &judged, 1.0, None).filter(|steps| steps.rows.len() > 1)
    });
    let grows = count.and_then(|count| grows(&t, &sums, &count, 1.0));
    (last > first).then_some(Counted { metric, total: sum, watched: last - first, requests, steps, grows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{clean, with_metric};
    use crate::model::{RunRecord, Step};
    use crate::verdict::judge;

    fn counting(level: impl Fn(f64) -> f64) -> RunRecord {
        with_metric(clean(), MetricKind::Counter, |t| Some(level(t)))
    }

    #[test]
    fn what_a_request_adds_is_told_and_that_it_grows() {
        // Twenty requests a second.
        let one = judge(&counting(|t| 1000.0 * t)).counted;
        assert!((one[0].per_request().unwrap() - 50.0).abs() < 1e-6, "{one:?}");
        assert_eq!((one[0].steps.is_some(), one[0].grows), (false, None));
        let (first, last) = judge(&counting(|t| 10.0 * t * t)).counted[0].grows.expect("it grows");
        assert!(last > 1.5 * first, "{first} {last}");
        // Restarted half-way: what came before and after, and nothing made up.
        let again = judge(&counting(|t| if t < 50.0 { 100.0 * t } else { 100.0 * (t - 50.0) })).counted;
        assert!((again[0].per_request().unwrap() - 5.0).abs() < 0.1, "{again:?}");
    }

    #[test]
    fn each_step_adds_its_own() {
        let mut run = counting(|_| 0.0);
        let step = |name: &str| Step { name: name.into(), weight: 1.0, ..Step::default() };
        run.meta.steps = vec![step("list"), step("item")];
        let lists = |t: f64| (5.0 * t + 3.0 * (0.9 * t).sin()).round();
        for host in &mut run.host {
            let served = host.requests.unwrap();
            host.by_step = vec![lists(host.t) as u64, served - lists(host.t) as u64];
        }
        for reading in &mut run.metrics {
            reading.value = Some(203.0 * lists(reading.t) + 2.0 * (20.0 * reading.t - lists(reading.t)));
        }
        let counted = judge(&run).counted;
        let rows = &counted[0].steps.as_ref().expect("two steps").rows;
        assert_eq!(rows.iter().map(|row| row.steps[0].as_str()).collect::<Vec<_>>(), ["list", "item"]);
        assert!((rows[0].growth.estimate - 203.0).abs() < 1.0, "{rows:?}");
        assert!((rows[1].growth.estimate - 2.0).abs() < 1.0, "{rows:?}");
        let lists = 203.0 * lists(END) + 2.0 * (20.0 * END - lists(END));
        assert!((counted[0].per_request().unwrap() - lists / (20.0 * END)).abs() < 1.0);
    }

    const END: f64 = crate::fixture::run::END;
}
