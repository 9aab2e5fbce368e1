//! Which processes were found to be the workers, where nobody said it.

use serde::{Deserialize, Serialize};

/// PIDs that are told of one group.
pub const MOST_TOLD: usize = 4;

/// Which processes were found to be the workers, and why: a rule, for workers come and go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The processes, by the parent that they have and the program that they run.
    pub groups: Vec<ChosenGroup>,
}

/// Processes that are workers for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenGroup {
    /// The command name of the first.
    pub command: String,
    /// PIDs of those that lived when it was decided, at most [`MOST_TOLD`].
    pub pids: Vec<u32>,
    /// How many lived then.
    pub count: u64,
    /// The process whose children they are, and whose later children are workers too; missing of a process that is judged by
    /// itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ChosenParent>,
    /// Why they are the workers.
    pub because: Choosing,
}

/// The parent of workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenParent {
    /// Its PID.
    pub pid: u32,
    /// Its command name.
    pub command: String,
}

/// Why processes are the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choosing {
    /// The log or the status page names their PIDs.
    Named,
    /// They hold a listening socket, and use the CPU.
    Serving,
    /// They hold a listening socket, and nobody used the CPU enough to tell who works.
    Listening,
    /// They run the program of their parent, which leaves the work to them.
    SameProgram,
    /// Those who do the work live only for moments, and what they leak ends with them; these are their parents.
    Outlives,
    /// Nothing else of the target works.
    Itself,
}
