//! What one run says of the number of requests in flight that it was made with.

use crate::answer::{ExitCode, GateKind, Interval, Outcome, Verdict};
use crate::model::{Axis, EventKind, PhaseKind, Resource, RunRecord, RunStatus};
use crate::stats::student_t;
use std::collections::BTreeMap;

/// Confidence of the bounds of goodput, both together.
const CONFIDENCE: f64 = 0.95;

/// The longest row of parts into which a soak is cut; each is a whole number of the driver's seconds.
const MOST_PARTS: usize = 30;

/// The model of a workload that is an external command.
const COMMAND: &str = "command";

/// What the driver counts by, in seconds.
const SECOND: f64 = 1.0;

/// What was measured with so many requests in flight.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Requests in flight.
    pub load: u64,
    /// Successes per second of soak; missing if too little was measured.
    pub goodput: Option<Interval>,
    /// Requests of the soak that ended, whether or not they failed.
    pub ended: u64,
    /// Requests of the soak that failed.
    pub failed: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Failures by kind, such as `connect`, `reset`, `timeout`, `status`.
    pub errors: BTreeMap<String, u64>,
    /// 95th percentile of the latency of successes, in seconds.
    pub p95: Option<f64>,
    /// Whether more fail than the harness file allows.
    pub errs: bool,
    /// What the run's verdict is.
    pub outcome: Outcome,
    /// What leaks in it.
    pub grows: Vec<Grows>,
    /// Why the run came to no end, if it didn't.
    pub broke: Option<Failed>,
}

impl AsRef<Step> for Step {
    fn as_ref(&self) -> &Step {
        self
    }
}

/// A load with the run that measured it.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// What was measured.
    pub step: Step,
    /// Name of the run's directory.
    pub run: String,
    /// Its verdict in a sentence.
    pub sentence: String,
}

impl AsRef<Step> for Load {
    fn as_ref(&self) -> &Step {
        &self.step
    }
}

/// A resource that leaks, with its growth.
#[derive(Debug, Clone, PartialEq)]
pub struct Grows {
    /// The resource.
    pub resource: Resource,
    /// What growth is measured against.
    pub axis: Axis,
    /// Its growth, where that could be fitted.
    pub growth: Option<Interval>,
}

/// What ended a run before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What a single run would exit with.
    pub exit: ExitCode,
    /// What it says, in a sentence.
    pub why: String,
}

impl Step {
    /// What a run with `load` requests in flight has measured.
    pub fn of(load: u64, record: &RunRecord, verdict: &Verdict) -> Step {
        let summary = record.meta.workload.clone().unwrap_or_default();
        // Which of a command's requests fail isn't known.
        let ended = if summary.model == COMMAND { 0 } else { summary.ok + summary.failed };
        let share = if ended == 0 { None } else { Some(summary.failed as f64 / ended as f64) };
        let errs = share.zip(record.meta.gates.error_rate).is_some_and(|(share, most)| share > most);
        let findings = verdict.parts().flat_map(|part| &part.findings);
        let leaks = findings.filter(|finding| finding.outcome == Outcome::Leak);
        let failed = record.meta.status != RunStatus::Complete
            || matches!(verdict.exit, ExitCode::Config | ExitCode::Target | ExitCode::Failure);
        let broke = (failed && !errs).then(|| {
            let exit = match verdict.exit {
                exit @ (ExitCode::Config | ExitCode::Target | ExitCode::Workload) => exit,
                _ => ExitCode::Failure,
            };
            let why = record.meta.aborted.clone().or_else(|| crashed(verdict));
            Failed { exit, why: why.unwrap_or_else(|| "it has no other reason".to_owned()) }
        });
        Step {
            load,
            // A command tells what it sent at its end, all at once.
            goodput: if summary.model == COMMAND { None } else { mean(&seconds(record)) },
            ended,
            failed: summary.failed,
            statuses: summary.statuses,
            errors: summary.errors,
            p95: summary.latency.get("all").map(|latency| latency.p95),
            errs,
            outcome: verdict.outcome,
            grows: leaks.map(|f| Grows { resource: f.resource, axis: f.axis, growth: f.growth }).collect(),
            broke,
        }
    }

    /// Whether it errs or came to no end: whatever its goodput is, that is too much.
    pub fn is_bad(&self) -> bool {
        self.errs || self.broke.is_some()
    }

    /// Share of the requests that failed, 0 to 1; missing if none ended.
    pub fn error_rate(&self) -> Option<f64> {
        (self.ended > 0).then(|| self.failed as f64 / self.ended as f64)
    }
}

/// That workers of the target or of a service crashed, if they did.
fn crashed(verdict: &Verdict) -> Option<String> {
    let gates = verdict.parts().flat_map(|part| &part.gates);
    let mut crashes = gates.filter_map(|gate| match gate.kind {
        GateKind::Deaths(crashes) => crashes,
        _ => None,
    });
    crashes.next().map(|crashes| format!("{} of its workers crashed, the first by {}", crashes.count, crashes.cause))
}

/// Successes per second in each second of the soak.
fn seconds(record: &RunRecord) -> Vec<f64> {
    let phases: Vec<(f64, PhaseKind)> = record
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Phase { phase, .. } => Some((event.t, phase)),
            _ => None,
        })
        .collect();
    let phase_of = |t: f64| phases.iter().rev().find(|(begin, _)| *begin < t).copied();
    let mut counts: Vec<(f64, f64)> = Vec::new();
    for load in &record.load {
        match counts.last_mut().filter(|last| last.0 == load.t) {
            Some(last) => last.1 += load.ok as f64,
            None => counts.push((load.t, load.ok as f64)),
        }
    }
    let mut rates = Vec::new();
    let mut before = 0.0;
    for (t, count) in counts {
        let Some((phase_begins, phase)) = phase_of(t) else { continue };
        let begin = f64::max(before, phase_begins);
        before = t;
        // What is left of a second at the end of a phase is too short to be one.
        if phase == PhaseKind::Soak && t - begin >= 0.5 * SECOND {
            rates.push(count / (t - begin));
        }
    }
    rates
}

/// The mean of rates with its bounds; `None` of fewer than three.
pub(super) fn mean(rates: &[f64]) -> Option<Interval> {
    let width = rates.len().div_ceil(MOST_PARTS).max(1);
    let parts: Vec<f64> = rates.chunks_exact(width).map(|part| part.iter().sum::<f64>() / width as f64).collect();
    let count = parts.len() as f64;
    if parts.len() < 3 {
        return None;
    }
    let estimate = parts.iter().sum::<f64>() / count;
    let variance = parts.iter().map(|part| (part - estimate).powi(2)).sum::<f64>() / (count - 1.0);
    let half = student_t((1.0 + CONFIDENCE) / 2.0, count - 1.0) * (variance / count).sqrt();
    let interval = Interval { estimate, lower: estimate - half, upper: estimate + half, confidence: CONFIDENCE };
    Some(interval.within(0.0, f64::INFINITY))
}
