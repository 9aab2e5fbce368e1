//! `knee`: how many requests in flight a target takes.

use super::experiment::{Searching, Teller, held};
use super::output::{Answer, Printed, colours, folded, put};
use super::problem::{Done, Problem, interruption_code};
use crate::answer::ExitCode;
use crate::config::{self, Overrides, Span};
use crate::engine::{Interruption, RunError, stamp};
use crate::experiment::{self, KneeEnd, KneeError, KneeRequest};
use crate::knee;
use crate::report::knee::KneeReport;
use crate::store;
use std::path::{Path, PathBuf};

/// Arguments of `knee`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = ABOUT)]
pub struct Arguments {
    /// Harness file.
    file: PathBuf,
    /// The highest number of requests in flight.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u64).range(2..=10_000))]
    to: u64,
    /// How long each load is held.
    #[arg(long = "for", value_name = "TIME", default_value = "8s")]
    duration: Span,
    /// Variable of its environment that tells a workload which is a command how many requests to have in flight.
    #[arg(long, value_name = "NAME")]
    variable: Option<String>,
    /// Requests in flight that the target has to keep up with.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    at_least: Option<u64>,
    #[command(flatten)]
    search: Searching,
}

const ABOUT: &str = "\
The target is launched anew for each number of requests in flight: one, two, four and so on, until goodput bends or errors come; then \
between the last that is good and the first that isn't. Each is a whole run of the harness file, whose phases are shortened, with its own \
verdict: so it is told from which number on it leaks.

Exit codes: 0 the knee is told, or that there is none up to --to, and nothing is shown to leak; 10 it leaks at some load; 22 it fails with one \
request in flight, or doesn't keep up with --at-least; 11 neither could be shown, or the deadline came first.

Examples:
    seepage knee shop.toml
    seepage knee shop.toml --to 64 --for 20s --at-least 16
    seepage knee harness-configs/mariadb.toml --variable CONCURRENCY --to 16 --for 20s";

/// Searches the knee.
pub fn knee(arguments: &Arguments) -> Done {
    if let Some(wanted) = arguments.at_least.filter(|wanted| *wanted > arguments.to) {
        let what = format!("--at-least {wanted} is more than is measured: give --to {wanted} or more");
        return Err(Problem::new(ExitCode::Usage, what));
    }
    // Fewer seconds have no spread.
    if arguments.duration.0.as_secs() < 4 {
        return Err(Problem::new(ExitCode::Usage, "--for: goodput needs 4s at least to have bounds"));
    }
    let interrupt = arguments.search.deadline.listen()?;
    let overrides =
        Overrides { env: arguments.search.env.clone(), seed: arguments.search.seed, ..Overrides::default() };
    let harness = config::load(&arguments.file, &overrides)?;
    let file = arguments.file.canonicalize()?;
    let (started, id) = stamp(&format!("{}-knee", harness.name));
    let directory = store::create_directory(&arguments.search.reports, &id).map_err(RunError::from)?;
    let _held = held(&directory)?;
    let request = KneeRequest {
        harness: &harness,
        harness_dir: file.parent().unwrap_or(Path::new("/")),
        directory: &directory,
        highest: arguments.to,
        soak: arguments.duration.0,
        variable: arguments.variable.as_deref(),
        interrupt: interrupt.clone(),
    };
    let mut teller = Teller::new(arguments.search.quiet);
    let found = experiment::knee(&request, &mut teller);
    if matches!(found, Err(KneeError::NoLoad(_))) {
        // Nothing was run: an empty directory would only be in the way.
        let _ = std::fs::remove_dir(&directory);
    }
    let end = found.map_err(|error| Problem::while_listening(&interrupt, error))?;
    drop(teller);
    let code = exit_code(&end, arguments.at_least);
    let report = told(harness.name.clone(), started, arguments.to, end);
    let mut answer = Answer::new(code);
    answer.begin(&interrupt);
    let text = match arguments.search.format {
        Printed::Terminal => folded(report.terminal(colours())),
        Printed::Json => report.json(),
    };
    answer.print(text.as_bytes());
    put(&mut answer, report.write(&directory), arguments.search.format);
    Ok(answer.code())
}

/// Ctrl-C is told as that. A leak is a leak whatever the deadline left out; what was cut short never passes.
fn exit_code(end: &KneeEnd, at_least: Option<u64>) -> ExitCode {
    let wanted = at_least.unwrap_or(1);
    match (&end.answer, end.cut) {
        (_, Some(by @ Interruption::Signal(_))) => interruption_code(by),
        _ if end.leaks.is_some() => ExitCode::Leak,
        (_, Some(by)) => interruption_code(by),
        (knee::Answer::Found(knee), _) if knee.bad <= wanted => ExitCode::Workload,
        (knee::Answer::Found(knee), _) if knee.good.is_none_or(|good| good < wanted) => ExitCode::Inconclusive,
        (knee::Answer::Found(_) | knee::Answer::NoneUpTo(_), _) => ExitCode::Clean,
        (knee::Answer::Unclear(_), _) => ExitCode::Inconclusive,
    }
}

fn told(name: String, started: String, highest: u64, end: KneeEnd) -> KneeReport {
    let mut loads = end.measured;
    loads.sort_by_key(|load| load.step.load);
    KneeReport {
        name,
        started,
        highest,
        answer: end.answer,
        leaks: end.leaks,
        cut: end.cut.map(|by| by.to_string()),
        loads,
    }
}
