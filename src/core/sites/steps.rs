//! With which step of the workload the growth of a place goes.
//!
//! What a place keeps, slice by slice, is regressed on how many requests of each step its worker served in them, in the
//! same panel regression that tells which step a worker's memory grows under. Sampling noise makes such a level a random
//! walk, which that regression allows for. Counts that are split as the pool's were are right on average, and what they
//! miss is noise in the level and none in the regressors (Berkson 1950): slopes stay without bias.
//!
//! All intervals of a place hold together (Bonferroni), so that steps may be chosen by what these say: a place goes with
//! all steps but those of whose requests it is proven to keep less than of another's. As a rule one is left.

use super::SiteStep;
use super::window::SiteGrowth;
use super::windows::Windows;
use crate::answer::Interval;
use crate::limits::WORKERS;
use crate::readings::mix::names_of;
use crate::stats::{Attribution, Counted, interpolate, moving_together};
use crate::thresholds::assess::ALPHA;
use crate::thresholds::scale::FEW;

/// Requests by step in the slices of all windows.
pub struct Steps<'a> {
    names: &'a [String],
    /// Steps whose counts rise side by side are one.
    groups: Vec<Vec<usize>>,
    /// For each worker that is fitted: the first of its slices, and its counts by group.
    workers: Vec<(usize, Counted)>,
}

impl<'a> Steps<'a> {
    /// Counts the requests of each step; `None` if there are no two steps that can be told apart.
    pub fn new(names: &'a [String], windows: &Windows) -> Option<Self> {
        let mut workers: Vec<(usize, Counted)> = Vec::new();
        let mut first = 0;
        for (window, series) in &windows.each {
            if series.by_step.len() == names.len() && workers.len() < WORKERS {
                let at = |row: &Vec<f64>| window.times.iter().map(|t| interpolate(&series.t, row, *t)).collect();
                let levels = series.by_step.iter().map(at);
                let counts = levels.map(|levels: Vec<f64>| summed(&window.changes(&levels))).collect();
                workers.push((first, Counted { counts, ..Counted::default() }));
            }
            first += window.slices.len();
        }
        let counted: Vec<Counted> = workers.iter().map(|(_, counted)| counted.clone()).collect();
        let groups = moving_together(&counted);
        for (_, counted) in &mut workers {
            let rows = groups.iter().map(|group| {
                (0..counted.counts[0].len()).map(|i| group.iter().map(|k| counted.counts[*k][i]).sum()).collect()
            });
            counted.counts = rows.collect();
        }
        (groups.len() > 1).then_some(Steps { names, groups, workers })
    }

    /// The steps that a place's growth goes with, if that is proven.
    pub fn of(&self, tally: &SiteGrowth) -> Option<SiteStep> {
        let counted: Vec<Counted> = self.workers.iter().map(|(first, counts)| level(tally, *first, counts)).collect();
        let fit = Attribution::fit(&counted, 1.0)?;
        let count = self.groups.len();
        // An interval for each step, and one for each set of those that may keep most, and for what is beside it.
        let alpha = ALPHA.get() / (3 * count) as f64;
        let bounds = |groups: &[usize]| {
            let growth = fit.growth(groups, &[]);
            Interval {
                estimate: growth.value,
                lower: growth.lower(alpha),
                upper: growth.upper(alpha),
                confidence: 1.0 - 2.0 * ALPHA.get(),
            }
        };
        let rows: Vec<Interval> = (0..count).map(|group| bounds(&[group])).collect();
        let most = rows.iter().map(|row| row.lower).fold(0.0, f64::max);
        let (chosen, others): (Vec<usize>, Vec<usize>) = (0..count).partition(|group| rows[*group].upper >= most);
        let steps = names_of(self.names, &self.groups, &chosen);
        let proven = !others.is_empty() && !chosen.is_empty() && most > 0.0;
        (proven && steps.len() <= FEW.get()).then(|| SiteStep {
            steps,
            share: chosen.iter().map(|g| fit.shares()[*g]).sum(),
            growth: bounds(&chosen),
            others: bounds(&others).upper.max(0.0),
        })
    }
}

/// A worker's level in a place's tally, beside its counts.
fn level(tally: &SiteGrowth, first: usize, counts: &Counted) -> Counted {
    let slices = counts.counts.first().map_or(0, |row| row.len().saturating_sub(1));
    let changes = tally.changes.get(first..first + slices).unwrap_or_default();
    Counted { y: summed(changes), ..counts.clone() }
}

/// The level after each of these changes, which begins at nothing.
fn summed(changes: &[f64]) -> Vec<f64> {
    let mut level = 0.0;
    let levels = changes.iter().map(|change| {
        level += change;
        level
    });
    [0.0].into_iter().chain(levels).collect()
}
