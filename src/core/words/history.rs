//! A history of builds in words: whether growth changed, in which build, and by how much.

use super::headline::Headline;
use super::plain::counted;
use crate::history::{Change, Creep, Growth, History, fewest_builds};
use crate::model::amount;

/// What is said first of a history: its last change, and those before it below.
pub fn headline(history: &History, changes: &[Change]) -> Headline {
    let name = if history.name.is_empty() { "the target" } else { &history.name };
    let measured = history.builds.iter().filter(|build| build.growth.is_some()).count();
    let resource = history.resource;
    let creep = history.creep().filter(|_| changes.is_empty());
    let least = fewest_builds();
    let (verb, word, rest) = match (changes.last(), &creep) {
        (Some(last), _) if last.is_worse() => ("got", "WORSE", format!(" in {}", clause(history, last))),
        (Some(last), _) => ("got", "BETTER", format!(" in {}", clause(history, last))),
        (None, Some(creep)) => {
            let word = if creep.after > creep.before { "WORSE" } else { "BETTER" };
            ("got", word, format!(" little by little: {}", crept(history, creep)))
        }
        (None, None) if measured < least => {
            let few = format!(
                ": growth of {resource} was measured in {}, and that it didn't change can't be told from fewer than {least}",
                counted(measured, "build")
            );
            ("is", "INCONCLUSIVE", few)
        }
        (None, None) => (
            "is",
            "UNCHANGED",
            format!(" as far as {measured} builds show: no change of growth of {resource} is proven"),
        ),
    };
    let earlier = changes.iter().rev().skip(1);
    let more = earlier.map(|change| {
        let word = if change.is_worse() { "worse" } else { "better" };
        format!("Before that, it got {word} in {}.", clause(history, change))
    });
    Headline {
        name: format!("{name} {verb}"),
        word,
        rest: format!("{rest}."),
        more: more.collect(),
        says_why_it_ended: false,
    }
}

/// A change from the name of its build on.
fn clause(history: &History, change: &Change) -> String {
    let value = |value: f64| amount(history.resource, value);
    let build = |place: usize| history.builds.get(place).map_or("", |build| &build.name);
    let (first, last) = change.between;
    let between =
        if first == last { String::new() } else { format!(", or in one of {} to {}", build(first), build(last)) };
    let difference = &change.difference;
    format!(
        "{}{between}: growth of {} went from {} to {} a {} (difference, 99 %: {} to {})",
        build(change.build),
        history.resource,
        value(change.before),
        value(change.after),
        history.per,
        value(difference.lower),
        value(difference.upper)
    )
}

/// What crept, and by how much.
fn crept(history: &History, creep: &Creep) -> String {
    let value = |value: f64| amount(history.resource, value);
    let Creep { builds, before, after, difference } = creep;
    format!(
        "growth of {} went from {} a {} in the first {builds} builds to {} in the last {builds} (difference, 99 %: {} to {}), and no \
         change in one build is proven",
        history.resource,
        value(*before),
        history.per,
        value(*after),
        value(difference.lower),
        value(difference.upper)
    )
}

/// Growth of a build and its bounds: `4.1 KiB`, `3.9 KiB to 4.3 KiB`; a dash where it wasn't measured.
pub fn growth(history: &History, growth: Option<&Growth>) -> (String, String) {
    let value = |value: f64| amount(history.resource, value);
    let Some(growth) = growth else { return ("–".into(), String::new()) };
    let bounds = growth.lower.zip(growth.upper);
    (
        value(growth.estimate),
        bounds.map_or_else(String::new, |(lower, upper)| format!("{} to {}", value(lower), value(upper))),
    )
}

/// What the reader should know beside, a sentence each without its full stop.
pub fn notes(history: &History) -> Vec<String> {
    let missing = history.builds.iter().filter(|build| build.growth.is_none()).count();
    let rules: std::collections::BTreeSet<u32> = history.builds.iter().filter_map(|build| build.rule).collect();
    let mut notes = Vec::new();
    if missing > 0 {
        let of = history.builds.len();
        notes.push(format!(
            "growth of {} is not known of {missing} of {of} builds: they are left out",
            history.resource
        ));
    }
    if rules.len() > 1 {
        let rules: Vec<String> = rules.iter().map(u32::to_string).collect();
        notes.push(format!(
            "the builds were judged by versions {} of the rule: a change may be that of the rule",
            rules.join(", ")
        ));
    }
    notes
}
