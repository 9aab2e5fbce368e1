//! Words and numbers as every report writes them.
//!
//! Whatever comes from the target passes through [`plain`] before it is shown: no control character, escape sequence
//! or change of writing direction reaches a terminal, a chart or a page.

use crate::compare::Answer;
use crate::model::{Axis, EventKind, ExitCause, Resource, RunRecord, WorkerId, format_bytes, format_count};
use crate::verdict::{ExitCode, Finding, GateState, Interval, LeakClass, Outcome, Verdict};
use std::collections::HashMap;

/// One line of harmless text: line breaks and tabs become spaces, other control and direction characters `\u{FFFD}`.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() || is_direction(c) || is_noncharacter(c) => '\u{FFFD}',
            c => c,
        })
        .collect()
}

/// Whether a character changes the direction of writing or has no width, so that a name can pose as another.
pub fn is_direction(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Code points that XML 1.0 forbids.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

/// The first `max` characters of `text` after [`plain`], with `…` in place of what was cut.
pub fn clip(text: &str, max: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= max {
        return text;
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// The same with a capital letter, for the beginning of a line.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().collect::<String>() + chars.as_str())
}

/// A level or a growth of `resource` without its per: `4.1 KiB`, `0.25`.
pub fn amount(resource: Resource, value: f64) -> String {
    if resource.in_bytes() { format_bytes(value) } else { format_count(value) }
}

/// The same for levels, with the name of what is counted: `6.3 MiB`, `12 descriptors`.
pub fn level(resource: Resource, value: f64) -> String {
    if resource.in_bytes() { format_bytes(value) } else { format!("{} {resource}", format_count(value)) }
}

/// A growth per step of the axis: `4.1 KiB/request`, `0.25 descriptors/request`.
pub fn rate(resource: Resource, axis: Axis, value: f64) -> String {
    format!("{}/{}", level(resource, value), axis.unit())
}

/// A growth with its bounds: `4.1 KiB/request (98 %: 3.9 KiB to 4.3 KiB)`.
pub fn growth(resource: Resource, axis: Axis, interval: &Interval) -> String {
    format!("{} ({})", rate(resource, axis, interval.estimate), bounds(resource, interval))
}

/// The budget of a finding: `64 B/request` or `1 MiB/hour`. Over seconds it is still one per request.
pub fn budget(finding: &Finding) -> String {
    let axis = if finding.axis == Axis::Seconds { Axis::WorkerRequests } else { finding.axis };
    rate(finding.resource, axis, finding.budget)
}

/// What would settle the findings that are open, each said once.
pub fn settling(verdict: &Verdict) -> Vec<String> {
    let mut said: Vec<(String, Vec<String>)> = Vec::new();
    for finding in verdict.findings.iter().filter(|f| f.outcome == Outcome::Inconclusive) {
        let Some(settle) = &finding.settle else { continue };
        let (settle, resource) = (plain(settle), finding.resource.to_string());
        match said.iter_mut().find(|(words, _)| *words == settle) {
            Some((_, resources)) => resources.push(resource),
            None => said.push((settle, vec![resource])),
        }
    }
    said.into_iter().map(|(settle, resources)| format!("to settle {}: {settle}", resources.join(", "))).collect()
}

/// The bounds of a growth: `98 %: 3.9 KiB to 4.3 KiB`, or `98 %: ± 1.9 B` if that is very narrow.
pub fn bounds(resource: Resource, interval: &Interval) -> String {
    interval.bounds(|value| amount(resource, value))
}

/// What a resource is, in full.
pub fn resource_name(resource: Resource) -> &'static str {
    match resource {
        Resource::Memory => "anonymous + swapped memory",
        Resource::Heap => "memory allocated and not freed",
        Resource::Descriptors => "open file descriptors",
        Resource::Threads => "threads",
        Resource::Tmpfs => "files on tmpfs and shared memory",
        Resource::Kernel => "memory of the kernel for the target",
    }
}

/// What growth is measured against, in full.
pub fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::WorkerRequests => "requests served by the worker",
        Axis::SharedRequests => "requests of the pool, shared out evenly over its workers",
        Axis::PoolRequests => "requests served by the pool",
        Axis::Seconds | Axis::Hours => "time since the start of the run",
    }
}

/// A class of behaviour in a few words.
pub fn class_name(class: LeakClass) -> &'static str {
    match class {
        LeakClass::Leak => "leak",
        LeakClass::LeakInOneWorker => "leak in some workers only",
        LeakClass::LeakInOneStep => "leak only under one step of the workload",
        LeakClass::Flat => "flat",
        LeakClass::WarmUp => "warm-up that settled",
        LeakClass::HighWaterMark => "high-water mark",
        LeakClass::CacheFilling => "cache still filling",
        LeakClass::Sawtooth => "sawtooth with a flat floor",
        LeakClass::CopyOnWrite => "copy-on-write un-sharing",
        LeakClass::WithinBudget => "growth within the budget",
        LeakClass::SwapHidIt => "leak that swap hid",
        LeakClass::Retention => "fragmentation or retention",
        LeakClass::SharedPages => "shared memory or page cache, not its own",
        LeakClass::Unknown => "not known",
    }
}

/// The word of a gate's state, always four letters wide.
pub fn gate_word(state: GateState) -> &'static str {
    match state {
        GateState::Pass => "pass",
        GateState::Fail => "FAIL",
        GateState::Unknown => "open",
    }
}

/// The word a verdict begins with.
pub fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Leak => "LEAK",
        Outcome::Clean => "CLEAN",
        Outcome::Inconclusive => "INCONCLUSIVE",
    }
}

/// The verdict's sentence as the capital words it begins with (`LEAK`, `TARGET FAILED`) and the rest.
pub fn headline(verdict: &Verdict) -> (String, String) {
    let capitals = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c == ' ');
    match verdict.sentence.split_once("  ") {
        Some((word, rest)) if capitals(word) => (word.to_owned(), plain(rest.trim())),
        _ => (outcome_word(verdict.outcome).to_owned(), plain(&verdict.sentence)),
    }
}

/// How bad something is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Clean, passed.
    Good,
    /// Leak, failed, broken.
    Bad,
    /// Not decided.
    Unsure,
}

impl Mood {
    /// Of a whole verdict.
    pub fn of_verdict(verdict: &Verdict) -> Self {
        match verdict.exit {
            ExitCode::Clean => Mood::Good,
            ExitCode::Inconclusive | ExitCode::Interrupted(_) => Mood::Unsure,
            _ => Mood::Bad,
        }
    }

    /// Of a finding.
    pub fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Clean => Mood::Good,
            Outcome::Leak => Mood::Bad,
            Outcome::Inconclusive => Mood::Unsure,
        }
    }

    /// Of a comparison, or of one of its measures.
    pub fn of_answer(answer: Answer) -> Self {
        match answer {
            Answer::Improvement | Answer::Equivalent => Mood::Good,
            Answer::Regression => Mood::Bad,
            Answer::Inconclusive => Mood::Unsure,
        }
    }

    /// Of a gate.
    pub fn of_gate(state: GateState) -> Self {
        match state {
            GateState::Pass => Mood::Good,
            GateState::Fail => Mood::Bad,
            GateState::Unknown => Mood::Unsure,
        }
    }
}

/// A worker as reports call it: its PID, or the pool.
pub fn worker_name(worker: Option<WorkerId>) -> String {
    worker.map_or_else(|| "pool".to_owned(), |w| format!("pid {}", w.pid))
}

/// How each worker ended that did.
pub fn endings(record: &RunRecord) -> HashMap<WorkerId, Ending> {
    let mut endings = HashMap::new();
    for event in &record.events {
        if let EventKind::Exited { worker, cause, stopping } = &event.kind {
            endings.insert(*worker, Ending { t: event.t, cause: *cause, stopping: *stopping });
        }
    }
    endings
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ending {
    /// Seconds since the start of the run.
    pub t: f64,
    /// How, where that could be learned.
    pub cause: Option<ExitCause>,
    /// Whether the harness had begun to stop the target.
    pub stopping: bool,
}

impl Ending {
    /// In a few words: `exit code 0`, `signal 11 (SIGSEGV)`, `stopped with the target`.
    pub fn words(&self) -> String {
        match (self.cause, self.stopping) {
            (Some(cause), _) if cause.is_abnormal() => cause.to_string(),
            (_, true) => "stopped with the target".to_owned(),
            (Some(cause), false) => cause.to_string(),
            (None, false) => "ended, cause not known".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_that_controls_a_terminal_is_left() {
        assert_eq!(plain("a\u{1b}[31mred\nnext\u{202e}x\0"), "a\u{FFFD}[31mred next\u{FFFD}x\u{FFFD}");
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(clip("abcd", 4), "abcd");
    }

    #[test]
    fn growth_reads_well() {
        let narrow = Interval { estimate: 3277.0, lower: 3275.1, upper: 3278.9, confidence: 0.98 };
        assert_eq!(growth(Resource::Memory, Axis::WorkerRequests, &narrow), "3.2 KiB/request (98 %: ± 1.9 B)");
        let interval = Interval { estimate: 4198.0, lower: 3993.0, upper: 4403.0, confidence: 0.98 };
        let text = growth(Resource::Memory, Axis::WorkerRequests, &interval);
        assert_eq!(text, "4.1 KiB/request (98 %: 3.9 KiB to 4.3 KiB)");
        let interval = Interval { estimate: 0.25, lower: 0.24, upper: 0.26, confidence: 0.98 };
        let text = growth(Resource::Descriptors, Axis::WorkerRequests, &interval);
        assert_eq!(text, "0.25 descriptors/request (98 %: 0.24 to 0.26)");
    }

    proptest! {
        #[test]
        fn no_text_gets_through_unchecked(text in any::<String>(), max in 0usize..40) {
            prop_assert!(!plain(&text).chars().any(|c| c.is_control() || is_direction(c)));
            prop_assert_eq!(plain(&plain(&text)), plain(&text));
            prop_assert!(clip(&text, max).chars().count() <= max.max(1));
        }
    }
}
