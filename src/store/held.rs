//! Who still writes a directory: the process that does holds a lock on it, and the kernel lets go of that when the process
//! ends, however it ends.

use super::Folder;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Holds the directory of an experiment as long as the descriptor is open, so that nobody else goes on with it or removes it.
///
/// # Errors
/// If another process holds it, or it can't be opened.
pub fn hold(directory: &Path) -> io::Result<OwnedFd> {
    let held = open(CWD, directory)?;
    match flock(&held, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(held),
        Err(Errno::WOULDBLOCK) => {
            Err(io::Error::new(io::ErrorKind::WouldBlock, "another process of seepage goes on with it"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Holds a directory that was just made; `None` on a file system without locks, where nobody can tell then.
pub(super) fn hold_new(folder: &Folder) -> Option<OwnedFd> {
    let held = open(folder.as_fd(), Path::new(".")).ok()?;
    flock(&held, FlockOperation::NonBlockingLockExclusive).is_ok().then_some(held)
}

/// Whether somebody holds a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// Nobody does: whoever did is no more.
    Nobody,
    /// A process that lives does.
    Somebody,
    /// It can't be told.
    Unknown,
}

/// Who holds a directory. Whoever asks disturbs nobody else who asks.
pub(super) fn holder(directory: &Path) -> Holder {
    let Ok(opened) = open(CWD, directory) else { return Holder::Unknown };
    match flock(&opened, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Holder::Nobody,
        Err(Errno::WOULDBLOCK) => Holder::Somebody,
        Err(_) => Holder::Unknown,
    }
}

fn open(at: impl AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    openat(at, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}
