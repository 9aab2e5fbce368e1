//! Whether the calling thread's stack has room for the unwinder, and another stack where it hasn't.
//!
//! Coroutines and signal handlers run on stacks that nobody knows the end of, some of 4 KiB; the unwinder, and the loader
//! when it binds what that calls, take more. There a sample is taken on a stack of our own. Elsewhere it is not: a
//! collector of garbage may stop a thread at any place, and asks it by a signal how far its stack goes.

use super::layout::{OTHER_STACK, OTHER_STACK_GUARD, OTHER_STACK_TOUCHED, Region};
use super::libc::{self, rlimit};
use super::thread::{bounds, set_bounds, token};
use core::arch::{asm, naked_asm};
use core::ffi::c_void;
use core::mem::size_of;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Bytes that must be left below for a sample to be taken where we are.
const ROOM: usize = 16 << 10;

/// The most that is taken for the main thread's stack where it has no limit.
const MOST: usize = 64 << 20;

/// How often the other stack is asked for before the sample is given up: it is never waited for to the end, since who
/// has it may wait for something of ours.
const PATIENCE: u32 = 100_000;

/// Bytes of the C library's block of a thread, which debuggers are told as well; 0 if it doesn't say.
static THREAD_BLOCK: AtomicUsize = AtomicUsize::new(0);

/// How far the end of a thread's stack may lie beyond its block, which is at the end of it.
const SLACK: usize = 4096;

/// Learns the bounds of the main thread's stack, and how those of others are found; called in the main thread.
pub fn learn_main() {
    let size = libc::function(libc::RTLD_DEFAULT, c"_thread_db_sizeof_pthread", None).cast::<u32>();
    let mut limit = rlimit { soft: 0, hard: 0 };
    // SAFETY: the structure is ours; the loader sets the other one before any code runs; the C library's constant is read.
    unsafe {
        THREAD_BLOCK.store(if size.is_null() { 0 } else { *size as usize }, Relaxed);
        let end = libc::__libc_stack_end as usize;
        if libc::getrlimit(libc::RLIMIT_STACK, &mut limit) == 0 {
            set_bounds(end.saturating_sub((limit.soft as usize).min(MOST)), end);
        }
    }
}

/// Learns the bounds of another thread's stack; called in it. The C library keeps where that is, how long, and how much of it
/// is guard, in three words of the thread's block. They are looked for: `pthread_getattr_np` allocates, under a lock.
pub fn learn() {
    let (block, size) = (token() as usize, THREAD_BLOCK.load(Relaxed));
    // SAFETY: the block is the thread's own, and as long as the C library says.
    let words = unsafe { core::slice::from_raw_parts(block as *const usize, size / size_of::<usize>()) };
    let end = block.saturating_add(size);
    let found = words.windows(3).find_map(|words| match *words {
        [low, bytes, guard] if low < block && guard < bytes => {
            let high = low.checked_add(bytes)?;
            (end..end + SLACK).contains(&high).then_some((low + guard, high))
        }
        _ => None,
    });
    if let Some((low, high)) = found {
        set_bounds(low, high);
    }
}

/// Whether a sample may be taken on this stack.
pub fn has_room() -> bool {
    let at: usize;
    // SAFETY: it reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) at, options(nomem, nostack, preserves_flags)) };
    let (low, high) = bounds();
    at < high && at.saturating_sub(ROOM) > low
}

/// Calls `take` with `data` on the region's other stack; false if that is taken, or isn't there.
pub fn elsewhere(region: &Region, take: unsafe extern "C" fn(*mut c_void), data: *mut c_void) -> bool {
    let low = region.other_stack.load(Relaxed);
    if low == 0 {
        return false;
    }
    let mut asked = 0;
    while region.other_stack_owner.compare_exchange_weak(0, token(), Acquire, Relaxed).is_err() {
        asked += 1;
        if asked > PATIENCE || region.other_stack_owner.load(Relaxed) == token() {
            return false;
        }
        core::hint::spin_loop();
    }
    let end = low as usize + OTHER_STACK_GUARD + OTHER_STACK;
    if region.other_stack_used.swap(1, Relaxed) == 0 {
        touch(end);
    }
    // SAFETY: the stack is mapped and nobody else's, and the function takes this argument.
    unsafe { call_on(end, take, data) };
    region.other_stack_owner.store(0, Release);
    true
}

/// Touches what samples usually take of the stack that ends here, so that it is known how large that is.
fn touch(end: usize) {
    for page in 1..=OTHER_STACK_TOUCHED / 4096 {
        // SAFETY: the page is a part of the stack.
        unsafe { ((end - page * 4096) as *mut u8).write_volatile(0) };
    }
}

/// In a child after a fork: a thread that only its parent has doesn't give the other stack back.
pub fn give_back_other(region: &Region) {
    if region.other_stack_owner.load(Relaxed) != token() {
        region.other_stack_owner.store(0, Relaxed);
    }
}

/// Calls a function on the stack that ends at `end`; unwinders find their way back.
#[unsafe(naked)]
unsafe extern "C" fn call_on(end: usize, function: unsafe extern "C" fn(*mut c_void), data: *mut c_void) {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset rbp, 0",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rsp, rdi",
        "mov rdi, rdx",
        "call rsi",
        "mov rsp, rbp",
        ".cfi_def_cfa_register rsp",
        "pop rbp",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore rbp",
        "ret",
        ".cfi_endproc",
    )
}
