//! One reading each: `/proc`, control groups, status pages and access logs.
//!
//! What these files say is not to be trusted: every parser takes bytes and answers with what it could make of them,
//! and a quantity that isn't there is `None`.

mod capability;
mod cgroup;
mod counting;
mod descriptors;
mod faults;
mod file_limit;
mod group_names;
mod heap;
mod host;
mod java;
mod listening;
mod map;
mod memory_files;
mod metric;
mod names;
mod neighbours;
mod page_poller;
mod perf_map;
mod pidfd;
mod proc;
mod scripts;
mod sockets;
mod status_page;
mod tmpfs;
mod worker;

pub use crate::sites::PerfMap;
pub use capability::{Availability, Capability, examine};
pub use cgroup::{GroupReading, MemoryGroup, find_group, group_processes};
pub use counting::{Counter, CounterError, LinesRead, Served, parse_log_line};
pub use descriptors::Connections;
pub(crate) use faults::caught;
pub use faults::{FaultProbe, FaultRecord, FaultRefusal, parse_fault};
pub use file_limit::raise_file_limit;
pub use group_names::{container_groups, containers_called, hierarchies, unit_groups, unit_name};
pub use heap::{HeapProbe, Library, LibraryError, LiveSample, SCRIPT_LINES, Snapshot, StackTrace, Untraced};
pub use host::{HostProbe, proc_shows_us};
pub use java::parse_counters;
pub use listening::{Listening, Serves, Serving, listen_nowhere, listening_addresses, listening_names, parse_unix};
pub use map::parse_smaps;
pub use memory_files::MemoryFiles;
pub use metric::Selector;
#[doc(hidden)]
pub use metric::fuzz as fuzz_metric;
pub use neighbours::NeighbourProbe;
pub use page_poller::LookUps;
pub use perf_map::MadeCode;
pub use proc::{ProcStat, ProcStatus, command_name, own_pid, parse_stat, parse_status, process_of, status_of_a_thread};
pub use scripts::parse_script_place;
pub use sockets::parse_tcp;
pub use status_page::{StatusPage, parse_mod_status, parse_page, parse_php_fpm};
pub use worker::{ReadCost, WorkerProbe, words as command_words};
