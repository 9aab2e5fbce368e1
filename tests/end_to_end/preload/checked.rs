//! The preload library's own code as a part of this program, on addresses that nobody has: threads note blocks and mappings
//! as allocated and freed, and hand them to one another. So it can be built with overflow checks and sanitizers, which
//! a library that stands before the allocator can't be; docs/heap.md says how.

#![allow(dead_code, reason = "the entry points of the library are not called here")]

#[path = "../../../preload/layout.rs"]
mod layout;
#[path = "../../../preload/libc.rs"]
mod libc;
#[path = "../../../preload/loaded.rs"]
mod loaded;
#[path = "../../../preload/mappings.rs"]
mod mappings;
#[path = "../../../preload/math.rs"]
mod math;
#[path = "../../../preload/region.rs"]
mod region;
#[path = "../../../preload/sample.rs"]
mod sample;
#[path = "../../../preload/scripts.rs"]
pub mod scripts;
#[path = "../../../preload/stack.rs"]
mod stack;
#[path = "../../../preload/structures.rs"]
mod structures;
#[path = "../../../preload/table.rs"]
mod table;
#[path = "../../../preload/thread.rs"]
mod thread;

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const THREADS: usize = 8;

/// Blocks and mappings, by address, that one thread has left to the others; both are live.
type Live = HashMap<usize, usize>;

/// Allocates and frees until `end`; returns the blocks and the mappings that it has left.
fn work(number: usize, end: Instant, handed: &Mutex<Vec<(usize, usize)>>) -> (Live, Live) {
    let region = region::region().expect("memory");
    let (mut blocks, mut mappings) = (Live::new(), Live::new());
    let mut state = number as u64 + 1;
    let mut next = |bound: usize| {
        let (after, bits) = math::random(state);
        state = after;
        (bits >> 33) as usize % bound
    };
    let base = (number + 1) << 32;
    while Instant::now() < end {
        // Often enough that samples never stop.
        region.window_samples.store(0, Relaxed);
        for _ in 0..500 {
            let address = base + next(4000) * 16;
            if let Some(bytes) = blocks.remove(&address) {
                sample::freed(address as *mut c_void, bytes);
            } else if !handed.lock().unwrap().iter().any(|(other, _)| *other == address) {
                let bytes = next(4000) + 1;
                sample::allocated(address as *mut c_void, bytes);
                blocks.insert(address, bytes);
            }
            let start = base + (1 << 30) + next(300) * 65_536;
            if let Some(bytes) = mappings.remove(&start) {
                // In two parts, so that it is cut first.
                let gone = region::forget_range(region, start + bytes / 2, bytes / 2);
                let rest = region::forget_range(region, start, bytes / 2);
                assert_eq!(gone + rest, bytes as u64);
            } else {
                let bytes = 8192 * (next(8) + 1);
                sample::mapped(start as *mut c_void, bytes);
                mappings.insert(start, bytes);
            }
        }
        let mut handed = handed.lock().unwrap();
        for _ in 0..20 {
            if let Some((address, bytes)) = handed.pop() {
                sample::freed(address as *mut c_void, bytes);
            }
        }
        let given: Vec<usize> = blocks.keys().copied().take(20).collect();
        handed.extend(given.into_iter().map(|address| (address, blocks.remove(&address).expect("a key of it"))));
    }
    (blocks, mappings)
}

#[test]
fn threads_share_the_table() {
    let seconds = std::env::var("SEEPAGE_TORTURE").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(seconds);
    let handed = Mutex::new(Vec::new());
    thread::init();
    let region = region::region().expect("memory");
    region.mean.store(2000, Relaxed);
    let left: Vec<(Live, Live)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                scope.spawn({
                    let handed = &handed;
                    move || work(number, end, handed)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no failure")).collect()
    });
    let mut blocks: Live = handed.into_inner().unwrap().into_iter().collect();
    let mut mapped = Live::new();
    for (block, mapping) in left {
        blocks.extend(block);
        mapped.extend(mapping);
    }
    let sum = |count: fn(&layout::Slot) -> u64| region.slots.iter().map(count).sum::<u64>();
    assert_eq!(sum(|slot| slot.allocations.load(Relaxed)) - sum(|slot| slot.frees.load(Relaxed)), blocks.len() as u64);
    let bytes = sum(|slot| slot.allocated.load(Relaxed)) - sum(|slot| slot.freed.load(Relaxed));
    assert_eq!(bytes, blocks.values().sum::<usize>() as u64);
    assert_eq!(
        region.mapped.load(Relaxed) - region.unmapped.load(Relaxed),
        mapped.values().sum::<usize>() as u64 + region.lost_mappings.load(Relaxed)
    );
    let mut sampled = 0;
    for entry in region.entries.iter().filter(|entry| entry.address.load(Relaxed) != 0) {
        let (address, bytes) = (entry.address.load(Relaxed) as usize, entry.bytes.load(Relaxed) as usize);
        let known = if entry.link.load(Relaxed) == 1 { &mapped } else { &blocks };
        assert_eq!(known.get(&address), Some(&bytes), "{address:#x}");
        sampled += 1;
    }
    assert!(sampled > 0 && region.lost_samples.load(Relaxed) + region.lost_frees.load(Relaxed) == 0);
    assert_eq!(region.slots_taken.load(Relaxed), 0, "all threads have ended");
}
