//! A process that began shortly before the watch warms up: its growth is no leak before it has outlasted its start by far.
//!
//! A runtime fills its heap, a database its buffers, in straight lines that no model can tell from a leak. Only time can.

use super::assess::Demands;
use super::step_down::{Candidate, step_down};
use crate::answer::{Finding, LeakClass, Outcome, Reason, Settle};
use crate::model::{EventKind, RunRecord, WorkerId};
use crate::readings::warm_up::begin_at;
use crate::thresholds::scale::FEW;
use crate::thresholds::youth::{GROWN_UP, LEAST, MOST, TIMES};
use std::collections::HashMap;

/// A worker that was young when the watch began.
#[derive(Debug, Clone, Copy)]
struct Young {
    /// Age in seconds when it was first seen.
    age: f64,
    /// The age at which it is taken to have warmed up.
    until: f64,
    /// Seconds since the start of the run at which it has that age.
    t: f64,
}

/// The age until which a process warms up that was so old when it was first seen, in a watch of so many seconds.
fn warms_up_until(age: f64, watch: f64) -> f64 {
    match age {
        _ if age < GROWN_UP.get() => (TIMES.get() * age).clamp(LEAST.get(), MOST.get()),
        _ if age < watch => FEW.get() as f64 * age,
        _ => 0.0,
    }
}

/// Workers that were young when they were first seen; none if the user has said how long they warm up.
fn young(record: &RunRecord) -> HashMap<WorkerId, Young> {
    if record.meta.target.warm_up.is_some() {
        return HashMap::new();
    }
    let now = record.samples.last().map_or(0.0, |sample| sample.t);
    let all = record.events.iter().filter_map(|event| match event.kind {
        EventKind::Spawned { worker, age: Some(age), .. } => {
            let until = warms_up_until(age, now - event.t);
            Some((worker, Young { age, until, t: event.t + until - age }))
        }
        _ => None,
    });
    all.filter(|(_, young)| young.until > young.age).collect()
}

/// Takes leaks back that have only been seen in young processes, and not beyond their warm-up.
pub fn outlasted(record: &RunRecord, judged: &[Candidate], findings: &mut [Finding], demands: Demands) {
    let young = young(record);
    if young.is_empty() || findings.iter().all(|finding| finding.outcome != Outcome::Leak) {
        return;
    }
    let grown_up = |one: &Candidate| {
        let mut one = one.clone();
        for series in &mut one.series {
            // What belongs to all begins with the youngest.
            let t = match series.worker {
                Some(worker) => young.get(&worker).map(|young| young.t),
                None => young.values().map(|young| young.t).max_by(f64::total_cmp),
            };
            t.into_iter().for_each(|t| begin_at(series, t));
        }
        one
    };
    let later: Vec<Candidate> = judged.iter().map(grown_up).collect();
    let later = step_down(&later, record.page(), demands);
    for (finding, later) in findings.iter_mut().zip(later) {
        if finding.outcome == Outcome::Leak && later.outcome != Outcome::Leak {
            warming_up(finding, &young);
        }
    }
}

fn warming_up(finding: &mut Finding, young: &HashMap<WorkerId, Young>) {
    let Some((worker, youngest)) = young.iter().min_by(|a, b| a.1.age.total_cmp(&b.1.age).then(a.0.cmp(b.0))) else {
        return;
    };
    finding.outcome = Outcome::Inconclusive;
    finding.class = LeakClass::Unknown;
    finding.workers.iter_mut().for_each(|worker| worker.leaks = false);
    finding.reason = Reason::Young { pid: worker.pid, age: youngest.age };
    finding.settle = Some(Settle::Outlast(youngest.until));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::ExitCode;
    use crate::fixture::run::{END, clean, event, leaking, worker};
    use crate::verdict::judge;

    /// Workers that were so old when the watch began.
    fn aged(mut run: RunRecord, age: f64) -> RunRecord {
        run.events.clear();
        for pid in [1, 2] {
            let command = "worker".to_owned();
            run.events.push(event(0.0, EventKind::Spawned { worker: worker(pid), parent: 9, command, age: Some(age) }));
        }
        run
    }

    #[test]
    fn growth_of_a_young_process_is_no_leak_until_it_has_outlasted_its_start_by_far() {
        for (age, code) in [(2.0, ExitCode::Leak), (30.0, ExitCode::Inconclusive), (120.0, ExitCode::Inconclusive)] {
            let verdict = judge(&aged(leaking(), age));
            assert_eq!(verdict.exit, code, "{age}: {:?}", verdict.findings[0].reason);
        }
        assert_eq!(judge(&aged(leaking(), 3600.0)).exit, ExitCode::Leak);
        assert_eq!(judge(&aged(clean(), 30.0)).exit, ExitCode::Clean, "what doesn't grow needs no time");
        let told = &judge(&aged(leaking(), 30.0)).findings[0];
        assert_eq!(told.reason, Reason::Young { pid: 1, age: 30.0 });
        assert_eq!(told.settle, Some(Settle::Outlast(300.0)));
    }

    #[test]
    fn the_user_may_know_how_long_it_warms_up() {
        let mut run = aged(leaking(), 30.0);
        run.meta.target.warm_up = Some(40.0);
        assert_eq!(judge(&run).exit, ExitCode::Leak);
        // What is read before that isn't judged.
        let mut start = aged(clean(), 30.0);
        start
            .samples
            .iter_mut()
            .filter(|s| s.t < 50.0)
            .for_each(|s| s.anon = s.anon.map(|b| b / 100 + (s.t as u64) * 999_424));
        start.meta.target.warm_up = Some(30.0 + 50.0);
        assert_eq!(judge(&start).exit, ExitCode::Clean);
        start.meta.target.warm_up = Some(30.0 + END);
        assert_eq!(judge(&start).exit, ExitCode::Inconclusive);
    }

    #[test]
    fn an_old_process_may_be_young_beside_a_long_watch() {
        assert_eq!(warms_up_until(5.0, 60.0), 50.0);
        assert_eq!(warms_up_until(1.0, 60.0), LEAST.get());
        assert_eq!(warms_up_until(300.0, 60.0), MOST.get());
        assert_eq!(warms_up_until(1000.0, 600.0), 0.0);
        assert_eq!(warms_up_until(1000.0, 7200.0), 3000.0);
    }
}
