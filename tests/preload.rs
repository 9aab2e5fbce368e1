//! The preload library in real programs: what it counts is what they allocated.

use seepage::model::HeapReading;
use seepage::probe::{HeapProbe, Library, Snapshot};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The program of `tests/preload/worker.c`, built once.
fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("preload-worker");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/preload/worker.c");
        let built = Command::new("cc").args(["-O1", "-g", "-pthread", "-w"]).arg(source).arg("-o").arg(&to).status();
        assert!(built.expect("a C compiler, which scripts/setup-tests.sh installs").success());
        to
    })
}

/// A program with the library in it, at one of its marks.
struct Worker {
    child: Child,
    orders: ChildStdin,
    marks: BufReader<ChildStdout>,
    library: Library,
    _directory: TempDir,
}

impl Worker {
    fn start(mode: &str, mean: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let library = Library::install(directory.path()).unwrap();
        let mut environment = BTreeMap::new();
        library.enter(&mut environment, mean);
        let mut command = Command::new(program());
        command.arg(mode).envs(environment).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let orders = child.stdin.take().unwrap();
        let marks = BufReader::new(child.stdout.take().unwrap());
        Worker { child, orders, marks, library, _directory: directory }
    }

    /// Waits for the next mark; returns who has reached it and what it says.
    fn mark(&mut self) -> (u32, u64) {
        let mut line = String::new();
        self.marks.read_line(&mut line).unwrap();
        let (pid, value) = line.trim().split_once(' ').expect("a mark");
        (pid.parse().unwrap(), value.parse().unwrap())
    }

    fn go_on(&mut self) {
        self.orders.write_all(b"\n").unwrap();
    }

    fn probe(&self, pid: u32) -> HeapProbe {
        let process = File::open(format!("/proc/{pid}")).unwrap();
        HeapProbe::open(process, &self.library).unwrap().expect("the library in it")
    }

    fn counts(&self, pid: u32) -> HeapReading {
        self.probe(pid).counts().unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn live_bytes_are_exact_over_threads_and_all_forms_of_allocation() {
    let mut worker = Worker::start("exact", 64 << 10);
    let (pid, _) = worker.mark();
    let before = worker.counts(pid);
    worker.go_on();
    let (_, expected) = worker.mark();
    let after = worker.counts(pid);
    assert_eq!(after.live - before.live, expected);
    assert!(after.allocations - before.allocations > 24 * 150_000, "{after:?}");
    assert!(after.own > 0 && after.own < 4 << 20, "{after:?}");
}

#[test]
fn a_child_has_counts_of_its_own_beside_what_it_inherited() {
    let mut worker = Worker::start("forked", 64 << 10);
    let (parent, inherited) = worker.mark();
    let at_fork = worker.counts(parent);
    assert!(at_fork.live >= inherited);
    worker.go_on();
    let (child, allocated) = worker.mark();
    assert_ne!(child, parent);
    assert_eq!(worker.counts(child).live, at_fork.live + allocated);
    assert_eq!(worker.counts(parent).live, at_fork.live);
}

#[test]
fn mappings_of_the_program_itself_are_exact_through_every_change() {
    let mut worker = Worker::start("mapped", 1 << 10);
    let (pid, expected) = worker.mark();
    assert_eq!(worker.counts(pid).mapped, expected);
    assert_eq!(mapped_samples(&worker.probe(pid).snapshot().unwrap()), expected);
    worker.go_on();
    let (_, expected) = worker.mark();
    assert_eq!(worker.counts(pid).mapped, expected);
    assert_eq!(mapped_samples(&worker.probe(pid).snapshot().unwrap()), expected);
}

/// Bytes of sampled blocks of a size that only mappings have in that program.
fn mapped_samples(snapshot: &Snapshot) -> u64 {
    snapshot.live.iter().filter(|live| live.address % 4096 == 0).map(|live| live.bytes).sum()
}

#[test]
fn a_child_that_is_forked_amid_allocations_can_allocate() {
    let mut worker = Worker::start("forking", 4 << 10);
    assert_eq!(worker.mark().1, 0, "children that failed");
}

#[test]
fn what_is_kept_is_estimated_by_its_place_among_much_churn() {
    let mut worker = Worker::start("leaking", 16 << 10);
    let (pid, small) = worker.mark();
    let snapshot = worker.probe(pid).snapshot().unwrap();
    assert_eq!(snapshot.lost, 0);
    let mut found: BTreeMap<&[u64], (f64, f64)> = BTreeMap::new();
    for live in &snapshot.live {
        let stack = &snapshot.stacks[live.stack.expect("room for stacks") as usize];
        let (bytes, variance) = found.entry(&stack.frames).or_default();
        let probability = -(-(live.sampled as f64) / snapshot.mean as f64).exp_m1();
        *bytes += live.bytes as f64 / probability;
        *variance += (live.bytes as f64 / probability).powi(2) * (1.0 - probability);
    }
    let mut found: Vec<(f64, f64)> = found.into_values().collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near = |(bytes, variance): (f64, f64), expected: f64| (bytes - expected).abs() < 4.0 * variance.sqrt() + 1.0;
    assert!(near(found[0], 1000.0 * 8192.0) || near(found[1], 1000.0 * 8192.0), "{found:?}");
    assert!(found.iter().any(|f| near(*f, 200.0 * 40008.0)), "{found:?}");
    assert!(found.iter().any(|f| near(*f, 20_000.0 * small as f64)), "{found:?}");
    assert!(found.iter().any(|f| near(*f, 500.0 * 2008.0)), "{found:?}");
}
