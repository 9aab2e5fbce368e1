//! The gates of a verdict: what had to hold, one line each.
//!
//! Always: a gate that couldn't be measured is unknown, and doesn't pass.

use super::explain::{allowed_rate, rate_with_bounds};
use super::{Finding, Gate, GateState, Outcome};
use crate::model::{RunRecord, WorkerId, format_count, format_seconds};

/// Whether a resource kept to its budget.
pub(super) fn resource_gate(finding: &Finding) -> Gate {
    let state = match finding.outcome {
        Outcome::Leak => GateState::Fail,
        Outcome::Clean => GateState::Pass,
        Outcome::Inconclusive => GateState::Unknown,
    };
    let measured = match &finding.growth {
        Some(growth) => rate_with_bounds(finding.resource, finding.axis, growth),
        None => "not measured".into(),
    };
    let allowed = format!("at most {}", allowed_rate(finding.resource, finding.axis, finding.budget));
    Gate { name: finding.resource.to_string(), state, measured, allowed }
}

/// Whether the workload reached what it had to; empty if nothing was asked of it.
pub(super) fn workload_gates(record: &RunRecord) -> Vec<Gate> {
    let mut out = Vec::new();
    let wanted = &record.meta.gates;
    let summary = record.meta.workload.as_ref();
    let state = |measured: Option<f64>, most: f64| match measured {
        Some(value) if value <= most => GateState::Pass,
        Some(_) => GateState::Fail,
        None => GateState::Unknown,
    };
    if let Some(most) = wanted.error_rate {
        let measured = summary.and_then(|s| s.error_rate());
        let percent = |share: f64| format!("{} %", format_count(share * 100.0));
        out.push(Gate {
            name: "error rate".into(),
            state: state(measured, most),
            measured: measured.map_or("not measured".into(), percent),
            allowed: format!("at most {}", percent(most)),
        });
    }
    let all = summary.and_then(|s| s.latency.get("all")).filter(|l| l.count > 0);
    let quantiles = [
        ("latency p50", wanted.p50, all.map(|l| l.p50)),
        ("latency p95", wanted.p95, all.map(|l| l.p95)),
        ("latency p99", wanted.p99, all.map(|l| l.p99)),
    ];
    for (name, most, measured) in quantiles {
        let Some(most) = most else { continue };
        out.push(Gate {
            name: name.into(),
            state: state(measured, most),
            measured: measured.map_or("not measured".into(), format_seconds),
            allowed: format!("at most {}", format_seconds(most)),
        });
    }
    out
}

/// Whether every worker came through.
pub(super) fn deaths_gate(deaths: &[(WorkerId, String)]) -> Gate {
    let measured = match deaths {
        [] => "none".into(),
        [(worker, cause), ..] => format!("{}, the first of PID {} by {cause}", deaths.len(), worker.pid),
    };
    let state = if deaths.is_empty() { GateState::Pass } else { GateState::Fail };
    Gate { name: "unexpected deaths".into(), state, measured, allowed: "none".into() }
}
