//! What a snapshot looks like, as text of a given width.

use super::{PhaseProgress, Snapshot, WorkerProgress};
use crate::answer::Growth;
use crate::model::{Resource, format_bytes, format_count, format_seconds};
use crate::report::chart::thousands;
use crate::report::text::{self, clip, plain};

/// Workers that have a line each.
const WORKERS: usize = 8;
/// Readings in a sparkline.
const SPARKS: usize = 32;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The block for a terminal of `width` columns; no line is longer.
pub fn block(snapshot: &Snapshot, width: usize) -> Vec<String> {
    let mut lines = vec![head(snapshot, width), traffic(snapshot)];
    lines.extend(workers(&snapshot.workers));
    for (place, growth) in growths(snapshot).iter().enumerate() {
        lines.push(format!("  {:<8} {growth}", if place == 0 { "growth" } else { "" }));
    }
    if let Some((next, end)) = snapshot.looks {
        lines.push(format!("  looks    next at {}, may end at {}", clock(next), clock(end)));
    }
    lines.iter().map(|line| console::truncate_str(line, width, "…").into_owned()).collect()
}

/// The same in one line for a log.
pub fn line(snapshot: &Snapshot) -> String {
    let mut parts = Vec::new();
    if let Some(phase) = &snapshot.phase {
        let share = phase.done.and_then(percent).map_or_else(String::new, |p| format!(" {p}"));
        parts.push(format!("{}{share}", phase_words(phase)));
    }
    if let Some(requests) = snapshot.requests {
        parts.push(format!(
            "{requests} requests{}",
            snapshot.rate.map_or_else(String::new, |r| format!(" at {}/s", rate(r)))
        ));
    }
    if snapshot.failures > 0 {
        parts.push(format!("{} failed", snapshot.failures));
    }
    if !snapshot.workers.is_empty() {
        parts.push(format!("{} workers with {}", snapshot.workers.len(), format_bytes(total(&snapshot.workers))));
    }
    let growths = growths(snapshot);
    if !growths.is_empty() {
        parts.push(format!("growth {}", growths.join(", ")));
    }
    format!("[{}] {}", clock(snapshot.elapsed), plain(&parts.join(", ")))
}

fn head(snapshot: &Snapshot, width: usize) -> String {
    let time = clock(snapshot.elapsed);
    let name = clip(&snapshot.name, 32);
    let Some(phase) = &snapshot.phase else { return format!("{name}  {time}") };
    let words = phase_words(phase);
    match phase.done.filter(|d| d.is_finite()) {
        Some(done) => {
            let used = [&name, &words, &time].iter().map(|t| t.chars().count()).sum::<usize>() + 14;
            let bar = bar(done, width.saturating_sub(used).min(30));
            format!("{name}  {words} {bar} {}  {time}", percent(done).unwrap_or_default())
        }
        None => format!("{name}  {words}  {time}"),
    }
}

fn traffic(snapshot: &Snapshot) -> String {
    let requests = snapshot.requests.map_or_else(|| "not counted".to_owned(), |r| thousands(&r.to_string()));
    let rate = snapshot.rate.map_or_else(String::new, |r| format!("  {}/s", rate(r)));
    let failed = match snapshot.failures {
        0 => "none failed".to_owned(),
        failures => format!("{} failed", thousands(&failures.to_string())),
    };
    format!("  requests {requests}{rate}  {failed}")
}

/// The largest workers, in the order of their PIDs so that lines keep their places, and what is left.
fn workers(workers: &[WorkerProgress]) -> Vec<String> {
    let mut shown: Vec<&WorkerProgress> = workers.iter().collect();
    shown.sort_by_key(|w| (std::cmp::Reverse(w.bytes), w.worker));
    let rest = shown.split_off(shown.len().min(WORKERS));
    shown.sort_by_key(|w| w.worker);
    let mut lines: Vec<String> = shown
        .iter()
        .map(|w| {
            let bytes = w.bytes.map_or_else(|| "–".to_owned(), |b| format_bytes(b as f64));
            format!("  {:<9}{bytes:>9}  {}", w.worker.pid, sparkline(&w.history)).trim_end().to_owned()
        })
        .collect();
    if !rest.is_empty() {
        lines.push(format!("  and {} more; all together {}", rest.len(), format_bytes(total(workers))));
    }
    lines
}

fn total(workers: &[WorkerProgress]) -> f64 {
    workers.iter().filter_map(|w| w.bytes).map(|b| b as f64).sum()
}

/// The last readings as bars; a level that hardly moves is shown as a flat line and not as noise.
pub fn sparkline(history: &[u64]) -> String {
    let recent = &history[history.len().saturating_sub(SPARKS)..];
    let (Some(low), Some(high)) = (recent.iter().min(), recent.iter().max()) else { return String::new() };
    let least = (0.02 * *high as f64).max(65536.0);
    let span = ((high - low) as f64).max(least);
    recent.iter().map(|v| BARS[(((v - low) as f64 / span * 7.0).round() as usize).min(7)]).collect()
}

fn bar(done: f64, width: usize) -> String {
    let full = (done.clamp(0.0, 1.0) * width as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(width - full.min(width)))
}

fn percent(share: f64) -> Option<String> {
    share.is_finite().then(|| format!("{:.0} %", (share.clamp(0.0, 1.0) * 100.0).floor()))
}

fn phase_words(phase: &PhaseProgress) -> String {
    if phase.count > 1 {
        format!("{} {}/{}", phase.kind, phase.index.saturating_add(1), phase.count)
    } else {
        phase.kind.to_string()
    }
}

fn rate(value: f64) -> String {
    format_count(value)
}

/// Growth in words: bytes of which nothing else is said are memory's.
fn growths(snapshot: &Snapshot) -> Vec<String> {
    let words = |(resource, growth): &(Resource, Growth)| {
        let told = *resource == Resource::Memory || !resource.in_bytes();
        let of = if told { String::new() } else { format!("{resource} ") };
        format!("{of}{}", text::growth(*resource, growth.axis, &growth.interval))
    };
    snapshot.growths.iter().map(words).collect()
}

fn clock(elapsed: f64) -> String {
    match elapsed.max(0.0).floor() {
        seconds if !seconds.is_finite() => "–".to_owned(),
        0.0 => "0 s".to_owned(),
        seconds => format_seconds(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Interval;
    use crate::model::{Axis, PhaseKind, WorkerId};
    use proptest::prelude::*;

    fn growth(resource: Resource, estimate: f64, lower: f64, upper: f64) -> (Resource, Growth) {
        let interval = Interval { estimate, lower, upper, confidence: 0.98 };
        (resource, Growth { interval, axis: Axis::WorkerRequests })
    }

    fn snapshot(workers: u32) -> Snapshot {
        Snapshot {
            name: "upload-demo".to_owned(),
            phase: Some(PhaseProgress { kind: PhaseKind::Soak, index: 1, count: 3, done: Some(0.484) }),
            elapsed: 31.7,
            requests: Some(12_345),
            rate: Some(98.4),
            failures: 3,
            workers: (0..workers)
                .map(|i| WorkerProgress {
                    worker: WorkerId::new(4001 + i, 900),
                    bytes: (i != 2).then_some((4 << 20) + u64::from(i) * 100_000),
                    history: (0..40).map(|t| (4 << 20) + t * u64::from(i) * 30_000).collect(),
                })
                .collect(),
            growths: vec![
                growth(Resource::Memory, 4198.0, 3993.0, 4403.0),
                growth(Resource::Descriptors, 0.05, 0.047, 0.053),
                growth(Resource::Tmpfs, 100.0, 90.0, 110.0),
            ],
            looks: None,
        }
    }

    #[test]
    fn a_pool_in_full() {
        insta::assert_snapshot!(block(&snapshot(4), 80).join("\n"));
    }

    #[test]
    fn a_large_pool_is_summed_up() {
        insta::assert_snapshot!(block(&snapshot(500), 80).join("\n"));
    }

    #[test]
    fn a_watch_without_an_end_says_when_it_may_end() {
        let watch = Snapshot { phase: None, looks: Some((432.0, 900.0)), ..snapshot(1) };
        insta::assert_snapshot!(block(&watch, 80).join("\n"));
    }

    #[test]
    fn a_run_that_has_just_begun() {
        insta::assert_snapshot!(
            block(&Snapshot { name: "a\u{1b}[2Jb\nc".into(), ..Snapshot::default() }, 80).join("\n")
        );
    }

    #[test]
    fn a_line_for_a_log() {
        insta::assert_snapshot!(line(&snapshot(4)));
    }

    #[test]
    fn sparklines_show_growth_and_not_noise() {
        let growth: Vec<u64> = (0..8).map(|i| i << 20).collect();
        assert_eq!(sparkline(&growth), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[100 << 20, (100 << 20) + 4096, 100 << 20]), "▁▁▁");
        assert_eq!(sparkline(&[]), "");
    }

    proptest! {
        #[test]
        fn no_line_is_too_long_and_no_number_breaks_it(
            width in 0usize..200, elapsed in proptest::num::f64::ANY, done in proptest::num::f64::ANY,
            rate in proptest::num::f64::ANY, name in ".*", workers in 0u32..20, history in prop::collection::vec(any::<u64>(), 0..50)
        ) {
            let mut snapshot = snapshot(workers);
            snapshot.elapsed = elapsed;
            snapshot.rate = Some(rate);
            snapshot.name = name;
            snapshot.phase.as_mut().unwrap().done = Some(done);
            for worker in &mut snapshot.workers {
                worker.history = history.clone();
            }
            for line in block(&snapshot, width) {
                prop_assert!(console::measure_text_width(&line) <= width.max(1));
                prop_assert!(!line.contains(char::is_control));
            }
            prop_assert!(!line(&snapshot).contains(char::is_control));
        }
    }
}
