//! Leaks that are known and accepted, in words.

use crate::model::{Acceptability, Accepted, Axis, Resource, RunRecord, amount, rate};
use crate::verdict::{ExitCode, Verdict};

/// What stands behind LEAKS in the first sentence of a run whose leaks are accepted.
pub(super) fn clause(record: &RunRecord, verdict: &Verdict) -> String {
    match &record.meta.accepted {
        Some(accepted) if verdict.exit == ExitCode::Accepted => format!(", which is accepted until {}", accepted.until),
        _ => String::new(),
    }
}

/// How the leaks of a run stand to those that are accepted, a whole sentence each, and why they are.
pub fn sentences(record: &RunRecord, verdict: &Verdict) -> Vec<String> {
    let Some(accepted) = &record.meta.accepted else { return Vec::new() };
    if accepted.rule != crate::verdict::RULE {
        return Vec::new();
    }
    let mut out: Vec<String> =
        verdict.findings.iter().filter_map(|finding| state(accepted, finding.resource, finding.axis)).collect();
    let (reason, until) = (accepted.reason.trim_end_matches('.'), &accepted.until);
    if accepted.leaks.iter().all(|leak| leak.state == Acceptability::Unknown) {
        return out;
    }
    out.push(match accepted.over {
        true => format!("It was accepted until {until} ({reason}); that is over."),
        false => format!("What is accepted until {until}: {reason}."),
    });
    out
}

fn state(accepted: &Accepted, resource: Resource, axis: Axis) -> Option<String> {
    let leak = accepted.leaks.iter().find(|leak| leak.resource == resource)?;
    let growth = |value: f64| rate(resource, axis, value);
    let known = leak.known.map_or_else(String::new, growth);
    let baseline = &accepted.baseline;
    let between = leak.more.map_or_else(
        || "that could not be told".into(),
        |(least, most)| format!("the difference is {} to {}", amount(resource, least), amount(resource, most)),
    );
    Some(match leak.state {
        Acceptability::NoWorse => {
            format!("Growth of {resource} is not proven to be worse than the {known} in {baseline}: {between}.")
        }
        Acceptability::Worse => format!("Growth of {resource} is worse than the {known} in {baseline}: {between}."),
        Acceptability::Open => {
            format!("Growth of {resource} may be twice the {known} in {baseline}: {between}; a longer run tells.")
        }
        Acceptability::Unknown => {
            format!("No leak of {resource}, measured as here, is known from {baseline}: it is not accepted.")
        }
    })
}
