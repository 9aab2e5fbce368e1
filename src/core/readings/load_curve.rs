//! Load over time: what the driver sent, or the rate at which requests were counted.

use super::timeline::Timeline;
use crate::model::{PhaseKind, RunRecord, Series};
use crate::stats::interpolate;
use crate::thresholds::level::BLOCKS;
use crate::thresholds::load_curve::{BEYOND_CHANCE, LOAD_VARIES, LOAD_WINDOW};
use crate::thresholds::scale::PARTS;

/// Requests per second as they were counted, if they varied over the run by more than chance: their means over parts of the
/// run lie farther apart than the rates within the parts explain.
pub fn own_load(series: &Series) -> Option<Vec<f64>> {
    let n = series.t.len();
    let rate = |from: usize, to: usize| (series.x[to] - series.x[from]) / (series.t[to] - series.t[from]);
    let edges: Vec<usize> = (0..=PARTS.get()).map(|k| k * n.saturating_sub(1) / PARTS.get()).collect();
    let parts: Vec<(usize, usize)> =
        edges.windows(2).map(|w| (w[0], w[1])).filter(|(from, to)| to - from > 1).collect();
    let means: Vec<f64> = parts.iter().map(|&(from, to)| rate(from, to)).collect();
    let mean = means.iter().sum::<f64>() / means.len().max(1) as f64;
    let (least, most) = means.iter().fold((f64::INFINITY, 0.0f64), |(l, m), r| (l.min(*r), m.max(*r)));
    let apart = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>();
    let by_chance = parts.iter().zip(&means).map(|(&(from, to), mean)| {
        let within = (from..to).map(|i| (rate(i, i + 1) - mean).powi(2)).sum::<f64>();
        within / ((to - from) * (to - from - 1)) as f64
    });
    let varies = parts.len() == PARTS.get() && most - least > LOAD_VARIES.get() * mean;
    let near = (n / BLOCKS.get() / 2).max(1);
    let rates = (0..n).map(|i| rate(i.saturating_sub(near), (i + near).min(n - 1)));
    (varies && apart > BEYOND_CHANCE.get() * by_chance.sum::<f64>()).then(|| rates.collect())
}

/// Requests per second that the driver sent, where it varied.
pub struct LoadCurve {
    t: Vec<f64>,
    rate: Vec<f64>,
}

impl LoadCurve {
    pub fn new(record: &RunRecord, timeline: &Timeline) -> Self {
        let mut by_second: Vec<(f64, u64)> = Vec::new();
        let mut rows: Vec<(f64, u64)> = record.load.iter().map(|l| (l.t, l.sent)).collect();
        rows.retain(|(t, _)| t.is_finite() && timeline.judged(*t) && timeline.phase_at(*t) != Some(PhaseKind::WarmUp));
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (t, sent) in rows {
            match by_second.last_mut() {
                Some((last, sum)) if t - *last < 0.5 => *sum = sum.saturating_add(sent),
                _ => by_second.push((t, sent)),
            }
        }
        let t: Vec<f64> = by_second.iter().map(|p| p.0).collect();
        let window = |at: f64| {
            let near =
                t.partition_point(|v| *v < at - LOAD_WINDOW.get())..t.partition_point(|v| *v <= at + LOAD_WINDOW.get());
            let n = near.len().max(1) as f64;
            by_second[near].iter().map(|p| p.1 as f64).sum::<f64>() / n
        };
        let rate: Vec<f64> = t.iter().map(|at| window(*at)).collect();
        let mean = rate.iter().sum::<f64>() / rate.len().max(1) as f64;
        let most = rate.iter().copied().fold(0.0, f64::max);
        let least = rate.iter().copied().fold(f64::INFINITY, f64::min);
        let varies = rate.len() >= PARTS.get() && most - least > LOAD_VARIES.get() * mean;
        if varies { LoadCurve { t, rate } } else { LoadCurve { t: Vec::new(), rate: Vec::new() } }
    }

    pub fn at(&self, times: &[f64]) -> Vec<f64> {
        if self.t.is_empty() {
            Vec::new()
        } else {
            times.iter().map(|t| interpolate(&self.t, &self.rate, *t)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_rates_are_a_load_if_they_vary_beyond_chance() {
        let rates = |rate: &dyn Fn(usize) -> f64| {
            let t: Vec<f64> = (0..300).map(f64::from).collect();
            let mut served = 0.0;
            let x = (0..300).map(|i| {
                served += rate(i);
                served
            });
            own_load(&Series { x: x.collect(), y: vec![0.0; 300], t, ..Series::default() })
        };
        let by_chance = |i: usize| 100.0 * ((i as f64 * 997.0 + 0.123).sin().abs() + 0.1);
        assert_eq!(rates(&by_chance), None);
        assert_eq!(rates(&|_| 100.0), None);
        let rising = rates(&|i| (1.0 + i as f64 / 150.0) * by_chance(i)).expect("a load");
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        assert!(mean(&rising[200..]) > 1.5 * mean(&rising[..100]), "{} {}", mean(&rising[200..]), mean(&rising[..100]));
        assert_eq!(own_load(&Series::default()), None);
    }
}
