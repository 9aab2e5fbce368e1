//! Leaks that are known and accepted for a time, from the baseline file to the exit code.

use crate::common::{Bench, Demo, Ended};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// A table of a worker that keeps `kept` bytes of each of its ten requests a second.
fn table(bench: &Bench, kept: u64) {
    let mut text = "elapsed_s,requests,anon_kib,swap_kib\n".to_owned();
    for i in 0..300 {
        let kib = (20_000 + 10 * i * kept / 1024 + i * 7 % 5) / 4 * 4;
        writeln!(text, "{i},{},{kib},0", 10 * i).unwrap();
    }
    bench.write("x.csv", &text);
}

fn seepage(bench: &Bench, arguments: &[&str]) -> Ended {
    bench.ended(bench.seepage().args(arguments).output().unwrap())
}

/// A baseline of what is in the table now.
fn keep(bench: &Bench, to: &str) {
    let json = seepage(bench, &["analyze", "x.csv", "--format", "json"]);
    bench.write("verdict.json", &json.stdout);
    let reason = ["--until", "2999-12-31", "--reason", "issue 7"];
    let kept = seepage(bench, &[&["baseline", "verdict.json", "--to", to], &reason[..]].concat());
    assert_eq!((kept.code, kept.stdout.trim()), (Some(0), to), "{}", kept.story());
}

#[test]
fn a_known_leak_passes_while_it_is_no_worse_and_is_told() {
    let bench = Bench::new();
    table(&bench, 2048);
    keep(&bench, "known.json");
    let shown = seepage(&bench, &["baseline", "known.json"]);
    assert!(shown.stdout.contains("Its leaks are accepted until 2999-12-31: issue 7."), "{}", shown.story());
    for (kept, code, said) in [
        (2048, 0, "x.csv LEAKS, which is accepted until 2999-12-31: each request leaves"),
        (1024, 0, "x.csv LEAKS, which is accepted until 2999-12-31: each request leaves"),
        (8192, 12, "Growth of memory is worse than the 2 KiB/request in"),
        (0, 0, "x.csv is CLEAN"),
    ] {
        table(&bench, kept);
        let held = seepage(&bench, &["analyze", "x.csv", "--accept", "known.json"]);
        assert_eq!(held.code, Some(code), "{kept}: {}", held.story());
        assert!(held.stdout.contains(said), "{kept}: {}", held.story());
    }
    table(&bench, 2048);
    let json = seepage(&bench, &["analyze", "x.csv", "--accept", "known.json", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (json["verdict"].as_str(), json["accepted"]["leaks"][0]["state"].as_str()),
        (Some("leak"), Some("no-worse"))
    );
    let text = std::fs::read_to_string(bench.path().join("known.json")).unwrap();
    bench.write("over.json", &text.replace("2999-12-31", "2020-12-31"));
    let over = seepage(&bench, &["analyze", "x.csv", "--accept", "over.json"]);
    assert_eq!(over.code, Some(10), "{}", over.story());
    assert!(over.stdout.contains("It was accepted until 2020-12-31 (issue 7); that is over."), "{}", over.story());
}

#[test]
fn what_cannot_be_accepted_is_refused_before_anything_is_begun() {
    let bench = Bench::new();
    table(&bench, 2048);
    keep(&bench, "known.json");
    let text = std::fs::read_to_string(bench.path().join("known.json")).unwrap();
    bench.write("rule.json", &text.replacen("\"rule\": ", "\"rule\": 9", 1));
    bench.write("other.json", &text.replace("\"x.csv\"", "\"other\""));
    bench.write("blank.json", &text.replace("\"issue 7\"", "\" \""));
    bench.write("cut.json", &text[..text.len() / 2]);
    bench.write("empty.json", "");
    let harness = bench.write(
        "h.toml",
        "name = \"h\"\n[target]\ncommand = [\"sleep\", \"60\"]\n[[phase]]\nkind = \"soak\"\nduration = \"5s\"\n",
    );
    let harness = harness.to_str().unwrap();
    for (arguments, code, said) in [
        (["run", harness, "--accept", "verdict.json"], 2, "it doesn't say until when its leaks are accepted"),
        (["run", harness, "--accept", "known.json"], 2, "it is of a run of \"x.csv\", and this one is of \"h\""),
        (["run", harness, "--accept", "rule.json"], 2, "of the rule, and this is version"),
        (["run", harness, "--accept", "x.csv"], 2, "--accept x.csv: it is no JSON from line 1"),
        (["run", harness, "--accept", "nowhere.json"], 2, "nowhere.json"),
        (["analyze", "x.csv", "--accept", "verdict.json"], 2, "it doesn't say until when its leaks are accepted"),
        (
            ["analyze", "x.csv", "--accept", "other.json"],
            2,
            "it is of a run of \"other\", and this one is of \"x.csv\"",
        ),
        (["analyze", "x.csv", "--accept", "rule.json"], 2, "of the rule, and this is version"),
        (["analyze", "x.csv", "--accept", "cut.json"], 2, ", in the middle; expected the verdict.json of a run"),
        (["analyze", "x.csv", "--accept", "empty.json"], 2, "it is empty; expected the verdict.json of a run"),
        (["analyze", "x.csv", "--accept", "."], 2, "it is a directory"),
        (["analyze", "x.csv", "--accept", "nowhere.json"], 2, "nowhere.json"),
        (["analyze", "x.csv", "--accept", "blank.json"], 2, "expected why the leak is accepted"),
    ] {
        let refused = seepage(&bench, &arguments);
        assert_eq!(refused.code, Some(code), "{arguments:?}: {}", refused.story());
        assert!(refused.stderr.contains(said), "{arguments:?}: {}", refused.story());
    }
    assert!(!bench.path().join("reports").exists(), "nothing was run");
    table(&bench, 0);
    let json = seepage(&bench, &["analyze", "x.csv", "--format", "json"]);
    bench.write("clean.json", &json.stdout);
    let nothing =
        seepage(&bench, &["baseline", "clean.json", "--to", "no.json", "--until", "2999-12-31", "--reason", "none"]);
    assert_eq!(nothing.code, Some(2), "{}", nothing.story());
    assert!(nothing.stderr.contains("nothing leaks in it"), "{}", nothing.story());
}

/// A worker that keeps what each line of its log stands for.
const WORKER: &str = "import sys, time\n\
                      kept, log = [], open(sys.argv[1], 'w', buffering=1)\n\
                      for i in range(100000):\n    kept.append(bytearray(int(sys.argv[2])))\n    \
                      print('1 job', file=log)\n    time.sleep(0.002)\n";

#[test]
fn a_run_is_accepted_in_all_its_reports_and_again_from_its_directory() {
    let bench = Bench::new();
    bench.write("worker.py", WORKER);
    let text = r#"
name = "jobs"
[target]
command = ["sh", "-c", "exec python3 worker.py $WORK/jobs.log $KEEP"]
workers = "self"
env = { KEEP = "4096", WORK = "${work_dir}" }
[requests.log]
path = "${work_dir}/jobs.log"
pattern = '^(?P<pid>\d+) '
[[phase]]
kind = "warm-up"
duration = "500ms"
[[phase]]
kind = "soak"
duration = "4s"
"#;
    let file = bench.write("jobs.toml", &text.replace("worker.py", bench.path().join("worker.py").to_str().unwrap()));
    let text = std::fs::read_to_string(bench.path().join("worker.py")).unwrap();
    bench.write("worker.py", &text.replace("'1 job'", "f'{__import__(\"os\").getpid()} job'"));
    let first = bench.run(&file, &["--quiet"]);
    assert_eq!(first.code, Some(10), "{}", first.story());
    let run = first.run.as_ref().unwrap().to_str().unwrap();
    let kept =
        seepage(&bench, &["baseline", run, "--to", "known.json", "--until", "2999-12-31", "--reason", "issue 7"]);
    assert_eq!(kept.code, Some(0), "{}", kept.story());
    let held = bench.run(&file, &["--quiet", "--accept", "known.json"]);
    assert_eq!(held.code, Some(0), "{}", held.story());
    assert!(held.stdout.contains("jobs LEAKS, which is accepted until 2999-12-31"), "{}", held.story());
    let directory = held.run.as_ref().unwrap();
    let of = |name: &str| std::fs::read_to_string(Path::new(directory).join(name)).unwrap();
    assert!(of("junit.xml").contains("<skipped") && !of("junit.xml").contains("<failure"), "{}", of("junit.xml"));
    assert!(
        of("report.md").contains("which is accepted until") && of("report.html").contains("which is accepted until")
    );
    let again = seepage(&bench, &["analyze", directory.to_str().unwrap()]);
    assert_eq!((again.code, again.stdout.lines().next()), (Some(0), held.stdout.lines().next()), "{}", again.story());
    let strict = seepage(&bench, &["analyze", directory.to_str().unwrap(), "--budget", "32 B/request"]);
    assert_eq!(strict.code, Some(10), "{}", strict.story());
    let worse = bench.run(&file, &["--quiet", "--env", "KEEP=16384", "--accept", "known.json"]);
    assert_eq!(worse.code, Some(12), "{}", worse.story());
}

#[test]
fn a_call_site_is_accepted_until_its_day_and_what_leaks_beside_it_is_not() {
    let bench = Bench::new();
    let accept = |site: &str| {
        format!(
            "[heap]\nmode = 'preload'\nmean = '4 KiB'\n[[accept]]\nsite = '{site}'\nuntil = 2999-12-31\nreason = 'issue 7'\n"
        )
    };
    let more = accept("seepage: *resident*");
    let file = Demo { fault: "malloc", rate: 100, warm_up: "2s", soak: "26s", more: &more, ..Demo::default() };
    let held = bench.run(&file.write(&bench), &["--quiet"]);
    assert_eq!(held.code, Some(0), "{}", held.story());
    assert!(held.stdout.contains(" LEAKS, which is accepted until 2999-12-31"), "{}", held.story());
    assert!(held.stdout.contains("growth of memory is within its budget"), "{}", held.story());
    let directory = held.run.as_ref().unwrap();
    let of = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    assert!(of("junit.xml").contains("<skipped") && !of("junit.xml").contains("<failure"), "{}", of("junit.xml"));
    for report in ["report.md", "report.html"] {
        assert!(of(report).contains("which is accepted until") && of(report).contains("issue 7"), "{report}");
    }
    let sites = &held.json("verdict.json")["accepted_sites"];
    assert!(sites["sites"][0]["growing"][0].as_str().unwrap().contains("resident"), "{sites:#}");
    assert_eq!(sites["remainders"][0]["verdict"], "clean", "{sites:#}");

    // The same readings, had the file said otherwise.
    let head = of("run.json");
    let again = |from: &str, to: &str| {
        assert!(head.contains(from), "{head}");
        std::fs::write(directory.join("run.json"), head.replace(from, to)).unwrap();
        seepage(&bench, &["analyze", directory.to_str().unwrap()])
    };
    let same = again("issue 7", "issue 8");
    assert_eq!(same.code, Some(0), "{}", same.story());
    let over = again("2999-12-31", "2020-12-31");
    assert_eq!(over.code, Some(10), "{}", over.story());
    assert!(over.stdout.contains("was accepted until 2020-12-31 (issue 7); that is over."), "{}", over.story());
    let other = again("seepage: *resident*", "seepage: *nobody*");
    assert_eq!(other.code, Some(10), "{}", other.story());
    assert!(other.stdout.contains("No call site that is proven to grow is `seepage: *nobody*`"), "{}", other.story());

    // Without tracing, nothing is launched.
    let off =
        bench.write("off.toml", &std::fs::read_to_string(file.write(&bench)).unwrap().replace("'preload'", "'off'"));
    let refused = bench.run(&off, &["--quiet"]);
    assert_eq!(refused.code, Some(20), "{}", refused.story());
    assert!(refused.stderr.contains("call sites aren't measured"), "{}", refused.story());
    let over = bench
        .write("over.toml", &std::fs::read_to_string(file.write(&bench)).unwrap().replace("2999-12-31", "2020-12-31"));
    let told = seepage(&bench, &["check", over.to_str().unwrap()]);
    assert_eq!(told.code, Some(0), "{}", told.story());
    assert!(
        told.stdout.contains("`seepage: *resident*` was accepted until 2020-12-31, which is over"),
        "{}",
        told.story()
    );
}

#[test]
fn a_watch_is_held_against_an_earlier_one() {
    let bench = Bench::new();
    // A log that says for each of some thousand jobs who did it.
    let worker = bench.write("worker.py", &WORKER.replace("'1 job'", "f'{__import__(\"os\").getpid()} job'"));
    let log = bench.path().join("jobs.log");
    let attach = |kept: &str, more: &[&str]| {
        let _ = std::fs::remove_file(&log);
        let mut child = std::process::Command::new("python3");
        let mut child = child.arg(&worker).arg(&log).arg(kept).spawn().unwrap();
        crate::common::wait_until("the first line", || std::fs::metadata(&log).is_ok_and(|log| log.len() > 0));
        let (pid, log) = (child.id().to_string(), log.to_str().unwrap());
        let target = ["attach", "--pid", &pid, "--log", log, "--log-pattern", r"^(?<pid>\d+) ", "--warm-up", "0s"];
        let watched =
            seepage(&bench, &[&target[..], &["--for", "5s", "--quiet", "--reports", "watches"], more].concat());
        child.kill().unwrap();
        child.wait().unwrap();
        watched
    };
    let first = attach("4096", &[]);
    assert_eq!(first.code, Some(10), "{}", first.story());
    let run = std::fs::read_dir(bench.path().join("watches")).unwrap().next().unwrap().unwrap().path();
    let keep = ["--to", "known.json", "--until", "2999-12-31", "--reason", "issue 7"];
    let kept = seepage(&bench, &[&["baseline", run.to_str().unwrap()], &keep[..]].concat());
    assert_eq!(kept.code, Some(0), "{}", kept.story());
    let held = attach("4096", &["--accept", "known.json"]);
    assert_eq!(held.code, Some(0), "{}", held.story());
    assert!(held.stdout.contains(" LEAKS, which is accepted until 2999-12-31"), "{}", held.story());
    let worse = attach("16384", &["--accept", "known.json"]);
    assert_eq!(worse.code, Some(12), "{}", worse.story());
    let hourly = ["attach", "--pid", "1", "--for", "1s", "--accept", "known.json"];
    let hourly = seepage(&bench, &hourly);
    assert_eq!(hourly.code, Some(2), "{}", hourly.story());
    assert!(hourly.stderr.contains("have requests counted"), "{}", hourly.story());
}
