//! Who is a worker now: found from the process tree, held open from then on, followed to its end.

use super::choice::{Candidate, Part, Rule};
use super::{target, tree};
use crate::config::Workers;
use crate::model::{ExitCause, WorkerId};
use crate::probe::{Listening, WorkerProbe, group_processes};
use crate::thread;
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

/// CPU time that a look who has come may take at every reading; one that takes longer is next after so many times that time, so that
/// thousands of processes don't take more than half a percent of a core.
const AT_ONCE: Duration = Duration::from_micros(500);
const IN_TURN: u32 = 200;

/// How often it is looked whether a process that is no worker holds a socket by now: that reads the tables of all sockets.
const SOCKETS_EVERY: Duration = Duration::from_millis(500);

/// A younger process may be about to become another program: it is looked at again before it is taken for a worker by its program.
const GROWN: f64 = 0.05;

/// Where workers are looked for.
#[derive(Debug)]
pub enum Scope {
    /// What is below this process, a keeper.
    LaunchedBy(u32),
    /// These processes, while they live.
    Processes(Vec<WorkerProbe>),
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
    /// The PID by which it knows itself.
    pub own_pid: u32,
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
    /// The PID by which it knew itself.
    pub own_pid: u32,
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
    /// The last incarnation of each process that has become another program.
    renewed: Vec<WorkerId>,
    /// Whether this look is one at sockets too, and when the next is.
    looks_at_sockets: bool,
    next_sockets: Instant,
}

#[derive(Debug)]
enum Selection {
    /// Everybody until it is decided who is a worker, then whoever fits the rule.
    Auto(Option<Rule>),
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
            Workers::Auto => Selection::Auto(None),
            Workers::Itself => Selection::Itself,
            Workers::Children => Selection::Children,
            Workers::Descendants => Selection::Descendants,
            Workers::Match(pattern) => Selection::Match(Regex::new(pattern)?),
        };
        let next_look = Instant::now();
        let (members, leaving) = (BTreeMap::new(), Vec::new());
        Ok(Roster {
            scope,
            selection,
            next_look,
            members,
            leaving,
            unopened: None,
            renewed: Vec::new(),
            looks_at_sockets: false,
            next_sockets: next_look,
        })
    }

    /// Looks who has gone and, if it is `open`, who has come: while a target is taken down, orphans that are given a new
    /// parent only look like new workers.
    pub fn refresh(&mut self, open: bool) -> (Vec<Arrival>, Vec<Departure>) {
        let gone: Vec<u32> = self.members.iter().filter(|(_, probe)| probe.has_ended()).map(|(pid, _)| *pid).collect();
        self.leaving.extend(gone.iter().filter_map(|pid| Some((self.members.remove(pid)?, 0))));
        let mut arrivals = Vec::new();
        let mut listening = Listening::default();
        self.looks_at_sockets = self.next_sockets <= Instant::now();
        if self.looks_at_sockets {
            self.next_sockets = Instant::now() + SOCKETS_EVERY;
        }
        let before = thread::cpu_time();
        let looks = open && self.next_look <= Instant::now();
        let mut come = if looks { self.candidates() } else { Vec::new() };
        come.retain(|pid| !self.members.contains_key(pid) && self.is_selected(*pid, &mut listening));
        if looks {
            let took = thread::cpu_time().saturating_sub(before);
            let pause = if took > AT_ONCE { took * IN_TURN } else { Duration::ZERO };
            let least = if matches!(self.scope, Scope::Host) { HOST_EVERY } else { Duration::ZERO };
            self.next_look = Instant::now() + pause.max(least);
        }
        for pid in come {
            let mut probe = match WorkerProbe::open(pid) {
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
            if matches!(self.selection, Selection::Auto(Some(_))) && probe.age() < GROWN {
                continue;
            }
            if let Some(last) = self.renewed.iter().find(|last| last.is_same_process(probe.id())) {
                probe.renew(*last);
            }
            if self.leaving.iter().any(|(leaving, _)| leaving.id() == probe.id()) {
                continue;
            }
            arrivals.push(self.arrival(&probe));
            self.members.insert(pid, probe);
        }
        (arrivals, self.departures())
    }

    /// Who has come is looked for at the next [`Self::refresh`], whatever that takes.
    pub fn look_soon(&mut self) {
        self.next_look = Instant::now();
    }

    /// Takes in that a worker has become another program: the incarnation that it was has departed, and another has arrived, if it is
    /// a worker still. `None` if it is none of the members.
    pub fn renew(&mut self, worker: WorkerId) -> Option<(Departure, Option<Arrival>)> {
        let mut probe = self.members.remove(&worker.pid).filter(|probe| probe.id() == worker)?;
        let departure = Departure { worker, own_pid: probe.own_pid(), cause: None };
        self.renewed.retain(|last| !last.is_same_process(worker));
        self.renewed.push(worker.next());
        probe.renew(worker.next());
        self.looks_at_sockets = true;
        let arrival = self.is_selected(worker.pid, &mut Listening::default()).then(|| self.arrival(&probe));
        if arrival.is_some() {
            self.members.insert(worker.pid, probe);
        }
        Some((departure, arrival))
    }

    fn arrival(&self, probe: &WorkerProbe) -> Arrival {
        Arrival {
            worker: probe.id(),
            own_pid: probe.own_pid(),
            parent: probe.parent(),
            command: probe.command().to_owned(),
            age: (!matches!(self.scope, Scope::LaunchedBy(_))).then(|| probe.age_of_service()),
        }
    }

    /// The workers that live, by PID, beginning with the first after `pid`: so that who reads some of them at a time has
    /// them all in turn.
    pub fn members_after(&self, pid: u32) -> impl Iterator<Item = &WorkerProbe> {
        let (after, until) = (Bound::Excluded(pid), Bound::Included(pid));
        let rest = self.members.range((after, Bound::Unbounded));
        rest.chain(self.members.range((Bound::Unbounded, until))).map(|(_, probe)| probe)
    }

    /// Whether it isn't decided yet who is a worker: then everybody is a member.
    pub fn is_undecided(&self) -> bool {
        matches!(self.selection, Selection::Auto(None))
    }

    /// Processes that were named by their PIDs.
    pub fn roots(&self) -> Vec<WorkerId> {
        match &self.scope {
            Scope::Processes(probes) => probes.iter().map(WorkerProbe::id).collect(),
            _ => Vec::new(),
        }
    }

    /// Decides who is a worker from now on; members that aren't are none any more.
    pub fn decide(&mut self, rule: Rule, workers: impl Fn(WorkerId) -> bool) {
        self.members.retain(|_, probe| workers(probe.id()));
        self.leaving.retain(|(probe, _)| workers(probe.id()));
        self.selection = Selection::Auto(Some(rule));
    }

    /// Takes a decision back, if nobody is left whom it could be about: a service that was restarted has another parent.
    pub fn reconsider(&mut self) -> bool {
        let Selection::Auto(Some(rule)) = &self.selection else { return false };
        let lost = self.members.is_empty() && rule.parts.iter().all(|part| !can_come(part));
        if lost {
            self.selection = Selection::Auto(None);
        }
        lost
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
    /// Those that have `ended` are known to have no children.
    pub fn whole_target(&self, ended: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut roots = match &self.scope {
            Scope::LaunchedBy(guard) => tree::children(*guard),
            Scope::Processes(probes) => pids_of(probes),
            Scope::Group(directory) => group_processes(directory),
            Scope::Host => {
                let parents = self.members.values().filter_map(WorkerProbe::kindred_parent);
                self.members.keys().copied().chain(parents).collect()
            }
        };
        let mut below: Vec<u32> = roots.iter().flat_map(|pid| tree::descendants_but(*pid, &ended)).collect();
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
                departures.push(Departure { worker: probe.id(), own_pid: probe.own_pid(), cause });
            }
            !settled
        });
        departures
    }

    fn candidates(&self) -> Vec<u32> {
        let roots = match &self.scope {
            Scope::LaunchedBy(guard) => tree::children(*guard),
            Scope::Processes(probes) => pids_of(probes),
            Scope::Group(directory) => group_processes(directory),
            Scope::Host => tree::everyone(),
        };
        match (&self.selection, &self.scope) {
            (Selection::Itself, _) | (Selection::Match(_), Scope::Group(_) | Scope::Host) => roots,
            (Selection::Auto(Some(rule)), scope) => {
                let within = matches!(scope, Scope::Group(_)).then_some(&roots);
                rule.parts.iter().flat_map(|part| in_part(part, within)).collect()
            }
            (Selection::Auto(None), Scope::Group(_) | Scope::Host) => roots,
            (Selection::Children, _) => roots.into_iter().flat_map(tree::children).collect(),
            (Selection::Descendants, _) => roots.into_iter().flat_map(tree::descendants).collect(),
            (Selection::Match(_) | Selection::Auto(None), _) => {
                roots.into_iter().flat_map(|pid| [vec![pid], tree::descendants(pid)].concat()).collect()
            }
        }
    }

    fn is_selected(&self, pid: u32, listening: &mut Listening) -> bool {
        match &self.selection {
            Selection::Auto(Some(rule)) => {
                let Some(mut process) = Candidate::read(pid) else { return false };
                if rule.asks_for_sockets() && self.looks_at_sockets {
                    process.listens = listening.of(pid).map(|serves| serves.listens);
                }
                rule.covers(&process)
            }
            Selection::Match(pattern) => {
                let words = target::command_line(pid);
                match self.scope {
                    // What is launched through a wrapper stands in the wrapper's command line too.
                    Scope::Host => target::fits(pid, &words, pattern),
                    _ => !words.is_empty() && pattern.is_match(&words.join(" ")),
                }
            }
            _ => true,
        }
    }
}

fn pids_of(probes: &[WorkerProbe]) -> Vec<u32> {
    probes.iter().filter(|probe| !probe.has_ended()).map(|probe| probe.id().pid).collect()
}

/// PIDs that may be those of a part of a rule; of a control group, only those `within` it.
fn in_part(part: &Part, within: Option<&Vec<u32>>) -> Vec<u32> {
    match part {
        Part::Process(id) => vec![id.pid],
        Part::Children { .. } if !can_come(part) => Vec::new(),
        Part::Children { parent: (parent, _), .. } => match within {
            Some(group) => group.iter().copied().filter(|pid| tree::parent(*pid) == Some(*parent)).collect(),
            None => tree::children(*parent),
        },
    }
}

/// Whether workers of this part may live or come.
fn can_come(part: &Part) -> bool {
    match part {
        Part::Process(id) => tree::start(id.pid) == Some(id.start),
        Part::Children { parent: (pid, start), .. } => start.is_none_or(|start| tree::start(*pid) == Some(start)),
    }
}
