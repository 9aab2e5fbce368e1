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
