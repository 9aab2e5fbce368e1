//! Who is judged where nobody says who the workers are: pools of many shapes, launched and attached to.

use crate::common::{Bench, Ended, LOG, PYTHON, pool, signal, wait_until};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const POOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/end_to_end/pools");
const SHELL: &str = r#""sh", "-c", "python3 POOL; true""#;

/// A harness file that says nothing of workers; `env` are more variables of the target.
fn harness(of: &str, command: &str, env: &str, requests: &str, soak: &str) -> String {
    pool(("pool", of), command, (env, ""), requests, soak)
}

/// One line, without line breaks.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A run of `shop.py` with a fault has one of these exit codes, tells this, and has chosen its workers for this reason.
#[track_caller]
fn shop(fault: &str, command: &str, requests: &str, (codes, told, because): (&[i32], &str, &str)) -> Ended {
    let bench = Bench::new();
    let text = harness("shop.py", command, &format!("FAULT = \"{fault}\""), requests, "8s");
    let ended = bench.run(&bench.write("shop.toml", &text), &[]);
    assert!(ended.code.is_some_and(|code| codes.contains(&code)), "{fault}: {}", ended.story());
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
// Told in the first seconds, before it shows who uses the CPU.
const LISTENING: &str = "because they hold the listening socket";
const SERVING: &str = "they hold the listening socket and use the CPU";

#[test]
fn a_clean_pool_passes_and_a_leaking_one_does_not() {
    let ended = shop("none", PYTHON, LOG, (&[0], " is CLEAN: ", NAMED));
    assert!(ended.stderr.contains("note: the workers are the 2 children"), "while it goes on: {}", ended.story());
    shop("worker-keeps", PYTHON, LOG, (&[10], " LEAKS: ", NAMED));
    shop("worker-keeps", PYTHON, "", (&[10], " LEAKS: ", SERVING));
}

#[test]
fn workers_behind_a_shell_are_found() {
    shop("worker-keeps", SHELL, LOG, (&[10], " LEAKS: ", NAMED));
    shop("worker-keeps", SHELL, "", (&[10], " LEAKS: ", SERVING));
    shop("none", r#""env", "X=1", "python3", "POOL""#, "", (&[0], " is CLEAN: ", SERVING));
}

/// On a busy machine growth of what is beside the workers may be open; a pass it never is.
const HELPERS: &str = r"the target went from \d+ to \d+ processes|\(python3[.\d]*\) grew most";

#[test]
fn what_lies_beside_the_workers_is_still_told() {
    shop("parent-keeps", PYTHON, LOG, (&[10], r"PID \d+ \(python3[.\d]*\) ", NAMED));
    shop("helpers-stay", PYTHON, LOG, (&[10, 11], HELPERS, NAMED));
    shop("zombies", PYTHON, "", (&[10], r"\d+ of them are zombies: PID \d+", SERVING));
}

#[test]
fn workers_that_are_replaced_are_still_workers() {
    shop("born-bigger", PYTHON, LOG, (&[10], r"each new worker is born \d+ KiB bigger", NAMED));
}

#[test]
fn a_log_that_names_nobody_of_the_target_does_not_decide() {
    shop("log-other", PYTHON, LOG, (&[20], r"0 of \d+ lines of the log match the pattern", LISTENING));
    shop(
        "log-strangers",
        PYTHON,
        LOG,
        (
            &[11, 20],
            r"\d+ of \d+ (counted requests belong to|lines of the log have) PIDs that are not judged",
            LISTENING,
        ),
    );
}

#[test]
fn a_busy_neighbour_is_no_worker() {
    shop("busy-neighbour", PYTHON, LOG, (&[0], " is CLEAN: ", NAMED));
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
fn of_a_parent_that_serves_like_its_child_those_that_serve_are_judged() {
    let bench = Bench::new();
    let told = bench.path().join("told");
    let env = format!("SHAPE = \"both\", TOLD = {told:?}");
    let ended = bench.run(&bench.write("kin.toml", &harness("kin.py", PYTHON, &env, "", "4s")), &[]);
    // On a busy machine one of them may serve next to nothing while it is decided; whoever doesn't serve is never judged.
    assert!(!judged(&ended).is_empty() && judged(&ended).is_subset(&worked(&told)), "{}", ended.story());
    assert!(chosen(&ended).contains("it holds the listening socket and uses the CPU"), "{}", ended.story());
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
fn two_of_hundreds_that_serve_are_judged_though_each_look_sees_some_of_them() {
    kin("sleepers", "8s", SERVING);
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
        let told = bench.path().join("told");
        // That of one before it.
        let _ = std::fs::remove_file(&told);
        let mut command = Command::new("python3");
        command.arg(format!("{POOLS}/kin.py")).env("SHAPE", shape).env("TOLD", &told);
        command.env("PORT", port.to_string()).stdin(Stdio::null()).process_group(0);
        let own = Own(command.spawn().unwrap());
        // Both of its children.
        wait_until("it works", || told.exists() && worked(&told).len() == 2);
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
        let _ = self.0.kill();
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

/// `seepage attach` in a PID namespace of its own would be somewhere else: here the target is in one, and seepage isn't.
#[test]
fn pids_of_another_namespace_are_mapped() {
    let bench = Bench::new();
    if !Command::new("unshare").args(["-fp", "--mount-proc", "true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: this user can't make a PID namespace");
        return;
    }
    // And seepage in one that has the /proc of another.
    let mut inside = Command::new("unshare");
    inside
        .args(["-fp", "--kill-child"])
        .arg(env!("CARGO_BIN_EXE_seepage"))
        .args(["attach", "--pid", "1", "--for", "3s"]);
    let inside = inside.arg("--reports").arg(bench.reports()).output().unwrap();
    assert!(String::from_utf8_lossy(&inside.stderr).contains("another PID namespace"), "{inside:?}");
    let pool = format!("{POOLS}/shop.py");
    let command = format!(r#""unshare", "-fp", "--mount-proc", "--kill-child", "python3", "{pool}""#);
    let text = harness("shop.py", &command, "FAULT = \"worker-keeps\"", LOG, "8s");
    for workers in ["", "workers = 'descendants'\n"] {
        let text = text.replace("ready =", &format!("{workers}ready ="));
        let ended = bench.run(&bench.write("shop.toml", &text), &[]);
        assert_eq!(ended.code, Some(10), "{}", ended.story());
        let read = &ended.events("log-read")[0];
        assert!(read["matched"].as_u64().unwrap() > 100 && read["strangers"] == 0, "{}", ended.story());
        let memory = ended.finding("memory");
        assert_eq!(memory["axis"], "worker-requests", "{}", ended.story());
        let estimate = memory["growth"]["estimate"].as_f64().unwrap();
        assert!((1900.0..2600.0).contains(&estimate), "{estimate}: {}", ended.story());
    }
}

/// A page that names workers by the PIDs that they know themselves by.
#[test]
fn a_page_of_another_namespace_is_understood() {
    let bench = Bench::new();
    let script = bench.write("service.sh", "echo $$ >inner; while :; do sleep 0.2; done");
    let mut command = Command::new("unshare");
    command.args(["-fp", "--mount-proc", "--kill-child", "sh"]).arg(script).current_dir(bench.path());
    let target = Own(command.stdin(Stdio::null()).spawn().unwrap());
    wait_until("it runs", || bench.path().join("inner").exists() || has_ended(target.0.id()));
    let Ok(inner) = std::fs::read_to_string(bench.path().join("inner")) else {
        eprintln!("skipped: this user can't make a PID namespace");
        return;
    };
    let outer = children(target.0.id())[0].to_string();
    let page = Page::serve(format!("worker {} served %", inner.trim()));
    let watching = ["--pid", &outer, "--workers", "self", "--requests-page", &page.url];
    let ended = attach(&bench, &[&watching[..], &[r"worker (?<pid>\d+) served (?<count>\d+)", "--for", "3s"]].concat());
    let samples = ended.read("samples.jsonl");
    let samples = samples.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let counts: Vec<u64> = samples.filter_map(|sample| sample["requests"].as_u64()).collect();
    assert!(inner.trim() != outer && counts.last() > Some(&1), "{counts:?}: {}", ended.story());
}

fn has_ended(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

/// A page whose `%` is how often it was asked for.
struct Page {
    url: String,
}

impl Page {
    fn serve(text: String) -> Self {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for (count, connection) in listener.incoming().enumerate() {
                let Ok(mut connection) = connection else { break };
                let _ = connection.read(&mut [0; 4096]);
                let page = text.replace('%', &(count + 1).to_string());
                let _ = write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
            }
        });
        Page { url }
    }
}

/// A control group of a test's own below the first hierarchy in which one may be made, removed with what was started in it.
struct Group(std::path::PathBuf);

impl Group {
    /// Makes it, with the groups that lead to it; `None` if this user may not.
    fn make(path: &str) -> Option<Self> {
        let places = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let group = places.iter().map(|place| Path::new(place).join(path)).find(|group| {
            group.parent().is_some_and(|parent| parent.parent().is_some_and(|top| top.join("cgroup.procs").exists()))
                && std::fs::create_dir_all(group).is_ok()
        });
        if group.is_none() {
            eprintln!("skipped: this user may not make control groups");
        }
        group.map(Group)
    }

    fn take(&self, pid: u32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        wait_until("the group is empty", || {
            std::fs::remove_dir(&self.0).is_ok() || !self.0.exists() || std::fs::read_dir(&self.0).is_err()
        });
        let _ = self.0.parent().map(std::fs::remove_dir);
    }
}

#[test]
fn units_and_containers_are_found_by_their_control_groups() {
    let bench = Bench::new();
    let own = std::process::id();
    let id = format!("{own:064x}");
    let unit = format!("seepage-test-{own}.slice/seepage-test-{own}.service");
    let container = format!("seepage-tests-{own}.slice/docker-{id}.scope");
    for (path, arguments, wrong) in [
        (unit, ["--unit".to_owned(), format!("seepage-test-{own}")], ["--unit", "no-such-unit"]),
        (container, ["--container".to_owned(), id[..62].to_owned()], ["--container", "fffffffff"]),
    ] {
        let Some(group) = Group::make(&path) else { return };
        let target = Own::start(&bench, "queue");
        for pid in [vec![target.0.id()], children(target.0.id())].concat() {
            group.take(pid);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let told = bench.path().join("told");
        std::fs::write(&told, "").unwrap();
        let ended = attach(&bench, &[&arguments[..], &["--for", "4s"]].concat());
        assert_eq!(judged(&ended), worked(&told), "{}", ended.story());
        assert!(chosen(&ended).contains(&format!("children of PID {}", target.pid())), "{}", ended.story());
        let ended = attach(&bench, &wrong);
        assert_eq!(ended.code, Some(21), "{}", ended.story());
        assert!(ended.stderr.contains(wrong[1]) && ended.stderr.contains("list"), "{}", ended.story());
        drop(target);
    }
}

fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn a_service_that_is_restarted_is_found_again() {
    let bench = Bench::new();
    let own = std::process::id();
    let Some(group) = Group::make(&format!("seepage-again-{own}.slice/seepage-again-{own}.service")) else { return };
    let told = bench.path().join("told");
    let started = || {
        std::fs::write(&told, "").unwrap();
        let target = Own::start(&bench, "queue");
        [vec![target.0.id()], children(target.0.id())].concat().into_iter().for_each(|pid| group.take(pid));
        target
    };
    // What stays when the service is restarted, so that the group is never without a process.
    let mut stays = bench.shell("exec sleep 60");
    group.take(stays.id());
    let first = started();
    let mut command = bench.seepage();
    command
        .args(["attach", "--unit", &format!("seepage-again-{own}"), "--for", "10m", "--reports"])
        .arg(bench.reports());
    let watching = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let decided = |count: usize| {
        let run = std::fs::read_dir(bench.reports()).ok().and_then(|mut runs| runs.next()?.ok());
        let events = run.and_then(|run| std::fs::read_to_string(run.path().join("events.jsonl")).ok());
        events.is_some_and(|events| events.matches("\"chosen\"").count() == count)
    };
    wait_until("it is decided", || decided(1));
    let before = worked(&told);
    drop(first);
    let second = started();
    wait_until("it is decided again", || decided(2));
    signal(watching.id(), Signal::SIGINT);
    let ended = bench.ended(watching.wait_with_output().unwrap());
    let after = worked(&told);
    assert_eq!(judged(&ended), before.union(&after).copied().collect(), "{}", ended.story());
    drop(second);
    stays.kill().unwrap();
    stays.wait().unwrap();
}

#[test]
fn several_processes_are_judged_each_and_threads_are_none() {
    let bench = Bench::new();
    let mut sleepers: Vec<Child> = (0..2).map(|_| bench.shell("exec sleep 60")).collect();
    let pids: Vec<String> = sleepers.iter().map(|child| child.id().to_string()).collect();
    let both = ["--pid", &pids[0], "--pid", &pids[1]];
    let ended = attach(&bench, &[&both[..], &["--for", "2s"]].concat());
    let expected = sleepers.iter().map(Child::id).collect();
    assert_eq!(judged(&ended), expected, "{}", ended.story());
    let again = bench.seepage().args(["attach", "--pid", &pids[0], "--pid", &pids[0]]).output().unwrap();
    let told = format!("`--pid {}` is given twice", pids[0]);
    assert!(again.status.code() == Some(2) && String::from_utf8_lossy(&again.stderr).contains(&told), "{again:?}");
    for sleeper in &mut sleepers {
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }
    // Tests run on threads.
    let thread = nix::unistd::gettid().to_string();
    let ended = attach(&bench, &["--pid", &thread]);
    assert_eq!(ended.code, Some(2), "{}", ended.story());
    let told = format!("{thread} is a thread of process {}", std::process::id());
    assert!(ended.stderr.contains(&told) && ended.stderr.contains("give --pid"), "{}", ended.story());
}

#[test]
fn what_matches_is_listed_and_no_seepage_is_among_it() {
    let bench = Bench::new();
    let marker = bench.path().join("queue.log").display().to_string();
    std::fs::write(&marker, "").unwrap();
    let mut follower = Command::new("tail").args(["-f", &marker]).stdout(Stdio::null()).spawn().unwrap();
    let mut command = bench.seepage();
    // Another seepage, in whose command line the pattern stands.
    command.args(["attach", "--match", &marker, "--for", "10m", "--reports"]).arg(bench.path().join("other"));
    let mut other = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("it watches", || bench.path().join("other").exists());
    let ended = attach(&bench, &["--match", &marker, "--for", "2s"]);
    assert_eq!(judged(&ended), BTreeSet::from([follower.id()]), "{}", ended.story());
    let told = format!("1 process matches: PID {} (tail -f ", follower.id());
    assert!(ended.stderr.contains(&told), "{}", ended.story());
    signal(other.id(), Signal::SIGINT);
    other.wait().unwrap();
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn patterns_without_their_groups_are_refused_before_anything_is_written() {
    let bench = Bench::new();
    let own = std::process::id().to_string();
    let page = "http://127.0.0.1:1/";
    for (arguments, told) in [
        (
            vec!["--log", "x.log", "--log-pattern", r"^(\d+)"],
            "--log-pattern: the regular expression has no group `pid`",
        ),
        (vec!["--log", "x.log", "--log-pattern", "("], "--log-pattern: this isn't a regular expression"),
        (vec!["--requests-page", page, r"(?<pid>\d+)"], "--requests-page: the regular expression has no group `count`"),
        (vec!["--requests-page", "nowhere", r"(?<pid>\d+) (?<count>\d+)"], "--requests-page: `nowhere` isn't a URL"),
        (vec!["--mod-status", "https://x/"], "--mod-status: `https://x/` is not plain HTTP"),
    ] {
        let ended = attach(&bench, &[&["--pid", &own][..], &arguments].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.story());
        assert!(ended.stderr.contains(told), "{arguments:?}: {}", ended.story());
        assert!(ended.run.is_none());
    }
}

/// A process that grows by 20 MiB, and then becomes another program, or the same again.
#[test]
fn a_process_that_becomes_another_program_is_another_worker() {
    for again in [r#"["python3", "-c", "import time; time.sleep(600)"]"#, "[sys.executable, *sys.orig_argv[1:]]"] {
        let bench = Bench::new();
        let script = format!(
            "import os, sys, time\nkept = []\nif 'ONCE' in os.environ: time.sleep(600)\nos.environ['ONCE'] = '1'\n\
             while len(kept) < 50 or not os.path.exists('go'):\n    kept.append(b'x' * 400_000)\n    \
             sum(range(100_000))\n    time.sleep(0.05)\nos.execvp('python3', {again})\n"
        );
        bench.write("life.py", &script);
        let mut command = Command::new("python3");
        let mut target = Own(command.arg("life.py").current_dir(bench.path()).stdin(Stdio::null()).spawn().unwrap());
        let pid = target.pid();
        let mut command = bench.seepage();
        command.args(["attach", "--pid", &pid, "--for", "10m", "--reports"]).arg(bench.reports());
        let watching = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let told = |what: &str| {
            let run = std::fs::read_dir(bench.reports()).ok().and_then(|mut runs| runs.next()?.ok());
            let events = run.and_then(|run| std::fs::read_to_string(run.path().join("events.jsonl")).ok());
            events.unwrap_or_default().matches(what).count()
        };
        wait_until("it is decided", || told("\"chosen\"") == 1);
        bench.write("go", "");
        wait_until("it becomes another", || told("\"spawned\"") == 2);
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(target.0.try_wait().unwrap().is_none(), "nobody stopped it");
        signal(watching.id(), Signal::SIGINT);
        let ended = bench.ended(watching.wait_with_output().unwrap());
        // Each life has its own readings: the first grew, the second begins small.
        let samples = ended.read("samples.jsonl");
        let samples = samples.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let (first, second): (Vec<_>, Vec<_>) = samples.partition(|sample| sample["worker"]["generation"].is_null());
        let anon = |sample: &serde_json::Value| sample["anon"].as_u64().unwrap();
        assert!(second.iter().all(|sample| sample["worker"]["generation"] == 1), "{}", ended.story());
        let most = first.iter().map(anon).max().unwrap();
        assert!(!second.is_empty() && second.iter().all(|sample| anon(sample) + (8 << 20) < most), "{}", ended.story());
        assert!(ended.stdout.contains(&format!("PID {pid} began another program in mid-run")), "{}", ended.story());
        // What was recorded is read again as it was.
        let again = bench.seepage().arg("analyze").arg(ended.directory()).output().unwrap();
        assert_eq!(again.status.code(), Some(130), "{again:?}");
    }
}
