//! The few functions of the C library that are used, and its constants on x86-64 Linux.

#![allow(non_camel_case_types, clippy::missing_safety_doc)]

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};

pub const ENOMEM: c_int = 12;
pub const PROT_NONE: c_int = 0;
pub const PROT_READ: c_int = 1;
pub const PROT_WRITE: c_int = 2;
pub const MAP_PRIVATE: c_int = 0x02;
pub const MAP_FIXED: c_int = 0x10;
pub const MAP_ANONYMOUS: c_int = 0x20;
pub const MAP_NORESERVE: c_int = 0x4000;
pub const MAP_FAILED: usize = usize::MAX;
pub const MADV_NOHUGEPAGE: c_int = 15;
pub const MADV_POPULATE_WRITE: c_int = 23;
pub const CLOCK_MONOTONIC_COARSE: c_int = 6;
pub const RLIMIT_STACK: c_int = 3;
pub const RTLD_LAZY: c_int = 1;
pub const RTLD_NOLOAD: c_int = 4;
pub const RTLD_DEFAULT: *mut c_void = core::ptr::null_mut();
pub const RTLD_NEXT: *mut c_void = -1isize as *mut c_void;
pub const SYS_MMAP: i64 = 9;
pub const SYS_MPROTECT: i64 = 10;
pub const SYS_MUNMAP: i64 = 11;
pub const SYS_MREMAP: i64 = 25;
pub const SYS_MADVISE: i64 = 28;
pub const SYS_GETPID: i64 = 39;
pub const SYS_PRCTL: i64 = 157;
pub const PR_SET_VMA: u64 = 0x5356_4d41;

#[repr(C)]
pub struct timespec {
    pub seconds: i64,
    pub nanoseconds: i64,
}

#[repr(C)]
pub struct rlimit {
    pub soft: u64,
    pub hard: u64,
}

/// What `dladdr` says of an address.
#[repr(C)]
pub struct Dl_info {
    pub file: *const c_char,
    pub base: *const c_void,
    pub symbol: *const c_char,
    pub address: *const c_void,
}

/// The head of what `dl_iterate_phdr` passes on.
#[repr(C)]
pub struct dl_phdr_info {
    pub base: usize,
    pub name: *const c_char,
    pub headers: *const Phdr,
    pub count: u16,
}

#[repr(C)]
pub struct Phdr {
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    pub address: u64,
    pub physical: u64,
    pub file_size: u64,
    pub memory_size: u64,
    pub align: u64,
}

pub const PT_LOAD: u32 = 1;

pub type Key = c_uint;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlerror() -> *const c_char;
    pub fn dladdr(address: *const c_void, info: *mut Dl_info) -> c_int;
    pub fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlvsym(handle: *mut c_void, name: *const c_char, version: *const c_char) -> *mut c_void;
    pub fn getenv(name: *const c_char) -> *const c_char;
    pub fn clock_gettime(clock: c_int, time: *mut timespec) -> c_int;
    pub fn __errno_location() -> *mut c_int;
    pub fn pthread_key_create(key: *mut Key, destructor: unsafe extern "C" fn(*mut c_void)) -> c_int;
    pub fn getrlimit(resource: c_int, limit: *mut rlimit) -> c_int;
    pub static __libc_stack_end: *const c_void;
    pub fn pthread_setspecific(key: Key, value: *const c_void) -> c_int;
    pub fn pthread_atfork(prepare: extern "C" fn(), parent: extern "C" fn(), child: extern "C" fn()) -> c_int;
    pub fn dl_iterate_phdr(
        each: unsafe extern "C" fn(*const dl_phdr_info, usize, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
}

#[link(name = "gcc_s")]
unsafe extern "C" {
    pub fn _Unwind_Backtrace(each: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int, data: *mut c_void)
    -> c_int;
    pub fn _Unwind_GetIPInfo(context: *mut c_void, before: *mut c_int) -> usize;
    pub fn _Unwind_GetRegionStart(context: *mut c_void) -> usize;
    pub fn _Unwind_GetGR(context: *mut c_void, register: c_int) -> usize;
}

/// The function of this name in the scope of `handle`, and of this version if one is given; null if there is none. Not
/// finding it leaves no trace: the loader keeps a text for who asks why, which is the target's own to ask, and frees it at a
/// later call, when that may be too early for the target's allocator.
pub fn function(handle: *mut c_void, name: &CStr, version: Option<&CStr>) -> *mut c_void {
    // SAFETY: names end in a zero byte; `dlerror` hands the text out, and frees it when it is called again.
    unsafe {
        let found = match version {
            Some(version) => dlvsym(handle, name.as_ptr(), version.as_ptr()),
            None => dlsym(handle, name.as_ptr()),
        };
        if found.is_null() {
            dlerror();
            dlerror();
        }
        found
    }
}

/// A system call that leaves `errno` alone; an error is its number below zero.
pub unsafe fn syscall(number: i64, a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> i64 {
    let result;
    // SAFETY: the caller vouches for the call; the kernel changes nothing but these registers.
    unsafe {
        core::arch::asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// Nanoseconds of `CLOCK_MONOTONIC`, as they were at the kernel's last tick: that is a few milliseconds back at most. The
/// clock itself is read from a register that a program may have forbidden itself, as strict seccomp does, or by a system
/// call.
pub fn now() -> u64 {
    let mut time = timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the structure is ours; the call can't fail with this clock.
    unsafe { clock_gettime(CLOCK_MONOTONIC_COARSE, &mut time) };
    (time.seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(time.nanoseconds as u64)
}
