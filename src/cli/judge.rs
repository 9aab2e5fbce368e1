//! How a verdict is given to the user, and `report`: a finished run rendered again.

use super::{Done, Problem, colours, folded};
use crate::engine::Looked;
use crate::model::RunRecord;
use crate::report::{self, Format};
use crate::store;
use crate::verdict::{self, ExitCode, Look, Looks, Outcome, Verdict};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Looks at a run that goes on, if it is time to.
pub fn look(looks: &mut Looks, record: &RunRecord, progress: f64) -> Option<Looked> {
    if !looks.are_due_at(record, progress) {
        return None;
    }
    let Look { alpha, proven, found, .. } = looks.look(record, progress);
    Some(Looked { alpha, found, proven: proven.is_some() })
}

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub struct ReportArguments {
    /// Run directory, or the directory of a comparison.
    run: PathBuf,
    /// What to render to standard output; by default, every file of the report is written into the run directory.
    #[arg(short, long)]
    format: Option<Format>,
}

/// How a verdict is given to the user.
#[derive(Debug, Clone, clap::Args)]
pub struct Output {
    /// How the verdict is printed.
    #[arg(long, value_enum, default_value = "terminal")]
    pub format: Printed,
    /// What an inconclusive verdict exits with: 11, or that of a pass or a leak.
    #[arg(long, value_enum, value_name = "AS")]
    inconclusive: Option<Inconclusive>,
}

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Printed {
    /// Lines to read.
    Terminal,
    /// One JSON object.
    Json,
}

/// What an inconclusive verdict counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Inconclusive {
    /// Exit with 0.
    Pass,
    /// Exit with 10; a comparison, with 12.
    Fail,
}

/// Judges a run, prints the verdict, and returns what to exit with. `written` are the files of the report.
pub fn conclude(record: &RunRecord, output: &Output, written: &[PathBuf]) -> Done {
    let verdict = verdict::judge(record);
    let page = written.iter().find(|p| p.extension().is_some_and(|e| e == "html"));
    let format = match output.format {
        Printed::Terminal => Format::Terminal,
        Printed::Json => Format::Json,
    };
    print(record, &verdict, format, page.map(PathBuf::as_path))?;
    Ok(exit_code(&verdict, output.inconclusive))
}

/// Prints a verdict: on a terminal with colours, and with the place of the `report`.
pub fn print(record: &RunRecord, verdict: &Verdict, format: Format, report: Option<&Path>) -> Result<(), Problem> {
    let text = match format {
        Format::Terminal => folded(report::terminal(record, verdict, colours(), report)).into_bytes(),
        other => report::render(other, record, verdict)?,
    };
    Ok(std::io::stdout().lock().write_all(&text)?)
}

/// What a verdict exits with, given what an inconclusive one counts as.
pub fn exit_code(verdict: &Verdict, inconclusive: Option<Inconclusive>) -> ExitCode {
    match (verdict.exit, inconclusive) {
        (ExitCode::Inconclusive, Some(Inconclusive::Pass)) if verdict.outcome == Outcome::Inconclusive => {
            ExitCode::Clean
        }
        (ExitCode::Inconclusive, Some(Inconclusive::Fail)) => ExitCode::Leak,
        (code, _) => code,
    }
}

/// Renders a finished run again.
pub fn report(arguments: &ReportArguments) -> Done {
    if store::is_experiment(&arguments.run) {
        return super::compare::render_again(&arguments.run, arguments.format);
    }
    let record = read(&arguments.run)?;
    let verdict = verdict::judge(&record);
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Some(format) => out.write_all(&report::render(format, &record, &verdict)?)?,
        None => {
            for path in report::write_all(&followed(&arguments.run)?, &record, &verdict)? {
                writeln!(out, "{}", path.display())?;
            }
        }
    }
    Ok(ExitCode::Clean)
}

/// A directory that the user named: where it leads to, if it is a link, for reports are written through none.
pub fn followed(directory: &Path) -> std::io::Result<PathBuf> {
    if directory.is_symlink() { directory.canonicalize() } else { Ok(directory.to_owned()) }
}

fn read(run: &Path) -> Result<RunRecord, Problem> {
    store::read(run).map_err(|error| Problem::new(ExitCode::Failure, error))
}

impl From<report::ReportError> for Problem {
    fn from(error: report::ReportError) -> Self {
        Problem::new(ExitCode::Failure, error)
    }
}
