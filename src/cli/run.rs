//! `run`: the main job.

use super::accept::Accept;
use super::bare::{self, Bare};
use super::comparison::{self, Run};
use super::deadline::Deadline;
use super::output::{Output, conclude, say};
use super::problem::{Done, Problem};
use super::watch::{Watcher, look_at};
use crate::answer::ExitCode;
use crate::config::{self, Harness, Overrides, Stop};
use crate::engine::{self, Extend, RunRequest};
use crate::model::RunRecord;
use crate::report::live::Mode;
use crate::verdict::{self, Looks, SoakPlan};
use std::path::{Path, PathBuf};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Harness file; `seepage init` writes one.
    file: Option<PathBuf>,
    #[command(flatten)]
    bare: Bare,
    /// Set a variable of the target's environment; may be given again.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    env: Vec<(String, String)>,
    /// Seed of everything random in the workload, instead of the harness file's.
    #[arg(long)]
    seed: Option<u64>,
    /// Trace who allocates, by a library that is put into everything that is launched.
    #[arg(long)]
    heap: bool,
    /// Keep the mix of steps as configured all the time: then it can hardly be told which step leaks.
    #[arg(long)]
    fixed_mix: bool,
    /// Directory in which the run's own directory is made.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    reports: PathBuf,
    /// When the soak ends, instead of what the harness file says.
    #[arg(long, value_enum, value_name = "WHEN")]
    stop: Option<StopArgument>,
    /// Let the soak go on to so many times its planned length, such as `2x`, while nothing is proven.
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    extend: Option<f64>,
    /// Keep what is written in the scratch directory in the run directory, at most 16 MiB of it. Of a run that fails it is kept
    /// in any case.
    #[arg(long)]
    keep: bool,
    /// Run directory of an earlier run, its `verdict.json` alone, or what `seepage baseline` wrote of it: exit with 12 if this run grows faster, by more than the budget.
    #[arg(long, value_name = "RUN_OR_FILE")]
    baseline: Option<PathBuf>,
    /// What `seepage baseline --until` wrote: exit with 0 if it leaks no worse than that until then, and with 12 if it leaks worse.
    #[arg(long, value_name = "FILE")]
    accept: Option<PathBuf>,
    /// Don't show progress.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    deadline: Deadline,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
    seepage run shop.toml
    seepage run -- ./worker --queue jobs
    seepage run --for 1h --budget '512 MiB in 7 days' -- python3 worker.py
    seepage run --url 'http://127.0.0.1:${port}/' -- ./server --port '${port}'";

/// Why a soak has no length as a whole.
const NO_LENGTH: &str =
    "its phases must be measured all in `duration`, all in `requests`, or all in `requests-per-worker`";

/// When the soak ends.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum StopArgument {
    /// As soon as leak or clean is proven: a leak at the earliest after 48 % of the planned length (75 % without a warm-up phase
    /// before the soak), clean after 75 %.
    Early,
    /// At its planned end.
    Planned,
}

impl From<StopArgument> for Stop {
    fn from(argument: StopArgument) -> Self {
        match argument {
            StopArgument::Early => Stop::Early,
            StopArgument::Planned => Stop::Planned,
        }
    }
}

/// How far a soak may be extended.
fn factor(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('x').and_then(|number| number.parse().ok());
    number
        .filter(|factor| *factor > 1.0 && *factor <= 10.0)
        .ok_or_else(|| "expected a factor from `1.1x` to `10x`".into())
}

/// A variable and its value.
pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

/// Runs a harness file and judges what was seen.
pub fn run(arguments: &Arguments) -> Done {
    let metrics = arguments.output.metrics()?;
    let interrupt = arguments.deadline.listen()?;
    let overrides = Overrides {
        env: arguments.env.clone(),
        seed: arguments.seed,
        fixed_mix: arguments.fixed_mix,
        heap: arguments.heap,
        stop: arguments.stop.map(Stop::from),
    };
    let (harness, harness_dir) = asked_for(arguments, &overrides)?;
    let baseline = arguments.baseline.as_deref().map(Run::read).transpose()?;
    let accept = arguments.accept.as_deref().map(Accept::read).transpose()?;
    accept.as_ref().map_or(Ok(()), |accept| accept.check(&harness.name))?;
    if arguments.extend.is_some() && harness.soak_length().is_none() {
        return Err(Problem::new(ExitCode::Usage, format!("--extend can't tell how long the soak is: {NO_LENGTH}")));
    }
    let request = RunRequest {
        harness: &harness,
        harness_dir: &harness_dir,
        reports: &arguments.reports,
        label: None,
        extend: arguments.extend.map(|factor| Extend { factor, is_open: &verdict::is_open }),
        keep: arguments.keep,
        interrupt: interrupt.clone(),
    };
    let mut watcher = Watcher::new(if arguments.quiet { Mode::Quiet } else { Mode::detect() });
    let factor = arguments.extend.unwrap_or(1.0);
    let (mut looks, mut later) = looks(&harness, factor).unzip();
    let lengths = harness.soaks().all(|phase| phase.length().is_some());
    if looks.is_none() && harness.stop == Stop::Early && lengths && !arguments.quiet {
        say(&match harness.accept.is_empty() {
            true => format!("note: it can't end early, as its soak has no length as a whole: {NO_LENGTH}"),
            false => {
                "note: it goes on to its planned end, by when it can be told what grows beside what is accepted".into()
            }
        });
    }
    let mut look = |record: &RunRecord, share: f64| match share {
        _ if share <= 1.0 => look_at(looks.as_mut()?, record, share),
        _ => look_at(later.as_mut()?, record, share / factor),
    };
    let mut finished = engine::run(&request, &mut |progress| watcher.look(progress, None), &mut look)
        .map_err(|error| Problem::while_listening(&interrupt, error))?;
    // What was drawn over gives way to the verdict.
    drop(watcher);
    if let Some(accept) = &accept {
        accept.hold_run(&mut finished);
    }
    let mut answer = conclude(&finished, &arguments.output, metrics.as_ref(), &interrupt)?;
    if let Some(baseline) = &baseline {
        comparison::hold(baseline, &finished, arguments.output.format, &mut answer)?;
    }
    Ok(answer.code())
}

/// The harness of a file or of a command, and where it is. What a command amounts to is told.
fn asked_for(arguments: &Arguments, overrides: &Overrides) -> Result<(Harness, PathBuf), Problem> {
    let file = arguments.file.as_deref();
    let Some(command) = arguments.bare.command(file)? else {
        let file = file.unwrap_or(Path::new(""));
        let harness = config::load(file, overrides).map_err(|error| bare::or_a_program(file, error))?;
        return Ok((harness, file.canonicalize()?.parent().unwrap_or(Path::new("/")).to_owned()));
    };
    let directory = std::env::current_dir()?;
    let text = arguments.bare.harness_file(command, &directory)?;
    let harness = config::parse(&text, "this command", overrides)?;
    if !arguments.quiet {
        say(&bare::shown(&text, command, &arguments.env));
    }
    Ok((harness, directory))
}

/// Looks at a run before its planned end, and at what comes after it; none if it isn't to end early, or can't. A leak that is
/// accepted ends none: what else grows is still to be proven.
fn looks(harness: &Harness, factor: f64) -> Option<(Looks, Looks)> {
    let last_phase = harness.last_soak().filter(|_| harness.stop == Stop::Early && harness.accept.is_empty())?;
    let pauses = harness.soaks().count() * harness.settle.pauses as usize;
    let plan = SoakPlan { after_warm_up: harness.warms_up(), last_phase, pauses };
    Some((Looks::planned(plan), Looks::extended(factor)))
}
