//! Growth from build to build: a dot with its bounds for each, the budget, and the builds from which on it changed.

use super::HistoryReport;
use crate::history::{Build, Change};
use crate::model::{Resource, amount};
use crate::report::chart::canvas::{Align, Canvas, dashed, fit_text};
use crate::report::chart::{Chart, palette, scale::Scale};
use crate::report::text::plain;
use crate::words::history::headline;

const SIZE: (u32, u32) = (960, 380);
const LEFT: f64 = 110.0;
const RIGHT: f64 = 936.0;
const TOP: f64 = 78.0;
const BOTTOM: f64 = 318.0;
const LABEL: f64 = 13.0;

/// Lines across the chart.
const LINES: usize = 5;

/// A history that is laid out.
pub struct HistoryChart {
    title: String,
    subtitle: String,
    sentence: String,
    resource: Resource,
    builds: Vec<Build>,
    changes: Vec<Change>,
    budget: Option<f64>,
}

impl HistoryChart {
    /// Lays out the chart of a history.
    pub fn new(report: &HistoryReport) -> Self {
        let HistoryReport { history, changes } = report;
        let name = if history.name.is_empty() { "the target" } else { &history.name };
        let per = if history.per.is_empty() { String::new() } else { format!(", per {}", history.per) };
        let budget = if history.budget.is_some() { ", dashes for the budget" } else { "" };
        HistoryChart {
            title: format!("{}: growth of {} from build to build", plain(name), history.resource),
            subtitle: format!("a dot for each build, a line for its bounds{budget}{per}"),
            sentence: plain(&headline(history, changes).to_string()),
            resource: history.resource,
            builds: history.builds.clone(),
            changes: changes.clone(),
            budget: history.budget,
        }
    }

    /// The range of what is shown. Bounds that are far wider than all rates lie apart run off the edge.
    fn range(&self) -> (f64, f64) {
        let rates = || self.builds.iter().filter_map(|build| build.growth).map(|growth| growth.estimate);
        let all = || rates().chain(self.budget).chain([0.0]).filter(|value| value.is_finite());
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let room = 0.08 * (high - low).max(f64::MIN_POSITIVE);
        (low - room, high + room)
    }
}

impl Chart for HistoryChart {
    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        format!("{}.", self.sentence)
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        canvas.rectangle((0.0, 0.0), (f64::from(SIZE.0), f64::from(SIZE.1)), palette::SURFACE.light, 1.0);
        canvas.text(
            &fit_text(&self.title, 900.0, 16.0, true),
            (24.0, 34.0),
            Align::Left,
            16.0,
            true,
            palette::INK.light,
        );
        canvas.text(&self.subtitle, (24.0, 56.0), Align::Left, LABEL, false, palette::MUTED.light);
        let (low, high) = self.range();
        let y = Scale::linear((low, high), (BOTTOM, TOP));
        let x = Scale::linear((-0.5, self.builds.len() as f64 - 0.5), (LEFT, RIGHT));
        let at = |value: f64| y.at(value).clamp(TOP, BOTTOM);
        for line in 0..=LINES {
            let value = low + (high - low) * line as f64 / LINES as f64;
            canvas.line(&[(LEFT, at(value)), (RIGHT, at(value))], palette::GRID.light, 1.0, 1.0);
            let label = amount(self.resource, value);
            canvas.text(&label, (LEFT - 10.0, at(value) + 4.5), Align::Right, LABEL, false, palette::MUTED.light);
        }
        for change in &self.changes {
            let tone = if change.is_worse() { palette::BAD } else { palette::GOOD }.light;
            let edge = |place: usize, side: f64| x.at(place as f64 + side);
            let (first, last) = change.between;
            canvas.rectangle(
                (edge(first, -0.5), TOP),
                (edge(last, -0.5).max(edge(first, -0.5) + 2.0), BOTTOM),
                tone,
                0.15,
            );
            canvas.line(&[(edge(change.build, -0.5), TOP), (edge(change.build, -0.5), BOTTOM)], tone, 1.0, 1.6);
        }
        if let Some(budget) = self.budget {
            dashed(canvas, &[(LEFT, at(budget)), (RIGHT, at(budget))], 6.0, palette::BUDGET.light, 1.4);
        }
        let tone = palette::series(0).light;
        for (place, build) in self.builds.iter().enumerate() {
            let Some(growth) = build.growth else { continue };
            let across = x.at(place as f64);
            if let Some((lower, upper)) = growth.lower.zip(growth.upper) {
                canvas.line(&[(across, at(lower)), (across, at(upper))], tone, 0.6, 1.4);
            }
            let dot = at(growth.estimate);
            canvas.rectangle((across - 2.5, dot - 2.5), (across + 2.5, dot + 2.5), tone, 1.0);
        }
        if let (Some(first), Some(last)) = (self.builds.first(), self.builds.last()) {
            let name = |build: &Build| fit_text(&plain(&build.name), 380.0, LABEL, false);
            canvas.text(&name(first), (LEFT, BOTTOM + 24.0), Align::Left, LABEL, false, palette::MUTED.light);
            canvas.text(&name(last), (RIGHT, BOTTOM + 24.0), Align::Right, LABEL, false, palette::MUTED.light);
        }
        let sentence = fit_text(&self.sentence, 900.0, LABEL, false);
        canvas.text(&sentence, (24.0, BOTTOM + 48.0), Align::Left, LABEL, false, palette::INK.light);
    }
}
