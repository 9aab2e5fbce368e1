//! The answers, what kinds of behaviour there are, and what a program exits with.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The three answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Growth is proven, and it is over the budget.
    Leak,
    /// Growth is proven to be under the budget.
    Clean,
    /// Neither could be proven.
    Inconclusive,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Leak => "leak",
            Outcome::Clean => "clean",
            Outcome::Inconclusive => "inconclusive",
        })
    }
}

/// What kind of behaviour was seen, in the words a person wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LeakClass {
    /// Steady growth in every worker.
    Leak,
    /// Steady growth in some workers of a pool only.
    LeakInOneWorker,
    /// Steady growth under one step of the workload only.
    LeakInOneStep,
    /// No growth at all.
    Flat,
    /// It grew at first and settled.
    WarmUp,
    /// It grew to a high-water mark in jumps and stays there.
    HighWaterMark,
    /// A cache that goes on filling, ever more slowly.
    CacheFilling,
    /// It rises and falls, and its floor is flat.
    Sawtooth,
    /// Private pages grew because shared ones were written to; anonymous memory didn't.
    CopyOnWrite,
    /// It grows, within the budget.
    WithinBudget,
    /// Steady growth that resident memory doesn't show, because it was swapped out.
    SwapHidIt,
    /// Resident memory grew by shared memory or page cache, which aren't the worker's own.
    SharedPages,
    /// Anonymous memory grows, and what the worker has allocated doesn't: fragmentation, or memory that its allocator
    /// keeps.
    Retention,
    /// No worker grows, but each new one is born bigger than the last.
    BornBigger,
    /// It can't be told.
    Unknown,
}

/// An estimate with its confidence bounds, in units of the resource per step of the axis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Point estimate.
    pub estimate: f64,
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Confidence of the two-sided interval, such as 0.98 (each bound one-sided at 99 %).
    pub confidence: f64,
}

impl Interval {
    /// The same where growth can't be less than `least` nor more than `most`.
    pub fn within(self, least: f64, most: f64) -> Self {
        let bound = |value: f64| if value.is_nan() { value } else { value.max(least).min(most) };
        let (estimate, lower, upper) = (bound(self.estimate), bound(self.lower), bound(self.upper));
        Interval { estimate, lower, upper, ..self }
    }
}

/// Exit codes, so that a crash is never read as a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitCode {
    /// 0: clean.
    Clean,
    /// 0: it leaks as is known and accepted, and no worse.
    Accepted,
    /// 1: something unexpected failed.
    Failure,
    /// 2: the command line is wrong.
    Usage,
    /// 10: leak.
    Leak,
    /// 11: inconclusive.
    Inconclusive,
    /// 12: worse than the baseline or the other variant.
    Worse,
    /// 20: the harness file is invalid, or doesn't fit the target.
    Config,
    /// 21: the target failed: could not start, never got ready, died, or hit its memory limit.
    Target,
    /// 22: the workload failed.
    Workload,
    /// 128 and its number: interrupted by a signal, as 129, 130 and 143 are SIGHUP, SIGINT and SIGTERM.
    Interrupted(i32),
}

impl ExitCode {
    /// The number that the process exits with.
    pub fn code(self) -> u8 {
        match self {
            ExitCode::Clean | ExitCode::Accepted => 0,
            ExitCode::Failure => 1,
            ExitCode::Usage => 2,
            ExitCode::Leak => 10,
            ExitCode::Inconclusive => 11,
            ExitCode::Worse => 12,
            ExitCode::Config => 20,
            ExitCode::Target => 21,
            ExitCode::Workload => 22,
            ExitCode::Interrupted(signal) => 128u8.saturating_add(signal.clamp(0, 127) as u8),
        }
    }
}
