//! The demonstration server: a prefork pool with switchable faults.
//!
//! It needs nothing but this binary, so that the quickstart runs from an installed copy. It behaves like a classic
//! prefork web server: the parent binds the socket, forks the workers and restarts those that die; each worker serves
//! one connection at a time. A worker without a fault keeps its anonymous memory flat once it has served a few
//! requests, so that what the harness sees is the fault and nothing else.

mod fault;
mod http;
mod pool;
mod worker;

use crate::model::Bytes;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

pub use pool::serve;

/// What the demonstration server does: a prefork web server that leaks on demand.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct DemoOptions {
    /// TCP port on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "PORT")]
    pub port: u16,
    /// Worker processes.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    pub workers: u16,
    /// The fault of its workers.
    #[arg(long, value_enum, default_value_t = Fault::None)]
    pub fault: Fault,
    /// Memory that the faults `malloc`, `abort` and `big` keep of an upload.
    #[arg(long, default_value = "4 KiB", value_name = "SIZE")]
    pub keep: Bytes,
    /// A worker ends after this many requests and is replaced; never by default.
    #[arg(long, value_name = "N")]
    pub max_requests: Option<u64>,
    /// Append a line `PID CLASS STATUS BYTES` to this file for each request.
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
}

/// A fault of the demonstration server's workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// Nothing is wrong.
    None,
    /// Keeps memory of each upload.
    Malloc,
    /// Keeps a descriptor of each upload.
    Fd,
    /// Keeps a parked thread of every 20th upload.
    Thread,
    /// Keeps memory of uploads that the client breaks off.
    Abort,
    /// Keeps memory of uploads above 1 MiB.
    Big,
    /// Leaves 4 KiB in /dev/shm for each upload, in a file without a name.
    Shm,
    /// Grows and frees large buffers: a high-water mark, no leak.
    Churn,
    /// Fills a bounded cache of 512 x 4 KiB in each worker: a warm-up, no leak.
    Warm,
    /// Writes to 32 MiB that the parent preloaded: un-sharing, no leak.
    Cow,
    /// Takes 50 ms longer for each upload.
    Slow,
    /// Aborts at every 500th upload of a worker.
    Crash,
    /// Answers every upload with status 500.
    Error,
}
