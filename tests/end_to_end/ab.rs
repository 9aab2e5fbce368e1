//! Comparisons and searches end to end: a real Apache with its faulty module on and off, PHP-FPM with a setting that leaks,
//! two versions of a worker in Python, modules of a harness file, and everything that can go wrong.
//!
//! Runs are a second or two long and pairs are few: what is tested is the way from the command line to the answer.
//! How often answers are right is tested in `compare`, by simulation.

use crate::common::{Bench, apache_modules, processes, signal, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A harness file of a real Apache with short phases; `uploads` in a hundred requests. The mix stays as it is: over a second its
/// blocks wouldn't even out from pair to pair.
fn apache(bench: &Bench, uploads: u32, conf: Option<&str>) -> PathBuf {
    let example =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/apache/httpd.conf")).unwrap();
    let conf = bench.write("httpd.conf", &format!("{}{example}", conf.unwrap_or_default()));
    let text = format!(
        r#"
name = "apache"
[target]
prepare = [["cp", "-r", "{modules}", "${{work_dir}}/.libs"]]
command = ["/usr/sbin/apache2", "-DFOREGROUND", "-f", "{conf}"]
workers = "children"
ready = {{ http = "http://127.0.0.1:${{port}}/" }}
stop = {{ grace = "5s" }}
[target.env]
MODE = "malloc"
WORK_DIR = "${{work_dir}}"
PORT = "${{port}}"
CHILDREN = "4"
CONNECTIONS_PER_CHILD = "0"
[requests.log]
path = "${{work_dir}}/access.log"
pattern = '^(?P<pid>\d+) (?P<class>\S+)'
[workload]
base-url = ["http://127.0.0.1:${{port}}"]
concurrency = 4
vary-mix = false
requests-per-connection = 25
[[workload.step]]
name = "upload"
weight = {uploads}
method = "POST"
path = "/upload"
body = {{ random = {{ log-uniform = ["4 KiB", "64 KiB"] }} }}
abort = {{ share = "20%" }}
[[workload.step]]
name = "index"
weight = {rest}
path = "/"
[[phase]]
kind = "warm-up"
duration = "300ms"
[[phase]]
kind = "soak"
duration = "1500ms"
[budget]
memory = "128 B/request"
"#,
        modules = apache_modules().display(),
        conf = conf.display(),
        rest = 100 - uploads,
    );
    bench.write("harness.toml", &text)
}

/// What came of a command that makes an experiment.
struct Done {
    code: Option<i32>,
    story: String,
    directory: PathBuf,
}

impl Done {
    fn json(&self, name: &str) -> Value {
        let text = std::fs::read_to_string(self.directory.join(name));
        serde_json::from_str(&text.unwrap_or_else(|e| panic!("{name}: {e}\n{}", self.story))).unwrap()
    }

    /// The answer on one measure of a comparison, and the mean difference.
    fn measure(&self, name: &str) -> (String, f64) {
        let comparison = self.json("comparison.json");
        let all = comparison["differences"].as_array().unwrap();
        let one = all.iter().find(|d| d["measure"] == name).unwrap_or_else(|| panic!("no {name}: {}", self.story));
        (one["answer"].as_str().unwrap().to_owned(), one["difference"]["estimate"].as_f64().unwrap_or(f64::NAN))
    }
}

fn seepage(bench: &Bench, arguments: &[&str]) -> Done {
    let mut command = bench.seepage();
    command.args(arguments);
    if arguments[0] != "compare" {
        command.arg("--reports").arg(bench.reports());
    }
    let output = command.output().unwrap();
    let newest = std::fs::read_dir(bench.reports()).ok().and_then(|d| d.flatten().map(|e| e.path()).max());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let done = Done {
        code: output.status.code(),
        story: format!("exit {:?}\n{}\n{}", output.status.code(), text(&output.stdout), text(&output.stderr)),
        directory: newest.unwrap_or_default(),
    };
    assert!(processes(&bench.path().to_string_lossy()).is_empty(), "something was left: {}", done.story);
    assert!(bench.scratch().is_empty(), "a scratch directory was left: {}", done.story);
    done
}

/// `warm_up` is the length of that phase.
fn on_against_off(mode: &str, uploads: u32, warm_up: &str) -> (Bench, Done) {
    let bench = Bench::new();
    let file = apache(&bench, uploads, None);
    let text = std::fs::read_to_string(&file).unwrap().replace("duration = \"300ms\"", warm_up);
    std::fs::write(&file, text).unwrap();
    let mode = format!("MODE={mode}");
    let done =
        seepage(&bench, &["ab", file.to_str().unwrap(), "--off", "upload", "--env", &mode, "--pairs", "3", "--quiet"]);
    (bench, done)
}

fn is(done: &Done, measure: &str, answer: &str, least: f64, most: f64) {
    let (found, difference) = done.measure(measure);
    assert_eq!(found, answer, "{measure}: {}", done.story);
    assert!((least..most).contains(&difference), "{measure} {difference}: {}", done.story);
}

/// A mode of the faulty module that keeps between `least` and `most` bytes a request: a regression of memory.
fn keeps(mode: &str, least: f64, most: f64) -> (Bench, Done) {
    let (bench, done) = on_against_off(mode, 80, "duration = \"300ms\"");
    assert_eq!(done.code, Some(12), "{}", done.story);
    is(&done, "memory growth", "regression", least, most);
    (bench, done)
}

#[test]
fn malloc_is_a_regression_of_memory() {
    let (_bench, done) = keeps("malloc", 2900.0, 3700.0);
    assert!(
        done.story.contains("apache is WORSE with upload_module than without it: each request leaves 3."),
        "{}",
        done.story
    );
    assert!(done.story.contains("Lines that went with it: UploadFault ${MODE}"), "{}", done.story);
    // Each run is an ordinary run, and the comparison can be made again from its directory.
    let again = seepage_plain(&["report", done.directory.to_str().unwrap(), "--format", "json"]);
    let (again, first) = (serde_json::from_str::<Value>(&again).unwrap(), done.json("comparison.json"));
    assert_eq!((&again["answer"], &again["differences"]), (&first["answer"], &first["differences"]));
    let run = |name: &str| done.directory.join(name).to_str().unwrap().to_owned();
    let elsewhere = run("elsewhere");
    assert!(seepage_plain(&["report", done.directory.to_str().unwrap(), "--to", &elsewhere]).contains(&elsewhere));
    assert!(Path::new(&elsewhere).join("comparison.json").is_file());
    let budget = seepage_plain(&["report", done.directory.to_str().unwrap(), "--budget", "1 KiB/request"]);
    assert_eq!(budget, "", "a comparison isn't judged by another budget");
    assert!(seepage_plain(&["analyze", &run("pair-01-b")]).contains(" LEAKS: "));
    // Two of the runs by themselves.
    let unpaired = seepage(&_bench, &["compare", &run("pair-01-a"), &run("pair-01-b")]);
    assert_eq!(unpaired.code, Some(12), "{}", unpaired.story);
    assert!(unpaired.story.contains("These are two single runs"), "{}", unpaired.story);
}

/// What a command prints that reads only.
fn seepage_plain(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_seepage")).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_process_pool_is_a_regression_of_memory() {
    keeps("pool", 5800.0, 7400.0);
}

#[test]
fn descriptors_are_told_as_such() {
    let (_bench, done) = on_against_off("fd", 60, "duration = \"300ms\"");
    assert_eq!(done.code, Some(12), "{}", done.story);
    is(&done, "descriptor growth", "regression", 0.5, 0.7);
    is(&done, "memory growth", "equivalent", -128.0, 128.0);
}

#[test]
fn only_broken_off_uploads_are_enough() {
    keeps("abort", 400.0, 900.0);
}

#[test]
fn churn_raises_the_level_and_is_no_leak() {
    let (_bench, done) = on_against_off("churn", 80, "requests-per-worker = 500\n[heap]\nmode = \"preload\"");
    is(&done, "bytes allocated per request", "regression", 5e6, 5e7);
    is(&done, "memory level", "regression", 3e6, 9e6);
    let (growth, _) = done.measure("memory growth");
    assert_ne!(growth, "regression", "{}", done.story);
}

#[test]
fn slowness_is_told_as_such_and_is_no_leak() {
    let (_bench, done) = on_against_off("slow", 8, "duration = \"300ms\"");
    assert_eq!(done.code, Some(12), "{}", done.story);
    // On a busy machine the slowest of all requests are slow on both sides.
    let slower = ["latency p95", "latency p99"].map(|name| done.measure(name).0);
    assert!(slower.iter().any(|answer| answer == "regression"), "{slower:?} {}", done.story);
    assert_ne!(done.measure("memory growth").0, "regression", "{}", done.story);
    assert!(done.story.contains("latency p9") && done.story.contains(" rises by "), "{}", done.story);
}

#[test]
fn off_against_off_is_equivalent() {
    let bench = Bench::new();
    let file = apache(&bench, 80, None);
    // Long enough for tmpfs, which is read once a second.
    let text = std::fs::read_to_string(&file).unwrap().replace("1500ms", "3s");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    // A variable that nothing reads makes two sides that don't differ.
    let done = seepage(&bench, &["ab", file, "--env", "MODE=none", "--define", "NOTHING=1", "--pairs", "4", "--quiet"]);
    assert_eq!(done.code, Some(0), "{}", done.story);
    is(&done, "memory growth", "equivalent", -128.0, 128.0);
    assert!(!done.json("comparison.json").to_string().contains("\"regression\""), "{}", done.story);
}

/// A worker in Python that serves over HTTP; `KEEP` bytes of each request stay.
const WORKER: &str = r#"
import http.server, os
kept = []
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if int(os.environ["KEEP"]):
            kept.append(bytearray(int(os.environ["KEEP"])))
        self.send_response(int(os.environ.get("STATUS", "200")))
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

fn python(bench: &Bench, more: &str) -> PathBuf {
    bench.write("worker.py", WORKER);
    let text = format!(
        r#"
name = "python"
[target]
command = ["python3", "${{harness_dir}}/worker.py"]
workers = "self"
ready = {{ tcp = "127.0.0.1:${{port}}" }}
env = {{ PORT = "${{port}}", KEEP = "0" }}
[workload]
base-url = ["http://127.0.0.1:${{port}}"]
concurrency = 1
[[workload.step]]
name = "get"
path = "/"
[[phase]]
kind = "warm-up"
duration = "300ms"
[[phase]]
kind = "soak"
duration = "1500ms"
{more}"#
    );
    bench.write("harness.toml", &text)
}

const LEAKY: &str = "[variants.next]\nenv = { KEEP = \"8192\" }\n[variants.broken]\ncommand = [\"false\"]\n\
                     [variants.refusing]\nenv = { STATUS = \"500\" }\n";

#[test]
fn two_versions_of_a_python_worker_and_a_baseline() {
    let bench = Bench::new();
    let file = python(&bench, LEAKY);
    let file = file.to_str().unwrap();
    let done = seepage(&bench, &["ab", file, "--variant", "next", "--pairs", "3", "--quiet"]);
    assert_eq!(done.code, Some(12), "{}", done.story);
    is(&done, "memory growth", "regression", 7000.0, 9500.0);
    let baseline = done.directory.join("pair-01-a");
    let worse =
        seepage(&bench, &["run", file, "--env", "KEEP=8192", "--baseline", baseline.to_str().unwrap(), "--quiet"]);
    assert_eq!(worse.code, Some(12), "{}", worse.story);
    assert!(worse.story.contains("Against the baseline pair-01-a:\npython is WORSE in "), "{}", worse.story);
    assert!(worse.directory.join("baseline/comparison.json").is_file());

    // The file of the verdict says the same, and so does what is kept of it.
    let verdict = bench.path().join("old.json");
    std::fs::copy(baseline.join("verdict.json"), &verdict).unwrap();
    let kept = bench.path().join("kept.json");
    let (verdict, kept) = (verdict.to_str().unwrap(), kept.to_str().unwrap());
    let written = bench.seepage().args(["baseline", verdict, "--to", kept]).output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let candidate = worse.directory.to_str().unwrap();
    for file in [verdict, kept] {
        let compared = bench.seepage().args(["compare", file, candidate, "--format", "json"]).output().unwrap();
        assert_eq!(compared.status.code(), Some(12), "{}", String::from_utf8_lossy(&compared.stderr));
        let comparison: Value = serde_json::from_slice(&compared.stdout).unwrap();
        assert_eq!(comparison["answer"], "regression");
        let notes = comparison["notes"].to_string();
        assert!(notes.contains("whether that of the two runs is the same isn't known"), "{notes}");
    }
    let again = seepage(&bench, &["run", file, "--env", "KEEP=8192", "--baseline", kept, "--quiet"]);
    assert_eq!(again.code, Some(12), "{}", again.story);
}

#[test]
fn what_cannot_be_compared_says_why_and_leaves_nothing() {
    let bench = Bench::new();
    let file = python(&bench, LEAKY);
    let file = file.to_str().unwrap();
    for (arguments, code, message) in [
        (&["ab", file][..], 20, "both sides are the same"),
        (&["ab", file, "--variant", "older"], 20, "there is no variant `older`; [variants] has broken, next, refusing"),
        (&["ab", file, "--off", "cache"], 20, "nothing can be switched off"),
        (&["ab", file, "--variant", "next", "--pairs", "2"], 2, "3..=24"),
        (&["bisect", file], 20, "nothing can be switched off"),
    ] {
        let done = seepage(&bench, arguments);
        assert_eq!(done.code, Some(code), "{}", done.story);
        assert!(done.story.contains(message), "{arguments:?}: {}", done.story);
    }
    for (variant, code) in [("broken", 21), ("refusing", 22)] {
        let done = seepage(&bench, &["ab", file, "--variant", variant, "--pairs", "3", "--quiet"]);
        assert_eq!(done.code, Some(code), "{}", done.story);
        assert!(done.story.contains(&format!("`{variant}` in the rehearsal: ")), "{}", done.story);
    }
}

#[test]
fn an_apache_without_a_module_says_what_it_thinks() {
    let bench = Bench::new();
    // The module is loaded from a file that is included, the way that Debian does it, and a filter needs another.
    let conf = "Define MODS ${WORK_DIR}/../mods\nIncludeOptional \"{bench}/mods-enabled/*.load\"\n\
                <IfModule headers_module>\n    Header set X-Kept 1\n</IfModule>\n<Directory \"/srv\">\n    Header set X-Gone 1\n</Directory>\n";
    let conf = conf.replace("{bench}", bench.path().to_str().unwrap());
    std::fs::create_dir(bench.path().join("mods-enabled")).unwrap();
    bench.write("mods-enabled/headers.load", "LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so\n");
    bench.write("mods-enabled/cgid.load", "# LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so\n");
    let file = apache(&bench, 80, Some(&conf));
    let file = file.to_str().unwrap();
    for (module, message) in [
        ("cgid", "`cgid` isn't loaded: loaded are headers_module, mpm_prefork_module, authz_core_module"),
        ("core", "`core_module` is linked into Apache's program"),
        ("mpm_prefork", "the configuration can't be used without mpm_prefork_module: "),
    ] {
        let done = seepage(&bench, &["ab", file, "--off", module]);
        assert_eq!(done.code, Some(20), "{}", done.story);
        assert!(done.story.contains(message), "{module}: {}", done.story);
    }
    let done = seepage(&bench, &["ab", file, "--off", "headers", "--off", "upload_module", "--pairs", "3", "--quiet"]);
    assert_eq!(done.code, Some(12), "{}", done.story);
    let told = "Lines that went with it: Header set X-Gone 1; UploadFault ${MODE}";
    assert!(done.story.contains(told), "{}", done.story);
    assert!(
        done.story.contains("is WORSE with headers_module and upload_module than without it: each request leaves "),
        "{}",
        done.story
    );
}

#[test]
fn what_was_interrupted_is_judged_and_resumed() {
    let bench = Bench::new();
    let file = python(&bench, LEAKY);
    let file = file.to_str().unwrap();
    let mut command = bench.seepage();
    command.args(["ab", file, "--variant", "next", "--pairs", "4", "--order", "7", "--quiet", "--reports"]);
    let child = command.arg(bench.reports()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let directory = || std::fs::read_dir(bench.reports()).ok().and_then(|d| d.flatten().map(|e| e.path()).max());
    wait_until("the third pair begins", || {
        directory().is_some_and(|d| d.join("pair-03-a").exists() || d.join("pair-03-b").exists())
    });
    signal(child.id(), Signal::SIGINT);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("2 of 4 planned pairs of runs came to their end") && text.contains("--resume"), "{text}");
    let directory = directory().unwrap();
    let resumed = ["ab", file, "--variant", "next", "--pairs", "4", "--quiet", "--resume", directory.to_str().unwrap()];
    let changed = seepage(&bench, &[&resumed[..], &["--env", "KEEP=1"]].concat());
    assert_eq!(changed.code, Some(20), "{}", changed.story);
    assert!(changed.story.contains("have changed since"), "{}", changed.story);
    let done = seepage(&bench, &resumed);
    assert_eq!(done.code, Some(12), "{}", done.story);
    let comparison = done.json("comparison.json");
    assert!(comparison["pairs"].as_u64() >= Some(3) && comparison["seed"] == 7, "{}", done.story);
    let mut names = std::fs::read_dir(&directory).unwrap().flatten().map(|e| e.file_name().into_string().unwrap());
    assert!(names.any(|n| n.starts_with("pair-03-") && n.contains("-broken-1")), "{}", done.story);
}

/// Takes some minutes: `cargo test --test end_to_end ab:: -- --ignored`.
#[test]
#[ignore = "some minutes"]
fn one_of_twenty_five_modules_of_an_apache_is_found_in_seven_measured_configurations() {
    const MORE: [&str; 20] = [
        "alias",
        "auth_basic",
        "authn_core",
        "authn_file",
        "authz_host",
        "authz_user",
        "autoindex",
        "cgid",
        "deflate",
        "dir",
        "env",
        "expires",
        "filter",
        "headers",
        "mime",
        "negotiation",
        "reqtimeout",
        "rewrite",
        "setenvif",
        "substitute",
    ];
    let bench = Bench::new();
    let load = MORE.map(|m| format!("LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n")).concat();
    let conf = format!(
        "{load}TypesConfig /dev/null\nScriptSock ${{WORK_DIR}}/cgid.sock\nRewriteEngine On\nHeader set X-A b\n"
    );
    let file = apache(&bench, 80, Some(&conf));
    let done = seepage(&bench, &["bisect", file.to_str().unwrap(), "--quiet"]);
    assert_eq!(done.code, Some(10), "{}", done.story);
    let found = done.json("bisect.json");
    assert_eq!(found["modules"], 25, "{}", done.story);
    assert_eq!(found["blamed"][0]["modules"], serde_json::json!(["upload_module"]), "{}", done.story);
    let steps = found["steps"].as_array().unwrap();
    assert!(steps.len() <= 7, "{}", done.story);
    println!("{}", done.story);
}

#[test]
fn php_fpm_with_a_setting_that_leaks() {
    let bench = Bench::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("harness-configs/php-fpm.toml")).unwrap();
    let text = text
        .replace("${harness_dir}/..", root.to_str().unwrap())
        .replace("\"4s\"", "\"500ms\"")
        .replace("\"16s\"", "\"3s\"")
        .replace("memory = \"64 B/request\"", "memory = \"512 B/request\"");
    let file = bench.write("harness.toml", &text);
    let done = seepage(&bench, &["ab", file.to_str().unwrap(), "--define", "MODE=leak", "--pairs", "3", "--quiet"]);
    assert_eq!(done.code, Some(12), "{}", done.story);
    is(&done, "memory growth", "regression", 3500.0, 4700.0);
}

#[test]
fn a_bisection_finds_one_of_the_listed_modules() {
    let bench = Bench::new();
    // Six settings of the demonstration server; the fourth is the fault, and the sixth needs the fifth.
    let module =
        |name: &str, env: &str, needs: &str| format!("[modules.{name}]\noff = {{ env = {{ {env} }} }}\n{needs}\n");
    let mut more: String =
        ["a", "b", "c"].iter().map(|n| module(n, &format!("{} = \"off\"", n.to_uppercase()), "")).collect();
    more.push_str(&module("d", "KEEP = \"0\"", ""));
    more.push_str(&module("e", "E = \"off\"", ""));
    more.push_str(&module("f", "F = \"off\"", "needs = [\"e\"]"));
    let file = python(&bench, &more);
    let text =
        std::fs::read_to_string(&file).unwrap().replace("KEEP = \"0\" }\n[workload]", "KEEP = \"8192\" }\n[workload]");
    let file = bench.write("harness.toml", &text.replace("\"1500ms\"", "\"3s\""));
    let done = seepage(&bench, &["bisect", file.to_str().unwrap()]);
    assert_eq!(done.code, Some(10), "{}", done.story);
    let found = done.json("bisect.json");
    assert_eq!(found["blamed"][0]["modules"], serde_json::json!(["d"]), "{}", done.story);
    assert_eq!((&found["blamed"][0]["alone"], &found["answer"]), (&true.into(), &"found".into()));
    assert!(found["steps"].as_array().unwrap().len() <= 5, "{}", done.story);
    let steps = found["steps"].as_array().unwrap();
    assert!(steps.iter().all(|s| done.directory.join(s["runs"][0].as_str().unwrap()).join("report.html").is_file()));
}
