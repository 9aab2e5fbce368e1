//! The files that take the output of what was launched, kept within a size.
//!
//! The target writes them itself: a pipe of ours would stall it when we are slow, and kill it when we end. So it is let
//! write, and what lies in the middle of its files is given back to the file system while they grow: as a hole, or, where
//! the file system has none, by cutting the file off behind its first part, to which the target appends the rest. In the
//! end the first and the last part stand together, with a line between them.

use crate::model::format_bytes;
use crate::store::Folder;
use crate::thread;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is kept of each end of a file.
const KEPT: u64 = if cfg!(test) { 64 << 10 } else { 4 << 20 };

/// What a file may take before its middle goes.
const MOST: u64 = 16 * KEPT;

/// How often the files are looked at: a disk takes some gigabytes a second.
const LOOK: Duration = Duration::from_millis(20);

/// Watches over files until it is finished or dropped.
#[derive(Debug)]
pub struct OutputKeeper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl OutputKeeper {
    /// Begins to watch over these files of `folder`, which need not be there yet.
    ///
    /// # Errors
    /// If its thread can't be started.
    pub fn start(folder: &Folder, names: Vec<&'static str>) -> io::Result<Self> {
        let folder = folder.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::start("outputs", move || {
            let mut outputs: Vec<Output> = names.into_iter().map(|name| Output::new(folder.clone(), name)).collect();
            while !stopped.load(Ordering::Acquire) {
                outputs.iter_mut().for_each(Output::look);
                std::thread::park_timeout(LOOK);
            }
            outputs.iter_mut().filter_map(Output::finish).collect()
        })?;
        Ok(OutputKeeper { stop, thread: Some(thread) })
    }

    /// Closes the files up, once nobody writes them any more; says of each what was left out.
    pub fn finish(mut self) -> Vec<String> {
        self.end()
    }

    fn end(&mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return Vec::new() };
        thread.thread().unpark();
        thread.join().unwrap_or_default()
    }
}

impl Drop for OutputKeeper {
    fn drop(&mut self) {
        self.end();
    }
}

/// One file.
#[derive(Debug)]
struct Output {
    folder: Folder,
    name: &'static str,
    file: Option<File>,
    /// Where the hole behind the first part ends.
    hole: u64,
    /// Whether the file system has holes.
    holes: bool,
    /// Bytes that were cut off, and the last of them.
    cut: u64,
    last: Vec<u8>,
    error: Option<io::Error>,
}

impl Output {
    fn new(folder: Folder, name: &'static str) -> Self {
        Output { folder, name, file: None, hole: KEPT, holes: true, cut: 0, last: Vec::new(), error: None }
    }

    /// Takes the middle out if the file has grown too large.
    fn look(&mut self) {
        if self.file.is_none() {
            let file = self.folder.edit(self.name).ok();
            self.file = file.filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file()));
        }
        if let Err(error) = self.shorten() {
            self.error.get_or_insert(error);
        }
    }

    fn shorten(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let length = file.metadata()?.len();
        if length.saturating_sub(self.hole - KEPT) <= MOST {
            return Ok(());
        }
        let end = length - KEPT;
        if self.holes {
            match fallocate(&*file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, KEPT, end - KEPT) {
                Ok(()) => {
                    self.hole = end;
                    return Ok(());
                }
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => self.holes = false,
                Err(error) => return Err(error.into()),
            }
        }
        self.last = end_of(file, KEPT)?;
        // What is written between these two calls is lost as well, and not counted.
        file.set_len(KEPT)?;
        self.cut += length - KEPT;
        Ok(())
    }

    /// Puts the first and the last part together; says what was left out, if anything was.
    fn finish(&mut self) -> Option<String> {
        let name = self.name;
        self.look();
        let written = self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |m| m.len()) + self.cut;
        let closed = if self.hole > KEPT || self.cut > 0 { self.close_up(written) } else { Ok(()) };
        if let Some(error) = closed.err().or(self.error.take()) {
            return Some(format!("{name} could not be kept small: {error}"));
        }
        (self.hole > KEPT || self.cut > 0).then(|| {
            let (all, kept) = (format_bytes(written as f64), format_bytes(KEPT as f64));
            let how = if self.cut > 0 { ", in parts, as its file system has no holes" } else { "" };
            format!("{name} was {all} long: its first and its last {kept} are kept{how}")
        })
    }

    fn close_up(&mut self, written: u64) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut last = std::mem::take(&mut self.last);
        let since = file.metadata()?.len().saturating_sub(KEPT).min(KEPT);
        last.extend(end_of(file, since)?);
        last.drain(..last.len().saturating_sub(KEPT as usize));
        let out = written - KEPT - last.len() as u64;
        file.set_len(KEPT)?;
        file.seek(SeekFrom::Start(KEPT))?;
        write!(file, "\n[seepage left out {} here]\n", format_bytes(out as f64))?;
        file.write_all(&last)
    }
}

/// The last bytes of a file.
fn end_of(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut from = file.metadata()?.len().saturating_sub(most);
    let mut chunk = [0; 64 << 10];
    while (bytes.len() as u64) < most {
        let wanted = chunk.len().min((most - bytes.len() as u64) as usize);
        match file.read_at(&mut chunk[..wanted], from)? {
            0 => break,
            length => {
                bytes.extend_from_slice(&chunk[..length]);
                from += length as u64;
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    /// Writes lines as a target does, past the keeper's looks; returns how many.
    fn write_much(path: &std::path::Path, output: &mut Output) -> u64 {
        let mut file = OpenOptions::new().create_new(true).append(true).open(path).unwrap();
        let lines = 4 * MOST / 16;
        for first in (0..lines).step_by(1000) {
            let text: String = (first..lines.min(first + 1000)).map(|line| format!("{line:015}\n")).collect();
            file.write_all(text.as_bytes()).unwrap();
            output.look();
            assert!(file.metadata().unwrap().len() - (output.hole - KEPT) <= MOST + 16_000);
        }
        lines
    }

    fn check(path: &std::path::Path, lines: u64) {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.starts_with("000000000000000\n000000000000001\n"));
        assert!(text.ends_with(&format!("{:015}\n", lines - 1)), "the last line");
        assert!(text.contains("\n[seepage left out ") && !text.contains('\0'));
        assert!((2 * KEPT..2 * KEPT + 100).contains(&(text.len() as u64)), "{}", text.len());
    }

    #[test]
    fn the_middle_of_a_long_output_goes_while_it_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("target.stdout");
        let mut output = Output::new(Folder::open(directory.path()).unwrap(), "target.stdout");
        let lines = write_much(&path, &mut output);
        let told = output.finish().unwrap();
        assert!(told.starts_with("target.stdout was 4 MiB long: its first and its last 64 KiB are kept"), "{told}");
        check(&path, lines);
    }

    #[test]
    fn without_holes_the_file_is_cut_and_appended_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("target.stdout");
        let mut output =
            Output { holes: false, ..Output::new(Folder::open(directory.path()).unwrap(), "target.stdout") };
        let lines = write_much(&path, &mut output);
        assert!(output.finish().unwrap().contains("its file system has no holes"));
        check(&path, lines);
    }

    #[test]
    fn a_short_output_stays_as_it_is_and_a_link_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("short"), directory.path().join("link"));
        std::fs::write(&path, "short\n").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let absent = directory.path().join("absent");
        assert!(
            OutputKeeper::start(&Folder::open(directory.path()).unwrap(), vec!["short", "link", "absent"])
                .unwrap()
                .finish()
                .is_empty()
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "short\n");
        assert!(!absent.exists());
    }
}
