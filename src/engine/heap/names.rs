//! Names for code: which module, which function, which line.

use crate::model::Frame;
use blazesym::Pid;
use blazesym::symbolize::source::{Process, Source};
use blazesym::symbolize::{CodeInfo, Input, Symbolized, Symbolizer};
use procfs::FromBufRead;
use procfs::process::{MMapPath, MemoryMap, MemoryMaps};
use std::collections::HashMap;

/// A place in code that is the same in all processes that have the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Code {
    /// Path of the module, or a name in brackets.
    pub module: String,
    /// Place in the file, or the address itself where there is none.
    offset: u64,
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

/// Looks names up, and keeps what it found.
pub struct Names {
    symbolizer: Symbolizer,
    known: HashMap<Code, Vec<Frame>>,
    /// Whether files may be opened through the process, which also reaches those that were replaced or deleted.
    map_files: bool,
}

impl Names {
    /// Knows nothing yet.
    pub fn new() -> Self {
        let map_files = rustix::process::geteuid().is_root();
        Names { symbolizer: Symbolizer::new(), known: HashMap::new(), map_files }
    }

    /// The frames of a stack of process `pid`, innermost first; `code` is where its addresses lie.
    pub fn name(&mut self, pid: u32, addresses: &[u64], code: &[Code]) -> Vec<Frame> {
        let new: Vec<(u64, &Code)> =
            addresses.iter().copied().zip(code).filter(|(_, code)| !self.known.contains_key(code)).collect();
        if !new.is_empty() {
            let found = self.look_up(pid, &new);
            self.known.extend(new.iter().map(|(_, code)| (*code).clone()).zip(found));
        }
        code.iter().flat_map(|code| self.known.get(code).cloned().unwrap_or_else(|| vec![bare(code)])).collect()
    }

    fn look_up(&self, pid: u32, new: &[(u64, &Code)]) -> Vec<Vec<Frame>> {
        let mut process = Process::new(Pid::from(pid));
        process.map_files = self.map_files;
        // The target's own word on what its code is called is not asked for.
        process.perf_map = false;
        let addresses: Vec<u64> = new.iter().map(|(address, _)| *address).collect();
        let symbols = self.symbolizer.symbolize(&Source::Process(process), Input::AbsAddr(&addresses));
        match symbols {
            Ok(symbols) => symbols.iter().zip(new).map(|(symbol, (_, code))| frames(symbol, code)).collect(),
            Err(_) => new.iter().map(|(_, code)| vec![bare(code)]).collect(),
        }
    }
}

/// A frame of which no more than its place is known.
fn bare(code: &Code) -> Frame {
    Frame { module: code.module.clone(), offset: code.offset, ..Frame::default() }
}

/// The function at a place and what was inlined there, innermost first.
fn frames(symbol: &Symbolized<'_>, code: &Code) -> Vec<Frame> {
    let Some(symbol) = symbol.as_sym() else { return vec![bare(code)] };
    let frame = |function: &str, info: Option<&CodeInfo<'_>>| Frame {
        function: Some(function.to_owned()),
        file: info.map(|info| info.to_path().to_string_lossy().into_owned()),
        line: info.and_then(|info| info.line),
        ..bare(code)
    };
    let inlined = symbol.inlined.iter().rev().map(|inlined| frame(&inlined.name, inlined.code_info.as_ref()));
    inlined.chain([frame(&symbol.name, symbol.code_info.as_deref())]).collect()
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

    #[test]
    fn our_own_code_has_names() {
        let address = our_own_code_has_names as *const () as u64;
        let maps = Maps::parse(&std::fs::read("/proc/self/maps").unwrap());
        let code = [maps.code(address)];
        let frames = Names::new().name(std::process::id(), &[address], &code);
        let frame = frames.last().expect("a frame");
        assert!(frame.function.as_deref().unwrap().contains("our_own_code_has_names"), "{frame:?}");
        assert!(frame.file.as_deref().unwrap().ends_with("names.rs"), "{frame:?}");
        assert!(frame.line.is_some());
    }

    #[test]
    fn code_of_a_process_that_is_gone_keeps_its_place() {
        let maps = Maps::parse(MAPS);
        let address = 0x55d0_a002_1010;
        let frames = Names::new().name(u32::MAX >> 2, &[address], &[maps.code(address)]);
        assert_eq!(
            (frames[0].module.as_str(), frames[0].offset, &frames[0].function),
            ("/usr/sbin/apache2", 0x21010, &None)
        );
    }
}
