//! The preload library where it isn't safe: it stands aside, or takes care, and the program runs as it does without.
//!
//! Needs what `scripts/setup-tests.sh` installs.

use super::traced::{Running, Traced, built, heap, installed, same_with_and_without, sought};
use crate::common::{Bench, PATIENCE, wait_until};
use seepage::probe::{Snapshot, Untraced};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// The program of `tests/end_to_end/preload/aside.c`, built with these arguments too.
fn program(arguments: &[&str]) -> std::path::PathBuf {
    built("aside.c", arguments)
}

/// Blocks of the size that the program keeps, and how many of them have a stack of at least two frames.
fn kept(snapshot: &Snapshot) -> (usize, usize) {
    let kept: Vec<_> = snapshot.live.iter().filter(|live| (1000..1040).contains(&live.sampled)).collect();
    let walked = |stack: Option<u32>| stack.is_some_and(|stack| snapshot.stacks[stack as usize].frames.len() >= 3);
    (kept.len(), kept.iter().filter(|live| walked(live.stack)).count())
}

#[test]
fn coroutines_on_stacks_of_4_kib_are_sampled_with_their_stacks() {
    let program = program(&[]);
    // At the second mean the very first sample comes in a coroutine, with all that is bound then.
    for mean in [1, 300_000] {
        let mut worker = Traced::start(&program, &["coroutine"], mean, &[]);
        let (pid, _) = worker.mark();
        let snapshot = worker.probe(pid).snapshot().unwrap();
        let (kept, walked) = kept(&snapshot);
        assert!(kept == walked && (mean > 1 || kept == 2000), "{walked} of {kept}");
        assert!(snapshot.lost.is_whole() && snapshot.lost.stacks == 0, "{:?}", snapshot.lost);
        assert_eq!(snapshot.lost.samples, 0);
    }
}

#[test]
fn coroutines_in_threads_run_as_without_the_library() {
    let ended = same_with_and_without(&program(&[]), &["coroutines"], &[]);
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "done\n");
}

#[test]
fn a_signal_handler_on_a_stack_of_its_own_is_sampled_there() {
    let mut worker = Traced::start(program(&[]), &["handler"], 1, &[]);
    let (pid, _) = worker.mark();
    assert_eq!(kept(&worker.probe(pid).snapshot().unwrap()), (2000, 2000));
}

#[test]
fn strict_seccomp_forbids_nothing_that_a_sample_needs() {
    let ended = same_with_and_without(&program(&[]), &["strict"], &[]);
    assert_eq!((ended.status.code(), &*String::from_utf8_lossy(&ended.stdout)), (Some(0), "done\n"));
}

#[test]
fn looking_names_up_leaves_no_error_behind() {
    let ended = same_with_and_without(&program(&[]), &["errors"], &[]);
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "no error\n");
}

/// A program under this sanitizer runs and finds what it finds without the library, and is told as left alone.
fn sanitizer_is_left_alone(arguments: &[&str], finds: Option<&str>) {
    let program = program(arguments);
    let ended = same_with_and_without(&program, &["churn"], &[]);
    assert_eq!((ended.status.code(), &*String::from_utf8_lossy(&ended.stdout)), (Some(0), "done\n"), "{ended:?}");
    let (_directory, library, environment) = installed(4 << 10);
    if let Some(finds) = finds {
        let ended = Command::new(&program).arg("broken").envs(&environment).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains(finds), "{ended:?}");
    }
    let mut command = Command::new(&program);
    command.arg("wait").envs(environment).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut worker = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(worker.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(sought(worker.id(), &library).unwrap_err(), Untraced::Sanitized);
    drop(worker.stdin.take());
    assert!(worker.wait().unwrap().success());
}

#[test]
fn address_sanitizer_starts_and_is_left_alone() {
    sanitizer_is_left_alone(&["-fsanitize=address"], Some("AddressSanitizer: heap-use-after-free"));
}

#[test]
fn address_sanitizer_starts_with_options_of_its_own_too() {
    // As of a wrapper, which doesn't know of the library.
    let options = [("ASAN_OPTIONS", "detect_leaks=0")];
    for arguments in [&["-fsanitize=address"][..], &["-fsanitize=address", "-static-libasan"]] {
        let ended = same_with_and_without(&program(arguments), &["churn"], &options);
        assert!(ended.status.success(), "{ended:?}");
    }
}

#[test]
fn a_program_of_another_c_library_runs_as_without_however_it_is_started() {
    let specs = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|e| e.path().join("musl-gcc.specs"));
    let specs = specs.into_iter().find(|specs| specs.exists()).expect("musl, which scripts/setup-tests.sh installs");
    let program = built("plain.c", &["-specs", specs.to_str().unwrap()]);
    let ended = same_with_and_without(&program, &[], &[]);
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "done\n", "{ended:?}");
    let script =
        format!("LD_PRELOAD=\"$LD_PRELOAD\" {0}; sh -c \"LD_PRELOAD=$LD_PRELOAD /bin/true\"", program.display());
    let ended = same_with_and_without(Path::new("/bin/sh"), &["-c", &script], &[]);
    assert_eq!((&*ended.stderr, &*ended.stdout), (&b""[..], &b"done\n"[..]), "{ended:?}");
}

#[test]
fn thread_sanitizer_starts_and_is_left_alone() {
    sanitizer_is_left_alone(&["-fsanitize=thread"], Some("ThreadSanitizer: heap-use-after-free"));
}

#[test]
fn leak_sanitizer_starts_and_is_left_alone() {
    sanitizer_is_left_alone(&["-fsanitize=leak"], None);
}

#[test]
fn a_sanitizer_that_is_linked_into_the_program_runs_as_without() {
    for arguments in [["-fsanitize=address", "-static-libasan"], ["-fsanitize=thread", "-static-libtsan"]] {
        same_with_and_without(&program(&arguments), &["churn"], &[]);
    }
}

/// What compiles code at run time, calls the C library from it, and keeps memory.
const LUA: &str = "
local ffi = require('ffi')
ffi.cdef [[void *malloc(size_t); void free(void *); int getpid(void);]]
local kept = {}
local function work(keep)
  for i = 1, 200000 do ffi.C.free(ffi.C.malloc(100 + i % 1000)) end
  for i = 1, 2000 do kept[#kept + 1] = string.rep('x', i) end
  for i = 1, keep do ffi.C.malloc(1000) end
end
local function mark(value) print(ffi.C.getpid() .. ' ' .. value) io.flush() io.read() end
work(0)
mark(0)
work(3000)
mark(3000)";

#[test]
fn luajit_runs_and_is_sampled_with_its_stacks() {
    let script = LUA.replace("ffi.C.getpid()", "'same'");
    let ended = same_with_and_without(Path::new("/usr/bin/luajit"), &["-e", &script], &[]);
    assert!(ended.status.success(), "{ended:?}");
    let mut lua = Traced::start("/usr/bin/luajit", &["-e", LUA], 4 << 10, &[]);
    let (pid, _) = lua.mark();
    let before = lua.counts(pid);
    lua.go_on();
    let (_, asked) = lua.mark();
    let after = lua.counts(pid);
    assert!(after.blocks - before.blocks >= asked && after.live - before.live >= asked * 1000, "{before:?} {after:?}");
    let snapshot = lua.probe(pid).snapshot().unwrap();
    let (kept, _) = kept(&snapshot);
    assert!(kept > 10 && snapshot.lost.is_whole() && snapshot.lost.stacks == 0, "{kept}, {:?}", snapshot.lost);
    assert!(snapshot.live.iter().all(|live| live.stack.is_some()));
}

/// An answer of nginx, or what went wrong.
fn get(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn nginx_that_loads_luajit_later_serves() {
    let bench = Bench::new();
    let at = bench.path().display();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {at}/{name};"))
        .concat();
    let modules = "/usr/lib/nginx/modules";
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let conf = bench.write(
        "nginx.conf",
        &format!(
            "load_module {modules}/ndk_http_module.so; load_module {modules}/ngx_http_lua_module.so; {user}
            daemon off; worker_processes 1; error_log {at}/error.log; pid {at}/pid; events {{ }}
            http {{ access_log off; {temporary} lua_package_path '/usr/share/lua/5.1/?.lua;;';
            server {{ listen 127.0.0.1:{port}; location / {{ content_by_lua_block {{
                local kept = {{}}
                for i = 1, 20000 do kept[i % 500 + 1] = string.rep('x', i % 3000) end
                ngx.say(#table.concat(kept, ',')) }} }} }} }}"
        ),
    );
    let (_directory, library, environment) = installed(4 << 10);
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-p").arg(bench.path()).arg("-c").arg(conf).envs(environment).stderr(Stdio::null());
    let server = Running::start(&mut command);
    wait_until("nginx", || get(port).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")));
    let worker = server.children()[0];
    for _ in 0..100 {
        assert!(get(port).unwrap().ends_with("\r\n875749\n"));
    }
    assert_eq!(server.children(), [worker], "a worker died");
    let snapshot = heap(worker, &library).expect("the library in it").snapshot().unwrap();
    let deep =
        snapshot.live.iter().filter(|live| live.stack.is_some_and(|at| snapshot.stacks[at as usize].frames.len() > 10));
    assert!(snapshot.lost.stacks == 0 && deep.count() > 0, "{:?}", snapshot.lost);
}
