//! No secret of a harness file or of the environment is stored or shown.

use crate::common::Bench;
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
workers = "children"
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

/// A harness file with a part that fails, and says so with what it was given.
fn failing(part: &str) -> String {
    let of = |name: &str, otherwise: &str| part.strip_prefix(name).unwrap_or(otherwise).to_owned();
    format!(
        r#"
name = "failing"
[target]
command = {}
prepare = [{}]
ready = {{ {}, timeout = "200ms" }}
env = {{ DB_PASS = "s3cr3t-db", ID = "s3cr3t1d4f6a7b8c9d0e1f2" }}
workers = "self"
stop = {{ grace = "100ms" }}
[requests]
{}
[settle]
collect = {{ {} }}
[workload]
{}
[[phase]]
kind = "settle"
duration = "10ms"
[[phase]]
kind = "soak"
duration = "500ms"
"#,
        of("command ", r#"["sleep", "60"]"#),
        of("prepare ", r#"["true"]"#),
        of("ready ", r#"delay = "1ms""#),
        of("requests ", ""),
        of("collect ", r#"command = ["true"]"#),
        of("workload ", r#"command = ["true"]"#),
    )
}

/// Secrets that reach error texts: resolved variables, passwords in URLs, tokens, what the target's environment holds.
const FAILING: [&str; 16] = [
    r#"command ["/nowhere/${env:KEY}", "--pwd", "s3cr3t-1"]"#,
    r#"command ["sh", "-c", "echo died of $DB_PASS and '${env:KEY}'; exit 3"]"#,
    r#"command ["sh", "-c", "echo died of $ID >&2; exit 3"]"#,
    r#"prepare ["sh", "-c", "echo \"${env:KEY}\"; exit 3", "--pwd", "s3cr3t-1"]"#,
    r#"prepare ["sh", "-c", "echo 'password: s3cr3t-1'; echo PGPASS=s3cr3t-2; exit 3"]"#,
    r#"prepare ["/nowhere/${env:KEY}"]"#,
    r#"ready http = "http://joe:s3cr3t-1@127.0.0.1:1/?sig=s3cr3t-2&x=${env:KEY}""#,
    r#"ready tcp = "${env:KEY}:1""#,
    r#"ready command = ["/nowhere/${env:KEY}"]"#,
    r#"ready tcp = "joe:s3cr3t-1@127.0.0.1:1""#,
    r#"prepare ["sh", "-c", "echo \"$0\"; exit 3", "mysql -ps3cr3t-1 and PAT=s3cr3t-2, redis-cli -a s3cr3t-3"]"#,
    r#"prepare ["mysql", "-ps3cr3t-1", "--otp", "s3cr3t-2"]"#,
    r#"requests page.url = "http://joe:s3cr3t-1@127.0.0.1:1/?jwt=s3cr3t-2&x=${env:KEY}"
page.pattern = '(?P<pid>\d+) (?P<count>\d+)'"#,
    r#"collect url = "http://joe:s3cr3t-1@127.0.0.1:1/?sid=s3cr3t-2&x=${env:KEY}""#,
    r#"collect command = ["sh", "-c", "echo \"${env:KEY}\"; exit 3", "-u", "joe:s3cr3t-1"]"#,
    r#"workload command = ["sh", "-c", "echo \"auth=s3cr3t-1 ${env:KEY} customer-4711\"; exit 3"]"#,
];

/// What a command prints is its own, and stays as it is in these files.
const OWN: [&str; 3] = ["prepare.log", "target.stdout", "target.stderr"];

#[test]
fn a_rule_of_the_users_that_is_none_is_not_repeated() {
    let bench = Bench::new();
    let file = bench.write("secrets.toml", HARNESS);
    for (rule, why) in [
        ("S3cr(tPW", "unclosed group"),
        ("-S3cr(tPW", "unclosed group"),
        ("", "an empty text"),
        ("x*", "an empty text"),
    ] {
        let file = file.to_str().unwrap();
        for arguments in [["--redact", rule, "check", file], ["check", file, "--redact", rule]] {
            let ended = bench.ended(bench.seepage().args(arguments).output().unwrap());
            let told = ended.story();
            assert!(ended.code == Some(2) && ended.stderr.contains(why) && !told.contains("S3cr"), "{told}");
        }
    }
}

#[test]
fn no_secret_leaves_through_the_workload_or_from_our_own_environment() {
    let bench = Bench::new();
    let text = failing(
        r#"workload command = ["sh", "-c", "echo \"as $WL_DB_PASSWORD with $DB_PASS and $(cat pw)\" >&2; exit 3"]"#,
    );
    bench.write("pw", "zq8-pw-plain-961");
    let mut command = bench.seepage();
    command.arg("run").arg(bench.write("failing.toml", &text)).arg("--reports").arg(bench.reports());
    let ended = bench.ended(command.env("WL_DB_PASSWORD", "zq8-pw-plain-961").output().unwrap());
    let told = ended.story();
    assert!(told.contains("as  with [redacted] and ${env:WL_DB_PASSWORD}"), "it has the target's environment: {told}");
    for path in files_below(ended.directory()) {
        assert!(!String::from_utf8_lossy(&fs::read(&path).unwrap()).contains("zq8-pw"), "{}", path.display());
    }
}

#[test]
fn no_error_text_tells_a_secret() {
    std::thread::scope(|scope| {
        for parts in FAILING.chunks(4) {
            scope.spawn(|| parts.iter().for_each(|part| tells_no_secret(part)));
        }
    });
}

fn tells_no_secret(part: &str) {
    let bench = Bench::new();
    let file = bench.write("failing.toml", &failing(part));
    let mut command = bench.seepage();
    command.arg("run").arg(file).arg("--reports").arg(bench.reports()).args(["--redact", "customer-[0-9]+"]);
    command.env("KEY", "s3cr3t-k&e<y%1");
    let ended = bench.ended(command.output().unwrap());
    let told = ended.story();
    assert!(ended.code.is_some_and(|code| code != 0), "{part}: {told}");
    assert!(told.contains("[redacted]") || told.contains("${env:KEY}"), "{part}: {told}");
    for secret in ["s3cr3t", "customer-4711"] {
        assert!(!told.contains(secret), "{part}: {told}");
        let paths = ended.run.iter().flat_map(|run| files_below(run));
        for path in paths.filter(|path| !OWN.iter().any(|own| path.ends_with(own))) {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains(secret), "{part}: {}", path.display());
        }
    }
}
