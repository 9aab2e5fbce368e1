//! `seepage attach` on a demonstration server that the test itself started: found, judged, and left as it was.

use crate::common::{Bench, Ended, signal, wait_until};
use nix::sys::signal::Signal;
use seepage::config::{PhaseConfig, WorkloadConfig};
use seepage::workload::{Counters, Driver};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

/// How long a watch takes in these tests: long enough to tell 4 KiB an upload from nothing.
const FOR: &str = "8s";

/// A demonstration server with two workers, under a steady load of uploads.
struct Server {
    bench: Bench,
    parent: Child,
    address: String,
    halt: Arc<AtomicBool>,
    load: Option<JoinHandle<()>>,
}

impl Server {
    fn start(fault: &str) -> Server {
        let bench = Bench::new();
        let mut command = bench.seepage();
        command.args(["demo-server", "--port", "0", "--workers", "2", "--access-log", "access.log", "--fault", fault]);
        let mut parent = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        let halt = Arc::new(AtomicBool::new(false));
        let load = Some(load(&address, Arc::clone(&halt)));
        let server = Server { bench, parent, address, halt, load };
        wait_until("requests are logged", || server.log().lines().count() > 20);
        server
    }

    fn pid(&self) -> String {
        self.parent.id().to_string()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.bench.path().join("access.log")).unwrap_or_default()
    }

    fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = self.bench.seepage();
        command.arg("attach").args(arguments).arg("--reports").arg(self.bench.reports());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn attach(&self, arguments: &[&str]) -> Ended {
        self.bench.ended(self.begin(arguments).wait_with_output().unwrap())
    }

    /// Watches its children as they are, whatever their age.
    fn watch_children(&self, arguments: &[&str]) -> Ended {
        let pid = self.pid();
        self.attach(&[&["--pid", &pid, "--workers", "children", "--warm-up", "0s", "--for", FOR], arguments].concat())
    }

    /// Begins a watch, and waits until some readings are on disk.
    fn attach_for_long(&self, arguments: &[&str]) -> Child {
        let attached = self.begin(&[arguments, &["--for", "10m"]].concat());
        wait_until("readings are written", || {
            let runs = std::fs::read_dir(self.bench.reports()).into_iter().flatten().flatten();
            let samples = runs.filter_map(|run| std::fs::read_to_string(run.path().join("samples.jsonl")).ok());
            samples.map(|text| text.lines().count()).sum::<usize>() > 100
        });
        attached
    }

    fn workers(&self) -> Vec<u32> {
        let pid = self.parent.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    fn answers(&self) -> bool {
        let Ok(mut connection) = TcpStream::connect(&self.address) else { return false };
        let mut answer = String::new();
        let _ = connection.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let _ = connection.read_to_string(&mut answer);
        answer.starts_with("HTTP/1.1 200")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.halt.store(true, Ordering::Relaxed);
        if let Some(load) = self.load.take() {
            let _ = load.join();
        }
        if let Ok(None) = self.parent.try_wait() {
            signal(self.parent.id(), Signal::SIGTERM);
            self.parent.wait().unwrap();
        }
    }
}

#[test]
fn a_parent_whose_children_do_the_work_is_not_what_passes() {
    let server = Server::start("malloc");
    let ended = server.attach(&["--pid", &server.pid(), "--workers", "self", "--for", "4s"]);
    assert_eq!(ended.code, Some(11), "{}", ended.story());
    let text = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("not judged") && text.contains("`--workers children`"), "{}", ended.story());
    assert!(text.contains("before the watch"), "its age is told: {}", ended.story());
}

#[test]
fn a_process_that_does_nothing_proves_nothing() {
    let bench = Bench::new();
    let mut sleeper = bench.shell("exec sleep 60");
    let pid = sleeper.id().to_string();
    let watch = |arguments: &[&str]| {
        let mut command = bench.seepage();
        command.args(["attach", "--pid", &pid, "--for", "2s", "--reports"]).arg(bench.reports()).args(arguments);
        bench.ended(command.output().unwrap())
    };
    let ended = watch(&[]);
    assert_eq!(ended.code, Some(11), "{}", ended.story());
    assert!(ended.stdout.contains(" is INCONCLUSIVE: the target was idle"), "{}", ended.story());
    assert!(!ended.stdout.contains("times as long"), "a longer watch of it helps nobody: {}", ended.story());
    signal(sleeper.id(), Signal::SIGKILL);
    sleeper.wait().unwrap();
}

/// Uploads at a steady rate, over new connections again and again so that both workers get some.
fn load(address: &str, halt: Arc<AtomicBool>) -> JoinHandle<()> {
    let config: WorkloadConfig = format!(
        "base-url = ['http://{address}']\nrate = '200/s'\nconcurrency = 8\nrequests-per-connection = 10\n\
         [[step]]\nname = 'upload'\npath = '/upload'\nmethod = 'POST'\nbody = {{ random = '2 KiB' }}"
    )
    .parse()
    .unwrap();
    let phase: PhaseConfig = "kind = 'soak'\nduration = '10m'".parse().unwrap();
    std::thread::spawn(move || {
        let counters = Arc::new(Counters::new(&config));
        let mut driver = Driver::new(&config, Instant::now(), counters, mpsc::channel().0).unwrap();
        driver.run(&phase, &|| 2, &halt);
    })
}

/// A line of `/proc/PID/status`.
fn status(pid: u32, key: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
    line.trim().to_owned()
}

#[test]
fn a_leak_is_found_by_the_access_log_and_the_target_is_left_alone() {
    let server = Server::start("malloc");
    let before = server.workers();
    let pid = server.pid();
    let pattern = r"^(?<pid>\d+) (?<class>\S+)";
    let watching = server.begin(&[
        "--pid",
        &pid,
        "--workers",
        "children",
        "--log",
        "access.log",
        "--log-pattern",
        pattern,
        "--warm-up",
        "0s",
        "--for",
        FOR,
    ]);
    // While it is watched, nobody traces it and it goes on.
    let lines = server.log().lines().count();
    wait_until("it serves while it is watched", || server.log().lines().count() > lines + 300);
    for worker in &before {
        assert_eq!(status(*worker, "TracerPid"), "0");
        assert!(!status(*worker, "State").starts_with(['T', 't']));
    }
    let ended = server.bench.ended(watching.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stdout.contains("each request leaves "), "{}", ended.story());
    let memory = ended.finding("memory");
    assert_eq!((memory["axis"].as_str(), memory["unit"].as_str()), (Some("worker-requests"), Some("bytes/request")));
    let estimate = memory["growth"]["estimate"].as_f64().unwrap();
    assert!((3900.0..4700.0).contains(&estimate), "{estimate}");
    // It is the same server that it was.
    assert_eq!(server.workers(), before);
    assert!(server.answers());
    // The record says who it was.
    let run = ended.json("run.json");
    assert_eq!(run["target"]["root"]["pid"], server.parent.id());
    assert!(run["target"]["root"]["start"].as_u64().unwrap() > 0);
    assert_eq!(
        run["target"]["executable"],
        std::fs::canonicalize(env!("CARGO_BIN_EXE_seepage")).unwrap().to_str().unwrap()
    );
    assert_eq!(run["status"], "complete");
    // What is in the run directory is enough to judge it again.
    let analyzed = server.bench.seepage().arg("analyze").arg(ended.directory()).output().unwrap();
    assert_eq!(analyzed.status.code(), Some(10));
    assert!(ended.read("report.html").contains("</html>"));
}

#[test]
fn without_a_counter_growth_is_judged_by_the_hour() {
    let server = Server::start("malloc");
    let ended = server.watch_children(&["--budget", "4 MiB/hour"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(
        ended.stdout.contains("each hour leaves ") && ended.stdout.contains("(allowed: 4 MiB)"),
        "{}",
        ended.story()
    );
    let memory = ended.finding("memory");
    assert_eq!((memory["axis"].as_str(), memory["unit"].as_str()), (Some("hours"), Some("bytes/hour")));
    // 200 uploads a second, of 4 KiB and a little, by two workers.
    let estimate = memory["growth"]["estimate"].as_f64().unwrap();
    assert!((1.0e9..2.0e9).contains(&estimate), "{estimate}");
    assert!(ended.read("report.html").contains("a day"));
    // Judged again by a budget for a request, which time says nothing of.
    let again =
        server.bench.seepage().arg("analyze").arg(ended.directory()).args(["--budget", "64 B/request"]).output();
    assert_eq!(again.unwrap().status.code(), Some(11));
    // A budget that is far above what a server without a fault does.
    let sound = Server::start("none");
    let ended = sound.watch_children(&[
        "--budget",
        "1 GiB/hour",
        "--budget",
        "descriptors=100000/hour",
        "--budget",
        "threads=100000/hour",
        "--budget",
        "processes=100000/hour",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.story());
}

#[test]
fn ctrl_c_ends_it_with_a_verdict_on_what_was_seen() {
    let server = Server::start("malloc");
    let watching = server.attach_for_long(&["--pid", &server.pid(), "--workers", "children"]);
    signal(watching.id(), Signal::SIGINT);
    let ended = server.bench.ended(watching.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{}", ended.story());
    assert_eq!(ended.json("run.json")["status"], "aborted");
    assert_eq!(ended.events("interrupted").len(), 1);
    assert!(ended.finding("memory")["workers"].as_array().unwrap().len() >= 2, "{}", ended.story());
    assert!(ended.stdout.contains(" was ENDED EARLY by Ctrl-C"), "{}", ended.story());
    assert!(server.answers() && server.workers().len() == 2);
}

#[test]
fn a_target_that_ends_is_told_and_what_was_recorded_is_judged() {
    let mut server = Server::start("malloc");
    let watching = server.attach_for_long(&["--pid", &server.pid(), "--workers", "children"]);
    signal(server.parent.id(), Signal::SIGTERM);
    server.parent.wait().unwrap();
    let ended = server.bench.ended(watching.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(21), "{}", ended.story());
    assert_eq!(ended.events("target-died").len(), 1, "{}", ended.story());
    assert!(ended.stdout.contains(" FAILED: "), "{}", ended.story());
    assert_eq!(ended.finding("memory")["workers"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_not_there_or_not_clear_is_said_before_anything_is_written() {
    let bench = Bench::new();
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let output = bench.seepage().arg("attach").args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(code) && text.contains(words),
            "{arguments:?}: {:?} {text}",
            output.status
        );
    };
    let mut gone = std::process::Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    refused(&["--pid", &gone.id().to_string()], 21, "there is no process");
    refused(&["--match", "no-such-process-(x)"], 21, "no process that this user can see");
    refused(&["--match", "("], 2, "regex");
    refused(&["--cgroup", "/no/such/group"], 21, "no control group");
    refused(&[], 2, "--pid");
    refused(&["--pid", "1", "--match", "x"], 2, "cannot be used with");
    let own = std::process::id().to_string();
    refused(&["--pid", &own, "--budget", "64 B/request"], 2, "--log");
    refused(&["--pid", &own, "--budget", "64 B"], 2, "budget");
    refused(&["--pid", &own, "--log", "nowhere.log", "--log-pattern", r"^(?<pid>\d+)"], 1, "nowhere.log");
    // The shell stays because a second command follows.
    let mut shell = bench.shell("sleep 60; true");
    let children = format!("/proc/{0}/task/{0}/children", shell.id());
    wait_until("the shell has a child", || std::fs::read_to_string(&children).is_ok_and(|text| !text.is_empty()));
    let sleeper: u32 = std::fs::read_to_string(&children).unwrap().trim().parse().unwrap();
    let pid = shell.id().to_string();
    refused(&["--pid", &pid, "--workers", "self"], 2, &format!("attach to that:\n    --pid {sleeper}"));
    signal(sleeper, Signal::SIGKILL);
    signal(shell.id(), Signal::SIGKILL);
    shell.wait().unwrap();
    assert!(!bench.path().join("reports").exists());
}

#[test]
fn processes_are_found_by_their_command_line() {
    let server = Server::start("none");
    // The port is nobody else's, but it isn't in the command line: the directory of the log is.
    let log = server.bench.path().join("access.log");
    let pattern = format!("tail -f {}", log.display());
    let mut followers: Vec<Child> = (0..2)
        .map(|_| std::process::Command::new("tail").arg("-f").arg(&log).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    let ended = server.attach(&["--match", &pattern, "--for", "3s"]);
    let mut seen: Vec<u64> = ended.events("spawned").iter().map(|e| e["worker"]["pid"].as_u64().unwrap()).collect();
    seen.sort_unstable();
    let mut expected: Vec<u64> = followers.iter().map(|child| u64::from(child.id())).collect();
    expected.sort_unstable();
    assert_eq!(seen, expected, "{}", ended.story());
    // Whose workers are meant isn't clear.
    let unclear = server.attach(&["--match", &pattern, "--workers", "children"]);
    assert!(unclear.code == Some(2) && unclear.stderr.contains("2 processes match"), "{}", unclear.story());
    for follower in &mut followers {
        follower.kill().unwrap();
        follower.wait().unwrap();
    }
}

#[test]
fn a_control_group_is_watched_with_its_memory() {
    let server = Server::start("malloc");
    let name = format!("seepage-attach-test-{}", std::process::id());
    let places = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map(|place| std::path::Path::new(place).join(&name));
    // Needs the right to make groups; who hasn't got it can't test this.
    let Some(group) = places.iter().find(|place| std::fs::create_dir(place).is_ok()) else { return };
    let whole = [vec![server.parent.id()], server.workers()].concat();
    let moved = whole.iter().try_for_each(|pid| std::fs::write(group.join("cgroup.procs"), pid.to_string()));
    let seen = moved.is_ok().then(|| {
        let ended = server.attach(&["--cgroup", &name, "--warm-up", "0s", "--for", FOR]);
        let all = server.attach(&["--cgroup", &name, "--workers", "descendants", "--for", "1s"]);
        let unclear = server.attach(&["--cgroup", &name, "--workers", "children"]);
        let parent = server.attach(&["--pid", &server.parent.id().to_string(), "--for", "1s"]);
        let helper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        std::fs::write(group.join("cgroup.procs"), helper.id().to_string()).unwrap();
        let beside = server.attach(&["--pid", &server.parent.id().to_string(), "--for", "1s"]);
        let mut helper = helper;
        helper.kill().and_then(|()| helper.wait()).unwrap();
        let told = format!("PID {} (sleep) is in the target's control group", helper.id());
        assert!(!parent.stdout.contains("target's control group"), "{}", parent.story());
        assert!(beside.stdout.contains(&told), "{}", beside.story());
        let spawned = [&ended, &all].map(|ended| ended.events("spawned").len());
        (ended.story(), (ended.code, unclear.code), spawned, ended.read("host.jsonl"))
    });
    drop(server);
    std::fs::remove_dir(group).unwrap();
    let Some((story, code, spawned, host)) = seen else { return };
    assert_eq!((code, spawned), ((Some(10), Some(2)), [2, 3]), "{story}");
    assert!(host.lines().all(|line| line.contains("\"cgroup_memory\":")), "{host}");
}
