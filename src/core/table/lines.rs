//! A text line by line, none longer than a row may be, and the words of a line.

use super::TableError;
use super::fuse::LONGEST;
use csv::ByteRecord;
use std::io::{BufRead, BufReader, Read};

/// Reads one line after the other.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    text: Vec<u8>,
    number: u64,
    ended: bool,
}

impl<R: Read> Lines<R> {
    pub fn new(input: R) -> Self {
        Lines { input: BufReader::with_capacity(256 << 10, input), text: Vec::new(), number: 0, ended: true }
    }

    /// Goes on to the next line; false at the end.
    ///
    /// # Errors
    /// If it can't be read, or is too long.
    pub fn advance(&mut self) -> Result<bool, TableError> {
        self.text.clear();
        let read = (&mut self.input).take(LONGEST).read_until(b'\n', &mut self.text)?;
        if read == 0 {
            return Ok(false);
        }
        self.number += 1;
        if read as u64 == LONGEST {
            return Err(TableError::at(self.number, format!("it is longer than {} MiB", LONGEST >> 20)));
        }
        self.ended = self.text.ends_with(b"\n");
        Ok(true)
    }

    /// The line, without white space around it.
    pub fn text(&self) -> &[u8] {
        self.text.trim_ascii()
    }

    /// Its number, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the last line that was read has an end: some of it may be missing if not.
    pub fn ended(&self) -> bool {
        self.ended
    }
}

/// The words between white space.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Adds fields to a row of `most`, the last of which has this name. Of a command line, the first word is enough; what else is
/// too much stays, to be refused.
pub(super) fn push_fields<'a>(
    row: &mut ByteRecord,
    fields: impl IntoIterator<Item = &'a [u8]>,
    most: usize,
    last: Option<&[u8]>,
) {
    let is_command = last.is_some_and(|name| {
        [&b"command"[..], b"cmd", b"args"].iter().any(|command| name.eq_ignore_ascii_case(command))
    });
    for field in fields {
        if row.len() < most || !is_command {
            row.push_field(field);
        }
    }
}
