//! Which step of the workload leaks: growth regressed on how often each step was served.
//!
//! No selected model is trusted here either: every plausible warm-up has a say, over all requests and over those of each
//! step alone, so that a cache that fills under uploads isn't blamed on uploads. The worst bounds over them are told.
//!
//! Growth of a step is not forced to be positive: one step may free what another keeps, and clipped estimates would add
//! up to more than there is.

use super::assess::{Demands, Terms};
use super::finding::{Whole, least_jump};
use super::step_down::Candidate;
use crate::answer::{BySteps, Finding, Interval, LeakClass, Outcome, StepGrowth, Transient};
use crate::limits::WORKERS;
use crate::limits::search::{KINDS, STEPS};
use crate::model::{Axis, Resource, Series};
use crate::readings::mix::{Mix, names_of};
use crate::rule::levels::level::Levels;
use crate::rule::levels::pool::Pool;
use crate::rule::models::plausible::Plausible;
use crate::stats::{Attribution, Counted, Estimate, joined, moving_together, summed};
use crate::thresholds::assess::ALPHA;
use crate::thresholds::plausible::VERY_STRONG;

/// Tells in a finding which step leaks, if the workload has several and growth is that of workers under their requests.
/// Of other resources than memory this is told of a leak only.
pub fn tell(mix: Option<&Mix>, judged: &Candidate, finding: &mut Finding, page: f64) {
    let wanted = matches!(judged.axis, Axis::WorkerRequests | Axis::SharedRequests)
        && (judged.resource == Resource::Memory || finding.outcome == Outcome::Leak);
    let Some(mix) = mix.filter(|_| wanted) else { return };
    let quantum = judged.resource.quantum(page);
    finding.steps = by_steps(mix, judged, quantum, finding.growth);
    let alone = finding.steps.as_ref().is_some_and(|steps| steps.alone.is_some());
    if alone && finding.class == LeakClass::Leak {
        finding.class = LeakClass::LeakInOneStep;
    }
}

/// Growth by the steps of `mix`, which agrees with that by all requests together; `None` if there is too little to fit.
pub fn by_steps(mix: &Mix, judged: &Candidate, quantum: f64, whole: Option<Interval>) -> Option<BySteps> {
    let Candidate { resource, series, budget, .. } = judged;
    let budget = *budget;
    let terms = Terms { budget, quantum, tests: 1, demands: Demands::at_the_end() };
    let Whole { pool, assessment, .. } = Whole::new(series, terms, least_jump(*resource, quantum));
    let models = assessment?.models;
    let subject = StepPool::new(mix.is_exact(), &pool)?;
    let fits = subject.fits(&models, quantum);
    let best = fits.first()?;
    let count = subject.groups.len();
    let bounds = |group: &[usize]| {
        let of_all = || fits.iter().map(|f| f.growth(group));
        // As for all requests together: workers forked from one parent cross the boundary of a page at about the same time.
        let rounding = quantum / group.iter().map(|k| subject.spans[*k]).sum::<f64>();
        Interval {
            estimate: best.growth(group).value,
            lower: of_all().map(|e| e.lower(ALPHA.get() / count as f64)).fold(f64::INFINITY, f64::min) - rounding,
            upper: of_all().map(|e| e.upper(ALPHA.get() / count as f64)).fold(f64::NEG_INFINITY, f64::max) + rounding,
            confidence: 1.0 - 2.0 * ALPHA.get(),
        }
    };
    let shares = best.attribution.shares();
    let share = |group: &[usize]| group.iter().map(|k| shares[*k]).sum::<f64>();
    let everything: Vec<usize> = (0..count).collect();
    let mut rows: Vec<(Vec<usize>, Interval)> = (0..count).map(|k| (vec![k], bounds(&[k]))).collect();
    // What can't be told apart is told together: with the one beside which it is known best.
    while rows.len() > 1 {
        // A step is told apart if it grows, or grows less than one that does.
        let less = rows.iter().map(|r| r.1.lower).fold(budget, f64::max);
        let untold = |row: &(Vec<usize>, Interval)| row.1.lower <= 0.0 && row.1.upper > less;
        let width = |i: &Interval| i.upper - i.lower;
        let open = (0..rows.len()).filter(|r| untold(&rows[*r]));
        let Some(widest) = open.max_by(|a, b| width(&rows[*a].1).total_cmp(&width(&rows[*b].1))) else { break };
        let (group, _) = rows.swap_remove(widest);
        let joined = |other: &(Vec<usize>, Interval)| [&group[..], &other.0[..]].concat();
        let uncertainty = |other: &(Vec<usize>, Interval)| width(&bounds(&joined(other))) * share(&joined(other));
        let Some(partner) = (0..rows.len()).min_by(|a, b| uncertainty(&rows[*a]).total_cmp(&uncertainty(&rows[*b])))
        else {
            break;
        };
        let (other, _) = rows.swap_remove(partner);
        let mut both = [group, other].concat();
        both.sort_unstable();
        let interval = bounds(&both);
        rows.push((both, interval));
    }
    rows.sort_by_key(|(group, _)| group[0]);
    // That of one worker is another growth than that of the pool, which steps are told of.
    let of_all = bounds(&everything);
    if let Some(whole) = whole.filter(|whole| of_all.lower <= whole.estimate && whole.estimate <= of_all.upper) {
        agree(&mut rows, &share, whole.estimate);
    }
    let within = |row: &usize| {
        let rest: Vec<usize> = everything.iter().copied().filter(|k| !rows[*row].0.contains(k)).collect();
        rows[*row].1.lower > 0.0 && !rest.is_empty() && share(&rest) * bounds(&rest).upper < budget
    };
    let alone = (0..rows.len()).find(within);
    let told = |(group, growth): (Vec<usize>, Interval)| StepGrowth {
        steps: names_of(&mix.names, &subject.groups, &group),
        share: share(&group),
        grows: growth.lower > 0.0 && growth.estimate >= budget,
        growth,
    };
    let rows = rows.into_iter().map(told).collect();
    Some(BySteps { exact: mix.is_exact(), rows, alone })
}

/// The same series as if each request had been of the mix of all: steps that keep differently much bend the levels as the mix varies, which is
/// neither growth nor noise. As they are where steps aren't known, or too little to fit.
pub fn at_one_mix(series: &[Series], pool: &Pool, models: &[Plausible], quantum: f64) -> Vec<Series> {
    let mut level = series.to_vec();
    // The mix is that of the pool, so that it need not be known whose request was of which step.
    let Some(subject) = StepPool::new(false, pool).filter(|subject| subject.groups.len() > 1) else { return level };
    let fits = subject.fits(models, quantum);
    let Some(best) = fits.first() else { return level };
    let shares = best.attribution.shares();
    let keeps: Vec<f64> = (0..shares.len()).map(|group| best.attribution.growth(&[group], &[]).value).collect();
    let usual: f64 = shares.iter().zip(&keeps).map(|(share, keeps)| share * keeps).sum();
    for one in level.iter_mut().filter(|one| !one.by_step.is_empty()) {
        let counts = joined(&subject.groups, &one.by_step);
        for at in 0..one.y.len() {
            one.y[at] -= counts.iter().zip(&keeps).map(|(count, keeps)| count[at] * (keeps - usual)).sum::<f64>();
        }
    }
    level
}

/// Moves the estimates so that, weighted by their shares, they are the growth by all requests, which is known best: each by as much as it is
/// uncertain, as restricted least squares do (Theil 1971, 6.8). No interval becomes narrower.
fn agree(rows: &mut [(Vec<usize>, Interval)], share: &dyn Fn(&[usize]) -> f64, whole: f64) {
    let weighed: Vec<(f64, f64)> =
        rows.iter().map(|(group, growth)| (share(group), (growth.upper - growth.lower).powi(2))).collect();
    let sum: f64 = rows.iter().zip(&weighed).map(|((_, growth), (share, _))| share * growth.estimate).sum();
    let uncertainty: f64 = weighed.iter().map(|(share, variance)| share * share * variance).sum();
    let missing = (whole - sum) / uncertainty;
    for ((_, growth), (share, variance)) in rows.iter_mut().zip(weighed).filter(|_| missing.is_finite()) {
        growth.estimate += missing * share * variance;
        growth.lower = growth.lower.min(growth.estimate);
        growth.upper = growth.upper.max(growth.estimate);
    }
}

/// The levels of the pool's workers with their counts by step.
struct StepPool {
    /// Steps whose counts rise side by side are one from the beginning.
    groups: Vec<Vec<usize>>,
    /// The same workers twice: levels as they are, and less their jumps.
    raw: Vec<StepMember>,
    smooth: Vec<StepMember>,
    /// The longest of the judged parts, in requests and in requests of each group.
    span: f64,
    spans: Vec<f64>,
}

struct StepMember {
    levels: Levels,
    /// Requests, and requests by group, since the beginning of the judged part.
    x: Vec<f64>,
    counts: Vec<Vec<f64>>,
}

impl StepPool {
    /// `exact` tells whether each worker's requests were counted by step.
    fn new(exact: bool, pool: &Pool) -> Option<Self> {
        if let (false, [raw], [smooth], true) = (exact, &pool.raw[..], &pool.smooth[..], pool.members.len() > 1) {
            // Whose request was of which step isn't known, but how many the pool had is: its mean has no error of that.
            return StepPool::of(vec![StepMember::new(raw)], vec![StepMember::new(smooth)]);
        }
        let total = pool.members.len();
        // As many as wanted, spread evenly over all.
        let chosen = (0..total).filter(|place| total <= WORKERS || place * WORKERS % total < WORKERS);
        let (mut raw, mut smooth) = (Vec::new(), Vec::new());
        for member in chosen.map(|place| &pool.members[place]) {
            raw.push(StepMember::new(&member.levels));
            smooth.push(StepMember::new(&member.smooth));
        }
        StepPool::of(raw, smooth)
    }

    fn of(mut raw: Vec<StepMember>, mut smooth: Vec<StepMember>) -> Option<Self> {
        let counted: Vec<Counted> = raw.iter().map(|m| m.counted(Vec::new())).collect();
        let groups = moving_together(&counted);
        for member in raw.iter_mut().chain(&mut smooth) {
            member.counts = joined(&groups, &member.counts);
            member.levels.served = summed(&groups, &member.levels.served);
        }
        let longest = |of: &dyn Fn(&StepMember) -> Option<f64>| raw.iter().filter_map(of).fold(0.0, f64::max);
        let span = longest(&|m| m.x.last().copied());
        let spans = (0..groups.len()).map(|g| longest(&|m| m.counts[g].last().copied())).collect();
        (!groups.is_empty()).then_some(StepPool { groups, raw, smooth, span, spans })
    }

    /// Fits every plausible kind of warm-up by every clock; those that the levels don't rule out, the best first.
    fn fits(&self, models: &[Plausible], quantum: f64) -> Vec<Fit> {
        let mut kinds: Vec<(&[Transient], bool)> = Vec::new();
        for model in models {
            // Of a kind the best is enough: its parameters are fitted anew.
            let kind = (&model.transients[..], model.stepped);
            if kinds.len() < KINDS && !kinds.iter().any(|known| are_alike(*known, kind)) {
                kinds.push(kind);
            }
        }
        for stepped in [false, true] {
            let of: Vec<_> = kinds.iter().filter(|kind| kind.1 == stepped).collect();
            // What looked like a shape may be the steps' doing.
            if !of.is_empty() && of.iter().all(|kind| !kind.0.is_empty()) {
                kinds.push((&[], stepped));
            }
        }
        let mut fits: Vec<Fit> = Vec::new();
        for kind in kinds {
            let clocks: Vec<Option<usize>> = match kind.0 {
                [] => vec![None],
                _ => [None].into_iter().chain((0..self.groups.len()).map(Some)).collect(),
            };
            fits.extend(clocks.into_iter().filter_map(|clock| self.refined(kind, clock, quantum)));
        }
        // Levels with and without their jumps are different data: each has its own best.
        for stepped in [false, true] {
            let of = |f: &&Fit| f.stepped == stepped;
            let best = fits.iter().filter(of).map(|f| f.criterion).fold(f64::INFINITY, f64::min);
            fits.iter_mut().filter(|f| f.stepped == stepped).for_each(|f| f.criterion -= best);
        }
        fits.retain(|f| f.criterion <= VERY_STRONG.get());
        fits.sort_by(|a, b| a.criterion.total_cmp(&b.criterion));
        fits
    }

    /// Moves the shapes' parameters to where they fit best by this clock, by Gauss-Newton steps. The last fit carries their
    /// derivatives, and with them their uncertainty.
    fn refined(&self, (start, stepped): (&[Transient], bool), clock: Option<usize>, quantum: f64) -> Option<Fit> {
        let mut shapes = start.to_vec();
        for _ in 1..STEPS {
            let (attribution, slots) = self.attributed(&shapes, stepped, clock, quantum)?;
            for (k, &(i, p)) in slots.iter().enumerate() {
                let (amplitude, most) = (attribution.covariate(i).value, shapes[i].reach(p));
                let step = attribution.covariate(shapes.len() + k).value / amplitude;
                shapes[i] = shapes[i].moved(p, if step.is_nan() { 0.0 } else { step.clamp(-most, most) });
            }
        }
        let (attribution, _) = self.attributed(&shapes, stepped, clock, quantum)?;
        // Warm-ups only add memory.
        if (0..shapes.len()).any(|i| attribution.covariate(i).value <= 0.0) {
            return None;
        }
        let span = clock.map_or(self.span, |g| self.spans[g]);
        let lasting = shapes.iter().map(|t| if t.is_bounded() { 0.0 } else { 1.0 / span }).collect();
        let criterion = attribution.criterion();
        criterion.is_finite().then_some(Fit { attribution, criterion, stepped, clock, lasting })
    }

    /// One fit with these shapes and their derivatives by the parameters, which are returned as shape and parameter.
    fn attributed(
        &self,
        shapes: &[Transient],
        stepped: bool,
        clock: Option<usize>,
        quantum: f64,
    ) -> Option<(Attribution, Vec<(usize, usize)>)> {
        let span = clock.map_or(self.span, |g| self.spans[g]);
        let slots: Vec<(usize, usize)> =
            shapes.iter().enumerate().flat_map(|(i, t)| (0..t.parameters()).map(move |p| (i, p))).collect();
        let counted = |m: &StepMember| {
            let at = clock.map_or(&m.x, |g| &m.counts[g]);
            let column = |f: &dyn Fn(f64) -> f64| at.iter().map(|n| f(n / span)).collect::<Vec<f64>>();
            let levels = shapes.iter().map(|t| column(&|u| t.at(u)));
            let slopes = slots.iter().map(|&(i, p)| column(&|u| shapes[i].derivative(p, u)));
            m.counted(levels.chain(slopes).collect())
        };
        let members = if stepped { &self.smooth } else { &self.raw };
        let counted: Vec<Counted> = members.iter().map(counted).collect();
        Some((Attribution::fit(&counted, quantum)?, slots))
    }
}

/// Whether two kinds, each with or without its jumps, differ in the parameters of their shapes only.
fn are_alike(a: (&[Transient], bool), b: (&[Transient], bool)) -> bool {
    a.1 == b.1 && a.0.len() == b.0.len() && a.0.iter().zip(b.0).all(|(x, y)| x.is_like(*y))
}

impl StepMember {
    fn new(levels: &Levels) -> Self {
        let since = |v: &Vec<f64>| v.iter().map(|x| x - v.first().copied().unwrap_or(0.0)).collect();
        StepMember { x: since(&levels.x), counts: levels.by_step.iter().map(since).collect(), levels: levels.clone() }
    }

    /// Its levels with these shapes, and load if it varied.
    fn counted(&self, shapes: Vec<Vec<f64>>) -> Counted {
        let load = Some(&self.levels.load).filter(|l| l.len() == self.levels.x.len()).cloned();
        let covariates = shapes.into_iter().chain(load).collect();
        let totals = self.levels.served.clone();
        Counted { y: self.levels.y.clone(), counts: self.counts.clone(), totals, covariates }
    }
}

/// One model with its growth by step.
struct Fit {
    attribution: Attribution,
    criterion: f64,
    stepped: bool,
    clock: Option<usize>,
    /// What one unit of each shape adds per request of its clock for good: growth that sets in late.
    lasting: Vec<f64>,
}

impl Fit {
    /// Persistent growth per request of these groups.
    fn growth(&self, groups: &[usize]) -> Estimate {
        let shares = self.attribution.shares();
        // What lasts beyond its onset is the growth of those by whose requests it goes.
        let part = match self.clock {
            None => 1.0,
            Some(g) if groups.contains(&g) => shares[g] / groups.iter().map(|k| shares[*k]).sum::<f64>(),
            Some(_) => 0.0,
        };
        let weights: Vec<f64> = self.lasting.iter().map(|l| l * part).collect();
        self.attribution.growth(groups, &weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Series, WorkerId};
    use crate::rule::find;
    use crate::rule::models::plausible::plausible;

    #[test]
    fn growth_by_step_weighted_by_shares_is_the_growth_by_all_requests() {
        let growth = |estimate, within| Interval {
            estimate,
            lower: estimate - within,
            upper: estimate + within,
            confidence: 0.98,
        };
        let mut rows = vec![(vec![0], growth(100.0, 1.0)), (vec![1], growth(10.0, 20.0)), (vec![2], growth(0.0, 0.0))];
        let shares = [0.5, 0.3, 0.2];
        agree(&mut rows, &|group| shares[group[0]], 56.0);
        let sum: f64 = rows.iter().zip(shares).map(|((_, growth), share)| share * growth.estimate).sum();
        assert!((sum - 56.0).abs() < 1e-9, "{sum}");
        // Nearly all of it is moved where it is uncertain.
        assert!((rows[0].1.estimate - 100.0).abs() < 0.05 && (rows[1].1.estimate - 20.0).abs() < 0.2, "{rows:?}");
        assert_eq!(rows[2].1.estimate, 0.0);
        assert!(rows.iter().all(|(_, growth)| growth.lower <= growth.estimate && growth.estimate <= growth.upper));
        // Without any uncertainty nothing is moved.
        let mut known = vec![(vec![0], growth(1.0, 0.0))];
        agree(&mut known, &|_| 1.0, 2.0);
        assert_eq!(known[0].1.estimate, 1.0);
    }

    /// Readings of a short run at uneven times, of workers that keep 4112 B of each upload; uploads come
    /// more and less often.
    fn short_run(seed: u32) -> Vec<Series> {
        let chance = |i: u32| f64::from((i + 977 * seed).wrapping_mul(2_654_435_761) >> 16) / 65536.0;
        let worker = |pid: u32| {
            let t: Vec<f64> = (0..40).map(|i| f64::from(i) * 0.1 + 0.04 * chance(i + 100 * pid)).collect();
            let uploads: Vec<f64> = t.iter().map(|t| (180.0 * t + 9.0 * (1.7 * t).sin()).floor()).collect();
            let others: Vec<f64> = t.iter().map(|t| (50.0 * t - 9.0 * (1.7 * t).sin()).floor()).collect();
            let x = uploads.iter().zip(&others).map(|(a, b)| a + b).collect();
            let y = uploads.iter().map(|n| ((2e6 + 4112.0 * n) / 4096.0).round() * 4096.0).collect();
            Series { worker: Some(WorkerId::new(pid, 1)), t, x, y, by_step: vec![uploads, others], ..Series::default() }
        };
        (1..5).map(worker).collect()
    }

    #[test]
    fn growth_in_a_short_run_is_what_its_requests_left() {
        for seed in 0..8 {
            let series = short_run(seed);
            let grown: f64 = series.iter().map(|one| one.y[39] - one.y[0]).sum();
            let served: f64 = series.iter().map(|one| one.x[39] - one.x[0]).sum();
            let growth = find(Resource::Memory, Axis::WorkerRequests, &series, 64.0, 4096.0).growth.unwrap();
            let truth = grown / served;
            assert!(growth.lower <= truth && truth <= growth.upper, "{seed}: {truth} {growth:?}");
            assert!((growth.estimate / truth - 1.0).abs() < 0.006, "{seed}: {truth} {growth:?}");
        }
    }

    #[test]
    fn a_shape_that_the_steps_explain_leaves_the_line() {
        let levels = |grown: fn(f64) -> f64| {
            let x: Vec<f64> = (0..60).map(|i| 20.0 * f64::from(i)).collect();
            let y = x.iter().map(|x| 1e6 + grown(*x)).collect();
            let mixed = |sign: f64| x.iter().map(|x| 0.5 * x + sign * 30.0 * (0.02 * x).sin()).collect();
            let by_step = vec![mixed(1.0), mixed(-1.0)];
            Levels { x, y, by_step, ..Levels::default() }
        };
        // The whole seemed to warm up; by its steps it speeds up, as no warm-up does.
        let warming = plausible(&[levels(|x| 3e6 * (1.0 - (-x / 150.0).exp()))], &[], 0, 1.0, 4096.0).models;
        assert!(!warming.is_empty() && warming.iter().all(|m| !m.transients.is_empty()));
        let subject = StepPool::of(vec![StepMember::new(&levels(|x| 2000.0 * x + 0.5 * x * x))], Vec::new()).unwrap();
        let fits = subject.fits(&warming, 4096.0);
        assert!(fits.iter().any(|fit| fit.lasting.is_empty()), "{} fits", fits.len());
        assert!((fits[0].growth(&[0, 1]).value - 2600.0).abs() < 300.0, "{:?}", fits[0].growth(&[0, 1]));
    }
}
