//! What is left of a leak without what accepted call sites keep, judged by the rule that judges all growth.
//!
//! A worker's level less what these sites keep is its level less what was counted as live, and what the sample says that
//! all other sites keep. So the sampling noise in it is only that of the others, however much the accepted ones keep. Where
//! counts and samples aren't of the same blocks, or were weighed differently from look to look, nothing is taken off.

use super::naming;
use super::window::odds_against;
use crate::model::{AcceptedSite, HeapLook, HeapLost, Resource, RunRecord, Series, WorkerId};
use crate::verdict::answer::types::{Remainder, Untold};
use crate::verdict::levels::level::judged_from;
use crate::verdict::rule::assess::Demands;
use crate::verdict::rule::finding::find_among;
use crate::verdict::rule::step_down::Candidate;
use crate::verdict::{Finding, Outcome, Reason};
use std::collections::HashMap;

/// What is left of each leak that call sites can have to do with; empty if none are accepted on the day of the run.
pub fn remainders(record: &RunRecord, judged: &[Candidate], findings: &[Finding]) -> Vec<Remainder> {
    let is_over = |site: &&AcceptedSite| site.is_over(&record.meta.started);
    let sites: Vec<&AcceptedSite> = record.meta.accepted_sites.iter().filter(|site| !is_over(site)).collect();
    let stacks = &record.heap.stacks;
    let is_other = |stack: &_| !sites.iter().any(|site| site.means(&naming::site(stack)));
    let others: Vec<bool> = stacks.iter().map(is_other).collect();
    // Where none of them was seen, nothing is taken off, and what leaks is judged as ever.
    if sites.is_empty() || !stacks.is_empty() && others.iter().all(|other| *other) {
        return Vec::new();
    }
    let leaks = findings.iter().zip(judged).filter(|(finding, _)| finding.outcome == Outcome::Leak);
    leaks
        .filter(|(finding, _)| matches!(finding.resource, Resource::Memory | Resource::Heap))
        .map(|(finding, one)| Remainder { resource: finding.resource, found: remainder(record, &others, finding, one) })
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
    let demands = Demands::at_the_end();
    Ok(find_among(1, one.resource, one.axis, &left, one.budget, record.page(), demands))
}

/// Live bytes as they were counted, by worker and time.
fn counted(record: &RunRecord) -> HashMap<(WorkerId, u64), f64> {
    let counts = record.samples.iter().filter_map(|s| Some(((s.worker, s.t.to_bits()), s.heap?.in_use() as f64)));
    counts.collect()
}

/// When a worker was looked at while it was judged, and the bytes that sites which aren't accepted kept then, as the sample
/// says; `None` if it wasn't.
fn others_keep(series: &Series, looks: &[&HeapLook], others: &[bool]) -> Result<Option<Vec<(f64, f64)>>, Untold> {
    let Some((from, to)) = series.t.get(judged_from(series)).zip(series.t.last()) else { return Ok(None) };
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
        kept.push((look.t, live.map(|(size, live)| live * (1.0 + odds_against(*size, mean))).sum()));
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
    use super::super::simulation::{Does, PLAIN, Program};
    use super::*;
    use crate::model::{Budgets, Gates};
    use crate::verdict::{ExitCode, judge};

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
    fn a_clean_run_has_nothing_left_to_judge() {
        let run = run(&ONE[1..], 512.0, &[("worker: site_0", LATER)]);
        assert!(judge(&run).remainders.is_empty());
    }
}
