//! Which blocks of a worker's sample came and which went between one look and the next.

use crate::model::SampledBlock;
use crate::probe::Snapshot;
use std::collections::HashMap;

/// A block that is followed: its address, when it was allocated, and how many bytes of it are live. An address that is
/// used again has another birth, and a mapping that shrank counts as another block.
type Key = (u64, u64, u64);

/// Follows one worker's sample.
#[derive(Debug, Default)]
pub struct Tracker {
    known: HashMap<Key, u32>,
    next: u32,
    /// What each of the process's stacks had allocated, by its number in the process.
    allocated: Vec<u64>,
}

/// What has changed since the look before.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// Blocks that came.
    pub came: Vec<Came>,
    /// Numbers of blocks that went, in their order.
    pub went: Vec<u32>,
    /// Bytes allocated, by the number of the stack in the run.
    pub allocated: Vec<(u32, u64)>,
}

/// A block that came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Came {
    stack: Option<u32>,
    size: u64,
    live: u64,
    /// When it was allocated, in nanoseconds of `CLOCK_MONOTONIC`.
    pub born_ns: u64,
}

impl Came {
    /// The block as it is recorded, born at this second of the run.
    pub fn at(&self, born: f64) -> SampledBlock {
        let live = (self.live != self.size).then_some(self.live);
        // A microsecond is more than enough, and keeps the lines short.
        SampledBlock { stack: self.stack, size: self.size, live, born: (born * 1e6).round() / 1e6 }
    }
}

impl Tracker {
    /// Takes a look in; `number` gives a stack of that process its number in the run.
    pub fn update(&mut self, snapshot: &Snapshot, mut number: impl FnMut(u32) -> u32) -> Changes {
        let mut changes = Changes::default();
        let mut now = HashMap::with_capacity(snapshot.live.len());
        let mut live: Vec<_> = snapshot.live.iter().collect();
        live.sort_unstable_by_key(|block| block.born);
        for block in live {
            let key = (block.address, block.born, block.bytes);
            let known = self.known.remove(&key).unwrap_or_else(|| {
                let stack = block.stack.map(&mut number);
                changes.came.push(Came { stack, size: block.sampled, live: block.bytes, born_ns: block.born });
                let place = self.next;
                self.next += 1;
                place
            });
            now.insert(key, known);
        }
        changes.went.extend(self.known.values());
        changes.went.sort_unstable();
        self.known = now;
        self.allocated.resize(snapshot.stacks.len().max(self.allocated.len()), 0);
        for (local, (stack, before)) in snapshot.stacks.iter().zip(&mut self.allocated).enumerate() {
            if stack.allocated > *before {
                changes.allocated.push((number(local as u32), stack.allocated - *before));
                *before = stack.allocated;
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{LiveSample, StackTrace};

    fn look(blocks: &[(u64, u64, u64)]) -> Snapshot {
        let live = blocks.iter().map(|&(address, born, bytes)| LiveSample {
            address,
            born,
            bytes,
            sampled: 100,
            stack: Some(3),
        });
        Snapshot { live: live.collect(), ..Snapshot::default() }
    }

    #[test]
    fn what_came_and_went_is_told_once() {
        let mut tracker = Tracker::default();
        let first = tracker.update(&look(&[(2, 20, 100), (1, 10, 100)]), |stack| stack + 1);
        assert_eq!(first.came.iter().map(|c| (c.born_ns, c.stack)).collect::<Vec<_>>(), [(10, Some(4)), (20, Some(4))]);
        assert_eq!(tracker.update(&look(&[(2, 20, 100), (1, 10, 100)]), |s| s), Changes::default());
        // The first address is used again, and the second block, a mapping, has shrunk.
        let third = tracker.update(&look(&[(1, 30, 100), (2, 20, 60)]), |s| s);
        assert_eq!(third.went, [0, 1]);
        let block = third.came[0].at(0.123_456_78);
        assert_eq!(block, SampledBlock { stack: Some(3), size: 100, live: Some(60), born: 0.123_457 });
        assert_eq!(third.came[1].at(1.0).live, None);
        assert_eq!(tracker.update(&look(&[]), |s| s).went, [2, 3]);
    }

    #[test]
    fn what_was_allocated_is_told_as_it_rises() {
        let stacks = |allocated: &[u64]| {
            let stacks = allocated.iter().map(|&allocated| StackTrace { allocated, frames: vec![7] });
            Snapshot { stacks: stacks.collect(), ..Snapshot::default() }
        };
        let mut tracker = Tracker::default();
        assert_eq!(tracker.update(&stacks(&[100, 0]), |s| s + 5).allocated, [(5, 100)]);
        assert_eq!(tracker.update(&stacks(&[100, 30, 7]), |s| s + 5).allocated, [(6, 30), (7, 7)]);
        assert_eq!(tracker.update(&stacks(&[100]), |s| s + 5).allocated, []);
    }
}
