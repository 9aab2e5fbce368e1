//! `analyze` and `report`: what can be said of a finished run from its directory.

use super::{Done, Problem, colours};
use crate::report::{self, Format};
use crate::store;
use crate::verdict::{self, ExitCode, Outcome};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `analyze`.
#[derive(Debug, clap::Args)]
pub struct AnalyzeArguments {
    /// Run directory.
    run: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub struct ReportArguments {
    /// Run directory.
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
    format: Printed,
    /// What an inconclusive verdict exits with: 11, or that of a pass or a leak.
    #[arg(long, value_enum, value_name = "AS")]
    inconclusive: Option<Inconclusive>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Printed {
    /// Lines to read.
    Terminal,
    /// One JSON object.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Inconclusive {
    /// Exit with 0.
    Pass,
    /// Exit with 10.
    Fail,
}

/// Judges a run, prints the verdict, and returns what to exit with. `written` are the files of the report.
pub fn conclude(record: &crate::model::RunRecord, output: &Output, written: &[PathBuf]) -> Done {
    let verdict = verdict::judge(record);
    let mut out = std::io::stdout().lock();
    match output.format {
        Printed::Json => out.write_all(&report::render(Format::Json, record, &verdict)?)?,
        Printed::Terminal => {
            let page = written.iter().find(|p| p.extension().is_some_and(|e| e == "html"));
            out.write_all(report::terminal(record, &verdict, colours(), page.map(PathBuf::as_path)).as_bytes())?;
        }
    }
    Ok(match (verdict.exit, output.inconclusive) {
        (ExitCode::Inconclusive, Some(Inconclusive::Pass)) if verdict.outcome == Outcome::Inconclusive => {
            ExitCode::Clean
        }
        (ExitCode::Inconclusive, Some(Inconclusive::Fail)) => ExitCode::Leak,
        (code, _) => code,
    })
}

/// Judges a finished run again.
pub fn analyze(arguments: &AnalyzeArguments) -> Done {
    conclude(&read(&arguments.run)?, &arguments.output, &[])
}

/// Renders a finished run again.
pub fn report(arguments: &ReportArguments) -> Done {
    let record = read(&arguments.run)?;
    let verdict = verdict::judge(&record);
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Some(format) => out.write_all(&report::render(format, &record, &verdict)?)?,
        None => {
            for path in report::write_all(&arguments.run, &record, &verdict)? {
                writeln!(out, "{}", path.display())?;
            }
        }
    }
    Ok(ExitCode::Clean)
}

fn read(run: &Path) -> Result<crate::model::RunRecord, Problem> {
    store::read(run).map_err(|error| Problem::new(ExitCode::Failure, error))
}

impl From<report::ReportError> for Problem {
    fn from(error: report::ReportError) -> Self {
        Problem::new(ExitCode::Failure, error)
    }
}
