//! Which series go together: the memory of each with its swapped memory, requests and start, and those that are judged as one.

use super::written;
use crate::table::prometheus::Labels;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a query is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Memory, of which each series is judged.
    Memory,
    /// Swapped memory.
    Swap,
    /// Requests served so far.
    Requests,
    /// When the process began.
    Start,
}

impl Quantity {
    /// Those that go with memory.
    pub const BESIDE: [Quantity; 3] = [Quantity::Swap, Quantity::Requests, Quantity::Start];

    /// Its option on the command line.
    pub fn option(self) -> &'static str {
        match self {
            Quantity::Memory => "--memory",
            Quantity::Swap => "--swap",
            Quantity::Requests => "--requests",
            Quantity::Start => "--start",
        }
    }
}

/// What is judged together: one series, or those that have the same values of some labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Whose it is.
    pub labels: Labels,
    /// Its series.
    pub members: Vec<Member>,
}

/// A series of memory and what goes with it: their places in the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// That of the memory.
    pub memory: usize,
    /// Those of what goes with it, in the order of [`Quantity::BESIDE`].
    pub beside: [Option<usize>; 3],
}

impl Member {
    /// The place of its series of this quantity.
    pub fn of(&self, quantity: Quantity) -> Option<usize> {
        match quantity {
            Quantity::Memory => Some(self.memory),
            other => Quantity::BESIDE.iter().position(|beside| *beside == other).and_then(|place| self.beside[place]),
        }
    }
}

/// All series with what goes together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Joined {
    /// The series of each quantity that was asked for.
    pub lists: BTreeMap<Quantity, Vec<Labels>>,
    /// What is judged; those that a label tells together stand together.
    pub groups: Vec<Group>,
    /// What was left out though it was asked for, and why.
    pub left_out: BTreeMap<Quantity, String>,
}

/// Finds out which series go together; those whose labels in `by` have the same values are judged as one.
///
/// Labels are compared that both sides have, unless their values have nothing in common: `memtype` is `resident` on one side and
/// `swapped` on the other. What is `optional` is left out where it doesn't fit.
///
/// # Errors
/// If several series go with one of memory, none does, or no series has a label of `by`.
pub fn join(
    mut lists: BTreeMap<Quantity, Vec<Labels>>,
    by: &[String],
    optional: &[Quantity],
) -> Result<Joined, String> {
    lists.values_mut().for_each(|list| {
        list.sort();
        list.dedup();
    });
    let memory = lists.get(&Quantity::Memory).map(Vec::as_slice).unwrap_or_default();
    let mut left_out = BTreeMap::new();
    let mut members: Vec<Member> = (0..memory.len()).map(|memory| Member { memory, beside: [None; 3] }).collect();
    for (place, quantity) in Quantity::BESIDE.into_iter().enumerate() {
        let Some(list) = lists.get(&quantity) else { continue };
        match beside(memory, list, quantity) {
            Ok(found) => members.iter_mut().zip(found).for_each(|(member, found)| member.beside[place] = found),
            Err(why) if optional.contains(&quantity) => {
                left_out.insert(quantity, why);
            }
            Err(why) => return Err(why),
        }
    }
    let mut groups = groups(memory, members, by)?;
    for quantity in [Quantity::Swap, Quantity::Requests] {
        match one_for_several(&lists, &groups, quantity) {
            Some(why) if optional.contains(&quantity) => {
                let place = Quantity::BESIDE.iter().position(|beside| *beside == quantity).unwrap_or_default();
                groups.iter_mut().flat_map(|group| &mut group.members).for_each(|one| one.beside[place] = None);
                left_out.insert(quantity, why);
            }
            Some(why) => return Err(why),
            None => {}
        }
    }
    Ok(Joined { lists, groups, left_out })
}

/// For each series of memory, the place of the one that goes with it.
fn beside(memory: &[Labels], list: &[Labels], quantity: Quantity) -> Result<Vec<Option<usize>>, String> {
    let (ours, theirs) = (values(memory), values(list));
    let common = |label: &&&str| theirs.get(**label).is_some_and(|other| !ours[**label].is_disjoint(other));
    let shared: Vec<&str> = ours.keys().filter(common).copied().collect();
    let key = |labels: &'_ Labels| -> Vec<String> {
        shared.iter().map(|label| labels.get(*label).cloned().unwrap_or_default()).collect()
    };
    let mut places: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
    for (place, labels) in list.iter().enumerate() {
        places.entry(key(labels)).or_default().push(place);
    }
    let mut found = Vec::with_capacity(memory.len());
    for labels in memory {
        let of = places.get(&key(labels)).map(Vec::as_slice).unwrap_or_default();
        if let [first, second, ..] = of {
            return Err(several(labels, [&list[*first], &list[*second]], &shared, quantity));
        }
        found.push(of.first().copied());
    }
    if !memory.is_empty() && found.iter().all(Option::is_none) {
        let (option, first) = (quantity.option(), list.first().map_or("none at all".into(), written));
        return Err(format!(
            "no series of {option} goes with any of --memory: expected the same labels, found {first} beside {}; check the \
             query, or leave {option} out",
            written(&memory[0])
        ));
    }
    Ok(found)
}

/// Why a series can't be what each of several has: requests of a service are no pod's own, unless its pods are judged together; and
/// swapped memory is counted once.
fn one_for_several(lists: &BTreeMap<Quantity, Vec<Labels>>, groups: &[Group], quantity: Quantity) -> Option<String> {
    let mut users: HashMap<usize, BTreeSet<(usize, usize)>> = HashMap::new();
    for (at, group) in groups.iter().enumerate() {
        for one in &group.members {
            let own = if quantity == Quantity::Swap { one.memory } else { 0 };
            if let Some(place) = one.of(quantity) {
                users.entry(place).or_default().insert((at, own));
            }
        }
    }
    let several = users.into_iter().filter(|(_, users)| users.len() > 1);
    let (place, users) = several.min_by_key(|(place, _)| *place)?;
    let (one, memory, option) = (&lists[&quantity][place], &lists[&Quantity::Memory], quantity.option());
    let both: Vec<&str> = one.keys().map(String::as_str).filter(|label| values(memory).contains_key(label)).collect();
    let advice = match quantity {
        Quantity::Swap => "ask for that of each, or leave --swap out".to_owned(),
        _ if both.is_empty() => "ask for those of each, or leave --requests out".to_owned(),
        _ => format!("judge those together: --by {}", both.join(",")),
    };
    let count = users.len();
    Some(format!(
        "the one series {} of {option} goes with {count} of --memory, and is no own of each; {advice}",
        written(one)
    ))
}

fn several(memory: &Labels, two: [&Labels; 2], shared: &[&str], quantity: Quantity) -> String {
    let option = quantity.option();
    let advice = match quantity {
        Quantity::Requests | Quantity::Swap => {
            format!("add them up: `{option} 'sum by ({}) (QUERY)'`", shared.join(", "))
        }
        _ => "choose one of them by its labels".to_owned(),
    };
    let (one, other) = (written(two[0]), written(two[1]));
    format!("several series of {option} go with {}: {one} and {other}; {advice}", written(memory))
}

/// The values of each label.
fn values(list: &[Labels]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (label, value) in list.iter().flatten() {
        all.entry(label).or_default().insert(value);
    }
    all
}

fn groups(memory: &[Labels], members: Vec<Member>, by: &[String]) -> Result<Vec<Group>, String> {
    let all = values(memory);
    if let Some(label) = by.iter().find(|label| !memory.is_empty() && !all.contains_key(label.as_str())) {
        let names: Vec<&str> = all.keys().copied().collect();
        return Err(format!("--by {label}: no series has this label; they have {}", names.join(", ")));
    }
    if by.is_empty() {
        // Neighbours share the label that tells most apart, so that few values ask for many.
        let most = all.iter().max_by_key(|(_, values)| values.len()).map_or("", |(label, _)| *label);
        let mut groups: Vec<Group> =
            members.into_iter().map(|one| Group { labels: memory[one.memory].clone(), members: vec![one] }).collect();
        groups.sort_by(|a, b| a.labels.get(most).cmp(&b.labels.get(most)).then_with(|| a.labels.cmp(&b.labels)));
        return Ok(groups);
    }
    let mut groups: BTreeMap<Labels, Vec<Member>> = BTreeMap::new();
    for member in members {
        let own = memory[member.memory].iter().filter(|(label, _)| by.contains(label));
        let labels = own.map(|(label, value)| (label.clone(), value.clone())).collect();
        groups.entry(labels).or_default().push(member);
    }
    Ok(groups.into_iter().map(|(labels, members)| Group { labels, members }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        text.split(' ')
            .filter_map(|one| one.split_once('='))
            .map(|(label, value)| (label.into(), value.into()))
            .collect()
    }

    fn joined(memory: &[&str], beside: &[(Quantity, &[&str])], by: &[&str]) -> Result<Joined, String> {
        let all = [(Quantity::Memory, memory)].into_iter().chain(beside.iter().copied());
        let lists = all.map(|(quantity, list)| (quantity, list.iter().map(|text| labels(text)).collect()));
        let by: Vec<String> = by.iter().map(|label| (*label).to_owned()).collect();
        join(lists.collect(), &by, &[Quantity::Start])
    }

    #[test]
    fn labels_that_both_sides_share_tell_what_goes_together() {
        let memory = ["g=a memtype=resident job=x", "g=b memtype=resident job=x", "g=c memtype=resident job=x"];
        let swap = ["g=b memtype=swapped job=x", "g=a memtype=swapped job=x"];
        let joined = joined(&memory, &[(Quantity::Swap, &swap)], &[]).unwrap();
        let found: Vec<_> = joined.groups.iter().map(|group| group.members[0].of(Quantity::Swap)).collect();
        assert_eq!(found, [Some(0), Some(1), None]);
        assert_eq!(joined.groups[0].members[0].of(Quantity::Requests), None);
    }

    #[test]
    fn what_could_be_either_or_goes_with_nothing_is_refused() {
        let codes = ["instance=a code=200", "instance=a code=500"];
        insta::assert_snapshot!(joined(&["instance=a"], &[(Quantity::Requests, &codes)], &[]).unwrap_err(),
            @r#"several series of --requests go with {instance="a"}: {code="200",instance="a"} and {code="500",instance="a"}; add them up: `--requests 'sum by (instance) (QUERY)'`"#);
        insta::assert_snapshot!(joined(&["instance=a"], &[(Quantity::Swap, &[])], &[]).unwrap_err(),
            @r#"no series of --swap goes with any of --memory: expected the same labels, found none at all beside {instance="a"}; check the query, or leave --swap out"#);
        insta::assert_snapshot!(joined(&["instance=a"], &[], &["pod"]).unwrap_err(),
            @"--by pod: no series has this label; they have instance");
        let (pods, service) = (["svc=a pod=1", "svc=a pod=2"], ["svc=a"]);
        insta::assert_snapshot!(joined(&pods, &[(Quantity::Requests, &service)], &[]).unwrap_err(),
            @r#"the one series {svc="a"} of --requests goes with 2 of --memory, and is no own of each; judge those together: --by svc"#);
        assert!(joined(&pods, &[(Quantity::Requests, &service)], &["svc"]).is_ok(), "they are a pool");
        insta::assert_snapshot!(joined(&pods, &[(Quantity::Swap, &service)], &["svc"]).unwrap_err(),
            @r#"the one series {svc="a"} of --swap goes with 2 of --memory, and is no own of each; ask for that of each, or leave --swap out"#);
        let starts = ["instance=a x=1", "instance=a x=2"];
        let left_out = joined(&["instance=a"], &[(Quantity::Start, &starts)], &[]).unwrap().left_out;
        assert!(left_out[&Quantity::Start].ends_with("choose one of them by its labels"), "{left_out:?}");
    }

    #[test]
    fn series_of_one_label_are_judged_together() {
        let memory = ["app=a pod=1", "app=b pod=2", "app=a pod=3", "pod=4"];
        let joined = joined(&memory, &[], &["app"]).unwrap();
        let groups: Vec<_> = joined.groups.iter().map(|group| (written(&group.labels), group.members.len())).collect();
        assert_eq!(groups, [("{}".to_owned(), 1), ("{app=\"a\"}".to_owned(), 2), ("{app=\"b\"}".to_owned(), 1)]);
        assert_eq!(super::super::written(&labels("__name__=up")), "up");
    }
}
