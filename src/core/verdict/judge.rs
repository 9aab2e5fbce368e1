//! The whole run: findings, gates, what is said first, and one exit code.
//!
//! Always: a leak beats an inconclusive finding; a run that failed, was interrupted or isn't finished is never clean;
//! what couldn't be measured is unknown and fails closed.

use super::accepted;
use super::gates::{resource_gate, workload_gates};
use super::notes;
use super::target::{account, births, brief, counted, counts, cpu_time, java, runtime, silent, unseen, whole};
use crate::answer::{
    CallSites, Claim, Crashes, Doubt, ExitCode, Finding, Gate, GateKind, GateState, LeakClass, LimitHit, Note, Open,
    Outcome, ReadingNote, Reason, Settle, Verdict,
};
use crate::model::{Axis, EventKind, ExitCause, Failure, Resource, RunRecord, RunStatus, Sample};
use crate::places::held::held;
use crate::places::{is_shown, places};
use crate::readings::kinds::Readings;
use crate::readings::mix::Mix;
use crate::readings::neighbours::neighbours;
use crate::readings::series;
use crate::readings::series::readings;
use crate::rule::assess::Demands;
use crate::rule::finding::least_jump;
use crate::rule::forecast::forecast;
use crate::rule::parts::parts;
use crate::rule::reached::reached;
use crate::rule::step_down::{Candidate, step_down};
use crate::rule::{pages, steps, youth};
use crate::sites::{Workers, call_sites, remainders};
use crate::thresholds::scale::MOST;

/// Judges a target, or a service: every resource with a budget, and every gate.
pub(super) fn judge(record: &RunRecord) -> Verdict {
    let mix = Mix::new(record);
    let (judged, readings) = judged(record, mix.as_ref());
    let mut findings = findings_of(record, &judged, Demands::at_the_end());
    for (finding, one) in findings.iter_mut().zip(&judged) {
        if finding.outcome == Outcome::Leak {
            finding.parts = parts(record, one.resource);
        }
        finding.places = places(record, finding, &one.series);
        finding.held = held(record, finding, &one.series);
        let least = least_jump(one.resource, one.resource.quantum(record.page()));
        finding.reached = reached(record, finding, &one.series, least);
        steps::tell(mix.as_ref(), one, finding, record.page());
        // What the live heap grows by is a part of memory, whose limits are foretold.
        if one.resource != Resource::Heap {
            finding.forecast = forecast(record, finding, &one.series);
        }
    }
    pages::explain(record, &mut findings);
    let doubts = doubts(record, &judged, &findings);
    if !doubts.is_empty() || record.meta.has_failed() {
        // A longer run would be wrong in the same way.
        findings.iter_mut().for_each(|finding| finding.settle = None);
    }
    let failures = Failures::of(record);
    let gates = gates(record, &findings, &doubts, &failures);
    let answer = answer(&findings, &gates, record.meta.status);
    let call_sites = who_keeps_memory(record, &judged, &findings, mix.as_ref());
    let remainders = remainders(record, &judged, &findings, call_sites.as_ref());
    let exit = match exit(record, answer, &gates, &failures) {
        ExitCode::Leak => accepted::exit(record, &findings, &remainders, &gates, || {
            exit(record, Outcome::Inconclusive, &gates, &failures)
        }),
        exit => exit,
    };
    let outcome = if exit == ExitCode::Clean || answer != Outcome::Clean { answer } else { Outcome::Inconclusive };
    let claims = claims(record, &findings, &gates, &failures, outcome, doubts.first());
    let mut notes: Vec<Note> = doubts.into_iter().map(Note::Doubt).collect();
    notes.extend(readings.into_iter().map(Note::Readings));
    notes.extend(notes::leaking(record, &findings));
    if let Some(memory) = findings.iter().find(|f| f.resource == Resource::Memory && is_shown(f)) {
        notes.extend(java::note(record, memory));
        notes.extend(runtime::next_step(record, memory));
    }
    let told = notes.iter().any(|note| matches!(note, Note::Doubt(Doubt::MemoryFilesGrew { .. })));
    if !told && !shows_shared(record, &findings) {
        notes.extend(notes::shared_elsewhere(record));
    }
    notes.extend(notes::recorded(record));
    notes.extend(failures.doubt_library(record).then_some(Note::Library));
    if record.meta.has_failed() {
        // Nor is there to say how the rest of it was measured.
        notes.retain(|note| matches!(note, Note::Recorded(_) | Note::Unreadable(_) | Note::Library));
    }
    if call_sites.is_none() && !record.heap.looks.is_empty() {
        notes.push(Note::SeldomLooked);
    }
    let whole_target = account::whole_target(record);
    let cpu_time = cpu_time::cpu_time(record).filter(|_| !record.meta.has_failed());
    let counted = if record.meta.has_failed() { Vec::new() } else { counted::counted(record) };
    Verdict {
        outcome,
        exit,
        claims,
        gates,
        findings,
        whole_target,
        cpu_time,
        counted,
        neighbours: neighbours(record),
        call_sites,
        remainders,
        notes,
        services: Vec::new(),
    }
}

/// What speaks against a pass though each finding may be clean.
fn doubts(record: &RunRecord, judged: &[Candidate], findings: &[Finding]) -> Vec<Doubt> {
    if record.meta.has_failed() {
        // The cause is what there is to say.
        return Vec::new();
    }
    let table = record.meta.understood.iter().flat_map(|table| table.doubts.iter().cloned().map(Doubt::Table));
    let born = findings.iter().zip(judged).filter_map(|(finding, one)| births::doubt(record, finding, &one.series));
    let brief = findings.iter().zip(judged).filter_map(|(finding, one)| brief::doubt(record, finding, one));
    let unseen = findings.iter().zip(judged).filter_map(|(finding, one)| unseen::doubt(record, finding, one));
    let of_memory = |f: &&Finding| matches!(f.resource, Resource::Memory | Resource::Rest | Resource::Processes);
    let within = findings.iter().filter(of_memory).all(|finding| finding.outcome == Outcome::Clean);
    let accounts = whole::doubts(record, within, shows_shared(record, findings))
        .into_iter()
        .chain(counts::doubts(record))
        .chain(counts::idle(record))
        .chain(java::doubt(record))
        .chain(silent::doubts(record));
    table.chain(born).chain(brief).chain(unseen).chain(accounts).collect()
}

/// Whether growth of shared memory would be seen, or is: where files on tmpfs are judged, all files in memory are among them.
fn shows_shared(record: &RunRecord, findings: &[Finding]) -> bool {
    let of_shared = |f: &Finding| f.resource == Resource::Shared && is_shown(f);
    record.budget(Resource::Tmpfs).is_some() || findings.iter().any(of_shared)
}

/// Everything that had to hold.
fn gates(record: &RunRecord, findings: &[Finding], doubts: &[Doubt], failures: &Failures) -> Vec<Gate> {
    let open = |doubt: &Doubt| Gate { kind: GateKind::Doubt(doubt.clone()), state: GateState::Unknown };
    let deaths = if failures.crashes.is_some() { GateState::Fail } else { GateState::Pass };
    let limit = failures.limit.map(|hit| Gate { kind: GateKind::MemoryLimit(hit), state: GateState::Fail });
    let mut gates: Vec<Gate> = findings.iter().map(resource_gate).collect();
    gates.extend(workload_gates(record));
    gates.extend(doubts.iter().map(open));
    // A table can't show how a process ended.
    if record.meta.understood.is_none() {
        gates.push(Gate { kind: GateKind::Deaths(failures.crashes), state: deaths });
    }
    gates.extend(limit);
    gates
}

/// What to exit with.
fn exit(record: &RunRecord, answer: Outcome, gates: &[Gate], failures: &Failures) -> ExitCode {
    let failure = record.meta.failure;
    let target_failed = failures.died.is_some() || failures.limit.is_some() || failure == Some(Failure::Target);
    let failed_workload = gates.iter().any(Gate::fails_workload) || failure == Some(Failure::Workload);
    match answer {
        _ if failures.interrupted.is_some() => ExitCode::Interrupted(failures.interrupted.unwrap_or_default()),
        // What was seen until then proves a leak all the same; it can't prove that there is none.
        Outcome::Clean | Outcome::Inconclusive if failure == Some(Failure::Recording) => ExitCode::Failure,
        _ if failure == Some(Failure::Setup) => ExitCode::Config,
        _ if target_failed => ExitCode::Target,
        Outcome::Leak => ExitCode::Leak,
        _ if failures.crashes.is_some() => ExitCode::Target,
        _ if failed_workload => ExitCode::Workload,
        Outcome::Clean => ExitCode::Clean,
        Outcome::Inconclusive => ExitCode::Inconclusive,
    }
}

/// The call sites, if allocations were traced.
fn who_keeps_memory(
    record: &RunRecord,
    judged: &[Candidate],
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

/// Every resource with a budget, and what the reader should know of its readings.
fn judged(record: &RunRecord, mix: Option<&Mix>) -> (Vec<Candidate>, Vec<ReadingNote>) {
    let mut notes = Vec::new();
    let mut judged = Vec::new();
    for resource in record.meta.budgets.resources() {
        let Some(budget) = record.budget(resource) else { continue };
        let Readings { axis, series, notes: told } = readings(record, resource, mix);
        notes.extend(told);
        let heavy = if resource == Resource::Processes { account::heavy(record) } else { None };
        let budget = heavy.unwrap_or(budget).min(budget);
        judged.push(Candidate { resource, axis: axis.unwrap_or(Axis::Seconds), series, budget });
    }
    (judged, notes)
}

/// What can be said of each resource with a budget, as sure as is demanded.
pub(super) fn findings(record: &RunRecord, demands: Demands) -> Vec<Finding> {
    let (judged, _) = judged(record, Mix::new(record).as_ref());
    findings_of(record, &judged, demands)
}

/// The same, and whether something else speaks against a pass.
pub(super) fn findings_in_doubt(record: &RunRecord, demands: Demands) -> (Vec<Finding>, bool) {
    let (judged, _) = judged(record, Mix::new(record).as_ref());
    let findings = findings_of(record, &judged, demands);
    let in_doubt = !doubts(record, &judged, &findings).is_empty();
    (findings, in_doubt)
}

fn findings_of(record: &RunRecord, judged: &[Candidate], demands: Demands) -> Vec<Finding> {
    let mut findings = step_down(judged, record.page(), demands);
    youth::outlasted(record, judged, &mut findings, demands);
    for (finding, one) in findings.iter_mut().zip(judged) {
        if one.axis == Axis::Seconds && !one.series.is_empty() {
            without_requests(finding);
        }
        births::judge(record, finding, &one.series);
        silent::judge(record, finding);
    }
    findings
}

/// Budgets are per request: growth per second is shown, but can't be judged by them.
fn without_requests(finding: &mut Finding) {
    finding.outcome = Outcome::Inconclusive;
    finding.class = LeakClass::Unknown;
    finding.workers.iter_mut().for_each(|w| w.leaks = false);
    finding.reason = Reason::NoRequests;
    finding.settle = Some(Settle::CountRequests);
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
struct Failures {
    /// Workers that crashed.
    crashes: Option<Crashes>,
    /// How the first process ended, if it did; the cause is missing where it isn't known.
    died: Option<Option<ExitCause>>,
    /// The limit that was hit.
    limit: Option<LimitHit>,
    /// The signal that interrupted the harness, which is no fault of the target's.
    interrupted: Option<i32>,
    /// Whether the target had the preload library in it.
    library: bool,
}

impl Failures {
    fn of(record: &RunRecord) -> Self {
        let interrupted = match record.meta.failure {
            Some(Failure::Interrupted(signal)) => Some(signal),
            _ => None,
        };
        let library = record.meta.config["heap"]["mode"] == "preload";
        let mut out = Failures { interrupted, library, ..Failures::default() };
        for event in &record.events {
            match &event.kind {
                EventKind::Exited { worker, cause: Some(cause), stopping: false } if cause.is_abnormal() => {
                    let first = Crashes { count: 0, first: *worker, cause: *cause, library };
                    out.crashes.get_or_insert(first).count += 1;
                }
                EventKind::TargetDied { cause } => out.died = Some(*cause),
                EventKind::MemoryLimit { limit, kills } => {
                    let most = out.limit.map_or(0, |hit| hit.kills);
                    out.limit = Some(LimitHit { limit: *limit, kills: (*kills).max(most) });
                }
                _ => {}
            }
        }
        if out.limit.is_none() && (out.died.is_some() || out.crashes.is_some()) {
            out.limit = near_rlimit(record);
        }
        out
    }

    /// Whether something failed that the preload library may be to blame for.
    fn doubt_library(&self, record: &RunRecord) -> bool {
        let refused = record.meta.failure == Some(Failure::Target) && self.limit.is_none();
        self.library && (refused || self.died.is_some() || self.crashes.is_some())
    }
}

/// An rlimit tells no one when it is hit: allocations just fail. A worker that had come near it is taken to have hit it.
fn near_rlimit(record: &RunRecord) -> Option<LimitHit> {
    let limit =
        record.meta.target.memory_limit.filter(|_| record.meta.target.limited_by.as_deref() == Some("rlimit"))?;
    let largest = record.samples.iter().filter_map(Sample::anon_and_swap).max()?;
    (largest as f64 >= MOST.get() * limit as f64).then_some(LimitHit { limit, kills: 1 })
}

/// What the verdict says first, the most urgent at the begin.
fn claims(
    record: &RunRecord,
    findings: &[Finding],
    gates: &[Gate],
    failures: &Failures,
    outcome: Outcome,
    doubt: Option<&Doubt>,
) -> Vec<Claim> {
    let mut claims = Vec::new();
    if let Some(signal) = failures.interrupted {
        claims.push(Claim::Interrupted(signal));
    } else if let Some(hit) =
        failures.limit.filter(|_| failures.died.is_none_or(|cause| cause == Some(ExitCause::KILLED)))
    {
        claims.push(Claim::MemoryLimit(hit));
    } else if let Some(cause) = failures.died {
        claims.push(Claim::TargetDied { cause, library: failures.library });
    } else if record.meta.has_failed() {
        claims.push(Claim::Open(Open::Unfinished));
    }
    let says_why = !claims.is_empty();
    // What the live heap grows by, memory does too: it is said once.
    let leaks = |resource| findings.iter().any(|f| f.resource == resource && f.outcome == Outcome::Leak);
    let untold = |f: &Finding| f.outcome == Outcome::Leak && (f.resource != Resource::Heap || !leaks(Resource::Memory));
    claims.extend(findings.iter().enumerate().filter(|(_, f)| untold(f)).map(|(place, _)| Claim::Leak(place)));
    // Whom the limit killed didn't crash beside.
    let crashed = failures.crashes.filter(|crashes| failures.limit.is_none() || crashes.cause != ExitCause::KILLED);
    claims.extend(crashed.map(Claim::Crashed));
    if !says_why {
        claims.extend((0..gates.len()).filter(|place| gates[*place].fails_workload()).map(Claim::WorkloadFailed));
    }
    match outcome {
        Outcome::Clean => claims.push(Claim::Clean(0)),
        Outcome::Inconclusive if claims.is_empty() => {
            claims.push(Claim::Open(open(record, findings, gates, doubt)));
        }
        Outcome::Inconclusive | Outcome::Leak => {}
    }
    claims
}

/// Why a run is open.
fn open(record: &RunRecord, findings: &[Finding], gates: &[Gate], doubt: Option<&Doubt>) -> Open {
    if let Some(doubt) = doubt {
        Open::Doubt(doubt.clone())
    } else if let Some(place) = findings.iter().position(|f| f.outcome == Outcome::Inconclusive) {
        Open::Finding(place)
    } else if findings.is_empty() {
        Open::NothingJudged
    } else if let Some(place) = gates.iter().position(|g| g.state == GateState::Unknown) {
        Open::Gate(place)
    } else if record.meta.status != RunStatus::Complete {
        Open::Unfinished
    } else {
        Open::Broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{END, clean, event, leaking, record, told, worker};
    use crate::model::ExitCause;

    #[test]
    fn nothing_grows() {
        let verdict = judge(&clean());
        assert_eq!((verdict.outcome, verdict.exit), (Outcome::Clean, ExitCode::Clean), "{verdict:#?}");
        assert_eq!(verdict.claims, [Claim::Clean(0)]);
        assert!(verdict.gates.iter().all(|g| g.state == GateState::Pass), "{:#?}", verdict.gates);
    }

    #[test]
    fn memory_leaks() {
        let verdict = judge(&leaking());
        assert_eq!((verdict.outcome, verdict.exit), (Outcome::Leak, ExitCode::Leak), "{verdict:#?}");
        assert_eq!(verdict.findings[0].class, LeakClass::Leak);
        assert_eq!(verdict.claims, [Claim::Leak(0)]);
        let told = told(&leaking());
        assert!(
            told.starts_with(
                "t LEAKS: each request leaves 4 KiB in the worker that serves it (allowed: 64 B); both workers leak"
            ),
            "{told}"
        );
    }

    #[test]
    fn descriptors_leak_while_memory_is_flat() {
        let verdict = judge(&record(|_| 50 << 20, |served| 12 + served / 4));
        assert_eq!(verdict.exit, ExitCode::Leak);
        assert_eq!(verdict.findings[0].outcome, Outcome::Clean);
        assert_eq!(verdict.findings[1].outcome, Outcome::Leak);
        assert_eq!(verdict.claims, [Claim::Leak(1)]);
    }

    #[test]
    fn a_workload_that_fails_is_never_clean() {
        let mut run = clean();
        let summary = run.meta.workload.as_mut().expect("a summary");
        (summary.ok, summary.failed) = (1000, 1000);
        let verdict = judge(&run);
        assert_eq!((verdict.outcome, verdict.exit), (Outcome::Inconclusive, ExitCode::Workload));
        assert!(told(&run).contains("error rate is 50 %, at most 1 % is allowed"), "{}", told(&run));
        assert_eq!(verdict.findings[0].outcome, Outcome::Clean, "the finding itself is still shown");
    }

    #[test]
    fn a_latency_gate_that_was_not_measured_is_unknown() {
        let mut run = clean();
        run.meta.gates.p95 = Some(0.5);
        run.meta.workload.as_mut().expect("a summary").latency.clear();
        let verdict = judge(&run);
        assert_eq!((verdict.outcome, verdict.exit), (Outcome::Inconclusive, ExitCode::Inconclusive));
        assert!(told(&run).contains("latency p95 could not be measured"), "{}", told(&run));
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
        let words = "CRASHES: 1 of its workers ended unexpectedly, the first PID 1 by signal 11";
        assert!(told(&run).contains(words), "{}", told(&run));
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
            assert!(told(&run).starts_with("t FAILED: "), "{}", told(&run));
        }
    }

    #[test]
    fn a_target_that_is_killed_for_its_memory_limit_is_told_by_the_limit() {
        let mut run = clean();
        (run.meta.status, run.meta.failure) = (RunStatus::Aborted, Some(Failure::Target));
        let killed = Some(ExitCause::KILLED);
        run.events.push(event(END, EventKind::Exited { worker: worker(1), cause: killed, stopping: false }));
        run.events.push(event(END, EventKind::MemoryLimit { limit: 1 << 30, kills: 1 }));
        run.events.push(event(END, EventKind::TargetDied { cause: killed }));
        assert_eq!(judge(&run).exit, ExitCode::Target);
        assert_eq!(told(&run), "t FAILED: it hit its memory limit of 1 GiB, and 1 of its processes was killed");
    }

    #[test]
    fn a_leak_that_could_not_be_recorded_to_its_end_is_one() {
        for (mut run, exit) in [(leaking(), ExitCode::Leak), (clean(), ExitCode::Failure)] {
            run.meta.status = RunStatus::Aborted;
            run.meta.failure = Some(Failure::Recording);
            assert_eq!(judge(&run).exit, exit);
            run.events.push(event(END, EventKind::TargetDied { cause: None }));
            let beside = if exit == ExitCode::Leak { ExitCode::Target } else { exit };
            assert_eq!(judge(&run).exit, beside, "as when all of it was recorded");
        }
        let mut open = leaking();
        open.meta.failure = Some(Failure::Recording);
        open.samples.clear();
        assert_eq!(judge(&open).exit, ExitCode::Failure);
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
            let first = crate::words::headline(&run, &verdict);
            let by = if signal == 2 { "Ctrl-C" } else { "SIGTERM" };
            assert!(first.to_string().ends_with(&format!(" was ENDED EARLY by {by}")), "{first}");
            assert!(first.says_why_it_ended, "it is said once");
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
        assert_eq!(verdict.findings[0].reason, Reason::NotRead);
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
        assert!(told(&run).contains("no requests were counted"), "{}", told(&run));
        assert_eq!(verdict.findings[0].settle, Some(Settle::CountRequests));
    }

    /// A run under the library, or not, in which this happened, if anything did.
    fn run(library: bool, happened: Option<EventKind>) -> RunRecord {
        let mut run = clean();
        run.meta.config = serde_json::json!({"heap": {"mode": if library { "preload" } else { "off" }}});
        run.events.extend(happened.map(|kind| event(50.0, kind)));
        run
    }

    fn is_doubted(run: &RunRecord) -> (bool, bool) {
        let noted = judge(run).notes.contains(&Note::Library);
        (told(run).contains("under the preload library of --heap"), noted)
    }

    #[test]
    fn a_failure_under_the_library_is_never_told_without_it() {
        let crash = EventKind::Exited { worker: worker(1), cause: Some(ExitCause::Signal(6)), stopping: false };
        let died = EventKind::TargetDied { cause: Some(ExitCause::Code(1)) };
        for kind in [crash, died] {
            assert_eq!(is_doubted(&run(true, Some(kind.clone()))), (true, true), "{kind:?}");
            assert_eq!(is_doubted(&run(false, Some(kind))), (false, false));
        }
        let mut refused = run(true, None);
        (refused.meta.status, refused.meta.failure) = (RunStatus::Aborted, Some(Failure::Target));
        assert!(is_doubted(&refused).1);
    }

    #[test]
    fn what_is_no_failure_of_the_target_is_not_laid_on_the_library() {
        assert_eq!(is_doubted(&run(true, None)), (false, false));
        let limit = EventKind::MemoryLimit { limit: 1 << 30, kills: 1 };
        assert_eq!(is_doubted(&run(true, Some(limit))), (false, false));
        let stopped = EventKind::Exited { worker: worker(1), cause: Some(ExitCause::Signal(9)), stopping: true };
        assert_eq!(is_doubted(&run(true, Some(stopped))), (false, false));
    }
}
