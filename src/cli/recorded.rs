//! What was recorded, by seepage or by another tool, for every command that judges or shows it.

use super::budget::{self, RecordedBudget, ResourceBudget};
use super::problem::Problem;
use crate::answer::ExitCode;
use crate::config::{self, Span};
use crate::model::{self, Bytes, Event, EventKind, RunRecord, format_seconds};
use crate::store::{self, ReadError};
use crate::table::{self, Decimal, Mapping, RequestsAre, RequestsOf, Table, usual_budgets};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, BufRead, Read};
use std::path::Path;
use std::rc::Rc;

/// What a file begins with that gzip or zstd compressed.
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// Whether it begins with a frame of zstd that other programs use for themselves, as `pzstd` does.
fn is_skippable(begin: &[u8]) -> bool {
    begin.len() >= 4 && begin[0] & 0xf0 == 0x50 && begin[1..4] == *b"\x2a\x4d\x18"
}

/// How it is read, and what is allowed of it.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Growth that is allowed, such as `64 B/request`, `1 MiB/hour` or `24 MiB/day`; in all of the time, `10 MiB`; or in parts of the
    /// first level, `5%` or `1%/day`. May be given again for other resources: `descriptors=0.01/request`, `threads=60/hour`,
    /// `tmpfs=64 B/request`. By default the run's own, and for a file 64 B, 0.01 descriptors and 0.01 threads per request, or 1 MiB,
    /// 60 and 60 per hour if it has no requests.
    #[arg(long, value_name = "[RESOURCE=]AMOUNT", allow_hyphen_values = true)]
    budget: Vec<RecordedBudget>,
    /// How long the processes of a table warm up, such as `10m`: so much of the begin of each life isn't judged.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    warm_up: Option<Span>,
    #[command(flatten)]
    columns: Columns,
}

impl How {
    /// Checks what can be checked before anything is read.
    ///
    /// # Errors
    /// If the budgets don't agree on what they are for.
    pub fn check(&self) -> Result<(), Problem> {
        budget::recorded_basis(&self.budget).map(drop).map_err(|error| Problem::new(ExitCode::Usage, error))
    }

    /// Whether nothing is said of it.
    pub fn is_usual(&self) -> bool {
        self.budget.is_empty() && self.warm_up.is_none() && self.columns.mapping() == Mapping::default()
    }

    /// Reads a run directory, or a table that another tool wrote.
    ///
    /// # Errors
    /// If it can't be read; the text says where.
    pub fn read(&self, input: &Path) -> Result<RunRecord, String> {
        let mut record = match (input.is_dir(), self.warm_up) {
            (true, Some(_)) => {
                return Err(format!(
                    "{}: --warm-up is for tables; that of a run is a phase of its harness file, or was given to `attach`",
                    input.display()
                ));
            }
            (true, None) if self.columns.mapping() != Mapping::default() => {
                return Err(format!(
                    "{}: it is a run directory, which has no columns: --memory and the like are for tables",
                    input.display()
                ));
            }
            (true, None) => store::read(input).map_err(|error| match error {
                ReadError::NotARun { .. } => format!("{error}; of a directory of tables, give the files"),
                error => error.to_string(),
            })?,
            (false, _) => read_table(input, &self.columns.mapping())?,
        };
        if let Some(warm_up) = self.warm_up {
            cut_warm_up(&mut record, warm_up.0.as_secs_f64())
                .map_err(|error| format!("{}: {error}", input.display()))?;
        }
        put_budgets(&self.budget, &mut record, None).map_err(|error| format!("{}: {error}", input.display()))?;
        Ok(record)
    }

    /// The same for a command that shows it.
    ///
    /// # Errors
    /// As those of [`How::check`] and [`How::read`].
    pub fn shown(&self, input: &Path) -> Result<RunRecord, Problem> {
        self.check()?;
        self.read(input).map_err(|what| Problem::new(ExitCode::Failure, what))
    }
}

/// Which column of a CSV is what, where its name doesn't say it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Columns of a CSV")]
struct Columns {
    /// Column of the time, in seconds or the unit that its name ends in.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// Column of the requests served so far by the worker.
    #[arg(long, value_name = "COLUMN")]
    requests: Option<String>,
    /// Column of the memory to judge, in the unit that its name ends in; `pod-*` is several, each a worker's.
    #[arg(long, value_name = "COLUMN")]
    memory: Option<String>,
    /// Unit of the memory columns, whatever their names say: B, KiB, MiB, GiB, kB, MB or GB.
    #[arg(long, value_name = "UNIT", value_parser = memory_unit)]
    memory_unit: Option<u64>,
    /// Column of the swapped memory; `none` says that the table has none of its processes'.
    #[arg(long, value_name = "COLUMN")]
    swap: Option<String>,
    /// Column of the worker's name; several with commas between name it together.
    #[arg(long, value_name = "COLUMN")]
    worker: Option<String>,
    /// Column of when the process began, which tells its lives apart.
    #[arg(long, value_name = "COLUMN")]
    start: Option<String>,
    /// Column of the process ID.
    #[arg(long, value_name = "COLUMN")]
    pid: Option<String>,
    /// Column of the open descriptors.
    #[arg(long, value_name = "COLUMN")]
    fds: Option<String>,
    /// Column of the threads.
    #[arg(long, value_name = "COLUMN")]
    threads: Option<String>,
    /// Column of the load, in requests per second.
    #[arg(long, value_name = "COLUMN")]
    load: Option<String>,
    /// Unit of times that are numbers: s, ms, us, ns, min, h, or days (as Excel has them).
    #[arg(long, value_name = "UNIT", value_parser = table::seconds_in)]
    time_unit: Option<f64>,
    /// How times are written, as for `date +FORMAT`, such as '%d/%m/%Y %H:%M:%S'.
    #[arg(long, value_name = "FORMAT", value_parser = time_format)]
    time_format: Option<String>,
    /// What parts fractions in numbers: `point` (1,234.5) or `comma` (1.234,5).
    #[arg(long, value_enum, value_name = "MARK")]
    decimal: Option<DecimalMark>,
    /// What the column of requests counts: `running` those served so far, `interval` those since the row before.
    #[arg(long, value_enum, value_name = "WHAT")]
    requests_are: Option<Counted>,
    /// Whose requests it counts: those that the `worker` of the row served, or those of the whole `pool`.
    #[arg(long, value_enum, value_name = "WHOSE")]
    requests_of: Option<CountedOf>,
    /// Reads only rows whose column has this value; may be given again.
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = filter)]
    filters: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DecimalMark {
    Point,
    Comma,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Counted {
    Running,
    Interval,
}

/// Whose requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CountedOf {
    /// Those that the worker served.
    Worker,
    /// Those that all workers served together.
    Pool,
}

impl CountedOf {
    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            CountedOf::Worker => "worker",
            CountedOf::Pool => "pool",
        }
    }
}

impl From<CountedOf> for RequestsOf {
    fn from(of: CountedOf) -> Self {
        match of {
            CountedOf::Worker => RequestsOf::Worker,
            CountedOf::Pool => RequestsOf::Pool,
        }
    }
}

impl Columns {
    fn mapping(&self) -> Mapping {
        Mapping {
            time: self.time.clone(),
            requests: self.requests.clone(),
            memory: self.memory.clone(),
            memory_unit: self.memory_unit,
            swap: self.swap.clone(),
            worker: self.worker.clone(),
            pid: self.pid.clone(),
            descriptors: self.fds.clone(),
            threads: self.threads.clone(),
            load: self.load.clone(),
            start: self.start.clone(),
            time_unit: self.time_unit,
            time_format: self.time_format.clone(),
            decimal: self.decimal.map(|mark| match mark {
                DecimalMark::Point => Decimal::Point,
                DecimalMark::Comma => Decimal::Comma,
            }),
            requests_are: self.requests_are.map(|counted| match counted {
                Counted::Running => RequestsAre::Running,
                Counted::Interval => RequestsAre::Interval,
            }),
            requests_of: self.requests_of.map(RequestsOf::from),
            filters: self.filters.clone(),
        }
    }
}

fn time_format(text: &str) -> Result<String, String> {
    table::check_format(text).map(|()| text.to_owned())
}

fn filter(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    parts.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "expected COLUMN=VALUE".into())
}

fn memory_unit(text: &str) -> Result<u64, String> {
    if matches!(text, "KB" | "kb" | "K" | "k") {
        return Err("it may be 1000 bytes or 1024: write kB for 1000, KiB for 1024".into());
    }
    let unit = format!("1 {text}").parse::<Bytes>();
    unit.map(|b| b.0).map_err(|_| "expected B, KiB, MiB, GiB, kB, MB or GB".into())
}

/// Puts the budgets that were given in the place of a run's own, and notes how they follow from what was written. If they are for
/// another unit, the run's others count no more. What is allowed in all is allowed in `seconds`, or in all that was recorded.
///
/// # Errors
/// If one can't be said of this record.
pub fn put_budgets(given: &[RecordedBudget], record: &mut RunRecord, seconds: Option<f64>) -> Result<(), String> {
    if let Some(per) = budget::recorded_basis(given)?.filter(|per| *per != record.meta.budgets.per) {
        record.meta.budgets = model::Budgets { per, ..model::Budgets::default() };
    }
    if !given.is_empty() {
        // What was accepted was held against other budgets.
        record.meta.accepted = None;
    }
    for given in given {
        let (ResourceBudget { resource, budget }, note) = given.of(record, seconds)?;
        record.meta.budgets.allow(resource, Some(budget.amount));
        let t = record.samples.first().map_or(0.0, |sample| sample.t);
        record.events.extend(note.map(|text| Event { t, kind: EventKind::Note { text } }));
    }
    Ok(())
}

/// Leaves out the first `seconds` of each life.
fn cut_warm_up(record: &mut RunRecord, seconds: f64) -> Result<(), String> {
    let before = record.samples.len();
    let mut begun = HashMap::new();
    // Samples stand in the order of time.
    record.samples.retain(|sample| sample.t >= *begun.entry(sample.worker).or_insert(sample.t) + seconds);
    let cut = format_seconds(seconds);
    if record.samples.is_empty() {
        return Err(format!("no life is longer than --warm-up {cut}: expected a shorter one"));
    }
    let text = format!(
        "the first {cut} of each life are its warm-up: {} of {before} readings are left out",
        before - record.samples.len()
    );
    let t = record.samples.first().map_or(0.0, |sample| sample.t);
    record.events.push(Event { t, kind: EventKind::Note { text } });
    Ok(())
}

/// Standard input or a file, without the compression of gzip or zstd.
fn open(input: &Path) -> Result<(Box<dyn Read>, CutOff), String> {
    let failed = |error: io::Error| {
        let server = input.to_str().is_some_and(|text| text.starts_with("http://") || text.starts_with("https://"));
        let advice = if server { "; what a server of metrics has, `seepage fleet URL` judges" } else { "" };
        format!("could not read {}: {error}{advice}", input.display())
    };
    let file: Box<dyn Read> = if input == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(config::open_input(input).map_err(failed)?)
    };
    let mut file = io::BufReader::new(file);
    // What comes through a pipe may come in pieces, but never in one of a single byte.
    let begin = file.fill_buf().map_err(failed)?;
    let cut_off = CutOff::default();
    let file: Box<dyn Read> = if begin.starts_with(GZIP) {
        Box::new(Gzip { decoder: MultiGzDecoder::new(file), cut_off: CutOff::clone(&cut_off) })
    } else if begin.starts_with(ZSTD) || is_skippable(begin) {
        Box::new(Zstd::new(file))
    } else {
        Box::new(file)
    };
    Ok((file, cut_off))
}

/// Whether what was compressed ended in the middle.
type CutOff = Rc<Cell<bool>>;

/// What gzip compressed: where it is cut off, it ends, as a file does whose last line is torn.
struct Gzip<R> {
    decoder: MultiGzDecoder<R>,
    cut_off: CutOff,
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.decoder.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.cut_off.set(true);
                Ok(0)
            }
            read => read,
        }
    }
}

/// What zstd compressed, frame by frame: one after the other, as `zstd` appends them, and between them what other programs put there, as
/// `pzstd` does.
struct Zstd<R: Read> {
    decoder: FrameDecoder,
    rest: AtEnd<R>,
    /// Whether there is a frame that the decoder has begun.
    within: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(inner: R) -> Self {
        Zstd { decoder: FrameDecoder::new(), rest: AtEnd { inner, reached: false }, within: false }
    }

    /// Begins the next frame that has something; false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.rest.inner.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.rest) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let passed = io::copy(&mut self.rest.by_ref().take(u64::from(length)), &mut io::sink())?;
                    if passed < u64::from(length) {
                        return Err(broken(true));
                    }
                }
                Err(_) => return Err(broken(self.rest.reached)),
            }
        }
        Ok(false)
    }
}

/// A reader that knows whether more was asked of it than there is.
struct AtEnd<R> {
    inner: R,
    reached: bool,
}

impl<R: Read> Read for AtEnd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.reached |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

/// Why a frame of zstd can't be read. What is whole of one that is cut off, its decoder keeps to itself.
fn broken(cut_off: bool) -> io::Error {
    let what = match cut_off {
        true => "what zstd compressed is cut off: `zstd -dc FILE | seepage analyze -` judges what came before",
        false => "what zstd compressed is damaged",
    };
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            if !self.within && !self.begin()? {
                return Ok(0);
            }
            self.within = true;
            while self.decoder.can_collect() < buffer.len() && !self.decoder.is_finished() {
                let more = BlockDecodingStrategy::UptoBytes(buffer.len() - self.decoder.can_collect());
                let decoded = self.decoder.decode_blocks(&mut self.rest, more);
                decoded.map_err(|_| broken(self.rest.reached))?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            self.within = false;
        }
        Ok(0)
    }
}

/// A table, with usual budgets for what it has.
fn read_table(input: &Path, mapping: &Mapping) -> Result<RunRecord, String> {
    let path = input.display();
    let name = input.file_name().unwrap_or(input.as_os_str()).to_string_lossy();
    let name = if name == "-" { "standard input".into() } else { name };
    let (file, cut_off) = open(input)?;
    let mut table = table::read(file, &name, mapping).map_err(|error| match error.line {
        Some(line) => format!("{path}:{line}: {}", error.what),
        None => format!("{path}: {}", error.what),
    })?;
    if cut_off.get() {
        table
            .notes
            .push("what gzip compressed ends in the middle: it is cut off, and what came before is judged".into());
    }
    Ok(with_usual_budgets(table))
}

/// The record of a table, with usual budgets for what it has; what is to be said of it are notes at its begin.
pub fn with_usual_budgets(table: Table) -> RunRecord {
    let mut record = table.record;
    record.meta.budgets = usual_budgets(&record);
    let t = record.samples.first().map_or(0.0, |sample| sample.t);
    record.events.extend(table.notes.into_iter().map(|text| Event { t, kind: EventKind::Note { text } }));
    record
}
