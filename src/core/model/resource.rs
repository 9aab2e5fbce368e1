//! What may leak, and all that follows from which it is.

use super::Metric;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What may leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Anonymous plus swapped memory of a worker, in bytes.
    Memory,
    /// What a worker has allocated and not freed, in bytes; known where its allocations are traced.
    Heap,
    /// Open file descriptors of a worker.
    Descriptors,
    /// Threads of a worker.
    Threads,
    /// Shared memory that a worker has touched, in bytes, as far as the host came to have more of it.
    Shared,
    /// Files on tmpfs and shared memory, in bytes, of the whole target.
    Tmpfs,
    /// What the kernel holds for the target's control group, in bytes: sockets, inodes, page tables, stacks.
    Kernel,
    /// Memory of those processes of the target that are not judged as workers, in bytes.
    Rest,
    /// Processes of the whole target, dead ones that nobody has waited for included.
    Processes,
    /// A series of the user's own.
    #[serde(untagged)]
    Metric(Metric),
}

/// What is known of a resource; what the texts are for is said at the methods that give them.
struct Facts {
    name: &'static str,
    short: &'static str,
    full: &'static str,
    item: &'static str,
    one: &'static str,
    place: &'static str,
    scope: Scope,
    evidence: EvidenceClass,
    budgeted: bool,
}

/// On what a resource is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Worker,
    Target,
}

/// What growth of a resource says of a leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceClass {
    /// It is what the tool is for: "leak" has an error probability of its own.
    Primary,
    /// All of these share one error probability of "leak".
    Secondary,
}

const BYTES: &str = "bytes";

impl Resource {
    /// Every resource that is known of any target, memory first.
    pub const ALL: [Resource; 9] = [
        Resource::Memory,
        Resource::Heap,
        Resource::Descriptors,
        Resource::Threads,
        Resource::Shared,
        Resource::Tmpfs,
        Resource::Kernel,
        Resource::Rest,
        Resource::Processes,
    ];

    // A new resource has its facts here, its level in a reading (`readings/series.rs`) and its place among the budgets.
    const fn facts(self) -> Facts {
        match self {
            Resource::Memory => Facts {
                name: "memory",
                short: "anonymous + swap",
                full: "anonymous + swapped memory",
                item: BYTES,
                one: "memory",
                place: "",
                scope: Scope::Worker,
                evidence: EvidenceClass::Primary,
                budgeted: true,
            },
            Resource::Heap => Facts {
                name: "heap",
                short: "live heap",
                full: "memory allocated and not freed",
                item: BYTES,
                one: "live heap",
                place: "allocated",
                scope: Scope::Worker,
                evidence: EvidenceClass::Secondary,
                budgeted: false,
            },
            Resource::Descriptors => Facts {
                name: "descriptors",
                short: "descriptors",
                full: "open file descriptors",
                item: "descriptors",
                one: "descriptor",
                place: "open",
                scope: Scope::Worker,
                evidence: EvidenceClass::Secondary,
                budgeted: true,
            },
            Resource::Threads => Facts {
                name: "threads",
                short: "threads",
                full: "threads",
                item: "threads",
                one: "thread",
                place: "running",
                scope: Scope::Worker,
                evidence: EvidenceClass::Secondary,
                budgeted: true,
            },
            Resource::Shared => Facts {
                name: "shared",
                short: "shared memory",
                full: "shared memory",
                item: BYTES,
                one: "shared memory",
                place: "of shared memory",
                scope: Scope::Worker,
                evidence: EvidenceClass::Secondary,
                budgeted: true,
            },
            Resource::Tmpfs => Facts {
                name: "tmpfs",
                short: "tmpfs",
                full: "files on tmpfs and shared memory",
                item: BYTES,
                one: "tmpfs",
                place: "on tmpfs or in shared memory",
                scope: Scope::Target,
                evidence: EvidenceClass::Secondary,
                budgeted: true,
            },
            Resource::Kernel => Facts {
                name: "kernel",
                short: "kernel",
                full: "memory of the kernel for the target",
                item: BYTES,
                one: "kernel memory",
                place: "in the kernel",
                scope: Scope::Target,
                evidence: EvidenceClass::Secondary,
                budgeted: true,
            },
            Resource::Rest => Facts {
                name: "rest",
                short: "the rest",
                full: "memory of the processes that are not workers",
                item: BYTES,
                one: "memory of the rest",
                place: "in processes that are not workers",
                scope: Scope::Target,
                evidence: EvidenceClass::Secondary,
                budgeted: true,
            },
            Resource::Processes => Facts {
                name: "processes",
                short: "processes",
                full: "processes of the target",
                item: "processes",
                one: "process",
                place: "behind",
                scope: Scope::Target,
                evidence: EvidenceClass::Secondary,
                budgeted: true,
            },
            Resource::Metric(metric) => Facts {
                name: metric.name(),
                short: metric.name(),
                full: metric.name(),
                item: if metric.in_bytes() { BYTES } else { metric.name() },
                one: metric.name(),
                place: metric.place(),
                scope: Scope::Target,
                evidence: EvidenceClass::Secondary,
                budgeted: true,
            },
        }
    }

    /// Its name in commands, files and reports, such as `memory`.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// What it measures, in two words or so: `anonymous + swap`.
    pub const fn short(self) -> &'static str {
        self.facts().short
    }

    /// What it measures, in full: `anonymous + swapped memory`.
    pub const fn full(self) -> &'static str {
        self.facts().full
    }

    /// What is counted, such as `bytes` or `threads`.
    pub const fn item(self) -> &'static str {
        self.facts().item
    }

    /// Its name before another noun: `descriptor`, as in "descriptor growth".
    pub const fn one(self) -> &'static str {
        self.facts().one
    }

    /// Its name in a sentence, as in "growth of": `shared memory`, `descriptors`.
    pub fn noun(self) -> &'static str {
        if self.in_bytes() { self.one() } else { self.name() }
    }

    /// Where or how what a request leaves of it is there: `open`; empty if that needs no word.
    pub const fn place(self) -> &'static str {
        self.facts().place
    }

    /// Whether it is counted in bytes.
    pub fn in_bytes(self) -> bool {
        self.item() == BYTES
    }

    /// The step to which readings of it are rounded: a page, given in bytes, or one item.
    pub fn quantum(self, page: f64) -> f64 {
        if self.in_bytes() { page } else { 1.0 }
    }

    /// Whether it is measured on the target as a whole, not worker by worker.
    pub fn of_whole_target(self) -> bool {
        self.facts().scope == Scope::Target
    }

    /// What its growth says of a leak.
    pub const fn evidence(self) -> EvidenceClass {
        self.facts().evidence
    }

    /// The resources that have a budget of their own.
    pub fn budgeted() -> impl Iterator<Item = Resource> {
        Resource::ALL.into_iter().filter(|resource| resource.facts().budgeted)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Between other words the name of the user's own series is set off.
            Resource::Metric(metric) => write!(f, "`{}`", metric.name()),
            known => f.write_str(known.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_name_is_the_one_in_files() {
        for resource in Resource::ALL {
            assert_eq!(serde_json::to_value(resource).unwrap(), resource.name());
        }
    }
}
