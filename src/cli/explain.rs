//! `explain`: the working behind a verdict.

use super::output::{SHOWN, columns, folded, tell};
use super::problem::Done;
use super::recorded::How;
use crate::model::Resource;
use crate::report;
use crate::verdict;
use std::path::PathBuf;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = SHOWN)]
pub struct Arguments {
    /// Run directory; of a comparison or a search, that of one of its runs. Or a table that another tool wrote, as `analyze` reads it.
    #[arg(value_name = "RUN_OR_FILE")]
    run: PathBuf,
    /// The resource to explain: memory, descriptors, threads, tmpfs or kernel. By default memory, and all that isn't clean.
    #[arg(long, value_parser = resource)]
    resource: Option<Resource>,
    #[command(flatten)]
    how: How,
}

fn resource(text: &str) -> Result<Resource, String> {
    let unknown = || {
        "choose one of memory, descriptors, threads, tmpfs and kernel, or `metric:NAME` of a series of your own"
            .to_owned()
    };
    let own = || text.parse().ok().map(Resource::Metric);
    Resource::ALL.into_iter().find(|r| r.name() == text).or_else(own).ok_or_else(unknown)
}

/// Prints the working behind the verdict on a run.
pub fn explain(arguments: &Arguments) -> Done {
    let record = arguments.how.shown(&arguments.run)?;
    let verdict = verdict::judge(&record);
    let text = folded(report::working(&record, &verdict, arguments.resource, columns()));
    Ok(tell(text.as_bytes()))
}
