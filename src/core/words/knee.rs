//! How many requests in flight a target takes, in words.

use super::headline::Headline;
use super::kinds::{confident, outcome_word};
use super::plain::{capital, counted, thousands};
use super::steps::joined;
use crate::answer::Outcome;
use crate::knee::{Answer, Doubt, Grows, Knee, LeaksFrom, Sign, Step};
use crate::model::{amount, format_count, format_seconds, percent};

/// What a search for a knee came to.
pub struct Search<'a> {
    /// The name of the target.
    pub name: &'a str,
    /// What was found.
    pub answer: &'a Answer,
    /// From which load on it leaks.
    pub leaks: Option<&'a LeaksFrom>,
    /// What was measured.
    pub steps: &'a [&'a Step],
    /// What ended it before its time, in words.
    pub cut: Option<&'a str>,
}

/// Requests per second: `840/s`.
pub fn per_second(rate: f64) -> String {
    format!("{}/s", thousands(&format_count(rate)))
}

/// What was seen at one load, in a line.
pub fn step(step: &Step) -> String {
    if let Some(broke) = &step.broke {
        return format!("the run failed: {}", broke.why);
    }
    let goodput =
        step.goodput.map_or("goodput unknown".into(), |known| format!("goodput {}", per_second(known.estimate)));
    let errors = step.error_rate().map(|rate| format!(", {} fail", percent(rate))).unwrap_or_default();
    let p95 = step.p95.map(|p95| format!(", p95 {}", format_seconds(p95))).unwrap_or_default();
    format!("{goodput}{errors}{p95}; memory and the rest: {}", outcome_word(step.outcome))
}

/// What is said first of a search.
pub fn headline(search: &Search<'_>) -> Headline {
    let name = if search.name.is_empty() { "the target" } else { search.name };
    let (verb, word, rest) = match search.answer {
        _ if search.steps.is_empty() => (" is", "INCONCLUSIVE", ": nothing was measured to its end".to_owned()),
        Answer::Found(knee) if knee.good.is_none() => {
            ("", "FAILS", format!(" with one request in flight already: {}", sign(knee, search.steps)))
        }
        Answer::Found(knee) => (" has its", "KNEE", found(knee, search.steps)),
        Answer::NoneUpTo(highest) => {
            let most = search.steps.iter().find(|step| step.load == *highest).and_then(|step| step.goodput);
            let most = most.map_or_else(String::new, |most| format!(", to {}", per_second(most.estimate)));
            (" has", "NO KNEE", format!(" up to {highest} requests in flight: goodput grows with each of them{most}"))
        }
        Answer::Unclear(doubt) => (" is", "INCONCLUSIVE", format!(": {}", unclear(*doubt))),
    };
    let mut more = Vec::new();
    let (verb, word, rest) = match search.leaks {
        None => (verb, word, rest),
        Some(leak) => {
            more.push(format!("it{verb} {}{rest}", word.to_lowercase()));
            ("", "LEAKS", leaks(leak, search.steps))
        }
    };
    if let Answer::Found(knee) = search.answer {
        more.extend(errors_above(knee, search.steps));
    }
    if search.leaks.is_none() && !search.steps.is_empty() {
        more.push(no_leak(search.steps));
    }
    if let Some(by) = search.cut {
        more.push(format!("the search was {by}: higher loads, or those between, are not measured"));
    }
    Headline {
        name: format!("{name}{verb}"),
        word,
        rest: format!("{rest}."),
        more: more.into_iter().map(|text| format!("{}.", capital(&text))).collect(),
        says_why_it_ended: true,
    }
}

fn found(knee: &Knee, steps: &[&Step]) -> String {
    let at = counted(knee.at, "request");
    let most = per_second(knee.most);
    match knee.sign {
        // Loads between were measured, and said nothing.
        Sign::Errors | Sign::Broke if !knee.is_close() => {
            let good = knee.good.unwrap_or(0);
            format!(
                " between {good} and {} requests in flight: with {}, {}; goodput reaches {most}",
                knee.bad,
                knee.bad,
                sign(knee, steps)
            )
        }
        Sign::Errors | Sign::Broke => {
            format!(" at {at} in flight: from {} on, {}; goodput reaches {most}", knee.bad, sign(knee, steps))
        }
        Sign::Goodput if knee.still_grows => {
            format!(" at {at} in flight: more add less to goodput, which is {most} with the most that was measured")
        }
        Sign::Goodput => format!(" at {at} in flight: goodput stops at {most}, and more only wait"),
    }
}

/// What tells that a load is too much.
fn sign(knee: &Knee, steps: &[&Step]) -> String {
    let Some(step) = steps.iter().find(|step| step.load == knee.bad) else { return String::new() };
    match knee.sign {
        Sign::Errors => format!("{} of requests fail{}", percent(step.error_rate().unwrap_or(1.0)), kinds(step, steps)),
        Sign::Broke => step.broke.as_ref().map_or_else(String::new, |broke| format!("the run fails: {}", broke.why)),
        Sign::Goodput => format!("goodput stays behind with {}", knee.bad),
    }
}

/// Of what kinds the failures are, the most frequent first: statuses that one request in flight doesn't get, and kinds of errors.
fn kinds(step: &Step, steps: &[&Step]) -> String {
    let usual = steps.iter().min_by_key(|step| step.load).filter(|first| !first.is_bad());
    let is_usual = |status: &u16| usual.is_some_and(|usual| usual.statuses.contains_key(status)) || *status < 400;
    let statuses = step.statuses.iter().filter(|(status, _)| !is_usual(status));
    let mut kinds: Vec<(u64, String)> = statuses.map(|(status, count)| (*count, status.to_string())).collect();
    let others = step.errors.iter().filter(|(kind, _)| *kind != "status");
    kinds.extend(others.map(|(kind, count)| (*count, kind.clone())));
    kinds.sort_by(|a, b| b.cmp(a));
    let names: Vec<String> = kinds.into_iter().map(|(_, name)| name).collect();
    if names.is_empty() { String::new() } else { format!(" ({})", joined(&names, "and")) }
}

fn unclear(doubt: Doubt) -> String {
    match doubt {
        Doubt::Nothing => "nothing was measured to its end".into(),
        Doubt::Unfinished(load) => format!("no knee up to {load} requests in flight, and more were not measured"),
        Doubt::Varies(load) => format!(
            "goodput at {load} requests in flight varies too much to be told from a plateau: `--for` makes each load longer"
        ),
        Doubt::NoGoodput(load) => format!(
            "goodput with {} in flight isn't known: `--for` makes each load longer; what a command of one's own sends is not known by the \
             second",
            counted(load, "request")
        ),
    }
}

fn leaks(leak: &LeaksFrom, steps: &[&Step]) -> String {
    let grows = steps.iter().find(|step| step.load == leak.load).map_or(&[][..], |step| &step.grows);
    let growths: Vec<String> = grows.iter().map(self::grows).collect();
    let below = match leak.below {
        None => String::new(),
        Some((below, true)) => format!("; with {below} it is clean"),
        Some((below, false)) => format!("; with {below} no leak is shown, nor that there is none"),
    };
    format!(" from {} in flight on: {}{below}", counted(leak.load, "request"), joined(&growths, "and"))
}

/// A resource that grows, with by how much: `descriptors 0.2/request (98 %: 0.19 to 0.21)`.
pub fn grows(grows: &Grows) -> String {
    let Grows { resource, axis, growth } = grows;
    let by = growth.map(|by| {
        let of = |value| amount(*resource, value);
        format!(" {}/{} ({})", of(by.estimate), axis.unit(), confident(&by, of))
    });
    format!("{resource}{}", by.unwrap_or_default())
}

/// From which load above a knee of goodput on requests fail, too.
fn errors_above(knee: &Knee, steps: &[&Step]) -> Option<String> {
    let step = steps.iter().filter(|step| step.load >= knee.bad && step.errs).min_by_key(|step| step.load)?;
    let rate = percent(step.error_rate().unwrap_or(1.0));
    let failing = format!("with {}, {rate} of requests fail{}", step.load, kinds(step, steps));
    (knee.sign == Sign::Goodput).then_some(failing)
}

fn no_leak(steps: &[&Step]) -> String {
    let clean = steps.iter().filter(|step| step.outcome == Outcome::Clean).count();
    let all = steps.len();
    if clean == all {
        return "every load is clean of leaks".into();
    }
    format!("no leak is shown at any load; that there is none is proven at {clean} of {all}")
}
