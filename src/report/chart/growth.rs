//! The chart that proves or clears: a resource of each worker against the requests it served, with the fit.

use super::canvas::{Align, Canvas, dashed, fit_text, text_width};
use super::palette::{self, Tone};
use super::scale::{Scale, Ticks, Unit, ticks};
use super::thin::thin;
use crate::answer::{Finding, Fit, Outcome, Verdict};
use crate::model::{Axis, Resource, RunRecord, Series, WorkerId, format_count};
use crate::report::text::{self, Mood};
use crate::report::trace;
use std::collections::HashMap;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 540.0;
const TOP: f64 = 106.0;
const BOTTOM: f64 = 480.0;
const LEGEND: f64 = 216.0;
const LABEL: f64 = 13.0;

/// As many workers are told apart by colour; of more, those that grow most.
const COLOURED: usize = palette::SERIES.len();
/// Columns over which all lines together are thinned, which bounds the size of a chart.
const POINTS: usize = 8000;

/// One worker's line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The worker; `None` for the pool as a whole.
    pub worker: Option<WorkerId>,
    /// Points along the axis, thinned; each piece is a stretch without missing readings.
    pub pieces: Vec<Vec<(f64, f64)>>,
    /// Its colour; `None` for one of the crowd.
    pub colour: Option<Tone>,
    /// Its growth in words, if it was fitted.
    pub growth: Option<String>,
    /// Its fit, drawn if it has a colour.
    pub fit: Option<Fit>,
}

/// A resource of each worker along the axis, laid out.
#[derive(Debug, Clone, PartialEq)]
pub struct GrowthChart {
    /// Verdict and rate; the title.
    pub headline: String,
    /// What is drawn against what; the subtitle.
    pub subtitle: String,
    /// One line a worker, in the order of first reading.
    pub lines: Vec<Line>,
    /// What is drawn.
    pub resource: Resource,
    /// Its name, as it was measured.
    pub full: &'static str,
    /// What it is drawn against.
    pub axis: Axis,
    /// Where warm-up ends on the axis, if there was one.
    pub warm_up: Option<f64>,
    /// The growth that the budget allows: from a position and level to another.
    pub budget: Option<[(f64, f64); 2]>,
    /// The budget's amount.
    pub budget_words: String,
    /// First and last position on the axis.
    pub x_range: (f64, f64),
    /// Lowest and highest level drawn.
    pub y_range: (f64, f64),
    confidence: Option<f64>,
    outcome: Outcome,
}

impl GrowthChart {
    /// Lays out the chart of one finding.
    pub fn new(record: &RunRecord, finding: &Finding) -> Self {
        let (resource, axis) = (finding.resource, finding.axis);
        let found: HashMap<_, _> = finding.workers.iter().map(|w| (w.worker, w)).collect();
        let series = crate::readings::series(record, resource).1;
        let columns = (POINTS / series.len().max(1)).clamp(20, 400);
        let mut lines: Vec<Line> = series
            .iter()
            .map(|one| {
                let worker = found.get(&one.worker);
                let growth = worker.and_then(|w| w.growth.as_ref());
                Line {
                    worker: one.worker,
                    pieces: stretches(one).iter().map(|piece| thin(piece, columns)).collect(),
                    colour: None,
                    growth: growth.map(|g| text::amount(resource, g.estimate)),
                    fit: worker.and_then(|w| w.fit.clone()),
                }
            })
            .collect();
        colour(&mut lines, |worker| found.get(&worker)?.growth.map(|g| g.estimate));

        let warm_up = warm_up(finding, &lines);
        let data = || lines.iter().flat_map(|l| l.pieces.iter().flatten());
        let (x_low, x_high) = extent(data().map(|p| p.0)).unwrap_or((0.0, 1.0));
        let x_range = (if x_low < 0.2 * x_high { x_low.min(0.0) } else { x_low }, x_high);
        let budget = budget_line(finding, &lines, warm_up);
        let y_range = y_range(data().map(|p| p.1), budget, resource);
        let headline = match &finding.growth {
            Some(growth) => text::growth(resource, axis, growth),
            None => crate::words::reason(finding),
        };
        let chart = GrowthChart {
            headline,
            subtitle: subtitle(record, resource, axis),
            lines,
            resource,
            full: record.meta.full(resource),
            axis,
            warm_up,
            budget,
            budget_words: text::amount(resource, finding.budget),
            confidence: finding.growth.map(|g| g.confidence),
            outcome: finding.outcome,
            x_range,
            y_range,
        };
        if axis == Axis::Hours { chart.along_the_clock() } else { chart }
    }

    /// The same with hours told in seconds, which is what a time axis is drawn from.
    fn along_the_clock(mut self) -> Self {
        let seconds = |hours: &mut f64| *hours *= 3600.0;
        for line in &mut self.lines {
            line.pieces.iter_mut().flatten().for_each(|point| seconds(&mut point.0));
            if let Some(fit) = &mut line.fit {
                fit.x.iter_mut().chain([&mut fit.from]).for_each(seconds);
            }
        }
        self.budget.iter_mut().flatten().for_each(|end| seconds(&mut end.0));
        self.warm_up.iter_mut().chain([&mut self.x_range.0, &mut self.x_range.1]).for_each(seconds);
        self
    }

    /// What the numbers along the axis are.
    pub fn x_unit(&self) -> Unit {
        match self.axis {
            Axis::Seconds | Axis::Hours => Unit::Clock,
            Axis::WorkerRequests | Axis::SharedRequests | Axis::PoolRequests => Unit::Count,
        }
    }

    /// Lays out the chart of memory: that of the verdict's finding, or of the bare readings if it has none.
    pub fn memory(record: &RunRecord, verdict: &Verdict) -> Self {
        if let Some(finding) = verdict.findings.iter().find(|f| f.resource == Resource::Memory) {
            return GrowthChart::new(record, finding);
        }
        GrowthChart::new(record, &bare(crate::readings::series(record, Resource::Memory).0))
    }

    fn plot(&self, y_ticks: &Ticks) -> Plot {
        let widest = y_ticks.marks.iter().map(|(_, label)| text_width(label, LABEL, false)).fold(0.0, f64::max);
        let left = 28.0 + widest.max(24.0);
        let right = WIDTH - LEGEND - 24.0;
        Plot {
            left,
            right,
            x: Scale::linear(self.x_range, (left, right)),
            y: Scale::linear(self.y_range, (BOTTOM, TOP)),
        }
    }
}

/// The readings of a worker along the axis, cut where none were taken for long.
fn stretches(series: &Series) -> Vec<Vec<(f64, f64)>> {
    let longest = trace::longest_gap(series.t.iter().copied());
    let points: Vec<_> = series.t.iter().zip(&series.x).zip(&series.y).map(|((t, x), y)| (*t, (*x, *y))).collect();
    points.chunk_by(|a, b| b.0 - a.0 <= longest).map(|piece| piece.iter().map(|p| p.1).collect()).collect()
}

/// A finding that says nothing, for a run that wasn't judged.
fn bare(axis: Axis) -> Finding {
    Finding {
        resource: Resource::Memory,
        outcome: Outcome::Inconclusive,
        class: crate::answer::LeakClass::Unknown,
        growth: None,
        axis,
        budget: f64::NAN,
        reason: crate::answer::Reason::NotJudged,
        settle: None,
        steps: None,
        workers: Vec::new(),
        evidence: crate::answer::Evidence::default(),
        parts: Vec::new(),
        places: None,
        held: None,
        reached: None,
        forecast: None,
    }
}

fn subtitle(record: &RunRecord, resource: Resource, axis: Axis) -> String {
    let whose = if resource.of_whole_target() { "of the whole target" } else { "of each worker" };
    format!(
        "{} {whose}, against {} · {}",
        record.meta.full(resource),
        text::axis_name(axis),
        text::plain(&record.meta.name)
    )
}

/// Gives colours to all lines, or of a crowd to those that grow most.
fn colour(lines: &mut [Line], growth: impl Fn(Option<WorkerId>) -> Option<f64>) {
    let mut chosen: Vec<usize> = (0..lines.len()).collect();
    if lines.len() > COLOURED {
        let key = |i: &usize| growth(lines[*i].worker).filter(|g| g.is_finite()).unwrap_or(f64::NEG_INFINITY);
        chosen.sort_by(|a, b| key(b).total_cmp(&key(a)));
        chosen.truncate(COLOURED);
        chosen.sort_unstable();
    }
    for (i, line) in chosen.into_iter().enumerate() {
        lines[line].colour = Some(palette::series(i));
    }
}

/// The usual end of warm-up over the workers; missing if most had none.
fn warm_up(finding: &Finding, lines: &[Line]) -> Option<f64> {
    let begins: HashMap<_, _> = lines.iter().filter_map(|l| Some((l.worker, l.pieces.first()?.first()?.0))).collect();
    let mut ends: Vec<f64> = finding
        .workers
        .iter()
        .filter_map(|w| {
            let begin = *begins.get(&w.worker)?;
            let end = w.fit.as_ref()?.from;
            Some(if end.is_finite() && end > begin { end } else { f64::NEG_INFINITY })
        })
        .collect();
    ends.sort_by(f64::total_cmp);
    ends.get(ends.len() / 2).copied().filter(|end| end.is_finite())
}

/// The line of a worker that grows just as the budget allows, from the usual level at the end of warm-up.
fn budget_line(finding: &Finding, lines: &[Line], warm_up: Option<f64>) -> Option<[(f64, f64); 2]> {
    // A budget is per request and can't be drawn over time.
    if finding.axis == Axis::Seconds {
        return None;
    }
    let data = || lines.iter().flat_map(|l| l.pieces.iter().flatten());
    let (low, high) = extent(data().map(|p| p.0))?;
    let from = warm_up.unwrap_or(low);
    let mut levels: Vec<f64> = finding.workers.iter().map(|w| w.first).filter(|y| y.is_finite()).collect();
    levels.sort_by(f64::total_cmp);
    let level = *levels.get(levels.len() / 2)?;
    let end = level + finding.budget * (high - from);
    (end.is_finite() && high > from).then_some([(from, level), (high, end)])
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |range, v| {
        let (low, high) = range.unwrap_or((v, v));
        Some((v.min(low), v.max(high)))
    })
}

/// Room for the data and for what the budget allows, so that noise doesn't fill the chart and look like growth.
fn y_range(data: impl Iterator<Item = f64>, budget: Option<[(f64, f64); 2]>, resource: Resource) -> (f64, f64) {
    let Some((mut low, mut high)) = extent(data) else { return (0.0, 1.0) };
    let spread = high - low;
    if let Some([_, (_, end)]) = budget {
        // A generous budget must not flatten the data to nothing.
        high = high.max(end.min(high + 2.0 * spread.max(0.05 * high)));
    }
    let least = (0.08 * high.abs()).max(if resource.in_bytes() { 65536.0 } else { 4.0 });
    let missing = (least - (high - low)).max(0.0);
    low -= missing / 2.0;
    high += missing / 2.0;
    let margin = 0.06 * (high - low);
    let floor = if low >= 0.0 && low < 0.4 * high { 0.0 } else { low - margin };
    (floor.max(0.0_f64.min(low)), high + margin)
}

struct Plot {
    left: f64,
    right: f64,
    x: Scale,
    y: Scale,
}

impl Plot {
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x.at(x).clamp(self.left, self.right), self.y.at(y).clamp(TOP, BOTTOM))
    }

    fn all(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        points.iter().map(|p| self.at(*p)).collect()
    }
}

impl super::Chart for GrowthChart {
    fn size(&self) -> (u32, u32) {
        (WIDTH as u32, HEIGHT as u32)
    }

    fn title(&self) -> String {
        self.headline.clone()
    }

    fn description(&self) -> String {
        let step = if self.axis == Axis::Hours { "hour" } else { "request" };
        format!("{}; {} lines; the budget allows {} per {step}.", self.subtitle, self.lines.len(), self.budget_words)
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        let unit = if self.resource.in_bytes() { Unit::Bytes } else { Unit::Count };
        let y_ticks = ticks(unit, self.y_range, 7);
        let plot = self.plot(&y_ticks);
        canvas.rectangle((0.0, 0.0), (WIDTH, HEIGHT), palette::SURFACE.light, 1.0);
        self.draw_titles(canvas);
        self.draw_frame(canvas, &plot, &y_ticks);
        self.draw_data(canvas, &plot);
        self.draw_legend(canvas, &plot);
    }
}

impl GrowthChart {
    fn draw_titles(&self, canvas: &mut dyn Canvas) {
        let tone = palette::mood(Mood::of_outcome(self.outcome));
        let word = text::outcome_word(self.outcome);
        let begin = 24.0 + text_width(word, 20.0, true) + 14.0;
        canvas.text(word, (24.0, 38.0), Align::Left, 20.0, true, tone.light);
        let rest = fit_text(&self.headline, WIDTH - 24.0 - begin, 20.0, true);
        canvas.text(&rest, (begin, 38.0), Align::Left, 20.0, true, palette::INK.light);
        let subtitle = fit_text(&self.subtitle, WIDTH - 48.0, LABEL, false);
        canvas.text(&subtitle, (24.0, 62.0), Align::Left, LABEL, false, palette::MUTED.light);
    }

    fn draw_frame(&self, canvas: &mut dyn Canvas, plot: &Plot, y_ticks: &Ticks) {
        if let Some(end) = self.warm_up {
            let right = plot.at((end, 0.0)).0;
            canvas.rectangle((plot.left, TOP), (right, BOTTOM), palette::SHADE.light, 1.0);
        }
        for (value, label) in &y_ticks.marks {
            let y = plot.y.at(*value);
            canvas.line(&[(plot.left, y), (plot.right, y)], palette::GRID.light, 1.0, 1.0);
            canvas.text(label, (plot.left - 8.0, y + 4.5), Align::Right, LABEL, false, palette::MUTED.light);
        }
        let what = match (self.resource, y_ticks.unit) {
            (resource, unit) if resource.in_bytes() => unit.to_owned(),
            (resource, _) => resource.to_string(),
        };
        canvas.text(&what, (24.0, TOP - 14.0), Align::Left, LABEL, false, palette::MUTED.light);

        canvas.line(&[(plot.left, BOTTOM), (plot.right, BOTTOM)], palette::AXIS.light, 1.0, 1.2);
        let x_ticks = ticks(self.x_unit(), self.x_range, 8);
        for (value, label) in &x_ticks.marks {
            let x = plot.x.at(*value);
            canvas.line(&[(x, BOTTOM), (x, BOTTOM + 5.0)], palette::AXIS.light, 1.0, 1.2);
            canvas.text(label, (x, BOTTOM + 20.0), Align::Centre, LABEL, false, palette::MUTED.light);
        }
        let mut what = text::axis_name(self.axis).to_owned();
        if !x_ticks.unit.is_empty() {
            what = format!("{what} ({})", x_ticks.unit);
        }
        let middle = (plot.left + plot.right) / 2.0;
        canvas.text(&what, (middle, BOTTOM + 44.0), Align::Centre, LABEL, false, palette::INK.light);
    }

    fn draw_data(&self, canvas: &mut dyn Canvas, plot: &Plot) {
        let crowd = self.lines.iter().filter(|l| l.colour.is_none()).count();
        let faint = (24.0 / crowd.max(1) as f64).clamp(0.12, 0.5);
        for line in self.lines.iter().filter(|l| l.colour.is_none()) {
            for piece in &line.pieces {
                canvas.line(&plot.all(piece), palette::MUTED.light, faint, 0.8);
            }
        }
        let fits: Vec<_> = self.lines.iter().filter_map(|l| Some((l.colour?, l.fit.as_ref()?))).collect();
        // Bands of workers that are alike lie upon one another and must not add up to a wall.
        let sheer = (0.3 / fits.len().max(1) as f64).clamp(0.05, 0.16);
        for (tone, fit) in fits {
            canvas.area(&plot.all(&band(fit)), tone.light, sheer);
        }
        if let Some(ends) = &self.budget {
            dashed(canvas, &plot.all(ends), 6.0, palette::BUDGET.light, 1.6);
        }
        for line in &self.lines {
            let Some(tone) = line.colour else { continue };
            for piece in &line.pieces {
                match piece[..] {
                    [only] => {
                        let (x, y) = plot.at(only);
                        canvas.rectangle((x - 1.5, y - 1.5), (x + 1.5, y + 1.5), tone.light, 1.0);
                    }
                    _ => canvas.line(&plot.all(piece), tone.light, 0.9, 1.6),
                }
            }
        }
        for line in self.lines.iter().filter(|l| l.colour.is_some()) {
            let Some(fit) = &line.fit else { continue };
            let points: Vec<_> = fit.x.iter().copied().zip(fit.y.iter().copied()).collect();
            for piece in trace::pieces(&points) {
                dashed(canvas, &plot.all(piece), 4.0, palette::INK.light, 1.0);
            }
        }
        if let Some(end) = self.warm_up {
            let right = plot.at((end, 0.0)).0;
            canvas.line(&[(right, TOP), (right, BOTTOM)], palette::AXIS.light, 1.0, 1.0);
            let label = "warm-up";
            if right - plot.left > text_width(label, 12.0, false) + 12.0 {
                canvas.text(label, (plot.left + 6.0, TOP + 16.0), Align::Left, 12.0, false, palette::MUTED.light);
            }
        }
        if self.lines.iter().all(|l| l.pieces.is_empty()) {
            let middle = ((plot.left + plot.right) / 2.0, (TOP + BOTTOM) / 2.0);
            canvas.text("no readings", middle, Align::Centre, 16.0, false, palette::MUTED.light);
        }
    }

    fn draw_legend(&self, canvas: &mut dyn Canvas, plot: &Plot) {
        let (left, right) = (plot.right + 24.0, WIDTH - 24.0);
        let mut y = TOP + 4.0;
        let mut row = |canvas: &mut dyn Canvas, name: &str, value: &str, swatch: &dyn Fn(&mut dyn Canvas, f64)| {
            swatch(canvas, y - 4.5);
            canvas.text(name, (left + 28.0, y), Align::Left, LABEL, false, palette::INK.light);
            canvas.text(value, (right, y), Align::Right, LABEL, false, palette::MUTED.light);
            y += 22.0;
        };
        let coloured: Vec<_> = self.lines.iter().filter_map(|l| Some((l, l.colour?))).collect();
        if !coloured.is_empty() {
            let whose = if self.resource.of_whole_target() { "" } else { "worker" };
            row(canvas, whose, &format!("per {}", self.axis.unit()), &|_, _| {});
        }
        for (line, tone) in &coloured {
            let name = line.worker.map_or_else(|| "pool".to_owned(), |w| w.pid.to_string());
            row(canvas, &name, line.growth.as_deref().unwrap_or("–"), &|canvas, y| {
                canvas.line(&[(left, y), (left + 20.0, y)], tone.light, 1.0, 3.0);
            });
        }
        let others = self.lines.len() - coloured.len();
        if others > 0 {
            row(canvas, &format!("and {others} more"), "", &|canvas, y| {
                canvas.line(&[(left, y), (left + 20.0, y)], palette::MUTED.light, 0.5, 2.0);
            });
        }
        if coloured.iter().any(|(l, _)| l.fit.is_some()) {
            let percent = self.confidence.filter(|c| c.is_finite()).map(|c| format_count(c * 100.0));
            let name = percent.map_or("fit".to_owned(), |p| format!("fit, {p} % band"));
            row(canvas, &name, "", &|canvas, y| {
                canvas.rectangle((left, y - 5.0), (left + 20.0, y + 5.0), palette::INK.light, 0.14);
                dashed(canvas, &[(left, y), (left + 20.0, y)], 4.0, palette::INK.light, 1.4);
            });
        }
        if self.budget.is_some() {
            let words = fit_text(&self.budget_words, right - left - 82.0, LABEL, false);
            row(canvas, "budget", &words, &|canvas, y| {
                dashed(canvas, &[(left, y), (left + 20.0, y)], 6.0, palette::BUDGET.light, 1.8);
            });
        }
    }
}

/// The outline of a fit's band: along the upper edge and back along the lower.
pub fn band(fit: &Fit) -> Vec<(f64, f64)> {
    let edge = |y: &[f64]| -> Vec<(f64, f64)> {
        fit.x.iter().copied().zip(y.iter().copied()).filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
    };
    let mut outline = edge(&fit.upper);
    outline.extend(edge(&fit.lower).into_iter().rev());
    outline
}
