//! Stories that no other test tells: what a page costs a database that it asks for each row.
//!
//! Needs what `scripts/setup-tests.sh` installs.

use crate::common::Bench;
use crate::programs::are_there;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn queries() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("harness-configs/stories/queries.toml")
}

/// What a request costs, in seconds of CPU time, and who bears it, where the page asks so.
fn cost(asks: &str) -> (f64, Vec<Value>, String) {
    let bench = Bench::new();
    let ended = bench.run(&queries(), &["--env", &format!("ASKS={asks}")]);
    let time = ended.json("verdict.json")["cpu_time"].clone();
    let processes = time["processes"].as_array().expect("CPU time was read").clone();
    (time["seconds_per_request"].as_f64().expect("requests are counted"), processes, ended.story())
}

#[test]
fn what_a_request_takes_of_the_cpu_is_told_with_who_bears_it() {
    if !are_there(&["mariadbd"]) {
        return;
    }
    let (rows, processes, story) = cost("rows");
    let of = |command: &str| processes.iter().find(|process| process["command"] == command).cloned();
    let workers = processes.iter().filter(|process| process["worker"] == true).count();
    assert_eq!((workers, of("python3").map(|p| p["worker"].clone())), (1, Some(false.into())), "{story}");
    assert!(story.contains("of CPU time") && story.contains("in the worker") && story.contains("(python3)"), "{story}");
    let (join, _, other) = cost("join");
    assert!(rows > 1.5 * join, "{rows} {join}\n{story}\n{other}");
}

#[test]
#[ignore = "four minutes"]
fn a_page_that_asks_for_each_row_is_worse_by_its_cpu_time() {
    if !are_there(&["mariadbd"]) {
        return;
    }
    let bench = Bench::new();
    let mut ab = bench.seepage();
    ab.arg("ab").arg(queries()).args(["--variant", "join", "--variant", "rows", "--pairs", "8", "--quiet"]);
    let ended = bench.ended(ab.output().unwrap());
    assert!(ended.stdout.contains("WORSE with rows than with join: CPU per request rises"), "{}", ended.story());
    assert_eq!(ended.code, Some(12), "{}", ended.story());
}
