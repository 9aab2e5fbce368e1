//! All that is read of one worker, through descriptors that were opened once.
//!
//! A read through a kept descriptor after the worker's death fails with `ESRCH` and can't reach another process that
//! was given the same PID; permission is checked once, when it is opened.

use super::descriptors::{self, Connections};
use super::heap::{HeapProbe, Library, Untraced};
use super::java::JavaProbe;
use super::map;
use super::pidfd;
use super::proc::{command_name, own_pid, parse_stat, parse_status, status_of_a_thread};
use crate::model::{ExitCause, Place, Sample, SlowReading, WorkerId, WorkerLimits};
use crate::thread;
use procfs::FromRead;
use procfs::process::{Limit, LimitValue, Limits, SmapsRollup};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::cell::{Cell, OnceCell};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// `status` is about 1.5 kB; twice that leaves room for long CPU and node masks.
const BUFFER: usize = 4096;

/// In its first seconds a process is being started, and may become its program by way of others.
const STARTING: f64 = 2.0;

/// How long a reading took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadCost {
    /// By the clock, the fast part.
    pub fast: Duration,
    /// CPU time of the slow part, but for tables of connections, if it was asked for: to wait for a processor costs the target nothing, for the kernel lets go
    /// of its memory map as soon as somebody wants it (Linux 5.9 and later).
    pub slow: Option<Duration>,
    /// The part of it that walked through the mappings; missing if they may not be read.
    pub walk: Option<Duration>,
    /// CPU time of our own thread, and of another, for tables of connections that serve all workers.
    pub tables: (Duration, Duration),
}

/// One worker, held open.
#[derive(Debug)]
pub struct WorkerProbe {
    id: WorkerId,
    own_pid: u32,
    parent: u32,
    command: String,
    pidfd: Option<OwnedFd>,
    stat: File,
    status: File,
    directory: OwnedFd,
    ticks: f64,
    /// What tells that it has become another program, as it was read last; and whether it has.
    marks: Cell<Marks>,
    has_changed: Cell<bool>,
    /// Its file of counters, if it is a Java machine; looked for once it has been started.
    java: OnceCell<Option<JavaProbe>>,
}

/// What changes when a process becomes another program.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    /// Where its stack began; 0 where this user may not see it.
    stack: u64,
    /// The most that was resident.
    peak: Option<u64>,
}

impl Marks {
    /// Whether a process with these marks has become another program since those: its stack begins elsewhere, or, where that isn't
    /// shown, the highest level of its memory, which never falls, is under half of what it was.
    fn are_of_another(self, before: Marks) -> bool {
        match (before.stack, self.stack) {
            (0, _) | (_, 0) => before.peak.zip(self.peak).is_some_and(|(before, now)| now < before / 2),
            (before, now) => before != now,
        }
    }
}

impl WorkerProbe {
    /// Opens what is to be read of `pid`.
    ///
    /// # Errors
    /// `NotFound` if there is no such process (any more), another kind if `/proc` denies even `stat` and `status`.
    pub fn open(pid: u32) -> io::Result<Self> {
        let gone = || io::Error::from(ErrorKind::NotFound);
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
        // The pidfd comes first: if it still names a living process after `stat` was opened, both are the same one.
        let pidfd = pidfd_open(raw, PidfdFlags::NONBLOCK).ok();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty())?;
        let stat = open_at(&directory, "stat")?;
        let status = open_at(&directory, "status")?;
        let mut buffer = [0; BUFFER];
        let read = stat.read_at(&mut buffer, 0).map_err(|_| gone())?;
        let text = &buffer[..read];
        let parsed = parse_stat(text).filter(|stat| !stat.has_ended()).ok_or_else(gone)?;
        let command = command_name(text);
        let read = status.read_at(&mut buffer, 0).map_err(|_| gone())?;
        Ok(WorkerProbe {
            id: WorkerId::new(pid, parsed.start),
            own_pid: own_pid(&buffer[..read]).unwrap_or(pid),
            parent: parsed.parent,
            command,
            pidfd,
            stat,
            status,
            directory,
            ticks: rustix::param::clock_ticks_per_second() as f64,
            marks: Cell::default(),
            has_changed: Cell::new(false),
            java: OnceCell::new(),
        })
    }

    /// Who it is.
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// Whether a reading has shown that it has become another program (`exec`), once it had been started: then it is to be
    /// [renewed](Self::renew), and what was read since isn't of what it was.
    pub fn has_changed(&self) -> bool {
        self.has_changed.get()
    }

    /// Makes it the incarnation `id` of the process.
    pub fn renew(&mut self, id: WorkerId) {
        self.id = id;
        self.has_changed.set(false);
        self.java = OnceCell::new();
        let mut buffer = [0; BUFFER];
        if let Ok(length) = self.stat.read_at(&mut buffer, 0) {
            self.command = command_name(&buffer[..length]);
        }
    }

    /// The PID by which it knows itself, and which it writes into logs: in a container it is another one than ours.
    pub fn own_pid(&self) -> u32 {
        self.own_pid
    }

    /// Its parent's PID when it was opened.
    pub fn parent(&self) -> u32 {
        self.parent
    }

    /// Its command name when it was opened.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Whether it has ended, reaped or not.
    pub fn has_ended(&self) -> bool {
        match &self.pidfd {
            Some(pidfd) => {
                let mut ready = [PollFd::new(pidfd, PollFlags::IN)];
                poll(&mut ready, Some(&Timespec::default())).is_ok_and(|count| count > 0)
            }
            None => self.read(0.0, None).is_none(),
        }
    }

    /// How it ended, where the kernel tells: of one that nobody has waited for in its `stat`, of others by the pidfd.
    pub fn exit_cause(&self) -> Option<ExitCause> {
        let mut buffer = [0; BUFFER];
        let length = self.stat.read_at(&mut buffer, 0).unwrap_or(0);
        match parse_stat(&buffer[..length]) {
            Some(stat) if stat.has_ended() && stat.wait_status != 0 => {
                Some(ExitCause::from_wait_status(stat.wait_status))
            }
            _ => pidfd::exit_cause(self.pidfd.as_ref()?.as_fd()),
        }
    }

    /// The PID of its parent, if that lives and runs the same program, as the parent of a pool does.
    pub fn kindred_parent(&self) -> Option<u32> {
        let program = std::fs::read_link(format!("/proc/{}/exe", self.parent)).ok()?;
        (self.parent > 1 && self.executable()? == program).then_some(self.parent)
    }

    /// Seconds since the service that it belongs to began: it, or a parent that runs the same program.
    pub fn age_of_service(&self) -> f64 {
        let parent =
            self.kindred_parent().and_then(|pid| parse_stat(&std::fs::read(format!("/proc/{pid}/stat")).ok()?));
        self.age_since(parent.map_or(self.id.start, |parent| parent.start.min(self.id.start)))
    }

    /// Seconds since it began.
    pub fn age(&self) -> f64 {
        self.age_since(self.id.start)
    }

    fn age_since(&self, start: u64) -> f64 {
        let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let now = since_boot.tv_sec as f64 + since_boot.tv_nsec as f64 * 1e-9;
        (now - start as f64 / self.ticks).max(0.0)
    }

    /// Program and arguments as they are now; empty for a kernel thread and what has ended.
    pub fn command_line(&self) -> Vec<String> {
        let read = open_at(&self.directory, "cmdline").and_then(|mut file| {
            let mut text = Vec::new();
            file.read_to_end(&mut text).map(|_| text)
        });
        read.map_or_else(|_| Vec::new(), |text| words(&text))
    }

    /// The heap that the preload library watches in it, or why there is none to be read.
    ///
    /// # Errors
    /// If its memory may not be read, or it has ended.
    pub fn open_heap(&self, library: &Library) -> io::Result<Result<HeapProbe, Untraced>> {
        HeapProbe::open(&self.directory, library)
    }

    /// Its directory in `/proc`, for whoever watches it from another thread.
    ///
    /// # Errors
    /// If no more files may be open.
    pub fn directory(&self) -> io::Result<OwnedFd> {
        self.directory.try_clone()
    }

    /// Its memory map, as `/proc/PID/maps` has it.
    ///
    /// # Errors
    /// If it may not be read, or the worker has ended.
    pub fn maps(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        open_at(&self.directory, "maps")?.read_to_end(&mut text)?;
        Ok(text)
    }

    /// Seconds of CPU time of its threads that live, to the nanosecond, where the kernel keeps them: `stat` counts hundredths of a
    /// second.
    pub fn cpu_of_threads(&self) -> Option<f64> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let threads = rustix::fs::openat(&self.directory, "task", flags, Mode::empty()).ok()?;
        let listing = rustix::fs::Dir::read_from(&threads).ok()?.flatten();
        let names = listing.filter_map(|entry| Some(entry.file_name().to_str().ok()?.to_owned()));
        let of_thread = |name: String| -> Option<u64> {
            let mut text = String::new();
            open_at(&threads, &format!("{name}/schedstat")).ok()?.read_to_string(&mut text).ok()?;
            text.split_whitespace().next()?.parse().ok()
        };
        let nanoseconds =
            names.filter(|name| !name.starts_with('.')).filter_map(of_thread).reduce(u64::saturating_add)?;
        Some(nanoseconds as f64 * 1e-9)
    }

    /// Its executable, where this user may read that.
    pub fn executable(&self) -> Option<PathBuf> {
        let link = rustix::fs::readlinkat(&self.directory, "exe", Vec::new()).ok()?;
        Some(PathBuf::from(OsString::from_vec(link.into_bytes())))
    }

    /// Its pidfd, where the kernel gave one.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Reads it at `t` seconds, its slow part too if the round's `connections` are given; `None` if it has ended. What
    /// permission denies is missing in the sample.
    pub fn read(&self, t: f64, slow: Option<&mut Connections>) -> Option<(Sample, ReadCost)> {
        let begun = Instant::now();
        let mut buffer = [0; BUFFER];
        let length = self.stat.read_at(&mut buffer, 0).ok()?;
        let stat = parse_stat(&buffer[..length])?;
        if stat.has_ended() {
            return None;
        }
        let mut status = {
            let length = self.status.read_at(&mut buffer, 0).ok()?;
            parse_status(&buffer[..length])
        };
        if stat.goes_on_in_threads() {
            status = status_of_a_thread(&format!("/proc/self/fd/{}", self.directory.as_raw_fd()), self.id.pid)?;
        }
        if status.anon.is_none() && status.swap.is_none() {
            // A process that is about to become a zombie has given up its memory, and has no lines on it any more.
            return None;
        }
        let marks = Marks { stack: stat.stack, peak: status.peak };
        if marks.are_of_another(self.marks.replace(marks)) && self.age() > STARTING {
            self.has_changed.set(true);
        }
        let mut sample = Sample {
            anon: status.anon,
            swap: status.swap,
            file: status.file,
            shmem: status.shmem,
            huge: status.huge,
            // The first thread has given up those that it shared.
            fds: self.count_descriptors().filter(|_| !stat.goes_on_in_threads()),
            threads: status.threads,
            cpu_user: Some(stat.user as f64 / self.ticks),
            cpu_system: Some(stat.system as f64 / self.ticks),
            minor_faults: Some(stat.minor_faults),
            major_faults: Some(stat.major_faults),
            ..Sample::new(t, self.id)
        };
        let fast = begun.elapsed();
        let before = thread::cpu_time();
        let mut tables = Default::default();
        let walked = slow.map(|connections| {
            let (reading, walk) = self.read_slow(connections);
            sample.slow = Some(Box::new(reading));
            tables = connections.cost();
            walk
        });
        let slow = walked.map(|_| thread::cpu_time().saturating_sub(before + tables.0));
        Some((sample, ReadCost { fast, slow, walk: walked.flatten(), tables }))
    }

    /// The limits that it stands under by itself, given a reading of it just now; `None` if they can't be read.
    pub fn limits(&self, now: &Sample) -> Option<WorkerLimits> {
        let limits = Limits::from_read(open_at(&self.directory, "limits").ok()?).ok()?;
        let number = |limit: &Limit| match limit.soft_limit {
            LimitValue::Value(value) => Some(value),
            LimitValue::Unlimited => None,
        };
        // Whatever else is mapped takes its part of the address space.
        let beside = || {
            let mut text = String::new();
            open_at(&self.directory, "statm").ok()?.read_to_string(&mut text).ok()?;
            let pages: u64 = text.split_whitespace().next()?.parse().ok()?;
            Some(pages.saturating_mul(rustix::param::page_size() as u64).saturating_sub(now.anon?))
        };
        let left = |limit: u64| Some(limit.saturating_sub(beside()?));
        let memory = [number(&limits.max_data_size), number(&limits.max_address_space).and_then(left)];
        Some(WorkerLimits { memory: memory.into_iter().flatten().min(), open_files: number(&limits.max_open_files) })
    }

    /// Descriptors open: since Linux 6.2 the size of the directory; before that (size 0) its listing is counted.
    fn count_descriptors(&self) -> Option<u64> {
        let size = rustix::fs::statat(&self.directory, "fd", AtFlags::empty()).ok()?.st_size;
        match u64::try_from(size).ok()? {
            0 => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let listing = rustix::fs::openat(&self.directory, "fd", flags, Mode::empty()).ok()?;
                let entries = rustix::fs::Dir::read_from(listing).ok()?.flatten();
                Some(entries.filter(|e| !e.file_name().to_bytes().starts_with(b".")).count() as u64)
            }
            size => Some(size),
        }
    }

    /// Its places, as its memory map has them; `None` if it takes more than `most` of CPU time, and was given up.
    ///
    /// # Errors
    /// If it may not be read, or the worker has ended.
    pub fn places(&self, most: Duration) -> io::Result<Option<Vec<Place>>> {
        map::read(&self.directory, most)
    }

    /// The slow reading, and the CPU time in which it walked through the mappings.
    fn read_slow(&self, connections: &mut Connections) -> (SlowReading, Option<Duration>) {
        let descriptors = descriptors::classify(self.id.pid, connections);
        let java = (self.age() > STARTING).then(|| self.java.get_or_init(|| JavaProbe::open(&self.directory)).as_ref());
        let java = java.flatten().and_then(JavaProbe::read);
        let mut reading = SlowReading { descriptors, java, ..SlowReading::default() };
        let mut buffer = [0; BUFFER];
        let before = thread::cpu_time();
        let read = open_at(&self.directory, "smaps_rollup").and_then(|rollup| rollup.read_at(&mut buffer, 0));
        let walk = thread::cpu_time().saturating_sub(before);
        let Some(rollup) = read.ok().and_then(|length| SmapsRollup::from_read(&buffer[..length]).ok()) else {
            return (reading, None);
        };
        for map in &rollup.memory_map_rollup {
            let value = |key: &str| map.extension.map.get(key).copied();
            reading.pss = value("Pss");
            reading.uss = value("Private_Clean").zip(value("Private_Dirty")).map(|(clean, dirty)| clean + dirty);
            reading.huge = value("AnonHugePages");
        }
        (reading, Some(walk))
    }
}

/// The words of `/proc/PID/cmdline`; a program that writes its title there may leave it without zeros, or end it with many.
pub fn words(text: &[u8]) -> Vec<String> {
    let end = text.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    if end == 0 {
        return Vec::new();
    }
    text[..end].split(|&b| b == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The most of a map that is read where no more is needed, in bytes.
const MOST_MAP: u64 = 16 << 20;

/// The map of the process whose directory in `/proc` this is, as `/proc/PID/maps` has it: 16 MiB of it at most.
///
/// # Errors
/// If it may not be read, or the process has ended.
pub(super) fn most_of_map(directory: impl AsFd) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    open_at(directory, "maps")?.take(MOST_MAP).read_to_end(&mut text)?;
    Ok(text)
}

fn open_at(directory: impl AsFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(directory, name, flags, Mode::empty())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_can_read_ourselves() {
        let probe = WorkerProbe::open(std::process::id()).unwrap();
        let (sample, cost) = probe.read(1.5, Some(&mut Connections::default())).unwrap();
        assert!(sample.anon.unwrap() > 0);
        assert!(sample.swap.is_some());
        assert!(sample.fds.unwrap() >= 3);
        assert!(sample.threads.unwrap() >= 1);
        let slow = sample.slow.as_ref().unwrap();
        assert!(slow.pss.unwrap() > 0 && slow.uss.unwrap() > 0);
        assert!(slow.descriptors.is_some());
        assert!(cost.slow.is_some());
        let limits = probe.limits(&sample).unwrap();
        assert!(limits.open_files.is_none_or(|most| most >= sample.fds.unwrap()), "{limits:?}");
    }

    #[test]
    fn who_it_is_is_known() {
        let probe = WorkerProbe::open(std::process::id()).unwrap();
        assert_eq!(probe.executable().unwrap(), std::env::current_exe().unwrap());
        assert_eq!(probe.command_line(), std::env::args().collect::<Vec<_>>());
        assert!(!probe.has_ended());
        assert_eq!(probe.own_pid(), std::process::id());
        assert!(probe.cpu_of_threads().is_some_and(|seconds| seconds > 0.0));
        assert_eq!(words(b"php-fpm: master process\0\0\0"), ["php-fpm: master process"]);
        assert!(words(b"").is_empty());
    }

    #[test]
    fn another_program_is_told_by_its_stack_or_by_its_peak() {
        let marks = |stack, peak| Marks { stack, peak: Some(peak) };
        assert!(marks(2, 9).are_of_another(marks(1, 9)));
        assert!(!marks(1, 1).are_of_another(marks(1, 9)), "somebody reset its peak");
        assert!(marks(0, 3).are_of_another(marks(0, 9)) && !marks(0, 8).are_of_another(marks(0, 9)));
        assert!(!marks(5, 9).are_of_another(Marks::default()), "the first reading");
    }

    #[test]
    fn the_count_of_descriptors_agrees_with_the_listing() {
        let probe = WorkerProbe::open(std::process::id()).unwrap();
        let _many: Vec<File> = (0..50).map(|_| File::open("/dev/null").unwrap()).collect();
        let counted = probe.count_descriptors().unwrap();
        assert!(counted >= 53, "{counted}");
    }

    #[test]
    fn a_worker_that_ended_gives_no_sample() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let probe = WorkerProbe::open(child.id()).unwrap();
        assert!(probe.read(0.0, None).is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(probe.read(0.0, Some(&mut Connections::default())).is_none() && probe.has_ended());
        assert_eq!(WorkerProbe::open(child.id()).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
