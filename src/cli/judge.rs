//! Looks at a run that goes on, and `report`: a finished run rendered again.

use super::output::tell;
use super::{Done, Problem};
use crate::engine::Looked;
use crate::model::RunRecord;
use crate::report::{self, Format};
use crate::store;
use crate::verdict::{self, ExitCode, Look, Looks};
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
#[command(after_help = CODES)]
pub struct ReportArguments {
    /// Run directory, or the directory of a comparison.
    run: PathBuf,
    /// What to render to standard output; by default, every file of the report is written into the run directory.
    #[arg(short, long)]
    format: Option<Format>,
}

/// What `report` and `explain` exit with: a step that only shows a run must not fail the job for what it shows.
pub const CODES: &str =
    "Exits with 0 if it could be shown, whatever the verdict is: `seepage analyze RUN` exits with that.";

/// Renders a finished run again.
pub fn report(arguments: &ReportArguments) -> Done {
    if store::is_experiment(&arguments.run) {
        return super::compare::render_again(&arguments.run, arguments.format);
    }
    let record = read(&arguments.run)?;
    let verdict = verdict::judge(&record);
    Ok(match arguments.format {
        Some(format) => tell(&report::render(format, &record, &verdict)?),
        None => told(&report::write_all(&followed(&arguments.run)?, &record, &verdict)?),
    })
}

/// Names the files that were written, one a line.
pub fn told(written: &[PathBuf]) -> ExitCode {
    let lines: String =
        written.iter().map(|path| format!("{}\n", report::plain(&path.display().to_string()))).collect();
    tell(lines.as_bytes())
}

/// A directory that the user named: where it leads to, if it is a link, for reports are written through none.
pub fn followed(directory: &Path) -> std::io::Result<PathBuf> {
    if directory.is_symlink() { directory.canonicalize() } else { Ok(directory.to_owned()) }
}

fn read(run: &Path) -> Result<RunRecord, Problem> {
    store::read(run).map_err(|error| Problem::new(ExitCode::Failure, error))
}
