//! The sampler's part: exact counts at every reading of a worker, a look at its live set about once a second.

use super::HeapLooks;
use crate::model::{Sample, WorkerId};
use crate::probe::{HeapProbe, Library, Untraced, WorkerProbe};
use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

/// Interval of the looks at a worker's live set.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tries before a worker counts as one without the library.
const TRIES: u32 = 3;

/// Reads the heaps of the workers that the library is in.
#[derive(Debug)]
pub struct HeapSampling {
    library: Library,
    looks: HeapLooks,
    workers: HashMap<WorkerId, Heap>,
    /// Workers whose heap could not be read, and why the first of them couldn't.
    untraced: u64,
    reason: Option<String>,
    /// Workers whose library is stuck.
    stuck: HashSet<WorkerId>,
}

/// How it stands with one worker's heap.
#[derive(Debug)]
enum Heap {
    /// It was looked for so many times, and isn't there; it is looked for again at that time.
    Sought(u32, Instant),
    /// It is read, and its live set looked at at that time.
    Open(HeapProbe, Instant),
}

impl HeapSampling {
    /// Reads what `library` knows, and hands it to `looks`.
    pub fn new(library: Library, looks: HeapLooks) -> Self {
        HeapSampling { library, looks, workers: HashMap::new(), untraced: 0, reason: None, stuck: HashSet::new() }
    }

    /// Reads a worker's counts into its sample, and hands a look at its live set on when one is due. `pause` says how
    /// long to wait after a look that took some time, no less than wanted.
    pub fn read(
        &mut self,
        worker: &WorkerProbe,
        sample: &mut Sample,
        pause: impl Fn(Duration, Duration) -> Duration,
    ) -> Duration {
        let begun = Instant::now();
        let heap = self.workers.entry(worker.id()).or_insert(Heap::Sought(0, begun));
        if let Heap::Sought(tries, due) = heap
            && *tries < TRIES
            && *due <= begun
        {
            match worker.open_heap(&self.library) {
                Ok(Ok(probe)) => *heap = Heap::Open(probe, begun),
                missing => {
                    (*tries, *due) = (*tries + 1, begun + LOOK_EVERY);
                    if *tries == TRIES {
                        self.untraced += 1;
                        self.reason.get_or_insert_with(|| untraced(worker, missing));
                    }
                }
            }
        }
        let Heap::Open(probe, due) = heap else { return Duration::ZERO };
        sample.heap = probe.counts();
        if sample.heap.is_none() {
            // It has ended, or has become another program, which may have the library too.
            *heap = Heap::Sought(0, begun);
            return Duration::ZERO;
        }
        if *due > begun {
            return Duration::ZERO;
        }
        if let (Some(snapshot), Ok(maps)) = (probe.snapshot(), worker.maps()) {
            if snapshot.stuck {
                // What is freed from now on would seem to be kept.
                self.stuck.insert(worker.id());
            } else {
                self.looks.put(sample.t, worker.id(), snapshot, maps);
            }
        }
        let took = begun.elapsed();
        *due = begun + pause(LOOK_EVERY, took);
        took
    }

    /// Forgets a worker that has ended.
    pub fn forget(&mut self, worker: WorkerId) {
        self.workers.remove(&worker);
    }

    /// Waits until all looks are taken in; says which workers' heaps could not be read, or not to the end, if any.
    pub fn finish(self) -> Option<String> {
        self.looks.finish();
        let untraced =
            self.reason.map(|reason| format!("allocations of {} workers are not traced: {reason}", self.untraced));
        let stuck = (!self.stuck.is_empty()).then(|| {
            format!(
                "allocations of {} workers were not sampled to the end: the preload library's lock is held by a thread that \
                 they don't have, as after a bare `clone`, or that was stopped for good",
                self.stuck.len()
            )
        });
        let told: Vec<String> = untraced.into_iter().chain(stuck).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

fn untraced(worker: &WorkerProbe, missing: io::Result<Result<HeapProbe, Untraced>>) -> String {
    let who = format!("PID {} ({})", worker.id().pid, worker.command());
    match missing {
        Err(error) => format!("the memory of {who} could not be read: {error}"),
        Ok(Err(Untraced::Bypassed)) => format!(
            "{who} has an allocator linked into it, whose calls don't pass the preload library; link it as a shared \
             library"
        ),
        Ok(Err(Untraced::NothingSeen)) => format!("{who} hasn't allocated anything that the preload library sees"),
        Ok(_) => format!(
            "the preload library isn't in {who}: a static, musl, Go or set-user-id program, or one whose environment \
             was cleared"
        ),
    }
}
