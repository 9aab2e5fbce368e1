//! What the harness, its guard and the keepers below the guard say to each other.
//!
//! The harness gives the guard orders with descriptors, a packet each. It speaks with each keeper over a socket of their
//! own, one JSON object a line, both ways.

use super::claim::Claim;
use crate::model::shown_command;
use nix::cmsg_space;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, IoSlice, IoSliceMut, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

/// The longest order to a guard in bytes: its name for a directory is the longest of what it holds.
const LONGEST_ORDER: usize = 16 << 10;

/// What is to be launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRequest {
    /// Program and arguments; the program is looked up in `PATH` of `env`.
    pub command: Vec<String>,
    /// The whole environment: nothing of the harness's own comes with it.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: PathBuf,
    /// `cgroup.procs` of the group that it enters, if there is one.
    pub group: Option<PathBuf>,
    /// Limit on the private writable memory of each process in bytes (`RLIMIT_DATA`), where there is no group.
    pub data_limit: Option<u64>,
}

/// From the harness to the guard.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum GuardOrder {
    /// Start a keeper. With it come its socket to the harness, and the standard output and error of its command.
    Keep,
    /// Remove this at the end, if it is there.
    Remove(Claim),
    /// Hold this lock until then.
    Hold,
}

/// From the harness to a keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Launch this, suspended before its `exec`.
    Launch(LaunchRequest),
    /// Let it go on.
    Resume,
    /// Ask the process that was launched to end by this signal, and what it leaves to the keeper by `SIGTERM`.
    Stop(i32),
    /// Ask everything below the keeper to end by `SIGTERM`.
    StopAll,
    /// Send this signal to it and to what it started in its process group.
    SignalGroup(i32),
    /// Kill everything below the keeper.
    Kill,
}

/// From a keeper to the harness.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeeperReport {
    /// The process exists, suspended: the keeper's PID and its own.
    Suspended { keeper: u32, pid: u32 },
    /// It runs.
    Running,
    /// It could not be launched: what was tried, and `errno`.
    Failed { what: String, errno: i32 },
    /// A child of the keeper ended with this wait status: what was launched, or an orphan that was its descendant.
    Exited { pid: u32, status: i32 },
    /// Everything below the keeper is gone.
    Killed(Killed),
}

/// Processes that had to be killed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Killed {
    /// How many.
    pub count: u64,
    /// The first of them, by command name and PID.
    pub first: Vec<(String, u32)>,
}

impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first: Vec<String> =
            self.first.iter().map(|(name, pid)| format!("{} {pid}", shown_command(name))).collect();
        let more = if self.count > self.first.len() as u64 { ", ..." } else { "" };
        let processes = if self.count == 1 { "process" } else { "processes" };
        write!(f, "{} {processes} ({}{more})", self.count, first.join(", "))
    }
}

pub(super) fn send<T: Serialize>(writer: &mut impl Write, message: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    writer.write_all(&line)
}

/// The next message; `None` at the end of the stream.
pub(super) fn receive<T: DeserializeOwned>(reader: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&line)?))
}

/// Gives the guard an order, with descriptors.
pub(super) fn order(socket: BorrowedFd<'_>, order: &GuardOrder, with: &[BorrowedFd<'_>]) -> io::Result<()> {
    let text = serde_json::to_vec(order)?;
    if text.len() > LONGEST_ORDER {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path of the scratch directory is too long"));
    }
    let descriptors: Vec<RawFd> = with.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&descriptors)];
    // Without this flag, a guard that is gone would be the end of the harness too.
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&text)], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// The guard's next order and its descriptors; `None` once the harness is gone.
pub(super) fn next_order(socket: BorrowedFd<'_>) -> io::Result<Option<(GuardOrder, Vec<OwnedFd>)>> {
    let mut text = vec![0; LONGEST_ORDER];
    let mut space = cmsg_space!([RawFd; 3]);
    let mut parts = [IoSliceMut::new(&mut text)];
    let received = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let length = received.bytes;
    let mut with = Vec::new();
    for message in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = message {
            // SAFETY: the kernel has just made these descriptors for us, and nobody else knows them.
            with.extend(descriptors.into_iter().map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }));
        }
    }
    if length == 0 {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&text[..length])?, with)))
}
