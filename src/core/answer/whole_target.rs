//! What reports tell of the whole target.

use super::doubt::{Choice, Named};

/// What the account of a whole target has of the judged time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WholeTarget {
    /// Processes that are not workers, those first whose memory grew most; at most eight.
    pub rest: Vec<RestProcess>,
    /// How many of these are not told.
    pub more: usize,
    /// Those of them that began in the judged time and were there at last: how many, and bytes that they hold together.
    pub came: (usize, f64),
    /// Processes at first and at last, dead ones included.
    pub processes: (u64, u64),
    /// Dead processes that nobody has waited for, at first and at last.
    pub zombies: (u64, u64),
    /// The parent that has most of the dead at last.
    pub forgets: Option<Named>,
    /// The process that began last.
    pub newest: Option<Named>,
}

/// A process that is not a worker, over the judged time; memory in bytes, huge pages and shared memory included.
#[derive(Debug, Clone, PartialEq)]
pub struct RestProcess {
    /// The process.
    pub who: Named,
    /// Seconds since the start of the run at which it was seen first and last in the judged time.
    pub seen: (f64, f64),
    /// Its memory then; what began in the judged time began with nothing.
    pub size: (f64, f64),
    /// Its descriptors then; missing where they could not be counted.
    pub descriptors: Option<(u64, u64)>,
    /// Its memory over the whole run, in seconds and bytes.
    pub levels: Vec<(f64, f64)>,
    /// What would judge it.
    pub choice: Choice,
}
