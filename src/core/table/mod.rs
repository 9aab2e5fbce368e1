//! A series that another tool wrote, as a run record: CSV and other text whose columns are known by their names, JSON,
//! metrics with their times, psrecord's text, and mprof's `.dat`.
//!
//! Pure: bytes in, record out, and the bytes are not trusted. A value that is missing stays missing; what can't be
//! understood, or could mean two things, is refused with its line and with what would settle it, never guessed at; and
//! what was understood is told. Memory is bounded whatever the length: a table of more readings than are kept is thinned,
//! and a note says so.

mod again;
mod beside;
mod blocks;
mod calendar;
mod checks;
mod clock;
mod cloudwatch;
mod collect;
mod columns;
mod counts;
mod course;
mod days;
mod delimited;
mod encoding;
mod exports;
mod filters;
mod foreign;
mod fuse;
mod gaps;
mod host;
mod json;
mod lines;
mod lives;
mod median;
mod metrics;
mod mprof;
mod names;
mod pairs;
mod proc_files;
mod programs;
pub mod prometheus;
mod records;
mod rounding;
mod series;
mod shared;
mod sheet;
mod sizeless;
mod sizes;
mod timed;
mod times;
mod told;
mod values;
mod whose;
mod wide;
mod wider;
mod zone;

use crate::model::{Budgets, CountingSource, Per, RunRecord, Sample};
use collect::Collector;
use std::io::{self, Cursor, Read};
use thiserror::Error;

pub use clock::{check_format, seconds_in};
pub use counts::RequestsAre;
pub use series::{Asked, Readings, SeriesRow, memory_kind, memory_unit, of_series};
pub use values::Decimal;
pub use whose::RequestsOf;

/// How columns are mapped, where their names don't say it. Names are compared as [`read`] compares known ones.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {
    /// Column of the time.
    pub time: Option<String>,
    /// Column of the requests served so far.
    pub requests: Option<String>,
    /// Column of the memory that is judged.
    pub memory: Option<String>,
    /// Bytes in one of the memory columns' unit, whatever their names say.
    pub memory_unit: Option<u64>,
    /// Column of the swapped memory; `none` if there is none of its processes'.
    pub swap: Option<String>,
    /// Column of the worker's name.
    pub worker: Option<String>,
    /// Column of the process ID.
    pub pid: Option<String>,
    /// Column of the open descriptors.
    pub descriptors: Option<String>,
    /// Column of the threads.
    pub threads: Option<String>,
    /// Column of the load, in requests per second.
    pub load: Option<String>,
    /// Column of when the process began.
    pub start: Option<String>,
    /// Seconds in the unit of the time.
    pub time_unit: Option<f64>,
    /// How the time is written, as `strftime` has it.
    pub time_format: Option<String>,
    /// What parts fractions in numbers.
    pub decimal: Option<Decimal>,
    /// What the count of requests is.
    pub requests_are: Option<RequestsAre>,
    /// Whose requests are counted.
    pub requests_of: Option<RequestsOf>,
    /// Columns and what they have to hold, for a row to be read.
    pub filters: Vec<(String, String)>,
}

/// A table that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its readings, as those of a run that was completed; budgets are left open.
    pub record: RunRecord,
    /// What the reader of a verdict should know of it, one sentence each.
    pub notes: Vec<String>,
}

/// What is usually allowed of what a table has: per request if they are counted, else per hour.
pub fn usual_budgets(record: &RunRecord) -> Budgets {
    let has = |read: fn(&Sample) -> Option<u64>| record.samples.iter().any(|s| read(s).is_some());
    let counted =
        has(|s| s.requests) || record.meta.counting.source == CountingSource::Table && !record.load.is_empty();
    let usual = Budgets::usual(if counted { Per::Request } else { Per::Hour });
    Budgets {
        memory: usual.memory.filter(|_| has(|s| s.anon)),
        shared: usual.shared.filter(|_| has(|s| s.shmem)),
        descriptors: usual.descriptors.filter(|_| has(|s| s.fds)),
        threads: usual.threads.filter(|_| has(|s| s.threads)),
        // A process alone is no pool that could become larger.
        processes: usual.processes.filter(|_| record.census.iter().any(|census| census.processes > 1)),
        per: usual.per,
        ..Budgets::default()
    }
}

/// Why a table could not be read.
#[derive(Debug, Error)]
#[error("{}{what}", line.map_or(String::new(), |line| format!("line {line}: ")))]
pub struct TableError {
    /// The line, from 1, if it is one line's fault.
    pub line: Option<u64>,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl TableError {
    fn at(line: u64, what: impl Into<String>) -> Self {
        TableError { line: Some(line), what: what.into() }
    }

    fn whole(what: impl Into<String>) -> Self {
        TableError { line: None, what: what.into() }
    }
}

impl From<io::Error> for TableError {
    fn from(error: io::Error) -> Self {
        TableError::whole(error.to_string())
    }
}

/// How much of the beginning is looked at to tell the kind of table.
const HEAD: u64 = 64 << 10;

/// What a file of SQLite begins with, and how to get a table from procpath's.
const SQLITE: &[u8] = b"SQLite format 3\0";
const EXPORT: &str = "it is a database of SQLite, such as procpath records: export it, and judge the CSV: sqlite3 -header -csv FILE \
                      \"SELECT ts AS timestamp, stat_pid AS pid, stat_starttime AS start, stat_rss * (SELECT value FROM meta \
                      WHERE key IN ('page_size')) AS rss_bytes, stat_num_threads AS threads FROM record ORDER BY ts\"";

/// What files begin with that are packed in a way that isn't read, what they are called, and how to get at what is in them.
const PACKED: [(&[u8], &str, &str); 6] = [
    (b"\xfd7zXZ\0", "xz", "xz -dc FILE | seepage analyze -"),
    (b"BZh", "bzip2", "bzip2 -dc FILE | seepage analyze -"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 -dc FILE | seepage analyze -"),
    (b"7z\xbc\xaf\x27\x1c", "7z", "7z x -so FILE | seepage analyze -"),
    (b"PK\x03\x04", "zip", "unzip -p FILE | seepage analyze -; a spreadsheet (.xlsx, .ods) is saved as CSV first"),
    (b"\x1f\x8b", "gzip twice", "gzip -dc FILE | seepage analyze -"),
];
/// What an archive of tar has, and where.
const TAR: (&[u8], usize) = (b"ustar", 257);

/// Refuses what is packed in a way that isn't read.
fn not_packed(head: &[u8]) -> Result<(), TableError> {
    if let Some((_, by, how)) = PACKED.iter().find(|(begin, ..)| head.starts_with(begin)) {
        return Err(TableError::whole(format!("it is packed by {by}: {how}")));
    }
    if head.get(TAR.1..).is_some_and(|rest| rest.starts_with(TAR.0)) {
        return Err(TableError::whole("it is an archive of tar: unpack it, and judge the files that are in it"));
    }
    Ok(())
}

/// Reads a table; `name` becomes the name of the run. Names of columns are compared without regard to case, and `-`,
/// `_`, spaces and brackets are alike.
///
/// # Errors
/// If it can't be read, has no column that is known, or has a row that can't be understood.
pub fn read(mut input: impl Read, name: &str, mapping: &Mapping) -> Result<Table, TableError> {
    let mut head = Vec::new();
    input.by_ref().take(HEAD).read_to_end(&mut head)?;
    not_packed(&head)?;
    match encoding::of(&head) {
        Some(utf16) => {
            let input = Cursor::new(head).chain(input);
            read_text(utf16.decode(input), name, mapping)
        }
        None => read_text(Cursor::new(head).chain(input), name, mapping),
    }
}

/// Reads a table of UTF-8.
fn read_text(mut input: impl Read, name: &str, mapping: &Mapping) -> Result<Table, TableError> {
    let mut head = Vec::new();
    input.by_ref().take(HEAD).read_to_end(&mut head)?;
    if head.starts_with(b"\xef\xbb\xbf") {
        head.drain(..3);
    }
    if head.starts_with(SQLITE) {
        return Err(TableError::whole(EXPORT));
    }
    if head.contains(&0) {
        return Err(TableError::whole(
            "it is no text: expected a table, such as CSV with the names of its columns above",
        ));
    }
    let mut lines = head.split(|b| matches!(b, b'\n' | b'\r')).map(<[u8]>::trim_ascii).filter(|l| !l.is_empty());
    let (first, above_json) = (lines.next(), lines.next().is_some_and(|line| line.starts_with(b"{")));
    let empty = || TableError::whole("it is empty: expected a line with the names of the columns, and rows");
    let Some(first) = first.map(<[u8]>::to_vec) else { return Err(empty()) };
    foreign::refuse(&head)?;
    let begin = delimited::Begin::of(&head);
    let input = Cursor::new(head.clone()).chain(input);
    let mut collector = Collector::default();
    if mprof::is_mprof(&first) {
        collector.sees_ends();
        records::read(mprof::Mprof::new(input), mapping, &mut collector)?;
    } else if proc_files::is_text(&head) {
        collector.sees_ends();
        records::read(proc_files::ProcFiles::new(input), mapping, &mut collector)?;
    } else if host::is_vmstat(&first) {
        host::vmstat(input, mapping, &mut collector)?;
    } else if timed::is_text(&head) {
        collector.sees_ends();
        sheet::read(timed::sheet(input)?, mapping, &mut collector)?;
    } else if metrics::is_point(&first, false) {
        metrics::read(input, mapping, &mut collector)?;
    } else if blocks::stamp(&first).is_some() && above_json {
        collector.sees_ends();
        records::read(json::Below::new(input), mapping, &mut collector)?;
    } else if blocks::stamp(&first).is_some() {
        collector.sees_ends();
        sheet::read(blocks::sheet(input)?, mapping, &mut collector)?;
    } else if json::is_json(&first) {
        json::read(input, mapping, &mut collector)?;
    } else {
        let mut begin = begin.ok_or_else(empty)?;
        begin.named_by(name);
        if metrics::is_point(&begin.first, begin.metrics) {
            metrics::read(input, mapping, &mut collector)?;
        } else {
            if let Some(form) = pairs::form(&begin.first).filter(|_| !begin.is_commented()) {
                let lines = pairs::PairLines::new(input, form, mapping);
                records::read(lines, mapping, &mut collector)?;
                return collector.finish(name).map_err(TableError::whole);
            }
            begin.check()?;
            if begin.sees_ends() {
                collector.sees_ends();
            }
            sheet::read(begin.sheet(input), mapping, &mut collector)?;
        }
    }
    collector.finish(name).map_err(TableError::whole)
}

/// Foreign text for a message: in one line, nothing in it that a terminal acts on, and not too long.
fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 40;
    let text = String::from_utf8_lossy(bytes);
    // Quotes do no harm, and stand around the values of labels.
    let escaped = |c: char| if matches!(c, '"' | '\'') { c.to_string() } else { c.escape_debug().to_string() };
    let mut out: String = text.chars().take(MOST).map(escaped).collect();
    if text.chars().nth(MOST).is_some() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests;
