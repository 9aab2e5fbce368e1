//! `seepage fleet --watch`, as who scrapes it sees it.

use super::stand_in::{Asked, Reply, Series, StandIn};
use super::{answer, pod, right};
use crate::common::{Bench, wait_until};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A watch that runs, and where it serves.
pub struct Running {
    child: Child,
    /// What it says of what is wrong.
    said: BufReader<ChildStderr>,
    address: String,
}

impl Running {
    pub fn new(bench: &Bench, url: &str, more: &[&str]) -> Running {
        let mut seepage = bench.seepage();
        seepage.args(["fleet", url, "--memory", "mem", "--since", "2h", "--step", "30s"]);
        seepage.args(["--watch", "1s", "--listen", "127.0.0.1:0"]).args(more);
        let mut child = seepage.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.split_once("; http://").and_then(|(_, rest)| rest.split_once('/'));
        let address = address.unwrap_or_else(|| panic!("{line}")).0.to_owned();
        Running { child, said, address }
    }

    /// What it says next of what is wrong.
    fn complaint(mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// What is served once it has this line.
    pub fn until(&self, line: &str) -> String {
        let begun = Instant::now();
        loop {
            let text = self.get("/metrics");
            if text.lines().any(|one| one == line) {
                return text;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "no `{line}` in\n{text}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends it by a signal; its code, and what it printed.
    fn end(mut self, signal: i32) -> (Option<i32>, String) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::try_from(signal).unwrap()).unwrap();
        let code = self.child.wait().unwrap().code();
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (code, text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LEAKS: &str = r#"seepage_fleet_verdict{job="shop",pod="leaks",seepage_fleet_verdict="leak"} 1"#;

fn pods() -> Vec<Series> {
    vec![pod("leaks", 300.0), pod("clean", 0.0)]
}

/// Makes of what is kept in `kept` after the first window what it would be after the next, two hours later.
fn a_window_later(bench: &Bench) {
    let file = bench.path().join("kept/watch.json");
    let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for (_, known) in kept["content"]["series"].as_object_mut().unwrap() {
        assert_eq!(known["watched"]["bet"]["tests"], 1);
        for time in ["begun", "judged", "until", "last"] {
            let moment = known["watched"][time].as_f64().unwrap();
            known["watched"][time] = (moment - 7230.0).into();
        }
    }
    // What it comes to stands beside it.
    let add = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let sum = kept["content"].to_string().bytes().fold(0xcbf2_9ce4_8422_2325, add);
    kept["sum"] = format!("{sum:016x}").into();
    std::fs::write(&file, kept.to_string()).unwrap();
}

#[test]
fn what_is_known_is_served_and_kept_over_a_restart() {
    let bench = Bench::new();
    // Two hours of history are one window, which is not enough.
    let server = StandIn::new(pods(), right);
    let state = ["--state", "kept", "--limit", "1 GiB"];
    let running = Running::new(&bench, &server.url, &state);
    let text = running.until(r#"seepage_fleet_verdict{job="shop",pod="leaks",seepage_fleet_verdict="suspected"} 1"#);
    assert!(
        text.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(
        text.contains(r#"seepage_fleet_verdict{job="shop",pod="clean",seepage_fleet_verdict="clean"} 1"#),
        "{text}"
    );
    assert!(text.contains("seepage_fleet_series_judged 2\n") && text.ends_with("\n# EOF\n"), "{text}");
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(&format!("{name}{{job=\"shop\",pod=\"leaks\"}}")));
        line.unwrap_or_else(|| panic!("{name}: {text}")).rsplit(' ').next().unwrap().parse().unwrap()
    };
    let rate = 300.0 * super::MIB / 3600.0;
    assert!((value("seepage_fleet_growth_bytes_per_second") / rate - 1.0).abs() < 0.05, "{text}");
    assert!(
        value("seepage_fleet_growth_lower_bytes_per_second") < value("seepage_fleet_growth_upper_bytes_per_second")
    );
    let room = (1024.0 * super::MIB - value("seepage_fleet_memory_bytes")).max(0.0);
    assert!((value("seepage_fleet_limit_seconds") - room / rate).abs() <= 0.05 * room / rate, "{text}");
    assert!(running.get("/healthz").ends_with("\r\n\r\nok\n") && running.get("/x").starts_with("HTTP/1.1 404"));
    assert_eq!(running.end(TERM).0, Some(143));

    a_window_later(&bench);
    let running = Running::new(&bench, &server.url, &state);
    let text = running.until(LEAKS);
    assert!(text.contains("seepage_fleet_leak_since_timestamp_seconds{job=\"shop\",pod=\"leaks\"} "), "{text}");
    let (code, printed) = running.end(2);
    assert_eq!(code, Some(130));
    assert!(printed.contains("LEAK       {job=\"shop\",pod=\"leaks\"}") && printed.lines().count() == 1, "{printed}");

    // The server is gone: what was known is still told, at once, and the failures are.
    let url = server.url.clone();
    drop(server);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let mut elsewhere = bench.seepage();
    elsewhere.args(["fleet", &nobody, "--memory", "mem", "--since", "2h", "--watch", "1s", "--listen", "127.0.0.1:0"]);
    let elsewhere = bench.ended(elsewhere.args(state).output().unwrap());
    assert_eq!(elsewhere.code, Some(1), "{}", elsewhere.story());
    let told = format!("error: kept: the state is of {url}, and this is {nobody}: ");
    assert!(elsewhere.stderr.contains(&told) && elsewhere.stderr.contains("--moved"), "{}", elsewhere.story());
    let running = Running::new(&bench, &nobody, &[&state[..], &["--moved"]].concat());
    let text = running.until("seepage_fleet_failures_total 1");
    assert!(text.contains(LEAKS) && text.contains("seepage_fleet_last_success_timestamp_seconds 1"), "{text}");
    // Another watch must not write the same state.
    let mut second = bench.seepage();
    second.args(["fleet", &nobody, "--memory", "mem", "--since", "2h", "--watch", "1s", "--listen", "127.0.0.1:0"]);
    let second = bench.ended(second.args(state).output().unwrap());
    assert_eq!(second.code, Some(1), "{}", second.story());
    assert!(second.stderr.contains("another process of seepage"), "{}", second.story());
}

/// What an answer may lack of a series that is told to leak: its readings, or the series itself.
#[test]
fn a_leak_is_not_withdrawn_for_want_of_an_answer() {
    let bench = Bench::new();
    let (silent, unlisted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (without_readings, without_series) = (Arc::clone(&silent), Arc::clone(&unlisted));
    let leaks = super::memory(300.0);
    let leaks = move |t| leaks(t).filter(|_| !without_readings.load(Ordering::SeqCst));
    let leaks = Series::new("mem", &[("job", "shop"), ("pod", "leaks")], leaks);
    let server = StandIn::new(vec![leaks, pod("clean", 0.0)], move |asked: &Asked| {
        if !asked.path.ends_with("/series") || !without_series.load(Ordering::SeqCst) {
            return Reply::Right;
        }
        let body = r#"{"status":"success","data":[{"__name__":"mem","job":"shop","pod":"clean"}]}"#;
        Reply::Raw(answer(200, body.len(), body))
    });
    let state = ["--state", "kept"];
    let running = Running::new(&bench, &server.url, &state);
    running.until("seepage_fleet_series_judged 2");
    running.end(TERM);
    a_window_later(&bench);
    let running = Running::new(&bench, &server.url, &state);
    running.until(LEAKS);
    unlisted.store(true, Ordering::SeqCst);
    assert!(running.until("seepage_fleet_series_missing 1").contains(LEAKS));
    unlisted.store(false, Ordering::SeqCst);
    let text = running.until("seepage_fleet_series_missing 0");
    assert!(text.contains(LEAKS), "{text}");
    let (_, printed) = running.end(TERM);
    assert!(printed.contains("LEAK") && printed.lines().count() == 1, "{printed}");
    // It begins anew, knows no readings, and gets none of this series.
    silent.store(true, Ordering::SeqCst);
    let running = Running::new(&bench, &server.url, &state);
    let text = running.until("seepage_fleet_series_missing 1");
    assert!(text.contains(LEAKS) && !text.contains("not_judged\"} 1"), "{text}");
    let (_, printed) = running.end(TERM);
    assert_eq!(printed, "", "nothing is withdrawn");
}

/// Two servers with the same readings, as replicas are, and a watch that is moved from one to the other.
#[test]
fn a_watch_that_is_moved_goes_on_with_what_it_knows() {
    let bench = Bench::new();
    let (first, second) = (StandIn::new(pods(), right), StandIn::new(pods(), right));
    let running = Running::new(&bench, &first.url, &["--state", "kept"]);
    running.until("seepage_fleet_series_judged 2");
    running.end(TERM);
    let kept = || -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(bench.path().join("kept/watch.json")).unwrap()).unwrap()
    };
    assert_eq!(kept()["content"]["server"], first.url);
    let seen = kept()["content"]["series"]["{job=\"shop\",pod=\"clean\"}"]["watched"]["first_seen"].clone();
    assert!(seen.is_f64(), "{:#}", kept());
    let running = Running::new(&bench, &second.url, &["--state", "kept", "--moved"]);
    running.until("seepage_fleet_series_judged 2");
    running.end(TERM);
    assert_eq!(kept()["content"]["server"], second.url);
    assert_eq!(kept()["content"]["series"]["{job=\"shop\",pod=\"clean\"}"]["watched"]["first_seen"], seen);
    // It is at home there now.
    let running = Running::new(&bench, &second.url, &["--state", "kept"]);
    running.until("seepage_fleet_series_judged 2");
}

#[test]
fn only_what_is_new_is_asked_for_again() {
    let bench = Bench::new();
    let (broken, partial) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let ours = (Arc::clone(&broken), Arc::clone(&partial));
    let server = StandIn::new(pods(), move |asked: &Asked| {
        let lists = asked.path.ends_with("/series");
        if ours.0.load(Ordering::SeqCst) && !lists {
            return Reply::Raw(answer(500, 4, "oops"));
        }
        if ours.1.load(Ordering::SeqCst) && !lists {
            let body =
                r#"{"status":"success","warnings":["a store is away"],"data":{"resultType":"matrix","result":[]}}"#;
            return Reply::Raw(answer(200, body.len(), body));
        }
        Reply::Right
    });
    let running = Running::new(&bench, &server.url, &[]);
    let asked_more = |count: usize| {
        let before = server.asked().len();
        wait_until("the server is asked again", || server.asked().len() >= before + count);
    };
    running.until("seepage_fleet_series_judged 2");
    asked_more(4);
    broken.store(true, Ordering::SeqCst);
    asked_more(4);
    broken.store(false, Ordering::SeqCst);
    asked_more(4);
    let text = running.until(r#"seepage_fleet_verdict{job="shop",pod="clean",seepage_fleet_verdict="clean"} 1"#);
    assert!(text.contains("pod=\"leaks\",seepage_fleet_verdict=\"suspected\"} 1"), "{text}");
    let seconds = || -> Vec<f64> {
        let asked = server.asked();
        let ranges = asked.iter().filter(|asked| asked.path.ends_with("query_range"));
        ranges.map(|one| one.form["end"].parse::<f64>().unwrap() - one.form["start"].parse::<f64>().unwrap()).collect()
    };
    let new = seconds();
    let seconds_of_all = |all: &[f64]| all.iter().filter(|seconds| **seconds >= 7200.0).count();
    assert!(new[0] >= 7200.0, "{new:?}");
    // What comes late is asked for again, and a failure loses nothing.
    assert!(new.len() > 3 && new[1..].iter().all(|seconds| (600.0..700.0).contains(seconds)), "{new:?}");
    // What a partial answer lacks is not taken for nothing: all is asked for, until it is whole.
    partial.store(true, Ordering::SeqCst);
    asked_more(4);
    partial.store(false, Ordering::SeqCst);
    wait_until("all is asked for", || seconds_of_all(&seconds()) > 1);
    asked_more(4);
    running.until(r#"seepage_fleet_verdict{job="shop",pod="clean",seepage_fleet_verdict="clean"} 1"#);
    assert!((600.0..700.0).contains(seconds().last().unwrap()), "{:?}", seconds());
}

const TERM: i32 = 15;

#[test]
fn a_server_that_fails_for_a_while_leaves_the_last_answers() {
    let bench = Bench::new();
    let broken = Arc::new(AtomicBool::new(false));
    let ours = Arc::clone(&broken);
    let server = StandIn::new(pods(), move |_: &Asked| {
        if ours.load(Ordering::SeqCst) { Reply::Raw(answer(500, 4, "oops")) } else { Reply::Right }
    });
    let running = Running::new(&bench, &server.url, &[]);
    let known = r#"seepage_fleet_verdict{job="shop",pod="clean",seepage_fleet_verdict="clean"} 1"#;
    running.until(known);
    broken.store(true, Ordering::SeqCst);
    let text = running.until("seepage_fleet_failures_total 2");
    assert!(text.contains(known) && text.contains("seepage_fleet_series_judged 0\n"), "{text}");
    broken.store(false, Ordering::SeqCst);
    running.until("seepage_fleet_series_judged 2");
}

#[test]
fn a_watch_that_can_judge_nothing_says_why() {
    let bench = Bench::new();
    let server = StandIn::new(vec![Series::new("mem", &[("pod", "a")], |_| Some(1.0))], right);
    let running = Running::new(&bench, &server.url, &[]);
    let text = running.until(r#"seepage_fleet_verdict{pod="a",seepage_fleet_verdict="not_judged"} 1"#);
    assert!(!text.contains("seepage_fleet_failures_total 0\n"), "{text}");
    assert!(running.complaint().contains("no series could be judged: its values are 1 bytes at most"));
}

#[test]
fn what_can_not_be_watched_is_refused() {
    let bench = Bench::new();
    ["foreign", "torn"].iter().for_each(|name| std::fs::create_dir(bench.path().join(name)).unwrap());
    bench.write("foreign/watch.json", "{\"mine\": 1}");
    bench.write("torn/watch.json", "{\"format\": \"seepage fleet wat");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    // What was kept for another command is told in the words of the command.
    let server = StandIn::new(pods(), right);
    let running = Running::new(&bench, &server.url, &["--state", "other", "--budget", "2 MiB/hour"]);
    running.until("seepage_fleet_series_judged 2");
    running.end(TERM);
    let cases: [(&[&str], i32, &str); 8] = [
        (
            &["--state", "other"],
            1,
            "for `--memory 'mem' --since 2h --step 30s --budget 'memory=2097152 B/hour'`, now for",
        ),
        (&["--listen", &port], 1, "another program may have this port: give a free one by --listen"),
        (&["--listen", "0.0.0.0:0"], 2, "--listen-beyond-loopback"),
        (&["--watch", "3h"], 2, "expected a time from 1s to that of --since"),
        (&["--format", "jsonl"], 2, "cannot be used with"),
        (&["--state", "foreign"], 1, "foreign/watch.json: expected what `seepage fleet --watch` keeps"),
        (&["--state", "torn"], 1, "cut off after"),
        (&["--listen", "nowhere"], 2, "--listen"),
    ];
    for (more, code, told) in cases {
        let mut seepage = bench.seepage();
        seepage.args(["fleet", "http://127.0.0.1:1", "--memory", "mem", "--since", "2h"]).args(more);
        if !more.contains(&"--watch") {
            seepage.args(["--watch", "1s"]);
        }
        if !more.contains(&"--listen") {
            seepage.args(["--listen", "127.0.0.1:0"]);
        }
        let ended = bench.ended(seepage.output().unwrap());
        assert_eq!(ended.code, Some(code), "{more:?}: {}", ended.story());
        assert!(ended.stderr.contains(told), "{more:?}: {}", ended.story());
    }
    assert_eq!(std::fs::read_to_string(bench.path().join("foreign/watch.json")).unwrap(), "{\"mine\": 1}");
}
