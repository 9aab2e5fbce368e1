//! Things that happen once: a worker appears, a phase begins, a limit is hit.

use super::{Chosen, WorkerId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something that happened, with its time in seconds since the start of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Seconds since the start of the run.
    pub t: f64,
    /// What happened.
    #[serde(rename = "event")]
    pub kind: EventKind,
}

/// What can happen in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A worker was seen for the first time.
    Spawned {
        /// The worker.
        worker: WorkerId,
        /// Its parent's PID.
        parent: u32,
        /// Its command name, as the kernel has it.
        command: String,
        /// Seconds since the service that it belongs to began: it, or a parent that runs the same program.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        age: Option<f64>,
    },
    /// It was found out which processes are the workers.
    Chosen(Chosen),
    /// A worker ended.
    Exited {
        /// The worker.
        worker: WorkerId,
        /// How it ended, where that could be learned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<ExitCause>,
        /// Whether the harness had begun to stop the target.
        stopping: bool,
    },
    /// A phase of the workload began.
    Phase {
        /// Its kind.
        phase: PhaseKind,
        /// Its place in the script, from 0.
        index: usize,
    },
    /// It was looked whether leak or clean is proven already.
    Look {
        /// The share of the planned soak that was done; missing if no end was planned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<f64>,
        /// The error probability of "leak" at this look.
        alpha: f64,
        /// What was found, in a few words.
        found: String,
        /// Whether that proved it, and ended the soak.
        proven: bool,
    },
    /// How the lines of the log were understood, from the beginning to the end of the run.
    LogRead {
        /// Lines read.
        lines: u64,
        /// Of these, the ones that the pattern matched.
        matched: u64,
        /// Of those, the ones whose PID was never that of a worker.
        strangers: u64,
        /// The first line that the pattern didn't match, shortened, without secrets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unmatched: Option<String>,
        /// The first PID that was never that of a worker.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stranger: Option<u32>,
    },
    /// How often a status page was asked for, from the beginning to the end of the run.
    PageRead {
        /// Pages read: each is a request to the target.
        look_ups: u64,
        /// Of these, the ones that are in no worker's count.
        left_out: u64,
    },
    /// The target was made to collect its garbage, in a settle phase.
    Collected,
    /// The workload ended and the target is being stopped.
    Stopping,
    /// The sampler missed deadlines.
    MissedTicks {
        /// How many.
        count: u64,
        /// Of these, the ones that passed while a reading computed for longer than the interval.
        #[serde(default, skip_serializing_if = "is_zero")]
        own: u64,
    },
    /// The target's memory limit was hit; `kills` counts the processes the kernel killed for it.
    MemoryLimit {
        /// The limit in bytes.
        limit: u64,
        /// Processes killed since the run began.
        kills: u64,
    },
    /// The target's first process ended before the harness asked it to.
    TargetDied {
        /// How it ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<ExitCause>,
    },
    /// The user or the system interrupted the run.
    Interrupted {
        /// The signal's number.
        signal: i32,
    },
    /// Something the reader of the report should know.
    Note {
        /// One sentence.
        text: String,
    },
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitCause {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl ExitCause {
    /// How a process ends that is killed, as the kernel does for a memory limit.
    pub const KILLED: Self = ExitCause::Signal(9);

    /// Decodes a status as `wait(2)` gives it.
    pub fn from_wait_status(status: i32) -> Self {
        match status & 0x7f {
            0 => ExitCause::Code((status >> 8) & 0xff),
            signal => ExitCause::Signal(signal),
        }
    }

    /// Whether a healthy worker never ends this way: by a signal other than those that ask a process to end.
    pub fn is_abnormal(self) -> bool {
        const HUP: i32 = 1;
        const INT: i32 = 2;
        const USR1: i32 = 10;
        const TERM: i32 = 15;
        match self {
            ExitCause::Code(_) => false,
            ExitCause::Signal(s) => ![HUP, INT, USR1, TERM].contains(&s),
        }
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        31 => "SIGSYS",
        _ => return None,
    })
}

/// What ended a command, as its user would call it: `Ctrl-C`, `SIGTERM`, `signal 34`.
pub fn ended_by(signal: i32) -> String {
    match signal {
        2 => "Ctrl-C".into(),
        signal => signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned),
    }
}

impl fmt::Display for ExitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitCause::Code(code) => write!(f, "exit code {code}"),
            ExitCause::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "signal {signal} ({name})"),
                None => write!(f, "signal {signal}"),
            },
        }
    }
}

/// The kinds of phases of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseKind {
    /// Load that isn't judged: caches fill, pools grow.
    WarmUp,
    /// Load that is judged.
    Soak,
    /// No load: does memory come back?
    Settle,
}

impl fmt::Display for PhaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PhaseKind::WarmUp => "warm-up",
            PhaseKind::Soak => "soak",
            PhaseKind::Settle => "settle",
        })
    }
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}
