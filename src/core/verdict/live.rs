//! The estimate that the progress display shows while a run goes on.

use crate::answer::{Growth, Interval};
use crate::model::{Resource, RunRecord};
use crate::readings::series;
use crate::rule::levels::level::Levels;
use crate::rule::levels::pool::Pool;
use crate::stats::{Panel, Unit};
use crate::thresholds::assess::ALPHA;
use crate::thresholds::scale::MANY;

/// Growth of memory so far, and of every other judged resource that grows for certain.
///
/// One pass over the readings and one small fit for each: made to be called once a second.
pub fn live_growths(record: &RunRecord) -> Vec<(Resource, Growth)> {
    let judged = record
        .meta
        .budgets
        .resources()
        .filter(|resource| *resource == Resource::Memory || record.budget(*resource).is_some());
    let growths = judged.filter_map(|resource| Some((resource, live_growth(record, resource)?)));
    growths.filter(|(resource, growth)| *resource == Resource::Memory || growth.interval.lower > 0.0).collect()
}

/// Pooled growth of a resource so far under a straight line; `None` until there are some readings under judged load.
fn live_growth(record: &RunRecord, resource: Resource) -> Option<Growth> {
    let (axis, series) = series(record, resource);
    let quantum = resource.quantum(record.page());
    let pool = Pool::new(&series, f64::INFINITY);
    let units: Vec<Unit> =
        pool.raw.iter().map(|l: &Levels| Unit { y: l.y.clone(), columns: vec![l.x.clone()] }).collect();
    let enough = units.iter().map(|u| u.y.len()).sum::<usize>() >= MANY.get();
    let fit = if enough { Panel::new(&units, quantum)?.fit(&[0])? } else { return None };
    let slope = fit.coefficient(0);
    let interval = Interval {
        estimate: slope.value,
        lower: slope.lower(ALPHA.get()),
        upper: slope.upper(ALPHA.get()),
        confidence: 1.0 - 2.0 * ALPHA.get(),
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
        let whole = live_growth(&run, Resource::Memory).expect("an estimate");
        assert!((whole.interval.estimate - 4096.0).abs() < 10.0, "{whole:?}");
        run.samples.retain(|s| s.t < 30.0);
        let early = live_growth(&run, Resource::Memory).expect("an estimate");
        let width = |g: &Growth| g.interval.upper - g.interval.lower;
        assert!(width(&early) > width(&whole), "{early:?} {whole:?}");
        run.samples.clear();
        assert_eq!(live_growth(&run, Resource::Memory), None);
    }

    #[test]
    fn nothing_grows() {
        let growth = live_growth(&clean(), Resource::Memory).expect("an estimate").interval;
        assert!(growth.lower <= 0.0 && growth.upper < 64.0, "{growth:?}");
    }

    #[test]
    fn what_grows_is_shown_and_what_does_not_is_not() {
        let names = |run: &RunRecord| live_growths(run).iter().map(|(resource, _)| *resource).collect::<Vec<_>>();
        assert_eq!(names(&clean()), [Resource::Memory]);
        let mut run = leaking();
        run.samples.iter_mut().for_each(|sample| sample.fds = sample.requests.map(|served| 12 + served / 10));
        assert_eq!(names(&run), [Resource::Memory, Resource::Descriptors]);
        let (_, growth) = &live_growths(&run)[1];
        assert!((growth.interval.estimate - 0.1).abs() < 0.001, "{growth:?}");
        run.meta.budgets.descriptors = None;
        assert_eq!(names(&run), [Resource::Memory], "it isn't judged");
    }
}
