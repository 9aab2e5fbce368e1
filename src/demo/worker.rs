//! One worker: accepts connections and serves them, one at a time.
//!
//! It reuses its buffers, so that without a fault its memory stays flat.

use super::fault::{Faulty, Upload};
use super::http::{Body, Connection, Head, Route};
use super::{DemoOptions, Fault};
use std::fs::File;
use std::io::{self, Write};
use std::net::TcpListener;

/// Requests served over one connection before it is closed, Apache's default. With as many clients as workers it
/// keeps the load even; with more, it lets the waiting ones in.
const MAX_KEEP_ALIVE_REQUESTS: u32 = 100;

/// A worker, or the template of workers in the parent.
pub(super) struct Worker {
    listener: TcpListener,
    log: Option<File>,
    faulty: Faulty,
    fault: Fault,
    max_requests: Option<u64>,
    pid: u32,
    requests: u64,
    uploads: u64,
    line: Vec<u8>,
    answer: Vec<u8>,
}

impl Worker {
    pub(super) fn new(listener: TcpListener, log: Option<File>, faulty: Faulty, options: &DemoOptions) -> Worker {
        let (fault, max_requests) = (options.fault, options.max_requests);
        let (line, answer) = (Vec::with_capacity(128), Vec::with_capacity(512));
        Worker { listener, log, faulty, fault, max_requests, pid: 0, requests: 0, uploads: 0, line, answer }
    }

    /// Serves as worker `pid` until `max_requests` are done.
    pub(super) fn serve(&mut self, pid: u32) -> io::Result<()> {
        self.pid = pid;
        let mut connection = Connection::new();
        while !self.is_spent() {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                // The client went away while it waited.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            connection.open(stream)?;
            self.serve_connection(&mut connection);
            connection.close();
        }
        Ok(())
    }

    fn is_spent(&self) -> bool {
        self.max_requests.is_some_and(|max| self.requests >= max)
    }

    fn serve_connection(&mut self, connection: &mut Connection) {
        for nth in 1..=MAX_KEEP_ALIVE_REQUESTS {
            let head = match connection.read_head() {
                Ok(Some(head)) => head,
                // The client is done, or idle for too long.
                Ok(None) => return,
                Err(status) => {
                    self.requests += 1;
                    self.answer.clear();
                    self.record("other", status, 0);
                    let _ = self.respond(connection, status, false);
                    return;
                }
            };
            self.requests += 1;
            let body = connection.drain_body(&head);
            let keep_alive =
                head.keep_alive && nth < MAX_KEEP_ALIVE_REQUESTS && !self.is_spent() && matches!(body, Body::Whole(_));
            let status = self.handle(&head, body);
            if self.respond(connection, status, keep_alive).is_err() || !keep_alive {
                return;
            }
        }
    }

    /// Does what the request asks, logs it, and leaves the answer's content in `self.answer`.
    fn handle(&mut self, head: &Head, body: Body) -> u16 {
        self.answer.clear();
        let (bytes, aborted) = match body {
            Body::Whole(bytes) => (bytes, false),
            Body::Broken(bytes) => (bytes, true),
        };
        let (class, status) = match head.route {
            Route::Upload => {
                self.uploads += 1;
                self.faulty.commit(Upload { bytes, aborted });
                match (aborted, self.fault) {
                    (true, _) => ("upload-aborted", 400),
                    (false, Fault::Error) => ("upload", 500),
                    (false, _) => ("upload", 200),
                }
            }
            _ if aborted => ("other", 400),
            Route::Index => ("index", 200),
            Route::Status => ("status", 200),
            Route::WrongMethod => ("other", 405),
            Route::Unknown => ("other", 404),
        };
        // Writing to a vector can't fail.
        let _ = match (head.route, status) {
            (Route::Index, 200) => self.answer.write_all(b"seepage demonstration server\n"),
            (Route::Upload, 200) => writeln!(self.answer, "{bytes} bytes"),
            (Route::Status, 200) => writeln!(
                self.answer,
                r#"{{"pid":{},"requests":{},"uploads":{}}}"#,
                self.pid, self.requests, self.uploads
            ),
            _ => writeln!(self.answer, "{}", reason(status)),
        };
        self.record(class, status, bytes);
        status
    }

    /// Appends a line to the access log, in one write so that lines of several workers don't mix.
    fn record(&mut self, class: &str, status: u16, bytes: u64) {
        let Some(log) = &mut self.log else { return };
        self.line.clear();
        // A full disk must not change how the server behaves.
        let _ = writeln!(self.line, "{} {class} {status} {bytes}", self.pid);
        let _ = log.write_all(&self.line);
    }

    fn respond(&mut self, connection: &mut Connection, status: u16, keep_alive: bool) -> io::Result<()> {
        let kind = if self.answer.starts_with(b"{") { "application/json" } else { "text/plain" };
        connection.respond(status, reason(status), kind, &self.answer, keep_alive)
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        _ => "Internal Server Error",
    }
}
