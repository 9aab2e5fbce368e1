//! In which places of the memory map a growth that is shown lies: readings of the map that are far apart, held against each other.
//!
//! Places are told apart by kind and name. Where names are too many to be listed, and where anonymous mappings pass from one
//! size class to the next as they grow and merge, the kind alone is told.

pub(crate) mod held;

use crate::answer::{Finding, Outcome, PlaceGrowth, Places};
use crate::model::{MapReading, Place, PlaceKind, Resource, RunRecord, Series, WorkerId};
use crate::stats::median;
use crate::thresholds::scale::QUARTER;
use std::collections::{BTreeMap, HashMap};

/// Readings are far apart if this part of the judged time lies between them.
const FAR: f64 = 0.5;

/// What has less of its growth than this in the second half of the time has stopped.
const LATE: f64 = 0.1;

/// Names of a kind that are told one by one; of more, how many they are.
const NAMES: usize = 4;

/// Places that are told.
const TOLD: usize = 12;

/// A class of sizes that has this part of the growth of anonymous mappings has it all.
const NEARLY_ALL: f64 = 0.9;

/// The readings of one worker that are held against each other.
pub struct Pair<'a, R> {
    pub first: &'a R,
    pub middle: Option<&'a R>,
    pub last: &'a R,
}

/// What was held at the first, the middle and the last reading, and in how many mappings at the first and the last; over all
/// workers.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    bytes: [f64; 3],
    mappings: [f64; 2],
}

impl Sums {
    fn grown(&self) -> f64 {
        self.bytes[2] - self.bytes[0]
    }
}

/// Where the growth of a finding lies, whose judged `series` these are; `None` if no growth is shown, or it isn't known.
pub fn places(record: &RunRecord, finding: &Finding, series: &[Series]) -> Option<Places> {
    let of: fn(&Place) -> u64 = match finding.resource {
        Resource::Memory => |place| place.own,
        Resource::Shared => |place| place.shared,
        _ => return None,
    };
    let whole = |map: &MapReading| if finding.resource == Resource::Memory { map.memory } else { map.shared };
    if !is_shown(finding) {
        return None;
    }
    let growing: Vec<WorkerId> = growing(finding);
    let judged = series.iter().filter(|one| one.worker.is_some_and(|worker| growing.contains(&worker)));
    let mut maps: HashMap<WorkerId, Vec<&MapReading>> = HashMap::new();
    for map in &record.maps {
        maps.entry(map.worker).or_default().push(map);
    }
    let mut pairs = Vec::new();
    let mut withheld = 0;
    for one in judged {
        let Some(maps) = one.worker.and_then(|worker| maps.get(&worker)) else { continue };
        let (read, not): (Vec<&MapReading>, Vec<&MapReading>) = maps.iter().partition(|map| map.places.is_some());
        withheld += usize::from(!not.is_empty());
        pairs.extend(pair(one, &read, |map| map.t));
    }
    let grown = |pair: &Pair<'_, MapReading>| Some(whole(pair.last)? as f64 - whole(pair.first)? as f64);
    let grown: Option<f64> = pairs.iter().map(grown).sum();
    let Some(grown) = grown.filter(|grown| *grown > 0.0) else {
        return (withheld > 0).then(|| Places { withheld, ..Places::default() });
    };
    let apart: Vec<f64> = pairs.iter().map(|pair| pair.last.t - pair.first.t).collect();
    let mut places = by_place(&pairs, of);
    places.truncate(TOLD);
    let told: f64 = places.iter().map(|place| place.grown).sum();
    let seconds = median(&apart).unwrap_or_default();
    Some(Places { workers: pairs.len(), withheld, seconds, grown, rest: grown - told, places })
}

/// Whether what was so much at the first, the middle and the last reading still grew in the second half.
pub fn goes_on([first, middle, last]: [f64; 3]) -> bool {
    last > middle && last - middle >= LATE * (last - first)
}

/// Whether growth is shown: a leak, or what may be one and grows beyond doubt.
pub fn is_shown(finding: &Finding) -> bool {
    let grows = finding.growth.is_some_and(|growth| growth.lower > 0.0);
    finding.outcome == Outcome::Leak || finding.outcome == Outcome::Inconclusive && grows
}

/// Those that leak, or, where it isn't proven of any, all that were judged.
pub fn growing(finding: &Finding) -> Vec<WorkerId> {
    let those = |leaks: bool| finding.workers.iter().filter(move |w| w.growth.is_some() && w.leaks >= leaks);
    let leaking: Vec<WorkerId> = those(true).filter_map(|w| w.worker).collect();
    if leaking.is_empty() { those(false).filter_map(|w| w.worker).collect() } else { leaking }
}

/// The first and the last of a worker's readings within the judged part of its series, if they are far apart, and the one that is next to
/// the middle, if it is nearer to that than to either.
pub fn pair<'a, R>(series: &Series, readings: &[&'a R], time: impl Fn(&R) -> f64) -> Option<Pair<'a, R>> {
    let (from, to) = (*series.t.get(series.judged_from())?, *series.t.last()?);
    let within: Vec<&R> = readings.iter().copied().filter(|one| time(one) >= from && time(one) <= to).collect();
    let (first, last) = (*within.first()?, *within.last()?);
    let (begin, end) = (time(first), time(last));
    let from_middle = |one: &&&R| (time(one) - (begin + end) / 2.0).abs();
    let between = within.get(1..within.len() - 1).unwrap_or_default();
    let middle = between.iter().min_by(|a, b| from_middle(a).total_cmp(&from_middle(b))).copied();
    // One next to an end says nothing of whether growth goes on.
    let middle = middle.filter(|one| from_middle(&one) <= QUARTER.get() * (end - begin));
    (end - begin >= FAR * (to - from) && end > begin).then_some(Pair { first, middle, last })
}

type Name<'a> = Option<&'a str>;

/// What each place grew by over all workers, the largest first; what stayed as it was is left out.
fn by_place(pairs: &[Pair<'_, MapReading>], of: fn(&Place) -> u64) -> Vec<PlaceGrowth> {
    let mut kinds: BTreeMap<PlaceKind, BTreeMap<Name<'_>, Sums>> = BTreeMap::new();
    let mut classes: BTreeMap<Option<u64>, Sums> = BTreeMap::new();
    let is_whole = pairs.iter().all(|pair| pair.middle.is_some());
    for pair in pairs {
        for (at, map) in [Some(pair.first), pair.middle, Some(pair.last)].into_iter().enumerate() {
            for place in map.and_then(|map| map.places.as_ref()).into_iter().flatten() {
                let enter = |held: &mut Sums| {
                    held.bytes[at] += of(place) as f64;
                    if at != 1 {
                        held.mappings[at / 2] += place.mappings as f64;
                    }
                };
                enter(kinds.entry(place.kind).or_default().entry(place.name.as_deref()).or_default());
                if place.kind == PlaceKind::Anonymous {
                    enter(classes.entry(place.up_to).or_default());
                }
            }
        }
    }
    let mut out: Vec<PlaceGrowth> = kinds.iter().flat_map(|(kind, names)| of_kind(*kind, names, is_whole)).collect();
    for place in out.iter_mut().filter(|place| place.kind == PlaceKind::Anonymous) {
        place.class = class(&classes, is_whole);
    }
    out.retain(|place| place.grown != 0.0);
    out.sort_by(|a, b| b.grown.total_cmp(&a.grown));
    out
}

/// The growth of one kind: name by name, or in one sum if there are many names, or not all of them were listed.
fn of_kind(kind: PlaceKind, names: &BTreeMap<Name<'_>, Sums>, is_whole: bool) -> Vec<PlaceGrowth> {
    let growth = |name: Name<'_>, names: usize, held: &Sums| PlaceGrowth {
        kind,
        name: name.map(str::to_owned),
        names,
        class: None,
        grown: held.grown(),
        mappings: held.mappings[1] - held.mappings[0],
        goes_on: is_whole.then(|| goes_on(held.bytes)),
    };
    let moved = names.iter().filter(|(_, held)| held.grown() != 0.0).count();
    if moved <= NAMES && (names.len() == 1 || !names.contains_key(&None)) {
        return names.iter().map(|(name, held)| growth(*name, usize::from(name.is_some()), held)).collect();
    }
    let mut sum = Sums::default();
    for held in names.values() {
        (0..3).for_each(|at| sum.bytes[at] += held.bytes[at]);
        (0..2).for_each(|at| sum.mappings[at] += held.mappings[at]);
    }
    let largest = names.iter().filter(|(name, _)| name.is_some()).max_by(|a, b| a.1.grown().total_cmp(&b.1.grown()));
    let listed = if names.contains_key(&None) { 0 } else { moved };
    vec![growth(largest.and_then(|(name, _)| *name), listed, &sum)]
}

/// The class of sizes that anonymous mappings grew in, if it is one: in both halves, where there is a reading between. Mappings that lie
/// side by side are one to the kernel, and tell nothing of what they are made of: there have to be more of them.
fn class(classes: &BTreeMap<Option<u64>, Sums>, is_whole: bool) -> Option<(u64, u64)> {
    let steps: &[(usize, usize)] = if is_whole { &[(0, 1), (1, 2)] } else { &[(0, 2)] };
    let has_all = |held: &Sums| {
        steps.iter().all(|(from, to)| {
            let moved = |held: &Sums| (held.bytes[*to] - held.bytes[*from]).abs();
            moved(held) >= NEARLY_ALL * classes.values().map(moved).sum::<f64>()
        })
    };
    let (most, held) = classes.iter().find(|(_, held)| held.grown() > 0.0 && has_all(held))?;
    let most = most.filter(|most| (held.mappings[1] - held.mappings[0]) * *most as f64 >= held.grown())?;
    Some((classes.keys().flatten().copied().filter(|size| *size < most).max().unwrap_or(0), most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{clean, leaking, worker};
    use crate::verdict::judge;

    const MIB: u64 = 1 << 20;

    fn place(kind: PlaceKind, name: Option<&str>, own: u64) -> Place {
        Place { kind, name: name.map(str::to_owned), up_to: None, mappings: 1, own, shared: 0, huge: 0 }
    }

    /// A run that leaks a page for each request in each of two workers, of whose maps this is read at these moments.
    fn mapped(times: &[f64], places: impl Fn(u64) -> Vec<Place>) -> RunRecord {
        let mut run = leaking();
        for t in times {
            for pid in [1, 2] {
                let sample = run.samples.iter().rfind(|s| s.worker == worker(pid) && s.t <= *t).unwrap();
                let grown = sample.anon_and_swap().unwrap() - 50 * MIB;
                run.maps.push(MapReading::after(sample, Some(places(grown))));
            }
        }
        run
    }

    fn found(run: &RunRecord) -> Places {
        judge(run).findings[0].places.clone().expect("places")
    }

    fn told(run: &RunRecord) -> String {
        crate::words::places::sentence(&judge(run).findings[0]).expect("a sentence")
    }

    const TIMES: [f64; 4] = [5.0, 12.0, 55.0, 109.0];

    #[test]
    fn the_place_that_grows_is_named_with_its_share_and_pace() {
        let run = mapped(&TIMES, |grown| {
            let (heap, arena) = (place(PlaceKind::Heap, None, 50 * MIB + grown * 3 / 4), grown / 4);
            vec![heap, place(PlaceKind::Arena, None, arena), place(PlaceKind::File, Some("/lib/a"), MIB)]
        });
        let places = found(&run);
        assert_eq!((places.workers, places.seconds, places.places.len()), (2, 97.0, 2), "{places:?}");
        assert!((places.share(&places.places[0]) - 0.75).abs() < 0.01 && places.rest.abs() < 8192.0, "{places:?}");
        assert!(places.places.iter().all(|place| place.goes_on == Some(true)), "{places:?}");
        let words = "memory grows in [heap] (75 % of the growth: +3 KiB/request), 25 % in malloc's arenas of threads, as the memory map shows over 97 s";
        assert_eq!(told(&run), words);
        assert!(judge(&clean()).findings.iter().all(|finding| finding.places.is_none()));
    }

    #[test]
    fn what_no_place_explains_is_told() {
        let run = mapped(&TIMES, |grown| vec![place(PlaceKind::Heap, None, 50 * MIB + grown / 2)]);
        assert!(told(&run).contains("50 % in no mapping that is told apart"), "{}", told(&run));
        let run = mapped(&TIMES, |_| vec![place(PlaceKind::Heap, None, 50 * MIB)]);
        assert!(told(&run).starts_with("in which mappings memory grows isn't known"), "{}", told(&run));
    }

    #[test]
    fn shares_add_up_to_all_of_the_growth() {
        let kinds =
            [PlaceKind::Heap, PlaceKind::Arena, PlaceKind::GoHeap, PlaceKind::Anonymous, PlaceKind::ThreadStack];
        let percents = |words: &str| -> Vec<f64> {
            words.split(" %").filter_map(|before| before.rsplit([' ', '(']).next()?.parse().ok()).collect()
        };
        for shares in [[40, 30, 10, 10, 10], [60, 30, 20, 10, -20], [50, 20, 10, 0, 0], [100, 90, 60, -70, -80]] {
            let run = mapped(&TIMES, |grown| {
                let level = |share: i64| (90 * MIB).saturating_add_signed(grown as i64 * share / 100);
                kinds.iter().zip(shares).map(|(kind, share)| place(*kind, None, level(share))).collect()
            });
            let words = told(&run);
            let shrank = words.split("shrank by ").nth(1).map_or(0.0, |words| percents(words)[0]);
            let sum = percents(&words).iter().sum::<f64>() - 2.0 * shrank;
            assert!((sum - 100.0).abs() <= 3.0, "{shares:?}: {words}");
        }
    }

    #[test]
    fn what_stopped_growing_and_what_shrank_are_told_so() {
        let run = mapped(&TIMES, |grown| {
            let early = (grown * 3).min(6 * MIB);
            let heap = place(PlaceKind::Heap, None, 50 * MIB + early);
            vec![heap, place(PlaceKind::Anonymous, None, 20 * MIB + grown - early)]
        });
        let places = found(&run);
        assert_eq!(places.places[0].goes_on, Some(false), "{places:?}");
        assert!(places.places[1].grown < 0.0 && places.share(&places.places[0]) > 1.0, "{places:?}");
        assert!(told(&run).contains("; next to nothing in the second half of that time"), "{}", told(&run));
        let shrank = format!("while others shrank by {:.0} % of it", -100.0 * places.share(&places.places[1]));
        assert!(told(&run).contains(&shrank), "{}", told(&run));
    }

    #[test]
    fn a_little_at_the_end_of_much_is_no_growth_that_goes_on() {
        assert!(goes_on([0.0, 5.0, 10.0]) && goes_on([0.0, 0.0, 10.0]));
        assert!(!goes_on([0.0, 100.0, 101.0]) && !goes_on([0.0, 5.0, 5.0]) && !goes_on([5.0, 5.0, 5.0]));
    }

    #[test]
    fn mappings_that_merge_pass_through_classes_and_are_one_place() {
        let classed = |own: u64, up_to: Option<u64>, mappings: u64| Place {
            up_to,
            mappings,
            ..place(PlaceKind::Anonymous, None, own)
        };
        // One mapping that grows out of its class.
        let run = mapped(&TIMES, |grown| vec![classed(grown, (grown < 2 * MIB).then_some(2 * MIB), 1)]);
        assert_eq!((found(&run).places.len(), found(&run).places[0].class), (1, None));
        // More and more small ones, beside a large one.
        let run =
            mapped(&TIMES, |grown| vec![classed(grown, Some(256 << 10), 7 + (grown >> 17)), classed(9 * MIB, None, 1)]);
        assert_eq!(found(&run).places[0].class, Some((0, 256 << 10)));
        assert!(
            told(&run).contains("anonymous mappings of up to 256 KiB each (100 % of the growth: +4 KiB/request, in"),
            "{}",
            told(&run)
        );
    }

    #[test]
    fn names_that_are_many_or_not_all_listed_are_told_by_their_kind() {
        let many = mapped(&TIMES, |grown| {
            (0..10).map(|at| place(PlaceKind::Memfd, Some(&format!("x{at}")), (at + 1) * grown / 55)).collect()
        });
        assert!(told(&many).contains("memfds of 10 names, most in `x9` (100 %"), "{}", told(&many));
        let unlisted = mapped(&TIMES, |grown| {
            vec![place(PlaceKind::Memfd, Some("x"), grown / 2), place(PlaceKind::Memfd, None, grown / 2)]
        });
        assert!(told(&unlisted).contains("memfds of many names, such as `x` (100 %"), "{}", told(&unlisted));
        let two = mapped(&TIMES, |grown| {
            vec![place(PlaceKind::Memfd, Some("x"), grown / 4), place(PlaceKind::Memfd, Some("y"), grown - grown / 4)]
        });
        assert!(told(&two).contains("memfd `y` (75 %") && told(&two).contains("25 % in memfd `x`"), "{}", told(&two));
    }

    #[test]
    fn readings_that_are_near_each_other_say_nothing() {
        let grows = |grown| vec![place(PlaceKind::Heap, None, 50 * MIB + grown)];
        for times in [&[12.0, 50.0][..], &[100.0], &[]] {
            assert_eq!(judge(&mapped(times, grows)).findings[0].places, None, "{times:?}");
        }
        // Without one in the middle it isn't known whether it goes on.
        for times in [&[12.0, 109.0][..], &[12.0, 108.0, 109.0], &[12.0, 13.0, 109.0]] {
            assert_eq!(found(&mapped(times, grows)).places[0].goes_on, None, "{times:?}");
        }
    }

    #[test]
    fn a_map_that_would_have_taken_too_long_is_told_where_it_matters() {
        let withheld = |mut run: RunRecord| {
            let sample = run.samples[40].clone();
            run.maps.push(MapReading::after(&sample, None));
            judge(&run).findings[0].places.clone().map(|places| (places.workers, places.withheld))
        };
        assert_eq!((withheld(leaking()), withheld(clean())), (Some((0, 1)), None));
    }
}
