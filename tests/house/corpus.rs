//! The entry points of fuzzing on stable: the seeds, and mutations of them that are the same at each run.

#[path = "../../fuzz/src/lib.rs"]
mod entries;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

/// Pieces that mean something to one parser or another.
const PIECES: [&[u8]; 20] = [
    b"\0",
    b"\n",
    b"\r\n\r\n",
    b" ",
    b")",
    b"(",
    b"\x1b[31m",
    b"\xc2\x9b",
    b"\xff\xfe",
    b"\"",
    b"{}",
    b"[]",
    b"null",
    b"-1",
    b"0",
    b"1e308",
    b"18446744073709551615",
    b"99999999999999999999",
    b"<script>alert(0)</script>",
    b"=== events.jsonl\n",
];

fn mutate(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    for _ in 0..rng.random_range(1..=4) {
        let start = rng.random_range(0..=bytes.len());
        let end = (start + rng.random_range(0..12)).min(bytes.len());
        let piece = PIECES[rng.random_range(0..PIECES.len())];
        match rng.random_range(0..9) {
            0 => bytes.truncate(start),
            1 => drop(bytes.drain(start..end)),
            2 => drop(bytes.splice(start..start, piece.iter().copied())),
            3 => drop(bytes.splice(start..end, piece.iter().copied())),
            4 => bytes.extend_from_within(start..end),
            5..8 => replace_number(bytes, start, rng),
            _ => bytes[start..end].iter_mut().for_each(|byte| *byte ^= 1 << rng.random_range(0..8)),
        }
    }
}

/// Puts another number in place of the first one after `start`: what a parser lets through, and what comes after it has
/// to stand.
fn replace_number(bytes: &mut Vec<u8>, start: usize, rng: &mut ChaCha8Rng) {
    let Some(first) = bytes[start..].iter().position(u8::is_ascii_digit).map(|at| start + at) else { return };
    let length = bytes[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number: &[u8] = match rng.random_range(0..5) {
        0 => b"0",
        1 => b"18446744073709551615",
        2 => b"9007199254740993",
        3 => b"4294967295",
        _ => b"1",
    };
    bytes.splice(first..first + length, number.iter().copied());
}

/// The seeds of `folders`, by name.
fn seeds(folders: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap().flatten());
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Runs an entry point over its seeds and `mutations` of each.
fn run(folders: &[&str], mutations: usize, entry: fn(&[u8])) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for seed in seeds(folders) {
        entry(&seed);
        for _ in 0..mutations {
            let mut bytes = seed.clone();
            mutate(&mut bytes, &mut rng);
            if std::panic::catch_unwind(|| entry(&bytes)).is_err() {
                panic!("this input broke it: {:?}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}

#[test]
fn proc_stat() {
    run(&["fuzz/corpus/proc_stat"], 2000, entries::proc_stat);
}

#[test]
fn proc_status() {
    run(&["fuzz/corpus/proc_status"], 2000, entries::proc_status);
}

#[test]
fn smaps() {
    run(&["fuzz/corpus/smaps"], 500, entries::smaps);
}

#[test]
fn fault_records() {
    run(&["fuzz/corpus/fault_records"], 2000, entries::fault_records);
}

#[test]
fn java_counters() {
    run(&["fuzz/corpus/java_counters"], 2000, entries::java_counters);
}

#[test]
fn perf_map() {
    run(&["fuzz/corpus/perf_map"], 2000, entries::perf_map);
}

#[test]
fn script_place() {
    run(&["fuzz/corpus/script_place"], 2000, entries::script_place);
}

#[test]
fn socket_table() {
    run(&["fuzz/corpus/socket_table"], 2000, entries::socket_table);
}

#[test]
fn status_page() {
    run(&["fuzz/corpus/status_page"], 1000, entries::status_page);
}

#[test]
fn metric_value() {
    run(&["fuzz/corpus/metric_value"], 1000, entries::metric_value);
}

#[test]
fn access_log() {
    run(&["fuzz/corpus/access_log"], 2000, entries::access_log);
}

#[test]
fn http_answer() {
    run(&["fuzz/corpus/http_answer"], 2000, entries::http_answer);
}

#[test]
fn harness_file() {
    run(&["fuzz/corpus/harness_file", "harness-configs"], 200, entries::harness_file);
}

#[test]
fn fleet() {
    run(&["fuzz/corpus/fleet"], 500, entries::fleet);
}

#[test]
fn baseline() {
    run(&["fuzz/corpus/baseline"], 500, entries::baseline);
}

#[test]
fn history() {
    run(&["fuzz/corpus/history"], 500, entries::history);
}

#[test]
fn table() {
    run(&["fuzz/corpus/table"], 500, entries::table);
}

#[test]
fn run_directory() {
    run(&["fuzz/corpus/run_directory"], 150, entries::run_directory);
}
