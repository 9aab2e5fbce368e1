//! What was understood of a table, in words.

use super::clock::Form;
use super::collect::Collector;
use super::counts::Counts;
use super::course::{Course, Order};
use super::times::Told;
use crate::model::{MemoryKind, TableDoubt, Taken, Understood, Wider};
use std::collections::{BTreeMap, BTreeSet};

/// What each quantity was read from, and what was left unused.
pub(super) fn understood(
    collector: &Collector,
    clock: &Told,
    counts: &Counts,
    courses: &[Course],
    doubts: Vec<TableDoubt>,
) -> Understood {
    let c = &collector.columns;
    let name = |index: usize| collector.header.get(index).cloned().unwrap_or_default();
    let joined = |indices: &[usize]| indices.iter().map(|index| name(*index)).collect::<Vec<_>>().join(", ");
    let mut taken = Vec::new();
    let mut take = |what: &str, column: String, how: String| taken.push(Taken { what: what.into(), column, how });
    match c.time {
        Some(time) => {
            take("time", joined(&time.date.into_iter().chain([time.index]).collect::<Vec<_>>()), clock.how.clone())
        }
        None => take("time", String::new(), "none: readings stand one second apart".into()),
    }
    let unit = |unit: Option<u64>| match unit {
        Some(unit) => match &collector.own_unit {
            Some(example) => format!("in the units that are written, as in `{example}`, else in {}", unit_name(unit)),
            None => format!("in {}", unit_name(unit)),
        },
        None if c.units.is_some() => {
            let units = c.units.map(name).unwrap_or_default();
            format!("in the unit that `{units}` names in each row; kB is 1024 bytes, MB 1024 of these")
        }
        None => match &collector.own_unit {
            Some(example) => {
                format!("in the units that are written, as in `{example}`; kB is 1024 bytes, MB 1024 of these")
            }
            None => "in bytes".into(),
        },
    };
    if let Some(first) = c.memory.first() {
        let kind = match c.kind {
            MemoryKind::Unknown => "of a kind that its name doesn't say".into(),
            kind => format!("{} memory", kind.name()),
        };
        let each = if c.memory.len() > 1 { ", each column a worker" } else { "" };
        let columns = match c.memory.len() {
            few if few <= 8 => joined(&c.memory.iter().map(|size| size.index).collect::<Vec<_>>()),
            many => format!("{} and {} more", name(first.index), many - 1),
        };
        take("memory", columns, format!("{kind}, {}{each}", unit(first.unit)));
    }
    if let Some(swap) = c.swap {
        take("swap", name(swap.index), unit(swap.unit));
    }
    if let Some(shared) = c.shared {
        take("shared", name(shared.index), format!("shared memory, {}", unit(shared.unit)));
    }
    if let Some((wider, _)) = c.wider {
        take(
            "beside",
            name(wider.index),
            format!("{}; only whether it grows more than is allowed counts", unit(wider.unit)),
        );
    }
    if let Some(requests) = c.requests {
        let how = match (&counts.pool, counts.summed) {
            (Some(_), summed) if collector.mapping.requests_of.is_some() => match summed {
                false => "a running count of the pool, shared out evenly",
                true => "a count of the pool for each interval: summed up, and shared out evenly",
            },
            (Some(_), false) => "a running count, the same on every worker: the pool's, shared out evenly",
            (Some(_), true) => {
                "a count for each interval, the same on every worker: summed up as the pool's, shared out evenly"
            }
            (None, true) => "a count for each interval, which is summed up",
            (None, false) if collector.mapping.requests_are.is_none() && counts.never_falls => {
                "a running count of each worker, as it never falls"
            }
            (None, false) => "a running count of each worker",
        };
        take("requests", name(requests), how.into());
    }
    let whose: Vec<usize> = c.workers.iter().copied().chain(c.pid).chain(c.start).collect();
    let without_pid = courses.iter().filter(|course| course.key.pid.is_none());
    let names: BTreeMap<u32, String> =
        without_pid.filter_map(|course| Some((course.key.worker? + 1, collector.whose(course.key)))).collect();
    let lives: usize = courses.iter().map(|course| course.lives().count()).sum();
    let number = match (courses.len(), lives) {
        (1, 1) if c.kind == MemoryKind::Host => "the whole machine, as one process".into(),
        (1, 1) if whose.is_empty() && c.memory.len() < 2 => "taken as one process".into(),
        (1, 1) => "one process".into(),
        (1, lives) => format!("one process in {lives} lives"),
        (workers, lives) if workers == lives => format!("{workers} workers"),
        (workers, lives) => format!("{workers} workers in {lives} lives"),
    };
    take("workers", joined(&whose), format!("{number}{}", called(&names)));
    if let Some(command) = c.command {
        take("program", name(command), "another one under the same PID is another life".into());
    }
    for (what, index) in [("descriptors", c.descriptors), ("threads", c.threads), ("load", c.load)] {
        if let Some(index) = index {
            take(what, name(index), String::new());
        }
    }
    for (index, value) in &c.filters {
        take("rows", name(*index), format!("only those with `{}`", super::shown(value)));
    }
    if let Some(grouped) = &collector.grouped {
        take("numbers", String::new(), grouped.clone());
    }
    let wider = c.wider.map(|(wider, kind)| Wider { column: name(wider.index), kind });
    let unused = c.unused.iter().map(|index| name(*index)).collect();
    Understood { taken, unused, kind: c.kind, wider, called: names, there_before: BTreeSet::new(), doubts }
}

/// What stands for the names of workers that have no PID, as it is told.
fn called(names: &BTreeMap<u32, String>) -> String {
    const MOST: usize = 12;
    let named = names.iter().take(MOST).map(|(number, name)| format!("PID {number} is {name}"));
    let named: Vec<String> = named.collect();
    match names.len() {
        0 => String::new(),
        few if few <= MOST => format!("; below, {}", named.join(", ")),
        _ => format!("; below, {} and so on", named.join(", ")),
    }
}

fn unit_name(unit: u64) -> String {
    const NAMES: [(u64, &str); 7] = [
        (1, "bytes"),
        (1 << 10, "KiB"),
        (1 << 20, "MiB"),
        (1 << 30, "GiB"),
        (1_000, "kB of 1000 bytes"),
        (1_000_000, "MB of 1000 kB"),
        (1_000_000_000, "GB of 1000 MB"),
    ];
    NAMES
        .iter()
        .find(|(bytes, _)| *bytes == unit)
        .map_or_else(|| format!("units of {unit} bytes"), |(_, name)| (*name).into())
}

/// What the reader of a verdict should know beside.
pub(super) fn notes(
    collector: &Collector,
    order: Order,
    dead: u64,
    restarts: u64,
    thinned: Vec<String>,
) -> Vec<String> {
    let c = &collector.columns;
    let mut notes = Vec::new();
    let mut note = |text: String| notes.push(text);
    if !c.memory.is_empty() {
        let beside = if c.swap.is_none() { "; swapped memory isn't in the file and is taken as none" } else { "" };
        let because = match c.kind {
            MemoryKind::Anonymous if c.swap.is_none() => {
                note("swapped memory isn't in the file and is taken as none".into());
                None
            }
            MemoryKind::Anonymous | MemoryKind::Unknown => None,
            MemoryKind::Private => Some("inherited pages that are written to count as growth"),
            MemoryKind::Proportional => Some("shared pages count as growth when a neighbour ends"),
            MemoryKind::Resident => Some("file and shared pages count as growth"),
            MemoryKind::WorkingSet => Some("page cache that is in use counts as growth"),
            MemoryKind::Host => Some(
                "it is that of all processes and of the kernel, and has neither shared memory nor files on tmpfs in it, which count as \
                 cache",
            ),
        };
        if let Some(because) = because {
            note(format!("{} memory is judged for want of anonymous memory: {because}{beside}", c.kind.name()));
        }
    }
    if c.time.is_none() {
        note("the file has no time: readings stand one second apart".into());
    }
    if collector.mapping.time_unit.is_some() && c.time.is_some() && collector.form != Form::Number {
        note("--time-unit had no effect: times are no plain numbers".into());
    }
    if collector.mapping.requests_are.is_some() && c.requests.is_none() {
        note("--requests-are had no effect: no column is known to hold requests".into());
    }
    if collector.mapping.requests_of.is_some() && c.requests.is_none() {
        note("--requests-of had no effect: no column is known to hold requests".into());
    }
    if collector.timeless > 0 {
        note(format!("{} rows without a time were left out", collector.timeless));
    }
    if let Some(line) = collector.torn {
        note(format!("line {line}, the last, has no end: it may be torn off, and was left out"));
    }
    match order {
        Order::Kept => {}
        Order::Reversed => note("rows stood with the newest first, and were turned round".into()),
        Order::Sorted => note("rows were put in the order of time".into()),
    }
    if dead > 0 {
        note(format!("{dead} readings of 0 bytes were left out: no living process has none"));
    }
    if restarts > 0 {
        let series = if restarts == 1 { String::new() } else { format!(" in {restarts} series") };
        note(format!("memory falls once to where it began{series}: that was taken as a restart"));
    }
    notes.extend(collector.remarks.iter().cloned());
    notes.extend(thinned);
    notes
}
