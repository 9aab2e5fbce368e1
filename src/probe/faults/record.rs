//! What the kernel writes into a ring about faults of pages, as bytes and as what they mean.

use super::registers::COUNT;

/// Types of records (`enum perf_event_type`).
const LOST: u32 = 2;
const THROTTLED: u32 = 5;
const SAMPLE: u32 = 9;
const LOST_SAMPLES: u32 = 13;

/// Registers of a process of 64 bits (`PERF_SAMPLE_REGS_ABI_64`).
const ABI_64: u64 = 2;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// A page was touched that wasn't there.
    Fault(Fault<'a>),
    /// So many faults at least were not told: their records found no room, or the kernel thought that they came too fast.
    Lost(u64),
    /// Something else, or a record that doesn't hold together.
    Other,
}

/// A page was touched that wasn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault<'a> {
    /// The process.
    pub pid: u32,
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// The address that was touched.
    pub address: u64,
    /// Registers of the code that did, as [`registers`](super::registers) has them.
    pub registers: [u64; COUNT],
    /// What lay on the stack from its pointer on, as far as it was copied.
    pub stack: &'a [u8],
}

/// The record at the beginning of `bytes` and what follows it; `None` if there is no whole record any more.
pub fn parse(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let mut head = Reader(bytes);
    let kind = head.half()?;
    // Its upper half is the size, its lower one says in which mode it was.
    let size = (head.half()? >> 16) as usize;
    let body = bytes.get(8..size)?;
    let record = match kind {
        SAMPLE => fault(Reader(body)).map(Record::Fault),
        LOST => Reader(body).skip_word().and_then(|mut body| body.word()).map(Record::Lost),
        THROTTLED => Some(Record::Lost(1)),
        LOST_SAMPLES => Reader(body).word().map(Record::Lost),
        _ => None,
    };
    Some((record.unwrap_or(Record::Other), &bytes[size..]))
}

fn fault(mut body: Reader<'_>) -> Option<Fault<'_>> {
    let (pid, _thread) = (body.half()?, body.half()?);
    let (time, address) = (body.word()?, body.word()?);
    if body.word()? != ABI_64 {
        return None;
    }
    let mut registers = [0; COUNT];
    for register in &mut registers {
        *register = body.word()?;
    }
    let size = usize::try_from(body.word()?).ok()?;
    let copied = body.bytes(size)?;
    let filled = if size > 0 { usize::try_from(body.word()?).ok()? } else { 0 };
    let stack = &copied[..filled.min(size)];
    Some(Fault { pid, time, address, registers, stack })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn word(&mut self) -> Option<u64> {
        Some(u64::from_ne_bytes(*self.bytes(8)?.first_chunk()?))
    }

    fn half(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(*self.bytes(4)?.first_chunk()?))
    }

    fn skip_word(mut self) -> Option<Self> {
        self.word().map(|_| self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record of this type.
    fn record(kind: u32, body: &[u64]) -> Vec<u8> {
        let size = (8 + 8 * body.len()) as u32;
        let mut bytes = [kind.to_ne_bytes(), (size << 16 | 2).to_ne_bytes()].concat();
        bytes.extend(body.iter().flat_map(|word| word.to_ne_bytes()));
        bytes
    }

    fn sample(abi: u64, stack: &[u64], filled: u64) -> Vec<u8> {
        let mut body = vec![u64::from(7u32) | 8 << 32, 1000, 0x7000_1008, abi];
        body.extend(1..=COUNT as u64);
        body.push(8 * stack.len() as u64);
        body.extend(stack);
        body.push(filled);
        record(SAMPLE, &body)
    }

    #[test]
    fn records_are_read_one_after_the_other() {
        let bytes = [sample(ABI_64, &[5, 6], 8), record(LOST, &[1, 9]), record(LOST_SAMPLES, &[4]), record(3, &[0])];
        let bytes = bytes.concat();
        let mut rest = &bytes[..];
        let mut next = || {
            let (record, after) = parse(rest).unwrap();
            rest = after;
            record
        };
        let Record::Fault(fault) = next() else { panic!("no fault") };
        assert_eq!((fault.pid, fault.time, fault.address), (7, 1000, 0x7000_1008));
        assert_eq!((fault.registers[0], fault.stack), (1, &5u64.to_ne_bytes()[..]));
        assert_eq!([next(), next(), next()], [Record::Lost(9), Record::Lost(4), Record::Other]);
        assert_eq!(parse(rest), None);
    }

    #[test]
    fn what_does_not_hold_together_is_no_fault() {
        let other = |bytes: Vec<u8>| assert_eq!(parse(&bytes).unwrap().0, Record::Other);
        other(sample(1, &[5, 6], 8));
        other(record(SAMPLE, &[1, 2, 3]));
        let mut longer = sample(ABI_64, &[5, 6], 8);
        let size_of_stack = 8 + 8 * (4 + COUNT);
        longer[size_of_stack..][..8].copy_from_slice(&u64::MAX.to_ne_bytes());
        other(longer);
        // A record that is shorter than its head, and one that isn't whole.
        assert_eq!(parse(&[9, 0, 0, 0, 0, 0, 4, 0]), None);
        assert_eq!(parse(&sample(ABI_64, &[5], 8)[..40]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..400), size in 0u16..400) {
            let mut bytes = bytes;
            if bytes.len() > 8 {
                bytes[..4].copy_from_slice(&SAMPLE.to_ne_bytes());
                bytes[6..8].copy_from_slice(&size.to_ne_bytes());
            }
            let mut rest = &bytes[..];
            while let Some((_, after)) = parse(rest) {
                prop_assert!(after.len() < rest.len());
                rest = after;
            }
        }
    }
}
