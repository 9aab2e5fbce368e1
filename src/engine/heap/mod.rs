//! Who allocates: looks at the workers' heaps become entries of the record, with names for the code.
//!
//! It has a thread of its own, for reading debug information may take seconds: the sampler hands it what it saw and
//! goes on. Names are looked up while the worker lives, by a process of its own; of one that ended too soon, module and
//! offset are known.

mod code;
mod faults;
mod namer;
mod names;
mod sampling;
mod stacks;
mod track;

use super::end::Cut;
use super::interrupt::Interrupt;
use super::pulse::Pulse;
use super::setup::Setup;
use crate::model::{HeapEntry, HeapLook, Sample, WorkerId};
use crate::probe::{Library, SCRIPT_LINES, Snapshot, WorkerProbe};
use crate::store::Entry;
use crate::thread;
use code::{Code, Maps};
use names::{Names, Patience};
use stacks::KnownStacks;
use std::collections::HashMap;
use std::sync::mpsc::{Sender, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use track::Tracker;

pub use faults::FaultSampling;
pub use namer::{ARGUMENT as NAMER_ARGUMENT, run as run_namer};
pub use sampling::HeapSampling;

/// How it is learned who takes memory.
#[derive(Debug)]
pub enum Tracing {
    /// From the library that a launched target has loaded.
    Preload(Box<HeapSampling>),
    /// From faults of pages of a target that runs.
    Faults(FaultSampling),
}

impl Tracing {
    /// By the library that what is launched in a run has loaded, if its allocations are traced; entries go to `sink`.
    ///
    /// # Errors
    /// If a thread can't be started.
    pub fn by_library(
        setup: &Setup,
        pulse: &Pulse,
        sink: &Sender<Entry>,
        interrupt: &Interrupt,
    ) -> Result<Option<Self>, Cut> {
        let Some(library) = setup.library.clone() else { return Ok(None) };
        let looks = HeapLooks::start(Some(&library), pulse.origin(), sink.clone(), interrupt.clone())?;
        Ok(Some(Tracing::Preload(Box::new(HeapSampling::new(library, looks, setup.plain_malloc())))))
    }

    /// Reads a worker, or sees that it is watched; returns the CPU time that it took here. `pause` says how long to wait after a look
    /// that took some time, no less than wanted.
    pub fn read(
        &mut self,
        worker: &WorkerProbe,
        sample: &mut Sample,
        pause: impl Fn(Duration, Duration) -> Duration,
    ) -> Duration {
        match self {
            Tracing::Preload(heap) => heap.read(worker, sample, pause),
            Tracing::Faults(faults) => {
                // What it costs, its own thread keeps within the budget.
                faults.meet(worker);
                Duration::ZERO
            }
        }
    }

    /// Forgets a worker that has ended.
    pub fn forget(&mut self, worker: WorkerId) {
        match self {
            Tracing::Preload(heap) => heap.forget(worker),
            Tracing::Faults(faults) => faults.forget(worker),
        }
    }

    /// Waits until all looks are taken in; says what isn't known of whom, if anything.
    pub fn finish(self) -> Option<String> {
        match self {
            Tracing::Preload(heap) => heap.finish(),
            Tracing::Faults(faults) => faults.finish(),
        }
    }
}

/// What is said where the lines of scripts can't be told that this executes.
fn unknown_scripts(who: &str) -> String {
    format!("lines of the scripts that {who} executes can't be told: they are told of Python 3.11 and PHP 8.2")
}

/// Looks that may wait; more are dropped, and the next one has all that they had.
const WAITING: usize = 256;

/// Takes looks at heaps, on a thread of its own.
#[derive(Debug)]
pub struct HeapLooks {
    /// Returns what is to be said of names that could not be looked up.
    thread: JoinHandle<Option<String>>,
    looks: SyncSender<HeapSnapshot>,
    patience: Patience,
}

/// What the sampler saw of one worker.
struct HeapSnapshot {
    t: f64,
    worker: WorkerId,
    snapshot: Snapshot,
    maps: Vec<u8>,
}

impl HeapLooks {
    /// Starts taking in looks at what was sampled, by a `library` of ours if there is one; entries go to `sink`. `origin` is time zero of
    /// the run.
    ///
    /// # Errors
    /// If its thread can't be started.
    pub fn start(
        library: Option<&Library>,
        origin: Instant,
        sink: Sender<Entry>,
        interrupt: Interrupt,
    ) -> Result<Self, Cut> {
        let (looks, taken) = sync_channel::<HeapSnapshot>(WAITING);
        let ours = library.map(|library| library.path().to_string_lossy().into_owned());
        let patience = Patience::new(interrupt);
        let names = Names::new(patience.clone());
        let started = thread::start("heap", move || {
            let mut taking = Taking::new(origin, ours, names);
            for look in taken {
                for entry in taking.take(&look) {
                    let _ = sink.send(Entry::Heap(entry));
                }
            }
            taking.names.faults()
        });
        let thread = started.map_err(|error| Cut::recording(error.to_string()))?;
        Ok(HeapLooks { thread, looks, patience })
    }

    /// Takes a look in, taken at `t` seconds of the run; `maps` is the worker's `/proc/PID/maps`.
    pub fn put(&self, t: f64, worker: WorkerId, snapshot: Snapshot, maps: Vec<u8>) {
        match self.looks.try_send(HeapSnapshot { t, worker, snapshot, maps }) {
            // The next look has all that this one had.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    /// Waits until all is taken in, and no longer for names than a run may take to end; says what could not be named.
    pub fn finish(self) -> Option<String> {
        self.patience.end();
        drop(self.looks);
        let panicked = || Some("call sites are known in part only: the thread that takes them in panicked".to_owned());
        self.thread.join().unwrap_or_else(|_| panicked())
    }
}

/// What is known across looks.
struct Taking {
    /// Path of the library, whose frames are no part of the target.
    ours: Option<String>,
    /// Nanoseconds of `CLOCK_MONOTONIC` at time zero of the run.
    zero: f64,
    trackers: HashMap<WorkerId, Tracker>,
    stacks: KnownStacks,
    names: Names,
}

impl Taking {
    fn new(origin: Instant, ours: Option<String>, names: Names) -> Self {
        let zero = thread::monotonic() as f64 - origin.elapsed().as_nanos() as f64;
        Taking { ours, zero, trackers: HashMap::new(), stacks: KnownStacks::default(), names }
    }

    fn take(&mut self, look: &HeapSnapshot) -> Vec<HeapEntry> {
        let mut entries = Vec::new();
        let maps = Maps::parse(look.worker.pid, &look.maps);
        self.stacks.look();
        let tracker = self.trackers.entry(look.worker).or_default();
        let mut numbers: HashMap<u32, u32> = HashMap::new();
        let changes = tracker.update(&look.snapshot, |local| {
            *numbers.entry(local).or_insert_with(|| {
                let frames = &look.snapshot.stacks[local as usize].frames;
                let line =
                    |address: &u64| look.snapshot.lines.get(usize::try_from(address.checked_sub(SCRIPT_LINES)?).ok()?);
                let code = |address| line(address).map_or_else(|| maps.code(*address), |line| self.names.line(line));
                let code: Vec<Code> = frames.iter().map(code).collect();
                let inner = code.iter().take_while(|code| Some(&code.module) == self.ours.as_ref()).count();
                let (frames, code) = (&frames[inner..], &code[inner..]);
                self.stacks.number(code, || self.names.name(look.worker.pid, frames, code), &mut entries)
            })
        });
        let came = changes.came.into_iter().map(|block| block.at((block.born_ns as f64 - self.zero) / 1e9));
        entries.push(HeapEntry::Look(HeapLook {
            t: look.t,
            worker: look.worker,
            source: look.snapshot.source,
            mean: look.snapshot.mean,
            lost: look.snapshot.lost,
            came: came.collect(),
            went: changes.went,
            allocated: changes.allocated,
        }));
        entries
    }
}
