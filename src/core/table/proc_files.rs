//! What `grep` and `cat` print of `/proc/PID/status`, `smaps` and `smaps_rollup` below a time, again and again.

use super::blocks::{TOP, stamp};
use super::clock;
use super::lines::Lines;
use super::records::{MOST_NAMES, Pairs, Source};
use super::sheet::End;
use super::{TableError, shown};
use std::collections::{HashMap, VecDeque};
use std::io::Read;

/// What `smaps` has of each mapping: the process has the sum.
const SUMMED: [&str; 4] = ["Rss", "Pss", "Anonymous", "Swap"];
/// These, and what `status` has, are worth a column.
const KEPT: [&str; 13] = [
    "Rss",
    "Pss",
    "Anonymous",
    "Swap",
    "Name",
    "Pid",
    "VmRSS",
    "RssAnon",
    "RssShmem",
    "VmSwap",
    "VmPTE",
    "HugetlbPages",
    "Threads",
];
/// Processes under one time.
const MOST_PROCESSES: usize = 100_000;

/// What a line says.
#[derive(Debug, PartialEq)]
enum Line<'a> {
    /// A mapping begins, at this address; a rollup is told apart.
    Mapping { from: u64, rollup: bool },
    /// A name and its value.
    Value(&'a str, &'a str),
    /// What comes below is of this process.
    Of(u32),
    /// Nothing of ours.
    Other,
}

/// The process whose file is named before what was found in it, and the rest of the line.
fn parted(text: &str) -> (Option<u32>, &str) {
    let of = || {
        let (path, rest) = text.strip_prefix("/proc/")?.split_once(':')?;
        let (pid, _) = path.split_once('/')?;
        Some((pid.parse().ok()?, rest.trim()))
    };
    of().map_or((None, text), |(pid, rest)| (Some(pid), rest))
}

/// Understands a line that has no time and no path before it.
fn line(text: &str) -> Option<Line<'_>> {
    if text == "--" || text.starts_with("grep: ") || text.starts_with("cat: ") {
        return Some(Line::Other);
    }
    if let Some(path) = text.strip_prefix("==> /proc/") {
        return path.split('/').next()?.parse().ok().map(Line::Of);
    }
    let first = text.split_whitespace().next()?;
    if let Some((from, to)) = first.split_once('-')
        && let (Ok(from), Ok(_)) = (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16))
        && from.checked_add(1).is_some()
        && text.split_whitespace().nth(1).is_some_and(|access| access.len() == 4)
    {
        return Some(Line::Mapping { from, rollup: text.ends_with("[rollup]") });
    }
    let (name, value) = text.split_once(':')?;
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_()".contains(&b));
    plain.then(|| Line::Value(name, value.trim()))
}

/// Whether a text that begins so is one of these: a time, alone or at the beginning of the line, and a value of a process.
pub(super) fn is_text(head: &[u8]) -> bool {
    let mut lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let told = |text: &[u8]| {
        let Ok(text) = std::str::from_utf8(text) else { return false };
        let (pid, rest) = parted(text);
        match line(rest) {
            Some(Line::Value(name, _)) => pid.is_some() || SUMMED.contains(&name) || KEPT.contains(&name),
            Some(Line::Mapping { .. } | Line::Of(_)) => true,
            Some(Line::Other) | None => false,
        }
    };
    let Some(mut text) = lines.next() else { return false };
    // `top -H` has a line of threads below its time, as `status` has.
    if text.starts_with(TOP) {
        return false;
    }
    if stamp(text).is_some() {
        let Some(next) = lines.next() else { return false };
        text = next;
    }
    told(clock::leading(text).map_or(text, |(_, rest)| rest))
}

/// One process at one time.
#[derive(Debug, Default)]
struct Process {
    pid: Option<u32>,
    line: u64,
    values: Vec<(String, String)>,
    /// Lines that told of it.
    lines: usize,
    /// Where its last mapping begins.
    mapping: Option<u64>,
}

impl Process {
    fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| known == name)
    }

    /// Adds a value; one of a mapping is added to that of the others.
    fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        self.lines += 1;
        if !KEPT.contains(&name) {
            return Ok(());
        }
        match self.values.iter_mut().find(|(known, _)| known == name) {
            None => {
                self.values.push((name.into(), value.into()));
                Ok(())
            }
            Some((_, sum)) if SUMMED.contains(&name) => {
                let number = |text: &str| text.strip_suffix("kB").and_then(|kib| kib.trim().parse::<u64>().ok());
                let both = number(sum).zip(number(value)).and_then(|(a, b)| a.checked_add(b));
                *sum = both.map(|kib| format!("{kib} kB")).ok_or_else(|| {
                    format!("expected `{name}` with a number of kB, found `{}`", shown(value.as_bytes()))
                })?;
                Ok(())
            }
            Some(_) => Err(whose(name)),
        }
    }
}

fn whose(name: &str) -> String {
    format!(
        "`{name}` stands twice under one time, and nothing says of which process each is: print the file's name beside it, as \
         `grep -H` does, or `Pid:` above it"
    )
}

/// The processes, one after the other.
pub(super) struct ProcFiles<R> {
    lines: Lines<R>,
    time: Option<String>,
    /// Processes under the time, and those of the times before that weren't given yet.
    open: Vec<Process>,
    done: VecDeque<(u64, Pairs)>,
    /// The place of the one that was named last.
    current: Option<usize>,
    /// How many lines told of each process under the time before.
    before: HashMap<Option<u32>, usize>,
    torn: Option<u64>,
}

impl<R: Read> ProcFiles<R> {
    pub fn new(input: R) -> Self {
        ProcFiles {
            lines: Lines::new(input),
            time: None,
            open: Vec::new(),
            done: VecDeque::new(),
            current: None,
            before: HashMap::new(),
            torn: None,
        }
    }

    /// Leaves out what was being written when the file ended: it lacks values, or a part of their sums.
    fn leave_out_torn(&mut self) {
        let before = std::mem::take(&mut self.before);
        let whole = |process: &Process| before.get(&process.pid).is_none_or(|lines| process.lines * 10 >= lines * 9);
        let count = self.open.len();
        self.open.retain(whole);
        if self.open.len() < count {
            self.torn = Some(self.lines.number());
        }
    }

    fn close(&mut self) {
        self.before = self.open.iter().map(|process| (process.pid, process.lines)).collect();
        for process in self.open.drain(..).filter(|process| !process.values.is_empty()) {
            let mut pairs = vec![("timestamp".to_owned(), self.time.clone().unwrap_or_default())];
            if let Some(pid) = process.pid.filter(|_| !process.has("Pid")) {
                pairs.push(("Pid".into(), pid.to_string()));
            }
            pairs.extend(process.values.into_iter().take(MOST_NAMES));
            self.done.push_back((process.line, pairs));
        }
        self.current = None;
    }

    /// The process with this number, or the one that is being told of.
    fn process(&mut self, pid: Option<u32>, line: u64) -> Result<&mut Process, String> {
        let place = match (pid, self.current) {
            (None, Some(current)) => Some(current),
            (pid, _) => self.open.iter().rposition(|process| process.pid == pid),
        };
        match place {
            Some(place) => {
                self.current = Some(place);
                Ok(&mut self.open[place])
            }
            None => self.begin(pid, line),
        }
    }

    /// Begins another process; without a PID, only its own lines name it.
    fn begin(&mut self, pid: Option<u32>, line: u64) -> Result<&mut Process, String> {
        if self.open.len() >= MOST_PROCESSES {
            return Err(format!("more than {MOST_PROCESSES} processes under one time"));
        }
        let place = self.open.len();
        self.current = Some(place);
        self.open.push(Process { pid, line, ..Process::default() });
        Ok(&mut self.open[place])
    }

    fn take(&mut self, text: &str, number: u64) -> Result<(), String> {
        let (pid, rest) = parted(text);
        if self.time.is_none() {
            return Err("nothing says when this was: print a time above it each time, as `date +%s` does".into());
        }
        match line(rest) {
            Some(Line::Other) => {}
            Some(Line::Of(pid)) => {
                self.current = None;
                self.process(Some(pid), number)?;
            }
            Some(Line::Mapping { from, rollup }) => {
                let process = self.process(pid, number)?;
                let again = process.mapping.is_some_and(|last| rollup || from <= last);
                if again {
                    return Err(whose(if rollup { "[rollup]" } else { "the first mapping" }));
                }
                process.mapping = Some(from);
            }
            Some(Line::Value(name, value)) => {
                let process = self.process(pid, number)?;
                let is_next = pid.is_none() && matches!(name, "Name" | "Pid") && process.has(name);
                let process = if is_next { self.begin(None, number)? } else { process };
                process.add(name, value)?;
            }
            None => {
                return Err(format!(
                    "expected a line of /proc/PID/status, smaps or smaps_rollup, or a time, found `{}`",
                    shown(text.as_bytes())
                ));
            }
        }
        Ok(())
    }
}

impl<R: Read> Source for ProcFiles<R> {
    fn record(&mut self) -> Result<Option<(u64, Pairs)>, TableError> {
        loop {
            if let Some(record) = self.done.pop_front() {
                return Ok(Some(record));
            }
            if self.torn.is_some() || !self.lines.advance()? {
                self.leave_out_torn();
                self.close();
                return Ok(self.done.pop_front());
            }
            let number = self.lines.number();
            if !self.lines.ended() {
                // What was being written when it was cut off lacks a part of its sums, too.
                self.open.clear();
                self.torn = Some(number);
                continue;
            }
            let bytes = self.lines.text().to_vec();
            if bytes.is_empty() {
                continue;
            }
            let (time, rest) = match (stamp(&bytes), clock::leading(&bytes)) {
                (Some(time), _) => (Some(time), &b""[..]),
                (None, Some((time, rest))) => (Some(time), rest),
                (None, None) => (None, &bytes[..]),
            };
            if let Some(time) = time {
                self.close();
                self.time = Some(String::from_utf8_lossy(time).into_owned());
            }
            if !rest.is_empty() {
                self.take(&String::from_utf8_lossy(rest), number).map_err(|what| TableError::at(number, what))?;
            }
        }
    }

    fn end(&self) -> End {
        self.torn.map_or(End::Whole, End::Torn)
    }
}
