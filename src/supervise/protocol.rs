//! What the harness and its guard say to each other: one JSON object a line, over a socket that only they hold.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;

/// What is to be launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRequest {
    /// Program and arguments; the program is looked up in `PATH` of `env`.
    pub command: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: PathBuf,
    /// File that takes its standard output, made anew.
    pub stdout: PathBuf,
    /// File that takes its standard error, made anew.
    pub stderr: PathBuf,
    /// `cgroup.procs` of the group that it enters, if there is one.
    pub group: Option<PathBuf>,
    /// Limit on the private writable memory of each process in bytes (`RLIMIT_DATA`), where there is no group.
    pub data_limit: Option<u64>,
    /// Directory that the guard removes when the harness is gone.
    pub scratch: PathBuf,
}

/// From the harness to the guard.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Launch this, suspended before its `exec`.
    Launch(LaunchRequest),
    /// Let it go on.
    Resume,
    /// Send this signal to the process that was launched, if it still is.
    Signal(i32),
    /// Kill everything below the guard.
    Kill,
}

/// From the guard to the harness.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The target exists, suspended, with this PID.
    Suspended(u32),
    /// The target runs.
    Running,
    /// It could not be launched: what was tried, and `errno`.
    Failed { what: String, errno: i32 },
    /// A child of the guard ended with this wait status: the target, or an orphan that was its descendant.
    Exited { pid: u32, status: i32 },
    /// Everything below the guard is gone; so many processes had to be killed.
    Killed(u64),
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
