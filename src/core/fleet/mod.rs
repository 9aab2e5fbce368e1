//! A fleet: what a server of metrics is asked for, which of its series go together, and in which portions.
//!
//! Pure: whoever speaks to the server is told what to ask, and gives what was answered.

mod batch;
mod join;
mod preset;
mod query;
mod range;
mod recent;
mod twins;

pub use batch::{Ask, Batch, batches, narrowed};
pub use join::{Group, Joined, Member, Quantity, join};
pub use preset::{PRESETS, Preset};
pub use query::Query;
pub use range::{MOST_POINTS, Range};
pub use recent::Recent;
pub use twins::twins;

/// Labels as Prometheus writes them: `{instance="a:1",job="web"}`, the name of the metric before them.
pub fn written(labels: &crate::table::prometheus::Labels) -> String {
    let name = labels.get(crate::table::prometheus::NAME).map_or("", String::as_str);
    let rest = labels.iter().filter(|(label, _)| *label != crate::table::prometheus::NAME);
    let rest: Vec<String> = rest.map(|(label, value)| format!("{label}={}", query::quoted(value))).collect();
    if rest.is_empty() && !name.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", rest.join(",")) }
}
