//! The preload library in programs that others wrote: they say the same with it as without, and are counted.
//!
//! Needs what `scripts/setup-tests.sh` installs.

use super::traced::{Running, Traced, built, heap, installed, same_with_and_without, sought};
use crate::common::{Bench, Demo, PATIENCE, wait_until};
use seepage::probe::Untraced;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn shells_that_fork_and_spawn() {
    let script = "for i in 1 2 3; do echo $i | cat; done; x=$(sh -c 'echo inner'); echo $x >&2; (exit 3)";
    assert_eq!(same_with_and_without(Path::new("/bin/sh"), &["-c", script], &[]).status.code(), Some(3));
}

const PYTHON: &str = "
import ctypes, json, os, subprocess, sys, threading
for _ in range(50): ctypes.CDLL('libm.so.6')
def work(n): results[n] = sum(len(str(i)) for i in range(20000))
results = {}
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(json.dumps(results, sort_keys=True), flush=True)
print(subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True, text=True))
print(subprocess.run('echo $((6 * 7)); exit 5', shell=True, capture_output=True, close_fds=False))
pid = os.fork()
if pid == 0: print('child', len([bytes(n) for n in range(3000)]), flush=True); os._exit(4)
print(os.waitpid(pid, 0)[1])
try: bytearray(1 << 60)
except MemoryError: print('no memory')
sys.exit(7)";

#[test]
fn python_with_threads_and_children() {
    let ended = same_with_and_without(Path::new("/usr/bin/python3"), &["-c", PYTHON], &[("PYTHONMALLOC", "malloc")]);
    assert_eq!(ended.status.code(), Some(7), "{ended:?}");
}

#[test]
fn python_is_counted() {
    let script = "
import os, sys
def mark(value): print(os.getpid(), value, flush=True); sys.stdin.readline()
kept = [None] * 3000
mark(0)
for n in range(3000):
    kept[n] = bytes(10000)
    for m in range(20): [x for x in range(50)]
mark(3000 * 10000)";
    let mut python = Traced::start("/usr/bin/python3", &["-c", script], 64 << 10, &[("PYTHONMALLOC", "malloc")]);
    let (pid, _) = python.mark();
    let before = python.counts(pid);
    python.go_on();
    let (_, kept) = python.mark();
    let grown = python.counts(pid).live - before.live;
    // A bytes object has a head of 33 bytes, and the allocator rounds up to 16.
    assert!((kept..kept + 3000 * 64 + 65536).contains(&grown), "{grown} of {kept}");
}

const NODE: &str = "
const { Worker, isMainThread, parentPort } = require('worker_threads');
const { execFileSync, spawnSync } = require('child_process');
const zlib = require('zlib');
const sum = (n) => Array.from({ length: n }, (_, i) => ({ name: 'row ' + i, half: i / 2 })).reduce((s, r) => s + r.half, 0);
const workers = [1, 2, 3].map((n) => new Promise((done) => {
  new Worker('require(\"worker_threads\").parentPort.postMessage([...Array(20000).keys()].map(String).join().length)',
    { eval: true }).on('message', done);
}));
Promise.all(workers).then((lengths) => {
  console.log(lengths, sum(50000), JSON.stringify(JSON.parse('{\"a\":[1,2,3]}')));
  console.log(zlib.gunzipSync(zlib.gzipSync(Buffer.alloc(100000, 'x'))).length);
  console.log(execFileSync('sh', ['-c', 'echo from a shell']).toString());
  console.log(spawnSync(process.execPath, ['-e', 'console.error(6 * 7); process.exit(5)'], { encoding: 'utf8' }).status);
  try { new ArrayBuffer(1e15); } catch (error) { console.log(error.message); }
  process.exit(8);
});";

#[test]
fn node_with_threads_and_children() {
    let ended = same_with_and_without(Path::new("/usr/bin/node"), &["-e", NODE], &[]);
    assert_eq!(ended.status.code(), Some(8), "{ended:?}");
}

#[test]
fn node_is_counted_with_the_heap_of_its_engine() {
    // The engine reserves address space and makes a part of it writable when it needs one.
    let script = "
const fs = require('fs');
function mark(value) { gc(); gc(); fs.writeSync(1, `${process.pid} ${value}\n`); fs.readSync(0, Buffer.alloc(9), 0, 1); }
const objects = [], buffers = [];
function keep(times) {
  for (let n = 0; n < times; n++) {
    objects.push(new Array(200).fill(n + 0.5));
    buffers.push(Buffer.allocUnsafeSlow(1000));
    for (let m = 0; m < 20; m++) [n, m, 'churn'].join();
  }
}
keep(1000);
mark(0);
keep(10000);
mark(10000);";
    let arguments = ["--expose-gc", "--max-semi-space-size=1", "-e", script];
    let mut node = Traced::start("/usr/bin/node", &arguments, 64 << 10, &[]);
    let (pid, _) = node.mark();
    let before = node.counts(pid);
    node.go_on();
    let (_, kept) = node.mark();
    let after = node.counts(pid);
    let (blocks, mapped) = (after.live - before.live, after.mapped as i64 - before.mapped as i64);
    assert!((kept * 1000..kept * 1200).contains(&blocks), "{blocks} for {kept} buffers");
    // 200 doubles and two heads; the engine takes pages of 256 KiB, and may give back some of what it had before.
    let objects = kept as i64 * 1650;
    assert!((objects - (2 << 20)..objects + (6 << 20)).contains(&mapped), "{mapped} for {objects}");
}

#[test]
fn php_on_the_command_line() {
    let script = "$kept = []; for ($i = 0; $i < 2000; $i++) { $kept[] = str_repeat(chr($i % 26 + 65), $i); }
        echo md5(implode('', $kept)), ' ', json_encode(array_map('strlen', array_slice($kept, 0, 5))), \"\\n\";
        try { intdiv(1, 0); } catch (DivisionByZeroError $e) { fwrite(STDERR, $e->getMessage()); }
        echo shell_exec('echo from a shell'); exit(9);";
    for zend in ["0", "1"] {
        let ended =
            same_with_and_without(Path::new("/usr/bin/php8.2"), &["-n", "-r", script], &[("USE_ZEND_ALLOC", zend)]);
        assert_eq!(ended.status.code(), Some(9), "{ended:?}");
    }
}

/// One request to a FastCGI server, and what it answers.
fn fast_cgi(socket: &Path, script: &Path) -> String {
    let record = |kind: u8, content: &[u8]| {
        let length = (content.len() as u16).to_be_bytes();
        [&[1, kind, 0, 1, length[0], length[1], 0, 0], content].concat()
    };
    let script = script.to_str().unwrap();
    let parameters = [("SCRIPT_FILENAME", script), ("REQUEST_METHOD", "GET"), ("CONTENT_LENGTH", "0")];
    let parameters: Vec<u8> = parameters
        .iter()
        .flat_map(|(name, value)| [&[name.len() as u8, value.len() as u8], name.as_bytes(), value.as_bytes()].concat())
        .collect();
    let mut stream = UnixStream::connect(socket).unwrap();
    let begin = record(1, &[0, 1, 0, 0, 0, 0, 0, 0]);
    stream.write_all(&[begin, record(4, &parameters), record(4, &[]), record(5, &[])].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn php_fpm_that_drops_root_is_counted() {
    let bench = Bench::new();
    std::fs::set_permissions(bench.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let at = bench.path().display();
    let script = bench.write("index.php", "<?php echo strlen(str_repeat('x', 50000)), ' bytes';");
    let (_directory, library, environment) = installed(64 << 10);
    let mut answers = Vec::new();
    for variables in [BTreeMap::new(), environment] {
        let conf = bench.write(
            "fpm.conf",
            &format!(
                "[global]\ndaemonize = no\nerror_log = {at}/log\n[www]\nlisten = {at}/socket\nuser = www-data\n\
                 group = www-data\npm = static\npm.max_children = 1\nclear_env = yes\n"
            ),
        );
        let mut command = Command::new("/usr/sbin/php-fpm8.2");
        command.arg("-F").arg("-n").arg("-R").arg("-y").arg(&conf).env("USE_ZEND_ALLOC", "0").envs(&variables);
        let fpm = Running(command.stderr(Stdio::null()).process_group(0).spawn().unwrap());
        let socket = bench.path().join("socket");
        wait_until("a worker", || !fpm.children().is_empty() && UnixStream::connect(&socket).is_ok());
        answers.push(fast_cgi(&socket, &script));
        if !variables.is_empty() {
            let worker = heap(fpm.children()[0], &library).expect("the library in the worker");
            let before = worker.counts().unwrap();
            for _ in 0..100 {
                fast_cgi(&socket, &script);
            }
            let after = worker.counts().unwrap();
            assert!(after.allocated - before.allocated >= 100 * 50_000, "{before:?} {after:?}");
            // It answers first, and gives back what the request used then.
            let live = || worker.counts().unwrap().live;
            wait_until("what a request used to be given back", || live() < before.live + 65_536);
        }
        drop(fpm);
        let _ = std::fs::remove_file(&socket);
    }
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].contains("50000 bytes"), "{}", answers[0]);
}

/// A C++ program, linked with these too, that throws across threads, loads and unloads libraries, and is counted.
fn cpp_is_counted(linked: &[&str]) {
    let program = built("worker.cc", linked);
    let ended = same_with_and_without(&program, &["output"], &[]);
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "24001\n");
    let mut worker = Traced::start(&program, &[], 4 << 10, &[]);
    let (pid, _) = worker.mark();
    let before = worker.counts(pid);
    worker.go_on();
    let (_, kept) = worker.mark();
    assert_eq!(worker.counts(pid).live - before.live, kept);
}

#[test]
fn cpp_throws_across_threads_and_is_counted() {
    cpp_is_counted(&[]);
}

#[test]
fn cpp_whose_operator_new_is_jemallocs_own_is_counted() {
    cpp_is_counted(&["-l:libjemalloc.so.2"]);
}

#[test]
fn c_that_loads_cpp_with_a_library_of_its_own_is_left_alone() {
    // The interpreter is in C; what it loads throws, and catches, by a C++ library that nobody else sees.
    let library = built("worker.cc", &["-shared", "-fPIC", "-static-libstdc++"]);
    let script = format!("import ctypes; ctypes.CDLL('{}').main(2, None)", library.display());
    let ended = same_with_and_without(Path::new("/usr/bin/python3"), &["-c", &script], &[]);
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "24001\n");
}

#[test]
fn a_program_with_an_allocator_linked_into_it_is_told_as_bypassing() {
    let program = built("worker.cc", &["-l:libjemalloc.a"]);
    same_with_and_without(&program, &["output"], &[]);
    let (_directory, library, environment) = installed(4 << 10);
    let mut command = Command::new(program);
    command.envs(environment).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut worker = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(worker.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(sought(worker.id(), &library).err(), Some(Untraced::Bypassed));
    drop(worker.stdin.take());
    worker.wait().unwrap();
}

#[test]
fn rust_is_counted() {
    let bench = Bench::new();
    let (_directory, library, environment) = installed(64 << 10);
    let mut command = bench.seepage();
    command.args(["demo-server", "--port", "0", "--workers", "1", "--fault", "malloc", "--access-log", "access.log"]);
    let mut server = Running(command.envs(environment).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap();
    let upload = |times: u32| {
        for _ in 0..times {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream
                .write_all(b"POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc")
                .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    };
    upload(10);
    let worker = heap(server.children()[0], &library).expect("the library in the worker");
    let before = worker.counts().unwrap().live;
    upload(200);
    let grown = worker.counts().unwrap().live - before;
    // 4 KiB for each upload, in chunks with 8 bytes more; the connections' own memory is given back.
    assert!((200 * 4096..200 * 4200 + 16_384).contains(&grown), "{grown}");
}

/// A connection to redis.
struct Redis(BufReader<UnixStream>);

impl Redis {
    /// Sends a command, and returns its answer's first line, or its body if it has one.
    fn ask(&mut self, words: &[&str]) -> String {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            write!(command, "${}\r\n{word}\r\n", word.len()).unwrap();
        }
        self.0.get_mut().write_all(command.as_bytes()).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let Some(length) = line.strip_prefix('$') else { return line };
        let mut body = vec![0; length.trim().parse::<usize>().unwrap() + 2];
        self.0.read_exact(&mut body).unwrap();
        String::from_utf8_lossy(&body).into_owned()
    }

    fn used(&mut self) -> i64 {
        let info = self.ask(&["INFO", "memory"]);
        info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().parse().unwrap()
    }
}

#[test]
fn redis_counts_the_same_with_jemalloc_inside() {
    let bench = Bench::new();
    let (_directory, library, environment) = installed(64 << 10);
    let mut command = Command::new("/usr/bin/redis-server");
    command.args(["--port", "0", "--unixsocket", "s", "--save", "", "--appendonly", "no"]).current_dir(bench.path());
    let mut server = Running(command.envs(environment).stdout(Stdio::null()).spawn().unwrap());
    let socket = bench.path().join("s");
    wait_until("redis", || UnixStream::connect(&socket).is_ok());
    let mut redis = Redis(BufReader::new(UnixStream::connect(&socket).unwrap()));
    let set = |redis: &mut Redis, from: u32, to: u32| {
        for n in from..to {
            assert_eq!(redis.ask(&["SET", &format!("key:{n}"), &"v".repeat(n as usize % 2000)]), "+OK\r\n");
        }
    };
    set(&mut redis, 0, 500);
    let process = heap(server.0.id(), &library).expect("the library in it");
    let (counted, said) = (process.counts().unwrap().live as i64, redis.used());
    set(&mut redis, 500, 3500);
    let (counted, said) = (process.counts().unwrap().live as i64 - counted, redis.used() - said);
    assert!(said > 2_000_000 && (counted - said).abs() < 65_536, "redis says {said}, counted were {counted}");
    // It forks, and its child writes all of it to a file.
    assert!(redis.ask(&["BGSAVE"]).starts_with('+'));
    wait_until("the end of the save", || redis.ask(&["INFO", "persistence"]).contains("rdb_bgsave_in_progress:0"));
    assert!(redis.ask(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:ok"));
    redis.0.get_mut().write_all(b"*2\r\n$8\r\nSHUTDOWN\r\n$6\r\nNOSAVE\r\n").unwrap();
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
}

#[test]
fn mariadb_counts_the_same() {
    let bench = Bench::new();
    let at = bench.path().display();
    let root = env!("CARGO_MANIFEST_DIR");
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let installed_to = Command::new("mariadb-install-db")
        .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
        .args([format!("--datadir={at}/data"), format!("--user={user}")])
        .output();
    let made = installed_to.expect("mariadb-server-core, which scripts/setup-tests.sh installs");
    assert!(made.status.success(), "{made:?}");
    let (_directory, library, environment) = installed(64 << 10);
    let mut command = Command::new("/usr/sbin/mariadbd");
    command.arg(format!("--defaults-file={root}/examples/mariadb/my.cnf"));
    command.args([format!("--datadir={at}/data"), format!("--socket={at}/s"), format!("--user={user}")]);
    let mut server = Running(command.envs(environment).stderr(Stdio::null()).spawn().unwrap());
    wait_until("mariadb", || UnixStream::connect(bench.path().join("s")).is_ok());
    // Statements are prepared and kept; the server says how much its sessions use, in bytes of its own.
    let script = format!(
        "import sys; sys.path.insert(0, '{root}/examples/mariadb')
import load
load.prepare(load.Connection('{at}/s'))
client = load.Connection('{at}/s')
for round in range(3):
    row, = client.query(\"SHOW GLOBAL STATUS LIKE 'Memory_used'\")
    print({}, int(row[2 + row[0]:]), flush=True); sys.stdin.readline()
    for n in range(300): client.prepare(f'SELECT * FROM shop.item WHERE id = {{n}} + ?')
",
        server.0.id()
    );
    let mut client = Command::new("/usr/bin/python3");
    client.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = client.spawn().unwrap();
    let (mut orders, mut marks) = (client.stdin.take().unwrap(), BufReader::new(client.stdout.take().unwrap()));
    let process = heap(server.0.id(), &library).expect("the library in it");
    let levels = [(); 3].map(|()| {
        let mut line = String::new();
        marks.read_line(&mut line).unwrap();
        let said: i64 = line.split_whitespace().nth(1).unwrap_or_else(|| panic!("no mark: {line:?}")).parse().unwrap();
        let counted = process.counts().unwrap().live as i64;
        orders.write_all(b"\n").unwrap();
        (said, counted)
    });
    assert!(client.wait().unwrap().success());
    // The first round fills caches.
    let (said, counted) = (levels[2].0 - levels[1].0, levels[2].1 - levels[1].1);
    assert!(said > 5_000_000 && (counted - said).abs() < 262_144, "the server says {said}, counted were {counted}");
    crate::common::signal(server.0.id(), nix::sys::signal::Signal::SIGTERM);
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
}

#[test]
fn workers_without_the_library_are_told_as_not_traced() {
    let bench = Bench::new();
    let file =
        Demo { rate: 50, warm_up: "1s", soak: "4s", more: "[heap]\nmode = 'preload'", ..Demo::default() }.write(&bench);
    let text = std::fs::read_to_string(&file).unwrap();
    let cleared = r#""/usr/bin/env", "-u", "LD_PRELOAD", "${seepage}", "demo-server""#;
    std::fs::write(&file, text.replace(r#""${seepage}", "demo-server""#, cleared)).unwrap();
    let ended = bench.run(&file, &["--quiet"]);
    let told = ended.read("events.jsonl");
    assert!(told.contains("allocations of 2 workers are not traced"), "{}", ended.story());
    assert!(told.contains("a static, musl, Go or set-user-id program"), "{}", ended.story());
}

#[test]
fn a_static_program_is_left_alone() {
    let program = built("worker.c", &["-static", "-Wl,--no-warnings"]);
    let (_directory, library, environment) = installed(4 << 10);
    let mut command = Command::new(program);
    command.arg("forked").envs(environment).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut worker = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(worker.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(heap(worker.id(), &library).is_none());
    drop(worker.stdin.take());
    worker.wait().unwrap();
}

#[test]
fn a_set_user_id_program_is_left_alone() {
    if !nix::unistd::geteuid().is_root() {
        // Only root can make one of another user than itself.
        return;
    }
    let (directory, library, environment) = installed(4 << 10);
    let program = directory.path().join("worker");
    std::fs::copy(built("worker.c", &[]), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    let mut command = Command::new(&program);
    command.arg("forked").envs(environment).uid(65534).gid(65534).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut worker = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(worker.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    assert!(heap(worker.id(), &library).is_none());
    drop(worker.stdin.take());
    let mut errors = String::new();
    worker.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    worker.wait().unwrap();
    assert_eq!(errors, "");
}
