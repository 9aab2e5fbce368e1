//! Documents of JSON that servers of metrics answer and export: series with their points, whose names become columns.

use super::clock::Clock;
use super::metrics::Points;
use super::prometheus::{Matrix, NAME, Point};
use super::{Mapping, TableError, shown};
use serde::Deserialize;
use serde_json::Value;

/// What a document is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An object that is a row, or a list of these.
    Rows,
    /// An answer of Prometheus.
    Prometheus,
    /// An answer of CloudWatch.
    CloudWatch,
    /// A series of VictoriaMetrics' `/api/v1/export`.
    VictoriaMetrics,
    /// Graphite's answer to `render?format=json`.
    Graphite,
    /// Datadog's answer to `/api/v1/query`.
    Datadog,
}

pub(super) fn kind(document: &Value) -> Kind {
    let is_list = |value: &Value, key: &str| value.get(key).is_some_and(Value::is_array);
    match document {
        Value::Array(all)
            if all.first().is_some_and(|one| one.get("target").is_some() && is_list(one, "datapoints")) =>
        {
            Kind::Graphite
        }
        Value::Object(map) => {
            if map.contains_key("errorType") || document.pointer("/data/resultType").is_some() {
                Kind::Prometheus
            } else if map.contains_key("MetricDataResults") || map.contains_key("Datapoints") {
                Kind::CloudWatch
            } else if is_list(document, "values") && is_list(document, "timestamps") && map.contains_key("metric") {
                Kind::VictoriaMetrics
            } else if document.pointer("/series/0/pointlist").is_some_and(Value::is_array) {
                Kind::Datadog
            } else {
                Kind::Rows
            }
        }
        _ => Kind::Rows,
    }
}

/// Adds the points of a document of this kind.
///
/// # Errors
/// If it has something else, or too many.
pub(super) fn add(kind: Kind, document: &Value, mapping: &Mapping, points: &mut Points) -> Result<(), TableError> {
    match kind {
        Kind::Rows | Kind::Prometheus => answer(document, mapping, points),
        Kind::CloudWatch => cloudwatch(document, mapping, points),
        Kind::VictoriaMetrics => exported(document, mapping, points),
        Kind::Graphite => document.as_array().into_iter().flatten().try_for_each(|one| graphite(one, mapping, points)),
        Kind::Datadog => datadog(document, mapping, points),
    }
}

/// A pair of numbers; what is missing in the first is none.
fn pair(point: &Value) -> Option<(Option<f64>, f64)> {
    let [first, second] = &point.as_array()?[..] else { return None };
    Some((first.as_f64(), second.as_f64()?))
}

fn expected(what: &str, name: &str) -> TableError {
    TableError::whole(format!("`{}`: expected {what}", shown(name.as_bytes())))
}

/// Adds a series of VictoriaMetrics: labels, values, and Unix times in milliseconds.
fn exported(document: &Value, mapping: &Mapping, points: &mut Points) -> Result<(), TableError> {
    let labels = document.get("metric").and_then(Value::as_object).into_iter().flatten();
    let labels: Vec<(String, String)> =
        labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    let list = |name: &str| document.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (values, times) = (list("values"), list("timestamps"));
    let wrong = || expected("as many numbers in `values` as there are Unix times, in ms, in `timestamps`", "metric");
    if values.len() != times.len() {
        return Err(wrong());
    }
    for (value, time) in values.iter().zip(times) {
        let t = time.as_f64().ok_or_else(wrong)?;
        // What is no number is missing, as NaN is.
        let value = value.as_f64().map_or_else(|| "NaN".to_owned(), |value| value.to_string());
        points.add(&labels, t / 1e3, &value, mapping).map_err(TableError::whole)?;
    }
    Ok(())
}

/// Adds a target of Graphite: pairs of value and Unix time.
fn graphite(document: &Value, mapping: &Mapping, points: &mut Points) -> Result<(), TableError> {
    let name = document.get("target").and_then(Value::as_str).unwrap_or("value");
    for point in document.get("datapoints").and_then(Value::as_array).into_iter().flatten() {
        let (value, t) = pair(point).ok_or_else(|| expected("pairs of a value and a Unix time", name))?;
        let value = value.map_or_else(String::new, |value| value.to_string());
        points.add(&[(NAME.to_owned(), name.to_owned())], t, &value, mapping).map_err(TableError::whole)?;
    }
    Ok(())
}

/// Adds the series of an answer of Datadog: pairs of Unix time in milliseconds and value; its `scope` is whose it is.
fn datadog(document: &Value, mapping: &Mapping, points: &mut Points) -> Result<(), TableError> {
    let text = |series: &Value, key: &str| series.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    for series in document.get("series").and_then(Value::as_array).into_iter().flatten() {
        let name = text(series, "metric");
        let labels = [(NAME.to_owned(), name.clone()), ("scope".to_owned(), text(series, "scope"))];
        let unit = series.pointer("/unit/0/name").and_then(Value::as_str);
        let unit = match unit {
            Some("byte") => " B",
            Some("kibibyte") => " KiB",
            Some("mebibyte") => " MiB",
            Some("gibibyte") => " GiB",
            _ => "",
        };
        for point in series.get("pointlist").and_then(Value::as_array).into_iter().flatten() {
            let parts = point.as_array().map(Vec::as_slice).unwrap_or_default();
            let [t, value] = parts else { return Err(expected("pairs of a Unix time, in ms, and a value", &name)) };
            let t = t.as_f64().ok_or_else(|| expected("pairs of a Unix time, in ms, and a value", &name))?;
            let value = value.as_f64().map_or_else(String::new, |value| format!("{value}{unit}"));
            points.add(&labels, t / 1e3, &value, mapping).map_err(TableError::whole)?;
        }
    }
    Ok(())
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
