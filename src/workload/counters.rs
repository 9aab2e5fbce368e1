//! Live totals, readable by the sampler and the progress display without a lock.

use crate::config::WorkloadConfig;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The step under which an external command's requests are counted.
pub const COMMAND_STEP: &str = "command";

/// Totals of the whole run, warm-up included, by step.
///
/// Each number only grows; numbers read one after the other may belong to slightly different moments.
#[derive(Debug, Default)]
pub struct Counters {
    steps: Vec<(String, StepCounters)>,
    reconnects: AtomicU64,
}

/// Totals of one step.
#[derive(Debug, Default)]
struct StepCounters {
    sent: AtomicU64,
    ok: AtomicU64,
    failed: AtomicU64,
    aborted: AtomicU64,
}

/// Totals at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Requests begun.
    pub sent: u64,
    /// Requests answered as expected.
    pub ok: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests aborted on purpose.
    pub aborted: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, more: Totals) {
        self.sent += more.sent;
        self.ok += more.ok;
        self.failed += more.failed;
        self.aborted += more.aborted;
    }
}

impl Counters {
    /// Zeros for the steps of this workload, or for the one step [`COMMAND_STEP`] if a command drives the target.
    pub fn new(config: &WorkloadConfig) -> Counters {
        let names = match config.command {
            Some(_) => vec![COMMAND_STEP.to_owned()],
            None => config.steps.iter().map(|step| step.name.clone()).collect(),
        };
        let steps = names.into_iter().map(|name| (name, StepCounters::default())).collect();
        Counters { steps, reconnects: AtomicU64::new(0) }
    }

    /// Names of the steps in the order of the harness file.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|(name, _)| name.as_str())
    }

    /// Totals of the step with this index; zeros if there is none.
    pub fn step(&self, index: usize) -> Totals {
        self.steps.get(index).map_or(Totals::default(), |(_, counters)| counters.totals())
    }

    /// Requests begun, step by step.
    pub fn sent_by_step(&self) -> Vec<u64> {
        self.steps.iter().map(|(_, counters)| counters.sent.load(Relaxed)).collect()
    }

    /// Totals over all steps.
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        self.steps.iter().for_each(|(_, counters)| sum += counters.totals());
        sum
    }

    /// Requests that were sent again on a new connection, because the server had closed the kept one.
    pub fn reconnects(&self) -> u64 {
        self.reconnects.load(Relaxed)
    }

    pub(super) fn add(&self, step: usize, more: Totals) {
        let Some((_, counters)) = self.steps.get(step) else { return };
        let pairs = [
            (&counters.sent, more.sent),
            (&counters.ok, more.ok),
            (&counters.failed, more.failed),
            (&counters.aborted, more.aborted),
        ];
        for (counter, amount) in pairs.into_iter().filter(|(_, amount)| *amount > 0) {
            counter.fetch_add(amount, Relaxed);
        }
    }

    pub(super) fn add_reconnect(&self) {
        self.reconnects.fetch_add(1, Relaxed);
    }
}

impl StepCounters {
    fn totals(&self) -> Totals {
        Totals {
            sent: self.sent.load(Relaxed),
            ok: self.ok.load(Relaxed),
            failed: self.failed.load(Relaxed),
            aborted: self.aborted.load(Relaxed),
        }
    }
}
