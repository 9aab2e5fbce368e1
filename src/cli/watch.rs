//! A run that goes on: what its progress display shows, and looks whether its answer is proven.

#[cfg(test)]
mod recording;

use super::output::say;
use crate::answer::Growth;
use crate::config::PhaseConfig;
use crate::engine::{Looked, Progress};
use crate::model::{Chosen, EventKind, Resource, RunRecord, WorkerId};
use crate::report;
use crate::report::live::{Live, Mode, PhaseProgress, Snapshot, WorkerProgress};
use crate::verdict::{self, Look, Looks};
use crate::words;
use std::collections::HashMap;

/// Points of a worker's history, and seconds between two of them.
const HISTORY: usize = 24;
const HISTORY_EVERY: f64 = 0.5;

/// Seconds between two estimates of growth, and the most that estimating may take of the time.
const GROWTH_EVERY: f64 = 1.0;
const GROWTH_SHARE: f64 = 0.01;

/// Shows a run's progress. It remembers how far it has read the record, so that a look costs only what is new.
pub struct Watcher {
    live: Live,
    quiet: bool,
    /// Who the workers are, as it was told last.
    chosen: Option<Chosen>,
    samples: usize,
    events: usize,
    /// In the order of their arrival.
    workers: Vec<WorkerProgress>,
    places: HashMap<WorkerId, usize>,
    next_history: f64,
    growths: Vec<(Resource, Growth)>,
    next_growth: f64,
    /// When, and how many requests there were then.
    rate_from: (f64, u64),
    rate: Option<f64>,
}

impl Watcher {
    /// A watcher that shows what it sees in this way.
    pub fn new(mode: Mode) -> Self {
        Watcher {
            live: Live::new(mode),
            quiet: mode == Mode::Quiet,
            chosen: None,
            samples: 0,
            events: 0,
            workers: Vec::new(),
            places: HashMap::new(),
            next_history: 0.0,
            growths: Vec::new(),
            next_growth: 0.0,
            rate_from: (0.0, 0),
            rate: None,
        }
    }

    /// Takes a look; `looks` says when a watch without an end is looked at next, and ends at the earliest.
    pub fn look(&mut self, progress: &Progress<'_>, looks: Option<(f64, f64)>) {
        self.tell_workers(progress.record);
        let snapshot = self.snapshot(progress, looks);
        self.live.update(&snapshot);
    }

    /// What is to be shown.
    fn snapshot(&mut self, progress: &Progress<'_>, looks: Option<(f64, f64)>) -> Snapshot {
        self.follow_workers(progress.record, progress.elapsed);
        if progress.elapsed - self.rate_from.0 >= 1.0 {
            let (then, before) = self.rate_from;
            let sent = |requests: u64| requests.saturating_sub(before) as f64 / (progress.elapsed - then);
            self.rate = progress.requests.map(sent);
            self.rate_from = (progress.elapsed, progress.requests.unwrap_or(0));
        }
        if progress.elapsed >= self.next_growth {
            let begun = std::time::Instant::now();
            self.growths = verdict::live_growths(progress.record);
            let took = begun.elapsed().as_secs_f64();
            self.next_growth = progress.elapsed + GROWTH_EVERY.max(took / GROWTH_SHARE);
        }
        Snapshot {
            name: progress.record.meta.name.clone(),
            phase: progress.phase.map(|(phase, index, count)| PhaseProgress {
                kind: phase.kind,
                index,
                count,
                done: share_done(phase, progress),
            }),
            elapsed: progress.elapsed,
            requests: progress.requests,
            rate: self.rate,
            failures: progress.failures,
            workers: self.workers.clone(),
            growths: self.growths.clone(),
            looks,
        }
    }

    /// Says who the workers are once that is found out.
    fn tell_workers(&mut self, record: &RunRecord) {
        let found = &record.meta.target.chosen;
        if self.quiet || self.chosen == *found {
            return;
        }
        self.chosen.clone_from(found);
        if let Some(chosen) = found {
            self.live.clear();
            say(&format!("note: {}", report::plain(&words::chosen(chosen))));
        }
    }

    fn follow_workers(&mut self, record: &RunRecord, now: f64) {
        let keep = now >= self.next_history;
        if keep {
            self.next_history = now + HISTORY_EVERY;
        }
        // A record that has just been thinned is shorter than it was; what is new since is soon read again.
        for sample in record.samples.get(self.samples..).unwrap_or_default() {
            let place = *self.places.entry(sample.worker).or_insert_with(|| {
                self.workers.push(WorkerProgress { worker: sample.worker, bytes: None, history: Vec::new() });
                self.workers.len() - 1
            });
            self.workers[place].bytes = sample.anon_and_swap();
        }
        self.samples = record.samples.len();
        for event in &record.events[self.events..] {
            if let EventKind::Exited { worker, .. } = &event.kind {
                self.workers.retain(|w| w.worker != *worker);
                self.places = self.workers.iter().enumerate().map(|(place, w)| (w.worker, place)).collect();
            }
        }
        self.events = record.events.len();
        for worker in self.workers.iter_mut().filter(|_| keep) {
            worker.history.extend(worker.bytes);
            if worker.history.len() > HISTORY {
                worker.history.remove(0);
            }
        }
    }
}

/// Looks at a run that goes on, if it is time to.
pub fn look_at(looks: &mut Looks, record: &RunRecord, progress: f64) -> Option<Looked> {
    if !looks.are_due_at(record, progress) {
        return None;
    }
    let Look { alpha, proven, found, .. } = looks.look(record, progress);
    Some(Looked { alpha, found: words::found(found.as_ref()), proven: proven.is_some() })
}

/// Share of a phase that is done, whichever way its length is given.
fn share_done(phase: &PhaseConfig, progress: &Progress<'_>) -> Option<f64> {
    let sent = progress.phase_requests;
    let share = if let Some(duration) = phase.duration {
        progress.phase_elapsed / duration.0.as_secs_f64()
    } else if let Some(requests) = phase.requests {
        sent as f64 / requests as f64
    } else {
        sent as f64 / (phase.requests_per_worker? as f64 * progress.alive.max(1) as f64)
    };
    share.is_finite().then_some(share.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sample;
    use seepage_core::fixture::run::leaking;

    #[test]
    fn a_record_that_was_thinned_is_followed_on() {
        let mut run = leaking();
        let mut watcher = Watcher::new(Mode::Quiet);
        watcher.follow_workers(&run, 1.0);
        let worker = run.samples[0].worker;
        run.samples.truncate(2);
        watcher.follow_workers(&run, 2.0);
        run.samples.push(Sample { anon: Some(12_345), swap: Some(0), ..Sample::new(9.0, worker) });
        watcher.follow_workers(&run, 3.0);
        let bytes = watcher.workers.iter().find(|w| w.worker == worker).and_then(|w| w.bytes);
        assert_eq!(bytes, Some(12_345));
    }
}
