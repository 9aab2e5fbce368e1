//! Threads: one that can't be started is an error in words, and never a panic. And the clocks by which they measure.

use nix::time::{ClockId, clock_gettime};
use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Starts a thread of this name.
///
/// # Errors
/// If there may be no more processes, or there is no memory for it.
pub fn start<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(work).map_err(no_thread)
}

/// Says which limits keep a thread from being started.
pub fn no_thread(error: io::Error) -> io::Error {
    let limits = "`ulimit -u`, `ulimit -v` or a limit of the control group has to be higher";
    io::Error::new(error.kind(), format!("seepage could not start a thread of its own: {error}; {limits}"))
}

/// Nanoseconds of `CLOCK_MONOTONIC`, by which the kernel and the preload library tell when something happened.
pub fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// CPU time that the calling thread has used.
pub fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
