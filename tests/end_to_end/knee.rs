//! `knee` on servers whose number of slots is known: one that refuses, one that has requests wait, one that leaks, one without a knee.
//!
//! Needs what `scripts/setup-tests.sh` installs.

use crate::common::{Bench, Ended, processes, signal, wait_until};
use crate::programs::are_there;
use nix::sys::signal::Signal;
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
    let ended =
        knee(&bench, &slots(&bench, &["100", "0.05", "waits"]), &["--to", "8", "--for", "8s", "--at-least", "8"]);
    assert_eq!(ended.json("knee.json")["answer"], "none", "{}", ended.story());
    assert!(ended.stdout.contains("NO KNEE up to 8 "), "{}", ended.story());
    assert_eq!(ended.code, Some(0), "{}", ended.story());
}

#[test]
fn from_how_many_on_it_leaks_is_told_without_a_knee() {
    let bench = Bench::new();
    let ended = knee(&bench, &slots(&bench, &["100", "0.06", "waits", "3"]), &["--to", "4", "--for", "8s"]);
    let found = ended.json("knee.json");
    assert_eq!((&found["leaks"]["load"], &found["leaks"]["below"]), (&3.into(), &2.into()), "{}", ended.story());
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stdout.contains("LEAKS from 3 requests in flight on: descriptors"), "{}", ended.story());
}

fn balancer(slots: u64) {
    if !are_there(&["haproxy"]) {
        return;
    }
    let bench = Bench::new();
    let file = root().join("harness-configs/stories/balancer.toml");
    let ended = knee(&bench, &file, &["--to", "16", "--env", &format!("SLOTS={slots}")]);
    let told = ended.json("knee.json")["knee"].clone();
    assert!(told["at"].as_u64().is_some_and(|at| at.abs_diff(slots) <= 1), "{slots}: {}", ended.story());
    assert!(ended.stdout.contains("of requests fail (503)"), "{}", ended.story());
    assert_eq!(ended.code, Some(0), "{}", ended.story());
}

#[test]
fn a_balancer_that_gives_requests_up_is_named_with_its_limit() {
    balancer(4);
}

#[test]
#[ignore = "a minute: the same with another limit, and with one out of reach"]
fn a_balancer_is_named_with_its_limit_whatever_that_is() {
    balancer(7);
    let bench = Bench::new();
    let file = root().join("harness-configs/stories/balancer.toml");
    let ended = knee(&bench, &file, &["--to", "8", "--env", "SLOTS=100"]);
    assert_ne!(ended.json("knee.json")["answer"], "found", "{}", ended.story());
}

#[test]
#[ignore = "two minutes"]
fn connections_that_leak_above_a_threshold_are_told_with_it() {
    let bench = Bench::new();
    let file = root().join("harness-configs/mariadb.toml");
    let ended = knee(&bench, &file, &["--to", "8", "--for", "15s", "--variable", "CONCURRENCY"]);
    let found = ended.json("knee.json");
    assert_eq!((&found["leaks"]["load"], &found["leaks"]["below"]), (&5.into(), &4.into()), "{}", ended.story());
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    // What a command got done is told at its end, and so is no goodput.
    let loads = found["loads"].as_array().unwrap();
    assert!(loads.iter().all(|load| load["goodput"].is_null()), "{}", ended.story());
    assert_eq!(found["answer"], "unclear", "{}", ended.story());
}

fn pool(size: u64, forgotten: u64, to: u64, leaks: Option<u64>) {
    if !are_there(&["mariadbd"]) {
        return;
    }
    let bench = Bench::new();
    let file = root().join("harness-configs/stories/connections.toml");
    let set = [format!("POOL={size}"), format!("FORGOTTEN={forgotten}")];
    let to = to.to_string();
    let ended = knee(&bench, &file, &["--to", &to, "--for", "8s", "--env", &set[0], "--env", &set[1]]);
    let found = ended.json("knee.json");
    assert_eq!(found["leaks"]["load"].as_u64(), leaks, "{size}, {forgotten}: {}", ended.story());
    if let Some(load) = leaks {
        assert_eq!(ended.code, Some(10), "{}", ended.story());
        let said = format!("LEAKS from {load} requests in flight on");
        assert!(ended.stdout.contains(&said) && ended.stdout.contains("threads"), "{}", ended.story());
    }
}

#[test]
fn connections_of_a_pool_that_leak_are_told_with_its_size() {
    pool(2, 4, 3, Some(3));
}

#[test]
#[ignore = "two minutes: the same with another size, and without a leak"]
fn connections_that_leak_are_told_with_the_size_of_the_pool_whatever_that_is() {
    pool(4, 4, 5, Some(5));
    pool(2, 0, 3, None);
}

#[test]
fn a_target_that_dies_of_too_much_has_its_knee_below() {
    let bench = Bench::new();
    let ended = knee(&bench, &slots(&bench, &["2", "0.03", "dies"]), &["--to", "8"]);
    let told = ended.json("knee.json")["knee"].clone();
    assert_eq!(
        (&told["at"], &told["bad"], &told["by"]),
        (&2.into(), &3.into(), &"failure".into()),
        "{}",
        ended.story()
    );
}

#[test]
fn ctrl_c_in_the_middle_tells_what_was_measured_and_leaves_nothing() {
    let bench = Bench::new();
    let marker = bench.path().to_string_lossy().into_owned();
    // The last argument only tells this test's server from others.
    let file = slots(&bench, &["100", "0.03", "waits", "1000", &marker]);
    let mut command = bench.seepage();
    command.arg("knee").arg(file).args(["--for", "4s", "--quiet", "--reports"]).arg(bench.reports());
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let directory = || std::fs::read_dir(bench.reports()).ok()?.flatten().next().map(|entry| entry.path());
    wait_until("the third load begins", || {
        directory().is_some_and(|directory| directory.join("load-0004/samples.jsonl").exists())
    });
    signal(child.id(), Signal::SIGINT);
    let ended = bench.ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{}", ended.story());
    assert!(ended.stdout.contains("ended early by Ctrl-C"), "{}", ended.story());
    let found = ended.json("knee.json");
    assert_eq!(
        (found["loads"].as_array().unwrap().len(), &found["answer"]),
        (2, &"unclear".into()),
        "{}",
        ended.story()
    );
    assert!(ended.read("report.html").contains("Ctrl-C"), "{}", ended.story());
    assert!(processes(&marker).is_empty(), "something was left: {}", ended.story());
    // The search has its report already; what is judged is each run.
    for verb in ["report", "explain"] {
        let output = bench.seepage().arg(verb).arg(ended.directory()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains("load-0001") && said.contains("report.html"),
            "{verb}: {said}"
        );
    }
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
        (&by_command, &["--variable", "CONCURENCY"], 20, "nothing in this harness file takes the variable CONCURENCY"),
        (&by_command, &["--variable", "A=B"], 20, "nothing in this harness file takes the variable A=B"),
        (&driven, &["--to", "0"], 2, "'--to <N>'"),
        (&driven, &["--variable", "CONCURRENCY"], 20, "--variable is for a workload that is a command"),
        (&undriven, &[], 20, "no [workload]"),
        (&driven, &["--to", "8", "--at-least", "9"], 2, "--to 9"),
        (&driven, &["--for", "1s"], 2, "4s at least"),
    ] {
        let ended = knee(&bench, file, arguments);
        assert_eq!(ended.code, Some(code), "{}", ended.story());
        assert!(ended.stderr.contains(said), "{said}: {}", ended.story());
        let left = std::fs::read_dir(bench.reports()).into_iter().flatten().count();
        assert_eq!(left, 0, "{said}: something was launched, or is left");
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
