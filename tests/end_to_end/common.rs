//! What the end-to-end tests share: a private directory for each test, harness files, and a look at the process table.

use serde_json::Value;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long something may take that takes a moment: generous, so that no test depends on the machine's speed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A directory of one test, with all that its runs leave.
pub struct Bench {
    directory: tempfile::TempDir,
}

/// A run of seepage that has ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// The run directory, if one was made.
    pub run: Option<PathBuf>,
}

impl Bench {
    pub fn new() -> Self {
        Bench { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// seepage, with its scratch directories below this bench.
    pub fn seepage(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seepage"));
        command.current_dir(self.path()).env("TMPDIR", self.path()).stdin(Stdio::null());
        command
    }

    /// A shell that runs a script, on its way.
    pub fn shell(&self, script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(self.path()).stdin(Stdio::null());
        command.spawn().unwrap()
    }

    /// seepage as an ordinary user, to whom the bench belongs from now on; root is denied nothing, and can't be tried with.
    pub fn seepage_of_a_user(&self) -> Command {
        if !nix::unistd::geteuid().is_root() {
            return self.seepage();
        }
        // That user may not reach the one that was built.
        let program = self.path().join("seepage");
        std::fs::copy(env!("CARGO_BIN_EXE_seepage"), &program).unwrap();
        let owned = Command::new("chown").args(["-R", "65534:65534"]).arg(self.path()).status().unwrap();
        assert!(owned.success());
        let mut command = Command::new(program);
        command.current_dir(self.path()).env("TMPDIR", self.path()).stdin(Stdio::null()).uid(65534).gid(65534);
        command
    }

    /// `seepage run FILE`, on its way.
    pub fn start(&self, file: &Path, arguments: &[&str]) -> Child {
        let mut command = self.seepage();
        command.arg("run").arg(file).arg("--reports").arg(self.reports()).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// `seepage run FILE`, to its end.
    pub fn run(&self, file: &Path, arguments: &[&str]) -> Ended {
        self.ended(self.start(file, arguments).wait_with_output().unwrap())
    }

    pub fn ended(&self, output: Output) -> Ended {
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            run: self.newest_run(),
        }
    }

    pub fn reports(&self) -> PathBuf {
        self.path().join("reports")
    }

    /// Waits until the run has readings on disk; returns its directory.
    pub fn recorded(&self) -> PathBuf {
        let run = || Some(std::fs::read_dir(self.reports()).ok()?.flatten().next()?.path());
        let has_samples = |run: PathBuf| std::fs::metadata(run.join("samples.jsonl")).is_ok_and(|m| m.len() > 0);
        wait_until("samples are written", || run().is_some_and(has_samples));
        run().unwrap()
    }

    fn newest_run(&self) -> Option<PathBuf> {
        std::fs::read_dir(self.reports()).ok()?.flatten().map(|e| e.path()).max()
    }

    /// What is left of scratch directories: nothing, after a run.
    pub fn scratch(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path()).unwrap().flatten().map(|e| e.path());
        entries.filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("seepage-"))).collect()
    }
}

/// A harness file on the demonstration server with one of its faults; its other parts are as a test wants them.
pub struct Demo<'a> {
    /// The server's fault, such as `malloc`.
    pub fault: &'a str,
    /// Worker processes, and connections.
    pub workers: u32,
    /// Requests a second.
    pub rate: u32,
    /// More keys of the table `workload`.
    pub workload: &'a str,
    /// The steps of the workload, whole tables.
    pub steps: &'a str,
    /// Length of the warm-up.
    pub warm_up: &'a str,
    /// Length of the soak.
    pub soak: &'a str,
    /// More tables, after the phases.
    pub more: &'a str,
}

impl Default for Demo<'_> {
    fn default() -> Self {
        Demo { fault: "none", workers: 2, rate: 500, workload: "", steps: UPLOAD, warm_up: "2s", soak: "8s", more: "" }
    }
}

/// A step that uploads a little.
pub const UPLOAD: &str = r#"
[[workload.step]]
name = "upload"
method = "POST"
path = "/upload"
body = { random = "2 KiB" }
"#;

impl Demo<'_> {
    /// Writes the file to the bench.
    pub fn write(&self, bench: &Bench) -> PathBuf {
        let Demo { fault, workers, rate, workload, steps, warm_up, soak, more } = self;
        let text = format!(
            r#"
name = "demo-{fault}"
[target]
command = [
    "${{seepage}}", "demo-server", "--port", "${{port}}", "--workers", "{workers}", "--fault", "{fault}",
    "--access-log", "${{work_dir}}/access.log",
]
workers = "children"
ready = {{ http = "http://127.0.0.1:${{port}}/status" }}
stop = {{ grace = "2s" }}
[requests.log]
path = "${{work_dir}}/access.log"
pattern = '^(?P<pid>\d+) (?P<class>\S+)'
[workload]
base-url = ["http://127.0.0.1:${{port}}"]
rate = "{rate}/s"
concurrency = {workers}
requests-per-connection = 20
{workload}
{steps}
[[phase]]
kind = "warm-up"
duration = "{warm_up}"
[[phase]]
kind = "soak"
duration = "{soak}"
{more}
"#
        );
        bench.write("harness.toml", &text)
    }
}

impl Ended {
    /// All that it said and left, for the message of a failed assertion.
    pub fn story(&self) -> String {
        let events = self.run.as_ref().and_then(|r| std::fs::read_to_string(r.join("events.jsonl")).ok());
        format!(
            "exit {:?}\n-- stdout\n{}\n-- stderr\n{}\n-- events\n{}",
            self.code,
            self.stdout,
            self.stderr,
            events.unwrap_or_default()
        )
    }

    pub fn directory(&self) -> &Path {
        self.run.as_deref().unwrap_or_else(|| panic!("no run directory: {}", self.story()))
    }

    pub fn read(&self, name: &str) -> String {
        let path = self.directory().join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}\n{}", path.display(), self.story()))
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// The events of a kind, such as `exited`.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let lines = self.read("events.jsonl");
        let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone());
        events.filter_map(|e| if e == *kind { Some(Value::Null) } else { e.get(kind).cloned() }).collect()
    }

    /// The finding on a resource in the verdict.
    pub fn finding(&self, resource: &str) -> Value {
        let verdict = self.json("verdict.json");
        let findings = verdict["findings"].as_array().unwrap();
        findings.iter().find(|f| f["resource"] == resource).cloned().unwrap_or(Value::Null)
    }
}

/// PIDs of the processes whose command line holds `marker`.
pub fn processes(marker: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(marker))
    })
    .collect()
}

/// In a harness file: the target is ready at once.
pub const AT_ONCE: &str = "ready = { delay = '50ms' }";

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal to a process that this test started.
pub fn signal(pid: u32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), signal).unwrap();
}

/// Directory of the modules of `examples/apache`, built once: tests are processes of their own, and wait for the first.
pub fn apache_modules() -> PathBuf {
    let (place, example) = (Path::new(env!("CARGO_TARGET_TMPDIR")), Path::new(env!("CARGO_MANIFEST_DIR")));
    let (built, example) = (place.join("apache-modules"), example.join("examples/apache"));
    let lock = std::fs::File::create(place.join("apache-modules.lock")).unwrap();
    lock.lock().unwrap();
    let written = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let newest = std::fs::read_dir(&example).unwrap().flatten().filter_map(|entry| written(&entry.path())).max();
    let done = place.join("apache-modules.done");
    if written(&done) < newest || !built.exists() {
        let _ = std::fs::remove_dir_all(&built);
        let output = Command::new(example.join("build.sh")).arg(&built).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(done, "").unwrap();
    }
    built.join(".libs")
}

/// A harness file for a pool of `tests/end_to_end/pools`, whose place is POOL in `command`; `env` are more variables of the target,
/// `workers` and `requests` parts of the file.
pub fn pool(
    (name, pool): (&str, &str),
    command: &str,
    (env, workers): (&str, &str),
    requests: &str,
    soak: &str,
) -> String {
    let command = command.replace("POOL", &format!("{}/tests/end_to_end/pools/{pool}", env!("CARGO_MANIFEST_DIR")));
    format!(
        r#"
name = "{name}"
[target]
command = [{command}]
env = {{ PORT = "${{port}}", LOG = "${{work_dir}}/access.log", {env} }}
{workers}
ready = {{ http = "http://127.0.0.1:${{port}}/" }}
stop = {{ grace = "1s" }}
{requests}
[workload]
base-url = ["http://127.0.0.1:${{port}}"]
rate = "300/s"
concurrency = 2
requests-per-connection = 20
[[workload.step]]
name = "get"
path = "/"
[[phase]]
kind = "warm-up"
duration = "1s"
[[phase]]
kind = "soak"
duration = "{soak}"
[budget]
memory = "64 B/request"
"#
    )
}

/// A program and its argument, as `command` of a harness file has them.
pub const PYTHON: &str = r#""python3", "POOL""#;

/// The log of a pool, a line a request.
pub const LOG: &str = "[requests.log]\npath = \"${work_dir}/access.log\"\npattern = '^(?P<pid>\\d+) (?P<class>\\S+)'";
