//! Checks of the phases, and of phases against the workload's model.

use super::Checker;
use super::workload::{check_concurrency, check_rate};
use crate::config::problem::KeyPath;
use crate::config::{CollectConfig, Harness, PhaseConfig, Span, WorkloadConfig};
use crate::model::PhaseKind;

/// Signals that programs are known to collect or trim at; none of them ends a program that handles it.
const COLLECTING: [&str; 4] = ["USR1", "USR2", "HUP", "WINCH"];

const MOST_PAUSES: u32 = 10_000;

/// Intervals between readings that a pause must hold at least: its last half is what counts.
const READINGS_OF_A_PAUSE: u32 = 3;

pub(super) fn check(checker: &mut Checker, phases: &[PhaseConfig], workload: Option<&WorkloadConfig>) {
    let all = KeyPath::of(&["phase"]);
    if phases.is_empty() {
        let help = "add a `[[phase]]` with `kind = \"soak\"` and a length";
        checker.refuse(all, "the run has no phases", help);
        return;
    }
    if !phases.iter().any(|phase| phase.kind == PhaseKind::Soak) {
        let help = "add a `[[phase]]` with `kind = \"soak\"`: only what grows in a soak is judged";
        checker.refuse(all.clone(), "the run has no soak, so that nothing would be judged", help);
    }
    for (index, phase) in phases.iter().enumerate() {
        let at = all.index(index);
        match workload {
            None if checker.sound(&KeyPath::of(&["workload"])) => check_undriven(checker, &at, phase),
            None => {}
            Some(workload) => {
                check_length(checker, &at, phase, workload);
                if phase.kind == PhaseKind::Settle {
                    check_settle(checker, &at, phase);
                } else {
                    check_load(checker, &at, phase, workload);
                }
            }
        }
        check_lengths(checker, &at, phase);
    }
    if let Some(workload) = workload {
        check_any_load(checker, phases, workload);
    }
}

/// Checks the pauses, and that each soak can be cut by them.
pub(super) fn check_settling(checker: &mut Checker, Harness { settle, phases, sample, workload, .. }: &Harness) {
    let at = KeyPath::of(&["settle"]);
    checker.positive(at.key("for"), Some(settle.duration));
    if settle.pauses > MOST_PAUSES {
        let help = format!("write at most {MOST_PAUSES}");
        checker.refuse(at.key("pauses"), format!("{} pauses are more than any run needs", settle.pauses), help);
        return;
    }
    match &settle.collect {
        None => {}
        Some(CollectConfig::Url(url)) => checker.url(at.key("collect").key("url"), url),
        Some(CollectConfig::Command(command)) => checker.command(at.key("collect").key("command"), command),
        Some(CollectConfig::Signal(signal)) => {
            checker.known(at.key("collect").key("signal"), "signal", signal, &COLLECTING)
        }
    }
    let may_pause = !checker.sound(&at.key("pauses")) || !checker.sound(&KeyPath::of(&["phase"]));
    if settle.collect.is_some()
        && settle.pauses == 0
        && !may_pause
        && !phases.iter().any(|p| p.kind == PhaseKind::Settle)
    {
        let help = "add `pauses = 24`, or a `[[phase]]` with `kind = \"settle\"`";
        checker.refuse(at.key("collect"), "the load never pauses, so that nothing would be collected", help);
    }
    if settle.pauses == 0 {
        return;
    }
    if workload.is_none() && checker.sound(&KeyPath::of(&["workload"])) {
        let help = "take it out, or add a `[workload]`";
        checker.refuse(at.key("pauses"), "there is no `[workload]`, so no load that pauses", help);
        return;
    }
    let least = Span(READINGS_OF_A_PAUSE * sample.every.0);
    if settle.duration < least && checker.sound(&KeyPath::of(&["sample", "every"])) {
        let message =
            format!("a pause of {} holds too few readings, which come every {}", settle.duration, sample.every);
        checker.refuse(at.key("for"), message, format!("write `{least}` or more, or read oftener"));
    }
    for (index, phase) in phases.iter().enumerate().filter(|(_, phase)| phase.kind == PhaseKind::Soak) {
        let at = KeyPath::of(&["phase"]).index(index);
        let requests = phase.requests.or(phase.requests_per_worker);
        if requests.is_some_and(|count| count < u64::from(settle.pauses)) {
            let message = format!("this soak has fewer requests than its {} pauses", settle.pauses);
            checker.refuse(at.clone(), message, "make it longer, or pause less often");
        }
        if requests.is_none() && phase.duration.is_none() {
            let help = "give it a `duration`";
            checker.refuse(at.clone(), "a soak that an external command ends can't be paused", help);
        }
        if phase.rate.is_some() || phase.concurrency.is_some() {
            let help = "move the ramp into a `warm-up` before it, or take out `settle.pauses`";
            checker.refuse(at, "a soak whose load moves can't be paused: each pause would begin its ramp anew", help);
        }
    }
}

fn check_length(checker: &mut Checker, at: &KeyPath, phase: &PhaseConfig, workload: &WorkloadConfig) {
    let lengths = [
        ("duration", phase.duration.is_some()),
        ("requests", phase.requests.is_some()),
        ("requests-per-worker", phase.requests_per_worker.is_some()),
    ];
    let given: Vec<&str> = lengths.iter().filter(|(_, given)| *given).map(|(key, _)| *key).collect();
    // An external command ends a phase by ending.
    let may_be_open = workload.command.is_some() && phase.kind != PhaseKind::Settle;
    match given[..] {
        [] if may_be_open => {}
        [] => {
            let help = match phase.kind {
                PhaseKind::Settle => "add `duration = \"5s\"`",
                _ => "add one of `duration = \"30s\"`, `requests = 10000` or `requests-per-worker = 2000`",
            };
            checker.refuse(at.clone(), format!("this {} has no length", phase.kind), help);
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!("this {} has two lengths: `{first}` and `{second}`", phase.kind);
            checker.refuse(at.key(second), message, "keep one of them");
        }
    }
}

fn check_lengths(checker: &mut Checker, at: &KeyPath, phase: &PhaseConfig) {
    checker.positive(at.key("duration"), phase.duration);
    checker.count(at.key("requests"), phase.requests);
    checker.count(at.key("requests-per-worker"), phase.requests_per_worker);
}

/// Where nothing is sent, a phase is a time.
fn check_undriven(checker: &mut Checker, at: &KeyPath, phase: &PhaseConfig) {
    let driven = [
        ("requests", phase.requests.is_some()),
        ("requests-per-worker", phase.requests_per_worker.is_some()),
        ("rate", phase.rate.is_some()),
        ("concurrency", phase.concurrency.is_some()),
    ];
    for (key, _) in driven.iter().filter(|(_, given)| *given) {
        let help = "give the phase a `duration` only, or add a `[workload]`";
        checker.refuse(at.key(key), format!("there is no `[workload]`, so no `{key}`"), help);
    }
    if phase.duration.is_none() && driven.iter().all(|(_, given)| !given) {
        checker.refuse(at.clone(), format!("this {} has no length", phase.kind), "add `duration = \"10m\"`");
    }
}

fn check_settle(checker: &mut Checker, at: &KeyPath, phase: &PhaseConfig) {
    let load = [
        ("requests", phase.requests.is_some()),
        ("requests-per-worker", phase.requests_per_worker.is_some()),
        ("rate", phase.rate.is_some()),
        ("concurrency", phase.concurrency.is_some()),
    ];
    for (key, _) in load.iter().filter(|(_, given)| *given) {
        let help = "give it a `duration` only, or make it a `soak`";
        checker.refuse(at.key(key), format!("a settle phase has no load, so no `{key}`"), help);
    }
}

fn check_load(checker: &mut Checker, at: &KeyPath, phase: &PhaseConfig, workload: &WorkloadConfig) {
    check_concurrency(checker, at.key("concurrency"), phase.concurrency);
    check_rate(checker, at.key("rate"), phase.rate);
    let is_open_model = workload.rate.is_some();
    if workload.command.is_some() {
        for (key, given) in [("rate", phase.rate.is_some()), ("concurrency", phase.concurrency.is_some())] {
            if given {
                let message = format!("`{key}` means nothing to an external command");
                checker.refuse(at.key(key), message, "take it out; the command decides its load");
            }
        }
    } else if !checker.sound(&KeyPath::of(&["workload", "rate"]))
        || !checker.sound(&KeyPath::of(&["workload", "command"]))
    {
        // Which model it is can't be told.
    } else if phase.rate.is_some() && !is_open_model {
        let help = "give the workload a `rate` to begin from, or ramp `concurrency`";
        checker.refuse(at.key("rate"), "the workload has no `rate`, so this phase can't change it", help);
    } else if phase.concurrency.is_some() && is_open_model {
        let help = "ramp `rate`; the workload's own `concurrency` is the highest number in flight";
        checker.refuse(at.key("concurrency"), "the workload's load is a `rate`, not a `concurrency`", help);
    }
}

/// In the open model, a rate of zero is good only as the beginning of a ramp.
fn check_any_load(checker: &mut Checker, phases: &[PhaseConfig], workload: &WorkloadConfig) {
    let Some(rate) = workload.rate else { return };
    let rates = phases.iter().filter(|phase| phase.kind != PhaseKind::Settle).filter_map(|phase| phase.rate);
    if rate.per_second <= 0.0 && rates.into_iter().all(|rate| rate.per_second <= 0.0) {
        let help = "write a rate above zero, or raise it in a phase";
        checker.refuse(KeyPath::of(&["workload", "rate"]), "no request is ever sent", help);
    }
}
