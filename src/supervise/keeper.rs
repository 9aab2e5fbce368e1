//! A keeper: a small process between the guard and one command, so that what the command started is known from all else.
//!
//! It is forked from the guard, and like it a child subreaper. When the harness closes its socket, or the guard is gone,
//! it kills everything below it and ends. So two of the three may be killed at once, and still nothing is left.

use super::exec::{ExecError, Suspended};
use super::guard::watch_over;
use super::kill::{self, Killing};
use super::protocol::{KeeperReport, LaunchRequest, Order, receive, send};
use super::tree;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::unistd::{ForkResult, Pid};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Name of a keeper's process.
const NAME: &str = "harness-keeper";

/// Forks a keeper from the guard, whose socket to the harness is `guarded`. It gets its own socket, and the standard
/// output and error of its command.
pub fn fork([socket, stdout, stderr]: [OwnedFd; 3], guarded: &OwnedFd) -> Result<u32, Errno> {
    let guard = nix::unistd::getpid();
    // SAFETY: the guard has one thread, so the child may do anything.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child.as_raw() as u32),
        ForkResult::Child => {
            // The guard alone holds its end, so that the harness sees it close. A panic must not unwind into the guard's code.
            let kept = std::panic::catch_unwind(AssertUnwindSafe(|| {
                let null = File::open("/dev/null")?;
                // SAFETY: nothing in this process uses the guard's socket or its standard input from here on.
                unsafe {
                    libc::close(guarded.as_raw_fd());
                    libc::dup2(null.as_raw_fd(), libc::STDIN_FILENO);
                }
                keep(UnixStream::from(socket), [stdout, stderr], guard)
            }));
            // SAFETY: ends the child without running what the guard has for its own end.
            unsafe { libc::_exit(i32::from(!matches!(kept, Ok(Ok(()))))) }
        }
    }
}

fn keep(socket: UnixStream, outputs: [OwnedFd; 2], guard: Pid) -> io::Result<()> {
    let signals = watch_over(NAME)?;
    // Tells of the guard's death; `serve` then sees that it is gone.
    nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
    let writer = socket.try_clone()?;
    let mut keeper =
        Keeper { writer, guard, outputs: Some(outputs), kept: Kept::None, request: None, asked: None, gave_up: false };
    let served = keeper.serve(BufReader::new(socket), &signals);
    // Whatever ended the conversation, nothing that was launched may stay.
    let left = keeper.kill(|_, _| {}).left;
    if left.count > 0 {
        // The guard then tries for itself.
        return Err(io::Error::other(format!("{left} could not be killed")));
    }
    // A harness that has gone is no failure.
    match served {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

enum Kept {
    None,
    Suspended(Suspended),
    Running(Pid),
    Ended,
}

struct Keeper {
    writer: UnixStream,
    guard: Pid,
    outputs: Option<[OwnedFd; 2]>,
    kept: Kept,
    request: Option<LaunchRequest>,
    /// Children that were asked to end; missing until something is.
    asked: Option<HashSet<u32>>,
    /// Whether something did not end when it was killed; it isn't waited for again.
    gave_up: bool,
}

impl Keeper {
    fn kill(&mut self, reaped: impl FnMut(u32, i32)) -> Killing {
        let patience = if self.gave_up { Duration::ZERO } else { kill::PATIENCE };
        let killing = kill::everything_below_us(patience, reaped);
        self.gave_up |= killing.left.count > 0;
        killing
    }

    fn serve(&mut self, mut reader: BufReader<UnixStream>, signals: &SignalFd) -> io::Result<()> {
        while nix::unistd::getppid() == self.guard {
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
        Ok(())
    }

    fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Launch(request) => {
                let Some(outputs) = self.outputs.take() else { return Ok(()) };
                let report = match Suspended::fork(&request, outputs) {
                    Ok(suspended) => {
                        let pid = suspended.pid.as_raw() as u32;
                        self.kept = Kept::Suspended(suspended);
                        KeeperReport::Suspended { keeper: std::process::id(), pid }
                    }
                    Err(error) => failed(&error),
                };
                self.request = Some(request);
                self.say(&report)
            }
            Order::Resume => {
                let command = self.request.as_ref().and_then(|r| r.command.first()).cloned().unwrap_or_default();
                let report = match std::mem::replace(&mut self.kept, Kept::Ended) {
                    Kept::Suspended(suspended) => match suspended.resume(&command) {
                        Ok(pid) => {
                            self.kept = Kept::Running(pid);
                            KeeperReport::Running
                        }
                        Err(error) => failed(&error),
                    },
                    other => {
                        self.kept = other;
                        return Ok(());
                    }
                };
                self.say(&report)
            }
            Order::Stop(signal) => {
                // A daemon has left the process that was launched; it is then our child in its place.
                let pids = match &self.kept {
                    Kept::Running(pid) => vec![pid.as_raw() as u32],
                    _ => tree::children(std::process::id()),
                };
                if let Ok(signal) = Signal::try_from(signal) {
                    self.asked.get_or_insert_default();
                    self.ask_to_end(pids, signal);
                }
                Ok(())
            }
            Order::StopAll => {
                kill::ask_all_below_us(&HashSet::from([self.kept_pid()]));
                Ok(())
            }
            Order::SignalGroup(signal) => {
                // It leads its group and we haven't waited for it yet, so the number is still its own.
                if let (Kept::Running(pid), Ok(signal)) = (&self.kept, Signal::try_from(signal)) {
                    let _ = nix::sys::signal::killpg(*pid, signal);
                }
                Ok(())
            }
            Order::Kill => {
                let mut ended = Vec::new();
                let killed = self.kill(|pid, status| ended.push((pid, status))).killed;
                for (pid, status) in ended {
                    self.tell_exit(pid, status)?;
                }
                self.say(&KeeperReport::Killed(killed))
            }
        }
    }

    /// The process that was launched, which was asked by a signal of its own; 0 if it has ended.
    fn kept_pid(&self) -> u32 {
        if let Kept::Running(pid) = &self.kept { pid.as_raw() as u32 } else { 0 }
    }

    fn reap(&mut self) -> io::Result<()> {
        while let Ok(Some((pid, status))) = kill::reap() {
            self.tell_exit(pid, status)?;
        }
        // What the launched process leaves to us when it ends was not asked by it: a server beside it, the child of a shell.
        if self.asked.is_some() && matches!(self.kept, Kept::Ended) {
            self.ask_to_end(tree::children(std::process::id()), Signal::SIGTERM);
        }
        Ok(())
    }

    /// Asks each of these children of ours to end, once.
    fn ask_to_end(&mut self, children: Vec<u32>, signal: Signal) {
        let Some(asked) = &mut self.asked else { return };
        for child in children.into_iter().filter(|child| asked.insert(*child)) {
            // We are the parent and haven't waited for it yet, so the PID is still its own.
            let pid = Pid::from_raw(child as i32);
            let _ = nix::sys::signal::kill(pid, signal);
            // One that is stopped can't end in order before it goes on.
            let _ = nix::sys::signal::kill(pid, Signal::SIGCONT);
        }
    }

    fn tell_exit(&mut self, pid: u32, status: i32) -> io::Result<()> {
        if matches!(&self.kept, Kept::Running(kept) if kept.as_raw() as u32 == pid) {
            self.kept = Kept::Ended;
        }
        if let Some(asked) = &mut self.asked {
            asked.remove(&pid);
        }
        self.say(&KeeperReport::Exited { pid, status })
    }

    fn say(&mut self, report: &KeeperReport) -> io::Result<()> {
        send(&mut self.writer, report)
    }
}

fn failed(error: &ExecError) -> KeeperReport {
    KeeperReport::Failed { what: error.what.clone(), errno: error.errno as i32 }
}
