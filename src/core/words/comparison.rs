//! A comparison in words: which variant is worse, in what, and by how much.

use super::gates::quantile;
use super::headline::{Headline, leaves};
use crate::compare::{Answer, Comparison, ComparisonNote, Difference, Measure, Side, SideEstimate, Sides};
use crate::model::{Resource, amount, format_bytes, format_count, format_seconds, percent};

/// The part of what is allowed under which a difference is none.
const NONE: f64 = 0.02;

/// The word of an answer in the first sentence.
pub fn answer_word(answer: Answer) -> &'static str {
    match answer {
        Answer::Regression => "WORSE",
        Answer::Improvement => "BETTER",
        Answer::Equivalent => "THE SAME",
        Answer::Inconclusive => "INCONCLUSIVE",
    }
}

/// The word of a measure's answer in tables.
pub fn answer_state(answer: Answer) -> &'static str {
    match answer {
        Answer::Regression => "WORSE",
        Answer::Improvement => "better",
        Answer::Equivalent => "same",
        Answer::Inconclusive => "open",
    }
}

/// The name of a measure, as `comparison.json` has it too: `memory growth`, `latency p95`, `status 503`.
pub fn measure(measure: Measure) -> String {
    match measure {
        Measure::Growth(resource) => format!("{} growth", resource.one()),
        Measure::Level => "memory level".into(),
        Measure::Cpu => "CPU per request".into(),
        Measure::Churn => "bytes allocated per request".into(),
        Measure::Counted(metric) => format!("{} per request", metric.name()),
        Measure::Latency(of) => format!("latency {}", quantile(of)),
        Measure::ErrorRate => "error rate".into(),
        Measure::Status(status) => format!("status {status}"),
    }
}

/// The name of what differs, with the service whose it is.
pub fn name(d: &Difference) -> String {
    of(d.service.as_deref(), d.measure)
}

fn of(service: Option<&str>, of: Measure) -> String {
    service.map_or_else(|| measure(of), |service| format!("{service}: {}", measure(of)))
}

/// A value of a measure with its unit: `4.1 KiB/request`, `0.25/request`, `12.5 ms`, `3 %`.
pub fn value(measure: Measure, value: f64) -> String {
    let per = if matches!(measure, Measure::Growth(_)) { "/request" } else { "" };
    format!("{}{per}", bare(measure, value))
}

/// The same without what it is for: `4.1 KiB`, `0.25`, `12.5 ms`, `3 %`.
fn bare(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Growth(resource) => amount(resource, value),
        Measure::Counted(metric) => amount(Resource::Metric(metric), value),
        Measure::Level | Measure::Churn => format_bytes(value),
        Measure::Cpu | Measure::Latency(_) => format_seconds(value),
        Measure::ErrorRate | Measure::Status(_) => percent(value),
    }
}

/// Two ends: `3.9 KiB to 4.3 KiB`; only one if they are printed alike.
fn range(measure: Measure, lower: f64, upper: f64) -> String {
    let (lower, upper) = (bare(measure, lower), bare(measure, upper));
    if lower == upper { lower } else { format!("{lower} to {upper}") }
}

/// What is said first of a comparison; `name` is that of the target.
pub fn headline(name: &str, comparison: &Comparison) -> Headline {
    let name = if name.is_empty() { "the target" } else { name };
    let (rest, more) = match comparison.answer {
        Answer::Inconclusive => open(comparison),
        answer => clear(comparison, answer),
    };
    Headline {
        name: format!("{name} is"),
        word: answer_word(comparison.answer),
        rest: format!("{rest}."),
        more: more.into_iter().map(|text| format!("{}.", super::capital(&text))).collect(),
        says_why_it_ended: false,
    }
}

/// An answer that was found: what it is of, and what else there is.
fn clear(comparison: &Comparison, answer: Answer) -> (String, Vec<String>) {
    let differences = &comparison.differences;
    let of = |wanted: Answer| differences.iter().filter(move |d| d.answer == wanted);
    let as_than = if answer == Answer::Equivalent { "as" } else { "than" };
    let sides = format!(" {} {as_than} {}", comparison.sides.b.phrase, other(&comparison.sides));
    let mut told = of(answer).filter(|d| answer != Answer::Equivalent || d.measure.is_gated()).map(clause);
    let first = told.next().map_or_else(String::new, |clause| format!(": {clause}"));
    let mut more: Vec<String> = if answer == Answer::Equivalent { Vec::new() } else { told.collect() };
    if answer == Answer::Regression {
        // Whether memory leaks is always said.
        let memory = comparison.difference(Measure::Growth(Resource::Memory));
        more.extend(memory.filter(|d| matches!(d.answer, Answer::Equivalent | Answer::Inconclusive)).map(clause));
        more.extend(of(Answer::Improvement).map(clause));
    } else {
        let open: Vec<String> = of(Answer::Inconclusive).map(name).collect();
        if !open.is_empty() {
            more.push(format!("open: {}", open.join(", ")));
        }
    }
    (format!("{sides}{first}"), more)
}

/// What is open, and what would settle it.
fn open(comparison: &Comparison) -> (String, Vec<String>) {
    if comparison.is_unfinished() {
        let (pairs, planned) = (comparison.pairs, comparison.planned);
        let ran = match pairs {
            0 => format!("none of {planned} planned pairs of runs came to its end"),
            1 => format!("1 of {planned} planned pairs of runs came to its end"),
            pairs => format!("{pairs} of {planned} planned pairs of runs came to their end"),
        };
        return (format!(": {ran}, which is too few for an answer"), so_far(comparison).into_iter().collect());
    }
    let gated = || comparison.differences.iter().filter(|d| d.measure.is_gated() && d.answer == Answer::Inconclusive);
    let mut told = gated().map(clause);
    let first = told.next().unwrap_or_else(|| "nothing could be compared".into());
    let settle = gated().filter_map(|d| d.more_pairs).max().map(|more| match more {
        1 => "to settle it: one more pair of runs".to_owned(),
        more => format!("to settle it: about {more} more pairs of runs"),
    });
    let more = told.chain(settle).collect();
    (format!(": {first}"), more)
}

/// The baseline after the candidate: `without it`, `as it is`.
fn other(sides: &Sides) -> String {
    let module = sides.b.phrase.strip_prefix("with ");
    if sides.a.phrase.strip_prefix("without ").is_some_and(|off| Some(off) == module) {
        "without it".into()
    } else {
        sides.a.phrase.clone()
    }
}

/// What all pairs so far say of memory, if they say anything.
pub fn so_far(comparison: &Comparison) -> Option<String> {
    let memory = comparison.difference(Measure::Growth(Resource::Memory))?;
    let difference = memory.difference?;
    let range = range(memory.measure, difference.lower, difference.upper);
    Some(format!("so far, {} (99 %: {range})", moves(memory, difference.estimate)?))
}

/// One difference, a sentence without its full stop: `each request leaves 4.1 KiB more (allowed: 64 B)`, `latency p95 rises by
/// 51 ms, from 2 ms to 53 ms (allowed: 1 ms)`.
pub fn clause(d: &Difference) -> String {
    let of_service = d.service.as_ref().map(|service| format!("in its service `{service}`, "));
    format!("{}{}", of_service.unwrap_or_default(), said(d))
}

fn said(d: &Difference) -> String {
    let name = measure(d.measure);
    let (Some(a), Some(b)) = (d.a, d.b) else { return format!("{name} could not be measured") };
    let allowed = format!("allowed: {}", bare(d.measure, d.margin));
    let each = if matches!(d.measure, Measure::Growth(_)) { " a request" } else { "" };
    // The difference of the pairs, which is that of the table.
    let by = d.difference.filter(|_| !each.is_empty()).map_or(b.mean - a.mean, |i| i.estimate);
    let moved = || moves(d, by).unwrap_or_else(|| format!("{name} differs"));
    match (d.answer, d.difference) {
        (Answer::Regression, _) => format!("{} ({allowed})", moved()),
        (Answer::Improvement, _) => moved(),
        (Answer::Equivalent, Some(i)) => match least(d, i.lower.abs().max(i.upper.abs())) {
            None => format!("{name} does not differ"),
            Some(most) => format!("{name} differs by at most {most}{each} ({allowed})"),
        },
        (Answer::Inconclusive, Some(i)) => format!(
            "{name} may differ: by {}{each} as measured ({} %: {}; {allowed})",
            bare(d.measure, i.estimate),
            format_count(100.0 * i.confidence),
            range(d.measure, i.lower, i.upper)
        ),
        (Answer::Equivalent | Answer::Inconclusive, None) => format!(
            "{name} may differ: it is {} on one side, {} on the other ({allowed})",
            value(d.measure, a.mean),
            value(d.measure, b.mean)
        ),
    }
}

/// How a measure moves from the baseline to the candidate.
fn moves(d: &Difference, by: f64) -> Option<String> {
    if let Measure::Growth(resource) = d.measure {
        let (who, what) = leaves(resource, "request", by.abs());
        return Some(format!("{who} {what} {}", if by < 0.0 { "less" } else { "more" }));
    }
    let (a, b) = (bare(d.measure, d.a?.mean), bare(d.measure, d.b?.mean));
    let verb = if by < 0.0 { "falls" } else { "rises" };
    let from_to = if a == b { format!(" to {b}") } else { format!(", from {a} to {b}") };
    Some(format!("{} {verb} by {}{from_to}", measure(d.measure), bare(d.measure, by.abs())))
}

/// A bound that is worth a word.
fn least(d: &Difference, bound: f64) -> Option<String> {
    (bound >= NONE * d.margin).then(|| bare(d.measure, bound))
}

/// One measure as a line of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferenceWords {
    /// Its name.
    pub name: String,
    /// The baseline's mean.
    pub a: String,
    /// The candidate's.
    pub b: String,
    /// By how much they differ.
    pub difference: String,
    /// Between which bounds that lies; empty if the sides are the same.
    pub interval: String,
    /// The difference that is allowed.
    pub allowed: String,
}

/// The line of a measure.
pub fn difference(d: &Difference) -> DifferenceWords {
    let side = |side: Option<SideEstimate>| side.map_or_else(|| "–".to_owned(), |side| bare(d.measure, side.mean));
    let (difference, interval) = match (d.answer, d.difference) {
        (Answer::Equivalent, Some(i)) => {
            let most = least(d, i.lower.abs().max(i.upper.abs()));
            (most.map_or_else(|| "none".to_owned(), |most| format!("at most {most}")), String::new())
        }
        (_, Some(i)) => (signed(d.measure, i.estimate), range(d.measure, i.lower, i.upper)),
        (_, None) => {
            let both = d.a.zip(d.b).map(|(a, b)| signed(d.measure, b.mean - a.mean));
            (both.unwrap_or_else(|| "not measured".to_owned()), String::new())
        }
    };
    let allowed = value(d.measure, d.margin);
    DifferenceWords { name: name(d), a: side(d.a), b: side(d.b), difference, interval, allowed }
}

/// A difference with its sign: `+4.1 KiB`.
pub fn signed(measure: Measure, by: f64) -> String {
    let text = bare(measure, by);
    if by > 0.0 && !text.starts_with("0 ") && text != "0" { format!("+{text}") } else { text }
}

/// What the reader should know beside, a sentence without its full stop.
pub fn note(note: &ComparisonNote, sides: &Sides) -> String {
    let of = |b: &bool| -> &Side { if *b { &sides.b } else { &sides.a } };
    match note {
        ComparisonNote::Early { pairs, planned } => {
            format!("the answer is clear after {pairs} pairs of runs; {planned} were planned")
        }
        ComparisonNote::GoesOn { by, directory } => {
            let by = by.as_ref().map_or_else(String::new, |by| format!("{by}; "));
            format!("{by}the same command with `--resume {directory}` goes on")
        }
        ComparisonNote::FewPairs { enough, differ } => {
            let alike = if *differ { ", and on all pairs pointing the same way" } else { " alone" };
            format!("with fewer than {enough} pairs, the answer rests on the intervals{alike}")
        }
        ComparisonNote::LeaksAlone { b, leaks, runs } => {
            format!("{}, {leaks} of {runs} runs leak", of(b).phrase)
        }
        ComparisonNote::Unmeasured { measure, service, missing, pairs } => {
            let what = self::of(service.as_deref(), *measure);
            format!("{what} could not be measured in {missing} of {pairs} pairs")
        }
        ComparisonNote::SingleRuns => {
            "these are two single runs: whatever changed on the host between them counts as a difference; \
                             `seepage ab` runs pairs in random order, which is proof"
                .into()
        }
        ComparisonNote::GrowthOnly => {
            "a single run has an interval for growth only: nothing is concluded from the other measures".into()
        }
        ComparisonNote::WorkloadsDiffer => {
            "the workloads of the two runs differ: so may the growth, by that alone".into()
        }
        ComparisonNote::WorkloadUnknown => {
            "a file of a verdict doesn't have the workload: whether that of the two runs is the same isn't known".into()
        }
        ComparisonNote::RulesDiffer { a, b } => {
            let version =
                |rule: &Option<u32>| rule.map_or_else(|| "an older one".into(), |rule| format!("version {rule}"));
            format!(
                "the two runs were judged by other versions of the rule, {} and {}: so may the growth differ, by that alone",
                version(a),
                version(b)
            )
        }
        ComparisonNote::HostsDiffer => "the two runs were made on different machines or kernels".into(),
        ComparisonNote::Recorded(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Interval;
    use crate::fixture::pairs::{MEMORY, sides};

    /// A difference between `a` and `b` whose interval goes so far to both sides.
    fn made(measure: Measure, answer: Answer, a: f64, b: f64, half: f64) -> Difference {
        let side = |mean| Some(SideEstimate { mean, interval: None });
        let by = b - a;
        let interval = Interval { estimate: by, lower: by - half, upper: by + half, confidence: 0.99 };
        Difference {
            service: None,
            measure,
            answer,
            a: side(a),
            b: side(b),
            difference: Some(interval),
            p: None,
            margin: 64.0,
            pairs: Vec::new(),
            more_pairs: None,
        }
    }

    #[test]
    fn ends_that_are_printed_alike_are_said_once() {
        let leak = made(MEMORY, Answer::Regression, 0.0, 3277.0, 1.0);
        assert_eq!(difference(&leak).interval, "3.2 KiB");
        let level = made(Measure::Level, Answer::Regression, 1e9, 1e9 + 900.0, 5.0);
        assert_eq!(clause(&level), "memory level rises by 900 B to 954 MiB (allowed: 64 B)");
        let apart = made(Measure::Level, Answer::Improvement, 9000.0, 4000.0, 5.0);
        assert_eq!(clause(&apart), "memory level falls by 4.88 KiB, from 8.79 KiB to 3.91 KiB");
    }

    #[test]
    fn what_is_rare_is_counted_over_many_requests() {
        let kept = made(Measure::Growth(Resource::Descriptors), Answer::Regression, 0.0, 0.25, 0.01);
        assert_eq!(clause(&kept), "every 4 requests leave one descriptor more (allowed: 64)");
    }

    #[test]
    fn what_is_the_same_is_none_or_its_farther_bound() {
        let none = made(MEMORY, Answer::Equivalent, 0.0, 0.5, 0.1);
        assert_eq!(clause(&none), "memory growth does not differ");
        assert_eq!((difference(&none).difference.as_str(), difference(&none).interval.as_str()), ("none", ""));
        let some = made(MEMORY, Answer::Equivalent, 0.0, -3.0, 9.0);
        assert_eq!(clause(&some), "memory growth differs by at most 12 B a request (allowed: 64 B)");
    }

    #[test]
    fn what_is_open_says_where_it_may_lie() {
        let open = made(MEMORY, Answer::Inconclusive, 0.0, 40.0, 80.0);
        let said = "memory growth may differ: by 40 B a request as measured (99 %: -40 B to 120 B; allowed: 64 B)";
        assert_eq!(clause(&open), said);
        assert_eq!(difference(&open).difference, "+40 B");
    }

    #[test]
    fn the_baseline_is_not_named_twice() {
        assert_eq!(other(&sides()), "without it");
        let side = |phrase: &str| Side { name: "x".into(), phrase: phrase.into() };
        assert_eq!(other(&Sides { a: side("as it is"), b: side("with old") }), "as it is");
    }
}
