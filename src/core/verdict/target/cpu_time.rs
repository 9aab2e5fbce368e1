//! CPU time of the whole target over the judged time: who took it, what it was per request, and whether that grows.

use super::account::{Account, Other, named, window};
use crate::answer::{CpuShare, CpuTime, Named};
use crate::model::{RunRecord, WorkerId};
use crate::readings::per_request::grows;
use crate::readings::pool_count::PoolCount;
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
    let tick = 1.0 / record.meta.host.ticks.max(1) as f64;
    let grows = count.and_then(|count| grows(&spent.t, &spent.seconds, &count, tick));
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
