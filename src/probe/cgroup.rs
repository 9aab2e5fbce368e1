//! A memory control group of the run's own: it limits what is launched, and says what it uses.

use std::fs;
use std::io::{self, Error};
use std::path::{Path, PathBuf};

/// The file of a group with its processes, a PID a line.
const PROCESSES: &str = "cgroup.procs";

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
    /// What the kernel itself holds for the group, sockets included; in version 2 less the slab that it can give back.
    pub kernel: Option<u64>,
    /// The part of that in socket buffers.
    pub sock: Option<u64>,
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

    /// The directories in which a group may have been made.
    pub fn places() -> Vec<PathBuf> {
        places().into_iter().map(|(_, parent)| parent).collect()
    }

    /// The group that the process `pid` is in, if it is one of its own: not the root of the hierarchy, and not the group
    /// that we are in ourselves.
    pub fn of(pid: u32) -> Option<Self> {
        let process = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?;
        let mounts = procfs::process::Process::myself().and_then(|p| p.mountinfo()).ok()?;
        let ours = procfs::process::Process::myself().and_then(|p| p.cgroups()).ok()?.0;
        let groups = process.cgroups().ok()?.0;
        let own = groups.into_iter().filter(|g| {
            let shared = |o: &procfs::ProcessCGroup| o.hierarchy == g.hierarchy && o.pathname == g.pathname;
            g.pathname != "/" && !ours.iter().any(shared)
        });
        let places = own.filter_map(|group| {
            let directory = mount_of(&mounts, &group)?.join(group.pathname.trim_start_matches('/'));
            let version = if group.hierarchy == 0 { 2 } else { 1 };
            Some(MemoryGroup { directory, version })
        });
        places.filter(|group| group.read().memory.is_some()).max_by_key(|group| group.version)
    }

    /// Its limit in bytes; `None` if there is none.
    pub fn limit(&self) -> Option<u64> {
        let name = if self.version == 2 { "memory.max" } else { "memory.limit_in_bytes" };
        let limit: u64 = fs::read_to_string(self.directory.join(name)).ok()?.trim().parse().ok()?;
        // Version 1 says "none" with the highest number of pages.
        (limit < 1 << 60).then_some(limit)
    }

    /// The lowest limit in bytes of the group and of those above it that can be seen; `None` if there is none.
    pub fn effective_limit(&self) -> Option<u64> {
        let above = self.directory.ancestors().take_while(|d| d.join(PROCESSES).is_file());
        above.filter_map(|d| MemoryGroup { directory: d.to_owned(), version: self.version }.limit()).min()
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
        self.directory.join(PROCESSES)
    }

    /// Reads the group; what this kernel doesn't tell is missing.
    pub fn read(&self) -> GroupReading {
        let file = |name: &str| fs::read_to_string(self.directory.join(name)).ok();
        let (usage, events, kills) = if self.version == 2 {
            ("memory.current", "memory.events", "oom_kill")
        } else {
            ("memory.usage_in_bytes", "memory.oom_control", "oom_kill")
        };
        let number = |name: &str| file(name).and_then(|text| text.trim().parse().ok());
        let stat = file("memory.stat").unwrap_or_default();
        let (kernel, sock) = if self.version == 2 {
            let reclaimable = keyed(&stat, "slab_reclaimable").unwrap_or(0);
            (keyed(&stat, "kernel").map(|k| k.saturating_sub(reclaimable)), keyed(&stat, "sock"))
        } else {
            (number("memory.kmem.usage_in_bytes"), number("memory.kmem.tcp.usage_in_bytes"))
        };
        GroupReading {
            memory: number(usage),
            shmem: keyed(&stat, "shmem"),
            kernel: kernel.map(|k: u64| k.saturating_add(sock.unwrap_or(0))),
            sock,
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

/// The directory of the control group that `path` names: a directory of the cgroup file system, or a path below it as
/// `/proc/PID/cgroup` has it.
pub fn find_group(path: &Path) -> Option<PathBuf> {
    let mounts = procfs::process::Process::myself().and_then(|p| p.mountinfo()).map_or_else(|_| Vec::new(), |m| m.0);
    let below = mounts.into_iter().filter(|m| m.fs_type.starts_with("cgroup"));
    let relative = path.strip_prefix("/").unwrap_or(path);
    let named = [path.to_owned()].into_iter().chain(below.map(|m| m.mount_point.join(relative)));
    named.into_iter().find(|directory| directory.join(PROCESSES).is_file())
}

/// PIDs of the processes in the group at `directory` and in the groups below it.
pub fn group_processes(directory: &Path) -> Vec<u32> {
    let text = fs::read_to_string(directory.join(PROCESSES)).unwrap_or_default();
    // Processes outside our PID namespace are listed as 0.
    let mut processes: Vec<u32> = text.lines().filter_map(|pid| pid.parse().ok()).filter(|pid| *pid != 0).collect();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            processes.extend(group_processes(&entry.path()));
        }
    }
    processes
}

/// Where the hierarchy of a group is mounted, if it accounts for memory.
fn mount_of(mounts: &procfs::process::MountInfos, group: &procfs::ProcessCGroup) -> Option<PathBuf> {
    let fits = |m: &&procfs::process::MountInfo| match group.hierarchy {
        0 => m.fs_type == "cgroup2",
        _ => m.fs_type == "cgroup" && m.super_options.contains_key("memory"),
    };
    let accounts = group.hierarchy == 0 || group.controllers.iter().any(|c| c == "memory");
    accounts.then(|| Some(mounts.0.iter().find(fits)?.mount_point.clone()))?
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
