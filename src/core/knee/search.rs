//! Which load to measure next, and what all that was measured says.

use super::step::Step;
use crate::answer::Outcome;
use crate::stats::median;

/// Goodput keeps pace while it is this share of what the loads below promise.
const KEEPS_PACE: f64 = 0.9;

/// A plateau is where the next request in flight gives less than this share of what the first gave.
const FLAT: f64 = 0.5;

/// Brackets are closed to this share of their lower end.
const CLOSE: f64 = 0.1;

/// Where more in flight is too much.
#[derive(Debug, Clone, PartialEq)]
pub struct Knee {
    /// Requests in flight up to which it keeps up; zero if one is too much already.
    pub at: u64,
    /// The highest load measured that is good, if one is.
    pub good: Option<u64>,
    /// The lowest load above it that was measured to be too much.
    pub bad: u64,
    /// By what.
    pub sign: Sign,
    /// The highest goodput of all loads, per second.
    pub most: f64,
    /// Whether goodput still grows at the highest load that was measured.
    pub still_grows: bool,
}

impl Knee {
    /// Whether the loads that are known to be good and to be too much are so close to each other that it may be told as one.
    pub fn is_close(&self) -> bool {
        are_close(self.good.unwrap_or(0), self.bad)
    }
}

/// Whether a bracket is closed.
fn are_close(good: u64, bad: u64) -> bool {
    bad.saturating_sub(good) as f64 <= (CLOSE * good as f64).max(1.0)
}

/// By what a load is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// More requests fail than the harness file allows.
    Errors,
    /// The run failed.
    Broke,
    /// Goodput stays behind what it promised.
    Goodput,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The knee.
    Found(Knee),
    /// No knee up to this load, the highest.
    NoneUpTo(u64),
    /// Neither could be shown.
    Unclear(Doubt),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing was measured to its end.
    Nothing,
    /// The highest load that was measured is below the highest that was asked for.
    Unfinished(u64),
    /// Goodput at the highest load varies too much to be told from a plateau's.
    Varies(u64),
    /// Too few requests ended at one in flight, or none could be counted.
    NoGoodput(u64),
}

/// From which load on it leaks.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaksFrom {
    /// The lowest load that leaks.
    pub load: u64,
    /// The highest load below it that doesn't, with whether that is proven clean; missing if the lowest of all leaks.
    pub below: Option<(u64, bool)>,
}

/// Whether goodput keeps pace with what the loads below promise, and whether that is beyond doubt.
#[derive(Debug, Clone, Copy)]
struct Pace {
    keeps: bool,
    sure: bool,
}

/// Steps by load, each with how it keeps pace where that could be measured; and goodput of one request in flight.
struct Curve<'a> {
    steps: Vec<(&'a Step, Option<Pace>)>,
    each: Option<f64>,
}

impl<'a> Curve<'a> {
    fn of(steps: &'a [impl AsRef<Step>]) -> Curve<'a> {
        let mut sorted: Vec<&Step> = steps.iter().map(AsRef::as_ref).collect();
        sorted.sort_by_key(|step| step.load);
        // Of the loads that keep pace: goodput for each request in flight, and how wide the closest bounds are for their size.
        let mut each: Vec<f64> = Vec::new();
        let mut width = f64::INFINITY;
        let mut judged = Vec::new();
        for step in sorted {
            let load = step.load as f64;
            let known = step.goodput.filter(|goodput| !step.is_bad() && goodput.estimate > 0.0);
            let pace = known.map(|goodput| {
                let Some(promised) = median(&each) else { return Pace { keeps: true, sure: true } };
                let due = KEEPS_PACE * promised * load;
                let keeps = goodput.estimate >= due;
                let sure =
                    if keeps { goodput.lower >= due * (1.0 + width) } else { goodput.upper < due * (1.0 - width) };
                Pace { keeps, sure }
            });
            if let Some(goodput) = known.filter(|_| pace.is_some_and(|pace| pace.keeps)) {
                each.push(goodput.estimate / load);
                width = width.min((goodput.upper - goodput.lower) / 2.0 / goodput.estimate);
            }
            judged.push((step, pace));
        }
        Curve { steps: judged, each: median(&each) }
    }

    /// The highest load that is good: one below it that wasn't had a bad moment.
    fn good(&self) -> Option<u64> {
        self.steps.iter().rev().find(|(_, pace)| pace.is_some_and(|pace| pace.keeps)).map(|(step, _)| step.load)
    }

    /// The lowest load above all good ones that is too much beyond doubt, and by what.
    fn bad(&self) -> Option<(u64, Sign)> {
        let good = self.good();
        let mut above = self.steps.iter().filter(|(step, _)| good.is_none_or(|good| step.load > good));
        above.find_map(|(step, pace)| {
            let behind = pace.is_some_and(|pace| !pace.keeps && pace.sure);
            let sign = match (step.errs, step.broke.is_some()) {
                (true, _) => Sign::Errors,
                (_, true) => Sign::Broke,
                _ if behind => Sign::Goodput,
                _ => return None,
            };
            Some((step.load, sign))
        })
    }

    /// Whether the highest load gave no more than a plateau does, beside that below it; errors are an end of their own.
    fn is_flat(&self) -> bool {
        let [.., (below, _), (last, _)] = self.steps.as_slice() else { return false };
        if last.is_bad() {
            return true;
        }
        let (Some(before), Some(after), Some(each)) = (below.goodput, last.goodput, self.each) else { return false };
        let more = (last.load - below.load) as f64;
        after.estimate - before.estimate < FLAT * each * more
    }

    fn most(&self) -> f64 {
        self.steps.iter().filter_map(|(step, _)| step.goodput).map(|goodput| goodput.estimate).fold(0.0, f64::max)
    }
}

/// The load to be measured next, up to `highest`; `None` when all is told that can be.
pub fn next(steps: &[impl AsRef<Step>], highest: u64) -> Option<u64> {
    let curve = Curve::of(steps);
    let Some(top) = curve.steps.last().map(|(step, _)| step.load) else { return Some(1) };
    // Where even one is too much, more tell nothing.
    if curve.steps[0].0.is_bad() {
        return None;
    }
    let bad = curve.bad();
    if top < highest && !(bad.is_some() && curve.is_flat()) {
        return Some((2 * top).min(highest));
    }
    let knee = bad.and_then(|(bad, _)| between(steps, curve.good()?, bad));
    let leak = || leaks_from(steps).and_then(|leak| between(steps, leak.below?.0, leak.load));
    knee.or_else(leak)
}

/// The middle of a bracket that isn't close yet; `None` too if something inside it was measured and said nothing.
fn between(steps: &[impl AsRef<Step>], good: u64, bad: u64) -> Option<u64> {
    let inside = steps.iter().map(AsRef::as_ref).any(|step| good < step.load && step.load < bad);
    (!are_close(good, bad) && !inside).then(|| good + (bad - good) / 2)
}

/// What the loads that were measured say, of all up to `highest`.
pub fn answer(steps: &[impl AsRef<Step>], highest: u64) -> Answer {
    let curve = Curve::of(steps);
    let Some((last, pace)) = curve.steps.last() else { return Answer::Unclear(Doubt::Nothing) };
    if let Some((bad, sign)) = curve.bad() {
        let good = curve.good();
        let most = curve.most();
        let at = match (sign, curve.each) {
            // Where the plateau and the slope meet.
            (Sign::Goodput, Some(each)) => ((most / each).round() as u64).clamp(1, bad),
            _ => good.unwrap_or(0),
        };
        let still_grows = sign == Sign::Goodput && !curve.is_flat();
        return Answer::Found(Knee { at, good, bad, sign, most, still_grows });
    }
    // Where one in flight wasn't measured, the first that was is compared with nothing.
    if curve.steps[0].1.is_none() {
        return Answer::Unclear(Doubt::NoGoodput(curve.steps[0].0.load));
    }
    if last.load < highest {
        return Answer::Unclear(Doubt::Unfinished(last.load));
    }
    let keeps = pace.is_some_and(|pace| pace.keeps && pace.sure);
    if keeps { Answer::NoneUpTo(last.load) } else { Answer::Unclear(Doubt::Varies(last.load)) }
}

/// From which load on it leaks; `None` if no leak was proven.
pub fn leaks_from(steps: &[impl AsRef<Step>]) -> Option<LeaksFrom> {
    let steps = || steps.iter().map(AsRef::as_ref);
    let leaks = |step: &&Step| !step.grows.is_empty();
    let load = steps().filter(leaks).map(|step| step.load).min()?;
    let below = steps().filter(|step| step.load < load).max_by_key(|step| step.load);
    Some(LeaksFrom { load, below: below.map(|step| (step.load, step.outcome == Outcome::Clean)) })
}
