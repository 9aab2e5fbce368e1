//! The process tree, as `/proc` has it at one moment.

use crate::probe::{ProcStat, parse_stat};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// PIDs of the children of `pid`, of all its threads. Empty if it has ended.
pub fn children(pid: u32) -> Vec<u32> {
    // Most processes have one thread: its list is all that there is, and to ask for others costs more than to read it.
    if threads(pid) == Some(1)
        && let Ok(text) = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
    {
        return pids(&text).collect();
    }
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(text) => children.extend(pids(&text)),
            // Kernels without CONFIG_PROC_CHILDREN have no such file.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && thread.path().exists() => {
                return by_parent().remove(&pid).unwrap_or_default();
            }
            Err(_) => {}
        }
    }
    children
}

/// How many threads `pid` has: a directory is linked to from within each of those that it holds, and two times more.
fn threads(pid: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/task")).ok()?.nlink().checked_sub(2)
}

fn pids(text: &str) -> impl Iterator<Item = u32> {
    text.split_whitespace().filter_map(|pid| pid.parse().ok())
}

/// PIDs of everything below `pid`, parents before their children.
pub fn descendants(pid: u32) -> Vec<u32> {
    descendants_but(pid, |_| false)
}

/// The same, where those that have `ended` are known to have no children.
pub fn descendants_but(pid: u32, ended: impl Fn(u32) -> bool) -> Vec<u32> {
    let mut found = children(pid);
    // A process that is given a new parent while we look may be seen twice.
    let mut seen: HashSet<u32> = found.iter().copied().chain([pid]).collect();
    let mut next = 0;
    while next < found.len() {
        let below = if ended(found[next]) { Vec::new() } else { children(found[next]) };
        found.extend(below.into_iter().filter(|&child| seen.insert(child)));
        next += 1;
    }
    found
}

/// PIDs of every process of the host that is seen, but for our own and those above it.
pub fn everyone() -> Vec<u32> {
    let mut ours = vec![std::process::id()];
    while let Some(parent) = ours.last().and_then(|pid| parent(*pid)).filter(|pid| *pid > 1) {
        ours.push(parent);
    }
    all().filter(|pid| !ours.contains(pid)).collect()
}

/// The parent of `pid`; `None` if it has ended.
pub fn parent(pid: u32) -> Option<u32> {
    Some(stat(pid)?.parent)
}

/// When `pid` started, in ticks since boot; `None` if it has ended.
pub fn start(pid: u32) -> Option<u64> {
    stat(pid).filter(|stat| !stat.has_ended()).map(|stat| stat.start)
}

fn stat(pid: u32) -> Option<ProcStat> {
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

fn all() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Every process of the host by its parent.
fn by_parent() -> HashMap<u32, Vec<u32>> {
    let mut tree: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in all() {
        if let Some(parent) = parent(pid) {
            tree.entry(parent).or_default().push(pid);
        }
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_and_its_child_are_found() {
        // The shell stays because a second command follows.
        let mut shell = Command::new("sh").args(["-c", "sleep 60; true"]).stdin(Stdio::null()).spawn().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while children(shell.id()).is_empty() {
            assert!(std::time::Instant::now() < deadline, "the shell never started its child");
            std::thread::yield_now();
        }
        let below = descendants(std::process::id());
        let sleeper = children(shell.id());
        assert!(below.contains(&shell.id()) && below.contains(&sleeper[0]));
        assert_eq!(by_parent()[&shell.id()], sleeper);
        for pid in [sleeper[0], shell.id()] {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::SIGKILL);
        }
        shell.wait().unwrap();
        assert!(descendants(shell.id()).is_empty());
    }
}
