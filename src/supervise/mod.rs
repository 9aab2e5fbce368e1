//! Launch, readiness, the process tree, who is a worker, stop.
//!
//! All that the harness starts is below the **guard**, a small process that it starts first: a child subreaper that holds
//! one end of a socket. Each command has a **keeper** of its own there, so that what the target started is known from
//! what a command beside it did. When the harness ends, however it ends, its sockets close, and guard and keepers kill
//! everything. So nothing that was started outlives a run, even if two of the three are killed at once.

mod candidate;
mod choice;
mod claim;
mod exec;
mod guard;
mod helper;
mod keeper;
mod kill;
mod launch;
mod misplaced;
mod protocol;
mod ready;
mod roster;
mod signal;
mod target;
mod tree;

pub use choice::{Candidate, MEASURABLE, Rule, choose};
pub use claim::{sweep_groups, sweep_scratch};
pub use exec::find_program;
pub use guard::{ARGUMENT as GUARD_ARGUMENT, run as run_guard};
pub use launch::{Guard, KILLING, Kindred, LaunchError, Launched, Leash, TargetEvent};
pub use misplaced::ticks;
pub use protocol::{Killed, LaunchRequest};
pub use ready::{Ready, ReadyError, tail, wait as wait_until_ready};
pub use roster::{Arrival, Departure, Roster, Scope};
pub use signal::signal_worker;
pub use target::{AttachError, Attached, RootWatch, Wanted, command_line};
#[cfg(test)]
pub(crate) use tree::descendants;
