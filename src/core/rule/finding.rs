//! One resource: from series to a finding, with what it means for each worker.

use super::assess::{Ahead, Assessment, Demands, Terms, assess, less_transients};
use super::class::Behaviour;
use super::explain;
use super::forecast::pace;
use crate::answer::{
    Condition, Conditions, Evidence, Finding, Fit, LeakClass, Outcome, Reason, SetAside, Settle, WorkerFinding,
};
use crate::limits::CURVE;
use crate::model::{Axis, Resource, Series};
use crate::rule::levels::apart::grow_apart;
use crate::rule::levels::idle::{self, works};
use crate::rule::levels::kept::{kept, steepest};
use crate::rule::levels::lasting::{late_slope, rises_late, short_tails, stopping_at};
use crate::rule::levels::level::{Jump, Levels, Subject, longest};
use crate::rule::levels::pool::{Member, Pool, is_sound, rises};
use crate::rule::levels::release::after_release;
use crate::rule::levels::swing::without_swings;
use crate::stats::student_t;
use crate::thresholds::assess::{ALPHA, ALPHA_SUSPICIOUS, UNDONE};
use crate::thresholds::scale::{ENOUGH, MANY, SEVERAL};
use std::borrow::Cow;

/// Judges one resource from its series; `budget` is the allowed growth per step of the axis, `quantum` the step to
/// which levels are rounded (the page size for memory, 1 for counts).
pub fn find(resource: Resource, axis: Axis, series: &[Series], budget: f64, quantum: f64) -> Finding {
    find_by(resource, axis, series, Terms { budget, quantum, tests: 1, demands: Demands::at_the_end() })
}

/// The same by these terms: as sure as is demanded, where the error probability of "leak" may be shared with other resources.
pub fn find_by(resource: Resource, axis: Axis, series: &[Series], terms: Terms) -> Finding {
    let together = |tests: usize, series: &[Series]| find_together(resource, axis, series, Terms { tests, ..terms });
    let (finding, _) = with_the_passing(terms.tests, series, &together);
    finding
}

/// What is found of these, and whether it may be a leak though that isn't proven.
type Found = (Finding, bool);

/// What is found of the series that lived through all of the run, and of those that came or went, judged among themselves: none
/// of them may leak where a pool is clean, and a leak that half of the run has seen is one.
fn with_the_passing(tests: usize, series: &[Series], together: &dyn Fn(usize, &[Series]) -> Found) -> Found {
    let (mut finding, mut suspicious) = together(tests, series);
    let apart = |w: &WorkerFinding| matches!(w.set_aside, Some(SetAside::PartOnly | SetAside::Outlived));
    let came_or_went = |w: &WorkerFinding| apart(w) && w.readings >= ENOUGH.get() as u64;
    let places: Vec<usize> = (0..series.len()).filter(|at| came_or_went(&finding.workers[*at])).collect();
    if places.is_empty() {
        return (finding, suspicious);
    }
    let passing: Vec<Series> = places.iter().map(|at| series[*at].clone()).collect();
    // Whatever is found of them is found beside the others.
    let (other, unproven) = with_the_passing(2 * tests, &passing, together);
    let judged = |all: &[Series]| {
        let ends = all.iter().filter_map(|one| Some((*one.t.get(one.judged_from())?, *one.t.last()?)));
        ends.fold((f64::INFINITY, 0.0f64), |(from, to), (first, last)| (from.min(first), to.max(last)))
    };
    let length = |(from, to): (f64, f64)| to - from;
    let leaks = other.outcome == Outcome::Leak;
    let lasts = 2.0 * length(judged(&passing)) >= length(judged(series));
    for (place, worker) in places.into_iter().zip(&other.workers) {
        finding.workers[place] = WorkerFinding { leaks: worker.leaks && lasts, ..worker.clone() };
    }
    if leaks && lasts && finding.outcome != Outcome::Leak {
        let class = if other.workers.iter().any(|w| w.leaks) { LeakClass::LeakInOneWorker } else { other.class };
        return (Finding { workers: finding.workers, class, ..other }, false);
    }
    suspicious |= leaks || unproven;
    if suspicious && finding.outcome == Outcome::Clean {
        finding.outcome = Outcome::Inconclusive;
        finding.class = LeakClass::Unknown;
        finding.reason = Reason::SomeSuspicious { recycled: false };
        finding.settle = Some(Settle::Readings);
    }
    (finding, suspicious)
}

fn find_together(resource: Resource, axis: Axis, series: &[Series], terms: Terms) -> Found {
    let Terms { budget, quantum, tests, .. } = terms;
    let least_jump = least_jump(resource, quantum);
    let Whole { read, calm, swings, released, pool, assessment: whole } = Whole::new(series, terms, least_jump);
    let able: Vec<&Member> = pool
        .members
        .iter()
        .filter(|m| {
            // An incarnation may be brief beside the others; who lived through all of it has as many levels as its work makes.
            let long = !pool.recycled || m.sawtooth || m.levels.x.len() >= ENOUGH.get() / 2;
            long && series[m.index].t.len() >= ENOUGH.get()
        })
        .collect();
    let terms = Terms { tests: tests * able.len(), ..terms };
    let one_by_one = |m: &Member| {
        if !able.iter().any(|a| a.index == m.index) {
            return None;
        }
        let alone = assess(m.alone(&m.jumps_by_place(), &rises(&calm[m.index], least_jump)), terms)?;
        let alone = only_what_is_kept(alone, [&read[m.index]].into_iter());
        let alone = only_what_goes_on(alone, [&read[m.index]].into_iter(), quantum);
        if !alone.leaks() && !alone.is_suspicious(budget, 1) {
            return Some(alone);
        }
        let one = std::slice::from_ref(&calm[m.index]);
        Some(with_second_half(alone, one, &Pool::new(one, least_jump), terms, least_jump))
    };
    let mut alone: Vec<Option<Assessment>> = match &pool.members[..] {
        [_] => vec![whole.clone()],
        members => members.iter().map(one_by_one).collect(),
    };
    let suspicious = if pool.recycled {
        accused_beyond_common(&pool, &mut alone, terms, least_jump)
    } else {
        alone.iter().flatten().any(|one| one.is_suspicious(budget, 1)) || one_grows_apart(&pool, &alone)
    };
    let workers = worker_findings(series, &pool, &alone);
    let leaking = alone.iter().flatten().filter(|a| a.leaks()).count();
    let outcome = match &whole {
        Some(a) if a.leaks() => Outcome::Leak,
        _ if leaking > 0 => Outcome::Leak,
        Some(a) if a.is_clean() && !suspicious => Outcome::Clean,
        _ => Outcome::Inconclusive,
    };
    let behaviour = Behaviour { series, pool: &pool, outcome, leaking, budget, least_jump };
    let class = whole.as_ref().map_or(LeakClass::Unknown, |a| behaviour.classify(a));
    let because = whole.as_ref().and_then(|a| behaviour.because(a, class));
    let pool_leaks = whole.as_ref().is_some_and(Assessment::leaks);
    // Where some workers leak and the pool's mean doesn't tell how much, the worst of them is told.
    let growth = if outcome == Outcome::Leak && (!pool_leaks || class == LeakClass::LeakInOneWorker) {
        let worst = |a: &&Assessment, b: &&Assessment| a.persistent.lower.total_cmp(&b.persistent.lower);
        alone.iter().flatten().filter(|a| a.leaks()).max_by(worst).map(|a| a.persistent)
    } else {
        whole.as_ref().map(|a| if pool_leaks { a.persistent } else { a.end })
    };
    let situation = explain::Situation {
        axis,
        outcome,
        class,
        budget,
        growth,
        whole: whole.as_ref(),
        pool: &pool,
        leaking,
        pace: pace(series),
        judged: able.len(),
        swings,
        released,
        series: series.len(),
    };
    let conditions = |a: &Assessment| Conditions { leak: a.leak.clone(), clean: a.clean.clone() };
    let conditions = whole.as_ref().map(conditions).unwrap_or_default();
    let unproven = suspicious || whole.as_ref().is_some_and(|whole| whole.is_suspicious(budget, 1));
    let finding = Finding {
        resource,
        outcome,
        class,
        growth,
        axis,
        budget,
        reason: situation.reason(),
        settle: situation.settle(),
        workers,
        evidence: Evidence { facts: situation.facts(), quarters: quarters(&pool), because, tests, conditions },
        steps: None,
        parts: Vec::new(),
        places: None,
        held: None,
        reached: None,
        forecast: None,
    };
    (finding, unproven)
}

/// Whether one isn't clean and goes on growing apart from the others: the mean of them all hides it.
fn one_grows_apart(pool: &Pool, alone: &[Option<Assessment>]) -> bool {
    let goes_on = |one: &Assessment| !one.is_clean() && one.steady.iter().all(rises_late);
    grow_apart(pool).into_iter().zip(alone).any(|(apart, one)| apart && one.as_ref().is_some_and(goes_on))
}

/// Recycled incarnations are too short-lived to be accused by what they grow by, as all of them warm up: those leak which grow
/// beyond what is usual at their age. Whether any may, though that isn't proven.
fn accused_beyond_common(pool: &Pool, alone: &mut [Option<Assessment>], terms: Terms, least_jump: f64) -> bool {
    let budget = terms.budget;
    alone.iter_mut().flatten().for_each(|one| one.leak.push(Condition::BeyondUsual { lower: None, budget }));
    let longest = pool.longest_life();
    let mut suspicious = false;
    for (beyond, alone) in pool.beyond_common().into_iter().zip(alone).filter_map(|(b, a)| Some((b, a.as_mut()?))) {
        // What doesn't grow late is neither proven nor suspicious.
        let grows = late_slope(std::slice::from_ref(&beyond)).is_some_and(|slope| slope >= budget);
        if !grows || beyond.x.len() < ENOUGH.get() {
            continue;
        }
        // Whether its warm-up, which may be larger than the usual one, was over isn't known of a life that ended far sooner than others do.
        let ahead = if beyond.span() < 0.5 * longest { Ahead::Plan { over: 0.0 } } else { terms.demands.ahead };
        let terms = Terms { demands: Demands { ahead, ..terms.demands }, ..terms };
        let member = Member::of(0, beyond, least_jump);
        let jumps = member.jumps_by_place();
        let Some(one) = assess(member.alone(&jumps, &jumps), terms) else { continue };
        suspicious |= one.is_suspicious(budget, terms.tests);
        let beyond = Condition::BeyondUsual { lower: Some(one.persistent.lower), budget };
        if one.leaks() {
            let leak = one.leak.into_iter().chain([beyond]).collect();
            *alone = Assessment { leak, persistent: one.persistent, ..alone.clone() };
        }
    }
    suspicious
}

/// The series judged together.
pub struct Whole<'a> {
    /// The series from where memory that is given back at first is gone.
    read: Cow<'a, [Series]>,
    /// The same without their swings, if those explain how the levels move.
    calm: Cow<'a, [Series]>,
    /// How many swings were taken out.
    swings: usize,
    /// How many series give memory back at first.
    released: usize,
    pub pool: Pool,
    /// What they amount to; `None` if there is too little to fit.
    pub assessment: Option<Assessment>,
}

impl<'a> Whole<'a> {
    pub fn new(series: &'a [Series], terms: Terms, least_jump: f64) -> Self {
        let later: Vec<Option<Series>> =
            series.iter().map(|s| is_sound(s).then(|| after_release(s, least_jump)).flatten()).collect();
        let released = later.iter().flatten().count();
        let series: Cow<'a, [Series]> = if released == 0 {
            Cow::Borrowed(series)
        } else {
            later.into_iter().zip(series).map(|(later, s)| later.unwrap_or_else(|| s.clone())).collect()
        };
        if let Some((calm, swings)) = calm(&series, least_jump) {
            let whole = Whole::of(series.clone(), Cow::Owned(calm), swings, released, terms, least_jump);
            // Levels that still drift weren't switching between states, and without their falls a walk looks like a climb.
            if !whole.assessment.as_ref().is_some_and(Assessment::drifts) {
                return whole;
            }
        }
        Whole::of(series.clone(), series, 0, released, terms, least_jump)
    }

    fn of(
        read: Cow<'a, [Series]>,
        calm: Cow<'a, [Series]>,
        swings: usize,
        released: usize,
        terms: Terms,
        least_jump: f64,
    ) -> Self {
        let pool = Pool::new(&calm, least_jump);
        let mut assessment = assess_pool(&calm, &pool, terms, least_jump)
            .map(|whole| only_what_is_kept(whole, pool.members.iter().map(|m| &read[m.index])))
            .map(|whole| {
                let lived = pool.members.iter().filter(|_| !pool.recycled).map(|m| &read[m.index]);
                only_what_goes_on(whole, lived, terms.quantum)
            })
            .map(|whole| only_what_readings_allow(whole, &read, terms.quantum))
            .map(|whole| with_second_half(whole, &calm, &pool, terms, least_jump));
        if let Some(assessment) = &mut assessment {
            let left = terms.budget - assessment.end.estimate.max(0.0);
            assessment.clean.extend(while_idle(&calm, &pool, left, terms.quantum));
        }
        Whole { read, calm, swings, released, pool, assessment }
    }
}

/// What must hold of idle time for a pass, of the member that grows most in it; `None` without such time.
fn while_idle(series: &[Series], pool: &Pool, left: f64, quantum: f64) -> Option<Condition> {
    let found: Vec<_> = pool.members.iter().filter_map(|m| idle::growth(&series[m.index], quantum)).collect();
    let alpha = ALPHA_SUSPICIOUS.get() / found.len() as f64;
    let upper = found.iter().map(|growth| growth.upper(alpha)).max_by(f64::total_cmp)?;
    Some(Condition::StillWhileIdle { upper, left })
}

/// The assessment, no leak if readings don't keep what they are said to grow by.
fn only_what_is_kept<'a>(mut of: Assessment, series: impl Iterator<Item = &'a Series>) -> Assessment {
    if of.leaks()
        && let Some(kept) = kept(series)
    {
        of.leak.push(Condition::ReadingsKeepIt { kept, least: UNDONE.get() * of.persistent.lower });
    }
    of
}

/// The assessment, no leak if growth has stopped so late that readings alone show it; not asked of what other things move.
fn only_what_goes_on<'a>(mut of: Assessment, series: impl Iterator<Item = &'a Series>, quantum: f64) -> Assessment {
    let Some(best) = of.models.first().filter(|best| of.leaks() && !best.has_covariates()) else { return of };
    let readings: Vec<Levels> = series.map(at_work).collect();
    let span = longest(&readings);
    // What the model's shapes miss of a warm-up lies in the first half.
    let second_half = |one: &Levels| {
        let from = one.x.partition_point(|x| x - one.x[0] < 0.5 * span);
        less_transients(best, one, span).pick(&(from..one.x.len()).collect::<Vec<_>>())
    };
    let settled: Vec<Levels> = readings.iter().map(second_half).collect();
    let fewest = settled.iter().map(|one| one.x.len()).min().unwrap_or(0) as f64;
    let tails: Vec<f64> =
        short_tails().iter().map(|tail| 2.0 * tail).filter(|t| t * fewest >= MANY.get() as f64).collect();
    let late = stopping_at(&settled, &tails, quantum);
    for one in &mut of.leak {
        if let Condition::GoesOnToTheEnd { soon, .. } = one {
            *soon = late.into_iter().chain(*soon).reduce(f64::min);
        }
    }
    of
}

/// The judged readings before which something was done.
fn at_work(series: &Series) -> Levels {
    let from = series.judged_from();
    let (t, x, y) = (&series.t[from..], &series.x[from..], &series.y[from..]);
    let places: Vec<usize> = works(t, x).iter().zip(1..).filter_map(|(works, place)| works.then_some(place)).collect();
    Levels { x: x.to_vec(), y: y.to_vec(), ..Levels::default() }.pick(&places)
}

/// The assessment, whose growth is no steeper than readings rise and fall: a model of few of them may be anything between.
fn only_what_readings_allow(of: Assessment, series: &[Series], quantum: f64) -> Assessment {
    let Some((fall, rise)) = steepest(series, quantum) else { return of };
    let [persistent, end] = [of.persistent, of.end].map(|growth| growth.within(fall, rise));
    Assessment { persistent, end, ..of }
}

/// Judges a pool as a whole.
fn assess_pool(series: &[Series], pool: &Pool, terms: Terms, least_jump: f64) -> Option<Assessment> {
    let all_rises: Vec<Jump> = pool.members.iter().flat_map(|m| rises(&series[m.index], least_jump)).collect();
    assess(whole(pool, &all_rises), terms)
}

/// The assessment, clean where the second half alone is: a warm-up can have any shape, and one that no model fits must not cast
/// doubt on what came after it.
fn with_second_half(whole: Assessment, series: &[Series], pool: &Pool, terms: Terms, least_jump: f64) -> Assessment {
    if whole.leaks() || whole.is_clean() || !whole.jumps.are_over() || whole.may_pause() {
        return whole;
    }
    let life = pool.longest_life();
    let begin = |m: &Member| m.levels.x[0] + if pool.recycled { life } else { m.levels.span() } / 2.0;
    let later = |m: &Member| Series { soak_from: begin(m), ..series[m.index].clone() };
    let later: Vec<Series> = pool.members.iter().map(later).collect();
    let half = Pool::new(&later, least_jump);
    let is_short = if pool.recycled {
        let seen_whole = whole_lives(&later);
        let is_long = |s: &Series| s.x.len() - s.judged_from() >= ENOUGH.get();
        later.iter().zip(seen_whole).any(|(s, whole)| whole && !is_long(s))
            || later.iter().filter(|s| is_long(s)).count() < SEVERAL.get()
    } else {
        half.members.len() < pool.members.len() || later.iter().any(|s| s.x.len() - s.judged_from() < ENOUGH.get())
    };
    let later = if is_short { None } else { assess_pool(&later, &half, terms, least_jump) };
    let Some(later) = later else { return whole };
    // What rose early in it and has stopped before its end may be half of a leak that pauses.
    let length = half.longest_life();
    let rose = later.models.first().is_none_or(|best| best.grown(1.0) / length + later.by_jumps > terms.budget);
    if !later.is_clean() || rose {
        return whole;
    }
    Assessment { clean: later.clean, by_second_half: true, end: later.end, ..whole }
}

/// Which of these lives began and ended while it was watched: one that goes on when a watch ends would have been read again.
fn whole_lives(series: &[Series]) -> Vec<bool> {
    let begin = series.iter().filter_map(|s| s.t.first()).copied().fold(f64::INFINITY, f64::min);
    let end = series.iter().filter_map(|s| s.t.last()).copied().fold(0.0, f64::max);
    let is_whole = |s: &Series| {
        let (Some(first), Some(last)) = (s.t.first(), s.t.last()) else { return false };
        let again = 2.0 * (last - first) / (s.t.len() as f64 - 1.0);
        first - again > begin && last + again < end
    };
    series.iter().map(is_whole).collect()
}

/// The series without their swings, and how many swings there were; `None` if there were none.
fn calm(series: &[Series], least_jump: f64) -> Option<(Vec<Series>, usize)> {
    let found: Vec<_> = series.iter().map(|s| is_sound(s).then(|| without_swings(s, least_jump)).flatten()).collect();
    let swings = found.iter().flatten().map(|f| f.1).sum();
    if swings == 0 {
        return None;
    }
    Some((series.iter().zip(found).map(|(s, found)| found.map_or_else(|| s.clone(), |f| f.0)).collect(), swings))
}

/// The least change of level that counts as a jump.
pub fn least_jump(resource: Resource, quantum: f64) -> f64 {
    if resource.in_bytes() { 8.0 * quantum } else { 4.0 * quantum }
}

/// The pool as one unit, with the `rises` of all its members.
fn whole<'a>(pool: &'a Pool, rises: &'a [Jump]) -> Subject<'a> {
    Subject {
        raw: &pool.raw,
        smooth: &pool.smooth,
        jumps: &pool.jumps,
        rises,
        workers: pool.members.len(),
        averaged: pool.members.len() as f64 / pool.raw.len().max(1) as f64,
        total_span: pool.total_span(),
    }
}

/// Growth per step of the axis in each quarter of the judged part, pooled; empty with too little.
fn quarters(pool: &Pool) -> Vec<f64> {
    if pool.raw.iter().all(|s| s.x.len() < 8) {
        return Vec::new();
    }
    (0..4)
        .map(|q| {
            let (mut rise, mut run) = (0.0, 0.0);
            for s in pool.raw.iter().filter(|s| s.x.len() >= 2) {
                let place = |share: f64| (((s.x.len() - 1) as f64 * share).round() as usize).min(s.x.len() - 1);
                let (i, j) = (place(f64::from(q) / 4.0), place(f64::from(q + 1) / 4.0));
                rise += s.y[j] - s.y[i];
                run += s.x[j] - s.x[i];
            }
            if run > 0.0 { rise / run } else { 0.0 }
        })
        .collect()
}

fn worker_findings(series: &[Series], pool: &Pool, alone: &[Option<Assessment>]) -> Vec<WorkerFinding> {
    series
        .iter()
        .enumerate()
        .map(|(index, s)| {
            let start = s.judged_from().min(s.x.len().saturating_sub(1));
            let set_aside = pool.set_aside.binary_search_by_key(&index, |a| a.0).ok().map(|at| pool.set_aside[at].1);
            let place = pool.members.iter().position(|m| m.index == index);
            let own = place.and_then(|p| Some((&pool.members[p], alone[p].as_ref()?)));
            WorkerFinding {
                worker: s.worker,
                readings: (s.x.len() - start.min(s.x.len())) as u64,
                span: s.x.last().zip(s.x.get(start)).map_or(0.0, |(b, a)| b - a),
                first: s.y.get(start).copied().unwrap_or(0.0),
                last: s.y.last().copied().unwrap_or(0.0),
                growth: own.map(|(_, a)| if a.leaks() { a.persistent } else { a.end }),
                fit: own.and_then(|(m, a)| fit(m, a)),
                leaks: own.is_some_and(|(_, a)| a.leaks()),
                set_aside,
            }
        })
        .collect()
}

/// The best model's curve over one worker's judged part, its jumps put back, with the band of the mean's bounds.
fn fit(member: &Member, assessment: &Assessment) -> Option<Fit> {
    let model = assessment.models.first()?;
    let Levels { x, y, .. } = &member.smooth;
    let (start, span, n) = (*x.first()?, member.smooth.span(), x.len() as f64);
    let at = |x: f64| model.fitted((x - start) / span);
    let level = x.iter().zip(y).map(|(x, y)| y - at(*x)).sum::<f64>() / n;
    let centre = x.iter().sum::<f64>() / n;
    let spread = (x.iter().zip(y).map(|(x, y)| (y - at(*x) - level).powi(2)).sum::<f64>() / n).sqrt();
    let t = student_t(1.0 - ALPHA.get(), model.persistent.df);
    let mut out = Fit { from: start, ..Fit::default() };
    for k in 0..CURVE {
        let here = start + span * k as f64 / (CURVE - 1) as f64;
        let jumped: f64 = member.jumps.iter().filter(|j| x[j.0] <= here).map(|j| j.1).sum();
        let middle = level + at(here) + jumped;
        let half = t * (model.persistent.se * (here - centre)).hypot(spread / n.sqrt());
        out.x.push(here);
        out.y.push(middle);
        out.lower.push(middle - half);
        out.upper.push(middle + half);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WorkerId;

    const MIB: f64 = 1_048_576.0;

    /// A worker that was read each minute between two of 720 minutes, with so many MiB at each hour of its life.
    fn worker(pid: u32, (from, to): (u32, u32), level: impl Fn(f64) -> f64) -> Series {
        let t: Vec<f64> = (from..to).map(|minute| f64::from(minute) * 60.0).collect();
        // Readings differ by some pages, and the same in each run.
        let noise = |at: u32| f64::from(at.wrapping_mul(2_654_435_761).wrapping_add(pid * 977) >> 27) * 4096.0;
        let y = |minute: u32| (level(f64::from(minute - from) / 60.0) * MIB / 4096.0).round() * 4096.0 + noise(minute);
        Series {
            worker: Some(WorkerId::new(pid, 1)),
            x: t.iter().map(|t| t / 3600.0).collect(),
            y: (from..to).map(y).collect(),
            t,
            ..Series::default()
        }
    }

    fn found(series: &[Series]) -> Finding {
        find(Resource::Memory, Axis::Hours, series, MIB, 4096.0)
    }

    #[test]
    fn a_flat_process_that_outlives_recycled_workers_does_not_speak_for_them() {
        for life in [20, 40, 90] {
            let lives = (0..4).flat_map(|slot| {
                let from = move |k: u32| slot * 3 + k * life;
                (0..).map(move |k| (from(k), from(k + 1))).take_while(|(_, to)| *to <= 720).collect::<Vec<_>>()
            });
            let leaking: Vec<Series> =
                lives.enumerate().map(|(k, of)| worker(10 + k as u32, of, |hours| 100.0 + 30.0 * hours)).collect();
            assert_eq!(found(&leaking).outcome, Outcome::Leak, "{life}: alone");
            let beside = [vec![worker(1, (0, 720), |_| 200.0)], leaking].concat();
            assert_eq!(found(&beside).outcome, Outcome::Leak, "{life}: beside a master");
            assert!(beside.len() > 8 && !found(&beside).workers[0].leaks);
        }
    }

    #[test]
    fn a_leak_that_pauses_before_the_end_is_no_pass() {
        // It grows for so many hours and pauses for one or two, again and again.
        for (grows, pauses) in [(5.0, 1.0), (4.2, 1.0), (2.4, 0.6)] {
            let level = move |hours: f64| {
                let (times, rest) = ((hours / (grows + pauses)).floor(), hours % (grows + pauses));
                100.0 + 20.0 * (times * grows + rest.min(grows))
            };
            assert_ne!(found(&[worker(1, (0, 720), level)]).outcome, Outcome::Clean, "{grows} and {pauses}");
        }
    }

    #[test]
    fn whoever_lived_through_a_part_of_the_run_is_judged_too() {
        let flat = || worker(1, (0, 720), |_| 200.0);
        let beside = |others: Vec<Series>| found(&[vec![flat()], others].concat());
        let leaks = |_pid: u32| move |hours: f64| 100.0 + 50.0 * hours;
        // It ended, and leaked until then.
        let ended = beside(vec![worker(2, (0, 430), leaks(2))]);
        assert_eq!((ended.outcome, ended.class), (Outcome::Leak, LeakClass::LeakInOneWorker), "{:?}", ended.reason);
        assert_eq!(ended.workers.iter().map(|w| w.leaks).collect::<Vec<_>>(), [false, true]);
        assert!(ended.growth.is_some_and(|g| (g.estimate / MIB - 50.0).abs() < 1.0), "{:?}", ended.growth);
        // One was replaced by another at each third.
        let thirds = [(2, (0, 240)), (3, (240, 480)), (4, (480, 720))];
        let replaced = beside(thirds.iter().map(|(pid, of)| worker(*pid, *of, leaks(*pid))).collect());
        assert_eq!(replaced.outcome, Outcome::Leak, "{:?}", replaced.reason);
        // It has just begun: it may be warming up, and nobody passes.
        let began = beside(vec![worker(2, (540, 720), leaks(2))]);
        assert_eq!(began.outcome, Outcome::Inconclusive);
        assert_eq!(began.reason, Reason::SomeSuspicious { recycled: false });
        assert!(began.workers.iter().all(|w| !w.leaks));
    }

    #[test]
    fn workers_that_come_and_go_and_are_clean_are_no_cause_for_doubt() {
        let all = |others: Vec<Series>| found(&[vec![worker(1, (0, 720), |_| 200.0)], others].concat());
        let flat = |pid, of| worker(pid, of, |_| 100.0);
        assert_eq!(all(vec![flat(2, (0, 430))]).outcome, Outcome::Clean);
        assert_eq!(all(vec![flat(2, (300, 330)), flat(3, (600, 720))]).outcome, Outcome::Clean);
        let warms_up = |pid, of| worker(pid, of, |hours: f64| 100.0 + 30.0 * (1.0 - (-hours / 0.1).exp()));
        assert_eq!(all(vec![warms_up(2, (400, 720))]).outcome, Outcome::Clean);
        assert_eq!(all(vec![warms_up(2, (0, 300)), warms_up(3, (300, 720))]).outcome, Outcome::Clean);
    }
}
