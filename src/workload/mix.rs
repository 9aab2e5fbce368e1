//! The mix of steps over a run: weights that change from block to block, around the configured ones.
//!
//! Steps that are always mixed alike grow side by side, and no regression can tell which of them leaks. So a soak is cut
//! into blocks, each with weights of its own. Blocks come in pairs that mirror each other: what a step gets more of in
//! one, it gets less of in the other, so that a pair of equally long blocks has the configured mix exactly.

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_rarest_step_varies_most() {
        let shares: Vec<f64> = (0..8).map(|block| block_weights(&[9.0, 1.0], 1, block)[1]).collect();
        assert!(shares.iter().all(|s| (s - 1.75).abs() < 1e-9 || (s - 0.25).abs() < 1e-9), "{shares:?}");
    }

    proptest! {
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
