//! The sampler's part: exact counts at every reading of a worker, a look at its live set at the slow ones.

use super::HeapLooks;
use crate::model::{Sample, WorkerId};
use crate::probe::{HeapProbe, Library, WorkerProbe};
use std::collections::HashMap;
use std::io;

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
}

/// How it stands with one worker's heap.
#[derive(Debug)]
enum Heap {
    /// It was looked for so many times, and isn't there.
    Sought(u32),
    /// It is read.
    Open(HeapProbe),
}

impl HeapSampling {
    /// Reads what `library` knows, and hands it to `looks`.
    pub fn new(library: Library, looks: HeapLooks) -> Self {
        HeapSampling { library, looks, workers: HashMap::new(), untraced: 0, reason: None }
    }

    /// Reads a worker's counts into its sample; with `looks`, hands a look at its live set on too.
    pub fn read(&mut self, worker: &WorkerProbe, sample: &mut Sample, looks: bool) {
        let new = !self.workers.contains_key(&worker.id());
        let heap = self.workers.entry(worker.id()).or_insert(Heap::Sought(0));
        if let Heap::Sought(tries) = heap
            && *tries < TRIES
            && (new || looks)
        {
            let opened = worker.open_heap(&self.library);
            match opened {
                Ok(Some(probe)) => *heap = Heap::Open(probe),
                Ok(None) | Err(_) => {
                    *tries += 1;
                    if *tries == TRIES {
                        self.untraced += 1;
                        self.reason.get_or_insert_with(|| untraced(worker, opened.err()));
                    }
                }
            }
        }
        let Heap::Open(probe) = heap else { return };
        sample.heap = probe.counts();
        if sample.heap.is_none() {
            // It has ended, or has become another program that may have the library too.
            *heap = Heap::Sought(0);
        } else if looks && let (Some(snapshot), Ok(maps)) = (probe.snapshot(), worker.maps()) {
            self.looks.put(sample.t, worker.id(), snapshot, maps);
        }
    }

    /// Forgets a worker that has ended.
    pub fn forget(&mut self, worker: WorkerId) {
        self.workers.remove(&worker);
    }

    /// Waits until all looks are taken in; says which workers' heaps could not be read, if any.
    pub fn finish(self) -> Option<String> {
        self.looks.finish();
        let reason = self.reason?;
        Some(format!("allocations of {} workers are not traced: {reason}", self.untraced))
    }
}

fn untraced(worker: &WorkerProbe, error: Option<io::Error>) -> String {
    let who = format!("PID {} ({})", worker.id().pid, worker.command());
    match error {
        Some(error) => format!("the memory of {who} could not be read: {error}"),
        None => format!(
            "the preload library isn't in {who}: a static, musl, Go or set-user-id program, or one whose environment \
             was cleared"
        ),
    }
}
