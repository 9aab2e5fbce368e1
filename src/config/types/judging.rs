//! How growth is looked for and judged: `stop`, `[settle]`, `[budget]`, `[gates]`, `[sample]`, `[heap]`, `[[accept]]` and
//! `[compare]`.

use super::{Harness, RequestsConfig, WorkloadConfig};
use crate::config::choice::{choice, choose};
use crate::config::setting::{EachText, KeyPath, Problems, Setting, Value};
use crate::config::table::{Reader, TableSchema, key, table};
use crate::config::{Allowed, Day, Life, Span, metrics};
use crate::model::{AcceptedSite, Budgets, Bytes, Per, Resource, Share};
use std::time::Duration;

choice! {
    /// When the soak ends; it is looked before its end if there is one soak phase.
    pub enum Stop: Copy, Eq = Early {
        /// As soon as leak or clean is proven.
        "early" Early,
        /// At its planned end.
        "planned" Planned,
    }
}

table! {
    /// Pauses of the load in which the target settles.
    pub struct SettleConfig: Default {
        /// How many times each soak is paused, evenly spread, the last time at its end. From 20 on, growth is judged by the
        /// levels in the pauses.
        "pauses" pauses: u32 = 0,
        /// How long each pause lasts.
        "for" duration: Span = Span(Duration::from_secs(2)),
        /// What makes the target collect its garbage at the beginning of each pause and settle phase.
        "collect" collect: Option<CollectConfig> = None,
    }
}

choice! {
    /// What makes the target collect its garbage or trim its heap: one of these.
    pub enum CollectConfig {
        /// GET of this URL, over as many connections at once as there are workers.
        "url" Url(String),
        /// This signal to every worker that handles it: `USR1`, `USR2`, `HUP` or `WINCH`.
        "signal" Signal(String),
        /// This command with its arguments, run to its end.
        "command" Command(Vec<String>),
    }
}

table! {
    /// How much growth is allowed; a resource without a budget isn't judged.
    pub struct BudgetConfig: Default {
        /// Anonymous + swapped memory of a worker: for each request that it serves, such as `64 B/request`, for an hour, such as
        /// `1 MiB/hour`, or what it must stay under for how long, such as `512 MiB in 7 days`. All budgets are for requests, or
        /// all for time; by default for requests if anything counts them. 64 B/request, or 1 MiB/hour.
        "memory" memory: Option<Allowed> = None,
        /// Descriptors of a worker; 0.01/request, or 60/hour.
        "descriptors" descriptors: Option<Allowed> = None,
        /// Threads of a worker; 0.01/request, or 60/hour.
        "threads" threads: Option<Allowed> = None,
        /// Files on tmpfs and shared memory of the whole target; 64 B/request, or 1 MiB/hour.
        "tmpfs" tmpfs: Option<Allowed> = None,
        /// Shared memory of a worker: memfds, tmpfs files, segments; by default as much as of memory.
        "shared" shared: Option<Allowed> = None,
        /// Memory of all processes of the target that are not workers, together; by default as much as of memory.
        "rest" rest: Option<Allowed> = None,
        /// Processes of the whole target; 0.01/request, or 60/hour.
        "processes" processes: Option<Allowed> = None,
        /// What the kernel holds for the whole target (sockets, inodes, page tables); judged only if it is given, and only
        /// where the target has a control group.
        "kernel" kernel: Option<Allowed> = None,
    }
}

impl BudgetConfig {
    /// What the harness file allows itself, by resource; what it doesn't say is usual.
    pub fn given(&self) -> impl Iterator<Item = (Resource, Allowed)> {
        let all = [
            (Resource::Memory, self.memory),
            (Resource::Descriptors, self.descriptors),
            (Resource::Threads, self.threads),
            (Resource::Tmpfs, self.tmpfs),
            (Resource::Shared, self.shared),
            (Resource::Rest, self.rest),
            (Resource::Processes, self.processes),
            (Resource::Kernel, self.kernel),
        ];
        all.into_iter().filter_map(|(resource, allowed)| Some((resource, allowed?)))
    }

    /// What budgets are for: what the first says, else requests where they are `counted`.
    pub fn per(&self, counted: bool) -> Per {
        let given = self.given().next().map(|(_, allowed)| allowed.per());
        given.unwrap_or(if counted { Per::Request } else { Per::Hour })
    }

    /// Growth that is allowed, where requests are `counted` or not. What a life allows is known once the soak begins, and isn't in it.
    pub fn allowed(&self, counted: bool) -> Budgets {
        let mut budgets = Budgets::usual(self.per(counted));
        for (resource, allowed) in self.given() {
            budgets.allow(resource, if let Allowed::Rate(budget) = allowed { Some(budget.amount) } else { None });
        }
        if let Some(Allowed::Rate(memory)) = self.memory {
            budgets.shared = self.shared.map_or(Some(memory.amount), |_| budgets.shared);
            budgets.rest = self.rest.map_or(Some(memory.amount), |_| budgets.rest);
        }
        budgets
    }

    /// What has to last, by resource.
    pub fn lives(&self) -> Vec<(Resource, Life)> {
        let life = |allowed| if let Allowed::Life(life) = allowed { Some(life) } else { None };
        self.given().filter_map(|(resource, allowed)| Some((resource, life(allowed)?))).collect()
    }
}

impl Harness {
    /// Whether anything counts requests: the driver, what its command says of itself, or the target.
    pub fn counts_requests(&self) -> bool {
        self.requests != RequestsConfig::default()
            || self.workload.as_ref().is_some_and(WorkloadConfig::counts_requests)
    }

    /// What budgets are for.
    pub fn per(&self) -> Per {
        self.budget.per(self.counts_requests())
    }

    /// Growth that is allowed. What a life allows is known once the soak begins, and isn't in it.
    pub fn budgets(&self) -> Budgets {
        let mut budgets = self.budget.allowed(self.counts_requests());
        metrics::allow(&mut budgets, &self.metrics);
        budgets
    }

    /// What has to last, by resource.
    pub fn lives(&self) -> Vec<(Resource, Life)> {
        self.budget.lives()
    }

    /// The highest share of failed requests; `None` where nothing counts what was sent.
    pub fn error_rate(&self) -> Option<f64> {
        let counts = self.workload.as_ref().is_some_and(WorkloadConfig::counts_requests);
        counts.then(|| self.gates.error_rate.unwrap_or(USUAL_ERROR_RATE).0)
    }
}

/// The highest share of failed requests, if the harness file says none.
const USUAL_ERROR_RATE: Share = Share(0.01);

table! {
    /// What the workload must reach.
    pub struct GatesConfig: Default {
        /// Highest share of failed requests; 1% where requests are sent and counted.
        "error-rate" error_rate: Option<Share> = None,
        /// Whether the run ends as soon as more requests have failed than may in the whole soak.
        "abort-on-fail" abort_on_fail: bool = true,
        /// Highest median latency.
        "p50" p50: Option<Span> = None,
        /// Highest 95th percentile.
        "p95" p95: Option<Span> = None,
        /// Highest 99th percentile.
        "p99" p99: Option<Span> = None,
    }
}

table! {
    /// How memory is sampled.
    pub struct SampleConfig: Default {
        /// Interval of the fast readings.
        "every" every: Span = Span(Duration::from_millis(100)),
        /// Interval of the slow readings (PSS, huge pages, kinds of descriptors).
        "slow-every" slow_every: Span = Span(Duration::from_secs(2)),
        /// Highest share of one core that sampling may take; the intervals are stretched to keep it.
        "overhead" overhead: Share = Share(0.02),
    }
}

table! {
    /// Whether it is traced who allocates, and how.
    pub struct HeapConfig: Default {
        /// `preload` puts a library into everything that is launched, which counts and samples allocations.
        "mode" mode: HeapMode = HeapMode::default(),
        /// Bytes allocated between samples, on average: less finds smaller leaks sooner, and costs more.
        "mean" mean: Bytes = Bytes(64 << 10),
        /// Tell Python and PHP to use the C library's allocator, behind which their own objects can be seen.
        "plain-malloc" plain_malloc: bool = true,
    }
}

table! {
    /// A leak that is known and accepted by its call site: what it keeps is taken off before memory is held against its budget.
    pub struct AcceptConfig {
        /// The call site as reports name it, such as `mod_upload.so: keep_body (mod_upload.c:57)`; `*` stands for any text, so that
        /// `mod_upload.so: *` is a whole module.
        "site" site: String,
        /// The last day on which it is accepted, in UTC.
        "until" until: Day,
        /// Why it is.
        "reason" reason: String,
    }
}

impl AcceptConfig {
    /// The same as the record of a run has it.
    pub fn as_recorded(&self) -> AcceptedSite {
        AcceptedSite { site: self.site.clone(), until: self.until.to_string(), reason: self.reason.trim().to_owned() }
    }
}

choice! {
    /// How allocations are traced.
    pub enum HeapMode: Copy, Eq = Off {
        /// Not at all.
        "off" Off,
        /// By a preload library.
        "preload" Preload,
    }
}

table! {
    /// What difference between two variants one would not mind, beside growth, for which the budget holds; shares are of
    /// the baseline.
    pub struct CompareConfig: Default {
        /// Memory of a worker after settling; below 1 MiB no difference counts.
        "level" level: Share = Share(0.1),
        /// CPU time per request; below 100 µs no difference counts.
        "cpu" cpu: Share = Share(0.25),
        /// Bytes allocated per request, where allocations are traced; below 1 KiB no difference counts.
        "churn" churn: Share = Share(0.25),
        /// What a request adds to a counter of your own; below 0.01 no difference counts.
        "counters" counters: Share = Share(0.1),
        /// Median, 95th and 99th percentile of latency; below 2 ms no difference counts.
        "latency" latency: Share = Share(0.5),
        /// Share of failed requests, and of answers with a status of 400 and above: an absolute difference.
        "errors" errors: Share = Share(0.01),
    }
}
