//! What the account of the whole target says against a pass beside what is judged of it: who worked, and who could not be read.

use super::account::{Account, Other, named};
use super::piling;
use super::unjudged::{self, growing, may_leak};
use crate::answer::{Doubt, Outcome, RestProcess, Work};
use crate::limits::NAMED;
use crate::model::{Axis, Kin, Resource, RunRecord, WorkerId};
use crate::readings::census::whole_levels;
use crate::readings::series::pool_series;
use crate::readings::shared::memory_files;
use crate::thresholds::scale::TENTH;
use crate::thresholds::whole::{AT_REST, TELLING, WORKED};
use std::collections::HashMap;

/// Reasons against a pass in the account of the whole target; none of a run for which no account was kept then. What is judged
/// of memory is `within` its budgets; of shared memory, `shows_shared` says whether it grew where it would be seen.
pub fn doubts(record: &RunRecord, within: bool, shows_shared: bool) -> Vec<Doubt> {
    let mut out = Vec::new();
    let account = Account::new(record);
    out.extend(account.as_ref().and_then(Account::not_judged));
    out.extend(unjudged::doubts(record));
    out.extend(within.then(|| unjudged::wider_grew(record)).flatten());
    out.extend(within.then(|| piling::doubt(record)).flatten());
    out.extend(account.as_ref().and_then(Account::unreadable));
    out.extend(account.as_ref().filter(|_| !shows_shared).and_then(Account::memory_files_grew));
    let account = account.as_ref().filter(|_| within);
    out.extend(account.and_then(Account::one_of_the_rest_grew));
    out.extend(account.filter(|_| out.is_empty()).and_then(Account::all_together_grew));
    out
}

impl Account<'_> {
    /// CPU seconds that the judged workers used.
    fn judged_cpu(&self) -> f64 {
        let mut ends: HashMap<WorkerId, (f64, f64)> = HashMap::new();
        for sample in self.record.samples.iter().filter(|s| s.t >= self.from && s.t < self.to) {
            let Some(cpu) = sample.cpu() else { continue };
            let first = if self.is_old(sample.t) { cpu } else { 0.0 };
            ends.entry(sample.worker).or_insert((first, cpu)).1 = cpu;
        }
        ends.values().map(|(first, last)| last - first).sum()
    }

    /// Whether requests were counted for the judged workers themselves.
    fn judged_serve(&self) -> bool {
        let counted = self.record.samples.iter().any(|sample| sample.requests.is_some_and(|served| served > 0));
        self.record.meta.counting.per_worker && counted
    }

    /// Whether others did the work of the service that the judged processes belong to: those above and below them.
    fn not_judged(&self) -> Option<Doubt> {
        let judged = self.judged_cpu();
        let mut service: Vec<Other> = self.others();
        // Where the log names the judged processes, they have served: another program beside them is a service of its own.
        let serves = self.judged_serve();
        service.retain(|other| match other.last.kin {
            // What lies beside is a service of its own, but where it was only concluded who serves.
            Kin::Beside => !serves && self.record.meta.target.chosen.is_some(),
            Kin::Above => !serves,
            Kin::Below => other.last.same_program || !serves,
        });
        service.sort_by(|a, b| b.cpu.total_cmp(&a.cpu).then(a.last.id.cmp(&b.last.id)));
        let others: f64 = service.iter().map(|other| other.cpu).sum();
        let all = judged + others;
        let telling = all >= TELLING.get();
        let alike = |other: &Other| {
            let stays = 2 * other.seen >= self.judged.len();
            other.last.same_program
                && other.last.kin == Kin::Below
                && stays
                && (!telling || other.cpu > AT_REST.get() * all)
        };
        let share = judged / all;
        let (busy, work): (Vec<&Other>, _) = match telling {
            true if share < WORKED.get() => {
                (service.iter().filter(|other| other.cpu >= TENTH.get() * others).collect(), Work::Most(share))
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

    /// Whether a process of the rest leaks by itself: others that give memory back must not hide it.
    fn one_of_the_rest_grew(&self) -> Option<Doubt> {
        let allowed = self.record.budget(Resource::Rest)?;
        let mut rest: Vec<RestProcess> = self.rest();
        // Who holds the most after all is at the front.
        rest.truncate(NAMED);
        let grew = rest.into_iter().find_map(|process| {
            let (axis, one) = pool_series(self.record, process.levels.iter().copied())?;
            let (outcome, grown) = growing(self.record, Resource::Rest, axis, &one, allowed)?;
            (outcome == Outcome::Leak).then_some((process.who, grown))
        });
        grew.map(|(who, grown)| Doubt::HiddenGrew { who: Some(who), grown })
    }

    /// Whether all processes together leak more than workers and the rest may, those too that are there for a moment: some may hand
    /// on what they hold.
    fn all_together_grew(&self) -> Option<Doubt> {
        let (axis, one) = pool_series(self.record, whole_levels(self.record))?;
        let allowed =
            self.workers(axis)? * self.record.budget(Resource::Memory)? + self.record.budget(Resource::Rest)?;
        // Who is counted as a worker changes from one to the next, so that it is seldom proven.
        let grown = may_leak(self.record, Resource::Memory, axis, &one, allowed)?;
        Some(Doubt::HiddenGrew { who: None, grown })
    }

    /// Whether files in memory that the target holds grew by more than all workers may, which whoever maps them would show.
    fn memory_files_grew(&self) -> Option<Doubt> {
        let (axis, one) = pool_series(self.record, memory_files(self.record).into_iter())?;
        let budget = self.record.budget(Resource::Shared).or(self.record.budget(Resource::Memory))?;
        let allowed = self.workers(axis)? * budget;
        let grown = may_leak(self.record, Resource::Tmpfs, axis, &one, allowed)?;
        Some(Doubt::MemoryFilesGrew { grown })
    }

    /// How many workers make what grows for a step of the axis: by time all of them, a request one.
    fn workers(&self, axis: Axis) -> Option<f64> {
        let workers = self.judged.iter().map(|census| census.workers).max()?;
        Some(if axis == Axis::Hours { workers as f64 } else { 1.0 })
    }

    /// Whether for most of the time processes could not be read.
    fn unreadable(&self) -> Option<Doubt> {
        let blind = self.judged.iter().filter(|census| census.unreadable > 0);
        let processes = self.judged.iter().map(|census| census.unreadable).max()?;
        (2 * blind.count() > self.judged.len()).then_some(Doubt::Unreadable { processes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Choice;
    use crate::fixture::account::{Beside, MIB, other, with};
    use crate::model::OtherProcess;

    fn told(run: &RunRecord) -> Vec<String> {
        doubts(run, true, false).iter().map(crate::words::doubt_reason).collect()
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
        let [Doubt::NotJudged { choice, .. }] = &doubts(&uncounted(&above), true, false)[..] else {
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
        let [Doubt::NotJudged { work: Work::Unknown, choice, .. }] = &doubts(&run, true, false)[..] else {
            panic!("{:?}", told(&run))
        };
        assert_eq!(choice, &Choice { workers: Some("children"), attached: true });
    }

    #[test]
    fn what_one_gives_back_does_not_hide_what_another_keeps() {
        let per_request = 1024.0 * 20.0;
        let keeps = |t: f64| other(8, Kin::Above, 8.0 * MIB + t * per_request, 0.0);
        let gives = |t: f64| other(9, Kin::Above, 64.0 * MIB - t * per_request, 0.0);
        let run = with(&[&keeps, &gives]);
        let [reason] = &told(&run)[..] else { panic!("{:?}", told(&run)) };
        assert!(reason.starts_with("PID 8 (shop) grew from "), "{reason}");
        let verdict = crate::verdict::judge(&run);
        assert_eq!(verdict.exit, crate::answer::ExitCode::Inconclusive);
        assert_eq!(told(&with(&[&gives])), [""; 0], "nobody keeps anything");
        // It warmed up, while the other gave back.
        let warms_up = |t: f64| other(8, Kin::Above, 8.0 * MIB + (t - 30.0).clamp(0.0, 10.0) * MIB, 0.0);
        assert_eq!(told(&with(&[&warms_up, &gives])), [""; 0]);
    }

    #[test]
    fn memory_that_is_handed_on_to_a_fork_is_seen() {
        let chain =
            |grows: f64| move |t: f64| other(100 + (t / 3.0) as u32, Kin::Beside, 8.0 * MIB + t * grows * 20.0, 0.0);
        let run = with(&[&chain(1024.0)]);
        let [reason] = &told(&run)[..] else { panic!("{:?}", told(&run)) };
        assert!(reason.starts_with("memory of all processes together grew from "), "{reason}");
        assert_eq!(told(&with(&[&chain(0.0)])), [""; 0]);
    }

    #[test]
    fn files_in_memory_that_nobody_maps_are_no_pass() {
        let holds = |each: f64, host: bool| {
            let mut run = with(&[]);
            run.meta.budgets.tmpfs = None;
            run.census.iter_mut().for_each(|c| c.memory_files = Some((MIB + c.t * each) as u64));
            run.host.iter_mut().for_each(|h| h.shmem = host.then_some((4096.0 * MIB + h.t * each) as u64));
            run
        };
        let leaks = holds(65536.0, true);
        let [reason] = &told(&leaks)[..] else { panic!("{:?}", told(&leaks)) };
        assert!(
            reason
                .starts_with("files in memory (memfds, files on tmpfs, System V segments) that the target holds grew"),
            "{reason}"
        );
        assert_eq!(crate::verdict::judge(&leaks).exit, crate::answer::ExitCode::Inconclusive);
        assert_eq!(doubts(&leaks, true, true), [], "shared memory says it");
        assert_eq!(told(&holds(0.0, true)), [""; 0]);
        assert_eq!(told(&holds(65536.0, false)).len(), 1, "nobody knows what the host had");
        let mut opens = holds(65536.0, true);
        opens.host.iter_mut().for_each(|h| h.shmem = Some(1 << 32));
        assert_eq!(told(&opens), [""; 0], "what it opens was there already");
    }

    #[test]
    fn an_account_that_could_not_be_taken_is_no_pass() {
        let mut blind = with(&[]);
        blind.census.iter_mut().for_each(|census| census.unreadable = 2);
        assert_eq!(doubts(&blind, true, false), [Doubt::Unreadable { processes: 2 }]);
    }
}
