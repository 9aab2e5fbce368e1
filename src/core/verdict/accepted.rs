//! What a run exits with whose leaks are known and accepted.

use super::{ExitCode, Finding, Gate, GateKind, GateState, Outcome, RULE};
use crate::model::{Acceptability, Accepted, Resource, RunRecord, RunStatus};

/// What a leak exits with, if the run was held against leaks that are accepted; `failed` is what it would exit with without them if
/// something else is open or broken. Whatever isn't accepted beyond doubt stays what it is.
pub(super) fn exit(
    record: &RunRecord,
    findings: &[Finding],
    gates: &[Gate],
    failed: impl FnOnce() -> ExitCode,
) -> ExitCode {
    let leaks = || findings.iter().filter(|finding| finding.outcome == Outcome::Leak);
    let Some(accepted) = record.meta.accepted.as_ref().filter(|accepted| accepted.rule == RULE) else {
        return ExitCode::Leak;
    };
    let is = |resource: Resource, state| is(accepted, resource, state);
    if leaks().any(|finding| is(finding.resource, Acceptability::Worse)) {
        return ExitCode::Worse;
    }
    let known = |resource| is(resource, Acceptability::NoWorse) || is(resource, Acceptability::Open);
    if accepted.over || !leaks().all(|finding| known(finding.resource)) {
        return ExitCode::Leak;
    }
    let leaking = |resource| leaks().any(|finding| finding.resource == resource);
    let others_pass = gates.iter().all(|gate| match gate.kind {
        GateKind::Growth { resource, .. } if leaking(resource) => true,
        _ => gate.state == GateState::Pass,
    });
    let complete = record.meta.status == RunStatus::Complete;
    if complete && others_pass && leaks().all(|finding| is(finding.resource, Acceptability::NoWorse)) {
        ExitCode::Accepted
    } else {
        failed()
    }
}

fn is(accepted: &Accepted, resource: Resource, state: Acceptability) -> bool {
    accepted.leaks.iter().any(|leak| leak.resource == resource && leak.state == state)
}
