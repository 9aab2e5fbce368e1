//! Run directories from elsewhere through the command line: read or refused with the reason, never a panic, and nothing
//! acts on the terminal or leads out of the directory.

#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "only the unpacking of a packed run is used here")]
mod entries;

use crate::common::{Bench, Ended};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

/// A run that was once recorded.
fn recorded(bench: &Bench, name: &str) -> PathBuf {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/run_directory").join(name);
    let run = bench.path().join(name);
    std::fs::create_dir(&run).unwrap();
    entries::unpack(&std::fs::read(packed).unwrap(), &run);
    run
}

fn analyze(bench: &Bench, run: &Path, arguments: &[&str]) -> Ended {
    let ended = bench.ended(bench.seepage().arg("analyze").arg(run).args(arguments).output().unwrap());
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!said.contains("panicked"), "{}", ended.story());
    assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    ended
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_recorded_run_is_judged_as_it_was() {
    let bench = Bench::new();
    let ended = analyze(&bench, &recorded(&bench, "leak"), &[]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
}

/// The format of the recorded runs, as their heads say it: an older one stays readable.
const RECORDED_FORMAT: &str = r#""format": "1.0""#;

#[test]
fn a_newer_major_version_is_refused_and_a_newer_minor_one_is_read() {
    let bench = Bench::new();
    let run = recorded(&bench, "leak");
    edit(&run.join("run.json"), RECORDED_FORMAT, r#""format": "1.9", "added": [1, {"later": null}]"#);
    edit(&run.join("samples.jsonl"), "{", r#"{"added":"later","#);
    assert_eq!(analyze(&bench, &run, &[]).code, Some(10));
    edit(&run.join("run.json"), r#""format": "1.9""#, r#""format": "2.\u001b[31m0\u009b""#);
    let ended = analyze(&bench, &run, &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stderr.contains(&format!("newer than {}", seepage::store::FORMAT)), "{}", ended.story());
}

#[test]
fn a_version_that_is_none_is_refused() {
    let bench = Bench::new();
    for format in [r#""""#, r#""newest""#, "7", "null", r#""99999999999999999999.0""#] {
        let run = recorded(&bench, "leak");
        edit(&run.join("run.json"), RECORDED_FORMAT, &format!("\"format\": {format}"));
        let ended = analyze(&bench, &run, &[]);
        assert_eq!(ended.code, Some(1), "{format}: {}", ended.story());
        std::fs::remove_dir_all(run).unwrap();
    }
}

#[test]
fn an_error_that_quotes_the_run_does_not_act_on_the_terminal() {
    let bench = Bench::new();
    let run = recorded(&bench, "leak");
    edit(&run.join("run.json"), r#""status": "complete""#, r#""status": "\u001b]0;owned\u0007\u009b31m\u202e""#);
    let ended = analyze(&bench, &run, &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stderr.contains("owned"), "{}", ended.story());
}

#[test]
fn lying_and_hostile_values_are_never_clean_and_every_format_is_written() {
    let bench = Bench::new();
    let run = recorded(&bench, "lying-and-hostile");
    let ended = analyze(&bench, &run, &[]);
    assert!(![Some(0), Some(1), None].contains(&ended.code), "{}", ended.story());
    analyze(&bench, &run, &["--format", "json"]);
    let output = bench.seepage().arg("report").arg(&run).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(!page.contains("<script>alert"), "{page}");
}

#[test]
fn every_file_cut_anywhere_is_read_or_refused() {
    let bench = Bench::new();
    let run = recorded(&bench, "leak");
    for name in ["run.json", "samples.jsonl", "host.jsonl", "load.jsonl", "events.jsonl"] {
        let path = run.join(name);
        let whole = std::fs::read(&path).unwrap();
        for end in (0..whole.len()).step_by(whole.len() / 7 + 1) {
            std::fs::write(&path, &whole[..end]).unwrap();
            let ended = analyze(&bench, &run, &[]);
            // Without its events the run has no judged phase; without its head it is no run.
            let expected: &[i32] = if name == "run.json" { &[1] } else { &[10, 11, 22] };
            assert!(ended.code.is_some_and(|code| expected.contains(&code)), "{name} to {end}: {}", ended.story());
        }
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn what_is_no_run_is_refused_with_the_reason() {
    let bench = Bench::new();
    let run = recorded(&bench, "leak");
    for name in ["run.json", "samples.jsonl", "events.jsonl"] {
        let (path, kept) = (run.join(name), run.join("kept"));
        std::fs::rename(&path, &kept).unwrap();
        assert_eq!(analyze(&bench, &run, &[]).code, Some(1), "{name} is missing");
        // A device that never ends, through a link; a FIFO that nobody writes; a directory.
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert_eq!(analyze(&bench, &run, &[]).code, Some(1), "{name} is a link");
        std::fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(analyze(&bench, &run, &[]).code, Some(1), "{name} is a FIFO");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(analyze(&bench, &run, &[]).code, Some(1), "{name} is a directory");
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(&kept, &path).unwrap();
    }
    assert_eq!(analyze(&bench, &bench.path().join("absent"), &[]).code, Some(1));
    std::fs::write(run.join("samples.jsonl"), vec![b'x'; 3 << 20]).unwrap();
    assert!(analyze(&bench, &run, &[]).stderr.contains("samples.jsonl:1: longer than"));
}

#[test]
fn what_holds_runs_and_is_none_names_one() {
    let bench = Bench::new();
    let search = bench.path().join("search");
    std::fs::create_dir(&search).unwrap();
    for name in ["step-02", "step-01"] {
        std::fs::rename(recorded(&bench, "leak"), search.join(name)).unwrap();
    }
    let search = search.to_str().unwrap();
    let several =
        format!("{search} isn't a run directory, but has 2 in it: give one of them, such as {search}/step-01");
    for command in ["report", "explain", "analyze", "plan"] {
        let ended = bench.ended(bench.seepage().args([command, search]).output().unwrap());
        assert_eq!(ended.code, Some(1), "{command}: {}", ended.story());
        assert!(ended.stderr.contains(&several), "{command}: {}", ended.story());
    }
    bench.write("search/bisect.json", "{}");
    let ended = bench.ended(bench.seepage().args(["report", search]).output().unwrap());
    assert!(ended.stderr.contains("what the search found is in its report.html"), "{}", ended.story());
}

#[test]
fn what_permission_denies_is_named_with_what_to_do() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: to be another user needs root");
        return;
    }
    let bench = Bench::new();
    std::fs::set_permissions(bench.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = recorded(&bench, "leak");
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o700)).unwrap();
    let log = bench.write("access.log", "");
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o600)).unwrap();
    let harness = crate::common::Demo::default().write(&bench);
    let mut own = std::process::Command::new("sleep").arg("600").uid(52_000).spawn().unwrap();
    let mut foreign = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let [own_pid, foreign_pid] = [&own, &foreign].map(|child| child.id().to_string());
    let reports = bench.reports();
    let [run, log, harness, reports] = [&run, &log, &harness, &reports].map(|path| path.to_str().unwrap());
    let pattern = "^(?<pid>\\d+)";
    let cases = [
        (&["explain", run][..], 1, run, "read it as that user, or as root"),
        (&["report", run], 1, run, "read it as that user, or as root"),
        (
            &["attach", "--pid", &own_pid, "--log", log, "--log-pattern", pattern],
            1,
            log,
            "a user who may read this log",
        ),
        (&["attach", "--pid", &foreign_pid, "--reports", reports], 1, reports, "choose another place with --reports"),
        (&["run", harness, "--reports", reports], 1, reports, "choose another place with --reports"),
        (&["ab", harness, "--define", "A=1", "--reports", reports], 1, reports, "choose another place with --reports"),
    ];
    let ended = cases.map(|(arguments, ..)| {
        let mut command = bench.seepage();
        command.args(arguments).env("TMPDIR", "/tmp").uid(52_000).gid(52_000);
        bench.ended(command.output().unwrap())
    });
    for child in [&mut own, &mut foreign] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for ((arguments, code, path, what), ended) in cases.into_iter().zip(ended) {
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.story());
        assert!(ended.stderr.contains(path) && ended.stderr.contains(what), "{arguments:?}: {}", ended.story());
    }
}

#[test]
fn reports_are_not_written_through_links() {
    let bench = Bench::new();
    let run = recorded(&bench, "leak");
    let victim = bench.write("victim", "untouched");
    std::os::unix::fs::symlink(&victim, run.join("report.html")).unwrap();
    let elsewhere = bench.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    assert!(bench.seepage().arg("report").arg(&run).output().unwrap().status.success());
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
    std::fs::remove_dir_all(run.join("charts")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, run.join("charts")).unwrap();
    assert_eq!(bench.seepage().arg("report").arg(&run).output().unwrap().status.code(), Some(1));
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_link_that_the_user_named_is_followed_and_one_in_a_run_directory_is_not() {
    let bench = Bench::new();
    let run = recorded(&bench, "leak");
    std::os::unix::fs::symlink(&run, bench.path().join("latest")).unwrap();
    let victim = bench.write("victim", "untouched");
    std::os::unix::fs::symlink(&victim, run.join("report.html")).unwrap();
    let output = bench.seepage().args(["report", "latest"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(run.join("report.html").is_file() && !run.join("report.html").is_symlink());
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "untouched");
}

#[test]
fn counts_that_add_up_to_more_than_can_be_counted_are_judged() {
    let bench = Bench::new();
    let run = recorded(&bench, "leak");
    let events = run.join("events.jsonl");
    let mut text = std::fs::read_to_string(&events).unwrap();
    for _ in 0..2 {
        text.push_str("{\"t\":5.0,\"event\":{\"missed-ticks\":{\"count\":18446744073709551615}}}\n");
    }
    std::fs::write(&events, text).unwrap();
    assert_eq!(analyze(&bench, &run, &[]).code, Some(10));
}

/// Corrupted run directories that are read where `SEEPAGE_CORRUPTED` doesn't say.
const CORRUPTED: u64 = 24;

const FILES: [&str; 6] = ["run.json", "samples.jsonl", "host.jsonl", "load.jsonl", "events.jsonl", "census.jsonl"];

/// Corrupts one file of a run in a way that disks, editors and attackers have.
fn corrupt(run: &Path, rng: &mut ChaCha8Rng) {
    let name = FILES[rng.random_range(0..FILES.len())];
    let (path, other) = (run.join(name), run.join(FILES[rng.random_range(0..FILES.len())]));
    let Ok(mut bytes) = std::fs::read(&path) else { return };
    let start = rng.random_range(0..=bytes.len());
    let end = (start + rng.random_range(0..4096)).min(bytes.len());
    match rng.random_range(0..16) {
        0 => bytes.truncate(start),
        1 => drop(bytes.drain(start..end)),
        2 => bytes[start..end].fill(0),
        3 => bytes = std::fs::read(&other).unwrap_or_default(),
        4 => drop(bytes.splice(start..start, b"18446744073709551615e308,\x1b]0;owned\x07".iter().copied())),
        5 => bytes[start..end].iter_mut().step_by(97).for_each(|byte| *byte ^= 1 << rng.random_range(0..8)),
        // What follows is still JSON, but says something else.
        6..9 => bytes = corrupt_lines(&bytes, rng),
        _ => (0..rng.random_range(1..6)).for_each(|_| replace_number(&mut bytes, rng)),
    }
    std::fs::write(&path, bytes).unwrap();
}

/// Drops, repeats or moves a part of the lines.
fn corrupt_lines(bytes: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let start = rng.random_range(0..=lines.len());
    let end = (start + rng.random_range(0..200)).min(lines.len());
    match rng.random_range(0..3) {
        0 => drop(lines.drain(start..end)),
        1 => lines.extend_from_within(start..end),
        _ => lines[start..end].reverse(),
    }
    lines.concat()
}

/// Puts an extreme number in place of one.
fn replace_number(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    const NUMBERS: [&str; 7] = ["0", "1", "7", "1e300", "4294967296", "9007199254740993", "18446744073709551615"];
    let start = rng.random_range(0..=bytes.len());
    let Some(first) = bytes[start..].iter().position(u8::is_ascii_digit).map(|at| start + at) else { return };
    let length = bytes[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.splice(first..first + length, NUMBERS[rng.random_range(0..NUMBERS.len())].bytes());
}

#[test]
fn corrupted_run_directories_are_read_or_refused() {
    let count = std::env::var("SEEPAGE_CORRUPTED").ok().and_then(|text| text.parse().ok()).unwrap_or(CORRUPTED);
    let bench = Bench::new();
    let (mut read, mut refused) = (0, 0);
    for seed in 0..count {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let name = ["leak", "lying-and-hostile"][seed as usize % 2];
        let run = recorded(&bench, name);
        for _ in 0..rng.random_range(1..=2) {
            corrupt(&run, &mut rng);
        }
        let code = analyze(&bench, &run, &[]).code;
        assert!(code.is_some_and(|code| [0, 1, 10, 11, 21, 22].contains(&code)), "seed {seed}: {code:?}");
        let reported = bench.ended(bench.seepage().arg("report").arg(&run).output().unwrap());
        assert!(!reported.stderr.contains("panicked"), "seed {seed}: {}", reported.story());
        *(if code == Some(1) { &mut refused } else { &mut read }) += 1;
        std::fs::remove_dir_all(run).unwrap();
    }
    println!("{count} corrupted run directories: {read} read, {refused} refused with the reason");
}
