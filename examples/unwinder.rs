//! Walks the stacks that `benches/unwinder/both.c` has copied in a process, and says how they compare with what was walked in the process
//! itself; see `benches/unwinder.sh`. `unwinder PID NAME` prints a row of its table.

use framehop::{
    CacheNative, ExplicitModuleSectionInfo, FrameAddress, MayAllocateDuringUnwind, Module, UnwindRegsNative, Unwinder,
    UnwinderNative,
};
use object::{Object, ObjectSection, ObjectSegment};
use std::collections::HashSet;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// As in `both.c`.
const REGION: u64 = 0x2000_0000_0000;
const DEPTH: usize = 64;
const KEPT: usize = 8192;
const COPY: usize = 32 << 10;
const WORDS: usize = 5 + DEPTH + COPY / 8;

/// Copies of these lengths are tried.
const LENGTHS: [usize; 4] = [4 << 10, 8 << 10, 16 << 10, 32 << 10];

type Ranges = Vec<Range<u64>>;
type Walker = UnwinderNative<Arc<[u8]>, MayAllocateDuringUnwind>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pid, name] = &arguments[..] else { return Err("usage: unwinder PID NAME".into()) };
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let (walker, code, ours) = walker(&fs::read_to_string(format!("/proc/{pid}/maps"))?);
    let ours = |address: &&u64| ours.iter().any(|range| range.contains(address));
    let count = words(&memory, REGION, 1)?[0].min(KEPT as u64) as usize;
    let mut cache = CacheNative::new();
    let (mut inside, mut lengths) = (Vec::new(), Vec::new());
    let (mut outside, mut less, mut more, mut other) = ([0; 4], [0; 4], 0, 0);
    let (mut stacks, mut words_of_code) = (HashSet::new(), HashSet::new());
    for number in 0..count {
        let sample = words(&memory, REGION + 8 + (number * WORDS * 8) as u64, WORDS)?;
        let [depth, length, ip, sp, bp] = sample[..5].try_into()?;
        let here = &sample[5..][..(depth as usize).min(DEPTH)];
        let inner = here.iter().take_while(ours).count();
        let here = &here[inner..];
        inside.push(here.len());
        lengths.push(length);
        for (at, most) in LENGTHS.into_iter().enumerate() {
            let stack = &sample[5 + DEPTH..][..(length as usize).min(most) / 8];
            let there = walk(&walker, &mut cache, stack, UnwindRegsNative::new(ip, sp, bp));
            let there = &there[there.iter().take_while(ours).count()..];
            // As far as the other walk may come.
            let there = &there[..there.len().min(DEPTH - inner)];
            outside[at] += there.len();
            if most == COPY {
                stacks.insert(there.to_vec());
                // What a copy could be known by without walking it.
                let is_code = |word: &&u64| code.iter().any(|range| range.contains(word));
                words_of_code.insert(stack.iter().filter(is_code).copied().collect::<Vec<_>>());
            }
            let common = here.len().min(there.len());
            if here[..common] != there[..common] {
                other += 1;
            } else if there.len() < here.len() {
                less[at] += 1;
            } else if there.len() > here.len() && most == COPY {
                more += 1;
            }
        }
    }
    lengths.sort_unstable();
    let (number, share) = (count.max(1) as f64, |part: usize| 100.0 * part as f64 / count.max(1) as f64);
    print!("| {name} | {count} | {:.1} |", inside.iter().sum::<usize>() as f64 / number);
    LENGTHS.iter().zip(outside).for_each(|(_, depth)| print!(" {:.1} |", depth as f64 / number));
    less.iter().for_each(|less| print!(" {:.1} % |", share(*less)));
    let middle = lengths.get(count / 2).copied().unwrap_or(0) as f64 / 1024.0;
    println!(" {:.1} % | {other} | {middle:.1} | {} | {} |", share(more), stacks.len(), words_of_code.len());
    Ok(())
}

/// What stacks are walked by in a process with this map, and where in it code lies, and that of `both.c`.
fn walker(maps: &str) -> (Walker, Ranges, Ranges) {
    let (mut walker, mut code, mut ours) = (Walker::new(), Vec::new(), Vec::new());
    for line in maps.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [range, rights, offset, _, _, path] = fields[..] else { continue };
        let hex = |text: &str| u64::from_str_radix(text, 16).unwrap_or(0);
        let (from, to) = range.split_once('-').map_or((0, 0), |(from, to)| (hex(from), hex(to)));
        if !rights.contains('x') || !fs::metadata(path).is_ok_and(|file| file.is_file()) {
            continue;
        }
        if path.ends_with("both.so") {
            ours.push(from..to);
        } else {
            code.push(from..to);
        }
        let Ok(data) = fs::read(path) else { continue };
        let Ok(file) = object::File::parse(&data[..]) else { continue };
        let begins = |place: u64| place / 4096 * 4096 == hex(offset);
        let Some(segment) = file.segments().find(|part| begins(part.file_range().0) && part.file_range().1 > 0) else {
            continue;
        };
        let bias = from.wrapping_sub(hex(offset)).wrapping_add(segment.file_range().0).wrapping_sub(segment.address());
        let section = |name: &str| {
            let section = file.section_by_name(name)?;
            Some((Arc::<[u8]>::from(section.data().ok()?), section.address()..section.address() + section.size()))
        };
        let (frames, index) = (section(".eh_frame"), section(".eh_frame_hdr"));
        let info = ExplicitModuleSectionInfo {
            text_svma: section(".text").map(|(_, range)| range),
            eh_frame_svma: frames.as_ref().map(|(_, range)| range.clone()),
            eh_frame: frames.map(|(data, _)| data),
            eh_frame_hdr_svma: index.as_ref().map(|(_, range)| range.clone()),
            eh_frame_hdr: index.map(|(data, _)| data),
            ..Default::default()
        };
        walker.add_module(Module::new(path.to_owned(), from..to, bias, info));
    }
    (walker, code, ours)
}

fn walk(
    walker: &Walker,
    cache: &mut CacheNative<MayAllocateDuringUnwind>,
    stack: &[u64],
    mut registers: UnwindRegsNative,
) -> Vec<u64> {
    let begin = registers.sp();
    let mut read = |address: u64| stack.get((address.wrapping_sub(begin) / 8) as usize).copied().ok_or(());
    let (mut at, mut found) = (FrameAddress::from_instruction_pointer(registers.ip()), Vec::new());
    while found.len() < 2 * DEPTH {
        found.push(at.address_for_lookup());
        let next = walker.unwind_frame(at, &mut registers, cache, &mut read).ok().flatten();
        let Some(caller) = next.and_then(FrameAddress::from_return_address) else { break };
        at = caller;
    }
    found
}

fn words(memory: &File, at: u64, count: usize) -> std::io::Result<Vec<u64>> {
    let mut bytes = vec![0; count * 8];
    memory.read_exact_at(&mut bytes, at)?;
    Ok(bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word)).collect())
}
