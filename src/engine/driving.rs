//! The driver's thread: it has the driver to itself for the whole run and goes through one phase after the other.

use super::end::{Cut, RunError};
use super::monitor::{Soaked, Stand, Stretch};
use super::pulse::Pulse;
use super::setup::Setup;
use super::soaking::Soaking;
use crate::config::{PhaseConfig, Span};
use crate::model::{LoadSample, PhaseKind, RunRecord, WorkloadSummary, format_seconds};
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
    /// Totals over the soak phases.
    pub summary: WorkloadSummary,
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
    /// Starts the thread for the workload of `setup`; nothing is sent yet. Each second of load sends to `seconds`.
    ///
    /// # Errors
    /// If the workload can't be driven as the harness file says, or the thread can't be started.
    pub fn start(setup: &Setup, pulse: &Pulse, seconds: Sender<LoadSample>) -> Result<Self, RunError> {
        let (phases, orders) = channel::<PhaseConfig>();
        let (answer, ends) = channel();
        let (prepared, ready) = channel::<Result<(), WorkloadError>>();
        let halt = Arc::new(AtomicBool::new(false));
        let (config, parts) = (setup.harness.workload.clone(), setup.harness.settle.pauses);
        let counters = Arc::new(Counters::new(&config));
        let (guard, environment) = (Arc::clone(&setup.guard), setup.environment());
        let (pulse, stop, ours) = (pulse.clone(), Arc::clone(&halt), Arc::clone(&counters));
        let started = thread::start("driver", move || {
            // The driver is made here because it stays on the thread that made it.
            let mut driver = match Driver::new(&config, pulse.origin(), ours, seconds) {
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
        let pause = PhaseConfig {
            kind: PhaseKind::Settle,
            duration: Some(Span(Duration::ZERO)),
            requests: None,
            requests_per_worker: None,
            rate: None,
            concurrency: None,
        };
        self.begin(&pause);
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

/// A phase that is driven.
pub struct DrivenPhase<'a> {
    driving: &'a Driving,
    soaking: &'a mut Soaking,
    phase: &'a PhaseConfig,
    begun: Instant,
    /// Requests sent before it.
    sent_before: u64,
}

impl<'a> DrivenPhase<'a> {
    /// Begins the phase at which `soaking` is.
    pub fn begin(driving: &'a Driving, soaking: &'a mut Soaking, phase: &'a PhaseConfig) -> Self {
        let sent_before = driving.counters.totals().sent;
        driving.begin(phase);
        DrivenPhase { driving, soaking, phase, begun: Instant::now(), sent_before }
    }
}

impl Stretch for DrivenPhase<'_> {
    fn end(&mut self) -> Option<Result<(), Cut>> {
        Some(match self.driving.end()? {
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

    fn stand(&self, _record: &RunRecord, alive: usize) -> Stand<'_> {
        let totals = self.driving.counters.totals();
        let sent = totals.sent.saturating_sub(self.sent_before);
        let (index, count) = self.soaking.place();
        Stand {
            phase: (self.phase, index, count),
            begun: self.begun,
            requests: Some(totals.sent),
            phase_requests: sent,
            failures: totals.failed,
            soaked: self.soaking.share(self.begun.elapsed(), sent, alive).map(Soaked::Share),
        }
    }
}
