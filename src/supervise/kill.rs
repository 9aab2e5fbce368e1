//! Ends everything below a process, whatever it does against it.

use super::protocol::Killed;
use super::tree;
use crate::probe::{command_name, parse_stat};
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long killing goes on: a process in an uninterruptible wait can't be killed by anyone.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long those are waited for that may not be killed, as they have become another user's: they may end by themselves, now
/// that the others are gone.
const DENIED: Duration = Duration::from_millis(300);

/// How many of those that were killed, or stay, are named.
const NAMED: usize = 5;

/// What came of killing.
#[derive(Debug, Default)]
pub struct Killing {
    /// What was killed.
    pub killed: Killed,
    /// What lives on.
    pub left: Killed,
}

/// Kills everything below the calling process, which has to be a child subreaper, and reaps it, as long as `patience` lasts.
/// `reaped` is told of each that is waited for, with its wait status.
///
/// Orphans come to the subreaper, so when it has no children left, nothing is left below it.
pub fn everything_below_us(patience: Duration, mut reaped: impl FnMut(u32, i32)) -> Killing {
    let mut rounds = Rounds::begin(patience);
    loop {
        rounds.kill(tree::descendants(std::process::id()));
        loop {
            match reap() {
                Ok(Some((pid, status))) => reaped(pid, status),
                Ok(None) => break,
                Err(_) => return Killing { killed: rounds.killed, left: Killed::default() },
            }
        }
        if rounds.are_over() {
            return Killing { killed: rounds.killed, left: rounds.left };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Kills what has come to the calling process, a child subreaper, beside its `keepers` and what is below those.
/// Keepers that end meanwhile are taken out.
pub fn strays(keepers: &mut HashSet<u32>) {
    let mut rounds = Rounds::begin(PATIENCE);
    loop {
        let mut strays = tree::children(std::process::id());
        strays.retain(|pid| !keepers.contains(pid));
        if strays.is_empty() {
            return;
        }
        let below: Vec<u32> = strays.iter().flat_map(|pid| tree::descendants(*pid)).collect();
        rounds.kill(strays.into_iter().chain(below).collect());
        while let Ok(Some((pid, _))) = reap() {
            keepers.remove(&pid);
        }
        if rounds.are_over() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Asks everything below the calling process to end by `SIGTERM`, but for `spared`.
pub fn ask_all_below_us(spared: &HashSet<u32>) {
    for pid in tree::descendants(std::process::id()).into_iter().filter(|pid| !spared.contains(pid)) {
        if let Some((pidfd, _)) = held_below_us(pid) {
            let _ = pidfd_send_signal(&pidfd, Signal::TERM);
            // One that is stopped can't end in order before it goes on.
            let _ = pidfd_send_signal(&pidfd, Signal::CONT);
        }
    }
}

/// Whether anything below `pid` lives that a signal of ours reaches: nobody else can be asked to end.
pub fn reaches_any_below(pid: u32) -> bool {
    let below = tree::descendants(pid).into_iter().filter_map(|pid| i32::try_from(pid).ok());
    below.map(Pid::from_raw).any(|pid| nix::sys::signal::kill(pid, None) == Ok(()))
}

/// Waits for one child that has ended, without blocking; an error means that there are no children.
pub fn reap() -> Result<Option<(u32, i32)>, Errno> {
    match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG))? {
        WaitStatus::Exited(pid, code) => Ok(Some((pid.as_raw() as u32, code << 8))),
        WaitStatus::Signaled(pid, signal, _) => Ok(Some((pid.as_raw() as u32, signal as i32))),
        _ => Ok(None),
    }
}

/// Rounds of killing: a process takes its time to die, and is met again until then.
struct Rounds {
    killed: Killed,
    /// PID and start time of those that were killed.
    seen: HashSet<(u32, u64)>,
    /// What was left by the last round, though it may be dying.
    left: Killed,
    begun: Instant,
    patience: Duration,
    /// Until when there was somebody to be killed.
    effective: Instant,
}

/// What became of a process that was to be killed.
enum Met {
    Gone,
    Killed,
    Denied,
}

impl Rounds {
    fn begin(patience: Duration) -> Self {
        let begun = Instant::now();
        let (killed, left) = (Killed::default(), Killed::default());
        Rounds { killed, seen: HashSet::new(), left, begun, patience, effective: begun }
    }

    /// Kills all of these.
    fn kill(&mut self, pids: Vec<u32>) {
        self.left = Killed::default();
        let mut denied = false;
        let mut effective = pids.is_empty();
        for pid in pids {
            match self.kill_one(pid) {
                Met::Gone => {}
                Met::Killed => effective = true,
                Met::Denied => denied = true,
            }
        }
        if effective || !denied {
            self.effective = Instant::now();
        }
    }

    /// Whether no more is to be expected of another round.
    fn are_over(&self) -> bool {
        self.begun.elapsed() >= self.patience || self.effective.elapsed() >= DENIED
    }

    /// Kills `pid` if it lives.
    fn kill_one(&mut self, pid: u32) -> Met {
        let Some((pidfd, (name, start))) = held_below_us(pid) else { return Met::Gone };
        self.left.add(&name, pid);
        match pidfd_send_signal(&pidfd, Signal::KILL) {
            Ok(()) => {
                if self.seen.insert((pid, start)) {
                    self.killed.add(&name, pid);
                }
                Met::Killed
            }
            // A program that runs as another user, such as `sudo`: no later try would do better.
            Err(rustix::io::Errno::PERM) => Met::Denied,
            Err(_) => Met::Gone,
        }
    }
}

impl Killed {
    fn add(&mut self, name: &str, pid: u32) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push((name.to_owned(), pid));
        }
    }
}

/// `pid`, its command name and start time, if it lives: between its listing and now it may have ended and its number been given
/// to a stranger, so a signal goes through a pidfd, and only to something that is still below us.
fn held_below_us(pid: u32) -> Option<(OwnedFd, (String, u64))> {
    let raw = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
    let pidfd = pidfd_open(raw, PidfdFlags::empty()).ok()?;
    Some((pidfd, living_below_us(pid)?))
}

/// The command name and start time of `pid` if following its parents leads up to us; a zombie is not worth killing.
fn living_below_us(pid: u32) -> Option<(String, u64)> {
    let ours = std::process::id();
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = parse_stat(&text).filter(|stat| !stat.has_ended())?;
    let mut parent = stat.parent;
    for _ in 0..1000 {
        if parent == ours {
            return Some((command_name(&text), stat.start));
        }
        parent = tree::parent(parent)?;
    }
    None
}
