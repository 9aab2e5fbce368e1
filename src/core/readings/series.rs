//! From a run record to one series for each worker incarnation.
//!
//! Always: the vectors of a series have equal lengths, `x` never falls and everything is finite. What had to be cut
//! to get there is told in a note; a number is never made up for a reading that is missing.

use super::kinds::{Readings, of_pool, of_workers, raw_pool_series};
use super::load_curve::{LoadCurve, own_load};
use super::mix::Mix;
use super::settled;
use super::shared::Touched;
use super::timeline::Timeline;
use super::warm_up;
use crate::answer::ReadingNote;
use crate::model::{Axis, PhaseKind, Resource, RunRecord, Sample, Series, WorkerId};
use std::collections::HashMap;

/// One series for each worker incarnation (for tmpfs: one of the pool), without settle phases and what follows the
/// order to stop or the look that proved the answer, and the axis they are on.
pub fn series(record: &RunRecord, resource: Resource) -> (Axis, Vec<Series>) {
    let readings = readings(record, resource, Mix::new(record).as_ref());
    (readings.axis.unwrap_or(Axis::Seconds), readings.series)
}

/// The same with notes; `mix` is that of the record.
pub fn readings(record: &RunRecord, resource: Resource, mix: Option<&Mix>) -> Readings {
    if resource.of_whole_target() {
        return tidy(record, of_pool(record, resource), Some(resource));
    }
    let touched = (resource == Resource::Shared).then(|| Touched::new(record));
    let level = |sample: &Sample| match &touched {
        Some(touched) => touched.level(sample),
        None => sample.level(resource),
    };
    let mut readings = tidy(record, of_workers(record, Some(resource), &level), Some(resource));
    if matches!(readings.axis, Some(Axis::WorkerRequests | Axis::SharedRequests))
        && let Some(mix) = mix
        && let Some(counts) = readings.series.iter().map(|one| mix.counts(one)).collect::<Option<Vec<_>>>()
    {
        readings.series.iter_mut().zip(counts).for_each(|(one, counts)| one.by_step = counts);
    }
    readings
}

/// One series for each worker of a quantity that isn't a resource of its own, such as one kind of descriptors, and the axis
/// they are on.
pub fn part_series(record: &RunRecord, level: &dyn Fn(&Sample) -> Option<u64>) -> (Axis, Vec<Series>) {
    let readings = tidy(record, of_workers(record, None, level), None);
    (readings.axis.unwrap_or(Axis::Seconds), readings.series)
}

/// Cuts raw series to what can be judged, and tells of a resource what was cut.
fn tidy(record: &RunRecord, mut out: Readings, resource: Option<Resource>) -> Readings {
    let timeline = Timeline::new(record);
    let mut dropped = 0;
    let mut cut = 0;
    let load = LoadCurve::new(record, &timeline);
    let warmed_up = warm_up::warmed_up(record);
    let raw = std::mem::take(&mut out.series);
    if settle(&mut out, &raw, record, resource) {
        return out;
    }
    for one in raw {
        let (mut one, tally) = clean(one, &timeline);
        dropped += tally.dropped;
        cut += tally.cut;
        if one.x.is_empty() {
            continue;
        }
        one.soak_from = timeline.soak_from(&one);
        if let Some(t) = one.worker.and_then(|worker| warmed_up.get(&worker)) {
            warm_up::begin_at(&mut one, *t);
        }
        one.load = load.at(&one.t);
        out.series.push(one);
    }
    // Without a driver's, the rate at which each worker's requests were counted is its load.
    if record.load.is_empty() && matches!(out.axis, Some(Axis::WorkerRequests)) {
        let rates: Option<Vec<_>> = out.series.iter().map(own_load).collect();
        out.series.iter_mut().zip(rates.into_iter().flatten()).for_each(|(one, rate)| one.load = rate);
    }
    let Some(resource) = resource else { return out };
    let told = [ReadingNote::Dropped(resource, dropped), ReadingNote::Cut(resource, cut)];
    out.notes.extend(told.into_iter().zip([dropped, cut]).filter(|(_, count)| *count > 0).map(|(note, _)| note));
    out
}

/// Judges by the settled levels, if there are enough of them.
fn settle(out: &mut Readings, raw: &[Series], record: &RunRecord, resource: Option<Resource>) -> bool {
    let pauses = settled::pauses(record);
    let settled = settled::instead_of(raw, &pauses);
    let told = match &settled {
        Some(_) => Some(ReadingNote::ByPauses(pauses.len())),
        None => settled::comparison(raw, &pauses, out.axis.unwrap_or(Axis::Seconds)).map(ReadingNote::FewPauses),
    };
    out.notes.extend(told.filter(|_| resource == Some(Resource::Memory)));
    let enough = settled.is_some();
    out.series.extend(settled.into_iter().flatten().filter(|one| !one.x.is_empty()));
    enough
}

/// How much of a raw series could not be used.
#[derive(Default)]
struct Unusable {
    dropped: u64,
    cut: u64,
}

/// Keeps finite readings in judged phases, in the order of time, and of those the longest stretch whose `x` never
/// falls.
fn clean(raw: Series, timeline: &Timeline) -> (Series, Unusable) {
    let mut tally = Unusable::default();
    let mut kept = Series { worker: raw.worker, ..Series::default() };
    for ((&t, &x), &y) in raw.t.iter().zip(&raw.x).zip(&raw.y) {
        if !(t.is_finite() && x.is_finite() && y.is_finite()) || kept.t.last().is_some_and(|last| t <= *last) {
            tally.dropped += 1;
        } else if timeline.judged(t) {
            kept.t.push(t);
            kept.x.push(x);
            kept.y.push(y);
        }
    }
    let breaks: Vec<usize> = (1..kept.x.len()).filter(|&i| kept.x[i] < kept.x[i - 1]).collect();
    if !breaks.is_empty() {
        tally.cut = 1;
        let edges: Vec<usize> = [0].into_iter().chain(breaks).chain([kept.x.len()]).collect();
        let longest = edges.windows(2).max_by_key(|w| w[1] - w[0]).map_or(0..0, |w| w[0]..w[1]);
        for v in [&mut kept.t, &mut kept.x, &mut kept.y] {
            *v = v[longest.clone()].to_vec();
        }
    }
    (kept, tally)
}

/// The judged part of a quantity of the whole target that isn't a resource of its own; `None` if nothing of it is.
pub fn pool_series(record: &RunRecord, levels: impl Iterator<Item = (f64, f64)>) -> Option<(Axis, Series)> {
    let (axis, one) = raw_pool_series(record, levels);
    let out = Readings { axis: Some(axis), series: vec![one], notes: Vec::new() };
    Some((axis, tidy(record, out, None).series.pop()?))
}

/// Memory of one worker before and after a pause of the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SettleLevel {
    /// The worker.
    pub worker: WorkerId,
    /// Level at its first judged reading, in bytes.
    pub start: f64,
    /// Level at its last reading under load.
    pub before: f64,
    /// Level at its last reading in the settle phase.
    pub after: f64,
}

/// Anonymous + swapped memory of each worker before and after the last settle phase: did it come back? Empty without
/// such a phase.
pub fn settle_levels(record: &RunRecord) -> Vec<SettleLevel> {
    let timeline = Timeline::new(record);
    let Some(place) = timeline.phases.iter().rposition(|(_, kind)| *kind == PhaseKind::Settle) else {
        return Vec::new();
    };
    let settle = timeline.phases[place].0;
    let end = timeline.phases.get(place + 1).map_or(timeline.stop, |next| next.0);
    let mut levels: Vec<(WorkerId, f64, Option<f64>, Option<f64>)> = Vec::new();
    let mut order: HashMap<WorkerId, usize> = HashMap::new();
    for sample in record.samples.iter().filter(|s| s.t < end) {
        let Some(y) = sample.anon_and_swap().map(|y| y as f64) else { continue };
        let index = *order.entry(sample.worker).or_insert_with(|| {
            levels.push((sample.worker, y, None, None));
            levels.len() - 1
        });
        if sample.t < settle {
            levels[index].2 = Some(y);
        } else {
            levels[index].3 = Some(y);
        }
    }
    levels
        .into_iter()
        .filter_map(|(worker, start, before, after)| {
            Some(SettleLevel { worker, start, before: before?, after: after? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{END, WARM_UP, clean, event, leaking, worker};
    use crate::model::EventKind;

    #[test]
    fn a_worker_is_followed_by_its_own_requests() {
        let (axis, series) = series(&leaking(), Resource::Memory);
        assert_eq!((axis, series.len()), (Axis::WorkerRequests, 2));
        let one = &series[0];
        assert_eq!(one.worker, Some(worker(1)));
        assert_eq!(one.soak_from, 10.0 * WARM_UP);
        assert_eq!(one.x.len(), END as usize);
        assert!(one.load.is_empty(), "a constant load is no regressor");
    }

    #[test]
    fn pool_requests_are_shared_over_the_workers_alive() {
        let mut run = leaking();
        run.meta.counting.per_worker = false;
        run.samples.iter_mut().for_each(|s| s.requests = None);
        // The second worker dies half-way: from then on the first serves all.
        run.samples.retain(|s| s.worker == worker(1) || s.t <= 50.0);
        let (axis, shared) = series(&run, Resource::Memory);
        assert_eq!(axis, Axis::SharedRequests);
        let x = &shared[0].x;
        assert!((x[50] - 500.0).abs() < 1e-6 && (x[100] - 1500.0).abs() < 1e-6, "{} {}", x[50], x[100]);
        // Without counts of the pool, what the driver sent does as well.
        run.host.iter_mut().for_each(|h| h.requests = None);
        let (axis, driven) = series(&run, Resource::Memory);
        assert_eq!(axis, Axis::SharedRequests);
        assert!((driven[0].x[100] - driven[0].x[51] - 20.0 * 49.0).abs() < 1e-6);
    }

    #[test]
    fn tmpfs_belongs_to_the_pool() {
        let mut run = clean();
        let host_wide = readings(&run, Resource::Tmpfs, None);
        assert_eq!((host_wide.axis, host_wide.notes.len()), (Some(Axis::PoolRequests), 1));
        run.host.iter_mut().for_each(|h| h.cgroup_shmem = Some(1));
        let own = readings(&run, Resource::Tmpfs, None);
        assert_eq!((own.series[0].y[0], own.notes.len()), (1.0, 0));
    }

    #[test]
    fn settle_phases_and_the_stop_are_not_judged() {
        let mut run = leaking();
        let settle = EventKind::Phase { phase: PhaseKind::Settle, index: 2 };
        run.events.insert(2, event(90.0, settle));
        let (_, judged) = series(&run, Resource::Memory);
        assert_eq!(judged[0].t.last(), Some(&89.0));
        let levels = settle_levels(&run);
        assert_eq!((levels.len(), levels[0].worker), (2, worker(1)));
        assert_eq!(levels[0].before - levels[0].start, 890.0 * 4096.0);
        assert_eq!(levels[0].after - levels[0].start, 1090.0 * 4096.0);
        // What came back in the pause after the look that ended the soak is told all the same.
        let proof = EventKind::Look { share: Some(0.8), alpha: 1e-3, found: String::new(), proven: true };
        run.events.insert(2, event(80.0, proof));
        assert_eq!(series(&run, Resource::Memory).1[0].t.last(), Some(&79.0));
        assert_eq!(settle_levels(&run)[0].after - levels[0].start, 1090.0 * 4096.0);
        run.events.remove(2);
        run.events[3] = event(40.0, EventKind::Stopping);
        assert_eq!(series(&run, Resource::Memory).1[0].t.last(), Some(&39.0));
    }

    #[test]
    fn counters_and_clocks_that_run_backwards_are_cut() {
        let mut run = leaking();
        for s in run.samples.iter_mut().filter(|s| s.worker == worker(1) && s.t >= 70.0) {
            s.requests = s.requests.map(|r| r - 690);
        }
        for s in run.samples.iter_mut().filter(|s| s.worker == worker(2) && s.t == 30.0) {
            s.t = 5.0;
        }
        let cut = readings(&run, Resource::Memory, None);
        assert_eq!(cut.series[0].t.last(), Some(&69.0));
        assert_eq!(cut.series[1].t.len(), END as usize - 1);
        assert_eq!(cut.notes.len(), 2, "{:?}", cut.notes);
        assert!(cut.series.iter().all(|s| s.x.is_sorted()));
    }

    #[test]
    fn a_load_that_rises_goes_along() {
        let mut run = leaking();
        run.load.iter_mut().for_each(|l| l.sent = 10 + l.t as u64);
        let (_, judged) = series(&run, Resource::Memory);
        assert_eq!(judged[0].load.len(), judged[0].t.len());
        assert!(judged[0].load[100] > 2.0 * judged[0].load[20]);
    }

    #[test]
    fn shared_memory_that_was_there_already_is_none_that_grows() {
        let mut run = clean();
        run.samples.iter_mut().for_each(|s| s.shmem = s.requests.map(|served| (1 << 20) + 1024 * served));
        let ends = |run: &RunRecord| {
            let (_, series) = series(run, Resource::Shared);
            (series[0].y[0], *series[0].y.last().unwrap())
        };
        let (first, last) = ends(&run);
        assert_eq!((first, last), (1_048_576.0, 1_048_576.0 + 1024.0 * 1090.0), "nobody knows what the host had");
        // The host has no more of it than at first: the worker touches what was there.
        run.host.iter_mut().for_each(|host| host.shmem = Some(1 << 30));
        assert_eq!(ends(&run), (1_048_576.0, 1_048_576.0));
        // It grows there too, while somebody else gives as much back now and then.
        run.host.iter_mut().for_each(|host| {
            let given_back = (host.t / 10.0).floor() * 100.0 * 2.0 * 1024.0;
            host.shmem = Some(((1_u64 << 30) as f64 + 10.0 * 2.0 * 1024.0 * host.t - given_back) as u64);
        });
        assert!(ends(&run).1 > 0.9 * last, "{:?}", ends(&run));
    }

    #[test]
    fn requests_that_each_worker_counts_are_summed_up_for_the_whole_target() {
        let mut run = clean();
        run.host.iter_mut().for_each(|host| host.requests = None);
        run.load.clear();
        let (axis, one) = pool_series(&run, [(10.0, 1.0), (60.0, 1.0)].into_iter()).unwrap();
        assert_eq!(axis, Axis::PoolRequests);
        assert_eq!(one.x[1] - one.x[0], 2.0 * 500.0);
    }
}
