//! Files in memory that processes hold, mapped or not: memfds, files on a tmpfs, and System V segments that they have made.
//!
//! What nobody maps is in no figure that a process has of its own, and stays for as long as somebody holds it open, or, if it is a
//! segment, until somebody removes it.

use super::map::{Device, tmpfs_devices};
use rustix::fs::{AtFlags, Dir, FileType, MemfdFlags, Mode, OFlags, Statx, StatxFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;

/// Of a process with more descriptors than this it isn't known: each is looked at, about 1 µs.
const MOST: usize = 65_536;

/// What a block of a file is counted in, in bytes.
const BLOCK: u64 = 512;

/// The segments of our IPC namespace.
const SEGMENTS: &str = "/proc/sysvipc/shm";

/// Files in memory that some processes hold, each counted once.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    bytes: u64,
    seen: HashSet<(Device, u64)>,
    /// Whether files of a device are in memory.
    devices: HashMap<Device, bool>,
}

impl MemoryFiles {
    /// None yet.
    pub fn new() -> Self {
        let mut devices = HashMap::new();
        // What has no mount of its own, such as every memfd, is on one device of the kernel's.
        let memfd = rustix::fs::memfd_create("seepage", MemfdFlags::CLOEXEC);
        if let Some(found) = memfd.ok().and_then(|file| look(file, "").ok()) {
            devices.insert(device_of(&found), true);
        }
        MemoryFiles { devices, ..MemoryFiles::default() }
    }

    /// Adds what the process `pid` holds open, which is nothing if it has ended; `None` if that can't be seen, or is too much to be looked
    /// through.
    pub fn add(&mut self, pid: u32) -> Option<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match rustix::fs::open(format!("/proc/{pid}/fd"), flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::SRCH) => return Some(()),
            opened => opened.ok()?,
        };
        for (at, entry) in Dir::read_from(&directory).ok()?.enumerate() {
            // It has ended meanwhile.
            let Ok(entry) = entry else { break };
            let name = entry.file_name();
            if at > MOST {
                return None;
            }
            // One that has been closed meanwhile is passed over.
            let Ok(file) = look(&directory, name) else { continue };
            let device = device_of(&file);
            let is_file = FileType::from_raw_mode(file.stx_mode.into()) == FileType::RegularFile;
            if is_file && self.is_in_memory(pid, device) && self.seen.insert((device, file.stx_ino)) {
                self.bytes = self.bytes.saturating_add(file.stx_blocks.saturating_mul(BLOCK));
            }
        }
        Some(())
    }

    /// Adds the System V segments that processes have made which are `known`.
    pub fn add_segments(&mut self, known: impl Fn(u32) -> bool) {
        let text = std::fs::read(SEGMENTS).unwrap_or_default();
        let made = parse_segments(&text).into_iter().filter(|(maker, _)| known(*maker));
        self.bytes = made.fold(self.bytes, |sum, (_, bytes)| sum.saturating_add(bytes));
    }

    /// All that was added, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether files of a device that a file of `pid` is on are in memory.
    fn is_in_memory(&mut self, pid: u32, device: Device) -> bool {
        // What is on no disk has the major number 0.
        device.0 == 0
            && *self.devices.entry(device).or_insert_with(|| {
                let mounts = std::fs::read(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
                tmpfs_devices(&mounts).contains(&device)
            })
    }
}

/// A file behind a link, as it is known here: a server that doesn't answer must not keep us.
fn look(directory: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<Statx> {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH;
    let wanted = StatxFlags::TYPE | StatxFlags::INO | StatxFlags::BLOCKS;
    rustix::fs::statx(directory, name, flags, wanted)
}

fn device_of(file: &Statx) -> Device {
    (file.stx_dev_major, file.stx_dev_minor)
}

/// Who made each segment in the text of `/proc/sysvipc/shm`, and how many bytes of it are in memory or swapped.
pub fn parse_segments(text: &[u8]) -> Vec<(u32, u64)> {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let place = |name: &str| names.iter().position(|known| *known == name);
    let [Some(maker), Some(resident), Some(swapped)] = ["cpid", "rss", "swap"].map(place) else { return Vec::new() };
    let segment = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words.get(at)?.parse::<u64>().ok();
        let bytes = number(resident)?.saturating_add(number(swapped)?);
        Some((u32::try_from(number(maker)?).ok()?, bytes))
    };
    lines.filter_map(segment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn held(pid: u32) -> u64 {
        let mut files = MemoryFiles::new();
        files.add(pid).unwrap();
        files.bytes()
    }

    /// What another process holds that runs this script of Python, which says when it is done and waits.
    fn held_by(script: &str, also: impl Fn(u32)) -> u64 {
        let script = format!("{script}\nprint(flush=True)\nimport time\ntime.sleep(60)");
        let mut child =
            Command::new("python3").args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
        also(child.id());
        let held = held(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        held
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_is_held_open_and_not_mapped_is_counted_once() {
        let nothing = held_by("", |_| ());
        let memfd = "import os\nfd = os.memfd_create('frames')\nos.write(fd, b'x' * (3 << 20))\nos.dup(fd)";
        assert_eq!(held_by(memfd, |_| ()) - nothing, 3 * MIB);
        if std::path::Path::new("/dev/shm").is_dir() {
            let deleted =
                "import tempfile\nf = tempfile.TemporaryFile(dir='/dev/shm')\nf.write(b'x' * (2 << 20))\nf.flush()";
            assert_eq!(held_by(deleted, |_| ()) - nothing, 2 * MIB);
        }
        // A disk is no memory, nor is what may be written to a file but wasn't.
        let on_disk = "import tempfile\nf = tempfile.TemporaryFile(dir='.')\nf.write(b'x' * (2 << 20))\nf.flush()\n\
                       import os\nos.ftruncate(os.memfd_create('sparse'), 1 << 30)";
        assert_eq!(held_by(on_disk, |_| ()), nothing);
    }

    #[test]
    fn files_that_several_hold_are_counted_once() {
        let memfd = rustix::fs::memfd_create("ours", MemfdFlags::empty()).unwrap();
        std::fs::File::from(memfd.try_clone().unwrap()).write_all(&[1; 1 << 20]).unwrap();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let mut files = MemoryFiles::new();
        files.add(child.id()).unwrap();
        let first = files.bytes();
        assert!(first >= MIB, "it has inherited it");
        files.add(child.id()).unwrap();
        assert_eq!(files.bytes(), first);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((files.add(u32::MAX), files.bytes()), (Some(()), first));
    }

    #[test]
    fn segments_are_those_of_their_makers() {
        let text = b"       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n\
            0          4  1600                 65536 31151 31151      0     0     0     0     0 1796166804 1796166804 1796166804                 65536                  4096\n\
            0          5  1600                 65536 7 31151      0     0     0     0     0 1796166804 1796166804 1796166804                 0                  0\n\
            0  -1 nonsense\n";
        assert_eq!(parse_segments(text), [(31151, 69_632), (7, 0)]);
        assert_eq!(parse_segments(b"key shmid perms size cpid\n0 1 2 3 4\n"), []);
        let mut files = MemoryFiles::new();
        files.add_segments(|_| false);
        assert_eq!(files.bytes(), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_segments(&bytes);
            let _ = parse_segments(&[&b"cpid rss swap\n"[..], &bytes].concat());
        }
    }
}
