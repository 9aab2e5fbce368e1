//! `[target]`, `[requests]`, `[variants]` and `[modules]`.

use crate::config::Span;
use crate::config::choice::{choice, choose};
use crate::config::setting::{EachText, KeyPath, Problems, Setting, Value};
use crate::config::table::{Reader, TableSchema, key, table};
use crate::model::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

table! {
    /// What is launched.
    pub struct TargetConfig {
        /// Program and arguments; it must stay in the foreground or be followed as a daemon.
        "command" command: Vec<String>,
        /// Working directory; by default the scratch directory of the run.
        "cwd" cwd: Option<String> = None,
        /// Commands that are run to their end before the launch, each with its arguments.
        "prepare" prepare: Vec<Vec<String>> = Vec::new(),
        /// Environment of the target, beside what `pass-env` lets through.
        "env" env: BTreeMap<String, String> = BTreeMap::new(),
        /// Names of variables that are passed on from the harness's own environment.
        "pass-env" pass_env: Vec<String> =
            ["PATH", "LANG", "LC_ALL", "TZ", "HOME", "USER", "TMPDIR"].map(str::to_owned).to_vec(),
        /// Limit on the memory of everything launched.
        "memory-limit" memory_limit: Bytes = Bytes(2 << 30),
        /// Size that no worker should outgrow: what the advice on recycling leaks is made for. By default 0.8 of an even share
        /// of the limits that the target stands under.
        "max-worker-size" max_worker_size: Option<Bytes> = None,
        /// Which processes are workers.
        "workers" workers: Workers = Workers::default(),
        /// Processes that are no workers and are left out of the account of the whole target: those whose command line matches one
        /// of these regular expressions.
        "leave-out" leave_out: Vec<String> = Vec::new(),
        /// When the target counts as ready.
        "ready" ready: ReadyConfig = ReadyConfig::default(),
        /// How the target is stopped.
        "stop" stop: StopConfig = StopConfig::default(),
    }
}

choice! {
    /// Which of the target's processes are workers.
    pub enum Workers = Auto {
        /// Those that are found to do the work: the processes that the log or the status page names; else those that hold a
        /// listening socket and use the CPU; else children of the same program; else the process itself.
        "auto" Auto,
        /// The launched process itself.
        "self" Itself,
        /// Its children.
        "children" Children,
        /// Everything below it.
        "descendants" Descendants,
        /// It and everything below it whose command line matches this regular expression.
        "match" Match(String),
    }
}

table! {
    /// When the target counts as ready: the first of the conditions that is given; by default, a delay of one second.
    pub struct ReadyConfig: Default {
        /// This URL answers with a status below 500.
        "http" http: Option<String> = None,
        /// This `host:port` accepts a connection.
        "tcp" tcp: Option<String> = None,
        /// A line of the target's output matches this regular expression.
        "output" output: Option<String> = None,
        /// This command exits with 0; it is tried again until it does.
        "command" command: Option<Vec<String>> = None,
        /// This much time has passed.
        "delay" delay: Option<Span> = None,
        /// How long to wait before giving up; 30 s by default.
        "timeout" timeout: Option<Span> = None,
    }
}

impl ReadyConfig {
    /// How long to wait where no condition is given.
    pub fn delay(&self) -> Duration {
        self.delay.map_or(Duration::from_secs(1), |span| span.0)
    }

    /// How long to wait before giving up.
    pub fn timeout(&self) -> Duration {
        self.timeout.map_or(Duration::from_secs(30), |span| span.0)
    }
}

table! {
    /// How the target is stopped.
    pub struct StopConfig: Default {
        /// The signal that asks it to stop: `TERM`, `INT`, `QUIT`, `HUP`, `WINCH` or `USR1`. What it leaves behind is asked by
        /// `TERM`.
        "signal" signal: String = "TERM".into(),
        /// How long it may take before everything left of it is killed.
        "grace" grace: Span = Span(Duration::from_secs(10)),
    }
}

table! {
    /// How the requests that each worker served are counted: at most one source.
    pub struct RequestsConfig: Default {
        /// A log with a line for each request that names the worker.
        "log" log: Option<LogConfig> = None,
        /// URL of PHP-FPM's full status page, with `?full&json`.
        "php-fpm" php_fpm: Option<String> = None,
        /// URL of Apache's mod_status page, in HTML.
        "mod-status" mod_status: Option<String> = None,
        /// Any page with a count for each worker.
        "page" page: Option<PageConfig> = None,
    }
}

table! {
    /// A log with a line for each request.
    pub struct LogConfig {
        /// The log's file, such as `${work_dir}/access.log`.
        "path" path: String,
        /// A regular expression with a group `pid`, and perhaps a group `class` that names the class of the request.
        "pattern" pattern: String,
    }
}

table! {
    /// A page with a count for each worker.
    pub struct PageConfig {
        /// The page's URL.
        "url" url: String,
        /// A regular expression with the groups `pid` and `count`, matched as often as it occurs.
        "pattern" pattern: String,
    }
}

table! {
    /// A variant of the target and its services: each key takes the place of that of `[target]`; `env` is added to it.
    pub struct VariantConfig: Default {
        /// Program and arguments.
        "command" command: Option<Vec<String>> = None,
        /// Working directory.
        "cwd" cwd: Option<String> = None,
        /// Commands that are run to their end before the launch.
        "prepare" prepare: Option<Vec<Vec<String>>> = None,
        /// Variables of the environment, added to those of the target.
        "env" env: BTreeMap<String, String> = BTreeMap::new(),
        /// Names of variables that are passed on from the harness's own environment.
        "pass-env" pass_env: Option<Vec<String>> = None,
        /// Limit on the memory of everything launched.
        "memory-limit" memory_limit: Option<Bytes> = None,
        /// Which processes are workers.
        "workers" workers: Option<Workers> = None,
        /// When the target counts as ready.
        "ready" ready: Option<ReadyConfig> = None,
        /// How the target is stopped.
        "stop" stop: Option<StopConfig> = None,
        /// What is laid over services, by name.
        "services" services: BTreeMap<String, ServiceVariantConfig> = BTreeMap::new(),
    }
}

table! {
    /// A variant of a service: each key takes the place of that of `[services.NAME]`; `env` is added to it.
    pub struct ServiceVariantConfig: Default {
        /// Program and arguments.
        "command" command: Option<Vec<String>> = None,
        /// Working directory.
        "cwd" cwd: Option<String> = None,
        /// Commands that are run to their end before the launch.
        "prepare" prepare: Option<Vec<Vec<String>>> = None,
        /// Variables of the environment, added to those of the service.
        "env" env: BTreeMap<String, String> = BTreeMap::new(),
        /// Names of variables that are passed on from the harness's own environment.
        "pass-env" pass_env: Option<Vec<String>> = None,
        /// Which processes are workers.
        "workers" workers: Option<Workers> = None,
        /// When the service counts as ready.
        "ready" ready: Option<ReadyConfig> = None,
        /// How the service is stopped.
        "stop" stop: Option<StopConfig> = None,
    }
}

table! {
    /// A part of the target that can be switched off.
    pub struct ModuleConfig {
        /// What the target is without it, laid over `[target]`.
        "off" off: VariantConfig,
        /// Other modules that it doesn't work without: it is off whenever one of them is.
        "needs" needs: Vec<String> = Vec::new(),
    }
}
