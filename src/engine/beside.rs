//! Who is in the control group of a process that was named, and isn't of the target: a helper that forked twice belongs to init, and what
//! it leaks would pass unseen.

use crate::model::shown_command;
use crate::probe::{MemoryGroup, command_name, group_processes};
use crate::supervise::Roster;
use std::collections::HashSet;

/// That there are such processes, where the target was named by its PIDs and has a control group of its own.
pub fn not_of_the_target(roster: &Roster, group: Option<&MemoryGroup>) -> Option<String> {
    let group = group.filter(|_| !roster.roots().is_empty())?;
    let ours: HashSet<u32> = roster.whole_target(|_| false).into_iter().collect();
    let mut others = group_processes(group.directory());
    others.retain(|pid| !ours.contains(pid));
    others.sort_unstable();
    let first = *others.first()?;
    let command = std::fs::read(format!("/proc/{first}/stat")).map(|text| command_name(&text)).unwrap_or_default();
    let who = match others.len() {
        1 => format!("PID {first} ({}) is", shown_command(&command)),
        count => format!("{count} processes, the first PID {first} ({}), are", shown_command(&command)),
    };
    let path = group.directory().display();
    Some(format!(
        "{who} in the target's control group and not of its family, and not looked at; `--cgroup {path}` does"
    ))
}
