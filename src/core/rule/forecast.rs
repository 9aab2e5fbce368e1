//! How growth goes on if it goes on as it did: when a limit is reached, and what recycling of workers keeps it away.
//!
//! Always: counted from the levels at the end of the run, with the whole interval of growth. What isn't known (a limit, a
//! pace, the manager of the workers) is missing and not guessed.

use crate::answer::{
    Ceiling, Finding, Forecast, Interval, LeakClass, LimitReached, Outcome, Reach, Recycling, Setting, round_down,
};
use crate::limits::LIVING;
use crate::model::{Axis, EventKind, Resource, RunRecord, Sample, Series, WorkerId};
use crate::thresholds::scale::MOST;
use std::collections::HashMap;

/// Managers by a part of their program's name, with their setting and whether it counts connections.
const MANAGERS: [(&str, &str, bool); 9] = [
    ("php-fpm", "pm.max_requests", false),
    ("apache2", "MaxConnectionsPerChild", true),
    ("httpd", "MaxConnectionsPerChild", true),
    ("gunicorn", "--max-requests", false),
    ("uvicorn", "--limit-max-requests", false),
    ("hypercorn", "--max-requests", false),
    ("uwsgi", "max-requests", false),
    ("celery", "--max-tasks-per-child", false),
    ("starman", "--max-requests", false),
];

/// Foretells the growth of `finding`, whose judged `series` these are; `None` if there is nothing to tell.
pub fn forecast(record: &RunRecord, finding: &Finding, series: &[Series]) -> Option<Forecast> {
    let growth = finding.growth.filter(|g| g.upper > 0.0 && g.upper.is_finite())?;
    if finding.axis == Axis::Seconds {
        return None;
    }
    let recycled = is_recycled(record);
    let pace = if finding.axis == Axis::Hours { None } else { pace(series) };
    let out = Forecast {
        pace,
        limit: if recycled { None } else { limit(record, finding, &growth, pace) },
        recycling: if finding.outcome == Outcome::Leak { recycling(record, finding, &growth) } else { None },
    };
    (out.limit.is_some() || out.recycling.is_some()).then_some(out)
}

/// Steps of the axis in a second, usual over the series' judged parts.
pub fn pace(series: &[Series]) -> Option<f64> {
    let paces: Vec<f64> = series
        .iter()
        .filter_map(|s| {
            let from = s.judged_from();
            Some((s.x.last()? - s.x.get(from)?) / (s.t.last()? - s.t.get(from)?))
        })
        .filter(|pace| *pace > 0.0)
        .collect();
    crate::stats::median(&paces)
}

/// Whether workers are replaced as the run goes on, so that none grows without end.
fn is_recycled(record: &RunRecord) -> bool {
    let ended = |e: &&crate::model::Event| matches!(&e.kind, EventKind::Exited { cause, stopping: false, .. } if !cause.is_some_and(|c| c.is_abnormal()));
    2 * record.events.iter().filter(ended).count() > record.workers().len()
}

/// The last level of each worker that lived at the end.
fn last_levels(record: &RunRecord, level: impl Fn(&Sample) -> Option<u64>) -> HashMap<WorkerId, f64> {
    let stop = record.events.iter().find(|e| e.kind == EventKind::Stopping).map_or(f64::INFINITY, |e| e.t);
    let within = || record.samples.iter().filter(|s| s.t < stop);
    let end = within().map(|s| s.t).fold(0.0, f64::max);
    within().filter(|s| s.t >= end - LIVING).filter_map(|s| Some((s.worker, level(s)? as f64))).collect()
}

/// A limit that growth runs into: which, how high, what is left, and who fills it.
struct Candidate {
    ceiling: Ceiling,
    limit: f64,
    room: f64,
    workers: u64,
}

fn candidates(record: &RunRecord, finding: &Finding) -> Vec<Candidate> {
    let target = &record.meta.target;
    let mut out = Vec::new();
    let each = |ceiling, limit: f64, levels: &HashMap<WorkerId, f64>| {
        let largest = levels.values().copied().fold(f64::NAN, f64::max);
        (!largest.is_nan()).then_some(Candidate { ceiling, limit, room: limit - largest, workers: 1 })
    };
    if finding.resource == Resource::Descriptors {
        let limit = target.worker_limits.as_ref().and_then(|l| l.open_files);
        out.extend(limit.and_then(|l| each(Ceiling::OpenFiles, l as f64, &last_levels(record, |s| s.fds))));
    }
    if !finding.resource.in_bytes() {
        return out;
    }
    let levels = last_levels(record, Sample::anon_and_swap);
    if finding.resource == Resource::Memory {
        let limit = process_limit(record);
        out.extend(limit.and_then(|l| each(Ceiling::ProcessMemory, l, &levels)));
    }
    let growing = match finding.class {
        LeakClass::LeakInOneWorker => finding.workers.iter().filter(|w| w.leaks).count(),
        _ if finding.axis == Axis::PoolRequests || finding.workers.iter().all(|w| w.worker.is_none()) => 1,
        _ => levels.len(),
    };
    let workers = growing.max(1) as u64;
    if let Some(limit) = group_limit(record).filter(|_| !levels.is_empty()) {
        // The page cache gives way before the limit is hit; shared memory doesn't.
        let shared = record.host.iter().rev().find_map(|h| h.cgroup_shmem).unwrap_or(0) as f64;
        let room = limit - levels.values().sum::<f64>() - shared;
        out.push(Candidate { ceiling: Ceiling::ControlGroup, limit, room, workers });
    }
    if let Some(available) = record.host.iter().rev().find_map(|h| h.mem_available) {
        let (limit, room) = (record.meta.host.memory as f64, available as f64);
        out.push(Candidate { ceiling: Ceiling::Host, limit, room, workers });
    }
    out
}

/// The control group's limit on all of the target.
fn group_limit(record: &RunRecord) -> Option<f64> {
    let target = &record.meta.target;
    let by_group = target.limited_by.as_deref().is_some_and(|by| by.starts_with("cgroup"));
    target.memory_limit.filter(|_| by_group).map(|limit| limit as f64)
}

/// The limit on the anonymous memory of each worker.
fn process_limit(record: &RunRecord) -> Option<f64> {
    let target = &record.meta.target;
    let ours = target.memory_limit.filter(|_| target.limited_by.as_deref() == Some("rlimit"));
    let found = target.worker_limits.as_ref().and_then(|l| l.memory);
    ours.into_iter().chain(found).min().map(|limit| limit as f64)
}

fn limit(record: &RunRecord, finding: &Finding, growth: &Interval, pace: Option<f64>) -> Option<LimitReached> {
    let reached = candidates(record, finding).into_iter().filter(|c| c.room > 0.0).map(|c| {
        let steps = |rate: f64| c.room / (rate * c.workers as f64);
        let possible = |rate: f64| (rate > 0.0).then(|| steps(rate));
        let steps =
            Reach { soonest: steps(growth.upper), estimate: possible(growth.estimate), latest: possible(growth.lower) };
        let seconds = match (finding.axis, pace) {
            (Axis::Hours, _) => Some(steps.scaled(3600.0)),
            (_, Some(pace)) => Some(steps.scaled(1.0 / pace)),
            _ => None,
        };
        LimitReached { ceiling: c.ceiling, limit: c.limit, room: c.room, workers: c.workers, steps, seconds }
    });
    reached.min_by(|a, b| a.steps.soonest.total_cmp(&b.steps.soonest))
}

impl Reach {
    fn scaled(self, factor: f64) -> Self {
        let times = |v: f64| v * factor;
        Reach { soonest: times(self.soonest), estimate: self.estimate.map(times), latest: self.latest.map(times) }
    }
}

fn recycling(record: &RunRecord, finding: &Finding, growth: &Interval) -> Option<Recycling> {
    if !matches!(finding.axis, Axis::WorkerRequests | Axis::SharedRequests) {
        return None;
    }
    let given = record.meta.target.max_worker_size.map(|size| size as f64);
    let (size, chosen) = match finding.resource {
        Resource::Memory => {
            given.map_or_else(|| Some((MOST.get() * fair_share(record)?, false)), |size| Some((size, true)))?
        }
        Resource::Descriptors => (MOST.get() * record.meta.target.worker_limits.as_ref()?.open_files? as f64, false),
        _ => return None,
    };
    // The largest worker at the begin of its judged part, and the requests that it had served by then.
    let begun = finding.workers.iter().filter(|w| w.growth.is_some() && w.first.is_finite());
    let largest = begun.max_by(|a, b| a.first.total_cmp(&b.first))?;
    let before = largest.fit.as_ref().map_or(0.0, |fit| fit.from).max(0.0);
    let requests = (size > largest.first).then(|| round_down(before + (size - largest.first) / growth.upper));
    Some(Recycling { size, chosen, requests: requests.filter(|n| *n >= 1.0), setting: setting(record) })
}

/// What a worker may grow to by the limits of the target: its own, or an even share of that for all. The memory of the host is no size
/// that anybody would let a worker grow to.
fn fair_share(record: &RunRecord) -> Option<f64> {
    let workers = last_levels(record, Sample::anon_and_swap).len().max(1) as f64;
    let shares = [process_limit(record), group_limit(record).map(|l| l / workers)];
    shares.into_iter().flatten().min_by(f64::total_cmp)
}

/// The setting that recycles workers of this target, as far as the names of its programs tell.
fn setting(record: &RunRecord) -> Option<Setting> {
    let target = &record.meta.target;
    let spawned = record.events.iter().filter_map(|e| match &e.kind {
        EventKind::Spawned { command, .. } => Some(command.as_str()),
        _ => None,
    });
    let names: Vec<&str> =
        target.command.iter().map(String::as_str).chain(target.executable.as_deref()).chain(spawned).collect();
    // A path is told by its last part: what lies in /srv/httpd is not httpd.
    let runs = |program: &str| {
        let is = |word: &str| word.rsplit('/').next().unwrap_or(word).starts_with(program);
        names.iter().any(|name| name.split_whitespace().any(is))
    };
    let (_, name, per_connection) = *MANAGERS.iter().find(|(program, ..)| runs(program))?;
    let requests_per_connection = record.meta.config["workload"]["requests-per-connection"].as_f64();
    Some(Setting { name: name.to_owned(), per_connection, requests_per_connection })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{clean, event, leaking, record, worker};
    use crate::model::{ExitCause, WorkerLimits};
    use crate::verdict::judge;

    fn of(run: &RunRecord, resource: Resource) -> Option<Forecast> {
        judge(run).findings.into_iter().find(|f| f.resource == resource)?.forecast
    }

    #[test]
    fn a_pool_fills_its_control_group_together() {
        let mut run = leaking();
        (run.meta.target.memory_limit, run.meta.target.limited_by) = (Some(1 << 30), Some("cgroup v2".into()));
        let limit = of(&run, Resource::Memory).unwrap().limit.unwrap();
        assert_eq!((limit.ceiling, limit.workers), (Ceiling::ControlGroup, 2));
        // Two workers of 50 MiB and 1090 pages each; each request takes a page, and there are ten a second.
        let room = f64::from(1 << 30) - 2.0 * f64::from((50 << 20) + 4096 * 1090);
        let steps = limit.steps.estimate.unwrap();
        assert!((steps - room / 8192.0).abs() < 0.01 * steps, "{steps}");
        assert!(limit.steps.soonest <= steps && limit.steps.latest.unwrap() >= steps);
        let seconds = limit.seconds.unwrap().estimate.unwrap();
        assert!((seconds - steps / 10.0).abs() < 0.01 * seconds, "{seconds}");
    }

    #[test]
    fn the_tightest_limit_counts() {
        let mut run = leaking();
        run.meta.target.worker_limits = Some(WorkerLimits { memory: Some(100 << 20), open_files: None });
        run.host.iter_mut().for_each(|h| h.mem_available = Some(8 << 30));
        let limit = of(&run, Resource::Memory).unwrap().limit.unwrap();
        assert_eq!((limit.ceiling, limit.workers), (Ceiling::ProcessMemory, 1));
        run.meta.target.worker_limits = None;
        assert_eq!(of(&run, Resource::Memory).unwrap().limit.unwrap().ceiling, Ceiling::Host);
    }

    #[test]
    fn a_size_becomes_a_setting_of_the_manager() {
        let mut run = leaking();
        run.meta.target.max_worker_size = Some(60 << 20);
        let recycling = of(&run, Resource::Memory).unwrap().recycling.unwrap();
        // 50 MiB to 60 MiB are 2560 pages.
        assert_eq!((recycling.requests, recycling.chosen, &recycling.setting), (Some(2500.0), true, &None));
        run.meta.target.command = ["/usr/sbin/apache2", "-DFOREGROUND"].map(str::to_owned).to_vec();
        let recycling = of(&run, Resource::Memory).unwrap().recycling.unwrap();
        assert_eq!(recycling.value(), None, "how many requests a connection carries isn't known");
        run.meta.config = serde_json::json!({ "workload": { "requests-per-connection": 25 } });
        let recycling = of(&run, Resource::Memory).unwrap().recycling.unwrap();
        assert_eq!(
            (recycling.setting.as_ref().unwrap().name.as_str(), recycling.value()),
            ("MaxConnectionsPerChild", Some(100.0))
        );
        run.meta.target.max_worker_size = Some(40 << 20);
        let recycling = of(&run, Resource::Memory).unwrap().recycling.unwrap();
        assert_eq!((recycling.requests, recycling.value()), (None, None), "it begins above the size");
    }

    #[test]
    fn the_memory_of_the_host_is_no_size_to_recycle_at() {
        let mut run = leaking();
        run.meta.host.memory = 16 << 30;
        run.host.iter_mut().for_each(|h| h.mem_available = Some(8 << 30));
        let forecast = of(&run, Resource::Memory).unwrap();
        assert!(forecast.recycling.is_none() && forecast.limit.is_some(), "{forecast:?}");
        run.meta.target.worker_limits = Some(WorkerLimits { memory: Some(100 << 20), open_files: None });
        assert!(of(&run, Resource::Memory).unwrap().recycling.is_some());
    }

    #[test]
    fn managers_are_told_by_their_programs() {
        let mut run = clean();
        let mut named = |words: &[&str]| {
            run.meta.target.command = words.iter().map(|w| (*w).to_owned()).collect();
            setting(&run).map(|s| s.name)
        };
        assert_eq!(named(&["php-fpm8.2", "-F"]).as_deref(), Some("pm.max_requests"));
        assert_eq!(named(&["sh", "-c", "exec gunicorn app:app"]).as_deref(), Some("--max-requests"));
        assert_eq!(named(&["/srv/httpd/bin/own-server"]), None);
    }

    #[test]
    fn descriptors_run_into_their_own_limit() {
        let mut run = record(|_| 50 << 20, |served| 12 + served / 4);
        run.meta.target.worker_limits = Some(WorkerLimits { memory: None, open_files: Some(1024) });
        let forecast = of(&run, Resource::Descriptors).unwrap();
        let limit = forecast.limit.unwrap();
        assert_eq!(limit.ceiling, Ceiling::OpenFiles);
        let left = (1024.0 - 12.0 - 272.0) / 0.25;
        assert!((limit.steps.estimate.unwrap() - left).abs() < 0.02 * left, "{limit:?}");
        assert!(forecast.recycling.unwrap().requests.is_some());
    }

    #[test]
    fn what_does_not_grow_has_no_recycling_and_what_is_recycled_no_limit() {
        let mut run = clean();
        run.host.iter_mut().for_each(|h| h.mem_available = Some(8 << 30));
        let flat = of(&run, Resource::Memory);
        assert!(flat.is_none_or(|f| f.recycling.is_none() && f.limit.is_none_or(|l| l.steps.latest.is_none())));
        let mut run = leaking();
        run.host.iter_mut().for_each(|h| h.mem_available = Some(8 << 30));
        for pid in [1, 2] {
            let cause = Some(ExitCause::Code(0));
            run.events.push(event(50.0, EventKind::Exited { worker: worker(pid), cause, stopping: false }));
        }
        assert!(of(&run, Resource::Memory).is_none_or(|f| f.limit.is_none()));
    }
}
