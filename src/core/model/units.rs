//! Sizes, shares and rates with their units, as people write and read them.

use super::as_text;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// A quantity that was written in a way we don't understand.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{found}` is not {expected}")]
pub struct UnitError {
    found: String,
    expected: &'static str,
}

/// A size in bytes, written like `64 KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

const BYTES_EXPECTED: &str = "a size with its unit, such as `512 B`, `64 KiB`, `8 MiB` or `2 GiB`";

/// The units of a size and their bytes. Decimal units are accepted because logs and tools use them.
const BYTE_UNITS: [(&str, f64); 8] = [
    ("KiB", 1024.0),
    ("MiB", 1024.0 * 1024.0),
    ("GiB", 1024.0 * 1024.0 * 1024.0),
    ("TiB", 1024.0 * 1024.0 * 1024.0 * 1024.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("B", 1.0),
];

/// Splits `text` at the unit and returns the bytes of number times unit, if it is a finite, non-negative size.
fn parse_bytes(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, factor) = BYTE_UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    let value = parse_number(number)? * factor;
    value.is_finite().then_some(value)
}

/// A size in bytes, or a plain count; `true` for bytes.
fn parse_amount(text: &str) -> Option<(f64, bool)> {
    let bytes = parse_bytes(text).map(|amount| (amount, true));
    bytes.or_else(|| parse_number(text).map(|amount| (amount, false)))
}

/// A plain decimal number: digits and a point, no sign, no exponent, no `inf`.
fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| text.parse().ok()).flatten()
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError { found: text.to_owned(), expected: BYTES_EXPECTED };
        let value = parse_bytes(text).ok_or_else(error)?;
        if value > u64::MAX as f64 { Err(error()) } else { Ok(Bytes(value.round() as u64)) }
    }
}

impl Bytes {
    /// A text that is read back as the very same size.
    pub fn exact(self) -> String {
        format!("{} B", self.0)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_bytes(self.0 as f64))
    }
}

/// A budget for growth per request: `64 B/request`, or a plain count such as `0.01/request`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct PerRequest {
    /// Bytes or items per request.
    pub amount: f64,
    /// Whether the amount is in bytes.
    pub bytes: bool,
}

const PER_REQUEST_EXPECTED: &str = "a budget per request, such as `64 B/request` or `0.01/request`";

impl FromStr for PerRequest {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError { found: text.to_owned(), expected: PER_REQUEST_EXPECTED };
        let amount = text.trim().strip_suffix("/request").ok_or_else(error)?;
        let (amount, bytes) = parse_amount(amount).ok_or_else(error)?;
        Ok(PerRequest { amount, bytes })
    }
}

impl PerRequest {
    /// A text that is read back as the very same budget.
    pub fn exact(self) -> String {
        if self.bytes { format!("{} B/request", self.amount) } else { format!("{}/request", self.amount) }
    }
}

impl fmt::Display for PerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bytes {
            write!(f, "{}/request", format_bytes(self.amount))
        } else {
            write!(f, "{}/request", format_count(self.amount))
        }
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
        let (amount, per) = match text.trim().rsplit_once('/').ok_or_else(error)? {
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
        let trimmed = text.trim();
        let value = match trimmed.strip_suffix('%') {
            Some(percent) => parse_number(percent).map(|p| p / 100.0),
            None => parse_number(trimmed),
        };
        value.filter(|v| (0.0..=1.0).contains(v)).map(Share).ok_or_else(error)
    }
}

impl Share {
    /// A text that is read back as the very same share.
    pub fn exact(self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", format_count(self.0 * 100.0))
    }
}

as_text!(Bytes, BYTES_EXPECTED, "64 KiB", Bytes::exact);
as_text!(PerRequest, PER_REQUEST_EXPECTED, "64 B/request", PerRequest::exact);
as_text!(Share, SHARE_EXPECTED, "5%", Share::exact);

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
        format!("{} min {} s", whole / 60, (whole % 60).abs())
    } else {
        let minutes = (seconds / 60.0).round() as i64;
        format!("{} h {} min", minutes / 60, (minutes % 60).abs())
    }
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
    fn budgets_know_bytes_from_counts() {
        assert_eq!("64 B/request".parse(), Ok(PerRequest { amount: 64.0, bytes: true }));
        assert_eq!("0.01/request".parse(), Ok(PerRequest { amount: 0.01, bytes: false }));
        assert!("64 B".parse::<PerRequest>().is_err());
    }

    #[test]
    fn budgets_are_for_a_request_or_for_an_hour() {
        assert_eq!("1 MiB/hour".parse(), Ok(Budget { amount: 1_048_576.0, bytes: true, per: Per::Hour }));
        assert_eq!("64 B/request".parse(), Ok(Budget { amount: 64.0, bytes: true, per: Per::Request }));
        assert_eq!("60/h".parse(), Ok(Budget { amount: 60.0, bytes: false, per: Per::Hour }));
        for text in ["1 MiB", "1 MiB/day", "/hour", "-1 B/hour", "1 MiB/hour/hour"] {
            assert!(text.parse::<Budget>().is_err(), "{text}");
        }
    }

    #[test]
    fn shares_stay_within_the_whole() {
        assert_eq!("5%".parse(), Ok(Share(0.05)));
        assert!("101%".parse::<Share>().is_err());
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
            let _ = text.parse::<PerRequest>();
            let _ = text.parse::<Budget>();
            let _ = text.parse::<Share>();
        }

        #[test]
        fn every_amount_has_a_text(value in proptest::num::f64::ANY) {
            prop_assert!(!format_bytes(value).is_empty());
            prop_assert!(!format_seconds(value).is_empty());
        }

        #[test]
        fn exact_texts_survive_the_round_trip(bytes in 0u64..1 << 50, amount in 0.0..1e9, share in 0.0..=1.0) {
            prop_assert_eq!(Bytes(bytes).exact().parse(), Ok(Bytes(bytes)));
            let count = PerRequest { amount, bytes: false };
            prop_assert_eq!(count.exact().parse(), Ok(count));
            prop_assert_eq!(Share(share).exact().parse(), Ok(Share(share)));
        }
    }
}
