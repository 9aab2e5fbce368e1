//! Rows that name their own values, as objects of JSON and files of `/proc` do: the names of the first of them become the
//! columns.

use super::collect::Collector;
use super::sheet::{self, End, Rows, Sheet};
use super::{Mapping, TableError};
use csv::ByteRecord;
use std::collections::HashMap;

/// Records whose names become columns.
const FIRST: usize = 256;
/// Names in one record, and columns.
pub(super) const MOST_NAMES: usize = 1000;

/// Names with their values.
pub(super) type Pairs = Vec<(String, String)>;

/// A source of records.
pub(super) trait Source {
    /// The next record with its line; `None` at the end.
    ///
    /// # Errors
    /// If it can't be read, or is none.
    fn record(&mut self) -> Result<Option<(u64, Pairs)>, TableError>;

    /// How the records ended.
    fn end(&self) -> End {
        End::Whole
    }
}

/// Reads records as rows.
pub(super) fn read(mut source: impl Source, mapping: &Mapping, collector: &mut Collector) -> Result<(), TableError> {
    let mut places = HashMap::new();
    let (mut header, mut first) = (Vec::new(), Vec::new());
    while first.len() < FIRST
        && let Some((line, pairs)) = source.record()?
    {
        for (name, _) in &pairs {
            if header.len() < MOST_NAMES && !places.contains_key(name) {
                places.insert(name.clone(), header.len());
                header.push(name.clone().into_bytes());
            }
        }
        first.push((line, pairs));
    }
    let line = first.first().map_or(1, |(line, _)| *line);
    let rows = Records { source, first: first.into_iter(), places };
    sheet::read(Sheet { header, line, delimiter: 0, rows }, mapping, collector)
}

/// The records as rows.
struct Records<S> {
    source: S,
    /// Those that were read for their names.
    first: std::vec::IntoIter<(u64, Pairs)>,
    places: HashMap<String, usize>,
}

impl<S: Source> Rows for Records<S> {
    fn next_row(&mut self, row: &mut ByteRecord) -> Result<Option<u64>, TableError> {
        let next = match self.first.next() {
            Some(record) => Some(record),
            None => self.source.record()?,
        };
        let Some((line, pairs)) = next else { return Ok(None) };
        let mut fields = vec![String::new(); self.places.len()];
        for (name, value) in pairs {
            if let Some(field) = self.places.get(&name).and_then(|place| fields.get_mut(*place)) {
                *field = value;
            }
        }
        row.clear();
        fields.iter().for_each(|field| row.push_field(field.as_bytes()));
        Ok(Some(line))
    }

    fn end(&self) -> End {
        self.source.end()
    }
}
