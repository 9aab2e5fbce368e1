//! The first five minutes: a command without a harness file, and the harness files that `init` writes, on the real programs.
//!
//! Needs what `scripts/setup-tests.sh` installs; what is missing is skipped, and said to be.

use crate::common::{Bench, Ended, processes};
use std::process::Command;

/// Whether these programs are there; says which isn't.
fn installed(programs: &[&str]) -> bool {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let missing = programs
        .iter()
        .find(|program| !path.split(':').any(|place| std::path::Path::new(place).join(program).is_file()));
    if let Some(program) = missing {
        eprintln!("SKIPPED: `{program}` isn't installed; scripts/setup-tests.sh installs it");
    }
    missing.is_none()
}

/// Runs what `init` writes for a kind, with phases that are as long as a test's.
fn run(bench: &Bench, kind: &str, shorter: &[(&str, &str)]) -> Ended {
    let written = bench.seepage().args(["init", kind]).output().unwrap();
    assert_eq!(written.status.code(), Some(0), "{}", String::from_utf8_lossy(&written.stderr));
    let file = bench.path().join(format!("{kind}.toml"));
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (long, short) in shorter {
        assert!(text.contains(long), "{long}");
        text = text.replace(long, short);
    }
    // In so short a run, a start may look like a leak.
    text = text.replace("\"64 B/request\"", "\"1 MiB/request\"").replace("\"1 MiB/hour\"", "\"8 GiB/hour\"");
    std::fs::write(&file, text).unwrap();
    let ended = bench.run(&file, &["--quiet"]);
    let verdict = ended.json("verdict.json");
    // Whether so short a run proves anything is the machine's business; that the right thing was looked at isn't.
    assert!(matches!(ended.code, Some(0 | 11)), "{}", ended.story());
    assert_eq!(verdict["run"]["status"], "complete", "{}", ended.story());
    for gate in verdict["gates"].as_array().unwrap() {
        let name = gate["name"].as_str().unwrap();
        let of_growth = ["memory", "descriptors", "threads", "shared", "tmpfs", "rest", "processes"].contains(&name);
        assert!(of_growth || gate["state"] == "pass", "{name}: {}", ended.story());
    }
    assert!(processes(&bench.path().to_string_lossy()).is_empty(), "something was left: {}", ended.story());
    ended
}

/// The number of workers, whose requests were counted one by one.
fn counted(ended: &Ended) -> usize {
    assert_eq!(ended.finding("memory")["axis"], "worker-requests", "{}", ended.story());
    ended.finding("memory")["workers"].as_array().map_or(0, Vec::len)
}

/// Lengths of phases in a test: long enough for an account of the whole target.
const SHORT: [(&str, &str); 2] = [("\"25s\"", "\"6s\""), ("\"5s\"", "\"2s\"")];

#[test]
fn init_writes_a_file_for_apache_that_runs() {
    if installed(&["apache2"]) {
        assert_eq!(counted(&run(&Bench::new(), "apache", &SHORT)), 4);
    }
}

#[test]
fn init_writes_a_file_for_php_fpm_that_runs() {
    if installed(&["apache2", "php-fpm8.2"]) {
        assert_eq!(counted(&run(&Bench::new(), "php-fpm", &SHORT)), 4);
    }
}

#[test]
fn init_writes_a_file_for_gunicorn_that_runs() {
    if installed(&["gunicorn"]) {
        assert_eq!(counted(&run(&Bench::new(), "gunicorn", &SHORT)), 2);
    }
}

#[test]
fn init_writes_a_file_for_puma_that_runs() {
    if installed(&["puma"]) {
        assert_eq!(counted(&run(&Bench::new(), "ruby", &SHORT)), 2);
    }
}

#[test]
fn init_writes_a_file_for_node_that_runs() {
    if installed(&["node"]) {
        let bench = Bench::new();
        let ended = run(&bench, "node", &SHORT);
        assert!(ended.events("collected").len() >= 12, "{}", ended.story());
    }
}

#[test]
fn init_writes_a_file_for_java_that_runs() {
    if installed(&["java", "javac"]) {
        let bench = Bench::new();
        let ended = run(&bench, "java", &[("\"20s\"", "\"2s\""), ("\"60s\"", "\"6s\"")]);
        assert!(ended.events("collected").len() >= 12, "{}", ended.story());
    }
}

#[test]
fn init_writes_a_file_for_a_worker_that_runs() {
    let bench = Bench::new();
    let ended = run(&bench, "worker", &[("\"10s\"", "\"1s\""), ("\"3m\"", "\"6s\"")]);
    assert_eq!(ended.finding("memory")["axis"], "hours", "{}", ended.story());
    assert!(ended.json("run.json")["workload"].is_null(), "nothing was sent");
    let log = "requests.log]\npath = \"${work_dir}/jobs.log\"\npattern = '^(?P<pid>\\d+) '";
    let commented = format!("# [{}", log.replace('\n', "\n# "));
    let by_job = [(commented.as_str(), &*format!("[{log}")), ("\"1 MiB/hour\"", "\"64 KiB/request\"")];
    let bench = Bench::new();
    let ended = run(&bench, "worker", &[&[("\"10s\"", "\"1s\""), ("\"3m\"", "\"6s\"")][..], &by_job].concat());
    assert_eq!(counted(&ended), 1, "{}", ended.story());
}

#[test]
fn init_writes_a_file_for_a_command_that_runs() {
    if installed(&["curl"]) {
        assert_eq!(counted(&run(&Bench::new(), "command", &SHORT)), 2);
    }
}

/// A worker that works a little all the time, and keeps what it is told to.
const WORKER: &str = r#"
import sys, time
kept = []
while True:
    sum(range(20000))
    kept.append(bytearray(int(sys.argv[1])))
    time.sleep(0.01)
"#;

/// `seepage run ... -- COMMAND`, to its end.
fn bare(bench: &Bench, options: &[&str], command: &[&str]) -> Ended {
    let mut seepage: Command = bench.seepage();
    seepage.arg("run").arg("--reports").arg(bench.reports()).args(options).arg("--").args(command);
    bench.ended(seepage.output().unwrap())
}

#[test]
fn a_command_runs_without_a_harness_file_and_the_file_that_it_is_does_the_same() {
    let bench = Bench::new();
    bench.write("worker.py", WORKER);
    let ended = bare(&bench, &["--for", "15s", "--budget", "64 MiB in 1 day"], &["python3", "worker.py", "20000"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stdout.contains("each hour leaves") && !ended.stdout.contains("error rate"), "{}", ended.story());
    let begin = ended.stderr.find("name = ").unwrap_or_else(|| panic!("{}", ended.story()));
    let end = begin + ended.stderr[begin..].find("in 1 day\"\n").unwrap() + "in 1 day\"\n".len();
    let file = bench.write("same.toml", &ended.stderr[begin..end]);
    let same = bench.run(&file, &["--quiet"]);
    assert_eq!(same.code, Some(10), "{}", same.story());
    assert!(processes("worker.py").iter().all(|pid| !works_in(*pid, &bench)), "it was left");
}

#[test]
fn a_life_waits_until_it_is_known_who_the_workers_are() {
    for pauses in ["", "[workload]\ncommand = ['sleep', '60']\n[settle]\npauses = 12\nfor = '300ms'\n"] {
        let bench = Bench::new();
        let script = bench.write("worker.py", WORKER);
        let text = format!(
            "name = 'life'\n[target]\ncommand = ['python3', {script:?}, '0']\nready = {{ delay = '50ms' }}\n\
             [[phase]]\nkind = 'warm-up'\nduration = '100ms'\n[[phase]]\nkind = 'soak'\nduration = '1s'\n{pauses}\
             [budget]\nmemory = '64 MiB in 1 hour'\n"
        );
        let ended = bench.run(&bench.write("life.toml", &text), &["--quiet"]);
        assert!(matches!(ended.code, Some(0 | 11)), "{}", ended.story());
        assert!(
            ended.stdout.contains("Memory stays under 64 MiB for 60 min if it grows by at most"),
            "{}",
            ended.story()
        );
    }
}

fn works_in(pid: u32, bench: &Bench) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(bench.path()))
}

#[test]
fn a_command_that_serves_is_asked_for_a_url() {
    let bench = Bench::new();
    let server = [env!("CARGO_BIN_EXE_seepage"), "demo-server", "--port", "${port}", "--workers", "2"];
    let url = ["--url", "http://127.0.0.1:${port}/", "--workers", "children", "--for", "10s", "--quiet"];
    let ended = bare(&bench, &url, &server);
    assert!(matches!(ended.code, Some(0 | 11)), "{}", ended.story());
    let workload = &ended.json("run.json")["workload"];
    assert!(workload["ok"].as_u64() > Some(100) && workload["failed"] == 0, "{}", ended.story());
}

#[test]
fn what_cannot_be_run_is_told_before_anything_is_launched() {
    let bench = Bench::new();
    let file = bench.write("shop.toml", "");
    let told = |options: &[&str], command: &[&str]| {
        let ended = bare(&bench, options, command);
        assert_eq!((ended.code, ended.run), (Some(2), None), "{}", ended.stderr);
        ended.stderr
    };
    assert!(told(&[], &["gunicron"]).contains("no program `gunicron`"));
    assert!(told(&[], &["./worker.py"]).contains("there is no such file"));
    assert!(told(&[&file.to_string_lossy()], &["sh"]).contains("leave one of them out"));
    assert!(told(&["--budget", "512 MiB in a while"], &["sh"]).contains("512 MiB in 7 days"));
    assert!(
        told(&["--budget", "1 MiB/hour", "--budget", "2 MiB/hour"], &["sh"]).contains("given twice for one resource")
    );
    let program = bench.run(std::path::Path::new("/bin/sh"), &[]);
    assert_eq!(program.code, Some(20), "{}", program.stderr);
    assert!(program.stderr.contains("`seepage run -- /bin/sh`"), "{}", program.stderr);
    let undashed = bench.seepage().args(["run", "sh", "-c", "true"]).output().unwrap();
    assert_eq!(undashed.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&undashed.stderr).contains("`seepage run -- sh -c true`"));
    let neither = bench.seepage().arg("run").output().unwrap();
    assert_eq!(neither.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&neither.stderr).contains("seepage init"));
}

#[test]
fn a_worker_that_nothing_drives_is_checked_and_not_compared() {
    let bench = Bench::new();
    assert!(bench.seepage().args(["init", "worker"]).output().unwrap().status.success());
    let told = |arguments: &[&str]| bench.ended(bench.seepage().args(arguments).output().unwrap());
    let checked = told(&["check", "worker.toml"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(checked.stdout.contains("nothing is sent") && checked.stdout.contains("by the hour"), "{}", checked.stdout);
    let compared = told(&["ab", "worker.toml", "--define", "MODE=new"]);
    assert_eq!(compared.code, Some(20), "{}", compared.stderr);
    assert!(compared.stderr.contains("compared by their growth per request"), "{}", compared.stderr);
}

#[test]
fn init_lists_its_kinds_and_leaves_files_alone() {
    let bench = Bench::new();
    let init = |arguments: &[&str]| bench.ended(bench.seepage().arg("init").args(arguments).output().unwrap());
    let listed = init(&[]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    assert!(listed.stdout.contains("gunicorn") && listed.stdout.contains("worker"), "{}", listed.stdout);
    let wrong = init(&["pumma"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("there is no kind `pumma`") && wrong.stderr.contains("ruby"), "{}", wrong.stderr);
    bench.write("node.toml", "mine");
    let there = init(&["node"]);
    assert_eq!(there.code, Some(1), "{}", there.stderr);
    assert_eq!(std::fs::read_to_string(bench.path().join("node.toml")).unwrap(), "mine");
    assert_eq!(init(&["node", "--to", "other.toml"]).code, Some(0));
}
