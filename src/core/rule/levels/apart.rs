//! Whether one worker of a pool grows by more than the others do, beyond what these differ by.

use super::lasting::pace_from;
use super::pool::Pool;
use crate::stats::student_t;
use crate::thresholds::assess::ALPHA_SUSPICIOUS;
use crate::thresholds::scale::SEVERAL;

/// Of each member of a pool side by side, whether its growth in the second half exceeds what one more of the others would grow by, in all
/// members but one of twenty such pools. Of nobody where they are too few to tell what they differ by.
pub fn grow_apart(pool: &Pool) -> Vec<bool> {
    let members = &pool.members;
    let paces: Option<Vec<f64>> = members.iter().map(|m| pace_from(&m.levels, 0.5 * m.levels.span())).collect();
    let paces = paces.filter(|paces| paces.len() >= SEVERAL.get());
    let Some(paces) = paces else { return vec![false; members.len()] };
    let count = paces.len() as f64;
    let beyond = student_t(1.0 - ALPHA_SUSPICIOUS.get() / count, count - 2.0);
    let apart = |place: usize| {
        let others = || (0..paces.len()).filter(|other| *other != place).map(|other| paces[other]);
        let mean = others().sum::<f64>() / (count - 1.0);
        let variance = others().map(|pace| (pace - mean).powi(2)).sum::<f64>() / (count - 2.0);
        // One more of the same kind is predicted by their mean, which is known with an error of its own.
        paces[place] - mean > beyond * (variance * (1.0 + 1.0 / (count - 1.0))).sqrt()
    };
    (0..paces.len()).map(apart).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Series;

    /// Which of so many workers grow apart, where each grows so; the level of all moves alike beside that.
    fn apart(workers: usize, grows: impl Fn(usize, f64) -> f64) -> Vec<usize> {
        let worker = |k: usize| Series {
            t: (0..120).map(f64::from).collect(),
            x: (0..120).map(|i| 100.0 * f64::from(i)).collect(),
            y: (0..120).map(|i| 1e8 + 1e6 * (0.3 * f64::from(i)).sin() + grows(k, f64::from(i) / 120.0)).collect(),
            ..Series::default()
        };
        let pool = Pool::new(&(0..workers).map(worker).collect::<Vec<_>>(), 32_768.0);
        grow_apart(&pool).into_iter().enumerate().filter_map(|(place, apart)| apart.then_some(place)).collect()
    }

    #[test]
    fn one_of_eight_that_grows_on_is_told_and_what_they_differ_by_is_not() {
        let differ = |k: usize, u: f64| 2e5 * k as f64 * u;
        assert!(apart(8, differ).is_empty());
        assert_eq!(apart(8, |k, u| differ(k, u) + if k == 3 { 6e6 * u } else { 0.0 }), [3]);
        // What one has grown by before says nothing of how it goes on.
        assert!(apart(8, |k, u| differ(k, u) + if k == 3 { 6e6 * u.min(0.45) } else { 0.0 }).is_empty());
    }

    #[test]
    fn three_workers_do_not_tell_what_they_differ_by() {
        let one_grows = |k: usize, u: f64| if k == 1 { 6e6 * u } else { 0.0 };
        assert_eq!(apart(4, one_grows), [1]);
        assert!(apart(3, one_grows).is_empty());
        assert!(grow_apart(&Pool::default()).is_empty());
    }
}
