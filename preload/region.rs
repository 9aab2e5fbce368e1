//! The process's region: made at the first allocation, locked by whoever changes the table.

use super::layout::{Anchor, MAGIC, OTHER_STACK, OTHER_STACK_GUARD, Region, VERSION};
use super::libc;
use super::thread::{give_back_others, token};
use super::{mappings, stack, table};
use core::mem::{offset_of, size_of};
use core::ptr::null_mut;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64};

/// Mean of bytes between samples where the environment doesn't say.
const MEAN: u64 = 512 << 10;

/// Variable of the environment with the mean, in bytes.
const VARIABLE: &core::ffi::CStr = c"SEEPAGE_HEAP_MEAN";

/// How often the lock is asked for before its holder is taken for gone: after a bare `clone` system call a child may
/// have inherited it from a thread that it doesn't have. It takes a few tenths of a second.
const PATIENCE: u32 = 10_000_000;

/// How much longer that is while another thread forks, for it holds the lock until the kernel has copied the tables of
/// all its pages.
const PATIENCE_IN_FORK: u32 = 20;

/// Where seepage finds the region.
#[unsafe(no_mangle)]
pub static SEEPAGE_HEAP: Anchor = Anchor {
    magic: AtomicU64::new(MAGIC),
    region: AtomicU64::new(0),
    bypassed: AtomicU64::new(0),
    sanitized: AtomicU64::new(0),
};

/// The same address, one load away: what is seen from outside is reached through the table of global offsets.
static REGION: AtomicPtr<Region> = AtomicPtr::new(null_mut());

/// The region; `None` if there is no memory for it.
pub fn region() -> Option<&'static Region> {
    existing().or_else(create)
}

/// The region, if there is one already.
#[inline(always)]
pub fn existing() -> Option<&'static Region> {
    // SAFETY: only `create` sets it, to a region that is never unmapped.
    unsafe { REGION.load(Acquire).as_ref() }
}

#[cold]
fn create() -> Option<&'static Region> {
    let size = size_of::<Region>().next_multiple_of(4096) as u64;
    let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE) as u64;
    // SAFETY: a new mapping that nobody knows yet; the later calls concern that mapping alone, and may fail.
    let address = unsafe {
        let address = libc::syscall(libc::SYS_MMAP, 0, size, protection, flags, u64::MAX, 0);
        if address <= 0 {
            return None;
        }
        let address = address as u64;
        // A huge page would make the target 2 MiB larger at once.
        libc::syscall(libc::SYS_MADVISE, address, size, libc::MADV_NOHUGEPAGE as u64, 0, 0, 0);
        // What is touched at random is touched now, so that its size is known.
        let (from, to) = (offset_of!(Region, near) as u64 & !4095, offset_of!(Region, stacks) as u64 & !4095);
        libc::syscall(libc::SYS_MADVISE, address + from, to - from, libc::MADV_POPULATE_WRITE as u64, 0, 0, 0);
        libc::syscall(libc::SYS_PRCTL, libc::PR_SET_VMA, 0, address, size, c"seepage".as_ptr() as u64, 0);
        address
    };
    // SAFETY: the mapping is large enough, aligned to a page, and all zeroes are valid atomics.
    let region = unsafe { &*(address as *const Region) };
    region.version.store(VERSION, Relaxed);
    region.mean.store(mean(), Relaxed);
    region.other_stack.store(other_stack(), Relaxed);
    region.salt.store(process(), Relaxed);
    table::hold_null(region);
    region.magic.store(MAGIC, Release);
    match REGION.compare_exchange(null_mut(), address as *mut Region, AcqRel, Acquire) {
        Ok(_) => {
            SEEPAGE_HEAP.region.store(address, Release);
            Some(region)
        }
        Err(other) => {
            // SAFETY: ours was never shown to anyone; the other one is a region.
            unsafe {
                let stack = region.other_stack.load(Relaxed);
                if stack != 0 {
                    libc::syscall(libc::SYS_MUNMAP, stack, (OTHER_STACK_GUARD + OTHER_STACK) as u64, 0, 0, 0, 0);
                }
                libc::syscall(libc::SYS_MUNMAP, address, size, 0, 0, 0, 0);
                other.as_ref()
            }
        }
    }
}

/// A mapping for the other stack, with its guard; 0 if there is no memory for it.
fn other_stack() -> u64 {
    let (none, all) = (libc::PROT_NONE as u64, (libc::PROT_READ | libc::PROT_WRITE) as u64);
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE) as u64;
    let (guard, size) = (OTHER_STACK_GUARD as u64, OTHER_STACK as u64);
    // SAFETY: a new mapping that nobody knows yet.
    unsafe {
        let address = libc::syscall(libc::SYS_MMAP, 0, guard + size, none, flags, u64::MAX, 0);
        if address <= 0 {
            return 0;
        }
        let opened = libc::syscall(libc::SYS_MPROTECT, address as u64 + guard, size, all, 0, 0, 0);
        if opened == 0 { address as u64 } else { 0 }
    }
}

/// The number of this process.
fn process() -> u64 {
    // SAFETY: the call changes nothing.
    unsafe { libc::syscall(libc::SYS_GETPID, 0, 0, 0, 0, 0, 0) as u64 }
}

fn mean() -> u64 {
    // SAFETY: the name ends in a zero byte, and so does what is found.
    let mut text = unsafe { libc::getenv(VARIABLE.as_ptr()) };
    let mut mean: u64 = 0;
    // SAFETY: as above; reading ends at the first byte that is no digit.
    unsafe {
        while !text.is_null() && (*text as u8).is_ascii_digit() {
            mean = mean.saturating_mul(10).saturating_add((*text as u8 - b'0').into());
            text = text.add(1);
        }
    }
    if mean == 0 { MEAN } else { mean.clamp(1, 1 << 40) }
}

/// The region's lock, held until it is dropped.
pub struct Guard(&'static Region);

impl Guard {
    /// The region that is locked.
    pub fn region(&self) -> &'static Region {
        self.0
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        unlock(self.0);
    }
}

/// Locks the region; `None` if this thread has it already (a signal came in between), or if it is never free.
pub fn lock(region: &'static Region) -> Option<Guard> {
    let token = token();
    let mut asked: u32 = 0;
    while region.owner.compare_exchange_weak(0, token, Acquire, Relaxed).is_err() {
        if region.owner.load(Relaxed) == token || region.broken.load(Relaxed) != 0 {
            return None;
        }
        asked += 1;
        let longer = if FORKING.load(Relaxed) == 0 { 1 } else { PATIENCE_IN_FORK };
        if asked > PATIENCE * longer {
            region.broken.store(1, Relaxed);
            return None;
        }
        core::hint::spin_loop();
    }
    // What a signal has freed while the last holder let go must be out before its address can come in again.
    settle(region);
    Some(Guard(region))
}

/// Notes that a sampled block was freed.
#[cold]
#[inline(never)]
pub fn forget_block(region: &'static Region, address: usize) {
    if let Some(guard) = lock(region) {
        table::remove(guard.region(), address as u64);
        return;
    }
    let waits = region.broken.load(Relaxed) == 0
        && region.pending.iter().any(|p| p.compare_exchange(0, address as u64, AcqRel, Relaxed).is_ok());
    if !waits {
        region.lost_frees.fetch_add(1, Relaxed);
    }
}

/// Takes out what was freed while it had to wait for the lock.
fn settle(region: &Region) {
    for pending in &region.pending {
        if pending.load(Relaxed) != 0 {
            table::remove(region, pending.swap(0, AcqRel));
        }
    }
}

fn unlock(region: &Region) {
    settle(region);
    region.owner.store(0, Release);
}

/// Whether the fork that goes on took the lock.
static FORKING: AtomicU32 = AtomicU32::new(0);

/// Before a fork: nobody else may be amid a change of what the child inherits.
pub extern "C" fn before_fork() {
    if let Some(guard) = existing().and_then(lock) {
        core::mem::forget(guard);
        FORKING.store(1, Relaxed);
    }
}

/// After a fork, in parent and child: the lock is free again.
pub extern "C" fn after_fork() {
    if let Some(region) = existing()
        && region.owner.load(Relaxed) == token()
        && FORKING.swap(0, Relaxed) == 1
    {
        unlock(region);
    }
}

/// After a fork, in the child: it has one thread.
pub extern "C" fn after_fork_in_child() {
    after_fork();
    if let Some(region) = existing() {
        region.salt.store(process(), Relaxed);
        stack::give_back_other(region);
        give_back_others(region);
    }
}

/// Notes that a range is mapped no more.
pub fn forget_range(region: &'static Region, start: usize, length: usize) -> u64 {
    match lock(region) {
        Some(guard) => {
            let bytes = mappings::remove(guard.region(), start as u64, length as u64);
            region.unmapped.fetch_add(bytes, Relaxed);
            bytes
        }
        None => {
            region.lost_mappings.fetch_add(1, Relaxed);
            0
        }
    }
}

/// Notes that a range may not be touched any more: what was mapped of it is only reserved now.
pub fn close_range(start: usize, length: usize) {
    let Some(region) = existing() else { return };
    match lock(region) {
        Some(guard) => {
            let bytes = mappings::close(guard.region(), start as u64, length as u64);
            region.unmapped.fetch_add(bytes, Relaxed);
        }
        None => {
            region.lost_mappings.fetch_add(1, Relaxed);
        }
    }
}
