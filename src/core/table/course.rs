//! The readings of one worker in the order of time, and where in them a new life begins.

use super::clock;
use super::collect::{Key, Raw};
use std::collections::BTreeSet;

/// Readings of what one key names.
#[derive(Debug)]
pub(super) struct Course {
    pub key: Key,
    pub raws: Vec<Raw>,
    /// Places at which a life begins, but for the first.
    pub begins: BTreeSet<usize>,
}

/// Seconds for which Prometheus repeats the last value of what has ended without a word.
const REPEATED: f64 = 300.0;
/// Usual steps without a reading that are a gap.
const GAP: f64 = 2.5;

/// In which order the rows of a table stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// In that of time.
    Kept,
    /// The newest first.
    Reversed,
    /// In any.
    Sorted,
}

impl Course {
    pub fn new(key: Key, raws: Vec<Raw>) -> Self {
        Course { key, raws, begins: BTreeSet::new() }
    }

    /// Where lives begin and end.
    pub fn edges(&self) -> Vec<usize> {
        [0].into_iter().chain(self.begins.iter().copied()).chain([self.raws.len()]).collect()
    }

    /// The lives, one after the other.
    pub fn lives(&self) -> impl Iterator<Item = &[Raw]> {
        let edges = self.edges();
        edges.windows(2).map(|edge| self.raws.get(edge[0]..edge[1]).unwrap_or_default()).collect::<Vec<_>>().into_iter()
    }

    /// Pairs of neighbours within a life, with the place of the later one.
    pub fn steps(&self) -> impl Iterator<Item = (usize, &Raw, &Raw)> {
        let pairs = self.raws.windows(2).zip(1..);
        pairs.filter(|(_, place)| !self.begins.contains(place)).map(|(pair, place)| (place, &pair[0], &pair[1]))
    }

    /// Puts readings in the order of time. A clock that isn't `absolute` begins anew with a new life.
    pub fn arrange(&mut self, absolute: bool) -> Order {
        let falls = |raws: &[Raw]| raws.windows(2).filter(|pair| pair[1].t < pair[0].t).count();
        let rises = self.raws.windows(2).filter(|pair| pair[1].t > pair[0].t).count();
        let fell = falls(&self.raws);
        if fell == 0 {
            return Order::Kept;
        }
        let mut order = Order::Kept;
        if fell > 3 && rises * 10 < fell {
            self.raws.reverse();
            order = Order::Reversed;
        }
        let by_time = |a: &Raw, b: &Raw| a.t.total_cmp(&b.t);
        if absolute || self.key.start.is_some() {
            if falls(&self.raws) > 0 {
                self.raws.sort_by(by_time);
                order = Order::Sorted;
            }
            return order;
        }
        let (mut first, mut last) = (f64::NAN, f64::NEG_INFINITY);
        for (place, raw) in self.raws.iter().enumerate() {
            // A clock may also be set back a little.
            if place > 0 && raw.t < last && raw.t - first < 0.5 * (last - first) {
                self.begins.insert(place);
                (first, last) = (raw.t, raw.t);
            }
            first = if first.is_nan() { raw.t } else { first };
            last = last.max(raw.t);
        }
        // Lives of a clock that begins anew overlap: what fits together without a gap or an overlap is one that was shuffled.
        let mut sorted = self.raws.clone();
        sorted.sort_by(by_time);
        let times: Vec<f64> = sorted.iter().map(|raw| raw.t).collect();
        let usual = clock::typical_step(&times);
        let even = times.windows(2).all(|pair| (0.5..=2.0).contains(&((pair[1] - pair[0]) / usual)));
        let many = self.begins.len() > 1 && self.begins.len() * 4 > self.raws.len();
        if !self.begins.is_empty() && (even || many) {
            self.begins.clear();
            self.raws = sorted;
            return Order::Sorted;
        }
        for edge in self.edges().windows(2) {
            let life = &mut self.raws[edge[0]..edge[1]];
            if falls(life) > 2 {
                order = Order::Sorted;
            }
            life.sort_by(by_time);
        }
        order
    }

    /// Begins a life where the source says that one had ended.
    pub fn begin_lives(&mut self) {
        let pairs = self.raws.windows(2).zip(1..).filter(|(pair, _)| pair[0].life != pair[1].life);
        self.begins.extend(pairs.map(|(_, place)| place));
    }

    /// Leaves out what a server repeats of the last value before a life or the series ends, or a gap begins; says how many. What is there
    /// at the `end` of all goes on.
    ///
    /// Where values were alike for as long before, the last may have been measured again and again.
    ///
    /// A server that answers for moments (`by_moments`) may have an old value at the last of them though none is repeated, where they are far
    /// apart.
    pub fn leave_out_repeated(&mut self, end: f64, by_moments: bool) -> u64 {
        let times: Vec<f64> = self.raws.iter().map(|raw| raw.t).collect();
        let step = clock::typical_step(&times);
        let (gap, old) = (GAP * step, usize::from(by_moments && 2.0 * step > REPEATED));
        let begins = |place: usize| {
            self.begins.contains(&place) || place > 0 && self.raws[place].t - self.raws[place - 1].t > gap
        };
        let edges = (0..self.raws.len()).filter(|place| *place == 0 || begins(*place)).chain([self.raws.len()]);
        let mut out = Vec::new();
        for edge in edges.collect::<Vec<_>>().windows(2) {
            let stretch = &self.raws[edge[0]..edge[1]];
            if edge[1] < self.raws.len() || stretch.last().is_some_and(|last| end - last.t > gap) {
                let old = if stretch.len() > 2 { repeated(stretch).max(old) } else { 0 };
                out.extend(edge[1] - old..edge[1]);
            }
        }
        if out.is_empty() {
            return 0;
        }
        let before = |place: usize| out.partition_point(|gone| *gone < place);
        self.begins = self.begins.iter().map(|place| place - before(*place)).collect();
        let mut place = 0..;
        self.raws.retain(|_| place.next().is_some_and(|place| out.binary_search(&place).is_err()));
        out.len() as u64
    }

    /// Leaves out readings of no memory at all, which no living process has, and begins a life after them; says how many.
    pub fn leave_out_zeros(&mut self) -> u64 {
        let zero = |raw: &Raw| raw.memory == Some(0) && raw.swap.unwrap_or(0) == 0;
        if !self.raws.iter().any(zero) {
            return 0;
        }
        let mut left_out = 0;
        let (mut kept, mut begins) = (Vec::with_capacity(self.raws.len()), BTreeSet::new());
        let mut gap = false;
        for (place, raw) in self.raws.iter().enumerate() {
            gap |= self.begins.contains(&place);
            if zero(raw) {
                (left_out, gap) = (left_out + 1, true);
                continue;
            }
            if gap && !kept.is_empty() && (self.key.start.is_none() || self.begins.contains(&place)) {
                begins.insert(kept.len());
            }
            gap = false;
            kept.push(*raw);
        }
        (self.raws, self.begins) = (kept, begins);
        left_out
    }
}

/// How many readings at the end of a stretch are one that is repeated.
fn repeated(stretch: &[Raw]) -> usize {
    let Some(last) = stretch.last() else { return 0 };
    let tail = stretch.iter().rev().take_while(|raw| raw.is_as(last)).count();
    let (before, tail) = stretch.split_at(stretch.len() - tail);
    let (mut again, mut run, mut longest) = (0, 1, 1);
    for pair in before.windows(2) {
        let same = pair[0].is_as(&pair[1]);
        again += usize::from(same);
        run = if same { run + 1 } else { 1 };
        longest = longest.max(run);
    }
    // Two are alike by chance; and who asks more often than is measured gets each value again.
    let stands_out = !before.is_empty() && (tail.len() > longest || 2 * again < before.len());
    let length = last.t - tail.first().map_or(last.t, |first| first.t);
    // The first of them may be old by a step.
    if tail.len() > 1 && stands_out && length <= REPEATED { tail.len() } else { 0 }
}
