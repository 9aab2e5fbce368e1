//! In which places of the memory map growth lies, and in what descriptors refer to, in words.

use super::plain::{counted, thousands};
use crate::answer::{Finding, HeldGrowth, Outcome, PlaceGrowth, Places};
use crate::model::{HeldKind, PlaceKind, format_bytes, format_seconds, rate};

/// A place with less of the growth than this isn't named in a sentence.
const NOTABLE: f64 = 0.02;

/// Places that a sentence names.
const NAMED: usize = 3;

/// Where the growth of a finding lies, a sentence without its full stop; `None` if that isn't known.
pub fn sentence(finding: &Finding) -> Option<String> {
    let places = finding.places.as_ref()?;
    let withheld = || {
        let whose = counted(places.withheld as u64, "worker");
        format!(
            "in which mappings {} grows isn't known: to read the memory map of {whose} would take so long that it might have to wait",
            finding.resource.noun()
        )
    };
    if places.workers == 0 {
        return Some(withheld());
    }
    let notable = |place: &&PlaceGrowth| places.share(place) >= NOTABLE;
    let named: Vec<&PlaceGrowth> = places.places.iter().filter(notable).take(NAMED).collect();
    let Some(first) = named.first() else {
        return Some(format!(
            "in which mappings {} grows isn't known: {} of the {} that its workers grew by are in none of them",
            finding.resource.noun(),
            format_bytes(places.rest),
            format_bytes(places.grown)
        ));
    };
    let is_over = first.goes_on == Some(false);
    let verb = match finding.outcome {
        _ if is_over => "grew",
        Outcome::Leak => "grows",
        _ => "seems to grow",
    };
    let rate = finding.growth.filter(|_| !is_over).map_or(String::new(), |growth| {
        let share = places.share(first).min(1.0);
        format!(": +{}", rate(finding.resource, finding.axis, share * growth.estimate))
    });
    let more = match first.mappings {
        1.0 => ", in one more mapping".to_owned(),
        more if more > 1.0 => format!(", in {} more mappings", thousands(&format!("{more:.0}"))),
        _ => String::new(),
    };
    let over = if is_over { "; next to nothing in the second half of that time" } else { "" };
    let others: String =
        named[1..].iter().map(|place| format!(", {} in {}", share(places, place), name(place))).collect();
    Some(format!(
        "{} {verb} in {} ({} of the growth{rate}{more}{over}){others}{}, as the memory map shows over {}",
        finding.resource.noun(),
        name(first),
        share(places, first),
        beside(places, &named),
        format_seconds(places.seconds.round())
    ))
}

/// What the growth is made of beside the places that are named, so that all of it adds up.
fn beside(places: &Places, named: &[&PlaceGrowth]) -> String {
    let others: Vec<f64> =
        places.places.iter().filter(|place| !named.contains(place)).map(|place| places.share(place)).collect();
    let rest = places.rest / places.grown;
    let sum = |shares: &[f64], grew: bool| shares.iter().filter(|share| (**share > 0.0) == grew).sum::<f64>();
    let (more, less) = (sum(&others, true), sum(&others, false) + rest.min(0.0));
    let mut out = String::new();
    if more >= NOTABLE {
        out.push_str(&format!(", {} in others", percent(more)));
    }
    if rest >= NOTABLE {
        out.push_str(&format!(", {} in no mapping that is told apart", percent(rest)));
    }
    if less <= -NOTABLE {
        out.push_str(&format!(", while others shrank by {} of it", percent(-less)));
    }
    out
}

/// What the growth of descriptors lies in, a sentence without its full stop; `None` if that isn't known.
pub fn held(finding: &Finding) -> Option<String> {
    let held = finding.held.as_ref()?;
    let share = |group: &HeldGrowth| group.grown / held.grown;
    let named: Vec<&HeldGrowth> = held.groups.iter().filter(|group| share(group) >= NOTABLE).take(NAMED).collect();
    let first = named.first()?;
    let is_over = first.goes_on == Some(false);
    let verb = match finding.outcome {
        _ if is_over => "grew",
        Outcome::Leak => "grow",
        _ => "seem to grow",
    };
    let count = |count: f64| thousands(&format!("{count:.0}"));
    let closed = match first.close_wait {
        0.0 => String::new(),
        closed if closed == first.last => ", all in CLOSE_WAIT".to_owned(),
        closed => format!(", {} in CLOSE_WAIT", count(closed)),
    };
    let over = if is_over { "; next to no more in the second half of the time" } else { "" };
    let others = named[1..].iter().map(|group| format!(", {} in {}", percent(share(group)), held_name(group)));
    let rest = match 1.0 - named.iter().map(|group| share(group)).sum::<f64>() {
        rest if rest >= NOTABLE => format!(", {} in others", percent(rest)),
        rest if rest <= -NOTABLE => format!(", while others became fewer by {} of it", percent(-rest)),
        _ => String::new(),
    };
    Some(format!(
        "descriptors {verb} in {} ({} of the growth; {} of them at last{closed}{over}){}{rest}",
        held_name(first),
        percent(share(first)),
        count(first.last),
        others.collect::<String>()
    ))
}

/// What descriptors refer to: `sockets to 10.0.0.5:3306`.
pub fn held_name(group: &HeldGrowth) -> String {
    let name = &group.name;
    match group.kind {
        HeldKind::Outgoing if name.starts_with(':') => {
            format!("sockets to port {} of many", name.trim_start_matches(':'))
        }
        HeldKind::Outgoing => format!("sockets to {name}"),
        HeldKind::Accepted => format!("sockets of port {name}"),
        HeldKind::Listening => "sockets that listen".into(),
        HeldKind::Socket => "sockets that are not connected by TCP".into(),
        HeldKind::File if name.ends_with('/') => format!("files below `{name}`"),
        HeldKind::File => format!("files `{name}`"),
        HeldKind::Deleted if name.ends_with('/') => format!("deleted files below `{name}`"),
        HeldKind::Deleted => format!("deleted files `{name}`"),
        HeldKind::Pipe => "pipes".into(),
        HeldKind::Anonymous => format!("descriptors of the kind {name}"),
        HeldKind::Other => format!("`{name}`"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// The part of the growth that is in a place; where others shrank, it is all of it and more.
pub fn share(places: &Places, place: &PlaceGrowth) -> String {
    percent(places.share(place))
}

/// A place by its name: `[heap]`, ``memfd `frames` ``, `anonymous mappings of up to 4 MiB each`.
pub fn name(place: &PlaceGrowth) -> String {
    let one = place.name.as_deref().unwrap_or_default();
    let named = |single: &str, many: &str| match (place.names, &place.name) {
        (1, Some(name)) => format!("{single} `{name}`"),
        (0, Some(name)) => format!("{many} of many names, such as `{name}`"),
        (_, None) => many.to_owned(),
        (names, Some(_)) => format!("{many} of {names} names, most in `{one}`"),
    };
    match place.kind {
        PlaceKind::Heap => "[heap]".into(),
        PlaceKind::Arena => "malloc's arenas of threads".into(),
        PlaceKind::GoHeap => "the heap of Go".into(),
        PlaceKind::Named => named("anonymous memory named", "named anonymous memory"),
        PlaceKind::Anonymous => match place.class {
            None => "anonymous mappings".into(),
            Some((_, most)) => format!("anonymous mappings of up to {} each", format_bytes(most as f64)),
        },
        PlaceKind::Stack => "the stack of its first thread".into(),
        PlaceKind::ThreadStack => "stacks of threads".into(),
        PlaceKind::Memfd => named("memfd", "memfds"),
        PlaceKind::Deleted => named("the deleted file", "deleted files"),
        PlaceKind::Tmpfs => named("the file in memory", "files in memory"),
        PlaceKind::SharedAnonymous => "anonymous memory that forks share".into(),
        PlaceKind::SysV => named("the System V segment", "System V segments"),
        PlaceKind::HugePages => "huge pages".into(),
        PlaceKind::File => named("its own copy of pages of the file", "its own copies of pages of files"),
        PlaceKind::Other => "other mappings".into(),
    }
}
