//! What a target that failed has written into its scratch directory: often the reason stands there, and nowhere else.

use crate::store::Folder;
use crate::supervise::tail;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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
    files.retain(|(written, _)| *written + GRAIN >= begun);
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

/// How far the clock by which the kernel dates files may be behind the one by which we tell the time.
const GRAIN: Duration = Duration::from_millis(10);

/// Directory of the run directory in which files of the target are kept.
const KEPT: &str = "work";

/// What is kept of a file, its end, and of all together, in bytes; and how many files.
const MOST_OF_ONE: u64 = 1 << 20;
const MOST_OF_ALL: u64 = 16 << 20;
const MOST_KEPT: usize = 64;

/// Copies the plain files below `work` that were written since `begun` into the run directory `folder`, the newest first, as far as
/// there is room. Returns what the reader should know, in a sentence.
pub fn keep(work: &Path, begun: SystemTime, folder: &Folder) -> Option<String> {
    let mut files = Vec::new();
    gather(work, DEEPEST, &mut files);
    files.retain(|(written, _)| *written + GRAIN >= begun);
    files.sort_by(|a, b| b.cmp(a));
    let (mut room, mut kept, mut cut) = (MOST_OF_ALL, 0, 0);
    for (_, path) in files.iter().take(MOST_KEPT) {
        let copied = (|| copy(path, path.strip_prefix(work).ok()?, folder, MOST_OF_ONE.min(room)))();
        let Some((length, whole)) = copied else { continue };
        room -= length;
        kept += 1;
        cut += usize::from(!whole);
    }
    let count = |n: usize| if n == 1 { "1 file".to_owned() } else { format!("{n} files") };
    let ends = if cut > 0 { format!(", of {} only the end", count(cut)) } else { String::new() };
    let left = match files.len() - kept {
        0 => String::new(),
        left => format!("; {} for which there is no room went with the scratch directory", count(left)),
    };
    (kept > 0).then(|| {
        format!(
            "what was written in the scratch directory is kept in `{KEPT}` of the run directory: {}{ends}{left}",
            count(kept)
        )
    })
}

/// Copies the end of a file, below directories of its own; returns how many bytes that were, and whether it is all.
fn copy(path: &Path, name: &Path, folder: &Folder, most: u64) -> Option<(u64, bool)> {
    let from = Folder::open(path.parent()?).ok()?.read(path.file_name()?.to_str()?).ok()?;
    let length = from.metadata().ok().filter(|metadata| metadata.is_file() && most > 0)?.len();
    let mut place = below(folder, KEPT)?;
    for part in name.parent().into_iter().flat_map(Path::components) {
        place = below(&place, part.as_os_str().to_str()?)?;
    }
    let mut to = place.create(name.file_name()?.to_str()?).ok()?;
    (&from).seek(SeekFrom::Start(length.saturating_sub(most))).ok()?;
    let copied = std::io::copy(&mut (&from).take(most), &mut to).ok()?;
    Some((copied, copied == length))
}

/// A directory in another, which is made if it isn't there.
fn below(folder: &Folder, name: &str) -> Option<Folder> {
    Folder::make(folder.path(), name).or_else(|_| Folder::open(&folder.path().join(name))).ok()
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
    fn files_are_kept_as_far_as_there_is_room() {
        let (work, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(work.path().join("logs")).unwrap();
        std::fs::write(work.path().join("logs/error.log"), "no such module\n").unwrap();
        let long = "x".repeat(MOST_OF_ONE as usize) + "end";
        std::fs::write(work.path().join("long"), &long).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", work.path().join("passwd")).unwrap();
        let folder = Folder::open(run.path()).unwrap();
        let told = keep(work.path(), SystemTime::UNIX_EPOCH, &folder).unwrap();
        assert!(told.ends_with("`work` of the run directory: 2 files, of 1 file only the end"), "{told}");
        assert_eq!(std::fs::read_to_string(run.path().join("work/logs/error.log")).unwrap(), "no such module\n");
        let kept = std::fs::read_to_string(run.path().join("work/long")).unwrap();
        assert!(kept.len() as u64 == MOST_OF_ONE && kept.ends_with("xend"));
        assert!(!run.path().join("work/passwd").exists());
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert_eq!(keep(work.path(), later, &folder), None, "nothing was written");
    }

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
