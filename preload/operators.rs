//! C++'s `operator new` and `operator delete`.
//!
//! Those of the C++ library call `malloc` and `free`, and so are counted there: a call of ours becomes a jump to them.
//! An allocator may bring its own, as jemalloc and tcmalloc do, and some of these call nothing of ours: it is tried once
//! which, and those are counted here. Exceptions pass through, for no frame of Rust lies between.

use super::api::{free, malloc, memalign, noted};
use super::libc;
use super::next::{is_allocator, is_early, resolve, sanitized, usable};
use super::sample::freed;
use super::thread::{counts, slot, take_slot};
use core::arch::naked_asm;
use core::ffi::{CStr, c_void};
use core::mem::{offset_of, transmute};
use core::ptr::{null, null_mut};
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering::{Acquire, Release};

type Address = *mut c_void;

/// Any of them: what is not an argument of one is ignored by it.
type Function = unsafe extern "C" fn(usize, usize, usize) -> Address;

/// One of them.
struct Operator {
    /// Its name as linkers know it.
    name: &'static CStr,
    /// Name of the `new` whose blocks it deletes, if it is a `delete`.
    deletes: Option<&'static CStr>,
    /// What takes its place where there is none.
    instead: unsafe extern "C" fn(),
    /// The one behind ours if its calls are passed on; if they are counted, or before it is known, a function that sees to
    /// them.
    passed: AtomicPtr<c_void>,
    /// The one behind ours if its calls are counted.
    counted: AtomicPtr<c_void>,
}

/// Where a call goes, and whether it is counted here.
#[repr(C)]
struct Way(Address, usize);

impl Operator {
    /// The way of a call from this address.
    fn way(&self, caller: usize) -> Way {
        let counted = self.counted.load(Acquire);
        if counted.is_null() { self.look_up(caller) } else { Way(counted, (!is_allocator(caller)).into()) }
    }

    #[cold]
    fn look_up(&self, caller: usize) -> Way {
        let next = found(self.name, caller);
        if next.is_null() {
            return Way(self.instead as Address, 0);
        }
        // Where the allocator is must be known by then. What it takes for itself is its own business, and it may not be
        // ready to be asked; and the thread must count on its own.
        resolve();
        if sanitized() {
            self.passed.store(next, Release);
            return Way(next, 0);
        }
        if is_allocator(caller) || slot().or_else(take_slot).is_none() {
            return Way(next, 0);
        }
        // SAFETY: these are the operators of one allocator.
        let calls_ours = !is_allocator(next as usize) || unsafe { self.calls_ours(next, caller) };
        let known = if calls_ours { &self.passed } else { &self.counted };
        known.store(next, Release);
        Way(next, usize::from(!calls_ours))
    }

    /// Whether the allocator's own operator calls a function of ours: it is tried with a small block.
    ///
    /// # Safety
    /// The address is that of the operator.
    unsafe fn calls_ours(&self, next: Address, caller: usize) -> bool {
        const BYTES: usize = 16;
        let new = self.deletes.map_or(next, |name| found(name, caller));
        if new.is_null() {
            return true;
        }
        // SAFETY: the functions have these types; a reference to `nothrow` is not read.
        unsafe {
            let before = counts();
            let block = transmute::<Address, Function>(new)(BYTES, BYTES, BYTES);
            let new_calls = counts().0 != before.0;
            if block.is_null() {
                return true;
            }
            if !new_calls {
                noted(block);
            }
            let Some(_) = self.deletes else {
                free(block);
                return new_calls;
            };
            let (size, before) = (usable(block), counts());
            transmute::<Address, Function>(next)(block as usize, BYTES, BYTES);
            let delete_calls = counts().1 != before.1;
            if !delete_calls {
                freed(block, size);
            }
            delete_calls
        }
    }
}

/// The function of this name behind ours, as this code would find it without us; null if there is none.
fn found(name: &CStr, caller: usize) -> Address {
    let next = libc::function(libc::RTLD_NEXT, name, None);
    if !next.is_null() {
        return next;
    }
    // A program in C that has loaded a library in C++ sees no C++ library from where we are, but that library does.
    let mut module = libc::Dl_info { file: null(), base: null(), symbol: null(), address: null() };
    // SAFETY: the structure is ours; nothing is loaded that isn't there already.
    unsafe {
        if libc::dladdr(caller as *const c_void, &mut module) == 0 {
            return null_mut();
        }
        let library = libc::dlopen(module.file, libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if library.is_null() { null_mut() } else { libc::function(library, name, None) }
    }
}

/// Looks all of them up, where there is a C++ library to be seen; what is loaded later is looked up at its first call.
pub fn resolve_all() {
    if !libc::function(libc::RTLD_NEXT, c"_Znwm", None).is_null() {
        for operator in ALL {
            operator.way(0);
        }
    }
}

unsafe extern "C" fn way_of_new(operator: &Operator, caller: usize) -> Way {
    operator.way(caller)
}

unsafe extern "C" fn note_new(block: Address) -> Address {
    // SAFETY: the allocator has just returned it.
    unsafe { noted(block) }
}

unsafe extern "C" fn note_delete(operator: &Operator, caller: usize, block: Address) -> Address {
    let Way(next, counted) = operator.way(caller);
    if counted != 0 && !block.is_null() && !is_early(block) {
        // SAFETY: the block is live.
        unsafe { freed(block, usable(block)) };
    }
    next
}

/// `new` where no C++ library is to be found: there is no exception to throw.
unsafe extern "C" fn plain_new(bytes: usize) -> Address {
    // SAFETY: passed on as it came.
    existing(unsafe { malloc(bytes) })
}

unsafe extern "C" fn plain_aligned_new(bytes: usize, alignment: usize) -> Address {
    // SAFETY: passed on as it came.
    existing(unsafe { memalign(alignment, bytes) })
}

unsafe extern "C" fn plain_aligned_nothrow_new(bytes: usize, alignment: usize) -> Address {
    // SAFETY: passed on as it came.
    unsafe { memalign(alignment, bytes) }
}

fn existing(block: Address) -> Address {
    if block.is_null() {
        // SAFETY: it stops the process, as an exception that nobody catches does.
        unsafe { core::arch::asm!("ud2", options(noreturn)) }
    }
    block
}

/// A `new` whose calls are not known to be passed on; its operator is in `r11`, all else as it was called.
#[unsafe(naked)]
unsafe extern "C" fn any_new() {
    naked_asm!(
        ".cfi_startproc",
        "push rdi",
        "push rsi",
        "push rdx",
        ".cfi_adjust_cfa_offset 24",
        "mov rdi, r11",
        "mov rsi, qword ptr [rsp + 24]",
        "call {way}",
        "mov r10, rdx",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        ".cfi_adjust_cfa_offset -24",
        "test r10, r10",
        "jnz 2f",
        "jmp rax",
        "2: sub rsp, 8",
        ".cfi_adjust_cfa_offset 8",
        "call rax",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "mov rdi, rax",
        "jmp {note}",
        ".cfi_endproc",
        way = sym way_of_new,
        note = sym note_new,
    )
}

/// The same for a `delete`.
#[unsafe(naked)]
unsafe extern "C" fn any_delete() {
    naked_asm!(
        ".cfi_startproc",
        "push rdi",
        "push rsi",
        "push rdx",
        ".cfi_adjust_cfa_offset 24",
        "mov rdx, rdi",
        "mov rsi, qword ptr [rsp + 24]",
        "mov rdi, r11",
        "call {note}",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        ".cfi_adjust_cfa_offset -24",
        "jmp rax",
        ".cfi_endproc",
        note = sym note_delete,
    )
}

macro_rules! operators {
    ($($name:ident, $symbol:literal, $any:ident, $deletes:expr, $instead:expr;)*) => {$(
        #[allow(non_snake_case, reason = "it is named as linkers know it")]
        mod $name {
            use super::*;

            pub static OPERATOR: Operator = Operator {
                name: $symbol,
                deletes: $deletes,
                // SAFETY: it is called with the operator's own arguments, by a jump.
                instead: unsafe { transmute::<*const (), unsafe extern "C" fn()>($instead as *const ()) },
                passed: AtomicPtr::new(any as *const () as Address),
                counted: AtomicPtr::new(null_mut()),
            };

            #[unsafe(naked)]
            unsafe extern "C" fn any() {
                naked_asm!(
                    ".cfi_startproc",
                    "lea r11, [rip + {operator}]",
                    "jmp {any}",
                    ".cfi_endproc",
                    operator = sym OPERATOR,
                    any = sym $any,
                )
            }
        }

        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name() {
            naked_asm!(
                ".cfi_startproc",
                "jmp qword ptr [rip + {operator} + {passed}]",
                ".cfi_endproc",
                operator = sym $name::OPERATOR,
                passed = const offset_of!(Operator, passed),
            )
        }
    )*

        static ALL: &[&Operator] = &[$(&$name::OPERATOR),*];
    };
}

// One object or an array; plain, without exceptions, aligned, or both; `delete` also with the size.
operators! {
    _Znwm, c"_Znwm", any_new, None, plain_new;
    _Znam, c"_Znam", any_new, None, plain_new;
    _ZnwmRKSt9nothrow_t, c"_ZnwmRKSt9nothrow_t", any_new, None, malloc;
    _ZnamRKSt9nothrow_t, c"_ZnamRKSt9nothrow_t", any_new, None, malloc;
    _ZnwmSt11align_val_t, c"_ZnwmSt11align_val_t", any_new, None, plain_aligned_new;
    _ZnamSt11align_val_t, c"_ZnamSt11align_val_t", any_new, None, plain_aligned_new;
    _ZnwmSt11align_val_tRKSt9nothrow_t, c"_ZnwmSt11align_val_tRKSt9nothrow_t", any_new, None, plain_aligned_nothrow_new;
    _ZnamSt11align_val_tRKSt9nothrow_t, c"_ZnamSt11align_val_tRKSt9nothrow_t", any_new, None, plain_aligned_nothrow_new;
    _ZdlPv, c"_ZdlPv", any_delete, Some(c"_Znwm"), free;
    _ZdaPv, c"_ZdaPv", any_delete, Some(c"_Znam"), free;
    _ZdlPvm, c"_ZdlPvm", any_delete, Some(c"_Znwm"), free;
    _ZdaPvm, c"_ZdaPvm", any_delete, Some(c"_Znam"), free;
    _ZdlPvRKSt9nothrow_t, c"_ZdlPvRKSt9nothrow_t", any_delete, Some(c"_Znwm"), free;
    _ZdaPvRKSt9nothrow_t, c"_ZdaPvRKSt9nothrow_t", any_delete, Some(c"_Znam"), free;
    _ZdlPvSt11align_val_t, c"_ZdlPvSt11align_val_t", any_delete, Some(c"_ZnwmSt11align_val_t"), free;
    _ZdaPvSt11align_val_t, c"_ZdaPvSt11align_val_t", any_delete, Some(c"_ZnamSt11align_val_t"), free;
    _ZdlPvmSt11align_val_t, c"_ZdlPvmSt11align_val_t", any_delete, Some(c"_ZnwmSt11align_val_t"), free;
    _ZdaPvmSt11align_val_t, c"_ZdaPvmSt11align_val_t", any_delete, Some(c"_ZnamSt11align_val_t"), free;
    _ZdlPvSt11align_val_tRKSt9nothrow_t, c"_ZdlPvSt11align_val_tRKSt9nothrow_t", any_delete, Some(c"_ZnwmSt11align_val_t"), free;
    _ZdaPvSt11align_val_tRKSt9nothrow_t, c"_ZdaPvSt11align_val_tRKSt9nothrow_t", any_delete, Some(c"_ZnamSt11align_val_t"), free;
}
