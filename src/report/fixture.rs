//! Made-up runs with known truth, from fixed seeds, for the tests of every report.

mod cpu_time;
mod evidence;
mod places;
mod traced;
pub use traced::{touched, traced};

use crate::answer::*;
use crate::model::*;
use crate::readings::series;
use crate::rule::forecast;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

const MIB: f64 = 1024.0 * 1024.0;

/// What a made-up run is like.
pub struct Scenario {
    pub name: &'static str,
    pub workers: usize,
    pub seconds: usize,
    /// Requests per second and worker.
    pub rate: f64,
    /// Bytes kept per request.
    pub leak: f64,
    /// Bytes that warm-up adds in the end.
    pub warm: f64,
    /// Descriptors kept per request.
    pub fds: f64,
    /// Requests after which a worker is replaced.
    pub recycle: Option<f64>,
    pub noise: f64,
    pub outcome: Outcome,
    pub class: LeakClass,
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            name: "upload-demo",
            workers: 4,
            seconds: 60,
            rate: 25.0,
            leak: 0.0,
            warm: 0.6 * MIB,
            fds: 0.0,
            recycle: None,
            noise: 12_000.0,
            outcome: Outcome::Clean,
            class: LeakClass::WarmUp,
        }
    }
}

pub fn leak() -> (RunRecord, Verdict) {
    Scenario { leak: 4198.0, outcome: Outcome::Leak, class: LeakClass::Leak, ..Scenario::default() }.build()
}

/// A clean target with a service that leaks and one that is clean, as the rule judges them.
pub fn stack() -> (RunRecord, Verdict) {
    let part = |name, leak, workers| Scenario { name, leak, workers, seconds: 80, ..Scenario::default() }.build().0;
    let mut record = part("shop", 0.0, 1);
    record.services = vec![part("database", 4198.0, 1), part("cache", 0.0, 2)];
    let verdict = crate::verdict::judge(&record);
    (record, verdict)
}

pub fn warm_up() -> (RunRecord, Verdict) {
    Scenario { name: "upload-demo-clean", ..Scenario::default() }.build()
}

pub fn inconclusive() -> (RunRecord, Verdict) {
    let scenario = Scenario {
        seconds: 12,
        noise: 400_000.0,
        outcome: Outcome::Inconclusive,
        class: LeakClass::Unknown,
        ..Scenario::default()
    };
    let (mut record, mut verdict) = scenario.build();
    verdict.findings[0].settle = Some(Settle::Longer { steps: 12_000.0, times: 40.0, pace: Some(25.0) });
    record.meta.target.workers = "auto".into();
    record.meta.target.chosen = Some(chosen("apache2"));
    (record, verdict)
}

/// That two children of a program were found to be the workers.
fn chosen(command: &str) -> Chosen {
    let parent = Some(ChosenParent { pid: 4000, command: command.into() });
    let command = command.into();
    Chosen {
        groups: vec![ChosenGroup { command, pids: vec![4001, 4002], count: 2, parent, because: Choosing::Serving }],
    }
}

pub fn recycled() -> (RunRecord, Verdict) {
    Scenario {
        name: "apache-recycle",
        leak: 4096.0,
        warm: 0.2 * MIB,
        recycle: Some(300.0),
        outcome: Outcome::Leak,
        class: LeakClass::Leak,
        ..Scenario::default()
    }
    .build()
}

pub fn descriptors() -> (RunRecord, Verdict) {
    Scenario { name: "apache-upload", fds: 0.25, outcome: Outcome::Leak, ..Scenario::default() }.build()
}

pub fn crowd() -> (RunRecord, Verdict) {
    Scenario {
        name: "big-pool",
        workers: 500,
        seconds: 30,
        leak: 900.0,
        outcome: Outcome::Leak,
        class: LeakClass::Leak,
        ..Scenario::default()
    }
    .build()
}

/// A run in which nothing at all was seen.
pub fn empty() -> (RunRecord, Verdict) {
    let mut meta = meta("nothing");
    meta.workload = None;
    meta.observing = None;
    meta.status = RunStatus::Aborted;
    meta.aborted = Some(
        "the target never got ready: nothing listened on 127.0.0.1 within 30 s\nlast output:\nAH00558: could not bind"
            .to_owned(),
    );
    let record = RunRecord {
        meta,
        samples: vec![],
        host: vec![],
        load: vec![],
        census: vec![],
        maps: Vec::new(),
        metrics: Vec::new(),
        events: vec![],
        heap: Default::default(),
        services: Vec::new(),
    };
    let verdict = Verdict {
        outcome: Outcome::Inconclusive,
        exit: ExitCode::Target,
        claims: vec![Claim::Open(Open::Unfinished)],
        gates: vec![],
        findings: vec![],
        whole_target: None,
        cpu_time: None,
        counted: Vec::new(),
        neighbours: None,
        call_sites: None,
        remainders: Vec::new(),
        notes: vec![],
        services: Vec::new(),
    };
    (record, verdict)
}

/// Texts that try to break out of every format.
pub const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\u{1b}[31m]]>|`\r\n# \u{202e}\"'&\u{0}";

/// A run all of whose texts are [`HOSTILE`].
pub fn hostile() -> (RunRecord, Verdict) {
    let (mut record, mut verdict) =
        Scenario { seconds: 10, workers: 2, leak: 4096.0, outcome: Outcome::Leak, ..Scenario::default() }.build();
    let text = || HOSTILE.to_owned();
    let meta = &mut record.meta;
    for field in [&mut meta.id, &mut meta.name, &mut meta.started, &mut meta.seepage, &mut meta.host.kernel] {
        *field = text();
    }
    meta.aborted = Some(text());
    meta.target =
        Target { command: vec![text(), text()], workers: text(), limited_by: Some(text()), ..meta.target.clone() };
    meta.target.chosen = Some(chosen(HOSTILE));
    meta.counting.worth = text();
    meta.config = serde_json::json!({ HOSTILE: HOSTILE });
    if let Some(observing) = &mut meta.observing {
        observing.missing = vec![text()];
    }
    if let Some(workload) = &mut meta.workload {
        workload.model = text();
        workload.errors = BTreeMap::from([(text(), 7)]);
        workload.latency.insert(text(), LatencySummary::default());
    }
    for load in &mut record.load {
        load.step = text();
        load.errors = vec![(text(), 1)];
    }
    for event in &mut record.events {
        if let EventKind::Spawned { command, .. } = &mut event.kind {
            *command = text();
        }
    }
    record.events.push(Event { t: 1.0, kind: EventKind::Note { text: text() } });
    let doubt = Doubt::NoLineMatches { lines: 7, first: text() };
    verdict.claims = vec![Claim::Open(Open::Doubt(doubt.clone()))];
    verdict.notes = vec![Note::Recorded(text()), Note::Counting(text()), Note::Unreadable(text())];
    verdict.gates.push(Gate { kind: GateKind::Doubt(doubt), state: GateState::Unknown });
    for finding in &mut verdict.findings {
        for row in finding.steps.iter_mut().flat_map(|steps| &mut steps.rows) {
            row.steps = vec![text(), text()];
        }
        finding.places.iter_mut().for_each(|places| *places = places::places(HOSTILE));
        finding.held = Some(places::held(HOSTILE));
        for worker in &mut finding.workers {
            worker.set_aside = Some(SetAside::PartOnly);
        }
    }
    (record, verdict)
}

fn meta(name: &str) -> RunMeta {
    let host = Host { kernel: "6.18.0".into(), cpus: 2, memory: 8 << 30, page: 4096, ticks: 100 };
    let target = Target {
        executable: None,
        command: ["apache2", "-DFOREGROUND", "-f", "httpd.conf"].map(str::to_owned).to_vec(),
        root: Some(WorkerId::new(4000, 900_000)),
        workers: "children".into(),
        chosen: None,
        memory_limit: Some(2 << 30),
        limited_by: Some("cgroup v2".into()),
        worker_limits: Some(WorkerLimits { memory: None, open_files: Some(1024) }),
        max_worker_size: None,
        warm_up: None,
    };
    let counting = Counting {
        source: CountingSource::AccessLog,
        per_worker: true,
        worth: "exact: the access log names the worker of each request".into(),
    };
    let stamp = ("2026-11-21T00:12:31Z".into(), "7f3a".into());
    RunMeta {
        format: "1.0".into(),
        seepage: "0.1.0".into(),
        elapsed: Some(64.2),
        status: RunStatus::Complete,
        seed: 1,
        budgets: Budgets {
            memory: Some(64.0),
            descriptors: Some(0.01),
            threads: Some(0.01),
            tmpfs: Some(64.0),
            ..Budgets::default()
        },
        gates: Gates { error_rate: Some(0.01), ..Gates::default() },
        observing: Some(Observing {
            readings: 2400,
            fast_reading: 14e-6,
            slow_reading: Some(2.1e-4),
            cpu_share: 0.0012,
            live_share: Some(0.0008),
            interval: 0.1,
            missed_ticks: 0,
            missing: vec!["PSS: permission denied for workers that changed their user".into()],
        }),
        config: serde_json::json!({ "name": name, "target": { "command": ["apache2"] } }),
        ..RunMeta::begun(name.into(), stamp, host, target, counting)
    }
}

/// One incarnation's truth.
struct Life {
    id: WorkerId,
    from: f64,
    to: f64,
    base: f64,
}

impl Scenario {
    pub fn build(&self) -> (RunRecord, Verdict) {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let lives = self.lives(&mut rng);
        let seconds = self.seconds as f64;
        let warm_until = 0.2 * seconds;
        let mut samples = Vec::new();
        for tick in 0..self.seconds * 4 {
            let t = tick as f64 / 4.0;
            for life in lives.iter().filter(|l| l.from <= t && t < l.to) {
                let served = (t - life.from) * self.rate;
                let level = life.base
                    + self.warm * (1.0 - (-served / (2.0 * self.rate)).exp())
                    + self.leak * served
                    + self.noise * (rng.random::<f64>() - 0.5);
                let mut sample = Sample::new(t, life.id);
                sample.anon = Some((level / 4096.0).max(0.0) as u64 * 4096);
                sample.swap = Some(0);
                sample.file = Some(3 << 20);
                sample.shmem = Some(1 << 20);
                sample.fds = Some(11 + (served * self.fds) as u64);
                sample.threads = Some(1);
                sample.requests = Some(served as u64);
                samples.push(sample);
            }
        }
        let record = RunRecord {
            events: self.events(&lives, warm_until),
            load: self.load(&mut rng),
            census: Vec::new(),
            maps: Vec::new(),
            metrics: Vec::new(),
            host: self.host(),
            samples,
            meta: self.meta(),
            heap: Default::default(),
            services: Vec::new(),
        };
        let verdict = self.verdict(&record, &lives, warm_until);
        (record, verdict)
    }

    fn lives(&self, rng: &mut ChaCha8Rng) -> Vec<Life> {
        let seconds = self.seconds as f64;
        let mut lives = Vec::new();
        for worker in 0..self.workers {
            let base = 3.8 * MIB + rng.random::<f64>() * 0.4 * MIB;
            let mut from = 0.0;
            while from < seconds {
                let length = self.recycle.map_or(seconds, |n| n / self.rate * (0.8 + 0.4 * rng.random::<f64>()));
                let id = WorkerId::new(4001 + lives.len() as u32, 900_000 + (from * 100.0) as u64);
                lives.push(Life { id, from, to: (from + length).min(seconds), base });
                from += length + worker as f64 * 0.01 + 0.3;
            }
        }
        lives
    }

    fn events(&self, lives: &[Life], warm_until: f64) -> Vec<Event> {
        let mut events = vec![
            Event { t: 0.0, kind: EventKind::Phase { phase: PhaseKind::WarmUp, index: 0 } },
            Event { t: warm_until, kind: EventKind::Phase { phase: PhaseKind::Soak, index: 1 } },
            Event { t: self.seconds as f64, kind: EventKind::Stopping },
        ];
        for life in lives {
            let command = "apache2".to_owned();
            events.push(Event {
                t: life.from,
                kind: EventKind::Spawned { worker: life.id, parent: 4000, command, age: None },
            });
            let stopping = life.to >= self.seconds as f64;
            let kind = EventKind::Exited { worker: life.id, cause: Some(ExitCause::Code(0)), stopping };
            events.push(Event { t: life.to, kind });
        }
        events.sort_by(|a, b| a.t.total_cmp(&b.t));
        events
    }

    fn load(&self, rng: &mut ChaCha8Rng) -> Vec<LoadSample> {
        let mut load = Vec::new();
        for second in 1..=self.seconds {
            for (step, share, base) in [("index", 0.7, 0.0018), ("upload", 0.3, 0.021)] {
                let sent = (self.rate * self.workers as f64 * share * (0.95 + 0.1 * rng.random::<f64>())) as u64;
                let failed = u64::from(second % 17 == 0 && step == "upload");
                let stretch = 1.0 + 0.2 * rng.random::<f64>();
                load.push(LoadSample {
                    t: second as f64,
                    step: step.to_owned(),
                    sent,
                    ok: sent.saturating_sub(failed),
                    aborted: 0,
                    failed,
                    statuses: vec![(200, sent.saturating_sub(failed)), (503, failed)],
                    errors: if failed > 0 { vec![("status".to_owned(), failed)] } else { vec![] },
                    p50: Some(base * stretch),
                    p95: Some(base * 2.4 * stretch),
                    p99: Some(base * (4.0 + 9.0 * rng.random::<f64>())),
                    bytes_sent: sent * 65_536,
                });
            }
        }
        load
    }

    fn host(&self) -> Vec<HostSample> {
        let sample = |second: usize| HostSample {
            t: second as f64,
            mem_available: Some(5 << 30),
            swap_used: Some(0),
            tmpfs: Some(1 << 20),
            requests: Some((second as f64 * self.rate * self.workers as f64) as u64),
            ..HostSample::default()
        };
        (0..=self.seconds).map(sample).collect()
    }

    fn meta(&self) -> RunMeta {
        let mut meta = meta(self.name);
        let soak = 0.8 * self.seconds as f64;
        let sent = (soak * self.rate * self.workers as f64) as u64;
        let latency = |scale: f64, count| LatencySummary {
            count,
            p50: 0.0018 * scale,
            p95: 0.0043 * scale,
            p99: 0.0151 * scale,
            max: 0.0412 * scale,
        };
        meta.workload = Some(WorkloadSummary {
            model: "closed".into(),
            sent,
            ok: sent.saturating_sub(3),
            aborted: 0,
            failed: 3.min(sent),
            seconds: soak,
            errors: BTreeMap::from([("status".to_owned(), 3)]),
            statuses: BTreeMap::from([(200, sent.saturating_sub(3)), (503, 3)]),
            latency: BTreeMap::from([
                ("all".to_owned(), latency(3.0, sent)),
                ("index".to_owned(), latency(1.0, sent * 7 / 10)),
                ("upload".to_owned(), latency(11.0, sent * 3 / 10)),
            ]),
        });
        meta
    }

    fn verdict(&self, record: &RunRecord, lives: &[Life], warm_until: f64) -> Verdict {
        let memory_leaks = self.leak > 64.0;
        let memory = if memory_leaks || self.outcome == Outcome::Inconclusive { self.outcome } else { Outcome::Clean };
        let noise = self.noise / (self.rate * self.seconds as f64);
        let mut findings = vec![
            self.finding(record, lives, warm_until, Resource::Memory, memory, self.leak, noise.max(2.0), 64.0),
            self.finding(
                record,
                lives,
                warm_until,
                Resource::Descriptors,
                if self.fds > 0.01 { Outcome::Leak } else { Outcome::Clean },
                self.fds,
                0.0008,
                0.01,
            ),
        ];
        for finding in &mut findings {
            let judged = series(record, finding.resource).1;
            finding.forecast = forecast(record, finding, &judged);
        }
        let worst = findings.iter().position(|f| f.outcome == self.outcome).unwrap_or(0);
        let claim = match self.outcome {
            Outcome::Leak => Claim::Leak(worst),
            Outcome::Clean => Claim::Clean(worst),
            Outcome::Inconclusive => Claim::Open(Open::Finding(worst)),
        };
        let errors = GateKind::ErrorRate { measured: Some(3.0 / 3600.0), most: 0.01 };
        let gates = findings
            .iter()
            .map(|f| Gate {
                kind: GateKind::Growth { resource: f.resource, axis: f.axis, growth: f.growth, budget: f.budget },
                state: match f.outcome {
                    Outcome::Leak => GateState::Fail,
                    Outcome::Clean => GateState::Pass,
                    Outcome::Inconclusive => GateState::Unknown,
                },
            })
            .chain([Gate { kind: errors, state: GateState::Pass }])
            .collect();
        Verdict {
            outcome: self.outcome,
            exit: match self.outcome {
                Outcome::Leak => ExitCode::Leak,
                Outcome::Clean => ExitCode::Clean,
                Outcome::Inconclusive => ExitCode::Inconclusive,
            },
            claims: vec![claim],
            gates,
            findings,
            whole_target: None,
            cpu_time: Some(cpu_time::cpu_time()),
            counted: Vec::new(),
            neighbours: None,
            call_sites: None,
            remainders: Vec::new(),
            notes: vec![Note::Recorded("the host was quiet: CPU pressure stayed under 3 %".to_owned())],
            services: Vec::new(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a fixture, called in one place")]
    fn finding(
        &self,
        record: &RunRecord,
        lives: &[Life],
        warm_until: f64,
        resource: Resource,
        outcome: Outcome,
        slope: f64,
        error: f64,
        budget: f64,
    ) -> Finding {
        let interval = |scale: f64| Interval {
            estimate: slope + 0.1 * error,
            lower: slope + 0.1 * error - scale * error,
            upper: slope + 0.1 * error + scale * error,
            confidence: 0.98,
        };
        let mut by_worker: BTreeMap<WorkerId, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in &record.samples {
            let y = if resource == Resource::Memory { sample.anon_and_swap() } else { sample.fds };
            by_worker
                .entry(sample.worker)
                .or_default()
                .extend(Some((sample.requests.unwrap() as f64, y.unwrap() as f64)));
        }
        let workers = lives
            .iter()
            .filter_map(|life| {
                let points = by_worker.get(&life.id)?;
                let soak = ((warm_until - life.from) * self.rate).max(points[0].0);
                let judged: Vec<_> = points.iter().copied().filter(|p| p.0 >= soak).collect();
                let (first, last) = (*judged.first()?, *judged.last()?);
                let span = last.0 - first.0;
                let x: Vec<f64> = (0..=8).map(|i| first.0 + span * f64::from(i) / 8.0).collect();
                let mean = judged.iter().map(|p| p.1 - slope * (p.0 - first.0)).sum::<f64>() / judged.len() as f64;
                let y: Vec<f64> = x.iter().map(|x| mean + slope * (x - first.0)).collect();
                let spread = |x: &f64| error * (span * 0.15 + (x - first.0 - span / 2.0).abs());
                Some(WorkerFinding {
                    worker: Some(life.id),
                    readings: judged.len() as u64,
                    span,
                    first: first.1,
                    last: last.1,
                    growth: Some(interval(2.0)),
                    leaks: slope > budget && outcome == Outcome::Leak,
                    set_aside: None,
                    fit: Some(Fit {
                        from: soak,
                        lower: x.iter().zip(&y).map(|(x, y)| y - spread(x)).collect(),
                        upper: x.iter().zip(&y).map(|(x, y)| y + spread(x)).collect(),
                        x,
                        y,
                    }),
                })
            })
            .collect();
        Finding {
            resource,
            outcome,
            class: if resource == Resource::Memory { self.class } else { LeakClass::Flat },
            growth: Some(interval(1.0)),
            axis: Axis::WorkerRequests,
            budget,
            reason: match outcome {
                Outcome::Leak => Reason::GoesOn { lower: interval(1.0).lower, jumps: false },
                Outcome::Clean => Reason::Within { upper: interval(1.0).upper, history: None, second_half: false },
                Outcome::Inconclusive => Reason::TooNoisy { lower: interval(1.0).lower, upper: interval(1.0).upper },
            },
            settle: None,
            workers,
            steps: (resource == Resource::Memory && outcome == Outcome::Leak).then(|| evidence::by_steps(slope)),
            evidence: evidence::evidence(resource, slope, error, interval(1.0), budget),
            reached: None,
            held: (outcome == Outcome::Leak && resource == Resource::Descriptors)
                .then(|| places::held("/var/spool/job-*")),
            places: (outcome == Outcome::Leak && resource == Resource::Memory).then(|| places::places("frames")),
            parts: if outcome == Outcome::Leak && resource == Resource::Descriptors {
                vec![Part { kind: PartKind::Sockets, growth: interval(1.5) }]
            } else {
                Vec::new()
            },
            forecast: None,
        }
    }
}

/// Every fixture with its name.
pub fn all() -> Vec<(&'static str, (RunRecord, Verdict))> {
    vec![
        ("leak", leak()),
        ("warm-up", warm_up()),
        ("inconclusive", inconclusive()),
        ("recycled", recycled()),
        ("descriptors", descriptors()),
        ("crowd", crowd()),
        ("empty", empty()),
        ("hostile", hostile()),
        ("traced", traced()),
    ]
}
