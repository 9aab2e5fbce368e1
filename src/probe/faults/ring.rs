//! A ring of records that the kernel writes, one for each processor.

use super::event;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::io;
use std::os::fd::OwnedFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of all rings together, about, and of one at most and at least; an ordinary user may lock no more than the least.
const ALL: usize = 32 << 20;
const MOST: usize = 4 << 20;
const LEAST: usize = 512 << 10;

/// Where the first page has the place up to which the kernel has written, and up to which we have read (`struct perf_event_mmap_page`).
const HEAD: usize = 1024;
const TAIL: usize = 1032;

/// The ring of one processor.
#[derive(Debug)]
pub struct Ring {
    event: OwnedFd,
    map: NonNull<c_void>,
    page: usize,
    size: usize,
}

// SAFETY: the mapping is its own, and goes where it goes.
unsafe impl Send for Ring {}

impl Ring {
    /// Opens a ring on this processor, one of so `many`.
    ///
    /// # Errors
    /// If this user may have no events, or lock no memory.
    pub fn open(cpu: i32, many: usize) -> io::Result<Self> {
        let event = event::silent(cpu)?;
        let page = rustix::param::page_size();
        let largest = (ALL / many.max(1)).next_power_of_two().clamp(LEAST, MOST);
        let mut refused = None;
        for size in [largest, LEAST] {
            // SAFETY: a new mapping, where the kernel likes.
            let mapped = unsafe {
                mmap(ptr::null_mut(), page + size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &event, 0)
            };
            match mapped {
                Ok(map) => {
                    let map = NonNull::new(map).ok_or(io::ErrorKind::OutOfMemory)?;
                    return Ok(Ring { event, map, page, size });
                }
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.map_or_else(|| io::ErrorKind::Other.into(), io::Error::from))
    }

    /// The event that others share the ring of.
    pub fn event(&self) -> &OwnedFd {
        &self.event
    }

    /// Moves all that was written since the last time to `to`, and returns how full the ring was, 0 to 1.
    pub fn take(&self, to: &mut Vec<u8>) -> f64 {
        to.clear();
        // SAFETY: both words lie in the first page of the mapping, aligned; kernel and we agree to read and write them so.
        let [head, tail] = [HEAD, TAIL].map(|at| unsafe { AtomicU64::from_ptr(self.map.as_ptr().byte_add(at).cast()) });
        let (written, read) = (head.load(Ordering::Acquire), tail.load(Ordering::Relaxed));
        let length = (written.wrapping_sub(read) as usize).min(self.size);
        let begin = (read as usize) % self.size;
        let first = length.min(self.size - begin);
        for (at, length) in [(begin, first), (0, length - first)] {
            // SAFETY: the part lies in the mapping behind its first page; the kernel leaves it alone until `tail` is moved.
            let part =
                unsafe { std::slice::from_raw_parts(self.map.as_ptr().byte_add(self.page + at).cast::<u8>(), length) };
            to.extend_from_slice(part);
        }
        tail.store(read.wrapping_add(length as u64), Ordering::Release);
        length as f64 / self.size as f64
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: it was mapped so, and nothing refers to it any more.
        let _ = unsafe { munmap(self.map.as_ptr(), self.page + self.size) };
    }
}
