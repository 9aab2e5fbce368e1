//! The run: clock, sampler, orchestrator; where the edges meet.
//!
//! Three threads: the caller's records what happens and watches over the target, one samples, one drives. When attached
//! to a target that runs already, nothing is driven, and nothing but files is read.

mod attach;
mod census;
mod collect;
mod cost;
mod cut;
mod driving;
mod heap;
mod interrupt;
mod outputs;
mod recorder;
mod rehearsal;
mod run;
mod sampler;
mod scrub;
mod setup;
mod soaking;
mod target;
mod written;

pub use attach::{AttachRequest, Attachment};
pub use heap::{NAMER_ARGUMENT, run_namer};
pub use interrupt::{Interrupt, Interruption, outlive_file_limits};
pub use rehearsal::{Rehearsal, Reply};
pub use run::{Extend, Finished, Look, Looked, Progress, RunError, RunRequest, Watch, run};
pub use setup::stamp;
