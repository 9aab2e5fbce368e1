//! `--heap` where something is in its way: it is always told, and the run is never lost.
//!
//! Needs the compiler and `objcopy` that `scripts/setup-tests.sh` installs.

use crate::common::{Bench, Demo, wait_until};
use crate::preload::traced::built;
use nix::sys::signal::Signal;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The demonstration server, traced, with this in place of how it is started.
fn demo(bench: &Bench, command: &str, length: &str) -> PathBuf {
    let more = "[heap]\nmode = 'preload'";
    let file = Demo { rate: 50, warm_up: length, soak: length, more, ..Demo::default() }.write(bench);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(r#""${seepage}", "demo-server""#, command)).unwrap();
    file
}

/// A library that keeps memory, with its debug information or without.
fn keeper(bench: &Bench, debug: bool) -> PathBuf {
    let arguments = ["-shared", "-fPIC", "-Wl,--build-id=none", if debug { "-g" } else { "-g0" }];
    let made = built("keeper.c", &arguments);
    let library = bench.path().join("keeper.so");
    std::fs::copy(made, &library).unwrap();
    library
}

/// Says in the library that its debug information is in a file of this name beside it.
fn link_debug_information(bench: &Bench, library: &Path, name: &str) {
    // The name, filled up to a multiple of four, and a checksum.
    let mut link = format!("{name}\0").into_bytes();
    link.resize(link.len().next_multiple_of(4) + 4, 0);
    let section = bench.path().join("link");
    std::fs::write(&section, link).unwrap();
    let added = format!(".gnu_debuglink={}", section.display());
    let status = Command::new("objcopy").args(["--add-section", &added]).arg(library).status();
    assert!(status.expect("objcopy, which scripts/setup-tests.sh installs").success());
}

/// A server whose own debug information takes no time to read, with this library in it.
fn server(bench: &Bench, library: &Path, soak: &str) -> PathBuf {
    let text = format!(
        r#"
name = "keeper"
[target]
command = ["/usr/bin/python3", "-m", "http.server", "${{port}}", "--bind", "127.0.0.1"]
workers = "self"
env = {{ LD_PRELOAD = '{}' }}
ready = {{ http = "http://127.0.0.1:${{port}}/" }}
[workload]
base-url = ["http://127.0.0.1:${{port}}"]
rate = "20/s"
[[workload.step]]
name = "list"
path = "/"
[[phase]]
kind = "warm-up"
duration = "1s"
[[phase]]
kind = "soak"
duration = "{soak}"
[heap]
mode = "preload"
mean = "1 KiB"
"#,
        library.display()
    );
    bench.write("harness.toml", &text)
}

/// Runs a server with this library in it; it comes to its end, names functions, and says what couldn't
/// be read.
fn expect_told(bench: &Bench, library: &Path, soak: &str, told: &str) {
    let ended = bench.run(&server(bench, library, soak), &["--quiet", "--stop", "planned"]);
    assert!(matches!(ended.code, Some(0 | 10 | 11)), "{}", ended.story());
    let events = ended.read("events.jsonl");
    let named = format!("code could not be named in full in {} ({told}", library.display());
    assert!(events.contains(&named), "{named}: {}", ended.story());
    let heap = ended.read("heap.jsonl");
    assert!(heap.contains("\"function\":\"keep_this\"") && !heap.contains("keeper.c"), "{}", ended.story());
}

#[test]
fn debug_information_in_a_fifo_is_given_up() {
    let bench = Bench::new();
    let library = keeper(&bench, false);
    link_debug_information(&bench, &library, "fifo.debug");
    nix::unistd::mkfifo(&bench.path().join("fifo.debug"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    expect_told(&bench, &library, "25s", "no lines: reading it was given up after");
}

#[test]
fn debug_information_of_twenty_gigabytes_is_not_read() {
    let bench = Bench::new();
    let library = keeper(&bench, false);
    link_debug_information(&bench, &library, "sparse.debug");
    let sparse = File::create(bench.path().join("sparse.debug")).unwrap();
    // A file system that can't hold such a file can't hang anybody with it.
    if sparse.set_len(20 << 30).is_ok() {
        expect_told(&bench, &library, "8s", "no lines: its debug information could not be read");
    }
}

/// Makes a line table (DWARF 5, section 6.2.4) say that it has no files, to which its lines refer nevertheless.
fn forget_files(table: &mut [u8]) {
    assert_eq!(table[4], 5, "version of DWARF");
    // After the lengths of the standard opcodes: how directories are written (pairs), how many there are, each in four bytes.
    let opcodes = usize::from(table[17]) - 1;
    let directories = 18 + opcodes;
    let count = directories + 1 + 2 * usize::from(table[directories]);
    // The same of files.
    let files = count + 1 + 4 * usize::from(table[count]);
    let count = files + 1 + 2 * usize::from(table[files]);
    assert!((1..100).contains(&table[count]), "files of the table: {}", table[count]);
    table[count] = 0;
}

#[test]
fn a_byte_of_debug_information_that_its_reader_panics_on_is_told() {
    let bench = Bench::new();
    let library = keeper(&bench, true);
    let table = bench.path().join("table");
    let objcopy = |option: &str| {
        let section = format!(".debug_line={}", table.display());
        assert!(Command::new("objcopy").args([option, &section]).arg(&library).status().unwrap().success());
    };
    objcopy("--dump-section");
    let mut bytes = std::fs::read(&table).unwrap();
    forget_files(&mut bytes);
    std::fs::write(&table, bytes).unwrap();
    objcopy("--update-section");
    expect_told(&bench, &library, "8s", "no lines: its debug information could not be read");
}

/// PIDs of namers of this bench's runs.
fn namers(bench: &Bench) -> Vec<u32> {
    let ours = format!("TMPDIR={}", bench.path().display());
    let is_ours = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|text| String::from_utf8_lossy(&text).contains(&ours))
    };
    crate::common::processes("namer-of-a-seepage-run").into_iter().filter(is_ours).collect()
}

#[test]
fn a_namer_that_hangs_ends_with_a_harness_that_is_killed() {
    let bench = Bench::new();
    let library = keeper(&bench, false);
    link_debug_information(&bench, &library, "fifo.debug");
    nix::unistd::mkfifo(&bench.path().join("fifo.debug"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut run = bench.start(&server(&bench, &library, "60s"), &["--quiet"]);
    wait_until("a namer", || !namers(&bench).is_empty());
    crate::common::signal(run.id(), Signal::SIGKILL);
    run.wait().unwrap();
    wait_until("the end of the namer", || namers(&bench).is_empty());
    wait_until("the end of the target", || crate::common::processes(&bench.path().display().to_string()).is_empty());
}

#[test]
fn a_run_too_short_to_look_twice_says_that_nothing_was_traced() {
    let bench = Bench::new();
    let cleared = r#""/usr/bin/env", "-u", "LD_PRELOAD", "${seepage}", "demo-server""#;
    let file = demo(&bench, cleared, "300ms");
    let ended = bench.run(&file, &["--quiet"]);
    assert!(ended.read("events.jsonl").contains("allocations of 2 workers are not traced"), "{}", ended.story());
}

#[test]
fn a_directory_from_which_nothing_may_be_run_is_told_before_anything_starts() {
    if !nix::unistd::geteuid().is_root() {
        // Only root can mount such a one.
        return;
    }
    let bench = Bench::new();
    let file = demo(&bench, r#""${seepage}", "demo-server""#, "1s");
    let (seepage, at) = (env!("CARGO_BIN_EXE_seepage"), bench.path().display());
    let script = format!(
        "mkdir noexec && mount -t tmpfs -o noexec,size=16m tmpfs noexec &&
        TMPDIR={at}/noexec exec {seepage} run {} --reports {at}/reports",
        file.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).current_dir(bench.path()).stdin(Stdio::null());
    let ended = bench.ended(command.output().unwrap());
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stderr.contains("mounted `noexec`; set TMPDIR"), "{}", ended.story());
    assert!(ended.run.is_none(), "{}", ended.story());
}

#[test]
fn a_target_that_fails_under_the_library_says_that_it_was_there() {
    let bench = Bench::new();
    let fails =
        r#""/bin/sh", "-c", "test -z \"$LD_PRELOAD\" || exit 3; exec \"$0\" \"$@\"", "${seepage}", "demo-server""#;
    let file = demo(&bench, fails, "1s");
    let ended = bench.run(&file, &["--quiet"]);
    assert_eq!(ended.code, Some(21), "{}", ended.story());
    assert!(ended.stdout.contains("under the preload library of --heap"), "{}", ended.story());
    assert!(ended.stdout.contains("run it again without --heap"), "{}", ended.story());
}
