//! Pauses of the load: what a target still holds after a collection is what is judged.
//!
//! Needs python3.

use crate::common::{Bench, Ended, processes};
use std::path::Path;

/// A Python worker whose collector is off, as in `harness-configs/python-gc.toml`, but shorter.
fn run(settle: &str) -> Ended {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("harness-configs/python-gc.toml")).unwrap();
    let text = text[..text.find("[settle]").unwrap()]
        .replace("${harness_dir}/..", root.to_str().unwrap())
        .replace("requests = 12000", "requests = 6000");
    let bench = Bench::new();
    let ended = bench.run(&bench.write("python.toml", &format!("{text}{settle}")), &["--quiet"]);
    assert!(processes(&bench.path().to_string_lossy()).is_empty(), "a worker was left: {}", ended.story());
    ended
}

#[test]
fn uncollected_garbage_is_told_from_a_leak_by_collecting_it() {
    let without = run("");
    assert_ne!(without.code, Some(0), "{}", without.stdout);
    let with = run("[settle]\npauses = 30\nfor = '400ms'\ncollect = { url = 'http://127.0.0.1:${port}/gc' }\n");
    assert_eq!(with.code, Some(0), "{}", with.stdout);
    // It may end early, but never by the levels under load.
    let judged = |pauses| with.stdout.contains(&format!("levels in {pauses} pauses of the load are judged"));
    assert!((20..=30).any(judged), "{}", with.stdout);
}

#[test]
fn a_worker_without_a_handler_is_not_signalled() {
    let ended = run("[settle]\npauses = 24\nfor = '300ms'\ncollect = { signal = 'USR1' }\n");
    assert_eq!(ended.code, Some(22), "{}", ended.stdout);
    assert!(ended.stdout.contains("has no handler for SIGUSR1, which would kill it"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("first process ended"), "{}", ended.stdout);
}
