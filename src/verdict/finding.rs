//! One resource: from series to a finding.
//!
//! The rule is told in `docs/verdict.md`. In short: a leak is growth that is above zero in every plausible model and
//! comes near the budget in the least of them; clean is growth whose upper bound is under the budget in every one;
//! all else is inconclusive.

use super::explain;
use super::level::{Jump, Levels};
use super::plausible::{FAR, Plausible, plausible};
use super::pool::{ENOUGH, Member, Pool};
use super::{Evidence, Finding, Fit, Interval, LeakClass, Outcome, WorkerFinding};
use crate::model::{Axis, Resource, Series};
use crate::stats::{Estimate, student_t, theil_sen};

/// Error probability of "leak".
pub(super) const ALPHA_LEAK: f64 = 0.01;
/// Error probability of "clean": stricter than the 5 % of the rule's first form, so that a leak of exactly the budget
/// doesn't pass once in twenty times.
pub(super) const ALPHA_CLEAN: f64 = 0.01;
/// The part of the budget that the least plausible estimate of a leak must reach.
const NEAR_BUDGET: f64 = 0.75;
/// The part of the budget at which growth must go on late in the run.
const LATE: f64 = 0.4;
/// Turns from the top quarter of the range to the bottom one or back that make swings.
const SWINGS: usize = 5;
/// The part of its first tenth to which growth must have come down in the last one for it to count as settling.
const SLOWED: f64 = 0.35;
/// Distance of the information criterion up to which a model has a say on "clean".
const NEAR: f64 = 6.0;

/// What a judged unit (the pool, or one worker) amounts to.
#[derive(Debug, Clone)]
pub(super) struct Assessment {
    pub models: Vec<Plausible>,
    /// Growth by jumps, per step of the axis, with its standard error under a compound Poisson process.
    pub by_jumps: (f64, f64),
    pub jumps: JumpPattern,
    /// Theil-Sen slope of the last 40 %, jumps included.
    pub late: Option<f64>,
    /// Bounds of persistent growth and of growth at the end, the worst over the plausible models.
    pub persistent: Interval,
    pub end: Interval,
    /// The least estimate of persistent growth in a plausible model.
    pub least: f64,
    pub leak: bool,
    pub clean: bool,
}

/// How abrupt jumps are spread over the judged part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JumpPattern {
    /// There are none, or what they add late is small beside the budget.
    None,
    /// One jump up: something was loaded once.
    Single,
    /// They get rarer and smaller: a high-water mark.
    Settling,
    /// They go up and down, between the same levels early and late.
    UpAndDown,
    /// They go on.
    GoingOn,
    /// It can't be told.
    Unclear,
}

/// Judges one resource from its series; `budget` is the allowed growth per step of the axis, `quantum` the step to
/// which levels are rounded (the page size for memory, 1 for counts).
pub fn find(resource: Resource, axis: Axis, series: &[Series], budget: f64, quantum: f64) -> Finding {
    let least_jump = if resource.in_bytes() { 8.0 * quantum } else { 4.0 * quantum };
    let pool = Pool::new(series, least_jump);
    let rises: Vec<Jump> = pool.members.iter().flat_map(|m| m.rises(least_jump)).collect();
    let whole =
        assess(&pool.raw, &pool.smooth, &pool.jumps, &rises, pool.members.len(), pool.total_span(), budget, quantum, 1);
    let able: Vec<&Member> = pool
        .members
        .iter()
        .filter(|m| series[m.index].t.len() >= ENOUGH && (m.sawtooth || m.levels.x.len() >= ENOUGH / 2))
        .collect();
    let tests = able.len().max(1);
    let alone: Vec<Option<Assessment>> = pool
        .members
        .iter()
        .map(|m| {
            let able = able.iter().any(|a| a.index == m.index);
            able.then(|| {
                let (jumps, rises) = (m.jumps_by_place(), m.rises(least_jump));
                let levels = std::slice::from_ref(&m.levels);
                let smooth = std::slice::from_ref(&m.smooth);
                assess(levels, smooth, &jumps, &rises, 1, m.levels.span(), budget, quantum, tests)
            })?
        })
        .collect();
    let workers = worker_findings(series, &pool, &alone);
    // Recycled incarnations are too short-lived to be accused one by one.
    let leaking = if pool.recycled { 0 } else { alone.iter().flatten().filter(|a| a.leak).count() };
    let outcome = match &whole {
        _ if axis == Axis::Seconds => Outcome::Inconclusive,
        Some(a) if a.leak => Outcome::Leak,
        _ if leaking > 0 => Outcome::Leak,
        Some(a) if a.clean && (pool.recycled || !alone.iter().flatten().any(|w| suspicious(w, budget))) => {
            Outcome::Clean
        }
        _ => Outcome::Inconclusive,
    };
    let class =
        whole.as_ref().map_or(LeakClass::Unknown, |a| classify(a, &pool, series, least_jump, outcome, leaking, budget));
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
        evidence: Evidence { facts: words.facts(), quarters: quarters(&pool) },
    }
}

/// A worker that may be leaking though it isn't proven keeps the pool from being clean.
fn suspicious(worker: &Assessment, budget: f64) -> bool {
    let growing = |end: Estimate| end.value > NEAR_BUDGET * budget && end.lower(0.05) > 0.0;
    !worker.clean
        && (worker.jumps == JumpPattern::GoingOn
            || worker.models.iter().filter(|m| m.distance <= NEAR).any(|m| growing(m.end)))
}

#[expect(clippy::too_many_arguments, reason = "one private step of the rule, called twice")]
fn assess(
    raw: &[Levels],
    smooth: &[Levels],
    jumps: &[Jump],
    rises: &[Jump],
    members: usize,
    total_span: f64,
    budget: f64,
    quantum: f64,
    tests: usize,
) -> Option<Assessment> {
    let quantum = quantum / (members as f64 / smooth.len().max(1) as f64).sqrt();
    let models = plausible(raw, smooth, jumps.len(), quantum);
    let best = models.first()?;
    let sum: f64 = jumps.iter().map(|j| j.size).sum();
    let squares: f64 = jumps.iter().map(|j| j.size * j.size).sum();
    let by_jumps = (sum / total_span, squares.sqrt() / total_span);
    let pattern = if models.iter().any(|m| m.stepped) {
        pattern(jumps, rises, raw, total_span, budget)
    } else {
        JumpPattern::None
    };
    let alpha = ALPHA_LEAK / tests as f64;
    // What jumps add goes on with certainty only if they go on.
    let going_on = pattern == JumpPattern::GoingOn;
    let with_jumps = |m: &Plausible, e: Estimate| {
        if m.stepped && going_on {
            Estimate { value: e.value + by_jumps.0, se: e.se.hypot(by_jumps.1), df: e.df }
        } else {
            e
        }
    };
    let bounds = |pick: fn(&Plausible) -> Estimate, reach: f64| {
        let each = || models.iter().filter(move |m| m.distance <= reach).map(|m| with_jumps(m, pick(m)));
        Interval {
            estimate: with_jumps(best, pick(best)).value,
            lower: each().map(|e| e.lower(alpha)).fold(f64::INFINITY, f64::min),
            upper: each().map(|e| e.upper(ALPHA_CLEAN)).fold(f64::NEG_INFINITY, f64::max),
            confidence: 1.0 - 2.0 * ALPHA_LEAK,
        }
    };
    let persistent = bounds(|m| m.persistent, FAR);
    let end = bounds(|m| m.end, NEAR);
    let least = models.iter().map(|m| with_jumps(m, m.persistent).value).fold(f64::INFINITY, f64::min);
    let late = late_slope(raw);
    let leak = persistent.lower > 0.0
        && least >= NEAR_BUDGET * budget
        && (late.is_some_and(|s| s >= LATE * budget) || pattern == JumpPattern::GoingOn);
    let quiet = !matches!(pattern, JumpPattern::GoingOn | JumpPattern::Unclear);
    let near = || models.iter().filter(|m| m.distance <= NEAR);
    let over_now = near().all(|m| under(m.end, budget)) && best.end.value <= NEAR_BUDGET * budget;
    let swings = raw.iter().all(|s| swings(s, budget));
    let clean = !leak && (swings || quiet && (over_now || settles(&models, budget)));
    Some(Assessment { models, by_jumps, jumps: pattern, late, persistent, end, least, leak, clean })
}

/// Whether growth is under the budget beyond doubt. A steep fall must not make up for noise: that asks for power.
fn under(growth: Estimate, budget: f64) -> bool {
    growth.value.max(-0.5 * budget) + student_t(1.0 - ALPHA_CLEAN, growth.df) * growth.se < budget
}

/// Whether growth is over the budget now perhaps, but is sure to end: every model that counts even for a leak has a
/// bounded transient, what persists beside it is under the budget, and growth has slowed down to a part already.
fn settles(models: &[Plausible], budget: f64) -> bool {
    models.iter().all(|m| {
        let bounded = !m.transients.is_empty() && m.transients.iter().all(|t| t.is_bounded());
        let slowed = m.grown(1.0) - m.grown(0.9) < SLOWED * m.grown(0.1);
        bounded && slowed && under(m.persistent, budget) && m.persistent.value <= NEAR_BUDGET * budget
    })
}

/// Tells one-off and settling jumps from those that go on.
fn pattern(jumps: &[Jump], rises: &[Jump], raw: &[Levels], total_span: f64, budget: f64) -> JumpPattern {
    let late: f64 = jumps.iter().filter(|j| j.at > 0.5).map(|j| j.size).sum();
    let ups: Vec<&Jump> = jumps.iter().filter(|j| j.size > 0.0).collect();
    let sum: f64 = jumps.iter().map(|j| j.size).sum();
    if jumps.is_empty() || late.max(sum / 2.0) <= 0.25 * budget * total_span / 2.0 {
        return JumpPattern::None;
    }
    if ups.len() == 1 {
        return JumpPattern::Single;
    }
    if jumps.len() - ups.len() >= 2 && raw.iter().all(|s| returns(&s.y, 0.25 * budget * s.span())) {
        return JumpPattern::UpAndDown;
    }
    // Laplace's trend test on the rises of the high-water mark, each weighted with its size: under a constant rate their
    // mean place is 1/2.
    let mass: f64 = rises.iter().map(|j| j.size).sum();
    let place = rises.iter().map(|j| j.at * j.size).sum::<f64>() / mass;
    let square: f64 = rises.iter().map(|j| j.size * j.size).sum();
    let z = (place - 0.5) / (square.sqrt() / mass / 12f64.sqrt());
    if z < -1.645 && late < 0.35 * mass {
        return JumpPattern::Settling;
    }
    let squares: f64 = jumps.iter().map(|j| j.size * j.size).sum();
    if ups.len() >= 6 && sum > student_t(1.0 - ALPHA_LEAK, f64::INFINITY) * squares.sqrt() && late > 0.3 * sum {
        return JumpPattern::GoingOn;
    }
    JumpPattern::Unclear
}

/// Whether the level comes back late to where it was early, at the bottom and at the top of its range, but for `slack`.
fn returns(y: &[f64], slack: f64) -> bool {
    let part = 2 * y.len() / 5;
    if part == 0 {
        return false;
    }
    let (early, late) = (&y[..part], &y[y.len() - part..]);
    // Bounds are known well only where the level dwells at them.
    let dwells = |v: &[f64]| {
        let (outer, inner) = (range(v, 0.05), range(v, 0.2));
        inner.0 - outer.0 < slack && outer.1 - inner.1 < slack
    };
    let (before, after) = (range(early, 0.05), range(late, 0.05));
    dwells(early) && dwells(late) && after.0 <= before.0 + slack && after.1 <= before.1 + slack
}

/// Whether the level swings up and down between bounds that don't rise by what the budget allows: then it is clean,
/// however persistent each swing is.
fn swings(levels: &Levels, budget: f64) -> bool {
    let (low, high) = range(&levels.y, 0.05);
    let (mut turns, mut up) = (0, None);
    for y in &levels.y {
        let now = (y - low) / (high - low);
        let side = if now > 0.75 {
            Some(true)
        } else if now < 0.25 {
            Some(false)
        } else {
            up
        };
        turns += usize::from(up.is_some() && side != up);
        up = side;
    }
    // Early and late parts lie 60 % of the span apart: growth at the budget would lift the bounds by more than this.
    turns >= SWINGS && returns(&levels.y, 0.25 * budget * levels.span())
}

/// The range but for this share at either end.
fn range(v: &[f64], without: f64) -> (f64, f64) {
    let mut sorted = v.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted.get((sorted.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or(0.0);
    (at(without), at(1.0 - without))
}

/// Theil-Sen slope of the last 40 % of each series, their median weighted alike.
fn late_slope(series: &[Levels]) -> Option<f64> {
    let mut slopes: Vec<f64> = series
        .iter()
        .filter_map(|s| {
            let from = s.x.first()? + 0.6 * s.span();
            let i = s.x.partition_point(|x| *x < from);
            theil_sen(&s.x[i..], &s.y[i..])
        })
        .collect();
    slopes.sort_by(f64::total_cmp);
    crate::stats::median(&slopes)
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
            let set_aside = pool.set_aside.iter().find(|a| a.0 == index).map(|a| a.1.clone());
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
