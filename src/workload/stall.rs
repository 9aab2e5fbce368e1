//! Stretches of time in which the harness itself did not run: stopped by a signal, or without a CPU.
//!
//! What was due then was not asked for, and what was under way then took no longer for it: neither is the server's
//! doing. The driver's thread looks many times a second while a phase goes on, so a long time between two looks is one
//! in which it did not run; a server that stalls can't cause that, because nothing in the thread waits for it.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The time between two looks from which on it was a stall; a busy machine alone doesn't come near it.
const LONGEST: Duration = Duration::from_secs(1);

/// Stalls of the driver's thread.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    last: Cell<Option<Instant>>,
    /// When the last stall was over.
    over: Cell<Option<Instant>>,
    lost: Cell<Duration>,
}

impl Stalls {
    /// A phase begins: how long ago the one before ended says nothing.
    pub(super) fn begin(&self, now: Instant) {
        self.last.set(Some(now));
    }

    /// The thread runs now.
    pub(super) fn look(&self, now: Instant) {
        let gap = self.last.replace(Some(now)).map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        if gap > LONGEST {
            self.lost.set(self.lost.get() + gap);
            self.over.set(Some(now));
        }
    }

    /// The time that was lost so far, in all phases.
    pub(super) fn lost(&self) -> Duration {
        self.lost.get()
    }

    /// Whether a stall came after `begun`.
    pub(super) fn since(&self, begun: Instant) -> bool {
        self.over.get().is_some_and(|over| over > begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_gaps_within_a_phase_are_stalls() {
        let (stalls, origin) = (Stalls::default(), Instant::now());
        let at = |seconds: f64| origin + Duration::from_secs_f64(seconds);
        stalls.begin(at(0.0));
        stalls.look(at(0.9));
        assert_eq!((stalls.lost(), stalls.since(at(0.0))), (Duration::ZERO, false));
        stalls.look(at(30.9));
        stalls.look(at(31.0));
        assert_eq!(stalls.lost(), Duration::from_secs(30));
        assert!(stalls.since(at(0.5)) && !stalls.since(at(30.9)) && !stalls.since(at(31.0)));
        stalls.begin(at(90.0));
        stalls.look(at(90.1));
        assert_eq!(stalls.lost(), Duration::from_secs(30));
    }
}
