//! Why a pass isn't earned although everything that is judged keeps to its budget: seepage looked at the wrong processes, by
//! counts that can't be right, or when nothing went on.

use crate::model::{Axis, MemoryKind, Metric, Resource, TableDoubt};

/// A process that a sentence names.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// Its PID.
    pub pid: u32,
    /// Its command name; empty if that isn't known.
    pub command: String,
}

/// How the processes that should be judged are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// `self`, `children` or `descendants`; `None` if none of these would choose it.
    pub workers: Option<&'static str>,
    /// Whether it is chosen on the command line of `attach`, not in a harness file.
    pub attached: bool,
}

/// What processes did that aren't judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Work {
    /// Most of the work of the service; of its CPU time the judged processes used this share.
    Most(f64),
    /// A part of it, in the same program as what is judged, which used this share.
    Part(f64),
    /// Nobody worked enough to tell; they run the same program as what is judged.
    Unknown,
}

/// What a worker has that grew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What is judged of a worker.
    Judged(Resource),
    /// The kind of memory that a table has.
    OfTable(MemoryKind),
    /// Huge pages of hugetlbfs.
    Huge,
    /// The old generation of a Java heap.
    OldGeneration,
    /// Metaspace of a Java machine.
    Metaspace,
}

/// Growth of a quantity between two parts of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grown {
    /// Level at first, bytes or a count.
    pub from: f64,
    /// Level at last.
    pub to: f64,
    /// Growth for a step of the axis.
    pub rate: f64,
    /// What is allowed of it.
    pub allowed: f64,
    /// What growth is measured against.
    pub axis: Axis,
}

/// A reason not to pass, with the numbers that it is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Doubt {
    /// Lines were written to the log, and the pattern matched none.
    NoLineMatches {
        /// How many lines.
        lines: u64,
        /// The first of them.
        first: String,
    },
    /// The log stayed empty while requests were sent.
    NoLines {
        /// Requests that were sent.
        sent: u64,
    },
    /// Others than the judged processes did the work.
    NotJudged {
        /// The one that worked most.
        who: Named,
        /// How many beside it.
        more: u64,
        /// What they did.
        work: Work,
        /// What would judge them.
        choice: Choice,
    },
    /// Most of what was counted belongs to PIDs that are no judged worker.
    Strangers {
        /// Requests that were counted.
        counted: u64,
        /// Those of PIDs that aren't judged.
        strangers: u64,
        /// The first such PID.
        first: Option<u32>,
    },
    /// What was counted isn't what was sent.
    CountsApart {
        /// Requests that were counted.
        counted: u64,
        /// Requests that the driver sent.
        sent: u64,
    },
    /// Much of what was counted are our own look-ups of the status page.
    OwnLookUps {
        /// Requests that were counted.
        counted: u64,
        /// Our look-ups.
        own: u64,
    },
    /// A judged worker grew that isn't judged by requests of its own, or in what isn't judged.
    WorkerGrew {
        /// The worker.
        who: Named,
        /// What of it.
        kind: Kind,
        /// By how much.
        grown: Grown,
    },
    /// The old generation of a Java heap grew, and its collections are too few to tell whether by garbage.
    Uncollected {
        /// The worker.
        who: Named,
        /// By how much.
        grown: Grown,
    },
    /// A column of a table grew that holds more of a process than the one that is judged.
    WiderGrew {
        /// The column.
        column: String,
        /// What it holds.
        kind: MemoryKind,
        /// By how much.
        grown: Grown,
    },
    /// A worker grew that was read too seldom, or lived too briefly, to be judged.
    BriefGrew {
        /// The worker.
        who: Named,
        /// What of it.
        kind: Kind,
        /// How often it was read.
        readings: usize,
        /// By how much.
        grown: Grown,
    },
    /// A worker grew while it was not read, and hardly else.
    GrewUnseen {
        /// The worker; `None` if there is one only.
        who: Option<Named>,
        /// What of it.
        kind: Kind,
        /// How many times without readings there are.
        gaps: usize,
        /// How long they are together.
        seconds: f64,
        /// By how much.
        grown: Grown,
    },
    /// A process that was named to be watched has ended.
    NamedEnded {
        /// The process.
        who: Named,
        /// When, in seconds since the start of the run.
        after: f64,
    },
    /// Something of the target grew that is hidden in what is judged: by others that shrank, or by who holds it next.
    HiddenGrew {
        /// The process that is not a worker; `None` if it is all of them together.
        who: Option<Named>,
        /// By how much.
        grown: Grown,
    },
    /// Files in memory that nobody has mapped, and segments that nobody is attached to, grew.
    MemoryFilesGrew {
        /// By how much.
        grown: Grown,
    },
    /// Each new worker begins at a higher level.
    Born {
        /// How many births.
        births: usize,
        /// Growth of the level at birth.
        grown: Grown,
        /// Bytes from one birth to the next.
        each: f64,
    },
    /// The target was idle for most of the time against which growth is held.
    Idle {
        /// Parts in which it worked.
        worked: usize,
        /// Parts in all.
        parts: usize,
        /// Their length together, in seconds.
        seconds: f64,
    },
    /// There are more and more workers, and they hold more together.
    PiledUp {
        /// The most of them at first.
        from: u64,
        /// The fewest at last.
        to: u64,
        /// What they hold together.
        grown: Grown,
    },
    /// The target used next to no CPU time.
    AllButIdle {
        /// CPU time in seconds.
        cpu: f64,
        /// In so many seconds.
        seconds: f64,
    },
    /// Processes beside the judged ones could not be read.
    Unreadable {
        /// How many.
        processes: u64,
    },
    /// A series of the user's own wasn't there for a part of the judged time.
    Silent {
        /// Which.
        metric: Metric,
        /// Looks at it in the judged time.
        looks: usize,
        /// Of these, the ones at which it was missing.
        missing: usize,
        /// The first of them, in seconds since the start of the run.
        since: Option<f64>,
    },
    /// The table may mean two things.
    Table(TableDoubt),
}
