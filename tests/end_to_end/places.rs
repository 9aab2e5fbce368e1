//! In which mappings a real process grows, and in what its descriptors refer to: named by `attach`, for each kind of leak.

use crate::common::{Bench, wait_until};
use crate::programs::Running;
use serde_json::Value;
use std::process::{Command, Stdio};

/// A process that keeps some hundred KiB a second, in the way of its first argument.
const LEAKS: &str = r#"
import ctypes, mmap, os, resource, socket, sys, tempfile, threading, time

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
# Few and large, so that a map is soon read.
STEP = 65536
kept = []

def block():
    libc.memset(libc.malloc(STEP), 1, STEP)

def mapped(fd, flags):
    space = mmap.mmap(fd, STEP, flags=flags)
    space.write(b"x" * STEP)
    kept.append(space)

def file(fd, flags):
    os.ftruncate(fd, STEP)
    mapped(fd, flags)
    os.close(fd)

def unlinked():
    fd, name = tempfile.mkstemp(prefix="job-", suffix=".spool", dir=".")
    os.unlink(name)
    return fd

unmapped = os.memfd_create("frames")

def opened():
    kept.append(unlinked())

server = socket.create_server(("127.0.0.1", 0), backlog=100)

def abandoned():
    kept.append(socket.create_connection(server.getsockname()))
    server.accept()[0].close()

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

step = {
    "heap": block,
    "arena": block,
    "anonymous": lambda: mapped(-1, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS),
    "memfd": lambda: file(os.memfd_create("frames"), mmap.MAP_SHARED),
    "unmapped": lambda: os.write(unmapped, b"x" * STEP),
    "deleted": lambda: file(unlinked(), mmap.MAP_PRIVATE),
    "opened": opened,
    "abandoned": abandoned,
}[sys.argv[1]]

def leak():
    while True:
        step()
        time.sleep(0.08)

if sys.argv[1] == "arena":
    threading.Thread(target=leak, daemon=True).start()
    time.sleep(1000)
else:
    leak()
"#;

/// It ends before its directory goes.
struct Leaking {
    child: Running,
    bench: Bench,
}

impl Leaking {
    fn start(way: &str) -> Self {
        let bench = Bench::new();
        let script = bench.write("leaks.py", LEAKS);
        let mut command = Command::new("python3");
        command.arg(script).arg(way).current_dir(bench.path()).stdin(Stdio::null());
        let child = command.spawn().unwrap();
        let maps = format!("/proc/{}/maps", child.id());
        // The program's libraries are loaded, and it has begun.
        wait_until("it leaks", || std::fs::read_to_string(&maps).is_ok_and(|text| text.contains("ctypes")));
        Leaking { child: Running(child), bench }
    }

    /// What is found of the resource that leaks, and all that is printed.
    fn watched(&self, resource: &str) -> (Value, String) {
        let mut command = self.bench.seepage();
        let pid = self.child.id().to_string();
        command.args(["attach", "--pid", &pid, "--workers", "self", "--warm-up", "0s", "--for", "8s", "--reports"]);
        let ended = self.bench.ended(command.arg(self.bench.reports()).output().unwrap());
        assert_eq!(ended.code, Some(10), "{}{}", ended.stdout, ended.stderr);
        let verdict = ended.json("verdict.json");
        let findings = verdict["findings"].as_array().unwrap();
        let finding = findings.iter().find(|finding| finding["resource"] == resource).unwrap();
        (finding.clone(), ended.stdout)
    }
}

#[test]
fn a_memfd_that_nobody_maps_is_no_pass() {
    let Leaking { bench, child } = &Leaking::start("unmapped");
    let mut command = bench.seepage();
    command.args([
        "attach",
        "--pid",
        &child.id().to_string(),
        "--workers",
        "self",
        "--warm-up",
        "0s",
        "--for",
        "15s",
        "--reports",
    ]);
    let ended = bench.ended(command.arg(bench.reports()).output().unwrap());
    assert_eq!(ended.code, Some(11), "{}{}", ended.stdout, ended.stderr);
    let told = "files in memory (memfds, files on tmpfs, System V segments) that the target holds grew from";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
}

/// Whether the place that grows is told, where something leaks in this way.
fn is_told(way: &str, resource: &str, kind: &str, told: &str) {
    let (finding, stdout) = Leaking::start(way).watched(resource);
    let places = &finding["places"];
    let first = &places["places"][0];
    assert_eq!(first["kind"], kind, "{places:#}");
    assert!(first["share"].as_f64().unwrap() > 0.8, "{places:#}");
    // Where the machine stalls, there may be no reading in the middle.
    assert_ne!(first["goes_on"], false, "{places:#}");
    let number = |value: &Value| value.as_f64().unwrap();
    let told_bytes: f64 = places["places"].as_array().unwrap().iter().map(|place| number(&place["grown_bytes"])).sum();
    let all = told_bytes + number(&places["rest_bytes"]);
    assert!((all - number(&places["grown_bytes"])).abs() < 1.0, "{places:#}");
    assert!(stdout.contains(&format!("grows in {told}")), "{stdout}");
}

#[test]
fn what_malloc_takes_is_in_the_heap() {
    is_told("heap", "memory", "heap", "[heap] (");
}

#[test]
fn what_a_thread_takes_from_malloc_is_in_an_arena() {
    is_told("arena", "memory", "arena", "malloc's arenas of threads (");
}

#[test]
fn what_is_mapped_is_in_anonymous_mappings_though_they_merge() {
    is_told("anonymous", "memory", "anonymous", "anonymous mappings");
}

#[test]
fn what_is_written_to_a_memfd_is_told_by_its_name() {
    is_told("memfd", "shared", "memfd", "memfd `frames` (");
}

#[test]
fn files_that_were_deleted_are_told_as_such() {
    is_told("deleted", "memory", "deleted", "deleted files");
}

/// What the descriptors that leak in this way refer to, as it is told.
fn held(way: &str) -> (Value, String) {
    let (finding, stdout) = Leaking::start(way).watched("descriptors");
    let first = finding["held"]["groups"][0].clone();
    assert!(first["grown"].as_f64().unwrap() > 0.8 * finding["held"]["grown"].as_f64().unwrap(), "{finding:#}");
    (first, stdout)
}

#[test]
fn sockets_that_are_never_closed_are_told_by_their_peer() {
    let (group, stdout) = held("abandoned");
    assert_eq!((&group["kind"], group["close_wait"] == group["last"]), (&Value::from("outgoing"), true), "{group:#}");
    let told = format!("Descriptors grow in sockets to {} (", group["name"].as_str().unwrap());
    assert!(stdout.contains(&told) && stdout.contains(", all in CLOSE_WAIT"), "{stdout}");
}

#[test]
fn files_that_are_never_closed_are_told_by_their_folder() {
    let (group, stdout) = held("opened");
    assert_eq!(group["kind"], "deleted", "{group:#}");
    assert!(stdout.contains("Descriptors grow in deleted files below `"), "{stdout}");
}
