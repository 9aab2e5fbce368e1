//! Series that are known of programs, for `preset` of `[metric.NAME]`. Each was tried on the real program (docs/metrics.md).

use super::PresetName;
use super::metrics::Select;

/// A series of a preset.
pub(super) struct Known {
    pub name: &'static str,
    pub select: Select<&'static str>,
    pub is: Is,
}

/// What it is.
#[derive(Clone, Copy)]
pub(super) enum Is {
    /// A gauge that is judged.
    Judged,
    /// The same in bytes.
    Memory,
    /// A gauge that goes up and down with the load.
    Told,
    /// A counter, to which a look adds so many.
    Counter(f64),
}

const fn row(name: &'static str, is: Is) -> Known {
    Known { name, select: Select::Row(name), is }
}

const fn named(name: &'static str, select: Select<&'static str>, is: Is) -> Known {
    Known { name, select, is }
}

use Is::{Counter, Judged, Memory, Told};
use Select::{Json, OpenMetrics, Pattern, Row};

const MARIADB: &[Known] = &[
    row("Questions", Counter(1.0)),
    row("Connections", Counter(1.0)),
    row("Aborted_connects", Counter(0.0)),
    row("Aborted_clients", Counter(0.0)),
    row("Slow_queries", Counter(0.0)),
    row("Rows_read", Counter(0.0)),
    row("Threads_connected", Judged),
    row("Prepared_stmt_count", Judged),
    row("Threads_running", Told),
];

const PHP_FPM: &[Known] = &[
    named("accepted_conn", Json("/accepted conn"), Counter(1.0)),
    named("max_children_reached", Json("/max children reached"), Counter(0.0)),
    named("slow_requests", Json("/slow requests"), Counter(0.0)),
    named("total_processes", Json("/total processes"), Told),
    named("active_processes", Json("/active processes"), Told),
    named("listen_queue", Json("/listen queue"), Told),
];

const APACHE: &[Known] =
    &[named("Total_Accesses", Row("Total Accesses"), Counter(1.0)), row("BusyWorkers", Told), row("IdleWorkers", Told)];

const HAPROXY: &[Known] = &[
    named("http_requests", OpenMetrics("haproxy_frontend_http_requests_total"), Counter(1.0)),
    named("backend_connection_errors", OpenMetrics("haproxy_backend_connection_errors_total"), Counter(0.0)),
    named("backend_response_errors", OpenMetrics("haproxy_backend_response_errors_total"), Counter(0.0)),
    named("current_connections", OpenMetrics("haproxy_process_current_connections"), Judged),
    named("backend_current_queue", OpenMetrics("haproxy_backend_current_queue"), Told),
    named("backend_current_sessions", OpenMetrics("haproxy_backend_current_sessions"), Told),
];

const NGINX: &[Known] = &[
    named("accepts", Pattern(r"requests\s+(\d+)"), Counter(1.0)),
    named("requests", Pattern(r"requests\s+\d+\s+\d+\s+(\d+)"), Counter(1.0)),
    named("active_connections", Row("Active connections"), Judged),
    named("waiting", Pattern(r"Waiting: (\d+)"), Told),
];

const REDIS: &[Known] = &[
    row("total_commands_processed", Counter(1.0)),
    row("total_connections_received", Counter(1.0)),
    row("evicted_keys", Counter(0.0)),
    row("expired_keys", Counter(0.0)),
    row("used_memory", Memory),
    row("connected_clients", Judged),
    row("blocked_clients", Told),
];

const JVM: &[Known] = &[
    named("threads_live", Row("java.threads.live"), Judged),
    named("classes_loaded", Row("java.cls.loadedClasses"), Counter(0.0)),
    named("threads_started", Row("java.threads.started"), Counter(0.0)),
    named("metaspace_used", Row("sun.gc.metaspace.used"), Memory),
];

/// The series of a program.
pub(super) fn known(preset: PresetName) -> &'static [Known] {
    match preset {
        PresetName::Mariadb => MARIADB,
        PresetName::PhpFpm => PHP_FPM,
        PresetName::Apache => APACHE,
        PresetName::Haproxy => HAPROXY,
        PresetName::Nginx => NGINX,
        PresetName::Redis => REDIS,
        PresetName::Jvm => JVM,
    }
}
