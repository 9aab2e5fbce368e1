//! What a fault that is told costs whoever causes it, on this machine. It is measured: to wake a reader is an interrupt to oneself, which in
//! some virtual machines takes several times as long as all the rest.

use super::event;
use super::ring::Ring;
use crate::thread::cpu_time;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::io;
use std::os::fd::OwnedFd;
use std::ptr;
use std::time::Duration;

/// Pages that are touched at a time, and how often; the median counts.
const PAGES: usize = 64;
const ROUNDS: usize = 9;

/// CPU time that a fault costs this thread more when it is told in one of these rings, which have nothing in them, and wakes who waits for
/// it or not.
///
/// # Errors
/// If this user may have no events, or there is no memory.
pub fn price(rings: &[(i32, Ring)], wakes: bool) -> io::Result<Duration> {
    let open = |(cpu, ring): &(i32, Ring)| event::faults(0, *cpu, false, wakes, ring.event());
    let events: Vec<OwnedFd> = rings.iter().map(open).collect::<io::Result<_>>()?;
    let mut more = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let untold = touch()?;
        events.iter().for_each(|event| event::tell(event, true));
        let told = touch();
        events.iter().for_each(|event| event::tell(event, false));
        more.push(told?.saturating_sub(untold));
        for (_, ring) in rings {
            ring.take(&mut Vec::new());
        }
    }
    more.sort_unstable();
    Ok(more[ROUNDS / 2] / PAGES as u32)
}

/// CPU time of this thread that it takes to touch some fresh pages.
fn touch() -> io::Result<Duration> {
    let page = rustix::param::page_size();
    let length = PAGES * page;
    // SAFETY: a new mapping, of which nobody else knows.
    let map =
        unsafe { mmap_anonymous(ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)? };
    // SAFETY: the mapping is ours. Where there are no huge pages, there is nothing to refuse.
    let _ = unsafe { madvise(map, length, Advice::LinuxNoHugepage) };
    let before = cpu_time();
    for at in (0..length).step_by(page) {
        // SAFETY: within the mapping.
        unsafe { map.cast::<u8>().add(at).write_volatile(1) };
    }
    let took = cpu_time().saturating_sub(before);
    // SAFETY: the mapping is ours, and not used any more.
    unsafe { munmap(map, length)? };
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::super::watched::FaultProbe;
    use std::time::Duration;

    #[test]
    fn a_told_fault_costs_some_microseconds() {
        // Without the right there is nothing to measure.
        let Ok(probe) = FaultProbe::open() else { return };
        for each in [probe.each.0, probe.each.1] {
            assert!(each > Duration::from_nanos(200) && each < Duration::from_millis(1), "{each:?}");
        }
    }
}
