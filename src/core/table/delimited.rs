//! CSV: fields between commas, semicolons or tabs, quoted where need be, below a line with the names of the columns.

use super::collect::{Collector, Row};
use super::columns::Columns;
use super::fuse::{Allowance, Fuse};
use super::{Mapping, TableError, shown};
use csv::ByteRecord;
use std::io::Read;

/// Reads all rows of `input`; `first` is its first line, and `crlf` whether it ends as on Windows.
pub(super) fn read(
    input: impl Read,
    first: &[u8],
    crlf: bool,
    mapping: &Mapping,
    collector: &mut Collector,
) -> Result<(), TableError> {
    let delimiter = delimiter(first);
    let mut rows = Rows::new(input, delimiter, crlf);
    rows.next()?;
    let header: Vec<Vec<u8>> = rows.row.iter().map(|name| name.trim_ascii().to_vec()).collect();
    let columns = Columns::find(&header, mapping).map_err(|what| TableError::at(rows.line(), what))?;
    collector.has(&columns);
    let fields = Fields { columns: &columns, header: &header, decimal_comma: delimiter == b';' };
    while rows.next()? {
        let row = &rows.row;
        let taken = if row.len() == header.len() {
            fields.reading(row).and_then(|reading| collector.add(&reading))
        } else {
            Err(format!("expected {} fields, as the first line has, found {}", header.len(), row.len()))
        };
        taken.map_err(|what| TableError::at(rows.line(), what))?;
    }
    Ok(())
}

/// One row after the other.
struct Rows<R> {
    reader: csv::Reader<Fuse<R>>,
    allowance: Allowance,
    crlf: bool,
    row: ByteRecord,
}

impl<R: Read> Rows<R> {
    fn new(input: R, delimiter: u8, crlf: bool) -> Self {
        let (input, allowance) = Fuse::new(input);
        let mut options = csv::ReaderBuilder::new();
        options.delimiter(delimiter).has_headers(false).flexible(true).buffer_capacity(256 << 10);
        Rows { reader: options.from_reader(input), allowance, crlf, row: ByteRecord::new() }
    }

    /// Goes on to the next row that isn't empty; `false` at the end.
    fn next(&mut self) -> Result<bool, TableError> {
        self.allowance.renew();
        self.reader.read_byte_record(&mut self.row).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => TableError::from(error),
            other => TableError::whole(format!("{other:?}")),
        })
    }

    /// The line on which the row begins. The reader counts from where the row before ended, empty lines included, so
    /// it is reckoned back from the row's end; of CR LF, the LF isn't read yet there.
    fn line(&self) -> u64 {
        let within = self.row.as_slice().iter().filter(|b| **b == b'\n').count() as u64;
        let past_its_end = !self.crlf && !self.reader.is_done();
        self.reader.position().line().saturating_sub(within + u64::from(past_its_end)).max(1)
    }
}

/// The delimiter that the first line has most of, outside quotes.
fn delimiter(first: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in first {
        quoted ^= *byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(delimiter, _)| !quoted && delimiter == byte) {
            *count += 1;
        }
    }
    // Of equals, the last wins: let that be the comma.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

/// How the fields of a row are read.
struct Fields<'a> {
    columns: &'a Columns,
    header: &'a [Vec<u8>],
    /// Whether `1,5` is one and a half, as where `;` parts the fields.
    decimal_comma: bool,
}

impl Fields<'_> {
    fn reading<'r>(&self, row: &'r ByteRecord) -> Result<Row<'r>, String> {
        let c = self.columns;
        let present = |index: Option<usize>| index.and_then(|i| row.get(i)).map(<[u8]>::trim_ascii);
        let count = |index: Option<usize>| self.whole(row, index, 1);
        let start = count(c.start)?;
        let pid = count(c.pid)?;
        let pid = pid.map(|pid| u32::try_from(pid).map_err(|_| format!("`{pid}` is no process ID"))).transpose()?;
        let (memory, decimals) = match c.memory {
            Some((index, unit)) => (self.whole(row, Some(index), unit)?, present(Some(index)).map_or(0, decimals)),
            None => (None, 0),
        };
        Ok(Row {
            t: match c.time {
                Some((index, unit)) => self.number(row, index)?.map(|t| t * unit),
                None => None,
            },
            requests: count(c.requests)?,
            memory,
            decimals,
            swap: c.swap.map_or(Ok(None), |(index, unit)| self.whole(row, Some(index), unit))?,
            descriptors: count(c.descriptors)?,
            threads: count(c.threads)?,
            load: c.load.map_or(Ok(None), |index| self.number(row, index))?,
            worker: present(c.worker),
            pid,
            start,
        })
    }

    /// A count, or a size in `unit`.
    fn whole(&self, row: &ByteRecord, index: Option<usize>, unit: u64) -> Result<Option<u64>, String> {
        let Some(index) = index else { return Ok(None) };
        let text = row.get(index).unwrap_or_default();
        if let Some(value) = digits(text) {
            return match value.checked_mul(unit) {
                Some(value) => Ok(Some(value)),
                None => Err(self.wrong(index, text, "a number below 2^64")),
            };
        }
        let Some(value) = self.number(row, index)? else { return Ok(None) };
        let value = value * unit as f64;
        if value < 0.0 || value >= u64::MAX as f64 {
            return Err(self.wrong(index, text, "a number from 0, below 2^64"));
        }
        Ok(Some(value.round() as u64))
    }

    fn number(&self, row: &ByteRecord, index: usize) -> Result<Option<f64>, String> {
        let text = row.get(index).unwrap_or_default().trim_ascii();
        if is_missing(text) {
            return Ok(None);
        }
        let parse = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
        let value = parse(text).or_else(|| {
            let comma = self.decimal_comma && text.contains(&b',');
            comma.then(|| parse(&text.iter().map(|b| if *b == b',' { b'.' } else { *b }).collect::<Vec<_>>()))?
        });
        let value = value.filter(|v| v.is_finite());
        value.map(Some).ok_or_else(|| self.wrong(index, text, "a number, or nothing where it is missing"))
    }

    fn wrong(&self, index: usize, text: &[u8], expected: &str) -> String {
        let name = self.header.get(index).map(Vec::as_slice).unwrap_or_default();
        format!("column `{}`: expected {expected}, found `{}`", shown(name), shown(text))
    }
}

/// A plain number of at most 18 digits: the usual case, and it always fits.
fn digits(text: &[u8]) -> Option<u64> {
    let plain = (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    plain.then(|| text.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}

/// Digits after the decimal point.
fn decimals(text: &[u8]) -> u8 {
    let point = text.iter().rposition(|b| matches!(b, b'.' | b','));
    point.map_or(0, |at| (text.len() - at - 1).min(9) as u8)
}

fn is_missing(text: &[u8]) -> bool {
    const MISSING: [&[u8]; 6] = [b"na", b"n/a", b"nan", b"null", b"none", b"-"];
    text.is_empty() || MISSING.iter().any(|word| text.eq_ignore_ascii_case(word))
}
