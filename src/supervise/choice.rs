//! Which processes of a target are its workers, where nobody says it: concluded from what they did while they were looked at.
//!
//! Processes that have the same parent and run the same program are one group, and a group is judged as a whole. What comes of
//! it is a rule, for workers end and others come. A wrong choice doesn't go unseen: the account of the whole target tells who
//! else works or grows.

use crate::model::{Choosing, Chosen, ChosenGroup, ChosenParent, MOST_TOLD, WorkerId};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Seconds of CPU time from which on it can be told who works.
pub const MEASURABLE: f64 = 0.02;

/// A process that serves beside the busiest group uses at least this part of what one of that group uses.
const SERVES_TOO: f64 = 0.25;

/// A process that used this part of the CPU time at most, while what is below it used the rest, only waits for that.
const ONLY_WAITS: f64 = 0.02;

/// Seconds: what ends with a process that lived no longer than this is no leak.
const MOMENT: f64 = 1.0;

/// A process of the target, and what it did while it was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The process.
    pub id: WorkerId,
    /// Its parent's PID.
    pub parent: u32,
    /// Its executable; its command name where that may not be read.
    pub program: PathBuf,
    /// Its command name.
    pub command: String,
    /// Whether its command line says that it waits for another program.
    pub waits: bool,
    /// Whether a log or page of requests names its PID.
    pub named: bool,
    /// Whether it holds a socket that listens, where that may be read.
    pub listens: Option<bool>,
    /// Whether it was seen with a connection that a listening socket has accepted.
    pub accepted: bool,
    /// Seconds of CPU time that it used while it was looked at.
    pub cpu: f64,
    /// Seconds between its first reading and its last.
    pub read_for: f64,
    /// Whether it lives.
    pub lives: bool,
    /// Whether it has crashed.
    pub crashed: bool,
}

/// Who is a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whoever fits one of them is.
    pub parts: Vec<Part>,
}

/// A part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// This process.
    Process(WorkerId),
    /// Children of `parent` that run `program`.
    Children {
        /// The parent's PID, and its start where it is a process of the target.
        parent: (u32, Option<u64>),
        /// The program.
        program: PathBuf,
        /// Whether only those are meant that hold a socket that listens.
        listening: bool,
    },
}

impl Part {
    /// Whether a process fits.
    pub fn covers(&self, process: &Candidate) -> bool {
        match self {
            Part::Process(id) => id.is_same_process(process.id),
            Part::Children { parent, program, listening } => {
                parent.0 == process.parent
                    && *program == process.program
                    && (!listening || process.listens == Some(true))
            }
        }
    }
}

impl Rule {
    /// Whether it has to be known who holds a socket.
    pub fn asks_for_sockets(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Children { listening: true, .. }))
    }

    /// Whether a process is a worker.
    pub fn covers(&self, process: &Candidate) -> bool {
        self.parts.iter().any(|part| part.covers(process))
    }
}

/// Concludes who the workers are. `roots` are processes of the target that were named by their PIDs: each of them has its workers,
/// and later siblings of theirs are none of it. `None` if none of the candidates lives.
pub fn choose(candidates: &[Candidate], roots: &[WorkerId]) -> Option<(Rule, Chosen)> {
    let mut rule = Rule { parts: Vec::new() };
    let mut groups = Vec::new();
    let families: Vec<Vec<Candidate>> = match roots {
        [] | [_] => vec![candidates.to_vec()],
        _ => roots.iter().map(|root| family_of(*root, candidates)).collect(),
    };
    for family in &families {
        let family = Family::new(family);
        let found = family.named().or_else(|| family.serving()).or_else(|| family.working());
        for (group, because) in found.into_iter().flatten().map(|found| family.lasting(found)) {
            let (part, told) = family.told(group, because, roots);
            // One that was named beside its parent is there already.
            if group.members.iter().any(|member| member.lives && part.covers(member) && !rule.covers(member)) {
                rule.parts.push(part);
                groups.push(told);
            }
        }
    }
    (!groups.is_empty()).then_some((rule, Chosen { groups }))
}

/// A process and what descends from it.
fn family_of(root: WorkerId, candidates: &[Candidate]) -> Vec<Candidate> {
    let mut family: Vec<Candidate> =
        candidates.iter().filter(|candidate| candidate.lives && candidate.id.is_same_process(root)).cloned().collect();
    let mut next = 0;
    while let Some(above) = family.get(next).map(|candidate| candidate.id) {
        let child = |candidate: &&Candidate| {
            candidate.parent == above.pid && family.iter().all(|known| known.id != candidate.id)
        };
        let children: Vec<Candidate> = candidates.iter().filter(child).cloned().collect();
        family.extend(children);
        next += 1;
    }
    family
}

/// Processes that have the same parent and run the same program.
struct Group<'a> {
    parent: u32,
    program: &'a Path,
    members: Vec<&'a Candidate>,
}

impl Group<'_> {
    fn cpu(&self) -> f64 {
        self.members.iter().map(|member| member.cpu).sum()
    }

    fn living(&self) -> usize {
        self.members.iter().filter(|member| member.lives).count()
    }

    fn cpu_each(&self) -> f64 {
        self.cpu() / self.living().max(1) as f64
    }

    fn listens(&self) -> bool {
        self.members.iter().any(|member| member.listens == Some(true))
    }

    /// Whether its members come and go within moments, as those of a server do that forks for each connection; workers that crash
    /// do so as well.
    fn is_fleeting(&self) -> bool {
        self.members.len() > 2 * self.living() && self.members.iter().all(|m| m.read_for <= MOMENT && !m.crashed)
    }

    fn first(&self) -> Option<(u64, u32)> {
        self.members.iter().map(|member| (member.id.start, member.id.pid)).min()
    }
}

/// Groups that are workers, each with the reason.
type Found<'a> = Vec<(&'a Group<'a>, Choosing)>;

struct Family<'a> {
    candidates: &'a [Candidate],
    /// Those of which one lives.
    groups: Vec<Group<'a>>,
}

impl<'a> Family<'a> {
    fn new(candidates: &'a [Candidate]) -> Self {
        let mut groups: BTreeMap<(u32, &Path), Vec<&Candidate>> = BTreeMap::new();
        for candidate in candidates {
            groups.entry((candidate.parent, &candidate.program)).or_default().push(candidate);
        }
        let groups = groups.into_iter().map(|((parent, program), members)| Group { parent, program, members });
        Family { candidates, groups: groups.filter(|group| group.living() > 0).collect() }
    }

    fn parent(&self, group: &Group<'_>) -> Option<&'a Candidate> {
        self.candidates.iter().find(|candidate| candidate.id.pid == group.parent)
    }

    /// The parent of a group, if it runs the group's program.
    fn kindred_parent(&self, group: &Group<'_>) -> Option<&'a Candidate> {
        self.parent(group).filter(|parent| parent.program == group.program)
    }

    /// Who is judged of a group: of one whose members live only for moments, its parent, which outlives them. A log that names them
    /// says that they are meant.
    fn lasting<'b>(&'b self, found: (&'b Group<'b>, Choosing)) -> (&'b Group<'b>, Choosing) {
        let (group, because) = found;
        if because != Choosing::Named
            && self.groups.iter().any(|below| below.is_fleeting() && self.is_child(below, group))
        {
            return (group, Choosing::Outlives);
        }
        let above =
            || self.groups.iter().find(|above| above.members.iter().any(|m| m.lives && m.id.pid == group.parent));
        match above().filter(|_| because != Choosing::Named && group.is_fleeting()) {
            Some(above) => (above, Choosing::Outlives),
            None => found,
        }
    }

    /// Those whose requests a log or a page counts.
    fn named(&self) -> Option<Found<'_>> {
        let named = self.groups.iter().filter(|group| group.members.iter().any(|member| member.named));
        let named: Found = named.map(|group| (group, Choosing::Named)).collect();
        (!named.is_empty()).then_some(named)
    }

    /// Those that serve: they hold a socket that listens, or have a parent of their program that does and hands connections on.
    fn serving(&self) -> Option<Found<'_>> {
        let handed = |group: &Group| self.kindred_parent(group).is_some_and(|parent| parent.listens == Some(true));
        let mut serving: Vec<&Group> = self.groups.iter().filter(|group| group.listens() || handed(group)).collect();
        // The program that was seen with a connection serves, whatever others do that only hold the socket.
        let accepted = |group: &Group| group.members.iter().any(|member| member.accepted);
        let programs: Vec<&Path> = serving.iter().filter(|group| accepted(group)).map(|group| group.program).collect();
        if !programs.is_empty() {
            serving.retain(|group| programs.contains(&group.program));
        }
        let busiest =
            serving.iter().copied().max_by(|a, b| a.cpu().total_cmp(&b.cpu()).then(b.first().cmp(&a.first())))?;
        if busiest.cpu() < MEASURABLE {
            // Who was seen with a connection serves; else, in a pool, the children do.
            let seen: Vec<&Group> = serving.iter().copied().filter(|group| accepted(group)).collect();
            let serving = if seen.is_empty() { serving } else { seen };
            let children = serving.iter().copied().filter(|group| self.kindred_parent(group).is_some());
            let most = children.max_by_key(|group| (group.living(), std::cmp::Reverse(group.first())));
            let first = serving.iter().copied().min_by_key(|group| group.first());
            return Some(vec![(most.or(first)?, Choosing::Listening)]);
        }
        if !busiest.listens() {
            return Some(vec![(busiest, Choosing::SameProgram)]);
        }
        let serves_too = |group: &Group| {
            group.program == busiest.program
                && group.listens()
                && group.members.iter().any(|member| member.accepted)
                && group.cpu_each() >= SERVES_TOO * busiest.cpu_each()
        };
        let beside = serving.iter().copied().filter(|group| !std::ptr::eq(*group, busiest) && serves_too(group));
        Some([busiest].into_iter().chain(beside).map(|group| (group, Choosing::Serving)).collect())
    }

    /// Nobody is known to serve: from the first process on down to those that work.
    fn working(&self) -> Option<Found<'_>> {
        let tops = self.groups.iter().filter(|group| self.parent(group).is_none());
        let mut here = self.busiest(tops)?;
        // Each step leads further down, but PIDs that were given anew while we looked could close a circle.
        for _ in 0..self.groups.len() {
            let below: Vec<&Group> = self.groups.iter().filter(|group| self.is_child(group, here)).collect();
            let kindred = self.busiest(below.iter().copied().filter(|group| group.program == here.program));
            if let Some(kindred) = kindred.filter(|group| group.cpu() >= here.cpu() || here.cpu() < MEASURABLE) {
                return Some(vec![(kindred, Choosing::SameProgram)]);
            }
            let all = self.whole(here);
            let only_waits = all >= MEASURABLE && here.cpu() <= ONLY_WAITS * all;
            match self.busiest(below.into_iter()) {
                Some(next) if only_waits || here.members.iter().all(|member| member.waits) => here = next,
                _ => break,
            }
        }
        Some(vec![(here, Choosing::Itself)])
    }

    /// The group that, with all below it, used the most; of those at rest, the one that started first.
    fn busiest<'b>(&self, groups: impl Iterator<Item = &'b Group<'b>>) -> Option<&'b Group<'b>> {
        groups.max_by(|a, b| self.whole(a).total_cmp(&self.whole(b)).then(b.first().cmp(&a.first())))
    }

    fn is_child(&self, group: &Group<'_>, of: &Group<'_>) -> bool {
        of.members.iter().any(|member| member.id.pid == group.parent)
    }

    /// CPU time of a group and of all that descends from it.
    fn whole(&self, group: &Group<'_>) -> f64 {
        let parent = |pid: u32| self.candidates.iter().find(|c| c.id.pid == pid).map(|c| c.parent);
        let descends = |candidate: &&Candidate| {
            let mut above =
                std::iter::successors(Some(candidate.parent), |pid| parent(*pid)).take(self.candidates.len());
            above.any(|pid| group.members.iter().any(|member| member.id.pid == pid))
        };
        group.cpu() + self.candidates.iter().filter(descends).map(|candidate| candidate.cpu).sum::<f64>()
    }

    /// A group as a part of the rule, and as it is told.
    fn told(&self, group: &Group<'_>, because: Choosing, roots: &[WorkerId]) -> (Part, ChosenGroup) {
        let living = || group.members.iter().filter(|member| member.lives);
        let by_socket = matches!(because, Choosing::Serving | Choosing::Listening);
        let listening = by_socket && living().any(|member| member.listens == Some(false));
        let parent = self.parent(group);
        let part = match roots.iter().find(|root| group.members.iter().any(|member| member.id.is_same_process(**root)))
        {
            Some(root) if parent.is_none() => Part::Process(*root),
            _ => Part::Children {
                parent: (group.parent, parent.map(|parent| parent.id.start)),
                program: group.program.to_owned(),
                listening,
            },
        };
        let fit: Vec<&&Candidate> = living().filter(|member| part.covers(member)).collect();
        let first = fit.first().copied().or(group.members.first());
        let told = ChosenGroup {
            command: first.map_or_else(String::new, |member| member.command.clone()),
            pids: fit.iter().take(MOST_TOLD).map(|member| member.id.pid).collect(),
            count: fit.len() as u64,
            parent: parent.map(|parent| ChosenParent { pid: parent.id.pid, command: parent.command.clone() }),
            because,
        };
        (part, told)
    }
}

#[cfg(test)]
mod tests;
