//! What one verdict takes, beside a straight line by least squares for scale; and what one look at a run that goes on takes,
//! with the estimate that its progress display shows. Prints Markdown tables.
//!
//!     cargo bench --bench verdict

#[path = "../tests/accuracy/families.rs"]
#[allow(dead_code, reason = "a few families are enough")]
mod families;
#[path = "../tests/accuracy/modes.rs"]
#[allow(dead_code, reason = "two modes are enough")]
mod modes;
#[path = "../tests/accuracy/naive.rs"]
#[allow(dead_code, reason = "one rule is enough")]
mod naive;

use families::{BUDGET, FAMILIES, PAGE, Source};
use modes::{Mode, Shape};
use seepage::model::{Axis, Resource, RunRecord, Series};
use seepage::verdict::{Looks, find, live_growth};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Cases of each family; the middle one counts.
const CASES: u64 = 21;

fn main() {
    println!("| series of 300 readings | verdict | straight line |\n|---|---|---|");
    for name in ["flat, AR .5", "plateau, T .25", "linear, 2 x", "unit root", "pool of 8", "one of 8 leaks, 4 x"] {
        let family = FAMILIES.iter().find(|f| f.name == name).expect("a family of this name");
        let cases: Vec<Vec<Series>> = (0..CASES).map(|case| (family.make)(&mut Source::new(1, name, case))).collect();
        let verdict = middle(&cases, |s| {
            black_box(find(Resource::Memory, Axis::WorkerRequests, s, BUDGET, PAGE));
        });
        let line = middle(&cases, |s| {
            black_box((naive::RULES[0].leaks)(s));
        });
        println!("| {name} | {:.2} ms | {:.4} ms |", verdict.as_secs_f64() * 1e3, line.as_secs_f64() * 1e3);
    }
    looks();
}

/// Looks at runs of these workers and readings of each, memory, descriptors and threads judged.
fn looks() {
    println!("\n| run that goes on | one look | estimate for the display |\n|---|---|---|");
    for (workers, readings) in [(1, 600), (4, 600), (8, 600), (8, 6000), (100, 600)] {
        let shape = Shape { workers, requests: 4000, readings, recycle: None };
        let runs: Vec<RunRecord> =
            [Mode::Malloc, Mode::None, Mode::Warm].map(|mode| modes::run(mode, shape, 1)).into_iter().collect();
        let look = middle(&runs, |run| {
            black_box(Looks::open_ended().look(run, 300.0));
        });
        let display = middle(&runs, |run| {
            black_box(live_growth(run));
        });
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!("| {workers} workers, {readings} readings each | {:.1} ms | {:.1} ms |", ms(look), ms(display));
    }
}

/// The median time.
fn middle<T>(cases: &[T], judge: impl Fn(&T)) -> Duration {
    let mut times: Vec<Duration> = cases
        .iter()
        .map(|case| {
            let start = Instant::now();
            judge(case);
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}
