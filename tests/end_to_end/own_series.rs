//! `[metric.NAME]`: series of the user's own, of a server whose log says what is true.

use crate::common::Bench;

/// A harness file with these metrics; each request writes a line to the log.
fn harness(metrics: &str) -> String {
    format!(
        r#"name = "own"
stop = "planned"
[target]
command = ["${{seepage}}", "demo-server", "--port", "${{port}}", "--workers", "2", "--access-log", "${{work_dir}}/log"]
workers = "children"
ready = {{ tcp = "127.0.0.1:${{port}}" }}
[workload]
base-url = ["http://127.0.0.1:${{port}}"]
rate = "200/s"
concurrency = 2
[[workload.step]]
name = "index"
path = "/"
[[phase]]
kind = "warm-up"
duration = "500ms"
[[phase]]
kind = "soak"
duration = "5s"
{metrics}
"#
    )
}

const METRICS: &str = r#"[metric.lines]
command = ["sh", "-c", "wc -l < ${work_dir}/log"]
kind = "counter"
every = "200ms"
[metric.kept]
command = ["sh", "-c", "echo kept $(wc -l < ${work_dir}/log)"]
row = "kept"
every = "200ms"
[metric.same]
command = ["sh", "-c", "echo '{\"of\": {\"pid\": '$SEEPAGE_PID'}}'"]
json = "/of/pid"
every = "200ms"
[metric.silent]
command = ["sh", "-c", "test $(wc -l < ${work_dir}/log) -lt 500 && echo 7 || { echo gone >&2; exit 3; }"]
every = "200ms"
"#;

#[test]
fn a_gauge_leaks_a_counter_is_told_and_what_stops_answering_is_open() {
    let bench = Bench::new();
    let file = bench.write("own.toml", &harness(METRICS));
    let ended = bench.run(&file, &[]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stdout.contains("own LEAKS: each request leaves "), "{}", ended.story());
    assert!(ended.stdout.contains("  - `lines`: "), "{}", ended.story());
    let verdict = ended.json("verdict.json");
    let lines = &verdict["counted"][0];
    let each = lines["per_request"].as_f64().unwrap();
    assert!(lines["name"] == "lines" && (0.9..1.1).contains(&each), "{}", ended.story());
    let finding = |name: &str| ended.finding(&format!("metric:{name}"));
    assert_eq!(finding("kept")["verdict"], "leak", "{}", ended.story());
    assert_eq!(finding("same")["verdict"], "clean", "{}", ended.story());
    assert_eq!(finding("silent")["verdict"], "inconclusive", "{}", ended.story());
    assert!(ended.stdout.contains("gone"), "why it is missing is told: {}", ended.story());
    assert!(ended.stdout.contains("`silent` was missing at"), "{}", ended.story());
    // What is missing is empty, and no zero.
    let table = ended.read("metrics.csv");
    assert!(table.starts_with("elapsed_s,metric,unit,value\n"), "{table}");
    assert!(table.lines().any(|line| line.ends_with(",silent,items,")), "{table}");
    assert!(!table.lines().any(|line| line.ends_with(",silent,items,0")), "{table}");
    assert!(ended.directory().join("charts/kept.svg").is_file());
}

#[test]
fn a_number_that_is_not_there_at_first_is_a_wrong_set_up() {
    let bench = Bench::new();
    let metric = "[metric.connected]\ncommand = [\"echo\", \"Threads_connected 3\"]\nrow = \"Threads_conected\"\n";
    let ended = bench.run(&bench.write("own.toml", &harness(metric)), &[]);
    assert_eq!(ended.code, Some(20), "{}", ended.story());
    let words = "there is no row `Threads_conected`; the nearest is `Threads_connected`";
    assert!(ended.stdout.contains(words), "{}", ended.story());
}
