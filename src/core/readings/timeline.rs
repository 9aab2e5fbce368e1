//! When which phase of a run was, and what of it is judged.

use crate::model::{EventKind, PhaseKind, RunRecord, Series};

/// Whether what is read from here on isn't judged: the target stops, or a look has proven the answer. What that look has not
/// seen must not overturn it.
pub fn ends_judging(event: &EventKind) -> bool {
    matches!(event, EventKind::Stopping | EventKind::TargetDied { .. } | EventKind::Look { proven: true, .. })
}

/// When phases were, from the events.
pub struct Timeline {
    /// Start and kind of each phase, in order.
    pub phases: Vec<(f64, PhaseKind)>,
    /// When the target was told to stop, or died.
    pub stop: f64,
    /// From when on nothing is judged.
    pub end: f64,
}

impl Timeline {
    pub fn new(record: &RunRecord) -> Self {
        let mut timeline = Timeline { phases: Vec::new(), stop: f64::INFINITY, end: f64::INFINITY };
        for event in &record.events {
            match event.kind {
                EventKind::Phase { phase, .. } => timeline.phases.push((event.t, phase)),
                EventKind::Stopping | EventKind::TargetDied { .. } => timeline.stop = timeline.stop.min(event.t),
                _ => {}
            }
            if ends_judging(&event.kind) {
                timeline.end = timeline.end.min(event.t);
            }
        }
        timeline
    }

    pub fn phase_at(&self, t: f64) -> Option<PhaseKind> {
        self.phases.iter().take_while(|(start, _)| *start <= t).last().map(|(_, kind)| *kind)
    }

    pub fn judged(&self, t: f64) -> bool {
        t < self.end && self.phase_at(t) != Some(PhaseKind::Settle)
    }

    /// Where on `x` the soak begins: at the first reading in a soak phase; at the first of all without phases. Past
    /// the end if the worker saw no soak.
    pub fn soak_from(&self, series: &Series) -> f64 {
        let first = series.x.first().copied().unwrap_or(0.0);
        if self.phases.is_empty() {
            return first;
        }
        let soak = self.phases.iter().find(|(_, kind)| *kind == PhaseKind::Soak).map_or(f64::INFINITY, |(t, _)| *t);
        series.t.iter().position(|t| *t >= soak).map_or(f64::INFINITY, |i| series.x[i])
    }
}
