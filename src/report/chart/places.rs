//! Memory by place over time, of the worker that grew most: what its memory map had at each reading.

use super::palette;
use super::scale::Unit;
use super::timeline::{Curve, Strip, padded};
use crate::answer::{PlaceGrowth, Verdict};
use crate::model::{MapReading, Place, Resource, RunRecord, WorkerId, format_bytes};
use crate::report::text;
use crate::words::places::name;
use std::collections::BTreeMap;

/// Places that have a line, those that grew most.
const LINES: usize = 5;

/// The panel; `None` where no growth of memory is shown, or it isn't known where it lies.
pub fn strip(record: &RunRecord, verdict: &Verdict) -> Option<Strip> {
    let finding = verdict.findings.iter().find(|finding| finding.resource == Resource::Memory)?;
    let grown = finding.places.as_ref()?.places.iter().filter(|place| place.grown > 0.0).take(LINES);
    let (worker, readings) = of_who_grew_most(record)?;
    let curve = |(index, place): (usize, &PlaceGrowth)| {
        let points: Vec<(f64, f64)> = readings.iter().map(|reading| (reading.t, held(reading, place))).collect();
        Curve {
            name: text::plain(&name(place)),
            value: points.last().map_or_else(String::new, |point| format_bytes(point.1)),
            // Readings come at ever longer intervals: none is missing between two of them.
            pieces: vec![points],
            tone: Some(palette::series(index)),
            filled: false,
        }
    };
    let curves: Vec<Curve> = grown.enumerate().map(curve).collect();
    Some(Strip {
        title: format!("memory by place of {}", text::worker_name(Some(worker))),
        unit: Unit::Bytes,
        log: false,
        range: padded(&curves, Some(65536.0)),
        curves,
        values: "last",
        height: 112.0,
        nothing: "no place that is told apart grew",
    })
}

/// The worker whose memory grew most between its first and its last map, with all of its maps.
fn of_who_grew_most(record: &RunRecord) -> Option<(WorkerId, Vec<&MapReading>)> {
    let mut workers: BTreeMap<WorkerId, Vec<&MapReading>> = BTreeMap::new();
    for reading in record.maps.iter().filter(|reading| reading.places.is_some() && reading.t.is_finite()) {
        workers.entry(reading.worker).or_default().push(reading);
    }
    let grown = |readings: &[&MapReading]| Some(readings.last()?.memory? as f64 - readings.first()?.memory? as f64);
    let known = workers.into_iter().filter(|(_, readings)| readings.len() > 1);
    known.max_by(|a, b| grown(&a.1).unwrap_or(f64::MIN).total_cmp(&grown(&b.1).unwrap_or(f64::MIN)))
}

/// Bytes that a reading has in a place, or, where its names are told as one, in all places of its kind.
fn held(reading: &MapReading, place: &PlaceGrowth) -> f64 {
    let is_there = |other: &&Place| other.kind == place.kind && (place.names != 1 || other.name == place.name);
    let places = reading.places.iter().flatten().filter(is_there);
    places.fold(0, |sum: u64, other| sum.saturating_add(other.own)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Place, PlaceKind};
    use crate::report::fixture;

    #[test]
    fn each_place_that_grew_has_a_line_over_all_maps_of_who_grew_most() {
        let (mut record, verdict) = fixture::leak();
        assert_eq!(strip(&record, &verdict), None, "there are no maps");
        let (small, large) = (WorkerId::new(1, 1), WorkerId::new(2, 2));
        let place = |kind, name: Option<&str>, own| Place {
            kind,
            name: name.map(str::to_owned),
            up_to: None,
            mappings: 1,
            own,
            shared: 0,
            huge: 0,
        };
        for (n, t) in [(0, 1.0), (1, 2.0), (2, 9.0)] {
            for (worker, step) in [(small, 10), (large, 1000)] {
                let places = vec![
                    place(PlaceKind::Heap, None, n * step),
                    place(PlaceKind::Memfd, Some("frames"), n * step / 10),
                    place(PlaceKind::Memfd, Some("others"), 7),
                ];
                record.maps.push(MapReading { t, worker, memory: Some(n * step), shared: None, places: Some(places) });
            }
        }
        let strip = strip(&record, &verdict).unwrap();
        assert!(strip.title.ends_with("PID 2"), "{}", strip.title);
        let lines: Vec<_> = strip.curves.iter().map(|curve| (curve.name.as_str(), &curve.pieces[0])).collect();
        assert_eq!(lines.len(), 2, "what shrank has none");
        assert_eq!(lines[0], ("[heap]", &vec![(1.0, 0.0), (2.0, 1000.0), (9.0, 2000.0)]));
        assert_eq!(lines[1], ("memfd `frames`", &vec![(1.0, 0.0), (2.0, 100.0), (9.0, 200.0)]));
    }
}
