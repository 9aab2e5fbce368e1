//! Whether growth lasts, told without a model: by what the level grew by in equal parts of the run.
//!
//! A model knows how growth goes on only if it has the shape that the level took. These tests know no shape. They hold for a
//! random walk and for rises of very different sizes too.

use super::jumping::are_later_than_records;
use super::level::{Jump, Levels, longest};
use crate::limits::PRECISE;
use crate::stats::{Line, ModelFit, Panel, Unit, median, sign_flip, student_t, student_t_tail, theil_sen};
use crate::thresholds::assess::ALPHA;
use crate::thresholds::lasting::RISEN;
use crate::thresholds::scale::{FEW, MOST, PARTS, QUARTER, SEVERAL};

/// Last parts of a run in which growth may have stopped, as far as its levels show it: what ended earlier is a shape that the models have.
pub fn tails() -> [f64; 3] {
    [1.0, 0.5, QUARTER.get()].map(|part| part * QUARTER.get())
}

/// The last parts for which readings are needed, as a level is the middle of several.
pub fn short_tails() -> [f64; 2] {
    [1.0, 0.5].map(|part| part * QUARTER.get() * QUARTER.get())
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

/// The probability of a mean so far above `allowed`, if it were just that: exact, if the parts differ by chance from it (Ibragimov &
/// Müller 2010, with the signs flipped in place of their t). One where it isn't above.
pub fn chance(paces: &[f64], allowed: f64) -> f64 {
    let over: Vec<f64> = paces.iter().map(|pace| pace - allowed).collect();
    if over.iter().sum::<f64>() > 0.0 { sign_flip(&over).map_or(1.0, |both_sides| both_sides / 2.0) } else { 1.0 }
}

/// Whether their mean is above `allowed` with this error probability.
pub fn exceed(paces: &[f64], allowed: f64, alpha: f64) -> bool {
    chance(paces, allowed) <= alpha
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

/// The pace after half a run more, by a straight line through those of the second half, where they fall beyond doubt.
pub fn fading_to(paces: &[f64]) -> Option<f64> {
    let late = &paces[paces.len() / 2..];
    let place: Vec<f64> = (0..late.len()).map(|k| (k as f64 + 0.5) / late.len() as f64).collect();
    let line = Line::through(&place, late)?;
    let falls = line.slope + student_t(1.0 - ALPHA.get(), line.df) * line.slope_se < 0.0;
    falls.then(|| line.at(2.0))
}

/// Growth per step of the axis from this age on; `None` with too few levels for that.
pub fn pace_from(levels: &Levels, age: f64) -> Option<f64> {
    let from = levels.x.partition_point(|x| x - levels.x[0] < age);
    let late = levels.x.len() - from >= FEW.get();
    late.then(|| Line::through(&levels.x[from..], &levels.y[from..])).flatten().map(|line| line.slope)
}

/// The probability that incarnations grow so far over `allowed` from half of the longest life on, if they grew by just that; each counts as
/// one. One where it isn't over, and with too few: who ended sooner may have warmed up all its life.
pub fn chance_of_halves(series: &[Levels], allowed: f64) -> f64 {
    let age = 0.5 * longest(series);
    let slopes: Vec<f64> = series.iter().filter_map(|one| pace_from(one, age)).collect();
    let n = slopes.len() as f64;
    let mean = slopes.iter().sum::<f64>() / n;
    let variance = slopes.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0);
    if n > 2.0 { student_t_tail((mean - allowed) / (variance / n).sqrt(), n - 1.0) } else { 1.0 }
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

/// How many rises of the high-water mark the growth of the second half is made of in effect, and how many it has to be made of so that they
/// aren't a few that may be the last.
pub fn late_rises(levels: &Levels) -> (f64, f64) {
    let late = &levels.y[levels.y.len() / 2..];
    let (sum, squares) = sums(rises(late));
    let in_effect = if sum > 0.0 { sum * sum / squares } else { 0.0 };
    (in_effect, (SEVERAL.get() as f64).min(0.5 * (late.len() as f64 - 1.0)))
}

/// The probability of so long a silence since the last rise, if as many as there are in effect, each as large as the other, went on (Cox &
/// Lewis 1966); one where nothing rose.
pub fn silence(levels: &Levels) -> f64 {
    let Levels { x, y, .. } = levels;
    let (sum, squares) = sums(rises(y));
    let risen = |first: &f64| y.iter().position(|level| *level >= first + RISEN.get() * sum);
    match y.first().and_then(risen) {
        Some(last) if sum > 0.0 => ((x[last] - x[0]) / levels.span()).powf(sum * sum / squares),
        _ => 1.0,
    }
}

/// Whether the high-water mark of these levels rises later than records of chance do: what goes on, and not what gets ever rarer.
pub fn rises_late(levels: &Levels) -> bool {
    let at = |x: &f64| (x - levels.x[0]) / levels.span();
    are_later_than_records(levels.x.iter().zip(rises(&levels.y)).map(|(x, size)| Jump { at: at(x), size }))
}

/// Where the pace of growth comes to soon, after twice the change more, if it has slowed down shortly before the end beyond doubt: the
/// slowest of what is told by the parts in which it may have.
pub fn stopping_at(series: &[Levels], tails: &[f64], quantum: f64) -> Option<f64> {
    let hinges: Vec<_> = tails.iter().map(|tail| move |u: f64| (u - (1.0 - tail)).max(0.0)).collect();
    let mut panel = panel(series, quantum, &hinges)?;
    let alpha = ALPHA.get() / hinges.len() as f64;
    let slowed = (1..=hinges.len()).filter_map(|hinge| panel.fit(&[0, hinge])).filter_map(|fit| {
        let change = fit.coefficient(1);
        let late = fit.combination(&[1.0, 1.0]).value;
        (change.upper(alpha) < 0.0).then_some(late + 2.0 * change.value)
    });
    slowed.reduce(f64::min).map(|soon| soon / longest(series))
}

/// What is left at least of the pace at the end, by the slope of a parabola, less four fifths of its mean: growth goes on at its pace
/// beyond doubt if it is over zero. No number with too little to tell.
pub fn pace_left(series: &[Levels], quantum: f64) -> f64 {
    let fit = panel(series, quantum, &[|u: f64| u * u]).and_then(|mut panel| panel.fit(&[0, 1]));
    let left = |fit: ModelFit| fit.combination(&[1.0 - MOST.get(), 2.0 - MOST.get()]).lower(ALPHA.get());
    fit.map_or(f64::NAN, left) / longest(series)
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
    fn random(x: f64) -> f64 {
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
        let slows = fading_to(&paces(&levels(|x| 1000.0 * (1.0 - (-x / 25.0).exp()))).unwrap());
        assert!(slows.is_some_and(|soon| soon < 1.0), "{slows:?}");
        assert_eq!(fading_to(&paces(&levels(|x| 10.0 * x + 3.0 * random(x))).unwrap()), None);
    }

    #[test]
    fn incarnations_count_as_one_each() {
        let grows = |by: f64| (0..8).map(|k| levels(|x| by * x + random(x + 100.0 * f64::from(k)))).collect::<Vec<_>>();
        let over = |lives: &[Levels]| chance_of_halves(lives, 1.0) < 0.01;
        assert!(over(&grows(3.0)) && !over(&grows(0.5)));
        assert!(!over(&grows(3.0)[..2]), "too few");
        // Lives that are short beside others may warm up until they end.
        let short = |one: Levels| one.pick(&(0..20).collect::<Vec<_>>());
        let mut lives: Vec<Levels> = grows(3.0).into_iter().map(short).collect();
        assert!(over(&lives));
        lives.extend(grows(0.5));
        assert!(!over(&lives), "it is the short ones alone that grow");
    }

    #[test]
    fn a_few_steps_are_not_many_rises() {
        let told = late_rises(&levels(|x| x));
        assert!((told.0 - 29.0).abs() < 1e-9 && told.1 == 4.0, "{told:?}");
        assert_eq!(late_rises(&levels(|x| (x / 15.0).floor())), (1.0, 4.0));
        assert_eq!(late_rises(&levels(|_| 7.0)).0, 0.0);
    }

    #[test]
    fn rises_that_have_ended_leave_a_silence() {
        assert!(silence(&levels(|x| x.min(51.0))) < 0.01);
        assert!(silence(&levels(|x| x)) > 0.2);
        let once = silence(&levels(|x| if x > 40.0 { 9.0 } else { 0.0 }));
        assert!(once > 0.6, "a single rise says nothing of the next: {once}");
        assert_eq!((silence(&levels(|_| 1.0)), silence(&Levels::default())), (1.0, 1.0));
    }

    #[test]
    fn what_goes_on_rises_later_than_records_of_chance() {
        assert!(rises_late(&levels(|x| x)) && rises_late(&levels(|x| (x / 9.0).floor())));
        // A step at each power of two, as the largest of so many sizes would make them.
        assert!(!rises_late(&levels(|x| x.max(1.0).log2().floor())));
        assert!(!rises_late(&levels(|_| 7.0)) && !rises_late(&Levels::default()));
    }

    #[test]
    fn what_has_become_full_just_before_the_end_has_stopped() {
        let full = |at: f64| vec![levels(move |x| 10.0 * x.min(at) + random(x))];
        assert!(stopping_at(&full(53.0), &tails(), 0.1).is_some_and(|soon| soon < 0.0));
        assert_eq!(stopping_at(&full(60.0), &tails(), 0.1), None);
        let slower = stopping_at(&[levels(|x| 10.0 * x + (x - 50.0).max(0.0) * -2.0)], &tails(), 0.1).unwrap();
        assert!((slower - 4.0).abs() < 1.0, "from 10 to 8, and by twice as much more: {slower}");
    }

    #[test]
    fn a_warm_up_that_has_begun_does_not_keep_its_pace() {
        let straight = pace_left(&[levels(|x| 10.0 * x + random(x))], 0.1);
        assert!(straight > 1.0 && straight < 2.0, "a fifth of its pace, less what noise may take: {straight}");
        assert!(pace_left(&[levels(|x| 1000.0 * (1.0 - (-x / 30.0).exp()) + random(x))], 0.1) < 0.0);
        assert!(pace_left(&[], 0.1).is_nan());
    }
}
