//! `report`: a finished run rendered again.

use super::comparison::render_again;
use super::output::{Printed, SHOWN, followed, rendered, tell, told};
use super::problem::{Done, Problem};
use crate::report::{self, Format};
use crate::store;
use crate::verdict::{self, ExitCode};
use std::path::PathBuf;

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = SHOWN)]
pub struct Arguments {
    /// Run directory, or the directory of a comparison, finished or cut short. A search (bisect) has its report in its directory.
    run: PathBuf,
    /// What to render to standard output; by default, every file of the report is written into the run directory.
    #[arg(short, long)]
    format: Option<Format>,
}

/// Renders a finished run again.
pub fn report(arguments: &Arguments) -> Done {
    if store::is_experiment(&arguments.run) {
        return render_again(&arguments.run, arguments.format);
    }
    let record = store::read(&arguments.run).map_err(|error| Problem::new(ExitCode::Failure, error))?;
    let verdict = verdict::judge(&record);
    Ok(match arguments.format {
        Some(Format::Terminal) => tell(&rendered(&record, &verdict, Printed::Terminal)?),
        Some(format) => tell(&report::render(format, &record, &verdict)?),
        None => told(&report::write_all(&followed(&arguments.run)?, &record, &verdict)?),
    })
}
