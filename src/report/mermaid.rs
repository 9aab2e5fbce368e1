//! A small chart in Mermaid's language, which GitHub and GitLab draw in comments: memory of the worker that grows most.

use crate::answer::{Finding, Outcome, Verdict};
use crate::model::{Axis, Resource, RunRecord};
use std::fmt::Write;

/// Points of the line: as many as the chart can show.
const POINTS: usize = 40;
/// The language's own colour of a first line is hardly seen on white.
const COLOUR: &str = r##"%%{init: {"themeVariables": {"xyChart": {"plotColorPalette": "#3b82f6"}}}}%%"##;
const MIB: f64 = 1024.0 * 1024.0;

/// The chart of memory, in a block of Markdown; nothing of a run in which it is clean or has no line.
pub fn memory(record: &RunRecord, verdict: &Verdict) -> Option<String> {
    let of_memory = |finding: &&Finding| finding.resource == Resource::Memory && finding.outcome != Outcome::Clean;
    let finding = verdict.findings.iter().find(of_memory)?;
    let growth =
        |worker: &crate::answer::WorkerFinding| worker.growth.map_or(f64::NEG_INFINITY, |growth| growth.estimate);
    let most = finding.workers.iter().filter(|w| w.set_aside.is_none());
    let most = most.max_by(|a, b| growth(a).total_cmp(&growth(b)))?;
    let (_, series) = crate::readings::series(record, Resource::Memory);
    let one = series.into_iter().find(|one| one.worker == most.worker && one.x.len() > 1)?;
    let (from, to) = (one.x[0], *one.x.last()?);
    let at = |k: usize| from + (to - from) * k as f64 / (POINTS - 1) as f64;
    // The last reading before each point: a chart of this language spreads its points evenly.
    let level = |x: f64| one.y[one.x.partition_point(|known| *known <= x).saturating_sub(1)] / MIB;
    let line: Vec<String> = (0..POINTS).map(|k| format!("{:.2}", level(at(k)))).collect();
    let (low, high) = (one.y.iter().copied().fold(f64::INFINITY, f64::min), one.y.iter().copied().fold(0.0, f64::max));
    let who = most.worker.map_or_else(|| "the pool".to_owned(), |worker| format!("PID {}", worker.pid));
    let axis = match finding.axis {
        Axis::Seconds => "seconds",
        Axis::Hours => "hours",
        _ => "requests",
    };
    let digits = if finding.axis == Axis::Hours { 3 } else { 0 };
    let mut out = String::new();
    // Writing to a string doesn't fail.
    let _ = write!(
        out,
        "```mermaid\n{COLOUR}\nxychart-beta\n    title \"Memory of {who}\"\n    x-axis \"{axis}\" {from:.digits$} --> {to:.digits$}\n    \
         y-axis \"MiB\" {:.2} --> {:.2}\n    line [{}]\n```\n",
        (low / MIB * 0.95).max(0.0),
        high / MIB * 1.05,
        line.join(", ")
    );
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn what_grows_is_drawn_and_what_is_clean_is_not() {
        let (record, verdict) = fixture::leak();
        insta::assert_snapshot!("mermaid", memory(&record, &verdict).unwrap());
        for (name, (record, verdict)) in fixture::all() {
            let Some(chart) = memory(&record, &verdict) else { continue };
            assert!(!chart.contains("NaN") && !chart.contains("inf") && chart.lines().count() == 8, "{name}: {chart}");
        }
        let (record, verdict) = fixture::warm_up();
        assert_eq!(memory(&record, &verdict), None);
    }
}
