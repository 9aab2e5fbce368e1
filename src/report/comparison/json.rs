//! `comparison.json`: the comparison for programs, in plain units, with a documented and stable shape.

use super::Report;
use super::table::notes;
use crate::answer::Interval;
use crate::compare::{Answer, Difference, Measure, RunSummary, Side, SideEstimate};
use crate::report::json::printable;
use crate::words::comparison as words;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Version of the shape, `major.minor`.
const FORMAT: &str = "1.1";

/// Renders the comparison as JSON, indented, with a line break at the end.
pub fn render(report: &Report<'_>) -> String {
    let document = Document::new(report);
    let json = serde_json::to_string_pretty(&document).expect("a document of plain fields and text keys is JSON");
    printable(&json) + "\n"
}

/// The JSON schema of what is written.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).into()
}

/// Two variants of a target compared.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "seepage comparison")]
struct Document {
    /// Version of this shape, `major.minor`; within a major version, fields are only added.
    format: &'static str,
    /// `regression`, `improvement`, `equivalent` or `inconclusive`; of side B against side A.
    answer: AnswerWord,
    /// What the answer exits with: 0 improvement or equivalent, 11 inconclusive, 12 regression.
    exit_code: u8,
    /// The answer in one sentence.
    sentence: String,
    /// Name of the scenario.
    name: String,
    /// Name of the directory.
    id: String,
    /// When it began, RFC 3339 in UTC.
    started: String,
    /// Version of seepage.
    seepage: &'static str,
    /// Seed of the coin that orders the runs of each pair; null for two single runs.
    seed: Option<u64>,
    /// The baseline.
    a: SidePart,
    /// The candidate.
    b: SidePart,
    /// Pairs that count.
    pairs: usize,
    /// Pairs that were planned; 0 for two single runs.
    planned: usize,
    /// Measure by measure, growth first.
    differences: Vec<DifferencePart>,
    /// Pair by pair.
    runs: Vec<PairPart>,
    /// What the reader should know beside, one sentence each.
    notes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum AnswerWord {
    Regression,
    Improvement,
    Equivalent,
    Inconclusive,
}

impl From<Answer> for AnswerWord {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Regression => AnswerWord::Regression,
            Answer::Improvement => AnswerWord::Improvement,
            Answer::Equivalent => AnswerWord::Equivalent,
            Answer::Inconclusive => AnswerWord::Inconclusive,
        }
    }
}

/// One variant.
#[derive(Serialize, JsonSchema)]
struct SidePart {
    /// Its name in tables and charts.
    name: String,
    /// The same in a sentence.
    phrase: String,
}

impl From<&Side> for SidePart {
    fn from(side: &Side) -> Self {
        SidePart { name: side.name.clone(), phrase: side.phrase.clone() }
    }
}

/// What differs in one measure, B less A; above zero is worse.
#[derive(Serialize, JsonSchema)]
struct DifferencePart {
    /// Such as `memory growth`, `latency p95`, `status 503`.
    measure: String,
    /// The service whose it is; null of the target.
    service: Option<String>,
    /// Unit of the numbers: bytes/request, items/request, bytes, seconds, seconds/request, or share (0 to 1).
    unit: &'static str,
    /// Whether it has to be decided for an answer of `equivalent` or `improvement`.
    gated: bool,
    /// What is concluded.
    answer: AnswerWord,
    /// Mean over the runs of the baseline, with its interval.
    a: Option<Estimate>,
    /// The same of the candidate.
    b: Option<Estimate>,
    /// The mean difference, with the interval of this look.
    difference: Option<Estimate>,
    /// Two-sided probability of the exact sign-flip test.
    p: Option<f64>,
    /// The difference that is allowed.
    margin: Option<f64>,
    /// More pairs that would settle it; null if it is settled, or if pairs wouldn't.
    more_pairs: Option<usize>,
}

/// An estimate with its bounds.
#[derive(Serialize, JsonSchema)]
struct Estimate {
    /// Point estimate.
    estimate: Option<f64>,
    /// Lower bound.
    lower: Option<f64>,
    /// Upper bound.
    upper: Option<f64>,
    /// Confidence of the two-sided interval.
    confidence: Option<f64>,
}

impl From<&Interval> for Estimate {
    fn from(i: &Interval) -> Self {
        let confidence = finite(i.confidence);
        Estimate { estimate: finite(i.estimate), lower: finite(i.lower), upper: finite(i.upper), confidence }
    }
}

impl From<&SideEstimate> for Estimate {
    fn from(side: &SideEstimate) -> Self {
        match &side.interval {
            Some(interval) => interval.into(),
            None => Estimate { estimate: finite(side.mean), lower: None, upper: None, confidence: None },
        }
    }
}

/// One pair.
#[derive(Serialize, JsonSchema)]
struct PairPart {
    /// Whether the candidate ran first.
    b_first: bool,
    /// The run of the baseline.
    a: RunPart,
    /// The run of the candidate.
    b: RunPart,
}

/// One run.
#[derive(Serialize, JsonSchema)]
struct RunPart {
    /// Name of its directory.
    id: String,
    /// Its own verdict in one sentence.
    sentence: String,
    /// What it came to, by measure.
    measures: BTreeMap<String, f64>,
    /// The same of each service.
    services: BTreeMap<String, BTreeMap<String, f64>>,
    /// Answers in the soak by status.
    statuses: BTreeMap<u16, u64>,
}

impl From<&RunSummary> for RunPart {
    fn from(run: &RunSummary) -> Self {
        RunPart {
            id: run.id.clone(),
            sentence: run.sentence.clone(),
            measures: measures(run),
            services: run.services.iter().map(|(name, service)| (name.clone(), measures(service))).collect(),
            statuses: run.statuses.clone(),
        }
    }
}

fn measures(run: &RunSummary) -> BTreeMap<String, f64> {
    run.measures
        .iter()
        .filter(|(_, value)| value.is_finite())
        .map(|(of, value)| (words::measure(*of), *value))
        .collect()
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn unit(measure: Measure) -> &'static str {
    match measure {
        Measure::Growth(resource) if resource.in_bytes() => "bytes/request",
        Measure::Growth(_) => "items/request",
        Measure::Level => "bytes",
        Measure::Cpu => "seconds/request",
        Measure::Churn => "bytes/request",
        Measure::Counted(metric) if metric.in_bytes() => "bytes/request",
        Measure::Counted(_) => "items/request",
        Measure::Latency(_) => "seconds",
        Measure::ErrorRate | Measure::Status(_) => "share",
    }
}

impl From<&Difference> for DifferencePart {
    fn from(d: &Difference) -> Self {
        DifferencePart {
            measure: words::measure(d.measure),
            service: d.service.clone(),
            unit: unit(d.measure),
            gated: d.measure.is_gated(),
            answer: d.answer.into(),
            a: d.a.as_ref().map(Estimate::from),
            b: d.b.as_ref().map(Estimate::from),
            difference: d.difference.as_ref().map(Estimate::from),
            p: d.p.and_then(finite),
            margin: finite(d.margin),
            more_pairs: d.more_pairs,
        }
    }
}

impl Document {
    fn new(report: &Report<'_>) -> Self {
        let comparison = report.comparison;
        Document {
            format: FORMAT,
            answer: comparison.answer.into(),
            exit_code: comparison.exit().code(),
            sentence: words::headline(report.name, comparison).to_string(),
            name: report.name.to_owned(),
            id: report.id.to_owned(),
            started: report.started.to_owned(),
            seepage: env!("CARGO_PKG_VERSION"),
            seed: report.seed,
            a: (&comparison.sides.a).into(),
            b: (&comparison.sides.b).into(),
            pairs: comparison.pairs,
            planned: comparison.planned,
            differences: comparison.differences.iter().map(DifferencePart::from).collect(),
            runs: report
                .pairs
                .iter()
                .map(|p| PairPart { b_first: p.b_first, a: (&p.a).into(), b: (&p.b).into() })
                .collect(),
            notes: notes(report),
        }
    }
}
