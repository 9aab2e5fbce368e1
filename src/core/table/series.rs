//! Series that a server of metrics has: what is read of each is known, as are its labels and its times.

use super::clock::Clock;
use super::collect::{Collector, Row};
use super::columns::{Columns, Size, TimeColumn};
use super::gaps::{self, Gaps};
use super::names::{KINDS, MEMORY_UNITS, normal, split};
use super::shared::LOOK_BACK;
use super::{Mapping, RequestsAre, RequestsOf, Table, sizes};
use crate::model::MemoryKind;
use std::borrow::Cow;

/// Starts of a process that are this many seconds apart are one: what they are computed from is set right now and then.
const SAME_START: f64 = 2.0;

/// What is more, in whatever unit is thought of, is in bytes: so many KiB are more memory than machines have.
const SURE: f64 = 32.0 * 1024.0 * 1024.0;

/// What each quantity was asked for by, to be told; `None` if it wasn't.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The query for memory.
    pub memory: String,
    /// Bytes in its unit, where its name says that it isn't bytes.
    pub memory_unit: Option<u64>,
    /// Whether nothing in the query says the unit of its values.
    pub unit_unsaid: bool,
    /// What that is the memory of.
    pub kind: MemoryKind,
    /// The query for swapped memory.
    pub swap: Option<String>,
    /// Bytes in its unit, where its name says that it isn't bytes.
    pub swap_unit: Option<u64>,
    /// The query for requests, a running count.
    pub requests: Option<String>,
    /// Whether nothing in that query says the unit of its values.
    pub swap_unit_unsaid: bool,
    /// Whose requests they are; `None` if that is to be found out.
    pub requests_of: Option<RequestsOf>,
    /// The query for when the process began.
    pub start: Option<String>,
}

/// Readings of one series, with those that go with it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Readings {
    /// What it is called.
    pub name: String,
    /// Its readings in the order of time.
    pub rows: Vec<SeriesRow>,
}

/// One reading; what is missing, or is no number that can be measured, is NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesRow {
    /// Unix time in seconds.
    pub t: f64,
    /// Memory, in the unit of its metric.
    pub memory: f64,
    /// Swapped memory, in the unit of its metric.
    pub swap: f64,
    /// Requests served so far.
    pub requests: f64,
    /// When the process began, in Unix time.
    pub start: f64,
}

impl SeriesRow {
    /// A reading of which nothing but its time is known.
    pub fn at(t: f64) -> Self {
        SeriesRow { t, memory: f64::NAN, swap: f64::NAN, requests: f64::NAN, start: f64::NAN }
    }
}

/// The kind of memory that a metric of this name holds.
pub fn memory_kind(metric: &str) -> MemoryKind {
    let plain = normal(metric);
    let base = split(&plain, &MEMORY_UNITS).0;
    let known = KINDS.iter().find(|(_, names)| names.contains(&plain.as_str()) || names.contains(&base));
    known.map_or(MemoryKind::Unknown, |(kind, _)| *kind)
}

/// Bytes in the unit that the name of a metric ends in, as names of columns do; `None` if it ends in none, or in bytes.
pub fn memory_unit(metric: &str) -> Option<u64> {
    let plain = normal(metric);
    let plain = plain.strip_suffix("_total").unwrap_or(&plain);
    split(plain, &MEMORY_UNITS).1.filter(|unit| *unit > 1)
}

/// Makes a record of series that are judged together, as that of a run called `name`, of what was asked for up to a moment `until`. Where one
/// is missing for more than `gap` seconds and memory is lower after it, a life has ended, unless the start of the process says otherwise.
///
/// # Errors
/// If nothing can be judged.
pub fn of_series(name: &str, asked: &Asked, series: &[Readings], (gap, until): (f64, f64)) -> Result<Table, String> {
    let rows = series.iter().flat_map(|one| &one.rows).filter(|row| is_size(row.memory));
    let units = [asked.memory_unit, asked.swap_unit].map(|unit| unit.unwrap_or(1));
    let [memory_unit, swap_unit] = units.map(|unit| unit as f64);
    let size = |row: &SeriesRow| {
        let swap = if is_size(row.swap) { row.swap } else { 0.0 };
        (memory_unit * row.memory + swap_unit * swap).round() as u64
    };
    if let Some(wrong) = sizes::wrong(rows.map(size), asked.kind, asked.memory_unit.is_none()) {
        return Err(format!(
            "{wrong}: if they are of another unit, say so in the query, such as `QUERY * 1048576` for MiB"
        ));
    }
    let most = |of: fn(&SeriesRow) -> f64| {
        let values = series.iter().flat_map(|one| &one.rows).map(of).filter(|value| is_size(*value));
        values.fold(0.0, f64::max)
    };
    for (option, unsaid, most) in [
        ("--memory", asked.unit_unsaid, most(|row| row.memory)),
        ("--swap", asked.swap_unit_unsaid, most(|row| row.swap)),
    ] {
        if unsaid && most > 0.0 && most < SURE {
            return Err(format!(
                "the unit of {option} isn't known: its values are {most} at most, and may be KiB or MiB; write it into the query: `QUERY * 1024` \
                 for KiB, `QUERY * 1048576` for MiB, `QUERY * 1` for bytes"
            ));
        }
    }
    let mut header = vec!["time", asked.memory.as_str()];
    let rate =
        series.iter().flat_map(|one| &one.rows).find(|row| row.requests.is_finite() && row.requests.fract() != 0.0);
    if let Some(row) = rate.filter(|_| asked.requests.is_some()) {
        return Err(format!(
            "--requests: expected a counter, whose values are whole, found {}: a rate or a mean doesn't say what was served; give the \
             counter itself, or leave --requests out",
            row.requests
        ));
    }
    let counted = asked.requests.clone().filter(|_| series.iter().any(counts));
    let [swap, requests, start] = [&asked.swap, &counted, &asked.start].map(|query| {
        header.push(query.as_deref()?);
        Some(header.len() - 1)
    });
    let several = series.len() > 1;
    if several {
        header.push("labels");
    }
    let size = |index, unit| Size { index, unit: Some(unit) };
    let columns = Columns {
        time: Some(TimeColumn { index: 0, date: None, unit: Some(1.0), wall: true }),
        memory: vec![size(1, units[0])],
        kind: asked.kind,
        swap: swap.map(|index| size(index, units[1])),
        requests,
        start,
        workers: if several { vec![header.len() - 1] } else { Vec::new() },
        ..Columns::default()
    };
    let header: Vec<Vec<u8>> = header.iter().map(|name| name.as_bytes().to_vec()).collect();
    let mut collector = Collector::default();
    let mapping = Mapping {
        requests_are: counted.is_some().then_some(RequestsAre::Running),
        requests_of: asked.requests_of.filter(|_| counted.is_some()),
        ..Mapping::default()
    };
    collector.has(&columns, &header, &mapping);
    if counted.is_none() && asked.requests.is_some() {
        collector.remark("the count of requests never changes: growth is judged by the hour".into());
    }
    let units = [memory_unit, swap_unit];
    let mut gaps = Gaps::default();
    for one in series {
        let of = add(&mut collector, one, several, gap, units)?;
        gaps = Gaps { ends: gaps.ends + of.ends, passed: gaps.passed + of.passed };
    }
    collector.read_with(&Clock::default(), None, None);
    collector.until = Some(until);
    gaps.told().into_iter().for_each(|told| collector.remark(told));
    collector.finish(name)
}

/// Whether the count of requests changes.
fn counts(series: &Readings) -> bool {
    let mut counts = series.rows.iter().map(|row| row.requests).filter(|count| count.is_finite());
    counts.next().is_some_and(|first| counts.any(|count| count != first))
}

/// Adds the readings of a series, and says what gaps it has.
fn add(collector: &mut Collector, series: &Readings, named: bool, gap: f64, units: [f64; 2]) -> Result<Gaps, String> {
    let rows: Vec<&SeriesRow> = series.rows.iter().filter(|row| is_size(row.memory)).collect();
    let starts = starts(&rows);
    // Where some of them aren't known, the others only tell where lives begin.
    let known = starts.iter().all(Option::is_some);
    let (ends, gaps) = if known { Default::default() } else { gaps::ends(&rows, gap, units) };
    let (mut last, mut life) = (None, 0);
    for (place, (row, start)) in rows.into_iter().zip(starts).enumerate() {
        let changes = start.zip(last).is_some_and(|(start, last)| start != last);
        life += u64::from(!known && (changes || ends.contains(&place)));
        last = start.or(last);
        let whole = |value: f64| is_size(value).then(|| value.round() as u64);
        collector.add(&Row {
            t: Some(row.t),
            memory: whole(units[0] * row.memory),
            swap: whole(units[1] * row.swap),
            requests: whole(row.requests),
            start: start.filter(|_| known).map(|start| (start.max(0.0) * 1e3).round() as u64),
            worker: named.then_some(Cow::Borrowed(series.name.as_bytes())),
            life,
            ..Row::default()
        })?;
    }
    Ok(gaps)
}

/// When the process of each reading began, as far as that is known: as was read, as is read both before and after, or as is read later if that
/// was before the reading. What Prometheus itself would still answer with goes for a reading that has none.
fn starts(rows: &[&SeriesRow]) -> Vec<Option<f64>> {
    let mut same = None;
    let mut starts: Vec<Option<f64>> = Vec::with_capacity(rows.len());
    for row in rows {
        if row.start.is_finite() && same.is_none_or(|same: f64| (row.start - same).abs() > SAME_START) {
            same = Some(row.start);
        }
        starts.push(same.filter(|_| row.start.is_finite()));
    }
    let mut next = None;
    for place in (0..rows.len()).rev() {
        next = starts[place].or(next);
        starts[place] = next.filter(|start| *start <= rows[place].t);
    }
    let mut last: Option<(f64, f64)> = None;
    for place in 0..rows.len() {
        match starts[place] {
            Some(start) => last = Some((start, rows[place].t)),
            None => starts[place] = last.filter(|(_, t)| rows[place].t - t <= LOOK_BACK).map(|(start, _)| start),
        }
    }
    starts
}

/// Whether this can be a number of bytes or of requests.
fn is_size(value: f64) -> bool {
    value >= 0.0 && value < u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Axis, Per, Resource, TableDoubt};
    use crate::verdict;

    const STEP: f64 = 30.0;

    fn asked(start: bool) -> Asked {
        Asked {
            memory: "process_resident_memory_bytes".into(),
            kind: memory_kind("process_resident_memory_bytes"),
            start: start.then(|| "process_start_time_seconds".into()),
            ..Asked::default()
        }
    }

    /// A row every 30 s whose memory is that of its place, in KiB.
    fn readings(count: u64, kib: impl Fn(u64) -> f64) -> Vec<SeriesRow> {
        let row =
            |place: u64| SeriesRow { memory: 1024.0 * kib(place), ..SeriesRow::at(1.7672256e9 + STEP * place as f64) };
        (0..count).map(row).collect()
    }

    fn noise(place: u64) -> f64 {
        (place.wrapping_mul(2_654_435_761) >> 7 & 31) as f64 * 4.0
    }

    fn table(asked: &Asked, rows: Vec<SeriesRow>) -> Table {
        let until = rows.last().map_or(0.0, |row| row.t);
        of_series("x", asked, &[Readings { name: "x".into(), rows }], (2.5 * STEP, until)).unwrap()
    }

    fn lives(table: &Table) -> usize {
        table.record.workers().len()
    }

    #[test]
    fn a_leaking_series_is_a_leak_per_hour() {
        let mut record = table(&asked(false), readings(720, |i| 100_000.0 + 100.0 * i as f64 + noise(i))).record;
        record.meta.budgets = crate::model::Budgets::usual(Per::Hour);
        let verdict = verdict::judge(&record);
        let memory = verdict.findings.iter().find(|f| f.resource == Resource::Memory).unwrap();
        assert_eq!((memory.outcome, memory.axis), (crate::answer::Outcome::Leak, Axis::Hours));
        let hourly = memory.growth.unwrap().estimate;
        assert!((hourly / (100.0 * 1024.0 * 120.0) - 1.0).abs() < 0.02, "{hourly}");
    }

    #[test]
    fn a_count_that_never_changes_is_none_to_judge_by() {
        let asked = Asked { requests: Some("http_requests_total".into()), ..asked(false) };
        for count in [0.0, 12_345.0, f64::NAN] {
            let mut rows = readings(720, |i| 100_000.0 + 100.0 * i as f64 + noise(i));
            rows.iter_mut().for_each(|row| row.requests = count);
            let still = table(&asked, rows);
            assert!(still.notes.iter().any(|note| note.contains("judged by the hour")), "{:?}", still.notes);
            let mut record = still.record;
            record.meta.budgets = crate::table::usual_budgets(&record);
            let verdict = verdict::judge(&record);
            assert_eq!(
                (verdict.outcome, verdict.findings[0].axis),
                (crate::answer::Outcome::Leak, Axis::Hours),
                "{count}"
            );
        }
        let mut rows = readings(100, |i| 100_000.0 + noise(i));
        rows.iter_mut().zip(0u32..).for_each(|(row, i)| row.requests = f64::from(i * 7919 % 61));
        let series = [Readings { name: "x".into(), rows }];
        let refused = of_series("x", &asked, &series, (2.5 * STEP, 2e9)).unwrap_err();
        assert!(refused.contains("expected the requests served so far") && !refused.contains("--"), "{refused}");
    }

    #[test]
    fn what_is_lower_after_a_gap_is_another_life_and_what_goes_on_is_none() {
        let level = |i: u64| 50_000.0 + noise(i);
        let mut rows = readings(200, level);
        rows[50].memory = f64::NAN;
        assert_eq!(lives(&table(&asked(false), rows.clone())), 1);
        rows.drain(100..110);
        let passed = table(&asked(false), rows.clone());
        assert_eq!(lives(&passed), 1);
        assert!(passed.notes.iter().any(|note| note.contains("1 gap over which")), "{:?}", passed.notes);
        rows[100..].iter_mut().for_each(|row| row.memory -= 2e6);
        let cut = table(&asked(false), rows.clone());
        assert_eq!(lives(&cut), 2);
        assert!(cut.notes.iter().any(|note| note.contains("1 gap after which")), "{:?}", cut.notes);
        // The start says that it is the same process.
        rows.iter_mut().for_each(|row| row.start = 1.7e9);
        assert_eq!(lives(&table(&asked(true), rows)), 1);
    }

    #[test]
    fn growth_goes_on_over_gaps_and_what_a_server_repeats_is_none() {
        // It is there for 20 of every 40 minutes, and repeated for 5 more.
        let there = |i: u64| i % 80 < 50;
        let mut rows = readings(960, |i| {
            let read = if i % 80 < 40 { i } else { i - i % 80 + 39 };
            100_000.0 + 50.0 * read as f64 + noise(read)
        });
        let mut place = 0..;
        rows.retain(|_| there(place.next().unwrap()));
        let table = table(&asked(false), rows);
        assert_eq!(lives(&table), 1);
        assert!(
            table.notes.iter().any(|note| note.starts_with("121 readings before an end or a gap")),
            "{:?}",
            table.notes
        );
        let mut record = table.record;
        record.meta.budgets = crate::model::Budgets::usual(Per::Hour);
        let growth = verdict::judge(&record).findings[0].growth.unwrap();
        let truth = 50.0 * 1024.0 * 120.0;
        assert!(growth.lower <= truth && truth <= growth.upper && growth.upper < 1.1 * truth, "{growth:?}");
    }

    #[test]
    fn ended_pods_that_are_repeated_grow_as_they_did() {
        // A pod an hour, whose last value is repeated for five minutes beside the next.
        let pods: Vec<Readings> = (0..8u64)
            .map(|pod| {
                let of = |i: u64| if i < 120 { i } else { 119 };
                let rows = readings(130, |i| 200_000.0 + 51.2 * of(i) as f64 + noise(of(i) + 120 * pod));
                let later = |row: SeriesRow| SeriesRow { t: row.t + 3600.0 * pod as f64, ..row };
                Readings { name: format!("a-{pod}"), rows: rows.into_iter().map(later).collect() }
            })
            .collect();
        let until = 1.7672256e9 + 9.0 * 3600.0;
        let mut record = of_series("a", &asked(false), &pods, (2.5 * STEP, until)).unwrap().record;
        record.meta.budgets = crate::model::Budgets::usual(Per::Hour);
        let growth = verdict::judge(&record).findings[0].growth.unwrap();
        let truth = 51.2 * 1024.0 * 120.0;
        assert!(growth.lower <= truth && truth <= growth.upper && growth.upper < 1.2 * truth, "{growth:?}");
    }

    #[test]
    fn another_start_is_another_life_and_a_clock_set_right_is_none() {
        let mut rows = readings(200, |i| 50_000.0 + noise(i));
        for (place, row) in rows.iter_mut().enumerate() {
            row.start = match place {
                0..20 => f64::NAN,
                20..100 => 1.7e9 + (place % 2) as f64,
                _ => 1.7672256e9 + 3000.0,
            };
        }
        assert_eq!(lives(&table(&asked(true), rows)), 2);
    }

    #[test]
    fn a_start_that_is_known_for_a_part_of_the_time_hides_no_restarts() {
        // Falls to where it began every 20 minutes; the start is read in some of the rows, and never says so.
        let saw = |i: u64| 50_000.0 + 1000.0 * (i % 40) as f64 + noise(i);
        let began = 1.7672256e9;
        type IsKnown = fn(u64) -> bool;
        let known: [(&str, IsKnown, f64, bool); 4] = [
            ("at first", |i| i < 30, began - 9.0, false),
            ("at last, and began later", |i| i > 270, began + 8000.0, false),
            ("at last, and began before", |i| i > 270, began - 9.0, true),
            ("now and then", |i| i % 5 == 0, began - 9.0, true),
        ];
        for (what, is_known, start, sure) in known {
            let mut rows = readings(300, saw);
            let known = rows.iter_mut().zip(0u64..).filter(|(_, place)| is_known(*place));
            known.for_each(|(row, _)| row.start = start);
            let table = table(&asked(true), rows);
            let doubts = table.record.meta.understood.unwrap().doubts;
            assert_eq!(doubts.is_empty(), sure, "{what}: {doubts:?}");
        }
    }

    #[test]
    fn restarts_between_gaps_are_still_seen() {
        let saw = |i: u64| 50_000.0 + 1000.0 * (i % 40) as f64 + noise(i);
        let mut rows = readings(300, saw);
        rows.drain(100..110);
        let doubts = table(&asked(false), rows).record.meta.understood.unwrap().doubts;
        assert!(matches!(doubts[..], [TableDoubt::Sawtooth { .. }]), "{doubts:?}");
    }

    #[test]
    fn what_can_be_no_bytes_is_refused() {
        for (kib, fits) in [(1.0 / 1024.0, false), (8.0, false), (40.0, true)] {
            let rows = readings(200, |i| kib + if fits { noise(i) } else { 0.0 });
            let read =
                of_series("x", &asked(false), &[Readings { name: "x".into(), rows }], (2.5 * STEP, f64::INFINITY));
            match read {
                Err(told) => assert!(!fits && told.contains("no process has so few: if they"), "{told}"),
                Ok(_) => assert!(fits, "{kib}"),
            }
        }
    }

    #[test]
    fn the_unit_of_a_metric_is_that_of_its_name() {
        for (metric, unit) in
            [("app_rss_kb", Some(1024)), ("app_rss_kilobytes", Some(1024)), ("app_rss_bytes", None), ("app_rss", None)]
        {
            assert_eq!(memory_unit(metric), unit, "{metric}");
        }
        let asked = Asked { memory_unit: Some(1 << 20), ..asked(false) };
        let mebibytes = readings(200, |_| 200.0 / 1024.0);
        let first = table(&asked, mebibytes).record.samples[0].anon;
        assert_eq!(first, Some(200 << 20));
    }

    #[test]
    fn no_numbers_make_it_panic() {
        let odd = [f64::NAN, f64::INFINITY, -1.0, 1e300, 0.0, 5.0];
        let rows = odd.iter().enumerate().map(|(i, value)| SeriesRow {
            t: i as f64,
            memory: *value,
            swap: odd[(i + 1) % 6],
            requests: odd[(i + 2) % 6],
            start: odd[(i + 3) % 6],
        });
        let all = Asked { swap: Some("s".into()), requests: Some("r".into()), ..asked(true) };
        let read =
            of_series("x", &all, &[Readings { name: String::new(), rows: rows.collect() }], (1.0, f64::INFINITY));
        assert!(read.is_err() || lives(&read.unwrap()) >= 1);
        assert!(of_series("x", &all, &[], (1.0, 0.0)).is_err());
    }
}
