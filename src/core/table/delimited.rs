//! Fields between commas, semicolons or tabs, quoted where need be, or between spaces.

use super::again::Again;
use super::clock;
use super::cloudwatch;
use super::fuse::{Allowance, Fuse};
use super::lines::{self, Lines, command, push_fields, words};
use super::names::normal;
use super::sheet::{End, Rows, Sheet};
use super::{TableError, shown};
use csv::ByteRecord;
use std::io::Read;

/// What the beginning of a table says of the rest.
pub(super) struct Begin {
    pub header: Vec<Vec<u8>>,
    /// The line of the names.
    line: u64,
    delimiter: u8,
    /// Whether the names stand in a comment, so that the first row is one of values.
    commented: bool,
    /// Lines above that say whose the columns are.
    above: usize,
    /// Whether lines end as on Windows.
    crlf: bool,
    /// The first line that is neither empty nor a comment.
    pub first: Vec<u8>,
    /// Whether comments are as in the text of metrics.
    pub metrics: bool,
}

impl Begin {
    /// Looks at the first lines; `None` if they are all empty or comments.
    pub fn of(head: &[u8]) -> Option<Begin> {
        let (mut comment, mut metrics) = (None, false);
        let crlf = head.windows(2).any(|pair| pair == b"\r\n");
        for (number, line) in (1..).zip(head.split(|b| *b == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || is_separator(line) {
                continue;
            }
            if let Some(text) = line.strip_prefix(b"#") {
                metrics |= text.starts_with(b" TYPE ") || text.starts_with(b" HELP ");
                comment = Some((number, text.trim_ascii()));
                continue;
            }
            let below = || head.split(|b| *b == b'\n').skip(number as usize).map(<[u8]>::trim_ascii);
            let delimiter = delimiter(line, below().filter(|row| !row.is_empty() && !row.starts_with(b"#")));
            let names = fields(line, delimiter);
            let first = line.to_vec();
            let mut begun =
                Begin { header: names, line: number, delimiter, commented: false, above: 0, crlf, first, metrics };
            let below = head.split(|b| *b == b'\n').skip(number as usize - 1).map(|line| fields(line, delimiter));
            if let Some((above, header)) = cloudwatch::names(below) {
                (begun.above, begun.header, begun.line) = (above, header, number + above as u64);
                return Some(begun);
            }
            let values = begun.header.first().is_some_and(|name| name.first().is_some_and(u8::is_ascii_digit));
            let Some((number, text)) = comment.filter(|_| values) else { return Some(begun) };
            let mut header = fields(text, delimiter);
            if delimiter == b' ' && header.len() != begun.header.len() {
                header = lines::fields(text, true).into_iter().map(<[u8]>::to_vec).collect();
            }
            return Some(if header.len() == begun.header.len() {
                Begin { header, line: number, commented: true, ..begun }
            } else {
                begun
            });
        }
        None
    }

    /// Whether the names stand in a comment.
    pub fn is_commented(&self) -> bool {
        self.commented
    }

    /// Checks that the line of names has names.
    ///
    /// # Errors
    /// If it has values.
    pub fn check(&self) -> Result<(), TableError> {
        let value = |name: &Vec<u8>| name.first().is_some_and(|b| b.is_ascii_digit() || *b == b'-');
        // A row that begins with its time may end in words.
        let begins = self.header.first().is_some_and(|first| {
            // Logs have their times in brackets.
            clock::is_time(first) || first.starts_with(b"[") && first.get(1).is_some_and(u8::is_ascii_digit)
        });
        let is_pair = |name: &&Vec<u8>| {
            let word = name.iter().take_while(|b| b.is_ascii_alphanumeric() || b"_.-".contains(b)).count();
            word > 0 && name.get(word) == Some(&b'=')
        };
        let pairs = self.header.iter().filter(is_pair).count();
        if !self.commented && pairs > 1 && 2 * pairs >= self.header.len() {
            let what = format!(
                "expected a line with the names of the columns, found pairs of names and values, `{}`: write them as JSON, an object a line, or \
                 as CSV",
                shown(&self.first)
            );
            return Err(TableError::at(self.line, what));
        }
        if !self.commented && (begins || self.header.iter().all(value)) {
            let what = format!(
                "expected a line with the names of the columns, found `{}`: put one above it",
                shown(&self.first)
            );
            return Err(TableError::at(self.line, what));
        }
        Ok(())
    }

    /// Whether these are the columns of psrecord, which reads a process as long as it lives.
    pub fn sees_ends(&self) -> bool {
        let names: Vec<String> = self.header.iter().map(|name| normal(&String::from_utf8_lossy(name))).collect();
        [["real_mb", "virtual_mb"], ["mem_real", "mem_virtual"]]
            .iter()
            .any(|both| both.iter().all(|name| names.iter().any(|known| known == name)))
    }

    /// Names the values of a file of collectd by the file, as nothing in it does: `ps_rss-2026-01-01`, or `ps_rss.csv`.
    pub fn named_by(&mut self, file: &str) {
        const FILES: [(&str, &str); 2] = [("ps_rss", "ps_rss (bytes)"), ("memory-used", "memory-used (bytes)")];
        // A day, or what days that were put together are called.
        let known = FILES.iter().find(|(begin, _)| {
            file.strip_prefix(begin).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
        });
        if let (Some((_, name)), [epoch, value]) = (known, &mut self.header[..])
            && epoch == b"epoch"
            && value == b"value"
        {
            *value = name.as_bytes().to_vec();
        }
    }

    /// The sheet below.
    pub fn sheet<'a>(self, input: impl Read + 'a) -> Sheet<Box<dyn Rows + 'a>> {
        let skip = if self.commented { 0 } else { self.line };
        let rows: Box<dyn Rows + 'a> = match self.delimiter {
            b' ' => Box::new(Spaced {
                lines: Lines::new(input),
                command: command(&self.header),
                header: self.header.clone(),
                skip,
            }),
            delimiter => {
                let names = if self.commented { 0 } else { self.above + 1 };
                Box::new(Delimited::new(input, delimiter, self.crlf, names))
            }
        };
        Sheet { header: self.header, line: self.line, delimiter: self.delimiter, rows }
    }
}

/// The line by which spreadsheets are told the delimiter: `sep=;`.
fn is_separator(line: &[u8]) -> bool {
    line.len() <= 5 && line.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case(b"sep="))
}

/// Rows that are looked at for what parts their fields.
const ROWS: usize = 20;

/// The delimiter by which most rows have as many fields as the first line; of equals, one that is no mark in numbers or texts, as a comma is.
/// Without rows, that of which the line has most, outside quotes; a space if it has none and several words.
fn delimiter<'a>(first: &[u8], rows: impl Iterator<Item = &'a [u8]>) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in first {
        quoted ^= *byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(delimiter, _)| !quoted && delimiter == byte) {
            *count += 1;
        }
    }
    if counts.iter().all(|(_, count)| *count == 0) && words(first).count() > 1 {
        return b' ';
    }
    let rows: Vec<&[u8]> = rows.take(ROWS).collect();
    let fits = |delimiter: u8| {
        let names = fields(first, delimiter).len();
        rows.iter().filter(|row| fields(row, delimiter).len() == names).count()
    };
    let best = counts.iter().filter(|(_, count)| *count > 0).map(|(delimiter, count)| {
        let fits = fits(*delimiter);
        ((fits, fits > 0 && *delimiter != b',', *count), *delimiter)
    });
    // Of equals, the last wins: let that be the comma.
    best.rev().max_by_key(|(how, _)| *how).map_or(b',', |(_, delimiter)| delimiter)
}

/// The fields of one line.
fn fields(line: &[u8], delimiter: u8) -> Vec<Vec<u8>> {
    if delimiter == b' ' {
        return words(line).map(<[u8]>::to_vec).collect();
    }
    let mut record = ByteRecord::new();
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(line);
    match reader.read_byte_record(&mut record) {
        Ok(true) => record.iter().map(|name| name.trim_ascii().to_vec()).collect(),
        _ => Vec::new(),
    }
}

/// Rows of CSV.
struct Delimited<R> {
    reader: csv::Reader<Fuse<R>>,
    allowance: Allowance,
    crlf: bool,
    /// Lines of names that are still to come.
    names: usize,
    again: Again,
}

impl<R: Read> Delimited<R> {
    fn new(input: R, delimiter: u8, crlf: bool, names: usize) -> Self {
        let (input, allowance) = Fuse::new(input);
        let mut options = csv::ReaderBuilder::new();
        options.delimiter(delimiter).has_headers(false).flexible(true).comment(Some(b'#')).buffer_capacity(256 << 10);
        Delimited { reader: options.from_reader(input), allowance, crlf, names, again: Again::default() }
    }

    /// The line on which the row begins. The reader counts from where the row before ended, empty lines included, so
    /// it is reckoned back from the row's end; of CR LF, the LF isn't read yet there.
    fn line(&self, row: &ByteRecord) -> u64 {
        let within = row.as_slice().iter().filter(|b| **b == b'\n').count() as u64;
        let (read, last) = self.allowance.read();
        // The last row may have no line end.
        let open = self.reader.position().byte() == read && last != b'\n';
        let past_its_end = !self.crlf && !open;
        self.reader.position().line().saturating_sub(within + u64::from(past_its_end)).max(1)
    }
}

impl<R: Read> Rows for Delimited<R> {
    fn next_row(&mut self, row: &mut ByteRecord) -> Result<Option<u64>, TableError> {
        loop {
            self.allowance.renew();
            let read = self.reader.read_byte_record(row).map_err(|error| match error.into_kind() {
                csv::ErrorKind::Io(error) => TableError::from(error),
                other => TableError::whole(format!("{other:?}")),
            })?;
            if !read {
                return Ok(None);
            }
            let line = self.line(row);
            if row.get(0).is_some_and(is_separator) {
                continue;
            }
            if let Some(left) = self.names.checked_sub(1) {
                self.names = left;
                self.again.learn(row, left == 0);
            } else if !self.again.is_names(row).map_err(|what| TableError::at(line, what))? {
                return Ok(Some(line));
            }
        }
    }

    fn end(&self) -> End {
        if matches!(self.allowance.read().1, b'\n' | b'\r') { End::Whole } else { End::Open }
    }
}

/// Rows of words between white space.
struct Spaced<R> {
    lines: Lines<R>,
    command: Option<(usize, usize)>,
    header: Vec<Vec<u8>>,
    skip: u64,
}

impl<R: Read> Rows for Spaced<R> {
    fn next_row(&mut self, row: &mut ByteRecord) -> Result<Option<u64>, TableError> {
        loop {
            if !self.lines.advance()? {
                return Ok(None);
            }
            let text = self.lines.text();
            // A loop around a tool prints the names again and again.
            let again = || words(text).eq(self.header.iter().map(Vec::as_slice));
            if self.lines.number() <= self.skip || text.is_empty() || text.starts_with(b"#") || again() {
                continue;
            }
            row.clear();
            push_fields(row, &words(text).collect::<Vec<_>>(), self.command);
            return Ok(Some(self.lines.number()));
        }
    }

    fn end(&self) -> End {
        if self.lines.ended() { End::Whole } else { End::Open }
    }
}
