//! Charts: pure functions of a run record and a verdict, as SVG and PNG, the same byte for byte on every machine.

mod account;
pub(super) mod canvas;
mod curves;
mod flames;
mod forest;
mod growth;
pub mod palette;
mod places;
mod residuals;
pub(super) mod scale;
mod thin;
mod timeline;

pub use crate::words::thousands;
pub use canvas::{Canvas, ChartError};
pub use curves::CurvesChart;
pub use flames::FlameChart;
pub use forest::ForestChart;
pub use growth::{GrowthChart, band};
pub use residuals::ResidualChart;
pub use scale::Unit;
pub use timeline::Timeline;

/// A chart that is laid out and can be drawn.
pub trait Chart {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);
    /// What it shows, in one line.
    fn title(&self) -> String;
    /// What it says, for readers who don't see it.
    fn description(&self) -> String;
    /// Draws it.
    fn draw(&self, canvas: &mut dyn Canvas);
}

/// Renders a chart as SVG.
pub fn svg(chart: &dyn Chart) -> Result<String, ChartError> {
    canvas::svg(chart.size(), &chart.title(), &chart.description(), |canvas| chart.draw(canvas))
}

/// Renders a chart as PNG, with two pixels for each of the chart's.
pub fn png(chart: &dyn Chart) -> Result<Vec<u8>, ChartError> {
    canvas::png(chart.size(), |canvas| chart.draw(canvas))
}
