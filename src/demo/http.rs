//! The server's side of one HTTP/1.1 connection, blocking and without allocation for each request.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// How long a client may be silent, within a request or between two. Short, because a silent client holds a worker.
const SILENCE: Duration = Duration::from_secs(2);
const BUFFER: usize = 64 << 10;
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;

/// What the request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Index,
    Upload,
    Status,
    WrongMethod,
    Unknown,
}

/// How the body's end is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
}

/// The head of a request, as far as this server cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) route: Route,
    pub(super) keep_alive: bool,
    framing: Framing,
    expects_continue: bool,
}

/// The bytes of a body that arrived, decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// All of it.
    Whole(u64),
    /// The client broke it off, or sent what isn't HTTP.
    Broken(u64),
}

/// A connection with its buffer; used again for the next connection.
pub(super) struct Connection {
    stream: Option<TcpStream>,
    buffer: Box<[u8]>,
    /// The bytes in the buffer that aren't consumed yet.
    start: usize,
    end: usize,
    output: Vec<u8>,
}

impl Connection {
    pub(super) fn new() -> Connection {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Connection { stream: None, buffer, start: 0, end: 0, output: Vec::with_capacity(1024) }
    }

    /// Begins to serve `stream`.
    pub(super) fn open(&mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        self.stream = Some(stream);
        (self.start, self.end) = (0, 0);
        Ok(())
    }

    /// Ends the connection.
    pub(super) fn close(&mut self) {
        if let Some(stream) = self.stream.take() {
            // The client may have closed first.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Reads more into the buffer; false at the end of the stream, on an error and after too long a silence.
    fn fill(&mut self) -> bool {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let Some(stream) = &mut self.stream else { return false };
        loop {
            return match stream.read(&mut self.buffer[self.end..]) {
                Ok(0) => false,
                Ok(count) => {
                    self.end += count;
                    true
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => false,
            };
        }
    }

    /// Reads the head of the next request; `None` if there is none, the status to answer with if it is malformed.
    pub(super) fn read_head(&mut self) -> Result<Option<Head>, u16> {
        loop {
            if self.start < self.end
                && let Some((head, length)) = parse_head(&self.buffer[self.start..self.end])?
            {
                self.start += length;
                return Ok(Some(head));
            }
            if self.end - self.start >= MAX_HEAD {
                return Err(431);
            }
            if !self.fill() {
                return Ok(None);
            }
        }
    }

    /// Reads the body to its end and drops it.
    pub(super) fn drain_body(&mut self, head: &Head) -> Body {
        let has_body = head.framing != Framing::Length(0);
        if head.expects_continue && has_body {
            let sent = self.stream.as_mut().map(|stream| stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n"));
            if !matches!(sent, Some(Ok(()))) {
                return Body::Broken(0);
            }
        }
        match head.framing {
            Framing::Length(length) => match self.skip(length) {
                taken if taken == length => Body::Whole(taken),
                taken => Body::Broken(taken),
            },
            Framing::Chunked => self.drain_chunks(),
        }
    }

    /// Drops up to `length` bytes and returns how many came.
    fn skip(&mut self, length: u64) -> u64 {
        let mut left = length;
        loop {
            let taken = left.min((self.end - self.start) as u64);
            self.start += taken as usize;
            left -= taken;
            if left == 0 || !self.fill() {
                return length - left;
            }
        }
    }

    fn drain_chunks(&mut self) -> Body {
        let mut total = 0;
        loop {
            let size = match httparse::parse_chunk_size(&self.buffer[self.start..self.end]) {
                Ok(httparse::Status::Complete((length, size))) => {
                    self.start += length;
                    size
                }
                Ok(httparse::Status::Partial) if self.fill() => continue,
                _ => return Body::Broken(total),
            };
            if size == 0 {
                return if self.drain_trailers() { Body::Whole(total) } else { Body::Broken(total) };
            }
            let taken = self.skip(size);
            total += taken;
            if taken < size || self.skip(2) < 2 {
                return Body::Broken(total);
            }
        }
    }

    /// Drops the lines after the last chunk up to the empty one.
    fn drain_trailers(&mut self) -> bool {
        loop {
            let pending = &self.buffer[self.start..self.end];
            match pending.windows(2).position(|pair| pair == b"\r\n") {
                Some(0) => {
                    self.start += 2;
                    return true;
                }
                Some(length) => self.start += length + 2,
                None if pending.len() < MAX_HEAD && self.fill() => {}
                None => return false,
            }
        }
    }

    /// Sends an answer.
    pub(super) fn respond(
        &mut self,
        status: u16,
        reason: &str,
        content_type: &str,
        content: &[u8],
        keep_alive: bool,
    ) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        self.output.clear();
        write!(
            self.output,
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{}\r\n",
            content.len(),
            if keep_alive { "" } else { "Connection: close\r\n" },
        )?;
        self.output.extend_from_slice(content);
        stream.write_all(&self.output)
    }
}

/// The head and its length, `None` if it isn't complete, or the status to answer with.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, u16> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(_) => return Err(400),
    };
    let path = request.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let route = match (request.method.unwrap_or_default(), path) {
        ("GET", "/") => Route::Index,
        ("POST" | "PUT", "/upload") => Route::Upload,
        ("GET", "/status") => Route::Status,
        (_, "/" | "/upload" | "/status") => Route::WrongMethod,
        _ => Route::Unknown,
    };
    let mut head =
        Head { route, keep_alive: request.version == Some(1), framing: Framing::Length(0), expects_continue: false };
    for header in request.headers.iter() {
        let value = std::str::from_utf8(header.value).map_err(|_| 400u16)?.trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            if head.framing != Framing::Chunked {
                head.framing = Framing::Length(value.parse().map_err(|_| 400u16)?);
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(400);
            }
            head.framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.keep_alive &= !value.eq_ignore_ascii_case("close");
        } else if header.name.eq_ignore_ascii_case("expect") {
            head.expects_continue = value.eq_ignore_ascii_case("100-continue");
        }
    }
    Ok(Some((head, length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, TcpListener};

    /// What the server makes of a client that sends `bytes` and closes its side: the heads' routes and the bodies.
    fn requests(bytes: &[u8]) -> Vec<Result<(Route, Body), u16>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut connection = Connection::new();
        connection.open(listener.accept().unwrap().0).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // The server may refuse before it has read everything.
                let _ = client.write_all(bytes);
                let _ = client.shutdown(Shutdown::Write);
                let _ = client.read_to_end(&mut Vec::new());
            });
            let mut seen = Vec::new();
            loop {
                match connection.read_head() {
                    Ok(Some(head)) => {
                        let body = connection.drain_body(&head);
                        seen.push(Ok((head.route, body)));
                        if matches!(body, Body::Broken(_)) {
                            break;
                        }
                    }
                    Ok(None) => break,
                    Err(status) => {
                        seen.push(Err(status));
                        break;
                    }
                }
            }
            connection.close();
            seen
        })
    }

    #[test]
    fn bodies_with_a_length_are_read_to_their_end() {
        let mut bytes = b"POST /upload HTTP/1.1\r\nContent-Length: 200000\r\n\r\n".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 200_000));
        bytes.extend(b"GET /status HTTP/1.1\r\n\r\n");
        assert_eq!(requests(&bytes), [Ok((Route::Upload, Body::Whole(200_000))), Ok((Route::Status, Body::Whole(0)))]);
    }

    #[test]
    fn chunked_bodies_are_read_to_their_end() {
        let bytes = b"PUT /upload?x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
            5\r\nhello\r\nA;note=1\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        assert_eq!(requests(bytes), [Ok((Route::Upload, Body::Whole(15))), Ok((Route::Index, Body::Whole(0)))]);
    }

    #[test]
    fn a_body_that_is_broken_off_is_told_from_a_whole_one() {
        let fixed = b"POST /upload HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc";
        assert_eq!(requests(fixed), [Ok((Route::Upload, Body::Broken(3)))]);
        let chunked = b"POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe";
        assert_eq!(requests(chunked), [Ok((Route::Upload, Body::Broken(7)))]);
    }

    #[test]
    fn unknown_routes_and_wrong_methods_are_seen() {
        let bytes = b"GET /x HTTP/1.1\r\n\r\nDELETE /upload HTTP/1.1\r\n\r\n";
        assert_eq!(requests(bytes), [Ok((Route::Unknown, Body::Whole(0))), Ok((Route::WrongMethod, Body::Whole(0)))]);
    }

    #[test]
    fn malformed_and_endless_heads_are_refused() {
        assert_eq!(requests(b"\x00\x01\r\n\r\n"), [Err(400)]);
        let endless = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 40_000]].concat();
        assert_eq!(requests(&endless), [Err(431)]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_head(&bytes);
        }
    }
}
