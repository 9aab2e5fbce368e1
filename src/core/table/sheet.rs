//! Rows below a line of names, whatever file they come from: which column is what is settled on the first of them, and
//! each is read as that says.

use super::clock::Clock;
use super::collect::{Collector, Row};
use super::columns::{Columns, Size, TimeColumn};
use super::filters::Others;
use super::rounding::Written;
use super::values::{Numbers, is_missing, size};
use super::{Mapping, TableError, shown};
use csv::ByteRecord;
use std::borrow::Cow;

/// Rows that are looked at before it is settled which column is what.
const FIRST: usize = 256;
/// Rows from which on one more or less is of no weight.
const MANY: u64 = 20;

/// A source of rows.
pub(super) trait Rows {
    /// Puts the next row into `row` and gives its line; `None` at the end.
    fn next_row(&mut self, row: &mut ByteRecord) -> Result<Option<u64>, TableError>;

    /// How the rows ended.
    fn end(&self) -> End {
        End::Whole
    }
}

/// How rows end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As rows do.
    Whole,
    /// The last row has no line end: some of it may be missing.
    Open,
    /// Something began on this line that isn't whole, and was not given.
    Torn(u64),
}

impl Rows for Box<dyn Rows + '_> {
    fn next_row(&mut self, row: &mut ByteRecord) -> Result<Option<u64>, TableError> {
        (**self).next_row(row)
    }

    fn end(&self) -> End {
        (**self).end()
    }
}

/// Rows that are there already, with their lines.
impl Rows for std::vec::IntoIter<(u64, ByteRecord)> {
    fn next_row(&mut self, row: &mut ByteRecord) -> Result<Option<u64>, TableError> {
        Ok(Iterator::next(self).map(|(line, next)| {
            *row = next;
            line
        }))
    }
}

/// Names of columns and the rows below.
pub(super) struct Sheet<R> {
    pub header: Vec<Vec<u8>>,
    /// The line of the names.
    pub line: u64,
    /// What parts fields; a space where there is white space, or none at all.
    pub delimiter: u8,
    pub rows: R,
}

/// Reads all rows of a sheet.
pub(super) fn read(
    mut sheet: Sheet<impl Rows>,
    mapping: &Mapping,
    collector: &mut Collector,
) -> Result<(), TableError> {
    let mut first: Vec<(u64, ByteRecord)> = Vec::new();
    let mut row = ByteRecord::new();
    while first.len() < FIRST
        && let Some(line) = sheet.rows.next_row(&mut row)?
    {
        first.push((line, row.clone()));
    }
    // A row that is torn off says nothing of its column.
    let whole: Vec<ByteRecord> =
        first.iter().map(|(_, row)| row).filter(|row| row.len() == sheet.header.len()).cloned().collect();
    let columns = Columns::find(&sheet.header, &whole, mapping, sheet.delimiter);
    let columns = columns.map_err(|what| TableError::at(sheet.line, what))?;
    collector.has(&columns, &sheet.header, mapping);
    let mut fields = Fields {
        columns: &columns,
        header: &sheet.header,
        numbers: Numbers::new(sheet.delimiter, mapping.decimal),
        clock: match columns.time {
            Some(TimeColumn { wall: false, .. }) => Clock::new(mapping.time_format.clone()).of_ages(),
            _ => Clock::new(mapping.time_format.clone()),
        },
        own_unit: None,
        others: Others::default(),
    };
    let mut first = first.into_iter();
    // The last row is held back: it may be torn off.
    let (mut held, mut next) = (ByteRecord::new(), ByteRecord::new());
    let (mut held_line, mut count, mut before) = (None, 0, 0);
    loop {
        let line = match first.next() {
            Some((line, row)) => {
                next = row;
                Some(line)
            }
            None => sheet.rows.next_row(&mut next)?,
        };
        if let Some(held_line) = held_line {
            let open = line.is_none() && sheet.rows.end() == End::Open;
            let last = held.iter().next_back().map_or(0, <[u8]>::len);
            if open && (count >= MANY || last < before || held.len() != sheet.header.len()) {
                collector.torn(held_line);
                break;
            }
            before = last;
            count += 1;
            fields.take(&held, collector).map_err(|what| TableError::at(held_line, what))?;
        }
        if line.is_none() {
            break;
        }
        held_line = line;
        std::mem::swap(&mut held, &mut next);
    }
    if let End::Torn(line) = sheet.rows.end() {
        collector.torn(line);
    }
    if collector.rows == 0 && count > 0 && !columns.filters.is_empty() {
        let name = |index: usize| String::from_utf8_lossy(&sheet.header[index]).into_owned();
        let asked = columns.filters.iter().map(|(i, value)| (name(*i), String::from_utf8_lossy(value).into_owned()));
        return Err(TableError::whole(fields.others.told(&asked.collect::<Vec<_>>(), "row")));
    }
    let grouped = fields.numbers.settled().map_err(TableError::whole)?;
    if mapping.decimal.is_some() && !fields.numbers.decided {
        collector.remark("--decimal had no effect: no number has a point or a comma that may be either".into());
    }
    collector.read_with(&fields.clock, grouped, fields.own_unit);
    Ok(())
}

/// How the fields of a row are read.
struct Fields<'a> {
    columns: &'a Columns,
    header: &'a [Vec<u8>],
    numbers: Numbers,
    clock: Clock,
    /// A size with a unit of its own, as it was written.
    own_unit: Option<String>,
    /// What rows have that are left out.
    others: Others,
}

impl Fields<'_> {
    /// Reads a row, and gives it to the collector if it is one that was asked for.
    fn take(&mut self, row: &ByteRecord, collector: &mut Collector) -> Result<(), String> {
        let c = self.columns;
        if row.len() != self.header.len() {
            return Err(format!(
                "expected {} fields, as the line of names has, found {}",
                self.header.len(),
                row.len()
            ));
        }
        let field = |index: usize| row.get(index).unwrap_or_default().trim_ascii();
        if c.filters.iter().any(|(index, value)| field(*index) != value) {
            for (index, _) in c.filters.iter().filter(|_| collector.rows == 0) {
                self.others.saw(&String::from_utf8_lossy(&self.header[*index]), Some(field(*index)));
            }
            return Ok(());
        }
        let count = |fields: &mut Self, index: Option<usize>| {
            fields.whole(row, index.map(|index| Size { index, unit: Some(1) }))
        };
        let pid = count(self, c.pid)?.map(|(pid, _)| pid);
        let pid = pid.map(|pid| u32::try_from(pid).map_err(|_| format!("`{pid}` is no process ID"))).transpose()?;
        let mut reading = Row {
            t: self.time(row)?,
            requests: self.requests(row)?,
            swap: self.whole(row, c.swap)?.map(|(swap, _)| swap),
            shared: self.whole(row, c.shared)?.map(|(shared, _)| shared),
            wider: self.whole(row, c.wider.map(|(size, _)| size))?.map(|(wider, _)| wider),
            descriptors: count(self, c.descriptors)?.map(|(count, _)| count),
            threads: count(self, c.threads)?.map(|(count, _)| count),
            load: self.number(row, c.load)?,
            worker: match c.workers[..] {
                [] => None,
                [one] => Some(Cow::Borrowed(field(one))),
                _ => Some(Cow::Owned(c.workers.iter().map(|one| field(*one)).collect::<Vec<_>>().join(&b'/'))),
            },
            pid,
            command: c.command.map(field),
            start: self.start(row)?,
            beside: c
                .watched
                .iter()
                .map(|index| {
                    self.numbers.read(field(*index), b"").map_or(f64::NAN, |v| v.number * v.unit.unwrap_or(1) as f64)
                })
                .collect(),
            pulse: c
                .unused
                .iter()
                .filter(|index| !c.clocks.contains(index))
                .fold(0, |sum, index| hash(sum, field(*index))),
            ..Row::default()
        };
        if let [one] = c.memory[..] {
            (reading.memory, reading.written) =
                self.whole(row, Some(one))?.map_or((None, None), |(v, written)| (Some(v), Some(written)));
            return collector.add(&reading);
        }
        if c.memory.is_empty() {
            return collector.add(&reading);
        }
        for size in &c.memory {
            let Some((memory, written)) = self.whole(row, Some(*size))? else { continue };
            (reading.memory, reading.written) = (Some(memory), Some(written));
            reading.worker = self.header.get(size.index).map(|name| Cow::Borrowed(name.as_slice()));
            collector.add(&reading)?;
        }
        Ok(())
    }

    fn time(&mut self, row: &ByteRecord) -> Result<Option<f64>, String> {
        let Some(column) = self.columns.time else { return Ok(None) };
        let text = row.get(column.index).unwrap_or_default().trim_ascii();
        if is_missing(text) {
            return Ok(None);
        }
        let date = column.date.and_then(|date| row.get(date)).map(<[u8]>::trim_ascii);
        // Where times are numbers, they are written as the other numbers are.
        let digits = |b: &u8| b.is_ascii_digit() || b".,+-eE'_ ".contains(b);
        let plain = self.clock.format.is_none() && date.is_none() && text.iter().all(digits);
        let number = if plain { self.numbers.read(text, &self.header[column.index]) } else { None };
        let read = match (date, number) {
            (None, Some(value)) if value.unit.is_none() => self.clock.number(value.number, text),
            (Some(date), _) => self.clock.read(&[date, text].join(&b' ')),
            (None, _) => self.clock.read(text),
        };
        read.map(Some).map_err(|what| format!("column `{}`: {what}", shown(&self.header[column.index])))
    }

    /// When the process began: any number or date, for only whether it changes counts.
    fn start(&mut self, row: &ByteRecord) -> Result<Option<u64>, String> {
        let Some(index) = self.columns.start else { return Ok(None) };
        let text = row.get(index).unwrap_or_default().trim_ascii();
        if is_missing(text) {
            return Ok(None);
        }
        if let Some(whole) = self.numbers.read(text, b"").and_then(|value| value.whole) {
            return Ok(Some(whole));
        }
        let start = Clock::new(None).read(text).map_err(|_| self.wrong(index, text, "when the process began"))?;
        Ok(Some((start.max(0.0) * 1e3).round() as u64))
    }

    /// The count of requests, which is whole: with a fraction, it is a rate or a mean, and of no use for what was served.
    fn requests(&mut self, row: &ByteRecord) -> Result<Option<u64>, String> {
        let Some(index) = self.columns.requests else { return Ok(None) };
        let (number, count) = (self.number(row, Some(index)), self.whole(row, Some(Size { index, unit: Some(1) }))?);
        if number.is_ok_and(|number| number.is_some_and(|number| number.fract() != 0.0)) {
            let (name, text) = (shown(&self.header[index]), row.get(index).unwrap_or_default().trim_ascii());
            return Err(format!(
                "column `{name}`: expected a count of requests, which is whole, found `{}`: a rate or a mean doesn't say what was served; \
                 give the requests served so far, or --load '{name}' for growth by the hour",
                shown(text)
            ));
        }
        Ok(count.map(|(count, _)| count))
    }

    /// A count, or a size in bytes, and how it was written.
    fn whole(&mut self, row: &ByteRecord, size: Option<Size>) -> Result<Option<(u64, Written)>, String> {
        let Some(Size { index, unit }) = size else { return Ok(None) };
        let text = row.get(index).unwrap_or_default().trim_ascii();
        if is_missing(text) {
            return Ok(None);
        }
        let expected = "a number, or nothing where it is missing";
        let value = self.numbers.read(text, &self.header[index]).ok_or_else(|| self.wrong(index, text, expected))?;
        if value.unit.is_some() && unit == Some(1) && !self.columns.sizes().any(|s| s.index == index) {
            return Err(self.wrong(index, text, "a number without a unit"));
        }
        let own = value.unit.or(self.unit_of_row(row, index, unit, value.number)?);
        // Nothing is no example of a unit.
        if value.unit.is_some() && value.number > 0.0 && self.own_unit.is_none() {
            self.own_unit = Some(shown(text));
        }
        let unit = match (own, unit) {
            (Some(own), _) => own,
            (None, Some(unit)) => unit,
            (None, None) if value.number == 0.0 => 1,
            (None, None) => {
                return Err(self.wrong(index, text, "a size with its unit, as other rows have, such as 12 MiB"));
            }
        };
        let written = Written { unit, digits: value.digits, place: value.place };
        if let Some(whole) = value.whole {
            let bytes = whole.checked_mul(unit);
            return bytes
                .map(|bytes| Some((bytes, written)))
                .ok_or_else(|| self.wrong(index, text, "a number below 2^64"));
        }
        let bytes = value.number * unit as f64;
        if bytes < 0.0 || bytes >= u64::MAX as f64 {
            return Err(self.wrong(index, text, "a number from 0, below 2^64"));
        }
        Ok(Some((bytes.round() as u64, written)))
    }

    /// Bytes in the unit that a column beside memory names, where nothing else says it.
    fn unit_of_row(
        &self,
        row: &ByteRecord,
        index: usize,
        named: Option<u64>,
        number: f64,
    ) -> Result<Option<u64>, String> {
        let is_size = self.columns.memory.iter().any(|size| size.index == index);
        let Some(units) = self.columns.units.filter(|_| is_size || named.is_none()) else { return Ok(None) };
        let text = row.get(units).unwrap_or_default().trim_ascii();
        if is_missing(text) {
            return Ok(None);
        }
        let word = std::str::from_utf8(text).unwrap_or_default();
        let bytes = size(word, number).ok_or_else(|| self.wrong(units, text, "a unit of memory, such as MiB"))?;
        // `kB` is 1000 bytes, too, for whom says so.
        let thousands = 1000u64.pow(bytes.ilog2() / 10);
        match named {
            None => Ok(Some(bytes)),
            Some(named) if named == bytes || named == thousands && !word.to_ascii_lowercase().contains('i') => Ok(None),
            Some(named) => {
                let expected = format!("the unit that the name or --memory-unit says, of {named} bytes");
                Err(self.wrong(units, text, &expected))
            }
        }
    }

    fn number(&mut self, row: &ByteRecord, index: Option<usize>) -> Result<Option<f64>, String> {
        let Some(index) = index else { return Ok(None) };
        let text = row.get(index).unwrap_or_default().trim_ascii();
        if is_missing(text) {
            return Ok(None);
        }
        let value = self.numbers.read(text, &self.header[index]).filter(|value| value.unit.is_none());
        let expected = "a number, or nothing where it is missing";
        value.map(|value| Some(value.number)).ok_or_else(|| self.wrong(index, text, expected))
    }

    fn wrong(&self, index: usize, text: &[u8], expected: &str) -> String {
        let name = self.header.get(index).map(Vec::as_slice).unwrap_or_default();
        format!("column `{}`: expected {expected}, found `{}`", shown(name), shown(text))
    }
}

/// Goes on with a hash (FNV-1a).
pub(super) fn hash(sum: u64, text: &[u8]) -> u64 {
    text.iter()
        .chain(b"\n")
        .fold(sum ^ 0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
