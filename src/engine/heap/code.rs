//! Where code lies: in which module, and at which place in it.

use crate::model::Frame;
use procfs::FromBufRead;
use procfs::process::{MMapPath, MemoryMap, MemoryMaps};
use serde::{Deserialize, Serialize};

/// A place in code that is the same in all processes that have the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Code {
    /// Path of the module, or a name in brackets.
    pub module: String,
    /// Place in the file, or the address itself where there is none.
    offset: u64,
    /// The process, where the place is in no file: it is that process's alone.
    process: Option<u32>,
}

/// The module of what lies in no file, such as code that a runtime makes.
const GENERATED: &str = "[generated]";

impl Code {
    /// Whether it may be code that the process has made.
    pub fn is_made(&self) -> bool {
        self.module == GENERATED
    }

    /// A line of a script, by its number.
    pub fn line(line: &Frame, number: u64) -> Self {
        Code { module: line.module.clone(), offset: number, process: None }
    }

    /// A frame of which no more than its place is known.
    pub fn bare(&self) -> Frame {
        Frame { module: self.module.clone(), offset: self.offset, ..Frame::default() }
    }
}

/// Where a process has its modules.
pub struct Maps {
    process: u32,
    maps: Vec<MemoryMap>,
}

impl Maps {
    /// Reads `/proc/PID/maps` of a process; what can't be understood has no modules.
    pub fn parse(process: u32, text: &[u8]) -> Self {
        let mut maps = MemoryMaps::from_buf_read(text).map_or_else(|_| Vec::new(), |maps| maps.0);
        maps.sort_by_key(|map| map.address);
        Maps { process, maps }
    }

    /// What lies at an address.
    pub fn code(&self, address: u64) -> Code {
        let after = self.maps.partition_point(|map| map.address.1 <= address);
        let Some(map) = self.maps.get(after).filter(|map| map.address.0 <= address) else {
            return Code { module: "[unmapped]".into(), offset: address, process: Some(self.process) };
        };
        let offset = address - map.address.0 + map.offset;
        match &map.pathname {
            MMapPath::Path(path) => Code { module: path.to_string_lossy().into_owned(), offset, process: None },
            MMapPath::Vdso => Code { module: "[vdso]".into(), offset: address - map.address.0, process: None },
            _ => Code { module: GENERATED.into(), offset: address, process: Some(self.process) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &[u8] = b"\
55d0a0000000-55d0a0021000 r--p 00000000 08:01 42                         /usr/sbin/apache2\n\
55d0a0021000-55d0a0085000 r-xp 00021000 08:01 42                         /usr/sbin/apache2\n\
7f0000000000-7f0000001000 r-xp 00001000 08:01 43                         /tmp/mod_upload.so (deleted)\n\
7f0000002000-7f0000003000 rwxp 00000000 00:00 0 \n\
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]\n";

    #[test]
    fn code_is_a_place_in_a_module() {
        let maps = Maps::parse(7, MAPS);
        let code = |address| {
            let Code { module, offset, .. } = maps.code(address);
            format!("{module}+{offset:#x}")
        };
        assert_eq!(code(0x55d0_a002_1010), "/usr/sbin/apache2+0x21010");
        assert_eq!(code(0x7f00_0000_0fff), "/tmp/mod_upload.so (deleted)+0x1fff");
        assert_eq!(code(0x7f00_0000_2004), "[generated]+0x7f0000002004");
        assert_eq!(code(0x7ffd_0000_0010), "[vdso]+0x10");
        assert_eq!(code(0x1000), "[unmapped]+0x1000");
        let other = Maps::parse(8, MAPS);
        for (address, same) in
            [(0x7f00_0000_0fff, true), (0x7ffd_0000_0010, true), (0x7f00_0000_2004, false), (0x1000, false)]
        {
            assert_eq!(maps.code(address) == other.code(address), same, "{address:#x} of two processes");
        }
        assert_eq!(code(u64::MAX), format!("[unmapped]+{:#x}", u64::MAX));
    }
}
