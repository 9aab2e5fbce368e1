//! The `.dat` of mprof: `MEM` lines of a process and `CHLD` lines of its children, with MB (of 1024 KiB each) and the time.

use super::lines::{Lines, words};
use super::records::{Pairs, Source};
use super::sheet::End;
use super::{TableError, shown};
use std::io::Read;

/// From which on the number of a child can hardly be its place among the others, as in older versions.
const LEAST_PID: u32 = 32;

/// Whether a table with this first line is mprof's.
pub(super) fn is_mprof(first: &[u8]) -> bool {
    [&b"CMDLINE "[..], b"MEM ", b"CHLD "].iter().any(|word| first.starts_with(word))
}

/// Its readings, one after the other.
pub(super) struct Mprof<R> {
    lines: Lines<R>,
    torn: Option<u64>,
}

impl<R: Read> Mprof<R> {
    pub fn new(input: R) -> Self {
        Mprof { lines: Lines::new(input), torn: None }
    }
}

fn reading(text: &[u8]) -> Option<Pairs> {
    let fields: Vec<&str> = words(text).map(std::str::from_utf8).collect::<Result<_, _>>().ok()?;
    let (whose, memory, time) = match fields[..] {
        ["MEM", memory, time] => (("process", "MEM"), memory, time),
        ["CHLD", child, memory, time] => {
            let is_pid = child.parse::<u32>().ok()? >= LEAST_PID;
            ((if is_pid { "PID" } else { "process" }, child), memory, time)
        }
        _ => return None,
    };
    let pairs = [("time", time), whose, ("RSS (MB)", memory)];
    Some(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
}

impl<R: Read> Source for Mprof<R> {
    fn record(&mut self) -> Result<Option<(u64, Pairs)>, TableError> {
        while self.torn.is_none() && self.lines.advance()? {
            let (text, line) = (self.lines.text(), self.lines.number());
            // The command line, and calls of functions that were marked.
            if text.is_empty() || [&b"CMDLINE"[..], b"FUNC"].iter().any(|word| text.starts_with(word)) {
                continue;
            }
            if !self.lines.ended() {
                self.torn = Some(line);
                break;
            }
            let what = "expected a line of mprof: MEM or CHLD with a number, MB and the time; found";
            let pairs = reading(text).ok_or_else(|| TableError::at(line, format!("{what} `{}`", shown(text))))?;
            return Ok(Some((line, pairs)));
        }
        Ok(None)
    }

    fn end(&self) -> End {
        self.torn.map_or(End::Whole, End::Torn)
    }
}
