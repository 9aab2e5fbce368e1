//! What the findings don't see of the judged workers themselves, and what speaks against a pass: huge pages, and workers that serve
//! nothing.

use super::Outcome;
use super::doubt::{Doubt, Grown, Kind, Named};
use super::finding::find;
use super::judge::page;
use super::series::{part_series, pool_series};
use crate::model::{Axis, EventKind, MemoryKind, Resource, RunRecord, Sample, Series, WorkerId};
use crate::thresholds::pool::{ENOUGH, IDLE};
use std::collections::BTreeMap;

/// Reasons against a pass in the readings of the workers.
pub(super) fn doubts(record: &RunRecord) -> Vec<Doubt> {
    [huge_pages_grew(record), idle_worker_grew(record)].into_iter().flatten().collect()
}

/// The series that leaks fastest by the budget of memory, each judged by itself, and by how much it grew.
fn leaking(record: &RunRecord, axis: Axis, series: &[Series]) -> Option<(Option<WorkerId>, Grown)> {
    let allowed = record.meta.budgets.memory.filter(|_| axis != Axis::Seconds)?;
    let grown = |one: &Series| {
        let found = find(Resource::Memory, axis, std::slice::from_ref(one), allowed, page(record));
        let begin = one.x.partition_point(|x| *x < one.soak_from);
        let (from, to) = (*one.y.get(begin)?, *one.y.last()?);
        let rate = found.growth.filter(|_| found.outcome == Outcome::Leak)?.estimate;
        Some((one.worker, Grown { from, to, rate, allowed, axis }))
    };
    series.iter().filter_map(grown).max_by(|a, b| a.1.rate.total_cmp(&b.1.rate).then(b.0.cmp(&a.0)))
}

/// Whether huge pages of a judged worker grew, which are in none of its other kinds of memory.
fn huge_pages_grew(record: &RunRecord) -> Option<Doubt> {
    let level = |sample: &Sample| sample.huge;
    let first = record.samples.iter().find_map(level)?;
    if record.samples.iter().filter_map(level).all(|level| level == first) {
        return None;
    }
    let (axis, series) = part_series(record, &level);
    let (worker, grown) = leaking(record, axis, &series)?;
    Some(Doubt::WorkerGrew { who: command_of(record, worker?), kind: Kind::Huge, grown })
}

/// Whether a judged worker grew that served next to no requests: by requests of its own it can't be judged, and is set aside.
fn idle_worker_grew(record: &RunRecord) -> Option<Doubt> {
    if !record.meta.counting.per_worker {
        return None;
    }
    let mut workers: BTreeMap<WorkerId, Vec<&Sample>> = BTreeMap::new();
    for sample in &record.samples {
        workers.entry(sample.worker).or_default().push(sample);
    }
    let served = |samples: &[&Sample]| {
        let mut counts = samples.iter().filter_map(|sample| sample.requests);
        let first = counts.next().unwrap_or(0);
        counts.next_back().map_or(0.0, |last| last.saturating_sub(first) as f64)
    };
    let busiest = workers.values().map(|samples| served(samples)).fold(0.0, f64::max);
    // One that has just begun is not idle.
    let is_idle = |samples: &[&Sample]| samples.len() >= ENOUGH.get() && served(samples) < IDLE.get() * busiest;
    let idle = workers.into_iter().filter(|(_, samples)| is_idle(samples));
    let grew = idle.filter_map(|(worker, samples)| {
        let levels = samples.iter().filter_map(|sample| Some((sample.t, sample.anon_and_swap()? as f64)));
        let (axis, series) = pool_series(record, levels)?;
        Some((worker, leaking(record, axis, &[series])?.1))
    });
    let (worker, grown) = grew.max_by(|a, b| a.1.rate.total_cmp(&b.1.rate))?;
    Some(Doubt::WorkerGrew { who: command_of(record, worker), kind: own(record), grown })
}

/// A worker with its command name.
fn command_of(record: &RunRecord, worker: WorkerId) -> Named {
    let command = record.events.iter().find_map(|event| match &event.kind {
        EventKind::Spawned { worker: spawned, command, .. } if *spawned == worker => Some(command.clone()),
        _ => None,
    });
    Named { pid: worker.pid, command: command.unwrap_or_default() }
}

/// The memory that is judged: of a table it is what its column holds.
fn own(record: &RunRecord) -> Kind {
    match &record.meta.understood {
        Some(table) if table.kind != MemoryKind::Anonymous => Kind::OfTable(table.kind),
        _ => Kind::Own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{END, clean, worker};

    fn told(run: &RunRecord) -> Vec<String> {
        doubts(run).iter().map(crate::words::doubt_reason).collect()
    }

    #[test]
    fn a_judged_worker_that_serves_nothing_and_grows_does_not_pass() {
        let beside = |grows: u64| {
            let mut run = clean();
            for second in 0..END as u64 {
                let mut sample = Sample::new(second as f64 + 0.5, worker(3));
                (sample.anon, sample.swap) = (Some((8 << 20) + second * grows), Some(0));
                (sample.fds, sample.threads, sample.requests) = (Some(5), Some(1), Some(0));
                run.samples.push(sample);
            }
            run
        };
        assert_eq!(told(&beside(0)), [""; 0]);
        let reason = &told(&beside(1 << 20))[0];
        assert!(
            reason.starts_with("anonymous + swap of PID 3, which served next to no request, grew from"),
            "{reason}"
        );
    }

    #[test]
    fn a_worker_that_has_just_begun_is_not_one_that_serves_nothing() {
        let mut run = clean();
        for second in END as u64 - 10..END as u64 {
            let mut sample = Sample::new(second as f64 + 0.5, worker(3));
            (sample.anon, sample.swap) = (Some((8 << 20) + (second << 20)), Some(0));
            (sample.fds, sample.threads, sample.requests) = (Some(5), Some(1), Some(second + 10 - END as u64));
            run.samples.push(sample);
        }
        assert_eq!(told(&run), [""; 0]);
    }
}
