//! Growth by step: do its intervals cover the truth, and is no step blamed that is innocent?

use super::modes::meta;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seepage::answer::{BySteps, LeakClass, Outcome, Verdict};
use seepage::model::*;
use seepage::{verdict::judge, working::working};

/// Runs of each case: few, so that the test is quick in a debug build; `SEEPAGE_RUNS=200` makes the rates of
/// docs/accuracy.md.
fn runs() -> u64 {
    std::env::var("SEEPAGE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(10)
}

const PAGE: f64 = 4096.0;
const READINGS: usize = 300;

/// A run with several steps, as the driver would make it.
#[derive(Clone, Copy)]
struct Case {
    /// Requests to each worker.
    requests: f64,
    weights: [f64; 3],
    /// What each request of a step keeps for good, in bytes.
    kept: [f64; 3],
    /// Blocks of the mix; 0 leaves it fixed.
    blocks: usize,
    /// Whether the second step always follows the first.
    in_order: bool,
    /// Standard deviation of a worker's level, and its autocorrelation from reading to reading.
    noise: (f64, f64),
    /// Size of a cache that fills under the first step alone.
    cache: f64,
    workers: usize,
    /// Whether a log tells which worker served which step.
    logged: bool,
    /// Error that is tolerated beside the interval, in B/request: the shapes of warm-ups are approximations, and readings
    /// come between requests.
    slack: f64,
}

const USUAL: Case = Case {
    requests: 12_000.0,
    weights: [0.6, 0.3, 0.1],
    kept: [0.0; 3],
    blocks: 24,
    in_order: false,
    noise: (60_000.0, 0.9),
    cache: 0.0,
    workers: 3,
    logged: false,
    slack: 8.0,
};

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let u: f64 = 1.0 - rng.random::<f64>();
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// The weights of each block: randomised, and mirrored in the next one.
fn mixes(case: &Case, rng: &mut ChaCha8Rng) -> Vec<[f64; 3]> {
    let mut out = Vec::new();
    for _ in 0..case.blocks.div_ceil(2) {
        let draws: [f64; 3] = std::array::from_fn(|_| rng.random_range(-1.0..1.0));
        let mean: f64 = draws.iter().zip(case.weights).map(|(d, w)| d * w).sum();
        let most = draws.iter().map(|d| (d - mean).abs()).fold(0.0, f64::max);
        for sign in [1.0, -1.0] {
            out.push(std::array::from_fn(|k| case.weights[k] * (1.0 + sign * 0.75 * (draws[k] - mean) / most)));
        }
    }
    out
}

fn run(case: &Case, seed: u64) -> RunRecord {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mixes = mixes(case, &mut rng);
    let mut record = RunRecord {
        meta: meta(1000),
        samples: vec![],
        host: vec![],
        load: vec![],
        census: vec![],
        maps: Vec::new(),
        metrics: Vec::new(),
        events: vec![],
        heap: Default::default(),
        services: Vec::new(),
    };
    let names = ["list", "show", "upload"];
    record.meta.steps =
        (0..3).map(|k| Step { name: names[k].into(), weight: case.weights[k], ..Step::default() }).collect();
    if case.logged {
        record.meta.classes = names.map(String::from).to_vec();
    }
    let per_reading = case.requests / READINGS as f64;
    let mut served = vec![[0u64; 3]; case.workers];
    let mut levels: Vec<f64> = (0..case.workers).map(|_| normal(&mut rng) * case.noise.0).collect();
    let mut turn = 0;
    // All were forked from one parent, whose last page was full to this part.
    let base = 5e7 + PAGE * (seed % 8) as f64 / 8.0;
    for tick in 0..READINGS {
        let t = tick as f64 * 0.1;
        let mix = if case.blocks == 0 { case.weights } else { mixes[tick * case.blocks / READINGS] };
        for (w, counts) in served.iter_mut().enumerate() {
            for _ in 0..(per_reading * rng.random_range(0.7..1.3)).round() as u64 {
                let draw = rng.random::<f64>();
                let drawn = if draw < mix[0] { 0 } else { 1 + usize::from(draw >= mix[0] + mix[1]) };
                turn += 1;
                counts[if case.in_order { [0, 1, 2][turn % 3] } else { drawn }] += 1;
            }
            let (sd, rho) = case.noise;
            levels[w] = rho * levels[w] + sd * (1.0 - rho * rho).sqrt() * normal(&mut rng);
            let kept: f64 = counts.iter().zip(case.kept).map(|(n, c)| *n as f64 * c).sum();
            let filled = case.cache * (1.0 - (-(counts[0] as f64) / 700.0).exp());
            let mut sample = Sample::new(t, WorkerId::new(10 + w as u32, 1));
            sample.anon = Some(((base + kept + filled + levels[w]) / PAGE) as u64 * PAGE as u64);
            sample.swap = Some(0);
            sample.fds = Some(9);
            sample.threads = Some(1);
            sample.requests = Some(counts.iter().sum());
            sample.by_class = if case.logged { counts.to_vec() } else { Vec::new() };
            record.samples.push(sample);
        }
        let by_step: Vec<u64> = (0..3).map(|k| served.iter().map(|c| c[k]).sum()).collect();
        let requests = Some(by_step.iter().sum());
        record.host.push(HostSample { t, tmpfs: Some(0), requests, by_step, ..HostSample::default() });
    }
    record.events.push(Event { t: 0.0, kind: EventKind::Phase { phase: PhaseKind::Soak, index: 0 } });
    record
}

fn steps(verdict: &Verdict) -> &BySteps {
    verdict.findings[0].steps.as_ref().unwrap_or_else(|| panic!("{verdict:#?}"))
}

/// Over so many runs: the shares of rows whose interval covers the truth, of runs in which a step is blamed that keeps
/// nothing, and of runs that name the one step which leaks.
fn rates(name: &str, case: &Case) -> (f64, f64, f64) {
    let runs = runs();
    let (mut covered, mut rows, mut blamed, mut named) = (0, 0, 0, 0);
    for seed in 0..runs {
        let record = run(case, 1000 + seed);
        let served = &record.host[record.host.len() - 1].by_step;
        let verdict = judge(&record);
        let by_steps = steps(&verdict);
        let place = |name: &String| ["list", "show", "upload"].iter().position(|n| n == name).unwrap();
        let mut wrong = false;
        for row in &by_steps.rows {
            let parts: Vec<usize> = row.steps.iter().map(place).collect();
            // Within a row, steps count by how often they came.
            let times = |k: &usize| served[*k] as f64;
            let sum: f64 = parts.iter().map(times).sum();
            let truth = parts.iter().map(|k| case.kept[*k] * times(k)).sum::<f64>() / sum;
            rows += 1;
            let (lower, upper) = (row.growth.lower - case.slack, row.growth.upper + case.slack);
            covered += u64::from((lower..=upper).contains(&truth));
            wrong |= row.grows && truth == 0.0;
        }
        blamed += u64::from(wrong);
        named += u64::from(verdict.findings[0].class == LeakClass::LeakInOneStep);
    }
    let share = |n: u64, of: u64| n as f64 / of as f64;
    let rates = (share(covered, rows), share(blamed, runs), share(named, runs));
    println!("{name}: {rates:?} of {runs} runs");
    rates
}

#[test]
fn intervals_cover_and_the_step_that_leaks_is_named() {
    let (covered, blamed, named) =
        rates("one step leaks", &Case { kept: [0.0, 0.0, 4096.0], noise: (6_000.0, 0.9), ..USUAL });
    assert!(covered >= 0.9 && blamed <= 0.05 && named >= 0.9, "{covered} {blamed} {named}");
}

#[test]
fn a_mix_that_stays_fixed_tells_less_but_nothing_wrong() {
    let (covered, blamed, named) =
        rates("one step leaks, mix fixed", &Case { kept: [0.0, 0.0, 4096.0], blocks: 0, ..USUAL });
    assert!(covered >= 0.9 && blamed <= 0.05, "{covered} {blamed} {named}");
}

#[test]
fn a_warm_up_under_one_step_is_not_blamed_on_it() {
    let (covered, blamed, _) = rates("warm-up under one step", &Case { cache: 4e6, noise: (20_000.0, 0.9), ..USUAL });
    assert!(covered >= 0.9 && blamed <= 0.05, "{covered} {blamed}");
}

/// Blocks hardly larger than a page, as a real upload module kept them: that they take a page more shows once in a hundred
/// uploads, which isn't noise of each reading.
#[test]
fn what_pages_hide_is_not_blamed_on_a_step() {
    let quiet = Case {
        requests: 1500.0,
        weights: [0.75, 0.2, 0.05],
        noise: (0.0, 0.0),
        workers: 4,
        logged: true,
        slack: 0.0,
        ..USUAL
    };
    let (covered, blamed, named) = rates("blocks of a page and 48 B", &Case { kept: [0.0, 0.0, 4144.0], ..quiet });
    assert!(covered >= 0.98 && blamed <= 0.05 && named >= 0.9, "{covered} {blamed} {named}");
}

#[test]
fn noise_that_wanders_blames_nobody() {
    let (covered, blamed, _) = rates("noise that wanders", &Case { noise: (400_000.0, 0.997), ..USUAL });
    assert!(covered >= 0.9 && blamed <= 0.05, "{covered} {blamed}");
}

#[test]
fn steps_in_fixed_order_are_told_jointly() {
    let case = Case { kept: [600.0, 0.0, 0.0], in_order: true, ..USUAL };
    for seed in 0..4 {
        let run = run(&case, seed);
        let verdict = judge(&run);
        assert_eq!(verdict.outcome, Outcome::Leak, "{}", crate::reasons(&verdict));
        let rows = &steps(&verdict).rows;
        assert_eq!(rows.len(), 1, "{rows:#?}");
        assert!((rows[0].growth.lower..rows[0].growth.upper).contains(&200.0), "{rows:#?}");
        let more = seepage::words::headline(&run, &verdict).more;
        let told = "Which of `list`, `show` and `upload` it comes from can't be told.";
        assert!(more.iter().any(|line| line == told), "{more:?}");
    }
}

#[test]
fn residuals_are_what_the_mix_leaves_too() {
    let record = run(&Case { kept: [0.0, 0.0, 4096.0], noise: (6_000.0, 0.0), ..USUAL }, 1);
    let residuals = working(&record, &judge(&record).findings[0]).expect("a fit").residuals;
    let first = residuals.autocorrelation[0];
    assert!(first.abs() < 2.0 * residuals.bound, "{first} where {} would be noise", residuals.bound);
}

#[test]
fn growth_over_all_steps_is_known_the_better_for_their_counts() {
    let case = Case { kept: [0.0, 0.0, 4096.0], noise: (6_000.0, 0.9), ..USUAL };
    for seed in 0..4 {
        let mut record = run(&case, seed);
        let told = judge(&record);
        let growth = told.findings[0].growth.expect("growth");
        let (first, last) = (&record.host[0].by_step, &record.host[READINGS - 1].by_step);
        let served = |k: usize| (last[k] - first[k]) as f64;
        let truth = 4096.0 * served(2) / (0..3).map(served).sum::<f64>();
        assert!((growth.lower..=growth.upper).contains(&truth), "{truth} {growth:?}");
        let by_steps: f64 = steps(&told).rows.iter().map(|row| row.share * row.growth.estimate).sum();
        assert!((by_steps - growth.estimate).abs() < USUAL.slack, "{by_steps} {growth:?}");
        record.host.iter_mut().for_each(|h| h.by_step.clear());
        let untold = judge(&record).findings[0].growth.expect("growth");
        assert!(untold.upper - untold.lower > 3.0 * (growth.upper - growth.lower), "{untold:?} {growth:?}");
    }
}
