//! Exact counts make estimates from the sample sharper.
//!
//! The library counts what is live to the byte, and samples it. By how much the whole of the sample deviates from the
//! count is so known in every slice, and is nothing on average. A place's change less a part of this deviation is
//! therefore still without bias, and free of most of the sampling noise of a place that makes up most of it: the
//! regression estimator (Cochran 1977, ch. 7). The part is the coefficient of the place's changes on the deviations. Where
//! count and sample weren't taken at the same moment and much came and went between, the deviations are mostly of that,
//! and the coefficient is small by itself.

use super::window::SiteGrowth;
use super::windows::Windows;

/// By how much the whole of the sample deviates from what was counted.
pub struct Calibration {
    /// Change counted in each slice.
    counted: Vec<f64>,
    /// Change of the sample's whole beyond that.
    deviations: Vec<f64>,
    /// Variances of the sample's whole, and of its last third.
    variance: f64,
    late_variance: f64,
    /// Sum of the squares of the deviations.
    squares: f64,
}

impl Calibration {
    /// `counted` is the change of the exact count in each slice, `whole` the sample's.
    pub fn new(counted: Vec<f64>, whole: &SiteGrowth) -> Self {
        let change = |slice: usize| whole.changes.get(slice).copied().unwrap_or(0.0);
        let deviations: Vec<f64> = counted.iter().enumerate().map(|(slice, counted)| change(slice) - counted).collect();
        let squares = deviations.iter().map(|deviation| deviation * deviation).sum();
        let SiteGrowth { variance, late_variance, .. } = *whole;
        Calibration { counted, deviations, variance, late_variance, squares }
    }

    /// The whole as it was counted: no sampling is in it.
    pub fn whole(&self, sampled: &SiteGrowth) -> SiteGrowth {
        let changes = self.counted.clone();
        SiteGrowth { change: changes.iter().sum(), changes, variance: 0.0, late_variance: 0.0, ..sampled.clone() }
    }

    /// A place's tally with its part of the deviations taken out.
    pub fn calibrated(&self, mut tally: SiteGrowth, windows: &Windows) -> SiteGrowth {
        let rate = windows.rate(&tally);
        let beyond = tally.changes.iter().zip(&windows.slices).map(|(change, slice)| change - rate * slice.span);
        let common: f64 = beyond.zip(&self.deviations).map(|(beyond, deviation)| beyond * deviation).sum();
        let own = if self.squares > 0.0 { (common / self.squares).clamp(0.0, 1.0) } else { 0.0 };
        tally.changes.iter_mut().zip(&self.deviations).for_each(|(change, deviation)| *change -= own * deviation);
        tally.change = tally.changes.iter().sum();
        // What is left of its own noise, and what comes in with the others'.
        let left = |of_place: f64, of_whole: f64| {
            (1.0 - own).powi(2) * of_place + own.powi(2) * (of_whole - of_place).max(0.0)
        };
        tally.variance = left(tally.variance, self.variance);
        tally.late_variance = left(tally.late_variance, self.late_variance);
        tally
    }
}
