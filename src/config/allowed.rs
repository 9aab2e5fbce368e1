//! Growth that a harness file allows: as a rate, or as what a life may come to.

use super::Span;
use super::problem::{KeyPath, Problems};
use super::setting::{Setting, Value, mismatch, quantity};
use super::units::span_pattern;
use crate::model::{Budget, Per, amount_pattern, as_text, parse_amount};
use std::fmt;
use std::str::FromStr;

/// Growth that is allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Allowed {
    /// For each request, or for each hour.
    Rate(Budget),
    /// So much that a level stays under a limit for a time.
    Life(Life),
}

/// What a level stays under for a time: `512 MiB in 7 days`. From the level at the begin of the soak it follows how much
/// growth that allows by the hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Life {
    /// The limit, in bytes or items.
    pub limit: f64,
    /// Whether the limit is in bytes.
    pub bytes: bool,
    /// For how long.
    pub time: Span,
}

const ALLOWED_EXPECTED: &str = "a budget per request or per hour, such as `64 B/request` or `1 MiB/hour`, or what must be \
                                enough for how long, such as `512 MiB in 7 days`";

/// What stands between a limit and a time.
const IN: &str = " in ";

impl Allowed {
    /// What it is for: a life is measured in hours.
    pub fn per(self) -> Per {
        match self {
            Allowed::Rate(budget) => budget.per,
            Allowed::Life(_) => Per::Hour,
        }
    }

    /// Whether it is an amount of bytes.
    pub fn bytes(self) -> bool {
        match self {
            Allowed::Rate(budget) => budget.bytes,
            Allowed::Life(life) => life.bytes,
        }
    }
}

impl Life {
    /// Growth by the hour that leads from `level` to the limit in just the time; none is left if it isn't above zero.
    pub fn hourly(&self, level: f64) -> f64 {
        (self.limit - level) / (self.time.0.as_secs_f64() / 3600.0)
    }
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not {ALLOWED_EXPECTED}");
        let Some((limit, time)) = text.split_once(IN) else {
            return text.parse().map(Allowed::Rate).map_err(|_| wrong());
        };
        let (limit, bytes) = parse_amount(limit).ok_or_else(wrong)?;
        Ok(Allowed::Life(Life { limit, bytes, time: time.parse().map_err(|_| wrong())? }))
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (amount, bytes) = match self {
            Allowed::Rate(budget) => (budget.amount, budget.bytes),
            Allowed::Life(life) => (life.limit, life.bytes),
        };
        write!(f, "{amount}{}", if bytes { " B" } else { "" })?;
        match self {
            Allowed::Rate(Budget { per: Per::Request, .. }) => f.write_str("/request"),
            Allowed::Rate(_) => f.write_str("/hour"),
            Allowed::Life(life) => write!(f, "{IN}{}", life.time),
        }
    }
}

as_text!(
    Allowed,
    ALLOWED_EXPECTED,
    "64 B/request",
    format!(
        r"{amount}[ \t]*(?:/(?:request|hour|h)|{IN}[ \t]*{time})",
        amount = amount_pattern(),
        time = span_pattern()
    ),
    |allowed: Allowed| allowed.to_string()
);
quantity!(Allowed = Allowed::Rate(Budget { amount: 1.0, bytes: true, per: Per::Request }));

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn growth_is_allowed_by_a_rate_or_by_a_life() {
        let rate = |amount, bytes, per| Ok(Allowed::Rate(Budget { amount, bytes, per }));
        assert_eq!("64 B/request".parse(), rate(64.0, true, Per::Request));
        assert_eq!("0.01 /hour".parse(), rate(0.01, false, Per::Hour));
        let week = Span(Duration::from_secs(7 * 86_400));
        let life = Life { limit: 536_870_912.0, bytes: true, time: week };
        assert_eq!("512 MiB in 7 days".parse(), Ok(Allowed::Life(life)));
        assert_eq!("1024 in 1w".parse(), Ok(Allowed::Life(Life { limit: 1024.0, bytes: false, time: week })));
        for text in ["512 MiB", "512 MiB in", "512 MiB in 7", "in 7 days", "512 MiB in 7 days/hour", "64 B/day", ""] {
            let error = text.parse::<Allowed>().unwrap_err();
            assert!(error.contains("`512 MiB in 7 days`"), "{text}: {error}");
        }
    }

    #[test]
    fn a_life_allows_what_is_left_of_it_by_the_hour() {
        let life = Life { limit: 200.0, bytes: true, time: Span(Duration::from_secs(36_000)) };
        assert_eq!((life.hourly(100.0), life.hourly(200.0)), (10.0, 0.0));
    }
}
