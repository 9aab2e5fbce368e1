//! `--metrics`: readings and verdict as OpenMetrics, which Prometheus' own tool takes and `analyze` reads again.

use crate::common::{Bench, Demo};
use std::process::Command;

#[test]
fn what_is_written_is_taken_by_promtool_and_judged_alike_again() {
    let bench = Bench::new();
    let file = Demo { fault: "malloc", ..Demo::default() }.write(&bench);
    let ended = bench.run(&file, &["--quiet", "--metrics", "metrics.txt"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    let text = std::fs::read_to_string(bench.path().join("metrics.txt")).unwrap();
    assert!(text.contains("seepage_verdict=\"leak\"} 1 ") && text.ends_with("# EOF\n"), "{text}");
    let columns = [
        ["--memory", "seepage_worker_anonymous_bytes"],
        ["--swap", "seepage_worker_swap_bytes"],
        ["--requests", "seepage_worker_requests_total"],
    ];
    let mut analyze = bench.seepage();
    let again = bench.ended(analyze.args(["analyze", "metrics.txt"]).args(columns.concat()).output().unwrap());
    assert_eq!(again.code, Some(10), "{}", again.story());
    match Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics", "metrics.txt", "blocks"])
        .current_dir(bench.path())
        .output()
    {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => eprintln!("skipped: promtool is not installed; scripts/setup-tests.sh installs it"),
    }
}

#[test]
fn what_cannot_be_written_is_told_and_a_leak_stays_one() {
    let bench = Bench::new();
    let file = Demo { fault: "malloc", ..Demo::default() }.write(&bench);
    let ended = bench.run(&file, &["--quiet", "--metrics", "nowhere/metrics.txt"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stderr.contains("nowhere/metrics.txt could not be written"), "{}", ended.story());
}
