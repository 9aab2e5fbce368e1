//! Tables of the harness file, declared one key a line: its doc, name, type, and default if it has one. From that follow the type,
//! how it is read, its schema and what is said of a key that is missing or unknown.

use super::problem::{KeyPath, Problems, nearest};
use super::setting::{Setting, Value, listed, mismatch, unknown};
use schemars::Schema;
use serde_json::{Map, Value as Json, json};
use toml::de::{DeTable, DeValue};

/// A table that is being read.
pub(super) struct Reader<'a> {
    entries: &'a DeTable<'a>,
    at: &'a KeyPath,
    /// Known keys that are missing, but that an unknown one was probably meant for.
    meant: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    /// Begins to read a table with these keys; unknown ones are noted.
    pub fn new<T: Setting>(
        value: &'a Value<'_>,
        at: &'a KeyPath,
        keys: &[&'static str],
        problems: &mut Problems,
    ) -> Option<Self> {
        let DeValue::Table(entries) = value.get_ref() else {
            return mismatch::<T>(value, at, problems).and(None);
        };
        let mut meant = Vec::new();
        for (key, _) in entries {
            let name: &str = key.get_ref();
            if keys.contains(&name) || problems.are_enough() {
                continue;
            }
            let help = format!("known keys here: {}", listed(keys));
            if let Some(heading) = heading_below::<T>(at, name) {
                let message = format!("unknown key `{name}`: it belongs below `{heading}`");
                problems.note(at.key(name), Some(key.span()), message, help);
                continue;
            }
            let near = nearest(name, keys.iter().copied()).filter(|near| !entries.contains_key(*near));
            meant.extend(near);
            match near {
                Some(near) => problems.spoil(at.key(near), Some(key.span()), unknown("key", name, keys), help),
                None => problems.note(at.key(name), Some(key.span()), unknown("key", name, keys), help),
            }
        }
        Some(Reader { entries, at, meant })
    }

    /// The value of a key; `about` is its documentation.
    pub fn required<T: Setting>(&self, key: &'static str, about: &str, problems: &mut Problems) -> T {
        if !self.entries.contains_key(key) && !self.meant.contains(&key) {
            let at = self.at.key(key);
            let missing = match T::EXPECTED {
                "a table" => format!("missing table `[{at}]`"),
                "a list of tables" => format!("missing table `[[{at}]]`"),
                _ => format!("missing key `{key}`"),
            };
            problems.spoil(at, None, missing, format!("add it: {}", described(about)));
        }
        self.optional(key, T::stand_in, problems)
    }

    /// The value of a key that may be missing.
    pub fn optional<T: Setting>(&self, key: &'static str, default: impl Fn() -> T, problems: &mut Problems) -> T {
        let value = self.entries.get(key);
        value.and_then(|value| T::read(value, &self.at.key(key), problems)).unwrap_or_else(default)
    }
}

/// The heading of the table in this one that has such a key.
fn heading_below<T: Setting>(at: &KeyPath, key: &str) -> Option<String> {
    fn below(schema: &Json, table: &Json, at: &KeyPath, key: &str) -> Option<String> {
        table["properties"].as_object()?.iter().find_map(|(name, value)| {
            let (at, list) = (at.key(name), value["items"]["$ref"].as_str());
            let inner = &schema["$defs"][value["$ref"].as_str().or(list)?.rsplit('/').next()?];
            let heading = if list.is_some() { format!("[[{}]]", at.dotted()) } else { format!("[{}]", at.dotted()) };
            inner["properties"].get(key).map(|_| heading).or_else(|| below(schema, inner, &at, key))
        })
    }
    let schema = schemars::schema_for!(T).to_value();
    below(&schema, &schema, at, key)
}

/// Documentation as one line.
fn described(about: &str) -> String {
    about.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The schema of a table.
#[derive(Default)]
pub(super) struct TableSchema {
    keys: Map<String, Json>,
    required: Vec<&'static str>,
}

impl TableSchema {
    /// Adds a key; `default` is written as in a file.
    pub fn key(&mut self, key: &'static str, about: &str, schema: Schema, default: Option<Json>) {
        let mut schema = schema.to_value();
        schema["description"] = described(about).into();
        match default {
            None => self.required.push(key),
            // What a table holds by default is said in the table; TOML has no null.
            Some(Json::Object(_) | Json::Null) => {}
            Some(default) => schema["default"] = default,
        }
        self.keys.insert(key.to_owned(), schema);
    }

    /// The whole.
    pub fn end(self, about: &str) -> Schema {
        let mut schema = json!({
            "type": "object", "description": described(about), "properties": self.keys, "additionalProperties": false
        });
        if !self.required.is_empty() {
            schema["required"] = self.required.into();
        }
        schema.try_into().unwrap_or_default()
    }
}

/// Declares a table.
macro_rules! table {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident $(: $trait:ident)? {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)+)])?
                $key:literal $field:ident: $type:ty $(= $default:expr)?
            ),+ $(,)?
            $(; $(#[doc = $other_doc:literal])+ $other:ident: $other_type:ty)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $key $(, $($serde)+)?)]
                pub $field: $type,
            )+
            $(
                $(#[doc = $other_doc])+
                #[serde(skip)]
                pub(super) $other: $other_type,
            )?
        }

        impl Setting for $name {
            const EXPECTED: &'static str = "a table";
            const LIST: &'static str = "a list of tables";

            fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
                let reader = Reader::new::<Self>(value, at, &[$($key),+], problems)?;
                Some($name {
                    $($field: key!(@read reader, problems, $key, $type, concat!($($doc, "\n"),+) $(, $default)?),)+
                    $($other: Default::default(),)?
                })
            }

            fn stand_in() -> Self {
                $name {
                    $($field: key!(@stand_in $type $(, $default)?),)+
                    $($other: Default::default(),)?
                }
            }

            fn texts(&mut self, at: &KeyPath, each: &mut EachText<'_>) {
                $(Setting::texts(&mut self.$field, &at.key($key), each);)+
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut schema = TableSchema::default();
                $(
                    let of_key = <$type as Setting>::schema(generator);
                    let default = key!(@json $type $(, $default)?);
                    schema.key($key, concat!($($doc, "\n"),+), of_key, default);
                )+
                schema.end(concat!($($about, "\n"),+))
            }
        }

        $(
            impl $trait for $name {
                fn default() -> Self {
                    Setting::stand_in()
                }
            }
        )?
    };
}

/// What becomes of one key of a table, with and without a default.
macro_rules! key {
    (@read $reader:ident, $problems:ident, $key:literal, $type:ty, $doc:expr) => {
        $reader.required::<$type>($key, $doc, $problems)
    };
    (@read $reader:ident, $problems:ident, $key:literal, $type:ty, $doc:expr, $default:expr) => {
        $reader.optional::<$type>($key, || $default, $problems)
    };
    (@stand_in $type:ty) => {
        <$type as Setting>::stand_in()
    };
    (@stand_in $type:ty, $default:expr) => {
        $default
    };
    (@json $type:ty) => {
        None
    };
    (@json $type:ty, $default:expr) => {{
        let default: $type = $default;
        Some(serde_json::to_value(default).unwrap_or_default())
    }};
}

pub(super) use {key, table};
