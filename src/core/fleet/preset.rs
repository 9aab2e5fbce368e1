//! What exporters call memory, swapped memory and the start of a process.

use crate::model::MemoryKind;

/// The queries for what an exporter has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Memory in bytes.
    pub memory: &'static str,
    /// What that is the memory of.
    pub kind: MemoryKind,
    /// Swapped memory, which is added to it.
    pub swap: Option<&'static str>,
    /// When the process began.
    pub start: Option<&'static str>,
}

/// Every preset.
pub const PRESETS: [Preset; 6] = [
    // Groups have the sum of their processes, and the oldest of them.
    Preset {
        name: "process-exporter",
        about: "groups of processes, by process-exporter",
        memory: "namedprocess_namegroup_memory_bytes{memtype=\"resident\"}",
        kind: MemoryKind::Resident,
        swap: Some("namedprocess_namegroup_memory_bytes{memtype=\"swapped\"}"),
        start: Some("namedprocess_namegroup_oldest_start_time_seconds"),
    },
    // Its rss is the anonymous memory of the control group.
    Preset {
        name: "cadvisor",
        about: "containers, by cAdvisor or the kubelet's /metrics/cadvisor",
        memory: "container_memory_rss{container!=\"\",container!=\"POD\"}",
        kind: MemoryKind::Anonymous,
        swap: Some("container_memory_swap{container!=\"\",container!=\"POD\"}"),
        start: Some("container_start_time_seconds{container!=\"\",container!=\"POD\"}"),
    },
    Preset {
        name: "kube",
        about: "containers, by the kubelet's /metrics/resource",
        memory: "container_memory_working_set_bytes{container!=\"\",container!=\"POD\"}",
        kind: MemoryKind::WorkingSet,
        swap: None,
        start: Some("container_start_time_seconds{container!=\"\",container!=\"POD\"}"),
    },
    Preset {
        name: "node-exporter",
        about: "whole machines, by node_exporter",
        memory: "node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes",
        kind: MemoryKind::Host,
        swap: Some("node_memory_SwapTotal_bytes - node_memory_SwapFree_bytes"),
        start: Some("node_boot_time_seconds"),
    },
    // What is left after a collection: the heap itself rises and falls, and its resident memory stays at its limit.
    Preset {
        name: "jvm",
        about: "heaps after a collection, by Micrometer or Prometheus' client for Java",
        memory: "jvm_gc_live_data_size_bytes or sum by (job, instance) (jvm_memory_pool_collection_used_bytes)",
        kind: MemoryKind::Unknown,
        swap: None,
        start: Some("process_start_time_seconds"),
    },
    Preset {
        name: "go",
        about: "programs in Go, by Prometheus' client for it",
        memory: "process_resident_memory_bytes and on (job, instance) go_goroutines",
        kind: MemoryKind::Resident,
        swap: None,
        start: Some("process_start_time_seconds"),
    },
];
