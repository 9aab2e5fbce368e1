//! Memory of a process that is read, and of which nothing is believed.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Memory that can be read.
pub trait Memory {
    /// Fills `bytes` with what is at an address; `None` if that can't be read.
    fn fill(&self, address: u64, bytes: &mut [u8]) -> Option<()>;

    /// So many bytes at an address.
    fn bytes<const COUNT: usize>(&self, address: u64) -> Option<[u8; COUNT]> {
        let mut bytes = [0; COUNT];
        self.fill(address, &mut bytes)?;
        Some(bytes)
    }

    /// The word at an address.
    fn word(&self, address: u64) -> Option<u64> {
        self.bytes(address).map(u64::from_ne_bytes)
    }

    /// The half of a word at an address.
    fn half(&self, address: u64) -> Option<u32> {
        self.bytes(address).map(u32::from_ne_bytes)
    }

    /// What is at an address, of a length that the process says itself; `None` if that is more than `most`.
    fn some(&self, address: u64, length: u64, most: usize) -> Option<Vec<u8>> {
        let length = usize::try_from(length).ok().filter(|length| *length <= most)?;
        let mut bytes = vec![0; length];
        self.fill(address, &mut bytes)?;
        Some(bytes)
    }
}

/// `/proc/PID/mem`.
impl Memory for File {
    fn fill(&self, address: u64, bytes: &mut [u8]) -> Option<()> {
        self.read_exact_at(bytes, address).ok()
    }
}

/// Memory that was copied, from address 0 on.
impl Memory for &[u8] {
    fn fill(&self, address: u64, bytes: &mut [u8]) -> Option<()> {
        let from = usize::try_from(address).ok()?;
        bytes.copy_from_slice(self.get(from..)?.get(..bytes.len())?);
        Some(())
    }
}

/// A name as it can be told: text, not too long, and without what moves a cursor.
pub fn name(text: String) -> Option<String> {
    /// The most characters of a name.
    const LONGEST: usize = 300;
    let told = !text.is_empty() && text.chars().count() <= LONGEST && !text.contains(char::is_control);
    told.then_some(text)
}

/// Bytes of a name that are read.
pub const NAME: usize = 1200;

/// Memory that a test has written.
#[cfg(test)]
#[derive(Debug, Default, Clone)]
pub struct Written(pub std::collections::BTreeMap<u64, u8>);

#[cfg(test)]
impl Written {
    pub fn put(&mut self, address: u64, bytes: &[u8]) {
        self.0.extend((address..).zip(bytes.iter().copied()));
    }

    pub fn put_word(&mut self, address: u64, word: u64) {
        self.put(address, &word.to_ne_bytes());
    }
}

#[cfg(test)]
impl Memory for Written {
    fn fill(&self, address: u64, bytes: &mut [u8]) -> Option<()> {
        for (byte, address) in bytes.iter_mut().zip(address..) {
            *byte = *self.0.get(&address)?;
        }
        Some(())
    }
}
