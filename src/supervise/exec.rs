//! Forks a child that waits before its `exec`, so that whatever is to be watched is open before it runs.

use super::protocol::LaunchRequest;
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};
use nix::unistd::{ForkResult, Pid, fork, setsid};
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A child that hasn't done its `exec` yet.
pub struct Suspended {
    /// Its process ID.
    pub pid: Pid,
    go: File,
    failure: File,
}

/// What went wrong, and `errno`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecError {
    /// What was tried.
    pub what: String,
    /// Why it failed.
    pub errno: Errno,
}

impl ExecError {
    fn new(what: impl Into<String>, error: &io::Error) -> Self {
        ExecError { what: what.into(), errno: Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)) }
    }
}

/// The steps of the child between `fork` and `exec`, by the number that it reports when one fails.
const STEPS: [&str; 6] = [
    "start a session",
    "redirect standard input and output",
    "enter the memory group",
    "set the memory limit",
    "change to the working directory",
    "execute",
];

impl Suspended {
    /// Forks the child, with these for its standard output and error. The calling process must have a single thread.
    ///
    /// # Errors
    /// If the program can't be found or a file can't be opened, before anything is forked.
    pub fn fork(request: &LaunchRequest, outputs: [OwnedFd; 2]) -> Result<Self, ExecError> {
        let name = request.command.first().ok_or(ExecError { what: "execute nothing".into(), errno: Errno::ENOENT })?;
        // What it is that can't be executed is for the kernel to say.
        let named = name.contains('/').then(|| PathBuf::from(name));
        let program = named
            .or_else(|| find_program(name, &request.cwd, request.env.get("PATH").map(String::as_str)))
            .ok_or_else(|| ExecError { what: format!("find the program `{name}`"), errno: Errno::ENOENT })?;
        let child = Child::prepare(&program, request, outputs)?;
        let (go_read, go_write) = pipe()?;
        let (failure_read, failure_write) = pipe()?;
        // SAFETY: the guard has one thread, so the child may do anything; it still only makes system calls.
        match unsafe { fork() } {
            Ok(ForkResult::Parent { child }) => {
                Ok(Suspended { pid: child, go: go_write.into(), failure: failure_read.into() })
            }
            Ok(ForkResult::Child) => {
                drop(go_write);
                drop(failure_read);
                let (step, errno) = child.run(&mut File::from(go_read));
                let mut message = [0; 5];
                message[0] = step as u8;
                message[1..].copy_from_slice(&(errno as i32).to_ne_bytes());
                let _ = File::from(failure_write).write_all(&message);
                // SAFETY: ends the child without running what the parent registered for its own end.
                unsafe { libc::_exit(127) }
            }
            Err(errno) => Err(ExecError { what: "fork".into(), errno }),
        }
    }

    /// Lets it go on, and returns once it has become the program.
    ///
    /// # Errors
    /// If a step before the `exec`, or the `exec` itself, failed.
    pub fn resume(mut self, command: &str) -> Result<Pid, ExecError> {
        self.go.write_all(b"g").map_err(|e| ExecError::new("resume the target", &e))?;
        drop(self.go);
        let mut message = Vec::new();
        self.failure.read_to_end(&mut message).map_err(|e| ExecError::new("resume the target", &e))?;
        match <[u8; 5]>::try_from(message.as_slice()) {
            // The pipe is closed by a successful `exec`, without a word.
            Err(_) => Ok(self.pid),
            Ok([step, errno @ ..]) => {
                let step = STEPS.get(usize::from(step)).copied().unwrap_or("prepare");
                Err(ExecError {
                    what: format!("{step} `{command}`"),
                    errno: Errno::from_raw(i32::from_ne_bytes(errno)),
                })
            }
        }
    }
}

/// All that the child needs, allocated before the fork.
struct Child {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    cwd: CString,
    stdin: File,
    outputs: [OwnedFd; 2],
    group: Option<File>,
    data_limit: Option<u64>,
}

impl Child {
    fn prepare(program: &Path, request: &LaunchRequest, outputs: [OwnedFd; 2]) -> Result<Self, ExecError> {
        use std::os::unix::ffi::OsStrExt;
        let text = |bytes: &[u8]| {
            CString::new(bytes)
                .map_err(|_| ExecError { what: "pass a text with a NUL byte".into(), errno: Errno::EINVAL })
        };
        let open_group = |path: &PathBuf| {
            OpenOptions::new()
                .write(true)
                .open(path)
                .map_err(|e| ExecError::new(format!("open {}", path.display()), &e))
        };
        let variables = request.env.iter().map(|(name, value)| format!("{name}={value}"));
        Ok(Child {
            program: text(program.as_os_str().as_bytes())?,
            arguments: request.command.iter().map(|a| text(a.as_bytes())).collect::<Result<_, _>>()?,
            environment: variables.map(|variable| text(variable.as_bytes())).collect::<Result<_, _>>()?,
            cwd: text(request.cwd.as_os_str().as_bytes())?,
            stdin: File::open("/dev/null").map_err(|e| ExecError::new("open /dev/null", &e))?,
            outputs,
            group: request.group.as_ref().map(open_group).transpose()?,
            data_limit: request.data_limit,
        })
    }

    /// Becomes the program; returns only the step that failed, and why.
    fn run(&self, go: &mut File) -> (usize, Errno) {
        // If the guard dies before it says go, its end of the pipe closes.
        if go.read(&mut [0; 1]).ok() != Some(1) {
            return (0, Errno::ECANCELED);
        }
        match self.steps() {
            Ok(never) => match never {},
            Err(failed) => failed,
        }
    }

    fn steps(&self) -> Result<std::convert::Infallible, (usize, Errno)> {
        setsid().map_err(|e| (0, e))?;
        // The kernel kills the target should the guard die first; the guard kills the rest.
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(|e| (0, e))?;
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        for signal in [Signal::SIGPIPE, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCHLD] {
            // SAFETY: the default disposition runs no code of ours.
            unsafe { sigaction(signal, &default) }.map_err(|e| (0, e))?;
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(|e| (0, e))?;
        let descriptors = [self.stdin.as_raw_fd(), self.outputs[0].as_raw_fd(), self.outputs[1].as_raw_fd()];
        for (descriptor, number) in descriptors.into_iter().zip(0..) {
            // SAFETY: both descriptors are valid, and nothing in this child owns 0, 1 or 2.
            Errno::result(unsafe { libc::dup2(descriptor, number) }).map_err(|e| (1, e))?;
        }
        if let Some(group) = &self.group {
            nix::unistd::write(group.as_fd(), b"0").map_err(|e| (2, e))?;
        }
        if let Some(limit) = self.data_limit {
            nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_DATA, limit, limit)
                .map_err(|e| (3, e))?;
        }
        nix::unistd::chdir(self.cwd.as_c_str()).map_err(|e| (4, e))?;
        nix::unistd::execve(&self.program, &self.arguments, &self.environment).map_err(|e| (5, e))
    }
}

/// Looks `name` up in `path` as a shell would; a name with a slash is taken as it is, from `directory` on. `None` if it isn't
/// there, or can't be executed.
pub fn find_program(name: &str, directory: &Path, path: Option<&str>) -> Option<PathBuf> {
    let runs = |file: &PathBuf| nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok() && file.is_file();
    if name.contains('/') {
        return Some(directory.join(name)).filter(runs);
    }
    // Servers live in sbin, which an ordinary user's PATH leaves out.
    let path = format!("{}:/usr/local/sbin:/usr/sbin:/sbin", path.unwrap_or("/usr/local/bin:/usr/bin:/bin"));
    path.split(':').map(|place| Path::new(place).join(name)).find(runs)
}

fn pipe() -> Result<(OwnedFd, OwnedFd), ExecError> {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|errno| ExecError { what: "make a pipe".into(), errno })
}
