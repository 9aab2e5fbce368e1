//! Request bodies that are sent without being built.
//!
//! A body is a start, a stretch of filling and an end. The filling is read from one shared block of random bytes, over
//! and over from a given offset, so that an upload of hundreds of megabytes costs no memory and no copying.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io::IoSlice;

/// Length of the shared random block in bytes.
const BLOCK: usize = 1 << 20;
/// Most slices that one write is given.
pub(super) const MAX_SLICES: usize = 16;

/// The shared block of random bytes.
pub(super) struct Filling(Box<[u8]>);

impl Filling {
    /// The block of this seed.
    pub(super) fn new(seed: u64) -> Filling {
        let mut block = vec![0; BLOCK].into_boxed_slice();
        ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut block);
        Filling(block)
    }
}

/// One request as it goes over the wire: parts that are sent one after the other.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    /// The head, up to and with the empty line.
    pub(super) head: &'a [u8],
    /// What comes before the filling.
    pub(super) start: &'a [u8],
    /// The filling: its source, where in it to begin, and how many bytes.
    pub(super) filling: &'a Filling,
    /// Where in the block the filling begins.
    pub(super) offset: u64,
    /// Bytes of filling.
    pub(super) filled: u64,
    /// What comes after the filling.
    pub(super) end: &'a [u8],
}

impl<'a> Message<'a> {
    /// Bytes of the whole message.
    pub(super) fn len(&self) -> u64 {
        self.head.len() as u64 + self.body_len()
    }

    /// Bytes of its body.
    pub(super) fn body_len(&self) -> u64 {
        self.start.len() as u64 + self.filled + self.end.len() as u64
    }

    /// Fills `slices` with what comes from byte `from` on, up to byte `to`, and returns how many were filled.
    pub(super) fn slices(&self, from: u64, to: u64, slices: &mut [IoSlice<'a>; MAX_SLICES]) -> usize {
        let mut writer = Slices { skip: from, left: to.saturating_sub(from), slices, used: 0 };
        writer.push(self.head);
        writer.push(self.start);
        self.push_filling(&mut writer);
        writer.push(self.end);
        writer.used
    }

    fn push_filling(&self, writer: &mut Slices<'a, '_>) {
        let block = &self.filling.0;
        if writer.skip >= self.filled {
            writer.skip -= self.filled;
            return;
        }
        let mut at = ((self.offset + writer.skip) % block.len() as u64) as usize;
        let mut left = self.filled - writer.skip;
        writer.skip = 0;
        while left > 0 && !writer.is_full() {
            let length = left.min((block.len() - at) as u64) as usize;
            writer.push(&block[at..at + length]);
            left -= length as u64;
            at = 0;
        }
    }
}

/// Collects slices: skips the first bytes, stops after the last ones.
struct Slices<'a, 'b> {
    skip: u64,
    left: u64,
    slices: &'b mut [IoSlice<'a>; MAX_SLICES],
    used: usize,
}

impl<'a> Slices<'a, '_> {
    fn is_full(&self) -> bool {
        self.left == 0 || self.used == MAX_SLICES
    }

    fn push(&mut self, part: &'a [u8]) {
        let skipped = self.skip.min(part.len() as u64);
        self.skip -= skipped;
        let part = &part[skipped as usize..];
        let length = self.left.min(part.len() as u64) as usize;
        if length > 0 && self.used < MAX_SLICES {
            self.slices[self.used] = IoSlice::new(&part[..length]);
            self.used += 1;
            self.left -= length as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    /// Sends a message in writes that each take at most `most` bytes.
    fn sent(message: &Message, most: u64) -> Vec<u8> {
        let mut sent = Vec::new();
        while (sent.len() as u64) < message.len() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let from = sent.len() as u64;
            let used = message.slices(from, (from + most).min(message.len()), &mut slices);
            assert!(used > 0, "no progress at byte {from}");
            slices[..used].iter().for_each(|slice| sent.extend_from_slice(slice));
        }
        sent
    }

    #[test]
    fn the_same_seed_gives_the_same_filling() {
        assert!(Filling::new(1).0 == Filling::new(1).0);
        assert!(Filling::new(1).0 != Filling::new(2).0);
    }

    #[test]
    fn a_filling_larger_than_one_write_is_sent_whole() {
        let filling = Filling::new(1);
        let filled = (MAX_SLICES * BLOCK) as u64 * 2;
        let message = Message { head: b"head", start: b"", filling: &filling, offset: 5, filled, end: b"end" };
        let sent = sent(&message, u64::MAX / 2);
        assert_eq!(sent.len() as u64, message.len());
        assert_eq!(&sent[4..9], &filling.0[5..10]);
        assert_eq!(&sent[sent.len() - 3..], b"end");
    }

    proptest! {
        #[test]
        fn any_way_of_cutting_sends_the_same_bytes(
            start in proptest::collection::vec(any::<u8>(), 0..20),
            end in proptest::collection::vec(any::<u8>(), 0..20),
            filled in 0u64..3000,
            offset in (BLOCK as u64 - 2000)..BLOCK as u64,
            most in 1u64..500,
        ) {
            static FILLING: LazyLock<Filling> = LazyLock::new(|| Filling::new(1));
            let filling = &*FILLING;
            let message = Message { head: b"GET", start: &start, filling, offset, filled, end: &end };
            let body = (0..filled).map(|i| filling.0[((offset + i) % BLOCK as u64) as usize]);
            let whole: Vec<u8> = b"GET".iter().copied().chain(start.clone()).chain(body).chain(end.clone()).collect();
            prop_assert_eq!(sent(&message, most), whole);
        }
    }
}
