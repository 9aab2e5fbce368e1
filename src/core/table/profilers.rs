//! The files of two profilers that are in wide use: psrecord's text and mprof's `.dat`.

use super::collect::{Collector, Row};
use super::columns::{Columns, Size, TimeColumn};
use super::lines::{Lines, words};
use super::{Mapping, TableError, shown};
use crate::model::MemoryKind;
use std::borrow::Cow;
use std::io::Read;

/// Both write powers of 1024 and call them MB.
const MIB: f64 = 1024.0 * 1024.0;

/// Whether a table with this first line is psrecord's.
pub(super) fn is_psrecord(first: &[u8]) -> bool {
    first.starts_with(b"#") && contains(first, b"Elapsed time") && contains(first, b"Real (MB)")
}

/// Whether a table with this first line is mprof's.
pub(super) fn is_mprof(first: &[u8]) -> bool {
    [&b"CMDLINE "[..], b"MEM ", b"CHLD "].iter().any(|word| first.starts_with(word))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Reads psrecord's text: seconds, CPU, resident MiB, virtual MiB, between spaces.
pub(super) fn psrecord(input: impl Read, collector: &mut Collector) -> Result<(), TableError> {
    collector.sees_ends();
    collector.has(
        &resident(0, 2),
        &names(&["Elapsed time", "CPU (%)", "Real (MB)", "Virtual (MB)"]),
        &Mapping::default(),
    );
    each_line(input, |text, line| {
        if text.starts_with(b"#") {
            return Ok(());
        }
        let mut fields = words(text);
        let (t, memory) = (fields.next(), fields.nth(1));
        let expected = "expected a row of psrecord: seconds, CPU share, resident MB and virtual MB";
        let reading = reading(t, memory).ok_or_else(|| wrong(line, expected, text))?;
        collector.add(&reading).map_err(|what| TableError::at(line, what))
    })
}

/// Reads mprof's file: `MEM` lines of the process, `CHLD` lines of its children, both with MiB and the time.
pub(super) fn mprof(input: impl Read, collector: &mut Collector) -> Result<(), TableError> {
    let columns = Columns { workers: vec![0], ..resident(2, 1) };
    collector.sees_ends();
    collector.has(&columns, &names(&["MEM or CHLD", "MB", "time"]), &Mapping::default());
    each_line(input, |text, line| {
        let mut fields = words(text);
        let worker = match fields.next() {
            Some(b"MEM") => Some(&b"MEM"[..]),
            Some(b"CHLD") => fields.next(),
            // The command line, and calls of functions that were marked.
            Some(b"CMDLINE" | b"FUNC") => return Ok(()),
            _ => None,
        };
        let memory = fields.next();
        let read = reading(fields.next(), memory).filter(|_| worker.is_some());
        let expected = "expected a line of mprof: MEM or CHLD with a number, MB and the time";
        let reading = Row { worker: worker.map(Cow::Borrowed), ..read.ok_or_else(|| wrong(line, expected, text))? };
        collector.add(&reading).map_err(|what| TableError::at(line, what))
    })
}

fn names(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

/// The columns that both have.
fn resident(time: usize, memory: usize) -> Columns {
    Columns {
        time: Some(TimeColumn { index: time, date: None, unit: Some(1.0), wall: true }),
        memory: vec![Size { index: memory, unit: Some(1 << 20) }],
        kind: MemoryKind::Resident,
        ..Columns::default()
    }
}

fn reading<'a>(t: Option<&[u8]>, memory: Option<&[u8]>) -> Option<Row<'a>> {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok().filter(|v| v.is_finite());
    let memory = memory?;
    let bytes = number(memory)? * MIB;
    let fits = (0.0..u64::MAX as f64).contains(&bytes);
    let decimals = memory.iter().rposition(|b| *b == b'.').map_or(0, |at| (memory.len() - at - 1).min(9) as u8);
    fits.then_some(Row { t: Some(number(t?)?), memory: Some(bytes.round() as u64), decimals, ..Row::default() })
}

fn wrong(line: u64, expected: &str, found: &[u8]) -> TableError {
    TableError::at(line, format!("{expected}; found `{}`", shown(found)))
}

/// Calls `each` with every line that isn't empty, and its number.
fn each_line(input: impl Read, mut each: impl FnMut(&[u8], u64) -> Result<(), TableError>) -> Result<(), TableError> {
    let mut lines = Lines::new(input);
    while lines.advance()? {
        if !lines.text().is_empty() {
            each(lines.text(), lines.number())?;
        }
    }
    Ok(())
}
