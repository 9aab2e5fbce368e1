//! Plays a fleet that is watched for a month, and counts what is told: leaks, and what is none. The figures of docs/fleet.md.
//!
//!     cargo run --release --example watching -- --series 1000 --since 2d
//!
//! The table has `--series 10000 --seed 9` with `--since 1d` and `2d`, and `--since 6h --seed 10`.
//!
//! A reading every five minutes, and a look at each as `seepage fleet --watch 5m` takes it. One series of a hundred leaks.

use clap::Parser;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seepage::model::{Budgets, MemoryKind, Per, RunRecord};
use seepage::table::{Asked, Readings, SeriesRow, of_series};
use seepage::watch::{Life, Watched, last_life, tell};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const STEP: f64 = 300.0;
const DAY: usize = 288;
const DAYS: usize = 30;
const HOUR: f64 = 3600.0;
const MIB: f64 = 1024.0 * 1024.0;
const GAP: f64 = 2.5 * STEP;
/// Unix time of the first reading.
const BEGUN: f64 = 1.7672256e9;

#[derive(Parser)]
struct Arguments {
    /// Series in the fleet.
    #[arg(long, default_value_t = 1000)]
    series: usize,
    /// How long a window is.
    #[arg(long, default_value = "1d")]
    since: humantime::Duration,
    /// Seed of all series.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// What a series does beside its noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Flat,
    /// Under the budget of 1 MiB an hour by a half.
    Slow,
    /// With the load of the day.
    Daily,
    /// A cache that fills after each start.
    Cache,
    /// A collector that lets it rise and fall within hours.
    Sawtooth,
    /// A high-water mark that rises in jumps, seldom.
    Jumps,
}

const KINDS: [Kind; 6] = [Kind::Flat, Kind::Slow, Kind::Daily, Kind::Cache, Kind::Sawtooth, Kind::Jumps];

struct Played {
    kind: Kind,
    /// From which reading on it leaks.
    leaks: Option<usize>,
    /// Memory in KiB, and the number of the life.
    readings: Vec<(f32, u8)>,
}

impl Played {
    fn new(seed: u64, place: usize) -> Played {
        let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ place as u64);
        let mut uniform = move |from: f64, to: f64| from + (to - from) * rng.random::<f64>();
        let kind = KINDS[(uniform(0.0, 6.0) as usize).min(5)];
        let leak = (place % 100 == 50).then(|| (uniform(0.0, 20.0) * DAY as f64) as usize);
        let rate = 2.0 * 25_f64.powf(uniform(0.0, 1.0)) * MIB / HOUR * STEP;
        let (base, sd) = (uniform(60.0, 400.0) * MIB, uniform(0.05, 1.0) * MIB);
        let [swing, phase, period, filled] =
            [uniform(2.0, 20.0) * MIB, uniform(0.0, 6.0), uniform(6.0, 60.0), uniform(5.0, 60.0) * MIB];
        // Half of them are deployed every few days.
        let mut next = if uniform(0.0, 1.0) < 0.5 { uniform(2.0, 8.0) * DAY as f64 } else { f64::INFINITY };
        let (mut noise, mut age, mut life, mut kept, mut mark) = (0.0, 0.0, 0, 0.0, 0.0);
        let mut readings = Vec::with_capacity(DAYS * DAY);
        for at in 0..DAYS * DAY {
            if at as f64 > next {
                next += uniform(2.0, 8.0) * DAY as f64;
                (age, kept, mark, life) = (0.0, 0.0, 0.0, life + 1);
            }
            age += 1.0;
            let normal =
                (-2.0 * (1.0 - uniform(0.0, 1.0)).ln()).sqrt() * (std::f64::consts::TAU * uniform(0.0, 1.0)).cos();
            noise = 0.5 * noise + 0.87 * sd * normal;
            kept += if leak.is_some_and(|from| at >= from) { rate } else { 0.0 };
            mark += if uniform(0.0, 1.0) < 1.0 / (3.0 * DAY as f64) { uniform(1.0, 6.0) * MIB } else { 0.0 };
            let own = match kind {
                Kind::Flat => 0.0,
                Kind::Slow => 0.5 * MIB / HOUR * STEP * age,
                Kind::Daily => swing * (at as f64 / DAY as f64 * std::f64::consts::TAU + phase).sin(),
                Kind::Cache => filled * (1.0 - (-age / (0.5 * DAY as f64)).exp()),
                Kind::Sawtooth => swing * (age / period).fract(),
                Kind::Jumps => mark,
            };
            readings.push((((base + noise + own + kept).max(MIB) / 4096.0).round() as f32 * 4.0, life));
        }
        Played { kind, leaks: leak, readings }
    }

    /// What was read from `from` to `to`, that one with it.
    fn record(&self, from: usize, to: usize) -> Option<RunRecord> {
        let row = |at: usize| {
            let (kib, life) = self.readings[at];
            let start = BEGUN + 1e4 * f64::from(life);
            SeriesRow { memory: f64::from(kib) * 1024.0, start, ..SeriesRow::at(BEGUN + STEP * at as f64) }
        };
        let rows = (from..=to).map(row).collect();
        let asked =
            Asked { memory: "m".into(), kind: MemoryKind::Resident, start: Some("s".into()), ..Asked::default() };
        let until = BEGUN + STEP * to as f64;
        let mut record = of_series("x", &asked, &[Readings { name: "x".into(), rows }], (GAP, until)).ok()?.record;
        record.meta.budgets = Budgets::usual(Per::Hour);
        Some(record)
    }
}

fn main() {
    let arguments = Arguments::parse();
    let since = arguments.since.as_secs_f64();
    let fleet: Vec<Played> = (0..arguments.series).map(|place| Played::new(arguments.seed, place)).collect();
    let mut watched: Vec<Option<Watched>> = vec![None; fleet.len()];
    let (mut told, mut withdrawn): (Vec<(usize, usize)>, usize) = Default::default();
    let mut looks = 0;
    for now in 0..DAYS * DAY {
        let mut due = Vec::new();
        for (place, played) in fleet.iter().enumerate() {
            // Until its life ends, a series is looked at only when its window is due.
            match &mut watched[place] {
                None => due.push(place),
                Some(one) => {
                    let restarted = played.readings[now].1 != played.readings[now - 1].1;
                    // What is no other life is the one from before, whenever it began.
                    let begun = if restarted { now } else { 0 };
                    one.follow(Life {
                        begun: BEGUN + STEP * begun as f64,
                        is_whole: restarted,
                        until: BEGUN + STEP * now as f64,
                        last: BEGUN + STEP * now as f64,
                    });
                    withdrawn += usize::from(restarted && told.iter().any(|(_, of)| *of == place));
                    if one.window(since).is_some() {
                        due.push(place);
                    }
                }
            }
        }
        if due.is_empty() {
            continue;
        }
        looks += due.len();
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..arguments.threads {
                scope.spawn(|| {
                    while let Some(place) = due.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let one = look(&fleet[*place], watched[*place], now, since);
                        done.lock().unwrap().push((*place, one));
                    }
                });
            }
        });
        for (place, one) in done.into_inner().unwrap() {
            watched[place] = one;
        }
        let before: Vec<bool> = watched.iter().map(|one| one.is_some_and(|one| one.told.is_some())).collect();
        tell(BEGUN + STEP * now as f64, watched.iter_mut().flatten());
        for (place, one) in watched.iter().enumerate() {
            if one.is_some_and(|one| one.told.is_some()) && !before[place] {
                told.push((now, place));
            }
        }
    }
    report(&arguments, &fleet, &told, (looks, withdrawn));
}

fn look(played: &Played, before: Option<Watched>, now: usize, since: f64) -> Option<Watched> {
    let Some(mut one) = before else {
        let life = last_life(&played.record(now, now)?, BEGUN + STEP * now as f64, 0.0, GAP)?;
        return Some(Watched::new(BEGUN, life));
    };
    let from = one.window(since).map_or(now, |after| ((after - BEGUN) / STEP).round() as usize + 1);
    if let Some(record) = played.record(from, now) {
        one.look(&record);
    }
    Some(one)
}

fn report(arguments: &Arguments, fleet: &[Played], told: &[(usize, usize)], (looks, withdrawn): (usize, usize)) {
    let is_true = |(at, place): &(usize, usize)| fleet[*place].leaks.is_some_and(|from| *at > from);
    let wrong: Vec<_> = told.iter().filter(|one| !is_true(one)).collect();
    let mut kinds: Vec<Kind> = wrong.iter().map(|(_, place)| fleet[*place].kind).collect();
    kinds.sort();
    let mut delays: Vec<f64> = Vec::new();
    let leaking = fleet.iter().enumerate().filter_map(|(place, played)| Some((place, played.leaks?)));
    for (place, from) in leaking.clone() {
        let first = told.iter().filter(|one| one.1 == place && is_true(one)).map(|one| one.0).min();
        delays.extend(first.map(|at| (at - from) as f64 * STEP / HOUR));
    }
    delays.sort_by(f64::total_cmp);
    let quantile = |share: f64| delays.get((share * delays.len() as f64) as usize).copied().unwrap_or(f64::NAN);
    println!(
        "| {} | {} | {} of {} | {:.0} h | {:.0} h | {} | {} | {looks} | {withdrawn} |",
        arguments.since,
        fleet.len(),
        delays.len(),
        leaking.count(),
        quantile(0.5),
        quantile(0.9),
        told.len(),
        wrong.len(),
    );
    println!("what was told wrongly: {kinds:?}");
}
