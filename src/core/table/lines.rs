//! A text line by line, none longer than a row may be, and the words of a line.

use super::fuse::LONGEST;
use super::{TableError, clock};
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

/// Where a command line stands in a row, which is of any number of words: the fields before and after it.
pub(super) fn command(names: &[impl AsRef<[u8]>]) -> Option<(usize, usize)> {
    let is_command =
        |name: &[u8]| [&b"command"[..], b"cmd", b"args"].iter().any(|command| name.eq_ignore_ascii_case(command));
    let place = names.iter().rposition(|name| is_command(name.as_ref()))?;
    Some((place, names.len() - place - 1))
}

/// Adds fields to a row. Of a command line, the first word is enough; what else is too much stays, to be refused.
pub(super) fn push_fields(row: &mut ByteRecord, fields: &[&[u8]], command: Option<(usize, usize)>) {
    let surplus = command.and_then(|(before, after)| Some((before, fields.len().checked_sub(before + after + 1)?)));
    let (before, surplus) = surplus.unwrap_or((0, 0));
    for (place, field) in fields.iter().enumerate() {
        if place <= before || place > before + surplus {
            row.push_field(field);
        }
    }
}

/// Words, but for dates that begin with a weekday, as `ps -o lstart` has them (`Thu Jan  1 00:00:00 2026`): these are one.
fn words_and_dates(text: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let mut rest = text.trim_ascii();
    while let Some(word) = words(rest).next() {
        let date = clock::leading(rest).filter(|_| word[0].is_ascii_alphabetic());
        let (field, after) = date.unwrap_or_else(|| rest.split_at(word.len()));
        out.push(field);
        rest = after.trim_ascii_start();
    }
    out
}

/// Fields between spaces; if `wide`, between two or more.
pub(super) fn fields(text: &[u8], wide: bool) -> Vec<&[u8]> {
    if !wide {
        return words_and_dates(text);
    }
    let mut out = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while at < text.len() {
        let gap = text[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        if gap > 1 {
            out.push(&text[from..at]);
            from = at + gap;
        }
        at += gap.max(1);
    }
    out.push(&text[from..]);
    out.into_iter().map(<[u8]>::trim_ascii).filter(|field| !field.is_empty()).collect()
}
