//! One quantity of one worker as a function of the requests it served.

use super::WorkerId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What may leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Anonymous plus swapped memory of a worker, in bytes.
    Memory,
    /// What a worker has allocated and not freed, in bytes; known where its allocations are traced.
    Heap,
    /// Open file descriptors of a worker.
    Descriptors,
    /// Threads of a worker.
    Threads,
    /// Files on tmpfs and shared memory, in bytes, of the whole target.
    Tmpfs,
    /// What the kernel holds for the target's control group, in bytes: sockets, inodes, page tables, stacks.
    Kernel,
}

impl Resource {
    /// Every resource, memory first.
    pub const ALL: [Resource; 6] =
        [Resource::Memory, Resource::Heap, Resource::Descriptors, Resource::Threads, Resource::Tmpfs, Resource::Kernel];

    /// Whether it is counted in bytes.
    pub fn in_bytes(self) -> bool {
        matches!(self, Resource::Memory | Resource::Heap | Resource::Tmpfs | Resource::Kernel)
    }

    /// Whether it is measured on the target as a whole, not worker by worker.
    pub fn of_whole_target(self) -> bool {
        matches!(self, Resource::Tmpfs | Resource::Kernel)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resource::Memory => "memory",
            Resource::Heap => "heap",
            Resource::Descriptors => "descriptors",
            Resource::Threads => "threads",
            Resource::Tmpfs => "tmpfs",
            Resource::Kernel => "kernel",
        })
    }
}

/// What growth is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// Requests that this very worker served.
    WorkerRequests,
    /// Requests that the pool served, shared out evenly over its workers.
    SharedRequests,
    /// Requests that the whole pool served, for what belongs to the pool as a whole.
    PoolRequests,
    /// Seconds, when no requests are known.
    Seconds,
    /// Hours, when the budget is for an hour.
    Hours,
}

impl Axis {
    /// The unit of one step along the axis: "request", "s" or "hour".
    pub fn unit(self) -> &'static str {
        match self {
            Axis::WorkerRequests | Axis::SharedRequests | Axis::PoolRequests => "request",
            Axis::Seconds => "s",
            Axis::Hours => "hour",
        }
    }
}

/// One resource of one worker incarnation (or of the whole pool, when `worker` is `None`).
///
/// All vectors have the same length and are in the order of time. `x` never falls.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// The worker; `None` for a series of the pool as a whole.
    pub worker: Option<WorkerId>,
    /// Seconds since the start of the run.
    pub t: Vec<f64>,
    /// Position on the axis.
    pub x: Vec<f64>,
    /// Level: bytes, or a count.
    pub y: Vec<f64>,
    /// Where the judged part begins on `x`: readings before it belong to a configured warm-up phase.
    pub soak_from: f64,
    /// Requests per second that the pool served around each reading; empty if unknown or constant.
    pub load: Vec<f64>,
    /// Requests of each step of the workload that it had served at each reading, a row for each step; empty if that is
    /// unknown or there is one step only.
    pub by_step: Vec<Vec<f64>>,
}
