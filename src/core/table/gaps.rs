//! Gaps in a series of a server of metrics: which of them a process passed over, and which another one comes after.

use super::median::median;
use super::series::SeriesRow;
use std::collections::BTreeSet;

/// Readings before and after a gap whose middles are compared.
const BESIDE: usize = 3;
/// How many usual steps memory is lower after the end of a life, at least: less is the breathing of a process.
const LOWER: f64 = 4.0;

/// How many gaps a series has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Gaps {
    /// Those after which another process comes.
    pub ends: usize,
    /// Those over which a process went on.
    pub passed: usize,
}

impl Gaps {
    /// What the reader of a verdict should know of them.
    pub fn told(self) -> Vec<String> {
        let told = |count: usize, what: &str| {
            let s = if count == 1 { "" } else { "s" };
            (count > 0).then(|| format!("the readings have {count} gap{s} {what}"))
        };
        let ended = told(self.ends, "after which memory is lower: what comes after is another life");
        let passed = told(
            self.passed,
            "over which memory goes on: it is taken as one life, whose growth and time in the gap count; a start of the process would tell",
        );
        ended.into_iter().chain(passed).collect()
    }
}

/// Places at which another life begins after more than `gap` seconds without a reading.
///
/// A process that is only not read for a while goes on where it was, or above if it leaks. A new one begins lower, or else it makes no difference to growth
/// over time. A count of requests that goes on, or begins anew, decides.
pub(super) fn ends(rows: &[&SeriesRow], gap: f64, [memory_unit, swap_unit]: [f64; 2]) -> (BTreeSet<usize>, Gaps) {
    let level = |row: &&SeriesRow| memory_unit * row.memory + if row.swap > 0.0 { swap_unit * row.swap } else { 0.0 };
    let levels: Vec<f64> = rows.iter().map(level).collect();
    let usual = median(levels.windows(2).map(|pair| (pair[1] - pair[0]).abs()).filter(|step| *step > 0.0));
    let (mut ends, mut gaps) = (BTreeSet::new(), Gaps::default());
    for place in (1..rows.len()).filter(|place| rows[*place].t - rows[place - 1].t > gap) {
        let before = median(levels[place.saturating_sub(BESIDE)..place].iter().copied());
        let after = median(levels[place..(place + BESIDE).min(levels.len())].iter().copied());
        let counts = [rows[place - 1].requests, rows[place].requests];
        let is_other = match counts.iter().all(|count| count.is_finite()) {
            true => counts[1] < counts[0],
            false => before - after > LOWER * usual,
        };
        if is_other {
            ends.insert(place);
            gaps.ends += 1;
        } else {
            gaps.passed += 1;
        }
    }
    (ends, gaps)
}
