//! Sizes, shares and rates with their units, as people write and read them.

use super::as_text;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// A quantity that was written in a way we don't understand.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{found}` is not {expected}{}", unit_hint(found))]
pub struct UnitError {
    found: String,
    expected: &'static str,
}

/// What to write in the place of a unit that may be two, or nothing; for the end of a message.
pub fn unit_hint(text: &str) -> &'static str {
    let of = |word: &str| text.split(|c: char| !c.is_ascii_alphabetic()).any(|other| other == word);
    if of("KB") || of("kb") || of("Kb") || of("K") || of("k") {
        "; KB may be 1000 bytes or 1024: write kB for 1000, KiB for 1024"
    } else {
        ""
    }
}

/// A size in bytes, written like `64 KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

const BYTES_EXPECTED: &str = "a size with its unit, such as `512 B`, `64 KiB`, `8 MiB` or `2 GiB`";

/// The units of a size, their bytes, and how many digits a number of them has at most, so that no size is beyond what 64 bits
/// can say. Decimal units are accepted because logs and tools use them.
const BYTE_UNITS: [(&str, f64, usize); 8] = [
    ("KiB", 1024.0, 16),
    ("MiB", 1024.0 * 1024.0, 13),
    ("GiB", 1024.0 * 1024.0 * 1024.0, 10),
    ("TiB", 1024.0 * 1024.0 * 1024.0 * 1024.0, 7),
    ("kB", 1e3, 16),
    ("MB", 1e6, 13),
    ("GB", 1e9, 10),
    ("B", 1.0, PLAIN_DIGITS),
];

/// The most digits of a number without a unit, before its point.
const PLAIN_DIGITS: usize = 19;

/// A text without the blanks around it.
fn bare(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Splits `text` at the unit and returns the bytes of number times unit.
fn parse_bytes(text: &str) -> Option<f64> {
    let text = bare(text);
    let unit = |(unit, factor, digits): &(&str, f64, usize)| Some((text.strip_suffix(unit)?, *factor, *digits));
    let (number, factor, digits) = BYTE_UNITS.iter().find_map(unit)?;
    Some(plain(number, digits)? * factor)
}

fn bytes_pattern() -> String {
    let one = |(unit, _, digits): &(&str, f64, usize)| format!(r"{}[ \t]*{unit}", plain_pattern(*digits));
    format!("(?:{})", BYTE_UNITS.iter().map(one).collect::<Vec<_>>().join("|"))
}

/// A size in bytes, or a plain count; `true` for bytes.
pub fn parse_amount(text: &str) -> Option<(f64, bool)> {
    let bytes = parse_bytes(text).map(|amount| (amount, true));
    bytes.or_else(|| parse_number(text).map(|amount| (amount, false)))
}

/// The regular expression of what [`parse_amount`] reads, without the blanks around it.
pub fn amount_pattern() -> String {
    format!("(?:{}|{})", bytes_pattern(), number_pattern())
}

/// A plain decimal number: digits and a point, no sign, no exponent, no `inf`.
pub fn parse_number(text: &str) -> Option<f64> {
    plain(text, PLAIN_DIGITS)
}

/// The regular expression of what [`parse_number`] reads, without the blanks around it.
pub fn number_pattern() -> String {
    plain_pattern(PLAIN_DIGITS)
}

/// A plain decimal number with at most so many digits before its point.
fn plain(text: &str, digits: usize) -> Option<f64> {
    let text = bare(text);
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let plain = whole.len() + part.len() > 0 && [whole, part].iter().all(|p| p.bytes().all(|b| b.is_ascii_digit()));
    (plain && whole.len() <= digits).then(|| text.parse().ok()).flatten()
}

fn plain_pattern(digits: usize) -> String {
    format!(r"(?:[0-9]{{1,{digits}}}(?:\.[0-9]*)?|\.[0-9]+)")
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError { found: text.to_owned(), expected: BYTES_EXPECTED };
        Ok(Bytes(parse_bytes(text).ok_or_else(error)?.round() as u64))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_bytes(self.0 as f64))
    }
}

/// What a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// A request: growth is measured against requests.
    #[default]
    Request,
    /// An hour: growth is measured against time.
    Hour,
}

/// A budget for growth per request or per hour: `64 B/request`, `1 MiB/hour`, `60/hour`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Bytes or items.
    pub amount: f64,
    /// Whether the amount is in bytes.
    pub bytes: bool,
    /// What it is for.
    pub per: Per,
}

const BUDGET_EXPECTED: &str = "a budget per request or per hour, such as `64 B/request` or `1 MiB/hour`";

impl FromStr for Budget {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError { found: text.to_owned(), expected: BUDGET_EXPECTED };
        let (amount, per) = match bare(text).rsplit_once('/').ok_or_else(error)? {
            (amount, "request") => (amount, Per::Request),
            (amount, "hour" | "h") => (amount, Per::Hour),
            _ => return Err(error()),
        };
        let (amount, bytes) = parse_amount(amount).ok_or_else(error)?;
        Ok(Budget { amount, bytes, per })
    }
}

/// A part of a whole, 0 to 1, written as `5%` or `0.05`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Share(pub f64);

const SHARE_EXPECTED: &str = "a share between 0% and 100%, such as `5%` or `0.05`";

impl FromStr for Share {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError { found: text.to_owned(), expected: SHARE_EXPECTED };
        let value = match bare(text).strip_suffix('%') {
            Some(percent) => at_most("100", percent).map(|p| p / 100.0),
            None => at_most("1", text),
        };
        value.map(Share).ok_or_else(error)
    }
}

/// A plain number that isn't above `most`, as its digits say.
fn at_most(most: &str, text: &str) -> Option<f64> {
    let number = bare(text);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.trim_start_matches('0');
    let fits = whole.len() < most.len() || (whole == most && part.bytes().all(|b| b == b'0'));
    fits.then(|| plain(number, usize::MAX)).flatten()
}

fn share_pattern() -> String {
    let percent = r"(?:0*100(?:\.0*)?|0*[0-9]{1,2}(?:\.[0-9]*)?|\.[0-9]+)[ \t]*%";
    let part = r"(?:0*1(?:\.0*)?|0+(?:\.[0-9]*)?|\.[0-9]+)";
    format!("(?:{percent}|{part})")
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", format_count(self.0 * 100.0))
    }
}

as_text!(Bytes, BYTES_EXPECTED, "64 KiB", bytes_pattern(), |Bytes(bytes)| format!("{bytes} B"));
as_text!(
    Budget,
    BUDGET_EXPECTED,
    "64 B/request",
    format!(r"{}[ \t]*/(?:request|hour|h)", amount_pattern()),
    |Budget { amount, bytes, per }| {
        let per = if per == Per::Request { "request" } else { "hour" };
        format!("{amount}{}/{per}", if bytes { " B" } else { "" })
    }
);
as_text!(Share, SHARE_EXPECTED, "5%", share_pattern(), |Share(share): Share| share.to_string());

/// Three significant digits and a binary unit: `3.10 KiB`, `-12.0 B`, `1.50 MiB`.
pub fn format_bytes(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value.abs() >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", format_count(value), UNITS[unit])
}

/// Three significant digits without trailing zeros; thousands are written out: `0.0123`, `4.1`, `12345`.
pub fn format_count(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value.is_finite() { "0".to_owned() } else { value.to_string() };
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" || text.is_empty() { "0".to_owned() } else { text.to_owned() }
}

/// A duration in seconds as people say it: `850 µs`, `12.5 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`.
pub fn format_seconds(seconds: f64) -> String {
    let magnitude = seconds.abs();
    if magnitude < 1e-3 {
        format!("{} µs", format_count(seconds * 1e6))
    } else if magnitude < 1.0 {
        format!("{} ms", format_count(seconds * 1e3))
    } else if magnitude < 119.5 {
        format!("{} s", format_count(seconds))
    } else if magnitude < 7200.0 {
        let whole = seconds.round() as i64;
        two(whole / 60, "min", whole % 60, "s")
    } else {
        let minutes = (seconds / 60.0).round() as i64;
        two(minutes / 60, "h", minutes % 60, "min")
    }
}

/// An amount in two units, the smaller one only if there is any of it.
fn two(large: i64, unit: &str, small: i64, part: &str) -> String {
    if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {} {part}", small.abs()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!("64 KiB".parse(), Ok(Bytes(65536)));
        assert_eq!("1.5MiB".parse(), Ok(Bytes(1_572_864)));
        assert_eq!("10 kB".parse(), Ok(Bytes(10_000)));
        assert_eq!("0 B".parse(), Ok(Bytes(0)));
    }

    #[test]
    fn sizes_without_unit_or_sense_are_refused() {
        for text in ["", "64", "KiB", "-1 KiB", "1e3 B", "inf B", "1.2.3 MiB", "99999999999 TiB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_unit_that_may_be_two_is_told() {
        for text in ["1KB", "1 kb", "64 K"] {
            let error = text.parse::<Bytes>().unwrap_err().to_string();
            assert!(error.ends_with("write kB for 1000, KiB for 1024"), "{error}");
        }
        assert!("1 KB/hour".parse::<Budget>().unwrap_err().to_string().contains("KiB for 1024"));
        assert!(!"1 XB".parse::<Bytes>().unwrap_err().to_string().contains("1024"));
    }

    #[test]
    fn budgets_are_for_a_request_or_for_an_hour() {
        assert_eq!("1 MiB/hour".parse(), Ok(Budget { amount: 1_048_576.0, bytes: true, per: Per::Hour }));
        assert_eq!("64 B/request".parse(), Ok(Budget { amount: 64.0, bytes: true, per: Per::Request }));
        assert_eq!("60/h".parse(), Ok(Budget { amount: 60.0, bytes: false, per: Per::Hour }));
        assert_eq!("0.01/request".parse(), Ok(Budget { amount: 0.01, bytes: false, per: Per::Request }));
        for text in ["1 MiB", "64 B", "1 MiB/day", "/hour", "-1 B/hour", "1 MiB/hour/hour"] {
            assert!(text.parse::<Budget>().is_err(), "{text}");
        }
    }

    #[test]
    fn shares_stay_within_the_whole() {
        assert_eq!("5%".parse(), Ok(Share(0.05)));
        assert_eq!(
            ["100.0 %", "1.", "0.5", "00%"].map(str::parse),
            [Ok(Share(1.0)), Ok(Share(1.0)), Ok(Share(0.5)), Ok(Share(0.0))]
        );
        for text in ["101%", "100.0000000000000000000001%", "1.01", "-1%", "%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(format_bytes(3174.0), "3.1 KiB");
        assert_eq!(format_bytes(-12.0), "-12 B");
        assert_eq!(format_count(0.25), "0.25");
        assert_eq!(format_count(12345.0), "12345");
        assert_eq!(format_seconds(0.0125), "12.5 ms");
        assert_eq!(format_seconds(250.0), "4 min 10 s");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in ".*") {
            let _ = text.parse::<Bytes>();
            let _ = text.parse::<Budget>();
            let _ = text.parse::<Share>();
        }

        #[test]
        fn every_amount_has_a_text(value in proptest::num::f64::ANY) {
            prop_assert!(!format_bytes(value).is_empty());
            prop_assert!(!format_seconds(value).is_empty());
        }
    }
}
