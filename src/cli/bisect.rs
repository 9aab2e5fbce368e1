//! `bisect`: which of a target's modules makes it leak.

use super::experiment::{Searching, Teller, by_request, held};
use super::output::{Answer, Printed, colours, columns, folded, put};
use super::problem::{Done, Problem, interruption_code};
use crate::answer::ExitCode;
use crate::bisect::Finding;
use crate::config::{self, Overrides};
use crate::engine::{Interruption, RunError, stamp};
use crate::experiment::{self, BisectEnd, BisectRequest};
use crate::report::bisect::{BisectReport, BisectStep};
use crate::store;
use std::path::{Path, PathBuf};

/// Arguments of `bisect`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = ABOUT)]
pub struct Arguments {
    /// Harness file.
    file: PathBuf,
    /// Module that stays on whatever happens; may be given again.
    #[arg(long, value_name = "MODULE")]
    keep: Vec<String>,
    #[command(flatten)]
    search: Searching,
}

const ABOUT: &str = "\
The modules are those of the harness file's [modules], or those that an Apache loads. What the target can't do without is \
found out first, by asking Apache and by short runs; the rest is halved, as long as the verdict is clear.

Exit codes: 10 it leaks, and what is to blame is told; 0 it doesn't leak as it is; 11 a step could not be decided, or the \
deadline came before anything was found.

Examples:
    seepage bisect shop.toml
    seepage bisect shop.toml --keep rewrite_module";

/// Searches the modules.
pub fn bisect(arguments: &Arguments) -> Done {
    let interrupt = arguments.search.deadline.listen()?;
    let overrides =
        Overrides { env: arguments.search.env.clone(), seed: arguments.search.seed, ..Overrides::default() };
    let harness = config::load(&arguments.file, &overrides)?;
    by_request(&harness)?;
    let file = arguments.file.canonicalize()?;
    let (started, id) = stamp(&format!("{}-bisect", harness.name));
    let directory = store::create_directory(&arguments.search.reports, &id).map_err(RunError::from)?;
    let _held = held(&directory)?;
    let request = BisectRequest {
        harness: &harness,
        harness_dir: file.parent().unwrap_or(Path::new("/")),
        directory: &directory,
        keep: &arguments.keep,
        interrupt: interrupt.clone(),
    };
    let mut teller = Teller::new(arguments.search.quiet);
    let found = experiment::bisect(&request, &mut teller);
    let end = found.map_err(|error| Problem::while_listening(&interrupt, error))?;
    drop(teller);
    let code = match &end.finding {
        // What was found until then stays found.
        Err(Interruption::Deadline(_)) | Ok(Finding::Unclear(_)) if !end.blamed.is_empty() => ExitCode::Leak,
        Err(by) => interruption_code(*by),
        Ok(Finding::NoLeak) => ExitCode::Clean,
        Ok(Finding::Blamed(_) | Finding::Elsewhere) => ExitCode::Leak,
        Ok(Finding::Unclear(_)) => ExitCode::Inconclusive,
    };
    let report = told(harness.name.clone(), started, end);
    let mut answer = Answer::new(code);
    answer.begin(&interrupt);
    let text = match arguments.search.format {
        Printed::Terminal => folded(report.terminal(colours(), columns())),
        Printed::Json => report.json(),
    };
    answer.print(text.as_bytes());
    put(&mut answer, report.write(&directory), arguments.search.format);
    Ok(answer.code())
}

fn told(name: String, started: String, end: BisectEnd) -> BisectReport {
    let steps = end.measured.into_iter().map(|m| BisectStep {
        purpose: m.step.purpose,
        off: m.step.off,
        state: m.step.state,
        runs: m.runs,
        sentence: m.sentence,
    });
    BisectReport {
        name,
        started,
        modules: end.modules,
        kept: end.kept,
        finding: end.finding.map_err(|by| by.to_string()),
        blamed: end.blamed,
        suspects: end.suspects,
        steps: steps.collect(),
    }
}
