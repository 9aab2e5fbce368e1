//! What Java machines say of their own heap. Whether a process' memory grows doesn't tell: it is taken for the heap once, and then
//! objects come and go in it, or pile up in it.

use super::unjudged::{command_of, leaking, worst};
use crate::answer::{Doubt, Finding, Kind, Note, Outcome};
use crate::model::{Axis, JavaHeap, Resource, RunRecord, Sample, Series, WorkerId};
use crate::places::growing;
use crate::readings::series::part_series;
use crate::rule::finding::find;
use crate::thresholds::scale::FEW;
use std::collections::{HashMap, HashSet};

/// The old generation of each worker.
struct Old {
    axis: Axis,
    /// After its collections: what lies in it between them may be garbage.
    collected: Vec<Series>,
    /// At each reading, of those of which too few collections were seen.
    uncollected: Vec<Series>,
}

impl Old {
    fn of(record: &RunRecord) -> Self {
        let mut before: HashMap<WorkerId, u64> = HashMap::new();
        let mut collections: HashSet<(WorkerId, u64)> = HashSet::new();
        for sample in &record.samples {
            let Some(java) = java(sample) else { continue };
            if before.insert(sample.worker, java.collections).is_some_and(|count| count < java.collections) {
                collections.insert((sample.worker, sample.t.to_bits()));
            }
        }
        let is_after = |sample: &Sample| collections.contains(&(sample.worker, sample.t.to_bits()));
        let level = |sample: &Sample| java(sample)?.old;
        let (axis, mut collected) = part_series(record, &|sample| level(sample).filter(|_| is_after(sample)));
        collected.retain(|one| one.y.len() >= FEW.get());
        let (_, mut uncollected) = part_series(record, &level);
        uncollected.retain(|one| collected.iter().all(|other| other.worker != one.worker));
        Old { axis, collected, uncollected }
    }
}

fn java(sample: &Sample) -> Option<&JavaHeap> {
    sample.slow.as_ref()?.java.as_ref()
}

/// The reason against a pass that lies in a Java heap: its old generation grew, or metaspace; or the old generation rose, and nothing
/// shows that it is garbage.
pub fn doubt(record: &RunRecord) -> Option<Doubt> {
    record.samples.iter().find_map(java)?;
    let old = Old::of(record);
    let (axis, metaspace) = part_series(record, &|sample| java(sample)?.metaspace);
    let of = |kind: Kind, axis: Axis, series: &[Series]| -> Vec<_> {
        let grew = |one: &Series| Some((one.worker?, kind, leaking(record, Resource::Memory, axis, one)?));
        series.iter().filter_map(grew).collect()
    };
    let grew = [of(Kind::OldGeneration, old.axis, &old.collected), of(Kind::Metaspace, axis, &metaspace)];
    worst(record, grew.into_iter().flatten()).or_else(|| {
        let rose = of(Kind::OldGeneration, old.axis, &old.uncollected);
        let (worker, _, grown) = rose.into_iter().max_by(|a, b| a.2.rate.total_cmp(&b.2.rate))?;
        Some(Doubt::Uncollected { who: command_of(record, worker), grown })
    })
}

/// That the old generation doesn't grow, where this `finding` shows growth of memory.
pub fn note(record: &RunRecord, finding: &Finding) -> Option<Note> {
    let growing = growing(finding);
    let old = Old::of(record);
    let mut all = old.collected.iter().chain(&old.uncollected);
    let one = all.find(|one| one.worker.is_some_and(|worker| growing.contains(&worker)))?;
    let found = find(Resource::Memory, old.axis, std::slice::from_ref(one), finding.budget, record.page());
    let upper = found.growth?.upper.max(0.0);
    let flat = |worker: WorkerId| Note::OldGenerationFlat { pid: worker.pid, upper, axis: old.axis };
    one.worker.filter(|_| found.outcome == Outcome::Clean).map(flat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{clean, leaking, told};
    use crate::model::SlowReading;

    const MIB: f64 = 1_048_576.0;

    /// A run whose workers are Java machines with so much in use, of which a collection takes the garbage off every so many seconds.
    fn run(mut run: RunRecord, every: f64, old: impl Fn(f64) -> f64, metaspace: impl Fn(f64) -> f64) -> RunRecord {
        for sample in &mut run.samples {
            let garbage = (sample.t % every) * MIB;
            let java = JavaHeap {
                old: Some((old(sample.t) + garbage) as u64),
                metaspace: Some(metaspace(sample.t) as u64),
                collections: (sample.t / every) as u64,
            };
            sample.slow = Some(Box::new(SlowReading { java: Some(java), ..SlowReading::default() }));
        }
        run
    }

    #[test]
    fn objects_that_pile_up_in_memory_that_was_taken_before_are_no_pass() {
        let grows = |t: f64| 30.0 * MIB + 4096.0 * 20.0 * t;
        let flat = |_: f64| 30.0 * MIB;
        let doubt_of = |run: &RunRecord| doubt(run).map(|doubt| crate::words::doubt_reason(&doubt));
        let old = doubt_of(&run(clean(), 2.0, grows, flat)).expect("the old generation grew");
        assert!(old.starts_with("the old generation of PID 1 grew from 3"), "{old}");
        let metaspace = doubt_of(&run(clean(), 2.0, flat, grows)).expect("metaspace grew");
        assert!(metaspace.starts_with("metaspace of PID 1 grew from 3"), "{metaspace}");
        assert_eq!(doubt_of(&run(clean(), 2.0, flat, flat)), None);
        let rose = doubt_of(&run(clean(), 1000.0, grows, flat)).expect("nothing shows that it is garbage");
        assert!(rose.ends_with("and too few collections were seen to tell objects from garbage"), "{rose}");
        assert_eq!(doubt_of(&clean()), None);
        let verdict = crate::verdict::judge(&run(clean(), 2.0, grows, flat));
        assert_eq!(verdict.exit, crate::answer::ExitCode::Inconclusive);
    }

    #[test]
    fn memory_that_leaks_beside_a_flat_java_heap_is_told_so() {
        let flat = |_: f64| 30.0 * MIB;
        let flat_heap = told(&run(leaking(), 2.0, flat, flat));
        assert!(flat_heap.contains("the old generation of the Java heap of PID 1 doesn't grow ("), "{flat_heap}");
        let rises = told(&run(leaking(), 1000.0, flat, flat));
        assert!(!rises.contains("doesn't grow after") && rises.contains(" GC.run` makes one"), "{rises}");
        assert!(!told(&leaking()).contains("Java"));
        assert!(!told(&run(clean(), 2.0, flat, flat)).contains("Java"));
    }
}
