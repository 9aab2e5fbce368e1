//! `[services.NAME]`: what the target needs, launched before it and judged by itself.

use super::{BudgetConfig, MetricConfig, ReadyConfig, RequestsConfig, StopConfig, TargetConfig, Workers};
use crate::config::setting::{EachText, KeyPath, Problems, Setting, Value};
use crate::config::table::{Reader, TableSchema, key, table};
use crate::model::Bytes;
use std::collections::BTreeMap;

table! {
    /// A service that the target needs, such as its database: it is launched before the target, stopped after it, and its workers are
    /// judged by themselves. Keys mean what they mean in `[target]`.
    pub struct ServiceConfig {
        /// Program and arguments; it must stay in the foreground or be followed as a daemon.
        "command" command: Vec<String>,
        /// Working directory; by default the scratch directory of the run.
        "cwd" cwd: Option<String> = None,
        /// Commands that are run to their end before the launch of this service, each with its arguments.
        "prepare" prepare: Vec<Vec<String>> = Vec::new(),
        /// Environment of the service, beside what `pass-env` lets through.
        "env" env: BTreeMap<String, String> = BTreeMap::new(),
        /// Names of variables that are passed on from the harness's own environment.
        "pass-env" pass_env: Vec<String> = TargetConfig::stand_in().pass_env,
        /// Services that have to be ready before this one is launched.
        "needs" needs: Vec<String> = Vec::new(),
        /// Size that no worker should outgrow: what the advice on recycling leaks is made for.
        "max-worker-size" max_worker_size: Option<Bytes> = None,
        /// Which processes are workers.
        "workers" workers: Workers = Workers::default(),
        /// Processes that are no workers and are left out of the account of the service: those whose command line matches one
        /// of these regular expressions.
        "leave-out" leave_out: Vec<String> = Vec::new(),
        /// When the service counts as ready.
        "ready" ready: ReadyConfig = ReadyConfig::default(),
        /// How the service is stopped.
        "stop" stop: StopConfig = StopConfig::default(),
        /// How the requests that each of its workers served are counted; by default, those of the run, shared out over its workers.
        "requests" requests: RequestsConfig = RequestsConfig::default(),
        /// Series of your own, by name.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        "metric" metrics: BTreeMap<String, MetricConfig> = BTreeMap::new(),
        /// How much growth is allowed; what is of the whole run, `tmpfs` and `kernel`, is judged by `[budget]`.
        "budget" budget: BudgetConfig = BudgetConfig::default(),
    }
}

impl ServiceConfig {
    /// The service as a target of its own, below the memory limit of the whole run.
    pub fn as_target(&self, memory_limit: Bytes) -> TargetConfig {
        TargetConfig {
            command: self.command.clone(),
            cwd: self.cwd.clone(),
            prepare: self.prepare.clone(),
            env: self.env.clone(),
            pass_env: self.pass_env.clone(),
            memory_limit,
            max_worker_size: self.max_worker_size,
            workers: self.workers.clone(),
            leave_out: self.leave_out.clone(),
            ready: self.ready.clone(),
            stop: self.stop.clone(),
        }
    }
}
