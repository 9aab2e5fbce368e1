//! The words that explain a finding: why, and what would settle it.

use super::assess::{ALPHA_CLEAN, Assessment};
use super::jumping::JumpPattern;
use super::plausible::Plausible;
use super::pool::Pool;
use super::transient::Transient;
use super::{Interval, LeakClass, Outcome};
use crate::model::{Axis, Resource, amount, format_count, format_seconds, rate};
use crate::stats::student_t;

/// Everything that the words are made of.
pub(super) struct Situation<'a> {
    pub resource: Resource,
    pub axis: Axis,
    pub outcome: Outcome,
    pub class: LeakClass,
    pub budget: f64,
    pub growth: Option<Interval>,
    pub whole: Option<&'a Assessment>,
    pub pool: &'a Pool,
    /// Workers that leak beyond doubt by themselves.
    pub leaking: usize,
    /// Steps of the axis in a second, in a worker.
    pub pace: Option<f64>,
    /// Workers that could be judged by themselves.
    pub judged: usize,
    /// Rises that were taken back by equal falls, or the reverse.
    pub swings: usize,
    /// Series that gave memory back at first.
    pub released: usize,
    /// Series there are.
    pub series: usize,
}

/// A rate with its interval: `4.1 KiB/request (98 %: 3.9 KiB to 4.3 KiB)`.
pub(super) fn rate_with_bounds(resource: Resource, axis: Axis, growth: &Interval) -> String {
    format!("{} ({})", rate(resource, axis, growth.estimate), growth.bounds(|value| amount(resource, value)))
}

impl Situation<'_> {
    /// Why the outcome is what it is, without a full stop.
    pub fn reason(&self) -> String {
        let Some(a) = self.whole else { return self.nothing_to_judge() };
        let budget = rate(self.resource, self.axis, self.budget);
        let upper = rate(self.resource, self.axis, a.end.upper);
        let of = if a.by_second_half { " of the second half" } else { "" };
        match self.outcome {
            Outcome::Leak if self.class == LeakClass::LeakInOneWorker => format!(
                "{} of {} workers grow beyond doubt, tested one by one; the others don't",
                self.leaking, self.judged
            ),
            Outcome::Leak => {
                if a.persistent.lower <= 0.0 {
                    let late = rate(self.resource, self.axis, a.late.unwrap_or(a.least));
                    return format!(
                        "it climbs like a ratchet and at an even pace to the end, late by {late}, budget {budget}"
                    );
                }
                let lower = rate(self.resource, self.axis, a.persistent.lower);
                let jumps = if a.jumps == JumpPattern::GoingOn { ", much of it in jumps that go on" } else { "" };
                format!(
                    "growth goes on to the end{jumps}: at least {lower} in every plausible model{of}, budget {budget}"
                )
            }
            Outcome::Clean => {
                let history = match self.class {
                    LeakClass::HighWaterMark => "it rose in jumps to a high-water mark and stays there; ",
                    LeakClass::WarmUp => "it grew at first and settled; ",
                    LeakClass::WithinBudget => "it grows, but within the budget; ",
                    LeakClass::CopyOnWrite => "private pages grew, because inherited ones were written to; ",
                    _ => "",
                };
                if !a.by_second_half && a.end.upper >= self.budget {
                    let persistent = rate(self.resource, self.axis, a.persistent.upper);
                    return format!(
                        "growth slows and ends by itself in every plausible model: it is at most {upper} at the end, and at most \
                         {persistent} of it persists, budget {budget}"
                    );
                }
                format!("{history}growth at the end is at most {upper} in every plausible model{of}, budget {budget}")
            }
            Outcome::Inconclusive => self.open(a, &budget, &upper),
        }
    }

    fn open(&self, a: &Assessment, budget: &str, upper: &str) -> String {
        if matches!(a.jumps, JumpPattern::Unclear | JumpPattern::GoingOn) {
            return format!(
                "{} abrupt jumps add up to {}, and it can't be told yet whether they go on",
                self.pool.jumps.len(),
                rate(self.resource, self.axis, a.by_jumps.0)
            );
        }
        let lower = rate(self.resource, self.axis, a.persistent.lower);
        let transient = a.models.first().is_some_and(|m| !m.transients.is_empty() && m.end.value > 2.0 * m.end.se);
        if a.clean {
            let workers = if self.pool.recycled { "some incarnations" } else { "some workers" };
            format!("all together are within the budget of {budget}, but {workers} may not be")
        } else if a.stopped {
            format!("it grew by about {} until shortly before the end, and has all but stopped since", self.estimate(a))
        } else if a.load_is_lost {
            format!("load goes along with the requests: growth of {} can't be told apart from it", self.estimate(a))
        } else if a.taken_back {
            format!("it grows by about {} between abrupt falls that take much of it back", self.estimate(a))
        } else if a.falls_behind && a.persistent.lower > 0.0 {
            format!("growth has become slower than the {} that seem to persist: it may end", self.estimate(a))
        } else if a.persistent.lower > 0.0 && a.least < self.budget {
            format!("it grows by about {}, too near to the budget of {budget} to tell", self.estimate(a))
        } else if transient && a.end.estimate > a.persistent.estimate {
            format!("it is still warming up: growth slows, but it may be {upper} at the end, budget {budget}")
        } else {
            format!("too short or too noisy: growth may be anything from {lower} to {upper}, budget {budget}")
        }
    }

    fn estimate(&self, a: &Assessment) -> String {
        rate(self.resource, self.axis, a.persistent.estimate)
    }

    fn nothing_to_judge(&self) -> String {
        match (self.series, self.pool.set_aside.first()) {
            (0, _) => format!("{} could not be read", self.resource),
            (_, Some((_, why))) => format!("no worker could be judged, the first because {why}"),
            _ => "too few readings".into(),
        }
    }

    /// What would settle an inconclusive finding; `None` if it is settled, or if a longer run wouldn't do it.
    pub fn settle(&self) -> Option<String> {
        if self.outcome != Outcome::Inconclusive {
            return None;
        }
        let Some(a) = self.whole else {
            return Some("a longer run under load, or shorter intervals between readings".into());
        };
        let members = self.pool.members.len().max(1) as f64;
        let mean_span = self.pool.total_span() / members;
        let factor = a.models.iter().map(|m| self.stretch(m)).fold(1.5, f64::max).min(20.0);
        let requests = (mean_span * factor).ceil();
        if self.axis == Axis::Hours {
            let (seconds, factor) = (round_up(mean_span * factor * 3600.0), format_count(round_up(factor)));
            return Some(format!("about {} of the same, {factor} times as long", format_seconds(seconds)));
        }
        let unit = match self.axis {
            Axis::Seconds => "seconds",
            Axis::PoolRequests => "requests",
            _ => "requests in each worker",
        };
        let time = self.pace.filter(|_| self.axis != Axis::Seconds).map(|pace| round_up(requests) / pace);
        Some(format!(
            "a soak of about {} {unit}{}, {} times as long",
            format_count(round_up(requests)),
            time.map_or(String::new(), |t| format!(" ({} at the rate of this run)", format_seconds(t.round()))),
            format_count(round_up(factor))
        ))
    }

    /// How many times longer the run must be for this model's bound to clear the budget, if its estimate is right: the
    /// standard error of a slope falls with the 3/2 power of the length.
    fn stretch(&self, model: &Plausible) -> f64 {
        let margin = (self.budget - model.end.value).abs().max(0.05 * self.budget);
        let t = student_t(1.0 - ALPHA_CLEAN, model.end.df);
        (model.end.se * t / margin).powf(2.0 / 3.0)
    }

    /// The numbers behind the finding.
    pub fn facts(&self) -> Vec<(String, String)> {
        let mut facts = Vec::new();
        let mut fact = |label: &str, value: String| facts.push((label.to_owned(), value));
        let pooled = if self.pool.recycled { "incarnations, aligned by age" } else { "workers side by side" };
        fact("judged", format!("{} {pooled}", self.pool.members.len()));
        if !self.pool.set_aside.is_empty() {
            fact("set aside", format!("{} of {} series", self.pool.set_aside.len(), self.series));
        }
        fact("growth is against", format!("{} ({})", self.axis.unit(), axis_name(self.axis)));
        if self.released > 0 {
            fact("given back at first", format!("by {} workers, judged from their low point on", self.released));
        }
        if self.swings > 0 {
            fact("up and down by the same amount", format!("{} times, taken out", self.swings));
        }
        let Some(a) = self.whole else { return facts };
        if let Some(growth) = &self.growth {
            fact("growth", rate_with_bounds(self.resource, self.axis, growth));
        }
        fact("persistent growth", rate_with_bounds(self.resource, self.axis, &a.persistent));
        fact("growth at the end", rate_with_bounds(self.resource, self.axis, &a.end));
        if a.mixed {
            fact(
                "steps of the workload",
                "their counts explain uneven growth: growth is that at the mix of the whole run".into(),
            );
        }
        if a.by_second_half {
            fact("proven by", "its second half alone: no model fits what came before".into());
        }
        fact("least plausible estimate", rate(self.resource, self.axis, a.least));
        if let Some(late) = a.late {
            fact("slope of the last 40 % (Theil-Sen)", rate(self.resource, self.axis, late));
        }
        fact("plausible models", a.models.len().to_string());
        for model in a.models.iter().take(4) {
            fact(
                &format!("model: {}", model_name(model)),
                format!(
                    "{} persistent, {} at the end, standard error {}, criterion +{:.1}",
                    rate(self.resource, self.axis, model.persistent.value),
                    rate(self.resource, self.axis, model.end.value),
                    amount(self.resource, model.end.se),
                    model.distance
                ),
            );
        }
        if let Some(best) = a.models.first() {
            fact("autocorrelation of neighbouring blocks", format!("{:.2}", best.rho));
            fact("standard deviation of a block's innovation", amount(self.resource, best.sigma));
        }
        if !self.pool.jumps.is_empty() {
            let added = rate(self.resource, self.axis, a.by_jumps.0);
            fact("abrupt jumps", format!("{}, together {added}; {}", self.pool.jumps.len(), pattern_name(a.jumps)));
        }
        facts
    }
}

fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::WorkerRequests => "served by that worker",
        Axis::SharedRequests => "the pool's, shared out evenly",
        Axis::PoolRequests => "the pool's",
        Axis::Seconds | Axis::Hours => "time",
    }
}

pub(super) fn pattern_name(pattern: JumpPattern) -> &'static str {
    match pattern {
        JumpPattern::None => "of no weight late in the run",
        JumpPattern::Single => "a single one up",
        JumpPattern::Settling => "they get rarer and smaller",
        JumpPattern::UpAndDown => "up and down between the same levels",
        JumpPattern::GoingOn => "they go on at the same pace",
        JumpPattern::Unclear => "whether they go on can't be told",
    }
}

pub(super) fn model_name(model: &Plausible) -> String {
    let jumps = if model.stepped { ", jumps apart" } else { "" };
    if model.transients.is_empty() {
        return format!("straight line{jumps}");
    }
    let percent = |share: f64| format!("{} %", format_count(100.0 * share));
    let names: Vec<String> = model
        .transients
        .iter()
        .map(|t| match *t {
            Transient::Exponential(t) => format!("warm-up with constant {} of the run", percent(t)),
            Transient::Logarithm(_) => "logarithmic cache".into(),
            Transient::Hinge(t) => format!("cache full at {}", percent(t)),
            Transient::Delayed(d, _) => format!("cache opened at {}", percent(d)),
            Transient::Onset(d) => format!("growth that sets in at {}", percent(d)),
        })
        .collect();
    format!("line and {}{jumps}", names.join(" and "))
}

/// Two significant digits, rounded up.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 0.0;
    }
    let unit = 10f64.powf(value.log10().floor() - 1.0);
    (value / unit).ceil() * unit
}
