//! What Java machines say of their own heap. Whether a process' memory grows doesn't tell: it is taken for the heap once, and then
//! objects come and go in it, or pile up in it.

use super::unjudged::{leaking, worst};
use crate::model::{Axis, JavaHeap, Resource, RunRecord, Sample, Series, WorkerId};
use crate::thresholds::scale::FEW;
use crate::verdict::answer::doubt::{Doubt, Kind};
use crate::verdict::answer::facts::Note;
use crate::verdict::readings::series::part_series;
use crate::verdict::rule::finding::find;
use crate::verdict::rule::places::{growing, is_shown};
use crate::verdict::{Finding, Outcome};
use std::collections::{HashMap, HashSet};

/// The old generation of each worker after its collections: what lies in it between them may be garbage.
struct Old {
    axis: Axis,
    series: Vec<Series>,
}

impl Old {
    fn of(record: &RunRecord) -> Self {
        let mut before: HashMap<WorkerId, u64> = HashMap::new();
        let mut collected: HashSet<(WorkerId, u64)> = HashSet::new();
        for sample in &record.samples {
            let Some(java) = java(sample) else { continue };
            if before.insert(sample.worker, java.collections).is_some_and(|count| count < java.collections) {
                collected.insert((sample.worker, sample.t.to_bits()));
            }
        }
        let is_after = |sample: &Sample| collected.contains(&(sample.worker, sample.t.to_bits()));
        let (axis, series) = part_series(record, &|sample| java(sample).filter(|_| is_after(sample))?.old);
        Old { axis, series }
    }
}

fn java(sample: &Sample) -> Option<&JavaHeap> {
    sample.slow.as_ref()?.java.as_ref()
}

/// The reason against a pass that lies in a Java heap: its old generation grew, or metaspace.
pub fn doubt(record: &RunRecord) -> Option<Doubt> {
    record.samples.iter().find_map(java)?;
    let old = Old::of(record);
    let (axis, metaspace) = part_series(record, &|sample| java(sample)?.metaspace);
    let of = |kind: Kind, axis: Axis, series: &[Series]| -> Vec<_> {
        let grew = |one: &Series| Some((one.worker?, kind, leaking(record, Resource::Memory, axis, one)?));
        series.iter().filter_map(grew).collect()
    };
    let grew = [of(Kind::OldGeneration, old.axis, &old.series), of(Kind::Metaspace, axis, &metaspace)];
    worst(record, grew.into_iter().flatten())
}

/// What the old generation says of a growth of memory that is shown: that it doesn't grow, or that too few collections tell.
pub fn note(record: &RunRecord, finding: &Finding) -> Option<Note> {
    if finding.resource != Resource::Memory || !is_shown(finding) {
        return None;
    }
    let growing = growing(finding);
    let is_java = |worker: &WorkerId| record.samples.iter().any(|s| s.worker == *worker && java(s).is_some());
    let worker = growing.into_iter().find(is_java)?;
    let old = Old::of(record);
    let Some(one) = old.series.iter().find(|one| one.worker == Some(worker)).filter(|one| one.y.len() >= FEW.get())
    else {
        return Some(Note::FewCollections { pid: worker.pid });
    };
    let found = find(Resource::Memory, old.axis, std::slice::from_ref(one), finding.budget, record.page());
    let upper = found.growth?.upper.max(0.0);
    (found.outcome == Outcome::Clean).then_some(Note::OldGenerationFlat { pid: worker.pid, upper, axis: old.axis })
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
        assert_eq!(doubt_of(&run(clean(), 1000.0, grows, flat)), None, "it may all be garbage");
        assert_eq!(doubt_of(&clean()), None);
        let verdict = crate::verdict::judge(&run(clean(), 2.0, grows, flat));
        assert_eq!(verdict.exit, crate::verdict::ExitCode::Inconclusive);
    }

    #[test]
    fn memory_that_leaks_beside_a_flat_java_heap_is_told_so() {
        let flat = |_: f64| 30.0 * MIB;
        let flat_heap = told(&run(leaking(), 2.0, flat, flat));
        assert!(
            flat_heap.contains("the old generation of the Java heap of PID 1 doesn't grow after its collections"),
            "{flat_heap}"
        );
        let few = told(&run(leaking(), 1000.0, flat, flat));
        assert!(few.contains("`jcmd 1 GC.run` makes one"), "{few}");
        assert!(!told(&leaking()).contains("Java"));
        assert!(!told(&run(clean(), 2.0, flat, flat)).contains("Java"));
    }
}
