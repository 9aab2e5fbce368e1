//! The models that the levels don't rule out.
//!
//! Model: level = intercept (one a series) + load + mix of the steps + persistent growth + at most two transients + AR(1)
//! error. No selected model is trusted: every one whose information criterion comes near the best has a say.

use super::load::{Confounded, calm_load};
use crate::answer::Transient;
use crate::limits::EVER;
use crate::limits::search::{CONVERGED, CYCLES_HALVINGS, CYCLES_STEPS, NEARLY, PAIRED, STEPS};
use crate::rule::levels::level::{Levels, longest};
use crate::stats::{Counted, Estimate, ModelFit, Panel, Unit, ahead_of_share};
use crate::thresholds::assess::{ALPHA, NEAR};
use crate::thresholds::plausible::{CYCLES, EARNED, UNEXPLAINED, VERY_STRONG};
use crate::thresholds::scale::{FEW, LITTLE, QUARTER};
use std::borrow::Cow;

/// A model that the levels don't rule out; growth per step of the axis.
#[derive(Debug, Clone)]
pub struct Plausible {
    pub transients: Vec<Transient>,
    /// What the straight line adds over the judged part.
    pub line: f64,
    /// Growth that persists once the transients are over.
    pub persistent: Estimate,
    /// Growth at the end of the run: persistent growth and what is left of the transients.
    pub end: Estimate,
    /// The same if the level is known to come back to where it was; `None` if it can't be so known.
    pub end_coming_back: Option<Estimate>,
    /// What each transient tends to add.
    pub amplitudes: Vec<f64>,
    /// What was fitted beside that to their derivatives: the shape, its parameter, and the coefficient.
    moves: Vec<(usize, usize, f64)>,
    /// Distance of the information criterion from the best model's.
    pub distance: f64,
    /// Whether the jumps were taken out before the fit, each paid for like two parameters.
    pub stepped: bool,
    /// The share of errors in what load does beside its shapes, where it is a ramp; `None` elsewhere.
    pub load_errors: Option<f64>,
    /// Coefficients of the covariates: load, mix and wave.
    passing: Vec<f64>,
    pub rho: f64,
    pub sigma: f64,
}

impl Plausible {
    /// What is added between the beginning of the judged part and `u`, a share of it.
    pub fn grown(&self, u: f64) -> f64 {
        self.line * u + self.transients.iter().zip(&self.amplitudes).map(|(t, a)| a * t.at(u)).sum::<f64>()
    }

    /// The fitted curve less its level: the same, its shapes moved to where they fit best.
    pub fn fitted(&self, u: f64) -> f64 {
        let moved = |&(i, p, by): &(usize, usize, f64)| by * self.transients[i].derivative(p, u);
        self.grown(u) + self.moves.iter().map(moved).sum::<f64>()
    }

    /// Whether load, mix or a wave is a part of it.
    pub fn has_covariates(&self) -> bool {
        !self.passing.is_empty()
    }

    /// What transients that have no level to lead to would add over a whole run more at their pace at the end.
    pub fn lingering(&self) -> f64 {
        let all = self.transients.iter().zip(&self.amplitudes);
        all.filter(|(t, _)| !t.has_level()).map(|(t, a)| a * late(|u| t.at(u))).sum()
    }

    /// What the transients are still to add after the run: all of it where they lead to a level, and what another run of the same
    /// length adds where they get slower for ever.
    pub fn to_come(&self) -> f64 {
        let all = self.transients.iter().zip(&self.amplitudes).filter(|(t, _)| t.is_bounded());
        let left = |t: &Transient| t.at(if t.has_level() { EVER } else { 2.0 }) - t.at(1.0);
        all.map(|(t, a)| a * left(t)).sum()
    }

    /// Whether a grid is too coarse for what it says of persistent growth: of a transient so slow that its end has hardly been seen, what
    /// would persist hangs on the constant, and a constant off the grid must not make it look certain.
    fn needs_refinement(&self) -> bool {
        self.transients.iter().any(|t| match *t {
            Transient::Exponential(constant) => constant > QUARTER.get(),
            Transient::Logarithm(_) => true,
            _ => false,
        })
    }
}

/// The models that count, and the levels without the part of the covariates.
#[derive(Debug, Clone, Default)]
pub struct Plausibles {
    /// In order of their criterion, the best first, none farther than [`NEAR`].
    pub models: Vec<Plausible>,
    /// The raw levels less load, mix and wave as the best model has them.
    pub steady: Vec<Levels>,
    /// The same less the jumps, if the best model was fitted without them.
    pub fitted: Vec<Levels>,
    /// Whether growth is told apart from what the uneven mix of steps makes of it.
    pub mixed: bool,
}

/// Fits the dictionary to the levels as they are and, if there are jumps, to the levels without them. Empty if there is
/// too little to fit.
///
/// `averaged` is the number of workers that were averaged into each series; rounding and jumps of one count less then.
pub fn plausible(raw: &[Levels], smooth: &[Levels], jumps: usize, averaged: f64, quantum: f64) -> Plausibles {
    let quantum = quantum / averaged.sqrt();
    let Some(mut as_it_is) = Search::new(raw, quantum) else { return Plausibles::default() };
    let mut models = run(&mut as_it_is);
    if jumps > 0 {
        // A place and a size each (Schwarz 1978 counts both).
        let observations = raw.iter().map(|s| s.x.len()).sum::<usize>().max(2) as f64;
        let paid = 2.0 * jumps as f64 * observations.ln();
        // The size of each was measured between two noisy blocks, and what was taken too much or too little is growth.
        let span = raw.iter().map(Levels::span).sum::<f64>();
        let blur = (2.0 * jumps as f64 / averaged).sqrt() / span;
        let mut without = Search::new(smooth, quantum);
        models.extend(without.iter_mut().flat_map(run).map(|m| {
            let blurred = |e: Estimate| Estimate { se: e.se.hypot(blur * m.sigma), ..e };
            let (persistent, end) = (blurred(m.persistent), blurred(m.end));
            let end_coming_back = m.end_coming_back.map(blurred);
            Plausible { distance: m.distance + paid, stepped: true, persistent, end, end_coming_back, ..m }
        }));
        if models.iter().min_by(|a, b| a.distance.total_cmp(&b.distance)).is_some_and(|m| m.stepped)
            && let Some(without) = without
        {
            as_it_is.passing = without.passing;
            as_it_is.mixed = without.mixed;
        }
    }
    models.retain(|m| m.distance.is_finite());
    let best = models.iter().map(|m| m.distance).fold(f64::INFINITY, f64::min);
    models.iter_mut().for_each(|m| m.distance -= best);
    models.retain(|m| m.distance <= NEAR.get());
    models.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    let less_passing = |levels| models.first().map_or_else(Vec::new, |m| as_it_is.steady(levels, &m.passing));
    let steady = less_passing(raw);
    let fitted = if models.first().is_some_and(|m| m.stepped) { less_passing(smooth) } else { steady.clone() };
    Plausibles { models, steady, fitted, mixed: as_it_is.mixed }
}

/// Fits the dictionary; `distance` is the bare criterion.
fn run(search: &mut Search) -> Vec<Plausible> {
    let dictionary: Vec<Term> = Transient::dictionary().into_iter().map(|t| search.term(t)).collect();
    search.add_mix(&dictionary);
    search.add_wave();
    let mut models: Vec<Plausible> = search.fit(&[]).into_iter().collect();
    let mut singles: Vec<(Term, Plausible)> =
        dictionary.iter().filter_map(|t| Some((*t, search.fit(std::slice::from_ref(t))?))).collect();
    singles.sort_by(|a, b| a.1.distance.total_cmp(&b.1.distance));
    // The best of each kind is refined; the best of all are tried in pairs.
    let mut seeds: Vec<Term> = Vec::new();
    for (term, _) in &singles {
        if !seeds.iter().any(|s| s.shape.is_like(term.shape)) {
            seeds.push(*term);
        }
    }
    let refined: Vec<Plausible> = seeds.iter().filter_map(|s| search.refine(&[s.shape])).collect();
    let mut leaders: Vec<&Plausible> = refined.iter().chain(singles.iter().map(|s| &s.1)).collect();
    leaders.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    // A second transient shows as autocorrelation of what the first one leaves.
    let unexplained = leaders.first().is_some_and(|l| l.rho > UNEXPLAINED.get());
    let leaders: Vec<Transient> = leaders.iter().take(PAIRED).map(|l| l.transients[0]).collect();
    let mut richer = if unexplained { search.pairs(&leaders, &dictionary) } else { Vec::new() };
    // A model with more freedom counts if it earns its place: otherwise it says nothing about growth, at any length.
    let least = |models: &[Plausible]| models.iter().map(|m| m.distance).fold(f64::INFINITY, f64::min);
    let (bounded, late): (Vec<Plausible>, Vec<Plausible>) =
        singles.into_iter().map(|s| s.1).partition(|m| m.transients.iter().all(|t| t.is_bounded()));
    models.extend(bounded);
    let settled = least(&models);
    models.extend(late.into_iter().filter(|m| m.distance < settled));
    let simple = least(&models);
    models.extend(refined.into_iter().filter(|m| m.distance < simple - EARNED.get() || m.needs_refinement()));
    let single = least(&models);
    richer.retain(|m| m.distance < single - VERY_STRONG.get());
    models.append(&mut richer);
    models
}

/// A transient whose column is in the panel.
#[derive(Debug, Clone, Copy)]
struct Term {
    shape: Transient,
    column: usize,
}

struct Search {
    panel: Panel,
    /// Position of each observation as a share of the longest series.
    ages: Vec<Vec<f64>>,
    /// Columns that are in every model: growth first, then load if it varies, the mix if it matters, a wave if there is one.
    fixed: Vec<usize>,
    /// Whether load is the first of them after growth, and the variance of the errors with which it is known.
    loaded: bool,
    load_error: f64,
    /// Whether load rises or falls along with the requests.
    ramp: bool,
    /// Load, mix and wave unit by unit, in the order of the fixed columns.
    passing: Vec<Vec<Vec<f64>>>,
    /// How far each step is ahead of its share of all requests, and whether that is among the fixed columns.
    mix: Vec<Vec<Vec<f64>>>,
    mixed: bool,
    span: f64,
}

impl Search {
    fn new(series: &[Levels], quantum: f64) -> Option<Self> {
        let span = longest(series);
        if span <= 0.0 {
            return None;
        }
        let loaded = series.iter().all(|s| s.load.len() == s.x.len()) && series.iter().any(|s| varies(&s.load));
        let age = |s: &Levels| s.x.iter().map(|x| (x - s.x[0]) / span).collect();
        let ages: Vec<Vec<f64>> = series.iter().map(age).collect();
        let mut series = Cow::Borrowed(series);
        let (load_error, ramp) = if loaded { calm_load(series.to_mut(), &ages) } else { (0.0, false) };
        let unit = |(s, u): (&Levels, &Vec<f64>)| Unit {
            y: s.y.clone(),
            columns: [u.clone()].into_iter().chain(loaded.then(|| s.load.clone())).collect(),
        };
        // Units that a panel would leave out must not be among the ages either.
        let usable = |(s, _): &(&Levels, &Vec<f64>)| s.x.len() >= 2;
        let units: Vec<Unit> = series.iter().zip(&ages).filter(usable).map(unit).collect();
        let counted = |s: &Levels| Counted {
            y: s.y.clone(),
            counts: s.by_step.clone(),
            totals: s.served.clone(),
            covariates: Vec::new(),
        };
        let counted: Vec<Counted> = series.iter().zip(&ages).filter(usable).map(|(s, _)| counted(s)).collect();
        let ages = series.iter().zip(&ages).filter(usable).map(|(_, u)| u.clone()).collect();
        let floors = series.iter().all(|s| s.floor);
        let load = loaded.then(|| units.iter().map(|u| u.columns[1].clone()).collect());
        Some(Search {
            panel: if floors { Panel::with_own_errors(&units, quantum) } else { Panel::new(&units, quantum) }?,
            ages,
            fixed: if loaded { vec![0, 1] } else { vec![0] },
            loaded,
            load_error,
            ramp,
            passing: load.into_iter().collect(),
            mix: ahead_of_share(&counted),
            mixed: false,
            span,
        })
    }

    /// Adds to every model how far each step of the workload is ahead of its share of all requests, if that earns its place:
    /// where one step leaks and the mix varies, growth is uneven, and known the better for saying why. Persistent growth
    /// stays growth per request at the mix of the whole run.
    fn add_mix(&mut self, dictionary: &[Term]) {
        if self.mix.is_empty() {
            return;
        }
        let alone = self.fixed.clone();
        let without = self.least(dictionary);
        let mix = std::mem::take(&mut self.mix);
        let Some(columns) = mix.iter().map(|c| self.panel.push(c)).collect::<Option<Vec<usize>>>() else { return };
        self.fixed.extend(columns);
        self.mixed = self.least(dictionary) < without - VERY_STRONG.get();
        if self.mixed {
            self.passing.extend(mix);
        } else {
            self.fixed = alone;
        }
    }

    /// The least criterion of a straight line and of one with one of these beside it.
    fn least(&mut self, dictionary: &[Term]) -> f64 {
        let line = self.fit(&[]).into_iter();
        let bent: Vec<Plausible> = dictionary.iter().filter_map(|t| self.fit(std::slice::from_ref(t))).collect();
        line.chain(bent).map(|m| m.distance).fold(f64::INFINITY, f64::min)
    }

    /// Adds one harmonic to every model if it has at least three cycles and earns its place: a wave of the load, by the
    /// hour or by the day.
    fn add_wave(&mut self) {
        let alone: Vec<usize> = self.fixed.clone();
        let Some(without) = self.panel.fit(&alone) else { return };
        if without.rho < UNEXPLAINED.get() {
            return;
        }
        let fewest = FEW.get() as f64;
        let mut step = (CYCLES.get() - fewest) / CYCLES_STEPS as f64;
        let coarse = (0..=CYCLES_STEPS).map(|k| fewest + step * k as f64);
        let fits: Vec<(f64, f64)> = coarse.map(|cycles| (self.with_wave(&alone, cycles), cycles)).collect();
        let Some(mut best) = fits.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)) else { return };
        if best.0 >= without.bic(alone.len()) - VERY_STRONG.get() {
            return;
        }
        // A tenth of a cycle too many leaves a tenth of a high wave at either end.
        for _ in 0..CYCLES_HALVINGS {
            step /= 2.0;
            for cycles in [best.1 - step, best.1 + step] {
                let near = self.with_wave(&alone, cycles);
                if near < best.0 {
                    best = (near, cycles);
                }
            }
        }
        let turn = std::f64::consts::TAU * best.1;
        for part in [f64::sin, f64::cos] {
            self.passing.push(self.ages.iter().map(|u| u.iter().map(|u| part(turn * u)).collect()).collect());
        }
        let pair = self.wave(best.1);
        self.fixed.extend(pair);
    }

    /// The levels less load and wave by these coefficients.
    fn steady(&self, series: &[Levels], coefficients: &[f64]) -> Vec<Levels> {
        let mut steady: Vec<Levels> = series.iter().filter(|s| s.x.len() >= 2).cloned().collect();
        for (column, coefficient) in self.passing.iter().zip(coefficients) {
            for (levels, values) in steady.iter_mut().zip(column) {
                levels.y.iter_mut().zip(values).for_each(|(y, v)| *y -= coefficient * v);
            }
        }
        steady
    }

    /// The criterion with a harmonic of this many cycles.
    fn with_wave(&mut self, alone: &[usize], cycles: f64) -> f64 {
        let before = self.panel.columns();
        let columns: Vec<usize> = alone.iter().copied().chain(self.wave(cycles)).collect();
        let criterion = self.panel.fit(&columns).map_or(f64::INFINITY, |f| f.bic(columns.len() + 1));
        self.panel.truncate(before);
        criterion
    }

    /// The columns of a harmonic.
    fn wave(&mut self, cycles: f64) -> [usize; 2] {
        let turn = std::f64::consts::TAU * cycles;
        [self.push(|u| (turn * u).sin()), self.push(|u| (turn * u).cos())]
    }

    fn push(&mut self, value: impl Fn(f64) -> f64) -> usize {
        let column: Vec<Vec<f64>> = self.ages.iter().map(|u| u.iter().map(|u| value(*u)).collect()).collect();
        self.panel.push(&column).expect("a column made from the ages matches the observations")
    }

    fn term(&mut self, shape: Transient) -> Term {
        Term { shape, column: self.push(|u| shape.at(u)) }
    }

    /// Fits the terms as they are; `None` if that can't be done or memory would shrink: warm-ups only add.
    fn fit(&mut self, terms: &[Term]) -> Option<Plausible> {
        let columns: Vec<usize> = self.fixed.iter().copied().chain(terms.iter().map(|t| t.column)).collect();
        let fit = self.panel.fit(&columns)?;
        let shapes: Vec<Transient> = terms.iter().map(|t| t.shape).collect();
        let hidden: usize = shapes.iter().map(|t| t.parameters()).sum();
        self.model(&fit, &shapes, &[], columns.len() + hidden)
    }

    /// Models of two transients, one of which leads: all on the grid, and the best of them refined.
    fn pairs(&mut self, leaders: &[Transient], dictionary: &[Term]) -> Vec<Plausible> {
        let mut pairs = Vec::new();
        for &leader in leaders {
            let before = self.panel.columns();
            let leader = self.term(leader);
            let others = dictionary.iter().filter(|other| leader.shape.goes_with(other.shape));
            pairs.extend(others.filter_map(|other| self.fit(&[leader, *other])));
            self.panel.truncate(before);
        }
        pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        pairs.dedup_by(|a, b| a.transients.iter().all(|t| b.transients.contains(t)));
        let starts: Vec<Vec<Transient>> = pairs.iter().take(PAIRED).map(|p| p.transients.clone()).collect();
        pairs.extend(starts.iter().filter_map(|s| self.refine(s)));
        pairs
    }

    /// Lets the parameters of the shapes vary too, by Gauss-Newton steps; the result carries their uncertainty.
    fn refine(&mut self, start: &[Transient]) -> Option<Plausible> {
        let mut shapes = start.to_vec();
        let mut best: Option<Plausible> = None;
        let before = self.panel.columns();
        for _ in 0..STEPS {
            self.panel.truncate(before);
            let slots: Vec<(usize, usize)> =
                shapes.iter().enumerate().flat_map(|(i, s)| (0..s.parameters()).map(move |p| (i, p))).collect();
            let terms: Vec<usize> = shapes.iter().map(|s| self.push(|u| s.at(u))).collect();
            let slopes: Vec<usize> = slots.iter().map(|&(i, p)| self.push(|u| shapes[i].derivative(p, u))).collect();
            let columns: Vec<usize> = self.fixed.iter().copied().chain(terms).chain(slopes).collect();
            let Some(fit) = self.panel.fit(&columns) else { break };
            let Some(model) = self.model(&fit, &shapes, &slots, columns.len()) else { break };
            let mut farthest = 0.0f64;
            for &(i, p, by) in &model.moves {
                let most = shapes[i].reach(p);
                let step = (by / model.amplitudes[i]).clamp(-most, most);
                shapes[i] = shapes[i].moved(p, step);
                farthest = farthest.max(step.abs());
            }
            // Far from the optimum the derivatives would stand for growth of their own.
            if farthest < NEARLY && best.as_ref().is_none_or(|b| model.distance < b.distance) {
                best = Some(model);
            }
            if farthest < CONVERGED {
                break;
            }
        }
        self.panel.truncate(before);
        best
    }

    /// How far load is told apart from growth and these shapes, if it is known with errors.
    fn confounded(&self, shapes: &[Transient]) -> Option<Confounded> {
        if !self.loaded || self.load_error <= 0.0 {
            return None;
        }
        let others = |age: &Vec<f64>| {
            let shape = |s: &Transient| age.iter().map(|u| s.at(*u)).collect();
            [age.clone()].into_iter().chain(shapes.iter().map(shape)).collect()
        };
        let others: Vec<Vec<Vec<f64>>> = self.ages.iter().map(others).collect();
        let loads: Vec<&[f64]> = self.passing[0].iter().map(|load| &load[..]).collect();
        Confounded::new(&loads, &others, self.load_error)
    }

    /// The growth that a fit tells of. Its columns are the fixed ones, the shapes, and their derivatives by the
    /// parameters in `slots`.
    fn model(
        &self,
        fit: &ModelFit,
        shapes: &[Transient],
        slots: &[(usize, usize)],
        parameters: usize,
    ) -> Option<Plausible> {
        let amplitudes: Vec<f64> = (0..shapes.len()).map(|i| fit.coefficient(self.fixed.len() + i).value).collect();
        if amplitudes.iter().any(|a| *a <= 0.0) {
            return None;
        }
        let mut direction = vec![0.0; self.fixed.len() + shapes.len() + slots.len()];
        direction[0] = 1.0 / self.span;
        for (i, _) in shapes.iter().enumerate().filter(|(_, s)| !s.is_bounded()) {
            direction[self.fixed.len() + i] = 1.0 / self.span;
        }
        let persistent = fit.combination(&direction);
        // Warm-ups only add memory, and what they added isn't taken back bit by bit.
        if !shapes.is_empty() && persistent.upper(ALPHA.get()) < 0.0 {
            return None;
        }
        let late_growth = |shape: &Transient| late(|u| shape.at(u)) / self.span;
        for (i, shape) in shapes.iter().enumerate() {
            direction[self.fixed.len() + i] = late_growth(shape);
        }
        for (k, &(i, p)) in slots.iter().enumerate() {
            direction[self.fixed.len() + shapes.len() + k] = late(|u| shapes[i].derivative(p, u)) / self.span;
        }
        let first = self.fixed.len() + shapes.len();
        let moves = slots.iter().enumerate().map(|(k, &(i, p))| (i, p, fit.coefficient(first + k).value)).collect();
        let passing: Vec<f64> = (1..self.fixed.len()).map(|i| fit.coefficient(i).value).collect();
        let confounded = self.confounded(shapes);
        let put_right = |e: Estimate, at_end: bool| {
            let along = |s: &Transient| if at_end { late_growth(s) } else { f64::from(!s.is_bounded()) / self.span };
            let direction: Vec<f64> = [1.0 / self.span].into_iter().chain(shapes.iter().map(along)).collect();
            let mistaken = confounded.as_ref().map_or(0.0, |c| c.mistaken(passing[0], &direction));
            Estimate { value: e.value - mistaken / 2.0, se: e.se.hypot(mistaken), ..e }
        };
        Some(Plausible {
            transients: shapes.to_vec(),
            line: fit.coefficient(0).value,
            persistent: put_right(persistent, false),
            end: put_right(fit.combination(&direction), true),
            end_coming_back: fit.combination_coming_back(&direction).map(|e| put_right(e, true)),
            amplitudes,
            moves,
            distance: fit.bic(parameters),
            stepped: false,
            load_errors: confounded.filter(|_| self.ramp).map(|c| c.errors),
            passing,
            rho: fit.rho,
            sigma: fit.sigma,
        })
    }
}

/// The pace of a shape at the end of the judged part.
fn late(shape: impl Fn(f64) -> f64) -> f64 {
    (shape(1.0) - shape(1.0 - LITTLE.get())) / LITTLE.get()
}

fn varies(v: &[f64]) -> bool {
    v.windows(2).any(|w| w[0] != w[1])
}
