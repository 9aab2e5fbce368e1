//! The harness's side: it starts the guard, has it keep commands, and speaks to their keepers.

use super::claim::{Claim, PATIENCE};
use super::protocol::{GuardOrder, Killed, LaunchRequest, Order, Report, order, receive, send};
use super::{guard, kill, tree};
use crate::model::ExitCause;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::io::{self, BufReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long a keeper may take to answer an order that it can obey at once, or to end what is below it.
const ANSWER: Duration = Duration::from_secs(30);

/// How often it is looked whether the target has stopped.
const LOOK: Duration = Duration::from_millis(20);

/// The limits of open files that we were started with: a run raises its own.
static FILES: OnceLock<(u64, u64)> = OnceLock::new();

/// Why something could not be launched.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The guard could not be started, or was lost.
    #[error("could not start the guard process: {0}")]
    Guard(#[from] io::Error),
    /// The command could not be started.
    #[error("could not {what}: {}", errno.desc())]
    Target {
        /// What was tried.
        what: String,
        /// Why it failed.
        errno: Errno,
    },
}

/// Something that happened to what was launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetEvent {
    /// This process, the first that was launched or an orphan below it, ended.
    Exited(u32, ExitCause),
    /// The guard, or the keeper, is gone; everything was killed.
    GuardLost,
}

/// The guard of a run, below which is all that the run starts.
#[derive(Debug)]
pub struct Guard(Mutex<State>);

#[derive(Debug)]
struct State {
    /// `None` once it has ended.
    process: Option<Child>,
    orders: Option<OwnedFd>,
    claims: Vec<Claim>,
    held: Vec<OwnedFd>,
}

impl Guard {
    /// Starts a guard.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start() -> Result<Self, LaunchError> {
        // Should the guard be killed, its orphans come to us.
        nix::sys::prctl::set_child_subreaper(true).map_err(io::Error::from)?;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .map_err(io::Error::from)?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0(guard::NAME).args(guard::ARGUMENTS);
        // It keeps our environment and directory, for the commands that have ours.
        command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
        let (files, most) = *FILES.get_or_init(|| getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 4096)));
        // SAFETY: between fork and exec only one system call is made.
        unsafe {
            // What is launched has the limit of open files that it would have without us, in each of several runs.
            command.pre_exec(move || Ok(setrlimit(Resource::RLIMIT_NOFILE, files, most)?));
        }
        let process = command.spawn()?;
        Ok(Guard(Mutex::new(State {
            process: Some(process),
            orders: Some(ours),
            claims: Vec::new(),
            held: Vec::new(),
        })))
    }

    /// Makes the scratch directory `name` in `parent`, which is removed when the run ends, in whatever way. Returns where it
    /// is, and the folder in it that the target may use.
    ///
    /// # Errors
    /// If it can't be made, or the guard is lost.
    pub fn make_scratch(&self, parent: &Path, name: &str) -> io::Result<(PathBuf, PathBuf)> {
        let path = parent.join(name);
        let mut state = self.state();
        // The guard knows of it before it is there, so that there is no moment at which it could be left.
        state.remove_at_end(Claim::Scratch(path.clone()))?;
        state.hold(Claim::make_scratch(&path)?)?;
        let work = Claim::work(&path);
        Ok((path, work))
    }

    /// Has the control group `directory`, which is about to be made, removed when the run ends.
    ///
    /// # Errors
    /// If the guard is lost.
    pub fn remove_group_at_end(&self, directory: PathBuf) -> io::Result<()> {
        self.state().remove_at_end(Claim::Group(directory))
    }

    /// Claims a control group that was made: no other run removes it while this one lives.
    ///
    /// # Errors
    /// If it can't be locked, or the guard is lost.
    pub fn hold_group(&self, directory: &Path) -> io::Result<()> {
        self.state().hold(Claim::lock_group(directory)?)
    }

    /// Kills everything below the guard, removes what belonged to the run, and ends the guard. Returns what of it stays, in a
    /// sentence each.
    pub fn end(&self) -> Vec<String> {
        let mut state = self.state();
        // The guard still holds them, as long as it needs.
        state.held.clear();
        // The end of our side of the socket is the guard's order to do so.
        state.orders = None;
        let Some(mut process) = state.process.take() else { return Vec::new() };
        if !process.wait().is_ok_and(|status| status.success()) {
            // It was killed. What was below it has come to us.
            kill::everything_below_us(|_, _| {});
        }
        // What the guard has removed is gone by now.
        state.claims.iter().filter_map(|claim| claim.clear(PATIENCE)).collect()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
    }
}

impl State {
    fn order(&self, what: &GuardOrder, with: &[BorrowedFd<'_>]) -> io::Result<()> {
        let orders = self.orders.as_ref().ok_or_else(lost)?;
        order(orders.as_fd(), what, with)
    }

    fn remove_at_end(&mut self, claim: Claim) -> io::Result<()> {
        self.order(&GuardOrder::Remove(claim.clone()), &[])?;
        self.claims.push(claim);
        Ok(())
    }

    fn hold(&mut self, lock: OwnedFd) -> io::Result<()> {
        self.order(&GuardOrder::Hold, &[lock.as_fd()])?;
        self.held.push(lock);
        Ok(())
    }
}

/// A command that was launched below a keeper of its own. When this is dropped, everything below the keeper is killed.
#[derive(Debug)]
pub struct Launched {
    orders: UnixStream,
    reports: Receiver<Report>,
    keeper: u32,
    first: u32,
}

impl Launched {
    /// Launches a command and holds it before its `exec`; `outputs` are its standard output and error.
    ///
    /// # Errors
    /// If the guard is lost, or the command can't be prepared.
    pub fn suspended(guard: &Guard, request: LaunchRequest, outputs: [BorrowedFd<'_>; 2]) -> Result<Self, LaunchError> {
        let (ours, theirs) = UnixStream::pair()?;
        guard.state().order(&GuardOrder::Keep, &[theirs.as_fd(), outputs[0], outputs[1]])?;
        drop(theirs);
        let (sender, reports) = channel();
        let reader = ours.try_clone()?;
        std::thread::spawn(move || forward(reader, &sender));
        let mut launched = Launched { orders: ours, reports, keeper: 0, first: 0 };
        match launched.ask(&Order::Launch(request))? {
            Report::Suspended { keeper, pid } => (launched.keeper, launched.first) = (keeper, pid),
            Report::Failed { what, errno } => {
                return Err(LaunchError::Target { what, errno: Errno::from_raw(errno) });
            }
            _ => return Err(lost().into()),
        }
        Ok(launched)
    }

    /// Launches a command and lets it run.
    ///
    /// # Errors
    /// If the guard is lost, or the command can't be executed.
    pub fn start(guard: &Guard, request: LaunchRequest, outputs: [BorrowedFd<'_>; 2]) -> Result<Self, LaunchError> {
        let mut launched = Self::suspended(guard, request, outputs)?;
        launched.resume()?;
        Ok(launched)
    }

    /// Lets it run.
    ///
    /// # Errors
    /// If it can't be executed.
    pub fn resume(&mut self) -> Result<(), LaunchError> {
        match self.ask(&Order::Resume)? {
            Report::Running => Ok(()),
            Report::Failed { what, errno } => Err(LaunchError::Target { what, errno: Errno::from_raw(errno) }),
            _ => Err(lost().into()),
        }
    }

    /// PID of the first process that was launched.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// PID of the keeper, below which is the first process and all that it started, and nothing else.
    pub fn keeper(&self) -> u32 {
        self.keeper
    }

    /// Whether anything that was launched still lives.
    pub fn is_alive(&self) -> bool {
        !tree::children(self.keeper).is_empty()
    }

    /// What has happened since the last call.
    pub fn poll(&mut self) -> Option<TargetEvent> {
        self.wait(Duration::ZERO)
    }

    /// The next thing that happens within `patience`.
    pub fn wait(&mut self, patience: Duration) -> Option<TargetEvent> {
        let deadline = Instant::now() + patience;
        loop {
            match self.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Report::Exited { pid, status }) => {
                    return Some(TargetEvent::Exited(pid, ExitCause::from_wait_status(status)));
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => return Some(TargetEvent::GuardLost),
            }
        }
    }

    /// How the first process ended, if it does so within `patience`.
    ///
    /// # Errors
    /// If the guard or the keeper is lost.
    pub fn end(&mut self, patience: Duration) -> io::Result<Option<ExitCause>> {
        let deadline = Instant::now() + patience;
        loop {
            match self.wait(deadline.saturating_duration_since(Instant::now())) {
                Some(TargetEvent::Exited(pid, cause)) if pid == self.first => return Ok(Some(cause)),
                Some(TargetEvent::Exited(..)) => {}
                Some(TargetEvent::GuardLost) => return Err(lost()),
                None => return Ok(None),
            }
        }
    }

    /// Sends a signal to the first process and to what it started in its process group, as a terminal does.
    pub fn signal_group(&mut self, signal: i32) {
        // A keeper that is gone has killed them.
        let _ = send(&mut self.orders, &Order::SignalGroup(signal));
    }

    /// Asks the first process to stop by `signal`, waits for everything below the keeper to end as long as `wait` says so,
    /// and kills the rest; returns what had to be killed.
    pub fn stop(&mut self, signal: i32, wait: impl Fn() -> bool) -> Killed {
        if send(&mut self.orders, &Order::Signal(signal)).is_ok() {
            while self.is_alive() && wait() {
                std::thread::sleep(LOOK);
            }
        }
        self.kill()
    }

    /// Kills everything below the keeper; returns what was killed.
    pub fn kill(&mut self) -> Killed {
        match self.ask(&Order::Kill) {
            Ok(Report::Killed(killed)) => killed,
            // Without a keeper, the guard does it, and without a guard we do at its end.
            _ => Killed::default(),
        }
    }

    /// Gives an order and waits for its answer; exits that are reported meanwhile are of no interest then.
    fn ask(&mut self, order: &Order) -> io::Result<Report> {
        send(&mut self.orders, order)?;
        let deadline = Instant::now() + ANSWER;
        loop {
            match self.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Report::Exited { .. }) => {}
                Ok(report) => return Ok(report),
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
                Err(RecvTimeoutError::Disconnected) => return Err(lost()),
            }
        }
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // The end of our side of the socket is the keeper's order to kill everything and to end; its own end follows.
        let _ = self.orders.shutdown(std::net::Shutdown::Write);
        let deadline = Instant::now() + ANSWER;
        while !matches!(
            self.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout)
        ) {}
    }
}

fn forward(reader: UnixStream, reports: &Sender<Report>) {
    let mut reader = BufReader::new(reader);
    while let Ok(Some(report)) = receive(&mut reader) {
        if reports.send(report).is_err() {
            return;
        }
    }
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the guard is gone")
}
