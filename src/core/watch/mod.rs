//! Series that are watched without an end: when each is looked at, and when a leak in one is told.
//!
//! A series is judged by windows that share no reading, one after the other, all of one length: twice as long as the load's own rhythm, for the
//! rise of a morning can't be told from a leak before it has come again and was taken back. Each window is a test, and they are put together to a bet that it leaks
//! ([`crate::stats::Bet`]). A leak is told when two windows in a row prove it, and its bet is worth enough among those of the whole fleet
//! ([`crate::stats::enough`]). It is withdrawn when another life begins, or a window is proven to be clean.
//! A process that restarts before a window of it is over is judged over its lives, as a recycled worker is, or it would never be.

mod life;

pub use life::{Life, last_life};

use crate::model::RunRecord;
use crate::stats::{Bet, LEVELS, enough};
use crate::verdict::{is_proven_clean, leaks_at};
use serde::{Deserialize, Serialize};

/// Of all leaks that are told, the part that may be none, on average.
pub const FALSE_DISCOVERIES: f64 = 0.05;
/// Windows in a row that must prove a leak: what fills up for as long as one window lasts must not be told.
const IN_A_ROW: u32 = 2;
/// What is known of a series; times are Unix times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// When it was first judged.
    pub first_seen: f64,
    /// Until when its readings have been judged.
    judged: f64,
    /// The last reading so far.
    last: f64,
    /// The last reading of the worker that its life began with: for a while, one that has ended is still taken for it.
    until: f64,
    bet: Bet,
    /// When the life that goes on began, as far as is known.
    begun: f64,
    /// Whether a window of that life alone was judged.
    by_itself: bool,
    /// Windows up to now, one after the other, that proved a leak.
    in_a_row: u32,
    /// Since when it is told to leak.
    pub told: Option<f64>,
}

impl Watched {
    /// A series that is seen for the first time.
    pub fn new(now: f64, life: Life) -> Watched {
        let Life { begun, until, last, .. } = life;
        Watched {
            first_seen: now,
            judged: begun,
            last,
            until,
            bet: Bet::default(),
            begun,
            by_itself: false,
            in_a_row: 0,
            told: None,
        }
    }

    /// Follows the series to its last reading. If it began after the last reading of the one before, that is another life, of which nothing is known yet,
    /// unless the one before was too short to be judged by itself.
    pub fn follow(&mut self, life: Life) {
        if life.is_whole && life.begun > self.until {
            if self.by_itself {
                *self = Watched::new(self.first_seen, life);
            }
            self.begun = life.begun;
        }
        self.until = life.until;
        self.last = self.last.max(life.last);
    }

    /// The moment after which readings haven't been judged, if they make a window of so many seconds.
    pub fn window(&self, length: f64) -> Option<f64> {
        (self.last >= self.judged + length).then_some(self.judged)
    }

    /// Takes in its window, which ends with the last reading.
    pub fn look(&mut self, window: &RunRecord) {
        let level = leaks_at(window, &LEVELS);
        self.bet.take(level);
        self.by_itself |= self.judged >= self.begun;
        self.judged = self.last;
        self.in_a_row = if level.is_some() { self.in_a_row.saturating_add(1) } else { 0 };
        if level.is_none() && self.told.is_some() && is_proven_clean(window) {
            self.told = None;
            self.bet.give_up();
        }
    }

    /// When it was read last.
    pub fn last(&self) -> f64 {
        self.last
    }

    /// Looks spent on this life.
    pub fn looks(&self) -> u32 {
        self.bet.tests()
    }

    /// Whether its numbers can be true; what was read from elsewhere may not be.
    pub fn is_sound(&self) -> bool {
        let times = [self.first_seen, self.begun, self.judged, self.until, self.last];
        times.iter().all(|t| t.is_finite()) && self.bet.is_sound() && self.told.is_none_or(f64::is_finite)
    }
}

/// Tells the leaks of a fleet, of all whose series are given.
pub fn tell<'a>(now: f64, series: impl IntoIterator<Item = &'a mut Watched>) {
    let mut series: Vec<&mut Watched> = series.into_iter().collect();
    let worth: Vec<f64> = series.iter().map(|one| one.bet.worth()).collect();
    let enough = enough(&worth, FALSE_DISCOVERIES);
    for one in series.iter_mut().filter(|one| one.in_a_row >= IN_A_ROW && one.bet.worth() >= enough) {
        one.told.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests;
