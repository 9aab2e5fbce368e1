//! Directories that belong to a living run: its scratch directory and its control group.
//!
//! A run holds a lock on each, its guard and keepers share in it, and the kernel lets go of it when the last of them is
//! gone. So a later run can tell what a dead one left from what a living one needs, whatever their age.

use crate::removal;
use regex::Regex;
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// In a scratch directory: the file whose lock tells that its run lives, and the folder that the target may use.
const LOCK: &str = "lock";
const WORK: &str = "work";

/// How often a directory is made again that another run took for a dead one's, between its making and its lock.
const ATTEMPTS: usize = 10;

/// How long the kernel may need to let go of a control group whose last process has ended.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// How long a scratch directory may take to be removed; what is left then is left to a later run.
const LONGEST: Duration = Duration::from_secs(60);

/// The names of our directories: `seepage-`, and the id of a run.
static OURS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^seepage-\d{8}T\d{6}Z-.*-[0-9a-f]{6}$").expect("a fixed pattern, compiled by a test")
});

/// A directory that belongs to one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Claim {
    /// A scratch directory.
    Scratch(PathBuf),
    /// A control group.
    Group(PathBuf),
}

impl Claim {
    /// Makes the scratch directory: others may enter it, and only its owner may change it. It belongs to whoever holds the
    /// lock that is returned, or a duplicate of it.
    ///
    /// # Errors
    /// If it can't be made, or is there already.
    pub fn make_scratch(path: &Path) -> io::Result<OwnedFd> {
        for _ in 0..ATTEMPTS {
            DirBuilder::new().mode(0o755).create(path)?;
            if let Some(lock) = lock_scratch(path)? {
                return Ok(lock);
            }
        }
        Err(io::Error::other(format!("{} is removed again and again", path.display())))
    }

    /// Locks a control group that was just made.
    ///
    /// # Errors
    /// If it can't be opened or locked, or another run took it for a dead one's meanwhile.
    pub fn lock_group(path: &Path) -> io::Result<OwnedFd> {
        let removed = || io::Error::new(io::ErrorKind::NotFound, "another run removed it");
        let directory = open_directory(path)?.ok_or_else(removed)?;
        let lock = lock(directory, FlockOperation::LockExclusive)?.ok_or_else(removed)?;
        let there = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
        if fstat(&lock)?.st_ino == there.st_ino { Ok(lock) } else { Err(removed()) }
    }

    /// The folder of a scratch directory that the target may use.
    pub fn work(path: &Path) -> PathBuf {
        path.join(WORK)
    }

    /// Removes the directory, which is that of the run that ends, if it is this user's and no link. A control group that still
    /// has a process is left, after some `patience` with the kernel. Returns why something of it stays, if it does.
    pub fn clear(&self, patience: Duration) -> Option<String> {
        match self {
            Claim::Scratch(path) => clear_scratch(path, true),
            Claim::Group(path) => clear_group(path, patience),
        }
    }
}

/// Removes what dead runs of this user have left of scratch directories in `parent`, if nobody holds them. Returns why
/// something of one stays.
pub fn sweep_scratch(parent: &Path) -> Vec<String> {
    ours(parent).filter_map(|path| clear_scratch(&path, false)).collect()
}

/// Removes what dead runs of this user have left of control groups in `parent`. One that still has a process is left.
pub fn sweep_groups(parent: &Path) {
    ours(parent).for_each(|path| drop(clear_group(&path, Duration::ZERO)));
}

fn clear_group(path: &Path, patience: Duration) -> Option<String> {
    let directory = open_directory(path).ok()??;
    let held = lock(directory, FlockOperation::NonBlockingLockExclusive).ok()?;
    held.and_then(|_held| remove_group(path, patience).err()).map(|error| format!("{} stays: {error}", path.display()))
}

/// Removes a scratch directory if nobody holds it. That of a run that ends is known by its name; of others, which may be
/// about to begin, only an empty one goes without a lock.
fn clear_scratch(path: &Path, ending: bool) -> Option<String> {
    let told = |left: &dyn std::fmt::Display| Some(format!("{} stays: {left}", path.display()));
    let (parent, name) = removal::parent(path).ok()?;
    let directory = match removal::open_to_empty(parent.as_fd(), &name) {
        Ok(directory) => directory,
        // Nobody else's, no link, and nothing that is there no more.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => return None,
        Err(Errno::XDEV) => return told(&"it is mounted"),
        Err(error) => return told(&io::Error::from(error)),
    };
    if !is_ours(&directory) {
        return None;
    }
    // The lock is held until all is gone, so that no two runs remove it at once.
    let _held = match openat(
        &directory,
        LOCK,
        OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        Ok(file) => Some(lock(file, FlockOperation::NonBlockingLockExclusive).ok()??),
        // The target may do to it what it likes.
        Err(_) if ending => None,
        // Its run died, or is, between making the directory and its lock.
        Err(Errno::NOENT) => {
            let _ = unlinkat(&parent, &name, AtFlags::REMOVEDIR);
            return None;
        }
        Err(error) => return told(&io::Error::from(error)),
    };
    // The lock goes last: what is left by a crash is then found by a later run.
    let until = Instant::now() + LONGEST;
    if let Err(left) = removal::empty(&directory, path, &[LOCK], Some(until)) {
        return told(&left);
    }
    let gone = match unlinkat(&directory, LOCK, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => unlinkat(&parent, &name, AtFlags::REMOVEDIR),
        failed => failed,
    };
    gone.err().and_then(|error| told(&io::Error::from(error)))
}

/// The directories in `parent` that are named as ours.
fn ours(parent: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    entries.filter(|e| e.file_name().to_str().is_some_and(|name| OURS.is_match(name))).map(|e| e.path())
}

/// Opens a directory of this user, and nothing through a link; `None` if it isn't there, or isn't one.
fn open_directory(path: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match openat(CWD, path, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(is_ours(&opened).then_some(opened))
}

/// Whether a directory is this user's.
fn is_ours(directory: &OwnedFd) -> bool {
    fstat(directory).is_ok_and(|stat| stat.st_uid == rustix::process::geteuid().as_raw())
}

/// Makes the lock of a scratch directory and its folder; `None` if the directory was removed meanwhile.
fn lock_scratch(path: &Path) -> io::Result<Option<OwnedFd>> {
    let made = || -> rustix::io::Result<(OwnedFd, OwnedFd)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(CWD, path, flags, Mode::empty())?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&directory, LOCK, flags, Mode::from_raw_mode(0o600))?;
        Ok((directory, file))
    };
    let (directory, file) = match made() {
        Ok(made) => made,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(held) = lock(file, FlockOperation::LockExclusive)? else { return Ok(None) };
    // Whoever had the lock before us may have removed all of it.
    if fstat(&held)?.st_nlink == 0 {
        return Ok(None);
    }
    mkdirat(&directory, WORK, Mode::from_raw_mode(0o755))?;
    Ok(Some(held))
}

/// Locks a file or directory; `None` if someone else has it locked, and the wait isn't asked for.
fn lock(descriptor: OwnedFd, how: FlockOperation) -> io::Result<Option<OwnedFd>> {
    match flock(&descriptor, how) {
        Ok(()) => Ok(Some(descriptor)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn remove_group(path: &Path, patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        match std::fs::remove_dir(path) {
            Err(error) if error.raw_os_error() == Some(nix::libc::EBUSY) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => return removed,
        }
    }
}
