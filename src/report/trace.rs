//! The lines that charts draw: one resource of one worker, as it was read.

use crate::model::{Axis, Resource, RunRecord, WorkerId};
use std::collections::HashMap;

/// One resource of one worker over time; the vectors have the same length, and what is missing is NaN.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// The worker; `None` for the pool as a whole.
    pub worker: Option<WorkerId>,
    /// Seconds since the start of the run.
    pub t: Vec<f64>,
    /// Position on the axis; never falls.
    pub x: Vec<f64>,
    /// Level: bytes, or a count.
    pub y: Vec<f64>,
}

impl Trace {
    fn push(&mut self, t: f64, x: Option<f64>, y: Option<u64>) {
        let before = self.x.last().copied().filter(|x| x.is_finite());
        // A counter that goes backwards stays where it was.
        let x = match (x.filter(|x| x.is_finite()), before) {
            (Some(x), Some(before)) => x.max(before),
            (Some(x), None) => x,
            (None, Some(before)) => before,
            (None, None) => f64::NAN,
        };
        self.t.push(t);
        self.x.push(x);
        self.y.push(y.map_or(f64::NAN, |y| y as f64));
    }

    /// Levels over the axis.
    pub fn over_axis(&self) -> Vec<(f64, f64)> {
        self.x.iter().copied().zip(self.y.iter().copied()).collect()
    }

    /// Levels over time.
    pub fn over_time(&self) -> Vec<(f64, f64)> {
        self.t.iter().copied().zip(self.y.iter().copied()).collect()
    }
}

/// The traces of a resource over an axis: one a worker in the order of first reading, or one for the pool.
pub fn traces(record: &RunRecord, resource: Resource, axis: Axis) -> Vec<Trace> {
    if resource == Resource::Tmpfs {
        return vec![pool(record, axis)];
    }
    let mut order: HashMap<WorkerId, usize> = HashMap::new();
    let mut traces: Vec<Trace> = Vec::new();
    for sample in &record.samples {
        let index = *order.entry(sample.worker).or_insert_with(|| {
            traces.push(Trace { worker: Some(sample.worker), ..Trace::default() });
            traces.len() - 1
        });
        let x = match axis {
            Axis::Seconds => Some(sample.t),
            _ => sample.requests.map(|r| r as f64),
        };
        let y = match resource {
            Resource::Memory => sample.anon_and_swap(),
            Resource::Descriptors => sample.fds,
            Resource::Threads => sample.threads,
            Resource::Tmpfs => None,
        };
        traces[index].push(sample.t, x, y);
    }
    traces
}

fn pool(record: &RunRecord, axis: Axis) -> Trace {
    let mut trace = Trace::default();
    for sample in &record.host {
        let x = match axis {
            Axis::Seconds => Some(sample.t),
            _ => sample.requests.map(|r| r as f64),
        };
        trace.push(sample.t, x, sample.tmpfs);
    }
    trace
}

/// Splits points where one is missing.
pub fn pieces(points: &[(f64, f64)]) -> impl Iterator<Item = &[(f64, f64)]> {
    points.split(|(x, y)| !(x.is_finite() && y.is_finite())).filter(|piece| !piece.is_empty())
}
