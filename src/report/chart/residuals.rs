//! What the best model leaves: over the axis, against itself some levels later, and against a normal distribution.

use super::Chart;
use super::canvas::{Align, Canvas, dashed, fit_text};
use super::palette;
use super::scale::{Scale, Unit, ticks};
use crate::model::{Axis, Resource};
use crate::report::text;
use crate::working::Working;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 330.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 270.0;
const LABEL: f64 = 12.0;
const TITLE: f64 = 13.0;
/// Left and right edges of the three panels.
const PANELS: [(f64, f64); 3] = [(84.0, 440.0), (520.0, 700.0), (772.0, 936.0)];
/// Points that are drawn at most.
const POINTS: usize = 1500;

/// The residuals of one finding, laid out.
#[derive(Debug, Clone, Copy)]
pub struct ResidualChart<'a> {
    working: &'a Working,
    /// What was measured, in full.
    full: &'a str,
}

impl<'a> ResidualChart<'a> {
    /// Lays out the residuals of `working`, which is of what is called so in full.
    pub fn new(working: &'a Working, full: &'a str) -> Self {
        ResidualChart { working, full }
    }
}

/// A panel with its scales.
struct Frame {
    left: f64,
    right: f64,
    x: Scale,
    y: Scale,
}

impl Frame {
    fn new((left, right): (f64, f64), x: (f64, f64), y: (f64, f64)) -> Self {
        Frame { left, right, x: Scale::linear(x, (left, right)), y: Scale::linear(y, (BOTTOM, TOP)) }
    }

    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x.at(x).clamp(self.left, self.right), self.y.at(y).clamp(TOP, BOTTOM))
    }

    /// Title, grid, axis and the words below it.
    fn frame(&self, canvas: &mut dyn Canvas, title: &str, below: &str, units: (Unit, Unit)) {
        let wide = self.right - self.left;
        let title = fit_text(title, wide + 56.0, TITLE, true);
        canvas.text(&title, (self.left - 44.0, TOP - 34.0), Align::Left, TITLE, true, palette::INK.light);
        let y_ticks = ticks(units.1, self.y.range(), 5);
        for (value, label) in &y_ticks.marks {
            let y = self.y.at(*value);
            let colour = if *value == 0.0 { palette::AXIS } else { palette::GRID };
            canvas.line(&[(self.left, y), (self.right, y)], colour.light, 1.0, 1.0);
            canvas.text(label, (self.left - 8.0, y + 4.0), Align::Right, LABEL, false, palette::MUTED.light);
        }
        canvas.text(y_ticks.unit, (self.left - 44.0, TOP - 14.0), Align::Left, LABEL, false, palette::MUTED.light);
        canvas.line(&[(self.left, BOTTOM), (self.right, BOTTOM)], palette::AXIS.light, 1.0, 1.2);
        for (value, label) in &ticks(units.0, self.x.range(), if wide > 250.0 { 5 } else { 4 }).marks {
            let x = self.x.at(*value);
            canvas.line(&[(x, BOTTOM), (x, BOTTOM + 5.0)], palette::AXIS.light, 1.0, 1.2);
            canvas.text(label, (x, BOTTOM + 19.0), Align::Centre, LABEL, false, palette::MUTED.light);
        }
        let below = fit_text(below, wide + 60.0, LABEL, false);
        canvas.text(
            &below,
            ((self.left + self.right) / 2.0, BOTTOM + 42.0),
            Align::Centre,
            LABEL,
            false,
            palette::INK.light,
        );
    }
}

impl Chart for ResidualChart<'_> {
    fn size(&self) -> (u32, u32) {
        (WIDTH as u32, HEIGHT as u32)
    }

    fn title(&self) -> String {
        format!("What the best model of {} leaves", self.full)
    }

    fn description(&self) -> String {
        format!(
            "Residuals against {}; their autocorrelation; their innovations against a normal distribution.",
            text::axis_name(self.working.axis)
        )
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        canvas.rectangle((0.0, 0.0), (WIDTH, HEIGHT), palette::SURFACE.light, 1.0);
        self.draw_residuals(canvas);
        self.draw_autocorrelation(canvas);
        self.draw_quantiles(canvas);
    }
}

impl ResidualChart<'_> {
    fn draw_residuals(&self, canvas: &mut dyn Canvas) {
        let points = &self.working.residuals.points;
        let all = || points.iter().flatten();
        let finite = |v: &f64| v.is_finite();
        let most = all().map(|p| p.1.abs()).filter(finite).fold(0.0, f64::max);
        let most = if most > 0.0 { 1.1 * most } else { 1.0 };
        let low = all().map(|p| p.0).filter(finite).fold(f64::INFINITY, f64::min);
        let high = all().map(|p| p.0).filter(finite).fold(f64::NEG_INFINITY, f64::max);
        let range = if low < high { (low, high) } else { (0.0, 1.0) };
        let panel = Frame::new(PANELS[0], range, (-most, most));
        let unit = if self.working.resource.in_bytes() { Unit::Bytes } else { Unit::Count };
        let below = match self.working.axis {
            Axis::Seconds => "seconds",
            Axis::Hours => "hours",
            Axis::WorkerRequests | Axis::SharedRequests | Axis::PoolRequests => "requests",
        };
        let what = if self.working.resource == Resource::Memory {
            "Level less the best model"
        } else {
            "Count less the best model"
        };
        panel.frame(canvas, what, below, (Unit::Count, unit));
        let every = all().count().div_ceil(POINTS).max(1);
        for (i, series) in points.iter().enumerate() {
            let colour = palette::series(i).light;
            if points.len() <= palette::SERIES.len() {
                let line: Vec<_> = series.iter().filter(|p| p.1.is_finite()).map(|p| panel.at(*p)).collect();
                canvas.line(&line, colour, 0.35, 1.0);
            }
            for point in series.iter().step_by(every).filter(|p| p.1.is_finite()) {
                dot(canvas, panel.at(*point), colour);
            }
        }
    }

    fn draw_autocorrelation(&self, canvas: &mut dyn Canvas) {
        let residuals = &self.working.residuals;
        let lags = residuals.autocorrelation.len();
        let low = residuals.autocorrelation.iter().copied().fold(-0.5, f64::min).max(-1.0);
        let panel = Frame::new(PANELS[1], (0.0, lags.max(1) as f64 + 0.5), (low, 1.0));
        panel.frame(canvas, "Autocorrelation", "levels later", (Unit::Count, Unit::Count));
        let (from, to) = (panel.at((0.0, residuals.bound)), panel.at((lags as f64 + 0.5, -residuals.bound)));
        canvas.rectangle(from, to, palette::INK.light, 0.07);
        for (lag, value) in (1..).zip(&residuals.autocorrelation) {
            let (x, y) = panel.at((f64::from(lag), *value));
            canvas.line(&[(x, panel.at((0.0, 0.0)).1), (x, y)], palette::SERIES[0].light, 0.5, 2.0);
            dot(canvas, (x, y), palette::SERIES[0].light);
        }
        let model: Vec<_> = (1..=lags as i32).map(|lag| panel.at((f64::from(lag), residuals.rho.powi(lag)))).collect();
        dashed(canvas, &model, 4.0, palette::BUDGET.light, 1.4);
        canvas.text("dashed: AR(1)", (panel.right, TOP - 14.0), Align::Right, LABEL, false, palette::BUDGET.light);
    }

    fn draw_quantiles(&self, canvas: &mut dyn Canvas) {
        let points = &self.working.residuals.quantiles;
        let most = points.iter().flat_map(|p| [p.0.abs(), p.1.abs()]).fold(2.0, f64::max) * 1.05;
        let panel = Frame::new(PANELS[2], (-most, most), (-most, most));
        panel.frame(canvas, "Innovations", "normal quantile", (Unit::Count, Unit::Count));
        let diagonal = [panel.at((-most, -most)), panel.at((most, most))];
        dashed(canvas, &diagonal, 4.0, palette::BUDGET.light, 1.4);
        canvas.text(
            "in sd; dashed: normal",
            (panel.right, TOP - 14.0),
            Align::Right,
            LABEL,
            false,
            palette::BUDGET.light,
        );
        let every = points.len().div_ceil(POINTS).max(1);
        for point in points.iter().step_by(every) {
            dot(canvas, panel.at(*point), palette::SERIES[0].light);
        }
    }
}

fn dot(canvas: &mut dyn Canvas, (x, y): (f64, f64), colour: plotters::style::RGBColor) {
    canvas.rectangle((x - 1.6, y - 1.6), (x + 1.6, y + 1.6), colour, 0.85);
}
