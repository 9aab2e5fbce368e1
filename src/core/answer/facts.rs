//! What a verdict rests on, as facts with their numbers; `words` makes sentences of them.

use super::doubt::{Doubt, Grown};
use crate::answer::{Interval, LastLook, NoiseCause, ReadingNote};
use crate::model::{Axis, ExitCause, Resource, WorkerId};

/// A thing that a verdict says first.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// The harness was interrupted by this signal.
    Interrupted(i32),
    /// The target's first process ended before it was asked to; how, where that is known.
    TargetDied {
        /// How it ended.
        cause: Option<ExitCause>,
        /// Whether it had the preload library in it.
        library: bool,
    },
    /// The target hit its memory limit.
    MemoryLimit(LimitHit),
    /// The finding in this place is a leak that the others don't tell already.
    Leak(usize),
    /// Workers ended as no healthy one does.
    Crashed(Crashes),
    /// What the service in this place says first of itself.
    Service(usize),
    /// The gate in this place, which is on the workload, is broken.
    WorkloadFailed(usize),
    /// Nothing speaks against a pass; the finding in this place is the one to be told.
    Clean(usize),
    /// The run proves neither a leak nor that there is none.
    Open(Open),
}

/// Why a run is open.
#[derive(Debug, Clone, PartialEq)]
pub enum Open {
    /// seepage looked at the wrong thing.
    Doubt(Doubt),
    /// The finding in this place is open.
    Finding(usize),
    /// No resource has a budget.
    NothingJudged,
    /// The gate in this place could not be measured.
    Gate(usize),
    /// The run didn't come to its planned end.
    Unfinished,
    /// A gate is broken that no other claim tells.
    Broken,
}

/// A memory limit that was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitHit {
    /// The limit in bytes.
    pub limit: u64,
    /// Processes that were killed for it.
    pub kills: u64,
}

/// Workers that ended as no healthy one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crashes {
    /// How many.
    pub count: usize,
    /// The first.
    pub first: WorkerId,
    /// How it ended.
    pub cause: ExitCause,
    /// Whether they had the preload library in them.
    pub library: bool,
}

/// The load while workers crashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashLoad {
    /// How many did.
    pub crashes: usize,
    /// Requests that were sent in the whole run.
    pub sent: u64,
    /// The fewest and the most requests in flight at a crash, each as far as its second tells.
    pub in_flight: Option<(u64, u64)>,
    /// Requests that failed in the seconds of the crashes, by step, the most first.
    pub failed: Vec<(String, u64)>,
}

/// State of one gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateState {
    /// It holds.
    Pass,
    /// It is broken.
    Fail,
    /// It couldn't be decided or measured.
    Unknown,
}

/// Something that had to hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// What it is on.
    pub kind: GateKind,
    /// Whether it holds.
    pub state: GateState,
}

/// A quantile of latencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantile {
    /// The median.
    P50,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
}

/// What a gate is on, with what was measured and what is allowed.
#[derive(Debug, Clone, PartialEq)]
pub enum GateKind {
    /// Growth of a resource.
    Growth {
        /// The resource.
        resource: Resource,
        /// What growth is measured against.
        axis: Axis,
        /// Growth per step of the axis; missing if nothing could be fitted.
        growth: Option<Interval>,
        /// Allowed growth.
        budget: f64,
    },
    /// The failed share of the requests, 0 to 1.
    ErrorRate {
        /// What was measured.
        measured: Option<f64>,
        /// What is allowed.
        most: f64,
    },
    /// Latency of successes, in seconds.
    Latency {
        /// Which quantile.
        quantile: Quantile,
        /// What was measured.
        measured: Option<f64>,
        /// What is allowed.
        most: f64,
    },
    /// Nobody crashes.
    Deaths(Option<Crashes>),
    /// The memory limit is never hit.
    MemoryLimit(LimitHit),
    /// What seepage looked at is what it should have looked at.
    Doubt(Doubt),
}

/// The runtime of a language, which has a heap of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// A Java machine.
    Java,
    /// .NET.
    DotNet,
    /// Node.js.
    Node,
    /// Go.
    Go,
    /// PHP.
    Php,
    /// CPython.
    Python,
    /// Ruby.
    Ruby,
}

/// What the reader should know beside the verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// A reason not to pass, and what to do about it.
    Doubt(Doubt),
    /// How requests were counted, and what that is worth.
    Counting(String),
    /// What came back when the load paused, bytes over all workers.
    Returned {
        /// What came back.
        returned: f64,
        /// What they had grown by.
        grown: f64,
        /// How many workers.
        workers: usize,
    },
    /// The load while workers crashed.
    Crashes(CrashLoad),
    /// Deadlines that the sampler missed.
    MissedDeadlines {
        /// How many.
        count: u64,
        /// Of these, the ones that its own readings took too long for.
        own: u64,
    },
    /// Shared memory grew that is in nothing of the target's that can be seen, and isn't judged.
    SharedElsewhere {
        /// By how much.
        grown: Grown,
        /// Whether it is that of the target's control group; else it is the host's.
        of_group: bool,
    },
    /// The old generation of a Java heap doesn't grow, though memory does.
    OldGenerationFlat {
        /// Whose.
        pid: u32,
        /// What it may grow by at most for a step of the axis, in bytes.
        upper: f64,
        /// What growth is measured against.
        axis: Axis,
    },
    /// Who can tell what grows.
    NextStep {
        /// The runtime that it runs in.
        runtime: Runtime,
        /// The process to ask.
        pid: u32,
    },
    /// Looks at the run before its end.
    Looks(LastLook),
    /// Why the host was too noisy to trust latencies and small differences.
    Noise(Vec<NoiseCause>),
    /// The target failed with the preload library in it.
    Library,
    /// Allocations were traced, and live sets looked at too seldom to say who keeps memory.
    SeldomLooked,
    /// Readings that could not be used, or are of another kind than usual.
    Readings(ReadingNote),
    /// Workers of a table that leak, those that grow most first: their PIDs, or the numbers that stand for them, and their names.
    Leaking(Vec<(u32, Option<String>)>),
    /// What was noted while the run went on.
    Recorded(String),
    /// A quantity that could not be read, with the reason.
    Unreadable(String),
}
