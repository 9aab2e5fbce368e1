//! The namer: a small process beside the harness that looks names up for code.
//!
//! Debug information is the target's, and reading it may take any time, any memory, or the reader's life: a library that
//! panics on a byte of it, a link to a FIFO, a file that shrinks while it is mapped. So it is read by a process that can be
//! killed, and that has limits. It answers each line on its standard input by one on its standard output, and ends with
//! the harness. A panic is an answer as well: only so many namers are started, and what panics is a module of many.

use super::code::Code;
use crate::model::Frame;
use crate::probe::{MadeCode, caught};
use blazesym::Pid;
use blazesym::symbolize::source::{Process, Source};
use blazesym::symbolize::{CodeInfo, Input, Symbolized, Symbolizer};
use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{self, BufRead, Write};

/// The argument that makes the program a namer.
pub const ARGUMENT: &str = "namer-of-a-seepage-run";

/// The most address space it may have: files are read by mapping them.
const ADDRESSES: u64 = 8 << 30;

/// The most memory of its own it may have.
const MEMORY: u64 = 2 << 30;

/// Processes of whose code names are kept; of more, they are read again.
const MOST_PROCESSES: usize = 16;

/// What code of one module in one process is called.
#[derive(Debug, Serialize, Deserialize)]
pub struct Question {
    /// The process.
    pub pid: u32,
    /// Addresses in it, and where these lie.
    pub code: Vec<(u64, Code)>,
    /// Whether debug information is read, and not only tables of symbols.
    pub debug: bool,
}

/// The frames of each address, innermost first; `None` if the module or the process could not be read.
pub type Stacks = Option<Vec<Vec<Frame>>>;

/// Answers until there is nobody left to ask.
///
/// # Errors
/// If nobody listens, or what is asked isn't understood.
pub fn run() -> io::Result<()> {
    for (resource, limit) in
        [(Resource::RLIMIT_AS, ADDRESSES), (Resource::RLIMIT_DATA, MEMORY), (Resource::RLIMIT_CORE, 0)]
    {
        setrlimit(resource, limit, limit)?;
    }
    let mut namer = Namer::new(rustix::process::geteuid().is_root());
    let mut answers = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?)?;
        serde_json::to_writer(&mut answers, &namer.answer(&question))?;
        answers.write_all(b"\n")?;
        answers.flush()?;
    }
    Ok(())
}

struct Namer {
    symbolizer: Symbolizer,
    /// Whether files may be opened through the process, which also reaches those that were replaced or deleted.
    map_files: bool,
    /// What processes say of the code that they make, by their PIDs.
    made: HashMap<u32, MadeCode>,
}

impl Namer {
    fn new(map_files: bool) -> Self {
        Namer { symbolizer: Symbolizer::new(), map_files, made: HashMap::new() }
    }

    fn answer(&mut self, question: &Question) -> Stacks {
        if question.code.iter().all(|(_, code)| code.is_made()) {
            return Some(self.made(question));
        }
        caught(|| self.look_up(question)).unwrap_or_else(|| {
            // What it was amid of may be half done.
            self.symbolizer = Symbolizer::new();
            None
        })
    }

    fn look_up(&self, question: &Question) -> Stacks {
        let mut process = Process::new(Pid::from(question.pid));
        process.map_files = self.map_files;
        process.debug_syms = question.debug;
        // What the target says of the code that it makes is read with limits, above.
        process.perf_map = false;
        let addresses: Vec<u64> = question.code.iter().map(|(address, _)| *address).collect();
        let symbols = self.symbolizer.symbolize(&Source::Process(process), Input::AbsAddr(&addresses)).ok()?;
        Some(symbols.iter().zip(&question.code).map(|(symbol, (_, code))| frames(symbol, code)).collect())
    }

    /// The frames of code that the process has made.
    fn made(&mut self, question: &Question) -> Vec<Vec<Frame>> {
        if self.made.len() >= MOST_PROCESSES {
            self.made.retain(|pid, _| *pid == question.pid);
        }
        let made = self.made.entry(question.pid).or_default();
        // Most have no such file. Of a process that has ended, what was read holds.
        let _ = made.update(question.pid);
        let frame = |(address, code): &(u64, Code)| vec![made.names().at(*address).unwrap_or_else(|| code.bare())];
        question.code.iter().map(frame).collect()
    }
}

/// The function at a place and what was inlined there, innermost first.
fn frames(symbol: &Symbolized<'_>, code: &Code) -> Vec<Frame> {
    let Some(symbol) = symbol.as_sym() else { return vec![code.bare()] };
    let frame = |function: &str, info: Option<&CodeInfo<'_>>| Frame {
        function: Some(function.to_owned()),
        file: info.map(|info| info.to_path().to_string_lossy().into_owned()),
        line: info.and_then(|info| info.line),
        ..code.bare()
    };
    let inlined = symbol.inlined.iter().rev().map(|inlined| frame(&inlined.name, inlined.code_info.as_ref()));
    inlined.chain([frame(&symbol.name, symbol.code_info.as_deref())]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::code::Maps;
    use super::*;

    #[test]
    fn our_own_code_has_names() {
        let address = our_own_code_has_names as *const () as u64;
        let maps = Maps::parse(std::process::id(), &std::fs::read("/proc/self/maps").unwrap());
        let code = vec![(address, maps.code(address))];
        let mut namer = Namer::new(false);
        let mut named = |debug| {
            let question = Question { pid: std::process::id(), code: code.clone(), debug };
            namer.answer(&question).expect("an answer")[0].last().cloned().expect("a frame")
        };
        let frame = named(true);
        assert!(frame.function.as_deref().unwrap().contains("our_own_code_has_names"), "{frame:?}");
        assert!(frame.file.as_deref().unwrap().ends_with("namer.rs"), "{frame:?}");
        assert!(frame.line.is_some());
        let frame = named(false);
        assert!(frame.function.as_deref().unwrap().contains("our_own_code_has_names"), "{frame:?}");
        assert_eq!(frame.line, None);
    }
}
