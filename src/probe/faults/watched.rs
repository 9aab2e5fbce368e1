//! The processes whose faults are sampled, and the rings in which the kernel tells them.

use super::event;
use super::followed::Followed;
use super::pages::{PageProbe, PageState, common, is_within};
use super::price::price;
use super::record::{Fault, Record, parse};
use super::registers::walked_from;
use super::ring::Ring;
use super::walk::{CodeFiles, Walker};
use crate::probe::scripts::Scripts;
use crate::probe::worker::most_of_map as maps;
use crate::probe::{Snapshot, raise_file_limit};
use crate::thread::monotonic;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Events that are open at once, one for each thread and processor: so many at most, and no more than half of the files that may be
/// open, for the rest of seepage needs some.
const MOST_EVENTS: usize = 32 << 10;

/// A map is read again for code that it lacks no sooner than after this.
const AGAIN: Duration = Duration::from_secs(1);

/// How long the target has, from its first touch of a page, to write what it began, before the page is looked at.
const WRITTEN: Duration = Duration::from_micros(100);

/// Times that threads are looked for: some may start meanwhile.
const ROUNDS: usize = 4;

/// Why faults can't be sampled.
#[derive(Debug, Error)]
pub enum FaultRefusal {
    /// This user may have no events of the kernel.
    #[error(
        "page faults can't be sampled: {0}; it takes root or CAP_PERFMON, or kernel.perf_event_paranoid at 2 or below"
    )]
    Events(io::Error),
    /// The process may not be watched.
    #[error(
        "page faults of PID {pid} can't be sampled: {error}; it takes its own user, or CAP_PERFMON and CAP_SYS_PTRACE"
    )]
    Process {
        /// The process.
        pid: u32,
        /// What was said.
        error: io::Error,
    },
    /// It would take too many events.
    #[error(
        "page faults of PID {pid} aren't sampled: its threads and the processors are too many ({most} events at most, by the limit on open files)"
    )]
    TooMany {
        /// The process.
        pid: u32,
        /// How many there may be.
        most: usize,
    },
}

/// Samples faults of processes.
#[derive(Debug)]
pub struct FaultProbe {
    /// By number of the processor.
    rings: Vec<(i32, Ring)>,
    /// CPU time that a fault costs its process more when it is told, if it wakes us and if not.
    pub(super) each: (Duration, Duration),
    /// Whether each fault wakes us.
    wakes: bool,
    files: CodeFiles,
    processes: HashMap<u32, WatchedProcess>,
    /// Events that may be open.
    most: usize,
    /// One fault in so many is told, for they are told for such a part of the time.
    one_in: u64,
    /// Whether they are told now.
    tells: bool,
    /// Records that found no room.
    lost: u64,
    /// Samples that were walked.
    samples: u64,
    /// What was in each ring.
    buffers: Vec<Vec<u8>>,
}

/// A process whose faults are sampled.
#[derive(Debug)]
struct WatchedProcess {
    directory: OwnedFd,
    pages: PageProbe,
    /// One for each thread and processor.
    events: Vec<OwnedFd>,
    walker: Walker,
    read: Instant,
    /// Pages that it had before, and has still: what is written to them now is a copy of its own, and no growth.
    before: Vec<Range<u64>>,
    /// When it began to be watched, and when it is to be looked again which of them it has.
    begun: Instant,
    again: Instant,
    followed: Followed,
    scripts: Scripts,
}

impl FaultProbe {
    /// Opens a ring for each processor, and measures what a fault costs that is told.
    ///
    /// # Errors
    /// If this user may have no events.
    pub fn open() -> Result<Self, FaultRefusal> {
        let mut rings = Vec::new();
        let mut refused = io::Error::from(io::ErrorKind::NotFound);
        let processors = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_else(|_| "0".into());
        for cpu in listed(&processors) {
            match Ring::open(cpu, listed(&processors).len()) {
                Ok(ring) => rings.push((cpu, ring)),
                Err(error) => refused = error,
            }
        }
        if rings.is_empty() {
            return Err(FaultRefusal::Events(refused));
        }
        let [woken, unwoken] = [true, false].map(|wakes| price(&rings, wakes).map_err(FaultRefusal::Events));
        let each = (woken?, unwoken?);
        let (files, processes, buffers) = (CodeFiles::default(), HashMap::new(), vec![Vec::new(); rings.len()]);
        let most = MOST_EVENTS.min(raise_file_limit() / 2);
        Ok(FaultProbe {
            rings,
            each,
            wakes: true,
            files,
            processes,
            most,
            one_in: 1,
            tells: true,
            lost: 0,
            samples: 0,
            buffers,
        })
    }

    /// Begins to sample the faults of the process `pid`, whose directory in `/proc` this is.
    ///
    /// # Errors
    /// If this user may not watch it, it has ended, or has too many threads.
    pub fn watch(&mut self, pid: u32, directory: OwnedFd) -> Result<(), FaultRefusal> {
        let refused = |error| FaultRefusal::Process { pid, error };
        let pages = PageProbe::open(&directory).map_err(refused)?;
        let scripts = Scripts::open(&directory).map_err(refused)?;
        let maps = maps(&directory).map_err(refused)?;
        let before = pages.all(&maps).unwrap_or_default();
        let walker = Walker::new(&directory, &maps, &mut self.files);
        let (events, followed) = (Vec::new(), Followed::default());
        let begun = Instant::now();
        let again = begun + AGAIN;
        let mut process =
            WatchedProcess { directory, pages, events, walker, read: begun, before, begun, again, followed, scripts };
        self.attach(pid, &mut process)?;
        self.processes.insert(pid, process);
        Ok(())
    }

    /// Opens events for all threads of a process. A thread that starts meanwhile may get a second one, and its pages be told twice.
    fn attach(&self, pid: u32, process: &mut WatchedProcess) -> Result<(), FaultRefusal> {
        let others: usize = self.processes.values().map(|other| other.events.len()).sum();
        let refused = |error| FaultRefusal::Process { pid, error };
        let mut known = Vec::new();
        for _ in 0..ROUNDS {
            let threads = process.threads().map_err(refused)?;
            let new: Vec<i32> = threads.into_iter().filter(|thread| !known.contains(thread)).collect();
            if new.is_empty() {
                break;
            }
            for thread in new {
                known.push(thread);
                if others + process.events.len() + self.rings.len() > self.most {
                    process.events.clear();
                    return Err(FaultRefusal::TooMany { pid, most: self.most });
                }
                let mut events = Vec::with_capacity(self.rings.len());
                for (cpu, ring) in &self.rings {
                    match event::faults(thread, *cpu, self.tells, self.wakes, ring.event()) {
                        Ok(event) => events.push(event),
                        // The thread has ended meanwhile.
                        Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => break,
                        Err(error) => {
                            process.events.clear();
                            return Err(refused(error));
                        }
                    }
                }
                // Its number may be another's by now.
                if process.has(thread) {
                    process.events.append(&mut events);
                }
            }
        }
        Ok(())
    }

    /// Samples the faults of this process no more.
    pub fn forget(&mut self, pid: u32) {
        self.processes.remove(&pid);
    }

    /// Has faults told from now on, or not told any more.
    pub fn tell(&mut self, told: bool) {
        if self.tells != told {
            self.tells = told;
            self.processes.values().flat_map(|process| &process.events).for_each(|event| event::tell(event, told));
        }
    }

    /// Samples that were taken so far, and records that found no room.
    pub fn told(&self) -> (u64, u64) {
        (self.samples, self.lost)
    }

    /// CPU time that a fault costs its process more when it is told, as measured on this machine.
    pub fn each(&self) -> Duration {
        if self.wakes { self.each.0 } else { self.each.1 }
    }

    /// Pages that are followed.
    pub fn followed(&self) -> usize {
        self.processes.values().map(|process| process.followed.len()).sum()
    }

    /// From now on one fault in so many is told, where there were more: [for that part of the time](Self::tell). They come so fast that
    /// to be [woken](Self::wait) by each would cost more than it tells.
    pub fn thin(&mut self, one_in: u64) {
        self.one_in = one_in;
        self.processes.values_mut().for_each(|process| process.followed.thin(one_in));
        if std::mem::take(&mut self.wakes) {
            let watched: Vec<u32> = self.processes.keys().copied().collect();
            for pid in watched {
                let Some(mut process) = self.processes.remove(&pid) else { continue };
                process.events.clear();
                // One that can't be watched any more has ended.
                if self.attach(pid, &mut process).is_ok() {
                    self.processes.insert(pid, process);
                }
            }
        }
    }

    /// Waits for a fault that isn't taken in, for so long at most; returns whether there is one. Once faults were [thinned](Self::thin),
    /// there may be at any time, and none is waited for.
    pub fn wait(&self, most: Duration) -> bool {
        if !self.wakes {
            return true;
        }
        let mut events: Vec<PollFd<'_>> =
            self.rings.iter().map(|(_, ring)| PollFd::new(ring.event(), PollFlags::IN)).collect();
        let most = Timespec::try_from(most).ok();
        poll(&mut events, most.as_ref()).is_ok_and(|ready| ready > 0)
    }

    /// Takes in what was sampled since the last time, once the target had time to write it; returns how full the fullest ring was, 0 to 1.
    pub fn take(&mut self) -> f64 {
        let mut fullest: f64 = 0.0;
        let mut faults = Vec::new();
        for ((_, ring), buffer) in self.rings.iter().zip(&mut self.buffers) {
            fullest = fullest.max(ring.take(buffer));
            let mut rest = &buffer[..];
            while let Some((record, after)) = parse(rest) {
                rest = after;
                match record {
                    Record::Fault(fault) => faults.push(fault),
                    Record::Lost(count) => self.lost = self.lost.saturating_add(count),
                    Record::Other => {}
                }
            }
        }
        self.samples += faults.len() as u64;
        // Of a page that was given back and touched again meanwhile, only the last can be looked at.
        faults.sort_by_key(|fault| fault.time);
        let page = rustix::param::page_size() as u64;
        let last: HashMap<(u32, u64), u64> =
            faults.iter().map(|fault| ((fault.pid, fault.address / page), fault.time)).collect();
        let youngest = faults.last().map_or(0, |fault| fault.time);
        std::thread::sleep(WRITTEN.saturating_sub(Duration::from_nanos(monotonic().saturating_sub(youngest))));
        for fault in &faults {
            if let Some(process) = self.processes.get_mut(&fault.pid) {
                let is_last = last.get(&(fault.pid, fault.address / page)) == Some(&fault.time);
                process.enter(fault, is_last, self.one_in, &mut self.files);
            }
        }
        fullest
    }

    /// Looks at what has become of the pages that are followed of a process; what is known then, and the map of the process. `None` if it
    /// has ended.
    pub fn look(&mut self, pid: u32) -> Option<(Snapshot, Vec<u8>)> {
        let process = self.processes.get_mut(&pid)?;
        let maps = maps(&process.directory).ok()?;
        process.look_before(&maps);
        let pages = &process.pages;
        process.followed.look(|touched| pages.state(touched, false));
        let snapshot = process.followed.snapshot(pages.size(), self.one_in, self.lost);
        Some((Snapshot { lines: process.scripts.lines(), ..snapshot }, maps))
    }

    /// The first file of code by which stacks can't be walked and why, and how many there are.
    pub fn unwalkable(&self) -> Option<(&String, &String, usize)> {
        self.files.faults()
    }

    /// The first file with an interpreter whose scripts' lines can't be told.
    pub fn unknown_interpreter(&self) -> Option<&String> {
        self.files.unknown()
    }
}

impl WatchedProcess {
    /// Forgets what it has given back of the pages that it had before; each time after twice as long.
    fn look_before(&mut self, maps: &[u8]) {
        let now = Instant::now();
        if now >= self.again && !self.before.is_empty() {
            self.again = now + (now - self.begun);
            self.before = self.pages.all(maps).map(|has| common(&self.before, &has)).unwrap_or_default();
        }
    }

    fn threads(&self) -> io::Result<Vec<i32>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listing = Dir::read_from(openat(&self.directory, "task", flags, Mode::empty())?)?;
        Ok(listing.flatten().filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok()).collect())
    }

    fn has(&self, thread: i32) -> bool {
        statat(&self.directory, format!("task/{thread}"), AtFlags::empty()).is_ok()
    }

    /// Takes in a fault, the last of its page or not, if by it the process got a page of its own that it didn't have before.
    fn enter(&mut self, fault: &Fault<'_>, is_last: bool, one_in: u64, files: &mut CodeFiles) {
        let page = self.pages.of(fault.address);
        if is_within(&self.before, fault.address) {
            return;
        }
        let pages = &self.pages;
        if is_last
            && self.followed.has(page)
            && !self.followed.touched_again(page, fault.time, |touched| pages.state(touched, false))
        {
            return;
        }
        let state = self.pages.state(fault.address, true);
        let looked = monotonic();
        if state == PageState::Foreign {
            return;
        }
        if !self.walker.knows(walked_from(fault.registers).0) && self.read.elapsed() > AGAIN {
            self.read = Instant::now();
            if let Ok(maps) = maps(&self.directory) {
                self.walker = Walker::new(&self.directory, &maps, files);
            }
        }
        let stack = self.walker.walk(fault, files, &mut self.scripts);
        let bytes = self.pages.got(fault.address);
        let stack = self.followed.touch(stack, bytes, one_in);
        if let (PageState::There(print), true) = (state, is_last) {
            self.followed.follow(page, (fault.address, fault.time), (print, looked), (stack, bytes), one_in);
        }
    }
}

/// The numbers of a list such as `0-3,8`.
fn listed(text: &str) -> Vec<i32> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.trim().parse::<i32>().ok()?..=to.trim().parse().ok()?)
    };
    text.split(',').filter_map(range).flatten().take(4096).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_listed() {
        assert_eq!(listed("0-3,8\n"), [0, 1, 2, 3, 8]);
        assert_eq!(listed("0\n"), [0]);
        assert_eq!(listed(" x, -1, 4-\n"), Vec::<i32>::new());
    }
}
