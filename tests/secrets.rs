//! No secret of a harness file or of the environment is stored or shown.

mod common;

use common::Bench;
use std::fs;
use std::path::{Path, PathBuf};

const HARNESS: &str = r#"
name = "secrets"
[target]
prepare = [["true", "--password", "hidden-a", "--token=hidden-b"]]
command = [
    "env", "UNSUSPICIOUS=${env:SEEPAGE_TEST_UNSUSPICIOUS}",
    "${seepage}", "demo-server", "--port", "${port}", "--workers", "1",
]
ready = { http = "http://joe:hidden-c@127.0.0.1:${port}/status" }
[target.env]
UNSUSPICIOUS_TOO = "hidden-d"
[workload]
base-url = ["http://127.0.0.1:${port}"]
concurrency = 1
[[workload.step]]
name = "index"
path = "/?access_token=hidden-e"
[workload.step.headers]
Authorization = "Bearer hidden-f"
X-Trace = "${env:SEEPAGE_TEST_UNSUSPICIOUS}"
[[phase]]
kind = "soak"
requests = 50
"#;

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn nothing_secret_is_left_in_a_run() {
    let bench = Bench::new();
    let file = bench.write("secrets.toml", HARNESS);
    let mut command = bench.seepage();
    command.arg("run").arg(file).arg("--reports").arg(bench.reports()).args(["--env", "GIVEN=hidden-g"]);
    command.env("SEEPAGE_TEST_UNSUSPICIOUS", "hidden-h");
    let ended = bench.ended(command.output().unwrap());

    let run = ended.json("run.json");
    assert_eq!(run["target"]["command"][1], "UNSUSPICIOUS=${env:SEEPAGE_TEST_UNSUSPICIOUS}", "{}", ended.story());
    assert!(!ended.story().contains("hidden"), "{}", ended.story());
    for path in files_below(ended.directory()) {
        let content = fs::read(&path).unwrap();
        let found = content.windows(7).position(|window| window == b"hidden-");
        assert_eq!(found, None, "{}", path.display());
    }
}
