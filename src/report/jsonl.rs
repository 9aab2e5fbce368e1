//! One JSON object a line for each of many files, or series of a fleet: what a script reads.
//!
//! Within a major version of seepage, fields are only added.

use super::json::{OutcomeWord, printable};
use super::understood::UnderstoodPart;
use crate::answer::{LeakClass, Verdict};
use crate::model::{Axis, Resource, RunRecord};
use crate::table::prometheus::Labels;
use crate::words;
use schemars::JsonSchema;
use serde::Serialize;

/// Renders the verdict on `file` as one line, line break included.
pub fn verdict_line(file: &str, record: &RunRecord, verdict: &Verdict) -> String {
    render(&Line::Judged(RunLine { file: file.into(), answer: Answered::new(record, verdict) }))
}

/// Renders why `file` could not be judged as one line, line break included.
pub fn error_line(file: &str, error: &str) -> String {
    render(&Line::Failed(Failed { file: file.into(), error: error.into() }))
}

/// Renders the verdict on a `series` of a fleet as one line, line break included.
pub fn series_line(series: &str, labels: &Labels, record: &RunRecord, verdict: &Verdict) -> String {
    let (series, labels) = (series.into(), labels.clone());
    render(&SeriesLine::Judged(SeriesJudged { series, labels, answer: Answered::new(record, verdict) }))
}

/// Renders why a `series` of a fleet could not be judged as one line, line break included.
pub fn series_error_line(series: &str, labels: &Labels, error: &str) -> String {
    let (series, labels, error) = (series.into(), labels.clone(), error.into());
    render(&SeriesLine::Failed(SeriesFailed { series, labels, error }))
}

/// The JSON schema of a line.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Line).into()
}

/// The JSON schema of a line of a fleet.
pub fn series_schema() -> serde_json::Value {
    schemars::schema_for!(SeriesLine).into()
}

/// Why a verdict is what it is, in a sentence.
pub fn reason(record: &RunRecord, verdict: &Verdict) -> String {
    let first_line = || {
        let line = words::headline(record, verdict);
        // Whose it is, and that it is open, stands beside.
        let why = line.rest.strip_prefix(": ").filter(|_| line.word == super::text::outcome_word(verdict.outcome));
        why.map_or_else(|| line.to_string(), |why| why.trim_end_matches('.').to_owned())
    };
    verdict.deciding().map_or_else(first_line, words::reason)
}

fn render(line: &impl Serialize) -> String {
    let mut text = printable(&serde_json::to_string(line).expect("plain fields are JSON"));
    text.push('\n');
    text
}

/// The answer for one file.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "seepage analyze --format jsonl")]
enum Line {
    Judged(RunLine),
    Failed(Failed),
}

/// A file that was judged.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RunLine {
    /// The file or run directory, as it was given.
    file: String,
    #[serde(flatten)]
    answer: Answered,
}

/// The answer for one series of a fleet.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "seepage fleet --format jsonl")]
enum SeriesLine {
    Judged(SeriesJudged),
    Failed(SeriesFailed),
}

/// A series that was judged.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SeriesJudged {
    /// The series, or what several that are judged together have in common, as Prometheus writes it.
    series: String,
    /// Its labels.
    labels: Labels,
    #[serde(flatten)]
    answer: Answered,
}

/// A series that could not be judged.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SeriesFailed {
    /// The series, or what several that are judged together have in common, as Prometheus writes it.
    series: String,
    /// Its labels.
    labels: Labels,
    /// Why it could not be judged.
    error: String,
}

// No doc comment on what is shared: it would become a part of the schemas.
#[derive(Serialize, JsonSchema)]
struct Answered {
    verdict: OutcomeWord,
    /// The resource that the numbers are of: the first that leaks, else the first that is open, else the first; null
    /// if none was judged.
    resource: Option<Resource>,
    /// Growth in bytes (of descriptors and threads: items) per step of `per`; null if nothing could be fitted.
    estimate: Option<f64>,
    /// Lower confidence bound of the growth.
    lower: Option<f64>,
    /// Upper confidence bound of the growth.
    upper: Option<f64>,
    /// What growth is measured against.
    per: Option<Per>,
    /// What kind of behaviour it is.
    class: Option<LeakClass>,
    /// Why, in a sentence.
    reason: String,
    /// What else a reader should know, a sentence each.
    notes: Vec<String>,
    /// As what the table was read; null for a run directory.
    understood: Option<UnderstoodPart>,
}

/// A file that could not be judged.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Failed {
    /// The file or run directory, as it was given.
    file: String,
    /// Why it could not be judged, with the line if it is one line's fault.
    error: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Per {
    Request,
    Second,
}

impl Per {
    pub fn word(self) -> &'static str {
        match self {
            Per::Request => "request",
            Per::Second => "second",
        }
    }
}

/// What growth is told per, and how many steps of the axis that is: growth per hour is told per second, so that all numbers over
/// time have one unit.
pub(super) fn per(axis: Axis) -> (Per, f64) {
    match axis {
        Axis::WorkerRequests | Axis::SharedRequests | Axis::PoolRequests => (Per::Request, 1.0),
        Axis::Seconds => (Per::Second, 1.0),
        Axis::Hours => (Per::Second, 3600.0),
    }
}

impl Answered {
    fn new(record: &RunRecord, verdict: &Verdict) -> Self {
        let finding = verdict.deciding().or(verdict.findings.first());
        let per = finding.map(|f| per(f.axis));
        let growth = finding.and_then(|f| f.growth);
        let number = |value: f64| Some(value / per.as_ref().map_or(1.0, |p| p.1)).filter(|v| v.is_finite());
        Answered {
            verdict: verdict.outcome.into(),
            resource: finding.map(|finding| finding.resource),
            estimate: growth.and_then(|g| number(g.estimate)),
            lower: growth.and_then(|g| number(g.lower)),
            upper: growth.and_then(|g| number(g.upper)),
            per: per.map(|p| p.0),
            class: finding.map(|f| f.class),
            reason: reason(record, verdict),
            notes: words::notes(verdict),
            understood: record.meta.understood.as_deref().map(UnderstoodPart::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use serde_json::Value;

    fn parsed(line: &str) -> Value {
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn every_line_fits_the_schema() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        for (name, (record, verdict)) in fixture::all() {
            let line = verdict_line(name, &record, &verdict);
            let value = parsed(&line);
            assert!(validator.is_valid(&value), "{name}: {value}");
            assert_eq!(value["verdict"], verdict.outcome.to_string());
        }
        assert!(validator.is_valid(&parsed(&error_line("x.csv", "x.csv:3: no"))));
        assert!(!validator.is_valid(&serde_json::json!({ "file": "x" })));
    }

    #[test]
    fn nothing_that_a_terminal_acts_on_is_written() {
        let line = error_line("a\u{1b}[31m\u{9b}\u{202e}b\n", "c\u{7f}");
        assert!(!line.trim_end().chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
        assert_eq!(parsed(&line)["file"], "a\u{1b}[31m\u{9b}\u{202e}b\n");
    }

    #[test]
    fn growth_per_hour_is_told_per_second() {
        let (record, mut verdict) = fixture::leak();
        let memory = &mut verdict.findings[0];
        memory.axis = Axis::Hours;
        let growth = memory.growth.unwrap();
        let value = parsed(&verdict_line("x", &record, &verdict));
        assert_eq!(value["per"], "second");
        assert!((value["estimate"].as_f64().unwrap() * 3600.0 / growth.estimate - 1.0).abs() < 1e-9, "{value}");
    }

    #[test]
    fn the_numbers_are_those_of_the_resource_that_leaks() {
        let (record, verdict) = fixture::descriptors();
        let value = parsed(&verdict_line("x", &record, &verdict));
        assert_eq!((value["resource"].as_str(), value["per"].as_str()), (Some("descriptors"), Some("request")));
        assert!(value["lower"].as_f64() <= value["estimate"].as_f64());
    }
}
