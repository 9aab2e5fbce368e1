//! Where a worker's memory lies: its mappings at some moments, put together by kind and name.
//!
//! Addresses are not followed: mappings grow, split and merge, and an address is used again. What has one kind and one name
//! is one place, however many mappings it is in.

use super::{Sample, WorkerId};
use serde::{Deserialize, Serialize};

/// Places that one reading lists by name; what the others of a kind hold is added up without one.
pub const MOST_PLACES: usize = 48;

/// The memory map of one worker at one moment; memory in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapReading {
    /// Seconds since the start of the run.
    pub t: f64,
    /// The worker that was read.
    pub worker: WorkerId,
    /// Anonymous plus swapped memory, as the fast reading just before has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Resident shared memory, as the fast reading just before has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<u64>,
    /// Its places, the largest first; what holds no memory of the worker's own, nor shared memory, is left out. Missing if it would
    /// have taken too long to read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<Vec<Place>>,
}

impl MapReading {
    /// The map that was read right after `sample`.
    pub fn after(sample: &Sample, places: Option<Vec<Place>>) -> Self {
        MapReading { t: sample.t, worker: sample.worker, memory: sample.anon_and_swap(), shared: sample.shmem, places }
    }
}

/// Mappings of one kind and name; memory in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// What they are.
    pub kind: PlaceKind,
    /// Their name where the kind has names, its numbers replaced by `*`; missing for those that are added up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of anonymous mappings, the size that none is above; missing for the largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<u64>,
    /// How many mappings.
    pub mappings: u64,
    /// Anonymous plus swapped memory in them.
    pub own: u64,
    /// Resident shared memory in them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shared: u64,
    /// Memory in huge pages of hugetlbfs: it is in neither of the others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub huge: u64,
}

/// What a mapping is, as far as its line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceKind {
    /// The heap of the C library, `[heap]`.
    Heap,
    /// Arenas that the C library's malloc has for threads: at a multiple of 64 MiB, with the rest of that reserved.
    Arena,
    /// The heap of a Go program, at the addresses that its runtime asks for.
    GoHeap,
    /// Anonymous memory that the program has named.
    Named,
    /// Other anonymous memory.
    Anonymous,
    /// The stack of the first thread, `[stack]`.
    Stack,
    /// Stacks of other threads: a guard below, and no larger than a stack may be.
    ThreadStack,
    /// A memfd.
    Memfd,
    /// A file that was deleted.
    Deleted,
    /// A file on a tmpfs, `/dev/shm` among them.
    Tmpfs,
    /// Anonymous memory that forks share.
    SharedAnonymous,
    /// A System V segment.
    SysV,
    /// Huge pages of hugetlbfs.
    HugePages,
    /// A file that has a name.
    File,
    /// Everything else.
    Other,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}
