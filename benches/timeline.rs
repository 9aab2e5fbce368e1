//! What observing takes of a core over a whole run with all on: account, traced allocations, metrics, charts. Prints a Markdown table:
//! ten seconds a row, a column for each thread of seepage. See docs/cost.md.
//!
//!     cargo bench --bench timeline                                            # the demonstration server, 70 s
//!     cargo bench --bench timeline -- harness-configs/apache-upload.toml      # any harness file

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often the threads are read.
const TICK: Duration = Duration::from_millis(50);
/// Seconds of a row.
const ROW: usize = 10;

/// What the harness file says if none is given: a server with four workers, of which one request in five is for a page.
const HARNESS: &str = r#"
name = "timeline"
[target]
command = ["${seepage}", "demo-server", "--port", "${port}", "--workers", "4", "--fault", "malloc", "--access-log", "${work_dir}/log"]
workers = "children"
ready = { tcp = "127.0.0.1:${port}" }
[requests.log]
path = "${work_dir}/log"
pattern = '^(?P<pid>\d+) (?P<class>\S+)'
[workload]
base-url = ["http://127.0.0.1:${port}"]
rate = "200/s"
concurrency = 4
requests-per-connection = 25
[[workload.step]]
name = "upload"
weight = 4
method = "POST"
path = "/upload"
body = { random = "4 KiB" }
[[workload.step]]
name = "index"
path = "/"
[[phase]]
kind = "warm-up"
duration = "10s"
[[phase]]
kind = "soak"
duration = "60s"
"#;

fn main() {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let scratch = std::env::temp_dir().join(format!("seepage-timeline-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("a directory");
    let file = given.map_or_else(|| scratch.join("harness.toml"), PathBuf::from);
    if file.starts_with(&scratch) {
        std::fs::write(&file, HARNESS).expect("a harness file");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_seepage"));
    command.args(["run", "--quiet", "--heap", "--stop", "planned", "--metrics"]).arg(scratch.join("metrics.txt"));
    command.arg("--reports").arg(scratch.join("reports")).arg(&file).stdout(Stdio::null());
    let mut run = command.spawn().expect("a run");
    let tasks = PathBuf::from(format!("/proc/{}/task", run.id()));
    let begun = Instant::now();
    let (mut before, mut seconds) = (BTreeMap::new(), Vec::<BTreeMap<String, f64>>::new());
    // Oftener than once a second, so that little of what comes last is lost.
    for tick in 1.. {
        std::thread::sleep((TICK * tick).saturating_sub(begun.elapsed()));
        if run.try_wait().expect("a child of ours").is_some() {
            break;
        }
        let now = used(&tasks);
        seconds.resize((begun.elapsed().as_secs() + 1) as usize, BTreeMap::new());
        let Some(second) = seconds.last_mut() else { continue };
        for (task, (name, nanoseconds)) in &now {
            // One that is new began within this tick.
            let earlier = before.get(task).map_or(0.0, |(_, earlier)| *earlier);
            *second.entry(name.clone()).or_default() += (nanoseconds - earlier) / 1e9;
        }
        before = now;
    }
    print(&seconds);
    let _ = std::fs::remove_dir_all(&scratch);
}

/// Nanoseconds of CPU time that each thread has used, by its number, with its name.
fn used(tasks: &Path) -> BTreeMap<String, (String, f64)> {
    let task = |entry: std::fs::DirEntry| {
        let text = |file: &str| std::fs::read_to_string(entry.path().join(file)).ok();
        let nanoseconds = text("schedstat")?.split(' ').next()?.parse().ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), (text("comm")?.trim().to_owned(), nanoseconds)))
    };
    std::fs::read_dir(tasks).into_iter().flatten().flatten().filter_map(task).collect()
}

/// The table, in per cent of a core; a thread that took less than 0.05 % on average is among the others.
fn print(seconds: &[BTreeMap<String, f64>]) {
    let mean = |of: &[BTreeMap<String, f64>], name: &str| {
        let spent: f64 = of.iter().map(|second| second.get(name).copied().unwrap_or(0.0)).sum();
        100.0 * spent / of.len().max(1) as f64
    };
    let mut names: Vec<&String> = seconds.iter().flat_map(BTreeMap::keys).collect();
    names.sort_unstable();
    names.dedup();
    let (large, small): (Vec<&String>, Vec<&String>) = names.into_iter().partition(|name| mean(seconds, name) >= 0.05);
    println!("| seconds | {} | others |", large.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "--:|".repeat(large.len() + 1));
    let row = |what: &str, of: &[BTreeMap<String, f64>]| {
        let cells: Vec<String> = large.iter().map(|name| format!("{:.2} %", mean(of, name))).collect();
        let others: f64 = small.iter().map(|name| mean(of, name)).sum();
        println!("| {what} | {} | {others:.2} % |", cells.join(" | "));
    };
    for (number, of) in seconds.chunks(ROW).enumerate() {
        row(&format!("{} to {}", number * ROW, number * ROW + of.len()), of);
    }
    row("all", seconds);
}
