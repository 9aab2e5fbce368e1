//! Why a finding is what it is, and what would settle it, in sentences without their full stop.

use super::evidence::part_name;
use super::plain::{counted, thousands};
use crate::answer::{Finding, History, Reached, Reason, SetAside, Settle};
use crate::model::{Axis, Resource, amount, format_bytes, format_count, format_seconds, rate};
use crate::plan::TooShort;
use crate::rule::leaking_parts;

/// Why a finding is what it is, with what a leak is made of.
pub fn reason(finding: &Finding) -> String {
    let unit = finding.axis.unit();
    let parts = if finding.resource == Resource::Memory { Vec::new() } else { leaking_parts(finding) };
    let named: Vec<String> = parts
        .iter()
        .map(|part| format!("{} {}/{unit}", format_count(part.growth.estimate), part_name(part.kind)))
        .collect();
    let parts = if named.is_empty() { String::new() } else { format!("; of these {}", named.join(", ")) };
    let over = finding.reached.map_or_else(String::new, |over| format!("{}; ", reached(finding, &over)));
    format!("{over}{}{parts}", why(finding, &finding.reason))
}

/// That growth has stopped: `it grew by 504 MiB in the first 3 min, and by 8 MiB in the 27 min since`.
fn reached(finding: &Finding, over: &Reached) -> String {
    let alone = finding.workers.iter().filter(|worker| worker.growth.is_some()).count() == 1;
    let who =
        over.worker.filter(|_| !alone).map_or_else(|| "it".to_owned(), |w| format!("PID {}, which rose most,", w.pid));
    let (first, rest) = (format_seconds(over.seconds.round()), format_seconds(over.rest.round()));
    let since = match over.since {
        none if none <= 0.0 => format!("has stayed there for {rest} since"),
        more => format!("by {} in the {rest} since", amount(finding.resource, more)),
    };
    let beside = over.beside.map_or_else(String::new, |(beside, from, to)| {
        let count = |count: u64| thousands(&count.to_string());
        format!(" ({beside} went from {} to {} meanwhile, and no further)", count(from), count(to))
    });
    format!("{who} grew by {} in the first {first}, and {since}{beside}", amount(finding.resource, over.grown))
}

fn why(finding: &Finding, reason: &Reason) -> String {
    let rate = |growth: f64| rate(finding.resource, finding.axis, growth);
    let allowed = rate(finding.budget);
    let along = if matches!(finding.axis, Axis::Hours | Axis::Seconds) { "time" } else { "the requests" };
    let of_half = |second_half: bool| if second_half { " of the second half" } else { "" };
    match reason {
        Reason::NotJudged => format!("{} was not judged", finding.resource),
        Reason::NotRead => format!("{} could not be read", finding.resource),
        Reason::NoSeries(first) => format!("no worker could be judged, the first because {}", set_aside(*first)),
        Reason::FewReadings => "too few readings".into(),
        Reason::FewCollections(count) => {
            format!(
                "it rises and falls as a collector makes it, and {} are too few to judge the levels after them by",
                counted(*count as u64, "collection")
            )
        }
        Reason::NoRequests => "no requests were counted, so that growth per request is unknown".into(),
        Reason::SomeWorkers { leaking, judged } => {
            let grow = if *leaking == 1 { "grows" } else { "grow" };
            format!(
                "{leaking} of {judged} workers {grow} beyond doubt, tested one by one; of the others it isn't proven"
            )
        }
        Reason::ByParts => {
            format!("growth goes on to the end, and twelve parts of the run exceed the budget of {allowed} in the mean")
        }
        Reason::GoesOn { lower, jumps } => {
            let jumps = if *jumps { ", much of it in jumps that go on" } else { "" };
            let lower = rate(*lower);
            format!("growth goes on to the end{jumps}: at least {lower} in every plausible model, budget {allowed}")
        }
        Reason::BornBigger { births, each } => format!(
            "each of {births} new workers is born {} bigger than the last, over the budget of {allowed} for what the pool serves meanwhile",
            format_bytes(*each)
        ),
        Reason::EndsByItself { end, persistent } => format!(
            "growth ends by itself: it is at most {} at the end, and at most {} of it lasts in every plausible model, budget \
             {allowed}",
            rate(*end),
            rate(*persistent)
        ),
        Reason::Within { upper, history, second_half } => {
            let history = match history {
                Some(History::HighWaterMark) => "it rose to a high-water mark and stays there; ",
                Some(History::WarmUp) => "it grew at first and settled; ",
                Some(History::Growth) => "it grows, but within the budget; ",
                None => "",
            };
            let (upper, of) = (rate(*upper), of_half(*second_half));
            format!("{history}growth at the end is at most {upper} in every plausible model{of}, budget {allowed}")
        }
        Reason::Unshared { bytes, clean } => format!(
            "private memory grew by {} in each worker because inherited pages were written to; {}",
            format_bytes(*bytes),
            why(finding, clean)
        ),
        Reason::Jumps { count, added } if *added <= 0.0 => {
            format!("it jumps up and down, {count} times, and it can't be told yet whether that goes on")
        }
        Reason::Jumps { count, added } => {
            format!("{count} abrupt jumps add up to {}, and it can't be told yet whether they go on", rate(*added))
        }
        Reason::SomeSuspicious { recycled } => {
            let whose = if *recycled { "some incarnations" } else { "some workers" };
            format!("all together are within the budget of {allowed}, but {whose} may not be")
        }
        Reason::GrowsWhileIdle { upper } => {
            format!("it may grow while next to no requests come, as if all of them left up to {} more", rate(*upper))
        }
        Reason::Stopped { estimate } if *estimate <= 0.0 => {
            "it moved until shortly before the end, and has stopped or slowed down since".into()
        }
        Reason::Stopped { estimate } => {
            format!(
                "it grew by about {} until shortly before the end, and has stopped since, or slowed down so much that it may stop",
                rate(*estimate)
            )
        }
        Reason::LoadIsLost { estimate } => {
            format!("the load rises and falls with {along}: growth of {} can't be told apart from it", rate(*estimate))
        }
        Reason::LoadIsAll => {
            format!("the load rises and falls with {along}, so that growth can't be told apart from it")
        }
        Reason::TakenBack { estimate } => {
            let grows = if *estimate > 0.0 { format!("grows by about {}", rate(*estimate)) } else { "rises".into() };
            format!("it {grows} between abrupt falls that take much of it back")
        }
        Reason::Fading { estimate } => {
            format!("it grows by about {}, but slower and slower, so that it may end by itself", rate(*estimate))
        }
        Reason::Shapeless { estimate } => {
            format!("it grows by about {}, but so unevenly that nothing tells whether that lasts", rate(*estimate))
        }
        Reason::FewRises { estimate } => {
            format!("it grows by about {}, but late in a few rises that may be the last", rate(*estimate))
        }
        Reason::Recent { estimate } => {
            format!("it grows by about {}, but only since late in the run", rate(*estimate))
        }
        Reason::NearBudget { estimate } => {
            format!("it grows by about {}, too near to the budget of {allowed} to tell", rate(*estimate))
        }
        Reason::StillWarming { upper } => {
            format!("it is still warming up: growth slows, but it may be {} at the end, budget {allowed}", rate(*upper))
        }
        Reason::MayHideGrowth { estimate, hidden } => format!(
            "it falls by about {}, so unevenly that growth of up to {} may be hidden in it (allowed: {allowed})",
            rate(-estimate),
            rate(*hidden)
        ),
        Reason::TooNoisy { upper, .. } if *upper > finding.budget => {
            format!("too short or too noisy: it may grow by up to {} (allowed: {allowed})", rate(*upper))
        }
        Reason::TooNoisy { lower, upper } => format!(
            "too short or too noisy: growth may be anything from {} to {}, budget {allowed}",
            rate(*lower),
            rate(*upper)
        ),
        Reason::Young { pid, age } => {
            let began =
                if *age < 1.0 { "with the watch".into() } else { format!("{} before the watch", seconds(*age)) };
            format!("PID {pid} began {began}: it may be warming up, and has not grown for long enough after that")
        }
    }
}

/// Why a series takes no part.
pub fn set_aside(why: SetAside) -> String {
    match why {
        SetAside::Unsound => "its readings are no numbers or out of order".into(),
        SetAside::Few(readings) => format!("only {readings} of its readings can be judged"),
        SetAside::Idle => "it was idle: it served next to no requests".into(),
        SetAside::Outlived => "it outlived the others by far, and is judged apart".into(),
        SetAside::PartOnly => "it lived through a part of the run only".into(),
        SetAside::Represented { by, of } => format!("{by} of {of} incarnations stand for all"),
    }
}

/// What would settle an inconclusive finding.
pub fn settle(finding: &Finding) -> Option<String> {
    Some(match finding.settle? {
        Settle::Readings => "a longer run under load, or shorter intervals between readings".into(),
        Settle::Longer { steps, times, .. } if finding.axis == Axis::Hours => format!(
            "about {} of the same, {} times as long",
            format_seconds(rounded_up(steps * 3600.0)),
            format_count(rounded_up(times))
        ),
        Settle::Longer { steps, times, pace } => {
            let unit = match finding.axis {
                Axis::Seconds => "seconds",
                Axis::PoolRequests => "requests",
                Axis::WorkerRequests | Axis::SharedRequests | Axis::Hours => "requests in each worker",
            };
            let steps = rounded_up(steps.ceil());
            let time =
                pace.map_or(String::new(), |pace| format!(" ({} at the rate of this run)", seconds(steps / pace)));
            let (steps, times) = (format_count(steps), format_count(rounded_up(times)));
            format!("a soak of about {steps} {unit}{time}, {times} times as long")
        }
        Settle::MoreLives { times } => format!(
            "a soak {} times as long, in which more workers come and go, or workers that live for longer",
            format_count(rounded_up(times))
        ),
        Settle::Outlast(age) => format!(
            "a watch that goes on until that process is over {} old, or `--warm-up` with the time that it takes to warm up",
            seconds(age)
        ),
        Settle::BudgetPerHour => {
            "a budget per hour, such as `1 MiB/hour`, by which growth of any cause is judged".into()
        }
        Settle::OtherBudget => {
            "a lower budget or a higher one: growth is just what is allowed, and no length of a run will tell on which side".into()
        }
        Settle::OtherLoad => "a load that stays the same, or comes back to where it was".into(),
        Settle::CountRequests => "count requests: name an access log or a status page in the harness file".into(),
    })
}

/// Why a rehearsal is too short to plan by, and what to do about it.
pub fn too_short(why: TooShort) -> String {
    let told = "the rehearsal is too short to measure the noise: rehearse for longer, or at a higher rate";
    match why {
        TooShort::Unfitted => told.into(),
        TooShort::Levels { levels, needed } => format!("{told}: it gave {levels} levels, {needed} are needed"),
    }
}

fn seconds(seconds: f64) -> String {
    format_seconds(if seconds < 1.0 { seconds } else { seconds.round() })
}

/// Two significant digits, rounded up.
fn rounded_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 0.0;
    }
    let unit = 10f64.powf(value.log10().floor() - 1.0);
    (value / unit).ceil() * unit
}
