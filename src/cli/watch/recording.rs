//! The picture of the progress display in the README, `docs/live.svg`: the run in `reports/sample`, played back through the
//! [`Watcher`] as it was recorded, and what is printed at its end.

use super::{Mode, Watcher};
use crate::config::PhaseConfig;
use crate::engine::Progress;
use crate::model::{EventKind, RunRecord};
use crate::report::live::block;
use crate::{report, store, verdict};
use std::fmt::Write;
use std::path::Path;

/// Columns and lines of the terminal.
const SIZE: (usize, usize) = (92, 14);
/// Size of a character, in pixels of the picture.
const CHARACTER: (f64, f64) = (8.0, 17.0);
/// Seconds between two frames of the run, and for which one is shown; the last stays for so many.
const EVERY: f64 = 1.0;
const SHOWN: f64 = 0.4;
const LAST: f64 = 6.0;

/// The run as it was at this moment.
fn until(run: &RunRecord, now: f64) -> RunRecord {
    let mut record = run.clone();
    record.samples.retain(|sample| sample.t <= now);
    record.load.retain(|load| load.t <= now);
    record.events.retain(|event| event.t <= now);
    record
}

/// What the display showed, second by second.
fn frames(run: &RunRecord) -> Vec<Vec<String>> {
    let text = include_str!("../../../harness-configs/apache-upload.toml");
    let phases: Vec<PhaseConfig> =
        text.split("[[phase]]").skip(1).map(|part| part.split("\n\n").next().unwrap().parse().unwrap()).collect();
    let begun: Vec<f64> =
        run.events.iter().filter(|e| matches!(e.kind, EventKind::Phase { .. })).map(|event| event.t).collect();
    let sent = |record: &RunRecord, since: f64| -> u64 {
        record.load.iter().filter(|load| load.t > since).map(|load| load.sent).sum()
    };
    let mut watcher = Watcher::new(Mode::Quiet);
    let moments = (1..).map(|n| f64::from(n) * EVERY).take_while(|now| *now < run.meta.elapsed.unwrap());
    let shown = moments.map(|now| {
        let record = until(run, now);
        let index = begun.iter().rposition(|t| *t <= now);
        let since = index.map_or(0.0, |index| begun[index]);
        let progress = Progress {
            record: &record,
            elapsed: now,
            phase: index.map(|index| (&phases[index], index, phases.len())),
            phase_elapsed: now - since,
            alive: 4,
            requests: Some(sent(&record, 0.0)),
            phase_requests: sent(&record, since),
            failures: record.load.iter().map(|load| load.failed).sum(),
        };
        // However long the last estimate took here, there is another one now.
        watcher.next_growth = now;
        block(&watcher.snapshot(&progress, None), SIZE.0)
    });
    shown.collect()
}

/// The frames one after another, again and again; whoever wants no motion sees the last.
fn film(frames: &[Vec<String>]) -> String {
    let (width, height) = (SIZE.0 as f64 * CHARACTER.0 + 24.0, SIZE.1 as f64 * CHARACTER.1 + 20.0);
    let length = (frames.len() - 1) as f64 * SHOWN + LAST;
    let mut steps = String::new();
    let mut strip = String::new();
    for (place, frame) in frames.iter().enumerate() {
        let top = place as f64 * height;
        let _ = write!(steps, "{:.2}%{{transform:translateY(-{top}px)}}", place as f64 * SHOWN / length * 100.0);
        for (line, text) in frame.iter().take(SIZE.1).enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let y = top + 24.0 + line as f64 * CHARACTER.1;
            let wide = console::measure_text_width(text) as f64 * CHARACTER.0;
            let safe = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(strip, r#"<text x="12" y="{y}" textLength="{wide}">{safe}</text>"#);
        }
    }
    let last = (frames.len() - 1) as f64 * height;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" xml:space="preserve">
<title>seepage run harness-configs/apache-upload.toml: four workers grow, and the answer</title>
<style>
text{{font:13px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#d8dee9;white-space:pre}}
@keyframes film{{{steps}}}
g{{transform:translateY(-{last}px)}}
@media (prefers-reduced-motion:no-preference){{g{{animation:film {length}s step-end infinite}}}}
</style>
<rect width="{width}" height="{height}" rx="6" fill="#1b2229"/>
<g>
{strip}</g>
</svg>
"##
    )
}

#[test]
fn the_picture_in_the_readme_is_what_the_display_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = store::read(&root.join("reports/sample")).unwrap();
    let mut frames = frames(&run);
    assert!(frames.len() > 15 && frames.iter().all(|frame| frame.len() >= 2 && frame.len() <= SIZE.1));
    assert!(frames.iter().flatten().any(|line| line.contains("/request (98 %")), "{frames:#?}");
    let told = report::fold(&report::terminal(&run, &verdict::judge(&run), false, SIZE.0), SIZE.0);
    frames.push(told.lines().map(str::to_owned).collect());
    let (film, path) = (film(&frames), root.join("docs/live.svg"));
    if std::env::var_os("SEEPAGE_BLESS").is_some() {
        std::fs::write(&path, &film).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == film, "SEEPAGE_BLESS=1 writes docs/live.svg");
}
