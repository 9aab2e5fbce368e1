//! What a Java machine of the HotSpot kind says of its own heap, from the file of counters that it keeps mapped.
//!
//! The target may write into that file what it likes, and map any file by such a name: nothing of it is trusted.

use super::worker::most_of_map;
use crate::model::JavaHeap;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};

/// The begin of the name of the folder in which the file is.
const FOLDER: &str = "/hsperfdata_";

/// The file has 32 KiB unless it was told to have more; of one that is larger, no more is read.
const MOST: usize = 1 << 20;

/// The file of one process, held open.
#[derive(Debug)]
pub struct JavaProbe(File);

impl JavaProbe {
    /// The file of the process whose `/proc` directory this is, if it has one mapped: the very file, not another of that name.
    pub fn open(directory: impl AsFd) -> Option<Self> {
        let open = |name: &str, flags| rustix::fs::openat(&directory, name, flags | OFlags::CLOEXEC, Mode::empty());
        let maps = most_of_map(&directory).ok()?;
        let (inode, path) = mapped(&String::from_utf8_lossy(&maps))?;
        // What it leads to may be no file at all, as the target may have replaced it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(open(&format!("root{path}"), flags).ok()?);
        let found = file.metadata().ok()?;
        (found.is_file() && found.ino() == inode).then_some(JavaProbe(file))
    }

    /// What it says now.
    pub fn read(&self) -> Option<JavaHeap> {
        let mut bytes = vec![0; MOST];
        let length = self.0.read_at(&mut bytes, 0).ok()?;
        parse_counters(&bytes[..length])
    }
}

/// Inode and path of the file of counters in the text of `maps`.
fn mapped(maps: &str) -> Option<(u64, String)> {
    let found = |line: &str| {
        let path = &line[line.find('/')?..];
        let (_, name) = path.rsplit_once(FOLDER)?;
        let pid = name.split_once('/')?.1;
        let is_it = !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit());
        let inode = line.split_whitespace().nth(4)?.parse().ok()?;
        is_it.then(|| (inode, path.to_owned()))
    };
    maps.lines().find_map(found)
}

/// The counters in the bytes of the file; `None` if it isn't one, or says nothing of an old generation or metaspace.
pub fn parse_counters(bytes: &[u8]) -> Option<JavaHeap> {
    let little = match bytes.get(..5)? {
        [0xca, 0xfe, 0xc0, 0xc0, order] => *order == 1,
        _ => return None,
    };
    let file = Counters { bytes, little };
    let (mut at, entries) = (file.number(24)?, file.number(28)?);
    let (mut heap, mut old) = (JavaHeap::default(), None);
    let mut used: Vec<(u32, u64)> = Vec::new();
    for _ in 0..entries {
        // A file that is being made may have fewer than it says.
        let Some(entry) = file.entry(at) else { break };
        at = at.checked_add(entry.length)?;
        let Some(rest) = entry.name.strip_prefix("sun.gc.") else { continue };
        let words: Vec<&str> = rest.split('.').collect();
        match (&words[..], entry.long) {
            (["generation", number, "name"], None) if entry.text.starts_with(b"old") => old = number.parse().ok(),
            (["generation", number, "space", _, "used"], Some(bytes)) => used.push((number.parse().ok()?, bytes)),
            (["collector", number, "invocations"], Some(count)) if *number != "0" => {
                heap.collections = heap.collections.saturating_add(count);
            }
            (["metaspace", "used"], Some(bytes)) => heap.metaspace = Some(bytes),
            _ => {}
        }
    }
    let of_old = |old: u32| used.iter().filter(move |(number, _)| *number == old).map(|(_, bytes)| *bytes);
    heap.old = old.map(|old| of_old(old).fold(0, u64::saturating_add));
    (heap.old.is_some() || heap.metaspace.is_some()).then_some(heap)
}

/// The bytes of a file of counters.
struct Counters<'a> {
    bytes: &'a [u8],
    little: bool,
}

/// One counter: a number, or a text.
struct Entry<'a> {
    length: usize,
    name: &'a str,
    long: Option<u64>,
    text: &'a [u8],
}

impl<'a> Counters<'a> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut found: [u8; N] = self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()?;
        if !self.little {
            found.reverse();
        }
        Some(found)
    }

    fn number(&self, at: usize) -> Option<usize> {
        u32::from_le_bytes(self.array(at)?).try_into().ok()
    }

    /// The counter at this place: its length, where its name and its value are from its begin, and its type.
    fn entry(&self, at: usize) -> Option<Entry<'a>> {
        let within = |part: usize| at.checked_add(self.number(at.checked_add(part)?)?);
        let (length, count) = (self.number(at)?, self.number(at.checked_add(8)?)?);
        let (name, value) = (within(4)?, within(16)?);
        let kind = *self.bytes.get(at.checked_add(12)?)?;
        let name = self.bytes.get(name..)?;
        let name = std::str::from_utf8(&name[..name.iter().position(|&b| b == 0)?]).ok()?;
        let long = (kind == b'J' && count == 0).then(|| self.array(value)).flatten().map(u64::from_le_bytes);
        (length > 0).then_some(Entry { length, name, long, text: self.bytes.get(value..).unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file of counters: numbers, and texts where there are any.
    fn file(little: bool, counters: &[(&str, u64, &str)]) -> Vec<u8> {
        let number = |value: u32| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let long = |value: u64| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let mut out = [&[0xca, 0xfe, 0xc0, 0xc0, u8::from(little), 2, 0, 1][..], &[0; 16]].concat();
        out.extend([number(32), number(counters.len() as u32)].concat());
        for (name, value, text) in counters {
            let place = (20 + name.len() + 1).next_multiple_of(8);
            let value = if text.is_empty() { long(*value).to_vec() } else { [text.as_bytes(), &[0]].concat() };
            let length = (place + value.len()).next_multiple_of(8);
            let mut entry = [number(length as u32), number(20), number(text.len() as u32)].concat();
            entry.extend([if text.is_empty() { b'J' } else { b'B' }, 0, 2, 3]);
            entry.extend([&number(place as u32)[..], name.as_bytes()].concat());
            entry.resize(place, 0);
            entry.extend(value);
            entry.resize(length, 0);
            out.extend(entry);
        }
        out
    }

    const MIB: u64 = 1 << 20;

    fn usual() -> Vec<(&'static str, u64, &'static str)> {
        vec![
            ("sun.gc.collector.0.invocations", 40, ""),
            ("sun.gc.collector.1.invocations", 2, ""),
            ("sun.gc.collector.2.invocations", 3, ""),
            ("sun.gc.generation.0.name", 0, "young"),
            ("sun.gc.generation.0.space.0.used", 7 * MIB, ""),
            ("sun.gc.generation.1.name", 0, "old"),
            ("sun.gc.generation.1.space.0.used", 30 * MIB, ""),
            ("sun.gc.metaspace.used", 4 * MIB, ""),
            ("java.rt.vmArgs", 0, "-Xmx1g"),
        ]
    }

    #[test]
    fn the_old_generation_and_metaspace_are_read_in_either_order_of_bytes() {
        let expected = JavaHeap { old: Some(30 * MIB), metaspace: Some(4 * MIB), collections: 5 };
        assert_eq!(parse_counters(&file(true, &usual())), Some(expected));
        assert_eq!(parse_counters(&file(false, &usual())), Some(expected));
        assert_eq!(parse_counters(&file(true, &usual()[..5])), None, "nothing of it is said");
        assert_eq!(parse_counters(b"no such file"), None);
    }

    #[test]
    fn the_file_is_the_one_that_is_mapped() {
        let maps =
            "7f0000000000-7f0000001000 rw-s 00000000 fe:00 4711                       /tmp/hsperfdata_app/22966\n";
        assert_eq!(mapped(maps), Some((4711, "/tmp/hsperfdata_app/22966".to_owned())));
        for other in ["/tmp/hsperfdata_app/x", "/tmp/hsperfdata_app/", "/tmp/hsperfdata_app", "/usr/lib/libjvm.so"] {
            assert_eq!(mapped(&maps.replace("/tmp/hsperfdata_app/22966", other)), None, "{other}");
        }
        let own = rustix::fs::open("/proc/self", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        assert!(JavaProbe::open(own).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0usize..600, bytes in proptest::collection::vec(any::<u8>(), 0..64), little: bool) {
            let mut hostile = file(little, &usual());
            let end = (at + bytes.len()).min(hostile.len());
            if at < end {
                hostile[at..end].copy_from_slice(&bytes[..end - at]);
            }
            let _ = parse_counters(&hostile);
            let _ = parse_counters(&hostile[..at.min(hostile.len())]);
            let _ = mapped(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn what_is_written_is_read(old: u64, metaspace: u64, little: bool) {
            let counters = [("sun.gc.generation.1.name", 0, "old"), ("sun.gc.generation.1.space.0.used", old, ""), ("sun.gc.metaspace.used", metaspace, "")];
            let expected = JavaHeap { old: Some(old), metaspace: Some(metaspace), collections: 0 };
            prop_assert_eq!(parse_counters(&file(little, &counters)), Some(expected));
        }
    }
}
