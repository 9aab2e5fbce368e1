//! One external command that is running below the run's guard, and what it prints.

use crate::model::ExitCause;
use crate::supervise::{Guard, LaunchError, LaunchRequest, Launched};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How much of the output is kept, from its end.
const KEPT: usize = 1 << 20;
/// How long the command may take to end after it was asked to.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// The same when the run is cut short: the target still has to stop after it, and who ended the run waits for both.
pub(super) const SHORT_GRACE: Duration = Duration::from_millis(400);
/// How long it may take to end once it is killed.
const KILLED: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(20);

/// A command that is running; all that it started is killed when this is dropped.
pub(super) struct Running {
    launched: Launched,
    output: PipeReader,
    kept: VecDeque<u8>,
}

impl Running {
    /// Starts a program with its arguments, in this environment and our directory.
    pub(super) fn start(
        guard: &Guard,
        command: &[String],
        environment: &BTreeMap<String, String>,
    ) -> Result<Running, LaunchError> {
        let (output, writer) = io::pipe()?;
        let request = LaunchRequest {
            command: command.to_vec(),
            env: environment.clone(),
            cwd: std::env::current_dir()?,
            group: None,
            data_limit: None,
        };
        // The writing end is the command's alone from here on.
        let launched = Launched::start(guard, request, [writer.as_fd(); 2])?;
        Ok(Running { launched, output, kept: VecDeque::new() })
    }

    /// Takes output for up to `duration`, and the command's end.
    pub(super) fn wait(&mut self, duration: Duration) -> io::Result<Option<ExitCause>> {
        self.read(duration);
        let cause = self.launched.end(Duration::ZERO)?;
        if cause.is_some() {
            // What it printed last may still be in the pipe. A pipe holds less than this; something that left the
            // group may go on to write for ever.
            let _ = (0..64).take_while(|_| self.read(Duration::ZERO)).count();
        }
        Ok(cause)
    }

    /// Asks the command to end, as Ctrl-C would, because that makes load generators print their summary; kills it if
    /// it doesn't within `grace`.
    pub(super) fn stop(&mut self, grace: Duration) {
        let until = Instant::now() + grace;
        self.launched.signal_group(Signal::SIGINT as i32);
        while Instant::now() < until && matches!(self.wait(TICK), Ok(None)) {}
        self.launched.kill(KILLED);
    }

    /// What the command printed last.
    pub(super) fn output(&self) -> String {
        self.tail(KEPT)
    }

    /// The last bytes of the output, from the beginning of a line if there is one: a part of a line may hold a part of a
    /// secret, which nobody would know as one.
    pub(super) fn tail(&self, bytes: usize) -> String {
        let skipped = self.kept.len().saturating_sub(bytes);
        let bytes: Vec<u8> = self.kept.iter().skip(skipped).copied().collect();
        let line = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let text = if skipped > 0 { &bytes[line..] } else { &bytes[..] };
        String::from_utf8_lossy(text).into_owned()
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::testing::{eventually, is_alive};

    fn start(script: &str) -> Running {
        // It ends with what it keeps.
        let guard = Box::leak(Box::new(Guard::start().unwrap()));
        Running::start(guard, &["sh", "-c", script].map(str::to_owned), &BTreeMap::new()).unwrap()
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
    fn what_a_command_started_ends_with_it_whatever_its_session() {
        for (start, end) in [("", "sleep 60"), ("setsid ", "sleep 60"), ("setsid ", "exit 0")] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("pid");
            let script =
                format!("trap '' INT; {start}sleep 60 & echo $! > {0}.new; mv {0}.new {0}; {end}", path.display());
            let mut running = self::start(&script);
            let left = pid(&path);
            assert!(is_alive(left));
            running.stop(GRACE);
            assert!(!is_alive(left));
        }
    }

    #[test]
    fn what_a_command_leaves_behind_ends_with_its_guard() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let guard = Guard::start().unwrap();
        let script = format!("setsid sleep 60 & echo $! > {0}.new; mv {0}.new {0}; wait", path.display());
        let mut running = Running::start(&guard, &["sh", "-c", &script].map(str::to_owned), &BTreeMap::new()).unwrap();
        let left = pid(&path);
        assert!(is_alive(left));
        guard.end(KILLED);
        assert!(!is_alive(left));
        assert!(eventually_lost(&mut running));
    }

    /// Whether the command is told to be lost.
    fn eventually_lost(running: &mut Running) -> bool {
        (0..1000).any(|_| running.wait(TICK).is_err())
    }
}
