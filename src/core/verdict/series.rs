//! From a run record to one series for each worker incarnation.
//!
//! Always: the vectors of a series have equal lengths, `x` never falls and everything is finite. What had to be cut
//! to get there is told in a note; a number is never made up for a reading that is missing.

use super::load_curve::{LoadCurve, own_load};
use super::mix::Mix;
use super::settled::{self, FewPauses};
use super::youth;
use crate::model::{
    Axis, CountingSource, EventKind, HostSample, Per, PhaseKind, Resource, RunRecord, Sample, Series, WorkerId,
};
use std::collections::HashMap;

/// Seconds of an hour.
const HOUR: f64 = 3600.0;

/// The judged readings of one resource, with what the reader should know of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Readings {
    pub axis: Option<Axis>,
    pub series: Vec<Series>,
    /// What was dropped or is worth less than it seems.
    pub notes: Vec<ReadingNote>,
}

/// What the reader should know of the readings of a resource.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadingNote {
    /// Readings without a request count, which were dropped.
    Uncounted(Resource, u64),
    /// Readings in which it could not be read.
    Unread(Resource, u64),
    /// Readings that were no number, or whose clock ran backwards.
    Dropped(Resource, u64),
    /// Workers whose request count ran backwards: of each the longest stretch without a break is judged.
    Cut(Resource, u64),
    /// tmpfs is measured on the whole host, for want of a control group of the target's own.
    HostWide,
    /// The levels in so many pauses of the load are judged, not those under load.
    ByPauses(usize),
    /// What pauses say that are too few to judge by.
    FewPauses(FewPauses),
}

/// One series for each worker incarnation (for tmpfs: one of the pool), without settle phases and what follows the
/// order to stop or the look that proved the answer, and the axis they are on.
pub fn series(record: &RunRecord, resource: Resource) -> (Axis, Vec<Series>) {
    let readings = readings(record, resource, Mix::new(record).as_ref());
    (readings.axis.unwrap_or(Axis::Seconds), readings.series)
}

/// The same with notes; `mix` is that of the record.
pub(super) fn readings(record: &RunRecord, resource: Resource, mix: Option<&Mix>) -> Readings {
    if resource.of_whole_target() {
        return tidy(record, of_pool(record, resource), Some(resource));
    }
    let level = |sample: &Sample| sample.level(resource);
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
pub(super) fn part_series(record: &RunRecord, level: &dyn Fn(&Sample) -> Option<u64>) -> (Axis, Vec<Series>) {
    let readings = tidy(record, of_workers(record, None, level), None);
    (readings.axis.unwrap_or(Axis::Seconds), readings.series)
}

/// Cuts raw series to what can be judged, and tells of a resource what was cut.
fn tidy(record: &RunRecord, mut out: Readings, resource: Option<Resource>) -> Readings {
    let timeline = Timeline::new(record);
    let mut dropped = 0;
    let mut cut = 0;
    let load = LoadCurve::new(record, &timeline);
    let warmed_up = youth::warmed_up(record);
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
            youth::begin_at(&mut one, *t);
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

/// Whether what is read from here on isn't judged: the target stops, or a look has proven the answer. What that look has not
/// seen must not overturn it.
pub(super) fn ends_judging(event: &EventKind) -> bool {
    matches!(event, EventKind::Stopping | EventKind::TargetDied { .. } | EventKind::Look { proven: true, .. })
}

/// When phases were, from the events.
pub(super) struct Timeline {
    /// Start and kind of each phase, in order.
    phases: Vec<(f64, PhaseKind)>,
    /// When the target was told to stop, or died.
    stop: f64,
    /// From when on nothing is judged.
    end: f64,
}

impl Timeline {
    fn new(record: &RunRecord) -> Self {
        let mut timeline = Timeline { phases: Vec::new(), stop: f64::INFINITY, end: f64::INFINITY };
        for event in &record.events {
            match event.kind {
                EventKind::Phase { phase, .. } => timeline.phases.push((event.t, phase)),
                EventKind::Stopping | EventKind::TargetDied { .. } => timeline.stop = timeline.stop.min(event.t),
                _ => {}
            }
            if ends_judging(&event.kind) {
                timeline.end = timeline.end.min(event.t);
            }
        }
        timeline
    }

    pub fn phase_at(&self, t: f64) -> Option<PhaseKind> {
        self.phases.iter().take_while(|(start, _)| *start <= t).last().map(|(_, kind)| *kind)
    }

    pub fn judged(&self, t: f64) -> bool {
        t < self.end && self.phase_at(t) != Some(PhaseKind::Settle)
    }

    /// Where on `x` the soak begins: at the first reading in a soak phase; at the first of all without phases. Past
    /// the end if the worker saw no soak.
    fn soak_from(&self, series: &Series) -> f64 {
        let first = series.x.first().copied().unwrap_or(0.0);
        if self.phases.is_empty() {
            return first;
        }
        let soak = self.phases.iter().find(|(_, kind)| *kind == PhaseKind::Soak).map_or(f64::INFINITY, |(t, _)| *t);
        series.t.iter().position(|t| *t >= soak).map_or(f64::INFINITY, |i| series.x[i])
    }
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

fn of_workers(record: &RunRecord, resource: Option<Resource>, level: &dyn Fn(&Sample) -> Option<u64>) -> Readings {
    let mut order: HashMap<WorkerId, usize> = HashMap::new();
    let mut by_worker: Vec<(WorkerId, Vec<&Sample>)> = Vec::new();
    for sample in &record.samples {
        let index = *order.entry(sample.worker).or_insert_with(|| {
            by_worker.push((sample.worker, Vec::new()));
            by_worker.len() - 1
        });
        by_worker[index].1.push(sample);
    }
    let mut out = Readings::default();
    let counted = record.samples.iter().any(|s| s.requests.is_some());
    let hourly = record.meta.budgets.per == Per::Hour;
    let shares =
        if hourly || record.meta.counting.per_worker && counted { None } else { Shares::new(record, &by_worker) };
    let axis = match (&shares, record.meta.counting.per_worker && counted) {
        _ if hourly => Axis::Hours,
        (_, true) => Axis::WorkerRequests,
        (Some(_), _) => Axis::SharedRequests,
        _ => Axis::Seconds,
    };
    out.axis = Some(axis);
    let (mut uncounted, mut unread) = (0, 0);
    for (worker, samples) in by_worker {
        let mut one = Series { worker: Some(worker), ..Series::default() };
        let born = samples.first().map_or(0.0, |s| s.t);
        for sample in samples {
            let Some(y) = level(sample) else {
                unread += 1;
                continue;
            };
            let x = match (axis, &shares) {
                (Axis::WorkerRequests, _) => sample.requests.map(|r| r as f64),
                (_, Some(shares)) => Some(shares.at(sample.t) - shares.at(born)),
                (Axis::Hours, _) => Some(sample.t / HOUR),
                _ => Some(sample.t),
            };
            let Some(x) = x else {
                uncounted += 1;
                continue;
            };
            one.t.push(sample.t);
            one.x.push(x);
            one.y.push(y as f64);
        }
        out.series.push(one);
    }
    let Some(resource) = resource else { return out };
    // A page is read less often than memory; only a log that doesn't mention a worker is worth a word.
    if uncounted > 0 && record.meta.counting.source == CountingSource::AccessLog {
        out.notes.push(ReadingNote::Uncounted(resource, uncounted));
    }
    if unread > 0 {
        out.notes.push(ReadingNote::Unread(resource, unread));
    }
    out
}

fn of_pool(record: &RunRecord, resource: Resource) -> Readings {
    let mut out = Readings::default();
    let own = resource == Resource::Kernel || record.host.iter().any(|h| h.cgroup_shmem.is_some());
    // A tmpfs that isn't mounted here, and SysV segments, show in the sum alone; old runs have the mounts alone.
    let whole = record.host.iter().any(|h| h.shmem.is_some());
    let value = |h: &HostSample| match resource {
        Resource::Kernel => h.cgroup_kernel,
        _ if own => h.cgroup_shmem,
        _ if whole => h.shmem,
        _ => h.tmpfs,
    };
    let (axis, one) = raw_pool_series(record, record.host.iter().filter_map(|h| Some((h.t, value(h)? as f64))));
    out.axis = Some(axis);
    if !one.y.is_empty() {
        if !own {
            out.notes.push(ReadingNote::HostWide);
        }
        out.series.push(one);
    }
    out
}

/// A series of the target as a whole from its levels at some moments, and the axis it is on; nothing is cut yet.
fn raw_pool_series(record: &RunRecord, levels: impl Iterator<Item = (f64, f64)>) -> (Axis, Series) {
    let hourly = record.meta.budgets.per == Per::Hour;
    let pool = if hourly { None } else { PoolCount::new(record) };
    let time = if hourly { HOUR } else { 1.0 };
    let mut one = Series::default();
    for (t, y) in levels {
        one.t.push(t);
        one.x.push(pool.as_ref().map_or(t / time, |p| p.at(t)));
        one.y.push(y);
    }
    let axis = match pool {
        _ if hourly => Axis::Hours,
        Some(_) => Axis::PoolRequests,
        None => Axis::Seconds,
    };
    (axis, one)
}

/// The judged part of a quantity of the whole target that isn't a resource of its own; `None` if nothing of it is.
pub(super) fn pool_series(record: &RunRecord, levels: impl Iterator<Item = (f64, f64)>) -> Option<(Axis, Series)> {
    let (axis, one) = raw_pool_series(record, levels);
    let out = Readings { axis: Some(axis), series: vec![one], notes: Vec::new() };
    Some((axis, tidy(record, out, None).series.pop()?))
}

/// Requests that the pool has served, as a function of time: straight lines between counts.
struct PoolCount {
    t: Vec<f64>,
    count: Vec<f64>,
}

impl PoolCount {
    fn new(record: &RunRecord) -> Option<Self> {
        if record.meta.counting.source == CountingSource::None {
            return None;
        }
        let from_host: Vec<(f64, f64)> =
            record.host.iter().filter_map(|h| Some((h.t, h.requests? as f64))).filter(|(t, _)| t.is_finite()).collect();
        let points = if from_host.last().is_some_and(|p| p.1 > 0.0) {
            from_host
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

    fn at(&self, t: f64) -> f64 {
        interpolate(&self.t, &self.count, t)
    }
}

/// Linear between points, constant outside.
pub(super) fn interpolate(x: &[f64], y: &[f64], at: f64) -> f64 {
    let after = x.partition_point(|v| *v <= at);
    match (after.checked_sub(1), x.get(after)) {
        (None, _) => y.first().copied().unwrap_or(0.0),
        (Some(i), None) => y[i],
        (Some(i), Some(next)) => y[i] + (y[after] - y[i]) * (at - x[i]) / (next - x[i]),
    }
}

/// Requests that a worker alive all the time would have served: the pool's growth shared out over the workers alive.
struct Shares {
    t: Vec<f64>,
    share: Vec<f64>,
}

impl Shares {
    fn new(record: &RunRecord, by_worker: &[(WorkerId, Vec<&Sample>)]) -> Option<Self> {
        let pool = PoolCount::new(record)?;
        let mut births: Vec<f64> = by_worker.iter().filter_map(|(_, s)| s.first()).map(|s| s.t).collect();
        let mut deaths: Vec<f64> = by_worker.iter().filter_map(|(_, s)| s.last()).map(|s| s.t).collect();
        births.sort_by(f64::total_cmp);
        deaths.sort_by(f64::total_cmp);
        let mut edges: Vec<f64> =
            births.iter().chain(&deaths).chain(&pool.t).copied().filter(|t| t.is_finite()).collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        let (mut t, mut share, mut sum) = (Vec::new(), Vec::new(), 0.0);
        for (i, &edge) in edges.iter().enumerate() {
            if i > 0 {
                let middle = (edge + edges[i - 1]) / 2.0;
                let alive = births.partition_point(|b| *b <= middle) - deaths.partition_point(|d| *d <= middle);
                sum += (pool.at(edge) - pool.at(edges[i - 1])) / alive.max(1) as f64;
            }
            t.push(edge);
            share.push(sum);
        }
        Some(Shares { t, share })
    }

    fn at(&self, t: f64) -> f64 {
        interpolate(&self.t, &self.share, t)
    }
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
}
