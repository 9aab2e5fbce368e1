//! seepage finds memory leaks in long-running worker processes.
//!
//! What it knows of a run, and how it judges and tells of it, is the pure core, a crate of its own: [`seepage_core`], whose
//! modules are here too. This crate is the **edges**, which touch the world:
//!
//! - [`config`]: the harness file
//! - [`http`]: one HTTP/1.1 answer from its bytes, one page within bounds
//! - [`probe`]: one reading each of `/proc`, control groups, status pages and logs
//! - [`supervise`]: launch, readiness, the process tree, stop
//! - [`workload`]: the load driver
//! - `engine`: the run, where the edges meet
//! - `apache`: which modules an Apache loads, and its configuration without some
//! - `experiment`: several runs that answer one question
//! - `prometheus`: a server of metrics, and what it is asked for
//! - [`store`]: the run directory
//! - `removal`: a directory goes with all that is in it, and nothing beyond it
//! - [`report`]: terminal, charts, HTML, Markdown, JSON; each reads only a run record and a verdict
//! - `thread`: threads that may fail to start
//! - `demo`: the demonstration server with switchable faults
//! - [`cli`]: arguments to plain requests, verdicts to exit codes
//!
//! Dependencies run one way: `cli -> {engine -> {workload -> supervise -> probe, store} -> {config -> http, removal}, report}`, and
//! from there into the core, `verdict -> sites -> rule -> readings -> {answer, stats} -> model`; `tests/house/architecture.rs` holds that. A module is public if
//! the program, a test, an example, a benchmark or a fuzz target needs it.

mod apache;
pub mod cli;
pub mod config;
mod demo;
mod engine;
mod experiment;
pub mod http;
pub mod probe;
mod prometheus;
mod removal;
pub mod report;
pub mod store;
pub mod supervise;
mod thread;
pub mod workload;

#[cfg(feature = "ablation")]
pub use seepage_core::thresholds;
pub use seepage_core::{
    answer, baseline, history, model, plan, readings, rule, stats, table, verdict, watch, words, working,
};
use seepage_core::{bisect, compare, fleet, knee, sites};
