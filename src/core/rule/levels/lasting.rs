//! Whether growth lasts, told without a model: by what the level grew by in equal parts of the run.
//!
//! A model knows how growth goes on only if it has the shape that the level took. These tests know no shape. They hold for a
//! random walk and for rises of very different sizes too.

use super::level::{Levels, longest};
use crate::limits::PRECISE;
use crate::stats::{Line, Panel, Unit, median, sign_flip, student_t, theil_sen};
use crate::thresholds::assess::{ALPHA, ALPHA_SUSPICIOUS};
use crate::thresholds::lasting::RISEN;
use crate::thresholds::scale::{FEW, MOST, PARTS, QUARTER, SEVERAL};

/// Parts of the last quarter in which growth may have stopped: less is too little to see it, and what ended earlier is a shape that
/// the models have.
fn tails() -> [f64; 3] {
    [1.0, 0.5, QUARTER.get()].map(|part| part * QUARTER.get())
}

/// Growth per step of the axis in each of twelve equal parts of the span; `None` with too few levels for that.
pub fn paces(levels: &Levels) -> Option<Vec<f64>> {
    let (&from, span) = (levels.x.first()?, levels.span());
    if levels.x.len() <= PARTS.get() || span <= 0.0 {
        return None;
    }
    let edge = |part: usize| from + span * part as f64 / PARTS.get() as f64;
    let level = |part: usize| if part == PARTS.get() { levels.y.last().copied() } else { levels.at(edge(part)) };
    (0..PARTS.get()).map(|part| Some((level(part + 1)? - level(part)?) * PARTS.get() as f64 / span)).collect()
}

/// Whether their mean is above `allowed` with this error probability: an exact test, if the parts differ by chance from it
/// (Ibragimov & Müller 2010, with the signs flipped in place of their t).
pub fn exceed(paces: &[f64], allowed: f64, alpha: f64) -> bool {
    let over: Vec<f64> = paces.iter().map(|pace| pace - allowed).collect();
    over.iter().sum::<f64>() > 0.0 && sign_flip(&over).is_some_and(|both_sides| both_sides / 2.0 <= alpha)
}

/// The mean pace, and the bounds of what [`exceed`] doesn't rule out of it, with this error probability each; `None` if it can rule
/// nothing out.
pub fn bounds(paces: &[f64], alpha: f64) -> Option<(f64, f64, f64)> {
    let mean = paces.iter().sum::<f64>() / paces.len() as f64;
    let lower = |paces: &[f64], mean: f64| {
        // What is under all of the paces is ruled out if anything is.
        let under = 2.0 * paces.iter().copied().fold(f64::INFINITY, f64::min) - mean;
        if !exceed(paces, under, alpha) {
            return None;
        }
        let (mut ruled_out, mut open) = (under, mean);
        while open - ruled_out > PRECISE * (mean - under) {
            let middle = f64::midpoint(ruled_out, open);
            *(if exceed(paces, middle, alpha) { &mut ruled_out } else { &mut open }) = middle;
        }
        Some(ruled_out)
    };
    let mirrored: Vec<f64> = paces.iter().map(|pace| -pace).collect();
    Some((mean, lower(paces, mean)?, -lower(&mirrored, -mean)?))
}

/// Whether growth slows down over the second half so much that it would be within `allowed` after half a run more, by a
/// straight line through its paces.
pub fn fade(paces: &[f64], allowed: f64) -> bool {
    let late = &paces[paces.len() / 2..];
    let place: Vec<f64> = (0..late.len()).map(|k| (k as f64 + 0.5) / late.len() as f64).collect();
    Line::through(&place, late).is_some_and(|line| {
        let falls = line.slope + student_t(1.0 - ALPHA_SUSPICIOUS.get(), line.df) * line.slope_se < 0.0;
        falls && line.at(2.0) < allowed
    })
}

/// Whether incarnations grow by more than `allowed` beyond doubt from half of the longest life on, each of which counts as one: who ended
/// sooner may have warmed up all its life.
pub fn halves_exceed(series: &[Levels], allowed: f64) -> bool {
    let age = 0.5 * longest(series);
    let half = |s: &Levels| {
        let from = s.x.partition_point(|x| x - s.x[0] < age);
        (s.x.len() - from >= FEW.get())
            .then(|| Line::through(&s.x[from..], &s.y[from..]))
            .flatten()
            .map(|line| line.slope)
    };
    let slopes: Vec<f64> = series.iter().filter_map(half).collect();
    let n = slopes.len() as f64;
    let mean = slopes.iter().sum::<f64>() / n;
    let variance = slopes.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0);
    n > 2.0 && mean - student_t(1.0 - ALPHA.get(), n - 1.0) * (variance / n).sqrt() > allowed
}

/// What the high-water mark of these levels rises by, from the first on.
fn rises(levels: &[f64]) -> impl Iterator<Item = f64> {
    let mut mark = levels.first().copied().unwrap_or(0.0);
    levels.iter().map(move |level| {
        let rise = (level - mark).max(0.0);
        mark = mark.max(*level);
        rise
    })
}

/// Their sum and the sum of their squares: the square of the one over the other is how many there are in effect (Kish 1965).
fn sums(rises: impl Iterator<Item = f64>) -> (f64, f64) {
    rises.fold((0.0, 0.0), |(sum, squares), rise| (sum + rise, squares + rise * rise))
}

/// Whether growth in the second half is made of many rises of the high-water mark, not of a few that may be the last.
pub fn is_spread(levels: &Levels) -> bool {
    let late = &levels.y[levels.y.len() / 2..];
    let (sum, squares) = sums(rises(late));
    sum * sum >= squares * (SEVERAL.get() as f64).min(0.5 * (late.len() as f64 - 1.0)) && sum > 0.0
}

/// Whether the silence since the last rise is too long for rises that go on: as many as there are in effect, each as large as the
/// other, would have left it once in twenty times (Cox & Lewis 1966).
pub fn is_silent(levels: &Levels) -> bool {
    let Levels { x, y, .. } = levels;
    let (Some(&first), span) = (y.first(), levels.span()) else { return false };
    let (sum, squares) = sums(rises(y));
    let Some(last) = y.iter().position(|level| *level >= first + RISEN.get() * sum) else { return false };
    sum > 0.0 && ((x[last] - x[0]) / span).powf(sum * sum / squares) < ALPHA_SUSPICIOUS.get()
}

/// Whether growth has slowed down shortly before the end, beyond doubt, and so much that it would be within `allowed` soon:
/// twice the change more.
pub fn has_stopped(series: &[Levels], allowed: f64, quantum: f64) -> bool {
    let hinges = tails().map(|tail| move |u: f64| (u - (1.0 - tail)).max(0.0));
    let Some(mut panel) = panel(series, quantum, &hinges) else { return false };
    (1..=hinges.len()).filter_map(|hinge| panel.fit(&[0, hinge])).any(|fit| {
        let change = fit.coefficient(1);
        let late = fit.combination(&[1.0, 1.0]).value;
        change.upper(ALPHA.get()) < 0.0 && late + 2.0 * change.value < allowed * longest(series)
    })
}

/// Whether growth goes on at its pace beyond doubt: the slope of a parabola at the end is not far under its mean.
pub fn keeps_pace(series: &[Levels], quantum: f64) -> bool {
    let fit = panel(series, quantum, &[|u: f64| u * u]).and_then(|mut panel| panel.fit(&[0, 1]));
    fit.is_some_and(|fit| fit.combination(&[1.0 - MOST.get(), 2.0 - MOST.get()]).lower(ALPHA.get()) > 0.0)
}

/// The median over the series of the Theil-Sen slope of their second halves.
pub fn late_slope(series: &[Levels]) -> Option<f64> {
    let slopes: Vec<f64> = series
        .iter()
        .filter_map(|s| {
            let from = s.x.first()? + 0.5 * s.span();
            let i = s.x.partition_point(|x| *x < from);
            theil_sen(&s.x[i..], &s.y[i..])
        })
        .collect();
    median(&slopes)
}

/// A straight line, and beside it these shapes over the judged part as 0 to 1, a column each.
fn panel(series: &[Levels], quantum: f64, shapes: &[impl Fn(f64) -> f64]) -> Option<Panel> {
    let span = longest(series);
    let unit = |s: &Levels| {
        let age: Vec<f64> = s.x.iter().map(|x| (x - s.x[0]) / span).collect();
        let shaped = shapes.iter().map(|shape| age.iter().map(|u| shape(*u)).collect());
        Unit { y: s.y.clone(), columns: [age.clone()].into_iter().chain(shaped).collect() }
    };
    let units: Vec<Unit> = series.iter().filter(|s| s.x.len() >= 2).map(unit).collect();
    Panel::new(&units, quantum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(y: impl Fn(f64) -> f64) -> Levels {
        let x: Vec<f64> = (0..60).map(f64::from).collect();
        Levels { y: x.iter().map(|x| y(*x)).collect(), x, ..Levels::default() }
    }

    /// A number between 0 and 1 for each place, seemingly at random.
    fn chance(x: f64) -> f64 {
        (x * 997.0 + 0.123).sin().abs()
    }

    #[test]
    fn parts_of_a_straight_line_have_its_pace() {
        let found = paces(&levels(|x| 5.0 + 2.0 * x)).unwrap();
        assert!(found.len() == PARTS.get() && found.iter().all(|pace| (pace - 2.0).abs() < 1e-9), "{found:?}");
        assert_eq!(paces(&Levels::default()), None);
    }

    #[test]
    fn rises_of_any_size_exceed_what_is_allowed_and_one_alone_does_not() {
        let stairs = paces(&levels(|x| 30.0 * (x / 7.0).floor())).unwrap();
        assert!(exceed(&stairs, 1.0, 0.01) && !exceed(&stairs, 4.5, 0.01), "{stairs:?}");
        let once = paces(&levels(|x| if x > 31.0 { 500.0 } else { 0.0 })).unwrap();
        assert!(!exceed(&once, 1.0, 0.01), "{once:?}");
        assert!(!exceed(&[1.0; PARTS.get()], 1.0, 0.01), "just what is allowed");
    }

    #[test]
    fn bounds_hold_what_is_not_ruled_out() {
        let stairs = paces(&levels(|x| 30.0 * (x / 7.0).floor())).unwrap();
        let (mean, lower, upper) = bounds(&stairs, 0.01).unwrap();
        assert!(lower < mean && mean < upper, "{lower} to {upper}");
        assert!(exceed(&stairs, lower, 0.01) && !exceed(&stairs, lower + 0.1, 0.01), "{lower}");
        assert_eq!(bounds(&stairs, 1e-9), None, "twelve signs can't be as sure as that");
    }

    #[test]
    fn what_slows_down_fades_and_what_goes_on_does_not() {
        assert!(fade(&paces(&levels(|x| 1000.0 * (1.0 - (-x / 25.0).exp()))).unwrap(), 1.0));
        assert!(!fade(&paces(&levels(|x| 10.0 * x + 3.0 * chance(x))).unwrap(), 1.0));
    }

    #[test]
    fn incarnations_count_as_one_each() {
        let grows = |by: f64| (0..8).map(|k| levels(|x| by * x + chance(x + 100.0 * f64::from(k)))).collect::<Vec<_>>();
        assert!(halves_exceed(&grows(3.0), 1.0) && !halves_exceed(&grows(0.5), 1.0));
        assert!(!halves_exceed(&grows(3.0)[..2], 1.0), "too few");
        // Lives that are short beside others may warm up until they end.
        let short = |one: Levels| one.pick(&(0..20).collect::<Vec<_>>());
        let mut lives: Vec<Levels> = grows(3.0).into_iter().map(short).collect();
        assert!(halves_exceed(&lives, 1.0));
        lives.extend(grows(0.5));
        assert!(!halves_exceed(&lives, 1.0), "it is the short ones alone that grow");
    }

    #[test]
    fn a_few_steps_are_not_many_rises() {
        assert!(is_spread(&levels(|x| x)));
        assert!(!is_spread(&levels(|x| (x / 15.0).floor())));
    }

    #[test]
    fn rises_that_have_ended_leave_a_silence() {
        assert!(is_silent(&levels(|x| x.min(51.0))));
        assert!(!is_silent(&levels(|x| x)));
        assert!(!is_silent(&levels(|x| if x > 40.0 { 9.0 } else { 0.0 })), "a single rise says nothing of the next");
        assert!(!is_silent(&levels(|_| 1.0)) && !is_silent(&Levels::default()));
    }

    #[test]
    fn what_has_become_full_just_before_the_end_has_stopped() {
        let full = |at: f64| vec![levels(move |x| 10.0 * x.min(at) + chance(x))];
        assert!(has_stopped(&full(53.0), 1.0, 0.1));
        assert!(!has_stopped(&full(60.0), 1.0, 0.1));
        assert!(
            !has_stopped(&[levels(|x| 10.0 * x + (x - 50.0).max(0.0) * -2.0)], 1.0, 0.1),
            "slower, but far over it"
        );
    }

    #[test]
    fn a_warm_up_that_has_begun_does_not_keep_its_pace() {
        assert!(keeps_pace(&[levels(|x| 10.0 * x + chance(x))], 0.1));
        assert!(!keeps_pace(&[levels(|x| 1000.0 * (1.0 - (-x / 30.0).exp()) + chance(x))], 0.1));
    }
}
