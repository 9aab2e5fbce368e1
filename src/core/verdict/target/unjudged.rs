//! What the findings don't see of the judged workers themselves, and what speaks against a pass: huge pages, and workers that do next
//! to nothing of the work.

use crate::answer::{Doubt, Grown, Kind, Named, Outcome};
use crate::model::{Axis, EventKind, MemoryKind, Resource, RunRecord, Sample, Series, WorkerId};
use crate::readings::series::{part_series, pool_series, series};
use crate::rule::finding::find;
use crate::thresholds::scale::{ENOUGH, LITTLE};
use std::collections::BTreeMap;

/// Reasons against a pass in the readings of the workers.
pub fn doubts(record: &RunRecord) -> Vec<Doubt> {
    [named_ended(record), huge_pages_grew(record), idle_worker_grew(record)].into_iter().flatten().collect()
}

/// By how much a series grew, if judged by itself it leaks more of a resource than its budget allows.
pub fn leaking(record: &RunRecord, resource: Resource, axis: Axis, one: &Series) -> Option<Grown> {
    let (outcome, grown) = growing(record, resource, axis, one, record.budget(resource)?)?;
    (outcome == Outcome::Leak).then_some(grown)
}

/// By how much a series grew, if judged by itself it may leak more than is `allowed`: it does in the estimate, and isn't proven clean.
pub fn may_leak(record: &RunRecord, resource: Resource, axis: Axis, one: &Series, allowed: f64) -> Option<Grown> {
    let (outcome, grown) = growing(record, resource, axis, one, allowed)?;
    (outcome != Outcome::Clean && grown.rate > allowed).then_some(grown)
}

/// By how much a series grew beyond doubt, and the answer for it beside what is `allowed` for a step of the axis.
pub fn growing(
    record: &RunRecord,
    resource: Resource,
    axis: Axis,
    one: &Series,
    allowed: f64,
) -> Option<(Outcome, Grown)> {
    if axis == Axis::Seconds {
        return None;
    }
    let found = find(resource, axis, std::slice::from_ref(one), allowed, record.page());
    let begin = one.judged_from();
    let (from, to) = (*one.y.get(begin)?, *one.y.last()?);
    let growth = found.growth.filter(|growth| growth.lower > 0.0)?;
    Some((found.outcome, Grown { from, to, rate: growth.estimate, allowed, axis }))
}

/// Whether a column of a table grew that holds more of a process than the one that is judged: what that one lacks grew.
pub(super) fn wider_grew(record: &RunRecord) -> Option<Doubt> {
    let wider = record.meta.understood.as_ref()?.wider.as_ref()?;
    let (axis, series) = part_series(record, &|sample| Some(sample.wider?.saturating_add(sample.swap.unwrap_or(0))));
    let allowed = record.budget(Resource::Memory).filter(|_| axis != Axis::Seconds)?;
    let found = find(Resource::Memory, axis, &series, allowed, record.page());
    let growth = found.growth.filter(|growth| growth.lower > 0.0 && growth.estimate > allowed)?;
    let ends = series.iter().filter_map(|one| Some((*one.y.get(one.judged_from())?, *one.y.last()?)));
    let (from, to) = ends.max_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)))?;
    // What isn't judged has to be proven to keep to the budget, as what is.
    let grown = Grown { from, to, rate: growth.estimate, allowed, axis };
    (found.outcome != Outcome::Clean).then(|| Doubt::WiderGrew {
        column: wider.column.clone(),
        kind: wider.kind,
        grown,
    })
}

/// The doubt about the worker that grew the most over what is allowed.
pub fn worst(record: &RunRecord, grew: impl Iterator<Item = (WorkerId, Kind, Grown)>) -> Option<Doubt> {
    let over = |grown: &Grown| grown.rate / grown.allowed;
    let (worker, kind, grown) = grew.max_by(|a, b| over(&a.2).total_cmp(&over(&b.2)).then(b.0.cmp(&a.0)))?;
    Some(Doubt::WorkerGrew { who: command_of(record, worker), kind, grown })
}

/// Whether one of the processes that were named by their PIDs ended before the watch did.
fn named_ended(record: &RunRecord) -> Option<Doubt> {
    let named = record.meta.config["attach"]["target"]["pids"].as_array()?;
    let is_named = |worker: &WorkerId| named.iter().any(|pid| pid.as_u64() == Some(u64::from(worker.pid)));
    // One that has become another program goes on.
    let goes_on = |ended: &WorkerId| {
        let follows = |worker: &WorkerId| worker.is_same_process(*ended) && worker.generation > ended.generation;
        record.events.iter().any(|event| matches!(&event.kind, EventKind::Spawned { worker, .. } if follows(worker)))
    };
    let ended = record.events.iter().find_map(|event| match &event.kind {
        EventKind::Exited { worker, stopping: false, .. } if is_named(worker) && !goes_on(worker) => {
            Some((*worker, event.t))
        }
        _ => None,
    });
    ended.map(|(worker, after)| Doubt::NamedEnded { who: command_of(record, worker), after })
}

/// Whether huge pages of a judged worker grew, which are in none of its other kinds of memory.
fn huge_pages_grew(record: &RunRecord) -> Option<Doubt> {
    let level = |sample: &Sample| sample.huge;
    let first = record.samples.iter().find_map(level)?;
    if record.samples.iter().filter_map(level).all(|level| level == first) {
        return None;
    }
    let (axis, series) = part_series(record, &level);
    let grew =
        series.iter().filter_map(|one| Some((one.worker?, Kind::Huge, leaking(record, Resource::Memory, axis, one)?)));
    worst(record, grew)
}

/// Whether a judged worker grew that served next to no requests: by requests of its own it can't be judged, and is set aside.
fn idle_worker_grew(record: &RunRecord) -> Option<Doubt> {
    let resources = Resource::ALL.into_iter().filter(|resource| !resource.of_whole_target());
    let grew = resources.flat_map(|resource| match record.meta.counting.per_worker {
        true => counted_idle(record, resource),
        false => shared_idle(record, resource),
    });
    worst(record, grew)
}

/// Idle workers that grew beside others whose requests are counted: held against those of the pool.
fn counted_idle(record: &RunRecord, resource: Resource) -> Vec<(WorkerId, Kind, Grown)> {
    let mut workers: BTreeMap<WorkerId, Vec<&Sample>> = BTreeMap::new();
    for sample in &record.samples {
        workers.entry(sample.worker).or_default().push(sample);
    }
    // For each second: one that has just begun is not idle.
    let served = |samples: &[&Sample]| {
        let mut counts = samples.iter().filter_map(|sample| Some((sample.t, sample.requests? as f64)));
        let (begin, first) = counts.next()?;
        let (end, last) = counts.next_back().filter(|(end, _)| *end > begin)?;
        Some((last - first) / (end - begin))
    };
    let busiest = workers.values().filter_map(|samples| served(samples)).fold(0.0, f64::max);
    let is_idle =
        |samples: &[&Sample]| samples.len() >= ENOUGH.get() && served(samples).unwrap_or(0.0) < LITTLE.get() * busiest;
    let idle = workers.into_iter().filter(|(_, samples)| is_idle(samples));
    let grew = idle.filter_map(|(worker, samples)| {
        let levels = samples.iter().filter_map(|sample| Some((sample.t, sample.level(resource)? as f64)));
        let (axis, one) = pool_series(record, levels)?;
        Some((worker, of(record, resource), leaking(record, resource, axis, &one)?))
    });
    grew.collect()
}

/// The same beside others with whom it shares requests, by CPU time.
fn shared_idle(record: &RunRecord, resource: Resource) -> Vec<(WorkerId, Kind, Grown)> {
    let (axis, series) = series(record, resource);
    if axis != Axis::SharedRequests {
        return Vec::new();
    }
    let span = |of: &[f64]| of.first().zip(of.last()).map_or(0.0, |(first, last)| last - first);
    let served = |one: &Series| if span(&one.t) > 0.0 { span(&one.x) / span(&one.t) } else { 0.0 };
    let busiest = series.iter().map(served).fold(0.0, f64::max);
    let idle = series.iter().filter(|one| one.x.len() >= ENOUGH.get() && served(one) < LITTLE.get() * busiest);
    let grew = idle.filter_map(|one| Some((one.worker?, of(record, resource), leaking(record, resource, axis, one)?)));
    grew.collect()
}

/// A worker with its command name, or what a table calls it.
pub fn command_of(record: &RunRecord, worker: WorkerId) -> Named {
    let command = record.events.iter().find_map(|event| match &event.kind {
        EventKind::Spawned { worker: spawned, command, .. } if *spawned == worker => Some(command.clone()),
        _ => None,
    });
    let called = record.meta.understood.as_ref().and_then(|table| table.called.get(&worker.pid).cloned());
    Named { pid: worker.pid, command: command.or(called).unwrap_or_default() }
}

/// What is judged of a resource: of a table memory is what its column holds.
pub fn of(record: &RunRecord, resource: Resource) -> Kind {
    match &record.meta.understood {
        Some(table) if resource == Resource::Memory && table.kind != MemoryKind::Anonymous => Kind::OfTable(table.kind),
        _ => Kind::Judged(resource),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{END, clean, event, worker};

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
    fn requests_that_are_shared_out_do_not_hide_a_slow_worker_that_grows() {
        let third = |grows: f64, fds: f64, cpu: f64| {
            let mut run = clean();
            run.meta.counting.per_worker = false;
            for sample in &mut run.samples {
                (sample.requests, sample.cpu_user, sample.cpu_system) = (None, Some(sample.t * 0.2), Some(0.0));
            }
            for second in 0..END as u64 {
                let mut sample = Sample::new(second as f64 + 0.5, worker(3));
                (sample.anon, sample.swap) = (Some((8 << 20) + (sample.t * grows) as u64), Some(0));
                (sample.fds, sample.threads) = (Some(5 + (sample.t * fds) as u64), Some(1));
                (sample.cpu_user, sample.cpu_system) = (Some(0.0), Some(sample.t * cpu));
                run.samples.push(sample);
            }
            told(&run)
        };
        assert_eq!(third(0.0, 0.0, 0.001), [""; 0]);
        assert_eq!(third(300.0, 0.0, 0.2), [""; 0], "it works as the others do, and is judged as they are");
        for cpu in [0.0, 0.001] {
            let [reason] = &third(300.0, 0.0, cpu)[..] else { panic!("{:?}", third(300.0, 0.0, cpu)) };
            let begin = "anonymous + swap of PID 3, which by its CPU time served hardly a request, grew from";
            assert!(reason.starts_with(begin), "{reason}");
        }
        let [reason] = &third(0.0, 0.5, 0.001)[..] else { panic!("{:?}", third(0.0, 0.5, 0.001)) };
        assert!(reason.starts_with("descriptors of PID 3, which by its CPU time served hardly"), "{reason}");
    }

    #[test]
    fn a_process_that_was_named_is_watched_to_the_end() {
        let mut run = clean();
        run.meta.config = serde_json::json!({ "attach": { "target": { "pids": [1, 2] } } });
        assert_eq!(told(&run), [""; 0]);
        run.events.push(event(17.0, EventKind::Exited { worker: worker(2), cause: None, stopping: false }));
        assert_eq!(told(&run), ["PID 2, which was to be watched, ended after 17 s"]);
        let mut execs = run.clone();
        let arrival = EventKind::Spawned { worker: worker(2).next(), parent: 1, command: "other".into(), age: None };
        execs.events.push(event(17.0, arrival));
        assert_eq!(told(&execs), [""; 0], "it has become another program");
        run.meta.config = serde_json::json!({ "attach": { "target": { "match": "demo" } } });
        assert_eq!(told(&run), [""; 0], "of those that match, some may come and go");
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
