//! Why a pass isn't earned although everything that is judged keeps to its budget: seepage looked at the wrong processes, by
//! counts that can't be right, or when nothing went on.

use super::explain::rate;
use super::{Gate, GateState};
use crate::model::{Axis, Resource, format_bytes, format_count, format_seconds, shown_command};

/// A process that a sentence names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    pub pid: u32,
    /// Its command name; empty if that isn't known.
    pub command: String,
}

/// How the processes that should be judged are chosen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    /// `self`, `children` or `descendants`; `None` if none of these would choose it.
    pub workers: Option<&'static str>,
    /// Whether it is chosen on the command line of `attach`, not in a harness file.
    pub attached: bool,
}

/// What processes did that aren't judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Work {
    /// Most of the work of the service; of its CPU time the judged processes used this share.
    Most(f64),
    /// A part of it, in the same program as what is judged, which used this share.
    Part(f64),
    /// Nobody worked enough to tell; they run the same program as what is judged.
    Unknown,
}

/// A kind of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anonymous and swapped.
    Own,
    /// Resident shared memory: memfds, tmpfs, SysV segments.
    Shared,
    /// Huge pages of hugetlbfs.
    Huge,
}

/// Growth of a quantity between two parts of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grown {
    /// Level at first, bytes or a count.
    pub from: f64,
    /// Level at last.
    pub to: f64,
    /// Growth for a step of the axis.
    pub rate: f64,
    /// What is allowed of it.
    pub allowed: f64,
    pub axis: Axis,
}

/// A reason not to pass, with the numbers that it is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Doubt {
    /// Lines were written to the log, and the pattern matched none.
    NoLineMatches { lines: u64, first: String },
    /// The log stayed empty while requests were sent.
    NoLines { sent: u64 },
    /// Others than the judged processes did the work.
    NotJudged { who: Named, more: u64, work: Work, choice: Choice },
    /// Most of what was counted belongs to PIDs that are no judged worker.
    Strangers { counted: u64, strangers: u64, first: Option<u32> },
    /// What was counted isn't what was sent.
    CountsApart { counted: u64, sent: u64 },
    /// Much of what was counted are our own look-ups of the status page.
    OwnLookUps { counted: u64, own: u64 },
    /// What isn't judged grew; the process that grew most.
    RestGrew { who: Named, kind: Kind, own: (f64, f64), all: Grown, choice: Choice },
    /// There are more and more processes.
    MoreProcesses { processes: Grown, memory: Grown, newest: Option<Named> },
    /// There are more and more dead processes.
    Zombies { zombies: Grown, parent: Named },
    /// Memory of a judged worker grew that isn't its own.
    WorkerGrew { who: Named, kind: Kind, grown: Grown },
    /// Each new worker begins at a higher level.
    Born { births: usize, grown: Grown, each: f64 },
    /// The target was idle for most of the time against which growth is held.
    Idle { worked: usize, parts: usize, seconds: f64 },
    /// The target used next to no CPU time.
    AllButIdle { cpu: f64, seconds: f64 },
    /// Processes beside the judged ones could not be read.
    Unreadable { processes: u64 },
    /// No account was kept of what isn't judged.
    NoAccount,
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.command.as_str() {
            "" => write!(f, "PID {}", self.pid),
            command => write!(f, "PID {} ({})", self.pid, shown_command(command)),
        }
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.workers, self.attached) {
            (Some(workers), true) => write!(f, "`--workers {workers}`"),
            (Some(workers), false) => write!(f, "`workers = \"{workers}\"`"),
            (None, true) => write!(f, "`--match` with a part of its command line"),
            (None, false) => write!(f, "`workers = {{ match = ... }}` with a part of its command line"),
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Own => "anonymous + swap",
            Kind::Shared => "shared memory",
            Kind::Huge => "memory in huge pages",
        }
    }
}

impl Grown {
    fn bytes(&self) -> String {
        format!("from {} to {}", format_bytes(self.from), format_bytes(self.to))
    }

    fn count(&self, of: &str) -> String {
        format!("from {} to {} {of}", format_count(self.from.round()), format_count(self.to.round()))
    }

    fn measured(&self, resource: Resource) -> (String, String) {
        let rate = |value| rate(resource, self.axis, value);
        (rate(self.rate), format!("at most {}", rate(self.allowed)))
    }
}

impl Doubt {
    /// What is in doubt, as the name of a gate.
    fn name(&self) -> &'static str {
        match self {
            Doubt::NoLineMatches { .. } | Doubt::NoLines { .. } | Doubt::Strangers { .. } => "log",
            Doubt::CountsApart { .. } | Doubt::OwnLookUps { .. } => "count of requests",
            Doubt::NotJudged { .. } => "who worked",
            Doubt::RestGrew { .. } | Doubt::Unreadable { .. } | Doubt::NoAccount => "not judged",
            Doubt::MoreProcesses { .. } => "processes",
            Doubt::Zombies { .. } => "zombies",
            Doubt::WorkerGrew { kind, .. } => kind.name(),
            Doubt::Born { .. } => "size at birth",
            Doubt::Idle { .. } | Doubt::AllButIdle { .. } => "time at work",
        }
    }

    /// What was seen, in a sentence without a full stop.
    pub fn reason(&self) -> String {
        let count = |n: u64| format_count(n as f64);
        match self {
            Doubt::NoLineMatches { lines, first } => {
                format!("0 of {} lines of the log match the pattern; the first is `{first}`", count(*lines))
            }
            Doubt::NoLines { sent } => {
                format!("no line was written to the log, though {} requests were sent", count(*sent))
            }
            Doubt::NotJudged { who, more, work, .. } => {
                let (who, them, run, work_too) = match more {
                    0 => (format!("{who} is not judged"), "it", "runs", "works"),
                    more => (format!("{who} and {} more are not judged", count(*more)), "they", "run", "work"),
                };
                let share =
                    |share: f64| format!("the judged processes used {} of the service's CPU time", percent(share));
                match work {
                    Work::Most(judged) => format!("{who}, and did the work: {}", share(*judged)),
                    Work::Part(judged) => format!(
                        "{who}, though {them} {run} the same program as what is judged, and {work_too} too: {}",
                        share(*judged)
                    ),
                    Work::Unknown => format!("{who}, though {them} {run} the same program as what is judged"),
                }
            }
            Doubt::Strangers { counted, strangers, first } => {
                let first = first.map_or(String::new(), |pid| format!(", such as {pid}"));
                format!(
                    "{} of {} counted requests belong to PIDs that are not judged{first}",
                    count(*strangers),
                    count(*counted)
                )
            }
            Doubt::CountsApart { counted, sent } => {
                format!("{} requests were counted, but {} were sent", count(*counted), count(*sent))
            }
            Doubt::OwnLookUps { counted, own } => format!(
                "{} of the {} requests counted may be seepage's own look-ups of the status page",
                count(*own),
                count(*counted)
            ),
            Doubt::RestGrew { who, kind, own, all, .. } => {
                let (rate, _) = all.measured(Resource::Memory);
                format!(
                    "{who} is not judged, and its {} grew from {} to {}; all that is not judged grew by {rate}",
                    kind.name(),
                    format_bytes(own.0),
                    format_bytes(own.1)
                )
            }
            Doubt::MoreProcesses { processes, memory, newest } => {
                let newest = newest.as_ref().map_or(String::new(), |newest| format!(", the newest {newest}"));
                format!("the target grew {}{newest}, and with them {}", processes.count("processes"), memory.bytes())
            }
            Doubt::Zombies { zombies, parent } => format!(
                "the target grew {}: {parent} does not wait for its dead children",
                zombies.count("zombie processes")
            ),
            Doubt::WorkerGrew { who, kind, grown } => {
                let (rate, _) = grown.measured(Resource::Memory);
                let idle = if *kind == Kind::Own { ", which served next to no request," } else { "" };
                format!("{} of {who}{idle} grew {}, by {rate}", kind.name(), grown.bytes())
            }
            Doubt::Born { births, grown, each } => format!(
                "each new worker is born {} bigger: {} over {births} births",
                format_bytes(*each),
                grown.bytes()
            ),
            Doubt::Idle { worked, parts, seconds } => format!(
                "the target worked in {worked} of {parts} equal parts of {}; time in which it is idle proves nothing",
                format_seconds(seconds.round())
            ),
            Doubt::AllButIdle { cpu, seconds } => format!(
                "the target was idle: it used {} of CPU time in {}, which proves nothing",
                format_seconds(*cpu),
                format_seconds(seconds.round())
            ),
            Doubt::Unreadable { processes } => {
                format!("{} processes of the target are not judged, and could not be read", count(*processes))
            }
            Doubt::NoAccount => "no account was kept of the processes that are not judged".into(),
        }
    }

    /// What to do about it, in a sentence without a full stop.
    pub fn remedy(&self) -> String {
        match self {
            Doubt::NoLineMatches { .. } => {
                "mend the pattern of the log: its group `pid` has to match the worker's PID".into()
            }
            Doubt::NoLines { .. } => "name the log that the workers write, or count requests in another way".into(),
            Doubt::NotJudged { choice, .. } => format!("judge them: {choice}"),
            Doubt::Strangers { .. } => "judge the processes that the log names, or mend its pattern".into(),
            Doubt::CountsApart { .. } => "count each request once, and send no others".into(),
            Doubt::OwnLookUps { .. } => "count requests in a log, which look-ups don't change".into(),
            Doubt::RestGrew { choice, .. } => format!("judge it too, in a run of its own: {choice}"),
            Doubt::MoreProcesses { .. } => "find out who starts them, and who should end them".into(),
            Doubt::Zombies { .. } => "it has to wait for each child, or to ignore SIGCHLD".into(),
            Doubt::WorkerGrew { kind: Kind::Shared, .. } => {
                "look at its memfds, tmpfs files and shared segments".into()
            }
            Doubt::WorkerGrew { kind: Kind::Own, .. } => "judge it in a run of its own, or by the hour".into(),
            Doubt::WorkerGrew { .. } => "look at its mappings in /proc/PID/smaps".into(),
            Doubt::Born { .. } => {
                "look at their parent: what they are born with is its memory, or what they load".into()
            }
            Doubt::Idle { .. } | Doubt::AllButIdle { .. } => "watch it while it works, or give it a load".into(),
            Doubt::Unreadable { .. } | Doubt::NoAccount => {
                "run seepage as a user who may read all of the target".into()
            }
        }
    }

    /// The gate that it leaves open.
    pub fn gate(&self) -> Gate {
        let (measured, allowed) = match self {
            Doubt::NoLineMatches { lines, .. } => (format!("0 of {lines} lines match"), "lines that match".into()),
            Doubt::NoLines { .. } => ("no line".into(), "a line for each request".into()),
            Doubt::NotJudged { work: Work::Unknown, .. } => ("not measured".into(), "the judged processes".into()),
            Doubt::NotJudged { work: Work::Most(share) | Work::Part(share), .. } => {
                (format!("{} by the judged processes", percent(*share)), "the judged processes".into())
            }
            Doubt::Strangers { counted, strangers, .. } => {
                (format!("{strangers} of {counted} of others"), "those of judged processes".into())
            }
            Doubt::CountsApart { counted, sent } => (format!("{counted} counted"), format!("about the {sent} sent")),
            Doubt::OwnLookUps { own, .. } => (format!("{own} of our own"), "those of the load".into()),
            Doubt::RestGrew { all, .. } => all.measured(Resource::Memory),
            Doubt::WorkerGrew { grown, .. } | Doubt::Born { grown, .. } => grown.measured(Resource::Memory),
            Doubt::MoreProcesses { processes: counts, .. } | Doubt::Zombies { zombies: counts, .. } => {
                counts.measured(Resource::Threads)
            }
            Doubt::Idle { worked, parts, .. } => (format!("{worked} of {parts} parts"), "most of them".into()),
            Doubt::AllButIdle { cpu, .. } => (format!("{} of CPU time", format_seconds(*cpu)), "some work".into()),
            Doubt::Unreadable { .. } | Doubt::NoAccount => ("not measured".into(), "within the budget".into()),
        };
        Gate { name: self.name().into(), state: GateState::Unknown, measured, allowed }
    }
}

fn percent(share: f64) -> String {
    format!("{} %", format_count((100.0 * share).round()))
}
