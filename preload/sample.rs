//! Counting what is allocated and freed, and taking a sample when one is due.
//!
//! The points at which samples fall are a Poisson process over the bytes that a thread allocates: the distance to the
//! next one is exponential, so that a block of s bytes is sampled with probability `1 - exp(-s / mean)`.

use super::layout::{DEPTH, Region, SCRIPT_LINES, Slot};
use super::libc;
use super::loaded::is_loaded;
use super::math::{ln, probability, random, unit};
use super::region::{existing, forget_block, lock, region};
use super::thread::{bounds, slot, take_slot};
use super::{mappings, scripts, stack, table};
use core::ffi::{c_int, c_void};
use core::sync::atomic::Ordering::{AcqRel, Relaxed};

/// Length of the window over which the rate of samples is held, in nanoseconds.
const WINDOW: u64 = 4_000_000_000;

/// Samples a window may bring before the mean is doubled: 1000 a second cost about 1 % of a core.
const MOST: u64 = 4000;

/// Notes a block that was allocated.
#[inline(always)]
pub fn allocated(address: *mut c_void, bytes: usize) {
    match slot() {
        Some(slot) => {
            if count_allocated(slot, bytes) {
                sample_block(slot, address, bytes);
            }
        }
        None => allocated_first(address, bytes),
    }
}

/// Notes a block that is about to be freed.
#[inline(always)]
pub fn freed(address: *mut c_void, bytes: usize) {
    match slot() {
        Some(slot) => count_freed(slot, bytes),
        None => freed_first(bytes),
    }
    if let Some(region) = existing()
        && table::may_hold(region, address as usize)
    {
        forget_block(region, address as usize);
    }
}

/// Counts a block in its thread's slot; says whether a sample is due.
#[inline(always)]
pub fn count_allocated(slot: &Slot, bytes: usize) -> bool {
    add(&slot.allocations, 1);
    let total = slot.allocated.load(Relaxed).wrapping_add(bytes as u64);
    slot.allocated.store(total, Relaxed);
    total >= slot.next.load(Relaxed)
}

/// Counts a block that is freed.
#[inline(always)]
pub fn count_freed(slot: &Slot, bytes: usize) {
    add(&slot.freed, bytes as u64);
    add(&slot.frees, 1);
}

/// Takes the sample that is due at this block.
#[cold]
#[inline(never)]
pub fn sample_block(slot: &'static Slot, address: *mut c_void, bytes: usize) {
    sample(slot, Kind::Block, address as usize, bytes as u64);
}

/// Notes an anonymous private mapping that the program made.
pub fn mapped(address: *mut c_void, bytes: usize) {
    let Some(region) = region() else { return };
    region.mapped.fetch_add(bytes as u64, Relaxed);
    let taken = slot().or_else(take_slot).is_some_and(|slot| {
        // The bytes of a mapping bring the next sample nearer, but are no blocks.
        let next = slot.next.load(Relaxed).saturating_sub(bytes as u64);
        slot.next.store(next, Relaxed);
        slot.allocated.load(Relaxed) >= next && sample(slot, Kind::Mapping, address as usize, bytes as u64)
    });
    if !taken {
        let followed =
            lock(region).is_some_and(|guard| mappings::insert(guard.region(), address as u64, bytes as u64, 0));
        if !followed {
            not_followed(region, bytes as u64);
        }
    }
}

/// Notes address space that the program reserved: it may not be written to yet.
pub fn reserved(address: *mut c_void, bytes: usize) {
    let Some(region) = region() else { return };
    if !lock(region).is_some_and(|guard| mappings::reserve(guard.region(), address as u64, bytes as u64)) {
        region.lost_mappings.fetch_add(1, Relaxed);
    }
}

/// Notes that a range may be written to: what was reserved of it is mapped now.
pub fn opened(address: usize, bytes: usize) {
    let Some(region) = existing() else { return };
    let (mut from, end) = (address as u64, (address as u64).saturating_add(bytes as u64));
    let first = |from| lock(region).and_then(|guard| mappings::first_reserved(guard.region(), from, end - from));
    while let Some((start, length)) = first(from) {
        mapped(start as *mut c_void, length as usize);
        from = start + length;
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Block,
    Mapping,
}

#[cold]
#[inline(never)]
fn allocated_first(address: *mut c_void, bytes: usize) {
    match take_slot() {
        Some(slot) => {
            if count_allocated(slot, bytes) {
                sample_block(slot, address, bytes);
            }
        }
        None => {
            if let Some(region) = existing() {
                region.shared.allocated.fetch_add(bytes as u64, AcqRel);
                region.shared.allocations.fetch_add(1, AcqRel);
            }
        }
    }
}

#[cold]
#[inline(never)]
fn freed_first(bytes: usize) {
    match take_slot() {
        Some(slot) => count_freed(slot, bytes),
        None => {
            if let Some(region) = existing() {
                region.shared.freed.fetch_add(bytes as u64, AcqRel);
                region.shared.frees.fetch_add(1, AcqRel);
            }
        }
    }
}

/// Only the slot's thread writes to it, so that no locked instruction is needed.
#[inline(always)]
fn add(count: &core::sync::atomic::AtomicU64, more: u64) {
    count.store(count.load(Relaxed).wrapping_add(more), Relaxed);
}

/// Takes the sample that is due; false if none was taken.
fn sample(slot: &'static Slot, kind: Kind, address: usize, bytes: u64) -> bool {
    let Some(region) = existing() else { return false };
    if slot.busy.load(Relaxed) != 0 {
        region.lost_samples.fetch_add(1, Relaxed);
        return false;
    }
    slot.busy.store(1, Relaxed);
    // SAFETY: the location is this thread's; what we call may set it.
    let errno = unsafe { *libc::__errno_location() };
    let mut due = Due { region, slot, kind, address, bytes, taken: false };
    let data = (&raw mut due).cast();
    if stack::has_room() {
        // SAFETY: that is its argument.
        unsafe { take(data) };
    } else if !stack::elsewhere(region, take, data) {
        region.lost_samples.fetch_add(1, Relaxed);
    }
    let taken = due.taken;
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    slot.busy.store(0, Relaxed);
    taken
}

/// A sample that is due, and whether it was taken.
struct Due {
    region: &'static Region,
    slot: &'static Slot,
    kind: Kind,
    address: usize,
    bytes: u64,
    taken: bool,
}

/// Takes a sample that is due, on whichever stack it is called.
unsafe extern "C" fn take(due: *mut c_void) {
    // SAFETY: `sample` passes its own.
    let due = unsafe { &mut *due.cast::<Due>() };
    due.taken = sample_now(due.region, due.slot, due.kind, due.address, due.bytes);
}

fn sample_now(region: &'static Region, slot: &Slot, kind: Kind, address: usize, bytes: u64) -> bool {
    let now = libc::now();
    let (begun, drawn) = (slot.random.load(Relaxed) != 0, slot.drawn.load(Relaxed));
    // Threads begin with nothing and children with their parent's state, and the time may be the same to all of them.
    let apart = now ^ region.salt.load(Relaxed).rotate_left(32) ^ slot.next.as_ptr() as u64;
    slot.random.store(slot.random.load(Relaxed) ^ (apart.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1), Relaxed);
    let mean = region.mean.load(Relaxed);
    let distance = -ln(draw(slot)) * mean as f64;
    slot.next.store(slot.allocated.load(Relaxed).saturating_add(distance.min(1e15) as u64), Relaxed);
    slot.drawn.store(mean, Relaxed);
    // A new slot's next sample is due at 0: what comes first is no point of the process, but sets the process going.
    // It is sampled with the probability that it would have had.
    if !begun && draw(slot) >= probability(bytes, mean) {
        return false;
    }
    let stack = walk(region.tables_made.load(Relaxed) != 0);
    let Some(guard) = lock(region) else {
        region.lost_samples.fetch_add(1, Relaxed);
        return false;
    };
    let region = guard.region();
    hold_rate(region, slot, now);
    // The clock is a coarse one: what it leaves open tells a block from the one that was at its address a moment before.
    let born = now + (slot.random.load(Relaxed) >> 44);
    let mut accepted = if begun { drawn } else { mean };
    let mut number = None;
    let place = loop {
        // The mean may have been raised since: then this block is thinned out like all others.
        let mean = region.mean.load(Relaxed);
        if mean != accepted && draw(slot) * probability(bytes, accepted) >= probability(bytes, mean) {
            return false;
        }
        accepted = mean;
        let number = *number.get_or_insert_with(|| stack_of(region, &stack, bytes));
        let place = match kind {
            Kind::Block => table::insert(region, address as u64, bytes, born, number),
            Kind::Mapping => table::insert_mapping(region, address as u64, bytes, born, number),
        };
        match place {
            Some(place) => break place,
            None => raise(region, slot),
        }
    };
    if kind == Kind::Mapping && !mappings::insert(region, address as u64, bytes, place as u32 + 1) {
        table::release(region, place);
        not_followed(region, bytes);
    }
    true
}

/// The number of a sampled stack, with the sample counted there; `NO_STACK` if there was no room for it.
fn stack_of(region: &Region, stack: &Backtrace, bytes: u64) -> u32 {
    let frames = &stack.frames[..stack.depth];
    let number =
        if stack.executes == 0 { table::stack(region, frames) } else { stack_of_script(region, frames, stack) };
    match region.stacks.get(number as usize) {
        Some(stack) => {
            let weighed = bytes as f64 / probability(bytes, region.mean.load(Relaxed));
            add(&stack.allocated, weighed as u64);
        }
        None => add(&region.lost_stacks, 1),
    }
    number
}

/// The number of a sampled stack of an interpreter, with what it executes.
fn stack_of_script(region: &Region, frames: &[usize], stack: &Backtrace) -> u32 {
    let (interpreter, code_type) = scripts::interpreter();
    region.code_type.store(code_type as u64, Relaxed);
    region.interpreter.store(interpreter, Relaxed);
    let places = stack.places.all();
    let places = &places[..places.len().min(table::most_lines(region))];
    let (frames, depth) = scripts::merge(frames, stack.executes, places, |place| {
        let number = table::line(region, place.code as u64, place.at)?;
        Some((SCRIPT_LINES | u64::from(number)) as usize)
    });
    table::stack(region, &frames[..depth])
}

/// A random number in (0, 1).
fn draw(slot: &Slot) -> f64 {
    let (state, bits) = random(slot.random.load(Relaxed));
    slot.random.store(state, Relaxed);
    unit(bits)
}

/// What can't be followed to its end counts as gone at once, so that it is never taken for live.
fn not_followed(region: &Region, bytes: u64) {
    region.lost_mappings.fetch_add(1, Relaxed);
    region.unmapped.fetch_add(bytes, Relaxed);
}

/// Doubles the mean when samples come too often.
fn hold_rate(region: &Region, slot: &Slot, now: u64) {
    if now.wrapping_sub(region.window.load(Relaxed)) > WINDOW {
        region.window.store(now, Relaxed);
        region.window_samples.store(0, Relaxed);
    }
    add(&region.window_samples, 1);
    if region.window_samples.load(Relaxed) > MOST {
        region.window.store(now, Relaxed);
        region.window_samples.store(0, Relaxed);
        raise(region, slot);
    }
}

fn raise(region: &Region, slot: &Slot) {
    let mut state = slot.random.load(Relaxed);
    // Exchanges with a barrier on both sides: who reads from outside sees them before and after all that changes.
    region.thinnings.fetch_add(1, AcqRel);
    table::raise_mean(region, &mut state, |place| mappings::forget(region, place));
    region.thinnings.fetch_add(1, AcqRel);
    slot.random.store(state, Relaxed);
}

/// The stack from here on; if `loaded` only up to code that was made at run time. Kept out of its caller, which may do without.
#[inline(never)]
fn walk(loaded: bool) -> Backtrace {
    let (frames, places) = ([0; DEPTH], scripts::Places::none());
    let mut stack = Backtrace { frames, depth: 0, loaded, executes: 0, operation: 0, places };
    // SAFETY: the callback writes to `stack` only, within its bounds.
    unsafe { libc::_Unwind_Backtrace(frame, (&raw mut stack).cast()) };
    if stack.executes != 0 {
        // SAFETY: the interpreter's function is on this stack.
        unsafe { scripts::read(stack.operation, bounds(), &mut stack.places) };
    }
    stack
}

/// Walks the stack once, so that whatever the unwinder sets up is there before a sample needs it.
#[allow(dead_code, reason = "not called where the library's code is a part of a test")]
pub fn rehearse() {
    core::hint::black_box(walk(true));
}

struct Backtrace {
    frames: [usize; DEPTH],
    depth: usize,
    /// Whether it is walked through loaded code only.
    loaded: bool,
    /// Which of them are of the interpreter's function that executes scripts, bit by bit.
    executes: u64,
    /// What the innermost of these executes, where its registers have that.
    operation: usize,
    /// What they execute.
    places: scripts::Places,
}

/// Ends a walk (`_URC_END_OF_STACK`).
const END: c_int = 5;

/// Takes one frame; the address is within the call, not after it.
unsafe extern "C" fn frame(context: *mut c_void, stack: *mut c_void) -> c_int {
    let mut before = 0;
    // SAFETY: the unwinder passes its context and our pointer through.
    let (address, stack) = unsafe { (libc::_Unwind_GetIPInfo(context, &mut before), &mut *stack.cast::<Backtrace>()) };
    if address == 0 || stack.depth == DEPTH {
        return END;
    }
    // SAFETY: it is the unwinder's context.
    unsafe {
        if scripts::executes(libc::_Unwind_GetRegionStart(context)) {
            if stack.executes == 0 {
                stack.operation = scripts::operation(context);
            }
            stack.executes |= 1 << stack.depth;
        }
    }
    stack.frames[stack.depth] = address - usize::from(before == 0);
    stack.depth += 1;
    // What tables say of a frame is followed only after this.
    if stack.loaded && !is_loaded(address) { END } else { 0 }
}
