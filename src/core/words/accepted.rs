//! Leaks that are known and accepted, in words.

use super::kinds::{budget, growth};
use super::sites;
use crate::answer::{CallSites, ExitCode, Outcome, Remainder, Untold, Verdict};
use crate::model::{Acceptability, Accepted, AcceptedSite, Axis, Resource, RunRecord, amount, rate};
use crate::verdict::RULE;

/// What stands behind LEAKS in the first sentence of a run whose leaks are accepted.
pub(super) fn clause(record: &RunRecord, verdict: &Verdict) -> String {
    if verdict.exit != ExitCode::Accepted {
        return String::new();
    }
    let baseline = baseline(record).filter(|accepted| !accepted.over).map(|accepted| &accepted.until);
    let passes = verdict.remainders.iter().any(|one| one.is(Outcome::Clean));
    let sites = in_force(record).filter(|_| passes).map(|site| &site.until);
    let first = baseline.into_iter().chain(sites).min();
    first.map_or_else(String::new, |until| format!(", which is accepted until {until}"))
}

/// How the leaks of a run stand to those that are accepted, a whole sentence each, and why they are.
pub fn sentences(record: &RunRecord, verdict: &Verdict) -> Vec<String> {
    let mut out = baseline(record).map_or_else(Vec::new, |accepted| beside_baseline(accepted, verdict));
    for site in &record.meta.accepted_sites {
        out.extend(accepted_site(site, record, verdict));
    }
    out.extend(verdict.remainders.iter().map(remainder));
    out
}

fn baseline(record: &RunRecord) -> Option<&Accepted> {
    record.meta.accepted.as_ref().filter(|accepted| accepted.rule == RULE)
}

fn in_force(record: &RunRecord) -> impl Iterator<Item = &AcceptedSite> {
    record.meta.accepted_sites.iter().filter(|site| !site.is_over(&record.meta.started))
}

fn beside_baseline(accepted: &Accepted, verdict: &Verdict) -> Vec<String> {
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

/// What an accepted call site keeps; nothing of a run that wasn't judged that far.
fn accepted_site(accepted: &AcceptedSite, record: &RunRecord, verdict: &Verdict) -> Option<String> {
    let AcceptedSite { site, until, reason } = accepted;
    let reason = reason.trim_end_matches('.');
    let measured = verdict.call_sites.as_ref()?;
    let found = growing(accepted, measured);
    let over = accepted.is_over(&record.meta.started);
    Some(match (found.is_empty(), over) {
        (true, _) => {
            format!("No call site that is proven to grow is `{site}`, which is accepted until {until}: {reason}.")
        }
        (false, true) => {
            format!("{}, was accepted until {until} ({reason}); that is over.", found.join(" and "))
        }
        (false, false) => format!("What is accepted until {until}: {} ({reason}).", found.join(" and ")),
    })
}

/// The sites that grow and are meant, each with what it keeps.
fn growing(accepted: &AcceptedSite, measured: &CallSites) -> Vec<String> {
    let meant = sites::growing(measured).filter(|site| accepted.means(&site.frame));
    meant
        .map(|site| format!("{}, which keeps {}", sites::name(&site.frame), sites::growth(site, measured.axis)))
        .collect()
}

/// What is left of a leak without them.
fn remainder(one: &Remainder) -> String {
    let resource = one.resource;
    let found = match &one.found {
        Ok(found) => found,
        Err(why) => {
            return format!(
                "How much of the growth of {resource} that is can't be told: {}. So none of it is taken off.",
                untold(*why)
            );
        }
    };
    let rest =
        found.growth.as_ref().map_or_else(|| "too little is known".into(), |all| growth(resource, found.axis, all));
    let allowed = budget(found);
    match found.outcome {
        Outcome::Clean => format!("Beside that, growth of {resource} is within its budget: {rest}, allowed {allowed}."),
        Outcome::Leak => format!("Beside that, {resource} leaks: {rest}, allowed {allowed}."),
        Outcome::Inconclusive => format!(
            "Beside that, growth of {resource} isn't proven to be within its budget: {rest}, allowed {allowed}; a smaller \
             `heap.mean` or a longer soak tells."
        ),
    }
}

/// Why it couldn't be told what is left.
pub fn untold(why: Untold) -> &'static str {
    match why {
        Untold::Unproven => {
            "no call site that is accepted is proven to grow; where one should be, a smaller `heap.mean` or a longer soak tells"
        }
        Untold::SeldomLooked => "no worker was looked at often enough to tell the sites apart",
        Untold::NotCounted => "live allocations weren't counted all the time",
        Untold::Lost => "some allocations could not be noted",
        Untold::Coarser => {
            "allocations came too fast for `heap.mean`, so that samples were made fewer in mid-run; give a greater one"
        }
        Untold::Births => "the workers are born bigger, which no call site of theirs tells",
    }
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
