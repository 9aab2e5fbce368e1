//! What a run looks like: terminal, charts, HTML, Markdown, JSON, `JUnit`, CSV. Each reads a run record and a verdict.
//!
//! Every renderer is a pure function, and the same record and verdict give the same bytes on every machine. Only
//! [`write_all`] and [`live::Live`] touch the world. Whatever comes from the target is escaped or neutralised.

pub mod chart;
mod csv;
mod explain;
mod html;
mod json;
mod junit;
pub mod live;
mod markdown;
mod terminal;
mod text;
mod trace;
mod write;

#[cfg(test)]
mod fixture;

use crate::model::RunRecord;
use crate::verdict::Verdict;
use std::path::{Path, PathBuf};
use std::{fmt, io, str::FromStr};
use thiserror::Error;

pub use json::schema as json_schema;

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
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 6] = [Format::Terminal, Format::Json, Format::Junit, Format::Csv, Format::Svg, Format::Png];

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
#[error("`{0}` is not a report format; there are {all}", all = Format::ALL.map(Format::name).join(", "))]
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
    /// A file could not be written.
    #[error("{path} could not be written: {source}; check that the run directory is there and has room", path = path.display())]
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
        Format::Terminal => terminal::render(record, verdict, false).into_bytes(),
        Format::Html => html::render(record, verdict)?.into_bytes(),
        Format::Markdown => markdown::render(record, verdict).into_bytes(),
        Format::Json => json::render(record, verdict).into_bytes(),
        Format::Junit => junit::render(record, verdict).into_bytes(),
        Format::Csv => csv::render(record).into_bytes(),
        Format::Svg => chart::svg(&memory())?.into_bytes(),
        Format::Png => chart::png(&memory())?,
    })
}

/// Renders the end of a run for a terminal, with colours if `colour`.
pub fn terminal(record: &RunRecord, verdict: &Verdict, colour: bool) -> String {
    terminal::render(record, verdict, colour)
}

/// Writes every report into the run directory `dir` and returns the paths of what was written.
///
/// Files appear whole or not at all, and no link is followed. Fails at the first that can't be written.
pub fn write_all(dir: &Path, record: &RunRecord, verdict: &Verdict) -> Result<Vec<PathBuf>, ReportError> {
    let failed = |path: PathBuf| move |source| ReportError::Write { path, source };
    let run = write::Directory::open(dir).map_err(failed(dir.to_owned()))?;
    let mut written = Vec::new();
    let files = [
        ("verdict.json", Format::Json),
        ("report.html", Format::Html),
        ("report.md", Format::Markdown),
        ("junit.xml", Format::Junit),
        ("samples.csv", Format::Csv),
    ];
    for (name, format) in files {
        let path = dir.join(name);
        run.write(name, &render(format, record, verdict)?).map_err(failed(path.clone()))?;
        written.push(path);
    }

    let folder = dir.join("charts");
    let charts = run.subdirectory("charts").map_err(failed(folder.clone()))?;
    for (name, drawing) in drawings(record, verdict) {
        let svg = (format!("{name}.svg"), chart::svg(drawing.as_ref())?.into_bytes());
        let png = (format!("{name}.png"), chart::png(drawing.as_ref())?);
        for (name, content) in [svg, png] {
            let path = folder.join(&name);
            charts.write(&name, &content).map_err(failed(path.clone()))?;
            written.push(path);
        }
    }
    Ok(written)
}

/// The charts of a run with the names of their files: memory, and every other resource that is no clean matter.
fn drawings(record: &RunRecord, verdict: &Verdict) -> Vec<(String, Box<dyn chart::Chart>)> {
    use crate::model::Resource;
    use crate::verdict::Outcome;
    let mut drawings: Vec<(String, Box<dyn chart::Chart>)> =
        vec![("memory".to_owned(), Box::new(chart::GrowthChart::memory(record, verdict)))];
    drawings.push(("timeline".to_owned(), Box::new(chart::Timeline::new(record, verdict))));
    for finding in &verdict.findings {
        if finding.resource != Resource::Memory && finding.outcome == Outcome::Leak {
            drawings.push((finding.resource.to_string(), Box::new(chart::GrowthChart::new(record, finding))));
        }
    }
    drawings
}

#[cfg(test)]
mod look {
    use super::*;
    #[test]
    fn look() {
        let Ok(out) = std::env::var("LOOK") else { return };
        for (name, f) in [
            ("leak", fixture::leak as fn() -> _),
            ("warm", fixture::warm_up),
            ("inconclusive", fixture::inconclusive),
            ("recycled", fixture::recycled),
            ("crowd", fixture::crowd),
            ("empty", fixture::empty),
            ("descriptors", fixture::descriptors),
            ("hostile", fixture::hostile),
            ("judged-leak", || {
                let (r, _) = fixture::leak();
                let v = crate::verdict::judge(&r);
                (r, v)
            }),
            ("judged-warm", || {
                let (r, _) = fixture::warm_up();
                let v = crate::verdict::judge(&r);
                (r, v)
            }),
            ("judged-recycled", || {
                let (r, _) = fixture::recycled();
                let v = crate::verdict::judge(&r);
                (r, v)
            }),
        ] {
            let (r, v) = f();
            let dir = std::path::PathBuf::from(&out).join(name);
            std::fs::create_dir_all(&dir).unwrap();
            let t = std::time::Instant::now();
            write_all(&dir, &r, &v).unwrap();
            println!("{name} {:?}", t.elapsed());
        }
    }
}
