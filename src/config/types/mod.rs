//! The harness file as it is written: each table once, with its keys, their types and their defaults.
//!
//! Texts may hold `${...}` variables, resolved before the run: `${port}` and `${port:NAME}` (free TCP ports of this
//! run), `${work_dir}` (a scratch directory of this run), `${harness_dir}` (where the harness file is), `${seepage}`
//! (this very program) and `${env:NAME}`.

mod judging;
mod metric;
mod service;
mod target;
mod workload;

pub use judging::{
    AcceptConfig, BudgetConfig, CollectConfig, CompareConfig, GatesConfig, HeapConfig, HeapMode, SampleConfig,
    SettleConfig, Stop,
};
pub use metric::{MetricConfig, MetricKindConfig, PresetName};
pub use service::ServiceConfig;
pub use target::{
    LogConfig, ModuleConfig, PageConfig, ReadyConfig, RequestsConfig, ServiceVariantConfig, StopConfig, TargetConfig,
    VariantConfig, Workers,
};
pub use workload::{AbortConfig, AbortPoint, BodyConfig, PhaseConfig, StepConfig, WorkloadConfig};

use super::setting::{EachText, KeyPath, Problems, Setting, Value};
use super::source::Source;
use super::table::{Reader, TableSchema, key, table};
use std::collections::BTreeMap;

table! {
    /// A harness file.
    pub struct Harness {
        /// Name of the scenario, part of the run directory's name: letters, digits, `-`, `_` and `.`.
        "name" name: String,
        /// What is launched, and which of its processes are workers.
        "target" target: TargetConfig,
        /// Services that the target needs, such as its database: launched before it, judged by themselves.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        "services" services: BTreeMap<String, ServiceConfig> = BTreeMap::new(),
        /// How the requests that each worker served are counted; by default, what the driver sent.
        "requests" requests: RequestsConfig = RequestsConfig::default(),
        /// Series of your own, by name.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        "metric" metrics: BTreeMap<String, MetricConfig> = BTreeMap::new(),
        /// What drives the target; without it nothing is sent, and a target that works by itself is watched.
        #[serde(skip_serializing_if = "Option::is_none")]
        "workload" workload: Option<WorkloadConfig> = None,
        /// The phases of the run, in order.
        "phase" phases: Vec<PhaseConfig>,
        /// Pauses of the load in which the target settles, and what makes it give back what it can.
        "settle" settle: SettleConfig = SettleConfig::default(),
        /// How much growth is allowed.
        "budget" budget: BudgetConfig = BudgetConfig::default(),
        /// What the workload must reach for the run to count.
        "gates" gates: GatesConfig = GatesConfig::default(),
        /// How memory is sampled.
        "sample" sample: SampleConfig = SampleConfig::default(),
        /// Whether it is traced who allocates.
        "heap" heap: HeapConfig = HeapConfig::default(),
        /// Leaks that are known and accepted for a time.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        "accept" accept: Vec<AcceptConfig> = Vec::new(),
        /// When the soak ends.
        "stop" stop: Stop = Stop::default(),
        /// Variants of the target, for `seepage ab`.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        "variants" variants: BTreeMap<String, VariantConfig> = BTreeMap::new(),
        /// Parts of the target that can be switched off, for `seepage ab --off` and `seepage bisect`.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        "modules" modules: BTreeMap<String, ModuleConfig> = BTreeMap::new(),
        /// What difference between two variants is allowed.
        #[serde(skip_serializing_if = "is_default")]
        "compare" compare: CompareConfig = CompareConfig::default(),
        ;
        /// Where it was read from.
        source: Source
    }
}

fn is_default(compare: &CompareConfig) -> bool {
    *compare == CompareConfig::default()
}

impl Harness {
    /// The steps of the workload; empty if it has none.
    pub fn steps(&self) -> &[StepConfig] {
        self.workload.as_ref().map_or(&[], |workload| &workload.steps)
    }
}
