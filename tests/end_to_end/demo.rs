//! The demonstration server under every one of its faults, and the two files of the quickstart.

use crate::common::{Bench, Demo, Ended, processes};
use std::path::Path;

const STEPS: &str = r#"
[[workload.step]]
name = "upload"
weight = 8
method = "POST"
path = "/upload"
body = { random = { log-uniform = ["1 KiB", "32 KiB"] } }
abort = { share = "5%" }
[[workload.step]]
name = "big-upload"
weight = 1
method = "POST"
path = "/upload"
body = { multipart = { uniform = ["1100 KiB", "1200 KiB"] } }
[[workload.step]]
name = "index"
path = "/"
"#;

/// A short run on the demonstration server.
fn run(fault: &str, gates: &str) -> (Bench, Ended) {
    run_until("early", fault, gates)
}

/// A short run on the demonstration server whose soak ends as `stop` says.
fn run_until(stop: &str, fault: &str, gates: &str) -> (Bench, Ended) {
    let bench = Bench::new();
    let more = format!("[[phase]]\nkind = 'settle'\nduration = '500ms'\n[gates]\n{gates}");
    let demo =
        Demo { fault, workers: 3, rate: 1000, steps: STEPS, warm_up: "2s", soak: "10s", more: &more, workload: "" };
    let file = demo.write(&bench);
    let text = std::fs::read_to_string(&file).unwrap();
    let ended = bench.run(&bench.write("demo.toml", &format!("stop = \"{stop}\"\n{text}")), &["--quiet"]);
    assert!(processes(&bench.path().to_string_lossy()).is_empty(), "a server was left: {}", ended.story());
    (bench, ended)
}

fn expect(fault: &str, code: i32, leaking: Option<&str>) -> (Bench, Ended) {
    let (bench, ended) = run(fault, "");
    check(fault, &ended, code, leaking);
    (bench, ended)
}

fn check(fault: &str, ended: &Ended, code: i32, leaking: Option<&str>) {
    assert_eq!(ended.code, Some(code), "{fault}: {}", ended.story());
    for resource in ["memory", "descriptors", "threads", "tmpfs"] {
        let leaks = ended.finding(resource)["verdict"] == "leak";
        assert_eq!(leaks, leaking == Some(resource), "{fault}, {resource}: {}", ended.story());
    }
}

#[test]
fn a_leak_of_memory_is_found() {
    expect("malloc", 10, Some("memory"));
}

#[test]
fn a_leak_under_aborted_uploads_is_found() {
    expect("abort", 10, Some("memory"));
}

#[test]
fn a_leak_of_big_uploads_is_found() {
    let (_bench, ended) = run("big", "");
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    // Only one step of the workload sends uploads that are big enough, and each leaks 4 KiB.
    let steps = ended.finding("memory")["steps"].clone();
    let row = steps["rows"].as_array().unwrap().iter().find(|row| row["steps"][0] == "big-upload").unwrap().clone();
    let [lower, upper] = ["lower", "upper"].map(|key| row["growth"][key].as_f64().unwrap());
    assert!(row["grows"] == true && row["steps"].as_array().unwrap().len() == 1, "{steps:#}");
    assert!((lower..=upper).contains(&4112.0), "{lower} {upper}");
    assert!(
        ended.stdout.contains("It comes from `big-upload`: ") && ended.stdout.contains(" leave at most "),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_leak_of_descriptors_is_found() {
    // Kinds of descriptors are counted seldom: an early end may come before enough of these readings.
    let (_bench, ended) = run_until("planned", "fd", "");
    check("fd", &ended, 10, Some("descriptors"));
    let finding = ended.finding("descriptors");
    assert_eq!(finding["class"], "leak", "{finding}");
    assert_eq!(finding["parts"][0]["name"], "devices and other descriptors", "{finding}");
    assert_eq!(finding["forecast"]["limit"]["ceiling"], "open-files", "{finding}");
}

#[test]
fn a_leak_of_threads_is_found() {
    let (_bench, ended) = run("thread", "");
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert_eq!(ended.finding("threads")["verdict"], "leak", "{}", ended.story());
}

#[test]
fn no_fault_is_clean() {
    expect("none", 0, None);
}

#[test]
fn a_bounded_cache_is_clean() {
    expect("warm", 0, None);
}

#[test]
fn un_sharing_is_clean() {
    expect("cow", 0, None);
}

/// Answers of 500 look leak-free; the error rate keeps them from passing.
#[test]
fn a_workload_that_fails_is_never_clean() {
    let (_bench, ended) = run("error", "");
    assert_eq!(ended.code, Some(22), "{}", ended.story());
    assert!(ended.stdout.contains("is answered with status 500, and not with 200"), "{}", ended.story());
}

#[test]
fn a_latency_over_its_gate_is_a_failed_workload() {
    let (_bench, ended) = run("slow", "p95 = \"10ms\"");
    assert_eq!(ended.code, Some(22), "{}", ended.story());
}

#[test]
fn workers_that_crash_are_told() {
    let (_bench, ended) = run("crash", "error-rate = \"50%\"");
    assert_eq!(ended.code, Some(21), "{}", ended.story());
    assert!(ended.stdout.contains("SIGABRT"), "{}", ended.story());
}

#[test]
fn the_quickstart_finds_its_leak_and_leaves_a_whole_report() {
    let bench = Bench::new();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness-configs");
    let ended = bench.run(&configs.join("quickstart.toml"), &[]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stdout.contains(" LEAKS: each request leaves "), "{}", ended.story());
    assert!(ended.stderr.contains("soak"), "no progress: {}", ended.story());
    let growth = ended.finding("memory")["growth"]["estimate"].as_f64().unwrap();
    // 4 KiB of each upload, and four of five requests are uploads.
    assert!((3000.0..3600.0).contains(&growth), "{growth}");
    let limit = &ended.finding("memory")["forecast"]["limit"];
    let (soonest, latest) = (limit["steps"]["soonest"].as_f64().unwrap(), limit["steps"]["latest"].as_f64().unwrap());
    assert!(soonest > 0.0 && soonest <= latest, "{limit}");
    for name in ["report.html", "report.md", "junit.xml", "samples.csv", "latency.hlog", "charts/memory.svg"] {
        assert!(!ended.read(name).is_empty(), "{name}");
    }
    assert!(std::fs::read(ended.directory().join("charts/memory.png")).unwrap().starts_with(b"\x89PNG"));

    // The same verdict comes out of the directory alone.
    let again = bench.seepage().arg("analyze").arg(ended.directory()).output().unwrap();
    assert_eq!(again.status.code(), Some(10));
    let first = ended.stdout.lines().next().unwrap();
    assert_eq!(String::from_utf8_lossy(&again.stdout).lines().next().unwrap(), first);
}

#[test]
fn the_clean_quickstart_is_clean() {
    let bench = Bench::new();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness-configs");
    let ended = bench.run(&configs.join("quickstart-clean.toml"), &["--format", "json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.story());
    let printed: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(printed["verdict"], "clean");
}

#[test]
fn a_soak_that_proves_nothing_is_extended_until_it_does() {
    let bench = Bench::new();
    let demo =
        Demo { fault: "none", workers: 2, rate: 200, steps: STEPS, warm_up: "1s", soak: "1s", more: "", workload: "" };
    let file = demo.write(&bench);
    let ended = bench.run(&file, &["--quiet", "--extend", "10x"]);
    assert_eq!(ended.code, Some(0), "{}", ended.story());
    assert!(ended.stdout.contains("Nothing was proven at the planned end: the soak went on"), "{}", ended.story());
    let soaks = ended.events("phase").into_iter().filter(|phase| phase["phase"] == "soak").count();
    assert_eq!(soaks, 2, "{}", ended.story());
    let refused = bench.run(&file, &["--extend", "1x"]);
    assert_eq!(refused.code, Some(2), "{}", refused.story());
}
