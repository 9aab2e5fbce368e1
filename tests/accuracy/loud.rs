//! Shapes of growth that no dictionary of models has, large beside quiet readings: told apart from a leak by their course alone.

use super::{BUDGET, REQUESTS, Source};
use super::{KIB, MIB, plateau as risen};
use seepage::model::Series;

/// One worker of few or many readings, with an amplitude of 3 MiB to 1 GiB over noise of 2 to 250 KiB.
fn loud(s: &mut Source, shape: impl Fn(f64) -> f64) -> Vec<Series> {
    let amplitude = s.log_uniform(3.0 * MIB, 1024.0 * MIB);
    scaled(s, amplitude, shape)
}

fn scaled(s: &mut Source, amplitude: f64, shape: impl Fn(f64) -> f64) -> Vec<Series> {
    s.readings = [60, 120, 300, 600][(s.uniform(0.0, 4.0) as usize).min(3)];
    s.noise.sd = Some(s.log_uniform(2.0 * KIB, 250.0 * KIB));
    s.noise.rho = s.uniform(0.0, 0.8);
    s.worker(|u| amplitude * shape(u))
}

/// A warm-up with a constant between these parts of the run.
pub fn plateau(s: &mut Source, from: f64, to: f64) -> Vec<Series> {
    let constant = s.uniform(from, to);
    loud(s, |u| risen(constant, u))
}

/// A warm-up that is still to add twice of what the budget allows for the run.
pub fn far_from_over(s: &mut Source) -> Vec<Series> {
    let constant = s.uniform(0.25, 0.8);
    let least = 2.0 * BUDGET * REQUESTS / (-1.0 / constant).exp();
    let amplitude = s.log_uniform(1.05 * least, 40.0 * least);
    scaled(s, amplitude, |u| risen(constant, u))
}

/// Fast at first, then slower and slower: a stretched exponential.
pub fn stretched(s: &mut Source) -> Vec<Series> {
    let (constant, power) = (s.log_uniform(0.03, 0.4), s.uniform(0.35, 0.75));
    loud(s, |u| 1.0 - (-(u / constant).powf(power)).exp())
}

/// Eight warm-ups with constants from a 300th of the run to most of it.
pub fn many_constants(s: &mut Source) -> Vec<Series> {
    let parts: Vec<(f64, f64)> = (0..8).map(|_| (s.exponential(), s.log_uniform(0.003, 0.8))).collect();
    let sum: f64 = parts.iter().map(|p| p.0).sum();
    loud(s, |u| parts.iter().map(|(share, constant)| share / sum * risen(*constant, u)).sum())
}

/// It begins slowly and ends slowly.
pub fn sigmoid(s: &mut Source) -> Vec<Series> {
    let (middle, width) = (s.uniform(0.25, 0.75), s.uniform(0.03, 0.12));
    loud(s, |u| 1.0 / (1.0 + (-(u - middle) / width).exp()))
}

/// A cache that is opened in mid-run and fills slowly.
pub fn late(s: &mut Source) -> Vec<Series> {
    let (from, constant) = (s.uniform(0.3, 0.85), s.log_uniform(0.02, 0.3));
    loud(s, |u| risen(constant, (u - from).max(0.0)))
}

/// Two caches, the second of which has become full in the second half.
pub fn two_caches(s: &mut Source) -> Vec<Series> {
    let (first, second, share) = (s.uniform(0.2, 0.5), s.uniform(0.6, 0.93), s.uniform(0.3, 0.7));
    loud(s, |u| share * (u / first).min(1.0) + (1.0 - share) * (u / second).min(1.0))
}

/// A cache that has become full shortly before the end.
pub fn full_late(s: &mut Source) -> Vec<Series> {
    let full = s.uniform(0.75, 0.96);
    loud(s, |u| (u / full).min(1.0))
}

/// Two to five climbs, each undone by a collection.
pub fn few_collections(s: &mut Source) -> Vec<Series> {
    let (period, phase) = (s.uniform(0.22, 0.6), s.uniform(0.0, 1.0));
    loud(s, |u| (u / period + phase).fract())
}

/// A wave of half a cycle to two and a half.
pub fn slow_wave(s: &mut Source) -> Vec<Series> {
    let (cycles, phase) = (s.uniform(0.4, 2.5), s.uniform(0.0, 1.0));
    let amplitude = s.log_uniform(MIB, 30.0 * MIB);
    scaled(s, amplitude, |u| 1.0 + (std::f64::consts::TAU * (cycles * u + phase)).sin())
}

/// A random walk whose steps have heavy tails.
pub fn heavy_walk(s: &mut Source) -> Vec<Series> {
    s.noise.rho = 1.0;
    s.noise.tails = Some(3);
    s.noise.sd = Some(s.log_uniform(1.0 * MIB, 20.0 * MIB) / (s.readings as f64).sqrt());
    s.worker(|_| 0.0)
}
