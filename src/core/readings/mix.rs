//! How many requests of each step a worker had served at each of its readings.
//!
//! Best is a log that names worker and step: exact counts. Else each worker's own requests are split as the pool's were
//! between two readings: right on average, and the deviations of workers from it add up to nothing over the pool.

use crate::limits::WORTH_A_ROW;
use crate::model::{RunRecord, Series, Step, WorkerId};
use crate::stats::interpolate;
use crate::thresholds::scale::PARTS;
use std::collections::HashMap;

/// What they are called then, and what is in the log beside the steps.
const OTHERS: &str = "other requests";

/// The mix of requests over a run.
pub struct Mix {
    /// Names of the steps, or of the classes of request if nothing was driven.
    pub names: Vec<String>,
    source: Source,
}

/// Cumulative counts over time, a row for each step.
#[derive(Default)]
struct Curve {
    t: Vec<f64>,
    counts: Vec<Vec<f64>>,
}

enum Source {
    ByWorker(HashMap<WorkerId, Curve>),
    OfPool(Curve),
}

impl Mix {
    /// The mix of a run, if it has two steps at least.
    pub fn new(record: &RunRecord) -> Option<Mix> {
        let mix = match in_log(record) {
            Some(rows) => Mix::by_worker(record, rows),
            None => return Mix::of_pool(record),
        };
        (mix.names.len() > 1).then_some(mix)
    }

    /// Whether each worker's requests are known by step.
    pub fn is_exact(&self) -> bool {
        matches!(self.source, Source::ByWorker(_))
    }

    /// Cumulative counts by step at each reading of a worker; `None` if nothing is known of it.
    pub fn counts(&self, series: &Series) -> Option<Vec<Vec<f64>>> {
        match &self.source {
            Source::ByWorker(curves) => {
                let curve = curves.get(&series.worker?)?;
                let at = |counts: &Vec<f64>| series.t.iter().map(|t| interpolate(&curve.t, counts, *t)).collect();
                Some(curve.counts.iter().map(at).collect())
            }
            Source::OfPool(curve) => Some(shared(curve, series)),
        }
    }

    fn by_worker(record: &RunRecord, mut rows: Vec<(String, Vec<usize>)>) -> Mix {
        let classes = record.meta.classes.len();
        let named: Vec<usize> = rows.iter().flat_map(|r| r.1.clone()).collect();
        let rest: Vec<usize> = (0..classes).filter(|c| !named.contains(c)).collect();
        let totals = class_totals(record);
        let share = |of: &[usize]| of.iter().map(|c| totals[*c]).sum::<f64>() / totals.iter().sum::<f64>();
        if share(&rest) >= WORTH_A_ROW {
            rows.push((OTHERS.into(), rest));
        }
        let mut curves: HashMap<WorkerId, Curve> = HashMap::new();
        for sample in record.samples.iter().filter(|s| s.requests.is_some()) {
            let curve = curves.entry(sample.worker).or_default();
            if curve.t.last().is_some_and(|last| sample.t <= *last) {
                continue;
            }
            curve.t.push(sample.t);
            curve.counts.resize(rows.len(), Vec::new());
            for (counts, (_, classes)) in curve.counts.iter_mut().zip(&rows) {
                let of_class = classes.iter().filter_map(|c| sample.by_class.get(*c)).map(|count| *count as f64);
                counts.push(of_class.sum());
            }
        }
        Mix { names: rows.into_iter().map(|r| r.0).collect(), source: Source::ByWorker(curves) }
    }

    /// The mix of what the driver sent, if that had two steps at least.
    pub fn of_pool(record: &RunRecord) -> Option<Mix> {
        let steps = &record.meta.steps;
        let mut curve = from_host(record, steps.len());
        if curve.t.is_empty() {
            curve = from_load(record, steps);
        }
        if curve.t.is_empty() {
            return None;
        }
        let totals: Vec<f64> = curve.counts.iter().map(|c| c.last().copied().unwrap_or(0.0)).collect();
        let (kept, rest) = most_frequent(&totals);
        let mut names: Vec<String> = kept.iter().map(|k| steps[*k].name.clone()).collect();
        let mut counts: Vec<Vec<f64>> = kept.iter().map(|k| curve.counts[*k].clone()).collect();
        if !rest.is_empty() {
            names.push(OTHERS.into());
            counts.push((0..curve.t.len()).map(|i| rest.iter().map(|k| curve.counts[*k][i]).sum()).collect());
        }
        let mix = Mix { names, source: Source::OfPool(Curve { t: curve.t, counts }) };
        (mix.names.len() > 1).then_some(mix)
    }
}

/// The classes of the log that stand for each step, if it names them all; of a run that wasn't driven, each class for
/// itself. A class is a step's by its name, its path, or its method and path.
fn in_log(record: &RunRecord) -> Option<Vec<(String, Vec<usize>)>> {
    let classes = &record.meta.classes;
    if !record.meta.counting.per_worker || record.samples.iter().all(|s| s.by_class.is_empty()) {
        return None;
    }
    let drawn: Vec<&Step> = record.meta.steps.iter().filter(|s| s.weight > 0.0).collect();
    if drawn.is_empty() {
        let totals = class_totals(record);
        let (kept, _) = most_frequent(&totals);
        return Some(kept.into_iter().map(|c| (classes[c].clone(), vec![c])).collect());
    }
    let mut rows: Vec<(String, Vec<usize>)> = Vec::new();
    for step in drawn {
        let stands = |c: &String| *c == step.name || *c == step.path || *c == format!("{} {}", step.method, step.path);
        let found: Vec<usize> = (0..classes.len()).filter(|c| stands(&classes[*c])).collect();
        if found.is_empty() || rows.iter().any(|(_, others)| others.iter().any(|c| found.contains(c))) {
            return None;
        }
        rows.push((step.name.clone(), found));
    }
    (rows.len() <= PARTS.get()).then_some(rows)
}

/// Requests of each class that all workers served.
fn class_totals(record: &RunRecord) -> Vec<f64> {
    let mut last: HashMap<WorkerId, &Vec<u64>> = HashMap::new();
    for sample in record.samples.iter().filter(|s| !s.by_class.is_empty()) {
        last.insert(sample.worker, &sample.by_class);
    }
    let total = |c| last.values().filter_map(|counts| counts.get(c)).map(|n| *n as f64).sum();
    (0..record.meta.classes.len()).map(total).collect()
}

/// The kinds that have a row of their own, in their order, and those that share one.
fn most_frequent(totals: &[f64]) -> (Vec<usize>, Vec<usize>) {
    let mut kinds: Vec<usize> = (0..totals.len()).filter(|k| totals[*k] > 0.0).collect();
    kinds.sort_by(|a, b| totals[*b].total_cmp(&totals[*a]));
    let mut rest = if kinds.len() > PARTS.get() { kinds.split_off(PARTS.get() - 1) } else { Vec::new() };
    kinds.sort_unstable();
    rest.sort_unstable();
    (kinds, rest)
}

/// The driver's counts as the sampler read them.
fn from_host(record: &RunRecord, steps: usize) -> Curve {
    let mut curve = Curve { t: Vec::new(), counts: vec![Vec::new(); steps] };
    let readings = record.host.iter().filter(|h| h.by_step.len() == steps && steps > 0 && h.t.is_finite());
    for host in readings {
        if curve.t.last().is_none_or(|last| host.t > *last) {
            curve.t.push(host.t);
            curve.counts.iter_mut().zip(&host.by_step).for_each(|(counts, n)| counts.push(*n as f64));
        }
    }
    curve
}

/// The driver's counts by second.
fn from_load(record: &RunRecord, steps: &[Step]) -> Curve {
    let mut rows: Vec<_> = record.load.iter().filter(|l| l.t.is_finite()).collect();
    rows.sort_by(|a, b| a.t.total_cmp(&b.t));
    let mut curve = Curve { t: Vec::new(), counts: vec![Vec::new(); steps.len()] };
    let mut sums = vec![0.0; steps.len()];
    for second in rows.chunk_by(|a, b| a.t == b.t) {
        if curve.t.is_empty() {
            // A row is the end of its second, so the first count of nothing lies a second before it.
            curve.t.push(second[0].t - 1.0);
            curve.counts.iter_mut().for_each(|counts| counts.push(0.0));
        }
        for row in second {
            if let Some(k) = steps.iter().position(|s| s.name == row.step) {
                sums[k] += row.sent as f64;
            }
        }
        curve.t.push(second[0].t);
        curve.counts.iter_mut().zip(&sums).for_each(|(counts, sum)| counts.push(*sum));
    }
    curve
}

/// A worker's own requests, split between any two readings as the pool's were.
fn shared(pool: &Curve, series: &Series) -> Vec<Vec<f64>> {
    let at: Vec<Vec<f64>> =
        pool.counts.iter().map(|c| series.t.iter().map(|t| interpolate(&pool.t, c, *t)).collect()).collect();
    let ends: Vec<f64> = pool.counts.iter().map(|c| c.last().copied().unwrap_or(0.0)).collect();
    let all: f64 = ends.iter().sum();
    // Where the pool's counts stand still, a worker's are split as over the whole run.
    let mut mix: Vec<f64> = ends.iter().map(|n| n / all).collect();
    let mut out: Vec<Vec<f64>> = mix.iter().map(|_| Vec::with_capacity(series.x.len())).collect();
    let mut sums: Vec<f64> = mix.iter().map(|share| share * series.x.first().copied().unwrap_or(0.0)).collect();
    for i in 0..series.x.len() {
        if i > 0 {
            let grown: Vec<f64> = at.iter().map(|c| (c[i] - c[i - 1]).max(0.0)).collect();
            let sum: f64 = grown.iter().sum();
            if sum > 0.0 {
                mix = grown.iter().map(|n| n / sum).collect();
            }
            let served = series.x[i] - series.x[i - 1];
            sums.iter_mut().zip(&mix).for_each(|(total, share)| *total += share * served);
        }
        out.iter_mut().zip(&sums).for_each(|(counts, sum)| counts.push(*sum));
    }
    out
}

/// Names of the steps in these of the groups, in the order of the script however they were grouped.
pub fn names_of(names: &[String], groups: &[Vec<usize>], chosen: &[usize]) -> Vec<String> {
    let mut steps: Vec<usize> = chosen.iter().flat_map(|g| groups[*g].iter().copied()).collect();
    steps.sort_unstable();
    steps.into_iter().map(|k| names[k].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_named_in_the_order_of_the_script() {
        let names = ["index", "upload", "big-upload", "other requests"].map(String::from);
        // Uploads that are broken off may happen to keep step with all uploads.
        let groups = [vec![0], vec![1, 3], vec![2]];
        assert_eq!(names_of(&names, &groups, &[1, 2]), ["upload", "big-upload", "other requests"]);
    }
}
