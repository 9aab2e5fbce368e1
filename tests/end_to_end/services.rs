//! The harness files of services that others wrote, with their leak switched on: it is found, and who keeps it.
//!
//! Needs what `scripts/setup-tests.sh` installs.

use crate::common::{Bench, processes};
use std::path::{Path, PathBuf};

fn config(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("harness-configs").join(name)
}

#[test]
fn connections_that_an_application_forgets_are_found_in_mariadb() {
    let bench = Bench::new();
    let mut seepage = bench.seepage();
    seepage.arg("run").arg(config("mariadb.toml")).arg("--reports").arg(bench.reports());
    let ended = bench.ended(seepage.args(["--quiet", "--heap"]).env("CONCURRENCY", "8").output().unwrap());
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert_eq!(ended.finding("descriptors")["verdict"], "leak", "{}", ended.story());
    let sites = ended.json("verdict.json")["call_sites"]["sites"].clone();
    let grows = |site: &serde_json::Value| {
        site["state"] == "grows" && site["module"].as_str().is_some_and(|module| module.ends_with("mariadbd"))
    };
    assert!(sites.as_array().unwrap().iter().any(grows), "{sites:#}");
    assert!(processes(&bench.path().to_string_lossy()).is_empty(), "something was left: {}", ended.story());
}

#[test]
fn what_a_node_server_keeps_is_found_in_the_heap_of_its_engine() {
    let bench = Bench::new();
    let ended = bench.run(&config("node.toml"), &["--quiet", "--heap", "--env", "LEAK=1"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    let rate = |resource: &str| ended.finding(resource)["growth"]["estimate"].as_f64().unwrap();
    let (memory, heap) = (rate("memory"), rate("heap"));
    assert!((0.6..1.6).contains(&(heap / memory)), "memory {memory}, heap {heap}: {}", ended.story());
}
