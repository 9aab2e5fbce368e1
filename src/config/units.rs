//! Quantities that only the harness file has: durations, days, arrival rates and distributions of sizes.

use super::choice::choose;
use super::problem::{KeyPath, Problems};
use super::setting::{Setting, Value, kind, mismatch, quantity};
use crate::model::{Bytes, NaiveDate, as_text, day, number_pattern, parse_number};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use std::{fmt, str::FromStr, time::Duration};
use toml::de::DeValue;

/// A duration, written like `500ms`, `30s` or `10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

const SPAN_EXPECTED: &str = "a duration with its unit, such as `500ms`, `30s` or `10m`";

/// The units of a duration and their nanoseconds; a month has 30.44 days, a year 365.25.
const SPAN_UNITS: [(&[&str], u128); 10] = [
    (&["ns", "nsec", "nanos"], 1),
    (&["us", "µs", "usec"], 1_000),
    (&["ms", "msec", "millis"], 1_000_000),
    (&["s", "sec", "secs", "second", "seconds"], 1_000_000_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000_000_000),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000_000_000),
    (&["d", "day", "days"], 86_400_000_000_000),
    (&["w", "wk", "wks", "week", "weeks"], 604_800_000_000_000),
    (&["M", "month", "months"], 2_630_016_000_000_000),
    (&["y", "yr", "yrs", "year", "years"], 31_557_600_000_000_000),
];

/// The most parts of a duration, such as `1h` and `30m`, and the most digits of each before and behind its point: so none is
/// beyond what 64 bits can say.
const SPAN_PARTS: usize = 16;
const SPAN_DIGITS: (usize, usize) = (10, 9);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let nanoseconds = parse_span(text).ok_or_else(|| format!("`{text}` is not {SPAN_EXPECTED}"))?;
        let second = 1_000_000_000;
        Ok(Span(Duration::new((nanoseconds / second) as u64, (nanoseconds % second) as u32)))
    }
}

/// The nanoseconds of parts such as `1h 30m`, each with its unit.
fn parse_span(text: &str) -> Option<u128> {
    let bare = |text: &str| text.trim_matches([' ', '\t']).to_owned();
    let mut rest = bare(text);
    if rest == "0" {
        return Some(0);
    }
    let (mut sum, mut parts) = (0, 0);
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let behind = rest[number..].trim_start_matches([' ', '\t']);
        let unit = behind.len() - behind.trim_start_matches(char::is_alphabetic).len();
        let (_, nanoseconds) = SPAN_UNITS.iter().find(|(names, _)| names.contains(&&behind[..unit]))?;
        let (whole, part) = rest[..number].split_once('.').map_or((&rest[..number], None), |(w, p)| (w, Some(p)));
        let fits = (1..=SPAN_DIGITS.0).contains(&whole.len());
        let part_fits = part.is_none_or(|part| (1..=SPAN_DIGITS.1).contains(&part.len()));
        parts += 1;
        if !fits || !part_fits || parts > SPAN_PARTS {
            return None;
        }
        let part = part.unwrap_or("0");
        sum += whole.parse::<u128>().ok()? * nanoseconds;
        sum += part.parse::<u128>().ok()? * nanoseconds / 10u128.pow(part.len() as u32);
        rest = bare(&behind[unit..]);
    }
    (parts > 0).then_some(sum)
}

/// The regular expression of a duration, without the blanks around it.
pub(super) fn span_pattern() -> String {
    let units = SPAN_UNITS.iter().map(|(names, _)| names.join("|")).collect::<Vec<_>>().join("|");
    let (whole, part) = SPAN_DIGITS;
    format!(r"(?:0|(?:[ \t]*[0-9]{{1,{whole}}}(?:\.[0-9]{{1,{part}}})?[ \t]*(?:{units})){{1,{SPAN_PARTS}}})")
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
        let read = || {
            let (count, unit) = text.split_once('/')?;
            let seconds = match unit.trim_matches([' ', '\t']) {
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
            Some(Rate { per_second: parse_number(count)? / seconds })
        };
        read().ok_or_else(|| format!("`{text}` is not {RATE_EXPECTED}"))
    }
}

fn rate_pattern() -> String {
    format!(r"{}[ \t]*/[ \t]*[smh]", number_pattern())
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.per_second)
    }
}

/// A day, written like `2027-03-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(NaiveDate);

const DAY_EXPECTED: &str = "a day like `2027-03-01`";

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        day(text.trim_matches([' ', '\t'])).map(Day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Setting for Day {
    const EXPECTED: &'static str = DAY_EXPECTED;

    /// With quotes or, as TOML has days, without.
    fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            _ => return mismatch(value, at, problems),
        };
        text.parse::<Day>().map_err(|error| problems.spoil(at.clone(), None, error, "")).ok()
    }

    fn stand_in() -> Self {
        Day(NaiveDate::MAX)
    }
}

as_text!(Day, DAY_EXPECTED, "2027-03-01", "[0-9]{4}-[0-9]{2}-[0-9]{2}".to_owned(), |day: Day| day.to_string());
as_text!(Span, SPAN_EXPECTED, "30s", span_pattern(), |span: Span| span.to_string());
as_text!(Rate, RATE_EXPECTED, "50/s", rate_pattern(), |rate: Rate| rate.to_string());
quantity!(Span = Span(Duration::from_secs(1)), Rate = Rate { per_second: 1.0 });

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

impl Setting for Size {
    const EXPECTED: &'static str = "a size";

    fn read(value: &Value<'_>, at: &KeyPath, problems: &mut Problems) -> Option<Self> {
        if value.get_ref().is_str() {
            return Bytes::read(value, at, problems).map(Size::Fixed);
        }
        let all = [("fixed", true), ("uniform", true), ("log-uniform", true)];
        if !value.get_ref().is_table() {
            let help = "write it like `\"64 KiB\"` or `{ log-uniform = [\"1 KiB\", \"1 MiB\"] }`";
            problems.spoil(at.clone(), None, format!("expected a size, found {}", kind(value.get_ref())), help);
            return None;
        }
        let (name, sizes) = choose(value, at, &all, problems)?;
        let (at, sizes) = (at.key(name), sizes?);
        if name == "fixed" {
            return Bytes::read(sizes, &at, problems).map(Size::Fixed);
        }
        let Ok([least, most]) = <[Bytes; 2]>::try_from(Vec::read(sizes, &at, problems)?) else {
            problems.spoil(
                at,
                None,
                "expected two sizes, the least and the greatest",
                "write `[\"1 KiB\", \"1 MiB\"]`",
            );
            return None;
        };
        Some(if name == "uniform" { Size::Uniform([least, most]) } else { Size::LogUniform([least, most]) })
    }

    fn stand_in() -> Self {
        Size::Fixed(Bytes::stand_in())
    }
}

impl JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let bytes = generator.subschema_for::<Bytes>();
        let pair = schemars::json_schema!({ "type": "array", "items": bytes, "minItems": 2, "maxItems": 2 });
        let table = |key: &str, content: &Schema| {
            schemars::json_schema!({
                "type": "object", "properties": { key: content }, "required": [key], "additionalProperties": false
            })
        };
        let ways = [bytes.clone(), table("fixed", &bytes), table("uniform", &pair), table("log-uniform", &pair)];
        schemars::json_schema!({ "description": "A fixed size, or a distribution of sizes.", "oneOf": ways })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Allowed;
    use crate::model::Share;
    use proptest::prelude::*;
    use regex::Regex;
    use std::sync::LazyLock;

    /// Each kind's pattern, and whether its parser takes a text.
    type Kind = (&'static str, Regex, fn(&str) -> bool);
    static KINDS: LazyLock<[Kind; 5]> = LazyLock::new(|| {
        let regex = |pattern: String| Regex::new(&pattern).unwrap();
        [
            ("size", regex(Bytes::pattern()), |text| text.parse::<Bytes>().is_ok()),
            ("budget", regex(Allowed::pattern()), |text| text.parse::<Allowed>().is_ok()),
            ("share", regex(Share::pattern()), |text| text.parse::<Share>().is_ok()),
            ("duration", regex(Span::pattern()), |text| text.parse::<Span>().is_ok()),
            ("rate", regex(Rate::pattern()), |text| text.parse::<Rate>().is_ok()),
        ]
    });

    fn same(text: &str) -> Result<(), String> {
        match KINDS.iter().find(|(_, pattern, parses)| pattern.is_match(text) != parses(text)) {
            Some((kind, _, parses)) => Err(format!("{kind} {text:?}: the parser says {}", parses(text))),
            None => Ok(()),
        }
    }

    #[test]
    fn patterns_and_parsers_agree_on_what_is_near_an_edge() {
        let zeros = "0".repeat(30);
        for number in [
            "", ".", "1.", ".5", "0", "00", "1", "01", "1.0", "1.01", "99.9", "100", "100.00", "100.01", "1e3", "+1",
            "-1", "1.2.3",
        ]
        .into_iter()
        .chain([
            "9999999",
            "10000000",
            "9999999999",
            "99999999999",
            "9999999999999999999",
            &zeros,
            "99999999999999999999",
        ]) {
            let units = SPAN_UNITS.iter().flat_map(|(names, _)| names.iter().copied());
            let others = [
                "",
                "%",
                "B",
                "KiB",
                "TiB",
                "KB",
                "kB",
                "MB",
                "/s",
                "/ m",
                "/d",
                "/request",
                " B/request",
                " B/hour",
                "/h",
                " B in 7 days",
                " in ",
                " in 0",
                "B /request",
            ];
            for unit in units.chain(others) {
                for text in [
                    format!("{number}{unit}"),
                    format!(" {number}\t{unit} "),
                    format!("{number}{unit}\n"),
                    format!("\u{a0}{number}{unit}"),
                    format!("1{unit}{number}{unit}"),
                    format!("{number}{unit}").repeat(SPAN_PARTS),
                    format!("{number}{unit}").repeat(SPAN_PARTS + 1),
                ] {
                    same(&text).unwrap();
                }
            }
        }
    }

    #[test]
    fn spans_are_read_with_their_units() {
        let seconds = |text: &str| text.parse::<Span>().ok().map(|span| span.0.as_secs_f64());
        for (text, expected) in [
            ("500ms", Some(0.5)),
            ("1h 30m", Some(5400.0)),
            ("1h30min", Some(5400.0)),
            ("1.5 s", Some(1.5)),
            ("0.1h", Some(360.0)),
            ("0", Some(0.0)),
            ("2days 1ns", Some(172_800.000_000_001)),
            ("5", None),
            ("s", None),
            ("", None),
            ("-5s", None),
            ("5 fortnights", None),
            ("1 0s", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        assert!("9999999999y".repeat(SPAN_PARTS).parse::<Span>().is_ok());
    }

    proptest! {
        #[test]
        fn patterns_and_parsers_agree(
            text in r"[ \t]{0,2}(([0-9]{0,22}[.]?[0-9]{0,12}|.)[ \t]?(s|ms|m|min|h|days|M|y|B|KiB|MiB|GiB|TiB|kB|%|/|/request|/hour| in |[a-zµ]{0,6}|.)[ \t\n]?){0,4}",
        ) {
            same(&text).map_err(TestCaseError::fail)?;
        }

        #[test]
        fn what_is_written_fits_the_pattern(seconds in 0u64..1 << 40, nanoseconds in 0u32..1_000_000_000, rate in 1e-7..1e9) {
            let span = Span(Duration::new(seconds, nanoseconds));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            prop_assert_eq!(Rate { per_second: rate }.to_string().parse(), Ok(Rate { per_second: rate }));
            for text in [span.to_string(), Rate { per_second: rate }.to_string()] {
                same(&text).map_err(TestCaseError::fail)?;
            }
        }
    }
}
