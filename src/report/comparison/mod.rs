//! What a comparison looks like: terminal, HTML, Markdown, JSON, `JUnit` and charts, each a pure function of a [`Report`].

mod html;
mod json;
mod junit;
mod markdown;
mod table;
mod terminal;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use super::chart::{self, Chart, CurvesChart, ForestChart};
use super::{Format, ReportError, write};
use crate::compare::{Comparison, ComparisonNote, Pair};
use std::path::{Path, PathBuf};

pub use json::schema as comparison_schema;

/// A comparison with all that its reports tell of it.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// Name of the harness file's scenario.
    pub name: &'a str,
    /// Name of the experiment's directory, or of the two runs.
    pub id: &'a str,
    /// When it began, RFC 3339 in UTC.
    pub started: &'a str,
    /// Seed of the coin that orders the runs of a pair; missing for two single runs.
    pub seed: Option<u64>,
    /// What is concluded.
    pub comparison: &'a Comparison,
    /// The runs; a single pair for two single runs.
    pub pairs: &'a [Pair],
    /// How the sides were made and how it ended.
    pub notes: &'a [ComparisonNote],
}

/// Formats that a comparison has.
pub const FORMATS: [Format; 7] =
    [Format::Terminal, Format::Html, Format::Svg, Format::Png, Format::Json, Format::Junit, Format::Markdown];

impl Report<'_> {
    /// Renders one format; `None` for those that a comparison doesn't have. Fails only if a chart can't be drawn.
    pub fn render(&self, format: Format, colour: bool) -> Result<Option<Vec<u8>>, ReportError> {
        let curves = || CurvesChart::new(self.name, self.comparison, self.pairs);
        Ok(Some(match format {
            Format::Terminal => terminal::render(self, colour, usize::MAX).into_bytes(),
            Format::Html => html::render(self)?.into_bytes(),
            Format::Markdown => markdown::render(self).into_bytes(),
            Format::Json => json::render(self).into_bytes(),
            Format::Junit => junit::render(self).into_bytes(),
            Format::Svg => chart::svg(&curves())?.into_bytes(),
            Format::Png => chart::png(&curves())?,
            Format::Csv | Format::Pprof | Format::Collapsed => return Ok(None),
        }))
    }

    /// Renders the comparison for a terminal of `width` columns.
    pub fn terminal(&self, colour: bool, width: usize) -> String {
        terminal::render(self, colour, width)
    }

    /// Writes every format into `directory`, charts below `charts/`, and returns the paths of what was written.
    ///
    /// # Errors
    /// At the first file that can't be written or chart that can't be drawn.
    pub fn write(&self, directory: &Path) -> Result<Vec<PathBuf>, ReportError> {
        let failed = |path: PathBuf| move |source| ReportError::Write { path, source };
        let place = write::Directory::open(directory).map_err(failed(directory.to_owned()))?;
        let mut written = Vec::new();
        for (format, name) in [
            (Format::Json, "comparison.json"),
            (Format::Html, "report.html"),
            (Format::Markdown, "report.md"),
            (Format::Junit, "junit.xml"),
        ] {
            let Some(content) = self.render(format, false)? else { continue };
            place.write(name, &content).map_err(failed(directory.join(name)))?;
            written.push(directory.join(name));
        }
        let folder = directory.join("charts");
        let charts = place.subdirectory("charts").map_err(failed(folder.clone()))?;
        let drawings: [(&str, Box<dyn Chart>); 2] = [
            ("memory", Box::new(CurvesChart::new(self.name, self.comparison, self.pairs))),
            ("differences", Box::new(ForestChart::new(self.comparison))),
        ];
        for (name, drawing) in drawings {
            let contents =
                [("svg", chart::svg(drawing.as_ref())?.into_bytes()), ("png", chart::png(drawing.as_ref())?)];
            for (kind, content) in contents {
                let name = format!("{name}.{kind}");
                charts.write(&name, &content).map_err(failed(folder.join(&name)))?;
                written.push(folder.join(name));
            }
        }
        Ok(written)
    }
}
