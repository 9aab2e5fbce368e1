//! From readings to a verdict: leak, clean or inconclusive, at what rate, and why.
//!
//! Pure: a verdict is a function of a run record.

mod types;

pub use types::{
    Evidence, ExitCode, Finding, Fit, Gate, GateState, Growth, Interval, LeakClass, Outcome, Verdict, WorkerFinding,
};
