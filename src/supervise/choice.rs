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

    /// Whether its members come and go within moments, as those of a server do that forks for each connection.
    fn is_fleeting(&self) -> bool {
        self.members.len() > 2 * self.living() && self.members.iter().all(|member| member.read_for <= MOMENT)
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
        let serving: Vec<&Group> = self.groups.iter().filter(|group| group.listens() || handed(group)).collect();
        let busiest =
            serving.iter().copied().max_by(|a, b| a.cpu().total_cmp(&b.cpu()).then(b.first().cmp(&a.first())))?;
        if busiest.cpu() < MEASURABLE {
            // Who was seen with a connection serves; else, in a pool, the children do.
            let accepted = |group: &&Group| group.members.iter().any(|member| member.accepted);
            let seen: Vec<&Group> = serving.iter().copied().filter(accepted).collect();
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
mod tests {
    use super::*;

    /// A process whose parent is `parent`; it lives, and did nothing.
    fn process(pid: u32, parent: u32, program: &str) -> Candidate {
        Candidate {
            id: WorkerId::new(pid, u64::from(pid)),
            parent,
            program: program.into(),
            command: program.into(),
            waits: false,
            named: false,
            listens: Some(false),
            accepted: false,
            cpu: 0.0,
            read_for: 10.0,
            lives: true,
        }
    }

    fn listening(process: Candidate, cpu: f64) -> Candidate {
        Candidate { listens: Some(true), cpu, ..process }
    }

    fn busy(process: Candidate, cpu: f64) -> Candidate {
        Candidate { cpu, ..process }
    }

    fn waiting(process: Candidate) -> Candidate {
        Candidate { waits: true, ..process }
    }

    /// PIDs of those that the rule covers, and why.
    #[track_caller]
    fn chosen(candidates: &[Candidate]) -> (Vec<u32>, Vec<Choosing>) {
        let (rule, chosen) = choose(candidates, &[]).unwrap();
        let covered = candidates.iter().filter(|candidate| rule.covers(candidate)).map(|c| c.id.pid).collect();
        assert!(chosen.groups.iter().all(|group| group.count > 0));
        (covered, chosen.groups.iter().map(|group| group.because).collect())
    }

    /// A prefork pool behind a shell.
    fn pool() -> Vec<Candidate> {
        vec![
            waiting(process(10, 1, "sh")),
            listening(process(11, 10, "python"), 0.01),
            listening(process(12, 11, "python"), 0.4),
            listening(process(13, 11, "python"), 0.0),
        ]
    }

    #[test]
    fn a_pool_is_its_children_that_serve_idle_ones_too() {
        assert_eq!(chosen(&pool()), (vec![12, 13], vec![Choosing::Serving]));
        let mut at_rest = pool();
        at_rest[2].cpu = 0.0;
        assert_eq!(chosen(&at_rest), (vec![12, 13], vec![Choosing::Listening]));
        at_rest[1].accepted = true;
        assert_eq!(chosen(&at_rest), (vec![11], vec![Choosing::Listening]));
    }

    #[test]
    fn whom_the_log_names_is_a_worker_with_its_siblings() {
        let mut pool = pool();
        pool[1].cpu = 5.0;
        pool[3].named = true;
        assert_eq!(chosen(&pool), (vec![12, 13], vec![Choosing::Named]));
        pool[2].named = true;
        pool[2].program = "other".into();
        assert_eq!(chosen(&pool), (vec![12, 13], vec![Choosing::Named, Choosing::Named]));
    }

    #[test]
    fn a_sibling_without_the_socket_is_no_worker() {
        let mut pool = pool();
        pool.push(busy(process(14, 11, "python"), 0.02));
        assert_eq!(chosen(&pool).0, [12, 13]);
        // And one that comes later is none.
        let (rule, _) = choose(&pool, &[]).unwrap();
        assert!(rule.covers(&listening(process(15, 11, "python"), 0.0)) && !rule.covers(&process(16, 11, "python")));
        assert!(!rule.covers(&listening(process(17, 12, "python"), 0.0)), "a child of a worker");
    }

    #[test]
    fn a_parent_that_serves_and_has_helpers_is_the_worker() {
        let helper = process(12, 11, "python");
        let server = listening(process(11, 10, "python"), 0.5);
        assert_eq!(chosen(&[server.clone(), helper]), (vec![11], vec![Choosing::Serving]));
        // A helper that was forked has the socket too.
        assert_eq!(chosen(&[server, listening(process(12, 11, "python"), 0.01)]), (vec![11], vec![Choosing::Serving]));
    }

    #[test]
    fn a_parent_that_serves_like_its_children_is_a_worker_beside_them() {
        let mut all = [listening(process(11, 1, "uwsgi"), 0.3), listening(process(12, 11, "uwsgi"), 0.4)];
        assert_eq!(chosen(&all).0, [12], "it keeps accounts, perhaps, but answers nobody");
        all[0].accepted = true;
        assert_eq!(chosen(&all), (vec![11, 12], vec![Choosing::Serving; 2]));
    }

    #[test]
    fn children_to_whom_a_parent_hands_connections_are_the_workers() {
        let children = [12, 13].map(|pid| busy(process(pid, 11, "node"), 0.4));
        let all = [vec![listening(process(11, 1, "node"), 0.3)], children.to_vec()].concat();
        assert_eq!(chosen(&all), (vec![12, 13], vec![Choosing::SameProgram]));
    }

    #[test]
    fn of_two_programs_that_listen_the_busier_one_works() {
        let all = [
            waiting(process(10, 1, "sh")),
            listening(process(11, 10, "nginx"), 0.0),
            listening(process(12, 11, "nginx"), 0.1),
            listening(process(13, 10, "php-fpm"), 0.0),
            listening(process(14, 13, "php-fpm"), 0.5),
        ];
        assert_eq!(chosen(&all), (vec![14], vec![Choosing::Serving]));
    }

    #[test]
    fn a_busy_neighbour_that_serves_nobody_is_no_worker() {
        let mut all = pool();
        all.push(busy(process(20, 11, "sh"), 9.0));
        assert_eq!(chosen(&all).0, [12, 13]);
    }

    #[test]
    fn without_sockets_children_of_the_same_program_work_or_the_process_itself() {
        let parent = process(11, 1, "celery");
        let children = [12, 13].map(|pid| busy(process(pid, 11, "celery"), 0.2));
        let all = |parent: Candidate| [vec![parent], children.to_vec()].concat();
        assert_eq!(chosen(&all(parent.clone())), (vec![12, 13], vec![Choosing::SameProgram]));
        assert_eq!(chosen(&all(busy(parent.clone(), 5.0))), (vec![11], vec![Choosing::Itself]));
        assert_eq!(chosen(std::slice::from_ref(&parent)), (vec![11], vec![Choosing::Itself]));
        // Who does what may not be read.
        let unread = Candidate { listens: None, ..process(12, 11, "celery") };
        assert_eq!(chosen(&[Candidate { listens: None, ..parent }, unread]).0, [12]);
    }

    #[test]
    fn what_only_waits_is_passed_over() {
        let env = waiting(process(10, 1, "timeout"));
        assert_eq!(chosen(&[env.clone(), process(11, 10, "php")]), (vec![11], vec![Choosing::Itself]));
        // A script isn't known as one that waits, but does nothing else.
        let script = process(10, 1, "bash");
        let worker = process(11, 10, "php");
        assert_eq!(chosen(&[script.clone(), worker.clone()]).0, [10]);
        assert_eq!(chosen(&[script.clone(), busy(worker.clone(), 0.5)]).0, [11]);
        assert_eq!(chosen(&[busy(script, 0.1), busy(worker, 0.5)]).0, [10], "it works itself");
        assert_eq!(chosen(&[env]).0, [10], "there is nothing else");
    }

    #[test]
    fn of_several_services_the_one_that_works_is_meant() {
        let beside = process(9, 1, "sleep");
        let workers = [12, 13].map(|pid| busy(process(pid, 11, "celery"), 0.2));
        let all = [vec![beside, process(11, 1, "celery")], workers.to_vec()].concat();
        assert_eq!(chosen(&all), (vec![12, 13], vec![Choosing::SameProgram]));
    }

    #[test]
    fn workers_that_are_replaced_are_known_by_those_that_ended() {
        let ended = Candidate { lives: false, named: true, cpu: 0.3, ..process(12, 11, "python") };
        let all = [process(11, 1, "python"), ended.clone(), process(40, 11, "python")];
        assert_eq!(chosen(&all), (vec![12, 40], vec![Choosing::Named]));
        assert_eq!(choose(&[ended], &[]), None);
    }

    #[test]
    fn who_forks_for_each_connection_is_the_worker_itself() {
        let child =
            |pid: u32, lives: bool| Candidate { lives, read_for: 0.4, ..listening(process(pid, 11, "python"), 0.1) };
        let parent = listening(process(11, 1, "python"), 0.01);
        let mut all = vec![parent, child(20, false), child(21, false), child(22, false), child(23, true)];
        assert_eq!(chosen(&all), (vec![11], vec![Choosing::Outlives]));
        all[0].cpu = 2.0;
        assert_eq!(chosen(&all), (vec![11], vec![Choosing::Outlives]), "it reads what they say, perhaps");
        all[0].cpu = 0.01;
        all[2].named = true;
        assert_eq!(chosen(&all).1, [Choosing::Named], "the log says that they are meant");
        all[2].named = false;
        // One that stays beside some that helped it to start.
        all[4].read_for = 2.0;
        assert_eq!(chosen(&all), (vec![20, 21, 22, 23], vec![Choosing::Serving]));
        all[1].read_for = 2.0;
        all[4].read_for = 0.5;
        assert_eq!(chosen(&all).1, [Choosing::Serving], "they are recycled, and live for seconds");
    }

    #[test]
    fn a_loop_is_the_worker_not_what_it_runs() {
        let script = process(10, 1, "sh");
        let sleep = |pid: u32, lives: bool| Candidate { lives, read_for: 0.2, ..busy(process(pid, 10, "sleep"), 0.01) };
        let all = [script, sleep(11, false), sleep(12, false), sleep(13, true)];
        assert_eq!(chosen(&all), (vec![10], vec![Choosing::Outlives]));
    }

    #[test]
    fn a_process_that_was_named_by_its_pid_is_meant_alone() {
        let root = listening(process(11, 1, "python"), 0.4);
        let (rule, told) = choose(std::slice::from_ref(&root), &[root.id]).unwrap();
        assert_eq!(rule.parts, [Part::Process(root.id)]);
        assert_eq!((told.groups[0].parent.clone(), told.groups[0].pids.clone()), (None, vec![11]));
    }

    #[test]
    fn of_several_processes_each_has_its_workers() {
        let all = [pool(), vec![busy(process(30, 1, "php"), 0.1), process(40, 1, "php")]].concat();
        let id = |pid: u32| WorkerId::new(pid, u64::from(pid));
        let covered = |roots: &[u32]| {
            let (rule, told) = choose(&all, &roots.iter().copied().map(id).collect::<Vec<_>>()).unwrap();
            (all.iter().filter(|c| rule.covers(c)).map(|c| c.id.pid).collect::<Vec<_>>(), told.groups.len())
        };
        assert_eq!(covered(&[30, 40]), (vec![30, 40], 2));
        assert_eq!(covered(&[10, 30]), (vec![12, 13, 30], 2));
        assert_eq!(covered(&[11, 12, 13]), (vec![12, 13], 1), "a parent and its workers");
        assert_eq!(covered(&[12, 40]), (vec![12, 40], 2));
    }
}
