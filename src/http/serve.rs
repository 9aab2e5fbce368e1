//! A small server of a few pages, for one machine that asks now and then: bounded connections, heads and times, and nothing kept alive.

use crate::thread;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections that are answered at once; others wait in the kernel's queue.
const CONNECTIONS: usize = 8;
/// Bytes of the longest head, and its most fields.
const LONGEST: usize = 8 << 10;
const FIELDS: usize = 64;
/// How long a head may take to come, and an answer to go.
const ASKING: Duration = Duration::from_secs(5);
const ANSWERING: Duration = Duration::from_secs(30);
/// How long to wait where no connection can be had, as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of an answer that are sent at once: between them, the time is looked at.
const PIECE: usize = 64 << 10;

/// A page as it is answered.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its `Content-Type`.
    pub kind: &'static str,
    /// The page itself.
    pub body: Arc<str>,
}

/// Serves what `page` has for a path, without its query, until the process ends; other paths are answered with 404, and other methods than GET and
/// HEAD with 405.
///
/// # Errors
/// If no thread can be started.
pub fn serve(listener: TcpListener, page: impl Fn(&str) -> Option<Page> + Send + Sync + 'static) -> io::Result<()> {
    let shared = Arc::new((listener, page));
    for _ in 0..CONNECTIONS {
        let ours = Arc::clone(&shared);
        thread::start("pages", move || {
            loop {
                match ours.0.accept() {
                    // Whoever asked may have gone.
                    Ok((stream, _)) => drop(answer(stream, &ours.1)),
                    Err(_) => std::thread::sleep(PAUSE),
                }
            }
        })?;
    }
    Ok(())
}

/// What is answered to a head.
struct Reply {
    status: &'static str,
    page: Page,
    /// Whether only the head of the answer is sent.
    bare: bool,
}

impl Reply {
    fn plain(status: &'static str, bare: bool) -> Reply {
        Reply { status, page: Page { kind: "text/plain; charset=utf-8", body: format!("{status}\n").into() }, bare }
    }
}

fn answer(mut stream: TcpStream, page: &impl Fn(&str) -> Option<Page>) -> io::Result<()> {
    let reply = match head(&mut stream) {
        Ok(Some(head)) => reply(&head, page),
        Ok(None) => Reply::plain("431 Request Header Fields Too Large", false),
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
            Reply::plain("408 Request Timeout", false)
        }
        Err(error) => return Err(error),
    };
    let Reply { status, page: Page { kind, body }, bare } = reply;
    let allow = if status.starts_with("405") { "allow: GET, HEAD\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{allow}cache-control: no-store\r\n\
         x-content-type-options: nosniff\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let until = Instant::now() + ANSWERING;
    let body = if bare { &[][..] } else { body.as_bytes() };
    for piece in std::iter::once(head.as_bytes()).chain(body.chunks(PIECE)) {
        stream.set_write_timeout(Some(left(until)?))?;
        stream.write_all(piece)?;
    }
    stream.shutdown(Shutdown::Write)?;
    // What was sent beside the head would reset the connection, and the answer be lost with it.
    stream.set_read_timeout(Some(PAUSE))?;
    io::copy(&mut stream.take(LONGEST as u64), &mut io::sink()).map(drop)
}

/// Reads a head up to its empty line; `None` if it is too long.
fn head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let (mut head, until) = (Vec::new(), Instant::now() + ASKING);
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > LONGEST {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut piece)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => head.extend_from_slice(&piece[..count]),
        }
    }
    Ok(Some(head))
}

/// The time that is left, which isn't zero.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// What is answered to this head.
fn reply(head: &[u8], page: &impl Fn(&str) -> Option<Page>) -> Reply {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Reply::plain("431 Request Header Fields Too Large", false),
        _ => return Reply::plain("400 Bad Request", false),
    }
    let bare = request.method == Some("HEAD");
    if !bare && request.method != Some("GET") {
        return Reply::plain("405 Method Not Allowed", false);
    }
    let path = request.path.unwrap_or_default();
    match page(path.split('?').next().unwrap_or_default()) {
        Some(page) => Reply { status: "200 OK", page, bare },
        None => Reply::plain("404 Not Found", bare),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn page(path: &str) -> Option<Page> {
        (path == "/a").then(|| Page { kind: "text/a", body: "hello\n".into() })
    }

    fn served() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        serve(listener, page).unwrap();
        address
    }

    fn ask(address: SocketAddr, head: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn pages_are_answered_and_all_else_is_refused() {
        let address = served();
        let body = |text: &str| text.split_once("\r\n\r\n").unwrap().1.to_owned();
        let got = ask(address, b"GET /a?x=1 HTTP/1.1\r\nhost: x\r\n\r\n");
        assert!(got.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/a\r\ncontent-length: 6\r\n"), "{got}");
        assert_eq!(body(&got), "hello\n");
        let got = ask(address, b"HEAD /a HTTP/1.1\r\n\r\n");
        assert!(got.contains("content-length: 6\r\n") && body(&got).is_empty(), "{got}");
        let many = format!("GET /a HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(FIELDS + 1));
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(2 * LONGEST));
        for (head, told) in [
            (&b"GET /b HTTP/1.1\r\n\r\n"[..], "404 Not Found"),
            (b"GET /../a HTTP/1.1\r\n\r\n", "404 Not Found"),
            (b"POST /a HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc", "405 Method Not Allowed"),
            (b"\xff\xfe\r\n\r\n", "400 Bad Request"),
            (many.as_bytes(), "431 "),
            (long.as_bytes(), "431 "),
        ] {
            let got = ask(address, head);
            assert!(got.starts_with(&format!("HTTP/1.1 {told}")), "{told}: {got}");
        }
    }

    #[test]
    fn whoever_says_nothing_is_sent_away_and_keeps_nobody_out_for_long() {
        let address = served();
        let silent: Vec<TcpStream> = (0..2 * CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
        let begun = Instant::now();
        assert!(ask(address, b"GET /a HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));
        assert!(begun.elapsed() < 5 * ASKING);
        drop(silent);
    }
}
