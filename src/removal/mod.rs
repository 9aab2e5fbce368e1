//! Removes a directory with all that is in it, and nothing beyond it.
//!
//! Always: no link is followed, and nothing that is mounted in it is touched. What was mounted there, as a server that runs
//! as root may have done, is somebody else's, and the files in it are not ours to remove. It stays, and is told.

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, chmod, fchmod, fstat, openat, openat2};
use rustix::fs::{statat, unlinkat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[cfg(test)]
mod tests;

/// How many of the things that stay are named.
const NAMED: usize = 3;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What could not be removed, and why.
#[derive(Debug, Default)]
pub struct Left {
    first: Vec<(PathBuf, Errno)>,
    more: usize,
}

impl Left {
    fn add(&mut self, path: PathBuf, why: Errno) {
        if self.first.len() < NAMED { self.first.push((path, why)) } else { self.more += 1 }
    }

    fn one(path: &Path, why: Errno) -> Self {
        Left { first: vec![(path.to_owned(), why)], more: 0 }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |(path, why): &(PathBuf, Errno)| match *why {
            Errno::XDEV | Errno::BUSY => format!("{} is mounted", path.display()),
            Errno::TIMEDOUT => format!("{} takes too long", path.display()),
            why => format!("{}: {}", path.display(), io::Error::from(why)),
        };
        let first: Vec<String> = self.first.iter().map(told).collect();
        let more = if self.more > 0 { format!(", and {} more", self.more) } else { String::new() };
        write!(f, "{}{more}", first.join(", "))
    }
}

impl std::error::Error for Left {}

/// Removes the directory at `path` with all that is in it.
///
/// # Errors
/// If something stays.
pub fn remove(path: &Path) -> Result<(), Left> {
    let failed = |why| Left::one(path, why);
    let (parent, name) = parent(path).map_err(failed)?;
    let directory = open_to_empty(parent.as_fd(), &name).map_err(failed)?;
    empty(&directory, path, &[], None)?;
    unlinkat(&parent, name, AtFlags::REMOVEDIR).map_err(failed)
}

/// The directory in which `path` is, opened, and the name of `path` in it.
///
/// # Errors
/// If it can't be opened.
pub fn parent(path: &Path) -> Result<(OwnedFd, CString), Errno> {
    let name = path.file_name().and_then(|name| CString::new(name.as_bytes()).ok()).ok_or(Errno::INVAL)?;
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((openat(CWD, above, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?, name))
}

/// Opens the directory `name` in `parent` to read it, if it is no link and nothing is mounted there.
///
/// # Errors
/// `XDEV` if something is mounted there; as the kernel says otherwise.
pub fn open(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    open_as(parent, name, OFlags::RDONLY | DIRECTORY)
}

/// Opens the directory `name` in `parent`, if it is no link and nothing is mounted there. If it is this user's, it can be
/// changed from now on, whatever its permissions were.
///
/// # Errors
/// As for `open`.
pub fn open_to_empty(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let opened = match open(parent, name) {
        Err(Errno::ACCESS) => {
            // What can't be read can still be named by a descriptor.
            let named = open_as(parent, name, OFlags::PATH | DIRECTORY)?;
            if let Some(mode) = closed(&named)? {
                chmod(format!("/proc/self/fd/{}", named.as_raw_fd()), mode)?;
            }
            return open(parent, name);
        }
        opened => opened?,
    };
    if let Some(mode) = closed(&opened)? {
        fchmod(&opened, mode)?;
    }
    Ok(opened)
}

/// The permissions that this user's directory should have, if they lack something.
fn closed(directory: &OwnedFd) -> Result<Option<Mode>, Errno> {
    let stat = fstat(directory)?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    let ours = stat.st_uid == rustix::process::geteuid().as_raw();
    Ok((ours && !mode.contains(Mode::RWXU)).then_some(mode | Mode::RWXU))
}

/// Opens `name` in `parent`, unless it is the root of another mount. A bind mount has the device number of what it shows, so
/// it is the mounts that are compared, by the kernel on its way.
fn open_as(parent: BorrowedFd<'_>, name: &CStr, how: OFlags) -> Result<OwnedFd, Errno> {
    match openat2(parent, name, how, Mode::empty(), ResolveFlags::NO_XDEV) {
        // A kernel before 5.6, or one whose seccomp filter doesn't know the call.
        Err(Errno::NOSYS | Errno::PERM) => open_compared(parent, name, how),
        opened => opened,
    }
}

fn open_compared(parent: BorrowedFd<'_>, name: &CStr, how: OFlags) -> Result<OwnedFd, Errno> {
    let opened = openat(parent, name, how, Mode::empty())?;
    match (mount_of(parent), mount_of(opened.as_fd())) {
        (Some(above), Some(here)) if above == here => Ok(opened),
        // What isn't known to be the same counts as another.
        _ => Err(Errno::XDEV),
    }
}

/// The number of the mount in which an opened file is.
fn mount_of(opened: BorrowedFd<'_>) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", opened.as_raw_fd())).ok()?;
    text.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim().parse().ok()
}

/// Removes all that is in a directory, but for what is in it under the names `kept`; `shown` is what it is called. It gives
/// up at some time, if one is given: whoever still writes into it could keep us busy for ever.
///
/// # Errors
/// If something stays.
pub fn empty(directory: &OwnedFd, shown: &Path, kept: &[&str], until: Option<Instant>) -> Result<(), Left> {
    let kept = kept.iter().filter_map(|name| CString::new(*name).ok()).collect();
    let failed = |why| Left::one(shown, why);
    let top = OpenLevel { name: CString::default(), identity: identity(directory).map_err(failed)?, stays: kept };
    let current = directory.try_clone().map_err(|_| failed(Errno::MFILE))?;
    let mut emptying = Emptying { levels: vec![top], current, shown, until, left: Left::default() };
    emptying.run();
    if emptying.left.first.is_empty() { Ok(()) } else { Err(emptying.left) }
}

/// A directory on the way down. Only the last of them is open: a tree may be deeper than there are descriptors.
struct OpenLevel {
    name: CString,
    identity: (u64, u64),
    /// Names in it that stay.
    stays: HashSet<CString>,
}

struct Emptying<'a> {
    levels: Vec<OpenLevel>,
    current: OwnedFd,
    shown: &'a Path,
    until: Option<Instant>,
    left: Left,
}

impl Emptying<'_> {
    fn run(&mut self) {
        while !self.levels.is_empty() {
            let gone_on = match self.sweep() {
                Ok(Some((below, opened))) => self.descend(below, opened),
                Ok(None) => self.ascend(),
                Err(why) => Err(why),
            };
            if let Err(why) = gone_on {
                let path = self.path(None);
                self.left.add(path, why);
                return;
            }
        }
    }

    /// Removes what it can in the current directory; returns a directory that has to be emptied before the rest.
    fn sweep(&mut self) -> Result<Option<(CString, OwnedFd)>, Errno> {
        for entry in Dir::read_from(&self.current)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." || self.stays(name) {
                continue;
            }
            if self.until.is_some_and(|until| Instant::now() >= until) {
                return Err(Errno::TIMEDOUT);
            }
            match self.remove(name, entry.file_type()) {
                Ok(None) | Err(Errno::NOENT) => {}
                Ok(Some(below)) => return Ok(Some((name.to_owned(), below))),
                Err(why) => self.stay(name, why),
            }
        }
        Ok(None)
    }

    /// Removes a file, or a directory if it is empty; opens it otherwise.
    fn remove(&self, name: &CStr, kind: FileType) -> Result<Option<OwnedFd>, Errno> {
        let kind = match kind {
            FileType::Unknown => {
                FileType::from_raw_mode(statat(&self.current, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)
            }
            known => known,
        };
        if kind != FileType::Directory {
            return unlinkat(&self.current, name, AtFlags::empty()).map(|()| None);
        }
        match unlinkat(&self.current, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) => open_to_empty(self.current.as_fd(), name).map(Some),
            removed => removed.map(|()| None),
        }
    }

    fn descend(&mut self, name: CString, below: OwnedFd) -> Result<(), Errno> {
        self.levels.push(OpenLevel { name, identity: identity(&below)?, stays: HashSet::new() });
        self.current = below;
        Ok(())
    }

    /// Goes back to the directory above, and removes the one that was emptied.
    fn ascend(&mut self) -> Result<(), Errno> {
        let Some(done) = self.levels.pop() else { return Ok(()) };
        let Some(above) = self.levels.last() else { return Ok(()) };
        let parent = openat(&self.current, "..", OFlags::RDONLY | DIRECTORY, Mode::empty())?;
        // Whoever moved it away meanwhile must not lead us to another place.
        if identity(&parent)? != above.identity {
            return Err(Errno::STALE);
        }
        self.current = parent;
        if !done.stays.is_empty() {
            // Why was told of what stays in it.
            self.keep(done.name);
        } else if let Err(why) = unlinkat(&self.current, &done.name, AtFlags::REMOVEDIR) {
            self.stay(&done.name, why);
        }
        Ok(())
    }

    fn stays(&self, name: &CStr) -> bool {
        self.levels.last().is_some_and(|level| level.stays.contains(name))
    }

    fn stay(&mut self, name: &CStr, why: Errno) {
        let path = self.path(Some(name));
        self.left.add(path, why);
        self.keep(name.to_owned());
    }

    fn keep(&mut self, name: CString) {
        if let Some(level) = self.levels.last_mut() {
            level.stays.insert(name);
        }
    }

    fn path(&self, name: Option<&CStr>) -> PathBuf {
        let mut path = self.shown.to_owned();
        let below = self.levels.iter().skip(1).map(|level| level.name.as_c_str()).chain(name);
        path.extend(below.map(|name| OsStr::from_bytes(name.to_bytes())));
        path
    }
}

fn identity(directory: &OwnedFd) -> Result<(u64, u64), Errno> {
    let stat = fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}
