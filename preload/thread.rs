//! The calling thread's slot, one load away.
//!
//! Stable Rust has no thread-locals without a library; so the words are declared in assembly, in the static TLS block
//! (initial-exec), which a preloaded library always has room in. The first one is the slot's address; the second is 1
//! once the thread has given its slot back for good.

use super::layout::{Region, SLOTS, Slot};
use super::libc::{self, Key};
use super::region::{existing, region};
use core::arch::{asm, global_asm};
use core::ffi::c_void;
use core::ptr::null_mut;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

global_asm!(
    ".section .tbss.seepage_thread,\"awT\",@nobits",
    ".globl seepage_thread",
    ".hidden seepage_thread",
    ".type seepage_thread, @object",
    ".size seepage_thread, 16",
    ".p2align 3",
    "seepage_thread:",
    ".zero 16",
    ".text",
);

/// The thread's slot; null if it has none yet.
#[inline(always)]
pub fn slot() -> *mut Slot {
    let slot;
    // SAFETY: it reads the thread's own word, which the loader has set up before any code runs.
    unsafe {
        asm!("mov {0}, qword ptr [rip + seepage_thread@GOTTPOFF]", "mov {0}, qword ptr fs:[{0}]", out(reg) slot,
            options(nostack, readonly, preserves_flags));
    }
    slot
}

/// Blocks that this thread has allocated and freed so far, as its slot knows them.
pub fn counts() -> (u64, u64) {
    // SAFETY: a slot lies in a region, which is never unmapped.
    let slot = unsafe { slot().as_ref() };
    slot.map_or((0, 0), |slot| (slot.allocations.load(Relaxed), slot.frees.load(Relaxed)))
}

/// What tells this thread from the others of its process, and stays through a fork: the address of its thread block.
pub fn token() -> u64 {
    let token;
    // SAFETY: the first word of the thread block is its own address.
    unsafe { asm!("mov {0}, qword ptr fs:[0]", out(reg) token, options(nostack, readonly, preserves_flags)) };
    token
}

fn set_slot(slot: *mut Slot) {
    // SAFETY: as in `slot`; nobody but this thread reads the word.
    unsafe {
        asm!("mov {1}, qword ptr [rip + seepage_thread@GOTTPOFF]", "mov qword ptr fs:[{1}], {0}", in(reg) slot,
            out(reg) _, options(nostack, preserves_flags));
    }
}

/// Whether the thread has given its slot back.
fn ended() -> bool {
    let ended: u64;
    // SAFETY: as in `slot`.
    unsafe {
        asm!("mov {0}, qword ptr [rip + seepage_thread@GOTTPOFF]", "mov {0}, qword ptr fs:[{0} + 8]", out(reg) ended,
            options(nostack, readonly, preserves_flags));
    }
    ended != 0
}

fn set_ended() {
    // SAFETY: as in `set_slot`.
    unsafe {
        asm!("mov {0}, qword ptr [rip + seepage_thread@GOTTPOFF]", "mov qword ptr fs:[{0} + 8], 1", out(reg) _,
            options(nostack, preserves_flags));
    }
}

/// The key whose destructor gives a thread's slot back, plus one; 0 before there is one.
static KEY: AtomicU32 = AtomicU32::new(0);

/// Makes threads give their slots back. Called once, from the constructor.
pub fn init() {
    let mut key: Key = 0;
    // SAFETY: plain calls; without a key, slots are not given back and later threads share one.
    if unsafe { libc::pthread_key_create(&mut key, give_back) } == 0 {
        KEY.store(key + 1, Release);
        let slot = slot();
        if !slot.is_null() {
            // SAFETY: the key was just made.
            unsafe { libc::pthread_setspecific(key, slot.cast()) };
        }
    }
}

/// Gives the thread a slot; `None` if it has to share, or if there is no memory for a region.
#[cold]
pub fn take_slot() -> Option<&'static Slot> {
    let region: &'static Region = region()?;
    if ended() || region.slots_taken.load(Relaxed) as usize >= SLOTS {
        return None;
    }
    let slot = region
        .slots
        .iter()
        .position(|slot| slot.taken.load(Relaxed) == 0 && slot.taken.compare_exchange(0, 1, AcqRel, Relaxed).is_ok())?;
    region.slots_used.fetch_max(slot as u32 + 1, Relaxed);
    region.slots_taken.fetch_add(1, Relaxed);
    let slot = &region.slots[slot];
    set_slot((slot as *const Slot).cast_mut());
    if let Some(key) = KEY.load(Acquire).checked_sub(1) {
        // SAFETY: the key exists. The call may allocate; the thread has its slot by now.
        unsafe { libc::pthread_setspecific(key, (slot as *const Slot).cast()) };
    }
    Some(slot)
}

/// A thread ends. What is still freed after that, by other destructors and by the C library itself, counts in the
/// shared slot: nobody would give back a slot of its own.
unsafe extern "C" fn give_back(slot: *mut c_void) {
    set_slot(null_mut());
    set_ended();
    // SAFETY: the value is the slot that `take_slot` or `init` stored, in a region that is never unmapped.
    unsafe { (*slot.cast::<Slot>()).taken.store(0, Release) };
    if let Some(region) = existing() {
        region.slots_taken.fetch_sub(1, Relaxed);
    }
}

/// In a child after a fork: gives back the slots of the threads that only its parent has. What they counted stays.
pub fn give_back_others(region: &Region) {
    let own = slot().cast_const();
    let mut taken = 0;
    for slot in &region.slots[..(region.slots_used.load(Relaxed) as usize).min(SLOTS)] {
        if core::ptr::eq(slot, own) {
            taken = 1;
        } else {
            slot.busy.store(0, Relaxed);
            slot.taken.store(0, Relaxed);
        }
    }
    region.slots_taken.store(taken, Relaxed);
}
