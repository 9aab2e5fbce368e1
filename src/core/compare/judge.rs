//! From pairs of runs to a comparison: each measure's difference, and one answer.
//!
//! A difference is a **regression** (or an improvement) if its whole interval is beyond the margin and the exact
//! sign-flip test agrees; **equivalent** if its interval lies within the margin; else **inconclusive**. Growth
//! of memory, of the target and of each service together, has half of the comparison's error probability, the other measures share the
//! other half.

use super::paired::{ALPHA, LEAST_PAIRS, alpha_at, half_width, interval, is_look, moments};
use super::{
    Answer, Comparison, ComparisonNote, Difference, Margin, Margins, Measure, Pair, ServiceMargins, SideEstimate, Sides,
};
use crate::answer::{Interval, Outcome};
use crate::model::Resource;
use crate::stats::{least_sign_flip, sign_flip};

/// Error probability of the interval of one side's mean, which no answer hangs on.
const SIDE_ALPHA: f64 = 0.01;

/// More pairs than this are no advice.
const MOST_MORE: usize = 200;

/// Judges what differs between the sides, in the target and in each of the `services` that have margins; `planned` is the number of pairs that
/// was meant to be run. Of fewer, only those at a look are judged: what pairs look like between two looks proves nothing.
pub fn compare(
    sides: &Sides,
    pairs: &[Pair],
    planned: usize,
    margins: &Margins,
    services: &ServiceMargins,
) -> Comparison {
    let margins = with_statuses(margins, pairs.iter().flat_map(|p| [&p.a, &p.b]));
    let judged: Vec<Part<'_>> = parts(&margins, services).filter(|part| is_known(part, pairs)).collect();
    let firsts = judged.iter().filter(|part| is_first(part.measure)).count();
    let others = judged.len() - firsts;
    let differences: Vec<Difference> = judged
        .iter()
        .map(|part| {
            let share = 0.5 / (if is_first(part.measure) { firsts } else { others }) as f64;
            let (here, whole) = (alpha_at(pairs.len(), planned, ALPHA * share), ALPHA * share);
            let level = SideLevel { here, whole, judged: pairs.len() >= planned || is_look(pairs.len(), planned) };
            difference(part, pairs, level)
        })
        .collect();
    let answer = answer(&differences);
    let notes = notes(pairs, planned, answer, &differences);
    Comparison { answer, sides: sides.clone(), differences, pairs: pairs.len(), planned, notes }
}

/// What is compared: a measure of the target or of a service.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub measure: Measure,
    pub service: Option<&'a str>,
    pub margin: &'a Margin,
}

/// All that has a margin: of the target first, then of each service.
pub(super) fn parts<'a>(margins: &'a Margins, services: &'a ServiceMargins) -> impl Iterator<Item = Part<'a>> {
    let services = services.iter().map(|(name, margins)| (Some(name.as_str()), margins));
    [(None, margins)].into_iter().chain(services).flat_map(|(service, margins)| {
        margins.iter().map(move |(measure, margin)| Part { measure: *measure, service, margin })
    })
}

/// The margins, with that of the error rate for each status that some run saw.
pub(super) fn with_statuses<'a>(margins: &Margins, runs: impl Iterator<Item = &'a super::RunSummary>) -> Margins {
    let mut all = margins.clone();
    if let Some(margin) = margins.get(&Measure::ErrorRate) {
        let seen = runs.flat_map(|r| r.measures.keys()).filter(|m| matches!(m, Measure::Status(_)));
        all.extend(seen.map(|m| (*m, *margin)));
    }
    all
}

/// Growth is always listed, known or not, because it has to be decided; the rest only if it was measured.
fn is_known(part: &Part<'_>, pairs: &[Pair]) -> bool {
    part.measure.is_gated() || pairs.iter().any(|pair| part.is_in(&pair.a) || part.is_in(&pair.b))
}

impl Part<'_> {
    /// Whether a run has it.
    pub(super) fn is_in(&self, run: &super::RunSummary) -> bool {
        run.part(self.service).is_some_and(|run| run.measures.contains_key(&self.measure))
    }
}

fn is_first(measure: Measure) -> bool {
    measure == Measure::Growth(Resource::Memory)
}

/// The worst of what has to be decided; a proven regression counts in any measure.
pub(super) fn answer(differences: &[Difference]) -> Answer {
    let gated = || differences.iter().filter(|d| d.measure.is_gated());
    let any = |wanted| differences.iter().any(|d| d.answer == wanted);
    if any(Answer::Regression) {
        Answer::Regression
    } else if gated().count() == 0 || gated().any(|d| d.answer == Answer::Inconclusive) {
        Answer::Inconclusive
    } else if any(Answer::Improvement) {
        Answer::Improvement
    } else {
        Answer::Equivalent
    }
}

/// The error probability of this look, that of all looks together, and whether it is one.
#[derive(Clone, Copy)]
struct SideLevel {
    here: f64,
    whole: f64,
    judged: bool,
}

fn difference(part: &Part<'_>, pairs: &[Pair], level: SideLevel) -> Difference {
    let Part { measure, service, margin } = *part;
    let of = |run: &super::RunSummary| {
        let run = run.part(service)?;
        match run.measures.get(&measure) {
            // A status that a run didn't answer with has a share of nothing, if the run answered at all.
            None if matches!(measure, Measure::Status(_)) && !run.statuses.is_empty() => Some(0.0),
            value => value.copied(),
        }
    };
    let values: Vec<Option<(f64, f64)>> = pairs.iter().map(|p| Some((of(&p.a)?, of(&p.b)?))).collect();
    let both: Vec<(f64, f64)> = values.iter().copied().flatten().collect();
    let a: Vec<f64> = both.iter().map(|v| v.0).collect();
    let b: Vec<f64> = both.iter().map(|v| v.1).collect();
    let d: Vec<f64> = both.iter().map(|v| v.1 - v.0).collect();
    let (a, b) = (side(&a), side(&b));
    let margin = margin.over(a.map_or(0.0, |a| a.mean));
    let p = sign_flip(&d);
    let difference = interval(&d, level.here);
    let answer = match (&difference, p) {
        // A pair in which one side couldn't be measured isn't left out silently: nothing is proven then.
        _ if d.len() < pairs.len() || !level.judged => Answer::Inconclusive,
        (Some(interval), Some(p)) if d.len() >= LEAST_PAIRS => decide(interval, p, d.len(), margin),
        _ => Answer::Inconclusive,
    };
    let more_pairs = (answer == Answer::Inconclusive && d.len() == pairs.len()).then(|| more(&d, margin, level.whole));
    let (service, more_pairs) = (service.map(str::to_owned), more_pairs.flatten());
    Difference { measure, service, answer, a, b, difference, p, margin, pairs: values, more_pairs }
}

fn side(values: &[f64]) -> Option<SideEstimate> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    mean.is_finite().then(|| SideEstimate { mean, interval: interval(values, SIDE_ALPHA) })
}

/// What an interval over `n` pairs says. Below eight pairs the exact test can't reach 1 %; then it has to be as low as it
/// can be, which is that all pairs point the same way.
pub(super) fn decide(interval: &Interval, p: f64, n: usize, margin: f64) -> Answer {
    let agrees = p <= ALPHA.max(least_sign_flip(n)) * (1.0 + 1e-9);
    if -margin < interval.lower && interval.upper < margin {
        Answer::Equivalent
    } else if agrees && interval.lower > margin {
        Answer::Regression
    } else if agrees && interval.upper < -margin {
        Answer::Improvement
    } else {
        Answer::Inconclusive
    }
}

/// How many more pairs would settle a difference, if its mean and spread are what they seem: the interval has to come
/// clear of the margin, on the side on which the mean is.
fn more(d: &[f64], margin: f64, alpha: f64) -> Option<usize> {
    let (mean, deviation) = moments(d)?;
    let room = (mean.abs() - margin).abs();
    let enough = |n: usize| {
        let tested = mean.abs() <= margin || least_sign_flip(n) <= ALPHA;
        n >= LEAST_PAIRS && tested && half_width(deviation, n, alpha) < room
    };
    (1..=MOST_MORE).find(|more| enough(d.len() + more))
}

fn notes(pairs: &[Pair], planned: usize, answer: Answer, differences: &[Difference]) -> Vec<ComparisonNote> {
    let mut notes = Vec::new();
    let n = pairs.len();
    if n < planned && answer != Answer::Inconclusive {
        notes.push(ComparisonNote::Early { pairs: n, planned });
    }
    if n > 0 && !can_tell(n) {
        notes.push(ComparisonNote::FewPairs { enough: enough_pairs(), differ: answer != Answer::Equivalent });
    }
    for b in [false, true] {
        let leaks = |pair: &&Pair| (if b { &pair.b } else { &pair.a }).outcome == Outcome::Leak;
        let leaks = pairs.iter().filter(leaks).count();
        if leaks > 0 {
            notes.push(ComparisonNote::LeaksAlone { b, leaks, runs: n });
        }
    }
    for difference in differences {
        let missing = difference.pairs.iter().filter(|p| p.is_none()).count();
        if missing > 0 {
            let (measure, service) = (difference.measure, difference.service.clone());
            notes.push(ComparisonNote::Unmeasured { measure, service, missing, pairs: n });
        }
    }
    notes
}

/// The fewest pairs of which the exact test can be sure.
fn enough_pairs() -> usize {
    (1..).find(|n| can_tell(*n)).unwrap_or(usize::MAX)
}

/// Whether the exact test can be sure of a difference, whatever it finds.
pub fn can_tell(pairs: usize) -> bool {
    least_sign_flip(pairs) <= ALPHA
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{ExitCode, Quantile};
    use crate::fixture::pairs::{MEMORY, margins, pairs, sides};
    use crate::words;
    use proptest::prelude::*;

    fn judged(values: &[(f64, f64)], planned: usize) -> Comparison {
        let only = margins().into_iter().filter(|(m, _)| *m == MEMORY).collect();
        compare(&sides(), &pairs(MEMORY, values), planned, &only, &ServiceMargins::new())
    }

    fn said(found: &Comparison) -> String {
        words::comparison::headline("shop", found).to_string()
    }

    const LEAK: [(f64, f64); 8] = [
        (5.0, 4180.0),
        (-3.0, 4230.0),
        (8.0, 4150.0),
        (2.0, 4210.0),
        (0.0, 4190.0),
        (6.0, 4205.0),
        (-1.0, 4175.0),
        (4.0, 4220.0),
    ];

    #[test]
    fn a_leak_is_a_regression_at_the_first_look() {
        for n in [4, 6, 8] {
            let found = judged(&LEAK[..n], 8);
            assert_eq!((found.answer, found.exit()), (Answer::Regression, ExitCode::Worse), "{n}: {found:#?}");
        }
        let found = judged(&LEAK, 8);
        let first = "shop is WORSE with upload_module than without it: each request leaves 4.0";
        assert!(said(&found).starts_with(first), "{}", said(&found));
        assert!((found.differences[0].difference.unwrap().confidence - 0.996).abs() < 0.002);
    }

    #[test]
    fn the_other_way_round_it_is_an_improvement() {
        let turned: Vec<(f64, f64)> = LEAK.iter().map(|(a, b)| (*b, *a)).collect();
        let found = judged(&turned, 8);
        assert_eq!((found.answer, found.exit()), (Answer::Improvement, ExitCode::Clean), "{}", said(&found));
    }

    #[test]
    fn the_same_on_both_sides_is_equivalent() {
        let same = [(5.0, 7.0), (9.0, 4.0), (6.0, 6.5), (4.0, 8.0), (7.0, 3.0), (5.5, 6.0), (8.0, 7.0), (4.0, 5.0)];
        let found = judged(&same, 8);
        assert_eq!((found.answer, found.exit()), (Answer::Equivalent, ExitCode::Clean), "{}", said(&found));
    }

    #[test]
    fn noise_is_inconclusive_and_says_how_many_more() {
        let noisy = [
            (0.0, 90.0),
            (50.0, -40.0),
            (-80.0, 30.0),
            (20.0, 10.0),
            (70.0, -60.0),
            (0.0, 55.0),
            (10.0, 0.0),
            (-30.0, 44.0),
        ];
        let found = judged(&noisy, 8);
        assert_eq!((found.answer, found.exit()), (Answer::Inconclusive, ExitCode::Inconclusive));
        let more = found.differences[0].more_pairs.unwrap();
        assert!((5..80).contains(&more), "{more}");
        let first = words::comparison::headline("shop", &found);
        assert_eq!(first.more, [format!("To settle it: about {more} more pairs of runs.")]);
    }

    #[test]
    fn one_outlier_in_eight_pairs_does_not_make_a_regression() {
        let mut values = [(0.0, 100.0); 8];
        values[3] = (0.0, -20.0);
        assert_eq!(judged(&values, 8).answer, Answer::Inconclusive);
    }

    #[test]
    fn between_two_looks_nothing_is_proven() {
        let found = judged(&LEAK[..5], 8);
        assert_eq!((found.answer, found.exit()), (Answer::Inconclusive, ExitCode::Inconclusive));
        assert!(found.differences.iter().all(|d| d.answer == Answer::Inconclusive), "{found:#?}");
        assert!(found.is_unfinished() && !judged(&LEAK[..4], 8).is_unfinished());
        let first = words::comparison::headline("shop", &found);
        let ran =
            "shop is INCONCLUSIVE: 5 of 8 planned pairs of runs came to their end, which is too few for an answer";
        assert_eq!(first.to_string(), ran);
        assert!(first.more[0].starts_with("So far, each request leaves 4.0"), "{:?}", first.more);
        assert!(judged(&LEAK[..4], 8).notes.contains(&ComparisonNote::Early { pairs: 4, planned: 8 }));
    }

    #[test]
    fn too_few_pairs_prove_nothing() {
        assert_eq!(judged(&LEAK[..2], 2).answer, Answer::Inconclusive);
        assert_eq!(judged(&[], 8).answer, Answer::Inconclusive);
    }

    #[test]
    fn what_was_not_measured_in_every_pair_is_not_decided() {
        let mut pairs = pairs(MEMORY, &LEAK);
        pairs[2].b.measures.clear();
        let found = compare(&sides(), &pairs, 8, &margins(), &ServiceMargins::new());
        assert_eq!(found.answer, Answer::Inconclusive);
        let unmeasured = ComparisonNote::Unmeasured { measure: MEMORY, service: None, missing: 1, pairs: 8 };
        assert!(found.notes.contains(&unmeasured), "{:?}", found.notes);
    }

    #[test]
    fn a_service_is_compared_as_the_target_is() {
        let in_service = |values: &[(f64, f64)]| {
            let mut all = pairs(MEMORY, &[(5.0, 7.0); 8]);
            for (pair, one) in all.iter_mut().zip(pairs(MEMORY, values)) {
                pair.a.services.insert("php".into(), one.a);
                pair.b.services.insert("php".into(), one.b);
            }
            all
        };
        let only: Margins = margins().into_iter().filter(|(m, _)| *m == MEMORY).collect();
        let services = ServiceMargins::from([("php".to_owned(), only.clone())]);
        let judged = |pairs: &[Pair]| compare(&sides(), pairs, 8, &only, &services);
        let found = judged(&in_service(&LEAK));
        assert_eq!(found.answer, Answer::Regression, "{found:#?}");
        let first = "shop is WORSE with upload_module than without it: in its service `php`, each request leaves 4.0";
        assert!(said(&found).starts_with(first), "{}", said(&found));
        assert!(found.difference(MEMORY).is_some_and(|target| target.answer == Answer::Equivalent));
        assert_eq!(judged(&in_service(&[(5.0, 7.0); 8])).answer, Answer::Equivalent);
        // What wasn't measured isn't the same.
        let mut missing = in_service(&[(5.0, 7.0); 8]);
        missing[3].b.services.clear();
        let found = judged(&missing);
        assert_eq!(found.answer, Answer::Inconclusive);
        let service = Some("php".to_owned());
        assert!(found.notes.contains(&ComparisonNote::Unmeasured { measure: MEMORY, service, missing: 1, pairs: 8 }));
    }

    #[test]
    fn slowness_is_a_regression_and_no_leak() {
        let p95 = Measure::Latency(Quantile::P95);
        let mut pairs = pairs(MEMORY, &[(5.0, 7.0); 8]);
        for (i, pair) in pairs.iter_mut().enumerate() {
            pair.a.measures.insert(p95, 0.002 + 1e-5 * i as f64);
            pair.b.measures.insert(p95, 0.052 - 1e-5 * i as f64);
        }
        let only = margins().into_iter().filter(|(m, _)| *m == MEMORY || *m == p95).collect();
        let found = compare(&sides(), &pairs, 8, &only, &ServiceMargins::new());
        assert_eq!(found.answer, Answer::Regression);
        let first = words::comparison::headline("shop", &found);
        assert!(first.rest.contains(": latency p95 rises by 49.9 ms, from 2.03 ms to 52 ms"), "{first}");
        assert_eq!(first.more, ["Memory growth differs by at most 2 B a request (allowed: 64 B)."]);
    }

    proptest! {
        #[test]
        fn no_numbers_make_it_panic_and_sides_can_be_swapped(values in prop::collection::vec((-1e4..1e4f64, -1e4..1e4f64), 0..12), planned in 0usize..12) {
            let there = judged(&values, planned);
            let turned: Vec<(f64, f64)> = values.iter().map(|(a, b)| (*b, *a)).collect();
            let back = judged(&turned, planned);
            let mirrored = match there.answer {
                Answer::Regression => Answer::Improvement,
                Answer::Improvement => Answer::Regression,
                other => other,
            };
            prop_assert_eq!(back.answer, mirrored);
        }
    }
}
