//! A directory of ours, written through a descriptor that was opened once.

use super::WriteError;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, mkdirat, openat, renameat, unlinkat};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory that stays the same one, whatever happens to its path: whoever may rename it can't lead our files to
/// another place by a link. Nothing in it is opened through a link either.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    opened: Arc<OwnedFd>,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Folder {
    /// Makes the directory `name` below `parent`, readable by its owner only.
    ///
    /// # Errors
    /// If it can't be made, or is there already.
    pub fn make(parent: &Path, name: &str) -> Result<Self, WriteError> {
        let shown = parent.join(name);
        let make = || -> io::Result<Folder> {
            std::fs::create_dir_all(parent)?;
            // Whoever is to run commands in other directories needs the whole path.
            let parent = parent.canonicalize()?;
            let above = openat(CWD, &parent, DIRECTORY, Mode::empty())?;
            mkdirat(&above, name, Mode::from_raw_mode(0o700))?;
            let opened = openat(&above, name, DIRECTORY, Mode::empty())?;
            if fstat(&opened)?.st_uid != rustix::process::geteuid().as_raw() {
                return Err(io::Error::other("someone else put a directory in its place"));
            }
            Ok(Folder { path: parent.join(name), opened: Arc::new(opened) })
        };
        make().map_err(|source| WriteError::new(shown.clone(), source))
    }

    /// Opens a directory of ours.
    ///
    /// # Errors
    /// If it can't be opened, or is a link.
    pub fn open(path: &Path) -> Result<Self, WriteError> {
        match openat(CWD, path, DIRECTORY, Mode::empty()) {
            Ok(opened) => Ok(Folder { path: path.to_owned(), opened: Arc::new(opened) }),
            Err(error) => Err(WriteError::new(path.to_owned(), error.into())),
        }
    }

    /// Where it was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a new file, private, to append to.
    ///
    /// # Errors
    /// If it can't be made, or is there already.
    pub fn create(&self, name: &str) -> Result<File, WriteError> {
        self.file(name, OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL)
    }

    /// Opens a file to append to, and makes it if it isn't there.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn append(&self, name: &str) -> Result<File, WriteError> {
        self.file(name, OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE)
    }

    /// Opens a file to read; never waits for who may be at the other end of a FIFO.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn read(&self, name: &str) -> Result<File, WriteError> {
        self.file(name, OFlags::RDONLY | OFlags::NONBLOCK)
    }

    /// Opens a file that others write to, to change it; never waits for who may be at the other end of a FIFO.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn edit(&self, name: &str) -> Result<File, WriteError> {
        self.file(name, OFlags::RDWR | OFlags::NONBLOCK)
    }

    /// Writes a JSON document, whole or not at all.
    pub(super) fn write_document(&self, name: &str, value: &impl Serialize) -> Result<(), WriteError> {
        let temporary = format!("{name}.new");
        let write = || -> io::Result<()> {
            // Left over from a process that was killed.
            let _ = unlinkat(&self.opened, &temporary, AtFlags::empty());
            let mut file = self.create(&temporary).map_err(|error| error.source)?;
            serde_json::to_writer_pretty(&mut file, value)?;
            file.write_all(b"\n")?;
            renameat(&self.opened, &temporary, &self.opened, name)?;
            Ok(())
        };
        let written = write();
        if written.is_err() {
            let _ = unlinkat(&self.opened, &temporary, AtFlags::empty());
        }
        written.map_err(|source| WriteError::new(self.path.join(name), source))
    }

    fn file(&self, name: &str, how: OFlags) -> Result<File, WriteError> {
        let flags = how | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.opened, name, flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => Ok(file.into()),
            Err(error) => Err(WriteError::new(self.path.join(name), error.into())),
        }
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.opened.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_in_the_place_of_the_directory_leads_nowhere() {
        let home = tempfile::tempdir().unwrap();
        let elsewhere = home.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        let folder = Folder::make(home.path(), "run").unwrap();
        std::fs::rename(folder.path(), home.path().join("moved")).unwrap();
        symlink(&elsewhere, folder.path()).unwrap();

        folder.create("events.jsonl").unwrap().write_all(b"x").unwrap();
        folder.write_document("run.json", &[1]).unwrap();

        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
        assert_eq!(std::fs::read_dir(home.path().join("moved")).unwrap().count(), 2);
        assert!(Folder::open(folder.path()).is_err());
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let victim = home.path().join("victim");
        std::fs::write(&victim, "untouched").unwrap();
        let folder = Folder::make(home.path(), "run").unwrap();
        for name in ["prepare.log", "run.json", "run.json.new"] {
            symlink(&victim, folder.path().join(name)).unwrap();
        }
        assert!(folder.append("prepare.log").is_err() && folder.create("prepare.log").is_err());
        assert!(folder.read("prepare.log").is_err());
        folder.write_document("run.json", &[1]).unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
        assert!(!folder.path().join("run.json").is_symlink());
    }
}
