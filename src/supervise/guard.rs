//! The guard: a small process between the harness and all that it starts.
//!
//! It is started before anything else, has one thread, is a child subreaper, and lives in a session of its own, so that
//! Ctrl-C doesn't reach it. For each command it forks a keeper. Its standard input is the socket to the harness; when
//! that closes, it kills everything below it, removes what belonged to the run, and ends.

use super::claim::{Claim, PATIENCE};
use super::protocol::{GuardOrder, next_order};
use super::{keeper, kill};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The argument that makes the program a guard.
pub const ARGUMENT: &str = "guard-of-a-seepage-run";

/// The arguments that make the program a guard: in the unit tests, a test that plays one.
#[cfg(not(test))]
pub(super) const ARGUMENTS: [&str; 1] = [ARGUMENT];
#[cfg(test)]
pub(super) const ARGUMENTS: [&str; 4] =
    ["--exact", "supervise::guard::tests::plays_the_guard", "--test-threads=1", "--nocapture"];

/// Name of the guard's process: one that a `pkill seepage` doesn't hit together with the harness.
pub(super) const NAME: &str = "harness-guard";

/// Runs the guard; it ends when the harness does.
///
/// # Errors
/// If standard input isn't the harness's socket, or the kernel denies what a guard needs.
pub fn run() -> io::Result<()> {
    let _ = nix::unistd::setsid();
    let signals = watch_over(NAME)?;
    let mut guard = Guard { keepers: HashSet::new(), claims: Vec::new(), held: Vec::new() };
    let served = guard.serve(io::stdin().as_fd().try_clone_to_owned()?, &signals);
    // Whatever ended the conversation, nothing that was started may stay.
    let left = kill::everything_below_us(kill::PATIENCE, |_, _| {}).left;
    // Nobody of this run needs them any more: what nobody holds is removed.
    guard.held.clear();
    // What stays is told by the harness, which looks for itself.
    guard.claims.iter().for_each(|claim| drop(claim.clear(PATIENCE)));
    if left.count > 0 {
        // What is left has come to the harness by then, if there still is one, which tells of it.
        return Err(io::Error::other(format!("{left} could not be killed")));
    }
    served
}

/// Makes the calling process one to which orphans below it come, under a name of its own; returns its signals.
pub(super) fn watch_over(name: &str) -> io::Result<SignalFd> {
    nix::sys::prctl::set_child_subreaper(true)?;
    let _ = nix::sys::prctl::set_name(&std::ffi::CString::new(name)?);
    let mut watched = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        watched.add(signal);
    }
    watched.thread_block()?;
    Ok(SignalFd::with_flags(&watched, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

struct Guard {
    keepers: HashSet<u32>,
    claims: Vec<Claim>,
    held: Vec<OwnedFd>,
}

impl Guard {
    fn serve(&mut self, harness: OwnedFd, signals: &SignalFd) -> io::Result<()> {
        loop {
            let mut ready =
                [PollFd::new(harness.as_fd(), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                result => result?,
            };
            let spoken = ready[0].any() == Some(true);
            while let Ok(Some(_)) = signals.read_signal() {}
            self.reap();
            if spoken {
                match next_order(harness.as_fd())? {
                    Some((order, with)) => self.obey(order, with, &harness)?,
                    None => return Ok(()),
                }
            }
        }
    }

    fn obey(&mut self, order: GuardOrder, with: Vec<OwnedFd>, harness: &OwnedFd) -> io::Result<()> {
        match order {
            GuardOrder::Keep => {
                let with: [OwnedFd; 3] = with.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
                // If none can be forked, its socket closes, which tells the harness.
                if let Ok(pid) = keeper::fork(with, harness) {
                    self.keepers.insert(pid);
                }
            }
            GuardOrder::Remove(claim) => self.claims.push(claim),
            GuardOrder::Hold => self.held.extend(with),
        }
        Ok(())
    }

    fn reap(&mut self) {
        let mut lost = false;
        while let Ok(Some((pid, status))) = kill::reap() {
            lost |= self.keepers.remove(&pid) && status != 0;
        }
        // A keeper that was killed could not end what is below it, which has come to us.
        if lost {
            kill::strays(&mut self.keepers);
        }
    }
}

#[cfg(test)]
mod tests {
    /// The guard of the other unit tests: this program is started again for it.
    #[test]
    fn plays_the_guard() {
        if std::env::args().next().as_deref() == Some(super::NAME) {
            super::run().unwrap();
        }
    }
}
