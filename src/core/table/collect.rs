//! From readings, row by row, to a record: whose each one is, and not more of them than memory should hold.

use super::beside::Beside;
use super::clock::{self, Clock, Form};
use super::columns::Columns;
use super::counts::{self, Counts};
use super::course::{Course, Order};
use super::rounding::{Rounding, Written};
use super::whose::RequestsOf;
use super::{Mapping, Table, lives, names, programs, shown, told};
use crate::model::{
    Census, Counting, CountingSource, Host, LoadSample, MOST_READINGS, Reading, RunMeta, RunRecord, RunStatus, Sample,
    Target, Thinner, WorkerId,
};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

/// Incarnations in one table.
const MOST_WORKERS: usize = 100_000;
/// Values of the load that are kept.
const MOST_LOADS: usize = 100_000;
/// Parts of a request in which load is kept: only its course counts, and there may be less than one request a second.
const FINE: f64 = 1000.0;
/// Seconds between values of the load.
const LOAD_SPACING: f64 = 0.5;
/// The page size, to which memory is rounded at least.
const PAGE: u64 = 4096;
/// Moments at which workers are counted.
const MOMENTS: usize = 240;

/// One row; memory in bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Row<'a> {
    /// The time as it is written, in the unit of its column.
    pub t: Option<f64>,
    pub requests: Option<u64>,
    pub memory: Option<u64>,
    /// How the memory was written, where its unit is.
    pub written: Option<Written>,
    pub swap: Option<u64>,
    pub shared: Option<u64>,
    pub wider: Option<u64>,
    pub descriptors: Option<u64>,
    pub threads: Option<u64>,
    /// Values of the watched columns, in their order; what is missing is NaN.
    pub beside: Vec<f64>,
    /// Requests per second.
    pub load: Option<f64>,
    pub worker: Option<Cow<'a, [u8]>>,
    pub pid: Option<u32>,
    /// What the process runs.
    pub command: Option<&'a [u8]>,
    pub start: Option<u64>,
    /// Of all that isn't read: it changes where anything does.
    pub pulse: u64,
    /// Which of the worker's lives it is of, where the source knows when one has ended.
    pub life: u64,
}

/// A row as it is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw {
    /// Place of whose it is among the keys.
    pub(super) key: u32,
    /// Its place in the file.
    pub order: u64,
    /// Seconds, once the clock is known.
    pub t: f64,
    pub requests: Option<u64>,
    pub memory: Option<u64>,
    pub swap: Option<u64>,
    pub shared: Option<u64>,
    pub wider: Option<u64>,
    pub descriptors: Option<u64>,
    pub threads: Option<u64>,
    pub load: Option<f64>,
    pub pulse: u64,
    pub life: u64,
    /// What the process runs, as it is told and the program alone.
    pub command: Option<[u64; 2]>,
}

impl Raw {
    /// Whether all that was read is the same.
    pub fn is_as(&self, other: &Raw) -> bool {
        let all = |raw: &Raw| {
            let sizes = [raw.memory, raw.swap, raw.shared, raw.wider];
            (sizes, raw.requests, raw.descriptors, raw.threads, raw.load.map(f64::to_bits), raw.pulse)
        };
        all(self) == all(other)
    }
}

impl Reading for Raw {
    type Of = u32;

    fn place(&self) -> (u32, f64) {
        (self.key, self.t)
    }
}

/// What tells workers apart in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Place of the worker's name among the names.
    pub worker: Option<u32>,
    pub pid: Option<u32>,
    pub start: Option<u64>,
}

/// Takes readings and makes a record of them.
#[derive(Debug)]
pub(super) struct Collector {
    pub(super) columns: Columns,
    /// Names of the columns, to be shown.
    pub(super) header: Vec<String>,
    pub(super) mapping: Mapping,
    thinner: Thinner<Raw>,
    raws: Vec<Raw>,
    names: HashMap<Vec<u8>, u32>,
    /// The names as they are shown, by their place.
    pub(super) called: Vec<String>,
    keys: Vec<Key>,
    places: HashMap<Key, u32>,
    pub(super) rows: u64,
    /// Rows without a time, or without the count of requests that has to stand for it.
    pub(super) timeless: u64,
    rounding: Rounding,
    pub(super) form: Form,
    /// Whether a time that is a number began with a 0.
    pub(super) padded: bool,
    /// Whether all ages may be minutes and seconds, or hours and minutes.
    pub(super) may_be_hours: bool,
    /// What was taken for granted of thousands.
    pub(super) grouped: Option<String>,
    /// A size with a unit of its own.
    pub(super) own_unit: Option<String>,
    /// The line that was torn off.
    pub(super) torn: Option<u64>,
    /// What else is to be told.
    pub(super) remarks: Vec<String>,
    /// Whether the tool has no more to say of a process that is dead.
    sees_ends: bool,
    /// Up to when readings were asked for; up to the last one, if that isn't known.
    pub(super) until: Option<f64>,
    /// Columns that are not judged, and may grow.
    beside: Beside,
}

impl Default for Collector {
    fn default() -> Self {
        Collector {
            columns: Columns::default(),
            header: Vec::new(),
            mapping: Mapping::default(),
            thinner: Thinner::new(MOST_READINGS),
            raws: Vec::new(),
            names: HashMap::new(),
            called: Vec::new(),
            keys: Vec::new(),
            places: HashMap::new(),
            rows: 0,
            timeless: 0,
            rounding: Rounding::default(),
            form: Form::Number,
            padded: false,
            may_be_hours: false,
            grouped: None,
            own_unit: None,
            torn: None,
            remarks: Vec::new(),
            sees_ends: false,
            until: None,
            beside: Beside::default(),
        }
    }
}

impl Collector {
    /// Says what the table has.
    pub fn has(&mut self, columns: &Columns, header: &[Vec<u8>], mapping: &Mapping) {
        self.columns = columns.clone();
        self.header = header.iter().map(|name| shown(name)).collect();
        self.mapping = mapping.clone();
        if names::is_own(header) || mapping.requests.as_deref() == Some(names::OWN_COUNT) {
            self.mapping.requests_of.get_or_insert(RequestsOf::Worker);
        }
    }

    /// Says how times and numbers were read.
    pub fn read_with(&mut self, clock: &Clock, grouped: Option<String>, own_unit: Option<String>) {
        (self.form, self.padded, self.may_be_hours) = (clock.form(), clock.padded, clock.may_be_hours());
        self.grouped = grouped;
        self.own_unit = own_unit;
    }

    /// Says that the tool reads processes themselves, so that a dead one has no more rows.
    pub fn sees_ends(&mut self) {
        self.sees_ends = true;
    }

    /// Says what a reader of the verdict should know of this form.
    pub fn remark(&mut self, text: String) {
        self.remarks.push(text);
    }

    /// Says that the last line was left out.
    pub fn torn(&mut self, line: u64) {
        self.torn = Some(line);
    }

    /// Takes the next row.
    pub fn add(&mut self, reading: &Row) -> Result<(), String> {
        self.rows += 1;
        let t = if self.columns.time.is_some() { reading.t } else { Some(self.rows as f64) };
        let Some(t) = t else {
            self.timeless += 1;
            return Ok(());
        };
        // Nothing is no example of how sizes are rounded.
        if let Some(written) = reading.written.filter(|_| reading.memory != Some(0)) {
            self.rounding.take(written);
        }
        let key = self.key(reading)?;
        for (column, value) in self.columns.watched.iter().zip(&reading.beside).filter(|(_, value)| value.is_finite()) {
            self.beside.take(key, *column, t, *value);
        }
        // A name that isn't needed to tell processes apart is that of the program.
        let also_named = reading.worker.as_deref().filter(|_| reading.start.is_some() && reading.pid.is_some());
        let raw = Raw {
            key,
            order: self.rows,
            t,
            requests: reading.requests.filter(|_| self.columns.requests.is_some()),
            memory: reading.memory,
            swap: if self.columns.swap.is_some() { reading.swap } else { Some(0) },
            shared: reading.shared,
            wider: reading.wider,
            descriptors: reading.descriptors,
            threads: reading.threads,
            load: reading.load,
            pulse: reading.pulse,
            life: reading.life,
            command: reading.command.or(also_named).and_then(programs::of),
        };
        self.thinner.push(&mut self.raws, raw);
        Ok(())
    }

    fn key(&mut self, reading: &Row) -> Result<u32, String> {
        // With its start time, a process needs no other name than its PID.
        let alone = reading.start.is_some() && reading.pid.is_some();
        let named = reading.worker.as_deref().filter(|name| !name.is_empty() && !alone);
        let worker = match named {
            None => None,
            Some(name) => match self.names.get(name) {
                Some(place) => Some(*place),
                None => {
                    let place = self.names.len() as u32;
                    if self.names.len() >= MOST_WORKERS {
                        return Err(too_many());
                    }
                    self.names.insert(name.to_vec(), place);
                    self.called.push(shown(name));
                    Some(place)
                }
            },
        };
        let key = Key { worker, pid: reading.pid, start: reading.start };
        if let Some(place) = self.places.get(&key) {
            return Ok(*place);
        }
        if self.keys.len() >= MOST_WORKERS {
            return Err(too_many());
        }
        let place = self.keys.len() as u32;
        self.places.insert(key, place);
        self.keys.push(key);
        Ok(place)
    }

    /// The record of all readings, as one of a run called `name`.
    pub fn finish(mut self, name: &str) -> Result<Table, String> {
        let mut raws = std::mem::take(&mut self.raws);
        let thinner = std::mem::replace(&mut self.thinner, Thinner::new(MOST_READINGS));
        let thinned = thinner.finish(&mut raws, "the workers");
        if raws.is_empty() {
            return Err(match self.rows {
                0 => "it has no rows".into(),
                rows => format!("none of its {rows} rows has a time"),
            });
        }
        raws.sort_by_key(|raw| raw.order);
        let clock = self.set_times(&mut raws)?;
        let mut courses = self.courses(raws);
        let mut order = Order::Kept;
        for course in &mut courses {
            order = order.max(course.arrange(clock.absolute));
            course.begin_lives();
            programs::begin(course);
        }
        if order == Order::Reversed {
            self.check_reversed(&courses)?;
        }
        self.check_times(&courses)?;
        let counts = counts::settle(&mut courses, &self.mapping, !thinned.is_empty())?;
        let known = |key: Key| key.start.is_some() || key.pid.is_some_and(|pid| pid > 1);
        let dead = courses.iter_mut().map(Course::leave_out_zeros).sum();
        courses.retain(|course| !course.raws.is_empty());
        if courses.is_empty() {
            return Err("its memory is 0 in every row: expected what living processes have".into());
        }
        self.check_values(&courses)?;
        self.check_sizes(&courses)?;
        if !self.sees_ends {
            let last = courses.iter().flat_map(|course| &course.raws).map(|raw| raw.t);
            let end = self.until.unwrap_or_else(|| last.fold(f64::NEG_INFINITY, f64::max));
            let by_moments = self.until.is_some();
            let repeated: u64 = courses.iter_mut().map(|course| course.leave_out_repeated(end, by_moments)).sum();
            if repeated > 0 {
                self.remark(format!(
                    "{repeated} readings before an end or a gap were left out: they repeat an older one, as Prometheus does for 5 min"
                ));
            }
        }
        let mut doubts = Vec::new();
        let mut restarts = 0;
        let many = courses.len() > 1;
        for course in &mut courses {
            let whose = if many { self.whose(course.key) } else { String::new() };
            if !self.sees_ends {
                doubts.extend(lives::held(course, &whose));
            }
            doubts.extend(lives::uncounted(course, &whose));
            if !known(course.key) && !counts.each_runs() {
                restarts += lives::cut(course, &whose, &mut doubts);
            }
        }
        let column = |index: usize| self.header.get(index).cloned().unwrap_or_default();
        let whose = |key: u32| {
            if many { self.keys.get(key as usize).map_or(String::new(), |key| self.whose(*key)) } else { String::new() }
        };
        doubts.extend(self.beside.doubt(column, whose));
        lives::keep_worst(&mut doubts);
        let mut understood = told::understood(&self, &clock, &counts, &courses, doubts);
        let notes = told::notes(&self, order, dead, restarts, thinned);
        let samples = self.samples(&courses, &counts)?;
        understood.there_before = there_before(&samples, &courses, clock.absolute);
        Ok(self.table(name, samples, &courses, &counts, (understood, notes)))
    }

    fn courses(&self, raws: Vec<Raw>) -> Vec<Course> {
        let mut of: Vec<Vec<Raw>> = vec![Vec::new(); self.keys.len()];
        for raw in raws {
            if let Some(list) = of.get_mut(raw.key as usize) {
                list.push(raw);
            }
        }
        let courses = self.keys.iter().zip(of).map(|(key, raws)| Course::new(*key, raws));
        courses.filter(|course| !course.raws.is_empty()).collect()
    }

    /// What a worker is called.
    pub fn whose(&self, key: Key) -> String {
        match (key.worker.and_then(|place| self.called.get(place as usize)), key.pid) {
            (Some(name), _) => name.clone(),
            (None, Some(pid)) => format!("PID {pid}"),
            (None, None) => String::new(),
        }
    }

    fn samples(&self, courses: &[Course], counts: &Counts) -> Result<Vec<Sample>, String> {
        let mut incarnations = 0usize;
        let mut samples = Vec::with_capacity(courses.iter().map(|course| course.raws.len()).sum());
        for course in courses {
            let Key { worker, pid, start } = course.key;
            let pid = pid.or(worker.map(|place| place + 1)).unwrap_or(1);
            for (place, life) in course.lives().enumerate() {
                // Without start times, their order tells incarnations apart.
                let start = start.filter(|_| place == 0).unwrap_or(incarnations as u64);
                incarnations += 1;
                if incarnations > MOST_WORKERS {
                    return Err(too_many());
                }
                let id = WorkerId::new(pid, start);
                samples.extend(life.iter().map(|raw| {
                    let mut sample = Sample::new(raw.t, id);
                    (sample.anon, sample.swap) = (raw.memory, raw.swap);
                    (sample.shmem, sample.wider) = (raw.shared, raw.wider);
                    (sample.fds, sample.threads) = (raw.descriptors, raw.threads);
                    sample.requests = raw.requests.filter(|_| counts.pool.is_none());
                    sample
                }));
            }
        }
        samples.sort_by(|a, b| a.t.total_cmp(&b.t));
        Ok(samples)
    }

    fn table(
        &self,
        name: &str,
        mut samples: Vec<Sample>,
        courses: &[Course],
        counts: &Counts,
        (understood, notes): (crate::model::Understood, Vec<String>),
    ) -> Table {
        let start = samples.first().map_or(0.0, |sample| sample.t);
        samples.iter_mut().for_each(|sample| sample.t -= start);
        let end = samples.last().map_or(0.0, |sample| sample.t);
        let mut load = match &counts.pool {
            Some(pool) => {
                pool.iter().map(|(t, sent)| LoadSample { t: *t, sent: *sent, ..LoadSample::default() }).collect()
            }
            None => loads(courses),
        };
        load.iter_mut().for_each(|load| load.t -= start);
        let mut meta = self.meta(name, end, counts);
        meta.understood = Some(Box::new(understood));
        let census = if self.columns.memory.len() > 1 { Vec::new() } else { census(courses, start, start + end) };
        let record = RunRecord {
            meta,
            load,
            census,
            samples,
            host: Vec::new(),
            maps: Vec::new(),
            metrics: Vec::new(),
            events: Vec::new(),
            heap: Default::default(),
            services: Vec::new(),
        };
        Table { record, notes }
    }

    fn meta(&self, name: &str, elapsed: f64, counts: &Counts) -> RunMeta {
        let counted = self.columns.requests.is_some();
        let host = Host { page: self.step(), ..Host::default() };
        let counting = Counting {
            source: if counted { CountingSource::Table } else { CountingSource::None },
            per_worker: counted && counts.pool.is_none(),
            worth: match (&counts.pool, self.mapping.requests_of) {
                (None, _) => String::new(),
                (Some(_), None) => {
                    "every worker has the same count at each time: it is taken as the pool's, and shared out evenly"
                        .into()
                }
                (Some(_), Some(_)) => "the count is said to be the pool's: it is shared out evenly".into(),
            },
        };
        let begun = RunMeta::begun(name.into(), (String::new(), name.into()), host, Target::default(), counting);
        RunMeta { elapsed: Some(elapsed), status: RunStatus::Complete, ..begun }
    }

    /// Bytes to which memory was rounded: a page, or the last digit that was written.
    fn step(&self) -> u64 {
        self.rounding.step().max(PAGE)
    }
}

/// Workers that were there before the first reading of all: those of its moment, and those whose start, as Unix time, is before it.
fn there_before(samples: &[Sample], courses: &[Course], absolute: bool) -> BTreeSet<WorkerId> {
    let longest = courses.iter().max_by_key(|course| course.raws.len());
    let times: Vec<f64> = longest.into_iter().flat_map(|course| &course.raws).map(|raw| raw.t).collect();
    let first = samples.first().map_or(0.0, |sample| sample.t);
    let (start, step) = (first, 1.5 * clock::typical_step(&times));
    // In seconds, or in milliseconds as dates are kept.
    let seconds = |birth: u64| if birth > 100_000_000_000 { birth as f64 / 1e3 } else { birth as f64 };
    let before = |birth: u64| absolute && (9e8..start).contains(&seconds(birth));
    let there = samples.iter().filter(|sample| sample.t <= first + step || before(sample.worker.birth()));
    there.map(|sample| sample.worker).collect()
}

/// The course of the load.
fn loads(courses: &[Course]) -> Vec<LoadSample> {
    let mut all: Vec<(f64, f64)> =
        courses.iter().flat_map(|course| &course.raws).filter_map(|raw| Some((raw.t, raw.load?))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut spacing = LOAD_SPACING;
    let kept = loop {
        let mut kept: Vec<(f64, f64)> = Vec::new();
        for (t, load) in &all {
            if kept.last().is_none_or(|(last, _)| t - last >= spacing) {
                kept.push((*t, *load));
            }
        }
        if kept.len() <= MOST_LOADS {
            break kept;
        }
        spacing *= 2.0;
    };
    let sample =
        |(t, load): (f64, f64)| LoadSample { t, sent: (load.max(0.0) * FINE).round() as u64, ..LoadSample::default() };
    kept.into_iter().map(sample).collect()
}

/// How many workers there were, and what they held together: workers that pile up show in nothing else.
fn census(courses: &[Course], start: f64, end: f64) -> Vec<Census> {
    let readings: usize = courses.iter().map(|course| course.raws.len()).sum();
    let spans: Vec<&[Raw]> = courses.iter().flat_map(Course::lives).filter(|life| !life.is_empty()).collect();
    if spans.len() < 2 || end <= start {
        return Vec::new();
    }
    let step = |course: &Course| clock::typical_step(&course.raws.iter().map(|raw| raw.t).collect::<Vec<_>>());
    let gap = 1.5 * courses.iter().max_by_key(|course| course.raws.len()).map_or(0.0, step);
    let moments = MOMENTS.min(readings);
    let moment = |i: usize| start + (end - start) * i as f64 / (moments.max(2) - 1) as f64;
    let one = |t: f64| {
        let alive = spans.iter().filter(|life| life[0].t <= t && t <= life[life.len() - 1].t + gap);
        let memory = alive.clone().map(|life| {
            let place = life.partition_point(|raw| raw.t <= t).saturating_sub(1);
            life[place].memory.unwrap_or(0).saturating_add(life[place].swap.unwrap_or(0))
        });
        let workers_memory = Some(memory.fold(0, u64::saturating_add));
        let workers = alive.count() as u64;
        Census { t: t - start, processes: workers, workers, workers_memory, ..Census::default() }
    };
    (0..moments).map(|i| one(moment(i))).collect()
}

fn too_many() -> String {
    format!("more than {MOST_WORKERS} incarnations of workers: is another column the worker or PID?")
}
