//! What the tests of this module share.

use crate::config::WorkloadConfig;

/// The workload of a harness file, from the lines below `[workload]`.
pub(super) fn workload(toml: &str) -> WorkloadConfig {
    toml::from_str(toml).unwrap()
}
