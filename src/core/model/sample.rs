//! Readings: what was seen of a worker, of the host and of the load at one moment.
//!
//! A quantity that could not be read is `None`, never zero.

use super::{HeapReading, Resource, WorkerId};
use serde::{Deserialize, Serialize};

/// One reading of one worker; memory in bytes, CPU times in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the start of the run, on a monotonic clock.
    pub t: f64,
    /// The worker that was read.
    pub worker: WorkerId,
    /// Anonymous resident memory, `RssAnon` of `/proc/PID/status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anon: Option<u64>,
    /// Anonymous memory that was swapped out, `VmSwap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<u64>,
    /// Resident file mappings, `RssFile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<u64>,
    /// Resident shared memory, `RssShmem`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shmem: Option<u64>,
    /// What holds more of the process than `anon` does, as a table has it beside: resident memory beside anonymous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wider: Option<u64>,
    /// Memory in huge pages of hugetlbfs, `HugetlbPages`: it is in none of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge: Option<u64>,
    /// Open file descriptors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fds: Option<u64>,
    /// Threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// CPU time in user mode since the worker began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_user: Option<f64>,
    /// CPU time in kernel mode since the worker began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_system: Option<f64>,
    /// Page faults without disk access since the worker began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor_faults: Option<u64>,
    /// Page faults with disk access since the worker began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major_faults: Option<u64>,
    /// Requests this worker has served so far, after the run's way of counting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// The same by class of request, in the order of `RunMeta::classes`; empty when classes are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_class: Vec<u64>,
    /// What the preload library counted, where it is in the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap: Option<HeapReading>,
    /// The dear reading, when this moment had one; few have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<Box<SlowReading>>,
}

impl Sample {
    /// An empty reading: every quantity missing.
    pub fn new(t: f64, worker: WorkerId) -> Self {
        Sample {
            t,
            worker,
            anon: None,
            swap: None,
            file: None,
            shmem: None,
            wider: None,
            huge: None,
            fds: None,
            threads: None,
            cpu_user: None,
            cpu_system: None,
            minor_faults: None,
            major_faults: None,
            requests: None,
            by_class: Vec::new(),
            heap: None,
            slow: None,
        }
    }

    /// What the worker has of a resource, in bytes or items; missing for what is of the whole target.
    pub fn level(&self, resource: Resource) -> Option<u64> {
        match resource {
            Resource::Memory => self.anon_and_swap(),
            Resource::Heap => self.heap.map(|heap| heap.in_use()),
            Resource::Descriptors => self.fds,
            Resource::Threads => self.threads,
            Resource::Shared => self.shmem,
            Resource::Tmpfs | Resource::Kernel | Resource::Rest | Resource::Processes | Resource::Metric(_) => None,
        }
    }

    /// Seconds of CPU time since the worker began, in either mode; missing if either is.
    pub fn cpu(&self) -> Option<f64> {
        Some(self.cpu_user? + self.cpu_system?)
    }

    /// Anonymous plus swapped bytes, the metric that is judged: it neither grows when a child un-shares inherited
    /// pages nor falls when pages are swapped out. What the harness itself added to the worker is left out. Missing if
    /// either part is.
    pub fn anon_and_swap(&self) -> Option<u64> {
        let ours = self.heap.map_or(0, |heap| heap.own);
        Some(self.anon?.saturating_add(self.swap?).saturating_sub(ours))
    }
}

/// The dear reading of one worker, in bytes: `smaps_rollup` and the list of descriptors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SlowReading {
    /// Proportional set size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pss: Option<u64>,
    /// Unique set size: private clean + private dirty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uss: Option<u64>,
    /// Anonymous memory in transparent huge pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge: Option<u64>,
    /// Descriptors by kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptors: Option<DescriptorKinds>,
    /// What a Java machine says of its own heap; missing of all other processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub java: Option<JavaHeap>,
}

/// What a Java machine has in use of its own heap, in bytes, as of its last collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JavaHeap {
    /// The old generation; missing where the collector has no generations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<u64>,
    /// Metaspace, where classes are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metaspace: Option<u64>,
    /// Collections so far that may have taken something off the old generation.
    pub collections: u64,
}

/// Open descriptors of one worker by what they refer to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DescriptorKinds {
    /// Sockets of every family.
    pub sockets: u64,
    /// The largest groups of what they refer to, at most twelve, of eight descriptors at least; missing in old runs, and where
    /// connections were not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Vec<HeldGroup>>,
    /// Of the sockets, established TCP connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub established: Option<u64>,
    /// Of the sockets, TCP connections that the other side has closed and this one hasn't: `CLOSE_WAIT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_wait: Option<u64>,
    /// Files that still have a name.
    pub files: u64,
    /// Files that were deleted.
    pub deleted: u64,
    /// Pipes and FIFOs.
    pub pipes: u64,
    /// Event, timer, signal and epoll descriptors and the like; missing in old runs, where they are among the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous: Option<u64>,
    /// Everything else: devices, memfds.
    pub other: u64,
}

/// Descriptors of one kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldGroup {
    /// What they are.
    pub kind: HeldKind,
    /// To whom or what they lead: `IP:port` or `:port` of the other side, the port that accepted, a file, or a folder with its slash; empty
    /// if the kind has no names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// How many.
    pub count: u64,
    /// Of these, TCP connections that the other side has closed and this one hasn't.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub close_wait: u64,
}

/// What a descriptor refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldKind {
    /// A TCP connection that it made.
    Outgoing,
    /// A TCP connection that it accepted, or another of its network namespace.
    Accepted,
    /// A TCP socket that listens.
    Listening,
    /// Another socket: of the host itself, UDP, or of TCP and not connected.
    Socket,
    /// A file that still has a name.
    File,
    /// A file that was deleted.
    Deleted,
    /// A pipe or FIFO.
    Pipe,
    /// An event, timer, signal or epoll descriptor and the like.
    Anonymous,
    /// Everything else: devices, memfds.
    Other,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// One reading of the host and of the target's control group; memory in bytes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostSample {
    /// Seconds since the start of the run.
    pub t: f64,
    /// `MemAvailable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mem_available: Option<u64>,
    /// Swap in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_used: Option<u64>,
    /// Share of the last 10 s in which some task waited for CPU, 0 to 1 (PSI `some avg10`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_pressure: Option<f64>,
    /// The same for memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_pressure: Option<f64>,
    /// The same for I/O.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_pressure: Option<f64>,
    /// CPU seconds since boot that the hypervisor took from this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steal: Option<f64>,
    /// Who else used the CPU, the most first, when that was looked at; few readings have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<Vec<Neighbour>>,
    /// Bytes in use on the host's tmpfs mounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<u64>,
    /// Shared memory of every kind on the host: tmpfs, SysV, POSIX, memfds (`Shmem` of `/proc/meminfo`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shmem: Option<u64>,
    /// Memory charged to the target's own control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_memory: Option<u64>,
    /// Shared memory and tmpfs pages charged to the target's own control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_shmem: Option<u64>,
    /// Memory that the kernel holds for the target's own control group, sockets included, less what it can give back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_kernel: Option<u64>,
    /// The part of it in socket buffers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_sock: Option<u64>,
    /// Requests that the whole pool has served so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Requests that the driver has begun so far, in the order of `RunMeta::steps`; empty if it has fewer than two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_step: Vec<u64>,
}

/// A process of the host that is not the target's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its PID.
    pub pid: u32,
    /// Its start time in clock ticks since boot.
    pub start: u64,
    /// Its command name.
    pub command: String,
    /// CPU time that it took since it was looked at first, in seconds.
    pub cpu: f64,
}

/// What the driver did in one second, for one step of the workload; latencies in seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LoadSample {
    /// End of the second, in seconds since the start of the run.
    pub t: f64,
    /// Name of the step.
    pub step: String,
    /// Requests begun.
    pub sent: u64,
    /// Requests answered as expected.
    pub ok: u64,
    /// Requests aborted on purpose.
    pub aborted: u64,
    /// Requests that failed: errors of the connection and unexpected status codes.
    pub failed: u64,
    /// Answers by status code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<(u16, u64)>,
    /// Failures by kind, such as `connect`, `reset`, `timeout`, `status`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<(String, u64)>,
    /// Median latency of the successes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// 95th percentile of the latency of the successes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
    /// 99th percentile of the latency of the successes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// Bytes of request bodies sent.
    pub bytes_sent: u64,
}
