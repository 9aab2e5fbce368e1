//! The estimate that the progress display shows while a run goes on.

use super::level::Levels;
use super::pool::Pool;
use super::{Growth, Interval, series};
use crate::model::{Resource, RunRecord};
use crate::stats::{Panel, Unit};
use crate::thresholds::assess::ALPHA_LEAK;
use crate::thresholds::level::BLOCKS;

/// Pooled growth of memory so far under a straight line; `None` until there are some readings under judged load.
///
/// One pass over the readings and one small fit: made to be called once a second.
pub fn live_growth(record: &RunRecord) -> Option<Growth> {
    let (axis, series) = series(record, Resource::Memory);
    let quantum = super::judge::page(record);
    let pool = Pool::new(&series, f64::INFINITY);
    let units: Vec<Unit> =
        pool.raw.iter().map(|l: &Levels| Unit { y: l.y.clone(), columns: vec![l.x.clone()] }).collect();
    let enough = units.iter().map(|u| u.y.len()).sum::<usize>() >= BLOCKS.get() / 10;
    let fit = if enough { Panel::new(&units, quantum)?.fit(&[0])? } else { return None };
    let slope = fit.coefficient(0);
    let interval = Interval {
        estimate: slope.value,
        lower: slope.lower(ALPHA_LEAK.get()),
        upper: slope.upper(ALPHA_LEAK.get()),
        confidence: 1.0 - 2.0 * ALPHA_LEAK.get(),
    };
    Some(Growth { interval, axis })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{clean, leaking};

    #[test]
    fn the_interval_narrows_around_the_truth() {
        let mut run = leaking();
        let whole = live_growth(&run).expect("an estimate");
        assert!((whole.interval.estimate - 4096.0).abs() < 10.0, "{whole:?}");
        run.samples.retain(|s| s.t < 30.0);
        let early = live_growth(&run).expect("an estimate");
        let width = |g: &Growth| g.interval.upper - g.interval.lower;
        assert!(width(&early) > width(&whole), "{early:?} {whole:?}");
        run.samples.clear();
        assert_eq!(live_growth(&run), None);
    }

    #[test]
    fn nothing_grows() {
        let growth = live_growth(&clean()).expect("an estimate").interval;
        assert!(growth.lower <= 0.0 && growth.upper < 64.0, "{growth:?}");
    }
}
