//! The preload library that this binary carries, put where targets can load it.

use rustix::fs::StatVfsMountFlags;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
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

/// Variable by which AddressSanitizer is told what to do, and what it is told: to start although our library comes before
/// it. There our library only passes on; no other program looks at this.
const SANITIZER: &str = "ASAN_OPTIONS";
const LATER_IS_FINE: &str = "verify_asan_link_order=0";

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
pub struct Library(PathBuf);

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
            .map_err(|source| LibraryError::Write { path: path.clone(), source })?;
        Ok(Library(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Adds to an environment what puts the library into everything that is launched with it, sampling a block every
    /// `mean` bytes on average. What was to be preloaded already stays, after ours.
    pub fn enter(&self, environment: &mut BTreeMap<String, String>, mean: u64) {
        let ours = self.0.display();
        let preload = match environment.get("LD_PRELOAD").filter(|others| !others.is_empty()) {
            Some(others) => format!("{ours}:{others}"),
            None => ours.to_string(),
        };
        environment.insert("LD_PRELOAD".into(), preload);
        environment.insert(MEAN.into(), mean.to_string());
        let options = environment.get(SANITIZER).filter(|options| !options.is_empty());
        let options = options.map_or_else(|| LATER_IS_FINE.to_owned(), |own| format!("{own}:{LATER_IS_FINE}"));
        environment.insert(SANITIZER.into(), options);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_environment_says_already_stays() {
        let library = Library("/run/ours.so".into());
        let entered = |before: &[(&str, &str)]| {
            let mut environment = before.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            library.enter(&mut environment, 7);
            [SANITIZER, "LD_PRELOAD", MEAN].map(|name| environment.remove(name).unwrap())
        };
        assert_eq!(entered(&[]), [LATER_IS_FINE, "/run/ours.so", "7"]);
        let before = [("LD_PRELOAD", "theirs.so"), (SANITIZER, "halt_on_error=0")];
        let after = ["halt_on_error=0:verify_asan_link_order=0", "/run/ours.so:theirs.so", "7"];
        assert_eq!(entered(&before), after);
        assert_eq!(entered(&before.map(|(name, _)| (name, ""))), entered(&[]));
    }
}
