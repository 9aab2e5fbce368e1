//! What a history of builds looks like: terminal, HTML, a chart, and the formats of tools that keep histories.

mod chart;
mod export;
mod html;
mod terminal;
#[cfg(test)]
mod tests;

use super::ReportError;
use super::chart::{png, svg};
use crate::history::{Change, History};

pub use export::{Export, ExportError};

/// A history with the changes in it.
#[derive(Debug, Clone)]
pub struct HistoryReport {
    history: History,
    changes: Vec<Change>,
}

impl HistoryReport {
    /// Finds the changes of a history.
    pub fn new(history: History) -> Self {
        let changes = history.changes();
        HistoryReport { history, changes }
    }

    /// The sentence and a line for each build, with colours if `colour`.
    pub fn terminal(&self, colour: bool) -> String {
        terminal::render(self, colour)
    }

    /// A line of JSON for each build, which is read again with those of other builds.
    pub fn jsonl(&self) -> String {
        self.history.to_lines()
    }

    /// One page with everything, in one file.
    ///
    /// # Errors
    /// If its chart can't be drawn.
    pub fn html(&self) -> Result<String, ReportError> {
        Ok(html::render(self)?)
    }

    /// The chart as SVG.
    ///
    /// # Errors
    /// If it can't be drawn.
    pub fn svg(&self) -> Result<String, ReportError> {
        Ok(svg(&chart::HistoryChart::new(self))?)
    }

    /// The chart as PNG.
    ///
    /// # Errors
    /// If it can't be drawn.
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        Ok(png(&chart::HistoryChart::new(self))?)
    }

    /// What another tool takes.
    ///
    /// # Errors
    /// If something that it needs isn't known.
    pub fn export(&self, to: Export) -> Result<String, ExportError> {
        export::render(&self.history, to)
    }
}
