//! Puts reports into a run directory.
//!
//! A run directory is untrusted: names are opened relative to it, links are never followed, and each file appears
//! whole or not at all.

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

/// A directory that stays the same one, whatever happens to its path.
pub struct Directory(OwnedFd);

impl Directory {
    /// Opens the directory at `path`; a link in its place is an error: whoever may write beside a run directory could put
    /// one there while the run goes on.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Directory(rustix::fs::openat(CWD, path, flags, Mode::empty())?))
    }

    /// Opens the directory `name` in this one, which is made if it isn't there; a link in its place is an error.
    pub fn subdirectory(&self, name: &str) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(e.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Directory(rustix::fs::openat(&self.0, name, flags, Mode::empty())?))
    }

    /// Writes the file `name`, in place of what has that name.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = format!(".{name}.{}.tmp", std::process::id());
        // Left over from a process that had our PID and was killed.
        match rustix::fs::unlinkat(&self.0, &temporary, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(e.into()),
        }
        let written = self.create(&temporary, content).and_then(|()| {
            rustix::fs::renameat(&self.0, &temporary, &self.0, name)?;
            Ok(())
        });
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&self.0, &temporary, AtFlags::empty());
        }
        written
    }

    fn create(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o644))?;
        File::from(file).write_all(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let victim = home.path().join("victim");
        std::fs::write(&victim, "untouched").unwrap();
        let run = home.path().join("run");
        std::fs::create_dir(&run).unwrap();
        symlink(&victim, run.join("report.md")).unwrap();

        Directory::open(&run).unwrap().write("report.md", b"new").unwrap();

        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!(std::fs::read_to_string(run.join("report.md")).unwrap(), "new");
        assert!(!run.join("report.md").is_symlink());
        assert_eq!(std::fs::read_dir(&run).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_directory_that_is_a_link_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let elsewhere = home.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, home.path().join("charts")).unwrap();
        assert!(Directory::open(&home.path().join("charts")).is_err());
        assert!(Directory::open(home.path()).unwrap().subdirectory("charts").is_err());
    }
}
