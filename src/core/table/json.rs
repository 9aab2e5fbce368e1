//! JSON: one object a row, line by line or in an array, and what Prometheus answers to `query_range`.

use super::clock::Clock;
use super::collect::Collector;
use super::fuse::Fuse;
use super::metrics::Points;
use super::prometheus::{Matrix, NAME, Point};
use super::records::{self, MOST_NAMES, Pairs, Source};
use super::sheet::End;
use super::{Mapping, TableError, shown};
use serde::Deserialize;
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
                match of {
                    Kind::CloudWatch => cloudwatch(&document, mapping, &mut points)?,
                    _ => answer(&document, mapping, &mut points)?,
                }
            }
            points.read(mapping, collector)
        }
    }
}

/// What a document is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An object that is a row, or a list of these.
    Rows,
    /// An answer of Prometheus.
    Prometheus,
    /// An answer of CloudWatch.
    CloudWatch,
}

fn kind(document: &Value) -> Kind {
    let Value::Object(map) = document else { return Kind::Rows };
    if map.contains_key("errorType") || document.pointer("/data/resultType").is_some() {
        Kind::Prometheus
    } else if map.contains_key("MetricDataResults") || map.contains_key("Datapoints") {
        Kind::CloudWatch
    } else {
        Kind::Rows
    }
}

fn wrong(error: &serde_json::Error) -> TableError {
    TableError::at(error.line() as u64, format!("expected JSON, one object a row: {error}"))
}

/// Adds the points of an answer of Prometheus.
fn answer(document: &Value, mapping: &Mapping, points: &mut Points) -> Result<(), TableError> {
    if let Some(error) = document.get("error").and_then(Value::as_str) {
        return Err(TableError::whole(format!("it is an error of Prometheus: {}", shown(error.as_bytes()))));
    }
    if document.pointer("/data/resultType").and_then(Value::as_str) != Some("matrix") {
        return Err(TableError::whole(
            "expected Prometheus' answer to `query_range`, whose `resultType` is `matrix`: one moment alone shows no growth",
        ));
    }
    let matrix = document.get("data").map_or_else(|| Matrix::deserialize(&Value::Null), Matrix::deserialize);
    let matrix = matrix.map_err(|error| TableError::whole(format!("a series of Prometheus: {error}")))?;
    for series in matrix.result {
        let labels: Vec<(String, String)> = series.metric.into_iter().collect();
        for Point { t, value } in series.values {
            points.add(&labels, t, &value.to_string(), mapping).map_err(TableError::whole)?;
        }
    }
    Ok(())
}

/// Adds the points of an answer of CloudWatch, to `get-metric-data` or `get-metric-statistics`: a label is a metric.
fn cloudwatch(document: &Value, mapping: &Mapping, points: &mut Points) -> Result<(), TableError> {
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let label = |value: &Value| value.get("Label").and_then(Value::as_str).unwrap_or("value").to_owned();
    let mut add = |metric: String, time: &Value, value: &Value, unit: &str| {
        let read = time.as_f64().or_else(|| Clock::default().read(time.as_str()?.as_bytes()).ok());
        let (Some(t), Some(value)) = (read, value.as_f64()) else {
            return Err(TableError::whole(format!("`{}`: expected times and numbers", shown(metric.as_bytes()))));
        };
        points.add(&[(NAME.to_owned(), metric)], t, &format!("{value}{unit}"), mapping).map_err(TableError::whole)
    };
    for result in list(document, "MetricDataResults") {
        for (time, value) in list(&result, "Timestamps").iter().zip(&list(&result, "Values")) {
            add(label(&result), time, value, "")?;
        }
    }
    for point in list(document, "Datapoints") {
        let time = point.get("Timestamp").unwrap_or(&Value::Null);
        let unit = if point.get("Unit").and_then(Value::as_str) == Some("Bytes") { " B" } else { "" };
        // Of several statistics, each is one more that could be the memory.
        for (statistic, value) in point.as_object().into_iter().flatten().filter(|(_, value)| value.is_number()) {
            let metric =
                if statistic == "Average" { label(document) } else { format!("{} {statistic}", label(document)) };
            add(metric, time, value, unit)?;
        }
    }
    Ok(())
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
