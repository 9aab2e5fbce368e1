//! The run: clock, sampler, orchestrator; where the edges meet.
//!
//! Three threads: the caller's records what happens and watches over the target, one samples, one drives.

mod cost;
mod driving;
mod interrupt;
mod recorder;
mod run;
mod sampler;
mod setup;
mod target;

pub use interrupt::Interrupt;
pub use run::{Finished, Progress, RunError, RunRequest, Watch, run};
