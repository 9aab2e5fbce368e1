//! The driver against servers that misbehave.

use super::testing::*;
use super::*;
use crate::config::StepConfig;
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// A workload of one step to this server, from further lines of its tables.
fn to(server: &TestServer, lines: &str, step: &str) -> WorkloadConfig {
    with_step(&server.url(), lines, step)
}

fn with_step(url: &str, lines: &str, step: &str) -> WorkloadConfig {
    workload(&format!("base-url = ['{url}']\n{lines}\n[[step]]\nname = 'only'\npath = '/x'\n{step}"))
}

const POST: &str = "method = 'POST'\nbody = { random = '1 MiB' }";

fn errors(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
}

fn reset(stream: &TcpStream) {
    setsockopt(stream, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
}

#[test]
fn requests_that_are_answered_as_expected_succeed() {
    let server = TestServer::answering(|_| OK.into());
    let drive = drive(&to(&server, "concurrency = 2", ""), &["kind = 'soak'\nrequests = 50"]);
    assert_eq!(drive.ends, [PhaseEnd::Complete]);
    let summary = &drive.summary;
    assert_eq!((summary.sent, summary.ok, summary.failed, summary.aborted), (50, 50, 0, 0));
    assert_eq!((summary.model.as_str(), summary.statuses.clone()), ("closed", BTreeMap::from([(200, 50)])));
    assert_eq!(drive.driver.histograms()[0].ok.len(), 50);
    assert_eq!(server.accepted.load(SeqCst), 2);
    assert_eq!(drive.samples.iter().map(|sample| sample.ok).sum::<u64>(), 50);
    assert_eq!(drive.counters.totals(), Totals { sent: 50, ok: 50, failed: 0, aborted: 0 });
}

#[test]
fn a_server_that_cannot_be_reached_is_told_and_not_hammered() {
    let url = {
        let server = TestServer::start(|_, _| {});
        server.url()
    };
    let config = with_step(&url, "concurrency = 1", "");
    let drive = drive(&config, &["kind = 'soak'\nduration = '500ms'"]);
    let failed = drive.summary.failed;
    // The pauses double from 10 ms: after seven attempts 1.27 s have passed.
    assert!((1..=7).contains(&failed), "{failed}");
    assert_eq!(drive.summary.errors, errors(&[("connect", failed)]));
    assert!(drive.driver.last_failure().unwrap().starts_with("step `only`: can't connect: "));
}

#[test]
fn a_connection_that_breaks_is_a_reset() {
    let server = TestServer::start(|stream, _| {
        let mut reader = BufReader::new(stream);
        receive(&mut reader);
        reset(reader.get_ref());
    });
    let drive = drive(&to(&server, "concurrency = 1", ""), &["kind = 'soak'\nrequests = 2"]);
    assert_eq!(drive.summary.errors, errors(&[("reset", 2)]));
    assert_eq!(drive.counters.reconnects(), 0);
}

#[test]
fn a_connection_that_is_closed_too_early_is_told() {
    let server = TestServer::start(|stream, number| {
        let mut reader = BufReader::new(stream);
        receive(&mut reader);
        if number == 1 {
            reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").unwrap();
        }
    });
    let drive = drive(&to(&server, "concurrency = 1", ""), &["kind = 'soak'\nrequests = 2"]);
    assert_eq!(drive.summary.errors, errors(&[("closed", 2)]));
}

#[test]
fn silence_is_a_timeout() {
    let server = TestServer::start(|mut stream, _| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let config = to(&server, "concurrency = 1\ntimeout = '50ms'", "");
    let drive = drive(&config, &["kind = 'soak'\nrequests = 2"]);
    assert_eq!(drive.summary.errors, errors(&[("timeout", 2)]));
    assert!(drive.driver.histograms()[0].all.min() >= 49_000);
    assert!(drive.summary.latency.is_empty());
    assert_eq!(drive.driver.last_failure().unwrap(), "step `only`: no answer within 50ms");
}

#[test]
fn garbage_is_a_protocol_error() {
    let server = TestServer::answering(|_| "220 mail.example ESMTP\r\n\r\n".into());
    let endless = TestServer::answering(|_| format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(100_000)));
    for server in [server, endless] {
        let drive = drive(&to(&server, "concurrency = 1", ""), &["kind = 'soak'\nrequests = 1"]);
        assert_eq!(drive.summary.errors, errors(&[("protocol", 1)]));
    }
}

#[test]
fn unexpected_statuses_fail_and_keep_the_connection() {
    let server = TestServer::answering(|_| "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".into());
    let drive = drive(&to(&server, "concurrency = 1", ""), &["kind = 'soak'\nrequests = 3"]);
    assert_eq!(drive.summary.errors, errors(&[("status", 3)]));
    assert_eq!(drive.summary.statuses, BTreeMap::from([(503, 3)]));
    assert_eq!(server.accepted.load(SeqCst), 1);
    assert_eq!(drive.driver.last_failure().unwrap(), "step `only`: unexpected status 503");
}

#[test]
fn a_refusal_before_the_body_is_sent_is_seen_as_its_status() {
    // With data unread, closing sends a reset: the refusal must be read although writing fails.
    let server = TestServer::start(|stream, _| {
        let mut reader = BufReader::new(stream);
        receive_head(&mut reader);
        reader.get_mut().write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig").unwrap();
    });
    let step = "method = 'POST'\nbody = { random = '64 MiB' }\nexpect = [413]";
    let drive = drive(&to(&server, "concurrency = 4", step), &["kind = 'soak'\nrequests = 100"]);
    assert_eq!((drive.summary.ok, drive.summary.errors.len()), (100, 0), "{:?}", drive.summary);
    let bytes: u64 = drive.samples.iter().map(|sample| sample.bytes_sent).sum();
    assert!(bytes < 100 * (64 << 20) / 2, "{bytes} bytes were sent to a server that refused them");
}

#[test]
fn a_refusal_is_believed_without_the_connection_being_closed() {
    let server = TestServer::start(|stream, _| {
        let mut reader = BufReader::new(stream);
        receive_head(&mut reader);
        reader.get_mut().write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").unwrap();
        // Reads nothing more until the client gives up.
        std::thread::sleep(Duration::from_millis(50));
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    });
    let step = "method = 'POST'\nbody = { random = '64 MiB' }\nexpect = [401]";
    let drive = drive(&to(&server, "concurrency = 1", step), &["kind = 'soak'\nrequests = 2"]);
    assert_eq!((drive.summary.ok, server.accepted.load(SeqCst)), (2, 2));
}

#[test]
fn after_an_early_success_the_body_is_still_sent_whole() {
    let lengths: Shared<usize> = Shared::default();
    let server = TestServer::start({
        let lengths = lengths.clone();
        move |stream, _| {
            let mut reader = BufReader::new(stream);
            while let Some((_, length)) = receive_head(&mut reader) {
                reader.get_mut().write_all(OK.as_bytes()).unwrap();
                let read = std::io::copy(&mut (&mut reader).take(length as u64), &mut std::io::sink()).unwrap();
                lengths.lock().unwrap().push(read as usize);
            }
        }
    });
    let step = "method = 'POST'\nbody = { random = '32 MiB' }";
    let drive = drive(&to(&server, "concurrency = 1", step), &["kind = 'soak'\nrequests = 2"]);
    assert_eq!((drive.summary.ok, server.accepted.load(SeqCst)), (2, 1));
    assert!(eventually(|| *lengths.lock().unwrap() == [32 << 20; 2]));
}

/// The bodies that a server gets from ten requests that are all aborted.
fn aborted(at: &str, lines: &str) -> (Drive, Vec<(Received, Duration)>) {
    let received: Shared<(Received, Duration)> = Shared::default();
    let server = TestServer::start({
        let received = received.clone();
        move |stream, _| {
            let begun = Instant::now();
            let mut reader = BufReader::new(stream);
            if let Some(request) = receive(&mut reader) {
                received.lock().unwrap().push((request, begun.elapsed()));
            }
        }
    });
    let step = format!("{POST}\nabort = {{ share = '100%', at = '{at}' }}");
    let drive = drive(&to(&server, &format!("concurrency = 2\n{lines}"), &step), &["kind = 'soak'\nrequests = 10"]);
    eventually(|| received.lock().unwrap().len() == 10);
    let received = std::mem::take(&mut *received.lock().unwrap());
    assert_eq!((drive.summary.sent, drive.summary.aborted, received.len()), (10, 10, 10));
    (drive, received)
}

#[test]
fn requests_are_aborted_in_the_middle_of_their_bodies() {
    let (drive, received) = aborted("mid-body", "");
    assert!(received.iter().all(|(request, _)| request.body.len() < request.length));
    assert!(received.iter().any(|(request, _)| request.body.len() > 100));
    let bytes: usize = received.iter().map(|(request, _)| request.body.len()).sum();
    assert_eq!(drive.samples.iter().map(|sample| sample.bytes_sent).sum::<u64>(), bytes as u64);
    assert_eq!(drive.summary.error_rate(), None);
}

#[test]
fn requests_are_aborted_after_their_bodies() {
    let (_, received) = aborted("after-body", "");
    assert!(received.iter().all(|(request, _)| request.body.len() == request.length));
}

#[test]
fn slow_drips_last_for_half_of_the_timeout() {
    let (_, received) = aborted("slow-drip", "timeout = '400ms'");
    assert!(
        received
            .iter()
            .all(|(request, time)| { request.body.len() < request.length && *time > Duration::from_millis(150) })
    );
}

#[test]
fn connections_carry_as_many_requests_as_they_may() {
    let heads: Shared<(usize, bool)> = Shared::default();
    let server = TestServer::start({
        let heads = heads.clone();
        move |stream, number| {
            let mut reader = BufReader::new(stream);
            while let Some(request) = receive(&mut reader) {
                heads.lock().unwrap().push((number, request.head.contains("Connection: close\r\n")));
                reader.get_mut().write_all(OK.as_bytes()).unwrap();
            }
        }
    });
    let config = to(&server, "concurrency = 1\nrequests-per-connection = 3", "");
    let drive = drive(&config, &["kind = 'soak'\nrequests = 7"]);
    assert_eq!(drive.summary.ok, 7);
    let expected = (0..7).map(|n| (n / 3, n % 3 == 2)).collect::<Vec<_>>();
    assert_eq!(*heads.lock().unwrap(), expected);
}

#[test]
fn a_kept_connection_that_the_server_closed_is_no_failure() {
    let server = TestServer::start(|stream, _| {
        let mut reader = BufReader::new(stream);
        receive(&mut reader);
        // It closes after each answer, without saying so.
        reader.get_mut().write_all(OK.as_bytes()).unwrap();
    });
    let drive = drive(&to(&server, "concurrency = 1", POST), &["kind = 'soak'\nrequests = 20"]);
    assert_eq!((drive.summary.ok, drive.summary.failed), (20, 0), "{:?}", drive.summary);
    assert_eq!(drive.counters.reconnects(), 19);
    assert_eq!(drive.samples.iter().map(|sample| sample.sent).sum::<u64>(), 20);
}

#[test]
fn the_same_seed_sends_the_same_requests() {
    let run = |seed: u64| {
        let requests: Shared<Received> = Shared::default();
        let server = TestServer::answering({
            let requests = requests.clone();
            move |request| {
                requests.lock().unwrap().push(request.clone());
                OK.into()
            }
        });
        let config = workload(&format!(
            "base-url = ['{}']\nseed = {seed}\nconcurrency = 3\n\
             [[step]]\nname = 'a'\npath = '/a'\nweight = 0.5\n\
             [[step]]\nname = 'b'\npath = '/b'\nmethod = 'PUT'\n\
             body = {{ random = {{ log-uniform = ['1 B', '64 KiB'] }} }}\nabort = {{ share = '30%' }}",
            server.url()
        ));
        let drive = drive(&config, &["kind = 'warm-up'\nrequests = 20", "kind = 'soak'\nrequests = 30"]);
        assert_eq!(drive.counters.totals().sent, 50);
        eventually(|| requests.lock().unwrap().len() == 50);
        let mut requests = std::mem::take(&mut *requests.lock().unwrap());
        // The port differs from run to run.
        requests.iter_mut().for_each(|request| request.head = request.head.replace(&server.url()[7..], "host"));
        requests.sort();
        requests
    };
    let first = run(1);
    assert_eq!(first.len(), 50);
    assert!(first.iter().any(|request| request.body.len() < request.length));
    assert!(first == run(1));
    assert!(first != run(2));
}

#[test]
fn the_open_model_counts_the_wait_for_a_stalled_server() {
    let stalled = AtomicUsize::new(0);
    let server = TestServer::answering(move |_| {
        if stalled.fetch_add(1, SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(500));
        }
        OK.into()
    });
    let config = to(&server, "concurrency = 1\nrate = '100/s'", "");
    let drive = drive(&config, &["kind = 'soak'\nrequests = 20"]);
    assert_eq!((drive.summary.ok, drive.summary.model.as_str()), (20, "open"));
    // The last was to begin after 190 ms and could not before 500 ms.
    let shortest = drive.driver.histograms()[0].ok.min();
    assert!(shortest >= 309_000, "{shortest} us");
}

#[test]
fn arrivals_that_wait_for_too_long_are_dropped() {
    let server = TestServer::start(|mut stream, _| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let config = to(&server, "concurrency = 1\nrate = '1000/s'\ntimeout = '100ms'", "");
    let drive = drive(&config, &["kind = 'soak'\nrequests = 50"]);
    let summary = drive.summary;
    assert_eq!((summary.failed, summary.ok), (50, 0));
    assert_eq!(summary.errors["timeout"] + summary.errors["dropped"], 50);
    assert_eq!(summary.sent, summary.errors["timeout"]);
}

#[test]
fn the_open_model_opens_no_more_connections_than_it_may() {
    let server = TestServer::answering(|_| {
        std::thread::sleep(Duration::from_millis(20));
        OK.into()
    });
    let config = to(&server, "concurrency = 4\nrate = '1000/s'", "");
    let drive = drive(&config, &["kind = 'soak'\nrequests = 60"]);
    assert_eq!((drive.summary.ok, server.accepted.load(SeqCst)), (60, 4));
}

#[test]
fn concurrency_moves_from_one_phase_to_the_next() {
    let most: Arc<AtomicUsize> = Arc::default();
    let open: Arc<Mutex<Option<Arc<AtomicUsize>>>> = Arc::default();
    let server = TestServer::answering({
        let (most, open) = (most.clone(), open.clone());
        move |_| {
            if let Some(open) = &*open.lock().unwrap() {
                most.fetch_max(open.load(SeqCst), SeqCst);
            }
            OK.into()
        }
    });
    *open.lock().unwrap() = Some(server.open.clone());
    let config = to(&server, "", "");
    let counters = Arc::new(Counters::new(&config));
    let mut driver = Driver::new(&config, Instant::now(), counters.clone(), mpsc::channel().0).unwrap();
    let stop = AtomicBool::new(false);
    let mut run = |toml: &str| driver.run(&phase(toml), &|| 3, &stop);
    run("kind = 'warm-up'\nconcurrency = 1\nrequests = 50");
    assert_eq!((most.load(SeqCst), server.accepted.load(SeqCst)), (1, 1));
    run("kind = 'soak'\nconcurrency = 4\nduration = '1500ms'");
    // The kept connection is used again.
    assert_eq!((most.load(SeqCst), server.accepted.load(SeqCst)), (4, 4));
    run("kind = 'soak'\nconcurrency = 1\nduration = '300ms'");
    assert!(eventually(|| server.open.load(SeqCst) == 1));
    run("kind = 'settle'\nduration = '1ms'");
    assert!(eventually(|| server.open.load(SeqCst) == 0));
    assert_eq!(counters.totals().failed, 0);
}

#[test]
fn requests_per_worker_are_multiplied_by_the_pool() {
    let server = TestServer::answering(|_| OK.into());
    let drive = drive(&to(&server, "concurrency = 2", ""), &["kind = 'soak'\nrequests-per-worker = 7"]);
    assert_eq!(drive.summary.sent, 21);
}

#[test]
fn connections_go_to_the_servers_in_turn() {
    let servers = [TestServer::answering(|_| OK.into()), TestServer::answering(|_| OK.into())];
    let mut config = to(&servers[0], "concurrency = 1\nrequests-per-connection = 1", "");
    config.base_url.push(servers[1].url());
    assert_eq!(drive(&config, &["kind = 'soak'\nrequests = 6"]).summary.ok, 6);
    assert_eq!(servers.each_ref().map(|server| server.accepted.load(SeqCst)), [3, 3]);
}

#[test]
fn a_stop_does_not_wait_for_answers() {
    let server = TestServer::start(|mut stream, _| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let lines = "timeout = '1h'\nthink-time = '1h'";
    for model in ["concurrency = 2", "rate = '50/s'"] {
        let config = to(&server, &format!("{model}\n{lines}"), "");
        let counters = Arc::new(Counters::new(&config));
        let mut driver = Driver::new(&config, Instant::now(), counters.clone(), mpsc::channel().0).unwrap();
        let stop = AtomicBool::new(false);
        let end = std::thread::scope(|scope| {
            scope.spawn(|| {
                while counters.totals().sent < 2 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                stop.store(true, SeqCst);
            });
            driver.run(&phase("kind = 'soak'"), &|| 1, &stop)
        });
        assert_eq!(end, PhaseEnd::Stopped);
        assert_eq!(counters.totals().failed, 0);
    }
}

#[test]
fn a_pause_ends_with_its_phase() {
    let server = TestServer::answering(|_| OK.into());
    let config = to(&server, "concurrency = 2\nthink-time = '1h'", "");
    let drive = drive(&config, &["kind = 'soak'\nduration = '100ms'"]);
    assert_eq!(drive.ends, [PhaseEnd::Complete]);
    assert!(drive.summary.sent <= 2 && drive.summary.failed == 0);
}

#[test]
fn a_phase_without_load_is_refused() {
    let server = TestServer::answering(|_| OK.into());
    let drive = drive(&to(&server, "", ""), &["kind = 'soak'\nrequests = 1"]);
    assert!(matches!(&drive.ends[0], PhaseEnd::Failed(why) if why.contains("no load")));
}

#[test]
fn more_connections_than_descriptors_are_refused() {
    let config = with_step("http://127.0.0.1", "concurrency = 4000000000", "");
    let refused = Driver::new(&config, Instant::now(), Arc::new(Counters::new(&config)), mpsc::channel().0).err();
    assert_eq!(refused.unwrap().key, "workload.concurrency");
}

#[test]
fn answers_to_head_have_no_body() {
    let server = TestServer::answering(|_| "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".into());
    let drive = drive(&to(&server, "concurrency = 1", "method = 'HEAD'"), &["kind = 'soak'\nrequests = 3"]);
    assert_eq!((drive.summary.ok, server.accepted.load(SeqCst)), (3, 1));
}

#[test]
fn every_step_of_the_file_has_its_counters() {
    let server = TestServer::answering(|request| {
        let status = if request.head.starts_with("GET /bad") { "404 Not Found" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
    });
    let mut config = to(&server, "concurrency = 2", "");
    let bad = StepConfig { name: "bad".into(), path: "/bad".into(), ..config.steps[0].clone() };
    config.steps.push(bad);
    let drive = drive(&config, &["kind = 'soak'\nrequests = 40"]);
    assert_eq!(drive.counters.steps().collect::<Vec<_>>(), ["only", "bad"]);
    let (only, bad) = (drive.counters.step(0), drive.counters.step(1));
    assert_eq!((only.failed, bad.ok, only.ok + bad.failed), (0, 0, 40));
    assert!(only.ok > 0 && bad.failed > 0);
}
