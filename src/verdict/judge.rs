//! The whole run: findings, gates, one sentence and one exit code.
//!
//! Always: a leak beats an inconclusive finding; a run that failed, was interrupted or isn't finished is never clean;
//! what couldn't be measured is unknown and fails closed.

use super::assess::Demands;
use super::doubt::Doubt;
use super::explain::{rate, rate_with_bounds};
use super::forecast::forecast;
use super::gates::{deaths_gate, resource_gate, workload_gates};
use super::looks::looks_taken;
use super::mix::Mix;
use super::pages;
use super::parts::{leaking_parts, parts};
use super::preloaded;
use super::series::{Readings, readings};
use super::sites::{CallSite, CallSites, Workers, call_sites};
use super::step_down::{Judged, step_down};
use super::{ExitCode, Finding, Gate, GateState, LeakClass, Outcome, Part, Verdict, series, settle_levels, steps};
use super::{counts, whole, youth};
use crate::model::{
    Axis, CountingSource, EventKind, Failure, Resource, RunRecord, RunStatus, Sample, WorkerId, format_bytes,
    format_count,
};

/// The page size, for records that don't say.
const USUAL_PAGE: u64 = 4096;

/// Bytes to which memory is rounded in a run: its page size.
pub fn page(record: &RunRecord) -> f64 {
    (if record.meta.host.page == 0 { USUAL_PAGE } else { record.meta.host.page }) as f64
}

/// Judges a run: every resource with a budget, and every gate.
pub fn judge(record: &RunRecord) -> Verdict {
    let mix = Mix::new(record);
    let (judged, mut notes) = judged(record, mix.as_ref());
    let mut findings = findings_of(record, &judged, Demands::FINAL);
    for (finding, one) in findings.iter_mut().zip(&judged) {
        if finding.outcome == Outcome::Leak {
            finding.parts = parts(record, one.resource);
        }
        name_parts(finding);
        steps::tell(mix.as_ref(), one, finding, page(record));
        notes.extend(steps::notes(finding));
        // What the live heap grows by is a part of memory, whose limits are foretold.
        if one.resource != Resource::Heap {
            finding.forecast = forecast(record, finding, &one.series);
        }
    }
    pages::explain(record, &mut findings);
    let leaks = findings.iter().any(|f| f.outcome == Outcome::Leak);
    notes.extend(notes_on(record, leaks));
    let mut gates: Vec<Gate> = findings.iter().map(resource_gate).collect();
    let workload = workload_gates(record);
    let failed_workload = workload.iter().any(|g| g.state == GateState::Fail);
    gates.extend(workload);
    let doubts: Vec<Doubt> =
        whole::doubts(record).into_iter().chain(counts::doubts(record)).chain(counts::idle(record)).collect();
    gates.extend(doubts.iter().map(Doubt::gate));
    let failures = target_failures(record);
    notes.extend(preloaded::doubt(record, &failures));
    gates.push(deaths_gate(&failures.deaths));
    if let Some((limit, kills)) = failures.limit {
        gates.push(Gate {
            name: "memory limit".into(),
            state: GateState::Fail,
            measured: format!("hit, {kills} processes killed"),
            allowed: format!("never over {}", format_bytes(limit as f64)),
        });
    }
    let answer = answer(&findings, &gates, record.meta.status);
    let failure = record.meta.failure;
    let target_failed = failures.died.is_some() || failures.limit.is_some() || failure == Some(Failure::Target);
    let crashed = !failures.deaths.is_empty();
    let exit = match answer {
        _ if failures.interrupted.is_some() => ExitCode::Interrupted(failures.interrupted.unwrap_or_default()),
        _ if failure == Some(Failure::Recording) => ExitCode::Failure,
        _ if target_failed => ExitCode::Target,
        Outcome::Leak => ExitCode::Leak,
        _ if crashed => ExitCode::Target,
        _ if failed_workload || failure == Some(Failure::Workload) => ExitCode::Workload,
        Outcome::Clean => ExitCode::Clean,
        Outcome::Inconclusive => ExitCode::Inconclusive,
    };
    let outcome = if exit == ExitCode::Clean || answer != Outcome::Clean { answer } else { Outcome::Inconclusive };
    let call_sites = who_keeps_memory(record, &judged, &findings, mix.as_ref());
    if call_sites.is_none() && !record.heap.looks.is_empty() {
        notes.push("allocations were traced, but live sets were looked at too seldom to say who keeps memory".into());
    }
    let culprit = call_sites.as_ref().and_then(CallSites::culprit);
    if !doubts.is_empty() {
        // A longer run would be wrong in the same way.
        findings.iter_mut().for_each(|finding| finding.settle = None);
        notes.splice(0..0, doubts.iter().map(|doubt| format!("{}: {}", doubt.reason(), doubt.remedy())));
    }
    let sentence = sentence(record, &findings, &gates, &failures, outcome, culprit, doubts.first());
    let untold = |finding: &&Finding| finding.outcome == Outcome::Leak;
    notes.extend(findings.iter().filter(untold).filter_map(|finding| steps::beside(finding, &sentence)));
    Verdict { outcome, exit, sentence, gates, findings, call_sites, notes }
}

/// The call sites, if allocations were traced.
fn who_keeps_memory(
    record: &RunRecord,
    judged: &[Judged],
    findings: &[Finding],
    mix: Option<&Mix>,
) -> Option<CallSites> {
    if record.heap.looks.is_empty() {
        return None;
    }
    let memory = judged.iter().position(|one| one.resource == Resource::Memory);
    let without_budget = memory.is_none().then(|| series(record, Resource::Memory));
    let of_budget = memory.map(|place| (judged[place].axis, &judged[place].series));
    let (axis, series) = without_budget.as_ref().map(|(axis, series)| (*axis, series)).or(of_budget)?;
    let finding = memory.and_then(|place| findings.get(place));
    let steps = mix.map_or(&[][..], |mix| &mix.names);
    call_sites(record, &Workers { axis, series, finding, steps })
}

/// Every resource with a budget, and sentences about its readings.
fn judged(record: &RunRecord, mix: Option<&Mix>) -> (Vec<Judged>, Vec<String>) {
    let budgets = &record.meta.budgets;
    let budget = |resource| match resource {
        Resource::Memory => budgets.memory,
        // The same bytes, seen from the program's side.
        Resource::Heap => budgets.memory.filter(|_| record.samples.iter().any(|s| s.heap.is_some())),
        Resource::Descriptors => budgets.descriptors,
        Resource::Threads => budgets.threads,
        Resource::Tmpfs => budgets.tmpfs,
        Resource::Kernel => budgets.kernel,
    };
    let mut notes = Vec::new();
    let mut judged = Vec::new();
    for resource in Resource::ALL {
        let Some(budget) = budget(resource) else { continue };
        let Readings { axis, series, notes: told } = readings(record, resource, mix);
        notes.extend(told);
        judged.push(Judged { resource, axis: axis.unwrap_or(Axis::Seconds), series, budget });
    }
    (judged, notes)
}

/// What can be said of each resource with a budget, as sure as is demanded.
pub(super) fn findings(record: &RunRecord, demands: Demands) -> Vec<Finding> {
    let (judged, _) = judged(record, Mix::new(record).as_ref());
    findings_of(record, &judged, demands)
}

fn findings_of(record: &RunRecord, judged: &[Judged], demands: Demands) -> Vec<Finding> {
    let mut findings = step_down(judged, page(record), demands);
    youth::outlasted(record, judged, &mut findings, demands);
    for (finding, one) in findings.iter_mut().zip(judged) {
        if one.axis == Axis::Seconds && !one.series.is_empty() {
            without_requests(finding);
        }
    }
    findings
}

/// Says in the reason of a leak what it is made of.
fn name_parts(finding: &mut Finding) {
    if finding.resource == Resource::Memory {
        return;
    }
    let unit = finding.axis.unit();
    let name = |p: &&Part| format!("{} {}/{unit}", format_count(p.growth.estimate), p.name);
    let named: Vec<String> = leaking_parts(finding).iter().map(name).collect();
    if !named.is_empty() {
        finding.reason.push_str(&format!("; of these {}", named.join(", ")));
    }
}

/// Budgets are per request: growth per second is shown, but can't be judged by them.
fn without_requests(finding: &mut Finding) {
    finding.outcome = Outcome::Inconclusive;
    finding.class = LeakClass::Unknown;
    finding.workers.iter_mut().for_each(|w| w.leaks = false);
    finding.reason = "no requests were counted, so that growth per request is unknown".into();
    finding.settle = Some("count requests: name an access log or a status page in the harness file".into());
}

/// The answer of findings and gates together, before failures of the target are looked at.
fn answer(findings: &[Finding], gates: &[Gate], status: RunStatus) -> Outcome {
    if findings.iter().any(|f| f.outcome == Outcome::Leak) {
        Outcome::Leak
    } else if !findings.is_empty()
        && findings.iter().all(|f| f.outcome == Outcome::Clean)
        && gates.iter().all(|g| g.state == GateState::Pass)
        && status == RunStatus::Complete
    {
        Outcome::Clean
    } else {
        Outcome::Inconclusive
    }
}

/// What went wrong with the target itself.
#[derive(Default)]
pub(super) struct Failures {
    /// Workers that crashed, and how.
    pub(super) deaths: Vec<(WorkerId, String)>,
    /// How the first process ended, if it did.
    pub(super) died: Option<String>,
    /// The limit that was hit, and the processes killed for it.
    pub(super) limit: Option<(u64, u64)>,
    /// The signal that interrupted the harness, which is no fault of the target's.
    interrupted: Option<i32>,
}

fn target_failures(record: &RunRecord) -> Failures {
    let interrupted = match record.meta.failure {
        Some(Failure::Interrupted(signal)) => Some(signal),
        _ => None,
    };
    let mut out = Failures { interrupted, ..Failures::default() };
    for event in &record.events {
        match &event.kind {
            EventKind::Exited { worker, cause: Some(cause), stopping: false } if cause.is_abnormal() => {
                out.deaths.push((*worker, cause.to_string()));
            }
            EventKind::TargetDied { cause } => {
                out.died = Some(cause.map_or("in an unknown way".into(), |c| format!("by {c}")));
            }
            EventKind::MemoryLimit { limit, kills } => {
                let most = out.limit.map_or(0, |l| l.1);
                out.limit = Some((*limit, (*kills).max(most)));
            }
            _ => {}
        }
    }
    if out.limit.is_none() && (out.died.is_some() || !out.deaths.is_empty()) {
        out.limit = near_rlimit(record);
    }
    out
}

/// An rlimit tells no one when it is hit: allocations just fail. A worker that had come near it is taken to have hit it.
fn near_rlimit(record: &RunRecord) -> Option<(u64, u64)> {
    const NEAR: f64 = 0.8;
    let limit =
        record.meta.target.memory_limit.filter(|_| record.meta.target.limited_by.as_deref() == Some("rlimit"))?;
    let largest = record.samples.iter().filter_map(Sample::anon_and_swap).max()?;
    (largest as f64 >= NEAR * limit as f64).then_some((limit, 1))
}

fn notes_on(record: &RunRecord, leaks: bool) -> Vec<String> {
    let mut notes = Vec::new();
    match record.meta.counting.source {
        CountingSource::AccessLog | CountingSource::PhpFpm => {}
        _ if !record.meta.counting.worth.is_empty() => {
            notes.push(format!("requests: {}", record.meta.counting.worth.trim_end_matches('.')));
        }
        _ => {}
    }
    let levels = settle_levels(record);
    let grown: f64 = levels.iter().map(|l| l.before - l.start).sum();
    let returned: f64 = levels.iter().map(|l| l.before - l.after).sum();
    const WORTH_TELLING: f64 = 1024.0 * 1024.0;
    if !levels.is_empty() && grown > WORTH_TELLING {
        let share = format_count((100.0 * returned / grown).clamp(0.0, 100.0).round());
        notes.push(format!(
            "when the load paused, {} of the {} that {} workers had grown by came back ({share} %)",
            format_bytes(returned.max(0.0)),
            format_bytes(grown),
            levels.len()
        ));
    }
    let missed = record.events.iter().map(|e| if let EventKind::MissedTicks { count } = e.kind { count } else { 0 });
    // What a file says may be of any size.
    let missed = missed.fold(0, u64::saturating_add);
    if missed > 0 {
        notes.push(format!("the sampler missed {missed} of its deadlines: the host was busy, or the harness stopped"));
    }
    notes.extend(looks_taken(record, leaks));
    notes.extend(super::noise::noise(record));
    notes.extend(record.events.iter().filter_map(|e| match &e.kind {
        EventKind::Note { text } => Some(text.clone()),
        _ => None,
    }));
    if let Some(observing) = &record.meta.observing {
        notes.extend(observing.missing.iter().map(|m| format!("not readable: {m}")));
    }
    notes
}

fn sentence(
    record: &RunRecord,
    findings: &[Finding],
    gates: &[Gate],
    failures: &Failures,
    outcome: Outcome,
    culprit: Option<&CallSite>,
    doubt: Option<&Doubt>,
) -> String {
    let mut parts = Vec::new();
    if let Some(signal) = failures.interrupted {
        parts.push(format!("INTERRUPTED  by signal {signal}"));
    } else if let Some(died) = &failures.died {
        parts.push(format!("TARGET FAILED  its first process ended {died}{}", preloaded::aside(record)));
    } else if let Some((limit, kills)) = failures.limit {
        parts.push(format!("TARGET FAILED  it hit its memory limit of {} ({kills} kills)", format_bytes(limit as f64)));
    }
    if outcome == Outcome::Leak {
        // What the live heap grows by, memory does too: it is said once.
        let leaks = |resource| findings.iter().any(|f| f.resource == resource && f.outcome == Outcome::Leak);
        let told = |f: &&Finding| f.resource != Resource::Heap || !leaks(Resource::Memory);
        let leak = |finding| leak_phrase(finding, culprit.is_none());
        parts.extend(findings.iter().filter(|f| f.outcome == Outcome::Leak).filter(told).map(leak));
        parts.extend(culprit.map(|site| format!("mostly kept by {}", site.frame)));
    }
    if let Some((worker, cause)) = failures.deaths.first() {
        let n = failures.deaths.len();
        let aside = preloaded::aside(record);
        parts.push(format!("WORKERS CRASHED  {n} ended unexpectedly, the first PID {} by {cause}{aside}", worker.pid));
    }
    let broken = |g: &&Gate| g.state == GateState::Fail && (g.name == "error rate" || g.name.starts_with("latency"));
    parts.extend(
        gates.iter().filter(broken).map(|g| format!("WORKLOAD FAILED  {} {}, {}", g.name, g.measured, g.allowed)),
    );
    match outcome {
        Outcome::Clean => parts.extend(findings.first().map(clean_phrase)),
        Outcome::Inconclusive if parts.is_empty() => parts.push(match doubt {
            Some(doubt) => format!("INCONCLUSIVE  {}", doubt.reason()),
            None => open_phrase(record, findings, gates),
        }),
        Outcome::Inconclusive | Outcome::Leak => {}
    }
    parts.join("; ")
}

fn metric(resource: Resource) -> String {
    match resource {
        Resource::Memory => "anonymous + swap".into(),
        Resource::Heap => "live heap".into(),
        other => other.to_string(),
    }
}

/// One leak in few words; with the step that it goes with, if that is wanted and one is all there is.
fn leak_phrase(finding: &Finding, with_step: bool) -> String {
    let growth = finding.growth.map_or("growth".into(), |g| rate_with_bounds(finding.resource, finding.axis, &g));
    let judged = finding.workers.iter().filter(|w| w.worker.is_some() && w.growth.is_some()).count();
    let leaking = finding.workers.iter().filter(|w| w.worker.is_some() && w.leaks).count();
    let workers = match (leaking, judged) {
        (_, 0) => String::new(),
        (0, n) => format!(", {n} workers together"),
        (k, n) => format!(", {k} of {n} workers"),
    };
    let kind = leaking_parts(finding).first().copied().filter(|_| finding.resource != Resource::Memory);
    let kind = kind.map_or(String::new(), |part| format!(" ({})", part.name));
    let step = steps::in_short(finding).filter(|_| with_step).map_or(String::new(), |told| format!(": {told}"));
    format!("LEAK  {growth}, {}{kind}{workers}{step}", metric(finding.resource))
}

fn clean_phrase(finding: &Finding) -> String {
    let upper =
        finding.growth.map_or(String::new(), |g| format!("at most {}", rate(finding.resource, finding.axis, g.upper)));
    let class = match finding.class {
        LeakClass::WarmUp => ", it grew at first and settled",
        LeakClass::HighWaterMark => ", a high-water mark in jumps",
        LeakClass::CopyOnWrite => ", inherited pages were un-shared",
        LeakClass::Sawtooth => ", it rises and falls",
        LeakClass::WithinBudget => ", it grows within the budget",
        _ => "",
    };
    let budget = rate(finding.resource, finding.axis, finding.budget);
    format!("CLEAN  {upper}, {}{class} (budget {budget})", metric(finding.resource))
}

fn open_phrase(record: &RunRecord, findings: &[Finding], gates: &[Gate]) -> String {
    let why = if let Some(finding) = findings.iter().find(|f| f.outcome == Outcome::Inconclusive) {
        format!("{}: {}", metric(finding.resource), finding.reason)
    } else if findings.is_empty() {
        "no resource has a budget, so that nothing was judged".into()
    } else if let Some(gate) = gates.iter().find(|g| g.state == GateState::Unknown) {
        format!("{} could not be measured", gate.name)
    } else if record.meta.status != RunStatus::Complete {
        "the run didn't come to its planned end".into()
    } else {
        "a gate is broken".into()
    };
    format!("INCONCLUSIVE  {why}")
}

#[cfg(test)]
mod tests {
    use super::super::test_record::{END, clean, event, leaking, record, worker};
    use super::*;
    use crate::model::ExitCause;

    #[test]
    fn nothing_grows() {
        let verdict = judge(&clean());
        assert_eq!((verdict.outcome, verdict.exit), (Outcome::Clean, ExitCode::Clean), "{verdict:#?}");
        assert!(verdict.sentence.starts_with("CLEAN  at most "), "{}", verdict.sentence);
        assert!(verdict.gates.iter().all(|g| g.state == GateState::Pass), "{:#?}", verdict.gates);
    }

    #[test]
    fn memory_leaks() {
        let verdict = judge(&leaking());
        assert_eq!((verdict.outcome, verdict.exit), (Outcome::Leak, ExitCode::Leak), "{verdict:#?}");
        assert_eq!(verdict.findings[0].class, LeakClass::Leak);
        assert!(verdict.sentence.starts_with("LEAK  4 KiB/request"), "{}", verdict.sentence);
        assert!(verdict.sentence.ends_with("anonymous + swap, 2 of 2 workers"), "{}", verdict.sentence);
    }

    #[test]
    fn descriptors_leak_while_memory_is_flat() {
        let verdict = judge(&record(|_| 50 << 20, |served| 12 + served / 4));
        assert_eq!(verdict.exit, ExitCode::Leak);
        assert_eq!(verdict.findings[0].outcome, Outcome::Clean);
        assert_eq!(verdict.findings[1].outcome, Outcome::Leak);
        assert!(verdict.sentence.contains("descriptors"), "{}", verdict.sentence);
    }

    #[test]
    fn a_workload_that_fails_is_never_clean() {
        let mut run = clean();
        let summary = run.meta.workload.as_mut().expect("a summary");
        (summary.ok, summary.failed) = (1000, 1000);
        let verdict = judge(&run);
        assert_eq!((verdict.outcome, verdict.exit), (Outcome::Inconclusive, ExitCode::Workload));
        assert!(verdict.sentence.contains("error rate 50 %"), "{}", verdict.sentence);
        assert_eq!(verdict.findings[0].outcome, Outcome::Clean, "the finding itself is still shown");
    }

    #[test]
    fn a_latency_gate_that_was_not_measured_is_unknown() {
        let mut run = clean();
        run.meta.gates.p95 = Some(0.5);
        run.meta.workload.as_mut().expect("a summary").latency.clear();
        let verdict = judge(&run);
        assert_eq!((verdict.outcome, verdict.exit), (Outcome::Inconclusive, ExitCode::Inconclusive));
        assert!(verdict.sentence.contains("latency p95 could not be measured"), "{}", verdict.sentence);
    }

    #[test]
    fn a_latency_gate_that_is_broken_fails_the_workload() {
        let mut run = clean();
        run.meta.gates.p99 = Some(0.001);
        assert_eq!(judge(&run).exit, ExitCode::Workload);
    }

    #[test]
    fn crashed_workers_are_never_clean_and_never_a_leak() {
        let crash = EventKind::Exited { worker: worker(1), cause: Some(ExitCause::Signal(11)), stopping: false };
        let mut run = clean();
        run.events.insert(2, event(50.0, crash.clone()));
        let verdict = judge(&run);
        assert_eq!((verdict.outcome, verdict.exit), (Outcome::Inconclusive, ExitCode::Target));
        assert!(
            verdict.sentence.contains("1 ended unexpectedly, the first PID 1 by signal 11"),
            "{}",
            verdict.sentence
        );
        let mut run = leaking();
        run.events.insert(2, event(50.0, crash));
        assert_eq!(judge(&run).exit, ExitCode::Leak);
    }

    #[test]
    fn workers_that_end_while_the_target_stops_are_no_deaths() {
        let mut run = clean();
        let exited = EventKind::Exited { worker: worker(1), cause: Some(ExitCause::Signal(9)), stopping: true };
        run.events.push(event(END + 1.0, exited));
        assert_eq!(judge(&run).exit, ExitCode::Clean);
    }

    #[test]
    fn a_target_that_fails_beats_a_leak() {
        for kind in [
            EventKind::TargetDied { cause: Some(ExitCause::Code(1)) },
            EventKind::MemoryLimit { limit: 1 << 30, kills: 1 },
        ] {
            let mut run = leaking();
            run.meta.status = RunStatus::Aborted;
            run.events.push(event(END, kind));
            let verdict = judge(&run);
            assert_eq!((verdict.outcome, verdict.exit), (Outcome::Leak, ExitCode::Target));
            assert!(verdict.sentence.starts_with("TARGET FAILED  "), "{}", verdict.sentence);
        }
    }

    #[test]
    fn an_interrupted_run_says_so() {
        for signal in [2, 15] {
            let mut run = clean();
            run.meta.status = RunStatus::Aborted;
            run.meta.failure = Some(Failure::Interrupted(signal));
            run.events.push(event(60.0, EventKind::Interrupted { signal }));
            let verdict = judge(&run);
            assert_eq!((verdict.outcome, verdict.exit.code()), (Outcome::Inconclusive, 128 + signal as u8));
        }
    }

    #[test]
    fn an_unfinished_run_is_never_clean() {
        for status in [RunStatus::Running, RunStatus::Aborted] {
            let mut run = clean();
            run.meta.status = status;
            assert_eq!(judge(&run).exit, ExitCode::Inconclusive);
        }
    }

    #[test]
    fn what_could_not_be_read_fails_closed() {
        let mut run = clean();
        run.samples.iter_mut().for_each(|s| s.swap = None);
        let verdict = judge(&run);
        assert_eq!((verdict.findings[0].outcome, verdict.exit), (Outcome::Inconclusive, ExitCode::Inconclusive));
        assert!(verdict.findings[0].reason.contains("could not be read"), "{}", verdict.findings[0].reason);
        run.samples.clear();
        assert_eq!(judge(&run).exit, ExitCode::Inconclusive);
        run.meta.budgets = Default::default();
        assert_eq!(judge(&run).exit, ExitCode::Inconclusive);
    }

    #[test]
    fn growth_that_no_request_explains_is_not_judged() {
        let mut run = leaking();
        run.meta.counting.per_worker = false;
        run.samples.iter_mut().for_each(|s| s.requests = None);
        run.host.iter_mut().for_each(|h| h.requests = None);
        run.load.clear();
        let verdict = judge(&run);
        assert_eq!(verdict.exit, ExitCode::Inconclusive);
        assert!(verdict.sentence.contains("no requests were counted"), "{}", verdict.sentence);
        assert!(verdict.findings[0].settle.is_some());
    }
}
