//! Whether a level can be a random walk: by the band in which it keeps.

use crate::thresholds::scale::ENOUGH;

/// The 1 % quantile of the range of a random walk, in standard deviations of its sum: in the limit of many steps (Feller
/// 1951), and what fewer steps take from it, times the root of their number. Within 0.02 of simulated walks of 20 to 300
/// steps.
const NARROW: (f64, f64) = (0.8, 0.6);

/// Whether the values keep in a band so narrow that a random walk with steps of their size keeps in it once in a hundred
/// times at most. A trend widens the band, and so does a slow wave: it is told of levels that come back only.
pub fn keeps_in_band(values: &[f64]) -> bool {
    let steps = values.windows(2).map(|w| w[1] - w[0]);
    let n = values.len().saturating_sub(1);
    let squares: f64 = steps.map(|s| s * s).sum();
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    n >= ENOUGH.get() && high - low < (NARROW.0 - NARROW.1 / (n as f64).sqrt()) * squares.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// How many of 2000 series with errors of this autocorrelation keep in a band.
    fn kept(rho: f64, n: usize) -> usize {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut one = || {
            let mut level = 0.0;
            let mut next = || {
                // The sum of twelve uniform deviates is near enough to normal.
                level = rho * level + (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
                level
            };
            (0..20).for_each(|_| _ = next());
            keeps_in_band(&(0..n).map(|_| next()).collect::<Vec<_>>())
        };
        (0..2000).filter(|_| one()).count()
    }

    #[test]
    fn a_walk_keeps_in_a_band_once_in_a_hundred_times() {
        for n in [21, 30, 60, 300] {
            assert!((8..=34).contains(&kept(1.0, n)), "{} of 2000 walks of {n}", kept(1.0, n));
        }
        assert!(kept(0.3, 60) > 1960, "{}", kept(0.3, 60));
    }

    #[test]
    fn a_trend_and_next_to_nothing_keep_in_none() {
        assert!(!keeps_in_band(&(0..60).map(f64::from).collect::<Vec<_>>()));
        assert!(!keeps_in_band(&[1.0; 60]) && !keeps_in_band(&[0.0, 1.0, 0.0, 1.0]) && !keeps_in_band(&[]));
        assert!(!keeps_in_band(&[f64::NAN; 60]));
    }
}
