//! Under which load workers crashed: how often, with how many requests in flight, and which requests failed meanwhile.

use crate::answer::{CrashLoad, Note};
use crate::model::{EventKind, LoadSample, RunRecord};
use std::collections::BTreeMap;

/// A crash is noticed this much later, in seconds, at most: what failed for it may be of the second before.
const NOTICED: f64 = 0.5;

/// Failures that requests have whose worker is there: of the driver's own patience.
const PATIENCE: &str = "timeout";

/// What the load was while workers crashed, if any did while requests were sent.
pub fn under_load(record: &RunRecord) -> Option<Note> {
    let crashes: Vec<f64> = record
        .events
        .iter()
        .filter(|event| match &event.kind {
            EventKind::Exited { cause: Some(cause), stopping: false, .. } => cause.is_abnormal(),
            _ => false,
        })
        .map(|event| event.t)
        .collect();
    let seconds = seconds(&record.load);
    let sent = record.load.iter().fold(0u64, |sum, one| sum.saturating_add(one.sent));
    if crashes.is_empty() || sent == 0 {
        return None;
    }
    let mut in_flight: Option<(u64, u64)> = None;
    let mut failed: BTreeMap<String, u64> = BTreeMap::new();
    let mut counted: Vec<bool> = vec![false; seconds.len()];
    for t in &crashes {
        let at = |t: f64| seconds.partition_point(|second| second.t < t).min(seconds.len() - 1);
        let (before, now) = (at(t - NOTICED), at(*t));
        let most = seconds[before.saturating_sub(1)..=now].iter().map(|second| second.in_flight).max().unwrap_or(0);
        let (low, high) = in_flight.unwrap_or((most, most));
        in_flight = Some((low.min(most), high.max(most)));
        for place in before..=now {
            if !std::mem::replace(&mut counted[place], true) {
                for (step, count) in &seconds[place].failed {
                    let total = failed.entry(step.clone()).or_default();
                    *total = total.saturating_add(*count);
                }
            }
        }
    }
    let mut failed: Vec<(String, u64)> = failed.into_iter().filter(|(_, count)| *count > 0).collect();
    failed.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    // Of a command of its own it isn't known what is on its way.
    let in_flight = in_flight.filter(|(_, most)| *most > 0);
    Some(Note::Crashes(CrashLoad { crashes: crashes.len(), sent, in_flight, failed }))
}

/// A second of the load over all steps.
struct Second {
    /// Its end.
    t: f64,
    /// Requests that were begun and had not ended by its end.
    in_flight: u64,
    /// Requests that failed in it, by step; none that only took too long.
    failed: Vec<(String, u64)>,
}

fn seconds(load: &[LoadSample]) -> Vec<Second> {
    let mut seconds: Vec<Second> = Vec::new();
    let (mut sent, mut ended) = (0u64, 0u64);
    for one in load {
        sent = sent.saturating_add(one.sent);
        ended = [one.ok, one.aborted, one.failed].into_iter().fold(ended, u64::saturating_add);
        let late = one.errors.iter().filter(|(kind, _)| kind == PATIENCE).map(|(_, count)| *count);
        let failed = (one.step.clone(), one.failed.saturating_sub(late.fold(0, u64::saturating_add)));
        let in_flight = sent.saturating_sub(ended);
        match seconds.last_mut().filter(|last| last.t >= one.t) {
            Some(last) => {
                last.in_flight = in_flight;
                last.failed.push(failed);
            }
            None => seconds.push(Second { t: one.t, in_flight, failed: vec![failed] }),
        }
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{clean, event};
    use crate::model::{ExitCause, WorkerId};
    use crate::verdict::judge;

    fn second(t: f64, step: &str, sent: u64, ok: u64, failed: u64) -> LoadSample {
        LoadSample { t, step: step.into(), sent, ok, failed, ..LoadSample::default() }
    }

    fn told(crashes: &[f64], load: Vec<LoadSample>) -> Option<String> {
        let mut run = clean();
        run.load = load;
        let kind =
            || EventKind::Exited { worker: WorkerId::new(7, 7), cause: Some(ExitCause::Signal(11)), stopping: false };
        run.events.extend(crashes.iter().map(|t| event(*t, kind())));
        crate::words::notes(&judge(&run)).into_iter().find(|note| note.contains("crash"))
    }

    #[test]
    fn how_often_with_how_many_in_flight_and_which_requests_failed() {
        let load = || {
            vec![
                second(1.0, "page", 500, 499, 0),
                second(1.0, "report", 20, 20, 0),
                second(2.0, "page", 500, 499, 1),
                second(2.0, "report", 24, 20, 2),
                second(3.0, "page", 470, 470, 3),
                second(3.0, "report", 20, 20, 0),
                second(4.0, "page", 470, 470, 0),
                second(4.0, "report", 26, 19, 5),
            ]
        };
        let told = |crashes: &[f64]| told(crashes, load()).unwrap_or_default();
        assert_eq!(
            told(&[1.6, 1.8, 3.9]),
            "workers crashed 3 times, 1.48 for each 1000 requests, with 2 to 3 requests in flight; of the 8 requests that failed in \
             these seconds, 7 were of `report`, 1 of `page`"
        );
        assert!(
            told(&[1.6]).starts_with("a worker crashed, 0.493 for each 1000 requests, with 3 requests in flight; ")
        );
        assert!(super::seconds(&load()).iter().map(|second| second.in_flight).eq([1, 3, 0, 2]));
    }

    #[test]
    fn what_nobody_sent_is_not_told_of() {
        assert_eq!(told(&[], vec![second(1.0, "page", 9, 9, 0)]), None);
        assert_eq!(told(&[0.5], Vec::new()), None);
        let only = told(&[0.5], vec![second(1.0, "page", 1000, 1000, 0)]);
        assert_eq!(only.as_deref(), Some("a worker crashed, 1 for each 1000 requests"));
        let huge = vec![second(1.0, "page", u64::MAX, 0, u64::MAX), second(2.0, "page", u64::MAX, 1, u64::MAX)];
        assert!(told(&[f64::NAN, 1e9], huge).is_some());
    }
}
