//! Quantities that are texts in files and schemas.

/// Implements serde and JSON schema for a quantity that is a text in files: read by `FromStr`, which takes just the texts that
/// `$pattern` matches, and written by `$written`, without rounding. seepage has more of them, so that it is exported; serde and
/// schemars are those of the place that calls it.
#[doc(hidden)]
#[macro_export]
macro_rules! as_text {
    ($type:ty, $expected:expr, $example:expr, $pattern:expr, $written:expr) => {
        impl $type {
            /// What is expected where it stands.
            pub const EXPECTED: &'static str = $expected;

            /// The regular expression of its texts, in the syntax that JSON schemas and the `regex` crate have in common.
            pub fn pattern() -> String {
                format!(r"^[ \t]*{}[ \t]*$", $pattern)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$written(*self))
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "description": $expected, "pattern": Self::pattern(), "examples": [$example]
                })
            }
        }
    };
}

#[doc(hidden)]
pub use as_text;
