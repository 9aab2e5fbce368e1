//! Reading the library's memory in a process that goes on running.

pub use super::layout::SCRIPT_LINES;
use super::layout::{
    Anchor, ENTRIES, Entry, FRAMES, LINE_INDEX, LINES, Line, MAGIC, MAPPINGS, Mapping, OTHER_STACK_TOUCHED, PHP,
    PYTHON, Region, SLOTS, STACKS, Slot, Stack, UNKNOWN_INTERPRETER, VERSION,
};
use super::library::Library;
use crate::model::{Frame, HeapLost, HeapReading, HeapSource};
use crate::probe::scripts::{Language, placed};
use procfs::FromBufRead;
use procfs::process::{MMPermissions, MMapPath, MemoryMaps};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, BufReader};
use std::mem::{offset_of, size_of};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The most of the library's data that is searched for its anchor.
const DATA: usize = 64 << 10;

/// Tries at a look while the sample is being thinned out, which takes about as long as a look.
const TRIES: u32 = 3;

/// Page size of the only systems that the library is built for.
const PAGE: u64 = 4096;

/// The heap of one worker, held open. A read after the worker's death fails, and can't reach another process.
#[derive(Debug)]
pub struct HeapProbe {
    memory: File,
    region: u64,
    /// What the library's places in scripts are called, by their numbers; `None` of those that can't be read any more.
    places: Vec<Option<u64>>,
    lines: Arc<Vec<Frame>>,
}

/// A sampled block or mapping that is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveSample {
    /// Its address.
    pub address: u64,
    /// Bytes of it that are live.
    pub bytes: u64,
    /// Bytes it had when it was sampled: it is here with probability `1 - exp(-sampled / mean)`.
    pub sampled: u64,
    /// When it was allocated, in nanoseconds of `CLOCK_MONOTONIC`.
    pub born: u64,
    /// Number of its stack in this process; `None` if there was no room for it.
    pub stack: Option<u32>,
}

/// One stack that allocated, as one process knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct StackTrace {
    /// Estimate of the bytes allocated here since the process began.
    pub allocated: u64,
    /// Code addresses in that process, innermost first, and lines of scripts from [`SCRIPT_LINES`] on.
    pub frames: Vec<u64>,
}

/// The sampled live set of one process at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// What was sampled.
    pub source: HeapSource,
    /// Mean of bytes between samples.
    pub mean: u64,
    /// What is live.
    pub live: Vec<LiveSample>,
    /// Stacks, by number.
    pub stacks: Vec<StackTrace>,
    /// Lines of scripts, by number.
    pub lines: Arc<Vec<Frame>>,
    /// Whether scripts are executed whose lines the library doesn't know.
    pub unknown_scripts: bool,
    /// What could not be noted since the process began.
    pub lost: HeapLost,
    /// Whether the library's lock was found held for good: nothing is noted any more, neither samples nor frees.
    pub stuck: bool,
}

/// Why nothing is known of a process's heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untraced {
    /// The library isn't in it.
    NotLoaded,
    /// The library is in it, but hasn't seen an allocation yet.
    NothingSeen,
    /// It calls an allocator of its own, past the library.
    Bypassed,
    /// It has a sanitizer in it, and the library stands aside.
    Sanitized,
}

impl HeapProbe {
    /// Opens the heap of the process whose directory in `/proc` this is, or says why there is none to be read.
    ///
    /// # Errors
    /// If its memory may not be read, or it has ended.
    pub fn open(process: impl AsFd, library: &Library) -> io::Result<Result<Self, Untraced>> {
        let open = |name: &str| -> io::Result<File> {
            Ok(rustix::fs::openat(process.as_fd(), name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
        };
        let maps = MemoryMaps::from_buf_read(BufReader::new(open("maps")?)).map_err(io::Error::other)?;
        let ours = library.path().as_os_str().as_encoded_bytes();
        let data = maps.iter().find(|map| {
            let named =
                matches!(&map.pathname, MMapPath::Path(path) if path.as_os_str().as_encoded_bytes().starts_with(ours));
            named && map.perms.contains(MMPermissions::WRITE)
        });
        let Some((from, to)) = data.map(|map| map.address) else { return Ok(Err(Untraced::NotLoaded)) };
        let memory = open("mem")?;
        let mut buffer = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(DATA).min(DATA)];
        memory.read_exact_at(&mut buffer, from)?;
        let words: Vec<u64> = words(&buffer).collect();
        // The region begins with the same word, but doesn't lie in here.
        let at = words.iter().position(|word| *word == MAGIC);
        let anchor = at.and_then(|at| words.get(at..at + size_of::<Anchor>() / 8));
        let Some([_, region, bypassed, sanitized]) = anchor.and_then(|words| words.first_chunk()).copied() else {
            return Ok(Err(Untraced::NotLoaded));
        };
        if sanitized != 0 {
            return Ok(Err(Untraced::Sanitized));
        }
        if bypassed != 0 {
            return Ok(Err(Untraced::Bypassed));
        }
        if region == 0 {
            return Ok(Err(Untraced::NothingSeen));
        }
        let probe = HeapProbe { memory, region, places: Vec::new(), lines: Arc::default() };
        let head = probe.head()?;
        let known =
            word(&head, offset_of!(Region, magic)) == MAGIC && half(&head, offset_of!(Region, version)) == VERSION;
        Ok(if known { Ok(probe) } else { Err(Untraced::NotLoaded) })
    }

    /// Exact counts; `None` if the process has ended or has become another program.
    pub fn counts(&self) -> Option<HeapReading> {
        let head = self.head().ok()?;
        if word(&head, offset_of!(Region, magic)) != MAGIC {
            return None;
        }
        let used = |offset: usize, most: usize| (half(&head, offset) as usize).min(most);
        let slots = used(offset_of!(Region, slots_used), SLOTS);
        let slots = self.part(offset_of!(Region, slots), slots * size_of::<Slot>()).ok()?;
        let shared = &head[offset_of!(Region, shared)..];
        let sum = |offset: usize| {
            let each = slots.as_chunks::<{ size_of::<Slot>() }>().0.iter().map(|slot| &slot[..]).chain([shared]);
            each.fold(0u64, |sum, slot| sum.wrapping_add(word(slot, offset)))
        };
        let allocated = sum(offset_of!(Slot, allocated));
        let (mapped, unmapped) = (word(&head, offset_of!(Region, mapped)), word(&head, offset_of!(Region, unmapped)));
        // Threads go on while their counts are read one by one: a block that one allocated and another freed may be
        // seen as freed only.
        Some(HeapReading {
            live: allocated.saturating_sub(sum(offset_of!(Slot, freed))),
            allocated,
            blocks: sum(offset_of!(Slot, allocations)).saturating_sub(sum(offset_of!(Slot, frees))),
            allocations: sum(offset_of!(Slot, allocations)),
            mapped: mapped.saturating_sub(unmapped),
            own: own_bytes(&head),
        })
    }

    /// The sampled live set; `None` if the process has ended or has become another program, or if its sample was being
    /// thinned out whenever it was looked at: the next look has all that this one had.
    pub fn snapshot(&mut self) -> Option<Snapshot> {
        (0..TRIES).find_map(|_| self.look())
    }

    fn look(&mut self) -> Option<Snapshot> {
        let before = half(&self.head().ok()?, offset_of!(Region, thinnings));
        let first = self.entries()?;
        let head = self.head().ok()?;
        let used = |offset: usize, most: usize| (half(&head, offset) as usize).min(most);
        let mut stacks =
            self.stacks(used(offset_of!(Region, stacks_used), STACKS), used(offset_of!(Region, frames_used), FRAMES))?;
        // An entry that changes while it is read is taken for what it says only if two looks agree.
        let second = self.entries()?;
        let head = self.head().ok()?;
        if word(&head, offset_of!(Region, magic)) != MAGIC
            || before % 2 == 1
            || before != half(&head, offset_of!(Region, thinnings))
        {
            return None;
        }
        let size = size_of::<Entry>();
        let steady = first.chunks_exact(size).zip(second.chunks_exact(size)).filter(|(a, b)| a == b);
        let live = steady.map(|(entry, _)| entry).filter(|entry| word(entry, offset_of!(Entry, address)) != 0);
        let live = live.map(|entry| LiveSample {
            address: word(entry, offset_of!(Entry, address)),
            bytes: word(entry, offset_of!(Entry, bytes)),
            sampled: word(entry, offset_of!(Entry, sampled)),
            born: word(entry, offset_of!(Entry, born)),
            stack: Some(half(entry, offset_of!(Entry, stack))).filter(|stack| (*stack as usize) < stacks.len()),
        });
        let lost_samples = word(&head, offset_of!(Region, lost_samples));
        let lost = HeapLost {
            samples: lost_samples.saturating_add(word(&head, offset_of!(Region, lost_frees))),
            stacks: word(&head, offset_of!(Region, lost_stacks)),
            mappings: word(&head, offset_of!(Region, lost_mappings)),
            unsampled: word(&head[offset_of!(Region, shared)..], offset_of!(Slot, allocated)),
        };
        let mean = word(&head, offset_of!(Region, mean)).max(1);
        let stuck = half(&head, offset_of!(Region, broken)) != 0;
        let unknown_scripts = half(&head, offset_of!(Region, interpreter)) == UNKNOWN_INTERPRETER;
        let live = live.collect();
        self.learn_lines(&head);
        for stack in &mut stacks {
            stack.frames.retain_mut(|frame| {
                let Some(number) = frame.checked_sub(SCRIPT_LINES) else { return true };
                let line = usize::try_from(number).ok().and_then(|number| *self.places.get(number)?);
                line.inspect(|line| *frame = SCRIPT_LINES + line).is_some()
            });
        }
        let (source, lines) = (HeapSource::Allocations, Arc::clone(&self.lines));
        Some(Snapshot { source, mean, live, stacks, lines, unknown_scripts, lost, stuck })
    }

    /// Reads what the new places in scripts are called, while their functions are most likely still there.
    fn learn_lines(&mut self, head: &[u8]) {
        let language = match half(head, offset_of!(Region, interpreter)) {
            PYTHON => Language::Python(word(head, offset_of!(Region, code_type))),
            PHP => Language::Php,
            _ => return,
        };
        let (known, used) = (self.places.len(), (half(head, offset_of!(Region, lines_used)) as usize).min(LINES));
        let (from, size) = (offset_of!(Region, lines), size_of::<Line>());
        let Ok(new) = self.part(from + known * size, used.saturating_sub(known) * size) else { return };
        for line in new.chunks_exact(size) {
            let (code, at) = (word(line, offset_of!(Line, code)), half(line, offset_of!(Line, at)));
            let number = placed(&self.memory, language, code, at).map(|frame| {
                let lines = Arc::make_mut(&mut self.lines);
                lines.push(frame);
                lines.len() as u64 - 1
            });
            self.places.push(number);
        }
    }

    fn stacks(&self, count: usize, frames: usize) -> Option<Vec<StackTrace>> {
        let frames = self.part(offset_of!(Region, frames), frames * 8).ok()?;
        let stacks = self.part(offset_of!(Region, stacks), count * size_of::<Stack>()).ok()?;
        let trace = |stack: &[u8]| {
            let first = half(stack, offset_of!(Stack, first)) as usize * 8;
            let depth = half(stack, offset_of!(Stack, depth)) as usize * 8;
            StackTrace {
                allocated: word(stack, offset_of!(Stack, allocated)),
                frames: frames.get(first..first.saturating_add(depth)).map_or_else(Vec::new, |f| words(f).collect()),
            }
        };
        Some(stacks.as_chunks::<{ size_of::<Stack>() }>().0.iter().map(|stack| trace(stack)).collect())
    }

    fn entries(&self) -> Option<Vec<u8>> {
        let mut used = [0; 4];
        self.memory.read_exact_at(&mut used, self.region + offset_of!(Region, entries_used) as u64).ok()?;
        let used = (u32::from_ne_bytes(used) as usize).min(ENTRIES);
        self.part(offset_of!(Region, entries), used * size_of::<Entry>()).ok()
    }

    fn head(&self) -> io::Result<Vec<u8>> {
        self.part(0, offset_of!(Region, slots))
    }

    fn part(&self, offset: usize, bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; bytes];
        self.memory.read_exact_at(&mut buffer, self.region.wrapping_add(offset as u64))?;
        Ok(buffer)
    }
}

/// How much of the process's anonymous memory is the library's own: what it has touched of its region.
fn own_bytes(head: &[u8]) -> u64 {
    let fixed = offset_of!(Region, stacks) - offset_of!(Region, near);
    let parts = [
        (offset_of!(Region, slots_used), offset_of!(Region, slots), size_of::<Slot>(), SLOTS),
        (offset_of!(Region, stacks_used), offset_of!(Region, stacks), size_of::<Stack>(), STACKS),
        (offset_of!(Region, entries_used), offset_of!(Region, entries), size_of::<Entry>(), ENTRIES),
        (offset_of!(Region, mappings_most), offset_of!(Region, mappings), size_of::<Mapping>(), MAPPINGS),
        (offset_of!(Region, frames_used), offset_of!(Region, frames), 8, FRAMES),
        (offset_of!(Region, lines_used), offset_of!(Region, lines), size_of::<Line>(), LINES),
    ];
    let touched = parts.iter().map(|(used, from, size, most)| {
        let bytes = (half(head, *used) as usize).min(*most) * size;
        let (from, to) = (*from as u64, (from + bytes) as u64);
        if bytes == 0 { 0 } else { to.next_multiple_of(PAGE) - from / PAGE * PAGE }
    });
    let other_stack = half(head, offset_of!(Region, other_stack_used)) != 0;
    let other_stack = if other_stack { OTHER_STACK_TOUCHED as u64 } else { 0 };
    let line_index = if half(head, offset_of!(Region, lines_used)) != 0 { 4 * LINE_INDEX as u64 } else { 0 };
    touched.sum::<u64>() + (fixed as u64).next_multiple_of(PAGE) + other_stack + line_index
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word))
}

/// The word at `offset`, 0 beyond the end.
fn word(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u64::from_ne_bytes(*word))
}

/// The half word at `offset`, 0 beyond the end.
fn half(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_ne_bytes(*word))
}
