//! The preload library of seepage: counts what a process allocates and frees, and samples who does.
//!
//! It stands before the allocator of every process that is launched with it. It counts bytes and blocks exactly, by
//! thread; it samples blocks with their stacks, and forgets them when they are freed. All of that lies in one mapping
//! (`layout.rs`) that seepage reads from outside. It writes no file, opens no descriptor, starts no thread, prints
//! nothing and needs no exit handler; after start-up it makes no system call of its own but one in a child. It is built without the
//! standard library, by `build.rs`, and has no dependency but the C library and its unwinder.

#![no_std]

mod api;
mod chunk;
mod layout;
mod libc;
mod loaded;
mod mappings;
mod math;
mod next;
mod operators;
mod region;
mod sample;
mod scripts;
mod stack;
mod structures;
mod table;
mod thread;

// The core library was built to unwind, and asks for this name. It must not be seen from outside: a target in Rust
// has its own.
core::arch::global_asm!(".hidden rust_eh_personality", ".globl rust_eh_personality", "rust_eh_personality:", "ud2");

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // There is no way back into a target whose allocator has failed an invariant.
    // SAFETY: it stops the process.
    unsafe { core::arch::asm!("ud2", options(noreturn)) }
}

use core::sync::atomic::Ordering::Relaxed;

#[used]
#[unsafe(link_section = ".init_array")]
static INIT: extern "C" fn() = init;

extern "C" fn init() {
    // What is looked up later may come at a bad moment: on a stack without room, or where no system call is allowed.
    next::resolve();
    if next::sanitized() {
        region::SEEPAGE_HEAP.sanitized.store(1, Relaxed);
        return;
    }
    thread::init();
    loaded::learn();
    region::SEEPAGE_HEAP.bypassed.store(next::bypassed().into(), Relaxed);
    operators::resolve_all();
    scripts::learn();
    sample::rehearse();
    // SAFETY: the functions are ours, and stay loaded.
    unsafe { libc::pthread_atfork(region::before_fork, region::after_fork, region::after_fork_in_child) };
}
