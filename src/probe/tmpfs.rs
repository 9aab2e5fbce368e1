//! How full the host's tmpfs mounts are.

use std::collections::HashSet;
use std::path::PathBuf;

/// The tmpfs mounts of this mount namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TmpfsMounts(Vec<PathBuf>);

impl TmpfsMounts {
    /// Finds them, each file system once. Mounts that can't be looked up are left out.
    pub fn find() -> Self {
        let mounts = procfs::process::Process::myself().and_then(|p| p.mountinfo());
        let mut devices = HashSet::new();
        let paths = mounts.into_iter().flat_map(|m| m.0).filter(|m| m.fs_type == "tmpfs");
        TmpfsMounts(paths.filter(|m| devices.insert(m.majmin.clone())).map(|m| m.mount_point).collect())
    }

    /// Bytes in use on all of them; `None` if there are none or one can't be read.
    pub fn used(&self) -> Option<u64> {
        if self.0.is_empty() {
            return None;
        }
        self.0
            .iter()
            .map(|path| {
                let stat = rustix::fs::statvfs(path).ok()?;
                Some(stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize))
            })
            .sum()
    }
}
