//! Readings in bounded memory, however many there were.
//!
//! Of readings that are too many, each worker keeps one of every 2, 4, 8, ... at random. A random one and no mean,
//! minimum or regular one: levels, floors, peaks and noise of what is kept are those of the whole, and no cycle of the
//! worker's can fall in step with the choice. The choice is the same every time; the first reading of each worker and
//! its last one are always kept.

use super::{Event, EventKind, HostSample, MapReading, Metric, MetricReading, RunRecord, Sample, WorkerId};
use std::collections::HashMap;
use std::hash::Hash;

/// Readings that are kept of all workers together, some 80 MiB; fewer in tests, for their speed.
pub const MOST_READINGS: usize = if cfg!(test) { 1 << 12 } else { 1 << 18 };

/// Memory maps that are kept of all workers together, some 20 MiB.
pub const MOST_MAPS: usize = 1 << 13;

/// Workers of which readings are kept.
const MOST_WORKERS: usize = 100_000;

/// A reading that can be thinned out.
pub trait Reading {
    /// What it is a reading of.
    type Of: Copy + Eq + Hash;

    /// What it is a reading of, and when it was taken, in seconds.
    fn place(&self) -> (Self::Of, f64);
}

impl Reading for Sample {
    type Of = WorkerId;

    fn place(&self) -> (WorkerId, f64) {
        (self.worker, self.t)
    }
}

impl Reading for HostSample {
    type Of = ();

    fn place(&self) -> ((), f64) {
        ((), self.t)
    }
}

impl Reading for MapReading {
    type Of = WorkerId;

    fn place(&self) -> (WorkerId, f64) {
        (self.worker, self.t)
    }
}

impl Reading for MetricReading {
    type Of = Metric;

    fn place(&self) -> (Metric, f64) {
        (self.metric, self.t)
    }
}

/// Takes readings in the order of time and keeps as many as it may, of those that have many fewer first. What it keeps
/// stands in a list of the caller's, always the same one, so that it can be used while more come.
#[derive(Debug)]
pub struct Thinner<R: Reading> {
    sources: HashMap<R::Of, Source<R>>,
    most: usize,
    taken: u64,
    /// Readings of workers beyond those that can be told apart.
    left_out: u64,
}

/// One worker's readings.
#[derive(Debug)]
struct Source<R> {
    taken: u64,
    kept: u64,
    /// One reading of each group of 2^level is kept.
    level: u32,
    /// The number of the next one that is kept.
    next: u64,
    /// The last one, unless it is kept already.
    last: Option<R>,
    seed: u64,
}

impl<R: Reading> Thinner<R> {
    /// Keeps up to `most` readings, and the last of each worker beside.
    pub fn new(most: usize) -> Self {
        Thinner { sources: HashMap::new(), most: most.max(2), taken: 0, left_out: 0 }
    }

    /// Takes the next reading, into `kept` if it is one to keep.
    pub fn push(&mut self, kept: &mut Vec<R>, reading: R) {
        self.taken += 1;
        let (of, _) = reading.place();
        let seed = self.sources.len() as u64;
        if seed as usize >= MOST_WORKERS && !self.sources.contains_key(&of) {
            self.left_out += 1;
            return;
        }
        let source = self.sources.entry(of).or_insert_with(|| Source::new(seed));
        let number = source.taken;
        source.taken += 1;
        if number != source.next {
            source.last = Some(reading);
            return;
        }
        source.next = source.chosen((number >> source.level) + 1);
        source.kept += 1;
        source.last = None;
        kept.push(reading);
        if kept.len() > self.most {
            self.thin(kept);
        }
    }

    /// Halves what is kept, of those that have the most.
    fn thin(&mut self, kept: &mut Vec<R>) {
        let after = |most: u64| self.sources.values().map(|s| s.kept >> s.steps_to(most)).sum::<u64>();
        let mut each = self.sources.values().map(|s| s.kept).max().unwrap_or(0);
        while each > 1 && after(each) > self.most as u64 / 2 {
            each /= 2;
        }
        let mut places: HashMap<R::Of, u64> = HashMap::with_capacity(self.sources.len());
        let dropped = kept.extract_if(.., |reading| {
            let (of, _) = reading.place();
            let place = places.entry(of).or_insert(0);
            *place += 1;
            self.sources.get(&of).is_some_and(|source| !source.keeps(*place - 1, source.steps_to(each)))
        });
        // Of each worker the last that goes is remembered: it may be the newest.
        let newest: HashMap<R::Of, R> = dropped.map(|reading| (reading.place().0, reading)).collect();
        for (of, reading) in newest {
            if let Some(source) = self.sources.get_mut(&of) {
                let is_newest = source.last.is_none() && !source.keeps(source.kept - 1, source.steps_to(each));
                source.last = source.last.take().or(is_newest.then_some(reading));
            }
        }
        self.sources.values_mut().for_each(|source| source.thin(each));
    }

    /// Completes what is kept with the last reading of each worker, in the order of time; says what is missing there of
    /// the readings of `whom`, if anything is.
    pub fn finish(self, kept: &mut Vec<R>, whom: &str) -> Vec<String> {
        let Thinner { sources, taken, left_out, .. } = self;
        if kept.len() as u64 != taken {
            kept.extend(sources.into_values().filter_map(|source| source.last));
            kept.sort_by(|a, b| a.place().1.total_cmp(&b.place().1));
        }
        let thinned = kept.len() as u64 + left_out < taken;
        let long = thinned.then(|| {
            format!("too many to hold all at once: {} of {taken} readings of {whom} stand for all", kept.len())
        });
        let many = (left_out > 0)
            .then(|| format!("there were too many workers: {left_out} readings of the later ones are left out"));
        long.into_iter().chain(many).collect()
    }
}

/// What keeps the readings of a run within bounds.
#[derive(Debug)]
pub struct Thinners {
    /// Those of workers.
    pub workers: Thinner<Sample>,
    /// Those of the host.
    pub host: Thinner<HostSample>,
    /// Memory maps.
    pub maps: Thinner<MapReading>,
    /// Those of metrics.
    pub metrics: Thinner<MetricReading>,
}

impl Default for Thinners {
    fn default() -> Self {
        Thinners {
            workers: Thinner::new(MOST_READINGS),
            host: Thinner::new(MOST_READINGS),
            maps: Thinner::new(MOST_MAPS),
            metrics: Thinner::new(MOST_READINGS),
        }
    }
}

impl RunRecord {
    /// Completes readings that these have thinned; a note among the events says what is missing, if anything is.
    pub fn complete(&mut self, thinners: Thinners) {
        let Thinners { workers, host, maps, metrics } = thinners;
        let mut notes = workers.finish(&mut self.samples, "the workers");
        notes.extend(host.finish(&mut self.host, "the host"));
        notes.extend(maps.finish(&mut self.maps, "the workers' memory maps"));
        notes.extend(metrics.finish(&mut self.metrics, "metrics"));
        let t = self.events.last().map_or(0.0, |event| event.t);
        self.events.extend(notes.into_iter().map(|text| Event { t, kind: EventKind::Note { text } }));
    }
}

impl<R> Source<R> {
    fn new(seed: u64) -> Self {
        Source { taken: 0, kept: 0, level: 0, next: 0, last: None, seed }
    }

    /// How often its readings have to be halved to be `most`.
    fn steps_to(&self, most: u64) -> u32 {
        let mut steps = 0;
        while self.kept >> steps > most {
            steps += 1;
        }
        steps
    }

    /// The number of the reading that is kept of this group.
    fn chosen(&self, group: u64) -> u64 {
        self.descend(self.level, 0, group)
    }

    /// The group on level `to` whose reading is kept of this group on level `from`.
    fn descend(&self, from: u32, to: u32, group: u64) -> u64 {
        (to..from).rev().fold(group, |at, level| 2 * at + self.half(level, at))
    }

    /// Which half of a group the reading that is kept is in: a coin that falls the same way every time (SplitMix64, Steele
    /// et al. 2014). Of the first group, the first.
    fn half(&self, level: u32, group: u64) -> u64 {
        if group == 0 {
            return 0;
        }
        let mut z = (group ^ self.seed << 32 ^ u64::from(level) << 58).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z >> 63
    }

    /// Whether the reading that is kept at this place still is after so many halvings more.
    fn keeps(&self, place: u64, steps: u32) -> bool {
        self.descend(self.level + steps, self.level, place >> steps) == place
    }

    /// Halves until there are no more than `most`.
    fn thin(&mut self, most: u64) {
        let steps = self.steps_to(most);
        if steps == 0 {
            return;
        }
        // The last group may not have come to its reading yet.
        let whole = self.kept >> steps;
        let begun = whole << steps < self.kept && self.descend(self.level + steps, self.level, whole) < self.kept;
        self.kept = whole + u64::from(begun);
        self.level += steps;
        let group = self.taken >> self.level;
        let chosen = self.chosen(group);
        self.next = if chosen >= self.taken { chosen } else { self.chosen(group + 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn thinned(most: usize, workers: impl Iterator<Item = u32>) -> Vec<Sample> {
        let (mut thinner, mut kept) = (Thinner::new(most), Vec::new());
        for (t, pid) in workers.enumerate() {
            thinner.push(&mut kept, Sample::new(t as f64, WorkerId::new(pid, 1)));
            assert!(kept.len() <= most);
        }
        let told = thinner.finish(&mut kept, "the workers");
        assert_eq!(told.is_empty(), kept.last().is_none_or(|last| kept.len() as f64 == last.t + 1.0), "{told:?}");
        kept
    }

    #[test]
    fn few_readings_are_all_kept() {
        assert_eq!(thinned(100, (0..100).map(|t| t % 3)).len(), 100);
    }

    #[test]
    fn of_many_each_stretch_keeps_its_share() {
        let kept = thinned(1000, std::iter::repeat_n(1, 100_000));
        assert!((500..=1001).contains(&kept.len()), "{}", kept.len());
        assert_eq!((kept[0].t, kept[kept.len() - 1].t), (0.0, 99_999.0));
        let longest = kept.windows(2).map(|w| w[1].t - w[0].t).fold(0.0, f64::max);
        assert!(longest < 2.0 * 256.0, "{longest}");
        // At random: of all places within a group, none is preferred.
        let odd = kept.iter().filter(|s| s.t % 2.0 == 1.0).count();
        assert!((kept.len() * 2 / 5..kept.len() * 3 / 5).contains(&odd), "{odd}");
    }

    #[test]
    fn those_that_have_few_keep_them() {
        let kept = thinned(1000, (0..50_000).map(|t| if t % 1000 == 7 { 2 } else { 1 }));
        assert_eq!(kept.iter().filter(|s| s.worker.pid == 2).count(), 50);
    }

    #[test]
    fn workers_without_end_take_no_memory_without_end() {
        let (mut thinner, mut kept) = (Thinner::new(1 << 20), Vec::new());
        for pid in 0..MOST_WORKERS as u32 + 10 {
            thinner.push(&mut kept, Sample::new(0.0, WorkerId::new(pid, 1)));
        }
        let told = thinner.finish(&mut kept, "the workers");
        assert_eq!(told, ["there were too many workers: 10 readings of the later ones are left out"]);
        assert_eq!(kept.len(), MOST_WORKERS);
    }

    proptest! {
        #[test]
        fn whatever_comes_first_and_last_readings_stay_and_order_holds(
            most in 20usize..200, pids in prop::collection::vec(0u32..8, 1..5000)
        ) {
            let kept = thinned(most, pids.iter().copied());
            prop_assert!(kept.len() <= most + 8);
            prop_assert!(kept.is_sorted_by(|a, b| a.t < b.t));
            for pid in 0..8 {
                let all: Vec<f64> = (0..pids.len()).filter(|t| pids[*t] == pid).map(|t| t as f64).collect();
                let own: Vec<f64> = kept.iter().filter(|s| s.worker.pid == pid).map(|s| s.t).collect();
                prop_assert_eq!((own.first(), own.last()), (all.first(), all.last()));
            }
        }
    }
}
