//! `verdict.json`: the verdict for programs, in plain units, with a documented and stable shape.
//!
//! The types here are that shape, apart from the types that seepage thinks in, so that those may change without
//! breaking a reader. Within a major `format`, fields are only added.

mod accepted;
mod account;
mod conditions;
mod counted;
mod forecast;
mod places;
mod sites;
mod steps;

use self::accepted::{AcceptedPart, AcceptedSitesPart};
use self::account::{CpuTimePart, NeighboursPart, WholeTargetPart};
use self::conditions::ConditionsPart;
use self::counted::CountedPart;
use self::forecast::ForecastPart;
use self::places::{HeldPart, PlacesPart};
use self::sites::CallSitesPart;
use self::steps::StepsPart;
use super::text;
use super::understood::UnderstoodPart;
use crate::answer::{Finding, Gate, GateState, Interval, LeakClass, Outcome, Verdict};
use crate::model::{
    Axis, Counting, CountingSource, Host, LatencySummary, Observing, Resource, RunRecord, RunStatus, Target,
    WorkloadSummary,
};
use crate::verdict;
use crate::words;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Version of the shape, `major.minor`.
pub const FORMAT: &str = "1.8";

/// Renders the verdict as JSON, indented, with a line break at the end.
///
/// Characters that a terminal would act on are escaped, so that the file can be looked at.
pub fn render(record: &RunRecord, verdict: &Verdict) -> String {
    let document = Document::new(record, verdict);
    let json = serde_json::to_string_pretty(&document).expect("a document of plain fields and text keys is JSON");
    let mut out = printable(&json);
    out.push('\n');
    out
}

/// JSON with the characters escaped that a terminal would act on, line breaks apart.
pub(super) fn printable(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if (c.is_control() && c != '\n') || text::is_direction(c) {
            out.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            out.push(c);
        }
    }
    out
}

/// The JSON schema of what [`render`] writes.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).into()
}

/// The verdict of one run.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "seepage verdict")]
struct Document {
    /// Version of this shape, `major.minor`; within a major version, fields are only added.
    format: String,
    /// Version of the rule that judged: another version may answer otherwise for the same readings, as the change log says.
    rule: u32,
    /// `leak`, `clean` or `inconclusive`.
    verdict: OutcomeWord,
    /// What the verdict exits with: 0 clean, 1 the run could not be recorded to its end, 10 leak, 11 inconclusive, 21 the target
    /// failed, 22 the workload failed, 128 and a signal's number if that ended the run early (130 after Ctrl-C). The command
    /// may exit with another: 12 if `--baseline` makes it worse than that, 0 or 10 in place of 11 if `--inconclusive` says so. A leak
    /// exits with 0 if `accepted` says that it is no worse than what is accepted, and with 12 if it is worse; also with 0 if
    /// `accepted_sites` says that what is left without them is within its budget.
    exit_code: u8,
    /// The answer in one sentence.
    sentence: String,
    /// As what the table was read; null for a run of seepage's own.
    understood: Option<UnderstoodPart>,
    /// Which run it was.
    run: Run,
    /// How its leaks stand to those that are accepted; null if it wasn't held against any.
    accepted: Option<AcceptedPart>,
    /// What its accepted call sites keep, and what it leaks beside; null if none are accepted.
    accepted_sites: Option<AcceptedSitesPart>,
    /// Everything that had to hold.
    gates: Vec<GateLine>,
    /// Resource by resource, memory first.
    findings: Vec<FindingPart>,
    /// The account of the whole target; null if none was kept.
    whole_target: Option<WholeTargetPart>,
    /// The CPU time that it took in the judged time; null where that wasn't read.
    cpu_time: Option<CpuTimePart>,
    /// What came to each counter of the user's own in the judged time.
    counted: Vec<CountedPart>,
    /// Who else on the host used the CPU in the soak; null if nobody used a tenth of a core, or that wasn't read.
    neighbours: Option<NeighboursPart>,
    /// Who keeps memory; null if allocations weren't traced.
    call_sites: Option<CallSitesPart>,
    /// What the reader should know beside, one sentence each.
    notes: Vec<String>,
    /// How requests were counted.
    counting: CountingPart,
    /// Totals of the workload in its soak phases; null when nothing was driven.
    workload: Option<WorkloadPart>,
    /// What was measured.
    target: TargetPart,
    /// The machine.
    host: HostPart,
    /// What observing cost; null if the run didn't end in order.
    observing: Option<ObservingPart>,
    /// The verdicts of the services beside the target, in the order in which they were started, each under its name in `run.name`. What is
    /// said of the whole run (`verdict`, `exit_code`, `sentence`) has them in it; all else is of the target alone.
    services: Vec<Document>,
}

// Shared with the JSON lines. No doc comment: it would become a part of the published schema.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OutcomeWord {
    Leak,
    Clean,
    Inconclusive,
}

impl From<Outcome> for OutcomeWord {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Leak => OutcomeWord::Leak,
            Outcome::Clean => OutcomeWord::Clean,
            Outcome::Inconclusive => OutcomeWord::Inconclusive,
        }
    }
}

/// Which run it was.
#[derive(Serialize, JsonSchema)]
struct Run {
    /// Last part of the run directory's name.
    id: String,
    /// Name of the scenario.
    name: String,
    /// When it began, RFC 3339 in UTC.
    started: String,
    /// How long it took, in seconds.
    elapsed_seconds: Option<f64>,
    /// `running`, `complete` or `aborted`.
    status: &'static str,
    /// Why it was aborted.
    aborted: Option<String>,
    /// Seed of everything random in the run.
    seed: u64,
    /// Version of seepage that made it.
    seepage: String,
}

/// One thing that had to hold.
#[derive(Serialize, JsonSchema)]
struct GateLine {
    /// Short name.
    name: String,
    /// `pass`, `fail` or `unknown` (it couldn't be decided or measured).
    state: &'static str,
    /// What was measured.
    measured: String,
    /// What was allowed.
    allowed: String,
}

/// Growth of one resource, and what is concluded from it.
#[derive(Serialize, JsonSchema)]
struct FindingPart {
    /// The resource.
    resource: Resource,
    /// The answer for this resource.
    verdict: OutcomeWord,
    /// What kind of behaviour it is.
    class: LeakClass,
    /// Unit of `growth` and `quarters`: such as `bytes/request`.
    unit: String,
    /// What growth is measured against.
    axis: &'static str,
    /// Growth; null if nothing could be fitted.
    growth: Option<Estimate>,
    /// What `growth` is: `lasting`, what is left once all that ends by itself has ended, of a leak; else `now`, at the end of the run.
    quantity: &'static str,
    /// Allowed growth, in `unit`; but per request if the axis is `seconds`: growth could then only be measured over time.
    budget: Option<f64>,
    /// Why.
    reason: String,
    /// What shows that it is of its class; null where the reason says it all.
    because: Option<String>,
    /// What would settle an inconclusive finding.
    settle: Option<String>,
    /// What the growth of a leak is made of, the largest first; some are parts of others, such as connections of sockets.
    parts: Vec<PartLine>,
    /// In which places of the memory map it grows; null if no growth is shown, or no map was read.
    places: Option<PlacesPart>,
    /// What descriptors refer to that their growth lies in; null of what else grows, and if no growth is shown or it wasn't read.
    held: Option<HeldPart>,
    /// How growth goes on if it goes on as it did; null if no limit is known, or nothing grows.
    forecast: Option<ForecastPart>,
    /// Growth by quarter of the judged part.
    quarters: Vec<Option<f64>>,
    /// The numbers behind the answer.
    facts: Vec<Fact>,
    /// What had to hold for a leak, and what for clean.
    conditions: ConditionsPart,
    /// Worker by worker.
    workers: Vec<WorkerPart>,
    /// Growth by step of the workload; null if there is one step only, or nothing could be fitted.
    steps: Option<StepsPart>,
}

/// An estimate with its confidence bounds, in the finding's unit; null where it is no number.
#[derive(Serialize, JsonSchema)]
pub(super) struct Estimate {
    estimate: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
    /// Confidence of the two-sided interval, 0 to 1.
    confidence: Option<f64>,
}

/// A part of a growth.
#[derive(Serialize, JsonSchema)]
struct PartLine {
    /// What it is, such as `sockets`.
    name: &'static str,
    growth: Estimate,
}

#[derive(Serialize, JsonSchema)]
struct Fact {
    label: String,
    value: String,
}

/// One worker's part in a finding; levels in bytes or items.
#[derive(Serialize, JsonSchema)]
struct WorkerPart {
    /// Process ID; null for the pool as a whole.
    pid: Option<u32>,
    /// Start time in clock ticks since boot; null for the pool as a whole.
    start: Option<u64>,
    /// Readings used.
    readings: u64,
    /// Requests (or seconds) that its readings span.
    span: Option<f64>,
    /// Level at its first judged reading.
    first: Option<f64>,
    /// Level at its last reading.
    last: Option<f64>,
    /// Its own growth, lasting if it leaks, else at the end of the run; null if it was set aside.
    growth: Option<Estimate>,
    /// Whether this worker alone is a leak beyond doubt.
    leaks: bool,
    /// Why it was set aside.
    set_aside: Option<String>,
    /// How it ended; null if it was still there at the end of the readings.
    ended: Option<String>,
}

/// How requests were counted, and what that is worth.
#[derive(Serialize, JsonSchema)]
struct CountingPart {
    source: &'static str,
    /// Whether counts belong to single workers.
    per_worker: bool,
    worth: String,
}

/// Totals of the workload.
#[derive(Serialize, JsonSchema)]
struct WorkloadPart {
    /// `closed`, `open` or `command`.
    model: String,
    sent: u64,
    ok: u64,
    /// Aborted on purpose.
    aborted: u64,
    failed: u64,
    /// Seconds of soak.
    seconds: Option<f64>,
    /// Failed share of the requests that weren't aborted on purpose, 0 to 1.
    error_rate: Option<f64>,
    /// Successful requests per second.
    goodput: Option<f64>,
    /// Failures by kind.
    errors: BTreeMap<String, u64>,
    /// Answers by status code.
    statuses: BTreeMap<u16, u64>,
    /// Latency of successes by step, and over all under `all`.
    latency_seconds: BTreeMap<String, LatencyPart>,
}

/// Latency of successes, in seconds.
#[derive(Serialize, JsonSchema)]
struct LatencyPart {
    count: u64,
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

/// What was measured.
#[derive(Serialize, JsonSchema)]
struct TargetPart {
    command: Vec<String>,
    /// How workers were chosen.
    workers: String,
    /// Which processes were found to be the workers, and why, if that was left to seepage.
    chosen: Option<String>,
    memory_limit_bytes: Option<u64>,
    /// What enforced the limit.
    limited_by: Option<String>,
}

/// The machine.
#[derive(Serialize, JsonSchema)]
struct HostPart {
    kernel: String,
    cpus: u64,
    memory_bytes: u64,
    page_bytes: u64,
}

/// What observing cost.
#[derive(Serialize, JsonSchema)]
struct ObservingPart {
    /// Readings of workers taken.
    readings: u64,
    /// Median time of one fast reading of one worker.
    fast_reading_seconds: Option<f64>,
    /// Median time of one slow reading of one worker.
    slow_reading_seconds: Option<f64>,
    /// CPU time of the sampler's thread as a share of one core, 0 to 1.
    cpu_share: Option<f64>,
    /// CPU time of looks at the run before its end and of its progress display, as a share of one core, 0 to 1.
    live_share: Option<f64>,
    /// Interval between fast readings that was reached.
    interval_seconds: Option<f64>,
    /// Deadlines missed.
    missed_ticks: u64,
    /// Quantities that could not be read, with the reason.
    missing: Vec<String>,
}

/// A number that JSON can hold.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl Document {
    fn new(record: &RunRecord, verdict: &Verdict) -> Self {
        let meta = &record.meta;
        let endings = text::endings(record);
        let ended = |worker| endings.get(&worker).map(text::Ending::words);
        Document {
            format: FORMAT.to_owned(),
            rule: verdict::RULE,
            verdict: verdict.outcome.into(),
            exit_code: verdict.exit.code(),
            sentence: words::headline(record, verdict).to_string(),
            understood: meta.understood.as_deref().map(UnderstoodPart::from),
            run: Run {
                id: meta.id.clone(),
                name: meta.name.clone(),
                started: meta.started.clone(),
                elapsed_seconds: meta.elapsed.and_then(finite),
                status: match meta.status {
                    RunStatus::Running => "running",
                    RunStatus::Complete => "complete",
                    RunStatus::Aborted => "aborted",
                },
                aborted: meta.aborted.clone(),
                seed: meta.seed,
                seepage: meta.seepage.clone(),
            },
            accepted: meta.accepted.as_ref().map(AcceptedPart::from),
            accepted_sites: AcceptedSitesPart::new(record, verdict),
            gates: verdict.gates.iter().map(GateLine::from).collect(),
            findings: verdict.findings.iter().map(|f| FindingPart::new(f, &ended)).collect(),
            whole_target: verdict.whole_target.as_ref().map(WholeTargetPart::from),
            cpu_time: verdict.cpu_time.as_ref().map(CpuTimePart::from),
            counted: verdict.counted.iter().map(CountedPart::from).collect(),
            neighbours: verdict.neighbours.as_ref().map(NeighboursPart::from),
            call_sites: verdict.call_sites.as_ref().map(CallSitesPart::from),
            notes: words::notes(verdict),
            counting: CountingPart::from(&meta.counting),
            workload: meta.workload.as_ref().map(WorkloadPart::from),
            target: TargetPart::from(&meta.target),
            host: HostPart::from(&meta.host),
            observing: meta.observing.as_ref().map(ObservingPart::from),
            services: record.services.iter().zip(&verdict.services).map(|(one, its)| Document::new(one, its)).collect(),
        }
    }
}

impl From<&Gate> for GateLine {
    fn from(gate: &Gate) -> Self {
        let words = words::gate(gate);
        GateLine {
            name: words.name,
            state: match gate.state {
                GateState::Pass => "pass",
                GateState::Fail => "fail",
                GateState::Unknown => "unknown",
            },
            measured: words.measured.to_string(),
            allowed: words.allowed.to_string(),
        }
    }
}

impl FindingPart {
    fn new(finding: &Finding, ended: &dyn Fn(crate::model::WorkerId) -> Option<String>) -> Self {
        FindingPart {
            resource: finding.resource,
            verdict: finding.outcome.into(),
            class: finding.class,
            unit: format!("{}/{}", finding.resource.item(), finding.axis.unit()),
            axis: match finding.axis {
                Axis::WorkerRequests => "worker-requests",
                Axis::SharedRequests => "shared-requests",
                Axis::PoolRequests => "pool-requests",
                Axis::Seconds => "seconds",
                Axis::Hours => "hours",
            },
            growth: finding.growth.as_ref().map(Estimate::from),
            quantity: if finding.outcome == Outcome::Leak { "lasting" } else { "now" },
            budget: finite(finding.budget),
            reason: words::reason(finding),
            because: words::because(finding),
            settle: words::settle(finding),
            parts: finding
                .parts
                .iter()
                .map(|part| PartLine { name: words::part_name(part.kind), growth: Estimate::from(&part.growth) })
                .collect(),
            places: finding.places.as_ref().map(PlacesPart::from),
            held: finding.held.as_ref().map(HeldPart::from),
            forecast: finding.forecast.as_ref().map(ForecastPart::from),
            quarters: finding.evidence.quarters.iter().map(|q| finite(*q)).collect(),
            facts: words::facts(finding).into_iter().map(|(label, value)| Fact { label, value }).collect(),
            conditions: ConditionsPart::from(finding),
            workers: finding
                .workers
                .iter()
                .map(|w| WorkerPart {
                    pid: w.worker.map(|id| id.pid),
                    start: w.worker.map(|id| id.birth()),
                    readings: w.readings,
                    span: finite(w.span),
                    first: finite(w.first),
                    last: finite(w.last),
                    growth: w.growth.as_ref().map(Estimate::from),
                    leaks: w.leaks,
                    set_aside: w.set_aside.map(words::set_aside),
                    ended: w.worker.and_then(ended),
                })
                .collect(),
            steps: finding.steps.as_ref().map(StepsPart::from),
        }
    }
}

impl From<&Interval> for Estimate {
    fn from(interval: &Interval) -> Self {
        Estimate {
            estimate: finite(interval.estimate),
            lower: finite(interval.lower),
            upper: finite(interval.upper),
            confidence: finite(interval.confidence),
        }
    }
}

impl From<&Counting> for CountingPart {
    fn from(counting: &Counting) -> Self {
        CountingPart {
            source: match counting.source {
                CountingSource::AccessLog => "access-log",
                CountingSource::PhpFpm => "php-fpm",
                CountingSource::ModStatus => "mod-status",
                CountingSource::Page => "page",
                CountingSource::Driver => "driver",
                CountingSource::Table => "table",
                CountingSource::None => "none",
            },
            per_worker: counting.per_worker,
            worth: counting.worth.clone(),
        }
    }
}

impl From<&WorkloadSummary> for WorkloadPart {
    fn from(summary: &WorkloadSummary) -> Self {
        WorkloadPart {
            model: summary.model.clone(),
            sent: summary.sent,
            ok: summary.ok,
            aborted: summary.aborted,
            failed: summary.failed,
            seconds: finite(summary.seconds),
            error_rate: summary.error_rate(),
            goodput: summary.goodput().and_then(finite),
            errors: summary.errors.clone(),
            statuses: summary.statuses.clone(),
            latency_seconds: summary.latency.iter().map(|(step, l)| (step.clone(), LatencyPart::from(l))).collect(),
        }
    }
}

impl From<&LatencySummary> for LatencyPart {
    fn from(latency: &LatencySummary) -> Self {
        LatencyPart {
            count: latency.count,
            p50: finite(latency.p50),
            p95: finite(latency.p95),
            p99: finite(latency.p99),
            max: finite(latency.max),
        }
    }
}

impl From<&Target> for TargetPart {
    fn from(target: &Target) -> Self {
        TargetPart {
            command: target.command.clone(),
            workers: target.workers.clone(),
            chosen: target.chosen.as_ref().map(words::chosen),
            memory_limit_bytes: target.memory_limit,
            limited_by: target.limited_by.clone(),
        }
    }
}

impl From<&Host> for HostPart {
    fn from(host: &Host) -> Self {
        HostPart { kernel: host.kernel.clone(), cpus: host.cpus, memory_bytes: host.memory, page_bytes: host.page }
    }
}

impl From<&Observing> for ObservingPart {
    fn from(observing: &Observing) -> Self {
        ObservingPart {
            readings: observing.readings,
            fast_reading_seconds: finite(observing.fast_reading),
            slow_reading_seconds: observing.slow_reading.and_then(finite),
            cpu_share: finite(observing.cpu_share),
            live_share: observing.live_share.and_then(finite),
            interval_seconds: finite(observing.interval),
            missed_ticks: observing.missed_ticks,
            missing: observing.missing.clone(),
        }
    }
}
