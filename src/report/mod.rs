//! What a run looks like: terminal, charts, HTML, Markdown, JSON, `JUnit`, CSV. Each reads a run record and a verdict.
//!
//! Every renderer is a pure function, and the same record and verdict give the same bytes on every machine. Only
//! [`write`], [`write_all`] and [`live::Live`] touch the world. Whatever comes from the target is escaped or neutralised.

pub mod bisect;
pub mod chart;
mod collapsed;
pub mod comparison;
mod csv;
mod flame;
mod fleet;
mod fold;
mod history;
mod html;
mod json;
mod jsonl;
mod junit;
pub mod knee;
pub mod live;
mod markdown;
mod mermaid;
mod openmetrics;
mod plan;
mod pprof;
mod terminal;
mod text;
mod trace;
mod understood;
mod working;
mod write;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use crate::answer::{Finding, Outcome, Verdict};
use crate::baseline::Baseline;
use crate::model::{Resource, RunRecord, SERVICES};
use std::path::{Path, PathBuf};
use std::{fmt, io, str::FromStr};
use thiserror::Error;

pub use crate::words::plain;
pub use fleet::{Figures, Health, METRICS_TYPE, Shown, change, metrics as fleet_metrics};
pub use fleet::{FleetReport, FleetSeries};
pub use fold::{fold, hung};
pub use history::{Export, ExportError, HistoryReport};
pub use json::schema as json_schema;
pub use jsonl::{error_line, schema as jsonl_schema, series_schema as fleet_schema, verdict_line};
pub use plan::PlanReport;
pub use working::terminal as working;

/// What a report can be rendered as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Lines for a terminal, without colours.
    Terminal,
    /// The verdict for programs.
    Json,
    /// One page with everything, in one file.
    Html,
    /// A summary for a CI job.
    Markdown,
    /// Test cases for a CI.
    Junit,
    /// The readings.
    Csv,
    /// The chart of memory as SVG.
    Svg,
    /// The chart of memory as PNG.
    Png,
    /// Live and allocated bytes by call stack, for pprof and speedscope.
    Pprof,
    /// Growth by call stack, a line each, for flame graphs.
    Collapsed,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 10] = [
        Format::Terminal,
        Format::Html,
        Format::Svg,
        Format::Png,
        Format::Json,
        Format::Junit,
        Format::Markdown,
        Format::Csv,
        Format::Pprof,
        Format::Collapsed,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Terminal => "terminal",
            Format::Html => "html",
            Format::Markdown => "md",
            Format::Json => "json",
            Format::Junit => "junit",
            Format::Csv => "csv",
            Format::Svg => "svg",
            Format::Png => "png",
            Format::Pprof => "pprof",
            Format::Collapsed => "collapsed",
        }
    }
}

/// The file of series of the user's own, beside that of readings.
const METRICS: &str = "metrics.csv";

impl Format {
    /// Its file in a run directory; `None` for charts, which have a folder, and for the terminal.
    fn file_name(self) -> Option<&'static str> {
        match self {
            Format::Json => Some("verdict.json"),
            Format::Html => Some("report.html"),
            Format::Markdown => Some("report.md"),
            Format::Junit => Some("junit.xml"),
            Format::Csv => Some("samples.csv"),
            Format::Pprof => Some("heap.pb.gz"),
            Format::Collapsed => Some("heap.collapsed"),
            Format::Terminal | Format::Svg | Format::Png => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that isn't a format's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a report format; choose from {all}", all = Format::ALL.map(Format::name).join(", "))]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Format::ALL.into_iter().find(|f| f.name() == text).ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// A report could not be made.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A chart could not be drawn.
    #[error(transparent)]
    Chart(#[from] chart::ChartError),
    /// There is nothing to report, for allocations weren't traced.
    #[error("the run has no allocations to report: run it with --heap, or with `mode = \"preload\"` under `[heap]`")]
    Untraced,
    /// A file could not be written.
    #[error("{path} could not be written: {source}; check that the run directory is there, that this user may write to it, and that it has room", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Renders one format; fails only if a chart can't be drawn.
pub fn render(format: Format, record: &RunRecord, verdict: &Verdict) -> Result<Vec<u8>, ReportError> {
    let memory = || chart::GrowthChart::memory(record, verdict);
    Ok(match format {
        Format::Terminal => terminal::render(record, verdict, false, usize::MAX).into_bytes(),
        Format::Html => html::render(record, verdict)?.into_bytes(),
        Format::Markdown => markdown::render(record, verdict).into_bytes(),
        Format::Json => json::render(record, verdict).into_bytes(),
        Format::Junit => junit::render(record, verdict).into_bytes(),
        Format::Csv => csv::render(record).into_bytes(),
        Format::Pprof => traced(record, pprof::render)?,
        Format::Collapsed => traced(record, collapsed::render)?,
        Format::Svg => chart::svg(&memory())?.into_bytes(),
        Format::Png => chart::png(&memory())?,
    })
}

/// Renders who allocated, if that was traced.
fn traced(record: &RunRecord, render: fn(&RunRecord) -> Vec<u8>) -> Result<Vec<u8>, ReportError> {
    if record.heap.looks.is_empty() { Err(ReportError::Untraced) } else { Ok(render(record)) }
}

/// Renders the end of a run for a terminal of `width` columns, with colours if `colour`.
pub fn terminal(record: &RunRecord, verdict: &Verdict, colour: bool, width: usize) -> String {
    terminal::render(record, verdict, colour, width)
}

/// Writes readings and verdict as OpenMetrics to `path`, whole or not at all; no link is followed.
///
/// # Errors
/// If it can't be written.
pub fn write_metrics(path: &Path, record: &RunRecord, verdict: &Verdict) -> Result<(), ReportError> {
    write_file(path, &openmetrics::render(record, verdict))
}

/// Writes a baseline file to `path`, whole or not at all; no link is followed.
///
/// # Errors
/// If it can't be written.
pub fn write_baseline(path: &Path, baseline: &Baseline) -> Result<(), ReportError> {
    write_file(path, &json::printable(&baseline.to_json()))
}

fn write_file(path: &Path, text: &str) -> Result<(), ReportError> {
    let failed = |source| ReportError::Write { path: path.to_owned(), source };
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidFilename);
    let name = name.map_err(|kind| failed(kind.into()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(failed)?;
    write::Directory::open(&folder).and_then(|folder| folder.write(name, text.as_bytes())).map_err(failed)
}

/// The verdict as metrics without times, for a Pushgateway.
pub fn pushed_metrics(record: &RunRecord, verdict: &Verdict) -> String {
    openmetrics::pushed(record, verdict)
}

/// Says below an answer on a terminal where its page is, once it is there.
pub fn place(page: &Path) -> String {
    format!("\nreport  {}\n", plain(&page.display().to_string()))
}

/// The charts of a run with their names: memory, the run over time, every other resource that isn't clean, and who keeps
/// memory, if that is proven.
pub fn charts<'a>(record: &'a RunRecord, verdict: &'a Verdict) -> Vec<(String, Box<dyn chart::Chart + 'a>)> {
    let mut charts: Vec<(String, Box<dyn chart::Chart + 'a>)> = vec![
        ("memory".to_owned(), Box::new(chart::GrowthChart::memory(record, verdict))),
        ("timeline".to_owned(), Box::new(chart::Timeline::new(record, verdict))),
    ];
    for finding in charted(verdict) {
        charts.push((finding.resource.name().to_owned(), Box::new(chart::GrowthChart::new(record, finding))));
    }
    if let Some(flames) = chart::FlameChart::new(verdict) {
        charts.push(("flames".to_owned(), Box::new(flames)));
    }
    charts
}

/// The findings, beside that on memory, that have a chart of their own.
fn charted(verdict: &Verdict) -> impl Iterator<Item = &Finding> {
    verdict
        .findings
        .iter()
        .filter(|f| f.resource != Resource::Memory && f.outcome != Outcome::Clean && !f.workers.is_empty())
}

/// Writes every report that the run has something for into the run directory `dir` and returns the paths of what was
/// written.
///
/// Files appear whole or not at all, and no link is followed. What can't be written keeps nothing else from it; the first
/// such error is returned.
pub fn write_all(dir: &Path, record: &RunRecord, verdict: &Verdict) -> Result<Vec<PathBuf>, ReportError> {
    write(dir, record, verdict, &formats_of(record))
}

/// The formats that a run has something for.
fn formats_of(record: &RunRecord) -> Vec<Format> {
    let traced = !record.heap.looks.is_empty();
    Format::ALL.into_iter().filter(|f| traced || !matches!(f, Format::Pprof | Format::Collapsed)).collect()
}

/// Writes some formats into the run directory `dir`, charts below `charts/`, and returns the paths of what was
/// written; [`Format::Terminal`] has no file.
///
/// Files appear whole or not at all, and no link is followed. What can't be written keeps nothing else from it; the first
/// such error is returned.
pub fn write(
    dir: &Path,
    record: &RunRecord,
    verdict: &Verdict,
    formats: &[Format],
) -> Result<Vec<PathBuf>, ReportError> {
    let failed = |path: PathBuf| move |source| ReportError::Write { path, source };
    let run = write::Directory::open(dir).map_err(failed(dir.to_owned()))?;
    let mut written = Written::default();
    written.put_services(&run, dir, record, verdict, formats);
    for format in formats {
        let Some(name) = format.file_name() else { continue };
        written.put(&run, name, dir, render(*format, record, verdict));
        if let Some(metrics) = csv::metrics(record).filter(|_| *format == Format::Csv) {
            written.put(&run, METRICS, dir, Ok(metrics.into_bytes()));
        }
    }
    if !formats.contains(&Format::Svg) && !formats.contains(&Format::Png) {
        return written.end();
    }
    let folder = dir.join("charts");
    let directory = match run.subdirectory("charts") {
        Ok(directory) => directory,
        Err(source) => return written.or(ReportError::Write { path: folder, source }),
    };
    for (name, drawing) in charts(record, verdict) {
        for format in formats {
            let content = match format {
                Format::Svg => chart::svg(drawing.as_ref()).map(String::into_bytes),
                Format::Png => chart::png(drawing.as_ref()),
                _ => continue,
            };
            written.put(&directory, &format!("{name}.{format}"), &folder, content.map_err(ReportError::from));
        }
    }
    written.end()
}

/// What was written, and the first thing that couldn't be.
#[derive(Default)]
struct Written {
    paths: Vec<PathBuf>,
    error: Option<ReportError>,
}

impl Written {
    fn put(&mut self, at: &write::Directory, name: &str, folder: &Path, content: Result<Vec<u8>, ReportError>) {
        let path = folder.join(name);
        let put = content.and_then(|content| {
            at.write(name, &content).map_err(|source| ReportError::Write { path: path.clone(), source })
        });
        match put {
            Ok(()) => self.paths.push(path),
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
    }

    fn or(self, error: ReportError) -> Result<Vec<PathBuf>, ReportError> {
        Err(self.error.unwrap_or(error))
    }

    /// The reports of each service, as of a run of its own, below the run directory `dir`.
    fn put_services(
        &mut self,
        run: &write::Directory,
        dir: &Path,
        record: &RunRecord,
        verdict: &Verdict,
        formats: &[Format],
    ) {
        for (service, verdict) in record.services.iter().zip(&verdict.services) {
            let (name, folder) = (&service.meta.name, dir.join(SERVICES));
            let made = run.subdirectory(SERVICES).and_then(|services| services.subdirectory(name));
            let failed = |source| ReportError::Write { path: folder.join(name), source };
            let formats: Vec<Format> =
                formats.iter().copied().filter(|format| formats_of(service).contains(format)).collect();
            let put = made.map_err(failed).and_then(|_| write(&folder.join(name), service, verdict, &formats));
            if let Err(error) = put {
                self.error.get_or_insert(error);
            }
        }
    }

    fn end(self) -> Result<Vec<PathBuf>, ReportError> {
        self.error.map_or(Ok(self.paths), Err)
    }
}
