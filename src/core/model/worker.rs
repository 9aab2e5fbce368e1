//! Who a worker is.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A command name as it may stand in a sentence: a process gives itself any, so what could be taken for markup or for an order to
/// the terminal is left out.
pub fn shown_command(command: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-' | ':' | '/' | '+' | '@');
    command.chars().map(|c| if plain(c) { c } else { '?' }).collect()
}

/// One incarnation of a worker process: a PID that comes back with another start time is another worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct WorkerId {
    /// Process ID in the harness's PID namespace.
    pub pid: u32,
    /// Start time in clock ticks since boot, field 22 of `/proc/PID/stat`.
    pub start: u64,
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.pid, self.start)
    }
}
