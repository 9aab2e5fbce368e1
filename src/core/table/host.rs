//! The memory of a whole machine: what `vmstat -t` prints, and whether what `sar` calls used has the page cache in it.

use super::collect::Collector;
use super::lines::{Lines, words};
use super::names::normal;
use super::sheet::{self, End, Rows, Sheet};
use super::{Mapping, TableError, shown};
use crate::model::format_bytes;
use csv::ByteRecord;
use std::io::Read;

/// Less than so many KiB is the memory of no machine: they may be MiB.
const LEAST: u64 = 1 << 19;
/// Rows that can't all be alike.
const ENOUGH: u64 = 3;
/// The part of all memory by which sums differ that are rounded.
const ROUNDED: f64 = 0.01;

/// Whether a table with this first line is vmstat's.
pub(super) fn is_vmstat(first: &[u8]) -> bool {
    is_above_names(first) && words(first).any(|word| word.windows(6).any(|part| part == b"memory"))
        || words(first).take(4).eq([&b"r"[..], b"b", b"swpd", b"free"])
}

/// Whether it is the line above vmstat's names: `procs ---memory---`, or with `-w` `--procs-- ---memory---`.
fn is_above_names(text: &[u8]) -> bool {
    words(text).next().is_some_and(|word| word == b"procs" || word == b"--procs--")
}

/// Reads vmstat's rows: what memory is neither free nor a cache's is used.
pub(super) fn vmstat(input: impl Read, mapping: &Mapping, collector: &mut Collector) -> Result<(), TableError> {
    let mut rows =
        Vmstat { lines: Lines::new(input), names: Vec::new(), first: None, total: 0, left: 0, rows: 0, changes: false };
    let mut first = ByteRecord::new();
    let Some(line) = rows.next_row(&mut first)? else { return Err(TableError::whole("it has no rows")) };
    if mapping.memory_unit.is_none() && rows.left < LEAST {
        let what = "its sizes are small for KiB, and may be in another unit (`vmstat -S`): say it with --memory-unit";
        return Err(TableError::at(line, what));
    }
    let unit = mapping.memory_unit.unwrap_or(1 << 10);
    collector.remark(format!(
        "`vmstat` doesn't say how much memory there is: levels are what free, buff and cache lack to {}, and only their growth \
         counts",
        format_bytes(rows.total as f64 * unit as f64)
    ));
    rows.first = Some((line, first));
    let header: [&[u8]; 3] = match mapping.memory_unit {
        None => [b"timestamp", b"host memory used (KiB)", b"swap (KiB)"],
        Some(_) => [b"timestamp", b"host memory used", b"swap"],
    };
    let header = header.map(<[u8]>::to_vec).to_vec();
    sheet::read(Sheet { header, line, delimiter: b' ', rows }, mapping, collector)
}

struct Vmstat<R> {
    lines: Lines<R>,
    names: Vec<Vec<u8>>,
    /// The row that was read to learn the total.
    first: Option<(u64, ByteRecord)>,
    /// From what it is counted what isn't free.
    total: u64,
    /// What was left in the row before, how many rows there were, and whether they differ.
    left: u64,
    rows: u64,
    changes: bool,
}

impl<R: Read> Vmstat<R> {
    fn row(&mut self, row: &mut ByteRecord) -> Result<(), String> {
        let fields: Vec<&[u8]> = words(self.lines.text()).collect();
        let value = |name: &str| {
            let place = self.names.iter().position(|known| known == name.as_bytes());
            let field = place.and_then(|place| fields.get(place)).and_then(|field| std::str::from_utf8(field).ok());
            field.and_then(|field| field.parse::<u64>().ok())
        };
        let Some([free, buff, cache]) =
            value("free").zip(value("buff")).zip(value("cache")).map(|((a, b), c)| [a, b, c])
        else {
            if self.names.iter().any(|name| name == b"inact") {
                return Err("it is of `vmstat -a`, which has active and inactive pages in the place of buff and cache, so that what is used \
                            isn't known: record `vmstat -t` without -a"
                    .into());
            }
            return Err(format!(
                "expected a row of `vmstat -t` with free, buff and cache, found `{}`",
                shown(self.lines.text())
            ));
        };
        let left = [free, buff, cache].into_iter().fold(0, u64::saturating_add);
        self.changes |= self.rows > 0 && left != self.left;
        (self.left, self.rows) = (left, self.rows + 1);
        if self.total == 0 {
            // More may be free later than now.
            self.total = left.saturating_add(left / 2).checked_next_power_of_two().unwrap_or(u64::MAX).max(1);
        }
        // The column of times is named by their zone, and has a date in it.
        let time = fields.get(self.names.len() - 1..).filter(|time| time.len() == 2 && time[1].contains(&b':'));
        let Some(time) = time else {
            return Err("it has no times: `vmstat -t` prints them, such as `vmstat -t 60`".into());
        };
        row.clear();
        row.push_field(&time.join(&b' '));
        row.push_field(self.total.saturating_sub(left).to_string().as_bytes());
        row.push_field(value("swpd").unwrap_or(0).to_string().as_bytes());
        Ok(())
    }
}

impl<R: Read> Rows for Vmstat<R> {
    fn next_row(&mut self, row: &mut ByteRecord) -> Result<Option<u64>, TableError> {
        if let Some((line, first)) = self.first.take() {
            *row = first;
            return Ok(Some(line));
        }
        while self.lines.advance()? {
            let text = self.lines.text();
            if text.is_empty() || is_above_names(text) {
                continue;
            }
            if text.first().is_some_and(|b| !b.is_ascii_digit()) {
                self.names = words(text).map(<[u8]>::to_vec).collect();
                continue;
            }
            let line = self.lines.number();
            if self.names.is_empty() {
                return Err(TableError::at(line, "expected a line with the names of the columns above it"));
            }
            match self.row(row) {
                Ok(()) => {}
                Err(_) if !self.lines.ended() && self.total > 0 => *row = ByteRecord::new(),
                Err(what) => return Err(TableError::at(line, what)),
            }
            return Ok(Some(line));
        }
        if self.rows >= ENOUGH && !self.changes {
            return Err(TableError::whole(format!(
                "its memory is the same in all of its {} rows, as that of no machine is: `vmstat` of procps 4.0.2 prints the first \
                 reading again and again; `sar -r` reads anew each time",
                self.rows
            )));
        }
        Ok(None)
    }

    fn end(&self) -> End {
        if self.lines.ended() { End::Whole } else { End::Open }
    }
}

/// Whether what `sar` calls used has the page cache in it, as in older versions: then it is all that isn't free.
pub(super) fn used_with_cache(header: &[Vec<u8>], rows: &[ByteRecord]) -> bool {
    let place = |name: &str| header.iter().position(|known| normal(&String::from_utf8_lossy(known)) == name);
    let number = |row: &ByteRecord, place: usize| std::str::from_utf8(row.get(place)?).ok()?.trim().parse::<f64>().ok();
    let (Some(free), Some(used), Some(percent)) = (place("kbmemfree"), place("kbmemused"), place("memused")) else {
        return false;
    };
    rows.iter().any(|row| {
        let values = (number(row, free), number(row, used), number(row, percent));
        let (Some(free), Some(used), Some(percent)) = values else { return false };
        let all = 100.0 * used / percent;
        all.is_finite() && ((free + used) / all - 1.0).abs() < ROUNDED
    })
}
