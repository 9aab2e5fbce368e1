//! SIGINT and SIGTERM: the first ends the run in order, the second at once.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Whether, and by which signal, the run is to end.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    flag: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Listens for SIGINT and SIGTERM from now on. A second one ends the process with 128 + its number; the guard then
    /// kills what was launched.
    ///
    /// # Errors
    /// If a handler can't be installed.
    pub fn listen() -> io::Result<Self> {
        let interrupt = Interrupt::default();
        for signal in [SIGINT, SIGTERM] {
            // Looked at before the flag is set, so it acts on the second signal.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&interrupt.flag))?;
            flag::register_usize(signal, Arc::clone(&interrupt.signal), signal as usize)?;
            flag::register(signal, Arc::clone(&interrupt.flag))?;
        }
        Ok(interrupt)
    }

    /// The signal that came, if one did.
    pub fn signal(&self) -> Option<i32> {
        i32::try_from(self.signal.load(Ordering::Relaxed)).ok().filter(|s| *s != 0)
    }

    /// Set once a signal came.
    pub fn flag(&self) -> &AtomicBool {
        &self.flag
    }
}
