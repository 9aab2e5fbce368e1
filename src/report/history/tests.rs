use super::*;
use crate::history::Entry;
use crate::model::Resource;

/// Twenty builds of which each request leaves more from the twelfth on; a name in it means something to terminals and pages.
fn report() -> HistoryReport {
    let line = |number: usize| {
        let estimate = (number % 3) as f64 + if number < 12 { 2.0 } else { 4100.0 };
        let (lower, upper) = (estimate - 4.0, estimate + 5.0);
        let verdict = if number < 12 { "clean" } else { "leak" };
        let build = if number == 5 { "<b>\\u001b[31m5".to_owned() } else { format!("build-{number:02}") };
        let started = format!("2026-01-{:02}T02:00:00Z", number + 1);
        let growth =
            format!(r#""estimate":{estimate},"lower":{lower},"upper":{upper},"confidence":0.98,"per":"request""#);
        let growth = if number == 7 { String::new() } else { format!(",{growth}") };
        format!(
            r#"{{"build":"{build}","name":"shop","started":"{started}","rule":4,"verdict":"{verdict}","resource":"memory","budget":64{growth}}}"#
        )
    };
    let lines: Vec<String> = (0..20).map(line).collect();
    HistoryReport::new(History::of(Entry::lines(&lines.join("\n")).unwrap(), Resource::Memory).unwrap())
}

#[test]
fn a_history_reads_well() {
    insta::assert_snapshot!("history_terminal", report().terminal(false));
    insta::assert_snapshot!("history_svg", report().svg().unwrap());
}

#[test]
fn nothing_of_a_build_means_anything_to_a_page_or_a_terminal() {
    let html = report().html().unwrap();
    assert!(html.contains("shop got <span class=\"word\">WORSE</span> in build-12") && !html.contains("<b>"), "{html}");
    let all = [report().terminal(false), report().jsonl(), html, report().svg().unwrap()].concat();
    assert!(!all.contains('\u{1b}'));
    assert!(report().png().unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn other_tools_get_what_they_take() {
    let of = |to| report().export(to).unwrap();
    let benchmark: serde_json::Value = serde_json::from_str(&of(Export::GithubActionBenchmark)).unwrap();
    insta::assert_json_snapshot!("history_github_action_benchmark", benchmark);
    let bencher: serde_json::Value = serde_json::from_str(&of(Export::Bencher)).unwrap();
    insta::assert_json_snapshot!("history_bencher", bencher);
    let otava = of(Export::Otava);
    assert!(otava.starts_with("time,build,memory\n2026-01-01T02:00:00Z,build-00,2\n"), "{otava}");
    assert_eq!(otava.lines().count(), 20, "the build that wasn't measured is left out");
}

#[test]
fn what_a_tool_needs_and_nobody_knows_is_an_error() {
    let of = |line: &str, to| {
        let history = History::of(Entry::lines(line).unwrap(), Resource::Memory).unwrap();
        HistoryReport::new(history).export(to).unwrap_err()
    };
    let timeless = r#"{"file":"x","verdict":"leak","resource":"memory","estimate":1,"per":"request"}"#;
    assert_eq!(of(timeless, Export::Otava), ExportError::NoTime("x".into()));
    let unmeasured = ExportError::Unmeasured("memory".into(), "x".into());
    assert_eq!(of(r#"{"file":"x","error":"no"}"#, Export::Bencher), unmeasured);
    assert_eq!(of("", Export::GithubActionBenchmark), ExportError::Empty);
}
