//! The judged part of one worker's looks, and how each stack's live bytes changed in its parts.
//!
//! The library raises its mean when samples come too fast, and thins the sample out to what the new mean would have
//! taken. An interval between two looks of the same mean is judged at that mean; one in which the mean was raised is left
//! out, of changes and of span alike, for what left the sample there may still be live. So a change is never the
//! difference of two levels that were weighed differently, and every part estimates the change of its own intervals
//! without bias: growth is their sum over the sum of their spans. What is lost are the intervals themselves, as many as
//! there were doublings: of a leak that goes with the bursts that caused them, these are missing.
//!
//! Whether a block is in the sample at a mean implies that it is at every smaller one. So a block that came at odds
//! against being sampled w = (1 - p) / p and went at odds v adds s (w - v) to the sum, with a variance of which
//! s^2 d (d + 1), d = |w - v|, is an unbiased estimate; one that only came, or only went, has 0 for the other. With one
//! mean that is what Horvitz and Thompson (1952) have.

use crate::model::{HeapLook, SampledBlock, Series};
use std::collections::HashMap;

/// Parts a window is cut into, at most.
const PARTS: usize = 8;
/// Where the last third of a window begins, as a part of its length.
const LATE_FROM: f64 = 2.0 / 3.0;

/// The judged looks of one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Length of each part along the axis, without what is left out.
    pub spans: Vec<f64>,
    /// The same of the last third as a whole.
    pub late_span: f64,
    /// What the library has failed to note until the last look.
    pub lost: u64,
    /// Mean of bytes between samples at each look.
    means: Vec<u64>,
    /// The part of the interval that ends at each look; `None` at the first, and where the mean was raised.
    parts: Vec<Option<usize>>,
    /// The first look whose interval lies in the last third.
    late_from: usize,
    blocks: Vec<Block>,
    /// Time of the last look.
    end: f64,
}

/// A block that was in the sample at one of the looks.
#[derive(Debug, Clone, PartialEq)]
struct Block {
    sampled: SampledBlock,
    /// Looks, from the first at which it was in the sample to the first at which it wasn't any more.
    live: std::ops::Range<usize>,
}

/// How one stack's live bytes changed, in one worker or in several.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Change in each part of each window, in bytes.
    pub changes: Vec<f64>,
    /// Variance of their sum that comes from sampling.
    pub variance: f64,
    /// Change in the last third of each window, and its variance.
    pub late_change: f64,
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
    /// The judged looks among all `looks`, of the worker of this series; `None` if no two of them can be compared.
    pub fn new(series: &Series, looks: &[HeapLook]) -> Option<Self> {
        let worker = series.worker?;
        let looks: Vec<&HeapLook> = looks.iter().filter(|look| look.worker == worker).collect();
        let from = series.x.iter().position(|x| *x >= series.soak_from)?;
        let (from, to) = (series.t[from], *series.t.last()?);
        let judged: Vec<usize> = (0..looks.len()).filter(|&i| (from..=to).contains(&looks[i].t)).collect();
        let means: Vec<u64> = judged.iter().map(|&look| looks[look].mean).collect();
        let steady: Vec<usize> = (1..judged.len()).filter(|&look| means[look] == means[look - 1]).collect();
        if steady.is_empty() {
            return None;
        }
        let count = steady.len().min(PARTS);
        let at: Vec<f64> = judged.iter().map(|&look| position(series, looks[look].t)).collect();
        let begin = at[0] + LATE_FROM * (at[at.len() - 1] - at[0]);
        let late_from = at.partition_point(|x| *x < begin) + 1;
        let late_span = steady.iter().filter(|look| **look >= late_from).map(|&look| at[look] - at[look - 1]).sum();
        let (mut parts, mut spans) = (vec![None; judged.len()], vec![0.0; count]);
        for (place, &look) in steady.iter().enumerate() {
            let part = place * count / steady.len();
            parts[look] = Some(part);
            spans[part] += at[look] - at[look - 1];
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
        let last = looks[*judged.last()?];
        Some(Window { spans, late_span, lost: last.lost, means, parts, late_from, blocks, end: last.t })
    }

    /// Mean of bytes between samples, at the first look and at the last.
    pub fn means(&self) -> (u64, u64) {
        (self.means[0], self.means[self.means.len() - 1])
    }

    /// How each stack's live bytes changed, in a tally that begins with `before` parts of other windows and ends with
    /// `after`.
    pub fn tallies(&self, before: usize, after: usize) -> HashMap<Option<u32>, Tally> {
        let (looks, parts) = (self.means.len(), self.spans.len());
        let mut tallies: HashMap<Option<u32>, Tally> = HashMap::new();
        for block in &self.blocks {
            let tally = tallies.entry(block.sampled.stack).or_insert_with(|| Tally::new(before + parts + after));
            let bytes = block.sampled.live.unwrap_or(block.sampled.size) as f64;
            let odds = |look: usize| odds_against(block.sampled.size, self.means[look]);
            // Where its coming and going is judged, and how likely it was to be in the sample there.
            let at = |look: usize| {
                let part = self.parts.get(look).copied().flatten()?;
                Some(End { part, late: look >= self.late_from, odds: odds(look) })
            };
            let (came, went) = (at(block.live.start), at(block.live.end));
            for (end, sign) in [(came, 1.0), (went, -1.0)] {
                let Some(end) = end else { continue };
                let change = sign * bytes * (1.0 + end.odds);
                tally.changes[before + end.part] += change;
                tally.late_change += if end.late { change } else { 0.0 };
            }
            tally.samples += u64::from(came.is_some() != went.is_some());
            tally.variance += bytes * bytes * variance(came, went);
            let late = |end: Option<End>| end.filter(|end| end.late);
            tally.late_variance += bytes * bytes * variance(late(came), late(went));
            let middle = looks / 2;
            let stayed = block.live.end >= looks;
            if block.live.start > 0 && block.live.start <= middle && block.live.end > middle {
                if stayed {
                    tally.kept += bytes * (1.0 + odds(looks - 1));
                } else if let Some(End { odds, .. }) = went {
                    tally.freed += bytes * (1.0 + odds);
                }
            }
            if stayed {
                let weight = 1.0 + odds(looks - 1);
                tally.ages.push((self.end - block.sampled.born, bytes * weight));
                tally.blocks += weight;
            }
        }
        tallies
    }
}

/// Odds against a block of this size being in the sample; the block stands for one more than these.
fn odds_against(size: u64, mean: u64) -> f64 {
    1.0 / (size as f64 / mean.max(1) as f64).exp_m1()
}

/// Where a block came or went: the part, whether that lies in the last third, and the odds against its being sampled.
#[derive(Clone, Copy)]
struct End {
    part: usize,
    late: bool,
    odds: f64,
}

/// Estimate of the variance that a block of one byte adds.
fn variance(came: Option<End>, went: Option<End>) -> f64 {
    let odds = |end: Option<End>| end.map_or(0.0, |end| end.odds);
    let apart = (odds(came) - odds(went)).abs();
    apart * (apart + 1.0)
}

impl Tally {
    /// No change in so many parts.
    pub fn new(parts: usize) -> Self {
        Tally { changes: vec![0.0; parts], ..Tally::default() }
    }

    /// Takes another one in, of the same parts.
    pub fn add(&mut self, other: &Tally) {
        self.changes.iter_mut().zip(&other.changes).for_each(|(sum, change)| *sum += change);
        self.variance += other.variance;
        self.late_change += other.late_change;
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

/// Where a worker was on the axis at a time, between its readings.
pub fn position(series: &Series, t: f64) -> f64 {
    let after = series.t.partition_point(|at| *at < t);
    if after == 0 || after == series.t.len() {
        return series.x[after.min(series.x.len() - 1)];
    }
    let (t0, t1) = (series.t[after - 1], series.t[after]);
    let (x0, x1) = (series.x[after - 1], series.x[after]);
    x0 + (x1 - x0) * (t - t0) / (t1 - t0)
}
