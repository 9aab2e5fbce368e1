//! What the counts of requests say against a pass: a pattern that matches nothing, PIDs of others, counts far from what was
//! sent; and against time, a target that was idle.

use super::doubt::Doubt;
use crate::model::{EventKind, Per, RunRecord};

/// The factor between what was counted and what was sent from which one of them is wrong.
const APART: f64 = 2.0;
/// Requests under which a comparison of counts says nothing.
const ENOUGH: u64 = 20;
/// The part of what was counted that may be of others, or our own.
const OF_OTHERS: f64 = 0.5;
const OUR_OWN: f64 = 0.1;

/// Equal parts of a watch, those of them in which it worked at least, and the part of the busiest one's CPU time from which
/// one counts.
const PARTS: usize = 12;
const AT_WORK: usize = 6;
const WORKED: f64 = 0.05;

/// Reasons against a pass in the counts of requests.
pub(super) fn doubts(record: &RunRecord) -> Vec<Doubt> {
    let counted = counted(record);
    let sent = sent(record);
    let mut out = Vec::new();
    for event in &record.events {
        match &event.kind {
            EventKind::LogRead { lines: 0, .. } => {
                out.extend(sent.filter(|sent| *sent >= ENOUGH).map(|sent| Doubt::NoLines { sent }));
            }
            EventKind::LogRead { lines, matched: 0, unmatched: Some(first), .. } => {
                out.push(Doubt::NoLineMatches { lines: *lines, first: first.clone() });
            }
            EventKind::LogRead { matched, strangers, stranger, .. }
                if *matched >= ENOUGH && *strangers as f64 > OF_OTHERS * *matched as f64 =>
            {
                out.push(Doubt::Strangers { counted: *matched, strangers: *strangers, first: *stranger });
            }
            EventKind::PageRead { look_ups, left_out } => {
                let own = look_ups.saturating_sub(*left_out);
                if own as f64 > OUR_OWN * counted as f64 && own >= ENOUGH {
                    out.push(Doubt::OwnLookUps { counted, own });
                }
            }
            _ => {}
        }
    }
    let apart = |sent: &u64| *sent >= ENOUGH && out.is_empty() && record.meta.counting.per_worker;
    if let Some(sent) = sent.filter(apart) {
        let (ok, begun) = (served(record) as f64, sent as f64);
        if counted as f64 > APART * begun || (counted as f64) < ok / APART {
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
    let sent = record.load.iter().map(|load| load.sent).sum();
    (sent > 0).then_some(sent)
}

/// Requests that were answered as expected.
fn served(record: &RunRecord) -> u64 {
    record.load.iter().map(|load| load.ok).sum()
}

/// Whether growth is held against time in which the target did next to nothing.
pub(super) fn idle(record: &RunRecord) -> Option<Doubt> {
    let (first, last) = (record.samples.first()?.t, record.samples.last()?.t);
    let length = (last - first) / PARTS as f64;
    if record.meta.budgets.per != Per::Hour || length <= 0.0 {
        return None;
    }
    let mut used = [0.0; PARTS];
    let mut before = std::collections::HashMap::new();
    for sample in &record.samples {
        let Some(cpu) = sample.cpu_user.zip(sample.cpu_system).map(|(user, system)| user + system) else { continue };
        let part = (((sample.t - first) / length) as usize).min(PARTS - 1);
        if let Some(previous) = before.insert(sample.worker, cpu) {
            used[part] += cpu - previous;
        }
    }
    // Where CPU time wasn't recorded, nothing is known of idleness.
    if before.is_empty() {
        return None;
    }
    let most = used.iter().copied().fold(0.0, f64::max);
    let worked = used.iter().filter(|cpu| **cpu > 0.0 && **cpu >= WORKED * most).count();
    (worked < AT_WORK).then(|| Doubt::Idle { worked, parts: PARTS, seconds: last - first })
}
