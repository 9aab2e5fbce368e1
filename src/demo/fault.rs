//! What a worker does wrong with each upload.

use super::Fault;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::time::Duration;

const PAGE: usize = 4096;
const BIG: u64 = 1 << 20;
const WARM_ENTRIES: usize = 512;
const THREAD_EVERY: u64 = 20;
const CRASH_EVERY: u64 = 500;
const SLOW: Duration = Duration::from_millis(50);
/// Sizes of the churn's buffers are log-uniform between these powers of two.
const CHURN_LOG2: [f64; 2] = [16.0, 24.0];
/// Pages of the preloaded memory that one upload writes to.
const COW_PAGES: usize = 8;
/// Size of what the parent preloads for `cow`.
const PRELOAD: usize = 32 << 20;

/// Where the fault `shm` writes.
const SHM_DIR: &str = "/dev/shm";

/// An upload as the fault sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Upload {
    /// Bytes of the body that arrived.
    pub(super) bytes: u64,
    /// Whether the client broke it off.
    pub(super) aborted: bool,
}

/// The state of one worker's fault.
pub(super) struct Faulty {
    fault: Fault,
    keep: usize,
    uploads: u64,
    cache: Vec<Option<Box<[u8]>>>,
    preloaded: Vec<u8>,
    /// A file without a name, to which all workers add: it outlives a worker, and goes with the last process of the pool.
    shm: Option<File>,
}

impl Faulty {
    /// Prepares the state in the parent, before it forks: what it allocates here the workers share.
    pub(super) fn preload(fault: Fault, keep: usize) -> Faulty {
        let preloaded = if fault == Fault::Cow { vec![1; PRELOAD] } else { Vec::new() };
        // Without shared memory there is no leak of it, and the demonstration goes on.
        let shm = if fault == Fault::Shm { nameless(SHM_DIR).ok() } else { None };
        Faulty { fault, keep, uploads: 0, cache: Vec::new(), preloaded, shm }
    }

    /// Commits the fault for one upload.
    pub(super) fn commit(&mut self, upload: Upload) {
        self.uploads += 1;
        match self.fault {
            Fault::None | Fault::Error => {}
            Fault::Malloc => self.keep_memory(),
            Fault::Abort if upload.aborted => self.keep_memory(),
            Fault::Big if upload.bytes > BIG => self.keep_memory(),
            Fault::Abort | Fault::Big => {}
            Fault::Fd => keep_descriptor(),
            Fault::Thread if self.uploads.is_multiple_of(THREAD_EVERY) => keep_thread(),
            Fault::Thread => {}
            Fault::Shm => self.fill_shared_memory(),
            Fault::Churn => self.churn(),
            Fault::Warm => self.warm(),
            Fault::Cow => self.unshare(),
            Fault::Slow => std::thread::sleep(SLOW),
            Fault::Crash if self.uploads.is_multiple_of(CRASH_EVERY) => std::process::abort(),
            Fault::Crash => {}
        }
    }

    /// Leaks memory, written to so that it is resident.
    fn keep_memory(&self) {
        Box::leak(resident(self.keep));
    }

    fn fill_shared_memory(&mut self) {
        if let Some(shm) = &mut self.shm {
            // A full /dev/shm ends the leak, not the demonstration.
            let _ = shm.write_all(&[1; PAGE]);
        }
    }

    fn churn(&self) {
        let [low, high] = CHURN_LOG2;
        let size = (low + (high - low) * scatter(self.uploads)).exp2() as usize;
        drop(black_box(resident(size)));
    }

    fn warm(&mut self) {
        self.cache.resize_with(WARM_ENTRIES, || None);
        let slot = (scatter(self.uploads) * WARM_ENTRIES as f64) as usize;
        self.cache[slot].get_or_insert_with(|| resident(PAGE));
    }

    fn unshare(&mut self) {
        let first = (self.uploads - 1) as usize * COW_PAGES;
        for page in first..first + COW_PAGES {
            if let Some(byte) = self.preloaded.get_mut(page * PAGE) {
                *byte = byte.wrapping_add(1);
            }
        }
    }
}

/// A file in `directory` that has no name, so that it goes with whoever has it open, however they end.
fn nameless(directory: &str) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)?))
}

/// Memory in which every page is resident.
fn resident(size: usize) -> Box<[u8]> {
    let mut memory = vec![0; size].into_boxed_slice();
    memory.fill(1);
    black_box(memory)
}

fn keep_descriptor() {
    // Near the limit the leak ends, so that the server can still accept.
    if let Ok(file) = File::open("/dev/null")
        && (file.as_raw_fd() as u64) + 64 < descriptor_limit()
    {
        let _leaked = file.into_raw_fd();
    }
}

fn descriptor_limit() -> u64 {
    use nix::sys::resource::{Resource, getrlimit};
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft)
}

fn keep_thread() {
    // At the limit of threads the leak ends; the server goes on.
    let _ = std::thread::Builder::new().stack_size(64 << 10).spawn(|| {
        loop {
            std::thread::park();
        }
    });
}

/// A fixed pseudo-random number in [0, 1) for each `n` (the finalizer of SplitMix64; Steele, Lea and Flood, 2014).
fn scatter(n: u64) -> f64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_cache_is_bounded() {
        let mut faulty = Faulty::preload(Fault::Warm, 0);
        for _ in 0..20_000 {
            faulty.commit(Upload { bytes: 1, aborted: false });
        }
        assert_eq!(faulty.cache.iter().flatten().count(), WARM_ENTRIES);
    }

    #[test]
    fn un_sharing_ends_with_the_preloaded_memory() {
        let mut faulty = Faulty::preload(Fault::Cow, 0);
        for _ in 0..PRELOAD / PAGE / COW_PAGES + 10 {
            faulty.commit(Upload { bytes: 1, aborted: false });
        }
        assert!(faulty.preloaded.iter().step_by(PAGE).all(|&byte| byte == 2));
    }

    #[test]
    fn scattered_numbers_fill_the_unit_interval() {
        let numbers: Vec<f64> = (1..=1000).map(scatter).collect();
        assert!(numbers.iter().all(|x| (0.0..1.0).contains(x)));
        let mean = numbers.iter().sum::<f64>() / 1000.0;
        assert!((mean - 0.5).abs() < 0.05, "{mean}");
    }

    #[test]
    fn shared_memory_fills_without_a_name_in_it() {
        let mut faulty = Faulty::preload(Fault::Shm, 0);
        for _ in 0..3 {
            faulty.commit(Upload { bytes: 1, aborted: false });
        }
        let file = faulty.shm.unwrap().metadata().unwrap();
        assert_eq!((file.len(), file.nlink()), (3 * PAGE as u64, 0));
    }
}
