//! The account of the whole target over the judged time: who is in it beside the workers, and who grew.

use crate::answer::{Choice, Named, Outcome, RestProcess, WholeTarget};
use crate::limits::NAMED;
use crate::model::{Census, EventKind, OtherProcess, PhaseKind, Resource, RunRecord, WorkerId};
use crate::readings::census::{Stays, whole_levels, whole_memory};
use crate::readings::series::pool_series;
use crate::readings::timeline::ends_judging;
use crate::rule::finding::find;
use crate::thresholds::account::NEW;
use std::collections::BTreeMap;

/// Censuses of a run, and those of them in the time in which growth is judged.
pub struct Account<'a> {
    pub record: &'a RunRecord,
    pub judged: Vec<&'a Census>,
    pub from: f64,
    pub to: f64,
}

/// A process that isn't judged, over the judged time.
pub struct Other<'a> {
    pub last: &'a OtherProcess,
    /// When it was seen last.
    pub at: f64,
    pub seen: usize,
    pub cpu: f64,
    /// Its first reading.
    pub earliest: &'a OtherProcess,
    /// The same, if it was there from the beginning.
    pub first: Option<&'a OtherProcess>,
}

impl<'a> Account<'a> {
    /// The account of a run; `None` if fewer than two censuses were taken in the judged time.
    pub fn new(record: &'a RunRecord) -> Option<Self> {
        let (from, to) = window(record);
        let judged: Vec<&Census> = record.census.iter().filter(|c| c.t >= from && c.t < to).collect();
        (judged.len() > 1).then_some(Account { record, judged, from, to })
    }

    /// Whether what is seen first at `t` was there from the begin of the judged time.
    pub fn is_old(&self, t: f64) -> bool {
        t < self.from + NEW.get() || self.judged.first().is_some_and(|first| t <= first.t)
    }

    /// The processes that are not judged.
    pub fn others(&self) -> Vec<Other<'a>> {
        let mut others: BTreeMap<WorkerId, Other<'a>> = BTreeMap::new();
        for census in &self.judged {
            for process in &census.others {
                let old = self.is_old(census.t);
                let other = others.entry(process.id).or_insert(Other {
                    last: process,
                    at: census.t,
                    seen: 0,
                    cpu: 0.0,
                    earliest: process,
                    first: old.then_some(process),
                });
                (other.last, other.at) = (process, census.t);
                other.seen += 1;
                other.cpu = process.cpu - other.first.map_or(0.0, |first| first.cpu);
            }
        }
        others.into_values().collect()
    }

    /// How processes at these depths are chosen.
    pub fn choice(&self, depths: impl Iterator<Item = u32> + Clone) -> Choice {
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

    /// How to judge this process.
    fn choice_of(&self, process: &OtherProcess) -> Choice {
        let root = self.record.meta.target.root.is_none_or(|root| root == process.id);
        let mut choice = self.choice([process.depth].into_iter());
        // What has lost its parent is nobody's child or descendant.
        choice.workers = choice.workers.filter(|_| process.depth > 0 || root);
        choice
    }

    /// Processes that are not workers, those first that grew most.
    pub fn rest(&self) -> Vec<RestProcess> {
        let mut levels: BTreeMap<WorkerId, Vec<(f64, f64)>> = BTreeMap::new();
        for census in &self.record.census {
            for process in &census.others {
                levels.entry(process.id).or_default().extend(whole_memory(process).map(|level| (census.t, level)));
            }
        }
        let stays = Stays::new(self.judged.iter().copied());
        // Of thousands of processes, one is perhaps seen late that was there before the workers.
        let oldest = self.record.samples.iter().map(|sample| sample.worker.start).min();
        let of = |other: Other| {
            let levels = levels
                .remove(&other.last.id)
                .filter(|levels| !levels.is_empty() && stays.at(other.last.id, other.at))?;
            let judged = || levels.iter().filter(|(t, _)| *t >= self.from && *t < self.to);
            let (first, last) = (*judged().next()?, *judged().next_back()?);
            let old = self.is_old(first.0) || oldest.is_some_and(|start| other.last.id.start <= start);
            let size = (if old { first.1 } else { 0.0 }, last.1);
            Some(RestProcess {
                who: named(other.last),
                seen: (first.0, last.0),
                size,
                descriptors: other.earliest.fds.zip(other.last.fds),
                levels,
                choice: self.choice_of(other.last),
            })
        };
        let mut rest: Vec<RestProcess> = self.others().into_iter().filter_map(of).collect();
        let end = self.judged.last().map_or(0.0, |census| census.t);
        // What is gone again has left nothing.
        let grew = |p: &RestProcess| if p.seen.1 >= end { p.size.1 - p.size.0 } else { 0.0 };
        rest.sort_by(|a, b| {
            grew(b).total_cmp(&grew(a)).then(b.size.1.total_cmp(&a.size.1)).then(a.who.pid.cmp(&b.who.pid))
        });
        rest
    }
}

/// The account of a run, for reports; `None` if none was kept.
pub fn whole_target(record: &RunRecord) -> Option<WholeTarget> {
    let account = Account::new(record)?;
    let (first, last) = (*account.judged.first()?, *account.judged.last()?);
    let mut rest = account.rest();
    let came =
        rest.iter().filter(|process| process.size.0 == 0.0 && process.seen.1 >= last.t).map(|process| process.size.1);
    let came = (came.clone().count(), came.sum());
    let more = rest.len().saturating_sub(NAMED);
    rest.truncate(NAMED);
    let others = last.others.iter().map(|other| (other.id.start, other.id.pid, named(other)));
    let newest = others.chain(newest_worker(record)).max_by_key(|(start, pid, _)| (*start, *pid));
    Some(WholeTarget {
        rest,
        more,
        came,
        processes: (first.processes, last.processes),
        zombies: (first.dead(), last.dead()),
        forgets: last.zombies.first().map(|z| Named { pid: z.parent, command: z.command.clone() }),
        newest: newest.map(|(.., who)| who),
    })
}

/// The worker that began last, with its start and PID.
fn newest_worker(record: &RunRecord) -> Option<(u64, u32, Named)> {
    let workers = record.events.iter().filter_map(|event| match &event.kind {
        EventKind::Spawned { worker, command, .. } => {
            Some((worker.start, worker.pid, Named { pid: worker.pid, command: command.clone() }))
        }
        _ => None,
    });
    workers.max_by_key(|(start, pid, _)| (*start, *pid))
}

/// A process, to be named in a sentence.
pub fn named(process: &OtherProcess) -> Named {
    Named { pid: process.id.pid, command: process.command.clone() }
}

/// Processes that the budget of memory allows for a step of the axis, as heavy as they are, if they are heavy enough to matter: the
/// memory of the whole target leaks, or may do so where there are twice as many by now, and most of it by there being more of them.
pub fn heavy(record: &RunRecord) -> Option<f64> {
    let allowed = record.meta.budgets.memory?;
    let (axis, series) = pool_series(record, whole_levels(record))?;
    let judged = series.y.get(series.judged_from()..)?;
    let growth = judged.last()? - judged.first()?;
    let account = Account::new(record)?;
    let living = |census: &Census| census.processes.saturating_sub(census.dead()) as f64;
    let (first, last) = (living(account.judged.first()?), living(account.judged.last()?));
    let average = judged.last()? / last.max(1.0);
    if growth <= 0.0 || 2.0 * (last - first) * average < growth {
        return None;
    }
    let found = find(Resource::Memory, axis, std::slice::from_ref(&series), allowed, record.page());
    let piles_up = found.outcome == Outcome::Inconclusive && last >= 2.0 * first;
    (found.outcome == Outcome::Leak || piles_up).then_some(allowed / average)
}

/// The time in which growth is judged.
pub fn window(record: &RunRecord) -> (f64, f64) {
    let soak = |event: &&crate::model::Event| matches!(event.kind, EventKind::Phase { phase: PhaseKind::Soak, .. });
    let from = record.events.iter().find(soak).map_or(0.0, |event| event.t);
    let to = record.events.iter().find(|event| ends_judging(&event.kind)).map_or(f64::INFINITY, |event| event.t);
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::account::{Beside, MIB, other, with};
    use crate::fixture::run::{event, told};
    use crate::model::{Kin, Zombies};
    use crate::verdict::judge;

    fn outcome(run: &RunRecord, resource: Resource) -> Outcome {
        judge(run).findings.iter().find(|finding| finding.resource == resource).unwrap().outcome
    }

    #[test]
    fn a_parent_at_rest_and_helpers_that_come_and_go_are_clean() {
        let parent = |_| other(9, Kin::Above, 20.0 * MIB, 0.01);
        let warming_up = |t: f64| other(8, Kin::Above, MIB * (20.0 + t.min(40.0)), 0.01);
        let logger = |_| other(7, Kin::Beside, MIB, 0.2);
        let database = |t: f64| other(6, Kin::Beside, 200.0 * MIB, 10.0 * t);
        let mut run = with(&[&parent, &warming_up, &logger, &database]);
        for (i, census) in run.census.iter_mut().enumerate() {
            for helper in 0..(i * 7) % 4 {
                census.others.push(other(100 + (i + helper) as u32, Kin::Below, 4.0 * MIB, 0.001));
                census.processes += 1;
            }
        }
        assert_eq!(judge(&run).outcome, Outcome::Clean, "{}", told(&run));
    }

    #[test]
    fn what_is_not_judged_as_a_worker_and_leaks_is_a_leak_of_the_rest_and_is_named() {
        let parent = |t: f64| other(9, Kin::Above, MIB * (20.0 + t), 0.01);
        let flat = |_| other(8, Kin::Beside, 50.0 * MIB, 0.01);
        let leaking = told(&with(&[&flat, &parent]));
        assert!(
            leaking
                .starts_with("t LEAKS: each request leaves 51.2 KiB in processes that are not workers (allowed: 64 B)"),
            "{leaking}"
        );
        assert!(leaking.contains("PID 9 (shop) grew most, from 30 MiB to 129 MiB."), "{leaking}");
        assert!(leaking.contains("run again with `workers = \"self\"`"), "{leaking}");
        // Within the budget of 64 B for each of 20 requests a second.
        let slowly = |t: f64| other(9, Kin::Above, 20.0 * MIB + 400.0 * t, 0.01);
        assert_eq!(outcome(&with(&[&flat, &slowly]), Resource::Rest), Outcome::Clean);
        let memfd = |t: f64| OtherProcess { shared: Some((t * MIB) as u64), ..other(9, Kin::Above, MIB, 0.01) };
        assert_eq!(outcome(&with(&[&flat, &memfd]), Resource::Rest), Outcome::Leak);
        let huge = |t: f64| OtherProcess { huge: Some((t * MIB) as u64), ..other(9, Kin::Above, MIB, 0.01) };
        assert_eq!(outcome(&with(&[&huge]), Resource::Rest), Outcome::Leak);
    }

    #[test]
    fn processes_that_stay_are_a_leak_and_so_are_dead_ones() {
        let mut run = with(&[&|_| other(9, Kin::Above, MIB, 0.01)]);
        for census in &mut run.census {
            for helper in 0..(census.t / 2.0) as u32 {
                census.others.push(other(100 + helper, Kin::Below, 0.0, 0.001));
                census.processes += 1;
            }
        }
        assert_eq!(
            (outcome(&run, Resource::Processes), outcome(&run, Resource::Rest)),
            (Outcome::Leak, Outcome::Clean)
        );
        let helpers = told(&run);
        assert!(helpers.contains("leave one process behind"), "{helpers}");
        assert!(helpers.contains("The target went from 8 to 57 processes, the newest PID 153 (shop)."), "{helpers}");
        let mut run = with(&[]);
        for census in &mut run.census {
            let count = (census.t * 2.0) as u64;
            census.zombies = vec![Zombies { parent: 9, command: "shop".into(), count }];
            census.processes += count;
        }
        assert_eq!(outcome(&run, Resource::Processes), Outcome::Leak);
        let dead = told(&run);
        assert!(dead.contains("zombies: PID 9 (shop) does not wait for its dead children"), "{dead}");
    }

    #[test]
    fn old_workers_that_pile_up_are_a_leak_by_their_weight_though_they_are_few() {
        let mut run = with(&[]);
        for census in &mut run.census {
            // One every ten seconds is within what is allowed of 20 requests a second.
            let more = (census.t / 10.0) as u64;
            census.processes += more;
            census.workers += more;
        }
        assert_eq!(outcome(&run, Resource::Processes), Outcome::Clean);
        run.census.iter_mut().for_each(|c| c.workers_memory = Some(c.workers * (50 << 20)));
        assert_eq!(outcome(&run, Resource::Processes), Outcome::Leak);
        let piles = told(&run);
        assert!(piles.contains("The target went from 3 to 12 processes"), "{piles}");
        assert!(piles.contains("heavy as they are"), "{piles}");
        // Workers that leak are another matter.
        let mut leaking = with(&[]);
        leaking.census.iter_mut().for_each(|c| c.workers_memory = Some((c.t * 10.0 * MIB) as u64));
        assert_eq!(heavy(&leaking), None);
    }

    #[test]
    fn without_an_account_there_is_no_pass() {
        let mut run = with(&[]);
        run.census.clear();
        assert_eq!(judge(&run).outcome, Outcome::Inconclusive);
        assert!(told(&run).contains("rest could not be read"), "{}", told(&run));
        // What wasn't asked for isn't missed.
        (run.meta.budgets.rest, run.meta.budgets.processes) = (None, None);
        assert_eq!(judge(&run).outcome, Outcome::Clean);
    }

    #[test]
    fn what_happens_in_the_warm_up_and_after_the_end_is_none_of_it() {
        let beside: Beside<'_> = &|t: f64| other(9, Kin::Above, MIB * if t < 10.0 { t } else { 10.0 }, 0.01);
        let mut run = with(&[beside]);
        assert_eq!(outcome(&run, Resource::Rest), Outcome::Clean);
        run.events.push(event(60.0, EventKind::Stopping));
        run.census.iter_mut().filter(|c| c.t > 60.0).for_each(|c| c.others[0].memory = Some((c.t * MIB) as u64));
        assert_eq!(outcome(&run, Resource::Rest), Outcome::Clean);
    }
}
