//! Who else on the host uses the CPU: processes that neither are ours nor were started by us.

use super::proc::{command_name, parse_stat};
use crate::model::Neighbour;
use std::collections::HashMap;

/// Processes that one reading lists.
const MOST: usize = 8;

/// Looks at all processes of the host, and keeps what each had taken when it was seen first.
#[derive(Debug, Default)]
pub struct NeighbourProbe {
    /// What each had taken at the first look, by PID and start.
    before: Option<HashMap<(u32, u64), u64>>,
}

impl NeighbourProbe {
    /// Those that took most since the first look, and all that each of them did, in seconds.
    pub fn read(&mut self) -> Vec<Neighbour> {
        let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let stats = pids.filter_map(|pid| {
            let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, (parse_stat(&text)?, command_name(&text))))
        });
        let stats: HashMap<u32, _> = stats.collect();
        let ours = std::process::id();
        let is_ours = |pid: u32| {
            let line = std::iter::successors(Some(pid), |pid| stats.get(pid).map(|(stat, _)| stat.parent));
            // No line of parents is longer than there are processes, whatever changed meanwhile.
            line.take(stats.len()).any(|pid| pid == ours)
        };
        let foreign = stats.iter().filter(|(pid, _)| !is_ours(**pid));
        let now: HashMap<(u32, u64), u64> =
            foreign.map(|(pid, (stat, _))| ((*pid, stat.start), stat.user.saturating_add(stat.system))).collect();
        let Some(before) = &self.before else {
            self.before = Some(now);
            return Vec::new();
        };
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let since =
            |(id, ticks): (&(u32, u64), &u64)| (*id, ticks.saturating_sub(before.get(id).copied().unwrap_or(0)));
        let mut took: Vec<((u32, u64), u64)> = now.iter().map(since).filter(|(_, ticks)| *ticks > 0).collect();
        took.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        took.truncate(MOST);
        let told = |((pid, start), took): ((u32, u64), u64)| Neighbour {
            pid,
            start,
            command: stats.get(&pid).map_or_else(String::new, |(_, command)| command.clone()),
            cpu: took as f64 / ticks,
        };
        took.into_iter().map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_of_ours_is_a_neighbour() {
        let mut probe = NeighbourProbe::default();
        assert_eq!(probe.read(), []);
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
        let others = probe.read();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(others.iter().all(|other| other.pid != child.id() && other.pid != std::process::id()), "{others:?}");
        assert!(others.len() <= MOST && others.is_sorted_by(|a, b| a.cpu >= b.cpu), "{others:?}");
    }
}
