//! The functions that stand behind ours, and memory for whoever allocates while they are looked up.

use super::libc::{self, dl_phdr_info};
use super::thread::counts;
use core::ffi::{CStr, c_int, c_void};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize};

/// A function that was looked up by name.
pub struct Next {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Next {
    const fn new(name: &'static CStr) -> Self {
        Next { name, address: AtomicPtr::new(core::ptr::null_mut()) }
    }

    /// Its address; null if it isn't there, or not yet.
    #[inline(always)]
    pub fn get(&self) -> *mut c_void {
        let address = self.address.load(Relaxed);
        if address.is_null() { self.resolved() } else { address }
    }

    #[cold]
    fn resolved(&self) -> *mut c_void {
        resolve();
        self.address.load(Acquire)
    }
}

pub static MALLOC: Next = Next::new(c"malloc");
pub static FREE: Next = Next::new(c"free");
pub static CALLOC: Next = Next::new(c"calloc");
pub static REALLOC: Next = Next::new(c"realloc");
pub static MEMALIGN: Next = Next::new(c"memalign");
pub static POSIX_MEMALIGN: Next = Next::new(c"posix_memalign");
pub static ALIGNED_ALLOC: Next = Next::new(c"aligned_alloc");
pub static VALLOC: Next = Next::new(c"valloc");
pub static PVALLOC: Next = Next::new(c"pvalloc");
pub static USABLE: Next = Next::new(c"malloc_usable_size");
pub static MMAP: Next = Next::new(c"mmap");
pub static MUNMAP: Next = Next::new(c"munmap");
pub static MREMAP: Next = Next::new(c"mremap");
pub static MPROTECT: Next = Next::new(c"mprotect");

static ALL: [&Next; 14] = [
    &FREE,
    &CALLOC,
    &REALLOC,
    &MEMALIGN,
    &POSIX_MEMALIGN,
    &ALIGNED_ALLOC,
    &VALLOC,
    &PVALLOC,
    &USABLE,
    &MMAP,
    &MUNMAP,
    &MREMAP,
    &MPROTECT,
    &MALLOC,
];

/// 0: not looked up; 1: somebody does; 2: done.
static STATE: AtomicU8 = AtomicU8::new(0);

/// Looks all of them up, once. `dlsym` may allocate: that is served from `early`.
fn resolve() {
    if STATE.compare_exchange(0, 1, AcqRel, Acquire).is_err() {
        return;
    }
    for next in ALL {
        // SAFETY: names end in a zero byte.
        let address = unsafe { libc::dlsym(libc::RTLD_NEXT, next.name.as_ptr()) };
        next.address.store(address, Release);
    }
    // SAFETY: the callback writes to our statics only.
    unsafe { libc::dl_iterate_phdr(find_allocator, core::ptr::null_mut()) };
    GLIBC.store(is_glibc(), Release);
    STATE.store(2, Release);
}

/// Whether the allocator behind us is the GNU C library's, whose blocks say their size in the word before them.
static GLIBC: AtomicBool = AtomicBool::new(false);

/// How many bytes a block really has.
///
/// # Safety
/// The block is live, and is none of ours.
#[inline(always)]
pub unsafe fn usable(block: *mut c_void) -> usize {
    if GLIBC.load(Relaxed) {
        // SAFETY: the caller's block; see `glibc_usable`.
        unsafe { glibc_usable(block) }
    } else {
        type Usable = unsafe extern "C" fn(*mut c_void) -> usize;
        // SAFETY: the function has this type; it is there wherever `malloc` is.
        unsafe { core::mem::transmute::<*mut c_void, Usable>(USABLE.get())(block) }
    }
}

/// What `malloc_usable_size` of the GNU C library returns: the size of the chunk without its flags and its head, which
/// a chunk that has a mapping of its own (flag 2) doesn't share with its neighbour.
#[inline(always)]
unsafe fn glibc_usable(block: *mut c_void) -> usize {
    // SAFETY: the word belongs to the block's chunk.
    let word = unsafe { block.cast::<usize>().sub(1).read() };
    (word & !7) - if word & 2 == 0 { 8 } else { 16 }
}

/// Whether `glibc_usable` says what the allocator itself says, over blocks of all kinds.
fn is_glibc() -> bool {
    type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
    type Free = unsafe extern "C" fn(*mut c_void);
    type Usable = unsafe extern "C" fn(*mut c_void) -> usize;
    let all = [&MALLOC, &FREE, &USABLE].map(|next| next.address.load(Relaxed));
    // SAFETY: a symbol with its version names the GNU C library; the functions have these types; what is allocated
    // is freed.
    unsafe {
        let of_glibc = libc::dlvsym(libc::RTLD_NEXT, c"malloc".as_ptr(), c"GLIBC_2.2.5".as_ptr());
        if all.iter().any(|address| address.is_null()) || of_glibc != all[0] {
            return false;
        }
        let (malloc, free, usable) = (
            core::mem::transmute::<*mut c_void, Malloc>(all[0]),
            core::mem::transmute::<*mut c_void, Free>(all[1]),
            core::mem::transmute::<*mut c_void, Usable>(all[2]),
        );
        [1, 24, 25, 1000, 5000, 100_000, 300_000].into_iter().all(|bytes| {
            let block = malloc(bytes);
            let agree = !block.is_null() && usable(block) == glibc_usable(block) && glibc_usable(block) >= bytes;
            free(block);
            agree
        })
    }
}

/// Where the code of the allocator behind us lies: what it maps is its own business, and counted as blocks.
static ALLOCATOR: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

/// Whether this code belongs to the allocator behind us.
pub fn is_allocator(code: usize) -> bool {
    (ALLOCATOR[0].load(Relaxed)..ALLOCATOR[1].load(Relaxed)).contains(&code)
}

unsafe extern "C" fn find_allocator(info: *const dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
    let malloc = MALLOC.address.load(Relaxed) as usize;
    // SAFETY: the loader passes a valid structure with that many headers.
    let (base, headers) = unsafe { ((*info).base, core::slice::from_raw_parts((*info).headers, (*info).count.into())) };
    for header in headers.iter().filter(|header| header.kind == libc::PT_LOAD) {
        let from = base.wrapping_add(header.address as usize);
        if (from..from.wrapping_add(header.memory_size as usize)).contains(&malloc) {
            ALLOCATOR[0].store(from, Relaxed);
            ALLOCATOR[1].store(from + header.memory_size as usize, Relaxed);
            return 1;
        }
    }
    0
}

/// Whether the program's calls of `malloc` go elsewhere than to us. It is tried, for the address alone doesn't tell: it
/// may be that of a jump to ours.
pub fn bypassed() -> bool {
    type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
    type Free = unsafe extern "C" fn(*mut c_void);
    // SAFETY: the names end in a zero byte, and the functions have these types.
    unsafe {
        let [malloc, free] = [c"malloc", c"free"].map(|name| libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()));
        if malloc.is_null() || free.is_null() {
            return false;
        }
        let before = counts();
        let block = core::mem::transmute::<*mut c_void, Malloc>(malloc)(16);
        let ours = counts() != before;
        core::mem::transmute::<*mut c_void, Free>(free)(block);
        !ours
    }
}

/// Bytes for allocations that come before the functions are known; never given back.
const EARLY: usize = 64 << 10;

#[repr(C, align(16))]
struct Early(core::cell::UnsafeCell<[u8; EARLY]>);

// SAFETY: each part is handed out once.
unsafe impl Sync for Early {}

static MEMORY: Early = Early(core::cell::UnsafeCell::new([0; EARLY]));
static USED: AtomicUsize = AtomicUsize::new(0);

/// Zeroed memory of ours, 16 bytes after a word that holds its size; null when it is used up.
#[cold]
pub fn early(bytes: usize) -> *mut c_void {
    let need = bytes.saturating_add(31) & !15;
    let at = USED.fetch_update(AcqRel, Acquire, |used| used.checked_add(need).filter(|end| *end <= EARLY));
    let Ok(at) = at else { return core::ptr::null_mut() };
    // SAFETY: the range lies within the memory and belongs to this call alone.
    unsafe {
        let block = MEMORY.0.get().cast::<u8>().add(at);
        block.cast::<usize>().write(bytes);
        block.add(16).cast()
    }
}

/// Whether this is memory of ours.
#[inline(always)]
pub fn is_early(address: *mut c_void) -> bool {
    (address as usize).wrapping_sub(MEMORY.0.get() as usize) < EARLY
}

/// How many bytes of such memory were asked for.
pub fn early_size(address: *mut c_void) -> usize {
    // SAFETY: the caller has made sure that it is ours; the size lies 16 bytes before.
    unsafe { address.cast::<u8>().sub(16).cast::<usize>().read() }
}
