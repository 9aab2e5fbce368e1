//! Stacks, walked from the registers and the copied part of a sample by the `.eh_frame` of the files that are mapped, and by frame
//! pointers where there is none.

use super::caught::caught;
use super::module::CodeFile;
use super::record::Fault;
use super::registers::{KEPT, Kept, kept, walked_from};
use super::tables::{Keeping, Tables};
use crate::probe::scripts::{Interpreting, Language, Scripts};
use framehop::{
    CacheNative, ExplicitModuleSectionInfo, FrameAddress, MayAllocateDuringUnwind, Module, Unwinder, UnwinderNative,
};
use procfs::FromBufRead;
use procfs::process::{MMPermissions, MMapPath, MemoryMap, MemoryMaps};
use rustix::fs::{Mode, OFlags, openat};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// Frames that are walked.
const DEPTH: usize = 64;

/// Files of code that are kept, and of the code of one process.
const MOST_FILES: usize = 4096;

/// Addresses of which it is kept whether walking on from them comes to an end.
const MOST_ADDRESSES: usize = 64 << 10;

/// Words on the stack of an interpreter's function that are looked at.
const MOST_WORDS: usize = 256;

/// Device and inode.
type Identity = (u64, u64);

/// What files of code have, each read once for all processes that have mapped it.
#[derive(Debug, Default)]
pub struct CodeFiles {
    known: HashMap<Identity, Option<Arc<CodeFile>>>,
    /// Files by which no stacks can be walked, and why.
    faults: BTreeMap<String, String>,
    /// Interpreters of scripts whose structures aren't known.
    unknown: BTreeSet<String>,
}

impl CodeFiles {
    /// The first file by which no stacks can be walked and why, and how many there are.
    pub fn faults(&self) -> Option<(&String, &String, usize)> {
        self.faults.first_key_value().map(|(name, why)| (name, why, self.faults.len()))
    }

    /// The first interpreter of scripts whose structures aren't known.
    pub fn unknown(&self) -> Option<&String> {
        self.unknown.first()
    }

    fn of(&mut self, process: impl AsFd, map: &MemoryMap, path: &str) -> Option<Arc<CodeFile>> {
        let device = rustix::fs::makedev(map.dev.0.cast_unsigned(), map.dev.1.cast_unsigned());
        let identity = (device, map.inode);
        if let Some(known) = self.known.get(&identity) {
            return known.clone();
        }
        if self.known.len() >= MOST_FILES {
            return None;
        }
        let read = open(process, map, path).and_then(|file| {
            // What a file holds may be anything, also what its readers didn't think of.
            caught(|| CodeFile::read(file)).unwrap_or_else(|| Err(io::Error::other("reading it failed")))
        });
        let found = read.unwrap_or_else(|error| {
            self.faults.insert(path.to_owned(), error.to_string());
            None
        });
        if found.as_ref().and_then(|file| file.interpreter.as_ref()).is_some_and(|found| found.language.is_none()) {
            self.unknown.insert(path.to_owned());
        }
        self.known.entry(identity).or_insert(found.map(Arc::new)).clone()
    }
}

/// Opens the very file that is mapped: through the mapping, which also reaches those that were replaced, or by its path as the process
/// sees it.
fn open(process: impl AsFd, map: &MemoryMap, path: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let (from, to) = map.address;
    let mapped = format!("map_files/{from:x}-{to:x}");
    let by_path = || openat(process.as_fd(), format!("root{path}"), flags, Mode::empty());
    let file = File::from(openat(process.as_fd(), mapped, flags, Mode::empty()).or_else(|_| by_path())?);
    if file.metadata()?.ino() == map.inode { Ok(file) } else { Err(io::Error::other("it was replaced")) }
}

/// Walks the stacks of one process.
pub struct Walker {
    unwinder: UnwinderNative<Arc<[u8]>, MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
    /// Where code is mapped, in the order of addresses.
    code: Vec<(u64, u64)>,
    modules: Vec<WalkedModule>,
    /// Whether walking on from an address comes to an end, of those that were met.
    ends: HashMap<u64, bool>,
    /// What functions have done with registers that they give back, by addresses in them that were met.
    keeping: HashMap<u64, Option<[Keeping; KEPT.len()]>>,
}

/// Code that is walked through by the tables of its file.
struct WalkedModule {
    addresses: (u64, u64),
    bias: u64,
    path: String,
    file: Arc<CodeFile>,
}

impl Walker {
    /// A walker of the process whose directory in `/proc` this is, with that map.
    pub fn new(process: impl AsFd, maps: &[u8], files: &mut CodeFiles) -> Self {
        let mut walker = Walker::empty();
        let maps = MemoryMaps::from_buf_read(maps).map_or_else(|_| Vec::new(), |maps| maps.0);
        for map in maps.iter().filter(|map| map.perms.contains(MMPermissions::EXECUTE)).take(MOST_FILES) {
            walker.code.push(map.address);
            let MMapPath::Path(path) = &map.pathname else { continue };
            let path = path.to_string_lossy();
            if let Some(file) = files.of(process.as_fd(), map, &path) {
                caught(|| walker.add(map, &path, &file));
            }
        }
        walker.code.sort_unstable();
        walker
    }

    fn empty() -> Self {
        let (unwinder, cache) = (UnwinderNative::new(), CacheNative::new());
        Walker { unwinder, cache, code: Vec::new(), modules: Vec::new(), ends: HashMap::new(), keeping: HashMap::new() }
    }

    fn add(&mut self, map: &MemoryMap, path: &str, file: &Arc<CodeFile>) {
        let Some(bias) = file.bias(map.address.0, map.offset, rustix::param::page_size() as u64) else { return };
        let info = ExplicitModuleSectionInfo {
            base_svma: 0,
            text_svma: file.text.clone(),
            eh_frame_svma: Some(file.frames.1.clone()),
            eh_frame: Some(Arc::clone(&file.frames.0)),
            eh_frame_hdr_svma: file.index.as_ref().map(|(_, range)| range.clone()),
            eh_frame_hdr: file.index.as_ref().map(|(data, _)| Arc::clone(data)),
            ..Default::default()
        };
        self.unwinder.add_module(Module::new(path.to_owned(), map.address.0..map.address.1, bias, info));
        self.modules.push(WalkedModule { addresses: map.address, bias, path: path.to_owned(), file: Arc::clone(file) });
    }

    /// Whether walking on from this address comes to an end; if not, `files` keeps whose fault that is.
    fn ends(&mut self, address: u64, files: &mut CodeFiles) -> bool {
        if let Some(known) = self.ends.get(&address) {
            return *known;
        }
        let module = self.module(address);
        let ends = module.is_none_or(|module| {
            let address = address.wrapping_sub(module.bias);
            let end = caught(|| Tables::of(&module.file).end_at(address));
            let end = end.unwrap_or(Err("reading its tables for exceptions failed"));
            end.map_err(|why| files.faults.insert(module.path.clone(), why.to_owned())).is_ok()
        });
        if self.ends.len() >= MOST_ADDRESSES {
            self.ends.clear();
        }
        self.ends.insert(address, ends);
        ends
    }

    fn module(&self, address: u64) -> Option<&WalkedModule> {
        self.modules.iter().find(|module| (module.addresses.0..module.addresses.1).contains(&address))
    }

    /// The interpreter of scripts whose function for that has this address, and how far it is mapped from its file's addresses.
    fn interpreter(&self, address: u64) -> Option<(Language, u64)> {
        let module = self.module(address)?;
        let interpreter = module.file.interpreter.as_ref()?;
        let executes = interpreter.executes.contains(&address.wrapping_sub(module.bias));
        executes.then_some((interpreter.language?, module.bias))
    }

    /// What the function at this address has done with the registers that it gives back.
    fn keeping(&mut self, address: u64) -> Option<[Keeping; KEPT.len()]> {
        if let Some(known) = self.keeping.get(&address) {
            return *known;
        }
        let module = self.module(address)?;
        let found = caught(|| Tables::of(&module.file).keeping_at(address.wrapping_sub(module.bias))).flatten();
        if self.keeping.len() >= MOST_ADDRESSES {
            self.keeping.clear();
        }
        self.keeping.insert(address, found);
        found
    }

    /// What the registers held when the function at the end of `frames` called the one before it: each has its address, and its pointer of
    /// the stack.
    fn kept(&mut self, frames: &[(u64, u64)], mut kept: Kept, read: impl Fn(u64) -> Result<u64, ()>) -> Option<Kept> {
        for inner in frames.windows(2) {
            let ((address, _), (_, callers)) = (inner[0], inner[1]);
            for (held, keeping) in kept.iter_mut().zip(self.keeping(address)?) {
                match keeping {
                    Keeping::Untouched => {}
                    Keeping::At(at) => *held = read(callers.wrapping_add_signed(at)).ok(),
                    Keeping::Lost => *held = None,
                }
            }
        }
        Some(kept)
    }

    /// Whether this address lies in code that was mapped when the map was read.
    pub fn knows(&self, address: u64) -> bool {
        let after = self.code.partition_point(|(_, end)| *end <= address);
        self.code.get(after).is_some_and(|(start, _)| *start <= address)
    }

    /// The addresses of the code on the stack of a fault, innermost first, each within the call, with the line of a script behind the
    /// function that executes it; `None` if the walk failed altogether.
    pub fn walk(&mut self, fault: &Fault<'_>, files: &mut CodeFiles, scripts: &mut Scripts) -> Option<Vec<u64>> {
        let (code, pointer, registers) = walked_from(fault.registers);
        let read = |address: u64| {
            let at = usize::try_from(address.wrapping_sub(pointer)).map_err(drop)?;
            let bytes = fault.stack.get(at..).and_then(<[u8]>::first_chunk).ok_or(())?;
            Ok(u64::from_ne_bytes(*bytes))
        };
        // Tables of the target steer the walk, and may lead it where nobody has been.
        let walked = caught(|| {
            let (mut registers, mut at) = (registers, FrameAddress::from_instruction_pointer(code));
            let mut found = Vec::with_capacity(DEPTH);
            loop {
                found.push((at.address_for_lookup(), registers.sp()));
                if found.len() == DEPTH || !self.ends(at.address_for_lookup(), files) {
                    return found;
                }
                let next = self.unwinder.unwind_frame(at, &mut registers, &mut self.cache, &mut { read });
                let Some(caller) = next.ok().flatten().and_then(FrameAddress::from_return_address) else {
                    return found;
                };
                at = caller;
            }
        });
        if walked.is_none() {
            self.cache = CacheNative::new();
        }
        let walked = walked.filter(|found| !found.is_empty())?;
        let mut found: Vec<u64> = walked.iter().map(|(address, _)| *address).collect();
        let executes = |(n, address): (usize, &u64)| Some((n, self.interpreter(*address)?));
        if let Some((n, (language, bias))) = found.iter().enumerate().find_map(executes)
            && let Some(registers) = self.kept(&walked[..=n], kept(fault.registers), read)
        {
            let (address, lowest) = walked[n];
            let callers = walked.get(n + 1).map_or(lowest, |(_, callers)| callers.saturating_sub(8));
            let part = (lowest..callers).step_by(8).take(MOST_WORDS).filter_map(|address| read(address).ok());
            let mut stack: Vec<u64> = part.collect();
            stack.reverse();
            if let Some(line) = scripts.line(&Interpreting { language, bias, address, registers, stack }) {
                found.insert(n + 1, line);
            }
        }
        Some(found)
    }
}

impl std::fmt::Debug for Walker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walker").field("code", &self.code).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::faults::module::ENDLESS;
    use crate::probe::faults::registers::at;
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const START: u64 = 0x5500_0000_0000;

    /// A walker of a process that has this file mapped as a whole.
    fn walker(file: &Arc<CodeFile>) -> Walker {
        let length = file.text.as_ref().unwrap().end + (1 << 20);
        let line = format!("{START:x}-{:x} r-xp 00000000 08:01 42 /bin/true\n", START + length);
        let maps = MemoryMaps::from_buf_read(line.as_bytes()).unwrap();
        let mut walker = Walker::empty();
        walker.code.push(maps.0[0].address);
        caught(|| walker.add(&maps.0[0], "/bin/true", file));
        walker
    }

    /// Instructions with an expression that jumps to itself: whoever follows one never returns.
    const ENDLESS_RULES: [&[u8]; 3] =
        [&[0x0f, 3, 0x2f, 0xfd, 0xff], &[0x10, 16, 4, 0x31, 0x28, 0xfc, 0xff], &[0x16, 6, 3, 0x2f, 0xfd, 0xff]];

    #[test]
    fn broken_tables_lead_nowhere_and_to_an_end() {
        let whole = CodeFile::read(File::open("/bin/true").unwrap()).unwrap().unwrap();
        let text = whole.text.clone().unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut scripts = Scripts::open(File::open("/proc/self").unwrap()).unwrap();
        let (mut stack, mut files, mut met, mut known) = ([0; 4096], CodeFiles::default(), false, false);
        for n in 0..2000 {
            let mut file = CodeFile::read(File::open("/bin/true").unwrap()).unwrap().unwrap();
            for (data, _) in [Some(&mut file.frames), file.index.as_mut()].into_iter().flatten() {
                let bytes = Arc::make_mut(data);
                for _ in 0..rng.random_range(0..=n / 50) {
                    let at = rng.random_range(0..bytes.len());
                    bytes[at] = rng.random();
                }
            }
            let bytes = Arc::make_mut(&mut file.frames.0);
            for _ in 0..n % 50 {
                let rule = ENDLESS_RULES[rng.random_range(0..ENDLESS_RULES.len())];
                let at = rng.random_range(0..bytes.len() - rule.len());
                bytes[at..][..rule.len()].copy_from_slice(rule);
            }
            if n % 7 == 0 {
                file.index = None;
                if !Tables::of(&file).end() {
                    continue;
                }
            }
            let mut walker = walker(&Arc::new(file));
            rng.fill_bytes(&mut stack);
            // Return addresses that lie in the code, for a walk that goes on.
            for word in stack.as_chunks_mut::<8>().0.iter_mut().step_by(3) {
                *word = (START + rng.random_range(text.clone())).to_ne_bytes();
            }
            for _ in 0..20 {
                let code = START + rng.random_range(text.clone());
                let registers = at(code, 0x7ff0_0000_0000, 0x7ff0_0000_0100);
                let fault = Fault { pid: 1, time: 0, address: 0, registers, stack: &stack };
                let found = walker.walk(&fault, &mut files, &mut scripts).unwrap_or_default();
                assert!(found.len() <= DEPTH);
                // As for an interpreter at the end of them.
                let frames: Vec<(u64, u64)> = found.iter().map(|address| (*address, 0x7ff0_0000_0000)).collect();
                let held = walker.kept(&frames, kept(registers), |_| Ok(7));
                known |= held.is_some_and(|held| held.contains(&Some(7)));
                met |= files.faults().is_some_and(|(_, why, _)| why == ENDLESS);
            }
        }
        assert!(met, "it was met, and told");
        assert!(known || KEPT.is_empty(), "registers were found on a stack");
    }

    #[test]
    fn the_code_of_a_process_is_known() {
        let maps = std::fs::read("/proc/self/maps").unwrap();
        let directory = File::open("/proc/self").unwrap();
        let mut files = CodeFiles::default();
        let walker = Walker::new(&directory, &maps, &mut files);
        assert!(walker.knows(the_code_of_a_process_is_known as *const () as u64) && !walker.knows(8));
        assert_eq!(files.faults(), None);
        assert!(files.known.values().any(Option::is_some));
    }
}
