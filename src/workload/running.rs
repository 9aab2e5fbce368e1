//! One external command that is running, in a process group that never outlives the harness.
//!
//! The group's leader is a watcher: a shell that waits on a pipe whose other end only the harness holds. When the
//! harness ends, however it ends, the pipe closes and the watcher kills the group, itself included. A signal at the
//! death of the parent (`PR_SET_PDEATHSIG`) wouldn't do: it reaches the command, but not what the command started.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How much of the output is kept, from its end.
const KEPT: usize = 1 << 20;
/// How long the command may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(20);
/// The watcher must not end before the command when the group is asked to end.
const WATCHER: &str = "trap '' INT TERM HUP; read _; kill -KILL 0";

/// A command that is running; its process group is killed when this is dropped.
pub(super) struct Running {
    watcher: Child,
    child: Child,
    output: PipeReader,
    kept: VecDeque<u8>,
    /// Closed by the kernel when the harness ends.
    _alive: PipeWriter,
}

impl Running {
    /// Starts a program with its arguments; `command` isn't empty.
    pub(super) fn start(command: &[String]) -> io::Result<Running> {
        let (watched, alive) = io::pipe()?;
        let (output, writer) = io::pipe()?;
        let mut watcher = Command::new("/bin/sh")
            .args(["-c", WATCHER])
            .stdin(watched)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let mut builder = Command::new(&command[0]);
        builder.args(&command[1..]).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let child = match builder.process_group(watcher.id() as i32).spawn() {
            Ok(child) => child,
            Err(error) => {
                drop(alive);
                watcher.wait()?;
                return Err(error);
            }
        };
        // The builder holds the pipe's writing end, which must be the command's alone.
        drop(builder);
        Ok(Running { watcher, child, output, kept: VecDeque::new(), _alive: alive })
    }

    /// Takes output for up to `duration`, and the command's end.
    pub(super) fn wait(&mut self, duration: Duration) -> io::Result<Option<ExitStatus>> {
        self.read(duration);
        let status = self.child.try_wait()?;
        if status.is_some() {
            // What it printed last may still be in the pipe. A pipe holds less than this; something that left the
            // group may go on to write for ever.
            let _ = (0..64).take_while(|_| self.read(Duration::ZERO)).count();
        }
        Ok(status)
    }

    /// Asks the command to end, as Ctrl-C would, because that makes load generators print their summary; kills it if
    /// it doesn't.
    pub(super) fn stop(&mut self) {
        let until = Instant::now() + GRACE;
        self.signal(Signal::SIGINT);
        while Instant::now() < until && matches!(self.wait(TICK), Ok(None)) {}
        self.signal(Signal::SIGKILL);
    }

    /// What the command printed last.
    pub(super) fn output(&self) -> String {
        self.tail(KEPT)
    }

    /// The last bytes of the output.
    pub(super) fn tail(&self, bytes: usize) -> String {
        let skipped = self.kept.len().saturating_sub(bytes);
        let bytes: Vec<u8> = self.kept.iter().skip(skipped).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Takes what the command has printed, waiting up to `duration` for it; true if there was something.
    fn read(&mut self, duration: Duration) -> bool {
        let timeout = PollTimeout::try_from(duration).unwrap_or(PollTimeout::ZERO);
        let mut descriptors = [PollFd::new(self.output.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut descriptors, timeout).is_ok_and(|count| count > 0);
        let readable = descriptors[0].revents().is_some_and(|events| events.contains(PollFlags::POLLIN));
        if !readable {
            if ready {
                // The writing end is closed: there is nothing to wait for but the command's end.
                std::thread::sleep(duration);
            }
            return false;
        }
        let mut chunk = [0; 16 << 10];
        let Ok(count) = self.output.read(&mut chunk) else { return false };
        self.kept.extend(&chunk[..count]);
        let excess = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..excess);
        count > 0
    }

    /// Sends a signal to the group. Its number is the watcher's, which isn't reaped before the end, so that it can't
    /// be another group's.
    fn signal(&self, signal: Signal) {
        let _ = killpg(Pid::from_raw(self.watcher.id() as i32), signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        // They were killed, so this doesn't wait for long; an error leaves nothing more to do.
        let _ = self.child.wait();
        let _ = self.watcher.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::testing::{eventually, is_alive};

    fn start(script: &str) -> Running {
        Running::start(&["sh", "-c", script].map(str::to_owned)).unwrap()
    }

    /// Waits for the number of a process that the script writes to `path`.
    fn pid(path: &std::path::Path) -> i32 {
        assert!(eventually(|| path.exists()));
        std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn much_output_is_bounded_and_its_end_kept() {
        let mut running = start("yes | head -c 3000000; echo end");
        while running.wait(TICK).unwrap().is_none() {}
        assert_eq!(running.kept.len(), KEPT);
        assert!(running.tail(100).ends_with("y\nend\n"));
    }

    #[test]
    fn the_whole_group_ends_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let script =
            format!("trap '' INT; sleep 60 & echo $! > {0}.new; mv {0}.new {0}; wait; sleep 60", path.display());
        let mut running = start(&script);
        let grandchild = pid(&path);
        running.stop();
        assert!(eventually(|| !is_alive(grandchild)));
        let watcher = running.watcher.id() as i32;
        drop(running);
        assert!(!is_alive(watcher));
    }

    #[test]
    fn what_a_command_leaves_behind_ends_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let mut running = start(&format!("sleep 60 & echo $! > {0}.new; mv {0}.new {0}", path.display()));
        while running.wait(TICK).unwrap().is_none() {}
        let left = pid(&path);
        assert!(is_alive(left));
        drop(running);
        assert!(eventually(|| !is_alive(left)));
    }

    #[test]
    fn the_watcher_kills_the_group_when_the_harness_is_gone() {
        let mut running = start("sleep 60 & wait");
        let (child, watcher) = (running.child.id() as i32, running.watcher.id() as i32);
        assert!(is_alive(child) && is_alive(watcher));
        // What the kernel does with the pipe of a harness that was killed.
        running._alive = io::pipe().unwrap().1;
        assert!(eventually(|| !is_alive(child) && !is_alive(watcher)));
    }
}
