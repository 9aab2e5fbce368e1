//! Portions of a fleet: as many series as memory should hold, and the queries that ask for little more than these.

use super::join::{Joined, Member, Quantity};
use super::query::Query;
use crate::table::prometheus::Labels;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// Points of memory in a portion: some 6 MiB of JSON.
const MOST_POINTS: u64 = 250_000;
/// Groups in a portion: each is judged by the thread that fetched it.
const MOST_GROUPS: usize = 500;
/// The longest query, in bytes: VictoriaMetrics takes 16 KiB.
const LONGEST: usize = 12 << 10;

/// A portion of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Places of what is judged.
    pub groups: Range<usize>,
    /// What is asked for.
    pub asks: Vec<Ask>,
}

/// A query, and how many series answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What it is for.
    pub quantity: Quantity,
    /// The query.
    pub query: String,
    /// Series of the answer, as far as they are known.
    pub series: u64,
}

/// Portions that hold these `groups`, of series with so many `points` each.
pub fn batches(joined: &Joined, queries: &BTreeMap<Quantity, Query>, groups: Range<usize>, points: u64) -> Vec<Batch> {
    let indices: BTreeMap<Quantity, Index<'_>> =
        joined.lists.iter().map(|(quantity, list)| (*quantity, Index::new(list))).collect();
    let asker = Asker { joined, queries, indices };
    let mut out = Vec::new();
    let (mut from, end) = (groups.start, groups.end.min(joined.groups.len()));
    while from < end {
        let (mut to, mut sum) = (from, 0u64);
        while to < end {
            sum += joined.groups[to].members.len() as u64 * points;
            if to > from && (sum > MOST_POINTS || to - from >= MOST_GROUPS) {
                break;
            }
            to += 1;
        }
        asker.split(from..to, &mut out);
        from = to;
    }
    out
}

/// The query of a portion, narrowed down to some series of it.
pub fn narrowed(portion: &Query, some: &[&Labels]) -> Query {
    // Within a portion, the label that tells most apart asks for the least.
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (label, value) in some.iter().copied().flatten().filter(|(label, _)| can_be_matched(label)) {
        values.entry(label).or_default().insert(value);
    }
    values.retain(|label, _| some.iter().all(|labels| labels.contains_key(*label)));
    match values.into_iter().max_by_key(|(_, values)| values.len()) {
        Some((label, values)) => Query::new(&portion.only(label, &values.into_iter().collect::<Vec<_>>())),
        None => portion.clone(),
    }
}

struct Asker<'a> {
    joined: &'a Joined,
    queries: &'a BTreeMap<Quantity, Query>,
    indices: BTreeMap<Quantity, Index<'a>>,
}

impl Asker<'_> {
    /// Puts a portion into the list, in two where its queries are too long.
    fn split(&self, groups: Range<usize>, out: &mut Vec<Batch>) {
        let asks: Vec<Ask> = self.queries.iter().filter_map(|(q, query)| self.ask(*q, query, &groups)).collect();
        if groups.len() > 1 && asks.iter().any(|ask| ask.query.len() > LONGEST) {
            let middle = groups.start + groups.len() / 2;
            self.split(groups.start..middle, out);
            self.split(middle..groups.end, out);
        } else {
            out.push(Batch { groups, asks });
        }
    }

    fn ask(&self, quantity: Quantity, query: &Query, groups: &Range<usize>) -> Option<Ask> {
        let members = self.joined.groups.get(groups.clone())?.iter().flat_map(|group| &group.members);
        let wanted: BTreeSet<usize> = members.filter_map(|member: &Member| member.of(quantity)).collect();
        let index = self.indices.get(&quantity).filter(|_| !wanted.is_empty())?;
        let whole = || (query.text().to_owned(), index.list.len() as u64);
        let (query, series) = match index.narrowest(&wanted) {
            Some((label, values, series)) if wanted.len() < index.list.len() => (query.only(label, &values), series),
            _ => whole(),
        };
        Some(Ask { quantity, query, series })
    }
}

/// How often each value of each label is in a list; a label that is missing has the empty value.
struct Index<'a> {
    list: &'a [Labels],
    counts: BTreeMap<&'a str, HashMap<&'a str, u64>>,
}

impl<'a> Index<'a> {
    fn new(list: &'a [Labels]) -> Self {
        let names = list.iter().flat_map(|labels| labels.keys().map(String::as_str));
        let names: BTreeSet<&str> = names.filter(|name| can_be_matched(name)).collect();
        let mut counts: BTreeMap<&str, HashMap<&str, u64>> = BTreeMap::new();
        for name in names {
            let of = counts.entry(name).or_default();
            list.iter().for_each(|labels| *of.entry(labels.get(name).map_or("", String::as_str)).or_default() += 1);
        }
        Index { list, counts }
    }

    /// The label and its values that ask for the fewest series beside those that are wanted, and how many that asks for.
    fn narrowest(&self, wanted: &BTreeSet<usize>) -> Option<(&'a str, Vec<&'a str>, u64)> {
        let of = |(label, counts): (&&'a str, &HashMap<&'a str, u64>)| {
            let values: BTreeSet<&str> =
                wanted.iter().map(|place| self.list[*place].get(*label).map_or("", String::as_str)).collect();
            let series = values.iter().filter_map(|value| counts.get(value)).sum();
            (*label, values.into_iter().collect::<Vec<_>>(), series)
        };
        let length = |values: &[&str]| values.iter().map(|value| value.len() + 1).sum::<usize>();
        self.counts.iter().map(of).min_by_key(|(_, values, series)| (*series, length(values)))
    }
}

/// Whether a matcher can have this label without quotes, which not every server reads.
fn can_be_matched(label: &str) -> bool {
    let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    letters && !label.starts_with(|c: char| c.is_ascii_digit()) && !label.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::join::join;
    use super::*;

    fn fleet(pods: usize, by: &[String]) -> (Joined, BTreeMap<Quantity, Query>) {
        let of = |pod: usize| -> Labels {
            [("job", "x".to_owned()), ("node", format!("n{}", pod % 7)), ("pod", format!("pod-{pod:05}"))]
                .map(|(label, value)| (label.to_owned(), value))
                .into()
        };
        let list: Vec<Labels> = (0..pods).map(of).collect();
        let lists = [(Quantity::Memory, list.clone()), (Quantity::Start, list)].into();
        let queries = [(Quantity::Memory, Query::new("mem")), (Quantity::Start, Query::new("start"))].into();
        (join(lists, by, &[]).unwrap(), queries)
    }

    #[test]
    fn portions_hold_all_and_ask_for_little_more() {
        let (joined, queries) = fleet(10_000, &[]);
        let batches = batches(&joined, &queries, 0..joined.groups.len(), 720);
        let all: Vec<usize> = batches.iter().flat_map(|batch| batch.groups.clone()).collect();
        assert_eq!(all, (0..10_000).collect::<Vec<_>>());
        for batch in &batches {
            assert!(batch.groups.len() as u64 * 720 <= MOST_POINTS);
            assert_eq!(batch.asks.len(), 2);
            for ask in &batch.asks {
                assert!(ask.query.len() <= LONGEST && ask.query.contains("pod=~\"pod-"), "{}", ask.query);
                assert_eq!(ask.series, batch.groups.len() as u64);
            }
        }
    }

    #[test]
    fn few_points_of_many_are_judged_by_several() {
        let (joined, queries) = fleet(2_000, &[]);
        let batches = batches(&joined, &queries, 900..2_000, 10);
        let groups: Vec<Range<usize>> = batches.iter().map(|batch| batch.groups.clone()).collect();
        assert_eq!(groups, [900..1400, 1400..1900, 1900..2000]);
    }

    #[test]
    fn a_small_fleet_is_asked_for_as_it_was_written() {
        let (joined, queries) = fleet(20, &[]);
        let batches = batches(&joined, &queries, 0..joined.groups.len(), 720);
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].asks[0], Ask { quantity: Quantity::Memory, query: "mem".into(), series: 20 });
        assert!(super::batches(&Joined::default(), &queries, 0..1, 720).is_empty());
    }

    #[test]
    fn some_series_of_a_portion_are_asked_for_alone() {
        let (joined, queries) = fleet(2_000, &[]);
        let portion = &batches(&joined, &queries, 0..7, 720)[0].asks[0].query;
        let list = &joined.lists[&Quantity::Memory];
        let of = |pod: &str| list.iter().find(|labels| labels["pod"] == pod).unwrap();
        let query = narrowed(&Query::new(portion), &[of("pod-00003"), of("pod-00005")]);
        assert!(query.is_selector() && query.text().ends_with(",pod=~\"pod-00003|pod-00005\"}"), "{}", query.text());
        assert_eq!(narrowed(&Query::new("mem"), &[&Labels::new()]).text(), "mem");
    }

    #[test]
    fn no_query_has_a_label_that_is_no_word() {
        let of = |pod: usize, name: &str| -> Labels {
            [("zone", format!("z{}", pod % 3)), (name, format!("p{pod}"))].map(|(n, v)| (n.to_owned(), v)).into()
        };
        for name in ["k8s.pod", "1a", "a=~\".*\"} or vector(1) #", ""] {
            let lists = [(Quantity::Memory, (0..900).map(|pod| of(pod, name)).collect())].into();
            let joined = join(lists, &[], &[]).unwrap();
            let queries = [(Quantity::Memory, Query::new("mem"))].into();
            for batch in batches(&joined, &queries, 0..joined.groups.len(), 720) {
                assert!(batch.asks[0].query.starts_with("mem{zone=~\"z"), "{}", batch.asks[0].query);
            }
        }
    }

    #[test]
    fn what_is_judged_together_is_asked_for_together() {
        let (joined, queries) = fleet(700, &["node".to_owned()]);
        let batches = batches(&joined, &queries, 0..joined.groups.len(), 2000);
        assert_eq!(batches.len(), 7);
        assert_eq!(batches[3].asks[0].query, "mem{node=~\"n3\"}");
        // More than there should be of one, but it is one.
        assert_eq!(batches[3].asks[0].series, 100);
    }
}
