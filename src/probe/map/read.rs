//! Reads the memory map of a process that is held open.

use super::{Device, MapReader};
use crate::model::Place;
use crate::thread;
use procfs::FromRead;
use procfs::process::{LimitValue, Limits};
use rustix::fs::{Mode, OFlags};
use std::cell::OnceCell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::Duration;

/// What is read at once.
const PIECE: usize = 64 << 10;

/// Of the list of mounts; a longer one isn't read to its end.
const LONGEST_MOUNTS: u64 = 4 << 20;

/// The stack of a thread where the process's own may be of any size.
const USUAL_STACK: u64 = 8 << 20;

/// The places of the process whose `/proc` directory this is; `None` if it takes more than `most` of CPU time, and was given up.
///
/// # Errors
/// If it may not be read, or the process has ended.
pub fn read(directory: impl AsFd, most: Duration) -> io::Result<Option<Vec<Place>>> {
    let begun = thread::cpu_time();
    let open = |name: &str| {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        io::Result::Ok(File::from(rustix::fs::openat(&directory, name, flags, Mode::empty())?))
    };
    let stack = open("limits").ok().and_then(|file| Limits::from_read(file).ok()).map(|limits| limits.max_stack_size);
    let largest_stack = match stack.map(|limit| limit.soft_limit) {
        Some(LimitValue::Value(bytes)) => bytes.max(USUAL_STACK),
        _ => USUAL_STACK,
    };
    let (mut file, mut reader) = (open("smaps")?, MapReader::new(largest_stack));
    let mut piece = vec![0; PIECE];
    let mut is_empty = true;
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        is_empty = false;
        reader.take(&piece[..length]);
        if thread::cpu_time().saturating_sub(begun) > most {
            return Ok(None);
        }
    }
    if is_empty {
        // One that has given up its memory has no mappings.
        return Err(io::ErrorKind::NotFound.into());
    }
    let mounts = OnceCell::new();
    let is_tmpfs = |device: Device| {
        let read = || {
            let mut text = Vec::new();
            let read = open("mountinfo").and_then(|file| file.take(LONGEST_MOUNTS).read_to_end(&mut text));
            read.map(|_| tmpfs_devices(&text)).unwrap_or_default()
        };
        mounts.get_or_init(read).contains(&device)
    };
    Ok(Some(reader.finish(is_tmpfs)))
}

/// The devices of the tmpfs mounts in the text of `mountinfo`.
pub fn tmpfs_devices(text: &[u8]) -> HashSet<Device> {
    let device = |line: &str| -> Option<Device> {
        let (mount, of) = line.split_once(" - ")?;
        let (major, minor) = mount.split(' ').nth(2)?.split_once(':')?;
        let is_tmpfs = matches!(of.split(' ').next()?, "tmpfs" | "devtmpfs");
        is_tmpfs.then_some((major.parse().ok()?, minor.parse().ok()?))
    };
    String::from_utf8_lossy(text).lines().filter_map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PlaceKind;
    use std::os::fd::OwnedFd;

    fn directory(process: impl std::fmt::Display) -> OwnedFd {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(format!("/proc/{process}"), flags, Mode::empty()).unwrap()
    }

    #[test]
    fn our_own_map_adds_up_to_what_status_says() {
        let kept: Vec<u8> = vec![1; 64 << 20];
        let places = read(directory("self"), Duration::from_secs(60)).unwrap().unwrap();
        let sum: u64 = places.iter().map(|place| place.own).sum();
        let status = crate::probe::parse_status(&std::fs::read("/proc/self/status").unwrap());
        let whole = status.anon.unwrap() + status.swap.unwrap();
        // Other tests of this process allocate meanwhile.
        assert!(sum.abs_diff(whole) < whole / 4, "{sum} of {whole}: {places:?}");
        assert!(places.iter().any(|place| place.kind == PlaceKind::Anonymous && place.own >= kept.len() as u64));
        assert!(places.iter().any(|place| place.kind == PlaceKind::Heap), "{places:?}");
    }

    #[test]
    fn what_takes_too_long_is_given_up() {
        assert_eq!(read(directory("self"), Duration::ZERO).unwrap(), None);
    }

    #[test]
    fn the_dead_have_no_map() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let directory = directory(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(read(directory, Duration::from_secs(1)).is_err());
    }

    #[test]
    fn mounts_of_a_tmpfs_are_told_by_their_device() {
        let text =
            b"36 35 0:27 / /run rw,nosuid - tmpfs tmpfs rw\n37 35 254:0 / / rw - ext4 /dev/vda rw\nnonsense - tmpfs\n";
        assert_eq!(tmpfs_devices(text), HashSet::from([(0, 27)]));
    }
}
