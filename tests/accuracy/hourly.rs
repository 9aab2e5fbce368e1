//! Budgets for an hour: growth is judged against time, whether requests were counted or not.

use seepage::answer::{Finding, Outcome, Reason};
use seepage::model::{Axis, Budgets, Per, Resource, RunMeta, RunRecord, Sample, WorkerId, format_bytes};
use seepage::report::{self, Format};
use seepage::verdict::judge;

const MIB: f64 = 1_048_576.0;

/// Ten minutes of two workers that grow by this many bytes an hour, read four times a second.
fn record(per_hour: f64, budget: f64, per: Per) -> RunRecord {
    let meta: RunMeta = serde_json::from_value(serde_json::json!({
        "format": "1.0", "seepage": "0.1.0", "id": "x", "name": "x", "started": "2026-01-01T00:00:00Z",
        "elapsed": 600.0, "status": "complete", "seed": 0,
        "host": { "kernel": "6", "cpus": 2, "memory": 1, "page": 4096, "ticks": 100 },
        "target": { "command": ["x"], "workers": "children" },
        "counting": { "source": "none", "per_worker": false, "worth": "nothing counts them" },
        "classes": [], "budgets": Budgets { memory: Some(budget), per, ..Budgets::default() },
        "gates": { "error_rate": null, "p50": null, "p95": null, "p99": null }, "config": {}
    }))
    .unwrap();
    let mut samples = Vec::new();
    for tick in 0..2400_u32 {
        let t = f64::from(tick) * 0.25;
        for pid in [10, 11] {
            let mut sample = Sample::new(t, WorkerId::new(pid, 1));
            // Memory comes in pages, and not all of it at once.
            let noise = u64::from(tick.wrapping_mul(2_654_435_761).wrapping_add(pid) >> 29);
            sample.anon = Some(((20.0 * MIB + per_hour * t / 3600.0) / 4096.0) as u64 * 4096 + noise * 4096);
            sample.swap = Some(0);
            samples.push(sample);
        }
    }
    RunRecord {
        meta,
        samples,
        host: Vec::new(),
        load: Vec::new(),
        census: Vec::new(),
        maps: Vec::new(),
        metrics: Vec::new(),
        events: Vec::new(),
        heap: Default::default(),
        services: Vec::new(),
    }
}

fn memory(record: &RunRecord) -> Finding {
    judge(record).findings.into_iter().find(|finding| finding.resource == Resource::Memory).unwrap()
}

#[test]
fn growth_over_the_hourly_budget_is_a_leak_with_its_rate() {
    let record = record(30.0 * MIB, 4.0 * MIB, Per::Hour);
    let finding = memory(&record);
    assert_eq!((finding.outcome, finding.axis), (Outcome::Leak, Axis::Hours), "{:?}", finding.reason);
    let growth = finding.growth.unwrap();
    assert!((growth.estimate / (30.0 * MIB) - 1.0).abs() < 0.05, "{}", format_bytes(growth.estimate));
    let verdict = judge(&record);
    let told = seepage::words::headline(&record, &verdict).to_string();
    assert!(told.contains("each hour leaves ") && told.contains(" MiB"), "{told}");
    assert_eq!(seepage::words::gate(&verdict.gates[0]).allowed.to_string(), "4 MiB/hour");
    // The time axis of the chart is that of the clock.
    let page = String::from_utf8(report::render(Format::Html, &record, &verdict).unwrap()).unwrap();
    assert!(page.contains("leaves about 3") && page.contains("MiB a day") && page.contains("doubles in"));
    let chart = String::from_utf8(report::render(Format::Svg, &record, &verdict).unwrap()).unwrap();
    assert!(chart.contains(">8:00</text>") && chart.contains("the run (min:s)"));
}

#[test]
fn growth_under_the_hourly_budget_is_clean() {
    let finding = memory(&record(0.5 * MIB, 4.0 * MIB, Per::Hour));
    assert_eq!(finding.outcome, Outcome::Clean, "{:?}", finding.reason);
}

#[test]
fn growth_over_time_says_nothing_of_a_budget_for_a_request() {
    let finding = memory(&record(30.0 * MIB, 64.0, Per::Request));
    assert_eq!((finding.outcome, finding.axis), (Outcome::Inconclusive, Axis::Seconds));
    assert_eq!(finding.reason, Reason::NoRequests);
}
