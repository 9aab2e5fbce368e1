//! The memory that the library keeps in each process, and that seepage reads from outside.
//!
//! Both sides compile this file, so that they can't disagree. All of it is one private anonymous mapping: a fork gives
//! the child its own copy, with what it inherited in it; nothing needs a descriptor, a file or a name. Every field is
//! an atomic that is written with relaxed order: the reader looks at a process that goes on running, and takes an
//! entry for what it says only if two looks agree.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

/// First word of a region: "seepheap" in ASCII, little-endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"seepheap");

/// Version of this layout.
pub const VERSION: u32 = 6;

/// Threads that count on their own at a time; more of them share `Region::shared`.
pub const SLOTS: usize = 4096;

/// Counters of the filter that `free` looks into first; a power of two. Small, for they take room in the target's caches.
pub const NEAR: usize = 1 << 14;

/// Counters of the filter that spares `free` a look-up where the first one doesn't; a power of two.
pub const FILTER: usize = 1 << 16;

/// Sampled blocks and mappings that can be live at a time.
pub const ENTRIES: usize = 1 << 14;

/// Places of the index of entries by address; a power of two, twice as many as entries.
pub const INDEX: usize = 1 << 15;

/// Different stacks that can be told apart.
pub const STACKS: usize = 1 << 13;

/// Places of the index of stacks by hash; a power of two, twice as many as stacks.
pub const STACK_INDEX: usize = 1 << 14;

/// Frames of all stacks together.
pub const FRAMES: usize = 1 << 18;

/// Frames of one stack; what lies further out is cut off.
pub const DEPTH: usize = 64;

/// Places in scripts that can be told apart.
pub const LINES: usize = 1 << 13;

/// Places of the index of these by hash; a power of two, twice as many.
pub const LINE_INDEX: usize = 1 << 14;

/// No code lies at this address and those that follow: as frames they stand for places in scripts, by their numbers.
pub const SCRIPT_LINES: u64 = 1 << 63;

/// The program executes no scripts.
pub const NO_INTERPRETER: u32 = 0;

/// It is Python 3.11: what is known of a place is the number of an instruction.
pub const PYTHON: u32 = 1;

/// It is PHP 8.2 without threads: what is known of a place is the line.
pub const PHP: u32 = 2;

/// It executes scripts, and its structures aren't known.
pub const UNKNOWN_INTERPRETER: u32 = 3;

/// Mappings and reservations that can be followed at a time.
pub const MAPPINGS: usize = 1 << 12;

/// Frees that can wait for the lock because the thread that holds it was interrupted by a signal.
pub const PENDING: usize = 16;

/// Bytes of the stack on which samples are taken where the thread's own may have no room.
pub const OTHER_STACK: usize = 64 << 10;

/// Bytes below it that may not be touched.
pub const OTHER_STACK_GUARD: usize = 4096;

/// Bytes of it that are touched at its first use: more than a sample takes.
pub const OTHER_STACK_TOUCHED: usize = 16 << 10;

/// What the static `SEEPAGE_HEAP` of the library holds: where the region is.
#[repr(C)]
pub struct Anchor {
    /// `MAGIC`.
    pub magic: AtomicU64,
    /// Address of the region in its own process; 0 before the first allocation.
    pub region: AtomicU64,
    /// 1 if the program calls another `malloc` than ours, as one that has an allocator linked into it does.
    pub bypassed: AtomicU64,
    /// 1 if the program has a sanitizer's runtime in it, whose allocator has to be the first: all calls are passed on, and
    /// nothing is counted.
    pub sanitized: AtomicU64,
}

/// What one thread allocated and freed. Only its owner writes to it.
#[repr(C, align(64))]
pub struct Slot {
    /// Bytes allocated.
    pub allocated: AtomicU64,
    /// Bytes freed.
    pub freed: AtomicU64,
    /// Blocks allocated.
    pub allocations: AtomicU64,
    /// Blocks freed.
    pub frees: AtomicU64,
    /// How many bytes will have been allocated when the next sample is due.
    pub next: AtomicU64,
    /// Mean of bytes between samples at which that was drawn.
    pub drawn: AtomicU64,
    /// State of the random numbers; 0 before the first sample was drawn.
    pub random: AtomicU64,
    /// 1 while a thread owns it.
    pub taken: AtomicU32,
    /// 1 while its thread takes a sample, so that a signal that allocates doesn't take another.
    pub busy: AtomicU32,
}

/// A sampled block or mapping that is live, or a place for one.
#[repr(C)]
pub struct Entry {
    /// Its address; 0 if the place is free.
    pub address: AtomicU64,
    /// Bytes of it that are live.
    pub bytes: AtomicU64,
    /// Bytes it had when it was sampled, which decided how likely that was.
    pub sampled: AtomicU64,
    /// When it was allocated, in nanoseconds of `CLOCK_MONOTONIC`.
    pub born: AtomicU64,
    /// Number of its stack.
    pub stack: AtomicU32,
    /// The next free place, plus one, while this one is free; 1 for a mapping while it isn't.
    pub link: AtomicU32,
}

/// One call stack that allocated.
#[repr(C)]
pub struct Stack {
    /// Hash of its frames.
    pub hash: AtomicU64,
    /// Estimate of the bytes allocated here since the process began.
    pub allocated: AtomicU64,
    /// Number of its first frame in `Region::frames`.
    pub first: AtomicU32,
    /// How many frames it has.
    pub depth: AtomicU32,
}

/// A place in a function of a script.
#[repr(C)]
pub struct Line {
    /// Address of the function's code.
    pub code: AtomicU64,
    /// The instruction's number, or the line; `u32::MAX` or 0 if that isn't known.
    pub at: AtomicU32,
}

/// An anonymous private mapping that the process made itself, or a part of one.
#[repr(C)]
pub struct Mapping {
    /// Its first address.
    pub start: AtomicU64,
    /// Its length in bytes.
    pub length: AtomicU64,
    /// Its entry, plus one; 0 if it wasn't sampled.
    pub entry: AtomicU32,
    /// 1 for address space that is only reserved: it may not be written to, and so holds nothing.
    pub reserved: AtomicU32,
}

/// What one process's library knows.
#[repr(C)]
pub struct Region {
    /// `MAGIC`, written when all else is ready.
    pub magic: AtomicU64,
    /// `VERSION`.
    pub version: AtomicU32,
    /// Threads that have a slot now.
    pub slots_taken: AtomicU32,
    /// Token of the thread that holds the lock over all that follows the slots; 0 if it is free.
    pub owner: AtomicU64,
    /// Mean of bytes between samples.
    pub mean: AtomicU64,
    /// When the present window of the sampling rate began, in nanoseconds.
    pub window: AtomicU64,
    /// Samples taken in that window.
    pub window_samples: AtomicU64,
    /// Anonymous private bytes mapped by the process itself, allocators apart, and made writable.
    pub mapped: AtomicU64,
    /// Of these, unmapped or closed again.
    pub unmapped: AtomicU64,
    /// Samples that could not be taken: a signal came in between, or the lock was never free.
    pub lost_samples: AtomicU64,
    /// Frees of sampled blocks that could not be noted.
    pub lost_frees: AtomicU64,
    /// Samples whose stack is unknown: there was no room for it, or it could not be walked.
    pub lost_stacks: AtomicU64,
    /// Mappings that could not be followed because there were too many.
    pub lost_mappings: AtomicU64,
    /// 1 once code was made at run time that brings unwinding tables of its own: stacks are walked up to such code.
    pub tables_made: AtomicU32,
    /// 1 once the other stack was used.
    pub other_stack_used: AtomicU32,
    /// Address of the mapping with the other stack, its guard first; 0 if there is none.
    pub other_stack: AtomicU64,
    /// Token of the thread that samples on the other stack; 0 if it is free.
    pub other_stack_owner: AtomicU64,
    /// What makes this process's random numbers differ from those of its parent and its siblings.
    pub salt: AtomicU64,
    /// 1 once the lock was found held for good: nothing is sampled any more.
    pub broken: AtomicU32,
    /// Odd while the sample is thinned out to a raised mean: entries and mean don't go together then.
    pub thinnings: AtomicU32,
    /// Slots that were ever used.
    pub slots_used: AtomicU32,
    /// Entries that were ever used.
    pub entries_used: AtomicU32,
    /// The first free entry below `entries_used`, plus one; 0 if there is none.
    pub free: AtomicU32,
    /// Stacks used.
    pub stacks_used: AtomicU32,
    /// Frames used.
    pub frames_used: AtomicU32,
    /// Mappings followed now.
    pub mappings_used: AtomicU32,
    /// The most mappings that were ever followed.
    pub mappings_most: AtomicU32,
    /// Which interpreter's scripts were met on stacks.
    pub interpreter: AtomicU32,
    /// Places in scripts used.
    pub lines_used: AtomicU32,
    /// Address of the type of Python's code.
    pub code_type: AtomicU64,
    /// Addresses of sampled blocks that were freed while their thread held the lock.
    pub pending: [AtomicU64; PENDING],
    /// Counts of all threads that found no slot of their own.
    pub shared: Slot,
    /// Counts by thread.
    pub slots: [Slot; SLOTS],
    /// How many sampled blocks begin in a cache line with this number, modulo `NEAR`; one that reached 255 stays.
    pub near: [AtomicU8; NEAR],
    /// How many sampled blocks have an address with this hash; one that reached 255 stays.
    pub filter: [AtomicU8; FILTER],
    /// Entries by hash of the address, plus one; open addressing.
    pub index: [AtomicU32; INDEX],
    /// Stacks by hash, plus one; open addressing.
    pub stack_index: [AtomicU32; STACK_INDEX],
    /// Stacks, in the order they were met.
    pub stacks: [Stack; STACKS],
    /// Sampled blocks and mappings.
    pub entries: [Entry; ENTRIES],
    /// Mappings by address.
    pub mappings: [Mapping; MAPPINGS],
    /// Return addresses, innermost first, stack after stack, and places in scripts from `SCRIPT_LINES` on.
    pub frames: [AtomicU64; FRAMES],
    /// Places in scripts by hash, plus one; open addressing.
    pub line_index: [AtomicU32; LINE_INDEX],
    /// Places in scripts, in the order they were met.
    pub lines: [Line; LINES],
}
