//! Whether what a request takes grows from the begin of the judged time to its end.

use super::pool_count::PoolCount;
use crate::stats::{Panel, Unit, interpolate};
use crate::thresholds::assess::ALPHA;
use crate::thresholds::scale::{PARTS, QUARTER, TENTH};

/// What a request took in the first and in the last quarter, if it grows beyond doubt and by a notable part: `sum` is what all took
/// until each of the times `t`, counted in steps of `quantum`. `None` as well where requests came too rarely to tell.
pub fn grows(t: &[f64], sum: &[f64], count: &PoolCount, quantum: f64) -> Option<(f64, f64)> {
    let parts = PARTS.get();
    let (from, to) = (*t.first()?, *t.last()?);
    let edges: Vec<f64> = (0..=parts).map(|k| from + (to - from) * k as f64 / parts as f64).collect();
    let of = |edge: &[f64]| {
        let requests = count.at(edge[1]) - count.at(edge[0]);
        let spent = |at| interpolate(t, sum, at);
        (spent(edge[1]) - spent(edge[0]), requests)
    };
    let each: Vec<(f64, f64)> = edges.windows(2).map(of).collect();
    let fewest = each.iter().map(|part| part.1).fold(f64::INFINITY, f64::min);
    if fewest < 1.0 {
        return None;
    }
    let unit = Unit {
        y: each.iter().map(|(spent, requests)| spent / requests).collect(),
        columns: vec![(0..parts).map(|k| k as f64).collect()],
    };
    // What is counted between two edges has little to do with what is counted before.
    let slope = Panel::with_own_errors(&[unit], quantum / fewest)?.fit(&[0])?.coefficient(0);
    let quarter = (QUARTER.get() * parts as f64) as usize;
    let mean = |of: &[(f64, f64)]| of.iter().map(|p| p.0).sum::<f64>() / of.iter().map(|p| p.1).sum::<f64>();
    let (first, last) = (mean(&each[..quarter]), mean(&each[parts - quarter..]));
    (slope.lower(ALPHA.get()) > 0.0 && last - first > TENTH.get() * first).then_some((first, last))
}
