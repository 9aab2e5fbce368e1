//! Quantities that only the harness file has: durations, arrival rates and distributions of sizes.

use crate::model::{Bytes, as_text};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::{fmt, str::FromStr, time::Duration};

/// A duration, written like `500ms`, `30s` or `10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

const SPAN_EXPECTED: &str = "a duration with its unit, such as `500ms`, `30s` or `10m`";

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map(Span).map_err(|_| format!("`{text}` is not {SPAN_EXPECTED}"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// An arrival rate, written like `50/s` or `600/m`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate {
    /// Requests per second.
    pub per_second: f64,
}

const RATE_EXPECTED: &str = "an arrival rate, such as `50/s` or `600/m`";

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("`{text}` is not {RATE_EXPECTED}");
        let (count, unit) = text.split_once('/').ok_or_else(error)?;
        let count: f64 = count.trim().parse().map_err(|_| error())?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(error()),
        };
        let per_second = count / seconds;
        if per_second.is_finite() && per_second >= 0.0 { Ok(Rate { per_second }) } else { Err(error()) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.per_second)
    }
}

as_text!(Span, SPAN_EXPECTED, "30s", |span: Span| span.to_string());
as_text!(Rate, RATE_EXPECTED, "50/s", |rate: Rate| rate.to_string());

/// The size of something random: a fixed size, or a distribution of sizes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// Always the same.
    Fixed(Bytes),
    /// Every size between the two, both included, equally often.
    Uniform([Bytes; 2]),
    /// Every order of magnitude between the two equally often.
    LogUniform([Bytes; 2]),
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a size such as `64 KiB`, or `{ uniform = [\"1 KiB\", \"1 MiB\"] }`, \
                     or `{ log-uniform = [\"1 KiB\", \"1 MiB\"] }`",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map(Size::Fixed).map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Size, A::Error> {
                const KINDS: &[&str] = &["fixed", "uniform", "log-uniform"];
                let kind: String = map.next_key()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let size = match kind.as_str() {
                    "fixed" => Size::Fixed(map.next_value()?),
                    "uniform" => Size::Uniform(map.next_value()?),
                    "log-uniform" => Size::LogUniform(map.next_value()?),
                    other => return Err(de::Error::unknown_field(other, KINDS)),
                };
                match map.next_key::<String>()? {
                    None => Ok(size),
                    Some(_) => Err(de::Error::custom("a size has one distribution, not two")),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let bytes = generator.subschema_for::<Bytes>();
        let pair = serde_json::json!({ "type": "array", "items": bytes, "minItems": 2, "maxItems": 2 });
        schemars::json_schema!({
            "description": "A fixed size, or a distribution of sizes.",
            "oneOf": [
                bytes,
                { "type": "object", "properties": { "fixed": bytes }, "required": ["fixed"], "additionalProperties": false },
                { "type": "object", "properties": { "uniform": pair }, "required": ["uniform"], "additionalProperties": false },
                { "type": "object", "properties": { "log-uniform": pair }, "required": ["log-uniform"], "additionalProperties": false },
            ]
        })
    }
}
