//! Ends everything below a process, whatever it does against it.

use super::tree;
use crate::probe::parse_stat;
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::time::{Duration, Instant};

/// How long killing goes on: a process in an uninterruptible wait can't be killed by anyone.
const PATIENCE: Duration = Duration::from_secs(20);

/// Kills everything below the calling process, which has to be a child subreaper, and reaps it; returns how many
/// processes were killed. `reaped` is told of each that is waited for, with its wait status.
///
/// Orphans come to the subreaper, so when it has no children left, nothing is left below it.
pub fn everything_below_us(mut reaped: impl FnMut(u32, i32)) -> u64 {
    let ours = std::process::id();
    let deadline = Instant::now() + PATIENCE;
    let mut killed = 0;
    loop {
        killed += tree::descendants(ours).into_iter().filter(|&pid| kill(pid)).count() as u64;
        loop {
            match reap() {
                Ok(Some((pid, status))) => reaped(pid, status),
                Ok(None) => break,
                Err(_) => return killed,
            }
        }
        if Instant::now() > deadline {
            return killed;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for one child that has ended, without blocking; an error means that there are no children.
pub fn reap() -> Result<Option<(u32, i32)>, Errno> {
    match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG))? {
        WaitStatus::Exited(pid, code) => Ok(Some((pid.as_raw() as u32, code << 8))),
        WaitStatus::Signaled(pid, signal, _) => Ok(Some((pid.as_raw() as u32, signal as i32))),
        _ => Ok(None),
    }
}

/// Kills `pid` if it lives; between its listing and now it may have ended and its number been given to a stranger, so
/// the signal goes through a pidfd, and only to something that is still below us.
fn kill(pid: u32) -> bool {
    let Some(raw) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    let Ok(pidfd) = pidfd_open(raw, PidfdFlags::empty()) else { return false };
    if !is_below_us(pid) {
        return false;
    }
    pidfd_send_signal(&pidfd, Signal::KILL).is_ok()
}

/// Follows the parents of `pid` up to us; a zombie is not worth killing.
fn is_below_us(pid: u32) -> bool {
    let ours = std::process::id();
    let mut at = pid;
    for depth in 0..1000 {
        let Some(stat) = std::fs::read(format!("/proc/{at}/stat")).ok().as_deref().and_then(parse_stat) else {
            return false;
        };
        if depth == 0 && stat.state == b'Z' {
            return false;
        }
        if stat.parent == ours {
            return true;
        }
        at = stat.parent;
    }
    false
}
