//! Whether each new worker is born bigger: an opcode cache, or a parent that leaks and is forked.
//!
//! A worker's life shows nothing of it, for each of them may be flat. What sizes at birth rise by from one to the next is held against the
//! budget of memory for the requests that the pool serves meanwhile (or the hours).

use super::unseen::rise;
use crate::answer::{Because, Doubt, Finding, Grown, Interval, LeakClass, Outcome, Reason};
use crate::model::{Axis, Resource, RunRecord, Series, WorkerId};
use crate::readings::kinds::raw_pool_series;
use crate::rule::finding::least_jump;
use crate::stats::{Estimate, Panel, Unit, median, theil_sen};
use crate::thresholds::assess::ALPHA;
use crate::thresholds::scale::{FEW, QUARTER, SEVERAL, TENTH};

/// Sizes at birth, in the order of births.
struct Births {
    /// When each was born: after how many requests of the whole pool, or hours.
    x: Vec<f64>,
    /// The middle of each life's levels: at first a new process hasn't taken yet what it is born with.
    born: Vec<f64>,
    quantum: f64,
}

impl Births {
    /// Those of a pool's series of memory; `None` of too few.
    fn of(record: &RunRecord, series: &[Series]) -> Option<Self> {
        if series.len() < FEW.get() * FEW.get() {
            return None;
        }
        // Of whom a table has but the later part, the size at birth isn't known.
        let there_before = |worker: &WorkerId| {
            record.meta.understood.as_ref().is_some_and(|table| table.there_before.contains(worker))
        };
        let lived = lived(series).into_iter().filter(|one| !one.worker.as_ref().is_some_and(there_before));
        let (axis, of_pool) = raw_pool_series(record, sizes(lived).into_iter());
        let enough = axis != Axis::Seconds && of_pool.y.len() >= FEW.get() * FEW.get();
        enough.then(|| Births { x: of_pool.x, born: of_pool.y, quantum: record.page() })
    }

    /// Those of too few to tell chance from growth: sizes of workers that were born together; `None` if not each is bigger than the last, by
    /// more than workers move in their lives.
    ///
    /// Who was there before has grown since it was born: where its size doesn't go with the others, they have to be more without it.
    fn of_few(record: &RunRecord, series: &[Series]) -> Option<Self> {
        if series.len() < FEW.get() {
            return None;
        }
        let lived = lived(series);
        let ends = |one: &Series| Some((*one.t.first()?, *one.t.last()?));
        let life = median(&lived.iter().filter_map(|one| ends(one)).map(|(from, to)| to - from).collect::<Vec<_>>())?;
        let moves: Vec<f64> = lived.iter().filter_map(|one| spread(one)).collect();
        let mut together: Vec<(f64, Vec<f64>)> = Vec::new();
        for (begin, size) in sizes(lived.into_iter()) {
            match together.last_mut().filter(|(first, _)| begin - *first < TENTH.get() * life) {
                Some((_, sizes)) => sizes.push(size),
                None => together.push((begin, vec![size])),
            }
        }
        let mut born: Vec<(f64, f64)> =
            together.iter().filter_map(|(begin, sizes)| Some((*begin, median(sizes)?))).collect();
        let rises = |born: &[(f64, f64)]| born.windows(2).all(|pair| pair[1].1 > pair[0].1);
        if born.len() > SEVERAL.get() && !rises(&born) {
            born.remove(0);
        }
        let enough = born.len() >= FEW.get() && rises(&born);
        let (axis, of_pool) = raw_pool_series(record, born.into_iter());
        let births = Births { x: of_pool.x, born: of_pool.y, quantum: record.page() };
        (enough && axis != Axis::Seconds && births.rise() > median(&moves)?).then_some(births)
    }

    /// Growth per step of the axis over the births from this one on; `None` if nothing can be fitted.
    fn growth_from(&self, from: usize) -> Option<Estimate> {
        let unit = Unit { y: self.born[from..].to_vec(), columns: vec![self.x[from..].to_vec()] };
        Some(Panel::new(&[unit], self.quantum)?.fit(&[0])?.coefficient(0))
    }

    /// Growth per step of the axis, if it is proven to be over the budget, and to go on in the second half.
    fn leak(&self, budget: f64) -> Option<Interval> {
        let half = self.born.len() / 2;
        let (all, late) = (self.growth_from(0)?, self.growth_from(half)?);
        let alpha = ALPHA.get();
        let growth = Interval {
            estimate: all.value,
            lower: all.lower(alpha),
            upper: all.upper(alpha),
            confidence: 1.0 - 2.0 * alpha,
        };
        // A single step is a slope, too, but not between most of the births.
        let most = theil_sen(&self.x[half..], &self.born[half..])? > budget;
        let rises = most && late.lower(alpha) > 0.0 && self.rise() >= least_jump(Resource::Memory, self.quantum);
        (growth.lower > budget && rises).then_some(growth)
    }

    fn third(&self) -> usize {
        self.born.len() / FEW.get()
    }

    /// What the last third is above the first.
    fn rise(&self) -> f64 {
        rise(&self.born[..self.third()], &self.born[self.born.len() - self.third()..])
    }

    /// The same for a step of the axis.
    fn rate(&self) -> f64 {
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        self.rise() / (mean(&self.x[self.x.len() - self.third()..]) - mean(&self.x[..self.third()]))
    }

    /// Bytes from one birth to the next at this growth.
    fn each(&self, rate: f64) -> f64 {
        let span = self.x.last().zip(self.x.first()).map_or(0.0, |(last, first)| last - first);
        rate * span / (self.x.len() - 1) as f64
    }

    fn ends(&self) -> (f64, f64) {
        self.born.first().copied().zip(self.born.last().copied()).unwrap_or_default()
    }
}

/// Those of a pool that served a good part of a usual life. Whoever served next to nothing has not taken yet what workers are born
/// with, or is none of them, such as what a script calls before it becomes the server.
fn lived(series: &[Series]) -> Vec<&Series> {
    let span = |one: &Series| one.x.last().zip(one.x.first()).map_or(0.0, |(last, first)| last - first);
    let life = median(&series.iter().map(span).filter(|life| *life > 0.0).collect::<Vec<_>>());
    series.iter().filter(|one| life.is_some_and(|life| span(one) > QUARTER.get() * life)).collect()
}

/// When each of these was born, and the middle of its levels, in the order of births.
fn sizes<'a>(lives: impl Iterator<Item = &'a Series>) -> Vec<(f64, f64)> {
    let mut sizes: Vec<(f64, f64)> = lives.filter_map(|one| Some((*one.t.first()?, median(&one.y)?))).collect();
    sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
    sizes
}

/// How far apart the quarters of a life's levels lie, below and above.
fn spread(one: &Series) -> Option<f64> {
    let mut levels = one.y.clone();
    levels.sort_by(f64::total_cmp);
    let below = (QUARTER.get() * levels.len() as f64) as usize;
    Some(levels.get(levels.len().checked_sub(below + 1)?)? - levels.get(below)?)
}

/// Makes the finding on memory a leak where workers are each born bigger, beyond doubt, and by more than they grow themselves: what they
/// take in their lives ends with them.
pub fn judge(record: &RunRecord, finding: &mut Finding, series: &[Series]) {
    if finding.resource != Resource::Memory || finding.axis == Axis::Seconds {
        return;
    }
    let Some(births) = Births::of(record, series) else { return };
    let Some(growth) = births.leak(finding.budget) else { return };
    let grow_more = |own: &Interval| own.estimate >= growth.lower;
    if finding.outcome == Outcome::Leak && finding.growth.as_ref().is_some_and(grow_more) {
        return;
    }
    let (from, to) = births.ends();
    finding.outcome = Outcome::Leak;
    finding.class = LeakClass::BornBigger;
    finding.growth = Some(growth);
    finding.reason = Reason::BornBigger { births: births.born.len(), each: births.each(growth.estimate) };
    finding.evidence.because = Some(Because::Born { births: births.born.len(), from, to });
    finding.settle = None;
}

/// What speaks against a pass though no leak is proven: the last births are bigger than the first, by more than is allowed.
pub fn doubt(record: &RunRecord, finding: &Finding, series: &[Series]) -> Option<Doubt> {
    if finding.resource != Resource::Memory || finding.outcome == Outcome::Leak || finding.axis == Axis::Seconds {
        return None;
    }
    let births = Births::of(record, series).or_else(|| Births::of_few(record, series))?;
    let (from, to) = births.ends();
    let grown = Grown { from, to, rate: births.rate(), allowed: finding.budget, axis: finding.axis };
    let more = births.rise() >= least_jump(Resource::Memory, births.quantum) && grown.rate > finding.budget;
    let each = births.each(grown.rate);
    more.then_some(Doubt::Born { births: births.born.len(), grown, each })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::ExitCode;
    use crate::fixture::run::{record, told, worker};
    use crate::model::Sample;
    use crate::table::{Mapping, read, usual_budgets};
    use crate::verdict::judge;

    /// Two slots of workers, of which so many live one after the other.
    fn lives_of(count: u64, size: impl Fn(u64) -> u64) -> RunRecord {
        let mut run = record(|_| 50 << 20, |_| 12);
        let end = run.samples.iter().map(|sample| sample.t).fold(0.0, f64::max) + 1.0;
        for sample in &mut run.samples {
            let life = (sample.t * count as f64 / end) as u64;
            sample.worker = worker(100 * sample.worker.pid + life as u32);
            sample.anon = Some((10 << 20) + size(life));
        }
        run
    }

    /// Two slots of workers, each of which lives for ten seconds, at a size that depends on how many lived before.
    fn lives(size: impl Fn(u64) -> u64) -> RunRecord {
        let mut run = record(|_| 50 << 20, |_| 12);
        for sample in &mut run.samples {
            let life = (sample.t / 10.0) as u32;
            sample.worker = worker(100 * sample.worker.pid + life);
            sample.requests = sample.requests.map(|served| served % 100);
            sample.anon = Some((10 << 20) + size(u64::from(life)));
        }
        run
    }

    #[test]
    fn workers_that_are_born_bigger_and_bigger_are_a_leak() {
        let verdict = judge(&lives(|life| life << 20));
        assert_eq!(verdict.outcome, Outcome::Leak);
        let memory = &verdict.findings[0];
        assert_eq!(memory.class, LeakClass::BornBigger);
        // Two are born, each a MiB bigger, while the pool serves two hundred requests.
        let growth = memory.growth.unwrap();
        assert!((growth.estimate / (1_048_576.0 / 200.0) - 1.0).abs() < 0.05, "{growth:?}");
        assert!(growth.lower <= growth.estimate && growth.estimate <= growth.upper);
        let told = told(&lives(|life| life << 20));
        assert!(told.starts_with("t LEAKS: each new worker is born 488 KiB bigger, over 22 births"), "{told}");
    }

    /// Each of them is born a MiB bigger than the one before, and takes this much with each request of its own.
    fn born_bigger_and_growing(own: u64) -> LeakClass {
        let mut run = lives(|life| life << 20);
        for sample in &mut run.samples {
            sample.anon = sample.anon.map(|anon| anon + own * sample.requests.unwrap());
        }
        let verdict = judge(&run);
        assert_eq!(verdict.outcome, Outcome::Leak);
        verdict.findings[0].class
    }

    #[test]
    fn what_grows_more_is_told_where_workers_grow_and_are_born_bigger() {
        assert_eq!(born_bigger_and_growing(300), LeakClass::BornBigger);
        assert_ne!(born_bigger_and_growing(30_000), LeakClass::BornBigger);
    }

    #[test]
    fn workers_that_are_born_alike_or_grow_within_the_budget_are_none() {
        let judged = |run: &RunRecord| {
            let (axis, series) = crate::readings::series(run, Resource::Memory);
            let verdict = judge(run);
            assert_eq!(axis, verdict.findings[0].axis);
            (verdict.outcome == Outcome::Leak, doubt(run, &verdict.findings[0], &series).is_some())
        };
        assert_eq!(judged(&lives(|_| 0)), (false, false));
        assert_eq!(judged(&lives(|life| 512 * life)), (false, false), "512 B in 100 requests");
        // Few of them.
        let few = |lives: u64, size: fn(u64) -> u64| {
            let mut run = lives_of(lives, size);
            run.meta.budgets.processes = None;
            judged(&run)
        };
        for count in [3, 4] {
            assert_eq!(few(count, |life| life << 20), (false, true), "{count}");
            assert_eq!(few(count, |life| (life % 2) << 20), (false, false), "{count}");
            assert_eq!(few(count, |_| 0), (false, false), "{count}");
        }
        // A parent that warms up, and has.
        assert_eq!(judged(&lives(|life| life.min(3) << 20)), (false, false));
        // One that grew once, and may again.
        assert_eq!(judged(&lives(|life| (life / 7) << 23)), (false, true));
    }

    /// A table of so many slots, of which one is replaced every quarter of an hour, and goes on for some minutes beside the new one. Sizes by
    /// how many were born before.
    fn one_by_one(slots: u32, births: u32, beside: u32, size: impl Fn(u32) -> u32) -> RunRecord {
        const EVERY: u32 = 15;
        let mut text = "time_s,pid,rss_kib\n".to_owned();
        for birth in 0..slots + births {
            let nth = (birth + 1).saturating_sub(slots);
            for i in nth * EVERY..((birth + 1) * EVERY + beside).min((births + 1) * EVERY) {
                text.push_str(&format!("{},{},{}\n", 60 * i, 100 + birth, 60_000 + size(nth) + i * 7919 % 97));
            }
        }
        let mut record = read(text.as_bytes(), "x.csv", &Mapping::default()).unwrap().record;
        record.meta.budgets = usual_budgets(&record);
        record
    }

    #[test]
    fn workers_that_are_replaced_one_by_one_and_born_bigger_are_no_pass() {
        for slots in [1, 2, 3, 4, 8] {
            for (births, beside) in
                [2, 3, 4, 6, 8, 12, 24].into_iter().flat_map(|b| [0, 1, 3].map(|beside| (b, beside)))
            {
                let exit = |size: &dyn Fn(u32) -> u32| judge(&one_by_one(slots, births, beside, size)).exit;
                let what = format!("{births} births in {slots} slots, {beside} minutes together");
                assert_ne!(exit(&|nth| 3000 * nth), ExitCode::Clean, "{what}");
                // Who was there at first has grown since.
                let grown = exit(&|nth| if nth == 0 { 90_000 } else { 3000 * nth });
                assert!(births < 4 || grown != ExitCode::Clean, "{what}, beside old ones");
                assert_eq!(exit(&|nth| nth * 7919 % 29), ExitCode::Clean, "{what}, as big as ever");
            }
        }
    }

    #[test]
    fn what_a_script_calls_before_it_becomes_the_server_is_no_birth() {
        let mut run = lives_of(1, |_| 0);
        let first = run.samples[0].clone();
        for sample in &mut run.samples {
            sample.t += 2.0;
        }
        for (pid, anon) in [(7, 28 << 10), (8, 308 << 10)] {
            let t = first.t + f64::from(pid) - 7.0;
            run.samples.push(Sample { worker: worker(pid), t, anon: Some(anon), ..first.clone() });
        }
        let (_, series) = crate::readings::series(&run, Resource::Memory);
        assert!(series.iter().any(|one| one.y.len() == 1), "they are in the record");
        assert!(doubt(&run, &judge(&run).findings[0], &series).is_none());
    }
}
