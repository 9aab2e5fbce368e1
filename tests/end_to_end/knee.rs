//! `knee` on servers whose number of slots is known: one that refuses, one that has requests wait, one that leaks, one without a knee.
//!
//! Needs what `scripts/setup-tests.sh` installs.

use crate::common::{Bench, Ended, processes};
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A harness file of a server with these arguments after its port.
fn slots(bench: &Bench, arguments: &[&str]) -> PathBuf {
    let server = root().join("tests/end_to_end/slots.py");
    let more: String = arguments.iter().map(|argument| format!(", \"{argument}\"")).collect();
    let text = format!(
        r#"name = "slots"
[target]
command = ["python3", "{}", "${{port}}"{more}]
workers = "self"
ready = {{ http = "http://127.0.0.1:${{port}}/" }}
[workload]
base-url = ["http://127.0.0.1:${{port}}"]
concurrency = 1
[[workload.step]]
name = "get"
path = "/"
[[phase]]
kind = "warm-up"
duration = "500ms"
[[phase]]
kind = "soak"
duration = "1h"
"#,
        server.display()
    );
    bench.write("slots.toml", &text)
}

fn knee(bench: &Bench, file: &Path, arguments: &[&str]) -> Ended {
    let mut command = bench.seepage();
    command.arg("knee").arg(file).arg("--reports").arg(bench.reports()).arg("--quiet").args(arguments);
    if !arguments.contains(&"--for") {
        command.args(["--for", "4s"]);
    }
    bench.ended(command.output().unwrap())
}

#[test]
fn a_server_that_refuses_has_its_knee_where_errors_begin() {
    let bench = Bench::new();
    let ended = knee(&bench, &slots(&bench, &["6", "0.04", "refuses"]), &["--to", "32", "--at-least", "7"]);
    let found = ended.json("knee.json");
    let told = &found["knee"];
    assert_eq!((&told["at"], &told["bad"], &told["by"]), (&6.into(), &7.into(), &"errors".into()), "{}", ended.story());
    assert!((0.8..1.1).contains(&(told["goodput"].as_f64().unwrap() / 150.0)), "{}", ended.story());
    // Seven were asked for.
    assert_eq!(ended.code, Some(22), "{}", ended.story());
    assert!(ended.stdout.contains("from 7 on") && ended.stdout.contains("(503)"), "{}", ended.story());
    for file in ["report.html", "report.md", "charts/knee.svg", "charts/knee.png", "load-0006/verdict.json"] {
        assert!(ended.run.as_ref().unwrap().join(file).is_file(), "{file}: {}", ended.story());
    }
    assert!(processes(&bench.path().to_string_lossy()).is_empty(), "something was left: {}", ended.story());
}

#[test]
fn a_server_that_has_requests_wait_has_its_knee_where_goodput_stops() {
    let bench = Bench::new();
    let ended = knee(&bench, &slots(&bench, &["5", "0.05", "waits"]), &["--to", "32"]);
    let told = ended.json("knee.json")["knee"].clone();
    let at = told["at"].as_u64().unwrap_or_default();
    assert!((4..=6).contains(&at) && told["by"] == "goodput", "{}", ended.story());
    assert_eq!(ended.code, Some(0), "{}", ended.story());
}

#[test]
fn where_there_is_no_knee_none_is_told() {
    let bench = Bench::new();
    let ended = knee(&bench, &slots(&bench, &["100", "0.03", "waits"]), &["--to", "16", "--at-least", "16"]);
    assert_eq!(ended.json("knee.json")["answer"], "none", "{}", ended.story());
    assert!(ended.stdout.contains("NO KNEE up to 16"), "{}", ended.story());
    assert_eq!(ended.code, Some(0), "{}", ended.story());
}

#[test]
fn from_how_many_on_it_leaks_is_told_without_a_knee() {
    let bench = Bench::new();
    let ended = knee(&bench, &slots(&bench, &["100", "0.03", "waits", "3"]), &["--to", "8"]);
    let found = ended.json("knee.json");
    assert_eq!((&found["leaks"]["load"], &found["leaks"]["below"]), (&3.into(), &2.into()), "{}", ended.story());
    assert_eq!((ended.code, &found["answer"]), (Some(10), &"none".into()), "{}", ended.story());
    assert!(ended.stdout.contains("LEAKS from 3 requests in flight on: descriptors"), "{}", ended.story());
}

#[test]
fn a_balancer_that_gives_requests_up_is_named_with_its_limit_whatever_that_is() {
    let bench = Bench::new();
    for slots in ["4", "7"] {
        let file = root().join("harness-configs/stories/balancer.toml");
        let ended = knee(&bench, &file, &["--to", "16", "--env", &format!("SLOTS={slots}")]);
        let slots: u64 = slots.parse().unwrap();
        let told = ended.json("knee.json")["knee"].clone();
        assert!(told["at"].as_u64().is_some_and(|at| at.abs_diff(slots) <= 1), "{slots}: {}", ended.story());
        assert!(ended.stdout.contains("of requests fail (503)"), "{}", ended.story());
        assert_eq!(ended.code, Some(0), "{}", ended.story());
        std::fs::remove_dir_all(bench.reports()).unwrap();
    }
    // Where the limit is out of reach there is none.
    let file = root().join("harness-configs/stories/balancer.toml");
    let ended = knee(&bench, &file, &["--to", "8", "--env", "SLOTS=100"]);
    assert_eq!(ended.json("knee.json")["answer"], "none", "{}", ended.story());
}

#[test]
fn connections_that_leak_above_a_threshold_are_told_with_it() {
    let bench = Bench::new();
    let file = root().join("harness-configs/mariadb.toml");
    let ended = knee(&bench, &file, &["--to", "8", "--for", "15s", "--variable", "CONCURRENCY"]);
    let found = ended.json("knee.json");
    assert_eq!((&found["leaks"]["load"], &found["leaks"]["below"]), (&5.into(), &4.into()), "{}", ended.story());
    assert_eq!(ended.code, Some(10), "{}", ended.story());
}

#[test]
fn what_is_missing_is_told_before_anything_is_launched() {
    let bench = Bench::new();
    let by_command = root().join("harness-configs/mariadb.toml");
    let driven = slots(&bench, &["5", "0.05", "waits"]);
    let undriven = bench.write(
        "undriven.toml",
        "name = \"a\"\n[target]\ncommand = [\"sleep\", \"60\"]\n[[phase]]\nkind = \"soak\"\nduration = \"10s\"\n",
    );
    for (file, arguments, code, said) in [
        (&by_command, &[][..], 20, "--variable CONCURRENCY"),
        (&driven, &["--variable", "CONCURRENCY"], 20, "--variable is for a workload that is a command"),
        (&undriven, &[], 20, "no [workload]"),
        (&driven, &["--to", "8", "--at-least", "9"], 2, "--to 9"),
        (&driven, &["--for", "1s"], 2, "4s at least"),
    ] {
        let ended = knee(&bench, file, arguments);
        assert_eq!(ended.code, Some(code), "{}", ended.story());
        assert!(ended.stderr.contains(said), "{said}: {}", ended.story());
    }
}

#[test]
fn a_deadline_in_the_middle_tells_what_was_measured() {
    let bench = Bench::new();
    let ended = knee(&bench, &slots(&bench, &["100", "0.03", "waits"]), &["--deadline", "18s"]);
    let found = ended.json("knee.json");
    assert_eq!((ended.code, &found["answer"]), (Some(11), &"unclear".into()), "{}", ended.story());
    assert!(found["loads"].as_array().is_some_and(|loads| !loads.is_empty()), "{}", ended.story());
    assert!(ended.stdout.contains("stopped by --deadline"), "{}", ended.story());
}
