//! What a run exits with whose leaks are known and accepted.

use super::RULE;
use crate::answer::{ExitCode, Finding, Gate, GateKind, GateState, Outcome, Remainder};
use crate::model::{Acceptability, Resource, RunRecord, RunStatus};

/// What a leak exits with, if the run was held against leaks that are accepted, or call sites are accepted; `failed` is what it
/// would exit with without them if something else is open or broken. Whatever isn't accepted beyond doubt stays what it is.
pub(super) fn exit(
    record: &RunRecord,
    findings: &[Finding],
    remainders: &[Remainder],
    gates: &[Gate],
    failed: impl FnOnce() -> ExitCode,
) -> ExitCode {
    let leaks = || findings.iter().filter(|finding| finding.outcome == Outcome::Leak).map(|finding| finding.resource);
    let baseline = record.meta.accepted.as_ref().filter(|accepted| accepted.rule == RULE);
    let by_baseline = |resource: Resource, state| {
        baseline.is_some_and(|all| all.leaks.iter().any(|leak| leak.resource == resource && leak.state == state))
    };
    if leaks().any(|resource| by_baseline(resource, Acceptability::Worse)) {
        return ExitCode::Worse;
    }
    let in_force = baseline.is_some_and(|accepted| !accepted.over);
    let is = |resource: Resource, state, outcome| {
        let left = |one: &Remainder| one.resource == resource && one.is(outcome);
        in_force && by_baseline(resource, state) || remainders.iter().any(left)
    };
    let accepted = |resource| is(resource, Acceptability::NoWorse, Outcome::Clean);
    let open = |resource| is(resource, Acceptability::Open, Outcome::Inconclusive);
    if !leaks().all(|resource| accepted(resource) || open(resource)) {
        return ExitCode::Leak;
    }
    let leaking = |resource| leaks().any(|leak| leak == resource);
    let others_pass = gates.iter().all(|gate| match gate.kind {
        GateKind::Growth { resource, .. } if leaking(resource) => true,
        _ => gate.state == GateState::Pass,
    });
    let complete = record.meta.status == RunStatus::Complete;
    if complete && others_pass && leaks().all(accepted) { ExitCode::Accepted } else { failed() }
}
