//! What judging many files and long ones takes; see docs/cost.md. Prints a Markdown table.
//!
//!     cargo bench --bench analyze

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use seepage::model::{Event, EventKind, PhaseKind, RunMeta, Sample, WorkerId};
use seepage::store::{Entry, RunDirectory};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn main() {
    let scratch = std::env::temp_dir().join(format!("seepage-analyze-{}", std::process::id()));
    std::fs::create_dir(&scratch).expect("a directory");
    println!("| judged | by the clock | CPU | most memory so far |\n|---|---|---|---|");
    // From small to large: the kernel tells the most that any child so far has taken.
    for count in [1000, 10_000] {
        let files = tables(&scratch.join(format!("{count}")), count);
        measure(&format!("{count} tables of 300 rows"), &files);
    }
    for (samples, workers) in [(1_000_000, 8), (1_500_000, 5000), (10_000_000, 8)] {
        let directory = run(&scratch, samples, workers);
        measure(&format!("a run of {samples} samples of {workers} workers"), std::slice::from_ref(&directory));
        std::fs::remove_dir_all(&directory).expect("it goes");
    }
    std::fs::remove_dir_all(&scratch).expect("it goes");
}

/// What a worker holds when it has served so many requests: some leak, with noise.
fn memory(place: usize, served: usize) -> u64 {
    let noise = served.wrapping_mul(2_654_435_761).wrapping_add(place) >> 7 & 63;
    let leak = if place.is_multiple_of(3) { served / 10 } else { 0 };
    ((20_000 + noise / 4 * 4 + leak) * 1024) as u64
}

fn tables(directory: &Path, count: usize) -> Vec<PathBuf> {
    std::fs::create_dir(directory).expect("a directory");
    let table = |place: usize| {
        let mut text = "elapsed_s,requests,anon_kib,swap_kib\n".to_owned();
        for row in 0..300 {
            writeln!(text, "{row},{},{},0", row * 10, memory(place, row * 10) / 1024).expect("memory");
        }
        let path = directory.join(format!("{place}.csv"));
        std::fs::write(&path, text).expect("a file");
        path
    };
    (0..count).map(table).collect()
}

fn run(scratch: &Path, samples: usize, workers: u32) -> PathBuf {
    let meta: RunMeta = serde_json::from_value(serde_json::json!({
        "format": seepage::store::FORMAT, "seepage": "", "id": "run", "name": "run", "started": "2026-01-01T00:00:00Z",
        "status": "complete", "seed": 1, "host": { "kernel": "", "cpus": 2, "memory": 1, "page": 4096, "ticks": 100 },
        "target": { "command": [], "workers": "children" },
        "counting": { "source": "access-log", "per_worker": true, "worth": "" }, "classes": [],
        "budgets": { "memory": 64.0, "descriptors": 0.01, "threads": 0.01, "tmpfs": null },
        "gates": { "error_rate": null, "p50": null, "p95": null, "p99": null }, "config": {}
    }))
    .expect("a head");
    let mut run = RunDirectory::create(scratch, "run").expect("a run");
    let soak = EventKind::Phase { phase: PhaseKind::Soak, index: 0 };
    run.append(&Entry::Event(Event { t: 0.0, kind: soak })).expect("a line");
    for tick in 0..samples / workers as usize {
        for pid in 1..=workers {
            let mut sample = Sample::new(tick as f64 * 0.1, WorkerId::new(pid, 7));
            sample.requests = Some(tick as u64 * 4);
            sample.anon = Some(memory(3 * pid as usize, tick * 4));
            (sample.swap, sample.fds, sample.threads) = (Some(0), Some(10), Some(1));
            run.append(&Entry::Sample(sample)).expect("a line");
        }
    }
    run.write_head(&meta).and_then(|()| run.flush()).expect("a run");
    run.path().to_owned()
}

fn measure(what: &str, inputs: &[PathBuf]) {
    let cpu = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("usage");
        let duration = |time: TimeVal| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000);
        (duration(usage.user_time()) + duration(usage.system_time()), usage.max_rss())
    };
    let (before, _) = cpu();
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_seepage"));
    command.args(["analyze", "--format", "jsonl"]).args(inputs).stdout(Stdio::null());
    assert!([Some(0), Some(10), Some(11)].contains(&command.status().expect("seepage").code()));
    let took = begun.elapsed().as_secs_f64();
    let (after, memory) = cpu();
    println!("| {what} | {took:.2} s | {:.2} s | {} MiB |", (after - before).as_secs_f64(), memory >> 10);
}
