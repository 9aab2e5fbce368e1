//! A run that may end early: what is concluded, and when.

use crate::families::{BUDGET, PAGE};
use seepage::answer::Outcome;
use seepage::model::{Axis, Resource, Series};
use seepage::rule::find;
use seepage::verdict::{Looks, SoakPlan};

/// Readings between chances for a look, as a share of the plan.
const STEP: f64 = 0.01;

/// Seconds that all readings of a watch without an end stand for: as many looks as that has are taken.
const WATCHED: f64 = 7200.0;

/// The answer of a run that may end early, and the share of its plan at which it ended.
pub fn end(series: &[Series], after_warm_up: bool) -> (Outcome, f64) {
    looked(Looks::planned(SoakPlan { after_warm_up, last_phase: 1.0, pauses: 0 }), 1.0, series)
}

/// The answer of a watch without an end that was broken off after two hours if nothing was proven, and the share of that
/// after which it ended.
pub fn open_end(series: &[Series]) -> (Outcome, f64) {
    looked(Looks::open_ended(), WATCHED, series)
}

/// The answer under these looks, whose progress is `whole` at the end of the series.
fn looked(mut looks: Looks, whole: f64, series: &[Series]) -> (Outcome, f64) {
    let planned = series.iter().filter_map(|s| s.t.last()).copied().fold(0.0, f64::max);
    let kind = (Resource::Memory, Axis::WorkerRequests);
    for step in 1..(1.0 / STEP) as usize {
        let share = step as f64 * STEP;
        if !looks.are_due(share * whole) {
            continue;
        }
        let so_far: Vec<Series> = series.iter().map(|s| until(s, planned * share)).collect();
        if let Some(proven) = looks.find(kind, &so_far, (BUDGET, PAGE), share * whole) {
            return (proven, share);
        }
    }
    (find(Resource::Memory, Axis::WorkerRequests, series, BUDGET, PAGE).outcome, 1.0)
}

/// The readings up to a time.
fn until(series: &Series, time: f64) -> Series {
    let n = series.t.partition_point(|t| *t <= time);
    Series {
        t: series.t[..n].to_vec(),
        x: series.x[..n].to_vec(),
        y: series.y[..n].to_vec(),
        load: series.load.iter().take(n).copied().collect(),
        by_step: series.by_step.iter().map(|row| row[..n].to_vec()).collect(),
        ..series.clone()
    }
}
