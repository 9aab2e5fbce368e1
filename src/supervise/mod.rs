//! Launch, readiness, the process tree, who is a worker, stop.
//!
//! What is launched is a child of the **guard**, a small process beside the harness that is a child subreaper and holds
//! one end of a socket. When the harness ends, however it ends, that socket closes and the guard kills everything that
//! was launched; when the guard ends, the harness does. So nothing that was launched outlives a run.

mod exec;
mod guard;
mod kill;
mod launch;
mod pidfd;
mod protocol;
mod ready;
mod roster;
mod signal;
mod target;
mod tree;

pub use guard::{ARGUMENT as GUARD_ARGUMENT, run as run_guard};
pub use launch::{LaunchError, Launched, TargetEvent};
pub use protocol::LaunchRequest;
pub use ready::{Ready, ReadyError, tail, wait as wait_until_ready};
pub use roster::{Arrival, Departure, Roster, Scope};
pub use signal::signal_worker;
pub use target::{AttachError, Attached, Wanted, Watch};
#[cfg(test)]
pub(crate) use tree::descendants;
