//! The functions that stand behind ours, and memory for whoever allocates while they are looked up.

use super::chunk::Head;
use super::libc::{self, dl_phdr_info};
use super::loaded;
use super::thread::{self, counts};
use core::ffi::{CStr, c_int, c_void};
use core::mem::transmute;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize};

pub type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
pub type Calloc = unsafe extern "C" fn(usize, usize) -> *mut c_void;
pub type Realloc = unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void;
pub type Free = unsafe extern "C" fn(*mut c_void);
type Usable = unsafe extern "C" fn(*mut c_void) -> usize;

/// A function that is looked up by name.
pub struct Next {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Next {
    const fn new(name: &'static CStr) -> Self {
        Next { name, address: AtomicPtr::new(core::ptr::null_mut()) }
    }

    /// With a function of ours that stands in until it is looked up: whoever calls it needn't ask whether it is.
    const fn with_first(name: &'static CStr, first: *mut c_void) -> Self {
        Next { name, address: AtomicPtr::new(first) }
    }

    /// Its address; null if it isn't there, or not yet.
    #[inline(always)]
    pub fn get(&self) -> *mut c_void {
        let address = self.address.load(Relaxed);
        if address.is_null() { self.resolved() } else { address }
    }

    /// Its address, or what stands in for it; null only of a function without that, and only before another was looked
    /// up.
    #[inline(always)]
    pub fn known(&self) -> *mut c_void {
        self.address.load(Relaxed)
    }

    #[cold]
    fn resolved(&self) -> *mut c_void {
        resolve();
        self.known()
    }
}

pub static MALLOC: Next = Next::with_first(c"malloc", first_malloc as *const () as *mut c_void);
pub static CALLOC: Next = Next::with_first(c"calloc", first_calloc as *const () as *mut c_void);
pub static FREE: Next = Next::new(c"free");
pub static REALLOC: Next = Next::new(c"realloc");
pub static MEMALIGN: Next = Next::new(c"memalign");
pub static POSIX_MEMALIGN: Next = Next::new(c"posix_memalign");
pub static ALIGNED_ALLOC: Next = Next::new(c"aligned_alloc");
pub static VALLOC: Next = Next::new(c"valloc");
pub static PVALLOC: Next = Next::new(c"pvalloc");
pub static USABLE: Next = Next::new(c"malloc_usable_size");
pub static REGISTER_FRAME: Next = Next::new(c"__register_frame");
pub static MMAP: Next = Next::new(c"mmap");
pub static MUNMAP: Next = Next::new(c"munmap");
pub static MREMAP: Next = Next::new(c"mremap");
pub static MPROTECT: Next = Next::new(c"mprotect");

static ALL: [&Next; 15] = [
    &MALLOC,
    &FREE,
    &CALLOC,
    &REALLOC,
    &USABLE,
    &MEMALIGN,
    &POSIX_MEMALIGN,
    &ALIGNED_ALLOC,
    &VALLOC,
    &PVALLOC,
    &MMAP,
    &MUNMAP,
    &MREMAP,
    &MPROTECT,
    &REGISTER_FRAME,
];

/// How many of them every allocator has, in the order of `ALL`.
const NEEDED: usize = 5;

/// Functions by which the runtimes of sanitizers are known. They allocate from their own memory while they start, keep
/// what belongs to a block where only they know, and complain of strangers: there we only pass on.
const SANITIZERS: [&CStr; 5] = [c"__asan_init", c"__hwasan_init", c"__lsan_init", c"__msan_init", c"__tsan_init"];

static SANITIZED: AtomicBool = AtomicBool::new(false);

/// Whether all calls are passed on and nothing is counted, for the program has a sanitizer in it.
pub fn sanitized() -> bool {
    SANITIZED.load(Relaxed)
}

/// 0: not looked up; 1: somebody does, or there is no allocator; 2: done.
static STATE: AtomicU8 = AtomicU8::new(0);

/// Looks all of them up, once; false if they aren't there yet. `dlsym` may allocate: that is served from `early`.
pub fn resolve() -> bool {
    if let Err(state) = STATE.compare_exchange(0, 1, AcqRel, Acquire) {
        return state == 2;
    }
    let found = ALL.map(|next| libc::function(libc::RTLD_NEXT, next.name, None));
    if found[..NEEDED].iter().any(|address| address.is_null()) {
        return false;
    }
    if SANITIZERS.iter().any(|name| !libc::function(libc::RTLD_DEFAULT, name, None).is_null()) {
        SANITIZED.store(true, Relaxed);
        publish(found);
        return true;
    }
    let [malloc, free, _, _, usable, ..] = found;
    // SAFETY: the functions have these types.
    let have_heads = unsafe {
        type Found = *mut c_void;
        let free = transmute::<Found, Free>(free);
        have_heads(malloc, transmute::<Found, Malloc>(malloc), free, transmute::<Found, Usable>(usable))
    };
    HAVE_HEADS.store(have_heads, Relaxed);
    if have_heads {
        thread::count_directly();
    }
    // SAFETY: the callback writes to our statics only.
    unsafe { libc::dl_iterate_phdr(find_allocator, malloc) };
    publish(found);
    true
}

/// Makes known what was looked up.
fn publish(found: [*mut c_void; ALL.len()]) {
    for (next, address) in ALL.iter().zip(found) {
        next.address.store(address, Release);
    }
    STATE.store(2, Release);
}

/// `malloc` until it is looked up.
unsafe extern "C" fn first_malloc(bytes: usize) -> *mut c_void {
    // SAFETY: the function has this type.
    if resolve() { unsafe { transmute::<*mut c_void, Malloc>(MALLOC.known())(bytes) } } else { early(bytes) }
}

/// `calloc` until it is looked up.
unsafe extern "C" fn first_calloc(count: usize, bytes: usize) -> *mut c_void {
    if resolve() {
        // SAFETY: the function has this type.
        return unsafe { transmute::<*mut c_void, Calloc>(CALLOC.known())(count, bytes) };
    }
    count.checked_mul(bytes).map_or(core::ptr::null_mut(), early)
}

/// Whether the allocator behind us is the GNU C library's, whose blocks have a `Head`.
static HAVE_HEADS: AtomicBool = AtomicBool::new(false);

/// How many bytes a block really has.
///
/// # Safety
/// The block is live, and is none of ours.
pub unsafe fn usable(block: *mut c_void) -> usize {
    if HAVE_HEADS.load(Relaxed) {
        // SAFETY: it has one.
        unsafe { Head::of(block) }.usable()
    } else {
        // SAFETY: the function has this type; it is there wherever `malloc` is.
        unsafe { transmute::<*mut c_void, Usable>(USABLE.get())(block) }
    }
}

/// Whether `Head` says what the allocator itself says, over blocks of all kinds.
unsafe fn have_heads(found: *mut c_void, malloc: Malloc, free: Free, usable: Usable) -> bool {
    // SAFETY: a symbol with its version names the GNU C library; what is allocated is freed.
    unsafe {
        found == libc::function(libc::RTLD_NEXT, c"malloc", Some(c"GLIBC_2.2.5"))
            && [1, 24, 25, 1000, 5000, 100_000, 300_000].into_iter().all(|bytes| {
                let block = malloc(bytes);
                let agree = !block.is_null() && usable(block) == Head::of(block).usable() && usable(block) >= bytes;
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

unsafe extern "C" fn find_allocator(info: *const dl_phdr_info, _: usize, malloc: *mut c_void) -> c_int {
    // SAFETY: the loader passes its own.
    let Some(part) = (unsafe { loaded::part(info, malloc as usize) }) else { return 0 };
    ALLOCATOR[0].store(part.start, Relaxed);
    ALLOCATOR[1].store(part.end, Relaxed);
    1
}

/// Whether the program's calls of `malloc` go elsewhere than to us. It is tried, for the address alone doesn't tell: it
/// may be that of a jump to ours.
pub fn bypassed() -> bool {
    let [malloc, free] = [c"malloc", c"free"].map(|name| libc::function(libc::RTLD_DEFAULT, name, None));
    if malloc.is_null() || free.is_null() {
        return false;
    }
    // SAFETY: the functions have these types.
    unsafe {
        let before = counts();
        let block = transmute::<*mut c_void, Malloc>(malloc)(16);
        let ours = counts() != before;
        transmute::<*mut c_void, Free>(free)(block);
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

/// Zeroed memory of ours, 16 bytes after a word that holds its size, then a head; null when it is used up.
#[cold]
pub fn early(bytes: usize) -> *mut c_void {
    let need = bytes.saturating_add(31) & !15;
    let mut at = USED.load(Acquire);
    loop {
        let Some(end) = at.checked_add(need).filter(|end| *end <= EARLY) else { return core::ptr::null_mut() };
        match USED.compare_exchange_weak(at, end, AcqRel, Acquire) {
            Ok(_) => break,
            Err(now) => at = now,
        }
    }
    // SAFETY: the range lies within the memory and belongs to this call alone.
    unsafe {
        let block = MEMORY.0.get().cast::<u8>().add(at);
        block.cast::<usize>().write(bytes);
        block.add(8).cast::<Head>().write(Head::STRANGE);
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
