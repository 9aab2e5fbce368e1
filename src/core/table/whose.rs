//! Whose a count of requests is: each worker's own, or that of the pool, which stands in the rows of all.

use super::clock;
use super::course::Course;
use super::median::median;
use std::collections::{BTreeSet, HashMap};

/// Whose requests a column counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestsOf {
    /// Those that the worker of the row served.
    Worker,
    /// Those that all workers served together.
    Pool,
}

/// Times at which several workers have a count, from which on it can be told whose it is.
const COMMON: usize = 10;
/// Of two workers alone, the least.
const FEW: usize = 4;
/// Usual steps between changes by which a count may be read earlier or later than another of the same.
const LATE: f64 = 5.0;
/// Of so many readings in common, a count may be late by one; by half as many again where there are few.
const OF: f64 = 8.0;
const LEAST_LATE: f64 = 1.5;
/// How much farther apart counts come than they waver, at least, to be two.
const FAR: f64 = 4.0;
/// Workers that are held against each other.
const MOST: usize = 24;
/// One in so many others that goes the same way is more than chance.
const OTHERS: usize = 3;

/// The pool's count: times, and requests served until then since the time before. `None` if each worker has its own.
///
/// # Errors
/// If it may be either.
pub(super) fn whose(
    courses: &[Course],
    asked: Option<RequestsOf>,
    summed: bool,
) -> Result<Option<Vec<(f64, u64)>>, String> {
    match asked {
        Some(RequestsOf::Worker) => Ok(None),
        Some(RequestsOf::Pool) => Ok(Some(chain(courses))),
        None => match pool(courses) {
            Some(pool) => Ok(Some(pool)),
            None if steps_are_alike(courses) => Ok(Some(chain(courses))),
            None if goes_on(courses) => Err(
                "the count of requests goes on from one worker to the next, and may be that of the pool: say whose it is with \
                 --requests-of worker (each has its own count) or --requests-of pool (all have the same)"
                    .into(),
            ),
            None if is_alone(courses) => Err(
                "only one of the workers has a count of requests, which may be that of all: say whose it is with --requests-of worker (the \
                 others served none that were counted) or --requests-of pool"
                    .into(),
            ),
            None if is_shared(courses, summed) => Err(
                "the counts of requests of different workers follow each other closely, and may be those of the pool, read at different \
                 moments: say whose they are with --requests-of worker (each has its own count) or --requests-of pool (all have the \
                 same)"
                    .into(),
            ),
            None => Ok(None),
        },
    }
}

/// Times and counts of a worker.
type Points = Vec<(f64, u64)>;

fn points(course: &Course) -> Points {
    course.raws.iter().filter_map(|raw| Some((raw.t, raw.requests?))).collect()
}

/// The readings at which a count changes: those between may repeat one from a cache.
struct Changes {
    points: Points,
    /// Readings for each of them.
    each: usize,
    /// Seconds from one to the next, usually.
    step: f64,
}

impl Changes {
    /// Those of a course, or all of its readings where they are too few; `None` if these are.
    fn of(course: &Course) -> Option<Self> {
        let all = points(course);
        let mut points = all.clone();
        points.dedup_by_key(|point| point.1);
        points.extend(all.last().filter(|last| points.last() != Some(*last)));
        let points = if points.len() < FEW { all.clone() } else { points };
        let (each, step) = (all.len() / points.len().max(1), step(&points));
        (points.len() >= FEW).then_some(Changes { points, each, step })
    }
}

/// Seconds from one to the next, usually.
fn step(points: &Points) -> f64 {
    clock::typical_step(&points.iter().map(|point| point.0).collect::<Vec<_>>())
}

/// The requests of the pool, from one worker's rows after the other's: of those that are there, the one that stays longest.
fn chain(courses: &[Course]) -> Points {
    let mut all: Vec<Points> = courses.iter().map(points).filter(|points| !points.is_empty()).collect();
    all.sort_by(|a, b| a[0].0.total_cmp(&b[0].0));
    let end = |points: &Points| points.last().map_or(f64::NEG_INFINITY, |point| point.0);
    let mut sent = Points::new();
    let mut until = f64::NEG_INFINITY;
    loop {
        let there = all.iter().filter(|points| points[0].0 <= until && end(points) > until);
        let next = there.max_by(|a, b| end(a).total_cmp(&end(b)));
        let Some(next) = next.or_else(|| all.iter().find(|points| points[0].0 > until)) else { return sent };
        if until < next[0].0 {
            sent.push((next[0].0, 0));
        }
        // After a fall it has begun anew.
        let steps = next.windows(2).filter(|pair| pair[1].0 > until);
        sent.extend(steps.map(|pair| (pair[1].0, pair[1].1.checked_sub(pair[0].1).unwrap_or(pair[1].1))));
        until = end(next).max(next[0].0);
    }
}

/// Whether the counts of different workers rise by the same between the same two moments, and not always by as much: so does only a
/// count of all, which each may have from another beginning.
fn steps_are_alike(courses: &[Course]) -> bool {
    // How many workers count in a step, what the first counts, and whether all count as much.
    let mut steps: HashMap<[u64; 2], (usize, u64, bool)> = HashMap::new();
    for pair in courses.iter().map(points).flat_map(|points| points.windows(2).map(<[_]>::to_vec).collect::<Vec<_>>()) {
        let Some(rise) = pair[1].1.checked_sub(pair[0].1) else { continue };
        let (several, first, same) = steps.entry([pair[0].0.to_bits(), pair[1].0.to_bits()]).or_insert((0, rise, true));
        *several += 1;
        *same &= *first == rise;
    }
    let common = steps.values().filter(|(several, first, same)| *several > 1 && (*first > 0 || !same));
    let alike = common.clone().filter(|(_, _, same)| *same);
    let rises: BTreeSet<u64> = alike.clone().map(|(_, rise, _)| *rise).collect();
    let (common, alike) = (common.count(), alike.count());
    common >= COMMON && alike * 20 >= common * 19 && rises.len() >= COMMON / 2
}

/// Whether workers that come after others have ended go on counting where those stood, as their own counts would not.
fn goes_on(courses: &[Course]) -> bool {
    let all: Vec<Points> = courses.iter().map(points).filter(|points| points.len() >= FEW).collect();
    let (mut handed, mut on) = (0, 0);
    for next in &all {
        let before = all.iter().filter_map(|points| points.last().filter(|last| last.0 < next[0].0));
        let Some((end, count)) = before.max_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
        let most = next.windows(2).map(|pair| pair[1].1.saturating_sub(pair[0].1)).max().unwrap_or(0) as f64;
        let hidden = most * (LATE + (next[0].0 - end) / step(next));
        handed += 1;
        let since = next[0].1 as f64 - *count as f64;
        on += usize::from(*count > 0 && (0.0..=hidden).contains(&since));
    }
    2 * on > handed
}

/// Whether one worker has counts, and others that are there with it have none: a server may tell those of all in one row.
fn is_alone(courses: &[Course]) -> bool {
    let (counted, others): (Vec<&Course>, Vec<&Course>) =
        courses.iter().partition(|course| course.raws.iter().any(|raw| raw.requests.is_some()));
    let [one] = counted[..] else { return false };
    let counts = points(one);
    let ends = counts.first().zip(counts.last()).map(|(first, last)| first.0..=last.0);
    let beside = |other: &&Course| {
        let within = |t: f64| ends.as_ref().is_some_and(|ends| ends.contains(&t));
        other.raws.iter().filter(|raw| raw.memory.is_some() && within(raw.t)).count() >= COMMON
    };
    others.iter().any(beside)
}

/// Whether workers that came later began to count anew, as no count of a pool does: it goes on where the others stand.
fn begin_anew(all: &[Changes]) -> bool {
    let begin = |one: &Changes| one.points[0].0;
    let first = all.iter().map(begin).fold(f64::INFINITY, f64::min);
    let steps = all.iter().flat_map(|one| one.points.windows(2)).map(|pair| pair[1].1.saturating_sub(pair[0].1));
    let hidden = LATE * steps.max().unwrap_or(0) as f64;
    let counted_by = |t: f64, other: &Changes| {
        let until = other.points.partition_point(|point| point.0 <= t);
        until.checked_sub(1).map_or(0.0, |last| other.points[last].1 as f64)
    };
    // What others have counted by then must be far more than what a late reading could hide.
    let far = |one: &&Changes| all.iter().any(|other| counted_by(begin(one), other) > 2.0 * hidden);
    let later: Vec<&Changes> = all.iter().filter(|one| begin(one) - first > LATE * one.step).filter(far).collect();
    later.len() >= FEW && later.iter().all(|one| one.points[0].1 as f64 <= hidden)
}

/// Whether the counts of several workers may be one that was read a little earlier or later for each.
fn is_shared(courses: &[Course], summed: bool) -> bool {
    let mut all: Vec<Changes> = courses.iter().filter_map(Changes::of).collect();
    if !summed && begin_anew(&all) {
        return false;
    }
    all.sort_by_key(|one| std::cmp::Reverse(one.points.len()));
    all.truncate(MOST);
    all.iter().enumerate().any(|(place, one)| {
        let others = all.iter().enumerate().filter(|(other, _)| *other != place);
        let held = others.filter_map(|(_, other)| held_against(one, other));
        let (mut common, mut others, mut alike) = (0, 0, 0);
        for (both, is_alike) in held {
            (common, others, alike) = (common + both * one.each, others + 1, alike + usize::from(is_alike));
        }
        common >= COMMON && alike > 0 && alike * OTHERS >= others
    })
}

/// How many changes of a worker's count lie within another's, and whether its counts are those of the other within some steps of that moment;
/// `None` if that says nothing.
fn held_against(one: &Changes, other: &Changes) -> Option<(usize, bool)> {
    let step = one.step.max(other.step);
    let (one, other) = (&one.points, &other.points);
    let (first, last) = (other.first()?.0, other.last()?.0);
    let common: Vec<&(f64, u64)> = one.iter().filter(|(t, _)| (first..=last).contains(t)).collect();
    let rises = common.windows(2).any(|pair| pair[1].1 > pair[0].1);
    if common.len() < FEW || !rises {
        return None;
    }
    let late = step * (common.len() as f64 / OF).clamp(LEAST_LATE, LATE);
    // Between bursts, a count stands still, and another of the same stands nearly there.
    let rise = common.last()?.1.abs_diff(common[0].1) as f64;
    let slack = 0.5 * rise / common.len() as f64;
    // Each may count from another beginning: only what it rises by tells.
    let at = |t: f64| other[other.partition_point(|point| point.0 < t).min(other.len() - 1)].1;
    let bases = [0.0, at(common[0].0) as f64 - common[0].1 as f64];
    let within = |(t, count): &(f64, u64), base: f64| {
        let from = other.partition_point(|point| point.0 < t - late).saturating_sub(1);
        let to = (other.partition_point(|point| point.0 <= t + late) + 1).min(other.len());
        let near = other[from..to].iter().map(|point| point.1 as f64);
        let (least, most) = near.fold((f64::INFINITY, 0.0f64), |(least, most), c| (least.min(c), most.max(c)));
        (least - slack..=most + slack).contains(&(*count as f64 + base))
    };
    // At the ends, what comes before and after isn't there to be held against.
    let inner = || common.iter().filter(|(t, _)| t - late >= first && t + late <= last);
    let all = inner().count();
    let is_alike = |base: &f64| {
        let lateness: Vec<f64> =
            inner().filter_map(|(t, count)| Some(reaches(other, *count as f64 + base)? - t)).collect();
        inner().filter(|point| within(point, *base)).count() * 20 >= all * 19 && !moves_away(&lateness, step)
    };
    (all > 0).then(|| (common.len(), bases.iter().any(is_alike)))
}

/// When a count reaches so many.
fn reaches(points: &Points, count: f64) -> Option<f64> {
    let after = points.partition_point(|point| (point.1 as f64) < count);
    let (before, next) = (points.get(after.checked_sub(1)?)?, points.get(after)?);
    Some(before.0 + (next.0 - before.0) * (count - before.1 as f64) / (next.1 - before.1) as f64)
}

/// Whether a count that is behind another by so much falls farther behind or comes nearer all the time, by more than it wavers. One of the
/// same that is read late is as late at last as at first.
fn moves_away(lateness: &[f64], step: f64) -> bool {
    let third = lateness.len() / 3;
    let (first, last) = (&lateness[..third], &lateness[lateness.len() - third..]);
    let middle = |of: &[f64]| median(of.iter().copied());
    let wavers = |of: &[f64]| median(of.iter().map(|late| (late - middle(of)).abs()));
    let apart = (middle(last) - middle(first)).abs();
    third >= FEW && apart > LEAST_LATE * step && apart > FAR * wavers(first).max(wavers(last))
}

/// The pool's count, if it is what every worker has: at each time, all have the same.
fn pool(courses: &[Course]) -> Option<Vec<(f64, u64)>> {
    if courses.len() < 2 {
        return None;
    }
    // Time, count, how many have one, and whether all have the same.
    let mut at: HashMap<u64, (f64, u64, usize, bool)> = HashMap::new();
    for raw in courses.iter().flat_map(|course| &course.raws) {
        let Some(count) = raw.requests else { continue };
        let (_, first, several, same) = at.entry(raw.t.to_bits()).or_insert((raw.t, count, 0, true));
        *several += 1;
        *same &= *first == count;
    }
    let common = at.values().filter(|(_, _, several, _)| *several > 1);
    let alike = common.clone().filter(|(_, _, _, same)| *same);
    let (mut common, mut alike) = (common.count(), alike.count());
    if common < COMMON {
        (common, alike) = close_by(courses);
    }
    let mut counts: Vec<(f64, u64)> = at.values().map(|(t, count, _, _)| (*t, *count)).collect();
    counts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rises = counts.windows(2).filter(|pair| pair[1].1 > pair[0].1).count();
    if common < COMMON || alike * 20 < common * 19 || rises < COMMON / 2 {
        return None;
    }
    let mut last = counts.first()?.1;
    let since = counts.into_iter().map(|(t, count)| {
        // After a fall it has begun anew.
        let sent = if count < last { count } else { count - last };
        last = count;
        (t, sent)
    });
    Some(since.collect())
}

/// Of readings that have one of another worker close by, how many there are, and how many have its count: for tools that read
/// one worker after the other.
fn close_by(courses: &[Course]) -> (usize, usize) {
    let all: Vec<Points> = courses.iter().map(points).collect();
    let Some(longest) = all.iter().max_by_key(|points| points.len()) else { return (0, 0) };
    let times: Vec<f64> = longest.iter().map(|point| point.0).collect();
    let near = 0.25 * step(longest);
    let (mut common, mut alike) = (0, 0);
    for points in all.iter().filter(|points| !std::ptr::eq(*points, longest)) {
        for (t, count) in points {
            let after = times.partition_point(|time| time < t);
            let beside =
                [after.checked_sub(1), Some(after)].into_iter().flatten().filter_map(|place| longest.get(place));
            let mut beside = beside.filter(|(time, _)| (time - t).abs() <= near).peekable();
            if beside.peek().is_some() {
                common += 1;
                alike += usize::from(beside.any(|(_, other)| other == count));
            }
        }
    }
    (common, alike)
}
