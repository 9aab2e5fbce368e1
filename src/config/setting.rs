//! What a value of a harness file can be: how it is read, which of its texts hold variables, and its schema.
//!
//! Reading goes on after a problem, with something else in the place of what can't be used, so that all problems of a file are
//! told at once.

use super::problem::nearest;
use crate::model::{Bytes, Share};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::DeValue;

pub(super) use super::problem::{KeyPath, Problems};

/// A value of the file with its place in the text.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// Something that is done with every text and its place.
pub(super) type EachText<'a> = dyn FnMut(&KeyPath, &mut String) + 'a;

/// A type of values.
pub(super) trait Setting: JsonSchema + Sized {
    /// What it is, in words.
    const EXPECTED: &'static str;

    /// What a list of it is.
    const LIST: &'static str = "a list";

    /// Reads a value; nothing if it can't be used, and why is noted.
    fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self>;

    /// What stands for a value that is missing or can't be used.
    fn stand_in() -> Self;

    /// Calls `each` with every text that may hold variables.
    fn texts(&mut self, _at: &KeyPath, _each: &mut EachText<'_>) {}

    /// Its schema.
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// What a value is, in words.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_table()) && !items.is_empty() => {
            "a list of tables"
        }
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Notes that a value is of another kind than expected. It isn't repeated: it may be a secret.
pub(super) fn mismatch<T: Setting>(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<T> {
    let (value, expected) = (value.get_ref(), T::EXPECTED);
    let wants_list = expected.starts_with("a list");
    let help = match (value, expected) {
        (DeValue::Table(_), "a list of tables") => format!("write `[[{at}]]`, in two brackets"),
        (DeValue::Array(_), "a table") => format!("write `[{at}]`, in one bracket, and only once"),
        (DeValue::String(_), _) if wants_list => "write it in brackets, such as `[\"a\", \"b\"]`".into(),
        (DeValue::String(text), _) if text.parse::<f64>().is_ok() || text == "true" || text == "false" => {
            "write it without quotes".into()
        }
        (DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_), "a text") => {
            "write it in quotes".into()
        }
        (DeValue::Integer(_) | DeValue::Float(_), _) if expected.contains("such as `") => {
            "write it in quotes, with its unit".into()
        }
        _ => String::new(),
    };
    problems.spoil(at.clone(), None, format!("expected {expected}, found {}", kind(value)), help);
    None
}

/// Words as a message lists them.
pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Says that a word isn't known, and which one was probably meant.
pub(super) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("unknown {what} `{word}`: did you mean `{meant}`?"),
        None => format!("unknown {what} `{word}`"),
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a text";
    const LIST: &'static str = "a list of texts";

    fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            _ => mismatch(value, at, problems),
        }
    }

    fn stand_in() -> Self {
        String::new()
    }

    fn texts(&mut self, at: &KeyPath, each: &mut EachText<'_>) {
        each(at, self);
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "`true` or `false`";

    fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
        value.get_ref().as_bool().or_else(|| mismatch(value, at, problems))
    }

    fn stand_in() -> Self {
        false
    }
}

impl Setting for f64 {
    const EXPECTED: &'static str = "a number";

    fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
        let number = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n as f64),
            _ => None,
        };
        number.or_else(|| mismatch(value, at, problems))
    }

    fn stand_in() -> Self {
        1.0
    }
}

macro_rules! whole_number {
    ($($type:ty),+) => {$(
        impl Setting for $type {
            const EXPECTED: &'static str = "a whole number from 0 up";
            const LIST: &'static str = "a list of whole numbers";

            fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
                let Some(number) = value.get_ref().as_integer() else { return mismatch(value, at, problems) };
                let read = <$type>::from_str_radix(number.as_str(), number.radix()).ok();
                if read.is_none() {
                    let message = format!("`{number}` isn't a whole number from 0 to {}", <$type>::MAX);
                    problems.spoil(at.clone(), None, message, "");
                }
                read
            }

            fn stand_in() -> Self {
                1
            }
        }
    )+};
}

whole_number!(u16, u32, u64);

/// A quantity that is a text.
macro_rules! quantity {
    ($($type:ty = $stand_in:expr),+) => {$(
        impl Setting for $type {
            const EXPECTED: &'static str = <$type>::EXPECTED;

            fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
                let Some(text) = value.get_ref().as_str() else {
                    return mismatch(value, at, problems);
                };
                text.parse::<$type>().map_err(|error| problems.spoil(at.clone(), None, error.to_string(), "")).ok()
            }

            fn stand_in() -> Self {
                $stand_in
            }
        }
    )+};
}

pub(super) use quantity;

quantity!(Bytes = Bytes(1), Share = Share(1.0));

impl<T: Setting> Setting for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
        T::read(value, at, problems).map(Some)
    }

    fn stand_in() -> Self {
        None
    }

    fn texts(&mut self, at: &KeyPath, each: &mut EachText<'_>) {
        self.iter_mut().for_each(|value| value.texts(at, each));
    }

    /// TOML has no null: a key is there or isn't.
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

impl<T: Setting> Setting for Vec<T> {
    const EXPECTED: &'static str = T::LIST;
    const LIST: &'static str = "a list of lists";

    fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
        let DeValue::Array(items) = value.get_ref() else { return mismatch(value, at, problems) };
        let item =
            |(index, item): (usize, &Value<'_>)| T::read(item, &at.index(index), problems).unwrap_or_else(T::stand_in);
        Some(items.iter().enumerate().map(item).collect())
    }

    fn stand_in() -> Self {
        Vec::new()
    }

    fn texts(&mut self, at: &KeyPath, each: &mut EachText<'_>) {
        self.iter_mut().enumerate().for_each(|(index, item)| item.texts(&at.index(index), each));
    }
}

impl<T: Setting> Setting for BTreeMap<String, T> {
    const EXPECTED: &'static str = "a table";

    fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
        let DeValue::Table(entries) = value.get_ref() else { return mismatch(value, at, problems) };
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let read = T::read(value, &at.key(key.get_ref()), problems);
            map.insert(key.get_ref().to_string(), read.unwrap_or_else(T::stand_in));
        }
        Some(map)
    }

    fn stand_in() -> Self {
        BTreeMap::new()
    }

    fn texts(&mut self, at: &KeyPath, each: &mut EachText<'_>) {
        self.iter_mut().for_each(|(key, value)| value.texts(&at.key(key), each));
    }
}
