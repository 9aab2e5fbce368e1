//! What judging a fleet takes, and how often it is wrong; see docs/fleet.md. Prints a Markdown table.
//!
//!     cargo bench --bench fleet
//!
//! The server is a stand-in in this process, which shares the cores: its own part is told beside.

// Of its ways to answer wrongly, none is used here.
#[allow(dead_code)]
#[path = "../tests/end_to_end/fleet/stand_in.rs"]
mod stand_in;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use serde_json::Value;
use stand_in::{Reply, Series, StandIn, long_ago};
use std::process::Command;
use std::time::Instant;

const MIB: f64 = 1024.0 * 1024.0;

fn main() {
    println!(
        "| series of 720 readings | by the clock | CPU | of the server | most memory | lines | leaks of | clean called a leak | leaks called clean |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    // From small to large: the kernel tells the most that any child so far has taken.
    for count in [1000, 10_000] {
        measure(count);
    }
}

/// One of a hundred leaks 5 MiB an hour, beneath noise and a swing of half an hour.
fn leaks(place: usize) -> bool {
    place % 100 == 50
}

fn series(place: usize) -> Series {
    let (pod, node) = (format!("shop-{place:05}"), format!("node-{}", place % 200));
    let begun = long_ago();
    let value = move |t: f64| {
        let seed =
            (t as u64 / 30).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (place as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let noise = (seed.wrapping_mul(0x94d0_49bb_1331_11eb) >> 40) as f64 / (1 << 24) as f64;
        let swing = 0.2 * MIB * (t / 1800.0 * std::f64::consts::TAU + place as f64).sin();
        let leak = if leaks(place) { 5.0 * MIB * (t - begun) / 3600.0 } else { 0.0 };
        Some((80.0 * MIB + noise * 0.5 * MIB + swing + leak).round())
    };
    Series::new("process_resident_memory_bytes", &[("job", "shop"), ("node", &node), ("pod", &pod)], value)
}

fn measure(count: usize) {
    let server = StandIn::new((0..count).map(series).collect(), |_| Reply::Right);
    let seconds = |usage: &Usage| {
        [usage.user_time(), usage.system_time()]
            .map(|t| t.tv_sec() as f64 + t.tv_usec() as f64 * 1e-6)
            .iter()
            .sum::<f64>()
    };
    let of = |who| getrusage(who).expect("usage");
    let before = [UsageWho::RUSAGE_CHILDREN, UsageWho::RUSAGE_SELF].map(|who| seconds(&of(who)));
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_seepage"));
    command.args(["fleet", &server.url, "--memory", "process_resident_memory_bytes", "--format", "jsonl"]);
    command.args(["--since", "21570s", "--step", "30s"]);
    let output = command.output().expect("seepage");
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(output.status.code(), Some(10), "{}", String::from_utf8_lossy(&output.stderr));
    let [child, own] = [UsageWho::RUSAGE_CHILDREN, UsageWho::RUSAGE_SELF].map(of);
    let lines: Vec<Value> =
        output.stdout.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let wrong = |verdict: &str, leaking: bool| {
        let place = |line: &Value| line["labels"]["pod"].as_str()?.strip_prefix("shop-")?.parse().ok();
        lines.iter().filter(|line| line["verdict"] == verdict && place(line).map(leaks) == Some(leaking)).count()
    };
    println!(
        "| {count} | {took:.1} s | {:.1} s | {:.1} s | {} MiB | {} | {} of {} | {} | {} |",
        seconds(&child) - before[0],
        seconds(&own) - before[1],
        child.max_rss() >> 10,
        lines.len(),
        wrong("leak", true),
        count / 100,
        wrong("leak", false),
        wrong("clean", true),
    );
}
