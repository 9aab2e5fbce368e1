//! The functions that the target calls instead of its allocator's.

#![allow(clippy::missing_safety_doc)]

use super::chunk::Head;
use super::layout::{Region, Slot};
use super::libc::{self, ENOMEM, MAP_ANONYMOUS, MAP_FAILED, MAP_FIXED, MAP_PRIVATE, PROT_NONE, PROT_WRITE};
use super::next::{self, Next, early_size, is_allocator, is_early, sanitized, usable};
use super::region::{close_range, existing, forget_range, region};
use super::sample::{allocated, count_allocated, count_freed, freed, mapped, opened, reserved, sample_block};
use super::table::may_hold_near;
use super::thread::direct_slot;
use core::arch::naked_asm;
use core::ffi::{c_int, c_void};
use core::mem::transmute;
use core::ptr::{copy_nonoverlapping, null_mut};
use core::sync::atomic::Ordering::Relaxed;

type Address = *mut c_void;

// What a pair of `malloc` and `free` costs decides whether anybody wants this library in a process. In a thread that has a
// slot, over the C library's allocator, nothing is called but that; all else lies in the functions that say "slowly".

/// Notes a block that was just allocated, unless there was no memory for it, and passes it on.
#[inline(always)]
pub unsafe fn noted(block: Address) -> Address {
    if block.is_null() {
        return block;
    }
    // SAFETY: passed on as it came.
    let Some(slot) = direct_slot() else { return unsafe { noted_slowly(block) } };
    // SAFETY: a thread with a direct slot meets such blocks only, and ours.
    let head = unsafe { Head::of(block) };
    if !head.is_in_heap() {
        // SAFETY: as above.
        return unsafe { noted_slowly(block) };
    }
    let bytes = head.usable_in_heap();
    if count_allocated(slot, bytes) { sampled(block, slot, bytes) } else { block }
}

#[inline(never)]
unsafe fn noted_slowly(block: Address) -> Address {
    if !is_early(block) && !sanitized() {
        // SAFETY: the block was just allocated, and is none of ours.
        allocated(block, unsafe { usable(block) });
    }
    block
}

#[cold]
#[inline(never)]
fn sampled(block: Address, slot: &'static Slot, bytes: usize) -> Address {
    sample_block(slot, block, bytes);
    block
}

/// Counts a block that is about to be freed, if that is all there is to do.
#[inline(always)]
unsafe fn count_if_plain(block: Address) -> bool {
    let Some(slot) = direct_slot() else { return false };
    // SAFETY: a slot lies in a region.
    let region = unsafe { existing().unwrap_unchecked() };
    // True of null as well.
    if may_hold_near(region, block as usize) {
        return false;
    }
    // SAFETY: as in `noted`.
    let head = unsafe { Head::of(block) };
    if !head.is_in_heap() {
        return false;
    }
    count_freed(slot, head.usable_in_heap());
    true
}

fn out_of_memory() -> Address {
    // SAFETY: the location is this thread's.
    unsafe { *libc::__errno_location() = ENOMEM };
    null_mut()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc(bytes: usize) -> Address {
    // SAFETY: the function has this type.
    unsafe { noted(transmute::<Address, next::Malloc>(next::MALLOC.known())(bytes)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn calloc(count: usize, bytes: usize) -> Address {
    // SAFETY: the function has this type.
    unsafe { noted(transmute::<Address, next::Calloc>(next::CALLOC.known())(count, bytes)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(block: Address) {
    // SAFETY: the block is live, and the function has this type; whoever has a slot has looked it up.
    unsafe {
        if count_if_plain(block) {
            transmute::<Address, next::Free>(next::FREE.known())(block);
        } else {
            free_slowly(block);
        }
    }
}

#[inline(never)]
unsafe fn free_slowly(block: Address) {
    if block.is_null() || is_early(block) {
        return;
    }
    // SAFETY: the block is live, and the function has this type.
    unsafe {
        if !sanitized() {
            freed(block, usable(block));
        }
        transmute::<Address, next::Free>(next::FREE.get())(block);
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(block: Address, bytes: usize) -> Address {
    // SAFETY: calls are passed on as they came, with functions of their types.
    unsafe {
        // It is noted as freed before anyone else can be given the address.
        if !count_if_plain(block) {
            if block.is_null() {
                return malloc(bytes);
            }
            if is_early(block) {
                let moved = malloc(bytes);
                if !moved.is_null() {
                    copy_nonoverlapping(block.cast::<u8>(), moved.cast::<u8>(), early_size(block).min(bytes));
                }
                return moved;
            }
            if !sanitized() {
                freed(block, usable(block));
            }
        }
        let moved = transmute::<Address, next::Realloc>(next::REALLOC.get())(block, bytes);
        if moved.is_null() && bytes > 0 {
            // It failed, and the old block lives on.
            noted(block);
        }
        noted(moved)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn reallocarray(block: Address, count: usize, bytes: usize) -> Address {
    match count.checked_mul(bytes) {
        // SAFETY: passed on as it came.
        Some(bytes) => unsafe { realloc(block, bytes) },
        None => out_of_memory(),
    }
}

unsafe fn aligned(next: &Next, alignment: usize, bytes: usize) -> Address {
    let next = next.get();
    if next.is_null() {
        return out_of_memory();
    }
    // SAFETY: the function has this type.
    unsafe { noted(transmute::<Address, next::Calloc>(next)(alignment, bytes)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn memalign(alignment: usize, bytes: usize) -> Address {
    // SAFETY: passed on as it came.
    unsafe { aligned(&next::MEMALIGN, alignment, bytes) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aligned_alloc(alignment: usize, bytes: usize) -> Address {
    // SAFETY: passed on as it came.
    unsafe { aligned(&next::ALIGNED_ALLOC, alignment, bytes) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(block: *mut Address, alignment: usize, bytes: usize) -> c_int {
    let next = next::POSIX_MEMALIGN.get();
    if next.is_null() {
        return ENOMEM;
    }
    // SAFETY: the function has this type; on success it has set the pointer.
    unsafe {
        let error = transmute::<Address, unsafe extern "C" fn(*mut Address, usize, usize) -> c_int>(next)(
            block, alignment, bytes,
        );
        if error == 0 {
            noted(*block);
        }
        error
    }
}

unsafe fn paged(next: &Next, bytes: usize) -> Address {
    let next = next.get();
    if next.is_null() {
        return out_of_memory();
    }
    // SAFETY: the function has this type.
    unsafe { noted(transmute::<Address, next::Malloc>(next)(bytes)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn valloc(bytes: usize) -> Address {
    // SAFETY: passed on as it came.
    unsafe { paged(&next::VALLOC, bytes) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvalloc(bytes: usize) -> Address {
    // SAFETY: passed on as it came.
    unsafe { paged(&next::PVALLOC, bytes) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_usable_size(block: Address) -> usize {
    match block {
        _ if block.is_null() => 0,
        _ if is_early(block) => early_size(block),
        // SAFETY: the block is live.
        _ => unsafe { usable(block) },
    }
}

/// `mmap_from` with who called it as the last argument; the others are passed on where they are.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap() {
    naked_asm!(
        ".cfi_startproc",
        "push qword ptr [rsp]",
        ".cfi_adjust_cfa_offset 8",
        "call {mmap_from}",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "ret",
        ".cfi_endproc",
        mmap_from = sym mmap_from
    )
}

/// The same function under its other name.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap64() {
    naked_asm!("jmp {mmap}", mmap = sym mmap)
}

unsafe extern "C" fn mmap_from(
    address: Address,
    bytes: usize,
    protection: c_int,
    flags: c_int,
    descriptor: c_int,
    offset: i64,
    caller: usize,
) -> Address {
    type Mmap = unsafe extern "C" fn(Address, usize, c_int, c_int, c_int, i64) -> Address;
    let next = next::MMAP.known();
    // SAFETY: the function has this type; before it is known, the kernel is asked.
    let made = unsafe {
        if next.is_null() {
            let (protection, flags, descriptor) = (protection as u64, flags as u64, descriptor as u64);
            let made =
                kernel(libc::SYS_MMAP, [address as u64, bytes as u64, protection, flags, descriptor, offset as u64]);
            return made as Address;
        }
        transmute::<Address, Mmap>(next)(address, bytes, protection, flags, descriptor, offset)
    };
    if made as usize == MAP_FAILED || is_allocator(caller) || sanitized() {
        return made;
    }
    if flags & MAP_FIXED != 0 {
        unmapped(made, bytes);
    }
    if flags & MAP_ANONYMOUS != 0 && flags & MAP_PRIVATE != 0 {
        match protection & PROT_WRITE {
            0 => reserved(made, pages(bytes)),
            _ => mapped(made, pages(bytes)),
        }
    }
    made
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mprotect(address: Address, bytes: usize, protection: c_int) -> c_int {
    let next = next::MPROTECT.known();
    // SAFETY: the function has this type; before it is known, the kernel is asked.
    let result = unsafe {
        if next.is_null() {
            kernel(libc::SYS_MPROTECT, [address as u64, bytes as u64, protection as u64, 0, 0, 0]) as c_int
        } else {
            transmute::<Address, unsafe extern "C" fn(Address, usize, c_int) -> c_int>(next)(address, bytes, protection)
        }
    };
    // What may be read only keeps what was written to it.
    if result == 0 && follows_mappings().is_some() {
        match protection {
            PROT_NONE => close_range(address as usize, pages(bytes)),
            _ if protection & PROT_WRITE != 0 => opened(address as usize, pages(bytes)),
            _ => {}
        }
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn munmap(address: Address, bytes: usize) -> c_int {
    let next = next::MUNMAP.known();
    // It is noted before anyone else can be given the range; the call fails only where there is nothing of that kind.
    unmapped(address, bytes);
    // SAFETY: the function has this type; before it is known, the kernel is asked.
    unsafe {
        if next.is_null() {
            return kernel(libc::SYS_MUNMAP, [address as u64, bytes as u64, 0, 0, 0, 0]) as c_int;
        }
        transmute::<Address, unsafe extern "C" fn(Address, usize) -> c_int>(next)(address, bytes)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mremap(old: Address, before: usize, bytes: usize, flags: c_int, fixed: Address) -> Address {
    type Mremap = unsafe extern "C" fn(Address, usize, usize, c_int, Address) -> Address;
    let next = next::MREMAP.known();
    let followed = unmapped(old, before);
    // SAFETY: the function takes a fifth argument or ignores it; before it is known, the kernel is asked.
    let made = unsafe {
        if next.is_null() {
            let arguments = [old as u64, before as u64, bytes as u64, flags as u64, fixed as u64, 0];
            return kernel(libc::SYS_MREMAP, arguments) as Address;
        }
        transmute::<Address, Mremap>(next)(old, before, bytes, flags, fixed)
    };
    if followed > 0 {
        match made as usize {
            MAP_FAILED => mapped(old, pages(before)),
            _ => mapped(made, pages(bytes)),
        }
    }
    made
}

/// The unwinder is told of code that was made at run time. What such tables say is not always so: LuaJIT's stop the unwinder,
/// and the process with it, where they are asked for more than an exception's way. So stacks are walked up to such code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __register_frame(tables: *const c_void) {
    if let Some(region) = region().filter(|_| !sanitized()) {
        region.tables_made.store(1, Relaxed);
    }
    let next = next::REGISTER_FRAME.get();
    if !next.is_null() {
        // SAFETY: passed on as it came; the function has this type.
        unsafe { transmute::<Address, unsafe extern "C" fn(*const c_void)>(next)(tables) };
    }
}

/// Asks the kernel, as the C library would: -1 with `errno` set if it refuses.
///
/// # Safety
/// The arguments are those of the call of this number.
unsafe fn kernel(number: i64, [a, b, c, d, e, f]: [u64; 6]) -> i64 {
    // SAFETY: as for this function; the location is this thread's.
    unsafe {
        let result = libc::syscall(number, a, b, c, d, e, f);
        if result >= 0 {
            return result;
        }
        *libc::__errno_location() = -result as c_int;
    }
    -1
}

/// Notes that a range is mapped no more; returns how much of it was followed.
fn unmapped(address: Address, bytes: usize) -> u64 {
    follows_mappings().map_or(0, |region| forget_range(region, address as usize, pages(bytes)))
}

/// The region, if any mapping is followed.
fn follows_mappings() -> Option<&'static Region> {
    existing().filter(|region| region.mappings_used.load(Relaxed) > 0)
}

fn pages(bytes: usize) -> usize {
    bytes.saturating_add(4095) & !4095
}
