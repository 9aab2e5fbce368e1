//! Which directories below `reports/` are runs and experiments that are over, and their removal.
//!
//! Only what is surely ours and surely over is ever removed: a directory that has the name that it was given, with a head
//! that says so, and no run in it that may go on: one without an end goes on as long as somebody holds it.

use super::experiment::{EXPERIMENT, SEARCHES};
use super::held::{Holder, hold, holder};
use super::reader::document;
use super::{Experiment, HEAD};
use crate::model::{RunMeta, RunStatus};
use crate::removal;
use rustix::fs::{AtFlags, Dir, FileType, statat};
use serde::Deserialize;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// A directory of a run or of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Where it is.
    pub path: PathBuf,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// What it takes on disk, in bytes.
    pub bytes: u64,
    /// Why it must stay, if it must.
    pub stays: Option<&'static str>,
}

/// The runs and experiments below `reports`, the newest first. What isn't surely one is passed over.
///
/// # Errors
/// If the directory can't be read.
pub fn stored(reports: &Path) -> io::Result<Vec<Stored>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(reports)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        if let Some((started, stays)) = head(&entry.path()) {
            found.push(Stored { bytes: size(&entry.path())?, path: entry.path(), started, stays });
        }
    }
    found.sort_by(|a, b| (&b.started, &b.path).cmp(&(&a.started, &a.path)));
    Ok(found)
}

/// Removes what `stored` found.
///
/// # Errors
/// If it has to stay, goes on by now, has something mounted in it, or can't be removed.
pub fn remove(stored: &Stored) -> io::Result<()> {
    // It may have been taken up again since it was found.
    match head(&stored.path) {
        Some((started, None)) if started == stored.started => {
            if let Some(mounted) = mounted_in(&stored.path) {
                return Err(io::Error::other(format!("{} is mounted in it", mounted.display())));
            }
            // Held until it is gone, so that nobody goes on with it meanwhile, where there are locks.
            let _held = match hold(&stored.path) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                held => held,
            };
            removal::remove(&stored.path).map_err(io::Error::other)
        }
        Some((_, Some(why))) => Err(io::Error::other(why)),
        _ => Err(io::Error::other("it is another directory by now")),
    }
}

const GOES_ON: &str = "it goes on";
const UNKNOWN: &str = "it may go on: its end isn't recorded, and its file system has no locks that could tell";

/// When a run or an experiment began, and why it must stay, if it must; `None` if the directory is neither.
fn head(directory: &Path) -> Option<(String, Option<&'static str>)> {
    let name = directory.file_name()?.to_str()?;
    if exists(&directory.join(HEAD)) {
        let meta: RunMeta = document(&directory.join(HEAD)).ok()?;
        let stays = if meta.status == RunStatus::Running { why_stay(directory) } else { None };
        // One that was renamed, or is a part of something, was put there by somebody.
        return (meta.id == name).then_some((meta.started, stays));
    }
    let (started, kind) = if exists(&directory.join(EXPERIMENT)) {
        let head: Experiment = document(&directory.join(EXPERIMENT)).ok()?;
        (head.started, format!("-{}-ab-", head.name))
    } else {
        let (head, kind): (Search, &str) =
            SEARCHES.iter().find_map(|(file, kind)| Some((document(&directory.join(file)).ok()?, *kind)))?;
        (head.started, format!("-{}-{kind}-", head.name))
    };
    let stamp: String = started.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let rest = name.strip_prefix(&stamp)?.strip_prefix(&kind)?;
    if rest.len() != 6 || !rest.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some((started, why_stay(directory).or_else(|| why_runs_stay(directory))))
}

/// Why a directory must stay whose end isn't recorded: the harness that held it may live.
fn why_stay(directory: &Path) -> Option<&'static str> {
    match holder(directory) {
        Holder::Nobody => None,
        Holder::Somebody => Some(GOES_ON),
        Holder::Unknown => Some(UNKNOWN),
    }
}

/// The head of a search, which its report is.
#[derive(Deserialize)]
struct Search {
    name: String,
    started: String,
}

/// Why the directory of an experiment must stay for a run in it that isn't over.
fn why_runs_stay(directory: &Path) -> Option<&'static str> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Some(UNKNOWN) };
    let runs = entries.flatten().map(|entry| entry.path()).filter(|run| exists(&run.join(HEAD)));
    let goes_on = |run: &PathBuf| {
        let meta = document::<RunMeta>(&run.join(HEAD));
        meta.is_ok_and(|meta| meta.status == RunStatus::Running)
    };
    runs.filter(goes_on).find_map(|run| why_stay(&run))
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Where something is mounted in a directory, if anything is: it would be left, in a directory that is no run any more.
fn mounted_in(directory: &Path) -> Option<PathBuf> {
    let directory = directory.canonicalize().ok()?;
    let mounts = procfs::process::Process::myself().and_then(|process| process.mountinfo()).ok()?;
    mounts.0.into_iter().map(|mount| mount.mount_point).find(|point| point.starts_with(&directory))
}

/// What a directory takes on disk, with all in it that can be read. What is mounted in it is none of it.
fn size(path: &Path) -> io::Result<u64> {
    let (parent, name) = removal::parent(path)?;
    Ok(size_at(parent.as_fd(), &name))
}

fn size_at(parent: BorrowedFd<'_>, name: &CStr) -> u64 {
    let Ok(stat) = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) else { return 0 };
    let bytes = stat.st_blocks as u64 * 512;
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let Some(opened) = directory.then(|| removal::open(parent, name).ok()).flatten() else { return bytes };
    let entries = Dir::read_from(&opened).into_iter().flatten().flatten();
    let below = entries.filter(|entry| entry.file_name() != c"." && entry.file_name() != c"..");
    bytes + below.map(|entry| size_at(opened.as_fd(), entry.file_name())).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RunDirectory;
    use seepage_core::fixture::run::clean;

    fn run(reports: &Path, id: &str, started: &str, status: RunStatus) -> PathBuf {
        started_run(reports, id, started, status).path().to_owned()
    }

    /// A run that goes on as long as what is returned is there.
    fn started_run(reports: &Path, id: &str, started: &str, status: RunStatus) -> RunDirectory {
        let mut run = RunDirectory::create(reports, id).unwrap();
        let meta = RunMeta { format: "1.0".into(), id: id.into(), started: started.into(), status, ..clean().meta };
        run.write_head(&meta).unwrap();
        run.flush().unwrap();
        run
    }

    fn experiment(reports: &Path, id: &str) -> PathBuf {
        let path = super::super::create_directory(reports, id).unwrap();
        let side = |name: &str| super::super::ExperimentSide { name: name.into(), phrase: name.into() };
        let head = Experiment {
            format: Experiment::FORMAT.into(),
            name: "shop".into(),
            started: "2026-01-03T00:00:00Z".into(),
            seed: 1,
            pairs: 8,
            sides: [side("a"), side("b")],
            notes: Vec::new(),
            fingerprint: String::new(),
        };
        head.write(&path).unwrap();
        path
    }

    #[test]
    fn only_what_is_ours_and_over_is_found_the_newest_first() {
        let reports = tempfile::tempdir().unwrap();
        let at = reports.path();
        let old = run(at, "old", "2026-01-01T00:00:00Z", RunStatus::Complete);
        let new = run(at, "new", "2026-01-02T00:00:00Z", RunStatus::Aborted);
        let held = started_run(at, "running", "2026-01-01T12:00:00Z", RunStatus::Running);
        let running = held.path().to_owned();
        let renamed = run(at, "renamed", "2026-01-01T00:00:00Z", RunStatus::Complete);
        std::fs::rename(renamed, at.join("golden")).unwrap();
        std::os::unix::fs::symlink(&old, at.join("link")).unwrap();
        std::fs::create_dir(at.join("mine")).unwrap();
        std::fs::write(at.join("mine/run.json"), "{}").unwrap();
        std::fs::write(at.join("run.json"), "{}").unwrap();
        let found = stored(at).unwrap();
        let paths: Vec<_> = found.iter().map(|s| (s.path.as_path(), s.stays.is_some())).collect();
        assert_eq!(paths, [(new.as_path(), false), (running.as_path(), true), (old.as_path(), false)]);
        assert!(found.iter().all(|s| s.bytes >= 4096), "{found:?}");
        assert!(remove(&found[1]).unwrap_err().to_string().contains("goes on") && running.exists());
        remove(&found[2]).unwrap();
        assert!(!old.exists() && new.exists());
        // Its harness is killed, or could not write its end.
        drop(held);
        let found = stored(at).unwrap();
        assert!(found.iter().all(|stored| stored.stays.is_none()), "{found:?}");
        remove(&found[1]).unwrap();
        assert!(!running.exists());
    }

    #[test]
    fn an_experiment_stays_while_somebody_holds_it_or_a_run_of_it_goes_on() {
        let reports = tempfile::tempdir().unwrap();
        let path = experiment(reports.path(), "20260103T000000Z-shop-ab-0a1b2c");
        experiment(reports.path(), "20260103T000000Z-shop-ab-renamed");
        let stays = || stored(reports.path()).unwrap().iter().map(|s| s.stays.is_some()).collect::<Vec<_>>();
        assert_eq!(stays(), [false]);
        let held = hold(&path).unwrap();
        assert!(hold(&path).unwrap_err().to_string().contains("another process"));
        assert_eq!(stays(), [true]);
        drop(held);
        let run = started_run(&path, "pair-01-a", "2026-01-03T00:00:00Z", RunStatus::Running);
        assert_eq!(stays(), [true]);
        drop(run);
        assert_eq!(stays(), [false]);
    }
}
