//! A reader that gives up on a row without an end, such as an unclosed quote in a huge file.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// The longest row, in bytes, with what is read ahead of it.
pub(super) const LONGEST: u64 = 4 << 20;

/// Bytes that may be read until the next row is complete, how many were in all, and the last of them.
#[derive(Clone)]
pub(super) struct Allowance(Rc<Cell<u64>>, Rc<Cell<(u64, u8)>>);

impl Allowance {
    /// A row is complete: the next one may be as long again.
    pub fn renew(&self) {
        self.0.set(LONGEST);
    }

    /// So many bytes may be read from here.
    pub fn set(&self, most: u64) {
        self.0.set(most);
    }

    /// How many bytes were read, and the last of them.
    pub fn read(&self) -> (u64, u8) {
        self.1.get()
    }
}

/// Fails when more than the allowance was read.
pub(super) struct Fuse<R> {
    inner: R,
    left: Allowance,
}

impl<R: Read> Fuse<R> {
    pub fn new(inner: R) -> (Self, Allowance) {
        let left = Allowance(Rc::new(Cell::new(LONGEST)), Rc::new(Cell::new((0, b'\n'))));
        (Fuse { inner, left: left.clone() }, left)
    }
}

impl<R: Read> Read for Fuse<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.0.get();
        if left == 0 {
            let what = format!("a row is longer than {} MiB: is a quote left open?", LONGEST >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let read = self.inner.read(buffer)?;
        self.left.0.set(left.saturating_sub(read as u64));
        if let Some(last) = read.checked_sub(1).and_then(|last| buffer.get(last)) {
            self.left.1.set((self.left.read().0 + read as u64, *last));
        }
        Ok(read)
    }
}
