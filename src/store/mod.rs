//! The run directory: writer, reader, format version.
//!
//! ```text
//! reports/<UTC time>-<name>-<short id>/
//!   run.json        the head of the run, rewritten whole when it changes
//!   samples.jsonl   a reading of a worker a line      host.jsonl    a reading of the host a line
//!   load.jsonl      what the driver did, by second    events.jsonl  what happened
//!   census.jsonl    every process of the target, now and then      maps.jsonl    where the workers' memory lies, now and then
//!   heap.jsonl      who allocated, when that was traced    latency.hlog    latencies by step, as an HDR histogram log
//!   metrics.jsonl   looks at series of the user's own, if there are any
//!   services/NAME/  a service beside the target: the same files, of its workers, its account and its events
//! ```
//!
//! What a watch of a fleet keeps is a directory of its own, with `watch.json`.
//!
//! An experiment of several runs has a directory of its own, with `experiment.json` and a run directory for each run.
//!
//! Whoever records a run holds a lock on its directory. The files only grow while a run goes on, so a torn last line is all that a crash can leave. What is read is not
//! trusted: it may come from another version, another machine, or an attacker.

mod experiment;
mod folder;
mod held;
mod kept;
mod load;
mod prune;
mod reader;
mod writer;

pub use experiment::{Experiment, ExperimentSide, create_directory, fingerprint, is_experiment};
pub use folder::Folder;
pub use held::hold;
pub use kept::{Kept, KeptError};
pub use prune::{Stored, remove, stored};
pub use reader::{ReadError, read};
pub use writer::{Entry, RunDirectory, WriteError, write_head};

/// Version of the format: a reader refuses a newer major and ignores what a newer minor added.
pub const FORMAT: &str = "1.9";

/// Readings of a run that are kept in memory to be judged; fewer in this crate's own tests, for their speed.
pub const MOST_READINGS: usize = if cfg!(test) { 1 << 12 } else { crate::model::MOST_READINGS };

const HEAD: &str = "run.json";
const SAMPLES: &str = "samples.jsonl";
const HOST: &str = "host.jsonl";
const LOAD: &str = "load.jsonl";
const EVENTS: &str = "events.jsonl";
const CENSUS: &str = "census.jsonl";
const HEAP: &str = "heap.jsonl";
const MAPS: &str = "maps.jsonl";
const METRICS: &str = "metrics.jsonl";
const LATENCY: &str = "latency.hlog";
