//! The faulty Apache module does what its comment says: without the harness, on one child of a real Apache.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SMALL: usize = 10_000;
const BIG: usize = 1_200_000;
const PATIENCE: Duration = Duration::from_secs(30);

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/apache").join(file)
}

fn apache(work_dir: &Path, port: u16, mode: &str) -> Command {
    let link = work_dir.join(".libs");
    if !link.exists() {
        std::os::unix::fs::symlink(crate::common::apache_modules(), link).unwrap();
    }
    // A session of its own: on SIGTERM, Apache signals its whole process group.
    let mut command = Command::new("setsid");
    command.arg("/usr/sbin/apache2").arg("-f").arg(example("httpd.conf")).env_clear();
    command.env("WORK_DIR", work_dir).env("PORT", port.to_string()).env("MODE", mode);
    command.env("CHILDREN", "1").env("CONNECTIONS_PER_CHILD", "0");
    command
}

/// An Apache with one child.
struct Apache {
    process: Child,
    port: u16,
    work_dir: TempDir,
}

impl Apache {
    fn start(mode: &str) -> Self {
        let work_dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let errors = fs::File::create(work_dir.path().join("stderr")).unwrap();
        let mut command = apache(work_dir.path(), port, mode);
        let process = command.arg("-DFOREGROUND").stdin(Stdio::null()).stderr(errors).spawn().unwrap();
        let server = Apache { process, port, work_dir };
        wait_until("Apache listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    fn connect(&self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        BufReader::new(stream)
    }

    fn upload(&self, count: usize, bytes: usize) {
        let mut connection = self.connect();
        let mut request = format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {bytes}\r\n\r\n").into_bytes();
        request.resize(request.len() + bytes, b'x');
        for _ in 0..count {
            connection.get_mut().write_all(&request).unwrap();
            assert_eq!(read_answer(&mut connection), 200);
        }
    }

    fn break_off(&self, count: usize) {
        for _ in 0..count {
            let mut connection = self.connect();
            connection
                .get_mut()
                .write_all(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9000\r\n\r\nbegun")
                .unwrap();
        }
        // The only child has worked through all of them when it answers.
        let mut connection = self.connect();
        connection.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        assert_eq!(read_answer(&mut connection), 200);
    }

    fn child(&self) -> u32 {
        let pid = self.process.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn anonymous_bytes(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child())).unwrap();
        let kib = |key: &str| -> f64 {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        1024.0 * (kib("RssAnon:") + kib("VmSwap:"))
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child())).unwrap().count()
    }

    fn files_in_shared_memory(&self) -> usize {
        let prefix = format!("seepage-upload-{}-", self.process.id());
        let names = fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(&prefix)).count()
    }

    fn stop(&mut self) {
        let group = Pid::from_raw(self.process.id() as i32);
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            let _ = killpg(group, signal);
            let asked = Instant::now();
            while asked.elapsed() < Duration::from_secs(10) {
                if self.process.try_wait().unwrap().is_some() {
                    return;
                }
                sleep(Duration::from_millis(10));
            }
        }
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            let errors = fs::read_to_string(self.work_dir.path().join("stderr")).unwrap_or_default();
            eprintln!("Apache said:\n{errors}");
        }
    }
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Reads an answer to its end and returns its status.
fn read_answer(connection: &mut BufReader<TcpStream>) -> u16 {
    let mut line = String::new();
    connection.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut length = 0;
    loop {
        line.clear();
        connection.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).unwrap();
    status
}

/// Bytes that the child's anonymous memory grows by for each of `count` uploads.
fn growth(server: &Apache, count: usize, load: impl Fn(usize)) -> f64 {
    let before = server.anonymous_bytes();
    load(count);
    (server.anonymous_bytes() - before) / count as f64
}

/// What the allocator does of itself in so short a test, in bytes per upload.
const NOISE: f64 = 200.0;

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= NOISE, "{found} bytes per upload, not {expected}");
}

#[test]
fn modes_that_keep_memory_keep_what_they_say() {
    for (mode, bytes) in [("none", 0.0), ("malloc", 4112.0), ("pool", 8192.0)] {
        let server = Apache::start(mode);
        server.upload(50, SMALL);
        assert_near(growth(&server, 500, |count| server.upload(count, SMALL)), bytes);
    }
}

#[test]
fn modes_with_a_condition_keep_nothing_without_it() {
    let abort = Apache::start("abort");
    abort.upload(50, SMALL);
    abort.break_off(50);
    assert_near(growth(&abort, 500, |count| abort.upload(count, SMALL)), 0.0);
    assert_near(growth(&abort, 200, |count| abort.break_off(count)), 4112.0);

    let big = Apache::start("big");
    big.upload(50, SMALL);
    assert_near(growth(&big, 500, |count| big.upload(count, SMALL)), 0.0);
    assert_near(growth(&big, 200, |count| big.upload(count, BIG)), 4112.0);
}

#[test]
fn modes_without_a_leak_come_to_rest() {
    for mode in ["churn", "warm", "cow"] {
        let server = Apache::start(mode);
        server.upload(600, SMALL);
        assert_near(growth(&server, 500, |count| server.upload(count, SMALL)), 0.0);
    }
}

#[test]
fn descriptors_are_kept_one_by_one() {
    let server = Apache::start("fd");
    server.upload(10, SMALL);
    let before = server.descriptors();
    server.upload(100, SMALL);
    // The connection itself may be open or closed at either time.
    assert!((99..=101).contains(&(server.descriptors() - before)));
}

#[test]
fn files_in_shared_memory_go_when_the_server_does() {
    let mut server = Apache::start("shm");
    server.upload(20, SMALL);
    assert_eq!(server.files_in_shared_memory(), 20);
    server.stop();
    assert_eq!(server.files_in_shared_memory(), 0);
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_unknown_mode_is_refused_before_the_start() {
    let work_dir = tempfile::tempdir().unwrap();
    let output = apache(work_dir.path(), 1, "mallok").arg("-t").output().unwrap();
    assert!(!output.status.success());
    let message = stderr(&output);
    assert!(message.contains("unknown mode 'mallok'; known are none, malloc, pool, fd, abort"), "{message}");
}

#[test]
fn a_machine_without_apxs_is_told_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    for tool in ["dirname", "mkdir"] {
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(tool), bin.join(tool)).unwrap();
    }
    let output = Command::new(example("build.sh")).arg(folder.path().join("out")).env("PATH", &bin).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("apt-get install apache2-dev"), "{}", stderr(&output));
}
