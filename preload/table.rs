//! The table of sampled blocks: which are live, since when, from which stack.
//!
//! All of it is called with the region's lock held, but `may_hold` and `may_hold_near`. A block is in the table with probability
//! `1 - exp(-bytes / mean)`, at every moment and for the one mean that holds then: when the mean is raised, blocks are
//! thinned out to what the new one would have taken.

use super::layout::{DEPTH, ENTRIES, Entry, FILTER, FRAMES, INDEX, LINE_INDEX, NEAR, Region, STACK_INDEX, STACKS};
use super::math::{probability, random, unit};
use core::sync::atomic::Ordering::{Relaxed, Release};
use core::sync::atomic::{AtomicU8, AtomicU32};

/// Number of the stack that stands for all that there was no room for.
pub const NO_STACK: u32 = u32::MAX;

/// Whether a block near this address may have been sampled; if not, this one wasn't. What `free` asks of all blocks: no
/// multiplication, and a byte that lies beside the bytes of the block's neighbours.
#[inline(always)]
pub fn may_hold_near(region: &Region, address: usize) -> bool {
    region.near[nearby(address)].load(Relaxed) != 0
}

/// Whether the block at this address may have been sampled; if not, it wasn't.
#[inline(always)]
pub fn may_hold(region: &Region, address: usize) -> bool {
    region.filter[filtered(address as u64)].load(Relaxed) != 0
}

/// Makes `may_hold_near` true of a null pointer for good, which saves `free` a question of its own.
pub fn hold_null(region: &Region) {
    region.near[nearby(0)].store(u8::MAX, Relaxed);
}

/// Enters a sampled block; returns its place, or `None` if there is none left. If there is one at its address already,
/// that one was freed unseen (by a call into the allocator that isn't ours), and goes.
pub fn insert(region: &Region, address: u64, bytes: u64, born: u64, stack: u32) -> Option<usize> {
    if may_hold(region, address as usize) {
        remove(region, address);
    }
    let place = place(region, bytes, born, stack)?;
    region.entries[place].link.store(0, Relaxed);
    region.entries[place].address.store(address, Release);
    let mut at = home(address);
    while region.index[at].load(Relaxed) != 0 {
        at = (at + 1) & (INDEX - 1);
    }
    region.index[at].store(place as u32 + 1, Relaxed);
    for count in counts(region, address) {
        count.store(count.load(Relaxed).saturating_add(1), Relaxed);
    }
    Some(place)
}

/// Enters a sampled mapping, which is found by its range and not by the index.
pub fn insert_mapping(region: &Region, address: u64, bytes: u64, born: u64, stack: u32) -> Option<usize> {
    let place = place(region, bytes, born, stack)?;
    region.entries[place].link.store(1, Relaxed);
    region.entries[place].address.store(address, Release);
    Some(place)
}

/// Takes out the block at this address, if it was sampled.
pub fn remove(region: &Region, address: u64) {
    let mut at = home(address);
    loop {
        let number = region.index[at].load(Relaxed);
        let Some(place) = number.checked_sub(1) else { return };
        if region.entries[place as usize].address.load(Relaxed) == address {
            close_gap(region, at);
            for count in counts(region, address) {
                let before = count.load(Relaxed);
                if before != 0 && before != u8::MAX {
                    count.store(before - 1, Relaxed);
                }
            }
            release(region, place as usize);
            return;
        }
        at = (at + 1) & (INDEX - 1);
    }
}

/// Frees an entry's place.
pub fn release(region: &Region, place: usize) {
    let entry = &region.entries[place];
    entry.address.store(0, Release);
    entry.link.store(region.free.load(Relaxed), Relaxed);
    region.free.store(place as u32 + 1, Relaxed);
}

/// Doubles the mean, and drops what it would not have taken; calls `dropped` with the place of each mapping that goes.
pub fn raise_mean(region: &Region, state: &mut u64, mut dropped: impl FnMut(usize)) {
    let before = region.mean.load(Relaxed);
    let after = before.saturating_mul(2);
    for place in 0..region.entries_used.load(Relaxed) as usize {
        let entry = &region.entries[place];
        let address = entry.address.load(Relaxed);
        if address == 0 {
            continue;
        }
        let sampled = entry.sampled.load(Relaxed);
        let (next, bits) = random(*state);
        *state = next;
        if unit(bits) * probability(sampled, before) < probability(sampled, after) {
            continue;
        }
        if entry.link.load(Relaxed) == 1 {
            dropped(place);
            release(region, place);
        } else {
            remove(region, address);
        }
    }
    region.mean.store(after, Relaxed);
}

/// The number of the stack with these frames, entered if it is new; `NO_STACK` if there is no room for it.
pub fn stack(region: &Region, frames: &[usize]) -> u32 {
    let frames = &frames[..frames.len().min(DEPTH)];
    let hash = frames.iter().fold(frames.len() as u64 + 1, |hash, frame| spread(hash ^ *frame as u64));
    let mut at = hash as usize & (STACK_INDEX - 1);
    loop {
        let number = region.stack_index[at].load(Relaxed);
        let Some(number) = number.checked_sub(1) else { break };
        if region.stacks[number as usize].hash.load(Relaxed) == hash && same(region, number as usize, frames) {
            return number;
        }
        at = (at + 1) & (STACK_INDEX - 1);
    }
    let number = region.stacks_used.load(Relaxed) as usize;
    let first = region.frames_used.load(Relaxed) as usize;
    if number >= STACKS || first + frames.len() > FRAMES {
        return NO_STACK;
    }
    for (to, frame) in region.frames[first..].iter().zip(frames) {
        to.store(*frame as u64, Relaxed);
    }
    let stack = &region.stacks[number];
    stack.hash.store(hash, Relaxed);
    stack.first.store(first as u32, Relaxed);
    stack.depth.store(frames.len() as u32, Relaxed);
    region.frames_used.store((first + frames.len()) as u32, Relaxed);
    region.stack_index[at].store(number as u32 + 1, Relaxed);
    region.stacks_used.store(number as u32 + 1, Release);
    number as u32
}

fn same(region: &Region, number: usize, frames: &[usize]) -> bool {
    let stack = &region.stacks[number];
    let first = stack.first.load(Relaxed) as usize;
    stack.depth.load(Relaxed) as usize == frames.len()
        && region.frames[first..].iter().zip(frames).all(|(is, frame)| is.load(Relaxed) == *frame as u64)
}

/// How many functions of a script a new stack may have: all of them tell most, but with each line a stack is another one, and there is to be
/// room for those of other code.
pub fn most_lines(region: &Region) -> usize {
    let used = |used: &AtomicU32, most: usize, part: usize| used.load(Relaxed) as usize >= most / 4 * part;
    let full = |part| used(&region.stacks_used, STACKS, part) || used(&region.frames_used, FRAMES, part);
    if full(3) {
        0
    } else if full(2) {
        1
    } else {
        DEPTH
    }
}

/// The number of a place in a script, entered if it is new; `None` if there is no room for it.
pub fn line(region: &Region, code: u64, at: u32) -> Option<u32> {
    let mut place = spread(code ^ u64::from(at) << 48 ^ u64::from(at)) as usize & (LINE_INDEX - 1);
    while let Some(number) = region.line_index[place].load(Relaxed).checked_sub(1) {
        let line = &region.lines[number as usize];
        if line.code.load(Relaxed) == code && line.at.load(Relaxed) == at {
            return Some(number);
        }
        place = (place + 1) & (LINE_INDEX - 1);
    }
    let number = region.lines_used.load(Relaxed);
    let line = region.lines.get(number as usize)?;
    if number == 0 {
        // Of what is touched at random, all is touched at once, so that its size is known.
        region.line_index.iter().step_by(1024).for_each(|place| place.store(0, Relaxed));
    }
    line.code.store(code, Relaxed);
    line.at.store(at, Relaxed);
    region.line_index[place].store(number + 1, Relaxed);
    region.lines_used.store(number + 1, Release);
    Some(number)
}

/// A place for an entry, filled in but for its address.
fn place(region: &Region, bytes: u64, born: u64, stack: u32) -> Option<usize> {
    let free = region.free.load(Relaxed);
    let place = match free.checked_sub(1) {
        Some(place) => {
            region.free.store(region.entries[place as usize].link.load(Relaxed), Relaxed);
            place as usize
        }
        None => {
            let used = region.entries_used.load(Relaxed);
            if used as usize >= ENTRIES {
                return None;
            }
            region.entries_used.store(used + 1, Relaxed);
            used as usize
        }
    };
    let Entry { bytes: live, sampled, born: since, stack: from, .. } = &region.entries[place];
    live.store(bytes, Relaxed);
    sampled.store(bytes, Relaxed);
    since.store(born, Relaxed);
    from.store(stack, Relaxed);
    Some(place)
}

/// Empties a place of the index and moves back what a later look-up would no longer find (Knuth 1973, algorithm R).
fn close_gap(region: &Region, mut gap: usize) {
    let mut at = gap;
    loop {
        region.index[gap].store(0, Relaxed);
        let number = loop {
            at = (at + 1) & (INDEX - 1);
            let number = region.index[at].load(Relaxed);
            let Some(place) = number.checked_sub(1) else { return };
            let home = home(region.entries[place as usize].address.load(Relaxed));
            // It may stay if its home lies in the circle after the gap, up to where it is.
            if (at.wrapping_sub(home) & (INDEX - 1)) >= (at.wrapping_sub(gap) & (INDEX - 1)) {
                break number;
            }
        };
        region.index[gap].store(number, Relaxed);
        gap = at;
    }
}

/// The counters of both filters for an address.
fn counts(region: &Region, address: u64) -> [&AtomicU8; 2] {
    [&region.near[nearby(address as usize)], &region.filter[filtered(address)]]
}

/// The near filter's place of an address: that of its cache line.
#[inline(always)]
fn nearby(address: usize) -> usize {
    address / 64 % NEAR
}

/// The filter's place of an address (Fibonacci hashing; Knuth 1973).
fn filtered(address: u64) -> usize {
    (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER.trailing_zeros())) as usize
}

fn home(address: u64) -> usize {
    (spread(address) >> 20) as usize & (INDEX - 1)
}

/// A mix of all bits (the finaliser of SplitMix64; Steele, Lea and Flood 2014).
fn spread(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
