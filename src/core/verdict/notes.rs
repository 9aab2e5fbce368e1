//! What is told beside the verdict: facts of the run that decide nothing.

use super::target::unjudged::growing;
use crate::answer::{Finding, Note, Outcome, WorkerFinding, last_look};
use crate::model::{CountingSource, EventKind, HostSample, Resource, RunRecord};
use crate::readings::crashes;
use crate::readings::noise::noise;
use crate::readings::series::pool_series;
use crate::readings::settle_levels;
use crate::thresholds::pages::LEAST;
use std::collections::BTreeSet;

/// Who leaks of a table's workers, those that grow most first.
pub fn leaking(record: &RunRecord, findings: &[Finding]) -> Option<Note> {
    let table = record.meta.understood.as_ref()?;
    let leaks = findings.iter().filter(|finding| finding.outcome == Outcome::Leak);
    let mut workers: Vec<&WorkerFinding> = leaks.flat_map(|finding| &finding.workers).filter(|one| one.leaks).collect();
    workers.sort_by(|a, b| (b.last - b.first).total_cmp(&(a.last - a.first)));
    let mut seen = BTreeSet::new();
    let pids =
        workers.into_iter().filter_map(|one| one.worker).map(|worker| worker.pid).filter(|pid| seen.insert(*pid));
    let names: Vec<(u32, Option<String>)> = pids.map(|pid| (pid, table.called.get(&pid).cloned())).collect();
    (!names.is_empty()).then_some(Note::Leaking(names))
}

/// That shared memory of the host, or of the target's control group, grew by more than a worker may, where nothing of what is judged shows
/// it: who attaches can't see whose it is.
pub fn shared_elsewhere(record: &RunRecord) -> Option<Note> {
    if !record.meta.is_attached() {
        return None;
    }
    let of_group = record.host.iter().any(|host| host.cgroup_shmem.is_some());
    let level = |host: &HostSample| if of_group { host.cgroup_shmem } else { host.shmem };
    let levels = record.host.iter().filter_map(|host| Some((host.t, level(host)? as f64)));
    let (axis, one) = pool_series(record, levels)?;
    let (outcome, grown) = growing(record, Resource::Tmpfs, axis, &one, record.budget(Resource::Shared)?)?;
    (outcome == Outcome::Leak).then_some(Note::SharedElsewhere { grown, of_group })
}

/// What the record says for itself.
pub fn recorded(record: &RunRecord) -> Vec<Note> {
    let mut notes = Vec::new();
    let counting = &record.meta.counting;
    if !matches!(counting.source, CountingSource::AccessLog | CountingSource::PhpFpm) && !counting.worth.is_empty() {
        notes.push(Note::Counting(counting.worth.clone()));
    }
    let levels = settle_levels(record);
    let grown: f64 = levels.iter().map(|l| l.before - l.start).sum();
    let returned: f64 = levels.iter().map(|l| l.before - l.after).sum();
    if !levels.is_empty() && grown > LEAST.get() {
        notes.push(Note::Returned { returned, grown, workers: levels.len() });
    }
    let missed = record.events.iter().filter_map(|e| match e.kind {
        EventKind::MissedTicks { count, own } => Some((count, own)),
        _ => None,
    });
    // What a file says may be of any size.
    let missed = missed.fold((0u64, 0u64), |sum, one| (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1)));
    if let (count @ 1.., own) = missed {
        notes.push(Note::MissedDeadlines { count, own });
    }
    notes.extend(crashes::under_load(record));
    notes.extend(last_look(record).map(Note::Looks));
    let noise = noise(record);
    if !noise.is_empty() {
        notes.push(Note::Noise(noise));
    }
    notes.extend(record.events.iter().filter_map(|e| match &e.kind {
        EventKind::Note { text } => Some(Note::Recorded(text.clone())),
        _ => None,
    }));
    if let Some(observing) = &record.meta.observing {
        notes.extend(observing.missing.iter().cloned().map(Note::Unreadable));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::clean;
    use crate::verdict::judge;

    #[test]
    fn shared_memory_that_may_be_anybodys_is_told_and_decides_nothing() {
        let told = |each: f64, of_group: bool, tmpfs: Option<f64>| {
            let mut run = clean();
            run.meta.config = serde_json::json!({ "attach": {} });
            (run.meta.budgets.tmpfs, run.meta.budgets.shared) = (tmpfs, Some(64.0));
            run.samples.iter_mut().for_each(|s| s.shmem = Some(1 << 20));
            for host in &mut run.host {
                let level = Some((4_294_967_296.0 + host.t * each) as u64);
                (host.shmem, host.cgroup_shmem) = (level, level.filter(|_| of_group));
            }
            let verdict = judge(&run);
            let words = crate::words::notes(&verdict).into_iter().find(|note| note.starts_with("shared memory of"));
            (verdict.outcome, words.map(|words| words.split(" grew").next().unwrap_or_default().to_owned()))
        };
        assert_eq!(told(0.0, false, None), (Outcome::Clean, None));
        let (outcome, words) = told(65536.0, false, None);
        assert_eq!((outcome, words.as_deref()), (Outcome::Clean, Some("shared memory of the whole host")));
        assert_eq!(told(65536.0, true, None).1.as_deref(), Some("shared memory of the target's control group"));
        assert_eq!(told(65536.0, false, Some(64.0)), (Outcome::Leak, None), "it is judged");
    }

    #[test]
    fn deadlines_are_missed_by_whoever_took_so_long() {
        let told = |all: &[(u64, u64)]| {
            let mut run = clean();
            let missed = all.iter().map(|(count, own)| EventKind::MissedTicks { count: *count, own: *own });
            run.events.extend(missed.map(|kind| crate::fixture::run::event(5.0, kind)));
            crate::words::notes(&judge(&run)).into_iter().find(|note| note.starts_with("the sampler missed"))
        };
        assert_eq!(told(&[]), None);
        let busy = "the host was busy, or the harness stopped";
        assert_eq!(told(&[(2, 0)]), Some(format!("the sampler missed 2 deadlines: {busy}")));
        assert_eq!(told(&[(2, 2)]).unwrap(), "the sampler missed 2 deadlines: its own readings took longer than that");
        let mixed = format!(
            "the sampler missed 5 deadlines, 2 of them for its own readings, which took longer; for the others {busy}"
        );
        assert_eq!(told(&[(3, 0), (2, 2)]), Some(mixed));
    }
}
