//! Which call sites keep memory: growth by place in the code, from samples of the live set.
//!
//! A block of s bytes is in the sample with probability p = 1 - exp(-s / mean) and stands for s / p bytes (Horvitz and
//! Thompson 1952). What stays through the whole window adds no uncertainty: only what came or went does, with variance
//! sum s^2 (1 - p) / p^2. Beside it the window is cut into parts, and how unevenly they grew gives a second variance
//! (that of a ratio estimator; Cochran 1977), which also has what the program itself did unevenly. The wider interval
//! of the two counts. What holds when the mean is raised during the run, `window` says.

mod naming;
#[cfg(test)]
mod tests;
mod window;

use super::{Finding, Interval, series};
use crate::model::{Axis, CallStack, Frame, Resource, RunRecord, Sample, Series};
use crate::stats::{student_t, student_t_tail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use window::{Tally, Window};

/// Error probability of each bound, and rate of false discoveries among the sites that are said to grow.
const ALPHA: f64 = 0.01;
/// Samples of a site that must have come or gone before anything is said about it.
const FEWEST: u64 = 4;
/// What grows in the last third of the window at less than this part of its rate has settled.
const LATE: f64 = 0.4;
/// Parts of all windows together from which their unevenness is known.
const FEWEST_PARTS: usize = 3;
/// Sites and stacks of each that are told.
const SITES: usize = 20;
const STACKS: usize = 3;

/// What the sampled live sets of a run say about who keeps memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallSites {
    /// What growth is measured against.
    pub axis: Axis,
    /// Length of all workers' windows together along the axis.
    pub span: f64,
    /// Mean of bytes between samples at the end, the largest of all workers.
    pub mean: u64,
    /// The smallest of them at the beginning, if the mean was raised since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised_from: Option<u64>,
    /// Bytes allocated per step of the axis, whether they were freed or not.
    pub churn: f64,
    /// Growth of all that the library saw, in bytes per step of the axis.
    pub total: Interval,
    /// Growth of anonymous memory beyond that: fragmentation, retention, or allocators that the library doesn't see.
    /// Missing if memory isn't proven to grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexplained: Option<f64>,
    /// Samples and frees that could not be noted; above zero, the rates are a little off.
    pub lost: u64,
    /// Sites, by the lower bound of their growth.
    pub sites: Vec<CallSite>,
}

/// What is concluded about one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SiteState {
    /// It keeps more and more.
    Grows,
    /// It grew, but hardly does any more.
    Settled,
    /// Nothing is proven.
    Unproven,
}

/// One place in the code that allocates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallSite {
    /// The innermost frame that doesn't allocate for others.
    pub frame: Frame,
    /// What is concluded.
    pub state: SiteState,
    /// Growth of what it keeps, in bytes per step of the axis.
    pub growth: Interval,
    /// Samples that came or went.
    pub samples: u64,
    /// Of the bytes that came in the first half and were live at its end, the part that was live at the end of the
    /// window, 0 to 1; missing if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<f64>,
    /// Median age of what was live at the end, by bytes, in seconds; missing if nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
    /// Stacks that lead there, the fastest growing first, each with its growth.
    pub stacks: Vec<(CallStack, f64)>,
}

impl CallSites {
    /// The site that is to blame for most of the growth, if there is one.
    pub fn culprit(&self) -> Option<&CallSite> {
        let most = self.sites.iter().find(|site| site.state == SiteState::Grows)?;
        (most.growth.estimate > 0.5 * self.total.estimate).then_some(most)
    }
}

/// Judges the call sites of a run; `None` if allocations weren't traced, or too little of them was seen. `memory` is the
/// finding on the workers' memory.
pub fn call_sites(record: &RunRecord, memory: Option<&Finding>) -> Option<CallSites> {
    let (axis, series) = series(record, Resource::Memory);
    let windows: Vec<Window> = series.iter().filter_map(|one| Window::new(one, &record.heap.looks)).collect();
    let parts = Parts::new(&windows);
    if parts.spans.len() < FEWEST_PARTS || parts.whole() <= 0.0 {
        return None;
    }
    let mut all = Tally::new(parts.spans.len());
    let mut by_stack: HashMap<Option<u32>, Tally> = HashMap::new();
    let mut before = 0;
    for window in &windows {
        let after = parts.spans.len() - before - window.spans.len();
        for (stack, tally) in window.tallies(before, after) {
            all.add(&tally);
            by_stack.entry(stack).or_insert_with(|| Tally::new(parts.spans.len())).add(&tally);
        }
        before += window.spans.len();
    }
    let mut by_site: HashMap<Frame, (Tally, Vec<(CallStack, f64)>)> = HashMap::new();
    for (stack, tally) in by_stack {
        let known = stack.and_then(|stack| record.heap.stacks.get(stack as usize)).cloned().unwrap_or_default();
        let none = || (Tally::new(parts.spans.len()), Vec::new());
        let (site, stacks) = by_site.entry(naming::site(&known)).or_insert_with(none);
        stacks.push((known, parts.rate(&tally)));
        site.add(&tally);
    }
    let judged = by_site.into_iter().filter(|(_, (tally, _))| tally.samples >= FEWEST);
    let mut judged: Vec<(CallSite, f64)> = judged
        .map(|(frame, (tally, mut stacks))| {
            stacks.sort_by(|a, b| b.1.total_cmp(&a.1));
            stacks.truncate(STACKS);
            let (growth, chance) = parts.growth(&tally);
            let state = parts.state(&tally, growth.estimate);
            let site = CallSite {
                frame,
                state,
                growth,
                samples: tally.samples,
                kept: tally.share_kept(),
                age: tally.median_age(),
                stacks,
            };
            (site, chance)
        })
        .collect();
    discover(&mut judged);
    let mut sites: Vec<CallSite> = judged.into_iter().map(|(site, _)| site).collect();
    sites.sort_by(|a, b| b.growth.lower.total_cmp(&a.growth.lower));
    sites.truncate(SITES);
    let (total, _) = parts.growth(&all);
    let of_memory = memory.filter(|finding| finding.axis == axis).and_then(|finding| finding.growth);
    let of_memory = of_memory.filter(|growth| growth.lower > 0.0);
    let mean = windows.iter().map(|w| w.means().1).max()?;
    Some(CallSites {
        axis,
        churn: churned(record, &series).unwrap_or(0.0),
        span: parts.whole(),
        mean,
        raised_from: windows.iter().map(|w| w.means().0).min().filter(|first| *first < mean),
        total,
        unexplained: of_memory.map(|growth| growth.estimate - total.estimate),
        lost: windows.iter().map(|w| w.lost).sum(),
        sites,
    })
}

/// What one stack comes to over all judged windows, in bytes and blocks.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StackTotal {
    /// Place of the stack in the record; `None` for all that there was no room for.
    pub stack: Option<u32>,
    /// Bytes that live at the end.
    pub live: f64,
    /// Blocks that live at the end.
    pub blocks: f64,
    /// Bytes by which that grew in the windows.
    pub growth: f64,
    /// Bytes allocated in the whole run.
    pub allocated: f64,
}

/// What each stack comes to, all workers together; the largest live ones first.
pub fn stack_totals(record: &RunRecord) -> Vec<StackTotal> {
    let (_, series) = series(record, Resource::Memory);
    let mut totals: HashMap<Option<u32>, StackTotal> = HashMap::new();
    for window in series.iter().filter_map(|one| Window::new(one, &record.heap.looks)) {
        for (stack, tally) in window.tallies(0, 0) {
            let total = totals.entry(stack).or_default();
            total.growth += tally.changes.iter().sum::<f64>();
            total.live += tally.ages.iter().map(|(_, bytes)| bytes).sum::<f64>();
            total.blocks += tally.blocks;
        }
    }
    for (stack, bytes) in record.heap.looks.iter().flat_map(|look| &look.allocated) {
        totals.entry(Some(*stack)).or_default().allocated += *bytes as f64;
    }
    let mut totals: Vec<StackTotal> = totals.into_iter().map(|(stack, t)| StackTotal { stack, ..t }).collect();
    totals.sort_by(|a, b| b.live.total_cmp(&a.live).then(a.stack.cmp(&b.stack)));
    totals
}

/// Bytes that the workers allocated per step of the axis, whether they were freed or not; `None` if allocations weren't
/// traced.
pub fn churn(record: &RunRecord) -> Option<f64> {
    churned(record, &series(record, Resource::Memory).1)
}

/// The same in the judged parts of these series.
fn churned(record: &RunRecord, series: &[Series]) -> Option<f64> {
    let mut allocated = 0.0;
    let mut span = 0.0;
    for one in series {
        let from = one.x.partition_point(|x| *x < one.soak_from);
        let (Some(first), Some(last)) = (one.t.get(from), one.t.last()) else { continue };
        let judged = |s: &&Sample| Some(s.worker) == one.worker && (*first..=*last).contains(&s.t);
        let mut counts = record.samples.iter().filter(judged).filter_map(|s| Some((s.t, s.heap?.allocated)));
        let Some((begun, before)) = counts.next() else { continue };
        let Some((ended, after)) = counts.next_back() else { continue };
        allocated += after.saturating_sub(before) as f64;
        span += window::position(one, ended) - window::position(one, begun);
    }
    (span > 0.0).then(|| allocated / span)
}

/// Takes back what is said of sites whose growth may be chance (Benjamini and Hochberg 1995).
fn discover(sites: &mut [(CallSite, f64)]) {
    sites.sort_by(|a, b| a.1.total_cmp(&b.1));
    let count = sites.len() as f64;
    let proven =
        sites.iter().enumerate().rev().find(|(rank, (_, chance))| *chance <= ALPHA * (rank + 1) as f64 / count);
    let proven = proven.map_or(0, |(rank, _)| rank + 1);
    sites[proven..].iter_mut().for_each(|(site, _)| site.state = SiteState::Unproven);
}

/// The parts of all windows, one after another.
struct Parts {
    spans: Vec<f64>,
    /// Length of the last thirds of all windows together.
    late_span: f64,
}

impl Parts {
    fn new(windows: &[Window]) -> Self {
        Parts {
            spans: windows.iter().flat_map(|w| w.spans.iter().copied()).collect(),
            late_span: windows.iter().map(|w| w.late_span).sum(),
        }
    }

    fn whole(&self) -> f64 {
        self.spans.iter().sum()
    }

    fn rate(&self, tally: &Tally) -> f64 {
        tally.changes.iter().sum::<f64>() / self.whole()
    }

    /// Whether what grew at this rate still does in the last third.
    fn state(&self, tally: &Tally, rate: f64) -> SiteState {
        let error = tally.late_variance.sqrt().max(f64::MIN_POSITIVE);
        if self.late_span > 0.0 && tally.late_change < LATE * rate * self.late_span {
            SiteState::Settled
        } else if student_t_tail(tally.late_change / error, f64::INFINITY) < ALPHA {
            SiteState::Grows
        } else {
            SiteState::Unproven
        }
    }

    /// Growth with its bounds, and the probability of as much by chance.
    fn growth(&self, tally: &Tally) -> (Interval, f64) {
        let estimate = self.rate(tally);
        let count = self.spans.len() as f64;
        let residuals = tally.changes.iter().zip(&self.spans).map(|(change, span)| (change - estimate * span).powi(2));
        let uneven = (count / (count - 1.0) * residuals.sum::<f64>()).sqrt() / self.whole();
        let sampled = tally.variance.sqrt() / self.whole();
        let both = [(uneven, count - 1.0), (sampled, f64::INFINITY)];
        let half = both.iter().map(|(error, df)| error * student_t(1.0 - ALPHA, *df)).fold(0.0, f64::max);
        let chance = both.iter().map(|(error, df)| student_t_tail(estimate / error.max(f64::MIN_POSITIVE), *df));
        let interval =
            Interval { estimate, lower: estimate - half, upper: estimate + half, confidence: 1.0 - 2.0 * ALPHA };
        (interval, chance.fold(0.0, f64::max))
    }
}
