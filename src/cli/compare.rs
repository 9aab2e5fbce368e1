//! `compare`: two finished runs against one another.

use super::comparison::{Run, TwoRuns, conclude, exit_code};
use super::output::{Inconclusive, Printed};
use super::problem::Done;
use super::recorded::How;
use std::path::{Path, PathBuf};

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = WEAKER)]
pub struct Arguments {
    /// Run directory of the baseline, its `verdict.json` alone, what `seepage baseline` wrote of it, or a table that another tool wrote,
    /// as `analyze` reads it.
    #[arg(value_name = "BASELINE")]
    baseline: PathBuf,
    /// Run directory of the candidate, such a file, or such a table.
    #[arg(value_name = "CANDIDATE")]
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
    #[command(flatten)]
    how: How,
}

const WEAKER: &str = "\
Two single runs are weaker evidence than pairs: whatever changed on the host between them counts as a difference. Growth is \
compared by the intervals of both verdicts; of everything else the numbers are told and nothing is concluded. For proof, \
let `seepage ab` run pairs in random order.

Exit codes: 12 the candidate grows faster, by more than the budget; 0 it doesn't; 11 neither could be proven.";

/// Compares two finished runs.
pub fn compare(arguments: &Arguments) -> Done {
    let read = |path: &Path| Run::read_recorded(path, &arguments.how);
    let (a, b) = (read(&arguments.baseline)?, read(&arguments.candidate)?);
    let two = TwoRuns::new(&a, &b);
    let id = format!("{} {}", a.id, b.id);
    if let Some(directory) = &arguments.reports {
        std::fs::create_dir_all(directory)?;
    }
    let code = exit_code(two.comparison(), arguments.inconclusive, true);
    Ok(conclude(&two.report(&id), arguments.reports.as_deref(), arguments.format, code)?.code())
}
