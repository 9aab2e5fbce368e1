//! What the counts of requests say against a pass: a pattern that matches nothing, PIDs of others, counts far from what was
//! sent; and against time, a target that was idle.

use crate::answer::Doubt;
use crate::model::{EventKind, Per, RunRecord};
use crate::thresholds::counts::{ALL_BUT_IDLE, OF_OTHERS, TICK, TICKS, TOO_FEW, TOO_MANY};
use crate::thresholds::scale::{ENOUGH, LITTLE, PARTS, TENTH};
use std::collections::HashMap;

/// Reasons against a pass in the counts of requests.
pub fn doubts(record: &RunRecord) -> Vec<Doubt> {
    let counted = counted(record);
    let sent = sent(record);
    let mut out = Vec::new();
    for event in &record.events {
        match &event.kind {
            EventKind::LogRead { lines: 0, .. } => {
                out.extend(sent.filter(|sent| *sent >= ENOUGH.get() as u64).map(|sent| Doubt::NoLines { sent }));
            }
            EventKind::LogRead { lines, matched: 0, unmatched: Some(first), .. } => {
                out.push(Doubt::NoLineMatches { lines: *lines, first: first.clone() });
            }
            EventKind::LogRead { matched, strangers, stranger, .. }
                if *matched >= ENOUGH.get() as u64 && *strangers as f64 > OF_OTHERS.get() * *matched as f64 =>
            {
                out.push(Doubt::Strangers { counted: *matched, strangers: *strangers, first: *stranger });
            }
            EventKind::PageRead { look_ups, left_out } => {
                let own = look_ups.saturating_sub(*left_out);
                if own as f64 > TENTH.get() * counted as f64 && own >= ENOUGH.get() as u64 {
                    out.push(Doubt::OwnLookUps { counted, own });
                }
            }
            _ => {}
        }
    }
    let apart = |sent: &u64| *sent >= ENOUGH.get() as u64 && out.is_empty() && record.meta.counting.per_worker;
    if let Some(sent) = sent.filter(apart) {
        let (ok, begun) = (served(record) as f64, sent as f64);
        if counted as f64 > TOO_MANY.get() * begun || (counted as f64) < ok / TOO_FEW.get() {
            out.push(Doubt::CountsApart { counted, sent });
        }
    }
    out
}

/// When the driver's first phase began: what was counted before are look-ups whether the target is ready.
fn begin(record: &RunRecord) -> f64 {
    let phase = record.events.iter().find(|event| matches!(event.kind, EventKind::Phase { .. }));
    phase.map_or(0.0, |event| event.t)
}

/// Requests that were counted since the load began.
fn counted(record: &RunRecord) -> u64 {
    let begin = begin(record);
    let counts = || record.host.iter().filter_map(|host| Some((host.t, host.requests?)));
    let before = counts().take_while(|(t, _)| *t <= begin).last().or_else(|| counts().next());
    let last = counts().next_back();
    last.zip(before).map_or(0, |((_, last), (_, before))| last.saturating_sub(before))
}

/// Requests that were sent; `None` if nothing was driven, or a command that doesn't say how many it sent.
fn sent(record: &RunRecord) -> Option<u64> {
    let sent = record.load.iter().fold(0, |sum: u64, load| sum.saturating_add(load.sent));
    (sent > 0).then_some(sent)
}

/// Requests that were answered as expected.
fn served(record: &RunRecord) -> u64 {
    record.load.iter().fold(0, |sum, load| sum.saturating_add(load.ok))
}

/// Whether growth is held against time in which the target did next to nothing.
pub fn idle(record: &RunRecord) -> Option<Doubt> {
    let (first, last) = (record.samples.first()?.t, record.samples.last()?.t);
    let seconds = last - first;
    if record.meta.budgets.per != Per::Hour || seconds <= 0.0 {
        return None;
    }
    let mut used: Vec<(f64, f64)> = Vec::new();
    let mut before = HashMap::new();
    for sample in &record.samples {
        let Some(cpu) = sample.cpu() else { continue };
        if let Some(previous) = before.insert(sample.worker, cpu) {
            used.push((sample.t, cpu - previous));
        }
    }
    // Where CPU time wasn't recorded, nothing is known of idleness.
    if before.is_empty() {
        return None;
    }
    let cpu: f64 = used.iter().map(|(_, cpu)| cpu).sum();
    if cpu < (ALL_BUT_IDLE.get() * seconds).max(TICKS.get() * TICK.get()) {
        return Some(Doubt::AllButIdle { cpu, seconds });
    }
    let parts = ((cpu / (TICKS.get() * TICK.get())) as usize).clamp(1, PARTS.get());
    let mut sums = vec![0.0; parts];
    for (t, cpu) in used {
        sums[((parts as f64 * (t - first) / seconds) as usize).min(parts - 1)] += cpu;
    }
    let most = sums.iter().copied().fold(0.0, f64::max);
    let worked = sums.iter().filter(|cpu| **cpu > 0.0 && **cpu >= LITTLE.get() * most).count();
    (2 * worked < parts).then_some(Doubt::Idle { worked, parts, seconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::ExitCode;
    use crate::fixture::run::{END, clean, event};
    use crate::verdict::judge;

    fn log(lines: u64, matched: u64, strangers: u64) -> EventKind {
        let unmatched = (matched < lines).then(|| "worker=5 ok".to_owned());
        EventKind::LogRead { lines, matched, strangers, unmatched, stranger: (strangers > 0).then_some(4711) }
    }

    fn with(kind: EventKind) -> RunRecord {
        let mut run = clean();
        run.events.push(event(END, kind));
        run
    }

    #[track_caller]
    fn doubtful(run: &RunRecord, told: &str) {
        let verdict = judge(run);
        assert_eq!(verdict.exit, ExitCode::Inconclusive);
        let first = crate::words::headline(run, &verdict).to_string();
        assert_eq!(first, format!("t is INCONCLUSIVE: {told}"));
        assert!(verdict.findings.iter().all(|finding| finding.settle.is_none()), "no longer run helps");
    }

    #[test]
    fn a_log_that_is_not_understood_is_no_pass() {
        assert_eq!(judge(&with(log(2200, 2200, 0))).exit, ExitCode::Clean);
        assert_eq!(judge(&with(log(9000, 2200, 100))).exit, ExitCode::Clean, "other lines may be in it");
        doubtful(&with(log(2200, 0, 0)), "0 of 2200 lines of the log match the pattern; the first is `worker=5 ok`");
        doubtful(&with(log(0, 0, 0)), "no line was written to the log, though 2200 requests were sent");
        doubtful(
            &with(log(2200, 2200, 1900)),
            "1900 of 2200 counted requests belong to PIDs that are not judged, such as 4711",
        );
        let mut watched = with(log(0, 0, 0));
        watched.load.clear();
        assert!(doubts(&watched).is_empty(), "nobody knows whether any were sent");
    }

    #[test]
    fn what_is_counted_has_to_be_about_what_was_sent() {
        let counted = |times: f64| {
            let mut run = clean();
            run.host.iter_mut().for_each(|host| host.requests = host.requests.map(|n| (n as f64 * times) as u64));
            run
        };
        for times in [0.7, 1.0, 1.4] {
            assert!(doubts(&counted(times)).is_empty(), "{times}");
        }
        doubtful(&counted(10.0), "21800 requests were counted, but 2200 were sent");
        doubtful(&counted(2.0), "4360 requests were counted, but 2200 were sent");
        assert_eq!(doubts(&counted(0.1)).len(), 1);
        // What is broken off may not be logged.
        let mut aborted = counted(0.4);
        aborted.load.iter_mut().for_each(|load| (load.ok, load.aborted) = (10, 10));
        assert!(doubts(&aborted).is_empty());
        // Without a counter, what was sent is what is counted, less what failed.
        let mut shared = counted(0.1);
        shared.meta.counting.per_worker = false;
        assert!(doubts(&shared).is_empty());
    }

    #[test]
    fn our_own_look_ups_must_not_be_what_is_counted() {
        let page = |look_ups, left_out| with(EventKind::PageRead { look_ups, left_out });
        assert!(doubts(&page(400, 400)).is_empty() && doubts(&page(100, 0)).is_empty());
        doubtful(&page(400, 0), "400 of the 2180 requests counted may be seepage's own look-ups of the status page");
    }

    #[test]
    fn an_idle_stretch_proves_nothing() {
        let worked = |cpu: fn(f64) -> f64| {
            let mut run = clean();
            run.meta.budgets.per = Per::Hour;
            run.meta.budgets.memory = Some(1_048_576.0);
            run.meta.budgets.descriptors = None;
            run.meta.budgets.threads = None;
            run.samples.iter_mut().for_each(|s| (s.cpu_user, s.cpu_system) = (Some(cpu(s.t)), Some(0.0)));
            run
        };
        assert_eq!(idle(&worked(|t| 0.01 * t)), None);
        assert_eq!(idle(&worked(|t| (t / 8.0).floor() * 0.01)), None, "little, but all the time");
        let burst = worked(|t| t.clamp(40.0, 44.0));
        doubtful(&burst, "the target worked in 1 of 12 equal parts of 109 s; time in which it is idle proves nothing");
        assert!(matches!(idle(&worked(|_| 5.0)), Some(Doubt::AllButIdle { cpu: 0.0, .. })));
        // Seven hundredths in all, some in each third: too few to say more.
        assert_eq!(idle(&worked(|t| (t / 31.0).floor() * 0.02)), None);
        let mut per_request = burst;
        per_request.meta.budgets.per = Per::Request;
        assert_eq!(idle(&per_request), None, "requests tell when it worked");
    }
}
