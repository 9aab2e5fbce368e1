//! A look at the first load: whether the harness file fits the target. What doesn't is told in the first seconds, with the
//! cause; what shows only later is left to the verdict.

use super::end::Cut;
use super::sampler::{Counted, Sampler};
use crate::config::{Harness, LogConfig, StepConfig, Workers, redacted_words, without_secrets};
use crate::model::{EventKind, LoadSample, RunRecord, format_count, shown_command};
use crate::probe::{LinesRead, listen_nowhere, listening_addresses};
use crate::supervise::{Kindred, Launched, ticks};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use url::Url;

/// How long the first load is let be: a server's first answers may be slow.
const PATIENCE: Duration = Duration::from_secs(3);

/// The same where nothing is sent: processes for work may come with the first work.
const UNDRIVEN: Duration = Duration::from_secs(10);

/// How long it is looked: what fitted until then fits.
const LONGEST: Duration = Duration::from_secs(30);

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(500);

/// Answers, of a step or of all, of which not one is right when something is wrong.
const ENOUGH: u64 = 20;

/// Answers after which a log that is there has a line: some are written in blocks.
const BLOCKS: u64 = 5000;

/// Answers that cost every server some hundredths of a second.
const AT_NO_COST: u64 = 2000;

/// The part of the counted requests above which they belong to others than the judged workers.
const OF_OTHERS: f64 = 0.9;

/// Processes, or addresses, that are listed.
const LISTED: usize = 6;

/// Looks at the first load until it is seen to fit, or for half a minute.
#[derive(Debug, Default)]
pub struct FirstLook {
    begun: Option<Instant>,
    next: Option<Instant>,
    done: bool,
    at_rest: AtRest,
    /// Since when nobody of the target is seen to listen anywhere, and answers before.
    deaf: Option<(Instant, u64)>,
}

/// A stretch of the load in which the target used next to no CPU time.
#[derive(Debug, Default)]
struct AtRest {
    /// Answers before it.
    answered: u64,
    /// Ticks of CPU time that each process had used.
    ticks: BTreeMap<u32, u64>,
}

impl AtRest {
    /// Takes in what the processes have used since it was looked last; the answers in the time since when they are at rest.
    fn see(&mut self, answered: u64, ticks: BTreeMap<u32, u64>) -> u64 {
        let used: u64 =
            ticks.iter().map(|(pid, now)| now.saturating_sub(self.ticks.get(pid).copied().unwrap_or_default())).sum();
        if used > 1 || self.ticks.is_empty() {
            *self = AtRest { answered, ticks };
        }
        answered - self.answered
    }
}

/// What is looked at.
pub struct Seen<'a> {
    /// What was asked for.
    pub harness: &'a Harness,
    /// What is known of the run.
    pub record: &'a RunRecord,
    /// The target.
    pub launched: &'a Launched,
    /// The services beside it, one of which may be in front of it.
    pub services: Vec<&'a Launched>,
}

impl FirstLook {
    /// The first load begins, if it hasn't yet.
    pub fn begin(&mut self) {
        self.begun.get_or_insert_with(Instant::now);
    }

    /// Takes a look, if it is time for one.
    ///
    /// # Errors
    /// If the harness file doesn't fit the target, or a step doesn't get what it expects.
    pub fn look(&mut self, seen: &Seen<'_>, sampler: &Sampler) -> Result<(), Cut> {
        let Some(begun) = self.begun.filter(|_| !self.done) else { return Ok(()) };
        let now = Instant::now();
        if begun.elapsed() < patience(seen) || self.next.is_some_and(|next| now < next) {
            return Ok(());
        }
        self.next = Some(now + EVERY);
        self.done = begun.elapsed() > LONGEST;
        seen.whose_answers(&mut self.at_rest, &mut self.deaf).map_err(Cut::setup)?;
        self.look_now(seen, sampler)
    }

    /// Looks at the end of a phase, however short it was.
    ///
    /// # Errors
    /// Like [`look`](Self::look).
    pub fn look_now(&self, seen: &Seen<'_>, sampler: &Sampler) -> Result<(), Cut> {
        let Some(begun) = self.begun.filter(|_| !self.done) else { return Ok(()) };
        if begun.elapsed() >= patience(seen) {
            seen.workers().map_err(Cut::setup)?;
        }
        seen.steps().map_err(Cut::workload)?;
        match sampler.counted() {
            // A page is asked seldom: that it could not be read at first says little.
            Some(counted) if begun.elapsed() < UNDRIVEN => {
                seen.counting(&Counted { error: None, ..counted }).map_err(Cut::setup)
            }
            Some(counted) => seen.counting(&counted).map_err(Cut::setup),
            None => Ok(()),
        }
    }
}

/// How long it takes until something is to be seen.
fn patience(seen: &Seen<'_>) -> Duration {
    if seen.harness.workload.is_some() { PATIENCE } else { UNDRIVEN }
}

impl Seen<'_> {
    /// Whether there are workers, or ever were.
    fn workers(&self) -> Result<(), String> {
        let come = |kind: &EventKind| matches!(kind, EventKind::Spawned { .. });
        if self.record.events.iter().any(|event| come(&event.kind)) {
            return Ok(());
        }
        if self.harness.target.workers == Workers::Auto {
            // Who they are is still being found out.
            return Ok(());
        }
        let all = self.launched.kindred();
        let first = all.iter().find(|process| process.depth == 0);
        let named = |process: &Kindred| format!("PID {} ({})", process.pid, shown_command(&process.command));
        let first = first.map_or_else(|| "the launched process".into(), named);
        Err(match &self.harness.target.workers {
            Workers::Match(pattern) => {
                let line = |process: &Kindred| {
                    let words = redacted_words(&process.words).join(" ");
                    format!("\n{}  {}", process.pid, words.chars().take(100).collect::<String>())
                };
                let list: String = all.iter().take(LISTED).map(line).collect();
                format!(
                    "no process of the target has a command line that matches `{pattern}`; those that there are:{list}"
                )
            }
            Workers::Itself | Workers::Auto => "the launched process can't be read".into(),
            Workers::Children | Workers::Descendants => format!(
                "{first} has no children, and they are what is judged\n`workers = \"self\"` in [target] judges it itself"
            ),
        })
    }

    /// Whether it is the target that answers: another server may have the port that is asked.
    fn whose_answers(&self, at_rest: &mut AtRest, deaf: &mut Option<(Instant, u64)>) -> Result<(), String> {
        let Some(workload) = &self.harness.workload else { return Ok(()) };
        let pids = self.pids();
        let used = pids.iter().filter_map(|pid| Some((*pid, ticks(*pid)?))).collect();
        let answers = at_rest.see(self.answered(), used);
        let place = || without_secrets(&workload.base_url.join(", "));
        let listens_nowhere = !workload.base_url.is_empty() && listen_nowhere(&pids);
        *deaf = listens_nowhere.then(|| deaf.unwrap_or((Instant::now(), self.answered())));
        // A service that starts again listens nowhere for a moment.
        let lasts = deaf.filter(|(since, _)| since.elapsed() >= PATIENCE);
        if let Some(count) = lasts.map(|(_, before)| self.answered() - before).filter(|count| *count >= ENOUGH) {
            return Err(format!(
                "it isn't the target that answers at {}: the target listens nowhere, during {} answers\nAnother server has that port, \
                 maybe an earlier copy: end it, or have the target listen at a free port, `${{port}}` in its command",
                place(),
                format_count(count as f64)
            ));
        }
        let port = |url: &String| Url::parse(url).ok()?.port_or_known_default();
        let asked: Option<Vec<u16>> = workload.base_url.iter().map(port).collect();
        let Some(asked) = asked.filter(|asked| !asked.is_empty() && answers >= AT_NO_COST) else { return Ok(()) };
        let listens = listening_addresses(&pids);
        if listens.is_empty() || listens.iter().any(|address| asked.contains(&address.port())) {
            return Ok(());
        }
        let listens: Vec<String> = listens.iter().take(LISTED).map(ToString::to_string).collect();
        Err(format!(
            "it isn't the target that answers at {}: it listens at {}, and used next to no CPU time during {} answers\nAnother server has \
             that port. Ask the target: `--url`, in a harness file `ready` and `base-url`; `${{port}}` in its command is a free port",
            place(),
            listens.join(", "),
            format_count(answers as f64)
        ))
    }

    /// All processes that were launched.
    fn pids(&self) -> Vec<u32> {
        let all = [self.launched].into_iter().chain(self.services.iter().copied());
        all.flat_map(|launched| launched.kindred().into_iter().map(|process| process.pid)).collect()
    }

    /// Requests that were answered as expected.
    fn answered(&self) -> u64 {
        self.record.load.iter().fold(0, |sum: u64, load| sum.saturating_add(load.ok))
    }

    /// Whether each step gets what it expects.
    fn steps(&self) -> Result<(), String> {
        self.harness.steps().iter().try_for_each(|step| {
            let of_step = || self.record.load.iter().filter(|load| load.step == step.name);
            let sum = |number: fn(&LoadSample) -> u64| of_step().map(number).fold(0, u64::saturating_add);
            let (ok, failed) = (sum(|load| load.ok), sum(|load| load.failed));
            if ok > 0 || failed < ENOUGH {
                return Ok(());
            }
            let pids = self.pids();
            Err(refused(step, failed, of_step(), &listening_addresses(&pids)))
        })
    }

    /// Whether requests are counted for the workers that are judged.
    fn counting(&self, counted: &Counted) -> Result<(), String> {
        let answered = self.answered();
        if let Some(error) = counted.error.as_ref().filter(|_| answered >= ENOUGH) {
            return Err(format!("the requests of the workers can't be counted: {error}\n[requests] says by what"));
        }
        let (Some(log), Some(read)) = (&self.harness.requests.log, &counted.lines) else { return Ok(()) };
        let LinesRead { lines, matched, unmatched } = read;
        match (lines, matched) {
            (0, _) => self.no_lines(log, answered),
            // Other lines may come first, and those of requests in a block later.
            (_, 0) if *lines >= ENOUGH.min(answered) && 4 * lines >= answered => {
                let pids = self.pids();
                Err(not_understood(log, *lines, unmatched.as_deref().unwrap_or_default(), &pids))
            }
            _ if *matched >= ENOUGH && counted.strangers as f64 > OF_OTHERS * *matched as f64 => {
                if matches!(self.harness.target.workers, Workers::Match(_)) {
                    // Where it matches nobody, that is the cause.
                    self.workers()?;
                }
                Err(self.strangers(*matched, counted))
            }
            _ => Ok(()),
        }
    }

    fn no_lines(&self, log: &LogConfig, answered: u64) -> Result<(), String> {
        let is_there = Path::new(&log.path).exists();
        if answered < if is_there { BLOCKS } else { ENOUGH } {
            return Ok(());
        }
        let count = format_count(answered as f64);
        Err(if is_there {
            format!(
                "no line was written to {}, though {count} requests were answered\nHave the target write a line for each \
                 request, at once and not in blocks, or take [requests.log] out",
                log.path
            )
        } else {
            format!(
                "no line was written to {}, which isn't there, though {count} requests were answered\nHave the target \
                 write its access log there, or name the one that it writes: `path` in [requests.log]",
                log.path
            )
        })
    }

    /// That the log names others than the judged workers, and what would judge them.
    fn strangers(&self, matched: u64, counted: &Counted) -> String {
        let (all, strangers) = (format_count(matched as f64), format_count(counted.strangers as f64));
        let kindred = self.launched.kindred();
        let stranger = kindred.iter().find(|process| Some(process.pid) == counted.stranger);
        let such = counted.stranger.map_or(String::new(), |pid| format!(", such as {pid}"));
        let what = match stranger.map(|process| process.depth) {
            Some(0) => "`workers = \"self\"` in [target] judges it".into(),
            Some(1) => "`workers = \"children\"` in [target] judges it and its like".into(),
            Some(_) => "`workers = \"descendants\"` in [target] judges it and its like".into(),
            None => format!(
                "No process of the target has this PID: see what the pattern `{}` takes for one",
                self.harness.requests.log.as_ref().map_or("", |log| &log.pattern)
            ),
        };
        format!("{strangers} of {all} lines of the log have PIDs that are not judged{such}\n{what}")
    }
}

/// That a step never gets what it expects, and what it gets.
fn refused<'a>(
    step: &StepConfig,
    failed: u64,
    load: impl Iterator<Item = &'a LoadSample>,
    listens_at: &BTreeSet<SocketAddr>,
) -> String {
    let (mut statuses, mut errors) = (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
    for second in load {
        second.statuses.iter().for_each(|(status, count)| *statuses.entry(*status).or_insert(0) += count);
        second.errors.iter().for_each(|(kind, count)| *errors.entry(kind.clone()).or_insert(0) += count);
    }
    let most = |(_, count): &(_, u64)| *count;
    let expected = step.expect.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ");
    let at: Vec<String> = listens_at.iter().take(LISTED).map(ToString::to_string).collect();
    let at = if at.is_empty() { String::new() } else { format!(": it listens at {}", at.join(", ")) };
    let request = format!("{} {}", step.method, without_secrets(&step.path));
    let (got, what) = match (statuses.into_iter().max_by_key(most), errors.into_iter().max_by_key(|(_, count)| *count))
    {
        (Some((status, _)), _) => (
            format!("is answered with status {status}, and not with {expected}"),
            match status {
                300..400 => {
                    format!("Redirections aren't followed: ask for where it leads to, or `expect = [{status}]`")
                }
                404 => "See `path` and `base-url`".into(),
                500.. => "The target says why in its output and its logs".into(),
                _ => format!("See `path`, `method` and `headers`, or `expect = [{status}]` if that is right"),
            },
        ),
        (None, Some((kind, _))) => (
            format!("never gets an answer ({kind})"),
            format!("See whether the target serves at `base-url`{at}; the last request that failed is told below"),
        ),
        (None, None) => ("never gets an answer".into(), "See `base-url`".into()),
    };
    format!("step `{}` ({request}) {got}, in all of {} requests\n{what}", step.name, format_count(failed as f64))
}

/// A pattern that takes a PID of the target from a line, and the PID. What stands before it may be other numbers in other lines.
fn pattern_for(line: &str, pids: &[u32]) -> Option<(String, u32)> {
    const LONGEST: usize = 40;
    let is_digit = |at: Option<char>| at.is_some_and(|c| c.is_ascii_digit());
    let place = |pid: &u32| {
        let text = pid.to_string();
        let whole = |at: &usize| {
            !is_digit(line[..*at].chars().next_back()) && !is_digit(line[at + text.len()..].chars().next())
        };
        line.match_indices(&text).map(|(at, _)| at).find(whole).map(|at| (at, *pid))
    };
    let (at, pid) = pids.iter().filter_map(place).min().filter(|(at, _)| *at <= LONGEST)?;
    let mut before = String::new();
    for c in regex::escape(&line[..at]).chars() {
        if !c.is_ascii_digit() {
            before.push(c);
        } else if !before.ends_with(r"\d+") {
            before.push_str(r"\d+");
        }
    }
    Some((format!(r"^{before}(?P<pid>\d+)"), pid))
}

/// That no line matches, with the first and what the pattern makes of it; the target has these PIDs.
fn not_understood(log: &LogConfig, lines: u64, line: &str, pids: &[u32]) -> String {
    let taken = Regex::new(&log.pattern)
        .ok()
        .and_then(|pattern| Some(pattern.captures(line)?.name("pid")?.as_str().to_owned()));
    let why = match &taken {
        Some(taken) => {
            let digits: String = taken.chars().filter(char::is_ascii_digit).collect();
            let around = taken.split_once(&digits).filter(|_| !digits.is_empty() && digits != *taken);
            let better = around.map_or(String::new(), |(before, after)| {
                let escaped = |text| regex::escape(text);
                format!(r": write `{}(?P<pid>\d+){}` for it", escaped(before), escaped(after))
            });
            format!("The pattern `{}` takes `{taken}` as its PID, which is none{better}", log.pattern)
        }
        None => {
            let better = pattern_for(line, pids).map_or(String::new(), |(better, pid)| {
                format!("; `{}` takes {pid} from it, a PID of the target", without_secrets(&better))
            });
            format!("The pattern `{}` doesn't fit it, or its group `pid` isn't a number{better}", log.pattern)
        }
    };
    let line = without_secrets(line);
    format!("0 of {} lines of the log match the pattern; the first is `{line}`\n{why}", format_count(lines as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WorkloadConfig;

    fn step(more: &str) -> StepConfig {
        let text = format!("concurrency = 1\nstep = [{{ name = 'pay', path = '/pay?token=s3cret-abcdefgh', {more} }}]");
        text.parse::<WorkloadConfig>().unwrap().steps.remove(0)
    }

    fn second(statuses: &[(u16, u64)], errors: &[(&str, u64)]) -> LoadSample {
        LoadSample {
            step: "pay".into(),
            statuses: statuses.to_vec(),
            errors: errors.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            ..LoadSample::default()
        }
    }

    #[test]
    fn answers_count_while_the_target_is_at_rest() {
        let mut at_rest = AtRest::default();
        let ticks = |used: &[(u32, u64)]| used.iter().copied().collect();
        assert_eq!(at_rest.see(500, ticks(&[(1, 40), (2, 7)])), 0, "since it is looked");
        assert_eq!(at_rest.see(1500, ticks(&[(1, 40), (2, 8)])), 1000);
        assert_eq!(at_rest.see(2500, ticks(&[(1, 40)])), 2000, "one that ended used nothing more");
        assert_eq!(at_rest.see(3000, ticks(&[(1, 41), (3, 5)])), 0, "a new one worked");
    }

    #[test]
    fn a_step_is_told_with_what_it_gets_most() {
        let at = BTreeSet::from(["127.0.0.1:8080".parse().unwrap()]);
        let told = |more: &str, load: &[LoadSample]| refused(&step(more), 30, load.iter(), &at);
        let told = [
            told("method = 'GET'", &[second(&[(404, 20)], &[]), second(&[(503, 1), (404, 9)], &[])]),
            told("expect = [200, 201]", &[second(&[(302, 30)], &[])]),
            told("method = 'POST'", &[second(&[(500, 30)], &[])]),
            told("method = 'PUT'", &[second(&[(405, 30)], &[])]),
            told("method = 'GET'", &[second(&[], &[("timeout", 4), ("connect", 26)])]),
        ];
        assert!(!told.concat().contains("s3cret"), "{told:?}");
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn a_line_is_told_with_what_the_pattern_takes_from_it() {
        let told = |pattern: &str, line: &str| {
            let log = LogConfig { path: "access.log".into(), pattern: pattern.into() };
            not_understood(&log, 40, line, &[4711])
        };
        let told = [
            told(r"^(?P<pid>\S+) ", "<123> GET /"),
            told(r"^(?P<pid>\S+) ", "[worker-7] GET /"),
            told(r"^(?P<pid>\S+) ", "- GET /"),
            told(r"^pid=(?P<pid>\d+) ", "GET /?password=s3cret-a"),
            told(r"^(?P<pid>\d+)", "99999999999999 GET /"),
            told(r"^(?P<pid>\d+) ", "<4711> GET /"),
            told(r"(?P<pid>\d+)$", "[12:30:59 14711] (4711) GET /"),
        ];
        assert!(!told.concat().contains("s3cret"), "{told:?}");
        insta::assert_snapshot!(told.join("\n"));
    }
}
