//! A small run record for tests: two workers, one reading a second, a warm-up and a soak.

use crate::model::*;

/// Seconds of warm-up, and of warm-up and soak together.
pub const WARM_UP: f64 = 10.0;
pub const END: f64 = 110.0;

/// The worker with this PID.
pub fn worker(pid: u32) -> WorkerId {
    WorkerId { pid, start: 7 }
}

/// All that is said of a run in sentences: the first lines and the notes.
pub fn told(record: &RunRecord) -> String {
    let verdict = super::judge(record);
    let first = crate::words::headline(record, &verdict);
    let lines = [first.to_string()].into_iter().chain(first.more).chain(crate::words::notes(&verdict));
    lines.collect::<Vec<_>>().join("\n")
}

pub fn event(t: f64, kind: EventKind) -> Event {
    Event { t, kind }
}

/// Two workers that serve ten requests a second each; memory and descriptors as functions of the requests served.
pub fn record(memory: impl Fn(u64) -> u64, fds: impl Fn(u64) -> u64) -> RunRecord {
    let mut samples = Vec::new();
    let mut host = Vec::new();
    let mut load = Vec::new();
    for second in 0..END as u64 {
        let t = second as f64;
        let served = 10 * second;
        for pid in [1, 2] {
            let mut s = Sample::new(t, worker(pid));
            s.anon = Some(memory(served) / 4096 * 4096);
            s.swap = Some(0);
            s.fds = Some(fds(served));
            s.threads = Some(1);
            s.requests = Some(served);
            samples.push(s);
        }
        host.push(HostSample { t, tmpfs: Some(0), requests: Some(2 * served), ..HostSample::default() });
        load.push(LoadSample { t, step: "get".into(), sent: 20, ok: 20, ..LoadSample::default() });
    }
    let phase = |t, phase, index| event(t, EventKind::Phase { phase, index });
    let events =
        vec![phase(0.0, PhaseKind::WarmUp, 0), phase(WARM_UP, PhaseKind::Soak, 1), event(END, EventKind::Stopping)];
    let all = LatencySummary { count: 2000, p50: 0.001, p95: 0.002, p99: 0.003, max: 0.01 };
    let workload = WorkloadSummary {
        model: "closed".into(),
        sent: 2000,
        ok: 2000,
        seconds: 100.0,
        latency: [("all".to_owned(), all)].into(),
        ..WorkloadSummary::default()
    };
    let meta = RunMeta {
        format: "1.0".into(),
        seepage: "0".into(),
        id: "t".into(),
        name: "t".into(),
        started: "2026-01-01T00:00:00Z".into(),
        elapsed: Some(END),
        status: RunStatus::Complete,
        aborted: None,
        failure: None,
        seed: 1,
        host: Host { page: 4096, ..Host::default() },
        target: Target::default(),
        counting: Counting { source: CountingSource::AccessLog, per_worker: true, worth: "exact".into() },
        classes: Vec::new(),
        steps: Vec::new(),
        budgets: Budgets {
            memory: Some(64.0),
            descriptors: Some(0.01),
            threads: Some(0.01),
            tmpfs: None,
            ..Budgets::default()
        },
        gates: Gates { error_rate: Some(0.01), ..Gates::default() },
        workload: Some(workload),
        observing: None,
        config: serde_json::Value::Null,
    };
    RunRecord { meta, samples, host, load, census: Vec::new(), events, heap: Default::default() }
}

/// A run in which nothing grows.
pub fn clean() -> RunRecord {
    record(|_| 50 << 20, |_| 12)
}

/// A run that leaks a page for each request.
pub fn leaking() -> RunRecord {
    record(|served| (50 << 20) + 4096 * served, |_| 12)
}
