//! `seepage history` on what past runs left, as a user calls it.

use crate::common::{Bench, Ended};
use serde_json::Value;
use std::fmt::Write;

fn seepage(bench: &Bench, arguments: &[&str]) -> Ended {
    bench.ended(bench.seepage().args(arguments).output().unwrap())
}

/// The file of the verdict on each of so many builds, in which each request leaves so many bytes from the `at`-th on.
fn builds(bench: &Bench, count: usize, at: usize, kept: u64) -> Vec<String> {
    let build = |number: usize| {
        let kept = if number < at { 0 } else { kept };
        let mut text = "elapsed_s,requests,anon_kib,swap_kib\n".to_owned();
        for i in 0..200 {
            let noise = (i * (7 + number as u64)) % 11;
            writeln!(text, "{i},{},{},0", 10 * i, (20_000 + 10 * i * kept / 1024 + noise) / 4 * 4).unwrap();
        }
        bench.write("x.csv", &text);
        let judged = seepage(bench, &["analyze", "x.csv", "--format", "json"]);
        let name = format!("build-{number:02}.json");
        bench.write(&name, &judged.stdout);
        name
    };
    (0..count).map(build).collect()
}

#[test]
fn the_build_is_named_in_which_growth_changed() {
    let bench = Bench::new();
    let builds = builds(&bench, 14, 7, 2048);
    let of = |more: &[&str]| {
        let inputs: Vec<&str> = builds.iter().map(String::as_str).collect();
        seepage(&bench, &[&["history"], &inputs[..], more].concat())
    };
    let shown = of(&[]);
    assert_eq!(shown.code, Some(0), "{}", shown.story());
    let first = "x.csv got WORSE in build-07: growth of memory went from";
    assert!(
        shown.stdout.starts_with(first) && shown.stdout.contains("---- worse from here on ----"),
        "{}",
        shown.story()
    );

    // Lines are read again, and those of `analyze` beside them.
    let lines = of(&["--format", "jsonl"]);
    bench.write("past.jsonl", &lines.stdout);
    let again = seepage(&bench, &["history", "past.jsonl"]);
    assert_eq!(again.stdout, shown.stdout, "{}", again.story());
    let analyzed = seepage(&bench, &["analyze", "x.csv", "--format", "jsonl"]);
    bench.write("more.jsonl", &analyzed.stdout);
    let both = seepage(&bench, &["history", "past.jsonl", "more.jsonl"]);
    assert!(both.stdout.starts_with(first) && both.stdout.contains("x.csv  "), "{}", both.story());

    let page = of(&["--format", "html"]);
    assert!(
        page.stdout.starts_with("<!DOCTYPE html>") && page.stdout.contains("worse from here on"),
        "{}",
        page.story()
    );
    let bencher: Value = serde_json::from_str(&of(&["--export", "bencher"]).stdout).unwrap();
    let value = bencher["x.csv"]["memory growth (bytes/request)"]["value"].as_f64();
    assert!(value.is_some_and(|value| (value / 2048.0 - 1.0).abs() < 0.05), "{bencher}");
}

#[test]
fn what_is_no_history_says_why() {
    let bench = Bench::new();
    let builds = builds(&bench, 1, 0, 2048);
    bench.write("broken.jsonl", "{\"build\":\"a\",\"verdict\":\"leak\"}\n{\"build\"\n");
    let text = std::fs::read_to_string(bench.path().join(&builds[0])).unwrap();
    bench.write("other.json", &text.replacen("\"name\": \"x.csv\"", "\"name\": \"cart\"", 1));
    for (arguments, code, said) in [
        (
            &["history", &builds[0]][..],
            0,
            "x.csv is INCONCLUSIVE: growth of memory was measured in 1 build, and that it didn't change can't be told from fewer than 12",
        ),
        (&["history"], 2, "<RUN_OR_FILE>"),
        (&["history", "nowhere"], 1, "nowhere"),
        (&["history", "broken.jsonl"], 1, "broken.jsonl:2: EOF while parsing"),
        (&["history", "x.csv"], 1, "x.csv:1: expected value"),
        (&["history", &builds[0], "other.json"], 2, "give those of one"),
        (&["history", &builds[0], "--resource", "memry"], 2, "choose one of memory, heap"),
    ] {
        let told = seepage(&bench, arguments);
        assert_eq!(told.code, Some(code), "{arguments:?}: {}", told.story());
        assert!(told.story().contains(said), "{arguments:?}: {}", told.story());
    }
}
