//! Names of code that a runtime makes while it runs, from the file in which it tells them: a perf map, `/tmp/perf-PID.map`.
//!
//! Each line has where code begins, how long it is, and what it is called; later lines come as code is made. Whoever runs in the target may
//! write there what it likes: what can't be understood is passed over, and an address that two functions claim has no name.

use super::naming::{GENERATED, SCRIPT};
use crate::model::Frame;
use std::collections::BTreeMap;

/// Pieces of code that are kept; those that come later have no name.
const MOST: usize = 1 << 18;

/// The most characters of a name.
const LONGEST: usize = 300;

/// How V8 begins what it says of a function, before a mark that tells how the function was compiled.
const V8: [&str; 4] = ["JS:", "LazyCompile:", "Function:", "Eval:"];
const V8_MARKS: [char; 5] = ['~', '^', '+', '*', '\''];

/// How CPython begins a function's name.
const PYTHON: &str = "py::";

/// What a runtime has said of the code that it made.
#[derive(Debug, Default)]
pub struct PerfMap {
    /// By their first address, without overlaps: the first address behind it, and its name; `None` where several claim it.
    code: BTreeMap<u64, (u64, Option<Frame>)>,
}

impl PerfMap {
    /// Takes in whole lines of such a file.
    pub fn add(&mut self, text: &[u8]) {
        for line in text.split(|&byte| byte == b'\n') {
            if let Some((start, end, frame)) = read(line) {
                self.insert(start, end, frame);
            }
        }
    }

    /// What is known of the code at an address.
    pub fn at(&self, address: u64) -> Option<Frame> {
        let (_, (end, frame)) = self.code.range(..=address).next_back()?;
        let frame = frame.clone().filter(|_| address < *end)?;
        // A function of a script is one, wherever its code lies.
        let offset = if frame.module == SCRIPT { 0 } else { address };
        Some(Frame { offset, ..frame })
    }

    fn insert(&mut self, mut start: u64, mut end: u64, frame: Frame) {
        let mut frame = Some(frame);
        while let Some((&from, (to, other))) = self.code.range(..end).next_back()
            && *to > start
        {
            // When one took the place of the other isn't told, and so neither is whose a fault was.
            if *other != frame {
                frame = None;
            }
            (start, end) = (start.min(from), end.max(*to));
            self.code.remove(&from);
        }
        if self.code.len() < MOST {
            self.code.insert(start, (end, frame));
        }
    }
}

/// A line: where code begins and ends, and what it is.
fn read(line: &[u8]) -> Option<(u64, u64, Frame)> {
    let line = std::str::from_utf8(line).ok()?;
    let (start, rest) = line.split_once(' ')?;
    let (length, name) = rest.split_once(' ')?;
    let number = |text: &str| u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok();
    let (start, length) = (number(start)?, number(length)?);
    let end = start.checked_add(length).filter(|end| *end > start)?;
    let named = !name.is_empty() && name.chars().count() <= LONGEST && !name.contains(char::is_control);
    named.then(|| (start, end, frame(name)))
}

/// What a runtime's name for code says.
fn frame(name: &str) -> Frame {
    let script = |function: &str, file: &str, line| Frame {
        module: SCRIPT.into(),
        function: Some(if function.is_empty() { "(anonymous)" } else { function }.into()),
        file: Some(file.to_owned()).filter(|file| !file.is_empty()),
        line,
        ..Frame::default()
    };
    if let Some(function) = V8.iter().find_map(|begin| name.strip_prefix(begin)) {
        return v8(function.strip_prefix(V8_MARKS).unwrap_or(function), script);
    }
    if let Some((function, file)) = name.strip_prefix(PYTHON).and_then(|name| name.split_once(':')) {
        return script(function, file, None);
    }
    // Java and .NET have a function's parameters in its name; parts of the runtime itself are numbered in parentheses.
    if name.contains("::") || name.ends_with(')') && !name.contains(" (") {
        return script(name, "", None);
    }
    Frame { module: GENERATED.into(), function: Some(name.into()), ..Frame::default() }
}

/// A function of JavaScript, as in `keep /srv/worker.js:2:14`: the line is where it begins.
fn v8(text: &str, script: impl Fn(&str, &str, Option<u32>) -> Frame) -> Frame {
    let place = || {
        let (rest, column) = text.rsplit_once(':')?;
        let (rest, line) = rest.rsplit_once(':')?;
        column.parse::<u32>().ok()?;
        // Names such as `get size` have a space, and so have paths.
        let path = ["/", "file:", "node:"].iter().filter_map(|begin| rest.find(&format!(" {begin}"))).min();
        let (function, file) = rest.split_at(path.or_else(|| rest.find(' '))?);
        Some((function, file[1..].strip_prefix("file://").unwrap_or(&file[1..]), line.parse().ok()?))
    };
    match place() {
        Some((function, file, line)) => script(function, file, Some(line)),
        None => script(text, "", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(text: &str, address: u64) -> Option<String> {
        let mut map = PerfMap::default();
        map.add(text.as_bytes());
        map.at(address).map(|frame| frame.to_string())
    }

    #[test]
    fn what_runtimes_write_is_understood() {
        for (name, expected) in [
            ("JS:~keep /srv/worker.js:2:14", "[script]: keep (worker.js:2)"),
            ("JS:^keep file:///srv/of worker/k.mjs:2:14", "[script]: keep (k.mjs:2)"),
            ("LazyCompile:*get size /srv/of worker/k.js:12:3", "[script]: get size (k.js:12)"),
            ("JS:~ /srv/worker.js:7:13", "[script]: (anonymous) (worker.js:7)"),
            ("JS:*processTicks node:internal/process/task_queues:67:35", "[script]: processTicks (task_queues:67)"),
            ("Eval:~ evalmachine:1:1", "[script]: (anonymous) (evalmachine:1)"),
            ("JS:~emit", "[script]: emit"),
            ("py::Kept.add:/srv/kept.py", "[script]: Kept.add (kept.py)"),
            ("void K.keep(int)", "[script]: void K.keep(int)"),
            ("Lcom/example/K;::keep", "[script]: Lcom/example/K;::keep"),
            ("void [app] K::Keep(int32)[Tier0]", "[script]: void [app] K::Keep(int32)[Tier0]"),
            ("StubRoutines (1)", "[generated]: StubRoutines (1)"),
            ("Interpreter", "[generated]: Interpreter"),
            ("BytecodeHandler:Call0", "[generated]: BytecodeHandler:Call0"),
        ] {
            for line in [format!("7fe145fe91c0 378 {name}\n"), format!("0x00007fe145fe91c0 0x0000000000000378 {name}")]
            {
                assert_eq!(told(&line, 0x7fe1_45fe_91c0).as_deref(), Some(expected));
                assert_eq!(told(&line, 0x7fe1_45fe_9537).as_deref(), Some(expected));
                assert_eq!(told(&line, 0x7fe1_45fe_9538).or(told(&line, 0x7fe1_45fe_91bf)), None);
            }
        }
        for line in
            ["", "10", "10 10", "10 10 ", "10 0 f", "x 10 f", "ffffffffffffffff 1 f", "10 10 a\u{1b}[2J", "-1 10 f"]
        {
            assert_eq!(told(line, 0x10), None, "{line}");
        }
    }

    #[test]
    fn a_function_that_was_compiled_again_keeps_its_name() {
        let again = "100 40 JS:~keep /k.js:2:1\n120 40 JS:*keep /k.js:2:1\n";
        assert_eq!(told(again, 0x130).as_deref(), Some("[script]: keep (k.js:2)"));
    }

    proptest! {
        /// The slow way: who claims an address, directly or over others that share an address with them.
        #[test]
        fn an_address_has_a_name_if_all_that_claim_it_agree(
            pieces in prop::collection::vec((0..60u64, 1..12u64, 0..3u8), 0..14)
        ) {
            let name = |which: u8| format!("py::f{which}:/k.py");
            let line = |(start, length, which): &(u64, u64, u8)| format!("{start:x} {length:x} {}\n", name(*which));
            let mut map = PerfMap::default();
            for piece in &pieces {
                map.add(line(piece).as_bytes());
            }
            for address in 0..80 {
                let claims = pieces.iter().filter(|(start, length, _)| (*start..start + length).contains(&address));
                let claims: Vec<u8> = claims.map(|(.., which)| *which).collect();
                match map.at(address) {
                    Some(frame) => {
                        prop_assert!(!claims.is_empty() && claims.iter().all(|which| frame == super::frame(&name(*which))));
                    }
                    None => prop_assert!(claims.is_empty() || pieces.iter().any(|piece| piece.2 != claims[0])),
                }
            }
        }

        #[test]
        fn any_bytes_are_taken_in(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4), address: u64) {
            let mut map = PerfMap::default();
            for part in parts {
                map.add(&part);
            }
            let _ = map.at(address);
        }
    }
}
