//! `JUnit` XML, so that a CI shows which gate broke and which worker leaks: a test case for each of them.

use super::text::{self, plain};
use super::understood;
use crate::answer::{ExitCode, Finding, Gate, GateState, Outcome, Verdict, WorkerFinding};
use crate::model::RunRecord;
use crate::words::{self, GateWords};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// Renders gates and workers as test cases.
pub fn render(record: &RunRecord, verdict: &Verdict) -> String {
    let name = plain(&record.meta.name);
    let mut report = Report::new(format!("seepage {name}"));
    // The library gives each report a random identity, which would make two renderings of one run differ.
    report.uuid = None;

    add(&mut report, &name, "", record, verdict);
    if let Some(elapsed) = record.meta.elapsed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        report.set_time(elapsed);
    }
    for (service, verdict) in record.services.iter().zip(&verdict.services) {
        let service_name = plain(&service.meta.name);
        add(&mut report, &format!("{name}.{service_name}"), &format!("{service_name}: "), service, verdict);
    }
    report.to_string().unwrap_or_else(|e| format!("<!-- this report could not be written: {e} -->\n"))
}

/// Adds the suites of a run, or of a service, whose names begin with who they are `of`.
fn add(report: &mut Report, name: &str, of: &str, record: &RunRecord, verdict: &Verdict) {
    // A leak that is accepted is no failure, and no pass either.
    let known = (verdict.exit == ExitCode::Accepted).then(|| words::accepted(record, verdict).join(" "));
    let mut gates = TestSuite::new(format!("{of}gates"));
    for gate in &verdict.gates {
        gates.add_test_case(gate_case(name, gate, known.as_deref()));
    }
    let mut whole = verdict_case(name, record, verdict);
    if let Some(elapsed) = record.meta.elapsed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        whole.set_time(elapsed);
    }
    gates.add_test_case(whole);
    let read_as = understood::lines(record);
    if !read_as.is_empty() {
        gates.set_system_out(read_as);
    }
    report.add_test_suite(gates);

    for finding in &verdict.findings {
        let mut suite = TestSuite::new(format!("{of}workers: {}", finding.resource));
        for (number, worker) in finding.workers.iter().enumerate() {
            let pid = worker.worker.map(|worker| worker.pid);
            let called = pid.and_then(|pid| record.meta.understood.as_ref()?.called.get(&pid));
            let who = match called {
                Some(called) => format!("{called} ({})", text::worker_name(worker.worker)),
                None => text::worker_name(worker.worker),
            };
            suite.add_test_case(worker_case(name, finding, number + 1, (worker, &who), known.as_deref()));
        }
        if !finding.workers.is_empty() {
            report.add_test_suite(suite);
        }
    }
}

fn gate_case(run: &str, gate: &Gate, known: Option<&str>) -> TestCase {
    let status = match gate.state {
        GateState::Pass => TestCaseStatus::success(),
        GateState::Fail if known.is_some() => skipped(format!("{}. {}", gate_words(gate), known.unwrap_or_default())),
        GateState::Fail => failure("gate broken", gate_words(gate)),
        GateState::Unknown => error("gate not decided", gate_words(gate)),
    };
    case(run, plain(&words::gate(gate).name), status)
}

fn gate_words(gate: &Gate) -> String {
    let GateWords { measured, interval, allowed, .. } = words::gate(gate);
    let between = if interval.is_empty() { interval } else { format!(" ({interval})") };
    plain(&format!("measured {measured}{between}, allowed {allowed}"))
}

/// The verdict as a whole, so that a run without any gate isn't read as a pass.
fn verdict_case(run: &str, record: &RunRecord, verdict: &Verdict) -> TestCase {
    let sentence = plain(&words::headline(record, verdict).to_string());
    let status = match (verdict.outcome, verdict.exit.code()) {
        (Outcome::Clean, 0) => TestCaseStatus::success(),
        (Outcome::Leak, 0) => skipped(format!("{sentence}. {}", words::accepted(record, verdict).join(" "))),
        (Outcome::Leak, _) => failure("leak", sentence),
        (Outcome::Inconclusive, _) => error("inconclusive", sentence),
        (Outcome::Clean, _) => error("the run failed", sentence),
    };
    case(run, "verdict".to_owned(), status)
}

/// A worker, known by its number: PIDs change from run to run, and a CI compares by names.
fn worker_case(
    run: &str,
    finding: &Finding,
    number: usize,
    (worker, who): (&WorkerFinding, &str),
    known: Option<&str>,
) -> TestCase {
    let growth = worker.growth.as_ref().map(|g| text::growth(finding.resource, finding.axis, g));
    let status = match (worker.set_aside, worker.leaks) {
        (_, true) => {
            let leak = format!("{who}: {}, allowed {}", growth.unwrap_or_default(), text::budget(finding));
            known.map_or_else(|| failure("worker leaks", leak.clone()), |known| skipped(format!("{leak}. {known}")))
        }
        (Some(why), false) => skipped(format!("{who} was set aside: {}", words::set_aside(why))),
        (None, false) => TestCaseStatus::success(),
    };
    let name = if worker.worker.is_some() { format!("worker {number}") } else { "pool".to_owned() };
    case(run, format!("{} {name}", finding.resource), status)
}

fn skipped(message: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(plain(&message));
    status
}

pub(super) fn case(run: &str, name: String, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("seepage.{run}"));
    case
}

pub(super) fn failure(kind: &str, message: String) -> TestCaseStatus {
    non_success(NonSuccessKind::Failure, kind, message)
}

pub(super) fn error(kind: &str, message: String) -> TestCaseStatus {
    non_success(NonSuccessKind::Error, kind, message)
}

fn non_success(kind: NonSuccessKind, word: &str, message: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    // Some show the message, others the text.
    status.set_type(word).set_message(message.clone()).set_description(message);
    status
}
