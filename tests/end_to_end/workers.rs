//! Who is judged where nobody says who the workers are: pools of many shapes, launched and attached to.

use crate::common::{Bench, Ended, signal, wait_until};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const POOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/end_to_end/pools");
const LOG: &str = "[requests.log]\npath = \"${work_dir}/access.log\"\npattern = '^(?P<pid>\\d+) (?P<class>\\S+)'";
const PYTHON: &str = r#""python3", "POOL""#;
const SHELL: &str = r#""sh", "-c", "python3 POOL; true""#;

/// A harness file that says nothing of workers; `env` are more variables of the target.
fn harness(pool: &str, command: &str, env: &str, requests: &str, soak: &str) -> String {
    let command = command.replace("POOL", &format!("{POOLS}/{pool}"));
    format!(
        r#"
name = "pool"
[target]
command = [{command}]
env = {{ PORT = "${{port}}", LOG = "${{work_dir}}/access.log", {env} }}
ready = {{ http = "http://127.0.0.1:${{port}}/" }}
stop = {{ grace = "1s" }}
{requests}
[workload]
base-url = ["http://127.0.0.1:${{port}}"]
rate = "300/s"
concurrency = 2
requests-per-connection = 20
[[workload.step]]
name = "get"
path = "/"
[[phase]]
kind = "warm-up"
duration = "1s"
[[phase]]
kind = "soak"
duration = "{soak}"
[budget]
memory = "64 B/request"
"#
    )
}

/// One line, without line breaks.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A run of `shop.py` with a fault has this exit code, tells this, and has chosen its workers for this reason.
#[track_caller]
fn shop(fault: &str, command: &str, requests: &str, (code, told, because): (i32, &str, &str)) -> Ended {
    let bench = Bench::new();
    let text = harness("shop.py", command, &format!("FAULT = \"{fault}\""), requests, "8s");
    let ended = bench.run(&bench.write("shop.toml", &text), &[]);
    assert_eq!(ended.code, Some(code), "{fault}: {}", ended.story());
    assert!(
        regex::RegexBuilder::new(told).case_insensitive(true).build().unwrap().is_match(&joined(&ended.stdout)),
        "{fault}: {}",
        ended.story()
    );
    let chosen = chosen(&ended);
    assert!(chosen.contains("children of PID") && chosen.contains(because), "{fault}: {chosen}: {}", ended.story());
    assert!(joined(&ended.stdout).contains(&chosen[1..]), "it is told: {}", ended.story());
    Ended { run: None, ..ended }
}

/// Who was chosen and why, as the report for machines has it.
fn chosen(ended: &Ended) -> String {
    let target = &ended.json("verdict.json")["target"];
    assert!(target["workers"].as_str().unwrap().starts_with("auto"), "{target}");
    target["chosen"].as_str().unwrap_or_else(|| panic!("nobody was chosen: {}", ended.story())).to_owned()
}

const NAMED: &str = "the log or the status page names them";
const SERVING: &str = "they hold the listening socket and use the CPU";

#[test]
fn a_clean_pool_passes_and_a_leaking_one_does_not() {
    let ended = shop("none", PYTHON, LOG, (0, " is CLEAN: ", NAMED));
    assert!(ended.stderr.contains("note: the workers are the 2 children"), "while it goes on: {}", ended.story());
    shop("worker-keeps", PYTHON, LOG, (10, " LEAKS: ", NAMED));
    shop("worker-keeps", PYTHON, "", (10, " LEAKS: ", SERVING));
}

#[test]
fn workers_behind_a_shell_are_found() {
    shop("worker-keeps", SHELL, LOG, (10, " LEAKS: ", NAMED));
    shop("worker-keeps", SHELL, "", (10, " LEAKS: ", SERVING));
    shop("none", r#""env", "X=1", "python3", "POOL""#, "", (0, " is CLEAN: ", SERVING));
}

#[test]
fn what_lies_beside_the_workers_is_still_told() {
    shop("parent-keeps", PYTHON, LOG, (11, r"PID \d+ \(python3[.\d]*\) is not judged, and its anonymous", NAMED));
    shop("helpers-stay", PYTHON, LOG, (11, r"the target grew from \d+ to \d+ processes", NAMED));
    shop("zombies", PYTHON, "", (11, r"the target grew from \d+ to \d+ zombie processes", SERVING));
}

#[test]
fn workers_that_are_replaced_are_still_workers() {
    shop("born-bigger", PYTHON, LOG, (11, r"each new worker is born \d+ KiB bigger", NAMED));
}

#[test]
fn a_log_that_names_nobody_of_the_target_does_not_decide() {
    shop("log-other", PYTHON, LOG, (11, r"0 of \d+ lines of the log match the pattern", SERVING));
    shop(
        "log-strangers",
        PYTHON,
        LOG,
        (11, r"\d+ of \d+ counted requests belong to PIDs that are not judged", SERVING),
    );
}

#[test]
fn a_busy_neighbour_is_no_worker() {
    shop("busy-neighbour", PYTHON, LOG, (0, " is CLEAN: ", NAMED));
}

/// A run of `kin.py` in which nothing is counted by PID: judged is whoever worked, for this reason. Returns the run, its bench
/// beside it.
#[track_caller]
fn kin(shape: &str, soak: &str, because: &str) -> (Ended, Bench) {
    let bench = Bench::new();
    let told = bench.path().join("told");
    let env = format!("SHAPE = \"{shape}\", KEEP = \"2000\", TOLD = {told:?}");
    let text = harness("kin.py", PYTHON, &env, "", soak);
    let ended = bench.run(&bench.write("kin.toml", &text), &[]);
    assert_eq!(judged(&ended), worked(&told), "{shape}: {}", ended.story());
    let chosen = chosen(&ended);
    assert!(chosen.contains(because), "{shape}: {chosen}: {}", ended.story());
    (ended, bench)
}

/// PIDs of those that were judged.
fn judged(ended: &Ended) -> BTreeSet<u32> {
    let samples = ended.read("samples.jsonl");
    let samples = samples.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    samples.map(|sample| sample["worker"]["pid"].as_u64().unwrap() as u32).collect()
}

fn worked(told: &Path) -> BTreeSet<u32> {
    std::fs::read_to_string(told).unwrap().lines().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn a_process_without_children_is_judged_itself() {
    let (ended, _bench) = kin("alone", "8s", "it holds the listening socket and uses the CPU");
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(!ended.read("samples.jsonl").is_empty());
    // What was read before it was decided is there: the first readings are of the launch, the decision comes later.
    let first: serde_json::Value = serde_json::from_str(ended.read("samples.jsonl").lines().next().unwrap()).unwrap();
    let events = ended.read("events.jsonl");
    let decided = events.lines().find(|line| line.contains("\"chosen\"")).unwrap();
    let decided: serde_json::Value = serde_json::from_str(decided).unwrap();
    assert!(first["t"].as_f64().unwrap() + 1.0 < decided["t"].as_f64().unwrap(), "{}", ended.story());
}

#[test]
fn a_parent_that_serves_is_judged_and_not_its_helpers() {
    kin("helpers", "4s", "it holds the listening socket and uses the CPU");
}

#[test]
fn a_parent_that_serves_like_its_child_is_judged_beside_it() {
    let (ended, _bench) = kin("both", "4s", "it holds the listening socket and uses the CPU");
    assert_eq!(judged(&ended).len(), 2, "{}", ended.story());
}

#[test]
fn children_to_whom_connections_are_handed_are_judged() {
    kin("hands", "4s", "which leaves the work to them");
}

#[test]
fn a_child_without_the_socket_is_not_judged() {
    kin("spawned", "4s", SERVING);
}

#[test]
fn a_worker_that_comes_later_is_one_too() {
    // On a slow machine it may come before it is decided.
    let (ended, _bench) = kin("late", "10s", "the listening socket");
    assert_eq!(judged(&ended).len(), 2, "{}", ended.story());
}

/// A process of a test's own, which is ended with all that it started.
struct Own(Child);

impl Own {
    fn start(bench: &Bench, shape: &str) -> Self {
        use std::os::unix::process::CommandExt;
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("python3");
        command.arg(format!("{POOLS}/kin.py")).env("SHAPE", shape).env("TOLD", bench.path().join("told"));
        command.env("PORT", port.to_string()).stdin(Stdio::null()).process_group(0);
        let own = Own(command.spawn().unwrap());
        wait_until("it works", || std::fs::metadata(bench.path().join("told")).is_ok_and(|told| told.len() > 100));
        own
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.0.id() as i32);
        let _ = nix::sys::signal::killpg(group, Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

fn attach(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = bench.seepage();
    command.arg("attach").args(arguments).arg("--reports").arg(bench.reports());
    bench.ended(command.output().unwrap())
}

#[test]
fn who_attaches_to_a_parent_watches_its_children_that_work() {
    let bench = Bench::new();
    let own = Own::start(&bench, "queue");
    let ended = attach(&bench, &["--pid", &own.pid(), "--for", "4s"]);
    assert_eq!(judged(&ended), worked(&bench.path().join("told")), "{}", ended.story());
    let chosen = chosen(&ended);
    assert!(chosen.contains(&format!("the 2 children of PID {}", own.pid())), "{chosen}");
    assert!(chosen.contains("which leaves the work to them"), "{chosen}");
    // One of them alone, as one may be watched alone; the same again, and a thread of nobody.
    let one = worked(&bench.path().join("told")).first().copied().unwrap();
    let ended = attach(&bench, &["--pid", &one.to_string(), "--for", "3s"]);
    assert_eq!(judged(&ended), BTreeSet::from([one]), "{}", ended.story());
    // Before it is decided, Ctrl-C ends it, and what was seen is told.
    let mut command = bench.seepage();
    command.arg("attach").args(["--pid", &own.pid(), "--for", "10m", "--reports"]).arg(bench.path().join("ended"));
    let watching = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("it has begun", || bench.path().join("ended").exists());
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal(watching.id(), Signal::SIGINT);
    let output = watching.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
}
