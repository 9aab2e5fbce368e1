//! The sampler's part: exact counts at every reading of a worker, a look at its live set about once a second.

use super::super::setup::PlainMalloc;
use super::HeapLooks;
use crate::model::{Sample, WorkerId};
use crate::probe::{HeapProbe, Library, Untraced, WorkerProbe};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

/// Interval of the looks at a worker's live set.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tries before a worker counts as one without the library: it may be on the way to its program.
const TRIES: u32 = 3;

/// Tries after which that is said of a worker that has ended, or of the last ones of a run.
const TRIES_OF_THE_GONE: u32 = 2;

/// Time until the second try, by when a program is usually loaded.
const SECOND_TRY: Duration = Duration::from_millis(200);

/// Reads the heaps of the workers that the library is in.
#[derive(Debug)]
pub struct HeapSampling {
    library: Library,
    looks: HeapLooks,
    workers: HashMap<WorkerId, Heap>,
    /// Workers that were traced.
    traced: u64,
    /// Workers whose heap could not be read, and why the first of them couldn't.
    untraced: u64,
    reason: Option<String>,
    /// Workers that ended too soon to say so, and what the first of them seemed to lack.
    brief: u64,
    brief_reason: Option<String>,
    /// Workers whose library is stuck.
    stuck: HashSet<WorkerId>,
    /// The first worker that executes scripts whose lines can't be told.
    unknown_scripts: Option<String>,
    /// What runtimes were told of allocators, and which of them were met.
    plain: &'static [PlainMalloc],
    met: BTreeSet<&'static str>,
}

/// How it stands with one worker's heap.
#[derive(Debug)]
enum Heap {
    /// It was looked for so many times, and isn't there, for that reason; it is looked for again at that time.
    Sought(u32, Instant, Option<String>),
    /// It is read, and its live set looked at at that time.
    Open(HeapProbe, Instant),
}

impl HeapSampling {
    /// Reads what `library` knows, and hands it to `looks`.
    /// Its runtimes were told what is `plain`.
    pub fn new(library: Library, looks: HeapLooks, plain: &'static [PlainMalloc]) -> Self {
        HeapSampling {
            library,
            looks,
            workers: HashMap::new(),
            traced: 0,
            untraced: 0,
            reason: None,
            brief: 0,
            brief_reason: None,
            stuck: HashSet::new(),
            unknown_scripts: None,
            plain,
            met: BTreeSet::new(),
        }
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
        let heap = self.workers.entry(worker.id()).or_insert(Heap::Sought(0, begun, None));
        if let Heap::Sought(tries, due, reason) = heap
            && *tries < TRIES
            && *due <= begun
        {
            match worker.open_heap(&self.library) {
                Ok(Ok(probe)) => {
                    self.traced += 1;
                    let maps = worker.maps().unwrap_or_default();
                    self.met.extend(self.plain.iter().map(|plain| plain.runtime).filter(|name| is_mapped(&maps, name)));
                    *heap = Heap::Open(probe, begun);
                }
                missing => {
                    *due = begun + if *tries == 0 { SECOND_TRY } else { LOOK_EVERY };
                    *tries += 1;
                    let why = untraced(worker, missing);
                    if *tries == TRIES {
                        self.untraced += 1;
                        self.reason.get_or_insert_with(|| why.clone());
                    }
                    *reason = Some(why);
                }
            }
        }
        let Heap::Open(probe, due) = heap else { return Duration::ZERO };
        sample.heap = probe.counts();
        if sample.heap.is_none() {
            // It has ended, or has become another program, which may have the library too.
            *heap = Heap::Sought(0, begun, None);
            return Duration::ZERO;
        }
        if *due > begun {
            return Duration::ZERO;
        }
        if let (Some(snapshot), Ok(maps)) = (probe.snapshot(), worker.maps()) {
            if snapshot.unknown_scripts {
                self.unknown_scripts.get_or_insert_with(|| named(worker));
            }
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
        let Some(Heap::Sought(tries, _, Some(reason))) = self.workers.remove(&worker) else { return };
        if tries < TRIES_OF_THE_GONE {
            self.brief += 1;
            self.brief_reason.get_or_insert(reason);
        } else if tries < TRIES {
            self.untraced += 1;
            self.reason.get_or_insert(reason);
        }
    }

    /// Waits until all looks are taken in; says which workers' heaps could not be read, or not to the end, if any.
    pub fn finish(mut self) -> Option<String> {
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            self.forget(worker);
        }
        if self.traced == 0 && self.untraced == 0 {
            // However short the run was: that nothing was traced is always said.
            (self.untraced, self.reason) = (self.brief, self.brief_reason);
        }
        let names = self.looks.finish();
        let untraced =
            self.reason.map(|reason| format!("allocations of {} workers are not traced: {reason}", self.untraced));
        let plain = self.plain.iter().filter(|plain| self.met.contains(plain.runtime));
        let plain = plain.map(|PlainMalloc { variable: (name, value), runtime }| {
            format!(
                "{name}={value} was set for the target, so that each object of {runtime} can be seen: its sizes and its speed are \
                 others than without `--heap`"
            )
        });
        let stuck = (!self.stuck.is_empty()).then(|| {
            format!(
                "allocations of {} workers were not sampled to the end: the preload library's lock is held by a thread that \
                 they don't have, as after a bare `clone`, or that was stopped for good",
                self.stuck.len()
            )
        });
        let unknown = self.unknown_scripts.as_deref().map(super::unknown_scripts);
        let told: Vec<String> = untraced.into_iter().chain(plain).chain(stuck).chain(unknown).chain(names).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// Whether a process with this map has a runtime's program or library.
fn is_mapped(maps: &[u8], runtime: &str) -> bool {
    let name = runtime.to_lowercase();
    String::from_utf8_lossy(maps).lines().filter_map(|line| line.rsplit_once('/')).any(|(_, file)| {
        let library = file.strip_prefix("lib");
        library.unwrap_or(file).starts_with(&name)
    })
}

fn named(worker: &WorkerProbe) -> String {
    format!("PID {} ({})", worker.id().pid, worker.command())
}

fn untraced(worker: &WorkerProbe, missing: io::Result<Result<HeapProbe, Untraced>>) -> String {
    let who = named(worker);
    match missing {
        Err(error) => format!("the memory of {who} could not be read: {error}"),
        Ok(Err(Untraced::Bypassed)) => format!(
            "{who} has an allocator linked into it, whose calls don't pass the preload library; link it as a shared \
             library"
        ),
        Ok(Err(Untraced::Sanitized)) => {
            format!("{who} is built with a sanitizer, whose allocator has to be the first: nothing of it is counted")
        }
        Ok(Err(Untraced::NothingSeen)) => format!("{who} hasn't allocated anything that the preload library sees"),
        Ok(_) => format!(
            "the preload library isn't in {who}: a static, musl, Go or set-user-id program, or one whose environment \
             was cleared"
        ),
    }
}
