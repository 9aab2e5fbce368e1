//! The parent: binds, forks, restarts, stops.
//!
//! It never starts a thread, so that forking is safe at any time, and it takes its signals synchronously, so that no
//! code runs in a signal handler.

use super::fault::Faulty;
use super::worker::Worker;
use super::{DemoOptions, Fault};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid};
use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// A worker that fails sooner than this is replaced with a delay, so that a pool that can't live doesn't spin.
const SHORT_LIFE: Duration = Duration::from_secs(1);
const RESTART_DELAY: Duration = Duration::from_millis(100);

/// Serves until SIGTERM, SIGINT or SIGHUP; its workers end with it in any case, also when it is killed.
///
/// Must be called while the process has a single thread, because it forks. Prints `listening on ADDRESS` when it is
/// ready.
///
/// # Errors
/// If the port, the access log, a signal mask or the first workers can't be had.
pub fn serve(options: DemoOptions) -> io::Result<()> {
    // Growth by single pages, whatever the host's setting for huge pages is.
    prctl::set_thp_disable(true)?;
    // The fault `crash` is a demonstration and shall leave no core files behind.
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    if options.fault == Fault::Fd {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    let log = match &options.access_log {
        Some(path) => {
            let opened = File::options().create(true).append(true).open(path);
            Some(opened.map_err(|error| named(&path.display(), error))?)
        }
        None => None,
    };
    let place = (Ipv4Addr::LOCALHOST, options.port);
    let bound = TcpListener::bind(place);
    let listener = bound.map_err(|error| named(&format_args!("{}:{}", place.0, place.1), error))?;
    let address = listener.local_addr()?;
    let mut template = Worker::new(listener, log, Faulty::preload(options.fault, options.keep.0 as usize), &options);

    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        signals.add(signal);
    }
    signals.thread_block()?;

    let mut workers = HashMap::new();
    let outcome = run(&mut template, usize::from(options.workers), &signals, &mut workers, || {
        // A parent whose output nobody reads serves all the same.
        let _ = writeln!(io::stdout(), "listening on {address}");
    });
    stop(&workers);
    outcome
}

/// An error with what it is about.
fn named(what: &dyn Display, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Keeps `count` workers alive until a signal asks to stop.
fn run(
    template: &mut Worker,
    count: usize,
    signals: &SigSet,
    workers: &mut HashMap<Pid, Instant>,
    ready: impl FnOnce(),
) -> io::Result<()> {
    for _ in 0..count {
        spawn(template, signals, workers)?;
    }
    ready();
    loop {
        match signals.wait()? {
            Signal::SIGCHLD => {
                if reap(workers) {
                    std::thread::sleep(RESTART_DELAY);
                }
                while workers.len() < count {
                    spawn(template, signals, workers)?;
                }
            }
            _ => return Ok(()),
        }
    }
}

/// Forgets the workers that have ended; true if one of them failed after only a short time.
fn reap(workers: &mut HashMap<Pid, Instant>) -> bool {
    let mut short = false;
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
        if let Some(born) = status.pid().and_then(|pid| workers.remove(&pid)) {
            short |= born.elapsed() < SHORT_LIFE && !matches!(status, WaitStatus::Exited(_, 0));
        }
    }
    short
}

fn spawn(template: &mut Worker, signals: &SigSet, workers: &mut HashMap<Pid, Instant>) -> io::Result<()> {
    let parent = getpid();
    // SAFETY: this process has a single thread (see `serve`), so the child inherits no lock that is held.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            workers.insert(child, Instant::now());
            Ok(())
        }
        ForkResult::Child => {
            // A panic must not unwind into the parent's code, which would go on as a second parent.
            let served = catch_unwind(AssertUnwindSafe(|| {
                prctl::set_pdeathsig(Signal::SIGKILL)?;
                // The parent may have died before the line above.
                if getppid() != parent {
                    return Ok(());
                }
                signals.thread_unblock()?;
                template.serve(getpid().as_raw() as u32)
            }));
            std::process::exit(match served {
                Ok(Ok(())) => 0,
                Ok(Err(error)) => {
                    eprintln!("worker {}: {error}", getpid());
                    1
                }
                Err(_) => 101,
            })
        }
    }
}

/// Ends the workers. They hold nothing that a clean end would save, so the default action of SIGTERM does.
fn stop(workers: &HashMap<Pid, Instant>) {
    for &pid in workers.keys() {
        // It may have ended by itself.
        let _ = kill(pid, Signal::SIGTERM);
        // One that is stopped ends only once it goes on.
        let _ = kill(pid, Signal::SIGCONT);
    }
    for &pid in workers.keys() {
        let _ = waitpid(pid, None);
    }
}
