//! UTF-16 as UTF-8.

use std::io::{self, Read};

/// Bytes that are read at once.
const BLOCK: usize = 64 << 10;

/// Which of the two orders of bytes UTF-16 has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Utf16 {
    Little,
    Big,
}

/// The order of a text that begins with the mark of UTF-16; `None` if it doesn't.
pub(super) fn of(head: &[u8]) -> Option<Utf16> {
    match head {
        [0xff, 0xfe, ..] => Some(Utf16::Little),
        [0xfe, 0xff, ..] => Some(Utf16::Big),
        _ => None,
    }
}

impl Utf16 {
    /// The text of `input` as UTF-8.
    pub fn decode<R: Read>(self, input: R) -> Decoded<R> {
        Decoded { input, order: self, left: Vec::new(), text: Vec::new(), given: 0 }
    }
}

/// A reader of UTF-8 that comes from UTF-16.
#[derive(Debug)]
pub(super) struct Decoded<R> {
    input: R,
    order: Utf16,
    /// Bytes that aren't decoded yet.
    left: Vec<u8>,
    /// Text that is, and how much of it was given.
    text: Vec<u8>,
    given: usize,
}

impl<R: Read> Decoded<R> {
    fn fill(&mut self) -> io::Result<()> {
        while self.given == self.text.len() {
            let read = self.input.by_ref().take(BLOCK as u64).read_to_end(&mut self.left)?;
            if self.left.is_empty() {
                return Ok(());
            }
            let mut units: Vec<u16> = self
                .left
                .chunks_exact(2)
                .map(|pair| match self.order {
                    Utf16::Little => u16::from_le_bytes([pair[0], pair[1]]),
                    Utf16::Big => u16::from_be_bytes([pair[0], pair[1]]),
                })
                .collect();
            // Half of a pair waits for the other half, unless there is none.
            let half = read > 0 && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit));
            if half {
                units.pop();
            }
            let done = if read == 0 { self.left.len() } else { 2 * units.len() };
            self.left.drain(..done);
            let decoded = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
            self.text = decoded.collect::<String>().into_bytes();
            self.given = 0;
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill()?;
        let from = self.text.get(self.given..).unwrap_or_default();
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_are_read_and_what_is_broken_is_marked() {
        let text = format!("\u{feff}zeit;größe 🦀\n{}", "x".repeat(BLOCK));
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [little, big] {
            let mut out = String::new();
            of(&bytes).unwrap().decode(&bytes[..]).read_to_string(&mut out).unwrap();
            assert_eq!(out, text);
        }
        let mut out = String::new();
        Utf16::Little.decode(&b"a\0\x00\xd8b\0\x00\xd8c"[..]).read_to_string(&mut out).unwrap();
        assert_eq!(out, "a\u{fffd}b\u{fffd}");
    }
}
