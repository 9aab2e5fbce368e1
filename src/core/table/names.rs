//! Names that columns of other tools have, and units at their ends.

use crate::model::MemoryKind;

pub(super) const TIME: &[&str] = &[
    "elapsed",
    "elapsed_time",
    "time",
    "timestamp",
    "time_stamp",
    "t",
    "ts",
    "seconds",
    "secs",
    "minutes",
    "hours",
    "days",
    "date",
    "datetime",
    "date_time",
    "unix_time",
    "epoch",
    "uptime",
];
/// Names of times that count from a beginning of their own.
pub(super) const SINCE_A_BEGINNING: &[&str] =
    &["elapsed", "elapsed_time", "seconds", "secs", "minutes", "hours", "days", "uptime"];
/// Names of memory in what psrecord writes, whose times are in seconds.
pub(super) const PSRECORD: &[&str] = &["real_mb", "mem_real"];
pub(super) const REQUESTS: &[&str] = &[
    "requests",
    "request_count",
    "requests_total",
    "requests_served",
    "reqs",
    "req",
    "http_requests_total",
    "http_requests",
];
const ANONYMOUS: &[&str] = &[
    "anon",
    "anonymous",
    "rss_anon",
    "rssanon",
    "container_memory_rss",
    "memory_stat_anon",
    "seepage_worker_anonymous",
];
const PRIVATE: &[&str] = &["private", "uss"];
const PROPORTIONAL: &[&str] = &["pss"];
const RESIDENT: &[&str] = &[
    "rss",
    "vmrss",
    "vm_rss",
    "resident",
    "resident_memory",
    "process_resident_memory",
    "rsz",
    "rssize",
    "memory_rss",
    "procstat_memory_rss",
    "res_rss",
    "mem_real",
    "ps_rss",
    "real_mb",
    "process_memory_rss",
    "memoryusage_rss",
    "memory_usage_rss",
];
const WORKING_SET: &[&str] =
    &["working_set", "workingset", "memory_working_set", "container_memory_working_set", "mem_usage_limit", "memusage"];
const UNKNOWN: &[&str] = &[
    "memory",
    "mem",
    "memory_usage",
    "mem_usage",
    "memory_used",
    "container_memory_usage",
    "memory_current",
    "memory_usage_in",
];
const HOST: &[&str] = &["kbmemused", "host_memory_used"];
/// Kinds of memory with their names, the best for judging first.
pub(super) const KINDS: [(MemoryKind, &[&str]); 7] = [
    (MemoryKind::Anonymous, ANONYMOUS),
    (MemoryKind::Private, PRIVATE),
    (MemoryKind::Resident, RESIDENT),
    (MemoryKind::WorkingSet, WORKING_SET),
    (MemoryKind::Unknown, UNKNOWN),
    (MemoryKind::Proportional, PROPORTIONAL),
    (MemoryKind::Host, HOST),
];
/// What a container is charged with, all of its page cache included.
const CHARGED: &[&str] = &["container_memory_usage", "memory_current", "memory_usage_in"];
/// Kinds of memory of which each holds more of a process than those before. Address space is none of them: who reserves it holds nothing.
pub(super) const WIDER: [(MemoryKind, &[&str]); 6] = [
    (MemoryKind::Anonymous, ANONYMOUS),
    (MemoryKind::Private, PRIVATE),
    (MemoryKind::Proportional, PROPORTIONAL),
    (MemoryKind::Resident, RESIDENT),
    (MemoryKind::WorkingSet, WORKING_SET),
    (MemoryKind::Unknown, CHARGED),
];
/// Shared memory that a process has touched. What `top` calls `SHR` has files in it, too.
pub(super) const SHARED: &[&str] = &["rss_shmem", "rssshmem", "shmem", "shmem_rss", "container_memory_shmem"];
pub(super) const SWAP: &[&str] =
    &["swap", "vmswap", "vm_swap", "container_memory_swap", "memory_swap_current", "seepage_worker_swap"];
/// Names of a column that says the unit in which memory stands in its row.
pub(super) const UNIT: &[&str] = &["unit", "units", "memory_unit", "mem_unit", "rss_unit", "size_unit", "uom"];
/// Names of what tells workers apart. Where there are several, they do so together.
pub(super) const WORKER: &[&str] = &[
    "worker",
    "worker_id",
    "namespace",
    "pod",
    "pod_name",
    "container",
    "container_name",
    "container_id",
    "instance",
    "process",
    "name",
];
pub(super) const PID: &[&str] = &["pid", "process_id"];
/// Names of what tells which program a process runs.
pub(super) const COMMAND: &[&str] = &[
    "command",
    "cmd",
    "comm",
    "args",
    "cmdline",
    "command_line",
    "program",
    "exe",
    "executable",
    "image",
    "process_name",
];
pub(super) const START: &[&str] = &["start", "start_time", "starttime", "process_start_time"];
/// Names of open descriptors; those of the second list count where there is none of the first.
pub(super) const DESCRIPTORS: [&[&str]; 2] = [
    &["fds", "fd", "num_fds", "open_fds", "descriptors", "file_descriptors", "process_open_fds"],
    &[
        "fd_count",
        "fds_open",
        "openfds",
        "open_fd",
        "num_file_descriptors",
        "open_file_descriptors",
        "process_open_file_descriptors",
        "open_files",
        "process_files_open_files",
        "nofile",
        "handles",
        "num_handles",
        "handle_count",
    ],
];
/// Names of threads; those of the second list count where there is none of the first.
pub(super) const THREADS: [&[&str]; 2] = [
    &["threads", "num_threads", "nthreads", "nlwp", "process_threads"],
    &[
        "thread_count",
        "threads_count",
        "nthr",
        "num_thread",
        "process_thread_count",
        "jvm_threads_live_threads",
        "jvm_threads_current",
        "jvm_threads_live",
    ],
];
pub(super) const LOAD: &[&str] = &["load", "rps", "requests_per_second"];
/// What stands beside a column `TIME` of `ps` and `top`, which is CPU time.
pub(super) const BESIDE_CPU_TIME: &[&str] =
    &["cpu", "cpu_percent", "pcpu", "tty", "tt", "stat", "command", "cmd", "comm", "ni", "pr", "c"];

/// What the ends of names of times mean in seconds.
pub(super) const TIME_UNITS: [(&str, f64); 12] = [
    ("s", 1.0),
    ("sec", 1.0),
    ("secs", 1.0),
    ("seconds", 1.0),
    ("ms", 1e-3),
    ("us", 1e-6),
    ("ns", 1e-9),
    ("min", 60.0),
    ("minutes", 60.0),
    ("h", 3600.0),
    ("hours", 3600.0),
    ("days", 86_400.0),
];

/// Units in bytes of whole names: of cAdvisor, of `sar`, of control groups, of psrecord's text and CSV, of CloudWatch's agent, and of Node's `process.memoryUsage()`.
pub(super) const MEANT: [(&str, u64); 10] = [
    ("memory_current", 1),
    ("memory_swap_current", 1),
    ("container_memory_rss", 1),
    ("container_memory_swap", 1),
    ("kbmemused", 1 << 10),
    ("mem_real", 1 << 20),
    ("real_mb", 1 << 20),
    ("procstat_memory_rss", 1),
    ("memoryusage_rss", 1),
    ("memory_usage_rss", 1),
];

/// What the ends of names of memory mean in bytes. `kb` and the like are powers of 1024: so `/proc`, `ps`, psrecord
/// and scripts around psutil have it.
pub(super) const MEMORY_UNITS: [(&str, u64); 11] = [
    ("b", 1),
    ("bytes", 1),
    ("kb", 1 << 10),
    ("kib", 1 << 10),
    ("mb", 1 << 20),
    ("mib", 1 << 20),
    ("gb", 1 << 30),
    ("gib", 1 << 30),
    ("kilobytes", 1 << 10),
    ("megabytes", 1 << 20),
    ("gigabytes", 1 << 30),
];

/// A name as names are compared: in lower case, with single `_` between words.
pub(super) fn normal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

/// A name less its unit, and the unit.
pub(super) fn split<'a, U: Copy>(name: &'a str, units: &[(&str, U)]) -> (&'a str, Option<U>) {
    match name.rsplit_once('_') {
        Some((base, last)) => match units.iter().find(|(unit, _)| *unit == last) {
            Some((_, unit)) => (base, Some(*unit)),
            None => (name, None),
        },
        None => (name, None),
    }
}

/// Whether a name that isn't known for it may still be that of the swapped memory of a process.
pub(super) fn may_be_swap(plain: &str) -> bool {
    const OTHER: [&str; 9] = ["total", "free", "cache", "limit", "max", "percent", "rate", "swappiness", "fail"];
    let moves = |word: &str| matches!(word, "in" | "out" | "swapin" | "swapout" | "pct");
    (plain.contains("swap") || plain.split('_').any(|word| word == "swp"))
        && !OTHER.iter().any(|other| plain.contains(other))
        && !plain.split('_').any(moves)
}

/// Whether a column with this name may hold memory, descriptors or threads, which grow where something leaks: what is known by name, and whatever
/// has a unit of memory; no address space, nor page cache, bounds, shares, traffic, or what only ever counts up.
pub(super) fn may_leak(plain: &str) -> bool {
    const PARTS: [&str; 27] = [
        "mem",
        "rss",
        "heap",
        "alloc",
        "zram",
        "zswap",
        "hugepage",
        "hugetlb",
        "sunreclaim",
        "kernelstack",
        "footprint",
        "slab",
        "resident",
        "commit",
        "pagetable",
        "thread",
        "descriptor",
        "handle",
        "socket",
        "goroutine",
        "coroutine",
        "connection",
        "process",
        "zombie",
        "children",
        "vram",
        "tasks",
    ];
    const WORDS: [&str; 19] = [
        "uss",
        "pss",
        "private",
        "fd",
        "fds",
        "files",
        "nofile",
        "inuse",
        "huge",
        "tmpfs",
        "pids",
        "nproc",
        "shm",
        "sock",
        "percpu",
        "vmpte",
        "metaspace",
        "external",
        "arraybuffers",
    ];
    const OTHER_PARTS: [&str; 13] = [
        "max",
        "peak",
        "limit",
        "avail",
        "free",
        "cache",
        "anonhuge",
        "fail",
        "fault",
        "virt",
        "swappiness",
        "request",
        "mapped",
    ];
    const OTHER_WORDS: [&str; 22] = [
        "hwm", "vsz", "vms", "vmsize", "vmdata", "vmstk", "vmexe", "vmlib", "data", "thp", "shr", "locked", "reserved",
        "cpu", "time", "seconds", "file", "id", "name", "high", "low", "gc",
    ];
    // What goes through or lies on a disk, and is counted in bytes, too.
    const TRAFFIC: [&str; 27] = [
        "rx",
        "tx",
        "sent",
        "send",
        "received",
        "recv",
        "read",
        "reads",
        "write",
        "writes",
        "written",
        "in",
        "out",
        "io",
        "net",
        "network",
        "disk",
        "transferred",
        "transfer",
        "traffic",
        "body",
        "payload",
        "log",
        "size",
        "download",
        "upload",
        "db",
    ];
    // What the kernel buffers of disks.
    const BUFFERS: [&str; 5] = ["buff", "buffers", "kbbuffers", "buff_cache", "buffcache"];
    let words = || plain.split('_');
    // A total is one of the thing before it: `threads_total` of threads, `threads_started_total` of beginnings.
    let total = plain.strip_suffix("_total").map(|stem| stem.strip_suffix("_used").unwrap_or(stem));
    let of = total.map_or(plain, |stem| stem.rsplit('_').next().unwrap_or(stem));
    let joined = of.replace('_', "");
    let named = PARTS.iter().any(|part| joined.contains(part)) || of.split('_').any(|word| WORDS.contains(&word));
    let (base, unit) = split(plain, &MEMORY_UNITS);
    let sized = unit.is_some() && !words().any(|word| TRAFFIC.contains(&word));
    let leaks = named || sized;
    let other = BUFFERS.contains(&base)
        || OTHER_PARTS.iter().any(|part| plain.contains(part))
        || words().any(|word| OTHER_WORDS.contains(&word));
    let counts = plain.contains("alloc") && plain.contains("total");
    leaks && !other && !counts && !is_share(plain) && !is_rate(plain)
}

/// Whether a column or metric with this name has sizes or times of requests, or those that are under way, and no count of them.
pub(super) fn is_no_count(plain: &str) -> bool {
    const WORDS: [&str; 17] = [
        "bytes", "byte", "kb", "kib", "mb", "mib", "seconds", "ms", "duration", "latency", "size", "flight",
        "inflight", "active", "pending", "queued", "bucket",
    ];
    let counted = plain.ends_with("_count");
    !counted && plain.split('_').any(|word| WORDS.contains(&word))
}

/// Whether a column with this name has shares of something, not sizes.
pub(super) fn is_share(plain: &str) -> bool {
    const WORDS: [&str; 9] =
        ["percent", "percentage", "pct", "perc", "pmem", "memperc", "ratio", "utilization", "utilisation"];
    plain.split('_').any(|word| WORDS.contains(&word))
}

/// Whether a column with this name has a rate, such as requests per minute, and no count.
pub(super) fn is_rate(plain: &str) -> bool {
    const WORDS: [&str; 10] = ["rate", "rps", "rpm", "rph", "qps", "qpm", "tps", "tpm", "throughput", "per"];
    // Those of the last 5 minutes are called `requests_5m`.
    let is_time = |word: &str| {
        word.strip_suffix(['s', 'm', 'h']).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    plain.split('_').any(|word| WORDS.contains(&word) || is_time(word))
        || ["_s", "_sec", "_min"].iter().any(|end| plain.ends_with(end))
}

/// Whether a column or metric with this name would be read.
pub(super) fn is_known(name: &str) -> bool {
    let plain = normal(name);
    let base = split(&plain, &MEMORY_UNITS).0;
    let lists = [REQUESTS, SWAP, SHARED, START, LOAD];
    let kinds = KINDS.iter().map(|(_, names)| *names);
    lists
        .into_iter()
        .chain(DESCRIPTORS)
        .chain(THREADS)
        .chain(kinds)
        .any(|names| names.contains(&plain.as_str()) || names.contains(&base))
}

/// What seepage's own readings have together, whose counts are each worker's.
const OWN: [&str; 10] =
    ["elapsed_s", "requests", "anon_kib", "swap_kib", "file_kib", "shmem_kib", "fds", "threads", "pid", "start"];

/// The count of requests in the metrics that seepage writes.
pub(super) const OWN_COUNT: &str = "seepage_worker_requests_total";

/// Whether columns are those that seepage writes.
pub(super) fn is_own(header: &[Vec<u8>]) -> bool {
    header.iter().map(Vec::as_slice).eq(OWN.iter().map(|name| name.as_bytes()))
}

/// Tools that measure a load and its answers, with columns that tell each.
const LOAD_TESTS: [(&str, &[&str]); 4] = [
    ("k6", &["metric_name", "metric_value"]),
    ("k6", &["metric", "data_time", "data_value"]),
    ("JMeter", &["timestamp", "elapsed", "label", "success"]),
    ("locust", &["user_count", "requests_s", "failures_s"]),
];

/// The tool that measured a load and wrote these columns.
pub(super) fn load_test(plain: &[String]) -> Option<&'static str> {
    let has = |name: &&str| plain.iter().any(|known| known == name);
    LOAD_TESTS.iter().find(|(_, names)| names.iter().all(has)).map(|(tool, _)| *tool)
}
