//! Names of columns that come again, as where the files of several days were put together.

use super::names::normal;
use super::shown;
use super::values::is_missing;
use csv::ByteRecord;

/// The lines of names at the beginning.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// Those above the last, by their first fields.
    above: Vec<String>,
    /// The last, which names the columns.
    names: Vec<String>,
    /// Whether one of these begins with a digit, as values do.
    digits: bool,
}

/// A field as names are compared. Where files were put together, the mark of UTF-8 stands before the first.
fn name(field: &[u8]) -> String {
    normal(String::from_utf8_lossy(field).trim_start_matches('\u{feff}'))
}

fn begins_with_digit(field: &[u8]) -> bool {
    field.trim_ascii().first().is_some_and(|b| b.is_ascii_digit() || b"+-.".contains(b))
}

impl Again {
    /// Takes a line of names; the `last` of them names the columns.
    pub fn learn(&mut self, row: &ByteRecord, last: bool) {
        if last {
            self.names = row.iter().map(name).collect();
            self.digits = row.iter().any(begins_with_digit);
        } else {
            self.above.extend(row.get(0).map(name));
        }
    }

    /// Whether a row is no row, but the names again.
    ///
    /// # Errors
    /// If it has other names, or the end of a line is missing before them.
    pub fn is_names(&self, row: &ByteRecord) -> Result<bool, String> {
        let count = self.names.len();
        if count == 0 {
            return Ok(false);
        }
        if row.len() + 1 == 2 * count && self.is_glued(row) {
            let what = "the names of columns come again in the middle of a line, as the file before has no line end: put them together \
                        with one, as `awk 1 FILES` does";
            return Err(what.into());
        }
        // Most rows begin with a time.
        if row.get(0).is_some_and(begins_with_digit) && !self.digits {
            return Ok(false);
        }
        let are_words = row.iter().all(|field| !is_missing(field.trim_ascii()) && !begins_with_digit(field));
        if !are_words && !self.digits && self.above.is_empty() {
            return Ok(false);
        }
        let names: Vec<String> = row.iter().map(name).collect();
        if names == self.names || names.first().is_some_and(|first| self.above.contains(first)) {
            return Ok(true);
        }
        if !are_words || names.len() < 2 || !names.iter().any(|name| self.names.contains(name)) {
            return Ok(false);
        }
        let all = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Err(format!(
            "the names of columns come again, and are others: expected {}, found {}; judge the files that were put together one by one",
            all(&self.names),
            shown(all(&names).as_bytes())
        ))
    }

    /// Whether the names stand right behind the last field of a row.
    fn is_glued(&self, row: &ByteRecord) -> bool {
        let (Some(first), count) = (self.names.first(), self.names.len()) else { return false };
        let last = row.get(count - 1).map(name).unwrap_or_default();
        let behind = !first.is_empty() && last != *first && last.ends_with(first.as_str());
        behind && row.iter().skip(count).map(name).eq(self.names.iter().skip(1).cloned())
    }
}
