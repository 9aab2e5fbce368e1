//! Who is a worker now: found from the process tree, held open from then on, followed to its end.

use super::{target, tree};
use crate::config::Workers;
use crate::model::{ExitCause, WorkerId};
use crate::probe::{WorkerProbe, group_processes};
use nix::libc;
use regex::Regex;
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Looks at a dead worker after which its cause of death is given up: its parent has to reap it first.
const PATIENCE: u32 = 50;

/// How often all processes of the host are looked through: there may be thousands.
const HOST_EVERY: Duration = Duration::from_secs(1);

/// Where workers are looked for.
#[derive(Debug)]
pub enum Scope {
    /// What is below this process, a keeper.
    LaunchedBy(u32),
    /// This process, while it lives.
    Process(WorkerProbe),
    /// The processes of a control group and of the groups below it.
    Group(PathBuf),
    /// Every process of the host, but the harness and what it runs under.
    Host,
}

/// A worker that was seen for the first time.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// The worker.
    pub worker: WorkerId,
    /// Its parent's PID.
    pub parent: u32,
    /// Its command name.
    pub command: String,
    /// Seconds since the service that it belongs to began: it, or a parent that runs the same program. `None` of what was
    /// launched, which is new.
    pub age: Option<f64>,
}

/// A worker that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// The worker.
    pub worker: WorkerId,
    /// How it ended, where the kernel tells.
    pub cause: Option<ExitCause>,
}

/// The workers of one target.
#[derive(Debug)]
pub struct Roster {
    scope: Scope,
    selection: Selection,
    next_look: Instant,
    members: BTreeMap<u32, WorkerProbe>,
    leaving: Vec<(WorkerProbe, u32)>,
    unopened: Option<io::Error>,
}

#[derive(Debug)]
enum Selection {
    Itself,
    Children,
    Descendants,
    Match(Regex),
}

impl Roster {
    /// Workers in `scope`, chosen as `workers` says.
    ///
    /// # Errors
    /// If the pattern isn't a regular expression.
    pub fn new(scope: Scope, workers: &Workers) -> Result<Self, regex::Error> {
        let selection = match workers {
            Workers::Itself => Selection::Itself,
            Workers::Children => Selection::Children,
            Workers::Descendants => Selection::Descendants,
            Workers::Match(pattern) => Selection::Match(Regex::new(pattern)?),
        };
        let next_look = Instant::now();
        Ok(Roster { scope, selection, next_look, members: BTreeMap::new(), leaving: Vec::new(), unopened: None })
    }

    /// Looks who has gone and, if it is `open`, who has come: while a target is taken down, orphans that are given a new
    /// parent only look like new workers.
    pub fn refresh(&mut self, open: bool) -> (Vec<Arrival>, Vec<Departure>) {
        let gone: Vec<u32> = self.members.iter().filter(|(_, probe)| probe.has_ended()).map(|(pid, _)| *pid).collect();
        self.leaving.extend(gone.iter().filter_map(|pid| Some((self.members.remove(pid)?, 0))));
        let mut arrivals = Vec::new();
        for pid in if open { self.candidates() } else { Vec::new() } {
            if self.members.contains_key(&pid) || !self.is_selected(pid) {
                continue;
            }
            let probe = match WorkerProbe::open(pid) {
                Ok(probe) => probe,
                Err(error) => {
                    // One that ended between the listing and now never was a worker to us.
                    let ended = error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH);
                    if !ended {
                        self.unopened = Some(error);
                    }
                    continue;
                }
            };
            if self.leaving.iter().any(|(leaving, _)| leaving.id() == probe.id()) {
                continue;
            }
            arrivals.push(Arrival {
                worker: probe.id(),
                parent: probe.parent(),
                command: probe.command().to_owned(),
                age: (!matches!(self.scope, Scope::LaunchedBy(_))).then(|| probe.age_of_service()),
            });
            self.members.insert(pid, probe);
        }
        (arrivals, self.departures())
    }

    /// The workers that live, by PID, beginning with the first after `pid`: so that who reads some of them at a time has
    /// them all in turn.
    pub fn members_after(&self, pid: u32) -> impl Iterator<Item = &WorkerProbe> {
        let (after, until) = (Bound::Excluded(pid), Bound::Included(pid));
        let rest = self.members.range((after, Bound::Unbounded));
        rest.chain(self.members.range((Bound::Unbounded, until))).map(|(_, probe)| probe)
    }

    /// How many live.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether none lives.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Why a worker that lives could not be held open, if that ever happened: it is not among the members.
    pub fn unopened(&self) -> Option<&io::Error> {
        self.unopened.as_ref()
    }

    /// PIDs of every process of the target, workers or not. Where the workers are found by a pattern, these are the workers,
    /// what descends from them, and parents of theirs that run the same program.
    pub fn whole_target(&self) -> Vec<u32> {
        let mut roots = match &self.scope {
            Scope::LaunchedBy(guard) => tree::children(*guard),
            Scope::Process(probe) => vec![probe.id().pid],
            Scope::Group(directory) => group_processes(directory),
            Scope::Host => {
                let parents = self.members.values().filter_map(WorkerProbe::kindred_parent);
                self.members.keys().copied().chain(parents).collect()
            }
        };
        let mut below: Vec<u32> = roots.iter().flat_map(|pid| tree::descendants(*pid)).collect();
        roots.append(&mut below);
        roots.sort_unstable();
        roots.dedup();
        roots
    }

    /// Takes a worker off that could not be read any more.
    pub fn retire(&mut self, worker: WorkerId) {
        if self.members.get(&worker.pid).is_some_and(|probe| probe.id() == worker)
            && let Some(probe) = self.members.remove(&worker.pid)
        {
            self.leaving.push((probe, 0));
        }
    }

    fn departures(&mut self) -> Vec<Departure> {
        let mut departures = Vec::new();
        self.leaving.retain_mut(|(probe, looks)| {
            *looks += 1;
            let cause = probe.exit_cause();
            let settled = cause.is_some() || *looks > PATIENCE || probe.pidfd().is_none();
            if settled {
                departures.push(Departure { worker: probe.id(), cause });
            }
            !settled
        });
        departures
    }

    fn candidates(&mut self) -> Vec<u32> {
        let roots = match &self.scope {
            Scope::LaunchedBy(guard) => tree::children(*guard),
            Scope::Process(probe) if probe.has_ended() => Vec::new(),
            Scope::Process(probe) => vec![probe.id().pid],
            Scope::Group(directory) => group_processes(directory),
            Scope::Host if self.next_look > Instant::now() => return Vec::new(),
            Scope::Host => {
                self.next_look = Instant::now() + HOST_EVERY;
                tree::everyone()
            }
        };
        match (&self.selection, &self.scope) {
            (Selection::Itself, _) | (Selection::Match(_), Scope::Group(_) | Scope::Host) => roots,
            (Selection::Children, _) => roots.into_iter().flat_map(tree::children).collect(),
            (Selection::Descendants, _) => roots.into_iter().flat_map(tree::descendants).collect(),
            (Selection::Match(_), _) => {
                roots.into_iter().flat_map(|pid| [vec![pid], tree::descendants(pid)].concat()).collect()
            }
        }
    }

    fn is_selected(&self, pid: u32) -> bool {
        match &self.selection {
            Selection::Match(pattern) => {
                let words = target::command_line(pid);
                let wanted = !words.is_empty() && pattern.is_match(&words.join(" "));
                // What is launched through a wrapper stands in the wrapper's command line too.
                wanted && !(matches!(self.scope, Scope::Host) && target::wrapper(&words).is_some())
            }
            _ => true,
        }
    }
}
