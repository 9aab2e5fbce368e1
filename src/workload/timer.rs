//! A timer that is exact to some tens of microseconds.
//!
//! The runtime's own timers have a resolution of a millisecond and fire late. In the open model that delay would count
//! as latency, and hide the latencies of a server that answers within a fraction of it.

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A timer of the kernel; one wait at a time.
pub(super) struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    /// Must be called inside the runtime.
    pub(super) fn new() -> io::Result<Timer> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        // SAFETY: an owned descriptor is the same one, and open, for as long as it lives.
        Ok(Timer(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?))
    }

    /// Waits this long.
    pub(super) async fn sleep(&self, duration: Duration) -> io::Result<()> {
        // A value of zero would disarm the timer.
        let value = duration
            .max(Duration::from_nanos(1))
            .try_into()
            .unwrap_or(rustix::time::Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
        let once = Itimerspec { it_interval: rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut guard = self.0.readable().await?;
            let mut expirations = [0; 8];
            match guard.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut expirations)?)) {
                Ok(outcome) => return outcome.map(|_| ()),
                // Ready from an earlier wait that was given up.
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn it_never_fires_early_even_after_a_wait_that_was_given_up() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let timer = Timer::new().unwrap();
            for millis in [1, 3, 2] {
                // Given up after it has fired and before it is read.
                let given_up = timer.sleep(Duration::from_millis(1));
                let _ = tokio::time::timeout(Duration::ZERO, given_up).await;
                std::thread::sleep(Duration::from_millis(2));
                let begun = Instant::now();
                timer.sleep(Duration::from_millis(millis)).await.unwrap();
                assert!(begun.elapsed() >= Duration::from_millis(millis));
            }
        });
    }
}
