//! Amounts and rates of resources, as every report writes them.

use super::{Axis, Resource, format_bytes, format_count};

/// An amount of a resource: `4.1 KiB`, `0.25`.
pub fn amount(resource: Resource, value: f64) -> String {
    if resource.in_bytes() { format_bytes(value) } else { format_count(value) }
}

/// The same with the name of what is counted: `6.3 MiB`, `12 descriptors`.
pub fn level(resource: Resource, value: f64) -> String {
    if resource.in_bytes() { format_bytes(value) } else { format!("{} {}", format_count(value), resource.item()) }
}

/// A growth per step of the axis: `4.1 KiB/request`, `0.25 descriptors/request`.
pub fn rate(resource: Resource, axis: Axis, value: f64) -> String {
    format!("{}/{}", level(resource, value), axis.unit())
}

/// A budget: per hour on the axis of hours, else per request.
pub fn allowed_rate(resource: Resource, axis: Axis, budget: f64) -> String {
    rate(resource, axis.of_budget(), budget)
}

/// A share: `25 %`, `0.31 %`.
pub fn percent(share: f64) -> String {
    format!("{} %", format_count(share * 100.0))
}

/// A share in whole numbers: `25 %`.
pub fn whole_percent(share: f64) -> String {
    format!("{} %", format_count((share * 100.0).round()))
}
