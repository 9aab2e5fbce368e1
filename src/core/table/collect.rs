//! From readings, row by row, to a record: which incarnation each one belongs to, and not more of them than memory
//! should hold.

use super::Table;
use super::columns::{Columns, MemoryKind};
use crate::model::{
    Counting, CountingSource, Host, LoadSample, MOST_READINGS, RunMeta, RunRecord, RunStatus, Sample, Target, Thinner,
    WorkerId,
};
use std::collections::HashMap;

/// Incarnations in one table.
const MOST_WORKERS: usize = 100_000;
/// Values of the load that are kept.
const MOST_LOADS: usize = 100_000;
/// Parts of a request in which load is kept: only its course counts, and there may be less than one request a second.
const FINE: f64 = 1000.0;
/// Seconds between values of the load.
const LOAD_SPACING: f64 = 0.5;
/// Rows from which on it can be told that a count of requests is none.
const ENOUGH_ROWS: u64 = 20;
/// The page size, to which memory is rounded at least.
const PAGE: u64 = 4096;

/// One row; memory in bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Row<'a> {
    /// Seconds since any moment.
    pub t: Option<f64>,
    pub requests: Option<u64>,
    pub memory: Option<u64>,
    /// Digits after the point that the memory was written with.
    pub decimals: u8,
    pub swap: Option<u64>,
    pub descriptors: Option<u64>,
    pub threads: Option<u64>,
    /// Requests per second.
    pub load: Option<f64>,
    pub worker: Option<&'a [u8]>,
    pub pid: Option<u32>,
    pub start: Option<u64>,
}

/// What tells workers apart in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// Place of the worker's name among the names.
    worker: Option<u32>,
    pid: Option<u32>,
    start: Option<u64>,
}

/// Where the worker with one key stands.
#[derive(Debug)]
struct Current {
    id: WorkerId,
    /// First and last time of this incarnation.
    first: f64,
    last: f64,
    requests: Option<u64>,
}

/// Takes readings and makes a record of them.
#[derive(Debug)]
pub(super) struct Collector {
    columns: Columns,
    thinner: Thinner<Sample>,
    samples: Vec<Sample>,
    /// Time, and requests per second.
    load: Vec<(f64, f64)>,
    load_spacing: f64,
    names: HashMap<Vec<u8>, u32>,
    current: HashMap<Key, Current>,
    incarnations: usize,
    rows: u64,
    /// Rows without a time, or without the count of requests that has to stand for it.
    timeless: u64,
    /// Times that a count of requests fell.
    falls: u64,
    decimals: u8,
}

impl Default for Collector {
    fn default() -> Self {
        Collector {
            columns: Columns::default(),
            thinner: Thinner::new(MOST_READINGS),
            samples: Vec::new(),
            load: Vec::new(),
            load_spacing: LOAD_SPACING,
            names: HashMap::new(),
            current: HashMap::new(),
            incarnations: 0,
            rows: 0,
            timeless: 0,
            falls: 0,
            decimals: 0,
        }
    }
}

impl Collector {
    /// Says what the table has.
    pub fn has(&mut self, columns: &Columns) {
        self.columns = columns.clone();
    }

    /// Takes the next row.
    pub fn add(&mut self, reading: &Row) -> Result<(), String> {
        self.rows += 1;
        let t = if self.columns.time.is_some() { reading.t } else { Some(self.rows as f64) };
        let Some(t) = t else {
            self.timeless += 1;
            return Ok(());
        };
        self.decimals = self.decimals.max(reading.decimals);
        let key = self.key(reading)?;
        let renewed = match self.current.get(&key) {
            None => true,
            Some(_) if key.start.is_some() => false,
            Some(now) => {
                // A counter falls only when it begins anew; a clock may also be set back a little.
                let fell = now.requests.zip(reading.requests).is_some_and(|(was, is)| is < was);
                self.falls += u64::from(fell);
                fell || t - now.first < 0.5 * (now.last - now.first) && t < now.last
            }
        };
        if renewed {
            self.begin(key, t)?;
        }
        let Some(now) = self.current.get_mut(&key) else { return Ok(()) };
        now.last = now.last.max(t);
        now.requests = reading.requests.or(now.requests);
        let mut sample = Sample::new(t, now.id);
        sample.anon = reading.memory;
        sample.swap = if self.columns.swap.is_some() { reading.swap } else { Some(0) };
        sample.fds = reading.descriptors;
        sample.threads = reading.threads;
        sample.requests = reading.requests;
        self.thinner.push(&mut self.samples, sample);
        if let Some(load) = reading.load {
            self.add_load(t, load);
        }
        Ok(())
    }

    fn key(&mut self, reading: &Row) -> Result<Key, String> {
        // With its start time, a process needs no other name.
        let named = reading.worker.filter(|name| !name.is_empty() && reading.start.is_none());
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
                    Some(place)
                }
            },
        };
        Ok(Key { worker, pid: reading.pid, start: reading.start })
    }

    /// Begins a new incarnation.
    fn begin(&mut self, key: Key, t: f64) -> Result<(), String> {
        if self.incarnations >= MOST_WORKERS {
            return Err(too_many());
        }
        // Without start times, the order in the file tells incarnations apart.
        let start = key.start.unwrap_or(self.incarnations as u64);
        let pid = key.pid.or(key.worker.map(|place| place + 1)).unwrap_or(1);
        self.incarnations += 1;
        let id = WorkerId { pid, start };
        self.current.insert(key, Current { id, first: t, last: t, requests: None });
        Ok(())
    }

    fn add_load(&mut self, t: f64, load: f64) {
        if self.load.last().is_some_and(|(last, _)| t - last < self.load_spacing) {
            return;
        }
        self.load.push((t, load.max(0.0)));
        if self.load.len() > MOST_LOADS {
            self.load_spacing *= 2.0;
            let mut place = 0;
            self.load.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
    }

    /// The record of all readings, as one of a run called `name`.
    pub fn finish(mut self, name: &str) -> Result<Table, String> {
        let mut samples = std::mem::take(&mut self.samples);
        let thinned =
            std::mem::replace(&mut self.thinner, Thinner::new(MOST_READINGS)).finish(&mut samples, "the workers");
        if samples.is_empty() {
            return Err(match self.rows {
                0 => "it has no rows".into(),
                rows => format!("none of its {rows} rows has a time"),
            });
        }
        if self.rows >= ENOUGH_ROWS && self.falls * 3 > self.rows {
            return Err(format!(
                "the count of requests falls in {} of {} rows: expected the requests served so far, for each worker",
                self.falls, self.rows
            ));
        }
        let start = samples.iter().map(|s| s.t).fold(f64::INFINITY, f64::min);
        samples.iter_mut().for_each(|s| s.t -= start);
        let end = samples.iter().map(|s| s.t).fold(0.0, f64::max);
        let load = self.load.iter().map(|(t, load)| LoadSample {
            t: t - start,
            sent: (load * FINE).round() as u64,
            ..LoadSample::default()
        });
        let mut notes = self.notes();
        notes.extend(thinned);
        let record = RunRecord {
            meta: self.meta(name, end),
            load: load.collect(),
            census: Vec::new(),
            samples,
            host: Vec::new(),
            events: Vec::new(),
            heap: Default::default(),
        };
        Ok(Table { record, notes })
    }

    fn meta(&self, name: &str, elapsed: f64) -> RunMeta {
        let counted = self.columns.requests.is_some();
        let host = Host { page: self.step(), ..Host::default() };
        let counting = Counting {
            source: if counted { CountingSource::Table } else { CountingSource::None },
            per_worker: counted,
            worth: String::new(),
        };
        let begun = RunMeta::begun(name.into(), (String::new(), name.into()), host, Target::default(), counting);
        RunMeta { elapsed: Some(elapsed), status: RunStatus::Complete, ..begun }
    }

    /// Bytes to which memory was rounded: a page, or the last digit that was written.
    fn step(&self) -> u64 {
        let unit = self.columns.memory.map_or(1, |(_, unit)| unit);
        (unit / 10u64.pow(u32::from(self.decimals))).max(PAGE)
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |text: String| notes.push(text);
        if self.columns.memory.is_some() {
            let swap = self.columns.swap.is_none();
            let beside = if swap { "; swapped memory isn't in the file and is taken as none" } else { "" };
            match self.columns.kind {
                MemoryKind::Anonymous if swap => note("swapped memory isn't in the file and is taken as none".into()),
                MemoryKind::Anonymous | MemoryKind::Unknown => {}
                MemoryKind::Private => note(format!(
                    "private memory is judged for want of anonymous memory: inherited pages that are written to count as \
                     growth{beside}"
                )),
                MemoryKind::Resident => note(format!(
                    "resident memory is judged for want of anonymous memory: file and shared pages count as growth{beside}"
                )),
            }
        }
        if self.columns.time.is_none() {
            note("the file has no time: readings stand one second apart".into());
        }
        if self.timeless > 0 {
            note(format!("{} rows without a time were left out", self.timeless));
        }
        notes
    }
}

fn too_many() -> String {
    format!("more than {MOST_WORKERS} incarnations of workers: is another column the worker or PID?")
}
