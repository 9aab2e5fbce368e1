//! What the preload library counted in a worker.

use serde::{Deserialize, Serialize};

/// Exact counts of one worker's allocations at one moment, in bytes unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeapReading {
    /// Live bytes in blocks, as their allocator rounds them.
    pub live: u64,
    /// Bytes allocated since the process began: churn is its growth.
    pub allocated: u64,
    /// Live blocks.
    pub blocks: u64,
    /// Blocks allocated since the process began.
    pub allocations: u64,
    /// Live bytes in anonymous private mappings that the program made itself, past its allocator.
    pub mapped: u64,
    /// Anonymous memory that the library itself takes in this process, which is no part of the worker's.
    pub own: u64,
}
