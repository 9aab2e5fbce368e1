//! The words that explain a comparison.

use super::{Answer, Difference, Measure, SideEstimate, Sides};
use crate::model::{Resource, amount, format_bytes, format_seconds, percent};
use crate::verdict::Interval;

/// The word a comparison begins with.
pub fn answer_word(answer: Answer) -> &'static str {
    match answer {
        Answer::Regression => "REGRESSION",
        Answer::Improvement => "IMPROVEMENT",
        Answer::Equivalent => "EQUIVALENT",
        Answer::Inconclusive => "INCONCLUSIVE",
    }
}

/// A value of a measure with its unit: `4.1 KiB/request`, `0.25/request`, `12.5 ms`, `3 %`.
pub fn value(measure: Measure, value: f64) -> String {
    let per = if matches!(measure, Measure::Growth(_)) { "/request" } else { "" };
    format!("{}{per}", bare(measure, value))
}

/// The same without what it is counted for: `4.1 KiB`, `0.25`, `12.5 ms`, `3 %`.
fn bare(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Growth(resource) => amount(resource, value),
        Measure::Level | Measure::Churn => format_bytes(value),
        Measure::Cpu | Measure::Latency(_) => format_seconds(value),
        Measure::ErrorRate | Measure::Status(_) => percent(value),
    }
}

/// A value with its bounds: `4.1 KiB/request (3.9 KiB to 4.3 KiB)`.
pub fn value_with_bounds(measure: Measure, interval: &Interval) -> String {
    let (lower, upper) = (bare(measure, interval.lower), bare(measure, interval.upper));
    format!("{} ({lower} to {upper})", value(measure, interval.estimate))
}

/// What is said of one difference, without a full stop: `rises from 2 ms to 52 ms`.
pub fn difference_words(difference: &Difference) -> String {
    let measure = difference.measure;
    let (Some(a), Some(b)) = (difference.a, difference.b) else { return "could not be measured".into() };
    let margin = value(measure, difference.margin);
    let from_to = format!("from {} to {}", value(measure, a.mean), value(measure, b.mean));
    let interval = difference.difference.map(|d| value_with_bounds(measure, &d));
    match (difference.answer, interval) {
        (Answer::Regression, _) => format!("rises {from_to}"),
        (Answer::Improvement, _) => format!("falls {from_to}"),
        (Answer::Equivalent, Some(interval)) => format!("differs by {interval}, within {margin}"),
        (Answer::Inconclusive, Some(interval)) => format!("differs by {interval}, margin {margin}"),
        (_, None) => format!("goes {from_to}"),
    }
}

/// The comparison in one sentence, after the word that it begins with.
pub(super) fn sentence(sides: &Sides, answer: Answer, differences: &[Difference]) -> String {
    let of = |wanted: Answer| differences.iter().filter(move |d| d.answer == wanted);
    let mut parts: Vec<String> = Vec::new();
    match answer {
        Answer::Regression => parts.extend(of(Answer::Regression).map(|d| proven(sides, d))),
        Answer::Improvement | Answer::Equivalent | Answer::Inconclusive => {}
    }
    match answer {
        Answer::Inconclusive => {
            parts.extend(differences.iter().filter(|d| d.measure.is_gated() && d.answer == answer).map(open))
        }
        Answer::Regression => parts.extend(rest(differences)),
        Answer::Improvement | Answer::Equivalent => {}
    }
    parts.extend(of(Answer::Improvement).map(|d| proven(sides, d)));
    if matches!(answer, Answer::Equivalent | Answer::Improvement) {
        parts.extend(
            of(Answer::Equivalent)
                .filter(|d| d.measure.is_gated())
                .take(1)
                .map(|d| format!("{} {}", d.measure, difference_words(d))),
        );
        let open: Vec<String> = of(Answer::Inconclusive).map(|d| d.measure.to_string()).collect();
        if !open.is_empty() {
            parts.push(format!("not decided: {}", open.join(", ")));
        }
    }
    if parts.is_empty() {
        parts.push("nothing could be compared".into());
    }
    parts.join("; ")
}

/// A proven difference. Growth is told side by side, so that one sees what either does.
fn proven(sides: &Sides, d: &Difference) -> String {
    let Measure::Growth(resource) = d.measure else { return format!("{} {}", d.measure, difference_words(d)) };
    let (worse, better, high, low) = match d.answer {
        Answer::Improvement => (&sides.a, &sides.b, d.a, d.b),
        _ => (&sides.b, &sides.a, d.b, d.a),
    };
    let (Some(high), Some(low)) = (high, low) else { return format!("{} {}", d.measure, difference_words(d)) };
    let noun = resource.growing();
    let better = if better.phrase.starts_with("without ") { "without it".to_owned() } else { better.phrase.clone() };
    format!("{} {noun} {}, {better} {}", worse.phrase, estimate(d.measure, &high), little(d, &low))
}

fn estimate(measure: Measure, side: &SideEstimate) -> String {
    side.interval.map_or_else(|| value(measure, side.mean), |i| value_with_bounds(measure, &i))
}

/// The smaller side: a bound if it is next to nothing, else what it is.
fn little(d: &Difference, side: &SideEstimate) -> String {
    let upper = side.interval.map_or(side.mean, |i| i.upper);
    if upper < d.margin {
        format!("less than {}", value(d.measure, least_shown(upper, d.margin)))
    } else {
        estimate(d.measure, side)
    }
}

/// Nobody asks whether "less than 0.0003 B" is less than nothing: what is far under the margin is told by the margin.
fn least_shown(upper: f64, margin: f64) -> f64 {
    if upper < 0.25 * margin { margin } else { upper }
}

/// What else there is to say of a regression: whether memory leaks is always said.
fn rest(differences: &[Difference]) -> Option<String> {
    let memory = differences.iter().find(|d| d.measure == Measure::Growth(Resource::Memory))?;
    match memory.answer {
        Answer::Equivalent => Some(format!("memory grows no faster: its growth {}", difference_words(memory))),
        Answer::Inconclusive => Some(open(memory)),
        Answer::Regression | Answer::Improvement => None,
    }
}

fn open(d: &Difference) -> String {
    let settle = match d.more_pairs {
        Some(1) => "; one more pair would settle it".to_owned(),
        Some(more) => format!("; about {more} more pairs would settle it"),
        None => String::new(),
    };
    format!("{} {}{settle}", d.measure, difference_words(d))
}
