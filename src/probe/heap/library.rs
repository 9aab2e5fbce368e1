//! The preload library that this binary carries, put where targets can load it.

use rustix::fs::StatVfsMountFlags;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use thiserror::Error;

/// The library; empty where it can't be built.
#[cfg(seepage_preload)]
static LIBRARY: &[u8] = include_bytes!(env!("SEEPAGE_PRELOAD"));
#[cfg(not(seepage_preload))]
static LIBRARY: &[u8] = &[];

/// Name of its file.
const NAME: &str = "libseepage_heap.so";

/// Variable of the environment by which it learns the mean of bytes between samples.
const MEAN: &str = "SEEPAGE_HEAP_MEAN";

/// The directory by whose name the library is preloaded. AddressSanitizer refuses to start if another library comes before it,
/// and knows itself by this part of a name. Its static form refuses to start if its dynamic one is mapped, and goes by where
/// files really are: so what is here are links. With either of them our library only passes on.
const PASSED_ON: &str = "before-libasan.so";

/// For `$LIB` the GNU C library puts the name of its own directory, one of these, or another of a rarer system. Other C
/// libraries, such as musl, don't know it, find nothing, and go on without ours, which they can't load. Whatever
/// takes it for a variable of the environment finds the library too.
const DIRECTORIES: [&str; 4] = ["lib/x86_64-linux-gnu", "lib64", "lib", ""];
const DIRECTORY: &str = "$LIB";

/// Why the library can't be used.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// It isn't built for this system.
    #[error("this seepage carries no preload library: it is made for x86-64 Linux with the GNU C library only")]
    Unsupported,
    /// It could not be written.
    #[error("could not write the preload library to {}: {source}", path.display())]
    Write {
        /// Where it was to go.
        path: PathBuf,
        /// Why it could not.
        source: io::Error,
    },
    /// No program may be loaded from there.
    #[error(
        "no process can load the preload library from {}: its file system is mounted `noexec`; set TMPDIR to a directory \
         from which programs may be run, or leave --heap out", path.display()
    )]
    NoExec {
        /// Where it was to go.
        path: PathBuf,
    },
}

/// The library in a directory of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    path: PathBuf,
    /// How processes are told of it.
    preload: PathBuf,
}

impl Library {
    /// Writes the library into `directory`, readable by everybody: workers that dropped their privileges load it too.
    ///
    /// # Errors
    /// If this binary has none, it can't be written, or no program can be loaded from there.
    pub fn install(directory: &Path) -> Result<Self, LibraryError> {
        if LIBRARY.is_empty() {
            return Err(LibraryError::Unsupported);
        }
        let path = directory.join(NAME);
        let flags = rustix::fs::statvfs(directory).map(|mount| mount.f_flag);
        if flags.is_ok_and(|flags| flags.contains(StatVfsMountFlags::NOEXEC)) {
            return Err(LibraryError::NoExec { path });
        }
        fs::write(&path, LIBRARY)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
            .and_then(|()| link(directory, &path))
            .map_err(|source| LibraryError::Write { path: path.clone(), source })?;
        let preload = directory.join(PASSED_ON).join(DIRECTORY).join(NAME);
        let preload = if is_found(&preload) { preload } else { path.clone() };
        Ok(Library { path, preload })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds to an environment what puts the library into everything that is launched with it, sampling a block every
    /// `mean` bytes on average. What was to be preloaded already stays, after ours.
    pub fn enter(&self, environment: &mut BTreeMap<String, String>, mean: u64) {
        let ours = self.preload.display();
        let preload = match environment.get("LD_PRELOAD").filter(|others| !others.is_empty()) {
            Some(others) => format!("{ours}:{others}"),
            None => ours.to_string(),
        };
        environment.insert("LD_PRELOAD".into(), preload);
        environment.insert(MEAN.into(), mean.to_string());
    }
}

/// Makes the links by which processes find the library.
fn link(directory: &Path, library: &Path) -> io::Result<()> {
    for name in DIRECTORIES {
        let place = directory.join(PASSED_ON).join(name);
        // Workers that dropped their privileges come here too.
        DirBuilder::new().recursive(true).mode(0o755).create(&place)?;
        std::os::unix::fs::symlink(library, place.join(NAME))?;
    }
    Ok(())
}

/// Whether the C library of this system finds a library by this path: it complains of one that it doesn't.
fn is_found(preload: &Path) -> bool {
    let mut program = Command::new("/proc/self/exe");
    program.arg("--version").env("LD_PRELOAD", preload).stdin(Stdio::null());
    program.output().is_ok_and(|output| !String::from_utf8_lossy(&output.stderr).contains(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_environment_says_already_stays() {
        let library = Library { path: "/run/ours.so".into(), preload: "/run/$LIB/ours.so".into() };
        let entered = |before: &[(&str, &str)]| {
            let mut environment = before.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            library.enter(&mut environment, 7);
            ["LD_PRELOAD", MEAN].map(|name| environment.remove(name).unwrap())
        };
        assert_eq!(entered(&[]), ["/run/$LIB/ours.so", "7"]);
        assert_eq!(entered(&[("LD_PRELOAD", "theirs.so")]), ["/run/$LIB/ours.so:theirs.so", "7"]);
        assert_eq!(entered(&[("LD_PRELOAD", "")]), entered(&[]));
    }

    #[test]
    fn this_system_finds_the_library_where_it_is_linked_and_nowhere_else() {
        let directory = tempfile::tempdir().unwrap();
        let library = Library::install(directory.path()).unwrap();
        assert!(library.preload.ends_with("before-libasan.so/$LIB/libseepage_heap.so"), "{library:?}");
        assert!(!is_found(&directory.path().join("elsewhere").join(NAME)));
    }
}
