//! When a launched target counts as ready.

use super::misplaced::{Misplaced, Vain};
use super::{LaunchError, Launched};
use crate::config::ReadyConfig;
use crate::http;
use crate::model::ExitCause;
use regex::Regex;
use std::fs::File;
use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How often a condition is looked at, and how long one look may take.
const LOOK: Duration = Duration::from_millis(25);
const ATTEMPT: Duration = Duration::from_secs(2);

/// Why a target isn't ready.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ReadyError {
    /// It ended.
    #[error("the target ended before it was ready")]
    Died,
    /// It took too long.
    #[error("the target was not ready within {timeout:?}: {last}")]
    TimedOut {
        /// How long it was waited for.
        timeout: Duration,
        /// What the last look showed.
        last: String,
    },
    /// It is asked where it doesn't listen, or in another protocol than its own.
    #[error("{0}")]
    Misplaced(String),
    /// The run was interrupted.
    #[error("interrupted while the target was starting")]
    Interrupted,
    /// The condition makes no sense.
    #[error("{0}")]
    Invalid(String),
}

/// What is waited for, and where to look.
pub struct Ready<'a> {
    /// The condition.
    pub config: &'a ReadyConfig,
    /// Files with the target's output.
    pub outputs: [&'a File; 2],
    /// The process below which the target is, if there is one.
    pub below: Option<u32>,
    /// How a command is run.
    pub command: &'a dyn Fn(&[String]) -> Result<Launched, LaunchError>,
    /// Whether the run is to end.
    pub stop: &'a AtomicBool,
}

/// Waits until the target is ready; `alive` is asked at each look and tells whether it still lives.
///
/// # Errors
/// If it ends or isn't ready in time.
pub fn wait(ready: &Ready<'_>, mut alive: impl FnMut() -> bool) -> Result<(), ReadyError> {
    let begun = Instant::now();
    let config = ready.config;
    let timeout = config.timeout();
    let pattern = config
        .output
        .as_deref()
        .map(Regex::new)
        .transpose()
        .map_err(|error| ReadyError::Invalid(format!("target.ready.output: {error}")))?;
    let mut misplaced = Misplaced::new(ready.below);
    loop {
        if ready.stop.load(Ordering::Relaxed) {
            return Err(ReadyError::Interrupted);
        }
        if !alive() {
            return Err(ReadyError::Died);
        }
        let look = if let Some(url) = &config.http {
            look_http(url)
        } else if let Some(address) = &config.tcp {
            look_tcp(address)
        } else if let Some(pattern) = &pattern {
            look_output(&ready.outputs, pattern)
        } else if let Some(command) = &config.command {
            look_command(command, ready).map_err(Vain::Other)
        } else {
            if begun.elapsed() >= config.delay() { Ok(()) } else { Err(Vain::Other("still in its start delay".into())) }
        };
        let Err(vain) = look else { return Ok(()) };
        misplaced.see(&vain);
        let late = begun.elapsed() >= timeout;
        // Who says how long the target may take is waited for.
        if late || misplaced.lasts() && config.timeout.is_none() {
            match misplaced.told(config) {
                Some(told) => return Err(ReadyError::Misplaced(told)),
                None if late => return Err(ReadyError::TimedOut { timeout, last: misplaced.in_vain(vain) }),
                None => {}
            }
        }
        std::thread::sleep(LOOK);
    }
}

fn look_http(url: &str) -> Result<(), Vain> {
    match http::get(url, ATTEMPT) {
        Ok((status, _)) if status < 500 => Ok(()),
        Ok((status, _)) => Err(Vain::Other(format!("{url} answers with status {status}"))),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            Err(Vain::NotHttp(error.to_string()))
        }
        Err(error) => Err(unreached(url, &error)),
    }
}

fn look_tcp(address: &str) -> Result<(), Vain> {
    let mut addresses = address.to_socket_addrs().map_err(|error| unreached(address, &error))?;
    let first = addresses.next().ok_or_else(|| Vain::Other(format!("{address} has no address")))?;
    TcpStream::connect_timeout(&first, ATTEMPT).map(drop).map_err(|error| unreached(address, &error))
}

fn unreached(place: &str, error: &std::io::Error) -> Vain {
    let told = format!("{place}: {error}");
    if error.kind() == ErrorKind::ConnectionRefused { Vain::Refused(told) } else { Vain::Other(told) }
}

fn look_output(outputs: &[&File; 2], pattern: &Regex) -> Result<(), Vain> {
    let matches = |file: &&File| tail(file, 1 << 20).lines().any(|line| pattern.is_match(line));
    let none = || Vain::Other(format!("no line of its output matches `{pattern}`"));
    if outputs.iter().any(matches) { Ok(()) } else { Err(none()) }
}

fn look_command(command: &[String], ready: &Ready<'_>) -> Result<(), String> {
    let program = command.first().ok_or("the command is empty")?;
    let mut launched = (ready.command)(command).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + ATTEMPT;
    while !ready.stop.load(Ordering::Relaxed) {
        match launched.end(LOOK) {
            Ok(Some(ExitCause::Code(0))) => return Ok(()),
            Ok(Some(cause)) => return Err(format!("`{program}` ended with {cause}")),
            Ok(None) if Instant::now() < deadline => {}
            Ok(None) => return Err(format!("`{program}` took longer than {ATTEMPT:?}")),
            Err(error) => return Err(format!("`{program}` could not be waited for: {error}")),
        }
    }
    Err(format!("`{program}` was interrupted"))
}

/// The last whole lines of a file, `most` bytes of them at most; empty if it can't be read. A part of a line may hold a
/// part of a secret, which nobody would know as one.
pub fn tail(file: &File, most: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let length = file.metadata()?.len();
        let mut bytes = vec![0; length.min(most) as usize];
        // Read at its place: the file's position may be someone else's too.
        let count = file.read_at(&mut bytes, length.saturating_sub(most))?;
        bytes.truncate(count);
        if length > most {
            let whole = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            bytes.drain(..whole);
        }
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Span;
    use crate::supervise::{Guard, LaunchRequest};
    use std::collections::BTreeMap;
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    fn try_ready(config: ReadyConfig, alive: bool) -> Result<(), ReadyError> {
        let stop = AtomicBool::new(false);
        let nowhere = File::open("/dev/null").unwrap();
        let guard = Guard::start().unwrap();
        let command = |command: &[String]| {
            let (command, cwd) = (command.to_vec(), ".".into());
            let request = LaunchRequest { command, env: BTreeMap::new(), cwd, group: None, data_limit: None };
            Launched::start(&guard, request, [nowhere.as_fd(); 2])
        };
        wait(&Ready { config: &config, outputs: [&nowhere; 2], below: None, command: &command, stop: &stop }, || alive)
    }

    #[test]
    fn an_open_port_is_ready_and_a_closed_one_times_out_with_the_reason() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let config = |timeout| ReadyConfig {
            tcp: Some(address.clone()),
            timeout: Some(Span(Duration::from_millis(timeout))),
            ..Default::default()
        };
        assert_eq!(try_ready(config(5000), true), Ok(()));
        drop(listener);
        let error = try_ready(config(60), true).unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }

    #[test]
    fn the_dead_are_never_ready() {
        assert_eq!(try_ready(ReadyConfig::default(), false), Err(ReadyError::Died));
    }

    #[test]
    fn a_command_is_tried_until_it_succeeds() {
        let command = |program: &str| ReadyConfig {
            command: Some(vec![program.into()]),
            timeout: Some(Span(Duration::from_millis(200))),
            ..Default::default()
        };
        assert_eq!(try_ready(command("true"), true), Ok(()));
        assert!(matches!(try_ready(command("false"), true), Err(ReadyError::TimedOut { .. })));
    }
}
