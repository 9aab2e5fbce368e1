//! Runs as a real Apache with the faulty upload module gives them: the ten modes of the module, in simulation.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seepage::answer::{ExitCode, LeakClass};
use seepage::model::*;

/// What the module does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Malloc,
    Pool,
    Fd,
    Abort,
    Big,
    Shm,
    Churn,
    Warm,
    Cow,
    None,
}

impl Mode {
    pub const ALL: [Mode; 10] = [
        Mode::Malloc,
        Mode::Pool,
        Mode::Fd,
        Mode::Abort,
        Mode::Big,
        Mode::Shm,
        Mode::Churn,
        Mode::Warm,
        Mode::Cow,
        Mode::None,
    ];

    /// The exit code and, for memory, the classes that are right.
    pub fn expected(self) -> (ExitCode, &'static [LeakClass]) {
        const SETTLED: &[LeakClass] = &[LeakClass::Flat, LeakClass::WithinBudget, LeakClass::WarmUp];
        match self {
            Mode::Malloc | Mode::Pool | Mode::Abort | Mode::Big => (ExitCode::Leak, &[LeakClass::Leak]),
            Mode::Fd | Mode::Shm => (ExitCode::Leak, SETTLED),
            Mode::Churn => (ExitCode::Clean, &[LeakClass::HighWaterMark, LeakClass::WarmUp]),
            Mode::Warm => (ExitCode::Clean, &[LeakClass::WarmUp]),
            Mode::Cow => (ExitCode::Clean, &[LeakClass::CopyOnWrite]),
            Mode::None => (ExitCode::Clean, SETTLED),
        }
    }
}

/// How the run is made.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub workers: u32,
    /// Requests of each worker in the soak, on average.
    pub requests: u64,
    /// Readings of each worker in the soak.
    pub readings: u32,
    /// Requests after which a worker is replaced.
    pub recycle: Option<u64>,
}

const PAGE: u64 = 4096;

struct Worker {
    id: WorkerId,
    served: u64,
    life: u64,
    base: u64,
    kept: u64,
    high: u64,
    fds: u64,
    unshared: u64,
}

impl Worker {
    fn new(pid: u32, start: u64, life: u64, rng: &mut ChaCha8Rng) -> Self {
        let base = 66 * 1024 * 1024 + rng.random_range(0..512 * 1024);
        Worker { id: WorkerId::new(pid, start), served: 0, life, base, kept: 0, high: 0, fds: 12, unshared: 0 }
    }

    fn serve(&mut self, mode: Mode, files: &mut u64, rng: &mut ChaCha8Rng) {
        self.served += 1;
        // Stacks, arenas and pools that every child fills in its first requests.
        if self.served <= 60 {
            self.kept += 2048;
        }
        // Uploads of 64 KiB to 12 MiB, log-uniform.
        let size = (64.0 * 1024.0 * 192f64.powf(rng.random::<f64>())) as u64;
        match mode {
            Mode::Malloc => self.kept += 4096 + 16,
            Mode::Pool => self.kept += 8192,
            Mode::Fd => self.fds += 1,
            Mode::Abort => self.kept += if rng.random_bool(0.05) { 4096 } else { 0 },
            Mode::Big => self.kept += if size > 1024 * 1024 { 2400 } else { 0 },
            Mode::Shm => *files += 4096,
            Mode::Churn => self.high = self.high.max(size),
            Mode::Warm => self.kept += if self.served <= 512 { 4096 } else { 0 },
            Mode::Cow => self.unshared = (self.unshared + 64 * 1024).min(32 << 20),
            Mode::None => {}
        }
    }

    fn anon(&self, rng: &mut ChaCha8Rng) -> u64 {
        let flutter = rng.random_range(0..6) * PAGE;
        (self.base + self.kept + self.high + flutter) / PAGE * PAGE
    }
}

/// The record of a run of `mode`.
pub fn run(mode: Mode, shape: Shape, seed: u64) -> RunRecord {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut next_pid = 100;
    let mut spawn = |rng: &mut ChaCha8Rng| {
        next_pid += 1;
        let life = shape.recycle.map_or(u64::MAX, |r| r + rng.random_range(0..r / 4 + 1));
        Worker::new(next_pid, 1000 + u64::from(next_pid), life, rng)
    };
    let mut workers: Vec<Worker> = (0..shape.workers).map(|_| spawn(&mut rng)).collect();
    let (mut samples, mut host, mut load) = (Vec::new(), Vec::new(), Vec::new());
    let (mut files, mut pool, mut second) = (0u64, 0u64, 0u64);
    let rate = shape.requests as f64 / f64::from(shape.readings);
    let warm_up = shape.readings / 10;
    for tick in 0..shape.readings + warm_up {
        let t = f64::from(tick) * 0.1;
        for worker in &mut workers {
            let n = (rate * rng.random_range(0.5..1.5)).round() as u64;
            for _ in 0..n {
                worker.serve(mode, &mut files, &mut rng);
            }
            pool += n;
            second += n;
            let mut s = Sample::new(t, worker.id);
            s.anon = Some(worker.anon(&mut rng));
            s.swap = Some(0);
            s.fds = Some(worker.fds + rng.random_range(0..3));
            s.threads = Some(1);
            s.requests = Some(worker.served);
            if tick % 20 == 0 {
                let uss = worker.anon(&mut rng) / 8 + worker.unshared;
                let slow = SlowReading { pss: Some(uss), uss: Some(uss), huge: Some(0), ..SlowReading::default() };
                s.slow = Some(Box::new(slow));
            }
            samples.push(s);
            if worker.served >= worker.life {
                *worker = spawn(&mut rng);
            }
        }
        if tick % 10 == 9 {
            host.push(HostSample { t, tmpfs: Some((1 << 20) + files), requests: Some(pool), ..HostSample::default() });
            let step = LoadSample { t, step: "upload".into(), sent: second, ok: second, ..LoadSample::default() };
            load.push(step);
            second = 0;
        }
    }
    let end = f64::from(shape.readings + warm_up) * 0.1;
    let phase = |t, phase, index| Event { t, kind: EventKind::Phase { phase, index } };
    let events = vec![
        phase(0.0, PhaseKind::WarmUp, 0),
        phase(f64::from(warm_up) * 0.1, PhaseKind::Soak, 1),
        Event { t: end, kind: EventKind::Stopping },
    ];
    RunRecord {
        meta: meta(pool),
        samples,
        host,
        load,
        census: Vec::new(),
        maps: Vec::new(),
        metrics: Vec::new(),
        events,
        heap: Default::default(),
        services: Vec::new(),
    }
}

pub fn meta(sent: u64) -> RunMeta {
    let latency = LatencySummary { count: sent, p50: 0.002, p95: 0.004, p99: 0.008, max: 0.02 };
    RunMeta {
        format: "1.0".into(),
        seepage: "0".into(),
        id: "simulated".into(),
        name: "simulated".into(),
        started: "2026-01-01T00:00:00Z".into(),
        elapsed: Some(33.0),
        status: RunStatus::Complete,
        aborted: None,
        failure: None,
        seed: 1,
        host: Host { kernel: "6".into(), cpus: 2, memory: 8 << 30, page: PAGE, ticks: 100 },
        target: Target::default(),
        counting: Counting { source: CountingSource::AccessLog, per_worker: true, worth: "exact".into() },
        classes: Vec::new(),
        steps: Vec::new(),
        metrics: Vec::new(),
        budgets: Budgets {
            memory: Some(64.0),
            descriptors: Some(0.01),
            threads: Some(0.01),
            tmpfs: Some(64.0),
            ..Budgets::default()
        },
        gates: Gates { error_rate: Some(0.01), ..Gates::default() },
        workload: Some(WorkloadSummary {
            model: "closed".into(),
            sent,
            ok: sent,
            seconds: 30.0,
            latency: [("all".to_owned(), latency)].into(),
            ..WorkloadSummary::default()
        }),
        accepted: None,
        accepted_sites: Vec::new(),
        observing: None,
        services: Vec::new(),
        config: serde_json::Value::Null,
        understood: None,
    }
}
