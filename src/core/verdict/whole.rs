//! What the account of the whole target says against a pass: who worked, what grew beside the judged workers, how many
//! processes there are.

use super::doubt::{Choice, Doubt, Grown, Kind, Named, Work};
use super::finding::least_jump;
use super::growing::grown;
use super::judge::page;
use super::series::{ends_judging, pool_series};
use super::unjudged::{self, grown_beyond_rule};
use crate::model::{
    Axis, Census, CountingSource, EventKind, Kin, OtherProcess, Per, PhaseKind, Resource, RunRecord, RunStatus, Series,
    WorkerId,
};
use crate::thresholds::whole::{AT_REST, LEAST_PROCESSES, NEW, STAYS, TELLING, WORKED, WORTH_NAMING};
use std::collections::{BTreeMap, HashMap};

/// Processes that may be added for a request of the whole target, and for an hour.
const PROCESSES: (f64, f64) = (0.01, 60.0);

/// Reasons against a pass in the account of the whole target; none of a run for which no account was kept then.
pub(super) fn doubts(record: &RunRecord) -> Vec<Doubt> {
    let mut out = Vec::new();
    let account = Account::new(record);
    if let Some(account) = &account {
        out.extend(account.not_judged());
    }
    out.extend(unjudged::doubts(record));
    match account {
        Some(account) => {
            out.extend(account.more_processes());
            out.extend(account.zombies());
            out.extend(account.rest_grew());
            out.extend(account.shared_grew());
            out.extend(account.unreadable());
        }
        None if kept_account(record) => out.push(Doubt::NoAccount),
        None => {}
    }
    out
}

/// Whether the version that recorded the run kept account of the whole target, as far as it came. Tables have none.
fn kept_account(record: &RunRecord) -> bool {
    const SINCE: u32 = 3;
    let minor = record.meta.format.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let whole = record.meta.status == RunStatus::Complete && record.meta.counting.source != CountingSource::Table;
    whole && minor.is_some_and(|minor| minor >= SINCE)
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
    /// When it was seen last.
    at: f64,
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
                let old = census.t < self.from + NEW.get();
                let other = others.entry(process.id).or_insert(Other {
                    last: process,
                    at: census.t,
                    seen: 0,
                    cpu: 0.0,
                    first: old.then_some(process),
                });
                (other.last, other.at) = (process, census.t);
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
            let Some(cpu) = sample.cpu() else { continue };
            let first = if sample.t < self.from + NEW.get() { cpu } else { 0.0 };
            ends.entry(sample.worker).or_insert((first, cpu)).1 = cpu;
        }
        ends.values().map(|(first, last)| last - first).sum()
    }

    /// Whether requests were counted for the judged workers themselves.
    fn judged_serve(&self) -> bool {
        let counted = self.record.samples.iter().any(|sample| sample.requests.is_some_and(|served| served > 0));
        self.record.meta.counting.per_worker && counted
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
        Choice { workers: Some(workers), attached: self.record.meta.is_attached() }
    }

    /// Whether others did the work of the service that the judged processes belong to: those above and below them.
    fn not_judged(&self) -> Option<Doubt> {
        let judged = self.judged_cpu();
        let mut service: Vec<Other> = self.others();
        // Where the log names the judged processes, they have served: another program beside them is a service of its own.
        let serves = self.judged_serve();
        service.retain(|other| match other.last.kin {
            Kin::Beside => false,
            Kin::Above => !serves,
            Kin::Below => other.last.same_program || !serves,
        });
        service.sort_by(|a, b| b.cpu.total_cmp(&a.cpu).then(a.last.id.cmp(&b.last.id)));
        let others: f64 = service.iter().map(|other| other.cpu).sum();
        let all = judged + others;
        let telling = all >= TELLING.get();
        let alike = |other: &Other| {
            let stays = 2 * other.seen >= self.censuses.len();
            other.last.same_program
                && other.last.kin == Kin::Below
                && stays
                && (!telling || other.cpu > AT_REST.get() * all)
        };
        let share = judged / all;
        let (busy, work): (Vec<&Other>, _) = match telling {
            true if share < WORKED.get() => {
                (service.iter().filter(|other| other.cpu >= WORTH_NAMING.get() * others).collect(), Work::Most(share))
            }
            true => (service.iter().filter(|other| alike(other)).collect(), Work::Part(share)),
            false => (service.iter().filter(|other| alike(other)).collect(), Work::Unknown),
        };
        let first = busy.first()?;
        Some(Doubt::NotJudged {
            who: named(first.last),
            more: busy.len() as u64 - 1,
            work,
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
        grown(&series, axis, allowed, LEAST_PROCESSES.get())
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
        let heavier = self
            .record
            .meta
            .budgets
            .memory
            .and_then(|budget| grown(&all_memory, axis, budget, least_jump(Resource::Memory, page(self.record))));
        let processes = self.count_grown(allowed, living).or_else(|| {
            heavier?;
            Some(Grown { allowed, ..self.count_grown(0.0, living)? })
        })?;
        let memory = heavier.unwrap_or(Grown { from: *all_memory.y.first()?, to: *all_memory.y.last()?, ..processes });
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
        let kinds: [(Kind, Sum, LevelOf); 2] = [
            (Kind::Own, Census::rest_memory, |other| other.memory),
            (
                Kind::Huge,
                |census| Some(census.others.iter().filter_map(|o| o.huge).fold(0, u64::saturating_add)),
                |other| other.huge,
            ),
        ];
        kinds.into_iter().find_map(|(kind, sum, of)| {
            let (axis, series) = self.series(sum)?;
            let all = grown_beyond_rule(self.record, axis, &[series])?.1;
            let grew = |other: &Other| {
                let first = other.first.and_then(of).unwrap_or(0) as f64;
                Some((first, of(other.last)? as f64))
            };
            let most = |a: &(f64, f64), b: &(f64, f64)| (a.1 - a.0).total_cmp(&(b.1 - b.0));
            // Whoever was seen for a moment may be a worker that has just been born.
            let last = self.censuses.last()?.t;
            let stays = |other: &&Other| other.seen >= STAYS.get() && other.at >= last;
            let others = self.others();
            let (who, own) =
                others.iter().filter(stays).filter_map(|o| Some((o.last, grew(o)?))).max_by(|a, b| most(&a.1, &b.1))?;
            Some(Doubt::RestGrew { who: named(who), kind, own, all, choice: self.choice_of(who) })
        })
    }

    /// Whether shared memory of a process that isn't judged grew. Several may have the same segment, so each is looked at by
    /// itself.
    fn shared_grew(&self) -> Option<Doubt> {
        let others = self.others();
        others.iter().filter(|other| 2 * other.seen >= self.censuses.len()).find_map(|other| {
            let of = |census: &Census| census.others.iter().find(|o| o.id == other.last.id)?.shared;
            let (axis, series) = self.series(of)?;
            let all = grown_beyond_rule(self.record, axis, &[series])?.1;
            let own = (all.from, all.to);
            let (who, choice) = (named(other.last), self.choice_of(other.last));
            Some(Doubt::RestGrew { who, kind: Kind::Shared, own, all, choice })
        })
    }

    /// How to judge this process.
    fn choice_of(&self, process: &OtherProcess) -> Choice {
        let root = self.record.meta.target.root.is_none_or(|root| root == process.id);
        let mut choice = self.choice([process.depth].into_iter());
        // What has lost its parent is nobody's child or descendant.
        choice.workers = choice.workers.filter(|_| process.depth > 0 || root);
        choice
    }

    /// Whether for most of the time processes could not be read.
    fn unreadable(&self) -> Option<Doubt> {
        let blind = self.censuses.iter().filter(|census| census.unreadable > 0);
        let processes = self.censuses.iter().map(|census| census.unreadable).max()?;
        (2 * blind.count() > self.censuses.len()).then_some(Doubt::Unreadable { processes })
    }
}

/// A quantity of all that isn't judged, and of one process of it.
type Sum = fn(&Census) -> Option<u64>;
type LevelOf = fn(&OtherProcess) -> Option<u64>;

fn named(process: &OtherProcess) -> Named {
    Named { pid: process.id.pid, command: process.command.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{END, clean, event};
    use crate::model::Zombies;

    /// A process beside the workers, as a function of time.
    type Beside<'a> = &'a dyn Fn(f64) -> OtherProcess;

    fn other(pid: u32, kin: Kin, memory: f64, cpu: f64) -> OtherProcess {
        let id = WorkerId { pid, start: 5 };
        let depth = u32::from(kin == Kin::Below);
        OtherProcess {
            id,
            parent: 1,
            command: "shop".into(),
            depth,
            kin,
            memory: Some(memory as u64),
            cpu,
            ..OtherProcess::default()
        }
    }

    /// A clean run whose workers use a tenth of a core, with these processes beside them.
    fn with(beside: &[Beside<'_>]) -> RunRecord {
        let mut run = clean();
        for sample in &mut run.samples {
            (sample.cpu_user, sample.cpu_system) = (Some(sample.t * 0.05), Some(0.0));
        }
        run.census = (0..END as u32).map(f64::from).map(|t| census(t, beside.iter().map(|beside| beside(t)))).collect();
        run
    }

    fn census(t: f64, others: impl Iterator<Item = OtherProcess>) -> Census {
        let others: Vec<OtherProcess> = others.collect();
        let processes = 2 + others.len() as u64;
        Census { t, processes, workers: 2, workers_memory: Some(100 << 20), others, ..Census::default() }
    }

    fn told(run: &RunRecord) -> Vec<String> {
        doubts(run).iter().map(crate::words::doubt_reason).collect()
    }

    const MIB: f64 = 1_048_576.0;

    #[test]
    fn a_parent_at_rest_and_helpers_that_come_and_go_are_no_cause_for_doubt() {
        let parent = |_| other(9, Kin::Above, 20.0 * MIB, 0.01);
        let warming_up = |t: f64| other(8, Kin::Above, MIB * (20.0 + t.min(40.0)), 0.01);
        let logger = |t: f64| other(7, Kin::Beside, MIB + 4096.0 * (t / 40.0).floor(), 0.2);
        let database = |t: f64| other(6, Kin::Beside, 200.0 * MIB, 10.0 * t);
        let mut run = with(&[&parent, &warming_up, &logger, &database]);
        for (i, census) in run.census.iter_mut().enumerate() {
            for helper in 0..(i * 7) % 4 {
                census.others.push(other(100 + (i + helper) as u32, Kin::Below, 4.0 * MIB, 0.001));
                census.processes += 1;
            }
        }
        assert_eq!(told(&run), [""; 0]);
    }

    #[test]
    fn what_is_not_judged_and_grows_is_named_with_its_size() {
        let parent = |t: f64| other(9, Kin::Above, MIB * (20.0 + t), 0.01);
        let flat = |_| other(8, Kin::Beside, 50.0 * MIB, 0.01);
        assert_eq!(
            told(&with(&[&flat, &parent])),
            [
                "PID 9 (shop) is not judged, and its anonymous + swap grew from 30 MiB to 129 MiB; all that is not judged \
              grew by 51.2 KiB/request"
            ]
        );
        // Within the budget of 64 B for each of 20 requests a second.
        let slowly = |t: f64| other(9, Kin::Above, 20.0 * MIB + 1000.0 * t, 0.01);
        assert_eq!(told(&with(&[&flat, &slowly])), [""; 0]);
        let memfd = |t: f64| OtherProcess { shared: Some((t * MIB) as u64), ..other(9, Kin::Above, MIB, 0.01) };
        assert!(told(&with(&[&flat, &memfd]))[0].contains("its shared memory grew"));
        let huge = |t: f64| OtherProcess { huge: Some((t * MIB) as u64), ..other(9, Kin::Above, MIB, 0.01) };
        assert!(told(&with(&[&huge]))[0].contains("its memory in huge pages grew"));
    }

    #[test]
    fn processes_and_the_dead_must_not_become_more_and_more() {
        let mut run = with(&[&|_| other(9, Kin::Above, MIB, 0.01)]);
        for census in &mut run.census {
            for helper in 0..(census.t / 2.0) as u32 {
                census.others.push(other(100 + helper, Kin::Below, MIB, 0.001));
                census.processes += 1;
            }
        }
        let reasons = told(&run);
        assert!(
            reasons[0].starts_with("the target grew from 8 to 57 processes, the newest PID 153 (shop)"),
            "{reasons:?}"
        );
        let mut run = with(&[]);
        for census in &mut run.census {
            let count = (census.t * 2.0) as u64;
            census.zombies = vec![Zombies { parent: 9, command: "shop".into(), count }];
            census.processes += count;
        }
        assert_eq!(
            told(&run),
            ["the target grew from 20 to 218 zombie processes: PID 9 (shop) does not wait for its dead children"]
        );
    }

    #[test]
    fn old_workers_that_pile_up_are_seen_by_their_memory_though_they_are_few() {
        let mut run = with(&[]);
        for census in &mut run.census {
            // One every ten seconds is within what is allowed of 20 requests a second.
            let more = (census.t / 10.0) as u64;
            census.processes += more;
            census.workers += more;
        }
        assert_eq!(told(&run), [""; 0]);
        run.census.iter_mut().for_each(|c| c.workers_memory = Some(c.workers * (50 << 20)));
        assert!(
            told(&run)[0].contains("from 3 to 12 processes, and with them from 150 MiB to 600 MiB"),
            "{:?}",
            told(&run)
        );
    }

    #[test]
    fn whoever_does_the_work_has_to_be_judged() {
        let same = |cpu: f64| move |t: f64| OtherProcess { same_program: true, ..other(9, Kin::Below, MIB, cpu * t) };
        let reason = |beside: Beside<'_>| told(&with(&[beside])).into_iter().next().unwrap_or_default();
        let idle_sleeper = |_| other(9, Kin::Below, MIB, 0.0);
        assert_eq!(reason(&idle_sleeper), "");
        assert_eq!(reason(&same(0.0)), "", "a tracker of the same program that does nothing");
        assert_eq!(
            reason(&same(0.02)),
            "PID 9 (shop) is not judged, though it runs the same program as what is judged, and works too: the judged \
             processes used 83 % of the service's CPU time"
        );
        let busy = |t: f64| other(9, Kin::Below, MIB, 0.9 * t);
        assert_eq!(reason(&busy), "", "the log says that the judged ones have served");
        let uncounted = |beside: Beside<'_>| {
            let mut run = with(&[beside]);
            run.meta.counting.per_worker = false;
            run.samples.iter_mut().for_each(|sample| sample.requests = None);
            run
        };
        assert_eq!(
            told(&uncounted(&busy)),
            ["PID 9 (shop) is not judged, and did the work: the judged processes used 10 % of the service's CPU time"]
        );
        let above = |t: f64| other(9, Kin::Above, MIB, 0.9 * t);
        let [Doubt::NotJudged { choice, .. }] = &doubts(&uncounted(&above))[..] else {
            panic!("{:?}", told(&uncounted(&above)))
        };
        assert_eq!(choice, &Choice { workers: Some("self"), attached: false });
        let database = |t: f64| other(9, Kin::Beside, MIB, 5.0 * t);
        assert_eq!(reason(&database), "", "a service of its own");
    }

    #[test]
    fn children_of_a_parent_without_work_are_judged_only_if_they_are_meant() {
        let child = |_| OtherProcess { same_program: true, ..other(9, Kin::Below, MIB, 0.0) };
        let mut run = with(&[&child]);
        run.samples.iter_mut().for_each(|s| s.cpu_user = Some(0.0));
        run.meta.config = serde_json::json!({ "attach": {} });
        let [Doubt::NotJudged { work: Work::Unknown, choice, .. }] = &doubts(&run)[..] else {
            panic!("{:?}", told(&run))
        };
        assert_eq!(choice, &Choice { workers: Some("children"), attached: true });
    }

    #[test]
    fn an_account_that_should_be_there_and_is_not_is_no_pass() {
        let mut run = clean();
        assert_eq!(told(&run), [""; 0], "older versions kept none");
        run.meta.format = "1.3".into();
        assert_eq!(doubts(&run), [Doubt::NoAccount]);
        let mut blind = with(&[]);
        blind.census.iter_mut().for_each(|census| census.unreadable = 2);
        assert_eq!(doubts(&blind), [Doubt::Unreadable { processes: 2 }]);
    }

    #[test]
    fn what_happens_in_the_warm_up_and_after_the_end_is_none_of_it() {
        let mut run = with(&[&|t: f64| other(9, Kin::Above, MIB * if t < 10.0 { t } else { 10.0 }, 0.01)]);
        assert_eq!(told(&run), [""; 0]);
        run.events.push(event(60.0, EventKind::Stopping));
        run.census.iter_mut().filter(|c| c.t > 60.0).for_each(|c| c.others[0].memory = Some((c.t * MIB) as u64));
        assert_eq!(told(&run), [""; 0]);
    }
}
