//! What of a table that another tool wrote was taken as what, and what it leaves open.

use super::WorkerId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How a table was understood.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Understood {
    /// What each quantity was read from, the clock first.
    pub taken: Vec<Taken>,
    /// Columns that nothing was read from.
    pub unused: Vec<String>,
    /// What the column of memory holds.
    pub kind: MemoryKind,
    /// The column that holds more of a process than the one that is judged, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wider: Option<Wider>,
    /// Names of the workers that have no PID, by the number that stands for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub called: BTreeMap<u32, String>,
    /// Workers that were there before the first reading: what they were born with isn't known.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub there_before: BTreeSet<WorkerId>,
    /// What keeps a pass from being earned.
    pub doubts: Vec<TableDoubt>,
}

/// A column that holds more of a process than the one that is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wider {
    /// Its name.
    pub column: String,
    /// What it holds.
    pub kind: MemoryKind,
}

/// One quantity, and where it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The quantity, such as `memory`.
    pub what: String,
    /// The column that it was read from; empty if it is in none.
    pub column: String,
    /// As what it was read: unit and kind, and how they are known.
    pub how: String,
}

/// What a column of memory holds, the best for judging first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryKind {
    /// Anonymous memory.
    Anonymous,
    /// Private memory, USS.
    Private,
    /// Proportional memory, PSS.
    Proportional,
    /// Resident memory, RSS.
    Resident,
    /// The working set of a container: page cache that is in use counts too.
    WorkingSet,
    /// All that is used on a machine.
    Host,
    /// The name says nothing of its kind.
    #[default]
    Unknown,
}

impl MemoryKind {
    /// Its name before `memory`; empty if it isn't known.
    pub const fn name(self) -> &'static str {
        match self {
            MemoryKind::Anonymous => "anonymous",
            MemoryKind::Private => "private",
            MemoryKind::Proportional => "proportional",
            MemoryKind::Resident => "resident",
            MemoryKind::WorkingSet => "working set",
            MemoryKind::Host => "host",
            MemoryKind::Unknown => "",
        }
    }

    /// Its name by itself.
    pub const fn full(self) -> &'static str {
        match self {
            MemoryKind::Anonymous => "anonymous memory",
            MemoryKind::Private => "private memory",
            MemoryKind::Proportional => "proportional memory",
            MemoryKind::Resident => "resident memory",
            MemoryKind::WorkingSet => "working-set memory",
            MemoryKind::Host => "memory of the machine",
            MemoryKind::Unknown => "memory",
        }
    }
}

/// What in a table may mean two things, one of which a pass would be wrong for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableDoubt {
    /// Memory falls again and again to where it began, or once to below that: restarts, or a collector.
    Sawtooth {
        /// How often it falls in the series with most falls.
        falls: u64,
        /// That series; empty if there is one only.
        whose: String,
    },
    /// The last readings are all alike, as an exporter repeats them for a process that is dead.
    Held {
        /// How many.
        readings: u64,
        /// Whose; empty if there is one series only.
        whose: String,
    },
    /// A column grows that by its name holds memory, descriptors or threads, and isn't judged.
    Unjudged {
        /// Its name.
        column: String,
        /// Its level at first, as it is written, but for units that stand in the values.
        from: f64,
        /// Its level at last.
        to: f64,
        /// Whose; empty if there is one series only.
        whose: String,
    },
    /// Memory grows at the end of a life, while no request is counted.
    Uncounted {
        /// Readings since the last request that was counted.
        readings: u64,
        /// Bytes at the beginning of these.
        from: f64,
        /// Bytes at their end.
        to: f64,
        /// Whose; empty if there is one series only.
        whose: String,
    },
}
