//! The estimate that the progress display shows while a run goes on.

use super::finding::ALPHA_LEAK;
use super::level::{BLOCKS, Levels};
use super::pool::Pool;
use super::{Growth, Interval, series};
use crate::model::{Resource, RunRecord};
use crate::stats::{Panel, Unit};

/// Pooled growth of memory so far under a straight line; `None` until there are some readings under judged load.
///
/// One pass over the readings and one small fit: made to be called once a second.
pub fn live_growth(record: &RunRecord) -> Option<Growth> {
    let (axis, series) = series(record, Resource::Memory);
    let quantum = super::judge::page(record);
    let pool = Pool::new(&series, f64::INFINITY);
    let units: Vec<Unit> =
        pool.raw.iter().map(|l: &Levels| Unit { y: l.y.clone(), columns: vec![l.x.clone()] }).collect();
    let enough = units.iter().map(|u| u.y.len()).sum::<usize>() >= BLOCKS / 10;
    let fit = if enough { Panel::new(&units, quantum)?.fit(&[0])? } else { return None };
    let slope = fit.coefficient(0);
    let interval = Interval {
        estimate: slope.value,
        lower: slope.lower(ALPHA_LEAK),
        upper: slope.upper(ALPHA_LEAK),
        confidence: 1.0 - 2.0 * ALPHA_LEAK,
    };
    Some(Growth { interval, axis })
}
