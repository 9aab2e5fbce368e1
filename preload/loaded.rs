//! Whether code was loaded from a file, or made at run time.

use super::libc::{self, Phdr, dl_phdr_info};
use core::ffi::{c_int, c_void};
use core::mem::transmute;
use core::ops::Range;
use core::ptr::null_mut;
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering::Relaxed;

/// What `_dl_find_object` fills in: 96 bytes at most.
type Found = [u64; 16];

/// `_dl_find_object`, which takes no lock; null in a C library before 2.35.
static FIND: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// Looks up how it is asked.
#[allow(dead_code, reason = "not called where the library's code is a part of a test")]
pub fn learn() {
    FIND.store(libc::function(libc::RTLD_DEFAULT, c"_dl_find_object", None), Relaxed);
}

/// Whether the code at this address was loaded from a file.
pub fn is_loaded(address: usize) -> bool {
    let find = FIND.load(Relaxed);
    // SAFETY: the functions have these types, and the callback gets what it takes.
    unsafe {
        if find.is_null() {
            // As the unwinder asks such a C library itself.
            return libc::dl_iterate_phdr(holds, address as *mut c_void) != 0;
        }
        let mut found: Found = [0; 16];
        transmute::<*mut c_void, unsafe extern "C" fn(usize, *mut Found) -> c_int>(find)(address, &mut found) == 0
    }
}

unsafe extern "C" fn holds(info: *const dl_phdr_info, _: usize, address: *mut c_void) -> c_int {
    // SAFETY: the loader passes its own.
    unsafe { part(info, address as usize) }.is_some().into()
}

/// The part of a loaded file that has this address.
///
/// # Safety
/// The structure is one that the loader passes on.
pub unsafe fn part(info: *const dl_phdr_info, address: usize) -> Option<Range<usize>> {
    // SAFETY: it is valid, and has that many headers.
    let (base, headers) = unsafe { ((*info).base, core::slice::from_raw_parts((*info).headers, (*info).count.into())) };
    let part = |header: &Phdr| {
        let from = base.wrapping_add(header.address as usize);
        from..from.wrapping_add(header.memory_size as usize)
    };
    headers.iter().filter(|header| header.kind == libc::PT_LOAD).map(part).find(|part| part.contains(&address))
}
