//! Which anonymous private mappings the process made itself, in order of address.
//!
//! All of it is called with the region's lock held. A mapping may be unmapped in parts; what remains of a sampled one
//! stays in its entry's `bytes`. Runtimes reserve address space that they may not write to, and open and close parts of
//! it as they need them: what is reserved is followed too, but counts only while it is open.

use super::layout::{MAPPINGS, Mapping, Region};
use super::table;
use core::sync::atomic::Ordering::Relaxed;

/// Follows a new mapping of entry number `entry` minus one (0 for none); false if there is no room. What is still
/// followed in its range was unmapped unseen (by the system call itself), and goes.
pub fn insert(region: &Region, start: u64, length: u64, entry: u32) -> bool {
    region.unmapped.fetch_add(remove(region, start, length), Relaxed);
    place(region, start, length, entry, 0)
}

/// Follows address space that is only reserved; false if there is no room.
pub fn reserve(region: &Region, start: u64, length: u64) -> bool {
    region.unmapped.fetch_add(remove(region, start, length), Relaxed);
    place(region, start, length, 0, 1)
}

/// The first part of this range that is reserved, as its start and length.
pub fn first_reserved(region: &Region, start: u64, length: u64) -> Option<(u64, u64)> {
    first(region, start, length, 1)
}

/// Makes whatever of this range was mapped reserved; returns how many bytes that were.
pub fn close(region: &Region, start: u64, length: u64) -> u64 {
    let mut closed = 0;
    while let Some((from, bytes)) = first(region, start, length, 0) {
        closed += remove(region, from, bytes);
        if !place(region, from, bytes, 0, 1) {
            // It is followed no more: opened again, it would be missing, and that is told.
            region.lost_mappings.fetch_add(1, Relaxed);
        }
    }
    closed
}

/// The first part of this range that is of this kind.
fn first(region: &Region, start: u64, length: u64, reserved: u32) -> Option<(u64, u64)> {
    let end = start.saturating_add(length);
    let used = region.mappings_used.load(Relaxed) as usize;
    let mut within = region.mappings[..used].iter().skip(first_ending_after(region, start));
    let mapping = within.find(|mapping| mapping.reserved.load(Relaxed) == reserved)?;
    let from = mapping.start.load(Relaxed);
    let to = (from + mapping.length.load(Relaxed)).min(end);
    (from < end).then(|| (from.max(start), to - from.max(start)))
}

/// Follows a range in which nothing is followed; false if there is no room.
fn place(region: &Region, start: u64, length: u64, entry: u32, reserved: u32) -> bool {
    let used = region.mappings_used.load(Relaxed) as usize;
    if used >= MAPPINGS {
        return false;
    }
    let at = first_ending_after(region, start);
    for place in (at..used).rev() {
        copy(&region.mappings[place], &region.mappings[place + 1]);
    }
    write(&region.mappings[at], start, length, entry, reserved);
    region.mappings_used.store(used as u32 + 1, Relaxed);
    region.mappings_most.fetch_max(used as u32 + 1, Relaxed);
    true
}

/// Takes out whatever of this range was followed; returns how many bytes of it were mapped, and not only reserved.
pub fn remove(region: &Region, start: u64, length: u64) -> u64 {
    let end = start.saturating_add(length);
    let mut removed = 0;
    let mut at = first_ending_after(region, start);
    while at < region.mappings_used.load(Relaxed) as usize {
        let mapping = &region.mappings[at];
        let (from, entry) = (mapping.start.load(Relaxed), mapping.entry.load(Relaxed));
        let reserved = mapping.reserved.load(Relaxed);
        let counted = |bytes: u64| if reserved == 0 { bytes } else { 0 };
        let to = from + mapping.length.load(Relaxed);
        if from >= end {
            break;
        }
        let bytes = to.min(end) - from.max(start);
        removed += counted(bytes);
        shrink(region, entry, bytes);
        match (from < start, to > end) {
            (true, true) => {
                write(mapping, from, start - from, entry, reserved);
                if !place(region, end, to - end, entry, reserved) {
                    // No room for the second half: it counts as gone, and that is told.
                    region.lost_mappings.fetch_add(1, Relaxed);
                    removed += counted(to - end);
                    shrink(region, entry, to - end);
                }
                break;
            }
            (true, false) => {
                write(mapping, from, start - from, entry, reserved);
                at += 1;
            }
            (false, true) => {
                write(mapping, end, to - end, entry, reserved);
                break;
            }
            (false, false) => delete(region, at),
        }
    }
    removed
}

/// Forgets that a mapping was sampled, when its entry was dropped.
pub fn forget(region: &Region, place: usize) {
    for mapping in &region.mappings[..region.mappings_used.load(Relaxed) as usize] {
        if mapping.entry.load(Relaxed) == place as u32 + 1 {
            mapping.entry.store(0, Relaxed);
        }
    }
}

fn first_ending_after(region: &Region, address: u64) -> usize {
    let used = region.mappings_used.load(Relaxed) as usize;
    region.mappings[..used].partition_point(|m| m.start.load(Relaxed) + m.length.load(Relaxed) <= address)
}

fn shrink(region: &Region, entry: u32, bytes: u64) {
    let Some(place) = entry.checked_sub(1) else { return };
    let live = &region.entries[place as usize].bytes;
    let rest = live.load(Relaxed).saturating_sub(bytes);
    live.store(rest, Relaxed);
    if rest == 0 {
        table::release(region, place as usize);
    }
}

fn delete(region: &Region, at: usize) {
    let used = region.mappings_used.load(Relaxed) as usize;
    for place in at + 1..used {
        copy(&region.mappings[place], &region.mappings[place - 1]);
    }
    region.mappings_used.store(used as u32 - 1, Relaxed);
}

fn copy(from: &Mapping, to: &Mapping) {
    let (start, length) = (from.start.load(Relaxed), from.length.load(Relaxed));
    write(to, start, length, from.entry.load(Relaxed), from.reserved.load(Relaxed));
}

fn write(mapping: &Mapping, start: u64, length: u64, entry: u32, reserved: u32) {
    mapping.start.store(start, Relaxed);
    mapping.length.store(length, Relaxed);
    mapping.entry.store(entry, Relaxed);
    mapping.reserved.store(reserved, Relaxed);
}
