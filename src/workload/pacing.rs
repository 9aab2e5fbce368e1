//! How much load there is at each moment of a phase: ramps, and the arrivals of the open model.

/// A load that moves in a straight line over a phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ramp {
    /// Load at the phase's beginning.
    pub(super) from: f64,
    /// Load at its end.
    pub(super) to: f64,
}

impl Ramp {
    /// The load when this fraction of the phase is done.
    pub(super) fn at(self, progress: f64) -> f64 {
        self.from + (self.to - self.from) * progress.clamp(0.0, 1.0)
    }
}

/// The intended starts of requests at a rate that changes with time.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Seconds up to which arrivals were given out.
    until: f64,
    /// The part of the next arrival that has accrued, 0 to 1.
    accrued: f64,
    /// The rate at `until`.
    rate: f64,
}

impl Arrivals {
    pub(super) fn new(rate: f64) -> Arrivals {
        // The first request begins at once.
        Arrivals { until: 0.0, accrued: if rate > 0.0 { 1.0 } else { 0.0 }, rate }
    }

    /// Goes on to `now`, in seconds, when the rate is `rate`, and gives the times of the arrivals since the last call,
    /// evenly spaced. Their number is exact for a rate that moved in a straight line.
    pub(super) fn advance(&mut self, now: f64, rate: f64) -> impl Iterator<Item = f64> + use<> {
        let elapsed = (now - self.until).max(0.0);
        let mean = (self.rate + rate) / 2.0;
        let before = self.accrued;
        let total = before + mean * elapsed;
        let from = self.until;
        (self.until, self.accrued, self.rate) = (self.until.max(now), total.fract(), rate);
        (1..=total as u64).map(move |nth| if mean > 0.0 { from + (nth as f64 - before) / mean } else { from })
    }

    /// Seconds until the next arrival, if the rate stays; infinite at a rate of zero.
    pub(super) fn next_in(&self) -> f64 {
        (1.0 - self.accrued) / self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_constant_rate_gives_evenly_spaced_arrivals() {
        let mut arrivals = Arrivals::new(10.0);
        let times: Vec<f64> = [0.0, 0.25, 1.0].into_iter().flat_map(|now| arrivals.advance(now, 10.0)).collect();
        assert_eq!(times.len(), 11);
        assert!(times.iter().enumerate().all(|(i, t)| (t - i as f64 * 0.1).abs() < 1e-9), "{times:?}");
    }

    #[test]
    fn a_rate_of_zero_gives_nothing() {
        let mut arrivals = Arrivals::new(0.0);
        assert_eq!(arrivals.advance(100.0, 0.0).count(), 0);
        assert_eq!(arrivals.next_in(), f64::INFINITY);
    }

    proptest! {
        #[test]
        fn a_ramp_gives_the_area_below_it(from in 0.0..200.0, to in 0.0..200.0, ticks in 1usize..200) {
            let ramp = Ramp { from, to };
            let mut arrivals = Arrivals::new(from);
            let mut times = Vec::new();
            for tick in 1..=ticks {
                let progress = tick as f64 / ticks as f64;
                times.extend(arrivals.advance(progress * 10.0, ramp.at(progress)));
            }
            let area = (from + to) / 2.0 * 10.0;
            prop_assert!((times.len() as f64 - area).abs() <= 1.0 + 1e-6, "{} for {area}", times.len());
            prop_assert!(times.is_sorted());
            prop_assert!(times.iter().all(|t| (0.0..=10.0 + 1e-9).contains(t)));
        }
    }
}
