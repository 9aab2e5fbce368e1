//! From the series of a pool to what is judged together.
//!
//! Workers that lived through the run side by side are averaged: they share the host's noise, and growth per request
//! survives averaging. Workers that were recycled are aligned by age instead, each with its own intercept, so that a
//! pool whose sum is flat can't hide that each of them grows.

use super::floor::floor;
use super::level::{Jump, Levels, Stretch, Subject, cuts, jumps, levels, mean_levels, stretches, without_jumps};
use crate::answer::SetAside;
use crate::limits::POINTS;
use crate::model::Series;
use crate::stats::median;
use crate::thresholds::level::BLOCKS;
use crate::thresholds::scale::{ENOUGH, FEW, LITTLE, MOST, QUARTER, SEVERAL};

/// A worker that takes part.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its place among the series.
    pub index: usize,
    /// Its levels over its own judged part; of a sawtooth, the floor.
    pub levels: Levels,
    /// Whether it is a sawtooth.
    pub sawtooth: bool,
    /// Its jumps: place among its levels, and size.
    pub jumps: Vec<(usize, f64)>,
    /// Its levels less its jumps.
    pub smooth: Levels,
}

/// What is judged together.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    pub members: Vec<Member>,
    /// Whether most of its members are sawtooths.
    pub sawtooth: bool,
    /// Whether its members are incarnations aligned by age, not workers side by side.
    pub recycled: bool,
    /// The mean of the members, or the members one by one if recycled.
    pub raw: Vec<Levels>,
    /// The same less the jumps.
    pub smooth: Vec<Levels>,
    /// All jumps of all members, by place.
    pub jumps: Vec<Jump>,
    /// Places of series that take no part, and why.
    pub set_aside: Vec<(usize, SetAside)>,
}

impl Pool {
    /// `least` is the least change of level that counts as a jump.
    pub fn new(series: &[Series], least: f64) -> Self {
        let mut pool = Pool::default();
        let spans: Vec<(f64, f64, usize, f64)> = series.iter().map(extent).collect();
        let busiest = spans.iter().map(pace).fold(0.0, f64::max);
        let mut able = Vec::new();
        for (index, one) in spans.iter().enumerate() {
            let (readings, span) = (one.2, one.3);
            if !is_sound(&series[index]) {
                pool.set_aside.push((index, SetAside::Unsound));
            } else if readings < FEW.get() {
                pool.set_aside.push((index, SetAside::Few(readings)));
            } else if span <= 0.0 || pace(one) < LITTLE.get() * busiest && readings >= ENOUGH.get() {
                pool.set_aside.push((index, SetAside::Idle));
            } else {
                able.push(index);
            }
        }
        let start = able.iter().map(|i| spans[*i].0).fold(f64::INFINITY, f64::min);
        let end = able.iter().map(|i| spans[*i].1).fold(0.0, f64::max);
        let whole: Vec<usize> = able
            .iter()
            .copied()
            .filter(|i| spans[*i].2 >= ENOUGH.get() && spans[*i].1 - spans[*i].0 >= MOST.get() * (end - start))
            .collect();
        let readings = |of: &[usize]| of.iter().map(|i| spans[*i].2).sum::<usize>();
        if !whole.is_empty() && 2 * readings(&whole) >= readings(&able) {
            for index in able.iter().filter(|i| !whole.contains(i)) {
                pool.set_aside.push((*index, SetAside::PartOnly));
            }
            pool.side_by_side(series, &whole, &spans, least);
        } else if !able.is_empty() {
            pool.recycled = true;
            let members = pool.of_one_kind(&able, &spans);
            pool.by_age(series, &members, &spans, least);
        }
        pool.set_aside.sort_by_key(|s| s.0);
        pool
    }

    fn side_by_side(&mut self, series: &[Series], chosen: &[usize], spans: &[(f64, f64, usize, f64)], least: f64) {
        let from = chosen.iter().map(|i| spans[*i].0).fold(0.0, f64::max);
        let to = chosen.iter().map(|i| spans[*i].1).fold(f64::INFINITY, f64::min);
        let fewest = chosen.iter().map(|i| spans[*i].2).min().unwrap_or(0);
        let all: Vec<&Series> = chosen.iter().map(|index| &series[*index]).collect();
        let cuts = cuts(&all, from, to, BLOCKS.get().min(fewest));
        let (mut raw, mut smooth) = (Vec::new(), Vec::new());
        for &index in chosen {
            let one = &series[index];
            let member = Member::new(index, one, BLOCKS.get(), least);
            let parts = stretches(one, &cuts);
            let present: Vec<f64> = parts.iter().flatten().map(|p| p.y).collect();
            let mut cured = without_jumps(&present, &jumps(&present, least)).into_iter();
            let cure = |p: &Option<Stretch>| p.clone().and_then(|p| Some(Stretch { y: cured.next()?, ..p }));
            smooth.push(parts.iter().map(cure).collect::<Vec<_>>());
            raw.push(parts);
            self.add(member);
        }
        let loaded = chosen.iter().all(|i| !series[*i].load.is_empty());
        self.sawtooth = 2 * self.members.iter().filter(|m| m.sawtooth).count() > self.members.len();
        if self.sawtooth || self.members.len() == 1 {
            // Collections of different workers don't coincide: each floor keeps its own places.
            self.raw = self.members.iter().map(|m| m.levels.clone()).collect();
            self.smooth = self.members.iter().map(|m| m.smooth.clone()).collect();
        } else {
            let each: Vec<&Levels> = self.members.iter().map(|m| &m.levels).collect();
            let of_step = |k: usize| each.iter().map(|one| one.served[k]).sum();
            let steps = each.iter().map(|one| one.served.len()).min().unwrap_or(0);
            let served: Vec<f64> = (0..steps).map(of_step).collect();
            let mean = |parts: &[_]| Levels { served: served.clone(), ..mean_levels(parts, loaded) };
            (self.raw, self.smooth) = (vec![mean(&raw)], vec![mean(&smooth)]);
        }
    }

    /// Those of these lives that are no longer than several usual ones. Who outlives the others by far would be all there is of a great
    /// age, and speak for all of them there.
    fn of_one_kind(&mut self, able: &[usize], spans: &[(f64, f64, usize, f64)]) -> Vec<usize> {
        let life = |i: &usize| spans[*i].1 - spans[*i].0;
        let usual = median(&able.iter().map(life).collect::<Vec<_>>()).unwrap_or(f64::INFINITY);
        let outlives = |i: &usize| life(i) > SEVERAL.get() as f64 * usual && spans[*i].2 >= ENOUGH.get();
        let (outliving, members): (Vec<usize>, Vec<usize>) = able.iter().partition(|i| outlives(i));
        self.set_aside.extend(outliving.into_iter().map(|index| (index, SetAside::Outlived)));
        members
    }

    fn by_age(&mut self, series: &[Series], chosen: &[usize], spans: &[(f64, f64, usize, f64)], least: f64) {
        let mut chosen = chosen.to_vec();
        if chosen.len() > POINTS {
            let all = std::mem::take(&mut chosen);
            for (place, index) in all.iter().enumerate() {
                // As many as wanted, spread evenly over the run.
                if place * POINTS % all.len() < POINTS {
                    chosen.push(*index);
                } else {
                    let why = SetAside::Represented { by: POINTS, of: all.len() };
                    self.set_aside.push((*index, why));
                }
            }
        }
        // Stretches of the same length in all, as the longest-lived one has them.
        let life = |i: &usize| spans[*i].1 - spans[*i].0;
        let longest = chosen.iter().copied().max_by(|a, b| life(a).total_cmp(&life(b)));
        let Some(longest) = longest else { return };
        let stretch = life(&longest) / BLOCKS.get().min(spans[longest].2) as f64;
        for index in &chosen {
            let count = (life(index) / stretch).ceil().clamp(2.0, BLOCKS.get() as f64) as usize;
            let member = Member::new(*index, &series[*index], count, least);
            self.raw.push(member.levels.clone());
            self.smooth.push(member.smooth.clone());
            self.add(member);
        }
    }

    fn add(&mut self, member: Member) {
        self.jumps.extend(member.jumps_by_place());
        self.members.push(member);
    }

    /// What each member of a recycled pool grew by beyond what most incarnations grow by until the same age: all of them warm up
    /// alike, and a leak in a few of them would drown in the mean. Empty where they are too few to tell what is usual.
    pub fn beyond_common(&self) -> Vec<Levels> {
        let rises: Vec<Levels> = self.members.iter().map(|m| m.levels.risen()).collect();
        let usual = |age: f64| {
            let mut reached: Vec<f64> = rises.iter().filter_map(|one| one.at(age)).collect();
            reached.sort_by(f64::total_cmp);
            let place = (QUARTER.get() * (reached.len() as f64 - 1.0)).round() as usize;
            (reached.len() >= SEVERAL.get()).then(|| reached[place])
        };
        let beyond = |one: &Levels| {
            let known: Vec<(usize, f64)> = (0..one.x.len()).filter_map(|i| Some((i, usual(one.x[i])?))).collect();
            let places: Vec<usize> = known.iter().map(|k| k.0).collect();
            let mut beyond = one.pick(&places);
            beyond.y.iter_mut().zip(known).for_each(|(y, (_, usual))| *y -= usual);
            beyond
        };
        if self.recycled && self.members.len() >= SEVERAL.get() {
            rises.iter().map(beyond).collect()
        } else {
            Vec::new()
        }
    }

    /// Steps of the axis that the longest of its members' judged parts spans.
    pub fn longest_life(&self) -> f64 {
        self.members.iter().map(|m| m.levels.span()).fold(0.0, f64::max)
    }

    /// Steps of the axis that all members' judged parts span together.
    pub fn total_span(&self) -> f64 {
        self.members.iter().map(|m| m.levels.span()).sum()
    }
}

impl Member {
    fn new(index: usize, series: &Series, blocks: usize, least: f64) -> Self {
        let readings = levels(series, usize::MAX);
        if let Some(levels) = floor(&readings, least) {
            let smooth = levels.clone();
            return Member { index, levels, sawtooth: true, jumps: Vec::new(), smooth };
        }
        Member::of(index, levels(series, blocks), least)
    }

    /// From levels that are no sawtooth.
    pub fn of(index: usize, levels: Levels, least: f64) -> Self {
        let jumps = jumps(&levels.y, least);
        let smooth = Levels { y: without_jumps(&levels.y, &jumps), ..levels.clone() };
        Member { index, levels, sawtooth: false, jumps, smooth }
    }

    /// It alone, with its jumps by their place and the rises of its high-water mark, as what is judged.
    pub fn alone<'a>(&'a self, jumps: &'a [Jump], rises: &'a [Jump]) -> Subject<'a> {
        Subject {
            raw: std::slice::from_ref(&self.levels),
            smooth: std::slice::from_ref(&self.smooth),
            jumps,
            rises,
            workers: 1,
            averaged: 1.0,
            total_span: self.levels.span(),
        }
    }

    /// Its jumps by their place in its judged part.
    pub fn jumps_by_place(&self) -> Vec<Jump> {
        let Levels { x, .. } = &self.levels;
        let at = |i: usize| (x[i] - x[0]) / self.levels.span();
        self.jumps.iter().map(|&(i, size)| Jump { at: at(i), size }).collect()
    }
}

/// Rises of the high-water mark by at least `least` from block to block, over the whole life of a worker: what it grew
/// by in a configured warm-up tells whether later rises get rarer.
pub fn rises(series: &Series, least: f64) -> Vec<Jump> {
    let whole = Series { soak_from: f64::NEG_INFINITY, ..series.clone() };
    let Levels { x, y, .. } = levels(&whole, BLOCKS.get());
    let (Some(first), Some(last)) = (x.first(), x.last()) else { return Vec::new() };
    let mut mark = f64::INFINITY;
    let mut rises = Vec::new();
    for (x, y) in x.iter().zip(&y) {
        if *y - mark >= least {
            rises.push(Jump { at: (x - first) / (last - first), size: y - mark });
        }
        mark = if mark.is_finite() { mark.max(*y) } else { *y };
    }
    rises
}

/// Whether the promises of [`Series`] are kept.
pub fn is_sound(series: &Series) -> bool {
    let Series { t, x, y, load, by_step, .. } = series;
    let finite = [t, x, y, load].into_iter().chain(by_step).flatten().all(|v| v.is_finite());
    let fits = |v: &Vec<f64>| v.len() == x.len();
    let lengths = fits(t) && fits(y) && (load.is_empty() || fits(load)) && by_step.iter().all(fits);
    finite && lengths && t.is_sorted() && x.is_sorted()
}

/// First and last time, number of readings and steps of the axis of the judged part.
fn extent(series: &Series) -> (f64, f64, usize, f64) {
    let start = if is_sound(series) { series.judged_from() } else { series.x.len() };
    match (series.t.get(start), series.t.last(), series.x.get(start), series.x.last()) {
        (Some(t0), Some(t1), Some(x0), Some(x1)) => (*t0, *t1, series.t.len() - start, x1 - x0),
        _ => (0.0, 0.0, 0, 0.0),
    }
}

/// Steps of the axis in a second of such a judged part: who lived briefly wasn't idle.
fn pace(&(from, to, _, span): &(f64, f64, usize, f64)) -> f64 {
    if to > from { span / (to - from) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_of_incarnations_is_judged_from_some_of_all_its_life() {
        let count = 10 * POINTS + 7;
        let readings = |k: usize| Series {
            t: (0..5).map(|i| (5 * k + i) as f64).collect(),
            x: (0..5).map(|i| 10.0 * i as f64).collect(),
            y: (0..5).map(|i| 1e6 + 4096.0 * i as f64).collect(),
            ..Series::default()
        };
        let series: Vec<Series> = (0..count).map(readings).collect();
        let pool = Pool::new(&series, 32_768.0);
        assert_eq!((pool.members.len(), pool.set_aside.len()), (POINTS, count - POINTS));
        let represented = SetAside::Represented { by: 300, of: 3007 };
        assert!(pool.recycled && pool.set_aside.iter().all(|s| s.1 == represented));
        let gaps = pool.members.windows(2).map(|pair| pair[1].index - pair[0].index);
        assert!(gaps.max() <= Some(11) && pool.members[0].index == 0);
    }

    #[test]
    fn growth_beyond_what_is_usual_at_an_age_is_told_apart_from_a_warm_up() {
        // Eight lives one after the other, all of which warm up; the third leaks.
        let life = |k: usize| Series {
            t: (0..30).map(|i| (30 * k + i) as f64).collect(),
            x: (0..30).map(|i| 10.0 * i as f64).collect(),
            y: (0..30)
                .map(|i| 1e6 * (1.0 - (-f64::from(i) / 5.0).exp()) + if k == 2 { 5000.0 * f64::from(i) } else { 0.0 })
                .collect(),
            ..Series::default()
        };
        let pool = Pool::new(&(0..8).map(life).collect::<Vec<_>>(), 32_768.0);
        let beyond = pool.beyond_common();
        assert_eq!(beyond.len(), 8);
        for (k, one) in beyond.iter().enumerate() {
            let growth = (one.y[29] - one.y[0]) / (one.x[29] - one.x[0]);
            assert!((growth - if k == 2 { 500.0 } else { 0.0 }).abs() < 1e-6, "{k}: {growth}");
        }
        let few = Pool::new(&(0..3).map(life).collect::<Vec<_>>(), 32_768.0);
        assert!(few.beyond_common().is_empty(), "nobody can say what is usual");
    }
}
