//! What the HTTP API of Prometheus answers, and of all that speaks it: Thanos, Mimir, VictoriaMetrics.

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// Labels with their values; the name of a metric is the label `__name__`.
pub type Labels = BTreeMap<String, String>;

/// The label that is the name of the metric.
pub const NAME: &str = "__name__";

/// What an answer of the API has around its `data`.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer<T> {
    /// `success` or `error`.
    pub status: String,
    /// What was asked for; missing in an error.
    #[serde(default = "nothing")]
    pub data: Option<T>,
    /// What went wrong.
    #[serde(default)]
    pub error: Option<String>,
    /// What kind of error it is, such as `bad_data`.
    #[serde(default)]
    pub error_type: Option<String>,
    /// What may be missing in the data.
    #[serde(default)]
    pub warnings: Option<Vec<String>>,
    /// Whether VictoriaMetrics says that something is missing.
    #[serde(default)]
    pub is_partial: Option<bool>,
}

// An attribute without a path would demand that `T` has a default.
fn nothing<T>() -> Option<T> {
    None
}

impl<T: DeserializeOwned> Answer<T> {
    /// Reads an answer.
    ///
    /// # Errors
    /// If it is none, or is cut off.
    pub fn read(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

/// The data of an answer to `query_range`.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matrix {
    /// `matrix`, if it is one.
    pub result_type: String,
    /// Its series.
    pub result: Vec<Series>,
}

/// A series.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct Series {
    /// Whose it is.
    pub metric: Labels,
    /// Its points in the order of time; none in histograms.
    #[serde(default)]
    pub values: Vec<Point>,
}

/// A point of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Unix time in seconds.
    pub t: f64,
    /// What was measured; NaN where there is nothing.
    pub value: f64,
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(OnePoint)
    }
}

/// Reads `[1767225600, "1024"]`.
struct OnePoint;

impl<'de> Visitor<'de> for OnePoint {
    type Value = Point;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time and a number in quotes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Point, A::Error> {
        let t: f64 = parts.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let Number(value) = parts.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
        if parts.next_element::<serde::de::IgnoredAny>()?.is_some() {
            return Err(A::Error::invalid_length(3, &self));
        }
        Ok(Point { t, value })
    }
}

/// A number as it is written in quotes.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Quoted;
        impl Visitor<'_> for Quoted {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in quotes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Quoted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_with_what_is_missing_in_them() {
        let text = "{\"metric\": {\"a\": \"b\"}, \"values\": [[1.5, \"1e3\"], [2, \"NaN\"], [3, \"+Inf\"]]}";
        let series: Series = serde_json::from_str(text).unwrap();
        assert_eq!(series.metric["a"], "b");
        assert_eq!(series.values[0], Point { t: 1.5, value: 1000.0 });
        assert!(series.values[1].value.is_nan() && series.values[2].value.is_infinite());
        for wrong in ["[1]", "[1, 2]", "[1, \"x\"]", "[1, \"2\", 3]", "[\"1\", \"2\"]", "{}"] {
            let error = serde_json::from_str::<Point>(wrong).unwrap_err().to_string();
            assert!(error.contains("in quotes") || error.contains("expected f64"), "{wrong}: {error}");
        }
    }

    #[test]
    fn an_error_has_no_data_and_warnings_may_be_null() {
        let text = "{\"status\": \"error\", \"errorType\": \"bad_data\", \"error\": \"parse error\"}";
        let answer = Answer::<Matrix>::read(text.as_bytes()).unwrap();
        assert_eq!((answer.data, answer.error_type.as_deref()), (None, Some("bad_data")));
        let text =
            "{\"status\": \"success\", \"warnings\": null, \"data\": {\"resultType\": \"matrix\", \"result\": []}}";
        let answer = Answer::<Matrix>::read(text.as_bytes()).unwrap();
        assert_eq!(answer.data.unwrap().result, []);
    }
}
