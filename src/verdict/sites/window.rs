//! The judged part of one worker's looks, and how each stack's live bytes changed in its parts.

use crate::model::{HeapLook, SampledBlock, Series};
use std::collections::HashMap;

/// Parts a window is cut into, at most and at least: with fewer, it has no last third.
const PARTS: usize = 8;
const FEWEST_PARTS: usize = 3;

/// The judged looks of one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Length of each part along the axis.
    pub spans: Vec<f64>,
    /// Mean of bytes between samples.
    pub mean: u64,
    /// What the library has failed to note until the last look.
    pub lost: u64,
    blocks: Vec<Block>,
    /// Time of the last look.
    end: f64,
}

/// A block that was in the sample at one of the looks between the parts.
#[derive(Debug, Clone, PartialEq)]
struct Block {
    sampled: SampledBlock,
    /// Probability that it is in the sample.
    probability: f64,
    /// Looks between parts, from the first at which it was live to the first at which it wasn't any more.
    live: std::ops::Range<usize>,
}

/// How one stack's live bytes changed, in one worker or in several.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Change in each part of each window, in bytes.
    pub changes: Vec<f64>,
    /// Variance of their sum that comes from sampling.
    pub variance: f64,
    /// The same of the last third alone.
    pub late_variance: f64,
    /// Samples that came or went between the first look and the last.
    pub samples: u64,
    /// Bytes that came in the first half, and what of them was live at the end.
    pub came: f64,
    pub kept: f64,
    /// Blocks that were live at the end.
    pub blocks: f64,
    /// Age and bytes of what was live at the end.
    pub ages: Vec<(f64, f64)>,
}

impl Window {
    /// The judged looks among all `looks`, of the worker of this series; `None` if there are too few.
    pub fn new(series: &Series, looks: &[HeapLook]) -> Option<Self> {
        let worker = series.worker?;
        let looks: Vec<&HeapLook> = looks.iter().filter(|look| look.worker == worker).collect();
        let from = series.x.iter().position(|x| *x >= series.soak_from)?;
        let (from, to) = (series.t[from], *series.t.last()?);
        let mean = looks.iter().rev().find(|look| look.t <= to)?.mean;
        // A raised mean thins the sample out: what went then may still be live. So only looks at the last mean count,
        // and not the first of them, at which the others went.
        let judged: Vec<usize> =
            (0..looks.len()).filter(|&i| (from..=to).contains(&looks[i].t) && looks[i].mean == mean).collect();
        let count = judged.len().saturating_sub(1).min(PARTS);
        if count < FEWEST_PARTS {
            return None;
        }
        let between: Vec<usize> = (0..=count).map(|part| judged[part * (judged.len() - 1) / count]).collect();
        let at: Vec<f64> = between.iter().map(|&look| position(series, looks[look].t)).collect();
        let spans: Vec<f64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mut blocks: Vec<Block> = Vec::new();
        for (index, look) in looks.iter().enumerate() {
            // The first of the looks between parts that is this one or comes after it.
            let after = between.partition_point(|&at| at < index);
            for gone in &look.went {
                if let Some(block) = blocks.get_mut(*gone as usize) {
                    block.live.end = block.live.end.min(after);
                }
            }
            blocks.extend(look.came.iter().map(|sampled| Block {
                sampled: *sampled,
                probability: -(-(sampled.size as f64) / mean.max(1) as f64).exp_m1(),
                live: after..usize::MAX,
            }));
        }
        blocks.retain(|block| block.live.start < block.live.end.min(between.len()) && block.probability > 0.0);
        let last = looks[*between.last()?];
        Some(Window { spans, mean, lost: last.lost, blocks, end: last.t })
    }

    /// How each stack's live bytes changed, in a tally that begins with `before` parts of other windows and ends with
    /// `after`.
    pub fn tallies(&self, before: usize, after: usize) -> HashMap<Option<u32>, Tally> {
        let parts = self.spans.len();
        let mut tallies: HashMap<Option<u32>, Tally> = HashMap::new();
        for block in &self.blocks {
            let tally = tallies.entry(block.sampled.stack).or_insert_with(|| Tally::new(before + parts + after));
            let bytes = block.sampled.live.unwrap_or(block.sampled.size) as f64 / block.probability;
            let (begins, ends) = (block.live.start, block.live.end);
            let (came, went) = (begins > 0, ends <= parts);
            if came {
                tally.changes[before + begins - 1] += bytes;
            }
            if went {
                tally.changes[before + ends - 1] -= bytes;
            }
            if came != went {
                tally.samples += 1;
                tally.variance += bytes * bytes * (1.0 - block.probability);
            }
            let late = first_late(parts);
            if (begins > late) != (went && ends > late) {
                tally.late_variance += bytes * bytes * (1.0 - block.probability);
            }
            if came && begins <= parts / 2 {
                tally.came += bytes;
                tally.kept += if went { 0.0 } else { bytes };
            }
            if !went {
                tally.ages.push((self.end - block.sampled.born, bytes));
                tally.blocks += 1.0 / block.probability;
            }
        }
        tallies
    }
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
        self.late_variance += other.late_variance;
        self.samples += other.samples;
        self.came += other.came;
        self.kept += other.kept;
        self.blocks += other.blocks;
        self.ages.extend(&other.ages);
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

/// The first part of the last third of so many.
pub fn first_late(parts: usize) -> usize {
    (2 * parts).div_ceil(3)
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
