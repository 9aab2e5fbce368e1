//! Time in which next to nothing is done: it says nothing of growth by request, and growth in it is none that a request made.

use crate::model::Series;
use crate::stats::{Estimate, Panel, Unit, interpolate};
use crate::thresholds::level::BLOCKS;
use crate::thresholds::scale::{LITTLE, SEVERAL};

/// Whether something was done between each two neighbours of these times, by what was `done` until each: at least a little of the
/// usual pace.
pub fn works(t: &[f64], done: &[f64]) -> Vec<bool> {
    let (Some(first), Some(last)) = (t.first().zip(done.first()), t.last().zip(done.last())) else { return Vec::new() };
    let pace = (last.1 - first.1) / (last.0 - first.0);
    let least = |t: &[f64]| LITTLE.get() * pace * (t[1] - t[0]);
    t.windows(2).zip(done.windows(2)).map(|(t, done)| done[1] - done[0] >= least(t)).collect()
}

/// Growth in idle time, per step of the axis: in units of the resource.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// What is fitted.
    growth: Estimate,
    /// What readings reach above their lowest, at most: no growth is beyond, and a line through few of them may be anything.
    most: f64,
}

impl Idle {
    /// The upper bound of this chance of error.
    pub fn upper(&self, alpha: f64) -> f64 {
        self.growth.upper(alpha).min(self.most)
    }
}

/// What the judged part of a series grows by in all its idle time, by the later half of it. Idle is a stretch as long as a level in
/// which less than half of the usual is done, whatever a few requests there do. `None` without such stretches that have several
/// readings.
pub fn growth(series: &Series, quantum: f64) -> Option<Idle> {
    let start = series.judged_from();
    let (t, x, y) = (&series.t[start..], &series.x[start..], &series.y[start..]);
    let (from, span, length) = (*t.first()?, x.last()? - x.first()?, t.last()? - t.first()?);
    let blocks = BLOCKS.get();
    let edge = |block: usize| from + length * block as f64 / blocks as f64;
    let done = |block: usize| interpolate(t, x, edge(block + 1)) - interpolate(t, x, edge(block));
    let is_idle: Vec<bool> = (0..blocks).map(|block| done(block) * (blocks as f64) < 0.5 * span).collect();
    let mut at = 0;
    let stretches = is_idle.chunk_by(|a, b| a == b).filter_map(|part| {
        at += part.len();
        part[0].then(|| (edge(at - part.len()), edge(at)))
    });
    let idle: Vec<(f64, f64)> = stretches.collect();
    let all: f64 = idle.iter().map(|(from, to)| to - from).sum();
    let (mut before, mut fitted, mut reach) = (0.0, 0.0, 0.0);
    let mut units = Vec::new();
    for (from, to) in idle {
        // Caches that fill when a process begins have filled by then.
        let late = from + (0.5 * all - before).max(0.0);
        let readings = t.partition_point(|at| *at < late)..t.partition_point(|at| *at <= to);
        if readings.len() >= SEVERAL.get() {
            let load = series.load.get(start..).unwrap_or_default().get(readings.clone()).unwrap_or_default();
            let columns = [&t[readings.clone()], load].into_iter().filter(|column| !column.is_empty());
            let y = y[readings.clone()].to_vec();
            let highest = y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            reach += highest - y.iter().copied().fold(f64::INFINITY, f64::min) + quantum;
            fitted += t[readings.end - 1] - t[readings.start];
            units.push(Unit { y, columns: columns.map(<[f64]>::to_vec).collect() });
        }
        before += to - from;
    }
    let mut panel = Panel::new(&units, quantum)?;
    // What follows a load that varies there too is no growth.
    let fit = if series.load.is_empty() { None } else { panel.fit(&[0, 1]) };
    let pace = fit.or_else(|| panel.fit(&[0]))?.coefficient(0);
    let growth = Estimate { value: pace.value * all / span, se: pace.se * all / span, ..pace };
    Some(Idle { growth, most: reach / fitted * all / span })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Finding, Outcome, Reason, Settle};
    use crate::model::{Axis, Resource, WorkerId};
    use crate::rule::finding::find;

    /// A number between -1/2 and 1/2 for each place, seemingly at random.
    fn chance(i: usize) -> f64 {
        (i as f64 * 997.0 + 0.123).sin().abs().fract() - 0.5
    }

    /// Readings a second apart, requests in the middle fifth, and a level by time.
    fn burst(level: impl Fn(f64) -> f64) -> Series {
        let x = |i: usize| 10.0 * (i.clamp(120, 180) - 120) as f64;
        Series {
            t: (0..300).map(|i| i as f64).collect(),
            x: (0..300).map(x).collect(),
            y: (0..300).map(|i| level(i as f64) + chance(i)).collect(),
            ..Series::default()
        }
    }

    #[test]
    fn what_grows_by_time_grows_in_idle_time() {
        let found = growth(&burst(|t| 6.0 * t), 0.0).unwrap();
        // Some 239 s without requests, over 600 of them.
        assert!((found.growth.value - 6.0 * 239.0 / 600.0).abs() < 0.1 && found.growth.lower(0.01) > 2.0, "{found:?}");
        // A request now and then doesn't make it work.
        let trickle = burst(|t| 6.0 * t);
        let x = (0..300).map(|i| trickle.x[i] + (i / 10) as f64).collect();
        let found = growth(&Series { x, ..trickle }, 0.0).unwrap();
        assert!(found.growth.lower(0.01) > 2.0, "{found:?}");
        let still = growth(&burst(|t| 60.0 * t.clamp(125.0, 175.0)), 0.0).unwrap();
        assert!(still.growth.lower(0.05) <= 0.0 && still.upper(0.05) < 0.1, "{still:?}");
        let filled_at_first = growth(&burst(|t| 60.0 * t.min(60.0)), 0.0).unwrap();
        assert!(filled_at_first.upper(0.05) < 0.1, "{filled_at_first:?}");
    }

    #[test]
    fn a_short_pause_of_a_level_that_stays_is_no_cause_for_doubt() {
        // Four readings in a pause a sixteenth of the time: a line through them may be anything, but they are all alike.
        let short = |level: fn(f64) -> f64| {
            let t: Vec<f64> = (0..128).map(f64::from).collect();
            let x: Vec<f64> = t.iter().map(|t| 10.0 * t.min(64.0) + 10.0 * (t - 72.0).max(0.0)).collect();
            let y: Vec<f64> = t.iter().map(|t| level(*t)).collect();
            growth(&Series { t, x, y, ..Series::default() }, 4096.0).unwrap().upper(0.01)
        };
        let a_page_over_all_requests = 3.0 * 4096.0 / 1190.0;
        assert!(short(|_| 8192.0) < a_page_over_all_requests, "{}", short(|_| 8192.0));
        assert!(short(|t| 4096.0 * (t - 64.0)) > 8.0 * 4096.0 / 1190.0);
    }

    #[test]
    fn work_without_a_pause_has_no_idle_time() {
        let always = Series { x: (0..300).map(f64::from).collect(), ..burst(|t| t) };
        assert!(growth(&always, 0.0).is_none());
        // Counted every third reading.
        let coarse = Series { x: (0..300).map(|i| f64::from(i / 3)).collect(), ..burst(|t| t) };
        assert!(growth(&coarse, 0.0).is_none());
        assert!(growth(&Series::default(), 0.0).is_none());
    }

    /// A worker that serves 30,000 requests in one burst, from this part of its 300 readings on and as long as that, with levels in bytes
    /// by the part of the time and by the part of the requests.
    fn in_a_burst((from, length): (f64, f64), level: impl Fn(f64, f64) -> f64) -> Finding {
        let at = |i: u32| f64::from(i) / 299.0;
        let served = |i: u32| ((at(i) - from) / length).clamp(0.0, 1.0);
        let noise = |i: u32| f64::from(i.wrapping_mul(2_654_435_761) >> 28) * 4096.0;
        let series = Series {
            t: (0..300).map(|i| 2.0 * f64::from(i)).collect(),
            x: (0..300).map(|i| 30_000.0 * served(i)).collect(),
            y: (0..300).map(|i| 2e7 + level(at(i), served(i)) + noise(i)).collect(),
            ..Series::default()
        };
        find(Resource::Memory, Axis::WorkerRequests, &[series], 64.0, 4096.0)
    }

    const BURSTS: [(f64, f64); 6] = [(0.48, 0.04), (0.46, 0.08), (0.1, 0.2), (0.0, 0.08), (0.92, 0.08), (0.1, 0.4)];

    #[test]
    fn growth_in_one_burst_of_requests_suffices() {
        for burst in BURSTS {
            let leak = in_a_burst(burst, |_, served| 8e6 * served);
            assert_eq!(leak.outcome, Outcome::Leak, "{burst:?}: {:?}", leak.evidence.conditions.leak);
            assert!(leak.growth.is_some_and(|g| (g.estimate - 267.0).abs() < 30.0), "{burst:?}: {:?}", leak.growth);
            let flat = in_a_burst(burst, |_, _| 0.0);
            assert_eq!(flat.outcome, Outcome::Clean, "{burst:?}: {:?}", flat.reason);
        }
    }

    #[test]
    fn growth_by_time_is_no_pass_where_requests_pause() {
        for burst in BURSTS {
            for grown in [3e6, 1e7] {
                let found = in_a_burst(burst, |time, _| grown * time);
                assert_ne!(found.outcome, Outcome::Clean, "{burst:?} {grown}");
            }
            let little = in_a_burst(burst, |time, _| 3e5 * time);
            assert_eq!(little.outcome, Outcome::Clean, "{burst:?}: {:?}", little.reason);
        }
        let at_the_end = in_a_burst((0.92, 0.08), |time, _| 1e7 * time);
        assert!(matches!(at_the_end.reason, Reason::GrowsWhileIdle { .. }), "{:?}", at_the_end.reason);
        assert_eq!(at_the_end.settle, Some(Settle::BudgetPerHour));
    }

    #[test]
    fn growth_in_quiet_time_is_no_pass_however_it_comes_and_though_some_requests_come() {
        // Requests come at a tenth of the pace in the middle half of the time, one each ten readings, or none.
        let quiet = |i: u32| (75..225).contains(&i);
        let paces: [&dyn Fn(u32) -> f64; 3] = [
            &|i| if quiet(i) { 10.0 } else { 100.0 },
            &|i| if quiet(i) { f64::from(u32::from(i % 10 == 0)) } else { 100.0 },
            &|i| if quiet(i) { 0.0 } else { 100.0 },
        ];
        let shapes: [fn(f64) -> f64; 2] = [|u| u, |u| (5.0 * u).floor() / 5.0];
        for (pace, shape) in paces.into_iter().flat_map(|pace| shapes.map(|shape| (pace, shape))) {
            let judged = |grown: f64| {
                let mut served = 0.0;
                let noise = |i: u32| f64::from(i.wrapping_mul(2_654_435_761) >> 28) * 4096.0;
                let x = (0..300).map(|i| {
                    served += pace(i);
                    served
                });
                let level = |i: u32| 2e7 + grown * shape((f64::from(i) - 75.0).clamp(0.0, 150.0) / 150.0) + noise(i);
                let y = (0..300).map(level).collect();
                let t = (0..300).map(|i| 2.0 * f64::from(i)).collect();
                find(
                    Resource::Memory,
                    Axis::WorkerRequests,
                    &[Series { t, x: x.collect(), y, ..Series::default() }],
                    64.0,
                    4096.0,
                )
            };
            assert_ne!(judged(8e6).outcome, Outcome::Clean, "{:?}", judged(8e6).reason);
            assert_eq!(judged(0.0).outcome, Outcome::Clean, "{:?}", judged(0.0).reason);
        }
    }

    #[test]
    fn a_sawtooth_beside_bursts_hides_no_leak() {
        // Requests come in a quarter of the time, and a collector has its own pace.
        for (period, burst) in [7, 13, 29].into_iter().flat_map(|period| [5, 20, 60].map(|burst| (period, burst))) {
            for tooth in [0.2e6, 1e6, 3e6] {
                let judged = |each: f64| {
                    let mut served = 0.0;
                    let x = (0..600u32).map(|i| {
                        served += if i / burst % 4 == 0 { 100.0 + 40.0 * chance(i as usize) } else { 0.0 };
                        served
                    });
                    let x: Vec<f64> = x.collect();
                    let saw = |i: u32| tooth * f64::from(i % period) / f64::from(period);
                    let noise = |i: u32| f64::from(i.wrapping_mul(2_654_435_761) >> 28) * 1024.0;
                    let y = (0..600u32).zip(&x).map(|(i, x)| 5e7 + each * x + saw(i) + noise(i)).collect();
                    let t = (0..600).map(|i| 10.0 * f64::from(i)).collect();
                    find(
                        Resource::Memory,
                        Axis::WorkerRequests,
                        &[Series { t, x, y, ..Series::default() }],
                        64.0,
                        4096.0,
                    )
                };
                let what = format!("{period} readings, bursts of {burst}, teeth of {tooth}");
                assert_eq!(judged(640.0).outcome, Outcome::Leak, "{what}: {:?}", judged(640.0).reason);
                assert_ne!(judged(0.0).outcome, Outcome::Leak, "{what}: {:?}", judged(0.0).reason);
            }
        }
    }

    #[test]
    fn one_of_many_that_leaks_in_a_burst_of_its_own_is_found() {
        let worker = |pid: u32, each: f64| {
            let burst = 60 + 40 * pid;
            let served = |i: u32| 1000.0 * f64::from(i.clamp(burst, burst + 8) - burst);
            let noise = |i: u32| f64::from(i.wrapping_mul(2_654_435_761).wrapping_add(pid * 977) >> 28) * 4096.0;
            Series {
                worker: Some(WorkerId::new(pid, 1)),
                t: (0..400).map(|i| 15.0 * f64::from(i)).collect(),
                x: (0..400).map(served).collect(),
                y: (0..400).map(|i| 2e7 + each * served(i) + noise(i)).collect(),
                ..Series::default()
            }
        };
        let pool = |each: f64| {
            let series: Vec<Series> = (1..=8).map(|pid| worker(pid, if pid == 1 { each } else { 0.0 })).collect();
            find(Resource::Memory, Axis::WorkerRequests, &series, 64.0, 4096.0)
        };
        assert_eq!(pool(512.0).outcome, Outcome::Leak, "{:?}", pool(512.0).reason);
        assert_eq!(pool(0.0).outcome, Outcome::Clean, "{:?}", pool(0.0).reason);
    }
}
