//! `seepage plan` with a real rehearsal, from its run directory, and on bad input.

use crate::common::Bench;
use std::path::Path;
use std::process::Output;

fn plan(bench: &Bench, arguments: &[&str]) -> Output {
    bench.seepage().arg("plan").args(arguments).arg("--quiet").arg("--reports").arg(bench.reports()).output().unwrap()
}

fn harness_file(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness-configs");
    std::fs::read_to_string(directory.join(name).with_extension("toml")).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_rehearsal_is_planned_from_and_planned_from_again() {
    let bench = Bench::new();
    // With room for dear readings: on a slow machine the usual overhead would leave too few of them.
    let file =
        bench.write("clean.toml", &format!("{}\n[sample]\noverhead = \"50%\"\n", harness_file("quickstart-clean")));
    let arguments =
        [file.to_str().unwrap(), "--rehearse", "8s", "--budget", "2 KiB/request", "--power", "50%", "--format", "json"];
    let output = plan(&bench, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["planned"].as_array().unwrap().len(), 6, "{printed}");
    assert!(printed["rehearsal"]["pace"].as_f64().unwrap() > 0.0, "{printed}");
    let phases = printed["phases"].as_str().unwrap_or_else(|| panic!("{printed}"));
    assert!(phases.contains("kind = \"soak\"\nrequests-per-worker = "), "{phases}");

    let run = std::fs::read_dir(bench.reports()).unwrap().flatten().next().unwrap().path();
    let again =
        plan(&bench, &[run.to_str().unwrap(), "--budget", "2 KiB/request", "--power", "50%", "--format", "json"]);
    assert_eq!(again.stdout, output.stdout, "the same rehearsal gives the same plan: {}", stderr(&again));

    for (arguments, code, word) in [
        (&["--budget", "5/request"][..], 2, "in bytes"),
        (&["--budget", "1 MiB/hour"], 2, "another unit"),
        (&["--budget", "0 B/request"], 2, "exactly zero"),
        (&["--power", "100%"], 2, "50% to 99%"),
        (&["--budget", "1 KiB/request", "--leak", "1 KiB/request"], 2, "--leak is no more than the budget"),
        (&["--leak", "1 MiB/hour"], 2, "--leak is for another unit"),
        (&["--leak", "3/request"], 2, "--leak is in bytes"),
        (&["--power", "50%", "--budget", "2 KiB/request", "--leak", "8 KiB/request"], 0, ""),
    ] {
        let output = plan(&bench, &[&[run.to_str().unwrap()], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(word), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn what_cannot_be_rehearsed_is_told() {
    let bench = Bench::new();
    let broken = bench.write("broken.toml", "name = ");
    let empty = bench.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for (source, rehearse, code) in
        [(&broken, "9s", 20), (&bench.path().join("nowhere.toml"), "9s", 20), (&empty, "9s", 1)]
    {
        let output = plan(&bench, &[source.to_str().unwrap(), "--rehearse", rehearse]);
        assert_eq!(output.status.code(), Some(code), "{}: {}", source.display(), stderr(&output));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness-configs/quickstart.toml");
    let output = plan(&bench, &[file.to_str().unwrap(), "--rehearse", "1s"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(!bench.reports().exists(), "nothing was launched");
}
