//! The driver's thread: it has the driver to itself for the whole run and goes through one phase after the other.

use super::end::{Cut, RunError};
use super::monitor::{Soaked, Stand, Stretch};
use super::pulse::Pulse;
use super::setup::Setup;
use super::soaking::Soaking;
use crate::config::{PhaseConfig, Span};
use crate::model::{LoadSample, PhaseKind, RunRecord, WorkloadSummary, format_count, format_seconds, percent};
use crate::thread;
use crate::workload::{Counters, Driver, PhaseEnd, StepHistograms, WorkloadError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A driver at work on a thread of its own.
pub struct Driving {
    phases: Sender<PhaseConfig>,
    ends: Receiver<PhaseEnd>,
    halt: Arc<AtomicBool>,
    counters: Arc<Counters>,
    thread: JoinHandle<DriverTotals>,
}

/// What a driver leaves at its end.
#[derive(Default)]
pub struct DriverTotals {
    /// Totals over the soak phases; missing if nothing is sent.
    pub summary: Option<WorkloadSummary>,
    /// Latencies by step.
    pub histograms: Vec<StepHistograms>,
    /// How long the driver did not run while it should have.
    pub stalled: Duration,
    /// The last failure of a request, in words.
    pub last_failure: Option<String>,
}

impl DriverTotals {
    /// What the user should know of them, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let failed = self.last_failure.as_ref().map(|text| format!("the last request that failed: {text}"));
        let stalled = (!self.stalled.is_zero()).then(|| {
            format!(
                "the harness itself did not run for {}: stopped by a signal, or without a CPU; no request was due \
                 then, and latencies across it are left out",
                format_seconds(self.stalled.as_secs_f64())
            )
        });
        failed.into_iter().chain(stalled).collect()
    }
}

impl Driving {
    /// Starts the thread for the workload of `setup`, if it has one; nothing is sent yet. Each second of load sends to `seconds`.
    ///
    /// # Errors
    /// If the workload can't be driven as the harness file says, or the thread can't be started.
    pub fn start(setup: &Setup, pulse: &Pulse, seconds: Sender<LoadSample>) -> Result<Self, RunError> {
        let (phases, orders) = channel::<PhaseConfig>();
        let (answer, ends) = channel();
        let (prepared, ready) = channel::<Result<(), WorkloadError>>();
        let halt = Arc::new(AtomicBool::new(false));
        let (config, parts) = (setup.harness.workload.clone(), setup.harness.settle.pauses);
        let counters = Arc::new(config.as_ref().map_or_else(Counters::default, Counters::new));
        let (guard, environment) = (Arc::clone(&setup.guard), setup.environment());
        let (pulse, stop, ours) = (pulse.clone(), Arc::clone(&halt), Arc::clone(&counters));
        let started = thread::start("driver", move || {
            // The driver is made here because it stays on the thread that made it.
            let driver = match &config {
                Some(config) => Driver::new(config, pulse.origin(), ours, seconds),
                None => Ok(Driver::of_nothing()),
            };
            let mut driver = match driver {
                Ok(driver) => driver.in_parts(parts).below(guard, environment),
                Err(error) => {
                    let _ = prepared.send(Err(error));
                    return DriverTotals::default();
                }
            };
            let _ = prepared.send(Ok(()));
            let pool = || pulse.alive();
            for phase in orders {
                if answer.send(driver.run(&phase, &pool, &stop)).is_err() {
                    break;
                }
            }
            DriverTotals {
                summary: driver.summary(),
                histograms: driver.histograms(),
                stalled: driver.stalled(),
                last_failure: driver.last_failure(),
            }
        });
        let thread = started.map_err(|error| RunError::Setup(error.to_string()))?;
        // A thread that ends without a word panicked; so will its first phase be told.
        ready.recv().unwrap_or(Ok(())).map_err(|error| RunError::Workload(error.to_string()))?;
        Ok(Driving { phases, ends, halt, counters, thread })
    }

    /// What the driver has done so far.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Begins a phase.
    pub fn begin(&self, phase: &PhaseConfig) {
        self.halt.store(false, Ordering::Relaxed);
        // If the thread is gone, `end` says so.
        let _ = self.phases.send(phase.clone());
    }

    /// Closes all connections between two phases: each could hold a worker of the target.
    pub fn disconnect(&self) {
        self.begin(&PhaseConfig::lasting(PhaseKind::Settle, Some(Span(Duration::ZERO))));
        // If the thread is gone, the end of the next phase says so.
        let _ = self.ends.recv();
    }

    /// Breaks the phase off; its end comes soon.
    pub fn halt(&self) {
        self.halt.store(true, Ordering::Relaxed);
    }

    /// How the phase ended, if it has.
    pub fn end(&self) -> Option<PhaseEnd> {
        match self.ends.recv_timeout(Duration::ZERO) {
            Ok(end) => Some(end),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                Some(PhaseEnd::Broken("the driver's thread panicked; please report this".into()))
            }
        }
    }

    /// Ends the thread and returns its totals.
    pub fn finish(self) -> DriverTotals {
        drop(self.phases);
        self.thread.join().unwrap_or_default()
    }
}

/// Within which a soak goes on.
pub struct Bounds {
    /// The highest share of failed requests, if the soak ends once that can't be kept any more.
    pub most_failed: Option<f64>,
    /// To how many times its planned length it may go on.
    pub longest: f64,
    /// How many workers there are.
    pub pulse: Pulse,
}

/// A phase that is driven.
pub struct DrivenPhase<'a> {
    driving: &'a Driving,
    soaking: &'a mut Soaking,
    phase: &'a PhaseConfig,
    begun: Instant,
    /// Requests sent before it.
    sent_before: u64,
    bounds: Bounds,
    /// Why the soak has to end, once it has.
    failed: Option<Cut>,
}

impl<'a> DrivenPhase<'a> {
    /// Begins the phase at which `soaking` is.
    pub fn begin(driving: &'a Driving, soaking: &'a mut Soaking, phase: &'a PhaseConfig, bounds: Bounds) -> Self {
        let before = driving.counters.totals();
        if phase.kind == PhaseKind::Soak {
            soaking.begin_soak(before);
        }
        driving.begin(phase);
        let sent_before = before.sent;
        DrivenPhase { driving, soaking, phase, begun: Instant::now(), sent_before, bounds, failed: None }
    }

    /// Why the soak has to end, if more requests have failed in it than may in all of it.
    fn look_at_failures(&self) -> Option<Cut> {
        let (most, before) = self.bounds.most_failed.zip(self.soaking.before_soak())?;
        let totals = self.driving.counters.totals();
        let sent = totals.sent.saturating_sub(self.sent_before);
        // The number of workers counts where a phase is as long as they make it, and a moment without any must not end it.
        let share =
            self.soaking.share(self.begun.elapsed(), sent, self.bounds.pulse.alive().max(1))? / self.bounds.longest;
        let (ok, failed) = (totals.ok - before.ok, totals.failed - before.failed);
        beyond(most, ok, failed, share).map(Cut::workload)
    }
}

/// Failures of requests of which fewer end no soak: one is more than 1 % of the first hundred.
const FEW: u64 = 20;

/// Why a gate on the error rate can't be kept any more, once so many requests have failed in a `share` of the soak that they are
/// over it even if none fails from now on, at the pace until now.
fn beyond(most: f64, ok: u64, failed: u64, share: f64) -> Option<String> {
    let in_all = (ok + failed) as f64 / share;
    if failed < FEW || failed as f64 <= most * in_all {
        return None;
    }
    Some(format!(
        "{} of {} requests failed, at most {} are allowed: over that even if no more fails until the soak's end\n\
         `abort-on-fail = false` in [gates] goes on to the end all the same",
        format_count(failed as f64),
        format_count((ok + failed) as f64),
        percent(most)
    ))
}

impl Stretch for DrivenPhase<'_> {
    fn end(&mut self) -> Option<Result<(), Cut>> {
        if self.failed.is_none() {
            self.failed = self.look_at_failures();
            if self.failed.is_some() {
                self.driving.halt();
            }
        }
        let end = self.driving.end()?;
        if let Some(failed) = self.failed.take() {
            return Some(Err(failed));
        }
        Some(match end {
            PhaseEnd::Complete | PhaseEnd::Stopped => Ok(()),
            PhaseEnd::Failed(reason) => Err(Cut::workload(reason)),
            PhaseEnd::Broken(reason) => Err(Cut::recording(reason)),
        })
    }

    fn halt(&mut self) {
        self.driving.halt();
    }

    fn conclude(&mut self) {
        self.soaking.end();
        self.driving.halt();
    }

    fn stand(&self, record: &RunRecord, alive: usize) -> Stand<'_> {
        let totals = self.driving.counters.totals();
        let sent = totals.sent.saturating_sub(self.sent_before);
        let (index, count) = self.soaking.place();
        Stand {
            phase: (self.phase, index, count),
            begun: self.begun,
            // Where nothing is sent, a log may count.
            requests: if self.driving.counters.steps().next().is_some() {
                Some(totals.sent)
            } else {
                record.host.iter().rev().find_map(|host| host.requests)
            },
            phase_requests: sent,
            failures: totals.failed,
            soaked: self.soaking.share(self.begun.elapsed(), sent, alive).map(Soaked::Share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soak_ends_once_its_error_rate_cannot_be_kept() {
        assert_eq!(beyond(0.01, 1000, 19, 0.5), None, "few");
        // Of 2000 in all, 20 may fail.
        assert_eq!(beyond(0.01, 980, 20, 0.5), None);
        let told = beyond(0.01, 979, 21, 0.5).unwrap();
        assert!(told.starts_with("21 of 1000 requests failed, at most 1 % are allowed"), "{told}");
        assert!(beyond(0.01, 0, 20, 0.001).is_none() && beyond(0.01, 0, 20, 0.02).is_some(), "none works");
        assert_eq!(beyond(1.0, 0, 1000, 1.0), None, "all may fail");
    }
}
