//! Looks at a run before its end: may it end now, because leak or clean is proven?
//!
//! To look often is to err often, unless each look is stricter than the one verdict at the end. A run of planned length
//! spends its error probability by the share of the plan that is done, next to nothing early (Lan & DeMets 1983); a watch
//! without an end spends a convergent series of it (Darling & Robbins 1967), so that its bounds hold at all looks
//! together. Each look takes what it may spend as its own error probability: by Bonferroni, the sum holds however
//! the looks depend on each other, as far as the bound of one look holds.
//!
//! No error probability helps where the readings so far are the same: a cache that fills in a straight line, and will be full
//! later, is a leak by all that can be seen. So an early "leak" needs two things more. Somebody must have said how long
//! transients last: a warm-up phase came before the soak, or most of the plan is done. And growth must have used up what the
//! budget allows for the whole plan, so that the run as planned would have been over it whatever came after.
//!
//! Always: nothing is proven early while the best model's transient has had less than three of its constants, nor a leak
//! while growth may be slowing down.

use super::judge::{findings, findings_in_doubt};
use crate::answer::{Finding, Interval, Outcome};
use crate::model::{Axis, EventKind, Resource, RunRecord, Series, WorkerId};
use crate::readings::settled::pauses;
use crate::rule::assess::{Ahead, Demands, Terms};
use crate::rule::finding::find_by;
use crate::stats::{endless, spent};
use crate::thresholds::assess::ALPHA;
use crate::thresholds::looks::{FIRST, GROWN_UP, LATE, LONGER, MOST_OF_LIFE, USED_UP};
use crate::thresholds::scale::{ENOUGH, FEW, QUARTER};
use std::collections::HashMap;

/// Shares of the planned length at which it is looked: where clean may be proven, and a quarter longer each time before and after.
fn shares() -> [f64; 4] {
    [-2, -1, 0, 1].map(|step| LATE.get() * (1.0 + QUARTER.get()).powi(step))
}

/// When it is looked, and what has been spent.
#[derive(Debug, Clone)]
pub struct Looks {
    horizon: Horizon,
    /// Pauses of the load that must have passed, where the levels in them are what is judged.
    pauses: usize,
    taken: usize,
    spent: (f64, f64),
    /// What is proven; of a watch without an end.
    since: Option<Held>,
}

/// What is planned for a run, as far as looks at it depend on that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoakPlan {
    /// Whether a warm-up phase comes before the soak: then transients are over when it begins, as far as its author knows.
    pub after_warm_up: bool,
    /// The part of the soak that its last phase is, 0 to 1.
    pub last_phase: f64,
    /// How often the load pauses in the soak.
    pub pauses: usize,
}

/// Where the end of a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Horizon {
    /// It is planned.
    Planned(SoakPlan),
    /// The planned end passed at this share of the extended plan.
    Extended { from: f64 },
    /// There is none.
    Open,
}

impl Horizon {
    /// The progress before which a run is no leak, and before which it isn't clean.
    fn earliest(self) -> (f64, f64) {
        match self {
            Horizon::Planned(plan) => {
                (if plan.after_warm_up { 0.0 } else { LATE.get() }, 1.0 - (1.0 - LATE.get()) * plan.last_phase)
            }
            Horizon::Extended { from } => (from, from),
            Horizon::Open => (0.0, 0.0),
        }
    }

    /// What is to come: of a plan, a leak must have used up what the budget allows for the whole of it.
    fn ahead(self, progress: f64) -> Ahead {
        match self {
            Horizon::Planned(_) => Ahead::Plan { over: 1.0 / progress },
            Horizon::Extended { .. } => Ahead::Plan { over: 0.0 },
            Horizon::Open => Ahead::Unknown,
        }
    }
}

/// What a look found.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The share of the plan that was done, or the seconds that had passed.
    pub progress: f64,
    /// The error probability of "leak" at this look.
    pub alpha: f64,
    /// What is proven, if anything is; never [`Outcome::Inconclusive`].
    pub proven: Option<Outcome>,
    /// What was found; missing if nothing was judged.
    pub found: Option<Found>,
}

/// What a look found of the resource that tells most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The resource.
    pub resource: Resource,
    /// What growth is measured against.
    pub axis: Axis,
    /// The answer for it.
    pub outcome: Outcome,
    /// Its growth; missing if nothing could be fitted.
    pub growth: Option<Interval>,
}

impl Looks {
    /// Looks at a run with a planned end; progress is the share of the plan that is done. If there are enough pauses for the
    /// levels in them to be judged, it isn't looked by any others.
    pub fn planned(plan: SoakPlan) -> Self {
        let pauses = if plan.pauses >= ENOUGH.get() { ENOUGH.get() } else { 0 };
        Looks { horizon: Horizon::Planned(plan), pauses, ..Looks::open_ended() }
    }

    /// Looks at a run that goes on beyond its planned end, to `factor` times its length at most; progress is the share of
    /// that. What the shares before the planned end may spend is left out: the planned end had an error probability of
    /// its own, and has been looked at.
    pub fn extended(factor: f64) -> Self {
        let from = 1.0 / factor.max(1.0);
        Looks {
            horizon: Horizon::Extended { from },
            taken: shares().iter().filter(|share| **share <= from).count(),
            spent: (spent(ALPHA.get(), from), spent(ALPHA.get(), from)),
            ..Looks::open_ended()
        }
    }

    /// Looks at a run without an end; progress is seconds.
    pub fn open_ended() -> Self {
        Looks { horizon: Horizon::Open, pauses: 0, taken: 0, spent: (0.0, 0.0), since: None }
    }

    /// Whether the next look is due.
    pub fn are_due(&self, progress: f64) -> bool {
        let (leak, clean) = self.horizon.earliest();
        let next = match self.horizon {
            Horizon::Open => self.next_of_open_end(),
            _ => shares().into_iter().skip(self.taken).find(|share| *share >= leak.min(clean)).unwrap_or(f64::INFINITY),
        };
        progress >= next
    }

    /// Whether the next look is due, and the record has what it needs.
    pub fn are_due_at(&self, record: &RunRecord, progress: f64) -> bool {
        self.are_due(progress) && (self.pauses == 0 || pauses(record).len() >= self.pauses)
    }

    /// Looks at what is recorded so far.
    pub fn look(&mut self, record: &RunRecord, progress: f64) -> Look {
        let demands = self.demands(progress);
        let parts: Vec<(Vec<Finding>, bool)> = parts(record).map(|part| findings_in_doubt(part, demands)).collect();
        let in_doubt = parts.iter().any(|(_, in_doubt)| *in_doubt);
        let is_unread = parts.iter().any(|(findings, _)| findings.is_empty());
        let findings: Vec<Finding> = parts.into_iter().flat_map(|(findings, _)| findings).collect();
        // What is in doubt may be cleared up by what is left of a plan; where there is none, nothing is waited for.
        let waits = in_doubt && self.horizon != Horizon::Open;
        let proven = self.proven(&findings, progress, || have_always_grown(record));
        let proven = proven.filter(|answer| *answer == Outcome::Leak || !(waits || is_unread));
        let telling = findings.iter().find(|f| proven == Some(f.outcome)).or(findings.first());
        let found = telling.map(|finding| {
            let Finding { resource, axis, outcome, growth, .. } = *finding;
            Found { resource, axis, outcome, growth }
        });
        Look { progress, alpha: demands.leak, proven, found }
    }

    /// Looks at one resource by its series, as [`crate::rule::find`] judges them at the end; what is proven, if anything is.
    pub fn find(
        &mut self,
        (resource, axis): (Resource, Axis),
        series: &[Series],
        (budget, quantum): (f64, f64),
        progress: f64,
    ) -> Option<Outcome> {
        let demands = self.demands(progress);
        // Of a series alone, no age is known.
        let terms = Terms { budget, quantum, tests: 1, demands };
        self.proven(&[find_by(resource, axis, series, terms)], progress, || false)
    }

    /// How sure this look must be; what it spends is gone. An answer that it can't give spends nothing.
    fn demands(&mut self, progress: f64) -> Demands {
        let (leak_from, clean_from) = self.horizon.earliest();
        let may = |alpha: f64, before: f64| match self.horizon {
            Horizon::Open => endless(self.taken, alpha),
            _ => spent(alpha, progress) - before,
        };
        let (leak, clean) = (may(ALPHA.get(), self.spent.0), may(ALPHA.get(), self.spent.1));
        self.spent.0 += if progress >= leak_from { leak } else { 0.0 };
        self.spent.1 += if progress >= clean_from { clean } else { 0.0 };
        self.taken = match self.horizon {
            Horizon::Open => self.taken + 1,
            _ => shares().iter().filter(|s| **s <= progress).count(),
        };
        Demands { leak, clean, ahead: self.horizon.ahead(progress) }
    }

    /// What the findings prove together; `always` says whether all processes have grown so for most of a long life.
    fn proven(&mut self, findings: &[Finding], progress: f64, always: impl FnOnce() -> bool) -> Option<Outcome> {
        let (leak_from, clean_from) = self.horizon.earliest();
        let all_clean = !findings.is_empty() && findings.iter().all(|f| f.outcome == Outcome::Clean);
        let answer = if findings.iter().any(|f| f.outcome == Outcome::Leak) {
            (progress >= leak_from).then_some(Outcome::Leak)
        } else {
            (all_clean && progress >= clean_from).then_some(Outcome::Clean)
        };
        if self.horizon != Horizon::Open {
            return answer;
        }
        // Growth so steep that the budget of days is used up is over it whatever comes, unless it has just begun.
        let used_up = |f: &Finding| f.growth.map_or(0.0, |growth| growth.lower / f.budget) * progress;
        let is_steep = findings
            .iter()
            .any(|f| f.outcome == Outcome::Leak && f.resource == Resource::Memory && used_up(f) >= USED_UP.get())
            && always();
        let held = if is_steep { LONGER.get() } else { FEW.get() as f64 };
        self.since = answer.map(|answer| match self.since {
            Some(before) if before.answer == answer => Held { until: held * before.from, ..before },
            _ => Held { answer, from: progress, until: held * progress },
        });
        self.since.filter(|held| progress >= held.until).map(|held| held.answer)
    }

    /// Seconds after which a watch without an end is looked at next.
    fn next_of_open_end(&self) -> f64 {
        FIRST.get() * LONGER.get().powi(self.taken as i32)
    }

    /// When a watch without an end is looked at next, and when it ends at the earliest, in seconds; missing for a run with a plan.
    pub fn ahead(&self) -> Option<(f64, f64)> {
        let next = self.next_of_open_end();
        let end = self.since.map_or(LONGER.get() * next, |held| held.until.max(next));
        (self.horizon == Horizon::Open).then_some((next, end))
    }
}

/// An answer of a watch without an end.
#[derive(Debug, Clone, Copy)]
struct Held {
    answer: Outcome,
    /// Seconds after which it was first proven, and until which it has to hold.
    from: f64,
    until: f64,
}

/// Whether every process that was read began long ago, and has grown like this for most of its life.
fn have_always_grown(record: &RunRecord) -> bool {
    let mut lives: HashMap<WorkerId, Life> = HashMap::new();
    for event in &record.events {
        if let EventKind::Spawned { worker, age: Some(age), .. } = event.kind {
            lives.insert(worker, Life { age, ..Life::default() });
        }
    }
    for sample in &record.samples {
        let (Some(life), Some(bytes)) = (lives.get_mut(&sample.worker), sample.anon_and_swap()) else { return false };
        let now = (sample.t, bytes as f64);
        life.first.get_or_insert(now);
        life.last = now;
    }
    lives.values().all(Life::is_growth)
}

/// What is known of a process's life.
#[derive(Debug, Clone, Copy, Default)]
struct Life {
    /// Its age in seconds when it was first seen.
    age: f64,
    /// Time in seconds and level in bytes at the first and at the last reading.
    first: Option<(f64, f64)>,
    last: (f64, f64),
}

impl Life {
    /// Whether it is long, and its level at the first reading is what such growth makes of most of it: a cache that has just
    /// begun to fill is none.
    fn is_growth(&self) -> bool {
        let Some((begun, level)) = self.first else { return true };
        let rate = (self.last.1 - level) / (self.last.0 - begun);
        self.age >= GROWN_UP.get() && level >= MOST_OF_LIFE.get() * rate * self.age
    }
}

/// What is judged by itself: the target, and each service.
fn parts(record: &RunRecord) -> impl Iterator<Item = &RunRecord> {
    [record].into_iter().chain(&record.services)
}

/// Whether a run that came to its planned end has neither a leak nor all its resources clean.
pub fn is_open(record: &RunRecord) -> bool {
    let findings: Vec<Finding> = parts(record).flat_map(|part| findings(part, Demands::at_the_end())).collect();
    !findings.iter().any(|f| f.outcome == Outcome::Leak) && findings.iter().any(|f| f.outcome == Outcome::Inconclusive)
}

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::*;
    use crate::fixture::run::{clean, event, leaking, told};

    const WARMED_UP: SoakPlan = SoakPlan { after_warm_up: true, last_phase: 1.0, pauses: 0 };
    const COLD: SoakPlan = SoakPlan { after_warm_up: false, ..WARMED_UP };

    #[test]
    fn looks_spend_what_there_is_and_no_more() {
        for plan in [WARMED_UP, COLD] {
            let mut planned = Looks::planned(plan);
            let (leak_from, clean_from) = planned.horizon.earliest();
            let (mut leak, mut clean) = (0.0, 0.0);
            for share in shares().into_iter().filter(|share| *share >= leak_from) {
                assert!(planned.are_due(share));
                let demands = planned.demands(share);
                leak += demands.leak;
                clean += if share >= clean_from { demands.clean } else { 0.0 };
            }
            for sum in [leak, clean] {
                assert!((sum - spent(ALPHA.get(), shares()[3])).abs() < 1e-12 && sum < ALPHA.get(), "{sum}");
            }
            assert!(!planned.are_due(0.99), "no look is left");
        }
        let mut endless = Looks::open_ended();
        let sum: f64 = (0..200).map(|k| endless.demands(f64::from(k)).clean).sum();
        assert!(sum < ALPHA.get() && sum > 0.99 * ALPHA.get(), "{sum}");
    }

    #[test]
    fn a_late_look_stands_for_those_it_missed() {
        let mut looks = Looks::planned(WARMED_UP);
        assert!(!looks.are_due(0.4) && looks.are_due(0.7));
        let missed = looks.demands(0.7);
        assert!((missed.leak - spent(ALPHA.get(), 0.7)).abs() < 1e-12);
        assert_eq!(looks.spent.1, 0.0, "it is too early for that");
        assert!(!looks.are_due(0.74) && looks.are_due(0.75));
    }

    #[test]
    fn looks_after_the_planned_end_spend_less_than_one_verdict() {
        let mut extended = Looks::extended(2.0);
        assert!(!extended.are_due(0.5) && extended.are_due(shares()[1]));
        let sum: f64 = shares()[1..].iter().map(|share| extended.demands(*share).leak).sum();
        assert!(
            (sum - (spent(ALPHA.get(), shares()[3]) - spent(ALPHA.get(), 0.5))).abs() < 1e-12 && sum < ALPHA.get(),
            "{sum}"
        );
        assert_eq!(Looks::extended(2.0).look(&clean(), shares()[1]).proven, Some(Outcome::Clean));
    }

    #[test]
    fn a_run_is_open_until_something_is_proven() {
        assert!(!is_open(&leaking()) && !is_open(&clean()));
        let mut short = clean();
        short.samples.retain(|sample| sample.t < 13.0);
        assert!(is_open(&short));
    }

    #[test]
    fn a_leak_is_proven_early_after_a_warm_up_and_clean_late() {
        let look = Looks::planned(WARMED_UP).look(&leaking(), 0.5);
        assert_eq!(look.proven, Some(Outcome::Leak), "{look:?}");
        let found = look.found.expect("memory is judged");
        assert_eq!((found.resource, found.outcome), (Resource::Memory, Outcome::Leak));
        assert!((found.growth.expect("a growth").estimate - 4096.0).abs() < 10.0, "{found:?}");
        assert!(!Looks::planned(COLD).are_due(0.74) && Looks::planned(COLD).are_due(0.75));
        assert_eq!(Looks::planned(COLD).look(&leaking(), 0.75).proven, Some(Outcome::Leak));
        assert_eq!(Looks::planned(WARMED_UP).look(&clean(), 0.7).proven, None);
        assert_eq!(Looks::planned(WARMED_UP).look(&clean(), 0.75).proven, Some(Outcome::Clean));
    }

    #[test]
    fn what_is_in_doubt_is_watched_to_the_planned_end() {
        let mut run = clean();
        let unmatched = Some("GET / 200".to_owned());
        let kind = EventKind::LogRead { lines: 9, matched: 0, strangers: 0, stranger: None, unmatched };
        run.events.push(event(30.0, kind));
        assert_eq!(Looks::planned(WARMED_UP).look(&run, 0.75).proven, None);
    }

    #[test]
    fn an_early_leak_has_used_up_the_budget_of_the_whole_plan() {
        let mut run = leaking();
        // Half as much again as is allowed: by half of the plan three quarters of what the whole may grow by.
        run.meta.budgets.memory = Some(4096.0 / 1.5);
        assert_eq!(Looks::planned(WARMED_UP).look(&run, 0.5).proven, None);
        assert_eq!(Looks::planned(WARMED_UP).look(&run, 0.75).proven, Some(Outcome::Leak));
    }

    #[test]
    fn clean_must_have_seen_most_of_the_last_phase() {
        let plan = SoakPlan { last_phase: 0.5, ..WARMED_UP };
        assert_eq!(Looks::planned(plan).look(&clean(), 0.8).proven, None);
        assert_eq!(Looks::planned(plan).look(&clean(), 0.9).proven, Some(Outcome::Clean));
    }

    #[test]
    fn levels_in_pauses_are_waited_for() {
        let looks = Looks::planned(SoakPlan { pauses: ENOUGH.get(), ..WARMED_UP });
        assert!(looks.are_due(0.9) && !looks.are_due_at(&clean(), 0.9));
        let few = Looks::planned(SoakPlan { pauses: ENOUGH.get() - 1, ..WARMED_UP });
        assert!(few.are_due_at(&clean(), 0.9), "so few aren't judged by");
    }

    #[test]
    fn what_a_proving_look_has_not_seen_does_not_overturn_it() {
        let mut run = clean();
        assert_eq!(Looks::planned(WARMED_UP).look(&run, 0.75).proven, Some(Outcome::Clean));
        // Until the load has ended, some more readings come.
        run.samples
            .iter_mut()
            .filter(|s| s.t > 90.0)
            .for_each(|s| s.anon = s.anon.map(|b| b + s.requests.unwrap() * 9999));
        assert_eq!(judge(&run).outcome, Outcome::Inconclusive);
        let kind = EventKind::Look { share: Some(0.8), alpha: 1e-3, found: "memory: clean".into(), proven: true };
        run.events.insert(2, event(90.5, kind));
        assert_eq!(judge(&run).outcome, Outcome::Clean);
    }

    #[test]
    fn what_looks_came_to_is_told() {
        let mut run = leaking();
        let mut after = |share, proven| {
            let kind = EventKind::Look { share, alpha: 1e-4, found: "memory: leak".into(), proven };
            run.events.push(event(600.0, kind));
            told(&run)
        };
        assert!(!after(Some(0.48), false).contains("look"), "what nothing was proven by isn't told");
        let early = after(Some(0.6), true);
        assert!(
            early.contains("at 60 % of its planned length, because the leak was proven (chance of error 0.01 %)")
                && early.contains("--stop planned")
        );
        assert!(!after(Some(1.2), true).contains("--stop planned"), "the planned end has passed");
        assert!(after(None, true).contains("the watch ended after 10 min"));
        let mut run = clean();
        let kind = EventKind::Look { share: Some(0.75), alpha: 1e-4, found: "memory: clean".into(), proven: true };
        run.events.push(event(600.0, kind));
        let told = told(&run);
        assert!(told.contains("at 75 %") && !told.contains("--stop planned"), "clean isn't in doubt: {told}");
    }

    #[test]
    fn without_an_end_an_answer_has_to_hold() {
        let mut looks = Looks::open_ended();
        assert!(!looks.are_due(299.0) && looks.are_due(300.0));
        assert_eq!(looks.look(&clean(), 300.0).proven, None);
        assert_eq!(looks.look(&leaking(), 500.0).proven, None);
        assert_eq!(looks.look(&leaking(), 1400.0).proven, None);
        assert_eq!(looks.look(&leaking(), 1500.0).proven, Some(Outcome::Leak));
    }

    #[test]
    fn without_an_end_a_steep_leak_of_old_processes_is_proven_soon() {
        let ended = |age: f64, budget: f64, level: u64| {
            let mut run = leaking();
            run.samples.iter_mut().for_each(|sample| sample.anon = sample.anon.map(|bytes| bytes + level));
            run.meta.budgets.memory = Some(budget);
            let workers: HashMap<WorkerId, ()> = run.samples.iter().map(|sample| (sample.worker, ())).collect();
            for (worker, ()) in workers {
                let kind = EventKind::Spawned { worker, parent: 9, command: "php".into(), age: Some(age) };
                run.events.push(event(0.0, kind));
            }
            let mut looks = Looks::open_ended();
            (1..100).find_map(|_| {
                let (next, _) = looks.ahead()?;
                looks.look(&run, next).proven.map(|proven| (proven, next))
            })
        };
        let (proven, at) = ended(7200.0, 4.0, 4 << 30).expect("a leak");
        assert!(proven == Outcome::Leak && at <= 360.0, "{at}");
        assert!(ended(600.0, 4.0, 4 << 30).expect("a leak").1 >= 900.0, "it may be starting");
        assert!(ended(7200.0, 4.0, 0).expect("a leak").1 >= 900.0, "it has just begun to grow");
        assert!(ended(7200.0, 400.0, 4 << 30).expect("a leak").1 >= 900.0, "not so steep");
    }
}
