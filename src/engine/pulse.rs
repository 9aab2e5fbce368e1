//! What all threads of a run know of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// Since when a run goes on, how many workers live, and whether it is being stopped. Its clones are the same run's.
#[derive(Debug, Clone)]
pub struct Pulse {
    origin: Instant,
    alive: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    unsampled: Arc<AtomicBool>,
    choosing: Arc<AtomicBool>,
}

/// Held by the thread that samples: if that panics, all threads know.
pub struct Sampled(Pulse);

impl Drop for Sampled {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.unsampled.store(true, Ordering::Relaxed);
        }
    }
}

impl Pulse {
    /// That of a run that begins now.
    pub fn begin() -> Self {
        Pulse {
            origin: Instant::now(),
            alive: Arc::default(),
            stopping: Arc::default(),
            unsampled: Arc::default(),
            choosing: Arc::default(),
        }
    }

    /// That of a service beside the target: the same run, and workers of its own.
    pub fn beside(&self) -> Self {
        Pulse { origin: self.origin, ..Pulse::begin() }
    }

    /// Time zero of the run.
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// Seconds since time zero.
    pub fn seconds(&self) -> f64 {
        self.origin.elapsed().as_secs_f64()
    }

    /// Workers alive.
    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    /// Takes in how many workers live.
    pub fn has_alive(&self, count: usize) {
        self.alive.store(count, Ordering::Relaxed);
    }

    /// Takes in whether it is still to be found out who the workers are.
    pub fn is_choosing(&self, choosing: bool) {
        self.choosing.store(choosing, Ordering::Relaxed);
    }

    /// Whether it is known who the workers are: before that, no answer can be proven.
    pub fn knows_workers(&self) -> bool {
        !self.choosing.load(Ordering::Relaxed)
    }

    /// What the thread that samples holds as long as it does.
    pub fn sampled(&self) -> Sampled {
        Sampled(self.clone())
    }

    /// Whether the thread that samples has panicked, so that nothing is read any more.
    pub fn is_unsampled(&self) -> bool {
        self.unsampled.load(Ordering::Relaxed)
    }

    /// Whether the harness has begun to stop the target: workers end then as they should.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The harness begins to stop the target.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}
