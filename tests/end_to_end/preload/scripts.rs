//! Lines of scripts in the preload library's stacks: those that keep memory, with who called them, and as much as they keep.
//!
//! Needs what `scripts/setup-tests.sh` installs.

use super::checked::scripts::{Place, Places, merge, read_php, read_python};
use super::traced::Traced;
use seepage::probe::{SCRIPT_LINES, Snapshot};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

const PYTHON: &str = "\
import os, sys
kept = []
def keep(n):
    kept.append(bytearray(n))
class Kept:
    def go(self, n):
        for v in self.each(n):
            keep(v)
    def each(self, n):
        kept.append(bytearray(n))
        yield n
def churn():
    return [bytearray(3000) for _ in range(2)]
one = Kept()
for i in range(1000):
    one.go(9000)
    list(map(keep, [2000, 1000]))
    churn()
print(os.getpid(), 1, flush=True)
sys.stdin.readline()
";

const PHP: &str = r#"<?php
class Kept {
    public $items = [];
    function add($n) {
        $half = str_repeat('x', $n);
        $both =
            $half . $half;
        $this->items[] = $both;
    }
    function each($n) {
        $this->items[] = str_repeat('y', $n);
        yield $n;
    }
}
function every($kept, $n) {
    array_map(function ($v) use ($kept) {
        $kept->add($v);
    }, [$n]);
    foreach ($kept->each(2 * $n) as $v) {
        strlen(str_repeat('z', 5000));
    }
}
$kept = new Kept();
for ($i = 0; $i < 1000; $i++) {
    every($kept, 3000);
}
echo getmypid(), " 1\n";
fgets(STDIN);
"#;

/// Bytes that are live, estimated, by the lines on their stacks, innermost first; those of less than a hundredth of all are left out.
fn by_lines(snapshot: &Snapshot) -> BTreeMap<String, f64> {
    let mut found: BTreeMap<String, f64> = BTreeMap::new();
    for live in &snapshot.live {
        let stack = live.stack.map_or(&[][..], |stack| &snapshot.stacks[stack as usize].frames);
        let lines = stack.iter().filter_map(|frame| frame.checked_sub(SCRIPT_LINES));
        let named = |line: u64| snapshot.lines[line as usize].to_string().replacen("[script]: ", "", 1);
        let lines: Vec<String> = lines.map(named).collect();
        let estimate = live.bytes as f64 / (1.0 - (-(live.sampled as f64) / snapshot.mean as f64).exp());
        *found.entry(lines.join(" < ")).or_default() += estimate;
    }
    let all: f64 = found.values().sum();
    found.retain(|_, bytes| *bytes > all / 100.0);
    found
}

fn kept(program: &str, script: &str, name: &str, variables: &[(&str, &str)]) -> BTreeMap<String, f64> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(name);
    fs::write(&file, script).unwrap();
    let mut traced = Traced::start(program, &[file.to_str().unwrap()], 4 << 10, variables);
    let (pid, _) = traced.mark();
    let snapshot = traced.probe(pid).snapshot().unwrap();
    assert!(!snapshot.unknown_scripts);
    by_lines(&snapshot)
}

/// Memory that a test writes words to, at an address of its own.
struct Words(Vec<usize>);

impl Words {
    fn new(count: usize) -> Self {
        Words(vec![0; count])
    }

    fn at(&self) -> usize {
        self.0.as_ptr() as usize
    }

    fn put(&mut self, offset: usize, word: usize) {
        self.0[offset / 8] = word;
    }
}

type Read = Vec<(usize, u32, bool)>;

fn places(read: impl FnOnce(&mut Places)) -> Read {
    let mut places = Places::none();
    read(&mut places);
    places.all().iter().map(|place| (place.code, place.at, place.entered)).collect()
}

#[test]
fn pythons_frames_are_followed_while_they_hold_together() {
    let (mut state, mut current) = (Words::new(64), Words::new(4));
    let [mut inner, mut outer] = [Words::new(10), Words::new(10)];
    let codes = [Words::new(40), Words::new(40)];
    state.put(56, current.at());
    current.put(8, inner.at());
    for (frame, code, before, entered) in [(&mut inner, &codes[0], 190, 0), (&mut outer, &codes[1], 182, 1)] {
        frame.put(32, code.at());
        frame.put(56, code.at() + before);
        frame.put(64, entered << 32 | 7);
    }
    inner.put(48, outer.at());
    let bounds = (current.at(), current.at() + 32);
    let read = |bounds| places(|places| unsafe { read_python(state.at(), bounds, places) });
    let both = vec![(codes[0].at(), 3, false), (codes[1].at(), u32::MAX, true)];
    assert_eq!(read(bounds), both);
    // Nothing is followed that isn't on the thread's stack.
    assert_eq!(read((0, 0)), []);
    assert_eq!(read((bounds.1, bounds.1 + 8)), []);
    // A circle has an end, and what no frame has isn't followed.
    let mut follow = |previous: usize, code: usize| {
        outer.put(48, previous);
        outer.put(32, code);
        places(|places| unsafe { read_python(state.at(), bounds, places) })
    };
    assert_eq!(follow(inner.at(), codes[1].at()).len(), 64);
    assert_eq!(follow(12, codes[1].at()), both);
    for code in [0, 12, codes[1].at() + 1, usize::MAX & !7] {
        assert_eq!(follow(inner.at(), code), both[..1], "{code:#x}");
    }
}

#[test]
fn phps_frames_have_the_lines_of_their_operations() {
    let mut globals = Words::new(62);
    let [mut inner, mut native, mut outer] = [Words::new(10), Words::new(10), Words::new(10)];
    let [mut function, mut internal] = [Words::new(20), Words::new(20)];
    let mut operations = Words::new(12);
    let second = operations.at() + 32;
    for (number, line) in [(0, 7), (1, 8), (2, 9)] {
        operations.put(32 * number + 24, line);
    }
    globals.put(488, inner.at());
    function.put(0, 2);
    function.put(80, 3);
    function.put(88, operations.at());
    internal.put(0, 1);
    for (frame, of, operation, flags) in [
        (&mut inner, &function, operations.at(), 1 << 17),
        (&mut native, &internal, 77, 0),
        (&mut outer, &function, 99, 0),
    ] {
        frame.put(0, operation);
        frame.put(24, of.at());
        frame.put(40, flags);
    }
    inner.put(48, native.at());
    native.put(48, outer.at());
    let read = |operation| places(|places| unsafe { read_php(globals.at(), operation, places) });
    let lines = |inner| vec![(function.at(), inner, true), (function.at(), 0, false)];
    // The register is the innermost one's, and the frame's word counts where that isn't of the function.
    assert_eq!(read(second), lines(8));
    for operation in [0, second + 8, operations.at() + 96, operations.at() - 32] {
        assert_eq!(read(operation), lines(7));
    }
}

#[test]
fn the_scripts_functions_stand_behind_the_interpreters_that_execute_them() {
    let place = |at, entered| Place { code: 1, at, entered };
    let merged = |executes: u64, places: &[Place]| {
        let (stack, depth) =
            merge(&[10, 20, 30, 40], executes, places, |place| (place.at != 5).then_some(100 + place.at as usize));
        stack[..depth].to_vec()
    };
    let places = [place(1, false), place(2, true), place(5, false), place(3, true)];
    assert_eq!(merged(0b1010, &places), [10, 20, 101, 102, 30, 40, 103]);
    // The outer one was cut off.
    assert_eq!(merged(0b0010, &places), [10, 20, 101, 102, 30, 40, 103]);
    assert_eq!(merged(0b1010, &places[..1]), [10, 20, 101, 30, 40]);
    assert_eq!(merged(0b0001, &[place(1, false); 64]).len(), 64);
}

#[test]
fn an_interpreter_of_another_version_is_told_and_not_read() {
    let source = "#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n
        const unsigned long Py_Version = 0x030c00f0; char PyCode_Type[64];
        void *PyGILState_GetThisThreadState(void) { abort(); }
        void *_PyThreadState_UncheckedGet(void) { abort(); }
        void *PyThreadState_GetInterpreter(void *state) { abort(); }
        void *_PyEval_EvalFrameDefault(void) { return malloc(100000); }
        int main(void) {
            for (int n = 0; n < 100; n++) if (!_PyEval_EvalFrameDefault()) return 1;
            printf(\"%d 1\\n\", getpid()); fflush(stdout); getchar();
        }";
    let directory = tempfile::tempdir().unwrap();
    let (file, program) = (directory.path().join("other.c"), directory.path().join("other"));
    fs::write(&file, source).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-w", "-rdynamic", "-fno-optimize-sibling-calls"]).arg(&file).arg("-o").arg(&program);
    assert!(compiler.status().unwrap().success());
    let mut traced = Traced::start(&program, &[], 4 << 10, &[]);
    let (pid, _) = traced.mark();
    let snapshot = traced.probe(pid).snapshot().unwrap();
    assert!(snapshot.unknown_scripts && snapshot.lines.is_empty(), "{snapshot:#?}");
}

fn is_near(bytes: f64, expected: f64) -> bool {
    (0.7 * expected..1.3 * expected).contains(&bytes)
}

#[test]
fn lines_of_python() {
    let found = kept("/usr/bin/python3.11", PYTHON, "kept.py", &[("PYTHONMALLOC", "malloc")]);
    let near = |lines: &str, expected: f64| is_near(found.get(lines).copied().unwrap_or(0.0), expected);
    assert!(near("keep (kept.py:4) < Kept.go (kept.py:8) < <module> (kept.py:16)", 9e6), "{found:#?}");
    assert!(near("Kept.each (kept.py:10) < Kept.go (kept.py:7) < <module> (kept.py:16)", 9e6), "{found:#?}");
    assert!(near("keep (kept.py:4) < <module> (kept.py:17)", 3e6), "{found:#?}");
    assert!(!found.keys().any(|lines| lines.contains("churn")), "{found:#?}");
}

#[test]
fn lines_of_php() {
    let found = kept("/usr/bin/php8.2", PHP, "kept.php", &[("USE_ZEND_ALLOC", "0")]);
    let near = |lines: &str, expected: f64| is_near(found.get(lines).copied().unwrap_or(0.0), expected);
    let every = "every (kept.php:16) < (main) (kept.php:25)";
    let add = format!("{{closure}} (kept.php:17) < {every}");
    // What joins strings notes its operation in no other place than the interpreter's register.
    assert!(near(&format!("Kept::add (kept.php:7) < {add}"), 6e6), "{found:#?}");
    let each = "Kept::each (kept.php:11) < every (kept.php:19) < (main) (kept.php:25)";
    assert!(near(each, 6e6), "{found:#?}");
}
