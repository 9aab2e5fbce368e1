//! The harness file: what to launch, how to drive it, what growth to allow.
//!
//! [`types`] is the file as it is written, [`units`] its durations, rates and size distributions.

pub mod types;
mod units;

pub use types::*;
pub use units::{Rate, Size, Span};
