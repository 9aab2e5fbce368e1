//! Columns that nothing is judged of, though by their names they hold memory, descriptors or threads: whether one of them grows, for then a
//! pass would hide it.

use super::columns::{Columns, Names};
use super::median::median;
use super::names::{MEMORY_UNITS, SHARED, WIDER, may_leak};
use crate::model::{MemoryKind, TableDoubt};
use std::collections::HashMap;

/// Columns that are watched in a table, and columns of workers in all.
pub(super) const MOST_COLUMNS: usize = 16;
const MOST_COURSES: usize = 16 << 10;
/// Values that are kept of each: of more, every other is dropped.
const MOST_VALUES: usize = 64;
/// Parts whose middles are compared, and the least values in each.
const PARTS: usize = 4;
const FEW: usize = 4;
/// The least rise that counts: such a part of the level, and so many usual steps.
const RISE: f64 = 0.01;
const STEPS: f64 = 3.0;

/// What was read of the watched columns.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// For each worker and column.
    of: HashMap<(u32, usize), Values>,
}

#[derive(Debug)]
struct Values {
    kept: Vec<(f64, f64)>,
    /// One of so many is kept.
    every: usize,
    seen: usize,
}

impl Values {
    fn push(&mut self, t: f64, value: f64) {
        if self.seen.is_multiple_of(self.every) {
            if self.kept.len() == MOST_VALUES {
                let mut place = 0..;
                self.kept.retain(|_| place.next().is_some_and(|place: usize| place.is_multiple_of(2)));
                self.every *= 2;
            }
            self.kept.push((t, value));
        }
        self.seen += 1;
    }

    /// Levels at first and at last, if it rises from each part of the time to the next, and by more than it moves anyway.
    fn rise(&self) -> Option<(f64, f64)> {
        let mut kept = self.kept.clone();
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        if kept.len() < PARTS * FEW {
            return None;
        }
        let edge = |part: usize| part * kept.len() / PARTS;
        let middle = |part: usize| median(kept[edge(part)..edge(part + 1)].iter().map(|(_, value)| *value));
        let middles: Vec<f64> = (0..PARTS).map(middle).collect();
        let usual = median(kept.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs()));
        let (from, to) = (middles[0], middles[PARTS - 1]);
        let rises = middles.windows(2).all(|pair| pair[1] > pair[0]);
        (rises && to - from > (RISE * from).max(STEPS * usual)).then_some((from, to))
    }
}

impl Beside {
    /// Takes a value of a watched column.
    pub fn take(&mut self, worker: u32, column: usize, t: f64, value: f64) {
        if self.of.len() < MOST_COURSES || self.of.contains_key(&(worker, column)) {
            let values = self.of.entry((worker, column)).or_insert(Values { kept: Vec::new(), every: 1, seen: 0 });
            values.push(t, value);
        }
    }

    /// The column that grows most beside what it was, and for whom, if one does.
    pub fn doubt(&self, name: impl Fn(usize) -> String, whose: impl Fn(u32) -> String) -> Option<TableDoubt> {
        let grown = self.of.iter().filter_map(|(of, values)| Some((*of, values.rise()?)));
        let times = |(from, to): (f64, f64)| to / from.max(1.0);
        let ((worker, column), (from, to)) =
            grown.max_by(|a, b| times(a.1).total_cmp(&times(b.1)).then(b.0.cmp(&a.0)))?;
        Some(TableDoubt::Unjudged { column: name(column), from, to, whose: whose(worker) })
    }
}

impl Names<'_> {
    /// Columns that may grow by their names, and aren't used.
    pub fn watched(&self, columns: &Columns) -> Vec<usize> {
        if columns.kind == MemoryKind::Host || columns.memory.len() > 1 {
            return Vec::new();
        }
        // What is known to hold more of a process, or less, than what is judged is held against that.
        let known =
            WIDER.iter().map(|(_, names)| *names).chain([SHARED]).flat_map(|names| self.known(names, &MEMORY_UNITS));
        let known: Vec<usize> = known.map(|(index, _)| index).collect();
        let may_leak = |index: &usize| may_leak(&self.plain[*index]) && !known.contains(index);
        let watched = columns.unused.iter().copied().filter(may_leak);
        watched.take(MOST_COLUMNS).collect()
    }
}
