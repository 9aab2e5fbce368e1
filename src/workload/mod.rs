//! The load driver: the script, its phases, HTTP and external commands.
//!
//! The built-in driver runs on the thread that calls it. It speaks HTTP/1.1 itself and owns its connections, because
//! with a prefork server one kept connection pins one worker, and because it must tell apart what a client library
//! hides: an answer that comes before the request is sent whole, a kept connection that the server had closed, a
//! request that is broken off at a given byte. Request number `n` is a pure function of the seed and `n`.

mod body;
mod client;
mod command;
mod connection;
mod counters;
mod http;
mod mix;
mod pacing;
mod plan;
mod record;
mod running;
mod script;
mod stall;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timer;

pub use counters::{COMMAND_STEP, Counters, Totals};
pub use mix::mix_blocks;
pub use record::StepHistograms;

use crate::config::{PhaseConfig, WorkloadConfig};
use crate::model::{LoadSample, PhaseKind, WorkloadSummary};
use crate::supervise::Guard;
use command::CommandLoad;
use http::HttpLoad;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use thiserror::Error;

/// A workload that can't be driven as the harness file says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key}: {problem}")]
pub struct WorkloadError {
    /// The key in the harness file, such as `workload.step[0].path`.
    pub key: String,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

impl WorkloadError {
    fn new(key: impl Into<String>, problem: impl Into<String>) -> WorkloadError {
        WorkloadError { key: key.into(), problem: problem.into() }
    }
}

/// How a phase ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PhaseEnd {
    /// It reached its length.
    Complete,
    /// The stop flag was set.
    Stopped,
    /// The workload can't go on, with the reason: an external command failed, or the phase has no load.
    Failed(String),
    /// The driver itself can't go on, with the reason.
    Broken(String),
}

/// Drives a target through the phases of a run.
pub struct Driver(Kind);

enum Kind {
    Http(Box<HttpLoad>),
    Command(Box<CommandLoad>),
    /// Nothing is sent.
    Nothing,
}

impl Driver {
    /// A driver that sends nothing: its phases are times.
    pub fn of_nothing() -> Driver {
        Driver(Kind::Nothing)
    }

    /// Prepares bodies, addresses and steps; nothing is sent yet.
    ///
    /// `origin` is the run's time zero, `counters` were made from the same `config`, and each second of load sends a
    /// [`LoadSample`] for each step to `seconds`.
    ///
    /// # Errors
    /// If the workload can't be driven; the error names the key in the harness file.
    pub fn new(
        config: &WorkloadConfig,
        origin: Instant,
        counters: Arc<Counters>,
        seconds: mpsc::Sender<LoadSample>,
    ) -> Result<Driver, WorkloadError> {
        Ok(Driver(match &config.command {
            Some(_) => Kind::Command(Box::new(CommandLoad::new(config, origin, counters, seconds)?)),
            None => Kind::Http(Box::new(HttpLoad::new(config, origin, counters, seconds)?)),
        }))
    }

    /// The same, for a run in which each soak comes in so many phases, one after the other.
    #[must_use]
    pub fn in_parts(mut self, parts: u32) -> Driver {
        if let Kind::Http(load) = &mut self.0 {
            load.in_parts(parts);
        }
        self
    }

    /// The same, with what it starts below this guard instead of one of its own, and in this environment instead of an empty
    /// one.
    #[must_use]
    pub fn below(mut self, guard: Arc<Guard>, environment: BTreeMap<String, String>) -> Driver {
        if let Kind::Command(load) = &mut self.0 {
            load.below(guard, environment);
        }
        self
    }

    /// Drives one phase to its end, or until `stop` is set, which is looked at every 20 ms.
    ///
    /// A phase ends at the first of its lengths that is reached; without any it goes on until `stop`. `pool` tells how
    /// many workers are alive: with `requests-per-worker` the phase ends after that many times as many requests. No
    /// request begins after the end, and those in flight are waited for; after a stop they are given up, and are then
    /// counted as sent but neither as ok nor as failed. A settle phase closes all connections and sends nothing.
    pub fn run(&mut self, phase: &PhaseConfig, pool: &(dyn Fn() -> usize + Sync), stop: &AtomicBool) -> PhaseEnd {
        match &mut self.0 {
            Kind::Nothing => settle(phase, stop),
            kind if phase.kind == PhaseKind::Settle => {
                if let Kind::Http(load) = kind {
                    load.disconnect();
                }
                settle(phase, stop)
            }
            Kind::Http(load) => load.run(phase, pool, stop),
            Kind::Command(load) => load.run(phase, stop),
        }
    }

    /// Totals over the soak phases so far; `None` if nothing is sent.
    pub fn summary(&self) -> Option<WorkloadSummary> {
        let now = Instant::now();
        match &self.0 {
            Kind::Http(load) => Some(load.recorder().summary(load.model(), now)),
            Kind::Command(load) => Some(load.recorder().summary("command", now)),
            Kind::Nothing => None,
        }
    }

    /// Latencies over the soak phases by step, in the order of the harness file.
    pub fn histograms(&self) -> Vec<StepHistograms> {
        match &self.0 {
            Kind::Http(load) => load.recorder().histograms().to_vec(),
            Kind::Command(_) | Kind::Nothing => Vec::new(),
        }
    }

    /// How long the driver itself did not run while it should have, as while the harness was stopped by a signal.
    pub fn stalled(&self) -> Duration {
        match &self.0 {
            Kind::Http(load) => load.stalled(),
            // The command goes on by itself, as what isn't driven does.
            Kind::Command(_) | Kind::Nothing => Duration::ZERO,
        }
    }

    /// The last failure of a request in words, for whoever must find out why a workload failed.
    pub fn last_failure(&self) -> Option<String> {
        match &self.0 {
            Kind::Http(load) => load.recorder().last_failure().map(str::to_owned),
            Kind::Command(load) => load.recorder().last_failure().map(str::to_owned),
            Kind::Nothing => None,
        }
    }
}

fn is_set(stop: &AtomicBool) -> bool {
    stop.load(Relaxed)
}

/// Sends nothing for the length of a phase.
fn settle(phase: &PhaseConfig, stop: &AtomicBool) -> PhaseEnd {
    wait(phase.duration.map_or(Duration::ZERO, |span| span.0), stop)
}

/// Does nothing for this long, or until `stop` is set.
fn wait(duration: Duration, stop: &AtomicBool) -> PhaseEnd {
    const TICK: Duration = Duration::from_millis(20);
    let until = Instant::now() + duration;
    loop {
        if is_set(stop) {
            return PhaseEnd::Stopped;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return PhaseEnd::Complete;
        }
        std::thread::sleep(left.min(TICK));
    }
}
