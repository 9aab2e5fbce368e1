//! Traces of real services, and what an expert says of each.

use seepage::model::{Budgets, RunRecord};
use seepage::table::{self, Mapping};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What an expert says of a trace.
#[derive(Clone, Copy, PartialEq)]
pub enum Expert {
    Leak,
    Clean,
    /// A leak that this trace is too short to prove.
    Leaking,
    /// No leak, but this trace is too short to prove it.
    Healthy,
}

pub const TRACES: [(&str, Expert); 67] = [
    ("aiohttp-3.10.10", Expert::Leak),
    ("aiohttp-3.10.11", Expert::Clean),
    ("ujson-5.10.0", Expert::Leak),
    ("ujson-6.1.0", Expert::Clean),
    ("express-memorystore-leaky", Expert::Leaking),
    ("express-memorystore-fixed", Expert::Healthy),
    ("nginx-1.22", Expert::Clean),
    ("php-fpm-8.2-kept", Expert::Clean),
    ("php-fpm-8.2-recycled", Expert::Healthy),
    ("forks-together-clean", Expert::Healthy),
    ("forks-together-leak", Expert::Leaking),
    ("forks-idle-clean", Expert::Healthy),
    ("forks-idle-leak", Expert::Leak),
    ("multer-2.0.2", Expert::Leaking),
    ("multer-2.5.0", Expert::Healthy),
    ("sessions-memory", Expert::Leak),
    ("sessions-memorystore", Expert::Healthy),
    ("orjson-3.9.0", Expert::Leak),
    ("orjson-3.9.1", Expert::Clean),
    ("redis-7", Expert::Clean),
    ("mariadb-10.11", Expert::Clean),
    ("mariadb-10.11-forgotten", Expert::Leak),
    ("apache-prefork-none", Expert::Clean),
    ("apache-prefork-abort", Expert::Leak),
    ("apache-event-none", Expert::Clean),
    ("msgpack-1.2.2", Expert::Leak),
    ("msgpack-1.2.3", Expert::Clean),
    ("multidict-6.3.2", Expert::Leak),
    ("multidict-6.4.2", Expert::Clean),
    ("hiredis-3.0.0", Expert::Leak),
    ("hiredis-3.2.1", Expert::Clean),
    ("numpy-1.24.0", Expert::Leak),
    ("numpy-1.24.1", Expert::Clean),
    ("pydantic-iterable-2.7.0", Expert::Leak),
    ("pydantic-iterable-2.12", Expert::Clean),
    ("pydantic-adapter-2.5.2", Expert::Leak),
    ("pydantic-adapter-2.5.3", Expert::Clean),
    ("cbor2-5.7.0", Expert::Leak),
    ("cbor2-5.9.0", Expert::Clean),
    ("selectolax-0.3.17", Expert::Leak),
    ("selectolax-0.3.18", Expert::Clean),
    ("pendulum-2.1.2", Expert::Leak),
    ("pendulum-3.0.0", Expert::Clean),
    ("debug-4.1.1", Expert::Leak),
    ("debug-4.3.4", Expert::Healthy),
    ("mem-1.1.0", Expert::Leaking),
    ("mem-4.3.0", Expert::Healthy),
    ("ajv-each", Expert::Leak),
    ("ajv-once", Expert::Clean),
    ("node-listener", Expert::Leak),
    ("node-rows", Expert::Healthy),
    ("java-delete-serial", Expert::Healthy),
    ("java-rows-g1", Expert::Healthy),
    ("postgres-prepare", Expert::Leak),
    ("postgres-buffers", Expert::Clean),
    ("gunicorn-kept", Expert::Leak),
    ("gunicorn-flat", Expert::Clean),
    ("gunicorn-flat-recycled", Expert::Healthy),
    ("uwsgi-kept", Expert::Leak),
    ("uwsgi-flat", Expert::Clean),
    ("puma", Expert::Healthy),
    ("tokio", Expert::Clean),
    ("lru-unbounded", Expert::Leak),
    ("memcached-32", Expert::Clean),
    ("haproxy", Expert::Clean),
    ("churn", Expert::Healthy),
    ("caddy", Expert::Healthy),
];

/// The traces that nothing is tuned on: what the rule is for is tried on the others alone.
pub const HELD_OUT: [&str; 33] = [
    "aiohttp-3.10.11",
    "ujson-6.1.0",
    "express-memorystore-fixed",
    "php-fpm-8.2-kept",
    "forks-together-clean",
    "forks-idle-clean",
    "multer-2.0.2",
    "sessions-memory",
    "orjson-3.9.0",
    "redis-7",
    "mariadb-10.11-forgotten",
    "apache-prefork-abort",
    "msgpack-1.2.2",
    "multidict-6.3.2",
    "hiredis-3.0.0",
    "numpy-1.24.0",
    "pydantic-iterable-2.7.0",
    "pydantic-adapter-2.5.2",
    "cbor2-5.7.0",
    "selectolax-0.3.17",
    "pendulum-2.1.2",
    "debug-4.1.1",
    "mem-1.1.0",
    "ajv-each",
    "node-listener",
    "java-delete-serial",
    "postgres-prepare",
    "gunicorn-kept",
    "gunicorn-flat-recycled",
    "uwsgi-flat",
    "tokio",
    "memcached-32",
    "churn",
];

/// What an expert says of a trace's descriptors.
pub const DESCRIPTORS: [(&str, Expert); 7] = [
    ("node-pipe", Expert::Leak),
    ("node-pipeline", Expert::Clean),
    ("multer-2.0.2", Expert::Leak),
    ("multer-2.5.0", Expert::Clean),
    ("mariadb-10.11", Expert::Clean),
    ("mariadb-10.11-forgotten", Expert::Leak),
    ("apache-event-none", Expert::Clean),
];

/// Budgets in bytes of memory and in descriptors per request.
pub fn budgets(memory: Option<f64>, descriptors: Option<f64>) -> Budgets {
    Budgets { memory, descriptors, ..Budgets::default() }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/accuracy/traces/{name}.csv"))
}

/// Which kinds of memory a trace has.
pub fn kinds(name: &str) -> Vec<&'static str> {
    let text = std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let columns: Vec<&str> = text.lines().next().unwrap_or_default().split(',').collect();
    ["anon_kib", "rss_kib", "pss_kib"].into_iter().filter(|kind| columns.contains(kind)).collect()
}

/// A trace as a run of `memory` with these budgets.
pub fn record(name: &str, memory: &str, budgets: Budgets) -> RunRecord {
    let file = File::open(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mapping = Mapping { memory: Some(memory.into()), ..Mapping::default() };
    let mut record = table::read(file, name, &mapping).expect("a table").record;
    record.meta.budgets = budgets;
    record
}
