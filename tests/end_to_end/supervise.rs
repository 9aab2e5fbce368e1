//! Real processes under a real harness: what is launched is followed, and never outlives the run.

use crate::common::{Bench, processes, signal, wait_until};
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

/// A number that marks the processes of one test: `sleep` takes it as its duration.
fn marker() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("9{:07}{:02}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A harness file whose target is `script` for the shell.
fn harness(bench: &Bench, script: &str, target: &str, soak: &str) -> PathBuf {
    let text = format!(
        "name = \"shell\"\n\
         [target]\n\
         command = [\"sh\", \"-c\", {script:?}]\n\
         stop = {{ grace = \"1s\" }}\n\
         {target}\n\
         [workload]\n\
         command = [\"sleep\", \"{soak}\"]\n\
         [[phase]]\n\
         kind = \"soak\"\n\
         duration = \"{soak}s\"\n"
    );
    bench.write("harness.toml", &text)
}

const AT_ONCE: &str = "ready = { delay = \"10ms\" }";

#[test]
fn nothing_outlives_a_kill_9_of_the_harness() {
    let (bench, marker) = (Bench::new(), marker());
    let script = format!("trap '' TERM; setsid sleep {marker} & sleep {marker} & wait");
    let mut harness = bench.start(&harness(&bench, &script, AT_ONCE, "60"), &[]);
    let sleepers = format!("sleep {marker}");
    // The shell's own command line holds the words too.
    wait_until("the target runs", || processes(&sleepers).len() >= 3);
    signal(harness.id(), Signal::SIGKILL);
    harness.wait().unwrap();
    wait_until("all of it is gone", || processes(&marker).is_empty());
    wait_until("its scratch directory is gone", || bench.scratch().is_empty());
}

#[test]
fn nothing_outlives_a_kill_9_of_the_guard_and_the_run_is_kept() {
    let (bench, marker) = (Bench::new(), marker());
    let script = format!("trap '' TERM; setsid sleep {marker} & sleep {marker} & wait");
    let harness = bench.start(&harness(&bench, &script, AT_ONCE, "60"), &[]);
    wait_until("the target runs", || processes(&format!("sleep {marker}")).len() >= 3);
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", harness.id())).unwrap();
    let guards = children.split_whitespace().map(|pid| pid.parse().unwrap());
    let guard: Vec<u32> = guards
        .filter(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap().starts_with(b"harness-guard"))
        .collect();
    assert_eq!(guard.len(), 1, "{children}");
    signal(guard[0], Signal::SIGKILL);
    let ended = bench.ended(harness.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(21), "{}", ended.story());
    assert!(processes(&marker).is_empty());
    assert_eq!(ended.json("run.json")["status"], "aborted");
}

#[test]
fn an_interrupt_keeps_the_partial_run_and_its_reports() {
    for (sent, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let (bench, marker) = (Bench::new(), marker());
        let harness = bench.start(&harness(&bench, &format!("sleep {marker} & wait"), AT_ONCE, "60"), &[]);
        let run = || std::fs::read_dir(bench.reports()).ok()?.flatten().next().map(|e| e.path());
        wait_until("samples are written", || {
            run().is_some_and(|r| std::fs::metadata(r.join("samples.jsonl")).is_ok_and(|m| m.len() > 0))
        });
        signal(harness.id(), sent);
        let ended = bench.ended(harness.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(code), "{}", ended.story());
        assert_eq!(ended.events("interrupted").len(), 1);
        assert_eq!(ended.json("run.json")["status"], "aborted");
        assert_eq!(ended.json("verdict.json")["verdict"], "inconclusive");
        assert!(processes(&marker).is_empty());
        assert!(bench.scratch().is_empty());
    }
}

#[test]
fn a_second_interrupt_ends_the_harness_at_once_and_leaves_nothing() {
    let (bench, marker) = (Bench::new(), marker());
    let file = bench.write(
        "harness.toml",
        &format!(
            "name = \"deaf\"\n[target]\ncommand = [\"sh\", \"-c\", \"trap '' TERM; while :; do sleep {marker}; done\"]\n\
             stop = {{ grace = \"10m\" }}\n{AT_ONCE}\n[workload]\ncommand = [\"sleep\", \"60\"]\n\
             [[phase]]\nkind = \"soak\"\nduration = \"60s\"\n"
        ),
    );
    let mut harness = bench.start(&file, &[]);
    let events = || {
        let run = std::fs::read_dir(bench.reports()).ok()?.flatten().next()?.path();
        std::fs::read_to_string(run.join("events.jsonl")).ok()
    };
    wait_until("the soak is on", || events().is_some_and(|text| text.contains("soak")));
    signal(harness.id(), Signal::SIGINT);
    // In its grace the target is deaf to SIGTERM; whoever presses Ctrl-C again won't wait for ten minutes.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(harness.try_wait().unwrap().is_none());
    signal(harness.id(), Signal::SIGINT);
    assert_eq!(harness.wait().unwrap().code(), Some(130));
    assert!(processes(&marker).is_empty(), "it is gone when the harness is");
}

#[test]
fn a_daemon_that_forks_twice_is_followed_to_its_end() {
    let (bench, marker) = (Bench::new(), marker());
    let script = format!("(setsid sleep {marker} > /dev/null 2>&1 &); exit 0");
    let file = harness(&bench, &script, &format!("workers = \"self\"\n{AT_ONCE}"), "1");
    let ended = bench.run(&file, &[]);
    assert_ne!(ended.code, Some(21), "{}", ended.story());
    // What it left running was a worker until the harness stopped it.
    assert!(ended.events("exited").iter().any(|e| e["stopping"] == true), "{}", ended.story());
    assert!(ended.events("note").iter().any(|n| n["text"].as_str().unwrap().contains("background")));
    assert!(processes(&marker).is_empty());
}

#[test]
fn a_program_that_cannot_be_executed_is_told_with_the_reason() {
    let bench = Bench::new();
    let plain = bench.write("plain.txt", "no program");
    for (program, reason) in [
        ("no-such-program-anywhere", "No such file or directory"),
        ("/no/such/program", "No such file or directory"),
        (plain.to_str().unwrap(), "Permission denied"),
    ] {
        let text = format!(
            "name = \"absent\"\n[target]\ncommand = [{program:?}]\n[workload]\ncommand = [\"true\"]\n\
             [[phase]]\nkind = \"soak\"\nduration = \"1s\"\n"
        );
        let ended = bench.run(&bench.write("harness.toml", &text), &[]);
        assert_eq!(ended.code, Some(21), "{}", ended.story());
        assert!(ended.stdout.contains(reason) && ended.stdout.contains(program), "{}", ended.story());
    }
}

#[test]
fn a_target_that_dies_or_never_gets_ready_is_told_with_its_last_output() {
    let bench = Bench::new();
    for (script, target) in [
        ("echo the last words; exit 3", "ready = { tcp = \"127.0.0.1:${port}\", timeout = \"20s\" }"),
        ("echo the last words; sleep 1; exit 3", AT_ONCE),
        ("echo the last words; kill -SEGV $$$$", AT_ONCE),
        ("echo the last words; sleep 60", "ready = { tcp = \"127.0.0.1:${port}\", timeout = \"300ms\" }"),
        ("echo the last words >&2; sleep 60", "ready = { output = \"never said\", timeout = \"300ms\" }"),
    ] {
        let ended = bench.run(&harness(&bench, script, target, "20"), &[]);
        assert_eq!(ended.code, Some(21), "{script}: {}", ended.story());
        assert!(ended.stdout.contains("the last words"), "{script}: {}", ended.story());
        std::fs::remove_dir_all(bench.reports()).unwrap();
    }
}

#[test]
fn a_preparation_that_fails_is_told_with_its_output_and_nothing_is_launched() {
    let (bench, marker) = (Bench::new(), marker());
    let target = format!("prepare = [[\"sh\", \"-c\", \"echo no compiler; exit 4\"]]\n{AT_ONCE}");
    let ended = bench.run(&harness(&bench, &format!("sleep {marker}"), &target, "1"), &[]);
    assert_eq!(ended.code, Some(21), "{}", ended.story());
    assert!(ended.stdout.contains("no compiler"), "{}", ended.story());
    assert!(ended.events("spawned").is_empty());
}

#[test]
fn the_memory_limit_stops_a_leak_and_is_told_as_what_it_is() {
    let bench = Bench::new();
    // Doubles a string until someone stops it.
    let target = format!("memory-limit = \"64 MiB\"\nworkers = \"self\"\n{AT_ONCE}");
    let script =
        "exec perl -e '$| = 1; my @kept; while (1) { push @kept, \"x\" x 1048576; select undef, undef, undef, 0.01 }'";
    let ended = bench.run(&harness(&bench, script, &target, "20"), &[]);
    assert_eq!(ended.code, Some(21), "{}", ended.story());
    let by_group = ended.json("run.json")["target"]["limited_by"].as_str().unwrap().starts_with("cgroup");
    if by_group {
        assert_eq!(ended.events("memory-limit").len(), 1, "{}", ended.story());
        assert!(ended.stdout.contains("memory limit"), "{}", ended.story());
    }
}

#[test]
fn only_what_is_allowed_of_the_environment_reaches_the_target_and_none_of_it_is_stored() {
    let bench = Bench::new();
    let target = format!("env = {{ MODE = \"hush-hush\" }}\n{AT_ONCE}");
    let file = harness(&bench, "env; sleep 60", &target, "1");
    let mut command = bench.seepage();
    command.env("CI_SECRET", "do-not-pass").arg("run").arg(&file).arg("--reports").arg(bench.reports());
    let ended = bench.ended(command.output().unwrap());
    let seen = ended.read("target.stdout");
    assert!(seen.contains("MODE=hush-hush") && seen.contains("PATH="), "{seen}");
    assert!(!seen.contains("do-not-pass"), "{seen}");
    for entry in std::fs::read_dir(ended.directory()).unwrap().flatten() {
        if entry.file_name() != "target.stdout" && entry.path().is_file() {
            let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
            assert!(!text.contains("hush-hush"), "{}", entry.path().display());
        }
    }
}

#[test]
fn a_place_for_reports_that_cannot_be_written_fails_before_anything_starts() {
    let (bench, marker) = (Bench::new(), marker());
    bench.write("reports", "a file is in the way");
    let ended = bench.run(&harness(&bench, &format!("touch started; sleep {marker}"), AT_ONCE, "1"), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stderr.contains("reports"), "{}", ended.story());
    assert!(bench.scratch().is_empty());
}

/// Control groups that are left of runs with this name.
fn groups_left(name: &str) -> usize {
    let mut found = 0;
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found += usize::from(entry.file_name().to_string_lossy().contains(name));
                folders.push(entry.path());
            }
        }
    }
    found
}

#[test]
fn a_run_that_cannot_begin_leaves_no_group_and_no_directory() {
    let bench = Bench::new();
    // A name of its own: the run has no directory that would tell its id.
    let name = format!("cannot-begin-{}", std::process::id());
    let text = format!(
        "name = \"{name}\"\n[target]\ncommand = [\"sleep\", \"60\"]\n[workload]\nbase-url = [\"http://127.0.0.1:1\"]\n\
         concurrency = 1\n[[workload.step]]\nname = \"x\"\npath = \"/\"\nmethod = \"POST\"\n\
         body = {{ file = \"/no/such/file\" }}\n[[phase]]\nkind = \"soak\"\nduration = \"1s\"\n"
    );
    let ended = bench.run(&bench.write("harness.toml", &text), &[]);
    assert_eq!(ended.code, Some(20), "{}", ended.story());
    assert!(ended.stderr.contains("/no/such/file"), "{}", ended.story());
    assert_eq!((&ended.run, bench.scratch()), (&None, vec![]));
    assert_eq!(groups_left(&name), 0);
}

#[test]
fn workers_that_crash_are_a_finding_of_their_own() {
    let bench = Bench::new();
    let script = "while :; do sh -c 'sleep 0.3; kill -SEGV $$$$'; done";
    let ended = bench.run(&harness(&bench, script, AT_ONCE, "2"), &[]);
    let crashed = ended.events("exited").into_iter().filter(|e| e["cause"]["signal"] == 11 && e["stopping"] == false);
    assert!(crashed.count() >= 1, "{}", ended.story());
    assert_ne!(ended.code, Some(0));
    assert!(ended.stdout.contains("SIGSEGV"), "{}", ended.story());
}

#[test]
fn a_worker_that_crashes_and_that_nobody_waits_for_is_told_too() {
    let bench = Bench::new();
    // The parent never looks after its children: what is left of the one that dies is a zombie.
    let script = "exec perl -e 'for my $n (1..2) { if (fork() == 0) { sleep 1; kill SEGV => $$$$ if $n == 1; sleep 60 } } \
                  sleep 60'";
    let ended = bench.run(&harness(&bench, script, AT_ONCE, "3"), &[]);
    let crashed = ended.events("exited").into_iter().filter(|e| e["cause"]["signal"] == 11 && e["stopping"] == false);
    assert_eq!(crashed.count(), 1, "{}", ended.story());
    assert_eq!(ended.code, Some(21), "{}", ended.story());
    assert!(ended.stdout.contains("SIGSEGV"), "{}", ended.story());
}

/// 500 workers at a time, each of which lives for two seconds and is then replaced.
#[test]
fn no_worker_of_a_large_recycling_pool_is_missed() {
    let bench = Bench::new();
    let script = r#"exec perl -e 'open(my $log, ">", $ENV{PIDS}); $log->autoflush(1); my ($alive, $made, $until) = (0, 0, time + 8);
        use IO::Handle;
        while (1) {
            while ($alive < 500 && $made < 1500 && time < $until) {
                my $pid = fork();
                if ($pid == 0) { sleep 2; require POSIX; POSIX::_exit(0) }
                print $log "$pid\n"; $alive++; $made++;
            }
            if (wait() > 0) { $alive-- } else { sleep 1 }
        }'"#;
    let pids = bench.path().join("pids");
    let target = format!("workers = 'children'\nenv = {{ PIDS = {:?} }}\n{AT_ONCE}", pids.to_str().unwrap());
    let ended = bench.run(&harness(&bench, script, &target, "12"), &[]);
    let made: Vec<u64> = std::fs::read_to_string(&pids).unwrap().lines().map(|l| l.parse().unwrap()).collect();
    // A busy machine makes fewer in its time.
    assert!(made.len() > 500, "{}: {}", made.len(), ended.stderr);
    let mut seen: Vec<u64> = ended.events("spawned").iter().map(|w| w["worker"]["pid"].as_u64().unwrap()).collect();
    seen.sort_unstable();
    seen.dedup();
    let missed = made.iter().filter(|pid| seen.binary_search(pid).is_err()).count();
    assert_eq!(missed, 0, "of {} workers", made.len());
}

#[test]
fn workers_are_chosen_by_their_place_or_their_command_line() {
    for (workers, expected) in
        [("\"self\"", 1), ("\"children\"", 2), ("\"descendants\"", 4), ("{ match = \"sleep 9[0-9]+7$\" }", 2)]
    {
        let (bench, marker) = (Bench::new(), marker());
        // A shell with two shells below it, each with a sleeper.
        let below = format!("sleep {marker}7 & wait");
        let script = format!("sh -c '{below}' & sh -c '{below}' & wait");
        let ended = bench.run(&harness(&bench, &script, &format!("workers = {workers}\n{AT_ONCE}"), "1"), &[]);
        assert_eq!(ended.events("spawned").len(), expected, "{workers}: {}", ended.story());
        assert!(processes(&marker).is_empty());
    }
}

/// Waits until a run of this bench has an event with this text.
fn wait_for_event(bench: &Bench, text: &str) {
    let run = || Some(std::fs::read_dir(bench.reports()).ok()?.flatten().next()?.path());
    let events = |run: PathBuf| std::fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
    wait_until(text, || run().is_some_and(|run| events(run).contains(text)));
}

/// The command of a shell that stops the process which keeps it, and the guard, by `how`: `$K` and `$G` are their numbers.
fn stopping(how: &str, marker: &str) -> String {
    format!("K=$PPID; G=$(cut -d' ' -f4 /proc/$K/stat); {how} exec sleep {marker}")
}

#[test]
fn a_target_that_stops_its_keeper_or_the_guard_keeps_neither_the_run_nor_its_end() {
    for (how, woken) in [
        ("kill -STOP $K;", true),
        ("kill -STOP $G;", false),
        ("kill -STOP $G $K;", true),
        // Whoever is woken doesn't get far.
        ("(trap '' TERM; while :; do kill -STOP $K; done) &", true),
        ("(trap '' TERM; while :; do kill -STOP $G $K; done) &", true),
    ] {
        for interrupted in [false, true] {
            let (bench, marker) = (Bench::new(), marker());
            let soak = if interrupted { "60" } else { "1" };
            let run = bench.start(&harness(&bench, &stopping(how, &marker), AT_ONCE, soak), &["-q"]);
            if interrupted {
                wait_for_event(&bench, "soak");
                signal(run.id(), Signal::SIGTERM);
            }
            let ended = bench.ended(run.wait_with_output().unwrap());
            let code = if interrupted { Some(143) } else { Some(11) };
            assert_eq!(ended.code, code, "{how}: {}", ended.story());
            assert_eq!(ended.json("verdict.json")["verdict"], "inconclusive", "{how}");
            wait_until("all of it is gone", || processes(&marker).is_empty());
            wait_until("its scratch directory is gone", || bench.scratch().is_empty());
            let told = |note: &serde_json::Value| note["text"].as_str().unwrap().contains("was made to go on");
            assert!(!woken || interrupted || ended.events("note").iter().any(told), "{how}: {}", ended.story());
        }
    }
}

#[test]
fn processes_of_another_user_that_cannot_be_killed_are_named_and_not_waited_for() {
    if !nix::unistd::geteuid().is_root() {
        // Only root can make a program that becomes another user.
        return;
    }
    for interrupted in [false, true] {
        let (bench, marker) = (Bench::new(), marker());
        let becomes_root = bench.path().join("becomes-root");
        let script = format!(
            "for i in 1 2; do {} --reuid 0 --regid 0 --clear-groups setsid sleep {marker} & done; exec sleep {marker}",
            becomes_root.display()
        );
        let soak = if interrupted { "60" } else { "2" };
        let file = harness(&bench, &script, "ready = { delay = \"500ms\" }", soak);
        let mut command = bench.seepage_of_a_user();
        std::fs::copy("/usr/bin/setpriv", &becomes_root).unwrap();
        std::fs::set_permissions(&becomes_root, std::fs::Permissions::from_mode(0o4755)).unwrap();
        command.arg("run").arg(&file).arg("-q").arg("--reports").arg(bench.reports());
        let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if interrupted {
            wait_for_event(&bench, "soak");
            signal(run.id(), Signal::SIGTERM);
        }
        let ended = bench.ended(run.wait_with_output().unwrap());
        let live = processes(&format!("sleep {marker}"));
        live.iter().for_each(|pid| signal(*pid, Signal::SIGKILL));
        assert_eq!(ended.code, if interrupted { Some(143) } else { Some(11) }, "{}", ended.story());
        assert_eq!(ended.json("verdict.json")["verdict"], "inconclusive");
        assert_eq!(live.len(), 2, "{}", ended.story());
        let notes = ended.events("note");
        let told =
            notes.iter().filter_map(|note| note["text"].as_str()).find(|text| text.contains("could not be killed"));
        let told = told.unwrap_or_else(|| panic!("{}", ended.story()));
        assert!(live.iter().all(|pid| told.contains(&format!("sleep {pid}"))), "{live:?}: {told}");
    }
}
