//! Nothing that seepage started outlives a run, whoever started it and whatever ended the run; and what a dead run left in
//! directories is removed by the next, which never touches a living one's.

use crate::common::{Bench, processes, signal, wait_until};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A number that marks the processes of one test: `sleep` takes it as its duration.
fn marker() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("8{:07}{:02}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The commands of a harness file that are started beside the target.
const COMMANDS: [&str; 4] = ["prepare", "ready", "collect", "workload"];

/// A harness file one of whose commands goes to the background in a session of its own, and stays in the foreground too.
fn harness(bench: &Bench, command: &str, marker: &str) -> PathBuf {
    let stays = format!(r#"["sh", "-c", "trap '' TERM INT; setsid sleep {marker} & sleep {marker}"]"#);
    let of = |name: &str, otherwise: &str| if name == command { stays.clone() } else { otherwise.to_owned() };
    let text = format!(
        r#"
name = "survivors"
[target]
command = ["sleep", "60"]
workers = "self"
prepare = [{}]
ready = {{ command = {}, timeout = "60s" }}
stop = {{ grace = "100ms" }}
[settle]
collect = {{ command = {} }}
[workload]
command = {}
[[phase]]
kind = "settle"
duration = "10ms"
[[phase]]
kind = "soak"
duration = "60s"
"#,
        of("prepare", r#"["true"]"#),
        of("ready", r#"["true"]"#),
        of("collect", r#"["true"]"#),
        of("workload", r#"["sleep", "60"]"#),
    );
    bench.write("harness.toml", &text)
}

/// The guard of a harness that runs.
fn guard_of(harness: &Child) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", harness.id())).unwrap();
    children.trim().parse().unwrap_or_else(|_| panic!("one child, the guard: {children:?}"))
}

/// Starts a run and waits for its command.
fn begun(bench: &Bench, command: &str, marker: &str) -> Child {
    let harness = bench.start(&harness(bench, command, marker), &[]);
    wait_until(command, || processes(&format!("sleep {marker}")).len() >= 3);
    harness
}

#[test]
fn no_command_outlives_a_harness_a_guard_or_both_that_are_killed() {
    for command in COMMANDS {
        for (harness_dies, guard_dies) in [(true, false), (false, true), (true, true)] {
            let (bench, marker) = (Bench::new(), marker());
            let harness = begun(&bench, command, &marker);
            let guard = guard_of(&harness);
            if guard_dies {
                signal(guard, Signal::SIGKILL);
            }
            if harness_dies {
                signal(harness.id(), Signal::SIGKILL);
            }
            harness.wait_with_output().unwrap();
            wait_until(&format!("all of {command} is gone"), || processes(&marker).is_empty());
            if !(harness_dies && guard_dies) {
                wait_until("its scratch directory is gone", || bench.scratch().is_empty());
            }
        }
    }
}

#[test]
fn no_command_outlives_an_interrupted_run() {
    for command in COMMANDS {
        let (bench, marker) = (Bench::new(), marker());
        let harness = begun(&bench, command, &marker);
        signal(harness.id(), Signal::SIGINT);
        let ended = bench.ended(harness.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(130), "{command}: {}", ended.story());
        assert_eq!((processes(&marker), bench.scratch()), (vec![], vec![]), "{command}");
    }
}

#[test]
fn what_a_command_left_in_the_background_ends_with_a_run_and_a_preparation_is_there_until_then() {
    let (bench, marker) = (Bench::new(), marker());
    let left = |more: u32| format!(r#"["sh", "-c", "setsid sleep {marker}{more} & true"]"#);
    let alive = format!("tr '\\\\0' ' ' < /proc/$(pgrep -f '^sleep {marker}1')/cmdline");
    let text = format!(
        r#"
name = "background"
[target]
command = ["sleep", "60"]
workers = "self"
prepare = [{}]
ready = {{ command = {} }}
[settle]
collect = {{ command = {} }}
[workload]
command = ["sh", "-c", "setsid sleep {marker}4 & sleep 1; {alive}"]
command-requests = '{marker}(?P<count>\d)'
[[phase]]
kind = "soak"
duration = "60s"
[[phase]]
kind = "settle"
duration = "10ms"
"#,
        left(1),
        left(2),
        left(3),
    );
    let ended = bench.run(&bench.write("harness.toml", &text), &[]);
    assert_eq!(ended.json("run.json")["workload"]["sent"], 1, "the preparation's was there: {}", ended.story());
    // Neither is a worker of the target.
    assert_eq!(ended.events("spawned").len(), 1, "{}", ended.story());
    assert_eq!((processes(&marker), bench.scratch()), (vec![], vec![]));
}

#[test]
fn a_ready_command_has_the_environment_of_the_target() {
    let bench = Bench::new();
    let text = r#"
name = "environment"
[target]
command = ["sleep", "60"]
env = { MODE = "given" }
workers = "self"
ready = { command = ["sh", "-c", "env > seen.new; mv seen.new seen"] }
[workload]
command = ["true"]
[[phase]]
kind = "soak"
duration = "1s"
"#;
    let mut command = bench.seepage();
    command.env("CI_SECRET", "do-not-pass").arg("run").arg(bench.write("harness.toml", text));
    command.output().unwrap();
    let seen = std::fs::read_to_string(bench.path().join("seen")).unwrap();
    assert!(seen.contains("MODE=given") && seen.contains("PATH=") && !seen.contains("do-not-pass"), "{seen}");
}

/// A run of which harness, guard and keeper were all killed at once: nobody is left to remove what was its own.
fn killed_whole(bench: &Bench) {
    let harness = begun(bench, "workload", &marker());
    let guard = guard_of(&harness);
    let keepers = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).unwrap();
    let below: Vec<u32> = keepers.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    let target = below.iter().flat_map(|pid| all_below(*pid)).collect::<Vec<u32>>();
    for pid in below.iter().chain([&guard, &harness.id()]) {
        signal(*pid, Signal::SIGSTOP);
    }
    for pid in below.iter().chain([&guard, &harness.id()]).chain(&target) {
        signal(*pid, Signal::SIGKILL);
    }
    harness.wait_with_output().unwrap();
}

/// PIDs of everything below a process.
fn all_below(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<u32> = text.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    children.iter().flat_map(|child| all_below(*child)).chain(children.clone()).collect()
}

#[test]
fn a_run_removes_what_a_dead_one_left_and_nothing_else() {
    let bench = Bench::new();
    killed_whole(&bench);
    let left = bench.scratch();
    assert_eq!(left.len(), 1, "{left:?}");
    let living = begun(&bench, "workload", &marker());
    let kept: Vec<PathBuf> = bench.scratch().into_iter().filter(|path| !left.contains(path)).collect();
    assert!(!left[0].exists(), "the dead one's is gone");
    assert_eq!(kept.len(), 1);

    // Directories that are named as ours: with things of the user's, a link, and one that is empty.
    let named = |id: &str| bench.path().join(format!("seepage-20260101T000000Z-x-{id}"));
    let theirs = named("000001");
    std::fs::create_dir(&theirs).unwrap();
    std::fs::write(theirs.join("thesis.txt"), "x").unwrap();
    let elsewhere = bench.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("lock"), "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, named("000002")).unwrap();
    std::fs::create_dir(named("000003")).unwrap();
    // That of another user, as far as this one may make it so.
    let others = named("000004");
    std::fs::create_dir(&others).unwrap();
    std::fs::write(others.join("lock"), "").unwrap();
    let is_others = std::os::unix::fs::chown(&others, Some(65534), None).is_ok();

    quick(&bench);
    assert_eq!(others.join("lock").exists(), is_others, "another user's is left alone");
    assert!(kept[0].join("lock").exists(), "the living one's is left alone");
    assert!(theirs.join("thesis.txt").exists() && elsewhere.join("lock").exists() && named("000002").is_symlink());
    assert!(!named("000003").exists());
    signal(living.id(), Signal::SIGINT);
    living.wait_with_output().unwrap();
}

/// A run that is over in a moment.
fn quick(bench: &Bench) {
    let text = "name = \"quick\"\n[target]\ncommand = [\"sleep\", \"60\"]\nworkers = \"self\"\nready = { delay = \"1ms\" }\n\
                [workload]\ncommand = [\"true\"]\n[[phase]]\nkind = \"soak\"\nduration = \"1s\"\n";
    let file = bench.write("quick.toml", text);
    let output = bench.seepage().arg("run").arg(&file).args(["--reports", "quick-reports"]).output().unwrap();
    assert_ne!(output.status.code(), Some(1), "{output:?}");
}

/// Control groups of runs with this name.
fn groups(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let path = entry.path();
                if entry.file_name().to_string_lossy().contains(name) {
                    found.push(path.clone());
                }
                folders.push(path);
            }
        }
    }
    found
}

#[test]
fn control_groups_go_with_their_run_and_those_of_dead_ones_with_the_next() {
    let bench = Bench::new();
    killed_whole(&bench);
    quick(&bench);
    // Only what this test has left: other tests have living runs.
    let id = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let run = std::fs::read_dir(bench.reports()).unwrap().flatten().next().unwrap().path();
    wait_until("the dead run's group is gone", || {
        quick(&bench);
        groups(&id(&run)).is_empty()
    });
}

#[test]
fn processes_that_had_to_be_killed_are_counted_once_and_named() {
    let (bench, marker) = (Bench::new(), marker());
    let text = format!(
        "name = \"many\"\n[target]\n\
         command = [\"sh\", \"-c\", \"trap '' TERM; for i in $(seq 40); do sleep {marker} & done; wait\"]\n\
         workers = \"self\"\nready = {{ delay = \"1s\" }}\nstop = {{ grace = \"100ms\" }}\n[workload]\ncommand = [\"true\"]\n\
         [[phase]]\nkind = \"soak\"\nduration = \"1s\"\n"
    );
    let ended = bench.run(&bench.write("harness.toml", &text), &[]);
    let notes = ended.events("note");
    let told = notes.iter().filter_map(|note| note["text"].as_str()).find(|text| text.contains("did not end"));
    let told = told.unwrap_or_else(|| panic!("{}", ended.story()));
    assert!(told.starts_with("41 processes (sh ") && told.contains(", sleep ") && told.contains(", ...)"), "{told}");
}

#[test]
fn what_the_launched_process_leaves_behind_is_asked_to_end_too() {
    let bench = Bench::new();
    // A server beside the one that is launched, as in `apache2 & exec php-fpm`, and one below another shell.
    let server = |name: &str| format!("(trap 'echo {name} >> ended; exit' TERM; while :; do sleep 0.1; done)");
    let script = format!(
        r#"cd {}; {} & sh -c "{} & wait" & exec sleep 600"#,
        bench.path().display(),
        server("beside"),
        server("below")
    );
    let text = format!(
        "name = \"left\"\n[target]\ncommand = [\"sh\", \"-c\", '''{script}''']\n\
         workers = \"self\"\nready = {{ delay = \"500ms\" }}\nstop = {{ grace = \"10m\" }}\n[workload]\ncommand = [\"true\"]\n\
         [[phase]]\nkind = \"soak\"\nduration = \"500ms\"\n"
    );
    let ended = bench.run(&bench.write("harness.toml", &text), &[]);
    let told = std::fs::read_to_string(bench.path().join("ended")).unwrap_or_else(|_| panic!("{}", ended.story()));
    let mut told: Vec<&str> = told.lines().collect();
    told.sort_unstable();
    assert_eq!(told, ["below", "beside"], "{}", ended.story());
    assert!(!ended.story().contains("killed"), "{}", ended.story());
}

/// `script` for the shell, with a view of the mounts of its own; `None` if this user may not have one.
fn with_own_mounts(bench: &Bench, script: &str) -> Option<Child> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).current_dir(bench.path()).env("TMPDIR", bench.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    nix::unistd::geteuid().is_root().then(|| command.spawn().unwrap())
}

/// A directory of somebody else's, with a file in it.
fn foreign(bench: &Bench) -> PathBuf {
    let foreign = bench.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("file"), "x").unwrap();
    foreign
}

#[test]
fn what_a_target_mounted_in_its_directory_is_not_removed_however_the_run_ends() {
    for end in [None, Some(Signal::SIGTERM), Some(Signal::SIGKILL)] {
        let bench = Bench::new();
        let foreign = foreign(&bench);
        let text = format!(
            "name = \"mounts\"\n[target]\nworkers = \"self\"\nready = {{ output = \"mounted\" }}\ncommand = [\"sh\", \"-c\", \
             \"cd ${{work_dir}}; mkdir m own; touch own/file; mount --bind {} m; echo mounted; exec sleep 60\"]\n\
             [workload]\ncommand = [\"sleep\", \"60\"]\n[[phase]]\nkind = \"soak\"\nduration = \"{}\"\n",
            foreign.display(),
            if end.is_some() { "60s" } else { "1s" }
        );
        let file = bench.write("mounts.toml", &text);
        let (seepage, reports) = (env!("CARGO_BIN_EXE_seepage"), bench.reports());
        let script = format!("exec {seepage} run -q {} --reports {}", file.display(), reports.display());
        let Some(run) = with_own_mounts(&bench, &script) else { return };
        let own = || bench.scratch().first().map(|scratch| scratch.join("work/own/file"));
        if let Some(end) = end {
            wait_until("the target runs", || own().is_some_and(|own| own.exists()));
            wait_until("it is recorded", || {
                let events = |run: PathBuf| std::fs::read_to_string(run.join("events.jsonl")).ok();
                let run = std::fs::read_dir(&reports).ok().and_then(|mut runs| Some(runs.next()?.ok()?.path()));
                run.and_then(events).is_some_and(|text| text.contains("soak"))
            });
            signal(run.id(), end);
        }
        let ended = bench.ended(run.wait_with_output().unwrap());
        wait_until("what is the run's own is gone", || own().is_some_and(|own| !own.exists()));
        assert!(foreign.join("file").exists(), "{end:?}: {}", ended.story());
        if end != Some(Signal::SIGKILL) {
            let told = |note: &serde_json::Value| note["text"].as_str().unwrap().ends_with("work/m is mounted");
            assert!(ended.events("note").iter().any(told), "{end:?}: {}", ended.story());
        }
    }
}

#[test]
fn what_is_mounted_in_what_is_left_of_a_dead_run_is_not_removed_by_the_next_nor_by_prune() {
    let bench = Bench::new();
    let foreign = foreign(&bench);
    quick(&bench);
    let quick = bench.path().join("quick.toml");
    let runs = bench.path().join("quick-reports");
    let old = std::fs::read_dir(&runs).unwrap().flatten().next().unwrap().path();
    let dead = bench.path().join("seepage-20260101T000000Z-x-00000a");
    let mounted = [dead.join("work/m"), old.join("m")];
    mounted.iter().for_each(|place| std::fs::create_dir_all(place).unwrap());
    std::fs::write(dead.join("work/own"), "x").unwrap();
    std::fs::write(dead.join("lock"), "").unwrap();
    let seepage = env!("CARGO_BIN_EXE_seepage");
    let script = format!(
        "mount --bind {0} {1} && mount --bind {0} {2} && {seepage} run -q {3} --reports {4}; \
         {seepage} prune {5} --keep 0",
        foreign.display(),
        mounted[0].display(),
        mounted[1].display(),
        quick.display(),
        bench.reports().display(),
        runs.display()
    );
    let Some(run) = with_own_mounts(&bench, &script) else { return };
    let ended = bench.ended(run.wait_with_output().unwrap());
    assert!(foreign.join("file").exists(), "{}", ended.story());
    assert!(!dead.join("work/own").exists(), "{}", ended.story());
    let told = |note: &serde_json::Value| note["text"].as_str().unwrap().starts_with("of an earlier run");
    assert_eq!(ended.events("note").iter().filter(|note| told(note)).count(), 1, "{}", ended.story());
    assert!(old.join("run.json").exists() && ended.stderr.contains("m is mounted in it"), "{}", ended.story());
    assert_eq!(ended.code, Some(1), "{}", ended.story());
}

#[test]
fn directories_that_a_target_closed_go_with_its_run() {
    let bench = Bench::new();
    // The lock is the target's to remove too: the end of its own run needs none.
    let text = "name = \"closed\"\n[target]\nworkers = \"self\"\nready = { delay = \"200ms\" }\n\
                command = [\"sh\", \"-c\", \"cd ${work_dir}; mkdir -p a/b z; touch a/b/f z/f; chmod 500 a/b; chmod 000 z; \
                rm -f ../lock; chmod 000 ..; exec sleep 60\"]\n[workload]\ncommand = [\"true\"]\n[[phase]]\nkind = \"soak\"\n\
                duration = \"1s\"\n";
    let file = bench.write("closed.toml", text);
    let mut command = bench.seepage_of_a_user();
    command.arg("run").arg(&file).arg("-q").arg("--reports").arg(bench.reports());
    let ended = bench.ended(command.output().unwrap());
    assert!(ended.run.is_some() && bench.scratch().is_empty(), "{}", ended.story());
}
