//! What one verdict takes, beside a straight line by least squares for scale; and what one look at a run that goes on takes,
//! with the estimate that its progress display shows.
//!
//!     cargo bench --bench verdict

#[path = "../tests/accuracy/families.rs"]
#[allow(dead_code, reason = "a few families are enough")]
mod families;
#[path = "../tests/accuracy/modes.rs"]
#[allow(dead_code, reason = "three modes are enough")]
mod modes;
#[path = "../tests/accuracy/naive.rs"]
#[allow(dead_code, reason = "one rule is enough")]
mod naive;

use divan::{Bencher, black_box_drop};
use families::{BUDGET, FAMILIES, PAGE, Source};
use modes::{Mode, Shape};
use seepage::model::{Axis, Resource, RunRecord, Series};
use seepage::rule::find;
use seepage::verdict::{Looks, live_growths};

/// Families of one worker and of eight, with 300 readings each.
const NAMES: [&str; 6] =
    ["flat, AR .5", "plateau, T .25", "linear, 2 x", "unit root", "pool of 8", "one of 8 leaks, 4 x"];

/// Workers and readings of each in a run that goes on.
const RUNS: [(u32, u32); 5] = [(1, 600), (4, 600), (8, 600), (8, 6000), (100, 600)];

fn main() {
    divan::main();
}

/// Another case of the family each time.
fn cases(name: &str) -> impl FnMut() -> Vec<Series> {
    let family = FAMILIES.iter().find(|f| f.name == name).expect("a family of this name");
    let mut case = 0;
    move || {
        case += 1;
        (family.make)(&mut Source::new(1, family.name, case))
    }
}

#[divan::bench(args = NAMES)]
fn one_verdict(bencher: Bencher, name: &str) {
    let judged = |series: &mut Vec<Series>| find(Resource::Memory, Axis::WorkerRequests, series, BUDGET, PAGE);
    bencher.with_inputs(cases(name)).bench_local_refs(judged);
}

#[divan::bench(args = NAMES)]
fn straight_line(bencher: Bencher, name: &str) {
    bencher.with_inputs(cases(name)).bench_local_refs(|series| (naive::RULES[0].leaks)(series));
}

/// A run whose memory, descriptors and threads are judged; leaking, clean and warming up in turn.
fn runs((workers, readings): (u32, u32)) -> impl FnMut() -> RunRecord {
    let shape = Shape { workers, requests: 4000, readings, recycle: None };
    let mut modes = [Mode::Malloc, Mode::None, Mode::Warm].into_iter().cycle();
    move || modes::run(modes.next().expect("it goes on"), shape, 1)
}

#[divan::bench(args = RUNS, sample_count = 21, sample_size = 1)]
fn one_look(bencher: Bencher, run: (u32, u32)) {
    bencher.with_inputs(runs(run)).bench_local_refs(|run| black_box_drop(Looks::open_ended().look(run, 300.0)));
}

#[divan::bench(args = RUNS, sample_count = 21, sample_size = 1)]
fn estimate_for_the_display(bencher: Bencher, run: (u32, u32)) {
    bencher.with_inputs(runs(run)).bench_local_refs(|run| live_growths(run));
}
