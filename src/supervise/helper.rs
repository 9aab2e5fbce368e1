//! The harness's hold of its guard and keepers.
//!
//! They are within reach of the target, which may run as the same user: it may stop them, so that they hear and do nothing.
//! So whoever waits for one lets it go on.

use crate::probe::parse_stat;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// A guard or a keeper.
#[derive(Debug)]
pub(super) struct Helper {
    pid: u32,
    pidfd: OwnedFd,
}

impl Helper {
    /// Takes hold of a process that is known to live.
    ///
    /// # Errors
    /// If it is gone after all, or descriptors are used up.
    pub fn hold(pid: u32) -> io::Result<Self> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        Ok(Helper { pid, pidfd: pidfd_open(raw, PidfdFlags::empty())? })
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets it go on if somebody has stopped it; true if so.
    pub fn wake(&self) -> bool {
        let stopped = self.is_stopped();
        if stopped {
            let _ = pidfd_send_signal(&self.pidfd, Signal::CONT);
        }
        stopped
    }

    /// Whether it is stopped, by a signal or by a tracer.
    pub fn is_stopped(&self) -> bool {
        let stat = std::fs::read(format!("/proc/{}/stat", self.pid));
        // Were the number another process's by now, the signal would still not reach that.
        stat.is_ok_and(|text| parse_stat(&text).is_some_and(|stat| matches!(stat.state, b'T' | b't')))
    }

    /// Whether it has ended; waits for that for a while.
    pub fn has_ended(&self, wait: Duration) -> bool {
        let mut ready = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)).is_ok_and(|count| count > 0)
    }

    /// Kills it, which a stop doesn't keep off.
    pub fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}
