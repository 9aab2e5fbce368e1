//! The warm-up that a user has told: what a worker does before it has had so much time is not judged.

use crate::model::{EventKind, RunRecord, Series, WorkerId};
use std::collections::HashMap;

/// When each worker has warmed up, in seconds since the start of the run, if the user has said how long that takes.
pub fn warmed_up(record: &RunRecord) -> HashMap<WorkerId, f64> {
    let Some(warm_up) = record.meta.target.warm_up else { return HashMap::new() };
    let ages = record.events.iter().filter_map(|event| match event.kind {
        EventKind::Spawned { worker, age: Some(age), .. } => Some((worker, event.t + warm_up - age)),
        _ => None,
    });
    ages.collect()
}

/// The series without what was read before `t`.
pub fn begin_at(series: &mut Series, t: f64) {
    let first = series.t.partition_point(|at| *at < t);
    series.soak_from = series.x.get(first).map_or(f64::INFINITY, |x| x.max(series.soak_from));
}
