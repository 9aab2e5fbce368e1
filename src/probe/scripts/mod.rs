//! The line of a script that caused a fault, by what the registers of its interpreter point to.
//!
//! Registers are those of the fault, and are not late. What they point to is read later, through `/proc/PID/mem`: it has to hold together,
//! or nothing is said. Nothing is put into the process.

mod interpreter;
mod memory;
mod php;
mod python;
#[allow(dead_code, reason = "the preload library uses the rest")]
#[path = "../../../preload/structures.rs"]
mod structures;

use super::faults::{KEPT, Kept};
use crate::model::Frame;
use crate::probe::SCRIPT_LINES;
use rustix::fs::{Mode, OFlags, openat};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

pub use interpreter::{Interpreter, Language};
use memory::Memory;

/// Code, operations and places in interpreters of which something is kept.
const MOST_KNOWN: usize = 16 << 10;

/// Lines that are told apart.
const MOST_LINES: usize = 16 << 10;

/// The registers, by their numbers in tables for exceptions, in which PHP has its frame and its operation.
const PHP: (u16, u16) = (14, 15);

/// What the function of an interpreter has at a fault.
#[derive(Debug)]
pub struct Interpreting {
    /// The language, and how far the interpreter is mapped from its file's addresses.
    pub language: Language,
    pub bias: u64,
    /// Where it is in its code.
    pub address: u64,
    pub registers: Kept,
    /// Its part of the stack, from its caller's on downwards.
    pub stack: Vec<u64>,
}

/// What is known of the scripts of one process.
#[derive(Debug)]
pub struct Scripts<M = File> {
    memory: M,
    /// Python's code, by its address.
    code: HashMap<u64, python::Code>,
    /// Where Python's interpreter keeps the first instruction, among its registers and what it has on the stack.
    firsts: Vec<usize>,
    /// Where it may keep the next one, by the address at which its function goes on.
    nexts: HashMap<u64, Vec<usize>>,
    /// PHP's operations, and the lines that they are of.
    operations: HashMap<u64, (php::Identity, u64)>,
    numbers: HashMap<Frame, u64>,
    lines: Arc<Vec<Frame>>,
}

impl Scripts {
    /// Opens the memory of the process whose directory in `/proc` this is.
    ///
    /// # Errors
    /// If this user may not look at it.
    pub fn open(process: impl AsFd) -> io::Result<Self> {
        let memory = openat(process, "mem", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Scripts::of(memory.into()))
    }
}

/// The place in a function of a script whose code lies at an address: of Python, at the instruction of this number; of PHP, at this line.
/// `None` if no such function is there any more.
pub fn placed(memory: &impl Memory, language: Language, code: u64, at: u32) -> Option<Frame> {
    match language {
        Language::Python(kind) => python::placed(memory, kind, code, at),
        Language::Php => php::placed(memory, code, at),
    }
}

/// A place in a function of Python, and one in a function of PHP, in memory whose first words are the address of the function, the place in it,
/// and the type of Python's code; `None` where there is none.
pub fn parse_script_place(memory: &[u8]) -> [Option<Frame>; 2] {
    let (code, at, kind) = (memory.word(0), memory.half(8), memory.word(16));
    let languages = [Language::Python(kind.unwrap_or_default()), Language::Php];
    languages.map(|language| placed(&memory, language, code?, at?))
}

impl<M: Memory> Scripts<M> {
    fn of(memory: M) -> Self {
        let (code, firsts, nexts) = (HashMap::new(), Vec::new(), HashMap::new());
        let (operations, numbers, lines) = (HashMap::new(), HashMap::new(), Arc::default());
        Scripts { memory, code, firsts, nexts, operations, numbers, lines }
    }

    /// The lines that were met, by their numbers from [`SCRIPT_LINES`] on.
    pub fn lines(&self) -> Arc<Vec<Frame>> {
        Arc::clone(&self.lines)
    }

    /// The number of the line that is executed; `None` if that can't be told for sure.
    pub fn line(&mut self, at: &Interpreting) -> Option<u64> {
        if self.code.len() + self.operations.len() + self.nexts.len() >= MOST_KNOWN {
            (self.code, self.operations, self.nexts) = Default::default();
        }
        match at.language {
            Language::Python(kind) => self.python(kind.wrapping_add(at.bias), at),
            Language::Php => self.php(&at.registers),
        }
    }

    fn python(&mut self, kind: u64, at: &Interpreting) -> Option<u64> {
        let has: Vec<u64> = at.registers.iter().map(|held| held.unwrap_or(0)).chain(at.stack.iter().copied()).collect();
        let begins = |place: &usize| python::begins(&self.memory, kind, *has.get(*place)?);
        if self.firsts.is_empty() {
            self.firsts = (0..has.len()).filter(|place| begins(place).is_some()).collect();
        }
        let found: Vec<Option<u64>> = self.firsts.iter().map(begins).collect();
        let first = found.first().copied().flatten();
        if found.iter().any(|found| *found != first) {
            // What was taken for it was left there by something else.
            self.firsts.clear();
            return None;
        }
        let start = first?;
        if !self.code.get(&start).is_some_and(|code| code.is_there(&self.memory)) {
            self.code.insert(start, python::Code::read(&self.memory, start)?);
        }
        let code = self.code.get(&start)?;
        // At one place of the interpreter's code, what is executed next is always in the same place, and former ones may be in others.
        let next = self.nexts.entry(at.address).or_insert_with(|| (0..has.len()).collect());
        next.retain(|place| has.get(*place).is_some_and(|next| code.has(*next)));
        let mut lines: Vec<Option<u32>> = next.iter().map(|place| code.line(has[*place])).collect();
        lines.dedup();
        let line = if let [line] = lines[..] { line } else { None };
        let frame = code.frame(line);
        self.number(frame)
    }

    fn php(&mut self, registers: &Kept) -> Option<u64> {
        let register =
            |number| KEPT.iter().zip(registers).find(|(kept, _)| **kept == number).and_then(|(_, held)| *held);
        let (frame, operation) = (register(PHP.0)?, register(PHP.1)?);
        let identity = php::identity(&self.memory, operation)?;
        if let Some(frame) = php::frame(&self.memory, frame, operation) {
            let line = self.number(frame)?;
            self.operations.insert(operation, (identity, line));
            return Some(line);
        }
        // The function has returned, and its frame is another's.
        self.operations.get(&operation).filter(|(known, _)| *known == identity).map(|(_, line)| *line)
    }

    fn number(&mut self, frame: Frame) -> Option<u64> {
        if let Some(number) = self.numbers.get(&frame) {
            return Some(*number);
        }
        let number = Some(self.lines.len()).filter(|count| *count < MOST_LINES)? as u64 + SCRIPT_LINES;
        Arc::make_mut(&mut self.lines).push(frame.clone());
        self.numbers.insert(frame, number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::memory::Written;
    use super::*;

    const KIND: u64 = 0x77;

    fn told(scripts: &Scripts<Written>, line: Option<u64>) -> Option<String> {
        line.map(|line| scripts.lines[(line - SCRIPT_LINES) as usize].to_string())
    }

    fn python(address: u64, stack: &[u64]) -> Interpreting {
        let language = Language::Python(KIND - 7);
        Interpreting { language, bias: 7, address, registers: [None; KEPT.len()], stack: stack.to_vec() }
    }

    #[test]
    fn what_was_left_on_the_stack_names_no_line() {
        let mut memory = Written::default();
        for (code, function) in [(0x1_0000, "keep"), (0x2_0000, "churn")] {
            python::tests::write(&mut memory, KIND, code, function, "/srv/k.py");
        }
        let at = |code: u64, place: u64| code + 184 + 2 * place;
        let (keep, churn) = (0x1_0000, 0x2_0000);
        let mut scripts = Scripts::of(memory);
        let mut line = |address, stack: &[u64]| {
            let line = scripts.line(&python(address, stack));
            told(&scripts, line)
        };
        // The third word may be the next instruction, or one that was executed before.
        assert_eq!(line(1, &[9, at(keep, 0), at(keep, 44), at(keep, 4)]).as_deref(), Some("[script]: keep (k.py)"));
        // The third is the other function's, and so what was left there.
        assert_eq!(
            line(1, &[9, at(churn, 0), at(keep, 44), at(churn, 4)]).as_deref(),
            Some("[script]: churn (k.py:2)")
        );
        assert_eq!(line(1, &[9, at(keep, 0), at(keep, 44), at(keep, 4)]).as_deref(), Some("[script]: keep (k.py:2)"));
        // At another place of the interpreter it may be elsewhere.
        assert_eq!(line(2, &[9, at(keep, 0), at(keep, 44), 0]).as_deref(), Some("[script]: keep (k.py:8)"));
        // Nobody's first instruction where it was, and no more of the stack.
        assert_eq!(line(1, &[9, at(keep, 1), at(keep, 44), at(keep, 4)]), None);
        assert_eq!(line(3, &[]), None);
    }

    #[test]
    fn seeds_of_fuzzing_are_functions() {
        let place = |memory: &[u8]| parse_script_place(memory).map(|frame| frame.map(|frame| frame.to_string()));
        let (python, php) = ("[script]: Kept.keep (k.py:2)", "[script]: K::keep (k.php:8)");
        let (python, php) = (Some(python.to_owned()), Some(php.to_owned()));
        assert_eq!(place(include_bytes!("../../../fuzz/corpus/script_place/python")), [python, None]);
        assert_eq!(place(include_bytes!("../../../fuzz/corpus/script_place/php")), [None, php]);
        assert_eq!(place(&[]), [None, None]);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_function_of_php_that_returned_is_known_by_what_was_seen_before() {
        use super::php::tests::{FIRST, FRAME, write};
        let mut memory = Written::default();
        write(&mut memory, "keep", None);
        let mut scripts = Scripts::of(memory);
        let at = |frame, operation| {
            let registers = [None, None, None, None, Some(frame), Some(operation)];
            Interpreting { language: Language::Php, bias: 0, address: 1, registers, stack: Vec::new() }
        };
        let told = |scripts: &mut Scripts<Written>, frame, operation| {
            let line = scripts.line(&at(frame, operation));
            told(scripts, line)
        };
        assert_eq!(told(&mut scripts, FRAME + 8, FIRST), None);
        let keep = Some("[script]: keep (k.php:7)".to_owned());
        assert_eq!(told(&mut scripts, FRAME, FIRST), keep);
        assert_eq!(told(&mut scripts, FRAME + 8, FIRST), keep);
        // Another operation is in its place.
        scripts.memory.put_word(FIRST, 1);
        assert_eq!(told(&mut scripts, FRAME + 8, FIRST), None);
    }
}
