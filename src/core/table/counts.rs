//! What a count of requests is: one that runs for each worker, one of each interval, or the whole pool's.

use super::clock;
use super::course::Course;
use std::collections::HashMap;

/// What a column of requests holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestsAre {
    /// Requests served so far.
    Running,
    /// Requests since the reading before.
    Interval,
}

/// Steps from which on it can be told that a count doesn't run.
const ENOUGH: usize = 10;
/// The part of steps in which a count falls that doesn't run: one in so many.
const OFTEN: usize = 5;
/// Falls by less than half of a count that aren't those of processes that begin anew.
const SHALLOW: usize = 3;
/// Workers whose counts may stand in turn in a column.
const IN_TURN: usize = 16;
/// Times at which several workers have a count, from which on it can be told whose it is.
const COMMON: usize = 10;

/// How requests were counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Whether counts of intervals were summed up.
    pub summed: bool,
    /// Times, and requests that the pool served until then since the time before.
    pub pool: Option<Vec<(f64, u64)>>,
    counted: bool,
}

impl Counts {
    /// Whether each worker has a running count of its own, which tells its lives apart.
    pub fn each_runs(&self) -> bool {
        self.counted && !self.summed && self.pool.is_none()
    }
}

/// Finds out what the counts are, makes them running ones, and begins a life where one falls.
pub(super) fn settle(courses: &mut [Course], asked: Option<RequestsAre>, thinned: bool) -> Result<Counts, String> {
    let counted = courses.iter().flat_map(|course| &course.raws).any(|raw| raw.requests.is_some());
    if !counted {
        return Ok(Counts::default());
    }
    if asked != Some(RequestsAre::Interval) {
        courses.iter_mut().for_each(leave_out_zeros);
    }
    let (mut steps, mut falls, mut shallow) = (0, 0, 0);
    for course in courses.iter() {
        for (_, before, after) in course.steps() {
            if let Some((before, after)) = before.requests.zip(after.requests) {
                steps += 1;
                falls += usize::from(after < before);
                shallow += usize::from(after < before && after > before / 2);
            }
        }
    }
    let runs = steps < ENOUGH || falls * OFTEN <= steps;
    if asked != Some(RequestsAre::Interval) && !runs {
        let told = format!("the count of requests falls in {falls} of {steps} rows");
        if asked == Some(RequestsAre::Running) {
            return Err(format!("{told}: expected the requests served so far, for each worker"));
        }
        if let Some(workers) = courses.iter().find_map(in_turn) {
            return Err(format!(
                "{told}, and looks like those of {workers} workers in turn: say which column tells them apart with --worker or \
                 --pid, or give --requests-are interval"
            ));
        }
    }
    // A process that begins anew begins near nothing.
    if asked.is_none() && runs && shallow >= SHALLOW && 2 * shallow > falls {
        return Err(format!(
            "the count of requests seldom falls, and by little ({shallow} times), so that it may be either: say what it is with \
             --requests-are interval (those since the row before) or --requests-are running (those so far)"
        ));
    }
    if asked.is_none() && steps >= ENOUGH && never_changes(courses) {
        return Err("the count of requests is the same in every row: say what it is with --requests-are interval (those since the row \
                    before) or --requests-are running (those so far, and none was served)"
            .into());
    }
    let summed = asked == Some(RequestsAre::Interval) || !runs;
    if summed && thinned {
        return Err("it has too many rows for counts of intervals to be summed up: judge it in parts".into());
    }
    for course in courses.iter_mut() {
        if summed { sum(course) } else { begin_where_it_falls(course) }
    }
    Ok(Counts { summed, pool: pool(courses), counted })
}

/// Whether each worker has one count, which isn't 0, in all its rows.
fn never_changes(courses: &[Course]) -> bool {
    courses.iter().all(|course| {
        let mut counts = course.raws.iter().filter_map(|raw| raw.requests);
        counts.next().is_none_or(|first| first > 0 && counts.all(|count| count == first))
    })
}

/// How many workers' running counts stand in turn in one column; `None` if these are none.
fn in_turn(course: &Course) -> Option<usize> {
    let counts: Vec<u64> = course.raws.iter().filter_map(|raw| raw.requests).collect();
    (2..=IN_TURN).find(|lag| {
        let pairs = || counts.iter().zip(counts.iter().skip(*lag));
        let all = pairs().count();
        let falls = pairs().filter(|(before, after)| after < before).count();
        let rises = pairs().filter(|(before, after)| after > before).count();
        all >= ENOUGH && falls * 20 <= all && rises * 2 > all
    })
}

fn sum(course: &mut Course) {
    let mut sum = 0u64;
    for raw in &mut course.raws {
        if let Some(count) = &mut raw.requests {
            sum = sum.saturating_add(*count);
            *count = sum;
        }
    }
}

/// Leaves out counts of 0 after which the count goes on where it was: it couldn't be read. A process that is known to be the same has no
/// other reason for them; of others, the count is nearer to what it was than to nothing.
fn leave_out_zeros(course: &mut Course) {
    let same = course.key.start.is_some();
    for edge in course.edges().windows(2) {
        let life = &mut course.raws[edge[0]..edge[1]];
        let (mut last, mut zeros) = (0, Vec::new());
        for place in 0..life.len() {
            match life[place].requests {
                Some(0) if last > 0 => zeros.push(place),
                Some(count) => {
                    if count >= last && (same || count - last < last) {
                        zeros.iter().for_each(|zero| life[*zero].requests = None);
                    }
                    zeros.clear();
                    last = count;
                }
                None => {}
            }
        }
    }
}

fn begin_where_it_falls(course: &mut Course) {
    if course.key.start.is_some() {
        return;
    }
    let mut last = None;
    let mut begins = Vec::new();
    for (place, raw) in course.raws.iter().enumerate() {
        if course.begins.contains(&place) {
            last = None;
        }
        if raw.requests.zip(last).is_some_and(|(is, was)| is < was) {
            begins.push(place);
        }
        last = raw.requests.or(last);
    }
    course.begins.extend(begins);
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
    let points = |course: &Course| -> Vec<(f64, u64)> {
        course.raws.iter().filter_map(|raw| Some((raw.t, raw.requests?))).collect()
    };
    let all: Vec<Vec<(f64, u64)>> = courses.iter().map(points).collect();
    let Some(longest) = all.iter().max_by_key(|points| points.len()) else { return (0, 0) };
    let times: Vec<f64> = longest.iter().map(|point| point.0).collect();
    let near = 0.25 * clock::typical_step(&times);
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
