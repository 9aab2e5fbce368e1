//! Rows that begin with their time, below a line of names that begins with one, or with `# Time`, too, again and again: what `pidstat`
//! and `sar` print.

use super::clock;
use super::days::Days;
use super::lines::{Lines, command, push_fields, words};
use super::sheet::{End, Rows, Sheet};
use super::{TableError, shown};
use csv::ByteRecord;
use std::io::Read;

/// Names by which a table is known to have memory, with the unit that is meant.
const MEMORY: [(&[u8], &[u8]); 2] = [(b"RSS", b"RSS (KiB)"), (b"kbmemused", b"kbmemused")];

/// What a line is.
enum Line<'a> {
    /// Names of columns, without the time's.
    Names(Vec<&'a [u8]>),
    /// A time and values.
    Row(&'a [u8], Vec<&'a [u8]>),
    /// The first line of a file, averages, or that the machine was started.
    Aside,
}

fn line(text: &[u8]) -> Option<Line<'_>> {
    let mut first_words = words(text);
    let first = first_words.next()?;
    // `Average:`, in whatever language.
    let is_word = first.first().is_some_and(|b| b.is_ascii_alphabetic() || !b.is_ascii());
    if text.starts_with(b"Linux ") || is_word && (first.ends_with(b":") || first_words.next() == Some(b":")) {
        return Some(Line::Aside);
    }
    let below_time = text.strip_prefix(b"#").map(<[u8]>::trim_ascii).and_then(|rest| rest.strip_prefix(b"Time"));
    let (time, rest) = match below_time {
        Some(rest) => (&b""[..], rest),
        None => clock::leading(text)?,
    };
    if rest.starts_with(b"LINUX RESTART") {
        return Some(Line::Aside);
    }
    let fields: Vec<&[u8]> = words(rest).collect();
    let number = |field: &&[u8]| field.iter().all(|b| b.is_ascii_digit() || b".,-".contains(b));
    match fields.iter().any(number) {
        false if fields.len() > 1 => Some(Line::Names(fields)),
        true if !time.is_empty() => Some(Line::Row(time, fields)),
        _ => None,
    }
}

/// Whether a text that begins so is one of these.
pub(super) fn is_text(head: &[u8]) -> bool {
    let lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    for text in lines.take(4) {
        match line(text) {
            Some(Line::Aside) if text.starts_with(b"Linux ") => return true,
            // Words below a time may be any log's.
            Some(Line::Names(names)) => {
                return names.iter().any(|name| matches!(*name, b"PID" | b"TGID" | b"CPU" | b"kbmemfree"));
            }
            Some(Line::Aside) => {}
            Some(Line::Row(..)) | None => return false,
        }
    }
    false
}

/// The sheet of all rows below names that have memory.
///
/// # Errors
/// If there are none.
pub(super) fn sheet<R: Read>(input: R) -> Result<Sheet<Timed<R>>, TableError> {
    let (mut lines, mut days) = (Lines::new(input), Days::default());
    while lines.advance()? {
        days.date(lines.text());
        let Some(Line::Names(names)) = line(lines.text()) else { continue };
        let has = |known: &[u8]| names.contains(&known);
        if !MEMORY.iter().any(|(known, _)| has(known)) {
            continue;
        }
        // Another's RSS may be in another unit: pidstat's stands beside the faults.
        let sure = has(b"minflt/s") || !has(b"RSS");
        let called = |name: &&[u8]| {
            let known = MEMORY.iter().find(|(known, _)| sure && known == name);
            known.map_or(*name, |(_, called)| called).to_vec()
        };
        let header: Vec<Vec<u8>> = [b"timestamp".to_vec()].into_iter().chain(names.iter().map(called)).collect();
        let names: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
        let line = lines.number();
        let rows = Timed { lines, command: command(&names), names, within: true, days };
        return Ok(Sheet { header, line, delimiter: b' ', rows });
    }
    Err(TableError::whole(
        "it is of `pidstat` or `sar`, without memory: `pidstat -r` shows that of processes, `sar -r` the whole machine's",
    ))
}

/// The rows with their times.
pub(super) struct Timed<R> {
    lines: Lines<R>,
    names: Vec<Vec<u8>>,
    command: Option<(usize, usize)>,
    /// Whether rows are below the names that were chosen, and not below others.
    within: bool,
    days: Days,
}

impl<R: Read> Rows for Timed<R> {
    fn next_row(&mut self, row: &mut ByteRecord) -> Result<Option<u64>, TableError> {
        while self.lines.advance()? {
            let text = self.lines.text();
            if text.is_empty() {
                continue;
            }
            match line(text) {
                Some(Line::Aside) => self.days.date(text),
                Some(Line::Names(names)) => self.within = names.iter().eq(self.names.iter()),
                Some(Line::Row(..)) if !self.within => {}
                Some(Line::Row(time, fields)) => {
                    self.days.pass(time).map_err(|what| TableError::at(self.lines.number(), what))?;
                    row.clear();
                    row.push_field(time);
                    push_fields(row, &fields, self.command);
                    return Ok(Some(self.lines.number()));
                }
                // A row that is torn off may be anything.
                None if !self.lines.ended() => {
                    row.clear();
                    row.push_field(text);
                    return Ok(Some(self.lines.number()));
                }
                None => {
                    let what = format!("expected a row that begins with a time, or names, found `{}`", shown(text));
                    return Err(TableError::at(self.lines.number(), what));
                }
            }
        }
        Ok(None)
    }

    fn end(&self) -> End {
        if self.lines.ended() { End::Whole } else { End::Open }
    }
}
