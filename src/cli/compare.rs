//! `compare`: two finished runs against one another, an experiment rendered again, and a run against its baseline.

use super::judge::told;
use super::output::{Answer, Inconclusive, Printed, comparison_code, conclude_comparison, put, tell};
use super::{Done, Problem, colours, folded};
use crate::compare::{self, Comparison, Pair, RunSummary, Side, Sides};
use crate::experiment;
use crate::model::{Per, RunRecord, RunStatus};
use crate::report::comparison::Report;
use crate::report::{Format, plain};
use crate::store;
use crate::verdict::{self, ExitCode};
use std::path::{Path, PathBuf};

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = WEAKER)]
pub struct Arguments {
    /// Run directory of the baseline.
    baseline: PathBuf,
    /// Run directory of the candidate.
    candidate: PathBuf,
    /// Directory, which is made, into which the report is written; without it, nothing is.
    #[arg(long, value_name = "DIR")]
    reports: Option<PathBuf>,
    /// How the comparison is printed.
    #[arg(long, value_enum, default_value = "terminal")]
    format: Printed,
    /// What an inconclusive comparison exits with: 11, or 0 or 12 as if it were a pass or a regression.
    #[arg(long, value_enum, value_name = "AS")]
    inconclusive: Option<Inconclusive>,
}

const WEAKER: &str = "\
Two single runs are weaker evidence than pairs: whatever changed on the host between them counts as a difference. Growth is \
compared by the intervals of both verdicts; of everything else the numbers are told and nothing is concluded. For proof, \
let `seepage ab` run pairs in random order.

Exit codes: 12 the candidate grows faster, by more than the budget; 0 it doesn't; 11 neither could be proven.";

/// Compares two finished runs.
pub fn compare(arguments: &Arguments) -> Done {
    let (a, b) = (read(&arguments.baseline)?, read(&arguments.candidate)?);
    let (pair, comparison) = of_runs(&a, &b)?;
    let notes = unlike(&a.record, &b.record);
    let id = format!("{} {}", pair.a.id, pair.b.id);
    let pairs = [pair];
    let report = Report {
        name: &b.record.meta.name,
        id: &id,
        started: &b.record.meta.started,
        seed: None,
        comparison: &comparison,
        pairs: &pairs,
        notes: &notes,
    };
    if let Some(directory) = &arguments.reports {
        std::fs::create_dir_all(directory)?;
    }
    let code = comparison_code(&comparison, arguments.inconclusive, true);
    Ok(conclude_comparison(&report, arguments.reports.as_deref(), arguments.format, code)?.code())
}

/// Holds a run against its baseline: prints that, writes it into `directory/baseline`, and exits with 12 if the run is
/// worse. A run that failed or was cut short is no better or worse than another.
pub fn against_baseline(
    baseline: &Baseline,
    record: &RunRecord,
    directory: &Path,
    format: Printed,
    answer: &mut Answer,
) -> Result<(), Problem> {
    let judged = matches!(answer.code(), ExitCode::Clean | ExitCode::Leak | ExitCode::Inconclusive | ExitCode::Failure);
    if record.meta.status != RunStatus::Complete || !judged {
        return Ok(());
    }
    let id = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let b = Finished { id, record: record.clone() };
    let (pair, comparison) = of_runs(&baseline.0, &b)?;
    let notes = unlike(&baseline.0.record, record);
    let pairs = [pair];
    let report = Report {
        name: &record.meta.name,
        id: &b.id,
        started: &record.meta.started,
        seed: None,
        comparison: &comparison,
        pairs: &pairs,
        notes: &notes,
    };
    if comparison.exit() == ExitCode::Worse {
        answer.becomes(ExitCode::Worse);
    }
    if format == Printed::Terminal {
        let text = format!("\nAgainst the baseline {}:\n{}", plain(&baseline.0.id), report.terminal(colours()));
        answer.print(folded(text).as_bytes());
    }
    let folder = directory.join("baseline");
    let made = std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()));
    put(answer, made.and_then(|()| report.write(&folder).map_err(|e| e.to_string())), format);
    Ok(())
}

/// A finished run that another is held against.
pub struct Baseline(Finished);

impl Baseline {
    /// Reads it before anything is launched, so that a wrong path costs no run.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let run = read(path)?;
        summary(&run)?;
        Ok(Baseline(run))
    }
}

struct Finished {
    id: String,
    record: RunRecord,
}

fn read(path: &Path) -> Result<Finished, Problem> {
    let record = store::read(path).map_err(|error| Problem::new(ExitCode::Failure, error))?;
    if record.meta.budgets.per != Per::Request {
        let what = format!(
            "{}: growth per hour can't be compared, because the load of those hours was its own",
            path.display()
        );
        return Err(Problem::new(ExitCode::Usage, what));
    }
    let path = path.canonicalize()?;
    let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Finished { id, record })
}

/// A run that came to its end, reduced to its numbers.
fn summary(run: &Finished) -> Result<RunSummary, Problem> {
    let verdict = verdict::judge(&run.record);
    match experiment::failure(&run.record, &verdict) {
        Some((exit, what)) => {
            Err(Problem::new(exit, format!("{} failed, so that nothing can be compared: {what}", run.id)))
        }
        None => Ok(compare::summarize(&run.id, &run.record, &verdict)),
    }
}

fn of_runs(a: &Finished, b: &Finished) -> Result<(Pair, Comparison), Problem> {
    let side = |name: &str, run: &Finished| Side { name: name.into(), phrase: format!("in {}", run.id) };
    let sides = Sides { a: side("baseline", a), b: side("candidate", b) };
    let pair = Pair { a: summary(a)?, b: summary(b)?, b_first: false };
    let comparison = compare::compare_runs(&sides, &pair.a, &pair.b, &experiment::margins_of_run(&b.record));
    Ok((pair, comparison))
}

/// What makes two runs unlike, beside the target.
fn unlike(a: &RunRecord, b: &RunRecord) -> Vec<String> {
    let part = |run: &RunRecord, key: &str| run.meta.config.get(key).cloned();
    // The base URL names the port of the run.
    let workload = |run: &RunRecord| {
        let mut workload = part(run, "workload")?;
        workload.as_object_mut()?.remove("base-url");
        Some(workload)
    };
    let mut notes = Vec::new();
    if workload(a) != workload(b) || part(a, "phase") != part(b, "phase") {
        notes.push("the workloads of the two runs differ: so may the growth, by that alone".to_owned());
    }
    if a.meta.host != b.meta.host {
        notes.push("the two runs were made on different machines or kernels".to_owned());
    }
    notes
}

/// Renders an experiment again, from its directory alone.
pub fn render_again(directory: &Path, format: Option<Format>) -> Done {
    let failed = |error: String| Problem::new(ExitCode::Failure, error);
    let head = experiment::read_head(directory)?;
    let pairs = experiment::finished_pairs(directory, head.pairs, head.seed);
    let Some(first) = pairs.first() else { return Err(failed("no pair of this experiment came to its end".into())) };
    let record = store::read(&directory.join(&first.a.id)).map_err(|e| failed(e.to_string()))?;
    let side = |s: &store::ExperimentSide| Side { name: s.name.clone(), phrase: s.phrase.clone() };
    let sides = Sides { a: side(&head.sides[0]), b: side(&head.sides[1]) };
    let comparison = compare::compare(&sides, &pairs, head.pairs, &experiment::margins_of_run(&record));
    let path = directory.canonicalize()?;
    let report = Report {
        name: &head.name,
        id: &path.file_name().unwrap_or_default().to_string_lossy(),
        started: &head.started,
        seed: Some(head.seed),
        comparison: &comparison,
        pairs: &pairs,
        notes: &head.notes,
    };
    Ok(match format {
        Some(format) => match report.render(format, false)? {
            Some(content) => tell(&content),
            None => return Err(Problem::new(ExitCode::Usage, format!("a comparison can't be rendered as {format}"))),
        },
        None => told(&report.write(&super::judge::followed(directory)?)?),
    })
}
