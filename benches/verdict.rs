//! What one verdict takes, beside a straight line by least squares for scale. Prints a Markdown table.
//!
//!     cargo bench --bench verdict

#[path = "../tests/accuracy/families.rs"]
#[allow(dead_code, reason = "a few families are enough")]
mod families;
#[path = "../tests/accuracy/naive.rs"]
#[allow(dead_code, reason = "one rule is enough")]
mod naive;

use families::{BUDGET, FAMILIES, PAGE, Source};
use seepage::model::{Axis, Resource, Series};
use seepage::verdict::find;
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
}

/// The median time.
fn middle(cases: &[Vec<Series>], judge: impl Fn(&[Series])) -> Duration {
    let mut times: Vec<Duration> = cases
        .iter()
        .map(|series| {
            let start = Instant::now();
            judge(series);
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}
