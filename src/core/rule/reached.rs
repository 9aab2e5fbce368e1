//! Whether growth that is open has stopped: a limit that was reached is worth telling, though it proves nothing of what is to come.

use crate::answer::{Finding, Outcome, Reached};
use crate::model::{Resource, RunRecord, Series, WorkerId};

/// All of a rise or nearly all, which has come in the first part of the time; and the most that this part may be.
const NEARLY_ALL: [f64; 3] = [1.0, 0.99, 0.95];
const FIRST_PART: f64 = 0.5;

/// That the growth of an open finding has stopped, whose judged `series` these are; of rises above `least` alone.
pub fn reached(record: &RunRecord, finding: &Finding, series: &[Series], least: f64) -> Option<Reached> {
    if finding.outcome != Outcome::Inconclusive {
        return None;
    }
    let rise = |one: &&Series| Some(one.y.last()? - one.y.get(one.judged_from())?);
    let rose = series.iter().filter_map(|one| Some((one, rise(&one)?))).filter(|(_, rise)| *rise >= least);
    let (one, rise) = rose.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let stopped = NEARLY_ALL.into_iter().find_map(|nearly_all| stopped(one, rise, nearly_all))?;
    let begin = *one.t.get(one.judged_from())?;
    let times = (begin, begin + stopped.seconds, begin + stopped.seconds + stopped.rest);
    Some(Reached { beside: one.worker.and_then(|worker| beside(record, worker, times)), ..stopped })
}

/// That so much of the `rise` of a series came early, and it has stayed near there since.
fn stopped(one: &Series, rise: f64, nearly_all: f64) -> Option<Reached> {
    let from = one.judged_from();
    let (t, y) = (&one.t[from..], &one.y[from..]);
    let nearly = y[0] + nearly_all * rise;
    // From here on it never was lower again, nor higher by more than is missing.
    let at = y.iter().rposition(|level| *level < nearly)? + 1;
    let stays = y[at..].iter().all(|level| *level <= y[0] + (2.0 - nearly_all) * rise);
    let (begin, stop, end) = (t[0], *t.get(at)?, *t.last()?);
    let is_early = stop - begin <= FIRST_PART * (end - begin);
    (stays && is_early && end > stop).then(|| Reached {
        worker: one.worker,
        grown: y[at] - y[0],
        seconds: stop - begin,
        since: y[0] + rise - y[at],
        rest: end - stop,
        beside: None,
    })
}

/// What became more of a worker until it `stop`ped, at least twice as many, and was always as many since.
fn beside(record: &RunRecord, worker: WorkerId, (begin, stop, end): (f64, f64, f64)) -> Option<(Resource, u64, u64)> {
    [Resource::Threads, Resource::Descriptors].into_iter().find_map(|resource| {
        let within = record.samples.iter().filter(|s| s.worker == worker && s.t >= begin && s.t <= end);
        let counts: Vec<(f64, u64)> = within.filter_map(|s| Some((s.t, s.level(resource)?))).collect();
        let (first, last) = (counts.first()?.1, counts.last()?.1);
        let stays = counts.iter().filter(|(t, _)| *t >= stop).all(|(_, count)| *count == last);
        (stays && last >= first.saturating_mul(2)).then_some((resource, first, last))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::record;
    use crate::verdict::judge;

    const MIB: u64 = 1 << 20;

    /// What is told of memory that rises for so many requests and then by so many bytes each, with a thread for each request until then.
    fn told(rises: u64, then: u64) -> String {
        let level = move |served: u64| 50 * MIB + served.min(rises) * (MIB / 4) + served.saturating_sub(rises) * then;
        let mut run = record(level, |_| 12);
        run.samples.iter_mut().for_each(|s| s.threads = Some(10 + s.requests.unwrap_or(0).min(rises)));
        let verdict = judge(&run);
        let mut finding = verdict.findings[0].clone();
        // Whether a plateau is open or clean is for the rule; here it is open.
        finding.outcome = Outcome::Inconclusive;
        let series = crate::readings::series::series(&run, Resource::Memory).1;
        finding.reached = reached(&run, &finding, &series, 1.0);
        crate::words::reason(&finding)
    }

    #[test]
    fn a_limit_that_was_reached_is_told() {
        let flat = told(400, 0);
        let expected = "PID 2, which rose most, grew by 75 MiB in the first 30 s, and has stayed there for 69 s since (threads went from 110 to \
                        410 meanwhile, and no further); ";
        assert!(flat.starts_with(expected), "{flat}");
        let slow = told(400, 4096);
        assert!(slow.contains("grew by 75 MiB in the first 30 s, and by 2.7 MiB in the 69 s since"), "{slow}");
    }

    #[test]
    fn growth_that_goes_on_is_not_called_over() {
        for (rises, then) in [(2000, 0), (400, MIB / 8), (900, 0), (0, 0)] {
            assert!(!told(rises, then).contains("which rose most"), "{}", told(rises, then));
        }
    }
}
