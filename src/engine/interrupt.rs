//! What ends a command before its time: a signal, or its deadline. The first ends it in order, a second signal at once.
//!
//! A thread of its own sees to it that the end comes, whatever the others hang on: where a signal goes unheeded, and at the
//! deadline, it ends the process. The guard then kills what was launched.

use super::end::Interruption;
use crate::model::ended_by;
use crate::supervise::{KILLING, Leash};
use crate::thread;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use signal_hook::{flag, low_level};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A second signal this soon is the first one again: `timeout` sends it to the process and then to its group, the kernel
/// and the shell both tell of a terminal that has gone.
const SAME: Duration = Duration::from_millis(300);

/// Signals by which somebody ends a program, besides the real-time ones: all that do so by default and tell of no fault of its
/// own, but SIGXFSZ and SIGPIPE, which make a write fail. Schedulers announce their limits by some of them.
const ENDING: [i32; 13] = [
    libc::SIGHUP,
    SIGINT,
    SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    SIGTERM,
    libc::SIGSTKFLT,
    libc::SIGXCPU,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
];

/// Of these, the ones by which a user insists. Others come again by themselves, as SIGXCPU does each second.
const INSISTING: [i32; 3] = [SIGINT, SIGQUIT, SIGTERM];

/// The ones that end us even if whoever started us ignores them: a shell lets commands in the background ignore SIGINT.
const ALWAYS: [i32; 2] = [SIGINT, SIGTERM];

/// Signals that came, once for each.
type Signals = SignalDelivery<UnixStream, SignalOnly>;

/// How long a signal may go unheeded while nothing is recorded.
const PATIENCE: Duration = Duration::from_millis(1500);
/// The same while a run goes on: what it hangs on may be a busy host, and what it knows is worth a wait.
const LONG_PATIENCE: Duration = Duration::from_secs(20);
/// How long the end may take once a signal was heeded.
const LONGEST_END: Duration = Duration::from_secs(60);

/// What the target may take to stop after a signal, at most.
const SHORT_GRACE: Duration = Duration::from_millis(800);

/// What killing what was launched may take where nothing else is waited for.
const LAST: Duration = Duration::from_secs(3);

/// The part of a deadline that is kept for judging and reports, and its bounds.
const JUDGING: u32 = 10;
const LEAST_JUDGING: Duration = Duration::from_secs(2);
const MOST_JUDGING: Duration = Duration::from_secs(60);

/// Whether, and by what, a command is to end.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Set once the command is to end.
    flag: AtomicBool,
    /// The first signal, or 0.
    signal: AtomicI32,
    /// When the command began, and how long it may take.
    deadline: Option<(Instant, Duration)>,
    /// Milliseconds that the target may take to stop.
    grace: AtomicU64,
    /// Whether somebody knows that the command is to end.
    heeded: AtomicBool,
    /// What is exited with at the deadline.
    exit: AtomicU8,
    recording: Mutex<Recording>,
}

/// How far it has come with what a user would miss.
#[derive(Debug, Default)]
struct Recording {
    /// The directory of the run that goes on, or was the last.
    run: Option<PathBuf>,
    /// Whether the run has ended, so that only its answer is still to be given.
    ended: bool,
    /// What it has launched, if anything.
    launched: Option<Leash>,
}

impl Interrupt {
    /// Listens from now on for every signal that ends a program (SIGINT and SIGTERM, and others unless they are ignored, as
    /// SIGHUP is below `nohup`), and ends the command `deadline` from now, if it has one, with the code `exit` unless another
    /// is known by then.
    ///
    /// # Errors
    /// If a handler can't be installed, or a thread be started.
    pub fn listen(deadline: Option<Duration>, exit: u8) -> io::Result<Self> {
        let shared = Shared {
            deadline: deadline.map(|after| (Instant::now(), after)),
            exit: AtomicU8::new(exit),
            ..Shared::default()
        };
        let heard = ending().filter(|signal| ALWAYS.contains(signal) || !is_ignored(*signal));
        let (ours, theirs) = UnixStream::pair()?;
        let signals = SignalDelivery::with_pipe(ours, theirs, SignalOnly, heard)?;
        let interrupt = Interrupt(Arc::new(shared));
        let watched = interrupt.clone();
        thread::start("interrupt", move || watched.watch(signals))?;
        Ok(interrupt)
    }

    /// Why the command is to end, if it is; whoever asks has to end it.
    pub fn cause(&self) -> Option<Interruption> {
        if !self.0.flag.load(Ordering::Acquire) {
            return None;
        }
        self.0.heeded.store(true, Ordering::Release);
        match (self.0.signal.load(Ordering::Acquire), self.0.deadline) {
            (0, Some((_, after))) => Some(Interruption::Deadline(after)),
            (signal, _) => Some(Interruption::Signal(signal)),
        }
    }

    /// Set once the command is to end.
    pub fn flag(&self) -> &AtomicBool {
        &self.0.flag
    }

    /// A run is being recorded in this directory, and what it has launched may take so long to stop.
    pub fn recording(&self, run: &Path, launched: Option<Leash>, grace: Duration) {
        *self.0.recording() = Recording { run: Some(run.to_owned()), ended: false, launched };
        self.0.grace.store(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// All is measured: what follows is an answer, and this is what to exit with if it can't be given to its end.
    pub fn answering(&self, exit: u8) {
        self.0.exit.store(exit, Ordering::Release);
        self.0.recording().ended = true;
    }

    /// Whether a target that was asked to stop at `begun` may take longer, of the `grace` that it has.
    pub fn allows_stop(&self, begun: Instant, grace: Duration) -> bool {
        let hurried = self.0.signal.load(Ordering::Acquire) != 0;
        let grace = if hurried { grace.min(SHORT_GRACE) } else { grace };
        let late = |(start, after): (Instant, Duration)| start.elapsed() + judging(after) >= after;
        begun.elapsed() < grace && !self.0.deadline.is_some_and(late)
    }

    /// How long what was launched may take to end once it was killed: a part of it may be beyond anybody's reach, and the answer
    /// comes first.
    pub fn ending(&self) -> Duration {
        let hurried = self.0.signal.load(Ordering::Acquire) != 0;
        let most = if hurried { SHORT_GRACE } else { KILLING };
        match self.0.deadline {
            Some((start, after)) => most.min((after - judging(after) / 2).saturating_sub(start.elapsed())),
            None => most,
        }
    }

    /// Waits for signals and for the deadline, as long as the process lives.
    fn watch(self, mut signals: Signals) {
        let mut first: Option<Instant> = None;
        loop {
            // A deadline beyond all clocks never comes.
            let mut due = [self.0.deadline.and_then(|(start, after)| start.checked_add(after)), None, None];
            if let Some((_, after)) = self.0.deadline.filter(|_| due[0].is_some_and(|end| Instant::now() >= end)) {
                let exit = self.0.exit.load(Ordering::Acquire);
                self.0.leave(exit, &format!("{} before the answer was given", Interruption::Deadline(after)));
            }
            if let Some((start, after)) = self.0.deadline.filter(|_| !self.0.flag.load(Ordering::Acquire)) {
                due[1] = self.0.next_look(start, after);
                if due[1].is_none() {
                    self.0.flag.store(true, Ordering::Release);
                }
            }
            if let Some(first) = first {
                let until = first + self.0.patience();
                if Instant::now() >= until {
                    self.0.leave_for_signal();
                }
                // Patience changes as the run goes on.
                due[2] = Some(until.min(Instant::now() + PATIENCE));
            }
            for signal in wait(&mut signals, due.into_iter().flatten().min()) {
                match first {
                    None => {
                        first = Some(Instant::now());
                        let _ = self.0.signal.compare_exchange(0, signal, Ordering::AcqRel, Ordering::Acquire);
                        self.0.flag.store(true, Ordering::Release);
                    }
                    Some(at) if at.elapsed() > SAME && INSISTING.contains(&signal) => self.0.leave_for_signal(),
                    Some(_) => {}
                }
            }
        }
    }
}

impl Shared {
    fn recording(&self) -> std::sync::MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long before the deadline the run has to end: the target has to stop, and the answer to be given.
    fn reserve(&self, after: Duration) -> Duration {
        let grace = Duration::from_millis(self.grace.load(Ordering::Acquire));
        judging(after).saturating_add(grace).min(after / 2)
    }

    /// When it is to be looked again whether the run has to end for its deadline; `None` if it has to now.
    fn next_look(&self, start: Instant, after: Duration) -> Option<Instant> {
        let cut = after.saturating_sub(self.reserve(after));
        let now = Instant::now();
        // The grace is known once a run begins, so no look is far away.
        let next = start.checked_add(cut).map_or(now + PATIENCE, |cut| cut.min(now + PATIENCE));
        (start.elapsed() < cut).then_some(next)
    }

    /// How long after a signal the process may still live.
    fn patience(&self) -> Duration {
        let recording = self.recording();
        match self.heeded.load(Ordering::Acquire) {
            true => LONGEST_END,
            false if recording.run.is_some() && !recording.ended => LONG_PATIENCE,
            false => PATIENCE,
        }
    }

    fn leave_for_signal(&self) -> ! {
        let signal = self.signal.load(Ordering::Acquire);
        self.leave(128u8.saturating_add(signal as u8), &format!("ended early by {}", ended_by(signal)))
    }

    /// Ends the process as it is. What other threads hold, standard error too, may be held for ever, so nothing of it is
    /// touched.
    fn leave(&self, exit: u8, why: &str) -> ! {
        let recording = self.recording.try_lock().ok();
        if let Some(launched) = recording.as_ref().and_then(|recording| recording.launched.as_ref()) {
            launched.pull(LAST);
        }
        let run = recording.and_then(|recording| recording.run.clone());
        let again = run.map(|run| format!("\n`seepage report {}` makes the reports", run.display()));
        let text = format!("error: {why}{}\n", again.unwrap_or_default());
        let stderr = io::stderr();
        let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        if poll(&mut ready, PollTimeout::ZERO).is_ok_and(|count| count > 0) {
            let _ = nix::unistd::write(&stderr, text.as_bytes());
        }
        low_level::exit(i32::from(exit))
    }
}

/// The part of the time up to a deadline that judging and reports have.
fn judging(after: Duration) -> Duration {
    (after / JUDGING).clamp(LEAST_JUDGING, MOST_JUDGING).min(after / 2)
}

/// All signals that end us, unless they are ignored.
fn ending() -> impl Iterator<Item = i32> {
    ENDING.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

/// The signals that came until then.
fn wait(signals: &mut Signals, until: Option<Instant>) -> impl Iterator<Item = i32> {
    let timeout = until.map_or(PollTimeout::NONE, |until| {
        // Rounded up, so that what is due then is due.
        let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    });
    let mut ready = [PollFd::new(signals.get_read().as_fd(), PollFlags::POLLIN)];
    // A signal may break the wait off, and has come then.
    let _ = poll(&mut ready, timeout);
    signals.pending()
}

/// Whether whoever started us wants this signal to be ignored.
fn is_ignored(signal: i32) -> bool {
    let mut old = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action the call only fills `old`, whose every bit pattern is a value.
    let old = unsafe {
        libc::sigaction(signal, std::ptr::null(), old.as_mut_ptr());
        old.assume_init()
    };
    old.sa_sigaction == libc::SIG_IGN
}

/// Lets a write beyond the limit on the size of files (`ulimit -f`) fail as on a full disk, where SIGXFSZ would kill. What
/// is launched isn't changed: a handler doesn't outlive `exec`.
///
/// # Errors
/// If the handler can't be installed.
pub fn outlive_file_limits() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use libc::SIGHUP;

    fn with_deadline(after: Duration, ago: Duration) -> Interrupt {
        let shared = Shared { deadline: Some((Instant::now() - ago, after)), ..Shared::default() };
        Interrupt(Arc::new(shared))
    }

    #[test]
    fn the_stop_begins_early_enough_for_the_grace_and_the_judging() {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let interrupt = with_deadline(minutes(10), Duration::ZERO);
        assert_eq!(interrupt.0.reserve(minutes(10)), minutes(1));
        interrupt.recording(Path::new("x"), None, Duration::from_secs(30));
        assert_eq!(interrupt.0.reserve(minutes(10)), Duration::from_secs(90));
        assert_eq!(interrupt.0.reserve(Duration::from_secs(4)), Duration::from_secs(2), "half of it is for the run");
        assert_eq!(judging(Duration::from_secs(1)), Duration::from_millis(500));
    }

    #[test]
    fn a_grace_that_is_known_late_moves_the_stop_too() {
        let (start, after) = (Instant::now() - Duration::from_secs(15), Duration::from_secs(20));
        let interrupt = with_deadline(after, Duration::from_secs(15));
        let next = interrupt.0.next_look(start, after).unwrap();
        assert!(next <= Instant::now() + PATIENCE, "it looks again before the 18 s are over");
        interrupt.recording(Path::new("x"), None, Duration::from_secs(10));
        assert_eq!(interrupt.0.next_look(start, after), None);
    }

    #[test]
    fn a_slow_stop_is_cut_for_a_signal_and_for_the_deadline() {
        let long = Duration::from_secs(600);
        let begun = Instant::now() - Duration::from_secs(3);
        assert!(Interrupt::default().allows_stop(begun, long));
        assert!(!Interrupt::default().allows_stop(begun, Duration::from_secs(2)));
        let signalled = Interrupt::default();
        signalled.0.signal.store(SIGTERM, Ordering::Release);
        assert!(!signalled.allows_stop(begun, long) && signalled.allows_stop(Instant::now(), long));
        assert!(with_deadline(long, Duration::from_secs(500)).allows_stop(begun, long));
        assert!(!with_deadline(long, Duration::from_secs(541)).allows_stop(begun, long));
    }

    #[test]
    fn what_does_not_end_is_not_waited_for_beyond_a_signal_or_the_deadline() {
        let seconds = Duration::from_secs;
        assert_eq!(Interrupt::default().ending(), KILLING);
        let signalled = with_deadline(seconds(600), Duration::ZERO);
        assert_eq!(signalled.ending(), KILLING);
        signalled.0.signal.store(SIGTERM, Ordering::Release);
        assert_eq!(signalled.ending(), SHORT_GRACE);
        let near = with_deadline(seconds(20), seconds(17)).ending();
        assert!(near > seconds(1) && near <= seconds(2), "{near:?}");
        assert_eq!(with_deadline(seconds(20), seconds(30)).ending(), Duration::ZERO);
    }

    #[test]
    fn whoever_asks_for_the_cause_heeds_it() {
        let interrupt = with_deadline(Duration::from_secs(60), Duration::ZERO);
        assert_eq!(interrupt.cause(), None);
        interrupt.recording(Path::new("x"), None, Duration::ZERO);
        assert_eq!(interrupt.0.patience(), LONG_PATIENCE);
        interrupt.answering(10);
        assert_eq!(interrupt.0.patience(), PATIENCE);
        interrupt.0.flag.store(true, Ordering::Release);
        assert_eq!(interrupt.cause(), Some(Interruption::Deadline(Duration::from_secs(60))));
        assert_eq!(interrupt.0.patience(), LONGEST_END);
        interrupt.0.signal.store(SIGHUP, Ordering::Release);
        assert_eq!(interrupt.cause(), Some(Interruption::Signal(SIGHUP)), "a signal counts more");
    }
}
