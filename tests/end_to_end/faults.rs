//! Faults under a live run: the verdict is right, or inconclusive or failed with the reason, and the harness ends.

use crate::common::{AT_ONCE, Bench, Demo, Ended, processes, signal};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

/// A run whose target is a Perl program and whose workload is what `workload` says.
fn perl(bench: &Bench, program: &str, target: &str, workload: &str, soak: &str) -> PathBuf {
    let program = bench.write("target.pl", program);
    let text = format!(
        "name = 'faults'\n[target]\ncommand = ['perl', {program:?}, '${{port}}', '${{work_dir}}']\n\
         stop = {{ grace = '1s' }}\n{target}\n{workload}\n\
         [[phase]]\nkind = 'soak'\nduration = '{soak}'\n"
    );
    bench.write("harness.toml", &text)
}

const IDLE: &str = "[workload]\ncommand = ['sleep', '600']";

/// Runs the harness within a limit that a shell sets.
fn run_within(bench: &Bench, limit: &str, file: &Path) -> Ended {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("{limit}; exec \"$@\""), "sh"]).arg(env!("CARGO_BIN_EXE_seepage"));
    command.arg("run").arg(file).arg("--reports").arg(bench.reports());
    command.current_dir(bench.path()).env("TMPDIR", bench.path());
    let harness = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    finish(bench, harness)
}

fn finish(bench: &Bench, harness: Child) -> Ended {
    let ended = bench.ended(harness.wait_with_output().unwrap());
    let marker = bench.path().to_string_lossy().into_owned();
    assert!(processes(&marker).is_empty(), "something was left: {}", ended.story());
    assert!(bench.scratch().is_empty(), "{}", ended.story());
    ended
}

fn assert_harmless(what: &str, text: &str) {
    let harmful = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    assert_eq!(harmful, None, "{what}: {text:?}");
    for tag in ["<img", "<script>alert"] {
        assert!(!text.contains(tag), "{what}: {text}");
    }
}

/// Gives the calling thread, and what it starts, a small file system of its own at `path`; false if it may not. It goes
/// with the last of them, so it can't be left behind.
fn mount_small_disk(path: &std::path::Path) -> bool {
    use nix::mount::{MsFlags, mount};
    // SAFETY: changes only which mounts this thread sees.
    if unsafe { nix::libc::unshare(nix::libc::CLONE_NEWNS) } != 0 {
        return false;
    }
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some("size=1m")).is_ok()
}

#[test]
fn a_full_disk_fails_the_run_and_keeps_what_was_recorded() {
    let bench = Bench::new();
    std::fs::create_dir(bench.reports()).unwrap();
    if !mount_small_disk(&bench.reports()) {
        eprintln!("skipped: mounting a small disk needs root");
        return;
    }
    let file = perl(&bench, "sleep 600", &format!("workers = 'self'\n{AT_ONCE}"), IDLE, "60s");
    let harness = bench.start(&file, &[]);
    let run = bench.recorded();
    // A name that is taken for no run.
    let filler = run.join("filler");
    assert!(std::fs::write(&filler, vec![0; 2 << 20]).is_err());
    let ended = finish(&bench, harness);
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stdout.contains("No space left"), "{}", ended.story());
    assert!(!ended.stdout.contains("is CLEAN"), "{}", ended.story());
    let again = bench.ended(bench.seepage().arg("analyze").arg(&run).output().unwrap());
    assert_eq!(again.code, Some(11), "{}", again.story());
}

#[test]
fn a_run_directory_that_is_removed_ends_the_run_with_the_reason() {
    let bench = Bench::new();
    let file = perl(&bench, "sleep 600", &format!("workers = 'self'\n{AT_ONCE}"), IDLE, "60s");
    let harness = bench.start(&file, &[]);
    std::fs::remove_dir_all(bench.recorded()).unwrap();
    let begun = std::time::Instant::now();
    let ended = finish(&bench, harness);
    assert!(begun.elapsed() < Duration::from_secs(45), "it went on for nothing");
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stdout.contains("removed"), "{}", ended.story());
}

#[test]
fn what_cannot_even_begin_leaves_nothing() {
    let bench = Bench::new();
    for (workload, steps) in [
        ("headers = { authorization = '${env:SEEPAGE_IS_NOT_SET}' }", crate::common::UPLOAD),
        ("", "[[workload.step]]\nname = 'a'\nmethod = 'POST'\npath = '/'\nbody = { file = '${work_dir}/absent' }"),
    ] {
        let ended = bench.run(&Demo { workload, steps, ..Demo::default() }.write(&bench), &["--quiet"]);
        assert_eq!(ended.code, Some(20), "{}", ended.story());
        assert_eq!((ended.run, bench.scratch()), (None, vec![]));
    }
}

#[test]
fn a_target_that_is_stopped_for_a_while_is_no_leak() {
    let bench = Bench::new();
    let harness = bench.start(&Demo::default().write(&bench), &["--quiet"]);
    bench.recorded();
    let servers = processes(&format!("{}/access.log", bench.path().display()).replace("/access.log", ""));
    let servers: Vec<u32> = servers.into_iter().filter(|pid| *pid != harness.id()).collect();
    assert!(servers.len() >= 3, "{servers:?}");
    servers.iter().for_each(|pid| signal(*pid, Signal::SIGSTOP));
    std::thread::sleep(Duration::from_secs(2));
    servers.iter().for_each(|pid| signal(*pid, Signal::SIGCONT));
    let ended = finish(&bench, harness);
    assert!([Some(0), Some(11), Some(22)].contains(&ended.code), "{}", ended.story());
}

#[test]
fn a_target_that_stays_stopped_is_a_failed_workload() {
    let bench = Bench::new();
    let demo = Demo { workload: "timeout = '500ms'", soak: "4s", ..Demo::default() };
    let harness = bench.start(&demo.write(&bench), &["--quiet"]);
    bench.recorded();
    let servers = processes(&bench.path().to_string_lossy());
    servers.into_iter().filter(|pid| *pid != harness.id()).for_each(|pid| signal(pid, Signal::SIGSTOP));
    let ended = finish(&bench, harness);
    assert_eq!(ended.code, Some(22), "{}", ended.story());
}

#[test]
fn a_stopped_target_is_woken_to_end_in_order() {
    let bench = Bench::new();
    let program = "$SIG{TERM} = sub { print 'ended in order'; exit 0 }; $| = 1; sleep 1 while 1;";
    let harness = bench.start(&perl(&bench, program, &format!("workers = 'self'\n{AT_ONCE}"), IDLE, "3s"), &[]);
    bench.recorded();
    let target = processes(&bench.path().join("target.pl").to_string_lossy());
    assert_eq!(target.len(), 1);
    signal(target[0], Signal::SIGSTOP);
    let ended = finish(&bench, harness);
    assert_eq!(ended.read("target.stdout"), "ended in order", "{}", ended.story());
}

const SERVER: &str = "use IO::Socket::INET;\n\
    my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], Listen => 64, ReuseAddr => 1);\n";

const REQUESTS: &str = "[workload]\nbase-url = ['http://127.0.0.1:${port}']\nrate = '50/s'\nconcurrency = 8\n\
    timeout = '500ms'\n[[workload.step]]\nname = 'index'\npath = '/'";

#[test]
fn a_server_that_answers_garbage_is_a_failed_workload() {
    let bench = Bench::new();
    let program = format!(
        "{SERVER} my @garbage = (\"\\e[31mno\\r\\n\\r\\n\", \"HTTP/1.1 200 OK\\r\\ncontent-length: -5\\r\\n\\r\\n\",\n\
         \"HTTP/1.1 200 OK\\r\\ntransfer-encoding: chunked\\r\\n\\r\\nzz\\r\\n\", join('', map {{ chr(rand(256)) }} 1..5000));\n\
         my $n = 0; while (my $c = $server->accept) {{ print $c $garbage[$n++ % 4]; close $c }}"
    );
    let target = "workers = 'self'\nready = { tcp = '127.0.0.1:${port}' }";
    let ended = finish(&bench, bench.start(&perl(&bench, &program, target, REQUESTS, "3s"), &[]));
    assert_eq!(ended.code, Some(22), "{}", ended.story());
    assert_harmless("standard output", &ended.stdout);
}

#[test]
fn a_server_that_never_answers_is_a_failed_workload() {
    let bench = Bench::new();
    let program =
        format!("{SERVER} my @kept; while (my $c = $server->accept) {{ push @kept, $c; shift @kept if @kept > 16 }}");
    let target = "workers = 'self'\nready = { tcp = '127.0.0.1:${port}' }";
    let ended = finish(&bench, bench.start(&perl(&bench, &program, target, REQUESTS, "3s"), &[]));
    assert_eq!(ended.code, Some(22), "{}", ended.story());
    assert!(ended.json("run.json")["workload"]["failed"].as_u64() > Some(0), "{}", ended.story());
}

/// Each worker is held open by four descriptors, so the usual soft limit of 1,024 would be too low.
#[test]
fn hundreds_of_children_at_once_are_all_seen_and_the_target_keeps_its_own_limits() {
    let bench = Bench::new();
    let program = "system('sh', '-c', 'ulimit -Sn'); sleep 1; for (1..400) { my $pid = fork(); \
                   if (defined $pid && $pid == 0) { sleep 600; exit } } sleep 600;";
    let file = perl(&bench, program, &format!("workers = 'children'\n{AT_ONCE}"), IDLE, "8s");
    let ended = run_within(&bench, "ulimit -Sn 1024", &file);
    assert_eq!(ended.read("target.stdout").trim(), "1024");
    let seen = ended.events("spawned").len();
    assert!((400..=401).contains(&seen), "{seen} workers\n{}", ended.stdout);
    let samples = ended.read("samples.jsonl");
    let read: std::collections::BTreeSet<u64> = samples
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["worker"]["pid"].as_u64().unwrap())
        .collect();
    assert!(read.len() >= 400, "{} workers read", read.len());
}

/// The server leaks; then comes a crowd that does nothing, of which each one ends by itself.
#[test]
fn thousands_of_children_at_once_cost_no_more_and_hide_no_leak() {
    const CROWD: usize = 2000;
    if nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap().1 < 5 * CROWD as u64 {
        eprintln!("skipped: too few open files are allowed");
        return;
    }
    let bench = Bench::new();
    let program = format!(
        r#"{SERVER} my @kept;
        for (1..2) {{
            next if fork();
            open(my $log, '>>', "$ARGV[1]/access.log"); $log->autoflush(1);
            while (my $c = $server->accept) {{
                sysread($c, my $request, 4096);
                push @kept, 'x' x 16384;
                print $c "HTTP/1.1 200 OK
content-length: 0
connection: close

";
                close $c;
                print $log "$$ index
";
            }}
        }}
        close $server;
        sleep 3;
        for (1..{CROWD}) {{ my $pid = fork(); if (defined $pid && $pid == 0) {{ sleep 60; exit }} }}
        sleep 600;"#
    );
    let requests = REQUESTS.replace("50/s", "100/s").replace("500ms", "10s");
    let target = "workers = 'children'
ready = { tcp = '127.0.0.1:${port}' }
[requests.log]
                  path = '${work_dir}/access.log'
pattern = '^(?P<pid>\\d+) (?P<class>\\S+)'";
    let file = perl(&bench, &program, target, &requests, "15s");
    let ended = finish(&bench, bench.start(&file, &[]));
    assert!([Some(10), Some(11)].contains(&ended.code), "{}", ended.stdout);
    assert!(ended.events("spawned").len() >= CROWD, "{}", ended.stdout);
    assert!(ended.stdout.contains("they were read in turns"), "{}", ended.stdout);
    // The budget is two hundredths of a core; opening them all at once comes on top. Where a reading is expensive, half of what it
    // would take to read all of them at every turn: a busy machine makes every figure larger, but not this ratio.
    let observing = &ended.json("run.json")["observing"];
    let number = |name: &str| observing[name].as_f64().unwrap();
    let every_turn = CROWD as f64 * number("fast_reading") / number("interval");
    assert!(number("cpu_share") < f64::max(0.04, every_turn / 2.0), "{observing}");
}

/// Workers that can't be held open aren't passed over in silence.
#[test]
fn more_children_than_descriptors_are_told_and_never_clean() {
    let bench = Bench::new();
    let program = "for (1..60) { my $pid = fork(); if (defined $pid && $pid == 0) { sleep 600; exit } } sleep 600;";
    let file = perl(&bench, program, &format!("workers = 'children'\n{AT_ONCE}"), IDLE, "3s");
    let ended = run_within(&bench, "ulimit -n 128", &file);
    assert_ne!(ended.code, Some(0), "{}", ended.story());
    assert!(ended.stdout.contains("Too many open files"), "{}", ended.story());
}

/// Both at once, so that together they take no longer than one: the longer pause outlasts the time-out of the requests.
#[test]
fn a_harness_that_is_paused_tells_what_it_missed() {
    let benches = [(Bench::new(), 3), (Bench::new(), 30)];
    let paused: Vec<_> = std::thread::scope(|scope| {
        let run = |bench, seconds| {
            let demo = Demo { fault: "malloc", workload: "timeout = '10s'", ..Demo::default() };
            let harness = Bench::start(bench, &demo.write(bench), &["--quiet"]);
            bench.recorded();
            std::thread::sleep(Duration::from_secs(4));
            signal(harness.id(), Signal::SIGSTOP);
            std::thread::sleep(Duration::from_secs(seconds));
            signal(harness.id(), Signal::SIGCONT);
            (finish(bench, harness), seconds)
        };
        let running: Vec<_> =
            benches.iter().map(|(bench, seconds)| scope.spawn(move || run(bench, *seconds))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (ended, seconds) in paused {
        assert!([Some(10), Some(11)].contains(&ended.code), "{}", ended.story());
        // The pause is told, and neither the target nor the workload is blamed for it.
        assert!(ended.stdout.contains("The harness itself did not run for "), "{}", ended.story());
        let workload = &ended.json("run.json")["workload"];
        assert_eq!(workload["failed"], 0, "{}", ended.story());
        assert!(workload["latency"]["all"]["max"].as_f64() < Some(seconds as f64), "{workload}");
        let missed = ended.events("missed-ticks").iter().filter_map(|e| e["count"].as_u64()).max();
        assert!(missed >= Some(seconds), "{}", ended.story());
    }
}

/// Each look at the wall clock finds it a day earlier than the one before.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    static long days;
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        now->tv_sec -= 86400 * (7000 + __atomic_add_fetch(&days, 1, __ATOMIC_RELAXED));
    return result;
}
"#;

#[test]
fn a_clock_that_is_set_back_changes_nothing() {
    let bench = Bench::new();
    let (source, library) = (bench.write("clock.c", CLOCK), bench.path().join("clock.so"));
    let mut compiler = std::process::Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    if !compiler.status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: no C compiler");
        return;
    }
    let file = Demo { fault: "malloc", ..Demo::default() }.write(&bench);
    let mut command = bench.seepage();
    command.env("LD_PRELOAD", &library).arg("run").arg(&file).arg("--reports").arg(bench.reports());
    let begun = std::time::Instant::now();
    let ended = bench.ended(command.output().unwrap());
    let took = begun.elapsed().as_secs_f64();
    assert!([Some(10), Some(11)].contains(&ended.code), "{}", ended.story());
    let head = ended.json("run.json");
    let year = |text: &str| text[..4].parse::<u32>().unwrap();
    assert!(year(head["started"].as_str().unwrap()) < 2020, "the clock wasn't shifted: {}", head["started"]);
    assert!(head["elapsed"].as_f64().is_some_and(|elapsed| (2.0..took).contains(&elapsed)), "{}", head["elapsed"]);
    let times = |name: &str| -> Vec<f64> {
        let lines = ended.read(name);
        lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["t"].as_f64().unwrap())
            .collect()
    };
    for name in ["samples.jsonl", "host.jsonl", "load.jsonl", "events.jsonl"] {
        assert!(times(name).iter().all(|t| (0.0..=took).contains(t)), "{name}");
    }
    assert!(times("host.jsonl").is_sorted() && times("load.jsonl").is_sorted());
    assert!(ended.finding("memory")["growth"]["estimate"].as_f64() > Some(3000.0), "{}", ended.story());
}

#[test]
fn hostile_names_and_log_lines_reach_no_terminal_and_no_page() {
    let bench = Bench::new();
    let program = r#"use IO::Socket::INET;
        my ($port, $dir) = @ARGV;
        $| = 1;
        print "\e]0;owned\a\x9b31m<img src=x onerror=alert(1)>\n";
        my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 64, ReuseAddr => 1);
        for (1..2) {
            next if fork();
            $0 = "\e[2J<img\n) R 1";
            open(my $log, '>>', "$dir/access.log"); $log->autoflush(1);
            while (my $c = $server->accept) {
                sysread($c, my $request, 4096);
                print $c "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                close $c;
                print $log "$$ \e[31m<script>alert(1)</script>\xc2\x9b</td>\r\n";
            }
        }
        sleep 600;"#;
    let target = "workers = 'children'\nready = { delay = '300ms' }\n[requests.log]\npath = '${work_dir}/access.log'\n\
                  pattern = '^(?P<pid>\\d+) (?P<class>.*)'";
    let harness = bench.start(&perl(&bench, program, target, REQUESTS, "4s"), &[]);
    let ended = finish(&bench, harness);
    assert!(ended.events("spawned").iter().any(|e| e["command"].as_str().unwrap().contains("<img")));
    assert!(ended.json("run.json")["classes"][0].as_str().unwrap().contains("<script>"), "{}", ended.story());
    assert_harmless("standard output", &ended.stdout);
    assert_harmless("standard error", &ended.stderr);
    for name in ["report.html", "report.md", "junit.xml", "charts/memory.svg"] {
        assert_harmless(name, &ended.read(name));
    }
    assert!(!ended.read("verdict.json").contains(['\u{1b}', '\u{9b}']));
    assert!(!ended.read("samples.csv").contains(['\u{1b}', '\u{9b}']));
}

#[test]
fn hostile_last_words_are_shown_without_their_harm() {
    let bench = Bench::new();
    let program =
        "print STDERR \"\\e[2J\\e]0;owned\\a<script>alert(1)</script>\\xc2\\x9b31m the last words\\n\"; exit 3;";
    let ended = finish(&bench, bench.start(&perl(&bench, program, AT_ONCE, IDLE, "20s"), &[]));
    assert_eq!(ended.code, Some(21), "{}", ended.story());
    assert!(ended.stdout.contains("the last words"), "{}", ended.story());
    let page = ended.read("report.html");
    assert!(page.contains("the last words") && !page.contains("<script>alert"), "{page}");
    assert!(!ended.stdout.contains(['\u{1b}', '\u{9b}', '\u{7}']), "{:?}", ended.stdout);
    assert!(!page.contains(['\u{1b}', '\u{9b}', '\u{7}']));
}
