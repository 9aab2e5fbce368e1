//! Which call sites keep memory: growth by place in the code, from samples of the live set.
//!
//! A block of s bytes is in the sample with probability p = 1 - exp(-s / mean) and stands for s / p bytes (Horvitz and
//! Thompson 1952). What stays through the whole window adds no uncertainty: only what came or went does, with variance
//! sum s^2 (1 - p) / p^2. Beside it the window is cut into parts, and how unevenly they grew gives a second variance
//! (that of a ratio estimator; Cochran 1977), which also has what the program itself did unevenly. The wider interval
//! of the two counts. What holds when the mean is raised during the run, `window` says; how exact counts sharpen the
//! estimates, `calibration`; and with which step of the workload they go, `steps`.
//!
//! Pages that were touched first are judged in the same way, and blame nobody unless they explain how memory grows: where small blocks
//! are kept in room that other code gave back, that other code touches the fresh pages.

mod calibration;
mod generated;
mod naming;
mod remainder;
#[cfg(test)]
mod simulation;
mod steps;
#[cfg(test)]
mod tests;
mod window;
mod windows;

use crate::answer::{CallSite, CallSites, Finding, SiteState, SiteStep};
use crate::limits::{SITES, STACKS};
use crate::model::{Axis, CallStack, Frame, HeapLost, HeapSource, Resource, RunRecord, Sample, Series, WorkerId};
use crate::readings::series::series;
use crate::stats::interpolate;
use calibration::Calibration;
pub use generated::PerfMap;
pub use naming::SCRIPT;
pub use remainder::remainders;
use std::collections::HashMap;
use steps::Steps;
use window::{SiteGrowth, Window};
use windows::Windows;

/// Rate of false discoveries among the sites that are said to grow.
const FALSE_DISCOVERIES: f64 = 0.01;
/// Samples of a site that must have come or gone before anything is said about it.
const FEWEST: u64 = 4;

/// What is known of the run's workers beside their samples.
pub struct Workers<'a> {
    /// The axis of their memory.
    pub axis: Axis,
    /// Their memory.
    pub series: &'a [Series],
    /// The finding on it.
    pub finding: Option<&'a Finding>,
    /// Names of the steps by which their requests are counted.
    pub steps: &'a [String],
}

/// Judges the call sites of a run; `None` if allocations weren't traced, or too little of them was seen.
pub fn call_sites(record: &RunRecord, workers: &Workers) -> Option<CallSites> {
    let axis = workers.axis;
    let windows = Windows::new(workers.series, &record.heap.looks)?;
    let places = Places::new(record);
    let mut whole = SiteGrowth::default();
    let mut tallies = windows.tallies(places.sites.len(), |stack| places.of(stack));
    tallies.iter().for_each(|tally| whole.add(tally));
    let lost = windows.each.iter().fold(HeapLost::default(), |sum, (window, _)| sum.and(&window.lost));
    let counted = if lost.is_whole() { counted(record, &windows) } else { None };
    if let Some(counted) = counted {
        let calibration = Calibration::new(counted, &whole);
        whole = calibration.whole(&whole);
        tallies = tallies.into_iter().map(|tally| calibration.calibrated(tally, &windows)).collect();
    }
    let mut judged: Vec<SiteDraft> = places
        .sites
        .iter()
        .zip(tallies)
        .enumerate()
        .filter(|(_, (_, tally))| tally.samples >= FEWEST)
        .map(|(place, (frame, tally))| {
            let (growth, chance) = windows.growth(&tally);
            let site = CallSite {
                frame: frame.clone(),
                state: windows.state(&tally, growth.estimate),
                growth,
                step: None,
                samples: tally.samples,
                kept: tally.share_kept(),
                age: tally.median_age(),
                stacks: Vec::new(),
            };
            SiteDraft { place, site, tally, chance }
        })
        .collect();
    discover(&mut judged);
    judged.sort_by(|a, b| b.site.growth.lower.total_cmp(&a.site.growth.lower));
    judged.truncate(SITES);
    let steps = Steps::new(workers.steps, &windows);
    let sums = windows.sums(places.by_stack.len(), |stack| places.number(stack));
    for SiteDraft { place, site, tally, .. } in &mut judged {
        site.stacks = places.stacks(*place, (site.growth.estimate, windows.span()), record, &sums);
        site.frame.line = site.stacks.first().and_then(|(stack, _)| naming::site(stack).line);
        if site.state == SiteState::Grows {
            site.step = steps.as_ref().and_then(|steps| steps.of(tally));
        }
    }
    let sites: Vec<CallSite> = judged.into_iter().map(|one| one.site).collect();
    let (total, _) = windows.growth(&whole);
    let of_memory = workers.finding.filter(|finding| finding.axis == axis).and_then(|finding| finding.growth);
    let of_memory = of_memory.filter(|growth| growth.lower > 0.0);
    let means = || windows.each.iter().map(|(window, _)| window.means());
    let mean = means().map(|(_, last)| last).max()?;
    let source = record.heap.looks.first()?.source;
    let mut told = CallSites {
        source,
        axis,
        churn: match source {
            HeapSource::Allocations => churned(record, workers.series),
            HeapSource::Pages => Some(windows.allocated(&record.heap.looks) / windows.span()),
        },
        span: windows.span(),
        mean,
        raised_from: means().map(|(first, _)| first).min().filter(|first| *first < mean),
        total,
        unexplained: of_memory.map(|growth| growth.estimate - total.estimate),
        lost,
        sites,
    };
    if told.are_weak() {
        told.sites.iter_mut().for_each(|site| (site.state, site.step) = (SiteState::Unproven, None));
    }
    Some(told)
}

/// A site on its way.
struct SiteDraft {
    place: usize,
    site: CallSite,
    tally: SiteGrowth,
    /// The probability of as much growth by chance.
    chance: f64,
}

/// Which site each stack leads to.
struct Places {
    sites: Vec<Frame>,
    /// By number of the stack; the last is that of all that there was no room for.
    by_stack: Vec<usize>,
}

impl Places {
    fn new(record: &RunRecord) -> Self {
        let mut sites: Vec<Frame> = Vec::new();
        let mut known: HashMap<Frame, usize> = HashMap::new();
        let none = CallStack::default();
        let source = record.heap.looks.first().map(|look| look.source);
        let place = |stack: &CallStack| {
            let mut frame = naming::site(stack);
            if source == Some(HeapSource::Pages) {
                // Whichever of its lines touches first what it took is one place.
                frame.line = None;
            }
            *known.entry(frame).or_insert_with_key(|frame| {
                sites.push(frame.clone());
                sites.len() - 1
            })
        };
        let by_stack = record.heap.stacks.iter().chain([&none]).map(place).collect();
        Places { sites, by_stack }
    }

    fn number(&self, stack: Option<u32>) -> usize {
        let nowhere = self.by_stack.len() - 1;
        stack.map_or(nowhere, |stack| (stack as usize).min(nowhere))
    }

    fn of(&self, stack: Option<u32>) -> usize {
        self.by_stack[self.number(stack)]
    }

    /// The stacks that lead to a site, the fastest growing first, each with its part of the site's growth; `sums` are by
    /// number of the stack.
    fn stacks(
        &self,
        place: usize,
        (growth, span): (f64, f64),
        record: &RunRecord,
        sums: &[SiteGrowth],
    ) -> Vec<(CallStack, f64)> {
        let numbers = || (0..sums.len()).filter(|stack| self.by_stack[*stack] == place);
        let whole = numbers().map(|stack| sums[stack].change).sum::<f64>() / span;
        // They add up to the site, whose estimate is the better one.
        let scale = if whole > 0.0 && growth > 0.0 { growth / whole } else { 1.0 };
        let stack = |number: usize| {
            let frames = record.heap.stacks.get(number).cloned().unwrap_or_default();
            (frames, scale * sums[number].change / span)
        };
        let mut stacks: Vec<(CallStack, f64)> = numbers().map(stack).collect();
        stacks.sort_by(|a, b| b.1.total_cmp(&a.1));
        stacks.truncate(STACKS);
        stacks
    }
}

/// How much the exact count of live bytes changed in each slice; `None` if it wasn't read at every look.
fn counted(record: &RunRecord, windows: &Windows) -> Option<Vec<f64>> {
    let key = |worker: WorkerId, t: f64| (worker, t.to_bits());
    let wanted = windows.each.iter().flat_map(|(window, _)| window.times.iter().map(|t| key(window.worker, *t)));
    let mut levels: HashMap<(WorkerId, u64), Option<f64>> = wanted.map(|key| (key, None)).collect();
    for sample in &record.samples {
        if let Some(level) = levels.get_mut(&key(sample.worker, sample.t)) {
            *level = sample.heap.map(|heap| heap.in_use() as f64);
        }
    }
    let mut changes = Vec::with_capacity(windows.slices.len());
    for (window, _) in &windows.each {
        let level = |t: &f64| levels.get(&key(window.worker, *t)).copied().flatten();
        let levels: Option<Vec<f64>> = window.times.iter().map(level).collect();
        changes.extend(window.changes(&levels?));
    }
    Some(changes)
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
    let nowhere = record.heap.stacks.len();
    let mut tallies = vec![SiteGrowth::default(); nowhere + 1];
    for (window, _) in Window::all(&series, &record.heap.looks) {
        window.tally(&mut tallies, |stack| stack.map_or(nowhere, |stack| (stack as usize).min(nowhere)), 0, 0);
    }
    let stack = |number: usize| (number < nowhere).then_some(number as u32);
    let mut totals: HashMap<Option<u32>, StackTotal> = HashMap::new();
    for (number, tally) in tallies.iter().enumerate().filter(|(_, tally)| **tally != SiteGrowth::default()) {
        let live = tally.ages.iter().map(|(_, bytes)| bytes).sum();
        let total = StackTotal { live, blocks: tally.blocks, growth: tally.change, ..StackTotal::default() };
        totals.insert(stack(number), total);
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
        let from = one.judged_from();
        let (Some(first), Some(last)) = (one.t.get(from), one.t.last()) else { continue };
        let judged = |s: &&Sample| Some(s.worker) == one.worker && (*first..=*last).contains(&s.t);
        let mut counts = record.samples.iter().filter(judged).filter_map(|s| Some((s.t, s.heap?.allocated)));
        let Some((begun, before)) = counts.next() else { continue };
        let Some((ended, after)) = counts.next_back() else { continue };
        allocated += after.saturating_sub(before) as f64;
        let position = |t| interpolate(&one.t, &one.x, t);
        span += position(ended) - position(begun);
    }
    (span > 0.0).then(|| allocated / span)
}

/// Takes back what is said of sites whose growth may be chance (Benjamini and Hochberg 1995).
fn discover(sites: &mut [SiteDraft]) {
    sites.sort_by(|a, b| a.chance.total_cmp(&b.chance));
    let count = sites.len() as f64;
    let level = |rank: usize| FALSE_DISCOVERIES * (rank + 1) as f64 / count;
    let proven = sites.iter().enumerate().rev().find(|(rank, one)| one.chance <= level(*rank));
    let proven = proven.map_or(0, |(rank, _)| rank + 1);
    sites[proven..].iter_mut().for_each(|one| one.site.state = SiteState::Unproven);
}
