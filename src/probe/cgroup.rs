//! A memory control group of the run's own: it limits what is launched, and says what it uses.

use std::fs;
use std::io::{self, Error};
use std::path::{Path, PathBuf};

/// A control group that was made for this run, version 1 or 2. It is removed by [`MemoryGroup::remove`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryGroup {
    directory: PathBuf,
    version: u8,
}

/// One reading of the group; bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupReading {
    /// Memory charged to the group.
    pub memory: Option<u64>,
    /// The part of it that is shared memory and tmpfs.
    pub shmem: Option<u64>,
    /// Processes that the kernel killed at the group's limit.
    pub kills: Option<u64>,
}

impl MemoryGroup {
    /// Makes the group `name` with a limit of `limit` bytes, version 2 if this host has its memory controller there.
    ///
    /// # Errors
    /// If no memory controller can be found or this user may not make a group; the text says which was tried.
    pub fn create(name: &str, limit: u64) -> io::Result<Self> {
        let mut tried = Vec::new();
        for (version, parent) in places() {
            let directory = parent.join(name);
            let group = MemoryGroup { directory, version };
            match group.set_up(limit) {
                Ok(()) => return Ok(group),
                Err(error) => {
                    let _ = fs::remove_dir(&group.directory);
                    tried.push(format!("{}: {error}", parent.display()));
                }
            }
        }
        let what = if tried.is_empty() { "no memory controller is mounted".to_owned() } else { tried.join("; ") };
        Err(Error::other(what))
    }

    fn set_up(&self, limit: u64) -> io::Result<()> {
        fs::create_dir(&self.directory)?;
        let limit = limit.to_string();
        if self.version == 2 {
            fs::write(self.directory.join("memory.max"), &limit)?;
            // Swapping would only put the limit off. Absent where swap isn't accounted for.
            let _ = fs::write(self.directory.join("memory.swap.max"), "0");
        } else {
            fs::write(self.directory.join("memory.limit_in_bytes"), &limit)?;
            let _ = fs::write(self.directory.join("memory.memsw.limit_in_bytes"), &limit);
        }
        Ok(())
    }

    /// `cgroup v1` or `cgroup v2`.
    pub fn kind(&self) -> &'static str {
        if self.version == 2 { "cgroup v2" } else { "cgroup v1" }
    }

    /// Where the group is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file to which a process writes its PID to enter the group.
    pub fn entrance(&self) -> PathBuf {
        self.directory.join("cgroup.procs")
    }

    /// Reads the group; what this kernel doesn't tell is missing.
    pub fn read(&self) -> GroupReading {
        let file = |name: &str| fs::read_to_string(self.directory.join(name)).ok();
        let (usage, events, kills) = if self.version == 2 {
            ("memory.current", "memory.events", "oom_kill")
        } else {
            ("memory.usage_in_bytes", "memory.oom_control", "oom_kill")
        };
        GroupReading {
            memory: file(usage).and_then(|text| text.trim().parse().ok()),
            shmem: file("memory.stat").and_then(|text| keyed(&text, "shmem")),
            kills: file(events).and_then(|text| keyed(&text, kills)),
        }
    }

    /// Removes the group; it has to be empty of processes. What it was charged for moves to its parent.
    ///
    /// # Errors
    /// If processes are left in it.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

/// The value of `key` in lines of `key value`.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Where a group may be made, best first. In version 2 a group with processes can't hand its controllers on, so the
/// new group goes beside our own rather than below it.
fn places() -> Vec<(u8, PathBuf)> {
    let Ok(process) = procfs::process::Process::myself() else { return Vec::new() };
    let (Ok(mounts), Ok(own)) = (process.mountinfo(), process.cgroups()) else { return Vec::new() };
    let mut places = Vec::new();
    for group in own {
        let relative = group.pathname.trim_start_matches('/').to_owned();
        if group.hierarchy == 0 {
            let Some(mount) = mounts.0.iter().find(|m| m.fs_type == "cgroup2") else { continue };
            let here = mount.mount_point.join(&relative);
            let beside = if relative.is_empty() { here.clone() } else { here.parent().unwrap_or(&here).to_owned() };
            places.extend([beside, here].into_iter().filter(|p| hands_on_memory(p)).map(|p| (2, p)));
        } else if group.controllers.iter().any(|c| c == "memory") {
            let has_memory =
                |m: &&procfs::process::MountInfo| m.fs_type == "cgroup" && m.super_options.contains_key("memory");
            let Some(mount) = mounts.0.iter().find(has_memory) else { continue };
            // In a container the path may be the host's, and only the mount's root is visible.
            let below = mount.mount_point.join(&relative);
            places.push((1, if below.is_dir() { below } else { mount.mount_point.clone() }));
        }
    }
    places.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    places
}

fn hands_on_memory(directory: &Path) -> bool {
    fs::read_to_string(directory.join("cgroup.subtree_control"))
        .is_ok_and(|controllers| controllers.split_whitespace().any(|c| c == "memory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyed_values_are_found_by_their_whole_key() {
        assert_eq!(keyed("total_shmem 9\nshmem 4096\nshmem_thp 3\n", "shmem"), Some(4096));
        assert_eq!(keyed("shmem -1\n", "shmem"), None);
        assert_eq!(keyed("", "shmem"), None);
    }

    /// Needs the right to make groups; elsewhere the error has to say what was tried.
    #[test]
    fn a_group_is_made_read_and_removed_or_refused_with_a_reason() {
        match MemoryGroup::create(&format!("seepage-test-{}", std::process::id()), 64 << 20) {
            Ok(group) => {
                assert!(group.read().memory.is_some());
                assert_eq!(group.read().kills, Some(0));
                group.remove().unwrap();
                assert!(!group.directory().exists());
                group.remove().unwrap();
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
