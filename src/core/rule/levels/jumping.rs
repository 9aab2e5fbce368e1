//! Whether abrupt jumps go on: told from their number, their places and their sizes.

use super::level::{Jump, Subject};
use crate::answer::JumpPattern;
use crate::stats::{normal_quantile, poisson_bounds};
use crate::thresholds::assess::{ALPHA, ALPHA_SUSPICIOUS};
use crate::thresholds::level::BLOCKS;
use crate::thresholds::scale::MANY;

/// Tells one-off and settling jumps from those that go on. They come by chance if nothing speaks against it: a compound Poisson
/// process.
pub fn pattern(subject: Subject, budget: f64) -> JumpPattern {
    let Subject { jumps, rises, total_span, .. } = subject;
    let ups: Vec<&Jump> = jumps.iter().filter(|j| j.size > 0.0).collect();
    if net(jumps, ALPHA.get()).1 <= budget * total_span {
        return JumpPattern::None;
    }
    if ups.len() == 1 {
        return JumpPattern::Single;
    }
    let silence = silence(&ups);
    if ups.len() >= MANY.get() && !get_rarer(&ups) && !may_be_records(&ups) && silence >= ALPHA_SUSPICIOUS.get() {
        return JumpPattern::GoingOn;
    }
    let rare = ups.iter().filter(|j| j.at > 0.5).count() <= subject.workers;
    let fades = rare && get_rarer(&rises.iter().collect::<Vec<_>>());
    if silence <= ALPHA.get() || fades { JumpPattern::Settling } else { JumpPattern::Unclear }
}

/// Laplace's trend test on jumps, each weighted with its size: under a constant rate their mean place is 1/2.
fn get_rarer(jumps: &[&Jump]) -> bool {
    later_than_evenly(jumps.iter().map(|jump| **jump)) < -normal_quantile(1.0 - ALPHA_SUSPICIOUS.get())
}

/// By how many standard errors the mean place of these, each weighted with its size, lies over that of places which lie evenly between
/// zero and one; they are as many as they are in effect (Kish 1965).
fn later_than_evenly(jumps: impl Iterator<Item = Jump>) -> f64 {
    let (sum, squares, places) = jumps.fold((0.0, 0.0, 0.0), |(sum, squares, places), Jump { at, size }| {
        (sum + size, squares + size * size, places + size * at)
    });
    (places / sum - 0.5) * (12.0 * (sum * sum / squares)).sqrt()
}

/// Whether they come no later than records of chance do.
fn may_be_records(jumps: &[&Jump]) -> bool {
    let alike = |stretch: i64| Jump { at: stretch as f64 / BLOCKS.get() as f64, size: 1.0 };
    !are_later_than_records(stretches(jumps).into_iter().map(alike))
}

/// Whether rises come later, each weighted with its size, than records of something whose size varies by chance, as the largest request so
/// far: those come at a rate that falls as one over the time, so that their logarithms lie evenly (Rényi 1962).
pub fn are_later_than_records(rises: impl Iterator<Item = Jump>) -> bool {
    let blocks = BLOCKS.get() as f64;
    let evenly = rises.map(|rise| Jump { at: (blocks * rise.at).max(1.0).ln() / blocks.ln(), ..rise });
    later_than_evenly(evenly) >= normal_quantile(1.0 - ALPHA_SUSPICIOUS.get())
}

/// The bounds of what such jumps add in the mean of runs like this one, each missed with probability `alpha`.
pub fn net(jumps: &[Jump], alpha: f64) -> (f64, f64) {
    // As many of one size as they are in effect (Kish 1965).
    let bounds = |upwards: bool| {
        let sizes = || jumps.iter().filter(|j| (j.size > 0.0) == upwards).map(|j| j.size.abs());
        let (sum, squares) = (sizes().sum::<f64>(), sizes().map(|size| size * size).sum::<f64>());
        if sum <= 0.0 {
            return (0.0, 0.0, 0.0);
        }
        let (lower, upper) = poisson_bounds(sum * sum / squares, alpha);
        (sum, lower * squares / sum, upper * squares / sum)
    };
    let ((up, least_up, most_up), (down, least_down, most_down)) = (bounds(true), bounds(false));
    // The bounds of a difference from those of its parts (Zou & Donner 2008).
    (up - down - (up - least_up).hypot(most_down - down), up - down + (most_up - up).hypot(down - least_down))
}

/// How many of these jumps go up, and the probability of so long a silence after the last of them.
pub fn ups(jumps: &[Jump]) -> (usize, f64) {
    let ups: Vec<&Jump> = jumps.iter().filter(|j| j.size > 0.0).collect();
    (ups.len(), silence(&ups))
}

/// The probability of as long a silence after the last of these jumps, if they came at a constant rate (Cox & Lewis 1966).
fn silence(jumps: &[&Jump]) -> f64 {
    let last = jumps.iter().map(|j| j.at).fold(0.0, f64::max);
    last.powi(stretches(jumps).len() as i32)
}

/// In which of the run's stretches they are. Jumps in one have one cause, in however many workers, and count as one.
fn stretches(jumps: &[&Jump]) -> Vec<i64> {
    let mut stretches: Vec<i64> = jumps.iter().map(|j| (j.at * BLOCKS.get() as f64).round() as i64).collect();
    stretches.sort_unstable();
    stretches.dedup();
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence_after(places: &[f64]) -> f64 {
        let jumps: Vec<Jump> = places.iter().map(|at| Jump { at: *at, size: 1.0 }).collect();
        silence(&jumps.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_silence_is_the_less_likely_the_more_jumps_came_before() {
        assert!((silence_after(&[0.1, 0.5]) - 0.25).abs() < 1e-12);
        assert!((silence_after(&[0.1, 0.2, 0.3, 0.4, 0.5]) - 1.0 / 32.0).abs() < 1e-12);
        // Eight workers that take the same step at the same time have one cause.
        assert_eq!(silence_after(&[0.5; 8]), 0.5);
        assert_eq!(silence_after(&[]), 1.0);
    }

    /// The pattern of jumps of a MiB at these places, under a budget that they exceed.
    fn told(places: &[f64]) -> JumpPattern {
        let jumps: Vec<Jump> = places.iter().map(|at| Jump { at: *at, size: 1048576.0 }).collect();
        let subject = Subject {
            raw: &[],
            smooth: &[],
            jumps: &jumps,
            rises: &jumps,
            workers: 1,
            averaged: 1.0,
            total_span: 30_000.0,
        };
        pattern(subject, 1.0)
    }

    #[test]
    fn jumps_that_fell_silent_are_over_and_even_ones_go_on() {
        let evenly: Vec<f64> = (0..8).map(|k| 0.06 + 0.12 * f64::from(k)).collect();
        assert_eq!(told(&evenly), JumpPattern::GoingOn);
        let early: Vec<f64> = (0..8).map(|k| 0.06 + 0.06 * f64::from(k)).collect();
        assert_eq!(told(&early), JumpPattern::Settling);
        let lately_silent: Vec<f64> = (0..8).map(|k| 0.06 + 0.08 * f64::from(k)).collect();
        assert_eq!(told(&lately_silent), JumpPattern::Unclear);
        assert_eq!(told(&[0.7]), JumpPattern::Single);
    }

    #[test]
    fn records_of_chance_are_no_jumps_that_go_on() {
        // The places of records lie evenly by their logarithm; the last came just before the end.
        let records: Vec<f64> = (0..8).map(|k| 60f64.powf((f64::from(k) + 0.5) / 8.0 - 1.0)).collect();
        assert_ne!(told(&records), JumpPattern::GoingOn, "{records:?}");
        // Six of them, of which three fell late by chance.
        assert_ne!(told(&[0.05, 0.1, 0.2, 0.6, 0.8, 0.9]), JumpPattern::GoingOn);
        let evenly: Vec<f64> = (0..6).map(|k| (f64::from(k) + 0.5) / 6.0).collect();
        assert_eq!(told(&evenly), JumpPattern::GoingOn);
    }
}
