//! Columns that hold more of a process than the one that is judged.

use super::columns::{Columns, Names, Size};
use super::names::{MEMORY_UNITS, WIDER, split};
use crate::model::MemoryKind;

impl Names<'_> {
    /// The first column of memory with one of these names that has values, and its unit if the name ends in one.
    pub fn with_values(&self, known: &[&str]) -> Option<(usize, Option<u64>)> {
        self.known(known, &MEMORY_UNITS).into_iter().find(|(index, _)| !self.all_missing(*index))
    }

    /// The column that holds most of a process beside the one that is judged: a pass is a promise for all of it. Where shared memory
    /// is judged by itself, the rest of what is wider are files.
    pub fn wider(&self, columns: &Columns) -> Result<Option<(Size, MemoryKind)>, String> {
        let ([judged], false) = (&columns.memory[..], columns.kind == MemoryKind::Host) else { return Ok(None) };
        if columns.shared.is_some() && columns.kind != MemoryKind::Unknown {
            return Ok(None);
        }
        let judged = self.plain[judged.index].as_str();
        let judged = [judged, split(judged, &MEMORY_UNITS).0];
        let is_judged = |(_, known): &(MemoryKind, &[&str])| judged.iter().any(|name| known.contains(name));
        let narrower = WIDER.iter().position(is_judged).map_or(0, |place| place + 1);
        let there = |(kind, known): &(MemoryKind, &[&str])| {
            Some((self.with_values(known).filter(|(index, _)| !columns.uses(*index))?, *kind))
        };
        let found: Vec<_> = WIDER[narrower..].iter().filter_map(there).collect();
        // What a container is charged with has all of its page cache in it.
        let widest = found.iter().rfind(|(_, kind)| *kind != MemoryKind::Unknown).or(found.last());
        widest.map(|((index, unit), kind)| Ok((self.unit(*index, *unit)?, *kind))).transpose()
    }
}
