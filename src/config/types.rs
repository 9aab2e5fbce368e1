//! The harness file as it is written.
//!
//! Texts may hold `${...}` variables, resolved before the run: `${port}` and `${port:NAME}` (free TCP ports of this
//! run), `${work_dir}` (a scratch directory of this run), `${harness_dir}` (where the harness file is), `${seepage}`
//! (this very program) and `${env:NAME}`.

use super::{CompareConfig, ModuleConfig, Rate, Size, Span, VariantConfig};
use crate::model::{Budgets, Bytes, Per, PerRequest, PhaseKind, Share};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A harness file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Harness {
    /// Name of the scenario, part of the run directory's name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What is launched, and which of its processes are workers.
    pub target: TargetConfig,
    /// How the requests that each worker served are counted; by default, what the driver sent.
    #[serde(default)]
    pub requests: RequestsConfig,
    /// What drives the target.
    pub workload: WorkloadConfig,
    /// The phases of the run, in order.
    #[serde(rename = "phase")]
    pub phases: Vec<PhaseConfig>,
    /// Pauses of the load in which the target settles, and what makes it give back what it can.
    #[serde(default)]
    pub settle: SettleConfig,
    /// How much growth is allowed.
    #[serde(default)]
    pub budget: BudgetConfig,
    /// What the workload must reach for the run to count.
    #[serde(default)]
    pub gates: GatesConfig,
    /// How memory is sampled.
    #[serde(default)]
    pub sample: SampleConfig,
    /// Whether it is traced who allocates.
    #[serde(default)]
    pub heap: HeapConfig,
    /// When the soak ends.
    #[serde(default)]
    pub stop: Stop,
    /// Variants of the target, for `seepage ab`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<String, VariantConfig>,
    /// Parts of the target that can be switched off, for `seepage ab --off` and `seepage bisect`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modules: BTreeMap<String, ModuleConfig>,
    /// What difference between two variants is allowed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub compare: CompareConfig,
}

/// When the soak ends; it is looked before its end if there is one soak phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// As soon as leak or clean is proven.
    #[default]
    Early,
    /// At its planned end.
    Planned,
}

fn is_default(compare: &CompareConfig) -> bool {
    *compare == CompareConfig::default()
}

/// What is launched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TargetConfig {
    /// Program and arguments; it must stay in the foreground or be followed as a daemon.
    pub command: Vec<String>,
    /// Working directory; by default the scratch directory of the run.
    pub cwd: Option<String>,
    /// Commands that are run to their end before the launch, each with its arguments.
    #[serde(default)]
    pub prepare: Vec<Vec<String>>,
    /// Environment of the target, beside what `pass-env` lets through.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Names of variables that are passed on from the harness's own environment.
    #[serde(default = "default_pass_env")]
    pub pass_env: Vec<String>,
    /// Limit on the memory of everything launched.
    #[serde(default = "default_memory_limit")]
    pub memory_limit: Bytes,
    /// Size that no worker should outgrow: what the advice on recycling leaks is made for. By default 0.8 of an even share
    /// of the limits that the target stands under.
    pub max_worker_size: Option<Bytes>,
    /// Which processes are workers.
    #[serde(default)]
    pub workers: Workers,
    /// When the target counts as ready.
    #[serde(default)]
    pub ready: ReadyConfig,
    /// How the target is stopped.
    #[serde(default)]
    pub stop: StopConfig,
}

fn default_pass_env() -> Vec<String> {
    ["PATH", "LANG", "LC_ALL", "TZ", "HOME", "USER", "TMPDIR"].map(str::to_owned).to_vec()
}

fn default_memory_limit() -> Bytes {
    Bytes(2 << 30)
}

/// Which of the target's processes are workers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Workers {
    /// The launched process itself.
    #[serde(rename = "self")]
    Itself,
    /// Its children.
    #[default]
    Children,
    /// Everything below it.
    Descendants,
    /// It and everything below it whose command line matches this regular expression.
    Match(String),
}

/// When the target counts as ready: the first of the conditions that is given; by default, a delay of one second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadyConfig {
    /// This URL answers with a status below 500.
    pub http: Option<String>,
    /// This `host:port` accepts a connection.
    pub tcp: Option<String>,
    /// A line of the target's output matches this regular expression.
    pub output: Option<String>,
    /// This command exits with 0; it is tried again until it does.
    pub command: Option<Vec<String>>,
    /// This much time has passed.
    pub delay: Option<Span>,
    /// How long to wait before giving up; 30 s by default.
    pub timeout: Option<Span>,
}

/// How the target is stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct StopConfig {
    /// The signal that asks it to stop: `TERM`, `INT`, `QUIT`, `HUP`, `WINCH` or `USR1`.
    pub signal: String,
    /// How long it may take before everything left of it is killed.
    pub grace: Span,
}

impl Default for StopConfig {
    fn default() -> Self {
        StopConfig { signal: "TERM".into(), grace: Span(Duration::from_secs(10)) }
    }
}

/// How the requests that each worker served are counted: at most one source.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RequestsConfig {
    /// A log with a line for each request that names the worker.
    pub log: Option<LogConfig>,
    /// URL of PHP-FPM's full status page, with `?full&json`.
    pub php_fpm: Option<String>,
    /// URL of Apache's mod_status page, in HTML.
    pub mod_status: Option<String>,
    /// Any page with a count for each worker.
    pub page: Option<PageConfig>,
}

/// A log with a line for each request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LogConfig {
    /// The file.
    pub path: String,
    /// A regular expression with a group `pid`, and perhaps a group `class` that names the class of the request.
    pub pattern: String,
}

/// A page with a count for each worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PageConfig {
    /// The page.
    pub url: String,
    /// A regular expression with the groups `pid` and `count`, matched as often as it occurs.
    pub pattern: String,
}

/// What drives the target: the built-in driver (`base-url` and steps) or an external command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkloadConfig {
    /// Where requests go, such as `http://127.0.0.1:${port}`; several are used in turn, one for each connection.
    #[serde(default)]
    pub base_url: Vec<String>,
    /// Seed of everything random in the workload: the same seed sends the same requests.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Closed model: this many connections, each sending its next request when the last is answered.
    pub concurrency: Option<u32>,
    /// Open model: requests begin at this rate, whatever the answers; `concurrency` is then the highest number in flight.
    pub rate: Option<Rate>,
    /// Requests sent over one connection before it is closed; unlimited by default.
    pub requests_per_connection: Option<u32>,
    /// Pause of a connection after each answer.
    pub think_time: Option<Span>,
    /// How long a request may take.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// The steps, drawn at random by their weights.
    #[serde(default, rename = "step")]
    pub steps: Vec<StepConfig>,
    /// Whether the mix of steps varies over each soak, in blocks around the configured weights: so it can be told which
    /// step leaks.
    #[serde(default = "default_vary_mix")]
    pub vary_mix: bool,
    /// An external command that drives the target instead; it is run once for each phase that has load.
    pub command: Option<Vec<String>>,
    /// A regular expression over the command's output whose group `count` is the number of requests it sent.
    pub command_requests: Option<String>,
}

impl WorkloadConfig {
    /// The highest number of requests in flight in the open model; 256 by default.
    pub fn max_in_flight(&self) -> u32 {
        self.concurrency.unwrap_or(256)
    }
}

fn default_seed() -> u64 {
    1
}

fn default_vary_mix() -> bool {
    true
}

fn default_timeout() -> Span {
    Span(Duration::from_secs(10))
}

/// One kind of request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StepConfig {
    /// Its name in reports.
    pub name: String,
    /// How often it is drawn, relative to the others.
    #[serde(default = "default_weight")]
    pub weight: f64,
    /// HTTP method.
    #[serde(default = "default_method")]
    pub method: String,
    /// Path and query, below the base URL.
    pub path: String,
    /// Headers, beside those that HTTP needs.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Option<BodyConfig>,
    /// Status codes that count as success.
    #[serde(default = "default_expect")]
    pub expect: Vec<u16>,
    /// Requests that are broken off on purpose.
    pub abort: Option<AbortConfig>,
}

fn default_weight() -> f64 {
    1.0
}

fn default_method() -> String {
    "GET".into()
}

fn default_expect() -> Vec<u16> {
    vec![200]
}

/// What a request carries: one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum BodyConfig {
    /// This text.
    Text(String),
    /// The content of this file.
    File(String),
    /// Random bytes of this size.
    Random(Size),
    /// An HTML form with one uploaded file of random bytes of this size.
    Multipart(Size),
}

/// A share of requests that the client breaks off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AbortConfig {
    /// How many of the step's requests.
    pub share: Share,
    /// When.
    #[serde(default)]
    pub at: AbortPoint,
}

/// When a request is broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AbortPoint {
    /// At a random place in the body.
    #[default]
    MidBody,
    /// When the body is sent, before the answer.
    AfterBody,
    /// In the body, which drips slowly for half of the timeout before.
    SlowDrip,
}

/// One phase of the run: its kind, and one length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PhaseConfig {
    /// Its kind.
    pub kind: PhaseKind,
    /// It ends after this time.
    pub duration: Option<Span>,
    /// It ends after this many requests.
    pub requests: Option<u64>,
    /// It ends when every worker alive has served this many requests in it, on average.
    pub requests_per_worker: Option<u64>,
    /// Load at its end; it is reached in a straight line from the load of the phase before. For the open model.
    pub rate: Option<Rate>,
    /// The same for the closed model.
    pub concurrency: Option<u32>,
}

/// Pauses of the load in which the target settles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SettleConfig {
    /// How many times each soak is paused, evenly spread, the last time at its end. From 20 on, growth is judged by the
    /// levels in the pauses.
    pub pauses: u32,
    /// How long each pause lasts.
    #[serde(rename = "for")]
    pub duration: Span,
    /// What makes the target collect its garbage at the beginning of each pause and settle phase.
    pub collect: Option<CollectConfig>,
}

impl Default for SettleConfig {
    fn default() -> Self {
        SettleConfig { pauses: 0, duration: Span(Duration::from_secs(2)), collect: None }
    }
}

/// What makes the target collect its garbage or trim its heap: one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum CollectConfig {
    /// GET of this URL, over as many connections at once as there are workers.
    Url(String),
    /// This signal to every worker that handles it: `USR1`, `USR2`, `HUP` or `WINCH`.
    Signal(String),
    /// This command with its arguments, run to its end.
    Command(Vec<String>),
}

/// How much growth is allowed; a resource without a budget isn't judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// Anonymous + swapped memory of a worker for each request it serves.
    pub memory: PerRequest,
    /// Descriptors of a worker.
    pub descriptors: PerRequest,
    /// Threads of a worker.
    pub threads: PerRequest,
    /// Files on tmpfs and shared memory of the whole target.
    pub tmpfs: PerRequest,
    /// What the kernel holds for the whole target (sockets, inodes, page tables); judged only if it is given, and only
    /// where the target has a control group.
    pub kernel: Option<PerRequest>,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        let usual = Budgets::usual(Per::Request);
        let bytes = |amount: Option<f64>| PerRequest { amount: amount.unwrap_or_default(), bytes: true };
        let items = |amount: Option<f64>| PerRequest { bytes: false, ..bytes(amount) };
        BudgetConfig {
            memory: bytes(usual.memory),
            descriptors: items(usual.descriptors),
            threads: items(usual.threads),
            tmpfs: bytes(usual.tmpfs),
            kernel: None,
        }
    }
}

impl BudgetConfig {
    /// The same as plain amounts.
    pub fn amounts(&self) -> Budgets {
        Budgets {
            memory: Some(self.memory.amount),
            descriptors: Some(self.descriptors.amount),
            threads: Some(self.threads.amount),
            tmpfs: Some(self.tmpfs.amount),
            kernel: self.kernel.map(|kernel| kernel.amount),
            per: Per::Request,
        }
    }
}

/// What the workload must reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct GatesConfig {
    /// Highest share of failed requests.
    pub error_rate: Share,
    /// Highest median latency.
    pub p50: Option<Span>,
    /// Highest 95th percentile.
    pub p95: Option<Span>,
    /// Highest 99th percentile.
    pub p99: Option<Span>,
}

impl Default for GatesConfig {
    fn default() -> Self {
        GatesConfig { error_rate: Share(0.01), p50: None, p95: None, p99: None }
    }
}

/// How memory is sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SampleConfig {
    /// Interval of the fast readings.
    pub every: Span,
    /// Interval of the slow readings (PSS, huge pages, kinds of descriptors).
    pub slow_every: Span,
    /// Highest share of one core that sampling may take; the intervals are stretched to keep it.
    pub overhead: Share,
}

impl Default for SampleConfig {
    fn default() -> Self {
        SampleConfig {
            every: Span(Duration::from_millis(100)),
            slow_every: Span(Duration::from_secs(2)),
            overhead: Share(0.02),
        }
    }
}

/// Whether it is traced who allocates, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HeapConfig {
    /// `preload` puts a library into everything that is launched, which counts and samples allocations.
    pub mode: HeapMode,
    /// Bytes allocated between samples, on average: less finds smaller leaks sooner, and costs more.
    pub mean: Bytes,
    /// Tell Python and PHP to use the C library's allocator, behind which their own objects can be seen.
    pub plain_malloc: bool,
}

impl Default for HeapConfig {
    fn default() -> Self {
        HeapConfig { mode: HeapMode::Off, mean: Bytes(64 << 10), plain_malloc: true }
    }
}

/// How allocations are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeapMode {
    /// Not at all.
    #[default]
    Off,
    /// By a preload library.
    Preload,
}
