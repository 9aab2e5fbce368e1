//! The demonstration server does what its faults say, and nothing else, as seen from outside.

use crate::common::{Bench, signal, wait_until};
use nix::sys::signal::Signal;
use seepage::config::{PhaseConfig, WorkloadConfig};
use seepage::model::WorkloadSummary;
use seepage::workload::{Counters, Driver};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;

use std::process::{Child, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// Memory that a worker may win or lose without a fault: pages of its stack, of its data, of the allocator; and what the
/// kernel's counters haven't summed up yet, some dozens of pages for each CPU.
const SLACK: i64 = 512 << 10;

/// A demonstration server with two workers.
struct Demo {
    bench: Bench,
    parent: Child,
    url: String,
}

impl Demo {
    fn start(arguments: &[&str]) -> Demo {
        let bench = Bench::new();
        let mut command = bench.seepage();
        command.args(["demo-server", "--port", "0", "--workers", "2", "--access-log", "access.log"]);
        let mut parent = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap();
        Demo { bench, url: format!("http://{address}"), parent }
    }

    /// Sends this many requests of a step, over new connections again and again so that both workers get some.
    fn send(&self, requests: u64, step: &str) -> WorkloadSummary {
        let config: WorkloadConfig = format!(
            "base-url = ['{}']\nconcurrency = 2\nrequests-per-connection = 20\n[[step]]\nname = 'only'\n{step}",
            self.url
        )
        .parse()
        .unwrap();
        let phase: PhaseConfig = format!("kind = 'soak'\nrequests = {requests}").parse().unwrap();
        let counters = Arc::new(Counters::new(&config));
        let mut driver = Driver::new(&config, Instant::now(), counters, mpsc::channel().0).unwrap();
        driver.run(&phase, &|| 2, &AtomicBool::new(false));
        driver.summary().unwrap()
    }

    fn upload(&self, requests: u64) -> WorkloadSummary {
        self.send(requests, UPLOAD)
    }

    fn workers(&self) -> Vec<u32> {
        let pid = self.parent.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    /// The sum over the workers of a line of `/proc/PID/status`; memory in bytes.
    fn status(&self, key: &str) -> i64 {
        let read = |pid: u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
            let number: i64 = line.split_whitespace().next().unwrap().parse().unwrap();
            if line.ends_with("kB") { number * 1024 } else { number }
        };
        self.workers().into_iter().map(read).sum()
    }

    fn descriptors(&self) -> i64 {
        let count = |pid: u32| std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as i64;
        self.workers().into_iter().map(count).sum()
    }

    /// Lines of the access log.
    fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.bench.path().join("access.log")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// How far anonymous memory grows over `work`, after the server has warmed up.
    fn growth(&self, work: impl FnOnce()) -> i64 {
        self.send(100, "path = '/'");
        let before = self.status("RssAnon");
        work();
        self.status("RssAnon") - before
    }

    /// The file without a name that the parent has open in shared memory.
    fn shm_file(&self) -> std::fs::Metadata {
        let opened = std::fs::read_dir(format!("/proc/{}/fd", self.parent.id())).unwrap().flatten();
        let mut opened = opened.map(|entry| entry.path());
        let shm = opened.find(|fd| std::fs::read_link(fd).is_ok_and(|to| to.starts_with("/dev/shm"))).unwrap();
        std::fs::metadata(shm).unwrap()
    }

    /// Stops the parent by this signal and returns its exit code.
    fn stop(&mut self, how: Signal) -> Option<i32> {
        signal(self.parent.id(), how);
        self.parent.wait().unwrap().code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Ok(None) = self.parent.try_wait() {
            self.stop(Signal::SIGTERM);
        }
    }
}

const UPLOAD: &str = "path = '/upload'\nmethod = 'POST'\nbody = { random = { uniform = ['1 B', '64 KiB'] } }";
const ABORTED: &str = "path = '/upload'\nmethod = 'POST'\nbody = { random = '64 KiB' }\nabort = { share = '100%' }";

/// Whether a process exists and isn't a zombie that waits for its new parent.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn without_a_fault_memory_is_flat_and_every_request_is_logged() {
    let demo = Demo::start(&[]);
    let growth = demo.growth(|| assert_eq!(demo.upload(3000).ok, 3000));
    assert!(growth.abs() < SLACK, "{growth}");
    let log = demo.log();
    assert_eq!(log.iter().filter(|line| line.contains(" index 200 0")).count(), 100);
    assert_eq!(log.iter().filter(|line| line.contains(" upload 200 ")).count(), 3000);
    let workers = demo.workers();
    for pid in &workers {
        assert!(log.iter().any(|line| line.starts_with(&format!("{pid} "))), "worker {pid} served nothing");
    }
    assert_eq!(workers.len(), 2);
}

#[test]
fn kept_memory_is_that_of_the_uploads() {
    let demo = Demo::start(&["--fault", "malloc", "--keep", "8 KiB"]);
    let growth = demo.growth(|| assert_eq!(demo.upload(1000).ok, 1000));
    assert!((growth - 8_192_000).abs() < SLACK + 1000 * 32, "{growth}");
}

#[test]
fn descriptors_and_threads_are_kept() {
    let demo = Demo::start(&["--fault", "fd"]);
    let before = demo.descriptors();
    let growth = demo.growth(|| assert_eq!(demo.upload(500).ok, 500));
    assert!((demo.descriptors() - before - 500).abs() <= 4 && growth.abs() < SLACK);

    let demo = Demo::start(&["--fault", "thread"]);
    assert_eq!(demo.upload(500).ok, 500);
    let threads = demo.status("Threads");
    assert!((26..=27).contains(&threads), "{threads}");
}

#[test]
fn conditional_faults_wait_for_their_condition() {
    let demo = Demo::start(&["--fault", "abort"]);
    assert!(demo.growth(|| assert_eq!(demo.upload(500).ok, 500)).abs() < SLACK);
    let growth = demo.growth(|| {
        assert_eq!(demo.send(500, ABORTED).aborted, 500);
        wait_until("all aborts are seen", || {
            demo.log().iter().filter(|line| line.contains(" upload-aborted 400 ")).count() == 500
        });
    });
    assert!((growth - 500 * 4096).abs() < SLACK + 500 * 32, "{growth}");

    let demo = Demo::start(&["--fault", "big"]);
    assert!(demo.growth(|| assert_eq!(demo.upload(500).ok, 500)).abs() < SLACK);
    let big = "path = '/upload'\nmethod = 'POST'\nbody = { random = '1100 KiB' }";
    let growth = demo.growth(|| assert_eq!(demo.send(300, big).ok, 300));
    assert!((growth - 300 * 4096).abs() < SLACK, "{growth}");
}

#[test]
fn shared_memory_fills_and_is_given_back_even_by_a_server_that_is_killed() {
    let mut demo = Demo::start(&["--fault", "shm"]);
    let descriptors = demo.descriptors();
    assert_eq!(demo.upload(50).ok, 50);
    assert_eq!(demo.shm_file().len(), 50 * 4096);
    assert!((demo.descriptors() - descriptors).abs() <= 4, "only shared memory grows");
    assert_eq!(demo.shm_file().nlink(), 0, "there is no name that could stay");
    let pool = format!("/proc/{0}/task/{0}/children", demo.parent.id());
    let workers = std::fs::read_to_string(pool).unwrap();
    assert_eq!(demo.stop(Signal::SIGKILL), None);
    for worker in workers.split_whitespace() {
        wait_until("nobody has it open", || !std::path::Path::new("/proc").join(worker).exists());
    }
}

#[test]
fn what_only_looks_like_a_leak_ends() {
    // How long it takes depends on how evenly the workers are served; a leak would never come to its end.
    for (fault, least, uploads) in [("warm", 500 * 4096, 5000), ("churn", 8 << 20, 200)] {
        let demo = Demo::start(&["--fault", fault]);
        let first = demo.growth(|| assert_eq!(demo.upload(uploads).ok, uploads));
        assert!(first > least, "{fault}: {first}");
        wait_until("the growth ends", || {
            demo.growth(|| assert_eq!(demo.upload(uploads).ok, uploads)).abs() < first / 16
        });
    }
    let demo = Demo::start(&["--fault", "cow"]);
    let growth = demo.growth(|| assert_eq!(demo.upload(1500).ok, 1500));
    assert!(growth.abs() < SLACK, "{growth}");
}

#[test]
fn crashed_and_spent_workers_are_replaced() {
    let demo = Demo::start(&["--fault", "crash"]);
    let first = demo.workers();
    demo.upload(1200);
    wait_until("a worker is replaced", || demo.workers().len() == 2 && demo.workers() != first);
    assert_eq!(demo.send(10, "path = '/status'").ok, 10);

    let demo = Demo::start(&["--max-requests", "50"]);
    let first = demo.workers();
    let summary = demo.upload(500);
    assert_eq!((summary.ok, summary.failed), (500, 0), "{summary:?}");
    assert!(first.iter().all(|pid| !demo.workers().contains(pid)));
}

#[test]
fn errors_are_answered_as_such() {
    let demo = Demo::start(&["--fault", "error"]);
    let summary = demo.upload(20);
    assert_eq!((summary.failed, summary.statuses[&500]), (20, 20));
    assert_eq!(demo.send(5, "path = '/nowhere'\nexpect = [404]").ok, 5);
    assert_eq!(demo.send(5, "path = '/upload'\nexpect = [405]").ok, 5);
}

#[test]
fn workers_end_with_their_parent() {
    let mut demo = Demo::start(&[]);
    let workers = demo.workers();
    assert_eq!(demo.stop(Signal::SIGTERM), Some(0));
    assert!(!workers.iter().any(|pid| runs(*pid)));

    let mut demo = Demo::start(&[]);
    let workers = demo.workers();
    assert_eq!(demo.stop(Signal::SIGKILL), None);
    wait_until("the workers end", || !workers.iter().any(|pid| runs(*pid)));
}

/// Whether a process lives and isn't a zombie.
fn lives(pid: &u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn the_workers_end_with_the_server_however_it_ends() {
    for end in [Signal::SIGKILL, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGINT, Signal::SIGTERM] {
        let mut demo = Demo::start(&[]);
        let workers = demo.workers();
        assert_eq!(workers.len(), 2);
        // One that waits for a connection has asked to end with its parent.
        let waits = |pid: &u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
        };
        wait_until("the workers wait", || workers.iter().all(waits));
        // One that is stopped ends as well.
        signal(workers[0], Signal::SIGSTOP);
        signal(demo.parent.id(), end);
        demo.parent.wait().unwrap();
        wait_until(&format!("no worker outlives {end}"), || !workers.iter().any(lives));
    }
}
