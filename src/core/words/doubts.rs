//! Reasons not to pass, in words.

use crate::answer::{Choice, Doubt, Grown, Kind, Named, Work};
use crate::model::{
    Axis, Resource, TableDoubt, amount, format_bytes, format_count, format_seconds, rate, shown_command, whole_percent,
};

/// A process: `PID 12 (shop)`.
pub fn named(who: &Named) -> String {
    match who.command.as_str() {
        "" => format!("PID {}", who.pid),
        command => format!("PID {} ({})", who.pid, shown_command(command)),
    }
}

/// What to write so that the processes are judged.
pub(super) fn chosen(choice: &Choice) -> String {
    match (choice.workers, choice.attached) {
        (Some(workers), true) => format!("`--workers {workers}`"),
        (Some(workers), false) => format!("`workers = \"{workers}\"`"),
        (None, true) => "`--match` and a part of its command line".into(),
        (None, false) => "`workers = { match = ... }` and a part of its command line".into(),
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Judged(Resource::Memory) => "anonymous + swap",
        Kind::Judged(resource) => resource.name(),
        Kind::OfTable(kind) => kind.full(),
        Kind::Huge => "memory in huge pages",
        Kind::OldGeneration => "the old generation",
        Kind::Metaspace => "metaspace",
    }
}

/// The resource whose units and budget count.
fn resource(kind: Kind) -> Resource {
    if let Kind::Judged(resource) = kind { resource } else { Resource::Memory }
}

pub(super) fn levels(resource: Resource, grown: &Grown) -> String {
    format!("from {} to {}", amount(resource, grown.from), amount(resource, grown.to))
}

pub(super) fn growth(resource: Resource, grown: &Grown) -> String {
    rate(resource, grown.axis, grown.rate)
}

/// Whose it is, where there is more than one series.
fn of(whose: &str) -> String {
    if whose.is_empty() { String::new() } else { format!(" of {whose}") }
}

/// What is in doubt, as the name of a gate.
pub fn name(doubt: &Doubt) -> &'static str {
    match doubt {
        Doubt::NoLineMatches { .. } | Doubt::NoLines { .. } | Doubt::Strangers { .. } => "log",
        Doubt::CountsApart { .. } | Doubt::OwnLookUps { .. } => "count of requests",
        Doubt::NotJudged { .. } => "who worked",
        Doubt::NamedEnded { .. } => "watched to the end",
        Doubt::HiddenGrew { who: Some(_), .. } => "one of the rest",
        Doubt::HiddenGrew { who: None, .. } => "all together",
        Doubt::Unreadable { .. } => "not judged",
        Doubt::WorkerGrew { kind, .. } | Doubt::BriefGrew { kind, .. } => kind_name(*kind),
        Doubt::GrewUnseen { kind, .. } => kind_name(*kind),
        Doubt::Uncollected { .. } => kind_name(Kind::OldGeneration),
        Doubt::WiderGrew { kind, .. } => kind.full(),
        Doubt::MemoryFilesGrew { .. } => "files in memory",
        Doubt::Born { .. } => "size at birth",
        Doubt::PiledUp { .. } => "workers",
        Doubt::Idle { .. } | Doubt::AllButIdle { .. } => "time at work",
        Doubt::Silent { metric, .. } => metric.name(),
        Doubt::Table(_) => "table",
    }
}

/// What was seen, in a sentence without a full stop.
pub fn reason(doubt: &Doubt) -> String {
    let count = |n: u64| format_count(n as f64);
    match doubt {
        Doubt::NoLineMatches { lines, first } => {
            format!("0 of {} lines of the log match the pattern; the first is `{first}`", count(*lines))
        }
        Doubt::NoLines { sent } => {
            format!("no line was written to the log, though {} requests were sent", count(*sent))
        }
        Doubt::NotJudged { who, more, work, .. } => {
            let (who, them, run, work_too) = match more {
                0 => (format!("{} is not judged", named(who)), "it", "runs", "works"),
                more => (format!("{} and {} more are not judged", named(who), count(*more)), "they", "run", "work"),
            };
            let share =
                |share: f64| format!("the judged processes used {} of the service's CPU time", whole_percent(share));
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
        Doubt::WorkerGrew { who, kind, grown } => {
            let idle = match (kind, grown.axis) {
                (Kind::Huge | Kind::OldGeneration | Kind::Metaspace, _) => "",
                (_, Axis::SharedRequests) => ", which by its CPU time served hardly a request,",
                _ => ", which served next to no request,",
            };
            format!(
                "{} of {}{idle} grew {}, by {}",
                kind_name(*kind),
                named(who),
                levels(resource(*kind), grown),
                growth(resource(*kind), grown)
            )
        }
        Doubt::BriefGrew { who, kind, readings, grown } => format!(
            "{} of {} grew {} in {readings} readings, too few to judge it, and by more than the budget allows in the whole run",
            kind_name(*kind),
            named(who),
            levels(resource(*kind), grown)
        ),
        Doubt::GrewUnseen { who, kind, gaps, seconds, grown } => format!(
            "{}{} grew {}, by {} in the {} without readings alone ({})",
            kind_name(*kind),
            who.as_ref().map_or(String::new(), |who| format!(" of {}", named(who))),
            levels(resource(*kind), grown),
            growth(resource(*kind), grown),
            if *gaps == 1 { "time".to_owned() } else { format!("{} times", count(*gaps as u64)) },
            format_seconds(*seconds),
        ),
        Doubt::Uncollected { who, grown } => format!(
            "{} of {} grew {}, by {}, and too few collections were seen to tell objects from garbage",
            kind_name(Kind::OldGeneration),
            named(who),
            levels(Resource::Memory, grown),
            growth(Resource::Memory, grown)
        ),
        Doubt::WiderGrew { column, kind, grown } => format!(
            "{} in column `{column}` grew {}, by {}, though what is judged of it does not: it may be shared memory, or files",
            kind.full(),
            levels(Resource::Memory, grown),
            growth(Resource::Memory, grown)
        ),
        Doubt::NamedEnded { who, after } => {
            format!("{}, which was to be watched, ended after {}", named(who), format_seconds(after.round()))
        }
        Doubt::HiddenGrew { who: Some(who), grown } => format!(
            "{} grew {}, by {}, though the rest as a whole does not show it",
            named(who),
            levels(Resource::Memory, grown),
            growth(Resource::Memory, grown)
        ),
        Doubt::HiddenGrew { who: None, grown } => format!(
            "memory of all processes together grew {}, by {}, though none grew that is there for longer than a moment",
            levels(Resource::Memory, grown),
            growth(Resource::Memory, grown)
        ),
        Doubt::MemoryFilesGrew { grown } => format!(
            "files in memory (memfds, files on tmpfs, System V segments) that the target holds grew {}, by {}, though no worker shows \
             it: they aren't mapped",
            levels(Resource::Tmpfs, grown),
            growth(Resource::Tmpfs, grown)
        ),
        Doubt::Born { births, grown, each } => {
            format!(
                "each new worker is born {} bigger: {} over {births} births",
                format_bytes(*each),
                levels(Resource::Memory, grown)
            )
        }
        Doubt::PiledUp { from, to, grown } => format!(
            "there are {} workers where {} were, and together they hold {}",
            count(*to),
            count(*from),
            levels(Resource::Memory, grown)
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
            format!("processes of the target that are not judged and could not be read: {}", count(*processes))
        }
        Doubt::Silent { metric, looks: 0, .. } => format!("`{}` was never looked at in the judged time", metric.name()),
        Doubt::Silent { metric, looks, missing, since } => format!(
            "`{}` was missing at {} of {} looks{}: what it did then, nobody saw",
            metric.name(),
            count(*missing as u64),
            count(*looks as u64),
            since.map_or_else(String::new, |t| format!(", first after {}", format_seconds(t.round())))
        ),
        Doubt::Table(TableDoubt::Sawtooth { falls, whose }) => format!(
            "memory{} falls {}: the process may have been restarted{}, and leak, or a collector may have done it",
            of(whose),
            if *falls == 1 {
                "once, to below where it began".into()
            } else {
                format!("{} times to where it began", count(*falls))
            },
            if *falls == 1 { "" } else { " each time" },
        ),
        Doubt::Table(TableDoubt::Held { readings, whose }) => format!(
            "the last {} readings{} are all the same, and those before were not: the process may have ended, and its \
             last value been repeated",
            count(*readings),
            of(whose)
        ),
        Doubt::Table(TableDoubt::Unjudged { column, from, to, whose }) => format!(
            "column `{column}`{}, which is not judged, grows from {} to {}, and may hold what leaks",
            of(whose),
            format_count(*from),
            format_count(*to)
        ),
        Doubt::Table(TableDoubt::Uncounted { readings, from, to, whose }) => format!(
            "memory{} grows from {} to {} in the last {} readings, in which no request is counted",
            of(whose),
            format_bytes(*from),
            format_bytes(*to),
            count(*readings)
        ),
    }
}

/// What to do about it, in a sentence without a full stop.
pub fn remedy(doubt: &Doubt) -> String {
    match doubt {
        Doubt::NoLineMatches { .. } => {
            "mend the pattern of the log, so that its group `pid` matches the worker's PID".into()
        }
        Doubt::NoLines { .. } => "name the log that the workers write, or count requests in another way".into(),
        Doubt::NotJudged { choice, .. } => format!("judge them with {}", chosen(choice)),
        Doubt::Strangers { .. } => "judge the processes that the log names, or mend its pattern".into(),
        Doubt::CountsApart { .. } => "count each request once, and send no others".into(),
        Doubt::OwnLookUps { .. } => "count requests in a log, which look-ups don't change".into(),
        Doubt::WorkerGrew { kind: Kind::Judged(_) | Kind::OfTable(_), grown, .. } if grown.axis == Axis::SharedRequests => {
            "count what each worker serves, in a log or a status page".into()
        }
        Doubt::WorkerGrew { kind: Kind::Judged(_) | Kind::OfTable(_), .. } => "judge it in a run of its own, or by the hour".into(),
        Doubt::WorkerGrew { kind: Kind::OldGeneration, who, .. } => {
            format!("`jcmd {} GC.class_histogram` counts what is in it", who.pid)
        }
        Doubt::Uncollected { who, .. } => {
            format!("`jcmd {} GC.run` makes one: watch it for longer, through several", who.pid)
        }
        Doubt::WorkerGrew { kind: Kind::Metaspace, who, .. } => {
            format!("`jcmd {} VM.classloader_stats` says whose classes are in it", who.pid)
        }
        Doubt::WorkerGrew { .. } => "look at its mappings in /proc/PID/smaps".into(),
        Doubt::BriefGrew { .. } => "watch it for longer, or read it more often: as often as the others".into(),
        Doubt::GrewUnseen { .. } => "have it read all the time: two readings so far apart don't tell a step from growth that goes on".into(),
        Doubt::WiderGrew { column, .. } => format!(
            "a column of shared memory beside it decides it (`RssShmem` of /proc/PID/status, `shmem` of memory.stat), or judge this one: \
             --memory '{column}'"
        ),
        Doubt::NamedEnded { .. } => "find out why it ended, and watch those that live".into(),
        Doubt::HiddenGrew { who: Some(_), .. } => "judge it in a run of its own".into(),
        Doubt::HiddenGrew { who: None, .. } => {
            "look for processes that hand their memory on to a fork of themselves before they end".into()
        }
        Doubt::MemoryFilesGrew { .. } => {
            "`ls -l /proc/PID/fd` has the files that a process holds open, and `ipcs -mp` the segments and who made them".into()
        }
        Doubt::Born { .. } => "look at their parent, whose memory they are born with, and at what they load".into(),
        Doubt::PiledUp { .. } => {
            "find out whether old ones are left behind, or judge a time in which as many are wanted at last as at first".into()
        }
        Doubt::Idle { .. } | Doubt::AllButIdle { .. } => "watch it while it works, or give it a load".into(),
        Doubt::Unreadable { .. } => "run seepage as a user who may read all of the target".into(),
        Doubt::Silent { .. } => {
            "find out why its source stopped answering, which the notes tell, or give it a longer `timeout`".into()
        }
        Doubt::Table(TableDoubt::Sawtooth { .. }) => {
            "a column that tells lives apart would decide it: `process_start_time_seconds`, `start` or `pid`, or a running \
             count of requests"
                .into()
        }
        Doubt::Table(TableDoubt::Unjudged { column, .. }) => format!(
            "judge it by itself with --memory '{column}' (or --fds, --threads), or leave the column out if it holds nothing of the kind"
        ),
        Doubt::Table(TableDoubt::Uncounted { .. }) => "judge it by the hour: --budget '1 MiB/hour'".into(),
        Doubt::Table(TableDoubt::Held { .. }) => {
            "if it lives, a running count of its requests, or any column beside it that moves while it works, shows it; if it has \
             ended, leave these readings out"
                .into()
        }
    }
}

/// What was measured, and what is allowed, as a gate shows them.
pub fn measured(doubt: &Doubt) -> (String, String) {
    let held = |of: Resource, grown: &Grown| (growth(of, grown), rate(of, grown.axis, grown.allowed));
    match doubt {
        Doubt::NoLineMatches { lines, .. } => (format!("0 of {lines} lines match"), "lines that match".into()),
        Doubt::NoLines { .. } => ("no line".into(), "a line for each request".into()),
        Doubt::NotJudged { work: Work::Unknown, .. } => ("not measured".into(), "the judged processes".into()),
        Doubt::NotJudged { work: Work::Most(share) | Work::Part(share), .. } => {
            (format!("{} by the judged processes", whole_percent(*share)), "the judged processes".into())
        }
        Doubt::Strangers { counted, strangers, .. } => {
            (format!("{strangers} of {counted} of others"), "those of judged processes".into())
        }
        Doubt::CountsApart { counted, sent } => (format!("{counted} counted"), format!("about the {sent} sent")),
        Doubt::OwnLookUps { own, .. } => (format!("{own} of our own"), "those of the load".into()),
        Doubt::NamedEnded { after, .. } => (format!("for {}", format_seconds(after.round())), "to the end".into()),
        Doubt::WorkerGrew { kind, grown, .. }
        | Doubt::BriefGrew { kind, grown, .. }
        | Doubt::GrewUnseen { kind, grown, .. } => held(resource(*kind), grown),
        Doubt::MemoryFilesGrew { grown } => held(Resource::Tmpfs, grown),
        Doubt::PiledUp { grown, .. }
        | Doubt::Born { grown, .. }
        | Doubt::HiddenGrew { grown, .. }
        | Doubt::WiderGrew { grown, .. }
        | Doubt::Uncollected { grown, .. } => held(Resource::Memory, grown),
        Doubt::Idle { worked, parts, .. } => (format!("{worked} of {parts} parts"), "most of them".into()),
        Doubt::AllButIdle { cpu, .. } => (format!("{} of CPU time", format_seconds(*cpu)), "some work".into()),
        Doubt::Unreadable { .. } => ("not measured".into(), "within the budget".into()),
        Doubt::Silent { looks, missing, .. } => (format!("{missing} of {looks} looks missing"), "at all looks".into()),
        Doubt::Table(TableDoubt::Sawtooth { falls, .. }) => {
            (format!("{falls} fall{}", if *falls == 1 { "" } else { "s" }), "one meaning".into())
        }
        Doubt::Table(TableDoubt::Held { readings, .. }) => (format!("{readings} readings alike"), "one meaning".into()),
        Doubt::Table(TableDoubt::Unjudged { from, to, .. }) => {
            (format!("{} to {}", format_count(*from), format_count(*to)), "no growth".into())
        }
        Doubt::Table(TableDoubt::Uncounted { from, to, .. }) => {
            (format!("{} to {}", format_bytes(*from), format_bytes(*to)), "no growth".into())
        }
    }
}
