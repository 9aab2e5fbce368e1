//! Leaks that are known and accepted for a time, as a run was held against them.

use super::{Frame, Resource};
pub use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// What was found when the leaks of a run were held against a baseline whose leaks are accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// Version of the rule that judged both runs.
    pub rule: u32,
    /// The name of the baseline's run directory.
    pub baseline: String,
    /// The last day on which its leaks are accepted, such as 2027-03-01.
    pub until: String,
    /// Why they are.
    pub reason: String,
    /// Whether that day was over when the run was held against it.
    pub over: bool,
    /// Each leak of the run.
    pub leaks: Vec<AcceptedLeak>,
}

/// A leak of a run beside what is accepted of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AcceptedLeak {
    /// What leaks.
    pub resource: Resource,
    /// What was found.
    pub state: Acceptability,
    /// Growth in the baseline, in the same unit as the run's; missing if no leak of it was known there.
    pub known: Option<f64>,
    /// How much more it is than in the baseline, at least and at most, at 99 %; missing if that couldn't be told.
    pub more: Option<(f64, f64)>,
}

/// Whether a leak is one that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Acceptability {
    /// It is not worse than the one that is accepted, as far as can be told, and surely not twice as large.
    NoWorse,
    /// It is worse beyond doubt, by more than the budget.
    Worse,
    /// It may be twice as large: too little is known of it.
    Open,
    /// The baseline knows no leak of this.
    Unknown,
}

/// A day that is written as 2027-03-01.
///
/// # Errors
/// If it is no such day.
pub fn day(text: &str) -> Result<NaiveDate, String> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| day.to_string() == text);
    day.ok_or_else(|| format!("{text:?} is no day: expected one such as 2027-03-01"))
}

/// Call sites whose leaks are known and accepted, as a harness file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedSite {
    /// Which: a name as reports have it, in which `*` stands for any text.
    pub site: String,
    /// The last day on which their leaks are accepted, such as 2027-03-01.
    pub until: String,
    /// Why they are.
    pub reason: String,
}

impl AcceptedSite {
    /// Whether it means this call site.
    pub fn means(&self, site: &Frame) -> bool {
        matches(&self.site, &site.to_string())
    }

    /// Whether its day was over when a run began, at this time (RFC 3339 in UTC).
    pub fn is_over(&self, started: &str) -> bool {
        started.get(..10).is_none_or(|day| day > self.until.as_str())
    }
}

/// Whether the whole text is as the pattern says, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn site(pattern: &str) -> AcceptedSite {
        AcceptedSite { site: pattern.into(), until: "2027-03-01".into(), reason: String::new() }
    }

    #[test]
    fn a_pattern_means_a_name_or_many() {
        let frame = Frame {
            module: "/srv/mod_upload.so".into(),
            function: Some("keep_body".into()),
            file: Some("/src/mod_upload.c".into()),
            line: Some(57),
            ..Frame::default()
        };
        let all = "mod_upload.so: keep_body (mod_upload.c:57)";
        for pattern in [all, "mod_upload.so: *", "mod_upload.so: keep_body*", "*: keep_body (*", "*keep*57)"] {
            assert!(site(pattern).means(&frame), "{pattern}");
        }
        for pattern in
            ["", "keep_body", "mod_upload.so", "mod_upload.so: keep_body", "mod*:*keep_body*57)x", "*.c:5*7)*7)"]
        {
            assert!(!site(pattern).means(&frame), "{pattern}");
        }
    }

    #[test]
    fn the_last_day_still_counts() {
        assert!(!site("x").is_over("2027-03-01T23:59:59Z"));
        assert!(site("x").is_over("2027-03-02T00:00:00Z") && site("x").is_over(""));
    }

    proptest! {
        #[test]
        fn stars_stand_for_any_text(parts in prop::collection::vec("[^*]{0,5}", 1..6), between in ".{0,5}") {
            let text = parts.join(&between);
            prop_assert!(matches(&parts.join("*"), &text), "{parts:?} {text:?}");
            let longer = text.clone() + "x";
            prop_assert!(matches(&text.replace('*', ""), &text.replace('*', "")));
            prop_assert!(text.contains('*') || !matches(&text, &longer));
        }
    }
}
