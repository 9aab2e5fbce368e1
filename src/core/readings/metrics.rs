//! What was read of the user's own series.

use crate::model::{Metric, RunRecord};

/// The levels of a metric at each look; missing where it was asked for, and there was none.
pub fn levels(record: &RunRecord, metric: Metric) -> Vec<(f64, Option<f64>)> {
    let of = record.metrics.iter().filter(|reading| reading.metric == metric);
    of.map(|reading| (reading.t, reading.value.filter(|value| value.is_finite()))).collect()
}
