//! Both variants' memory over one another: a line for each run, in the colour of its side.

use super::canvas::{Align, Canvas, fit_text, text_width};
use super::palette::{self, Tone};
use super::scale::{Scale, Unit, ticks};
use crate::compare::{Comparison, Measure, Pair, Side, SideEstimate};
use crate::model::Resource;
use crate::report::text::{Mood, plain};
use crate::words::comparison::{headline, value};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 500.0;
const TOP: f64 = 106.0;
const BOTTOM: f64 = 440.0;
const LEGEND: f64 = 216.0;
const LABEL: f64 = 13.0;

/// The colour of a side: the same in every chart.
pub(super) fn side_tone(b: bool) -> Tone {
    palette::series(usize::from(b))
}

/// Mean memory of the workers against requests, run by run.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvesChart {
    answer: (&'static str, Mood),
    headline: String,
    sides: [SideCurves; 2],
}

/// One side's part.
#[derive(Debug, Clone, PartialEq)]
struct SideCurves {
    name: String,
    growth: String,
    /// A curve for each run.
    runs: Vec<Vec<(f64, f64)>>,
}

impl CurvesChart {
    /// Lays out the chart of a comparison of the target `name`.
    pub fn new(name: &str, comparison: &Comparison, pairs: &[Pair]) -> Self {
        let growth = comparison.difference(Measure::Growth(Resource::Memory));
        let side = |side: &Side, estimate: Option<SideEstimate>, curves: Vec<Vec<(f64, f64)>>| {
            let words = estimate.map_or_else(|| "–".to_owned(), |e| value(Measure::Growth(Resource::Memory), e.mean));
            SideCurves { name: plain(&side.name), growth: words, runs: curves }
        };
        let first = headline(name, comparison);
        CurvesChart {
            answer: (first.word, Mood::of_answer(comparison.answer)),
            headline: plain(first.rest.trim_end_matches('.').trim_start_matches([':', ' '])),
            sides: [
                side(&comparison.sides.a, growth.and_then(|g| g.a), pairs.iter().map(|p| p.a.curve.clone()).collect()),
                side(&comparison.sides.b, growth.and_then(|g| g.b), pairs.iter().map(|p| p.b.curve.clone()).collect()),
            ],
        }
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.sides.iter().flat_map(|s| s.runs.iter().flatten().copied()).filter(|(x, y)| x.is_finite() && y.is_finite())
    }
}

impl super::Chart for CurvesChart {
    fn size(&self) -> (u32, u32) {
        (WIDTH as u32, HEIGHT as u32)
    }

    fn title(&self) -> String {
        format!("{}  {}", self.answer.0, self.headline)
    }

    fn description(&self) -> String {
        let [a, b] = &self.sides;
        format!(
            "Mean anonymous and swapped memory of the workers against requests; {} grows by {}, {} by {}.",
            a.name, a.growth, b.name, b.growth
        )
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        canvas.rectangle((0.0, 0.0), (WIDTH, HEIGHT), palette::SURFACE.light, 1.0);
        let (word, mood) = self.answer;
        canvas.text(word, (24.0, 38.0), Align::Left, 20.0, true, palette::mood(mood).light);
        let begin = 24.0 + text_width(word, 20.0, true) + 14.0;
        let headline = fit_text(&self.headline, WIDTH - 24.0 - begin, 15.0, false);
        canvas.text(&headline, (begin, 38.0), Align::Left, 15.0, false, palette::INK.light);
        let subtitle = "mean anonymous + swapped memory of the workers, a line for each run, against requests";
        canvas.text(subtitle, (24.0, 62.0), Align::Left, LABEL, false, palette::MUTED.light);

        let most = |of: fn((f64, f64)) -> f64| self.points().map(of).fold(0.0, f64::max);
        let least = self.points().map(|p| p.1).fold(f64::INFINITY, f64::min);
        let (x_high, y_high) = (most(|p| p.0), most(|p| p.1));
        let spread = (y_high - least).max(0.08 * y_high).max(65536.0);
        let low = if least < 0.4 * y_high || !least.is_finite() { 0.0 } else { (least - 0.1 * spread).max(0.0) };
        let y_range = (low, y_high.max(low) + 0.08 * spread);
        let y_ticks = ticks(Unit::Bytes, y_range, 6);
        let widest = y_ticks.marks.iter().map(|(_, label)| text_width(label, LABEL, false)).fold(24.0, f64::max);
        let (left, right) = (28.0 + widest, WIDTH - LEGEND - 24.0);
        let x = Scale::linear((0.0, x_high), (left, right));
        let y = Scale::linear(y_range, (BOTTOM, TOP));
        for (value, label) in &y_ticks.marks {
            let at = y.at(*value);
            canvas.line(&[(left, at), (right, at)], palette::GRID.light, 1.0, 1.0);
            canvas.text(label, (left - 8.0, at + 4.5), Align::Right, LABEL, false, palette::MUTED.light);
        }
        canvas.text(y_ticks.unit, (24.0, TOP - 14.0), Align::Left, LABEL, false, palette::MUTED.light);
        canvas.line(&[(left, BOTTOM), (right, BOTTOM)], palette::AXIS.light, 1.0, 1.2);
        let x_ticks = ticks(Unit::Count, (0.0, x_high), 8);
        for (value, label) in &x_ticks.marks {
            let at = x.at(*value);
            canvas.line(&[(at, BOTTOM), (at, BOTTOM + 5.0)], palette::AXIS.light, 1.0, 1.2);
            canvas.text(label, (at, BOTTOM + 20.0), Align::Centre, LABEL, false, palette::MUTED.light);
        }
        let what = format!("requests of a worker {}", x_ticks.unit);
        let middle = (left + right) / 2.0;
        canvas.text(what.trim(), (middle, BOTTOM + 44.0), Align::Centre, LABEL, false, palette::INK.light);

        for (index, side) in self.sides.iter().enumerate() {
            for curve in &side.runs {
                let points: Vec<_> =
                    curve.iter().map(|p| (x.at(p.0).clamp(left, right), y.at(p.1).clamp(TOP, BOTTOM))).collect();
                canvas.line(&points, side_tone(index == 1).light, 0.8, 1.5);
            }
        }
        if self.points().next().is_none() {
            canvas.text(
                "no readings",
                (middle, (TOP + BOTTOM) / 2.0),
                Align::Centre,
                16.0,
                false,
                palette::MUTED.light,
            );
        }
        let legend = right + 24.0;
        for (index, SideCurves { name, growth, .. }) in self.sides.iter().enumerate() {
            let at = TOP + 4.0 + 46.0 * index as f64;
            canvas.line(&[(legend, at - 4.5), (legend + 20.0, at - 4.5)], side_tone(index == 1).light, 1.0, 3.0);
            let name = fit_text(name, WIDTH - 24.0 - legend - 28.0, LABEL, true);
            canvas.text(&name, (legend + 28.0, at), Align::Left, LABEL, true, palette::INK.light);
            canvas.text(growth, (legend + 28.0, at + 18.0), Align::Left, LABEL, false, palette::MUTED.light);
        }
    }
}
