//! What a loop around a tool prints: a time alone on its line, and below it the tool's table, again and again. `ps`, `smem`, `docker
//! stats` and `kubectl top` below `date`, and `top -b`, which has the time in its own first line.

use super::clock;
use super::lines::{Lines, command, fields, push_fields, words};
use super::sheet::{End, Rows, Sheet};
use super::{TableError, shown};
use csv::ByteRecord;
use std::io::Read;

/// What the first line of a block of `top` begins with.
pub(super) const TOP: &[u8] = b"top - ";

/// The time in a line that has nothing but a time, or is the first of `top`.
pub(super) fn stamp(line: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = line.strip_prefix(TOP) {
        return words(rest).next();
    }
    clock::is_time(line).then_some(line)
}

/// The sheet of all blocks.
///
/// # Errors
/// If no line of names comes first.
pub(super) fn sheet<R: Read>(input: R) -> Result<Sheet<Blocks<R>>, TableError> {
    let mut blocks = Blocks {
        lines: Lines::new(input),
        time: Vec::new(),
        names: Vec::new(),
        top: false,
        within: false,
        wide: false,
        command: None,
    };
    while blocks.lines.advance()? {
        let text = blocks.lines.text();
        if let Some(time) = stamp(text) {
            blocks.top = text.starts_with(TOP);
            blocks.time = time.to_vec();
            continue;
        }
        if blocks.top && text.starts_with(b"Threads:") {
            let what = "it is of `top -H`, whose rows are threads, each with the memory of its whole process: record `top -b` without -H";
            return Err(TableError::at(blocks.lines.number(), what));
        }
        let names = !blocks.top || words(text).next() == Some(b"PID");
        if text.is_empty() || !names {
            continue;
        }
        let is_number = |word: &[u8]| std::str::from_utf8(word).is_ok_and(|word| word.parse::<f64>().is_ok());
        if text.first().is_some_and(u8::is_ascii_digit) || words(text).any(is_number) {
            let what = format!(
                "expected a line with the names of the columns below the time, found `{}`: let the tool print it (`ps` without `h`, and \
                 not through `grep`), or write it below the first time, such as `PID RSS COMMAND`",
                shown(text)
            );
            return Err(TableError::at(blocks.lines.number(), what));
        }
        blocks.names = text.to_vec();
        blocks.within = true;
        // Names of several words stand apart by more than one space.
        blocks.wide = [&b"MEM USAGE"[..], b"CONTAINER ID", b"CPU %  ", b"Control Group"]
            .iter()
            .any(|name| text.windows(name.len()).any(|part| part == *name));
        let header: Vec<Vec<u8>> =
            [b"timestamp".to_vec()].into_iter().chain(fields(text, blocks.wide).into_iter().map(renamed)).collect();
        blocks.command = command(&header[1..]).filter(|_| !blocks.wide);
        return Ok(Sheet { header, line: blocks.lines.number(), delimiter: b' ', rows: blocks });
    }
    Err(TableError::whole("it has times, and no line with the names of columns below"))
}

/// A name with the unit that `ps`, `smem` and `top` mean, and without one that would be taken for the clock's.
fn renamed(name: &[u8]) -> Vec<u8> {
    match name {
        b"RSS" | b"RSZ" => b"RSS (KiB)".to_vec(),
        b"USS" | b"PSS" | b"Swap" => [name, b" (KiB)"].concat(),
        b"RES" => b"RES (RSS, KiB)".to_vec(),
        b"TIME" | b"TIME+" => [b"CPU ", name].concat(),
        // When a process began, as people read it, is another text on another day; its age is no clock of all.
        b"START" | b"STARTED" | b"ELAPSED" => [b"ps ", name].concat(),
        name => name.to_vec(),
    }
}

/// The rows of all blocks, each with the time of its block before it.
pub(super) struct Blocks<R> {
    lines: Lines<R>,
    time: Vec<u8>,
    /// The line of names.
    names: Vec<u8>,
    /// Whether it is `top`, which has a summary above the names.
    top: bool,
    /// Whether the names were passed in this block.
    within: bool,
    /// Whether fields stand apart by more than one space.
    wide: bool,
    command: Option<(usize, usize)>,
}

impl<R: Read> Rows for Blocks<R> {
    fn next_row(&mut self, row: &mut ByteRecord) -> Result<Option<u64>, TableError> {
        while self.lines.advance()? {
            let text = self.lines.text();
            if text.is_empty() {
                continue;
            }
            if let Some(time) = stamp(text) {
                self.time = time.to_vec();
                self.within = !self.top;
                continue;
            }
            if words(text).eq(words(&self.names)) {
                self.within = true;
                continue;
            }
            // Sums stand below a line.
            if text.iter().all(|b| *b == b'-') {
                self.within = false;
            }
            if !self.within {
                continue;
            }
            row.clear();
            row.push_field(&self.time);
            push_fields(row, &fields(text, self.wide), self.command);
            return Ok(Some(self.lines.number()));
        }
        Ok(None)
    }

    fn end(&self) -> End {
        if self.lines.ended() { End::Whole } else { End::Open }
    }
}
