//! The whole target at some moments: what is not judged as a worker, and how many processes there are.

use super::WorkerId;
use serde::{Deserialize, Serialize};

/// Processes that one census lists; what the others hold is added up.
pub const MOST_LISTED: usize = 64;

/// Every process of the target at one moment; memory in bytes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Census {
    /// Seconds since the start of the run.
    pub t: f64,
    /// Processes of the target, dead ones that nobody has waited for included.
    pub processes: u64,
    /// Of these, the ones that are judged as workers.
    pub workers: u64,
    /// Anonymous plus swapped memory of the workers together; missing if one's could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers_memory: Option<u64>,
    /// Processes that are not judged, the largest first, at most [`MOST_LISTED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherProcess>,
    /// Anonymous plus swapped memory of those that are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlisted_memory: u64,
    /// Processes that are not judged and could not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// Dead processes that nobody has waited for, by the parent that should.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zombies: Vec<Zombies>,
    /// Files in memory that processes of the target hold open, and System V segments that they have made, each once, mapped or not;
    /// missing where they were not looked for, or some could not be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_files: Option<u64>,
}

/// A process of the target that is not judged as a worker; memory in bytes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OtherProcess {
    /// The process.
    pub id: WorkerId,
    /// Its parent's PID.
    pub parent: u32,
    /// Its command name, as the kernel has it.
    pub command: String,
    /// Steps below the target's first process, which is at 0.
    pub depth: u32,
    /// How it is related to the judged workers.
    pub kin: Kin,
    /// Whether it runs the same program as a judged worker that it is kin to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_program: bool,
    /// Anonymous plus swapped memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Resident shared memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<u64>,
    /// Memory in huge pages of hugetlbfs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge: Option<u64>,
    /// Open descriptors; missing before Linux 6.2, where only a listing would tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fds: Option<u64>,
    /// Seconds of CPU time since it began.
    pub cpu: f64,
}

/// How a process is related to the judged workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kin {
    /// A worker descends from it.
    Above,
    /// It descends from a worker.
    Below,
    /// Neither.
    #[default]
    Beside,
}

/// Dead processes that their parent has not waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zombies {
    /// The parent's PID.
    pub parent: u32,
    /// The parent's command name; empty if it could not be read.
    pub command: String,
    /// How many.
    pub count: u64,
}

impl Census {
    /// Anonymous plus swapped memory of all that is not judged; missing if some of it could not be read.
    pub fn rest_memory(&self) -> Option<u64> {
        let all =
            self.others.iter().try_fold(self.unlisted_memory, |sum, other| Some(sum.saturating_add(other.memory?)));
        all.filter(|_| self.unreadable == 0)
    }

    /// Dead processes that nobody has waited for.
    pub fn dead(&self) -> u64 {
        self.zombies.iter().fold(0, |sum, zombies| sum.saturating_add(zombies.count))
    }
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}
