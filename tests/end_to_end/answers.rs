//! The answer always arrives: whoever has stopped listening, whatever is full, and whatever hangs, the exit code is that of
//! the verdict, and a pass that could not be told is none.

use crate::common::{AT_ONCE, Bench, Demo, Ended, processes, signal, wait_until};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The first of some users who have no processes.
const USER: u32 = 52_000;

/// Standard output or error that nobody reads.
fn nobody() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Standard output on a full disk.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A table of one worker that grows by so many bytes a request.
fn table(bench: &Bench, name: &str, bytes: u64) -> PathBuf {
    let row = |i: u64| format!("{},{},{}\n", i, 50 * i, 50_000_000 + 50 * i * bytes);
    bench.write(name, &format!("elapsed_s,requests,anon_bytes\n{}", (0..300).map(row).collect::<String>()))
}

/// What a command exits with if nobody listens at all, and if its output is written to a full disk.
fn unheard(bench: &Bench, arguments: &[&str]) -> [Option<i32>; 2] {
    let command = || {
        let mut command = bench.seepage();
        command.args(arguments).stderr(nobody());
        command
    };
    [nobody(), full()].map(|out| command().stdout(out).status().unwrap().code())
}

#[test]
fn a_verdict_that_nobody_reads_keeps_its_exit_code_and_a_pass_on_a_full_disk_is_none() {
    let bench = Bench::new();
    let (leaky, clean) = (table(&bench, "leaky.csv", 400), table(&bench, "clean.csv", 0));
    let (leaky, clean) = (leaky.to_str().unwrap(), clean.to_str().unwrap());
    assert_eq!(unheard(&bench, &["analyze", leaky]), [Some(10), Some(10)]);
    assert_eq!(unheard(&bench, &["analyze", clean]), [Some(0), Some(1)]);
    let many = ["analyze", "--format", "jsonl"];
    assert_eq!(unheard(&bench, &[&many[..], &[clean; 40], &[leaky]].concat()), [Some(10), Some(10)]);
    assert_eq!(unheard(&bench, &[&many[..], &[clean, clean]].concat()), [Some(0), Some(1)]);
    assert_eq!(unheard(&bench, &[&many[..], &[clean, "absent.csv", clean]].concat()), [Some(1), Some(1)]);
}

#[test]
fn what_shows_a_run_fails_only_if_it_could_not_be_shown() {
    let bench = Bench::new();
    let run = bench.run(&idle(&bench, "", AT_ONCE, "1s"), &["--quiet"]).run.unwrap();
    let run = run.to_str().unwrap();
    assert_eq!(unheard(&bench, &["analyze", run]), [Some(11), Some(11)]);
    for arguments in [
        &["report", run][..],
        // It ends without a line break, and would stay in a buffer.
        &["report", "--format", "png", run],
        &["explain", run],
        &["doctor"],
        &["schema"],
        &["man"],
        &["completions", "bash"],
        &["prune", "--keep", "9"],
    ] {
        assert_eq!(unheard(&bench, arguments), [Some(0), Some(1)], "{arguments:?}");
    }
    let wrong = bench.write("wrong.toml", "name = 1");
    let right = Demo::default().write(&bench);
    let check = ["check", right.to_str().unwrap(), wrong.to_str().unwrap()];
    assert_eq!(unheard(&bench, &check), [Some(20), Some(20)]);
}

#[test]
fn a_comparison_that_nobody_reads_keeps_its_exit_code() {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/sample");
    let run = run.to_str().unwrap();
    let bench = Bench::new();
    let heard = bench.seepage().args(["compare", run, run]).output().unwrap().status.code();
    let on_a_full_disk = if heard == Some(0) { Some(1) } else { heard };
    assert_eq!(unheard(&bench, &["compare", run, run]), [heard, on_a_full_disk]);
}

/// A target that does nothing until it is stopped, deaf if `trap` says so, and a load that does nothing.
fn idle(bench: &Bench, trap: &str, target: &str, soak: &str) -> PathBuf {
    let text = format!(
        "name = 'idle'\n[target]\ncommand = ['sh', '-c', \"{trap} while :; do sleep 0.1; done\", '{}']\nworkers = 'self'\n\
         stop = {{ grace = '10m' }}\n{target}\n[workload]\ncommand = ['sleep', '600']\n\
         [[phase]]\nkind = 'soak'\nduration = '{soak}'\n",
        bench.path().display()
    );
    bench.write("harness.toml", &text)
}

const DEAF: &str = "trap '' TERM;";

/// Nothing of the bench is left running, and it says so.
fn all_gone(bench: &Bench, ended: &Ended) {
    let marker = bench.path().to_string_lossy().into_owned();
    wait_until("all of it is gone", || processes(&marker).is_empty());
    wait_until("its scratch directory is gone", || bench.scratch().is_empty());
    assert!(!ended.stdout.contains("is CLEAN"), "{}", ended.story());
}

#[test]
fn a_leak_is_one_although_nobody_reads_what_run_says() {
    let bench = Bench::new();
    let file = Demo { fault: "malloc", ..Demo::default() }.write(&bench);
    let mut command = bench.seepage();
    command.arg("run").arg(&file).arg("--reports").arg(bench.reports()).stdout(nobody()).stderr(nobody());
    let ended = bench.ended(command.output().unwrap());
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert_eq!(ended.json("verdict.json")["verdict"], "leak");
}

#[test]
fn a_leak_whose_recording_fails_in_the_middle_is_one() {
    let bench = Bench::new();
    let file = Demo { fault: "malloc", soak: "10m", ..Demo::default() }.write(&bench);
    let harness = bench.start(&file, &["--stop", "planned", "--quiet"]);
    let run = bench.recorded();
    let seconds = || std::fs::read_to_string(run.join("load.jsonl")).map_or(0, |text| text.lines().count());
    wait_until("a leak can be proven", || seconds() >= 14);
    // As on a full disk: what is written from now on is lost.
    std::fs::remove_file(run.join("census.jsonl")).unwrap();
    let ended = bench.ended(harness.wait_with_output().unwrap());
    let why = "census.jsonl: it was removed while the run went on";
    assert!(ended.code == Some(10) && ended.stdout.contains(why), "{}", ended.story());
    assert_eq!(ended.json("verdict.json")["verdict"], "leak");
    let again = bench.ended(bench.seepage().arg("analyze").arg(&run).output().unwrap());
    assert!(again.code == Some(10) && again.stdout.contains(why), "{}", again.story());
    all_gone(&bench, &ended);
}

#[test]
fn a_verdict_is_told_before_a_report_that_cannot_be_written() {
    let bench = Bench::new();
    // It works all the time: an idle one doesn't pass.
    let mut target = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let pid = target.id().to_string();
    let budgets = ["memory=1 GiB/hour", "descriptors=100000/hour", "threads=100000/hour", "processes=100000/hour"];
    let budgets = budgets.iter().flat_map(|budget| ["--budget", budget]);
    let mut command = bench.seepage();
    command.args(["attach", "--pid", &pid, "--for", "8s", "--quiet", "--reports"]).arg(bench.reports()).args(budgets);
    let attached = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let run = bench.recorded();
    // No file can take the place of a directory that isn't empty.
    std::fs::create_dir_all(run.join("report.html/in-the-way")).unwrap();
    let ended = bench.ended(attached.wait_with_output().unwrap());
    target.kill().unwrap();
    target.wait().unwrap();
    assert!(ended.stdout.contains(" is CLEAN: "), "{}", ended.story());
    assert_eq!(ended.code, Some(1), "a pass without its report: {}", ended.story());
    let hint = format!("`seepage report {}` makes the reports", run.display());
    assert!(
        ended.stderr.contains("report.html could not be written") && ended.stderr.contains(&hint),
        "{}",
        ended.story()
    );
    assert!(!ended.stdout.contains("\nreport  "), "{}", ended.story());
    assert!(run.join("verdict.json").exists() && run.join("charts/memory.svg").exists(), "all else is there");
}

#[test]
fn a_closed_terminal_ends_a_run_in_order() {
    let bench = Bench::new();
    let harness = bench.start(&idle(&bench, "", AT_ONCE, "10m"), &[]);
    bench.recorded();
    // The kernel and the shell both say so.
    signal(harness.id(), Signal::SIGHUP);
    signal(harness.id(), Signal::SIGHUP);
    let ended = bench.ended(harness.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(129), "{}", ended.story());
    assert_eq!(ended.events("interrupted").len(), 1);
    assert_eq!(ended.json("verdict.json")["verdict"], "inconclusive");
    all_gone(&bench, &ended);
}

/// Signals by which schedulers and users end a program, and how they are called below.
fn ending() -> Vec<i32> {
    use nix::libc::{SIGQUIT, SIGRTMAX, SIGUSR1, SIGXCPU};
    vec![SIGXCPU, SIGQUIT, SIGUSR1, SIGRTMAX()]
}

#[test]
fn whatever_ends_a_run_it_is_judged() {
    for number in ending() {
        let bench = Bench::new();
        let harness = bench.start(&idle(&bench, "", AT_ONCE, "10m"), &[]);
        bench.recorded();
        let send = || {
            // SAFETY: only sends a signal to a process that this test started.
            assert_eq!(unsafe { nix::libc::kill(harness.id() as i32, number) }, 0);
        };
        send();
        if number == nix::libc::SIGXCPU {
            // It comes each second, and nobody insists by it.
            std::thread::sleep(std::time::Duration::from_millis(400));
            send();
        }
        let ended = bench.ended(harness.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(128 + number), "{}", ended.story());
        assert_eq!(ended.events("interrupted")[0]["signal"], number);
        assert_eq!(ended.json("verdict.json")["verdict"], "inconclusive");
        assert!(ended.directory().join("report.html").exists());
        all_gone(&bench, &ended);
    }
}

#[test]
fn every_signal_that_ends_a_program_is_heard() {
    use nix::libc::*;
    let bench = Bench::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = bench.seepage();
    let mut harness = command.args(["run", "/dev/stdin"]).stdin(reader).stderr(Stdio::null()).spawn().unwrap();
    let threads = || std::fs::read_dir(format!("/proc/{}/task", harness.id())).map_or(0, Iterator::count);
    wait_until("it listens", || threads() > 1);
    let status = std::fs::read_to_string(format!("/proc/{}/status", harness.id())).unwrap();
    let mask = |name: &str| {
        u64::from_str_radix(status.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim(), 16).unwrap()
    };
    let heard = mask("SigCgt:") | mask("SigIgn:");
    // What can't be caught, what a fault of the program's own raises, and what ends nothing. The C library has two for itself.
    let others = [
        SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, SIGCHLD, SIGCONT, SIGTSTP,
        SIGTTIN, SIGTTOU, SIGURG, SIGWINCH, 32, 33,
    ];
    let deaf: Vec<i32> = (1..=64).filter(|n| !others.contains(n) && heard >> (n - 1) & 1 == 0).collect();
    assert!(deaf.is_empty(), "not heard: {deaf:?}");
    harness.kill().unwrap();
    harness.wait().unwrap();
    drop(writer);
}

#[test]
fn a_thread_that_cannot_be_started_is_told_and_is_no_crash() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: a user without other processes needs root");
        return;
    }
    let mut lacked = 0;
    for limit in 3..14 {
        let bench = Bench::new();
        std::fs::set_permissions(bench.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let file = idle(&bench, "", AT_ONCE, "300ms");
        let mut command = bench.seepage();
        command.arg("run").arg(file).arg("--reports").arg(bench.reports()).uid(USER + std::process::id() % 5000);
        // SAFETY: between fork and exec only one system call is made.
        unsafe {
            command.pre_exec(move || Ok(setrlimit(Resource::RLIMIT_NPROC, limit, limit)?));
        }
        let ended = bench.ended(command.output().unwrap());
        assert!(!ended.stderr.contains("panicked"), "{limit} processes: {}", ended.story());
        if format!("{}{}", ended.stdout, ended.stderr).contains("could not start a thread") {
            lacked += 1;
            assert_eq!(ended.code, Some(1), "{limit} processes: {}", ended.story());
        }
        // A process that lacks, and not a thread, is the guard's, the target's or the workload's.
        assert!(matches!(ended.code, Some(1 | 11 | 21 | 22)), "{limit} processes: {}", ended.story());
        if let Some(run) = &ended.run {
            assert!(run.join("verdict.json").exists(), "{limit} processes: {}", ended.story());
        }
        all_gone(&bench, &ended);
    }
    assert!(lacked >= 3, "of the threads of a run only {lacked} were ever lacking");
}

#[test]
fn a_place_for_scratch_that_is_none_is_named() {
    let bench = Bench::new();
    let file = idle(&bench, "", AT_ONCE, "300ms");
    let mut command = bench.seepage();
    let ended = bench.ended(command.arg("run").arg(file).env("TMPDIR", "/nowhere/at/all").output().unwrap());
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    for word in ["in /nowhere/at/all: ", "TMPDIR"] {
        assert!(ended.stderr.contains(word), "{}", ended.story());
    }
}

#[test]
fn below_nohup_a_closed_terminal_is_nothing() {
    let bench = Bench::new();
    let file = idle(&bench, "", AT_ONCE, "3s");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_seepage"), "run"]).arg(file);
    command.arg("--reports").arg(bench.reports()).current_dir(bench.path()).env("TMPDIR", bench.path());
    let harness = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    bench.recorded();
    signal(harness.id(), Signal::SIGHUP);
    let ended = bench.ended(harness.wait_with_output().unwrap());
    assert_eq!(ended.json("run.json")["status"], "complete", "{}", ended.story());
}

#[test]
fn a_first_signal_ends_a_run_soon_whatever_it_waits_for() {
    let preparing = "prepare = [['sleep', '600']]";
    let starting = "ready = { command = ['sleep', '600'], timeout = '10m' }";
    for (trap, target) in [(DEAF, AT_ONCE), ("", preparing), ("", starting)] {
        let bench = Bench::new();
        let harness = bench.start(&idle(&bench, trap, target, "10m"), &[]);
        let begun = || std::fs::read_dir(bench.reports()).is_ok_and(|mut runs| runs.next().is_some());
        if target == AT_ONCE {
            drop(bench.recorded())
        } else {
            wait_until("it begins", begun)
        }
        // As `timeout` does it: to the process, and to its group.
        signal(harness.id(), Signal::SIGTERM);
        std::thread::sleep(std::time::Duration::from_millis(5));
        signal(harness.id(), Signal::SIGTERM);
        let begun = std::time::Instant::now();
        let ended = bench.ended(harness.wait_with_output().unwrap());
        assert!(begun.elapsed() < crate::common::PATIENCE, "not in its ten minutes");
        assert_eq!(ended.code, Some(143), "{target}: {}", ended.story());
        assert_eq!(ended.json("run.json")["status"], "aborted");
        assert!(
            ended.stdout.contains(" was ENDED EARLY by SIGTERM.\n") && ended.directory().join("report.html").exists()
        );
        all_gone(&bench, &ended);
    }
}

#[test]
fn a_signal_ends_what_hangs_before_anything_is_recorded() {
    let bench = Bench::new();
    // A harness file from a pipe into which nobody writes.
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = bench.seepage();
    command.args(["run", "/dev/stdin"]).stdin(reader).stderr(Stdio::piped());
    let mut harness = command.spawn().unwrap();
    let threads = || std::fs::read_dir(format!("/proc/{}/task", harness.id())).map_or(0, Iterator::count);
    wait_until("it listens", || threads() > 1);
    signal(harness.id(), Signal::SIGTERM);
    let status = harness.wait().unwrap();
    drop(writer);
    assert_eq!(status.code(), Some(143));
}

#[test]
fn a_signal_while_the_target_is_still_looked_at_is_no_failure_of_the_target() {
    let bench = Bench::new();
    let mut target = Command::new("sleep").arg("600").spawn().unwrap();
    // A status page that never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let page = format!("http://{}/", silent.local_addr().unwrap());
    let mut command = bench.seepage();
    command.args(["attach", "--pid", &target.id().to_string(), "--mod-status", &page]).stderr(Stdio::null());
    let mut watching = command.spawn().unwrap();
    let _asked = silent.accept().unwrap();
    signal(watching.id(), Signal::SIGTERM);
    let status = watching.wait().unwrap();
    target.kill().unwrap();
    target.wait().unwrap();
    assert_eq!(status.code(), Some(143));
}

#[test]
fn a_limit_on_the_size_of_files_is_a_full_disk() {
    let bench = Bench::new();
    let file = idle(&bench, "", AT_ONCE, "10m");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 16; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_seepage"), "run"]).arg(file);
    command.arg("--reports").arg(bench.reports()).current_dir(bench.path()).env("TMPDIR", bench.path());
    let ended = bench.ended(command.stdin(Stdio::null()).output().unwrap());
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stdout.contains("File too large"), "{}", ended.story());
    assert!(ended.stderr.contains("makes the reports"), "{}", ended.story());
    all_gone(&bench, &ended);
}

#[test]
fn a_deadline_ends_and_judges_whatever_hangs_and_never_passes() {
    let preparing = "prepare = [['sleep', '600']]";
    let starting = "ready = { command = ['sleep', '600'], timeout = '10m' }";
    for (trap, target, soak) in [("", preparing, "1s"), ("", starting, "1s"), ("", AT_ONCE, "10m")] {
        let bench = Bench::new();
        let file = idle(&bench, trap, target, soak);
        let ended = bench.run(&file, &["--deadline", "8s", "--inconclusive", "pass", "--quiet"]);
        assert_eq!(ended.code, Some(11), "{target}: {}", ended.story());
        assert!(ended.stdout.contains("stopped by --deadline 8s"), "{}", ended.story());
        assert_eq!(ended.json("run.json")["status"], "aborted");
        assert!(ended.directory().join("report.html").exists(), "{}", ended.story());
        all_gone(&bench, &ended);
    }
}

#[test]
fn a_slow_stop_is_cut_for_the_deadline() {
    let bench = Bench::new();
    let ended = bench.run(&idle(&bench, DEAF, AT_ONCE, "1s"), &["--deadline", "10s", "--quiet"]);
    assert_eq!(ended.code, Some(11), "{}", ended.story());
    assert!(ended.stdout.contains("did not end within"), "{}", ended.story());
    all_gone(&bench, &ended);
}

#[test]
fn a_comparison_ends_at_its_deadline_and_can_be_resumed() {
    let bench = Bench::new();
    let file = idle(&bench, "", AT_ONCE, "2s");
    let mut command = bench.seepage();
    command.arg("ab").arg(file).args(["--define", "A=1", "--deadline", "15s", "--inconclusive", "pass", "--quiet"]);
    let ended = bench.ended(command.arg("--reports").arg(bench.reports()).output().unwrap());
    assert_eq!(ended.code, Some(11), "{}", ended.story());
    assert!(ended.stdout.contains("Stopped by --deadline 15s; the same command with `--resume "), "{}", ended.story());
    assert!(ended.directory().join("report.html").exists(), "{}", ended.story());
    all_gone(&bench, &ended);
}

#[test]
fn a_watch_ends_at_its_deadline() {
    let bench = Bench::new();
    let mut target = Command::new("sleep").arg("600").spawn().unwrap();
    let mut command = bench.seepage();
    command.args(["attach", "--pid", &target.id().to_string(), "--deadline", "6s", "--quiet", "--reports"]);
    let ended = bench.ended(command.arg(bench.reports()).output().unwrap());
    target.kill().unwrap();
    target.wait().unwrap();
    assert_eq!(ended.code, Some(11), "{}", ended.story());
    assert!(ended.stdout.contains("stopped by --deadline 6s"), "{}", ended.story());
    assert!(ended.directory().join("report.html").exists(), "{}", ended.story());
}

#[test]
fn a_search_ends_at_its_deadline_and_says_what_it_had_found_and_what_not() {
    let bench = Bench::new();
    let more = "[modules.a]\noff = { env = { A = \"0\" } }\n[modules.b]\noff = { env = { B = \"0\" } }\n";
    let file = Demo { more, ..Demo::default() }.write(&bench);
    let mut command = bench.seepage();
    // Too little for one step.
    command.arg("bisect").arg(&file).args(["--deadline", "5s", "--quiet", "--reports"]);
    let begun = std::time::Instant::now();
    let ended = bench.ended(command.arg(bench.reports()).output().unwrap());
    assert!(begun.elapsed() < std::time::Duration::from_secs(8), "it holds: {:?}", begun.elapsed());
    assert_eq!(ended.code, Some(11), "{}", ended.story());
    let said = " is INCONCLUSIVE: the search was stopped by --deadline 5s.\nWhether it leaks was not measured.\n";
    assert!(ended.stdout.contains(said), "{}", ended.story());
    assert!(ended.directory().join("report.html").exists(), "{}", ended.story());
    assert_eq!(ended.json("bisect.json")["answer"], "interrupted");
    all_gone(&bench, &ended);
}

#[test]
fn a_rehearsal_ends_at_its_deadline_and_leaves_nothing_running() {
    let bench = Bench::new();
    let file = idle(&bench, "", AT_ONCE, "1s");
    let mut command = bench.seepage();
    command.arg("plan").arg(file).args(["--rehearse", "10m", "--deadline", "8s", "--quiet", "--reports"]);
    let ended = bench.ended(command.arg(bench.reports()).output().unwrap());
    assert_eq!(ended.code, Some(11), "{}", ended.story());
    assert!(ended.stderr.contains("the rehearsal was stopped by --deadline 8s: "), "{}", ended.story());
    assert!(ended.stderr.contains("give it more time, or rehearse for less with --rehearse"), "{}", ended.story());
    all_gone(&bench, &ended);
}
