//! Leaks that are known and accepted, in `verdict.json`.

use super::{OutcomeWord, finite};
use crate::answer::{Remainder, Verdict};
use crate::model::{Acceptability, Accepted, AcceptedSite, Resource, RunRecord};
use crate::words;
use schemars::JsonSchema;
use serde::Serialize;

/// How the leaks of the run stand to those of a baseline that are accepted.
#[derive(Serialize, JsonSchema)]
pub(super) struct AcceptedPart {
    /// Name of the baseline's run directory.
    baseline: String,
    /// The last day on which its leaks are accepted, in UTC.
    until: String,
    /// Why they are.
    reason: String,
    /// Whether that day was over.
    over: bool,
    /// Leak by leak.
    leaks: Vec<AcceptedLeakPart>,
}

/// A leak beside what is accepted of it.
#[derive(Serialize, JsonSchema)]
struct AcceptedLeakPart {
    resource: Resource,
    state: Acceptability,
    /// Growth in the baseline, in the unit of the finding; null if no such leak is known there.
    known: Option<f64>,
    /// The least by which it is more than in the baseline, at 99 %.
    more_at_least: Option<f64>,
    /// The most.
    more_at_most: Option<f64>,
}

impl From<&Accepted> for AcceptedPart {
    fn from(accepted: &Accepted) -> Self {
        let leaks = accepted.leaks.iter().map(|leak| AcceptedLeakPart {
            resource: leak.resource,
            state: leak.state,
            known: leak.known.and_then(finite),
            more_at_least: leak.more.and_then(|more| finite(more.0)),
            more_at_most: leak.more.and_then(|more| finite(more.1)),
        });
        AcceptedPart {
            baseline: accepted.baseline.clone(),
            until: accepted.until.clone(),
            reason: accepted.reason.clone(),
            over: accepted.over,
            leaks: leaks.collect(),
        }
    }
}

/// Call sites whose leaks are accepted, and what the run leaks beside them.
#[derive(Serialize, JsonSchema)]
pub(super) struct AcceptedSitesPart {
    /// As the harness file says.
    sites: Vec<AcceptedSitePart>,
    /// What is left of each leak of memory without what they keep; empty if nothing leaks, or all days are over.
    remainders: Vec<RemainderPart>,
}

/// Call sites whose leaks are accepted.
#[derive(Serialize, JsonSchema)]
struct AcceptedSitePart {
    /// Which, with `*` for any text.
    site: String,
    /// The last day on which they are accepted, in UTC.
    until: String,
    /// Why they are.
    reason: String,
    /// Whether that day was over when the run began.
    over: bool,
    /// What is meant of `call_sites` and proven to grow, by name.
    growing: Vec<String>,
}

/// What is left of a leak.
#[derive(Serialize, JsonSchema)]
struct RemainderPart {
    resource: Resource,
    /// `leak`, `clean` (within the budget) or `inconclusive`; null if it couldn't be told.
    verdict: Option<OutcomeWord>,
    /// Its growth at least, in the unit of the finding; null if it isn't known.
    at_least: Option<f64>,
    /// Its growth at most.
    at_most: Option<f64>,
    /// Why it couldn't be told; null if it could.
    untold: Option<String>,
}

impl AcceptedSitesPart {
    pub(super) fn new(record: &RunRecord, verdict: &Verdict) -> Option<Self> {
        let accepted = &record.meta.accepted_sites;
        let growing = |accepted: &AcceptedSite| {
            let sites = verdict.call_sites.iter().flat_map(words::sites::growing);
            sites.filter(|site| accepted.means(&site.frame)).map(|site| words::sites::name(&site.frame)).collect()
        };
        let site = |one: &AcceptedSite| AcceptedSitePart {
            site: one.site.clone(),
            until: one.until.clone(),
            reason: one.reason.clone(),
            over: one.is_over(&record.meta.started),
            growing: growing(one),
        };
        (!accepted.is_empty()).then(|| AcceptedSitesPart {
            sites: accepted.iter().map(site).collect(),
            remainders: verdict.remainders.iter().map(RemainderPart::from).collect(),
        })
    }
}

impl From<&Remainder> for RemainderPart {
    fn from(one: &Remainder) -> Self {
        let found = one.found.as_ref().ok();
        let growth = found.and_then(|found| found.growth);
        RemainderPart {
            resource: one.resource,
            verdict: found.map(|found| found.outcome.into()),
            at_least: growth.and_then(|growth| finite(growth.lower)),
            at_most: growth.and_then(|growth| finite(growth.upper)),
            untold: one.found.as_ref().err().map(|why| words::untold(*why).to_owned()),
        }
    }
}
