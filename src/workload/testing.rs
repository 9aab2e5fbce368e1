//! What the tests of this module share: configurations from text, and a server that misbehaves as told.

use super::{Counters, Driver, PhaseEnd};
use crate::config::{PhaseConfig, WorkloadConfig};
use crate::model::{LoadSample, WorkloadSummary};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The workload of a harness file, from the lines below `[workload]`.
pub(super) fn workload(toml: &str) -> WorkloadConfig {
    toml.parse().unwrap()
}

/// A phase, from the lines below `[[phase]]`.
pub(super) fn phase(toml: &str) -> PhaseConfig {
    toml.parse().unwrap()
}

/// Waits until `condition` holds, at most ten seconds, and tells whether it does.
pub(super) fn eventually(condition: impl Fn() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(10);
    while !condition() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    condition()
}

/// Whether a process exists and isn't a zombie.
pub(super) fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// A server on a free port that runs one function for each connection.
pub(super) struct TestServer {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
    pub(super) open: Arc<AtomicUsize>,
    pub(super) accepted: Arc<AtomicUsize>,
}

impl TestServer {
    /// Serves each connection, numbered from 0, by `serve` on a thread of its own.
    pub(super) fn start(serve: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> TestServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (stopping, serve) = (Arc::new(AtomicBool::new(false)), Arc::new(serve));
        let (open, accepted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let acceptor = std::thread::spawn({
            let (stopping, open, accepted) = (stopping.clone(), open.clone(), accepted.clone());
            move || {
                for stream in listener.incoming() {
                    if stopping.load(SeqCst) {
                        break;
                    }
                    let (serve, open) = (serve.clone(), open.clone());
                    let number = accepted.fetch_add(1, SeqCst);
                    open.fetch_add(1, SeqCst);
                    std::thread::spawn(move || {
                        serve(stream.unwrap(), number);
                        open.fetch_sub(1, SeqCst);
                    });
                }
            }
        });
        TestServer { address, stopping, acceptor: Some(acceptor), open, accepted }
    }

    /// Answers each request on each connection with what `answer` makes of it, until the client closes.
    pub(super) fn answering(answer: impl Fn(&Received) -> String + Send + Sync + 'static) -> TestServer {
        TestServer::start(move |stream, _| {
            let mut reader = BufReader::new(stream);
            while let Some(received) = receive(&mut reader) {
                if reader.get_mut().write_all(answer(&received).as_bytes()).is_err() {
                    break;
                }
            }
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stopping.store(true, SeqCst);
        // Wakes the acceptor; threads of connections end with their clients.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().unwrap();
        }
    }
}

/// A request as the server got it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Received {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    /// What the head says the body's length is.
    pub(super) length: usize,
}

/// Reads a head; `None` when the client has closed.
pub(super) fn receive_head(reader: &mut BufReader<TcpStream>) -> Option<(String, usize)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length = length.map_or(0, |text| text.parse().unwrap());
    Some((head, length))
}

/// Reads a request, or what the client sent of it.
pub(super) fn receive(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let (head, length) = receive_head(reader)?;
    let mut body = Vec::new();
    // A client that aborts may do so with a reset.
    let _ = reader.take(length as u64).read_to_end(&mut body);
    Some(Received { head, body, length })
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What a test learns of a run.
pub(super) struct Drive {
    pub(super) ends: Vec<PhaseEnd>,
    pub(super) summary: WorkloadSummary,
    pub(super) counters: Arc<Counters>,
    pub(super) samples: Vec<LoadSample>,
    pub(super) driver: Driver,
}

/// Drives these phases with a pool of three workers.
pub(super) fn drive(config: &WorkloadConfig, phases: &[&str]) -> Drive {
    let counters = Arc::new(Counters::new(config));
    let (sender, receiver) = mpsc::channel();
    let mut driver = Driver::new(config, Instant::now(), counters.clone(), sender).unwrap();
    let stop = AtomicBool::new(false);
    let ends = phases.iter().map(|toml| driver.run(&phase(toml), &|| 3, &stop)).collect();
    Drive { ends, summary: driver.summary().unwrap(), counters, samples: receiver.try_iter().collect(), driver }
}

/// A list that server threads add to.
pub(super) type Shared<T> = Arc<Mutex<Vec<T>>>;
