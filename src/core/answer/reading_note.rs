//! What is told of the readings themselves, and of the host that they were taken on.

use crate::model::{Axis, Resource};

/// What the reader should know of the readings of a resource.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadingNote {
    /// Readings without a request count, which were dropped.
    Uncounted(Resource, u64),
    /// Readings in which it could not be read.
    Unread(Resource, u64),
    /// Readings that were no number, or whose clock ran backwards.
    Dropped(Resource, u64),
    /// Workers whose request count ran backwards: of each the longest stretch without a break is judged.
    Cut(Resource, u64),
    /// tmpfs is measured on the whole host, for want of a control group of the target's own.
    HostWide,
    /// The levels in so many pauses of the load are judged, not those under load.
    ByPauses(usize),
    /// What pauses say that are too few to judge by.
    FewPauses(FewPauses),
}

/// What a few pauses say of memory, too few to judge by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FewPauses {
    /// Pauses that a worker lived through, at most.
    pub pauses: usize,
    /// Pauses from which on they are judged by.
    pub needed: usize,
    /// What workers still held grew by so much per step of the axis, median over workers.
    pub growth: f64,
    /// The axis.
    pub axis: Axis,
}

/// Why a host was too noisy to trust latencies and small differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoiseCause {
    /// The hypervisor took this share of its CPU time.
    Stolen(f64),
    /// Processes waited for memory in this share of the time.
    MemoryWait(f64),
    /// Processes waited for a CPU in this share of the time.
    CpuWait(f64),
    /// So many bytes went to swap.
    Swapped(f64),
}
