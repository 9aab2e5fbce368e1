//! A search among modules in words: what makes a target leak, and what each step was for.

use super::headline::Headline;
use super::steps::joined;
use crate::bisect::{Blame, Finding, Kept, Purpose, State};

/// Names that are listed; of more, so many.
const NAMED: usize = 6;

/// What a search came to.
pub struct Search<'a> {
    /// The name of the target.
    pub name: &'a str,
    /// What was found, or what ended the search before, in words.
    pub finding: Result<&'a Finding, &'a str>,
    /// What was found before it ended.
    pub blamed: &'a [Blame],
    /// Modules that are suspected still.
    pub suspects: &'a [String],
    /// Modules that the target can do without.
    pub modules: &'a [String],
    /// The measured steps.
    pub steps: &'a [State],
}

/// The word of a state.
pub fn state(state: State) -> &'static str {
    match state {
        State::Leaks => "leaks",
        State::Clean => "clean",
        State::Unclear => "open",
    }
}

/// What is said first of a search.
pub fn headline(search: &Search<'_>) -> Headline {
    let mut more = Vec::new();
    let (verb, word, rest) = match search.finding {
        Ok(Finding::Blamed(blamed)) => {
            let mut blames = blamed.iter();
            let first = blames.next().map_or_else(String::new, |first| format!(" because of {}", because(first)));
            more.extend(blames.map(|blame| format!("it also leaks because of {}", because(blame))));
            ("", "LEAKS", first)
        }
        Ok(Finding::NoLeak) => (" is", "CLEAN", " as it is: no module is to blame".to_owned()),
        Ok(Finding::Elsewhere) => {
            ("", "LEAKS", " with every module off that can be: the fault is in what stays on".to_owned())
        }
        Ok(Finding::Unclear(among)) => {
            more.extend(search.blamed.iter().map(|blame| format!("it leaks because of {}", because(blame))));
            let last = format!(": its last step is neither leak nor clean; suspected are {}", list(among));
            (" is", "INCONCLUSIVE", last)
        }
        Err(by) => {
            more.extend(cut_short(search));
            (" is", "INCONCLUSIVE", format!(": the search was {by}"))
        }
    };
    more.push(match search.steps.len() {
        0 => "no step was measured to its end".to_owned(),
        1 => "1 step was measured".to_owned(),
        steps => format!("{steps} steps were measured"),
    });
    let name = if search.name.is_empty() { "the target" } else { search.name };
    Headline {
        name: format!("{name}{verb}"),
        word,
        rest: format!("{rest}."),
        more: more.into_iter().map(|text| format!("{}.", super::capital(&text))).collect(),
        says_why_it_ended: true,
    }
}

/// What a search that was cut short had found, what it had not, and how to go on.
fn cut_short(search: &Search<'_>) -> Vec<String> {
    if search.steps.is_empty() {
        return vec!["whether it leaks was not measured".to_owned()];
    }
    let mut told: Vec<String> =
        search.blamed.iter().map(|blame| format!("it leaks because of {}", because(blame))).collect();
    if told.is_empty() {
        told.push("it leaks as it is".to_owned());
    }
    let which = if search.blamed.is_empty() { "which module is to blame" } else { "whether anything else leaks" };
    told.push(format!("{which} was not found out; suspected are {}", list(search.suspects)));
    let cleared: Vec<&String> = search.modules.iter().filter(|name| !search.suspects.contains(name)).collect();
    if search.blamed.is_empty() && !cleared.is_empty() {
        let keep: Vec<String> = cleared.iter().map(|name| format!("--keep {name}")).collect();
        told.push(format!("to go on from there, give the same command with {}", keep.join(" ")));
    } else {
        told.push("the same command with more time begins anew".into());
    }
    told
}

fn because(blame: &Blame) -> String {
    let names = joined(&blame.modules, "and");
    let (it, them) = if blame.modules.len() == 1 { ("it needs", "it") } else { ("they need", "them") };
    let alone = match blame.alone {
        Some(true) => format!("it leaks with only {names} on"),
        Some(false) => format!("with only {names} on it does not leak, so that {it} still more"),
        None => format!("whether it leaks with only {names} on is not measured"),
    };
    let cured = match blame.cured {
        Some(true) => format!("and not without {them}"),
        Some(false) => format!("and without {them} something else does"),
        None => format!("and what it does without {them} is not measured"),
    };
    format!("{names}: {alone}, {cured}")
}

/// What a step was for.
pub fn purpose(purpose: &Purpose) -> String {
    match purpose {
        Purpose::AsItIs => "as it is".into(),
        Purpose::WithoutFound => "without what is found: does anything else leak?".into(),
        Purpose::PartOff { off, of } => format!("{off} of {of} suspects off"),
        Purpose::LastOff => "the last suspect off".into(),
        Purpose::AllOff => "everything off that can be".into(),
        Purpose::Only(names) if names.len() > 3 => format!("only {} modules on", names.len()),
        Purpose::Only(names) => format!("only {} on", joined(names, "and")),
        Purpose::Without(names) => format!("only {} off", joined(names, "and")),
    }
}

/// Why a module stayed on.
pub fn kept(why: &Kept) -> String {
    match why {
        Kept::Asked => "it is to be kept".into(),
        Kept::NoStart(what) => format!("the target doesn't start without it: {what}"),
        Kept::NoWorkload => "the workload fails without it".into(),
    }
}

/// Names, or the first of many.
pub fn list(names: &[String]) -> String {
    match names.len().checked_sub(NAMED) {
        None | Some(0 | 1) => joined(names, "and"),
        Some(more) => format!("{} and {more} more", names[..NAMED].join(", ")),
    }
}
