//! The account of the whole target in JSON.

use super::finite;
use crate::answer::WholeTarget;
use schemars::JsonSchema;
use serde::Serialize;

/// The account of the whole target over the judged time.
#[derive(Serialize, JsonSchema)]
pub struct WholeTargetPart {
    /// Processes at first and at last, dead ones that nobody has waited for included.
    processes: [u64; 2],
    /// Of these, dead ones.
    zombies: [u64; 2],
    /// Processes that are not workers and stayed, those first that grew most.
    rest: Vec<RestPart>,
    /// How many more there were.
    more: usize,
}

/// A process that is not a worker.
#[derive(Serialize, JsonSchema)]
struct RestPart {
    pid: u32,
    /// Its command name.
    command: String,
    /// Seconds since the start of the run at which it was seen first and last.
    seen: [Option<f64>; 2],
    /// Its memory in bytes then, huge pages and shared memory included; what began in the judged time began with nothing.
    bytes: [Option<f64>; 2],
    /// Its descriptors then; null where they could not be counted.
    descriptors: Option<[u64; 2]>,
}

impl From<&WholeTarget> for WholeTargetPart {
    fn from(whole: &WholeTarget) -> Self {
        let rest = whole.rest.iter().map(|process| RestPart {
            pid: process.who.pid,
            command: process.who.command.clone(),
            seen: [finite(process.seen.0), finite(process.seen.1)],
            bytes: [finite(process.size.0), finite(process.size.1)],
            descriptors: process.descriptors.map(|(first, last)| [first, last]),
        });
        WholeTargetPart {
            processes: whole.processes.into(),
            zombies: whole.zombies.into(),
            rest: rest.collect(),
            more: whole.more,
        }
    }
}
