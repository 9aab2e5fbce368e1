//! One resource: from series to a finding, with what it means for each worker.

use super::assess::{ALPHA_LEAK, Assessment, Subject, Terms, assess};
use super::explain;
use super::level::{Jump, Levels};
use super::mix::Mix;
use super::pool::{ENOUGH, Member, Pool, rises};
use super::{Evidence, Finding, Fit, LeakClass, Outcome, WorkerFinding, steps};
use crate::model::{Axis, Resource, Series};
use crate::stats::student_t;

/// Resources that are judged beside memory and share its error probability.
const SECONDARY: usize = 3;

/// Judges one resource from its series; `budget` is the allowed growth per step of the axis, `quantum` the step to
/// which levels are rounded (the page size for memory, 1 for counts).
pub fn find(resource: Resource, axis: Axis, series: &[Series], budget: f64, quantum: f64) -> Finding {
    find_by_steps(resource, axis, series, budget, quantum, None)
}

/// The same, with growth by the steps of a mix of requests.
pub(super) fn find_by_steps(
    resource: Resource,
    axis: Axis,
    series: &[Series],
    budget: f64,
    quantum: f64,
    mix: Option<&Mix>,
) -> Finding {
    let least_jump = if resource.in_bytes() { 8.0 * quantum } else { 4.0 * quantum };
    let pool = Pool::new(series, least_jump);
    let all_rises: Vec<Jump> = pool.members.iter().flat_map(|m| rises(&series[m.index], least_jump)).collect();
    let secondary = if resource == Resource::Memory { 1 } else { SECONDARY };
    let whole = assess(
        Subject {
            raw: &pool.raw,
            smooth: &pool.smooth,
            jumps: &pool.jumps,
            rises: &all_rises,
            workers: pool.members.len(),
            averaged: pool.members.len() as f64 / pool.raw.len().max(1) as f64,
            total_span: pool.total_span(),
        },
        Terms { budget, quantum, tests: secondary },
    );
    let able: Vec<&Member> = pool
        .members
        .iter()
        .filter(|m| series[m.index].t.len() >= ENOUGH && (m.sawtooth || m.levels.x.len() >= ENOUGH / 2))
        .collect();
    let terms = Terms { budget, quantum, tests: secondary * able.len() };
    let one_by_one = |m: &Member| {
        if !able.iter().any(|a| a.index == m.index) {
            return None;
        }
        let subject = Subject {
            raw: std::slice::from_ref(&m.levels),
            smooth: std::slice::from_ref(&m.smooth),
            jumps: &m.jumps_by_place(),
            rises: &rises(&series[m.index], least_jump),
            workers: 1,
            averaged: 1.0,
            total_span: m.levels.span(),
        };
        assess(subject, terms)
    };
    let alone: Vec<Option<Assessment>> = match &pool.members[..] {
        [_] => vec![whole.clone()],
        members => members.iter().map(one_by_one).collect(),
    };
    let workers = worker_findings(series, &pool, &alone);
    // Recycled incarnations are too short-lived to be accused one by one.
    let leaking = if pool.recycled { 0 } else { alone.iter().flatten().filter(|a| a.leak).count() };
    let outcome = match &whole {
        Some(a) if a.leak => Outcome::Leak,
        _ if leaking > 0 => Outcome::Leak,
        Some(a) if a.clean && (pool.recycled || !alone.iter().flatten().any(|w| w.is_suspicious(budget))) => {
            Outcome::Clean
        }
        _ => Outcome::Inconclusive,
    };
    let class =
        whole.as_ref().map_or(LeakClass::Unknown, |a| classify(a, &pool, series, least_jump, outcome, leaking, budget));
    let by_steps = whole.as_ref().zip(mix);
    let by_steps = by_steps.and_then(|(a, mix)| steps::by_steps(mix, series, &pool, &a.models, budget, quantum));
    let class = steps::class(class, by_steps.as_ref());
    let growth = whole.as_ref().map(|a| if outcome == Outcome::Leak && a.leak { a.persistent } else { a.end });
    let growth = if class == LeakClass::LeakInOneWorker && !whole.as_ref().is_some_and(|a| a.leak) {
        let worst = |a: &&Assessment, b: &&Assessment| a.persistent.lower.total_cmp(&b.persistent.lower);
        alone.iter().flatten().filter(|a| a.leak).max_by(worst).map(|a| a.persistent)
    } else {
        growth
    };
    let words = explain::Situation {
        resource,
        axis,
        outcome,
        class,
        budget,
        growth,
        whole: whole.as_ref(),
        pool: &pool,
        leaking,
        judged: able.len(),
        series: series.len(),
    };
    Finding {
        resource,
        outcome,
        class,
        growth,
        axis,
        budget,
        reason: words.reason(),
        settle: words.settle(),
        workers,
        steps: by_steps,
        evidence: Evidence { facts: words.facts(), quarters: quarters(&pool) },
    }
}

fn classify(
    a: &Assessment,
    pool: &Pool,
    series: &[Series],
    least_jump: f64,
    outcome: Outcome,
    leaking: usize,
    budget: f64,
) -> LeakClass {
    match outcome {
        Outcome::Leak if leaking > 0 && 2 * leaking < pool.members.len() => LeakClass::LeakInOneWorker,
        Outcome::Leak => LeakClass::Leak,
        Outcome::Inconclusive => LeakClass::Unknown,
        Outcome::Clean => {
            // Growth in a configured warm-up phase isn't judged, but it is what the reader sees.
            let histories: Vec<&[f64]> = pool.members.iter().map(|m| &series[m.index].y[..]).collect();
            let span = pool.total_span() / histories.len().max(1) as f64;
            let small = 0.5 * budget * span;
            let total = mean(histories.iter().map(|y| y.last().unwrap_or(&0.0) - y.first().unwrap_or(&0.0)));
            let abrupt = mean(histories.iter().map(|y| two_largest_rises(y, least_jump)));
            if pool.sawtooth {
                LeakClass::Sawtooth
            } else if total > small && abrupt > 0.5 * total {
                LeakClass::HighWaterMark
            } else if total > small && total > 2.0 * a.end.estimate.max(0.0) * span {
                LeakClass::WarmUp
            } else if a.models.iter().all(|m| m.end.lower(0.05) > 0.0) {
                LeakClass::WithinBudget
            } else {
                LeakClass::Flat
            }
        }
    }
}

/// The two largest rises between neighbouring readings, together; rises under `least` are flutter and count for nothing.
fn two_largest_rises(y: &[f64], least: f64) -> f64 {
    let (mut first, mut second) = (0.0, 0.0);
    for rise in y.windows(2).map(|w| w[1] - w[0]).filter(|r| *r >= least) {
        if rise > first {
            (first, second) = (rise, first);
        } else if rise > second {
            second = rise;
        }
    }
    first + second
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
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
            let start = super::level::judged_from(s).min(s.x.len().saturating_sub(1));
            let set_aside =
                pool.set_aside.binary_search_by_key(&index, |a| a.0).ok().map(|at| pool.set_aside[at].1.clone());
            let place = pool.members.iter().position(|m| m.index == index);
            let own = place.and_then(|p| Some((&pool.members[p], alone[p].as_ref()?)));
            WorkerFinding {
                worker: s.worker,
                readings: (s.x.len() - start.min(s.x.len())) as u64,
                span: s.x.last().zip(s.x.get(start)).map_or(0.0, |(b, a)| b - a),
                first: s.y.get(start).copied().unwrap_or(0.0),
                last: s.y.last().copied().unwrap_or(0.0),
                growth: own.map(|(_, a)| if a.leak { a.persistent } else { a.end }),
                fit: own.and_then(|(m, a)| fit(m, a)),
                leaks: own.is_some_and(|(_, a)| a.leak),
                set_aside,
            }
        })
        .collect()
}

/// The best model's curve over one worker's judged part, its jumps put back, with the band of the mean's bounds.
fn fit(member: &Member, assessment: &Assessment) -> Option<Fit> {
    const POINTS: usize = 25;
    let model = assessment.models.first()?;
    let Levels { x, y, .. } = &member.smooth;
    let (start, span, n) = (*x.first()?, member.smooth.span(), x.len() as f64);
    let at = |x: f64| model.grown((x - start) / span);
    let level = x.iter().zip(y).map(|(x, y)| y - at(*x)).sum::<f64>() / n;
    let centre = x.iter().sum::<f64>() / n;
    let spread = (x.iter().zip(y).map(|(x, y)| (y - at(*x) - level).powi(2)).sum::<f64>() / n).sqrt();
    let t = student_t(1.0 - ALPHA_LEAK, model.persistent.df);
    let mut out = Fit { from: start, ..Fit::default() };
    for k in 0..POINTS {
        let here = start + span * k as f64 / (POINTS - 1) as f64;
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
