//! Run directories from elsewhere through the command line: read or refused with the reason, never a panic, and nothing
//! acts on the terminal or leads out of the directory.

mod common;

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "only the unpacking of a packed run is used here")]
mod entries;

use common::{Bench, Ended};
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
