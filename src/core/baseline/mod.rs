//! What is known of an earlier run without its readings: what its `verdict.json` says, or a baseline file, which is the part
//! of that which comparisons need, and until when its leaks are accepted.
//!
//! Pure: from bytes that somebody else may have written to what a comparison is made of.

mod accept;
mod file;

pub use file::{Acceptance, Baseline, BaselineRun, Known};

#[cfg(test)]
mod tests;
