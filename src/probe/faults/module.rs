//! What a file of code has to walk stacks by: its `.eh_frame`, and where it lies once it is mapped.
//!
//! A file is whatever the target has mapped: it is read within bounds, never mapped, and one that doesn't hold together has nothing.

use super::tables::Tables;
use crate::probe::scripts::Interpreter;
use object::read::ReadCache;
use object::{Object, ObjectSection, ObjectSegment};
use rustix::fs::{FileType, fstat};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// A section that is larger isn't read.
const MOST: u64 = 64 << 20;

/// Sections and segments that are looked at.
const MOST_PARTS: usize = 1024;

/// Why stacks aren't walked through code whose tables may be followed without an end.
pub const ENDLESS: &str = "its tables for exceptions have jumps, which may have no end";

/// What is known of a file of code.
#[derive(Debug)]
pub struct CodeFile {
    /// Its `.eh_frame`, and at which of its addresses that lies.
    pub frames: (Arc<[u8]>, Range<u64>),
    /// The index of it, if there is one.
    pub index: Option<(Arc<[u8]>, Range<u64>)>,
    /// The addresses of its code.
    pub text: Option<Range<u64>>,
    /// The interpreter of scripts in it, if there is one.
    pub interpreter: Option<Interpreter>,
    /// What is mapped of it: places in the file, and the address of the first of them.
    segments: Vec<(Range<u64>, u64)>,
}

impl CodeFile {
    /// Reads a file; `None` if stacks can't be walked by it.
    ///
    /// # Errors
    /// If it is no plain file, or can't be read.
    pub fn read(file: File) -> io::Result<Option<Self>> {
        if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it is no plain file"));
        }
        let cache = ReadCache::new(file);
        let parsed = object::File::parse(&cache).map_err(io::Error::other)?;
        let section = |name: &str| {
            let section = parsed.sections().take(MOST_PARTS).find(|section| section.name() == Ok(name))?;
            let range = section.address()..section.address().checked_add(section.size())?;
            (section.size() <= MOST).then_some((section, range))
        };
        let data = |name: &str| {
            let (section, range) = section(name)?;
            Some((Arc::<[u8]>::from(section.data().ok()?), range))
        };
        let Some(frames) = data(".eh_frame") else { return Ok(None) };
        let segment = |segment: object::Segment<'_, '_, _>| {
            let (from, size) = segment.file_range();
            Some((from..from.checked_add(size)?, segment.address()))
        };
        let segments = parsed.segments().take(MOST_PARTS).filter_map(segment).collect();
        let text = section(".text").map(|(_, range)| range);
        let (index, interpreter) = (data(".eh_frame_hdr"), Interpreter::within(&parsed));
        let file = CodeFile { frames, index, text, interpreter, segments };
        if Tables::of(&file).end() { Ok(Some(file)) } else { Err(io::Error::other(ENDLESS)) }
    }

    /// What is to be added to an address of the file to come to that of the process, which has mapped the file from `offset` on at
    /// `start`; `None` if that is in no segment.
    pub fn bias(&self, start: u64, offset: u64, page: u64) -> Option<u64> {
        let begins = |range: &Range<u64>| range.start / page * page;
        // Some linkers let segments share a page: the one that begins there is mapped by it.
        let exact = self.segments.iter().find(|(range, _)| begins(range) == offset);
        let within = || self.segments.iter().find(|(range, _)| begins(range) <= offset && offset < range.end);
        let (range, address) = exact.or_else(within)?;
        Some(start.wrapping_sub(offset).wrapping_add(range.start).wrapping_sub(*address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_what_stacks_are_walked_by() {
        let own = CodeFile::read(File::open("/proc/self/exe").unwrap()).unwrap().unwrap();
        assert!(own.frames.0.len() > 1000 && own.index.is_some() && own.text.is_some());
        let no_code = CodeFile::read(File::open("/proc/self/status").unwrap());
        assert!(no_code.is_err());
        assert!(CodeFile::read(File::open("/dev/zero").unwrap()).is_err());
    }

    #[test]
    fn the_segment_that_begins_where_the_mapping_does_is_meant() {
        let none: Arc<[u8]> = Arc::from([]);
        // The second one begins in the page in which the first one ends.
        let segments = vec![(0..0x1800, 0), (0x1800..0x3000, 0x2800)];
        let file = CodeFile { frames: (none, 0..0), index: None, text: None, interpreter: None, segments };
        let bias = |start, offset| file.bias(start, offset, 0x1000);
        assert_eq!(bias(0x7000_0000, 0), Some(0x7000_0000));
        assert_eq!(bias(0x7000_2000, 0x1000), Some(0x7000_0000));
        assert_eq!(bias(0x7000_3000, 0x2000), Some(0x7000_0000));
        assert_eq!(bias(0x7000_3000, 0x9000), None);
    }

    #[test]
    fn a_broken_file_of_code_is_refused_or_read() {
        let whole = std::fs::read("/bin/true").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("broken");
        for at in (0..whole.len().min(4096)).step_by(3) {
            let mut broken = whole.clone();
            broken[at] ^= 0xff;
            std::fs::write(&path, &broken).unwrap();
            if let Ok(Some(file)) = CodeFile::read(File::open(&path).unwrap()) {
                let _ = file.bias(0x7000_0000, 0x1000, 4096);
            }
        }
        for length in [0, 1, 63, 64, 4000, whole.len() / 2] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let _ = CodeFile::read(File::open(&path).unwrap());
        }
    }
}
