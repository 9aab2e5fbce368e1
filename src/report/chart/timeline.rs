//! The run over time: memory, requests, failures and latency, one above the other on one axis.

use super::account;
use super::canvas::{Align, Canvas, fit_text, text_width};
use super::growth::GrowthChart;
use super::palette::{self, Tone};
use super::places;
use super::scale::{Scale, Ticks, Unit, log_ticks, ticks};
use super::thin::thin;
use crate::answer::Verdict;
use crate::model::{EventKind, LoadSample, PhaseKind, Resource, RunRecord, format_bytes, format_count};
use crate::report::{text, trace};
use std::collections::{BTreeMap, HashMap};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = WIDTH - 240.0;
const TOP: f64 = 116.0;
const GAP: f64 = 46.0;
const LABEL: f64 = 13.0;
pub(super) const COLUMNS: usize = 480;

/// The height of what stands beside the memory of the target.
const BESIDE: f64 = 96.0;

/// The kind of failure of which the statuses tell more.
const STATUS: &str = "status";

/// The lowest status that tells of a failure.
const FAILURES_FROM: u16 = 400;

/// Kinds of failures that have lines of their own.
const KINDS: usize = 3;

/// A line or an area of a panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What it is.
    pub name: String,
    /// What the legend says beside the name.
    pub value: String,
    /// Points over time, thinned; each piece is a stretch without missing readings.
    pub pieces: Vec<Vec<(f64, f64)>>,
    /// Its colour; `None` for one of a crowd.
    pub tone: Option<Tone>,
    /// Whether it is filled down to zero.
    pub filled: bool,
}

/// One quantity over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Strip {
    /// What is drawn.
    pub title: String,
    /// What it counts.
    pub unit: Unit,
    /// Whether its scale is logarithmic.
    pub log: bool,
    /// Lowest and highest value.
    pub range: (f64, f64),
    /// The lines; the crowd first.
    pub curves: Vec<Curve>,
    /// What the values in the legend are.
    pub values: &'static str,
    /// Its height in pixels.
    pub height: f64,
    /// Said in place of the lines when there are none.
    pub(super) nothing: &'static str,
}

/// A phase with its begin and end in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhaseSpan {
    /// Its kind.
    pub kind: PhaseKind,
    /// Its begin.
    pub from: f64,
    /// Its end.
    pub to: f64,
}

/// The run over time, laid out.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// From top to bottom.
    pub panels: Vec<Strip>,
    /// The phases, in order.
    pub phases: Vec<PhaseSpan>,
    /// First and last second.
    pub range: (f64, f64),
    subtitle: String,
}

impl Timeline {
    /// Lays out the run.
    pub fn new(record: &RunRecord, verdict: &Verdict) -> Self {
        let end = last_moment(record);
        let phases = phases(record, end);
        let load = by_second(&record.load, &phases);
        let mut panels = vec![memory(record, verdict)];
        panels.extend(record.services.iter().zip(&verdict.services).map(|(service, verdict)| {
            let strip = memory(service, verdict);
            let title = format!("{} of its service {}", strip.title, text::plain(&service.meta.name));
            Strip { title, height: BESIDE, ..strip }
        }));
        panels.extend(places::strip(record, verdict));
        panels.extend(account::strips(record, verdict));
        if !load.is_empty() {
            panels.push(requests(&load));
            panels.push(failures(&load));
            panels.push(latency(&load));
        }
        panels.extend(gone(record));
        let words = match record.meta.elapsed.filter(|e| e.is_finite()) {
            Some(elapsed) => format!(" · {} long", crate::model::format_seconds(elapsed)),
            None => String::new(),
        };
        Timeline {
            panels,
            phases,
            range: (0.0, end),
            subtitle: format!("{} · {}{words}", text::plain(&record.meta.name), text::plain(&record.meta.started)),
        }
    }
}

fn last_moment(record: &RunRecord) -> f64 {
    let samples = record.samples.iter().map(|s| s.t);
    let load = record.load.iter().map(|l| l.t);
    let events = record.events.iter().map(|e| e.t);
    let last = samples.chain(load).chain(events).filter(|t| t.is_finite()).fold(0.0, f64::max);
    if last > 0.0 { last } else { 1.0 }
}

/// The phases as the events tell them; each lasts until the next begins or the target is stopped.
fn phases(record: &RunRecord, end: f64) -> Vec<PhaseSpan> {
    let mut spans: Vec<PhaseSpan> = Vec::new();
    for event in record.events.iter().filter(|e| e.t.is_finite()) {
        let begins = match event.kind {
            EventKind::Phase { phase, .. } => Some(phase),
            EventKind::Stopping => None,
            _ => continue,
        };
        if let Some(open) = spans.last_mut().filter(|s| s.to.is_infinite()) {
            open.to = event.t;
        }
        spans.extend(begins.map(|kind| PhaseSpan { kind, from: event.t, to: f64::INFINITY }));
    }
    for span in &mut spans {
        span.to = span.to.min(end);
    }
    spans.retain(|s| s.to > s.from);
    spans
}

/// What the driver did in one second, over all steps; the last second of a phase may be cut short.
#[derive(Debug, Clone, PartialEq, Default)]
struct Second {
    t: f64,
    length: f64,
    ok: u64,
    failed: u64,
    errors: BTreeMap<String, u64>,
    /// Answers with each status that tells of a failure, where answers were not as expected.
    statuses: BTreeMap<u16, u64>,
    /// The highest of each quantile over the steps.
    quantiles: [Option<f64>; 3],
}

fn by_second(load: &[LoadSample], phases: &[PhaseSpan]) -> Vec<Second> {
    let mut seconds: BTreeMap<i64, Second> = BTreeMap::new();
    for sample in load.iter().filter(|l| l.t.is_finite() && l.t.abs() < 1e9) {
        let second =
            seconds.entry((sample.t * 4.0).round() as i64).or_insert(Second { t: sample.t, ..Second::default() });
        second.ok = second.ok.saturating_add(sample.ok);
        second.failed = second.failed.saturating_add(sample.failed);
        for (kind, count) in &sample.errors {
            let total = second.errors.entry(text::plain(kind)).or_default();
            *total = total.saturating_add(*count);
        }
        let unexpected = sample.errors.iter().any(|(kind, count)| kind == STATUS && *count > 0);
        for (status, count) in sample.statuses.iter().filter(|(status, _)| unexpected && *status >= FAILURES_FROM) {
            let total = second.statuses.entry(*status).or_default();
            *total = total.saturating_add(*count);
        }
        for (highest, value) in second.quantiles.iter_mut().zip([sample.p50, sample.p95, sample.p99]) {
            let value = value.filter(|v| v.is_finite() && *v > 0.0);
            *highest = (*highest).into_iter().chain(value).reduce(f64::max);
        }
    }
    let mut seconds: Vec<Second> = seconds.into_values().collect();
    let mut before = f64::NEG_INFINITY;
    for second in &mut seconds {
        let begins = phases.iter().map(|p| p.from).filter(|from| *from < second.t);
        let begin = begins.fold((second.t - 1.0).max(before), f64::max);
        second.length = (second.t - begin).max(0.05);
        before = second.t;
    }
    seconds
}

/// Cuts points that are missing, and where nothing was read for long, and thins what is left.
pub(super) fn cut(points: Vec<(f64, f64)>, columns: usize) -> Vec<Vec<(f64, f64)>> {
    let longest = trace::longest_gap(points.iter().map(|p| p.0));
    trace::pieces(&points)
        .flat_map(|piece| piece.chunk_by(move |a, b| b.0 - a.0 <= longest))
        .map(|piece| thin(piece, columns))
        .collect()
}

fn memory(record: &RunRecord, verdict: &Verdict) -> Strip {
    let chart = GrowthChart::memory(record, verdict);
    let tones: HashMap<_, _> = chart.lines.iter().map(|l| (l.worker, l.colour)).collect();
    let traces = trace::memory_over_time(record);
    let columns = (8000 / traces.len().max(1)).clamp(20, COLUMNS);
    let mut curves: Vec<Curve> = traces
        .into_iter()
        .map(|(worker, points)| Curve {
            name: text::worker_name(Some(worker)),
            value: points.iter().rev().find(|p| p.1.is_finite()).map_or_else(String::new, |p| format_bytes(p.1)),
            pieces: cut(points, columns),
            tone: tones.get(&Some(worker)).copied().flatten(),
            filled: false,
        })
        .collect();
    curves.sort_by_key(|c| c.tone.is_some());
    let range = padded(&curves, Some(65536.0));
    Strip {
        title: format!("{} of each worker", record.meta.full(Resource::Memory)),
        unit: Unit::Bytes,
        log: false,
        range,
        curves,
        values: "last",
        height: 168.0,
        nothing: "no readings",
    }
}

fn requests(load: &[Second]) -> Strip {
    let total: u64 = load.iter().fold(0, |sum, s| sum.saturating_add(s.ok));
    let curve = Curve {
        name: "as expected".to_owned(),
        value: super::thousands(&total.to_string()),
        pieces: cut(load.iter().map(|s| (s.t, s.ok as f64 / s.length)).collect(), COLUMNS),
        tone: Some(palette::series(0)),
        filled: false,
    };
    let range = (0.0, padded(std::slice::from_ref(&curve), Some(4.0)).1);
    Strip {
        title: "requests per second".to_owned(),
        unit: Unit::Count,
        log: false,
        range,
        curves: vec![curve],
        values: "in all",
        height: BESIDE,
        nothing: "no requests",
    }
}

/// Cores that were gone for the target: used by others of the host, or stolen by a hypervisor; `None` where next to none were.
fn gone(record: &RunRecord) -> Option<Strip> {
    let stolen: Vec<(f64, f64)> = record.host.iter().filter_map(|host| Some((host.t, host.steal?))).collect();
    let mut steal: Vec<(f64, f64)> = Vec::new();
    let mut before: Option<(f64, f64)> = None;
    for (t, sum) in stolen {
        match before {
            // A second at a time: the clock of it has ticks of 10 ms.
            Some((since, _)) if t - since < 1.0 => {}
            Some((since, was)) => {
                steal.push((t, (sum - was).max(0.0) / (t - since)));
                before = Some((t, sum));
            }
            None => before = Some((t, sum)),
        }
    }
    let others = crate::readings::neighbours::cores(record);
    let curves: Vec<Curve> = [("used by others", others, 1), ("stolen", steal, 5)]
        .into_iter()
        .filter(|(_, points, _)| points.iter().any(|point| point.1 > LITTLE_CPU))
        .map(|(name, points, tone)| Curve {
            name: name.to_owned(),
            value: crate::model::format_count(points.iter().map(|point| point.1).fold(0.0, f64::max)),
            pieces: cut(points, COLUMNS),
            tone: Some(palette::series(tone)),
            filled: false,
        })
        .collect();
    let range = (0.0, padded(&curves, Some(1.0)).1);
    (!curves.is_empty()).then(|| Strip {
        title: "cores that others took".to_owned(),
        unit: Unit::Count,
        log: false,
        range,
        curves,
        values: "most",
        height: BESIDE,
        nothing: "none",
    })
}

/// Part of a core that is worth a curve.
const LITTLE_CPU: f64 = 0.1;

fn failures(load: &[Second]) -> Strip {
    let kinds_of = |second: &Second| {
        let statuses = second.statuses.iter().map(|(status, count)| (format!("{STATUS} {status}"), *count));
        let told = !second.statuses.is_empty();
        let errors = second.errors.iter().filter(move |(kind, _)| !told || *kind != STATUS);
        statuses.chain(errors.map(|(kind, count)| (kind.clone(), *count))).collect::<BTreeMap<String, u64>>()
    };
    let by_second: Vec<(&Second, BTreeMap<String, u64>)> =
        load.iter().map(|second| (second, kinds_of(second))).collect();
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for (kind, count) in by_second.iter().flat_map(|(_, kinds)| kinds) {
        let total = kinds.entry(kind).or_default();
        *total = total.saturating_add(*count);
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let failed = load.iter().any(|s| s.failed > 0);
    let mut curves = Vec::new();
    if failed {
        let total: u64 = load.iter().fold(0, |sum, s| sum.saturating_add(s.failed));
        curves.push(Curve {
            name: "failed".to_owned(),
            value: super::thousands(&total.to_string()),
            pieces: cut(load.iter().map(|s| (s.t, s.failed as f64 / s.length)).collect(), COLUMNS),
            tone: Some(palette::BAD),
            filled: true,
        });
        // By kind, statuses apart, the most first; what there is only one of is all of it.
        let alone = kinds.len() < 2;
        curves.extend(kinds.into_iter().take(KINDS).enumerate().map(|(place, (kind, count))| {
            let of = |(second, kinds): &(&Second, BTreeMap<String, u64>)| {
                (second.t, kinds.get(kind).copied().unwrap_or(0) as f64 / second.length)
            };
            Curve {
                name: kind.to_owned(),
                value: super::thousands(&count.to_string()),
                pieces: if alone { Vec::new() } else { cut(by_second.iter().map(of).collect(), COLUMNS) },
                tone: Some(if alone { palette::SURFACE } else { palette::series([1, 2, 5][place % KINDS]) }),
                filled: false,
            }
        }));
    }
    let range = (0.0, padded(&curves, Some(2.0)).1);
    Strip {
        title: "failures per second".to_owned(),
        unit: Unit::Count,
        log: false,
        range,
        curves,
        values: "in all",
        height: if failed { BESIDE } else { 24.0 },
        nothing: "no failures",
    }
}

fn latency(load: &[Second]) -> Strip {
    let curves: Vec<Curve> = ["p50", "p95", "p99"]
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let points: Vec<_> = load.iter().map(|s| (s.t, s.quantiles[i].unwrap_or(f64::NAN))).collect();
            let mut sorted: Vec<f64> = points.iter().map(|p| p.1).filter(|v| v.is_finite()).collect();
            sorted.sort_by(f64::total_cmp);
            let usual = sorted.get(sorted.len() / 2);
            Curve {
                name: (*name).to_owned(),
                value: usual.map_or_else(String::new, |v| crate::model::format_seconds(*v)),
                pieces: cut(points, COLUMNS),
                tone: Some([palette::series(2), palette::series(5), palette::series(1)][i]),
                filled: false,
            }
        })
        .filter(|c| !c.pieces.is_empty())
        .collect();
    let values = || curves.iter().flat_map(|c| c.pieces.iter().flatten()).map(|p| p.1);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let log = low > 0.0 && high > 8.0 * low;
    let range = match (log, curves.is_empty()) {
        (_, true) => (0.0, 1.0),
        (true, _) => (low / 1.3, high * 1.3),
        (false, _) => (0.0, high * 1.1),
    };
    Strip {
        title: "latency of the slowest step, successes only".to_owned(),
        unit: Unit::Latency,
        log,
        range,
        curves,
        values: "usual",
        height: 132.0,
        nothing: "no successes",
    }
}

/// The range of curves with some room above and below, at least `least` wide.
pub(super) fn padded(curves: &[Curve], least: Option<f64>) -> (f64, f64) {
    let values = || curves.iter().flat_map(|c| c.pieces.iter().flatten()).map(|p| p.1);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    if low > high {
        return (0.0, 1.0);
    }
    let span = (high - low).max(least.unwrap_or(0.0)).max(0.05 * high.abs());
    let middle = (low + high) / 2.0;
    let (low, high) = (middle - 0.56 * span, middle + 0.56 * span);
    (if low < 0.4 * high { low.min(0.0) } else { low }, high)
}

impl super::Chart for Timeline {
    fn size(&self) -> (u32, u32) {
        let panels: f64 = self.panels.iter().map(|p| p.height + GAP).sum();
        (WIDTH as u32, (TOP + panels + 20.0) as u32)
    }

    fn title(&self) -> String {
        "The run over time".to_owned()
    }

    fn description(&self) -> String {
        let panels: Vec<_> = self.panels.iter().map(|p| p.title.as_str()).collect();
        format!("{}, over {}.", panels.join("; "), crate::model::format_seconds(self.range.1))
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        let (width, height) = self.size();
        canvas.rectangle((0.0, 0.0), (f64::from(width), f64::from(height)), palette::SURFACE.light, 1.0);
        canvas.text(&self.title(), (24.0, 36.0), Align::Left, 18.0, true, palette::INK.light);
        let subtitle = fit_text(&self.subtitle, WIDTH - 48.0, LABEL, false);
        canvas.text(&subtitle, (24.0, 58.0), Align::Left, LABEL, false, palette::MUTED.light);

        let x = Scale::linear(self.range, (LEFT, RIGHT));
        let mut top = TOP + 8.0;
        self.draw_phases(canvas, &x, f64::from(height) - GAP - 8.0);
        for (i, panel) in self.panels.iter().enumerate() {
            let last = i + 1 == self.panels.len();
            for phase in self.phases.iter().filter(|p| p.from > 0.0 && !panel.curves.is_empty()) {
                let at = x.at(phase.from);
                canvas.line(&[(at, top), (at, top + panel.height)], palette::AXIS.light, 0.8, 1.0);
            }
            panel.draw(canvas, &x, top);
            draw_time_axis(canvas, &x, top + panel.height, last);
            top += panel.height + GAP;
        }
    }
}

impl Timeline {
    fn draw_phases(&self, canvas: &mut dyn Canvas, x: &Scale, bottom: f64) {
        for phase in &self.phases {
            let (from, to) = (x.at(phase.from), x.at(phase.to));
            if phase.kind != PhaseKind::Soak {
                canvas.rectangle((from, TOP - 36.0), (to, bottom), palette::SHADE.light, 1.0);
            }
            canvas.line(&[(from, TOP - 36.0), (from, TOP - 16.0)], palette::AXIS.light, 1.0, 1.0);
            let name = phase.kind.to_string();
            if to - from > text_width(&name, 12.0, false) + 10.0 {
                canvas.text(&name, (from + 6.0, TOP - 22.0), Align::Left, 12.0, false, palette::MUTED.light);
            }
        }
    }
}

/// Ticks of the time axis at `y`, with labels below the lowest panel.
fn draw_time_axis(canvas: &mut dyn Canvas, x: &Scale, y: f64, labelled: bool) {
    canvas.line(&[(LEFT, y), (RIGHT, y)], palette::AXIS.light, 1.0, 1.0);
    let marks = ticks(Unit::Clock, x.range(), 8);
    for (value, label) in &marks.marks {
        let at = x.at(*value);
        canvas.line(&[(at, y), (at, y + 4.0)], palette::AXIS.light, 1.0, 1.0);
        if labelled {
            canvas.text(label, (at, y + 19.0), Align::Centre, LABEL, false, palette::MUTED.light);
        }
    }
    if labelled {
        let what = format!("time since the start of the run ({})", marks.unit);
        canvas.text(&what, ((LEFT + RIGHT) / 2.0, y + 42.0), Align::Centre, LABEL, false, palette::INK.light);
    }
}

impl Strip {
    fn scale(&self, top: f64) -> Scale {
        let span = (top + self.height, top);
        if self.log { Scale::log(self.range, span) } else { Scale::linear(self.range, span) }
    }

    fn ticks(&self) -> Ticks {
        if self.log {
            log_ticks(self.range, (self.height / 18.0) as usize)
        } else {
            ticks(self.unit, self.range, (self.height / 26.0) as usize)
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas, x: &Scale, top: f64) {
        let y = self.scale(top);
        let bottom = top + self.height;
        let marks = self.ticks();
        let title = if marks.unit.is_empty() { self.title.clone() } else { format!("{} ({})", self.title, marks.unit) };
        canvas.text(&title, (LEFT, top - 9.0), Align::Left, LABEL, true, palette::INK.light);
        if self.curves.is_empty() {
            canvas.text(self.nothing, (LEFT + 8.0, bottom - 7.0), Align::Left, LABEL, false, palette::MUTED.light);
            return;
        }
        for (value, label) in &marks.marks {
            let at = y.at(*value);
            canvas.line(&[(LEFT, at), (RIGHT, at)], palette::GRID.light, 1.0, 1.0);
            canvas.text(label, (LEFT - 8.0, at + 4.5), Align::Right, LABEL, false, palette::MUTED.light);
        }
        let crowd = self.curves.iter().filter(|c| c.tone.is_none()).count();
        let faint = (24.0 / crowd.max(1) as f64).clamp(0.12, 0.5);
        let place = |p: &(f64, f64)| (x.at(p.0).clamp(LEFT, RIGHT), y.at(p.1).clamp(top, bottom));
        for curve in &self.curves {
            let (colour, opacity, width) = match curve.tone {
                Some(tone) => (tone.light, 0.9, 1.5),
                None => (palette::MUTED.light, faint, 0.8),
            };
            for piece in &curve.pieces {
                let points: Vec<_> = piece.iter().map(place).collect();
                if let (true, Some(first), Some(last)) = (curve.filled, points.first(), points.last()) {
                    let mut outline = points.clone();
                    outline.extend([(last.0, bottom), (first.0, bottom)]);
                    canvas.area(&outline, colour, 0.25);
                }
                match points[..] {
                    [(x, y)] => canvas.rectangle((x - 1.5, y - 1.5), (x + 1.5, y + 1.5), colour, opacity),
                    _ => canvas.line(&points, colour, opacity, width),
                }
            }
        }
        self.draw_legend(canvas, top);
    }

    fn draw_legend(&self, canvas: &mut dyn Canvas, top: f64) {
        let (left, right) = (RIGHT + 24.0, WIDTH - 24.0);
        let room = (self.height / 20.0) as usize;
        let coloured: Vec<_> = self.curves.iter().filter_map(|c| Some((c, c.tone?))).collect();
        let all = self.curves.len();
        let shown = if all > room.max(1) { room.saturating_sub(1).max(1).min(coloured.len()) } else { coloured.len() };
        canvas.text(self.values, (right, top - 9.0), Align::Right, LABEL, false, palette::MUTED.light);
        let mut y = top + 14.0;
        for (curve, tone) in &coloured[..shown] {
            canvas.line(&[(left, y - 4.5), (left + 20.0, y - 4.5)], tone.light, 1.0, 3.0);
            let room = right - left - 36.0 - text_width(&curve.value, LABEL, false);
            let name = fit_text(&curve.name, room, LABEL, false);
            canvas.text(&name, (left + 28.0, y), Align::Left, LABEL, false, palette::INK.light);
            canvas.text(&curve.value, (right, y), Align::Right, LABEL, false, palette::MUTED.light);
            y += 20.0;
        }
        if all > shown {
            let rest = format!("and {} more", format_count((all - shown) as f64));
            canvas.text(&rest, (left + 28.0, y), Align::Left, LABEL, false, palette::MUTED.light);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HostSample, Neighbour};

    /// As a guest's `/proc/stat` and its processes were recorded: half a core stolen, and a job that took one and a half.
    #[test]
    fn cores_that_were_stolen_or_used_by_others_have_a_strip() {
        let (mut record, _) = crate::report::fixture::leak();
        assert!(gone(&record).is_none());
        let backup = |cpu| Neighbour { pid: 999_999, start: 1, command: "backup".into(), cpu };
        let host = |t: f64| HostSample {
            t,
            steal: Some(7.0 + 0.5 * t),
            neighbours: Some(vec![backup(1.5 * t)]),
            ..HostSample::default()
        };
        record.host = (0..30).map(|t| host(f64::from(t))).collect();
        let strip = gone(&record).expect("much was gone");
        let told: Vec<(&str, &str)> = strip.curves.iter().map(|c| (c.name.as_str(), c.value.as_str())).collect();
        assert_eq!(told, [("used by others", "1.5"), ("stolen", "0.5")]);
    }
}
