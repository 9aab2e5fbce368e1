//! `analyze`: judges finished runs and series that other tools wrote, one or thousands.

use super::budget::{self, RecordedBudget, ResourceBudget};
use super::output::{self, Answer, Inconclusive, colours, columns, exit_code, folded, rendered};
use super::problem::{Done, Problem};
use crate::config;
use crate::model::{self, Bytes, CountingSource, Event, EventKind, Per, RunRecord, Sample};
use crate::report;
use crate::store;
use crate::table::{self, Decimal, Mapping, RequestsAre};
use crate::thread::no_thread;
use crate::verdict::{self, ExitCode, Verdict};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// Arguments of `analyze`.
#[derive(Debug, clap::Args)]
#[command(after_help = SHORT_AFTER, after_long_help = AFTER)]
pub struct Arguments {
    /// Run directories, and files that other tools wrote: CSV and other tables, JSON lines, Prometheus' answers and metrics,
    /// psrecord's text, mprof's `.dat`; also compressed by gzip or zstd. `-` is standard input.
    #[arg(required = true, value_name = "RUN_OR_FILE")]
    inputs: Vec<PathBuf>,
    /// How verdicts are printed.
    #[arg(long, value_enum, default_value = "terminal")]
    format: PrintedOrLines,
    /// What an inconclusive verdict exits with: 11, or that of a pass or a leak.
    #[arg(long, value_enum, value_name = "AS")]
    inconclusive: Option<Inconclusive>,
    /// Growth that is allowed, such as `64 B/request`, `1 MiB/hour` or `24 MiB/day`; in all of the time, `10 MiB`; or in parts of the
    /// first level, `5%` or `1%/day`. May be given again for other resources: `descriptors=0.01/request`, `threads=60/hour`,
    /// `tmpfs=64 B/request`. By default the run's own, and for a file 64 B, 0.01
    /// descriptors and 0.01 threads per request, or 1 MiB, 60 and 60 per hour if it has no requests.
    #[arg(long, value_name = "[RESOURCE=]AMOUNT")]
    budget: Vec<RecordedBudget>,
    #[command(flatten)]
    columns: Columns,
}

/// What a file begins with that gzip or zstd compressed.
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

const SHORT_AFTER: &str = "Columns of a CSV, and what several files exit with: see --help.";

const AFTER: &str = "\
Columns of a CSV are known by their names; case, spaces, `-`, `_` and brackets don't count:
  elapsed_s      time of the reading (also time, timestamp, date, t; in _s, _ms, _us, _ns, _min, _h): a number, a
                 date such as 2026-01-01T00:00:00Z, a time of day, or what `date` prints
  requests       requests that the worker has served so far; without it, growth is against time. Counts for each
                 interval are summed up, and a count that all workers share is the pool's
  anon_kib, private_kib, rss_kib
                 memory, the best that is there (also _bytes, _kb, _mb, _mib, _gib); kb is 1024 bytes
  swap_kib       swapped memory, added to it
  worker, pod, instance, pid, start
                 whose reading it is; a pid whose requests or time begin anew is another incarnation
  fds, threads   open descriptors and threads, judged too if they are there
  load           requests per second at that time
Fields lie between commas, semicolons, tabs or spaces. A value may be missing: empty, NA or nan.
What was understood is said first. What could mean two things is refused, with the option that says which.

Exit codes with several inputs:
   10  one of them leaks
    1  none leaks, but one could not be read; the others are judged all the same
   11  none leaks and all were read, but one is inconclusive
    0  all are clean

Examples:
  seepage analyze reports/2026-01-01-run
  seepage analyze worker.csv --budget '64 B/request'
  seepage analyze --format jsonl nightly/*.csv
  seepage analyze pods.csv --memory 'pod-*' --memory-unit B
  curl -s \"$QUERY_RANGE\" | seepage analyze -
  seepage analyze x.csv --time t --memory heap --memory-unit MiB --requests served";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum PrintedOrLines {
    /// Lines to read.
    Terminal,
    /// One JSON object, as in `verdict.json`; for one input.
    Json,
    /// One short JSON object a line for each input, in their order.
    Jsonl,
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
    /// Column of the swapped memory.
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
/// another unit, the run's others count no more.
fn put_budgets(given: &[RecordedBudget], record: &mut RunRecord) -> Result<(), String> {
    if let Some(per) = budget::recorded_basis(given)?.filter(|per| *per != record.meta.budgets.per) {
        record.meta.budgets = model::Budgets { per, ..model::Budgets::default() };
    }
    for given in given {
        let (ResourceBudget { resource, budget }, note) = given.of(record)?;
        record.meta.budgets.allow(resource, Some(budget.amount));
        let t = record.samples.first().map_or(0.0, |sample| sample.t);
        record.events.extend(note.map(|text| Event { t, kind: EventKind::Note { text } }));
    }
    Ok(())
}

/// Judges every input.
pub fn analyze(arguments: &Arguments) -> Done {
    budget::recorded_basis(&arguments.budget).map_err(|error| Problem::new(ExitCode::Usage, error))?;
    match (&arguments.inputs[..], arguments.format) {
        ([input], PrintedOrLines::Terminal | PrintedOrLines::Json) => one(input, arguments),
        (_, PrintedOrLines::Json) => {
            Err(Problem::new(ExitCode::Usage, "--format json is for one input: use --format jsonl for several"))
        }
        _ => many(arguments),
    }
}

/// What came of one input.
struct JudgedInput {
    record: RunRecord,
    verdict: Verdict,
}

fn one(input: &Path, arguments: &Arguments) -> Done {
    let judged = judge(input, arguments).map_err(|what| Problem::new(ExitCode::Failure, what))?;
    let json = arguments.format == PrintedOrLines::Json;
    let format = if json { output::Printed::Json } else { output::Printed::Terminal };
    let mut answer = Answer::new(exit_code(&judged.record, &judged.verdict, arguments.inconclusive));
    answer.print(&rendered(&judged.record, &judged.verdict, format)?);
    Ok(answer.code())
}

/// What is printed for one of many, and what it alone would exit with.
type PrintedInput = (Vec<u8>, ExitCode);

/// Judges all inputs on all cores and prints each as soon as it and those before it are there.
fn many(arguments: &Arguments) -> Done {
    let inputs = &arguments.inputs;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(inputs.len());
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let mut codes = Vec::with_capacity(inputs.len());
    let printed = std::thread::scope(|scope| {
        let (send, receive) = mpsc::channel::<(usize, PrintedInput)>();
        for thread in 0..threads {
            let (send, next, stop) = (send.clone(), &next, &stop);
            let started = std::thread::Builder::new().spawn_scoped(scope, move || {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(input) = inputs.get(index) else { break };
                    if send.send((index, of_many(input, arguments))).is_err() {
                        break;
                    }
                }
            });
            match started {
                Ok(_) => {}
                // One is enough.
                Err(_) if thread > 0 => break,
                Err(error) => return Err(no_thread(error)),
            }
        }
        drop(send);
        let printed = in_order(receive.iter(), &mut codes);
        stop.store(true, Ordering::Relaxed);
        Ok(printed)
    })?;
    let mut answer = Answer::new(together(&codes));
    if let Err(error) = printed {
        answer.unprinted(&error);
    }
    Ok(answer.code())
}

/// Prints what comes in any order in the order of the inputs. When the reader has gone, the rest is judged all the same, for
/// what to exit with, unless that is known.
fn in_order(results: impl Iterator<Item = (usize, PrintedInput)>, codes: &mut Vec<ExitCode>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut printed = Ok(());
    let mut waiting = BTreeMap::new();
    for (index, result) in results {
        waiting.insert(index, result);
        while let Some((text, code)) = waiting.remove(&codes.len()) {
            printed = printed.and_then(|()| out.write_all(&text));
            codes.push(code);
        }
        printed = printed.and_then(|()| out.flush());
        if printed.is_err() && together(codes) == ExitCode::Leak {
            break;
        }
    }
    if printed.is_err() {
        // What couldn't be printed must not be tried again when this is dropped.
        let _ = out.into_parts();
    }
    printed
}

fn of_many(input: &Path, arguments: &Arguments) -> PrintedInput {
    let name = input.to_string_lossy();
    let judged = judge(input, arguments);
    let code = judged.as_ref().map_or(ExitCode::Failure, |j| exit_code(&j.record, &j.verdict, arguments.inconclusive));
    let text = match (&judged, arguments.format) {
        (Ok(judged), PrintedOrLines::Jsonl) => report::verdict_line(&name, &judged.record, &judged.verdict),
        (Err(what), PrintedOrLines::Jsonl) => report::error_line(&name, what),
        (Ok(judged), _) => {
            let verdict = report::terminal(&judged.record, &judged.verdict, colours(), columns());
            folded(format!("{}\n{verdict}\n", report::plain(&name)))
        }
        (Err(what), _) => format!("{}\nerror: {}\n\n", report::plain(&name), report::plain(what)),
    };
    (text.into_bytes(), code)
}

/// What several inputs exit with together: a leak is a fact whatever else went wrong; what could not be read is never
/// passed over.
fn together(codes: &[ExitCode]) -> ExitCode {
    let rank = |code: &ExitCode| match code {
        ExitCode::Clean => 0,
        ExitCode::Inconclusive => 1,
        ExitCode::Leak => 3,
        _ => 2,
    };
    codes.iter().copied().max_by_key(rank).unwrap_or(ExitCode::Clean)
}

/// Reads and judges one input; the error says where it is.
fn judge(input: &Path, arguments: &Arguments) -> Result<JudgedInput, String> {
    let mut record = if input.is_dir() {
        store::read(input).map_err(|error| error.to_string())?
    } else {
        read_table(input, &arguments.columns.mapping())?
    };
    put_budgets(&arguments.budget, &mut record).map_err(|error| format!("{}: {error}", input.display()))?;
    let verdict = verdict::judge(&record);
    Ok(JudgedInput { record, verdict })
}

/// Standard input or a file, without the compression of gzip or zstd.
fn open(input: &Path) -> Result<Box<dyn Read>, String> {
    let failed = |error: io::Error| format!("could not read {}: {error}", input.display());
    let file: Box<dyn Read> = if input == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(config::open_input(input).map_err(failed)?)
    };
    let mut file = io::BufReader::new(file);
    // What comes through a pipe may come in pieces, but never in one of a single byte.
    let begin = file.fill_buf().map_err(failed)?;
    Ok(if begin.starts_with(GZIP) {
        Box::new(MultiGzDecoder::new(file))
    } else if begin.starts_with(ZSTD) {
        Box::new(Zstd { frame: None, rest: Some(file) })
    } else {
        Box::new(file)
    })
}

/// What zstd compressed, frame by frame: one after the other, as `zstd` appends them.
struct Zstd<R: Read> {
    frame: Option<StreamingDecoder<R, FrameDecoder>>,
    /// What comes after the last frame.
    rest: Option<R>,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "what zstd compressed is damaged or cut off");
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer).map_err(|_| broken())?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
            }
            self.rest = self.frame.take().map(StreamingDecoder::into_inner).or(self.rest.take());
            let Some(mut rest) = self.rest.take() else { return Ok(0) };
            if rest.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.frame = Some(StreamingDecoder::new(rest).map_err(|_| broken())?);
        }
    }
}

/// A table, with usual budgets for what it has; what is to be said of it are notes at its begin.
fn read_table(input: &Path, mapping: &Mapping) -> Result<RunRecord, String> {
    let path = input.display();
    let name = input.file_name().unwrap_or(input.as_os_str()).to_string_lossy();
    let name = if name == "-" { "standard input".into() } else { name };
    let table = table::read(open(input)?, &name, mapping).map_err(|error| match error.line {
        Some(line) => format!("{path}:{line}: {}", error.what),
        None => format!("{path}: {}", error.what),
    })?;
    let mut record = table.record;
    let has = |read: fn(&Sample) -> Option<u64>| record.samples.iter().any(|s| read(s).is_some());
    let counted =
        has(|s| s.requests) || record.meta.counting.source == CountingSource::Table && !record.load.is_empty();
    let default = model::Budgets::usual(if counted { Per::Request } else { Per::Hour });
    record.meta.budgets = model::Budgets {
        memory: default.memory.filter(|_| has(|s| s.anon)),
        descriptors: default.descriptors.filter(|_| has(|s| s.fds)),
        threads: default.threads.filter(|_| has(|s| s.threads)),
        tmpfs: None,
        kernel: None,
        per: default.per,
    };
    let t = record.samples.first().map_or(0.0, |sample| sample.t);
    record.events.extend(table.notes.into_iter().map(|text| Event { t, kind: EventKind::Note { text } }));
    Ok(record)
}
