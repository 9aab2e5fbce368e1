//! The harness's side of a launch: it starts the guard and speaks to it.

use super::protocol::{LaunchRequest, Order, Report, receive, send};
use super::{guard, kill, tree};
use crate::model::ExitCause;
use nix::errno::Errno;
use std::io::{self, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long the guard may take to answer an order that it can obey at once.
const ANSWER: Duration = Duration::from_secs(30);

/// How often it is looked whether the target has stopped.
const LOOK: Duration = Duration::from_millis(20);

/// Why a target could not be launched.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The guard could not be started, or was lost.
    #[error("could not start the guard process: {0}")]
    Guard(#[from] io::Error),
    /// The target could not be started.
    #[error("could not {what}: {}", errno.desc())]
    Target {
        /// What was tried.
        what: String,
        /// Why it failed.
        errno: Errno,
    },
}

/// Something that happened to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetEvent {
    /// This process, the target's first or an orphan below it, ended.
    Exited(u32, ExitCause),
    /// The guard is gone; everything was killed.
    GuardLost,
}

/// A target that was launched. When it is dropped, everything below it is killed.
#[derive(Debug)]
pub struct Launched {
    guard: Child,
    orders: UnixStream,
    reports: Receiver<Report>,
    target: u32,
}

impl Launched {
    /// Launches the target and holds it before its `exec`.
    ///
    /// # Errors
    /// If the guard can't be started, or the target can't be prepared.
    pub fn suspended(request: LaunchRequest) -> Result<Self, LaunchError> {
        // Should the guard be killed, its orphans come to us.
        nix::sys::prctl::set_child_subreaper(true).map_err(io::Error::from)?;
        let (ours, theirs) = UnixStream::pair()?;
        let guard = Command::new("/proc/self/exe")
            .arg0(guard::NAME)
            .arg(guard::ARGUMENT)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let (sender, reports) = channel();
        let reader = ours.try_clone()?;
        std::thread::spawn(move || forward(reader, &sender));
        let mut launched = Launched { guard, orders: ours, reports, target: 0 };
        match launched.ask(&Order::Launch(request))? {
            Report::Suspended(pid) => launched.target = pid,
            Report::Failed { what, errno } => {
                return Err(LaunchError::Target { what, errno: Errno::from_raw(errno) });
            }
            _ => return Err(lost().into()),
        }
        Ok(launched)
    }

    /// Lets the target run.
    ///
    /// # Errors
    /// If it can't be executed.
    pub fn resume(&mut self) -> Result<(), LaunchError> {
        match self.ask(&Order::Resume)? {
            Report::Running => Ok(()),
            Report::Failed { what, errno } => Err(LaunchError::Target { what, errno: Errno::from_raw(errno) }),
            _ => Err(lost().into()),
        }
    }

    /// PID of the target's first process.
    pub fn target(&self) -> u32 {
        self.target
    }

    /// PID of the guard, below which everything is that was launched.
    pub fn guard(&self) -> u32 {
        self.guard.id()
    }

    /// Whether anything that was launched still lives.
    pub fn is_alive(&self) -> bool {
        !tree::children(self.guard.id()).is_empty()
    }

    /// What has happened since the last call.
    pub fn poll(&mut self) -> Option<TargetEvent> {
        loop {
            match self.reports.try_recv() {
                Ok(Report::Exited { pid, status }) => {
                    return Some(TargetEvent::Exited(pid, ExitCause::from_wait_status(status)));
                }
                Ok(_) => {}
                Err(std::sync::mpsc::TryRecvError::Empty) => return None,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                    // With the guard gone, its children are ours.
                    kill::everything_below_us(|_, _| {});
                    return Some(TargetEvent::GuardLost);
                }
            }
        }
    }

    /// Asks the target to stop by `signal`, waits for everything below it to end as long as `wait` says so, and kills the
    /// rest; returns how many processes had to be killed.
    pub fn stop(&mut self, signal: i32, wait: impl Fn() -> bool) -> u64 {
        if send(&mut self.orders, &Order::Signal(signal)).is_ok() {
            while self.is_alive() && wait() {
                std::thread::sleep(LOOK);
            }
        }
        self.kill()
    }

    /// Kills everything below the guard; returns how many processes were killed.
    pub fn kill(&mut self) -> u64 {
        match self.ask(&Order::Kill) {
            Ok(Report::Killed(count)) => count,
            // Without a guard there is no one to ask, and what it left is below us.
            _ => kill::everything_below_us(|_, _| {}),
        }
    }

    /// Gives an order and waits for its answer; exits that are reported meanwhile are of no interest then.
    fn ask(&mut self, order: &Order) -> io::Result<Report> {
        send(&mut self.orders, order)?;
        let deadline = Instant::now() + ANSWER;
        loop {
            match self.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Report::Exited { .. }) => {}
                Ok(report) => return Ok(report),
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
                Err(RecvTimeoutError::Disconnected) => return Err(lost()),
            }
        }
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // The end of our side of the socket is the guard's order to kill everything and to end.
        let _ = self.orders.shutdown(std::net::Shutdown::Both);
        let _ = self.guard.wait();
    }
}

fn forward(reader: UnixStream, reports: &Sender<Report>) {
    let mut reader = BufReader::new(reader);
    while let Ok(Some(report)) = receive(&mut reader) {
        if reports.send(report).is_err() {
            return;
        }
    }
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the guard is gone")
}
