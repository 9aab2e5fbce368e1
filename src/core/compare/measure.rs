//! From a run to the numbers that comparisons are made of.

use super::{Measure, RunSummary};
use crate::answer::{Outcome, Quantile, Verdict};
use crate::model::{Axis, EventKind, PhaseKind, Resource, RunRecord, WorkerId};
use std::collections::BTreeMap;

/// Points of a run's curve.
const CURVE: usize = 60;

/// The lowest status that tells of a failure.
const FAILURES_FROM: u16 = 400;

/// Reduces a run and its verdict, which says this `sentence`, to what comparisons need; `id` is the name of its directory.
pub fn summarize(id: &str, record: &RunRecord, verdict: &Verdict, sentence: String) -> RunSummary {
    let mut measures = BTreeMap::new();
    let mut growth = BTreeMap::new();
    for finding in verdict.findings.iter().filter(|f| f.axis != Axis::Seconds) {
        let judged = finding.growth.filter(|g| g.estimate.is_finite());
        // A verdict of clean has seen through transients. Of a leak it may tell the rate of the worst worker, and of an open
        // case that of an extreme model: a mean over pairs wants what all workers kept for all requests.
        let proven = judged.filter(|_| finding.outcome == Outcome::Clean).map(|g| g.estimate);
        let estimate = proven.or_else(|| end_to_end(record, finding.resource));
        measures.extend(estimate.map(|e| (Measure::Growth(finding.resource), e)));
        growth.extend(judged.map(|g| (finding.resource, g)));
    }
    let mut put = |measure, value: Option<f64>| {
        if let Some(value) = value.filter(|v| v.is_finite()) {
            measures.insert(measure, value);
        }
    };
    put(Measure::Level, level(record));
    put(Measure::Cpu, cpu_per_request(record));
    put(Measure::Churn, crate::sites::churn(record));
    for counted in &verdict.counted {
        put(Measure::Counted(counted.metric), counted.per_request());
    }
    let workload = record.meta.workload.as_ref();
    put(Measure::ErrorRate, workload.and_then(|w| w.error_rate()));
    let all = workload.and_then(|w| w.latency.get("all")).filter(|l| l.count > 0);
    put(Measure::Latency(Quantile::P50), all.map(|l| l.p50));
    put(Measure::Latency(Quantile::P95), all.map(|l| l.p95));
    put(Measure::Latency(Quantile::P99), all.map(|l| l.p99));
    let statuses = workload.map(|w| w.statuses.clone()).unwrap_or_default();
    measures.extend(failed_shares(&statuses));
    RunSummary {
        id: id.to_owned(),
        measures,
        growth,
        curve: curve(record),
        statuses,
        outcome: verdict.outcome,
        exit: verdict.exit,
        sentence,
        services: services(record, verdict),
    }
}

fn services(record: &RunRecord, verdict: &Verdict) -> BTreeMap<String, RunSummary> {
    let summary = |(service, verdict): (&RunRecord, &Verdict)| {
        let name = service.meta.name.clone();
        let summary = summarize(&name, service, verdict, String::new());
        (name, summary)
    };
    record.services.iter().zip(&verdict.services).map(summary).collect()
}

/// The share of each status among all answers that tells of a failure.
pub(crate) fn failed_shares(statuses: &BTreeMap<u16, u64>) -> impl Iterator<Item = (Measure, f64)> {
    let answers: u64 = statuses.values().fold(0, |sum, n| sum.saturating_add(*n));
    let failures = statuses.range(FAILURES_FROM..).filter(move |_| answers > 0);
    failures.map(move |(status, count)| (Measure::Status(*status), *count as f64 / answers as f64))
}

/// Growth of all workers from the first reading of the soak to the last, over the requests between. How sure it is, is for
/// the pairs to say.
fn end_to_end(record: &RunRecord, resource: Resource) -> Option<f64> {
    let (_, series) = crate::readings::series(record, resource);
    let (mut risen, mut requests) = (0.0, 0.0);
    for one in &series {
        let from = one.judged_from();
        let (Some(first), Some(last)) = (one.y.get(from), one.y.last()) else { continue };
        risen += last - first;
        requests += one.x.last().zip(one.x.get(from)).map_or(0.0, |(last, first)| last - first);
    }
    (requests > 0.0).then(|| risen / requests)
}

/// Mean memory of the workers after settling; without a settle phase, of those alive at the end, at their last reading
/// under load.
fn level(record: &RunRecord) -> Option<f64> {
    let settled: Vec<f64> = crate::readings::settle_levels(record).iter().map(|l| l.after).collect();
    if !settled.is_empty() {
        return mean(&settled);
    }
    let (_, series) = crate::readings::series(record, Resource::Memory);
    let end = series.iter().filter_map(|s| s.t.last()).copied().fold(f64::NEG_INFINITY, f64::max);
    // A worker that was replaced has no level at the end.
    let alive = series.iter().filter(|s| s.t.last().is_some_and(|t| end - t < 5.0));
    mean(&alive.filter_map(|s| s.y.last()).copied().collect::<Vec<_>>())
}

/// CPU time that the workers took in the soak, over the requests that they served in it.
fn cpu_per_request(record: &RunRecord) -> Option<f64> {
    let phase = |wanted: Option<PhaseKind>, after: f64| {
        record.events.iter().find_map(|e| match e.kind {
            EventKind::Phase { phase, .. } if e.t > after && wanted.is_none_or(|w| w == phase) => Some(e.t),
            EventKind::Stopping if wanted.is_none() => Some(e.t),
            _ => None,
        })
    };
    let from = phase(Some(PhaseKind::Soak), f64::NEG_INFINITY)?;
    let to = phase(None, from).unwrap_or(f64::INFINITY);
    // First and last reading of each worker in the soak: CPU time and, where known, requests. In a fixed order, so that
    // sums are the same each time.
    let mut ends: BTreeMap<WorkerId, [(f64, Option<u64>); 2]> = BTreeMap::new();
    for sample in record.samples.iter().filter(|s| s.t >= from && s.t <= to) {
        let Some(cpu) = sample.cpu() else { continue };
        let now = (cpu, sample.requests);
        ends.entry(sample.worker).or_insert([now, now])[1] = now;
    }
    let spent: f64 = ends.values().map(|[first, last]| last.0 - first.0).sum();
    let mut own = ends.values().map(|[first, last]| Some(last.1?.saturating_sub(first.1?)));
    let own = own.try_fold(0u64, |sum, own| Some(sum.saturating_add(own?)));
    let requests = match own.filter(|n| *n > 0 && record.meta.counting.per_worker) {
        Some(own) => own,
        None => record.meta.workload.as_ref()?.sent,
    };
    (requests > 0 && !ends.is_empty()).then(|| spent / requests as f64)
}

/// Mean memory over the workers at evenly spaced numbers of requests, as far as any of them got.
fn curve(record: &RunRecord) -> Vec<(f64, f64)> {
    let (_, series) = crate::readings::series(record, Resource::Memory);
    let end = series.iter().filter_map(|s| s.x.last()).copied().fold(0.0, f64::max);
    let at = |x: f64| {
        let levels: Vec<f64> = series
            .iter()
            .filter(|s| s.x.first().is_some_and(|first| *first <= x))
            .filter_map(|s| {
                let after = s.x.partition_point(|v| *v < x);
                let (x1, y1) = (*s.x.get(after)?, *s.y.get(after)?);
                let Some(before) = after.checked_sub(1) else { return Some(y1) };
                let (x0, y0) = (s.x[before], s.y[before]);
                Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
            })
            .collect();
        mean(&levels)
    };
    let points = (0..=CURVE).map(|k| end * k as f64 / CURVE as f64);
    points.filter_map(|x| Some((x, at(x)?))).filter(|(_, y)| y.is_finite()).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::pairs::{CPU, GROWTH, leaking_run};
    use crate::verdict;

    #[test]
    fn a_run_is_reduced_to_its_numbers() {
        let record = leaking_run();
        let verdict = verdict::judge(&record);
        let summary = summarize("pair-01-a", &record, &verdict, String::new());
        let of = |measure| summary.measures.get(&measure).copied().unwrap_or(f64::NAN);
        assert!((of(Measure::Growth(Resource::Memory)) - GROWTH).abs() < 0.1 * GROWTH, "{summary:?}");
        assert!((of(Measure::Cpu) - CPU).abs() < 0.05 * CPU, "{}", of(Measure::Cpu));
        assert_eq!(of(Measure::Latency(Quantile::P95)), 0.002);
        assert_eq!(of(Measure::ErrorRate), 0.0);
        assert!(
            (of(Measure::Status(503)) - 0.25).abs() < 1e-12 && !summary.measures.contains_key(&Measure::Status(200))
        );
        let last = record.samples.last().and_then(|s| s.anon_and_swap()).unwrap() as f64;
        assert_eq!(of(Measure::Level), last);
        assert!(summary.curve.len() > CURVE / 2 && summary.curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
    }

    #[test]
    fn churn_is_what_was_allocated_per_request() {
        let mut record = leaking_run();
        let untraced = summarize("x", &record, &verdict::judge(&record), String::new());
        assert!(!untraced.measures.contains_key(&Measure::Churn));
        for sample in &mut record.samples {
            let allocated = 7000 * sample.requests.unwrap_or(0);
            sample.heap = Some(crate::model::HeapReading { allocated, ..Default::default() });
        }
        let summary = summarize("x", &record, &verdict::judge(&record), String::new());
        assert!((summary.measures[&Measure::Churn] - 7000.0).abs() < 1.0, "{summary:?}");
    }

    #[test]
    fn a_run_too_short_to_be_judged_has_its_growth_from_end_to_end() {
        let mut record = leaking_run();
        record.samples.retain(|s| s.t < 12.0);
        let verdict = verdict::judge(&record);
        let summary = summarize("x", &record, &verdict, String::new());
        assert!(!summary.growth.contains_key(&Resource::Memory));
        assert_eq!(summary.measures[&Measure::Growth(Resource::Memory)], GROWTH);
    }

    #[test]
    fn what_was_not_measured_is_missing() {
        let mut record = leaking_run();
        record.samples.clear();
        record.meta.workload = None;
        let verdict = verdict::judge(&record);
        let summary = summarize("x", &record, &verdict, String::new());
        assert!(summary.measures.is_empty() && summary.curve.is_empty(), "{summary:?}");
    }
}
