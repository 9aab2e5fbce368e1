//! The account of the whole target in JSON.

use super::finite;
use crate::answer::{CpuShare, CpuTime, Named, Neighbours, WholeTarget};
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

/// CPU time of the target over the judged time, user and kernel, in seconds.
#[derive(Serialize, JsonSchema)]
pub struct CpuTimePart {
    /// How long the judged time was.
    watched: Option<f64>,
    /// Requests served in it; null where nobody counted them.
    requests: Option<f64>,
    /// What all took together.
    seconds: Option<f64>,
    /// The same for each request; null where nobody counted them.
    seconds_per_request: Option<f64>,
    /// Who took it, the most first.
    processes: Vec<CpuSharePart>,
    /// What the workers took for a request in the first and in the last quarter, where it is proven to grow; null elsewhere.
    grows: Option<[f64; 2]>,
}

/// A process and the CPU time that it took, in seconds.
#[derive(Serialize, JsonSchema)]
struct CpuSharePart {
    pid: u32,
    /// Its command name; empty of a worker.
    command: String,
    /// Whether it is judged as a worker.
    worker: bool,
    seconds: Option<f64>,
}

/// Processes of the host that are not the target's.
#[derive(Serialize, JsonSchema)]
pub struct NeighboursPart {
    /// How long they were watched, in seconds.
    watched: Option<f64>,
    /// Those that used a tenth of a core and more, all of one name together; the most first.
    processes: Vec<NeighbourPart>,
    /// Median over the seconds of the 95th percentile of latency, in seconds, while they used the CPU and while they hardly did; null
    /// where that doesn't show.
    p95_seconds: Option<[f64; 2]>,
}

/// A process of the host, with its CPU time in seconds.
#[derive(Serialize, JsonSchema)]
struct NeighbourPart {
    pid: u32,
    /// Its command name.
    command: String,
    seconds: Option<f64>,
}

impl From<&Neighbours> for NeighboursPart {
    fn from(neighbours: &Neighbours) -> Self {
        let one = |(who, cpu): &(Named, f64)| NeighbourPart {
            pid: who.pid,
            command: who.command.clone(),
            seconds: finite(*cpu),
        };
        NeighboursPart {
            watched: finite(neighbours.watched),
            processes: neighbours.who.iter().map(one).collect(),
            p95_seconds: neighbours.slower.map(|slower| [slower.loud, slower.quiet]),
        }
    }
}

impl From<&CpuTime> for CpuTimePart {
    fn from(time: &CpuTime) -> Self {
        let share = |share: &CpuShare| CpuSharePart {
            pid: share.who.pid,
            command: share.who.command.clone(),
            worker: share.is_worker,
            seconds: finite(share.seconds),
        };
        CpuTimePart {
            watched: finite(time.watched),
            requests: time.requests.and_then(finite),
            seconds: finite(time.total()),
            seconds_per_request: time.per_request(time.total()).and_then(finite),
            processes: time.shares.iter().map(share).collect(),
            grows: time.grows.map(|(first, last)| [first, last]),
        }
    }
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
