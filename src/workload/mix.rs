//! The mix of steps over a run: weights that change from block to block, around the configured ones.
//!
//! Steps that are always mixed alike grow side by side, and no regression can tell which of them leaks. So a soak is cut
//! into blocks, each with weights of its own. Blocks come in pairs that mirror each other: what a step gets more of in
//! one, it gets less of in the other, so that a pair of blocks with equally many requests has the configured mix exactly.

use crate::config::WorkloadConfig;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// By how much a weight is changed at most, as a part of itself.
const AMPLITUDE: f64 = 0.75;
/// Blocks of a soak; more if there are many steps to tell apart.
const BLOCKS: u32 = 24;
const BLOCKS_OF_MANY: u32 = 40;
/// Steps that are many.
const MANY: usize = 7;
/// Keeps the randomness of blocks apart from that of requests.
const SALT: u64 = 0x6d69_785f_626c_6f63;

/// Blocks into which a soak is cut; none if one step is all there is, or if the mix is to stay as it is.
pub fn mix_blocks(config: &WorkloadConfig) -> u32 {
    match config.steps.iter().filter(|step| step.weight > 0.0).count() {
        _ if !config.vary_mix || config.command.is_some() => 0,
        0 | 1 => 0,
        2..MANY => BLOCKS,
        _ => BLOCKS_OF_MANY,
    }
}

/// The weights of a block, a pure function of the seed and the block's number. They add up to what the configured ones
/// do, are positive where those are, and those of blocks `2n` and `2n + 1` average to them.
pub(super) fn block_weights(weights: &[f64], seed: u64, block: u64) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ SALT);
    random.set_stream(block / 2);
    let draws: Vec<f64> = weights.iter().map(|_| 2.0 * super::plan::unit(random.next_u64()) - 1.0).collect();
    let mean = draws.iter().zip(weights).map(|(d, w)| d * w).sum::<f64>() / total;
    let drawn = || draws.iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(d, _)| (d - mean).abs());
    let most = drawn().fold(0.0, f64::max);
    // One step alone differs from the mean by rounding only.
    let scale = if most > 1e-9 { AMPLITUDE / most } else { 0.0 };
    let sign = if block.is_multiple_of(2) { scale } else { -scale };
    weights.iter().zip(&draws).map(|(w, d)| w * (1.0 + sign * (d - mean))).collect()
}

/// The part of the time that is left for a pair which it is meant to take: a pair that the soak's end cuts off isn't even.
const IN_TIME: f64 = 0.9;

/// Where a soak of limited time stands among its blocks.
///
/// The target may be faster under one mix than under its mirror, and would serve more of it in the same time. So both
/// blocks of a pair have equally many requests: in the first pair as many as its first block's time allowed, later as many
/// as the time that is left allows, at the pace of the last pair.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pairs {
    /// The block under way.
    block: u32,
    /// Requests begun before it.
    since: u64,
    /// Requests of each block of the pair; 0 until the first block has ended.
    each: u64,
    /// The part of the soak's time that was over when the pair began.
    from: f64,
}

impl Pairs {
    /// The block, of `blocks`, of the request before which so many were begun, when this part of the soak's time is over;
    /// `None` once all have been.
    pub(super) fn block(&mut self, blocks: u32, begun: u64, time: f64) -> Option<u32> {
        let served = begun.saturating_sub(self.since);
        if self.each == 0 && served > 0 && time >= 1.0 / f64::from(blocks) {
            self.each = served;
        }
        if self.each > 0 && served >= self.each && self.block < blocks {
            (self.block, self.since) = (self.block + 1, begun);
            let left = blocks - self.block;
            if self.block.is_multiple_of(2) && left > 0 {
                let pace = 2.0 * self.each as f64 / (time - self.from);
                let each = IN_TIME * pace * (1.0 - time) / f64::from(left);
                // Too fast for the clock: then the pace isn't known.
                self.each = if each.is_finite() { (each.round() as u64).max(1) } else { self.each };
                self.from = time;
            }
        }
        (self.block < blocks).then_some(self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One client after the other; requests of the first step take `slow` times as long as those of the second.
    fn soak(weights: [f64; 2], slow: f64, requests: f64, seed: u64) -> (Vec<Option<u32>>, f64) {
        let each = 1.0 / requests / (weights[0] * slow + weights[1]);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut pairs, mut time, mut steps, mut taken) = (Pairs::default(), 0.0, [0.0; 2], Vec::new());
        while time < 1.0 {
            let block = pairs.block(BLOCKS, taken.len() as u64, time);
            let now = block.map_or(weights.to_vec(), |b| block_weights(&weights, seed, u64::from(b)));
            let is_first = super::super::plan::unit(random.next_u64()) < now[0] / now.iter().sum::<f64>();
            steps[usize::from(!is_first)] += 1.0;
            time += each * if is_first { slow } else { 1.0 };
            taken.push(block);
        }
        (taken, steps[0] / (steps[0] + steps[1]))
    }

    #[test]
    fn a_target_that_is_slower_under_one_step_gets_the_configured_mix_all_the_same() {
        for seed in 0..8 {
            let (blocks, share) = soak([0.6, 0.4], 5.0, 50_000.0, seed);
            assert!((share - 0.6).abs() < 0.01, "{share}");
            let last = blocks.iter().rposition(Option::is_some).unwrap();
            assert_eq!(blocks[last], Some(BLOCKS - 1));
            // Little of the soak has no block.
            assert!(last > blocks.len() * 19 / 20, "{last} of {}", blocks.len());
        }
    }

    #[test]
    fn the_rarest_step_varies_most() {
        let shares: Vec<f64> = (0..8).map(|block| block_weights(&[9.0, 1.0], 1, block)[1]).collect();
        assert!(shares.iter().all(|s| (s - 1.75).abs() < 1e-9 || (s - 0.25).abs() < 1e-9), "{shares:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn both_blocks_of_a_pair_have_equally_many_requests(slow in 0.02..50.0f64, requests in 1.0..5000.0f64, seed: u64) {
            let (blocks, _) = soak([0.7, 0.3], slow, requests, seed);
            let of = |block: u32| blocks.iter().filter(|b| **b == Some(block)).count();
            let begun = blocks.iter().flatten().max().map_or(0, |last| last / 2);
            for pair in 0..begun {
                prop_assert_eq!(of(2 * pair), of(2 * pair + 1));
            }
            // Only the last pair may have been cut off, and what comes after all of them has no block.
            prop_assert!(of(2 * begun) >= of(2 * begun + 1) && of(BLOCKS) == 0);
            prop_assert!(blocks.windows(2).all(|w| w[1].is_none_or(|b| w[0].is_some_and(|a| b == a || b == a + 1))));
        }

        #[test]
        fn pairs_of_blocks_have_the_configured_mix(
            weights in prop::collection::vec(prop_oneof![Just(0.0), 0.001..1000.0f64], 1..10),
            seed: u64,
            pair in 0u64..1000,
        ) {
            prop_assume!(weights.iter().sum::<f64>() > 0.0);
            let [even, odd] = [0, 1].map(|k| block_weights(&weights, seed, 2 * pair + k));
            let total: f64 = weights.iter().sum();
            prop_assert!((even.iter().sum::<f64>() / total - 1.0).abs() < 1e-9);
            for ((w, a), b) in weights.iter().zip(&even).zip(&odd) {
                prop_assert!((a + b - 2.0 * w).abs() <= 1e-9 * w);
                prop_assert!((*w > 0.0) == (*a > 0.0 && *b > 0.0));
                prop_assert!((a - w).abs() <= (AMPLITUDE + 1e-9) * w);
            }
        }
    }
}
