//! What is told beside the verdict: facts of the run that decide nothing.

use super::answer::facts::Note;
use super::answer::last_look::last_look;
use super::readings::noise::noise;
use super::{Finding, Outcome, WorkerFinding, settle_levels};
use crate::model::{CountingSource, EventKind, RunRecord};
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
    let missed = record.events.iter().map(|e| if let EventKind::MissedTicks { count } = e.kind { count } else { 0 });
    // What a file says may be of any size.
    let missed = missed.fold(0, u64::saturating_add);
    if missed > 0 {
        notes.push(Note::MissedDeadlines(missed));
    }
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
