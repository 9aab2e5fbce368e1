//! A set-up that is wrong is told in the first seconds, with the cause; and what a target leaves that dies, or is stopped.

use crate::common::{AT_ONCE, Bench, Demo, Ended, processes, signal, wait_until};
use std::path::PathBuf;

/// The directory of the run that began last.
fn newest(bench: &Bench) -> PathBuf {
    let runs = std::fs::read_dir(bench.reports()).unwrap();
    runs.flatten().map(|entry| entry.path()).max().unwrap_or_default()
}

/// A long run of the demonstration server, with a part of its harness file replaced.
fn broken(bench: &Bench, old: &str, new: &str) -> Ended {
    let file = Demo { soak: "10m", warm_up: "10m", ..Demo::default() }.write(bench);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(old), "{old}");
    std::fs::write(&file, text.replace(old, new)).unwrap();
    let ended = bench.run(&file, &["--quiet"]);
    assert_eq!(ended.json("verdict.json")["run"]["status"], "aborted", "{}", ended.story());
    assert!(!ended.stdout.contains("To settle"), "nothing else is advised: {}", ended.story());
    ended
}

/// Asserts an exit code, and what the first line says and the lines below it.
fn told(ended: &Ended, code: i32, first: &str, below: &str) {
    assert_eq!(ended.code, Some(code), "{}", ended.story());
    let line = ended.stdout.lines().next().unwrap_or_default();
    assert!(line.contains(first), "{first}: {}", ended.story());
    assert!(ended.stdout.contains(below), "{below}: {}", ended.story());
}

#[test]
fn a_pattern_that_takes_no_number_is_told_with_the_line() {
    let bench = Bench::new();
    let ended = broken(&bench, r"'^(?P<pid>\d+) (?P<class>\S+)'", r"'^(?P<pid>\S+ )(?P<class>\S+)'");
    told(&ended, 20, "demo-none's set-up is WRONG: 0 of ", r"as its PID, which is none: write `(?P<pid>\d+) `");
    assert!(ended.stdout.contains("of the log match the pattern; the first is `"), "the line: {}", ended.story());
    let bench = Bench::new();
    let ended = broken(&bench, r"'^(?P<pid>\d+) (?P<class>\S+)'", r"'^pid=(?P<pid>\d+) '");
    told(&ended, 20, "demo-none's set-up is WRONG: 0 of ", r"; `^(?P<pid>\d+)` takes ");
    assert!(ended.stdout.contains("from it, a PID of the target"), "{}", ended.story());
}

#[test]
fn a_log_that_is_not_there_is_told() {
    let bench = Bench::new();
    let ended = broken(&bench, "path = \"${work_dir}/access.log\"", "path = \"${work_dir}/acces.log\"");
    told(&ended, 20, "/acces.log, which isn't there", "`path` in [requests.log]");
}

#[test]
fn a_log_of_processes_that_are_not_judged_is_told_with_what_judges_them() {
    let bench = Bench::new();
    let ended = broken(&bench, "workers = \"children\"", "workers = \"self\"");
    told(
        &ended,
        20,
        "lines of the log have PIDs that are not judged, such as ",
        "`workers = \"children\"` in [target]",
    );
}

#[test]
fn a_step_that_never_gets_what_it_expects_is_told_with_what_it_gets() {
    let bench = Bench::new();
    let ended = broken(&bench, "path = \"/upload\"", "path = \"/upload\"\nexpect = [201]");
    let first = "'s workload FAILED: step `upload` (POST /upload) is answered with status 200, and not with 201";
    told(&ended, 22, first, "`expect = [200]` if that is right");
    let nobody =
        broken(&bench, "base-url = [\"http://127.0.0.1:${port}\"]", "base-url = [\"http://127.0.0.1:${port:b}\"]");
    told(&nobody, 22, "step `upload` (POST /upload) never gets an answer (connect)", "Connection refused");
}

#[test]
fn a_target_without_the_workers_that_are_judged_is_told() {
    let bench = Bench::new();
    let run = |workers: &str| {
        let text = format!(
            "name = 'idle'\n[target]\ncommand = ['sleep', '600']\nworkers = {workers}\n{AT_ONCE}\n\
             [workload]\ncommand = ['sleep', '600']\n[[phase]]\nkind = 'soak'\nduration = '10m'\n"
        );
        bench.run(&bench.write("idle.toml", &text), &["--quiet"])
    };
    told(&run("'children'"), 20, "(sleep) has no children, and they are what is judged", "`workers = \"self\"`");
    let matched = run("{ match = '^no such' }");
    told(&matched, 20, "no process of the target has a command line that matches `^no such`", "  sleep 600");
}

/// A server that listens at a port of its own, and says at which.
const ELSEWHERE: &str = r#"
import socket, sys, time
server = socket.create_server(("127.0.0.1", 0))
print("listens at", server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    connection.recv(1000)
    connection.sendall(sys.argv[1].encode() + b"\r\n")
    connection.close()
"#;

#[test]
fn a_target_that_listens_elsewhere_is_told_where() {
    let bench = Bench::new();
    bench.write("elsewhere.py", ELSEWHERE);
    let run = |more: &str, target: &str| {
        let text = format!(
            "name = 'elsewhere'\n[target]\ncommand = ['python3', '${{harness_dir}}/elsewhere.py', '-ERR']\n{target}\n{more}\n\
             [[phase]]\nkind = 'soak'\nduration = '10m'\n"
        );
        let ended = bench.run(&bench.write("elsewhere.toml", &text), &["--quiet"]);
        let at = ended.read("target.stdout").trim().rsplit(' ').next().unwrap().to_owned();
        (ended, at)
    };
    let (ended, at) = run("", "ready = { http = 'http://127.0.0.1:${port}/x' }");
    told(&ended, 20, &format!("and the target listens at 127.0.0.1:{at}"), &format!("--url http://127.0.0.1:{at}/x"));
    let (ended, at) = run("", "ready = { tcp = '127.0.0.1:${port}', timeout = '1s' }");
    told(&ended, 20, &format!("and the target listens at 127.0.0.1:{at}"), "in a harness file `ready`");
    let load = "[workload]\nconcurrency = 1\nbase-url = ['http://127.0.0.1:${port}']\n[[workload.step]]\nname = 'get'\npath = '/'";
    let (ended, at) = run(load, "ready = { output = 'listens at' }");
    told(&ended, 22, "never gets an answer (connect)", &format!("it listens at 127.0.0.1:{at}"));
}

/// A server beside the target, which answers all with 200 by `flaky.py` of the bench, and where it does.
fn another_server(bench: &Bench) -> (String, std::process::Child) {
    bench.write("flaky.py", &FLAKY.replace("500 if Handler.count % 5 == 0 else 200", "200"));
    // Whoever asks for a free port gets another one while this is held.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut other = std::process::Command::new("python3");
    let other = other.arg("flaky.py").env("PORT", port.to_string()).current_dir(bench.path()).spawn().unwrap();
    wait_until("the other server listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (format!("http://127.0.0.1:{port}"), other)
}

#[test]
fn a_load_that_another_server_answers_is_told() {
    let bench = Bench::new();
    let (url, mut other) = another_server(&bench);
    let text = format!(
        "name = 'mistaken'\n[target]\ncommand = ['python3', '${{harness_dir}}/flaky.py']\nenv = {{ PORT = '${{port}}' }}\n\
         ready = {{ http = '{url}/' }}\n[workload]\nbase-url = ['{url}']\nconcurrency = 4\n\
         [[workload.step]]\nname = 'get'\npath = '/'\n[[phase]]\nkind = 'soak'\nduration = '10m'\n"
    );
    let ended = bench.run(&bench.write("mistaken.toml", &text), &["--quiet"]);
    other.kill().unwrap();
    other.wait().unwrap();
    told(
        &ended,
        20,
        &format!("it isn't the target that answers at {url}: it listens at 127.0.0.1:"),
        "Another server has",
    );
}

#[test]
fn a_target_that_listens_nowhere_does_not_pass_by_what_another_server_answers() {
    let bench = Bench::new();
    let (url, mut other) = another_server(&bench);
    let text = format!(
        "name = 'deaf'\n[target]\ncommand = ['sh', '-c', 'while :; do sleep 0.2; done']\nready = {{ http = '{url}/' }}\n\
         [workload]\nbase-url = ['{url}']\nconcurrency = 2\n[[workload.step]]\nname = 'get'\npath = '/'\n\
         [[phase]]\nkind = 'soak'\nduration = '10m'\n"
    );
    let ended = bench.run(&bench.write("deaf.toml", &text), &["--quiet"]);
    other.kill().unwrap();
    other.wait().unwrap();
    told(&ended, 20, &format!("it isn't the target that answers at {url}: the target listens nowhere"), "earlier copy");
}

#[test]
fn what_answers_and_is_not_http_is_quoted() {
    let bench = Bench::new();
    let script = ELSEWHERE.replace("(\"127.0.0.1\", 0)", "(\"127.0.0.1\", int(sys.argv[2]))");
    bench.write("other.py", &script);
    let text = "name = 'other'\n[target]\ncommand = ['python3', '${harness_dir}/other.py', '-ERR unknown', '${port}']\n\
         ready = { http = 'http://127.0.0.1:${port}/' }\n[[phase]]\nkind = 'soak'\nduration = '10m'\n";
    let ended = bench.run(&bench.write("other.toml", text), &["--quiet"]);
    told(&ended, 20, "doesn't answer by HTTP: malformed head", "begins with `-ERR unknown`");
    assert!(ended.stdout.contains("leave `--url` out"), "{}", ended.story());
}

/// A server of which every fifth answer is an error.
const FLAKY: &str = r#"
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    count = 0
    def do_GET(self):
        Handler.count += 1
        self.send_response(500 if Handler.count % 5 == 0 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *arguments): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

fn flaky(bench: &Bench, requests: u32, gates: &str) -> Ended {
    bench.write("flaky.py", FLAKY);
    let text = format!(
        "name = 'flaky'\n[target]\ncommand = ['python3', '${{harness_dir}}/flaky.py']\nenv = {{ PORT = '${{port}}' }}\n\
         workers = 'self'\nready = {{ tcp = '127.0.0.1:${{port}}' }}\n\
         [workload]\nbase-url = ['http://127.0.0.1:${{port}}']\nconcurrency = 1\n\
         [[workload.step]]\nname = 'get'\npath = '/'\n[[phase]]\nkind = 'soak'\nrequests = {requests}\n[gates]\n{gates}\n"
    );
    bench.run(&bench.write("flaky.toml", &text), &["--quiet"])
}

#[test]
fn a_soak_ends_once_more_has_failed_than_may_in_all_of_it() {
    let bench = Bench::new();
    let ended = flaky(&bench, 100_000, "error-rate = '0.1%'");
    told(&ended, 22, "flaky's workload FAILED: ", "over that even if no more fails until the soak's end");
    let sent = ended.json("run.json")["workload"]["sent"].as_u64().unwrap();
    assert!((500..20_000).contains(&sent), "{sent}: {}", ended.story());
    let ended = flaky(&bench, 500, "error-rate = '0.1%'\nabort-on-fail = false");
    told(&ended, 22, "flaky's workload FAILED: error rate is 20 %", "error rate");
    assert_eq!(ended.json("run.json")["status"], "complete", "{}", ended.story());
}

fn target(bench: &Bench, script: &str, more: &str) -> PathBuf {
    let text = format!(
        "name = 'short'\n[target]\ncommand = ['sh', '-c', {script:?}]\nenv = {{ WORK = '${{work_dir}}' }}\nworkers = 'self'\n\
         {AT_ONCE}\n{more}\n[[phase]]\nkind = 'soak'\nduration = '1s'\n"
    );
    bench.write("short.toml", &text)
}

#[test]
fn what_a_target_wrote_that_dies_is_shown_and_kept() {
    let bench = Bench::new();
    let script =
        "mkdir $WORK/logs; echo 'line 7: no such module' > $WORK/logs/error.log; echo begun; sleep 0.5; exit 3";
    let ended = bench.run(&target(&bench, script, ""), &["--quiet"]);
    told(&ended, 21, "short FAILED: its first process ended by exit code 3", "ms after its launch");
    for shown in ["last standard output:\n    begun", "last lines of logs/error.log:\n    line 7: no such module"] {
        assert!(ended.stdout.contains(shown), "{shown}: {}", ended.story());
    }
    assert_eq!(ended.read("work/logs/error.log"), "line 7: no such module\n");
    assert!(!ended.stdout.contains("To settle") && bench.scratch().is_empty(), "{}", ended.story());
}

#[test]
fn a_target_that_ends_in_order_is_told_what_stays() {
    let bench = Bench::new();
    let ended = bench.run(&target(&bench, "sleep 0.3", ""), &["--quiet"]);
    told(&ended, 21, "short FAILED: its first process ended by exit code 0", "A target has to stay");
    assert!(ended.stdout.contains("`-DFOREGROUND` of Apache"), "{}", ended.story());
}

#[test]
fn of_a_target_that_never_worked_nothing_is_shown_as_judged() {
    let bench = Bench::new();
    let ended = bench.run(&target(&bench, "sleep 0.3; exit 3", ""), &["--quiet"]);
    assert!(ended.stdout.contains("unexpected deaths"), "it was ready: {}", ended.story());
    let file = target(&bench, "sleep 0.3; exit 3", "");
    let text = std::fs::read_to_string(&file).unwrap().replace(AT_ONCE, "ready = { delay = '1m' }");
    std::fs::write(&file, text).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let ended = bench.run(&file, &["--quiet"]);
    told(&ended, 21, "short FAILED: its first process ended by exit code 3", "ms after its launch");
    for shown in ["allowed", "The workers are", "To settle"] {
        assert!(!ended.stdout.contains(shown), "{shown}: {}", ended.story());
    }
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let begins = "[[phase]]\nkind = 'warm-up'\nduration = '1m'\n[[phase]]";
    let file = target(&bench, "sleep 60", "");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("[[phase]]", begins)).unwrap();
    let seepage = bench.start(&file, &["--quiet"]);
    let events = || std::fs::read_to_string(newest(&bench).join("events.jsonl")).unwrap_or_default();
    wait_until("the warm-up begins", || events().contains("warm-up"));
    signal(seepage.id(), nix::sys::signal::Signal::SIGINT);
    let ended = bench.ended(seepage.wait_with_output().unwrap());
    told(&ended, 130, "short was ENDED EARLY by Ctrl-C", "It was before the soak: nothing was judged.");
    assert!(!ended.stdout.contains("allowed") && !ended.stdout.contains("To settle"), "{}", ended.story());
}

#[test]
fn what_a_preparation_wrote_that_fails_is_shown_and_kept() {
    let bench = Bench::new();
    let prepare = "prepare = [['sh', '-c', '''\necho 'no compiler' > build.log\nexit 4\n''']]";
    let ended = bench.run(&target(&bench, "exec sleep 60", prepare), &["--quiet"]);
    told(
        &ended,
        21,
        "short FAILED: the preparation `sh -c echo 'no compiler' > build.log ...` failed with exit code 4",
        "last lines of build.log:\n    no compiler",
    );
    assert_eq!(ended.read("work/build.log"), "no compiler\n");
}

#[test]
fn what_a_target_writes_is_kept_where_that_is_asked_for() {
    let bench = Bench::new();
    let file = target(&bench, "echo fine > $WORK/state; exec sleep 60", "");
    let kept = |ended: &Ended| ended.directory().join("work/state").exists();
    assert!(!kept(&bench.run(&file, &["--quiet"])));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let ended = bench.run(&file, &["--quiet", "--keep"]);
    assert!(kept(&ended) && ended.stdout.contains("kept in `work` of the run directory: 1 file"), "{}", ended.story());
}

#[test]
fn what_is_behind_a_shell_that_waits_is_asked_to_stop_too() {
    let bench = Bench::new();
    // The shell runs its trap only when its child has ended, which nobody but we would ask.
    let script = "trap 'echo stopped > $WORK/state' TERM; sleep 600; true";
    let ended = bench.run(&target(&bench, script, ""), &["--quiet", "--keep"]);
    assert_eq!(ended.read("work/state"), "stopped\n", "{}", ended.story());
    assert!(!ended.stdout.contains("killed"), "{}", ended.story());
    let deaf = target(&bench, "trap '' TERM; sleep 600; true", "stop = { grace = '1s' }");
    let ended = bench.run(&deaf, &["--quiet"]);
    assert!(ended.stdout.contains("2 processes (sh "), "who was killed is named: {}", ended.story());
    assert!(ended.stdout.contains("did not end within 1s of SIGTERM: killed"), "{}", ended.story());
}

#[test]
fn a_server_that_stops_in_order_is_left_to_it() {
    let bench = Bench::new();
    // It takes longer than the moment after which the others are asked, and asks its child itself.
    let script = "sh -c 'trap \"echo asked >> $WORK/state; exit\" TERM; while :; do sleep 0.1; done' & child=$!; \
                  trap 'kill $child; wait $child; sleep 1; echo over >> $WORK/state; exit' TERM; while :; do sleep 0.1; done";
    let ended = bench.run(&target(&bench, script, ""), &["--quiet", "--keep"]);
    assert_eq!(ended.read("work/state"), "asked\nover\n", "each once: {}", ended.story());
}

#[test]
fn a_rate_keeps_no_more_connections_than_there_are_workers_of_one_thread() {
    let bench = Bench::new();
    let file = Demo { workload: "", ..Demo::default() }.write(&bench);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("concurrency = 2\n", "").replace("requests-per-connection = 20\n", "")).unwrap();
    let ended = bench.run(&file, &["--quiet"]);
    let note = "At most 2 requests were in flight, one for each worker";
    assert!(ended.stdout.contains(note), "{}", ended.story());
    assert_eq!(ended.json("run.json")["workload"]["failed"], 0, "{}", ended.story());
    assert!(processes(&bench.path().to_string_lossy()).is_empty());
}

#[test]
fn every_command_of_a_harness_file_has_the_environment_of_the_target() {
    let bench = Bench::new();
    let test = "['sh', '-c', 'test \"$MODE\" = x']";
    let text = format!(
        "name = 'commands'\n[target]\ncommand = ['sleep', '60']\nworkers = 'self'\nprepare = [{test}]\nready = {{ command = {test} }}\n\
         env = {{ MODE = '' }}\n[settle]\ncollect = {{ command = {test} }}\n[workload]\ncommand = {test}\n\
         [[phase]]\nkind = 'soak'\nduration = '1s'\n[[phase]]\nkind = 'settle'\nduration = '1s'\n"
    );
    let file = bench.write("commands.toml", &text);
    let ended = bench.run(&file, &["--quiet", "--env", "MODE=x"]);
    assert_eq!(ended.json("run.json")["status"], "complete", "{}", ended.story());
    assert_eq!(bench.run(&file, &["--quiet"]).code, Some(21));
}
