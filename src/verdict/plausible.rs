//! The dictionary of transients and the models of it that the levels don't rule out.
//!
//! Model: level = intercept (one a series) + load + persistent growth + at most two bounded transients + AR(1) error.
//! No selected model is trusted: every one whose information criterion comes near the best has a say.

use super::level::Levels;
use crate::stats::{Estimate, Panel, Unit};

/// A shape that growth can take before it ends, over the judged part as 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Transient {
    /// `1 - exp(-u/T)`: a warm-up.
    Exponential(f64),
    /// `log(1 + u/T)`: a cache whose misses get rarer.
    Logarithm(f64),
    /// `min(u, T)`: a cache that fills and is then full.
    Hinge(f64),
    /// `1 - exp(-(u-D)/T)` from `D` on: a cache that is opened later.
    Delayed(f64, f64),
}

impl Transient {
    fn at(self, u: f64) -> f64 {
        match self {
            Transient::Exponential(t) => 1.0 - (-u / t).exp(),
            Transient::Logarithm(t) => (1.0 + u / t).ln() / (1.0 + 1.0 / t).ln(),
            Transient::Hinge(t) => u.min(t) / t,
            Transient::Delayed(d, t) => 1.0 - (-(u - d).max(0.0) / t).exp(),
        }
    }

    /// Free parameters beside the amplitude.
    fn parameters(self) -> usize {
        match self {
            Transient::Exponential(_) | Transient::Logarithm(_) | Transient::Hinge(_) => 1,
            Transient::Delayed(..) => 2,
        }
    }

    fn dictionary() -> Vec<Transient> {
        let exponential = [0.02, 0.04, 0.07, 0.11, 0.17, 0.25, 0.37, 0.55].map(Transient::Exponential);
        let logarithm = [0.003, 0.02, 0.1].map(Transient::Logarithm);
        let hinge = (1..=17).map(|k| Transient::Hinge(0.05 * f64::from(k)));
        let delayed = [0.2, 0.35, 0.5, 0.65].map(|d| Transient::Delayed(d, 0.06));
        exponential.into_iter().chain(logarithm).chain(hinge).chain(delayed).collect()
    }
}

/// A model that the levels don't rule out; growth per step of the axis.
#[derive(Debug, Clone)]
pub(super) struct Plausible {
    pub transients: Vec<Transient>,
    /// Growth that persists once the transients are over.
    pub persistent: Estimate,
    /// Growth at the end of the run: persistent growth and what is left of the transients.
    pub end: Estimate,
    /// What each transient tends to add.
    pub amplitudes: Vec<f64>,
    /// Distance of the information criterion from the best model's.
    pub distance: f64,
    pub rho: f64,
    pub sigma: f64,
}

impl Plausible {
    /// What is added between the beginning of the judged part and `u`, as a share of it whose whole length is `span`.
    pub fn grown(&self, u: f64, span: f64) -> f64 {
        self.persistent.value * u * span + self.transient(u)
    }

    /// What the transients add between the beginning of the judged part and `u`.
    pub fn transient(&self, u: f64) -> f64 {
        self.transients.iter().zip(&self.amplitudes).map(|(t, a)| a * t.at(u)).sum()
    }
}

/// How far from the best a model's criterion may be and still count.
pub(super) const FAR: f64 = 10.0;
/// The share of the judged part over which the end's growth is taken.
const END: f64 = 0.1;

/// Fits the dictionary; models in order of their criterion, the best first, none farther than [`FAR`]. Empty if there
/// is too little to fit.
pub(super) fn plausible(series: &[Levels], quantum: f64) -> Vec<Plausible> {
    let span = series.iter().map(Levels::span).fold(0.0, f64::max);
    if span <= 0.0 {
        return Vec::new();
    }
    let dictionary = Transient::dictionary();
    let loaded = series.iter().all(|s| s.load.len() == s.x.len()) && series.iter().any(|s| varies(&s.load));
    let fixed = if loaded { 2 } else { 1 };
    let units: Vec<Unit> = series
        .iter()
        .map(|s| {
            let start = s.x.first().copied().unwrap_or(0.0);
            let u: Vec<f64> = s.x.iter().map(|x| (x - start) / span).collect();
            let shapes = dictionary.iter().map(|t| u.iter().map(|u| t.at(*u)).collect());
            let load = loaded.then(|| s.load.clone());
            let columns = [u.clone()].into_iter().chain(load).chain(shapes).collect();
            Unit { y: s.y.clone(), columns }
        })
        .collect();
    let Some(panel) = Panel::new(&units, quantum) else { return Vec::new() };
    let fit = |chosen: &[usize]| {
        let columns: Vec<usize> = (0..fixed).chain(chosen.iter().map(|c| c + fixed)).collect();
        let fit = panel.fit(&columns)?;
        // Warm-ups only add memory.
        if (fixed..columns.len()).any(|i| fit.coefficient(i).value <= 0.0) {
            return None;
        }
        let transients: Vec<Transient> = chosen.iter().map(|c| dictionary[*c]).collect();
        let extra: usize = transients.iter().map(|t| t.parameters()).sum();
        let mut direction = vec![0.0; columns.len()];
        direction[0] = 1.0 / span;
        let persistent = fit.combination(&direction);
        let mut amplitudes = Vec::new();
        for (i, t) in transients.iter().enumerate() {
            direction[fixed + i] = (t.at(1.0) - t.at(1.0 - END)) / END / span;
            amplitudes.push(fit.coefficient(fixed + i).value);
        }
        let end = fit.combination(&direction);
        let distance = fit.bic(columns.len() + extra);
        Some((
            chosen.to_vec(),
            Plausible { transients, persistent, end, amplitudes, distance, rho: fit.rho, sigma: fit.sigma },
        ))
    };
    let mut models: Vec<(Vec<usize>, Plausible)> = fit(&[]).into_iter().collect();
    let mut singles: Vec<(Vec<usize>, Plausible)> = (0..dictionary.len()).filter_map(|i| fit(&[i])).collect();
    singles.sort_by(|a, b| a.1.distance.total_cmp(&b.1.distance));
    let seeds: Vec<usize> = singles.iter().take(PAIRED).map(|s| s.0[0]).collect();
    models.append(&mut singles);
    for (n, &a) in seeds.iter().enumerate() {
        let others = (0..dictionary.len()).filter(|b| !seeds[..=n].contains(b));
        models.extend(others.filter_map(|b| fit(&[a, b])));
    }
    let best = models.iter().map(|m| m.1.distance).fold(f64::INFINITY, f64::min);
    let mut near: Vec<Plausible> = models
        .into_iter()
        .map(|(_, mut m)| {
            m.distance -= best;
            m
        })
        .filter(|m| m.distance <= FAR)
        .collect();
    near.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    near
}

/// Transients that are tried together with every other one.
const PAIRED: usize = 3;

fn varies(v: &[f64]) -> bool {
    v.windows(2).any(|w| w[0] != w[1])
}
