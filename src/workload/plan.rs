//! From a seed to requests.
//!
//! Request number `n` of a run is a pure function of the seed, `n` and the block of the mix that it falls into: which
//! step, how large, whether and where it is broken off. So the same seed sends the same requests, whatever the server
//! does and however many connections there are.

use super::mix::block_weights;
use crate::config::{AbortPoint, Size};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;

/// The place of a request in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Its number.
    pub(super) number: u64,
    /// The block of the mix, of those of all soaks; `None` where the weights are the configured ones.
    pub(super) block: Option<u64>,
}

/// What is drawn for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// Index of its step.
    pub(super) step: usize,
    /// Bytes of filling in its body.
    pub(super) filled: u64,
    /// Where in the block of random bytes the filling begins.
    pub(super) offset: u64,
    /// How it is broken off, if it is.
    pub(super) abort: Option<Abort>,
}

/// How a request is broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abort {
    /// When.
    pub(super) point: AbortPoint,
    /// The place in the body as a fraction of its length, in 2^-64.
    place: u64,
}

impl Abort {
    /// Bytes of a body of `length` bytes that are sent: all of it, or less than all.
    pub(super) fn bytes(&self, length: u64) -> u64 {
        match self.point {
            AbortPoint::AfterBody => length,
            AbortPoint::MidBody | AbortPoint::SlowDrip => scale(self.place, length),
        }
    }
}

/// What a plan has to know of a step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drawn {
    /// How often it is drawn, relative to the others.
    pub(super) weight: f64,
    /// Size of the filling, if it has one.
    pub(super) size: Option<Size>,
    /// Share of aborted requests, 0 to 1, and when they are aborted.
    pub(super) abort: Option<(f64, AbortPoint)>,
}

/// The plan of a run: a request for every number.
#[derive(Debug, Clone)]
pub(super) struct RequestPlan {
    random: ChaCha8Rng,
    seed: u64,
    steps: Vec<Drawn>,
    /// Sums of the weights up to each step.
    sums: Vec<f64>,
    /// The same of the last block that was asked for.
    block: RefCell<(Option<u64>, Vec<f64>)>,
}

impl RequestPlan {
    /// A plan over these steps; their weights must be finite and positive in sum.
    pub(super) fn new(seed: u64, steps: Vec<Drawn>) -> RequestPlan {
        let sums = sums(steps.iter().map(|step| step.weight));
        RequestPlan { random: ChaCha8Rng::seed_from_u64(seed), seed, steps, sums, block: RefCell::default() }
    }

    /// The request at this place.
    pub(super) fn request(&self, place: Place) -> Request {
        let mut random = self.random.clone();
        random.set_stream(place.number);
        // Every request draws the same numbers in the same order, so that a change to one step leaves the others.
        let [choice, abort, at, size, offset] = std::array::from_fn(|_| random.next_u64());
        let step = match place.block {
            None => self.choose(choice, &self.sums),
            Some(block) => self.choose_in(block, choice),
        };
        let drawn = &self.steps[step];
        Request {
            step,
            filled: drawn.size.map_or(0, |distribution| draw_size(distribution, size)),
            offset: offset >> 32,
            abort: drawn.abort.filter(|(share, _)| unit(abort) < *share).map(|(_, point)| Abort { point, place: at }),
        }
    }

    fn choose_in(&self, block: u64, choice: u64) -> usize {
        let mut kept = self.block.borrow_mut();
        if kept.0 != Some(block) {
            let weights: Vec<f64> = self.steps.iter().map(|step| step.weight).collect();
            *kept = (Some(block), sums(block_weights(&weights, self.seed, block).into_iter()));
        }
        self.choose(choice, &kept.1)
    }

    fn choose(&self, choice: u64, sums: &[f64]) -> usize {
        let total = sums.last().copied().unwrap_or(0.0);
        let target = unit(choice) * total;
        // Rounding could lead past the end; the last step with a weight is then the right one.
        let past = self.steps.iter().rposition(|step| step.weight > 0.0).unwrap_or(0);
        sums.partition_point(|&sum| sum <= target).min(past)
    }
}

/// Sums of the weights up to each.
fn sums(weights: impl Iterator<Item = f64>) -> Vec<f64> {
    let add = |sum: &mut f64, weight| {
        *sum += weight;
        Some(*sum)
    };
    weights.scan(0.0, add).collect()
}

fn draw_size(distribution: Size, draw: u64) -> u64 {
    match distribution {
        Size::Fixed(size) => size.0,
        Size::Uniform([low, high]) => low.0 + scale(draw, (high.0 - low.0).saturating_add(1)),
        Size::LogUniform([low, high]) => {
            let from = (low.0.max(1) as f64).ln();
            let to = (high.0 as f64 + 1.0).ln();
            let size = (from + unit(draw) * (to - from)).exp() as u64;
            size.clamp(low.0, high.0)
        }
    }
}

/// Maps 64 random bits to [0, 1).
pub(super) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// Maps 64 random bits to 0..bound by multiplication (Lemire, 2019, without the rejection: the bias is under
/// bound / 2^64). 0 for a bound of 0.
fn scale(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Bytes;
    use proptest::prelude::*;

    fn drawn(weight: f64) -> Drawn {
        Drawn { weight, size: None, abort: None }
    }

    fn at(number: u64) -> Place {
        Place { number, block: None }
    }

    #[test]
    fn a_block_has_its_own_mix_and_a_pair_the_configured_one() {
        let plan = RequestPlan::new(1, vec![drawn(1.0), drawn(3.0)]);
        let first = |block| (0..20_000).filter(|n| plan.request(Place { number: *n, block }).step == 0).count() as f64;
        let [plain, even, odd] = [None, Some(4), Some(5)].map(first);
        assert!((even - plain).abs() > 3000.0 && ((even + odd) / 2.0 - plain).abs() < 200.0, "{plain} {even} {odd}");
    }

    #[test]
    fn the_same_seed_plans_the_same_requests() {
        let steps = vec![
            drawn(1.0),
            Drawn {
                weight: 2.0,
                size: Some(Size::LogUniform([Bytes(1), Bytes(1 << 20)])),
                abort: Some((0.2, AbortPoint::MidBody)),
            },
        ];
        let requests =
            |seed| (0..500).map(|n| RequestPlan::new(seed, steps.clone()).request(at(n))).collect::<Vec<_>>();
        assert_eq!(requests(7), requests(7));
        assert_ne!(requests(7), requests(8));
    }

    #[test]
    fn steps_are_drawn_by_their_weights() {
        let plan = RequestPlan::new(1, vec![drawn(1.0), drawn(0.0), drawn(3.0), drawn(0.0)]);
        let mut counts = [0; 4];
        (0..20_000).for_each(|n| counts[plan.request(at(n)).step] += 1);
        assert_eq!([counts[1], counts[3]], [0, 0]);
        // Five standard deviations of a binomial count.
        assert!((counts[2] as f64 - 15_000.0).abs() < 5.0 * (20_000.0f64 * 0.25 * 0.75).sqrt(), "{counts:?}");
    }

    #[test]
    fn a_share_of_requests_is_aborted_inside_the_body() {
        let abort = Some((0.05, AbortPoint::MidBody));
        let plan = RequestPlan::new(1, vec![Drawn { weight: 1.0, size: Some(Size::Fixed(Bytes(1000))), abort }]);
        let aborts: Vec<Abort> = (0..20_000).filter_map(|n| plan.request(at(n)).abort).collect();
        assert!((aborts.len() as f64 - 1000.0).abs() < 5.0 * (20_000.0f64 * 0.05 * 0.95).sqrt(), "{}", aborts.len());
        assert!(aborts.iter().all(|abort| abort.bytes(1000) < 1000));
        let mean = aborts.iter().map(|abort| abort.bytes(1000) as f64).sum::<f64>() / aborts.len() as f64;
        assert!((mean - 500.0).abs() < 60.0, "{mean}");
    }

    #[test]
    fn log_uniform_sizes_visit_every_order_of_magnitude_equally() {
        let size = Size::LogUniform([Bytes(1000), Bytes(1_000_000)]);
        let plan = RequestPlan::new(1, vec![Drawn { size: Some(size), ..drawn(1.0) }]);
        let mut decades = [0; 3];
        (0..9000).for_each(|n| decades[(plan.request(at(n)).filled as f64 / 1000.0).log10().min(2.5) as usize] += 1);
        assert!(decades.iter().all(|&count: &i32| (count - 3000).abs() < 250), "{decades:?}");
    }

    proptest! {
        #[test]
        fn sizes_stay_within_their_bounds(low in 0u64..1 << 40, span in 0u64..1 << 40, draw: u64) {
            let bounds = [Bytes(low), Bytes(low + span)];
            for distribution in [Size::Uniform(bounds), Size::LogUniform(bounds)] {
                let size = draw_size(distribution, draw);
                prop_assert!((low..=low + span).contains(&size));
            }
        }
    }
}
