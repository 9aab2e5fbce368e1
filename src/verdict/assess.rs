//! One judged unit, the pool or a single worker: what its growth amounts to.
//!
//! The rule is told in `docs/verdict.md`. In short: a leak is growth that is above zero in every plausible model and
//! comes near the budget in the least of them; clean is growth whose upper bound is under the budget in every one.

use super::Interval;
use super::level::{BLOCKS, Jump, Levels};
use super::pace::{has_stopped, keeps_pace};
use super::plausible::{FAR, Plausible, Plausibles, plausible};
use super::transient::Transient;
use crate::stats::{Estimate, keeps_in_band, median, student_t, theil_sen};

/// Error probability of "leak".
pub(super) const ALPHA_LEAK: f64 = 0.01;
/// Error probability of "clean": stricter than the 5 % of the rule's first form, so that a leak of exactly the budget
/// doesn't pass once in twenty times.
pub(super) const ALPHA_CLEAN: f64 = 0.01;
/// Error probability of "clean" where it rests on how a transient goes on after the run.
const ALPHA_SETTLES: f64 = 0.001;
/// Autocorrelation from which a level wanders so much that where it went says nothing.
const WANDERS: f64 = 0.985;
/// Autocorrelation from which it may be a walk, and the parts of its rise that such a level may fall by and yet be a
/// leak: the less, the more it wanders.
const DRIFTS: f64 = 0.8;
const STROLL: f64 = 0.18;
const RATCHET: f64 = 0.1;
/// The part of its estimate that growth of such a level must reach in the last quarter of the run.
const STEADY: f64 = 0.5;
/// The part of the budget that the least plausible estimate of a leak must reach.
pub(super) const NEAR_BUDGET: f64 = 0.75;
/// The part of the budget at which growth must go on late in the run.
pub(super) const LATE: f64 = 0.4;
/// The part of the run that must have passed before growth that sets in then has been seen for too short a time.
const LATELY: f64 = 0.7;
/// The part of its estimate that the lower bound of growth reaches when even a walk can't have made it.
const SURE: f64 = 0.9;
/// Effective number of rises that late growth must be made of to be a leak.
const SPREAD: f64 = 5.0;
/// Probability of the silence after the last jump from which jumps may be going on, and up to which they are over.
const SILENT: f64 = 0.05;
const ALPHA_SILENT: f64 = 0.01;
/// The part of its first tenth to which growth must have come down in the last one for it to count as settling.
const SLOWED: f64 = 0.35;
/// Constants of a transient that must have passed before a run may be judged early; and where one with an end, or growth
/// that set in late, must have had it.
const CONSTANTS: f64 = 3.0;
const EARLY_END: f64 = 0.6;
/// Distance of the information criterion up to which a model has a say on "clean".
pub(super) const NEAR: f64 = 6.0;

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
    /// Whether late growth is made of many rises.
    pub spread: bool,
    pub leak: bool,
    pub clean: bool,
    /// The least estimate that a leak must reach.
    pub enough: f64,
    /// Whether the level may only have wandered.
    pub wanders: bool,
    /// Whether growth was only seen at the very end.
    pub lately: bool,
    /// Whether it is the second half alone that proves it clean; `end` is that half's then.
    pub settled: bool,
    /// Whether growth is told apart from what the uneven mix of steps makes of it.
    pub mixed: bool,
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

impl JumpPattern {
    /// Whether no more of them is to be feared.
    pub fn are_over(self) -> bool {
        !matches!(self, JumpPattern::GoingOn | JumpPattern::Unclear)
    }
}

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub raw: &'a [Levels],
    /// The same less the jumps.
    pub smooth: &'a [Levels],
    pub jumps: &'a [Jump],
    /// Rises of the high-water mark.
    pub rises: &'a [Jump],
    pub workers: usize,
    /// Workers that were averaged into each series.
    pub averaged: f64,
    /// Steps of the axis that all workers span together.
    pub total_span: f64,
}

/// How sure an answer must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Demands {
    /// Error probability of "leak".
    pub leak: f64,
    /// Error probability of "clean".
    pub clean: f64,
    /// What more of the run is to come.
    pub ahead: Ahead,
}

/// What more of a run is to come. If anything is, what may still end by itself isn't judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ahead {
    /// It has come to its end.
    Nothing,
    /// The rest of its plan; the lower bound of a leak must exceed the budget this many times.
    Plan { over: f64 },
    /// Nobody knows how much: a step counts as growth until it is averaged out.
    Unknown,
}

impl Demands {
    /// Those of a run that has come to its end.
    pub const FINAL: Demands = Demands { leak: ALPHA_LEAK, clean: ALPHA_CLEAN, ahead: Ahead::Nothing };
}

/// By what it is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// Allowed growth per step of the axis.
    pub budget: f64,
    /// Step to which levels are rounded.
    pub quantum: f64,
    /// Tests that share the error probability of "leak" (Bonferroni).
    pub tests: usize,
    /// How sure the answer must be.
    pub demands: Demands,
}

/// Judges a subject; `None` if there is too little to fit.
pub(super) fn assess(subject: Subject, terms: Terms) -> Option<Assessment> {
    let Subject { raw, smooth, jumps, total_span, .. } = subject;
    let budget = terms.budget;
    let Plausibles { mut models, steady, mixed } = plausible(raw, smooth, jumps.len(), subject.averaged, terms.quantum);
    // A level that comes back too soon for a walk is none, and its growth is known the better for it.
    if !steady.is_empty() && steady.iter().all(|levels| keeps_in_band(&levels.y)) {
        models.iter_mut().for_each(|m| m.end = m.end_coming_back.unwrap_or(m.end));
    }
    let best = models.first()?;
    let sum: f64 = jumps.iter().map(|j| j.size).sum();
    let squares: f64 = jumps.iter().map(|j| j.size * j.size).sum();
    let by_jumps = (sum / total_span, squares.sqrt() / total_span);
    let pattern = if models.iter().any(|m| m.stepped) { pattern(subject, budget) } else { JumpPattern::None };
    let Demands { clean: alpha_clean, ahead, .. } = terms.demands;
    let (early, over) = (ahead != Ahead::Nothing, if let Ahead::Plan { over } = ahead { over } else { 0.0 });
    let in_doubt = ahead == Ahead::Unknown && by_jumps.0 > NEAR_BUDGET * budget;
    let pattern = match pattern {
        JumpPattern::Single | JumpPattern::Settling if in_doubt => JumpPattern::Unclear,
        pattern => pattern,
    };
    let alpha = terms.demands.leak / terms.tests.max(1) as f64;
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
            upper: each().map(|e| e.upper(alpha_clean)).fold(f64::NEG_INFINITY, f64::max),
            confidence: 1.0 - 2.0 * ALPHA_LEAK,
        }
    };
    let persistent = bounds(|m| m.persistent, FAR);
    let end = bounds(|m| m.end, NEAR);
    let least = models.iter().map(|m| with_jumps(m, m.persistent).value).fold(f64::INFINITY, f64::min);
    // Load and wave would stand for growth or hide it.
    let late = late_slope(&steady);
    let spread = steady.iter().any(is_spread) || best.stepped && smooth.iter().any(is_spread);
    // Levels without any noise look like a walk too; growth that is this sure even for a walk is none.
    let sure = is_sure(&persistent);
    let span = raw.iter().map(Levels::span).fold(0.0, f64::max);
    let lately = models.iter().any(|m| {
        let late = m.transients.iter().any(|t| matches!(t, Transient::Onset(from) if *from > LATELY));
        let before = m.line + if m.stepped && going_on { by_jumps.0 * span } else { 0.0 };
        late && before < NEAR_BUDGET * budget * span
    });
    let falls = steady.iter().map(falls).fold(0.0, f64::max);
    let wanders = match best.rho {
        rho if rho >= WANDERS => !(sure || falls <= RATCHET && last_quarter(&steady) >= STEADY * persistent.estimate),
        rho if rho >= DRIFTS => falls > STROLL,
        _ => false,
    };
    let too_soon = early && is_warming_up(best);
    let enough = if models.iter().all(Plausible::is_slow) { budget } else { NEAR_BUDGET * budget };
    let doubtful = wanders || lately || too_soon || early && !keeps_pace(&steady, terms.quantum);
    let leak = !doubtful
        && persistent.lower > over * budget
        && least >= enough
        && (going_on || spread && late.is_some_and(|s| s >= LATE * budget) && !has_stopped(&steady, terms.quantum));
    let quiet = pattern.are_over();
    let near = || models.iter().filter(|m| m.distance <= NEAR);
    let over_now = near().all(|m| under(m.end, budget, alpha_clean)) && best.end.value <= NEAR_BUDGET * budget;
    let clean = !leak && !too_soon && quiet && (over_now || settles(&models, budget));
    Some(Assessment {
        models,
        by_jumps,
        jumps: pattern,
        late,
        persistent,
        end,
        least,
        spread,
        leak,
        clean,
        enough,
        wanders,
        lately,
        settled: false,
        mixed,
    })
}

/// Whether growth is so sure that even a walk can't have made it.
fn is_sure(persistent: &Interval) -> bool {
    persistent.lower > SURE * persistent.estimate
}

/// Whether growth is under the budget beyond doubt. A steep fall must not make up for noise: that asks for power.
fn under(growth: Estimate, budget: f64, alpha: f64) -> bool {
    growth.value.max(0.0) + student_t(1.0 - alpha, growth.df) * growth.se < budget
}

/// Whether growth is over the budget now perhaps, but is sure to end: every model that counts even for a leak has a
/// bounded transient, what persists beside it is under the budget, and growth has slowed down to a part already.
fn settles(models: &[Plausible], budget: f64) -> bool {
    models.iter().all(|m| {
        let bounded = !m.transients.is_empty() && m.transients.iter().all(|t| t.is_bounded());
        let slowed = m.grown(1.0) - m.grown(0.9) < SLOWED * m.grown(0.1);
        bounded
            && slowed
            && m.persistent.value >= -0.5 * budget
            && under(m.persistent, budget, ALPHA_SETTLES)
            && m.persistent.value <= NEAR_BUDGET * budget
    })
}

/// Tells one-off and settling jumps from those that go on.
fn pattern(subject: Subject, budget: f64) -> JumpPattern {
    let Subject { raw, jumps, rises, total_span, .. } = subject;
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
    let squares: f64 = jumps.iter().map(|j| j.size * j.size).sum();
    let silence = silence(&ups);
    let many = ups.len() >= 6 && sum > student_t(1.0 - ALPHA_LEAK, f64::INFINITY) * squares.sqrt();
    if many && late > 0.3 * sum && silence >= SILENT {
        return JumpPattern::GoingOn;
    }
    if silence <= ALPHA_SILENT {
        return JumpPattern::Settling;
    }
    // Laplace's trend test on the rises of the high-water mark, each weighted with its size: under a constant rate their
    // mean place is 1/2.
    let mass: f64 = rises.iter().map(|j| j.size).sum();
    let place = rises.iter().map(|j| j.at * j.size).sum::<f64>() / mass;
    let square: f64 = rises.iter().map(|j| j.size * j.size).sum();
    let z = (place - 0.5) / (square.sqrt() / mass / 12f64.sqrt());
    let rare = ups.iter().filter(|j| j.at > 0.5).count() <= subject.workers;
    if z < -1.645 && rare && late < 0.35 * mass {
        return JumpPattern::Settling;
    }
    JumpPattern::Unclear
}

/// The probability of as long a silence after the last of these jumps, if they came at a constant rate (Cox & Lewis 1966).
/// Jumps in one stretch of the run have one cause, in however many workers, and count as one.
fn silence(jumps: &[&Jump]) -> f64 {
    let mut places: Vec<i64> = jumps.iter().map(|j| (j.at * BLOCKS as f64).round() as i64).collect();
    places.sort_unstable();
    places.dedup();
    let last = jumps.iter().map(|j| j.at).fold(0.0, f64::max);
    last.powi(places.len() as i32)
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

/// Whether growth in the last 60 % is made of many rises of the high-water mark, not of a few that may be the last: the
/// effective number of rises (Kish 1965), the square of their sum over the sum of their squares.
fn is_spread(levels: &Levels) -> bool {
    let late = &levels.y[2 * levels.y.len() / 5..];
    let mut mark = late.first().copied().unwrap_or(0.0);
    let (mut sum, mut squares) = (0.0, 0.0);
    for y in late {
        let rise = (y - mark).max(0.0);
        sum += rise;
        squares += rise * rise;
        mark = mark.max(*y);
    }
    sum * sum >= squares * SPREAD.min(0.4 * (late.len() as f64 - 1.0)) && sum > 0.0
}

/// The deepest fall of the level from an earlier height, as a part of its rise from first to last; infinite if it
/// didn't rise. A leak under noise climbs like a ratchet, a walk strolls.
fn falls(levels: &Levels) -> f64 {
    let (mut top, mut deepest) = (f64::NEG_INFINITY, 0.0f64);
    for y in &levels.y {
        top = top.max(*y);
        deepest = deepest.max(top - y);
    }
    match (levels.y.first(), levels.y.last()) {
        (Some(first), Some(last)) if last > first => deepest / (last - first),
        _ => f64::INFINITY,
    }
}

/// Growth from first to last level of the last quarter, the least of all series; nothing without one.
fn last_quarter(series: &[Levels]) -> f64 {
    let growth = |s: &Levels| {
        let (to, from) = (s.x.len().checked_sub(1)?, 3 * s.x.len() / 4);
        Some((s.y.get(to)? - s.y.get(from.checked_sub(1)?)?) / (s.x[to] - s.x[from - 1]))
    };
    series.iter().map(|s| growth(s).filter(|g| g.is_finite()).unwrap_or(0.0)).fold(f64::INFINITY, f64::min)
}

/// Whether less than three constants of the best model's transient have passed.
fn is_warming_up(model: &Plausible) -> bool {
    model.transients.iter().any(|t| match *t {
        Transient::Exponential(constant) | Transient::Logarithm(constant) => CONSTANTS * constant > 1.0,
        Transient::Delayed(from, constant) => from + CONSTANTS * constant > 1.0,
        Transient::Hinge(full) => full > EARLY_END,
        Transient::Onset(from) => from > EARLY_END,
    })
}

/// The range but for this share at either end.
fn range(v: &[f64], without: f64) -> (f64, f64) {
    let mut sorted = v.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted.get((sorted.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or(0.0);
    (at(without), at(1.0 - without))
}

/// The median over the series of the Theil-Sen slope of their last 40 %.
fn late_slope(series: &[Levels]) -> Option<f64> {
    let slopes: Vec<f64> = series
        .iter()
        .filter_map(|s| {
            let from = s.x.first()? + 0.6 * s.span();
            let i = s.x.partition_point(|x| *x < from);
            theil_sen(&s.x[i..], &s.y[i..])
        })
        .collect();
    median(&slopes)
}

impl Assessment {
    /// Whether the level drifts about so much that it may be a walk.
    pub fn drifts(&self) -> bool {
        self.models.first().is_some_and(|best| best.rho >= DRIFTS)
    }

    /// Whether it may leak though that isn't proven; such a worker keeps its pool from being clean.
    pub fn is_suspicious(&self, budget: f64) -> bool {
        let growing = |end: Estimate| end.value > NEAR_BUDGET * budget && end.lower(0.05) > 0.0;
        let mut near = self.models.iter().filter(|m| m.distance <= NEAR);
        !self.clean && (self.jumps == JumpPattern::GoingOn || self.spread && near.any(|m| growing(m.end)))
    }
}
