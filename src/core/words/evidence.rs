//! What stands behind a finding, in words: its facts, what shows that it is of its class, models and patterns.

use super::kinds::{self, growth};
use super::plain::counted;
use crate::answer::{Because, Fact, Finding, Full, JumpPattern, ModelShape, PartKind, Transient, When};
use crate::model::{Axis, Resource, amount, format_bytes, format_count, format_seconds, rate};
use crate::verdict::Found;

/// The facts behind a finding as label and value, in the order to be shown.
pub fn facts(finding: &Finding) -> Vec<(String, String)> {
    finding.evidence.facts.iter().map(|fact| told(finding, fact)).collect()
}

fn told(finding: &Finding, fact: &Fact) -> (String, String) {
    let (resource, axis) = (finding.resource, finding.axis);
    let rate = |growth: f64| rate(resource, axis, growth);
    let growth = |interval| growth(resource, axis, interval);
    let (label, value) = match fact {
        Fact::Judged { count, recycled } => {
            let judged = match (recycled, count) {
                (true, count) => format!("{}, aligned by age", counted(*count, "incarnation")),
                (false, 1) => "1 worker".to_owned(),
                (false, count) => format!("{count} workers side by side"),
            };
            ("judged", judged)
        }
        Fact::SetAside { count, of } => ("set aside", format!("{count} of {of} series")),
        Fact::Against(axis) => ("growth is against", format!("{} ({})", axis.unit(), whose(*axis))),
        Fact::Released(workers) => {
            ("given back at first", format!("by {}, judged from the low point on", counted(*workers, "worker")))
        }
        Fact::Swings(times) => ("up and down by the same amount", format!("{}, taken out", counted(*times, "time"))),
        Fact::Growth(interval) => ("growth", growth(interval)),
        Fact::Persistent(interval) => ("persistent growth", growth(interval)),
        Fact::AtTheEnd(interval) => ("growth at the end", growth(interval)),
        Fact::Mixed => {
            let value = "their counts explain uneven growth: growth is that at the mix of the whole run";
            ("steps of the workload", value.into())
        }
        Fact::SecondHalf => ("proven by", "its second half alone: no model fits what came before".into()),
        Fact::Least(estimate) => ("least plausible estimate", rate(*estimate)),
        Fact::Models(count) => ("plausible models", count.to_string()),
        Fact::Model { shape, persistent, end, error, distance } => {
            let value = format!(
                "{} persistent, {} at the end, standard error {}, criterion +{distance:.1}",
                rate(*persistent),
                rate(*end),
                amount(resource, *error)
            );
            return (format!("model: {}", model(shape)), value);
        }
        Fact::Autocorrelation(rho) => ("autocorrelation of neighbouring blocks", format!("{rho:.2}")),
        Fact::Innovation(sigma) => ("standard deviation of a block's innovation", amount(resource, *sigma)),
        Fact::Jumps { count, added, pattern: spread } => {
            ("abrupt jumps", format!("{count}, together {}; {}", rate(*added), pattern(*spread)))
        }
        Fact::Unshared(bytes) => ("un-shared private memory (USS), per worker", format_bytes(*bytes)),
    };
    (label.to_owned(), value)
}

fn whose(axis: Axis) -> &'static str {
    match axis {
        Axis::WorkerRequests => "served by that worker",
        Axis::SharedRequests => "the pool's, shared out evenly",
        Axis::PoolRequests => "the pool's",
        Axis::Seconds | Axis::Hours => "time",
    }
}

/// What shows that a finding is of its class, a sentence without its full stop; `None` where the reason says it all.
pub fn because(finding: &Finding) -> Option<String> {
    let (resource, axis) = (finding.resource, finding.axis);
    let level = |value: f64| amount(resource, value);
    let steps = |span: f64| distance(axis, span, |span| format_count(span.round()));
    let about = |when: &When| format!("about {}{}", distance(axis, when.at, rounded), range(axis, when));
    Some(match finding.evidence.because.as_ref()? {
        Because::Rose { span, usual, most } => {
            let whose = most.map_or(String::new(), |most| {
                format!(" in the usual worker and by {} in the one that grew most", level(most))
            });
            format!("over {} the level rose by {}{whose}", steps(*span), level(*usual))
        }
        Because::Born { births, from, to } => {
            format!("over {births} births the size rose from {} to {}", level(*from), level(*to))
        }
        Because::Fills(Some(Full { when, left })) => format!(
            "its growth slows as that of a cache does, and fits one that would be full at {}, with {} still to come",
            about(when),
            level(*left)
        ),
        Because::Fills(None) => {
            "its growth slows like the logarithm of the requests, as that of a cache whose misses get rarer and rarer"
                .into()
        }
        Because::Settled { grown, level: settled, after: Some(when) } => {
            format!("it grew by {} and settled at {} after {}", level(*grown), level(*settled), about(when))
        }
        Because::Settled { grown, level: settled, after: None } => {
            format!("it grew by {} and had settled at {} by the judged part", level(*grown), level(*settled))
        }
        Because::InJumps { grown, jumps } => {
            format!("of {} that a worker grew by, {} came in its two largest jumps", level(*grown), level(*jumps))
        }
        Because::Floors { collections, level: floor } => {
            format!("after each of {collections} collections the level came back to about {}", level(*floor))
        }
        Because::Grows { estimate } => format!(
            "it grows by {} in every plausible model, {} % of the budget",
            rate(resource, axis, *estimate),
            format_count((100.0 * estimate / finding.budget).round())
        ),
        Because::Stays { span, within, around } => {
            let within = if *within > 0.0 { format!("within {} around", level(*within)) } else { "at".to_owned() };
            format!("over {} the level stays {within} {}", steps(*span), level(*around))
        }
        Because::Retained { live, memory } => format!(
            "what is allocated and not freed grows by {} at most while anonymous memory grows by {} at least: it is \
             fragmented, the allocator keeps what was freed, or what was mapped before fills up",
            rate(Resource::Heap, axis, *live),
            rate(Resource::Memory, axis, *memory)
        ),
        Because::Swapped { resident, allocated, swapped } => {
            let shown = match *resident {
                rose if rose > 0.0 => format!("rose by {} only", format_bytes(rose)),
                _ => "didn't rise".into(),
            };
            let (allocated, swapped) = (format_bytes(*allocated), format_bytes(*swapped));
            format!("resident memory {shown} while {allocated} were allocated: {swapped} of them were swapped out")
        }
        Because::NotItsOwn { own, files, shared } => format!(
            "resident memory grew by {} in the usual worker: {} of mapped files and {} of shared memory, which are not its own",
            format_bytes(own + files + shared),
            format_bytes(*files),
            format_bytes(*shared)
        ),
    })
}

/// So much of an axis: `12000 requests`, `4 min 10 s`.
fn distance(axis: Axis, steps: f64, number: impl Fn(f64) -> String) -> String {
    let unit = if matches!(axis, Axis::Seconds | Axis::Hours) { "" } else { " requests" };
    format!("{}{unit}", place(axis, steps, number))
}

/// The same where it is known what is counted: `12000`, `4 min 10 s`.
fn place(axis: Axis, steps: f64, number: impl Fn(f64) -> String) -> String {
    match axis {
        Axis::Seconds => format_seconds(steps),
        Axis::Hours => format_seconds(steps * 3600.0),
        Axis::WorkerRequests | Axis::SharedRequests | Axis::PoolRequests => number(steps),
    }
}

fn range(axis: Axis, when: &When) -> String {
    let [soonest, latest] = [when.soonest, when.latest].map(|at| place(axis, at, rounded));
    if soonest == latest { String::new() } else { format!(" ({soonest} to {latest} over the plausible models)") }
}

/// Two significant digits.
fn rounded(value: f64) -> String {
    let unit = 10f64.powf((value.abs().log10().floor() - 1.0).clamp(-9.0, 300.0));
    format_count((value / unit).round() * unit)
}

/// How abrupt jumps are spread over the run.
pub fn pattern(pattern: JumpPattern) -> &'static str {
    match pattern {
        JumpPattern::None => "of no weight late in the run",
        JumpPattern::Single => "a single one up",
        JumpPattern::Settling => "they get rarer and smaller",
        JumpPattern::GoingOn => "they go on at the same pace",
        JumpPattern::Unclear => "whether they go on can't be told",
    }
}

/// What a model is made of.
pub fn model(shape: &ModelShape) -> String {
    let jumps = if shape.stepped { ", jumps apart" } else { "" };
    let names: Vec<String> = shape.transients.iter().map(|one| transient(*one)).collect();
    if names.is_empty() { format!("straight line{jumps}") } else { format!("line and {}{jumps}", names.join(" and ")) }
}

fn transient(transient: Transient) -> String {
    let percent = |share: f64| format!("{} %", format_count(100.0 * share));
    match transient {
        Transient::Exponential(constant) => format!("warm-up with constant {} of the run", percent(constant)),
        Transient::Logarithm(_) => "logarithmic cache".into(),
        Transient::Hinge(full) => format!("cache full at {}", percent(full)),
        Transient::Delayed(from, _) => format!("cache opened at {}", percent(from)),
        Transient::Onset(from) => format!("growth that sets in at {}", percent(from)),
    }
}

/// A part of what a resource counts.
pub fn part_name(part: PartKind) -> &'static str {
    match part {
        PartKind::Resident => "resident",
        PartKind::SwappedOut => "swapped out",
        PartKind::Sockets => "sockets",
        PartKind::Established => "established TCP connections",
        PartKind::CloseWait => "TCP connections in CLOSE_WAIT",
        PartKind::Files => "files",
        PartKind::Deleted => "deleted files",
        PartKind::Pipes => "pipes",
        PartKind::Anonymous => "event, timer and epoll descriptors",
        PartKind::Other => "devices and other descriptors",
    }
}

/// What a look at a run found, as it is recorded: `memory: leak, 4 KiB/request (98 %: ± 3 B)`.
pub fn found(found: Option<&Found>) -> String {
    let Some(Found { resource, axis, outcome, growth }) = found else { return "nothing was judged".into() };
    let growth = growth.map_or("nothing fitted".into(), |growth| kinds::growth(*resource, *axis, &growth));
    format!("{resource}: {outcome}, {growth}")
}
