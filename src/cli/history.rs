//! `history`: growth from build to build, and the build in which it changed.

use super::baseline;
use super::output::{colours, folded, tell};
use super::problem::{Done, Problem};
use crate::answer::ExitCode;
use crate::config;
use crate::history::{Entry, History};
use crate::model::Resource;
use crate::report::{Export, HistoryReport};
use std::path::{Path, PathBuf};

/// More lines than this are no history of ours.
const LONGEST: u64 = 64 << 20;

/// Arguments of `history`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub struct Arguments {
    /// Run directories, their `verdict.json` alone, what `seepage baseline` wrote of them, and lines of JSON of past runs, as `history` and
    /// `analyze --format jsonl` print them.
    #[arg(required = true, value_name = "RUN_OR_FILE")]
    inputs: Vec<PathBuf>,
    /// The resource whose growth is shown.
    #[arg(long, default_value = "memory", value_parser = resource)]
    resource: Resource,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "terminal")]
    format: Shape,
    /// Print what another tool takes: the last build for github-action-benchmark (`customSmallerIsBetter`) and Bencher (its metric format),
    /// all builds for Apache Otava (CSV).
    #[arg(long, value_enum, value_name = "TOOL", conflicts_with = "format")]
    export: Option<Tool>,
}

const AFTER: &str = "\
Builds are in the order in which their runs began, where all say it, else as they are given. A build is called as its directory or file.
A change is told where E-divisive means (Matteson & James 2014) find one at 1 %, with three builds on either side, and where it is more
than the budget. Exits with 0 if the history could be shown, changed or not.

Examples:
    seepage history reports/*/ --format html > history.html
    seepage history builds/*.json
    seepage history past.jsonl reports/latest --format jsonl > next.jsonl
    seepage history builds/*.json --export otava > memory.csv";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    /// Lines to read.
    Terminal,
    /// One short JSON object a line for each build.
    Jsonl,
    /// One page.
    Html,
    /// The chart as SVG.
    Svg,
    /// The chart as PNG.
    Png,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Tool {
    /// github-action-benchmark.
    GithubActionBenchmark,
    /// Bencher.
    Bencher,
    /// Apache Otava.
    Otava,
}

fn resource(text: &str) -> Result<Resource, String> {
    let names: Vec<&str> = Resource::ALL.iter().map(|resource| resource.name()).collect();
    let unknown = || format!("choose one of {}", names.join(", "));
    Resource::ALL.into_iter().find(|resource| resource.name() == text).ok_or_else(unknown)
}

/// Shows growth from build to build.
pub fn history(arguments: &Arguments) -> Done {
    let mut entries = Vec::new();
    for input in &arguments.inputs {
        entries.extend(read(input)?);
    }
    let wrong = |what: String| Problem::new(ExitCode::Usage, what);
    let report = HistoryReport::new(History::of(entries, arguments.resource).map_err(wrong)?);
    if let Some(tool) = arguments.export {
        let to = match tool {
            Tool::GithubActionBenchmark => Export::GithubActionBenchmark,
            Tool::Bencher => Export::Bencher,
            Tool::Otava => Export::Otava,
        };
        let text = report.export(to).map_err(|error| Problem::new(ExitCode::Failure, error))?;
        return Ok(tell(text.as_bytes()));
    }
    Ok(match arguments.format {
        Shape::Terminal => tell(folded(report.terminal(colours())).as_bytes()),
        Shape::Jsonl => tell(report.jsonl().as_bytes()),
        Shape::Html => tell(report.html()?.as_bytes()),
        Shape::Svg => tell(report.svg()?.as_bytes()),
        Shape::Png => tell(&report.png()?),
    })
}

/// The builds that an input has.
fn read(input: &Path) -> Result<Vec<Entry>, Problem> {
    if input.is_dir() {
        return Ok(vec![Entry::of(name(input), &baseline::of_run(input)?)]);
    }
    if baseline::is_one(input) {
        return Ok(vec![Entry::of(name(input), &baseline::read(input)?)]);
    }
    let wrong = |what: String| Problem::new(ExitCode::Failure, what);
    let bytes = config::read_input(input, LONGEST).map_err(|error| wrong(format!("{}: {error}", input.display())))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong(format!("{}: it is no text", input.display())))?;
    Entry::lines(&text).map_err(|(line, what)| wrong(format!("{}:{line}: {what}", input.display())))
}

/// What a build is called: its directory, or its file unless every build's is called so.
fn name(input: &Path) -> String {
    let whole = input.canonicalize().unwrap_or_else(|_| input.to_owned());
    let place = if whole.ends_with("verdict.json") { whole.parent().unwrap_or(&whole) } else { &whole };
    let name = if place.is_dir() { place.file_name() } else { place.file_stem() };
    name.unwrap_or_default().to_string_lossy().into_owned()
}
