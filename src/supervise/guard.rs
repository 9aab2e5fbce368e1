//! The guard: a small process between the harness and what it launches.
//!
//! It has one thread, is a child subreaper, and lives in a session of its own, so that Ctrl-C doesn't reach it. Its
//! standard input is the socket to the harness; when that closes, it kills everything below it and ends.

use super::exec::{ExecError, Suspended};
use super::protocol::{LaunchRequest, Order, Report, receive, send};
use super::{kill, tree};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use std::io::{self, BufReader};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// The argument that makes the program a guard.
pub const ARGUMENT: &str = "guard-of-a-seepage-run";

/// Name of the guard's process: one that a `pkill seepage` doesn't hit together with the harness.
pub(super) const NAME: &str = "harness-guard";

/// Runs the guard; it ends when the harness does.
///
/// # Errors
/// If standard input isn't the harness's socket, or the kernel denies what a guard needs.
pub fn run() -> io::Result<()> {
    let _ = nix::unistd::setsid();
    nix::sys::prctl::set_child_subreaper(true)?;
    let _ = nix::sys::prctl::set_name(&std::ffi::CString::new(NAME)?);
    let mut watched = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        watched.add(signal);
    }
    watched.thread_block()?;
    let signals = SignalFd::with_flags(&watched, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut guard = Guard { writer: socket.try_clone()?, target: Target::None, request: None };
    let served = guard.serve(BufReader::new(socket), &signals);
    // Whatever ended the conversation, nothing that was launched may stay.
    guard.clean_up();
    served
}

enum Target {
    None,
    Suspended(Suspended),
    Running(Pid),
    Ended,
}

struct Guard {
    writer: UnixStream,
    target: Target,
    request: Option<LaunchRequest>,
}

impl Guard {
    fn serve(&mut self, mut reader: BufReader<UnixStream>, signals: &SignalFd) -> io::Result<()> {
        loop {
            // An order that was read together with the one before waits in the buffer, not in the socket.
            let waiting = !reader.buffer().is_empty();
            let mut ready = [
                PollFd::new(reader.get_ref().as_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, if waiting { PollTimeout::ZERO } else { PollTimeout::NONE }) {
                Err(Errno::EINTR) => continue,
                result => result?,
            };
            let spoken = waiting || ready[0].any() == Some(true);
            while let Ok(Some(_)) = signals.read_signal() {}
            self.reap()?;
            if spoken {
                match receive(&mut reader)? {
                    Some(order) => self.obey(order)?,
                    None => return Ok(()),
                }
            }
        }
    }

    fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Launch(request) => {
                let report = match Suspended::fork(&request) {
                    Ok(suspended) => {
                        let pid = suspended.pid.as_raw() as u32;
                        self.target = Target::Suspended(suspended);
                        Report::Suspended(pid)
                    }
                    Err(error) => failed(&error),
                };
                self.request = Some(request);
                self.say(&report)
            }
            Order::Resume => {
                let command = self.request.as_ref().and_then(|r| r.command.first()).cloned().unwrap_or_default();
                let report = match std::mem::replace(&mut self.target, Target::Ended) {
                    Target::Suspended(suspended) => match suspended.resume(&command) {
                        Ok(pid) => {
                            self.target = Target::Running(pid);
                            Report::Running
                        }
                        Err(error) => failed(&error),
                    },
                    other => {
                        self.target = other;
                        return Ok(());
                    }
                };
                self.say(&report)
            }
            Order::Signal(signal) => {
                // A daemon has left the process that was launched; it is then our child in its place.
                let pids = match &self.target {
                    Target::Running(pid) => vec![*pid],
                    _ => tree::children(std::process::id()).into_iter().map(|pid| Pid::from_raw(pid as i32)).collect(),
                };
                if let Ok(signal) = Signal::try_from(signal) {
                    // We are the parent and haven't waited for them yet, so the PIDs are still theirs.
                    for pid in pids {
                        let _ = nix::sys::signal::kill(pid, signal);
                        // One that is stopped can't end in order before it goes on.
                        let _ = nix::sys::signal::kill(pid, Signal::SIGCONT);
                    }
                }
                Ok(())
            }
            Order::Kill => {
                let mut ended = Vec::new();
                let killed = kill::everything_below_us(|pid, status| ended.push((pid, status)));
                for (pid, status) in ended {
                    self.tell_exit(pid, status)?;
                }
                self.say(&Report::Killed(killed))
            }
        }
    }

    fn reap(&mut self) -> io::Result<()> {
        while let Ok(Some((pid, status))) = kill::reap() {
            self.tell_exit(pid, status)?;
        }
        Ok(())
    }

    fn tell_exit(&mut self, pid: u32, status: i32) -> io::Result<()> {
        if matches!(&self.target, Target::Running(target) if target.as_raw() as u32 == pid) {
            self.target = Target::Ended;
        }
        self.say(&Report::Exited { pid, status })
    }

    fn say(&mut self, report: &Report) -> io::Result<()> {
        send(&mut self.writer, report)
    }

    fn clean_up(&mut self) {
        kill::everything_below_us(|_, _| {});
        let Some(request) = &self.request else { return };
        if let Some(group) = request.group.as_deref().and_then(std::path::Path::parent) {
            let _ = std::fs::remove_dir(group);
        }
        let _ = std::fs::remove_dir_all(&request.scratch);
    }
}

fn failed(error: &ExecError) -> Report {
    Report::Failed { what: error.what.clone(), errno: error.errno as i32 }
}
