//! Is the verdict right? Simulated series and runs with known truth, from seeds.

#[allow(dead_code, reason = "the whole table is made by the example")]
mod calibration;
mod early;
mod families;
mod hourly;
mod modes;
mod planning;
mod properties;
mod recorded;
mod steps;

use families::{BUDGET, FAMILIES, PAGE, Source, Truth};
use modes::{Mode, Shape, run};
use seepage::answer::{LeakClass, Outcome, Verdict};
use seepage::model::{Axis, Resource, Thinner};
use seepage::rule::find;
use seepage::verdict::judge;
use seepage::words;

/// Cases of each family: few, so that the test is quick in a debug build. `examples/accuracy.rs` makes the whole table.
const CASES: u64 = 2;

/// Why a verdict is what it is, resource by resource.
fn reasons(verdict: &Verdict) -> String {
    let each = verdict.findings.iter().map(|finding| format!("{}: {}", finding.resource, words::reason(finding)));
    each.collect::<Vec<_>>().join("; ")
}

#[test]
fn labelled_families_are_told_apart() {
    let (mut clean, mut right_clean, mut leaks, mut right_leaks) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    for family in FAMILIES {
        for case in 0..CASES {
            let series = (family.make)(&mut Source::new(42, family.name, case));
            let finding = find(Resource::Memory, Axis::WorkerRequests, &series, BUDGET, PAGE);
            let answer = finding.outcome;
            match family.truth {
                Truth::Clean | Truth::Tolerated => {
                    clean += 1;
                    right_clean += u64::from(answer == Outcome::Clean);
                }
                Truth::Leak => {
                    leaks += 1;
                    right_leaks += u64::from(answer == Outcome::Leak);
                }
                Truth::Edge | Truth::Growing | Truth::Hard | Truth::Buried => {}
            }
            let false_leak = answer == Outcome::Leak && family.truth.is_no_leak();
            let false_clean = answer == Outcome::Clean && family.truth.is_not_clean();
            if false_leak || false_clean {
                wrong.push(format!("{}, case {case}: {answer}, {}", family.name, words::reason(&finding)));
            }
        }
    }
    // One false leak in a hundred would be one or two here. Of jumps at random, one run in two hundred is called clean, as its jumps
    // happened to end; no other false "clean" is tolerated.
    let by_chance = |wrong: &String| wrong.contains(": leak") || wrong.starts_with("jumps at random");
    assert!(wrong.len() <= 2 && wrong.iter().all(by_chance), "{}", wrong.join("\n"));
    assert!(right_leaks * 100 >= leaks * 85, "{right_leaks} of {leaks} leaks were proven");
    assert!(right_clean * 100 >= clean * 85, "{right_clean} of {clean} clean series were proven clean");
}

/// Caches that fill in a straight line past the first look are leaks by all that can be known then.
const FILL_PAST_A_LOOK: [&str; 3] = ["cache full at .5", "cache full at .7", "cache full at .9"];

#[test]
fn a_run_that_may_end_early_is_no_more_often_wrong() {
    let mut wrong = Vec::new();
    // A third of them, for the time that a debug build takes; the example does all.
    for family in FAMILIES.iter().filter(|f| !FILL_PAST_A_LOOK.contains(&f.name)).step_by(3) {
        let series = (family.make)(&mut Source::new(4343, family.name, 0));
        let (answer, share) = early::end(&series, true);
        let false_leak = answer == Outcome::Leak && family.truth.is_no_leak();
        let false_clean = answer == Outcome::Clean && family.truth.is_not_clean();
        if false_leak || false_clean {
            wrong.push(format!("{}: {answer} at {share}", family.name));
        }
    }
    // One leak in a hundred.
    assert!(wrong.len() <= 1 && !wrong.iter().any(|w| w.contains(": clean")), "{}", wrong.join("\n"));
    // Half of them by half of the run; of recycled workers, each of which has its own warm-up, a quarter.
    for (name, least) in [("linear, 4 x", 8), ("recycled pool and 4 x", 4)] {
        let family = FAMILIES.iter().find(|f| f.name == name).expect("a family");
        let ends = (0..16).map(|case| early::end(&(family.make)(&mut Source::new(4343, family.name, case)), true));
        let by_half = ends.filter(|(answer, share)| *answer == Outcome::Leak && *share < 0.5).count();
        assert!(by_half >= least, "{name}: {by_half} of 16 were proven by half of the run");
    }
}

#[test]
fn without_a_warm_up_a_cache_may_fill_for_most_of_the_run() {
    for name in &FILL_PAST_A_LOOK[..2] {
        let family = FAMILIES.iter().find(|f| f.name == *name).expect("a family");
        for case in 0..3 {
            let series = (family.make)(&mut Source::new(4343, family.name, case));
            let (answer, share) = early::end(&series, false);
            assert_ne!(answer, Outcome::Leak, "{name} at {share}");
        }
    }
}

/// A cache that was full only just before the end is none of those shapes that the dictionary of models has.
#[test]
fn what_stopped_growing_just_before_the_end_is_no_leak() {
    let family = FAMILIES.iter().find(|f| f.name == "cache full at .9").expect("a family");
    let leaks = (0..8).filter(|case| {
        let series = (family.make)(&mut Source::new(4343, family.name, *case));
        find(Resource::Memory, Axis::WorkerRequests, &series, BUDGET, PAGE).outcome == Outcome::Leak
    });
    assert_eq!(leaks.count(), 0);
}

#[test]
fn a_watch_without_an_end_waits_until_its_answer_holds() {
    let family = |name: &str| FAMILIES.iter().find(|f| f.name == name).expect("a family");
    for (name, expected) in [
        ("plateau, T .03", Outcome::Clean),
        ("pool reloaded at once", Outcome::Clean),
        ("recycled pool", Outcome::Clean),
        ("linear, 4 x", Outcome::Leak),
    ] {
        let series = (family(name).make)(&mut Source::new(77, name, 0));
        let (answer, share) = early::open_end(&series);
        assert_eq!(answer, expected, "{name} at {share}");
        assert!(share > 0.08, "{name} at {share}");
    }
}

#[test]
fn the_ten_modes_of_a_faulty_apache_module_are_told_apart() {
    let shapes = [
        Shape { workers: 6, requests: 2500, readings: 300, recycle: None },
        Shape { workers: 8, requests: 4000, readings: 400, recycle: None },
    ];
    let mut wrong = Vec::new();
    for mode in Mode::ALL {
        for (seed, shape) in (0..2).zip(shapes) {
            let verdict = judge(&run(mode, shape, seed));
            let (exit, classes) = mode.expected();
            let class = verdict.findings[0].class;
            if verdict.exit != exit || !classes.contains(&class) {
                wrong.push(format!("{mode:?}, seed {seed}: {class:?}, {}", reasons(&verdict)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Readings that were thinned to a fourth or less stand for all: the same answer at about the same rate.
#[test]
fn thinned_readings_are_judged_alike() {
    let shape = Shape { workers: 4, requests: 4000, readings: 4000, recycle: None };
    let mut wrong = Vec::new();
    for mode in Mode::ALL {
        for seed in 0..2 {
            let whole = run(mode, shape, seed);
            let mut few = whole.clone();
            let mut thinner = Thinner::new(whole.samples.len() / 4);
            few.samples.clear();
            whole.samples.iter().for_each(|sample| thinner.push(&mut few.samples, sample.clone()));
            thinner.finish(&mut few.samples, "the workers");
            assert!(few.samples.len() <= whole.samples.len() / 4 + 4);
            let (whole, few) = (judge(&whole), judge(&few));
            let growth = |verdict: &Verdict| verdict.findings[0].growth.map_or(f64::NAN, |g| g.estimate);
            let (before, after) = (growth(&whole), growth(&few));
            let moved = (after - before).abs() > f64::max(BUDGET / 4.0, 0.05 * before.abs());
            if whole.exit != few.exit || whole.findings[0].class != few.findings[0].class || moved {
                wrong.push(format!("{mode:?}, seed {seed}: {}; thinned: {}", reasons(&whole), reasons(&few)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_recycled_pool_cannot_hide_a_leak() {
    let shape = Shape { workers: 6, requests: 2500, readings: 300, recycle: Some(350) };
    let leaking = judge(&run(Mode::Malloc, shape, 1));
    assert_eq!(leaking.findings[0].outcome, Outcome::Leak, "{}", reasons(&leaking));
    let healthy = judge(&run(Mode::None, shape, 1));
    assert_ne!(healthy.findings[0].outcome, Outcome::Leak, "{}", reasons(&healthy));
    assert_ne!(healthy.findings[0].class, LeakClass::Leak);
}
