//! What was read, raw: one series for each worker incarnation, or one of the target as a whole, along the axis that it is judged on.
//!
//! Nothing is cut here, and a number is never made up for a reading that is missing.

use super::census;
use super::metrics;
use super::pool_count::PoolCount;
use super::shares::Shares;
use crate::answer::ReadingNote;
use crate::model::{Axis, CountingSource, HostSample, Per, Resource, RunRecord, Sample, Series, WorkerId};
use std::collections::HashMap;

/// Seconds of an hour.
const HOUR: f64 = 3600.0;

/// The judged readings of one resource, with what the reader should know of them.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    pub axis: Option<Axis>,
    pub series: Vec<Series>,
    /// What was dropped or is worth less than it seems.
    pub notes: Vec<ReadingNote>,
}

/// Each worker's readings of a level; `resource` is what notes are said of, if anything.
pub fn of_workers(record: &RunRecord, resource: Option<Resource>, level: &dyn Fn(&Sample) -> Option<u64>) -> Readings {
    let mut order: HashMap<WorkerId, usize> = HashMap::new();
    let mut by_worker: Vec<(WorkerId, Vec<&Sample>)> = Vec::new();
    for sample in &record.samples {
        let index = *order.entry(sample.worker).or_insert_with(|| {
            by_worker.push((sample.worker, Vec::new()));
            by_worker.len() - 1
        });
        by_worker[index].1.push(sample);
    }
    let mut out = Readings::default();
    let counted = record.samples.iter().any(|s| s.requests.is_some());
    let hourly = record.meta.budgets.per == Per::Hour;
    let shares =
        if hourly || record.meta.counting.per_worker && counted { None } else { Shares::new(record, &by_worker) };
    let axis = match (&shares, record.meta.counting.per_worker && counted) {
        _ if hourly => Axis::Hours,
        (_, true) => Axis::WorkerRequests,
        (Some(_), _) => Axis::SharedRequests,
        _ => Axis::Seconds,
    };
    out.axis = Some(axis);
    let (mut uncounted, mut unread) = (0, 0);
    for (worker, samples) in by_worker {
        let mut one = Series { worker: Some(worker), ..Series::default() };
        let born = samples.first().map_or(0.0, |s| s.t);
        for sample in samples {
            let Some(y) = level(sample) else {
                unread += 1;
                continue;
            };
            let x = match (axis, &shares) {
                (Axis::WorkerRequests, _) => sample.requests.map(|r| r as f64),
                (_, Some(shares)) => Some(shares.between(worker, born, sample.t)),
                (Axis::Hours, _) => Some(sample.t / HOUR),
                _ => Some(sample.t),
            };
            let Some(x) = x else {
                uncounted += 1;
                continue;
            };
            one.t.push(sample.t);
            one.x.push(x);
            one.y.push(y as f64);
        }
        out.series.push(one);
    }
    let Some(resource) = resource else { return out };
    // A page is read less often than memory; only a log that doesn't mention a worker is worth a word.
    if uncounted > 0 && record.meta.counting.source == CountingSource::AccessLog {
        out.notes.push(ReadingNote::Uncounted(resource, uncounted));
    }
    if unread > 0 {
        out.notes.push(ReadingNote::Unread(resource, unread));
    }
    out
}

/// Readings of the target as a whole.
pub fn of_pool(record: &RunRecord, resource: Resource) -> Readings {
    match resource {
        Resource::Rest => return of_account(record, resource, census::rest_levels(record)),
        Resource::Processes => return of_account(record, resource, census::process_levels(record)),
        Resource::Metric(metric) => return of_account(record, resource, metrics::levels(record, metric)),
        _ => {}
    }
    let mut out = Readings::default();
    let own = resource == Resource::Kernel || record.host.iter().any(|h| h.cgroup_shmem.is_some());
    // A tmpfs that isn't mounted here, and SysV segments, show in the sum alone; old runs have the mounts alone.
    let whole = record.host.iter().any(|h| h.shmem.is_some());
    let value = |h: &HostSample| match resource {
        Resource::Kernel => h.cgroup_kernel,
        _ if own => h.cgroup_shmem,
        _ if whole => h.shmem,
        _ => h.tmpfs,
    };
    let (axis, one) = raw_pool_series(record, record.host.iter().filter_map(|h| Some((h.t, value(h)? as f64))));
    out.axis = Some(axis);
    if !one.y.is_empty() {
        if !own {
            out.notes.push(ReadingNote::HostWide);
        }
        out.series.push(one);
    }
    out
}

/// What censuses have of the whole target, or looks at a metric.
fn of_account(record: &RunRecord, resource: Resource, levels: Vec<(f64, Option<f64>)>) -> Readings {
    let unread = levels.iter().filter(|(_, level)| level.is_none()).count();
    let (axis, one) = raw_pool_series(record, levels.into_iter().filter_map(|(t, level)| Some((t, level?))));
    let note = (unread > 0).then_some(ReadingNote::Unread(resource, unread as u64));
    let series = if one.y.is_empty() { Vec::new() } else { vec![one] };
    Readings { axis: Some(axis), series, notes: note.into_iter().collect() }
}

/// A series of the target as a whole from its levels at some moments, and the axis it is on; nothing is cut yet.
pub fn raw_pool_series(record: &RunRecord, levels: impl Iterator<Item = (f64, f64)>) -> (Axis, Series) {
    let hourly = record.meta.budgets.per == Per::Hour;
    let pool = if hourly { None } else { PoolCount::new(record) };
    let time = if hourly { HOUR } else { 1.0 };
    let mut one = Series::default();
    for (t, y) in levels {
        one.t.push(t);
        one.x.push(pool.as_ref().map_or(t / time, |p| p.at(t)));
        one.y.push(y);
    }
    let axis = match pool {
        _ if hourly => Axis::Hours,
        Some(_) => Axis::PoolRequests,
        None => Axis::Seconds,
    };
    (axis, one)
}
