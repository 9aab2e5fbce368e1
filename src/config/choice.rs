//! Values of the harness file that are one of several: a word, or a table with one key.

use super::problem::{KeyPath, Problems};
use super::setting::{Setting, Value, kind, listed, unknown};
use crate::model::PhaseKind;
use toml::de::DeValue;

/// Reads which it is of `all`: the words, and the keys, which have a value. Returns that value beside.
pub(super) fn choose<'a>(
    value: &'a Value<'_>,
    at: &KeyPath,
    all: &[(&'static str, bool)],
    problems: &mut Problems,
) -> Option<(&'static str, Option<&'a Value<'a>>)> {
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let known = |name: &str| all.iter().copied().find(|(known, _)| *known == name);
    let of_these = format!("known values here: {}", listed(&names));
    let (name, span, content) = match value.get_ref() {
        DeValue::String(word) => (&**word, None, None),
        DeValue::Table(entries) if entries.len() == 1 => {
            let (key, content) = entries.iter().next()?;
            (&**key.get_ref(), Some(key.span()), Some(content))
        }
        other => {
            problems.spoil(at.clone(), None, format!("expected one of {}, found {}", listed(&names), kind(other)), "");
            return None;
        }
    };
    let (message, help) = match (known(name), content) {
        (Some((word, false)), None) => return Some((word, None)),
        (Some((key, true)), Some(content)) => return Some((key, Some(content))),
        (Some((key, true)), None) => (format!("`{key}` needs a value"), format!("write it like `{{ {key} = ... }}`")),
        (Some((word, false)), Some(_)) => (format!("`{word}` has no value"), format!("write `\"{word}\"`")),
        (None, _) => (unknown("value", name, &names), of_these),
    };
    problems.spoil(at.clone(), span, message, help);
    None
}

impl Setting for PhaseKind {
    const EXPECTED: &'static str = "one of several words";

    fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
        let all = [("warm-up", false), ("soak", false), ("settle", false)];
        let (word, _) = choose(value, at, &all, problems)?;
        [PhaseKind::WarmUp, PhaseKind::Soak, PhaseKind::Settle].into_iter().find(|kind| kind.to_string() == word)
    }

    fn stand_in() -> Self {
        PhaseKind::Soak
    }
}

/// Declares a value that is one of several, each with its doc, name, variant and the type of its value if it has one.
macro_rules! choice {
    (
        $(#[doc = $about:literal])+
        pub enum $name:ident $(: $($trait:ident),+)? $(= $default:ident)? {
            $(
                $(#[doc = $doc:literal])+
                $key:literal $variant:ident $(($content:ty))?
            ),+ $(,)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema $($(, $trait)+)?)]
        pub enum $name {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $key)]
                $variant $(($content))?,
            )+
        }

        $(
            impl Default for $name {
                fn default() -> Self {
                    $name::$default
                }
            }
        )?

        impl Setting for $name {
            const EXPECTED: &'static str = "one of several values";

            #[allow(unused_variables)] // where none of them has a value
            fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
                let all = [$(($key, choice!(@has_value $($content)?))),+];
                let (name, content) = choose(value, at, &all, problems)?;
                $(
                    if name == $key {
                        return choice!(@read $name::$variant, content, at.key($key), problems $(, $content)?);
                    }
                )+
                None
            }

            fn stand_in() -> Self {
                let all: &[fn() -> Self] = &[$(|| $name::$variant $((<$content as Setting>::stand_in()))?),+];
                all[0]()
            }

            #[allow(unused_variables)]
            fn texts(&mut self, at: &KeyPath, each: &mut EachText<'_>) {
                $($(choice!(@texts self, $name::$variant, at.key($key), each, $content);)?)+
            }
        }
    };
    (@has_value) => { false };
    (@has_value $content:ty) => { true };
    (@read $variant:path, $value:expr, $at:expr, $problems:ident) => { Some($variant) };
    (@read $variant:path, $value:expr, $at:expr, $problems:ident, $content:ty) => {
        <$content as Setting>::read($value?, &$at, $problems).map($variant)
    };
    (@texts $this:expr, $variant:path, $at:expr, $each:ident, $content:ty) => {
        if let $variant(content) = &mut *$this {
            <$content as Setting>::texts(content, &$at, $each);
        }
    };
}

pub(super) use choice;
