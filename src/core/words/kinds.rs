//! Words for the kinds of things: outcomes, classes, axes; and growth with its bounds.

use crate::answer::{Finding, GateState, Interval, LeakClass, Outcome};
use crate::model::{Axis, Resource, allowed_rate, amount, format_count, rate};

/// A growth with its bounds: `4.1 KiB/request (98 %: 3.9 KiB to 4.3 KiB)`.
pub fn growth(resource: Resource, axis: Axis, interval: &Interval) -> String {
    format!("{} ({})", rate(resource, axis, interval.estimate), confident(interval, |value| amount(resource, value)))
}

/// Bounds with their confidence, in the words of `amount`: `98 %: 3.9 KiB to 4.3 KiB`; where rounded they are the same, how far
/// they lie from their middle: `98 %: ± 1.9 B`.
pub fn confident(interval: &Interval, amount: impl Fn(f64) -> String) -> String {
    let percent = format_count(interval.confidence * 100.0);
    match narrow(interval, &amount) {
        Some(half) => format!("{percent} %: ± {half}"),
        None => format!("{percent} %: {} to {}", amount(interval.lower), amount(interval.upper)),
    }
}

/// How far the bounds lie from their middle, in the words of `amount`, if in these words they are the same.
pub fn narrow(interval: &Interval, amount: impl Fn(f64) -> String) -> Option<String> {
    let Interval { lower, upper, .. } = *interval;
    (lower < upper && amount(lower) == amount(upper)).then(|| amount((upper - lower) / 2.0))
}

/// The bounds of a growth alone: `3.9 KiB to 4.3 KiB`, or `± 1.9 B` if that is very narrow.
pub fn bounds(resource: Resource, interval: &Interval) -> String {
    let amount = |value| amount(resource, value);
    match narrow(interval, amount) {
        Some(half) => format!("± {half}"),
        None if interval.lower == interval.upper => amount(interval.lower),
        None => format!("{} to {}", amount(interval.lower), amount(interval.upper)),
    }
}

/// The budget of a finding: `64 B/request` or `1 MiB/hour`. Over seconds it is still one per request.
pub fn budget(finding: &Finding) -> String {
    allowed_rate(finding.resource, finding.axis, finding.budget)
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
        LeakClass::BornBigger => "each new worker is born bigger",
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

/// The word of an outcome on its own.
pub fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Leak => "LEAK",
        Outcome::Clean => "CLEAN",
        Outcome::Inconclusive => "INCONCLUSIVE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_reads_well() {
        let narrow = Interval { estimate: 3277.0, lower: 3275.1, upper: 3278.9, confidence: 0.98 };
        assert_eq!(growth(Resource::Memory, Axis::WorkerRequests, &narrow), "3.2 KiB/request (98 %: ± 1.9 B)");
        assert_eq!(bounds(Resource::Memory, &narrow), "± 1.9 B");
        let interval = Interval { estimate: 4198.0, lower: 3993.0, upper: 4403.0, confidence: 0.98 };
        let text = growth(Resource::Memory, Axis::WorkerRequests, &interval);
        assert_eq!(text, "4.1 KiB/request (98 %: 3.9 KiB to 4.3 KiB)");
        assert_eq!(bounds(Resource::Memory, &interval), "3.9 KiB to 4.3 KiB");
        let interval = Interval { estimate: 0.25, lower: 0.24, upper: 0.26, confidence: 0.98 };
        let text = growth(Resource::Descriptors, Axis::WorkerRequests, &interval);
        assert_eq!(text, "0.25 descriptors/request (98 %: 0.24 to 0.26)");
    }
}
