//! JSON: one object a row, line by line or in an array, and documents of servers of metrics.

use super::blocks::stamp;
use super::collect::Collector;
use super::exports::{self, Kind, kind};
use super::foreign;
use super::fuse::Fuse;
use super::lines::Lines;
use super::metrics::Points;
use super::records::{self, MOST_NAMES, Pairs, Source};
use super::sheet::End;
use super::{Mapping, TableError, shown};
use serde_json::Value;
use std::io::Read;

/// The longest document, in bytes.
const LONGEST: u64 = 256 << 20;

/// Whether a table with this first line is JSON.
pub(super) fn is_json(first: &[u8]) -> bool {
    let list = |rest: &[u8]| rest.trim_ascii().first().is_none_or(|b| b"{[]".contains(b));
    // What has a time in brackets is a log.
    first.starts_with(b"{")
        || first.strip_prefix(b"[").is_some_and(|rest| list(rest) || rest.ends_with(b"]") && !rest.contains(&b'['))
}

/// Reads all values of `input`.
pub(super) fn read(input: impl Read, mapping: &Mapping, collector: &mut Collector) -> Result<(), TableError> {
    let (input, allowance) = Fuse::new(input);
    allowance.set(LONGEST);
    let mut values = serde_json::Deserializer::from_reader(std::io::BufReader::new(input)).into_iter::<Value>();
    let first = match values.next() {
        Some(Ok(first)) => first,
        Some(Err(error)) => return Err(wrong(&error)),
        None => return Err(TableError::whole("it has no rows")),
    };
    let rest = values.inspect(move |_| allowance.set(LONGEST));
    foreign::refuse_json(&first)?;
    match kind(&first) {
        Kind::Rows => {
            let all = std::iter::once(Ok(first)).chain(rest).flat_map(|value| match value {
                Ok(Value::Array(rows)) => rows.into_iter().map(Ok).collect(),
                value => vec![value],
            });
            records::read(objects(all), mapping, collector)
        }
        of => {
            let mut points = Points::default();
            // Answers that were put together are one.
            for (place, document) in (1..).zip(std::iter::once(Ok(first)).chain(rest)) {
                let document = document.map_err(|error| wrong(&error))?;
                if kind(&document) != of {
                    return Err(TableError::whole(format!("document {place}: expected an answer like the first")));
                }
                exports::add(of, &document, mapping, &mut points)?;
            }
            points.read(mapping, collector)
        }
    }
}

fn wrong(error: &serde_json::Error) -> TableError {
    TableError::at(error.line() as u64, format!("expected JSON, one object a row: {error}"))
}

/// Objects as rows.
struct Objects<I> {
    values: I,
    line: u64,
    torn: Option<u64>,
}

fn objects<I: Iterator<Item = Result<Value, serde_json::Error>>>(values: I) -> Objects<I> {
    Objects { values, line: 0, torn: None }
}

impl<I: Iterator<Item = Result<Value, serde_json::Error>>> Source for Objects<I> {
    fn record(&mut self) -> Result<Option<(u64, Pairs)>, TableError> {
        if self.torn.is_some() {
            return Ok(None);
        }
        self.line += 1;
        match self.values.next() {
            None => Ok(None),
            Some(Ok(value @ Value::Object(_))) => {
                let mut pairs = Vec::new();
                flatten(&value, String::new(), &mut pairs);
                Ok(Some((self.line, pairs)))
            }
            Some(Ok(_)) => {
                Err(TableError::at(self.line, "expected an object such as {\"time\": 0, \"rss_kib\": 1000}"))
            }
            Some(Err(error)) if error.is_eof() && self.line > 1 => {
                self.torn = Some(self.line);
                Ok(None)
            }
            Some(Err(error)) => Err(wrong(&error)),
        }
    }

    fn end(&self) -> End {
        self.torn.map_or(End::Whole, End::Torn)
    }
}

/// Objects, each on a line of its own, below times that stand alone on theirs: what a loop of `date` and `docker stats` prints.
pub(super) struct Below<R> {
    lines: Lines<R>,
    time: String,
    torn: Option<u64>,
}

impl<R: Read> Below<R> {
    pub fn new(input: R) -> Self {
        Below { lines: Lines::new(input), time: String::new(), torn: None }
    }
}

impl<R: Read> Source for Below<R> {
    fn record(&mut self) -> Result<Option<(u64, Pairs)>, TableError> {
        while self.torn.is_none() && self.lines.advance()? {
            let (text, number) = (self.lines.text(), self.lines.number());
            if let Some(time) = stamp(text) {
                self.time = String::from_utf8_lossy(time).into_owned();
            } else if !text.is_empty() {
                match serde_json::from_slice(text) {
                    Ok(value @ Value::Object(_)) => {
                        let mut pairs = vec![("timestamp".to_owned(), self.time.clone())];
                        flatten(&value, String::new(), &mut pairs);
                        return Ok(Some((number, pairs)));
                    }
                    Err(error) if error.is_eof() && !self.lines.ended() => self.torn = Some(number),
                    _ => {
                        let what =
                            format!("expected a time, or an object of JSON on one line, found `{}`", shown(text));
                        return Err(TableError::at(number, what));
                    }
                }
            }
        }
        Ok(None)
    }

    fn end(&self) -> End {
        self.torn.map_or(End::Whole, End::Torn)
    }
}

/// Values with their path, its parts with dots between; lists are left out.
fn flatten(value: &Value, path: String, out: &mut Pairs) {
    let text = match value {
        _ if out.len() >= MOST_NAMES => return,
        Value::Object(map) => {
            for (name, value) in map {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(value, path, out);
            }
            return;
        }
        Value::Array(_) => return,
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    out.push((path, text));
}
