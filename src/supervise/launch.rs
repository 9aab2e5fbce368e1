//! The harness's side: it starts the guard, has it keep commands, and speaks to their keepers.

use super::claim::{Claim, PATIENCE};
use super::helper::Helper;
use super::protocol::{GuardOrder, KeeperReport, Killed, LaunchRequest, Order, order, receive, send};
use super::{guard, kill, target, tree};
use crate::model::{ExitCause, format_seconds};
use crate::thread;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, Shutdown, SockFlag, SockType, shutdown, socketpair};
use std::io::{self, BufReader};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long a keeper may take to answer an order that it can obey at once.
const ANSWER: Duration = Duration::from_secs(30);

/// How long the end of what was launched is waited for at most, after it was killed: guard and keepers go on without us.
pub const KILLING: Duration = Duration::from_secs(15);

/// The same of a command that is dropped, which the guard kills in any case.
const DROPPED: Duration = Duration::from_secs(5);

/// How often it is looked whether the target has stopped, and whether a keeper was.
const LOOK: Duration = Duration::from_millis(20);

/// How long a target that is asked to stop may do nothing that shows.
const MOMENT: Duration = Duration::from_millis(500);

/// How often it is looked whether the guard has ended.
const SHORT: Duration = Duration::from_millis(2);

/// The limits of open files that we were started with: a run raises its own.
static FILES: OnceLock<(u64, u64)> = OnceLock::new();

/// Why something could not be launched.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The guard could not be started, or was lost.
    #[error("could not start the guard process: {0}")]
    Guard(#[from] io::Error),
    /// What its keeper reports can't be followed.
    #[error("{0}")]
    Thread(io::Error),
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

/// A process of what was launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kindred {
    /// Its PID.
    pub pid: u32,
    /// How many parents are between it and the keeper: 0 of what was launched, 1 of its children.
    pub depth: u32,
    /// The name of its program.
    pub command: String,
    /// Program and arguments.
    pub words: Vec<String>,
}

/// The guard of a run, below which is all that the run starts.
#[derive(Debug)]
pub struct Guard(Mutex<State>);

#[derive(Debug)]
struct State {
    /// `None` once it has ended.
    process: Option<Child>,
    helper: Arc<Helper>,
    orders: Arc<OwnedFd>,
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
        command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
        let (files, most) = *FILES.get_or_init(|| getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 4096)));
        // SAFETY: between fork and exec only one system call is made.
        unsafe {
            // What is launched has the limit of open files that it would have without us, in each of several runs.
            command.pre_exec(move || Ok(setrlimit(Resource::RLIMIT_NOFILE, files, most)?));
        }
        let process = command.spawn()?;
        let helper = Arc::new(Helper::hold(process.id())?);
        Ok(Guard(Mutex::new(State {
            process: Some(process),
            helper,
            orders: Arc::new(ours),
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

    /// Kills everything below the guard, removes what belonged to the run, and ends the guard; waits for that as long as
    /// `patience` lasts. Returns what of it stays, in a sentence each.
    pub fn end(&self, patience: Duration) -> Vec<String> {
        let mut state = self.state();
        // The guard still holds them, as long as it needs.
        state.held.clear();
        part(&state.orders);
        let Some(mut process) = state.process.take() else { return Vec::new() };
        let begun = Instant::now();
        let Some(status) = ended(&mut process, &state.helper, patience) else {
            return vec![format!(
                "what was started has not ended {} after it was killed; process {} goes on with that, and removes what is the run's",
                format_seconds(patience.as_secs_f64()),
                process.id()
            )];
        };
        let mut stays = Vec::new();
        if !status.success() {
            // It was killed, or could not kill all. What was below it has come to us.
            let left = kill::everything_below_us(patience.saturating_sub(begun.elapsed()), |_, _| {}).left;
            if left.count > 0 {
                stays.push(format!(
                    "{left} could not be killed: another user's, as what `sudo` started, or held by the kernel"
                ));
            }
        }
        // What the guard has removed is gone by now.
        stays.extend(state.claims.iter().filter_map(|claim| claim.clear(PATIENCE)));
        stays
    }

    /// What ends all of it when the harness has no time for an orderly end.
    pub fn leash(&self) -> Leash {
        let state = self.state();
        Leash { orders: Arc::clone(&state.orders), guard: Arc::clone(&state.helper) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hold of a guard that takes no lock: whoever leaves in haste may have one.
#[derive(Debug)]
pub struct Leash {
    orders: Arc<OwnedFd>,
    guard: Arc<Helper>,
}

impl Leash {
    /// Has the guard kill all that was started, and waits until it has, at most for `patience`.
    pub fn pull(&self, patience: Duration) {
        let begun = Instant::now();
        part(&self.orders);
        while !self.guard.has_ended(SHORT) && begun.elapsed() < patience {
            self.guard.wake();
        }
    }
}

/// The end of our side of the socket: for the guard, the order to kill everything and to end.
fn part(orders: &OwnedFd) {
    // One that is gone already needs no order.
    let _ = shutdown(orders.as_raw_fd(), Shutdown::Both);
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end(KILLING);
    }
}

/// How a guard ended that was told to, if it did so within `patience`. Nothing that is done to it may keep us: one that was
/// stopped is woken, and killed if it doesn't stay awake.
fn ended(process: &mut Child, guard: &Helper, patience: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Ok(Some(status)) = process.try_wait() {
            return Some(status);
        }
        if guard.wake() && begun.elapsed() >= patience / 2 {
            guard.kill();
        }
        if begun.elapsed() >= patience {
            return None;
        }
        std::thread::sleep(SHORT);
    }
}

impl State {
    fn order(&self, what: &GuardOrder, with: &[BorrowedFd<'_>]) -> io::Result<()> {
        order(self.orders.as_fd(), what, with)
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
    reports: Receiver<KeeperReport>,
    guard: Arc<Helper>,
    /// `None` until it has answered.
    keeper: Option<Helper>,
    first: u32,
    /// Whether somebody had stopped the keeper.
    woken: bool,
}

impl Launched {
    /// Launches a command and holds it before its `exec`; `outputs` are its standard output and error.
    ///
    /// # Errors
    /// If the guard is lost, or the command can't be prepared.
    pub fn suspended(guard: &Guard, request: LaunchRequest, outputs: [BorrowedFd<'_>; 2]) -> Result<Self, LaunchError> {
        let (ours, theirs) = UnixStream::pair()?;
        let state = guard.state();
        state.order(&GuardOrder::Keep, &[theirs.as_fd(), outputs[0], outputs[1]])?;
        let guard = Arc::clone(&state.helper);
        drop((theirs, state));
        let (sender, reports) = channel();
        let reader = ours.try_clone()?;
        thread::start("reports", move || forward(reader, &sender)).map_err(LaunchError::Thread)?;
        let mut launched = Launched { orders: ours, reports, guard, keeper: None, first: 0, woken: false };
        match launched.ask(&Order::Launch(request))? {
            KeeperReport::Suspended { keeper, pid } => {
                (launched.keeper, launched.first) = (Some(Helper::hold(keeper)?), pid);
            }
            KeeperReport::Failed { what, errno } => {
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
            KeeperReport::Running => Ok(()),
            KeeperReport::Failed { what, errno } => Err(LaunchError::Target { what, errno: Errno::from_raw(errno) }),
            _ => Err(lost().into()),
        }
    }

    /// PID of the first process that was launched.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// PID of the keeper, below which is the first process and all that it started, and nothing else.
    pub fn keeper(&self) -> u32 {
        self.keeper.as_ref().map_or(0, Helper::pid)
    }

    /// Whether anything that was launched still lives.
    pub fn is_alive(&self) -> bool {
        !tree::children(self.keeper()).is_empty()
    }

    /// What lives below the keeper, parents before their children.
    pub fn kindred(&self) -> Vec<Kindred> {
        let mut all: Vec<Kindred> = Vec::new();
        for pid in tree::descendants(self.keeper()) {
            let parent = tree::parent(pid);
            let depth = all.iter().find(|other| Some(other.pid) == parent).map_or(0, |parent| parent.depth + 1);
            let words = target::command_line(pid);
            let command = words.first().map(|word| word.rsplit('/').next().unwrap_or_default().to_owned());
            all.push(Kindred { pid, depth, command: command.unwrap_or_default(), words });
        }
        all
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
                Ok(KeeperReport::Exited { pid, status }) => {
                    return Some(TargetEvent::Exited(pid, ExitCause::from_wait_status(status)));
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.wake();
                    return None;
                }
                Err(RecvTimeoutError::Disconnected) => return Some(TargetEvent::GuardLost),
            }
        }
    }

    /// Whether somebody had stopped the keeper, which was then made to go on.
    pub fn was_woken(&self) -> bool {
        self.woken
    }

    /// Lets keeper and guard go on if somebody has stopped them.
    fn wake(&mut self) {
        self.guard.wake();
        self.woken |= self.keeper.as_ref().is_some_and(Helper::wake);
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

    /// Asks the first process to stop by `signal`, and once it has ended what it left by `SIGTERM`; waits for everything below
    /// the keeper to end as long as `wait` says so. Where nothing has ended for a moment, the first process doesn't pass the signal
    /// on, as a shell that waits for a server doesn't: all are asked then.
    pub fn stop(&mut self, signal: i32, wait: impl Fn() -> bool) {
        if send(&mut self.orders, &Order::Stop(signal)).is_err() {
            return;
        }
        let (begun, all) = (Instant::now(), tree::descendants(self.keeper()));
        let mut asked = false;
        while kill::reaches_any_below(self.keeper()) && wait() {
            std::thread::sleep(LOOK);
            self.wake();
            if !asked && begun.elapsed() >= MOMENT {
                asked = true;
                let left = tree::descendants(self.keeper());
                if all.iter().all(|pid| left.contains(pid)) {
                    let _ = send(&mut self.orders, &Order::StopAll);
                }
            }
        }
    }

    /// Kills everything below the keeper, and waits for that as long as `patience` lasts; returns what was killed.
    pub fn kill(&mut self, patience: Duration) -> Killed {
        if let Ok(KeeperReport::Killed(killed)) =
            send(&mut self.orders, &Order::Kill).and_then(|()| self.answer(patience))
        {
            return killed;
        }
        // Without a keeper, the guard does it, and without a guard we do at its end.
        self.keeper.iter().for_each(Helper::kill);
        Killed::default()
    }

    /// Gives an order and waits for its answer.
    fn ask(&mut self, order: &Order) -> io::Result<KeeperReport> {
        send(&mut self.orders, order)?;
        self.answer(ANSWER)
    }

    /// Waits for an answer; exits that are reported meanwhile are of no interest then.
    fn answer(&mut self, patience: Duration) -> io::Result<KeeperReport> {
        let deadline = Instant::now() + patience;
        loop {
            match self.reports.recv_timeout(LOOK) {
                Ok(KeeperReport::Exited { .. }) => {}
                Ok(report) => return Ok(report),
                Err(RecvTimeoutError::Disconnected) => return Err(lost()),
                Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(RecvTimeoutError::Timeout) => self.wake(),
            }
        }
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // The end of our side of the socket is the keeper's order to kill everything and to end; its own end follows.
        let _ = self.orders.shutdown(std::net::Shutdown::Write);
        let deadline = Instant::now() + DROPPED;
        while self.answer(deadline.saturating_duration_since(Instant::now())).is_ok() {}
    }
}

fn forward(reader: UnixStream, reports: &Sender<KeeperReport>) {
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
