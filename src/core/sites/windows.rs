//! All workers' windows, end to end: what grew in them at which rate, and how sure that is.

use super::SiteState;
use super::window::{SiteGrowth, Slice, Window};
use crate::answer::Interval;
use crate::model::{HeapLook, Series};
use crate::stats::{student_t, student_t_tail};
use crate::thresholds::assess::ALPHA;
use crate::thresholds::scale::FEW;

/// What grows in the last third of the window at less than this part of its rate has settled.
const LATE: f64 = 0.4;

/// The windows that can be judged.
pub struct Windows<'a> {
    /// Each with the series of its worker.
    pub each: Vec<(Window, &'a Series)>,
    /// The slices of all, one after another; parts are numbered through.
    pub slices: Vec<Slice>,
    parts: usize,
}

impl<'a> Windows<'a> {
    /// The windows of these workers; `None` if they are too few and too short to say anything.
    pub fn new(series: &'a [Series], looks: &[HeapLook]) -> Option<Self> {
        let each = Window::all(series, looks);
        let (mut slices, mut parts) = (Vec::new(), 0);
        for (window, _) in &each {
            slices.extend(window.slices.iter().map(|slice| Slice { part: parts + slice.part, ..*slice }));
            parts += window.parts;
        }
        let windows = Windows { each, slices, parts };
        (parts >= FEW.get() && windows.span() > 0.0).then_some(windows)
    }

    /// Length of all together.
    pub fn span(&self) -> f64 {
        self.slices.iter().map(|slice| slice.span).sum()
    }

    /// What each of so many places kept, slice by slice; `place` tells a place from its stack.
    pub fn tallies(&self, places: usize, place: impl Fn(Option<u32>) -> usize) -> Vec<SiteGrowth> {
        let mut tallies = vec![SiteGrowth::default(); places];
        let mut first = 0;
        for (window, _) in &self.each {
            window.tally(&mut tallies, &place, first, self.slices.len());
            first += window.slices.len();
        }
        tallies
    }

    /// The same, without the slices.
    pub fn sums(&self, places: usize, place: impl Fn(Option<u32>) -> usize) -> Vec<SiteGrowth> {
        let mut tallies = vec![SiteGrowth::default(); places];
        self.each.iter().for_each(|(window, _)| window.tally(&mut tallies, &place, 0, 0));
        tallies
    }

    /// Bytes allocated, whether they were freed or not, as the looks estimate them.
    pub fn allocated(&self, looks: &[HeapLook]) -> f64 {
        let within = |look: &&HeapLook| {
            let of_worker = |(window, _): &&(Window, &Series)| window.worker == look.worker;
            let times = self.each.iter().find(of_worker).map(|(window, _)| &window.times[..]);
            times.is_some_and(|times| look.t > times[0] && look.t <= times[times.len() - 1])
        };
        looks.iter().filter(within).flat_map(|look| &look.allocated).map(|(_, bytes)| *bytes as f64).sum()
    }

    /// Growth at this tally's rate.
    pub fn rate(&self, tally: &SiteGrowth) -> f64 {
        tally.change / self.span()
    }

    /// Whether what grew at this rate still does in the last third.
    pub fn state(&self, tally: &SiteGrowth, rate: f64) -> SiteState {
        let late = || self.slices.iter().enumerate().filter(|(_, slice)| slice.late);
        let span: f64 = late().map(|(_, slice)| slice.span).sum();
        let change: f64 = late().filter_map(|(place, _)| tally.changes.get(place)).sum();
        let error = tally.late_variance.sqrt().max(f64::MIN_POSITIVE);
        if span > 0.0 && change < LATE * rate * span {
            SiteState::Settled
        } else if student_t_tail(change / error, f64::INFINITY) < ALPHA.get() {
            SiteState::Grows
        } else {
            SiteState::Unproven
        }
    }

    /// Growth with its bounds, and the probability of as much by chance.
    pub fn growth(&self, tally: &SiteGrowth) -> (Interval, f64) {
        let estimate = self.rate(tally);
        let mut parts = vec![0.0; self.parts];
        for (place, slice) in self.slices.iter().enumerate() {
            parts[slice.part] += tally.changes.get(place).unwrap_or(&0.0) - estimate * slice.span;
        }
        let count = self.parts as f64;
        let residuals: f64 = parts.iter().map(|rest| rest * rest).sum();
        let uneven = (count / (count - 1.0) * residuals).sqrt() / self.span();
        let sampled = tally.variance.sqrt() / self.span();
        let both = [(uneven, count - 1.0), (sampled, f64::INFINITY)];
        let half = both.iter().map(|(error, df)| error * student_t(1.0 - ALPHA.get(), *df)).fold(0.0, f64::max);
        let chance = both.iter().map(|(error, df)| student_t_tail(estimate / error.max(f64::MIN_POSITIVE), *df));
        let interval =
            Interval { estimate, lower: estimate - half, upper: estimate + half, confidence: 1.0 - 2.0 * ALPHA.get() };
        (interval, chance.fold(0.0, f64::max))
    }
}
