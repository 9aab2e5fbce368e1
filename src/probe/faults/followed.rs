//! The sampled pages of one process: which of them stay as they were touched first.

use crate::model::{HeapLost, HeapSource};
use crate::probe::{LiveSample, Snapshot, StackTrace};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use super::pages::PageState;

/// Stacks of one process that are told apart.
const STACKS: usize = 4096;

/// A page that is followed.
#[derive(Debug, Clone, Copy)]
struct Page {
    /// The address in it that was touched first.
    touched: u64,
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    born: u64,
    stack: Option<u32>,
    /// Bytes that came with it.
    bytes: u64,
    /// What was written there, and when that was looked at, as `born` has it.
    print: (u64, u64),
    /// One page in so many was sampled when it was, and where it comes among those, 0 to 1: the first ones stay when there are to be fewer.
    one_in: u64,
    chance: f64,
}

/// The pages of one process that were sampled when they were touched first, and stay as they were then.
#[derive(Debug, Default)]
pub struct Followed {
    pages: HashMap<u64, Page>,
    stacks: Vec<StackTrace>,
    numbers: HashMap<Vec<u64>, u32>,
    /// Samples without a stack.
    stackless: u64,
}

impl Followed {
    /// How many pages are followed.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether this page is followed.
    pub fn has(&self, page: u64) -> bool {
        self.pages.contains_key(&page)
    }

    /// Takes in that code with this stack, if it is known, touched so many bytes first, one page in so many; returns the number of the
    /// stack.
    pub fn touch(&mut self, stack: Option<Vec<u64>>, bytes: u64, one_in: u64) -> Option<u32> {
        let stack = stack.and_then(|frames| self.number(frames));
        match stack {
            Some(stack) => self.stacks[stack as usize].allocated += bytes * one_in,
            None => self.stackless += 1,
        }
        stack
    }

    /// Follows a page of this `stack` from now on, one in so many, with which so many bytes came, and that was `touched` first at an
    /// address and a time; `print` is what is written there, and when that was looked at. What was known of the page before is over.
    pub fn follow(
        &mut self,
        page: u64,
        (touched, born): (u64, u64),
        print: (u64, u64),
        (stack, bytes): (Option<u32>, u64),
        one_in: u64,
    ) {
        let mut hash = DefaultHasher::new();
        hash.write_u64(page);
        hash.write_u64(born);
        let chance = (hash.finish() >> 11) as f64 / (1u64 << 53) as f64;
        self.pages.insert(page, Page { touched, born, stack, bytes, print, one_in, chance });
    }

    /// Takes in that a page that is followed was touched first again at this time, and `state` is what it is now: it is forgotten, unless
    /// that is what it was before, as where a child got a copy of it. Returns whether it was forgotten.
    pub fn touched_again(&mut self, page: u64, time: u64, state: impl FnOnce(u64) -> PageState) -> bool {
        // What was looked at only after that is what was written then.
        let known = self.pages.get(&page).filter(|known| known.print.1 < time);
        let stays = known.is_some_and(|known| state(known.touched) == PageState::There(known.print.0));
        if !stays {
            self.pages.remove(&page);
        }
        !stays
    }

    fn number(&mut self, frames: Vec<u64>) -> Option<u32> {
        if let Some(number) = self.numbers.get(&frames) {
            return Some(*number);
        }
        let number = u32::try_from(self.stacks.len()).ok().filter(|number| (*number as usize) < STACKS)?;
        self.stacks.push(StackTrace { allocated: 0, frames: frames.clone() });
        self.numbers.insert(frames, number);
        Some(number)
    }

    /// Follows no more of them than would have been sampled at one in so many.
    pub fn thin(&mut self, one_in: u64) {
        self.pages.retain(|_, page| page.chance * (one_in as f64) < page.one_in as f64);
    }

    /// Looks at each page, given the address that was touched first, and forgets those that were given back or written over.
    pub fn look(&mut self, mut state: impl FnMut(u64) -> PageState) {
        self.pages.retain(|_, page| match state(page.touched) {
            PageState::There(print) => print == page.print.0,
            PageState::Swapped => true,
            PageState::Gone | PageState::Foreign => false,
        });
    }

    /// What is known now, of pages of `size` bytes of which one in so many is sampled; so many samples were `lost`.
    pub fn snapshot(&self, size: u64, one_in: u64, lost: u64) -> Snapshot {
        let live = self.pages.iter().map(|(address, page)| LiveSample {
            address: *address,
            bytes: page.bytes,
            sampled: size,
            born: page.born,
            stack: page.stack,
        });
        Snapshot {
            source: HeapSource::Pages,
            mean: size * one_in,
            live: live.collect(),
            stacks: self.stacks.clone(),
            lost: HeapLost { samples: lost, stacks: self.stackless, ..HeapLost::default() },
            ..Snapshot::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with(pages: u64, one_in: u64) -> Followed {
        let mut followed = Followed::default();
        for n in 0..pages {
            let stack = followed.touch(Some(vec![n % 3]), 4096, one_in);
            followed.follow(n << 12, ((n << 12) + 8, n), (n, n + 10), (stack, 4096), one_in);
        }
        followed
    }

    #[test]
    fn what_is_gone_or_written_over_is_forgotten() {
        let mut followed = with(4, 1);
        followed.look(|touched| match touched >> 12 {
            0 => PageState::Gone,
            1 => PageState::There(77),
            2 => PageState::There(2),
            _ => PageState::Swapped,
        });
        let mut left: Vec<u64> = followed.snapshot(4096, 1, 0).live.iter().map(|live| live.address >> 12).collect();
        left.sort_unstable();
        assert_eq!(left, [2, 3]);
        assert!(followed.has(2 << 12) && !followed.has(0));
    }

    #[test]
    fn a_page_that_is_touched_first_again_was_given_back_unless_it_is_what_it_was() {
        let mut followed = with(3, 1);
        assert!(!followed.touched_again(1 << 12, 50, |_| PageState::There(1)) && followed.has(1 << 12));
        assert!(followed.touched_again(2 << 12, 50, |_| PageState::There(7)) && !followed.has(2 << 12));
        // It was looked at only after that.
        assert!(followed.touched_again(0, 5, |_| PageState::There(0)) && !followed.has(0));
        assert!(followed.touched_again(99 << 12, 50, |_| PageState::There(7)));
    }

    #[test]
    fn stacks_are_told_apart_up_to_a_number_and_add_up() {
        let mut followed = with(9, 7);
        followed.touch(None, 4096, 7);
        let snapshot = followed.snapshot(4096, 7, 5);
        assert_eq!(snapshot.stacks.iter().map(|stack| stack.allocated).collect::<Vec<_>>(), [3 * 7 * 4096; 3]);
        assert_eq!((snapshot.mean, snapshot.lost.samples, snapshot.lost.stacks), (7 * 4096, 5, 1));
        for n in 0..STACKS as u64 + 10 {
            followed.touch(Some(vec![n, n]), 4096, 1);
        }
        assert_eq!(followed.snapshot(4096, 7, 0).stacks.len(), STACKS);
    }

    proptest! {
        #[test]
        fn thinning_leaves_the_part_that_it_should_whatever_the_way_there(periods in prop::collection::vec(2u64..6, 1..4)) {
            let mut followed = with(20_000, 1);
            let mut period = 1;
            for factor in periods {
                period *= factor;
                followed.thin(period);
            }
            let mut at_once = with(20_000, 1);
            at_once.thin(period);
            prop_assert_eq!(at_once.len(), followed.len());
            let expected = 20_000.0 / period as f64;
            prop_assert!((followed.len() as f64 - expected).abs() < 5.0 * expected.sqrt());
        }
    }
}
