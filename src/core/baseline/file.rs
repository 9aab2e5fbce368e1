//! The file: its shape, how it is read, and what it comes to.

use crate::answer::{ExitCode, Finding, Interval, Outcome, Quantile, Verdict};
use crate::compare::{Measure, RunSummary};
use crate::model::{Axis, Host, LatencySummary, Resource, RunRecord, RunStatus, WorkloadSummary};
use crate::verdict;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use std::collections::{BTreeMap, BTreeSet};

/// Version of the shape that is written: that of `verdict.json`, of which it is a part. Any minor version of it is read.
const FORMAT: &str = "1.5";
const MAJOR: &str = "1";

/// Growth, in bytes or pieces for each request, of which no machine has room for two: 1 TiB.
const MOST: f64 = (1u64 << 40) as f64;

/// An earlier run, as comparisons need it. Its shape is a part of that of `verdict.json`, so that either is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Version of the shape, `major.minor`.
    format: String,
    /// Version of the rule that judged; missing in files from before it was written there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<u32>,
    /// The answer.
    pub verdict: Outcome,
    /// What the verdict exits with.
    pub exit_code: u8,
    /// The answer in one sentence.
    pub sentence: String,
    /// Which run it was.
    pub run: BaselineRun,
    /// Growth, resource by resource.
    pub findings: Vec<Known>,
    /// Totals of the workload; missing when nothing was driven.
    #[serde(default)]
    workload: Option<Workload>,
    /// The machine.
    host: Machine,
    /// Until when its leaks are accepted, and why; missing if they aren't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<Acceptance>,
}

/// Which run it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineRun {
    /// Last part of the run directory's name.
    pub id: String,
    /// Name of the scenario.
    pub name: String,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// `running`, `complete` or `aborted`.
    status: RunStatus,
}

/// Growth of one resource, and what was concluded from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The resource.
    pub resource: Resource,
    /// The answer for it.
    pub verdict: Outcome,
    /// Unit of growth, such as `bytes/request`.
    pub unit: String,
    /// What growth was measured against.
    pub axis: Option<Axis>,
    /// Growth; missing if nothing could be fitted.
    pub(super) growth: Option<Bounds>,
    /// Allowed growth, in `unit`.
    pub budget: Option<f64>,
}

/// An estimate with its bounds; missing where it is no number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    estimate: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
    confidence: Option<f64>,
}

/// That a run's leaks are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The last day on which they are, in UTC.
    #[serde(with = "day")]
    pub until: NaiveDate,
    /// Why.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Workload {
    error_rate: Option<f64>,
    #[serde(default)]
    statuses: BTreeMap<u16, u64>,
    #[serde(default)]
    latency_seconds: BTreeMap<String, Latency>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Latency {
    count: u64,
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Machine {
    kernel: String,
    cpus: u64,
    memory_bytes: u64,
    page_bytes: u64,
}

impl Baseline {
    /// What is kept of a run, whose verdict says this `sentence`.
    pub fn of(record: &RunRecord, verdict: &Verdict, sentence: String) -> Self {
        let meta = &record.meta;
        Baseline {
            format: FORMAT.into(),
            rule: Some(verdict::RULE),
            verdict: verdict.outcome,
            exit_code: verdict.exit.code(),
            sentence,
            run: BaselineRun {
                id: meta.id.clone(),
                name: meta.name.clone(),
                started: meta.started.clone(),
                status: meta.status,
            },
            findings: verdict.findings.iter().map(Known::from).collect(),
            workload: meta.workload.as_ref().map(Workload::from),
            host: Machine::from(&meta.host),
            accept: None,
        }
    }

    /// Reads a `verdict.json` of any version 1, or a baseline file.
    ///
    /// # Errors
    /// If it is neither; the text says where, and what was expected.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let expected = "expected the verdict.json of a run, or what `seepage baseline` wrote";
        let wrong = |error: serde_json::Error| format!("{}; {expected}", damage(bytes, &error));
        let version: Version = serde_json::from_slice(bytes).map_err(wrong)?;
        if version.format.split('.').next() != Some(MAJOR) {
            return Err(format!(
                "its format {:?} is none of version {MAJOR}: use a seepage of its time",
                version.format
            ));
        }
        let baseline: Baseline = serde_json::from_slice(bytes).map_err(wrong)?;
        baseline.check().map(|()| baseline)
    }

    fn check(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for known in &self.findings {
            let resource = known.resource;
            if !seen.insert(resource) {
                return Err(format!("findings: {resource} is there twice"));
            }
            let per = known.unit.strip_prefix(resource.item()).and_then(|rest| rest.strip_prefix('/'));
            if !matches!(per, Some("request" | "s" | "hour")) {
                let (unit, item) = (&known.unit, resource.item());
                return Err(format!(
                    "findings: {resource}: its unit {unit:?} is none of {item}/request, {item}/s and {item}/hour"
                ));
            }
            if known.growth.is_some_and(|growth| !growth.is_in_order()) {
                return Err(format!(
                    "findings: {resource}: its growth can't be: expected a lower bound below the upper one, and a confidence between 0 and 1"
                ));
            }
            if known.budget.is_some_and(|budget| budget < 0.0) {
                return Err(format!("findings: {resource}: its budget is below zero"));
            }
        }
        Ok(())
    }

    /// The file, with a line break at its end. Characters that a terminal acts on are for who writes it to escape.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain fields are JSON") + "\n"
    }

    /// Why nothing can be compared with it, and what to exit with; nothing if it came to its end.
    pub fn failure(&self) -> Option<(ExitCode, String)> {
        let code = match self.exit_code {
            20 => ExitCode::Config,
            21 => ExitCode::Target,
            22 => ExitCode::Workload,
            0 | 10 | 11 | 12 if self.run.status == RunStatus::Complete => return None,
            _ => ExitCode::Failure,
        };
        Some((code, self.sentence.clone()))
    }

    /// Whether its growth is by the request, so that another run's can be held against it.
    pub fn is_by_request(&self) -> bool {
        self.findings.iter().all(|known| !known.unit.ends_with("/hour"))
    }

    /// What was known of this resource.
    pub fn known(&self, resource: Resource) -> Option<&Known> {
        self.findings.iter().find(|known| known.resource == resource)
    }

    /// The numbers that comparisons are made of, as far as they are known without readings. Of growth by the second there is
    /// nothing to compare.
    pub fn summary(&self, id: &str) -> RunSummary {
        let by_request = self.findings.iter().filter(|known| known.unit.ends_with("/request"));
        let growth: BTreeMap<Resource, Interval> =
            by_request.filter_map(|known| Some((known.resource, known.growth()?))).collect();
        let mut measures: BTreeMap<Measure, f64> =
            growth.iter().map(|(resource, growth)| (Measure::Growth(*resource), growth.estimate)).collect();
        let workload = self.workload.as_ref();
        let statuses = workload.map(|w| w.statuses.clone()).unwrap_or_default();
        measures.extend(workload.and_then(|w| w.error_rate).map(|rate| (Measure::ErrorRate, rate)));
        if let Some(all) = workload.and_then(|w| w.latency_seconds.get("all")).filter(|all| all.count > 0) {
            let quantiles = [(Quantile::P50, all.p50), (Quantile::P95, all.p95), (Quantile::P99, all.p99)];
            measures.extend(quantiles.iter().filter_map(|(q, value)| Some((Measure::Latency(*q), (*value)?))));
        }
        measures.extend(crate::compare::failed_shares(&statuses));
        RunSummary {
            id: id.to_owned(),
            measures,
            growth,
            curve: Vec::new(),
            statuses,
            services: BTreeMap::new(),
            outcome: self.verdict,
            exit: match self.exit_code {
                0 if self.verdict == Outcome::Leak => ExitCode::Accepted,
                0 => ExitCode::Clean,
                10 => ExitCode::Leak,
                11 => ExitCode::Inconclusive,
                _ => ExitCode::Failure,
            },
            sentence: self.sentence.clone(),
        }
    }

    /// Whether both ran on one machine.
    pub fn shares_machine(&self, other: &Baseline) -> bool {
        self.host == other.host
    }
}

/// A day as files have it: `2027-03-01`.
mod day {
    use chrono::NaiveDate;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(day: &NaiveDate, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(day)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
        crate::model::day(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// What is wrong with bytes that are no file of a verdict.
fn damage(bytes: &[u8], error: &serde_json::Error) -> String {
    let at = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        _ if bytes.trim_ascii().is_empty() => "it is empty".into(),
        Category::Eof => format!("it ends at {at}, in the middle"),
        Category::Syntax => format!("it is no JSON from {at} on"),
        Category::Io | Category::Data => {
            // Names of types of this program mean nothing to its user.
            let text = error.to_string();
            match text.split_once("expected struct ") {
                Some((before, _)) => format!("{before}expected an object at {at}"),
                None => text,
            }
        }
    }
}

/// What is looked at first, so that a newer version isn't told to be damaged.
#[derive(Deserialize)]
struct Version {
    format: String,
}

impl Known {
    /// Its growth, if there is a number for all of it.
    pub fn growth(&self) -> Option<Interval> {
        let growth = self.growth?;
        Some(Interval {
            estimate: growth.estimate?,
            lower: growth.lower?,
            upper: growth.upper?,
            confidence: growth.confidence?,
        })
    }
}

impl From<&Finding> for Known {
    fn from(finding: &Finding) -> Self {
        Known {
            resource: finding.resource,
            verdict: finding.outcome,
            unit: format!("{}/{}", finding.resource.item(), finding.axis.unit()),
            axis: Some(finding.axis),
            growth: finding.growth.as_ref().map(Bounds::from),
            budget: finite(finding.budget),
        }
    }
}

impl From<&Interval> for Bounds {
    fn from(interval: &Interval) -> Self {
        Bounds {
            estimate: finite(interval.estimate),
            lower: finite(interval.lower),
            upper: finite(interval.upper),
            confidence: finite(interval.confidence),
        }
    }
}

impl Bounds {
    /// Whether a run can have come to it: all of it is known, the estimate is within its bounds, and none is beyond any machine.
    pub(super) fn is_sound(&self) -> bool {
        let Bounds { estimate: Some(estimate), lower: Some(lower), upper: Some(upper), confidence: Some(_) } = *self
        else {
            return false;
        };
        lower <= estimate && estimate <= upper && lower >= -MOST && upper <= MOST
    }

    fn is_in_order(&self) -> bool {
        self.lower.zip(self.upper).is_none_or(|(lower, upper)| lower <= upper)
            && self.confidence.is_none_or(|sure| sure > 0.0 && sure < 1.0)
    }
}

impl From<&WorkloadSummary> for Workload {
    fn from(summary: &WorkloadSummary) -> Self {
        let latency = summary.latency.get("all").map(|all| ("all".to_owned(), Latency::from(all)));
        Workload {
            error_rate: summary.error_rate(),
            statuses: summary.statuses.clone(),
            latency_seconds: latency.into_iter().collect(),
        }
    }
}

impl From<&LatencySummary> for Latency {
    fn from(latency: &LatencySummary) -> Self {
        let LatencySummary { count, p50, p95, p99, .. } = *latency;
        Latency { count, p50: finite(p50), p95: finite(p95), p99: finite(p99) }
    }
}

impl From<&Host> for Machine {
    fn from(host: &Host) -> Self {
        Machine { kernel: host.kernel.clone(), cpus: host.cpus, memory_bytes: host.memory, page_bytes: host.page }
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
