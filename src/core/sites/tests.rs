//! What is said of simulated programs has to be so, as often as it claims to be.

use super::simulation::{Does, MEAN, PLAIN, Program, SOAK, judge, named};
use super::*;
use crate::answer::Note;
use crate::fixture::run::{END, WARM_UP, leaking};
use crate::model::{HeapLook, SampledBlock};
use std::ops::Range;

/// Runs of each case: so many, or as many as the environment asks for.
fn runs(few: u64) -> Range<u64> {
    0..std::env::var("SEEPAGE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(few)
}

/// Whether at least 95 % of what was asked held, less what chance makes of that once in thousands of times.
fn is_enough(held: u64, asked: u64) -> bool {
    held as f64 >= 0.95 * asked as f64 - 3.1 * (0.95 * 0.05 * asked as f64).sqrt()
}

/// What is said of sites with a known rate, and of others that keep nothing for good.
#[derive(Debug, Default)]
struct Count {
    asked: u64,
    /// Intervals that have the rate.
    held: u64,
    /// Others that are said to grow, as a part of all that are: the rate of false discoveries.
    accused: f64,
    /// Mean of the estimate over the rate, by site.
    ratios: Vec<f64>,
    /// Mean width of the interval over the rate, by site.
    widths: Vec<f64>,
}

/// Judges many runs of a program, whose first sites keep so many bytes a request.
fn count(what: &str, program: &Program, rates: &[f64], seeds: Range<u64>) -> Count {
    let runs = (seeds.end - seeds.start) as f64;
    let none = vec![0.0; rates.len()];
    let mut count = Count { ratios: none.clone(), widths: none, ..Count::default() };
    for seed in seeds {
        let found = program.judged(seed);
        for (site, rate) in rates.iter().enumerate() {
            let growth = named(&found, site).expect("a site that keeps much").growth;
            count.asked += 1;
            count.held += u64::from((growth.lower..=growth.upper).contains(rate));
            count.ratios[site] += growth.estimate / rate / runs;
            count.widths[site] += (growth.upper - growth.lower) / rate / runs;
        }
        let grows = |site: &&CallSite| site.state == SiteState::Grows;
        let accused = (rates.len()..program.sites.len()).filter_map(|site| named(&found, site)).filter(grows).count();
        count.accused += accused as f64 / found.sites.iter().filter(grows).count().max(1) as f64 / runs;
    }
    eprintln!("{what}: {count:?}");
    assert!(count.accused <= 0.01 + 3.1 * (0.01 / runs).sqrt(), "{what}: {count:?}");
    assert!(is_enough(count.held, count.asked), "{what}: {count:?}");
    // No bias: an interval of 98 % is 4.65 standard errors wide.
    let error = |width: &f64| width / 4.65 / runs.sqrt();
    let unbiased = |(ratio, width): (&f64, &f64)| (ratio - 1.0).abs() < 3.5 * error(width) + 0.005;
    assert!(count.ratios.iter().zip(&count.widths).all(unbiased), "{what}: {count:?}");
    count
}

/// Leaks of small, large and rare blocks, beside a hundred times as much that is freed again: caches, pools of fixed
/// size, sessions that come and go, and buffers.
const SITES: [(Does, Option<usize>); 8] = [
    (Does::Keep(4096), None),
    (Does::Keep(200), None),
    (Does::Rare(40_000, 20), None),
    (Does::Cache(2000, 100), None),
    (Does::Pool(3000, 80), None),
    (Does::Pool(600_000, 20), None),
    (Does::Crowd(20_000, 40), None),
    (Does::Churn(100_000, 5), None),
];
const RATES: [f64; 3] = [4096.0, 200.0, 2000.0];

/// From half to one and a half of the mean, up or down, in waves, and in bursts.
const LOADS: [fn(f64) -> f64; 4] = [
    |t| 20.0 * (0.5 + t / END),
    |t| 20.0 * (1.5 - t / END),
    |t| 20.0 * (1.0 + 0.8 * (t / 7.0).sin()),
    |t| if (t as u64).is_multiple_of(20) { 200.0 } else { 10.0 },
];

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    for counted in [false, true] {
        let program = Program { sites: &SITES, counted, ..PLAIN };
        count("leaks", &program, &RATES, runs(25));
    }
}

#[test]
fn nobody_is_accused_where_nothing_is_kept() {
    for counted in [false, true] {
        count("no leak", &Program { sites: &SITES[3..], counted, ..PLAIN }, &[], runs(25));
    }
}

#[test]
fn uneven_load_changes_nothing() {
    for (number, load) in LOADS.into_iter().enumerate() {
        let program = Program { sites: &SITES, load, counted: true, ..PLAIN };
        count(&format!("load {number}"), &program, &RATES, runs(10));
    }
}

#[test]
fn exact_counts_make_estimates_sharper() {
    let program = |counted| Program { sites: &SITES[..2], counted, ..PLAIN };
    let [plain, sharp] = [false, true].map(|counted| count("one large", &program(counted), &RATES[..2], runs(20)));
    assert!(sharp.widths[0] < plain.widths[0] / 2.0, "{:?} {:?}", sharp.widths, plain.widths);
    assert!(sharp.widths[1] < 1.1 * plain.widths[1], "{:?} {:?}", sharp.widths, plain.widths);
}

/// Doublings as they come when a program allocates much from the beginning: in the warm-up, and in the soak.
const RAISED: [f64; 6] = [3.0, 12.0, 13.0, 25.0, 47.0, 80.0];

#[test]
fn intervals_hold_the_truth_when_the_mean_is_raised() {
    let mut sites = SITES;
    (sites[1].0, sites[2].0) = (Does::Keep(60_000), Does::Rare(400_000, 20));
    for counted in [false, true] {
        let program = Program { sites: &sites, raised: &RAISED, counted, ..PLAIN };
        count("mean raised", &program, &[4096.0, 60_000.0, 20_000.0], runs(25));
    }
    let found = Program { sites: &sites, raised: &RAISED, ..PLAIN }.judged(1);
    assert_eq!((found.raised_from, found.mean), (Some(2 * MEAN), 64 * MEAN));
    // An interval of each raise in the soak is left out, of both workers; the last reading is a second before its end.
    assert!((found.span / (2.0 * 10.0) - (SOAK - 1.0 - 5.0)).abs() < 5.0, "{}", found.span);
    // What is thinned out wasn't freed.
    assert!((0..3).filter_map(|n| named(&found, n)).all(|site| site.kept.is_none_or(|kept| kept == 1.0)), "{found:?}");
}

#[test]
fn what_keeps_memory_comes_first_with_its_age() {
    let sites = [(Does::Keep(4096), None), (Does::Cache(3000, 100), None)];
    let found = Program { sites: &sites, ..PLAIN }.judged(1);
    let first = &found.sites[0];
    assert_eq!(
        (first.frame.function.as_deref(), first.state, first.kept),
        (Some("site_0"), SiteState::Grows, Some(1.0))
    );
    assert!(first.age.is_some_and(|age| (age - END / 2.0).abs() < 15.0), "{:?}", first.age);
    assert!(named(&found, 1).is_some_and(|cache| cache.kept == Some(0.0)), "{found:?}");
}

#[test]
fn a_cache_that_fills_in_the_run_has_settled() {
    let program = Program { sites: &[(Does::Cache(4096, 500), None)], ..PLAIN };
    let states: Vec<SiteState> =
        (0..40).map(|seed| named(&program.judged(seed), 0).expect("the cache").state).collect();
    let count = |state| states.iter().filter(|s| **s == state).count();
    assert!(count(SiteState::Grows) <= 2 && count(SiteState::Settled) >= 20, "{states:?}");
}

#[test]
fn growth_beyond_the_sites_is_told() {
    let mut record = Program { sites: &[(Does::Keep(1000), None)], ..PLAIN }.run(3);
    for sample in &mut record.samples {
        sample.anon = sample.requests.map(|requests| (50 << 20) + 4096 * requests);
    }
    let found = crate::verdict::judge(&record).call_sites.expect("sites");
    assert!((found.unexplained.expect("growth of memory is known") - 3096.0).abs() < 400.0, "{found:?}");
}

#[test]
fn a_soak_that_ends_early_still_names_the_site() {
    let sites = [(Does::Keep(4096), None)];
    let mut record = Program { sites: &sites, raised: &[12.0, 13.0], ..PLAIN }.run(5);
    // Five looks of each worker in the soak, with two raises between: two intervals are left.
    record.heap.looks.retain(|look| look.t < 15.0);
    let found = judge(&record).expect("sites");
    assert!((found.span / (2.0 * 10.0) - 2.0).abs() < 1.0, "{}", found.span);
    let site = &found.sites[0];
    assert!((site.growth.lower..=site.growth.upper).contains(&4096.0), "{site:?}");
}

#[test]
fn too_little_says_nothing() {
    assert_eq!(judge(&leaking()), None);
    let run = || Program { sites: &[(Does::Keep(4096), None)], ..PLAIN }.run(1);
    let mut record = run();
    record.heap.looks.retain(|look| look.t < WARM_UP + 1.5);
    assert_eq!(judge(&record), None);
    let told = crate::verdict::judge(&record).notes;
    assert!(told.contains(&Note::SeldomLooked), "{told:?}");
    // Numbers and stacks that don't exist, as a damaged file may have them.
    let mut record = run();
    record.heap.stacks.clear();
    record.heap.looks[3].went = vec![u32::MAX, 7];
    assert!(judge(&record).is_some());
}

/// What is said of the steps that sites go with, over many runs.
#[derive(Debug, Default)]
struct Named {
    /// Just the steps that it is.
    exactly: u64,
    /// Others too.
    among: u64,
    /// Without one that it is.
    wrong: u64,
    /// Growth by requests of the named steps that lies within its interval, and bounds on the others' that hold.
    held: u64,
    bounded: u64,
}

/// `rates` is what each of the first sites keeps of a request of each step.
fn steps_named(what: &str, program: &Program, rates: &[[f64; 3]], seeds: Range<u64>) -> Named {
    let mut named_steps = Named::default();
    for seed in seeds {
        let found = program.judged(seed);
        for (site, rates) in rates.iter().enumerate() {
            let Some(step) = named(&found, site).and_then(|site| site.step.as_ref()) else { continue };
            let chosen = |k: &usize| step.steps.contains(&format!("step_{k}"));
            let leaks = |k: &usize| rates[*k] >= 0.99 * rates.iter().copied().fold(0.0, f64::max);
            let average = |steps: &dyn Fn(&usize) -> bool| {
                let sum = |of: &dyn Fn(usize) -> f64| (0..3).filter(steps).map(of).sum::<f64>();
                sum(&|k| rates[k] * program.steps[k]) / sum(&|k| program.steps[k])
            };
            if (0..3).any(|k| leaks(&k) && !chosen(&k)) {
                named_steps.wrong += 1;
            } else if (0..3).any(|k| !leaks(&k) && chosen(&k)) {
                named_steps.among += 1;
            } else {
                named_steps.exactly += 1;
            }
            // Mixes vary, so that an average over several steps is known to some percent only.
            let rate = average(&chosen);
            named_steps.held += u64::from(step.growth.lower <= 1.02 * rate && 0.98 * rate <= step.growth.upper);
            named_steps.bounded += u64::from(step.others >= 0.98 * average(&|k| !chosen(k)));
        }
    }
    let told = named_steps.exactly + named_steps.among + named_steps.wrong;
    eprintln!("{what}: {told} told, {named_steps:?}");
    // Intervals hold with 98 %, all of a site together.
    assert!(named_steps.wrong as f64 <= 0.02 * told as f64, "{what}: {named_steps:?}");
    assert!(is_enough(named_steps.held, told) && is_enough(named_steps.bounded, told), "{what}: {named_steps:?}");
    named_steps
}

#[test]
fn the_step_that_a_site_grows_with_is_named() {
    let sites = [
        (Does::Keep(4096), Some(0)),
        (Does::Keep(8192), Some(2)),
        (Does::Keep(1000), None),
        (Does::Cache(2000, 300), Some(1)),
        (Does::Crowd(20_000, 40), Some(0)),
    ];
    let rates = [[4096.0, 0.0, 0.0], [0.0, 0.0, 8192.0], [1000.0; 3]];
    let seeds = runs(8);
    let sites_told = 2 * (seeds.end - seeds.start);
    for (what, by_worker, counted, raised) in [
        ("steps of each worker", true, true, &[][..]),
        ("steps of the pool", false, true, &[]),
        ("steps, mean raised", true, true, &[12.0, 13.0, 25.0]),
        ("steps, not counted", true, false, &[]),
    ] {
        let steps = &[0.6, 0.3, 0.1];
        let program = Program { sites: &sites, steps, by_worker, counted, load: |_| 40.0, raised };
        let named = steps_named(what, &program, &rates, seeds.clone());
        assert!(4 * named.exactly >= sites_told, "{what}: {named:?}");
    }
}

/// A run that leaks, of whose growth a site has touched this part first, one page in so many of which was sampled; beside it, this many
/// other pages come and go at each look.
fn touched(part: f64, one_in: u64, churn: u64) -> RunRecord {
    const PAGE: u64 = 4096;
    let mut run = leaking();
    let frame = |name: &str| Frame { function: Some(name.into()), ..Frame::default() };
    run.heap.stacks = ["keep", "borrow"].map(|name| CallStack { frames: vec![frame(name)] }).to_vec();
    let mut known: HashMap<WorkerId, (u64, u64, u32)> = HashMap::new();
    for sample in run.samples.iter().step_by(5) {
        let memory = sample.anon_and_swap().expect("memory");
        let (first, touched, blocks) = known.entry(sample.worker).or_insert((memory, 0, 0));
        let pages = (part * memory.saturating_sub(*first) as f64) as u64 / PAGE / one_in;
        let born = |stack| SampledBlock { stack: Some(stack), size: PAGE, live: None, born: sample.t };
        let went = (*blocks - u32::try_from(churn).expect("a few").min(*blocks)..*blocks).collect();
        let kept = pages.saturating_sub(*touched);
        *touched = pages;
        let came: Vec<SampledBlock> = (0..kept).map(|_| born(0)).chain((0..churn).map(|_| born(1))).collect();
        *blocks += came.len() as u32;
        let allocated = vec![(0, kept * one_in * PAGE), (1, churn * one_in * PAGE)];
        run.heap.looks.push(HeapLook {
            t: sample.t,
            worker: sample.worker,
            source: HeapSource::Pages,
            mean: PAGE * one_in,
            lost: HeapLost::default(),
            came,
            went,
            allocated,
        });
    }
    run
}

#[test]
fn who_touched_fresh_pages_is_blamed_only_if_that_explains_the_growth() {
    for one_in in [1, 3] {
        for (part, blamed) in [(0.0, false), (0.3, false), (0.7, true), (1.0, true), (1.7, true), (2.5, false)] {
            let verdict = crate::verdict::judge(&touched(part, one_in, 20));
            let sites = verdict.call_sites.expect("sites");
            let culprit = sites.culprit().map(|site| site.frame.function.clone().expect("a function"));
            assert_eq!(culprit, blamed.then(|| "keep".to_owned()), "{part} of it, one in {one_in}: {sites:?}");
            assert_eq!(sites.are_weak(), !blamed, "{part} of it, one in {one_in}");
            let explained = sites.total.estimate / sites.memory().expect("it grows");
            assert!((explained - part).abs() < 0.1, "{part} of it, one in {one_in}: {explained}");
            assert!(sites.churn.expect("churn") > sites.total.estimate, "{sites:?}");
        }
    }
}

#[test]
fn pages_that_stay_blame_nobody_where_memory_does_not_grow() {
    let mut run = touched(1.0, 1, 0);
    for sample in &mut run.samples {
        sample.anon = Some(50 << 20);
    }
    let sites = crate::verdict::judge(&run).call_sites.expect("sites");
    assert!(sites.sites.iter().all(|site| site.state == SiteState::Unproven), "{sites:?}");
}
