//! Programs with the preload library in them, at their marks: lines with a process id and a number, after each of which
//! the program waits for a line.

use seepage::model::HeapReading;
use seepage::probe::{HeapProbe, Library, Untraced};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use tempfile::TempDir;

/// A program of `tests/end_to_end/preload/`, built by the C or C++ compiler with these arguments too. Each call builds a file of its
/// own, in a directory of the test's, so that no test runs what another one is writing.
pub fn built(source: &str, arguments: &[&str]) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let test = std::thread::current().name().unwrap_or("main").replace("::", "-");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME")).join(test);
    std::fs::create_dir_all(&directory).unwrap();
    let to = directory.join(format!("{source}-{number}"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/preload").join(source);
    let compiler = if source.extension() == Some(OsStr::new("cc")) { "c++" } else { "cc" };
    let mut command = Command::new(compiler);
    command.args(["-O1", "-g", "-pthread", "-w", "-fno-builtin"]).arg(source).args(arguments).arg("-o").arg(&to);
    assert!(command.status().expect("a compiler, which scripts/setup-tests.sh installs").success());
    to
}

/// The library in a directory of its own, and the environment that puts it into a program.
pub fn installed(mean: u64) -> (TempDir, Library, BTreeMap<String, String>) {
    let directory = tempfile::tempdir().unwrap();
    // A program that drops its privileges later loads it too.
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), everybody).unwrap();
    let library = Library::install(directory.path()).unwrap();
    let mut environment = BTreeMap::new();
    library.enter(&mut environment, mean);
    (directory, library, environment)
}

/// The heap of a process; `None` if the library isn't in it.
pub fn heap(pid: u32, library: &Library) -> Option<HeapProbe> {
    sought(pid, library).ok()
}

/// The heap of a process, or why there is none to be read.
pub fn sought(pid: u32, library: &Library) -> Result<HeapProbe, Untraced> {
    HeapProbe::open(File::open(format!("/proc/{pid}")).unwrap(), library).unwrap()
}

/// A program with the library in it, at one of its marks.
pub struct Traced {
    child: Child,
    orders: ChildStdin,
    marks: BufReader<ChildStdout>,
    library: Library,
    _directory: TempDir,
}

impl Traced {
    /// Starts a program that is sampled every `mean` bytes, with these variables too.
    pub fn start(program: impl AsRef<OsStr>, arguments: &[&str], mean: u64, variables: &[(&str, &str)]) -> Self {
        let (directory, library, environment) = installed(mean);
        let mut command = Command::new(program);
        command.args(arguments).envs(environment).envs(variables.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let orders = child.stdin.take().unwrap();
        let marks = BufReader::new(child.stdout.take().unwrap());
        Traced { child, orders, marks, library, _directory: directory }
    }

    /// Waits for the next mark; returns who has reached it and what it says.
    pub fn mark(&mut self) -> (u32, u64) {
        let mut line = String::new();
        self.marks.read_line(&mut line).unwrap();
        let (pid, value) = line.trim().split_once(' ').unwrap_or_else(|| panic!("no mark: {line:?}"));
        (pid.parse().unwrap(), value.parse().unwrap())
    }

    pub fn go_on(&mut self) {
        self.orders.write_all(b"\n").unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn probe(&self, pid: u32) -> HeapProbe {
        sought(pid, &self.library).expect("the library in it")
    }

    pub fn counts(&self, pid: u32) -> HeapReading {
        self.probe(pid).counts().unwrap()
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program says and how it ends, with and without the library: it must be the same.
pub fn same_with_and_without(program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let (_directory, _, library) = installed(4 << 10);
    let run = |environment: &BTreeMap<String, String>| {
        let mut command = Command::new(program);
        command.args(arguments).envs(variables.iter().copied()).envs(environment).stdin(Stdio::null());
        command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()))
    };
    let (without, with) = (run(&BTreeMap::new()), run(&library));
    assert_eq!(with, without, "{} {arguments:?}", program.display());
    with
}

/// A program that is ended with the test.
pub struct Running(pub Child);

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        Running(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub fn children(&self) -> Vec<u32> {
        let pid = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let pid = nix::unistd::Pid::from_raw(self.0.id() as i32);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let _ = self.0.wait();
        }
    }
}
