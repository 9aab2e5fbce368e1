//! Who a worker is.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A command name as it may stand in a sentence: a process gives itself any, so what could be taken for markup or for an order to
/// the terminal is left out.
pub fn shown_command(command: &str) -> String {
    let plain = |c: char| {
        c.is_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-' | ':' | '/' | '+' | '@' | '=' | ',' | '"' | '{' | '}')
    };
    command.chars().map(|c| if plain(c) { c } else { '?' }).collect()
}

/// One incarnation of a worker process: a PID that comes back with another start time is another worker, and so is a process that
/// has become another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct WorkerId {
    /// Process ID in the harness's PID namespace.
    pub pid: u32,
    /// Start time of the process in clock ticks since boot, field 22 of `/proc/PID/stat`.
    pub start: u64,
    /// How often it was seen to become another program (`exec`) before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
}

impl WorkerId {
    /// A process, as long as it is what it was at first.
    pub fn new(pid: u32, start: u64) -> Self {
        WorkerId { pid, start, generation: 0 }
    }

    /// The next incarnation of the same process.
    pub fn next(self) -> Self {
        WorkerId { generation: self.generation.saturating_add(1), ..self }
    }

    /// Whether it is the same process, whatever program that has become.
    pub fn is_same_process(self, other: Self) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }

    /// A number that no other incarnation with this PID has, for formats that have a PID and a start: the start time, and one more
    /// for each generation.
    pub fn birth(self) -> u64 {
        self.start.saturating_add(u64::from(self.generation))
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.pid, self.birth())
    }
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incarnation_is_told_from_the_next_and_old_records_have_none() {
        let first = WorkerId::new(7, 99);
        let next = first.next();
        assert!(next != first && next.is_same_process(first) && next.birth() != first.birth() && first < next);
        assert!(!first.is_same_process(WorkerId::new(7, 100)));
        assert_eq!(serde_json::to_string(&first).unwrap(), r#"{"pid":7,"start":99}"#);
        assert_eq!(serde_json::from_str::<WorkerId>(r#"{"pid":7,"start":99}"#).unwrap(), first);
        let text = serde_json::to_string(&next).unwrap();
        assert_eq!(text, r#"{"pid":7,"start":99,"generation":1}"#);
        assert_eq!(serde_json::from_str::<WorkerId>(&text).unwrap(), next);
    }
}
