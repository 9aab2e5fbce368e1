//! `report`: a finished run rendered again.

use super::comparison::render_again;
use super::output::{Printed, SHOWN, followed, rendered, tell, told};
use super::problem::{Done, Problem};
use super::recorded::How;
use crate::report::{self, Format};
use crate::store;
use crate::verdict::{self, ExitCode};
use std::path::PathBuf;

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = SHOWN)]
pub struct Arguments {
    /// Run directory, or the directory of a comparison, finished or cut short. A search (bisect) has its report in its directory. Or a
    /// table that another tool wrote, as `analyze` reads it.
    #[arg(value_name = "RUN_OR_FILE")]
    run: PathBuf,
    /// What to render to standard output; by default, every file of the report is written into the run directory.
    #[arg(short, long)]
    format: Option<Format>,
    /// Directory, which is made, into which every file of the report is written in place of the run's own.
    #[arg(long, value_name = "DIR", conflicts_with = "format")]
    to: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

/// Renders a finished run again.
pub fn report(arguments: &Arguments) -> Done {
    if store::is_experiment(&arguments.run) {
        return render_again(&arguments.run, arguments.format);
    }
    let record = arguments.how.shown(&arguments.run)?;
    let verdict = verdict::judge(&record);
    let directory = match (arguments.format, &arguments.to) {
        (Some(Format::Terminal), _) => return Ok(tell(&rendered(&record, &verdict, Printed::Terminal)?)),
        (Some(format), _) => return Ok(tell(&report::render(format, &record, &verdict)?)),
        (None, Some(directory)) => {
            std::fs::create_dir_all(directory)?;
            directory.clone()
        }
        (None, None) if arguments.run.is_dir() => followed(&arguments.run)?,
        (None, None) => {
            let what = "a table has no directory of its own: say --to DIR, or --format html to have one file of the report printed";
            return Err(Problem::new(ExitCode::Usage, what));
        }
    };
    Ok(told(&report::write_all(&directory, &record, &verdict)?))
}
