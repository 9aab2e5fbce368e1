//! `report`: a finished run rendered again.

use super::comparison::render_again;
use super::output::{Printed, SHOWN, place, rendered, tell, told};
use super::problem::{Done, Problem};
use super::recorded::How;
use crate::answer::ExitCode;
use crate::report::{self, Format};
use crate::store;
use crate::verdict;
use std::path::PathBuf;

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = SHOWN)]
pub struct Arguments {
    /// Run directory, or the directory of a comparison, finished or cut short. A search (bisect, knee) has its report in its directory. Or a
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
        if !arguments.how.is_usual() {
            let what = "a comparison has the budgets of its own runs: --budget and the options of columns are for runs and tables";
            return Err(Problem::new(ExitCode::Usage, what));
        }
        return render_again(&arguments.run, arguments.format, arguments.to.as_deref());
    }
    let record = arguments.how.shown(&arguments.run)?;
    let verdict = verdict::judge(&record);
    Ok(match arguments.format {
        Some(Format::Terminal) => tell(&rendered(&record, &verdict, Printed::Terminal)?),
        Some(format) => tell(&report::render(format, &record, &verdict)?),
        None if arguments.to.is_none() && !arguments.run.is_dir() => {
            let what = "a table has no directory of its own: say --to DIR, or --format html to have one file of the report printed";
            return Err(Problem::new(ExitCode::Usage, what));
        }
        None => told(&report::write_all(&place(&arguments.run, arguments.to.as_deref())?, &record, &verdict)?),
    })
}
