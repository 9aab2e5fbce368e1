//! What the account of the whole target says against a pass: who worked, what grew beside the judged workers, how many
//! processes there are.

use super::doubt::{Choice, Doubt, Grown, Kind, Named};
use super::finding::{find, least_jump};
use super::growing::grown;
use super::judge::page;
use super::series::{ends_judging, part_series, pool_series};
use super::{Outcome, series};
use crate::model::{
    Axis, Census, CountingSource, EventKind, Kin, OtherProcess, Per, PhaseKind, Resource, RunRecord, Sample, Series,
    WorkerId,
};
use std::collections::{BTreeMap, HashMap};

/// The part of the service's CPU time that the judged processes have used at least, and what a process of the same program
/// below them may have used without being one of those that work.
const WORKED: f64 = 0.5;
const AT_REST: f64 = 0.01;
/// CPU time in seconds from which shares of it can be told: it is counted in hundredths.
const TELLING: f64 = 0.2;
/// The part of the others' CPU time from which one of them is named.
const WORTH_NAMING: f64 = 0.1;
/// Seconds into the soak after which a process that is seen for the first time has begun in it.
const NEW: f64 = 1.5;

/// Processes that may be added for a request of the whole target, and for an hour.
const PROCESSES: (f64, f64) = (0.01, 60.0);
/// Growth in processes that is no chance.
const LEAST_PROCESSES: f64 = 2.0;

/// Births from which it can be told whether the later ones are bigger.
const BIRTHS: usize = 9;

/// Reasons against a pass in the account of the whole target; none of a run for which no account was kept then.
pub(super) fn doubts(record: &RunRecord) -> Vec<Doubt> {
    let mut out = Vec::new();
    let account = Account::new(record);
    if let Some(account) = &account {
        out.extend(account.not_judged());
    }
    out.extend(workers_grew(record));
    out.extend(born(record));
    match account {
        Some(account) => {
            out.extend(account.more_processes());
            out.extend(account.zombies());
            out.extend(account.rest_grew());
            out.extend(account.unreadable());
        }
        None if kept_account(record) => out.push(Doubt::NoAccount),
        None => {}
    }
    out
}

/// Whether the version that recorded the run kept account of the whole target. Tables have none.
fn kept_account(record: &RunRecord) -> bool {
    const SINCE: u32 = 3;
    let minor = record.meta.format.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    record.meta.counting.source != CountingSource::Table && minor.is_some_and(|minor| minor >= SINCE)
}

/// The time in which growth is judged.
fn window(record: &RunRecord) -> (f64, f64) {
    let soak = |event: &&crate::model::Event| matches!(event.kind, EventKind::Phase { phase: PhaseKind::Soak, .. });
    let from = record.events.iter().find(soak).map_or(0.0, |event| event.t);
    let to = record.events.iter().find(|event| ends_judging(&event.kind)).map_or(f64::INFINITY, |event| event.t);
    (from, to)
}

/// Censuses of the judged time.
struct Account<'a> {
    record: &'a RunRecord,
    censuses: Vec<&'a Census>,
    from: f64,
    to: f64,
}

/// A process that isn't judged, over the judged time.
struct Other<'a> {
    last: &'a OtherProcess,
    seen: usize,
    cpu: f64,
    /// Its first reading, if it was there from the beginning.
    first: Option<&'a OtherProcess>,
}

impl<'a> Account<'a> {
    fn new(record: &'a RunRecord) -> Option<Self> {
        let (from, to) = window(record);
        let censuses: Vec<&Census> = record.census.iter().filter(|c| c.t >= from && c.t < to).collect();
        (censuses.len() > 1).then_some(Account { record, censuses, from, to })
    }

    fn others(&self) -> Vec<Other<'a>> {
        let mut others: BTreeMap<WorkerId, Other<'a>> = BTreeMap::new();
        for census in &self.censuses {
            for process in &census.others {
                let old = census.t < self.from + NEW;
                let other = others.entry(process.id).or_insert(Other {
                    last: process,
                    seen: 0,
                    cpu: 0.0,
                    first: old.then_some(process),
                });
                other.last = process;
                other.seen += 1;
                other.cpu = process.cpu - other.first.map_or(0.0, |first| first.cpu);
            }
        }
        others.into_values().collect()
    }

    /// CPU seconds that the judged workers used.
    fn judged_cpu(&self) -> f64 {
        let mut ends: HashMap<WorkerId, (f64, f64)> = HashMap::new();
        for sample in self.record.samples.iter().filter(|s| s.t >= self.from && s.t < self.to) {
            let Some(cpu) = sample.cpu_user.zip(sample.cpu_system).map(|(user, system)| user + system) else { continue };
            let first = if sample.t < self.from + NEW { cpu } else { 0.0 };
            ends.entry(sample.worker).or_insert((first, cpu)).1 = cpu;
        }
        ends.values().map(|(first, last)| last - first).sum()
    }

    fn choice(&self, depths: impl Iterator<Item = u32> + Clone) -> Choice {
        let all = |depth: u32| depths.clone().all(|d| d == depth);
        let workers = if all(0) {
            "self"
        } else if all(1) {
            "children"
        } else {
            "descendants"
        };
        Choice { workers, attached: self.record.meta.is_attached() }
    }

    /// Whether others did the work of the service that the judged processes belong to: those above and below them.
    fn not_judged(&self) -> Option<Doubt> {
        let judged = self.judged_cpu();
        let mut service: Vec<Other> = self.others().into_iter().filter(|o| o.last.kin != Kin::Beside).collect();
        service.sort_by(|a, b| b.cpu.total_cmp(&a.cpu).then(a.last.id.cmp(&b.last.id)));
        let others: f64 = service.iter().map(|other| other.cpu).sum();
        let all = judged + others;
        let telling = all >= TELLING;
        let alike = |other: &Other| {
            let stays = 2 * other.seen >= self.censuses.len();
            other.last.same_program && other.last.kin == Kin::Below && stays && (!telling || other.cpu > AT_REST * all)
        };
        let busy: Vec<&Other> = if telling && judged < WORKED * all {
            service.iter().filter(|other| other.cpu >= WORTH_NAMING * others).collect()
        } else {
            service.iter().filter(|other| alike(other)).collect()
        };
        let first = busy.first()?;
        Some(Doubt::NotJudged {
            who: named(first.last),
            more: busy.len() as u64 - 1,
            judged_share: telling.then(|| judged / all),
            choice: self.choice(busy.iter().map(|other| other.last.depth)),
        })
    }

    /// The judged part of a quantity of each census.
    fn series(&self, quantity: impl Fn(&Census) -> Option<u64>) -> Option<(Axis, Series)> {
        let levels = self.censuses.iter().filter_map(|census| Some((census.t, quantity(census)? as f64)));
        pool_series(self.record, levels).filter(|(axis, _)| *axis != Axis::Seconds)
    }

    /// Growth of a count of processes beyond what is `allowed` of them.
    fn count_grown(&self, allowed: f64, quantity: impl Fn(&Census) -> u64) -> Option<Grown> {
        let (axis, series) = self.series(|census| Some(quantity(census)))?;
        grown(&series, axis, allowed, LEAST_PROCESSES)
    }

    /// Processes that the budget allows for a step of the axis.
    fn allowed_processes(&self) -> f64 {
        match self.record.meta.budgets.per {
            Per::Request => PROCESSES.0,
            Per::Hour => PROCESSES.1,
        }
    }

    /// Whether there are more and more processes: more than are allowed, or so many that their memory is.
    fn more_processes(&self) -> Option<Doubt> {
        let living = |census: &Census| census.processes.saturating_sub(census.dead());
        let memory = |census: &Census| Some(census.workers_memory?.saturating_add(census.rest_memory()?));
        let allowed = self.allowed_processes();
        let (axis, all_memory) = self.series(memory)?;
        let heavier = self.record.meta.budgets.memory.and_then(|budget| {
            grown(&all_memory, axis, budget, least_jump(Resource::Memory, page(self.record)))
        });
        let processes = self.count_grown(allowed, living).or_else(|| {
            heavier?;
            Some(Grown { allowed, ..self.count_grown(0.0, living)? })
        })?;
        let memory = heavier.unwrap_or(Grown {
            from: *all_memory.y.first()?,
            to: *all_memory.y.last()?,
            ..processes
        });
        let newest = self.censuses.last()?.others.iter().max_by_key(|other| (other.id.start, other.id.pid));
        Some(Doubt::MoreProcesses { processes, memory, newest: newest.map(named).or_else(|| self.newest_worker()) })
    }

    fn newest_worker(&self) -> Option<Named> {
        self.record.events.iter().rev().find_map(|event| match &event.kind {
            EventKind::Spawned { worker, command, .. } => Some(Named { pid: worker.pid, command: command.clone() }),
            _ => None,
        })
    }

    fn zombies(&self) -> Option<Doubt> {
        let zombies = self.count_grown(self.allowed_processes(), Census::dead)?;
        let first = self.censuses.last()?.zombies.first()?;
        Some(Doubt::Zombies { zombies, parent: Named { pid: first.parent, command: first.command.clone() } })
    }

    /// Whether what isn't judged grew by more than the budget allows.
    fn rest_grew(&self) -> Option<Doubt> {
        let kinds: [(Kind, Sum, fn(&OtherProcess) -> Option<u64>); 3] = [
            (Kind::Own, Census::rest_memory, |other| other.memory),
            // A segment that several have mapped is counted once.
            (Kind::Shared, |census| census.others.iter().filter_map(|o| o.shared).max(), |other| other.shared),
            (Kind::Huge, |census| Some(census.others.iter().filter_map(|o| o.huge).sum()), |other| other.huge),
        ];
        kinds.into_iter().find_map(|(kind, sum, of)| {
            let (axis, series) = self.series(sum)?;
            let all = grown_beyond_rule(self.record, axis, &[series])?.1;
            let grew = |other: &Other| {
                let first = other.first.and_then(of).unwrap_or(0) as f64;
                Some((first, of(other.last)? as f64))
            };
            let most = |a: &(f64, f64), b: &(f64, f64)| (a.1 - a.0).total_cmp(&(b.1 - b.0));
            let others = self.others();
            let (who, own) = others.iter().filter_map(|o| Some((o.last, grew(o)?))).max_by(|a, b| most(&a.1, &b.1))?;
            let choice = self.choice([who.depth].into_iter());
            Some(Doubt::RestGrew { who: named(who), kind, own, all, choice })
        })
    }

    /// Whether for most of the time processes could not be read.
    fn unreadable(&self) -> Option<Doubt> {
        let blind = self.censuses.iter().filter(|census| census.unreadable > 0);
        let processes = self.censuses.iter().map(|census| census.unreadable).max()?;
        (2 * blind.count() > self.censuses.len()).then_some(Doubt::Unreadable { processes })
    }
}

type Sum = fn(&Census) -> Option<u64>;

fn named(process: &OtherProcess) -> Named {
    Named { pid: process.id.pid, command: process.command.clone() }
}

/// The series that grew fastest beyond the budget of memory, unless the rule finds them clean: a warm-up is none.
fn grown_beyond_rule(record: &RunRecord, axis: Axis, series: &[Series]) -> Option<(Option<WorkerId>, Grown)> {
    let budget = record.meta.budgets.memory.filter(|_| axis != Axis::Seconds)?;
    let page = page(record);
    let beyond = series.iter().filter_map(|one| {
        let all = grown(one, axis, budget, least_jump(Resource::Memory, page))?;
        Some((one.worker, all))
    });
    let fastest = beyond.max_by(|a, b| a.1.rate.total_cmp(&b.1.rate))?;
    (find(Resource::Memory, axis, series, budget, page).outcome != Outcome::Clean).then_some(fastest)
}

/// Whether memory of a judged worker grew that isn't anonymous. Shared memory that is charged to the target's own control
/// group is judged there, with what no process has mapped.
fn workers_grew(record: &RunRecord) -> Option<Doubt> {
    let in_group = record.meta.budgets.tmpfs.is_some() && record.host.iter().any(|host| host.cgroup_shmem.is_some());
    let kinds: [(Kind, fn(&Sample) -> Option<u64>); 2] = [(Kind::Shared, |s| s.shmem), (Kind::Huge, |s| s.huge)];
    kinds.into_iter().filter(|(kind, _)| *kind != Kind::Shared || !in_group).find_map(|(kind, level)| {
        let first = record.samples.iter().find_map(level)?;
        if record.samples.iter().filter_map(level).all(|level| level == first) {
            return None;
        }
        let (axis, series) = part_series(record, &level);
        let (worker, grown) = grown_beyond_rule(record, axis, &series)?;
        let worker = worker?;
        let command = record.events.iter().find_map(|event| match &event.kind {
            EventKind::Spawned { worker: spawned, command, .. } if *spawned == worker => Some(command.clone()),
            _ => None,
        });
        let who = Named { pid: worker.pid, command: command.unwrap_or_default() };
        Some(Doubt::WorkerGrew { who, kind, grown })
    })
}

/// Whether each new worker begins at a higher level, by more than the budget allows for the requests of a life.
fn born(record: &RunRecord) -> Option<Doubt> {
    let budget = record.meta.budgets.memory?;
    let (axis, series) = series(record, Resource::Memory);
    if series.len() < BIRTHS || axis == Axis::Seconds {
        return None;
    }
    // Of a life the middle: at first a new process hasn't taken yet what it is born with.
    let level = |one: &Series| crate::stats::median(&one.y);
    let born: Vec<f64> = series.iter().filter_map(level).collect();
    let lives: Vec<f64> = series.iter().filter_map(|one| Some(one.x.last()? - one.x.first()?)).collect();
    let life = crate::stats::median(&lives)?;
    let third = born.len() / 3;
    let (early, late) = (&born[..third], &born[born.len() - third..]);
    let floor = |levels: &[f64]| levels.iter().copied().fold(f64::INFINITY, f64::min);
    let ceiling = |levels: &[f64]| levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let growth = (floor(late) - floor(early)).min(ceiling(late) - ceiling(early));
    let each = growth / (born.len() - third) as f64;
    let rate = each / life;
    let more = growth >= least_jump(Resource::Memory, page(record)) && rate > budget;
    let grown = Grown { from: *born.first()?, to: *born.last()?, rate, allowed: budget, axis };
    more.then_some(Doubt::Born { births: born.len(), grown, each })
}
