//! The life of a series that goes on.

use crate::model::RunRecord;

/// A life, as far as it is known; times are Unix times in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Life {
    /// Its first reading that is known.
    pub begun: f64,
    /// Whether it began with that: else, it may be older than what was read.
    pub is_whole: bool,
    /// The last reading of the worker that began with it.
    pub until: f64,
    /// The last of all.
    pub last: f64,
}

/// The life that goes on at the end of a record which began at `start`; of a pool, that of the oldest worker which is still there. A worker is
/// there that was read within `gap` seconds of the end, and one that was read within `gap` seconds of `from`, since when readings were asked
/// for, may be older. `None` without readings.
pub fn last_life(record: &RunRecord, start: f64, from: f64, gap: f64) -> Option<Life> {
    let last = record.samples.iter().map(|sample| sample.t).max_by(f64::total_cmp)?;
    let living: Vec<_> =
        record.samples.iter().filter(|sample| sample.t >= last - gap).map(|sample| sample.worker).collect();
    // Samples stand in the order of time.
    let first = record.samples.iter().find(|sample| living.contains(&sample.worker))?;
    let until = record.samples.iter().rev().find(|sample| sample.worker == first.worker)?.t;
    let begun = start + first.t;
    Some(Life { begun, is_whole: begun > from + gap, until: start + until, last: start + last })
}
