//! The numbers of the charts for the page's script.

use crate::model::PhaseKind;
use crate::report::chart::palette::{Tone, hex};
use crate::report::chart::{GrowthChart, Timeline, Unit};
use crate::report::text;
use serde::Serialize;

/// One figure: panels, one above the other, on one axis.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// Which figure of the page it replaces.
    name: String,
    title: String,
    x: AxisData,
    /// Stretches of the axis with a name; shaded if they aren't judged.
    spans: Vec<SpanData>,
    panels: Vec<PanelData>,
}

#[derive(Debug, Serialize)]
struct AxisData {
    title: String,
    unit: &'static str,
    range: [f64; 2],
}

#[derive(Debug, Serialize)]
struct SpanData {
    name: String,
    from: f64,
    to: f64,
    shaded: bool,
}

#[derive(Debug, Serialize)]
struct PanelData {
    title: String,
    unit: &'static str,
    log: bool,
    range: [f64; 2],
    /// Relative height.
    height: f64,
    /// What the values beside the names of its lines are.
    values: String,
    curves: Vec<CurveData>,
}

#[derive(Debug, Serialize)]
struct CurveData {
    name: String,
    value: String,
    /// Light and dark; missing for one of a crowd.
    #[serde(skip_serializing_if = "Option::is_none")]
    colours: Option<[String; 2]>,
    /// `line`, `area`, `budget`, or `fit` and `band`, which go with the line before them.
    kind: &'static str,
    pieces: Vec<Vec<[f64; 2]>>,
}

/// The data of a growth chart.
pub fn growth(name: &str, chart: &GrowthChart) -> Figure {
    let mut curves = Vec::new();
    for line in &chart.lines {
        let colours = line.colour.map(both);
        curves.push(CurveData {
            name: text::worker_name(line.worker),
            value: line.growth.clone().unwrap_or_default(),
            colours: colours.clone(),
            kind: "line",
            pieces: line.pieces.iter().map(|p| numbers(p)).collect(),
        });
        if let (Some(_), Some(fit)) = (&colours, &line.fit) {
            let points: Vec<_> = fit.x.iter().copied().zip(fit.y.iter().copied()).collect();
            let pieces = crate::report::trace::pieces(&points).map(numbers).collect();
            let outline = vec![numbers(&crate::report::chart::band(fit))];
            let part = |kind, pieces| CurveData {
                name: "fit".into(),
                value: String::new(),
                colours: colours.clone(),
                kind,
                pieces,
            };
            curves.extend([part("band", outline), part("fit", pieces)]);
        }
    }
    if let Some(ends) = &chart.budget {
        let colours = Some(both(crate::report::chart::palette::BUDGET));
        let value = chart.budget_words.clone();
        curves.push(CurveData { name: "budget".into(), value, colours, kind: "budget", pieces: vec![numbers(ends)] });
    }
    Figure {
        name: name.to_owned(),
        title: chart.headline.clone(),
        x: AxisData {
            title: text::axis_name(chart.axis).to_owned(),
            unit: unit(chart.x_unit()),
            range: [round(chart.x_range.0), round(chart.x_range.1)],
        },
        spans: chart
            .warm_up
            .map(|end| SpanData { name: "warm-up".into(), from: round(chart.x_range.0), to: round(end), shaded: true })
            .into_iter()
            .collect(),
        panels: vec![PanelData {
            title: chart.full.to_owned(),
            unit: unit(if chart.resource.in_bytes() { Unit::Bytes } else { Unit::Count }),
            log: false,
            range: [round(chart.y_range.0), round(chart.y_range.1)],
            height: 374.0,
            values: format!("growth per {}", chart.axis.unit()),
            curves,
        }],
    }
}

/// The data of the run over time.
pub fn timeline(name: &str, chart: &Timeline) -> Figure {
    Figure {
        name: name.to_owned(),
        title: "The run over time".to_owned(),
        x: AxisData {
            title: "time since the start of the run".to_owned(),
            unit: unit(Unit::Clock),
            range: [round(chart.range.0), round(chart.range.1)],
        },
        spans: chart
            .phases
            .iter()
            .map(|p| SpanData {
                name: p.kind.to_string(),
                from: round(p.from),
                to: round(p.to),
                shaded: p.kind != PhaseKind::Soak,
            })
            .collect(),
        panels: chart
            .panels
            .iter()
            .map(|panel| PanelData {
                title: panel.title.clone(),
                unit: unit(panel.unit),
                log: panel.log,
                range: [round(panel.range.0), round(panel.range.1)],
                height: panel.height,
                values: panel.values.to_owned(),
                curves: panel
                    .curves
                    .iter()
                    .filter(|c| !c.pieces.is_empty())
                    .map(|c| CurveData {
                        name: c.name.clone(),
                        value: c.value.clone(),
                        colours: c.tone.map(both),
                        kind: if c.filled { "area" } else { "line" },
                        pieces: c.pieces.iter().map(|p| numbers(p)).collect(),
                    })
                    .collect(),
            })
            .collect(),
    }
}

/// JSON that can stand in a script element: nothing in it ends the element or begins a comment.
pub fn json(figures: &[Figure]) -> String {
    let text = serde_json::to_string(figures).expect("figures of plain fields are JSON");
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn both(tone: Tone) -> [String; 2] {
    [hex(tone.light), hex(tone.dark)]
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "bytes",
        Unit::Count => "count",
        Unit::Clock => "clock",
        Unit::Latency => "latency",
    }
}

fn numbers(points: &[(f64, f64)]) -> Vec<[f64; 2]> {
    points.iter().map(|(x, y)| [round(*x), round(*y)]).collect()
}

/// Seven significant digits: more than a screen can show, and half of the bytes.
fn round(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}
