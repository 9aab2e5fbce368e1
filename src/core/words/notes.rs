//! What the reader should know beside a verdict, in sentences without their full stop.

use super::plain::{capital, counted};
use super::{counters, cpu_time, doubts, forecast, neighbours, places, reasons, sites, steps};
use crate::answer::{
    Claim, CrashLoad, Doubt, Finding, LastLook, NoiseCause, Note, Open, Outcome, ReadingNote, Runtime, Verdict,
    WorkerFinding,
};
use crate::model::{Resource, amount, format_bytes, format_count, format_seconds, percent, rate, whole_percent};

/// Workers whose sizes are told.
const NAMED: usize = 4;
/// Workers of a table that are listed by their names.
const LISTED: usize = 1000;

/// All that is said below the first lines, a sentence each: who keeps memory, what recycling would do, what would settle what
/// is open, and the notes.
pub fn beside(verdict: &Verdict) -> Vec<String> {
    let leaks = || verdict.findings.iter().filter(|finding| finding.outcome == Outcome::Leak);
    let findings = || verdict.findings.iter();
    // Of what leaks, the first lines say where it grows.
    let open = || findings().filter(|finding| finding.outcome != Outcome::Leak);
    let said = findings().filter_map(sizes).chain(open().filter_map(places::sentence));
    let said = said.chain(open().filter_map(places::held));
    let said = said
        .chain(leaks().filter_map(forecast::recycling))
        .chain(settling(verdict))
        .chain(verdict.cpu_time.iter().flat_map(cpu_time::sentences))
        .chain(counters::sentences(&verdict.counted))
        .chain(verdict.neighbours.iter().map(neighbours::sentence))
        .chain(notes(verdict))
        .map(|note| capital(&note));
    sites::lines(verdict).iter().map(|line| capital(line)).chain(said).collect()
}

/// Who leaks, where the first lines don't name them all.
pub fn leaking(workers: &[(u32, Option<String>)]) -> Option<String> {
    if workers.len() <= NAMED && workers.iter().all(|(_, name)| name.is_none()) {
        return None;
    }
    let name = |(pid, name): &(u32, Option<String>)| match name {
        Some(name) => format!("{name} (PID {pid})"),
        None => format!("PID {pid}"),
    };
    let mut names: Vec<String> = workers.iter().take(LISTED).map(name).collect();
    if workers.len() > LISTED {
        names.push(format!("{} more", workers.len() - LISTED));
    }
    Some(format!("these leak: {}", names.join(", ")))
}

/// How often workers crashed, with how many requests in flight, and which requests failed meanwhile.
fn crashes(load: &CrashLoad) -> String {
    let how_often = match load.crashes {
        1 => "a worker crashed".to_owned(),
        crashes => format!("workers crashed {} times", format_count(crashes as f64)),
    };
    let rate = format_count(load.crashes as f64 * 1000.0 / load.sent as f64);
    let in_flight = load.in_flight.map(|(low, high)| match (low, high) {
        (low, high) if low < high => format!(", with {low} to {high} requests in flight"),
        (_, high) => format!(", with {} in flight", counted(high, "request")),
    });
    let all = load.failed.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
    let step = |(place, (step, count)): (usize, &(String, u64))| {
        format!("{}{} `{step}`", format_count(*count as f64), if place == 0 { " were of" } else { " of" })
    };
    let steps: Vec<String> = load.failed.iter().take(NAMED).enumerate().map(step).collect();
    let failed = (all > 0).then(|| {
        let all = counted(all, "request");
        format!("; of the {all} that failed in these seconds, {}", steps.join(", "))
    });
    format!("{how_often}, {rate} for each 1000 requests{}{}", in_flight.unwrap_or_default(), failed.unwrap_or_default())
}

/// First and last sizes of what leaks, or may: of the workers that are proven to, else of all, those first that grew most:
/// `memory grew from 5.66 MiB to 10.4 MiB in PID 12`.
fn sizes(finding: &Finding) -> Option<String> {
    let verb = match finding.outcome {
        Outcome::Leak => "grew",
        Outcome::Inconclusive if finding.growth.is_some_and(|growth| growth.estimate > finding.budget) => "went",
        Outcome::Inconclusive | Outcome::Clean => return None,
    };
    let grown = |worker: &WorkerFinding| worker.last - worker.first;
    let judged = || finding.workers.iter().filter(|w| w.growth.is_some() && grown(w) > 0.0);
    let mut told: Vec<&WorkerFinding> = judged().filter(|w| w.leaks).collect();
    if told.is_empty() {
        told = judged().collect();
    }
    told.sort_by(|a, b| grown(b).total_cmp(&grown(a)));
    let size = |value: f64| amount(finding.resource, value);
    let whose = |worker: &WorkerFinding| worker.worker.map_or_else(String::new, |w| format!(" in PID {}", w.pid));
    let each: Vec<String> =
        told.iter().take(NAMED).map(|w| format!("from {} to {}{}", size(w.first), size(w.last), whose(w))).collect();
    let more = match told.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and less in {more} more"),
    };
    (!each.is_empty()).then(|| format!("{} {verb} {}{more}", finding.resource, each.join(", ")))
}

/// What would settle the findings that are open, each said once; the first lines say it of the finding that they are on.
fn settling(verdict: &Verdict) -> Vec<String> {
    let first = verdict.claims.iter().find_map(|claim| match claim {
        Claim::Open(Open::Finding(place)) => reasons::settle(verdict.findings.get(*place)?),
        _ => None,
    });
    let mut said: Vec<(String, Vec<&str>)> = Vec::new();
    for finding in verdict.findings.iter().filter(|finding| finding.outcome == Outcome::Inconclusive) {
        let Some(settle) = reasons::settle(finding).filter(|settle| Some(settle) != first.as_ref()) else { continue };
        match said.iter_mut().find(|(words, _)| *words == settle) {
            Some((_, resources)) => resources.push(finding.resource.name()),
            None => said.push((settle, vec![finding.resource.name()])),
        }
    }
    said.into_iter().map(|(settle, resources)| format!("to settle {}: {settle}", resources.join(", "))).collect()
}

/// The notes of a verdict, each said once.
pub fn notes(verdict: &Verdict) -> Vec<String> {
    let first = verdict.claims.iter().find_map(|claim| match claim {
        Claim::Open(Open::Doubt(doubt)) => Some(doubt),
        _ => None,
    });
    let leaks = verdict.findings.iter().any(|finding| finding.outcome == Outcome::Leak);
    // The first lines have the first doubt, and what to do about it.
    let untold = |note: &&Note| !matches!(note, Note::Doubt(doubt) if Some(doubt) == first);
    let mut out: Vec<String> = Vec::new();
    let by_step = verdict.findings.iter().flat_map(steps::notes);
    let (doubts, others): (Vec<&Note>, Vec<&Note>) =
        verdict.notes.iter().filter(untold).partition(|note| matches!(note, Note::Doubt(_)));
    let said = |notes: Vec<&Note>| notes.into_iter().filter_map(|note| one(note, leaks)).collect::<Vec<_>>();
    for note in said(doubts).into_iter().chain(by_step).chain(said(others)) {
        if !out.contains(&note) {
            out.push(note);
        }
    }
    out
}

/// A note; `None` if it isn't worth a word.
fn one(note: &Note, leaks: bool) -> Option<String> {
    Some(match note {
        // What leaks doesn't have to have worked.
        Note::Doubt(Doubt::Idle { .. } | Doubt::AllButIdle { .. }) if leaks => return None,
        Note::Doubt(doubt) => format!("{}; {}", doubts::reason(doubt), doubts::remedy(doubt)),
        Note::Counting(worth) => format!("requests: {}", worth.trim_end_matches('.')),
        Note::Returned { returned, grown, workers } => {
            let share = (returned / grown).clamp(0.0, 1.0);
            let whose = if *workers == 1 { "the worker".to_owned() } else { format!("the {workers} workers") };
            let (back, share) = match share {
                none if none < 0.001 => ("none".to_owned(), String::new()),
                share => (format_bytes(*returned), format!(" ({})", percent(share))),
            };
            let grown = format_bytes(*grown);
            format!("when the load paused, {back} of the {grown} that {whose} had grown by came back{share}")
        }
        Note::OldGenerationFlat { pid, upper, axis } => format!(
            "the old generation of the Java heap of PID {pid} doesn't grow ({} at most): its objects don't pile up, and what grows is \
             the room that the heap takes, or outside of it (`jcmd {pid} VM.native_memory`, if it was started with \
             `-XX:NativeMemoryTracking=summary`)",
            rate(Resource::Memory, *axis, *upper)
        ),
        Note::NextStep { runtime, pid } => next_step(*runtime, *pid),
        Note::SharedElsewhere { grown, of_group } => {
            let whose = if *of_group { "the target's control group" } else { "the whole host" };
            format!(
                "shared memory of {whose} grew{}, by {}, and not in what the target maps or holds open: whether it left files on a tmpfs or \
                 segments behind can't be seen; `--budget 'tmpfs=1 MiB/hour'` judges all of it",
                // Its ends alone may lie otherwise than its growth.
                if grown.to > grown.from { format!(" {}", doubts::levels(Resource::Tmpfs, grown)) } else { String::new() },
                doubts::growth(Resource::Tmpfs, grown)
            )
        }
        Note::Crashes(load) => crashes(load),
        Note::MissedDeadlines { count, own } => {
            let missed = counted(*count, "deadline");
            let elsewhere = "the host was busy, or the harness stopped";
            match own {
                0 => format!("the sampler missed {missed}: {elsewhere}"),
                own if own >= count => format!("the sampler missed {missed}: its own readings took longer than that"),
                own => format!("the sampler missed {missed}, {own} of them for its own readings, which took longer; for the others {elsewhere}"),
            }
        }
        Note::Looks(looks) => return looked(looks, leaks),
        Note::Noise(causes) => {
            let causes: Vec<String> = causes.iter().map(noise).collect();
            format!("the host was noisy: {}; don't trust latencies, and repeat a close verdict", causes.join(", "))
        }
        Note::Library => "the target ran with the preload library of --heap in it, and failed; run it again without --heap: if \
                          it fails then too, the library is not to blame, and if it doesn't, please report what the target is"
            .into(),
        Note::SeldomLooked => {
            "allocations or fresh pages were sampled, but what stays of them was looked at too seldom to say who keeps memory".into()
        }
        Note::Readings(note) => reading(note),
        Note::Leaking(workers) => leaking(workers)?,
        Note::Recorded(text) => text.clone(),
        Note::Unreadable(text) => format!("not readable: {text}"),
    })
}

/// What asks a runtime for what it keeps.
fn next_step(runtime: Runtime, pid: u32) -> String {
    match runtime {
        Runtime::Java => format!("what is in its Java heap, `jcmd {pid} GC.class_histogram` says: once, and again later"),
        Runtime::DotNet => format!("what is in its .NET heap, `dotnet-gcdump collect -p {pid}` says: once, and again later"),
        Runtime::Node => format!(
            "what is in its JavaScript heap, a heap snapshot says: `kill -USR1 {pid}` opens its inspector to chrome://inspect, or start it with \
             `--heapsnapshot-signal=SIGUSR2`"
        ),
        Runtime::Go => "what is in its Go heap, `go tool pprof http://HOST:PORT/debug/pprof/heap` says, if it serves `net/http/pprof`".into(),
        Runtime::Php => "what PHP keeps, its extension memprof says; what grows beyond `memory_get_usage(true)` is an extension's or the C \
                         library's"
            .into(),
        Runtime::Python => format!(
            "what Python keeps, `memray attach {pid}` says, or `tracemalloc` in it; what neither shows is a C extension's: `seepage run --heap`"
        ),
        Runtime::Ruby => "what Ruby keeps, `ObjectSpace.dump_all` in it says: once, and again later".into(),
    }
}

fn noise(cause: &NoiseCause) -> String {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    match cause {
        NoiseCause::Stolen(share) => format!("the hypervisor took {} of its CPU time", percent(*share)),
        NoiseCause::MemoryWait(share) => format!("processes waited for memory for {} of the time", percent(*share)),
        NoiseCause::CpuWait(share) => format!("processes waited for a CPU for {} of the time", percent(*share)),
        NoiseCause::Swapped(bytes) => format!("{} went to swap", format_bytes(*bytes)),
    }
}

/// What the reader should know of the readings, a sentence without its full stop.
pub fn reading(note: &ReadingNote) -> String {
    match note {
        ReadingNote::Uncounted(resource, count) => {
            format!("left out for want of a request count: {} of {resource}", counted(*count, "reading"))
        }
        ReadingNote::Unread(resource, count) => {
            format!("{resource} could not be read in {}", counted(*count, "reading"))
        }
        ReadingNote::Dropped(resource, count) => {
            format!(
                "left out, as not a number or read by a clock that ran backwards: {} of {resource}",
                counted(*count, "reading")
            )
        }
        ReadingNote::Cut(_, workers) => format!(
            "the request count of {} ran backwards; only the longest stretch without a break is judged",
            counted(*workers, "worker")
        ),
        ReadingNote::HostWide => {
            "tmpfs is measured on the whole host, for want of a control group of the target's own: other \
                                  programs' files count too"
                .into()
        }
        ReadingNote::ByPauses(pauses) => {
            format!("the levels in {pauses} pauses of the load are judged, not those under load")
        }
        ReadingNote::FewPauses(few) => format!(
            "over {} pauses of the load, what workers still held grew by about {} (median over workers); {} pauses are needed \
             to judge by it",
            few.pauses,
            rate(Resource::Memory, few.axis, few.growth),
            few.needed
        ),
    }
}

/// That looks before the end proved the answer, if they did; `leaks` if the verdict is a leak.
fn looked(looks: &LastLook, leaks: bool) -> Option<String> {
    let LastLook { t, share, alpha, proven } = looks;
    Some(match share {
        _ if !proven => return None,
        Some(share) => {
            let length = whole_percent(*share);
            let early = ": growth was already more than the budget allows for the whole soak. A cache that fills later would \
                         look the same; `--stop planned` goes on to the end";
            let early = if leaks && *share < 1.0 { early } else { "" };
            match leaks {
                true => format!(
                    "the soak ended at {length} of its planned length, because the leak was proven (chance of error {}){early}",
                    percent(*alpha)
                ),
                false => {
                    format!("the soak ended at {length} of its planned length, because every limit was proven to hold")
                }
            }
        }
        None => {
            let (what, more) = match leaks {
                true => ("growth was", ". A cache that fills for longer would look the same; `--for` watches on"),
                false => ("every limit was", ""),
            };
            let after = format_seconds(t.round());
            format!("the watch ended after {after}, because {what} proven to hold, look after look{more}")
        }
    })
}
