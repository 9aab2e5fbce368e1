//! Series of the user's own: what they are called, what they count, and what was read of them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

/// What names of metrics begin with where they stand among others, and that of one in bytes.
const ITEMS: &str = "metric:";
const BYTES: &str = "metric-bytes:";

/// Letters of a name, at most.
const LONGEST: usize = 64;

/// Names that are known at the same time: whoever reads files without end must not fill memory.
const MOST: usize = 10_000;

/// All names that were ever used. They are few, and as long as they live, a metric is as light as any other resource.
static NAMES: Mutex<BTreeSet<&'static Name>> = Mutex::new(BTreeSet::new());

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name {
    text: String,
    /// Where what a request leaves of it is.
    place: String,
    bytes: bool,
}

/// The name of a series of the user's own, and whether it is in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metric(&'static Name);

impl Metric {
    /// What a name is made of, as a message says it.
    pub const NAMED_BY: &'static str = "1 to 64 letters, digits, `_`, `-` and `.`, the first a letter or `_`";

    /// The metric of this name; `None` if it isn't one.
    pub fn new(name: &str, bytes: bool) -> Option<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins || name.len() > LONGEST || !name.chars().all(fits) {
            return None;
        }
        let place = if bytes { format!("in {name}") } else { "more".into() };
        let name = Name { text: name.to_owned(), place, bytes };
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(&name) {
            return Some(Metric(known));
        }
        if names.len() >= MOST {
            return None;
        }
        let name: &'static Name = Box::leak(Box::new(name));
        names.insert(name);
        Some(Metric(name))
    }

    /// Its name, such as `Threads_connected`.
    pub const fn name(self) -> &'static str {
        self.0.text.as_str()
    }

    /// Where what a request leaves of it is: `in used_memory`, or, of what is counted, `more`.
    pub(super) const fn place(self) -> &'static str {
        self.0.place.as_str()
    }

    /// Whether it is in bytes.
    pub const fn in_bytes(self) -> bool {
        self.0.bytes
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.in_bytes() { BYTES } else { ITEMS }, self.name())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let items = text.strip_prefix(ITEMS).map(|name| (name, false));
        let named = items.or_else(|| text.strip_prefix(BYTES).map(|name| (name, true)));
        let metric = named.and_then(|(name, bytes)| Metric::new(name, bytes));
        metric.ok_or_else(|| format!("`{text}` is no resource"))
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Metric {
    fn schema_name() -> Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A series of the user's own by its name: `metric:NAME`, in bytes `metric-bytes:NAME`.",
            "type": "string",
            "pattern": format!("^(?:{ITEMS}|{BYTES})[A-Za-z_][A-Za-z0-9_.-]{{0,{}}}$", LONGEST - 1)
        })
    }
}

/// What the values of a metric say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MetricKind {
    /// How much there is now: judged as memory is.
    Gauge,
    /// How much there was so far: told for each request.
    Counter,
}

/// A metric of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricMeta {
    /// Its name.
    pub metric: Metric,
    /// What its values say.
    pub kind: MetricKind,
    /// Where it was read, in words.
    pub from: String,
}

/// One look at a metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricReading {
    /// Seconds since the start of the run.
    pub t: f64,
    /// Which.
    pub metric: Metric,
    /// Its value, in bytes or items; missing if it was asked for, and there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Resource;

    #[test]
    fn it_is_a_resource_that_files_can_name() {
        let connected = Metric::new("Threads_connected", false).unwrap();
        let memory = Metric::new("used_memory", true).unwrap();
        assert_eq!(Metric::new("Threads_connected", false), Some(connected));
        for (metric, text) in [(connected, "metric:Threads_connected"), (memory, "metric-bytes:used_memory")] {
            let resource = Resource::Metric(metric);
            assert_eq!(serde_json::to_value(resource).unwrap(), text);
            assert_eq!(serde_json::from_value::<Resource>(text.into()).unwrap(), resource);
            assert_eq!((resource.in_bytes(), resource.of_whole_target()), (metric.in_bytes(), true));
        }
        assert_ne!(Metric::new("used_memory", false), Some(memory));
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_name() {
        for name in ["", "../x", "a/b", "1st", ".hidden", "a b", "é", &"x".repeat(65)] {
            assert_eq!(Metric::new(name, false), None, "{name}");
            let text = serde_json::Value::from(format!("metric:{name}"));
            assert!(serde_json::from_value::<Resource>(text).is_err());
        }
        assert!(serde_json::from_value::<Resource>("memry".into()).is_err());
    }
}
