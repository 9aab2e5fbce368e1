//! The time that is asked for, and its parts.

/// Points of a series that a server answers at most: Prometheus has 11,000.
pub const MOST_POINTS: u64 = 11_000;

/// Moments that are asked for, in Unix seconds: from the first to the last, one every `step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The first.
    pub start: f64,
    /// Seconds from one to the next.
    pub step: f64,
    /// How many there are.
    pub points: u64,
}

impl Range {
    /// The moments of the last `since` seconds before `now`, on multiples of `step`, so that who asks again gets the same.
    pub fn before(now: f64, since: f64, step: f64) -> Range {
        let points = (since / step).floor().max(1.0) + 1.0;
        let last = (now / step).floor() * step;
        Range { start: last - (points - 1.0) * step, step, points: points as u64 }
    }

    /// The last moment.
    pub fn end(&self) -> f64 {
        self.start + self.points.saturating_sub(1) as f64 * self.step
    }

    /// Its moments from `start` on, and the one before it; the last at least.
    pub fn from(&self, start: f64) -> Range {
        let before = ((start - self.start) / self.step).floor().clamp(0.0, self.points.saturating_sub(1) as f64);
        Range { start: self.start + before * self.step, step: self.step, points: self.points - before as u64 }
    }

    /// Parts of so many points at most, one after the other.
    pub fn parts(&self, most: u64) -> impl Iterator<Item = Range> {
        let (whole, most) = (*self, most.clamp(1, MOST_POINTS));
        (0..whole.points.div_ceil(most)).map(move |part| {
            let from = part * most;
            let start = whole.start + from as f64 * whole.step;
            Range { start, step: whole.step, points: most.min(whole.points - from) }
        })
    }

    /// A few moments over all of it: enough to see every series that is there for long enough to be judged.
    pub fn coarse(&self, moments: u64) -> Range {
        let points = moments.clamp(1, self.points);
        let steps = (self.points - 1).div_ceil(points.max(2) - 1).max(1);
        let points = (self.points - 1) / steps + 1;
        // The last moment is in it: most series are there still.
        let start = self.end() - ((points - 1) * steps) as f64 * self.step;
        Range { start, step: self.step * steps as f64, points }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_hours_end_now_on_whole_steps() {
        let range = Range::before(1_767_225_617.0, 3600.0, 30.0);
        assert_eq!((range.start, range.end(), range.points), (1_767_222_000.0, 1_767_225_600.0, 121));
        assert_eq!(Range::before(100.0, 1.0, 30.0).points, 2);
    }

    proptest! {
        #[test]
        fn parts_have_every_moment_once(points in 1u64..50_000, most in 1u64..20_000) {
            let range = Range { start: 0.0, step: 2.0, points };
            let parts: Vec<Range> = range.parts(most).collect();
            prop_assert_eq!(parts.iter().map(|part| part.points).sum::<u64>(), points);
            prop_assert!(parts.iter().all(|part| (1..=most.min(MOST_POINTS)).contains(&part.points)));
            prop_assert!(parts.windows(2).all(|pair| pair[1].start - pair[0].end() == 2.0));
        }

        #[test]
        fn a_coarse_look_has_its_moments_within_and_the_last(points in 1u64..50_000, moments in 1u64..40) {
            let range = Range { start: 0.0, step: 2.0, points };
            let coarse = range.coarse(moments);
            prop_assert!(coarse.points <= moments.max(2) && coarse.start >= 0.0);
            prop_assert_eq!(coarse.end(), range.end());
            prop_assert!(coarse.points < 2 || coarse.start < coarse.step);
        }
    }
}
