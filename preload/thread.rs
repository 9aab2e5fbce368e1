//! The calling thread's slot, one load away.
//!
//! Stable Rust has no thread-locals without a library; so the words are declared in assembly, in the static TLS block
//! (initial-exec), which a preloaded library always has room in. The first one is the slot's address; the second is the
//! same if the thread may count blocks by their heads; the third is 1 once the thread has given its slot
//! back for good; the last two are the bounds of its stack.

use super::layout::{Region, SLOTS, Slot};
use super::libc::{self, Key};
use super::region::{existing, region};
use super::stack;
use core::arch::{asm, global_asm};
use core::ffi::c_void;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32};

global_asm!(
    ".section .tbss.seepage_thread,\"awT\",@nobits",
    ".globl seepage_thread",
    ".hidden seepage_thread",
    ".type seepage_thread, @object",
    ".size seepage_thread, 40",
    ".p2align 3",
    "seepage_thread:",
    ".zero 40",
    ".text",
);

/// One of the words.
#[inline(always)]
fn word<const AT: usize>() -> u64 {
    let word;
    // SAFETY: it reads the thread's own word, which the loader has set up before any code runs.
    unsafe {
        asm!("mov {0}, qword ptr [rip + seepage_thread@GOTTPOFF]", "mov {0}, qword ptr fs:[{0} + {1}]", out(reg) word,
            const AT, options(nostack, readonly, preserves_flags));
    }
    word
}

fn set_word<const AT: usize>(word: u64) {
    // SAFETY: as in `word`; nobody but this thread reads it.
    unsafe {
        asm!("mov {1}, qword ptr [rip + seepage_thread@GOTTPOFF]", "mov qword ptr fs:[{1} + {2}], {0}", in(reg) word,
            out(reg) _, const AT, options(nostack, preserves_flags));
    }
}

const SLOT: usize = 0;
const DIRECT: usize = 8;
const ENDED: usize = 16;
const LOW: usize = 24;
const HIGH: usize = 32;

/// The thread's slot, if it has one yet.
#[inline(always)]
pub fn slot() -> Option<&'static Slot> {
    // SAFETY: a slot lies in a region, which is never unmapped.
    unsafe { (word::<SLOT>() as *const Slot).as_ref() }
}

/// The thread's slot, if all blocks it will meet have a `Head`.
#[inline(always)]
pub fn direct_slot() -> Option<&'static Slot> {
    // SAFETY: as in `slot`.
    unsafe { (word::<DIRECT>() as *const Slot).as_ref() }
}

/// Whether slots are direct.
static DIRECT_SLOTS: AtomicBool = AtomicBool::new(false);

/// Says that all blocks have a `Head`, before there is any slot.
#[allow(dead_code, reason = "not said where the library's code is a part of a test")]
pub fn count_directly() {
    DIRECT_SLOTS.store(true, Relaxed);
}

/// Blocks that this thread has allocated and freed so far, as its slot knows them.
pub fn counts() -> (u64, u64) {
    slot().map_or((0, 0), |slot| (slot.allocations.load(Relaxed), slot.frees.load(Relaxed)))
}

/// Where the thread's stack begins and ends; both are 0 until that is known.
pub fn bounds() -> (usize, usize) {
    (word::<LOW>() as usize, word::<HIGH>() as usize)
}

/// Notes where the thread's stack begins and ends.
pub fn set_bounds(low: usize, high: usize) {
    set_word::<LOW>(low as u64);
    set_word::<HIGH>(high as u64);
}

/// What tells this thread from the others of its process, and stays through a fork: the address of its thread block.
pub fn token() -> u64 {
    let token;
    // SAFETY: the first word of the thread block is its own address.
    unsafe { asm!("mov {0}, qword ptr fs:[0]", out(reg) token, options(nostack, readonly, preserves_flags)) };
    token
}

/// The key whose destructor gives a thread's slot back, plus one; 0 before there is one.
static KEY: AtomicU32 = AtomicU32::new(0);

/// Makes threads give their slots back. Called once, from the constructor, in the main thread.
pub fn init() {
    stack::learn_main();
    let mut key: Key = 0;
    // SAFETY: plain calls; without a key, slots are not given back and later threads share one.
    if unsafe { libc::pthread_key_create(&mut key, give_back) } == 0 {
        KEY.store(key + 1, Release);
        if let Some(slot) = slot() {
            // SAFETY: the key was just made.
            unsafe { libc::pthread_setspecific(key, (slot as *const Slot).cast()) };
        }
    }
}

/// Gives the thread a slot; `None` if it has to share, or if there is no memory for a region.
#[cold]
pub fn take_slot() -> Option<&'static Slot> {
    let region: &'static Region = region()?;
    if word::<ENDED>() != 0 || region.slots_taken.load(Relaxed) as usize >= SLOTS {
        return None;
    }
    let slot = region
        .slots
        .iter()
        .position(|slot| slot.taken.load(Relaxed) == 0 && slot.taken.compare_exchange(0, 1, AcqRel, Relaxed).is_ok())?;
    region.slots_used.fetch_max(slot as u32 + 1, Relaxed);
    region.slots_taken.fetch_add(1, Relaxed);
    let slot = &region.slots[slot];
    set_word::<SLOT>(slot as *const Slot as u64);
    if DIRECT_SLOTS.load(Relaxed) {
        set_word::<DIRECT>(slot as *const Slot as u64);
    }
    if let Some(key) = KEY.load(Acquire).checked_sub(1) {
        // SAFETY: the key exists. The call may allocate; the thread has its slot by now.
        unsafe { libc::pthread_setspecific(key, (slot as *const Slot).cast()) };
        // Before there is a key there is no thread but the main one.
        if bounds() == (0, 0) {
            stack::learn();
        }
    }
    Some(slot)
}

/// A thread ends. What is still freed after that, by other destructors and by the C library itself, counts in the
/// shared slot: nobody would give back a slot of its own.
unsafe extern "C" fn give_back(slot: *mut c_void) {
    set_word::<DIRECT>(0);
    set_word::<SLOT>(0);
    set_word::<ENDED>(1);
    // SAFETY: the value is the slot that `take_slot` or `init` stored, in a region that is never unmapped.
    unsafe { (*slot.cast::<Slot>()).taken.store(0, Release) };
    if let Some(region) = existing() {
        region.slots_taken.fetch_sub(1, Relaxed);
    }
}

/// In a child after a fork: gives back the slots of the threads that only its parent has. What they counted stays.
pub fn give_back_others(region: &Region) {
    let own = slot();
    let mut taken = 0;
    for slot in &region.slots[..(region.slots_used.load(Relaxed) as usize).min(SLOTS)] {
        if own.is_some_and(|own| core::ptr::eq(slot, own)) {
            taken = 1;
        } else {
            slot.busy.store(0, Relaxed);
            slot.taken.store(0, Relaxed);
        }
    }
    region.slots_taken.store(taken, Relaxed);
}
