//! Nothing hangs and nothing grows without bound, whatever a user names and whatever a target writes.

use crate::common::{Bench, Ended, wait_until};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

fn fifo(bench: &Bench, name: &str) -> std::path::PathBuf {
    let path = bench.path().join(name);
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    path
}

#[test]
fn what_never_ends_is_no_file() {
    let bench = Bench::new();
    let fifo = fifo(&bench, "fifo");
    for path in [Path::new("/dev/zero"), &fifo, bench.path()] {
        for (command, code) in [("check", 20), ("run", 20), ("analyze", 1), ("report", 1), ("explain", 1)] {
            let ended = bench.ended(bench.seepage().arg(command).arg(path).output().unwrap());
            assert_eq!(ended.code, Some(code), "{command} {}: {}", path.display(), ended.story());
            if ["check", "run"].contains(&command) {
                assert!(ended.stderr.contains("where a plain file is expected"), "{}", ended.story());
            }
        }
    }
}

#[test]
fn a_table_may_come_through_a_pipe() {
    let bench = Bench::new();
    let script = "(echo t_s,anon_bytes; seq 1 200 | sed 's/$/,5000000/') | \"$0\" analyze /dev/stdin";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_seepage")]).current_dir(bench.path());
    let ended = bench.ended(command.output().unwrap());
    assert!(matches!(ended.code, Some(0 | 11)), "{}", ended.story());
}

#[test]
fn a_log_that_is_a_fifo_is_refused() {
    let bench = Bench::new();
    let log = fifo(&bench, "access.log");
    let mut target = Command::new("sleep").arg("600").spawn().unwrap();
    let mut command = bench.seepage();
    command.args(["attach", "--pid", &target.id().to_string(), "--for", "10s", "--log-pattern", "(?<pid>.*)", "--log"]);
    let ended = bench.ended(command.arg(log).output().unwrap());
    target.kill().unwrap();
    target.wait().unwrap();
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stderr.contains("it is a FIFO, where a plain file is expected"), "{}", ended.story());
    assert_eq!(ended.run, None);
}

#[test]
fn a_run_whose_log_is_a_fifo_ends_and_says_so() {
    let bench = Bench::new();
    let log = fifo(&bench, "access.log");
    let text = format!(
        "name = 'fifo'\n[target]\ncommand = ['sleep', '600']\nworkers = 'self'\nready = {{ delay = '50ms' }}\n\
         [requests.log]\npath = {log:?}\npattern = '^(?P<pid>\\d+)'\n\
         [workload]\ncommand = ['sleep', '600']\n[[phase]]\nkind = 'soak'\nduration = '2s'\n"
    );
    let ended = bench.run(&bench.write("harness.toml", &text), &["--quiet"]);
    assert_eq!(ended.code, Some(11), "{}", ended.story());
    assert!(ended.stdout.contains("it is a FIFO, where a plain file is expected"), "{}", ended.story());
    assert!(!ended.read("samples.jsonl").contains("\"requests\""), "what wasn't counted is missing");
}

const YES: &str = "name = 'yes'\n[target]\ncommand = ['yes', 'a line of output']\nworkers = 'self'\n\
                   ready = { delay = '50ms' }\n[workload]\ncommand = ['sleep', '600']\n\
                   [[phase]]\nkind = 'soak'\nduration = '4s'\n";

#[test]
fn a_target_that_prints_for_ever_fills_no_disk_and_is_not_stalled() {
    let bench = Bench::new();
    let harness = bench.start(&bench.write("harness.toml", YES), &["--quiet"]);
    let output = || {
        let run = std::fs::read_dir(bench.reports()).ok()?.flatten().next()?.path();
        std::fs::metadata(run.join("target.stdout")).ok()
    };
    // More than is kept was written, and less than that is on disk.
    wait_until("the middle is taken out", || {
        output().is_some_and(|file| file.len() > 128 << 20 && file.blocks() * 512 < file.len() / 2)
    });
    let ended = bench.ended(harness.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(11), "{}", ended.story());
    let told = both_ends_are_kept(&ended);
    assert!(told.ends_with("its first and its last 4 MiB are kept"), "{told}");
}

/// What the run tells of the target's output, whose ends are there.
fn both_ends_are_kept(ended: &Ended) -> String {
    let text = ended.read("target.stdout");
    assert!(text.len() < 10 << 20, "{}", text.len());
    assert!(text.starts_with("a line of output\n") && text.contains("\n[seepage left out "), "its ends are kept");
    assert!(!text.contains('\0'));
    let notes = ended.events("note").into_iter().map(|note| note["text"].as_str().unwrap().to_owned());
    let told = notes.into_iter().find(|note| note.starts_with("target.stdout was "));
    told.unwrap_or_else(|| panic!("{}", ended.story()))
}

#[test]
fn a_file_system_without_holes_is_not_filled_either() {
    use nix::mount::{MsFlags, mount};
    let bench = Bench::new();
    std::fs::create_dir(bench.reports()).unwrap();
    let none = None::<&str>;
    // SAFETY: changes only which mounts this thread, and what it starts, sees; they go with the last of them.
    if unsafe { nix::libc::unshare(nix::libc::CLONE_NEWNS) } != 0 {
        eprintln!("skipped: mounting a file system needs root");
        return;
    }
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("ramfs"), &bench.reports(), Some("ramfs"), MsFlags::empty(), none).unwrap();
    let harness = bench.start(&bench.write("harness.toml", YES), &["--quiet"]);
    let length = || {
        let run = std::fs::read_dir(bench.reports()).ok()?.flatten().next()?.path();
        Some(std::fs::metadata(run.join("target.stdout")).ok()?.len())
    };
    // It shrinks under the eyes of whoever looks.
    let mut longest = 0;
    wait_until("it is cut off", || {
        let now = length().unwrap_or(0);
        longest = longest.max(now);
        now < longest
    });
    let ended = bench.ended(harness.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(11), "{}", ended.story());
    let told = both_ends_are_kept(&ended);
    assert!(told.ends_with("in parts, as its file system has no holes"), "{told}");
}

#[test]
fn an_experiment_with_senseless_numbers_is_refused_at_once() {
    let bench = Bench::new();
    for pairs in ["18446744073709551615", "4294967296", "0", "33"] {
        let head = format!(
            "{{\"format\": \"1.2\", \"name\": \"x\", \"started\": \"2026-01-01T00:00:00Z\", \"seed\": 1, \"pairs\": {pairs}, \
             \"sides\": [{{\"name\": \"a\", \"phrase\": \"a\"}}, {{\"name\": \"b\", \"phrase\": \"b\"}}], \
             \"notes\": [], \"fingerprint\": \"\"}}"
        );
        bench.write("experiment.json", &head);
        let ended = bench.ended(bench.seepage().arg("report").arg(bench.path()).output().unwrap());
        assert_eq!(ended.code, Some(1), "{}", ended.story());
        assert!(ended.stderr.contains(&format!("{pairs} pairs can't be planned")), "{}", ended.story());
    }
}

#[test]
fn old_runs_are_pruned_and_what_goes_on_stays() {
    let bench = Bench::new();
    let text = |soak| {
        format!(
            "name = 'idle'\n[target]\ncommand = ['sleep', '600']\nworkers = 'self'\nready = {{ delay = '50ms' }}\n\
             [workload]\ncommand = ['sleep', '600']\n[[phase]]\nkind = 'soak'\nduration = '{soak}'\n"
        )
    };
    let short = bench.write("short.toml", &text("300ms"));
    let first = bench.run(&short, &["--quiet"]).run.unwrap();
    let long = bench.write("long.toml", &text("10m"));
    let going = bench.start(&long, &["--quiet"]);
    wait_until("it goes on", || std::fs::read_dir(bench.reports()).unwrap().count() == 2);
    let prune = |more: &[&str]| bench.ended(bench.seepage().args(["prune", "reports"]).args(more).output().unwrap());
    let name = first.file_name().unwrap().to_string_lossy().into_owned();
    let dry = prune(&["--keep", "0", "--dry-run"]);
    assert!(dry.code == Some(0) && dry.stdout.contains(&format!("would remove  {name}")), "{}", dry.story());
    assert!(first.exists());
    let done = prune(&["--keep", "0"]);
    assert!(done.code == Some(0) && done.stdout.contains(&format!("removed  {name}")), "{}", done.story());
    assert!(done.stdout.contains(": it goes on\n"), "{}", done.story());
    assert!(!first.exists() && std::fs::read_dir(bench.reports()).unwrap().count() == 1);
    assert_eq!(prune(&[]).code, Some(2), "without a bound nothing is to be removed");
    crate::common::signal(going.id(), nix::sys::signal::Signal::SIGKILL);
    going.wait_with_output().unwrap();
    // All that it had started ends with it, and nothing of that keeps the lock.
    let killed = std::fs::read_dir(bench.reports()).unwrap().next().unwrap().unwrap().path();
    let judged = bench.ended(bench.seepage().arg("analyze").arg(&killed).output().unwrap());
    assert!(judged.stdout.contains("its end was not recorded: the harness was killed"), "{}", judged.story());
    let done = prune(&["--max-size", "1 B"]);
    assert!(done.code == Some(0) && !killed.exists(), "{}", done.story());
}
