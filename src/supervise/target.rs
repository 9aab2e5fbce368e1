//! A target that runs already: who it is, and who its workers are. It is only ever looked at.

use super::{Roster, Scope, tree};
use crate::config::{Workers, nearest};
use crate::model::ExitCause;
use crate::probe::{
    WorkerProbe, command_words, container_groups, containers_called, find_group, group_processes, hierarchies,
    parse_stat, process_of, unit_groups, unit_name,
};
use regex::Regex;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long the cause of the target's end is waited for: its parent has to reap it first.
const PATIENCE: Duration = Duration::from_secs(2);

/// Matches that an error lists.
const LISTED: usize = 8;

/// What is to be attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The processes with these PIDs.
    Pids(Vec<u32>),
    /// The processes whose command line matches this regular expression.
    Match(String),
    /// The processes of this control group.
    Group(PathBuf),
    /// The processes of this unit of systemd.
    Unit(String),
    /// The processes of the container with this ID, or one that begins like this, or with this name.
    Container(String),
}

/// Why nothing can be attached to.
#[derive(Debug, Error)]
pub enum AttachError {
    /// There is no such process.
    #[error("there is no process {0} that this user can see")]
    NoProcess(u32),
    /// The process can't be read.
    #[error("/proc/{pid} can't be read: {source}; watching a process needs its user, or root")]
    Denied {
        /// The process.
        pid: u32,
        /// Why.
        source: io::Error,
    },
    /// It is a thread.
    #[error("{thread} is a thread of process {pid}{name}; give --pid {pid}")]
    Thread {
        /// What was given.
        thread: u32,
        /// The process.
        pid: u32,
        /// Its command name in parentheses, after a space.
        name: String,
    },
    /// The process has nothing to judge.
    #[error("process {0} has no memory of its own: it is a kernel thread")]
    Bare(u32),
    /// It has ended.
    #[error(
        "process {0} has ended, and its parent has not waited for it yet (a zombie): give one that runs, or --match"
    )]
    Zombie(u32),
    /// The pattern is no regular expression.
    #[error("--match: {0}")]
    Pattern(#[from] regex::Error),
    /// Nothing matches.
    #[error("no process that this user can see has a command line that matches `{pattern}`{alike}")]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// Command lines that are like it, or how to list all.
        alike: String,
    },
    /// Everything matches.
    #[error("--match `{0}` matches every command line; write a part of that of the processes that are meant")]
    MatchesAll(String),
    /// More than one process could be the one whose workers are meant.
    #[error(
        "{count} processes match `{pattern}`, and it isn't clear whose workers are meant; give one with --pid:\n{list}"
    )]
    Several {
        /// The pattern.
        pattern: String,
        /// How many.
        count: usize,
        /// The first of them, one a line.
        list: String,
    },
    /// The process only waits for another one.
    #[error("process {pid} is `{name}`, which only waits for what it started; attach to that:{children}")]
    Wrapper {
        /// The process.
        pid: u32,
        /// Its program.
        name: String,
        /// The processes below it, one a line, each after a line break.
        children: String,
    },
    /// The path is no control group.
    #[error("{}: no control group; give its directory, or its path as /proc/PID/cgroup has it", .0.display())]
    NoGroup(PathBuf),
    /// There is no such unit.
    #[error(
        "{0}: no control group of this unit is here, in systemd's hierarchy or that of version 2: it isn't started, or its name is another one (`systemctl status` lists them)"
    )]
    NoUnit(String),
    /// There is no such container.
    #[error(
        "no container whose ID begins with `{name}`, or whose name is that, has a control group here; `docker ps --no-trunc` and `podman ps --no-trunc` list IDs{unread}"
    )]
    NoContainer {
        /// What was asked for.
        name: String,
        /// What could not be read in search of names, each after a line break.
        unread: String,
    },
    /// Several groups could be meant.
    #[error("{count} control groups could be `{name}`; give one of them:{list}")]
    SeveralGroups {
        /// What was asked for.
        name: String,
        /// How many.
        count: usize,
        /// The first of them, each after a line break.
        list: String,
    },
    /// A control group has no process of its own.
    #[error(
        "a control group has no process of its own whose children could be meant: use --workers auto, or descendants for all that is in it"
    )]
    NotOfGroup,
    /// The group has no process.
    #[error("{}: no process of this control group can be seen", .0.display())]
    EmptyGroup(PathBuf),
}

/// A target that runs.
#[derive(Debug)]
pub struct Attached {
    /// Its first process; `None` if it is a pool of processes without one.
    pub root: Option<WorkerProbe>,
    /// One of its processes that stands for them all: the root, or the oldest.
    pub example: WorkerProbe,
    /// Its workers.
    pub roster: Roster,
    /// How they were chosen.
    pub chosen: String,
    /// What the user should know before it begins, a sentence each.
    pub notes: Vec<String>,
}

impl Attached {
    /// Finds what is `wanted` and its `workers`.
    ///
    /// # Errors
    /// If it isn't there, can't be read, or isn't clear.
    pub fn find(wanted: &Wanted, workers: &Workers) -> Result<Self, AttachError> {
        match wanted {
            Wanted::Pids(pids) => Self::processes(pids, workers),
            Wanted::Match(pattern) => Self::matching(pattern, workers),
            Wanted::Group(path) => {
                let directory = find_group(path).ok_or_else(|| AttachError::NoGroup(path.clone()))?;
                Self::group(directory, workers)
            }
            Wanted::Unit(name) => {
                let name = unit_name(name);
                let found = unit_groups(&hierarchies(), &name);
                Self::group(only_group(&name, found)?.ok_or(AttachError::NoUnit(name))?, workers)
            }
            Wanted::Container(name) => Self::group(container(name)?, workers),
        }
    }

    fn pool(scope: Scope, workers: &Workers, example: WorkerProbe, chosen: String) -> Result<Self, AttachError> {
        let roster = Roster::new(scope, workers)?;
        Ok(Attached { root: None, example, roster, chosen, notes: Vec::new() })
    }

    /// All that match, whoever started them; with a choice among them, the one process whose workers are meant.
    fn matching(pattern: &str, workers: &Workers) -> Result<Self, AttachError> {
        let found = matching(pattern)?;
        if !matches!(workers, Workers::Auto | Workers::Itself) {
            return Self::processes(&[only(pattern, &found)?], workers);
        }
        let pids: Vec<u32> = found.iter().map(|(pid, _)| *pid).collect();
        let example = oldest(&pids).ok_or_else(|| no_match(pattern))?;
        let all = Workers::Match(pattern.to_owned());
        let mut attached = Self::pool(Scope::Host, &all, example, format!("matching {pattern}"))?;
        let shown: Vec<String> =
            pids.iter().take(LISTED).map(|pid| format!("PID {pid} ({})", shown_line(*pid))).collect();
        let more = match pids.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let match_it = if pids.len() == 1 { "1 process matches" } else { &format!("{} processes match", pids.len()) };
        attached.notes.push(format!("{match_it}: {}{more}", shown.join(", ")));
        Ok(attached)
    }

    fn group(directory: PathBuf, workers: &Workers) -> Result<Self, AttachError> {
        let all = match workers {
            Workers::Auto => Workers::Auto,
            // All that is in the group.
            Workers::Descendants => Workers::Itself,
            _ => return Err(AttachError::NotOfGroup),
        };
        let example = oldest(&group_processes(&directory)).ok_or_else(|| AttachError::EmptyGroup(directory.clone()))?;
        let how = if all == Workers::Auto { "auto" } else { "all" };
        let chosen = format!("{how} in the control group {}", directory.display());
        Self::pool(Scope::Group(directory), &all, example, chosen)
    }

    fn processes(pids: &[u32], workers: &Workers) -> Result<Self, AttachError> {
        let mut roots: Vec<WorkerProbe> = Vec::new();
        let mut notes = Vec::new();
        for pid in pids {
            if roots.iter().any(|root| root.id().pid == *pid) {
                continue;
            }
            let root = process(*pid, workers)?;
            notes.extend(note_of(*pid, workers));
            roots.push(root);
        }
        let chosen = match workers {
            Workers::Auto => "auto".into(),
            Workers::Itself => "self".into(),
            Workers::Children => "children".into(),
            Workers::Descendants => "descendants".into(),
            Workers::Match(pattern) => format!("matching {pattern}"),
        };
        let again = |root: &WorkerProbe| {
            // Two looks at one PID: both must have seen the same process.
            let pid = root.id().pid;
            open(pid).ok().filter(|again| again.id() == root.id()).ok_or(AttachError::NoProcess(pid))
        };
        let example = again(roots.first().ok_or(AttachError::NoProcess(0))?)?;
        let root = if let [root] = &roots[..] { Some(again(root)?) } else { None };
        let roster = Roster::new(Scope::Processes(roots), workers)?;
        Ok(Attached { root, example, roster, chosen, notes })
    }
}

/// Opens a process that may be judged, or whose children may.
fn process(pid: u32, workers: &Workers) -> Result<WorkerProbe, AttachError> {
    if let Some(owner) = std::fs::read(format!("/proc/{pid}/status")).ok().and_then(|status| process_of(&status))
        && owner != pid
    {
        let name = command_line(owner).first().map_or_else(String::new, |program| format!(" ({program})"));
        return Err(AttachError::Thread { thread: pid, pid: owner, name });
    }
    let root = open(pid)?;
    let children = tree::children(pid);
    if *workers == Workers::Itself
        && !children.is_empty()
        && let Some(name) = wrapper(&root.command_line())
    {
        return Err(AttachError::Wrapper { pid, name, children: list(&children) });
    }
    if root.read(0.0, None).is_none() {
        return Err(if is_zombie(pid) { AttachError::Zombie(pid) } else { AttachError::Bare(pid) });
    }
    Ok(root)
}

/// What the user should know of this choice.
fn note_of(pid: u32, workers: &Workers) -> Option<String> {
    match (workers, tree::children(pid).len()) {
        (Workers::Itself, count @ 1..) => {
            Some(format!("process {pid} has children ({count}), which are not judged; --workers children judges them"))
        }
        (Workers::Children | Workers::Descendants, 0) => {
            Some(format!("process {pid} has no children yet; --workers self judges itself"))
        }
        _ => None,
    }
}

/// The control group of a container.
fn container(name: &str) -> Result<PathBuf, AttachError> {
    let hierarchies = hierarchies();
    let mut found = container_groups(&hierarchies, name);
    let mut unread = Vec::new();
    if found.is_empty() || name.is_empty() {
        let homes = std::env::var_os("HOME").map(PathBuf::from);
        let roots: Vec<PathBuf> = [PathBuf::from("/")].into_iter().chain(homes).collect();
        let (ids, could_not) = containers_called(&roots, name);
        found = ids.iter().flat_map(|id| container_groups(&hierarchies, id)).collect();
        unread = could_not;
    }
    let unread = unread.iter().take(LISTED).map(|unread| format!("\n    {unread}")).collect();
    only_group(name, found.into_values().collect())?
        .ok_or_else(|| AttachError::NoContainer { name: name.to_owned(), unread })
}

/// The one group of these that has a process, or else the first; `None` if there is none.
fn only_group(name: &str, mut found: Vec<PathBuf>) -> Result<Option<PathBuf>, AttachError> {
    if found.iter().any(|group| !group_processes(group).is_empty()) {
        found.retain(|group| !group_processes(group).is_empty());
        if found.len() > 1 {
            let shown = found.iter().take(LISTED).map(|group| format!("\n    --cgroup {}", group.display()));
            let (list, count) = (shown.collect(), found.len());
            return Err(AttachError::SeveralGroups { name: name.to_owned(), count, list });
        }
    }
    Ok(found.into_iter().next())
}

/// Follows a target's first process to its end.
#[derive(Debug)]
pub struct RootWatch {
    root: WorkerProbe,
    ended: Option<Instant>,
}

impl RootWatch {
    /// Follows `root`.
    pub fn new(root: WorkerProbe) -> Self {
        RootWatch { root, ended: None }
    }

    /// Once it has ended: how, where the kernel tells.
    pub fn end(&mut self) -> Option<Option<ExitCause>> {
        if self.ended.is_none() && !self.root.has_ended() {
            return None;
        }
        let ended = *self.ended.get_or_insert_with(Instant::now);
        let cause = self.root.exit_cause();
        (cause.is_some() || ended.elapsed() > PATIENCE).then_some(cause)
    }
}

fn open(pid: u32) -> Result<WorkerProbe, AttachError> {
    WorkerProbe::open(pid).map_err(|source| match source.kind() {
        _ if is_zombie(pid) => AttachError::Zombie(pid),
        ErrorKind::NotFound => AttachError::NoProcess(pid),
        _ => AttachError::Denied { pid, source },
    })
}

fn is_zombie(pid: u32) -> bool {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok();
    stat.and_then(|text| Some(parse_stat(&text)?.has_ended())).unwrap_or(false)
}

fn oldest(pids: &[u32]) -> Option<WorkerProbe> {
    pids.iter().filter_map(|pid| WorkerProbe::open(*pid).ok()).min_by_key(|probe| probe.id().start)
}

/// Processes whose command line matches, but for those that only wait for one of them.
fn matching(pattern: &str) -> Result<Vec<(u32, Vec<String>)>, AttachError> {
    let regex = Regex::new(pattern)?;
    // What fits a single letter, or none, fits every command line.
    if ["", "a", "/"].iter().any(|text| regex.is_match(text)) {
        return Err(AttachError::MatchesAll(pattern.to_owned()));
    }
    let all = tree::everyone().into_iter().map(|pid| (pid, command_line(pid)));
    let found: Vec<_> = all.filter(|(pid, words)| fits(*pid, words, &regex)).collect();
    if found.is_empty() { Err(no_match(pattern)) } else { Ok(found) }
}

/// That nothing matches, with the processes whose program is called much like a word of the pattern, or that have one in their
/// command line.
fn no_match(pattern: &str) -> AttachError {
    const SHORTEST: usize = 3;
    let words: Vec<String> = pattern
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.len() >= SHORTEST)
        .map(str::to_lowercase)
        .collect();
    let like = |pid: u32| {
        let line = command_line(pid);
        let program = line.first().map_or("", |program| program.rsplit('/').next().unwrap_or_default());
        let (whole, seepage) = (line.join(" ").to_lowercase(), is_seepage(pid, &line));
        let is_like = |word: &String| whole.contains(word.as_str()) || nearest(word, [program]).is_some();
        !line.is_empty() && !seepage && words.iter().any(is_like)
    };
    let alike: Vec<u32> = tree::everyone().into_iter().filter(|pid| like(*pid)).collect();
    let alike = if alike.is_empty() {
        "; `ps -eo pid,args` lists command lines".into()
    } else {
        format!("; alike are:{}", list(&alike))
    };
    AttachError::NoMatch { pattern: pattern.to_owned(), alike }
}

/// Whether the command line `words` of a process matches, and it is neither one that only waits for a match nor a seepage, in whose
/// command line the pattern stands.
pub(super) fn fits(pid: u32, words: &[String], pattern: &Regex) -> bool {
    !words.is_empty() && pattern.is_match(&words.join(" ")) && wrapper(words).is_none() && !is_seepage(pid, words)
}

/// Whether a process is a seepage that watches or runs something; its demonstration server is a target like any other.
fn is_seepage(pid: u32, words: &[String]) -> bool {
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    let name = program.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    let ours = program.is_some() && program == std::env::current_exe().ok();
    let named = name.is_some_and(|name| name.trim_end_matches(" (deleted)") == "seepage");
    (ours || named) && words.get(1).is_none_or(|command| command != "demo-server")
}

/// The one match that is not below another.
fn only(pattern: &str, found: &[(u32, Vec<String>)]) -> Result<u32, AttachError> {
    let matches = |pid: u32| found.iter().any(|(other, _)| *other == pid);
    let below = |pid: u32| {
        let above = std::iter::successors(tree::parent(pid), |pid| tree::parent(*pid).filter(|up| *up > 0));
        above.into_iter().any(matches)
    };
    let top: Vec<u32> = found.iter().map(|(pid, _)| *pid).filter(|pid| !below(*pid)).collect();
    match top[..] {
        [pid] => Ok(pid),
        _ => {
            let list = list(&top).trim_start_matches('\n').to_owned();
            Err(AttachError::Several { pattern: pattern.to_owned(), count: top.len(), list })
        }
    }
}

fn list(pids: &[u32]) -> String {
    let mut text = String::new();
    for pid in pids.iter().take(LISTED) {
        text.push_str(&format!("\n    --pid {pid}  {}", shown_line(*pid)));
    }
    if pids.len() > LISTED {
        text.push_str(&format!("\n    and {} more", pids.len() - LISTED));
    }
    text
}

/// The beginning of a command line, without secrets.
fn shown_line(pid: u32) -> String {
    crate::config::redacted_words(&command_line(pid)).join(" ").chars().take(80).collect()
}

/// Program and arguments of `pid`; empty for a kernel thread and what has ended.
pub fn command_line(pid: u32) -> Vec<String> {
    std::fs::read(format!("/proc/{pid}/cmdline")).map_or_else(|_| Vec::new(), |text| command_words(&text))
}

/// The name of the program if all that this command line does is to wait for another program.
pub(super) fn wrapper(words: &[String]) -> Option<String> {
    const WAITING: [&str; 16] = [
        "timeout",
        "nice",
        "ionice",
        "nohup",
        "env",
        "setsid",
        "stdbuf",
        "sudo",
        "doas",
        "su",
        "runuser",
        "gosu",
        "tini",
        "dumb-init",
        "catatonit",
        "time",
    ];
    const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "zsh", "ksh"];
    let name = Path::new(words.first()?).file_name()?.to_str()?;
    let command = || words.get(1).is_some_and(|option| option.starts_with('-') && option.ends_with('c'));
    (WAITING.contains(&name) || SHELLS.contains(&name) && command()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn wrappers_are_told_from_programs() {
        assert_eq!(wrapper(&words("/usr/bin/timeout 60 php worker.php")).as_deref(), Some("timeout"));
        assert_eq!(wrapper(&words("sh -c php\u{20}worker.php")).as_deref(), Some("sh"));
        assert_eq!(wrapper(&words("bash -ec work")).as_deref(), Some("bash"));
        assert_eq!(wrapper(&words("bash worker.sh -c")), None);
        assert_eq!(wrapper(&words("php worker.php")), None);
        assert_eq!(wrapper(&[]), None);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let mut child = Command::new("true").spawn().unwrap();
        while !is_zombie(child.id()) {
            std::thread::yield_now();
        }
        let ended = Attached::find(&Wanted::Pids(vec![child.id()]), &Workers::Itself).unwrap_err();
        assert!(matches!(ended, AttachError::Zombie(_)), "{ended}");
        child.wait().unwrap();
        let gone = Attached::find(&Wanted::Pids(vec![child.id()]), &Workers::Itself).unwrap_err();
        assert!(matches!(gone, AttachError::NoProcess(_)), "{gone}");
        let none = Wanted::Match(format!("no-such-{}-process", std::process::id()));
        let none = Attached::find(&none, &Workers::Itself).unwrap_err();
        assert!(matches!(none, AttachError::NoMatch { .. }));
        let group = Wanted::Group("/no/such/group".into());
        assert!(matches!(Attached::find(&group, &Workers::Itself).unwrap_err(), AttachError::NoGroup(_)));
        assert!(matches!(
            Attached::find(&Wanted::Match("(".into()), &Workers::Itself).unwrap_err(),
            AttachError::Pattern(_)
        ));
    }

    #[test]
    fn what_is_like_a_pattern_is_listed_and_one_that_matches_everything_is_refused() {
        let mut child = Command::new("sleep").arg("61").stdin(Stdio::null()).spawn().unwrap();
        let find =
            |pattern: &str| Attached::find(&Wanted::Match(pattern.into()), &Workers::Auto).unwrap_err().to_string();
        let misspelt = find("^sleeep .*quiet$");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(misspelt.contains("matches `^sleeep .*quiet$`; alike are:\n    --pid "), "{misspelt}");
        assert!(misspelt.contains("  sleep "), "{misspelt}");
        assert!(find("qqqqxzzzy").ends_with("; `ps -eo pid,args` lists command lines"));
        assert!(["", ".*", "(gunicorn)?"].map(find).iter().all(|told| told.contains("matches every command line")));
    }

    #[test]
    fn a_process_is_found_and_its_end_is_told() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let attached = Attached::find(&Wanted::Pids(vec![child.id()]), &Workers::Itself).unwrap();
        assert!(attached.notes.is_empty());
        let mut roster = attached.roster;
        assert_eq!(roster.refresh(true).0.len(), 1);
        let mut watch = RootWatch::new(attached.root.unwrap());
        assert_eq!(watch.end(), None);
        child.kill().unwrap();
        child.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while watch.end().is_none() {
            assert!(Instant::now() < deadline, "the end was never told");
            std::thread::sleep(Duration::from_millis(10));
        }
        let (arrivals, departures) = roster.refresh(true);
        assert!(arrivals.is_empty() && departures.len() <= 1);
    }
}
