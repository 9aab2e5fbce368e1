//! Made-up runs and pairs with known truth, for tests.

use super::*;
use crate::model::*;
use crate::verdict::{ExitCode, Outcome, Quantile};
use std::collections::BTreeMap;

/// Bytes and seconds of CPU that each request of [`leaking_run`] costs.
pub const GROWTH: f64 = 4096.0;
pub const CPU: f64 = 0.002;

/// One worker that serves ten requests a second.
pub fn leaking_run() -> RunRecord {
    let worker = WorkerId { pid: 1, start: 1 };
    let samples = (0u32..110)
        .map(|second| {
            let mut s = Sample::new(f64::from(second), worker);
            let served = 10 * u64::from(second);
            s.anon = Some((50 << 20) + GROWTH as u64 * served);
            s.swap = Some(0);
            s.fds = Some(12);
            s.threads = Some(1);
            s.requests = Some(served);
            s.cpu_user = Some(0.75 * CPU * served as f64);
            s.cpu_system = Some(0.25 * CPU * served as f64);
            s
        })
        .collect();
    let phase = |t, phase, index| Event { t, kind: EventKind::Phase { phase, index } };
    let meta = serde_json::from_value(serde_json::json!({
        "format": "1.0", "seepage": "0", "id": "x", "name": "x", "started": "2026-01-01T00:00:00Z",
        "status": "complete", "seed": 1,
        "host": { "kernel": "6", "cpus": 2, "memory": 1, "page": 4096, "ticks": 100 },
        "target": { "command": ["x"], "workers": "children" },
        "counting": { "source": "access-log", "per_worker": true, "worth": "" },
        "classes": [], "budgets": { "memory": 64.0, "descriptors": 0.01, "threads": null, "tmpfs": null },
        "gates": { "error_rate": 0.01, "p50": null, "p95": null, "p99": null }, "config": {},
        "workload": {
            "model": "closed", "sent": 1000, "ok": 1000, "aborted": 0, "failed": 0, "seconds": 100.0, "errors": {},
            "statuses": { "200": 750, "503": 250 },
            "latency": { "all": { "count": 1000, "p50": 0.001, "p95": 0.002, "p99": 0.003, "max": 0.01 } }
        }
    }));
    RunRecord {
        meta: meta.unwrap(),
        samples,
        host: Vec::new(),
        load: Vec::new(),
        census: Vec::new(),
        events: vec![
            phase(0.0, PhaseKind::WarmUp, 0),
            phase(10.0, PhaseKind::Soak, 1),
            Event { t: 110.0, kind: EventKind::Stopping },
        ],
        heap: Default::default(),
    }
}

/// A run of which only these measures are known.
pub fn run(measures: &[(Measure, f64)]) -> RunSummary {
    RunSummary {
        id: "run".into(),
        measures: measures.iter().copied().collect(),
        growth: BTreeMap::new(),
        curve: Vec::new(),
        statuses: BTreeMap::new(),
        outcome: Outcome::Clean,
        exit: ExitCode::Clean,
        sentence: "CLEAN".into(),
    }
}

/// Pairs in one measure.
pub fn pairs(measure: Measure, values: &[(f64, f64)]) -> Vec<Pair> {
    values
        .iter()
        .enumerate()
        .map(|(i, (a, b))| Pair { a: run(&[(measure, *a)]), b: run(&[(measure, *b)]), b_first: i % 2 == 1 })
        .collect()
}

pub fn sides() -> Sides {
    Sides {
        a: Side { name: "off".into(), phrase: "without upload_module".into() },
        b: Side { name: "on".into(), phrase: "with upload_module".into() },
    }
}

pub const MEMORY: Measure = Measure::Growth(Resource::Memory);

/// Margins as a harness file without a word on them gives.
pub fn margins() -> Margins {
    let margin = |share, least| Margin { share, least };
    Margins::from([
        (MEMORY, margin(0.0, 64.0)),
        (Measure::Growth(Resource::Descriptors), margin(0.0, 0.01)),
        (Measure::Level, margin(0.1, 1048576.0)),
        (Measure::Cpu, margin(0.25, 1e-4)),
        (Measure::Latency(Quantile::P50), margin(0.25, 1e-3)),
        (Measure::Latency(Quantile::P95), margin(0.25, 1e-3)),
        (Measure::ErrorRate, margin(0.0, 0.01)),
    ])
}
