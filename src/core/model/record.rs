//! Everything that is known of one run.

use super::{
    Accepted, AcceptedSite, Census, Chosen, Event, EventKind, HeapRecord, HostSample, LoadSample, MapReading,
    MemoryKind, Metric, MetricMeta, MetricReading, Per, PhaseKind, Resource, Sample, Understood, WorkerId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run, whole: what was asked, what was seen. Every report and verdict is a function of this alone.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// What the run was, as `run.json` has it.
    pub meta: RunMeta,
    /// Readings of workers in the order they were taken.
    pub samples: Vec<Sample>,
    /// Readings of the host in the order they were taken.
    pub host: Vec<HostSample>,
    /// What the driver did, by second and step.
    pub load: Vec<LoadSample>,
    /// The whole target at some moments; empty if nothing kept account of it.
    pub census: Vec<Census>,
    /// Memory maps of workers in the order they were read; empty if none could be.
    pub maps: Vec<MapReading>,
    /// Readings of the user's own series, those of each in the order they were taken.
    pub metrics: Vec<MetricReading>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Who allocated; empty if that wasn't traced.
    pub heap: HeapRecord,
    /// The services beside the target, in the order in which they were started, each as a run of its own at the same time: its
    /// workers, its account, its budgets. None of them has services.
    pub services: Vec<RunRecord>,
}

/// The directory of a run that has one for each of its services.
pub const SERVICES: &str = "services";

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Still going on, or the harness was killed.
    Running,
    /// It went through to its planned end.
    Complete,
    /// It ended before its planned end: interrupted, or the target or the workload failed.
    Aborted,
}

/// What kept a run from its planned end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The target could not start, never got ready, or died.
    Target,
    /// The workload could not be driven, or failed for good.
    Workload,
    /// The harness file doesn't fit the target.
    Setup,
    /// A signal with this number interrupted the harness.
    Interrupted(i32),
    /// The run directory could not be written any more.
    Recording,
}

/// The head of a run: `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunMeta {
    /// Version of the format, `major.minor`; a newer major is refused.
    pub format: String,
    /// Version of seepage that made it.
    pub seepage: String,
    /// The run's name and the last part of its directory's name.
    pub id: String,
    /// Name of the harness file's scenario.
    pub name: String,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// How long it took, in seconds; missing while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed: Option<f64>,
    /// Where it stands.
    pub status: RunStatus,
    /// Why it was aborted, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<String>,
    /// What kind of failure aborted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The seed of everything random in the run.
    pub seed: u64,
    /// The machine.
    pub host: Host,
    /// What was measured.
    pub target: Target,
    /// How requests were counted.
    pub counting: Counting,
    /// Classes of request, in the order of `Sample::by_class`.
    pub classes: Vec<String>,
    /// Steps of the workload, in the order of `HostSample::by_step`; empty if nothing was driven by steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Series of the user's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricMeta>,
    /// What growth is allowed.
    pub budgets: Budgets,
    /// What the workload must reach for the run to count.
    pub gates: Gates,
    /// Totals of the workload; missing while it runs and when nothing was driven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadSummary>,
    /// How its leaks stand to those that are accepted; missing if it wasn't held against any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    /// Call sites whose leaks are accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_sites: Vec<AcceptedSite>,
    /// What observing cost; missing while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observing: Option<Observing>,
    /// Names of the services beside the target, in the order in which they were started; each is recorded as a run of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// The harness file as it was resolved, secrets redacted.
    pub config: serde_json::Value,
    /// How the table was understood, if another tool's table is all there is of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub understood: Option<Box<Understood>>,
}

/// A step of the workload.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// HTTP method.
    pub method: String,
    /// Path and query, below the base URL.
    pub path: String,
    /// How often it is drawn, relative to the others.
    pub weight: f64,
}

/// The machine a run was made on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Host {
    /// Kernel release.
    pub kernel: String,
    /// Processors online.
    pub cpus: u64,
    /// Physical memory in bytes.
    pub memory: u64,
    /// Page size in bytes.
    pub page: u64,
    /// Clock ticks per second, the unit of `WorkerId::start`.
    pub ticks: u64,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Target {
    /// The command line that was launched, or of the process that was attached to.
    pub command: Vec<String>,
    /// The executable of the process that was attached to, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// Its first process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<WorkerId>,
    /// How workers were chosen: `auto`, `self`, `children`, `descendants`, or a pattern.
    pub workers: String,
    /// Which processes `auto` has found to be the workers; missing before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
    /// Memory limit in bytes, if one was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// What enforced the limit: `cgroup v2`, `cgroup v1` or `rlimit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<String>,
    /// Limits that each worker stands under by itself, as the first that was read has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_limits: Option<WorkerLimits>,
    /// Size in bytes that no worker should outgrow, if the user named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_worker_size: Option<u64>,
    /// Seconds of a process's life that are its warm-up, if the user said how long that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<f64>,
}

/// Limits of a single process; what is unlimited or couldn't be read is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorkerLimits {
    /// Anonymous memory in bytes at which `RLIMIT_DATA` is exhausted, or `RLIMIT_AS` if its other mappings stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Descriptors it may have open, `RLIMIT_NOFILE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
}

/// Where the count of requests came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountingSource {
    /// Lines of an access log that name the worker: exact.
    AccessLog,
    /// PHP-FPM's full status page: exact.
    PhpFpm,
    /// mod_status' table: lags, and counts its own probes.
    ModStatus,
    /// A regular expression over a status page.
    Page,
    /// What the driver sent, shared out evenly over the workers.
    Driver,
    /// A column of a file that another tool wrote.
    Table,
    /// Nothing was counted: growth is against time.
    None,
}

/// How requests were counted, and what that is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counting {
    /// The source.
    pub source: CountingSource,
    /// Whether counts belong to single workers (not shared out over the pool).
    pub per_worker: bool,
    /// One sentence for the reader of the report.
    pub worth: String,
}

/// Growth that is allowed, in bytes or items; `None` means that the resource isn't judged.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Budgets {
    /// Anonymous + swapped bytes of a worker.
    pub memory: Option<f64>,
    /// Descriptors of a worker.
    pub descriptors: Option<f64>,
    /// Threads of a worker.
    pub threads: Option<f64>,
    /// Bytes on tmpfs of the whole target.
    pub tmpfs: Option<f64>,
    /// Bytes that the kernel holds for the target's control group; judged only where it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<f64>,
    /// Bytes of shared memory of a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<f64>,
    /// Bytes of all processes that are not workers, together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<f64>,
    /// Processes of the whole target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<f64>,
    /// Gauges of the user's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<Metric, f64>,
    /// What all of these are for.
    #[serde(default)]
    pub per: Per,
}

/// What the workload must reach; latencies in seconds, over all steps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Gates {
    /// Highest share of failed requests, 0 to 1.
    pub error_rate: Option<f64>,
    /// Highest median latency of successes.
    pub p50: Option<f64>,
    /// Highest 95th percentile.
    pub p95: Option<f64>,
    /// Highest 99th percentile.
    pub p99: Option<f64>,
}

/// Totals of the workload in its soak phases.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WorkloadSummary {
    /// `closed`, `open` or `command`.
    pub model: String,
    /// Requests begun, aborted ones included.
    pub sent: u64,
    /// Requests answered as expected.
    pub ok: u64,
    /// Requests aborted on purpose.
    pub aborted: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Seconds of soak.
    pub seconds: f64,
    /// Failures by kind.
    pub errors: BTreeMap<String, u64>,
    /// Answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Latency by step, and over all steps under the name `all`.
    pub latency: BTreeMap<String, LatencySummary>,
}

impl WorkloadSummary {
    /// Failed share of the requests that weren't aborted on purpose; `None` if there were none.
    pub fn error_rate(&self) -> Option<f64> {
        let answered = self.ok.saturating_add(self.failed);
        (answered > 0).then(|| self.failed as f64 / answered as f64)
    }

    /// Successful requests per second; `None` if no time passed.
    pub fn goodput(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.ok as f64 / self.seconds)
    }
}

/// Quantiles of the latency of successes, in seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LatencySummary {
    /// Successes counted.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

/// What observing cost.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Observing {
    /// Readings of workers taken.
    pub readings: u64,
    /// Median time of one fast reading of one worker, in seconds.
    pub fast_reading: f64,
    /// Median time of one slow reading of one worker, in seconds; missing if none was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_reading: Option<f64>,
    /// CPU time of the sampler's thread as a share of one core, 0 to 1.
    pub cpu_share: f64,
    /// CPU time of looks at the run before its end and of its progress display, as a share of one core, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_share: Option<f64>,
    /// Interval between fast readings that was reached, in seconds.
    pub interval: f64,
    /// Deadlines missed.
    pub missed_ticks: u64,
    /// Quantities that could not be read, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl RunMeta {
    /// What was measured of a resource, in full: of a table, the memory that its column holds.
    pub fn full(&self, resource: Resource) -> &'static str {
        match &self.understood {
            Some(table) if resource == Resource::Memory && table.kind != MemoryKind::Anonymous => table.kind.full(),
            _ => resource.full(),
        }
    }

    /// The head of a run of this name that began at `started` under this id, with nothing driven, nothing allowed, and no more
    /// known of it than this.
    pub fn begun(
        name: String,
        (started, id): (String, String),
        host: Host,
        target: Target,
        counting: Counting,
    ) -> Self {
        RunMeta {
            format: String::new(),
            seepage: env!("CARGO_PKG_VERSION").into(),
            id,
            name,
            started,
            elapsed: None,
            status: RunStatus::Running,
            aborted: None,
            failure: None,
            seed: 0,
            host,
            target,
            counting,
            classes: Vec::new(),
            steps: Vec::new(),
            metrics: Vec::new(),
            budgets: Budgets::default(),
            gates: Gates::default(),
            workload: None,
            accepted: None,
            accepted_sites: Vec::new(),
            observing: None,
            services: Vec::new(),
            config: serde_json::Value::Null,
            understood: None,
        }
    }

    /// Whether target, workload or set-up failed, so that the run says nothing of growth that a longer one would say better.
    pub fn has_failed(&self) -> bool {
        matches!(self.failure, Some(Failure::Target | Failure::Workload | Failure::Setup))
    }

    /// Whether a target that ran already was watched, and not launched.
    pub fn is_attached(&self) -> bool {
        self.config.get("attach").is_some()
    }
}

impl Budgets {
    /// What is allowed if nobody says it, but for the kernel's memory, which is judged only where it is asked for.
    pub fn usual(per: Per) -> Self {
        let (bytes, items) = match per {
            Per::Request => (64.0, 0.01),
            Per::Hour => (1_048_576.0, 60.0),
        };
        let mut budgets = Budgets { per, ..Budgets::default() };
        for resource in Resource::budgeted().filter(|resource| *resource != Resource::Kernel) {
            budgets.allow(resource, Some(if resource.in_bytes() { bytes } else { items }));
        }
        budgets
    }

    /// What has a budget or may have one: every resource that is known of any target, and the user's own.
    pub fn resources(&self) -> impl Iterator<Item = Resource> {
        Resource::ALL.into_iter().chain(self.metrics.keys().copied().map(Resource::Metric))
    }

    /// Allowed growth of a resource; where allocations are traced, what is live may grow as memory may.
    pub fn of(&self, resource: Resource, traced: bool) -> Option<f64> {
        match resource {
            Resource::Memory => self.memory,
            Resource::Heap => self.memory.filter(|_| traced),
            Resource::Descriptors => self.descriptors,
            Resource::Threads => self.threads,
            Resource::Tmpfs => self.tmpfs,
            Resource::Kernel => self.kernel,
            Resource::Shared => self.shared,
            Resource::Rest => self.rest,
            Resource::Processes => self.processes,
            Resource::Metric(metric) => self.metrics.get(&metric).copied(),
        }
    }

    /// Allows another growth of a resource; of the heap, what memory may.
    pub fn allow(&mut self, resource: Resource, amount: Option<f64>) {
        let place = match resource {
            Resource::Memory | Resource::Heap => &mut self.memory,
            Resource::Descriptors => &mut self.descriptors,
            Resource::Threads => &mut self.threads,
            Resource::Tmpfs => &mut self.tmpfs,
            Resource::Kernel => &mut self.kernel,
            Resource::Shared => &mut self.shared,
            Resource::Rest => &mut self.rest,
            Resource::Processes => &mut self.processes,
            Resource::Metric(metric) => {
                self.metrics.remove(&metric);
                self.metrics.extend(amount.map(|amount| (metric, amount)));
                return;
            }
        };
        *place = amount;
    }
}

/// The page size, for records that don't say.
const USUAL_PAGE: u64 = 4096;

impl RunRecord {
    /// Bytes to which memory is rounded in the run: the page size of its host.
    pub fn page(&self) -> f64 {
        (if self.meta.host.page == 0 { USUAL_PAGE } else { self.meta.host.page }) as f64
    }

    /// Whether a worker ended as no healthy one does, or the memory limit was hit.
    pub fn has_crashed(&self) -> bool {
        self.events.iter().any(|event| match &event.kind {
            EventKind::Exited { cause: Some(cause), stopping: false, .. } => cause.is_abnormal(),
            EventKind::MemoryLimit { .. } => true,
            _ => false,
        })
    }

    /// Whether it failed before its soak, so that nothing in it is to be judged.
    pub fn failed_before_soak(&self) -> bool {
        let soaks = |event: &Event| matches!(event.kind, EventKind::Phase { phase: PhaseKind::Soak, .. });
        self.meta.failure.is_some() && !self.events.iter().any(soaks)
    }

    /// Allowed growth of a resource; missing if it isn't judged.
    pub fn budget(&self, resource: Resource) -> Option<f64> {
        self.meta.budgets.of(resource, self.samples.iter().any(|sample| sample.heap.is_some()))
    }

    /// Workers in the order in which they were first read.
    pub fn workers(&self) -> Vec<WorkerId> {
        let mut seen = std::collections::HashSet::new();
        self.samples.iter().map(|s| s.worker).filter(|w| seen.insert(*w)).collect()
    }
}
