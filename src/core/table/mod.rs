//! A series that another tool wrote, as a run record: CSV whose columns are known by their names, psrecord's text, and
//! mprof's `.dat`.
//!
//! Pure: bytes in, record out, and the bytes are not trusted. A value that is missing stays missing; a row that can't
//! be understood is refused with its line, never guessed at. Memory is bounded whatever the length: a table of more
//! than a million readings is thinned, and a note says so.

mod collect;
mod columns;
mod delimited;
mod fuse;
mod profilers;

use crate::model::RunRecord;
use collect::Collector;
use std::io::{self, Cursor, Read};
use thiserror::Error;

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
    /// Column of the swapped memory.
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
}

/// A table that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its readings, as those of a run that was completed; budgets are left open.
    pub record: RunRecord,
    /// What the reader of a verdict should know of it, one sentence each.
    pub notes: Vec<String>,
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

/// Reads a table; `name` becomes the name of the run. Names of columns are compared without regard to case, and `-`,
/// `_`, spaces and brackets are alike.
///
/// # Errors
/// If it can't be read, has no column that is known, or has a row that can't be understood.
pub fn read(mut input: impl Read, name: &str, mapping: &Mapping) -> Result<Table, TableError> {
    let mut head = Vec::new();
    input.by_ref().take(HEAD).read_to_end(&mut head)?;
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(TableError::whole("it is UTF-16: save it as UTF-8"));
    }
    if head.starts_with(b"\xef\xbb\xbf") {
        head.drain(..3);
    }
    let first = head.split(|b| matches!(b, b'\n' | b'\r')).map(<[u8]>::trim_ascii).find(|l| !l.is_empty());
    let Some(first) = first.map(<[u8]>::to_vec) else {
        return Err(TableError::whole("it is empty: expected a line with the names of the columns, and rows"));
    };
    let crlf = head.windows(2).any(|pair| pair == b"\r\n");
    let input = Cursor::new(head).chain(input);
    let mut collector = Collector::default();
    if profilers::is_psrecord(&first) {
        profilers::psrecord(input, &mut collector)?;
    } else if profilers::is_mprof(&first) {
        profilers::mprof(input, &mut collector)?;
    } else {
        delimited::read(input, &first, crlf, mapping, &mut collector)?;
    }
    collector.finish(name).map_err(TableError::whole)
}

/// Foreign text for a message: in one line, nothing in it that a terminal acts on, and not too long.
fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 40;
    let text = String::from_utf8_lossy(bytes);
    let mut out: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests;
