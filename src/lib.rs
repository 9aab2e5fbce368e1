//! seepage finds memory leaks in long-running worker processes.
//!
//! The crate is built in two layers. The **pure core** knows no file, network, process or clock:
//!
//! - [`model`]: units, worker identity, readings, events, series and the run record
//! - [`stats`]: estimators that know nothing of memory
//! - [`table`]: a series that another tool wrote, from its bytes to a run record
//! - [`verdict`]: series to evidence to verdict
//! - [`words`]: a verdict in sentences, the same in every report
//! - [`bisect`]: which of many modules is to blame, from as few answers as possible
//! - [`compare`]: pairs of runs of two variants to what differs between them
//!
//! The **edges** touch the world:
//!
//! - [`config`]: the harness file
//! - [`http`]: one HTTP/1.1 answer from its bytes, one page within bounds
//! - [`probe`]: one reading each of `/proc`, control groups, status pages and logs
//! - [`supervise`]: launch, readiness, the process tree, stop
//! - [`workload`]: the load driver
//! - [`engine`]: the run, where the edges meet
//! - [`apache`]: which modules an Apache loads, and its configuration without some
//! - [`experiment`]: several runs that answer one question
//! - [`store`]: the run directory
//! - [`removal`]: a directory goes with all that is in it, and nothing beyond it
//! - [`report`]: terminal, charts, HTML, Markdown, JSON; each reads only a run record and a verdict
//! - [`thread`]: threads that may fail to start
//! - [`demo`]: the demonstration server with switchable faults
//! - [`cli`]: arguments to plain requests, verdicts to exit codes
//!
//! Dependencies run one way: `cli -> engine -> {workload -> supervise -> probe, store} -> {config -> {http, model}, removal}` and
//! `report -> words -> verdict -> stats`, `verdict -> model`; `tests/house/architecture.rs` holds that.

pub mod apache;
pub mod bisect;
pub mod cli;
pub mod compare;
pub mod config;
pub mod demo;
pub mod engine;
pub mod experiment;
pub mod http;
pub mod model;
pub mod probe;
pub mod removal;
pub mod report;
pub mod stats;
pub mod store;
pub mod supervise;
pub mod table;
pub mod thread;
pub mod verdict;
pub mod words;
pub mod workload;
