//! Where a process may have been restarted, or be dead already, though nothing in the table says so.

use super::collect::Raw;
use super::course::Course;
use super::median::median;
use crate::model::TableDoubt;

/// Readings of the shortest life, and of the shortest course that is looked at.
const SHORTEST: usize = 4;
const ENOUGH: usize = 20;
/// How much of what memory had risen by a fall takes back, at least, that may be a restart: nearly all.
const ALL: f64 = 0.95;
/// Of the largest rise in the course, what any other has at least, for its end to count.
const ALIKE: f64 = 0.3;
/// Of the level at the beginning, the least rise: less is the breathing of a process.
const RISE: f64 = 0.01;
/// How many usual steps a fall has that stands out by itself, and one that doesn't at least.
const ABRUPT: f64 = 8.0;
const LEAST: f64 = 2.0;
/// The part of the steps that go up in a life that is too short for its fall to stand out, and how many of these there are at least.
const UPWARD: f64 = 0.9;
const FEW: usize = 3;
/// Readings alike at the end, at least: so many, so many times as many as were alike before, and such a part of all.
const HELD: usize = 8;
const HELD_LONGER: usize = 4;
const HELD_PART: usize = 10;

/// Cuts a course where it was restarted, as far as that can be told, and says what else it may be; the number of restarts. For
/// courses whose lives nothing else tells apart: no PID, no start, no running count of requests.
pub(super) fn cut(course: &mut Course, whose: &str, doubts: &mut Vec<TableDoubt>) -> u64 {
    // Where a clock or a count tells lives apart, there are no others.
    let by_source = course.raws.last().is_some_and(|raw| raw.life > 0);
    if !course.begins.is_empty() && !by_source {
        return 0;
    }
    let within = |edge: &[usize]| {
        let found = course.raws.get(edge[0]..edge[1]).map(falls).unwrap_or_default();
        found.into_iter().map(|fall| (edge[0] + fall.place, fall.is_restart())).collect::<Vec<_>>()
    };
    let falls: Vec<(usize, bool)> = course.edges().windows(2).flat_map(within).collect();
    match falls[..] {
        [] => 0,
        [(once, true)] => {
            course.begins.insert(once);
            1
        }
        _ => {
            doubts.push(TableDoubt::Sawtooth { falls: falls.len() as u64, whose: whose.into() });
            0
        }
    }
}

/// Says so if memory grows at the end of a life while no request is counted, be it that none is served or that the count is lacking:
/// by the request, such growth shows nowhere.
pub(super) fn uncounted(course: &Course, whose: &str) -> Option<TableDoubt> {
    let grown = course.lives().filter_map(|life| {
        let last = life.iter().filter_map(|raw| raw.requests).max()?;
        let served = life.iter().position(|raw| raw.requests == Some(last))?;
        let levels = levels(&life[served..]);
        if levels.len() < HELD {
            return None;
        }
        let part = levels.len() / HELD_LONGER;
        let (from, to) = (middle(&levels[..part]), middle(&levels[levels.len() - part..]));
        let grows = to - from > (RISE * from).max(LEAST * usual_step(&levels));
        grows.then(|| {
            (to - from, TableDoubt::Uncounted { readings: levels.len() as u64, from, to, whose: whose.into() })
        })
    });
    grown.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, doubt)| doubt)
}

/// Keeps the first of each kind of doubt, which stands for the others, with the most falls or readings.
pub(super) fn keep_worst(doubts: &mut Vec<TableDoubt>) {
    doubts.sort_by_key(|doubt| match doubt {
        TableDoubt::Sawtooth { falls, .. } => (0, u64::MAX - falls),
        TableDoubt::Held { readings, .. } => (1, u64::MAX - readings),
        TableDoubt::Uncounted { from, to, .. } => (2, u64::MAX - (to - from).max(0.0) as u64),
        TableDoubt::Unjudged { .. } => (3, 0),
    });
    doubts.dedup_by_key(|doubt| std::mem::discriminant(doubt));
}

/// Memory with what is swapped, and the places of its readings.
fn levels(raws: &[Raw]) -> Vec<(usize, f64)> {
    let of = |raw: &Raw| Some(raw.memory?.saturating_add(raw.swap.unwrap_or(0)) as f64);
    raws.iter().enumerate().filter_map(|(place, raw)| Some((place, of(raw)?))).collect()
}

fn middle(levels: &[(usize, f64)]) -> f64 {
    median(levels.iter().map(|(_, level)| *level))
}

/// How far a reading usually is from the one before.
fn usual_step(levels: &[(usize, f64)]) -> f64 {
    median(levels.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs()))
}

/// A fall to where the life before began, or below.
struct Fall {
    place: usize,
    /// By how much it falls.
    fall: f64,
    /// Readings of the life before, and what memory had risen by in it.
    readings: usize,
    rise: f64,
    /// How many usual steps it is.
    steps: f64,
    /// The part of the life's steps that went up.
    upward: f64,
}

impl Fall {
    /// Whether it is a new process that did this if it happened once: the one before was seen from its begin. What falls far below where it was
    /// seen to begin may as well be a collector, of whose climb only the later part was seen.
    fn is_restart(&self) -> bool {
        ALL * self.fall <= self.rise + LEAST * self.fall / self.steps
    }
}

/// Falls of memory to where the life before began, or below.
fn falls(raws: &[Raw]) -> Vec<Fall> {
    let levels = levels(raws);
    if levels.len() < ENOUGH {
        return Vec::new();
    }
    let mut found = candidates(&levels);
    // Values that flicker between two that they are rounded to rise and fall by one such step.
    let steps = levels.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs());
    let rounding = steps.filter(|step| *step > 0.0).fold(f64::INFINITY, f64::min);
    found.retain(|fall| fall.rise > LEAST * rounding);
    // What stands out from the usual steps is one by itself. Shorter lives show in that all go up, and that there is little else.
    let (mut falls, found): (Vec<Fall>, Vec<Fall>) = found.into_iter().partition(|fall| fall.steps > ABRUPT);
    if falls.is_empty() {
        falls = found.into_iter().filter(|fall| fall.upward >= UPWARD).collect();
        let readings: usize = falls.iter().map(|fall| fall.readings).sum();
        if falls.len() < FEW || 2 * readings < levels.len() {
            return Vec::new();
        }
    }
    let most = falls.iter().map(|fall| fall.rise).fold(0.0, f64::max);
    falls.retain(|fall| fall.rise >= ALIKE * most);
    falls
}

fn candidates(levels: &[(usize, f64)]) -> Vec<Fall> {
    let usual = usual_step(levels);
    let mut found = Vec::new();
    let mut begun = 0;
    let mut peak = f64::NEG_INFINITY;
    for i in 1..levels.len() {
        let (before, level) = (levels[i - 1].1, levels[i].1);
        peak = if i - 1 == begun { before } else { peak.max(before) };
        if i - begun < SHORTEST {
            continue;
        }
        let base = middle(&levels[begun..begun + 3]);
        let (rise, fall) = (before - base, before - level);
        let stays = levels.get(i + 1).is_none_or(|next| before - next.1 > 0.5 * rise);
        let whole = rise > RISE * base && rise > 0.5 * (peak - base) && fall >= ALL * rise;
        if whole && stays && fall > LEAST * usual {
            let up = levels[begun..i].windows(2).filter(|pair| pair[1].1 > pair[0].1).count();
            let upward = up as f64 / (i - begun - 1) as f64;
            found.push(Fall { place: levels[i].0, fall, readings: i - begun, rise, steps: fall / usual, upward });
            begun = i;
        }
    }
    found
}

/// Says so if the readings at the end are alike in everything, where those before hardly ever were.
pub(super) fn held(course: &Course, whose: &str) -> Option<TableDoubt> {
    let all = course.lives().last()?;
    let raws: Vec<&Raw> = all.iter().filter(|raw| raw.memory.is_some()).collect();
    let last = *raws.last()?;
    let tail = raws.iter().rev().take_while(|raw| raw.is_as(last)).count();
    let before = &raws[..raws.len() - tail];
    let (mut run, mut longest, mut changes) = (1, 1, 0);
    for pair in before.windows(2) {
        let changed = pair[0].memory != pair[1].memory;
        changes += usize::from(changed);
        run = if changed { 1 } else { run + 1 };
        longest = longest.max(run);
    }
    let told = tail >= HELD && tail >= HELD_LONGER * longest && tail * HELD_PART >= raws.len();
    (told && before.len() >= HELD && changes * 2 > before.len())
        .then(|| TableDoubt::Held { readings: tail as u64, whose: whose.into() })
}
