//! What has become of a page: whether the process still has it, and whether something was written over what was there first.
//!
//! The second is told from a few bytes next to the address that was touched first. They are compared, and neither kept nor told.

use procfs::FromBufRead;
use procfs::process::{MMPermissions, MMapPath, MemoryMaps};
use rustix::fs::{Mode, OFlags, openat};
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

/// Bits of an entry of `pagemap`.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_FILE: u64 = 1 << 61;
const EXCLUSIVE: u64 = 1 << 56;

/// Bytes below the first touched address that are compared: they are of the block in which it lies, or of those that were there before.
const BELOW: u64 = 256;

/// Bytes from the first touched address on that are compared in its place where it lies at the begin of the page, as where a block goes
/// on from the page before.
const BEGIN: u64 = 64;

/// Entries of `pagemap` that are read at once, and of one process in all: of a larger one, what it had before isn't known.
const AT_ONCE: u64 = 64 << 10;
const MOST: u64 = 16 << 20;

/// Where the kernel says how large a huge page is.
const HUGE: &str = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size";

/// `struct pm_scan_arg` of Linux 6.7: a question about pages of a range.
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    most_regions: u64,
    most_pages: u64,
    inverted: u64,
    all_of: u64,
    any_of: u64,
    told: u64,
}

/// What a page is that is mapped as a part of a huge one.
const IS_HUGE: u64 = 1 << 6;

nix::ioctl_readwrite!(pagemap_scan, b'f', 16, Scan);

/// Memory of a process, to be looked at.
#[derive(Debug)]
pub struct PageProbe {
    pagemap: File,
    memory: File,
    page: u64,
    /// Bytes of a huge page; none if there are no such pages.
    huge: Option<u64>,
}

/// What a page is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageState {
    /// The process has it, and next to the address are bytes with this hash.
    There(u64),
    /// It is swapped out, and left alone.
    Swapped,
    /// It was given back.
    Gone,
    /// It is no page of the process's own.
    Foreign,
}

impl PageProbe {
    /// Opens the memory of the process whose directory in `/proc` this is.
    ///
    /// # Errors
    /// If this user may not look at it.
    pub fn open(process: impl AsFd) -> io::Result<Self> {
        let open = |name: &str| -> io::Result<File> {
            Ok(openat(process.as_fd(), name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
        };
        let huge = std::fs::read_to_string(HUGE).ok().and_then(|size| size.trim().parse().ok());
        let page = rustix::param::page_size() as u64;
        Ok(PageProbe { pagemap: open("pagemap")?, memory: open("mem")?, page, huge })
    }

    /// Bytes of a page.
    pub fn size(&self) -> u64 {
        self.page
    }

    /// The page in which an address lies.
    pub fn of(&self, address: u64) -> u64 {
        address / self.page * self.page
    }

    /// Bytes that the process got by touching this address: those of a page, or of a huge one, where the kernel tells (Linux 6.7).
    pub fn got(&self, address: u64) -> u64 {
        let Some(huge) = self.huge else { return self.page };
        let start = self.of(address);
        let mut region = [0u64; 3];
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            start,
            end: start + self.page,
            regions: region.as_mut_ptr() as u64,
            most_regions: 1,
            all_of: IS_HUGE,
            told: IS_HUGE,
            ..Scan::default()
        };
        // SAFETY: the question is as long as it says; there is room for one region, which lives through the call.
        let found = unsafe { pagemap_scan(self.pagemap.as_raw_fd(), &raw mut scan) };
        if found.is_ok_and(|regions| regions > 0) { huge } else { self.page }
    }

    /// What the page of this address is now. One that is `fresh` has to be the process's alone; later a child may share it.
    pub fn state(&self, address: u64, fresh: bool) -> PageState {
        let mut entry = [0; 8];
        if self.pagemap.read_exact_at(&mut entry, address / self.page * 8).is_err() {
            return PageState::Gone;
        }
        let entry = u64::from_ne_bytes(entry);
        if entry & SWAPPED != 0 {
            return PageState::Swapped;
        }
        let wanted = if fresh { PRESENT | EXCLUSIVE } else { PRESENT };
        if entry & PRESENT == 0 {
            return PageState::Gone;
        }
        if entry & wanted != wanted || entry & OF_FILE != 0 {
            return PageState::Foreign;
        }
        // Of what isn't there nothing is read: that would make it be there.
        let Range { start, end } = compared(address, self.page);
        let mut bytes = [0; BELOW as usize];
        let bytes = &mut bytes[..(end - start) as usize];
        match self.memory.read_exact_at(bytes, start) {
            Ok(()) => {
                let mut hash = DefaultHasher::new();
                hash.write(bytes);
                PageState::There(hash.finish())
            }
            Err(_) => PageState::Gone,
        }
    }

    /// The pages that the process has of its own, or shares with its parent until it writes to them; `None` if they are too many to be
    /// looked for.
    pub fn all(&self, maps: &[u8]) -> Option<Vec<Range<u64>>> {
        let maps = MemoryMaps::from_buf_read(maps).ok()?;
        let own = maps.iter().filter(|map| {
            let wanted = MMPermissions::WRITE | MMPermissions::PRIVATE;
            map.perms.contains(wanted) && !matches!(map.pathname, MMapPath::Vsyscall)
        });
        let ranges: Vec<Range<u64>> = own.map(|map| map.address.0 / self.page..map.address.1 / self.page).collect();
        let pages =
            ranges.iter().try_fold(0u64, |sum, range| sum.checked_add(range.end.saturating_sub(range.start)))?;
        if pages > MOST {
            return None;
        }
        let mut found: Vec<Range<u64>> = Vec::new();
        let mut entries = Vec::new();
        for range in ranges {
            let mut at = range.start;
            while at < range.end {
                let count = (range.end - at).min(AT_ONCE);
                entries.resize(count as usize * 8, 0);
                let read = self.pagemap.read_at(&mut entries, at * 8).ok().filter(|read| *read >= 8)?;
                for (page, entry) in (at..).zip(entries[..read].as_chunks::<8>().0) {
                    if u64::from_ne_bytes(*entry) & (PRESENT | SWAPPED) == 0 {
                        continue;
                    }
                    match found.last_mut() {
                        Some(last) if last.end == page => last.end += 1,
                        _ => found.push(page..page + 1),
                    }
                }
                at += read as u64 / 8;
            }
        }
        found.iter_mut().for_each(|range| *range = range.start * self.page..range.end * self.page);
        Some(found)
    }
}

/// Whether an address lies in one of these ranges, which are in order.
pub fn is_within(ranges: &[Range<u64>], address: u64) -> bool {
    let after = ranges.partition_point(|range| range.end <= address);
    ranges.get(after).is_some_and(|range| range.start <= address)
}

/// What lies in both of two lists of ranges that are in order.
pub fn common(one: &[Range<u64>], other: &[Range<u64>]) -> Vec<Range<u64>> {
    let (mut at, mut found) = (0, Vec::new());
    for range in one {
        at += other[at..].partition_point(|next| next.end <= range.start);
        let overlapping = other[at..].iter().take_while(|next| next.start < range.end);
        found.extend(overlapping.map(|next| next.start.max(range.start)..next.end.min(range.end)));
    }
    found
}

/// The bytes that are compared for a page whose first touched address this is.
fn compared(address: u64, page: u64) -> Range<u64> {
    let into = address % page;
    let address = address / 8 * 8;
    if into < BEGIN {
        address..address + BEGIN
    } else {
        (address - into / 8 * 8).max(address.saturating_sub(BELOW))..address
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

    fn own() -> (PageProbe, Vec<u8>) {
        (PageProbe::open(File::open("/proc/self").unwrap()).unwrap(), std::fs::read("/proc/self/maps").unwrap())
    }

    #[test]
    fn a_page_is_there_until_it_is_given_back_and_the_same_until_it_is_written_over() {
        let (probe, _) = own();
        let length = 2 * probe.size() as usize;
        // SAFETY: a new mapping, of which nobody else knows.
        let map = unsafe {
            mmap_anonymous(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        };
        let map = map.unwrap().cast::<u8>();
        let address = map as u64 + 1000;
        assert_eq!(probe.state(address, true), PageState::Gone);
        let write = |at: usize, byte: u8| {
            // SAFETY: within the mapping.
            unsafe { map.add(at).write_volatile(byte) }
        };
        write(1000, 1);
        let first = probe.state(address, true);
        assert!(matches!(first, PageState::There(_)));
        write(1000, 2);
        write(3000, 2);
        assert_eq!(probe.state(address, false), first, "what lies above may be anybody's");
        assert!(is_within(&probe.all(&std::fs::read("/proc/self/maps").unwrap()).unwrap(), address));
        write(900, 3);
        let second = probe.state(address, false);
        assert!(second != first && matches!(second, PageState::There(_)));
        // SAFETY: the mapping is ours.
        unsafe { madvise(map.cast(), length, Advice::LinuxDontNeed).unwrap() };
        assert_eq!(probe.state(address, false), PageState::Gone);
        // SAFETY: the mapping is ours, and not used any more.
        unsafe { munmap(map.cast(), length).unwrap() };
        assert_eq!(probe.state(address, false), PageState::Gone);
    }

    #[test]
    fn a_huge_page_is_told_where_there_are_any() {
        let (probe, _) = own();
        let huge = probe.huge.unwrap_or(2 << 20) as usize;
        // SAFETY: a new mapping, of which nobody else knows.
        let map = unsafe {
            mmap_anonymous(std::ptr::null_mut(), 3 * huge, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        };
        let map = map.unwrap();
        // SAFETY: the mapping is ours.
        let advised = unsafe { madvise(map, 3 * huge, Advice::LinuxHugepage) };
        let whole = (map as usize).next_multiple_of(huge);
        let [whole, after] = [whole, whole + huge].map(|at| at as *mut u8);
        // SAFETY: within the mapping.
        unsafe { whole.add(5000).write_volatile(1) };
        if advised.is_ok() && probe.state(whole as u64, false) != PageState::Gone {
            assert_eq!(probe.got(whole as u64 + 5000), huge as u64, "its first page came with another");
        }
        // SAFETY: the mapping is ours, and what is written lies in it.
        unsafe {
            let _ = madvise(map, 3 * huge, Advice::LinuxNoHugepage);
            after.write_volatile(1);
        }
        assert_eq!(probe.got(after as u64), probe.size());
        // SAFETY: the mapping is ours, and not used any more.
        unsafe { munmap(map, 3 * huge).unwrap() };
    }

    #[test]
    fn pages_of_files_are_nobodys_growth() {
        let (probe, _) = own();
        // Code that runs is there.
        assert_eq!(probe.state(pages_of_files_are_nobodys_growth as *const () as u64, true), PageState::Foreign);
    }

    proptest! {
        #[test]
        fn what_is_compared_lies_in_the_page(address in 0u64..1 << 47) {
            let range = compared(address, 4096);
            prop_assert!(range.start < range.end && range.end - range.start <= BELOW);
            prop_assert_eq!(range.start / 4096, address / 4096);
            prop_assert_eq!((range.end - 1) / 4096, address / 4096);
        }

        #[test]
        fn what_is_common_lies_in_both(
            one in prop::collection::btree_set(0u64..60, 0..20),
            other in prop::collection::btree_set(0u64..60, 0..20),
        ) {
            let ranges = |starts: std::collections::BTreeSet<u64>, each: u64, long: u64| -> Vec<Range<u64>> {
                starts.into_iter().map(|start| start * each..start * each + long).collect()
            };
            let (one, other) = (ranges(one, 7, 5), ranges(other, 5, 4));
            let both = common(&one, &other);
            for address in 0..430 {
                prop_assert_eq!(is_within(&both, address), is_within(&one, address) && is_within(&other, address));
            }
        }

        #[test]
        fn ranges_hold_what_lies_in_them(starts in prop::collection::btree_set(0u64..1000, 0..20), address in 0u64..3000) {
            let ranges: Vec<Range<u64>> = starts.into_iter().map(|start| start * 3..start * 3 + 2).collect();
            prop_assert_eq!(is_within(&ranges, address), ranges.iter().any(|range| range.contains(&address)));
        }
    }
}
