//! The file in which a runtime tells what the code is called that it makes: `/tmp/perf-PID.map`, as the target sees it.
//!
//! Runtimes write it if they are asked to: Node, Python 3.12, Java, .NET. It lies in a folder where anybody may write, so it has to be a
//! plain file of the target's user or of root, written since the process began.

use super::proc::{own_pid, owner, parse_stat};
use crate::sites::PerfMap;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};

/// What is read of such a file.
const MOST: u64 = 64 << 20;

/// What is looked at again, to see that what was read still stands there.
const LAST: usize = 64;

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);

/// Names of the code that a process makes.
#[derive(Debug, Default)]
pub struct MadeCode {
    names: PerfMap,
    /// The file as it was read last: device and inode, up to where, and the end of that.
    file: (u64, u64),
    read: u64,
    last: Vec<u8>,
}

impl MadeCode {
    /// Reads what has come since. Where the process lives and has no such file, nothing that was read holds: it may be another process.
    ///
    /// # Errors
    /// If there is no such file, or it isn't the target's.
    pub fn update(&mut self, pid: u32) -> io::Result<()> {
        let directory = openat(rustix::fs::CWD, format!("/proc/{pid}"), FLAGS | OFlags::DIRECTORY, Mode::empty())?;
        let file = open(pid, &directory).inspect_err(|_| *self = MadeCode::default())?;
        let found = file.metadata()?;
        let (identity, length) = ((found.dev(), found.ino()), found.len().min(MOST));
        let mut last = vec![0; self.last.len()];
        let before = self.read - last.len() as u64;
        let same = identity == self.file
            && length >= self.read
            && file.read_exact_at(&mut last, before).is_ok()
            && last == self.last;
        if !same {
            *self = MadeCode { file: identity, ..MadeCode::default() };
        }
        let mut text = vec![0; usize::try_from(length - self.read).unwrap_or_default()];
        let got = file.read_at(&mut text, self.read)?;
        // A line may be in the making.
        let whole = text[..got].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let text = &text[..whole];
        self.names.add(text);
        if !text.is_empty() {
            self.read += text.len() as u64;
            self.last = text[text.len().saturating_sub(LAST)..].to_vec();
        }
        Ok(())
    }

    /// What lies at an address, by what was read.
    pub fn names(&self) -> &PerfMap {
        &self.names
    }
}

/// Opens the file of a process, whose directory in `/proc` this is.
fn open(pid: u32, directory: &OwnedFd) -> io::Result<File> {
    let refused = |why: &str| io::Error::other(why.to_owned());
    let text = |name: &str| -> io::Result<Vec<u8>> {
        let mut text = vec![0; 4096];
        let length = File::from(openat(directory, name, FLAGS, Mode::empty())?).read_at(&mut text, 0)?;
        text.truncate(length);
        Ok(text)
    };
    let (status, stat) = (text("status")?, text("stat")?);
    let own = own_pid(&status).unwrap_or(pid);
    let owner = owner(&status).ok_or_else(|| refused("whose process it is isn't known"))?;
    let began = parse_stat(&stat).ok_or_else(|| refused("when it began isn't known"))?.start;
    let root: OwnedFd = openat(directory, "root", FLAGS | OFlags::DIRECTORY, Mode::empty())?;
    // Links on the way lead where they lead the target.
    let file = File::from(openat2(
        &root,
        format!("tmp/perf-{own}.map"),
        FLAGS | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY,
        Mode::empty(),
        ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    )?);
    let found = file.metadata()?;
    if !found.is_file() || ![0, owner].contains(&found.uid()) {
        return Err(refused("it is no plain file of the target's user"));
    }
    let (now, since_boot) = (clock_gettime(ClockId::Realtime), clock_gettime(ClockId::Boottime));
    let seconds = began / rustix::param::clock_ticks_per_second();
    let began = now.tv_sec - since_boot.tv_sec + i64::try_from(seconds).unwrap_or(i64::MAX / 2);
    // One that lived before had the same number. Either clock may be a second behind.
    if found.mtime() + 2 < began { Err(refused("it was written before the process began")) } else { Ok(file) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_we_write_of_ourselves_is_read_as_it_comes() {
        let path = format!("/tmp/perf-{}.map", std::process::id());
        let mut code = MadeCode::default();
        assert!(code.update(std::process::id()).is_err());
        let function = |code: &MadeCode, at| code.names().at(at).and_then(|frame| frame.function);
        let mut file = File::create(&path).unwrap();
        write!(file, "10 10 py::first:/k.py\n20 10 py::sec").unwrap();
        code.update(std::process::id()).unwrap();
        assert_eq!((function(&code, 0x10).as_deref(), function(&code, 0x20)), (Some("first"), None));
        writeln!(file, "ond:/k.py").unwrap();
        code.update(std::process::id()).unwrap();
        assert_eq!(function(&code, 0x20).as_deref(), Some("second"));
        // Written anew, and longer than before.
        std::fs::write(&path, format!("10 10 py::other:/k.py\n{}", "30 10 py::third:/k.py\n".repeat(9))).unwrap();
        code.update(std::process::id()).unwrap();
        assert_eq!((function(&code, 0x10).as_deref(), function(&code, 0x20)), (Some("other"), None));
        // One that lived before us, and what is no file.
        let past = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
        File::options().write(true).open(&path).unwrap().set_modified(past).unwrap();
        assert!(code.update(std::process::id()).is_err());
        assert_eq!(function(&code, 0x10), None, "it may be another process's");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/proc/self/status", &path).unwrap();
        let followed = code.update(std::process::id());
        std::fs::remove_file(&path).unwrap();
        assert!(followed.is_err());
    }
}
