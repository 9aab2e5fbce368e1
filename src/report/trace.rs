//! The lines that charts draw: readings as they were taken, cut where some are missing.

use crate::model::{RunRecord, WorkerId};
use std::collections::HashMap;

/// Memory (anonymous + swapped bytes) of each worker over time, in the order of first reading; what is missing is NaN.
pub fn memory_over_time(record: &RunRecord) -> Vec<(WorkerId, Vec<(f64, f64)>)> {
    let mut order: HashMap<WorkerId, usize> = HashMap::new();
    let mut lines: Vec<(WorkerId, Vec<(f64, f64)>)> = Vec::new();
    for sample in &record.samples {
        let index = *order.entry(sample.worker).or_insert_with(|| {
            lines.push((sample.worker, Vec::new()));
            lines.len() - 1
        });
        lines[index].1.push((sample.t, sample.anon_and_swap().map_or(f64::NAN, |y| y as f64)));
    }
    lines
}

/// Splits points where one is missing.
pub fn pieces(points: &[(f64, f64)]) -> impl Iterator<Item = &[(f64, f64)]> {
    points.split(|(x, y)| !(x.is_finite() && y.is_finite())).filter(|piece| !piece.is_empty())
}

/// The longest time between two readings that still belong together: five times what is usual, and a few seconds.
pub fn longest_gap(times: impl Iterator<Item = f64>) -> f64 {
    let mut before = None;
    let mut steps: Vec<f64> =
        times.filter_map(|t| before.replace(t).map(|before| t - before)).filter(|d| d.is_finite()).collect();
    steps.sort_by(f64::total_cmp);
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(1.0);
    (5.0 * usual).max(2.5)
}
