//! What is said first: the name of the service, the verdict, what it costs, and who it comes from.

use super::{accepted, account, doubts, evidence, forecast, gates, places, reasons, sites, steps};
use crate::answer::{
    CallSites, Claim, Crashes, Finding, Interval, LeakClass, LimitHit, Open, Outcome, Reason, Verdict,
};
use crate::model::{
    Axis, Failure, Resource, RunRecord, WorkerId, amount, ended_by, format_bytes, format_count, level, rate,
};
use crate::rule::leaking_parts;
use std::fmt;

/// PIDs that are named; of more, so many.
const NAMED: usize = 4;
/// Requests of which one may be said to leave something behind.
const RARE: f64 = 1000.0;

/// The first lines of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// The name of what was run, with its verb: `quickstart`, `quickstart is`.
    pub name: String,
    /// The verdict, in capitals: `LEAKS`, `CLEAN`.
    pub word: &'static str,
    /// What it comes to, from the sign after the word to the full stop.
    pub rest: String,
    /// Who and what it comes from, and what follows from it; whole sentences.
    pub more: Vec<String>,
    /// Whether `rest` has the first line of why the run ended early.
    pub says_why_it_ended: bool,
}

/// The first sentence in one line, without its full stop.
impl fmt::Display for Headline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.name, self.word, self.rest.trim_end_matches('.'))
    }
}

/// A claim in words: the verb before the word, the word, and what follows it.
struct Told {
    verb: &'static str,
    word: &'static str,
    rest: String,
}

/// What is said first of a run.
pub fn headline(record: &RunRecord, verdict: &Verdict) -> Headline {
    let mut told = verdict.claims.iter().map(|claim| tell(claim, record, verdict));
    let first = told.next().unwrap_or_else(|| Told { verb: " is", word: "INCONCLUSIVE", rest: String::new() });
    let said = accepted::clause(record, verdict);
    let mut rest = first.rest;
    for other in told {
        let and = match other.word {
            "LEAKS" if first.word == "LEAKS" => {
                rest.push_str(&format!(
                    "; {}",
                    other.rest.strip_prefix(&said).unwrap_or(&other.rest).trim_start_matches(": ").trim_start()
                ));
                continue;
            }
            "LEAKS" => "it leaks: ".to_owned(),
            word => format!("{}: ", word.to_lowercase()),
        };
        rest.push_str(&format!("; {and}{}", other.rest.trim_start_matches(": ").trim_start()));
    }
    let name = if record.meta.name.is_empty() { "the target" } else { &record.meta.name };
    Headline {
        name: format!("{name}{}", first.verb),
        word: first.word,
        rest: format!("{rest}."),
        more: more(record, verdict),
        says_why_it_ended: match verdict.claims[..] {
            [Claim::Interrupted(_), ..] => true,
            [Claim::Open(Open::Unfinished), ..] => record.meta.aborted.is_some(),
            _ => false,
        },
    }
}

fn tell(claim: &Claim, record: &RunRecord, verdict: &Verdict) -> Told {
    let finding = |place: &usize| verdict.findings.get(*place);
    match claim {
        Claim::Interrupted(signal) => {
            Told { verb: " was", word: "ENDED EARLY", rest: format!(" by {}", ended_by(*signal)) }
        }
        Claim::TargetDied { cause, library } => {
            let how = cause.map_or("in an unknown way".to_owned(), |cause| format!("by {cause}"));
            Told { verb: "", word: "FAILED", rest: format!(": its first process ended {how}{}", aside(*library)) }
        }
        Claim::MemoryLimit(LimitHit { limit, kills }) => Told {
            verb: "",
            word: "FAILED",
            rest: format!(
                ": it hit its memory limit of {}, and {kills} of its processes {} killed",
                format_bytes(*limit as f64),
                if *kills == 1 { "was" } else { "were" }
            ),
        },
        Claim::Crashed(Crashes { count, first, cause, library }) => Told {
            verb: "",
            word: "CRASHES",
            rest: format!(
                ": {count} of its workers ended unexpectedly, the first PID {} by {cause}{}",
                first.pid,
                aside(*library)
            ),
        },
        Claim::WorkloadFailed(place) => {
            let rest = verdict.gates.get(*place).map_or_else(String::new, |gate| {
                let line = gates::gate(gate);
                format!(": {} is {}, at most {} is allowed", line.name, line.measured, line.allowed)
            });
            Told { verb: "'s workload", word: "FAILED", rest }
        }
        Claim::Service(place) => {
            let of_service = record.services.get(*place).zip(verdict.services.get(*place));
            let first = of_service.and_then(|(service, verdict)| {
                Some((&service.meta.name, tell(verdict.claims.first()?, service, verdict)))
            });
            let Some((name, told)) = first else {
                return Told { verb: " is", word: "INCONCLUSIVE", rest: String::new() };
            };
            Told { rest: format!(" in its service `{name}`{}", told.rest), ..told }
        }
        Claim::Leak(place) => {
            let rest = finding(place).map_or_else(String::new, leak);
            Told { verb: "", word: "LEAKS", rest: format!("{}{rest}", accepted::clause(record, verdict)) }
        }
        Claim::Clean(place) => {
            Told { verb: " is", word: "CLEAN", rest: finding(place).map_or_else(String::new, clean) }
        }
        Claim::Open(Open::Unfinished) if record.meta.has_failed() => {
            let (verb, word) = match record.meta.failure {
                Some(Failure::Setup) => ("'s set-up is", "WRONG"),
                Some(Failure::Workload) => ("'s workload", "FAILED"),
                _ => ("", "FAILED"),
            };
            Told { verb, word, rest: format!(": {}", why_open(&Open::Unfinished, record, verdict)) }
        }
        Claim::Open(open) => {
            Told { verb: " is", word: "INCONCLUSIVE", rest: format!(": {}", why_open(open, record, verdict)) }
        }
    }
}

fn aside(library: bool) -> &'static str {
    if library { ", under the preload library of --heap" } else { "" }
}

/// One leak: `: each request leaves 3.2 KiB in every one of its 4 workers (allowed: 64 B)`.
fn leak(finding: &Finding) -> String {
    let Some(growth) = &finding.growth else { return String::new() };
    if let Reason::BornBigger { births, each } = finding.reason {
        let (each, growth) = (format_bytes(each), rate(finding.resource, finding.axis, growth.estimate));
        let allowed = amount(finding.resource, finding.budget);
        return format!(": each new worker is born {each} bigger, over {births} births: {growth} (allowed: {allowed})");
    }
    let resource = finding.resource;
    let (who, what) = leaves(resource, finding.axis.unit(), growth.estimate);
    let worst = finding.class == LeakClass::LeakInOneWorker && finding.workers.iter().filter(|w| w.leaks).count() > 1;
    let most = if worst { "up to " } else { "" };
    let kind = leaking_parts(finding).first().copied().filter(|_| resource == Resource::Descriptors);
    let kind = kind.map_or(String::new(), |part| format!(" ({})", evidence::part_name(part.kind)));
    let place = if resource.place().is_empty() { String::new() } else { format!(" {}", resource.place()) };
    let allowed = amount(resource, finding.budget);
    let (in_whom, who_leaks) = whose(finding);
    format!(": {who} {most}{what}{kind}{place}{in_whom} (allowed: {allowed}){who_leaks}")
}

/// Who leaves how much: `each request leaves`, `3.2 KiB`; of what is rare and counted, `every 4 requests leave`, `one
/// descriptor`.
pub(super) fn leaves(resource: Resource, unit: &str, rate: f64) -> (String, String) {
    let each = || (format!("each {} leaves", if unit == "s" { "second" } else { unit }), level(resource, rate));
    if resource.in_bytes() || rate >= 1.0 || rate * RARE < 1.0 {
        return each();
    }
    let steps = (1.0 / rate).round();
    if steps < 2.0 {
        return each();
    }
    if (steps * rate - 1.0).abs() < 0.02 {
        return (format!("every {} {unit}s leave", format_count(steps)), format!("one {}", resource.one()));
    }
    let steps = 10f64.powf((-rate.log10()).ceil());
    (format!("every {} {unit}s leave", format_count(steps)), level(resource, rate * steps))
}

/// In whom it grows, and who leaks, which follows what is allowed: ` in 1 of its 4 workers (PID 12)`, and nothing; ` in the worker
/// that serves it`, and `; all 4 workers leak`.
fn whose(finding: &Finding) -> (String, String) {
    let judged: Vec<WorkerId> =
        finding.workers.iter().filter(|w| w.growth.is_some()).filter_map(|w| w.worker).collect();
    let leaking: Vec<WorkerId> = finding.workers.iter().filter(|w| w.leaks).filter_map(|w| w.worker).collect();
    let timed = matches!(finding.axis, Axis::Seconds | Axis::Hours);
    let place = match (leaking.len(), judged.len()) {
        (_, 0) => String::new(),
        (_, 1) => " in its worker".to_owned(),
        (k, n) if k >= n && timed => format!(" in each of its {n} workers"),
        (k, n) if k >= n => {
            let all = if n == 2 { "both".to_owned() } else { format!("all {n}") };
            return (" in the worker that serves it".into(), format!("; {all} workers leak"));
        }
        // The amount is the mean of all.
        (_, n) if finding.class != LeakClass::LeakInOneWorker => format!(" in the mean of its {n} workers"),
        (k, n) => {
            let pids: Vec<String> = leaking.iter().take(NAMED).map(|w| w.pid.to_string()).collect();
            let more = if k > NAMED { ", ..." } else { "" };
            format!(" in {k} of its {n} workers (PID {}{more})", pids.join(", "))
        }
    };
    (place, String::new())
}

/// What doesn't leak: `: growth of memory is at most 2.5 B a request (allowed: 64 B)`.
fn clean(finding: &Finding) -> String {
    let resource = finding.resource;
    let class = match finding.class {
        LeakClass::WarmUp => "it grew at first and settled",
        LeakClass::HighWaterMark => "it rose to a high-water mark and stays there",
        LeakClass::CopyOnWrite => "what grew are inherited pages that it wrote to",
        LeakClass::Sawtooth => "it rises and falls",
        LeakClass::CacheFilling => "what still grows ends by itself",
        LeakClass::SharedPages => "what grew is shared memory or page cache",
        _ => "",
    };
    let class = if class.is_empty() { String::new() } else { format!("; {class}") };
    let Some(growth) = &finding.growth else { return class };
    let allowed = amount(resource, finding.budget);
    let unit = match finding.axis {
        Axis::Hours => "an hour",
        Axis::Seconds => "a second",
        Axis::WorkerRequests | Axis::SharedRequests | Axis::PoolRequests => "a request",
    };
    if growth.upper >= finding.budget {
        return format!(": growth of {} ends by itself (allowed: {allowed} {unit}){class}", resource.noun());
    }
    let at_most = |growth: &Interval| amount(resource, growth.upper.max(0.0));
    let all = format!(": growth of {} is at most {} {unit}", resource.noun(), at_most(growth));
    let allowed = format!(" (allowed: {allowed}){class}");
    let each: Vec<&Interval> = finding.workers.iter().filter_map(|worker| worker.growth.as_ref()).collect();
    let worst = each.iter().max_by(|a, b| a.upper.total_cmp(&b.upper)).filter(|worst| worst.upper > growth.upper);
    let Some(worst) = worst.filter(|_| each.len() > 1) else { return all + &allowed };
    let (mean, most) = (format!(" in the mean of its {} workers", each.len()), at_most(worst));
    // What is known of one alone may be less than what is known of all.
    if worst.upper >= finding.budget {
        format!("{all}{mean}{allowed}; of each alone less is known, at most {most}")
    } else {
        format!("{all}{mean}, and at most {most} in any of them{allowed}")
    }
}

fn why_open(open: &Open, record: &RunRecord, verdict: &Verdict) -> String {
    match open {
        Open::Doubt(doubt) => doubts::reason(doubt),
        Open::Finding(place) => verdict
            .findings
            .get(*place)
            .map_or_else(String::new, |finding| format!("{}: {}", finding.resource, reasons::reason(finding))),
        Open::NothingJudged => "no resource has a budget, so that nothing was judged".into(),
        Open::Gate(place) => verdict
            .gates
            .get(*place)
            .map_or_else(String::new, |gate| format!("{} could not be measured", gates::gate(gate).name)),
        Open::Unfinished => match record.meta.aborted.as_ref().and_then(|why| why.lines().next()) {
            Some(why) => why.trim_end_matches('.').to_owned(),
            None => "the run did not come to its planned end".into(),
        },
        Open::Broken => "a gate is broken".into(),
    }
}

/// Who and what it comes from, and what follows from it: whole sentences.
fn more(record: &RunRecord, verdict: &Verdict) -> Vec<String> {
    let sentence = |text: String| format!("{}.", super::capital(&text));
    let mut out = accepted::sentences(record, verdict);
    let leaking = verdict.claims.iter().filter_map(|claim| match claim {
        Claim::Leak(place) => verdict.findings.get(*place),
        _ => None,
    });
    let leaking: Vec<&Finding> = leaking.collect();
    for claim in &verdict.claims {
        match claim {
            Claim::Interrupted(_) if record.failed_before_soak() => {
                out.push("It was before the soak: nothing was judged.".into());
            }
            Claim::Interrupted(_) if verdict.outcome == Outcome::Inconclusive => {
                out.push("Nothing was proven until then.".into());
            }
            Claim::Leak(place) => {
                let Some(finding) = verdict.findings.get(*place) else { continue };
                out.extend(steps::comes_from(finding).map(sentence));
                out.extend(account::who(record, verdict, finding).into_iter().map(sentence));
                out.extend([places::sentence(finding), places::held(finding)].into_iter().flatten().map(sentence));
                if finding.resource == Resource::Memory {
                    let blamed = |all: &CallSites| Some(sites::blame(all.culprit()?, all.source));
                    out.extend(verdict.call_sites.as_ref().and_then(blamed));
                }
                let first = forecast::reaches_it_first(finding, &leaking);
                out.extend(forecast::limit(record, finding).filter(|_| first).map(sentence));
            }
            Claim::Open(Open::Doubt(doubt)) => out.push(sentence(doubts::remedy(doubt))),
            Claim::Open(Open::Finding(place)) => {
                let Some(finding) = verdict.findings.get(*place) else { continue };
                out.extend(account::who(record, verdict, finding).into_iter().map(sentence));
                let settle = reasons::settle(finding);
                out.extend(settle.map(|settle| format!("To settle it: {settle}.")));
            }
            _ => {}
        }
    }
    out
}
