//! `action.yml`: its shell steps are taken out of it and run in their order, as GitHub's runner does.

use crate::common::Bench;
use crate::steps::{Step, assert_sound, steps};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

const ACTION: &str = include_str!("../../action.yml");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A job's files, and what a step left in them.
struct Job<'a> {
    bench: &'a Bench,
    cargo: PathBuf,
    /// Where the runner has put the action.
    action: PathBuf,
}

impl<'a> Job<'a> {
    fn new(bench: &'a Bench) -> Self {
        // What cargo is called with, instead of a build: what it would install is there already.
        let cargo = bench.path().join("bin");
        std::fs::create_dir(&cargo).unwrap();
        let install = format!(
            "#!/bin/sh\nset -e\n[ \"$1 $2 $3 $4\" = 'install --locked --force --path' ]\n[ -f \"$5/Cargo.toml\" ]\n\
             [ \"$6\" = --root ]\nmkdir -p \"$7/bin\"\nln -sf {} \"$7/bin/seepage\"\n",
            env!("CARGO_BIN_EXE_seepage")
        );
        std::fs::write(cargo.join("cargo"), install).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(cargo.join("cargo"), executable).unwrap();
        Job { bench, cargo, action: env!("CARGO_MANIFEST_DIR").into() }
    }

    /// Runs a step's script with these inputs, as `shell: bash` does.
    fn run(&self, step: &Step, inputs: &[(&str, &str)]) -> Output {
        let path = |name: &str| self.bench.path().join(name);
        for name in ["output", "summary"] {
            std::fs::write(path(name), "").unwrap();
        }
        let search = format!("{}:{}", self.cargo.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &step.script]);
        command.current_dir(self.bench.path()).envs(inputs.iter().copied()).env("PATH", search);
        command.env("RUNNER_TEMP", self.bench.path()).env("GITHUB_ACTION_PATH", &self.action);
        command.env("GITHUB_OUTPUT", path("output")).env("GITHUB_STEP_SUMMARY", path("summary"));
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.bench.path().join(name)).unwrap()
    }

    /// The value of an output.
    fn output(&self, name: &str) -> String {
        let text = self.read("output");
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        value.unwrap_or_else(|| panic!("no output `{name}`: {text}")).to_owned()
    }
}

#[test]
fn its_steps_build_run_and_pass_the_exit_code_and_the_report_on() {
    let bench = Bench::new();
    let job = Job::new(&bench);
    let [fetch, build, run, _] = &own_steps();
    let fetched = job.run(fetch, &[("RELEASE", ""), ("SHA256", ""), ("FROM", "")]);
    assert!(fetched.status.success() && job.output("there") == "false", "{fetched:?}");
    let key = job.output("key");
    assert!(key.starts_with("seepage-") && key.len() > 30, "{key}");
    let built = job.run(build, &[]);
    assert!(built.status.success(), "{built:?}");

    // Too short to be judged.
    let text = "name = 'action'\n[target]\ncommand = ['sleep', '60']\nworkers = 'self'\nready = { delay = '50ms' }\n\
                [workload]\ncommand = ['sleep', '60']\n[[phase]]\nkind = 'soak'\nduration = '500ms'\n";
    let harness = bench.write("with space.toml", text);
    let harness = ("HARNESS", harness.to_str().unwrap());
    let ran = job.run(run, &[harness, ("SEEPAGE", ""), ("MORE", "--seed 7 --quiet"), ("INCONCLUSIVE", "")]);
    assert_eq!(ran.status.code(), Some(11), "{ran:?}");
    assert_eq!(job.output("exit-code"), "11");
    let directory = PathBuf::from(job.output("run"));
    assert!(std::fs::read_to_string(directory.join("run.json")).unwrap().contains("\"seed\": 7"));
    assert_eq!(job.read("summary"), std::fs::read_to_string(directory.join("report.md")).unwrap());

    let seepage = ("SEEPAGE", env!("CARGO_BIN_EXE_seepage"));
    let passed = job.run(run, &[harness, seepage, ("MORE", ""), ("INCONCLUSIVE", "pass")]);
    assert_eq!((passed.status.code(), job.output("exit-code").as_str()), (Some(0), "0"), "{passed:?}");

    let wrong = bench.write("wrong.toml", "nam = 'x'");
    let inputs = [("HARNESS", wrong.to_str().unwrap()), seepage, ("MORE", ""), ("INCONCLUSIVE", "")];
    let refused = job.run(run, &inputs);
    assert_eq!((refused.status.code(), job.output("run").as_str()), (Some(20), ""), "{refused:?}");
    assert_eq!((job.output("exit-code").as_str(), job.read("summary").as_str()), ("20", ""));
}

#[test]
fn its_scripts_hold_no_expression_and_no_slip() {
    assert_sound(&own_steps());
}

/// Files that a server on loopback has, by their path.
struct Releases(HashMap<String, Vec<u8>>);

impl Releases {
    /// A release of `version` whose program is this script.
    fn of(version: &str, program: &str) -> Self {
        let bench = Bench::new();
        let name = format!("seepage-{version}-{}-unknown-linux-gnu", std::env::consts::ARCH);
        std::fs::create_dir(bench.path().join(&name)).unwrap();
        let file = bench.write(&format!("{name}/seepage"), program);
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let packed = Command::new("tar").args(["-czf", "-", &name]).current_dir(bench.path()).output().unwrap();
        assert!(packed.status.success());
        let digest: String = Sha256::digest(&packed.stdout).iter().map(|byte| format!("{byte:02x}")).collect();
        let sums = format!("{digest}  {name}.tar.gz\n{digest}  another.tar.gz\n");
        let at = |file: &str| format!("/v{version}/{file}");
        Releases([(at(&format!("{name}.tar.gz")), packed.stdout), (at("SHA256SUMS"), sums.into_bytes())].into())
    }

    fn file(&mut self, end: &str) -> &mut Vec<u8> {
        self.0.iter_mut().find(|(path, _)| path.ends_with(end)).unwrap().1
    }

    /// Serves them for as long as the test's process lives; where.
    fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let path = lines.next().and_then(|line| Some(line.split(' ').nth(1)?.to_owned()));
                lines.find(String::is_empty);
                let (status, body) = match path.and_then(|path| self.0.get(&path)) {
                    Some(body) => ("200 OK", &body[..]),
                    None => ("404 Not Found", &b""[..]),
                };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = (&stream).write_all(&[head.as_bytes(), body].concat());
            }
        });
        address
    }
}

fn own_steps() -> [Step; 4] {
    let steps = <[Step; 4]>::try_from(steps(ACTION)).unwrap_or_else(|steps| panic!("{} steps", steps.len()));
    assert_eq!(
        steps.each_ref().map(|s| s.name.as_str()),
        ["Fetch the release", "Build seepage", "Run the harness", "Comment on the pull request"]
    );
    steps
}

/// What fetching ended with: its exit code, whether seepage is there, and what it printed.
fn fetch(job: &Job, release: &str, sha256: &str, releases: &str) -> (Option<i32>, bool, String) {
    let program = job.bench.path().join("seepage/bin/seepage");
    let _ = std::fs::remove_file(&program);
    let output = job.run(&own_steps()[0], &[("RELEASE", release), ("SHA256", sha256), ("FROM", releases)]);
    let there = program.exists();
    if output.status.success() {
        assert_eq!(job.output("there"), there.to_string());
    }
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code(), there, told)
}

#[test]
fn a_release_is_fetched_if_the_action_is_used_by_its_tag_or_it_is_named() {
    let bench = Bench::new();
    let mut job = Job::new(&bench);
    let program = format!("#!/bin/sh\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_seepage"));
    let mut releases = Releases::of(VERSION, &program);
    let digest = String::from_utf8(releases.file("SHA256SUMS").clone()).unwrap()[..64].to_owned();
    let address = releases.serve();

    assert!(!fetch(&job, "", "", &address).1, "used by a path");
    for sha256 in ["", &digest] {
        let (code, there, told) = fetch(&job, VERSION, sha256, &address);
        assert_eq!((code, there), (Some(0), true), "{told}");
        assert!(told.contains(&format!("seepage {VERSION}")), "{told}");
    }
    // What the runner makes of `uses: seepage-dev/seepage@v0.1.0`.
    let tag = bench.path().join(format!("v{VERSION}"));
    std::os::unix::fs::symlink(&job.action, &tag).unwrap();
    job.action = tag;
    let (code, there, told) = fetch(&job, "", "", &address);
    assert_eq!((code, there), (Some(0), true), "{told}");

    let (code, there, told) = fetch(&job, "9.9.9", "", &address);
    assert_eq!((code, there), (Some(0), false), "{told}");
    assert!(told.contains("::notice::seepage is built from source: release 9.9.9 has no seepage-9.9.9-"), "{told}");
}

#[test]
fn what_was_not_released_is_not_run() {
    let bench = Bench::new();
    let mut job = Job::new(&bench);
    let ran = bench.path().join("ran");
    let program = format!("#!/bin/sh\ntouch {}\n", ran.display());
    let mut damaged = Releases::of(VERSION, &program);
    damaged.file(".tar.gz").push(0);
    let mut unnamed = Releases::of(VERSION, &program);
    unnamed.file("SHA256SUMS").truncate(10);
    let sound = Releases::of(VERSION, &program).serve();
    for (sha256, address) in
        [("", damaged.serve()), ("", unnamed.serve()), (&"0".repeat(64), sound.clone()), ("short", sound.clone())]
    {
        let (code, there, told) = fetch(&job, VERSION, sha256, &address);
        assert_eq!((code, there), (Some(1), false), "{told}");
        assert!(told.contains("::error::") && told.contains("is not what was released"), "{told}");
    }
    let (code, there, told) = fetch(&job, "", &"0".repeat(64), &sound);
    assert_eq!((code, there), (Some(2), false), "{told}");
    assert!(told.contains("sha256 is given and no release"), "{told}");
    assert!(!ran.exists());

    // Such as one that needs another glibc.
    job.action = env!("CARGO_MANIFEST_DIR").into();
    let address = Releases::of(VERSION, "#!/bin/sh\nexit 127\n").serve();
    let output = job.run(&own_steps()[0], &[("RELEASE", VERSION), ("SHA256", ""), ("FROM", &address)]);
    assert!(output.status.success() && job.output("there") == "false", "{output:?}");
}

#[test]
fn what_it_names_exists() {
    let declared = |section: &str| -> Vec<&str> {
        let lines = ACTION.lines().skip_while(|line| *line != section).skip(1);
        let own = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
        own.filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':').filter(|name| !name.starts_with(' ')))
            .collect()
    };
    let (inputs, outputs) = (declared("inputs:"), declared("outputs:"));
    assert!(inputs.len() >= 8 && outputs.len() == 2, "{inputs:?} {outputs:?}");
    let words = |prefix: &str| -> Vec<&str> {
        let parts = ACTION.split(prefix).skip(1);
        parts.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap()).collect()
    };
    for input in words("inputs.") {
        assert!(inputs.contains(&input), "{input}");
    }
    for output in words("steps.run.outputs.") {
        assert!(ACTION.contains(&format!("echo \"{output}=")), "{output}");
    }
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md")).unwrap();
    for input in inputs {
        assert!(page.contains(&format!("| `{input}` |")), "docs/ci.md lacks `{input}`");
    }
}

/// What stands on a pull request: comments, and who may write there.
struct Pull {
    comments: Vec<serde_json::Value>,
    /// What every request is answered with, if it is an error.
    refuses: Option<u16>,
}

impl Pull {
    fn comment(id: u64, kind: &str, body: &str) -> serde_json::Value {
        serde_json::json!({ "id": id, "user": { "type": kind }, "body": body })
    }

    /// Answers one request as GitHub does.
    fn answer(&mut self, request: &str, token: &str, body: &[u8]) -> (u16, serde_json::Value) {
        if let Some(code) = self.refuses {
            return (code, serde_json::json!({ "message": "no" }));
        }
        assert_eq!(token, "Bearer s3cret");
        let [method, path, _] = request.split(' ').collect::<Vec<_>>()[..] else { panic!("{request}") };
        let told = || serde_json::from_slice::<serde_json::Value>(body).unwrap()["body"].as_str().unwrap().to_owned();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match (method, path.strip_prefix("/repos/us/shop/issues/").unwrap()) {
            ("GET", "7/comments") => {
                let page: usize = query.strip_prefix("per_page=100&page=").unwrap().parse().unwrap();
                let of_page = self.comments.iter().skip(100 * (page - 1)).take(100);
                (200, of_page.cloned().collect())
            }
            ("POST", "7/comments") => {
                self.comments.push(Pull::comment(self.comments.len() as u64 + 1, "Bot", &told()));
                (201, serde_json::json!({}))
            }
            ("PATCH", one) => {
                let id: u64 = one.strip_prefix("comments/").unwrap().parse().unwrap();
                self.comments[id as usize - 1]["body"] = told().into();
                (200, serde_json::json!({}))
            }
            other => panic!("{other:?}"),
        }
    }

    /// Serves it for as long as the test's process lives; where.
    fn serve(self) -> (String, Arc<Mutex<Pull>>) {
        let (shared, listener) = (Arc::new(Mutex::new(self)), TcpListener::bind("127.0.0.1:0").unwrap());
        let address = format!("http://{}/repos/us/shop/issues", listener.local_addr().unwrap());
        let pull = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(&stream);
                let lines: Vec<String> =
                    reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let header =
                    |name: &str| lines.iter().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
                let length = header("Content-Length:").map_or(0, |length| length.parse().unwrap());
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let token = header("Authorization:").unwrap_or_default();
                let (code, answer) = pull.lock().unwrap().answer(&lines[0], &token, &body);
                let answer = answer.to_string();
                let head =
                    format!("HTTP/1.1 {code} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
                let _ = (&stream).write_all(&[head.as_bytes(), answer.as_bytes()].concat());
            }
        });
        (address, shared)
    }
}

/// Writes the comment on a run's report; what was printed.
fn comment(job: &Job, report: &str, comments: &str) -> String {
    job.bench.write("run/report.md", report);
    let run = job.bench.path().join("run");
    let inputs = [("RUN", run.to_str().unwrap()), ("TOKEN", "s3cret"), ("COMMENTS", comments), ("PULL", "7")];
    let output = job.run(&own_steps()[3], &inputs);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn the_comment_on_a_pull_request_is_updated_in_place() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path().join("run")).unwrap();
    let job = Job::new(&bench);
    let marker = "<!-- seepage: shop -->";
    // More than a page of others, and somebody who begins as we do.
    let mut comments: Vec<_> = (1..=120).map(|id| Pull::comment(id, "User", "I think so")).collect();
    comments[3]["body"] = format!("{marker}\nmine").into();
    comments[5]["body"] = serde_json::Value::Null;
    comments[6] = serde_json::json!({ "id": 7, "user": { "type": "Bot" }, "body": null });
    comments[7]["user"] = serde_json::Value::Null;
    comments[4] = Pull::comment(5, "Bot", "<!-- seepage: other -->\nanother run");
    let before = comments.clone();
    let (address, pull) = Pull { comments, refuses: None }.serve();
    for (report, last) in [("one `$(x)` \"quoted\"", "one `$(x)` \"quoted\""), ("two", "two")] {
        let told = comment(&job, &format!("{marker}\n{report}\n"), &address);
        assert_eq!(told, "");
        let comments = &pull.lock().unwrap().comments;
        assert_eq!((comments.len(), &comments[..120]), (121, &before[..]), "those of others stay");
        assert_eq!(comments[120]["body"], format!("{marker}\n{last}\n"));
    }
    comment(&job, &format!("{marker}\n{}", "ö".repeat(80_000)), &address);
    let body = pull.lock().unwrap().comments[120]["body"].as_str().unwrap().to_owned();
    assert!(body.chars().count() < 65_536 && body.ends_with("(the rest is in the artifact)"), "{}", body.len());
}

#[test]
fn a_comment_that_can_not_be_written_is_told_and_fails_nothing() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path().join("run")).unwrap();
    let job = Job::new(&bench);
    for (code, said) in [(403, "HTTP 403"), (500, "HTTP 500")] {
        let (address, pull) = Pull { comments: Vec::new(), refuses: Some(code) }.serve();
        let told = comment(&job, "<!-- seepage: shop -->\n", &address);
        assert!(told.contains("::warning::") && told.contains(said) && !told.contains("s3cret"), "{told}");
        assert!(pull.lock().unwrap().comments.is_empty());
    }
    // A list that is none, as a proxy may answer.
    let odd = [serde_json::json!("no"), serde_json::json!(3)].to_vec();
    let (address, pull) = Pull { comments: odd.clone(), refuses: None }.serve();
    let told = comment(&job, "<!-- seepage: shop -->\n", &address);
    assert!(told.contains("::warning::") && told.contains("the list of its comments is none"), "{told}");
    assert_eq!(pull.lock().unwrap().comments, odd);
    assert!(comment(&job, "", &address).contains("report.md is empty"));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let told = comment(&job, "<!-- seepage: shop -->\n", &format!("http://{nobody}/repos/us/shop/issues"));
    assert!(told.contains("::warning::"), "{told}");
}
