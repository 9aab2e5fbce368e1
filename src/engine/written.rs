//! What a target that failed has written into its scratch directory: often the reason stands there, and nowhere else.

use crate::store::Folder;
use crate::supervise::tail;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files that are shown, the newest first, and how much of each.
const MOST_FILES: usize = 3;
const SHOWN: u64 = 1024;
/// Entries of a directory that are looked at, and directories below one another.
const MOST_ENTRIES: usize = 256;
const DEEPEST: u32 = 2;

/// The ends of the plain text files below `work` that were written since `begun`, each below its name; empty if there are none.
/// No link is followed: it may lead to what only we may read.
pub fn ends(work: &Path, begun: SystemTime) -> String {
    let mut files = Vec::new();
    gather(work, DEEPEST, &mut files);
    files.retain(|(written, _)| *written >= begun);
    files.sort_by(|a, b| b.cmp(a));
    let shown = files.iter().filter_map(|(_, path)| {
        let folder = Folder::open(path.parent()?).ok()?;
        let text = tail(&folder.read(path.file_name()?.to_str()?).ok()?, SHOWN);
        let name = path.strip_prefix(work).unwrap_or(path).display().to_string();
        let is_text = !text.trim().is_empty() && !text.contains(['\0', char::REPLACEMENT_CHARACTER]);
        is_text.then(|| format!("\nlast lines of {name}:\n{}", text.trim_end()))
    });
    shown.take(MOST_FILES).collect()
}

fn gather(directory: &Path, deeper: u32, files: &mut Vec<(SystemTime, PathBuf)>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten().take(MOST_ENTRIES) {
        // Of the entry itself, not of what a link leads to.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() && deeper > 0 {
            gather(&entry.path(), deeper - 1, files);
        } else if metadata.is_file() && metadata.len() > 0 {
            files.extend(metadata.modified().map(|written| (written, entry.path())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_what_was_written_are_shown_and_no_link_is_followed() {
        let work = tempfile::tempdir().unwrap();
        let path = |name: &str| work.path().join(name);
        std::fs::create_dir(path("logs")).unwrap();
        std::fs::write(path("logs/error.log"), "config line 7: no such module\n").unwrap();
        std::fs::write(path("core"), [0, 1, 2]).unwrap();
        std::fs::write(path("empty"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path("passwd")).unwrap();
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let shown = ends(work.path(), SystemTime::UNIX_EPOCH);
        assert_eq!(shown, "\nlast lines of logs/error.log:\nconfig line 7: no such module");
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert_eq!(ends(work.path(), later), "", "what was there before it began says nothing");
        assert_eq!(ends(&path("absent"), SystemTime::UNIX_EPOCH), "");
    }
}
