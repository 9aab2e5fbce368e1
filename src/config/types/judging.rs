//! How growth is looked for and judged: `stop`, `[settle]`, `[budget]`, `[gates]`, `[sample]`, `[heap]` and `[compare]`.

use crate::config::Span;
use crate::config::choice::{choice, choose};
use crate::config::setting::{EachText, KeyPath, Problems, Setting, Value};
use crate::config::table::{Reader, TableSchema, key, table};
use crate::model::{Budgets, Bytes, Per, PerRequest, Resource, Share};
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
        /// Anonymous + swapped memory of a worker for each request it serves.
        "memory" memory: PerRequest = usual(Resource::Memory),
        /// Descriptors of a worker.
        "descriptors" descriptors: PerRequest = usual(Resource::Descriptors),
        /// Threads of a worker.
        "threads" threads: PerRequest = usual(Resource::Threads),
        /// Files on tmpfs and shared memory of the whole target.
        "tmpfs" tmpfs: PerRequest = usual(Resource::Tmpfs),
        /// Shared memory of a worker: memfds, tmpfs files, segments; by default as much as of memory.
        "shared" shared: Option<PerRequest> = None,
        /// Memory of all processes of the target that are not workers, together; by default as much as of memory.
        "rest" rest: Option<PerRequest> = None,
        /// Processes of the whole target.
        "processes" processes: PerRequest = usual(Resource::Processes),
        /// What the kernel holds for the whole target (sockets, inodes, page tables); judged only if it is given, and only
        /// where the target has a control group.
        "kernel" kernel: Option<PerRequest> = None,
    }
}

fn usual(resource: Resource) -> PerRequest {
    let amount = Budgets::usual(Per::Request).of(resource, false).unwrap_or_default();
    PerRequest { amount, bytes: resource.in_bytes() }
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
            shared: Some(self.shared.unwrap_or(self.memory).amount),
            rest: Some(self.rest.unwrap_or(self.memory).amount),
            processes: Some(self.processes.amount),
            per: Per::Request,
        }
    }
}

table! {
    /// What the workload must reach.
    pub struct GatesConfig: Default {
        /// Highest share of failed requests.
        "error-rate" error_rate: Share = Share(0.01),
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
        /// Median, 95th and 99th percentile of latency; below 2 ms no difference counts.
        "latency" latency: Share = Share(0.5),
        /// Share of failed requests, and of answers with a status of 400 and above: an absolute difference.
        "errors" errors: Share = Share(0.01),
    }
}
