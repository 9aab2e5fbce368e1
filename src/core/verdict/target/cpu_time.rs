//! CPU time of the whole target over the judged time: who took it, what it was per request, and whether that grows.

use super::account::{Account, Other, named, window};
use crate::answer::{CpuShare, CpuTime, Named};
use crate::model::{RunRecord, WorkerId};
use crate::readings::pool_count::PoolCount;
use crate::stats::{Panel, Unit, interpolate};
use crate::thresholds::assess::ALPHA;
use crate::thresholds::scale::{PARTS, QUARTER, TENTH};
use std::collections::BTreeMap;

/// The CPU time of a run; `None` if no worker's was read twice, or nobody took any.
pub fn cpu_time(record: &RunRecord) -> Option<CpuTime> {
    let spent = Spent::new(record)?;
    let (from, to) = (*spent.t.first()?, *spent.t.last()?);
    // What a worker was called when it was seen first may have been a shell, which became another program since.
    let worker = |(id, seconds): (&WorkerId, &f64)| CpuShare {
        who: Named { pid: id.pid, command: String::new() },
        is_worker: true,
        seconds: *seconds,
    };
    let mut shares: Vec<CpuShare> = spent.by_worker.iter().map(worker).collect();
    if let Some(account) = Account::new(record) {
        // Looks at the whole target are rarer than readings, and begin and end elsewhere.
        let looked = account.judged.last()?.t - account.judged.first()?.t;
        let other = |other: Other| CpuShare {
            who: named(other.last),
            is_worker: false,
            seconds: other.cpu.max(0.0) * (to - from) / looked,
        };
        shares.extend(account.others().into_iter().map(other).filter(|share| share.seconds > 0.0));
    }
    shares.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then(a.who.pid.cmp(&b.who.pid)));
    let count = PoolCount::new(record);
    let requests = count.as_ref().map(|count| count.at(to) - count.at(from)).filter(|requests| *requests >= 1.0);
    let grows = count.and_then(|count| spent.grows(&count, record.meta.host.ticks.max(1) as f64));
    let time = CpuTime { watched: to - from, requests, shares, grows };
    (time.watched > 0.0 && time.total() > 0.0).then_some(time)
}

/// CPU time of the workers over the judged time.
struct Spent {
    t: Vec<f64>,
    /// What all had taken until then, from its begin.
    seconds: Vec<f64>,
    by_worker: BTreeMap<WorkerId, f64>,
}

impl Spent {
    fn new(record: &RunRecord) -> Option<Self> {
        let (from, to) = window(record);
        let mut spent = Spent { t: Vec::new(), seconds: Vec::new(), by_worker: BTreeMap::new() };
        let (mut before, mut sum) = (BTreeMap::new(), 0.0);
        for sample in record.samples.iter().filter(|sample| sample.t >= from && sample.t < to) {
            let Some(cpu) = sample.cpu().filter(|cpu| cpu.is_finite()) else { continue };
            let added = (cpu - before.insert(sample.worker, cpu).unwrap_or(cpu)).max(0.0);
            *spent.by_worker.entry(sample.worker).or_default() += added;
            sum += added;
            spent.t.push(sample.t);
            spent.seconds.push(sum);
        }
        (spent.t.len() > spent.by_worker.len()).then_some(spent)
    }

    /// CPU time per request in the first and in the last quarter, if it grows beyond doubt and by a notable part; `None` as well where
    /// requests came too rarely to tell.
    fn grows(&self, count: &PoolCount, ticks: f64) -> Option<(f64, f64)> {
        let parts = PARTS.get();
        let (from, to) = (*self.t.first()?, *self.t.last()?);
        let edges: Vec<f64> = (0..=parts).map(|k| from + (to - from) * k as f64 / parts as f64).collect();
        let of = |edge: &[f64]| {
            let requests = count.at(edge[1]) - count.at(edge[0]);
            let spent = |t| interpolate(&self.t, &self.seconds, t);
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
        let slope = Panel::with_own_errors(&[unit], 1.0 / ticks / fewest)?.fit(&[0])?.coefficient(0);
        let quarter = (QUARTER.get() * parts as f64) as usize;
        let mean = |of: &[(f64, f64)]| of.iter().map(|p| p.0).sum::<f64>() / of.iter().map(|p| p.1).sum::<f64>();
        let (first, last) = (mean(&each[..quarter]), mean(&each[parts - quarter..]));
        (slope.lower(ALPHA.get()) > 0.0 && last - first > TENTH.get() * first).then_some((first, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::account::{MIB, other, with};
    use crate::model::Kin;

    #[test]
    fn who_took_the_time_is_told_the_most_first() {
        let database = |t: f64| other(6, Kin::Beside, 20.0 * MIB, 0.5 * t);
        let time = cpu_time(&with(&[&database])).expect("CPU time was read");
        assert_eq!((time.shares[0].who.pid, time.shares[0].is_worker), (6, false));
        assert!((time.shares[0].seconds / time.watched - 0.5).abs() < 0.02, "{time:?}");
        let workers: f64 = time.shares.iter().filter(|share| share.is_worker).map(|share| share.seconds).sum();
        assert!((workers / time.watched - 0.1).abs() < 0.01, "{time:?}");
        assert_eq!(time.grows, None);
        let each = time.per_request(time.total()).expect("requests were counted");
        assert!((each * time.requests.unwrap() / time.watched - 0.6).abs() < 0.02, "{each}");
    }

    #[test]
    fn time_that_grows_per_request_is_told_with_both_ends() {
        let mut slower = with(&[]);
        for sample in &mut slower.samples {
            sample.cpu_user = Some(sample.t * 0.05 + 0.002 * sample.t * sample.t);
        }
        let (first, last) = cpu_time(&slower).expect("CPU time was read").grows.expect("it grows");
        assert!(last > 1.5 * first, "{first} {last}");
    }

    #[test]
    fn who_was_never_read_took_no_time_that_is_known() {
        let mut unread = with(&[]);
        unread.samples.iter_mut().for_each(|sample| sample.cpu_user = None);
        assert_eq!(cpu_time(&unread), None);
    }
}
