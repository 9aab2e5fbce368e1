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
}

impl Code {
    /// A frame of which no more than its place is known.
    pub fn bare(&self) -> Frame {
        Frame { module: self.module.clone(), offset: self.offset, ..Frame::default() }
    }
}

/// Where a process has its modules.
pub struct Maps(Vec<MemoryMap>);

impl Maps {
    /// Reads `/proc/PID/maps`; what can't be understood has no modules.
    pub fn parse(text: &[u8]) -> Self {
        let mut maps = MemoryMaps::from_buf_read(text).map_or_else(|_| Vec::new(), |maps| maps.0);
        maps.sort_by_key(|map| map.address);
        Maps(maps)
    }

    /// What lies at an address.
    pub fn code(&self, address: u64) -> Code {
        let after = self.0.partition_point(|map| map.address.1 <= address);
        let Some(map) = self.0.get(after).filter(|map| map.address.0 <= address) else {
            return Code { module: "[unmapped]".into(), offset: address };
        };
        let offset = address - map.address.0 + map.offset;
        match &map.pathname {
            MMapPath::Path(path) => Code { module: path.to_string_lossy().into_owned(), offset },
            MMapPath::Vdso => Code { module: "[vdso]".into(), offset: address - map.address.0 },
            _ => Code { module: "[generated]".into(), offset: address },
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
        let maps = Maps::parse(MAPS);
        let code = |address| {
            let Code { module, offset } = maps.code(address);
            format!("{module}+{offset:#x}")
        };
        assert_eq!(code(0x55d0_a002_1010), "/usr/sbin/apache2+0x21010");
        assert_eq!(code(0x7f00_0000_0fff), "/tmp/mod_upload.so (deleted)+0x1fff");
        assert_eq!(code(0x7f00_0000_2004), "[generated]+0x7f0000002004");
        assert_eq!(code(0x7ffd_0000_0010), "[vdso]+0x10");
        assert_eq!(code(0x1000), "[unmapped]+0x1000");
        assert_eq!(code(u64::MAX), format!("[unmapped]+{:#x}", u64::MAX));
    }
}
