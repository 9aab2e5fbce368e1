//! The working behind a finding, in words: what was left out, the conditions of the rule, what simpler rules would say.

use super::evidence::pattern;
use super::reasons::set_aside;
use crate::answer::Outcome;
use crate::model::{allowed_rate, amount, format_seconds, rate};
use crate::rule::Condition;
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

/// A condition of the rule.
pub fn condition(working: &Working, condition: &Condition) -> ConditionWords {
    let rate = |growth: f64| rate(working.resource, working.axis, growth);
    let allowed = |budget: f64| allowed_rate(working.resource, working.axis, budget);
    // Of what is known as yes or no: what was found if it holds, and what if it doesn't.
    let either = |holds: bool, yes: &str, no: &str| if holds { yes.to_owned() } else { no.to_owned() };
    let (wanted, found) = match *condition {
        Condition::Lasts { lower, bound } => (
            format!(
                "growth that lasts is over {} in every plausible model, or in the mean of twelve parts",
                rate(bound)
            ),
            format!("its least lower bound is {}", rate(lower)),
        ),
        Condition::ShapeKnown { rho, holds } => (
            "a model has the shape of the growth, or it goes on in all parts of the run".into(),
            format!("autocorrelation of the residuals {rho:.3}{}", either(holds, "", ", and the parts don't tell")),
        ),
        Condition::ManyRises(holds) => {
            ("it is made of many rises".into(), either(holds, "many rises", "few or none, which may be the last"))
        }
        Condition::SeenForLong(holds) => (
            "growth was seen for long enough".into(),
            either(holds, "it didn't set in at the very end", "it may have set in at the very end"),
        ),
        Condition::NotTakenBack(holds) => {
            ("abrupt falls don't take it back".into(), either(holds, "no sign of that", "they take back much of it"))
        }
        Condition::LoadApart(holds) => (
            "load is told apart from growth".into(),
            either(holds, "it is", "it rises and falls with the requests, and is known too roughly"),
        ),
        Condition::GoesOnToTheEnd(holds) => (
            "growth hasn't stopped just before the end".into(),
            either(holds, "no sign of that", "it has nearly stopped"),
        ),
        Condition::WarmedUp(holds) => {
            ("the warm-up is over for long enough".into(), either(holds, "it is", "too little of it has passed"))
        }
        Condition::DoesNotSlow(holds) => {
            ("growth doesn't slow down".into(), either(holds, "it keeps its pace", "it may be slowing down"))
        }
        Condition::BeyondUsual(holds) => {
            ("it grows beyond what is usual at its age".into(), either(holds, "it does", "it doesn't"))
        }
        Condition::NoLeak(holds) => ("no leak is proven".into(), either(holds, "none is", "one is")),
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
            format!(
                "what is still to come is less than {}, what another such run is allowed",
                amount(working.resource, allowed)
            ),
            format!("it is {} at most", amount(working.resource, most)),
        ),
        Condition::JumpsAreOver(jumps) => ("no abrupt jumps that may go on".into(), pattern(jumps).into()),
        Condition::StillWhileIdle { upper, left } => (
            format!("what it grows by while next to no requests come is under {}, which the budget leaves", rate(left)),
            format!("it is at most {}", rate(upper)),
        ),
    };
    ConditionWords { wanted, found }
}

/// What else there is to say of how the answer came about, if the conditions alone don't give it.
pub fn otherwise(working: &Working) -> Vec<String> {
    let leaks = working.leak.iter().all(Condition::holds);
    let is_clean = working.clean.iter().all(Condition::holds);
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
