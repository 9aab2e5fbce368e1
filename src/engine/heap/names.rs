//! Names for code: which function, which line. They are asked of a namer.

use super::super::interrupt::Interrupt;
use super::code::Code;
use super::namer::{ARGUMENT, Question, Stacks};
use crate::model::Frame;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long a question may take: debug information of a gigabyte is read in a few seconds.
const MOST: Duration = Duration::from_secs(15);

/// How long all that is left may take once the run has ended.
const AT_END: Duration = Duration::from_secs(10);

/// How long a question may take once a signal came.
const INTERRUPTED: Duration = Duration::from_millis(500);

/// How often it is looked whether there is patience left.
const LOOK: Duration = Duration::from_millis(50);

/// Namers that may fail before no more are started: each one reads all debug information again.
const FAILURES: usize = 6;

/// The most bytes of an answer.
const ANSWER: usize = 16 << 20;

/// Modules that are named in a note.
const NAMED: usize = 3;

/// How long names may be waited for: less once the run has ended, and hardly at all once a signal came.
#[derive(Debug, Clone)]
pub struct Patience {
    interrupt: Interrupt,
    ended: Arc<OnceLock<Instant>>,
}

impl Patience {
    /// That of a run that goes on until this interrupts it.
    pub fn new(interrupt: Interrupt) -> Self {
        Patience { interrupt, ended: Arc::default() }
    }

    /// The run has ended.
    pub fn end(&self) {
        let _ = self.ended.set(Instant::now());
    }

    /// Whether a question that was asked so long ago is waited for.
    fn wait(&self, waited: Duration) -> Result<(), Fault> {
        let ended = self.ended.get().is_some_and(|ended| ended.elapsed() > AT_END);
        if ended || self.interrupt.cause().is_some() && waited > INTERRUPTED {
            return Err(Fault::Over("the run had ended".into()));
        }
        let given_up = || format!("reading it was given up after {} s", MOST.as_secs());
        if waited > MOST { Err(Fault::Module(given_up())) } else { Ok(()) }
    }
}

/// Why a question has no answer.
#[derive(Debug)]
enum Fault {
    /// It is the module's.
    Module(String),
    /// None will have one any more.
    Over(String),
}

/// How much of a module is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readable {
    /// Its table of symbols, without debug information.
    Symbols,
    /// Nothing.
    Nothing,
}

/// Asks for names, and keeps what it was told.
pub struct Names {
    patience: Patience,
    known: HashMap<Code, Vec<Frame>>,
    /// Lines of scripts, which have their names already.
    lines: HashMap<Frame, Code>,
    namer: Option<Namer>,
    failures: usize,
    /// Modules that are not read in full, and why.
    spared: BTreeMap<String, (Readable, String)>,
    /// Why nothing is asked any more.
    over: Option<String>,
}

impl Names {
    /// Knows nothing yet.
    pub fn new(patience: Patience) -> Self {
        let (known, lines) = (HashMap::new(), HashMap::new());
        Names { patience, known, lines, namer: None, failures: 0, spared: BTreeMap::new(), over: None }
    }

    /// The frames of a stack of process `pid`, innermost first, and how many of them may have a name later; `code` is where its addresses lie.
    pub fn name(&mut self, pid: u32, addresses: &[u64], code: &[Code]) -> (Vec<Frame>, usize) {
        let mut new: BTreeMap<&str, Vec<(u64, Code)>> = BTreeMap::new();
        for (address, code) in addresses.iter().zip(code).filter(|(_, code)| !self.known.contains_key(code)) {
            new.entry(&code.module).or_default().push((*address, code.clone()));
        }
        for (module, code) in new {
            let found = self.look_up(pid, module, &code);
            let found = code.into_iter().zip(found).filter_map(|((_, code), frames)| Some((code, frames?)));
            self.known.extend(found);
        }
        let unnamed = code.iter().filter(|code| !self.known.contains_key(code)).count();
        let frames = |code: &Code| self.known.get(code).cloned().unwrap_or_else(|| vec![code.bare()]);
        (code.iter().flat_map(frames).collect(), unnamed)
    }

    /// The code that stands for a line of a script: the same in all processes.
    pub fn line(&mut self, line: &Frame) -> Code {
        let number = self.lines.len() as u64;
        let code = self.lines.entry(line.clone()).or_insert_with(|| Code::line(line, number)).clone();
        self.known.entry(code.clone()).or_insert_with(|| vec![line.clone()]);
        code
    }

    /// What could not be read, in a sentence.
    pub fn faults(&self) -> Option<String> {
        let told = |(module, (reading, why)): (&String, &(Readable, String))| match reading {
            Readable::Symbols => format!("{module} (no lines: {why})"),
            Readable::Nothing => format!("{module} (no names: {why})"),
        };
        let first: Vec<String> = self.spared.iter().take(NAMED).map(told).collect();
        let more = self.spared.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let spared =
            (!first.is_empty()).then(|| format!("code could not be named in full in {}{more}", first.join(", ")));
        let over = self.over.as_ref().map(|why| format!("not all code could be named: {why}"));
        let told: Vec<String> = spared.into_iter().chain(over).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// The frames of code of one module; `None` of what may have a name later.
    fn look_up(&mut self, pid: u32, module: &str, code: &[(u64, Code)]) -> Vec<Option<Vec<Frame>>> {
        let mut later = false;
        let reading = self.spared.get(module).map(|(reading, _)| *reading);
        let mut refused = None;
        for debug in [true, false] {
            let spared = reading == Some(Readable::Nothing) || debug && reading == Some(Readable::Symbols);
            if spared || self.over.is_some() {
                continue;
            }
            let question = Question { pid, code: code.to_vec(), debug };
            match self.ask(&question) {
                Ok(Some(frames)) if frames.len() == code.len() => {
                    if let Some(why) = refused {
                        self.spared.insert(module.to_owned(), (Readable::Symbols, why));
                    }
                    // A runtime may tell late what its code is called.
                    let is_told = |(frames, (_, code)): &(Vec<Frame>, &(u64, Code))| {
                        !code.is_made() || frames.iter().any(|frame| frame.function.is_some())
                    };
                    return frames
                        .into_iter()
                        .zip(code)
                        .map(|told| Some(told).filter(is_told).map(|(f, _)| f))
                        .collect();
                }
                // The process has ended, and another one may have the module; or it has no symbols at all.
                Ok(_) if !debug => later = true,
                Ok(_) => refused = Some("its debug information could not be read".into()),
                Err(Fault::Over(why)) => self.over = Some(why),
                Err(Fault::Module(why)) => {
                    let left = if debug { Readable::Symbols } else { Readable::Nothing };
                    self.spared.insert(module.to_owned(), (left, why));
                }
            }
        }
        code.iter().map(|(_, code)| (!later).then(|| vec![code.bare()])).collect()
    }

    /// Asks a namer, a new one if the last one failed; an error says how this one did.
    fn ask(&mut self, question: &Question) -> Result<Stacks, Fault> {
        if self.failures >= FAILURES {
            return Err(Fault::Over(format!("{FAILURES} look-ups failed, and no more were made")));
        }
        if self.namer.is_none() {
            let failed = |error| Fault::Over(format!("no process could be started for it: {error}"));
            self.namer = Some(Namer::start().map_err(failed)?);
        }
        let asked = self.namer.as_mut().map(|namer| namer.ask(question, &self.patience));
        asked.unwrap_or(Ok(None)).inspect_err(|_| {
            self.failures += 1;
            self.namer = None;
        })
    }
}

/// A namer that runs; it is killed when this is dropped.
struct Namer {
    process: Child,
    questions: ChildStdin,
    answers: ChildStdout,
}

impl Namer {
    fn start() -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Ctrl-C is for the harness.
        command.process_group(0);
        // SAFETY: between fork and exec only one system call is made.
        unsafe {
            // It ends with the thread that has started it, whatever it is doing.
            command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?));
        }
        let mut process = command.spawn()?;
        match (process.stdin.take(), process.stdout.take()) {
            (Some(questions), Some(answers)) => Ok(Namer { process, questions, answers }),
            _ => Err(io::Error::other("it has no pipes")),
        }
    }

    fn ask(&mut self, question: &Question, patience: &Patience) -> Result<Stacks, Fault> {
        let failed = |error: &dyn std::error::Error| Fault::Module(error.to_string());
        let mut line = serde_json::to_vec(question).map_err(|error| failed(&error))?;
        line.push(b'\n');
        let asked = Instant::now();
        self.questions.write_all(&line).map_err(|_| self.ended())?;
        let mut answer = Vec::new();
        while answer.last() != Some(&b'\n') {
            patience.wait(asked.elapsed())?;
            if answer.len() > ANSWER {
                return Err(Fault::Module("there is no end of its names".into()));
            }
            if self.is_ready().map_err(|error| failed(&error))? {
                let mut part = [0; 16 << 10];
                match self.answers.read(&mut part) {
                    Ok(0) => return Err(self.ended()),
                    Ok(length) => answer.extend_from_slice(&part[..length]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(failed(&error)),
                }
            }
        }
        serde_json::from_slice(&answer).map_err(|error| failed(&error))
    }

    /// Whether there is something to read, or the end of it.
    fn is_ready(&self) -> io::Result<bool> {
        let timeout = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
        match poll(&mut [PollFd::new(self.answers.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(ready) => Ok(ready > 0),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// How it ended, which it has.
    fn ended(&mut self) -> Fault {
        Fault::Module(match self.process.wait() {
            Ok(status) => format!("the process that read it ended with {status}"),
            Err(error) => format!("the process that read it ended: {error}"),
        })
    }
}

impl Drop for Namer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::super::code::Maps;
    use super::*;

    #[test]
    fn code_of_a_process_that_is_gone_keeps_its_place() {
        let address = 0x55d0_a002_1010;
        let maps = Maps::parse(1, b"55d0a0021000-55d0a0085000 r-xp 00021000 08:01 42 /usr/sbin/apache2\n");
        let mut names = Names::new(Patience::new(Interrupt::default()));
        // What is started is this test, which is no namer.
        let (frames, _) = names.name(u32::MAX >> 2, &[address], &[maps.code(address)]);
        assert_eq!(
            (frames[0].module.as_str(), frames[0].offset, &frames[0].function),
            ("/usr/sbin/apache2", 0x21010, &None)
        );
    }

    #[test]
    fn patience_ends_with_the_run() {
        let patience = Patience::new(Interrupt::default());
        let soon = Duration::from_secs(1);
        assert!(patience.wait(soon).is_ok() && matches!(patience.wait(2 * MOST), Err(Fault::Module(_))));
        patience.end();
        assert!(patience.wait(soon).is_ok(), "what is left is still read");
        let long_ago = Instant::now().checked_sub(2 * AT_END).expect("a clock that began before");
        let ended = Patience { ended: Arc::new(OnceLock::from(long_ago)), ..patience };
        assert!(matches!(ended.wait(Duration::ZERO), Err(Fault::Over(_))));
    }
}
