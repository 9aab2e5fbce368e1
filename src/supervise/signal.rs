//! A signal to a worker that we launched.
//!
//! Always: it reaches the process that was meant (by its pidfd) or nobody, and only a process that handles it: what a
//! signal does by default is to kill.

use crate::model::WorkerId;
use crate::probe::WorkerProbe;
use nix::libc;
use nix::sys::signal::Signal;
use std::io;
use std::os::fd::AsRawFd;

/// Sends `signal` to this very worker; `false` if it has ended.
///
/// # Errors
/// If the worker doesn't handle the signal, or the kernel refuses.
pub fn signal_worker(worker: WorkerId, signal: Signal) -> io::Result<bool> {
    let probe = match WorkerProbe::open(worker.pid) {
        Ok(probe) if probe.id() == worker => probe,
        // Its PID is another process's now.
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.pid)).unwrap_or_default();
    if probe.has_ended() {
        return Ok(false);
    }
    if !handles(&status, signal) {
        let text = format!("worker {} has no handler for {signal}, which would kill it", worker.pid);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let Some(pidfd) = probe.pidfd() else {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "this kernel has no pidfd"));
    };
    // SAFETY: the descriptor is open, and without further information the kernel reads nothing of ours.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal as libc::c_int,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    match (sent, io::Error::last_os_error()) {
        (0, _) => Ok(true),
        (_, error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
        (_, error) => Err(error),
    }
}

/// Whether a process with this `/proc/PID/status` catches the signal.
fn handles(status: &str, signal: Signal) -> bool {
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal as u32 - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    #[test]
    fn only_the_worker_that_was_meant_and_that_handles_it_gets_it() {
        let script = "trap 'echo collected; exit' USR1; echo ready; while :; do sleep 0.05; done";
        let mut child = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let worker = WorkerProbe::open(child.id()).unwrap().id();
        let stranger = WorkerId { start: worker.start + 1, ..worker };
        assert!(!signal_worker(stranger, Signal::SIGUSR1).unwrap());
        assert!(
            signal_worker(worker, Signal::SIGUSR2).unwrap_err().to_string().contains("SIGUSR2, which would kill it")
        );
        assert!(signal_worker(worker, Signal::SIGUSR1).unwrap());
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!((line.as_str(), rest.as_str()), ("ready\n", "collected\n"));
        child.wait().unwrap();
        assert!(!signal_worker(worker, Signal::SIGUSR1).unwrap());
    }
}
