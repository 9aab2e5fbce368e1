//! Kinds of behaviour that anonymous memory alone doesn't show: whose pages they are, and where they went.

use crate::answer::{Because, Fact, Finding, Interval, LeakClass, Outcome, Reason};
use crate::model::{Axis, Resource, RunRecord, Sample, WorkerId};
use crate::readings::series::part_series;
use crate::stats::median;
use crate::thresholds::pages::LEAST;
use crate::thresholds::scale::QUARTER;
use std::collections::BTreeMap;

/// Looks at the pages behind the finding on memory, and names what they tell.
pub fn explain(record: &RunRecord, findings: &mut [Finding]) {
    let heap = findings.iter().find(|f| f.resource == Resource::Heap).and_then(|f| f.growth.map(|g| (f.axis, g)));
    let shared = findings.iter().any(|f| f.resource == Resource::Shared && f.outcome != Outcome::Clean);
    let Some(memory) = findings.iter_mut().find(|f| f.resource == Resource::Memory) else { return };
    match memory.outcome {
        Outcome::Clean => {
            if !shared {
                shared_pages(record, memory);
            }
            copy_on_write(record, memory);
        }
        Outcome::Leak => {
            swap_hid_it(record, memory);
            retention(memory, heap);
        }
        Outcome::Inconclusive => {}
    }
}

/// What the usual worker grew by over the judged part in one kind of memory.
fn grown(record: &RunRecord, level: impl Fn(&Sample) -> Option<u64>) -> Option<f64> {
    let (_, series) = part_series(record, &level);
    let rises = series.iter().filter_map(|s| Some(s.y.last()? - s.y.get(s.judged_from())?));
    median(&rises.collect::<Vec<_>>())
}

fn resident(sample: &Sample) -> Option<u64> {
    Some(sample.anon?.saturating_add(sample.file?).saturating_add(sample.shmem?))
}

/// Growth that no live allocation explains.
fn retention(memory: &mut Finding, heap: Option<(Axis, Interval)>) {
    let (Some(growth), Some((axis, heap))) = (memory.growth, heap) else { return };
    if axis == memory.axis && heap.upper < QUARTER.get() * growth.lower {
        memory.class = LeakClass::Retention;
        memory.evidence.because = Some(Because::Retained { live: heap.upper.max(0.0), memory: growth.lower });
    }
}

/// A leak that a watcher of resident memory would have missed.
fn swap_hid_it(record: &RunRecord, memory: &mut Finding) {
    let of = |level: fn(&Sample) -> Option<u64>| grown(record, level);
    let (Some(whole), Some(resident), Some(swapped)) = (of(Sample::anon_and_swap), of(resident), of(|s| s.swap)) else {
        return;
    };
    if whole > LEAST.get() && resident < QUARTER.get() * whole && swapped > 0.5 * whole {
        memory.class = LeakClass::SwapHidIt;
        memory.evidence.because = Some(Because::Swapped { resident, allocated: whole, swapped });
    }
}

/// Resident memory that grew by pages which are not the worker's own.
fn shared_pages(record: &RunRecord, memory: &mut Finding) {
    let of = |level: fn(&Sample) -> Option<u64>| grown(record, level);
    let (Some(own), Some(file), Some(shared)) = (of(Sample::anon_and_swap), of(|s| s.file), of(|s| s.shmem)) else {
        return;
    };
    let quiet = matches!(memory.class, LeakClass::Flat | LeakClass::WithinBudget);
    if quiet && file + shared > LEAST.get() && own < 0.5 * (file + shared) {
        memory.class = LeakClass::SharedPages;
        memory.evidence.because = Some(Because::NotItsOwn { own, files: file, shared });
    }
}

/// Copy-on-write un-sharing: private memory grew, and most of it wasn't anonymous memory growing, which is clean.
fn copy_on_write(record: &RunRecord, memory: &mut Finding) {
    // Both at the same readings: what a cache took on in the warm-up must not look like un-sharing.
    // Nor shared memory that nobody else has mapped, nor files that it came to read alone.
    let both = |s: &Sample| {
        let own = s.anon_and_swap()?.saturating_add(s.shmem.unwrap_or(0)).saturating_add(s.file.unwrap_or(0));
        Some((s.slow.as_ref()?.uss? as f64, own as f64))
    };
    let mut ends: BTreeMap<WorkerId, [(f64, f64); 2]> = BTreeMap::new();
    for sample in &record.samples {
        if let Some(now) = both(sample) {
            ends.entry(sample.worker).or_insert([now, now])[1] = now;
        }
    }
    let workers = ends.len().max(1) as f64;
    let private: f64 = ends.values().map(|[first, last]| last.0 - first.0).sum::<f64>() / workers;
    let anonymous: f64 = ends.values().map(|[first, last]| last.1 - first.1).sum::<f64>() / workers;
    let unshared = private - anonymous.max(0.0);
    if unshared > LEAST.get() && unshared > 0.5 * private {
        memory.class = LeakClass::CopyOnWrite;
        memory.reason = Reason::Unshared { bytes: unshared, clean: Box::new(memory.reason.clone()) };
        memory.evidence.facts.push(Fact::Unshared(unshared));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{clean, leaking};
    use crate::model::SlowReading;
    use crate::verdict::judge;

    fn class(run: &RunRecord) -> LeakClass {
        judge(run).findings[0].class
    }

    #[test]
    fn swap_hides_a_leak_from_resident_memory_only() {
        let mut run = leaking();
        for s in &mut run.samples {
            (s.file, s.shmem) = (Some(1 << 20), Some(0));
        }
        assert_eq!(class(&run), LeakClass::Leak);
        for s in &mut run.samples {
            let whole = s.anon.unwrap();
            s.anon = Some(50 << 20);
            s.swap = Some(whole - (50 << 20));
        }
        let verdict = judge(&run);
        assert_eq!((verdict.outcome, verdict.findings[0].class), (Outcome::Leak, LeakClass::SwapHidIt));
        let Some(Because::Swapped { resident, allocated, swapped }) = verdict.findings[0].evidence.because else {
            panic!("{:?}", verdict.findings[0].evidence.because)
        };
        assert!(resident <= 0.0 && allocated > 3.8e6 && swapped == allocated, "{resident}, {allocated}, {swapped}");
    }

    #[test]
    fn pages_of_others_are_no_leak_and_have_a_name() {
        let mut run = clean();
        for s in &mut run.samples {
            (s.file, s.shmem) = (Some((s.t * 65536.0) as u64), Some(1 << 20));
        }
        let verdict = judge(&run);
        assert_eq!((verdict.outcome, verdict.findings[0].class), (Outcome::Clean, LeakClass::SharedPages));
        // Nor are pages of its program inherited ones, that nobody else has read.
        let uss = |s: &Sample| s.anon.zip(s.file).map(|(anon, file)| anon + file);
        run.samples
            .iter_mut()
            .for_each(|s| s.slow = Some(Box::new(SlowReading { uss: uss(s), ..SlowReading::default() })));
        assert_eq!(class(&run), LeakClass::SharedPages);
        // Shared memory may be its own all the same: a memfd, a segment that grows.
        run.samples.iter_mut().for_each(|s| {
            (s.file, s.shmem) = (s.shmem, s.file);
            // Private pages of a memfd are no inherited ones.
            s.slow =
                Some(Box::new(SlowReading { uss: s.anon.zip(s.shmem).map(|(a, b)| a + b), ..SlowReading::default() }));
        });
        run.meta.budgets.shared = Some(64.0);
        let verdict = judge(&run);
        assert_eq!((verdict.outcome, verdict.findings[0].class), (Outcome::Leak, LeakClass::Flat));
        run.meta.budgets.shared = None;
        run.samples.iter_mut().for_each(|s| s.slow = None);
        run.samples.iter_mut().for_each(|s| s.shmem = None);
        assert_eq!(class(&run), LeakClass::Flat, "what could not be read says nothing");
    }
}
