//! `[metric.NAME]`: series of the user's own.

use crate::config::choice::{choice, choose};
use crate::config::setting::{EachText, KeyPath, Problems, Setting, Value};
use crate::config::table::{Reader, TableSchema, key, table};
use crate::config::{Allowed, Span};
use crate::model::Bytes;
use std::time::Duration;

table! {
    /// A series of your own: a number in what a command prints, or on a page. One of `command` and `url` says where; one of `row`,
    /// `json`, `openmetrics` and `pattern` which number, by default the only one that is there.
    pub struct MetricConfig: Default {
        /// Program and arguments; what it prints is read. It has the environment of the target, and `SEEPAGE_PID`, the PID of the
        /// target's first process.
        "command" command: Option<Vec<String>> = None,
        /// A page that is fetched; each look is a request to whoever serves it.
        "url" url: Option<String> = None,
        /// The number behind this name, at the begin of a line: `Questions 12`, `used_memory:12`, `BusyWorkers: 12`.
        "row" row: Option<String> = None,
        /// The number at this place of a JSON document, as a JSON pointer: `/memory_usage/used_memory`.
        "json" json: Option<String> = None,
        /// The sum of this metric's series in the text of Prometheus or OpenMetrics, all or those with these labels: `go_goroutines`,
        /// `http_requests_total{code="500"}`.
        "openmetrics" openmetrics: Option<String> = None,
        /// The number that the first group of this regular expression matches first.
        "pattern" pattern: Option<String> = None,
        /// Several series that are known of a program, with their kinds and budgets, in place of one.
        "preset" preset: Option<PresetName> = None,
        /// What its values say; a gauge by default.
        "kind" kind: MetricKindConfig = MetricKindConfig::Gauge,
        /// What one of it is, if it is memory: `1 B`, `1 KiB`.
        "unit" unit: Option<Bytes> = None,
        /// How much a gauge may grow, as budgets of other resources are written; 64 B or 0.01 for each request, or 1 MiB or 60 an
        /// hour.
        "budget" budget: Option<Allowed> = None,
        /// Whether a gauge is judged. One that only goes up and down with the load is told, and not judged.
        "judged" judged: bool = true,
        /// How much each look adds to a counter by itself, which is taken off.
        "own" own: f64 = 0.0,
        /// Time from one look to the next; longer where a look takes more than a fifth of it.
        "every" every: Span = Span(Duration::from_secs(1)),
        /// How long a look may take.
        "timeout" timeout: Span = Span(Duration::from_secs(2)),
    }
}

choice! {
    /// What the values of a metric say.
    pub enum MetricKindConfig: Copy, Eq = Gauge {
        /// How much there is now: it is judged as memory is.
        "gauge" Gauge,
        /// How much there was so far: it is told for each request, and compared.
        "counter" Counter,
    }
}

choice! {
    /// A program of which series are known.
    pub enum PresetName: Copy, Eq {
        /// MariaDB: what `SHOW GLOBAL STATUS` prints.
        "mariadb" Mariadb,
        /// PHP-FPM: its status page, with `?json`.
        "php-fpm" PhpFpm,
        /// Apache: the page of mod_status, with `?auto`.
        "apache" Apache,
        /// HAProxy: the page of its `prometheus-exporter`.
        "haproxy" Haproxy,
        /// nginx: the page of `stub_status`.
        "nginx" Nginx,
        /// redis: what `INFO` prints.
        "redis" Redis,
        /// A Java machine: what `jcmd $SEEPAGE_PID PerfCounter.print` prints.
        "jvm" Jvm,
    }
}
