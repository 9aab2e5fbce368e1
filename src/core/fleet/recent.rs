//! Readings that are kept from one look at a fleet to the next, so that only new ones are asked for.

use super::join::{Group, Joined, Quantity};
use super::range::Range;
use crate::table::prometheus::{Labels, Point};
use std::collections::{BTreeMap, HashMap};

/// Seconds that are asked for again: what a server gets late is seen then, and the last values before it came are taken back.
const AGAIN: f64 = 600.0;
/// Values that are kept, of eight bytes each: some 256 MiB. Series beyond them are asked for whole at each look.
const MOST: usize = 32 << 20;

/// Readings of a fleet at multiples of a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recent {
    lines: BTreeMap<Quantity, HashMap<Labels, Line>>,
    values: usize,
}

/// Readings of one series, one for each step.
#[derive(Debug, Clone, Default, PartialEq)]
struct Line {
    /// The step of the first.
    first: i64,
    /// NaN where there is none.
    values: Vec<f64>,
    /// Up to when they are known, in Unix time.
    until: f64,
}

fn place(t: f64, step: f64) -> i64 {
    (t / step).round() as i64
}

impl Line {
    /// Takes what was answered for `asked`, in the place of what was known of that time, and lets go what is before `range`.
    fn take(&mut self, range: &Range, asked: &Range, fresh: &[Point]) {
        let at = |t: f64| place(t, range.step);
        self.values.truncate((at(asked.start) - self.first).max(0) as usize);
        let begin = at(range.start);
        self.values.drain(..((begin - self.first).max(0) as usize).min(self.values.len()));
        self.first = if self.values.is_empty() { begin } else { self.first.max(begin) };
        for point in fresh.iter().filter(|point| point.value.is_finite() && at(point.t) >= begin) {
            let place = (at(point.t) - self.first).max(0) as usize;
            if self.values.is_empty() {
                self.first = at(point.t);
                self.values.push(point.value);
            } else if place >= self.values.len() {
                self.values.resize(place, f64::NAN);
                self.values.push(point.value);
            }
        }
        self.until = asked.end();
    }

    fn points(&self, step: f64) -> Vec<Point> {
        let point =
            |(at, value): (i64, &f64)| value.is_finite().then_some(Point { t: at as f64 * step, value: *value });
        (self.first..).zip(&self.values).filter_map(point).collect()
    }
}

impl Recent {
    /// Puts those groups first that are known well enough to be asked for what is new alone; how many they are.
    pub fn sort(&self, joined: &mut Joined, range: &Range) -> usize {
        let lists = &joined.lists;
        joined.groups.sort_by_cached_key(|group| self.since(lists, group, range).is_none());
        joined.groups.partition_point(|group| self.since(lists, group, range).is_some())
    }

    /// From when on a group is to be asked for; `None` for all of the range.
    pub fn since(&self, lists: &BTreeMap<Quantity, Vec<Labels>>, group: &Group, range: &Range) -> Option<f64> {
        let mut since = range.end();
        for member in &group.members {
            for (quantity, list) in lists {
                let Some(labels) = member.of(*quantity).and_then(|place| list.get(place)) else { continue };
                let until = self.lines.get(quantity)?.get(labels)?.until;
                since = since.min(until - AGAIN);
            }
        }
        (since > range.start).then_some(since)
    }

    /// Whether a reading of a series is known from before `asked`, in `range`.
    pub fn knows(&self, quantity: Quantity, labels: &Labels, range: &Range, asked: &Range) -> bool {
        let line = self.lines.get(&quantity).and_then(|lines| lines.get(labels));
        line.is_some_and(|line| {
            line.points(range.step).iter().any(|point| (range.start..asked.start).contains(&point.t))
        })
    }

    /// Takes what was answered for a series in the time `asked`, and gives all that is known of it in `range`.
    pub fn take(
        &mut self,
        quantity: Quantity,
        labels: &Labels,
        range: &Range,
        asked: &Range,
        fresh: &[Point],
    ) -> Vec<Point> {
        let lines = self.lines.entry(quantity).or_default();
        let mut line = lines.remove(labels).unwrap_or_default();
        self.values -= line.values.len();
        line.take(range, asked, fresh);
        let points = line.points(range.step);
        if self.values + line.values.len() <= MOST {
            self.values += line.values.len();
            line.values.shrink_to(line.values.len() + line.values.len() / 8);
            lines.insert(labels.clone(), line);
        }
        points
    }

    /// Lets go all that isn't listed any more.
    pub fn keep(&mut self, joined: &Joined) {
        self.lines.retain(|quantity, lines| {
            let Some(list) = joined.lists.get(quantity) else { return false };
            // Lists are in order.
            lines.retain(|labels, _| list.binary_search(labels).is_ok());
            true
        });
        self.values = self.lines.values().flat_map(HashMap::values).map(|line| line.values.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::super::join::join;
    use super::*;
    use proptest::prelude::*;

    const STEP: f64 = 30.0;

    fn labels(pod: &str) -> Labels {
        [("pod".to_owned(), pod.to_owned())].into()
    }

    fn joined(pods: &[&str]) -> Joined {
        let list: Vec<Labels> = pods.iter().map(|pod| labels(pod)).collect();
        join([(Quantity::Memory, list.clone()), (Quantity::Start, list)].into(), &[], &[]).unwrap()
    }

    /// What a server has of a series: nothing at some moments.
    fn has(range: &Range, gaps: &[u64]) -> Vec<Point> {
        let all = (0..range.points).map(|k| range.start + k as f64 * STEP);
        let there = all.filter(|t| !gaps.contains(&((t / STEP) as u64 % 20)));
        there.map(|t| Point { t, value: t * 2.0 }).collect()
    }

    proptest! {
        #[test]
        fn what_is_asked_for_piece_by_piece_is_what_is_asked_for_at_once(
            looks in proptest::collection::vec(1u32..200, 1..12), gaps in proptest::collection::vec(0u64..20, 0..19)
        ) {
            let (mut recent, mut now) = (Recent::default(), 1.767e9);
            let mut joined = joined(&["a"]);
            for steps in looks {
                now += f64::from(steps) * STEP;
                let range = Range::before(now, 3600.0, STEP);
                let known = recent.sort(&mut joined, &range);
                let from = recent.since(&joined.lists, &joined.groups[0], &range);
                prop_assert_eq!(known == 1, from.is_some());
                let asked = from.map_or(range, |from| range.from(from));
                prop_assert!(asked.end() == range.end() && asked.start >= range.start);
                for quantity in [Quantity::Memory, Quantity::Start] {
                    let points = recent.take(quantity, &labels("a"), &range, &asked, &has(&asked, &gaps));
                    prop_assert_eq!(&points, &has(&range, &gaps));
                }
                prop_assert!(recent.values <= 2 * range.points as usize);
            }
        }
    }

    #[test]
    fn what_comes_late_is_seen_and_what_was_taken_back_is_gone() {
        let mut recent = Recent::default();
        let first = Range::before(1.767e9, 3600.0, STEP);
        let known = has(&first, &[]);
        let mut take = |range: &Range, asked: &Range, fresh: &[Point]| {
            recent.take(Quantity::Memory, &labels("a"), range, asked, fresh)
        };
        assert_eq!(take(&first, &first, &known[..100]).len(), 100);
        let second = Range::before(1.767e9 + 60.0, 3600.0, STEP);
        let asked = second.from(1.767e9 - AGAIN);
        assert_eq!(take(&second, &asked, &has(&asked, &[])), [&known[2..], &has(&asked, &[])[21..]].concat());
        assert_eq!(take(&second, &asked, &[]).last(), known[2..100].last());
    }

    #[test]
    fn a_group_is_known_if_all_of_it_is() {
        let (mut recent, range) = (Recent::default(), Range::before(1.767e9, 7200.0, STEP));
        let mut all = joined(&["a", "b", "c"]);
        assert_eq!(recent.sort(&mut all, &range), 0);
        for (pod, quantity) in [("c", Quantity::Memory), ("c", Quantity::Start), ("a", Quantity::Memory)] {
            recent.take(quantity, &labels(pod), &range, &range, &has(&range, &[]));
        }
        let next = Range::before(1.767e9 + 300.0, 7200.0, STEP);
        assert_eq!(recent.sort(&mut all, &next), 1);
        assert_eq!(all.groups[0].labels, labels("c"));
        assert_eq!(recent.since(&all.lists, &all.groups[0], &next), Some(range.end() - AGAIN));
        // Nobody looked for so long that it is to be asked for whole.
        assert_eq!(recent.sort(&mut all, &Range::before(1.767e9 + 7200.0, 7200.0, STEP)), 0);
        recent.keep(&joined(&["a", "b"]));
        assert_eq!((recent.values, recent.lines[&Quantity::Start].len()), (range.points as usize, 0));
    }
}
