//! Simulated histories of builds: how often a change is told where there is none, how soon one is told, and at which place.
//!
//!     cargo run --example histories -- [HISTORIES] [SEED]
//!
//! The rate of each build is around zero with a standard deviation of one; a change lifts it by so many of those. Bounds are alike, or
//! every fifth build is five times as noisy, and its bounds say so.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seepage::answer::Outcome;
use seepage::history::{Build, Change, Growth, History, LEAST_SEGMENT};
use seepage::model::Resource;

const BUILDS: usize = 100;

/// Half of the width of an interval at 98 %, in standard errors.
const HALF: f64 = 2.326;

/// A normal number (Box & Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (a, b): (f64, f64) = (rng.random_range(f64::MIN_POSITIVE..1.0), rng.random());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// A history that changes by `by` at `at`.
fn history(rng: &mut ChaCha8Rng, at: usize, by: f64, uneven: bool) -> History {
    let build = |number: usize| {
        let noise = if uneven && number.is_multiple_of(5) { 5.0 } else { 1.0 };
        let estimate = noise * normal(rng) + if number >= at { by } else { 0.0 };
        let bound = |side: f64| Some(estimate + side * HALF * noise);
        let growth = Growth { estimate, lower: bound(-1.0), upper: bound(1.0), confidence: Some(0.98) };
        Build { name: number.to_string(), started: None, outcome: Outcome::Clean, growth: Some(growth), rule: None }
    };
    let builds = (0..BUILDS).map(build).collect();
    History { name: "simulated".into(), resource: Resource::Memory, per: "request".into(), budget: None, builds }
}

/// The changes that are told after so many builds.
fn after(history: &History, builds: usize) -> Vec<Change> {
    History { builds: history.builds[..builds].to_vec(), ..history.clone() }.changes()
}

fn share(count: usize, of: usize) -> String {
    format!("{:.1} %", 100.0 * count as f64 / of as f64)
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let histories = arguments.next().unwrap_or(200) as usize;
    let seed = arguments.next().unwrap_or(1);
    println!("{histories} histories of {BUILDS} builds, seed {seed}\n");
    println!(
        "| bounds | change | told at the end | told falsely | builds until told, median (90 %) | at the very build | within two | interval has it |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for uneven in [false, true] {
        for by in [0.0, 1.0, 2.0, 3.0, 5.0] {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut told, mut falsely, mut exact, mut near, mut covered) = (0, 0, 0, 0, 0);
            let mut delays = Vec::new();
            for _ in 0..histories {
                let at = rng.random_range(30..70);
                let made = history(&mut rng, at, by, uneven);
                let changes = made.changes();
                let nearest = changes.iter().filter(|_| by > 0.0).min_by_key(|c| c.build.abs_diff(at));
                falsely += usize::from(changes.len() > usize::from(nearest.is_some()));
                let Some(change) = nearest else { continue };
                told += 1;
                exact += usize::from(change.build == at);
                near += usize::from(change.build.abs_diff(at) <= 2);
                covered += usize::from((change.between.0..=change.between.1).contains(&at));
                let first = (at + LEAST_SEGMENT..=BUILDS).find(|builds| !after(&made, *builds).is_empty());
                delays.extend(first.map(|builds| builds - at));
            }
            delays.sort_unstable();
            let quantile =
                |part: f64| delays.get((part * delays.len() as f64) as usize).map_or("–".into(), usize::to_string);
            let bounds = if uneven { "uneven" } else { "alike" };
            if by == 0.0 {
                println!("| {bounds} | none | | {} | | | | |", share(falsely, histories));
                continue;
            }
            println!(
                "| {bounds} | {by} | {} | {} | {} ({}) | {} | {} | {} |",
                share(told, histories),
                share(falsely, histories),
                quantile(0.5),
                quantile(0.9),
                share(exact, told.max(1)),
                share(near, told.max(1)),
                share(covered, told.max(1))
            );
        }
    }
}
