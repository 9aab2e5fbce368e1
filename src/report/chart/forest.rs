//! What differs, measure by measure: each pair's difference and the interval, in units of what is allowed.

use super::canvas::{Align, Canvas, fit_text};
use super::palette;
use crate::compare::{Comparison, Difference};
use crate::report::text::{Mood, capital, plain};
use crate::words::comparison::{name, signed};

const WIDTH: f64 = 960.0;
const ROW: f64 = 34.0;
const TOP: f64 = 84.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 700.0;
const LABEL: f64 = 13.0;

/// Differences beyond this many margins are drawn at the edge.
const FARTHEST: f64 = 1000.0;

/// A row for each measure.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestChart {
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    name: String,
    words: String,
    mood: Mood,
    /// In units of the margin: lower bound, estimate, upper bound.
    interval: Option<[f64; 3]>,
    pairs: Vec<f64>,
}

impl ForestChart {
    /// Lays out the chart of a comparison.
    pub fn new(comparison: &Comparison) -> Self {
        ForestChart {
            rows: comparison.differences.iter().filter(|d| d.a.is_some() && d.b.is_some()).map(row).collect(),
        }
    }

    /// Whether there is anything to draw.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn bottom(&self) -> f64 {
        TOP + ROW * self.rows.len() as f64
    }
}

fn row(d: &Difference) -> Row {
    let margins = |v: f64| v / d.margin;
    let words = match d.difference {
        Some(difference) => signed(d.measure, difference.estimate),
        None => d.a.zip(d.b).map_or_else(String::new, |(a, b)| signed(d.measure, b.mean - a.mean)),
    };
    let pairs = d.pairs.iter().flatten().map(|(a, b)| margins(b - a)).filter(|v| v.is_finite()).collect();
    let interval =
        d.difference.map(|i| [i.lower, i.estimate, i.upper].map(margins)).filter(|i| i.iter().all(|v| v.is_finite()));
    Row { name: capital(&plain(&name(d))), words, mood: Mood::of_answer(d.answer), interval, pairs }
}

/// Position of a difference: straight up to the margin, logarithmic beyond.
fn place(margins: f64) -> f64 {
    let far = FARTHEST.asinh();
    let share = margins.clamp(-FARTHEST, FARTHEST).asinh() / far;
    LEFT + (RIGHT - LEFT) * (share + 1.0) / 2.0
}

impl super::Chart for ForestChart {
    fn size(&self) -> (u32, u32) {
        (WIDTH as u32, (self.bottom() + 66.0) as u32)
    }

    fn title(&self) -> String {
        "Differences, measure by measure".to_owned()
    }

    fn description(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(|r| format!("{} {}", r.name, r.words)).collect();
        format!("Differences in units of what is allowed: {}.", rows.join(", "))
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        let bottom = self.bottom();
        let (width, height) = self.size();
        canvas.rectangle((0.0, 0.0), (f64::from(width), f64::from(height)), palette::SURFACE.light, 1.0);
        let title = "What differs, and by how much of what is allowed";
        canvas.text(title, (24.0, 34.0), Align::Left, 16.0, true, palette::INK.light);
        let subtitle = "a dot for each pair, a bar for the interval of their mean; right is worse";
        canvas.text(subtitle, (24.0, 56.0), Align::Left, LABEL, false, palette::MUTED.light);
        canvas.rectangle((place(-1.0), TOP), (place(1.0), bottom), palette::SHADE.light, 1.0);
        for mark in [-FARTHEST, -100.0, -10.0, -1.0, 0.0, 1.0, 10.0, 100.0, FARTHEST] {
            let x = place(mark);
            let (colour, weight) = if mark == 0.0 { (palette::AXIS, 1.4) } else { (palette::GRID, 1.0) };
            canvas.line(&[(x, TOP), (x, bottom)], colour.light, 1.0, weight);
            let label = if mark == 0.0 { "0".to_owned() } else { format!("{mark:+}") };
            canvas.text(&label, (x, bottom + 20.0), Align::Centre, LABEL, false, palette::MUTED.light);
        }
        let middle = (LEFT + RIGHT) / 2.0;
        let what = "difference, as a multiple of what is allowed";
        canvas.text(what, (middle, bottom + 44.0), Align::Centre, LABEL, false, palette::INK.light);
        for (index, row) in self.rows.iter().enumerate() {
            let y = TOP + ROW * (index as f64 + 0.5);
            let tone = palette::mood(row.mood).light;
            canvas.text(&row.name, (24.0, y + 4.5), Align::Left, LABEL, false, palette::INK.light);
            for pair in &row.pairs {
                let x = place(*pair);
                canvas.rectangle((x - 2.0, y - 9.0), (x + 2.0, y - 5.0), palette::MUTED.light, 0.7);
            }
            if let Some([lower, estimate, upper]) = row.interval {
                let at = [lower, estimate, upper].map(place);
                canvas.line(&[(at[0], y + 3.0), (at[2].max(at[0] + 1.0), y + 3.0)], tone, 1.0, 3.0);
                canvas.rectangle((at[1] - 4.0, y - 1.0), (at[1] + 4.0, y + 7.0), tone, 1.0);
            }
            let words = fit_text(&row.words, WIDTH - RIGHT - 48.0, LABEL, true);
            canvas.text(&words, (RIGHT + 24.0, y + 4.5), Align::Left, LABEL, true, tone);
        }
    }
}
