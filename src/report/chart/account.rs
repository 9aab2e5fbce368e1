//! What the account of the whole target has, over time: memory of the processes that are not workers, and how many there are.

use super::palette;
use super::scale::Unit;
use super::timeline::{COLUMNS, Curve, Strip, cut, padded};
use crate::answer::{RestProcess, Verdict};
use crate::model::{RunRecord, format_bytes, format_count};
use crate::report::text;

/// Processes that have a line of their own, those that grew most.
const LINES: usize = 5;

/// The panels; none where no account was kept, or nothing is in it beside the workers.
pub fn strips(record: &RunRecord, verdict: &Verdict) -> Vec<Strip> {
    let Some(whole) = &verdict.whole_target else { return Vec::new() };
    let memory = (!whole.rest.is_empty()).then(|| memory(&whole.rest));
    let counts: Vec<(f64, f64)> = record.census.iter().map(|census| (census.t, census.processes as f64)).collect();
    let changes = counts.windows(2).any(|pair| pair[0].1 != pair[1].1);
    memory.into_iter().chain(changes.then(|| processes(counts))).collect()
}

fn memory(rest: &[RestProcess]) -> Strip {
    let curve = |(place, process): (usize, &RestProcess)| Curve {
        name: text::process_name(&process.who),
        value: format_bytes(process.size.1),
        pieces: cut(process.levels.clone(), COLUMNS),
        tone: Some(palette::series(place)),
        filled: false,
    };
    let curves: Vec<Curve> = rest.iter().take(LINES).enumerate().map(curve).collect();
    Strip {
        title: "memory of processes that are not workers".to_owned(),
        unit: Unit::Bytes,
        log: false,
        range: padded(&curves, Some(65536.0)),
        curves,
        values: "last",
        height: 112.0,
        nothing: "no readings",
    }
}

fn processes(counts: Vec<(f64, f64)>) -> Strip {
    let last = counts.last().map_or_else(String::new, |(_, count)| format_count(*count));
    let curve = Curve {
        name: "processes".to_owned(),
        value: last,
        pieces: cut(counts, COLUMNS),
        tone: Some(palette::series(0)),
        filled: false,
    };
    let range = (0.0, padded(std::slice::from_ref(&curve), Some(4.0)).1);
    Strip {
        title: "processes of the target".to_owned(),
        unit: Unit::Count,
        log: false,
        range,
        curves: vec![curve],
        values: "last",
        height: 70.0,
        nothing: "no readings",
    }
}
