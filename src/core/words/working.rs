//! The working behind a finding, in words: what was left out, the conditions of the rule, what simpler rules would say.

use super::evidence::pattern;
use super::reasons::set_aside;
use crate::answer::{Condition, Conditions, Outcome, hold};
use crate::model::{Axis, Resource, allowed_rate, amount, format_seconds, rate};
use crate::working::{Cut, LevelOf, NaiveRule, Working};

/// A condition of the rule in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionWords {
    /// What has to hold.
    pub wanted: String,
    /// What was found.
    pub found: String,
}

/// A simpler rule in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleWords {
    /// Its name.
    pub name: &'static str,
    /// What it found.
    pub found: String,
}

/// What was left out or put together, a sentence without its full stop.
pub fn cut(working: &Working, cut: &Cut) -> String {
    match *cut {
        Cut::WarmUp(until) => {
            format!("readings of the configured warm-up, up to {}, are not judged", format_seconds(until))
        }
        Cut::BeforeLoad(until) => {
            format!("readings before the load began, up to {}, are not judged", format_seconds(until))
        }
        Cut::Pauses(from) => {
            format!("readings of pauses of the load, from {} on, are not judged", format_seconds(from))
        }
        Cut::Levels { readings, levels, of } => {
            let how = match of {
                LevelOf::Floor => "the floors right after each collection".to_owned(),
                LevelOf::Incarnations(count) => format!("stretches of {count} incarnations, each with its own level"),
                LevelOf::Median => "stretches of equal time, each with the median of its readings".to_owned(),
                LevelOf::Mean(count) => {
                    format!("stretches of equal time, each with the mean over {count} workers of their medians")
                }
            };
            format!("{readings} readings became {levels} levels: {how}")
        }
        Cut::SetAside { why, count } => format!("{count} series set aside: {}", set_aside(why)),
        Cut::Jumps { count, sum } => format!(
            "{count} abrupt jump{}, together {}: the levels were read both with and without them",
            if count == 1 { "" } else { "s" },
            amount(working.resource, sum)
        ),
    }
}

/// A condition of the rule on a resource that is held against this axis.
pub fn condition(resource: Resource, axis: Axis, condition: &Condition) -> ConditionWords {
    let rate = |growth: f64| rate(resource, axis, growth);
    let allowed = |budget: f64| allowed_rate(resource, axis, budget);
    let amount = |of: f64| amount(resource, of);
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let (wanted, found) = match *condition {
        Condition::Lasts { lower, bound } => (
            format!(
                "growth that lasts is over {} in every plausible model, or in the mean of twelve parts",
                rate(bound)
            ),
            format!("its least lower bound is {}", rate(lower)),
        ),
        Condition::ShapeKnown { rho, wanders, chance, alpha } => (
            format!(
                "a model has the shape of the growth (autocorrelation of the residuals under {wanders}), or it goes on in all parts of the \
                 run (probability by chance at most {alpha})"
            ),
            format!("autocorrelation {rho:.3}; by chance {}", probability(chance)),
        ),
        Condition::DoesNotFade { soon, budget } => (
            format!("growth doesn't fade: after half a run more it isn't under {}", allowed(budget)),
            match soon {
                Some(soon) => format!("its pace falls, and would be {}", rate(soon)),
                None => "its pace doesn't fall beyond doubt".into(),
            },
        ),
        Condition::ManyRises { rises, least } => (
            format!("it is made of {least:.1} rises at least, so that they aren't the last"),
            format!("in effect {rises:.1} late ones"),
        ),
        Condition::SeenForLong { since, latest } => (
            format!("growth set in before {} of the run", percent(latest)),
            if since > 0.0 { format!("seen since {}", percent(since)) } else { "seen from the begin on".into() },
        ),
        Condition::NotTakenBack { taken, most } => {
            (format!("abrupt falls take back {} at most", rate(most)), format!("they take back {}", rate(taken)))
        }
        Condition::ReadingsKeepIt { kept, least } => (
            format!("a quarter of the readings before the last one lies lower by {} at least", rate(least)),
            format!("by {}", rate(kept)),
        ),
        Condition::LoadApart { errors, most } => (
            format!("load, which rises or falls with the requests, is known but for {}", percent(most)),
            format!("errors are {} of what it does beside them", percent(errors)),
        ),
        Condition::GoesOnToTheEnd { soon, budget, silence, alpha } => (
            format!(
                "growth hasn't stopped just before the end: it won't soon be under {}, and a silence since the last rise is no less \
                 likely than {alpha}",
                allowed(budget)
            ),
            match soon {
                Some(soon) => format!("it is slowing down to {}; the silence {}", rate(soon), probability(silence)),
                None => format!("it doesn't slow down beyond doubt; the silence {}", probability(silence)),
            },
        ),
        Condition::WarmedUp { over, by } => (
            format!("the warm-up is over by {} of the run so far", percent(by)),
            if over > 0.0 { format!("it is at {}", percent(over)) } else { "none is left".into() },
        ),
        Condition::DoesNotSlow { left } => (
            "growth doesn't slow down: its pace at the end is over four fifths of its mean".into(),
            if left.is_nan() { "too few levels tell".into() } else { format!("by {} at least", rate(left)) },
        ),
        Condition::BeyondUsual { lower, budget } => (
            format!("it grows by more than {} beyond what is usual at its age", allowed(budget)),
            match lower {
                Some(lower) => format!("by {} at least", rate(lower)),
                None => "its second half doesn't, or has too few levels".into(),
            },
        ),
        Condition::NoLeak(holds) => ("no leak is proven".into(), if holds { "none is" } else { "one is" }.into()),
        Condition::EndsUnder { upper, rounding, budget } => (
            format!("growth at the end is under the budget of {} in every near model", allowed(budget)),
            format!("its highest upper bound is {}, a fall taken for none", rate(upper + rounding)),
        ),
        Condition::LastsUnder { upper, rounding, budget } => (
            format!(
                "what lasts, once what ends by itself has ended, is under the budget of {} in every plausible model",
                allowed(budget)
            ),
            format!("its highest upper bound is {}, a fall taken for none", rate(upper + rounding)),
        ),
        Condition::LittleToCome { most, allowed } => (
            format!("what is still to come is less than {}, what another such run is allowed", amount(allowed)),
            format!("it is {} at most", amount(most)),
        ),
        Condition::JumpsAreOver { pattern: jumps, up, silence } => (
            "no abrupt jumps that may go on".into(),
            match up {
                0 | 1 => pattern(jumps).into(),
                _ => format!(
                    "{up} up: {}; by chance the silence after the last has a probability of {}",
                    pattern(jumps),
                    probability(silence)
                ),
            },
        ),
        Condition::StillWhileIdle { upper, left } => (
            format!("what it grows by while next to no requests come is under {}, which the budget leaves", rate(left)),
            format!("it is at most {}", rate(upper)),
        ),
    };
    ConditionWords { wanted, found }
}

/// A probability to three digits, or that it is under what those show, or not known.
fn probability(p: f64) -> String {
    match p {
        _ if p.is_nan() => "unknown".to_owned(),
        _ if p < 0.001 => "under 0.001".to_owned(),
        _ => format!("{p:.3}"),
    }
}

/// What else there is to say of how the answer came about, if the conditions alone don't give it.
pub fn otherwise(working: &Working, conditions: &Conditions) -> Vec<String> {
    let (leaks, is_clean) = (hold(&conditions.leak), hold(&conditions.clean));
    let half = working.by_second_half.then(|| {
        "the conditions that all hold are those of the second half alone: no model fits what came before".to_owned()
    });
    let alone = (working.outcome == Outcome::Leak && !leaks && working.leaking_alone > 0)
        .then(|| format!("workers that fulfil the conditions of a leak by themselves: {}", working.leaking_alone));
    let withheld = (working.outcome == Outcome::Inconclusive && is_clean)
        .then(|| "a worker that may leak by itself keeps it from being clean".to_owned());
    half.into_iter().chain(alone).chain(withheld).collect()
}

/// What a simpler rule says of the same levels.
pub fn naive(working: &Working, rule: &NaiveRule) -> RuleWords {
    let rate = |growth: f64| rate(working.resource, working.axis, growth);
    let (name, found) = match *rule {
        NaiveRule::Significant { slope, t, .. } => {
            ("least squares, p < .05, noise taken for independent", format!("{}, t = {t:.1}", rate(slope)))
        }
        NaiveRule::OverBudget { slope, .. } => ("least squares, slope over the budget", rate(slope)),
        NaiveRule::Straight { r2, .. } => ("R² of a straight line at least .8", format!("{r2:.2}")),
        NaiveRule::Higher { first, last } => (
            "last quarter 2 % above the first",
            format!("{} against {}", amount(working.resource, last), amount(working.resource, first)),
        ),
    };
    RuleWords { name, found }
}
