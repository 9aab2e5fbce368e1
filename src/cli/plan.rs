//! `plan`: how long a run has to be, from a rehearsal.

use super::deadline::Deadline;
use super::experiment::without_services;
use super::output::{Printed, columns, folded, say, tell};
use super::problem::{Done, Problem, interruption_code};
use super::run::assignment;
use super::watch::Watcher;
use crate::answer::ExitCode;
use crate::config::{self, Harness, Overrides, PhaseConfig, SettleConfig, Span};
use crate::engine::{self, Interrupt, Interruption, RunRequest};
use crate::model::{self, Axis, Budget, Per, PhaseKind, Resource, RunRecord, Share};
use crate::plan::{self, Noise};
use crate::report::PlanReport;
use crate::report::live::Mode;
use crate::store;
use crate::words;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Budgets that are planned, in parts of the usual one.
const BUDGETS: [f64; 5] = [0.25, 1.0, 4.0, 16.0, 64.0];

/// The shortest rehearsal that is of any use.
const SHORTEST: Duration = Duration::from_secs(5);

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Harness file to rehearse, or the directory of a run that is taken for the rehearsal.
    source: PathBuf,
    /// How long to rehearse.
    #[arg(long, default_value = "45s", value_name = "TIME")]
    rehearse: Span,
    /// The budget on memory to plan for, beside those of the table; by default that of the harness file or run.
    #[arg(long, value_name = "AMOUNT")]
    budget: Option<Budget>,
    /// The leak on memory that a run is to find; by default twice the budget.
    #[arg(long, value_name = "AMOUNT")]
    leak: Option<Budget>,
    /// The probability with which a run of the planned length gets the answer that is true, 50% to 99%.
    #[arg(long, default_value = "90%", value_name = "SHARE")]
    power: Share,
    /// Set a variable of the target's environment; may be given again.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    env: Vec<(String, String)>,
    /// Directory in which the rehearsal's own run directory is made.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    reports: PathBuf,
    /// Don't show progress.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    deadline: Deadline,
    /// How the plan is printed.
    #[arg(long, value_enum, default_value = "terminal")]
    format: Printed,
}

const EXAMPLES: &str = "\
The rehearsal is a short run of the same harness file, with the load of its first soak, from a cold start. The noise that it \
shows is played on at several lengths and judged by the very rule that judges runs, so the plan is as good as the rehearsal: \
what happens once an hour isn't in it.

Examples:
    seepage plan shop.toml
    seepage plan shop.toml --rehearse 2m --budget '16 B/request'
    seepage plan shop.toml --budget '64 B/request' --leak '1 KiB/request'
    seepage plan reports/20261121T040000Z-shop-1f2e3d";

/// Rehearses and plans.
pub fn plan(arguments: &Arguments) -> Done {
    if !(0.5..=0.99).contains(&arguments.power.0) {
        return Err(Problem::new(
            ExitCode::Usage,
            "--power is from 50% to 99%: more can't be told by playing some runs",
        ));
    }
    let interrupt = arguments.deadline.listen()?;
    let record = if arguments.source.is_dir() {
        store::read(&arguments.source).map_err(|error| Problem::new(ExitCode::Failure, error))?
    } else {
        rehearse(arguments, &interrupt)?
    };
    // A rehearsal that went wrong says nothing of the noise.
    if let code @ (ExitCode::Config
    | ExitCode::Target
    | ExitCode::Workload
    | ExitCode::Interrupted(_)
    | ExitCode::Failure) = crate::verdict::judge(&record).exit
    {
        let why =
            record.meta.aborted.as_deref().unwrap_or("the workload or a worker failed; `seepage analyze` says more");
        return Err(Problem::new(code, format!("the rehearsal can't be planned from: {why}")));
    }
    let report = planned(arguments, &record)?;
    let text = match arguments.format {
        Printed::Terminal => folded(report.terminal(columns())),
        Printed::Json => report.json(),
    };
    Ok(tell(text.as_bytes()))
}

fn planned(arguments: &Arguments, record: &RunRecord) -> Result<PlanReport, Problem> {
    let (axis, series) = crate::readings::series(record, Resource::Memory);
    let usage = |error: &str| Problem::new(ExitCode::Usage, error);
    let per = match axis {
        Axis::Seconds => return Err(usage("no requests were counted, so that a budget per request can't be planned")),
        Axis::Hours => Per::Hour,
        Axis::WorkerRequests | Axis::SharedRequests | Axis::PoolRequests => Per::Request,
    };
    let usual = model::Budgets::usual(per).memory.unwrap_or_default();
    let chosen = match arguments.budget {
        Some(budget) if !budget.bytes => return Err(usage("--budget is in bytes, such as `64 B/request`")),
        Some(budget) if budget.per != per => {
            return Err(usage(&format!(
                "--budget is for another unit than the run, whose growth is per {}",
                axis.unit()
            )));
        }
        Some(budget) if budget.amount <= 0.0 => return Err(usage("no run proves a growth of exactly zero")),
        Some(budget) => budget.amount,
        None => record.meta.budgets.memory.unwrap_or(usual),
    };
    let times = match arguments.leak {
        Some(leak) if !leak.bytes => return Err(usage("--leak is in bytes, such as `200 B/request`")),
        Some(leak) if leak.per != per => {
            return Err(usage(&format!(
                "--leak is for another unit than the run, whose growth is per {}",
                axis.unit()
            )));
        }
        Some(leak) if leak.amount <= chosen => {
            return Err(usage("--leak is no more than the budget allows: expected more, such as twice the budget"));
        }
        leak => leak.map(|leak| leak.amount / chosen),
    };
    let mut budgets: Vec<f64> =
        BUDGETS.iter().map(|part| part * usual).filter(|b| *b != chosen).chain([chosen]).collect();
    budgets.sort_by(f64::total_cmp);
    let noise = Noise::measure(axis, &series, record.page())
        .map_err(|why| Problem::new(ExitCode::Inconclusive, words::too_short(why)))?;
    Ok(PlanReport {
        planned: plan::plan(&noise, &budgets, times, arguments.power.0),
        noise,
        chosen,
        power: arguments.power.0,
        rehearsed: record.meta.elapsed.unwrap_or(0.0),
    })
}

/// Runs the harness file for a short while and returns what was recorded.
fn rehearse(arguments: &Arguments, interrupt: &Interrupt) -> Result<RunRecord, Problem> {
    if arguments.rehearse.0 < SHORTEST {
        return Err(Problem::new(ExitCode::Usage, "--rehearse needs 5s at least; the noise isn't known after less"));
    }
    let overrides = Overrides { env: arguments.env.clone(), ..Overrides::default() };
    let harness = config::load(&arguments.source, &overrides)?;
    without_services(&harness)?;
    let harness = rehearsal(harness, arguments.rehearse);
    let file = arguments.source.canonicalize()?;
    let request = RunRequest {
        harness: &harness,
        harness_dir: file.parent().unwrap_or(Path::new("/")),
        reports: &arguments.reports,
        label: None,
        extend: None,
        keep: false,
        interrupt: interrupt.clone(),
    };
    let mut watcher = Watcher::new(if arguments.quiet { Mode::Quiet } else { Mode::detect() });
    let finished = engine::run(&request, &mut |progress| watcher.look(progress, None), &mut |_, _| None)
        .map_err(|error| Problem::while_listening(interrupt, error))?;
    drop(watcher);
    interrupt.answering(ExitCode::Inconclusive.code());
    if let Some(by) = finished.interrupted {
        let what = match by {
            Interruption::Signal(_) => "nothing can be planned from it",
            Interruption::Deadline(_) => {
                "nothing can be planned from it; give it more time, or rehearse for less with --rehearse"
            }
        };
        return Err(Problem::new(interruption_code(by), format!("the rehearsal was {by}: {what}")));
    }
    if !arguments.quiet {
        say(&format!("note: the rehearsal is kept in {}", finished.directory.display()));
    }
    Ok(finished.record)
}

/// The harness with one short soak, under the load of its first, in the place of its phases: what warms up is to be seen.
fn rehearsal(mut harness: Harness, length: Span) -> Harness {
    let soak = harness.phases.iter().find(|phase| phase.kind == PhaseKind::Soak);
    let phase = PhaseConfig {
        rate: soak.and_then(|s| s.rate),
        concurrency: soak.and_then(|s| s.concurrency),
        ..PhaseConfig::lasting(PhaseKind::Soak, Some(length))
    };
    // What is planned is a run under load: pauses would only make the rehearsal long.
    harness.phases = vec![phase];
    harness.settle = SettleConfig::default();
    harness
}
