//! Evidence that may be looked at any time, for ever, and of many at once.
//!
//! A bet against a claim is fair if it isn't expected to gain while the claim holds. What it is worth is an e-value: the chance that it
//! ever comes to `x` times its stake is `1/x` at most, whenever it is looked at (Ville 1939; Ramdas, Grünwald, Vovk & Shafer 2023, "Game-theoretic
//! statistics and safe anytime-valid inference"). From a test that errs with probability `a`, a bet is made that pays `1/a` if it
//! rejects (Vovk & Wang 2021, "E-values: calibration, combination and applications").
//!
//! Nobody knows when a leak begins. So a part of the stake is put aside for each time it may begin at, `1/(k (k+1))` for
//! the k-th: a mixture of fair bets is fair, and the parts add up to the whole stake, without an end.

use crate::limits::MOST_WORTH;
use serde::{Deserialize, Serialize};

/// Error probabilities at which a test is asked, from the weakest: that of a verdict, and two that are stricter. None is beyond
/// 1 in 10,000, because no model of noise is right so far out.
pub const LEVELS: [f64; 3] = [0.01, 0.001, 0.0001];
/// The part of the stake on each level; what is left of it is kept, so that one test that rejects nothing doesn't end the bet.
const STAKE: f64 = 1.0 / (LEVELS.len() + 1) as f64;

/// A bet that a claim is wrong from some time on; the claim is tested again and again, by readings that are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Bet {
    /// Tests so far.
    tests: u32,
    /// What the parts of the stake that were in play have become.
    worth: f64,
}

impl Bet {
    /// Takes in a test, and the strictest of [`LEVELS`] at which it rejects the claim, by its place; `None` if it doesn't.
    pub fn take(&mut self, level: Option<usize>) {
        let k = f64::from(self.tests) + 1.0;
        self.tests = self.tests.saturating_add(1);
        let kept = 1.0 - STAKE * LEVELS.len() as f64;
        let rejected = level.map_or(0, |level| level + 1);
        let paid: f64 = LEVELS.iter().take(rejected).map(|level| STAKE / level).sum();
        self.worth = ((self.worth + 1.0 / (k * (k + 1.0))) * (kept + paid)).min(MOST_WORTH);
    }

    /// What it is worth by now: 1 before the first test, and no more than that on average while the claim holds.
    pub fn worth(&self) -> f64 {
        self.worth + 1.0 / (f64::from(self.tests) + 1.0)
    }

    /// Tests so far.
    pub fn tests(&self) -> u32 {
        self.tests
    }

    /// Lets go of what was won: only what is still put aside remains.
    pub fn give_up(&mut self) {
        self.worth = 0.0;
    }

    /// Whether its numbers can be those of a bet; what was read from elsewhere may not be.
    pub fn is_sound(&self) -> bool {
        (0.0..=MOST_WORTH).contains(&self.worth)
    }
}

/// What a bet must be worth for its claim to be given up, so that of all claims that are given up a part of `rate` at most holds, on
/// average: the e-BH procedure, which is right however the bets depend on each other (Wang & Ramdas 2022, "False discovery rate control with
/// e-values"). Infinite if none is worth enough.
pub fn enough(worth: &[f64], rate: f64) -> f64 {
    let mut sorted = worth.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let all = sorted.len() as f64;
    let least = |given_up: usize| all / (rate * given_up as f64);
    (1..=sorted.len())
        .rev()
        .map(least)
        .zip(sorted.iter().rev())
        .find(|(least, worth)| *worth >= least)
        .map_or(f64::INFINITY, |(least, _)| least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The place of the strictest level at which a test whose p-value is this rejects.
    fn level(p: f64) -> Option<usize> {
        LEVELS.iter().rposition(|level| p <= *level)
    }

    #[test]
    fn while_the_claim_holds_it_seldom_gains_at_any_time() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut sum, mut ever) = (0.0, 0);
        const BETS: usize = 20_000;
        for _ in 0..BETS {
            let mut bet = Bet::default();
            let mut most = 0.0_f64;
            for _ in 0..100 {
                bet.take(level(rng.random()));
                most = most.max(bet.worth());
            }
            sum += bet.worth();
            ever += usize::from(most >= 50.0);
        }
        let mean = sum / BETS as f64;
        assert!(mean < 1.3, "{mean}");
        assert!(ever as f64 / BETS as f64 <= 1.0 / 50.0, "{ever}");
    }

    #[test]
    fn a_leak_is_worth_much_soon_however_late_it_begins() {
        for late in [0, 10, 100] {
            let mut bet = Bet::default();
            (0..late).for_each(|_| bet.take(None));
            assert!(bet.worth() < 1.01, "{late}");
            (0..3).for_each(|_| bet.take(Some(2)));
            assert!(bet.worth() > 1e5, "{late}: {}", bet.worth());
            bet.give_up();
            assert!(bet.worth() < 1.0);
        }
    }

    #[test]
    fn what_is_enough_depends_on_how_many_there_are_to_tell() {
        assert_eq!(enough(&[], 0.05), f64::INFINITY);
        assert_eq!(enough(&[19.0], 0.05), f64::INFINITY);
        assert_eq!(enough(&[20.0], 0.05), 20.0);
        // By hand: of four, e-BH needs 80 for one, 40 for two, 26.7 for three.
        assert_eq!(enough(&[50.0, 1.0, 45.0, 0.5], 0.05), 40.0);
        assert_eq!(enough(&[79.0, 39.0, 26.0, 1.0], 0.05), f64::INFINITY);
    }

    proptest! {
        #[test]
        fn no_course_makes_it_unsound(levels in proptest::collection::vec(proptest::option::of(0usize..3), 0..300)) {
            let mut bet = Bet::default();
            for level in levels {
                bet.take(level);
                prop_assert!(bet.is_sound() && bet.worth() > 0.0);
            }
        }
    }
}
