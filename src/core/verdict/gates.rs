//! The gates of a verdict on resources and on the workload: what had to hold.
//!
//! Always: a gate that couldn't be measured is unknown, and doesn't pass.

use crate::answer::{Finding, Gate, GateKind, GateState, Outcome, Quantile};
use crate::model::RunRecord;

impl Gate {
    /// Whether it is a gate on the workload, and broken.
    pub fn fails_workload(&self) -> bool {
        let on_workload = matches!(self.kind, GateKind::ErrorRate { .. } | GateKind::Latency { .. });
        on_workload && self.state == GateState::Fail
    }
}

/// Whether a resource kept to its budget.
pub(super) fn resource_gate(finding: &Finding) -> Gate {
    let Finding { resource, axis, growth, budget, .. } = *finding;
    let state = match finding.outcome {
        Outcome::Leak => GateState::Fail,
        Outcome::Clean => GateState::Pass,
        Outcome::Inconclusive => GateState::Unknown,
    };
    Gate { kind: GateKind::Growth { resource, axis, growth, budget }, state }
}

/// Whether the workload reached what it had to; empty if nothing was asked of it.
pub(super) fn workload_gates(record: &RunRecord) -> Vec<Gate> {
    let wanted = &record.meta.gates;
    let summary = record.meta.workload.as_ref();
    let state = |measured: Option<f64>, most: f64| match measured {
        Some(value) if value <= most => GateState::Pass,
        Some(_) => GateState::Fail,
        None => GateState::Unknown,
    };
    let errors = wanted.error_rate.map(|most| {
        let measured = summary.and_then(|s| s.error_rate());
        Gate { kind: GateKind::ErrorRate { measured, most }, state: state(measured, most) }
    });
    let all = summary.and_then(|s| s.latency.get("all")).filter(|l| l.count > 0);
    let quantiles = [
        (Quantile::P50, wanted.p50, all.map(|l| l.p50)),
        (Quantile::P95, wanted.p95, all.map(|l| l.p95)),
        (Quantile::P99, wanted.p99, all.map(|l| l.p99)),
    ];
    let latencies = quantiles.into_iter().filter_map(|(quantile, most, measured)| {
        let most = most?;
        Some(Gate { kind: GateKind::Latency { quantile, measured, most }, state: state(measured, most) })
    });
    errors.into_iter().chain(latencies).collect()
}
