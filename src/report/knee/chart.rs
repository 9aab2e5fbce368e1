//! Goodput, latency and failures over requests in flight, one below the other, with the knee marked, and from where on it leaks.

use crate::knee::{Answer, LeaksFrom, Load};
use crate::model::format_count;
use crate::report::chart::canvas::{Align, Canvas, dashed, fit_text, text_width};
use crate::report::chart::palette::{self, Tone};
use crate::report::chart::scale::{Scale, ticks};
use crate::report::chart::{Chart, Unit};
use crate::report::text::{Mood, plain};
use std::collections::BTreeMap;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 640.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 772.0;
const LABEL: f64 = 13.0;

/// Top and bottom of each panel.
const PANELS: [(f64, f64); 3] = [(104.0, 288.0), (344.0, 440.0), (496.0, 584.0)];

/// Kinds of failures that have a line of their own; the rarer ones have none.
const KINDS: usize = 4;

/// A line over the loads.
#[derive(Debug, Clone, PartialEq)]
struct Curve {
    name: String,
    tone: Tone,
    points: Vec<(f64, f64)>,
}

/// What was measured over requests in flight.
#[derive(Debug, Clone, PartialEq)]
pub struct KneeChart {
    answer: (&'static str, Mood),
    headline: String,
    /// Loads that are marked, with what is written above them.
    marks: Vec<(u64, String, Tone)>,
    loads: Vec<u64>,
    /// Bounds of goodput at each load.
    bounds: Vec<(f64, f64, f64)>,
    panels: [(&'static str, Unit, Vec<Curve>); 3],
}

impl KneeChart {
    /// Lays out the chart of loads, in their order.
    pub fn new(
        answer: (&'static str, Mood),
        rest: String,
        (found, leaks): (&Answer, Option<&LeaksFrom>),
        loads: &[Load],
    ) -> Self {
        let at = |load: &Load| load.step.load as f64;
        let curve = |name: &str, index: usize, value: &dyn Fn(&Load) -> Option<f64>| Curve {
            name: plain(name),
            tone: palette::series(index),
            points: loads.iter().filter_map(|load| Some((at(load), value(load)?))).collect(),
        };
        let goodput = curve("goodput", 0, &|load| Some(load.step.goodput?.estimate));
        let p95 = curve("p95 of successes", 1, &|load| load.step.p95);
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        for load in loads {
            failures(load).for_each(|(kind, count)| *kinds.entry(kind).or_default() += count);
        }
        let mut kinds: Vec<(u64, String)> = kinds.into_iter().map(|(kind, count)| (count, kind)).collect();
        kinds.sort_by(|a, b| b.cmp(a));
        let failing = kinds.into_iter().take(KINDS).enumerate().map(|(index, (_, kind))| {
            let share = |load: &Load| {
                let count: u64 = failures(load).filter(|(name, _)| *name == kind).map(|(_, count)| count).sum();
                (load.step.ended > 0).then(|| 100.0 * count as f64 / load.step.ended as f64)
            };
            curve(&kind, index + 2, &share)
        });
        let failing: Vec<Curve> = failing.collect();
        let knee = match found {
            Answer::Found(knee) => Some((knee.at.max(1), format!("knee: {}", knee.at.max(1)), palette::BUDGET)),
            Answer::NoneUpTo(_) | Answer::Unclear(_) => None,
        };
        let leak = leaks.map(|leak| (leak.load, format!("leaks from {} on", leak.load), palette::BAD));
        let mut marks: Vec<(u64, String, Tone)> = knee.into_iter().chain(leak).collect();
        marks.sort_by_key(|mark| mark.0);
        KneeChart {
            answer,
            headline: rest.trim_start_matches([':', ' ']).to_owned(),
            marks,
            loads: loads.iter().map(|load| load.step.load).collect(),
            bounds: loads.iter().filter_map(|l| l.step.goodput.map(|g| (at(l), g.lower, g.upper))).collect(),
            panels: [
                ("successes per second", Unit::Count, vec![goodput]),
                ("latency", Unit::Latency, vec![p95]),
                ("per cent that fail", Unit::Count, failing),
            ],
        }
    }

    fn panel(&self, canvas: &mut dyn Canvas, x: &Scale, index: usize) {
        let (top, bottom) = PANELS[index];
        let (title, unit, curves) = &self.panels[index];
        let highest = curves.iter().flat_map(|curve| curve.points.iter().map(|p| p.1)).fold(0.0, f64::max);
        let range = (0.0, if highest > 0.0 { 1.1 * highest } else { 1.0 });
        let marks = ticks(*unit, range, if index == 0 { 6 } else { 3 });
        let y = Scale::linear(range, (bottom, top));
        let title = format!("{title} {}", marks.unit);
        canvas.text(title.trim(), (24.0, top - 14.0), Align::Left, LABEL, false, palette::MUTED.light);
        for (value, label) in &marks.marks {
            let at = y.at(*value);
            canvas.line(&[(LEFT, at), (RIGHT, at)], palette::GRID.light, 1.0, 1.0);
            canvas.text(label, (LEFT - 8.0, at + 4.5), Align::Right, LABEL, false, palette::MUTED.light);
        }
        canvas.line(&[(LEFT, bottom), (RIGHT, bottom)], palette::AXIS.light, 1.0, 1.2);
        for (load, _, tone) in &self.marks {
            let at = x.at(*load as f64);
            dashed(canvas, &[(at, top), (at, bottom)], 5.0, tone.light, 1.5);
        }
        if index == 0 {
            for (load, lower, upper) in &self.bounds {
                let at = x.at(*load);
                let bar = [(at, y.at(*lower).min(bottom)), (at, y.at(*upper).max(top))];
                canvas.line(&bar, curves[0].tone.light, 0.5, 3.0);
            }
        }
        for (place, curve) in curves.iter().enumerate() {
            let points: Vec<_> = curve.points.iter().map(|p| (x.at(p.0), y.at(p.1))).collect();
            canvas.line(&points, curve.tone.light, 1.0, 2.0);
            for (px, py) in points {
                canvas.rectangle((px - 3.0, py - 3.0), (px + 3.0, py + 3.0), curve.tone.light, 1.0);
            }
            let at = top + 8.0 + 20.0 * place as f64;
            canvas.line(&[(RIGHT + 24.0, at - 4.5), (RIGHT + 44.0, at - 4.5)], curve.tone.light, 1.0, 3.0);
            let name = fit_text(&curve.name, WIDTH - 24.0 - RIGHT - 52.0, LABEL, false);
            canvas.text(&name, (RIGHT + 52.0, at), Align::Left, LABEL, false, palette::INK.light);
        }
    }
}

/// Failures of a load by kind: by status where there was one.
fn failures(load: &Load) -> impl Iterator<Item = (String, u64)> {
    let by_status = load.step.statuses.iter().filter(|(status, _)| **status >= 400);
    let statuses = by_status.map(|(status, count)| (status.to_string(), *count));
    let others = load.step.errors.iter().filter(|(kind, _)| *kind != "status");
    statuses.chain(others.map(|(kind, count)| (kind.clone(), *count)))
}

impl Chart for KneeChart {
    fn size(&self) -> (u32, u32) {
        (WIDTH as u32, HEIGHT as u32)
    }

    fn title(&self) -> String {
        format!("{}  {}", self.answer.0, self.headline)
    }

    fn description(&self) -> String {
        let [(_, _, goodput), ..] = &self.panels;
        let points = goodput.iter().flat_map(|curve| &curve.points);
        let told: Vec<String> = points.map(|(load, rate)| format!("{load}: {}/s", format_count(*rate))).collect();
        format!("Goodput, latency and failures over requests in flight. Goodput at {}.", told.join(", "))
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        canvas.rectangle((0.0, 0.0), (WIDTH, HEIGHT), palette::SURFACE.light, 1.0);
        let (word, mood) = self.answer;
        let tone = palette::mood(mood);
        canvas.text(word, (24.0, 38.0), Align::Left, 20.0, true, tone.light);
        let begin = 24.0 + text_width(word, 20.0, true) + 14.0;
        let headline = fit_text(&self.headline, WIDTH - 24.0 - begin, 15.0, false);
        canvas.text(&headline, (begin, 38.0), Align::Left, 15.0, false, palette::INK.light);
        let highest = self.loads.iter().copied().max().unwrap_or(1).max(2) as f64;
        let x = Scale::log((1.0, highest), (LEFT + 8.0, RIGHT - 8.0));
        (0..PANELS.len()).for_each(|index| self.panel(canvas, &x, index));
        for (place, (load, what, tone)) in self.marks.iter().enumerate() {
            // Of two, each is written on its own side.
            let (align, aside) = match (self.marks.len(), place) {
                (1, _) => (Align::Centre, 0.0),
                (_, 0) => (Align::Right, 4.0),
                _ => (Align::Left, -4.0),
            };
            canvas.text(what, (x.at(*load as f64) + aside, PANELS[0].0 - 6.0), align, LABEL, true, tone.light);
        }
        let bottom = PANELS[2].1;
        for load in (0..).map(|power| 1u64 << power).take_while(|load| *load as f64 <= highest) {
            let at = x.at(load as f64);
            canvas.line(&[(at, bottom), (at, bottom + 5.0)], palette::AXIS.light, 1.0, 1.2);
            canvas.text(&load.to_string(), (at, bottom + 20.0), Align::Centre, LABEL, false, palette::MUTED.light);
        }
        let middle = (LEFT + RIGHT) / 2.0;
        canvas.text("requests in flight", (middle, bottom + 42.0), Align::Centre, LABEL, false, palette::INK.light);
    }
}
