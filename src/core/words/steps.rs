//! Growth by step of the workload, in words.

use super::plain::plain;
use crate::answer::{BySteps, Finding, Outcome, StepGrowth};
use crate::model::amount;

/// Steps that are named; of more, so many.
const NAMED: usize = 4;

/// Which steps the growth comes from, a sentence without its full stop: `it comes from \`upload\`: 4.1 KiB each, the others
/// leave at most 9 B`; `None` if there is nothing to tell.
pub fn comes_from(finding: &Finding) -> Option<String> {
    let rows = &finding.steps.as_ref()?.rows;
    let told = |value: f64| amount(finding.resource, value);
    if let [one] = &rows[..] {
        return Some(format!("which of {} it comes from can't be told", list(&one.steps, "and")));
    }
    let (growing, others): (Vec<&StepGrowth>, Vec<&StepGrowth>) = rows.iter().partition(|row| row.grows);
    let growing = match &growing[..] {
        [] => return None,
        [one] => format!("it comes from {}: {} each", name(one), told(one.growth.estimate)),
        several if several.len() > NAMED => format!("it comes from {} of {} steps", several.len(), rows.len()),
        several => {
            let each: Vec<String> =
                several.iter().map(|row| format!("{} ({} each)", name(row), told(row.growth.estimate))).collect();
            format!("it comes from {}", joined(&each, "and"))
        }
    };
    let most = others.iter().map(|row| row.growth.upper).fold(0.0, f64::max);
    Some(match others.len() {
        0 => growing,
        1 | 2 => {
            let names: Vec<String> = others.iter().map(|row| name(row)).collect();
            let leave = if others.len() == 1 { "leaves" } else { "leave" };
            format!("{growing}; {} {leave} at most {}", joined(&names, "and"), told(most))
        }
        _ => format!("{growing}; the others leave at most {}", told(most)),
    })
}

/// What the first lines of a verdict don't say of growth by step: a step that hides under the budget.
pub fn notes(finding: &Finding) -> Vec<String> {
    let metric = finding.resource;
    let steps = finding.steps.iter().filter(|_| finding.outcome == Outcome::Clean);
    steps
        .flat_map(|steps| steps.rows.iter().filter(|row| row.growth.lower > finding.budget))
        .map(|row| {
            format!(
                "growth of {metric} is within the budget because {} is rare: each leaves {}",
                name(row),
                amount(metric, row.growth.estimate)
            )
        })
        .collect()
}

/// The steps of a row, harmless to show: a name, or the names of those that can't be told apart.
pub fn names(row: &StepGrowth) -> String {
    let names: Vec<String> = row.steps.iter().map(|name| plain(name)).collect();
    names.join(" and ")
}

/// What growth by step rests on.
pub fn worth(steps: &BySteps) -> &'static str {
    if steps.exact {
        "Each worker's requests were counted by step. The intervals of all rows hold together (Bonferroni)."
    } else {
        "Each worker's requests are split as the pool's were at the time. The intervals of all rows hold together \
         (Bonferroni)."
    }
}

/// The steps of a row between backticks, such as `` `upload` ``; of those that can't be told apart, one or the other.
pub(super) fn name(row: &StepGrowth) -> String {
    list(&row.steps, "or")
}

fn list(names: &[String], last: &str) -> String {
    joined(&names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>(), last)
}

/// `a, b and c`.
pub fn joined(names: &[String], last: &str) -> String {
    match names {
        [first @ .., end] if !first.is_empty() => format!("{} {last} {end}", first.join(", ")),
        _ => names.concat(),
    }
}
