//! The judged part of one worker's looks, and how what each place keeps changed in its slices.
//!
//! The library raises its mean when samples come too fast, and thins the sample out to what the new mean would have
//! taken. An interval between two looks of the same mean is judged at that mean; one in which the mean was raised is left
//! out, of changes and of span alike, for what left the sample there may still be live. So a change is never the
//! difference of two levels that were weighed differently, and every slice estimates the change of its own intervals
//! without bias: growth is their sum over the sum of their spans. What is lost are the intervals themselves, as many as
//! there were doublings: of a leak that goes with the bursts that caused them, these are missing.
//!
//! Whether a block is in the sample at a mean implies that it is at every smaller one. So a block that came at odds
//! against being sampled w = (1 - p) / p and went at odds v adds s (w - v) to the sum, with a variance of which
//! s^2 d (d + 1), d = |w - v|, is an unbiased estimate; one that only came, or only went, has 0 for the other. With one
//! mean that is what Horvitz and Thompson (1952) have.

use crate::limits::{SLICES, SLICES_OF_ONE};
use crate::model::{HeapLook, HeapLost, HeapSource, SampledBlock, Series, WorkerId};
use crate::stats::interpolate;
use std::collections::HashMap;
use std::ops::Range;

/// Parts a window is cut into, at most.
const PARTS: usize = 8;
/// Where the last third of a window begins, as a part of its length.
const LATE_FROM: f64 = 2.0 / 3.0;

/// The judged looks of one worker. What lies between them is cut into slices, of an interval or several.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The slices, in the order of time.
    pub slices: Vec<Slice>,
    /// Number of parts: longer pieces, of a slice or several.
    pub parts: usize,
    /// The worker.
    pub worker: WorkerId,
    /// Time of each look.
    pub times: Vec<f64>,
    /// What the library failed to note between the first look and the last.
    pub lost: HeapLost,
    /// What was sampled.
    source: HeapSource,
    /// Mean of bytes between samples at each look.
    means: Vec<u64>,
    /// The slice of the interval that ends at each look; `None` at the first, and where the mean was raised.
    ending: Vec<Option<usize>>,
    blocks: Vec<Block>,
}

/// A piece of a window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Slice {
    /// Length along the axis, without what is left out.
    pub span: f64,
    /// The part of the window in which it lies.
    pub part: usize,
    /// Whether it lies in the last third.
    pub late: bool,
}

/// A block that was in the sample at one of the looks.
#[derive(Debug, Clone, PartialEq)]
struct Block {
    sampled: SampledBlock,
    /// Looks, from the first at which it was in the sample to the first at which it wasn't any more.
    live: Range<usize>,
}

/// How what one place keeps changed, in one worker or in several.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SiteGrowth {
    /// Change in each slice of each window, in bytes; none if it isn't asked for by slices.
    pub changes: Vec<f64>,
    /// Their sum.
    pub change: f64,
    /// Variance of the sum that comes from sampling.
    pub variance: f64,
    /// The same of the last third alone.
    pub late_variance: f64,
    /// Samples that came or went between the first look and the last.
    pub samples: u64,
    /// Of the bytes that came in the first half and were live at its end: those that were freed later, and those that
    /// were live at the end of the window.
    pub freed: f64,
    pub kept: f64,
    /// Blocks that were live at the end.
    pub blocks: f64,
    /// Age and bytes of what was live at the end.
    pub ages: Vec<(f64, f64)>,
}

impl Window {
    /// The windows of these workers, each with its series.
    pub fn all<'a>(series: &'a [Series], looks: &[HeapLook]) -> Vec<(Window, &'a Series)> {
        let mut by_worker: HashMap<WorkerId, Vec<&HeapLook>> = HashMap::new();
        looks.iter().for_each(|look| by_worker.entry(look.worker).or_default().push(look));
        let window = |one: &'a Series| Some((Window::new(one, by_worker.get(&one.worker?)?, series.len())?, one));
        series.iter().filter_map(window).collect()
    }

    /// The judged looks among the `looks` at the worker of this series, one of `windows`; `None` if no two of them can be
    /// compared.
    fn new(series: &Series, looks: &[&HeapLook], windows: usize) -> Option<Self> {
        let worker = series.worker?;
        let from = series.x.iter().position(|x| *x >= series.soak_from)?;
        let (from, to) = (series.t[from], *series.t.last()?);
        let judged: Vec<usize> = (0..looks.len()).filter(|&i| (from..=to).contains(&looks[i].t)).collect();
        let times: Vec<f64> = judged.iter().map(|&look| looks[look].t).collect();
        let means: Vec<u64> = judged.iter().map(|&look| looks[look].mean).collect();
        let source = looks.first()?.source;
        let steady: Vec<usize> = (1..judged.len()).filter(|&look| means[look] == means[look - 1]).collect();
        if steady.is_empty() {
            return None;
        }
        let at: Vec<f64> = times.iter().map(|t| interpolate(&series.t, &series.x, *t)).collect();
        let late_from = at[0] + LATE_FROM * (at[at.len() - 1] - at[0]);
        let count = steady.len().min((SLICES / windows.max(1)).clamp(PARTS, SLICES_OF_ONE));
        let parts = count.min(PARTS);
        let mut slices: Vec<Slice> =
            (0..count).map(|slice| Slice { span: 0.0, part: slice * parts / count, late: true }).collect();
        let mut ending = vec![None; judged.len()];
        for (place, &look) in steady.iter().enumerate() {
            let slice = place * count / steady.len();
            ending[look] = Some(slice);
            slices[slice].span += at[look] - at[look - 1];
            slices[slice].late &= at[look - 1] >= late_from;
        }
        let mut blocks: Vec<Block> = Vec::new();
        for (index, look) in looks.iter().enumerate() {
            // The first of the judged looks that is this one or comes after it.
            let after = judged.partition_point(|&at| at < index);
            for gone in &look.went {
                if let Some(block) = blocks.get_mut(*gone as usize) {
                    block.live.end = block.live.end.min(after);
                }
            }
            blocks.extend(look.came.iter().map(|sampled| Block { sampled: *sampled, live: after..usize::MAX }));
        }
        blocks.retain(|block| block.live.start < block.live.end.min(judged.len()) && block.sampled.size > 0);
        let lost = looks[*judged.last()?].lost.since(&looks[judged[0]].lost);
        Some(Window { slices, parts, worker, times, lost, source, means, ending, blocks })
    }

    /// Mean of bytes between samples, at the first look and at the last.
    pub fn means(&self) -> (u64, u64) {
        (self.means[0], self.means[self.means.len() - 1])
    }

    /// How much a quantity that is known at each look changed in each slice.
    pub fn changes(&self, levels: &[f64]) -> Vec<f64> {
        let mut changes = vec![0.0; self.slices.len()];
        for (look, slice) in self.ending.iter().enumerate() {
            if let Some(slice) = slice {
                changes[*slice] += levels[look] - levels[look - 1];
            }
        }
        changes
    }

    /// Adds what came and went to the tally of its place, which `place` tells from its stack. Of `slices` in all the
    /// window's own begin at `first`; without any, changes are only summed up.
    pub fn tally(&self, tallies: &mut [SiteGrowth], place: impl Fn(Option<u32>) -> usize, first: usize, slices: usize) {
        let looks = self.means.len();
        let middle = looks / 2;
        for block in &self.blocks {
            let tally = &mut tallies[place(block.sampled.stack)];
            let bytes = block.sampled.live.unwrap_or(block.sampled.size) as f64;
            let odds = |look: usize| odds_against(self.source, block.sampled.size, self.means[look]);
            let end = |look: usize| {
                let slice = self.ending.get(look).copied().flatten()?;
                Some(End { slice, late: self.slices[slice].late, odds: odds(look) })
            };
            let (came, went) = (end(block.live.start), end(block.live.end));
            for (end, sign) in [(came, 1.0), (went, -1.0)] {
                let Some(end) = end else { continue };
                let change = sign * bytes * (1.0 + end.odds);
                tally.change += change;
                if slices > 0 {
                    tally.changes.resize(slices, 0.0);
                    tally.changes[first + end.slice] += change;
                }
            }
            tally.samples += u64::from(came.is_some() != went.is_some());
            tally.variance += bytes * bytes * variance(came, went);
            let late = |end: Option<End>| end.filter(|end| end.late);
            tally.late_variance += bytes * bytes * variance(late(came), late(went));
            let stayed = block.live.end >= looks;
            let weight = 1.0 + odds(looks - 1);
            if block.live.start > 0 && block.live.start <= middle && block.live.end > middle {
                if stayed {
                    tally.kept += bytes * weight;
                } else if let Some(End { odds, .. }) = went {
                    tally.freed += bytes * (1.0 + odds);
                }
            }
            if stayed {
                tally.ages.push((self.times[looks - 1] - block.sampled.born, bytes * weight));
                tally.blocks += weight;
            }
        }
    }
}

/// Odds against a block of this size being in the sample; the block stands for one more than these.
pub fn odds_against(source: HeapSource, size: u64, mean: u64) -> f64 {
    let part = size as f64 / mean.max(1) as f64;
    match source {
        HeapSource::Allocations => 1.0 / part.exp_m1(),
        HeapSource::Pages => (1.0 / part - 1.0).max(0.0),
    }
}

/// Where a block came or went: the slice, whether that lies in the last third, and the odds against its being sampled.
#[derive(Clone, Copy)]
struct End {
    slice: usize,
    late: bool,
    odds: f64,
}

/// Estimate of the variance that a block of one byte adds.
fn variance(came: Option<End>, went: Option<End>) -> f64 {
    let odds = |end: Option<End>| end.map_or(0.0, |end| end.odds);
    let apart = (odds(came) - odds(went)).abs();
    apart * (apart + 1.0)
}

impl SiteGrowth {
    /// Takes another one in, of the same slices.
    pub fn add(&mut self, other: &SiteGrowth) {
        self.changes.resize(self.changes.len().max(other.changes.len()), 0.0);
        self.changes.iter_mut().zip(&other.changes).for_each(|(sum, change)| *sum += change);
        self.change += other.change;
        self.variance += other.variance;
        self.late_variance += other.late_variance;
        self.samples += other.samples;
        self.freed += other.freed;
        self.kept += other.kept;
        self.blocks += other.blocks;
        self.ages.extend(&other.ages);
    }

    /// Of the bytes that came in the first half and were live at its end, the part that was live at the end of the
    /// window, 0 to 1; `None` if there were none.
    pub fn share_kept(&self) -> Option<f64> {
        let both = self.freed + self.kept;
        (both > 0.0).then(|| self.kept / both)
    }

    /// Median age, by bytes, of what was live at the end, in seconds.
    pub fn median_age(&self) -> Option<f64> {
        let mut ages = self.ages.clone();
        ages.sort_by(|a, b| a.0.total_cmp(&b.0));
        let half = ages.iter().map(|(_, bytes)| bytes).sum::<f64>() / 2.0;
        let mut sum = 0.0;
        ages.iter()
            .find(|(_, bytes)| {
                sum += bytes;
                sum >= half
            })
            .map(|(age, _)| *age)
    }
}
