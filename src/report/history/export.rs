//! Histories for tools that keep them: one build for those that add builds up themselves, all of them for Apache Otava.

use crate::history::{Build, Growth, History};
use crate::report::json::printable;
use crate::report::text::plain;
use serde_json::{Map, Value, json};

/// A tool that a history is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// `customSmallerIsBetter` of github-action-benchmark: the last build.
    GithubActionBenchmark,
    /// The Bencher Metric Format: the last build.
    Bencher,
    /// A CSV as Apache Otava imports it: all builds.
    Otava,
}

/// Something that a tool needs isn't known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// There is no growth to tell.
    #[error("growth of {0} is not known of the last build, {1}, so that there is nothing to export")]
    Unmeasured(String, String),
    /// There is no build.
    #[error("there is no build to export")]
    Empty,
    /// A build has no time.
    #[error(
        "when {0} ran is not known, and Otava needs it: give run directories or files of verdicts, not lines of `analyze`"
    )]
    NoTime(String),
    /// A line could not be written.
    #[error("the CSV could not be written: {0}")]
    Csv(String),
}

pub fn render(history: &History, to: Export) -> Result<String, ExportError> {
    match to {
        Export::GithubActionBenchmark => last(history).map(|(build, growth)| {
            let range = growth.lower.zip(growth.upper).map(|(lower, upper)| format!("{lower} to {upper}"));
            let benchmark = json!([{
                // A chart of that action is of one name, whatever the unit.
                "name": format!("{}: growth of {}", name(history), history.resource),
                "unit": unit(history),
                "value": growth.estimate,
                "range": range,
                "extra": format!("build {}, {}", build.name, build.outcome),
            }]);
            pretty(&benchmark)
        }),
        Export::Bencher => last(history).map(|(_, growth)| {
            let mut metric = Map::from_iter([("value".to_owned(), json!(growth.estimate))]);
            metric.extend(growth.lower.map(|lower| ("lower_value".to_owned(), json!(lower))));
            metric.extend(growth.upper.map(|upper| ("upper_value".to_owned(), json!(upper))));
            let measure = format!("{} growth ({})", history.resource, unit(history));
            pretty(&json!({ name(history): { measure: metric } }))
        }),
        Export::Otava => otava(history),
    }
}

fn last(history: &History) -> Result<(&Build, Growth), ExportError> {
    let build = history.builds.last().ok_or(ExportError::Empty)?;
    let unmeasured = || ExportError::Unmeasured(history.resource.to_string(), build.name.clone());
    build.growth.map(|growth| (build, growth)).ok_or_else(unmeasured)
}

fn otava(history: &History) -> Result<String, ExportError> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| ExportError::Csv(error.to_string());
    csv.write_record(["time", "build", history.resource.name()]).map_err(failed)?;
    for build in &history.builds {
        let time = build.started.as_ref().ok_or_else(|| ExportError::NoTime(build.name.clone()))?;
        let Some(growth) = build.growth else { continue };
        csv.write_record([plain(time), plain(&build.name), growth.estimate.to_string()]).map_err(failed)?;
    }
    let bytes = csv.into_inner().map_err(|error| ExportError::Csv(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn name(history: &History) -> String {
    if history.name.is_empty() { "seepage".to_owned() } else { history.name.clone() }
}

fn unit(history: &History) -> String {
    format!("{}/{}", history.resource.item(), history.per)
}

fn pretty(value: &Value) -> String {
    printable(&format!("{value:#}")) + "\n"
}
