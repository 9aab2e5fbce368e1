//! `analyze`: judges finished runs and series that other tools wrote, one or thousands.

use super::accept::Accept;
use super::output::{self, Answer, Inconclusive, colours, columns, exit_code, folded, rendered};
use super::problem::{Done, Problem};
use super::recorded::How;
use crate::answer::{ExitCode, Verdict};
use crate::model::RunRecord;
use crate::report;
use crate::thread::no_thread;
use crate::verdict;
use std::collections::BTreeMap;
use std::io::{self, Write};
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
    /// What `seepage baseline --until` wrote: exit with 0 if it leaks no worse than that until then, and with 12 if it leaks worse.
    #[arg(long, value_name = "FILE")]
    accept: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

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

/// Judges every input.
pub fn analyze(arguments: &Arguments) -> Done {
    arguments.how.check()?;
    let accept = arguments.accept.as_deref().map(Accept::read).transpose()?;
    let how = Judging { how: &arguments.how, accept };
    match (&arguments.inputs[..], arguments.format) {
        ([input], PrintedOrLines::Terminal | PrintedOrLines::Json) => one(input, arguments, &how),
        (_, PrintedOrLines::Json) => {
            Err(Problem::new(ExitCode::Usage, "--format json is for one input: use --format jsonl for several"))
        }
        _ => many(arguments, &how),
    }
}

/// How each input is read and judged.
struct Judging<'a> {
    how: &'a How,
    accept: Option<Accept>,
}

/// What came of one input.
struct JudgedInput {
    record: RunRecord,
    verdict: Verdict,
}

fn one(input: &Path, arguments: &Arguments, how: &Judging<'_>) -> Done {
    let judged = judge(input, how)?;
    let json = arguments.format == PrintedOrLines::Json;
    let format = if json { output::Printed::Json } else { output::Printed::Terminal };
    let mut answer = Answer::new(exit_code(&judged.record, &judged.verdict, arguments.inconclusive));
    answer.print(&rendered(&judged.record, &judged.verdict, format)?);
    Ok(answer.code())
}

/// What is printed for one of many, and what it alone would exit with.
type PrintedInput = (Vec<u8>, ExitCode);

/// Judges all inputs on all cores and prints each as soon as it and those before it are there.
fn many(arguments: &Arguments, how: &Judging<'_>) -> Done {
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
                    if send.send((index, of_many(input, arguments, how))).is_err() {
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
        if printed.is_err() && matches!(together(codes), ExitCode::Leak | ExitCode::Worse) {
            break;
        }
    }
    if printed.is_err() {
        // What couldn't be printed must not be tried again when this is dropped.
        let _ = out.into_parts();
    }
    printed
}

fn of_many(input: &Path, arguments: &Arguments, how: &Judging<'_>) -> PrintedInput {
    let name = input.to_string_lossy();
    let judged = judge(input, how);
    let code = match &judged {
        Ok(judged) => exit_code(&judged.record, &judged.verdict, arguments.inconclusive),
        Err(problem) => problem.code,
    };
    let text = match (&judged, arguments.format) {
        (Ok(judged), PrintedOrLines::Jsonl) => report::verdict_line(&name, &judged.record, &judged.verdict),
        (Err(problem), PrintedOrLines::Jsonl) => report::error_line(&name, &problem.text),
        (Ok(judged), _) => {
            let verdict = report::terminal(&judged.record, &judged.verdict, colours(), columns());
            folded(format!("{}\n{verdict}\n", report::plain(&name)))
        }
        (Err(problem), _) => format!("{}\nerror: {}\n\n", report::plain(&name), report::plain(&problem.text)),
    };
    (text.into_bytes(), code)
}

/// What several inputs exit with together: a leak is a fact whatever else went wrong; what could not be read is never
/// passed over.
pub fn together(codes: &[ExitCode]) -> ExitCode {
    let rank = |code: &ExitCode| match code {
        ExitCode::Clean | ExitCode::Accepted => 0,
        ExitCode::Inconclusive => 1,
        ExitCode::Leak | ExitCode::Worse => 3,
        _ => 2,
    };
    codes.iter().copied().max_by_key(rank).unwrap_or(ExitCode::Clean)
}

/// Reads and judges one input; the error says where it is.
fn judge(input: &Path, how: &Judging<'_>) -> Result<JudgedInput, Problem> {
    let failed = |what: String| Problem::new(ExitCode::Failure, what);
    let mut record = how.how.read(input).map_err(failed)?;
    if let Some(accept) = &how.accept {
        accept.check(&record.meta.name)?;
        accept.hold(&mut record).map_err(failed)?;
    }
    let verdict = verdict::judge(&record);
    Ok(JudgedInput { record, verdict })
}
