//! What the rule doesn't see of the judged workers themselves, and what speaks against a pass: memory that isn't anonymous,
//! workers that serve nothing, and workers that are born bigger.

use super::doubt::{Doubt, Grown, Kind, Named};
use super::finding::{find, least_jump};
use super::growing::grown;
use super::judge::page;
use super::series::{part_series, pool_series};
use super::{Outcome, series};
use crate::model::{Axis, EventKind, MemoryKind, Resource, RunRecord, Sample, Series, WorkerId};
use crate::stats::median;
use crate::thresholds::pool::{ENOUGH, IDLE};
use crate::thresholds::unjudged::{BIRTHS, WHOLE_LIFE};
use std::collections::BTreeMap;

/// Reasons against a pass in the readings of the workers.
pub(super) fn doubts(record: &RunRecord) -> Vec<Doubt> {
    [workers_grew(record), idle_worker_grew(record), born(record)].into_iter().flatten().collect()
}

/// The series that grew fastest beyond the budget of memory, unless the rule finds them clean: a warm-up is none.
pub(super) fn grown_beyond_rule(
    record: &RunRecord,
    axis: Axis,
    series: &[Series],
) -> Option<(Option<WorkerId>, Grown)> {
    let budget = record.meta.budgets.memory.filter(|_| axis != Axis::Seconds)?;
    let page = page(record);
    let beyond = series.iter().filter_map(|one| {
        let all = grown(one, axis, budget, least_jump(Resource::Memory, page))?;
        Some((one.worker, all))
    });
    let fastest = beyond.max_by(|a, b| a.1.rate.total_cmp(&b.1.rate).then(b.0.cmp(&a.0)))?;
    (find(Resource::Memory, axis, series, budget, page).outcome != Outcome::Clean).then_some(fastest)
}

/// Whether memory of a judged worker grew that isn't anonymous. Shared memory that is charged to the target's own control
/// group is judged there, with what no process has mapped.
fn workers_grew(record: &RunRecord) -> Option<Doubt> {
    let in_group = record.meta.budgets.tmpfs.is_some() && record.host.iter().any(|host| host.cgroup_shmem.is_some());
    type LevelOf = fn(&Sample) -> Option<u64>;
    let kinds: [(Kind, LevelOf); 2] = [(Kind::Shared, |s| s.shmem), (Kind::Huge, |s| s.huge)];
    kinds.into_iter().filter(|(kind, _)| *kind != Kind::Shared || !in_group).find_map(|(kind, level)| {
        let first = record.samples.iter().find_map(level)?;
        if record.samples.iter().filter_map(level).all(|level| level == first) {
            return None;
        }
        let (axis, series) = part_series(record, &level);
        let (worker, grown) = grown_beyond_rule(record, axis, &series)?;
        let worker = worker?;
        Some(Doubt::WorkerGrew { who: command_of(record, worker), kind, grown })
    })
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
        Some((worker, grown_beyond_rule(record, axis, &[series])?.1))
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

/// Whether each new worker begins at a higher level, by more than the budget allows for the requests of a life.
fn born(record: &RunRecord) -> Option<Doubt> {
    let budget = record.meta.budgets.memory?;
    let (axis, series) = series(record, Resource::Memory);
    let served = |one: &Series| one.x.last().zip(one.x.first()).map_or(0.0, |(last, first)| last - first);
    let life = median(&series.iter().map(served).filter(|life| *life > 0.0).collect::<Vec<_>>())?;
    // Whoever served next to nothing has not taken yet what workers are born with, or is none of them.
    let workers = series.iter().filter(|one| served(one) > WHOLE_LIFE.get() * life);
    // Of a life the middle: at first a new process hasn't taken yet what it is born with.
    let born: Vec<f64> = workers.filter_map(|one| median(&one.y)).collect();
    if born.len() < BIRTHS.get() || axis == Axis::Seconds {
        return None;
    }
    let third = born.len() / 3;
    let (early, late) = (&born[..third], &born[born.len() - third..]);
    let floor = |levels: &[f64]| levels.iter().copied().fold(f64::INFINITY, f64::min);
    let ceiling = |levels: &[f64]| levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let growth = (floor(late) - floor(early)).min(ceiling(late) - ceiling(early));
    let each = growth / (born.len() - third) as f64;
    let rate = each / life;
    let more = growth >= least_jump(Resource::Memory, page(record)) && rate > budget;
    let grown = Grown { from: *born.first()?, to: *born.last()?, rate, allowed: budget, axis };
    more.then_some(Doubt::Born { births: born.len(), grown, each })
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
    use crate::fixture::run::{END, clean, record, worker};

    fn told(run: &RunRecord) -> Vec<String> {
        doubts(run).iter().map(crate::words::doubt_reason).collect()
    }

    #[test]
    fn a_worker_whose_shared_memory_grows_does_not_pass() {
        let mut run = clean();
        run.samples.iter_mut().for_each(|s| s.shmem = s.requests.map(|served| (1 << 20) + 4096 * served / 4));
        assert_eq!(told(&run), ["shared memory of PID 1 grew from 1.1 MiB to 2.06 MiB, by 1 KiB/request"]);
        // In a control group of its own, it is judged there.
        run.meta.budgets.tmpfs = Some(64.0);
        run.host.iter_mut().for_each(|host| host.cgroup_shmem = Some(0));
        assert_eq!(told(&run), [""; 0]);
        // What is touched at first and then no more is a warm-up.
        let mut run = clean();
        run.samples.iter_mut().for_each(|s| s.shmem = s.requests.map(|served| 4096 * served.min(500)));
        assert_eq!(told(&run), [""; 0]);
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

    #[test]
    fn workers_that_are_born_bigger_and_bigger_do_not_pass() {
        let lives = |size: u64| {
            let mut run = record(|_| 50 << 20, |_| 12);
            for sample in &mut run.samples {
                // Each lives for ten seconds.
                let life = (sample.t / 10.0) as u32;
                sample.worker = worker(100 * sample.worker.pid + life);
                sample.requests = sample.requests.map(|served| served % 100);
                sample.anon = Some((10 << 20) + u64::from(life) * size);
            }
            run
        };
        assert_eq!(told(&lives(0)), [""; 0]);
        assert_eq!(told(&lives(512)), [""; 0], "512 B in 100 requests");
        let reason = &told(&lives(1 << 20))[0];
        assert!(reason.starts_with("each new worker is born ") && reason.contains("from 10 MiB to 20 MiB"), "{reason}");
    }
}
