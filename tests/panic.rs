//! A harness that panics, or aborts, leaves nothing of what it launched.
//!
//! The test is a program of its own (`harness = false`): it plays the harness that fails, and the guard, which is
//! started from the very program that launches.

use seepage::supervise::{GUARD_ARGUMENT, Guard, LaunchRequest, Launched, run_guard};
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FAILING: &str = "play-a-harness-that-fails";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(GUARD_ARGUMENT) => run_guard().unwrap(),
        Some(FAILING) => fail(&arguments[2], &arguments[3]),
        // What cargo-nextest asks a test program for: its tests, and then the ignored ones, of which there are none.
        Some("--list") if arguments.iter().any(|argument| argument == "--ignored") => {}
        Some("--list") => println!("a_harness_that_fails_leaves_nothing: test"),
        _ => {
            for how in ["panic", "panic-in-a-thread", "abort"] {
                nothing_outlives(how);
            }
            println!("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s");
        }
    }
}

fn fail(how: &str, marker: &str) {
    let directory = std::env::current_dir().unwrap();
    let script = format!("trap '' TERM; setsid sleep {marker} & sleep {marker} & wait");
    let request = LaunchRequest {
        command: ["sh", "-c", &script].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap())]),
        cwd: directory.clone(),
        group: None,
        data_limit: None,
    };
    let guard = Guard::start().unwrap();
    let output = std::fs::File::create(directory.join("output")).unwrap();
    let launched = Launched::start(&guard, request, [output.as_fd(); 2]).unwrap();
    wait_until("the target runs", || processes(marker) >= 3);
    println!("running");
    match how {
        "panic" => panic!("as planned"),
        "panic-in-a-thread" => {
            let failed = std::thread::spawn(move || {
                let _held = (launched, guard);
                panic!("as planned")
            });
            assert!(failed.join().is_err());
        }
        _ => std::process::abort(),
    }
}

fn nothing_outlives(how: &str) {
    let directory = tempfile::tempdir().unwrap();
    let marker = format!("8{:08}{}", std::process::id(), how.len());
    let output = Command::new(std::env::current_exe().unwrap())
        .arg0("a-harness")
        .args([FAILING, how, &marker])
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "running\n", "{output:?}");
    wait_until("all of it is gone", || processes(&marker) == 0);
}

fn processes(marker: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|e| std::fs::read(e.path().join("cmdline")).ok());
    lines.filter(|line| !line.starts_with(b"a-harness") && String::from_utf8_lossy(line).contains(marker)).count()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
