//! The driver's thread: it has the driver to itself for the whole run and goes through one phase after the other.

use crate::config::{PhaseConfig, Span, WorkloadConfig};
use crate::model::{LoadSample, PhaseKind, WorkloadSummary};
use crate::supervise::Guard;
use crate::workload::{Counters, Driver, PhaseEnd, StepHistograms, WorkloadError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A driver at work on a thread of its own.
pub struct Driving {
    phases: Sender<PhaseConfig>,
    ends: Receiver<PhaseEnd>,
    halt: Arc<AtomicBool>,
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

impl Driving {
    /// Starts the thread; nothing is sent yet. What it starts is below `guard`. Each soak comes in `parts` phases, if it is cut. `alive` is kept up to date with the number of workers.
    ///
    /// # Errors
    /// If the workload can't be driven as the harness file says.
    pub fn start(
        guard: &Arc<Guard>,
        config: &WorkloadConfig,
        parts: u32,
        origin: Instant,
        counters: Arc<Counters>,
        seconds: Sender<LoadSample>,
        alive: Arc<AtomicUsize>,
    ) -> Result<Self, WorkloadError> {
        let (phases, orders) = channel::<PhaseConfig>();
        let (answer, ends) = channel();
        let (prepared, ready) = channel();
        let halt = Arc::new(AtomicBool::new(false));
        let (guard, config, stop) = (Arc::clone(guard), config.clone(), Arc::clone(&halt));
        let thread = std::thread::spawn(move || {
            // The driver is made here because it stays on the thread that made it.
            let mut driver = match Driver::new(&config, origin, counters, seconds) {
                Ok(driver) => driver.in_parts(parts).below(guard),
                Err(error) => {
                    let _ = prepared.send(Err(error));
                    return DriverTotals::default();
                }
            };
            let _ = prepared.send(Ok(()));
            let pool = || alive.load(Ordering::Relaxed);
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
        // A thread that ends without a word panicked; so will its first phase be told.
        ready.recv().unwrap_or(Ok(()))?;
        Ok(Driving { phases, ends, halt, thread })
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
                Some(PhaseEnd::Failed("the driver's thread panicked; please report this".into()))
            }
        }
    }

    /// Ends the thread and returns its totals.
    pub fn finish(self) -> DriverTotals {
        drop(self.phases);
        self.thread.join().unwrap_or_default()
    }
}
