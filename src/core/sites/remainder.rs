//! What is left of a leak without what accepted call sites keep, judged by the rule that judges all growth.
//!
//! A worker's level less what these sites keep is its level less what was counted as live, and what the sample says that
//! all other sites keep. So the sampling noise in it is only that of the others, however much the accepted ones keep. Where
//! counts and samples aren't of the same blocks, or were weighed differently from look to look, nothing is taken off.
//!
//! A sample that holds nothing of the others doesn't show that they keep nothing: of blocks that come at a mean of m bytes
//! between samples, none is sampled with a probability of alpha where they are m ln(1 / alpha) bytes, whatever their size. So
//! that much, beside what the samples that came and went may be wrong by, is added to what is left at most.

use super::naming;
use super::window::{SiteGrowth, Window, odds_against};
use super::windows::Windows;
use crate::answer::{CallSites, Finding, Outcome, Reason, Remainder, SetAside, SiteState, Untold, WorkerFinding};
use crate::model::{AcceptedSite, CallStack, HeapLook, HeapLost, Resource, RunRecord, Series, WorkerId};
use crate::rule::find;
use crate::rule::step_down::Candidate;
use crate::stats::student_t;
use crate::thresholds::assess::ALPHA;
use std::collections::HashMap;

/// What is left of each leak that call sites can have to do with; empty if none are accepted on the day of the run, or none of
/// those that are was seen. Only what is proven to grow, as `call_sites` say, is taken off.
pub fn remainders(
    record: &RunRecord,
    judged: &[Candidate],
    findings: &[Finding],
    call_sites: Option<&CallSites>,
) -> Vec<Remainder> {
    let is_over = |site: &&AcceptedSite| site.is_over(&record.meta.started);
    let mut sites: Vec<&AcceptedSite> = record.meta.accepted_sites.iter().filter(|site| !is_over(site)).collect();
    let stacks = &record.heap.stacks;
    let are_other = |sites: &[&AcceptedSite]| -> Vec<bool> {
        let is_other = |stack: &CallStack| !sites.iter().any(|site| site.means(&naming::site(stack)));
        stacks.iter().map(is_other).collect()
    };
    // Where none of them was seen, nothing is taken off, and what leaks is judged as ever.
    if sites.is_empty() || !stacks.is_empty() && are_other(&sites).iter().all(|other| *other) {
        return Vec::new();
    }
    if let Some(all) = call_sites {
        let grows = |site: &AcceptedSite| all.sites.iter().any(|s| s.state == SiteState::Grows && site.means(&s.frame));
        sites.retain(|site| grows(site));
    }
    let others = are_other(&sites);
    let found = |finding: &Finding, one: &Candidate| match sites.is_empty() {
        true => Err(Untold::Unproven),
        false => remainder(record, &others, finding, one),
    };
    let leaks = findings.iter().zip(judged).filter(|(finding, _)| finding.outcome == Outcome::Leak);
    leaks
        .filter(|(finding, _)| matches!(finding.resource, Resource::Memory | Resource::Heap))
        .map(|(finding, one)| Remainder { resource: finding.resource, found: found(finding, one) })
        .collect()
}

fn remainder(record: &RunRecord, others: &[bool], leak: &Finding, one: &Candidate) -> Result<Finding, Untold> {
    if matches!(leak.reason, Reason::BornBigger { .. }) {
        return Err(Untold::Births);
    }
    let mut looks: HashMap<WorkerId, Vec<&HeapLook>> = HashMap::new();
    record.heap.looks.iter().for_each(|look| looks.entry(look.worker).or_default().push(look));
    let counted = counted(record);
    let mut seen = false;
    let less = |series: &Series| {
        let looks = series.worker.and_then(|worker| looks.get(&worker));
        let Some(kept) = looks.map(|looks| others_keep(series, looks, others)).transpose()?.flatten() else {
            // It lived too short to be looked at: all of its growth stays.
            return Ok(series.clone());
        };
        seen = true;
        without(series, &kept, &counted)
    };
    let left: Vec<Series> = one.series.iter().map(less).collect::<Result<_, _>>()?;
    if !seen {
        return Err(Untold::SeldomLooked);
    }
    let mut found = find(one.resource, one.axis, &left, one.budget, record.page());
    let missed = missed(record, others, one, &found).ok_or(Untold::SeldomLooked)?;
    if let Some(growth) = &mut found.growth {
        growth.upper += missed;
    }
    if found.outcome == Outcome::Clean && found.growth.is_none_or(|growth| growth.upper > one.budget) {
        found.outcome = Outcome::Inconclusive;
    }
    Ok(found)
}

/// How much more the other sites may have kept than the sample says, per step of the axis: of all workers together, or of the
/// one of which least is known among those that lived through half of the run or more and weren't set aside as idle, say. `None` if
/// no looks can be compared.
fn missed(record: &RunRecord, others: &[bool], one: &Candidate, found: &Finding) -> Option<f64> {
    let windows = Windows::new(&one.series, &record.heap.looks)?;
    let is_accepted =
        |stack: Option<u32>| usize::from(stack.is_some_and(|stack| others.get(stack as usize) == Some(&false)));
    let mut whole = SiteGrowth::default();
    let ends = |window: &Window| Some((*window.times.first()?, *window.times.last()?));
    let all = windows.each.iter().filter_map(|(window, _)| ends(window));
    let (begin, end) = all.fold((f64::INFINITY, 0.0f64), |all, one| (all.0.min(one.0), all.1.max(one.1)));
    let mean = record.heap.looks.iter().map(|look| look.mean).max()? as f64;
    let most = |tally: &SiteGrowth, span: f64| {
        let seen = student_t(1.0 - ALPHA.get(), f64::INFINITY) * tally.variance.sqrt();
        (seen + mean * ALPHA.get().recip().ln()) / span
    };
    let is_out = |why: &SetAside| !matches!(why, SetAside::PartOnly | SetAside::Outlived);
    let is_judged = |window: &Window| {
        let lasts = ends(window).is_some_and(|(from, to)| 2.0 * (to - from) >= end - begin);
        let own = |w: &&WorkerFinding| w.worker == Some(window.worker);
        lasts && !found.workers.iter().find(own).is_some_and(|w| w.set_aside.as_ref().is_some_and(is_out))
    };
    let mut alone: f64 = 0.0;
    for (window, _) in &windows.each {
        let mut tallies = vec![SiteGrowth::default(); 2];
        window.tally(&mut tallies, is_accepted, 0, 0);
        let span = window.slices.iter().map(|slice| slice.span).sum();
        if is_judged(window) {
            alone = alone.max(most(&tallies[0], span));
        }
        whole.add(&tallies[0]);
    }
    Some(alone.max(most(&whole, windows.span())))
}

/// Live bytes as they were counted, by worker and time.
fn counted(record: &RunRecord) -> HashMap<(WorkerId, u64), f64> {
    let counts = record.samples.iter().filter_map(|s| Some(((s.worker, s.t.to_bits()), s.heap?.in_use() as f64)));
    counts.collect()
}

/// When a worker was looked at while it was judged, and the bytes that sites which aren't accepted kept then, as the sample
/// says; `None` if it wasn't.
fn others_keep(series: &Series, looks: &[&HeapLook], others: &[bool]) -> Result<Option<Vec<(f64, f64)>>, Untold> {
    let Some((from, to)) = series.t.get(series.judged_from()).zip(series.t.last()) else { return Ok(None) };
    let mut blocks: Vec<(u64, f64)> = Vec::new();
    let mut kept = Vec::new();
    let mut first: Option<(u64, HeapLost)> = None;
    for look in looks {
        for gone in &look.went {
            if let Some(block) = blocks.get_mut(*gone as usize) {
                block.1 = 0.0;
            }
        }
        blocks.extend(look.came.iter().map(|block| {
            let is_other = block.stack.and_then(|stack| others.get(stack as usize)).is_none_or(|other| *other);
            (block.size, if is_other { block.live.unwrap_or(block.size) as f64 } else { 0.0 })
        }));
        if !(*from..=*to).contains(&look.t) {
            continue;
        }
        let (mean, lost) = *first.get_or_insert((look.mean, look.lost));
        if look.mean != mean {
            return Err(Untold::Coarser);
        }
        if !look.lost.since(&lost).is_whole() {
            return Err(Untold::Lost);
        }
        let live = blocks.iter().filter(|block| block.1 > 0.0);
        kept.push((look.t, live.map(|(size, live)| live * (1.0 + odds_against(look.source, *size, mean))).sum()));
    }
    Ok((!kept.is_empty()).then_some(kept))
}

/// A series at the times at which its worker was looked at, less what accepted sites kept then.
fn without(series: &Series, kept: &[(f64, f64)], counted: &HashMap<(WorkerId, u64), f64>) -> Result<Series, Untold> {
    let mut left = Series { worker: series.worker, soak_from: series.soak_from, ..Series::default() };
    left.by_step = vec![Vec::new(); series.by_step.len()];
    for (t, others) in kept {
        // Not every reading could be judged.
        let Ok(at) = series.t.binary_search_by(|known| known.total_cmp(t)) else { continue };
        let count = series.worker.and_then(|worker| counted.get(&(worker, t.to_bits())));
        left.t.push(*t);
        left.x.push(series.x[at]);
        left.y.push(series.y[at] - count.ok_or(Untold::NotCounted)? + others);
        left.load.extend(series.load.get(at));
        left.by_step.iter_mut().zip(&series.by_step).for_each(|(left, row)| left.push(row[at]));
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::ExitCode;
    use crate::model::{Budgets, Gates};
    use crate::sites::simulation::{Does, PLAIN, Program, SOAK};
    use crate::verdict::judge;

    /// A run whose memory is what its sites keep, with budgets for it of so many bytes a request.
    fn run(sites: &[(Does, Option<usize>)], budget: f64, accepted: &[(&str, &str)]) -> RunRecord {
        seeded(7, sites, budget, accepted)
    }

    fn seeded(seed: u64, sites: &[(Does, Option<usize>)], budget: f64, accepted: &[(&str, &str)]) -> RunRecord {
        let mut run = Program { sites, counted: true, ..PLAIN }.run(seed);
        for sample in &mut run.samples {
            sample.anon = sample.heap.map(|heap| (50 << 20) + heap.live.next_multiple_of(4096));
        }
        // Nothing else is judged.
        run.meta.budgets = Budgets::default();
        run.meta.budgets.allow(Resource::Memory, Some(budget));
        (run.meta.workload, run.meta.gates) = (None, Gates::default());
        run.load.clear();
        let site = |(site, until): &(&str, &str)| AcceptedSite {
            site: (*site).into(),
            until: (*until).into(),
            reason: "issue 7".into(),
        };
        run.meta.accepted_sites = accepted.iter().map(site).collect();
        run.meta.started = "2026-06-01T00:00:00Z".into();
        run
    }

    const CACHE: (Does, Option<usize>) = (Does::Cache(2000, 10), None);
    const ONE: [(Does, Option<usize>); 2] = [(Does::Keep(4096), None), CACHE];
    const TWO: [(Does, Option<usize>); 3] = [(Does::Keep(40_960), None), CACHE, (Does::Keep(4096), None)];
    const LATER: &str = "2026-06-01";

    fn exit(run: &RunRecord) -> ExitCode {
        judge(run).exit
    }

    #[test]
    fn a_leak_passes_whose_site_is_accepted_and_nothing_else_does() {
        assert_eq!(exit(&run(&ONE, 512.0, &[])), ExitCode::Leak);
        assert_eq!(exit(&run(&ONE, 512.0, &[("worker: site_0", LATER)])), ExitCode::Accepted);
        assert_eq!(exit(&run(&ONE, 512.0, &[("worker: site_1", LATER)])), ExitCode::Leak);
        assert_eq!(exit(&run(&ONE, 512.0, &[("worker: site_0", "2026-05-31")])), ExitCode::Leak, "it is over");
        let other = [("worker: site_0", "2026-05-31"), ("worker: site_1", LATER)];
        assert_eq!(exit(&run(&ONE, 512.0, &other)), ExitCode::Leak);
    }

    #[test]
    fn what_leaks_beside_an_accepted_site_is_a_leak() {
        let beside = run(&TWO, 512.0, &[("worker: site_0", LATER)]);
        let verdict = judge(&beside);
        assert_eq!(verdict.exit, ExitCode::Leak);
        let found = verdict.remainders[0].found.as_ref().unwrap();
        assert_eq!(found.outcome, Outcome::Leak);
        let growth = found.growth.unwrap();
        assert!(growth.lower < 4096.0 && growth.upper > 4096.0 && growth.lower > 512.0, "{growth:?}");
        assert_eq!(exit(&run(&TWO, 512.0, &[("*", LATER)])), ExitCode::Accepted);
        // It is under the budget, and all of it together isn't.
        assert_eq!(exit(&run(&TWO, 8000.0, &[("worker: site_0", LATER)])), ExitCode::Accepted);
    }

    #[test]
    fn chance_excuses_no_leak() {
        let sites = [(Does::Keep(40_960), None), (Does::Pool(3000, 80), None), (Does::Keep(1024), None)];
        let passed =
            |seed: &u64| exit(&seeded(*seed, &sites, 512.0, &[("worker: site_0", LATER)])) == ExitCode::Accepted;
        assert_eq!((0..20).filter(passed).count(), 0);
        // So small that a handful of it is sampled, or nothing.
        for (bytes, budget) in [(20, 14.0), (60, 40.0)] {
            let sites = [(Does::Keep(40_960), None), (Does::Keep(bytes), None)];
            let passed =
                |seed: &u64| exit(&seeded(*seed, &sites, budget, &[("worker: site_0", LATER)])) == ExitCode::Accepted;
            assert_eq!((0..20).filter(passed).count(), 0, "{bytes}");
        }
    }

    #[test]
    fn nothing_is_taken_off_where_it_was_not_measured() {
        let accepted = [("worker: site_0", LATER)];
        let untold = |change: &dyn Fn(&mut RunRecord)| {
            let mut run = run(&ONE, 512.0, &accepted);
            change(&mut run);
            let verdict = judge(&run);
            assert_eq!(verdict.exit, ExitCode::Leak);
            verdict.remainders[0].found.clone().unwrap_err()
        };
        assert_eq!(untold(&|run| run.heap.looks.clear()), Untold::SeldomLooked);
        assert_eq!(untold(&|run| run.samples.iter_mut().for_each(|s| s.heap = None)), Untold::NotCounted);
        let later = |run: &mut RunRecord, change: &dyn Fn(&mut HeapLook)| {
            run.heap.looks.iter_mut().filter(|look| look.t > 60.0).for_each(change);
        };
        assert_eq!(untold(&|run| later(run, &|look| look.mean *= 2)), Untold::Coarser);
        assert_eq!(untold(&|run| later(run, &|look| look.lost.samples = 3)), Untold::Lost);
    }

    #[test]
    fn what_the_sample_cannot_see_is_not_excused() {
        let sites = [(Does::Keep(40_960), None), (Does::Keep(600), None)];
        let at_mean = |mean: u64, accepted: &str| {
            // Whatever was sampled of the second site is as if it hadn't been: it may be, where so little comes of it.
            let mut run = run(&sites, 512.0, &[(accepted, LATER)]);
            for look in &mut run.heap.looks {
                look.came.iter_mut().filter(|block| block.stack == Some(1)).for_each(|block| block.live = Some(0));
                look.mean = mean;
            }
            judge(&run)
        };
        let verdict = at_mean(1 << 20, "worker: site_0");
        assert_eq!(verdict.exit, ExitCode::Inconclusive);
        let found = verdict.remainders[0].found.as_ref().unwrap();
        assert!(found.growth.unwrap().upper > 600.0, "{:?}", found.growth);
        // One worker alone, and what is missed of it in a run of this length.
        let least = (1 << 20) as f64 * 100f64.ln() / (SOAK * 10.0);
        assert!(found.growth.unwrap().upper > 0.9 * least, "{:?}", found.growth);
    }

    #[test]
    fn a_site_that_is_not_proven_to_grow_excuses_nothing() {
        let sites = [(Does::Keep(4096), None), (Does::Pool(3000, 80), None)];
        let verdict = judge(&run(&sites, 512.0, &[("worker: site_1", LATER)]));
        assert_eq!(verdict.exit, ExitCode::Leak);
        assert_eq!(verdict.remainders[0].found, Err(Untold::Unproven));
    }

    #[test]
    fn a_clean_run_has_nothing_left_to_judge() {
        let run = run(&ONE[1..], 512.0, &[("worker: site_0", LATER)]);
        assert!(judge(&run).remainders.is_empty());
    }
}
