//! JSON: one object a row, line by line or in an array, and what Prometheus answers to `query_range`.

use super::collect::Collector;
use super::fuse::Fuse;
use super::metrics::Points;
use super::sheet::{self, End, Rows, Sheet};
use super::{Mapping, TableError, shown};
use csv::ByteRecord;
use serde_json::Value;
use std::collections::HashMap;
use std::io::Read;

/// The longest document, in bytes.
const LONGEST: u64 = 256 << 20;
/// Objects whose keys become columns.
const FIRST: usize = 256;
/// Keys of one object, and columns.
const MOST_KEYS: usize = 1000;

/// Whether a table with this first line is JSON.
pub(super) fn is_json(first: &[u8]) -> bool {
    first.starts_with(b"{") || first.starts_with(b"[")
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
    match first {
        Value::Array(rows) => objects(rows.into_iter().map(Ok), mapping, collector),
        Value::Object(ref map) if map.contains_key("errorType") || first.pointer("/data/resultType").is_some() => {
            answer(&first, mapping)?.read(mapping, collector)
        }
        first => {
            let rest = values.inspect(move |_| allowance.set(LONGEST));
            objects(std::iter::once(Ok(first)).chain(rest), mapping, collector)
        }
    }
}

fn wrong(error: &serde_json::Error) -> TableError {
    TableError::at(error.line() as u64, format!("expected JSON, one object a row: {error}"))
}

/// The points of an answer of Prometheus.
fn answer(document: &Value, mapping: &Mapping) -> Result<Points, TableError> {
    if let Some(error) = document.get("error").and_then(Value::as_str) {
        return Err(TableError::whole(format!("it is an error of Prometheus: {}", shown(error.as_bytes()))));
    }
    let kind = document.pointer("/data/resultType").and_then(Value::as_str);
    let Some(results) = document.pointer("/data/result").and_then(Value::as_array).filter(|_| kind == Some("matrix"))
    else {
        return Err(TableError::whole(
            "expected Prometheus' answer to `query_range`, whose `resultType` is `matrix`: one moment alone shows no growth",
        ));
    };
    let mut points = Points::default();
    for result in results {
        let labels = result.get("metric").and_then(Value::as_object).into_iter().flatten();
        let labels: Vec<(String, String)> =
            labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
        let values = result.get("values").and_then(Value::as_array).into_iter().flatten();
        for (place, value) in values.enumerate() {
            let pair = value.as_array().map(Vec::as_slice);
            let (Some(t), Some(value)) =
                (pair.and_then(|pair| pair.first()?.as_f64()), pair.and_then(|pair| pair.get(1)?.as_str()))
            else {
                let what = format!("value {} of a series: expected a time and a number in quotes", place + 1);
                return Err(TableError::whole(what));
            };
            points.add(&labels, t, value, mapping).map_err(TableError::whole)?;
        }
    }
    Ok(points)
}

/// Reads objects as rows.
fn objects(
    values: impl Iterator<Item = Result<Value, serde_json::Error>>,
    mapping: &Mapping,
    collector: &mut Collector,
) -> Result<(), TableError> {
    let mut rows = Objects { values, first: Vec::new().into_iter(), places: HashMap::new(), line: 0, torn: None };
    let mut header = Vec::new();
    let mut first = Vec::new();
    while first.len() < FIRST
        && let Some(pairs) = rows.pairs()?
    {
        for (name, _) in &pairs {
            if header.len() < MOST_KEYS && !rows.places.contains_key(name) {
                rows.places.insert(name.clone(), header.len());
                header.push(name.clone().into_bytes());
            }
        }
        first.push(pairs);
    }
    rows.first = first.into_iter();
    rows.line = 0;
    sheet::read(Sheet { header, line: 1, delimiter: 0, rows }, mapping, collector)
}

/// One object after the other, as names and values.
struct Objects<I> {
    values: I,
    first: std::vec::IntoIter<Vec<(String, String)>>,
    places: HashMap<String, usize>,
    line: u64,
    torn: Option<u64>,
}

impl<I: Iterator<Item = Result<Value, serde_json::Error>>> Objects<I> {
    fn pairs(&mut self) -> Result<Option<Vec<(String, String)>>, TableError> {
        if self.torn.is_some() {
            return Ok(None);
        }
        self.line += 1;
        match self.values.next() {
            None => Ok(None),
            Some(Ok(value @ Value::Object(_))) => {
                let mut pairs = Vec::new();
                flatten(&value, String::new(), &mut pairs);
                Ok(Some(pairs))
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
}

impl<I: Iterator<Item = Result<Value, serde_json::Error>>> Rows for Objects<I> {
    fn next_row(&mut self, row: &mut ByteRecord) -> Result<Option<u64>, TableError> {
        let pairs = match self.first.next() {
            Some(pairs) => {
                self.line += 1;
                pairs
            }
            None => match self.pairs()? {
                Some(pairs) => pairs,
                None => return Ok(None),
            },
        };
        let mut fields = vec![String::new(); self.places.len()];
        for (name, value) in pairs {
            if let Some(field) = self.places.get(&name).and_then(|place| fields.get_mut(*place)) {
                *field = value;
            }
        }
        row.clear();
        fields.iter().for_each(|field| row.push_field(field.as_bytes()));
        Ok(Some(self.line))
    }

    fn end(&self) -> End {
        self.torn.map_or(End::Whole, End::Torn)
    }
}

/// Values with their path, its parts with dots between; lists are left out.
fn flatten(value: &Value, path: String, out: &mut Vec<(String, String)>) {
    let text = match value {
        _ if out.len() >= MOST_KEYS => return,
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
