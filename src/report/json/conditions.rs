//! The conditions of the rule, with the numbers that decided them, in JSON.

use super::finite;
use crate::answer::{Condition, Finding};
use crate::words::working::{ConditionWords, condition};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// What had to hold for each answer, for the workers together; empty if nothing could be fitted. A worker that leaks by itself makes a leak
/// whatever is in these lists, and one that may leak no pass.
#[derive(Serialize, JsonSchema)]
pub struct ConditionsPart {
    /// All of these for a leak.
    leak: Vec<ConditionPart>,
    /// All of these for clean.
    clean: Vec<ConditionPart>,
}

/// One condition of the rule.
#[derive(Serialize, JsonSchema)]
struct ConditionPart {
    /// Its name, such as `lasts`.
    name: &'static str,
    /// Whether it holds.
    holds: bool,
    /// What has to hold, in words.
    wanted: String,
    /// What was found, in words.
    found: String,
    /// The numbers that decided it: growth in the finding's unit, shares and probabilities from 0 to 1; null where it is not known.
    numbers: BTreeMap<&'static str, Option<f64>>,
}

impl From<&Finding> for ConditionsPart {
    fn from(finding: &Finding) -> Self {
        let part = |one: &Condition| {
            let ConditionWords { wanted, found } = condition(finding.resource, finding.axis, one);
            let (name, numbers) = data(one);
            ConditionPart { name, holds: one.holds(), wanted, found, numbers: numbers.into_iter().collect() }
        };
        let held = &finding.evidence.conditions;
        ConditionsPart { leak: held.leak.iter().map(part).collect(), clean: held.clean.iter().map(part).collect() }
    }
}

/// The name of a condition, and its numbers by name.
fn data(condition: &Condition) -> (&'static str, Vec<(&'static str, Option<f64>)>) {
    let under = |upper, rounding, budget| {
        vec![("upper", finite(upper)), ("rounding", finite(rounding)), ("budget", finite(budget))]
    };
    let two = |first: (&'static str, f64), second: (&'static str, f64)| {
        vec![(first.0, finite(first.1)), (second.0, finite(second.1))]
    };
    match *condition {
        Condition::Lasts { lower, bound } => ("lasts", two(("lower", lower), ("bound", bound))),
        Condition::ShapeKnown { rho, wanders, chance, alpha } => {
            let numbers = [two(("rho", rho), ("wanders", wanders)), two(("chance", chance), ("alpha", alpha))];
            ("shape-known", numbers.concat())
        }
        Condition::DoesNotFade { soon, budget } => ("does-not-fade", vec![("soon", soon), ("budget", finite(budget))]),
        Condition::ManyRises { rises, least } => ("many-rises", two(("rises", rises), ("least", least))),
        Condition::SeenForLong { since, latest } => ("seen-for-long", two(("since", since), ("latest", latest))),
        Condition::NotTakenBack { taken, most } => ("not-taken-back", two(("taken", taken), ("most", most))),
        Condition::ReadingsKeepIt { kept, least } => ("readings-keep-it", two(("kept", kept), ("least", least))),
        Condition::LoadApart { errors, most } => ("load-apart", two(("errors", errors), ("most", most))),
        Condition::GoesOnToTheEnd { soon, budget, silence, alpha } => {
            let numbers =
                [vec![("soon", soon), ("budget", finite(budget))], two(("silence", silence), ("alpha", alpha))];
            ("goes-on-to-the-end", numbers.concat())
        }
        Condition::WarmedUp { over, by } => ("warmed-up", two(("over", over), ("by", by))),
        Condition::DoesNotSlow { left } => ("does-not-slow", vec![("left", finite(left))]),
        Condition::BeyondUsual { lower, budget } => {
            ("beyond-usual", vec![("lower", lower), ("budget", finite(budget))])
        }
        Condition::NoLeak(_) => ("no-leak", Vec::new()),
        Condition::EndsUnder { upper, rounding, budget } => ("ends-under", under(upper, rounding, budget)),
        Condition::LastsUnder { upper, rounding, budget } => ("lasts-under", under(upper, rounding, budget)),
        Condition::LittleToCome { most, allowed } => ("little-to-come", two(("most", most), ("allowed", allowed))),
        Condition::JumpsAreOver { up, silence, .. } => ("jumps-are-over", two(("up", up as f64), ("silence", silence))),
        Condition::StillWhileIdle { upper, left } => ("still-while-idle", two(("upper", upper), ("left", left))),
    }
}
