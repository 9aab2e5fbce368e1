//! What a command beside the target prints.

use super::target::Preparation;
use crate::model::ExitCause;
use crate::supervise::Launched;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often it is looked whether the command has to be ended.
const LOOK: Duration = Duration::from_millis(10);

/// What a command printed.
pub struct Output {
    /// To its standard output.
    pub printed: Vec<u8>,
    /// How it failed, if it did, with the first line of its standard error.
    pub complaint: Option<String>,
}

/// Bytes that are read of what a command prints.
const MOST_PRINTED: usize = 4 << 20;

/// What is read of one of its streams.
struct Stream {
    /// Missing once it has ended.
    pipe: Option<PipeReader>,
    read: Vec<u8>,
}

impl Stream {
    fn of(pipe: PipeReader) -> Self {
        Stream { pipe: Some(pipe), read: Vec::new() }
    }

    /// Takes what is there; beyond what is read of it, it is thrown away.
    fn take(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let mut some = vec![0; 64 << 10];
        let count = pipe.read(&mut some)?;
        if self.read.len() < MOST_PRINTED {
            self.read.extend_from_slice(&some[..count]);
        }
        if count == 0 {
            self.pipe = None;
        }
        Ok(())
    }
}

/// Takes what is there, and waits up to `patience` for it; whether more may come.
fn drain(streams: &mut [Stream; 2], patience: Duration) -> io::Result<bool> {
    let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
    let open: Vec<usize> = (0..streams.len()).filter(|at| streams[*at].pipe.is_some()).collect();
    let polled = open.iter().filter_map(|at| streams[*at].pipe.as_ref());
    let mut polled: Vec<PollFd<'_>> = polled.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)).collect();
    poll(&mut polled, patience)?;
    let ready: Vec<bool> = polled.iter().map(|one| one.any().unwrap_or(false)).collect();
    for (at, _) in open.iter().zip(ready).filter(|(_, ready)| *ready) {
        streams[*at].take()?;
    }
    Ok(streams.iter().any(|stream| stream.pipe.is_some()))
}

impl Preparation {
    /// The same with a variable of the environment more.
    pub fn with(&self, name: &str, value: impl ToString) -> Self {
        let mut with = self.clone();
        with.environment.insert(name.to_owned(), value.to_string());
        with
    }

    /// What a command prints until its end, of which no more is read than a page may have; whatever it leaves is killed.
    ///
    /// # Errors
    /// If it can't be started, or takes longer than `limit`, or `stop` is set.
    pub fn output(&self, command: &[String], limit: Duration, stop: &AtomicBool) -> Result<Output, String> {
        let failed = |error: io::Error| format!("what it prints can't be read: {error}");
        let begun = Instant::now();
        let (printed, stdout) = io::pipe().map_err(failed)?;
        let (said, stderr) = io::pipe().map_err(failed)?;
        let request = self.request(command);
        let launched = Launched::start(&self.guard, request, [stdout.as_fd(), stderr.as_fd()]);
        let mut launched = launched.map_err(|error| error.to_string())?;
        drop((stdout, stderr));
        let mut streams = [Stream::of(printed), Stream::of(said)];
        while drain(&mut streams, LOOK).map_err(failed)? {
            if begun.elapsed() > limit {
                return Err(format!("it took longer than {limit:?}"));
            }
            if stop.load(Ordering::Relaxed) {
                return Err("the run ended".into());
            }
        }
        let [Stream { read: printed, .. }, Stream { read: said, .. }] = streams;
        loop {
            match launched.end(LOOK) {
                Ok(Some(ExitCause::Code(0))) => return Ok(Output { printed, complaint: None }),
                Ok(Some(cause)) => {
                    let said = String::from_utf8_lossy(&said);
                    let said = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
                    let said: String = said.chars().take(200).collect();
                    let said = if said.is_empty() { said } else { format!(": {said}") };
                    return Ok(Output { printed, complaint: Some(format!("it failed with {cause}{said}")) });
                }
                Ok(None) if begun.elapsed() > limit => return Err(format!("it took longer than {limit:?}")),
                Ok(None) => {}
                Err(error) => return Err(format!("it could not be waited for: {error}")),
            }
        }
    }
}
