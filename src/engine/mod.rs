//! The run: clock, sampler, orchestrator; where the edges meet.
//!
//! Three threads: the caller's records what happens and watches over the target, one samples, one drives. When attached
//! to a target that runs already, nothing is driven, and nothing but files is read, and page faults if they are asked for.

mod accounting;
mod attach;
mod beside;
mod census;
mod choosing;
mod collect;
mod cost;
mod driving;
mod end;
mod first_look;
mod head;
mod heap;
mod interrupt;
mod lasting;
mod mapping;
mod metrics;
mod monitor;
mod outputs;
mod printed;
mod pulse;
mod recorder;
mod rehearsal;
mod run;
mod sampler;
mod scrub;
mod services;
mod setup;
mod soaking;
mod target;
mod written;

pub use attach::{AttachRequest, Attachment};
pub use end::{Finished, Interruption, RunError};
pub use head::stamp;
pub use heap::{NAMER_ARGUMENT, run_namer};
pub use interrupt::{Interrupt, outlive_file_limits};
pub use monitor::{Looked, Progress};
pub use rehearsal::{Rehearsal, Reply};
pub use run::{Extend, RunRequest, run};
