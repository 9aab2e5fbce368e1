//! Ends everything below a process, whatever it does against it.

use super::protocol::Killed;
use super::tree;
use crate::probe::{command_name, parse_stat};
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long killing goes on: a process in an uninterruptible wait can't be killed by anyone.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many of those that were killed are named.
const NAMED: usize = 5;

/// Kills everything below the calling process, which has to be a child subreaper, and reaps it; returns what was killed.
/// `reaped` is told of each that is waited for, with its wait status.
///
/// Orphans come to the subreaper, so when it has no children left, nothing is left below it.
pub fn everything_below_us(mut reaped: impl FnMut(u32, i32)) -> Killed {
    let mut round = Round::default();
    let deadline = Instant::now() + PATIENCE;
    loop {
        tree::descendants(std::process::id()).into_iter().for_each(|pid| round.kill(pid));
        loop {
            match reap() {
                Ok(Some((pid, status))) => reaped(pid, status),
                Ok(None) => break,
                Err(_) => return round.killed,
            }
        }
        if Instant::now() > deadline {
            return round.killed;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Kills what has come to the calling process, a child subreaper, beside its `keepers` and what is below those.
/// Keepers that end meanwhile are taken out.
pub fn strays(keepers: &mut HashSet<u32>) {
    let mut round = Round::default();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut strays = tree::children(std::process::id());
        strays.retain(|pid| !keepers.contains(pid));
        if strays.is_empty() || Instant::now() > deadline {
            return;
        }
        let below: Vec<u32> = strays.iter().flat_map(|pid| tree::descendants(*pid)).collect();
        strays.into_iter().chain(below).for_each(|pid| round.kill(pid));
        while let Ok(Some((pid, _))) = reap() {
            keepers.remove(&pid);
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

/// One round of killing: a process takes its time to die, and is met again until then.
#[derive(Default)]
struct Round {
    killed: Killed,
    /// PID and start time.
    seen: HashSet<(u32, u64)>,
}

impl Round {
    /// Kills `pid` if it lives; between its listing and now it may have ended and its number been given to a stranger, so
    /// the signal goes through a pidfd, and only to something that is still below us.
    fn kill(&mut self, pid: u32) {
        let Some(raw) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return };
        let Ok(pidfd) = pidfd_open(raw, PidfdFlags::empty()) else { return };
        let Some((name, start)) = living_below_us(pid) else { return };
        if pidfd_send_signal(&pidfd, Signal::KILL).is_ok() && self.seen.insert((pid, start)) {
            self.killed.count += 1;
            if self.killed.first.len() < NAMED {
                self.killed.first.push((name, pid));
            }
        }
    }
}

/// The command name and start time of `pid` if following its parents leads up to us; a zombie is not worth killing.
fn living_below_us(pid: u32) -> Option<(String, u64)> {
    let ours = std::process::id();
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = parse_stat(&text).filter(|stat| stat.state != b'Z')?;
    let mut parent = stat.parent;
    for _ in 0..1000 {
        if parent == ours {
            return Some((command_name(&text), stat.start));
        }
        parent = tree::parent(parent)?;
    }
    None
}
