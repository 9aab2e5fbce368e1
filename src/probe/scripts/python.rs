//! The line that Python 3.11 executes. Its interpreter's function keeps two pointers into the code of the script's function, in registers or
//! on its stack: one to the first instruction, and one to the next. Where these are, the compiler has decided.

use super::memory::{Memory, NAME, name};
use crate::model::Frame;
use crate::sites::SCRIPT;

/// Where things are in the structure of code (`PyCodeObject`), as in all objects (`PyVarObject`), bytes, and text.
mod at {
    pub const TYPE: u64 = 8;
    pub const SIZE: u64 = 16;
    pub const FIRST_LINE: u64 = 72;
    pub const FILE: u64 = 112;
    pub const NAME: u64 = 128;
    pub const LINES: u64 = 136;
    pub const INSTRUCTIONS: u64 = super::super::structures::python::INSTRUCTIONS as u64;
    pub const BYTES: u64 = 32;
    pub const STATE: u64 = 32;
    pub const ASCII: u64 = 48;
    pub const TEXT: u64 = 72;
}

/// Bytes of an instruction.
const INSTRUCTION: u64 = 2;

/// Bytes of a table of lines that are read.
const TABLE: usize = 1 << 20;

/// What one code has, and another one in its place hasn't.
type Identity = [u64; 6];

/// The code of a function.
#[derive(Debug, Clone)]
pub struct Code {
    at: u64,
    identity: Identity,
    function: String,
    file: String,
    first_line: u32,
    lines: Vec<u8>,
    instructions: u64,
}

/// Where the code lies whose first instruction is at this address, if one does, of which `kind` is the type.
pub fn begins(memory: &impl Memory, kind: u64, first: u64) -> Option<u64> {
    let code = first.checked_sub(at::INSTRUCTIONS).filter(|code| code.is_multiple_of(8))?;
    (memory.word(code + at::TYPE)? == kind).then_some(code)
}

fn identity(memory: &impl Memory, code: u64) -> Option<Identity> {
    let head: [u8; at::INSTRUCTIONS as usize] = memory.bytes(code)?;
    let word = |at: u64| head[at as usize..].first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
    let line = word(at::FIRST_LINE) & u64::from(u32::MAX);
    Some([word(at::TYPE), word(at::SIZE), line, word(at::FILE), word(at::NAME), word(at::LINES)])
}

/// The line of an instruction, by its number, of code that has this type.
pub fn placed(memory: &impl Memory, kind: u64, code: u64, instruction: u32) -> Option<Frame> {
    if memory.word(code.checked_add(at::TYPE)?)? != kind {
        return None;
    }
    let code = Code::read(memory, code)?;
    let instruction = u64::from(instruction);
    let within = instruction < code.instructions;
    Some(code.frame(line(&code.lines, code.first_line, instruction).filter(|_| within)))
}

impl Code {
    /// Reads the code that lies there.
    pub fn read(memory: &impl Memory, code: u64) -> Option<Self> {
        let identity = identity(memory, code)?;
        let [_, instructions, first_line, file, function, lines] = identity;
        let size = memory.word(lines.checked_add(at::SIZE)?)?;
        Some(Code {
            at: code,
            identity,
            function: name(text(memory, function)?)?,
            file: name(text(memory, file)?)?,
            first_line: first_line as u32,
            lines: memory.some(lines.checked_add(at::BYTES)?, size, TABLE)?,
            instructions,
        })
    }

    /// Whether it lies there still.
    pub fn is_there(&self, memory: &impl Memory) -> bool {
        identity(memory, self.at).as_ref() == Some(&self.identity)
    }

    /// Whether this may be where it goes on: behind an instruction of it.
    pub fn has(&self, instruction: u64) -> bool {
        let place = instruction.wrapping_sub(self.at + at::INSTRUCTIONS);
        place > 0 && place.is_multiple_of(INSTRUCTION) && place / INSTRUCTION <= self.instructions
    }

    /// The line that is executed where this instruction or the one before it is, which isn't known; `None` if they are of two.
    pub fn line(&self, instruction: u64) -> Option<u32> {
        let place = (instruction - self.at - at::INSTRUCTIONS) / INSTRUCTION;
        let before = line(&self.lines, self.first_line, place.checked_sub(1)?);
        // Behind the last one is nothing.
        let same = place == self.instructions || line(&self.lines, self.first_line, place) == before;
        before.filter(|_| same)
    }

    /// The function at this line of it, if that is known.
    pub fn frame(&self, line: Option<u32>) -> Frame {
        let (function, file) = (Some(self.function.clone()), Some(self.file.clone()));
        Frame { module: SCRIPT.into(), function, file, line, ..Frame::default() }
    }
}

/// The line of an instruction, by its number and a table of lines (`Objects/locations.md` of CPython).
fn line(table: &[u8], first: u32, instruction: u64) -> Option<u32> {
    let (mut rest, mut line, mut behind) = (table.iter().copied(), i64::from(first), 0u64);
    while let Some(head) = rest.next() {
        behind += u64::from(head & 7) + 1;
        let kind = head >> 3 & 15;
        line += match kind {
            10..=12 => i64::from(kind) - 10,
            13 | 14 => signed(&mut rest)?,
            _ => 0,
        };
        let more = match kind {
            0..=9 => 1,
            10..=12 => 2,
            14 => (0..3).try_fold(0, |none, _| number(&mut rest).map(|_| none))?,
            _ => 0,
        };
        for _ in 0..more {
            rest.next()?;
        }
        if instruction < behind {
            return u32::try_from(line).ok().filter(|line| kind != 15 && *line > 0);
        }
    }
    None
}

/// A number in pieces of six bits.
fn number(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut number = 0u32;
    for shift in (0..30).step_by(6) {
        let byte = bytes.next()?;
        number |= u32::from(byte & 63) << shift;
        if byte & 64 == 0 {
            return Some(number);
        }
    }
    None
}

/// Such a number, whose last bit is its sign.
fn signed(bytes: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let number = number(bytes)?;
    let size = i64::from(number >> 1);
    Some(if number & 1 == 0 { size } else { -size })
}

/// The text of a string (`PyUnicodeObject`).
fn text(memory: &impl Memory, string: u64) -> Option<String> {
    let state = memory.half(string.checked_add(at::STATE)?)?;
    let (width, compact, ascii) = (state >> 2 & 7, state >> 5 & 1 == 1, state >> 6 & 1 == 1);
    let from = if ascii { at::ASCII } else { at::TEXT };
    let length = memory.word(string + at::SIZE)?.checked_mul(u64::from(width))?;
    let bytes = memory.some(string.checked_add(from)?, length, NAME)?;
    if !compact {
        return None;
    }
    let character = |bytes: &[u8]| {
        let mut code = [0; 4];
        code[..bytes.len()].copy_from_slice(bytes);
        char::from_u32(u32::from_le_bytes(code))
    };
    matches!(width, 1 | 2 | 4).then(|| bytes.chunks(width as usize).map(character).collect())?
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::memory::Written;
    use super::*;

    /// The table of this function, as CPython 3.11.2 has made it:
    ///
    /// ```python
    /// def keep(n):
    ///     a = [0] * n
    ///     for i in range(n):
    ///         b = {
    ///           i: bytes(n)
    ///         }
    ///
    ///     return a, lambda: (
    ///         b)
    /// ```
    #[rustfmt::skip]
    const LINES: &[u8] = &[
        248, 128, 0, 216, 9, 10, 136, 3, 136, 97, 137, 7, 128, 65, 221, 13, 18, 144, 49, 137, 88, 140, 88, 240, 0, 3, 5, 10, 240, 0, 3,
        5, 10, 136, 1, 224, 10, 11, 141, 85, 144, 49, 137, 88, 140, 88, 240, 3, 2, 13, 10, 136, 1, 136, 1, 240, 8, 0, 12, 13, 240, 0,
        1, 15, 11, 240, 0, 1, 15, 11, 240, 0, 1, 15, 11, 240, 0, 1, 15, 11, 240, 0, 1, 12, 11, 240, 0, 1, 5, 11,
    ];

    /// So many instructions are of these lines, by the same.
    const RUNS: [(u64, Option<u32>); 7] =
        [(1, None), (1, Some(1)), (6, Some(2)), (17, Some(3)), (15, Some(5)), (3, Some(4)), (7, Some(8))];

    #[test]
    fn lines_are_those_that_python_says() {
        let told: Vec<Option<u32>> = RUNS.iter().flat_map(|(count, line)| (0..*count).map(|_| *line)).collect();
        let read: Vec<Option<u32>> = (0..told.len() as u64).map(|place| line(LINES, 1, place)).collect();
        assert_eq!(read, told);
        assert_eq!(line(LINES, 1, 1000), None);
    }

    #[test]
    fn a_broken_table_has_an_end() {
        for length in 0..LINES.len() {
            for byte in [0, 0x7f, 0xf7, 0xff] {
                let mut broken = LINES[..length].to_vec();
                broken.extend([byte; 3]);
                assert!(line(&broken, u32::MAX, 60).is_none_or(|line| line > 0));
            }
        }
    }

    fn string(memory: &mut Written, at: u64, text: &str) {
        let (ascii, wide) = (text.is_ascii(), text.encode_utf16());
        memory.put_word(at + at::SIZE, wide.clone().count() as u64);
        memory.put(at + at::STATE, &(if ascii { 1u32 << 2 | 3 << 5 } else { 2 << 2 | 1 << 5 }).to_ne_bytes());
        let text = if ascii { text.as_bytes().to_vec() } else { wide.flat_map(u16::to_le_bytes).collect() };
        memory.put(at + if ascii { at::ASCII } else { at::TEXT }, &text);
    }

    /// Writes that function at an address, whose type is `kind`.
    pub(in super::super) fn write(memory: &mut Written, kind: u64, code: u64, function: &str, file: &str) {
        memory.put(code, &[0; at::INSTRUCTIONS as usize]);
        let length = RUNS.iter().map(|(count, _)| count).sum();
        for (at, word) in [(at::TYPE, kind), (at::SIZE, length), (at::FIRST_LINE, 1), (at::FILE, code + 0x800)] {
            memory.put_word(code + at, word);
        }
        memory.put_word(code + at::NAME, code + 0xa00);
        memory.put_word(code + at::LINES, code + 0xc00);
        string(memory, code + 0x800, file);
        string(memory, code + 0xa00, function);
        memory.put_word(code + 0xc00 + at::SIZE, LINES.len() as u64);
        memory.put(code + 0xc00 + at::BYTES, LINES);
    }

    #[test]
    fn a_function_is_read_with_its_names() {
        let mut memory = Written::default();
        write(&mut memory, 7, 0x1000, "Kept.größer", "/srv/k.py");
        assert_eq!(begins(&memory, 7, 0x1000 + at::INSTRUCTIONS), Some(0x1000));
        assert_eq!(begins(&memory, 8, 0x1000 + at::INSTRUCTIONS), None);
        let code = Code::read(&memory, 0x1000).unwrap();
        let first = 0x1000 + at::INSTRUCTIONS;
        assert!(!code.has(first) && !code.has(first + 3) && !code.has(first + 2 * 51) && code.has(first + 2 * 50));
        // Between two instructions of a line, and between two lines.
        let line = |place: u64| code.line(first + 2 * place);
        assert_eq!((line(3), line(8), line(49)), (Some(2), None, Some(8)));
        assert_eq!(code.frame(Some(5)).to_string(), "[script]: Kept.größer (k.py:5)");
        assert!(code.is_there(&memory));
        write(&mut memory, 7, 0x1000, "other", "/srv/k.py");
        memory.put_word(0x1000 + at::NAME, 0x9000);
        assert!(!code.is_there(&memory) && Code::read(&memory, 0x1000).is_none());
    }
}
