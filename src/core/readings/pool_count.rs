//! Requests that a pool has served.

use crate::model::{CountingSource, RunRecord};
use crate::stats::interpolate;
use std::collections::HashMap;

/// Requests that the pool has served, as a function of time: straight lines between counts.
pub struct PoolCount {
    pub t: Vec<f64>,
    count: Vec<f64>,
}

impl PoolCount {
    pub fn new(record: &RunRecord) -> Option<Self> {
        if record.meta.counting.source == CountingSource::None {
            return None;
        }
        let from_host: Vec<(f64, f64)> =
            record.host.iter().filter_map(|h| Some((h.t, h.requests? as f64))).filter(|(t, _)| t.is_finite()).collect();
        let points = if from_host.last().is_some_and(|p| p.1 > 0.0) {
            from_host
        } else if record.load.is_empty() && record.meta.counting.per_worker {
            summed_up(record)
        } else {
            let mut by_second: Vec<(f64, u64)> =
                record.load.iter().filter(|l| l.t.is_finite()).map(|l| (l.t, l.sent)).collect();
            by_second.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut sum = 0.0;
            // A row is the end of its second, so the first count of nothing lies a second before it.
            let start = by_second.first().map(|(t, _)| (t - 1.0, 0.0));
            start
                .into_iter()
                .chain(by_second.into_iter().map(|(t, sent)| {
                    sum += sent as f64;
                    (t, sum)
                }))
                .collect()
        };
        let mut out = PoolCount { t: Vec::new(), count: Vec::new() };
        for (t, count) in points {
            match (out.t.last(), out.count.last()) {
                (Some(last), Some(most)) if t <= *last || count < *most => {
                    if t == *last
                        && let Some(most) = out.count.last_mut()
                    {
                        *most = most.max(count);
                    }
                }
                _ => {
                    out.t.push(t);
                    out.count.push(count);
                }
            }
        }
        (out.count.last().copied().unwrap_or(0.0) > 0.0).then_some(out)
    }

    pub fn at(&self, t: f64) -> f64 {
        interpolate(&self.t, &self.count, t)
    }
}

/// Requests of all workers together, where nothing counts them but each worker's own readings.
fn summed_up(record: &RunRecord) -> Vec<(f64, f64)> {
    let (mut before, mut sum) = (HashMap::new(), 0.0);
    let counts = record.samples.iter().filter_map(|sample| Some((sample.t, sample.worker, sample.requests?)));
    let added = counts.filter(|(t, ..)| t.is_finite()).map(|(t, worker, count)| {
        sum += count.saturating_sub(before.insert(worker, count).unwrap_or(count)) as f64;
        (t, sum)
    });
    added.collect()
}
