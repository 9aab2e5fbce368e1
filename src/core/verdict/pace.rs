//! Does growth go on at its pace? A warm-up that has only begun looks like a line but for its curvature, and a cache that has
//! just become full like one but for its end.

use super::assess::ALPHA_LEAK;
use super::level::{Levels, longest};
use crate::stats::{ModelFit, Panel, Unit};

/// The part of its mean pace that growth must have at an early end.
const KEPT: f64 = 0.8;
/// The part of its pace before under which growth counts as having stopped.
const STOPPED: f64 = 0.4;
/// Shares of the judged part at its end in which growth may have stopped: less is too little to see it, and transients
/// that ended earlier are in the dictionary of models.
const TAILS: [f64; 3] = [0.07, 0.1, 0.15];
/// Error probability of each of these tests: a leak must hardly ever be taken for one that has stopped.
const ALPHA_STOPPED: f64 = 0.01;

/// Whether growth goes on at its pace beyond doubt: the slope of a parabola at the end is not far under its mean.
pub(super) fn keeps_pace(series: &[Levels], quantum: f64) -> bool {
    let fit = fit(series, quantum, |u| u * u);
    fit.is_some_and(|fit| fit.combination(&[1.0 - KEPT, 2.0 - KEPT]).lower(ALPHA_LEAK) > 0.0)
}

/// Whether growth has come to an end shortly before the run did, beyond doubt: the slope after a knee is far under that
/// before it.
pub(super) fn has_stopped(series: &[Levels], quantum: f64) -> bool {
    TAILS.iter().any(|tail| {
        let fit = fit(series, quantum, |u| (u - (1.0 - tail)).max(0.0));
        fit.is_some_and(|fit| {
            let rose = fit.coefficient(0).lower(ALPHA_LEAK) > 0.0;
            rose && fit.combination(&[1.0 - STOPPED, 1.0]).upper(ALPHA_STOPPED) < 0.0
        })
    })
}

/// A straight line and one more shape over the judged part as 0 to 1.
fn fit(series: &[Levels], quantum: f64, shape: impl Fn(f64) -> f64) -> Option<ModelFit> {
    let span = longest(series);
    let unit = |s: &Levels| {
        let age: Vec<f64> = s.x.iter().map(|x| (x - s.x[0]) / span).collect();
        let shape = age.iter().map(|u| shape(*u)).collect();
        Unit { y: s.y.clone(), columns: vec![age, shape] }
    };
    let units: Vec<Unit> = series.iter().filter(|s| s.x.len() >= 2).map(unit).collect();
    Panel::new(&units, quantum)?.fit(&[0, 1])
}
