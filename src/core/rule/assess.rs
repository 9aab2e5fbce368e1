//! One judged unit, the pool or a single worker: what its growth amounts to.
//!
//! The rule is told in `docs/verdict.md`. In short: growth is a leak if all that may be its lasting part is over the budget, and
//! clean if all that may be its pace at the end is under it, or what is to come is little and what lasts is under it.

use crate::answer::{Condition, Interval, JumpPattern, Transient, hold};
use crate::rule::levels::jumping::{net, pattern, ups};
use crate::rule::levels::lasting::{
    bounds, chance, chance_of_halves, exceed, fading_to, late_rises, pace_left, paces, rises_late, silence,
    stopping_at, tails,
};
use crate::rule::levels::level::{Levels, Subject, longest};
use crate::rule::models::plausible::{Plausible, Plausibles, plausible};
use crate::stats::{Estimate, keeps_in_band, student_t};
use crate::thresholds::assess::{ALPHA, ALPHA_SETTLES, ALPHA_SUSPICIOUS, DRIFTS, SET_IN, STRICTER, UNDONE, WANDERS};
use crate::thresholds::scale::{FEW, MANY, TENTH};
use std::borrow::Cow;

/// What a judged unit (the pool, or one worker) amounts to.
#[derive(Debug, Clone)]
pub struct Assessment {
    pub models: Vec<Plausible>,
    /// Growth by jumps, per step of the axis.
    pub by_jumps: f64,
    pub jumps: JumpPattern,
    /// Bounds of persistent growth and of growth at the end, the worst over the plausible models.
    pub persistent: Interval,
    pub end: Interval,
    /// The least estimate of persistent growth in a plausible model.
    pub least: f64,
    /// What must hold for a leak, and what for clean.
    pub leak: Vec<Condition>,
    pub clean: Vec<Condition>,
    /// Whether it is the second half alone that proves it clean; the bounds of growth at the end are that half's then.
    pub by_second_half: bool,
    /// Whether it is the parts of the run that prove persistent growth and have its bounds, not the models.
    pub by_parts: bool,
    /// Whether growth is told apart from what the uneven mix of steps makes of it.
    pub mixed: bool,
    /// What the best model was fitted to, less the part of the covariates.
    pub fitted: Vec<Levels>,
    /// The levels less the part of the covariates; jumps stay.
    pub steady: Vec<Levels>,
}

/// How sure an answer must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demands {
    /// Error probability of "leak".
    pub leak: f64,
    /// Error probability of "clean".
    pub clean: f64,
    /// What more of the run is to come.
    pub ahead: Ahead,
}

/// What more of a run is to come. If anything is, what may still end by itself isn't judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ahead {
    /// It has come to its end.
    Nothing,
    /// The rest of its plan; the lower bound of a leak must exceed the budget this many times.
    Plan { over: f64 },
    /// Nobody knows how much: a step counts as growth until it is averaged out.
    Unknown,
}

impl Demands {
    /// Those of a run that has come to its end.
    pub fn at_the_end() -> Demands {
        Demands { leak: ALPHA.get(), clean: ALPHA.get(), ahead: Ahead::Nothing }
    }
}

/// By what it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
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
pub fn assess(subject: Subject, terms: Terms) -> Option<Assessment> {
    let Subject { raw, smooth, jumps, total_span, .. } = subject;
    let budget = terms.budget;
    let Plausibles { mut models, steady, fitted, mixed } =
        plausible(raw, smooth, jumps.len(), subject.averaged, terms.quantum);
    // A level that comes back too soon for a walk is none, and its growth is known the better for it.
    let comes_back = !steady.is_empty() && steady.iter().all(|levels| keeps_in_band(&levels.y));
    if comes_back {
        models.iter_mut().for_each(|m| m.end = m.end_coming_back.unwrap_or(m.end));
    }
    let best = models.first()?;
    let sum: f64 = jumps.iter().map(|j| j.size).sum();
    let by_jumps = sum / total_span;
    let pattern = if models.iter().any(|m| m.stepped) { pattern(subject, budget) } else { JumpPattern::None };
    let Demands { clean: alpha_clean, ahead, .. } = terms.demands;
    // A walk may stay where it was for as long as anybody looks.
    let may_walk = best.rho >= DRIFTS.get() && !comes_back;
    let alpha_clean = if may_walk { alpha_clean * STRICTER.get() } else { alpha_clean };
    let (early, over) = (ahead != Ahead::Nothing, if let Ahead::Plan { over } = ahead { over } else { 0.0 });
    // Few large steps may go on after a look: a run is not ended for them.
    let in_doubt = early && by_jumps > budget;
    let pattern = match pattern {
        JumpPattern::Single | JumpPattern::Settling if in_doubt => JumpPattern::Unclear,
        pattern => pattern,
    };
    let alpha = terms.demands.leak / terms.tests.max(1) as f64;
    // What jumps add goes on with certainty only if they go on.
    let going_on = pattern == JumpPattern::GoingOn;
    let (few, many) = if going_on { net(jumps, alpha) } else { (0.0, 0.0) };
    // The estimate and the bounds of what they add to a model that was fitted without them.
    let added = |m: &Plausible| {
        let of_jumps = (by_jumps, few / total_span, many / total_span);
        if m.stepped && going_on { of_jumps } else { (0.0, 0.0, 0.0) }
    };
    let span = longest(raw);
    // Whatever the noise, both ends of the run are known to a rounding step only: the errors of slow growth aren't independent.
    let rounding = terms.quantum / span;
    let within = |pick: fn(&Plausible) -> Estimate| {
        // The bounds of a sum from those of its parts (Zou & Donner 2008).
        let lower = |m: &Plausible| {
            let (growth, (jumps, few, _)) = (pick(m), added(m));
            growth.value + jumps - (growth.value - growth.lower(alpha)).hypot(jumps - few)
        };
        let upper = |m: &Plausible| {
            let (growth, (jumps, _, many)) = (pick(m), added(m));
            growth.value + jumps + (growth.upper(alpha_clean) - growth.value).hypot(many - jumps)
        };
        Interval {
            estimate: pick(best).value + added(best).0,
            lower: models.iter().map(lower).fold(f64::INFINITY, f64::min) - rounding,
            upper: models.iter().map(upper).fold(f64::NEG_INFINITY, f64::max) + rounding,
            confidence: 1.0 - 2.0 * ALPHA.get(),
        }
    };
    let of_models = within(|m| m.persistent);
    let end = within(|m| m.end);
    let least = models.iter().map(|m| m.persistent.value + added(m).0).fold(f64::INFINITY, f64::min);
    let bound = over.max(1.0) * budget;
    let warmed_up = early.then(|| warmed_up(best));
    // Load and wave would stand for growth or hide it: what is left is read.
    let parts = if let [one] = &steady[..] { paces(one) } else { None };
    // Rises of very different sizes have a mean that no bound for symmetric errors knows well.
    let lasting = if early { None } else { paces_that_last(best, &steady, span) };
    let lasting = lasting.filter(|paces| of_models.lower <= bound && exceed(paces, budget, alpha));
    let of_parts = lasting.and_then(|paces| bounds(&paces, alpha));
    let by_parts = of_parts.is_some();
    let persistent =
        of_parts.map_or(of_models, |(estimate, lower, upper)| Interval { estimate, lower, upper, ..of_models });
    let by_chance = match &parts {
        Some(paces) => chance(paces, budget),
        None => chance_of_halves(&steady, budget),
    };
    let settled: Vec<Levels> = fitted.iter().map(|levels| less_transients(best, levels, span)).collect();
    let going_on_by_jumps = (best.stepped && going_on).then_some((jumps.len() as f64, MANY.get() as f64));
    let smooth_rises = if best.stepped { smooth } else { &[] };
    let rises = steady.iter().chain(smooth_rises).map(late_rises).chain(going_on_by_jumps);
    let (rises, least_rises) = rises.max_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1))).unwrap_or((0.0, f64::NAN));
    let mut leak = vec![
        Condition::Lasts { lower: persistent.lower, bound },
        Condition::ShapeKnown { rho: best.rho, wanders: WANDERS.get(), chance: by_chance, alpha: ALPHA.get() },
    ];
    leak.extend([
        Condition::DoesNotFade { soon: parts.as_deref().and_then(fading_to), budget },
        Condition::ManyRises { rises, least: least_rises },
        Condition::SeenForLong {
            since: seen_since(best, best.line / span + added(best).0, budget),
            latest: SET_IN.get(),
        },
        Condition::GoesOnToTheEnd {
            soon: stopping_at(&settled, &tails(), terms.quantum),
            budget,
            silence: if let [one] = &steady[..] { silence(one) } else { 1.0 },
            alpha: ALPHA_SUSPICIOUS.get(),
        },
        // What the level gives back it hasn't kept, however steeply it climbs between.
        Condition::NotTakenBack { taken: (-by_jumps).max(0.0), most: UNDONE.get() * least.max(0.0) },
    ]);
    leak.extend(best.load_errors.map(|errors| Condition::LoadApart { errors, most: TENTH.get() }));
    leak.extend(warmed_up);
    if early {
        leak.push(Condition::DoesNotSlow { left: pace_left(&after_warm_ups(best, &steady), terms.quantum) });
    }
    let upper = most(models.iter().map(|m| upper(m.end, alpha_clean)));
    let mut clean = vec![Condition::EndsUnder { upper, rounding, budget }];
    if !hold(&clean) {
        let settling = settling(&models, rounding, budget, span, alpha_clean);
        clean = if hold(&settling) { settling } else { clean };
    }
    let (up, silent) = ups(jumps);
    clean.push(Condition::JumpsAreOver { pattern, up, silence: silent });
    clean.extend(warmed_up);
    clean.extend(hold(&leak).then_some(Condition::NoLeak(false)));
    Some(Assessment {
        models,
        by_jumps,
        jumps: pattern,
        persistent,
        end,
        least,
        leak,
        clean,
        by_second_half: false,
        by_parts,
        mixed,
        fitted,
        steady,
    })
}

/// The share of the run from which on growth has been seen: what set in later, unless growth was over the budget before, and what is left
/// over when a cache has become full, if the cache made up most of it.
fn seen_since(best: &Plausible, by_line: f64, budget: f64) -> f64 {
    let since = best.transients.iter().zip(&best.amplitudes).map(|(shape, amplitude)| match *shape {
        Transient::Onset(from) if by_line <= budget => from,
        Transient::Hinge(full) if *amplitude > best.line => full,
        _ => 0.0,
    });
    since.fold(0.0, f64::max)
}

/// The levels less what the model's transients with an end have added.
pub fn less_transients(model: &Plausible, levels: &Levels, span: f64) -> Levels {
    let first = levels.x.first().copied().unwrap_or(0.0);
    let added = |u: f64| {
        let ending = model.transients.iter().zip(&model.amplitudes).filter(|(t, _)| t.is_bounded());
        ending.map(|(t, amplitude)| amplitude * t.at(u)).sum::<f64>()
    };
    let y = levels.x.iter().zip(&levels.y).map(|(x, y)| y - added((x - first) / span)).collect();
    Levels { y, ..levels.clone() }
}

/// The paces of a single series less the best model's transients; none of a sawtooth's floor, whose levels are few, nor of what rises
/// like records of chance, whose parts differ by more than chance.
fn paces_that_last(best: &Plausible, steady: &[Levels], span: f64) -> Option<Vec<f64>> {
    match steady {
        [one] if !one.floor => {
            let settled = less_transients(best, one, span);
            if rises_late(&settled) { paces(&settled) } else { None }
        }
        _ => None,
    }
}

/// What growth is under beyond doubt. A steep fall must not make up for noise: that asks for power.
fn upper(growth: Estimate, alpha: f64) -> f64 {
    growth.value.max(0.0) + student_t(1.0 - alpha, growth.df) * growth.se
}

/// The largest of these; none, if one of them is no number.
fn most(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NEG_INFINITY, |most, value| if value > most || value.is_nan() { value } else { most })
}

/// What must hold for growth that may be over the budget now to be sure to end soon: what lasts is under the budget in every model
/// that counts even for a leak, and what is still to come is less than the budget allows for another run of the same length.
fn settling(models: &[Plausible], rounding: f64, budget: f64, span: f64, alpha: f64) -> Vec<Condition> {
    let lasting = |m: &Plausible| Estimate { value: m.persistent.value + m.lingering() / span, ..m.persistent };
    // What is to come is known as well as its pace at the end.
    let surely = |m: &Plausible| if m.end.value > 0.0 { (m.end.upper(alpha) / m.end.value).max(1.0) } else { 1.0 };
    vec![
        Condition::LastsUnder {
            upper: most(models.iter().map(|m| upper(lasting(m), ALPHA_SETTLES.get()))),
            rounding,
            budget,
        },
        Condition::LittleToCome { most: most(models.iter().map(|m| surely(m) * m.to_come())), allowed: budget * span },
    ]
}

/// When three constants of the best model's transient have passed, and half as long again of one with an end or of growth that set in.
fn warmed_up(model: &Plausible) -> Condition {
    let over = model.transients.iter().map(|t| {
        let sharp = matches!(t, Transient::Hinge(_) | Transient::Onset(_));
        (t.over_from(FEW.get() as f64), if sharp { 0.5 } else { 1.0 })
    });
    let (over, by) = over.max_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1))).unwrap_or((0.0, 1.0));
    Condition::WarmedUp { over, by }
}

/// The levels of incarnations that were aligned by age, less their warm-ups: each has had its own, and what they show of its
/// end the best model can be trusted with. A single series has had it once, and is left as it is.
fn after_warm_ups<'a>(best: &Plausible, series: &'a [Levels]) -> Cow<'a, [Levels]> {
    let are_incarnations = series.len() > 1 && !series.iter().any(|one| one.floor);
    let from = best.transients.iter().map(|t| t.over_from(FEW.get() as f64)).fold(0.0, f64::max);
    if !are_incarnations || from <= 0.0 {
        return Cow::Borrowed(series);
    }
    let span = longest(series);
    let late = |one: &Levels| {
        let places: Vec<usize> = (0..one.x.len()).filter(|i| one.x[*i] - one.x[0] >= from * span).collect();
        one.pick(&places)
    };
    Cow::Owned(series.iter().map(late).collect())
}

impl Assessment {
    /// Whether it is a leak.
    pub fn leaks(&self) -> bool {
        hold(&self.leak)
    }

    /// Whether it is clean.
    pub fn is_clean(&self) -> bool {
        hold(&self.clean)
    }

    /// What growth at the end is under, a fall taken for none, where that is over the budget.
    pub fn may_end_at(&self) -> Option<f64> {
        self.clean.iter().find_map(|condition| match condition {
            Condition::EndsUnder { upper, rounding, .. } if !condition.holds() => Some(upper + rounding),
            _ => None,
        })
    }

    /// What it may grow by while next to no requests come, per step of the axis, where that keeps it from being clean.
    pub fn grows_while_idle(&self) -> Option<f64> {
        self.clean.iter().find_map(|condition| match *condition {
            Condition::StillWhileIdle { upper, .. } if !condition.holds() => Some(upper),
            _ => None,
        })
    }

    /// Whether it would be a leak if growth had not stopped just before the end: a cache that has become full, or a leak that pauses.
    pub fn may_pause(&self) -> bool {
        !self.leaks() && self.leak.iter().all(|one| one.holds() || matches!(one, Condition::GoesOnToTheEnd { .. }))
    }

    /// Whether it lacks a condition of a leak of this kind.
    pub fn lacks(&self, is_of_kind: fn(&Condition) -> bool) -> bool {
        self.leak.iter().any(|one| is_of_kind(one) && !one.holds())
    }

    /// Whether the level drifts about so much that it may be a walk.
    pub fn drifts(&self) -> bool {
        self.models.first().is_some_and(|best| best.rho >= DRIFTS.get())
    }

    /// Whether it may leak though that isn't proven; such a worker keeps its pool from being clean, as does one whose growth at the
    /// end is over the budget beyond doubt, however late it began. One of `among` that are asked the same.
    pub fn is_suspicious(&self, budget: f64, among: usize) -> bool {
        let alpha = ALPHA_SUSPICIOUS.get() / among.max(1) as f64;
        let growing = |end: Estimate| end.value > budget && end.lower(alpha) > 0.0;
        let rises = |one: &Levels| paces(one).is_some_and(|paces| exceed(&paces, 0.0, ALPHA_SUSPICIOUS.get()));
        !self.is_clean()
            && (self.end.lower > budget
                || self.jumps == JumpPattern::GoingOn
                || self.steady.iter().any(rises) && self.models.iter().any(|m| growing(m.end)))
    }
}
