//! What a count of requests is: one that runs for each worker, one of each interval, or the whole pool's.

use super::Mapping;
use super::collect::Raw;
use super::course::Course;
use super::whose::whose;

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
/// Counts from which on it can be told whether they are smooth.
const SMOOTH: usize = 30;
/// By what part paces of an even count differ at most: times are rounded.
const EVEN: f64 = 0.01;
/// Workers whose counts may stand in turn in a column.
const IN_TURN: usize = 16;

/// How requests were counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Whether counts of intervals were summed up.
    pub summed: bool,
    /// Times, and requests that the pool served until then since the time before.
    pub pool: Option<Vec<(f64, u64)>>,
    /// Whether no count is less than the one before.
    pub never_falls: bool,
    counted: bool,
}

impl Counts {
    /// Whether each worker has a running count of its own, which tells its lives apart.
    pub fn each_runs(&self) -> bool {
        self.counted && !self.summed && self.pool.is_none()
    }
}

/// Finds out what the counts are, makes them running ones, and begins a life where one falls.
pub(super) fn settle(courses: &mut [Course], mapping: &Mapping, thinned: bool) -> Result<Counts, String> {
    let asked = mapping.requests_are;
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
    if asked.is_none() && !runs && courses.iter().any(is_smooth) {
        return Err("the count of requests rises and falls more smoothly than what is served in each interval does, and may be a rate, or those of \
                    a longer time: give the requests served so far, or say --requests-are interval (those since the row before)"
            .into());
    }
    let summed = asked == Some(RequestsAre::Interval) || !runs;
    if summed && thinned {
        return Err("it has too many rows for counts of intervals to be summed up: judge it in parts".into());
    }
    let scaled = common_factor(courses)
        .filter(|_| asked.is_none() && !(runs && courses.iter().all(|one| rises_evenly(one) || always_rises(one))));
    for course in courses.iter_mut() {
        if summed { sum(course) } else { begin_where_it_falls(course) }
    }
    let pool = whose(courses, mapping.requests_of, summed)?;
    if let Some(factor) = scaled {
        return Err(format!(
            "all counts of requests are multiples of {factor}, as those of a rate are that were counted in a shorter time: say what they are with \
             --requests-are interval (those since the row before) or --requests-are running (those so far), or take a rate with --load"
        ));
    }
    Ok(Counts { summed, pool, never_falls: falls == 0, counted })
}

/// What all counts are multiples of; `None` if that may be chance. Requests come one by one: only what was scaled up has a common factor.
fn common_factor(courses: &[Course]) -> Option<u64> {
    let counts = || courses.iter().flat_map(|course| &course.raws).filter_map(|raw| raw.requests.filter(|n| *n > 0));
    let factor = counts().fold(0, |mut a, mut b| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    });
    (factor > 1 && counts().count() >= ENOUGH).then_some(factor)
}

/// Whether a count rises from each row to the next for so long that it can be no rate, which falls now and then.
fn always_rises(course: &Course) -> bool {
    let rises = |(_, before, after): (usize, &Raw, &Raw)| {
        before.requests.zip(after.requests).is_some_and(|(before, after)| after > before)
    };
    course.raws.len() > SMOOTH && course.steps().all(rises)
}

/// Whether a running count rises at one pace, or by the same from each row to the next, as that of requests does which are sent so.
fn rises_evenly(course: &Course) -> bool {
    let rises: Vec<(f64, f64)> = course
        .steps()
        .filter_map(|(_, before, after)| {
            Some((after.requests?.checked_sub(before.requests?)? as f64, after.t - before.t))
        })
        .collect();
    let even = |of: fn(&(f64, f64)) -> f64| {
        let first = rises.first().map_or(0.0, of);
        rises.iter().all(|rise| (of(rise) - first).abs() <= EVEN * first)
    };
    even(|(rise, _)| *rise) || even(|(rise, seconds)| rise / seconds)
}

/// Whether a count wanders, and what it moves by isn't taken back at once, as chance does in counts of different requests: it is a mean, or of a
/// time that is longer than that between two rows.
fn is_smooth(course: &Course) -> bool {
    let counts: Vec<f64> = course.raws.iter().filter_map(|raw| Some(raw.requests? as f64)).collect();
    let mean = counts.iter().sum::<f64>() / counts.len().max(1) as f64;
    let apart: f64 = counts.iter().map(|count| (count - mean).powi(2)).sum();
    let steps: Vec<f64> = counts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let moved: f64 = steps.iter().map(|step| step * step).sum();
    let taken_back: f64 = steps.windows(2).map(|pair| -pair[0] * pair[1]).sum();
    // By chance alone, steps are twice as far apart as counts are from their mean, and half of each is taken back by the next.
    counts.len() > SMOOTH && 2.0 * moved < apart && 4.0 * taken_back < moved
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
